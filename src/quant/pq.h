/* pq.h - product codes (Jégou, Douze and Schmid 2011), 4 bits for each of `parts` runs of dimensions, scanned by table look-up (fast scan: André, Kermarrec and Le
 * Scouarnec 2015).
 *
 * A row x is taken relative to a centroid c of its list, r = x - c. Run j is dimensions [j sub, j sub + sub), the last may be shorter; it is replaced by the nearest
 * of 16 points of its own, and r' is what they make up. Then
 *     |q - x|^2 ~ |q - c|^2 + add - 2 <q, r'>,   add = |r'|^2 + 2 <c, r'>
 * so that one table t[j][p] = -2 <q_j, point p> serves all lists. Inner products: -<q, x> ~ -<q, c> - <q, r'>, add = 0. Cosine is L2 of normalised vectors:
 * the caller normalises. Tables are rounded to bytes of one step,
 *     t[j][p] ~ least_j + step lut[j][p],   step = the widest table / 255,
 * so that an estimate is base + bias + add + step (sum of bytes), bias = sum of least_j, and is off from the distance to the coded vector c + r' by no more
 * than `slack`, half a step for each run, and what floats round: (sub + 8) 2^-23 of the sizes of all that is added up.
 *
 * Codes are packed for lut4 (kernel.h): blocks of 32 rows, in a block 16 bytes for each run, byte i holding row i (low nibble) and row i + 16.
 */
#ifndef OMEN_QUANT_PQ_H
#define OMEN_QUANT_PQ_H

#include "base/mem.h"

#define OMEN_PQ_PARTS_MAX 256u /* so that 16 bits hold a sum of bytes */
#define OMEN_PQ_POINTS 16u
#define OMEN_PQ_BLOCK 32u      /* rows of a block */
#define OMEN_PQ_SCAN 1024u     /* rows scanned in one call, at most */

typedef struct omen_pq {
    omen_mem *mem;
    uint32_t dimensions, sub, parts;
    bool product;
    float *points; /* parts x sub x 16: coordinate i of point p of run j at (j sub + i) 16 + p; zeros where a run is shorter */
} omen_pq;

/* A codec whose points are zeros. Runs have 2 dimensions, or as few as OMEN_PQ_PARTS_MAX runs allow. OMEN_ERR_MEMORY. */
omen_status omen_pq_init(omen_pq *c, omen_mem *m, uint32_t dimensions, bool product);
void omen_pq_deinit(omen_pq *c); /* one that is all zero is fine */
/* Finds the points of one run from count x dimensions finite residuals, of which 4,096 spread over all are used: about a millisecond's work (kmeans.h, on the
 * host's threads), for callers that train in steps. count: at least 1; fewer than 16 distinct vectors are fine, some points are then equal. OMEN_ERR_MEMORY. */
omen_status omen_pq_train_run(omen_pq *c, uint32_t run, const float *residuals, uint32_t count);
/* Bytes of the points, as files have them. */
static inline size_t omen_pq_points_bytes(const omen_pq *c) { return (size_t)c->parts * c->sub * OMEN_PQ_POINTS * sizeof(float); }
/* Whether all points are finite, and zeros where there is no dimension: for files. */
bool omen_pq_sound(const omen_pq *c);

/* codes[j] of a residual, each 0 to 15, ties by the lower; answers `add`. centroid: what the residual is relative to. */
float omen_pq_encode(const omen_pq *c, const float *r, const float *centroid, uint8_t *codes);
/* Bytes of the packed codes of `rows` rows. */
static inline size_t omen_pq_bytes(const omen_pq *c, uint32_t rows) { return ((size_t)rows + OMEN_PQ_BLOCK - 1) / OMEN_PQ_BLOCK * OMEN_PQ_POINTS * c->parts; }
/* Puts a row's codes there; packed begins as zeros. */
void omen_pq_pack(const omen_pq *c, const uint8_t *codes, uint32_t row, uint8_t *packed);
/* Whether the nibbles behind the last of `rows` rows are zeros. */
bool omen_pq_padded(const omen_pq *c, const uint8_t *packed, uint32_t rows);

typedef struct omen_pq_query {
    uint8_t *lut; /* parts x 16, the caller's */
    float bias, step, slack;
} omen_pq_query;
/* Sets all but the pointer. scratch: parts x 16 floats. Entries of a table beyond 1e30 are cut off there. */
void omen_pq_query_set(const omen_pq *c, omen_pq_query *q, const float *x, float *scratch);
/* Estimates of `count` rows from the beginning of a block on. base: |q - c|^2 or -<q, c> of their list. */
void omen_pq_scan(const omen_pq *c, const omen_pq_query *q, float base, const uint8_t *packed, const float *add, uint32_t count, float *estimates);

#endif
