#include "workers/tasks/eseries.h"

#include "tests/support/kernelrun.h"

#include <QTest>

#include <cmath>
#include <numbers>

using namespace millrace;
using namespace millrace::test;

class TestESeries : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void declarationIsComplete()
    {
        QCOMPARE(declarationProblem(eSeriesTask().description), std::string());
        QCOMPARE(eSeriesTask().description.name, "e-series");
    }

    void shapeTellsItsSeriesAndRows()
    {
        const auto shape = KernelRun(eSeriesTask(), {}, {}).shape();

        QCOMPARE(shape.series.size(), std::size_t(2));
        QCOMPARE(shape.series[0], (SeriesDescription{"sum", "", std::numbers::e}));
        QCOMPARE(shape.series[1], (SeriesDescription{"log10-remainder", "", std::nullopt}));
        QCOMPARE(shape.rows.value(), std::uint64_t(100));
        QVERIFY(shape.repeatable);
    }

    void sumsAreThePartialSums()
    {
        const auto sums = KernelRun(eSeriesTask(), {}, {}).fill({0, 100}).at(0);

        QCOMPARE(sums[0], 1.0);
        QCOMPARE(sums[1], 2.0);
        QCOMPARE(sums[2], 2.5);
        QVERIFY(std::abs(sums[3] - 8.0 / 3) < 1e-15);
        QVERIFY(std::abs(sums[10] - 9864101.0 / 3628800) < 1e-15);
        QVERIFY(std::abs(sums[99] - std::numbers::e) < 1e-15);
    }

    void smallRowsHaveTheRemainderOfTheDifference()
    {
        const auto columns = KernelRun(eSeriesTask(), {}, {}).fill({0, 15});

        long double sum = 0;
        long double term = 1;
        for (std::size_t k = 0; k < 13; ++k) {
            sum += term;
            term /= (long double)(k + 1);
            const auto expected = double(std::log10(std::numbers::e_v<long double> - sum));
            QVERIFY2(std::abs(columns[1][k] - expected) < 1e-8, qPrintable(QString::number(k)));
        }
    }

    void largeRowsHaveTheRemainderOfStirling_data()
    {
        QTest::addColumn<quint64>("row");
        for (const quint64 row : {20u, 50u, 99u, 170u, 1000u, 99'999u, 999'999u})
            QTest::addRow("row %llu", row) << row;
    }

    void largeRowsHaveTheRemainderOfStirling()
    {
        QFETCH(quint64, row);
        RunOptions options;
        options.rows = 1'000'000;

        const double value = KernelRun(eSeriesTask(), {}, options).fill({row, row + 1}).at(1).at(0);

        // The series cut after its third power of 1/k.
        const auto k = double(row);
        const double expected =
            (std::log1p(1 / (k + 2) + 1 / ((k + 2) * (k + 3)) + 1 / ((k + 2) * (k + 3) * (k + 4))) -
             std::lgamma(k + 2)) /
            std::numbers::ln10;
        QVERIFY2(std::abs(value / expected - 1) < std::pow(k, -4) + 1e-12,
                 qPrintable(QString::number(value)));
    }

    void bitsDoNotDependOnScheduling_data()
    {
        QTest::addColumn<quint64>("first");
        QTest::newRow("from the first row") << quint64(0);
        QTest::newRow("from a later row") << quint64(12'345);
    }

    void bitsDoNotDependOnScheduling()
    {
        QFETCH(quint64, first);
        RunOptions options;
        options.rows = 20'000;

        QCOMPARE(differenceByScheduling(eSeriesTask(), {}, options, {first, first + 200}), std::string());
    }

    void moreRowsThanAMillionAreRefusedWithASentence()
    {
        RunOptions options;
        options.rows = 1'000'000;
        QVERIFY(refusal(eSeriesTask(), {}, options).empty());

        options.rows = 1'000'001;
        const auto errors = refusal(eSeriesTask(), {}, options);

        QCOMPARE(errors.size(), std::size_t(1));
        QCOMPARE(errors[0].sentence, "e-series has at most 1000000 rows, not 1000001; ask for fewer rows");
    }

    void fillAfterAStoppedOneIsRight()
    {
        RunOptions options;
        options.rows = 1'000'000;
        KernelRun stopped(eSeriesTask(), {}, options);
        std::stop_source stop;
        stop.request_stop();

        stopped.fill({500'000, 600'000}, stop.get_token());

        const auto expected = KernelRun(eSeriesTask(), {}, options).fill({10'000, 10'100});
        QCOMPARE(difference(stopped, {{10'000, 10'100}}, expected, 10'000), std::string());
    }
};

QTEST_GUILESS_MAIN(TestESeries)
#include "tst_eseries.moc"
