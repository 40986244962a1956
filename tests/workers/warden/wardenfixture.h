#pragma once

#include "tests/support/wardenlink.h"

#include <QDir>
#include <QRegularExpression>
#include <QTest>

#include <sys/wait.h>

#include <cerrno>
#include <initializer_list>

namespace millrace::test {

inline const std::string wardenPath = MILLRACE_BINARY_DIR "/bin/millrace-warden";
inline const std::string childPath = MILLRACE_BINARY_DIR "/bin/wardenchild";
/// All must be dead this long after the link, the application or a warden has ended.
constexpr int killedWithinMilliseconds = 1000;

/// Base of tests with processes: each is marked by an entry of its environment, and proves that nothing is
/// left of it, neither a process below or beside us nor a descriptor.
class WardenFixture : public QObject
{
    Q_OBJECT

protected:
    const std::string &token() const { return m_token; }

    Order order(std::initializer_list<std::string> arguments, std::uint32_t slot = 0,
                std::uint32_t epoch = 1) const
    {
        Order result;
        result.fields.slot = slot;
        result.fields.epoch = epoch;
        result.program = childPath;
        result.arguments = {"wardenchild"};
        result.arguments.insert(result.arguments.end(), arguments);
        result.environment = {m_token};
        return result;
    }

    /// What a worker wrote until its end.
    static QString outputOf(WardenLink &link, const Order &order)
    {
        if (!link.send(order.packet()))
            return QStringLiteral("not sent");
        const auto started = link.next();
        if (!started || started->report.kind != WardenReport::Kind::Started)
            return QStringLiteral("not started");
        const auto text = readAll(started->output.get());
        const auto exited = link.next();
        if (!exited || exited->report.kind != WardenReport::Kind::Exited)
            return QStringLiteral("no exit reported");
        return QString::fromStdString(text);
    }

    /// Starts a worker and waits for its "ready"; its whole text comes back in `text`.
    static std::optional<Reported> startReady(WardenLink &link, const Order &order, QString *text = nullptr)
    {
        link.send(order.packet());
        auto started = link.next();
        if (!started || started->report.kind != WardenReport::Kind::Started)
            return std::nullopt;
        const auto said = readUntil(started->output.get(), "ready\n");
        if (said.find("ready\n") == std::string::npos)
            return std::nullopt;
        if (text)
            *text = QString::fromStdString(said);
        return started;
    }

    /// The number after `name` in such a text.
    static int numberOf(const QString &text, const char *name)
    {
        const QRegularExpression pattern(QLatin1String(name) + QStringLiteral("[ =](-?\\d+)"));
        const auto match = pattern.match(text);
        return match.hasMatch() ? match.captured(1).toInt() : -1;
    }

private Q_SLOTS:
    void init()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        static int number = 0;
        m_token = "MILLRACE_TEST=" + std::to_string(getpid()) + "." + std::to_string(++number);
        m_openFds = openFds();
    }

    void cleanup()
    {
        for (const int pid : processesWith(m_token)) {
            QTest::qFail(qPrintable(QStringLiteral("process %1 is left behind").arg(pid)), __FILE__,
                         __LINE__);
            kill(pid, SIGKILL);
        }
        QCOMPARE(waitpid(-1, nullptr, WNOHANG), -1);
        QCOMPARE(errno, ECHILD);
        QCOMPARE(openFds(), m_openFds);
    }

private:
    static qsizetype openFds()
    {
        return QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::AllEntries | QDir::System).size();
    }

    std::string m_token;
    qsizetype m_openFds = 0;
};

} // namespace millrace::test
