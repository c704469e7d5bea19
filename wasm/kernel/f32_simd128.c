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

/* Binary16 widened by integers. Subnormal ones are made by a subtraction, which is exact and meets no subnormal number on its way: those are slow. */
static inline v128_t widened(v128_t h) {
    const v128_t magic = wasm_i32x4_const_splat(0x38800000);
    v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_const_splat(0x8000)), 16), rest = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_const_splat(0x7FFF)), 13);
    v128_t normal = wasm_i32x4_add(rest, wasm_i32x4_const_splat(0x38000000)), tiny = wasm_f32x4_sub(wasm_v128_or(rest, magic), magic);
    v128_t odd = wasm_v128_and(wasm_i32x4_gt(rest, wasm_i32x4_const_splat(0x0F7FFFFF)), wasm_i32x4_const_splat(0x7F800000));
    v128_t v = wasm_v128_bitselect(tiny, normal, wasm_i32x4_lt(rest, wasm_i32x4_const_splat(0x00800000)));
    return wasm_v128_or(wasm_v128_or(v, odd), sign);
}

static inline v128_t halves_part(const void *p, size_t n) {
    uint16_t h[4] = {0};
    memcpy(h, p, n * sizeof *h);
    return widened(wasm_u32x4_load16x4(h));
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
#define HALVES(p) widened(wasm_u32x4_load16x4(p))
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
