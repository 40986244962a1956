#include "models/summary.h"

#include <algorithm>
#include <cmath>

namespace millrace {

namespace {

/// inf - inf on the way: the true value is unknown, but it was out of range that it was lost.
double orInfinity(double value)
{
    return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
}

std::optional<double> ifFinite(double value)
{
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

} // namespace

Summary Summary::of(std::span<const double> values)
{
    Summary result;
    result.count = double(values.size());
    double pivot = 0; // sums are taken from the first finite value: at a large offset they keep their digits
    double shifted = 0;
    double finite = 0;
    for (const double value : values) {
        if (!std::isfinite(value))
            continue;
        if (finite++ == 0)
            pivot = value;
        result.min = std::min(result.min, value);
        result.max = std::max(result.max, value);
        shifted += value - pivot;
    }
    result.nonFinite = result.count - finite;
    if (finite == 0)
        return result;
    result.sum = orInfinity(pivot * finite + shifted);
    const double mean = pivot + shifted / finite;
    double squares = 0;
    double rest = 0; // what the rounding of the mean left over
    for (const double value : values) {
        if (!std::isfinite(value))
            continue;
        squares += (value - mean) * (value - mean);
        rest += value - mean;
    }
    result.m2 = std::max(0.0, orInfinity(squares - rest * (rest / finite)));
    return result;
}

std::optional<double> Summary::mean() const
{
    return finite() > 0 ? ifFinite(sum / finite()) : std::nullopt;
}

std::optional<double> Summary::variance() const
{
    return finite() > 1 ? ifFinite(m2 / (finite() - 1)) : std::nullopt;
}

std::optional<double> Summary::deviation() const
{
    const auto squared = variance();
    return squared ? std::optional(std::sqrt(*squared)) : std::nullopt;
}

std::optional<double> Summary::standardError() const
{
    const auto squared = variance();
    return squared ? std::optional(std::sqrt(*squared / finite())) : std::nullopt;
}

void merge(Summary &into, const Summary &other)
{
    const double before = into.finite();
    const double added = other.finite();
    into.count += other.count;
    into.nonFinite += other.nonFinite;
    if (added <= 0)
        return;
    into.min = std::min(into.min, other.min);
    into.max = std::max(into.max, other.max);
    if (before <= 0) {
        into.sum = other.sum;
        into.m2 = other.m2;
        return;
    }
    const double apart = other.sum / added - into.sum / before;
    into.m2 = orInfinity(into.m2 + other.m2 + apart * apart * (before * (added / (before + added))));
    into.sum = orInfinity(into.sum + other.sum);
}

} // namespace millrace
