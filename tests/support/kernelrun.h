#pragma once

#include "workers/helper/kernel.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <random>

/// Runs a task's kernel as a worker's session does, without session and process. Every check returns the
/// first thing that is wrong in words, or nothing.
namespace millrace::test {

using Columns = std::vector<std::vector<double>>;

/// A batch or a lease: rows [begin, end).
struct Rows
{
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

class KernelRun
{
public:
    KernelRun(const TaskEntry &task, const Parameters &given, const RunOptions &options)
        : m_arena(int(options.threads)),
          m_kernel(task.make(resolveParameters(task.description, given).values, options)),
          m_shape(m_kernel->shape())
    {
    }

    const RunShape &shape() const { return m_shape; }

    /// The columns of one batch. A value written behind its end makes them one value longer.
    Columns fill(Rows rows, std::stop_token stop = {})
    {
        constexpr double guard = 0x1.23456p-321;
        const std::size_t count = rows.end - rows.begin;
        Columns columns(m_shape.columnCount(), std::vector<double>(count + 1, guard));
        std::vector<double *> pointers;
        for (auto &column : columns)
            pointers.push_back(column.data());
        FillContext context;
        context.stop = std::move(stop);
        const Batch batch{rows.begin, count, rows.begin, rows.end, pointers};
        const auto filled = m_arena.execute([&] { return m_kernel->fill(batch, context); });
        for (auto &column : columns)
            if (column.back() == guard)
                column.resize(filled);
        return columns;
    }

private:
    tbb::task_arena m_arena;
    std::unique_ptr<Kernel> m_kernel;
    RunShape m_shape;
};

inline std::vector<Rows> cut(Rows all, std::uint64_t most, std::mt19937 *random = nullptr)
{
    std::vector<Rows> result;
    for (auto begin = all.begin; begin < all.end;) {
        const auto rows = random ? std::uniform_int_distribution<std::uint64_t>(1, most)(*random) : most;
        const auto end = std::min(begin + rows, all.end);
        result.push_back({begin, end});
        begin = end;
    }
    return result;
}

/// Compares each batch with its rows in `expected`, which begins at row `first`.
inline std::string difference(KernelRun &run, const std::vector<Rows> &batches, const Columns &expected,
                              std::uint64_t first)
{
    const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
    for (const auto &batch : batches) {
        const auto columns = run.fill(batch);
        for (std::size_t c = 0; c < columns.size(); ++c) {
            if (columns[c].size() != batch.end - batch.begin)
                return "wrong number of values from row " + std::to_string(batch.begin);
            for (std::size_t i = 0; i < columns[c].size(); ++i)
                if (bits(columns[c][i]) != bits(expected[c][batch.begin - first + i]))
                    return "row " + std::to_string(batch.begin + i) + " in column " + std::to_string(c);
        }
    }
    return {};
}

/// Whether the rows have the same bits for any batching, any order of leases and 1, 2 and 4 threads.
inline std::string differenceByScheduling(const TaskEntry &task, const Parameters &given, RunOptions options,
                                          Rows all)
{
    const auto expected = KernelRun(task, given, options).fill(all);
    // Four threads on a small machine too.
    const tbb::global_control allowed(tbb::global_control::max_allowed_parallelism, 4);
    std::mt19937 random(20);
    for (const unsigned threads : {1u, 2u, 4u}) {
        options.threads = threads;
        auto backwards = cut(all, 7);
        std::ranges::reverse(backwards);
        auto shuffled = cut(all, std::max<std::uint64_t>((all.end - all.begin) / 5, 1), &random);
        std::ranges::shuffle(shuffled, random);
        const std::pair<const char *, std::vector<Rows>> schedules[] = {{"all at once", {all}},
                                                                        {"one by one", cut(all, 1)},
                                                                        {"random", cut(all, 13, &random)},
                                                                        {"backwards", backwards},
                                                                        {"shuffled", shuffled}};
        KernelRun used(task, given, options);
        for (const auto &[name, batches] : schedules) {
            KernelRun fresh(task, given, options);
            for (auto *run : {&used, &fresh})
                if (const auto found = difference(*run, batches, expected, all.begin); !found.empty())
                    return found + ", " + name + ", threads " + std::to_string(threads);
        }
    }
    return {};
}

/// What is wrong with a declaration: every initial value must be allowed, every text must be there.
inline std::string declarationProblem(const TaskDescription &task)
{
    const auto isName = [](const std::string &name) {
        return !name.empty() && name.size() <= 64 &&
               name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    };
    const auto isSentence = [](const std::string &text) { return text.size() > 10 && text.ends_with('.'); };
    if (!isName(task.name) || task.title.empty() || !isSentence(task.help))
        return "the task's texts";
    for (const auto &parameter : task.parameters) {
        if (!isName(parameter.name) || parameter.title.empty() || !isSentence(parameter.help))
            return "the texts of " + parameter.name;
        if (const auto error = checkParameter(parameter, parameter.initial))
            return error->sentence;
    }
    return {};
}

/// The sentences with which the task refuses; empty if it does not.
inline std::vector<ParameterError> refusal(const TaskEntry &task, const Parameters &given,
                                           const RunOptions &options)
{
    try {
        task.make(resolveParameters(task.description, given).values, options)->shape();
    } catch (const WrongParameters &wrong) {
        return wrong.errors();
    }
    return {};
}

} // namespace millrace::test
