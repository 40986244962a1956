#pragma once

#include <limits>
#include <optional>
#include <span>

namespace millrace {

/// What is known of many rows of one series without keeping them: a plain value that merges. `count` is all
/// rows; min, max, sum and m2 are over the finite ones. A sum or m2 beyond the range of a double is inf.
struct Summary
{
    double count = 0;     ///< rows, the non-finite ones too; exact up to 2^53
    double nonFinite = 0; ///< NaN and infinities among them
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    double sum = 0;
    double m2 = 0; ///< squared deviations from this summary's own mean

    /// Of these values, in two passes: for single rows and short stretches, not for the stream.
    static Summary of(std::span<const double> values);

    /// Finite rows.
    double finite() const { return count - nonFinite; }
    /// None without a finite row, or when the sum went beyond the range of a double; so with those below.
    std::optional<double> mean() const;
    /// Of the rows as a sample (n - 1); none with fewer than two finite rows. Right as long as the deviation
    /// is well above the distance of neighbouring doubles at the mean.
    std::optional<double> variance() const;
    std::optional<double> deviation() const;
    /// Of the mean, as if the rows were independent.
    std::optional<double> standardError() const;

    bool operator==(const Summary &) const = default;
};

/// Adds the rows of `other` to those of `into`: the pairwise update of Chan, Golub and LeVeque (Updating
/// Formulae and a Pairwise Algorithm for Computing Sample Variances, Stanford STAN-CS-79-773, 1979). Each
/// merge rounds the sum: of very many at a large offset, merge likes with likes, as BinRings does.
void merge(Summary &into, const Summary &other);

} // namespace millrace
