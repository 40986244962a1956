#pragma once

#include "tests/workers/pool/runhistory.h"
#include "workers/pool/leasetable.h"
#include "workers/pool/pool.h"

#include <deque>
#include <map>
#include <random>

namespace millrace {

/// Pool and LeaseTable under a random schedule, driven as RunDriver drives them: some workers that compute,
/// hang, lie and die, a recorder that lags, a user who pauses and kills, a clock that jumps. Throws Wrong.
class Simulation
{
public:
    /// Faults of the machinery, that the checks are to find.
    enum class Sabotage {
        None,
        SkipAfterDeath, ///< a worker that takes over goes on one batch too far
        ReleaseTwice,   ///< a frame is handed to the sink twice
        CountCutFrame,  ///< a frame cut by a death counts as complete
        LoseAfterDeath, ///< what a dead worker had is leased to nobody
    };

    explicit Simulation(std::uint64_t seed, Sabotage sabotage = Sabotage::None);
    void run(int events);

private:
    struct Frame
    {
        std::uint64_t lease = 0;
        std::uint32_t sequence = 0;
        std::uint64_t first = 0;
        std::uint32_t rows = 0;
        bool isForged = false;
    };
    using Sent = std::variant<Frame, Done, GivenBack>;

    struct Work
    {
        LeaseTable::Grant grant;
        std::uint64_t sent = 0;
        std::uint32_t sequence = 0;
    };

    struct Process
    {
        enum class Stage { None, Ordered, Launched, Greeted, Working };
        Stage stage = Stage::None;
        std::uint16_t epoch = 0;
        bool isDeaf = false;   ///< its channel is closed
        bool isDoomed = false; ///< SIGKILL is on its way
        bool isAsked = false;  ///< to leave
        bool hasEnded = false; ///< the source that it reads has no more rows
        std::deque<Work> work;
        std::deque<Sent> sent;
    };

    std::uint64_t random(std::uint64_t below) { return m_random() % below; }
    bool chance(unsigned percent) { return random(100) < percent; }
    static LeaseTable::Options randomOptions(std::mt19937_64 &random);

    void event();
    void calmDown();
    void step(unsigned slot);
    void compute(unsigned slot);
    void deliver(unsigned slot);
    void deliver(unsigned slot, const Frame &frame);
    void forge(unsigned slot);
    void die(unsigned slot, int status);
    void ended(const Pool::End &end);
    void loseWarden();
    void settle();
    void act(const Pool::Action &action);
    void feed();
    void record(std::uint64_t rows);
    void check();

    std::mt19937_64 m_random;
    const Sabotage m_sabotage;
    const LeaseTable::Options m_options;
    const std::optional<std::uint64_t> m_sourceEnd;
    Moment m_now{};
    LeaseTable m_table;
    Pool m_pool;
    RunHistory m_history;
    std::vector<Process> m_processes;
    std::vector<WorkerState> m_states;
    std::map<std::uint64_t, int> m_charged; ///< deaths by row
    std::uint64_t m_written;
    bool m_isPaused = false;
};

} // namespace millrace
