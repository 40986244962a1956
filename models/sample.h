#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace {

/// A row of the sample.
struct SampledRow
{
    std::uint64_t row = 0;
    double value = 0;

    bool operator==(const SampledRow &) const = default;
};

/// A sample of fixed size for quantiles and histogram. The rows are cut into strata of 2^L rows by their
/// index; of each stratum one row is in the sample. With more than `capacity` strata L grows by one, and of
/// each pair one survives, by a hash of (seed, L, stratum). So which rows are in it depends on the seed and
/// on the first and last row only, never on how they were delivered, and the work is per stratum, not per
/// row. A plain value without a thread of its own.
class RowSample
{
public:
    static constexpr std::size_t capacity = 4096;

    explicit RowSample(std::uint64_t seed = 0);

    /// Takes the next rows and reads only the values that it picks. The first call says where the rows begin.
    /// False, and nothing has changed, if the rows do not follow those before.
    bool append(std::uint64_t first, std::span<const double> values);

    /// In the order of their rows.
    const std::vector<SampledRow> &rows() const { return m_rows; }
    /// Rows in the sample, the non-finite ones too.
    std::size_t size() const { return m_rows.size(); }
    /// Non-finite rows in the sample, which no quantile counts.
    std::size_t nonFiniteCount() const;
    /// True as long as every row is in the sample.
    bool isWhole() const { return m_level == 0; }

    /// The finite values, ascending; for several quantiles of one sample.
    std::vector<double> sortedValues() const;
    /// The quantile of the finite values, 0 <= p <= 1, between neighbours by a straight line (type 7 of
    /// Hyndman and Fan). None without finite values or with another p.
    std::optional<double> quantile(double p) const;
    static std::optional<double> quantile(std::span<const double> sorted, double p);

    /// Memory held, in bytes.
    std::size_t bytes() const { return m_rows.capacity() * sizeof(SampledRow); }

private:
    unsigned chosenHalf(unsigned level, std::uint64_t stratum) const;
    std::uint64_t pick(unsigned level, std::uint64_t stratum) const;
    void take(std::uint64_t row, double value);
    void thin();

    std::uint64_t m_seed;
    std::vector<SampledRow> m_rows;
    unsigned m_level = 0; // strata have 2^m_level rows
    std::optional<std::uint64_t> m_first;
    std::uint64_t m_next = 0; // row after the last
    std::uint64_t m_pick = 0; // next row to take
};

} // namespace millrace
