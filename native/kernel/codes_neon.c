#if defined(__aarch64__)
#include "codes_neon.h"

static inline int32x4_t i8_dot16(int32x4_t s, int8x16_t a, int8x16_t b) {
    s = vpadalq_s16(s, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(s, vmull_high_s8(a, b));
}

/* The distance of two signed bytes is a byte without sign. */
static inline int32x4_t i8_l2_16(int32x4_t s, int8x16_t a, int8x16_t b) {
    uint8x16_t d = vreinterpretq_u8_s8(vabdq_s8(a, b));
    uint32x4_t sum = vpadalq_u16(vreinterpretq_u32_s32(s), vmull_u8(vget_low_u8(d), vget_low_u8(d)));
    return vreinterpretq_s32_u32(vpadalq_u16(sum, vmull_high_u8(d, d)));
}

static inline int32x4_t add16(int32x4_t s, uint8x16_t bytes) { return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(s), vpaddlq_u8(bytes))); }
static inline uint8x16_t both16(int8x16_t a, int8x16_t b) { return vreinterpretq_u8_s8(vcntq_s8(vandq_s8(a, b))); }
static inline int32x4_t differ16(int32x4_t s, int8x16_t a, int8x16_t b) { return add16(s, vreinterpretq_u8_s8(vcntq_s8(veorq_s8(a, b)))); }

/* At most 15 times 8 in a byte. */
static inline int32x4_t planes16(int32x4_t s, const int8x16_t u[4], int8x16_t x) {
    uint8x16_t b = both16(u[3], x);
    b = vaddq_u8(vaddq_u8(b, b), both16(u[2], x));
    b = vaddq_u8(vaddq_u8(b, b), both16(u[1], x));
    return add16(s, vaddq_u8(vaddq_u8(b, b), both16(u[0], x)));
}

#define DOT_NAME omen_dot_u7i8_neon
#define HAMMING_NAME omen_hamming_neon
#define PLANES_NAME omen_dot_u4b1_neon
#define I8_DOT_NAME omen_dot_i8_neon
#define I8_L2_NAME omen_l2_i8_neon
#define DIFFER differ16
#define PLANES planes16
#include "kernel/codes.h"

void omen_lut4_neon(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out) {
    for (size_t b = 0; b < blocks; b++, out += 32) {
        uint16x8_t s0 = vdupq_n_u16(0), s1 = s0, s2 = s0, s3 = s0;
        for (size_t j = 0; j < m; j++, codes += 16) {
            uint8x16_t t = vld1q_u8(lut + j * 16), c = vld1q_u8(codes);
            uint8x16_t x = vqtbl1q_u8(t, vandq_u8(c, vdupq_n_u8(15))), y = vqtbl1q_u8(t, vshrq_n_u8(c, 4));
            s0 = vaddw_u8(s0, vget_low_u8(x));
            s1 = vaddw_high_u8(s1, x);
            s2 = vaddw_u8(s2, vget_low_u8(y));
            s3 = vaddw_high_u8(s3, y);
        }
        vst1q_u16(out, s0);
        vst1q_u16(out + 8, s1);
        vst1q_u16(out + 16, s2);
        vst1q_u16(out + 24, s3);
    }
}
#endif
