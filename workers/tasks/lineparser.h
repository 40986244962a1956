#pragma once

#include "workers/protocol/task.h"
#include "workers/tasks/linebuffer.h"
#include "workers/tasks/rowpattern.h"

#include <array>

namespace millrace {

/// Bytes that a program printed -> lines -> rows of numbers. No I/O, no clock; one thread, owned by the
/// kernel. Feed it through room(), filled() and finish(), and call next() until it has nothing. The first row
/// fixes the number of series and, if the line before it has as many words, their names; with a pattern its
/// groups do both. Blank lines, and lines equal to the one that named the series, are passed over.
class LineParser
{
public:
    enum class Item {
        Row,     ///< row() holds it
        Text,    ///< text() is a line that is no row; remark() says why where that is not plain
        Nothing, ///< all is read
        TooLong, ///< line lineCount() + 1 is longer than lineBytesMax
        TooWide, ///< the first row has more than seriesMax numbers
    };

    /// `pattern` may be null. No series will be called `reserved`.
    explicit LineParser(std::unique_ptr<RowPattern> pattern = nullptr, std::string reserved = {});

    std::span<char> room() { return m_lines.room(); }
    void filled(std::size_t bytes) { m_lines.filled(bytes); }
    void finish(LineBuffer::Rest rest = LineBuffer::Rest::IsLine) { m_lines.finish(rest); }
    /// Bytes of a line that has not ended, once next() has nothing.
    std::string_view rest() const { return m_lines.rest(); }
    /// The output of another program follows; series and names stay.
    void restart();

    Item next();
    std::span<const double> row() const { return {m_row.data(), m_width}; }
    /// Valid until the next call of next() or room().
    std::string_view text() const { return m_text; }
    std::string remark() const;

    bool isFinished() const { return m_lines.isFinished(); }
    std::uint64_t lineCount() const { return m_lines.lineCount(); }
    /// Empty until the first row, without a pattern.
    const std::vector<std::string> &names() const { return m_names; }

private:
    enum class Flaw { NoNumbers, OtherWidth, NoNumberInGroup, GaveUp };

    Item nextLine();
    Item firstRow(std::size_t width);
    Item noRow(std::string_view line);
    Item giveHeld();
    std::size_t read(std::string_view line);

    LineBuffer m_lines;
    std::unique_ptr<RowPattern> m_pattern;
    std::string m_reserved;
    std::array<double, seriesMax + 1> m_row{};
    std::size_t m_width = 0; ///< 0: no row yet
    std::vector<std::string> m_names;
    std::string m_header;              ///< the line that named the series
    std::optional<std::string> m_held; ///< before the first row: the last line; it may be the header
    std::string m_given;               ///< memory of m_text for a line that was held
    bool m_isRowReady = false;         ///< the first row was read and comes after the line held before it
    std::string_view m_text;
    std::size_t m_flawNumber = 0;
    Flaw m_flaw = Flaw::NoNumbers;
};

} // namespace millrace
