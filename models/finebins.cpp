#include "models/finebins.h"

#include <algorithm>

namespace millrace {

bool FineBins::refine(const RawView &raw, std::size_t column, std::uint64_t firstBin, std::uint64_t endBin,
                      std::size_t valuesMax, std::size_t &valuesRead)
{
    m_slots.resize(m_slotsMax);
    std::size_t read = 0;
    bool isComplete = true;
    for (std::uint64_t bin = endBin; bin-- > firstBin;) {
        const std::uint64_t rowEnd = std::min((bin + 1) * BinRings::binRows, raw.end());
        const Slot *slot = slotOf(bin);
        if (slot && slot->bin == bin && slot->rowEnd == rowEnd)
            continue;
        if (read >= valuesMax) {
            isComplete = false;
            break;
        }
        make(raw, column, bin, rowEnd);
        read += std::size_t(rowEnd - bin * BinRings::binRows);
    }
    valuesRead += read;
    return isComplete;
}

std::size_t FineBins::collect(std::uint64_t begin, std::uint64_t end, std::uint64_t group,
                              std::vector<Bucket> &out) const
{
    if (begin >= end)
        return 0;
    const std::uint64_t first = begin / fineRows;
    const std::uint64_t last = (end - 1) / fineRows;
    bool begins = true;
    for (std::uint64_t index = first; index <= last; ++index) {
        const Bucket &fine = slotOf(index / finePerBin)->fine[index % finePerBin];
        begins = begins || index % group == 0;
        if (fine.rowCount == 0) // before the first row of the run
            continue;
        addBucket(out, fine, begins);
        begins = false;
    }
    return std::size_t(last - first + 1);
}

std::size_t FineBins::bytes() const
{
    return m_slots.capacity() * sizeof(m_slots[0]) + m_slotCount * sizeof(Slot);
}

void FineBins::make(const RawView &raw, std::size_t column, std::uint64_t bin, std::uint64_t rowEnd)
{
    auto &slot = m_slots[bin % m_slots.size()];
    if (!slot) {
        slot = std::make_unique<Slot>();
        ++m_slotCount;
    }
    slot->bin = bin;
    slot->rowEnd = rowEnd;
    std::uint64_t begin = bin * BinRings::binRows;
    for (Bucket &fine : slot->fine) {
        const std::uint64_t end = std::clamp(rowEnd, begin, begin + fineRows);
        fine.summary = raw.summarise(begin, end, column);
        fine.rowCount = std::uint64_t(fine.summary.count);
        fine.firstRow = end - fine.rowCount; // only the first rows of a run can be missing
        begin += fineRows;
    }
}

} // namespace millrace
