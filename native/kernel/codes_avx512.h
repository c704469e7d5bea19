/* codes_avx512.h - what the 64-byte sets of codes share. */
#include <immintrin.h>

#include "sets.h"

static inline void totals64(__m512i a, __m512i b, __m512i c, __m512i d, int32_t *out) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd)); /* in each 128 bits: a, b, c, d */
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
}

#define CODES_LINKAGE
#define SUMS __m512i
#define SUMS_ZERO _mm512_setzero_si512()
#define STEP 64
#define QUERY __m512i
#define QUERY_LOAD(p) _mm512_loadu_si512((const void *)(p))
#define DOT dot64
#define DIFFER differ64
#define TOTAL _mm512_reduce_add_epi32
#define TOTALS totals64
#define FETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
