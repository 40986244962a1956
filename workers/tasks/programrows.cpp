#include "workers/tasks/programrows.h"

#include "workers/tasks/wording.h"

namespace millrace {

ProgramRows::ProgramRows(const ProgramCall &call, LineParser &parser, LineEvents &events, std::string task)
    : m_parser(parser), m_events(events), m_name(call.name), m_task(std::move(task)), m_program(call)
{
    m_parser.restart();
}

ProgramRows::Next ProgramRows::next(const StopRequest &stop, Deadline deadline)
{
    for (;;) {
        const LineParser::Item item = m_parser.next();
        switch (item) {
        case LineParser::Item::Row:
            ++m_rowCount;
            return Next::Row;
        case LineParser::Item::Text:
            m_events.line(m_parser.text(), [this] { return m_parser.remark(); });
            if (stop.token.stop_requested()) // a pattern may take its time for each line
                return Next::Stopped;
            continue;
        case LineParser::Item::Nothing:
            break;
        case LineParser::Item::TooLong:
        case LineParser::Item::TooWide:
            refuse(item);
        }
        if (m_parser.isFinished())
            return Next::Ended;
        const Read result = read(stop, deadline);
        if (result != Read::Bytes)
            return result == Read::Stopped ? Next::Stopped : Next::Later;
    }
}

/// Brings the parser more bytes, or their end.
ProgramRows::Read ProgramRows::read(const StopRequest &stop, Deadline deadline)
{
    if (stop.token.stop_requested()) // a program that always has more gives wait() no chance
        return Read::Stopped;
    if (deadline != ChildProgram::never && ChildProgram::Clock::now() >= deadline)
        return Read::Nothing;
    for (;;) {
        const auto bytes = m_program.read(m_parser.room());
        if (!bytes)
            return close(stop);
        m_parser.filled(*bytes);
        if (*bytes > 0) {
            const std::chrono::duration<double> age = ChildProgram::Clock::now() - m_program.startTime();
            m_seconds = age.count();
            return Read::Bytes;
        }
        switch (m_program.wait(stop, std::min(deadline, m_outputDeadline))) {
        case ChildProgram::Wake::Output:
            break;
        case ChildProgram::Wake::Stopped:
            return Read::Stopped;
        case ChildProgram::Wake::Exited: // read once more: all that it printed is there now
            m_outputDeadline = ChildProgram::Clock::now() + grace;
            break;
        case ChildProgram::Wake::TimedOut:
            return isOutputHeld() ? close(stop) : Read::Nothing;
        }
    }
}

/// Whether the program has ended, but not its output, because it left processes behind that have it too.
bool ProgramRows::isOutputHeld()
{
    if (ChildProgram::Clock::now() < m_outputDeadline)
        return false;
    m_events.say(LogLevel::Warning, m_name + " has ended, but a process that it started keeps its output "
                                             "open; what that prints is not read");
    return true;
}

/// At the end of the output: what follows the last line end is a line, but not if the program was stopped
/// short by a failure. Half a number must not become a row.
ProgramRows::Read ProgramRows::close(const StopRequest &stop)
{
    auto rest = LineBuffer::Rest::IsLine;
    if (!m_parser.rest().empty()) {
        if (waitForExit(stop) == ChildProgram::Wake::Stopped)
            return Read::Stopped;
        if (m_program.exit() && !m_program.exit()->isSuccess()) {
            rest = LineBuffer::Rest::IsCut;
            m_events.say(LogLevel::Warning, "the last line of " + m_name + " was cut: " +
                                                escaped(m_parser.rest(), LineEvents::lineBytesShown));
        }
    }
    m_parser.finish(rest);
    return Read::Bytes;
}

/// Exited, TimedOut after the grace, or Stopped.
ChildProgram::Wake ProgramRows::waitForExit(const StopRequest &stop)
{
    const auto deadline = ChildProgram::Clock::now() + grace;
    auto wake = ChildProgram::Wake::Exited;
    while (!m_program.exit() && wake != ChildProgram::Wake::Stopped && wake != ChildProgram::Wake::TimedOut)
        wake = m_program.wait(stop, deadline);
    return wake;
}

ProgramRows::Finish ProgramRows::finish(const StopRequest &stop)
{
    const auto wake = waitForExit(stop);
    if (wake == ChildProgram::Wake::Stopped)
        return Finish::Stopped;
    if (wake == ChildProgram::Wake::TimedOut)
        endLate();
    else if (!m_program.exit()->isSuccess())
        throw std::runtime_error(told("ended with " + exitWords() + " " + place()));
    return Finish::Clean;
}

void ProgramRows::endLate()
{
    m_events.say(LogLevel::Warning, m_name + " printed no more, but ran on; it was made to end");
    m_program.end();
}

std::string ProgramRows::place() const
{
    return (m_rowCount == 0 ? "before its first row" : "after " + counted(m_rowCount, "row")) + m_task;
}

std::string ProgramRows::told(const std::string &what)
{
    std::string sentence = m_name + " " + what;
    const std::string errors = m_program.lastErrors();
    if (!errors.empty())
        sentence += "; its last lines on stderr:\n" + errors;
    return sentence;
}

void ProgramRows::refuse(LineParser::Item item)
{
    const std::uint64_t line = m_parser.lineCount();
    if (item == LineParser::Item::TooLong)
        throw std::runtime_error("line " + withThousands(line + 1) + " of " + m_name +
                                 " is longer than 1 MiB; a row is one line of numbers");
    throw std::runtime_error("line " + withThousands(line) + " of " + m_name + " has more than " +
                             counted(seriesMax, "number") + "; a row has at most so many");
}

} // namespace millrace
