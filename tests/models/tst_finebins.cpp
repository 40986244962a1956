#include "models/finebins.h"

#include <QTest>

#include <numeric>

using namespace millrace;

namespace {

/// Rows from `first`, each with its index as value.
RawView counting(std::uint64_t first, std::uint64_t count)
{
    std::vector<double> values(count);
    std::iota(values.begin(), values.end(), double(first));
    RawRows rows(1, first, std::size_t(1) << 30);
    const std::array<const double *, 1> columns{values.data()};
    rows.publish(rows.stage(first, count, columns, nullptr));
    return rows.view(first, first + count);
}

} // namespace

class TestFineBins : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void bucketsAreTheSummariesOfTheirRows()
    {
        const RawView raw = counting(100, 10'000); // neither begins nor ends with a bin
        FineBins fine(16);
        std::size_t valuesRead = 0;
        QVERIFY(fine.refine(raw, 0, 0, 10, 100'000, valuesRead));

        for (const std::uint64_t group : {1, 2, 3, 16}) {
            std::vector<Bucket> buckets;
            fine.collect(100, 10'100, group, buckets);

            std::uint64_t next = 100;
            for (const Bucket &bucket : buckets) {
                QCOMPARE(bucket.firstRow, next);
                next += bucket.rowCount;
                QVERIFY(next % (64 * group) == 0 || next == 10'100);
                QCOMPARE(bucket.summary.count, double(bucket.rowCount));
                QCOMPARE(bucket.summary.min, double(bucket.firstRow));
                QCOMPARE(bucket.summary.max, double(next - 1));
            }
            QCOMPARE(next, std::uint64_t(10'100));
        }
    }

    void whatWasMadeIsNotMadeAgain()
    {
        FineBins fine(16);
        std::size_t valuesRead = 0;
        QVERIFY(fine.refine(counting(0, 10'000), 0, 0, 10, 100'000, valuesRead));
        valuesRead = 0;

        QVERIFY(fine.refine(counting(0, 10'100), 0, 0, 10, 100'000, valuesRead));

        QCOMPARE(valuesRead, std::size_t(10'100 - 9 * 1024)); // the open bin has grown
    }

    void workIsSharedOutOverCalls()
    {
        const RawView raw = counting(0, 64 * 1024);
        FineBins fine(64);
        int calls = 1;
        std::size_t valuesRead = 0;

        for (; !fine.refine(raw, 0, 0, 64, 8 * 1024, valuesRead); ++calls)
            QCOMPARE(valuesRead, std::size_t(calls * 8 * 1024));

        QCOMPARE(calls, 8);
    }

    void memoryIsBoundedByItsSlots()
    {
        FineBins fine(8);
        QCOMPARE(fine.bytes(), std::size_t(0));
        std::size_t valuesRead = 0;
        for (std::uint64_t bin = 0; bin < 100; ++bin)
            fine.refine(counting(bin * 1024, 1024), 0, bin, bin + 1, 1024, valuesRead);

        QVERIFY(fine.bytes() < 8 * (16 * sizeof(Bucket) + 64));
    }
};

QTEST_GUILESS_MAIN(TestFineBins)
#include "tst_finebins.moc"
