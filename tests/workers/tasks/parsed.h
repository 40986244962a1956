#pragma once

#include "workers/tasks/lineparser.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace millrace {

/// What `parser` makes of `bytes` given in pieces of the sizes that `nextSize(left)` returns: "1 2" for a
/// row, "text hello" or "text line has ...: hello" for another line, "too long", "too wide".
template <typename NextSize>
std::vector<std::string> parsed(LineParser &parser, std::string_view bytes, NextSize nextSize)
{
    std::vector<std::string> result;
    const auto drain = [&] {
        for (;;) {
            const auto item = parser.next();
            std::string words;
            switch (item) {
            case LineParser::Item::Row:
                for (const double value : parser.row()) {
                    char text[32];
                    words += (words.empty() ? "" : " ") +
                             std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
                }
                break;
            case LineParser::Item::Text:
                words = "text " + parser.remark() + (parser.remark().empty() ? "" : ": ") +
                        std::string(parser.text());
                break;
            case LineParser::Item::Nothing:
                return true;
            case LineParser::Item::TooLong:
                result.emplace_back("too long");
                return false;
            case LineParser::Item::TooWide:
                result.emplace_back("too wide");
                return false;
            }
            result.push_back(std::move(words));
        }
    };
    while (!bytes.empty()) {
        const auto room = parser.room();
        const std::size_t size =
            std::min({std::max<std::size_t>(nextSize(bytes.size()), 1), bytes.size(), room.size()});
        std::memcpy(room.data(), bytes.data(), size);
        parser.filled(size);
        bytes.remove_prefix(size);
        if (!drain())
            return result;
    }
    parser.finish();
    drain();
    return result;
}

inline std::vector<std::string> parsed(LineParser &parser, std::string_view bytes)
{
    return parsed(parser, bytes, [](std::size_t left) { return left; });
}

} // namespace millrace
