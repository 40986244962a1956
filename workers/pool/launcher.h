#pragma once

#include "workers/pool/exitwords.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace {

/// What a worker is started with.
struct LaunchSpec
{
    std::string program;                  ///< absolute path of the helper
    std::vector<std::string> arguments;   ///< without argv[0]
    std::vector<std::string> environment; ///< NAME=VALUE; nothing else is in the worker's environment
    WardenSandbox sandbox = WardenSandbox::Compute;
    int nice = 5;
    std::uint64_t memoryBytesMax = 0; ///< 0: none
    std::uint64_t cpuSecondsMax = 0;  ///< 0: none
};

/// What a launcher tells. Called on the supervisor thread.
class LauncherClient
{
public:
    virtual ~LauncherClient() = default;
    /// The process runs. Both descriptors become the client's: the channel, and the reading end of its stdout
    /// and stderr.
    virtual void launched(unsigned slot, std::uint16_t epoch, int pid, int channel, int output) = 0;
    /// It is gone, or could not be started (`exit.error`).
    virtual void exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit) = 0;
    /// The launcher lost its hold on all workers; they die without an exited(). It works again with the next
    /// start().
    virtual void launcherLost(const std::string &sentence) = 0;
};

/// Starts and ends workers; the supervisor knows no more of how. Lives on the supervisor thread; no call
/// waits. Its destructor ends all that it has started.
class Launcher
{
public:
    virtual ~Launcher() = default;
    virtual void start(unsigned slot, std::uint16_t epoch, const LaunchSpec &spec) = 0;
    /// Signals the worker and all of its group.
    virtual void signal(unsigned slot, std::uint16_t epoch, int signal) = 0;
};

} // namespace millrace
