#include "models/sample.h"

#include <QTest>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace millrace;

namespace {

constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/// Row i has the value i.
std::vector<double> counting(std::uint64_t first, std::size_t count)
{
    std::vector<double> result(count);
    std::iota(result.begin(), result.end(), double(first));
    return result;
}

RowSample sampled(std::uint64_t seed, std::uint64_t first, std::uint64_t end, std::size_t pieceRows)
{
    RowSample result(seed);
    for (std::uint64_t row = first; row < end;) {
        const auto count = std::size_t(std::min<std::uint64_t>(pieceRows, end - row));
        if (!result.append(row, counting(row, count)))
            qFatal("refused");
        row += count;
    }
    return result;
}

} // namespace

class TestSample : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void fewRowsAreAllInTheSample()
    {
        const RowSample sample = sampled(1, 100, 100 + RowSample::capacity, 1000);

        QVERIFY(sample.isWhole());
        QCOMPARE(sample.size(), RowSample::capacity);
        QCOMPARE(sample.rows().front(), (SampledRow{100, 100.0}));
        QVERIFY(!sampled(1, 100, 101 + RowSample::capacity, 1000).isWhole());
    }

    void sizeStaysWithinItsBounds()
    {
        for (const std::uint64_t rows : {5'000, 8'192, 8'193, 100'000, 10'000'000}) {
            const RowSample sample = sampled(3, 12'345, 12'345 + rows, 65'536);

            QVERIFY(sample.size() <= RowSample::capacity);
            QVERIFY(sample.size() >= RowSample::capacity / 2 - 2);
            QVERIFY(sample.bytes() <= (RowSample::capacity + 1) * sizeof(SampledRow));
        }
    }

    void deliveryDoesNotMatter()
    {
        const auto expected = sampled(42, 7, 300'007, 300'000).rows();

        for (const std::size_t pieceRows : {1, 2, 999, 4096, 65'536})
            QCOMPARE(sampled(42, 7, 300'007, pieceRows).rows(), expected);
    }

    void everySampledRowHasItsOwnValueAndStratum()
    {
        const auto rows = sampled(5, 1'000'003, 2'000'003, 50'000).rows(); // strata of 256 rows

        QVERIFY(rows.front().row < 1'000'003 + 2 * 256); // the first stratum is cut off and may be without
        for (std::size_t i = 0; i < rows.size(); ++i) {
            QCOMPARE(rows[i].value, double(rows[i].row));
            QVERIFY(i == 0 || rows[i].row / 256 == rows[i - 1].row / 256 + 1);
        }
    }

    void anotherSeedPicksOtherRows()
    {
        const auto some = sampled(1, 0, 1'000'000, 65'536).rows();
        const auto others = sampled(2, 0, 1'000'000, 65'536).rows();

        std::size_t common = 0;
        for (const SampledRow &row : some)
            common += std::ranges::binary_search(others, row.row, {}, &SampledRow::row) ? 1 : 0;
        QVERIFY2(common < some.size() / 50, "1 in 256 is what chance gives");
    }

    void everyPlaceOfAStratumIsPickedAsOften()
    {
        std::array<int, 16> picked{};
        int all = 0;
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            const RowSample sample = sampled(seed, 0, 65'536, 65'536);
            for (const SampledRow &row : sample.rows()) {
                ++picked[row.row % 16];
                ++all;
            }
        }

        double chiSquared = 0;
        for (const int count : picked)
            chiSquared += (count - all / 16.0) * (count - all / 16.0) / (all / 16.0);
        QVERIFY2(chiSquared < 37.7, "15 degrees of freedom, 1 in 1000"); // seeds are fixed: it never flickers
    }

    void rowsThatDoNotFollowAreRefused()
    {
        RowSample sample = sampled(1, 10, 20, 10);

        QVERIFY(!sample.append(21, counting(21, 1)));
        QVERIFY(!sample.append(19, counting(19, 1)));
        QVERIFY(sample.append(19, {}));
        QVERIFY(sample.append(20, counting(20, 1)));
        QCOMPARE(sample.size(), std::size_t(11));
    }

    void oneRowOfAStratumIsTaken()
    {
        RowSample sample = sampled(9, 0, 1 << 20, 65'536);
        std::vector<double> values(65'536, notANumber);

        QVERIFY(sample.append(1 << 20, values));

        QVERIFY(sample.nonFiniteCount() >= 100); // strata have 512 rows by now
        QVERIFY(sample.nonFiniteCount() <= 128);
    }

    void quantilesOfAWholeSampleAreExact()
    {
        RowSample sample(1);
        QVERIFY(sample.append(0, std::vector{4.0, notANumber, 1.0, 3.0, 2.0}));

        QCOMPARE(*sample.quantile(0), 1.0);
        QCOMPARE(*sample.quantile(0.5), 2.5);
        QCOMPARE(*sample.quantile(0.25), 1.75); // as R's type 7
        QCOMPARE(*sample.quantile(1), 4.0);
        QCOMPARE(sample.nonFiniteCount(), std::size_t(1));
        QCOMPARE(sample.size(), std::size_t(5));
    }

    void quantilesOfAStreamAreNear()
    {
        const RowSample sample = sampled(77, 0, 5'000'000, 65'536);

        for (const double p : {0.05, 0.25, 0.5, 0.75, 0.95})
            QVERIFY(std::abs(*sample.quantile(p) / 5e6 - p) < 0.01);
    }

    void withoutFiniteValuesThereIsNoQuantile()
    {
        RowSample sample(1);
        QVERIFY(!sample.quantile(0.5));

        QVERIFY(sample.append(0, std::vector{notANumber, notANumber}));

        QVERIFY(!sample.quantile(0.5));
        QVERIFY(!sampled(1, 0, 10, 10).quantile(1.5));
        QVERIFY(!sampled(1, 0, 10, 10).quantile(notANumber));
    }

    void quantileBetweenFarNeighboursDoesNotOverflow()
    {
        RowSample sample(1);
        QVERIFY(sample.append(0, std::vector{-1.7e308, 1.7e308}));

        QCOMPARE(*sample.quantile(0.5), 0.0);
    }

    void rowNumbersMayBeHuge()
    {
        const std::uint64_t first = (std::uint64_t(1) << 62) + 5;

        const RowSample sample = sampled(1, first, first + 100'000, 65'536);

        QVERIFY(sample.size() > 1000);
        QVERIFY(sample.rows().front().row >= first);
    }
};

QTEST_GUILESS_MAIN(TestSample)
#include "tst_sample.moc"
