#pragma once

#include <QObject>
#include <QSocketNotifier>

namespace millrace {

/// Turns SIGINT, SIGTERM and SIGHUP into a Qt signal. The second one ends the process at once with exit code 3; its workers end
/// with it, by their warden. One at a time; lives on the main thread.
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
};

} // namespace millrace
