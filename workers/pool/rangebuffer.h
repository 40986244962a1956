#pragma once

#include "workers/pool/rowsink.h"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace {

/// Recycles the memory of ranges: fresh pages cost more than the work that fills them. Blocks come back from
/// any thread, when the last owner of their rows lets go: hence the mutex, held for a few instructions. Owned
/// by shared_ptr, for blocks may outlive the run.
class RangeMemory : public std::enable_shared_from_this<RangeMemory>
{
public:
    /// Keeps at most `idleBytesMax` of blocks that nobody uses; the rest goes back to the system.
    explicit RangeMemory(std::size_t idleBytesMax) : m_idleBytesMax(idleBytesMax) {}

    /// Memory for at least `bytes`, aligned to 64. Any thread. Throws std::bad_alloc.
    std::shared_ptr<std::byte> allocate(std::size_t bytes);

private:
    struct Free
    {
        void operator()(std::byte *block) const;
    };
    using Block = std::unique_ptr<std::byte, Free>;

    void giveBack(Block block, std::size_t bytes);

    const std::size_t m_idleBytesMax;
    std::mutex m_mutex;
    std::size_t m_idleBytes = 0;
    std::map<std::size_t, std::vector<Block>> m_idle; ///< by size
};

/// The rows of one range: its memory, and the accepted frames with their summaries until they are released.
/// Lives on the supervisor thread; the memory itself is shared with whoever was given its rows.
class RangeBuffer
{
public:
    RangeBuffer(RangeMemory &memory, std::uint64_t first, std::uint64_t rows, std::size_t columns);

    /// Where `row` of each column stands: columnCount() pointers.
    std::vector<double *> at(std::uint64_t row) const;

    /// The rows [first, first + count) are complete.
    void accept(std::uint64_t first, std::uint64_t count, std::vector<BinSummary> bins);

    /// Hands the accepted frames before row `end` to the sink, in order, and forgets their summaries.
    void release(std::uint64_t end, RowSink &sink);

    std::uint64_t end() const { return m_first + m_rows; }

private:
    struct Accepted
    {
        std::uint64_t count = 0;
        std::vector<BinSummary> bins;
    };

    std::uint64_t m_first;
    std::uint64_t m_rows;
    std::size_t m_columns;
    std::shared_ptr<std::byte> m_memory;
    std::map<std::uint64_t, Accepted> m_accepted; ///< by first row; disjoint
};

} // namespace millrace
