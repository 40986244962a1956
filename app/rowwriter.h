#pragma once

#include "workers/pool/rowsink.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace {

/// What a RowWriter does with rows: one step of a pipeline, on the writer's thread. write() and finish()
/// return an error in words, or nothing.
class RowConsumer
{
public:
    virtual ~RowConsumer() = default;
    virtual std::string begin(const RunShape &shape) = 0;
    virtual std::string write(const ReleasedRows &rows) = 0;
    virtual std::string finish() = 0;
};

/// Takes rows from the supervisor thread and hands them to consumers on a thread of its own. Its queue is
/// bounded by the run's byte budget: rows count against it until they are written. A consumer's error fails
/// the run; what came before is kept.
class RowWriter
{
public:
    /// `done` is called once on the writer's thread, after all rows and finish().
    RowWriter(std::vector<std::unique_ptr<RowConsumer>> consumers, std::function<void()> done);
    /// Waits for the thread.
    ~RowWriter();

    void begin(const RunShape &shape, std::shared_ptr<SinkFeedback> feedback);
    void rows(const ReleasedRows &rows);
    void end();

    /// The error that ended the writing; empty: none. After `done`.
    const std::string &error() const { return m_error; }

private:
    struct Delivery
    {
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        std::vector<const double *> columns;
        std::shared_ptr<const void> owner;

        bool isFollowedBy(const ReleasedRows &rows) const;
    };

    void run();
    bool each(const std::function<std::string(RowConsumer &)> &step);

    std::vector<std::unique_ptr<RowConsumer>> m_consumers;
    const std::function<void()> m_done;
    std::string m_error;
    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<Delivery> m_queue;
    RunShape m_shape;
    std::shared_ptr<SinkFeedback> m_feedback;
    bool m_isBegun = false;
    bool m_isEnded = false;
    std::thread m_thread;
};

} // namespace millrace
