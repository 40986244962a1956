#include "workers/protocol/frame.h"

#include <QTest>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <limits>
#include <set>

using namespace millrace;

namespace {

using Bytes = std::array<std::byte, headerBytes>;

FrameHeader rowsHeader()
{
    return {FrameType::Rows, 0x1234, 24, 3, 0x0102030405060708, 0x11223344};
}

/// A header with one byte set to `value` and the checksum put right again: only the value can be wrong.
Bytes with(Bytes bytes, std::size_t at, std::uint8_t value)
{
    bytes[at] = std::byte(value);
    const auto checksum = std::uint32_t(XXH3_64bits(bytes.data(), headerBytes - 4));
    std::memcpy(bytes.data() + headerBytes - 4, &checksum, 4);
    return bytes;
}

std::string refusal(const Bytes &bytes)
{
    const auto decoded = decodeHeader(bytes);
    const auto *error = std::get_if<std::string>(&decoded);
    return error ? *error : std::string();
}

} // namespace

class TestFrame : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void headerIsReadBackAsWritten()
    {
        std::vector<FrameHeader> headers{rowsHeader()};
        for (int type = int(FrameType::Hello); type <= int(FrameType::Pong); ++type) {
            const bool isRows = FrameType(type) == FrameType::Rows;
            headers.push_back({FrameType(type), 0, 0, isRows ? 1u : 0u, 0, 0});
            headers.push_back({FrameType(type), 0xffff, controlBytesMax, isRows ? 1u : 0u, 0, 0});
        }
        headers.push_back({FrameType::Rows, 0xffff, rowsBytesMax, std::numeric_limits<std::uint32_t>::max(),
                           std::numeric_limits<std::uint64_t>::max(),
                           std::numeric_limits<std::uint32_t>::max()});

        for (const FrameHeader &header : headers) {
            const auto decoded = decodeHeader(encodeHeader(header));

            QVERIFY(std::holds_alternative<FrameHeader>(decoded));
            QCOMPARE(std::get<FrameHeader>(decoded), header);
        }
    }

    void fieldsStandWhereTheDocumentSays()
    {
        const Bytes bytes = encodeHeader(rowsHeader());

        const auto hex = QByteArray(reinterpret_cast<const char *>(bytes.data()), 28).toHex(' ');
        QCOMPARE(hex, QByteArray("4d 4c 52 43 06 00 34 12 18 00 00 00 03 00 00 00 "
                                 "08 07 06 05 04 03 02 01 44 33 22 11"));
        std::uint32_t checksum = 0;
        std::memcpy(&checksum, bytes.data() + 28, 4);
        QCOMPARE(checksum, std::uint32_t(XXH3_64bits(bytes.data(), 28)));
    }

    void everyFlippedBitIsRefused()
    {
        for (const FrameHeader &header : {rowsHeader(), FrameHeader{FrameType::Lease, 1, 30, 0, 0, 0}}) {
            const Bytes whole = encodeHeader(header);
            for (std::size_t bit = 0; bit < 8 * headerBytes; ++bit) {
                Bytes bytes = whole;
                bytes[bit / 8] ^= std::byte(1u << bit % 8);

                QVERIFY2(!refusal(bytes).empty(), QByteArray::number(qsizetype(bit)).constData());
            }
        }
    }

    void everyPairOfFlippedBitsIsRefused()
    {
        const Bytes whole = encodeHeader(rowsHeader());
        for (std::size_t one = 0; one < 8 * headerBytes; ++one) {
            for (std::size_t other = one + 1; other < 8 * headerBytes; ++other) {
                Bytes bytes = whole;
                bytes[one / 8] ^= std::byte(1u << one % 8);
                bytes[other / 8] ^= std::byte(1u << other % 8);

                QVERIFY(!refusal(bytes).empty());
            }
        }
    }

    void otherMagicIsNamed()
    {
        const Bytes bytes = with(encodeHeader(rowsHeader()), 0, 'G');

        QCOMPARE(refusal(bytes), "no frame begins with 0x43524c47");
    }

    void wrongChecksumIsRefused()
    {
        Bytes bytes = encodeHeader(rowsHeader());
        bytes[8] = std::byte(25);

        QCOMPARE(refusal(bytes), "a frame header has a wrong checksum");
    }

    void unknownTypeIsRefused()
    {
        for (const int type : {0, 19, 20, 127, 128, 255}) {
            const Bytes bytes = with(encodeHeader({}), 4, std::uint8_t(type));

            QCOMPARE(refusal(bytes), "unknown frame type " + std::to_string(type));
        }
    }

    void reservedByteMustBeZero()
    {
        for (int value = 1; value < 256; ++value) {
            const Bytes bytes = with(encodeHeader(rowsHeader()), 5, std::uint8_t(value));

            QCOMPARE(refusal(bytes), "a reserved byte of a frame header is not 0");
        }
    }

    void payloadOverTheLimitIsRefused()
    {
        const auto controlRefusal = refusal(encodeHeader({FrameType::Prepare, 0, controlBytesMax + 1}));
        const auto rowsRefusal = refusal(encodeHeader({FrameType::Rows, 0, rowsBytesMax + 1, 1}));

        QCOMPARE(controlRefusal, "Prepare frame with a payload of 1048577 bytes, over the limit");
        QCOMPARE(rowsRefusal, "Rows frame with a payload of 8388609 bytes, over the limit");
        QVERIFY(!refusal(encodeHeader({FrameType::Log, 0, 0xffffffff})).empty());
    }

    void rowNumbersBelongToRowsOnly()
    {
        const std::string wrongLease = "Lease frame with impossible row numbers";

        QCOMPARE(refusal(encodeHeader({FrameType::Lease, 0, 0, 1, 0, 0})), wrongLease);
        QCOMPARE(refusal(encodeHeader({FrameType::Lease, 0, 0, 0, 1, 0})), wrongLease);
        QCOMPARE(refusal(encodeHeader({FrameType::Lease, 0, 0, 0, 0, 1})), wrongLease);
        QCOMPARE(refusal(encodeHeader({FrameType::Rows, 0, 8, 0, 1, 0})),
                 "Rows frame with impossible row numbers");
    }

    void everyTypeHasAName()
    {
        std::set<std::string_view> names;
        for (int type = int(FrameType::Hello); type <= int(FrameType::Pong); ++type)
            names.insert(frameName(FrameType(type)));

        QCOMPARE(names.size(), std::size_t(18));
        QVERIFY(!names.contains("unknown"));
        QCOMPARE(frameName(FrameType(77)), std::string_view("unknown"));
    }
};

QTEST_GUILESS_MAIN(TestFrame)
#include "tst_frame.moc"
