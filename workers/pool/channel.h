#pragma once

#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#include <QByteArray>
#include <QObject>
#include <QSocketNotifier>

namespace millrace {

/// What a channel tells its owner. Called on the channel's thread; the channel must not be deleted within
/// (use deleteLater()).
class ChannelClient
{
public:
    virtual ~ChannelClient() = default;
    /// A Rows frame begins: memory for its columns, or nothing after having refused it (the channel then
    /// reads no more).
    virtual std::vector<std::span<std::byte>> rowsBegin(unsigned slot, const FrameHeader &header) = 0;
    /// Part of its payload is in place, while it is in the cache.
    virtual void rowsPart(unsigned slot, FrameReader::Placed placed) = 0;
    virtual void rowsEnd(unsigned slot) = 0;
    virtual void message(unsigned slot, std::uint16_t epoch, const Message &message) = 0;
    /// The bytes are no frames; nothing more is read.
    virtual void broken(unsigned slot, const std::string &sentence) = 0;
    /// The other end is closed. `cut`: in the middle of a frame.
    virtual void closed(unsigned slot, bool cut) = 0;
};

/// The socket between supervisor and one worker: frames in and out of a descriptor that it owns. Lives on the
/// supervisor thread and never waits. Reads straight into the place that the client names. A write that meets
/// a dead peer loses nothing that has arrived (QLocalSocket would).
class Channel : public QObject
{
    Q_OBJECT

public:
    /// Takes `fd`, a connected stream socket.
    Channel(unsigned slot, int fd, ChannelClient &client, QObject *parent = nullptr);
    ~Channel() override;

    /// Queues a message and writes what the socket takes now. More than `queuedBytesMax` unread by the worker
    /// breaks the channel: a worker that never reads must not grow this process.
    void send(const Message &message, std::uint16_t epoch);
    static constexpr qsizetype queuedBytesMax = 2 * 1024 * 1024;

    /// Reads all that has arrived, for the last time: the process is gone.
    void drain();
    bool isOpen() const { return m_fd >= 0; }

private Q_SLOTS:
    void onReadable();
    void onWritable();

private:
    enum class Read { More, Empty, Ended };

    Read readOnce();
    bool feed(std::span<const std::byte> bytes);
    bool handle(FrameReader::Event event);
    void write();
    void close();

    const unsigned m_slot;
    int m_fd;
    ChannelClient &m_client;
    FrameReader m_reader;
    QByteArray m_queue;
    std::size_t m_turnBytes = 0; ///< read in this turn of the event loop
    QSocketNotifier m_readable;
    QSocketNotifier m_writable;
};

} // namespace millrace
