#pragma once

#include "workers/tasks/commandline.h"
#include "workers/tasks/descriptor.h"
#include "workers/tasks/errortail.h"

#include <chrono>
#include <span>
#include <stdexcept>
#include <stop_token>

#include <sys/types.h>

namespace millrace {

/// The program's file could not be executed; what() is a sentence.
class ProgramNotStarted : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

/// What asks a wait to end: RunOptions and FillContext have both parts. Without the fd the token is looked at
/// every 50 ms.
struct StopRequest
{
    std::stop_token token;
    int fd = -1;
};

/// How a program ended.
struct ProgramExit
{
    bool bySignal = false;
    int code = 0; ///< exit code, or the signal

    bool isSuccess() const { return !bySignal && code == 0; }
    /// "exit code 3", "signal SIGSEGV (Segmentation fault)".
    std::string words() const;
};

/// One running program: started by the constructor, read from, and ended by the destructor at the latest,
/// which takes 200 ms if the program does not obey and leaves no zombie. Its stdin is empty; what it writes
/// to stderr goes on to ours, and the last lines are kept. It stays in this process group, and dies with the
/// *thread* that made it: make and use it in one thread that lives as long. Neither copied nor moved.
class ChildProgram
{
public:
    enum class Wake {
        Output,   ///< read() has bytes, or the end
        Exited,   ///< told once: the program has ended, nothing to read now
        Stopped,  ///< a stop was requested
        TimedOut, ///< the deadline has passed
    };
    using Clock = std::chrono::steady_clock; ///< CLOCK_MONOTONIC
    static constexpr Clock::time_point never = Clock::time_point::max();

    /// Starts the program; throws ProgramNotStarted, or std::system_error where this process is at its
    /// limits.
    explicit ChildProgram(const ProgramCall &call);
    ~ChildProgram();
    ChildProgram(const ChildProgram &) = delete;
    ChildProgram &operator=(const ChildProgram &) = delete;

    /// Waits for the first of all these; takes care of stderr meanwhile.
    Wake wait(const StopRequest &stop, Clock::time_point deadline);

    /// Reads what stdout has into `room`: how many bytes, 0 if there is nothing now, none at its end.
    std::optional<std::size_t> read(std::span<char> room);

    /// Asks the program to end, then makes it; reaps it. Does nothing if it has ended.
    void end();

    /// How it ended, once Exited was told or end() was called.
    const std::optional<ProgramExit> &exit() const { return m_exit; }
    /// The last lines on stderr, up to now.
    std::string lastErrors();
    Clock::time_point startTime() const { return m_startTime; }
    pid_t pid() const { return m_pid; }

private:
    void readErrors();
    void forwardErrors(std::string_view bytes);
    bool hasExitedBy(Clock::time_point deadline);
    void reap();

    Clock::time_point m_startTime;
    pid_t m_pid = -1;
    Descriptor m_process; ///< a pidfd: readable once the program has ended; closed when it is reaped
    Descriptor m_output;
    Descriptor m_errors;
    ErrorTail m_tail;
    bool m_isForwardingStuck = false;
    std::optional<ProgramExit> m_exit;
};

} // namespace millrace
