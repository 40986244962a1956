#include "workers/pool/wardenlauncher.h"

#include "wardenfixture.h"

#include <csignal>
#include <map>
#include <sys/resource.h>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Writes down what it is told.
class Client : public LauncherClient
{
public:
    struct Worker
    {
        int pid = 0;
        Fd channel;
        Fd output;
    };
    using Place = std::pair<unsigned, unsigned>;

    void launched(unsigned slot, std::uint16_t epoch, int pid, int channel, int output) override
    {
        m_workers[{slot, epoch}] = {pid, Fd(channel), Fd(output)};
    }
    void exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit) override
    {
        ++m_exitCount;
        m_exits[{slot, epoch}] = exit;
    }
    void launcherLost(const std::string &sentence) override { m_losses.push_back(sentence); }

    bool hasLaunched(unsigned slot, unsigned epoch) const { return m_workers.contains({slot, epoch}); }
    bool hasExited(unsigned slot, unsigned epoch) const { return m_exits.contains({slot, epoch}); }

    std::map<Place, Worker> m_workers;
    std::map<Place, ProcessExit> m_exits;
    std::vector<std::string> m_losses;
    int m_exitCount = 0;
};

} // namespace

class TestWardenLauncher : public WardenFixture
{
    Q_OBJECT

private Q_SLOTS:
    void workerIsLaunchedAndItsExitTold()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);

        launcher.start(3, 7, spec({"write"}));
        QVERIFY(!client.hasExited(3, 7)); // nothing is told from within a call

        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(3, 7), deadlineMilliseconds);
        QVERIFY(client.hasLaunched(3, 7));
        QCOMPARE(readAll(client.m_workers[Client::Place(3, 7)].output.get()), "to stdout\nto stderr\n");
        QCOMPARE(client.m_exits[Client::Place(3, 7)].code(), 0);
    }

    void signalReachesTheWorker()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);
        launcher.start(0, 1, spec({"sleep"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1), deadlineMilliseconds);

        launcher.signal(0, 1, SIGTERM);

        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(0, 1), deadlineMilliseconds);
        QCOMPARE(client.m_exits[Client::Place(0, 1)].signal(), SIGTERM);
    }

    void lostWardenIsToldAndTheNextStartMakesAnother()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);
        launcher.start(0, 1, spec({"sleep"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1), deadlineMilliseconds);
        const int first = launcher.pid();

        kill(first, SIGKILL);

        QTRY_COMPARE_WITH_TIMEOUT(client.m_losses.size(), 1u, deadlineMilliseconds);
        QVERIFY(awaitGone(client.m_workers[Client::Place(0, 1)].pid));
        QCOMPARE(client.m_exitCount, 0);
        launcher.start(0, 2, spec({"exit", "5"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(0, 2), deadlineMilliseconds);
        QCOMPARE(client.m_exits[Client::Place(0, 2)].code(), 5);
        QVERIFY(launcher.pid() != first);
    }

    void startOnAWardenThatHasJustDiedIsALossNotAnExit()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);
        launcher.start(0, 1, spec({"sleep"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1), deadlineMilliseconds);
        kill(launcher.pid(), SIGKILL);
        QVERIFY(awaitGone(client.m_workers[Client::Place(0, 1)].pid));

        launcher.start(1, 1, spec({"sleep"}));

        QTRY_COMPARE_WITH_TIMEOUT(client.m_losses.size(), 1u, deadlineMilliseconds);
        QCoreApplication::processEvents();
        QCOMPARE(client.m_exitCount, 0);
    }

    void destructionLeavesNothingAlive_data()
    {
        QTest::addColumn<QString>("role");
        for (const char *role : {"sleep", "ignoreterm", "stopped", "daemon", "bomb"})
            QTest::newRow(role) << QString::fromLatin1(role);
    }

    void destructionLeavesNothingAlive()
    {
        QFETCH(QString, role);
        Client client;
        {
            WardenLauncher launcher(wardenPath, client);
            launcher.start(0, 1, spec({role.toStdString()}));
            launcher.start(255, 1, spec({role.toStdString()}));
            QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1) && client.hasLaunched(255, 1),
                                     deadlineMilliseconds);
            for (const auto &[place, worker] : client.m_workers)
                QVERIFY(readUntil(worker.output.get(), "ready").size() > 0);
        }

        QCOMPARE(processesWith(token()).size(), 0u);
    }

    void destructionWithoutAFreeDescriptorLeavesNothingAlive()
    {
        Client client;
        rlimit before{};
        getrlimit(RLIMIT_NOFILE, &before);
        {
            WardenLauncher launcher(wardenPath, client);
            launcher.start(0, 1, spec({"daemon"}));
            QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1), deadlineMilliseconds);
            QVERIFY(readUntil(client.m_workers[Client::Place(0, 1)].output.get(), "ready").size() > 0);
            const rlimit none{0, before.rlim_max};
            setrlimit(RLIMIT_NOFILE, &none);
        }
        setrlimit(RLIMIT_NOFILE, &before);

        QCOMPARE(processesWith(token()).size(), 0u);
    }

    void destructionEndsAStoppedWarden()
    {
        Client client;
        {
            WardenLauncher launcher(wardenPath, client);
            launcher.start(0, 1, spec({"sleep"}));
            QTRY_VERIFY_WITH_TIMEOUT(client.hasLaunched(0, 1), deadlineMilliseconds);
            kill(launcher.pid(), SIGSTOP); // the outer one: the inner does the work
        }

        QCOMPARE(awaitNone(token()) >= 0, true);
    }

    void workerWithoutPlaceForItsDescriptorsIsToldAsExit_data()
    {
        QTest::addColumn<int>("places");
        QTest::newRow("none") << 0;
        QTest::newRow("one of two") << 1;
    }

    void workerWithoutPlaceForItsDescriptorsIsToldAsExit()
    {
        QFETCH(int, places);
        Client client;
        WardenLauncher launcher(wardenPath, client);
        launcher.start(0, 1, spec({"exit", "0"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(0, 1), deadlineMilliseconds);
        client.m_workers.clear();
        std::vector<Fd> taken;
        rlimit before{};
        getrlimit(RLIMIT_NOFILE, &before);
        const rlimit few{64, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        for (int fd = 0; (fd = dup(0)) >= 0;)
            taken.emplace_back(fd);
        for (int i = 0; i < places; ++i)
            taken.pop_back();

        launcher.start(0, 2, spec({"sleep"}));

        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(0, 2), deadlineMilliseconds);
        setrlimit(RLIMIT_NOFILE, &before);
        QVERIFY(!client.hasLaunched(0, 2));
        QCOMPARE(exitWords(client.m_exits[Client::Place(0, 2)]),
                 "could not be connected: Too many open files");
        taken.clear();
        launcher.start(0, 3, spec({"exit", "0"}));
        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(0, 3), deadlineMilliseconds);
        QCOMPARE(client.m_exits[Client::Place(0, 3)].error, 0);
    }

    void startThatCannotBeIsToldAsExit_data()
    {
        QTest::addColumn<QString>("warden");
        QTest::addColumn<QString>("argument");
        QTest::addColumn<int>("error");

        const auto warden = QString::fromStdString(wardenPath);
        QTest::newRow("too long") << warden << QString(int(orderBytesMax), QLatin1Char('x')) << E2BIG;
        QTest::newRow("no warden") << QStringLiteral("/nowhere/millrace-warden") << QStringLiteral("sleep")
                                   << ENOENT;
        QTest::newRow("warden is no program")
            << QStringLiteral("/etc/passwd") << QStringLiteral("sleep") << EACCES;
    }

    void startThatCannotBeIsToldAsExit()
    {
        QFETCH(QString, warden);
        QFETCH(QString, argument);
        QFETCH(int, error);
        Client client;
        WardenLauncher launcher(warden.toStdString(), client);

        launcher.start(2, 4, spec({argument.toStdString()}));
        QVERIFY(!client.hasExited(2, 4));

        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(2, 4), deadlineMilliseconds);
        QCOMPARE(client.m_exits[Client::Place(2, 4)].error, error);
        QVERIFY(client.m_losses.empty());
    }

    void wardenRefusesWhatIsOneTooMany()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);
        LaunchSpec many = spec({"sleep"});
        many.arguments.resize(orderStringsMax, "x");

        launcher.start(2, 4, many);

        QTRY_VERIFY_WITH_TIMEOUT(client.hasExited(2, 4), deadlineMilliseconds);
        QCOMPARE(client.m_exits[Client::Place(2, 4)].error, EINVAL);
    }

    void hundredWorkersStartAndEnd()
    {
        Client client;
        WardenLauncher launcher(wardenPath, client);

        for (unsigned slot = 0; slot < 100; ++slot)
            launcher.start(slot, 1, spec({"exit", std::to_string(slot)}));

        QTRY_COMPARE_WITH_TIMEOUT(client.m_exitCount, 100, deadlineMilliseconds);
        for (unsigned slot = 0; slot < 100; ++slot)
            QCOMPARE(client.m_exits[Client::Place(slot, 1)].code(), int(slot));
    }

private:
    LaunchSpec spec(std::vector<std::string> arguments) const
    {
        LaunchSpec result;
        result.program = childPath;
        result.arguments = std::move(arguments);
        result.environment = {token()};
        result.sandbox = WardenSandbox::None;
        return result;
    }
};

QTEST_GUILESS_MAIN(TestWardenLauncher)

#include "tst_wardenlauncher.moc"
