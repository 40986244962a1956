#include "app/taskcatalog.h"

#include "workers/protocol/description.h"

#include <algorithm>

namespace millrace {

namespace {

/// A helper that has not described itself by then is no helper.
constexpr int deadlineMilliseconds = 5000;

} // namespace

TaskCatalog::TaskCatalog(QObject *parent) : QObject(parent)
{
    m_deadline.setSingleShot(true);
    m_process.setStandardInputFile(QProcess::nullDevice());
    m_process.setStandardErrorFile(QProcess::nullDevice());
    connect(&m_process, &QProcess::readyReadStandardOutput, this, &TaskCatalog::onOutput);
    connect(&m_process, &QProcess::finished, this, &TaskCatalog::onFinished);
    connect(&m_process, &QProcess::errorOccurred, this, &TaskCatalog::onError);
    connect(&m_deadline, &QTimer::timeout, this,
            [this] { failNow(QStringLiteral("it did not describe its tasks within 5 s")); });
}

TaskCatalog::~TaskCatalog()
{
    m_process.disconnect(this);
    m_process.close(); // kills, and says nothing of it
}

void TaskCatalog::load(const std::string &helper)
{
    m_deadline.start(deadlineMilliseconds);
    m_process.start(QString::fromStdString(helper), {QStringLiteral("--describe")});
}

const TaskDescription *TaskCatalog::find(const std::string &name) const
{
    const auto found = std::find_if(m_tasks.begin(), m_tasks.end(),
                                    [&](const TaskDescription &task) { return task.name == name; });
    return found == m_tasks.end() ? nullptr : &*found;
}

void TaskCatalog::onOutput()
{
    m_output += m_process.readAllStandardOutput();
    if (m_output.size() > descriptionBytesMax)
        fail(QStringLiteral("its description is longer than 4 MiB"));
}

void TaskCatalog::onFinished()
{
    if (!m_deadline.isActive())
        return; // told already
    onOutput();
    if (m_process.exitStatus() != QProcess::NormalExit)
        return fail(QStringLiteral("it crashed when asked for its tasks"));
    if (m_process.exitCode() != 0)
        return fail(
            QStringLiteral("it ended with code %1 when asked for its tasks").arg(m_process.exitCode()));
    auto tasks = readTasks(m_output);
    if (const auto *sentence = std::get_if<std::string>(&tasks))
        return fail(QString::fromStdString(*sentence));
    m_deadline.stop();
    m_tasks = std::get<std::vector<TaskDescription>>(std::move(tasks));
    Q_EMIT loaded();
}

void TaskCatalog::onError(QProcess::ProcessError error)
{
    if (error == QProcess::FailedToStart)
        fail(m_process.errorString());
}

void TaskCatalog::fail(const QString &reason)
{
    if (m_deadline.isActive())
        failNow(reason);
}

void TaskCatalog::failNow(const QString &reason)
{
    m_deadline.stop(); // what follows of the same failure is not told again
    m_process.kill();
    Q_EMIT failed(QStringLiteral("the helper %1 cannot be used: %2").arg(m_process.program(), reason));
}

} // namespace millrace
