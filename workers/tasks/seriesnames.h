#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Longest name of a series, in bytes of UTF-8.
inline constexpr std::size_t seriesNameBytesMax = 64;

/// The words of `line`, if it has just `count` of them; else none. Words are separated as numbers are; where
/// that gives another count, by commas, semicolons and tabs alone ("price (EUR), volume"). A leading '#' and
/// quotes around a word do not count.
std::vector<std::string> headerWords(std::string_view line, std::size_t count);

/// Names for `count` series from `words`, of which any may be empty or missing: printable, not too long, each
/// another one, none of them `reserved`. Without a word: "value", or "value-1", "value-2" and so on.
std::vector<std::string> seriesNames(const std::vector<std::string> &words, std::size_t count,
                                     std::string_view reserved);

} // namespace millrace
