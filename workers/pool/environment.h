#pragma once

#include "workers/protocol/task.h"

#include <string>
#include <vector>

namespace millrace {

/// The environment of a worker, NAME=VALUE: only what programs need to find their files and to speak the
/// user's language. Whatever else stands in the application's environment (tokens, library paths) stays
/// there.
std::vector<std::string> workerEnvironment(Access access);

} // namespace millrace
