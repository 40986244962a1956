#pragma once

#include "workers/warden/launch.h"

#include <cstdint>
#include <string>

/// How a process ended, in words for people.
namespace millrace {

/// How a worker's process ended, as the warden saw it.
struct ProcessExit
{
    int status = 0; ///< as of wait(2)
    int error = 0;  ///< errno, if it never became the program
    WardenReport::Stage stage = WardenReport::Stage::None;
    std::uint64_t residentBytesMax = 0;
    std::uint64_t cpuMicroseconds = 0;

    bool isSignal() const;
    int signal() const; ///< 0: none
    int code() const;
};

/// "ended with exit code 3", "was ended by signal 11 (segmentation fault)", "could not be started: No such
/// file ...".
std::string exitWords(const ProcessExit &exit);

/// "segmentation fault" for SIGSEGV; "signal 42" for one without a name.
std::string signalWords(int signal);

} // namespace millrace
