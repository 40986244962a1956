#include "workers/tasks/count.h"

#include "tests/support/kernelrun.h"

#include <QTest>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr std::uint64_t exactMax = std::uint64_t(1) << 53;

} // namespace

class TestCount : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void declarationIsComplete()
    {
        QCOMPARE(declarationProblem(countTask().description), std::string());
        QCOMPARE(countTask().description.name, "count");
    }

    void rowIsStartPlusIndexTimesStep_data()
    {
        QTest::addColumn<double>("start");
        QTest::addColumn<double>("step");
        QTest::addColumn<quint64>("first");

        QTest::newRow("as declared") << 0.0 << 1.0 << quint64(0);
        QTest::newRow("steps that are no binary fractions") << 0.1 << 0.1 << quint64(123456789);
        QTest::newRow("backwards") << 1e15 << -1e-3 << (quint64(1) << 40);
        QTest::newRow("all alike") << -2.5 << 0.0 << quint64(7);
        QTest::newRow("largest") << 1e15 << 1e15 << quint64(exactMax - 5000);
        QTest::newRow("over the last exact index") << 0.3 << 0.7 << quint64(exactMax - 500);
        QTest::newRow("behind the last exact index") << 0.3 << 0.7 << quint64(exactMax + 1);
        QTest::newRow("last rows of all") << 0.3 << 0.7 << ~quint64(0) - 1000;
    }

    void rowIsStartPlusIndexTimesStep()
    {
        QFETCH(double, start);
        QFETCH(double, step);
        QFETCH(quint64, first);
        KernelRun run(countTask(), {{"start", start}, {"step", step}}, {});

        const auto values = run.fill({first, first + 1000}).at(0);

        QCOMPARE(values.size(), std::size_t(1000));
        for (std::size_t i = 0; i < values.size(); ++i) {
            volatile double product = double(first + i) * step; // rounded for itself
            const double expected = start + product;
            QCOMPARE(std::bit_cast<std::uint64_t>(values[i]), std::bit_cast<std::uint64_t>(expected));
        }
    }

    void bitsDoNotDependOnScheduling_data()
    {
        QTest::addColumn<quint64>("first");
        QTest::newRow("from the first row") << quint64(0);
        QTest::newRow("over the last exact index") << quint64(exactMax - 500);
    }

    void bitsDoNotDependOnScheduling()
    {
        QFETCH(quint64, first);

        const auto found =
            differenceByScheduling(countTask(), {{"start", 0.1}, {"step", 0.3}}, {}, {first, first + 1000});

        QCOMPARE(found, std::string());
    }

    void batchOfManyLooksIsFilledToItsEnd()
    {
        constexpr std::uint64_t rows = 1'000'003;

        const auto values = KernelRun(countTask(), {}, {}).fill({5, 5 + rows}).at(0);

        QCOMPARE(values.size(), std::size_t(rows));
        for (std::size_t i = 0; i < rows; ++i)
            if (values[i] != double(5 + i))
                QFAIL("a wrong row");
    }

    void runIsUnboundedUnlessRowsAreAskedFor()
    {
        RunOptions options;
        QVERIFY(!KernelRun(countTask(), {}, options).shape().rows.has_value());

        options.rows = 7;
        QCOMPARE(KernelRun(countTask(), {}, options).shape().rows.value(), std::uint64_t(7));
    }

    void rateIsLeftToTheSupervisor()
    {
        QCOMPARE(KernelRun(countTask(), {}, {}).shape().pacing, 0.0);
        QCOMPARE(KernelRun(countTask(), {{"rate", 50.0}}, {}).shape().pacing, 50.0);
    }

    void stoppedFillReturns()
    {
        std::stop_source stop;
        stop.request_stop();

        KernelRun(countTask(), {}, {}).fill({0, 1'000'000}, stop.get_token());
    }
};

QTEST_GUILESS_MAIN(TestCount)
#include "tst_count.moc"
