#include "app/rowwriter.h"

#include <algorithm>

namespace millrace {

RowWriter::RowWriter(std::vector<std::unique_ptr<RowConsumer>> consumers, std::function<void()> done)
    : m_consumers(std::move(consumers)), m_done(std::move(done)), m_thread([this] { run(); })
{
}

RowWriter::~RowWriter()
{
    end();
    m_thread.join();
}

void RowWriter::begin(const RunShape &shape, std::shared_ptr<SinkFeedback> feedback)
{
    const std::lock_guard lock(m_mutex);
    m_shape = shape;
    m_feedback = std::move(feedback);
    m_isBegun = true;
    m_changed.notify_one();
}

/// Whether the rows stand behind these in the same memory, as those of small frames do: one delivery then
/// does for all that wait, however many there are.
bool RowWriter::Delivery::isFollowedBy(const ReleasedRows &rows) const
{
    const auto behind = [this](const double *mine, const double *next) { return mine + count == next; };
    return owner && owner == rows.owner && first + count == rows.first &&
           std::equal(columns.begin(), columns.end(), rows.columns.begin(), rows.columns.end(), behind);
}

void RowWriter::rows(const ReleasedRows &rows)
{
    const std::lock_guard lock(m_mutex);
    if (!m_queue.empty() && m_queue.back().isFollowedBy(rows)) {
        m_queue.back().count += rows.count;
        return;
    }
    m_queue.push_back({rows.first, rows.count, {rows.columns.begin(), rows.columns.end()}, rows.owner});
    m_changed.notify_one();
}

void RowWriter::end()
{
    const std::lock_guard lock(m_mutex);
    m_isEnded = true;
    m_changed.notify_one();
}

/// Returns false at the first error, which is told.
bool RowWriter::each(const std::function<std::string(RowConsumer &)> &step)
{
    if (!m_error.empty())
        return false;
    for (const auto &consumer : m_consumers) {
        m_error = step(*consumer);
        if (!m_error.empty()) {
            if (m_feedback)
                m_feedback->failed(m_error);
            return false;
        }
    }
    return true;
}

void RowWriter::run()
{
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return m_isBegun || m_isEnded; });
    const bool isBegun = m_isBegun;
    const RunShape shape = m_shape;
    lock.unlock();
    if (!isBegun)
        return m_done(); // a run that failed before its first row leaves no empty file
    each([&shape](RowConsumer &consumer) { return consumer.begin(shape); });
    lock.lock();
    for (;;) {
        m_changed.wait(lock, [this] { return !m_queue.empty() || m_isEnded; });
        if (m_queue.empty())
            break;
        const Delivery delivery = std::move(m_queue.front());
        m_queue.pop_front();
        lock.unlock();
        const ReleasedRows rows{delivery.first, delivery.count, delivery.columns, {}, delivery.owner};
        if (each([&rows](RowConsumer &consumer) { return consumer.write(rows); }))
            m_feedback->written(delivery.first + delivery.count);
        lock.lock();
    }
    lock.unlock();
    each([](RowConsumer &consumer) { return consumer.finish(); });
    m_done();
}

} // namespace millrace
