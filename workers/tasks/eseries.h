#pragma once

#include "workers/helper/kernel.h"

namespace millrace {

/// `e-series`: row k is the partial sum of 1/j! up to j = k, and how far it is from e.
TaskEntry eSeriesTask();

} // namespace millrace
