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
#define ADD(a, b) wasm_f32x4_add(a, b)
#define SUB(a, b) wasm_f32x4_sub(a, b)
#define MUL(a, b) wasm_f32x4_mul(a, b)
#define SUM(v) sum4(v)
/* V8 loads everything a loop body needs before it computes: eight accumulators and their sixteen operands spill, half of them fit. */
#define PASS 4
#define CRC omen_crc32c_portable
#define CODES                                                                                                                                         \
    .dot_u7i8 = OMEN_DOT, .hamming = omen_hamming_simd128, .dot_u4b1 = omen_portable_dot_u4b1, .lut4 = omen_portable_lut4,                         \
    .dot_f16 = omen_portable_dot_f16, .l2_f16 = omen_portable_l2_f16, .dot_i8 = omen_portable_dot_i8, .l2_i8 = omen_portable_l2_i8
#ifdef OMEN_WASM_RELAXED
#define OMEN_DOT omen_dot_u7i8_relaxed
#else
#define OMEN_DOT omen_dot_u7i8_simd128
#endif
#include "kernel/lanes.h"
