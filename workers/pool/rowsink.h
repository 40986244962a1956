#pragma once

#include "workers/protocol/task.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

/// The one seam between supervisor and what becomes of its rows: store, recording, output. Plain C++ types
/// only, so that neither side knows the other.
namespace millrace {

/// Rows of a bin: rows are binned by their index, [k * binRows, (k + 1) * binRows).
inline constexpr std::uint64_t binRows = 1024;

/// Of the rows of one series in one bin. The last four are over the finite values; with none of these they
/// are +inf, -inf, 0, 0. m2: squared deviations from the bin's own mean.
struct BinSummary
{
    double count = 0;
    double nonFinite = 0;
    double min = 0;
    double max = 0;
    double sum = 0;
    double m2 = 0;
};

/// Consecutive rows, released. The memory lives as long as `owner` does.
struct ReleasedRows
{
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::span<const double *const>
        columns; ///< one pointer to `count` values per column; the span itself is borrowed
    std::span<const BinSummary> bins; ///< column by column, the summaries of the bins that the rows touch, in
                                      ///< order, each over these rows only; borrowed for the call
    std::shared_ptr<const void> owner;

    /// Bins that `count` rows from `first` touch.
    static std::uint64_t binCount(std::uint64_t first, std::uint64_t count)
    {
        return count == 0 ? 0 : (first + count - 1) / binRows - first / binRows + 1;
    }
};

/// How the run ended, for those who keep its rows.
enum class RunEnd { Finished, Stopped, Failed };

/// What a sink tells back, from any thread; each call returns at once.
class SinkFeedback
{
public:
    virtual ~SinkFeedback() = default;
    /// All rows before `rowEnd` are safe: their memory counts no longer against the run's budget.
    virtual void written(std::uint64_t rowEnd) = 0;
    /// The sink cannot take more for now; the run is Stalled with this reason until ready().
    virtual void stalled(const std::string &reason) = 0;
    virtual void ready() = 0;
    /// The sink is lost; the run fails with this reason.
    virtual void failed(const std::string &reason) = 0;
};

/// Takes the rows of one run. Every function is called on the supervisor thread and returns at once; none
/// throws.
class RowSink
{
public:
    virtual ~RowSink() = default;
    /// The run begins at row `first`. `feedback` may be used from any thread, also while what end()
    /// has left to do is done; a failure told after the run is over is the sink's owner's to show.
    virtual void begin(const RunShape &shape, std::uint64_t first,
                       std::shared_ptr<SinkFeedback> feedback) = 0;
    /// The next rows, in index order, each exactly once. A run hands on no more than its byte budget before
    /// written().
    virtual void rows(const ReleasedRows &rows) = 0;
    /// No rows come after this.
    virtual void end(RunEnd end) = 0;
};

} // namespace millrace
