#include "workers/tasks/montecarlo.h"
#include "workers/tasks/pathmath.h"

#include "tests/support/kernelrun.h"

#include <QTest>

#include <cmath>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr std::uint64_t rowsOfTest = 400;

struct Estimate
{
    double mean = 0;
    double standardError = 0;
};

Estimate estimate(const std::vector<double> &prices)
{
    const auto count = double(prices.size());
    const double mean = std::accumulate(prices.begin(), prices.end(), 0.0) / count;
    double squares = 0;
    for (const double price : prices)
        squares += (price - mean) * (price - mean);
    return {mean, std::sqrt(squares / (count - 1) / count)};
}

RunOptions seeded(std::uint64_t seed, unsigned threads = 2)
{
    RunOptions options;
    options.seed = seed;
    options.threads = threads;
    return options;
}

} // namespace

class TestMonteCarlo : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void declarationIsComplete()
    {
        QCOMPARE(declarationProblem(monteCarloTask().description), std::string());
        QCOMPARE(monteCarloTask().description.name, "monte-carlo");
    }

    void runHasAThousandRowsUnlessOthersAreAskedFor()
    {
        RunOptions options;
        QCOMPARE(KernelRun(monteCarloTask(), {}, options).shape().rows.value(), std::uint64_t(1000));

        options.rows = 5;
        QCOMPARE(KernelRun(monteCarloTask(), {}, options).shape().rows.value(), std::uint64_t(5));
    }

    void priceAndReferenceAgreeWithHull_data()
    {
        QTest::addColumn<QString>("option");
        QTest::addColumn<qint64>("steps");
        QTest::addColumn<double>("hull");
        for (const qint64 steps : {1, 7, 16}) {
            QTest::addRow("call, %lld steps", steps) << QStringLiteral("call") << steps << 4.76;
            QTest::addRow("put, %lld steps", steps) << QStringLiteral("put") << steps << 0.81;
        }
    }

    void priceAndReferenceAgreeWithHull()
    {
        QFETCH(QString, option);
        QFETCH(qint64, steps);
        QFETCH(double, hull);
        KernelRun run(monteCarloTask(), {{"option", option.toStdString()}, {"steps", std::int64_t(steps)}},
                      seeded(1));

        const double reference = run.shape().series.at(0).reference.value();
        const auto found = estimate(run.fill({0, rowsOfTest}).at(0));

        QVERIFY2(std::abs(reference - hull) < 0.005, qPrintable(QString::number(reference)));
        QVERIFY2(std::abs(found.mean - reference) < 3 * found.standardError,
                 qPrintable(QString::number(found.mean)));
    }

    void meanTendsToTheReference_data()
    {
        QTest::addColumn<double>("strike");
        QTest::addColumn<double>("rate");
        QTest::addColumn<double>("volatility");
        QTest::addColumn<double>("maturity");
        QTest::newRow("far out of the money") << 60.0 << 0.05 << 0.2 << 1.0;
        QTest::newRow("in the money") << 35.0 << 0.05 << 0.2 << 1.0;
        QTest::newRow("negative rate") << 42.0 << -0.02 << 0.3 << 2.0;
        QTest::newRow("volatile") << 42.0 << 0.03 << 0.8 << 1.0;
    }

    void meanTendsToTheReference()
    {
        QFETCH(double, strike);
        QFETCH(double, rate);
        QFETCH(double, volatility);
        QFETCH(double, maturity);
        for (const char *option : {"call", "put"}) {
            KernelRun run(monteCarloTask(),
                          {{"option", std::string(option)},
                           {"strike", strike},
                           {"rate", rate},
                           {"volatility", volatility},
                           {"maturity", maturity},
                           {"steps", std::int64_t(2)}},
                          seeded(2));

            const auto found = estimate(run.fill({0, rowsOfTest}).at(0));

            const double reference = run.shape().series.at(0).reference.value();
            QVERIFY2(std::abs(found.mean - reference) < 4 * found.standardError, option);
        }
    }

    void bitsDoNotDependOnScheduling_data()
    {
        QTest::addColumn<qint64>("paths");
        for (const qint64 paths : {1, 2, 5, 1023, 1024, 1025, 5000})
            QTest::addRow("%lld paths", paths) << paths;
    }

    void bitsDoNotDependOnScheduling()
    {
        QFETCH(qint64, paths);
        const Parameters parameters = {{"paths", std::int64_t(paths)}, {"steps", std::int64_t(3)}};

        const auto found = differenceByScheduling(monteCarloTask(), parameters, seeded(3, 1),
                                                  {(1ull << 32) - 20, (1ull << 32) + 20});

        QCOMPARE(found, std::string());
    }

    void rowIsTheDiscountedMeanOfItsDocumentedPaths_data()
    {
        QTest::addColumn<quint64>("row");
        QTest::newRow("first row") << quint64(0);
        QTest::newRow("row of more than 32 bits") << (quint64(1) << 40) + 1;
    }

    void rowIsTheDiscountedMeanOfItsDocumentedPaths()
    {
        QFETCH(quint64, row);
        constexpr std::uint32_t pairs = 1250; // two blocks and a part of a third
        std::vector<double> sums(2 * (pairs + pathLanesMax));
        for (std::uint32_t pair = 0; pair < pairs; ++pair)
            sse2PathMath().normalSums({99, row, pair, 1, 3}, sums.data() + 2 * pair);
        double payoffs = 0;
        for (std::uint32_t path = 0; path < 2 * pairs; ++path) {
            const double exponent = (0.1 - 0.02) * 0.5 + 0.2 * std::sqrt(0.5 / 3) * sums[path];
            payoffs += std::max(42 * std::exp(exponent) - 40, 0.0);
        }
        const double expected = std::exp(-0.05) * payoffs / (2 * pairs);

        KernelRun run(monteCarloTask(), {{"paths", std::int64_t(2 * pairs)}, {"steps", std::int64_t(3)}},
                      seeded(99));

        QVERIFY(std::abs(run.fill({row, row + 1}).at(0).at(0) / expected - 1) < 1e-13);
    }

    void rowsAndSeedsHaveTheirOwnPaths()
    {
        const auto first = KernelRun(monteCarloTask(), {}, seeded(1)).fill({0, 20}).at(0);
        const auto second = KernelRun(monteCarloTask(), {}, seeded(1ull << 32)).fill({0, 20}).at(0);
        std::vector<double> all = first;
        all.insert(all.end(), second.begin(), second.end());

        std::ranges::sort(all);

        QVERIFY(std::ranges::adjacent_find(all) == all.end());
    }

    void withoutChanceEveryRowIsTheReference_data()
    {
        QTest::addColumn<double>("volatility");
        QTest::addColumn<double>("maturity");
        QTest::newRow("no volatility") << 0.0 << 0.5;
        QTest::newRow("no time") << 0.2 << 0.0;
    }

    void withoutChanceEveryRowIsTheReference()
    {
        QFETCH(double, volatility);
        QFETCH(double, maturity);
        for (const char *option : {"call", "put"}) {
            KernelRun run(
                monteCarloTask(),
                {{"option", std::string(option)}, {"volatility", volatility}, {"maturity", maturity}}, {});

            const double price = run.fill({3, 4}).at(0).at(0);

            QVERIFY(std::abs(price - run.shape().series.at(0).reference.value()) < 1e-12);
        }
    }

    void everyCornerOfTheRangesIsFinite()
    {
        const auto task = monteCarloTask();
        Parameters parameters = {{"paths", std::int64_t(3000)}, {"steps", std::int64_t(2)}};
        const std::string names[] = {"spot", "strike", "rate", "volatility", "maturity"};
        for (unsigned corner = 0; corner < 64; ++corner) {
            for (unsigned k = 0; k < std::size(names); ++k) {
                const auto declared =
                    std::ranges::find(task.description.parameters, names[k], &ParameterDescription::name);
                parameters[names[k]] = corner >> k & 1 ? declared->maximum : declared->minimum;
            }
            parameters["option"] = std::string(corner >> 5 ? "put" : "call");
            KernelRun run(task, parameters, {});

            QVERIFY(std::isfinite(run.shape().series.at(0).reference.value()));
            const auto prices = run.fill({0, 2}).at(0);
            for (const double price : prices)
                QVERIFY(std::isfinite(price) && price >= 0);
        }
    }

    void stoppedFillReturnsWithoutItsWork()
    {
        std::stop_source stop;
        stop.request_stop();
        // Would take hours.
        KernelRun run(monteCarloTask(),
                      {{"paths", std::int64_t(100'000'000)}, {"steps", std::int64_t(10'000)}}, {});

        run.fill({0, 1}, stop.get_token());
    }
};

QTEST_GUILESS_MAIN(TestMonteCarlo)
#include "tst_montecarlo.moc"
