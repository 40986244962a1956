#include "workers/pool/binsummary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace {

namespace {

constexpr std::size_t lanes = 8;
/// One type for every processor: what has no registers of this width takes several. The bits are the same.
typedef double Vector
    __attribute__((vector_size(lanes * sizeof(double)), aligned(sizeof(double)), may_alias));
typedef long long Mask __attribute__((vector_size(lanes * sizeof(double))));

struct Pass
{
    double sum, min, max;
};

#define MILLRACE_INLINE inline __attribute__((always_inline))

MILLRACE_INLINE double total(Vector v)
{
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

MILLRACE_INLINE Pass firstPass(const double *values, std::size_t count)
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Vector sum{};
    Vector min = Vector{} + infinity;
    Vector max = Vector{} - infinity;
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const Vector v = *reinterpret_cast<const Vector *>(values + i);
        sum += v;
        min = v < min ? v : min;
        max = v > max ? v : max;
    }
    Pass result{total(sum), infinity, -infinity};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        result.min = std::min(result.min, min[lane]);
        result.max = std::max(result.max, max[lane]);
    }
    for (; i < count; ++i) {
        result.sum += values[i];
        result.min = std::min(result.min, values[i]);
        result.max = std::max(result.max, values[i]);
    }
    return result;
}

MILLRACE_INLINE double squares(const double *values, std::size_t count, double mean)
{
    Vector sum{};
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        const Vector deviation = *reinterpret_cast<const Vector *>(values + i) - mean;
        sum += deviation * deviation;
    }
    double result = total(sum);
    for (; i < count; ++i)
        result += (values[i] - mean) * (values[i] - mean);
    return result;
}

MILLRACE_INLINE BinSummary both(const double *values, std::size_t count)
{
    const Pass pass = firstPass(values, count);
    BinSummary bin{double(count), 0, pass.min, pass.max, pass.sum, 0};
    if (std::isfinite(pass.sum) && count > 0)
        bin.m2 = squares(values, count, pass.sum / double(count));
    return bin;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) BinSummary bothAvx2(const double *values, std::size_t count)
{
    return both(values, count);
}
#endif

BinSummary bothPlain(const double *values, std::size_t count)
{
    return both(values, count);
}

/// With NaN, infinities or an overflowing sum among the values: one by one.
BinSummary careful(std::span<const double> values)
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    BinSummary bin{double(values.size()), 0, infinity, -infinity, 0, 0};
    for (const double value : values) {
        if (!std::isfinite(value)) {
            bin.nonFinite += 1;
            continue;
        }
        bin.sum += value;
        bin.min = std::min(bin.min, value);
        bin.max = std::max(bin.max, value);
    }
    const double mean = bin.sum / (bin.count - bin.nonFinite);
    for (const double value : values) {
        if (std::isfinite(value))
            bin.m2 += (value - mean) * (value - mean);
    }
    return bin;
}

} // namespace

BinSummary summarise(std::span<const double> values)
{
#if defined(__x86_64__)
    static const bool isWide = __builtin_cpu_supports("avx2");
    const BinSummary bin =
        isWide ? bothAvx2(values.data(), values.size()) : bothPlain(values.data(), values.size());
#else
    const BinSummary bin = bothPlain(values.data(), values.size());
#endif
    // Any NaN or infinity makes the sum one: a finite sum proves that all values are finite.
    return std::isfinite(bin.sum) ? bin : careful(values);
}

void FrameSummary::begin(std::uint64_t firstRow, std::uint64_t rows, std::span<double *const> columns)
{
    m_first = firstRow;
    m_rows = rows;
    m_columns.assign(columns.begin(), columns.end());
    m_column = 0;
    m_row = 0;
    m_bins.clear();
    m_bins.reserve(ReleasedRows::binCount(firstRow, rows) * columns.size());
}

void FrameSummary::advance(std::size_t column, std::uint64_t rows)
{
    while (m_column < m_columns.size()) {
        const std::uint64_t have = m_column < column ? m_rows : rows;
        while (m_row < m_rows) {
            const std::uint64_t binEnd = ((m_first + m_row) / binRows + 1) * binRows - m_first;
            const std::uint64_t end = std::min(binEnd, m_rows);
            if (end > have)
                return;
            m_bins.push_back(summarise({m_columns[m_column] + m_row, std::size_t(end - m_row)}));
            m_row = end;
        }
        if (m_column >= column)
            return;
        ++m_column;
        m_row = 0;
    }
}

} // namespace millrace
