#pragma once

#include "workers/protocol/task.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

/// What a task of one's own implements. Plain C++: a kernel needs no Qt header.
namespace millrace {

enum class LogLevel { Info, Warning, Error };

/// The rows that fill() is asked for, all inside one lease. Rows are counted from 0 over the whole run.
struct Batch
{
    std::uint64_t begin = 0;      ///< first row to fill
    std::size_t rows = 0;         ///< most rows to fill, at least 1
    std::uint64_t leaseBegin = 0; ///< the lease that the batch is a part of
    std::uint64_t leaseEnd = 0;
    std::span<double *const> columns; ///< RunShape::columnCount() columns with room for `rows` values each
};

/// What a kernel may ask of the session while it works. Valid during fill() only.
struct FillContext
{
    std::stop_token stop; ///< asks a long fill() to return early; what it returns then is not used
    int stopFd = -1;      ///< readable once stop is requested: for kernels that wait in poll(2)
    std::function<void(LogLevel, std::string_view)> log; ///< one line for the run's events; thread-safe
};

/// Computes the rows of one run in one worker. Made once per worker by TaskEntry::make, then used by one
/// thread, which is inside a TBB arena with the granted number of threads. Batches of a lease come in order
/// of their rows; leases may be anywhere in the run unless the shape is not splittable. An exception ends the
/// worker and is told to the user.
class Kernel
{
public:
    virtual ~Kernel() = default;

    /// The run as these parameters make it. Called once, before the first fill().
    virtual RunShape shape() = 0;

    /// Fills the first n rows of `batch` and returns n: from 1 to batch.rows, or 0 if the source has ended
    /// before batch.begin. A computing kernel fills them all; a source waits for its first row and returns
    /// what there is.
    virtual std::size_t fill(const Batch &batch, FillContext &context) = 0;
};

/// What a kernel is made with, beside its parameters.
struct RunOptions
{
    std::uint64_t seed = 0;
    std::optional<std::uint64_t> rows; ///< rows that the user asked for; none: the task's own number
    unsigned threads = 1;              ///< size of the TBB arena
    unsigned worker = 0;               ///< the worker's slot
    std::stop_token stop;              ///< as in FillContext: asks a long shape() to return early
    int stopFd = -1;                   ///< as in FillContext
};

/// Thrown by a maker or by shape() when the parameters do not go together. Each error becomes a sentence at
/// its field.
class WrongParameters : public std::runtime_error
{
public:
    explicit WrongParameters(std::vector<ParameterError> errors)
        : std::runtime_error("wrong parameters"), m_errors(std::move(errors))
    {
    }
    WrongParameters(std::string parameter, std::string sentence)
        : WrongParameters({{std::move(parameter), std::move(sentence)}})
    {
    }
    const std::vector<ParameterError> &errors() const { return m_errors; }

private:
    std::vector<ParameterError> m_errors;
};

/// One task of a helper: what it declares, and how its kernel is made. `make` gets checked, complete
/// parameters.
struct TaskEntry
{
    TaskDescription description;
    std::unique_ptr<Kernel> (*make)(const Parameters &, const RunOptions &);
};

/// Typed access to a checked parameter: get<double>, get<std::int64_t>, get<std::string> or get<bool>. The
/// name must be declared with that type (std::out_of_range, std::bad_variant_access otherwise: a mistake in
/// the task, told like any exception of a kernel).
template <typename T>
const T &get(const Parameters &parameters, std::string_view name)
{
    const auto found = parameters.find(name);
    if (found == parameters.end())
        throw std::out_of_range("the task declares no parameter " + std::string(name));
    return std::get<T>(found->second);
}

} // namespace millrace
