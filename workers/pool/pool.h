#pragma once

#include "workers/pool/exitwords.h"
#include "workers/protocol/messages.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

using Moment = std::chrono::nanoseconds;

enum class WorkerState {
    Waiting,  ///< not started yet, or in the pause before it is started again; ends with its moment
    Starting, ///< the process was ordered; ends with its Hello and Prepared
    Ready,    ///< prepared; works when it gets leases
    Stopping, ///< on the stop ladder; ends with its exit
    Gone,     ///< ended, and nobody starts it again
    GivenUp,  ///< died too often without a row; ends by the user's restart only
};

/// Why a worker ended.
enum class EndCause {
    Asked,    ///< it was told to stop
    ExitCode, ///< it left by itself; 0 counts too: it had not been told
    Signal,   ///< a signal that nobody here sent
    OutOfMemory,
    CpuLimit,
    Exception,  ///< its kernel threw
    Violation,  ///< it broke the protocol
    Silent,     ///< no Hello in time
    Version,    ///< it speaks another version of the protocol
    NotStarted, ///< exec failed
    ByUser,     ///< killed or restarted from the window
    Lost,       ///< its warden died, and it with it
};

/// The slots of a run's workers: when each is started, stopped, killed, started again, given up. A pure state
/// machine: events in, actions out, the clock passed in. Knows no lease, process or descriptor; all calls
/// come from one thread. Worker: Starting -> Ready -> Stopping -> Gone, or after a pause Waiting -> Starting
/// with the next epoch, or GivenUp.
class Pool
{
public:
    struct Action
    {
        enum class Kind {
            Launch,    ///< start a worker in `slot` as `epoch`
            SendStop,  ///< the first step of the ladder
            Continue,  ///< SIGCONT to its group: it may be stopped
            Terminate, ///< SIGTERM to its group
            Kill,      ///< SIGKILL to its group
        };
        Kind kind;
        unsigned slot;
        std::uint16_t epoch;
    };

    /// What is told about an ended worker.
    struct End
    {
        unsigned slot = 0;
        std::uint16_t epoch = 0;
        int pid = 0;
        EndCause cause = EndCause::Asked;
        bool isExternal = false;  ///< SIGKILL or SIGTERM from outside: blamed on a row only if it was slow
        bool isPermanent = false; ///< starting again would end the same way
        std::string what;         ///< "was ended by signal 11 (segmentation fault)"
        std::string action;       ///< "it is started again in 50 ms"; empty when it was asked to end
        bool isGivenUp = false;
    };

    /// `seed` of the jitter in back-off pauses.
    Pool(unsigned slotCount, std::uint64_t seed);

    /// Starts one slot that is Waiting, Gone or GivenUp.
    void start(unsigned slot, Moment now);
    /// From now on nobody who ends is started again: the worker is a source whose rows cannot be had twice.
    void forbidRestarts() { m_areRestartsForbidden = true; }
    /// Stops one worker by the ladder; it is not started again.
    void stop(unsigned slot, Moment now);
    void stopAll(Moment now);
    /// By the user's word: kills the worker at once, and starts it again without a pause.
    void restart(unsigned slot, Moment now);
    /// By the user's word: kills the worker at once; it counts as a death and is started again as such.
    void kill(unsigned slot, Moment now);

    void launched(unsigned slot, std::uint16_t epoch, int pid, Moment now);
    /// Returns false if the version is wrong; the worker is then on its way out.
    bool hello(unsigned slot, const Hello &hello, Moment now);
    void ready(unsigned slot);
    /// A row of the slot was accepted: its deaths are forgiven.
    void progress(unsigned slot);
    /// Kills the worker because of what it sent; `sentence` continues "worker 2 ...".
    void violation(unsigned slot, const std::string &sentence, Moment now);
    /// The worker says that its kernel threw; its exit follows.
    void failed(unsigned slot, const Failed &failed, Moment now);
    /// The channel ended. A worker that does not leave by itself gets the ladder without its first step.
    void channelClosed(unsigned slot, Moment now);
    /// The process is gone. Returns what there is to tell; nothing for an epoch that is over.
    std::optional<End> exited(unsigned slot, std::uint16_t epoch, const ProcessExit &exit, Moment now);

    /// The warden is gone, and with it the worker; told as exited() would.
    std::optional<End> lost(unsigned slot, Moment now);

    void tick(Moment now);
    /// When tick() is to be called next; nothing: only after another event.
    std::optional<Moment> nextTick() const;

    /// Moves all deadlines by a time in which this process stood still: nobody is late for what we did not
    /// see.
    void shift(Moment gap);

    /// The actions since the last call, in order.
    std::vector<Action> takeActions();

    unsigned size() const { return unsigned(m_slots.size()); }
    WorkerState state(unsigned slot) const { return m_slots[slot].state; }
    std::uint16_t epoch(unsigned slot) const { return m_slots[slot].epoch; }
    int pid(unsigned slot) const { return m_slots[slot].pid; }
    std::uint64_t restarts(unsigned slot) const { return m_slots[slot].restarts; }
    bool isAlive(unsigned slot) const;
    bool isAnyAlive() const;
    bool areAllGivenUp() const;

private:
    enum class Step { None, Hello, Stop, Terminate, Kill }; ///< which deadline runs

    struct Slot
    {
        WorkerState state = WorkerState::Waiting;
        std::uint16_t epoch = 0;
        int pid = 0;
        std::uint64_t restarts = 0;
        Step step = Step::None;
        std::optional<Moment> deadline;
        std::optional<EndCause> cause; ///< why it is being ended, if we know before it has
        std::string what;
        std::vector<Moment> deaths; ///< those of the last 10 s without a row between
        unsigned backOff = 0;       ///< pauses since the last row
        bool startsAgain = true;
    };

    void launch(unsigned slot, Moment now);
    void climb(unsigned slot, Step step, Moment now);
    void act(Action::Kind kind, unsigned slot);
    void decideRestart(Slot &slot, End &end, Moment now);
    Moment nextPause(Slot &slot);
    End describe(const Slot &slot, const ProcessExit &exit) const;

    std::vector<Slot> m_slots;
    std::vector<Action> m_actions;
    std::uint64_t m_random;
    bool m_areRestartsForbidden = false;
};

} // namespace millrace
