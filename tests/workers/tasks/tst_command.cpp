#include "tests/support/leftovers.h"

#include "workers/tasks/command.h"
#include "workers/tasks/commandline.h"
#include "workers/tasks/descriptor.h"

#include <QElapsedTimer>
#include <QTemporaryDir>

#include <charconv>
#include <thread>

#include <sys/eventfd.h>

using namespace millrace;

namespace {

/// Quoted for `arguments`.
std::string quoted(const std::string &word)
{
    std::string result = "'";
    for (const char c : word)
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

Parameters parametersOf(const Parameters &given)
{
    return resolveParameters(commandTask().description, given).values;
}

Parameters shell(const std::string &script)
{
    return {{"program", "sh"}, {"arguments", "-c " + quoted(script)}};
}

Parameters python(const std::string &script)
{
    return {{"program", "python3"}, {"arguments", "-c " + quoted(script)}};
}

Parameters with(Parameters parameters, const std::string &name, const ParameterValue &value)
{
    parameters[name] = value;
    return parameters;
}

/// One worker's kernel, driven as a session does.
class Driver
{
public:
    explicit Driver(const Parameters &given, RunOptions options = {})
        : m_kernel(commandTask().make(parametersOf(given), options))
    {
        m_context.log = [this](LogLevel, std::string_view text) { events.emplace_back(text); };
        shape = m_kernel->shape();
        m_memory.assign(shape.columnCount(), std::vector<double>(batchRowsMax));
        for (auto &column : m_memory)
            m_columns.push_back(column.data());
    }

    /// One fill(); appends to `rows` without the column `time`, which goes to `times`.
    std::size_t fill(std::uint64_t begin, std::size_t count, std::uint64_t leaseBegin, std::uint64_t leaseEnd)
    {
        const std::size_t filled = m_kernel->fill(
            {begin, std::min(count, batchRowsMax), leaseBegin, leaseEnd, m_columns}, m_context);
        for (std::size_t row = 0; row < filled; ++row) {
            std::vector<double> values;
            for (const auto &column : m_memory)
                values.push_back(column[row]);
            if (shape.timed) {
                times.push_back(values.front());
                values.erase(values.begin());
            }
            rows.push_back(std::move(values));
        }
        return filled;
    }

    /// A whole lease, or up to the end of the source; the sentence of the exception if one ends it.
    std::string lease(std::uint64_t begin, std::uint64_t end)
    {
        try {
            for (std::uint64_t next = begin; next < end;) {
                const std::size_t filled = fill(next, end - next, begin, end);
                if (filled == 0)
                    return {};
                next += filled;
            }
        } catch (const std::exception &error) {
            return error.what();
        }
        return {};
    }
    std::string all(std::uint64_t begin = 0) { return lease(begin, std::uint64_t(1) << 53); }

    std::string text() const
    {
        std::string result;
        for (const auto &row : rows) {
            result += result.empty() ? "" : "|";
            for (std::size_t i = 0; i < row.size(); ++i) {
                char text[32];
                result += (i == 0 ? "" : " ") +
                          std::string(text, std::to_chars(text, text + sizeof text, row[i]).ptr);
            }
        }
        return result;
    }
    std::string names() const
    {
        std::string result;
        for (const auto &series : shape.series)
            result += (result.empty() ? "" : "|") + series.name;
        return result;
    }
    FillContext &context() { return m_context; }

    RunShape shape;
    std::vector<std::vector<double>> rows;
    std::vector<double> times;
    std::vector<std::string> events;

    static constexpr std::size_t batchRowsMax = 10'000;

private:
    std::unique_ptr<Kernel> m_kernel;
    FillContext m_context;
    std::vector<std::vector<double>> m_memory;
    std::vector<double *> m_columns;
};

/// What is said where the run does not begin: "parameter: sentence", or the exception's own sentence.
std::string refusal(const Parameters &given, const RunOptions &options = {})
{
    try {
        const Driver driver(given, options);
    } catch (const WrongParameters &wrong) {
        std::string result;
        for (const auto &error : wrong.errors())
            result += (result.empty() ? "" : "|") + error.parameter + ": " + error.sentence;
        return result;
    } catch (const std::exception &error) {
        return error.what();
    }
    return "it began";
}

RunOptions rowsOf(std::uint64_t rows)
{
    RunOptions options;
    options.rows = rows;
    return options;
}

Parameters lease(const std::string &script)
{
    return with(python(script), "mode", "lease");
}

} // namespace

class TestCommand : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        m_leftovers.begin();
    }
    void cleanup() { m_leftovers.verifyNone(); }

    void declarationIsSound()
    {
        const TaskDescription task = commandTask().description;

        QCOMPARE(task.name, "command");
        QCOMPARE(task.access, Access::System);
        QVERIFY(resolveParameters(task, {}).errors.empty());
        for (const auto &parameter : task.parameters)
            QVERIFY(!parameter.title.empty() && parameter.help.ends_with('.'));
    }

    void everyLineIsARow()
    {
        Driver driver(shell("echo procs; echo 'r b'; echo 1 2; echo 3, 4; echo free text; printf '5;nan'"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.text(), "1 2|3 4|5 nan");
        QCOMPARE(driver.names(), "r|b");
        QCOMPARE(driver.events, (std::vector<std::string>{"procs", "free text"}));
        QVERIFY(driver.shape.timed && !driver.shape.repeatable && !driver.shape.splittable);
        QVERIFY(!driver.shape.rows);
    }

    void timeIsTheSecondsSinceTheStart()
    {
        Driver driver(shell("seq 1000"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.times.size(), std::size_t(1000));
        QVERIFY(driver.times.front() > 0 && driver.times.back() < 60);
        QVERIFY(std::is_sorted(driver.times.begin(), driver.times.end()));
    }

    void linesComeAtOnce_data()
    {
        QTest::addColumn<QByteArray>("program");
        QTest::addColumn<QByteArray>("script");
        QTest::newRow("python") << QByteArray("python3")
                                << QByteArray("import time\nprint(1)\nprint(2)\ntime.sleep(1000)");
        QTest::newRow("C program with stdio")
            << QByteArray("awk") << QByteArray("BEGIN { print 1; print 2; while (1); }");
    }

    void linesComeAtOnce()
    {
        QFETCH(QByteArray, program);
        QFETCH(QByteArray, script);
        const bool isPython = program == "python3";
        Driver driver({{"program", program.toStdString()},
                       {"arguments", (isPython ? "-c " : "") + quoted(script.toStdString())}});

        driver.lease(0, 2);

        QCOMPARE(driver.text(), "1|2");
    }

    void millionNumbersArriveInOrder_data()
    {
        QTest::addColumn<bool>("buffered");
        QTest::newRow("line by line") << false;
        QTest::newRow("buffered") << true;
    }

    void millionNumbersArriveInOrder()
    {
        QFETCH(bool, buffered);
        Driver driver(with(python("for i in range(1000000): print(i)"), "buffered", buffered));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.rows.size(), std::size_t(1'000'000));
        for (std::size_t i = 0; i < driver.rows.size(); ++i)
            QCOMPARE(driver.rows[i][0], double(i));
    }

    void endOfAProgramIsTold_data()
    {
        QTest::addColumn<QByteArray>("script");
        QTest::addColumn<QByteArray>("rows");
        QTest::addColumn<QByteArray>("sentence");
        QTest::newRow("well") << QByteArray("echo 1") << QByteArray("1") << QByteArray();
        QTest::newRow("exit code") << QByteArray("echo 1; exit 3") << QByteArray("1")
                                   << QByteArray("sh ended with exit code 3 after 1 row");
        QTest::newRow("stderr")
            << QByteArray("echo 1; echo 2; echo one >&2; echo two >&2; exit 1") << QByteArray("1|2")
            << QByteArray("sh ended with exit code 1 after 2 rows; its last lines on stderr:\none\ntwo");
        QTest::newRow("signal") << QByteArray("echo 1; kill -SEGV $$") << QByteArray("1")
                                << QByteArray(
                                       "sh ended with signal SIGSEGV (Segmentation fault) after 1 row");
        QTest::newRow("cut line") << QByteArray("echo 1; printf 23; kill -KILL $$") << QByteArray("1")
                                  << QByteArray("sh ended with signal SIGKILL (Killed) after 1 row");
        QTest::newRow("line without end")
            << QByteArray("echo 1; printf 23") << QByteArray("1|23") << QByteArray();
        QTest::newRow("long line") << QByteArray("echo 1; head -c 2000000 /dev/zero") << QByteArray("1")
                                   << QByteArray(
                                          "line 2 of sh is longer than 1 MiB; a row is one line of numbers");
    }

    void endOfAProgramIsTold()
    {
        QFETCH(QByteArray, script);
        QFETCH(QByteArray, sentence);
        Driver driver(shell(script.toStdString()));

        const std::string first = driver.all();
        const std::string again = driver.all(driver.rows.size());

        QCOMPARE(first, sentence.toStdString());
        QCOMPARE(again, first);
        QTEST(QByteArray::fromStdString(driver.text()), "rows");
    }

    void runThatCannotBeginIsExplained_data()
    {
        QTest::addColumn<QByteArray>("program");
        QTest::addColumn<QByteArray>("arguments");
        QTest::addColumn<QByteArray>("sentence");
        const std::array<const char *, 4> cases[] = {
            {"no program", "", "",
             "program: program must be given: the name or path of what is to be started"},
            {"unknown", "no-such-program", "", "program: program not found on PATH: \"no-such-program\""},
            {"with arguments", "sh -c", "",
             "program: program not found on PATH: \"sh -c\"; its arguments belong into arguments"},
            {"no file", "/no/such", "", "program: program does not exist: \"/no/such\""},
            {"folder", "/tmp", "", "program: program is a folder: \"/tmp\""},
            {"not executable", "/etc/passwd", "", "program: program is not executable: \"/etc/passwd\""},
            {"silent", "true", "", "true ended with exit code 0 before its first row"},
            {"failing", "sh", "-c 'echo no >&2; exit 9'",
             "sh ended with exit code 9 before its first row; its last lines on stderr:\nno"},
            {"talking", "sh", "-c 'echo hello; echo world'",
             "sh ended with exit code 0 before its first row; it printed 2 lines, but none is a row; the "
             "first: "
             "\"hello\""},
            {"too wide", "seq", "-s ' ' 2000",
             "line 1 of seq has more than 1,024 numbers; a row has at most so many"},
        };
        for (const auto &[name, program, arguments, sentence] : cases)
            QTest::newRow(name) << QByteArray(program) << QByteArray(arguments) << QByteArray(sentence);
    }

    void runThatCannotBeginIsExplained()
    {
        QFETCH(QByteArray, program);
        QFETCH(QByteArray, arguments);
        QFETCH(QByteArray, sentence);

        const std::string told =
            refusal({{"program", program.toStdString()}, {"arguments", arguments.toStdString()}});

        QCOMPARE(told, sentence.toStdString());
    }

    void everyWrongParameterIsToldAtItsField()
    {
        const std::string told = refusal(
            {{"program", ""}, {"arguments", "'"}, {"pattern", "("}, {"mode", "lease"}, {"replay", true}});

        for (const char *field : {"program: ", "arguments: arguments are not quoted as in a shell",
                                  "pattern: ", "mode: ", "replay: "})
            QVERIFY2(told.find(field) != std::string::npos, told.c_str());
    }

    void argumentsAreQuotedAsInAShell()
    {
        const auto words =
            std::get<std::vector<std::string>>(splitArguments("a 'b c' \"d\\\"e\" f\\ g ''  $HOME *"));

        QCOMPARE(words, (std::vector<std::string>{"a", "b c", "d\"e", "f g", "", "$HOME", "*"}));
        QVERIFY(std::get<std::vector<std::string>>(splitArguments("")).empty());
        QVERIFY(std::get<std::vector<std::string>>(splitArguments("  ")).empty());
    }

    void patternFindsTheNumbers()
    {
        Driver driver(with(shell("echo PING localhost; echo 'seq=1 time=0.5 ms'; echo 'seq=2 time=0.25 ms'"),
                           "pattern", "seq=(?<seq>\\d+) time=(?<time>[0-9.]+) ms"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.text(), "1 0.5|2 0.25");
        QCOMPARE(driver.names(), "seq|time-2");
        QCOMPARE(driver.events, (std::vector<std::string>{"PING localhost"}));
    }

    void rowsAskedForEndTheProgram()
    {
        Driver driver({{"program", "yes"}, {"arguments", "7"}}, rowsOf(25'000));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.shape.rows, std::optional<std::uint64_t>(25'000));
        QCOMPARE(driver.rows.size(), std::size_t(25'000));
    }

    void continuedRunGoesOnCounting()
    {
        Driver driver(shell("seq 5"), rowsOf(103));

        QCOMPARE(driver.all(100), "");

        QCOMPARE(driver.text(), "1|2|3");
    }

    void replayPassesOverTheRowsThatAreThere()
    {
        Driver driver(with(shell("seq 5"), "replay", true));
        Driver shorter(with(shell("seq 5"), "replay", true));

        QCOMPARE(driver.all(3), "");
        const std::string sentence = shorter.all(7);

        QCOMPARE(driver.text(), "4|5");
        QCOMPARE(
            sentence,
            "sh ended after 5 rows, but the run has 7 already; with replay on it must print the same again");
    }

    void floodOfTextIsBounded()
    {
        Driver driver(shell("echo 1; yes hello | head -n 1000000; seq -f 'line %.0f' 1000000; echo 2"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.text(), "1|2");
        QVERIFY(driver.events.size() < 120);
        QVERIFY(std::find(driver.events.begin(), driver.events.end(), "hello (1,000,000 times)") !=
                driver.events.end());
        QCOMPARE(driver.events.back(), "999,901 other lines that are no rows");
    }

    void eventsAreToldBeforeTheNextRow()
    {
        Driver driver(shell("echo 1; echo waiting; exec sleep 1000"));
        std::stop_source source;
        driver.context().stop = source.get_token();
        driver.context().log = [&](LogLevel, std::string_view text) {
            driver.events.emplace_back(text);
            source.request_stop();
        };

        driver.all();

        QCOMPARE(driver.events, (std::vector<std::string>{"waiting"}));
    }

    void stopEndsEveryWait_data()
    {
        QTest::addColumn<QByteArray>("script");
        QTest::addColumn<bool>("inShape");
        QTest::newRow("no row") << QByteArray("exec sleep 1000") << true;
        QTest::newRow("no number in a flood") << QByteArray("exec yes hello") << true;
        QTest::newRow("no further row") << QByteArray("echo 1; exec sleep 1000") << false;
        QTest::newRow("closed its output") << QByteArray("echo 1; exec >&-; exec sleep 1000") << false;
        QTest::newRow("flood") << QByteArray("echo 1; exec yes hello") << false;
        QTest::newRow("passing over") << QByteArray("exec yes 1") << false;
    }

    void stopEndsEveryWait()
    {
        QFETCH(QByteArray, script);
        QFETCH(bool, inShape);
        std::stop_source source;
        const Descriptor event(eventfd(0, EFD_CLOEXEC));
        RunOptions options;
        options.stop = source.get_token();
        options.stopFd = event.get();
        const auto stop = [&] {
            source.request_stop();
            const std::uint64_t one = 1;
            QCOMPARE(write(event.get(), &one, sizeof one), ssize_t(sizeof one));
        };
        QElapsedTimer timer;
        timer.start();

        if (inShape) {
            std::jthread stopper(stop);
            QCOMPARE(refusal(shell(script.toStdString()), options), "sh was stopped before its first row");
        } else {
            Driver driver(with(shell(script.toStdString()), "replay", script.contains("yes 1")));
            driver.context().stop = source.get_token();
            driver.context().stopFd = event.get();
            std::jthread stopper(stop);
            driver.fill(1'000'000'000, 10, 0, 2'000'000'000);
            driver.fill(1'000'000'000, 10, 0, 2'000'000'000);
        }

        QVERIFY(timer.elapsed() < 10'000);
    }

    void cutLineIsAnEvent()
    {
        Driver driver(shell("echo 1; printf 23; exit 1"));

        driver.all();

        QCOMPARE(driver.events, (std::vector<std::string>{"the last line of sh was cut: 23"}));
    }

    void programThatClosesItsOutputIsEnded()
    {
        Driver driver(shell("echo 1; exec >&-; exec sleep 1000"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.text(), "1");
        QCOMPARE(driver.events,
                 (std::vector<std::string>{"sh printed no more, but ran on; it was made to end"}));
    }

    void processLeftBehindDoesNotHoldTheRun()
    {
        QTemporaryDir folder;
        const std::string fifo = folder.filePath(QStringLiteral("fifo")).toStdString();
        Driver driver(shell("mkfifo " + fifo + "; cat " + fifo + " & echo 1; echo 2"));

        QCOMPARE(driver.all(), "");

        QCOMPARE(driver.text(), "1|2");
        QCOMPARE(driver.events,
                 (std::vector<std::string>{
                     "sh has ended, but a process that it started keeps its output open; what that "
                     "prints is not read"}));
        QFile(QString::fromStdString(fifo)).open(QIODevice::WriteOnly); // lets the process end
    }

    void leaseIsPrintedByAProgramOfItsOwn()
    {
        auto options = rowsOf(1000);
        options.seed = 7;
        options.worker = 3;
        Driver driver(
            lease("print('i seed worker')\nfor i in range({begin}, {end}): print(i, {seed}, {worker})"),
            options);

        QCOMPARE(driver.lease(10, 13), "");
        QCOMPARE(driver.lease(2, 4), "");

        QCOMPARE(driver.text(), "10 7 3|11 7 3|12 7 3|2 7 3|3 7 3");
        QCOMPARE(driver.names(), "i|seed|worker");
        QVERIFY(driver.events.empty());
        QVERIFY(!driver.shape.timed && driver.shape.repeatable && driver.shape.splittable);
        QCOMPARE(driver.shape.rows, std::optional<std::uint64_t>(1000));
    }

    void leaseIsFilledInAnyBatches()
    {
        Driver driver(lease("for i in range({begin}, {end}): print(i)"), rowsOf(100));

        for (std::uint64_t next = 20; next < 30;)
            next += driver.fill(next, 3, 20, 30);
        driver.fill(25, 1, 20, 30); // not where the program is: started anew from there

        QCOMPARE(driver.text(), "20|21|22|23|24|25|26|27|28|29|25");
    }

    void leaseNotKeptIsTold_data()
    {
        QTest::addColumn<QByteArray>("script");
        QTest::addColumn<QByteArray>("sentence");
        const QByteArray loop = "n = {end} - {begin}\nfor i in range({begin}, {end}): print(i)\n";
        QTest::newRow("fewer")
            << QByteArray("print(1) # {begin} {end}")
            << QByteArray("python3 ended after 1 row of lease [5, 8); it must print one line for each row");
        QTest::newRow("more")
            << QByteArray(loop + "if n > 1: print(1)")
            << QByteArray(
                   "python3 did not end after 4 rows of lease [5, 8); it must print one line for each row");
        QTest::newRow("exit code") << QByteArray(loop + "if n > 1: exit(4)")
                                   << QByteArray(
                                          "python3 ended with exit code 4 after 3 rows of lease [5, 8)");
        QTest::newRow("exit code in the middle")
            << QByteArray("print(1)\nif {begin} + {end} > 1: exit(4)")
            << QByteArray("python3 ended with exit code 4 after 1 row of lease [5, 8)");
    }

    void leaseNotKeptIsTold()
    {
        QFETCH(QByteArray, script);
        QFETCH(QByteArray, sentence);
        Driver driver(lease(script.toStdString()), rowsOf(10));

        QCOMPARE(driver.lease(5, 8), sentence.toStdString());
    }

    void leaseNeedsRowsAndPlaceholders()
    {
        const std::string told = refusal(lease("print({begin})"));

        QCOMPARE(told,
                 "mode: mode lease needs a number of rows: the program has no end of its own|arguments: "
                 "arguments must contain {begin} and {end} in mode lease: the program prints the rows from "
                 "{begin} up to, not including, {end}");
    }

private:
    Leftovers m_leftovers;
};

QTEST_GUILESS_MAIN(TestCommand)
#include "tst_command.moc"
