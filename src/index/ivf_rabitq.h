/* ivf_rabitq.h - rows as 1 to 8 bits a dimension: RaBitQ (Gao and Long 2024; more bits: Gao et al. 2025) of what is left of a row when its list's centroid is taken away.
 *
 * The residual r = x - c is turned by a random rotation R (signs and Hadamard transforms: Ailon and Chazelle 2006), which spreads it evenly over `padded`
 * dimensions, and each of these becomes a whole number k in [0, 2^bits), standing for v = k - (2^bits - 1) / 2 times a factor of the row's own that maximises the
 * cosine. The highest bits are the signs. Then <q - c, r> ~ f (<Rq, v> - <Rc, v>), f = |r|^2 / <Rr, v>, and
 *     |q - x|^2 = |q - c|^2 + |r|^2 - 2 <q - c, r> ~ |q - c|^2 + add - times <Rq, v>,   add = |r|^2 + times <Rc, v>,   times = 2 f
 * so that a query is turned and quantised (8 bits) once, not once a list. Inner products: -<q, x> ~ -<q, c> + add - times <Rq, v>, times = f,
 * add = times <Rc, v> - <c, r>.
 *
 * A first pass looks at the signs alone, with an estimate that is off by more than `error` |q - c| for few rows; only rows that this does not exclude are
 * looked at in full. Floats are computed in one fixed order, so that ranks are the same on every machine.
 *
 * In memory and in the file, for n rows, one array after the other: signs (n x len bytes), add, times, error (floats), ones (u32: how many signs are 1), and with
 * more than one bit: the lower bits (n x (bits - 1) x len, a plane of each, lowest first), add, times (floats), sum of k (u32).
 */
#ifndef OMEN_INDEX_IVF_RABITQ_H
#define OMEN_INDEX_IVF_RABITQ_H

#include "base/mem.h"
#include "index/ivf_pick.h"
#include "omendb.h"

typedef struct omen_ivf_rabitq {
    omen_mem *mem;
    uint32_t dimensions, padded, power, bits;
    uint32_t len; /* bytes of a plane */
    bool product;
    uint32_t *flips; /* rounds x padded: the sign bit, or 0 */
} omen_ivf_rabitq;

/* bits: 1 to 8. OMEN_ERR_MEMORY. */
omen_status omen_ivf_rabitq_init(omen_ivf_rabitq *c, omen_mem *m, uint32_t dimensions, uint32_t bits, bool product);
void omen_ivf_rabitq_deinit(omen_ivf_rabitq *c);

/* The codes of `rows` rows. */
typedef struct omen_ivf_rabitq_rows {
    uint8_t *signs;
    float *add, *times, *error;
    uint32_t *ones;
    uint8_t *planes;
    float *full_add, *full_times;
    uint32_t *sums;
} omen_ivf_rabitq_rows;
/* Bytes of so many rows, and the arrays within them (64-byte aligned memory). */
uint64_t omen_ivf_rabitq_bytes(const omen_ivf_rabitq *c, uint32_t rows);
omen_ivf_rabitq_rows omen_ivf_rabitq_split(const omen_ivf_rabitq *c, uint8_t *bytes, uint32_t rows);

/* Encodes a vector at place `at`; centroid: of its list. scratch: 3 x padded floats. */
void omen_ivf_rabitq_encode(const omen_ivf_rabitq *c, const float *x, const float *centroid, const omen_ivf_rabitq_rows *rows, size_t at, float *scratch);

typedef struct omen_ivf_rabitq_query {
    uint8_t *high, *low; /* 4 planes of len bytes each */
    float step;
    uint32_t sum_high, sum;
    /* scratch of a scan */
    uint32_t *dots, *part, *ids, *full;
    int32_t *ranks;
    float *estimates, *lowest;
} omen_ivf_rabitq_query;
/* Bytes a query takes. */
size_t omen_ivf_rabitq_query_bytes(const omen_ivf_rabitq *c);
/* Lays the query out in those bytes (64-byte aligned). scratch: padded floats. */
void omen_ivf_rabitq_query_init(const omen_ivf_rabitq *c, uint8_t *bytes, omen_ivf_rabitq_query *q);
void omen_ivf_rabitq_query_set(const omen_ivf_rabitq *c, const float *x, omen_ivf_rabitq_query *q, float *scratch);

/* Offers rows [at, at + count) of one list, count at most OMEN_PICK_BLOCK; order: their numbers. base: |q - c|^2 or -<q, c>; apart: |q - c|. Answers how many were
 * looked at in full. */
uint32_t omen_ivf_rabitq_offer(const omen_ivf_rabitq *c, omen_ivf_rabitq_query *q, const omen_ivf_rabitq_rows *rows, size_t at, uint32_t count, const uint32_t *order, float base,
                           float apart, omen_pick *pick, const omen_pick_filter *filter);

/* Whether what stands beside the codes of a row belongs to them. */
bool omen_ivf_rabitq_sound(const omen_ivf_rabitq *c, const omen_ivf_rabitq_rows *rows, size_t at);

/* Distances as ranks, in the same order, and back. */
static inline int32_t omen_ivf_rank(float d) {
    if (d != d) return INT32_MAX;
    uint32_t u;
    d += 0.0f;
    memcpy(&u, &d, 4);
    return (int32_t)((u & 0x80000000u) != 0 ? u ^ 0x7FFFFFFFu : u);
}
static inline float omen_ivf_rank_float(int32_t rank) {
    uint32_t u = (uint32_t)rank;
    float d;
    if ((u & 0x80000000u) != 0) u ^= 0x7FFFFFFFu;
    if (rank > 0x7F800000) u = 0x7F800000u;
    memcpy(&d, &u, 4);
    return d;
}

#endif
