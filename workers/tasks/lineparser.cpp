#include "workers/tasks/lineparser.h"

#include "workers/tasks/numberline.h"
#include "workers/tasks/seriesnames.h"
#include "workers/tasks/wording.h"

#include <algorithm>

namespace millrace {

LineParser::LineParser(std::unique_ptr<RowPattern> pattern, std::string reserved)
    : m_pattern(std::move(pattern)), m_reserved(std::move(reserved))
{
    if (m_pattern) {
        m_width = m_pattern->groups().size();
        m_names = seriesNames(m_pattern->groups(), m_width, m_reserved);
    }
}

void LineParser::restart()
{
    m_lines.clear();
    m_held.reset();
    m_isRowReady = false;
}

LineParser::Item LineParser::next()
{
    if (m_isRowReady) {
        m_isRowReady = false;
        return Item::Row;
    }
    for (;;) {
        const Item item = nextLine();
        if (item != Item::Text || !m_text.empty())
            return item;
    }
}

/// One line; an empty text where there is nothing to tell.
LineParser::Item LineParser::nextLine()
{
    std::string_view line;
    switch (m_lines.next(line)) {
    case LineBuffer::Next::TooLong:
        return Item::TooLong;
    case LineBuffer::Next::Nothing:
        return m_held && isFinished() ? giveHeld() : Item::Nothing;
    case LineBuffer::Next::Line:
        break;
    }
    const std::size_t width = read(line);
    if (width > 0 && width == m_width)
        return Item::Row;
    if (width > 0 && m_width == 0)
        return firstRow(width);
    return noRow(line);
}

/// How many numbers `line` has, put into m_row; 0: it is no row, and m_flaw says why.
std::size_t LineParser::read(std::string_view line)
{
    m_flaw = Flaw::NoNumbers;
    if (!m_pattern) {
        const std::size_t width = readNumbers(line, m_row);
        if (width > 0 && width != m_width) {
            m_flaw = Flaw::OtherWidth;
            m_flawNumber = width;
        }
        return width;
    }
    switch (m_pattern->match(line, m_row)) {
    case RowPattern::Match::Row:
        return m_width;
    case RowPattern::Match::NoMatch:
        break;
    case RowPattern::Match::NoNumber:
        m_flaw = Flaw::NoNumberInGroup;
        m_flawNumber = m_pattern->wrongGroup();
        break;
    case RowPattern::Match::GaveUp:
        m_flaw = Flaw::GaveUp;
        break;
    }
    return 0;
}

LineParser::Item LineParser::firstRow(std::size_t width)
{
    if (width > seriesMax)
        return Item::TooWide;
    m_width = width;
    const auto words = m_held ? headerWords(*m_held, width) : std::vector<std::string>();
    m_names = seriesNames(words, width, m_reserved);
    if (!words.empty()) {
        m_header = std::move(*m_held);
        m_held.reset();
    }
    if (!m_held)
        return Item::Row;
    m_isRowReady = true;
    return giveHeld();
}

LineParser::Item LineParser::noRow(std::string_view line)
{
    m_text = {};
    if (std::all_of(line.begin(), line.end(), isBlank))
        return Item::Text;
    if (m_width == 0) { // it may be the header: the next line will show
        std::string text(line);
        if (!m_held) {
            m_held = std::move(text);
            return Item::Text;
        }
        const Item item = giveHeld();
        m_held = std::move(text);
        return item;
    }
    if (m_header.empty() || line != m_header)
        m_text = line;
    return Item::Text;
}

LineParser::Item LineParser::giveHeld()
{
    m_given = std::move(*m_held);
    m_held.reset();
    m_text = m_given;
    m_flaw = Flaw::NoNumbers;
    return Item::Text;
}

std::string LineParser::remark() const
{
    switch (m_flaw) {
    case Flaw::NoNumbers:
        break;
    case Flaw::OtherWidth:
        return "line has " + counted(m_flawNumber, "number") + ", expected " + withThousands(m_width);
    case Flaw::NoNumberInGroup:
        return "group " + std::to_string(m_flawNumber) + " of the pattern is no number";
    case Flaw::GaveUp:
        return "the pattern takes too many steps, or the line is too long for it";
    }
    return {};
}

} // namespace millrace
