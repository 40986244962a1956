#pragma once

#include "workers/pool/rundriver.h"

#include <QThread>

namespace millrace {

/// The supervisor that starts real worker processes: a RunDriver on a QThread of its own. Lives in the thread
/// that made it.
class ProcessSupervisor : public Supervisor
{
    Q_OBJECT

public:
    /// `sink` gets the rows, on the supervisor thread. `makeLauncher` defaults to a warden of its own.
    ProcessSupervisor(const RunRequest &request, std::shared_ptr<RowSink> sink,
                      RunDriver::MakeLauncher makeLauncher = {}, QObject *parent = nullptr);
    ~ProcessSupervisor() override;

    void start() override;
    void pause() override;
    void resume() override;
    void stop() override;
    void killWorker(unsigned slot) override;
    void restartWorker(unsigned slot) override;
    RunStatus status() override;
    std::vector<RunEvent> takeEvents() override;

private Q_SLOTS:
    void onWoken();
    void onEnded();

private:
    void post(RunCommand::Kind kind, unsigned slot = 0);

    RunBoxes m_boxes;
    RunDriver *m_driver; ///< lives in m_thread, which deletes it at its end
    QThread m_thread;
};

} // namespace millrace
