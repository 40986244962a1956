// How workers end, what is told of it, and when they are started again.

#include "tests/workers/pool/poolcalls.h"

#include <QTest>

#include <csignal>
#include <functional>

using namespace millrace;
using namespace std::chrono_literals;

Q_DECLARE_METATYPE(std::function<void(millrace::Pool &)>)

class TestPoolEnds : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void pausesGrowAndVaryByAFifth()
    {
        constexpr Moment expected[] = {0ms, 50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5s, 5s};
        bool hasVaried = false;
        for (std::uint64_t seed = 0; seed < 100; ++seed) {
            Pool pool(1, seed);

            const auto pauses = dieAgainAndAgain(pool, 10, 3s);

            QCOMPARE(pauses.size(), std::size(expected));
            for (std::size_t i = 0; i < pauses.size(); ++i) {
                QVERIFY(pauses[i] >= expected[i] * 8 / 10 && pauses[i] <= expected[i] * 12 / 10);
                hasVaried = hasVaried || (pauses[i] > expected[i] * 11 / 10);
            }
            Pool again(1, seed);
            QCOMPARE(dieAgainAndAgain(again, 10, 3s), pauses);
        }
        QVERIFY(hasVaried);
    }

    void sixDeathsInTenSecondsGiveTheSlotUp()
    {
        Pool pool(2, 1);
        std::optional<Pool::End> end;
        makeReady(pool);
        pool.start(1, {});
        for (int i = 0; i < 6; ++i) {
            QCOMPARE(pool.restarts(0), std::uint64_t(i));
            const Moment now = pool.epoch(0) * 1s;
            end = pool.exited(0, pool.epoch(0), exitedWith(1), now);
            QCOMPARE(end->isGivenUp, i == 5);
            pool.tick(now + 990ms);
        }

        QCOMPARE(end->action, "it died 6 times in 10 s without a row and is given up");
        QVERIFY(!end->isPermanent);
        QCOMPARE(pool.state(0), WorkerState::GivenUp);
        QVERIFY2(!pool.areAllGivenUp(), "the other slot lives");
        QCOMPARE(pool.epoch(0), std::uint16_t(6));
        pool.tick(1h);
        QCOMPARE(pool.state(0), WorkerState::GivenUp);
    }

    void deathsFurtherApartNeverGiveUp()
    {
        Pool pool(1, 1);

        QCOMPARE(dieAgainAndAgain(pool, 100, 2100ms).size(), std::size_t(100));
    }

    void rowForgivesAllDeaths()
    {
        Pool pool(1, 1);
        pool.start(0, {});
        for (int i = 0; i < 100; ++i) {
            pool.progress(0);
            const auto end = pool.exited(0, pool.epoch(0), killedBy(SIGSEGV), {});
            QCOMPARE(end->action, "it is started again");
            QCOMPARE(*pool.nextTick(), Moment());
            pool.tick({});
        }
        QCOMPARE(pool.restarts(0), std::uint64_t(100));
    }

    void exitOfAnOldEpochIsIgnored()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.exited(0, 1, exitedWith(1), {});
        QVERIFY2(!pool.exited(0, 1, exitedWith(1), {}), "it waits");
        pool.tick({});
        QCOMPARE(pool.epoch(0), std::uint16_t(2));

        QVERIFY(!pool.exited(0, 1, exitedWith(1), {}));
        pool.launched(0, 1, 77, {});

        QCOMPARE(pool.state(0), WorkerState::Starting);
        QCOMPARE(pool.pid(0), 0);
    }

    void endTellsItsCause_data()
    {
        using Do = std::function<void(Pool &)>;
        QTest::addColumn<Do>("before");
        QTest::addColumn<int>("status");
        QTest::addColumn<EndCause>("cause");
        QTest::addColumn<bool>("isExternal");
        QTest::addColumn<QString>("what");
        const auto row = [](const char *name, const Do &before, int status, EndCause cause, bool isExternal,
                            const char *what) {
            QTest::newRow(name) << before << status << cause << isExternal << QString::fromLatin1(what);
        };
        const Do nothing = [](Pool &) {};
        row("exit 0", nothing, 0, EndCause::ExitCode, false, "ended with exit code 0 before it had finished");
        row("exit 3", nothing, 3 << 8, EndCause::ExitCode, false,
            "ended with exit code 3 before it had finished");
        row("crash", nothing, SIGSEGV, EndCause::Signal, false,
            "was ended by signal 11 (segmentation fault)");
        row("SIGKILL from outside", nothing, SIGKILL, EndCause::Signal, true,
            "was ended by signal 9 (killed), which this application did not send: out of memory, or "
            "somebody's kill");
        row("SIGTERM from outside", nothing, SIGTERM, EndCause::Signal, true,
            "was ended by signal 15 (asked to end)");
        row("CPU limit", nothing, SIGXCPU, EndCause::CpuLimit, false,
            "was ended by signal 24 (CPU time limit)");
        row(
            "end of channel, then crash", [](Pool &pool) { pool.channelClosed(0, {}); }, SIGABRT,
            EndCause::Signal, false, "was ended by signal 6 (abort)");
        row(
            "exception",
            [](Pool &pool) {
                pool.failed(0, {"std::runtime_error", "no", {}, {}}, {});
            },
            1 << 8, EndCause::Exception, false, "failed: no");
        row(
            "exception of a type of its own",
            [](Pool &pool) {
                pool.failed(0, {"Diverged", "no", {}, {}}, {});
            },
            1 << 8, EndCause::Exception, false, "failed: no (Diverged)");
        row(
            "bad_alloc",
            [](Pool &pool) {
                pool.failed(0, {"std::bad_alloc", "x", {}, {}}, {});
            },
            1 << 8, EndCause::OutOfMemory, false, "ran out of memory");
        row(
            "violation", [](Pool &pool) { pool.violation(0, "sent rubbish", {}); }, SIGKILL,
            EndCause::Violation, false, "sent rubbish");
        row(
            "two violations",
            [](Pool &pool) {
                pool.violation(0, "sent rubbish", {});
                pool.violation(0, "sent more", {});
            },
            SIGKILL, EndCause::Violation, false, "sent rubbish");
        row(
            "closed channel, lives on",
            [](Pool &pool) {
                pool.channelClosed(0, {});
                pool.tick(500ms);
            },
            SIGTERM, EndCause::Violation, false, "closed its channel and did not leave");
        row(
            "killed by the user", [](Pool &pool) { pool.kill(0, {}); }, SIGKILL, EndCause::ByUser, false,
            "was killed by the user");
        row(
            "restarted by the user", [](Pool &pool) { pool.restart(0, {}); }, SIGKILL, EndCause::ByUser,
            false, "was restarted by the user");
    }

    void endTellsItsCause()
    {
        QFETCH(std::function<void(Pool &)>, before);
        QFETCH(int, status);
        QFETCH(EndCause, cause);
        QFETCH(bool, isExternal);
        QFETCH(QString, what);
        Pool pool(1, 1);
        makeReady(pool);
        before(pool);
        ProcessExit exit;
        exit.status = status;

        const auto end = pool.exited(0, 1, exit, 1s);

        QCOMPARE(end->cause, cause);
        QCOMPARE(end->isExternal, isExternal);
        QCOMPARE(QString::fromStdString(end->what), what);
        QVERIFY(!end->isPermanent && !end->isGivenUp);
        QCOMPARE(end->action, "it is started again");
        QVERIFY(end->slot == 0 && end->epoch == 1 && end->pid == 100);
        QCOMPARE(pool.state(0), WorkerState::Waiting);
        QCOMPARE(pool.pid(0), 0);
    }

    void programThatCannotBeExecutedIsNotTriedAgain()
    {
        Pool pool(1, 1);
        makeStarting(pool);

        const auto end = pool.exited(0, 1, notStarted(WardenReport::Stage::Exec, ENOENT), 1s);

        QCOMPARE(end->cause, EndCause::NotStarted);
        QVERIFY(end->isPermanent && end->isGivenUp);
        QCOMPARE(end->what, "could not be started: No such file or directory");
    }

    void lackOfProcessesIsTriedAgain()
    {
        Pool pool(1, 1);
        makeStarting(pool);

        const auto end = pool.exited(0, 1, notStarted(WardenReport::Stage::Fork, EAGAIN), 1s);

        QCOMPARE(end->cause, EndCause::NotStarted);
        QVERIFY(!end->isPermanent && !end->isGivenUp);
    }

    void failedWorkerThatStaysGetsTheLadder()
    {
        Pool pool(1, 1);
        makeReady(pool);

        pool.failed(0, {"std::runtime_error", "no", {}, {}}, {});

        QVERIFY2(pool.takeActions().empty(), "it leaves by itself");
        pool.tick(500ms);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Terminate}));
        pool.tick(1s);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill}));
        QCOMPARE(pool.exited(0, 1, killedBy(SIGKILL), 2s)->cause, EndCause::Exception);
    }

    void stoppedWorkerThatCutsAFrameIsNoViolator()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.stop(0, {});
        pool.takeActions();

        pool.violation(0, "cut a frame", {});

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill}));
        QCOMPARE(pool.exited(0, 1, killedBy(SIGKILL), {})->cause, EndCause::Asked);
    }

    void killByTheUserCountsAsADeath()
    {
        Pool pool(1, 1);
        pool.start(0, {});
        for (int i = 0; i < 6; ++i) {
            pool.kill(0, {});
            pool.exited(0, pool.epoch(0), killedBy(SIGKILL), i * 500ms);
            pool.tick(i * 500ms + 490ms);
        }

        QCOMPARE(pool.state(0), WorkerState::GivenUp);
        pool.takeActions();
        pool.kill(0, 3s);
        QVERIFY(pool.takeActions().empty());
    }

    void lostWorkerIsStartedAgain()
    {
        Pool pool(2, 1);
        makeReady(pool);
        pool.takeActions();

        const auto end = pool.lost(0, 1s);

        QCOMPARE(end->cause, EndCause::Lost);
        QCOMPARE(end->what, "was lost when its warden ended");
        QVERIFY(!end->isExternal);
        QCOMPARE(pool.state(0), WorkerState::Waiting);
        QVERIFY2(!pool.lost(1, 1s), "it was not there");
        pool.tick(1s);
        QCOMPARE(kinds(pool), std::vector({Kind::Launch}));
    }

    void workerLostWhileItStopsIsGone()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.stop(0, {});

        QCOMPARE(pool.lost(0, 1s)->cause, EndCause::Asked);

        QCOMPARE(pool.state(0), WorkerState::Gone);
    }
};

QTEST_GUILESS_MAIN(TestPoolEnds)
#include "tst_pool_ends.moc"
