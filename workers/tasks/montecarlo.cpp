#include "workers/tasks/montecarlo.h"

#include "workers/tasks/pathmath.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <sleef.h>

namespace millrace {

namespace {

constexpr std::uint64_t rowsInitial = 1000;

/// Blocks whose sums are kept at a time (one row at least): bounds the memory and the work between two calls
/// of parallel_for.
constexpr std::size_t blocksMax = 1 << 16;

struct Option
{
    bool call = true;
    double spot = 0;
    double strike = 0;
    double rate = 0;
    double volatility = 0;
    double maturity = 0; ///< years
};

double normalDistribution(double x)
{
    return std::erfc(-x / std::numbers::sqrt2) / 2;
}

/// Black, Scholes and Merton's price (Hull: Options, Futures, and Other Derivatives). Only shown, so libm is
/// good enough.
double closedForm(const Option &option)
{
    const double sign = option.call ? 1 : -1;
    const double discounted = option.strike * std::exp(-option.rate * option.maturity);
    const double deviation = option.volatility * std::sqrt(option.maturity);
    if (deviation == 0) // nothing is random
        return std::max(sign * (option.spot - discounted), 0.0);
    const double d1 = std::log(option.spot / discounted) / deviation + deviation / 2;
    return sign * (option.spot * normalDistribution(sign * d1) -
                   discounted * normalDistribution(sign * (d1 - deviation)));
}

/// Paths of geometric Brownian motion in the risk-neutral measure, stepped in the logarithm, where each step
/// is exact: the end of a path is S = spot exp((rate - volatility^2 / 2) maturity + volatility sqrt(dt) sum
/// z). The price is the discounted mean of the payoffs. Blocks of paths are summed each by itself, then block
/// after block: the sum's order, and so its bits, depend on nothing but the parameters.
class MonteCarloKernel : public Kernel
{
public:
    MonteCarloKernel(const Parameters &parameters, const RunOptions &options)
        : m_math(pathMath()), m_seed(options.seed), m_option{get<std::string>(parameters, "option") == "call",
                                                             get<double>(parameters, "spot"),
                                                             get<double>(parameters, "strike"),
                                                             get<double>(parameters, "rate"),
                                                             get<double>(parameters, "volatility"),
                                                             get<double>(parameters, "maturity")},
          m_steps(std::uint32_t(get<std::int64_t>(parameters, "steps"))),
          m_paths(std::size_t(get<std::int64_t>(parameters, "paths"))),
          m_drift((m_option.rate - m_option.volatility * m_option.volatility / 2) * m_option.maturity),
          m_deviation(m_option.volatility * std::sqrt(m_option.maturity / m_steps)),
          m_discount(Sleef_cinz_expd1_u10purec(-m_option.rate * m_option.maturity))
    {
        m_shape.series = {{"price", "", closedForm(m_option)}};
        m_shape.rows = options.rows.value_or(rowsInitial);
    }

    RunShape shape() override { return m_shape; }

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        const auto rowsAtOnce = std::max<std::size_t>(blocksMax / blocks(), 1);
        for (std::size_t done = 0; done < batch.rows && !context.stop.stop_requested();) {
            const auto rows = std::min(batch.rows - done, rowsAtOnce);
            fillRows(batch.begin + done, {batch.columns[0] + done, rows}, context.stop);
            done += rows;
        }
        return batch.rows;
    }

private:
    std::size_t blocks() const { return (m_paths + pathBlockSize - 1) / pathBlockSize; }

    void fillRows(std::uint64_t first, std::span<double> prices, const std::stop_token &stop)
    {
        const auto blocksPerRow = blocks();
        m_blockSums.resize(prices.size() * blocksPerRow);
        const tbb::blocked_range<std::size_t> pieces(0, m_blockSums.size());
        tbb::parallel_for(pieces, [&](const tbb::blocked_range<std::size_t> &range) {
            for (auto piece = range.begin(); piece < range.end() && !stop.stop_requested(); ++piece)
                m_blockSums[piece] = payoffSum(first + piece / blocksPerRow, piece % blocksPerRow);
        });
        for (std::size_t row = 0; row < prices.size(); ++row) {
            double sum = 0;
            for (std::size_t block = 0; block < blocksPerRow; ++block)
                sum += m_blockSums[row * blocksPerRow + block];
            prices[row] = m_discount * (sum / double(m_paths));
        }
    }

    /// Sum of the payoffs of one block of a row's paths.
    double payoffSum(std::uint64_t row, std::size_t block) const
    {
        const auto firstPath = block * pathBlockSize;
        const auto count = std::min(m_paths - firstPath, pathBlockSize);
        alignas(32) double values[pathBlockSize];
        m_math.normalSums(
            {m_seed, row, std::uint32_t(firstPath / 2), std::uint32_t((count + 1) / 2), m_steps}, values);
        for (std::size_t i = 0; i < count; ++i)
            values[i] = m_drift + m_deviation * values[i];
        m_math.exponentials(values, count);
        const double sign = m_option.call ? 1 : -1;
        for (std::size_t i = 0; i < count; ++i) {
            const double gain = sign * (m_option.spot * values[i] - m_option.strike);
            values[i] = gain > 0 ? gain : 0;
        }
        std::fill(values + count, values + pathBlockSize, 0.0);
        return sumOf(values);
    }

    /// Eight sums side by side, so that the compiler may use vectors of any width without changing a bit.
    static double sumOf(const double (&values)[pathBlockSize])
    {
        double sums[8] = {};
        for (std::size_t i = 0; i < pathBlockSize; i += 8)
            for (std::size_t k = 0; k < 8; ++k)
                sums[k] += values[i + k];
        return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }

    const PathMath &m_math;
    std::uint64_t m_seed;
    Option m_option;
    std::uint32_t m_steps;
    std::size_t m_paths;
    double m_drift;     ///< of the logarithm, over the whole time
    double m_deviation; ///< of the logarithm, in one step
    double m_discount;
    std::vector<double> m_blockSums;
    RunShape m_shape;
};

std::unique_ptr<Kernel> makeKernel(const Parameters &parameters, const RunOptions &options)
{
    return std::make_unique<MonteCarloKernel>(parameters, options);
}

} // namespace

TaskEntry monteCarloTask()
{
    const auto number = ParameterType::Number;
    const auto integer = ParameterType::Integer;
    TaskDescription task;
    task.name = "monte-carlo";
    task.title = "Option price";
    task.help = "Estimates the price of a European option from random paths of its share.";
    task.parameters = {
        {"option",
         "Option",
         ParameterType::Choice,
         "",
         std::string("call"),
         0,
         0,
         {"call", "put"},
         "The right to buy the share (call) or to sell it (put)."},
        {"spot", "Spot", number, "", 42.0, 1e-6, 1e9, {}, "Price of the share now."},
        {"strike", "Strike", number, "", 40.0, 1e-6, 1e9, {}, "Price at which the option buys or sells."},
        {"rate", "Rate", number, "1/year", 0.1, -1, 1, {}, "Risk-free interest, continuously compounded."},
        {"volatility",
         "Volatility",
         number,
         "1/√year",
         0.2,
         0,
         5,
         {},
         "Standard deviation of the logarithm of the share's price after one year."},
        {"maturity", "Maturity", number, "years", 0.5, 0, 100, {}, "Time until the option is used."},
        {"steps",
         "Steps",
         integer,
         "",
         std::int64_t(16),
         1,
         10'000,
         {},
         "Steps in time of each path; the price does not depend on it, the work does."},
        {"paths",
         "Paths",
         integer,
         "",
         std::int64_t(10'000),
         1,
         1e8,
         {},
         "Random paths of each row; four times as many halve the row's error."},
    };
    return {task, makeKernel};
}

} // namespace millrace
