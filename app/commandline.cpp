#include "app/commandline.h"

#include <QCommandLineParser>
#include <QLocale>

#include <charconv>
#include <cmath>

namespace millrace {

namespace {

constexpr double secondsMax = 1e9;
constexpr qsizetype shownCharactersMax = 80;

/// Without what a terminal would obey.
QString harmless(const QString &text)
{
    QString result;
    for (const QChar character : text.left(shownCharactersMax * 4)) {
        if (character.category() == QChar::Other_Control || character.category() == QChar::Other_Format)
            result += QStringLiteral("\\u%1").arg(character.unicode(), 4, 16, QLatin1Char('0'));
        else
            result += character;
    }
    if (text.size() > shownCharactersMax * 4)
        result += QStringLiteral("...");
    return result;
}

/// Thrown inside parseCommandLine() only; it leaves as its sentence.
struct Wrong
{
    QString sentence;
};

const char overview[] = "Millrace runs long parallel computations in worker processes and shows their "
                        "numbers while they are made.\n"
                        "\n"
                        "  millrace tasks [--json]         the tasks with their parameters\n"
                        "  millrace run TASK [OPTION]...   run a task in this terminal\n"
                        "  millrace --version, --help      and --help after each verb\n";

QString withVerbHelp(const QCommandLineParser &parser, const QString &verb)
{
    // QCommandLineParser knows no verbs: its usage line names the program only.
    QString text = parser.helpText();
    const qsizetype lineEnd = text.indexOf(QLatin1Char('\n'));
    return QStringLiteral("Usage: millrace %1\n").arg(verb) + text.mid(lineEnd + 1);
}

QCommandLineOption valueOption(const char *name, const char *help, const char *value)
{
    return QCommandLineOption(QLatin1String(name), QLatin1String(help), QLatin1String(value));
}

QCommandLineOption flagOption(const char *name, const char *help)
{
    return QCommandLineOption(QLatin1String(name), QLatin1String(help));
}

QCommandLineOption helpOption()
{
    return QCommandLineOption({QStringLiteral("h"), QStringLiteral("help")}, QStringLiteral("Print this."));
}

std::uint64_t wholeNumber(const QString &option, const QString &text, std::uint64_t min, std::uint64_t max)
{
    const std::string bytes = text.toStdString();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
    // 1e6 is how people write a million.
    double real = 0;
    const auto [realEnd, realError] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), real);
    const bool isWhole = error == std::errc() && end == bytes.data() + bytes.size();
    const bool isRealWhole = realError == std::errc() && realEnd == bytes.data() + bytes.size() &&
                             real >= 0 && std::trunc(real) == real &&
                             real < 0x1p63; // every whole float64 below is one of the numbers allowed
    if (!isWhole && isRealWhole)
        value = std::uint64_t(real);
    if ((!isWhole && !isRealWhole) || value < min || value > max)
        throw Wrong{QStringLiteral("--%1 must be a whole number from %2 to %3, not %4")
                        .arg(option, QString::number(min), QString::number(max), quotedText(text))};
    return value;
}

std::chrono::milliseconds duration(const QString &text)
{
    bool isNumber = false;
    const double seconds = QLocale::c().toDouble(text, &isNumber);
    if (!isNumber || !(seconds >= 0.001 && seconds <= secondsMax))
        throw Wrong{QStringLiteral("--seconds must be a number of seconds from 0.001 to 1000000000, not %1")
                        .arg(quotedText(text))};
    return std::chrono::milliseconds(std::int64_t(std::ceil(seconds * 1000)));
}

void parseInto(QCommandLineParser &parser, const QStringList &arguments, const QString &verb)
{
    parser.setSingleDashWordOptionMode(QCommandLineParser::ParseAsLongOptions);
    if (!parser.parse(QStringList{QStringLiteral("millrace")} + arguments))
        throw Wrong{QStringLiteral("%1 \"millrace %2 --help\" lists the options.")
                        .arg(harmless(parser.errorText()), verb)};
}

CommandLine parseTasks(const QStringList &arguments)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("Lists the tasks with their parameters."));
    const auto help = helpOption();
    const auto json = flagOption("json", "Print them as JSON.");
    parser.addOptions({help, json});
    parseInto(parser, arguments, QStringLiteral("tasks"));
    if (parser.isSet(help))
        return PrintText{withVerbHelp(parser, QStringLiteral("tasks [--json]")).toStdString()};
    if (!parser.positionalArguments().isEmpty())
        throw Wrong{QStringLiteral("\"tasks\" takes no argument %1.")
                        .arg(quotedText(parser.positionalArguments().first()))};
    return TasksCommand{parser.isSet(json)};
}

std::pair<std::string, std::string> setting(const QString &text)
{
    const qsizetype equals = text.indexOf(QLatin1Char('='));
    if (equals <= 0)
        throw Wrong{QStringLiteral("--set must be NAME=VALUE, not %1").arg(quotedText(text))};
    return {text.left(equals).toStdString(), text.mid(equals + 1).toStdString()};
}

CommandLine parseRun(const QStringList &arguments)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral(
        "Runs TASK and prints what came of it. \"millrace tasks\" lists tasks and parameters.\n"
        "Exit codes: 0 finished, 1 failed, 2 wrong usage, 3 stopped by a signal."));
    const auto help = helpOption();
    const auto set = valueOption("set", "A parameter of the task; may be repeated.", "NAME=VALUE");
    const auto rows = valueOption("rows", "Rows to compute; without it as many as the task says.", "N");
    const auto seconds = valueOption("seconds", "Finish after so many seconds.", "S");
    const auto workers = valueOption("workers", "Worker processes, 1 to 64; without it two.", "N");
    const auto threads = valueOption(
        "threads", "Threads of each worker, 1 to 256; without it the workers share all processors.", "N");
    const auto seed = valueOption(
        "seed", "Seed of the random numbers: the same seed, the same rows; without it a new one.", "N");
    const auto name = valueOption("name", "Name of the run in what is printed.", "TEXT");
    const auto output = valueOption("output", "Write the rows to FILE as CSV; - is stdout.", "FILE");
    const auto digest = flagOption("digest", "Print the SHA-256 of all rows.");
    const auto json = flagOption("json", "Print the result as one JSON object.");
    const auto quiet = flagOption("quiet", "No progress and no events on stderr.");
    parser.addOptions({help, set, rows, seconds, workers, threads, seed, name, output, digest, json, quiet});
    parseInto(parser, arguments, QStringLiteral("run"));
    if (parser.isSet(help))
        return PrintText{withVerbHelp(parser, QStringLiteral("run TASK [OPTION]...")).toStdString()};
    const QStringList tasks = parser.positionalArguments();
    if (tasks.size() != 1)
        throw Wrong{tasks.isEmpty()
                        ? QStringLiteral("\"run\" needs the name of a task; \"millrace tasks\" lists them.")
                        : QStringLiteral("\"run\" takes one task, not %1.")
                              .arg(quotedText(tasks.join(QLatin1Char(' '))))};
    RunCommandLine run;
    run.task = tasks.first().toStdString();
    for (const QString &text : parser.values(set))
        run.settings.push_back(setting(text));
    if (parser.isSet(rows))
        run.rows = wholeNumber(QStringLiteral("rows"), parser.value(rows), 1, indexMax);
    if (parser.isSet(seconds))
        run.duration = duration(parser.value(seconds));
    if (parser.isSet(workers))
        run.workers = unsigned(wholeNumber(QStringLiteral("workers"), parser.value(workers), 1, workersMax));
    if (parser.isSet(threads))
        run.threads = unsigned(wholeNumber(QStringLiteral("threads"), parser.value(threads), 1, threadsMax));
    if (parser.isSet(seed))
        run.seed = wholeNumber(QStringLiteral("seed"), parser.value(seed), 0, indexMax);
    run.name = parser.value(name).toStdString();
    run.output = parser.value(output).toStdString();
    if (parser.isSet(output) && run.output.empty())
        throw Wrong{QStringLiteral("--output needs the name of a file, or - for stdout.")};
    run.isDigest = parser.isSet(digest);
    run.isJson = parser.isSet(json);
    run.isQuiet = parser.isSet(quiet);
    if (run.isJson && run.output == "-")
        throw Wrong{QStringLiteral("--json and --output - both want stdout: give --output a file.")};
    return run;
}

} // namespace

QString quotedText(const QString &text)
{
    const bool isLong = text.size() > shownCharactersMax;
    QString shown = text.left(shownCharactersMax);
    if (isLong && shown.back().isHighSurrogate())
        shown.chop(1);
    return QLatin1Char('"') + harmless(shown) + (isLong ? QStringLiteral("...\"") : QStringLiteral("\""));
}

CommandLine parseCommandLine(const QStringList &arguments)
{
    const QString verb = arguments.value(0);
    try {
        if (verb == QLatin1String("tasks"))
            return parseTasks(arguments.mid(1));
        if (verb == QLatin1String("run"))
            return parseRun(arguments.mid(1));
        if (verb == QLatin1String("--version"))
            return PrintText{"millrace " MILLRACE_VERSION "\n"};
        if (verb == QLatin1String("--help") || verb == QLatin1String("-h"))
            return PrintText{overview};
        if (verb.isEmpty())
            throw Wrong{
                QStringLiteral("There is nothing to do: say \"millrace run TASK\" or \"millrace --help\".")};
        throw Wrong{QStringLiteral("There is no verb %1: use tasks, run, --version or --help.")
                        .arg(quotedText(verb))};
    } catch (const Wrong &wrong) {
        return UsageError{wrong.sentence.toStdString()};
    }
}

} // namespace millrace
