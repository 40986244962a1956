#pragma once

#include "workers/helper/kernel.h"

namespace millrace {

/// `count`: row i is start + i * step. The cheapest task there is: it measures everything but the computing.
TaskEntry countTask();

} // namespace millrace
