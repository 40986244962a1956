#include "workers/tasks/linebuffer.h"

#include <algorithm>
#include <cstring>

namespace millrace {

std::span<char> LineBuffer::room()
{
    const std::size_t rest = m_end - m_begin;
    if (rest > 0 && m_begin > 0)
        std::memmove(m_bytes.data(), m_bytes.data() + m_begin, rest);
    m_scanned -= m_begin;
    m_begin = 0;
    m_end = rest;
    if (m_bytes.size() < rest + blockBytes)
        m_bytes.resize(2 * rest + blockBytes);
    return std::span(m_bytes).subspan(rest);
}

void LineBuffer::finish(Rest rest)
{
    m_isFinished = true;
    if (rest == Rest::IsLine)
        return;
    while (m_end > m_begin && m_bytes[m_end - 1] != '\n')
        --m_end;
    m_scanned = std::min(m_scanned, m_end);
}

void LineBuffer::clear()
{
    m_begin = m_scanned = m_end = 0;
    m_lineCount = 0;
    m_isFinished = false;
}

LineBuffer::Next LineBuffer::give(std::size_t end, std::size_t following, std::string_view &line)
{
    std::size_t bytes = end - m_begin;
    if (bytes > 0 && m_bytes[end - 1] == '\r')
        --bytes;
    if (bytes > lineBytesMax)
        return Next::TooLong;
    line = {m_bytes.data() + m_begin, bytes};
    m_begin = m_scanned = following;
    ++m_lineCount;
    return Next::Line;
}

LineBuffer::Next LineBuffer::next(std::string_view &line)
{
    if (m_scanned < m_end) {
        const char *const from = m_bytes.data() + m_scanned;
        if (const void *found = std::memchr(from, '\n', m_end - m_scanned)) {
            const auto end = static_cast<std::size_t>(static_cast<const char *>(found) - m_bytes.data());
            return give(end, end + 1, line);
        }
        m_scanned = m_end;
    }
    // One more than the limit may still be the CR of a line that has just the longest size.
    if (m_end - m_begin > lineBytesMax + 1)
        return Next::TooLong;
    if (m_isFinished && m_begin < m_end)
        return give(m_end, m_end, line);
    return Next::Nothing;
}

} // namespace millrace
