#include "workers/pool/rangebuffer.h"

#include <QTest>

#include <cstring>
#include <thread>

using namespace millrace;

namespace {

struct Handed
{
    std::uint64_t first = 0;
    std::vector<std::vector<double>> columns;
    std::size_t bins = 0;
    std::shared_ptr<const void> owner;
};

class Sink : public RowSink
{
public:
    void begin(const RunShape &, std::uint64_t, std::shared_ptr<SinkFeedback>) override {}
    void rows(const ReleasedRows &rows) override
    {
        Handed one{rows.first, {}, rows.bins.size(), rows.owner};
        for (const double *column : rows.columns)
            one.columns.emplace_back(column, column + rows.count);
        handed.push_back(one);
    }
    void end(RunEnd) override {}

    std::vector<Handed> handed;
};

void fill(const RangeBuffer &buffer, std::uint64_t first, std::uint64_t count)
{
    const auto columns = buffer.at(first);
    for (std::size_t column = 0; column < columns.size(); ++column) {
        for (std::uint64_t i = 0; i < count; ++i)
            columns[column][i] = double(first + i) + 1000 * double(column);
    }
}

constexpr std::size_t mebibyte = 1024 * 1024;

} // namespace

class TestRangeBuffer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void blockThatComesBackIsUsedAgain()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        auto block = memory->allocate(100'000);
        const std::byte *address = block.get();
        block.reset();

        QCOMPARE(memory->allocate(120'000).get(), address);
        QVERIFY2(memory->allocate(10'000).get() != address, "of another size");
    }

    void blocksInUseAreDifferent()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        const auto one = memory->allocate(5000);
        const auto other = memory->allocate(5000);

        QVERIFY(other.get() >= one.get() + 5000 || one.get() >= other.get() + 5000);
    }

    void blocksAreAlignedForRegistersAndLargePages()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        for (const std::size_t bytes : {1ul, 64ul, 4097ul, mebibyte, 3 * mebibyte}) {
            const auto block = memory->allocate(bytes);
            const auto address = reinterpret_cast<std::uintptr_t>(block.get());
            QCOMPARE(address % 64, std::uintptr_t(0));
            if (bytes > 2 * mebibyte)
                QCOMPARE(address % (2 * mebibyte), std::uintptr_t(0));
            std::memset(block.get(), 1, bytes);
        }
    }

    void idleBlocksAreBounded()
    {
        const auto memory = std::make_shared<RangeMemory>(10'000);
        auto one = memory->allocate(8000);
        auto other = memory->allocate(8000);
        const std::byte *kept = one.get();
        one.reset();

        other.reset(); // goes back to the system: AddressSanitizer would tell of its use

        QCOMPARE(memory->allocate(8000).get(), kept);
        auto large = memory->allocate(20'000);
        large.reset();
    }

    void blockOutlivesTheRun()
    {
        auto memory = std::make_shared<RangeMemory>(mebibyte);
        const std::weak_ptr<RangeMemory> seen = memory;
        auto block = memory->allocate(5000);
        memory.reset();

        std::memset(block.get(), 7, 5000);
        QVERIFY(!seen.expired());
        block.reset();

        QVERIFY(seen.expired());
    }

    void blocksComeBackFromAnyThread()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([memory, i] {
                for (int turn = 0; turn < 2000; ++turn) {
                    const auto block = memory->allocate(std::size_t(4096) << (turn % 4));
                    std::memset(block.get(), i, 4096);
                }
            });
        }
        for (auto &thread : threads)
            thread.join();

        QVERIFY(memory->allocate(1));
    }

    void columnsStandOneBehindTheOther()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        const RangeBuffer buffer(*memory, 100, 50, 3);

        const auto begin = buffer.at(100);
        const auto later = buffer.at(120);

        QCOMPARE(buffer.end(), std::uint64_t(150));
        QCOMPARE(begin.size(), std::size_t(3));
        QVERIFY(begin[1] == begin[0] + 50 && begin[2] == begin[1] + 50);
        for (std::size_t column = 0; column < 3; ++column)
            QCOMPARE(later[column], begin[column] + 20);
    }

    void framesAreReleasedInOrderHoweverTheyWereAccepted()
    {
        const auto memory = std::make_shared<RangeMemory>(mebibyte);
        RangeBuffer buffer(*memory, 100, 30, 2);
        Sink sink;
        for (const std::uint64_t first : {120, 100, 110}) {
            fill(buffer, first, 10);
            buffer.accept(first, 10, std::vector<BinSummary>(2));
        }

        buffer.release(120, sink);

        QCOMPARE(sink.handed.size(), std::size_t(2));
        buffer.release(120, sink);
        QCOMPARE(sink.handed.size(), std::size_t(2));
        buffer.release(130, sink);
        QCOMPARE(sink.handed.size(), std::size_t(3));
        std::uint64_t next = 100;
        for (const auto &one : sink.handed) {
            QCOMPARE(one.first, next);
            QCOMPARE(one.bins, std::size_t(2));
            for (std::size_t i = 0; i < 10; ++i) {
                QCOMPARE(one.columns[0][i], double(next + i));
                QCOMPARE(one.columns[1][i], double(next + i) + 1000);
            }
            next += 10;
        }
    }

    void rowsLiveAsLongAsTheirOwner()
    {
        auto memory = std::make_shared<RangeMemory>(0);
        Sink sink;
        const double *values = nullptr;
        {
            RangeBuffer buffer(*memory, 0, 1000, 1);
            fill(buffer, 0, 1000);
            values = buffer.at(0)[0];
            buffer.accept(0, 1000, {});
            buffer.release(1000, sink);
        }
        memory.reset();

        QCOMPARE(values[999], 999.0);
        sink.handed.clear();
    }
};

QTEST_GUILESS_MAIN(TestRangeBuffer)
#include "tst_rangebuffer.moc"
