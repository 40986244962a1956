#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// The last lines that a program wrote to stderr, for the sentence about its end. Bounded, whatever the
/// program writes; any split of the bytes gives the same lines. One thread.
class ErrorTail
{
public:
    static constexpr std::size_t linesMax = 20;
    static constexpr std::size_t lineBytesMax = 4 * 1024; ///< the rest of a longer line is not kept
    static constexpr std::size_t textBytesMax = 64 * 1024;

    void add(std::string_view bytes);

    /// The lines, escaped, oldest first, each on a line of its own; empty if there are none. The oldest are
    /// left out where all together are longer than textBytesMax.
    std::string text() const;

private:
    static constexpr std::size_t placesMax = linesMax + 1; ///< one more for the line that has not ended
    std::string &open() { return m_lines[m_closed % placesMax]; }

    std::array<std::string, placesMax> m_lines; ///< a ring: line n is at n % placesMax
    std::uint64_t m_closed = 0;                 ///< lines that have ended; the next one is open
};

} // namespace millrace
