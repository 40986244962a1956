#pragma once

#include <QByteArray>
#include <QObject>
#include <QSocketNotifier>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace millrace {

/// What a worker writes to stdout and stderr: always read, so that it never waits for us, and kept in a
/// bounded ring. Lives on the supervisor thread. A flood is counted, not kept.
class WorkerOutput : public QObject
{
    Q_OBJECT

public:
    /// Bytes that wait for takeLines(); the oldest go first.
    static constexpr qsizetype ringBytesMax = 64 * 1024;
    /// A longer line is cut.
    static constexpr qsizetype lineBytesMax = 4 * 1024;
    /// Lines that lastLines() remembers.
    static constexpr std::size_t lastLinesMax = 20;

    /// Takes `fd`, the reading end of a pipe, not blocking.
    explicit WorkerOutput(int fd, QObject *parent = nullptr);
    ~WorkerOutput() override;

    /// Complete lines since the last call: valid UTF-8, control characters escaped.
    std::vector<std::string> takeLines();
    /// Bytes thrown away since the last call.
    std::uint64_t takeSuppressed();
    /// Reads what is left; the process is gone. An unfinished line counts as one.
    void finish();
    /// The last lines taken, oldest first. Call takeLines() before.
    const std::deque<std::string> &lastLines() const { return m_lastLines; }

Q_SIGNALS:
    /// There may be lines to take.
    void arrived();

private Q_SLOTS:
    void onReadable();

private:
    bool readOnce();
    void close();

    int m_fd;
    QSocketNotifier m_readable;
    QByteArray m_ring;
    std::uint64_t m_suppressed = 0;
    std::deque<std::string> m_lastLines;
};

/// `bytes` as one line for people: valid UTF-8, control characters as \xNN, cut at lineBytesMax.
std::string sanitised(const QByteArray &bytes);

} // namespace millrace
