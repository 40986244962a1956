#pragma once

#include "workers/protocol/task.h"

#include <QByteArray>

namespace millrace {

/// Most bytes that `--describe` may print; more is refused.
inline constexpr qsizetype descriptionBytesMax = 4 * 1024 * 1024;

/// A helper's tasks as `--describe` prints them: JSON, {"millrace": 1, "tasks": [...]}.
QByteArray describeTasks(const std::vector<TaskDescription> &tasks);

/// Reads what describeTasks() wrote, from a helper that may be anybody's: names, sizes, ranges and initial
/// values are checked. Returns the tasks, or one sentence.
std::variant<std::vector<TaskDescription>, std::string> readTasks(const QByteArray &json);

} // namespace millrace
