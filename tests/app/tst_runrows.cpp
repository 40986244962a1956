#include "app/runrows.h"
#include "tests/support/clirows.h"

#include <QTest>

using namespace millrace;

namespace {

class CountingConsumer : public RowConsumer
{
public:
    explicit CountingConsumer(std::atomic<std::uint64_t> &rows) : m_rows(rows) {}
    std::string begin(const RunShape &) override { return {}; }
    std::string write(const ReleasedRows &rows) override
    {
        m_rows += rows.count;
        return {};
    }
    std::string finish() override { return {}; }

private:
    std::atomic<std::uint64_t> &m_rows;
};

/// The summaries that come with rows of one bin.
std::vector<BinSummary> binsOf(const std::vector<std::vector<double>> &columns)
{
    std::vector<BinSummary> bins;
    for (const auto &column : columns) {
        const Summary summary = Summary::of(column);
        bins.push_back({summary.count, summary.nonFinite, summary.min, summary.max, summary.sum, summary.m2});
    }
    return bins;
}

} // namespace

class TestRunRows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void rowsReachTheStore()
    {
        const auto store = std::make_shared<SeriesStore>();
        const auto feedback = std::make_shared<RememberedFeedback>();
        const std::vector<std::vector<double>> columns = {{1, 2, 3}, {10, 20, 60}};
        const std::vector<BinSummary> bins = binsOf(columns);
        OwnedRows values(columns, 100);
        RunRows sink(store, nullptr, 1);

        sink.begin(shapeOf({"a", "b"}), 100, feedback);
        ReleasedRows rows = values.all();
        rows.bins = bins;
        sink.rows(rows);
        sink.end(RunEnd::Finished);

        QCOMPARE(store->totals(0).rows, std::uint64_t(3));
        QCOMPARE(store->totals(0).summary.sum, 6.0);
        QCOMPARE(store->totals(1).summary.max, 60.0);
        QCOMPARE(store->totals(1).last.value_or(0), 60.0);
        QCOMPARE(store->rows(100, 103, 1).values, columns[1]);
    }

    void timeIsAColumnOfTheStore()
    {
        const auto store = std::make_shared<SeriesStore>();
        const std::vector<std::vector<double>> columns = {{0.5}, {7}};
        const std::vector<BinSummary> bins = binsOf(columns);
        OwnedRows values(columns);
        RunRows sink(store, nullptr, 1);

        sink.begin(shapeOf({"v"}, true), 0, std::make_shared<RememberedFeedback>());
        ReleasedRows rows = values.all();
        rows.bins = bins;
        sink.rows(rows);

        QCOMPARE(store->totals(1).last.value_or(0), 7.0);
    }

    void withoutAWriterRowsAreWrittenOnceStored()
    {
        const auto feedback = std::make_shared<RememberedFeedback>();
        const std::vector<std::vector<double>> columns = {{1, 2}};
        const std::vector<BinSummary> bins = binsOf(columns);
        OwnedRows values(columns, 5);
        RunRows sink(std::make_shared<SeriesStore>(), nullptr, 1);

        sink.begin(shapeOf({"v"}), 5, feedback);
        ReleasedRows rows = values.all();
        rows.bins = bins;
        sink.rows(rows);

        QCOMPARE(feedback->rowEnd(), std::uint64_t(7));
        QCOMPARE(feedback->failures(), 0);
    }

    void withAWriterRowsAreWrittenWhenItHasThem()
    {
        std::atomic<std::uint64_t> rowsSeen = 0;
        std::atomic<int> doneCount = 0;
        std::vector<std::unique_ptr<RowConsumer>> consumers;
        consumers.push_back(std::make_unique<CountingConsumer>(rowsSeen));
        const auto writer = std::make_shared<RowWriter>(std::move(consumers), [&] { ++doneCount; });
        const auto feedback = std::make_shared<RememberedFeedback>();
        const std::vector<std::vector<double>> columns = {{1, 2}};
        const std::vector<BinSummary> bins = binsOf(columns);
        OwnedRows values(columns);
        RunRows sink(std::make_shared<SeriesStore>(), writer, 1);

        sink.begin(shapeOf({"v"}), 0, feedback);
        ReleasedRows rows = values.all();
        rows.bins = bins;
        sink.rows(rows);
        sink.end(RunEnd::Stopped);
        QTRY_COMPARE(doneCount.load(), 1);

        QCOMPARE(rowsSeen.load(), std::uint64_t(2));
        QCOMPARE(feedback->rowEnd(), std::uint64_t(2));
    }

    void rowsOutOfOrderFailTheRun()
    {
        const auto feedback = std::make_shared<RememberedFeedback>();
        const std::vector<std::vector<double>> columns = {{1, 2}};
        const std::vector<BinSummary> bins = binsOf(columns);
        OwnedRows values(columns, 9);
        RunRows sink(std::make_shared<SeriesStore>(), nullptr, 1);

        sink.begin(shapeOf({"v"}), 0, feedback);
        ReleasedRows rows = values.all();
        rows.bins = bins;
        sink.rows(rows);

        QCOMPARE(feedback->failures(), 1);
        QCOMPARE(feedback->reason(), "row 9 came out of order");
    }

    void feedbackIsDroppedAtTheEnd()
    {
        const auto feedback = std::make_shared<RememberedFeedback>();
        RunRows sink(std::make_shared<SeriesStore>(), nullptr, 1);

        sink.begin(shapeOf({"v"}), 0, feedback);
        QVERIFY(feedback.use_count() > 1);
        sink.end(RunEnd::Failed);

        QCOMPARE(feedback.use_count(), 1L);
    }
};

QTEST_GUILESS_MAIN(TestRunRows)
#include "tst_runrows.moc"
