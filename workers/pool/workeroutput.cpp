#include "workers/pool/workeroutput.h"

#include <QString>

#include <cerrno>
#include <unistd.h>
#include <utility>

namespace millrace {

namespace {

/// One turn of the event loop reads at most so often: a flood must not hold up the rows of others.
constexpr int readsPerTurn = 4;

} // namespace

WorkerOutput::WorkerOutput(int fd, QObject *parent)
    : QObject(parent), m_fd(fd), m_readable(fd, QSocketNotifier::Read)
{
    connect(&m_readable, &QSocketNotifier::activated, this, &WorkerOutput::onReadable);
}

WorkerOutput::~WorkerOutput()
{
    close();
}

void WorkerOutput::close()
{
    if (m_fd < 0)
        return;
    m_readable.setEnabled(false);
    ::close(m_fd);
    m_fd = -1;
}

void WorkerOutput::onReadable()
{
    for (int i = 0; i < readsPerTurn && readOnce(); ++i) {
    }
    Q_EMIT arrived();
}

bool WorkerOutput::readOnce()
{
    if (m_fd < 0)
        return false;
    char buffer[ringBytesMax];
    const ssize_t count = ::read(m_fd, buffer, sizeof buffer);
    if (count <= 0) {
        if (count == 0 || (errno != EAGAIN && errno != EINTR))
            close();
        return false;
    }
    m_ring.append(buffer, count);
    if (m_ring.size() > ringBytesMax) {
        const qsizetype excess = m_ring.size() - ringBytesMax;
        m_suppressed += std::uint64_t(excess);
        m_ring.remove(0, excess);
    }
    return true;
}

void WorkerOutput::finish()
{
    // A grandchild may hold the pipe and fill it for ever: no more than what a pipe holds is of the dead
    // worker.
    constexpr int readsMax = 32;
    for (int i = 0; i < readsMax && readOnce(); ++i) {
    }
    close();
    if (!m_ring.isEmpty() && !m_ring.endsWith('\n'))
        m_ring += '\n';
}

std::vector<std::string> WorkerOutput::takeLines()
{
    std::vector<std::string> lines;
    qsizetype from = 0;
    for (qsizetype end; (end = m_ring.indexOf('\n', from)) >= 0; from = end + 1) {
        std::string line = sanitised(m_ring.mid(from, end - from));
        if (!line.empty())
            lines.push_back(std::move(line));
    }
    m_ring.remove(0, from);
    for (const auto &line : lines)
        m_lastLines.push_back(line);
    while (m_lastLines.size() > lastLinesMax)
        m_lastLines.pop_front();
    return lines;
}

std::uint64_t WorkerOutput::takeSuppressed()
{
    return std::exchange(m_suppressed, 0);
}

std::string sanitised(const QByteArray &bytes)
{
    const QString text = QString::fromUtf8(bytes.left(WorkerOutput::lineBytesMax));
    QString clean;
    clean.reserve(text.size());
    for (const QChar c : text) {
        if (c == QLatin1Char('\r'))
            continue;
        if (c == QLatin1Char('\t'))
            clean += QLatin1Char(' ');
        else if (c.category() == QChar::Other_Control)
            clean += QStringLiteral("\\x%1").arg(int(c.unicode()), 2, 16, QLatin1Char('0'));
        else
            clean += c;
    }
    if (bytes.size() > WorkerOutput::lineBytesMax)
        clean += QStringLiteral(" ...");
    return clean.toStdString();
}

} // namespace millrace
