#include "models/binrings.h"

#include <QTest>

#include <cmath>
#include <random>

using namespace millrace;

namespace {

constexpr std::uint64_t binRows = BinRings::binRows;

/// A summary as if of `count` rows with the values of their indices.
Summary counting(std::uint64_t first, std::uint64_t count)
{
    const double n = double(count);
    const double low = double(first);
    const double high = double(first + count - 1);
    return {n, 0, low, high, n * (low + high) / 2, n * (n * n - 1) / 12};
}

void append(BinRings &rings, std::uint64_t count)
{
    std::vector<Summary> pieces;
    const std::uint64_t end = rings.nextRow() + count;
    for (std::uint64_t row = rings.nextRow(); row < end;) {
        const std::uint64_t next = std::min(end, (row / binRows + 1) * binRows);
        pieces.push_back(counting(row, next - row));
        row = next;
    }
    rings.append(count, pieces);
}

/// What is wrong with the answer about [begin, end); empty: nothing. Every bucket of a row range must have
/// exactly the summary of these rows.
QString fault(const BinRings &rings, std::uint64_t begin, std::uint64_t end, std::uint64_t bucketRows)
{
    std::vector<Bucket> buckets;
    rings.collect(begin, end, bucketRows, buckets);
    if (buckets.empty())
        return QStringLiteral("no buckets");
    if (buckets.front().firstRow > begin || buckets.back().firstRow + buckets.back().rowCount < end)
        return QStringLiteral("rows are missing at an end");
    for (std::size_t i = 0; i < buckets.size(); ++i) {
        const auto &[first, count, summary] = buckets[i];
        const Summary expected = counting(first, count);
        if (i > 0 && first != buckets[i - 1].firstRow + buckets[i - 1].rowCount)
            return QStringLiteral("gap or overlap at row %1").arg(first);
        if (summary.count != expected.count || summary.min != expected.min || summary.max != expected.max ||
            std::abs(summary.sum / expected.sum - 1) > 1e-12 ||
            std::abs(summary.m2 - expected.m2) > 1e-9 * expected.m2)
            return QStringLiteral("wrong summary at row %1").arg(first);
    }
    return {};
}

} // namespace

class TestBinRings : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void binCountCountsBinsTouched()
    {
        QCOMPARE(BinRings::binCount(0, 0), std::uint64_t(0));
        QCOMPARE(BinRings::binCount(1023, 1), std::uint64_t(1));
        QCOMPARE(BinRings::binCount(1023, 2), std::uint64_t(2));
        QCOMPARE(BinRings::binCount(0, 65'536), std::uint64_t(64));
    }

    void piecesOfABinBecomeOne()
    {
        BinRings rings(1000);
        for (const std::uint64_t count : {1, 20, 3, 1000, 24})
            append(rings, count);

        std::vector<Bucket> buckets;
        rings.collect(0, 5000, 1, buckets);

        QCOMPARE(buckets,
                 (std::vector<Bucket>{{1000, 24, counting(1000, 24)}, {1024, 1024, counting(1024, 1024)}}));
    }

    void everyRangeIsAnsweredByTheTruth()
    {
        std::mt19937_64 random(11);
        for (const std::uint64_t first : {std::uint64_t(1), std::uint64_t(1024), std::uint64_t(123'457)}) {
            BinRings rings(first, 16); // small rings, so that many levels are full
            for (int step = 0; step < 300; ++step) {
                append(rings, 1 + random() % (step % 3 == 0 ? 20'000 : 700));
                const std::uint64_t all = rings.nextRow() - first;
                const std::uint64_t begin = first + random() % all;
                const std::uint64_t end = begin + 1 + random() % (rings.nextRow() - begin);

                QCOMPARE(fault(rings, begin, end, 1 + random() % (2 * all)), QString());
                QCOMPARE(fault(rings, first, rings.nextRow(), 1 + all / 100), QString());
            }
            QCOMPARE(rings.total().count, double(rings.nextRow() - first));
            QCOMPARE(rings.total().min, double(first));
            QCOMPARE(rings.total().max, double(rings.nextRow() - 1));
        }
    }

    void workIsBoundedByTheBucketsAskedFor()
    {
        BinRings rings(0);
        for (int i = 0; i < 1000; ++i)
            append(rings, 1 << 17); // 131 million rows

        for (const std::uint64_t width : {1, 10, 500, 4000, 100'000}) {
            for (const std::uint64_t rows : {1'000, 1'000'000, 131'072'000}) {
                std::vector<Bucket> buckets;
                const auto bucketRows = (rows + width - 1) / width;
                const auto read = rings.collect(rings.nextRow() - rows, rings.nextRow(), bucketRows, buckets);

                QVERIFY2(read <= 4 * (width + 2) + 64, qPrintable(QString::number(read)));
                QVERIFY2(buckets.size() <= width + 64, qPrintable(QString::number(buckets.size())));
                QVERIFY(bucketRows < 1024 || rows < 2 * 1024 * width || buckets.size() >= width / 4);
            }
        }
    }

    void rowNumbersMayPassTwoToThe63()
    {
        BinRings rings((std::uint64_t(1) << 63) - (std::uint64_t(1) << 34));
        while (rings.nextRow() < std::uint64_t(1) << 63)
            append(rings, 1 << 22);
        append(rings, 5000);

        const double expected = double((std::uint64_t(1) << 34) + 5000);
        QCOMPARE(rings.total().count, expected);
        for (const std::uint64_t bucketRows : {std::uint64_t(1), std::uint64_t(1) << 20, ~std::uint64_t(0)}) {
            std::vector<Bucket> buckets;
            rings.collect(0, ~std::uint64_t(0), bucketRows, buckets);
            double count = 0;
            for (const Bucket &bucket : buckets)
                count += bucket.summary.count;
            QCOMPARE(count, expected);
        }
    }

    void memoryGrowsOnlyWithTheNumberOfLevels()
    {
        BinRings rings(0, 16);
        for (int i = 0; i < 20; ++i)
            append(rings, 1 << 22); // 81,920 bins: 9 levels

        QVERIFY(rings.bytes() <= 9 * 16 * sizeof(Summary) + 16 * 64);
    }

    void deviationOfABillionRowsAtALargeOffsetIsRight()
    {
        BinRings rings(0);
        std::mt19937_64 random(3);
        std::uniform_real_distribution<double> uniform(0, 1);
        std::vector<Summary> bins;
        for (int i = 0; i < 1024; ++i) {
            std::vector<double> values(binRows);
            for (double &value : values)
                value = 1e9 + uniform(random);
            bins.push_back(Summary::of(values));
        }

        for (int i = 0; i < 1000; ++i)
            rings.append(bins.size() * binRows, bins);

        QCOMPARE(rings.total().count, 1'048'576'000.0);
        QVERIFY(std::abs(*rings.total().deviation() / std::sqrt(1.0 / 12) - 1) < 1e-3);
    }
};

QTEST_GUILESS_MAIN(TestBinRings)
#include "tst_binrings.moc"
