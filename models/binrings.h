#pragma once

#include "models/summary.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

/// Consecutive rows as one place of a curve.
struct Bucket
{
    std::uint64_t firstRow = 0;
    std::uint64_t rowCount = 0;
    Summary summary;

    bool operator==(const Bucket &) const = default;
};

/// Appends `rows` to `out`, or merges them into its last bucket if `begins` is false.
void addBucket(std::vector<Bucket> &out, const Bucket &rows, bool begins);

/// The summaries of all rows of one series in a bounded memory. Level 0 has bins of 1,024 rows (by the row's
/// index: [k * binRows, (k + 1) * binRows)), each next level bins of four of the level below. Each level
/// keeps its newest `binsPerLevel` bins in a ring: what a level forgets, the next one has kept. Levels are
/// added by need. A plain value without a thread of its own; SeriesStore locks it.
class BinRings
{
public:
    static constexpr std::uint64_t binRows = 1024;
    /// Bins of a level: above the pixels of a screen, so that a curve up to now has one bin per pixel.
    static constexpr std::size_t binsPerLevelMax = 12 * 1024;
    /// 2^64 rows have 2^54 bins at level 0, and those of level 21 and above are 4,096 and less.
    static constexpr std::size_t bytesMax = (21 * binsPerLevelMax + 2 * 4096) * sizeof(Summary) + 2048;

    /// `binsPerLevel`: a multiple of four, at least 8.
    explicit BinRings(std::uint64_t firstRow = 0, std::size_t binsPerLevel = binsPerLevelMax);

    /// Bins of level 0 that these rows touch.
    static std::uint64_t binCount(std::uint64_t first, std::uint64_t count);

    /// The next `count` rows as the summaries of the bins that they touch, binCount() of them, each over
    /// these rows only. A bin that comes in pieces is merged. O(pieces).
    void append(std::uint64_t count, std::span<const Summary> pieces);

    /// Adds buckets for the rows [begin, end) that there are, in order, without gap or overlap. A bucket
    /// has `bucketRows` rows or a little more (the next multiple of a bin that is near), and more where the
    /// rows are so old that only coarser bins remain. Those at either end may reach beyond the range; each
    /// has the row range that it is of. Returns the bins read: at most 4 * ((end - begin) / bucketRows + 2)
    /// and a few per level.
    std::size_t collect(std::uint64_t begin, std::uint64_t end, std::uint64_t bucketRows,
                        std::vector<Bucket> &out) const;

    /// Of all rows. O(levels).
    Summary total() const;

    std::uint64_t firstRow() const { return m_firstRow; }
    /// The row after the last.
    std::uint64_t nextRow() const { return m_nextRow; }
    /// Memory held, in bytes.
    std::size_t bytes() const;

private:
    /// Complete bins of one size; the newest of them.
    struct Level
    {
        std::uint64_t first = 0; // index of the first bin there was
        std::uint64_t end = 0;   // index after the last complete bin
        std::vector<Summary> ring;
    };

    std::uint64_t indexAt(std::size_t level, std::uint64_t row) const;
    std::uint64_t heldFrom(std::size_t level) const;
    const Summary &at(std::size_t level, std::uint64_t index) const;
    Summary openBin(std::size_t level) const;
    void push(std::size_t level, std::uint64_t index, const Summary &bin);
    void close();
    Bucket bucketAt(std::size_t level, std::uint64_t index) const;
    std::size_t collectFrom(std::size_t level, std::uint64_t begin, std::uint64_t end, std::uint64_t group,
                            std::vector<Bucket> &out) const;

    std::uint64_t m_firstRow;
    std::uint64_t m_nextRow;
    std::size_t m_binsPerLevel;
    std::vector<Level> m_levels;
    Summary m_open; // the bin of level 0 that m_nextRow belongs to
};

} // namespace millrace
