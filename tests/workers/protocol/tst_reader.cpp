#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#include <QTest>

#include <cstdlib>
#include <cstring>
#include <new>

using namespace millrace;

namespace {

thread_local std::size_t largestAllocation = 0; // of the thread that tests: Qt Test has others

} // namespace

void *operator new(std::size_t size)
{
    largestAllocation = std::max(largestAllocation, size);
    if (void *memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

namespace {

using Event = FrameReader::Event;

/// What a reader made of a stream, in words: "Lease", "Rows 1/0: 1 2 | 3 4" (lease/sequence: columns).
struct Account
{
    std::vector<std::string> frames;
    std::string error;
    bool isWhole = true; ///< ended between two frames
    bool operator==(const Account &) const = default;
};

/// Reads a stream whose Rows have `columnCount` columns.
class Listener
{
public:
    explicit Listener(std::size_t columnCount) : m_columnCount(columnCount) {}

    /// Returns false when the stream is lost.
    bool feed(QByteArrayView bytes)
    {
        while (!bytes.isEmpty()) {
            const auto into = m_reader.wanted();
            const auto count = std::min(into.size(), std::size_t(bytes.size()));
            std::memcpy(into.data(), bytes.data(), count);
            bytes = bytes.sliced(qsizetype(count));
            if (!on(m_reader.advance(count)))
                return false;
        }
        return true;
    }

    Account account()
    {
        m_account.isWhole = m_reader.isBetweenFrames();
        return m_account;
    }
    FrameReader &reader() { return m_reader; }
    std::size_t parts = 0; ///< events that told of a part of a Rows frame

private:
    bool on(Event event)
    {
        switch (event) {
        case Event::More:
            break;
        case Event::RowsPart:
            ++parts;
            break;
        case Event::RowsBegin: {
            m_columns.assign(m_columnCount, std::vector<double>(m_reader.header().rows, -1));
            std::vector<std::span<std::byte>> places;
            for (auto &column : m_columns)
                places.push_back(std::as_writable_bytes(std::span(column)));
            m_reader.place(places);
            break;
        }
        case Event::RowsEnd:
            m_account.frames.push_back(rowsWords());
            break;
        case Event::Control: {
            const auto message = decodeMessage(m_reader.header().type, m_reader.payload());
            m_account.frames.push_back(std::holds_alternative<Message>(message)
                                           ? std::string(frameName(m_reader.header().type))
                                           : std::get<std::string>(message));
            break;
        }
        case Event::Invalid:
            m_account.error = m_reader.error();
            return false;
        }
        return true;
    }

    std::string rowsWords() const
    {
        const auto &header = m_reader.header();
        std::string words =
            "Rows " + std::to_string(header.lease) + "/" + std::to_string(header.sequence) + ":";
        for (std::size_t i = 0; i < m_columns.size(); ++i) {
            words += i > 0 ? " |" : "";
            for (const double value : m_columns[i])
                words += " " + QByteArray::number(value).toStdString();
        }
        return words;
    }

    const std::size_t m_columnCount;
    FrameReader m_reader;
    std::vector<std::vector<double>> m_columns;
    Account m_account;
};

QByteArray rowsFrame(std::uint64_t lease, std::uint32_t sequence,
                     const std::vector<std::vector<double>> &columns)
{
    FrameHeader header;
    header.type = FrameType::Rows;
    header.epoch = 1;
    header.lease = lease;
    header.sequence = sequence;
    header.rows = std::uint32_t(columns.front().size());
    header.payloadBytes = std::uint32_t(columns.size() * columns.front().size() * sizeof(double));
    const auto bytes = encodeHeader(header);
    QByteArray frame(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size()));
    for (const auto &column : columns)
        frame += QByteArray(reinterpret_cast<const char *>(column.data()),
                            qsizetype(column.size() * sizeof(double)));
    return frame;
}

QByteArray headerOnly(FrameType type, std::uint32_t payloadBytes, std::uint32_t rows = 0)
{
    const auto bytes = encodeHeader({type, 1, payloadBytes, rows, 0, 0});
    return QByteArray(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size()));
}

struct Stream
{
    std::size_t columnCount;
    QByteArray bytes;
    Account account;
    std::vector<qsizetype> ends; ///< of its frames
};

Stream stream(std::size_t columnCount)
{
    Stream result{columnCount, {}, {}, {}};
    const auto add = [&](const QByteArray &frame, const std::string &words) {
        result.bytes += frame;
        result.ends.push_back(result.bytes.size());
        result.account.frames.push_back(words);
    };
    add(encodeMessage(Unpark{}, 1), "Unpark");
    if (columnCount == 1) {
        add(rowsFrame(7, 0, {{1.5, 2}}), "Rows 7/0: 1.5 2");
        add(encodeMessage(Ping{300}, 1), "Ping");
        add(rowsFrame(7, 1, {{3}}), "Rows 7/1: 3");
    } else {
        add(rowsFrame(7, 0, {{1.5, 2}, {3, 4}, {5, 6}}), "Rows 7/0: 1.5 2 | 3 4 | 5 6");
        add(encodeMessage(Ping{300}, 1), "Ping");
        add(rowsFrame(7, 1, {{7}, {8}, {9}}), "Rows 7/1: 7 | 8 | 9");
    }
    add(encodeMessage(Done{7, 3, false}, 1), "Done");
    return result;
}

} // namespace

class TestReader : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void streamIsReadByteByByte()
    {
        for (const std::size_t columnCount : {1, 3}) {
            const Stream given = stream(columnCount);
            Listener listener(columnCount);

            for (qsizetype i = 0; i < given.bytes.size(); ++i)
                QVERIFY(listener.feed(QByteArrayView(given.bytes).sliced(i, 1)));

            QCOMPARE(listener.account(), given.account);
        }
    }

    void anyPairOfCutsGivesTheSameFrames()
    {
        for (const std::size_t columnCount : {1, 3}) {
            const Stream given = stream(columnCount);
            const QByteArrayView bytes(given.bytes);
            for (qsizetype first = 0; first <= bytes.size(); ++first) {
                for (qsizetype second = first; second <= bytes.size(); ++second) {
                    Listener listener(columnCount);

                    listener.feed(bytes.first(first));
                    listener.feed(bytes.sliced(first, second - first));
                    listener.feed(bytes.sliced(second));

                    QCOMPARE(listener.account(), given.account);
                }
            }
        }
    }

    void truncatedStreamHasItsWholeFrames()
    {
        for (const std::size_t columnCount : {1, 3}) {
            const Stream given = stream(columnCount);
            for (qsizetype cut = 0; cut <= given.bytes.size(); ++cut) {
                Listener listener(columnCount);

                QVERIFY(listener.feed(QByteArrayView(given.bytes).first(cut)));

                const auto whole = std::size_t(std::upper_bound(given.ends.begin(), given.ends.end(), cut) -
                                               given.ends.begin());
                const bool isEnd =
                    cut == 0 || std::find(given.ends.begin(), given.ends.end(), cut) != given.ends.end();
                QCOMPARE(listener.account().frames.size(), whole);
                QCOMPARE(listener.account().isWhole, isEnd);
            }
        }
    }

    void flippedBitOfAnyHeaderLosesTheStream()
    {
        const Stream given = stream(3);
        qsizetype begin = 0;
        for (std::size_t frame = 0; frame < given.ends.size(); begin = given.ends[frame++]) {
            for (qsizetype bit = 0; bit < qsizetype(8 * headerBytes); ++bit) {
                QByteArray bytes = given.bytes;
                bytes[begin + bit / 8] = char(bytes[begin + bit / 8] ^ (1 << bit % 8));
                Listener listener(3);

                QVERIFY(!listener.feed(bytes));

                QCOMPARE(listener.account().frames.size(), frame);
                QVERIFY(!listener.account().error.empty());
            }
        }
    }

    void columnsAreReadStraightIntoTheirPlaces()
    {
        std::vector<double> column(20'000, 2.5); // above what is staged, with two columns
        const QByteArray bytes = rowsFrame(1, 0, {column, column});
        std::vector<double> first(column.size()), second(column.size());
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bytes.data(), headerBytes);

        QCOMPARE(reader.advance(headerBytes), Event::RowsBegin);
        const std::span<std::byte> places[] = {std::as_writable_bytes(std::span(first)),
                                               std::as_writable_bytes(std::span(second))};
        reader.place(places);

        QCOMPARE(reader.wanted().data(), places[0].data());
        QCOMPARE(reader.advance(4), Event::RowsPart);
        QCOMPARE(reader.placed().bytes, std::size_t(4));
        QCOMPARE(reader.wanted().data(), places[0].data() + 4);
        QCOMPARE(reader.advance(places[0].size() - 4), Event::RowsPart);
        QCOMPARE(reader.placed().column, std::size_t(1));
        QCOMPARE(reader.wanted().data(), places[1].data());
        QVERIFY(!reader.isBetweenFrames());
        QCOMPARE(reader.advance(places[1].size()), Event::RowsEnd);
        QVERIFY(reader.isBetweenFrames());
    }

    void severalSmallColumnsComeInOneRead()
    {
        const QByteArray bytes = rowsFrame(1, 0, {{1, 2}, {3, 4}, {5, 6}});
        std::vector<double> columns(6);
        const auto memory = std::as_writable_bytes(std::span(columns));
        const std::span<std::byte> places[] = {memory.first(16), memory.subspan(16, 16), memory.last(16)};
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bytes.data(), headerBytes);
        reader.advance(headerBytes);
        reader.place(places);

        QCOMPARE(reader.wanted().size(), std::size_t(48));
        std::memcpy(reader.wanted().data(), bytes.data() + headerBytes, 48);
        QCOMPARE(reader.advance(48), Event::RowsEnd);

        QCOMPARE(columns, (std::vector<double>{1, 2, 3, 4, 5, 6}));
        QCOMPARE(reader.placed().column, std::size_t(3));
    }

    void hostileLengthReservesNothing_data()
    {
        QTest::addColumn<QByteArray>("bytes");

        QTest::newRow("control, 4 GiB") << headerOnly(FrameType::Prepare, 0xffffffff);
        QTest::newRow("control, over the limit by 1") << headerOnly(FrameType::Prepare, controlBytesMax + 1);
        QTest::newRow("rows, 4 GiB") << headerOnly(FrameType::Rows, 0xffffffff, 1);
        QTest::newRow("rows, over the limit by 1") << headerOnly(FrameType::Rows, rowsBytesMax + 1, 1);
        QTest::newRow("rows without a payload") << headerOnly(FrameType::Rows, 0, 0xffffffff);
    }

    void hostileLengthReservesNothing()
    {
        QFETCH(QByteArray, bytes);
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bytes.data(), headerBytes);
        largestAllocation = 0;

        const Event event = reader.advance(headerBytes);

        QCOMPARE(event, Event::Invalid);
        QVERIFY(largestAllocation < 1024);
    }

    void largestControlFrameReservesItsPayloadOnly()
    {
        const QByteArray bytes = headerOnly(FrameType::Prepare, controlBytesMax);
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bytes.data(), headerBytes);
        largestAllocation = 0;

        QCOMPARE(reader.advance(headerBytes), Event::More);

        QCOMPARE(largestAllocation, std::size_t(controlBytesMax));
        QCOMPARE(reader.wanted().size(), std::size_t(controlBytesMax));
    }

    void rowsReserveNothingBeforeTheirPlaceIsGiven()
    {
        const QByteArray bytes = headerOnly(FrameType::Rows, rowsBytesMax, rowsBytesMax / 8);
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bytes.data(), headerBytes);
        largestAllocation = 0;

        QCOMPARE(reader.advance(headerBytes), Event::RowsBegin);

        QVERIFY(largestAllocation < 1024);
    }

    void nothingIsReadAfterInvalid()
    {
        const QByteArray good = encodeMessage(Unpark{}, 1);
        const QByteArray bad(headerBytes, 'x');
        FrameReader reader;
        std::memcpy(reader.wanted().data(), bad.data(), headerBytes);

        QCOMPARE(reader.advance(headerBytes), Event::Invalid);

        const std::string error = reader.error();
        QCOMPARE(error, "no frame begins with 0x78787878");
        QCOMPARE(reader.advance(std::size_t(good.size())), Event::Invalid);
        QCOMPARE(reader.error(), error);
        QVERIFY(!reader.isBetweenFrames());
    }
};

QTEST_GUILESS_MAIN(TestReader)
#include "tst_reader.moc"
