/* lanes.h - the canonical order of kernel.h for any vector width: included by each SIMD set, which says beforehand what a vector is.
 *
 *   SET           name of the omen_kernels this makes      NAME   its name as a string
 *   VEC, WIDTH    vector of WIDTH floats (4, 8 or 16)
 *   ZERO, LOAD(p), ADD(a, b), SUB(a, b), MUL(a, b)          each one IEEE operation on every lane
 *   PARTIAL(p, n) loads n < WIDTH floats and zeros
 *   HALVES(p), HALVES_PART(p, n)                            the same of binary16, widened
 *   SUM(v)        the lanes of one vector by the tree: + WIDTH / 2, ..., + 1
 *   CRC, CODES    omen_kernels.crc32c; initialisers of the kernels of codes
 *   PASS          optional: accumulators that one pass over a row keeps busy, a divisor of 32 / WIDTH; all when not given
 *
 * Accumulator g holds lanes g * WIDTH .. g * WIDTH + WIDTH - 1, so adding accumulators pairwise by halves, and then the lanes of the last one,
 * is the tree + 16, + 8, + 4, + 2, + 1.
 */
#include "kernel/kernel.h"

#define GROUPS (32 / WIDTH)
#ifndef PASS
#define PASS GROUPS
#endif

/* One row. Rows are read one after another, strictly ahead: summing several at once shares the loads of q, but the interleaved streams were half
 * as fast from memory. `square` and `half` are constants where this is inlined, and every loop over groups is unrolled. */
static inline __attribute__((always_inline)) float sum_row(const float *q, const uint8_t *row, size_t dim, const bool square, const bool half) {
    VEC acc[GROUPS];
    const size_t size = half ? 2 : 4;
    size_t i = dim / 32 * 32;
    for (size_t g = 0; g < GROUPS; g++) acc[g] = ZERO;
#pragma GCC unroll 8
    for (size_t from = 0; from < GROUPS; from += PASS) {
        const float *ahead_q = q + from * WIDTH;
        const uint8_t *ahead_row = row + from * WIDTH * size;
        for (size_t n = dim / 32; n != 0; n--, ahead_q += 32, ahead_row += 32 * size) {
#pragma GCC unroll 8
            for (size_t g = 0; g < PASS; g++) {
                const void *p = ahead_row + g * WIDTH * size;
                VEC a = LOAD(ahead_q + g * WIDTH), x = half ? HALVES(p) : LOAD(p);
                if (square) x = a = SUB(a, x);
                acc[from + g] = ADD(acc[from + g], MUL(a, x));
            }
        }
    }
    for (size_t g = 0; i < dim; g++, i += WIDTH) {
        size_t n = dim - i;
        const void *p = row + i * size;
        VEC a, x;
        if (n >= WIDTH) {
            a = LOAD(q + i);
            x = half ? HALVES(p) : LOAD(p);
        } else {
            a = PARTIAL(q + i, n);
            x = half ? HALVES_PART(p, n) : PARTIAL(p, n);
        }
        if (square) x = a = SUB(a, x);
        a = MUL(a, x);
        /* g is no constant here: naming each group keeps the accumulators in registers. */
#pragma GCC unroll 8
        for (size_t k = 0; k < GROUPS; k++)
            if (k == g) acc[k] = ADD(acc[k], a);
    }
#pragma GCC unroll 4
    for (size_t width = GROUPS / 2; width != 0; width /= 2)
#pragma GCC unroll 4
        for (size_t g = 0; g < width; g++) acc[g] = ADD(acc[g], acc[g + width]);
    return SUM(acc[0]);
}

static void dot(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = sum_row(q, (const uint8_t *)rows + r * dim * 4, dim, false, false);
}

static void l2(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = sum_row(q, (const uint8_t *)rows + r * dim * 4, dim, true, false);
}

static void dot_half(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = sum_row(q, (const uint8_t *)rows + r * dim * 2, dim, false, true);
}

static void l2_half(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = sum_row(q, (const uint8_t *)rows + r * dim * 2, dim, true, true);
}

/* x - x is 0 for finite x and NaN otherwise, and NaN stays NaN in a sum. */
static bool all_finite(const float *p, size_t n) {
    VEC sum[4] = {ZERO, ZERO, ZERO, ZERO};
    size_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
#pragma GCC unroll 4
        for (size_t g = 0; g < 4; g++) {
            VEC x = LOAD(p + i + g * WIDTH);
            sum[g] = ADD(sum[g], SUB(x, x));
        }
    }
    for (; i < n; i += WIDTH) {
        VEC x = n - i >= WIDTH ? LOAD(p + i) : PARTIAL(p + i, n - i);
        sum[0] = ADD(sum[0], SUB(x, x));
    }
    return SUM(ADD(ADD(sum[0], sum[1]), ADD(sum[2], sum[3]))) == 0.0f;
}

/* What every set made of this file has, besides its name and its codes. */
#define LANES_KERNELS .dot_f32 = dot, .l2_f32 = l2, .finite_f32 = all_finite, .crc32c = CRC, .dot_f16 = dot_half, .l2_f16 = l2_half
const omen_kernels SET = {.name = NAME, LANES_KERNELS, CODES};
