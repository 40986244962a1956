#include "workers/helper/outbox.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace millrace {

namespace {

/// Parts handed to one sendmsg().
constexpr std::size_t partsPerCall = 64;

} // namespace

bool Outbox::isBroken() const
{
    const std::lock_guard lock(m_mutex);
    return m_isBroken;
}

bool Outbox::hasQueued() const
{
    const std::lock_guard lock(m_mutex);
    return !m_queue.isEmpty() && !m_isBroken;
}

void Outbox::post(const Message &message, std::uint16_t epoch)
{
    {
        const std::lock_guard lock(m_mutex);
        if (const auto *log = std::get_if<Log>(&message)) {
            if (m_queue.size() > logBytesMax) {
                m_droppedLogs += log->count;
                return;
            }
            if (m_droppedLogs > 0) {
                const std::string text = "more lines came than the application could take";
                m_queue +=
                    encodeMessage(Log{Log::Level::Warning, text, std::exchange(m_droppedLogs, 0)}, epoch);
            }
        }
        m_queue += encodeMessage(message, epoch);
    }
    passOn();
}

/// Sees to it that what is queued goes out: now if nobody writes, else by the writer when its frame is done,
/// else by the poll loop.
void Outbox::passOn()
{
    while (hasQueued()) {
        const std::unique_lock writing(m_writer, std::try_to_lock);
        if (!writing)
            return;
        if (writeQueued())
            continue;
        constexpr std::uint64_t one = 1;
        (void)!::write(m_wakeFd, &one, sizeof one);
        return;
    }
}

bool Outbox::flush()
{
    if (const std::unique_lock writing(m_writer, std::try_to_lock); writing)
        writeQueued();
    return hasQueued();
}

/// With m_writer held. Returns whether nothing is left.
bool Outbox::writeQueued()
{
    const std::lock_guard lock(m_mutex);
    while (!m_queue.isEmpty() && !m_isBroken) {
        const ssize_t count =
            ::send(m_fd, m_queue.constData(), std::size_t(m_queue.size()), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0)
            m_queue.remove(0, count);
        else if (errno == EAGAIN)
            return false;
        else if (errno != EINTR)
            m_isBroken = true;
    }
    return true;
}

bool Outbox::waitWritable()
{
    pollfd socket{m_fd, POLLOUT, 0};
    return ::poll(&socket, 1, -1) >= 0 || errno == EINTR;
}

bool Outbox::sendRows(const FrameHeader &header, std::span<const std::span<const std::byte>> columns)
{
    bool isSent = false;
    {
        const std::lock_guard writing(m_writer);
        while (!writeQueued()) {
            if (!waitWritable())
                return false;
        }
        const auto encoded = encodeHeader(header);
        std::vector<std::span<const std::byte>> parts{std::span<const std::byte>(encoded)};
        parts.insert(parts.end(), columns.begin(), columns.end());
        isSent = !isBroken() && writeAll(parts);
    }
    passOn(); // messages that were queued meanwhile
    return isSent;
}

/// With m_writer held. Consumes `parts`.
bool Outbox::writeAll(std::span<std::span<const std::byte>> parts)
{
    while (!parts.empty()) {
        std::array<iovec, partsPerCall> vectors;
        const std::size_t count = std::min(parts.size(), partsPerCall);
        for (std::size_t i = 0; i < count; ++i)
            vectors[i] = {const_cast<std::byte *>(parts[i].data()), parts[i].size()};
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = count;
        ssize_t sent = ::sendmsg(m_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno != EAGAIN || !waitWritable())) {
            const std::lock_guard lock(m_mutex);
            m_isBroken = true;
            return false;
        }
        for (; sent > 0 && !parts.empty();) {
            const auto step = std::min<std::size_t>(std::size_t(sent), parts.front().size());
            parts.front() = parts.front().subspan(step);
            sent -= ssize_t(step);
            if (parts.front().empty())
                parts = parts.subspan(1);
        }
    }
    return true;
}

} // namespace millrace
