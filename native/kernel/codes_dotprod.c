#if defined(__aarch64__)
#include "codes_neon.h"

static inline int32x4_t i8_dot16(int32x4_t s, int8x16_t a, int8x16_t b) { return vdotq_s32(s, a, b); }

static inline int32x4_t i8_l2_16(int32x4_t s, int8x16_t a, int8x16_t b) {
    uint8x16_t d = vreinterpretq_u8_s8(vabdq_s8(a, b));
    return vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(s), d, d));
}

#define DOT_NAME omen_dot_u7i8_dotprod
#define I8_DOT_NAME omen_dot_i8_dotprod
#define I8_L2_NAME omen_l2_i8_dotprod
#include "kernel/codes.h"
#endif
