#include "workers/tasks/errortail.h"

#include "workers/tasks/wording.h"

#include <algorithm>

namespace millrace {

void ErrorTail::add(std::string_view bytes)
{
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        std::string &line = open();
        line += bytes.substr(0, std::min(end, lineBytesMax - line.size()));
        if (end == std::string_view::npos)
            return;
        if (line.ends_with('\r'))
            line.pop_back();
        if (!line.empty()) {
            ++m_closed;
            open().clear();
        }
        bytes.remove_prefix(end + 1);
    }
}

std::string ErrorTail::text() const
{
    std::string result;
    std::size_t lines = 0;
    const std::uint64_t oldest = m_closed < linesMax ? 0 : m_closed - linesMax;
    for (std::uint64_t n = m_closed + 1; n-- > oldest && lines < linesMax;) {
        const std::string line = escaped(m_lines[n % placesMax], lineBytesMax);
        if (line.empty())
            continue;
        if (result.size() + line.size() + 1 > textBytesMax)
            break;
        result = result.empty() ? line : line + "\n" + result;
        ++lines;
    }
    return result;
}

} // namespace millrace
