#include "models/rawrows.h"

namespace millrace {

namespace {

bool isSameOwner(const RawStretch &a, const RawStretch &b)
{
    const auto &first = a.block->owner;
    const auto &second = b.block->owner;
    return first && second && !first.owner_before(second) && !second.owner_before(first);
}

} // namespace

Summary RawView::summarise(std::uint64_t begin, std::uint64_t end, std::size_t column) const
{
    Summary result;
    read(begin, end, column, [&](std::span<const double> values) { merge(result, Summary::of(values)); });
    return result;
}

std::vector<RawStretch>::const_iterator RawView::find(std::uint64_t row) const
{
    return std::ranges::partition_point(m_stretches,
                                        [row](const RawStretch &stretch) { return stretch.end() <= row; });
}

RawRows::RawRows(std::size_t columns, std::uint64_t firstRow, std::size_t bytesMax)
    : m_columnCount(columns), m_bytesMax(bytesMax), m_nextRow(firstRow)
{
}

RawRows::Staged RawRows::stage(std::uint64_t first, std::uint64_t count,
                               std::span<const double *const> columns, std::shared_ptr<const void> owner)
{
    Staged staged;
    if (owner && count >= sharedRowsMin) {
        m_chunk.reset();
        auto block = std::make_shared<RawBlock>();
        block->first = first;
        block->columns.assign(columns.begin(), columns.end());
        block->owner = std::move(owner);
        block->bytes = blockBytes(count);
        staged.added.push_back({std::move(block), count});
        return staged;
    }
    for (std::uint64_t from = 0; from < count;) {
        const bool isNew = !m_chunk || m_chunkCount == chunkRows;
        if (isNew) {
            m_chunk = makeChunk(first + from);
            m_chunkCount = 0;
        }
        const std::uint64_t some = std::min(count - from, chunkRows - m_chunkCount);
        copy(some, columns, from);
        if (isNew)
            staged.added.push_back({m_chunk, some});
        else
            staged.continued += some;
        from += some;
    }
    return staged;
}

std::vector<RawStretch> RawRows::publish(Staged staged)
{
    std::vector<RawStretch> gone;
    if (staged.continued > 0) {
        m_nextRow += staged.continued;
        if (!m_stretches.empty())
            m_stretches.back().count += staged.continued;
    }
    for (RawStretch &stretch : staged.added) {
        m_bytes += stretch.block->bytes;
        m_nextRow = stretch.end();
        m_stretches.push_back(std::move(stretch));
    }
    while (m_bytes > m_bytesMax && !m_stretches.empty())
        forget(gone);
    return gone;
}

RawView RawRows::view(std::uint64_t begin, std::uint64_t end) const
{
    const auto from = std::ranges::partition_point(
        m_stretches, [begin](const RawStretch &stretch) { return stretch.end() <= begin; });
    const auto to = std::partition_point(from, m_stretches.end(),
                                         [end](const RawStretch &stretch) { return stretch.first() < end; });
    return RawView(std::vector<RawStretch>(from, to));
}

/// Into the chunk, behind the rows that were published: readers do not look there.
void RawRows::copy(std::uint64_t count, std::span<const double *const> columns, std::uint64_t from)
{
    for (std::size_t column = 0; column < m_columnCount; ++column) {
        double *const target = m_chunk->own.get() + column * chunkRows + m_chunkCount;
        std::copy_n(columns[column] + from, count, target);
    }
    m_chunkCount += count;
}

std::shared_ptr<RawBlock> RawRows::makeChunk(std::uint64_t first) const
{
    auto chunk = std::make_shared<RawBlock>();
    chunk->first = first;
    chunk->own = std::make_unique_for_overwrite<double[]>(chunkRows * m_columnCount);
    for (std::size_t column = 0; column < m_columnCount; ++column)
        chunk->columns.push_back(chunk->own.get() + column * chunkRows);
    chunk->bytes = blockBytes(chunkRows);
    return chunk;
}

std::size_t RawRows::blockBytes(std::uint64_t rows) const
{
    constexpr std::size_t besides = sizeof(RawBlock) + sizeof(RawStretch) + 64; // 64: counters, allocator
    return std::size_t(rows) * m_columnCount * sizeof(double) + m_columnCount * sizeof(double *) + besides;
}

/// The oldest stretch, and those behind it that lie in the same memory.
void RawRows::forget(std::vector<RawStretch> &gone)
{
    do {
        m_bytes -= m_stretches.front().block->bytes;
        gone.push_back(std::move(m_stretches.front()));
        m_stretches.pop_front();
    } while (!m_stretches.empty() && isSameOwner(gone.back(), m_stretches.front()) &&
             !isSameOwner(gone.back(), m_stretches.back()));
}

} // namespace millrace
