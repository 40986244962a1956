#include "tests/support/processes.h"
#include "tests/support/runharness.h"

#include <QTest>

#include <csignal>
#include <unistd.h>

using namespace millrace;

Q_DECLARE_METATYPE(millrace::RunState)

namespace {

constexpr std::uint64_t manyRows = 20'000'000;

double doubledRow(std::uint64_t row, std::size_t)
{
    return 5 + double(row) * 2;
}

std::vector<pid_t> workers()
{
    return descendantsOf(::getpid(), "millrace-worker");
}

/// CPU time of all workers, in clock ticks.
unsigned long long workerTicks()
{
    unsigned long long ticks = 0;
    for (const pid_t pid : workers())
        ticks += processTicks(pid);
    return ticks;
}

} // namespace

class TestProcessSupervisor : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        m_baseline.emplace();
    }

    void cleanup() { QCOMPARE(m_baseline->leftBehind(), std::string()); }

    void boundedRunFinishesWithEveryRow_data()
    {
        QTest::addColumn<int>("workers");
        QTest::addColumn<quint64>("rows");
        for (const int workers : {1, 2, 5}) {
            for (const quint64 rows : {1ull, 2ull, 1023ull, 1024ull, 1025ull, 1'000'003ull})
                QTest::addRow("%d workers, %llu rows", workers, rows) << workers << rows;
        }
    }

    void boundedRunFinishesWithEveryRow()
    {
        QFETCH(int, workers);
        QFETCH(quint64, rows);
        RunRequest request = RunHarness::taskRequest("count", {{"start", 5.0}, {"step", 2.0}});
        request.workers = unsigned(workers);
        request.rows = rows;

        RunHarness run(request, doubledRow);
        run.start();

        QVERIFY2(run.waitEnded(), run.eventText().c_str());
        QCOMPARE(run.status().state, RunState::Finished);
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.rows().rowCount(), std::uint64_t(rows));
        QCOMPARE(run.rows().lastEnd(), RunEnd::Finished);
        QCOMPARE(run.status().restarts, std::uint64_t(0));
        QCOMPARE(run.eventText(), std::string());
    }

    void runnerMayBeDestroyedBeforeItStarts() { RunHarness run(RunHarness::taskRequest("count")); }

    void runnerMayBeDestroyedWhileItRuns()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 0; }));
    }

    void stopEndsAnUnboundedRunAndKeepsItsRows()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        run.supervisor().stop();
        run.supervisor().stop();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Stopped);
        QCOMPARE(run.rows().lastEnd(), RunEnd::Stopped);
        QCOMPARE(run.rows().endCount(), 1);
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.status().rows, run.rows().rowCount());
    }

    void durationFinishesTheRun()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.duration = std::chrono::milliseconds(300);

        RunHarness run(request);
        run.start();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Finished);
        QVERIFY(run.status().elapsed >= std::chrono::milliseconds(300));
        QVERIFY(run.rows().rowCount() > 0);
    }

    void pausedRunUsesNoProcessorAndGoesOn()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.workers = 2;
        RunHarness run(request);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        run.supervisor().pause();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Paused; }));
        const auto areStopped = [] {
            const auto pids = workers();
            return pids.size() == 2 &&
                   std::all_of(pids.begin(), pids.end(), [](pid_t pid) { return processState(pid) == 'T'; });
        };
        QTRY_VERIFY(areStopped());
        const auto ticks = workerTicks();
        const std::uint64_t rows = run.rows().rowCount();
        QVERIFY(!run.waitUntil([&] { return run.rows().rowCount() > rows; }, std::chrono::milliseconds(300)));
        QCOMPARE(workerTicks(), ticks);

        run.supervisor().resume();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > rows + 1000; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
        QCOMPARE(run.rows().faults(), std::string());
        QVERIFY2(run.status().restarts == 0, run.eventText().c_str());
    }

    void pausedRunCanBeStopped()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));
        run.supervisor().pause();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Paused; }));

        run.supervisor().stop();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Stopped);
    }

    void pauseBeforeTheFirstRowHolds()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        run.supervisor().pause();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Paused; }));

        run.supervisor().resume();

        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
    }

    void killedWorkersCostNoRow()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.workers = 2;
        request.rows = manyRows;
        RunHarness run(request);
        run.start();
        int kills = 0;
        std::uint64_t nextKill = 0;
        while (run.waitUntil([&] {
            return run.rows().rowCount() >= nextKill || run.rows().endCount() > 0;
        }) && run.rows().endCount() == 0) {
            nextKill = run.rows().rowCount() + manyRows / 20;
            for (const pid_t pid : workers()) {
                kills += ::kill(pid, SIGKILL) == 0;
                break;
            }
        }

        QVERIFY2(run.waitEnded(), run.eventText().c_str());
        QVERIFY(kills > 0);
        QCOMPARE(run.status().state, RunState::Finished);
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.rows().rowCount(), manyRows);
        QVERIFY2(run.status().restarts > 0, "the kills were met");
    }

    void killAndRestartByTheUserCostNoRow()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.workers = 2;
        request.rows = manyRows;
        RunHarness run(request);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 0; }));

        run.supervisor().killWorker(0);
        run.supervisor().restartWorker(1);
        run.supervisor().killWorker(1000);

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Finished);
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.rows().rowCount(), manyRows);
        QVERIFY(run.eventText().find("was killed by the user") != std::string::npos);
        QVERIFY(run.eventText().find("was restarted by the user") != std::string::npos);
    }

    void killedWardenIsReplaced_data()
    {
        QTest::addColumn<bool>("isInner");
        QTest::newRow("the outer one") << false;
        QTest::newRow("the inner one") << true;
    }

    void killedWardenIsReplaced()
    {
        QFETCH(bool, isInner);
        RunRequest request = RunHarness::taskRequest("count");
        request.workers = 2;
        request.rows = manyRows;
        RunHarness run(request);
        run.start();
        // A worker on its way to exec still has the warden's name.
        QVERIFY(run.waitUntil([] {
            return workers().size() == 2 && descendantsOf(::getpid(), "millrace-warden").size() == 2;
        }));

        for (const pid_t pid : descendantsOf(::getpid(), "millrace-warden")) {
            const bool hasWardenBelow = !descendantsOf(pid, "millrace-warden").empty();
            if (hasWardenBelow != isInner) {
                ::kill(pid, SIGKILL);
                break;
            }
        }

        QVERIFY2(run.waitEnded(), run.eventText().c_str());
        QCOMPARE(run.status().state, RunState::Finished);
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.rows().rowCount(), manyRows);
        QVERIFY2(run.eventText().find("the warden ended") != std::string::npos, run.eventText().c_str());
    }

    void slowSinkHoldsTheRunAndLosesNothing()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.budgetBytes = 1024 * 1024;
        RunHarness run(request);
        run.rows().holdBack(true);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        // Never more than its budget is handed on before it is written.
        QVERIFY(!run.waitUntil([&] { return run.rows().rowCount() > request.budgetBytes / sizeof(double); },
                               std::chrono::milliseconds(300)));
        const std::uint64_t held = run.rows().rowCount();
        run.rows().holdBack(false);

        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > held + 1'000'000; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
        QCOMPARE(run.rows().faults(), std::string());
    }

    void stalledSinkIsShownAndGoesOnByItself()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        run.rows().tellStalled("the disk is full");
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Stalled; }));
        QCOMPARE(run.status().message, std::string("the disk is full"));
        run.rows().tellReady();

        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Running; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
        QCOMPARE(run.rows().faults(), std::string());
    }

    void stalledRunGoesOnByTheUsersWord()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));
        run.rows().tellStalled("the disk is full");
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Stalled; }));

        run.supervisor().resume();

        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Running; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
    }

    void stallToldInAPauseOutlastsIt()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));
        run.supervisor().pause();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Paused; }));
        run.rows().tellStalled("the disk is full");

        run.supervisor().resume();

        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Stalled; }));
        QCOMPARE(run.status().message, std::string("the disk is full"));
        run.rows().tellReady();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Running; }));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
        QCOMPARE(run.rows().faults(), std::string());
    }

    void deadlineFarAwayIsNoTrouble()
    {
        RunRequest request = RunHarness::taskRequest("count", {{"rate", 1e-9}});
        request.duration = std::chrono::hours(24 * 365 * 30);
        RunHarness run(request);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.status().state == RunState::Running; }));

        run.supervisor().stop();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Stopped);
    }

    void sourceHasOneWorkerWhateverIsAsked()
    {
        RunRequest request = RunHarness::taskRequest(
            "command", {{"program", std::string("yes")}, {"arguments", std::string("1")}});
        request.access = Access::System;
        request.workers = 2;
        RunHarness run(request, nullptr);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        run.supervisor().restartWorker(1);

        const std::uint64_t rows = run.rows().rowCount();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > rows + 1000; }));
        QCOMPARE(workers().size(), std::size_t(1));
        run.supervisor().stop();
        QVERIFY(run.waitEnded());
        QCOMPARE(run.rows().faults(), std::string());
    }

    void failedSinkFailsTheRunWithItsReason()
    {
        RunHarness run(RunHarness::taskRequest("count"));
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        run.rows().tellFailed("the disk is gone");

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Failed);
        QCOMPARE(run.status().message, std::string("the disk is gone"));
        QCOMPARE(run.rows().endCount(), 1);
    }

    void pacedRunKeepsItsRate()
    {
        RunRequest request = RunHarness::taskRequest("count", {{"rate", 1000.0}});
        request.workers = 2;
        request.duration = std::chrono::milliseconds(1000);

        RunHarness run(request);
        run.start();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Finished);
        QVERIFY2(run.rows().rowCount() <= 1100, "never faster than its rate");
        QVERIFY2(run.rows().rowCount() >= 100, "a busy machine may be slower, but not by far");
        QCOMPARE(run.rows().faults(), std::string());
    }

    void severalRunsAtATimeAreIndependent()
    {
        RunRequest request = RunHarness::taskRequest("count");
        request.rows = 1'000'000;
        std::vector<std::unique_ptr<RunHarness>> runs;
        for (int i = 0; i < 4; ++i)
            runs.push_back(std::make_unique<RunHarness>(request));
        for (auto &run : runs)
            run->start();

        for (auto &run : runs) {
            QVERIFY(run->waitEnded());
            QCOMPARE(run->status().state, RunState::Finished);
            QCOMPARE(run->rows().rowCount(), std::uint64_t(1'000'000));
            QCOMPARE(run->rows().faults(), std::string());
        }
    }

    void wrongParametersFailWithOneSentenceEach()
    {
        RunRequest request = RunHarness::taskRequest("monte-carlo", {{"spot", -1.0}, {"swag", 1.0}});

        RunHarness run(request);
        run.start();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Failed);
        QCOMPARE(run.status().errors.size(), std::size_t(2));
        QCOMPARE(run.status().errors[0].parameter, std::string("spot"));
        QCOMPARE(run.rows().beginCount(), 0);
    }

    void unknownTaskFailsWithASentence()
    {
        RunHarness run(RunHarness::taskRequest("nothing"));
        run.start();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Failed);
        QVERIFY(run.status().message.find("no task nothing") != std::string::npos);
    }

    void sourceThatEndsFinishesTheRun()
    {
        RunRequest request = RunHarness::taskRequest(
            "command", {{"program", std::string("seq")}, {"arguments", std::string("0 99999")}});
        request.access = Access::System;
        request.workers = 3;

        RunHarness run(request, nullptr);
        run.start();

        QVERIFY2(run.waitEnded(), run.eventText().c_str());
        QCOMPARE(run.status().state, RunState::Finished);
        QCOMPARE(run.rows().rowCount(), std::uint64_t(100'000));
        QCOMPARE(run.rows().faults(), std::string());
    }

    void sourceThatFailsKeepsItsRowsAndSaysWhereItWasCut()
    {
        RunRequest request = RunHarness::taskRequest(
            "command", {{"program", std::string("sh")},
                        {"arguments", std::string("-c 'seq 100; echo broken >&2; exit 3'")}});
        request.access = Access::System;

        RunHarness run(request, nullptr);
        run.start();

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Failed);
        QCOMPARE(run.rows().rowCount(), std::uint64_t(100));
        QVERIFY2(run.status().message.starts_with("cut at row 100: "), run.status().message.c_str());
        QVERIFY2(run.status().message.find("exit code 3") != std::string::npos, run.status().message.c_str());
        QVERIFY2(run.status().message.find("broken") != std::string::npos, run.status().message.c_str());
    }

    void killedSourceIsNotReplayed()
    {
        RunRequest request = RunHarness::taskRequest(
            "command", {{"program", std::string("yes")}, {"arguments", std::string("1")}});
        request.access = Access::System;
        RunHarness run(request, nullptr);
        run.start();
        QVERIFY(run.waitUntil([&] { return run.rows().rowCount() > 1000; }));

        for (const pid_t pid : workers())
            ::kill(pid, SIGKILL);

        QVERIFY(run.waitEnded());
        QCOMPARE(run.status().state, RunState::Failed);
        QVERIFY2(run.status().message.starts_with("cut at row "), run.status().message.c_str());
        QCOMPARE(run.rows().faults(), std::string());
        QCOMPARE(run.status().restarts, std::uint64_t(0));
    }

    void idleWorkersSleep()
    {
        RunRequest request = RunHarness::taskRequest("count", {{"rate", 0.001}});
        request.workers = 2;
        RunHarness run(request);
        run.start();
        QVERIFY(run.waitUntil([&] {
            return run.status().workers.size() == 2 &&
                   std::all_of(run.status().workers.begin(), run.status().workers.end(),
                               [](const WorkerStatus &worker) { return worker.state == WorkerState::Ready; });
        }));
        // Ready, but TBB's threads may still look for work for a moment: asleep are they when no tick is
        // added for long.
        QTRY_VERIFY([&] {
            const auto ticks = workerTicks();
            run.waitUntil([] { return false; }, std::chrono::milliseconds(300));
            return workerTicks() == ticks;
        }());

        run.supervisor().stop();
        QVERIFY(run.waitEnded());
    }

private:
    std::optional<Baseline> m_baseline;
};

QTEST_GUILESS_MAIN(TestProcessSupervisor)
#include "tst_processsupervisor.moc"
