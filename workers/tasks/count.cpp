#include "workers/tasks/count.h"

#include <algorithm>

namespace millrace {

namespace {

constexpr std::uint64_t exactMax = std::uint64_t(1) << 53; ///< up to here a float64 holds each whole number

/// Rows filled between two looks at the stop token: about a quarter of a millisecond.
constexpr std::size_t rowsPerLook = std::size_t(1) << 18;

/// The hot loop: i = first + j is exact for i <= 2^53, so these are the bits of start + double(i) * step, and
/// the compiler has a conversion from int32 that it can vectorise (from uint64 it has none before AVX-512).
void fillExact(double *values, std::uint64_t first, std::int32_t rows, double start, double step)
{
    const auto base = double(first);
    for (std::int32_t j = 0; j < rows; ++j)
        values[j] = start + (base + double(j)) * step;
}

void fillRounded(double *values, std::uint64_t first, std::int32_t rows, double start, double step)
{
    for (std::int32_t j = 0; j < rows; ++j)
        values[j] = start + double(first + std::uint64_t(j)) * step;
}

/// Row i is exactly start + double(i) * step in float64, each operation rounded once.
class CountKernel : public Kernel
{
public:
    CountKernel(const Parameters &parameters, const RunOptions &options)
        : m_start(get<double>(parameters, "start")), m_step(get<double>(parameters, "step"))
    {
        m_shape.series = {{"value", "", std::nullopt}};
        m_shape.rows = options.rows;
        m_shape.pacing = get<double>(parameters, "rate");
    }

    RunShape shape() override { return m_shape; }

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        for (std::size_t done = 0; done < batch.rows && !context.stop.stop_requested();) {
            const auto rows = std::min(batch.rows - done, rowsPerLook);
            const auto first = batch.begin + done;
            const bool exact = first + rows <= exactMax;
            (exact ? fillExact : fillRounded)(batch.columns[0] + done, first, std::int32_t(rows), m_start,
                                              m_step);
            done += rows;
        }
        return batch.rows;
    }

private:
    double m_start;
    double m_step;
    RunShape m_shape;
};

TaskDescription description()
{
    TaskDescription task;
    task.name = "count";
    task.title = "Count";
    task.help = "Counts from a start in equal steps, as fast as it goes or at a chosen rate.";
    task.parameters = {
        {"start", "Start", ParameterType::Number, "", 0.0, -1e15, 1e15, {}, "The value of the first row."},
        {"step",
         "Step",
         ParameterType::Number,
         "",
         1.0,
         -1e15,
         1e15,
         {},
         "What each row adds to the one before it."},
        {"rate",
         "Rate",
         ParameterType::Number,
         "rows/s",
         0.0,
         0,
         1e9,
         {},
         "Rows per second of the whole run; 0 is as fast as it goes."},
    };
    return task;
}

} // namespace

TaskEntry countTask()
{
    return {description(), [](const Parameters &parameters, const RunOptions &options) {
                return std::unique_ptr<Kernel>(std::make_unique<CountKernel>(parameters, options));
            }};
}

} // namespace millrace
