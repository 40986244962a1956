#include "wardenfixture.h"

#include <QElapsedTimer>
#include <QProcess>
#include <QTemporaryDir>

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace millrace;
using namespace millrace::test;

Q_DECLARE_METATYPE(millrace::test::Order)

namespace {

/// Killed at one moment: stopped first, so that none sees another's end.
void killTogether(std::initializer_list<int> pids)
{
    for (const int signal : {SIGSTOP, SIGKILL})
        for (const int pid : pids)
            kill(pid, signal);
}

} // namespace

class TestWarden : public WardenFixture
{
    Q_OBJECT

private Q_SLOTS:
    void startedCarriesPidAndTwoDescriptors()
    {
        WardenLink link(wardenPath);

        QVERIFY(link.send(order({"sleep"}, 7, 3).packet()));
        const auto started = link.next();

        QVERIFY(started);
        QCOMPARE(started->report.kind, WardenReport::Kind::Started);
        QCOMPARE(started->report.slot, 7u);
        QCOMPARE(started->report.epoch, 3u);
        QCOMPARE(kill(started->report.pid, 0), 0);
        QVERIFY(started->channel.isOpen());
        QVERIFY(started->output.isOpen());
    }

    void workerHasFourDescriptorsWhateverTheStarterLeaks()
    {
        std::vector<Fd> leaked;
        for (int i = 0; i < 20; ++i)
            leaked.emplace_back(dup(0)); // without FD_CLOEXEC

        WardenLink link(wardenPath);

        QCOMPARE(outputOf(link, order({"fds"})), QStringLiteral("0 1 2 3 "));
        QCOMPARE(outputOf(link, order({"fds"}, 1)), QStringLiteral("0 1 2 3 "));
    }

    void environmentIsTheOrdersAndTheWorkersMark()
    {
        WardenLink link(wardenPath);
        Order given = order({"environment"}, 2, 5);
        given.environment = {"A=1", token(), "EMPTY=", "LONG=" + std::string(50'000, 'x')};

        const auto entries = outputOf(link, given).split(QLatin1Char('\n'), Qt::SkipEmptyParts);

        QCOMPARE(entries.size(), 5);
        for (int i = 0; i < 4; ++i)
            QCOMPARE(entries[i].toStdString(), given.environment[std::size_t(i)]);
        QCOMPARE(entries[4], QStringLiteral("MILLRACE_WORKER=%1.2.5").arg(link.innerPid()));
    }

    void workerLeadsItsGroupInTheSessionOfTheStarter()
    {
        WardenLink link(wardenPath);

        const auto state = outputOf(link, order({"state"}));

        QCOMPARE(numberOf(state, "group"), numberOf(state, "pid"));
        QCOMPARE(numberOf(state, "session"), getsid(0));
        QCOMPARE(numberOf(state, "parent"), link.innerPid());
    }

    void workerIsNicerAndTheFirstToGoWhenMemoryRunsOut()
    {
        WardenLink link(wardenPath);
        Order given = order({"state"});
        given.fields.nice = 5;

        const auto state = outputOf(link, given);

        QCOMPARE(numberOf(state, "nice"), std::min(getpriority(PRIO_PROCESS, 0) + 5, 19));
        QCOMPARE(numberOf(state, "oom"), 800);
        QCOMPARE(numberOf(state, "core"), 0);
        QCOMPARE(numberOf(state, "umask"), 077);
    }

    void signalsAreAtTheirDefaultsWhateverTheStarterHas()
    {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        sighandler_t former[NSIG] = {};
        for (int number = 1; number < SIGRTMIN; ++number)
            former[number] = std::signal(number, SIG_IGN);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        WardenLink link(wardenPath);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        for (int number = 1; number < SIGRTMIN; ++number)
            std::signal(number, former[number] == SIG_ERR ? SIG_DFL : former[number]);

        const auto state = outputOf(link, order({"state"}));

        QVERIFY2(state.contains(QStringLiteral("blocked=0000000000000000\n")), qPrintable(state));
        QVERIFY2(state.contains(QStringLiteral("ignored=0000000000000000\n")), qPrintable(state));
    }

    void bothOutputsArriveOnOnePipe()
    {
        WardenLink link(wardenPath);

        QCOMPARE(outputOf(link, order({"write"})), QStringLiteral("to stdout\nto stderr\n"));
    }

    void channelIsConnectedBothWays()
    {
        WardenLink link(wardenPath);
        QVERIFY(link.send(order({"echo"}).packet()));
        auto started = link.next();
        QVERIFY(started);

        QCOMPARE(::send(started->channel.get(), "there and back", 14, MSG_NOSIGNAL), 14);

        QCOMPARE(readUntil(started->channel.get(), "back"), "there and back");
        started->channel.reset();
        const auto exited = link.next(); // at the end of its channel
        QVERIFY(exited);
        QCOMPARE(exited->report.status, 0);
    }

    void sendBufferIsRaised()
    {
        constexpr int wanted = 212'992; // what a default system allows
        WardenLink link(wardenPath);
        Order given = order({"sendbuffer"});
        given.fields.channelBytes = wanted;

        const int bytes = outputOf(link, given).toInt();

        QFile file(QStringLiteral("/proc/sys/net/core/wmem_max"));
        if (!file.open(QIODevice::ReadOnly) || file.readAll().trimmed().toInt() < wanted)
            QSKIP("this system allows less");
        QCOMPARE(bytes, 2 * wanted); // socket(7): the kernel doubles it for its own needs
    }

    void exitIsReportedAsWaitTells_data()
    {
        QTest::addColumn<Order>("given");
        QTest::addColumn<int>("code");
        QTest::addColumn<int>("signal");

        for (const int code : {0, 1, 64, 255})
            QTest::addRow("exit %d", code) << order({"exit", std::to_string(code)}) << code << 0;
        for (const int signal : {SIGTERM, SIGKILL, SIGUSR1})
            QTest::addRow("signal %d", signal) << order({"raise", std::to_string(signal)}) << -1 << signal;
    }

    void exitIsReportedAsWaitTells()
    {
        QFETCH(Order, given);
        QFETCH(int, code);
        QFETCH(int, signal);
        WardenLink link(wardenPath);

        QVERIFY(link.send(given.packet()));
        const auto started = link.next();
        const auto exited = link.next();

        QVERIFY(started && exited);
        QCOMPARE(exited->report.kind, WardenReport::Kind::Exited);
        QCOMPARE(exited->report.pid, started->report.pid);
        QCOMPARE(exited->report.error, 0);
        QCOMPARE(WIFEXITED(exited->report.status) ? WEXITSTATUS(exited->report.status) : -1, code);
        QCOMPARE(WIFSIGNALED(exited->report.status) ? WTERMSIG(exited->report.status) : 0, signal);
    }

    void exitTellsMemoryAndTime()
    {
        WardenLink link(wardenPath);
        QVERIFY(link.send(order({"work"}).packet()));
        const auto started = link.next();

        const auto exited = link.next();

        QVERIFY(started && exited);
        QVERIFY(exited->report.residentBytesMax >= 16u << 20);
        QVERIFY(exited->report.residentBytesMax < 1u << 30);
        QVERIFY(exited->report.cpuMicroseconds >= 50'000);
        QVERIFY(exited->report.cpuMicroseconds < 10'000'000);
    }

    void programThatCannotBeIsToldWithItsReason_data()
    {
        QTest::addColumn<int>("mode");
        QTest::addColumn<int>("error");

        QTest::newRow("missing") << -1 << ENOENT;
        QTest::newRow("not executable") << 0600 << EACCES;
        QTest::newRow("no program") << 0700 << ENOEXEC;
    }

    void programThatCannotBeIsToldWithItsReason()
    {
        QFETCH(int, mode);
        QFETCH(int, error);
        QTemporaryDir folder;
        Order given = order({});
        given.program = folder.filePath(QStringLiteral("program")).toStdString();
        if (mode >= 0) {
            const Fd file(open(given.program.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode));
            QCOMPARE(write(file.get(), "no program\n", 11), 11);
        }
        WardenLink link(wardenPath);

        QVERIFY(link.send(given.packet()));
        const auto started = link.next();
        const auto exited = link.next();

        QVERIFY(started && exited);
        QCOMPARE(started->report.kind, WardenReport::Kind::Started);
        QCOMPARE(exited->report.kind, WardenReport::Kind::Exited);
        QCOMPARE(exited->report.stage, WardenReport::Stage::Exec);
        QCOMPARE(exited->report.error, error);
    }

    void wrongOrderIsRefusedAndTheWardenLivesOn_data()
    {
        QTest::addColumn<QByteArray>("packet");
        QTest::addColumn<int>("error");

        const auto row = [](const char *name, const std::string &packet, int error) {
            QTest::newRow(name) << QByteArray::fromStdString(packet) << error;
        };
        const auto withFields = [this](auto change) {
            std::string packet = order({"sleep"}).packet();
            WardenOrder fields;
            std::memcpy(&fields, packet.data(), sizeof fields);
            change(fields);
            return packet.replace(0, sizeof fields, reinterpret_cast<const char *>(&fields), sizeof fields);
        };
        row("other version", withFields([](auto &f) { f.version = wardenVersion + 1; }), EPROTO);
        row("slot out of range", withFields([](auto &f) { f.slot = wardenSlotsMax; }), EPROTO);
        row("slot far out of range", withFields([](auto &f) { f.slot = ~0u; }), EPROTO);
        row("unknown kind", withFields([](auto &f) { f.kind = WardenOrder::Kind(7); }), EINVAL);
        row("unknown sandbox", withFields([](auto &f) { f.sandbox = WardenSandbox(7); }), EINVAL);
        row("too many arguments", withFields([](auto &f) { f.argumentCount = orderStringsMax + 1; }), EINVAL);
        row("arguments without end", withFields([](auto &f) { f.argumentCount = ~0u; }), EINVAL);
        row("too many entries", withFields([](auto &f) { f.environmentCount = orderStringsMax + 1; }),
            EINVAL);
        row("more counted than there is", withFields([](auto &f) { ++f.argumentCount; }), EINVAL);
        row("less counted than there is", withFields([](auto &f) { --f.environmentCount; }), EINVAL);
        row("no strings", order({}).packet().substr(0, sizeof(WardenOrder)), EINVAL);
        std::string open = order({"sleep"}).packet();
        open.pop_back();
        row("last string without end", open, EINVAL);
        row("longer than an order may be", order({std::string(orderBytesMax, 'x')}).packet(), E2BIG);
        std::string cut = order({"sleep"}).packet();
        cut.resize(orderBytesMax + 1, 'x');
        row("one byte longer", cut, E2BIG);
    }

    void wrongOrderIsRefusedAndTheWardenLivesOn()
    {
        QFETCH(QByteArray, packet);
        QFETCH(int, error);
        WardenLink link(wardenPath);

        QVERIFY(link.send(packet.toStdString()));
        const auto refused = link.next();

        QVERIFY(refused);
        QCOMPARE(refused->report.kind, WardenReport::Kind::Refused);
        QCOMPARE(refused->report.stage, WardenReport::Stage::Order);
        QCOMPARE(refused->report.error, error);
        QCOMPARE(outputOf(link, order({"write"})), QStringLiteral("to stdout\nto stderr\n"));
    }

    void largestOrderIsCarriedOut()
    {
        WardenLink link(wardenPath);
        Order given = order({"environment"});
        given.environment.push_back("LONG=");
        given.environment.back().resize(orderBytesMax - given.packet().size() + 5, 'x');
        QCOMPARE(given.packet().size(), orderBytesMax);

        QVERIFY(outputOf(link, given).contains(QString::fromStdString(given.environment.back())));
    }

    void slotThatIsTakenIsRefused()
    {
        WardenLink link(wardenPath);
        const auto first = startReady(link, order({"sleep"}, 4, 1));
        QVERIFY(first);

        QVERIFY(link.send(order({"sleep"}, 4, 2).packet()));
        const auto refused = link.next();

        QVERIFY(refused);
        QCOMPARE(refused->report.kind, WardenReport::Kind::Refused);
        QCOMPARE(refused->report.error, EBUSY);
        QCOMPARE(refused->report.epoch, 2u);
        QCOMPARE(kill(first->report.pid, 0), 0);
    }

    void orderTooShortToBeAnsweredEndsTheLink()
    {
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({"sleep"})));

        QVERIFY(link.send("?"));

        QVERIFY(!link.next());
        QVERIFY(link.awaitEnd());
    }

    void signalReachesTheWholeGroup()
    {
        WardenLink link(wardenPath);
        QString text;
        const auto worker = startReady(link, order({"groupchild"}, 3, 9), &text);
        QVERIFY(worker);

        link.signal(3, 9, SIGTERM);

        const auto exited = link.next();
        QVERIFY(exited);
        QCOMPARE(WTERMSIG(exited->report.status), SIGTERM);
        QVERIFY(awaitGone(numberOf(text, "child")));
    }

    void signalOfAnotherEpochReachesNobody()
    {
        WardenLink link(wardenPath);
        const auto worker = startReady(link, order({"sleep"}, 3, 9));
        QVERIFY(worker);

        link.signal(3, 8, SIGKILL);
        link.signal(3, 10, SIGKILL);
        link.signal(2, 9, SIGKILL);
        link.signal(3, 9, SIGUSR1); // carried out in order

        const auto exited = link.next();
        QVERIFY(exited);
        QCOMPARE(WTERMSIG(exited->report.status), SIGUSR1);
    }

    void signalReachesAWorkerThatLeftItsGroup()
    {
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({"leavegroup"})));

        link.signal(0, 1, SIGKILL);

        const auto exited = link.next();
        QVERIFY(exited);
        QCOMPARE(WTERMSIG(exited->report.status), SIGKILL);
        QCOMPARE(outputOf(link, order({"write"})), QStringLiteral("to stdout\nto stderr\n"));
    }

    void memoryIsLimited()
    {
#ifdef MILLRACE_SANITIZED
        QSKIP("sanitizers reserve more address space than any limit");
#endif
        WardenLink link(wardenPath);
        Order given = order({"allocate"});

        QCOMPARE(outputOf(link, given), QStringLiteral("given"));
        given.fields.memoryBytesMax = 512u << 20;
        QCOMPARE(outputOf(link, given), QStringLiteral("refused"));
    }

    void computingTimeIsLimited()
    {
        WardenLink link(wardenPath);
        Order given = order({"burn"});
        given.fields.cpuSecondsMax = 1;

        QVERIFY(link.send(given.packet()));
        const auto started = link.next();
        const auto exited = link.next();

        QVERIFY(started && exited);
        QCOMPARE(WTERMSIG(exited->report.status), SIGXCPU);
    }

    void lowerLimitOfTheStarterStays()
    {
        WardenLink link(wardenPath);
        const rlimit low{1, 2};
        QCOMPARE(prlimit(link.innerPid(), RLIMIT_CPU, &low, nullptr), 0);
        Order given = order({"burn"});
        given.fields.cpuSecondsMax = 3600;

        QVERIFY(link.send(given.packet()));
        const auto started = link.next();
        const auto exited = link.next();

        QVERIFY(started && exited);
        QCOMPARE(exited->report.error, 0);
        QCOMPARE(WTERMSIG(exited->report.status), SIGXCPU);
    }

    void exitTakesTheGroupAlong()
    {
        WardenLink link(wardenPath);
        QString text;

        const auto worker = startReady(link, order({"groupchild", "exit"}), &text);
        const auto exited = link.next();

        QVERIFY(worker && exited);
        QCOMPARE(exited->report.status, 0);
        QVERIFY(awaitGone(numberOf(text, "child")));
    }

    void exitTakesDaemonsAlongButNobodyElses()
    {
        WardenLink link(wardenPath);
        QString others;
        QString text;
        const auto other = startReady(link, order({"daemon"}, 1), &others);
        QVERIFY(other);

        const auto worker = startReady(link, order({"daemon", "exit"}, 0), &text);
        const auto exited = link.next();

        QVERIFY(worker && exited);
        QCOMPARE(exited->report.slot, 0u);
        QVERIFY(awaitGone(numberOf(text, "daemon")));
        QVERIFY(awaitGone(numberOf(text, "child"))); // has no mark itself
        for (const int pid : {other->report.pid, numberOf(others, "daemon"), numberOf(others, "child")})
            QCOMPARE(kill(pid, 0), 0);
    }

    void daemonsOfEarlierEpochsDoNotGather()
    {
        WardenLink link(wardenPath);
        for (std::uint32_t epoch = 1; epoch <= 20; ++epoch) {
            QString text;
            const auto worker = startReady(link, order({"daemon", "exit"}, 0, epoch), &text);
            QVERIFY(worker && link.next());
            QVERIFY(awaitGone(numberOf(text, "daemon")));
            QVERIFY(awaitGone(numberOf(text, "child")));
        }
    }

    void wardenHoldsNoDescriptorOfWorkersThatHaveGone()
    {
        WardenLink link(wardenPath);
        const auto held = [&link] {
            const auto path = QStringLiteral("/proc/%1/fd").arg(link.innerPid());
            return QDir(path).entryList(QDir::AllEntries | QDir::System).size();
        };
        QCOMPARE(outputOf(link, order({"write"})).size(), 20);
        const auto before = held();

        Order missing = order({});
        missing.program = "/nowhere";
        for (int i = 0; i < 20; ++i) {
            outputOf(link, order({"exit", "0"}));
            outputOf(link, missing);
        }

        QCOMPARE(held(), before);
    }

    void wardenOutOfDescriptorsRefusesAndRecovers()
    {
        WardenLink link(wardenPath);
        const int inner = link.innerPid();
        rlimit before{};
        QCOMPARE(prlimit(inner, RLIMIT_NOFILE, nullptr, &before), 0);
        for (rlim_t most = 4; most < 16; ++most) {
            const rlimit few{most, before.rlim_max};
            QCOMPARE(prlimit(inner, RLIMIT_NOFILE, &few, nullptr), 0);
            QVERIFY(link.send(order({"sleep"}, 0, std::uint32_t(most)).packet()));
            const auto refused = link.next();
            QVERIFY(refused);
            QVERIFY2(refused->report.kind == WardenReport::Kind::Refused, qPrintable(QString::number(most)));
            // Numbers under ten are not for keeping: a limit below is told as EINVAL by fcntl().
            QVERIFY(refused->report.error == EMFILE || refused->report.error == EINVAL);
        }
        QCOMPARE(prlimit(inner, RLIMIT_NOFILE, &before, nullptr), 0);

        QCOMPARE(outputOf(link, order({"fds"})), QStringLiteral("0 1 2 3 "));
    }

    void endOfTheLinkEndsEverything_data()
    {
        roles({"sleep", "ignoreterm", "stopped", "groupchild", "daemon", "bomb", "leavegroup"});
    }

    void endOfTheLinkEndsEverything()
    {
        QFETCH(QString, role);
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({role.toStdString()}, 0)));
        QVERIFY(startReady(link, order({role.toStdString()}, 255)));

        link.closeLink();

        verifyAllDead();
        QVERIFY(link.awaitEnd());
    }

    void deathOfTheOuterWardenEndsEverything_data()
    {
        endOfTheLinkEndsEverything_data();
    }
    void deathOfTheOuterWardenEndsEverything()
    {
        QFETCH(QString, role);
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({role.toStdString()})));

        kill(link.outerPid(), SIGKILL);

        QVERIFY(link.awaitEnd());
        verifyAllDead();
        QVERIFY(!link.next());
    }

    void deathOfTheInnerWardenEndsEverything_data()
    {
        endOfTheLinkEndsEverything_data();
    }
    void deathOfTheInnerWardenEndsEverything()
    {
        QFETCH(QString, role);
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({role.toStdString()})));

        kill(link.innerPid(), SIGKILL);

        verifyAllDead();
        const auto told = link.next();
        QVERIFY2(!told, qPrintable(QStringLiteral("kind %1, status %2, error %3")
                                       .arg(told ? int(told->report.kind) : 0)
                                       .arg(told ? told->report.status : 0)
                                       .arg(told ? told->report.error : 0)));
        QVERIFY(link.awaitEnd());
    }

    void stoppedInnerWardenIsKilledAtTheEndOfTheLink()
    {
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({"daemon"})));

        kill(link.innerPid(), SIGSTOP);
        link.closeLink();

        verifyAllDead();
        QVERIFY(link.awaitEnd());
    }

    void wardenWhoseReportsNobodyReadsStillEnds()
    {
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({"ignoreterm"})));
        QVERIFY(fillWithRefusals(link) > 300);

        kill(link.outerPid(), SIGKILL);

        QVERIFY(link.awaitEnd());
        verifyAllDead();
    }

    void reportsWaitForASlowReader()
    {
        WardenLink link(wardenPath);
        const auto sent = fillWithRefusals(link);

        for (std::uint32_t i = 0; i < sent; ++i) {
            const auto refused = link.next();
            QVERIFY(refused);
            QCOMPARE(refused->report.epoch, i);
        }
        QCOMPARE(outputOf(link, order({"exit", "0"})), QString());
    }

    void deathOfTheApplicationEndsEverything_data()
    {
        endOfTheLinkEndsEverything_data();
    }
    void deathOfTheApplicationEndsEverything()
    {
        QFETCH(QString, role);
        QProcess application;
        const auto said = startApplication(application, role);
        QVERIFY2(said.contains(QStringLiteral("ready")), qPrintable(said));

        kill(pid_t(application.processId()), SIGKILL);

        QVERIFY(application.waitForFinished());
        verifyAllDead();
    }

    /// What the warden cannot do when it is dead: the worker's own PR_SET_PDEATHSIG does it for the worker.
    void workerDiesWithApplicationAndBothWardens_data()
    {
        roles({"sleep", "ignoreterm", "stopped"});
    }
    void workerDiesWithApplicationAndBothWardens()
    {
        QFETCH(QString, role);
        QProcess application;
        const auto said = startApplication(application, role);
        QVERIFY2(said.contains(QStringLiteral("ready")), qPrintable(said));

        killTogether({numberOf(said, "inner"), numberOf(said, "outer"), int(application.processId())});

        QVERIFY(application.waitForFinished());
        verifyAllDead();
    }

    /// The known gap: a child of a worker, also one that is no daemon, outlives that moment.
    void childOfAWorkerDiesWithApplicationAndBothWardens()
    {
        QProcess application;
        const auto said = startApplication(application, QStringLiteral("groupchild"));
        QVERIFY2(said.contains(QStringLiteral("ready")), qPrintable(said));

        killTogether({numberOf(said, "inner"), numberOf(said, "outer"), int(application.processId())});

        QVERIFY(application.waitForFinished());
        QVERIFY(awaitGone(numberOf(said, "worker")));
        const auto left = processesWith(token());
        for (const int pid : left)
            kill(pid, SIGKILL);
        QVERIFY(awaitNone(token()) >= 0);
        QEXPECT_FAIL("", "nobody is left to kill it", Continue);
        QCOMPARE(left.size(), 0u);
    }

    void exitsWithADaemonAboutCostLittle()
    {
        WardenLink link(wardenPath);
        QVERIFY(startReady(link, order({"daemon"}, 1)));
        constexpr int exitCount = 50;
        QElapsedTimer timer;
        timer.start();

        for (int i = 0; i < exitCount; ++i)
            outputOf(link, order({"exit", "0"}));

#ifndef MILLRACE_SANITIZED
        QVERIFY2(timer.elapsed() < exitCount * 100, qPrintable(QString::number(timer.elapsed())));
#endif
    }

    void startedByHandItSaysWhatItIs()
    {
        QProcess warden;
        warden.start(QString::fromStdString(wardenPath), {});

        QVERIFY(warden.waitForFinished());
        QCOMPARE(warden.exitStatus(), QProcess::NormalExit);
        QCOMPARE(warden.exitCode(), 64);
        const auto words = warden.readAllStandardError();
        QVERIFY2(words.contains("started by Millrace itself") && words.count('\n') == 1, words.constData());
        QVERIFY(warden.readAllStandardOutput().isEmpty());
    }

    void wardenNeedsTheCLibraryOnly()
    {
#ifdef MILLRACE_SANITIZED
        QSKIP("a sanitizer brings its libraries");
#endif
        QProcess reader;
        reader.start(QStringLiteral("readelf"), {QStringLiteral("-d"), QString::fromStdString(wardenPath)});
        if (!reader.waitForStarted())
            QSKIP("no readelf here");

        QVERIFY(reader.waitForFinished());
        QStringList needed;
        const QRegularExpression pattern(QStringLiteral("\\(NEEDED\\).*\\[(.*)\\]"));
        for (auto at = pattern.globalMatch(QString::fromLocal8Bit(reader.readAllStandardOutput()));
             at.hasNext();)
            needed += at.next().captured(1);
        QCOMPARE(needed, QStringList{QStringLiteral("libc.so.6")});
    }

private:
    /// Until no order goes in any more, because no report goes out. The reports carry their numbers as
    /// epochs.
    std::uint32_t fillWithRefusals(WardenLink &link) const
    {
        constexpr int patienceMilliseconds = 300;
        Order wrong = order({});
        wrong.fields.version = 0;
        for (std::uint32_t sent = 0;; ++sent) {
            wrong.fields.epoch = sent;
            while (!link.send(wrong.packet())) {
                pollfd writable{link.link(), POLLOUT, 0};
                if (poll(&writable, 1, patienceMilliseconds) != 1)
                    return sent;
            }
        }
    }

    static void roles(std::initializer_list<const char *> names)
    {
        QTest::addColumn<QString>("role");
        for (const char *name : names)
            QTest::newRow(name) << QString::fromLatin1(name);
    }

    /// Starts the stand-in, and returns what it says.
    QString startApplication(QProcess &application, const QString &role) const
    {
        const auto mark = QString::fromStdString(token()).split(QLatin1Char('='));
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(mark[0], mark[1]);
        application.setProcessEnvironment(environment);
        application.start(QString::fromStdString(childPath),
                          {QStringLiteral("application"), QString::fromStdString(wardenPath), role});
        QString said;
        while (!said.contains(QStringLiteral("ready")) && application.waitForReadyRead(deadlineMilliseconds))
            said += QString::fromLocal8Bit(application.readAllStandardOutput());
        return said;
    }

    void verifyAllDead() const
    {
        const int milliseconds = awaitNone(token());
        QVERIFY2(milliseconds >= 0 && milliseconds < killedWithinMilliseconds,
                 qPrintable(QStringLiteral("%1 ms").arg(milliseconds)));
    }
};

QTEST_GUILESS_MAIN(TestWarden)

#include "tst_warden.moc"
