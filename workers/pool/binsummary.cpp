#include "workers/pool/binsummary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace {

namespace {

/// Values are added up in eight lanes on every processor, however many of them one of its registers holds:
/// the same bits.
constexpr std::size_t lanes = 8;

#define MILLRACE_INLINE inline __attribute__((always_inline))

template <std::size_t Width>
struct Register
{
    typedef double Type
        __attribute__((vector_size(Width * sizeof(double)), aligned(sizeof(double)), may_alias));
};

struct Pass
{
    double sum = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
};

template <std::size_t Width>
MILLRACE_INLINE Pass firstPass(const double *values, std::size_t count)
{
    using Vector = typename Register<Width>::Type;
    constexpr std::size_t registers = lanes / Width;
    Pass result;
    Vector sum[registers], min[registers], max[registers];
    for (std::size_t r = 0; r < registers; ++r) {
        sum[r] = Vector{};
        min[r] = Vector{} + result.min;
        max[r] = Vector{} + result.max;
    }
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        for (std::size_t r = 0; r < registers; ++r) {
            const Vector v = *reinterpret_cast<const Vector *>(values + i + r * Width);
            sum[r] += v;
            min[r] = v < min[r] ? v : min[r];
            max[r] = v > max[r] ? v : max[r];
        }
    }
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        result.sum += sum[lane / Width][lane % Width];
        result.min = std::min(result.min, min[lane / Width][lane % Width]);
        result.max = std::max(result.max, max[lane / Width][lane % Width]);
    }
    for (; i < count; ++i) {
        result.sum += values[i];
        result.min = std::min(result.min, values[i]);
        result.max = std::max(result.max, values[i]);
    }
    return result;
}

template <std::size_t Width>
MILLRACE_INLINE double squares(const double *values, std::size_t count, double mean)
{
    using Vector = typename Register<Width>::Type;
    constexpr std::size_t registers = lanes / Width;
    Vector sum[registers] = {};
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        for (std::size_t r = 0; r < registers; ++r) {
            const Vector deviation = *reinterpret_cast<const Vector *>(values + i + r * Width) - mean;
            sum[r] += deviation * deviation;
        }
    }
    double result = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane)
        result += sum[lane / Width][lane % Width];
    for (; i < count; ++i)
        result += (values[i] - mean) * (values[i] - mean);
    return result;
}

template <std::size_t Width>
MILLRACE_INLINE BinSummary both(const double *values, std::size_t count)
{
    const Pass pass = firstPass<Width>(values, count);
    BinSummary bin{double(count), 0, pass.min, pass.max, pass.sum, 0};
    if (std::isfinite(pass.sum) && count > 0)
        bin.m2 = squares<Width>(values, count, pass.sum / double(count));
    return bin;
}

} // namespace

// Beyond this file only for the test that both find the same bits.
#if defined(__x86_64__)
__attribute__((target("avx2"))) BinSummary summariseWide(const double *values, std::size_t count)
{
    return both<4>(values, count);
}
#endif

BinSummary summariseNarrow(const double *values, std::size_t count)
{
    return both<2>(values, count);
}

namespace {

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
        isWide ? summariseWide(values.data(), values.size()) : summariseNarrow(values.data(), values.size());
#else
    const BinSummary bin = summariseNarrow(values.data(), values.size());
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
