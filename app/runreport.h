#pragma once

#include "models/seriesstore.h"
#include "workers/pool/supervisor.h"

#include <QJsonObject>
#include <QString>

namespace millrace {

/// What is told of a run that is over.
struct RunReport
{
    RunRequest request;
    RunStatus status;
    std::vector<Totals> totals; ///< one per series, without `time`; empty if the run never began
    std::string sha256;         ///< empty: not asked for, or not finished
};

/// As `run --json` prints it: NaN and the infinities as texts, null where there is nothing.
QJsonObject reportJson(const RunReport &report);

/// The same in a few lines for people, with a newline at the end; but why a run failed, which goes to stderr.
QString reportText(const RunReport &report);

/// "finished", "stopped", ... as in the JSON.
QString stateName(RunState state);

/// "1,234,567": whole numbers for people.
QString grouped(std::uint64_t number);

/// "1,234,567", "0.25": rows per second for people.
QString rateText(double rate);

} // namespace millrace
