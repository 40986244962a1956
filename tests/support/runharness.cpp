#include "tests/support/runharness.h"

#include "tests/support/processes.h"
#include "workers/pool/binsummary.h"

#include <QDeadlineTimer>
#include <QEventLoop>
#include <QTest>

#include <bit>
#include <unistd.h>

namespace millrace {

namespace {

constexpr std::size_t faultBytesMax = 4096;

bool isSame(double a, double b)
{
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

} // namespace

double rowItself(std::uint64_t row, std::size_t)
{
    return double(row);
}

void CheckedRows::complain(const std::string &fault)
{
    const std::lock_guard lock(m_mutex);
    if (m_faults.size() < faultBytesMax)
        m_faults += fault + "\n";
}

std::string CheckedRows::faults() const
{
    const std::lock_guard lock(m_mutex);
    return m_faults;
}

std::shared_ptr<SinkFeedback> CheckedRows::feedback() const
{
    const std::lock_guard lock(m_mutex);
    return m_feedback;
}

void CheckedRows::begin(const RunShape &, std::uint64_t first, std::shared_ptr<SinkFeedback> feedback)
{
    ++m_begins;
    m_next = first;
    const std::lock_guard lock(m_mutex);
    m_feedback = std::move(feedback);
}

void CheckedRows::rows(const ReleasedRows &rows)
{
    if (rows.first != m_next)
        complain("row " + std::to_string(rows.first) + " came in place of row " + std::to_string(m_next));
    if (m_ends > 0)
        complain("rows came after the end");
    checkValues(rows);
    checkBins(rows);
    m_next = rows.first + rows.count;
    if (!m_isHeld)
        feedback()->written(m_next);
}

void CheckedRows::checkValues(const ReleasedRows &rows)
{
    for (std::size_t column = 0; m_expected && column < rows.columns.size(); ++column) {
        for (std::uint64_t i = 0; i < rows.count; ++i) {
            if (!isSame(rows.columns[column][i], m_expected(rows.first + i, column)))
                return complain("row " + std::to_string(rows.first + i) + " is " +
                                std::to_string(rows.columns[column][i]));
        }
    }
}

void CheckedRows::checkBins(const ReleasedRows &rows)
{
    const std::uint64_t perColumn = ReleasedRows::binCount(rows.first, rows.count);
    if (rows.bins.size() != perColumn * rows.columns.size())
        return complain("wrong number of summaries at row " + std::to_string(rows.first));
    for (std::size_t column = 0; column < rows.columns.size(); ++column) {
        std::uint64_t row = rows.first;
        for (std::uint64_t bin = 0; bin < perColumn; ++bin) {
            const std::uint64_t end = std::min((row / binRows + 1) * binRows, rows.first + rows.count);
            const BinSummary &got = rows.bins[column * perColumn + bin];
            const BinSummary want =
                summarise({rows.columns[column] + (row - rows.first), std::size_t(end - row)});
            if (!isSame(got.count, want.count) || !isSame(got.sum, want.sum) || !isSame(got.m2, want.m2) ||
                !isSame(got.min, want.min) || !isSame(got.max, want.max))
                complain("wrong summary of the rows from " + std::to_string(row));
            row = end;
        }
    }
}

void CheckedRows::end(RunEnd end)
{
    ++m_ends;
    m_lastEnd = end;
    const std::lock_guard lock(m_mutex);
    m_feedback.reset();
}

void CheckedRows::holdBack(bool isHeld)
{
    m_isHeld = isHeld;
    if (const auto to = feedback(); to && !isHeld)
        to->written(m_next);
}

RunRequest RunHarness::taskRequest(const std::string &task, const Parameters &parameters)
{
    RunRequest request;
    request.task = task;
    request.parameters = parameters;
    request.helper = MILLRACE_BINARY_DIR "/bin/millrace-worker";
    request.warden = MILLRACE_BINARY_DIR "/bin/millrace-warden";
    request.seed = 1;
    return request;
}

RunRequest RunHarness::evilRequest(const std::string &fault, std::uint64_t rows)
{
    RunRequest request = taskRequest("evil");
    request.rows = rows;
    request.helper = MILLRACE_BINARY_DIR "/bin/evilworker";
    // Unsandboxed: what it does wrong is to be seen by us, not to be prevented.
    request.access = Access::System;
    if (!fault.empty())
        request.helperArguments = {"--fault=" + fault};
    return request;
}

RunHarness::RunHarness(const RunRequest &request, CheckedRows::Expected expected)
    : m_rows(std::make_shared<CheckedRows>(expected)),
      m_supervisor(std::make_unique<ProcessSupervisor>(request, m_rows))
{
    connect(m_supervisor.get(), &Supervisor::changed, this, &RunHarness::update);
    connect(m_supervisor.get(), &Supervisor::ended, this, [this] {
        update();
        m_hasEnded = true;
    });
    m_tick.setTimerType(Qt::PreciseTimer);
    connect(&m_tick, &QTimer::timeout, this, [this] {
        m_largestGap = std::max(m_largestGap, std::chrono::milliseconds(m_sinceTick.restart()));
    });
}

RunHarness::~RunHarness() = default;

void RunHarness::start()
{
    m_sinceTick.start();
    m_tick.start(1);
    m_supervisor->start();
}

void RunHarness::update()
{
    m_status = m_supervisor->status();
    for (auto &event : m_supervisor->takeEvents())
        m_events.push_back(std::move(event));
}

bool RunHarness::waitUntil(const std::function<bool()> &condition, std::chrono::milliseconds deadline)
{
    const QDeadlineTimer limit(deadline);
    while (!condition()) {
        if (limit.hasExpired())
            return false;
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    }
    return true;
}

bool RunHarness::waitEnded(std::chrono::milliseconds deadline)
{
    return waitUntil([this] { return m_hasEnded; }, deadline);
}

std::string RunHarness::eventText() const
{
    std::string text;
    for (const auto &event : m_events)
        text += (event.source.empty() ? "" : event.source + ": ") + event.text + "\n";
    return text;
}

int RunHarness::endCount() const
{
    return int(std::count_if(m_events.begin(), m_events.end(), [](const RunEvent &event) {
        return event.source.empty() && event.text.starts_with("worker ") && event.level != Log::Level::Info;
    }));
}

Baseline::Baseline() : m_threads(threadCount()), m_fds(fdCount()) {}

std::string Baseline::leftBehind() const
{
    const QDeadlineTimer limit(1000);
    for (;;) {
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
        const std::size_t processes = descendantsOf(::getpid()).size();
        const std::size_t threads = threadCount();
        const std::size_t fds = fdCount();
        if (processes == 0 && threads <= m_threads && fds <= m_fds)
            return {};
        if (limit.hasExpired()) {
            return std::to_string(processes) + " processes, " + std::to_string(threads) +
                   " threads (before: " + std::to_string(m_threads) + "), " + std::to_string(fds) +
                   " descriptors (before: " + std::to_string(m_fds) + ")";
        }
        QCoreApplication::processEvents(QEventLoop::AllEvents, 1);
    }
}

} // namespace millrace
