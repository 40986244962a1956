#include "app/progressline.h"

#include "app/runreport.h"

#include <algorithm>
#include <cmath>

namespace millrace {

using namespace std::chrono_literals;

namespace {

constexpr int barWidth = 24;
/// Longer than this nobody waits for: it is no forecast any more.
constexpr double remainingSecondsMax = 1e9;
/// The rate is that of about the last 3 s, or of the last quarter of the run's time if that is longer.
constexpr double memorySecondsMin = 3;
constexpr double memoryShare = 0.25;

QString bar(double share)
{
    const int done = int(share * barWidth);
    return QLatin1Char('[') + QString(done, QLatin1Char('#')) + QString(barWidth - done, QLatin1Char('.')) +
           QLatin1Char(']');
}

/// Seconds until the run has all its rows, as far as one can tell.
std::optional<double> secondsOfRows(const RunStatus &status, std::optional<double> rate)
{
    if (!status.rowsTotal || !rate || *rate <= 0)
        return std::nullopt;
    return double(*status.rowsTotal - std::min(status.rows, *status.rowsTotal)) / *rate;
}

/// The run ends by its rows or by its duration, whichever is first.
QString remaining(const RunStatus &status, std::optional<double> rate,
                  std::optional<std::chrono::milliseconds> duration)
{
    std::optional<double> seconds = secondsOfRows(status, rate);
    if (duration) {
        const double rest = std::chrono::duration<double>(std::max(*duration - status.elapsed, 0ms)).count();
        seconds = std::min(seconds.value_or(rest), rest);
    }
    if (!seconds || *seconds > remainingSecondsMax)
        return QStringLiteral(", time left unknown");
    return QStringLiteral(", ") + durationText(std::chrono::seconds(std::int64_t(std::ceil(*seconds)))) +
           QStringLiteral(" left");
}

/// Nothing as long as no end is known.
std::optional<double> shareDone(const RunStatus &status, std::optional<std::chrono::milliseconds> duration)
{
    std::optional<double> share;
    if (status.rowsTotal && *status.rowsTotal > 0)
        share = double(status.rows) / double(*status.rowsTotal);
    if (duration && duration->count() > 0)
        share = std::max(share.value_or(0), double(status.elapsed.count()) / double(duration->count()));
    return share ? std::optional(std::clamp(*share, 0.0, 1.0)) : std::nullopt;
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

std::optional<double> RateMeter::add(std::uint64_t rows, std::chrono::milliseconds elapsed)
{
    const double spent = std::chrono::duration<double>(elapsed - m_elapsed).count();
    if (rows == 0 || spent <= 0)
        return m_rate;
    const double sinceBegin = std::chrono::duration<double>(elapsed).count();
    const double newest = double(rows - m_rows) / spent;
    const double share = 1 - std::exp(-spent / std::max(memorySecondsMin, sinceBegin * memoryShare));
    // The first row of slow ones comes soon after the beginning: at first the mean says more.
    const bool isEarly = !m_rate || sinceBegin <= memorySecondsMin;
    m_rate = isEarly ? double(rows) / sinceBegin : *m_rate + share * (newest - *m_rate);
    m_rows = rows;
    m_elapsed = elapsed;
    return m_rate;
}

QString progressLine(const RunStatus &status, std::optional<double> rate,
                     std::optional<std::chrono::milliseconds> duration, int width)
{
    QString line;
    if (const auto share = shareDone(status, duration))
        line = bar(*share) + QStringLiteral(" %1 % ").arg(int(*share * 100), 3);
    line += status.rowsTotal
                ? QStringLiteral("%1 of %2 rows").arg(grouped(status.rows), grouped(*status.rowsTotal))
                : QStringLiteral("%1 rows").arg(grouped(status.rows));
    if (rate)
        line += QStringLiteral(", %1 rows/s").arg(rateText(*rate));
    if (status.state != RunState::Running)
        line += QStringLiteral(", ") + stateName(status.state);
    else if (status.rowsTotal || duration)
        line += remaining(status, rate, duration);
    else
        line += QStringLiteral(", no end set");
    return line.left(std::max(width, 0));
}

} // namespace millrace
