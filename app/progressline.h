#pragma once

#include "workers/pool/supervisor.h"

#include <QString>

#include <optional>

namespace millrace {

/// One line on the state of a run: a bar, rows, rate and remaining time; what is not known is not shown as if it were.
/// `rate`: rows per second lately; none at the beginning. At most `width` characters.
QString progressLine(const RunStatus &status, std::optional<double> rate, int width);

/// "45 s", "3 min 20 s", "2 h 5 min", "4 days 3 h".
QString durationText(std::chrono::seconds duration);

} // namespace millrace
