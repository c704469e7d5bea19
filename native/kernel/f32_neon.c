#if defined(__aarch64__)
#include <arm_neon.h>

#include "sets.h"

static inline float sum4(float32x4_t v) {
    float32x2_t x = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(x, 0) + vget_lane_f32(x, 1);
}

static inline float32x4_t partial(const float *p, size_t n) {
    float32x4_t v = vdupq_n_f32(0);
    v = vld1q_lane_f32(p, v, 0);
    if (n > 1) v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2) v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}

static inline float32x4_t halves(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }

static inline float32x4_t halves_part(const void *p, size_t n) {
    uint16_t h[4] = {0};
    memcpy(h, p, n * sizeof *h);
    return halves(h);
}

#define SET omen_kernels_neon
#define NAME "neon"
#define VEC float32x4_t
#define WIDTH 4
#define ZERO vdupq_n_f32(0)
#define LOAD(p) vld1q_f32(p)
#define PARTIAL(p, n) partial(p, n)
#define HALVES(p) halves(p)
#define HALVES_PART(p, n) halves_part(p, n)
#define ADD(a, b) vaddq_f32(a, b)
#define SUB(a, b) vsubq_f32(a, b)
#define MUL(a, b) vmulq_f32(a, b)
#define SUM(v) sum4(v)
#define CRC omen_crc32c_native
#define CODES OMEN_CODES_OF(neon, neon, neon)
#include "kernel/lanes.h"

const omen_kernels omen_kernels_dotprod = {
    .name = "neon-dotprod", LANES_KERNELS, OMEN_CODES_OF(dotprod, neon, neon)};
#endif
