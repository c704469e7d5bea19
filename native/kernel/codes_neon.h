/* codes_neon.h - what the two ARM sets of codes share. */
#include <arm_neon.h>

#include "sets.h"

/* With bytes before them: those are loaded too and cleared. The bytes come last then, which both sides of a product do alike. */
static inline int8x16_t some16(const uint8_t *p, size_t n, bool more) {
    static const uint64_t keep[4] = {0, 0, UINT64_MAX, UINT64_MAX};
    int8_t b[16] = {0};
    if (more) return vreinterpretq_s8_u8(vandq_u8(vld1q_u8(p + n - 16), vld1q_u8((const uint8_t *)keep + n)));
    memcpy(b, p, n);
    return vld1q_s8(b);
}

static inline int8x16_t load16(const uint8_t *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }

static inline void totals(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, int32_t *out) { vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))); }

/* A query's 7 bits are signed bytes as well. */
#define CODE int8x16_t
#define STEP 16
#define CODE_LOAD(p) load16(p)
#define CODE_PART(p, n) vcombine_s8(vreinterpret_s8_u8(vld1_u8(p)), vdup_n_s8(0)) /* n is 8 */
#define CODE_SOME(p, n, more) some16(p, n, more)
#define SUMS int32x4_t
#define SUMS_ZERO vdupq_n_s32(0)
#define TOTAL vaddvq_s32
#define TOTALS totals
#define FETCH(p) __builtin_prefetch(p)
#define QUERY int8x16_t
#define QUERY_LOAD(p) load16(p)
#define DOT(s, u, p) I8_DOT(s, u, load16(p))
#define I8_DOT i8_dot16
#define I8_L2 i8_l2_16
