#pragma once

#include "workers/helper/kernel.h"

namespace millrace {

/// `primes`: row i is the number of primes in [from + i * width, from + (i + 1) * width), up to 10^13.
TaskEntry primesTask();

} // namespace millrace
