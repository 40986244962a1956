#include "workers/tasks/eseries.h"

#include <numbers>

#include <sleef.h>

namespace millrace {

namespace {

constexpr std::uint64_t rowsInitial = 100;
constexpr std::uint64_t rowsMax = 1'000'000; ///< to begin at row k costs k logarithms: 20 ms at most

/// Rows between two looks at the stop token: about a tenth of a millisecond.
constexpr std::uint64_t rowsPerLook = 4096;

double log10Of(double value)
{
    return Sleef_cinz_log10d1_u10purec(value);
}

/// All sums up to one row, taken term by term from row 0 in one order, so that the bits of a row do not
/// depend on where a batch begins.
struct PartialSums
{
    std::uint64_t row = 0;
    double term = 1;           ///< 1/row!
    double sum = 1;            ///< 1/0! + ... + 1/row!
    double log10Factorial = 0; ///< log10(1) + ... + log10(row + 1)

    void advance()
    {
        ++row;
        term /= double(row);
        sum += term;
        log10Factorial += log10Of(double(row + 1));
    }
};

/// e - sum of 1/j! up to j = k is 1/(k+1)! * (1 + 1/(k+2) + 1/((k+2)(k+3)) + ...). The difference itself is
/// lost to rounding from k = 17 on; its logarithm by this series is not.
double log10Remainder(const PartialSums &sums)
{
    constexpr double negligible = 0x1p-60;
    double term = 1;
    double series = 1;
    for (auto factor = double(sums.row + 2); term > negligible; factor += 1) {
        term /= factor;
        series += term;
    }
    return log10Of(series) - sums.log10Factorial;
}

/// Keeps the sums where the last batch ended; only a batch that begins before that starts from row 0 again.
class ESeriesKernel : public Kernel
{
public:
    explicit ESeriesKernel(std::uint64_t rows)
    {
        m_shape.series = {{"sum", "", std::numbers::e}, {"log10-remainder", "", std::nullopt}};
        m_shape.rows = rows;
    }

    RunShape shape() override { return m_shape; }

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        if (batch.begin < m_sums.row)
            m_sums = {};
        const auto end = batch.begin + batch.rows;
        while (true) {
            if (m_sums.row >= batch.begin) {
                batch.columns[0][m_sums.row - batch.begin] = m_sums.sum;
                batch.columns[1][m_sums.row - batch.begin] = log10Remainder(m_sums);
            }
            // The last row stays: the next batch advances from it, or asks for it again.
            if (m_sums.row + 1 == end || (m_sums.row % rowsPerLook == 0 && context.stop.stop_requested()))
                return batch.rows;
            m_sums.advance();
        }
    }

private:
    RunShape m_shape;
    PartialSums m_sums;
};

std::unique_ptr<Kernel> makeKernel(const Parameters &, const RunOptions &options)
{
    const auto rows = options.rows.value_or(rowsInitial);
    if (rows > rowsMax)
        throw WrongParameters("", "e-series has at most " + std::to_string(rowsMax) + " rows, not " +
                                      std::to_string(rows) + "; ask for fewer rows");
    return std::make_unique<ESeriesKernel>(rows);
}

} // namespace

TaskEntry eSeriesTask()
{
    TaskDescription task;
    task.name = "e-series";
    task.title = "Series of e";
    task.help = "Sums 1/j! term by term and tells how far each partial sum is from e.";
    return {task, makeKernel};
}

} // namespace millrace
