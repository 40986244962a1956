#include "workers/tasks/primes.h"

#include "tests/support/kernelrun.h"

#include <QTest>

using namespace millrace;
using namespace millrace::test;

namespace {

constexpr qint64 limit = 10'000'000'000'000;

Parameters span(std::int64_t from, std::int64_t width)
{
    return {{"from", from}, {"width", width}};
}

std::uint64_t rowsOf(const Parameters &parameters)
{
    return KernelRun(primesTask(), parameters, {}).shape().rows.value();
}

double total(const std::vector<double> &values)
{
    return std::accumulate(values.begin(), values.end(), 0.0);
}

/// isPrime[i] tells whether begin + i is prime: each number up to the root crosses out its multiples.
std::vector<bool> crossedOut(std::int64_t begin, std::int64_t end)
{
    std::vector<bool> isPrime(std::size_t(end - begin), true);
    for (std::int64_t n = begin; n < std::min<std::int64_t>(end, 2); ++n)
        isPrime[std::size_t(n - begin)] = false;
    for (std::int64_t factor = 2; factor * factor < end; ++factor)
        for (auto n = std::max(factor * factor, (begin + factor - 1) / factor * factor); n < end; n += factor)
            isPrime[std::size_t(n - begin)] = false;
    return isPrime;
}

} // namespace

class TestPrimes : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void declarationIsComplete()
    {
        QCOMPARE(declarationProblem(primesTask().description), std::string());
        QCOMPARE(primesTask().description.name, "primes");
    }

    void sumOfRowsIsPi_data()
    {
        QTest::addColumn<qint64>("end");
        QTest::addColumn<qint64>("width");
        QTest::addColumn<double>("pi");

        const std::pair<qint64, double> known[] = {{10, 4},
                                                   {100, 25},
                                                   {1'000, 168},
                                                   {10'000, 1'229},
                                                   {100'000, 9'592},
                                                   {1'000'000, 78'498},
                                                   {10'000'000, 664'579},
                                                   {100'000'000, 5'761'455},
                                                   {1'000'000'000, 50'847'534}};
        for (const auto &[end, pi] : known)
            for (const qint64 rows : {1, 10, 1000})
                if (end % rows == 0)
                    QTest::addRow("up to %lld in %lld rows", end, rows) << end << end / rows << pi;
    }

    void sumOfRowsIsPi()
    {
        QFETCH(qint64, end);
        QFETCH(qint64, width);
        QFETCH(double, pi);
        RunOptions options;
        options.rows = std::uint64_t(end / width);
        options.threads = 2;

        const auto counts = KernelRun(primesTask(), span(0, width), options).fill({0, *options.rows}).at(0);

        QCOMPARE(total(counts), pi);
    }

    void rowsAgreeWithASimpleSieve_data()
    {
        QTest::addColumn<qint64>("from");
        QTest::addColumn<qint64>("width");
        QTest::addColumn<qint64>("rows");

        QTest::newRow("one number each") << qint64(0) << qint64(1) << qint64(200);
        QTest::newRow("begins and ends at primes") << qint64(2) << qint64(11) << qint64(200);
        QTest::newRow("a thousand from 10^9") << qint64(1'000'000'000) << qint64(1'000) << qint64(50);
        QTest::newRow("a million from 10^12") << qint64(1'000'000'000'000) << qint64(1'000'000) << qint64(1);
        QTest::newRow("the last million") << limit - 1'000'000 << qint64(250'000) << qint64(4);
        QTest::newRow("the last numbers") << limit - 200 << qint64(1) << qint64(200);
        // The first segment ends before the prime 2^24 + 43.
        QTest::newRow("segments and a rest") << qint64(43) << qint64((1 << 24) + 3) << qint64(2);
    }

    void rowsAgreeWithASimpleSieve()
    {
        QFETCH(qint64, from);
        QFETCH(qint64, width);
        QFETCH(qint64, rows);
        const auto isPrime = crossedOut(from, from + width * rows);
        RunOptions options;
        options.rows = std::uint64_t(rows);

        const auto counts =
            KernelRun(primesTask(), span(from, width), options).fill({0, *options.rows}).at(0);

        QCOMPARE(counts.size(), std::size_t(rows));
        for (qint64 row = 0; row < rows; ++row) {
            const auto begin = isPrime.begin() + row * width;
            QCOMPARE(counts[std::size_t(row)], double(std::count(begin, begin + width, true)));
        }
    }

    void bitsDoNotDependOnScheduling_data()
    {
        QTest::addColumn<qint64>("from");
        QTest::addColumn<qint64>("width");
        QTest::newRow("narrow rows") << qint64(1'000) << qint64(997);
        QTest::newRow("rows of one number") << qint64(0) << qint64(1);
        QTest::newRow("wide rows") << qint64(5) << qint64((1 << 24) + 1);
    }

    void bitsDoNotDependOnScheduling()
    {
        QFETCH(qint64, from);
        QFETCH(qint64, width);
        const std::uint64_t rows = width > 1'000'000 ? 4 : 100;
        RunOptions options;
        options.rows = rows;

        QCOMPARE(differenceByScheduling(primesTask(), span(from, width), options, {0, rows}), std::string());
    }

    void runEndsAtABillionUnlessRowsAreAskedFor()
    {
        QCOMPARE(rowsOf({}), std::uint64_t(1000));
        QCOMPARE(rowsOf(span(0, 3)), std::uint64_t(333'333'334));
        QCOMPARE(rowsOf(span(999'999'999, 10)), std::uint64_t(1));
        QCOMPARE(rowsOf(span(1'000'000'000, 10)), std::uint64_t(1000));
        QCOMPARE(rowsOf(span(limit - 50, 10)), std::uint64_t(5));
        QCOMPARE(rowsOf(span(0, limit)), std::uint64_t(1));
    }

    void rowsThatPassTheLimitAreRefusedWithASentence()
    {
        RunOptions options;
        options.rows = 10;
        QVERIFY(refusal(primesTask(), span(limit - 100, 10), options).empty());

        for (const std::uint64_t rows : {std::uint64_t(11), std::uint64_t(1) << 60, ~std::uint64_t(0)}) {
            options.rows = rows;
            const auto errors = refusal(primesTask(), span(limit - 100, 10), options);

            QCOMPARE(errors.size(), std::size_t(1));
            QCOMPARE(errors[0].sentence,
                     std::to_string(rows) +
                         " rows of width 10 from 9999999999900 on pass 10000000000000, up to which "
                         "primes are counted; ask for at most 10 rows, or choose a smaller width");
        }
    }

    void rowWiderThanWhatIsLeftIsRefusedAtItsField()
    {
        const auto errors = refusal(primesTask(), span(limit - 1, 2), {});

        QCOMPARE(errors.size(), std::size_t(1));
        QCOMPARE(errors[0].parameter, "width");
        QCOMPARE(errors[0].sentence,
                 "width must be at most 1 from 9999999999999 on, because primes are counted up to "
                 "10000000000000; choose a smaller width or from");
    }

    void stoppedFillReturnsWithoutSieving_data()
    {
        QTest::addColumn<qint64>("width");
        QTest::newRow("wide row") << limit; // would take an hour
        QTest::newRow("narrow rows") << qint64(1'000'000);
    }

    void stoppedFillReturnsWithoutSieving()
    {
        QFETCH(qint64, width);
        std::stop_source stop;
        stop.request_stop();
        KernelRun run(primesTask(), span(0, width), {});

        QCOMPARE(run.fill({0, 1}, stop.get_token()).at(0).size(), std::size_t(1));
    }
};

QTEST_GUILESS_MAIN(TestPrimes)
#include "tst_primes.moc"
