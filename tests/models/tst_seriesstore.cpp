#include "models/seriesstore.h"

#include <QTest>

#include <atomic>
#include <cmath>
#include <functional>
#include <random>
#include <thread>

using namespace millrace;

namespace {

constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t binRows = BinRings::binRows;

enum class Memory { Shared, Borrowed };

/// Hands rows to a store as the supervisor does.
class Feed
{
public:
    using Value = std::function<double(std::uint64_t row, std::size_t column)>;

    Feed(SeriesStore &store, std::size_t columns, std::uint64_t first, Value value)
        : next(first), m_store(store), m_columns(columns), m_value(std::move(value))
    {
        store.begin(columns, first, 1);
    }

    bool append(std::uint64_t count, Memory memory)
    {
        auto values = std::make_shared<std::vector<double>>(m_columns * count);
        std::vector<const double *> columns;
        std::vector<Summary> bins;
        for (std::size_t column = 0; column < m_columns; ++column) {
            double *const begin = values->data() + column * count;
            columns.push_back(begin);
            for (std::uint64_t i = 0; i < count; ++i)
                begin[i] = m_value(next + i, column);
            for (std::uint64_t from = 0; from < count;) {
                const auto rows = std::min(count - from, binRows - (next + from) % binRows);
                bins.push_back(Summary::of({begin + from, std::size_t(rows)}));
                from += rows;
            }
        }
        next += count;
        return m_store.append(next - count, count, columns, bins,
                              memory == Memory::Shared ? values : nullptr);
    }

    std::uint64_t next;

private:
    SeriesStore &m_store;
    std::size_t m_columns;
    Value m_value;
};

double hashed(std::uint64_t row)
{
    row = (row + 1) * 0x9e3779b97f4a7c15ULL;
    row = (row ^ (row >> 29)) * 0xbf58476d1ce4e5b9ULL;
    return double((row ^ (row >> 32)) >> 11) * 0x1p-53;
}

/// Uniform in [0, 1), one row in 31 is not finite, some bins have no finite row at all.
double holed(std::uint64_t row, std::size_t column)
{
    return row % 31 == 7 || row / 1024 % 9 == 4 ? notANumber : hashed(row) + double(column);
}

bool isNear(double a, double b, double tolerance)
{
    return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

bool isSame(const Summary &a, const Summary &b)
{
    return a.count == b.count && a.nonFinite == b.nonFinite && a.min == b.min && a.max == b.max &&
           isNear(a.sum, b.sum, 1e-9) && isNear(a.m2, b.m2, 1e-9);
}

/// What is wrong with the buckets for [begin, end), by the values of the whole run; empty: nothing.
QString fault(const Snapshot &snapshot, std::uint64_t begin, std::uint64_t end,
              const std::vector<double> &truth, std::uint64_t firstRow)
{
    const auto &buckets = snapshot.buckets;
    if (buckets.empty() || buckets.front().firstRow > begin ||
        buckets.back().firstRow + buckets.back().rowCount < end)
        return QStringLiteral("rows are missing at an end");
    std::uint64_t next = buckets.front().firstRow;
    for (const Bucket &bucket : buckets) {
        if (bucket.firstRow != next)
            return QStringLiteral("gap or overlap at row %1").arg(next);
        const std::span<const double> rows(truth.data() + (next - firstRow), bucket.rowCount);
        if (!isSame(bucket.summary, Summary::of(rows)))
            return QStringLiteral("wrong summary at row %1").arg(next);
        next += bucket.rowCount;
    }
    return {};
}

} // namespace

class TestSeriesStore : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void everyAnswerAgreesWithBruteForce_data()
    {
        QTest::addColumn<int>("columns");
        QTest::addColumn<quint64>("firstRow");
        QTest::addColumn<int>("countMax");

        QTest::newRow("small") << 1 << quint64(0) << 3'000;
        QTest::newRow("small, from within a bin") << 3 << quint64(1'234'567) << 5'000;
        QTest::newRow("large") << 1 << quint64(77) << 120'000;
        QTest::newRow("large, three series") << 3 << quint64(1024) << 60'000;
    }

    void everyAnswerAgreesWithBruteForce()
    {
        QFETCH(int, columns);
        QFETCH(quint64, firstRow);
        QFETCH(int, countMax);
        SeriesStore store;
        Feed feed(store, std::size_t(columns), firstRow, holed);
        std::mt19937_64 random(21);
        std::vector<double> truth;
        const auto column = std::size_t(columns - 1);
        for (int step = 0; step < 120; ++step) {
            const std::uint64_t count = 1 + random() % (step % 5 == 0 ? 9 : countMax);
            QVERIFY(feed.append(count, step % 3 == 0 ? Memory::Borrowed : Memory::Shared));
            while (truth.size() < feed.next - firstRow)
                truth.push_back(holed(firstRow + truth.size(), column));

            const std::uint64_t begin = firstRow + random() % truth.size();
            const std::uint64_t end = begin + 1 + random() % (feed.next - begin);
            const std::size_t width = 1 + random() % 2'000;
            const Snapshot part = store.snapshot(begin, end, width, column);
            const Snapshot all = store.snapshot(0, ~quint64(0), width, column);

            QCOMPARE(fault(part, begin, end, truth, firstRow), QString());
            QCOMPARE(fault(all, firstRow, feed.next, truth, firstRow), QString());
            QVERIFY(part.buckets.size() <= 2 * width + SeriesStore::bucketsBesides);
            QCOMPARE(all.nextRow, feed.next);
        }
        const Totals totals = store.totals(column);
        QVERIFY(isSame(totals.summary, Summary::of(truth)));
        QCOMPARE(totals.rows, std::uint64_t(truth.size()));
    }

    void fewRowsAreShownOneByOne()
    {
        SeriesStore store;
        Feed feed(store, 1, 0, holed);
        QVERIFY(feed.append(50'000, Memory::Shared));

        const Snapshot snapshot = store.snapshot(40'001, 40'201, 100, 0);

        QCOMPARE(snapshot.buckets.size(), std::size_t(200));
        QCOMPARE(snapshot.buckets[5], (Bucket{40'006, 1, Summary::of(std::vector{holed(40'006, 0)})}));
    }

    void singleRowsAreShownAndCounted()
    {
        SeriesStore store;
        Feed feed(store, 2, 5, [](std::uint64_t row, std::size_t column) {
            return column == 0 ? double(row) : notANumber;
        });
        for (int i = 0; i < 3; ++i)
            QVERIFY(feed.append(1, Memory::Borrowed));

        QCOMPARE(store.snapshot(0, 100, 10, 0).buckets.size(), std::size_t(3));
        QCOMPARE(store.snapshot(0, 100, 1, 0).buckets.size(), std::size_t(2)); // [5, 6) and [6, 8): threes
        QCOMPARE(store.totals(0).summary, (Summary{3, 0, 5, 7, 18, 2}));
        QCOMPARE(*store.totals(0).last, 7.0);
        QVERIFY(std::isnan(*store.totals(1).last));
        QVERIFY(!store.totals(1).quantiles);
        QCOMPARE(store.totals(1).summary.nonFinite, 3.0);
    }

    void streamStaysWithinItsMemory_data()
    {
        QTest::addColumn<int>("columns");
        QTest::addColumn<int>("count");
        QTest::addColumn<int>("rows");

        QTest::newRow("blocks") << 1 << 65'536 << 10'000'000;
        QTest::newRow("blocks, three series") << 3 << 65'536 << 6'000'000;
        QTest::newRow("small deliveries") << 1 << 777 << 10'000'000;
        QTest::newRow("small deliveries, three series") << 3 << 8'191 << 6'000'000;
        QTest::newRow("a row at a time") << 1 << 1 << 3'000'000;
    }

    void streamStaysWithinItsMemory()
    {
        QFETCH(int, columns);
        QFETCH(int, count);
        QFETCH(int, rows);
        constexpr std::uint64_t spike = 4'321;
        SeriesStore store;
        Feed feed(store, std::size_t(columns), 0,
                  [](std::uint64_t row, std::size_t) { return row == spike ? 1e6 : double(row % 1000); });
        std::size_t bytesMax = 0;
        std::uint64_t lookAt = 0;
        while (feed.next < std::uint64_t(rows)) {
            QVERIFY(feed.append(std::uint64_t(count), Memory::Shared));
            if (feed.next >= lookAt) {
                lookAt = feed.next + 99'991;
                store.snapshot(feed.next - std::min<std::uint64_t>(feed.next, 1'500'000), feed.next, 2000, 0);
                bytesMax = std::max(bytesMax, store.bytes());
            }
        }

        QVERIFY2(bytesMax <= std::size_t(columns) * SeriesStore::seriesBytesMax,
                 qPrintable(QString::number(bytesMax)));
        QVERIFY(bytesMax >= std::size_t(columns) * SeriesStore::rawBytesMax);
        const auto newest = store.rows(feed.next - 1'000'000, feed.next, 0);
        QCOMPARE(newest.first, feed.next - 1'000'000);
        for (const std::size_t width : {1, 100, 4000}) {
            const auto buckets = store.snapshot(0, feed.next, width, 0).buckets;
            QVERIFY(buckets.size() <= width + SeriesStore::bucketsBesides);
            QVERIFY(std::ranges::any_of(buckets, [](const Bucket &bucket) {
                return bucket.firstRow <= spike && spike < bucket.firstRow + bucket.rowCount &&
                       bucket.summary.max == 1e6;
            }));
        }
    }

    void workOfASnapshotIsBoundedByItsWidth()
    {
        SeriesStore store;
        Feed feed(store, 1, 0, [](std::uint64_t row, std::size_t) { return double(row); });
        while (feed.next < 8'000'000)
            QVERIFY(feed.append(65'536, Memory::Shared));

        for (const std::size_t width : {1, 50, 1'000, 4'000}) {
            for (std::uint64_t rows = 1; rows < 8'000'000; rows += 1 + rows / 3) {
                const auto snapshot = store.snapshot(feed.next - rows, feed.next, width, 0);

                QVERIFY(snapshot.valuesRead <= std::max<std::size_t>(64 * width, 65'536) + binRows);
                QVERIFY(snapshot.binsRead <= 18 * width + SeriesStore::bucketsBesides);
                QVERIFY(snapshot.buckets.size() <= 2 * width + SeriesStore::bucketsBesides);
            }
        }
    }

    void stillViewGetsFinerUntilItIsFine()
    {
        SeriesStore store;
        Feed feed(store, 1, 0, holed);
        QVERIFY(feed.append(1'000'000, Memory::Shared));
        std::vector<double> truth;
        for (std::uint64_t row = 0; row < feed.next; ++row)
            truth.push_back(holed(row, 0));

        auto snapshot = store.snapshot(0, feed.next, 2000, 0);
        QVERIFY(snapshot.isFinerLater);
        QCOMPARE(snapshot.buckets.size(), std::size_t(977)); // bins of 1,024 rows
        int more = 0;
        while (snapshot.isFinerLater && ++more < 100)
            snapshot = store.snapshot(0, feed.next, 2000, 0);

        QCOMPARE(more, 7); // 1,000,000 rows at 64 * 2,000 a time
        QVERIFY(snapshot.buckets.size() > 1900);
        QCOMPARE(fault(snapshot, 0, feed.next, truth, 0), QString());
        QCOMPARE(store.snapshot(0, feed.next, 2000, 0).valuesRead, std::size_t(0));
    }

    void deviationIsRightAtALargeOffset()
    {
        SeriesStore store;
        Feed feed(store, 1, 0, [](std::uint64_t row, std::size_t) { return 1e9 + hashed(row); });
        while (feed.next < 2'000'000)
            QVERIFY(feed.append(feed.next % 3 == 0 ? 65'536 : 1'000, Memory::Shared));

        const Totals totals = store.totals(0);

        QVERIFY(std::abs(*totals.summary.deviation() / 0.288675 - 1) < 1e-3);
        QVERIFY(std::abs(*totals.summary.mean() - 1e9 - 0.5) < 2e-3);
        QVERIFY(std::abs((*totals.quantiles)[2] - 1e9 - 0.5) < 0.03);
        QVERIFY(!totals.areQuantilesExact);
        QVERIFY(totals.sampleSize >= 2000 && totals.sampleSize <= 4096);
    }

    void quantilesOfFewRowsAreExact()
    {
        SeriesStore store;
        Feed feed(store, 1, 0, [](std::uint64_t row, std::size_t) { return double(row); });
        QVERIFY(feed.append(101, Memory::Borrowed));

        const Totals totals = store.totals(0);

        QVERIFY(totals.areQuantilesExact);
        QCOMPARE(*totals.quantiles, (std::array<double, 5>{5, 25, 50, 75, 95}));
        QCOMPARE(store.sample(0).size(), std::size_t(101));
    }

    void wrongAppendIsRefusedAndChangesNothing()
    {
        SeriesStore store;
        const double value = 1;
        const std::array columns{&value};
        const std::array bins{Summary::of({&value, 1})};
        QVERIFY(!store.append(0, 1, columns, bins, nullptr)); // not begun
        store.begin(1, 10, 1);

        QVERIFY(!store.append(11, 1, columns, bins, nullptr));
        QVERIFY(!store.append(10, 1, {}, bins, nullptr));
        QVERIFY(!store.append(10, 1, columns, {}, nullptr));
        QCOMPARE(store.totals(0).rows, std::uint64_t(0));
        QVERIFY(store.append(10, 1, columns, bins, nullptr));
        QVERIFY(store.append(11, 0, columns, {}, nullptr));
        QCOMPARE(store.totals(0).rows, std::uint64_t(1));
    }

    void nothingIsKnownOfWhatIsNotThere()
    {
        SeriesStore store;
        QVERIFY(store.snapshot(0, 100, 10, 0).buckets.empty());
        QVERIFY(!store.totals(0).last);
        Feed feed(store, 1, 50, holed);
        QVERIFY(store.snapshot(0, 100, 10, 0).buckets.empty());
        QVERIFY(feed.append(10, Memory::Borrowed));

        QVERIFY(store.snapshot(0, 50, 10, 0).buckets.empty());
        QVERIFY(store.snapshot(60, 100, 10, 0).buckets.empty());
        QVERIFY(store.snapshot(55, 54, 10, 0).buckets.empty());
        QVERIFY(store.snapshot(0, 100, 10, 1).buckets.empty());
        QCOMPARE(store.snapshot(0, 100, 0, 0).buckets.front().firstRow, std::uint64_t(50));
        QVERIFY(store.rows(60, 70, 0).values.empty());
        QVERIFY(store.rows(50, 70, 7).values.empty());
    }

    void rowsAreCopiedAsTheyCame()
    {
        SeriesStore store;
        Feed feed(store, 2, 0,
                  [](std::uint64_t row, std::size_t column) { return double(row * 2 + column); });
        while (feed.next < 4'000'000)
            QVERIFY(feed.append(feed.next % 7 == 0 ? 20'000 : 1'001, Memory::Shared));

        const RowValues some = store.rows(feed.next - 30'000, feed.next - 10'000, 1);
        const RowValues old = store.rows(0, 10'000'000, 0);

        QCOMPARE(some.first, feed.next - 30'000);
        QCOMPARE(some.values.size(), std::size_t(20'000));
        for (std::size_t i = 0; i < some.values.size(); ++i)
            QCOMPARE(some.values[i], double((some.first + i) * 2 + 1));
        QVERIFY(old.first > 1'500'000); // forgotten before
        QCOMPARE(old.values.size(), SeriesStore::rowsMax);
        QCOMPARE(old.values.front(), double(old.first * 2));
    }

    void ownersAreDroppedOutsideTheLock()
    {
        SeriesStore store;
        store.begin(1, 0, 1);
        const std::vector<double> values(65'536);
        const std::array columns{values.data()};
        const std::vector<Summary> bins(64, Summary::of(std::span(values).first(1024)));
        int dropped = 0;

        for (std::uint64_t i = 0; i < 100; ++i) {
            // Asking the store would wait for ever if the mutex were held.
            const std::shared_ptr<const void> owner(values.data(), [&store, &dropped](const void *) {
                store.totals(0);
                ++dropped;
            });
            QVERIFY(store.append(i * 65'536, 65'536, columns, bins, owner));
        }

        QVERIFY(dropped > 60 && dropped < 75);
        store.begin(1, 0, 1);
        QCOMPARE(dropped, 100);
    }

    void anotherBeginForgetsTheRunBefore()
    {
        SeriesStore store;
        Feed first(store, 3, 0, holed);
        QVERIFY(first.append(500'000, Memory::Shared));
        while (store.snapshot(0, 500'000, 1000, 2).isFinerLater)
            continue;

        Feed second(store, 1, 1000, [](std::uint64_t, std::size_t) { return 5.0; });
        QVERIFY(second.append(499'000, Memory::Shared));
        Snapshot snapshot;
        do
            snapshot = store.snapshot(0, 500'000, 1000, 0);
        while (snapshot.isFinerLater);

        QCOMPARE(snapshot.buckets.front().firstRow, std::uint64_t(1000));
        for (const Bucket &bucket : snapshot.buckets)
            QCOMPARE(bucket.summary.max, 5.0);
        QVERIFY(store.bytes() < SeriesStore::seriesBytesMax);
    }

    void readerSeesOnlyWholeDeliveries()
    {
        SeriesStore store;
        Feed feed(store, 2, 0, [](std::uint64_t row, std::size_t) { return double(row); });
        std::atomic<bool> isDone = false;
        std::thread writer([&feed, &isDone] {
            for (int step = 0; step < 400; ++step)
                feed.append(step % 3 == 0 ? 20'000 : 700, Memory::Shared);
            isDone = true;
        });

        QString wrong;
        for (std::uint64_t asked = 0; wrong.isEmpty() && (!isDone || asked < 10); ++asked) {
            const std::uint64_t rows = store.totals(1).rows;
            const Snapshot snapshot =
                store.snapshot(asked % 2 == 0 ? 0 : rows / 2, ~std::uint64_t(0), 500, asked % 2);
            for (const auto &[first, count, summary] : snapshot.buckets) {
                if (summary.min != double(first) || summary.max != double(first + count - 1) ||
                    summary.count != double(count))
                    wrong = QStringLiteral("wrong bucket at row %1").arg(first);
            }
            const RowValues newest = store.rows(rows - std::min<std::uint64_t>(rows, 100), rows, 0);
            if (!newest.values.empty() && newest.values.back() != double(rows - 1))
                wrong = QStringLiteral("wrong row before %1").arg(rows);
            if (snapshot.nextRow < rows || store.bytes() > 2 * SeriesStore::seriesBytesMax)
                wrong = QStringLiteral("rows lost or too much memory");
        }
        writer.join();

        QCOMPARE(wrong, QString());
        QCOMPARE(store.totals(0).summary.max, double(feed.next - 1));
    }
};

QTEST_GUILESS_MAIN(TestSeriesStore)
#include "tst_seriesstore.moc"
