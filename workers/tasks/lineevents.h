#pragma once

#include "workers/helper/kernel.h"

#include <map>

namespace millrace {

/// Turns what a program prints beside its rows into events of the run: the first of equal lines at once, then
/// their count at each power of ten and at the end. A program may print without end, so only linesMax
/// different lines are told; the others are counted. Events go to the log of the fill() that is under way
/// (LogScope) and wait where there is none, as in shape(). One thread, owned by the kernel.
class LineEvents
{
public:
    using Log = std::function<void(LogLevel, std::string_view)>;

    static constexpr std::size_t linesMax = 100;
    static constexpr std::size_t lineBytesShown =
        4 * 1024; ///< lines that are equal so far are the same event

    /// A line that is no row; `remark` (a function that returns a text, empty: none) says why, if the line is
    /// told.
    template <typename Remark>
    void line(std::string_view text, Remark remark)
    {
        if (isNew(text))
            tell(text, remark());
    }
    /// Any other event.
    void say(LogLevel level, std::string message);

    /// Counts that were not told yet: the program has ended.
    void finish();

    /// While it lives, events go to `log`: first those that wait.
    class LogScope
    {
    public:
        LogScope(LineEvents &events, const Log &log);
        ~LogScope() { m_events.m_log = nullptr; }
        LogScope(const LogScope &) = delete;
        LogScope &operator=(const LogScope &) = delete;

    private:
        LineEvents &m_events;
    };

    std::uint64_t lineCount() const { return m_lineCount; }
    /// The first line of all as it was told; empty if there was none.
    const std::string &firstLine() const { return m_firstLine; }

private:
    struct Count
    {
        std::uint64_t seen = 1;
        std::uint64_t told = 1;
    };
    bool isNew(std::string_view text);
    void tell(std::string_view text, const std::string &remark);
    void sayCount(const std::string &text, Count &count);

    std::map<std::string, Count, std::less<>> m_lines;
    Count m_others{0, 0}; ///< lines beyond linesMax different ones
    std::uint64_t m_lineCount = 0;
    std::string m_firstLine;
    const Log *m_log = nullptr;
    std::vector<std::pair<LogLevel, std::string>> m_waiting;
};

} // namespace millrace
