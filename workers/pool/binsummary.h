#pragma once

#include "workers/pool/rowsink.h"

#include <span>
#include <vector>

namespace millrace {

/// The summary of the values of one series in (a part of) one bin. Two passes, the second around the mean of
/// the first, so that a large offset costs no digits; the lanes are added in a fixed order, so that every
/// processor finds the same bits.
BinSummary summarise(std::span<const double> values);

/// Summarises the columns of one frame while they arrive: each call takes the bins that have become complete
/// since the last, whose values are still in the cache. One per channel; begin() starts it anew.
class FrameSummary
{
public:
    void begin(std::uint64_t firstRow, std::uint64_t rows, std::span<double *const> columns);
    /// All values of the columns before `column`, and `rows` of that one, have arrived.
    void advance(std::size_t column, std::uint64_t rows);
    /// Column by column, the bins that the rows touch, in order. Complete after advance(columns, 0).
    std::vector<BinSummary> take() { return std::move(m_bins); }

private:
    std::uint64_t m_first = 0;
    std::uint64_t m_rows = 0;
    std::vector<double *> m_columns;
    std::size_t m_column = 0; ///< the first that is not complete
    std::uint64_t m_row = 0;  ///< of it, rows that are summarised
    std::vector<BinSummary> m_bins;
};

} // namespace millrace
