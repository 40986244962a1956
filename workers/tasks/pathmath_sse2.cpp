#include "workers/tasks/pathmath_simd.h"

#include <emmintrin.h>
#include <sleef.h>

namespace millrace {

namespace {

struct Sse2
{
    using Real = __m128d;
    using Whole = __m128i;
    static constexpr std::uint32_t lanes = 2;

    static Real reals(double value) { return _mm_set1_pd(value); }
    static Real load(const double *from) { return _mm_loadu_pd(from); }
    static void store(double *to, Real values) { _mm_storeu_pd(to, values); }
    static void storeInTurn(double *to, Real even, Real odd)
    {
        store(to, _mm_unpacklo_pd(even, odd));
        store(to + 2, _mm_unpackhi_pd(even, odd));
    }

    static Whole all(std::uint32_t value) { return _mm_set1_epi64x(value); }
    static Whole upwardsFrom(std::uint32_t value) { return _mm_set_epi64x(value + 1, value); }
    static Whole timesLow(Whole a, Whole b) { return _mm_mul_epu32(a, b); }
    static Whole exclusiveOr(Whole a, Whole b) { return _mm_xor_si128(a, b); }
    static Whole upper(Whole a) { return _mm_srli_epi64(a, 32); }
    static Whole joined(Whole low, Whole high)
    {
        return _mm_or_si128(_mm_slli_epi64(high, 32), _mm_and_si128(low, all(0xffffffffu)));
    }
    static Whole exponentOfOne(Whole a)
    {
        return _mm_or_si128(_mm_srli_epi64(a, 12), _mm_set1_epi64x(0x3ff0000000000000));
    }
    static Real real(Whole bits) { return _mm_castsi128_pd(bits); }

    static Real squareRoot(Real a) { return _mm_sqrt_pd(a); }
    static Real logarithm(Real a) { return Sleef_cinz_logd2_u35sse2(a); }
    static Real exponential(Real a) { return Sleef_cinz_expd2_u10sse2(a); }
    static Sleef___m128d_2 sineCosinePi(Real a) { return Sleef_cinz_sincospid2_u35sse2(a); }
};

} // namespace

const PathMath &sse2PathMath()
{
    return pathmath::pathMathOf<Sse2>;
}

const PathMath &pathMath()
{
    static const PathMath &fastest = __builtin_cpu_supports("avx2") ? avx2PathMath() : sse2PathMath();
    return fastest;
}

} // namespace millrace
