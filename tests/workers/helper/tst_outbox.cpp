#include "tests/workers/helper/peer.h"

#include "workers/helper/outbox.h"

#include <QTest>

#include <numeric>
#include <sys/eventfd.h>
#include <thread>

using namespace millrace;
using namespace millrace::test;

namespace {

/// An outbox, and the end of its channel where the application would read.
struct Line
{
    SocketPair sockets;
    int wakeFd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    Peer peer{sockets.fds[0]};
    Outbox outbox{sockets.fds[1], wakeFd};

    ~Line()
    {
        ::close(sockets.fds[1]);
        ::close(wakeFd);
    }

    bool isWoken() const
    {
        pollfd wake{wakeFd, POLLIN, 0};
        return ::poll(&wake, 1, 0) == 1;
    }
};

/// `rows` rows of two columns, all of the value `sequence`.
bool sendRows(Outbox &outbox, std::uint32_t sequence, std::uint32_t rows)
{
    const std::vector<double> column(rows, sequence);
    const std::span<const std::byte> parts[] = {std::as_bytes(std::span(column)),
                                                std::as_bytes(std::span(column))};
    return outbox.sendRows({FrameType::Rows, 7, std::uint32_t(2 * rows * sizeof(double)), rows, 1, sequence},
                           parts);
}

Log line(std::size_t bytes)
{
    return {Log::Level::Info, std::string(bytes, 'x'), 1};
}

} // namespace

class TestOutbox : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void framesOfTwoThreadsStayWholeAndInOrder()
    {
        constexpr std::uint32_t frameCount = 2000;
        Line line;
        line.peer.setColumnCount(2);
        std::thread computing([&] {
            for (std::uint32_t i = 0; i < frameCount; ++i)
                sendRows(line.outbox, i, 1 + i * 37 % 3000);
        });
        std::thread answering([&] {
            for (std::uint32_t i = 0; i < frameCount; ++i)
                line.outbox.post(Pong{i}, 7);
            while (line.outbox.flush()) {
                pollfd socket{line.sockets.fds[1], POLLOUT, 0};
                ::poll(&socket, 1, -1);
            }
        });

        std::uint32_t rowsSeen = 0;
        std::uint32_t pongsSeen = 0;
        bool isInOrder = true;
        while (rowsSeen < frameCount || pongsSeen < frameCount) {
            const auto frame = line.peer.next();
            if (!frame)
                break;
            if (frame->isRows()) {
                const std::vector<double> column(1 + rowsSeen * 37 % 3000, rowsSeen);
                isInOrder = isInOrder && frame->header.sequence == rowsSeen && frame->columns[0] == column &&
                            frame->columns[1] == column;
                ++rowsSeen;
            } else {
                isInOrder = isInOrder && frame->get<Pong>() && frame->get<Pong>()->id == pongsSeen;
                ++pongsSeen;
            }
        }
        line.peer.close(); // lets both threads end, whatever was wrong
        computing.join();
        answering.join();

        QCOMPARE(line.peer.error(), std::string());
        QVERIFY(isInOrder);
        QCOMPARE(rowsSeen, frameCount);
        QCOMPARE(pongsSeen, frameCount);
    }

    void rowsOfManyColumnsArriveWhole()
    {
        constexpr std::size_t columnCount = 1025; // more than one call of sendmsg() takes
        Line line;
        line.peer.setColumnCount(columnCount);
        std::vector<double> values(columnCount);
        std::iota(values.begin(), values.end(), 0.5);
        std::vector<std::span<const std::byte>> parts;
        for (const double &value : values)
            parts.push_back(std::as_bytes(std::span(&value, 1)));

        QVERIFY(line.outbox.sendRows({FrameType::Rows, 7, columnCount * sizeof(double), 1, 1, 0}, parts));

        const auto frame = line.peer.next();
        QVERIFY(frame && frame->isRows());
        for (std::size_t i = 0; i < columnCount; ++i)
            QCOMPARE(frame->columns[i], std::vector<double>{values[i]});
    }

    void postNeverWaitsWhenNobodyReads()
    {
        constexpr std::uint64_t messageCount = 50'000;
        Line line;

        for (std::uint64_t i = 0; i < messageCount; ++i)
            line.outbox.post(Pong{i}, 7);

        QVERIFY(line.isWoken());
        QVERIFY(line.outbox.flush());
        for (std::uint64_t i = 0; i < messageCount; ++i) {
            const auto pong = line.peer.nextMessage<Pong>();
            QVERIFY(pong && pong->id == i);
            line.outbox.flush();
        }
        QVERIFY(!line.outbox.flush());
    }

    void postNeverWaitsForRowsOnTheirWay()
    {
        constexpr std::uint32_t rows = rowsBytesMax / 16; // far more than a socket holds
        Line line;
        line.peer.setColumnCount(2);
        std::thread computing([&] { sendRows(line.outbox, 0, rows); });
        pollfd readable{line.peer.fd(), POLLIN, 0};
        ::poll(&readable, 1, 20'000); // the frame has begun, and cannot end while nobody reads

        line.outbox.post(Pong{1}, 7);

        const auto frame = line.peer.next();
        const auto pong = line.peer.nextMessage<Pong>();
        line.peer.close();
        computing.join();
        QVERIFY(frame && frame->isRows());
        QCOMPARE(frame->columns[1].size(), std::size_t(rows));
        QVERIFY(pong.has_value());
    }

    void messageIsWrittenAtOnceWhenTheSocketTakesIt()
    {
        Line line;

        line.outbox.post(Pong{1}, 7);

        QVERIFY(!line.outbox.flush());
        QVERIFY(!line.isWoken());
        QCOMPARE(line.peer.nextMessage<Pong>(), Pong{1});
    }

    void droppedLogsAreCounted()
    {
        constexpr std::uint64_t logCount = 10'000;
        Line line;
        for (std::uint64_t i = 0; i < logCount; ++i)
            line.outbox.post(::line(1000), 7);
        line.outbox.post(Pong{1}, 7); // is queued all the same

        std::uint64_t arrived = 0;
        for (;;) {
            const auto frame = line.peer.next();
            line.outbox.flush();
            if (!frame || frame->get<Pong>())
                break;
            QVERIFY(frame->get<Log>() && *frame->get<Log>() == ::line(1000));
            ++arrived;
        }
        line.outbox.post(::line(1), 7);
        const auto lost = line.peer.nextMessage<Log>();
        const auto last = line.peer.nextMessage<Log>();

        QCOMPARE(line.peer.error(), std::string());
        QVERIFY(arrived > 100 && arrived < 1000);
        QVERIFY(lost && lost->level == Log::Level::Warning);
        QCOMPARE(lost->count, logCount - arrived);
        QCOMPARE(last, ::line(1));
    }

    void droppedCountIsToldOnce()
    {
        Line line;
        for (int i = 0; i < 2000; ++i)
            line.outbox.post(::line(1000), 7);
        line.outbox.post(Pong{1}, 7);
        while (!line.peer.nextMessage<Pong>() && line.peer.error().empty())
            line.outbox.flush();

        line.outbox.post(::line(1), 7);
        line.outbox.post(::line(2), 7);

        QVERIFY(line.peer.nextMessage<Log>()->level == Log::Level::Warning);
        QCOMPARE(line.peer.nextMessage<Log>(), ::line(1));
        QCOMPARE(line.peer.nextMessage<Log>(), ::line(2));
    }

    void brokenSocketIsTold()
    {
        Line line;
        QVERIFY(!line.outbox.isBroken());
        line.peer.close();

        const bool isSent = sendRows(line.outbox, 0, 1);
        line.outbox.post(Pong{1}, 7);

        QVERIFY(!isSent);
        QVERIFY(line.outbox.isBroken());
        QVERIFY(!line.outbox.flush());
        QVERIFY(!sendRows(line.outbox, 1, 1));
    }

    void postFindsABrokenSocketToo()
    {
        Line line;
        line.peer.close();

        line.outbox.post(Pong{1}, 7);

        QVERIFY(line.outbox.isBroken());
    }

    void rowsThatWaitEndWithTheChannel()
    {
        Line line;
        bool isSent = true;
        std::thread computing([&] { isSent = sendRows(line.outbox, 0, rowsBytesMax / 16); });
        pollfd readable{line.peer.fd(), POLLIN, 0};
        ::poll(&readable, 1, 20'000);

        line.peer.close();
        computing.join();

        QVERIFY(!isSent);
        QVERIFY(line.outbox.isBroken());
    }

    void rowsThatWaitBehindMessagesEndWithTheChannel()
    {
        Line line;
        for (int i = 0; i < 50'000; ++i)
            line.outbox.post(Pong{1}, 7);
        bool isSent = true;
        std::thread computing([&] { isSent = sendRows(line.outbox, 0, 1); });

        line.peer.close();
        computing.join();

        QVERIFY(!isSent);
    }
};

QTEST_GUILESS_MAIN(TestOutbox)
#include "tst_outbox.moc"
