#include "codes_wasm.h"

#include <wasm_simd128.h>

/* A query's 7 bits are signed bytes as well: 16-bit products of two signed bytes, added in pairs. */
static inline v128_t dot16(v128_t s, v128_t u, const uint8_t *p) {
    v128_t c = wasm_v128_load(p);
    s = wasm_i32x4_add(s, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extmul_low_i8x16(u, c)));
    return wasm_i32x4_add(s, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extmul_high_i8x16(u, c)));
}

static inline v128_t differ16(v128_t s, v128_t u, const uint8_t *p) {
    v128_t bits = wasm_i8x16_popcnt(wasm_v128_xor(u, wasm_v128_load(p)));
    return wasm_i32x4_add(s, wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_extadd_pairwise_i8x16(bits)));
}

#define DOT_NAME omen_dot_u7i8_simd128
#define HAMMING_NAME omen_hamming_simd128
#define DOT dot16
#define DIFFER differ16
#include "kernel/codes.h"
