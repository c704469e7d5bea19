/* maxsim.h - one record of several vectors asked with several vectors (late interaction: Khattab and Zaharia 2020).
 *
 * For each vector of the query the nearest of the record's, and the sum of those ranking values (rank.h), in the order of the query's vectors: an f64, rounded once. Smaller is nearer. For
 * cosine and ip it is the sum of the greatest similarities with the sign changed (and a constant), as in the paper; for l2 it is the sum of squared distances, its other form.
 * What is reported: `distance` is the mean over the query's vectors as one distance of the metric (for l2 the root of the mean square), so a query of one vector is an ordinary one; `score` is
 *
 *     cosine   sum of the greatest similarities         ip       the same, of dot products
 *     l2       n / (1 + distance)                       hamming  sum of the greatest shares of equal bits            n: vectors of the query
 *
 * A record without vectors is no hit.
 *
 * How hits are found, in rounds: each of the query's vectors is searched by itself to a depth (omen_maxsim_depth), the union of the records found (omen_maxsim_union) is ranked in full, and
 * the k best are held against what no list has shown (omen_maxsim_settled): a record in none of the lists is, for each vector, no nearer than the last hit of its list, so it cannot beat the
 * sum of those last values (the threshold algorithm of Fagin, Lotem and Naor 2001). If the k-th best is nearer than that sum, the answer is exact if the lists are; if not, the next round
 * asks for twice as much, until a depth is all rows. Whoever wants speed rather than proof stops after the first round, as in the paper.
 */
#ifndef OMEN_QUERY_MAXSIM_H
#define OMEN_QUERY_MAXSIM_H

#include "query/rank.h"
#include "query/topk.h"

/* Vectors a query may have. */
#define OMEN_MAXSIM_QUERIES 256u

typedef struct omen_maxsim {
    omen_mem *mem;
    omen_ranker *rankers; /* one for each of the query's vectors */
    float *best;          /* of the record at hand: least ranking values */
    uint32_t count;
    uint32_t rows;        /* of the record at hand, so far */
} omen_maxsim;

/* queries: count vectors back to back, as callers give them, borrowed. OMEN_ERR_INVALID: none, or more than OMEN_MAXSIM_QUERIES; OMEN_ERR_ZERO_VECTOR: cosine, and one has no direction;
 * OMEN_ERR_MEMORY. After a failure there is nothing to be freed. */
omen_status omen_maxsim_init(omen_maxsim *x, omen_mem *m, omen_metric metric, omen_element element, uint32_t dimensions, const void *queries, uint32_t count, omen_error *err);
void omen_maxsim_deinit(omen_maxsim *x); /* zeroed is fine */
/* One record: begin, its rows in any order and in as many runs as they lie in, and the value; false: it has no rows. norms: for cosine only. */
void omen_maxsim_begin(omen_maxsim *x);
void omen_maxsim_rows(omen_maxsim *x, const void *rows, const float *norms, uint32_t count);
bool omen_maxsim_value(const omen_maxsim *x, float *value);

/* From the value to what is reported. */
float omen_maxsim_distance(const omen_maxsim *x, float value);
float omen_maxsim_score(const omen_maxsim *x, float value);

/* ---- candidates ---- */

/* What one of the query's vectors found: hits of single vectors, or of records, whose `source` and `row` name the record; a record may be there several times. */
typedef struct omen_maxsim_list {
    const omen_candidate *hits; /* nearest first */
    uint32_t count;
    uint32_t depth;             /* asked for; where fewer came, there are no more */
} omen_maxsim_list;

/* How deep each list goes in a round: begins with max(k, 32), doubles, ends with what there is (`rows`). */
uint32_t omen_maxsim_depth(uint32_t k, uint32_t round, uint32_t rows);
typedef struct omen_maxsim_record { uint32_t source, row; } omen_maxsim_record;
/* The records of all lists, each once, by (source, row); freed with omen_free(m, *out, *out_count * sizeof **out). OMEN_ERR_MEMORY. */
omen_status omen_maxsim_union(omen_mem *m, const omen_maxsim_list *lists, uint32_t count, omen_maxsim_record **out, uint32_t *out_count, omen_error *err);
/* Whether no record outside the lists can be nearer than `worst`, the value of the k-th best (INFINITY while there are fewer than k). */
bool omen_maxsim_settled(const omen_maxsim_list *lists, uint32_t count, float worst);

#endif
