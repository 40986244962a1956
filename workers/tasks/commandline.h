#pragma once

#include "workers/protocol/task.h"

/// From the parameters of `command` to what execve() wants. No shell takes part.
namespace millrace {

/// A program, ready to be started.
struct ProgramCall
{
    std::string name;                     ///< for people: "python3"
    std::string path;                     ///< the file to execute
    std::vector<std::string> arguments;   ///< from argv[0] on
    std::vector<std::string> environment; ///< "NAME=value"
};

enum class Buffering { ByLine, OwnChoice };

/// What stands for {begin}, {end}, {seed} and {worker} in arguments.
struct LeaseWords
{
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t seed = 0;
    unsigned worker = 0;
};

/// The arguments in `text`, quoted as in a POSIX shell ('#' begins a comment there too), or the sentence why
/// it cannot be read. Nothing is expanded.
std::variant<std::vector<std::string>, ParameterError> splitArguments(const std::string &text);

/// The file that `program` names: as given if it contains a '/', else the first executable one on PATH.
std::variant<std::string, ParameterError> findProgram(const std::string &program);

/// How to start the file `path` with `arguments` (without argv[0], which is the path). The environment is
/// PATH, HOME, USER, LOGNAME, TMPDIR and TZ of this process where set, and LC_ALL=C.UTF-8: a run should not
/// depend on where it was started from. With Buffering::ByLine lines come when they are printed: through
/// `stdbuf -oL` where coreutils has it, and PYTHONUNBUFFERED=1.
ProgramCall programCall(const std::string &path, const std::vector<std::string> &arguments,
                        Buffering buffering);

/// `arguments` with the placeholders of a lease replaced.
std::vector<std::string> replaced(std::vector<std::string> arguments, const LeaseWords &words);

} // namespace millrace
