#include "tests/workers/pool/leases.h"

#include <QTest>

using namespace millrace;
using namespace std::chrono_literals;
using Blame = LeaseTable::Blame;

namespace {

LeaseTable::Options options(std::uint64_t rows, unsigned workers = 1)
{
    LeaseTable::Options options;
    options.end = rows;
    options.workers = workers;
    return options;
}

/// Slot 0 holds one lease of `rows` rows, 8 or 64, and has sent `sent` of them; the rows before are released.
LeaseTable::Grant hold(Leases &leases, std::uint64_t rows, std::uint64_t sent)
{
    auto grant = leases.grant(0);
    for (; rowsOf(*grant) < rows; grant = leases.grant(0))
        leases.finish(0, *grant, 1us);
    if (sent > 0)
        leases.send(0, *grant, sent);
    return *grant;
}

} // namespace

class TestLeaseTableDeaths : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void restIsHandedOnInHalvesDownToOneRow()
    {
        Leases leases(options(1000));
        auto grant = hold(leases, 64, 0);
        const std::uint64_t first = grant.begin;

        for (const std::uint64_t expected : {32, 16, 8, 4, 2, 1}) {
            leases.table.workerGone(0, Blame::External, leases.now);
            grant = *leases.grant(0);
            QCOMPARE(grant.begin, first);
            QCOMPARE(rowsOf(grant), expected);
            QVERIFY(grant.careful);
            QVERIFY2(!grant.newRangeEnd, "the memory belongs to the range");
        }
        // The other halves come in index order, each once, and touch.
        std::uint64_t next = first;
        while (next < first + 64) {
            QCOMPARE(grant.begin, next);
            next = grant.end;
            QVERIFY(leases.finish(0, grant));
            grant = *leases.grant(0);
        }
        QCOMPARE(next, first + 64);
        QVERIFY(grant.newRangeEnd && !grant.careful);
    }

    void oddRestIsHandedOnWhole()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 3); // 5 are left
        leases.table.workerGone(0, Blame::Own, leases.now);

        const auto first = leases.grant(0);
        const auto second = leases.grant(0);

        QCOMPARE(first->begin, grant.begin + 3);
        QCOMPARE(first->end, grant.begin + 6);
        QCOMPARE(second->begin, grant.begin + 6);
        QCOMPARE(second->end, grant.end);
    }

    void rowsThatArrivedBeforeTheDeathAreKept()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 3);
        const std::uint64_t accepted = leases.table.acceptedRows();

        leases.table.workerGone(0, Blame::Own, leases.now);

        QCOMPARE(leases.table.release().end, grant.begin + 3);
        QCOMPARE(leases.table.acceptedRows(), accepted);
        QCOMPARE(leases.grant(0)->begin, grant.begin + 3);
    }

    void frameCutByTheDeathCountsForNothing()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 3);
        QCOMPARE(leases.table.beginFrame(0, leases.header(grant, 4)).index(), std::size_t(0));

        leases.table.workerGone(0, Blame::Own, leases.now);

        QCOMPARE(leases.table.release().end, grant.begin + 3);
        const auto again = leases.grant(0);
        QCOMPARE(again->begin, grant.begin + 3);
        QVERIFY(leases.finish(0, *again));
    }

    void leaseThatWasNotBegunIsHandedOnWhole()
    {
        Leases leases(options(1000));
        const auto begun = hold(leases, 8, 8);
        const auto waiting = *leases.grant(0);
        QVERIFY(leases.finish(0, begun, 1us));
        const auto later = *leases.grant(0);

        leases.table.workerGone(0, Blame::Own, leases.now);

        QCOMPARE(leases.grant(0)->begin, waiting.begin);
        const auto upper = *leases.grant(0);
        QVERIFY(upper.begin > waiting.begin && upper.end == waiting.end);
        const auto whole = *leases.grant(1);
        QCOMPARE(whole.begin, later.begin);
        QCOMPARE(whole.end, later.end);
        QVERIFY(!whole.careful);
    }

    void leasesOfTheDeadAreRefused()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 3);
        leases.table.workerGone(0, Blame::Own, leases.now);
        leases.grant(0);

        QCOMPARE(leases.send(0, grant, 1).index(), std::size_t(1));
        QVERIFY(leases.done(0, grant));
    }

    void deathIsChargedToTheFirstRowThatHadNotArrived()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 3);

        const auto death = leases.table.workerGone(0, Blame::Own, leases.now);

        QCOMPARE(*death.row, grant.begin + 3);
        QVERIFY(death.charged && !death.poison);
    }

    void deathWithoutALeaseIsChargedToNoRow()
    {
        Leases leases(options(1000));

        const auto death = leases.table.workerGone(0, Blame::Own, leases.now);

        QVERIFY(!death.row && !death.charged && !death.poison);
    }

    void thirdDeathChargedToARowMakesItPoison()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 5);
        for (int i = 0; i < 2; ++i) {
            QVERIFY(!leases.table.workerGone(0, Blame::Own, leases.now).poison);
            leases.grant(0);
        }

        const auto death = leases.table.workerGone(0, Blame::Own, leases.now);

        QVERIFY(death.poison);
        QCOMPARE(*death.row, grant.begin + 5);
    }

    void deathsOfDifferentRowsMakeNoPoison()
    {
        Leases leases(options(1000));
        auto grant = hold(leases, 64, 0);
        for (int i = 0; i < 10; ++i) {
            QVERIFY(!leases.table.workerGone(0, Blame::Own, leases.now).poison);
            grant = *leases.grant(0);
            leases.send(0, grant, 1);
            if (rowsOf(grant) == 1) {
                QVERIFY(!leases.done(0, grant));
                grant = *leases.grant(0);
            }
        }
    }

    void externalDeathIsChargedAfterASecondOnTheRow_data()
    {
        QTest::addColumn<int>("milliseconds");
        QTest::addColumn<bool>("charged");
        QTest::newRow("at once") << 0 << false;
        QTest::newRow("just before") << 999 << false;
        QTest::newRow("a second") << 1000 << true;
        QTest::newRow("long after") << 60'000 << true;
    }

    void externalDeathIsChargedAfterASecondOnTheRow()
    {
        QFETCH(int, milliseconds);
        QFETCH(bool, charged);
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 0);
        leases.now += 10s;
        leases.send(0, grant, 1);
        leases.now += std::chrono::milliseconds(milliseconds);

        const auto death = leases.table.workerGone(0, Blame::External, leases.now);

        QCOMPARE(death.charged, charged);
        QVERIFY(death.row);
    }

    void pauseIsNoTimeOnTheRow()
    {
        Leases leases(options(1000));
        hold(leases, 8, 1);
        leases.table.pause(leases.now);
        leases.now += 1h;
        leases.table.resume(leases.now);
        leases.now += 999ms;

        QVERIFY(!leases.table.workerGone(0, Blame::External, leases.now).charged);
    }

    void rowAcceptedWhilePausedIsSuspectASecondAfterTheResume()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 1);
        leases.table.pause(leases.now);
        leases.now += 10s; // a stalled run's workers go on with the leases that they have
        leases.send(0, grant, 1);
        leases.now += 10s;
        leases.table.resume(leases.now);
        leases.now += 1s;

        QVERIFY(leases.table.workerGone(0, Blame::External, leases.now).charged);
    }

    void pausedTimeMakesNoRowSuspicious()
    {
        Leases leases(options(1000));
        QVERIFY(leases.grant(0));
        leases.table.pause(leases.now);
        leases.now += 10s;

        QVERIFY(!leases.table.workerGone(0, Blame::External, leases.now).charged);
    }

    void ourOwnKillIsNeverCharged()
    {
        Leases leases(options(1000));
        const auto grant = hold(leases, 8, 2);
        for (int i = 0; i < 10; ++i) {
            leases.now += 1min;
            const auto death = leases.table.workerGone(0, Blame::Ours, leases.now);
            QVERIFY(!death.charged && !death.poison);
            QCOMPARE(*death.row, grant.begin + 2);
            QCOMPARE(leases.grant(0)->begin, grant.begin + 2);
        }
    }

    void deathBetweenTheLastRowAndDoneLosesAndRepeatsNothing()
    {
        Leases leases(options(9));
        const auto grant = hold(leases, 8, 8);

        const auto death = leases.table.workerGone(0, Blame::Own, leases.now);

        QVERIFY2(!death.row && !death.charged, "all its rows had arrived");
        QCOMPARE(leases.table.release().end, grant.end);
        QVERIFY(leases.table.isFinished());
        QVERIFY(!leases.grant(0));
    }

    void deathBeforeDoneIsChargedToTheLeaseThatFollows()
    {
        Leases leases(options(1000, 2));
        const auto done = *leases.grant(0);
        const auto others = *leases.grant(1);
        const auto next = *leases.grant(0);
        leases.send(0, done, 1);

        const auto death = leases.table.workerGone(0, Blame::Own, leases.now);

        QVERIFY2(*death.row != others.begin, "that row is another worker's");
        QCOMPARE(*death.row, next.begin);
    }
};

QTEST_GUILESS_MAIN(TestLeaseTableDeaths)
#include "tst_leasetable_deaths.moc"
