#include "models/sample.h"

#include <algorithm>
#include <cmath>

namespace millrace {

namespace {

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
constexpr std::uint64_t mix(std::uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

} // namespace

RowSample::RowSample(std::uint64_t seed) : m_seed(mix(seed + 0x9e3779b97f4a7c15ULL)) {}

bool RowSample::append(std::uint64_t first, std::span<const double> values)
{
    if (values.empty())
        return true;
    if (!m_first) {
        m_first = first;
        m_next = first;
        m_pick = first;
    }
    if (first != m_next)
        return false;
    const std::uint64_t end = first + values.size();
    while (m_pick < end)
        take(m_pick, values[m_pick - first]);
    m_next = end;
    return true;
}

std::size_t RowSample::nonFiniteCount() const
{
    return std::size_t(std::ranges::count_if(
        m_rows, [](const SampledRow &sampled) { return !std::isfinite(sampled.value); }));
}

std::vector<double> RowSample::sortedValues() const
{
    std::vector<double> result;
    result.reserve(m_rows.size());
    for (const SampledRow &sampled : m_rows) {
        if (std::isfinite(sampled.value))
            result.push_back(sampled.value);
    }
    std::ranges::sort(result);
    return result;
}

std::optional<double> RowSample::quantile(double p) const
{
    return quantile(sortedValues(), p);
}

std::optional<double> RowSample::quantile(std::span<const double> sorted, double p)
{
    if (sorted.empty() || !(p >= 0 && p <= 1))
        return std::nullopt;
    const double place = double(sorted.size() - 1) * p;
    const auto below = std::size_t(place);
    const auto above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(sorted[below], sorted[above], place - double(below));
}

unsigned RowSample::chosenHalf(unsigned level, std::uint64_t stratum) const
{
    return unsigned(mix(mix(m_seed + level) ^ stratum) >> 63);
}

/// The row of this stratum that is in the sample.
std::uint64_t RowSample::pick(unsigned level, std::uint64_t stratum) const
{
    for (; level > 0; --level)
        stratum = 2 * stratum + chosenHalf(level, stratum);
    return stratum;
}

void RowSample::take(std::uint64_t row, double value)
{
    if (m_rows.size() == m_rows.capacity()) // never more than capacity + 1, so that bytes() has a bound
        m_rows.reserve(std::clamp<std::size_t>(2 * m_rows.size(), 16, capacity + 1));
    m_rows.push_back({row, value});
    if ((row >> m_level) - (*m_first >> m_level) >= capacity)
        thin();
    const std::uint64_t stratum = row >> m_level;
    m_pick = pick(m_level, stratum);
    if (m_pick <= row)
        m_pick = pick(m_level, stratum + 1);
}

void RowSample::thin()
{
    ++m_level;
    std::erase_if(m_rows, [this](const SampledRow &sampled) {
        const auto half = unsigned(sampled.row >> (m_level - 1)) & 1U;
        return half != chosenHalf(m_level, sampled.row >> m_level);
    });
}

} // namespace millrace
