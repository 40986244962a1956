#pragma once

#include "app/commandline.h"
#include "app/programs.h"
#include "app/progressline.h"
#include "app/runreport.h"
#include "app/runrows.h"
#include "app/taskcatalog.h"

#include <QElapsedTimer>
#include <QTimer>

namespace millrace {

/// `millrace run`: one run from the command line, without a window. Lives on the main thread, whose event
/// loop it needs. Ends with one ended(exit code), after all rows are written and everything is printed.
class HeadlessRun : public QObject
{
    Q_OBJECT

public:
    enum Exit { finishedExit = 0, failedExit = 1, usageExit = 2, stoppedExit = 3 };

    HeadlessRun(RunCommandLine command, Programs programs, QObject *parent = nullptr);
    ~HeadlessRun() override;

    void start();
    /// Stops the run by the user's word (a signal): it prints what there is and ends with stoppedExit.
    void stop();

Q_SIGNALS:
    void ended(int exitCode);

private Q_SLOTS:
    void onTasks();
    void onChanged();
    void onRunEnded();
    void onWriterDone();
    void showProgress();

private:
    bool makeRequest(const TaskDescription &task);
    void startRun();
    void endIfComplete();
    bool print(const RunReport &report);
    void reportAndEnd();
    void printEvents();
    void clearProgress();
    void complain(const std::string &sentence);
    void endWith(int exitCode, const std::string &sentence);

    const RunCommandLine m_command;
    const Programs m_programs;
    TaskCatalog m_catalog;
    RunRequest m_request;
    std::shared_ptr<SeriesStore> m_store;
    std::string m_sha256;
    std::shared_ptr<RowWriter> m_writer;
    std::unique_ptr<Supervisor> m_supervisor;
    RunStatus m_status;
    bool m_isRunOver = false;
    bool m_isWriterDone = false;
    bool m_isEnded = false;
    QTimer m_progressTimer; ///< runs while progress is shown
    QElapsedTimer m_sinceStatus;
    RateMeter m_rateMeter;
};

} // namespace millrace
