#include "workers/tasks/rowpattern.h"

#include "workers/protocol/task.h"
#include "workers/tasks/numberline.h"
#include "workers/tasks/wording.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace millrace {

namespace {

constexpr std::uint32_t matchStepsMax = 100'000; // per place where a match may begin
constexpr std::uint32_t matchHeapKibibytesMax = 8 * 1024;
constexpr std::size_t jitStackBytesMax = 1024 * 1024;

std::string compileError(int code, std::size_t offset)
{
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(code, text, std::size(text));
    return "pattern is no regular expression: " + std::string(reinterpret_cast<const char *>(text)) +
           " at offset " + std::to_string(offset);
}

/// The whole group as a number; blanks around it do not count.
bool groupNumber(std::string_view text, double &value)
{
    return readNumbers(text, {&value, 1}) == 1 && text.find_first_of(",;") == std::string_view::npos;
}

} // namespace

void RowPattern::Free::operator()(pcre2_real_code_8 *code) const
{
    pcre2_code_free(code);
}

void RowPattern::Free::operator()(pcre2_real_match_data_8 *data) const
{
    pcre2_match_data_free(data);
}

void RowPattern::Free::operator()(pcre2_real_match_context_8 *context) const
{
    pcre2_match_context_free(context);
}

void RowPattern::Free::operator()(pcre2_real_jit_stack_8 *stack) const
{
    pcre2_jit_stack_free(stack);
}

std::variant<std::unique_ptr<RowPattern>, std::string> RowPattern::compile(std::string_view pattern)
{
    // Programs print what they like: bytes that are no UTF-8 must not end the search, they just match
    // nothing.
    constexpr std::uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    int error = 0;
    std::size_t offset = 0;
    auto *code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error,
                               &offset, nullptr);
    if (!code)
        return compileError(error, offset);
    std::unique_ptr<RowPattern> result(new RowPattern(code));
    if (result->m_groups.empty())
        return "pattern needs at least one group in parentheses: the groups are the numbers of a row";
    if (result->m_groups.size() > seriesMax)
        return "pattern has " + withThousands(result->m_groups.size()) + " groups; a row has at most " +
               counted(seriesMax, "number");
    return result;
}

RowPattern::RowPattern(pcre2_real_code_8 *code)
    : m_code(code), m_data(pcre2_match_data_create_from_pattern(code, nullptr)),
      m_context(pcre2_match_context_create(nullptr)), m_groups(groupNames())
{
    pcre2_set_match_limit(m_context.get(), matchStepsMax);
    pcre2_set_heap_limit(m_context.get(), matchHeapKibibytesMax);
    // Where the system forbids code made at run time, the interpreter does the work.
    if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0) {
        m_stack.reset(pcre2_jit_stack_create(32 * 1024, jitStackBytesMax, nullptr));
        pcre2_jit_stack_assign(m_context.get(), nullptr, m_stack.get());
    }
}

std::vector<std::string> RowPattern::groupNames() const
{
    std::uint32_t groups = 0;
    std::uint32_t names = 0;
    std::uint32_t entryBytes = 0;
    PCRE2_SPTR table = nullptr;
    pcre2_pattern_info(m_code.get(), PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(m_code.get(), PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(m_code.get(), PCRE2_INFO_NAMEENTRYSIZE, &entryBytes);
    pcre2_pattern_info(m_code.get(), PCRE2_INFO_NAMETABLE, &table);
    std::vector<std::string> result(groups);
    // An entry: the group's number in two bytes, the higher first, then the name and a NUL.
    for (std::uint32_t i = 0; i < names; ++i, table += entryBytes) {
        const std::size_t group = static_cast<std::size_t>(table[0]) << 8 | table[1];
        result.at(group - 1) = reinterpret_cast<const char *>(table + 2);
    }
    return result;
}

RowPattern::Match RowPattern::match(std::string_view line, std::span<double> row)
{
    if (line.size() > searchedBytesMax)
        return Match::GaveUp;
    const int found = pcre2_match(m_code.get(), reinterpret_cast<PCRE2_SPTR>(line.data()), line.size(), 0, 0,
                                  m_data.get(), m_context.get());
    if (found < 0)
        return found == PCRE2_ERROR_NOMATCH ? Match::NoMatch : Match::GaveUp;
    const std::size_t *const places = pcre2_get_ovector_pointer(m_data.get());
    for (std::size_t group = 1; group <= m_groups.size(); ++group) {
        const std::size_t begin = places[2 * group];
        const std::size_t end = places[2 * group + 1];
        if (begin == PCRE2_UNSET || !groupNumber(line.substr(begin, end - begin), row[group - 1])) {
            m_wrongGroup = group;
            return Match::NoNumber;
        }
    }
    return Match::Row;
}

} // namespace millrace
