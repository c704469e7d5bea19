#include <wasm_simd128.h>

#include "base/hash.h"
#include "codes_wasm.h"
#include "kernel/kernel.h"

static inline float sum4(v128_t v) {
    v = wasm_f32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1);
}

static inline v128_t partial(const float *p, size_t n) {
    if (n == 1) return wasm_v128_load32_zero(p);
    v128_t v = wasm_v128_load64_zero(p);
    return n == 2 ? v : wasm_f32x4_replace_lane(v, 2, p[2]);
}

/* Binary16, sign-extended to 32 bits, widened: its exponent is moved into place and, by an exact product, to its bias. What was infinite or NaN is
 * then 2^16 or more and gets the exponent of those. */
static inline v128_t widened(v128_t h) {
    v128_t v = wasm_f32x4_mul(wasm_v128_and(wasm_i32x4_shl(h, 13), wasm_i32x4_const_splat((int32_t)0x8FFFE000u)), wasm_f32x4_const_splat(0x1p112f));
    v128_t odd = wasm_f32x4_ge(wasm_f32x4_abs(v), wasm_f32x4_const_splat(65536.0f));
    return wasm_v128_or(v, wasm_v128_and(odd, wasm_i32x4_const_splat(0x7F800000)));
}

static inline v128_t halves_part(const void *p, size_t n) {
    uint16_t h[4] = {0};
    memcpy(h, p, n * sizeof *h);
    return widened(wasm_i32x4_load16x4(h));
}

extern const omen_kernels omen_kernels_simd128;

#define SET omen_kernels_simd128
#ifdef OMEN_WASM_RELAXED
#define NAME "relaxed"
#else
#define NAME "simd128"
#endif
#define VEC v128_t
#define WIDTH 4
#define ZERO wasm_f32x4_const_splat(0)
#define LOAD(p) wasm_v128_load(p)
#define PARTIAL(p, n) partial(p, n)
#define HALVES(p) widened(wasm_i32x4_load16x4(p))
#define HALVES_PART(p, n) halves_part(p, n)
#define ADD(a, b) wasm_f32x4_add(a, b)
#define SUB(a, b) wasm_f32x4_sub(a, b)
#define MUL(a, b) wasm_f32x4_mul(a, b)
#define SUM(v) sum4(v)
/* V8 loads everything a loop body needs before it computes: eight accumulators and their sixteen operands spill, half of them fit. */
#define PASS 4
#define CRC omen_crc32c_portable
#define CODES                                                                                                                                         \
    .dot_u7i8 = OMEN_DOT, .hamming = omen_hamming_simd128, .dot_u4b1 = omen_dot_u4b1_simd128, .lut4 = omen_lut4_simd128,                           \
    .dot_i8 = omen_dot_i8_simd128, .l2_i8 = omen_l2_i8_simd128
#ifdef OMEN_WASM_RELAXED
#define OMEN_DOT omen_dot_u7i8_relaxed
#else
#define OMEN_DOT omen_dot_u7i8_simd128
#endif
#include "kernel/lanes.h"
