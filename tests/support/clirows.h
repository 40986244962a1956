#pragma once

#include "workers/pool/rowsink.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

using Columns = std::vector<std::vector<double>>;

/// Columns of values that can be handed to a sink or a consumer as rows, with the memory's owner counted.
class OwnedRows
{
public:
    explicit OwnedRows(Columns columns, std::uint64_t first = 0)
        : m_first(first), m_columns(std::make_shared<Columns>(std::move(columns)))
    {
        point(0);
    }

    std::uint64_t count() const { return m_columns->front().size(); }

    /// Rows [begin, end) of these; borrowed until the next call.
    ReleasedRows part(std::uint64_t begin, std::uint64_t end)
    {
        point(begin);
        return {m_first + begin, end - begin, m_pointers, {}, m_columns};
    }
    ReleasedRows all() { return part(0, count()); }
    /// Who holds the memory besides this.
    long holders() const { return m_columns.use_count() - 1; }

private:
    void point(std::uint64_t row)
    {
        m_pointers.clear();
        for (const auto &column : *m_columns)
            m_pointers.push_back(column.data() + row);
    }

    std::uint64_t m_first;
    std::shared_ptr<Columns> m_columns;
    std::vector<const double *> m_pointers;
};

inline RunShape shapeOf(std::vector<std::string> names, bool timed = false)
{
    RunShape shape;
    for (auto &name : names)
        shape.series.push_back({std::move(name), "", std::nullopt});
    shape.timed = timed;
    return shape;
}

/// Remembers what a sink said.
class RememberedFeedback : public SinkFeedback
{
public:
    void written(std::uint64_t rowEnd) override { m_written = rowEnd; }
    void stalled(const std::string &) override {}
    void ready() override {}
    void failed(const std::string &reason) override
    {
        m_reason = reason;
        ++m_failures;
    }

    std::uint64_t rowEnd() const { return m_written; }
    int failures() const { return m_failures; }
    /// After failures() is above 0 and the sink has ended.
    const std::string &reason() const { return m_reason; }

private:
    std::atomic<std::uint64_t> m_written = 0;
    std::atomic<int> m_failures = 0;
    std::string m_reason;
};

} // namespace millrace
