#include "models/summary.h"

#include <QTest>

#include <cmath>
#include <random>
#include <vector>

using namespace millrace;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

std::vector<double> uniform(std::size_t count, double offset, double width, unsigned seed)
{
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> distribution(0, width);
    std::vector<double> result(count);
    for (double &value : result)
        value = offset + distribution(random);
    return result;
}

Summary merged(std::span<const double> values, std::size_t binRows)
{
    Summary result;
    for (std::size_t i = 0; i < values.size(); i += binRows)
        merge(result, Summary::of(values.subspan(i, std::min(binRows, values.size() - i))));
    return result;
}

} // namespace

class TestSummary : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void nothingHasNoMean()
    {
        const Summary empty = Summary::of({});

        QCOMPARE(empty, Summary());
        QCOMPARE(empty.min, inf);
        QCOMPARE(empty.max, -inf);
        QVERIFY(!empty.mean() && !empty.variance() && !empty.deviation() && !empty.standardError());
    }

    void oneRowHasAMeanButNoDeviation()
    {
        const Summary one = Summary::of(std::vector{2.5});

        QCOMPARE(one, (Summary{1, 0, 2.5, 2.5, 2.5, 0}));
        QCOMPARE(*one.mean(), 2.5);
        QVERIFY(!one.variance() && !one.standardError());
    }

    void nonFiniteRowsAreCountedAndLeftOut()
    {
        const Summary all = Summary::of(std::vector{notANumber, 1.0, inf, 3.0, -inf});
        const Summary none = Summary::of(std::vector{notANumber, notANumber});

        QCOMPARE(all, (Summary{5, 3, 1, 3, 4, 2}));
        QCOMPARE(none, (Summary{2, 2, inf, -inf, 0, 0}));
        QVERIFY(!none.mean());
    }

    void mergeIsTheSummaryOfAllRows()
    {
        Summary into = Summary::of(std::vector{1.0, notANumber, 2.0});

        merge(into, Summary::of(std::vector{6.0, 7.0, inf}));

        QCOMPARE(into, (Summary{6, 2, 1, 7, 16, 26}));
        QCOMPARE(*into.mean(), 4.0);
        QCOMPARE(*into.variance(), 26.0 / 3);
        QCOMPARE(*into.standardError(), std::sqrt(26.0 / 3 / 4));
    }

    void mergeWithNoFiniteRowsChangesOnlyTheCounts()
    {
        Summary into = Summary::of(std::vector{1.0, 3.0});
        Summary none = Summary::of(std::vector{notANumber});

        merge(into, none);
        merge(into, {});
        merge(none, Summary::of(std::vector{1.0, 3.0}));

        QCOMPARE(into, (Summary{3, 1, 1, 3, 4, 2}));
        QCOMPARE(none, into);
    }

    void deviationIsRightAtAnyOffset_data()
    {
        QTest::addColumn<double>("offset");
        QTest::addColumn<double>("width");
        QTest::addColumn<double>("tolerance");

        QTest::newRow("0") << 0.0 << 1.0 << 1e-9;
        QTest::newRow("1e6") << 1e6 << 1.0 << 1e-6;
        QTest::newRow("1e9") << 1e9 << 1.0 << 1e-5;
        QTest::newRow("-1e9") << -1e9 << 1.0 << 1e-5;
        QTest::newRow("1e12") << 1e12 << 1.0 << 1e-3;
        QTest::newRow("1e15") << 1e15 << 1000.0 << 1e-3;
        QTest::newRow("1e100, as wide") << 1e100 << 1e100 << 1e-9;
    }

    void deviationIsRightAtAnyOffset()
    {
        QFETCH(double, offset);
        QFETCH(double, width);
        QFETCH(double, tolerance);
        const auto values = uniform(1'000'000, offset, width, 7);
        long double sum = 0;
        for (const double value : values)
            sum += value - offset;
        long double squares = 0;
        for (const double value : values)
            squares += (value - offset - sum / values.size()) * (value - offset - sum / values.size());
        const double expected = double(std::sqrt(squares / (values.size() - 1)));

        const double inBins = *merged(values, 1024).deviation();
        const auto bin = std::span(values).first(1024);
        const double singly = *merged(bin, 1).deviation() / *Summary::of(bin).deviation();

        QVERIFY(std::abs(expected / width - 0.2887) < 1e-3);
        QVERIFY2(std::abs(inBins / expected - 1) < tolerance, qPrintable(QString::number(inBins, 'g', 17)));
        QVERIFY2(std::abs(singly - 1) < tolerance, qPrintable(QString::number(singly, 'g', 17)));
    }

    void equalRowsHaveNoDeviation()
    {
        for (const double value : {0.1, 1e9 + 0.1, 1e300}) {
            const std::vector<double> values(3'000, value);

            QCOMPARE(Summary::of(values).m2, 0.0);
            QVERIFY(merged(values, 1000).m2 <= 1e-20 * value * value);
        }
    }

    void overflowIsInfinity_data()
    {
        QTest::addColumn<std::vector<double>>("values");

        QTest::newRow("sum") << std::vector<double>(1000, 1.7e308);
        QTest::newRow("negative sum") << std::vector<double>(1000, -1.7e308);
        QTest::newRow("squares") << std::vector{1e300, -1e300, 1e300, -1e300};
        QTest::newRow("both ways") << std::vector{1.7e308, 1.7e308, -1.7e308, -1.7e308, -1.7e308};
    }

    void overflowIsInfinity()
    {
        QFETCH(std::vector<double>, values);

        for (const std::size_t binRows : {values.size(), std::size_t(1), std::size_t(2)}) {
            const Summary summary = merged(values, binRows);

            QVERIFY(!std::isnan(summary.sum));
            QVERIFY(!std::isnan(summary.m2));
            QVERIFY(std::isinf(summary.sum) || std::isinf(summary.m2));
            QVERIFY(!summary.mean() || std::isfinite(*summary.mean()));
            QVERIFY(!summary.deviation() || std::isfinite(*summary.deviation()));
            QCOMPARE(summary.min, *std::ranges::min_element(values));
            QCOMPARE(summary.max, *std::ranges::max_element(values));
            QCOMPARE(summary.count, double(values.size()));
        }
    }
};

QTEST_GUILESS_MAIN(TestSummary)
#include "tst_summary.moc"
