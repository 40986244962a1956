#include "models/rawrows.h"

#include <QTest>

#include <numeric>
#include <random>

using namespace millrace;

namespace {

constexpr std::size_t bytesMax = 4 * 1024 * 1024;

/// Columns with the values row and -row.
struct Delivery
{
    Delivery(std::uint64_t first, std::uint64_t count)
        : values(std::make_shared<std::vector<double>>(2 * count)), columns{values->data(),
                                                                            values->data() + count}
    {
        std::iota(values->begin(), values->begin() + std::ptrdiff_t(count), double(first));
        std::transform(values->begin(), values->begin() + std::ptrdiff_t(count),
                       values->begin() + std::ptrdiff_t(count), std::negate());
    }
    std::shared_ptr<std::vector<double>> values;
    std::array<const double *, 2> columns;
};

std::vector<double> read(const RawRows &rows, std::uint64_t begin, std::uint64_t end, std::size_t column)
{
    std::vector<double> result;
    rows.view(begin, end).read(begin, end, column, [&result](std::span<const double> values) {
        result.insert(result.end(), values.begin(), values.end());
    });
    return result;
}

} // namespace

class TestRawRows : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void newestRowsAreHeldAsTheyCame()
    {
        std::mt19937_64 random(5);
        RawRows rows(2, 100, bytesMax);
        std::uint64_t next = 100;
        for (int step = 0; step < 500; ++step) {
            const std::uint64_t count = 1 + random() % (step % 4 == 0 ? 20'000 : 5'000);
            const Delivery delivery(next, count);
            rows.publish(rows.stage(next, count, delivery.columns, delivery.values));
            next += count;

            QVERIFY(rows.bytes() <= bytesMax);
            QVERIFY(rows.heldFrom() + 120'000 < next || rows.heldFrom() == 100 || step < 100);
            const std::uint64_t begin = rows.heldFrom() + random() % (next - rows.heldFrom());
            const std::uint64_t end = begin + 1 + random() % (next - begin);
            std::vector<double> expected(end - begin);
            std::iota(expected.begin(), expected.end(), double(begin));
            QCOMPARE(read(rows, begin, end, 0), expected);
            QCOMPARE(read(rows, begin, end, 1).back(), -double(end - 1));
        }
    }

    void largeDeliveriesAreSharedAndSmallOnesCopied()
    {
        RawRows rows(2, 0, bytesMax);
        const Delivery large(0, RawRows::sharedRowsMin);
        const Delivery small(RawRows::sharedRowsMin, RawRows::sharedRowsMin - 1);

        rows.publish(rows.stage(0, RawRows::sharedRowsMin, large.columns, large.values));
        rows.publish(
            rows.stage(RawRows::sharedRowsMin, RawRows::sharedRowsMin - 1, small.columns, small.values));

        QCOMPARE(large.values.use_count(), 2);
        QCOMPARE(small.values.use_count(), 1);
    }

    void largeDeliveryWithoutOwnerIsCopied()
    {
        RawRows rows(2, 0, bytesMax);
        {
            const Delivery delivery(0, 50'000);
            rows.publish(rows.stage(0, 50'000, delivery.columns, nullptr));
        }

        QCOMPARE(read(rows, 49'999, 50'000, 0), std::vector<double>{49'999});
    }

    void memoryOfOneOwnerIsForgottenTogether()
    {
        RawRows rows(2, 0, bytesMax);
        std::uint64_t next = 0;
        std::vector<std::weak_ptr<const void>> owners;
        for (int i = 0; i < 10; ++i) {
            const Delivery range(next, 100'000); // handed on in ten pieces
            owners.push_back(range.values);
            for (int piece = 0; piece < 10; ++piece) {
                const std::array columns{range.columns[0] + piece * 10'000,
                                         range.columns[1] + piece * 10'000};
                rows.publish(rows.stage(next, 10'000, columns, range.values));
                next += 10'000;
            }
        }

        const auto alive = std::ranges::count_if(owners, [](const auto &owner) { return !owner.expired(); });
        QVERIFY(std::uint64_t(alive) * 100'000 * 16 <= bytesMax);
        QCOMPARE(rows.heldFrom() % 100'000, std::uint64_t(0));
    }

    void oneOwnerForAllIsForgottenPieceByPiece()
    {
        RawRows rows(2, 0, bytesMax);
        const Delivery all(0, 1'000'000);
        for (std::uint64_t next = 0; next < 1'000'000; next += 10'000) {
            const std::array columns{all.columns[0] + next, all.columns[1] + next};
            rows.publish(rows.stage(next, 10'000, columns, all.values));
        }

        QVERIFY(rows.heldFrom() > 700'000 && rows.heldFrom() < 800'000);
    }

    void deliveryThatIsTooLargeIsNotKept()
    {
        RawRows rows(2, 0, bytesMax);
        const Delivery delivery(0, 1'000'000);

        const auto gone = rows.publish(rows.stage(0, 1'000'000, delivery.columns, delivery.values));

        QCOMPARE(gone.size(), std::size_t(1));
        QCOMPARE(rows.heldFrom(), std::uint64_t(1'000'000));
        QCOMPARE(rows.bytes(), std::size_t(0));
    }

    void viewOutlivesWhatIsForgotten()
    {
        RawRows rows(2, 0, bytesMax);
        const Delivery first(0, 10);
        rows.publish(rows.stage(0, 10, first.columns, first.values));
        const RawView view = rows.view(0, 10);
        const Delivery more(10, 1'000'000);
        rows.publish(rows.stage(10, 1'000'000, more.columns, nullptr));

        QVERIFY(rows.heldFrom() > 10);
        QCOMPARE(view.end(), std::uint64_t(10));
        QCOMPARE(view.summarise(3, 6, 1), (Summary{3, 0, -5, -3, -12, 2}));
    }

    void oneRowAtATimeFillsChunks()
    {
        RawRows rows(2, 7, bytesMax);
        for (std::uint64_t row = 7; row < 20'007; ++row) {
            const std::array<double, 2> values{double(row), -double(row)};
            const std::array columns{&values[0], &values[1]};
            rows.publish(rows.stage(row, 1, columns, nullptr));
        }

        QVERIFY(rows.bytes() < 6 * 4096 * 2 * sizeof(double));
        QCOMPARE(read(rows, 4100, 4106, 0), (std::vector<double>{4100, 4101, 4102, 4103, 4104, 4105}));
    }
};

QTEST_GUILESS_MAIN(TestRawRows)
#include "tst_rawrows.moc"
