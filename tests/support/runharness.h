#pragma once

#include "workers/pool/processsupervisor.h"

#include <QElapsedTimer>
#include <QTimer>

#include <atomic>
#include <memory>

namespace millrace {

/// A sink that proves exactly-once: every row in order, every value as expected, the summaries those of the
/// values. Written on the supervisor thread, read by the test.
class CheckedRows : public RowSink
{
public:
    using Expected = double (*)(std::uint64_t row, std::size_t column);

    /// Without `expected` only order and summaries are checked.
    explicit CheckedRows(Expected expected) : m_expected(expected) {}

    void begin(const RunShape &shape, std::uint64_t first, std::shared_ptr<SinkFeedback> feedback) override;
    void rows(const ReleasedRows &rows) override;
    void end(RunEnd end) override;

    /// While held, no row is told as written: the run runs into its byte budget.
    void holdBack(bool isHeld);
    void tellStalled(const std::string &reason) { feedback()->stalled(reason); }
    void tellReady() { feedback()->ready(); }
    void tellFailed(const std::string &reason) { feedback()->failed(reason); }

    std::uint64_t rowCount() const { return m_next; }
    /// What went wrong, one line each; empty: nothing.
    std::string faults() const;
    int beginCount() const { return m_begins; }
    int endCount() const { return m_ends; }
    RunEnd lastEnd() const { return m_lastEnd; }

private:
    void complain(const std::string &fault);
    std::shared_ptr<SinkFeedback> feedback() const;
    void checkValues(const ReleasedRows &rows);
    void checkBins(const ReleasedRows &rows);

    const Expected m_expected;
    std::atomic<std::uint64_t> m_next = 0;
    std::atomic<bool> m_isHeld = false;
    std::atomic<int> m_begins = 0;
    std::atomic<int> m_ends = 0;
    std::atomic<RunEnd> m_lastEnd = RunEnd::Failed;
    mutable std::mutex m_mutex;
    std::string m_faults;
    std::shared_ptr<SinkFeedback> m_feedback;
};

/// Value = row: what evilworker and `count` with its initial parameters make.
double rowItself(std::uint64_t row, std::size_t column);

/// One run on a real supervisor, watched: its events, the gaps of the test's own event loop, and that nothing
/// is left behind.
class RunHarness : public QObject
{
    Q_OBJECT

public:
    /// A request for evilworker; fault "": a good worker.
    static RunRequest evilRequest(const std::string &fault, std::uint64_t rows);
    /// A request for a built-in task.
    static RunRequest taskRequest(const std::string &task, const Parameters &parameters = {});

    explicit RunHarness(const RunRequest &request, CheckedRows::Expected expected = rowItself);
    ~RunHarness() override;

    void start();
    /// Runs the event loop until the run is over. False after `deadline`.
    bool waitEnded(std::chrono::milliseconds deadline = std::chrono::seconds(30));
    /// Runs the event loop until `condition` holds after a change of the run. False after `deadline`.
    bool waitUntil(const std::function<bool()> &condition,
                   std::chrono::milliseconds deadline = std::chrono::seconds(30));

    Supervisor &supervisor() { return *m_supervisor; }
    CheckedRows &rows() { return *m_rows; }
    const RunStatus &status() const { return m_status; }
    const std::vector<RunEvent> &events() const { return m_events; }
    /// All events, one a line.
    std::string eventText() const;
    /// Events of a worker's end.
    int endCount() const;
    /// The longest time in which this event loop did not turn.
    std::chrono::milliseconds largestGap() const { return m_largestGap; }

private:
    void update();

    std::shared_ptr<CheckedRows> m_rows;
    std::unique_ptr<ProcessSupervisor> m_supervisor;
    RunStatus m_status;
    std::vector<RunEvent> m_events;
    bool m_hasEnded = false;
    QTimer m_tick;
    QElapsedTimer m_sinceTick;
    std::chrono::milliseconds m_largestGap{};
};

/// What a test process had before a test, to be had after it: no child, no thread and no descriptor more.
class Baseline
{
public:
    Baseline();
    /// Empty: nothing was left behind. Waits up to a second for what is ending.
    std::string leftBehind() const;

private:
    std::size_t m_threads;
    std::size_t m_fds;
};

} // namespace millrace
