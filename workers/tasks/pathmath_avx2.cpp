#include "workers/tasks/pathmath_simd.h"

#include <immintrin.h>
#include <sleef.h>

namespace millrace {

namespace {

struct Avx2
{
    using Real = __m256d;
    using Whole = __m256i;
    static constexpr std::uint32_t lanes = 4;

    static Real reals(double value) { return _mm256_set1_pd(value); }
    static Real load(const double *from) { return _mm256_loadu_pd(from); }
    static void store(double *to, Real values) { _mm256_storeu_pd(to, values); }
    static void storeInTurn(double *to, Real even, Real odd)
    {
        const Real low = _mm256_unpacklo_pd(even, odd);
        const Real high = _mm256_unpackhi_pd(even, odd);
        store(to, _mm256_permute2f128_pd(low, high, 0x20));
        store(to + 4, _mm256_permute2f128_pd(low, high, 0x31));
    }

    static Whole all(std::uint32_t value) { return _mm256_set1_epi64x(value); }
    static Whole upwardsFrom(std::uint32_t value)
    {
        return _mm256_set_epi64x(value + 3, value + 2, value + 1, value);
    }
    static Whole timesLow(Whole a, Whole b) { return _mm256_mul_epu32(a, b); }
    static Whole exclusiveOr(Whole a, Whole b) { return _mm256_xor_si256(a, b); }
    static Whole upper(Whole a) { return _mm256_srli_epi64(a, 32); }
    static Whole joined(Whole low, Whole high)
    {
        return _mm256_or_si256(_mm256_slli_epi64(high, 32), _mm256_and_si256(low, all(0xffffffffu)));
    }
    static Whole exponentOfOne(Whole a)
    {
        return _mm256_or_si256(_mm256_srli_epi64(a, 12), _mm256_set1_epi64x(0x3ff0000000000000));
    }
    static Real real(Whole bits) { return _mm256_castsi256_pd(bits); }

    static Real squareRoot(Real a) { return _mm256_sqrt_pd(a); }
    static Real logarithm(Real a) { return Sleef_cinz_logd4_u35avx(a); }
    static Real exponential(Real a) { return Sleef_cinz_expd4_u10avx(a); }
    static Sleef___m256d_2 sineCosinePi(Real a) { return Sleef_cinz_sincospid4_u35avx(a); }
};
static_assert(Avx2::lanes == pathLanesMax);

} // namespace

const PathMath &avx2PathMath()
{
    return pathmath::pathMathOf<Avx2>;
}

} // namespace millrace
