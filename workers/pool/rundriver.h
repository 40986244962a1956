#pragma once

#include "workers/pool/binsummary.h"
#include "workers/pool/channel.h"
#include "workers/pool/launcher.h"
#include "workers/pool/leasetable.h"
#include "workers/pool/mailbox.h"
#include "workers/pool/rangebuffer.h"
#include "workers/pool/sinkfeedback.h"
#include "workers/pool/supervisor.h"
#include "workers/pool/workeroutput.h"

#include <QThread>
#include <QTimer>

#include <functional>

namespace millrace {

/// What the owner of a run may ask for while it runs.
struct RunCommand
{
    enum class Kind { Pause, Resume, Stop, KillWorker, RestartWorker };
    Kind kind;
    unsigned slot = 0;
};

/// What crosses between a driver and its supervisor.
struct RunBoxes
{
    Mailbox<RunCommand> commands;
    LatestValue<RunStatus> status;
    Mailbox<RunEvent> events;
    std::function<void()> ended; ///< wakes the supervisor for the last time
};

/// Carries out one run on the supervisor thread: asks Pool and LeaseTable, and does what they say with
/// launcher, channels and sink. Every entry is guarded: an exception fails this run, nothing else. Owned by
/// its thread's owner; destroying it kills what still runs.
class RunDriver : public QObject, public ChannelClient, public LauncherClient
{
    Q_OBJECT

public:
    using MakeLauncher = std::function<std::unique_ptr<Launcher>(LauncherClient &)>;

    /// `boxes` must outlive the driver. Made on any thread, then moved to its own; `makeLauncher` is called
    /// on that.
    RunDriver(RunRequest request, std::shared_ptr<RowSink> sink, MakeLauncher makeLauncher, RunBoxes &boxes);
    ~RunDriver() override;

public Q_SLOTS:
    void begin();
    void onCommands();
    void onFeedback();

private Q_SLOTS:
    void onTimer();
    void schedulePublish();
    void publish();
    void leave();

private:
    /// One slot's worker as this side sees it.
    struct Link
    {
        std::unique_ptr<Channel> channel;
        std::unique_ptr<WorkerOutput> output;
        bool isGreeted = false;
        bool isPrepared = false;
        bool isFrozen = false; ///< SIGSTOP was sent to its group
        FrameSummary summary;
        LeaseTable::Place place; ///< of the frame that is under way
        std::uint32_t frameRows = 0;
        std::uint64_t rows = 0;
        std::string trace; ///< of the exception that it told
    };

    // ChannelClient
    std::vector<std::span<std::byte>> rowsBegin(unsigned slot, const FrameHeader &header) override;
    void rowsPart(unsigned slot, FrameReader::Placed placed) override;
    void rowsEnd(unsigned slot) override;
    void message(unsigned slot, std::uint16_t epoch, const Message &message) override;
    void broken(unsigned slot, const std::string &sentence) override;
    void closed(unsigned slot, bool cut) override;
    // LauncherClient
    void launched(unsigned slot, std::uint16_t epoch, int pid, int channel, int output) override;
    void exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit) override;
    void launcherLost(const std::string &sentence) override;

    /// Every way into the driver: what throws in here fails this run only; then all that follows from the
    /// event is done.
    template <typename Work>
    void enter(Work &&work)
    {
        Q_ASSERT(QThread::currentThread() == thread());
        const bool isOuter =
            !std::exchange(m_isInside, true); // what is met on the way is settled with the rest
        try {
            work();
            if (isOuter)
                settle();
        } catch (const std::exception &error) {
            onException(error.what());
        } catch (...) {
            onException("an exception of an unknown type");
        }
        m_isInside = m_isInside && !isOuter;
    }
    void onException(const std::string &what);
    void settle();
    void actOnPool();
    void act(const Pool::Action &action);
    void releaseRows();
    void takeFeedback();
    void feed();
    bool feed(unsigned slot);
    void rearm();

    void on(unsigned slot, const Hello &hello);
    void on(unsigned slot, const Prepared &prepared);
    void on(unsigned slot, const Refused &refused);
    void on(unsigned slot, const Done &done);
    void on(unsigned slot, const GivenBack &givenBack);
    void on(unsigned slot, const Parked &parked);
    void on(unsigned slot, const Bye &bye);
    void on(unsigned slot, const Failed &failed);
    void on(unsigned slot, const Log &log);
    void on(unsigned slot, const Pong &pong);
    template <typename Other>
    void on(unsigned slot, const Other &other);

    void readLast(unsigned slot);
    void forget(unsigned slot);
    void beginRun(const RunShape &shape);
    void onEnd(const Pool::End &end);
    std::string endSentence(const Pool::End &end, const LeaseTable::Death &death);
    void doCommand(const RunCommand &command);
    void stall();
    void pause();
    void resume();
    void freeze(unsigned slot);
    void finish(RunState outcome, const std::string &message);
    void conclude();
    void violation(unsigned slot, const std::string &sentence);
    std::vector<std::span<std::byte>> placeRows(unsigned slot, const FrameHeader &header);
    void refuseRows(unsigned slot, const std::string &sentence);
    void send(unsigned slot, const Message &message);
    void tell(Log::Level level, const std::string &source, const std::string &text, std::uint64_t count = 1);
    void tellOutput(unsigned slot);
    void setState(RunState state);
    RunStatus status() const;
    bool isGoing() const
    {
        return m_state == RunState::Running || m_state == RunState::Paused || m_state == RunState::Stalled;
    }
    Moment now() const;
    Moment elapsed() const;

    const RunRequest m_request;
    const std::shared_ptr<RowSink> m_sink;
    const MakeLauncher m_makeLauncher;
    RunBoxes &m_boxes;

    RunState m_state = RunState::Queued;
    RunState m_outcome = RunState::Failed; ///< what Stopping leads to
    std::string m_message;
    std::optional<std::string> m_stall; ///< why the sink takes nothing for now
    std::vector<ParameterError> m_errors;
    std::unique_ptr<Launcher> m_launcher;
    Pool m_pool;
    std::optional<RunShape> m_shape;
    std::optional<LeaseTable> m_table; ///< from Running on
    std::vector<Link> m_links;
    std::shared_ptr<RangeMemory> m_memory;
    std::map<std::uint64_t, RangeBuffer> m_ranges;
    std::shared_ptr<SinkFeedbackBox> m_feedback;
    bool m_isFeedDue = false; ///< something may be leased that could not before
    bool m_isPauseWanted = false;
    bool m_isInside = false; ///< somewhere below enter()
    Moment m_fedAt{};        ///< when it was last looked whether anything can be leased
    Moment m_runningSince{};
    Moment m_pausedTime{};
    std::optional<Moment> m_pausedSince;
    std::optional<Moment> m_parkDeadline;
    std::optional<Moment> m_armed; ///< when m_timer fires
    std::unique_ptr<QTimer> m_timer;
    std::unique_ptr<QTimer> m_publishTimer;
};

} // namespace millrace
