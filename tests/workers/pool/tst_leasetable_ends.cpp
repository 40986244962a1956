// How a run is paced, evened out at its end, and ended.

#include "tests/workers/pool/leases.h"

#include <QTest>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

LeaseTable::Options options(std::optional<std::uint64_t> rows, unsigned workers = 1)
{
    LeaseTable::Options options;
    options.end = rows;
    options.workers = workers;
    return options;
}

LeaseTable::Options source(std::optional<std::uint64_t> rows = std::nullopt)
{
    auto result = options(rows);
    result.splittable = false;
    return result;
}

LeaseTable::Options paced(double rowsPerSecond, std::optional<std::uint64_t> rows = std::nullopt)
{
    auto result = options(rows);
    result.pacing = rowsPerSecond;
    return result;
}

constexpr std::uint64_t rowMax = 0x7fff'ffff'ffff'ffff;

} // namespace

class TestLeaseTableEnds : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    // The end

    void runIsFinishedWhenItsLastRowIsReleased()
    {
        Leases leases(options(2));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        leases.table.release();
        QVERIFY(!leases.table.isFinished());
        QVERIFY(leases.finish(0, *leases.grant(0)));
        QVERIFY(!leases.table.isFinished());

        leases.table.release();

        QVERIFY(leases.table.isFinished());
        QVERIFY(!leases.grant(0));
    }

    void runWithoutRowsIsFinishedAtOnce()
    {
        Leases leases(options(0));

        QVERIFY(!leases.grant(0));
        QVERIFY(leases.table.isFinished());
    }

    void unboundedRunIsNeverFinished()
    {
        Leases leases(options(std::nullopt));
        for (int i = 0; i < 100; ++i) {
            QVERIFY(leases.finish(0, *leases.grant(0)));
            leases.table.written(leases.table.release().end);
            QVERIFY(!leases.table.isFinished());
        }
    }

    void sourceThatEndsTruncatesTheRun()
    {
        Leases leases(source(1000));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = *leases.grant(0); // [1, 9)
        QVERIFY(leases.grant(0));
        leases.send(0, grant, 3);

        QVERIFY(!leases.done(0, grant, true));

        QCOMPARE(*leases.table.end(), std::uint64_t(4));
        QCOMPARE(leases.table.release().end, std::uint64_t(4));
        QVERIFY(leases.table.isFinished());
        QVERIFY(!leases.table.holdsLease(0));
        QVERIFY(!leases.grant(0));
        QVERIFY2(leases.send(0, grant, 1).index() == 1, "nothing comes after its end");
        leases.table.written(4);
        QCOMPARE(leases.table.reservedBytes(), std::uint64_t(0));
    }

    void sourceMayEndAtTheBeginOfALease()
    {
        Leases leases(source());
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = *leases.grant(0);

        QVERIFY(!leases.done(0, grant, true));

        QCOMPARE(*leases.table.end(), std::uint64_t(1));
        leases.table.written(leases.table.release().end);
        QVERIFY(leases.table.isFinished());
        QCOMPARE(leases.table.reservedBytes(), std::uint64_t(0));
    }

    void sourceMayEndWithoutARow()
    {
        Leases leases(source());

        QVERIFY(!leases.done(0, *leases.grant(0), true));

        QVERIFY(leases.table.isFinished());
    }

    void sourceThatEndsWithAWrongCountIsRefused()
    {
        Leases leases(source());
        const auto grant = *leases.grant(0);

        QVERIFY(leases.table.done(0, grant.lease, 1, true, {}));
        QVERIFY(!leases.table.end());
    }

    void endOfATaskThatIsNoSourceIsRefused()
    {
        Leases leases(options(1000));

        const auto sentence = leases.done(0, *leases.grant(0), true);

        QCOMPARE(*sentence, "ended a task that has no end of its own");
        QCOMPARE(*leases.table.end(), std::uint64_t(1000));
    }

    // Giving back

    void leaseIsAskedBackOnlyWhenNothingIsLeftToLease()
    {
        Leases leases(options(3, 2));
        QVERIFY(leases.grant(0));
        const auto second = leases.grant(0);
        QVERIFY(!leases.table.giveBackCandidate());
        QVERIFY(leases.finish(1, *leases.grant(1)));

        const auto candidate = leases.table.giveBackCandidate();

        QCOMPARE(candidate->first, 0u);
        QCOMPARE(candidate->second, second->lease);
        QVERIFY2(!leases.table.giveBackCandidate(), "it is asked once");
    }

    void leaseThatWasGivenBackGoesToTheIdleSlot()
    {
        Leases leases(options(2, 2));
        const auto first = *leases.grant(0);
        const auto second = *leases.grant(0);
        QVERIFY(!leases.grant(1));
        QVERIFY(leases.table.giveBackCandidate());

        QVERIFY(!leases.table.givenBack(0, second.lease, true));

        QVERIFY2(!leases.grant(0), "it would have it again, for the idle slot may be asked after it");
        const auto again = *leases.grant(1);
        QCOMPARE(again.begin, second.begin);
        QVERIFY(again.lease != second.lease);
        QVERIFY2(leases.send(0, second, 1).index() == 1, "its old lease is void");
        QVERIFY(leases.finish(1, again));
        QVERIFY(leases.finish(0, first));
        leases.table.release();
        QVERIFY(leases.table.isFinished());
    }

    void leaseThatWasGivenBackIsNotLostWithTheIdleSlot()
    {
        Leases leases(options(2, 2));
        const auto first = *leases.grant(0);
        const auto second = *leases.grant(0);
        QVERIFY(leases.table.giveBackCandidate());
        QVERIFY(!leases.table.givenBack(0, second.lease, true));

        QVERIFY(leases.finish(0, first));

        QVERIFY(leases.finish(0, *leases.grant(0)));
        leases.table.release();
        QVERIFY(leases.table.isFinished());
    }

    void leaseThatIsNotGivenBackIsFinishedByItsHolder()
    {
        Leases leases(options(2, 2));
        const auto first = *leases.grant(0);
        const auto second = *leases.grant(0);
        QVERIFY(leases.table.giveBackCandidate());

        QVERIFY(!leases.table.givenBack(0, second.lease, false));

        QVERIFY(!leases.grant(1));
        QVERIFY(leases.finish(0, first) && leases.finish(0, second));
        QVERIFY2(!leases.table.givenBack(0, second.lease, false), "the answer may cross the end");
    }

    void leaseGivenBackUnaskedOrBegunIsRefused()
    {
        Leases leases(options(2, 2));
        const auto first = *leases.grant(0);
        const auto second = *leases.grant(0);
        QVERIFY(leases.table.givenBack(0, second.lease, true));
        QVERIFY(leases.table.giveBackCandidate());
        QVERIFY(leases.finish(0, first));
        QCOMPARE(leases.table.beginFrame(0, leases.header(second, 1)).index(), std::size_t(0));

        QVERIFY(leases.table.givenBack(0, second.lease, true));
        leases.table.endFrame(0, leases.now);
        QVERIFY(leases.table.givenBack(0, second.lease, true));
        QVERIFY(leases.table.givenBack(0, 99, true));
        QVERIFY(leases.table.givenBack(1, second.lease, true));
    }

    void leaseThatWasGivenBackIsAskedForAgainFromItsNextHolder()
    {
        Leases leases(options(3, 2));
        leases.grant(0);
        const auto second = *leases.grant(0);
        leases.grant(1);
        QVERIFY(leases.table.giveBackCandidate());
        leases.table.workerGone(0, LeaseTable::Blame::Ours, leases.now);
        leases.grant(0);
        QCOMPARE(leases.grant(0)->begin, second.begin);

        QVERIFY(leases.table.giveBackCandidate());
    }

    // Pacing

    void rowsAreLeasedWhenTheyAreDue()
    {
        Leases leases(paced(1000));
        QVERIFY(!leases.grant(0));
        QCOMPARE(std::chrono::round<std::chrono::milliseconds>(*leases.table.nextDue()), 1ms);
        leases.now = *leases.table.nextDue() - 2us;
        QVERIFY(!leases.grant(0));
        leases.now += 2us;

        QCOMPARE(rowsOf(*leases.grant(0)), std::uint64_t(1));
        QVERIFY2(!leases.grant(0), "the next step is 16 ms later");
        QCOMPARE(*leases.table.nextDue(), leases.now + 16ms);
    }

    void paceIsKeptInStepsOfSixteenMilliseconds()
    {
        Leases leases(paced(1000));
        int count = 0;
        while (leases.now < 10s) {
            leases.now = std::max(leases.now, *leases.table.nextDue());
            for (; const auto grant = leases.grant(0); ++count)
                QVERIFY(leases.finish(0, *grant, 1us));
            leases.table.written(leases.table.release().end);
        }

        QVERIFY(count <= 10'000 / 16 + 2);
        QVERIFY(leases.table.releasedEnd() > 9'980 && leases.table.releasedEnd() <= 10'020);
    }

    void rareRowIsLeasedInTheMomentInWhichItIsDue()
    {
        Leases leases(paced(2));
        for (int row = 1; row <= 20; ++row) {
            leases.now = *leases.table.nextDue();
            QCOMPARE(std::chrono::round<std::chrono::milliseconds>(leases.now), row * 500ms);
            const auto grant = leases.grant(0);
            QCOMPARE(rowsOf(*grant), std::uint64_t(1));
            QVERIFY(leases.finish(0, *grant));
        }
    }

    void everyMomentThatIsDueHasALease_data()
    {
        QTest::addColumn<double>("pacing");
        for (const double pacing : {1e-6, 0.1, 0.3, 1.0, 7.0, 59.94, 62.5, 1e3, 12345.678, 1e6, 1e9})
            QTest::addRow("%g rows/s", pacing) << pacing;
    }

    void everyMomentThatIsDueHasALease()
    {
        QFETCH(double, pacing);
        Leases leases(paced(pacing));
        for (int i = 0; i < 2000; ++i) {
            QVERIFY(leases.table.nextDue());
            leases.now = std::max(leases.now, *leases.table.nextDue());
            const auto grant = leases.grant(0);
            QVERIFY2(grant, "a timer that fires and finds nothing would not be set again");
            QVERIFY(leases.finish(0, *grant, 1us));
            leases.table.written(leases.table.release().end);
        }
    }

    void pauseMovesThePace()
    {
        Leases leases(paced(10));
        leases.now = *leases.table.nextDue();
        QVERIFY(leases.finish(0, *leases.grant(0), 1us));
        const Moment due = *leases.table.nextDue();

        leases.table.pause(leases.now);
        leases.now += 1h;
        QVERIFY(!leases.grant(0));
        leases.table.pause(leases.now); // a second word changes nothing
        leases.table.resume(leases.now);
        leases.table.resume(leases.now);

        QCOMPARE(*leases.table.nextDue(), due + 1h);
        QVERIFY(!leases.grant(0));
    }

    void nothingIsLeasedWhilePaused()
    {
        Leases leases(options(1000, 2));
        const auto grant = *leases.grant(0);
        leases.table.pause(leases.now);

        QVERIFY(!leases.grant(0) && !leases.grant(1));
        QVERIFY2(leases.finish(0, grant), "what is under way is accepted");
        QCOMPARE(leases.table.release().end, std::uint64_t(1));
        leases.table.resume(leases.now);

        QVERIFY(leases.grant(1));
    }

    void pacedRunHasNoMomentAfterItsLastRow()
    {
        Leases leases(paced(10, 1));
        leases.now = *leases.table.nextDue();
        QVERIFY(leases.grant(0));

        QVERIFY(!leases.table.nextDue());
    }

    void rowsThatAreYearsAwayHaveNoMoment()
    {
        Leases leases(paced(1e-12));

        QVERIFY(!leases.table.nextDue());
        QVERIFY(!leases.grant(0));
    }

    // Limits of numbers

    void runMayEndAtTheLastRowOfTheWire()
    {
        auto last = options(rowMax);
        last.begin = rowMax - 3000;
        Leases leases(last);
        std::uint64_t next = last.begin;

        while (const auto grant = leases.grant(0)) {
            QCOMPARE(grant->begin, next);
            next = grant->end;
            QVERIFY(leases.finish(0, *grant, 1us));
        }

        QCOMPARE(next, rowMax);
        QCOMPARE(leases.table.release().end, rowMax);
        QVERIFY(leases.table.isFinished());
    }

    void unboundedRunStopsAtTheLastRowOfTheWire()
    {
        auto last = options(std::nullopt);
        last.begin = rowMax - 3000;
        Leases leases(last);
        std::uint64_t next = last.begin;

        while (const auto grant = leases.grant(0)) {
            QCOMPARE(grant->begin, next);
            next = grant->end;
            QVERIFY(leases.finish(0, *grant, 1us));
        }

        QVERIFY(next <= rowMax);
    }

    void pacingBeyondAllNumbersLeasesWhatItMay()
    {
        Leases leases(paced(1e300));
        leases.now = 1h;

        QCOMPARE(rowsOf(*leases.grant(0)), std::uint64_t(1));
    }
};

QTEST_GUILESS_MAIN(TestLeaseTableEnds)
#include "tst_leasetable_ends.moc"
