#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What a task declares and what a run of it is given: plain values that both sides of the channel know.
/// No Qt header here: kernels include it.
namespace millrace {

enum class ParameterType {
    Number,  ///< a finite float64
    Integer, ///< an int64
    Text,    ///< any UTF-8 without NUL, at most textBytesMax
    Choice,  ///< one of ParameterDescription::choices
    Switch,  ///< true or false; in text: on/off, true/false, yes/no, 1/0
};

/// The alternative in use follows from the type: double, int64, string (Text and Choice), bool.
using ParameterValue = std::variant<bool, std::int64_t, double, std::string>;
using Parameters = std::map<std::string, ParameterValue, std::less<>>;

/// Longest text of one parameter; a longer one is refused with a sentence.
inline constexpr std::size_t textBytesMax = 64 * 1024;

struct ParameterDescription
{
    std::string name; ///< as in `--set NAME=VALUE`: [a-z0-9-]
    std::string title;
    ParameterType type = ParameterType::Number;
    std::string unit; ///< empty: none
    ParameterValue initial = 0.0;
    double minimum = 0;               ///< Number, Integer: inclusive; at most 2^53 in size
    double maximum = 0;               ///< Number, Integer: inclusive
    std::vector<std::string> choices; ///< Choice: what is allowed
    std::string help;                 ///< one sentence

    bool operator==(const ParameterDescription &) const = default;
};

/// What a worker of this task may do to the machine; the warden sees to it (workers/warden/sandbox.h).
enum class Access {
    Compute, ///< sandboxed: no network, no files to write, no other process
    System,  ///< all that the user may do: `command` starts programs
};

struct TaskDescription
{
    std::string name; ///< [a-z0-9-], at most 64 characters
    std::string title;
    std::string help; ///< one sentence
    Access access = Access::Compute;
    std::vector<ParameterDescription> parameters;

    bool operator==(const TaskDescription &) const = default;
};

struct SeriesDescription
{
    std::string name;
    std::string unit;                ///< empty: none
    std::optional<double> reference; ///< the known true value that the series' mean tends to

    bool operator==(const SeriesDescription &) const = default;
};

/// What a run is, once its parameters are known: the kernel's answer to Prepare.
struct RunShape
{
    std::vector<SeriesDescription> series; ///< 1 to seriesMax; columns in this order
    std::optional<std::uint64_t> rows;     ///< none: unbounded
    bool repeatable = true;                ///< row i is a pure function of (task, parameters, seed, i)
    bool splittable = true;                ///< false: a source; one worker reads it, in order
    bool timed = false;          ///< a column `time` (seconds since the start) comes before the series
    std::uint64_t leaseRows = 1; ///< a lease has at least so many: more than 1 where beginning one is dear
    double pacing = 0;           ///< rows per second that the run is to make in all; 0: as fast as it goes

    /// Columns of float64 in a batch.
    std::size_t columnCount() const { return series.size() + (timed ? 1 : 0); }
    bool operator==(const RunShape &) const = default;
};

/// Most series of a run; a wider line of a program is refused with a sentence.
inline constexpr std::size_t seriesMax = 1024;

/// One wrong parameter, in words for people. `parameter` may be empty when the combination is wrong.
struct ParameterError
{
    std::string parameter;
    std::string sentence;

    bool operator==(const ParameterError &) const = default;
};

/// Reads `text` as a value of `description`'s type; the only reader of parameters, for form, command line and
/// worker. Numbers are C-locale and finite. Returns the value, or one sentence that names the parameter, the
/// text and what is allowed.
std::variant<ParameterValue, ParameterError> parseParameter(const ParameterDescription &description,
                                                            std::string_view text);

/// Checks type and range of a value that came ready-made. Returns the error, if there is one.
std::optional<ParameterError> checkParameter(const ParameterDescription &description,
                                             const ParameterValue &value);

/// The value in the form that parseParameter() reads; numbers in their shortest round-trip form.
std::string parameterText(const ParameterValue &value);

struct ResolvedParameters
{
    Parameters values;                  ///< every declared parameter, the initial value where none was given
    std::vector<ParameterError> errors; ///< empty: values are complete and within their ranges
};

/// Checks `given` against the declaration and fills in initial values; an unknown name is an error that lists
/// the known.
ResolvedParameters resolveParameters(const TaskDescription &task, const Parameters &given);

} // namespace millrace
