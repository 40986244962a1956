#include "workers/pool/processsupervisor.h"

#include "workers/pool/threadorder.h"
#include "workers/pool/wardenlauncher.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace {

namespace {

/// Commands of one user that wait for a supervisor thread which always answers at once.
constexpr std::size_t commandsMax = 1024;
/// Beside the window, which goes first; before the workers, which have 5. QThread's priorities do nothing on
/// Linux.
constexpr int supervisorNice = 2;

RunDriver::MakeLauncher wardenOf(const RunRequest &request)
{
    return [warden = request.warden](LauncherClient &client) {
        return std::make_unique<WardenLauncher>(warden, client);
    };
}

} // namespace

ProcessSupervisor::ProcessSupervisor(const RunRequest &request, std::shared_ptr<RowSink> sink,
                                     RunDriver::MakeLauncher makeLauncher, QObject *parent)
    : Supervisor(parent),
      m_boxes{
          {commandsMax, [this] { QMetaObject::invokeMethod(m_driver, "onCommands", Qt::QueuedConnection); }},
          LatestValue<RunStatus>(
              [this] { QMetaObject::invokeMethod(this, "onWoken", Qt::QueuedConnection); }),
          {eventsMax, [this] { QMetaObject::invokeMethod(this, "onWoken", Qt::QueuedConnection); }},
          [this] { QMetaObject::invokeMethod(this, "onEnded", Qt::QueuedConnection); }},
      m_driver(new RunDriver(request, std::move(sink),
                             makeLauncher ? std::move(makeLauncher) : wardenOf(request), m_boxes))
{
    m_thread.setObjectName(QStringLiteral("supervisor"));
    m_driver->moveToThread(&m_thread);
    connect(&m_thread, &QThread::started, m_driver,
            [] { ::setpriority(PRIO_PROCESS, id_t(::syscall(SYS_gettid)), supervisorNice); });
    connect(&m_thread, &QThread::finished, m_driver, &QObject::deleteLater);
}

ProcessSupervisor::~ProcessSupervisor()
{
    if (!m_thread.isRunning()) {
        if (!m_thread.isFinished())
            delete m_driver; // never started: no thread will
        return;
    }
    orderRelease(&m_boxes);
    m_thread.quit();
    m_thread.wait();
    orderAcquire(&m_boxes);
}

void ProcessSupervisor::start()
{
    if (m_thread.isRunning() || m_thread.isFinished())
        return;
    orderRelease(&m_boxes);
    m_thread.start();
    QMetaObject::invokeMethod(m_driver, "begin", Qt::QueuedConnection);
}

void ProcessSupervisor::post(RunCommand::Kind kind, unsigned slot)
{
    if (m_thread.isRunning())
        m_boxes.commands.post({kind, slot});
}

void ProcessSupervisor::pause()
{
    post(RunCommand::Kind::Pause);
}
void ProcessSupervisor::resume()
{
    post(RunCommand::Kind::Resume);
}
void ProcessSupervisor::stop()
{
    post(RunCommand::Kind::Stop);
}
void ProcessSupervisor::killWorker(unsigned slot)
{
    post(RunCommand::Kind::KillWorker, slot);
}
void ProcessSupervisor::restartWorker(unsigned slot)
{
    post(RunCommand::Kind::RestartWorker, slot);
}

RunStatus ProcessSupervisor::status()
{
    return m_boxes.status.take();
}

std::vector<RunEvent> ProcessSupervisor::takeEvents()
{
    auto content = m_boxes.events.take();
    std::vector<RunEvent> events(std::make_move_iterator(content.items.begin()),
                                 std::make_move_iterator(content.items.end()));
    if (content.dropped > 0)
        events.push_back(
            {Log::Level::Warning, {}, "events were too many to keep; these are the newest", content.dropped});
    return events;
}

void ProcessSupervisor::onWoken()
{
    Q_EMIT changed();
}

void ProcessSupervisor::onEnded()
{
    Q_EMIT ended();
}

} // namespace millrace
