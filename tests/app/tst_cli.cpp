#include "tests/support/cliprocess.h"

#include <QCryptographicHash>
#include <QElapsedTimer>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <QTimer>
#include <QtEndian>

#include <bit>
#include <cmath>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace millrace;

namespace {

QStringList words(const QString &text)
{
    return text.split(QLatin1Char(' '), Qt::SkipEmptyParts);
}

double numberOf(const QJsonObject &object, const char *key)
{
    return object.value(QLatin1String(key)).toDouble(std::numeric_limits<double>::quiet_NaN());
}

QString textOf(const QJsonObject &object, const char *key)
{
    return object.value(QLatin1String(key)).toString();
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("no file");
}

/// A run long enough to be disturbed, short enough to be tested; a row takes about a millisecond.
const QString monteCarlo = QStringLiteral("run monte-carlo --seed 7 --rows 300 --digest --json");

} // namespace

/// End to end: the real programs, as a user starts them, without a display.
class TestCli : public QObject
{
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    QString m_digest; ///< of monteCarlo, undisturbed

    /// A folder with the app and what stands beside it; the helper is the script `lines`, or the real one.
    std::unique_ptr<QTemporaryDir> installedWith(const QByteArray &lines)
    {
        auto folder = std::make_unique<QTemporaryDir>();
        for (const char *name : {"millrace", "millrace-worker", "millrace-warden"})
            QFile::copy(QStringLiteral(MILLRACE_BINARY_DIR "/bin/") + QLatin1String(name),
                        folder->filePath(QLatin1String(name)));
        if (!lines.isEmpty()) {
            QFile helper(folder->filePath(QStringLiteral("millrace-worker")));
            if (helper.open(QIODevice::WriteOnly | QIODevice::Truncate))
                helper.write("#!/bin/sh\n" + lines + "\n");
        }
        return folder;
    }

private Q_SLOTS:
    void initTestCase()
    {
        ProcessTree::adoptOrphans();
        CliProcess cli(words(monteCarlo));
        QCOMPARE(cli.exitCode(), 0);
        m_digest = textOf(cli.json(), "sha256");
        QCOMPARE(m_digest.size(), 64);
    }
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }
    void cleanup() { QVERIFY2(ProcessTree::isNothingLeft(), "a process of ours is alive"); }

    void tasksAreListed()
    {
        CliProcess cli({QStringLiteral("tasks")});

        QCOMPARE(cli.exitCode(), 0);
        for (const char *begin : {"monte-carlo: ", "primes: ", "count: ", "e-series: ", "command: "})
            QVERIFY2(("\n" + cli.out()).contains(QByteArray("\n") + begin), begin);
        QVERIFY(cli.out().contains("\n  spot=42 "));
        QCOMPARE(cli.err(), QByteArray());
    }

    void tasksAreListedAsJson()
    {
        CliProcess cli(words(QStringLiteral("tasks --json")));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(cli.json().value(QLatin1String("tasks")).toArray().size(), 5);
        QCOMPARE(cli.err(), QByteArray());
    }

    void monteCarloMeetsTheBook_data()
    {
        QTest::addColumn<QString>("option");
        QTest::addColumn<double>("price"); // Hull, Options, Futures, and Other Derivatives: to the cent

        QTest::newRow("call") << "call" << 4.76;
        QTest::newRow("put") << "put" << 0.81;
    }

    void monteCarloMeetsTheBook()
    {
        QFETCH(QString, option);
        QFETCH(double, price);
        CliProcess cli(
            words(QStringLiteral("run monte-carlo --set spot=42 --set strike=40 --set rate=0.10 "
                                 "--set volatility=0.20 --set maturity=0.5 --seed 1 --json --set option=") +
                  option));

        QCOMPARE(cli.exitCode(), 0);
        const QJsonObject series = cli.series();
        QCOMPARE(numberOf(cli.json(), "rows"), 1000.0);
        QVERIFY(std::abs(numberOf(series, "reference") - price) < 0.005);
        QVERIFY(numberOf(series, "stderr") > 0 && numberOf(series, "stderr") < 0.005);
        QVERIFY(std::abs(numberOf(series, "mean") - numberOf(series, "reference")) <
                3 * numberOf(series, "stderr"));
        QVERIFY(std::abs(numberOf(series, "mean") - price) < 3 * numberOf(series, "stderr"));
        QCOMPARE(cli.err(), QByteArray());
    }

    void primesBelowABillionAreAllCounted()
    {
        CliProcess cli(words(QStringLiteral("run primes --json")));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(numberOf(cli.series(), "sum"), 50'847'534.0);
        QCOMPARE(numberOf(cli.json(), "rows"), 1000.0);
    }

    void partialSumsReachE()
    {
        CliProcess cli(words(QStringLiteral("run e-series --json")));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(numberOf(cli.json(), "rows"), 100.0);
        QCOMPARE(numberOf(cli.series(), "last"), std::exp(1.0));
    }

    void outputIsWrittenToTheFile()
    {
        const QString path = m_folder.filePath(QStringLiteral("rows.csv"));
        CliProcess cli(words(
            QStringLiteral("run count --rows 5 --seed 3 --set start=-0.5 --set step=0.25 --output ") + path));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(contentOf(path), QByteArray("row,value\n0,-0.5\n1,-0.25\n2,0\n3,0.25\n4,0.5\n"));
        QVERIFY(cli.out().startsWith("count finished: 5 rows in "));
        QCOMPARE(cli.err(), QByteArray());
    }

    void outputOnStdoutHasItForItself()
    {
        CliProcess loud(words(QStringLiteral("run count --rows 2 --output -")));
        CliProcess quiet(words(QStringLiteral("run count --rows 2 --output - --quiet")));

        QCOMPARE(loud.exitCode(), 0);
        QCOMPARE(loud.out(), QByteArray("row,value\n0,0\n1,1\n"));
        QVERIFY(loud.err().startsWith("count finished: 2 rows in "));
        QCOMPARE(quiet.exitCode(), 0);
        QCOMPARE(quiet.out(), QByteArray("row,value\n0,0\n1,1\n"));
        QCOMPARE(quiet.err(), QByteArray());
    }

    void digestIsThatOfTheOutput()
    {
        const QString path = m_folder.filePath(QStringLiteral("digest.csv"));
        CliProcess cli(words(QStringLiteral("run e-series --digest --json --output ") + path));

        QCOMPARE(cli.exitCode(), 0);
        QByteArray bytes;
        for (const QByteArray &line : contentOf(path).split('\n').mid(1)) {
            for (const QByteArray &cell : line.split(',').mid(1)) {
                const auto bits = qToLittleEndian(std::bit_cast<quint64>(cell.toDouble()));
                bytes.append(reinterpret_cast<const char *>(&bits), sizeof bits);
            }
        }
        QCOMPARE(bytes.size(), 100 * 2 * 8);
        QCOMPARE(textOf(cli.json(), "sha256").toLatin1(),
                 QCryptographicHash::hash(bytes, QCryptographicHash::Sha256).toHex());
    }

    void digestDoesNotDependOnTheWorkers_data()
    {
        QTest::addColumn<QString>("options");

        for (const int workers : {1, 2, 5})
            for (const int threads : {1, 2, 4})
                QTest::addRow("%d x %d", workers, threads)
                    << QStringLiteral(" --workers %1 --threads %2").arg(workers).arg(threads);
    }

    void digestDoesNotDependOnTheWorkers()
    {
        QFETCH(QString, options);
        CliProcess cli(words(monteCarlo + options));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(textOf(cli.json(), "sha256"), m_digest);
        QCOMPARE(cli.err(), QByteArray());
    }

    /// This masks what the C library and libraries that ask it choose. Our own choice between SSE2 and AVX2
    /// asks the processor itself; tst_pathmath compares the two bit for bit.
    void digestDoesNotDependOnTheProcessor()
    {
        CliProcess cli(words(monteCarlo));
        cli.setEnvironment(QStringLiteral("GLIBC_TUNABLES"),
                           QStringLiteral("glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable,-AVX2,-FMA"));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(textOf(cli.json(), "sha256"), m_digest);
    }

    void killedWorkersChangeNothing()
    {
        const QString longer = QString(monteCarlo).replace(QLatin1String("300"), QLatin1String("2000"));
        CliProcess calm(words(longer));
        CliProcess disturbed(words(longer));
        int killed = 0;
        QTimer killer;
        QObject::connect(&killer, &QTimer::timeout, &killer, [&] {
            const QList<qint64> workers = disturbed.workers();
            if (!workers.isEmpty())
                killed += ::kill(pid_t(workers[killed % workers.size()]), SIGKILL) == 0;
        });

        QCOMPARE(calm.exitCode(), 0);
        killer.start(50);
        QCOMPARE(disturbed.exitCode(), 0);

        QVERIFY(killed > 3);
        QVERIFY(numberOf(disturbed.json(), "restarts") > 0);
        QCOMPARE(numberOf(disturbed.json(), "rows"), 2000.0);
        QCOMPARE(textOf(disturbed.json(), "sha256"), textOf(calm.json(), "sha256"));
        QCOMPARE(numberOf(disturbed.series(), "sum"), numberOf(calm.series(), "sum"));
    }

    void millionNumbersOfAProgramAreAllThereInOrder()
    {
        const QString python = QStandardPaths::findExecutable(QStringLiteral("python3"));
        if (python.isEmpty())
            QSKIP("no python3");
        QFile script(m_folder.filePath(QStringLiteral("numbers.py")));
        QVERIFY(script.open(QIODevice::WriteOnly));
        script.write("import hashlib, random, struct, sys\n"
                     "random.seed(1)\n"
                     "numbers = [random.uniform(-1e6, 1e6) for _ in range(10**6)]\n"
                     "if len(sys.argv) > 1:\n"
                     "    print(hashlib.sha256(struct.pack('<1000000d', *numbers)).hexdigest())\n"
                     "else:\n"
                     "    for number in numbers:\n"
                     "        print(number)\n");
        script.close();
        CliProcess own({script.fileName(), QStringLiteral("digest")}, python);
        CliProcess cli({QStringLiteral("run"), QStringLiteral("command"), QStringLiteral("--digest"),
                        QStringLiteral("--json"), QStringLiteral("--set"),
                        QStringLiteral("program=") + python, QStringLiteral("--set"),
                        QStringLiteral("arguments=") + script.fileName()});

        QCOMPARE(own.exitCode(), 0);
        QCOMPARE(cli.exitCode(), 0);

        QCOMPARE(numberOf(cli.json(), "rows"), 1e6);
        QCOMPARE(textOf(cli.json(), "sha256").toLatin1(), own.out().trimmed());
        QCOMPARE(cli.err(), QByteArray());
    }

    void programThatFailsFailsTheRunAndKeepsItsRows()
    {
        const QString path = m_folder.filePath(QStringLiteral("failed.csv"));
        CliProcess cli({QStringLiteral("run"), QStringLiteral("command"), QStringLiteral("--set"),
                        QStringLiteral("program=sh"), QStringLiteral("--set"),
                        QStringLiteral("arguments=-c 'echo 1; echo 2; echo words >&2; exit 3'"),
                        QStringLiteral("--json"), QStringLiteral("--output"), path});

        QCOMPARE(cli.exitCode(), 1);
        QCOMPARE(textOf(cli.json(), "state"), QStringLiteral("failed"));
        QVERIFY2(textOf(cli.json(), "message").contains(QLatin1String("exit code 3")),
                 qPrintable(textOf(cli.json(), "message")));
        QCOMPARE(numberOf(cli.json(), "rows"), 2.0);
        QCOMPARE(numberOf(cli.series(), "last"), 2.0);
        QVERIFY(cli.err().contains("millrace: "));
        QVERIFY(cli.err().contains("exit code 3"));
        const QList<QByteArray> lines = contentOf(path).split('\n');
        QCOMPARE(lines.size(), 4);
        QVERIFY(lines[0].startsWith("row,time,"));
        QVERIFY(lines[1].startsWith("0,") && lines[1].endsWith(",1"));
        QVERIFY(lines[2].startsWith("1,") && lines[2].endsWith(",2"));
    }

    void patternReadsTheTimesOfPing()
    {
        const QStringList ping = words(QStringLiteral("-c 3 -i 0.2 127.0.0.1"));
        CliProcess tried(ping, QStringLiteral("ping"));
        if (QStandardPaths::findExecutable(QStringLiteral("ping")).isEmpty() || tried.exitCode() != 0)
            QSKIP("no ping that works here");
        CliProcess cli({QStringLiteral("run"), QStringLiteral("command"), QStringLiteral("--set"),
                        QStringLiteral("program=ping"), QStringLiteral("--set"),
                        QStringLiteral("arguments=") + ping.join(QLatin1Char(' ')), QStringLiteral("--set"),
                        QStringLiteral("pattern=time=(?<ms>[0-9.]+)"), QStringLiteral("--json"),
                        QStringLiteral("--quiet")});

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(textOf(cli.series(), "name"), QStringLiteral("ms"));
        QCOMPARE(numberOf(cli.json(), "rows"), 3.0);
        QVERIFY(numberOf(cli.series(), "min") > 0);
        QCOMPARE(cli.err(), QByteArray());
    }

    void wrongUseIsToldAndEndsWithTwo_data()
    {
        QTest::addColumn<QString>("arguments");
        QTest::addColumn<QString>("begin");

        QTest::newRow("nothing") << ""
                                 << "millrace: There is nothing to do";
        QTest::newRow("no task") << "run"
                                 << "millrace: \"run\" needs the name of a task";
        QTest::newRow("rows")
            << "run count --rows 0"
            << "millrace: --rows must be a whole number from 1 to 9223372036854775807, not \"0\"\n";
        QTest::newRow("option") << "run count --fast"
                                << "millrace: Unknown option 'fast'.";
        QTest::newRow("unknown task") << "run cuont"
                                      << "millrace: There is no task \"cuont\": the tasks are monte-carlo, "
                                         "primes, count, e-series, command.\n";
        QTest::newRow("unknown parameter")
            << "run count --set spot=42"
            << "millrace: --set: the task count has no parameter \"spot\"; it has ";
        QTest::newRow("wrong parameter")
            << "run monte-carlo --set spot=abc"
            << "millrace: --set: spot must be a number from 1e-06 to 1e+09, not \"abc\"\n";
        QTest::newRow("only the worker knows") << "run command --json"
                                               << "millrace: program must be given";
        QTest::newRow("program") << "run command --set program=/nowhere/program"
                                 << "millrace: program does not exist: \"/nowhere/program\"";
    }

    void wrongUseIsToldAndEndsWithTwo()
    {
        QFETCH(QString, arguments);
        QFETCH(QString, begin);
        CliProcess cli(words(arguments));

        QCOMPARE(cli.exitCode(), 2);
        QVERIFY2(cli.err().startsWith(begin.toUtf8()), cli.err().constData());
        QCOMPARE(cli.out(), QByteArray());
    }

    void everyWrongParameterIsTold()
    {
        CliProcess cli(words(QStringLiteral("run monte-carlo --set spot=abc --set option=swap --set foo=1")));

        QCOMPARE(cli.exitCode(), 2);
        QCOMPARE(cli.err().count('\n'), 3);
    }

    void signalStopsCleanly_data()
    {
        QTest::addColumn<int>("number");
        QTest::addColumn<int>("times");

        QTest::newRow("SIGINT") << SIGINT << 1;
        QTest::newRow("SIGTERM") << SIGTERM << 1;
        QTest::newRow("SIGINT, sent twice as timeout does") << SIGINT << 2;
    }

    void signalStopsCleanly()
    {
        QFETCH(int, number);
        QFETCH(int, times);
        const QString path = m_folder.filePath(QStringLiteral("stopped.csv"));
        QFile::remove(path);
        CliProcess cli(words(QStringLiteral("run count --set rate=1000 --json --output ") + path));

        cli.start();
        QTRY_VERIFY_WITH_TIMEOUT(contentOf(path).count('\n') > 10, 20'000);
        for (int i = 0; i < times; ++i)
            cli.signal(number);

        QCOMPARE(cli.exitCode(), 3);
        QCOMPARE(textOf(cli.json(), "state"), QStringLiteral("stopped"));
        const auto rows = qsizetype(numberOf(cli.json(), "rows"));
        QVERIFY(rows >= 10);
        QCOMPARE(contentOf(path).count('\n'), rows + 1); // every row that was told is there
        QCOMPARE(cli.err(), QByteArray());
    }

    void secondSignalEndsAtOnce()
    {
        const QString fifo = m_folder.filePath(QStringLiteral("fifo"));
        QCOMPARE(::mkfifo(fifo.toLocal8Bit().constData(), 0600), 0);
        const int reader = ::open(fifo.toLocal8Bit().constData(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        QVERIFY(reader >= 0);
        const auto closeReader = qScopeGuard([reader] { ::close(reader); });
        const auto waitingBytes = [reader] {
            int count = 0;
            return ::ioctl(reader, FIONREAD, &count) == 0 ? count : 0;
        };
        CliProcess cli(
            words(QStringLiteral("run count --json --output ") + fifo)); // nobody reads what is in it

        cli.start();
        QTRY_VERIFY_WITH_TIMEOUT(waitingBytes() > 50'000, 20'000);
        cli.signal(SIGINT);
        QVERIFY(!cli.isOverWithin(500)); // rows are still to be written
        QElapsedTimer timer;
        timer.start();
        cli.signal(SIGINT);

        QCOMPARE(cli.exitCode(), 3);
        QVERIFY(timer.elapsed() < 1000);
        QCOMPARE(cli.out(), QByteArray());
    }

    void signalBeforeTheRunBeginsIsReported()
    {
        const auto folder = installedWith("exec sleep 1000");
        CliProcess cli(words(QStringLiteral("run count --rows 10 --json")),
                       folder->filePath(QStringLiteral("millrace")));

        cli.start();
        QTRY_VERIFY_WITH_TIMEOUT(!ProcessTree::below(cli.process().processId(), "sleep").isEmpty(), 4000);
        cli.signal(SIGTERM);

        QCOMPARE(cli.exitCode(), 3);
        QCOMPARE(textOf(cli.json(), "state"), QStringLiteral("stopped"));
        QCOMPARE(textOf(cli.json(), "task"), QStringLiteral("count"));
        QCOMPARE(cli.err(), QByteArray());
    }

    void killedAppTakesEverythingAlong()
    {
        CliProcess cli(words(QStringLiteral("run count --quiet")));

        cli.start();
        QTRY_VERIFY_WITH_TIMEOUT(!cli.workers().isEmpty(), 20'000);
        cli.signal(SIGKILL);

        QVERIFY(cli.isOverWithin(5000)); // cleanup() sees that nothing is left
    }

    void readerThatGoesEndsTheRun()
    {
        CliProcess head({QStringLiteral("-n"), QStringLiteral("2")}, QStringLiteral("head"));
        CliProcess cli(words(QStringLiteral("run count --output -")));
        cli.process().setStandardOutputProcess(&head.process());

        cli.start();
        head.start();

        QCOMPARE(cli.exitCode(), 1);
        QCOMPARE(head.exitCode(), 0);
        QCOMPARE(head.out(), QByteArray("row,value\n0,0\n"));
        QVERIFY2(cli.err().startsWith("millrace: the reader of stdout has gone\n"), cli.err().constData());
    }

    void stdoutThatTakesNothingIsTold_data()
    {
        QTest::addColumn<QString>("arguments");

        for (const char *arguments :
             {"--version", "--help", "run --help", "tasks", "tasks --json", "run count --rows 5",
              "run count --rows 5 --json --quiet", "run count --rows 5 --output - --quiet"})
            QTest::newRow(arguments) << arguments;
    }

    void stdoutThatTakesNothingIsTold()
    {
        QFETCH(QString, arguments);
        CliProcess full(words(arguments));
        full.process().setStandardOutputFile(QStringLiteral("/dev/full"));
        CliProcess closed(QStringList{QStringLiteral("-c"), QStringLiteral("exec \"$0\" \"$@\" >&-"),
                                      QStringLiteral(MILLRACE_BINARY_DIR "/bin/millrace")} +
                              words(arguments),
                          QStringLiteral("sh"));

        QCOMPARE(full.exitCode(), 1);
        QCOMPARE(full.err(), QByteArray("millrace: cannot write to stdout: No space left on device\n"));
        QCOMPARE(closed.exitCode(), 1);
        QCOMPARE(closed.err(), QByteArray("millrace: cannot write to stdout: Bad file descriptor\n"));
    }

    void fileThatCannotBeWrittenFailsTheRun_data()
    {
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("reason");

        QTest::newRow("full disk") << "/dev/full"
                                   << "No space left on device";
        QTest::newRow("no folder") << "/nowhere/rows.csv"
                                   << "No such file or directory";
    }

    void fileThatCannotBeWrittenFailsTheRun()
    {
        QFETCH(QString, path);
        QFETCH(QString, reason);
        const QString sentence = QStringLiteral("cannot write to %1: %2").arg(path, reason);
        CliProcess cli(
            words(QStringLiteral("run count --json --output ") + path)); // without an end of its own

        QCOMPARE(cli.exitCode(), 1);
        QCOMPARE(textOf(cli.json(), "state"), QStringLiteral("failed"));
        QCOMPARE(textOf(cli.json(), "message"), sentence);
        QCOMPARE(cli.err(), "millrace: " + sentence.toUtf8() + "\n");
    }

    void runEndsAfterItsSeconds()
    {
        CliProcess cli(words(QStringLiteral("run count --seconds 0.5 --json --quiet")));

        QCOMPARE(cli.exitCode(), 0);
        QCOMPARE(textOf(cli.json(), "state"), QStringLiteral("finished"));
        QVERIFY(numberOf(cli.json(), "seconds") >= 0.5);
        QVERIFY(numberOf(cli.json(), "seconds") < 5);
        QVERIFY(numberOf(cli.json(), "rows") > 0);
    }

    void runEndsAfterItsRows()
    {
        CliProcess cli(words(
            QStringLiteral("run count --rows 1e6 --workers 3 --threads 1 --seed 11 --name night --json")));

        QCOMPARE(cli.exitCode(), 0);
        const QJsonObject object = cli.json();
        QCOMPARE(numberOf(object, "rows"), 1e6);
        QCOMPARE(numberOf(cli.series(), "last"), 999'999.0);
        QCOMPARE(numberOf(cli.series(), "sum"), 499'999'500'000.0);
        QCOMPARE(numberOf(object, "workers"), 3.0);
        QCOMPARE(numberOf(object, "threads"), 1.0);
        QCOMPARE(numberOf(object, "seed"), 11.0);
        QCOMPARE(textOf(object, "name"), QStringLiteral("night"));
        QCOMPARE(cli.err(), QByteArray());
    }

    void helperThatCannotBeUsedIsTold_data()
    {
        QTest::addColumn<QByteArray>("lines");
        QTest::addColumn<int>("mode");
        QTest::addColumn<QString>("reason");

        QTest::newRow("garbage") << QByteArray("echo nonsense") << 0755 << "cannot be used";
        QTest::newRow("exit code") << QByteArray("exit 3") << 0755 << "ended with code 3";
        QTest::newRow("everybody may change it") << QByteArray("exit 0") << 0777 << "may change it";
        QTest::newRow("no program") << QByteArray("exit 0") << 0644 << "not a program";
    }

    void helperThatCannotBeUsedIsTold()
    {
        QFETCH(QByteArray, lines);
        QFETCH(int, mode);
        QFETCH(QString, reason);
        const auto folder = installedWith(lines);
        ::chmod(folder->filePath(QStringLiteral("millrace-worker")).toLocal8Bit().constData(), mode_t(mode));

        for (const char *arguments : {"tasks", "run count --rows 5 --json"}) {
            CliProcess cli(words(QLatin1String(arguments)), folder->filePath(QStringLiteral("millrace")));

            QCOMPARE(cli.exitCode(), 1);
            QCOMPARE(cli.out(), QByteArray());
            QVERIFY2(cli.err().startsWith("millrace: ") && cli.err().contains(reason.toUtf8()),
                     cli.err().constData());
            QCOMPARE(cli.err().count('\n'), 1);
        }
    }

    void missingWardenIsTold()
    {
        const auto folder = installedWith({});
        QFile::remove(folder->filePath(QStringLiteral("millrace-warden")));
        CliProcess cli(words(QStringLiteral("run count --rows 5")),
                       folder->filePath(QStringLiteral("millrace")));

        QCOMPARE(cli.exitCode(), 1);
        QVERIFY2(cli.err().contains("No such file or directory; is Millrace installed completely?"),
                 cli.err().constData());
    }

    void progressIsShownOnATerminalOnly()
    {
        if (QStandardPaths::findExecutable(QStringLiteral("script")).isEmpty())
            QSKIP("no script");
        const QString command = QStringLiteral(MILLRACE_BINARY_DIR "/bin/millrace run count --seconds 1");
        CliProcess terminal({QStringLiteral("-qec"), command, QStringLiteral("/dev/null")},
                            QStringLiteral("script"));
        CliProcess quiet(
            {QStringLiteral("-qec"), command + QStringLiteral(" --quiet"), QStringLiteral("/dev/null")},
            QStringLiteral("script"));

        QCOMPARE(terminal.exitCode(), 0);
        QVERIFY2(terminal.out().contains("\r[") && terminal.out().contains(" 1 s left"),
                 terminal.out().constData());
        QCOMPARE(quiet.exitCode(), 0);
        QVERIFY2(!quiet.out().contains("left") && !quiet.out().contains('\x1b'), quiet.out().constData());
        QVERIFY(quiet.out().startsWith("count finished: "));
    }
};

QTEST_GUILESS_MAIN(TestCli)
#include "tst_cli.moc"
