/* quant/ - quantisers: vectors as short codes whose distances are whole numbers, the same on every machine. Each trains on a sample, encodes rows, turns
 * a query into its form, and says how far its distances may be off.
 *
 * sq8.h - scalar 8-bit codes of the leading directions.
 *
 * A vector x becomes y = P (x - mean), where P holds `lead` directions that carry nearly all of the sample's variance (directions.h), or P is the
 * identity and lead = dimensions, when fewer directions would lose too much. Each y is stored as c = round(y / s) in [-peak, peak], one scale s for
 * all of them: the 99.99th percentile of |y| / peak. What lies outside the leading directions, |x - mean|^2 - |y|^2, is kept as one number. Queries are
 * coarser, 7 bits: q ~ 2 s (u - 64), u in [0, 127]. Then
 *     |q - x|^2 / s^2 ~ |q|^2 + rank,   rank = bias - 4 sum(c u),   bias = sum(c^2) + 256 sum(c) + rest / s^2
 * is exact integer arithmetic. For cosine, vectors are normalised first. For inner products the query is not centred and its scale is its own,
 * bias = 256 sum(c), and rank = -2 sum(c q), q = 2 (u - 64): the rows' order by -q.x.
 *
 * A row: lead codes, zeros, and at offset `tail` the numbers bias, norm = sum(c^2) + rest / s^2, lift (the last two for inner products only): where
 * there is room inside the `len` bytes that a query covers (len is a multiple of 64; queries are zero behind the codes), else behind them. Rows lie
 * `stride` bytes apart, a multiple of 64.
 *
 * Distances between rows, for building a graph: |a - b|^2 / s^2 ~ |a|^2 + norm(b) + 256 sum(c_b) - 4 sum(c_b u_a). With inner products rows are lifted
 * to one sphere by one more coordinate, lift = sqrt(greatest norm^2 - norm^2) (Bachrach et al. 2014), so that the nearest is the greatest product.
 */
#ifndef OMEN_QUANT_SQ8_H
#define OMEN_QUANT_SQ8_H

#include "base/mem.h"
#include "omendb.h"

typedef struct omen_sq8 {
    omen_mem *mem;
    omen_metric metric;
    uint32_t dimensions;
    uint32_t lead;          /* codes a row */
    bool projected;
    uint32_t len, stride, tail;
    int32_t peak;           /* largest code: 127, or 31 where more than 16,384 of them would overflow the sums */
    float scale;
    float greatest;         /* inner products: the sample's greatest squared norm, in units of scale^2 */
    float *mean;            /* dimensions */
    uint32_t padded;        /* dimensions as a multiple of 64 */
    int8_t *directions;     /* projected: lead x padded; direction j is row j times direction_scales[j] */
    float *direction_scales;
    int32_t *direction_sums; /* of the bytes of each row */
    float *wide;            /* the same as floats, lead x dimensions, for encoding rows; not kept by omen_sq8_load */
} omen_sq8;

/* Trains on `count` vectors (count x dimensions floats, row-major, finite; normalised by the function where the metric is cosine). lead_max: most
 * directions kept (0: as many as it takes). Deterministic. OMEN_ERR_MEMORY. */
omen_status omen_sq8_train(omen_sq8 *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const float *sample,
                           uint32_t count, uint32_t lead_max, omen_error *err);
void omen_sq8_deinit(omen_sq8 *c);
/* Codec as bytes, and back. OMEN_ERR_CORRUPT when they fit no codec of this metric and dimensions. */
omen_status omen_sq8_save(const omen_sq8 *c, omen_buf *out);
omen_status omen_sq8_load(omen_sq8 *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const uint8_t *bytes, size_t len, omen_error *err);
/* Writes one row (stride bytes). scratch: omen_sq8_scratch(c) floats. */
size_t omen_sq8_scratch(const omen_sq8 *c);
void omen_sq8_encode(const omen_sq8 *c, const float *x, uint8_t *row, float *scratch);
/* Query form: u, len bytes, each 0 to 127. Inner products: the query is not centred. Answers the origin: rank + origin is about the squared distance, in
 * the rank's units (inner products: of the lifted rows from the query at their distance from the centre). */
int64_t omen_sq8_query(const omen_sq8 *c, const float *q, uint8_t *u, float *scratch);
/* Where a query's y is in its scratch afterwards: lead floats. */
static inline const float *omen_sq8_placed(const omen_sq8 *c, const float *scratch) { return scratch + (c->projected ? c->dimensions : 0); }

static inline int32_t omen_sq8_bias(const omen_sq8 *c, const uint8_t *row) {
    int32_t v;
    memcpy(&v, row + c->tail, 4);
    return v;
}

#endif
