#if defined(__x86_64__)
#include "codes_avx512.h"

static inline __m512i dot64(__m512i s, __m512i u, const uint8_t *p) {
    __m512i pairs = _mm512_maddubs_epi16(u, _mm512_loadu_si512((const void *)p));
    return _mm512_add_epi32(s, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static inline __m512i differ64(__m512i s, __m512i u, const uint8_t *p) {
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)), low = _mm512_set1_epi8(15);
    __m512i x = _mm512_xor_si512(u, _mm512_loadu_si512((const void *)p));
    __m512i bits = _mm512_add_epi8(_mm512_shuffle_epi8(table, _mm512_and_si512(x, low)), _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(x, 4), low)));
    return _mm512_add_epi32(s, _mm512_sad_epu8(bits, _mm512_setzero_si512()));
}

#define DOT_NAME omen_dot_u7i8_avx512
#define HAMMING_NAME omen_hamming_avx512
#include "kernel/codes.h"
#endif
