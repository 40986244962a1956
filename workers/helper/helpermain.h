#pragma once

#include "workers/helper/kernel.h"

#include <string>
#include <vector>

namespace millrace {

/// Exit codes of a helper, as told in PROTOCOL.md.
enum HelperExit {
    helperStopped = 0,
    helperUsage = 64,    ///< started by hand with something that it does not know
    helperFailed = 70,   ///< a kernel threw; the application was told
    helperProtocol = 76, ///< what came was not the protocol
};

/// All of a helper's main(): `return helperMain(argc, argv, "my-helper 1.0", {myTask()});`. Serves the
/// session on descriptor 3 when the application started it; prints its tasks with --describe and its version
/// with --version. `nameAndVersion`: "NAME VERSION". Returns the exit code. Does not return while a kernel
/// refuses to.
int helperMain(int argc, char **argv, const std::string &nameAndVersion, const std::vector<TaskEntry> &tasks);

} // namespace millrace
