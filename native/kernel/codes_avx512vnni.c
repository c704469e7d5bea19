#if defined(__x86_64__)
#include "codes_avx512.h"

static inline __m512i dot64(__m512i s, __m512i u, const uint8_t *p) { return _mm512_dpbusd_epi32(s, u, load64(p)); }
static inline __m512i differ64(__m512i s, __m512i a, __m512i b) { return _mm512_add_epi32(s, _mm512_popcnt_epi32(_mm512_xor_si512(a, b))); }

static inline __m512i planes64(__m512i s, const __m512i u[4], __m512i x) {
    __m512i b = _mm512_popcnt_epi32(_mm512_and_si512(u[3], x));
    b = _mm512_add_epi32(_mm512_add_epi32(b, b), _mm512_popcnt_epi32(_mm512_and_si512(u[2], x)));
    b = _mm512_add_epi32(_mm512_add_epi32(b, b), _mm512_popcnt_epi32(_mm512_and_si512(u[1], x)));
    b = _mm512_add_epi32(_mm512_add_epi32(b, b), _mm512_popcnt_epi32(_mm512_and_si512(u[0], x)));
    return _mm512_add_epi32(s, b);
}

/* The instruction wants one side without sign: b + 128, which adds 128 times the sum of a (all modulo 2^32). */
static inline __m512i i8_dot64(__m512i s, __m512i a, __m512i b) { return _mm512_dpbusd_epi32(s, _mm512_xor_si512(b, _mm512_set1_epi8(-128)), a); }

static inline __m512i i8_l2_64(__m512i s, __m512i a, __m512i b) {
    __m512i low, high;
    apart64(a, b, &low, &high);
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(s, low, low), high, high);
}

#define I8_BIASED
#define DOT_NAME omen_dot_u7i8_avx512vnni
#define HAMMING_NAME omen_hamming_avx512vnni
#define PLANES_NAME omen_dot_u4b1_avx512vnni
#define I8_DOT_NAME omen_dot_i8_avx512vnni
#define I8_L2_NAME omen_l2_i8_avx512vnni
#include "kernel/codes.h"
#endif
