#pragma once

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTest>

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace {

/// The processes below one another, read from /proc. A worker's environment is made by the app, and the
/// warden's is empty, so no token in it would find them; their place in the tree does.
class ProcessTree
{
public:
    /// Whoever loses its parent below this process becomes its child, and so is found.
    static void adoptOrphans() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

    /// All below `root` whose name is `name` (empty: any), zombies too.
    static QList<qint64> below(qint64 root, const QByteArray &name = {})
    {
        QMultiMap<qint64, qint64> children;
        QMap<qint64, QByteArray> names;
        for (const QString &entry : QDir(QStringLiteral("/proc")).entryList(QDir::Dirs)) {
            QFile file(QStringLiteral("/proc/%1/stat").arg(entry));
            if (entry.toLongLong() <= 0 || !file.open(QIODevice::ReadOnly))
                continue;
            const QByteArray stat = file.readAll();
            const auto nameEnd = stat.lastIndexOf(')');
            names[entry.toLongLong()] = stat.mid(stat.indexOf('(') + 1, nameEnd - stat.indexOf('(') - 1);
            children.insert(stat.mid(nameEnd + 2).split(' ').value(1).toLongLong(), entry.toLongLong());
        }
        QList<qint64> found;
        QList<qint64> next = children.values(root);
        while (!next.isEmpty()) {
            const qint64 pid = next.takeFirst();
            next += children.values(pid);
            if (name.isEmpty() || names[pid] == name)
                found += pid;
        }
        return found;
    }

    /// Whether nothing is left below this process, at the latest 2 s from now. No QProcess may be alive.
    static bool isNothingLeft()
    {
        return QTest::qWaitFor(
            [] {
                while (::waitpid(-1, nullptr, WNOHANG) > 0) {
                }
                return below(::getpid()).isEmpty();
            },
            2000);
    }
};

/// The real `millrace`, run as a user does. Ends with this, killed if need be.
class CliProcess
{
public:
    static constexpr int deadlineMilliseconds =
        60'000; ///< for a run that takes seconds, even with sanitizers

    explicit CliProcess(const QStringList &arguments,
                        const QString &program = QStringLiteral(MILLRACE_BINARY_DIR "/bin/millrace"))
    {
        m_process.setProgram(program);
        m_process.setArguments(arguments);
        m_process.setStandardInputFile(QProcess::nullDevice());
    }
    ~CliProcess()
    {
        m_process.kill();
        m_process.waitForFinished();
    }

    QProcess &process() { return m_process; }
    void setEnvironment(const QString &name, const QString &value)
    {
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(name, value);
        m_process.setProcessEnvironment(environment);
    }

    void start()
    {
        m_isStarted = true;
        m_process.start();
    }
    void signal(int number) { ::kill(pid_t(m_process.processId()), number); }
    QList<qint64> workers() const { return ProcessTree::below(m_process.processId(), "millrace-worker"); }
    bool isOverWithin(int milliseconds)
    {
        return QTest::qWaitFor([this] { return m_process.state() == QProcess::NotRunning; }, milliseconds);
    }
    /// Starts it unless that was done, and waits. The exit code; -1: it was killed or did not end.
    int exitCode()
    {
        if (!m_isStarted)
            start();
        const bool isOver = isOverWithin(deadlineMilliseconds);
        return isOver && m_process.exitStatus() == QProcess::NormalExit ? m_process.exitCode() : -1;
    }

    QByteArray out() { return m_out += m_process.readAllStandardOutput(); }
    QByteArray err() { return m_err += m_process.readAllStandardError(); }
    /// All of stdout as one JSON object; empty if it is not.
    QJsonObject json() { return QJsonDocument::fromJson(out()).object(); }
    QJsonObject series(int index = 0)
    {
        return json().value(QLatin1String("series")).toArray().at(index).toObject();
    }

private:
    QProcess m_process;
    QByteArray m_out;
    QByteArray m_err;
    bool m_isStarted = false;
};

} // namespace millrace
