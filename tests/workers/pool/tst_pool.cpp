// Starting, stopping and the user's words. How workers end is in tst_pool_ends.

#include "tests/workers/pool/poolcalls.h"

#include <QTest>

#include <csignal>
#include <set>

using namespace millrace;
using namespace std::chrono_literals;

class TestPool : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void startOrdersAWorkerOfTheNextEpoch()
    {
        Pool pool(2, 1);
        QCOMPARE(pool.state(1), WorkerState::Waiting);
        QVERIFY(!pool.isAnyAlive() && !pool.nextTick());

        pool.start(1, 1s);

        const auto actions = pool.takeActions();
        QCOMPARE(actions.size(), std::size_t(1));
        QVERIFY(actions[0].kind == Kind::Launch && actions[0].slot == 1 && actions[0].epoch == 1);
        QCOMPARE(pool.state(1), WorkerState::Starting);
        QVERIFY(pool.isAlive(1) && !pool.isAlive(0) && pool.isAnyAlive());
        pool.start(1, 2s);
        QVERIFY2(pool.takeActions().empty(), "it runs already");
    }

    void workerIsReadyAfterHelloAndPrepared()
    {
        Pool pool(1, 1);
        makeStarting(pool);

        QVERIFY(pool.hello(0, Hello(), 1s));
        QCOMPARE(pool.state(0), WorkerState::Starting);
        QVERIFY2(!pool.nextTick(), "preparing may take its time");
        pool.ready(0);

        QCOMPARE(pool.state(0), WorkerState::Ready);
        QCOMPARE(pool.pid(0), 100);
    }

    void workerThatDoesNotSayHelloIsEnded()
    {
        Pool pool(1, 1);
        makeStarting(pool);
        QCOMPARE(*pool.nextTick(), Moment(5s));
        pool.tick(5s - 1ns);
        QVERIFY(pool.takeActions().empty());

        pool.tick(5s);

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Terminate}));
        pool.tick(5500ms);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill}));
        const auto end = pool.exited(0, 1, killedBy(SIGKILL), 6s);
        QCOMPARE(end->cause, EndCause::Silent);
        QCOMPARE(end->what, "did not say Hello within 5 s: is it a Millrace helper?");
        QVERIFY(!end->isExternal && !end->isGivenUp);
        QCOMPARE(pool.state(0), WorkerState::Waiting);
    }

    void workerOfAnotherVersionIsNotStartedAgain()
    {
        Pool pool(1, 1);
        makeStarting(pool);

        QVERIFY(!pool.hello(0, helloOf(protocolMajor + 1), 1s));

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Terminate}));
        const auto end = pool.exited(0, 1, killedBy(SIGTERM), 1s);
        QCOMPARE(end->cause, EndCause::Version);
        QVERIFY(end->isPermanent && end->isGivenUp && !end->isExternal);
        QCOMPARE(end->what, "speaks version 2.7 of the protocol, this application version 1.0: build the "
                            "helper my-helper with this Millrace");
        QCOMPARE(end->action, "it is not started again, for it would end the same way");
        QCOMPARE(pool.state(0), WorkerState::GivenUp);
        QVERIFY(pool.areAllGivenUp());
    }

    void otherMinorVersionIsWelcome()
    {
        Pool pool(1, 1);
        makeStarting(pool);

        QVERIFY(pool.hello(0, helloOf(protocolMajor), 1s));
    }

    void stopClimbsTheLadder()
    {
        Pool pool(1, 1);
        makeReady(pool);

        pool.stop(0, 10s);

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::SendStop}));
        QCOMPARE(pool.state(0), WorkerState::Stopping);
        pool.tick(10s + 499ms);
        QVERIFY(pool.takeActions().empty());
        QCOMPARE(*pool.nextTick(), Moment(10s + 500ms));
        pool.tick(10s + 500ms);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Terminate}));
        pool.tick(11s);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill}));
        pool.tick(11s + 500ms);
        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill})); // a signal may get lost on its way
        const auto end = pool.exited(0, 1, killedBy(SIGKILL), 12s);
        QCOMPARE(end->cause, EndCause::Asked);
        QVERIFY(end->action.empty());
        QCOMPARE(pool.state(0), WorkerState::Gone);
        QVERIFY(!pool.isAnyAlive());
    }

    void workerThatStopsInTimeGetsNoSignal()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.stop(0, 10s);
        pool.takeActions();
        pool.channelClosed(0, 10s);

        QCOMPARE(pool.exited(0, 1, exitedWith(0), 10s)->cause, EndCause::Asked);

        pool.tick(20s);
        QVERIFY(pool.takeActions().empty());
    }

    void stopWhileWaitingStartsNothing()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.exited(0, 1, exitedWith(1), 1s);
        QCOMPARE(pool.state(0), WorkerState::Waiting);

        pool.stopAll(1s);

        QCOMPARE(pool.state(0), WorkerState::Gone);
        QVERIFY(!pool.nextTick());
        pool.tick(1h);
        QVERIFY(pool.takeActions().empty());
    }

    void stopWhileStartingIsToldAgainWhenTheProcessIsThere()
    {
        Pool pool(1, 1);
        pool.start(0, {});
        pool.stop(0, 1s);
        pool.takeActions();

        pool.launched(0, 1, 100, 1200ms);

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::SendStop}));
        QCOMPARE(*pool.nextTick(), Moment(1700ms));
        pool.hello(0, Hello(), 1300ms);
        pool.ready(0);
        QCOMPARE(pool.state(0), WorkerState::Stopping);
        QCOMPARE(*pool.nextTick(), Moment(1700ms));
    }

    void killBeforeTheProcessIsThereIsToldAgain()
    {
        Pool pool(1, 1);
        pool.start(0, {});
        pool.kill(0, 1s);
        pool.takeActions();

        pool.launched(0, 1, 100, 2s);

        QCOMPARE(kinds(pool), std::vector({Kind::Continue, Kind::Kill}));
    }

    void stopOfAGivenUpSlotOnlyClosesIt()
    {
        Pool pool(1, 1);
        makeStarting(pool);
        pool.exited(0, 1, notStarted(WardenReport::Stage::Exec, ENOENT), 1s);
        QCOMPARE(pool.state(0), WorkerState::GivenUp);

        pool.stop(0, 1s);

        QCOMPARE(pool.state(0), WorkerState::Gone);
        QVERIFY(pool.takeActions().empty() && !pool.areAllGivenUp());
    }

    void stopWhileItIsBeingKilledStartsItNotAgain()
    {
        Pool pool(1, 1);
        makeReady(pool);
        pool.kill(0, 1s);

        pool.stop(0, 1s);

        pool.exited(0, 1, killedBy(SIGKILL), 1s);
        QCOMPARE(pool.state(0), WorkerState::Gone);
    }

    void restartByTheUserBringsAGivenUpSlotBack()
    {
        Pool pool(1, 1);
        dieAgainAndAgain(pool, 6, 1ms);
        QVERIFY(pool.areAllGivenUp());
        pool.takeActions();

        pool.restart(0, 1min);

        QCOMPARE(kinds(pool), std::vector({Kind::Launch}));
        pool.exited(0, pool.epoch(0), exitedWith(1), 1min);
        QCOMPARE(*pool.nextTick(), Moment(1min));
    }

    void restartByTheUserSkipsThePause()
    {
        Pool pool(1, 1);
        dieAgainAndAgain(pool, 4, 1ms);
        pool.exited(0, pool.epoch(0), exitedWith(1), 1min);
        QCOMPARE(pool.state(0), WorkerState::Waiting);
        pool.takeActions();

        pool.restart(0, 1min);

        QCOMPARE(kinds(pool), std::vector({Kind::Launch}));
        pool.tick(1min + 4s);
        QVERIFY(pool.takeActions().empty());
    }

    void shiftMovesEveryDeadline()
    {
        Pool pool(2, 1);
        makeReady(pool);
        pool.start(1, {});
        pool.stop(0, 1s);
        pool.takeActions();

        pool.shift(1h);
        pool.tick(1h);

        QVERIFY(pool.takeActions().empty());
        QCOMPARE(*pool.nextTick(), Moment(1h + 1500ms));
        pool.tick(1h + 5s);
        QCOMPARE(pool.takeActions().size(), std::size_t(4));
    }

    void stopAllReachesEverySlot()
    {
        Pool pool(3, 1);
        for (unsigned slot = 0; slot < 3; ++slot)
            pool.start(slot, {});
        pool.takeActions();

        pool.stopAll({});

        std::set<unsigned> told;
        for (const auto &action : pool.takeActions()) {
            if (action.kind == Kind::SendStop)
                told.insert(action.slot);
        }
        QCOMPARE(told.size(), std::size_t(3));
        pool.stopAll({});
        QVERIFY2(pool.takeActions().empty(), "the ladder is climbed once");
    }

    void wordsToADeadSlotChangeNothing()
    {
        Pool pool(1, 1);
        pool.violation(0, "sent rubbish", {});
        pool.failed(0, {}, {});
        pool.channelClosed(0, {});
        pool.ready(0);
        pool.kill(0, {});
        pool.tick(1h);

        QVERIFY(pool.takeActions().empty());
        QCOMPARE(pool.state(0), WorkerState::Waiting);
    }
};

QTEST_GUILESS_MAIN(TestPool)
#include "tst_pool.moc"
