#include "tests/workers/pool/runhistory.h"

#include <algorithm>

namespace millrace {

void RunHistory::reserved(std::uint64_t first, std::uint64_t end)
{
    require(m_ranges.try_emplace(first, end - first).second, "a range was reserved twice");
}

void RunHistory::accepted(std::uint64_t range, std::uint64_t first, std::uint64_t computed,
                          std::uint64_t rows)
{
    const auto found = m_ranges.find(range);
    require(found != m_ranges.end(), "rows were accepted into memory that is forgotten");
    require(first >= range && first + rows <= range + found->second.size(),
            "rows were accepted beyond their range");
    for (std::uint64_t i = 0; i < rows; ++i) {
        std::uint64_t &place = found->second[first - range + i];
        require(place == 0, "a row was accepted twice");
        place = valueOf(computed + i);
    }
}

void RunHistory::released(std::uint64_t first, std::uint64_t end)
{
    require(first == m_next, "released rows do not follow each other");
    require(first <= end, "a release goes backwards");
    for (std::uint64_t row = first; row < end; ++row) {
        const auto range = std::prev(m_ranges.upper_bound(row));
        require(row - range->first < range->second.size(), "a row was released that has no memory");
        require(range->second[row - range->first] == valueOf(row), "a released row has another's value");
    }
    m_next = end;
}

void RunHistory::forgotten(std::uint64_t range)
{
    require(m_ranges.erase(range) == 1, "a range was forgotten twice");
}

std::optional<std::uint64_t> RunHistory::firstMissing(std::uint64_t begin, std::uint64_t end) const
{
    for (std::uint64_t row = std::max(begin, m_next); row < end; ++row) {
        const auto range = std::prev(m_ranges.upper_bound(row));
        if (range->second[row - range->first] == 0)
            return row;
    }
    return std::nullopt;
}

} // namespace millrace
