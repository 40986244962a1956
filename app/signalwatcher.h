#pragma once

#include <QObject>
#include <QSocketNotifier>

#include <vector>

namespace millrace {

/// Turns SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) into a Qt signal. A second one
/// ends the process at once with exit code 3; its workers end with it, by their warden. What comes within 0.1
/// s of the first is not a second one. One at a time; lives on the main thread.
class SignalWatcher : public QObject
{
    Q_OBJECT

public:
    explicit SignalWatcher(QObject *parent = nullptr);
    ~SignalWatcher() override;

Q_SIGNALS:
    void requested();

private:
    QSocketNotifier m_readable;
    std::vector<int> m_numbers; ///< of the signals that are handled
};

} // namespace millrace
