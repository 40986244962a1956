#pragma once

#include <cstddef>
#include <cstdint>

/// The random walks of monte-carlo, and the exponential, for one kind of processor each. All kinds give the
/// same bits: SLEEF's cinz functions ("consistent results, no FMA"), IEEE +, -, *, sqrt, and integers.
///
/// Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011). Nothing is carried from number to number: normal numbers of path 2p and path 2p + 1 at a step
/// come from the four 32-bit words w0..w3 of the one counter (step, p, row low, row high) under the key (seed
/// low, seed high). With m the upper 52 bits of a 64-bit word,
///
///     u = 1 - m(w1:w0) / 2^52   in (0, 1]        v = 2 m(w3:w2) / 2^52 - 1   in [-1, 1)
///     path 2p: sqrt(-2 ln u) cos(pi v)           path 2p + 1: sqrt(-2 ln u) sin(pi v)
///
/// (Box and Muller: "A note on the generation of random normal deviates", 1958). The largest size of a normal
/// number is sqrt(104 ln 2) = 8.49.
///
/// No std function here: the AVX2 file includes this header, and the linker must not take an inline function
/// of its making for the whole program.
namespace millrace {

/// Paths worked on at once; sums over paths are made block by block, so it is part of what defines a row's
/// bits. Even.
inline constexpr std::size_t pathBlockSize = 1024;

/// Most lanes of any kind; arrays below are filled up to the next multiple of two times this.
inline constexpr std::size_t pathLanesMax = 4;
static_assert(pathBlockSize % (2 * pathLanesMax) == 0);

struct PathBlock
{
    std::uint64_t seed = 0;
    std::uint64_t row = 0;
    std::uint32_t firstPair = 0; ///< half the first path
    std::uint32_t pairs = 0;     ///< 1 to pathBlockSize / 2
    std::uint32_t steps = 0;
};

struct PathMath
{
    /// For each path of the block, in order, the sum of its `steps` normal numbers, added from step 0 on.
    void (*normalSums)(const PathBlock &block, double *sums);
    /// Replaces the first `count` values by their exponentials.
    void (*exponentials)(double *values, std::size_t count);
};

/// For every x86-64 processor.
const PathMath &sse2PathMath();
/// To be called only if the processor and the system have AVX2.
const PathMath &avx2PathMath();
/// The fastest for this processor.
const PathMath &pathMath();

} // namespace millrace
