#include "workers/pool/binsummary.h"

#include <QTest>

#include <bit>
#include <cmath>
#include <random>

namespace millrace {

// Of binsummary.cpp: the two ways that summarise() chooses from.
#if defined(__x86_64__)
BinSummary summariseWide(const double *values, std::size_t count);
#endif
BinSummary summariseNarrow(const double *values, std::size_t count);

} // namespace millrace

using namespace millrace;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
constexpr double tiny = std::numeric_limits<double>::denorm_min();

std::array<std::uint64_t, 6> bits(const BinSummary &bin)
{
    return std::bit_cast<std::array<std::uint64_t, 6>>(bin);
}

/// One by one, in long double.
BinSummary plain(std::span<const double> values)
{
    BinSummary bin{0, 0, infinity, -infinity, 0, 0};
    long double sum = 0;
    for (const double value : values) {
        bin.count += 1;
        if (!std::isfinite(value)) {
            bin.nonFinite += 1;
            continue;
        }
        sum += value;
        bin.min = std::min(bin.min, value);
        bin.max = std::max(bin.max, value);
    }
    const long double mean = sum / (bin.count - bin.nonFinite);
    long double m2 = 0;
    for (const double value : values) {
        if (std::isfinite(value))
            m2 += (value - mean) * (value - mean);
    }
    bin.sum = double(sum);
    bin.m2 = double(m2);
    return bin;
}

bool isNear(double one, double other, double scale)
{
    return one == other || std::abs(one - other) <= 1e-12 * scale;
}

bool isNear(const BinSummary &one, const BinSummary &other)
{
    const double magnitude = std::max(std::abs(other.min), std::abs(other.max)) * other.count;
    return one.count == other.count && one.nonFinite == other.nonFinite && one.min == other.min &&
           one.max == other.max && isNear(one.sum, other.sum, magnitude) &&
           isNear(one.m2, other.m2, other.m2);
}

std::vector<double> normals(std::size_t count, double mean, double deviation, std::uint64_t seed = 1)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal(mean, deviation);
    std::vector<double> values(count);
    for (double &value : values)
        value = normal(random);
    return values;
}

std::vector<std::vector<double>> awkward()
{
    std::vector<std::vector<double>> all = {
        {},
        {-0.0},
        {0.0, -0.0},
        {unknown},
        {infinity},
        {-infinity, infinity},
        {1, unknown, 3},
        std::vector<double>(9, unknown),
        std::vector<double>(9, tiny),
        {tiny, -tiny, tiny},
        {1e308, 1e308, 1e308},
        {1e308, 1e308, -1e308, -1e308, 1e308, 1e308, 1e308, 1e308, 1e308},
        {1e200, -1e200},
        {std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest()},
    };
    for (std::size_t count : {1, 7, 8, 9, 15, 16, 17, 1023, 1024})
        all.push_back(normals(count, 100, 1));
    for (std::size_t at : {0, 3, 8, 1023}) {
        all.push_back(normals(1024, 0, 1));
        all.back()[at] = at % 2 ? unknown : infinity;
    }
    return all;
}

} // namespace

class TestBinSummary : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void summaryAgreesWithAPlainOne()
    {
        for (const double deviation : {1e-3, 1.0, 1e100}) {
            for (const double mean : {0.0, 1.0, -1e6}) {
                for (std::size_t count = 1; count <= 100; ++count) {
                    const auto values = normals(count, mean, deviation, count);
                    QVERIFY(isNear(summarise(values), plain(values)));
                }
            }
        }
    }

    void largeOffsetCostsNoDigits()
    {
        auto values = normals(1024, 0, 0.289);
        for (double &value : values)
            value += 1e9;

        const BinSummary bin = summarise(values);

        QVERIFY(std::abs(bin.m2 / plain(values).m2 - 1) < 1e-12);
        QVERIFY(std::abs(std::sqrt(bin.m2 / 1024) - 0.289) < 0.02);
    }

    void equalValuesDeviateByNothing() { QCOMPARE(summarise(std::vector<double>(1024, 1e15)).m2, 0.0); }

    void valuesThatAreNotFiniteAreCountedApart()
    {
        const BinSummary bin = summarise(std::vector<double>{1, unknown, 3, infinity, -infinity, 5});

        QVERIFY(isNear(bin, {6, 3, 1, 5, 9, 8}));
    }

    void binWithoutFiniteValuesHasEmptyLimits()
    {
        for (const auto &values : {std::vector<double>{}, std::vector<double>(20, unknown)}) {
            const BinSummary bin = summarise(values);

            QCOMPARE(bits(bin),
                     bits({double(values.size()), double(values.size()), infinity, -infinity, 0.0, 0.0}));
        }
    }

    void denormalsAreNumbers()
    {
        const BinSummary bin = summarise(std::vector<double>(1024, tiny));

        QVERIFY(bin.min == tiny && bin.max == tiny && bin.sum == 1024 * tiny);
    }

    void sumThatOverflowsLosesNoLimits()
    {
        const BinSummary bin = summarise(std::vector<double>{1e308, 1e308, -1e308, 5});

        QCOMPARE(bin.nonFinite, 0.0);
        QVERIFY(bin.min == -1e308 && bin.max == 1e308);
        QVERIFY2(!std::isnan(bin.sum) && !std::isnan(bin.m2), "too large, but known");
    }

    void registersOfAnyWidthFindTheSameBits()
    {
#if defined(__x86_64__)
        if (!__builtin_cpu_supports("avx2"))
            QSKIP("this processor has no AVX2");
        auto all = awkward();
        for (std::uint64_t seed = 1; seed <= 200; ++seed)
            all.push_back(normals(seed * 5, seed % 3 ? 0 : 1e9, 1, seed));
        for (const auto &values : all) {
            const auto wide = bits(summariseWide(values.data(), values.size()));
            const auto narrow = bits(summariseNarrow(values.data(), values.size()));
            // What is not finite has no sum: there summarise() goes one by one.
            if (std::isfinite(std::bit_cast<double>(narrow[4])))
                QCOMPARE(wide, narrow);
            else
                QVERIFY(!std::isfinite(std::bit_cast<double>(wide[4])));
        }
#endif
    }

    void placeInMemoryChangesNoBit()
    {
        for (const auto &values : awkward()) {
            for (std::size_t shift = 1; shift < 8; ++shift) {
                std::vector<double> shifted(shift, 7);
                shifted.insert(shifted.end(), values.begin(), values.end());
                QCOMPARE(bits(summarise(std::span(shifted).subspan(shift))), bits(summarise(values)));
            }
        }
    }

    void frameIsSummarisedByBinsHoweverItArrives_data()
    {
        QTest::addColumn<quint64>("first");
        QTest::addColumn<quint64>("rows");
        QTest::addColumn<int>("columns");
        QTest::newRow("one row") << quint64(0) << quint64(1) << 1;
        QTest::newRow("in a bin") << quint64(10) << quint64(100) << 3;
        QTest::newRow("a whole bin") << quint64(1024) << quint64(1024) << 2;
        QTest::newRow("over a bin's end") << quint64(1000) << quint64(100) << 2;
        QTest::newRow("last row of a bin") << quint64(1023) << quint64(1) << 2;
        QTest::newRow("many bins") << quint64(500) << quint64(5000) << 3;
        QTest::newRow("near the last row") << quint64(0x7fff'ffff'ffff'ff00) << quint64(255) << 1;
    }

    void frameIsSummarisedByBinsHoweverItArrives()
    {
        QFETCH(quint64, first);
        QFETCH(quint64, rows);
        QFETCH(int, columns);
        std::vector<std::vector<double>> values;
        std::vector<double *> pointers;
        for (int column = 0; column < columns; ++column)
            values.push_back(normals(rows, column, 1, first + std::uint64_t(column)));
        for (auto &column : values)
            pointers.push_back(column.data());
        std::vector<BinSummary> expected;
        for (auto &column : values) {
            for (std::uint64_t row = 0, end = 0; row < rows; row = end) {
                end = std::min(rows, ((first + row) / binRows + 1) * binRows - first);
                expected.push_back(summarise(std::span(column).subspan(row, end - row)));
            }
        }
        QCOMPARE(expected.size(), ReleasedRows::binCount(first, rows) * std::uint64_t(columns));

        std::mt19937_64 random(first + rows);
        FrameSummary summary;
        for (int round = 0; round < 20; ++round) {
            summary.begin(first, rows, pointers);
            for (std::size_t column = 0, row = 0; round > 0 && column < std::size_t(columns);) {
                summary.advance(column, row);
                row += random() % (round * 100);
                if (row >= rows) {
                    row = 0;
                    column += 1 + random() % 2;
                }
            }
            summary.advance(std::size_t(columns), 0);
            const auto bins = summary.take();

            QCOMPARE(bins.size(), expected.size());
            for (std::size_t i = 0; i < bins.size(); ++i)
                QCOMPARE(bits(bins[i]), bits(expected[i]));
        }
    }
};

QTEST_GUILESS_MAIN(TestBinSummary)
#include "tst_binsummary.moc"
