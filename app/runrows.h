#pragma once

#include "app/rowwriter.h"
#include "models/seriesstore.h"
#include "workers/pool/rowsink.h"

namespace millrace {

/// Joins a supervisor to what keeps its rows: the series store, and a writer if there is one. The place where
/// the two sides of the seam meet, for neither knows the other.
class RunRows : public RowSink
{
public:
    /// `seed` chooses the store's sample. `writer` may be null: rows then need no memory once the store has
    /// them.
    RunRows(std::shared_ptr<SeriesStore> store, std::shared_ptr<RowWriter> writer, std::uint64_t seed)
        : m_store(std::move(store)), m_writer(std::move(writer)), m_seed(seed)
    {
    }

    void begin(const RunShape &shape, std::uint64_t first, std::shared_ptr<SinkFeedback> feedback) override;
    void rows(const ReleasedRows &rows) override;
    void end(RunEnd end) override;

private:
    const std::shared_ptr<SeriesStore> m_store;
    const std::shared_ptr<RowWriter> m_writer;
    const std::uint64_t m_seed;
    std::shared_ptr<SinkFeedback> m_feedback;
    std::vector<Summary> m_bins; ///< of one delivery, recycled
};

} // namespace millrace
