#include "workers/pool/exitwords.h"

#include <QTest>

#include <cerrno>
#include <csignal>

using namespace millrace;

class TestExitWords : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void everyExitCodeIsTold()
    {
        for (int code = 0; code < 256; ++code) {
            ProcessExit exit;
            exit.status = code << 8;

            QVERIFY(!exit.isSignal());
            QCOMPARE(exit.signal(), 0);
            QCOMPARE(exit.code(), code);
            QCOMPARE(exitWords(exit), "ended with exit code " + std::to_string(code));
        }
    }

    void everySignalIsToldWithOrWithoutACoreFile()
    {
        for (int signal = 1; signal <= SIGRTMAX; ++signal) {
            for (const int core : {0, 0x80}) {
                ProcessExit exit;
                exit.status = signal | core;

                QVERIFY(exit.isSignal());
                QCOMPARE(exit.signal(), signal);
                QCOMPARE(exit.code(), -1);
                QVERIFY(exitWords(exit).starts_with("was ended by signal " + std::to_string(signal)));
            }
        }
    }

    void signalIsToldInWords_data()
    {
        QTest::addColumn<int>("signal");
        QTest::addColumn<QString>("words");
        QTest::newRow("crash") << SIGSEGV << "was ended by signal 11 (segmentation fault)";
        QTest::newRow("abort") << SIGABRT << "was ended by signal 6 (abort)";
        QTest::newRow("bus") << SIGBUS << "was ended by signal 7 (bus error)";
        QTest::newRow("division") << SIGFPE << "was ended by signal 8 (arithmetic error)";
        QTest::newRow("sandbox") << SIGSYS << "was ended by signal 31 (forbidden system call)";
        QTest::newRow("file size") << SIGXFSZ << "was ended by signal 25 (file size limit)";
        QTest::newRow("one without a name") << 42 << "was ended by signal 42";
    }

    void signalIsToldInWords()
    {
        QFETCH(int, signal);
        QFETCH(QString, words);
        ProcessExit exit;
        exit.status = signal;

        QCOMPARE(QString::fromStdString(exitWords(exit)), words);
    }

    void failedStartIsToldByItsStage_data()
    {
        using Stage = WardenReport::Stage;
        QTest::addColumn<Stage>("stage");
        QTest::addColumn<int>("error");
        QTest::addColumn<QString>("words");
        const auto row = [](const char *name, Stage stage, int error, const char *words) {
            QTest::newRow(name) << stage << error << QString::fromLatin1(words);
        };
        row("exec", Stage::Exec, ENOENT, "could not be started: No such file or directory");
        row("no rights", Stage::Exec, EACCES, "could not be started: Permission denied");
        row("no program", Stage::Exec, ENOEXEC, "could not be started: Exec format error");
        row("order", Stage::Order, E2BIG, "could not be started: Argument list too long");
        row("fork", Stage::Fork, EAGAIN, "could not be forked: Resource temporarily unavailable");
        row("socket", Stage::Socket, EMFILE, "could not be connected: Too many open files");
        row("pipe", Stage::Pipe, EMFILE, "could not be connected: Too many open files");
        row("limits", Stage::Limits, EPERM, "could not be given its limits: Operation not permitted");
        row("sandbox", Stage::Sandbox, ENOSYS, "could not be sandboxed: Function not implemented");
    }

    void failedStartIsToldByItsStage()
    {
        QFETCH(WardenReport::Stage, stage);
        QFETCH(int, error);
        QFETCH(QString, words);
        ProcessExit exit;
        exit.stage = stage;
        exit.error = error;
        exit.status = SIGKILL; // means nothing then

        QCOMPARE(QString::fromStdString(exitWords(exit)), words);
        QVERIFY(!exit.isSignal());
        QCOMPARE(exit.code(), -1);
    }
};

QTEST_GUILESS_MAIN(TestExitWords)
#include "tst_exitwords.moc"
