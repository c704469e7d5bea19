/* codes_avx512.h - what the 64-byte sets of codes share; they say before how they multiply and count, and which functions they make. */
#include <immintrin.h>

#include "sets.h"

static inline __m512i load64(const uint8_t *p) { return _mm512_loadu_si512((const void *)p); }
static inline __m512i part64(const uint8_t *p, size_t n) { return _mm512_maskz_loadu_epi64((__mmask8)((1u << n / 8) - 1u), p); }
static inline __m512i some64(const uint8_t *p, size_t n) { return _mm512_maskz_loadu_epi8(UINT64_MAX >> (64 - n), p); }

/* The larger less the smaller is a byte without sign: widened to 16 bits, in whatever order. */
static inline void apart64(__m512i a, __m512i b, __m512i *low, __m512i *high) {
    __m512i d = _mm512_sub_epi8(_mm512_max_epi8(a, b), _mm512_min_epi8(a, b)), zero = _mm512_setzero_si512();
    *low = _mm512_unpacklo_epi8(d, zero);
    *high = _mm512_unpackhi_epi8(d, zero);
}

static inline void totals64(__m512i a, __m512i b, __m512i c, __m512i d, int32_t *out) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd)); /* in each 128 bits: a, b, c, d */
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
}

static inline int32_t total64(__m512i v) {
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}

#define CODE __m512i
#define STEP 64
#define CODE_LOAD(p) load64(p)
#define CODE_PART(p, n) part64(p, n)
#define CODE_SOME(p, n, more) some64(p, n)
#define SUMS __m512i
#define SUMS_ZERO _mm512_setzero_si512()
#define TOTAL total64
#define TOTALS totals64
#define FETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define QUERY __m512i
#define QUERY_LOAD(p) load64(p)
#define DOT dot64
#define DIFFER differ64
#define PLANES planes64
#define I8_DOT i8_dot64
#define I8_L2 i8_l2_64
