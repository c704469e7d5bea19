#if defined(__aarch64__)
#include <arm_neon.h>

#include "sets.h"

/* A query's 7 bits are signed bytes as well. */
static inline int32x4_t dot16(int32x4_t s, int8x16_t u, const uint8_t *p) {
    int8x16_t c = vreinterpretq_s8_u8(vld1q_u8(p));
    s = vpadalq_s16(s, vmull_s8(vget_low_s8(u), vget_low_s8(c)));
    return vpadalq_s16(s, vmull_high_s8(u, c));
}

static inline int32x4_t differ16(int32x4_t s, int8x16_t u, const uint8_t *p) {
    uint8x16_t bits = vcntq_u8(veorq_u8(vreinterpretq_u8_s8(u), vld1q_u8(p)));
    return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(s), vpaddlq_u8(bits)));
}

static inline void totals(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, int32_t *out) { vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))); }

#define CODES_LINKAGE
#define DOT_NAME omen_dot_u7i8_neon
#define HAMMING_NAME omen_hamming_neon
#define SUMS int32x4_t
#define SUMS_ZERO vdupq_n_s32(0)
#define STEP 16
#define QUERY int8x16_t
#define QUERY_LOAD(p) vreinterpretq_s8_u8(vld1q_u8(p))
#define DOT dot16
#define DIFFER differ16
#define TOTAL vaddvq_s32
#define TOTALS totals
#define FETCH(p) __builtin_prefetch(p)
#include "kernel/codes.h"
#endif
