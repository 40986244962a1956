#include "workers/protocol/messages.h"

#include <QCborArray>
#include <QCborMap>
#include <QCborValue>

#include <cmath>

namespace millrace {

namespace {

constexpr std::size_t logBytesMax = 4 * 1024;
constexpr std::size_t failureBytesMax = 64 * 1024;
constexpr std::size_t nameBytesMax = 256;
constexpr std::size_t listMax = 4096;
constexpr std::size_t errorsMax = 256;
/// Most errors of a Refused that are sent: with the longest texts they still fit a frame.
constexpr std::size_t errorsSentMax = 64;
/// A text cut at a byte count can grow when broken characters become U+FFFD: the reader allows for it.
constexpr std::size_t growthMax = 3;

QString toQString(const std::string &text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

/// A text cut to its limit, still valid UTF-8.
QString shortened(const std::string &text, std::size_t bytesMax)
{
    std::size_t cut = std::min(text.size(), bytesMax);
    while (cut > 0 && cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80)
        --cut;
    return QString::fromUtf8(text.data(), qsizetype(cut));
}

QCborValue integer(std::uint64_t value)
{
    return QCborValue(qint64(std::min(value, indexMax)));
}

/// Reads the keys of one map; remembers the first thing that is wrong.
class MapReader
{
public:
    explicit MapReader(const QCborMap &map) : m_map(map) {}

    std::uint64_t unsignedInteger(QLatin1String key, std::uint64_t max = indexMax)
    {
        const QCborValue value = m_map.value(key);
        if (!value.isInteger() || value.toInteger() < 0 || std::uint64_t(value.toInteger()) > max)
            return fail(key, "a whole number from 0 to " + std::to_string(max)), 0;
        return std::uint64_t(value.toInteger());
    }

    std::optional<std::uint64_t> optionalInteger(QLatin1String key)
    {
        if (m_map.value(key).isUndefined() || m_map.value(key).isNull())
            return std::nullopt;
        return unsignedInteger(key);
    }

    bool boolean(QLatin1String key)
    {
        const QCborValue value = m_map.value(key);
        if (!value.isBool())
            return fail(key, "true or false"), false;
        return value.toBool();
    }

    double finite(QLatin1String key)
    {
        const QCborValue value = m_map.value(key);
        if (!(value.isDouble() || value.isInteger()) || !std::isfinite(value.toDouble()))
            return fail(key, "a finite number"), 0;
        return value.toDouble();
    }

    std::string text(QLatin1String key, std::size_t bytesMax)
    {
        const QCborValue value = m_map.value(key);
        if (!value.isString())
            return fail(key, "a text"), std::string();
        std::string result = value.toString().toStdString();
        if (result.size() > bytesMax)
            return fail(key, "a text of at most " + std::to_string(bytesMax) + " bytes"), std::string();
        return result;
    }

    QCborArray list(QLatin1String key, std::size_t max)
    {
        const QCborValue value = m_map.value(key);
        if (!value.isArray() || std::size_t(value.toArray().size()) > max)
            return fail(key, "a list of at most " + std::to_string(max)), QCborArray();
        return value.toArray();
    }

    QCborMap map(QLatin1String key)
    {
        const QCborValue value = m_map.value(key);
        if (!value.isMap() || std::size_t(value.toMap().size()) > listMax)
            return fail(key, "a map"), QCborMap();
        return value.toMap();
    }

    void fail(QLatin1String key, const std::string &wanted)
    {
        if (m_error.empty())
            m_error = "\"" + std::string(key.data(), std::size_t(key.size())) + "\" is not " + wanted;
    }

    /// Takes over what a reader of an inner map found wrong.
    void fail(const MapReader &inner)
    {
        if (m_error.empty())
            m_error = inner.m_error;
    }

    const std::string &error() const { return m_error; }

private:
    QCborMap m_map;
    std::string m_error;
};

using Key = QLatin1String;

// Each message: what it is on the wire, how it is written, how it is read.

constexpr FrameType typeOf(const Hello &)
{
    return FrameType::Hello;
}
constexpr FrameType typeOf(const Prepare &)
{
    return FrameType::Prepare;
}
constexpr FrameType typeOf(const Prepared &)
{
    return FrameType::Prepared;
}
constexpr FrameType typeOf(const Refused &)
{
    return FrameType::Refused;
}
constexpr FrameType typeOf(const Lease &)
{
    return FrameType::Lease;
}
constexpr FrameType typeOf(const Done &)
{
    return FrameType::Done;
}
constexpr FrameType typeOf(const GiveBack &)
{
    return FrameType::GiveBack;
}
constexpr FrameType typeOf(const GivenBack &)
{
    return FrameType::GivenBack;
}
constexpr FrameType typeOf(const Park &)
{
    return FrameType::Park;
}
constexpr FrameType typeOf(const Parked &)
{
    return FrameType::Parked;
}
constexpr FrameType typeOf(const Unpark &)
{
    return FrameType::Unpark;
}
constexpr FrameType typeOf(const Stop &)
{
    return FrameType::Stop;
}
constexpr FrameType typeOf(const Bye &)
{
    return FrameType::Bye;
}
constexpr FrameType typeOf(const Failed &)
{
    return FrameType::Failed;
}
constexpr FrameType typeOf(const Log &)
{
    return FrameType::Log;
}
constexpr FrameType typeOf(const Ping &)
{
    return FrameType::Ping;
}
constexpr FrameType typeOf(const Pong &)
{
    return FrameType::Pong;
}

QCborMap write(const Hello &hello)
{
    QCborArray capabilities;
    for (const auto &capability : hello.capabilities)
        capabilities.append(toQString(capability));
    return {{Key("major"), hello.major},
            {Key("minor"), hello.minor},
            {Key("program"), toQString(hello.program)},
            {Key("build"), toQString(hello.build)},
            {Key("capabilities"), capabilities}};
}

Hello readHello(MapReader &map)
{
    Hello hello;
    hello.major = std::uint16_t(map.unsignedInteger(Key("major"), 0xffff));
    hello.minor = std::uint16_t(map.unsignedInteger(Key("minor"), 0xffff));
    hello.program = map.text(Key("program"), nameBytesMax);
    hello.build = map.text(Key("build"), nameBytesMax);
    for (const auto &capability : map.list(Key("capabilities"), 64)) {
        if (!capability.isString())
            map.fail(Key("capabilities"), "a list of texts");
        hello.capabilities.push_back(capability.toString().toStdString());
    }
    return hello;
}

QCborValue write(const ParameterValue &value)
{
    struct
    {
        QCborValue operator()(bool on) const { return QCborValue(on); }
        QCborValue operator()(std::int64_t number) const { return QCborValue(qint64(number)); }
        QCborValue operator()(double number) const { return QCborValue(number); }
        QCborValue operator()(const std::string &text) const { return QCborValue(toQString(text)); }
    } visitor;
    return std::visit(visitor, value);
}

std::optional<ParameterValue> readParameter(const QCborValue &value)
{
    if (value.isBool())
        return ParameterValue(value.toBool());
    if (value.isInteger())
        return ParameterValue(std::int64_t(value.toInteger()));
    if (value.isDouble())
        return ParameterValue(value.toDouble());
    if (value.isString())
        return ParameterValue(value.toString().toStdString());
    return std::nullopt;
}

QCborMap write(const Prepare &prepare)
{
    QCborMap parameters;
    for (const auto &[name, value] : prepare.parameters)
        parameters.insert(toQString(name), write(value));
    QCborMap map{{Key("task"), toQString(prepare.task)}, {Key("parameters"), parameters},
                 {Key("seed"), integer(prepare.seed)},   {Key("threads"), qint64(prepare.threads)},
                 {Key("slot"), qint64(prepare.slot)},    {Key("epoch"), prepare.epoch}};
    if (prepare.rows)
        map.insert(Key("rows"), integer(*prepare.rows));
    return map;
}

Prepare readPrepare(MapReader &map)
{
    Prepare prepare;
    prepare.task = map.text(Key("task"), nameBytesMax);
    const QCborMap parameters = map.map(Key("parameters"));
    for (auto it = parameters.begin(); it != parameters.end(); ++it) {
        const auto value = readParameter(it.value());
        if (!it.key().isString() || !value)
            map.fail(Key("parameters"), "a map of names to numbers, texts and switches");
        else
            prepare.parameters.emplace(it.key().toString().toStdString(), *value);
    }
    prepare.seed = map.unsignedInteger(Key("seed"));
    prepare.rows = map.optionalInteger(Key("rows"));
    prepare.threads = std::uint32_t(map.unsignedInteger(Key("threads"), 4096));
    prepare.slot = std::uint32_t(map.unsignedInteger(Key("slot"), 4096));
    prepare.epoch = std::uint16_t(map.unsignedInteger(Key("epoch"), 0xffff));
    return prepare;
}

QCborMap write(const Prepared &prepared)
{
    const RunShape &shape = prepared.shape;
    QCborArray series;
    for (const auto &one : shape.series) {
        QCborMap entry{{Key("name"), toQString(one.name)}, {Key("unit"), toQString(one.unit)}};
        if (one.reference && std::isfinite(*one.reference))
            entry.insert(Key("reference"), *one.reference);
        series.append(entry);
    }
    QCborMap map{{Key("series"), series},
                 {Key("repeatable"), shape.repeatable},
                 {Key("splittable"), shape.splittable},
                 {Key("timed"), shape.timed},
                 {Key("lease-rows"), integer(shape.leaseRows)},
                 {Key("pacing"), shape.pacing}};
    if (shape.rows)
        map.insert(Key("rows"), integer(*shape.rows));
    return map;
}

Prepared readPrepared(MapReader &map)
{
    RunShape shape;
    for (const auto &entry : map.list(Key("series"), seriesMax)) {
        MapReader inner(entry.toMap());
        SeriesDescription series;
        series.name = inner.text(Key("name"), nameBytesMax);
        series.unit = inner.text(Key("unit"), nameBytesMax);
        if (entry.toMap().contains(Key("reference")))
            series.reference = inner.finite(Key("reference"));
        map.fail(inner);
        shape.series.push_back(std::move(series));
    }
    if (shape.series.empty())
        map.fail(Key("series"), "a list with at least one series");
    shape.rows = map.optionalInteger(Key("rows"));
    shape.repeatable = map.boolean(Key("repeatable"));
    shape.splittable = map.boolean(Key("splittable"));
    shape.timed = map.boolean(Key("timed"));
    shape.leaseRows = map.unsignedInteger(Key("lease-rows"));
    shape.pacing = map.finite(Key("pacing"));
    if (shape.pacing < 0)
        map.fail(Key("pacing"), "a number of rows per second");
    return {std::move(shape)};
}

QCborMap write(const Refused &refused)
{
    QCborArray errors;
    for (const auto &error :
         std::span(refused.errors).first(std::min(refused.errors.size(), errorsSentMax))) {
        errors.append(QCborMap{{Key("parameter"), shortened(error.parameter, nameBytesMax)},
                               {Key("sentence"), shortened(error.sentence, logBytesMax)}});
    }
    return {{Key("errors"), errors}};
}

Refused readRefused(MapReader &map)
{
    Refused refused;
    for (const auto &entry : map.list(Key("errors"), errorsMax)) {
        MapReader inner(entry.toMap());
        refused.errors.push_back({inner.text(Key("parameter"), growthMax * nameBytesMax),
                                  inner.text(Key("sentence"), growthMax * logBytesMax)});
        map.fail(inner);
    }
    if (refused.errors.empty())
        map.fail(Key("errors"), "a list with at least one error");
    return refused;
}

QCborMap write(const Lease &lease)
{
    return {{Key("lease"), integer(lease.id)},
            {Key("begin"), integer(lease.begin)},
            {Key("end"), integer(lease.end)},
            {Key("careful"), lease.careful}};
}

Lease readLease(MapReader &map)
{
    const Lease lease{map.unsignedInteger(Key("lease")), map.unsignedInteger(Key("begin")),
                      map.unsignedInteger(Key("end")), map.boolean(Key("careful"))};
    if (lease.end <= lease.begin)
        map.fail(Key("end"), "after \"begin\"");
    return lease;
}

QCborMap write(const Done &done)
{
    return {
        {Key("lease"), integer(done.lease)}, {Key("rows"), integer(done.rows)}, {Key("ended"), done.ended}};
}

QCborMap write(const GiveBack &giveBack)
{
    return {{Key("lease"), integer(giveBack.lease)}};
}

QCborMap write(const GivenBack &givenBack)
{
    return {{Key("lease"), integer(givenBack.lease)}, {Key("given"), givenBack.given}};
}

QCborMap write(const Failed &failed)
{
    QCborMap map{{Key("type"), shortened(failed.type, nameBytesMax)},
                 {Key("message"), shortened(failed.message, failureBytesMax)},
                 {Key("trace"), shortened(failed.trace, failureBytesMax)}};
    if (failed.row)
        map.insert(Key("row"), integer(*failed.row));
    return map;
}

Failed readFailed(MapReader &map)
{
    Failed failed;
    failed.type = map.text(Key("type"), growthMax * nameBytesMax);
    failed.message = map.text(Key("message"), growthMax * failureBytesMax);
    failed.trace = map.text(Key("trace"), growthMax * failureBytesMax);
    failed.row = map.optionalInteger(Key("row"));
    return failed;
}

QCborMap write(const Log &log)
{
    return {{Key("level"), int(log.level)},
            {Key("text"), shortened(log.text, logBytesMax)},
            {Key("count"), integer(log.count)}};
}

Log readLog(MapReader &map)
{
    return {Log::Level(map.unsignedInteger(Key("level"), 2)), map.text(Key("text"), growthMax * logBytesMax),
            map.unsignedInteger(Key("count"))};
}

QCborMap write(const Ping &ping)
{
    return {{Key("id"), integer(ping.id)}};
}
QCborMap write(const Pong &pong)
{
    return {{Key("id"), integer(pong.id)}};
}

template <typename Empty>
requires std::is_empty_v<Empty> QCborMap write(const Empty &)
{
    return {};
}

Message readMessage(FrameType type, MapReader &map)
{
    switch (type) {
    case FrameType::Hello:
        return readHello(map);
    case FrameType::Prepare:
        return readPrepare(map);
    case FrameType::Prepared:
        return readPrepared(map);
    case FrameType::Refused:
        return readRefused(map);
    case FrameType::Lease:
        return readLease(map);
    case FrameType::Done:
        return Done{map.unsignedInteger(Key("lease")), map.unsignedInteger(Key("rows")),
                    map.boolean(Key("ended"))};
    case FrameType::GiveBack:
        return GiveBack{map.unsignedInteger(Key("lease"))};
    case FrameType::GivenBack:
        return GivenBack{map.unsignedInteger(Key("lease")), map.boolean(Key("given"))};
    case FrameType::Park:
        return Park{};
    case FrameType::Parked:
        return Parked{};
    case FrameType::Unpark:
        return Unpark{};
    case FrameType::Stop:
        return Stop{};
    case FrameType::Bye:
        return Bye{};
    case FrameType::Failed:
        return readFailed(map);
    case FrameType::Log:
        return readLog(map);
    case FrameType::Ping:
        return Ping{map.unsignedInteger(Key("id"))};
    case FrameType::Pong:
        return Pong{map.unsignedInteger(Key("id"))};
    case FrameType::Rows:
        break;
    }
    map.fail(Key("type"), "that of a control message");
    return Bye{};
}

} // namespace

QByteArray encodeMessage(const Message &message, std::uint16_t epoch)
{
    return std::visit(
        [epoch](const auto &one) {
            const QCborMap map = write(one);
            const QByteArray payload = map.isEmpty() ? QByteArray() : QCborValue(map).toCbor();
            FrameHeader header;
            header.type = typeOf(one);
            header.epoch = epoch;
            header.payloadBytes = std::uint32_t(payload.size());
            const auto bytes = encodeHeader(header);
            return QByteArray(reinterpret_cast<const char *>(bytes.data()), qsizetype(bytes.size())) +
                   payload;
        },
        message);
}

std::variant<Message, std::string> decodeMessage(FrameType type, std::span<const std::byte> payload)
{
    const auto wrong = [type](const std::string &what) { return std::string(frameName(type)) + ": " + what; };
    QCborMap map;
    if (!payload.empty()) {
        const QByteArray bytes = QByteArray::fromRawData(reinterpret_cast<const char *>(payload.data()),
                                                         qsizetype(payload.size()));
        QCborParserError error;
        const QCborValue value = QCborValue::fromCbor(bytes, &error);
        if (error.error != QCborError::NoError)
            return wrong("the payload is no CBOR (" + error.errorString().toStdString() + ")");
        if (error.offset != bytes.size() || !value.isMap())
            return wrong("the payload is not one CBOR map");
        map = value.toMap();
    }
    MapReader reader(map);
    Message message = readMessage(type, reader);
    if (!reader.error().empty())
        return wrong(reader.error());
    return message;
}

} // namespace millrace
