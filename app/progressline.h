#pragma once

#include "workers/pool/supervisor.h"

#include <QString>

#include <optional>

namespace millrace {

/// Rows per second lately, smoothed so that slow rows do not make it jump: a plain value.
class RateMeter
{
public:
    /// `rows` of the run so far, `elapsed` on the run's own clock. None as long as there is no row.
    std::optional<double> add(std::uint64_t rows, std::chrono::milliseconds elapsed);

private:
    std::uint64_t m_rows = 0;
    std::chrono::milliseconds m_elapsed{};
    std::optional<double> m_rate;
};

/// One line on the state of a run: a bar, rows, rate and remaining time; what is not known is not shown as if
/// it were. `rate`: rows per second lately; none at the beginning. `duration`: after which the run finishes,
/// if one was ordered. At most `width` characters.
QString progressLine(const RunStatus &status, std::optional<double> rate,
                     std::optional<std::chrono::milliseconds> duration, int width);

/// "45 s", "3 min 20 s", "2 h 5 min", "4 days 3 h".
QString durationText(std::chrono::seconds duration);

} // namespace millrace
