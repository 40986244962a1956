#pragma once

#include "workers/protocol/task.h"

#include <QString>

#include <vector>

namespace millrace {

/// The tasks with their parameters as `millrace tasks` prints them, for people: 80 columns wide, each
/// parameter as --set takes it, with its initial value.
QString taskListText(const std::vector<TaskDescription> &tasks);

} // namespace millrace
