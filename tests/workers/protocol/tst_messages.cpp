#include "workers/protocol/messages.h"

#include <QCborArray>
#include <QCborMap>
#include <QCborValue>
#include <QTest>
#include <QUuid>

#include <cmath>
#include <limits>
#include <set>

using namespace millrace;

namespace {

FrameType typeOf(const QByteArray &frame)
{
    return FrameType(frame.at(4));
}

std::variant<Message, std::string> decoded(FrameType type, const QByteArray &payload)
{
    return decodeMessage(type, std::as_bytes(std::span(payload.constData(), std::size_t(payload.size()))));
}

std::variant<Message, std::string> decoded(FrameType type, const QCborValue &payload)
{
    return decoded(type, payload.toCbor());
}

QByteArray payloadOf(const QByteArray &frame)
{
    return frame.sliced(headerBytes);
}

/// The sentence of a refusal; empty if it was taken.
std::string refusal(FrameType type, const QCborValue &payload)
{
    const auto result = decoded(type, payload);
    const auto *error = std::get_if<std::string>(&result);
    return error ? *error : std::string();
}

RunShape shape()
{
    RunShape result;
    result.series = {{"price", "EUR", 10.5}, {"größe", "", std::nullopt}, {"tiny", "m", 5e-324}};
    result.rows = indexMax;
    result.repeatable = false;
    result.splittable = false;
    result.timed = true;
    result.leaseRows = 7;
    result.pacing = 0.1;
    return result;
}

/// Each message at least once, with its extremes.
std::vector<Message> samples()
{
    RunShape wide;
    wide.series.assign(seriesMax, {std::string(256, 'n'), std::string(256, 'u'), -1e308});
    Prepare full{"monte-carlo",
                 {{"spot", 100.0},
                  {"paths", std::int64_t(1'000'000)},
                  {"low", std::numeric_limits<std::int64_t>::min()},
                  {"high", std::numeric_limits<std::int64_t>::max()},
                  {"whole", 2.0},
                  {"zero", -0.0},
                  {"text", std::string("größer \n\x7f")},
                  {"long", std::string(textBytesMax, 'x')},
                  {"empty", std::string()},
                  {"on", true},
                  {"off", false}},
                 indexMax,
                 indexMax,
                 4096,
                 4096,
                 0xffff};
    return {
        Hello{1, 0, "helper", "helper 1.0", {"a", "b"}},
        Hello{0xffff, 0xffff, std::string(256, 'p'), "", {}},
        Prepare{"count", {}, 0, std::nullopt, 0, 0, 0},
        full,
        Prepared{shape()},
        Prepared{wide},
        Prepared{RunShape{{{"", "", std::nullopt}}, 0, true, true, false, 0}},
        Refused{{{"spot", "spot must be a number"}, {"", "these do not go together"}}},
        Lease{0, 0, 1, false},
        Lease{indexMax, indexMax - 1, indexMax, true},
        Done{0, 0, true},
        Done{indexMax, indexMax, false},
        GiveBack{indexMax},
        GivenBack{3, true},
        GivenBack{indexMax, false},
        Park{},
        Parked{},
        Unpark{},
        Stop{},
        Bye{},
        Failed{"std::runtime_error", "no such file", "main\nfill", 12},
        Failed{"", "", "", std::nullopt},
        Log{Log::Level::Error, "half of it is missing", indexMax},
        Log{Log::Level::Info, "", 0},
        Ping{0},
        Pong{indexMax},
    };
}

bool isOptional(FrameType type, const QString &key)
{
    return (key == QLatin1String("rows") && type != FrameType::Done) || key == QLatin1String("row");
}

/// Whether a value of `other`'s type may stand where `value` does.
bool isInterchangeable(const QCborValue &value, const QCborValue &other)
{
    return value.type() == other.type() || (value.isBool() && other.isBool()) ||
           (value.isDouble() && other.isInteger());
}

const QCborValue oneOfEachType[] = {
    QCborValue(true),
    QCborValue(7),
    QCborValue(7.5),
    QCborValue(QStringLiteral("text")),
    QCborValue(QByteArray("bytes")),
    QCborArray{1},
    QCborMap{{1, 2}},
    QCborValue(nullptr),
    QCborValue(QCborValue::Undefined),
    QCborValue(QCborSimpleType(99)),
    QCborValue(QCborTag(1000), 7),
    QCborValue(QUuid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)),
};

} // namespace

class TestMessages : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void messageIsReadBackAsWritten()
    {
        std::set<FrameType> types;
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 0xfedc);
            const auto header = decodeHeader(std::span<const std::byte, headerBytes>(
                reinterpret_cast<const std::byte *>(frame.data()), headerBytes));

            QVERIFY(std::holds_alternative<FrameHeader>(header));
            const auto &read = std::get<FrameHeader>(header);
            QCOMPARE(read.epoch, std::uint16_t(0xfedc));
            QCOMPARE(qsizetype(read.payloadBytes), frame.size() - qsizetype(headerBytes));
            const auto result = decoded(read.type, payloadOf(frame));
            QVERIFY2(std::holds_alternative<Message>(result), frameName(read.type).data());
            QVERIFY2(std::get<Message>(result) == message, frameName(read.type).data());
            types.insert(read.type);
        }
        QCOMPARE(types.size(), std::variant_size_v<Message>);
    }

    void emptyMessageHasNoPayload()
    {
        QCOMPARE(encodeMessage(Park{}, 1).size(), qsizetype(headerBytes));
        QVERIFY(std::holds_alternative<Message>(decoded(FrameType::Park, QCborMap())));
    }

    void everyMissingKeyIsNamed()
    {
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 1);
            const QCborMap whole = QCborValue::fromCbor(payloadOf(frame)).toMap();
            for (const QCborValue &key : whole.keys()) {
                QCborMap map = whole;
                map.remove(key);

                const std::string error = refusal(typeOf(frame), map);

                if (isOptional(typeOf(frame), key.toString()))
                    QCOMPARE(error, std::string());
                else
                    QVERIFY2(error.find("\"" + key.toString().toStdString() + "\"") != std::string::npos,
                             (error + ", without " + key.toString().toStdString()).c_str());
            }
        }
    }

    void everyValueOfAnotherTypeIsNamed()
    {
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 1);
            const QCborMap whole = QCborValue::fromCbor(payloadOf(frame)).toMap();
            for (const QCborValue &key : whole.keys()) {
                for (const QCborValue &other : oneOfEachType) {
                    const bool isNothing = other.isNull() || other.isUndefined();
                    if (isInterchangeable(whole.value(key), other) ||
                        (isNothing && isOptional(typeOf(frame), key.toString())))
                        continue;
                    QCborMap map = whole;
                    map.insert(key, other);

                    const std::string error = refusal(typeOf(frame), map);

                    QVERIFY2(error.starts_with(frameName(typeOf(frame))), error.c_str());
                    QVERIFY2(error.find("\"" + key.toString().toStdString() + "\"") != std::string::npos,
                             (error + ", with a wrong " + key.toString().toStdString()).c_str());
                }
            }
        }
    }

    void valueOutOfRangeIsNamed_data()
    {
        QTest::addColumn<int>("sample"); // in samples()
        QTest::addColumn<QString>("key");
        QTest::addColumn<QCborValue>("value");

        const auto row = [](int sample, const char *key, const QCborValue &value) {
            const QByteArray name =
                QByteArray::number(sample) + " " + key + " " + value.toDiagnosticNotation().left(20).toUtf8();
            QTest::newRow(name.constData()) << sample << QString::fromUtf8(key) << value;
        };
        const QCborValue beyond = QCborValue::fromCbor(QByteArray::fromHex("1b8000000000000000"));
        const QCborValue list = QCborArray{QCborMap()};
        row(0, "major", 0x10000);
        row(0, "minor", -1);
        row(0, "program", QString(257, QLatin1Char('x')));
        row(0, "build", QString(129, QChar(0xe9)));
        row(0, "capabilities", QCborArray{1});
        row(0, "capabilities", QCborArray::fromVariantList(QVariantList(65, QStringLiteral("x"))));
        row(3, "task", QString(257, QLatin1Char('x')));
        row(3, "parameters", QCborMap{{1, 2}});
        row(3, "parameters", QCborMap{{QStringLiteral("a"), QCborArray()}});
        row(3, "parameters", QCborMap{{QStringLiteral("a"), nullptr}});
        row(3, "seed", -1);
        row(3, "seed", beyond);
        row(3, "rows", -1);
        row(3, "rows", beyond);
        row(3, "threads", 4097);
        row(3, "slot", 4097);
        row(3, "epoch", 0x10000);
        row(4, "series", QCborArray());
        row(4, "series", QCborArray::fromVariantList(QVariantList(seriesMax + 1, QVariantMap())));
        row(4, "pacing", -0.5);
        row(4, "pacing", qInf());
        row(4, "pacing", qQNaN());
        row(7, "errors", QCborArray());
        row(7, "errors", QCborArray::fromVariantList(QVariantList(257, QVariantMap())));
        row(8, "end", 0);
        row(8, "lease", beyond);
        row(9, "begin", qint64(indexMax));
        row(10, "rows", -1);
        row(20, "row", -1);
        row(20, "type", QString(3 * 256 + 1, QLatin1Char('x')));
        row(20, "message", QString(3 * 65536 + 1, QLatin1Char('x')));
        row(20, "trace", QString(3 * 65536 + 1, QLatin1Char('x')));
        row(22, "level", 3);
        row(22, "text", QString(3 * 4096 + 1, QLatin1Char('x')));
        row(22, "count", -1);
        row(24, "id", beyond);
    }

    void valueOutOfRangeIsNamed()
    {
        QFETCH(int, sample);
        QFETCH(QString, key);
        QFETCH(QCborValue, value);
        const QByteArray frame = encodeMessage(samples()[std::size_t(sample)], 1);
        QCborMap map = QCborValue::fromCbor(payloadOf(frame)).toMap();
        QVERIFY(map.contains(key));
        map.insert(key, value);

        const std::string error = refusal(typeOf(frame), map);

        QVERIFY2(error.find("\"" + key.toStdString() + "\"") != std::string::npos, error.c_str());
    }

    void innerMapsAreChecked()
    {
        const auto prepared = [](const QCborValue &entry) {
            QCborMap map = QCborValue::fromCbor(payloadOf(encodeMessage(Prepared{shape()}, 1))).toMap();
            map.insert(QStringLiteral("series"), QCborArray{entry});
            return refusal(FrameType::Prepared, map);
        };
        const auto refused = [](const QCborValue &entry) {
            return refusal(FrameType::Refused, QCborMap{{QStringLiteral("errors"), QCborArray{entry}}});
        };
        const auto name = QStringLiteral("name");
        const auto unit = QStringLiteral("unit");
        const auto reference = QStringLiteral("reference");

        QVERIFY(prepared(7).find("\"name\"") != std::string::npos);
        QVERIFY(prepared(QCborMap{{unit, unit}}).find("\"name\"") != std::string::npos);
        QVERIFY(prepared(QCborMap{{name, name}}).find("\"unit\"") != std::string::npos);
        for (const QCborValue &value : {QCborValue(name), QCborValue(qQNaN()), QCborValue(qInf())}) {
            const QCborMap entry{{name, name}, {unit, unit}, {reference, value}};
            QVERIFY(prepared(entry).find("\"reference\"") != std::string::npos);
        }
        QCOMPARE(prepared(QCborMap{{name, name}, {unit, unit}, {reference, 7}}), std::string());
        QVERIFY(refused(7).find("\"parameter\"") != std::string::npos);
        QVERIFY(refused(QCborMap{{QStringLiteral("parameter"), name}}).find("\"sentence\"") !=
                std::string::npos);
    }

    void unknownKeysArePassedOver()
    {
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 1);
            QCborMap map = QCborValue::fromCbor(payloadOf(frame)).toMap();
            map.insert(QStringLiteral("from the future"), QCborArray{QCborMap{{1, 2}}, 3});
            map.insert(7, nullptr);

            const auto result = decoded(typeOf(frame), map);

            QVERIFY(std::holds_alternative<Message>(result));
            QVERIFY(std::get<Message>(result) == message);
        }
    }

    void anyCborFormOfAValueIsTaken()
    {
        // {"id": 7} with an 8 byte integer, in a map and with a key of indefinite length
        const auto ping = decoded(FrameType::Ping, QByteArray::fromHex("bf7f61696164ff1b0000000000000007ff"));
        QVERIFY(std::holds_alternative<Message>(ping));
        QCOMPARE(std::get<Ping>(std::get<Message>(ping)), Ping{7});

        QCborMap map = QCborValue::fromCbor(payloadOf(encodeMessage(Prepared{shape()}, 1))).toMap();
        map.insert(QStringLiteral("pacing"), 0.5);
        const auto options = QCborValue::EncodingOptions(QCborValue::UseFloat16);
        const auto prepared = decoded(FrameType::Prepared, QCborValue(map).toCbor(options));
        QVERIFY(std::holds_alternative<Message>(prepared));
        QCOMPARE(std::get<Prepared>(std::get<Message>(prepared)).shape.pacing, 0.5);
    }

    void truncatedPayloadIsRefused()
    {
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 1);
            const QByteArray payload = payloadOf(frame);
            const qsizetype step = std::max<qsizetype>(1, payload.size() / 500);
            for (qsizetype size = 0; size < payload.size(); size += step)
                QVERIFY(std::holds_alternative<std::string>(decoded(typeOf(frame), payload.first(size))));
        }
    }

    void bytesBehindTheMapAreRefused()
    {
        const QByteArray payload = payloadOf(encodeMessage(Ping{1}, 1));

        QVERIFY(std::holds_alternative<std::string>(decoded(FrameType::Ping, payload + payload)));
        QVERIFY(std::holds_alternative<std::string>(decoded(FrameType::Ping, payload + QByteArray(1, '\0'))));
    }

    void payloadThatIsNoMapIsRefused()
    {
        for (const QCborValue &value : oneOfEachType) {
            if (value.isMap())
                continue;
            QVERIFY(!refusal(FrameType::Ping, value).empty());
            QVERIFY(!refusal(FrameType::Park, value).empty());
        }
    }

    void flippedBitGivesAMessageOrARefusal()
    {
        for (const Message &message : samples()) {
            const QByteArray frame = encodeMessage(message, 1);
            const QByteArray payload = payloadOf(frame);
            const qsizetype step = payload.size() > 4096 ? payload.size() / 25 | 1 : 1;
            for (qsizetype bit = 0; bit < 8 * payload.size(); bit += step) {
                QByteArray flipped = payload;
                flipped[bit / 8] = char(flipped[bit / 8] ^ (1 << bit % 8));

                const auto result = decoded(typeOf(frame), flipped);

                if (const auto *error = std::get_if<std::string>(&result)) {
                    QVERIFY(error->starts_with(frameName(typeOf(frame))));
                    continue;
                }
                const QByteArray again = encodeMessage(std::get<Message>(result), 1);
                QCOMPARE(typeOf(again), typeOf(frame));
                QVERIFY(decoded(typeOf(again), payloadOf(again)) == result);
            }
        }
    }

    void hostileLengthsAreRefused_data()
    {
        QTest::addColumn<QByteArray>("payload");

        QTest::newRow("map") << QByteArray::fromHex("bb7fffffffffffffff");
        QTest::newRow("map of 2^32") << QByteArray::fromHex("ba ffffffff 6161 01");
        QTest::newRow("text") << QByteArray::fromHex("a1 7b 7fffffffffffffff 61");
        QTest::newRow("text of 1 GiB") << QByteArray::fromHex("a1 7a 40000000 61");
        QTest::newRow("list") << QByteArray::fromHex("a1 6161 9b 7fffffffffffffff 01");
        QTest::newRow("bytes") << QByteArray::fromHex("a1 6161 5b ffffffffffffffff 01");
        QTest::newRow("lists in lists") << QByteArray(1'000'000, '\x81');
        QTest::newRow("tags of tags") << QByteArray(1'000'000, '\xc1');
        QTest::newRow("endless lists in lists") << QByteArray(1'000'000, '\x9f');
    }

    void hostileLengthsAreRefused()
    {
        QFETCH(QByteArray, payload);

        for (int type = int(FrameType::Hello); type <= int(FrameType::Pong); ++type)
            QVERIFY(std::holds_alternative<std::string>(decoded(FrameType(type), payload)));
    }

    void rowsAreNoControlMessage() { QVERIFY(!refusal(FrameType::Rows, QCborMap()).empty()); }

    void longTextsAreCutBetweenCharacters()
    {
        const auto cutOf = [](const std::string &text) {
            const QByteArray frame = encodeMessage(Log{Log::Level::Info, text, 1}, 1);
            return std::get<Log>(std::get<Message>(decoded(FrameType::Log, payloadOf(frame)))).text;
        };
        for (std::size_t lead = 0; lead < 4; ++lead) {
            const std::string text = std::string(lead, 'x') + QByteArray("€").repeated(2000).toStdString();

            const std::string cut = cutOf(text);

            QVERIFY(cut.size() <= 4096 && cut.size() > 4096 - 3);
            QVERIFY(text.starts_with(cut));
            QCOMPARE((cut.size() - lead) % 3, std::size_t(0));
        }
        QCOMPARE(cutOf(std::string(5000, 'x')).size(), std::size_t(4096));
    }

    void brokenTextsStillArrive()
    {
        const std::string broken(70'000, '\xff'); // each byte becomes the 3 bytes of U+FFFD
        const std::vector<ParameterError> errors(300, {broken, broken});
        const Message messages[] = {Failed{broken, broken, broken, 1}, Log{Log::Level::Info, broken, 1},
                                    Refused{errors}};
        for (const Message &message : messages) {
            const QByteArray frame = encodeMessage(message, 1);

            QVERIFY(frame.size() <= qsizetype(headerBytes + controlBytesMax));
            QVERIFY(std::holds_alternative<Message>(decoded(typeOf(frame), payloadOf(frame))));
        }
    }

    void referenceThatIsNoNumberIsLeftOut()
    {
        RunShape given = shape();
        given.series[0].reference = std::numeric_limits<double>::quiet_NaN();

        const auto result = decoded(FrameType::Prepared, payloadOf(encodeMessage(Prepared{given}, 1)));

        QVERIFY(!std::get<Prepared>(std::get<Message>(result)).shape.series[0].reference.has_value());
    }
};

QTEST_GUILESS_MAIN(TestMessages)
#include "tst_messages.moc"
