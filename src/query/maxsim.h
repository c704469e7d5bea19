/* maxsim.h - one record of several vectors compared with several vectors (late interaction: Khattab and Zaharia 2020).
 *
 * For each vector of the query the greatest dot product with one of the record's, and the sum of these: floats in the canonical order of kernel.h, summed as f64 in the order of the
 * query's vectors and rounded once, so that the outcome has the same bits on every host, in whatever pieces the record's vectors come. Larger is better; of vectors of length 1 (cosine)
 * it is a sum of cosines, at most the number of the query's vectors.
 * A record without vectors has no score.
 */
#ifndef OMEN_QUERY_MAXSIM_H
#define OMEN_QUERY_MAXSIM_H

#include "base/mem.h"

/* Vectors a query may have. */
#define OMEN_MAXSIM_QUERIES 1024u

typedef struct omen_maxsim {
    omen_mem *mem;
    omen_element element; /* of the records': F32 or F16 */
    uint32_t dimensions, count;
    const float *queries; /* count vectors back to back, borrowed */
    float *best;          /* of the record at hand: greatest dot products */
    uint64_t rows;        /* of the record at hand, so far */
} omen_maxsim;

/* 1 <= count <= OMEN_MAXSIM_QUERIES. OMEN_ERR_MEMORY; then there is nothing to be freed. */
omen_status omen_maxsim_init(omen_maxsim *x, omen_mem *m, omen_element element, uint32_t dimensions, const float *queries, uint32_t count, omen_error *err);
void omen_maxsim_deinit(omen_maxsim *x); /* zeroed is fine */
/* One record: begin, its vectors as they are stored in any order and in as many runs as they lie in, and the score, which is finite; false: it has no vectors. */
void omen_maxsim_begin(omen_maxsim *x);
void omen_maxsim_rows(omen_maxsim *x, const void *rows, uint32_t count);
bool omen_maxsim_score(const omen_maxsim *x, float *score);

#endif
