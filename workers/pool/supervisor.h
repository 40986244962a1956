#pragma once

#include "workers/pool/pool.h"
#include "workers/pool/rowsink.h"

#include <QObject>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

/// One run as it is ordered. Checked by the form or the command line before; checked again by the worker.
struct RunRequest
{
    std::string name; ///< for people; may be empty
    std::string task;
    Parameters parameters;                             ///< those that are missing have their initial value
    std::optional<std::uint64_t> rows;                 ///< none: the task's own number, or unbounded
    std::optional<std::chrono::milliseconds> duration; ///< the run is Finished when it has run so long
    unsigned workers = 1;                              ///< 1 to workersMax
    unsigned threads = 1;                              ///< of each worker, 1 to threadsMax
    std::uint64_t seed = 0;                            ///< at most indexMax
    std::uint64_t budgetBytes = 64 * 1024 * 1024;      ///< memory of rows on their way; at least 1 MiB
    std::string helper;                                ///< absolute path
    std::vector<std::string> helperArguments; ///< for a helper that takes some; the built-in one takes none
    std::string warden;                       ///< absolute path
    Access access = Access::Compute;
};

inline constexpr unsigned workersMax = 64;
inline constexpr unsigned threadsMax = 256;

enum class RunState {
    Queued,   ///< not started; ends with start()
    Starting, ///< the first worker prepares the run
    Running,
    Paused,   ///< by the user's word, and ends by it
    Stalled,  ///< by the sink's word, with its reason in `message`; goes on by itself, or by resume()
    Stopping, ///< the workers end
    Finished,
    Stopped,
    Failed, ///< `message` says why
};

/// Whether the run is over: the state does not change any more.
bool isOver(RunState state);

struct WorkerStatus
{
    unsigned slot = 0;
    WorkerState state = WorkerState::Waiting;
    int pid = 0; ///< 0: no process
    std::uint16_t epoch = 0;
    std::uint64_t restarts = 0;
    std::uint64_t rows = 0;           ///< accepted from this slot, all epochs
    std::optional<std::uint64_t> row; ///< the row it works on; none: idle
};

struct RunStatus
{
    RunState state = RunState::Queued;
    std::optional<RunShape> shape;          ///< known from Running on
    std::uint64_t rows = 0;                 ///< released: exactly once, in order
    std::optional<std::uint64_t> rowsTotal; ///< none: unbounded, or not known yet
    std::chrono::milliseconds elapsed{};    ///< since Running, without pauses
    std::uint64_t restarts = 0;
    std::string message;                ///< one sentence for people; empty: nothing to say
    std::vector<ParameterError> errors; ///< Failed because of parameters
    std::vector<WorkerStatus> workers;
};

/// Something that happened, in one line for people.
struct RunEvent
{
    Log::Level level = Log::Level::Info;
    std::string source; ///< "worker 2"; empty: the run itself
    std::string text;   ///< plain text; never markup
    std::uint64_t count = 1;
};

/// Carries out one run. Lives in the thread that made it (the GUI thread), whose event loop it needs; every
/// call returns at once. Order of calls: start() once, then any. ended() comes exactly once after start().
/// Destroying it earlier kills the workers, which is waited for.
class Supervisor : public QObject
{
    Q_OBJECT

public:
    using QObject::QObject;

    virtual void start() = 0;
    virtual void pause() = 0;
    virtual void resume() = 0;
    /// Ends the run as Stopped; what was released stays.
    virtual void stop() = 0;
    virtual void killWorker(unsigned slot) = 0;
    virtual void restartWorker(unsigned slot) = 0;

    /// The newest status. Reading it makes way for the next changed().
    virtual RunStatus status() = 0;
    /// Events since the last call, at most `eventsMax`; the oldest of more are dropped and counted in a last
    /// event.
    virtual std::vector<RunEvent> takeEvents() = 0;
    static constexpr std::size_t eventsMax = 1000;

Q_SIGNALS:
    /// Status or events have changed. At most one is under way.
    void changed();
    /// The run is over and all workers are gone; status() is final.
    void ended();
};

} // namespace millrace
