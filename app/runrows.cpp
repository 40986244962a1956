#include "app/runrows.h"

namespace millrace {

static_assert(binRows == BinRings::binRows, "supervisor and store bin the rows alike");

void RunRows::begin(const RunShape &shape, std::uint64_t first, std::shared_ptr<SinkFeedback> feedback)
{
    m_store->begin(shape.columnCount(), first, m_seed);
    m_feedback = std::move(feedback);
    if (m_writer)
        m_writer->begin(shape, m_feedback);
}

void RunRows::rows(const ReleasedRows &rows)
{
    m_bins.clear();
    for (const BinSummary &bin : rows.bins)
        m_bins.push_back({bin.count, bin.nonFinite, bin.min, bin.max, bin.sum, bin.m2});
    if (!m_store->append(rows.first, rows.count, rows.columns, m_bins, rows.owner))
        m_feedback->failed("row " + std::to_string(rows.first) + " came out of order");
    if (m_writer)
        m_writer->rows(rows);
    else
        m_feedback->written(rows.first + rows.count);
}

void RunRows::end(RunEnd)
{
    if (m_writer)
        m_writer->end();
    m_feedback.reset();
}

} // namespace millrace
