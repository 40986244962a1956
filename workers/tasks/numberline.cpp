#include "workers/tasks/numberline.h"

#include <charconv>
#include <limits>

namespace millrace {

namespace {

const char *skipBlanks(const char *p, const char *end)
{
    while (p != end && isBlank(*p))
        ++p;
    return p;
}

/// The value of a decimal number that from_chars found out of range: too large or too small is a matter of
/// where its first digit stands.
double beyondRange(const char *p, const char *end)
{
    const bool negative = *p == '-';
    if (negative)
        ++p;
    long long place = 0; // decimal digits from the point to the first one that is not 0
    bool afterPoint = false;
    bool started = false;
    for (; p != end && *p != 'e' && *p != 'E'; ++p) {
        if (*p == '.') {
            afterPoint = true;
            continue;
        }
        started = started || *p != '0';
        if (started && !afterPoint)
            ++place;
        else if (!started && afterPoint)
            --place;
    }
    long long exponent = 0;
    if (p != end) {
        p += p + 1 != end && p[1] == '+' ? 2 : 1;
        if (std::from_chars(p, end, exponent).ec != std::errc())
            exponent = std::numeric_limits<int>::max() * (*p == '-' ? -1LL : 1LL);
    }
    // No subtraction and no sum of the two: the exponent may be anything.
    const double size = exponent > -place ? std::numeric_limits<double>::infinity() : 0.0;
    return negative ? -size : size;
}

} // namespace

const char *readNumber(const char *begin, const char *end, double &value)
{
    if (begin != end && *begin == '+') {
        ++begin;
        if (begin != end && *begin == '-')
            return nullptr;
    }
    const auto [rest, error] = std::from_chars(begin, end, value);
    if (error == std::errc())
        return rest;
    if (error != std::errc::result_out_of_range)
        return nullptr;
    value = beyondRange(begin, rest);
    return rest;
}

std::size_t readNumbers(std::string_view line, std::span<double> room)
{
    const char *const end = line.data() + line.size();
    const char *p = skipBlanks(line.data(), end);
    std::size_t count = 0;
    while (p != end) {
        double value = 0;
        const char *const after = readNumber(p, end, value);
        if (!after)
            return 0;
        if (count < room.size())
            room[count] = value;
        ++count;
        p = skipBlanks(after, end);
        if (p != end && (*p == ',' || *p == ';'))
            p = skipBlanks(p + 1, end);
        else if (p != end && p == after)
            return 0; // something is glued to the number: "5%", "0x10"
    }
    return count;
}

} // namespace millrace
