/* codes.h - the loops over codes for any vector width: included by each SIMD set, which says beforehand what a vector is and which of the functions
 * it wants (each is made only when its name is defined, and its name is that of the function):
 *
 *   DOT_NAME, HAMMING_NAME, PLANES_NAME, I8_DOT_NAME, I8_L2_NAME
 *
 *   CODE, STEP              a vector of STEP bytes; STEP divides 64 and is a multiple of 8
 *   CODE_LOAD(p)            STEP bytes at p
 *   CODE_PART(p, n)         n < STEP bytes at p (a multiple of 8), then zeros
 *   CODE_SOME(p, n, more)   the same for any n; `more` says that STEP bytes may be read which end at p + n. Only for signed bytes.
 *   SUMS, SUMS_ZERO         a vector of 32-bit sums
 *   TOTAL(sums)             their sum as a number
 *   TOTALS(a, b, c, d, out) four of them at once
 *   FETCH(p)                prefetches the line at p, or touches it where there is no such instruction
 *
 *   QUERY, QUERY_LOAD(p)    what the dot product keeps of STEP bytes of a query
 *   DOT(sums, query, p)     adds the products of STEP bytes at p
 *   DIFFER(sums, a, b)      adds the number of bits in which two vectors differ
 *   PLANES(sums, u, x)      adds popcount(u[0] & x) + 2 popcount(u[1] & x) + 4 popcount(u[2] & x) + 8 popcount(u[3] & x)
 *   I8_DOT(sums, a, b)      adds the products of signed bytes; all of them too large by I8_DOT(0, a, 0) when I8_BIASED is defined
 *   I8_L2(sums, a, b)       adds the squares of the differences of signed bytes
 *
 * Four rows are summed at once: they share the loads of the query, and their misses overlap. The rows that come next are fetched meanwhile: all of a
 * short row, the beginning of a long one, which the processor then goes on with by itself. Long rows that lie one after another are summed one after
 * another: four streams through one region were a quarter as fast from memory, because the processor no longer saw what comes next.
 */
#include "kernel/kernel.h"

#ifndef FETCH_BYTES
#define FETCH_BYTES 512u
#endif
#ifndef AHEAD
#define AHEAD 8u
#endif
#define STREAM_BYTES 256u /* rows from this size on, without ids, are a stream */
#define INLINE static inline __attribute__((always_inline))

#define ROW(i) (rows + (size_t)(ids == NULL ? (i) : ids[i]) * stride)

INLINE void fetch_rows(const uint8_t *rows, size_t stride, const uint32_t *ids, size_t from, size_t to, size_t count, size_t len) {
    if (ids == NULL) return; /* the processor sees a sequence by itself */
    for (size_t i = from; i < to && i < count; i++) {
        const uint8_t *row = rows + (size_t)ids[i] * stride;
        for (size_t b = 0; b < len && b < FETCH_BYTES; b += 64) FETCH(row + b);
        if (len % 64 != 0) FETCH(row + len - 1);
    }
}

#ifdef DOT_NAME
void DOT_NAME(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out) {
    size_t i = 0;
    fetch_rows(rows, stride, ids, 0, AHEAD, count, len);
    for (; i + 4 <= count && (ids != NULL || len < STREAM_BYTES); i += 4) {
        const uint8_t *a = ROW(i), *b = ROW(i + 1), *c = ROW(i + 2), *d = ROW(i + 3);
        SUMS s0 = SUMS_ZERO, s1 = SUMS_ZERO, s2 = SUMS_ZERO, s3 = SUMS_ZERO;
        fetch_rows(rows, stride, ids, i + AHEAD, i + AHEAD + 4, count, len);
        for (size_t k = 0; k < len; k += STEP) {
            QUERY u = QUERY_LOAD(q + k);
            s0 = DOT(s0, u, a + k);
            s1 = DOT(s1, u, b + k);
            s2 = DOT(s2, u, c + k);
            s3 = DOT(s3, u, d + k);
        }
        TOTALS(s0, s1, s2, s3, out + i);
    }
    for (; i < count; i++) {
        const uint8_t *a = ROW(i);
        SUMS s = SUMS_ZERO;
        for (size_t k = 0; k < len; k += STEP) s = DOT(s, QUERY_LOAD(q + k), a + k);
        out[i] = (int32_t)TOTAL(s);
    }
}
#endif

#if defined(HAMMING_NAME) || defined(PLANES_NAME)
/* STEP bytes, or the last n of a row, of the query (of each of its planes, which are len bytes apart) and of `n_rows` rows. `n_rows` and `planes` are
 * constants where this is inlined. */
INLINE void bits_step(SUMS s[4], const uint8_t *q, size_t len, const uint8_t *const row[4], size_t k, size_t n, const size_t n_rows, const bool planes) {
    CODE u[4];
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++)
        if (p == 0 || planes) u[p] = n == STEP ? CODE_LOAD(q + p * len + k) : CODE_PART(q + p * len + k, n);
#pragma GCC unroll 4
    for (size_t r = 0; r < n_rows; r++) {
        CODE x = n == STEP ? CODE_LOAD(row[r] + k) : CODE_PART(row[r] + k, n);
#ifdef PLANES_NAME
        if (planes) s[r] = PLANES(s[r], u, x);
#endif
#ifdef HAMMING_NAME
        if (!planes) s[r] = DIFFER(s[r], u[0], x);
#endif
    }
}

INLINE void bits_rows(SUMS s[4], const uint8_t *q, size_t len, const uint8_t *const row[4], const size_t n_rows, const bool planes) {
    size_t k = 0;
#pragma GCC unroll 4
    for (size_t r = 0; r < n_rows; r++) s[r] = SUMS_ZERO;
    for (; k + STEP <= len; k += STEP) bits_step(s, q, len, row, k, STEP, n_rows, planes);
    if (k < len) bits_step(s, q, len, row, k, len - k, n_rows, planes);
}

INLINE void bits(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out, const bool planes) {
    size_t i = 0;
    SUMS s[4];
    fetch_rows(rows, stride, ids, 0, AHEAD, count, len);
    for (; i + 4 <= count && (ids != NULL || len < STREAM_BYTES); i += 4) {
        const uint8_t *const row[4] = {ROW(i), ROW(i + 1), ROW(i + 2), ROW(i + 3)};
        fetch_rows(rows, stride, ids, i + AHEAD, i + AHEAD + 4, count, len);
        bits_rows(s, q, len, row, 4, planes);
        TOTALS(s[0], s[1], s[2], s[3], (int32_t *)(void *)(out + i));
    }
    for (; i < count; i++) {
        const uint8_t *const row[4] = {ROW(i)};
        bits_rows(s, q, len, row, 1, planes);
        out[i] = (uint32_t)TOTAL(s[0]);
    }
}
#endif

#ifdef HAMMING_NAME
void HAMMING_NAME(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    bits(q, rows, stride, ids, count, len, out, false);
}
#endif

#ifdef PLANES_NAME
void PLANES_NAME(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    bits(q, rows, stride, ids, count, len, out, true);
}
#endif

#ifdef I8_DOT_NAME
INLINE uint32_t bytes_row(const uint8_t *q, const uint8_t *row, size_t dim, const bool square) {
    SUMS s = SUMS_ZERO;
    size_t i = 0;
    for (; i + STEP <= dim; i += STEP) s = square ? I8_L2(s, CODE_LOAD(q + i), CODE_LOAD(row + i)) : I8_DOT(s, CODE_LOAD(q + i), CODE_LOAD(row + i));
    if (i < dim) {
        CODE a = CODE_SOME(q + i, dim - i, i != 0), b = CODE_SOME(row + i, dim - i, i != 0);
        s = square ? I8_L2(s, a, b) : I8_DOT(s, a, b);
    }
    return (uint32_t)TOTAL(s);
}

void I8_DOT_NAME(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out) {
    uint32_t bias = 0;
#ifdef I8_BIASED
    SUMS s = SUMS_ZERO;
    for (size_t i = 0; i < dim; i += STEP) s = I8_DOT(s, CODE_SOME((const uint8_t *)q + i, dim - i < STEP ? dim - i : STEP, false), SUMS_ZERO);
    bias = (uint32_t)TOTAL(s);
#endif
    for (size_t r = 0; r < count; r++) out[r] = (int32_t)(bytes_row((const uint8_t *)q, (const uint8_t *)rows + r * dim, dim, false) - bias);
}

void I8_L2_NAME(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out) {
    for (size_t r = 0; r < count; r++) out[r] = bytes_row((const uint8_t *)q, (const uint8_t *)rows + r * dim, dim, true);
}
#endif
