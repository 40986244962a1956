#include "workers/pool/rangebuffer.h"

#include <bit>
#include <cstdlib>
#include <new>
#include <sys/mman.h>

namespace millrace {

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t blockBytesMin = 4 * 1024;
constexpr std::size_t hugePageBytes = 2 * 1024 * 1024;

} // namespace

void RangeMemory::Free::operator()(std::byte *block) const
{
    std::free(block);
}

std::shared_ptr<std::byte> RangeMemory::allocate(std::size_t bytes)
{
    // Powers of two: leases differ in size from one to the next, their blocks should not.
    const std::size_t size = std::bit_ceil(std::max(bytes, blockBytesMin));
    Block block;
    {
        const std::lock_guard lock(m_mutex);
        if (auto found = m_idle.find(size); found != m_idle.end() && !found->second.empty()) {
            block = std::move(found->second.back()); // the last one used is the one in the cache
            found->second.pop_back();
            m_idleBytes -= size;
        }
    }
    if (!block) {
        const bool isHuge = size >= hugePageBytes;
        block.reset(static_cast<std::byte *>(std::aligned_alloc(isHuge ? hugePageBytes : alignment, size)));
        if (!block)
            throw std::bad_alloc();
        if (isHuge)
            madvise(block.get(), size, MADV_HUGEPAGE);
    }
    return {block.release(),
            [self = shared_from_this(), size](std::byte *used) { self->giveBack(Block(used), size); }};
}

void RangeMemory::giveBack(Block block, std::size_t bytes)
{
    const std::lock_guard lock(m_mutex);
    if (m_idleBytes + bytes > m_idleBytesMax)
        return;
    m_idle[bytes].push_back(std::move(block));
    m_idleBytes += bytes;
}

RangeBuffer::RangeBuffer(RangeMemory &memory, std::uint64_t first, std::uint64_t rows, std::size_t columns)
    : m_first(first), m_rows(rows), m_columns(columns),
      m_memory(memory.allocate(rows * columns * sizeof(double)))
{
}

std::vector<double *> RangeBuffer::at(std::uint64_t row) const
{
    std::vector<double *> pointers;
    pointers.reserve(m_columns);
    auto *values = reinterpret_cast<double *>(m_memory.get());
    for (std::size_t column = 0; column < m_columns; ++column)
        pointers.push_back(values + column * m_rows + (row - m_first));
    return pointers;
}

void RangeBuffer::accept(std::uint64_t first, std::uint64_t count, std::vector<BinSummary> bins)
{
    m_accepted.emplace(first, Accepted{count, std::move(bins)});
}

void RangeBuffer::release(std::uint64_t end, RowSink &sink)
{
    while (!m_accepted.empty() && m_accepted.begin()->first < end) {
        const auto node = m_accepted.extract(m_accepted.begin());
        const auto columns = at(node.key());
        ReleasedRows rows;
        rows.first = node.key();
        rows.count = node.mapped().count;
        rows.columns = columns;
        rows.bins = node.mapped().bins;
        rows.owner = m_memory;
        sink.rows(rows);
    }
}

} // namespace millrace
