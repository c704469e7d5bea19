/* quant/ - quantisers: vectors as short codes whose distances are whole numbers, the same on every machine. Each trains on a sample, encodes rows, turns
 * a query into its form, and says how far its distances may be off.
 *
 * sq8.h - scalar 8-bit codes of the leading directions.
 *
 * A vector x becomes y = P (x - mean), where P holds `lead` directions that carry nearly all of the sample's variance (or P is the identity and
 * lead = dimensions, when fewer directions would lose too much). Each y is stored as c = round(y / s) in [-127, 127], one scale s for all of them: the
 * 99.99th percentile of |y| / 127. What lies outside the leading directions, |x - mean|^2 - |y|^2, is kept as one number. Queries are
 * coarser, 7 bits: q ~ 2 s (u - 64), u in [0, 127]. Then
 *     |q - x|^2 / s^2 ~ |q'|^2 + score,   score = bias - 4 sum(c u),   bias = sum(c^2) + 256 sum(c) + rest / s^2
 * is exact integer arithmetic. For cosine, vectors are normalised first; for inner products the score is 256 sum(c) - 4 sum(c u) plus what the mean
 * contributes, see sq8.c.
 *
 * A row: len bytes of codes (lead of them, then zeros; a multiple of 64 with the tail below inside it where it fits, since queries are zero there),
 * and at offset `tail` int32 bias, int32 extra. Rows lie `stride` bytes apart, a multiple of 64.
 */
#ifndef OMEN_QUANT_SQ8_H
#define OMEN_QUANT_SQ8_H

#include "base/buf.h"
#include "base/mem.h"
#include "omendb.h"

typedef struct omen_sq8 {
    omen_mem *mem;
    omen_metric metric;
    uint32_t dimensions;
    uint32_t lead;       /* codes a row */
    bool projected;
    uint32_t len, stride, tail;
    float scale;
    float *mean;         /* dimensions */
    float *directions;   /* lead x dimensions, row-major: the projection that rows use (what the bytes below mean); NULL: the identity */
    int8_t *bytes;       /* lead x dimensions padded to a multiple of 64: directions for queries */
    float *byte_scales;  /* lead */
} omen_sq8;

/* Trains on `count` vectors (count x dimensions floats, row-major, finite; normalised by the function where the metric is cosine). lead_max: most
 * directions kept (0: as many as it takes). Deterministic. OMEN_ERR_MEMORY. */
omen_status omen_sq8_train(omen_sq8 *c, omen_mem *m, const omen_host *host, omen_metric metric, uint32_t dimensions, const float *sample, uint32_t count, uint32_t lead_max,
                           omen_error *err);
void omen_sq8_deinit(omen_sq8 *c);
/* Codec as bytes, and back. OMEN_ERR_CORRUPT when they fit no codec of this metric and dimensions. */
omen_status omen_sq8_save(const omen_sq8 *c, omen_buf *out);
omen_status omen_sq8_load(omen_sq8 *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const uint8_t *bytes, size_t len, omen_error *err);
/* Writes one row (stride bytes). scratch: omen_sq8_scratch(c) floats. */
size_t omen_sq8_scratch(const omen_sq8 *c);
void omen_sq8_encode(const omen_sq8 *c, const float *x, uint8_t *row, float *scratch);
/* Query form: u, len bytes, each 0 to 127. */
void omen_sq8_query(const omen_sq8 *c, const float *q, uint8_t *u, float *scratch);
/* The query form of a stored row, for distances between rows. */
void omen_sq8_row_query(const omen_sq8 *c, const uint8_t *row, uint8_t *u);

static inline int32_t omen_sq8_bias(const omen_sq8 *c, const uint8_t *row) {
    int32_t v;
    memcpy(&v, row + c->tail, 4);
    return v;
}

#endif
