/* codes_wasm.h - what the module's sets of codes share. */
#ifndef OMEN_WASM_CODES_H
#define OMEN_WASM_CODES_H

#include <wasm_simd128.h>

#include "kernel/kernel.h"

void omen_dot_u7i8_simd128(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);
void omen_dot_u7i8_relaxed(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);
void omen_hamming_simd128(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
void omen_dot_u4b1_simd128(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
void omen_lut4_simd128(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out);
void omen_dot_i8_simd128(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out);
void omen_l2_i8_simd128(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out);

static inline int32_t omen_total4(v128_t v) {
    v = wasm_i32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 2, 3));
    return wasm_i32x4_extract_lane(v, 0) + wasm_i32x4_extract_lane(v, 1);
}

static inline void omen_totals4(v128_t a, v128_t b, v128_t c, v128_t d, int32_t *out) {
    v128_t ab = wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)); /* a, b, a, b */
    v128_t cd = wasm_i32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
    wasm_v128_store(out, wasm_i32x4_add(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3)));
}

/* WebAssembly has no prefetch: a load whose value is not needed does the same. The compiler must not see that. */
static inline void omen_touch(const uint8_t *p) {
    uint8_t v = *(const volatile uint8_t *)p;
    (void)v;
}

#define CODE v128_t
#define STEP 16
#define CODE_LOAD(p) wasm_v128_load(p)
#define CODE_PART(p, n) wasm_v128_load64_zero(p) /* n is 8 */
#define CODE_SOME(p, n, more) some16(p, n)
#define SUMS v128_t
#define SUMS_ZERO wasm_i32x4_const_splat(0)
#define TOTAL omen_total4
#define TOTALS omen_totals4
#define FETCH(p) omen_touch(p)

#endif
