/* recommend.h - records like these and unlike those: a search from examples, vectors the caller gives or that records have.
 *
 * AVERAGE  one query vector: mean of the positive + (mean of the positive - mean of the negative); without negative examples the mean of the positive. (Rocchio 1971, with equal weights.) For
 *          cosine each example counts by its direction, whatever its length. I8: for cosine the result is stretched to 127, otherwise it is rounded, ties to even, and kept within
 *          -128..127; BIT: each bit by majority, a tie sets it where the first positive example has it. It can be searched for like any other vector, by an index too.
 * BEST     every row is held against every example. With p the ranking value (rank.h; smaller is nearer) of the nearest positive example and n that of the nearest negative one, the row's is
 *
 *              p            where p <= n           as near as it is to the example it is nearest to
 *              2p - n       where p > n            and farther by as much as it is nearer to what is not wanted
 *
 *          which never falls when n does. Without positive examples it is -n: the farther from all of them, the better; without negative ones p. It follows several interests at once where the
 *          average lies between them. Every row that the filter selects is compared (omen_ranker.best). What is reported is made of that value as of any other, so a row that is nearer to what
 *          is not wanted has a distance greater, and a score less, than the metric has for two vectors.
 *
 * Sums are f64 in the order of examples, rounded once: the same bits on every host.
 */
#ifndef OMEN_QUERY_RECOMMEND_H
#define OMEN_QUERY_RECOMMEND_H

#include "base/mem.h"
#include "query/rank.h"

/* Examples of each kind. */
#define OMEN_RECOMMEND_EXAMPLES 256u

typedef struct omen_examples {
    omen_metric metric;
    omen_element element;
    uint32_t dimensions;
    const void *const *positive, *const *negative; /* borrowed; vectors as callers give them */
    uint32_t positive_count, negative_count;
} omen_examples;

/* AVERAGE, into `query` (omen_element_given_bytes). OMEN_ERR_INVALID: no positive example, or too many; OMEN_ERR_ZERO_VECTOR: cosine, and an example has no direction or they cancel out;
 * OMEN_ERR_NOT_FINITE: the result is no finite vector; OMEN_ERR_MEMORY. */
omen_status omen_recommend_average(omen_mem *m, const omen_examples *e, void *query, omen_error *err);

/* BEST. */
typedef struct omen_recommend_best {
    omen_mem *mem;
    omen_ranker *rankers; /* positive, then negative */
    uint32_t positive, negative;
} omen_recommend_best;
/* OMEN_ERR_INVALID: no example, or too many; OMEN_ERR_ZERO_VECTOR as above; OMEN_ERR_MEMORY. After a failure there is nothing to be freed. */
omen_status omen_recommend_best_init(omen_recommend_best *b, omen_mem *m, const omen_examples *e, omen_error *err);
/* Ranking values of rows as they are stored, as omen_rank_rows gives them for one vector. norms: for cosine only. */
void omen_recommend_rows(const omen_recommend_best *b, const void *rows, const float *norms, uint32_t count, float *out);
void omen_recommend_best_deinit(omen_recommend_best *b); /* zeroed is fine */

#endif
