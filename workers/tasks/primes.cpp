#include "workers/tasks/primes.h"

#include <primesieve.hpp>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <numeric>

namespace millrace {

namespace {

constexpr std::uint64_t limit = 10'000'000'000'000; ///< no number from here on is looked at
constexpr std::uint64_t endInitial = 1'000'000'000; ///< where a run ends that was not told its rows
constexpr std::uint64_t rowsBeyondInitial = 1000;   ///< rows of such a run that begins at endInitial or later
constexpr std::uint64_t segmentSpan = 1ull << 24;   ///< numbers sieved by one piece of work: 2 to 5 ms
constexpr std::uint64_t segmentRowsMax = 1ull << 16; ///< most rows in one piece, for TBB to have several

/// Numbers [begin, end).
struct Span
{
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// Counts are whole numbers, so neither cuts nor threads can change a bit. Rows wider than a segment are cut
/// into segments; narrower rows are sieved together, because every sieve first finds the primes up to the
/// root of where it is (at 10^13 that takes 0.7 ms).
class PrimesKernel : public Kernel
{
public:
    PrimesKernel(std::uint64_t from, std::uint64_t width, std::uint64_t rows) : m_from(from), m_width(width)
    {
        m_shape.series = {{"primes", "", std::nullopt}};
        m_shape.rows = rows;
    }

    RunShape shape() override { return m_shape; }

    std::size_t fill(const Batch &batch, FillContext &context) override
    {
        if (m_width > segmentSpan)
            fillWide(batch, context.stop);
        else
            fillNarrow(batch, context.stop);
        return batch.rows;
    }

private:
    Span rowSpan(std::uint64_t row) const { return {m_from + row * m_width, m_from + (row + 1) * m_width}; }

    void fillWide(const Batch &batch, const std::stop_token &stop) const
    {
        const std::size_t segments = (m_width + segmentSpan - 1) / segmentSpan;
        std::vector<std::uint64_t> counts(batch.rows * segments);
        tbb::parallel_for(std::size_t(0), counts.size(), [&](std::size_t piece) {
            const auto row = rowSpan(batch.begin + piece / segments);
            const auto begin = row.begin + piece % segments * segmentSpan;
            if (!stop.stop_requested())
                counts[piece] = primesieve::count_primes(begin, std::min(begin + segmentSpan, row.end) - 1);
        });
        for (std::size_t i = 0; i < batch.rows; ++i) {
            const auto *first = counts.data() + i * segments;
            batch.columns[0][i] = double(std::accumulate(first, first + segments, std::uint64_t(0)));
        }
    }

    void fillNarrow(const Batch &batch, const std::stop_token &stop) const
    {
        const std::size_t pieceRows = std::clamp<std::uint64_t>(segmentSpan / m_width, 1, segmentRowsMax);
        const std::size_t pieces = (batch.rows + pieceRows - 1) / pieceRows;
        tbb::parallel_for(std::size_t(0), pieces, [&](std::size_t piece) {
            const auto first = piece * pieceRows;
            fillPiece(batch, first, std::min(first + pieceRows, batch.rows), stop);
        });
    }

    /// Rows [first, last) of the batch, in one sieve.
    void fillPiece(const Batch &batch, std::size_t first, std::size_t last, const std::stop_token &stop) const
    {
        const auto begin = rowSpan(batch.begin + first).begin;
        const auto end = rowSpan(batch.begin + last - 1).end;
        primesieve::iterator primes(begin, end);
        auto prime = primes.next_prime();
        for (std::size_t i = first; i < last && !stop.stop_requested(); ++i) {
            const auto rowEnd = rowSpan(batch.begin + i).end;
            std::uint64_t count = 0;
            for (; prime < rowEnd; prime = primes.next_prime())
                ++count;
            batch.columns[0][i] = double(count);
        }
    }

    std::uint64_t m_from;
    std::uint64_t m_width;
    RunShape m_shape;
};

std::uint64_t rowsOfRun(std::uint64_t from, std::uint64_t width, const RunOptions &options)
{
    const auto rowsMax = (limit - from) / width;
    if (rowsMax == 0)
        throw WrongParameters("width", "width must be at most " + std::to_string(limit - from) + " from " +
                                           std::to_string(from) + " on, because primes are counted up to " +
                                           std::to_string(limit) + "; choose a smaller width or from");
    if (options.rows.value_or(0) > rowsMax)
        throw WrongParameters("", std::to_string(*options.rows) + " rows of width " + std::to_string(width) +
                                      " from " + std::to_string(from) + " on pass " + std::to_string(limit) +
                                      ", up to which primes are counted; ask for at most " +
                                      std::to_string(rowsMax) + " rows, or choose a smaller width");
    const auto rows = from < endInitial ? (endInitial - from + width - 1) / width : rowsBeyondInitial;
    return options.rows.value_or(std::min(rows, rowsMax));
}

std::unique_ptr<Kernel> makeKernel(const Parameters &parameters, const RunOptions &options)
{
    // The arena makes the threads. Set once: it is a plain global, and other kernels may be at work.
    static const bool oneThread = (primesieve::set_num_threads(1), true);
    static_cast<void>(oneThread);
    const auto from = std::uint64_t(get<std::int64_t>(parameters, "from"));
    const auto width = std::uint64_t(get<std::int64_t>(parameters, "width"));
    return std::make_unique<PrimesKernel>(from, width, rowsOfRun(from, width, options));
}

} // namespace

TaskEntry primesTask()
{
    TaskDescription task;
    task.name = "primes";
    task.title = "Prime numbers";
    task.help = "Counts the prime numbers in intervals of equal width, up to 10^13.";
    task.parameters = {
        {"from",
         "From",
         ParameterType::Integer,
         "",
         std::int64_t(0),
         0,
         double(limit - 1),
         {},
         "Where the interval of the first row begins."},
        {"width",
         "Width",
         ParameterType::Integer,
         "",
         std::int64_t(1'000'000),
         1,
         double(limit),
         {},
         "How many whole numbers each row looks at."},
    };
    return {task, makeKernel};
}

} // namespace millrace
