#include "codes_wasm.h"

/* Defined as long as the second operand has 7 bits, and it has: then no pair saturates, whatever instruction this becomes. */
static inline v128_t dot16(v128_t s, v128_t u, const uint8_t *p) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_v128_load(p), u, s); }

#define DOT_NAME omen_dot_u7i8_relaxed
#define QUERY v128_t
#define QUERY_LOAD(p) wasm_v128_load(p)
#define DOT dot16
#include "kernel/codes.h"
