#if defined(__aarch64__)
#include <arm_neon.h>

#include "sets.h"

static inline int32x4_t dot16(int32x4_t s, int8x16_t u, const uint8_t *p) { return vdotq_s32(s, u, vreinterpretq_s8_u8(vld1q_u8(p))); }
static inline void totals(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d, int32_t *out) { vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))); }

#define CODES_LINKAGE
#define DOT_NAME omen_dot_u7i8_dotprod
#define SUMS int32x4_t
#define SUMS_ZERO vdupq_n_s32(0)
#define STEP 16
#define QUERY int8x16_t
#define QUERY_LOAD(p) vreinterpretq_s8_u8(vld1q_u8(p))
#define DOT dot16
#define TOTAL vaddvq_s32
#define TOTALS totals
#define FETCH(p) __builtin_prefetch(p)
#include "kernel/codes.h"
#endif
