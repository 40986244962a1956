#pragma once

#include "workers/helper/kernel.h"
#include "workers/helper/outbox.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <thread>

namespace millrace {

/// The computing half of a session: one thread that prepares a run, then works through its leases in order
/// and writes their rows to the outbox. The session thread gives it orders; each order returns at once.
class Computer
{
public:
    /// `endedFd`, an eventfd, is written when the thread has come to its end: the kernel threw, the channel
    /// is gone, or it was stopped.
    Computer(Outbox &outbox, const std::vector<TaskEntry> &tasks, int endedFd);
    /// Asks the kernel to stop and waits for it.
    ~Computer();

    void prepare(const Prepare &prepare);
    /// False: there is no run to compute; nothing is done.
    bool lease(const Lease &lease);
    /// True: the lease had not been begun, and will not be.
    bool giveBack(std::uint64_t lease);
    void park();
    void unpark();
    /// Asks the thread to end; what it is at is not sent.
    void stop();

    /// Whether the thread has ended, after waiting for it at most `limit`.
    bool hasEnded(std::chrono::milliseconds limit);
    /// Whether it ended because the kernel threw.
    bool hasFailed() const { return m_hasFailed; }

private:
    void run();
    void prepareRun(const Prepare &prepare);
    bool work(const Lease &lease);
    bool waitForWork(std::unique_lock<std::mutex> &lock);
    bool waitWhileParked(std::unique_lock<std::mutex> &lock);
    void tellFailure(const std::string &type, const std::string &message);
    std::size_t batchRows(std::uint64_t begin, std::uint64_t end) const;
    void learn(std::chrono::nanoseconds spent);

    Outbox &m_outbox;
    const std::vector<TaskEntry> &m_tasks;
    const int m_endedFd;
    const int m_stopFd; ///< an eventfd that kernels can poll

    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::optional<Prepare> m_prepare; ///< under m_mutex, as all until m_isEnded
    std::deque<Lease> m_leases;
    bool m_isParked = false;
    bool m_isParkTold = false;
    bool m_isPrepared = false;
    bool m_isEnded = false;
    std::stop_source m_stop;
    std::atomic<bool> m_hasFailed = false;

    // The computing thread's own.
    std::uint16_t m_epoch = 0;
    std::optional<tbb::global_control> m_parallelism;
    std::optional<tbb::task_arena> m_arena;
    RunShape m_shape;
    std::unique_ptr<Kernel> m_kernel;
    std::vector<double> m_memory; ///< one batch, recycled
    std::size_t m_rampRows = 1;   ///< rows of the next batch, as learned
    std::uint64_t m_row = 0;      ///< first row of the current batch

    std::thread m_thread; ///< last: it uses all of the above
};

} // namespace millrace
