#include "workers/tasks/lineevents.h"

#include "workers/tasks/wording.h"

namespace millrace {

bool LineEvents::isNew(std::string_view text)
{
    ++m_lineCount;
    const auto found = m_lines.find(text.substr(0, lineBytesShown));
    if (found != m_lines.end()) {
        Count &count = found->second;
        if (++count.seen == count.told * 10)
            sayCount(found->first, count);
        return false;
    }
    if (m_lines.size() < linesMax)
        return true;
    if (++m_others.seen == 1)
        say(LogLevel::Warning, "more than " + counted(linesMax, "different line") +
                                   " that are no rows; further ones are only counted");
    return false;
}

void LineEvents::tell(std::string_view text, const std::string &remark)
{
    text = text.substr(0, lineBytesShown);
    m_lines.emplace(std::string(text), Count());
    std::string message = escaped(text, lineBytesShown);
    if (m_firstLine.empty())
        m_firstLine = message;
    if (remark.empty())
        say(LogLevel::Info, std::move(message));
    else
        say(LogLevel::Warning, remark + ": " + message);
}

void LineEvents::sayCount(const std::string &text, Count &count)
{
    count.told = count.seen;
    say(LogLevel::Info, escaped(text, lineBytesShown) + " (" + counted(count.seen, "time") + ")");
}

void LineEvents::finish()
{
    for (auto &[text, count] : m_lines) {
        if (count.told != count.seen)
            sayCount(text, count);
    }
    if (m_others.told != m_others.seen)
        say(LogLevel::Info, counted(m_others.seen, "other line") + " that " +
                                (m_others.seen == 1 ? "is no row" : "are no rows"));
    m_others.told = m_others.seen;
}

void LineEvents::say(LogLevel level, std::string message)
{
    if (m_log)
        (*m_log)(level, message);
    else
        m_waiting.emplace_back(level, std::move(message));
}

LineEvents::LogScope::LogScope(LineEvents &events, const Log &log) : m_events(events)
{
    if (!log)
        return;
    for (const auto &[level, message] : events.m_waiting)
        log(level, message);
    events.m_waiting.clear();
    events.m_log = &log;
}

} // namespace millrace
