#include "app/progressline.h"

#include "app/runreport.h"

#include <cmath>

namespace millrace {

namespace {

constexpr int barWidth = 24;
/// Longer than this nobody waits for: it is no forecast any more.
constexpr double remainingSecondsMax = 1e9;

QString bar(double share)
{
    const int done = int(std::lround(share * barWidth));
    return QLatin1Char('[') + QString(done, QLatin1Char('#')) + QString(barWidth - done, QLatin1Char('.')) + QLatin1Char(']');
}

QString remaining(std::uint64_t rows, std::optional<double> rate)
{
    if (!rate || *rate <= 0 || double(rows) / *rate > remainingSecondsMax)
        return QStringLiteral("time left unknown");
    return durationText(std::chrono::seconds(std::int64_t(std::ceil(double(rows) / *rate)))) + QStringLiteral(" left");
}

} // namespace

QString durationText(std::chrono::seconds duration)
{
    const auto count = duration.count();
    if (count < 60)
        return QStringLiteral("%1 s").arg(count);
    if (count < 3600)
        return QStringLiteral("%1 min %2 s").arg(count / 60).arg(count % 60);
    if (count < 48 * 3600)
        return QStringLiteral("%1 h %2 min").arg(count / 3600).arg(count / 60 % 60);
    return QStringLiteral("%1 days %2 h").arg(count / 86400).arg(count / 3600 % 24);
}

QString progressLine(const RunStatus &status, std::optional<double> rate, int width)
{
    QString line;
    if (status.rowsTotal && *status.rowsTotal > 0) {
        const double share = double(status.rows) / double(*status.rowsTotal);
        line = bar(share) + QStringLiteral(" %1 % ").arg(int(share * 100), 3)
            + QStringLiteral("%1 of %2 rows").arg(grouped(status.rows), grouped(*status.rowsTotal));
    } else {
        line = QStringLiteral("%1 rows, no end set").arg(grouped(status.rows));
    }
    if (rate)
        line += QStringLiteral(", %1 rows/s").arg(grouped(std::uint64_t(std::llround(*rate))));
    if (status.rowsTotal && status.state == RunState::Running)
        line += QStringLiteral(", ") + remaining(*status.rowsTotal - status.rows, rate);
    if (status.state != RunState::Running)
        line += QStringLiteral(", ") + stateName(status.state);
    return line.left(width);
}

} // namespace millrace
