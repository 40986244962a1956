#pragma once

#include "workers/pool/launcher.h"

#include <QObject>

#include <set>
#include <utility>

class QSocketNotifier;

namespace millrace {

/// Starts workers by a warden of its own, which is started with the first and ends with this object or this
/// process, taking along all that it started. Lives on the supervisor thread; only destruction waits, until
/// the warden is gone.
class WardenLauncher : public QObject, public Launcher
{
    Q_OBJECT

public:
    /// `warden`: absolute path of millrace-warden. `client` must outlive this object.
    WardenLauncher(std::string warden, LauncherClient &client, QObject *parent = nullptr);
    ~WardenLauncher() override;

    void start(unsigned slot, std::uint16_t epoch, const LaunchSpec &spec) override;
    void signal(unsigned slot, std::uint16_t epoch, int signal) override;
    /// The warden's process, for tests and for people who look at the process tree; 0: none.
    int pid() const { return m_pid; }

private Q_SLOTS:
    void onReport();

private:
    int startWarden();
    int send(const std::string &packet);
    void readReport(const WardenReport &report, int channel, int output);
    void refuse(unsigned slot, std::uint16_t epoch, WardenReport::Stage stage, int error);
    void closeLink();

    std::string m_warden;
    LauncherClient &m_client;
    int m_link = -1;
    int m_pid = 0;
    /// Slot and epoch of workers that run without channel, for want of a descriptor: they are being killed.
    std::set<std::pair<std::uint32_t, std::uint32_t>> m_unconnected;
    QSocketNotifier *m_readable = nullptr; ///< a child, so that it ends with this at the latest
};

} // namespace millrace
