#include "tests/support/leftovers.h"

#include "workers/tasks/childprogram.h"

#include <QElapsedTimer>
#include <QTemporaryDir>

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/eventfd.h>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

ProgramCall shell(const std::string &script)
{
    return programCall("/bin/sh", {"-c", script}, Buffering::OwnChoice);
}

ChildProgram::Clock::time_point soon()
{
    return ChildProgram::Clock::now() + 20s;
}

/// All that the program prints, until it has ended and closed its output.
std::string output(ChildProgram &program)
{
    std::string result;
    bool isOpen = true;
    while (isOpen || !program.exit()) {
        char block[4096];
        switch (program.wait({}, soon())) {
        case ChildProgram::Wake::Output:
            if (const auto bytes = program.read(block))
                result.append(block, *bytes);
            else
                isOpen = false;
            break;
        case ChildProgram::Wake::Exited:
            break;
        default:
            return result + " (deadline)";
        }
    }
    return result;
}

std::string outputOf(const std::string &script)
{
    ChildProgram program(shell(script));
    return output(program);
}

bool isAlive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

} // namespace

class TestChildProgram : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        m_leftovers.begin();
    }
    void cleanup() { m_leftovers.verifyNone(); }

    void outputAndExitAreTold_data()
    {
        QTest::addColumn<QByteArray>("script");
        QTest::addColumn<QByteArray>("printed");
        QTest::addColumn<QByteArray>("words");
        QTest::newRow("nothing") << QByteArray(":") << QByteArray() << QByteArray("exit code 0");
        QTest::newRow("lines") << QByteArray("echo a; echo b") << QByteArray("a\nb\n")
                               << QByteArray("exit code 0");
        QTest::newRow("code") << QByteArray("echo a; exit 3") << QByteArray("a\n")
                              << QByteArray("exit code 3");
        QTest::newRow("SEGV") << QByteArray("kill -SEGV $$") << QByteArray()
                              << QByteArray("signal SIGSEGV (Segmentation fault)");
        QTest::newRow("KILL") << QByteArray("kill -KILL $$") << QByteArray()
                              << QByteArray("signal SIGKILL (Killed)");
        QTest::newRow("stdin is empty") << QByteArray("cat; readlink /proc/self/fd/0")
                                        << QByteArray("/dev/null\n") << QByteArray("exit code 0");
    }

    void outputAndExitAreTold()
    {
        QFETCH(QByteArray, script);
        ChildProgram program(shell(script.toStdString()));

        const std::string printed = output(program);

        QTEST(QByteArray::fromStdString(printed), "printed");
        QTEST(QByteArray::fromStdString(program.exit()->words()), "words");
    }

    void programHasOnlyTheStandardDescriptors()
    {
        const int leak = open("/dev/null", O_RDONLY); // as a library would: without O_CLOEXEC

        const std::string fds = outputOf("exec ls /proc/self/fd"); // 3 is the folder
        close(leak);

        QCOMPARE(fds, "0\n1\n2\n3\n");
    }

    void programHasStandardSignals()
    {
        signal(SIGPIPE, SIG_IGN);
        sigset_t mask;
        sigset_t before;
        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &mask, &before);

        const std::string status = outputOf("exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        signal(SIGPIPE, SIG_DFL);

        QCOMPARE(status, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    }

    void programStaysInTheProcessGroup()
    {
        QCOMPARE(outputOf("exec cut -d ' ' -f 5 /proc/self/stat"), std::to_string(getpgrp()) + "\n");
    }

    void environmentIsTheWhitelist()
    {
        qputenv("MILLRACE_SECRET", "1");
        qputenv("TZ", "UTC");
        qputenv("LC_NUMERIC", "de_DE.UTF-8");

        ChildProgram program(programCall("/usr/bin/env", {}, Buffering::OwnChoice));
        const QStringList lines =
            QString::fromStdString(output(program)).split(QChar::fromLatin1('\n'), Qt::SkipEmptyParts);
        qunsetenv("MILLRACE_SECRET");
        qunsetenv("TZ");
        qunsetenv("LC_NUMERIC");

        const QStringList allowed{QStringLiteral("PATH"),    QStringLiteral("HOME"),   QStringLiteral("USER"),
                                  QStringLiteral("LOGNAME"), QStringLiteral("TMPDIR"), QStringLiteral("TZ"),
                                  QStringLiteral("LC_ALL")};
        for (const QString &line : lines)
            QVERIFY2(allowed.contains(line.section(QChar::fromLatin1('='), 0, 0)), qPrintable(line));
        QVERIFY(lines.contains(QStringLiteral("LC_ALL=C.UTF-8")));
        QVERIFY(lines.contains(QStringLiteral("TZ=UTC")));
        QVERIFY(lines.contains(QStringLiteral("PATH=") + qEnvironmentVariable("PATH")));
    }

    void bufferingByLineIsAskedFor()
    {
        ChildProgram program(programCall("/usr/bin/env", {}, Buffering::ByLine));

        const std::string environment = output(program);

        QVERIFY(environment.find("PYTHONUNBUFFERED=1\n") != std::string::npos);
        QVERIFY(environment.find("_STDBUF_O=L\n") != std::string::npos);
    }

    void fileThatIsNoProgramIsToldWithItsPath()
    {
        QTemporaryDir folder;
        QFile file(folder.filePath(QStringLiteral("script")));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("#!/no/such/interpreter\n");
        file.close();
        file.setPermissions(QFile::ReadOwner | QFile::ExeOwner);
        const std::string path = file.fileName().toStdString();

        try {
            ChildProgram program(programCall(path, {}, Buffering::OwnChoice));
            QFAIL("it started");
        } catch (const ProgramNotStarted &error) {
            QCOMPARE(std::string(error.what()),
                     "script cannot be started: No such file or directory (" + path + ")");
        }
    }

    void stopEndsTheWait_data()
    {
        QTest::addColumn<bool>("hasFd");
        QTest::newRow("by fd") << true;
        QTest::newRow("by token") << false;
    }

    void stopEndsTheWait()
    {
        QFETCH(bool, hasFd);
        ChildProgram program(shell("exec sleep 1000"));
        std::stop_source source;
        const Descriptor event(eventfd(0, EFD_CLOEXEC));
        std::jthread stopper([&] {
            source.request_stop();
            const std::uint64_t one = 1;
            QCOMPARE(write(event.get(), &one, sizeof one), ssize_t(sizeof one));
        });

        const auto wake = program.wait({source.get_token(), hasFd ? event.get() : -1}, soon());

        QCOMPARE(wake, ChildProgram::Wake::Stopped);
    }

    void deadlineEndsTheWait()
    {
        ChildProgram program(shell("exec sleep 1000"));

        QCOMPARE(program.wait({}, ChildProgram::Clock::time_point::min()), ChildProgram::Wake::TimedOut);
        QCOMPARE(program.wait({}, ChildProgram::Clock::now() + 5ms), ChildProgram::Wake::TimedOut);
    }

    void runningProgramIsEnded_data()
    {
        QTest::addColumn<QByteArray>("script");
        QTest::addColumn<int>("signal");
        QTest::newRow("obeys") << QByteArray("echo; exec sleep 1000") << int(SIGTERM);
        QTest::newRow("ignores SIGTERM")
            << QByteArray("trap '' TERM; echo; while :; do :; done") << int(SIGKILL);
        QTest::newRow("stopped") << QByteArray("trap '' TERM; echo; kill -STOP $$") << int(SIGKILL);
        QTest::newRow("blocked in a write") << QByteArray("exec yes") << int(SIGTERM);
        QTest::newRow("says good-bye at length")
            << QByteArray("trap 'yes; exit' TERM; echo; while :; do :; done") << 0;
    }

    void runningProgramIsEnded()
    {
        QFETCH(QByteArray, script);
        QFETCH(int, signal);
        ChildProgram program(shell(script.toStdString()));
        QCOMPARE(program.wait({}, soon()), ChildProgram::Wake::Output); // it has set up its trap
        QElapsedTimer timer;
        timer.start();

        program.end();

        QVERIFY2(timer.elapsed() < 5000, "200 ms, and what a busy machine needs");
        QVERIFY(!isAlive(program.pid()));
        if (signal != 0)
            QVERIFY(program.exit()->bySignal && program.exit()->code == signal);
    }

    void programDiesWithItsThread()
    {
        std::unique_ptr<ChildProgram> program;
        std::jthread([&program] {
            program = std::make_unique<ChildProgram>(shell("exec sleep 1000"));
        }).join();

        QCOMPARE(program->wait({}, soon()), ChildProgram::Wake::Output);
        char byte[1];
        QVERIFY(!program->read(byte));
        QCOMPARE(program->wait({}, soon()), ChildProgram::Wake::Exited);
        QCOMPARE(program->exit()->words(), "signal SIGKILL (Killed)");
    }

    void lastErrorLinesAreKept()
    {
        ChildProgram program(
            shell("i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo e$i >&2; done; printf last >&2"));

        output(program);

        std::string expected;
        for (int i = 12; i <= 30; ++i)
            expected += "e" + std::to_string(i) + "\n";
        QCOMPARE(program.lastErrors(), expected + "last");
    }

    void floodOfErrorsIsBounded()
    {
        const Descriptor ours(dup(STDERR_FILENO)); // a flood is not for the test's log
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO);
        close(null);

        ChildProgram program(shell("head -c 50000000 /dev/zero | tr '\\0' 'x' >&2; yes 0123456789 | head -n "
                                   "1000000 >&2; echo; echo ok"));
        const std::string printed = output(program);
        dup2(ours.get(), STDERR_FILENO);

        QCOMPARE(printed, "\nok\n");
        QVERIFY(program.lastErrors().size() <= ErrorTail::textBytesMax);
        QVERIFY(program.lastErrors().ends_with("0123456789\n0123456789"));
    }

    void unreadErrorOutputOfOursDelaysNothing()
    {
        int fds[2];
        QCOMPARE(pipe2(fds, O_CLOEXEC), 0);
        const Descriptor ours(dup(STDERR_FILENO));
        dup2(fds[1], STDERR_FILENO);
        close(fds[1]);

        const std::string printed = outputOf("head -c 10000000 /dev/zero >&2; echo ok");
        dup2(ours.get(), STDERR_FILENO);
        close(fds[0]);

        QCOMPARE(printed, "ok\n");
    }

    void anySplitOfErrorsGivesTheSameLines()
    {
        const std::string bytes = "one\r\n\ntwo\n" + std::string(10'000, 'x') + "\nthree\x1b\nrest";
        ErrorTail whole;
        whole.add(bytes);
        ErrorTail pieces;
        for (const char byte : bytes)
            pieces.add({&byte, 1});

        QCOMPARE(pieces.text(), whole.text());
        QCOMPARE(whole.text(),
                 "one\ntwo\n" + std::string(ErrorTail::lineBytesMax, 'x') + "\nthree\\x1b\nrest");
    }

    void allErrorLinesTogetherAreBounded()
    {
        ErrorTail tail;
        for (int i = 0; i < 30; ++i)
            tail.add(std::string(10'000, '\x01') + "\n");

        QVERIFY(tail.text().size() <= ErrorTail::textBytesMax);
        QVERIFY(tail.text().size() > ErrorTail::textBytesMax / 2);
    }

private:
    Leftovers m_leftovers;
};

QTEST_GUILESS_MAIN(TestChildProgram)
#include "tst_childprogram.moc"
