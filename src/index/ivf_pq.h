/* ivf_pq.h - rows as 4 bits for each group of dimensions: product quantisation (Jégou, Douze and Schmid 2011) of what is left of a row when its list's centroid is
 * taken away, read by table look-up in registers (fast scan: André, Kermarrec and Le Scouarnec 2015).
 *
 * Each of m groups of `width` neighbouring dimensions has 16 points of its own; the residual r = x - c becomes r', the nearest point of each group. Then
 *     |q - x|^2 ~ |q - c|^2 + add - 2 <q, r'>,   add = |r'|^2 + 2 <c, r'>
 * so that one table of the numbers -2 <q, point> serves a whole search. It is rounded to 8 bits with one step for all groups. Inner products:
 * -<q, x> ~ -<q, c> - <q, r'>, add = 0.
 *
 * Codes lie as the kernel wants them (lut4 of kernel.h): lists begin at a block of 32 rows; nibbles behind a list's last row are zero. In memory and in the file:
 * the blocks of all lists, 16 m bytes each, then add (a float) for each row.
 */
#ifndef OMEN_INDEX_IVF_PQ_H
#define OMEN_INDEX_IVF_PQ_H

#include "base/mem.h"
#include "index/ivf_pick.h"
#include "omendb.h"

#define OMEN_IVF_PQ_POINTS 16u
#define OMEN_IVF_PQ_BLOCK 32u

typedef struct omen_ivf_pq {
    omen_mem *mem;
    uint32_t dimensions, m, width;
    bool product;
    float *points; /* m x 16 x width; dimensions that do not exist are zeros */
} omen_ivf_pq;

/* OMEN_ERR_MEMORY. The points are zeros. */
omen_status omen_ivf_pq_init(omen_ivf_pq *c, omen_mem *m, uint32_t dimensions, bool product);
void omen_ivf_pq_deinit(omen_ivf_pq *c);
/* Bytes of all points. */
uint64_t omen_ivf_pq_points_bytes(const omen_ivf_pq *c);
/* Finds the points of one group (k-means) from count residuals, dimensions floats each. nearest: count bytes of scratch. */
void omen_ivf_pq_train(const omen_ivf_pq *c, uint32_t group, const float *residuals, uint32_t count, uint8_t *nearest);

/* Encodes a vector into m codes, a byte each; answers what is to be added to its distances. */
float omen_ivf_pq_encode(const omen_ivf_pq *c, const float *x, const float *centroid, uint8_t *codes);
/* Puts such codes into the blocks of a list, as its row n. The blocks are zeros at first. */
void omen_ivf_pq_put(const omen_ivf_pq *c, uint8_t *blocks, uint32_t n, const uint8_t *codes);
/* Whether the nibbles behind `rows` rows of a list's blocks are zeros. */
bool omen_ivf_pq_padded(const omen_ivf_pq *c, const uint8_t *blocks, uint32_t rows);
static inline uint32_t omen_ivf_pq_blocks(uint32_t rows) { return (rows + OMEN_IVF_PQ_BLOCK - 1) / OMEN_IVF_PQ_BLOCK; }

typedef struct omen_ivf_pq_query {
    uint8_t *table; /* m x 16 */
    float step, base;
} omen_ivf_pq_query;
/* scratch: m x 16 floats. */
void omen_ivf_pq_query_set(const omen_ivf_pq *c, const float *x, omen_ivf_pq_query *q, float *scratch);
/* Ranks of `count` rows (at most OMEN_PICK_BLOCK) from the beginning of a block on; base: |q - c|^2 or -<q, c> of their list. */
void omen_ivf_pq_rank(const omen_ivf_pq *c, const omen_ivf_pq_query *q, const uint8_t *blocks, const float *add, uint32_t count, float base, int32_t *ranks);

#endif
