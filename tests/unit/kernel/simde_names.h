/* simde_names.h - makes the AVX-512 intrinsics that follow those of SIMDe, which emulates each of them on every processor. */
#include <immintrin.h> /* before its names become macros; the kernels' own inclusion then changes nothing */

#pragma GCC diagnostic ignored "-Wpsabi" /* wide vectors are passed within one file only */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define __m128i simde__m128i
#define __m256i simde__m256i
#define __m512i simde__m512i
#define __mmask8 simde__mmask8

/* SIMDe 0.7.4 gives this name to the masked one. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16

/* What it lacks. */
static inline simde__m512i some_bytes(const void *p, size_t n) {
    uint8_t b[64] = {0};
    memcpy(b, p, n);
    return simde_mm512_loadu_si512(b);
}
#undef _mm512_maskz_loadu_epi8
#undef _mm512_maskz_loadu_epi64
#define _mm512_maskz_loadu_epi8(k, p) some_bytes(p, (size_t)__builtin_popcountll(k))
#define _mm512_maskz_loadu_epi64(k, p) some_bytes(p, 8 * (size_t)__builtin_popcount(k))
