#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace millrace {

/// Processes of this machine whose ancestors include `ancestor`, by /proc. Zombies are left out.
std::vector<pid_t> descendantsOf(pid_t ancestor);

/// Of these, those whose command line holds `text`.
std::vector<pid_t> descendantsOf(pid_t ancestor, const std::string &text);

/// Processes, daemonised ones too, that have the environment entry `token`.
std::vector<pid_t> processesWith(const std::string &token);

/// The state letter of /proc/PID/stat; 0 if there is no such process.
char processState(pid_t pid);

/// User and system time of the process so far, in clock ticks.
unsigned long long processTicks(pid_t pid);

/// Threads and open descriptors of the calling process.
std::size_t threadCount();
std::size_t fdCount();

} // namespace millrace
