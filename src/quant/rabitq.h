/* rabitq.h - vectors as 1 to 8 bits a dimension with estimates that are unbiased and whose error is bounded: RaBitQ (Gao and Long 2024), more bits as in Gao et al.
 * 2025. Names begin with omen_rq.
 *
 * Everything happens in turned space (rotation.h), n = padded coordinates. A row x is taken relative to a centroid c, r = R(x - c), and each of its coordinates
 * becomes a whole number k in [0, 2^bits): v = k - (2^bits - 1) / 2 is the point of that grid with (nearly) the least angle to r. Its highest bits are the
 * signs of r. With f = |r|^2 / <r, v>, f v differs from r only at right angles to r, in a random direction, so that for any query q
 *     <R(q - c), r> ~ f <R(q - c), v>,     off by |q - c| |r| tan(r, v) / sqrt(n - 1) times a number that is about normal.
 *
 * A query is turned once. Then there are two ways, chosen for a codec (`each`):
 *   once: Rq itself is rounded to whole numbers, for all lists, and what is not of the list's own is in the row:
 *     |q - x|^2 = |q - c|^2 + |r|^2 - 2 <q - c, r> ~ base + add - times <Rq, v>,  base = |q - c|^2,  times = 2 f,  add = |r|^2 + times <Rc, v>
 *   each: R(q - c) is rounded anew for every list. It costs the work of some tens of rows a list, and pays where q is much longer than q - c:
 *     base and times as above, add = |r|^2
 * For inner products -<q, x> ~ base + add - times <., v>, base = -<q, c>, times = f, add = times <Rc, v> - <c, r>, or -<c, r> with `each`. Cosine is L2 of
 * vectors that omen_rq_place has normalised: 1 - cos is half of it.
 *
 * The rounded query is y ~ step (u - (2^U - 1) / 2), u < 2^U: bit planes, of which a first pass over the signs takes the highest four. U is 8, or 12 where
 * rows have more than four bits. Products of planes are exact whole numbers; what follows is one fixed order of float operations: the same bits everywhere.
 *
 * A row has two parts, so that the scan reads nothing but the first, and the caller decides where they lie:
 *   head, head_stride bytes: the sign plane (plane bytes, bit i % 8 of byte i / 8 is coordinate i), then f32 add, times, error, u32 number of ones
 *   tail, tail_stride bytes (0 with one bit): planes of the lower bits - 1 bits, lowest first, then f32 add, times, error of all bits, u32 sum of k
 * error is the deviation of the estimate for |q - c| = 1: times |r| tan(r, v) / sqrt(n - 1), times 1 or 2. What the query's rounding adds is known when it is
 * rounded. A query allows for `sure` deviations of both: with 1.9, the paper's epsilon, a normal error leaves 97 % of distances above their lower bound and 94 %
 * between both, with 2.6 99.5 % and 99 %. The rounding of floats, 2^-20 of what was added up, is allowed for besides.
 *
 * Cost on a core with AVX2, 784 dimensions: 5 us to place a vector, 15 us to encode a row (2 us with one bit), 5 us to round a query, 60 ns a row for the first pass,
 * 0.5 us for all bits of 4 and 1.6 us of 8: more bits are for few rows, or for reading from cold storage.
 *
 * Floats cancel: where vectors are far from the origin beside their distances, take the mean away before.
 */
#ifndef OMEN_QUANT_RABITQ_H
#define OMEN_QUANT_RABITQ_H

#include "quant/rotation.h"

typedef struct omen_rq {
    omen_rotation rotation;
    omen_metric metric;
    uint32_t bits;        /* 1 to 8 */
    bool each;
    uint32_t n;           /* coordinates: dimensions as a multiple of 64 */
    uint32_t plane;       /* bytes of a plane: n / 8 */
    uint32_t query_bits;  /* U */
    uint32_t head_stride, tail_stride; /* multiples of 8 */
} omen_rq;

/* bits: 1 to 8. The codec is a function of these arguments alone: nothing is trained. OMEN_ERR_INVALID, _MEMORY. Threads may share one. */
omen_status omen_rq_init(omen_rq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t bits, bool each, uint64_t seed, omen_error *err);
void omen_rq_deinit(omen_rq *c); /* one that is all zero is fine */

/* A row or a query (dimensions floats) in turned space: normalised where the metric is cosine (a zero vector stays zero), padded, turned. y: n floats, 64-byte
 * aligned is fastest. */
void omen_rq_place(const omen_rq *c, const float *x, float *y);
/* The same for centroids, which are never normalised. */
static inline void omen_rq_place_centroid(const omen_rq *c, const float *x, float *y) { omen_rotation_turn(&c->rotation, x, y); }

/* Encodes a placed row relative to a placed centroid. tail may be NULL with one bit. scratch: omen_rq_scratch(c) floats. */
size_t omen_rq_scratch(const omen_rq *c);
void omen_rq_encode(const omen_rq *c, const float *y, const float *centroid, uint8_t *head, uint8_t *tail, float *scratch);
/* The vector that a row's code stands for, in turned space: centroid + f v. out: n floats. */
void omen_rq_decode(const omen_rq *c, const uint8_t *head, const uint8_t *tail, const float *centroid, float *out);
/* Whether the numbers beside the planes fit them and are finite: for files. tail as above. */
bool omen_rq_sound(const omen_rq *c, const uint8_t *head, const uint8_t *tail);

/* A rounded query. */
typedef struct omen_rq_query {
    omen_mem *mem;
    uint8_t *planes;       /* query_bits planes, lowest first */
    size_t bytes;
    float sure;            /* deviations allowed for: 1.9 unless the caller sets another */
    float step;
    uint32_t sum, sum_high; /* of u, and of its highest four bits */
    float blur_high, blur;  /* |y - rounded y| with four bits, and with all */
} omen_rq_query;
/* OMEN_ERR_MEMORY. One thread at a time sets a query; any number may scan with it. */
omen_status omen_rq_query_init(const omen_rq *c, omen_mem *m, omen_rq_query *q);
void omen_rq_query_deinit(omen_rq_query *q);
/* Rounds a placed query. centroid: NULL, or with `each` the placed centroid of the list that is scanned next. scratch: n floats. */
void omen_rq_query_set(const omen_rq *c, omen_rq_query *q, const float *y, const float *centroid, float *scratch);

/* What a list adds to an estimate. */
typedef struct omen_rq_list {
    float base;  /* |q - c|^2, or -<q, c> */
    float apart; /* |q - c| */
} omen_rq_list;
/* Of a placed query and a placed centroid. */
omen_rq_list omen_rq_list_of(const omen_rq *c, const float *y, const float *centroid);

/* Rows scored in one call, at most. */
#define OMEN_RQ_BLOCK 256u
/* First pass: `count` heads one after another. estimates[i]: about |q - x|^2 or -<q, x>; lowest[i]: below it by the likely error (either may be NULL).
 * NaN and infinity come out only of queries whose squares overflow. */
void omen_rq_scan(const omen_rq *c, const omen_rq_query *q, omen_rq_list list, const uint8_t *heads, uint32_t count, float *estimates, float *lowest);
/* All bits of the row and of the query: rows ids[i], or i where ids is NULL, of heads and tails. */
void omen_rq_refine(const omen_rq *c, const omen_rq_query *q, omen_rq_list list, const uint8_t *heads, const uint8_t *tails, const uint32_t *ids, uint32_t count,
                    float *estimates, float *lowest);

/* An estimate as a whole number in the same order; NaN comes last. */
static inline int32_t omen_rq_rank(float d) {
    uint32_t u;
    if (d != d) return INT32_MAX;
    d += 0.0f; /* -0 becomes +0 */
    memcpy(&u, &d, 4);
    return (int32_t)((u & 0x80000000u) != 0 ? u ^ 0x7FFFFFFFu : u);
}

#endif
