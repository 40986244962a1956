#pragma once

#include "workers/protocol/messages.h"

#include <condition_variable>
#include <mutex>

namespace millrace {

/// The way out of a worker: whole frames, from any thread, in the order of their calls per thread. There is
/// no queue of rows: whoever computes them writes them, and waits while the supervisor does not read; so
/// memory is bounded by one batch. Messages are queued (bounded) and written by whoever is writing, or by the
/// session's poll loop.
class Outbox
{
public:
    /// `fd` stays the caller's. `wakeFd`, an eventfd, is written when messages wait for the poll loop.
    Outbox(int fd, int wakeFd) : m_fd(fd), m_wakeFd(wakeFd) {}

    /// Writes one Rows frame; returns when the socket has all of it. False: the channel is gone.
    bool sendRows(const FrameHeader &header, std::span<const std::span<const std::byte>> columns);

    /// Queues a message and writes what the socket takes at once. Never waits. A Log beyond logBytesMax is
    /// dropped and counted in the next one that goes.
    void post(const Message &message, std::uint16_t epoch);

    /// Writes what is queued, as far as the socket takes it. True: something is left, to be written when the
    /// socket can.
    bool flush();

    bool isBroken() const;

private:
    static constexpr qsizetype logBytesMax = 256 * 1024;

    bool writeQueued();
    bool writeAll(std::span<std::span<const std::byte>> parts);
    bool waitWritable();
    bool hasQueued() const;
    void passOn();

    const int m_fd;
    const int m_wakeFd;
    std::mutex m_writer; ///< held by whoever writes; a frame is never interrupted by another
    mutable std::mutex m_mutex;
    QByteArray m_queue;              ///< under m_mutex
    std::uint64_t m_droppedLogs = 0; ///< under m_mutex
    bool m_isBroken = false;         ///< under m_mutex
};

} // namespace millrace
