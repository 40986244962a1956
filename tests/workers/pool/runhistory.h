#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

namespace millrace {

/// What a run of the simulation found wrong.
struct Wrong : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

inline void require(bool isTrue, const char *claim)
{
    if (!isTrue)
        throw Wrong(claim);
}

/// Looks on from outside: which rows were released with which values, and what memory they were in.
class RunHistory
{
public:
    /// The value of a row, as any kernel computes it.
    static std::uint64_t valueOf(std::uint64_t row) { return row * 0x9e3779b97f4a7c15 | 1; }

    explicit RunHistory(std::uint64_t begin) : m_next(begin) {}

    void reserved(std::uint64_t first, std::uint64_t end);
    /// A frame is complete: rows from `first` of this range, with the values of rows from `computed`.
    void accepted(std::uint64_t range, std::uint64_t first, std::uint64_t computed, std::uint64_t rows);
    void released(std::uint64_t first, std::uint64_t end);
    void forgotten(std::uint64_t range);
    std::uint64_t releasedEnd() const { return m_next; }
    /// The first row in [begin, end) that has not arrived.
    std::optional<std::uint64_t> firstMissing(std::uint64_t begin, std::uint64_t end) const;

private:
    std::map<std::uint64_t, std::vector<std::uint64_t>> m_ranges; ///< values by first row; 0: not arrived
    std::uint64_t m_next;
};

} // namespace millrace
