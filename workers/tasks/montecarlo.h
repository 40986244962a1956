#pragma once

#include "workers/helper/kernel.h"

namespace millrace {

/// `monte-carlo`: each row is the price of a European option, estimated from the row's own random paths.
TaskEntry monteCarloTask();

} // namespace millrace
