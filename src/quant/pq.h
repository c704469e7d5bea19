/* pq.h - product codes (Jégou, Douze and Schmid 2011), 4 bits for each of `parts` runs of dimensions, scanned by table look-up (fast scan: André, Kermarrec and Le
 * Scouarnec 2015).
 *
 * Run j is dimensions [j sub, j sub + sub), the last may be shorter; it is replaced by the nearest of 16 centroids of its own. A query becomes a table of what
 * each of these adds to the distance: t[j][c] = |q_j - c|^2, or -<q_j, c> for inner products. Tables are rounded down to bytes of one step,
 *     t[j][c] ~ least_j + step lut[j][c],   step = the widest table / 255,
 * so that distances rank as sums of bytes, and bias + step sum, bias = sum of least_j less what floats may round, is below the distance to the coded vector by no
 * more than `slack` (parts times step, and the rounding). Cosine is L2 of normalised vectors: the caller normalises.
 *
 * Codes are packed for lut4 (kernel.h): blocks of 32 rows, in a block 16 bytes for each run, byte i holding row i (low nibble) and row i + 16.
 */
#ifndef OMEN_QUANT_PQ_H
#define OMEN_QUANT_PQ_H

#include "base/mem.h"

#define OMEN_PQ_PARTS_MAX 256u /* so that 16 bits hold a sum of bytes */

typedef struct omen_pq {
    omen_mem *mem;
    omen_metric metric;
    uint32_t dimensions, sub, parts;
    float *centroids; /* parts x sub x 16: coordinate i of centroid c of run j at (j sub + i) 16 + c; zeros where a run is shorter */
} omen_pq;

/* sub for dimensions: 2, or as few as OMEN_PQ_PARTS_MAX runs allow. */
uint32_t omen_pq_sub(uint32_t dimensions);
/* A codec whose centroids are zeros. sub 0: omen_pq_sub. OMEN_ERR_INVALID (no dimensions, too many runs), _MEMORY. */
omen_status omen_pq_init(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t sub, omen_error *err);
/* Finds the centroids of one run from count x dimensions finite floats, of which 4,096 spread over all are used: a few milliseconds' work, for callers that train
 * in steps. Fewer than 16 distinct vectors are fine: some centroids are then equal. OMEN_ERR_INVALID (no vectors), _MEMORY. */
omen_status omen_pq_train_run(omen_pq *c, uint32_t run, const float *sample, uint32_t count, omen_error *err);
/* Both at once, for all runs. */
omen_status omen_pq_train(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t sub, const float *sample, uint32_t count, omen_error *err);
void omen_pq_deinit(omen_pq *c); /* one that is all zero is fine */
/* Codec as bytes, and back: OMEN_ERR_CORRUPT when they fit no codec of this metric and dimensions. */
omen_status omen_pq_save(const omen_pq *c, omen_buf *out);
omen_status omen_pq_load(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const uint8_t *bytes, size_t len, omen_error *err);

/* codes[j] of a vector, each 0 to 15; ties go to the lower. */
void omen_pq_encode(const omen_pq *c, const float *x, uint8_t *codes);
/* The vector that codes stand for. */
void omen_pq_decode(const omen_pq *c, const uint8_t *codes, float *x);

/* Packed codes of `rows` rows; rows of the last block that are not there are zeros. */
size_t omen_pq_bytes(const omen_pq *c, uint32_t rows);
void omen_pq_pack(const omen_pq *c, const uint8_t *codes, uint32_t row, uint8_t *packed); /* packed begins as zeros, or holds the row's earlier codes */
void omen_pq_unpack(const omen_pq *c, const uint8_t *packed, uint32_t row, uint8_t *codes);

typedef struct omen_pq_scale {
    float bias, step, slack;
} omen_pq_scale;
/* lut: parts x 16 bytes. scratch: parts x 16 floats. Entries of a table beyond 1e30 are cut off there. */
void omen_pq_query(const omen_pq *c, const float *q, uint8_t *lut, omen_pq_scale *scale, float *scratch);
/* The distance that a sum of lut4 stands for: the lower bound, and half of slack above it. */
static inline float omen_pq_lowest(omen_pq_scale s, uint16_t sum) { return s.bias + s.step * (float)sum; }
static inline float omen_pq_distance(omen_pq_scale s, uint16_t sum) { return s.bias + s.step * (float)sum + s.slack * 0.5f; }

#endif
