#if defined(__x86_64__)
#include "codes_avx512.h"

static inline __m512i dot64(__m512i s, __m512i u, const uint8_t *p) { return _mm512_dpbusd_epi32(s, u, _mm512_loadu_si512((const void *)p)); }

static inline __m512i differ64(__m512i s, __m512i u, const uint8_t *p) {
    return _mm512_add_epi32(s, _mm512_popcnt_epi32(_mm512_xor_si512(u, _mm512_loadu_si512((const void *)p))));
}

#define DOT_NAME omen_dot_u7i8_avx512vnni
#define HAMMING_NAME omen_hamming_avx512vnni
#include "kernel/codes.h"
#endif
