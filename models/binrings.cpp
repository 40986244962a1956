#include "models/binrings.h"

#include <algorithm>
#include <bit>

namespace millrace {

namespace {

constexpr std::uint64_t binsInNext = 4;
constexpr unsigned nextBits = std::countr_zero(binsInNext);
constexpr unsigned binBits = std::countr_zero(BinRings::binRows);

/// Rows of a bin, as a power of two; 64 and more: one bin for all rows that can be numbered.
constexpr unsigned bitsAt(std::size_t level)
{
    return binBits + nextBits * unsigned(level);
}

} // namespace

void addBucket(std::vector<Bucket> &out, const Bucket &rows, bool begins)
{
    if (begins || out.empty()) {
        out.push_back(rows);
        return;
    }
    out.back().rowCount += rows.rowCount;
    merge(out.back().summary, rows.summary);
}

BinRings::BinRings(std::uint64_t firstRow, std::size_t binsPerLevel)
    : m_firstRow(firstRow), m_nextRow(firstRow),
      m_binsPerLevel(std::max<std::size_t>(binsPerLevel / binsInNext, 2) * binsInNext)
{
}

std::uint64_t BinRings::binCount(std::uint64_t first, std::uint64_t count)
{
    return count == 0 ? 0 : (first + count - 1) / binRows - first / binRows + 1;
}

void BinRings::append(std::uint64_t count, std::span<const Summary> pieces)
{
    const std::uint64_t end = m_nextRow + count;
    for (const Summary &piece : pieces) {
        merge(m_open, piece);
        m_nextRow = std::min(end, (m_nextRow / binRows + 1) * binRows);
        if (m_nextRow % binRows == 0)
            close();
    }
}

std::size_t BinRings::collect(std::uint64_t begin, std::uint64_t end, std::uint64_t bucketRows,
                              std::vector<Bucket> &out) const
{
    begin = std::max(begin, m_firstRow);
    end = std::min(end, m_nextRow);
    if (begin >= end)
        return 0;
    bucketRows = std::max<std::uint64_t>(bucketRows, 1);
    std::size_t level = 0;
    while (bitsAt(level + 1) < 64 && (binsInNext << bitsAt(level)) < bucketRows)
        ++level;
    const std::uint64_t group = ((bucketRows - 1) >> bitsAt(level)) + 1;
    return collectFrom(level, begin, end, group, out);
}

Summary BinRings::total() const
{
    return openBin(m_levels.size()); // no bin of this level was ever completed: it has all rows
}

std::size_t BinRings::bytes() const
{
    std::size_t result = m_levels.capacity() * sizeof(Level);
    for (const Level &level : m_levels)
        result += level.ring.capacity() * sizeof(Summary);
    return result;
}

std::uint64_t BinRings::indexAt(std::size_t level, std::uint64_t row) const
{
    return bitsAt(level) < 64 ? row >> bitsAt(level) : 0;
}

/// Index of the oldest complete bin that is still held.
std::uint64_t BinRings::heldFrom(std::size_t level) const
{
    if (level >= m_levels.size())
        return indexAt(level, m_firstRow);
    return m_levels[level].end - m_levels[level].ring.size();
}

const Summary &BinRings::at(std::size_t level, std::uint64_t index) const
{
    return m_levels[level].ring[(index - m_levels[level].first) % m_binsPerLevel];
}

/// The bin that m_nextRow belongs to, as far as it is known: what the levels below have not yet handed up.
Summary BinRings::openBin(std::size_t level) const
{
    Summary result;
    for (std::size_t below = level; below-- > 0;) {
        if (below >= m_levels.size())
            continue;
        const std::uint64_t firstChild = indexAt(below + 1, m_nextRow) * binsInNext;
        for (auto index = std::max(firstChild, m_levels[below].first); index < m_levels[below].end; ++index)
            merge(result, at(below, index));
    }
    merge(result, m_open);
    return result;
}

void BinRings::push(std::size_t level, std::uint64_t index, const Summary &bin)
{
    if (level == m_levels.size())
        m_levels.push_back({.first = index, .end = index, .ring = {}});
    Level &target = m_levels[level];
    auto &ring = target.ring;
    if (ring.size() == m_binsPerLevel) {
        ring[(index - target.first) % m_binsPerLevel] = bin;
    } else {
        if (ring.size() == ring.capacity()) // never more than a ring, so that bytes() has a bound
            ring.reserve(std::clamp<std::size_t>(2 * ring.size(), 4, m_binsPerLevel));
        ring.push_back(bin);
    }
    target.end = index + 1;
}

/// The open bin is complete; with it, maybe, bins of the levels above.
void BinRings::close()
{
    Summary bin = m_open;
    m_open = {};
    std::uint64_t index = m_nextRow / binRows - 1;
    for (std::size_t level = 0;; ++level) {
        push(level, index, bin);
        if ((index + 1) % binsInNext != 0)
            return;
        const std::uint64_t firstChild = std::max(index + 1 - binsInNext, m_levels[level].first);
        bin = at(level, firstChild);
        for (std::uint64_t child = firstChild + 1; child <= index; ++child)
            merge(bin, at(level, child));
        index /= binsInNext;
    }
}

Bucket BinRings::bucketAt(std::size_t level, std::uint64_t index) const
{
    const bool isOpen = level >= m_levels.size() || index >= m_levels[level].end;
    const unsigned bits = bitsAt(level);
    const std::uint64_t first = bits < 64 ? std::max(index << bits, m_firstRow) : m_firstRow;
    const std::uint64_t end = isOpen ? m_nextRow : (index + 1) << bits;
    return {first, end - first, isOpen ? openBin(level) : at(level, index)};
}

/// Buckets of `group` bins each. Rows that the level has forgotten are looked up above; the seam is where a
/// bin of the level above begins.
std::size_t BinRings::collectFrom(std::size_t level, std::uint64_t begin, std::uint64_t end,
                                  std::uint64_t group, std::vector<Bucket> &out) const
{
    std::size_t read = 0;
    const std::uint64_t held = heldFrom(level);
    if (held > indexAt(level, m_firstRow)) {
        const std::uint64_t seam = (held + binsInNext - 1) / binsInNext * binsInNext << bitsAt(level);
        if (begin < seam)
            read = collectFrom(level + 1, begin, std::min(seam, end), 1, out);
        begin = std::max(begin, seam);
    }
    if (begin >= end)
        return read;
    const std::uint64_t first = indexAt(level, begin);
    const std::uint64_t last = indexAt(level, end - 1);
    for (std::uint64_t index = first; index <= last; ++index)
        addBucket(out, bucketAt(level, index), index == first || index % group == 0);
    return read + std::size_t(last - first + 1);
}

} // namespace millrace
