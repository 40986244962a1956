#include "workers/tasks/seriesnames.h"

#include "workers/tasks/wording.h"

#include <set>

namespace millrace {

namespace {

std::string_view trimmed(std::string_view text)
{
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::string unquoted(std::string_view word)
{
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"')
        word = word.substr(1, word.size() - 2);
    return std::string(word);
}

/// Runs of blanks and punctuation separate; stops when there is one word too many.
std::vector<std::string> wordsByAnySeparator(std::string_view line, std::size_t count)
{
    std::vector<std::string> words;
    while (words.size() <= count) {
        const std::size_t begin = line.find_first_not_of(" \t,;");
        if (begin == std::string_view::npos)
            break;
        line.remove_prefix(begin);
        const std::size_t end = std::min(line.find_first_of(" \t,;"), line.size());
        words.push_back(unquoted(line.substr(0, end)));
        line.remove_prefix(end);
    }
    return words;
}

/// Each comma, semicolon or tab separates; words may contain blanks.
std::vector<std::string> wordsByPunctuation(std::string_view line, std::size_t count)
{
    std::vector<std::string> words;
    while (words.size() <= count) {
        const std::size_t end = line.find_first_of("\t,;");
        words.push_back(unquoted(trimmed(line.substr(0, end))));
        if (end == std::string_view::npos)
            break;
        line.remove_prefix(end + 1);
    }
    return words;
}

} // namespace

std::vector<std::string> headerWords(std::string_view line, std::size_t count)
{
    line = trimmed(line);
    if (line.starts_with('#'))
        line.remove_prefix(1);
    auto words = wordsByAnySeparator(line, count);
    if (words.size() != count)
        words = wordsByPunctuation(line, count);
    if (words.size() != count)
        words.clear();
    return words;
}

std::vector<std::string> seriesNames(const std::vector<std::string> &words, std::size_t count,
                                     std::string_view reserved)
{
    std::set<std::string, std::less<>> taken{std::string(reserved)};
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
        std::string base = i < words.size() ? printable(words[i], seriesNameBytesMax) : std::string();
        if (base.empty())
            base = count == 1 ? "value" : "value-" + std::to_string(i + 1);
        std::string name = base;
        for (int again = 2; !taken.insert(name).second; ++again) {
            const std::string suffix = "-" + std::to_string(again);
            name = printable(base, seriesNameBytesMax - suffix.size()) + suffix;
        }
        names.push_back(std::move(name));
    }
    return names;
}

} // namespace millrace
