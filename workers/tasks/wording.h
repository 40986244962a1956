#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Words for people, made from what a program printed. Pure functions.
namespace millrace {

/// "1,234,567".
std::string withThousands(std::uint64_t number);

/// "1 row", "1,000 rows".
std::string counted(std::uint64_t number, std::string_view noun);

/// `text` as one line of valid UTF-8 of at most `bytesMax` bytes (and "..." where it was cut): control
/// characters and bytes that are no UTF-8 are written as escapes. Nobody's terminal or window obeys it then.
std::string escaped(std::string_view text, std::size_t bytesMax);

/// `text` without control characters, other bytes that are no UTF-8 as U+FFFD, at most `bytesMax` bytes.
std::string printable(std::string_view text, std::size_t bytesMax);

} // namespace millrace
