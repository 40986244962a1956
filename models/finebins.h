#pragma once

#include "models/binrings.h"
#include "models/rawrows.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace {

/// Bins of 64 rows of one series, between raw rows and BinRings, made from the raw rows when someone looks
/// and kept: a stream that nobody looks at so closely costs nothing. A cache with one place per bin of 1,024
/// rows. For one reader at a time; the writer does not know it.
class FineBins
{
public:
    static constexpr std::uint64_t fineRows = 64;
    static constexpr std::size_t finePerBin = BinRings::binRows / fineRows;

    /// `slots`: the most bins of 1,024 rows that are looked at together.
    explicit FineBins(std::size_t slots) : m_slotsMax(slots) {}

    /// Makes what is missing of the bins [firstBin, endBin) of 1,024 rows, newest first, reading no more than
    /// about `valuesMax` values; adds those read to `valuesRead`. False if bins are still missing: another
    /// call goes on. The rows must be in `raw`, the last bin as far as it goes.
    bool refine(const RawView &raw, std::size_t column, std::uint64_t firstBin, std::uint64_t endBin,
                std::size_t valuesMax, std::size_t &valuesRead);

    /// Adds buckets of `group` bins of 64 rows each for the rows [begin, end), which refine() has covered.
    /// Those at either end may reach beyond the range. Returns the bins read.
    std::size_t collect(std::uint64_t begin, std::uint64_t end, std::uint64_t group,
                        std::vector<Bucket> &out) const;

    /// Memory held, in bytes.
    std::size_t bytes() const;

private:
    struct Slot
    {
        std::uint64_t bin = 0;
        std::uint64_t rowEnd = 0; // rows of the bin that are in it
        std::array<Bucket, finePerBin> fine;
    };

    Slot *slotOf(std::uint64_t bin) const { return m_slots[bin % m_slots.size()].get(); }
    void make(const RawView &raw, std::size_t column, std::uint64_t bin, std::uint64_t rowEnd);

    std::size_t m_slotsMax;
    std::vector<std::unique_ptr<Slot>> m_slots; // none until the first refine()
    std::size_t m_slotCount = 0;                // slots made
};

} // namespace millrace
