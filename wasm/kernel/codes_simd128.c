#include "codes_wasm.h"

/* A query's 7 bits are signed bytes as well. Widened once for four rows; rows are widened by their loads. */
typedef struct wide16 {
    v128_t low, high;
} wide16;

static inline wide16 widen16(const uint8_t *p) { return (wide16){wasm_i16x8_load8x8(p), wasm_i16x8_load8x8(p + 8)}; }

static inline v128_t dot16(v128_t s, wide16 u, const uint8_t *p) {
    s = wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(u.low, wasm_i16x8_load8x8(p)));
    return wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(u.high, wasm_i16x8_load8x8(p + 8)));
}

static inline v128_t i8_dot16(v128_t s, v128_t a, v128_t b) {
    s = wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(a), wasm_i16x8_extend_low_i8x16(b)));
    return wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(a), wasm_i16x8_extend_high_i8x16(b)));
}

/* The larger less the smaller is a byte without sign. */
static inline v128_t i8_l2_16(v128_t s, v128_t a, v128_t b) {
    v128_t d = wasm_i8x16_sub(wasm_i8x16_max(a, b), wasm_i8x16_min(a, b)), low = wasm_u16x8_extend_low_u8x16(d), high = wasm_u16x8_extend_high_u8x16(d);
    return wasm_i32x4_add(s, wasm_i32x4_add(wasm_i32x4_dot_i16x8(low, low), wasm_i32x4_dot_i16x8(high, high)));
}

static inline v128_t add16(v128_t s, v128_t bytes) { return wasm_i32x4_add(s, wasm_u32x4_extadd_pairwise_u16x8(wasm_u16x8_extadd_pairwise_u8x16(bytes))); }
static inline v128_t both16(v128_t a, v128_t b) { return wasm_i8x16_popcnt(wasm_v128_and(a, b)); }
static inline v128_t differ16(v128_t s, v128_t a, v128_t b) { return add16(s, wasm_i8x16_popcnt(wasm_v128_xor(a, b))); }

/* At most 15 times 8 in a byte. */
static inline v128_t planes16(v128_t s, const v128_t u[4], v128_t x) {
    v128_t b = both16(u[3], x);
    b = wasm_i8x16_add(wasm_i8x16_add(b, b), both16(u[2], x));
    b = wasm_i8x16_add(wasm_i8x16_add(b, b), both16(u[1], x));
    return add16(s, wasm_i8x16_add(wasm_i8x16_add(b, b), both16(u[0], x)));
}

/* Once a row: not worth the code that reads what stands before. */
static inline v128_t some16(const uint8_t *p, size_t n) {
    uint8_t b[16] = {0};
    memcpy(b, p, n);
    return wasm_v128_load(b);
}

#define DOT_NAME omen_dot_u7i8_simd128
#define HAMMING_NAME omen_hamming_simd128
#define PLANES_NAME omen_dot_u4b1_simd128
#define I8_DOT_NAME omen_dot_i8_simd128
#define I8_L2_NAME omen_l2_i8_simd128
#define QUERY wide16
#define QUERY_LOAD(p) widen16(p)
#define DOT dot16
#define DIFFER differ16
#define PLANES planes16
#define I8_DOT i8_dot16
#define I8_L2 i8_l2_16
#include "kernel/codes.h"

void omen_lut4_simd128(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out) {
    for (size_t b = 0; b < blocks; b++, out += 32) {
        v128_t s[4] = {wasm_i16x8_const_splat(0), wasm_i16x8_const_splat(0), wasm_i16x8_const_splat(0), wasm_i16x8_const_splat(0)};
        for (size_t j = 0; j < m; j++, codes += 16) {
            v128_t t = wasm_v128_load(lut + j * 16), c = wasm_v128_load(codes);
            v128_t x = wasm_i8x16_swizzle(t, wasm_v128_and(c, wasm_i8x16_const_splat(15))), y = wasm_i8x16_swizzle(t, wasm_u8x16_shr(c, 4));
            s[0] = wasm_i16x8_add(s[0], wasm_u16x8_extend_low_u8x16(x));
            s[1] = wasm_i16x8_add(s[1], wasm_u16x8_extend_high_u8x16(x));
            s[2] = wasm_i16x8_add(s[2], wasm_u16x8_extend_low_u8x16(y));
            s[3] = wasm_i16x8_add(s[3], wasm_u16x8_extend_high_u8x16(y));
        }
#pragma GCC unroll 4
        for (size_t g = 0; g < 4; g++) wasm_v128_store(out + 8 * g, s[g]);
    }
}
