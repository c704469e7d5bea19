/* mmr.h - maximal marginal relevance (Carbonell and Goldstein 1998): of n candidates, one after another, the one that is relevant and unlike those taken before:
 *
 *     lambda * relevance - (1 - lambda) * the greatest similarity to one that was taken (0 before any was)
 *
 * Relevance is brought to 0..1 over the candidates, the least to 0 and the greatest to 1 (equal ones: 1), so that lambda means the same for scores of every kind.
 * Similarity is the score of the field's metric: cosine -1..1, l2 1 / (1 + distance), hamming the share of equal bits; ip has no bounds, and the cosine takes its place there. A
 * vector without direction is like nothing: 0. Ties: the earlier candidate. lambda 1 gives the order of relevance, 0 looks at similarity alone after the first.
 *
 * One choice compares the vector taken last with all that are left: n distances, n * k for k choices. In between the caller may look at its deadline.
 */
#ifndef OMEN_QUERY_MMR_H
#define OMEN_QUERY_MMR_H

#include "base/mem.h"
#include "query/rank.h"

typedef struct omen_mmr_ask {
    omen_metric metric;
    omen_element element;
    uint32_t dimensions;
    uint32_t count;
    const void *vectors;    /* count, as they are stored, back to back */
    const float *norms;     /* count, for cosine only */
    const float *relevance; /* count, greater is better */
    float lambda;           /* 0 to 1 */
} omen_mmr_ask;

typedef struct omen_mmr {
    omen_mem *mem;
    omen_mmr_ask ask;    /* borrowed */
    size_t row_bytes;
    double *relevance;   /* 0 to 1; NaN: taken */
    float *alike;        /* the greatest similarity to one that was taken */
    float *ranks, *norms;
    void *query;         /* the vector taken last, as omen_ranker has it */
    uint32_t taken;
} omen_mmr;

/* OMEN_ERR_INVALID: lambda out of range. OMEN_ERR_MEMORY. After a failure there is nothing to be freed. */
omen_status omen_mmr_init(omen_mmr *x, omen_mem *m, const omen_mmr_ask *ask, omen_error *err);
/* The next choice, as an index of candidates; false: all were taken. */
bool omen_mmr_next(omen_mmr *x, uint32_t *chosen);
void omen_mmr_deinit(omen_mmr *x); /* zeroed is fine */

#endif
