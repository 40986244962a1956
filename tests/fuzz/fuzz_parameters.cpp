#include "tests/fuzz/require.h"

#include "workers/protocol/task.h"

#include <bit>
#include <cstdint>
#include <cstring>

/// The first byte chooses the type, then come minimum and maximum as float64; the rest is what was typed.
/// Checked: what is taken is within its range and is read again as it is shown; what is refused is told in a
/// sentence of bounded length that names the parameter.
namespace {

using namespace millrace;
using test::require;

constexpr std::size_t headBytes = 1 + 2 * sizeof(double);

bool isSame(const ParameterValue &one, const ParameterValue &other)
{
    const auto *number = std::get_if<double>(&one);
    if (number && std::holds_alternative<double>(other)) // -0 is not 0
        return std::bit_cast<std::uint64_t>(*number) == std::bit_cast<std::uint64_t>(std::get<double>(other));
    return one == other;
}

void checkSentence(const ParameterError &error)
{
    require(error.parameter == "p" && error.sentence.starts_with("p must be "));
    require(error.sentence.size() < 400 && error.sentence.find('\0') == std::string::npos);
}

/// Whatever is given, every parameter has a value, and what is wrong with it has a sentence.
void checkResolved(const TaskDescription &task, std::string_view text, const ParameterValue &value)
{
    const std::string name(text.substr(0, 8));
    const Parameters given[] = {{}, {{"p", value}}, {{name, value}}, {{"p", std::string(text)}, {name, 0.5}}};
    for (const Parameters &one : given) {
        const auto resolved = resolveParameters(task, one);
        require(resolved.values.size() == 1);
        const bool isKnown = one.empty() || (one.size() == 1 && one.contains("p"));
        const bool isGood = !checkParameter(task.parameters[0], resolved.values.at("p"));
        require(resolved.errors.empty() == (isKnown && isGood));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size < headBytes)
        return 0;
    ParameterDescription description;
    description.name = "p";
    description.type = ParameterType(data[0] % 5);
    std::memcpy(&description.minimum, data + 1, sizeof(double));
    std::memcpy(&description.maximum, data + 1 + sizeof(double), sizeof(double));
    description.choices = {"call", "put", ""};
    const std::string_view text(reinterpret_cast<const char *>(data) + headBytes, size - headBytes);

    const auto result = parseParameter(description, text);
    ParameterValue value = std::string(text);
    if (const auto *error = std::get_if<ParameterError>(&result)) {
        checkSentence(*error);
    } else {
        value = std::get<ParameterValue>(result);
        require(!checkParameter(description, value));
        const auto again = parseParameter(description, parameterText(value));
        require(std::holds_alternative<ParameterValue>(again) &&
                isSame(std::get<ParameterValue>(again), value));
    }
    TaskDescription task;
    task.name = "task";
    task.parameters = {description};
    checkResolved(task, text, value);
    return 0;
}
