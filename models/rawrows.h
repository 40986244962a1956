#pragma once

#include "models/summary.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace millrace {

/// Memory with consecutive rows of all columns: a piece of someone else's, or our own. What is read of it
/// never changes.
struct RawBlock
{
    std::uint64_t first = 0;
    std::vector<const double *> columns;
    std::shared_ptr<const void> owner; ///< none: `own` has the values
    std::unique_ptr<double[]> own;
    std::size_t bytes = 0;
};

/// The first `count` rows of a block.
struct RawStretch
{
    std::shared_ptr<const RawBlock> block;
    std::uint64_t count = 0;

    std::uint64_t first() const { return block->first; }
    std::uint64_t end() const { return block->first + count; }
};

/// Rows of a range that stay readable while the view lives, without a lock and whatever is appended or
/// forgotten meanwhile.
class RawView
{
public:
    RawView() = default;
    explicit RawView(std::vector<RawStretch> stretches) : m_stretches(std::move(stretches)) {}

    /// The row after the last one that can be read.
    std::uint64_t end() const { return m_stretches.empty() ? 0 : m_stretches.back().end(); }
    /// Calls `visit` with the values of the rows [begin, end) of a column, piece by piece, in order.
    template <typename Visitor>
    void read(std::uint64_t begin, std::uint64_t end, std::size_t column, Visitor &&visit) const;
    /// Of the rows [begin, end) of a column.
    Summary summarise(std::uint64_t begin, std::uint64_t end, std::size_t column) const;

private:
    std::vector<RawStretch>::const_iterator find(std::uint64_t row) const;

    std::vector<RawStretch> m_stretches;
};

/// The newest rows of all series as they came, in a bounded memory. Large deliveries are kept where they are,
/// by shared ownership; small ones are copied into chunks. SeriesStore locks it: stage() is for the one
/// writer and needs no lock, all else does. Shared memory is counted by the rows of it that were delivered.
/// What has one owner is therefore forgotten together (unless the newest rows are in it, too): else a few
/// rows would keep all of it allocated, uncounted.
class RawRows
{
public:
    static constexpr std::uint64_t chunkRows = 4096;
    /// From 64 KiB a column on, keeping the memory costs less than copying it.
    static constexpr std::uint64_t sharedRowsMin = 8192;

    /// What stage() has prepared for publish().
    struct Staged
    {
        std::uint64_t continued = 0; ///< rows that went into the chunk that was last published
        std::vector<RawStretch> added;
    };

    RawRows(std::size_t columns, std::uint64_t firstRow, std::size_t bytesMax);

    /// Copies or takes hold of the next rows. Without an owner they are copied, whatever their number.
    Staged stage(std::uint64_t first, std::uint64_t count, std::span<const double *const> columns,
                 std::shared_ptr<const void> owner);
    /// Makes what was staged visible. Returns what had to go for it, to be dropped outside the lock. A
    /// delivery that is larger than bytesMax is not kept.
    std::vector<RawStretch> publish(Staged staged);

    /// The oldest row from which on all rows are held; the next row when none is.
    std::uint64_t heldFrom() const { return m_stretches.empty() ? m_nextRow : m_stretches.front().first(); }
    /// A view of the rows [begin, end) that are held. O(blocks in the range).
    RawView view(std::uint64_t begin, std::uint64_t end) const;
    /// Memory held, in bytes: values and what is needed to find them.
    std::size_t bytes() const { return m_bytes; }

private:
    void copy(std::uint64_t count, std::span<const double *const> columns, std::uint64_t from);
    std::shared_ptr<RawBlock> makeChunk(std::uint64_t first) const;
    std::size_t blockBytes(std::uint64_t rows) const;
    void forget(std::vector<RawStretch> &gone);

    const std::size_t m_columnCount;
    const std::size_t m_bytesMax;
    std::deque<RawStretch> m_stretches;
    std::uint64_t m_nextRow;
    std::size_t m_bytes = 0;
    std::shared_ptr<RawBlock> m_chunk; // the writer's: the chunk with room, the last that was published
    std::uint64_t m_chunkCount = 0;    // the writer's: rows in it
};

template <typename Visitor>
void RawView::read(std::uint64_t begin, std::uint64_t end, std::size_t column, Visitor &&visit) const
{
    for (auto it = find(begin); begin < end && it != m_stretches.end(); ++it) {
        const std::uint64_t from = std::max(begin, it->first());
        const std::uint64_t to = std::min(end, it->end());
        if (from < to)
            visit(std::span(it->block->columns[column] + (from - it->first()), to - from));
        begin = to;
    }
}

} // namespace millrace
