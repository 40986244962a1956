#pragma once

#include "workers/tasks/childprogram.h"
#include "workers/tasks/lineevents.h"
#include "workers/tasks/lineparser.h"

namespace millrace {

/// The rows that one start of a program prints: reads it, has its lines parsed, turns the others into events,
/// and words how it ended. Parser and events belong to the kernel and outlive it. One thread. Reports what
/// ends a run by std::runtime_error with a sentence.
class ProgramRows
{
public:
    using Deadline = ChildProgram::Clock::time_point;

    enum class Next {
        Row,     ///< row() and seconds() tell it
        Later,   ///< nothing came before the deadline
        Ended,   ///< no more rows; finish() tells how the program ended
        Stopped, ///< a stop was requested
    };
    enum class Finish { Clean, Stopped };

    /// Starts the program; throws as ChildProgram does. `task` is what the program prints the rows of, for
    /// sentences: " of lease [0, 10)".
    ProgramRows(const ProgramCall &call, LineParser &parser, LineEvents &events, std::string task = {});

    /// The next row that comes before `deadline`; ChildProgram::never waits for it.
    Next next(const StopRequest &stop, Deadline deadline);

    /// The row that next() found; valid until it is called again.
    std::span<const double> row() const { return m_parser.row(); }
    /// When the row's line was read: seconds since the program's start.
    double seconds() const { return m_seconds; }
    std::uint64_t rowCount() const { return m_rowCount; }
    const std::string &name() const { return m_name; }
    /// "before its first row", "after 3 rows of lease [0, 10)".
    std::string place() const;
    /// How the program ended, after finish().
    std::string exitWords() const { return m_program.exit()->words(); }

    /// After Ended: waits at most `grace` for the program's own end, else ends it and says so in an event.
    /// Throws where it ended otherwise than with exit code 0.
    Finish finish(const StopRequest &stop);

    /// Ends a program that has printed all that is wanted but does not end itself, and says so in an event.
    void endLate();
    /// Ends the program before its own end.
    void end() { m_program.end(); }

    /// A sentence about the program, with the last lines of its stderr.
    std::string told(const std::string &what);

    /// How long a program may run on without its output, or its output without the program.
    static constexpr auto grace = std::chrono::seconds(2);

private:
    enum class Read { Bytes, Nothing, Stopped };
    Read read(const StopRequest &stop, Deadline deadline);
    Read close(const StopRequest &stop);
    ChildProgram::Wake waitForExit(const StopRequest &stop);
    bool isOutputHeld();
    [[noreturn]] void refuse(LineParser::Item item);

    LineParser &m_parser;
    LineEvents &m_events;
    std::string m_name;
    std::string m_task;
    ChildProgram m_program;
    Deadline m_outputDeadline = ChildProgram::never; ///< set when the program ends before its output
    double m_seconds = 0;
    std::uint64_t m_rowCount = 0;
};

} // namespace millrace
