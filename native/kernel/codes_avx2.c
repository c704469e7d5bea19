#if defined(__x86_64__)
#include <immintrin.h>

#include "sets.h"

static inline __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

/* n bytes, a multiple of 8, in words. */
static inline __m256i part32(const uint8_t *p, size_t n) {
    static const int64_t take[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_maskload_epi64((const long long *)(const void *)p, load32((const uint8_t *)(take + 4 - n / 8)));
}

/* With bytes before them: those are loaded too and cleared. The bytes come last then, which both sides of a product do alike. */
static inline __m256i some32(const uint8_t *p, size_t n, bool more) {
    static const uint64_t keep[8] = {0, 0, 0, 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    uint8_t b[32] = {0};
    if (more) return _mm256_and_si256(load32(p + n - 32), load32((const uint8_t *)keep + n));
    memcpy(b, p, n);
    return load32(b);
}

/* Products of 7 and 8 bits: two of them fit 16 bits (at most 32,512 in size), so maddubs never saturates. */
static inline __m256i dot32(__m256i s, __m256i u, const uint8_t *p) {
    return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(u, load32(p)), _mm256_set1_epi16(1)));
}

/* Bits of each byte, from a table of nibbles (Muła, Kurz and Lemire 2018). */
static inline __m256i ones32(__m256i x) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4), low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)), _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
}

static inline __m256i differ32(__m256i s, __m256i a, __m256i b) {
    return _mm256_add_epi32(s, _mm256_sad_epu8(ones32(_mm256_xor_si256(a, b)), _mm256_setzero_si256()));
}

/* At most 15 times 8 in a byte. */
static inline __m256i planes32(__m256i s, const __m256i u[4], __m256i x) {
    __m256i b = ones32(_mm256_and_si256(u[3], x));
    b = _mm256_add_epi8(_mm256_add_epi8(b, b), ones32(_mm256_and_si256(u[2], x)));
    b = _mm256_add_epi8(_mm256_add_epi8(b, b), ones32(_mm256_and_si256(u[1], x)));
    b = _mm256_add_epi8(_mm256_add_epi8(b, b), ones32(_mm256_and_si256(u[0], x)));
    return _mm256_add_epi32(s, _mm256_sad_epu8(b, _mm256_setzero_si256()));
}

static inline __m256i i8_dot32(__m256i s, __m256i a, __m256i b) {
    __m256i low = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_castsi256_si128(a)), _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b)));
    __m256i high = _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm256_extracti128_si256(a, 1)), _mm256_cvtepi8_epi16(_mm256_extracti128_si256(b, 1)));
    return _mm256_add_epi32(s, _mm256_add_epi32(low, high));
}

/* The larger less the smaller is a byte without sign. */
static inline __m256i i8_l2_32(__m256i s, __m256i a, __m256i b) {
    __m256i d = _mm256_sub_epi8(_mm256_max_epi8(a, b), _mm256_min_epi8(a, b)), zero = _mm256_setzero_si256();
    __m256i low = _mm256_unpacklo_epi8(d, zero), high = _mm256_unpackhi_epi8(d, zero);
    return _mm256_add_epi32(s, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
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

#define DOT_NAME omen_dot_u7i8_avx2
#define HAMMING_NAME omen_hamming_avx2
#define PLANES_NAME omen_dot_u4b1_avx2
#define I8_DOT_NAME omen_dot_i8_avx2
#define I8_L2_NAME omen_l2_i8_avx2
#define CODE __m256i
#define STEP 32
#define CODE_LOAD(p) load32(p)
#define CODE_PART(p, n) part32(p, n)
#define CODE_SOME(p, n, more) some32(p, n, more)
#define SUMS __m256i
#define SUMS_ZERO _mm256_setzero_si256()
#define TOTAL total
#define TOTALS totals
#define FETCH(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define QUERY __m256i
#define QUERY_LOAD(p) load32(p)
#define DOT dot32
#define DIFFER differ32
#define PLANES planes32
#define I8_DOT i8_dot32
#define I8_L2 i8_l2_32
#include "kernel/codes.h"

/* Sums of bytes in 16-bit lanes: `both` takes odd bytes 256-fold as well, and they are taken off in the end. */
static inline void lut4_store(__m256i both, __m256i odd, uint16_t *out) {
    __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
    __m128i e = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    __m128i o = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_unpacklo_epi16(e, o));
    _mm_storeu_si128((__m128i *)(void *)(out + 8), _mm_unpackhi_epi16(e, o));
}

/* Two sub-quantisers a step. */
void omen_lut4_avx2(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out) {
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    for (size_t b = 0; b < blocks; b++, out += 32, codes += m * 16) {
        __m256i low = zero, low_odd = zero, high = zero, high_odd = zero;
        for (size_t j = 0; j < m * 16; j += 32) {
            bool last = j + 16 == m * 16;
            __m256i t = last ? part32(lut + j, 16) : load32(lut + j), c = last ? part32(codes + j, 16) : load32(codes + j);
            __m256i x = _mm256_shuffle_epi8(t, _mm256_and_si256(c, nibble)), y = _mm256_shuffle_epi8(t, _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble));
            low = _mm256_add_epi16(low, x);
            low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(x, 8));
            high = _mm256_add_epi16(high, y);
            high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(y, 8));
        }
        lut4_store(low, low_odd, out);
        lut4_store(high, high_odd, out + 16);
    }
}
#endif
