#pragma once

#include "models/binrings.h"
#include "models/finebins.h"
#include "models/rawrows.h"
#include "models/sample.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

/// A curve over a range of rows.
struct Snapshot
{
    std::vector<Bucket> buckets; ///< in order, disjoint; together all rows asked for that there are
    std::uint64_t firstRow = 0;  ///< of the run
    std::uint64_t nextRow = 0;   ///< of the run: the row after the last
    bool isFinerLater = false;   ///< the same question will soon have a finer answer: ask again
    std::size_t valuesRead = 0;  ///< work that it took: raw values
    std::size_t binsRead = 0;    ///< and bins
};

/// What is known of all rows of one series.
struct Totals
{
    std::uint64_t rows = 0;
    Summary summary;            ///< exact
    std::optional<double> last; ///< value of the newest row; none without rows
    /// At 5, 25, 50, 75 and 95 %; none without finite values.
    std::optional<std::array<double, 5>> quantiles;
    std::size_t sampleSize = 0;    ///< rows that the quantiles are from
    bool areQuantilesExact = true; ///< false: say "from a sample of n"
};

/// Values of consecutive rows.
struct RowValues
{
    std::uint64_t first = 0;
    std::vector<double> values;
};

/// Keeps one run's rows for view and statistics in a memory of fixed size: the newest rows as they came, all
/// rows as bins that grow coarser with age, and a sample. begin() and append() are for one writer (the
/// supervisor thread), all else for any thread; a mutex is held for the bins appended or the pixels asked
/// for, never while values are copied or memory is freed. Owned by the app. Failure: append() returns false.
class SeriesStore
{
public:
    /// Most memory that the store holds per series. A Snapshot in the making may keep what it reads a moment
    /// longer.
    static constexpr std::size_t seriesBytesMax = 32 * 1024 * 1024;
    /// Of these, raw rows: about half.
    static constexpr std::size_t rawBytesMax = 17 * 1024 * 1024;
    static constexpr std::size_t widthMax = 65'536;   ///< a wider curve gets this many buckets
    static constexpr std::size_t rowsMax = 65'536;    ///< most values that rows() copies
    static constexpr std::size_t bucketsBesides = 64; ///< a Snapshot's buckets above `width`: seams and ends

    /// Forgets everything and begins a run of `columns` series at row `firstRow`.
    void begin(std::size_t columns, std::uint64_t firstRow, std::uint64_t seed);

    /// The next `count` rows from `first`: per column a pointer to its values, and, column by column, the
    /// summaries of the bins that the rows touch (BinRings::binCount() of them), each over these rows only.
    /// From RawRows::sharedRowsMin rows on the memory is kept by `owner` (dropped later, in any thread) and
    /// only sampled values are read; fewer rows, or rows without an owner, are copied. False, and nothing has
    /// changed, if the rows do not follow those before or the spans have the wrong size.
    bool append(std::uint64_t first, std::uint64_t count, std::span<const double *const> columns,
                std::span<const Summary> bins, std::shared_ptr<const void> owner);

    /// The rows [begin, end) of a series as a curve `width` pixels wide, in O(width) time. Up to 2 * width
    /// rows that are held raw: each row. More: at most width + bucketsBesides buckets. Every row of the range
    /// that there is lies in a bucket, and so within its min and max. Buckets from bins may reach beyond the
    /// range and begin at multiples of their size, so that a curve that scrolls does not flicker. Between 64
    /// and 1,024 rows per pixel, bins of 64 rows are made of the raw rows, at most max(64 * width, 65,536)
    /// values at a time; until all are made the buckets are bins of 1,024 rows, and isFinerLater is set.
    Snapshot snapshot(std::uint64_t begin, std::uint64_t end, std::size_t width, std::size_t column) const;

    /// Of all rows since begin(). O(sample).
    Totals totals(std::size_t column) const;
    /// The sample of a series, for a histogram.
    RowSample sample(std::size_t column) const;
    /// Raw values of the first rows of [begin, end) that are still held, rowsMax at most. `first` is above
    /// `begin` where older rows are not.
    RowValues rows(std::uint64_t begin, std::uint64_t end, std::size_t column) const;
    /// Memory held for all series.
    std::size_t bytes() const;

private:
    struct Column
    {
        BinRings bins;
        RowSample sample;
        double last = 0;
    };
    /// For the readers, who lock it among themselves; the writer does not know it.
    struct Fine
    {
        std::mutex mutex;
        std::vector<FineBins> columns;
    };
    struct Run
    {
        RawRows raw;
        std::vector<Column> columns;
        std::uint64_t firstRow = 0;
        std::uint64_t nextRow = 0;
        std::shared_ptr<Fine> fine;
    };
    struct View;

    View look(std::uint64_t begin, std::uint64_t end, std::size_t width, std::size_t column) const;
    static void addFine(const View &view, std::size_t width, std::size_t column, Snapshot &result);

    mutable std::mutex m_mutex;
    std::unique_ptr<Run> m_run;
};

} // namespace millrace
