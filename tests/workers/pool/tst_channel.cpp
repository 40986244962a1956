#include "workers/pool/channel.h"

#include <QTest>

#include <atomic>
#include <cstring>
#include <functional>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace millrace;

namespace {

/// Writes down what a channel tells; takes rows of two columns.
class Client : public ChannelClient
{
public:
    std::vector<std::span<std::byte>> rowsBegin(unsigned, const FrameHeader &header) override
    {
        if (isRefusing)
            return {};
        rows.resize(rows.size() + 2 * header.rows);
        std::vector<std::span<std::byte>> places;
        double *at = rows.data() + rows.size() - 2 * header.rows;
        for (int column = 0; column < 2; ++column, at += header.rows)
            places.push_back(std::as_writable_bytes(std::span(at, header.rows)));
        return places;
    }
    void rowsPart(unsigned, FrameReader::Placed placed) override
    {
        ++parts;
        furthest = std::max(furthest, placed.column);
    }
    void rowsEnd(unsigned) override { ++frames; }
    void message(unsigned, std::uint16_t epoch, const Message &message) override
    {
        messages.push_back(message);
        epochs.push_back(epoch);
        if (onMessage)
            onMessage();
    }
    void broken(unsigned, const std::string &sentence) override { breaks.push_back(sentence); }
    void closed(unsigned, bool cut) override { closings.push_back(cut); }

    std::function<void()> onMessage;
    bool isRefusing = false;
    std::vector<double> rows;
    std::vector<Message> messages;
    std::vector<std::uint16_t> epochs;
    std::vector<std::string> breaks;
    std::vector<bool> closings;
    int frames = 0;
    int parts = 0;
    std::size_t furthest = 0;
};

/// A channel of slot 3 and its worker's end.
class Pair
{
public:
    Pair()
    {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            qFatal("no socketpair");
        channel = std::make_unique<Channel>(3, ends[0], client);
        m_worker = ends[1];
    }
    ~Pair() { closeWorker(); }

    bool write(const QByteArray &bytes)
    {
        qsizetype sent = 0;
        while (sent < bytes.size()) {
            const ssize_t count =
                ::send(m_worker, bytes.constData() + sent, std::size_t(bytes.size() - sent), MSG_NOSIGNAL);
            if (count <= 0)
                return false;
            sent += count;
        }
        return true;
    }
    QByteArray read(qsizetype bytes)
    {
        QByteArray result(bytes, '\0');
        const ssize_t count = ::recv(m_worker, result.data(), std::size_t(bytes), MSG_WAITALL);
        result.truncate(std::max<ssize_t>(0, count));
        return result;
    }
    void closeWorker()
    {
        if (m_worker >= 0)
            ::close(m_worker);
        m_worker = -1;
    }

    Client client;
    std::unique_ptr<Channel> channel;

private:
    int m_worker;
};

QByteArray rowsFrame(std::uint32_t rows, std::uint32_t sequence = 0)
{
    FrameHeader header;
    header.type = FrameType::Rows;
    header.epoch = 1;
    header.rows = rows;
    header.payloadBytes = rows * 16;
    header.lease = 1;
    header.sequence = sequence;
    const auto encoded = encodeHeader(header);
    QByteArray frame(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size()));
    for (std::uint32_t i = 0; i < 2 * rows; ++i) {
        const double value = sequence * 1e6 + i;
        frame.append(reinterpret_cast<const char *>(&value), sizeof value);
    }
    return frame;
}

Log logOf(const std::string &text)
{
    Log log;
    log.text = text;
    return log;
}

} // namespace

class TestChannel : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void messagesArriveHoweverTheirBytesAreSplit()
    {
        const QByteArray stream = encodeMessage(Hello(), 0) + rowsFrame(5) + encodeMessage(Parked(), 7) +
                                  encodeMessage(logOf("text"), 7);
        for (qsizetype step : {qsizetype(1), qsizetype(7), qsizetype(31), qsizetype(33), stream.size()}) {
            Pair pair;
            for (qsizetype at = 0; at < stream.size(); at += step) {
                pair.write(stream.mid(at, step));
                QCoreApplication::processEvents();
            }
            QTRY_COMPARE(pair.client.messages.size(), std::size_t(3));
            QVERIFY(std::holds_alternative<Hello>(pair.client.messages[0]));
            QCOMPARE(std::get<Log>(pair.client.messages[2]).text, "text");
            QCOMPARE(pair.client.epochs, std::vector<std::uint16_t>({0, 7, 7}));
            QCOMPARE(pair.client.frames, 1);
            for (std::size_t i = 0; i < 10; ++i)
                QCOMPARE(pair.client.rows[i], double(i));
            QVERIFY(pair.client.breaks.empty() && pair.client.closings.empty());
        }
    }

    void largeRowsAreReadStraightIntoTheirPlace()
    {
        constexpr std::uint32_t rows = 500'000;
        Pair pair;
        std::thread worker([&] { pair.write(rowsFrame(rows) + rowsFrame(3, 1)); });

        QTRY_COMPARE(pair.client.frames, 2);

        worker.join();
        for (std::size_t i = 0; i < 2 * rows; ++i)
            QCOMPARE(pair.client.rows[i], double(i));
        QCOMPARE(pair.client.rows[2 * rows + 5], 1e6 + 5);
        QVERIFY2(pair.client.parts > 10 && pair.client.furthest == 1, "it is told while it arrives");
    }

    void endOfTheWorkerIsToldOnce_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<bool>("isCut");
        const QByteArray message = encodeMessage(Parked(), 1);
        const QByteArray rows = rowsFrame(100);
        QTest::newRow("nothing") << QByteArray() << false;
        QTest::newRow("between frames") << message + rows << false;
        QTest::newRow("in a header") << message + rows.left(5) << true;
        QTest::newRow("after a header of rows") << rows.left(32) << true;
        QTest::newRow("in the first column") << rows.left(40) << true;
        QTest::newRow("before the last byte") << rows.left(rows.size() - 1) << true;
        QTest::newRow("in a message") << encodeMessage(logOf("long"), 1).chopped(1) << true;
    }

    void endOfTheWorkerIsToldOnce()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(bool, isCut);
        Pair pair;
        pair.write(bytes);
        pair.closeWorker();

        QTRY_COMPARE(pair.client.closings.size(), std::size_t(1));
        QCoreApplication::processEvents();
        pair.channel->drain();

        QCOMPARE(pair.client.closings, std::vector<bool>({isCut}));
        QVERIFY(pair.client.breaks.empty() && !pair.channel->isOpen());
    }

    void writeToADeadWorkerLosesNothingThatArrived()
    {
        constexpr int count = 100; // of 1,500 bytes and more
        const QByteArray stream = encodeMessage(logOf(std::string(1500, 'x')), 1).repeated(count);
        QVERIFY(stream.size() > 150'000);
        Pair pair;
        QVERIFY(pair.write(stream));
        pair.closeWorker();

        for (int i = 0; i < 3; ++i)
            pair.channel->send(Park(), 1);

        QTRY_COMPARE(pair.client.closings.size(), std::size_t(1));
        QCOMPARE(pair.client.messages.size(), std::size_t(count));
        QVERIFY(pair.client.breaks.empty() && !pair.client.closings[0]);
    }

    void drainReadsAllThatHadArrived()
    {
        const QByteArray stream = encodeMessage(logOf(std::string(1500, 'x')), 1).repeated(100);
        Pair pair;
        QVERIFY(pair.write(stream)); // the worker's end stays open, as in the hands of a grandchild

        pair.channel->drain();

        QCOMPARE(pair.client.messages.size(), std::size_t(100));
        QVERIFY(!pair.channel->isOpen() && pair.client.closings.empty());
        pair.channel->send(Park(), 1);
        pair.channel->drain();
    }

    void drainDoesNotReadAGrandchildsFloodForEver()
    {
        constexpr std::size_t floodMax = 1'000'000;
        const QByteArray message = encodeMessage(logOf("flood"), 1);
        Pair pair;
        pair.client.onMessage = [&] { // there is always one more
            if (pair.client.messages.size() < floodMax)
                pair.write(message);
        };
        pair.write(message.repeated(100));

        pair.channel->drain();

        QVERIFY(pair.client.messages.size() >= 100 && pair.client.messages.size() < floodMax);
        QVERIFY(!pair.channel->isOpen());
    }

    void bytesThatAreNoFramesBreakTheChannel_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("sentence");
        FrameHeader large;
        large.type = FrameType::Log;
        large.payloadBytes = controlBytesMax + 1;
        const auto header = [](const FrameHeader &one) {
            const auto encoded = encodeHeader(one);
            return QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size()));
        };
        FrameHeader rows;
        rows.type = FrameType::Rows;
        rows.rows = 1;
        rows.payloadBytes = 0xffffffff;
        QByteArray flipped = encodeMessage(Parked(), 1);
        flipped[6] = char(flipped[6] ^ 1);
        QByteArray noCbor = encodeMessage(logOf("text"), 1);
        std::memset(noCbor.data() + headerBytes, 0xff, std::size_t(noCbor.size()) - headerBytes);
        QTest::newRow("garbage") << QByteArray(1000, 'x')
                                 << QStringLiteral("no frame begins with 0x78787878");
        QTest::newRow("flipped bit") << flipped << QStringLiteral("a frame header has a wrong checksum");
        QTest::newRow("oversized message") << header(large) << QStringLiteral("over the limit");
        QTest::newRow("oversized rows") << header(rows) << QStringLiteral("over the limit");
        QTest::newRow("no CBOR") << noCbor << QString();
    }

    void bytesThatAreNoFramesBreakTheChannel()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, sentence);
        Pair pair;
        pair.write(encodeMessage(Hello(), 0) + bytes + encodeMessage(Parked(), 1));

        QTRY_COMPARE(pair.client.breaks.size(), std::size_t(1));

        QVERIFY(QString::fromStdString(pair.client.breaks[0]).contains(sentence));
        QVERIFY(!pair.channel->isOpen());
        QCOMPARE(pair.client.messages.size(), std::size_t(1));
        QVERIFY2(pair.client.closings.empty(), "one word about it is enough");
    }

    void nothingIsReadAfterRowsThatWereRefused()
    {
        Pair pair;
        pair.client.isRefusing = true;
        pair.write(rowsFrame(10) + encodeMessage(Parked(), 1));

        QTRY_VERIFY(!pair.channel->isOpen());

        QVERIFY(pair.client.messages.empty() && pair.client.frames == 0);
        QVERIFY(pair.client.breaks.empty() && pair.client.closings.empty());
    }

    void workerThatNeverReadsBreaksTheChannel()
    {
        const Log log = logOf(std::string(1000, 'x'));
        Pair pair;
        qsizetype bytes = 0;
        while (pair.channel->isOpen() && bytes < 10 * Channel::queuedBytesMax) {
            pair.channel->send(log, 1);
            bytes += encodeMessage(log, 1).size();
        }

        QCOMPARE(pair.client.breaks, std::vector<std::string>({"does not read what it is sent"}));
        QVERIFY(bytes > Channel::queuedBytesMax);
        QVERIFY(bytes < 2 * Channel::queuedBytesMax);
    }

    void messagesWaitForAWorkerThatReadsLate()
    {
        const QByteArray message = encodeMessage(logOf(std::string(1000, 'x')), 9);
        constexpr int count = 1500;
        Pair pair;
        for (int i = 0; i < count; ++i)
            pair.channel->send(logOf(std::string(1000, 'x')), 9);

        QByteArray received;
        std::atomic<bool> isRead = false;
        std::thread worker([&] {
            received = pair.read(message.size() * count);
            isRead = true;
        });

        QTRY_VERIFY(isRead.load());
        worker.join();
        QVERIFY(received == message.repeated(count));
        QVERIFY(pair.channel->isOpen());
    }

    void clientMaySendFromWithinAMessage()
    {
        Pair pair;
        pair.client.onMessage = [&] { pair.channel->send(Park(), 2); };
        pair.write(encodeMessage(Hello(), 0));

        QTRY_COMPARE(pair.client.messages.size(), std::size_t(1));

        const QByteArray park = encodeMessage(Park(), 2);
        QCOMPARE(pair.read(park.size()), park);
    }
};

QTEST_GUILESS_MAIN(TestChannel)
#include "tst_channel.moc"
