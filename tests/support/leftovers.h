#pragma once

#include <QDir>
#include <QTest>

#include <cerrno>

#include <sys/wait.h>

namespace millrace {

/// Proves that a test leaves nothing behind: no child, not even a zombie, and no file descriptor.
class Leftovers
{
public:
    /// Call it in init().
    void begin() { m_openFds = openFds(); }
    /// Call it in cleanup().
    void verifyNone() const
    {
        QCOMPARE(waitpid(-1, nullptr, WNOHANG), -1);
        QCOMPARE(errno, ECHILD);
        QCOMPARE(openFds(), m_openFds);
    }

private:
    static qsizetype openFds()
    {
        return QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::AllEntries | QDir::System).size();
    }
    qsizetype m_openFds = 0;
};

} // namespace millrace
