#if defined(__x86_64__)
#include "codes_avx512.h"

static inline __m512i dot64(__m512i s, __m512i u, const uint8_t *p) {
    return _mm512_add_epi32(s, _mm512_madd_epi16(_mm512_maddubs_epi16(u, load64(p)), _mm512_set1_epi16(1)));
}

/* Bits of each byte, from a table of nibbles (Muła, Kurz and Lemire 2018). */
static inline __m512i ones64(__m512i x) {
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)), low = _mm512_set1_epi8(15);
    return _mm512_add_epi8(_mm512_shuffle_epi8(table, _mm512_and_si512(x, low)), _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(x, 4), low)));
}

static inline __m512i differ64(__m512i s, __m512i a, __m512i b) {
    return _mm512_add_epi32(s, _mm512_sad_epu8(ones64(_mm512_xor_si512(a, b)), _mm512_setzero_si512()));
}

/* At most 15 times 8 in a byte. */
static inline __m512i planes64(__m512i s, const __m512i u[4], __m512i x) {
    __m512i b = ones64(_mm512_and_si512(u[3], x));
    b = _mm512_add_epi8(_mm512_add_epi8(b, b), ones64(_mm512_and_si512(u[2], x)));
    b = _mm512_add_epi8(_mm512_add_epi8(b, b), ones64(_mm512_and_si512(u[1], x)));
    b = _mm512_add_epi8(_mm512_add_epi8(b, b), ones64(_mm512_and_si512(u[0], x)));
    return _mm512_add_epi32(s, _mm512_sad_epu8(b, _mm512_setzero_si512()));
}

static inline __m512i i8_dot64(__m512i s, __m512i a, __m512i b) {
    __m512i low = _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm512_castsi512_si256(a)), _mm512_cvtepi8_epi16(_mm512_castsi512_si256(b)));
    __m512i high = _mm512_madd_epi16(_mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(a, 1)), _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(b, 1)));
    return _mm512_add_epi32(s, _mm512_add_epi32(low, high));
}

static inline __m512i i8_l2_64(__m512i s, __m512i a, __m512i b) {
    __m512i low, high;
    apart64(a, b, &low, &high);
    return _mm512_add_epi32(s, _mm512_add_epi32(_mm512_madd_epi16(low, low), _mm512_madd_epi16(high, high)));
}

#define DOT_NAME omen_dot_u7i8_avx512
#define HAMMING_NAME omen_hamming_avx512
#define PLANES_NAME omen_dot_u4b1_avx512
#define I8_DOT_NAME omen_dot_i8_avx512
#define I8_L2_NAME omen_l2_i8_avx512
#include "kernel/codes.h"

/* Sums of bytes in 16-bit lanes: `both` takes odd bytes 256-fold as well, and they are taken off in the end. */
static inline void lut4_store(__m512i both, __m512i odd, uint16_t *out) {
    __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
    __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
    __m256i l = _mm256_add_epi16(_mm512_castsi512_si256(low), _mm512_extracti64x4_epi64(low, 1));
    __m256i h = _mm256_add_epi16(_mm512_castsi512_si256(high), _mm512_extracti64x4_epi64(high, 1));
    _mm_storeu_si128((__m128i *)(void *)out, _mm_add_epi16(_mm256_castsi256_si128(l), _mm256_extracti128_si256(l, 1)));
    _mm_storeu_si128((__m128i *)(void *)(out + 8), _mm_add_epi16(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
}

/* Four sub-quantisers a step. */
void omen_lut4_avx512(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out) {
    const __m512i nibble = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    for (size_t b = 0; b < blocks; b++, out += 32, codes += m * 16) {
        __m512i low = zero, low_odd = zero, high = zero, high_odd = zero;
        for (size_t j = 0; j < m * 16; j += 64) {
            size_t n = m * 16 - j;
            __m512i t = n < 64 ? part64(lut + j, n) : load64(lut + j), c = n < 64 ? part64(codes + j, n) : load64(codes + j);
            __m512i x = _mm512_shuffle_epi8(t, _mm512_and_si512(c, nibble)), y = _mm512_shuffle_epi8(t, _mm512_and_si512(_mm512_srli_epi16(c, 4), nibble));
            low = _mm512_add_epi16(low, x);
            low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(x, 8));
            high = _mm512_add_epi16(high, y);
            high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(y, 8));
        }
        lut4_store(low, low_odd, out);
        lut4_store(high, high_odd, out + 16);
    }
}
#endif
