#include "workers/protocol/task.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace millrace {

namespace {

std::string quoted(std::string_view text)
{
    constexpr std::size_t shownBytesMax = 60;
    std::string result = "\"";
    for (const char c : text.substr(0, shownBytesMax))
        result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    // Never cut inside a UTF-8 character.
    if (text.size() > shownBytesMax) {
        std::size_t cut = shownBytesMax;
        while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80)
            --cut;
        result.resize(1 + cut);
        result += "...";
    }
    return result + "\"";
}

std::string joined(const std::vector<std::string> &words)
{
    std::string result;
    for (const auto &word : words)
        result += (result.empty() ? "" : ", ") + word;
    return result;
}

std::string numberText(double value)
{
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// Counts are written without an exponent, as people write them.
std::string boundText(const ParameterDescription &description, double bound)
{
    constexpr double int64End = 9223372036854775808.0; // 2^63: beyond it there is no count
    return description.type == ParameterType::Integer && std::abs(bound) < int64End
               ? std::to_string(static_cast<std::int64_t>(bound))
               : numberText(bound);
}

std::string allowed(const ParameterDescription &description)
{
    switch (description.type) {
    case ParameterType::Number:
        return "a number from " + boundText(description, description.minimum) + " to " +
               boundText(description, description.maximum);
    case ParameterType::Integer:
        return "a whole number from " + boundText(description, description.minimum) + " to " +
               boundText(description, description.maximum);
    case ParameterType::Choice:
        return "one of " + joined(description.choices);
    case ParameterType::Switch:
        return "on or off";
    case ParameterType::Text:
        break;
    }
    return "text of at most " + std::to_string(textBytesMax) + " bytes in UTF-8 without NUL";
}

ParameterError wrong(const ParameterDescription &description, std::string_view text)
{
    return {description.name,
            description.name + " must be " + allowed(description) + ", not " + quoted(text)};
}

/// from_chars, and nothing left over; one leading '+' is taken as people write it.
template <typename T>
std::optional<T> wholeNumber(std::string_view text)
{
    if (text.size() > 1 && text[0] == '+' && text[1] != '-')
        text.remove_prefix(1);
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::optional<std::int64_t> wholeInteger(std::string_view text)
{
    if (const auto value = wholeNumber<std::int64_t>(text))
        return value;
    // 1e9 is how people write a billion; it counts if it is a whole number that float64 holds exactly.
    constexpr double exactMax = 9007199254740992.0; // 2^53
    const auto value = wholeNumber<double>(text);
    if (value && std::trunc(*value) == *value && std::abs(*value) <= exactMax)
        return static_cast<std::int64_t>(*value);
    return std::nullopt;
}

std::optional<bool> switchValue(std::string_view text)
{
    if (text == "on" || text == "true" || text == "yes" || text == "1")
        return true;
    if (text == "off" || text == "false" || text == "no" || text == "0")
        return false;
    return std::nullopt;
}

bool isUtf8(std::string_view text)
{
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const int more = lead < 0x80                   ? 0
                         : lead >= 0xc2 && lead < 0xe0 ? 1
                         : lead >= 0xe0 && lead < 0xf0 ? 2
                         : lead >= 0xf0 && lead < 0xf5 ? 3
                                                       : -1;
        if (more < 0 || i + static_cast<std::size_t>(more) >= text.size())
            return false;
        std::uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
        for (int k = 1; k <= more; ++k) {
            const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
            if ((next & 0xc0) != 0x80)
                return false;
            code = code << 6 | (next & 0x3f);
        }
        // Overlong forms, surrogates and what lies beyond Unicode are no characters.
        constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
            return false;
        i += static_cast<std::size_t>(more) + 1;
    }
    return true;
}

} // namespace

std::variant<ParameterValue, ParameterError> parseParameter(const ParameterDescription &description,
                                                            std::string_view text)
{
    std::optional<ParameterValue> value;
    switch (description.type) {
    case ParameterType::Number:
        value = wholeNumber<double>(text);
        break;
    case ParameterType::Integer:
        value = wholeInteger(text);
        break;
    case ParameterType::Switch:
        value = switchValue(text);
        break;
    case ParameterType::Text:
    case ParameterType::Choice:
        value = std::string(text.substr(0, textBytesMax + 1));
        break;
    }
    if (!value)
        return wrong(description, text);
    if (checkParameter(description, *value))
        return wrong(description, text);
    return *value;
}

std::optional<ParameterError> checkParameter(const ParameterDescription &description,
                                             const ParameterValue &value)
{
    const auto inRange = [&description](auto number) {
        return static_cast<double>(number) >= description.minimum &&
               static_cast<double>(number) <= description.maximum;
    };
    bool good = false;
    switch (description.type) {
    case ParameterType::Number: // NaN and the infinities are in no range
        good = std::holds_alternative<double>(value) && std::isfinite(std::get<double>(value)) &&
               inRange(std::get<double>(value));
        break;
    case ParameterType::Integer:
        good = std::holds_alternative<std::int64_t>(value) && inRange(std::get<std::int64_t>(value));
        break;
    case ParameterType::Switch:
        good = std::holds_alternative<bool>(value);
        break;
    case ParameterType::Text:
    case ParameterType::Choice:
        if (const auto *text = std::get_if<std::string>(&value)) {
            good =
                description.type == ParameterType::Choice
                    ? std::find(description.choices.begin(), description.choices.end(), *text) !=
                          description.choices.end()
                    : text->size() <= textBytesMax && text->find('\0') == std::string::npos && isUtf8(*text);
        }
        break;
    }
    if (good)
        return std::nullopt;
    return wrong(description, parameterText(value));
}

std::string parameterText(const ParameterValue &value)
{
    struct
    {
        std::string operator()(bool on) const { return on ? "on" : "off"; }
        std::string operator()(std::int64_t number) const { return std::to_string(number); }
        std::string operator()(double number) const { return numberText(number); }
        std::string operator()(const std::string &text) const { return text; }
    } text;
    return std::visit(text, value);
}

ResolvedParameters resolveParameters(const TaskDescription &task, const Parameters &given)
{
    ResolvedParameters result;
    for (const auto &description : task.parameters) {
        const auto found = given.find(description.name);
        const ParameterValue &value = found == given.end() ? description.initial : found->second;
        if (auto error = checkParameter(description, value))
            result.errors.push_back(std::move(*error));
        result.values.emplace(description.name, value);
    }
    for (const auto &[name, value] : given) {
        if (result.values.contains(name))
            continue;
        std::vector<std::string> known;
        for (const auto &description : task.parameters)
            known.push_back(description.name);
        result.errors.push_back({name, "the task " + task.name + " has no parameter " + quoted(name) +
                                           "; it has " + joined(known)});
    }
    return result;
}

} // namespace millrace
