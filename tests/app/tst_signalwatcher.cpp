#include "app/signalwatcher.h"

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>

#include <csignal>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

using namespace millrace;

namespace {

/// What `number` does in this process now.
void (*handlerOf(int number))(int)
{
    struct sigaction action
    {
    };
    ::sigaction(number, nullptr, &action);
    return action.sa_handler;
}

/// Runs `body` in a child and returns its exit code; none if it ended by a signal or not within 10 s.
template <typename Body>
std::optional<int> exitCodeOfChild(Body body)
{
    const pid_t pid = ::fork();
    if (pid == 0) {
        body();
        ::_exit(77);
    }
    int status = 0;
    const bool isOver = QTest::qWaitFor([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, 10'000);
    if (!isOver) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
    }
    return isOver && WIFEXITED(status) ? std::optional(WEXITSTATUS(status)) : std::nullopt;
}

} // namespace

class TestSignalWatcher : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void signalIsToldOnce_data()
    {
        QTest::addColumn<int>("number");

        QTest::newRow("SIGINT") << SIGINT;
        QTest::newRow("SIGTERM") << SIGTERM;
        QTest::newRow("SIGHUP") << SIGHUP;
    }

    void signalIsToldOnce()
    {
        QFETCH(int, number);
        std::signal(SIGHUP, SIG_DFL);
        SignalWatcher watcher;
        QSignalSpy requested(&watcher, &SignalWatcher::requested);

        std::raise(number);

        QVERIFY(requested.isEmpty()); // not from within the handler
        QTRY_COMPARE(requested.count(), 1);
        QCoreApplication::processEvents();
        QCOMPARE(requested.count(), 1);
    }

    void signalSentTwiceAtOnceIsOne()
    {
        SignalWatcher watcher;
        QSignalSpy requested(&watcher, &SignalWatcher::requested);

        std::raise(SIGINT); // as timeout(1) does: to the process, and to its group
        std::raise(SIGINT);

        QTRY_COMPARE(requested.count(), 1);
    }

    void secondSignalEndsTheProcess()
    {
#ifdef __SANITIZE_THREAD__
        QSKIP("ThreadSanitizer allows no threads after a fork");
#endif
        const auto code = exitCodeOfChild([] {
            SignalWatcher watcher;
            std::raise(SIGINT);
            QElapsedTimer timer; // an event loop that does not turn
            timer.start();
            while (timer.elapsed() < 150)
                ::usleep(1000);
            std::raise(SIGTERM);
        });

        QCOMPARE(code.value_or(-1), 3);
    }

    void ignoredHangupStaysIgnored()
    {
        std::signal(SIGHUP, SIG_IGN); // as nohup(1) does
        {
            SignalWatcher watcher;
            QVERIFY(handlerOf(SIGHUP) == SIG_IGN);
        }

        QVERIFY(handlerOf(SIGHUP) == SIG_IGN);
        std::signal(SIGHUP, SIG_DFL);
    }

    void ignoredInterruptIsHandled()
    {
        std::signal(SIGINT, SIG_IGN); // as a shell does for what it starts in the background

        const SignalWatcher watcher;

        QVERIFY(handlerOf(SIGINT) != SIG_IGN);
    }

    void watcherThatGoesLeavesNothing()
    {
        {
            const SignalWatcher watcher;
        }

        for (const int number : {SIGINT, SIGTERM, SIGHUP})
            QVERIFY(handlerOf(number) == SIG_DFL);
    }

    void nextWatcherBeginsAnew()
    {
        for (int i = 0; i < 3; ++i) {
            SignalWatcher watcher;
            QSignalSpy requested(&watcher, &SignalWatcher::requested);

            std::raise(SIGTERM);

            QTRY_COMPARE(requested.count(), 1);
        }
    }
};

QTEST_GUILESS_MAIN(TestSignalWatcher)
#include "tst_signalwatcher.moc"
