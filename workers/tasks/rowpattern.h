#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace millrace {

/// A regular expression (PCRE2, UTF-8) whose groups are the numbers of a row. Every match is bounded in steps
/// and memory, so a pattern that backtracks without end gives up instead of hanging the run. Not copied; used
/// by one thread. A bad pattern is a sentence from compile().
class RowPattern
{
public:
    enum class Match { Row, NoMatch, NoNumber, GaveUp };

    /// The pattern, or why it is none.
    static std::variant<std::unique_ptr<RowPattern>, std::string> compile(std::string_view pattern);

    /// Name of each group; empty where it has none. At least one.
    const std::vector<std::string> &groups() const { return m_groups; }

    /// Looks for the pattern in `line`; each group must have matched a number. `row` has room for every
    /// group.
    Match match(std::string_view line, std::span<double> row);

    /// After NoNumber: the group, counted from 1, that matched no number.
    std::size_t wrongGroup() const { return m_wrongGroup; }

    /// A longer line is not searched (GaveUp): the steps of a search grow with the square of its length.
    static constexpr std::size_t searchedBytesMax = 8 * 1024;

private:
    struct Free
    {
        void operator()(pcre2_real_code_8 *code) const;
        void operator()(pcre2_real_match_data_8 *data) const;
        void operator()(pcre2_real_match_context_8 *context) const;
        void operator()(pcre2_real_jit_stack_8 *stack) const;
    };
    explicit RowPattern(pcre2_real_code_8 *code);
    std::vector<std::string> groupNames() const;

    std::unique_ptr<pcre2_real_code_8, Free> m_code;
    std::unique_ptr<pcre2_real_match_data_8, Free> m_data;
    std::unique_ptr<pcre2_real_jit_stack_8, Free> m_stack;
    std::unique_ptr<pcre2_real_match_context_8, Free> m_context;
    std::vector<std::string> m_groups;
    std::size_t m_wrongGroup = 0;
};

} // namespace millrace
