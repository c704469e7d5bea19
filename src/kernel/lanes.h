/* lanes.h - the canonical order of kernel.h for any vector width: included by each SIMD set, which says beforehand what a vector is.
 *
 *   SET           name of the omen_kernels this makes      NAME   its name as a string
 *   VEC, WIDTH    vector of WIDTH floats (4, 8 or 16)
 *   ROWS          rows summed at once: as many as there are registers for ROWS * 32 / WIDTH accumulators
 *   ZERO, LOAD(p), ADD(a, b), SUB(a, b), MUL(a, b)          each one IEEE operation on every lane
 *   PARTIAL(p, n) loads n < WIDTH floats and zeros
 *   SUM(v)        the lanes of one vector by the tree: + WIDTH / 2, ..., + 1
 *   CRC           omen_kernels.crc32c
 *
 * Accumulator g holds lanes g * WIDTH .. g * WIDTH + WIDTH - 1, so adding accumulators pairwise by halves, and then the lanes of the last one,
 * is the tree + 16, + 8, + 4, + 2, + 1.
 */
#include "kernel/kernel.h"

#define GROUPS (32 / WIDTH)
#define INLINE static inline __attribute__((always_inline))

/* `rows`, `square` are constants where this is inlined; every loop over groups and rows is unrolled. */
INLINE void sum_rows(const float *q, const float *at, size_t dim, const size_t rows, const bool square, float *out) {
    VEC acc[ROWS][GROUPS];
    for (size_t r = 0; r < rows; r++)
        for (size_t g = 0; g < GROUPS; g++) acc[r][g] = ZERO;
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
#pragma GCC unroll 8
        for (size_t g = 0; g < GROUPS; g++) {
            VEC a = LOAD(q + i + g * WIDTH);
#pragma GCC unroll 4
            for (size_t r = 0; r < rows; r++) {
                VEC x = LOAD(at + r * dim + i + g * WIDTH);
                if (square) x = SUB(a, x);
                acc[r][g] = ADD(acc[r][g], square ? MUL(x, x) : MUL(a, x));
            }
        }
    }
    for (size_t g = 0; i < dim; g++, i += WIDTH) {
        size_t n = dim - i;
        VEC a = n >= WIDTH ? LOAD(q + i) : PARTIAL(q + i, n);
        for (size_t r = 0; r < rows; r++) {
            VEC x = n >= WIDTH ? LOAD(at + r * dim + i) : PARTIAL(at + r * dim + i, n);
            if (square) x = SUB(a, x);
            VEC t = square ? MUL(x, x) : MUL(a, x);
            /* The group is no constant here: naming each keeps the accumulators in registers. */
#pragma GCC unroll 8
            for (size_t k = 0; k < GROUPS; k++)
                if (k == g) acc[r][k] = ADD(acc[r][k], t);
        }
    }
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (size_t half = GROUPS / 2; half != 0; half /= 2)
#pragma GCC unroll 4
            for (size_t g = 0; g < half; g++) acc[r][g] = ADD(acc[r][g], acc[r][g + half]);
        out[r] = SUM(acc[r][0]);
    }
}

static void dot(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    size_t r = 0;
    for (; r + ROWS <= count; r += ROWS) sum_rows(q, rows + r * dim, dim, ROWS, false, out + r);
    for (; r < count; r++) sum_rows(q, rows + r * dim, dim, 1, false, out + r);
}

static void l2(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    size_t r = 0;
    for (; r + ROWS <= count; r += ROWS) sum_rows(q, rows + r * dim, dim, ROWS, true, out + r);
    for (; r < count; r++) sum_rows(q, rows + r * dim, dim, 1, true, out + r);
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

const omen_kernels SET = {NAME, dot, l2, all_finite, CRC};
