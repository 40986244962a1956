#include "parsed.h"

#include "workers/tasks/numberline.h"
#include "workers/tasks/seriesnames.h"
#include "workers/tasks/wording.h"

#include <QTest>

#include <bit>
#include <cmath>

using namespace millrace;

namespace {

using Lines = std::vector<std::string>;

std::string joined(const Lines &lines)
{
    std::string result;
    for (const auto &line : lines)
        result += (result.empty() ? "" : "|") + line;
    return result;
}

std::string parsedOnce(const std::string &bytes)
{
    LineParser parser;
    return joined(parsed(parser, bytes));
}

std::unique_ptr<RowPattern> compiled(std::string_view pattern)
{
    auto result = RowPattern::compile(pattern);
    return std::get<std::unique_ptr<RowPattern>>(std::move(result));
}

std::string patternError(std::string_view pattern)
{
    const auto result = RowPattern::compile(pattern);
    const auto *error = std::get_if<std::string>(&result);
    return error ? *error : "compiles";
}

const std::string mixed =
    "hello\n\ntime, price (EUR)\r\n1, 2\r\n+3;-4.5e1\n\tnan\t inf\t\nhello again\n1 2 3\n7,8";
const std::string mixedParsed =
    "text hello|1 2|3 -45|nan inf|text hello again|text line has 3 numbers, expected "
    "2: 1 2 3|7 8";

} // namespace

class TestLineParser : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void lineOfNumbersIsARow_data()
    {
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<QByteArray>("row"); // empty: no row
        const std::pair<const char *, const char *> cases[] = {
            {"1", "1"},
            {"+1", "1"},
            {"-1.5e3", "-1500"},
            {".5", "0.5"},
            {"5.", "5"},
            {"1 2", "1 2"},
            {"  1   2  ", "1 2"},
            {"1\t2", "1 2"},
            {"1,2", "1 2"},
            {"1, 2", "1 2"},
            {"1 ,2", "1 2"},
            {"1;2", "1 2"},
            {"1,2,", "1 2"},
            {"nan", "nan"},
            {"NaN", "nan"},
            {"inf -INF +Infinity", "inf -inf inf"},
            {"1e400 -1e400", "inf -inf"},
            {"1e-400 -1e-400", "0 -0"},
            {"1e99999999999999999999 1e-99999999999999999999", "inf 0"},
            {"0.0000000000001e+309", "1e+296"},
            {"5e-324", "5e-324"},
            {"0e999999999999", "0"},
            {"9007199254740993", "9007199254740992"},
            {"1,,2", ""},
            {",1", ""},
            {"1,;2", ""},
            {"1 2 x", ""},
            {"1x", ""},
            {"5%", ""},
            {"0x10", ""},
            {"1e", ""},
            {"+-1", ""},
            {"++1", ""},
            {"--1", ""},
            {"-", ""},
            {"+", ""},
            {".", ""},
            {"1.2.3", ""},
            {"12:30", ""},
            {"1_000", ""},
            {"infinit", ""},
            {"\xe2\x88\x92"
             "1",
             ""}, // the minus sign of typographers
            {"1\v2", ""},
            {"1\r2", ""},
        };
        for (const auto &[line, row] : cases)
            QTest::newRow(QByteArray(line).toPercentEncoding().constData())
                << QByteArray(line) << QByteArray(row);
    }

    void lineOfNumbersIsARow()
    {
        QFETCH(QByteArray, line);
        QFETCH(QByteArray, row);

        const std::string result = parsedOnce(line.toStdString() + "\n");

        QCOMPARE(result, row.isEmpty() ? "text " + line.toStdString() : row.toStdString());
    }

    void numberIsNearestFloat64()
    {
        for (const double value : {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789}) {
            const auto text = QByteArray::number(value, 'g', 17).toStdString();
            double back = 0;

            const char *end = readNumber(text.data(), text.data() + text.size(), back);

            QCOMPARE(end, text.data() + text.size());
            QCOMPARE(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value));
        }
    }

    void everyPartitionInTwoGivesTheSameRows()
    {
        for (std::size_t cut = 0; cut <= mixed.size(); ++cut) {
            LineParser parser;
            bool isFirst = true;

            const auto lines = parsed(
                parser, mixed, [&](std::size_t left) { return std::exchange(isFirst, false) ? cut : left; });

            QCOMPARE(joined(lines), mixedParsed);
            QCOMPARE(parser.names(), (Lines{"time", "price (EUR)"}));
        }
    }

    void bytewiseStreamGivesTheSameRows()
    {
        LineParser parser;

        const auto lines = parsed(parser, mixed, [](std::size_t) { return 1; });

        QCOMPARE(joined(lines), mixedParsed);
    }

    void lineBeforeTheFirstRowNamesTheSeries_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QByteArray>("names");
        QTest::addColumn<QByteArray>("lines");
        QTest::newRow("words") << QByteArray("a b\n1 2") << QByteArray("a|b") << QByteArray("1 2");
        QTest::newRow("csv") << QByteArray("a,b\n1,2") << QByteArray("a|b") << QByteArray("1 2");
        QTest::newRow("quoted") << QByteArray("\"a\",\"b\"\n1,2") << QByteArray("a|b") << QByteArray("1 2");
        QTest::newRow("comment") << QByteArray("# a b\n1 2") << QByteArray("a|b") << QByteArray("1 2");
        QTest::newRow("blanks in words")
            << QByteArray("the a, the b\n1, 2") << QByteArray("the a|the b") << QByteArray("1 2");
        QTest::newRow("vmstat") << QByteArray("procs --memory--\n r  b swpd\n 1  2 3\n 4 5 6")
                                << QByteArray("r|b|swpd") << QByteArray("text procs --memory--|1 2 3|4 5 6");
        QTest::newRow("printed again")
            << QByteArray("a b\n1 2\na b\n3 4") << QByteArray("a|b") << QByteArray("1 2|3 4");
        QTest::newRow("other count") << QByteArray("a b c\n1 2") << QByteArray("value-1|value-2")
                                     << QByteArray("text a b c|1 2");
        QTest::newRow("none") << QByteArray("1 2\na b") << QByteArray("value-1|value-2")
                              << QByteArray("1 2|text a b");
        QTest::newRow("one") << QByteArray("1") << QByteArray("value") << QByteArray("1");
        QTest::newRow("blank line between") << QByteArray("a\n \n1") << QByteArray("a") << QByteArray("1");
        QTest::newRow("no row") << QByteArray("a\nb") << QByteArray() << QByteArray("text a|text b");
        QTest::newRow("empty") << QByteArray() << QByteArray() << QByteArray();
    }

    void lineBeforeTheFirstRowNamesTheSeries()
    {
        QFETCH(QByteArray, bytes);
        LineParser parser;

        const auto lines = parsed(parser, bytes.toStdString());

        QTEST(QByteArray::fromStdString(joined(parser.names())), "names");
        QTEST(QByteArray::fromStdString(joined(lines)), "lines");
    }

    void namesAreShortPrintableAndDistinct()
    {
        const std::string longWord(100, 'x');

        const auto names =
            seriesNames({"a", "a", "a\x01\xc2\x85z", "\xff", "", "time", longWord, longWord}, 8, "time");

        QCOMPARE(names, (Lines{"a", "a-2", "az", "\xef\xbf\xbd", "value-5", "time-2", std::string(64, 'x'),
                               std::string(62, 'x') + "-2"}));
    }

    void longNameIsCutBetweenCharacters()
    {
        const auto names = seriesNames({"x" + QByteArray("é").repeated(40).toStdString()}, 1, "");

        QCOMPARE(names[0].size(), std::size_t(63));
        QVERIFY(QString::fromStdString(names[0]).endsWith(QStringLiteral("é")));
    }

    void lineOfOneMebibyteIsRead()
    {
        for (const char *end : {"\n", "\r\n", ""}) {
            LineParser parser;
            const std::string line = "1" + std::string(lineBytesMax - 1, ' ');

            QCOMPARE(joined(parsed(parser, line + end, [](std::size_t) { return 1000; })), "1");
        }
    }

    void longerLineIsRefused()
    {
        for (const char *end : {"\n", "\r\n", "", "\r"}) {
            LineParser parser;
            const std::string line = "1" + std::string(lineBytesMax, ' ');

            QCOMPARE(joined(parsed(parser, "7\n" + line + end, [](std::size_t) { return 4096; })),
                     "7|too long");
            QCOMPARE(parser.lineCount(), std::uint64_t(1));
        }
    }

    void cutStreamEndsWithItsLastWholeLine()
    {
        LineParser parser;
        const std::string bytes = "1\n2\n3";
        std::memcpy(parser.room().data(), bytes.data(), bytes.size());
        parser.filled(bytes.size());

        parser.finish(LineBuffer::Rest::IsCut);

        QCOMPARE(joined(parsed(parser, "")), "1|2");
    }

    void endlessLineCostsBoundedMemory()
    {
        LineBuffer buffer;
        std::string_view line;
        std::size_t bytes = 0;
        while (buffer.next(line) == LineBuffer::Next::Nothing) {
            const auto room = buffer.room();
            QVERIFY(room.size() < 4 * lineBytesMax);
            std::memset(room.data(), 'x', LineBuffer::blockBytes);
            buffer.filled(LineBuffer::blockBytes);
            bytes += LineBuffer::blockBytes;
            QVERIFY(bytes <= lineBytesMax + 2 * LineBuffer::blockBytes);
        }
    }

    void tooWideFirstRowIsRefused()
    {
        const auto wide = [](int count) { return QByteArray("1 ").repeated(count).toStdString() + "\n"; };

        QCOMPARE(parsedOnce(wide(1025)), "too wide");
        QVERIFY(!parsedOnce(wide(1024)).empty());
        QCOMPARE(parsedOnce("1\n" + wide(1500)).substr(0, 46),
                 "1|text line has 1,500 numbers, expected 1: 1 1");
    }

    void restartedParserKeepsTheWidth()
    {
        LineParser parser;
        parsed(parser, "a b\n1 2\n3");

        parser.restart();

        QCOMPARE(joined(parsed(parser, "a b\n5\n6 7\n")), "text line has 1 number, expected 2: 5|6 7");
        QCOMPARE(parser.names(), (Lines{"a", "b"}));
    }

    void groupsOfAPatternAreTheRow_data()
    {
        QTest::addColumn<QByteArray>("pattern");
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<QByteArray>("result");
        const std::array<const char *, 3> cases[] = {
            {"time=([0-9.]+) ms", "64 bytes: icmp_seq=1 time=0.5 ms", "0.5"},
            {"(\\S+) and (\\S+)", "1 and nan", "1 nan"},
            {"(\\S+)", "one", "text group 1 of the pattern is no number: one"},
            {"a(.*)b", "a 1 b", "1"},
            {"a(.*)b", "a1 2b", "text group 1 of the pattern is no number: a1 2b"},
            {"a(.*)b", "a1,b", "text group 1 of the pattern is no number: a1,b"},
            {"a(.*)b", "nothing", "text nothing"},
            {"(1)|(2)", "2", "text group 1 of the pattern is no number: 2"},
            {"(?|x=(\\d+)|y=(\\d+))", "y=7", "7"},
            {"x(\\d+)", "\xff\xfe x5 \xff", "5"},
            {"é(\\d+)", "é5", "5"},
            {"(a+)+$(\\d)", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
             "text the pattern takes too many steps, or the line is too long for it: "
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"},
        };
        for (const auto &[pattern, line, result] : cases)
            QTest::addRow("%s on %s", pattern, QByteArray(line).left(20).toPercentEncoding().constData())
                << QByteArray(pattern) << QByteArray(line) << QByteArray(result);
    }

    void groupsOfAPatternAreTheRow()
    {
        QFETCH(QByteArray, pattern);
        QFETCH(QByteArray, line);
        LineParser parser(compiled(pattern.toStdString()));

        const auto lines = parsed(parser, line.toStdString());

        QTEST(QByteArray::fromStdString(joined(lines)), "result");
    }

    void namedGroupsNameTheSeries()
    {
        LineParser parser(compiled("(?<low>\\d+) (\\d+) (?P<time>\\d+)"), "time");

        QCOMPARE(parser.names(), (Lines{"low", "value-2", "time-2"}));
    }

    void badPatternIsExplained()
    {
        QCOMPARE(patternError("a(b"),
                 "pattern is no regular expression: missing closing parenthesis at offset 3");
        QVERIFY(patternError("\\d+").starts_with("pattern needs at least one group"));
        QVERIFY(patternError("(?:a)").starts_with("pattern needs at least one group"));
        QVERIFY(patternError("\\C(1)").starts_with("pattern is no regular expression: "));
        QVERIFY(patternError(QByteArray("()").repeated(1025).toStdString())
                    .starts_with("pattern has 1,025 groups; a row has at most 1,024 numbers"));
        QCOMPARE(patternError(QByteArray("()").repeated(1024).toStdString()), "compiles");
    }

    void slowPatternGivesUpInTime_data()
    {
        QTest::addColumn<QByteArray>("pattern");
        for (const char *pattern : {"(a*)*b(1)", "(a|aa)+$(1)", "(.*)(.*)(.*)(.*)x", "(a.*)x", "((a+)+)+b"})
            QTest::newRow(pattern) << QByteArray(pattern);
    }

    void slowPatternGivesUpInTime()
    {
        QFETCH(QByteArray, pattern);
        const auto slow = compiled(pattern.toStdString());
        const std::string line(RowPattern::searchedBytesMax, 'a');
        std::array<double, 8> row{};
        QElapsedTimer timer;
        timer.start();

        const auto result = slow->match(line, row);

        QVERIFY(result == RowPattern::Match::GaveUp || result == RowPattern::Match::NoMatch);
        QVERIFY2(timer.elapsed() < 5000, qPrintable(QString::number(timer.elapsed())));
    }

    void textForPeopleIsOneLineOfUtf8()
    {
        QCOMPARE(escaped("a\tb\x1b[31m\xff\xc2\x85é", 100), "a\\tb\\x1b[31m\\xff\\xc2\\x85é");
        QCOMPARE(escaped("ééé", 5), "éé...");
        QCOMPARE(escaped(std::string("a\0b", 3), 100), "a\\x00b");
        QCOMPARE(withThousands(0), "0");
        QCOMPARE(withThousands(999), "999");
        QCOMPARE(withThousands(1234567), "1,234,567");
        QCOMPARE(counted(1, "row"), "1 row");
    }
};

QTEST_GUILESS_MAIN(TestLineParser)
#include "tst_lineparser.moc"
