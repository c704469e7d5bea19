#if defined(__x86_64__)
#include <immintrin.h>

#include "sets.h"

/* The upper half added to the lower, three times. */
static inline float sum8(__m256 v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    x = _mm_add_ss(x, _mm_movehdup_ps(x));
    return _mm_cvtss_f32(x);
}

static inline __m256 partial(const float *p, size_t n) {
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n)));
}

/* Exact: what is subnormal in 16 bits is normal in 32. */
static inline __m256 halves(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

static inline __m256 halves_part(const void *p, size_t n) {
    uint16_t h[8] = {0};
    memcpy(h, p, n * sizeof *h);
    return halves(h);
}

#define SET omen_kernels_avx2
#define NAME "avx2"
#define VEC __m256
#define WIDTH 8
#define ZERO _mm256_setzero_ps()
#define LOAD(p) _mm256_loadu_ps(p)
#define PARTIAL(p, n) partial(p, n)
#define HALVES(p) halves(p)
#define HALVES_PART(p, n) halves_part(p, n)
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define SUM(v) sum8(v)
#define CRC omen_crc32c_native
#define CODES OMEN_CODES_OF(avx2, avx2, avx2)
#include "kernel/lanes.h"
#endif
