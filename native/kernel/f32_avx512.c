#if defined(__x86_64__)
#include <immintrin.h>

#include "sets.h"

static inline float sum16(__m512 v) {
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    x = _mm_add_ss(x, _mm_movehdup_ps(x));
    return _mm_cvtss_f32(x);
}

#define SET omen_kernels_avx512
#define NAME "avx512"
#define VEC __m512
#define WIDTH 16
#define ZERO _mm512_setzero_ps()
#define LOAD(p) _mm512_loadu_ps(p)
#define PARTIAL(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1u), p)
#define HALVES(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define HALVES_PART(p, n) _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((__mmask16)((1u << (n)) - 1u), p))
#define ADD(a, b) _mm512_add_ps(a, b)
#define SUB(a, b) _mm512_sub_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define SUM(v) sum16(v)
#define CRC omen_crc32c_native
#define CODES OMEN_CODES_OF(avx512, avx512, avx512)
#include "kernel/lanes.h"

/* The same with the instructions for codes that later processors have. */
const omen_kernels omen_kernels_avx512vnni = {
    .name = "avx512vnni", LANES_KERNELS, OMEN_CODES_OF(avx512vnni, avx512vnni, avx512)};
#endif
