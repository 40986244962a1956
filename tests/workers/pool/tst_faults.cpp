// Every fault of faults.md's Worker section that needs no recording, by tests/support/evilworker: what must
// be told, how the run ends, and that no row is lost, doubled or wrong whatever the worker did.

#include "tests/support/evilprotocol.h"
#include "tests/support/processes.h"
#include "tests/support/runharness.h"

#include <QTest>

#include <csignal>
#include <unistd.h>

using namespace millrace;

Q_DECLARE_METATYPE(millrace::RunState)

class TestFaults : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void faultIsToldAndCostsNoRow_data()
    {
        QTest::addColumn<QByteArray>("fault");
        QTest::addColumn<QByteArray>("sentence"); // a part of what must be told
        const auto row = [](const char *fault, const char *sentence) {
            QTest::newRow(fault) << QByteArray(fault) << QByteArray(sentence);
        };

        row("exit:0", "ended with exit code 0 before it had finished");
        row("exit:1", "ended with exit code 1 before it had finished");
        row("quick-exit:255", "ended with exit code 255");
        row("signal:11", "was ended by signal 11 (segmentation fault)");
        row("signal:6", "was ended by signal 6 (abort)");
        row("signal:8", "was ended by signal 8 (arithmetic error)");
        row("signal:4", "was ended by signal 4 (illegal instruction)");
        row("signal:7", "was ended by signal 7 (bus error)");
        row("signal:9", "was ended by signal 9 (killed), which this application did not send");
        row("signal:15", "was ended by signal 15 (asked to end)");
        row("throw", "failed: the sky fell");
        row("throw-int", "failed: an exception that is no std::exception was thrown (int)");
        row("bad-alloc", "ran out of memory");
        row("close-channel", "ended with exit code 0 before it had finished");
        row("close-and-stay", "closed its channel and did not leave");
        row("fork-and-die", "ended with exit code 1");
        row("daemonise-and-die", "ended with exit code 1");
        row("too-many-rows", "the kernel filled more rows than its batch has");
        row("ends-early", "ended a task that has no end of its own");
        row("last-words", "last word 99");

        row("leave-before-hello", "ended with exit code 0 before it had finished");
        row("garbage", "broke the protocol: no frame begins with 0x67676767");
        row("garbage-hello", "broke the protocol: no frame begins with 0x7a7a7a7a");
        row("oversized", "over the limit");
        row("bad-checksum", "a frame header has a wrong checksum");
        row("unknown-type", "unknown frame type 99");
        row("bad-cbor", "broke the protocol: Done");
        row("truncated", "ended with exit code 0");
        row("wrong-lease", "while it was to work on lease");
        row("wrong-epoch", "sent rows of epoch 2");
        row("skip-frame", "sent frame 1 of its lease in place of frame 0");
        row("repeat-frame", "sent frame 0 of its lease in place of frame 1");
        row("too-many-rows-sent", "sent more rows than its lease has");
        row("wrong-bytes", "bytes for");
        row("done-early", "rows missing");
        row("wrong-count", "counted 12345 rows");
        row("end-splittable", "ended a task that has no end of its own");
        row("done-twice", "which it was not working on");
        row("prepared-twice", "prepared the run twice");
        row("two-hellos", "said Hello twice");
        row("no-series", "at least one series");
        row("too-many-series", "a list of at most 1024");
        row("app-message", "sent a message that only the application sends");
        row("give-unasked", "gave back lease");
        row("flood-no-lease", "without having prepared");
        row("leave-after-rows", "ended with exit code 0 before it had finished");
    }

    void faultIsToldAndCostsNoRow()
    {
        QFETCH(QByteArray, fault);
        QFETCH(QByteArray, sentence);
        constexpr std::uint64_t rows = 50'000;
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest(fault.toStdString(), rows));
            run.start();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.rows().faults(), std::string());
            QVERIFY2(run.status().state == RunState::Finished, run.status().message.c_str());
            QCOMPARE(run.rows().rowCount(), rows);
            QCOMPARE(run.rows().endCount(), 1);
            QVERIFY2(run.eventText().find(sentence.toStdString()) != std::string::npos,
                     run.eventText().c_str());
            QVERIFY2(run.eventText().find("worker 1 (pid ") != std::string::npos, run.eventText().c_str());
            QVERIFY2(run.endCount() == 1, run.eventText().c_str());
            QCOMPARE(run.status().restarts, std::uint64_t(1));
            QVERIFY(run.largestGap() < std::chrono::seconds(1));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void faultThatCostsNothingIsNotTold_data()
    {
        QTest::addColumn<QByteArray>("fault");
        QTest::newRow("closes its stdout and stderr") << QByteArray("close-output");
        QTest::newRow("dies after its last row, when asked to stop") << QByteArray("die-at-bye");
    }

    void faultThatCostsNothingIsNotTold()
    {
        QFETCH(QByteArray, fault);
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest(fault.toStdString(), 50'000));
            run.start();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().faults(), std::string());
            QCOMPARE(run.rows().rowCount(), std::uint64_t(50'000));
            QCOMPARE(run.eventText(), std::string());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void everyBitPatternArrivesAsItWas()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("bit-patterns", 50'000),
                           [](std::uint64_t row, std::size_t) { return evilBits(row); });
            run.start();
            QVERIFY(run.waitEnded());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().faults(), std::string());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void stoppedAndContinuedWorkerGoesOn()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("stop-self", 50'000));
            run.start();
            std::vector<pid_t> stopped;
            QVERIFY(run.waitUntil([&] {
                stopped = descendantsOf(::getpid(), "evilworker");
                return stopped.size() == 1 && processState(stopped[0]) == 'T';
            }));
            ::kill(stopped[0], SIGCONT);
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().faults(), std::string());
            QCOMPARE(run.status().restarts, std::uint64_t(0));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void lateFramesOfAWorkerThatWasReplacedAreNotBelieved()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("stop-self", 50'000));
            run.start();
            std::vector<pid_t> stopped;
            QVERIFY(run.waitUntil([&] {
                stopped = descendantsOf(::getpid(), "evilworker");
                return stopped.size() == 1 && processState(stopped[0]) == 'T';
            }));
            run.supervisor().restartWorker(0);
            ::kill(stopped[0], SIGCONT);
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().faults(), std::string());
            QCOMPARE(run.rows().rowCount(), std::uint64_t(50'000));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void crashLoopIsBounded()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("leave-before-hello-always", 50'000));
            run.start();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Failed);
            QCOMPARE(run.endCount(), 6);
            QCOMPARE(run.status().workers[0].epoch, std::uint16_t(6));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void faultThatStaysFailsTheRun_data()
    {
        QTest::addColumn<QByteArray>("fault");
        QTest::addColumn<QByteArray>("message");
        QTest::addColumn<quint64>("rowsKept");
        const auto row = [](const char *fault, const char *message, quint64 rowsKept) {
            QTest::newRow(fault) << QByteArray(fault) << QByteArray(message) << rowsKept;
        };

        row("signal:11-always", "row 1000 failed 3 times", 1000);
        row("throw-always", "row 1000 failed 3 times: worker 1 (pid ", 1000);
        row("exit:7-always", "ended with exit code 7", 1000);
        row("wrong-version-always", "speaks version 2.0 of the protocol, this application version 1.0", 0);
        row("leave-before-hello-always", "times in 10 s without a row and is given up", 0);
        row("garbage-hello-always", "times in 10 s without a row and is given up", 0);
    }

    void faultThatStaysFailsTheRun()
    {
        QFETCH(QByteArray, fault);
        QFETCH(QByteArray, message);
        QFETCH(quint64, rowsKept);
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest(fault.toStdString(), 50'000));
            run.start();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Failed);
            QVERIFY2(run.status().message.find(message.toStdString()) != std::string::npos,
                     run.status().message.c_str());
            QCOMPARE(run.rows().faults(), std::string());
            QCOMPARE(run.rows().rowCount(), rowsKept);
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void silentWorkerIsReplaced_data()
    {
        QTest::addColumn<QByteArray>("fault");
        QTest::newRow("never says Hello") << QByteArray("silent");
        QTest::newRow("says it one byte at a time") << QByteArray("slow-hello");
    }

    void silentWorkerIsReplaced()
    {
        QFETCH(QByteArray, fault);
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest(fault.toStdString(), 10'000));
            run.start();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Finished);
            QVERIFY(run.eventText().find("did not say Hello within 5 s") != std::string::npos);
            QCOMPARE(run.rows().rowCount(), std::uint64_t(10'000));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void workersDisagreeingOnTheRunAreNotBelieved()
    {
        const Baseline baseline;

        {
            RunRequest request = RunHarness::evilRequest("other-shape", 50'000);
            RunHarness first(request);
            first.start();
            // Alone, it is the one who says what the run is: two series of which it then sends one.
            QVERIFY2(first.waitEnded(), first.eventText().c_str());
            QVERIFY(first.eventText().find("bytes for") != std::string::npos);
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void workerThatHangsIsEndedByStop_data()
    {
        QTest::addColumn<QByteArray>("fault");
        QTest::newRow("in a loop") << QByteArray("hang");
        QTest::newRow("ignoring SIGTERM") << QByteArray("ignore-sigterm");
        QTest::newRow("stopped by a signal") << QByteArray("stop-self");
        QTest::newRow("never reading") << QByteArray("never-reads");
    }

    void workerThatHangsIsEndedByStop()
    {
        QFETCH(QByteArray, fault);
        const Baseline baseline;
        const bool isProtocolFault = fault == "never-reads";

        {
            RunHarness run(RunHarness::evilRequest(fault.toStdString(), 50'000));
            run.start();
            QVERIFY(run.waitUntil([&] {
                return isProtocolFault ? run.status().state == RunState::Running
                                       : run.rows().rowCount() >= 500;
            }));
            QElapsedTimer sinceStop;
            sinceStop.start();
            run.supervisor().stop();
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Stopped);
            QVERIFY2(sinceStop.elapsed() < 3000, "the ladder takes a second, the machine may take some more");
            QCOMPARE(run.rows().faults(), std::string());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void hangingWorkerIsRestartedByTheUser()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("hang", 50'000));
            run.start();
            QVERIFY(run.waitUntil([&] { return run.rows().rowCount() >= 500; }));
            run.supervisor().restartWorker(0);
            QVERIFY2(run.waitEnded(), run.eventText().c_str());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().rowCount(), std::uint64_t(50'000));
            QVERIFY(run.eventText().find("was restarted by the user") != std::string::npos);
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void stderrFloodIsCountedNotKept()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("stderr-flood", 50'000));
            run.start();
            QVERIFY2(run.waitEnded(), "the worker never waits for us to read its output");

            QCOMPARE(run.status().state, RunState::Finished);
            QVERIFY2(run.eventText().find("bytes of its output were not kept") != std::string::npos,
                     run.eventText().c_str());
            QVERIFY(run.eventText().size() < 5'000'000);
            QCOMPARE(run.rows().rowCount(), std::uint64_t(50'000));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void workerTextIsMadeHarmless()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("stderr-markup", 50'000));
            run.start();
            QVERIFY(run.waitEnded());

            QVERIFY2(run.eventText().find(
                         "worker 1: <img src=http://example.invalid/>\\x1b[31mred\\x1b[0m\\x07") !=
                         std::string::npos,
                     run.eventText().c_str());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void logFloodIsBounded()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("log-flood", 50'000));
            run.start();
            QVERIFY(run.waitEnded());

            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().rowCount(), std::uint64_t(50'000));
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void stateChangedByATaskStaysInItsProcess()
    {
        const Baseline baseline;

        {
            RunHarness run(RunHarness::evilRequest("change-state", 50'000));
            run.start();
            QVERIFY(run.waitEnded());
            QCOMPARE(run.status().state, RunState::Finished);
            QCOMPARE(run.rows().faults(), std::string());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void missingHelperIsToldAndNotTriedAgain()
    {
        const Baseline baseline;

        {
            RunRequest request = RunHarness::evilRequest({}, 10);
            request.helper = "/nowhere/helper";
            RunHarness run(request);
            run.start();
            QVERIFY(run.waitEnded());

            QCOMPARE(run.status().state, RunState::Failed);
            QVERIFY2(run.status().message.find("could not be started: No such file or directory") !=
                         std::string::npos,
                     run.status().message.c_str());
            QCOMPARE(run.endCount(), 1);
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }

    void programThatIsNoHelperIsToldSo()
    {
        const Baseline baseline;

        {
            RunRequest request = RunHarness::evilRequest({}, 10);
            request.helper = "/bin/sleep";
            request.helperArguments = {"1000"};
            RunHarness run(request);
            run.start();
            QVERIFY(run.waitUntil(
                [&] { return run.eventText().find("is it a Millrace helper?") != std::string::npos; }));
            run.supervisor().stop();
            QVERIFY(run.waitEnded());
        }

        QCOMPARE(baseline.leftBehind(), std::string());
    }
};

QTEST_GUILESS_MAIN(TestFaults)
#include "tst_faults.moc"
