#pragma once

#include "workers/tasks/pathmath.h"

/// The one text of PathMath, for vectors of any width. Everything is a template on Simd, so that what is
/// compiled for one kind of processor has its own symbols and is never linked in place of another's.
namespace millrace::pathmath {

/// One word of `lanes` counters per vector, each in the lower half of a 64-bit lane; the upper halves may
/// hold anything, as the multiplication reads only the lower.
template <typename Simd>
struct Counters
{
    typename Simd::Whole word[4];
};

/// Philox4x32-10 on each lane.
template <typename Simd>
inline Counters<Simd> philox(Counters<Simd> c, std::uint32_t key0, std::uint32_t key1)
{
    constexpr int rounds = 10;
    const auto multiplier0 = Simd::all(0xd2511f53u);
    const auto multiplier1 = Simd::all(0xcd9e8d57u);
    for (int round = 0; round < rounds; ++round) {
        const auto product0 = Simd::timesLow(multiplier0, c.word[0]);
        const auto product1 = Simd::timesLow(multiplier1, c.word[2]);
        c.word[0] = Simd::exclusiveOr(Simd::exclusiveOr(Simd::upper(product1), c.word[1]), Simd::all(key0));
        c.word[1] = product1;
        c.word[2] = Simd::exclusiveOr(Simd::exclusiveOr(Simd::upper(product0), c.word[3]), Simd::all(key1));
        c.word[3] = product0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return c;
}

/// 1 + m / 2^52, in [1, 2): the 52 bits become the fraction of a float64.
template <typename Simd>
inline typename Simd::Real oneToTwo(typename Simd::Whole low, typename Simd::Whole high)
{
    return Simd::real(Simd::exponentOfOne(Simd::joined(low, high)));
}

/// Sums of the normal numbers of Simd::lanes pairs of paths, in order of the paths.
template <typename Simd>
inline void pairSums(const PathBlock &block, std::uint32_t firstPair, double *sums)
{
    auto evenPaths = Simd::reals(0);
    auto oddPaths = Simd::reals(0);
    for (std::uint32_t step = 0; step < block.steps; ++step) {
        const Counters<Simd> counters{{Simd::all(step), Simd::upwardsFrom(firstPair),
                                       Simd::all(std::uint32_t(block.row)),
                                       Simd::all(std::uint32_t(block.row >> 32))}};
        const auto words = philox<Simd>(counters, std::uint32_t(block.seed), std::uint32_t(block.seed >> 32));
        const auto u = Simd::reals(2) - oneToTwo<Simd>(words.word[0], words.word[1]);
        const auto v = Simd::reals(2) * oneToTwo<Simd>(words.word[2], words.word[3]) - Simd::reals(3);
        const auto radius = Simd::squareRoot(Simd::reals(-2) * Simd::logarithm(u));
        const auto direction = Simd::sineCosinePi(v);
        evenPaths += radius * direction.y;
        oddPaths += radius * direction.x;
    }
    Simd::storeInTurn(sums, evenPaths, oddPaths);
}

template <typename Simd>
void normalSums(const PathBlock &block, double *sums)
{
    for (std::uint32_t pair = 0; pair < block.pairs; pair += Simd::lanes)
        pairSums<Simd>(block, block.firstPair + pair, sums + 2 * std::size_t(pair));
}

template <typename Simd>
void exponentials(double *values, std::size_t count)
{
    for (std::size_t i = 0; i < count; i += Simd::lanes)
        Simd::store(values + i, Simd::exponential(Simd::load(values + i)));
}

template <typename Simd>
inline constexpr PathMath pathMathOf{normalSums<Simd>, exponentials<Simd>};

} // namespace millrace::pathmath
