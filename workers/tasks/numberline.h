#pragma once

#include <cstddef>
#include <span>
#include <string_view>

/// Numbers in a line of text, as programs print them: C locale, whatever the process' own locale is.
namespace millrace {

/// Reads the number at `begin` and returns where it ends, or nullptr. A leading '+' is taken; nan, inf and
/// infinity are values in any case of letters; hexadecimal floats are none. What float64 cannot hold becomes
/// the nearest that it can: an infinity or a zero.
const char *readNumber(const char *begin, const char *end, double &value);

/// Reads a whole line of numbers and returns how many there are, 0 if it is anything else. The first
/// `room.size()` are stored. Numbers are separated by blanks and tabs, or by one comma or semicolon with any
/// blanks around; one may stand at the line's end. An empty field ("1,,2") makes the line no row: nobody
/// knows which value was meant.
std::size_t readNumbers(std::string_view line, std::span<double> room);

constexpr bool isBlank(char c)
{
    return c == ' ' || c == '\t';
}

} // namespace millrace
