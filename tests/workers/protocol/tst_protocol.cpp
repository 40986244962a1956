#include "workers/protocol/description.h"
#include "workers/protocol/messages.h"
#include "workers/protocol/reader.h"

#include <QCborMap>
#include <QCborValue>
#include <QFile>
#include <QRegularExpression>
#include <QTest>

#include <cstring>

using namespace millrace;

namespace {

QString document()
{
    QFile file(QStringLiteral(MILLRACE_SOURCE_DIR "/workers/protocol/PROTOCOL.md"));
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

/// The block of the document that is fenced as `kind`.
QString block(const QString &kind)
{
    const QRegularExpression form(QStringLiteral("```%1\\n(.*?)```").arg(kind),
                                  QRegularExpression::DotMatchesEverythingOption);
    return form.match(document()).captured(1);
}

QByteArray message(const Message &message, std::uint16_t epoch = 1)
{
    return encodeMessage(message, epoch);
}

QByteArray rows(std::uint32_t sequence, const std::vector<double> &column)
{
    const auto payloadBytes = std::uint32_t(column.size() * sizeof(double));
    const auto header =
        encodeHeader({FrameType::Rows, 1, payloadBytes, std::uint32_t(column.size()), 1, sequence});
    return QByteArray(reinterpret_cast<const char *>(header.data()), headerBytes) +
           QByteArray(reinterpret_cast<const char *>(column.data()), qsizetype(payloadBytes));
}

/// The frames of the document's example.
std::vector<std::pair<QString, QByteArray>> example()
{
    const QString up = QStringLiteral("worker -> app: ");
    const QString down = QStringLiteral("app -> worker: ");
    RunShape shape;
    shape.series = {{"value", "m", std::nullopt}};
    shape.rows = 3;
    return {
        {up + QStringLiteral("Hello"), message(Hello{1, 0, "tally", "tally 1.0", {}}, 0)},
        {down + QStringLiteral("Prepare"), message(Prepare{"tally", {{"step", 2.0}}, 7, 3, 2, 0, 1})},
        {up + QStringLiteral("Prepared"), message(Prepared{shape})},
        {down + QStringLiteral("Lease"), message(Lease{1, 0, 3, false})},
        {up + QStringLiteral("Rows"), rows(0, {0, 2})},
        {up + QStringLiteral("Rows"), rows(1, {4})},
        {up + QStringLiteral("Done"), message(Done{1, 3, false})},
        {down + QStringLiteral("Stop"), message(Stop{})},
        {up + QStringLiteral("Bye"), message(Bye{})},
    };
}

/// An example in the document's form: a line for the sender, one for the header, the payload in lines of 32.
QString written(const std::vector<std::pair<QString, QByteArray>> &frames)
{
    QString text;
    for (const auto &[title, bytes] : frames) {
        QByteArray header;
        constexpr qsizetype widths[] = {4, 1, 1, 2, 4, 4, 8, 4, 4};
        qsizetype at = 0;
        for (const qsizetype width : widths) {
            header += (at > 0 ? " " : "") + bytes.sliced(at, width).toHex();
            at += width;
        }
        text += title + QLatin1Char('\n') + QString::fromLatin1(header) + QLatin1Char('\n');
        for (; at < bytes.size(); at += 32)
            text += QStringLiteral("    ") + QString::fromLatin1(bytes.sliced(at).left(32).toHex()) +
                    QLatin1Char('\n');
    }
    return text;
}

} // namespace

class TestProtocol : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void exampleIsWhatIsWritten()
    {
        const QStringList lines = block(QStringLiteral("hex")).split(QLatin1Char('\n'));

        QCOMPARE(lines, written(example()).split(QLatin1Char('\n')));
    }

    void exampleIsReadAsItSays()
    {
        const QStringList lines = block(QStringLiteral("hex")).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
        QByteArray bytes;
        QStringList titles;
        for (const QString &line : lines) {
            if (line.contains(QLatin1String("->")))
                titles.append(line.section(QLatin1Char(' '), -1));
            else
                bytes += QByteArray::fromHex(line.toLatin1());
        }
        FrameReader reader;
        double column[2];
        QStringList frames;
        while (!bytes.isEmpty()) {
            const auto into = reader.wanted();
            const auto count = std::min(into.size(), std::size_t(bytes.size()));
            std::memcpy(into.data(), bytes.constData(), count);
            bytes.remove(0, qsizetype(count));
            const auto event = reader.advance(count);
            QVERIFY2(event != FrameReader::Event::Invalid, reader.error().c_str());
            if (event == FrameReader::Event::RowsBegin) {
                const std::span<std::byte> place[] = {
                    std::as_writable_bytes(std::span(column)).first(reader.header().payloadBytes)};
                reader.place(place);
            }
            if (event == FrameReader::Event::Control)
                QVERIFY(
                    std::holds_alternative<Message>(decodeMessage(reader.header().type, reader.payload())));
            if (event == FrameReader::Event::Control || event == FrameReader::Event::RowsEnd)
                frames.append(QString::fromStdString(std::string(frameName(reader.header().type))));
        }

        QVERIFY(reader.isBetweenFrames());
        QCOMPARE(frames, titles);
        QCOMPARE(frames.size(), 9);
    }

    void everyMessageAndKeyIsDocumented()
    {
        std::map<FrameType, QCborMap> maps;
        Prepared prepared{{{{"x", "", 1.0}}, 1, true, true, false, 0}};
        for (const Message &one : std::initializer_list<Message>{
                 Hello{}, Prepare{"", {}, 0, 1, 0, 0, 0}, prepared, Refused{{{"", ""}}},
                 Lease{0, 0, 1, false}, Done{}, GiveBack{}, GivenBack{}, Park{}, Parked{}, Unpark{}, Stop{},
                 Bye{}, Failed{"", "", "", 1}, Log{}, Ping{}, Pong{}}) {
            const QByteArray frame = encodeMessage(one, 1);
            maps[FrameType(frame.at(4))] = QCborValue::fromCbor(frame.sliced(headerBytes)).toMap();
        }
        maps[FrameType::Rows] = {};
        QCOMPARE(maps.size(), std::size_t(18));

        const QStringList lines = document().split(QLatin1Char('\n'));
        for (const auto &[type, map] : maps) {
            const auto name = QString::fromStdString(std::string(frameName(type)));
            const auto rowsOfType = lines.filter(
                QRegularExpression(QStringLiteral("^\\| %1 \\| %2 \\|").arg(int(type)).arg(name)));
            QVERIFY2(rowsOfType.size() == 1, qPrintable(name));
            for (const QCborValue &key : map.keys())
                QVERIFY2(rowsOfType.first().contains(QLatin1Char('`') + key.toString() + QLatin1Char('`')),
                         qPrintable(name + QLatin1Char(' ') + key.toString()));
        }
    }

    void limitsAreDocumented()
    {
        const QLocale english(QLocale::English, QLocale::UnitedStates);
        for (const std::size_t limit :
             {std::size_t(controlBytesMax), std::size_t(rowsBytesMax), textBytesMax})
            QVERIFY(document().contains(english.toString(qulonglong(limit))));
        QVERIFY(document().contains(QStringLiteral("**%1.%2**").arg(protocolMajor).arg(protocolMinor)));
        QVERIFY(document().contains(QStringLiteral("1 to %1 maps").arg(seriesMax)));
    }

    void describedTasksAreRead()
    {
        const auto tasks = readTasks(block(QStringLiteral("json")).toUtf8());

        QVERIFY2(std::holds_alternative<std::vector<TaskDescription>>(tasks),
                 std::holds_alternative<std::string>(tasks) ? std::get<std::string>(tasks).c_str() : "");
        QCOMPARE(std::get<std::vector<TaskDescription>>(tasks).front().parameters.size(), std::size_t(2));
    }
};

QTEST_GUILESS_MAIN(TestProtocol)
#include "tst_protocol.moc"
