#include "app/runreport.h"

#include <QJsonArray>
#include <QLocale>

#include <cmath>

namespace millrace {

namespace {

constexpr std::array<const char *, 5> quantileNames = {"0.05", "0.25", "0.5", "0.75", "0.95"};
constexpr int shownDigits = 10;

QJsonValue toJson(double value)
{
    if (std::isnan(value))
        return QStringLiteral("NaN");
    if (std::isinf(value))
        return value > 0 ? QStringLiteral("Infinity") : QStringLiteral("-Infinity");
    return value;
}

QJsonValue toJson(const std::optional<double> &value)
{
    return value ? toJson(*value) : QJsonValue(QJsonValue::Null);
}

QJsonValue toJson(const ParameterValue &value)
{
    struct
    {
        QJsonValue operator()(bool on) const { return on; }
        QJsonValue operator()(std::int64_t number) const { return qint64(number); }
        QJsonValue operator()(double number) const { return toJson(number); }
        QJsonValue operator()(const std::string &text) const { return QString::fromStdString(text); }
    } visitor;
    return std::visit(visitor, value);
}

std::optional<double> ifAny(const Summary &summary, double value)
{
    return summary.finite() > 0 ? std::optional(value) : std::nullopt;
}

QJsonObject seriesJson(const SeriesDescription &series, const Totals &totals)
{
    const Summary &summary = totals.summary;
    QJsonObject quantiles;
    for (std::size_t i = 0; totals.quantiles && i < quantileNames.size(); ++i)
        quantiles.insert(QLatin1String(quantileNames[i]), toJson((*totals.quantiles)[i]));
    return {
        {QStringLiteral("name"), QString::fromStdString(series.name)},
        {QStringLiteral("unit"), QString::fromStdString(series.unit)},
        {QStringLiteral("count"), qint64(totals.rows)},
        {QStringLiteral("nonfinite"), qint64(summary.nonFinite)},
        {QStringLiteral("mean"), toJson(summary.mean())},
        {QStringLiteral("stddev"), toJson(summary.deviation())},
        {QStringLiteral("stderr"), toJson(summary.standardError())},
        {QStringLiteral("min"), toJson(ifAny(summary, summary.min))},
        {QStringLiteral("max"), toJson(ifAny(summary, summary.max))},
        {QStringLiteral("sum"), toJson(ifAny(summary, summary.sum))},
        {QStringLiteral("last"), toJson(totals.last)},
        {QStringLiteral("quantiles"),
         totals.quantiles ? QJsonValue(quantiles) : QJsonValue(QJsonValue::Null)},
        {QStringLiteral("quantile_sample"), qint64(totals.sampleSize)},
        {QStringLiteral("reference"), toJson(series.reference)},
    };
}

double rowsPerSecond(const RunStatus &status)
{
    return status.elapsed.count() > 0 ? double(status.rows) * 1000 / double(status.elapsed.count()) : 0;
}

QString counted(std::uint64_t count, const char *thing)
{
    return grouped(count) + QLatin1Char(' ') + QLatin1String(thing) + QLatin1String(count == 1 ? "" : "s");
}

QString number(double value)
{
    return QString::number(value, 'g', shownDigits);
}

QString seriesText(const SeriesDescription &series, const Totals &totals)
{
    const Summary &summary = totals.summary;
    const QString name = QString::fromStdString(series.name);
    if (!summary.mean())
        return QStringLiteral("  %1: no finite values\n").arg(name);
    QString text = QStringLiteral("  %1: mean %2").arg(name, number(*summary.mean()));
    if (const auto error = summary.standardError())
        text += QStringLiteral(" ± %1").arg(QString::number(*error, 'g', 2));
    if (!series.unit.empty())
        text += QLatin1Char(' ') + QString::fromStdString(series.unit);
    if (series.reference) {
        text += QStringLiteral(", reference %1").arg(number(*series.reference));
        if (const auto error = summary.standardError(); error && *error > 0) {
            const double distance = std::abs(*summary.mean() - *series.reference) / *error;
            text += QStringLiteral(" (%1 standard errors away)").arg(QString::number(distance, 'f', 1));
        }
    }
    text += QStringLiteral("\n    min %1, max %2, sum %3, last %4")
                .arg(number(summary.min), number(summary.max), number(summary.sum),
                     number(totals.last.value_or(0)));
    if (totals.quantiles) {
        text += QStringLiteral(", median %1").arg(number((*totals.quantiles)[2]));
        if (!totals.areQuantilesExact)
            text += QStringLiteral(" from a sample of %1").arg(grouped(totals.sampleSize));
    }
    if (summary.nonFinite > 0)
        text += QStringLiteral(", %1 not finite").arg(grouped(std::uint64_t(summary.nonFinite)));
    return text + QLatin1Char('\n');
}

} // namespace

QString stateName(RunState state)
{
    switch (state) {
    case RunState::Queued:
        return QStringLiteral("queued");
    case RunState::Starting:
        return QStringLiteral("starting");
    case RunState::Running:
        return QStringLiteral("running");
    case RunState::Paused:
        return QStringLiteral("paused");
    case RunState::Stalled:
        return QStringLiteral("stalled");
    case RunState::Stopping:
        return QStringLiteral("stopping");
    case RunState::Finished:
        return QStringLiteral("finished");
    case RunState::Stopped:
        return QStringLiteral("stopped");
    case RunState::Failed:
        break;
    }
    return QStringLiteral("failed");
}

QString grouped(std::uint64_t number)
{
    QString text = QString::number(number);
    for (qsizetype at = text.size() - 3; at > 0; at -= 3)
        text.insert(at, QLatin1Char(','));
    return text;
}

QString rateText(double rate)
{
    return rate < 10 ? QString::number(rate, 'g', 2) : grouped(std::uint64_t(std::llround(rate)));
}

QJsonObject reportJson(const RunReport &report)
{
    QJsonObject parameters;
    for (const auto &[name, value] : report.request.parameters)
        parameters.insert(QString::fromStdString(name), toJson(value));
    QJsonArray series;
    for (std::size_t i = 0; i < report.totals.size(); ++i)
        series.append(seriesJson(report.status.shape->series[i], report.totals[i]));
    QJsonObject object{
        {QStringLiteral("task"), QString::fromStdString(report.request.task)},
        {QStringLiteral("parameters"), parameters},
        {QStringLiteral("seed"), qint64(report.request.seed)},
        {QStringLiteral("workers"), int(report.request.workers)},
        {QStringLiteral("threads"), int(report.request.threads)},
        {QStringLiteral("rows"), qint64(report.status.rows)},
        {QStringLiteral("seconds"), double(report.status.elapsed.count()) / 1000},
        {QStringLiteral("rows_per_second"), rowsPerSecond(report.status)},
        {QStringLiteral("restarts"), qint64(report.status.restarts)},
        {QStringLiteral("state"), stateName(report.status.state)},
        {QStringLiteral("message"), QString::fromStdString(report.status.message)},
        {QStringLiteral("series"), series},
    };
    if (!report.request.name.empty())
        object.insert(QStringLiteral("name"), QString::fromStdString(report.request.name));
    if (!report.sha256.empty())
        object.insert(QStringLiteral("sha256"), QString::fromStdString(report.sha256));
    return object;
}

QString reportText(const RunReport &report)
{
    const RunStatus &status = report.status;
    QString text = QStringLiteral("%1 %2: %3 in %4 s")
                       .arg(QString::fromStdString(report.request.name.empty() ? report.request.task
                                                                               : report.request.name),
                            stateName(status.state), counted(status.rows, "row"),
                            QString::number(double(status.elapsed.count()) / 1000, 'f', 3));
    if (const double rate = rowsPerSecond(status); rate > 0)
        text += QStringLiteral(" (%1 rows/s)").arg(rateText(rate));
    if (status.restarts > 0)
        text += QStringLiteral(", ") + counted(status.restarts, "worker restart");
    text += QStringLiteral(", seed %1\n").arg(report.request.seed);
    if (!status.message.empty() && status.state != RunState::Failed)
        text += QString::fromStdString(status.message) + QLatin1Char('\n');
    for (std::size_t i = 0; i < report.totals.size(); ++i)
        text += seriesText(status.shape->series[i], report.totals[i]);
    if (!report.sha256.empty())
        text += QStringLiteral("  sha256 %1\n").arg(QString::fromStdString(report.sha256));
    return text;
}

} // namespace millrace
