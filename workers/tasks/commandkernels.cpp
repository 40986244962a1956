#include "workers/tasks/commandkernels.h"

#include "workers/tasks/wording.h"

#include <algorithm>
#include <limits>

namespace millrace {

namespace {

std::vector<SeriesDescription> seriesOf(const LineParser &parser)
{
    std::vector<SeriesDescription> series;
    for (const std::string &name : parser.names())
        series.push_back({name, {}, std::nullopt});
    return series;
}

/// When a fill() returns: it waits for its first row as long as it takes, and then a moment for more. A
/// program that writes line by line would else make a batch, and all that follows, of each line.
class Gathering
{
public:
    ProgramRows::Deadline deadline() const { return m_deadline; }
    void rowCame()
    {
        if (m_deadline == ChildProgram::never)
            m_deadline = ChildProgram::Clock::now() + moment;
    }

private:
    static constexpr auto moment = std::chrono::milliseconds(1);
    ProgramRows::Deadline m_deadline = ChildProgram::never;
};

/// Waits for the first row of all; throws if there is none.
void waitForFirstRow(ProgramRows &rows, const LineEvents &events, const StopRequest &stop)
{
    const auto next = rows.next(stop, ChildProgram::never);
    if (next == ProgramRows::Next::Row)
        return;
    if (next == ProgramRows::Next::Stopped || rows.finish(stop) == ProgramRows::Finish::Stopped)
        throw std::runtime_error(rows.name() + " was stopped before its first row");
    std::string what = "ended with " + rows.exitWords() + " " + rows.place();
    if (events.lineCount() > 0)
        what += "; it printed " + counted(events.lineCount(), "line") + ", but none is a row; the first: \"" +
                events.firstLine() + "\"";
    throw std::runtime_error(rows.told(what));
}

/// What is thrown for a program that cannot be started, as long as the run has not begun.
WrongParameters wrongProgram(const ProgramNotStarted &error)
{
    return WrongParameters("program", error.what());
}

} // namespace

StreamKernel::StreamKernel(CommandSource source)
    : m_source(std::move(source)), m_parser(std::move(m_source.pattern), "time")
{
}

RunShape StreamKernel::shape()
{
    const RunOptions &options = m_source.options;
    const auto call = programCall(m_source.path, m_source.arguments, m_source.buffering);
    try {
        m_rows = std::make_unique<ProgramRows>(call, m_parser, m_events);
    } catch (const ProgramNotStarted &error) {
        throw wrongProgram(error);
    }
    waitForFirstRow(*m_rows, m_events, {options.stop, options.stopFd});
    m_state = State::FirstRowHeld;
    RunShape shape;
    shape.series = seriesOf(m_parser);
    shape.rows = options.rows;
    shape.repeatable = false;
    shape.splittable = false;
    shape.timed = true;
    return shape;
}

ProgramRows::Next StreamKernel::nextRow(const StopRequest &stop, ProgramRows::Deadline deadline)
{
    if (m_state == State::FirstRowHeld) {
        m_state = State::Reading;
        return ProgramRows::Next::Row;
    }
    return m_rows->next(stop, deadline);
}

/// Reads and forgets the first rows of a replayed program. False: not all, because a stop was requested.
bool StreamKernel::passOver(const StopRequest &stop)
{
    for (; *m_rowsToPass > 0; --*m_rowsToPass) {
        const auto next = nextRow(stop, ChildProgram::never);
        if (next == ProgramRows::Next::Stopped)
            return false;
        if (next == ProgramRows::Next::Row)
            continue;
        if (m_rows->finish(stop) == ProgramRows::Finish::Stopped)
            return false;
        throw std::runtime_error(m_rows->told("ended " + m_rows->place() + ", but the run has " +
                                              withThousands(m_rows->rowCount() + *m_rowsToPass) +
                                              " already; with replay on it must print the same again"));
    }
    return true;
}

/// `filled` counts the rows even where an exception ends the source: they are kept.
void StreamKernel::take(const Batch &batch, const StopRequest &stop, std::size_t &filled)
{
    const std::uint64_t end = m_source.options.rows.value_or(std::numeric_limits<std::uint64_t>::max());
    const std::size_t room = std::min<std::uint64_t>(batch.rows, end - std::min(end, batch.begin));
    Gathering gathering;
    for (; filled < room; ++filled) {
        const auto next = nextRow(stop, gathering.deadline());
        if (next == ProgramRows::Next::Ended && filled == 0 &&
            m_rows->finish(stop) == ProgramRows::Finish::Clean)
            m_state = State::Ended;
        if (next != ProgramRows::Next::Row)
            return;
        gathering.rowCame();
        const auto row = m_rows->row();
        batch.columns[0][filled] = m_rows->seconds();
        for (std::size_t series = 0; series < row.size(); ++series)
            batch.columns[series + 1][filled] = row[series];
    }
    if (batch.begin + filled >= end) {
        m_rows->end();
        m_state = State::Ended;
    }
}

std::size_t StreamKernel::fill(const Batch &batch, FillContext &context)
{
    const LineEvents::LogScope scope(m_events, context.log);
    const StopRequest stop{context.stop, context.stopFd};
    std::size_t filled = 0;
    try {
        if (!m_rowsToPass)
            m_rowsToPass = m_source.isReplayed ? batch.begin : 0;
        if (m_state != State::Ended && !passOver(stop))
            return 0;
        if (m_state != State::Ended)
            take(batch, stop, filled);
    } catch (const std::runtime_error &error) {
        m_failure = error.what();
        m_state = State::Ended;
    }
    if (m_state == State::Ended || context.stop.stop_requested())
        m_events.finish();
    if (!m_failure.empty() && filled == 0)
        throw std::runtime_error(m_failure);
    return filled;
}

LeaseKernel::LeaseKernel(CommandSource source)
    : m_source(std::move(source)), m_parser(std::move(m_source.pattern))
{
}

void LeaseKernel::start(std::uint64_t begin, std::uint64_t end)
{
    const RunOptions &options = m_source.options;
    const auto arguments = replaced(m_source.arguments, {begin, end, options.seed, options.worker});
    m_rows.reset(); // a lease that was given up: one program at a time
    m_rows = std::make_unique<ProgramRows>(
        programCall(m_source.path, arguments, m_source.buffering), m_parser, m_events,
        " of lease [" + withThousands(begin) + ", " + withThousands(end) + ")");
    m_range = {begin, end};
}

RunShape LeaseKernel::shape()
{
    const StopRequest stop{m_source.options.stop, m_source.options.stopFd};
    try {
        start(0, 1);
    } catch (const ProgramNotStarted &error) {
        throw wrongProgram(error);
    }
    waitForFirstRow(*m_rows, m_events, stop);
    finish(stop);
    RunShape shape;
    shape.series = seriesOf(m_parser);
    shape.rows = m_source.options.rows;
    // Each lease starts the program anew: not more often than so, however short its rows.
    constexpr std::uint64_t leasesWanted = 32;
    shape.leaseRows = std::max<std::uint64_t>(1, m_source.options.rows.value_or(1) / leasesWanted);
    return shape;
}

/// A row, or Later or Stopped; throws if the program has ended.
ProgramRows::Next LeaseKernel::nextRow(const StopRequest &stop, ProgramRows::Deadline deadline)
{
    const auto next = m_rows->next(stop, deadline);
    if (next != ProgramRows::Next::Ended)
        return next;
    if (m_rows->finish(stop) == ProgramRows::Finish::Stopped)
        return ProgramRows::Next::Stopped;
    throw std::runtime_error(
        m_rows->told("ended " + m_rows->place() + "; it must print one line for each row"));
}

/// After the last row of a lease: the program must end by itself, without another row.
void LeaseKernel::finish(const StopRequest &stop)
{
    switch (m_rows->next(stop, ChildProgram::Clock::now() + ProgramRows::grace)) {
    case ProgramRows::Next::Row:
        throw std::runtime_error(
            m_rows->told("did not end " + m_rows->place() + "; it must print one line for each row"));
    case ProgramRows::Next::Later:
        m_rows->endLate();
        break;
    case ProgramRows::Next::Ended:
        m_rows->finish(stop);
        break;
    case ProgramRows::Next::Stopped:
        break;
    }
    m_rows.reset();
}

std::size_t LeaseKernel::take(const Batch &batch, const StopRequest &stop)
{
    Gathering gathering;
    std::size_t filled = 0;
    while (filled < batch.rows && m_range.next < m_range.end) {
        if (nextRow(stop, gathering.deadline()) != ProgramRows::Next::Row)
            break;
        gathering.rowCame();
        const auto row = m_rows->row();
        for (std::size_t series = 0; series < row.size(); ++series)
            batch.columns[series][filled] = row[series];
        ++filled;
        ++m_range.next;
    }
    return filled;
}

std::size_t LeaseKernel::fill(const Batch &batch, FillContext &context)
{
    const LineEvents::LogScope scope(m_events, context.log);
    const StopRequest stop{context.stop, context.stopFd};
    const bool isExpected = batch.begin == m_range.next && batch.leaseEnd == m_range.end;
    if (!m_rows || batch.begin == batch.leaseBegin || !isExpected)
        start(batch.begin, batch.leaseEnd);
    const std::size_t filled = take(batch, stop);
    if (m_range.next == m_range.end)
        finish(stop);
    if (context.stop.stop_requested())
        m_events.finish();
    return filled;
}

} // namespace millrace
