#pragma once

#include "workers/protocol/task.h"

#include <QByteArray>
#include <QProcess>
#include <QTimer>

namespace millrace {

/// Asks a helper for its tasks by `--describe`. Lives on the thread that made it and never waits for the
/// helper. One load(), then one loaded() or failed(). Destroying it earlier kills the helper.
class TaskCatalog : public QObject
{
    Q_OBJECT

public:
    explicit TaskCatalog(QObject *parent = nullptr);
    ~TaskCatalog() override;

    /// `helper`: absolute path. Called once.
    void load(const std::string &helper);
    const std::vector<TaskDescription> &tasks() const { return m_tasks; }
    /// Nothing if there is no such task.
    const TaskDescription *find(const std::string &name) const;

Q_SIGNALS:
    void loaded();
    void failed(const QString &sentence);

private Q_SLOTS:
    void onOutput();
    void onFinished();
    void onError(QProcess::ProcessError error);

private:
    void fail(const QString &reason);
    void failNow(const QString &reason);

    QProcess m_process;
    QTimer m_deadline;
    QByteArray m_output;
    std::vector<TaskDescription> m_tasks;
};

} // namespace millrace
