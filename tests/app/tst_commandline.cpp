#include "app/commandline.h"

#include <QTest>

using namespace millrace;

namespace {

QString refusal(const QStringList &arguments)
{
    const CommandLine result = parseCommandLine(arguments);
    const auto *error = std::get_if<UsageError>(&result);
    return error ? QString::fromStdString(error->sentence) : QStringLiteral("accepted");
}

std::optional<RunCommandLine> parsedRun(const QStringList &arguments)
{
    const CommandLine result = parseCommandLine(QStringList{QStringLiteral("run")} + arguments);
    const auto *run = std::get_if<RunCommandLine>(&result);
    return run ? std::optional(*run) : std::nullopt;
}

QString printed(const QStringList &arguments)
{
    const CommandLine result = parseCommandLine(arguments);
    const auto *text = std::get_if<PrintText>(&result);
    return text ? QString::fromStdString(text->text) : QString();
}

} // namespace

class TestCommandLine : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void whatIsNotSaidIsNotSet()
    {
        const auto run = parsedRun({QStringLiteral("count")});

        QVERIFY(run.has_value());
        QCOMPARE(run->task, "count");
        QVERIFY(run->settings.empty());
        QVERIFY(!run->rows && !run->duration && !run->workers && !run->threads && !run->seed);
        QCOMPARE(run->name, "");
        QCOMPARE(run->output, "");
        QVERIFY(!run->isDigest && !run->isJson && !run->isQuiet);
    }

    void everyOptionIsRead_data()
    {
        QTest::addColumn<QStringList>("arguments");

        QTest::newRow("blanks") << QStringLiteral(
                                       "count --rows 7 --seconds 1.5 --workers 3 --threads 4 --seed 5 "
                                       "--name night --output a.csv --digest --json --quiet "
                                       "--set start=2 --set step=-1")
                                       .split(QLatin1Char(' '));
        QTest::newRow("equals") << QStringLiteral("--rows=7 --seconds=1.5 --workers=3 --threads=4 --seed=5 "
                                                  "--name=night --output=a.csv --digest --json --quiet "
                                                  "--set=start=2 --set=step=-1 count")
                                       .split(QLatin1Char(' '));
        QTest::newRow("last word counts")
            << QStringLiteral(
                   "--rows 1 count --seconds 9 --rows 7 --seconds 1.5 --workers 3 --threads 4 --seed 5 "
                   "--name night --output a.csv --digest --json --quiet --json "
                   "--set start=2 --set step=-1")
                   .split(QLatin1Char(' '));
    }

    void everyOptionIsRead()
    {
        QFETCH(QStringList, arguments);

        const auto run = parsedRun(arguments);

        QVERIFY(run.has_value());
        QCOMPARE(run->task, "count");
        QCOMPARE(run->rows.value_or(0), std::uint64_t(7));
        QCOMPARE(run->duration->count(), 1500);
        QCOMPARE(run->workers.value_or(0), 3u);
        QCOMPARE(run->threads.value_or(0), 4u);
        QCOMPARE(run->seed.value_or(0), std::uint64_t(5));
        QCOMPARE(run->name, "night");
        QCOMPARE(run->output, "a.csv");
        QVERIFY(run->isDigest && run->isJson && run->isQuiet);
        const std::vector<std::pair<std::string, std::string>> settings = {{"start", "2"}, {"step", "-1"}};
        QCOMPARE(run->settings, settings);
    }

    void settingIsCutAtItsFirstEquals_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("value");

        QTest::newRow("plain") << "spot=42"
                               << "spot"
                               << "42";
        QTest::newRow("empty value") << "program="
                                     << "program"
                                     << "";
        QTest::newRow("equals in the value") << "arguments=a=b=c"
                                             << "arguments"
                                             << "a=b=c";
        QTest::newRow("blanks") << "arguments= -c 'x y' "
                                << "arguments"
                                << " -c 'x y' ";
        QTest::newRow("dashes") << "arguments=--json"
                                << "arguments"
                                << "--json";
        QTest::newRow("unicode") << QStringLiteral("pattern=größer (\\d+)") << "pattern"
                                 << QStringLiteral("größer (\\d+)");
    }

    void settingIsCutAtItsFirstEquals()
    {
        QFETCH(QString, text);
        QFETCH(QString, name);
        QFETCH(QString, value);

        const auto run = parsedRun({QStringLiteral("command"), QStringLiteral("--set"), text});

        QVERIFY(run.has_value());
        QCOMPARE(run->settings.size(), std::size_t(1));
        QCOMPARE(QString::fromStdString(run->settings[0].first), name);
        QCOMPARE(QString::fromStdString(run->settings[0].second), value);
    }

    void wholeNumbersMayBeWrittenWithAnExponent_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<quint64>("value");

        QTest::newRow("1") << "1" << quint64(1);
        QTest::newRow("1e6") << "1e6" << quint64(1'000'000);
        QTest::newRow("1E6") << "1E6" << quint64(1'000'000);
        QTest::newRow("2.5e3") << "2.5e3" << quint64(2500);
        QTest::newRow("12.0") << "12.0" << quint64(12);
        QTest::newRow("007") << "007" << quint64(7);
        QTest::newRow("2^53 + 1") << "9007199254740993" << quint64(9007199254740993);
        QTest::newRow("1e18") << "1e18" << quint64(1'000'000'000'000'000'000);
        QTest::newRow("2^63 - 1") << "9223372036854775807" << quint64(indexMax);
    }

    void wholeNumbersMayBeWrittenWithAnExponent()
    {
        QFETCH(QString, text);
        QFETCH(quint64, value);

        const auto run = parsedRun({QStringLiteral("count"), QStringLiteral("--rows"), text});

        QVERIFY(run.has_value());
        QCOMPARE(quint64(run->rows.value_or(0)), value);
    }

    void limitsThemselvesAreAllowed_data()
    {
        QTest::addColumn<QString>("option");

        for (const char *option :
             {"--rows=1", "--workers=1", "--workers=64", "--threads=1", "--threads=256", "--seed=0",
              "--seed=9223372036854775807", "--seconds=0.001", "--seconds=1000000000"})
            QTest::newRow(option) << option;
    }

    void limitsThemselvesAreAllowed()
    {
        QFETCH(QString, option);

        QCOMPARE(refusal({QStringLiteral("run"), QStringLiteral("count"), option}),
                 QStringLiteral("accepted"));
    }

    void wrongValueIsRefusedByASentence_data()
    {
        QTest::addColumn<QString>("option");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("allowed");

        const auto rows = [](const char *option, const char *allowed, const QStringList &values) {
            for (const QString &value : values)
                QTest::addRow("%s %s", option, qPrintable(value)) << option << value << allowed;
        };
        rows("rows", "a whole number from 1 to 9223372036854775807",
             {QStringLiteral("0"),
              QStringLiteral("-1"),
              QStringLiteral("1e300"),
              QStringLiteral("9223372036854775808"),
              QStringLiteral("18446744073709551616"),
              QStringLiteral("9.3e18"),
              QStringLiteral("1.5"),
              QString(),
              QStringLiteral("many"),
              QStringLiteral("nan"),
              QStringLiteral("inf"),
              QStringLiteral("-inf"),
              QStringLiteral("1e-3"),
              QStringLiteral("0x10"),
              QStringLiteral("1,000"),
              QStringLiteral("1 000"),
              QStringLiteral(" 1"),
              QStringLiteral("1 "),
              QStringLiteral("5rows"),
              QStringLiteral("١٢")});
        rows("workers", "a whole number from 1 to 64",
             {QStringLiteral("0"), QStringLiteral("65"), QStringLiteral("-2"), QStringLiteral("two"),
              QStringLiteral("4294967297")});
        rows("threads", "a whole number from 1 to 256",
             {QStringLiteral("0"), QStringLiteral("257"), QStringLiteral("1.5"),
              QStringLiteral("4294967297")});
        rows("seed", "a whole number from 0 to 9223372036854775807",
             {QStringLiteral("-1"), QStringLiteral("9223372036854775808"), QStringLiteral("x")});
        rows("seconds", "a number of seconds from 0.001 to 1000000000",
             {QStringLiteral("0"), QStringLiteral("-1"), QStringLiteral("1e300"), QStringLiteral("nan"),
              QStringLiteral("inf"), QStringLiteral("0.0001"), QStringLiteral("1s"), QString(),
              QStringLiteral("1,5")});
        rows("set", "NAME=VALUE",
             {QStringLiteral("spot"), QStringLiteral("=42"), QString(), QStringLiteral("=")});
    }

    void wrongValueIsRefusedByASentence()
    {
        QFETCH(QString, option);
        QFETCH(QString, value);
        QFETCH(QString, allowed);
        const QString sentence = QStringLiteral("--%1 must be %2, not \"%3\"").arg(option, allowed, value);

        QCOMPARE(
            refusal({QStringLiteral("run"), QStringLiteral("count"), QStringLiteral("--") + option, value}),
            sentence);
        QCOMPARE(refusal({QStringLiteral("run"), QStringLiteral("--%1=%2").arg(option, value),
                          QStringLiteral("count")}),
                 sentence);
    }

    void wrongUseIsRefusedByASentence_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("sentence");

        const auto row = [](const char *arguments, const char *sentence) {
            QTest::newRow(arguments) << QString::fromLatin1(arguments).split(QLatin1Char(' '),
                                                                             Qt::SkipEmptyParts)
                                     << QString::fromLatin1(sentence);
        };
        row("", "There is nothing to do: say \"millrace run TASK\" or \"millrace --help\".");
        row("walk", "There is no verb \"walk\": use tasks, run, --version or --help.");
        row("--json", "There is no verb \"--json\": use tasks, run, --version or --help.");
        row("Run", "There is no verb \"Run\": use tasks, run, --version or --help.");
        row("run", "\"run\" needs the name of a task; \"millrace tasks\" lists them.");
        row("run --rows 5", "\"run\" needs the name of a task; \"millrace tasks\" lists them.");
        row("run count primes", "\"run\" takes one task, not \"count primes\".");
        row("run count spot=42", "\"run\" takes one task, not \"count spot=42\".");
        row("run count --fast", "Unknown option 'fast'. \"millrace run --help\" lists the options.");
        row("run count --fast --big",
            "Unknown options: fast, big. \"millrace run --help\" lists the options.");
        row("run count -x", "Unknown option 'x'. \"millrace run --help\" lists the options.");
        row("run count --rows", "Missing value after '--rows'. \"millrace run --help\" lists the options.");
        row("run count --digest=1",
            "Unexpected value after '--digest'. \"millrace run --help\" lists the options.");
        row("run count --output=", "--output needs the name of a file, or - for stdout.");
        row("run count --json --output -", "--json and --output - both want stdout: give --output a file.");
        row("tasks count", "\"tasks\" takes no argument \"count\".");
        row("tasks --rows 5", "Unknown option 'rows'. \"millrace tasks --help\" lists the options.");
        QTest::newRow("empty words")
            << QStringList{QString(), QString()}
            << QStringLiteral("There is nothing to do: say \"millrace run TASK\" or \"millrace --help\".");
    }

    void wrongUseIsRefusedByASentence()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, sentence);

        QCOMPARE(refusal(arguments), sentence);
    }

    void hostileTextIsShownCutAndHarmless_data()
    {
        QTest::addColumn<QString>("text");

        QTest::newRow("10 MB") << QString(10'000'000, QLatin1Char('9'));
        QTest::newRow("NUL") << QStringLiteral("a") + QChar(0) + QStringLiteral("b");
        QTest::newRow("escape sequence") << QStringLiteral("\x1b[31m\x1b]0;title\x07");
        QTest::newRow("line feeds") << QStringLiteral("1\n2\r3");
        QTest::newRow("bidi override") << QStringLiteral("\u202e9\u2066");
        QTest::newRow("place markers") << QStringLiteral("%1%2%3%99");
        QTest::newRow("lone surrogate") << QString(QChar(0xd800));
        QTest::newRow("many surrogates") << QStringLiteral("x") + QString::fromUtf8("😀").repeated(100);
    }

    void hostileTextIsShownCutAndHarmless()
    {
        QFETCH(QString, text);
        const QString run = QStringLiteral("run");
        const QString count = QStringLiteral("count");

        for (const QStringList &arguments : {QStringList{text},
                                             {run, count, QStringLiteral("--rows"), text},
                                             {run, count, QStringLiteral("--seconds"), text},
                                             {run, count, QStringLiteral("--set"), text},
                                             {run, count, QStringLiteral("--x") + text},
                                             {run, count, text},
                                             {QStringLiteral("tasks"), text}}) {
            const QString sentence = refusal(arguments);

            QVERIFY(sentence != QLatin1String("accepted"));
            QVERIFY2(sentence.size() < 700, qPrintable(QString::number(sentence.size())));
            for (const QChar character : sentence)
                QVERIFY(character.category() != QChar::Other_Control &&
                        character.category() != QChar::Other_Format);
        }
    }

    void longTextIsCutBetweenCharacters()
    {
        const QString shown = quotedText(QStringLiteral("x") + QString::fromUtf8("😀").repeated(100));

        QVERIFY(shown.endsWith(QString::fromUtf8("😀...\"")));
    }

    void valuesThatLookLikeOptionsAreTaken()
    {
        const auto run =
            parsedRun({QStringLiteral("--name"), QStringLiteral("größe \u202e"), QStringLiteral("--output"),
                       QStringLiteral("-"), QStringLiteral("count")});

        QVERIFY(run.has_value());
        QCOMPARE(run->output, "-");
        QCOMPARE(QString::fromStdString(run->name), QStringLiteral("größe \u202e"));
    }

    void everyVerbHasItsHelp_data()
    {
        QTest::addColumn<QStringList>("arguments");
        QTest::addColumn<QString>("firstLine");
        QTest::addColumn<QStringList>("words");

        const QStringList options =
            QStringLiteral("--set --rows --seconds --workers --threads --seed --name --output "
                           "--digest --json --quiet --help NAME=VALUE")
                .split(QLatin1Char(' '));
        const QString usage = QStringLiteral("Usage: millrace run TASK [OPTION]...");
        QTest::newRow("run --help") << QStringList{QStringLiteral("run"), QStringLiteral("--help")} << usage
                                    << options;
        QTest::newRow("run -h") << QStringList{QStringLiteral("run"), QStringLiteral("-h")} << usage
                                << options;
        QTest::newRow("run TASK --help")
            << QStringList{QStringLiteral("run"), QStringLiteral("count"), QStringLiteral("--help")} << usage
            << options;
        QTest::newRow("tasks --help")
            << QStringList{QStringLiteral("tasks"), QStringLiteral("--help")}
            << QStringLiteral("Usage: millrace tasks [--json]") << QStringList{QStringLiteral("--json")};
        for (const char *option : {"--help", "-h"})
            QTest::newRow(option)
                << QStringList{QString::fromLatin1(option)}
                << QStringLiteral("Millrace runs long parallel computations in worker processes and shows "
                                  "their numbers while they are made.")
                << QStringList{QStringLiteral("millrace tasks"), QStringLiteral("millrace run TASK"),
                               QStringLiteral("--version")};
    }

    void everyVerbHasItsHelp()
    {
        QFETCH(QStringList, arguments);
        QFETCH(QString, firstLine);
        QFETCH(QStringList, words);

        const QString text = printed(arguments);

        QCOMPARE(text.section(QLatin1Char('\n'), 0, 0), firstLine);
        QVERIFY(text.endsWith(QLatin1Char('\n')));
        for (const QString &word : words)
            QVERIFY2(text.contains(word), qPrintable(word));
    }

    void versionIsOneLine()
    {
        const QString text = printed({QStringLiteral("--version")});

        QVERIFY2(QRegularExpression(QStringLiteral("^millrace \\d+\\.\\d+\\.\\d+\n$")).match(text).hasMatch(),
                 qPrintable(text));
    }

    void tasksKnowsJson()
    {
        const CommandLine plain = parseCommandLine({QStringLiteral("tasks")});
        const CommandLine json = parseCommandLine({QStringLiteral("tasks"), QStringLiteral("--json")});

        QVERIFY(!std::get<TasksCommand>(plain).isJson);
        QVERIFY(std::get<TasksCommand>(json).isJson);
    }
};

QTEST_GUILESS_MAIN(TestCommandLine)
#include "tst_commandline.moc"
