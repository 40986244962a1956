#include "wardenfixture.h"

#include <QFile>
#include <QMap>
#include <QTemporaryDir>

#include <cerrno>
#include <csignal>

using namespace millrace;
using namespace millrace::test;

/// What a worker can and cannot do, as its child program tells: name and errno, 0 if it worked.
class TestSandbox : public WardenFixture
{
    Q_OBJECT

    using Results = QMap<QString, int>;

private Q_SLOTS:
    void computeAllowsWhatComputingNeeds_data() { waysIn(); }
    void computeAllowsWhatComputingNeeds()
    {
        QFETCH(QString, role);
        const auto results = tried(WardenSandbox::Compute, role);

        for (const char *name :
             {"read", "null", "thread", "own kill", "own tgkill", "own limit", "limit", "channel"})
            QCOMPARE(worked(results, name), 0);
    }

    void computeForbidsOtherProcessesAndTheNetwork_data() { waysIn(); }
    void computeForbidsOtherProcessesAndTheNetwork()
    {
        QFETCH(QString, role);
        const auto results = tried(WardenSandbox::Compute, role);

        for (const char *name :
             {"socket", "local socket", "connect", "kill", "tkill", "tgkill", "parent limit", "peek", "type"})
            QCOMPARE(worked(results, name), EPERM);
    }

    void computeStartsAndTracesNothing()
    {
#ifdef MILLRACE_SANITIZED
        QSKIP("LeakSanitizer forks and traces");
#endif
        const auto results = tried(WardenSandbox::Compute);

        for (const char *name : {"fork", "spawn", "ptrace"})
            QCOMPARE(worked(results, name), EPERM);
    }

    void computeChangesNoFile()
    {
        const auto results = tried(WardenSandbox::Compute);

        for (const char *name : {"truncate", "mode", "times"})
            QCOMPARE(worked(results, name), EPERM);
        if (worked(results, "landlock") != 0)
            QSKIP("this kernel has no Landlock: files can be opened for writing");
        for (const auto &name : results.keys())
            if (name.startsWith(QStringLiteral("file ")))
                QVERIFY2(results[name] == EACCES, qPrintable(name));
        QCOMPARE(m_oldText, QByteArray("text"));
        QCOMPARE(m_names, (QStringList{QStringLiteral("gone"), QStringLiteral("old")}));
    }

    /// Landlock keeps a process from others outside its domain; without it they are as open as to any program
    /// of the same user.
    void computeDoesNotReadItsParentsMemory()
    {
        const auto results = tried(WardenSandbox::Compute);

        if (worked(results, "landlock") != 0)
            QSKIP("this kernel has no Landlock: memory of the same user's processes can be read");
        QCOMPARE(worked(results, "memory"), EACCES);
        if (getuid() != 0) // newer kernels ask Landlock about this only where the user is no administrator
            QCOMPARE(worked(results, "environ"), EACCES);
    }

    void noSandboxForbidsNothing()
    {
        const auto results = tried(WardenSandbox::None);

        for (const auto &name : results.keys()) {
            const int error = name == QStringLiteral("connect") ? ENOENT
                              : name == QStringLiteral("type")  ? ENOTTY
                                                                : 0;
            if (name != QStringLiteral("landlock") && !isAdministratorsMatter(name))
                QVERIFY2(results[name] == error, qPrintable(name + QStringLiteral(": ") +
                                                            QString::fromLocal8Bit(strerror(results[name]))));
        }
    }

    void workerInTheSandboxCanStillCrash_data()
    {
        QTest::addColumn<int>("signal");
        for (const int signal : {SIGABRT, SIGSEGV, SIGTERM})
            QTest::addRow("signal %d", signal) << signal;
    }

    void workerInTheSandboxCanStillCrash()
    {
        QFETCH(int, signal);
#ifdef MILLRACE_SANITIZED
        if (signal != SIGTERM)
            QSKIP("a sanitizer catches it");
#endif
        WardenLink link(wardenPath);
        Order given = order({"raise", std::to_string(signal)});
        given.fields.sandbox = WardenSandbox::Compute;

        QVERIFY(link.send(given.packet()));
        const auto started = link.next();
        const auto exited = link.next();

        QVERIFY(started && exited);
        QVERIFY(WIFSIGNALED(exited->report.status));
        QCOMPARE(WTERMSIG(exited->report.status), signal);
    }

private:
    /// By the order, and after an exec of the worker's own.
    static void waysIn()
    {
        QTest::addColumn<QString>("role");
        QTest::newRow("at once") << QStringLiteral("try");
        QTest::newRow("after another exec") << QStringLiteral("exec");
    }

    /// Files of /proc that some systems close to all but the administrator.
    static bool isAdministratorsMatter(const QString &name)
    {
        return getuid() != 0 && (name == QStringLiteral("memory") || name == QStringLiteral("ptrace"));
    }

    static int worked(const Results &results, const char *name)
    {
        return results.value(QString::fromLatin1(name), -1);
    }

    Results tried(WardenSandbox sandbox, const QString &role = QStringLiteral("try"))
    {
        const QTemporaryDir folder;
        for (const char *name : {"old", "gone"}) {
            QFile file(folder.filePath(QString::fromLatin1(name)));
            if (file.open(QIODevice::WriteOnly))
                file.write("text");
        }
        WardenLink link(wardenPath);
        Order given = order({role.toStdString(), folder.path().toStdString()});
        given.fields.sandbox = sandbox;
        Results results;
        for (const auto &line : outputOf(link, given).split(QLatin1Char('\n'), Qt::SkipEmptyParts))
            if (const auto parts = line.split(QLatin1Char('=')); parts.size() == 2)
                results[parts[0]] = parts[1].toInt();
        QFile old(folder.filePath(QStringLiteral("old")));
        m_oldText = old.open(QIODevice::ReadOnly) ? old.readAll() : QByteArray();
        m_names =
            QDir(folder.path()).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot, QDir::Name);
        results.remove(QString());
        return results;
    }

    QByteArray m_oldText;
    QStringList m_names;
};

QTEST_GUILESS_MAIN(TestSandbox)

#include "tst_sandbox.moc"
