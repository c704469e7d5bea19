/* ivf.h - inverted lists (Jégou, Douze and Schmid 2011): the rows of a part in lists around centroids. A search scans the codes of the lists whose centroids are
 * nearest to the query, from the first byte to the last, which is the fastest way there is through memory; nothing else is resident, so that a row costs a
 * code and four bytes.
 *
 * The file's sections, beside INDEX_META:
 *   INDEX_CODEC      the 8-bit quantiser of the centroids (quant/sq8.h; empty for BIT vectors), which with codec SQ8 is that of the rows as well; before it, with PQ,
 *                    the points of all runs (quant/pq.h)
 *   INDEX_CENTROIDS  one code for each list, `coarse` bytes
 *   INDEX_LISTS      lists + 1 numbers (u32): where each list begins among the rows; then the rows (u32), ascending within each list, every row once
 *   INDEX_CODES      the rows' codes in the order of the lists, `stride` bytes each; with SQ8 then a number (i32) for each row, `bias` of quant/sq8.h; with RABITQ
 *                    the arrays of quant/rabitq.h; with PQ the packed codes of every list (quant/pq.h), each from a block on, then what is added (f32) for each row
 * INDEX_META adds, at OMEN_INDEX_META_FIXED: u32 lists, u32 coarse, u32 stride, u32 dimensions of a code (0 for BIT). Its options are those asked for: lists without rows are dropped, so that
 * there may be fewer.
 *
 * With SQ8 a stored code is the `len` bytes that a query covers; what quant/sq8.h keeps behind or inside them as numbers is stored apart (zeros stand there), so
 * that scanning reads nothing it does not use. BIT vectors are their own codes, padded to 8 bytes by zeros, and centroids are bits too.
 *
 * Other codecs are of residuals: what a row differs from its list's centroid, both as their 8-bit codes say, in the leading directions where the quantiser has
 * found some. Codes are then as short as those directions are few, a vector is projected once, and no vector is read twice. What lies outside the directions is a
 * number of the row's, `rest` of quant/sq8.h, and begins its distances.
 */
#ifndef OMEN_INDEX_IVF_H
#define OMEN_INDEX_IVF_H

#include "index/ivf_pick.h"
#include "index/kinds.h"
#include "quant/kmeans.h"
#include "quant/pq.h"
#include "quant/rabitq.h"
#include "quant/sq8.h"

#define OMEN_IVF_META (OMEN_INDEX_META_FIXED + 16u)
#define OMEN_IVF_LISTS_MAX 65536u

/* What a search looks at; the same while building and when opened. */
typedef struct omen_ivf {
    uint32_t rows, dimensions, lists;
    bool bits;
    bool coarse_ready;
    omen_sq8 coarse;           /* not for BIT */
    uint32_t len;              /* bytes of a centroid, and of a query for them */
    const uint8_t *centroids;
    int32_t *centroid_bias;    /* lists; NULL for BIT */
    const uint32_t *starts;    /* lists + 1 */
    const uint32_t *order;     /* rows */
    const uint8_t *codes;
    const int32_t *bias;       /* SQ8: rows */
    uint32_t stride;
    omen_codec codec;          /* SQ8 for BIT */
    bool residual_ready;
    omen_rabitq rabitq;
    omen_rabitq_rows residuals;
    omen_pq pq;
    uint32_t *blocks;          /* PQ: lists + 1: where each list's blocks begin */
    const float *add;          /* PQ: rows */
} omen_ivf;

/* Whether the codes are of residuals. */
static inline bool omen_ivf_residual(const omen_ivf *v) { return v->codec == OMEN_CODEC_RABITQ || v->codec == OMEN_CODEC_PQ; }
/* Makes v->rabitq or v->pq, of `lead` dimensions. OMEN_ERR_MEMORY. */
omen_status omen_ivf_residual_init(omen_ivf *v, omen_mem *m, uint32_t lead, uint32_t bits, bool product);
/* PQ: the codes of a list. */
static inline const uint8_t *omen_ivf_packed(const omen_ivf *v, uint32_t list) { return v->codes + (size_t)v->blocks[list] * omen_pq_bytes(&v->pq, 1); }
/* Counts the blocks of PQ's lists into v->blocks (lists + 1). */
void omen_ivf_count_blocks(omen_ivf *v);

/* A centroid as floats: coarse.lead. */
void omen_ivf_centroid(const omen_ivf *v, uint32_t list, float *out);
/* Bytes of INDEX_CODES; after omen_ivf_count_blocks. */
uint64_t omen_ivf_code_bytes(const omen_ivf *v);
/* Points the view into such bytes. */
void omen_ivf_set_codes(omen_ivf *v, uint8_t *bytes);

/* Bytes of a BIT vector as a code. */
static inline uint32_t omen_ivf_bit_bytes(uint32_t dimensions) { return (uint32_t)omen_round_up(dimensions / 8, 8); }
/* The biases of centroids, as a query asks for them. */
void omen_ivf_fill_bias(const omen_ivf *v, int32_t *bias);

/* What one search works with; reused by the next. */
typedef struct omen_ivf_scan {
    omen_mem *mem;
    omen_pick lists, found;
    uint8_t *u;
    float *scratch;
    size_t u_bytes, scratch_bytes;
    float *residual;           /* of residual codecs: a centroid, then scratch of setting a query */
    uint8_t *own;              /* the residual codec's query */
    size_t residual_bytes, own_bytes;
    omen_rabitq_query rabitq;
    omen_pq_query pq;
    float estimates[OMEN_PICK_BLOCK];
    uint32_t ids[OMEN_PICK_BLOCK], places[OMEN_PICK_BLOCK];
    int32_t ranks[OMEN_PICK_BLOCK];
    uint64_t distances, bytes;
} omen_ivf_scan;
void omen_ivf_scan_init(omen_ivf_scan *s, omen_mem *m);
void omen_ivf_scan_deinit(omen_ivf_scan *s);
/* Room for a search of v. OMEN_ERR_MEMORY. */
omen_status omen_ivf_scan_room(omen_ivf_scan *s, const omen_ivf *v, uint32_t effort, uint32_t want);
/* The nearest rows of the `effort` nearest lists: s->found, ascending. filter may be NULL; where little of what lies near may be answered, more lists are looked at:
 * with an accept as many as it takes to see about as many rows that may be as were planned for, else some. After omen_ivf_scan_room. */
void omen_ivf_search(const omen_ivf *v, omen_ivf_scan *s, const void *vector, const omen_may *filter);

/* ivf.c. As the builder says (kinds.h). */
omen_status omen_ivf_verify(omen_index *x, void **place, omen_error *err);
void omen_ivf_verify_free(omen_index *x, void *place);

#endif
