#if defined(__x86_64__)
#include <immintrin.h>

#include "sets.h"

/* Products of 7 and 8 bits: two of them fit 16 bits (at most 32,258), so maddubs never saturates. */
static inline __m256i dot32(__m256i s, __m256i u, const uint8_t *p) {
    __m256i pairs = _mm256_maddubs_epi16(u, _mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm256_add_epi32(s, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Bits of each nibble from a table (Muła, Kurz and Lemire 2018). */
static inline __m256i differ32(__m256i s, __m256i u, const uint8_t *p) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4), low = _mm256_set1_epi8(15);
    __m256i x = _mm256_xor_si256(u, _mm256_loadu_si256((const __m256i *)(const void *)p));
    __m256i bits = _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)), _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
    return _mm256_add_epi32(s, _mm256_sad_epu8(bits, _mm256_setzero_si256()));
}

static inline int32_t total(__m256i v) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}

static inline void totals(__m256i a, __m256i b, __m256i c, __m256i d, int32_t *out) {
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)));
}

#define CODES_LINKAGE
#define DOT_NAME omen_dot_u7i8_avx2
#define HAMMING_NAME omen_hamming_avx2
#define SUMS __m256i
#define SUMS_ZERO _mm256_setzero_si256()
#define STEP 32
#define QUERY __m256i
#define QUERY_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define DOT dot32
#define DIFFER differ32
#define TOTAL total
#define TOTALS totals
#define FETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#include "kernel/codes.h"
#endif
