#pragma once

#include "workers/helper/kernel.h"

namespace millrace {

/// The task `command`: any program as a source of rows.
TaskEntry commandTask();

} // namespace millrace
