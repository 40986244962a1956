#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace millrace {

/// Longest line of a program; a longer one is refused, so that a program that never ends its line costs no
/// more memory than this.
inline constexpr std::size_t lineBytesMax = 1024 * 1024;

/// Cuts a stream of bytes into lines, wherever the reads happen to end. Lines end with LF or CR LF; what is
/// left at the end of the stream is a line too, unless the stream was cut. Passive, one thread; the memory is
/// at most lineBytesMax and one block.
class LineBuffer
{
public:
    enum class Next { Line, Nothing, TooLong };
    enum class Rest { IsLine, IsCut };

    /// Where to put the next bytes: at least blockBytes. Makes the last line invalid.
    std::span<char> room();
    /// `bytes` were put at the beginning of room().
    void filled(std::size_t bytes) { m_end += bytes; }
    /// No bytes will follow; `rest` says what the bytes after the last line end are.
    void finish(Rest rest = Rest::IsLine);
    /// The bytes after the last line end, once next() has nothing.
    std::string_view rest() const { return {m_bytes.data() + m_begin, m_end - m_begin}; }
    /// Forgets all bytes: another stream begins.
    void clear();

    /// The next whole line, without its end; valid until room(). After TooLong nothing else comes.
    Next next(std::string_view &line);

    bool isFinished() const { return m_isFinished; }
    /// Lines given out so far; the number of the last one, counted from 1.
    std::uint64_t lineCount() const { return m_lineCount; }

    static constexpr std::size_t blockBytes = 128 * 1024;

private:
    Next give(std::size_t end, std::size_t following, std::string_view &line);

    std::vector<char> m_bytes;
    std::size_t m_begin = 0;   ///< first byte of the next line
    std::size_t m_scanned = 0; ///< no LF between m_begin and here
    std::size_t m_end = 0;
    std::uint64_t m_lineCount = 0;
    bool m_isFinished = false;
};

} // namespace millrace
