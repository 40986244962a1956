// Leases, memory, frames and release. Deaths are in tst_leasetable_deaths, pacing and ends in
// tst_leasetable_ends.

#include "tests/workers/pool/leases.h"

#include <QTest>

#include <algorithm>
#include <array>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

LeaseTable::Options options(std::optional<std::uint64_t> rows, unsigned workers = 1)
{
    LeaseTable::Options options;
    options.end = rows;
    options.workers = workers;
    options.rangeBytesMin = 0;
    return options;
}

/// The longest lease that a worker gets which takes no time at all; all bytes are written at once.
std::uint64_t longestLease(Leases &leases)
{
    std::uint64_t longest = 0;
    for (int i = 0; i < 40; ++i) {
        const auto grant = leases.grant(0);
        if (!grant || !leases.finish(0, *grant, 1us))
            return 0;
        longest = std::max(longest, rowsOf(*grant));
        leases.table.written(leases.table.release().end);
    }
    return longest;
}

} // namespace

class TestLeaseTable : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void firstLeaseOfEachSlotIsOneRow()
    {
        Leases leases(options(1000, 2));

        for (unsigned slot : {0u, 1u, 0u, 1u})
            QCOMPARE(rowsOf(*leases.grant(slot)), std::uint64_t(1));
    }

    void leaseGrowsEightfoldAtMost()
    {
        Leases leases(options(1'000'000));

        for (std::uint64_t expected : {1, 8, 64, 512}) {
            const auto grant = leases.grant(0);
            QCOMPARE(rowsOf(*grant), expected);
            QVERIFY(leases.finish(0, *grant, 1us));
        }
    }

    void leaseIsAboutFiftyMillisecondsOfWork()
    {
        Leases leases(options(1'000'000));
        std::uint64_t rows = 0;

        for (int i = 0; i < 20; ++i) {
            const auto grant = leases.grant(0);
            rows = rowsOf(*grant);
            QVERIFY(leases.finish(0, *grant, rows * 100us));
        }

        QVERIFY(rows >= 490 && rows <= 510);
    }

    void leaseShrinksWhenRowsBecomeSlower()
    {
        Leases leases(options(1'000'000));
        for (int i = 0; i < 5; ++i)
            QVERIFY(leases.finish(0, *leases.grant(0), 1ms));

        for (int i = 0; i < 20; ++i) {
            const auto grant = leases.grant(0);
            QVERIFY(leases.finish(0, *grant, rowsOf(*grant) * 1s));
        }

        QCOMPARE(rowsOf(*leases.grant(0)), std::uint64_t(1));
    }

    void leaseIsAtMostOneMebibyte()
    {
        auto many = options(std::nullopt);
        many.budgetBytes = 1024 * mebibyte;
        many.rowBytes = 24;
        Leases leases(many);

        const std::uint64_t longest = longestLease(leases);

        QVERIFY(longest * 24 <= mebibyte);
        QVERIFY(longest * 24 > mebibyte - 24 * binRows);
    }

    void tinyRangesCountWithWhatTheyCost()
    {
        auto tiny = options(std::nullopt);
        tiny.rangeBytesMin = 4096;
        Leases leases(tiny);

        leases.grant(0);

        QCOMPARE(leases.table.reservedBytes(), std::uint64_t(4096));
    }

    void leaseHasTheRowsThatTheTaskWants()
    {
        auto dear = options(std::uint64_t(1000));
        dear.leaseRows = 300;
        Leases leases(dear);

        QCOMPARE(rowsOf(*leases.grant(0)), std::uint64_t(300));
        QVERIFY(leases.grant(0).has_value());
        QCOMPARE(leases.table.current(0)->end, std::uint64_t(300));
    }

    void leaseIsAtMostItsShareOfTheBudget()
    {
        auto small = options(std::nullopt, 4);
        small.budgetBytes = mebibyte;
        Leases leases(small);

        QCOMPARE(longestLease(leases), mebibyte / 8 / 8);
    }

    void longLeasesEndWhereABinEnds()
    {
        auto shifted = options(100'000);
        shifted.begin = 100;
        Leases leases(shifted);
        std::uint64_t last = 0;

        while (const auto grant = leases.grant(0)) {
            if (rowsOf(*grant) >= binRows && grant->end != 100'000)
                QCOMPARE(grant->end % binRows, std::uint64_t(0));
            last = grant->end;
            QVERIFY(leases.finish(0, *grant, 1us));
        }

        QCOMPARE(last, std::uint64_t(100'000));
    }

    void slotHoldsAtMostTwoLeases()
    {
        Leases leases(options(1000));
        const auto first = leases.grant(0);
        QVERIFY(leases.grant(0));

        QVERIFY(!leases.grant(0));
        QCOMPARE(leases.table.heldCount(0), 2u);
        QVERIFY(leases.finish(0, *first));

        QVERIFY(leases.grant(0));
    }

    void slotRunsEmptyBeforeItIsSentBackToRowsThatOthersWaitFor()
    {
        Leases leases(options(1000, 2));
        const auto low = leases.grant(0);
        const auto high = leases.grant(1);
        leases.table.workerGone(0, LeaseTable::Blame::Own, leases.now);

        QVERIFY(!leases.grant(1));

        QVERIFY(leases.finish(1, *high));
        QCOMPARE(leases.grant(1)->begin, low->begin);
    }

    void fullBudgetBlocksUntilRowsAreWritten()
    {
        auto small = options(std::nullopt);
        small.budgetBytes = mebibyte;
        Leases leases(small);
        while (const auto grant = leases.grant(0)) {
            QVERIFY(leases.finish(0, *grant, 1us));
            QVERIFY(leases.table.reservedBytes() <= mebibyte);
        }
        const auto released = leases.table.release();
        QVERIFY(released.end * 8 > mebibyte / 2);

        QVERIFY2(!leases.grant(0), "released is not written");
        QVERIFY(leases.table.written(0).empty());
        QVERIFY(!leases.table.written(released.end).empty());

        QCOMPARE(leases.table.reservedBytes(), std::uint64_t(0));
        QVERIFY(leases.grant(0));
    }

    void rangeIsForgottenWhenItsLastRowIsWritten()
    {
        Leases leases(options(1000));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = leases.grant(0); // [1, 9)
        QVERIFY(leases.finish(0, *grant));
        leases.table.release();

        QCOMPARE(leases.table.written(grant->end - 1), std::vector<std::uint64_t>({0}));
        QCOMPARE(leases.table.written(grant->end - 1), std::vector<std::uint64_t>());
        QCOMPARE(leases.table.written(grant->end + 5), std::vector<std::uint64_t>({grant->begin}));
    }

    void lowestRangeHasItsPlaceThoughTheBudgetIsFull()
    {
        auto small = options(std::nullopt, 2);
        small.budgetBytes = mebibyte;
        Leases leases(small);
        const auto slow = leases.grant(0);
        while (const auto grant = leases.grant(1))
            QVERIFY(leases.finish(1, *grant, 1us));
        QCOMPARE(leases.table.release().end, std::uint64_t(0));

        leases.table.workerGone(0, LeaseTable::Blame::Own, leases.now);
        const auto again = leases.grant(1);

        QCOMPARE(again->begin, slow->begin);
        QVERIFY2(!again->newRangeEnd, "its memory is there already");
        QVERIFY(leases.finish(1, *again));
        const auto released = leases.table.release();
        QVERIFY(released.end > 1);
        leases.table.written(released.end);
        QVERIFY(leases.grant(1));
    }

    void rowLargerThanTheBudgetGoesAlone()
    {
        auto large = options(10, 2);
        large.budgetBytes = 1000;
        large.rowBytes = 4000;
        Leases leases(large);
        const auto grant = leases.grant(0);

        QCOMPARE(rowsOf(*grant), std::uint64_t(1));
        QVERIFY(!leases.grant(1));
        QVERIFY(leases.finish(0, *grant));
        leases.table.written(leases.table.release().end);

        QVERIFY(leases.grant(1));
    }

    void workersRunAtMost1024LeasesAhead()
    {
        Leases leases(options(std::nullopt, 2));
        QVERIFY(leases.grant(0));

        int count = 1;
        for (; const auto grant = leases.grant(1); ++count)
            QVERIFY(leases.finish(1, *grant, 1s));

        QCOMPARE(count, 1024);
    }

    void frameThatIsNotTheNextIsRefused_data()
    {
        QTest::addColumn<int>("lease"); // difference to what is right
        QTest::addColumn<int>("sequence");
        QTest::addColumn<int>("rows");
        QTest::addColumn<int>("bytes");
        QTest::addColumn<QString>("sentence");
        const auto row = [](const char *name, int lease, int sequence, int rows, int bytes,
                            const char *sentence) {
            QTest::newRow(name) << lease << sequence << rows << bytes << QString::fromLatin1(sentence);
        };
        row("lease of the past", -1, 0, 0, 0, "sent rows of lease 1 while it was to work on lease 2");
        row("its second lease", 1, 0, 0, 0, "sent rows of lease 3 while it was to work on lease 2");
        row("frame again", 0, -1, 0, 0, "sent frame 0 of its lease in place of frame 1");
        row("frame skipped", 0, 1, 0, 0, "sent frame 2 of its lease in place of frame 1");
        row("a row too many", 0, 0, 5, 5 * 16, "sent more rows than its lease has");
        row("4 G rows", 0, 0, -4, -4 * 16, "sent more rows than its lease has");
        row("a byte too few", 0, 0, 0, -1, "sent 47 bytes for 3 rows of 16 bytes");
        row("a byte too many", 0, 0, 0, 1, "sent 49 bytes for 3 rows of 16 bytes");
        row("rows of another width", 0, 0, 0, -24, "sent 24 bytes for 3 rows of 16 bytes");
    }

    void frameThatIsNotTheNextIsRefused()
    {
        QFETCH(int, lease);
        QFETCH(int, sequence);
        QFETCH(int, rows);
        QFETCH(int, bytes);
        QFETCH(QString, sentence);
        auto two = options(1000);
        two.rowBytes = 16;
        Leases leases(two);
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = leases.grant(0); // lease 2, 8 rows
        QVERIFY(leases.grant(0));
        QCOMPARE(leases.send(0, *grant, 1).index(), std::size_t(0));
        FrameHeader header = leases.header(*grant, 3);
        header.lease += std::uint64_t(lease);
        header.sequence += std::uint32_t(sequence);
        header.rows += std::uint32_t(rows);
        header.payloadBytes += std::uint32_t(bytes);

        const auto place = leases.table.beginFrame(0, header);

        QCOMPARE(QString::fromStdString(std::get<std::string>(place)), sentence);
        QCOMPARE(leases.table.acceptedRows(), std::uint64_t(2));
    }

    void rowsWithoutALeaseAreRefused()
    {
        Leases leases(options(1000, 2));
        const auto grant = leases.grant(0);

        const auto place = leases.table.beginFrame(1, leases.header(*grant, 1));

        QCOMPARE(std::get<std::string>(place), "sent rows without a lease");
    }

    void framePlaceIsInTheRangeOfItsLease()
    {
        Leases leases(options(1000));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = leases.grant(0);
        QCOMPARE(grant->range, std::uint64_t(1));
        QCOMPARE(*grant->newRangeEnd, std::uint64_t(9));
        leases.send(0, *grant, 3);

        const auto place = std::get<LeaseTable::Place>(leases.send(0, *grant, 2));

        QCOMPARE(place.range, grant->range);
        QCOMPARE(place.first, grant->begin + 3);
    }

    void rowsAreReleasedInOrderWhateverLeaseFinishesFirst()
    {
        std::array<unsigned, 5> order = {0, 1, 2, 3, 4};
        do {
            Leases leases(options(5, 5));
            std::array<Leases::Grant, 5> grants;
            for (unsigned slot = 0; slot < 5; ++slot)
                grants[slot] = *leases.grant(slot);
            std::array<bool, 5> hasArrived = {};
            std::uint64_t next = 0;
            for (const unsigned slot : order) {
                QVERIFY(leases.finish(slot, grants[slot]));
                hasArrived[slot] = true;

                const auto release = leases.table.release();

                QCOMPARE(release.first, next);
                const auto *firstMissing = std::find(hasArrived.begin(), hasArrived.end(), false);
                QCOMPARE(release.end, std::uint64_t(firstMissing - hasArrived.begin()));
                QCOMPARE(leases.table.release().end, leases.table.release().first);
                next = release.end;
            }
            QVERIFY(leases.table.isFinished());
        } while (std::next_permutation(order.begin(), order.end()));
    }

    void framesAreReleasedBeforeTheirLeaseEnds()
    {
        Leases leases(options(1000));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = leases.grant(0);

        leases.send(0, *grant, 3);

        QCOMPARE(leases.table.release().end, grant->begin + 3);
        QCOMPARE(leases.table.current(0)->next, grant->begin + 3);
        QVERIFY(leases.finish(0, *grant));
        QCOMPARE(leases.table.release().first, grant->begin + 3);
    }

    void doneWithAWrongCountIsRefused()
    {
        Leases leases(options(1000));
        QVERIFY(leases.finish(0, *leases.grant(0)));
        const auto grant = leases.grant(0); // 8 rows
        leases.send(0, *grant, 5);

        QCOMPARE(*leases.table.done(0, grant->lease, 8, false, {}),
                 "counted 8 rows of its lease where 5 arrived");
        QCOMPARE(*leases.table.done(0, grant->lease, 5, false, {}), "finished its lease with rows missing");
        QCOMPARE(*leases.table.done(0, 99, 5, false, {}), "finished lease 99, which it was not working on");
        QCOMPARE(*leases.table.done(1, grant->lease, 5, false, {}),
                 "finished lease 2, which it was not working on");
    }

    void doneOfTheSecondLeaseBeforeTheFirstIsRefused()
    {
        Leases leases(options(1000));
        QVERIFY(leases.grant(0));
        const auto second = leases.grant(0);

        QVERIFY(leases.table.done(0, second->lease, 0, false, {}));
        QCOMPARE(leases.send(0, *second, 1).index(), std::size_t(1));
    }
};

QTEST_GUILESS_MAIN(TestLeaseTable)
#include "tst_leasetable.moc"
