/* codes.h - the loops of dot_u7i8 and hamming for any vector width: included by each SIMD set, which says beforehand
 *
 *   DOT_NAME, HAMMING_NAME  names of the functions this makes (either may be absent)
 *   CODES_LINKAGE           static, or nothing
 *   SUMS                    a vector of sums; SUMS_ZERO
 *   STEP                    bytes of a row that one step takes; divides 64 for the dot product and is a multiple of 8
 *   QUERY                   what is kept of STEP bytes of a query; QUERY_LOAD(p)
 *   DOT(sums, query, p)     adds the products of STEP bytes at p
 *   DIFFER(sums, query, p)  adds the differing bits of STEP bytes at p (STEP_BITS of them; the rest of a row is done in words of 8)
 *   TOTAL(sums)             the sum as a number
 *   TOTALS(a, b, c, d, out) four of them at once
 *   FETCH(p)                prefetches the line at p, or touches it where there is no such instruction
 *
 * Four rows are summed at once: they share the loads of the query, and their misses overlap. The rows that come next are fetched meanwhile: all of a short
 * row, the beginning of a long one, which the processor then goes on with by itself.
 */
#include "kernel/kernel.h"

#define FETCH_BYTES 512u
#define AHEAD 8u

#define ROW(i) (rows + (size_t)(ids == NULL ? (i) : ids[i]) * stride)

#define FETCH_ROW(i)                                                             \
    do {                                                                         \
        const uint8_t *row_ = ROW(i);                                            \
        for (size_t b_ = 0; b_ < len && b_ < FETCH_BYTES; b_ += 64) FETCH(row_ + b_); \
    } while (0)

#ifdef DOT_NAME
CODES_LINKAGE void DOT_NAME(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out) {
    size_t i = 0;
    if (ids != NULL)
        for (size_t f = 0; f < count && f < AHEAD; f++) FETCH_ROW(f);
    for (; i + 4 <= count; i += 4) {
        const uint8_t *a = ROW(i), *b = ROW(i + 1), *c = ROW(i + 2), *d = ROW(i + 3);
        SUMS s0 = SUMS_ZERO, s1 = SUMS_ZERO, s2 = SUMS_ZERO, s3 = SUMS_ZERO;
        if (ids != NULL)
            for (size_t f = i + AHEAD; f < i + AHEAD + 4 && f < count; f++) FETCH_ROW(f);
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

#ifdef HAMMING_NAME
CODES_LINKAGE void HAMMING_NAME(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    if (ids != NULL)
        for (size_t f = 0; f < count && f < AHEAD; f++) FETCH_ROW(f);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *a = ROW(i);
        SUMS s = SUMS_ZERO;
        size_t k = 0;
        uint32_t rest = 0;
        if (ids != NULL && i + AHEAD < count) FETCH_ROW(i + AHEAD);
        for (; k + STEP <= len; k += STEP) s = DIFFER(s, QUERY_LOAD(q + k), a + k);
        for (; k < len; k += 8) rest += (uint32_t)__builtin_popcountll(omen_get64(q + k) ^ omen_get64(a + k));
        out[i] = (uint32_t)TOTAL(s) + rest;
    }
}
#endif
