/* columns_eval.h - a filter over the columns of a part: which of its rows match, and how many will. */
#ifndef OMEN_COLUMN_COLUMNS_EVAL_H
#define OMEN_COLUMN_COLUMNS_EVAL_H

#include "base/bits.h"
#include "column/columns_condition.h"
#include "column/filter.h"

typedef struct omen_columns_eval omen_columns_eval;
/* Columns and filter are borrowed. Reads nothing. One thread at a time. OMEN_ERR_MEMORY. */
omen_status omen_columns_eval_new(const omen_columns *c, const omen_filter *f, omen_columns_eval **out, omen_error *err);
/* Evaluates up to `blocks` blocks of OMEN_COLUMN_BLOCK rows. sure: rows that match; maybe: rows that columns cannot decide: omen_filter_matches has to be
 * asked of their documents. Both have c->rows bits, all 0 at the first call; no row is in both. Step: repeat until *done, on PENDING too.
 * OMEN_ERR_CORRUPT, _IO, _MEMORY, _LIMIT. */
omen_status omen_columns_eval_step(omen_columns_eval *e, uint32_t blocks, omen_bits *sure, omen_bits *maybe, bool *done, omen_error *err);
/* Of what the steps went through: pairs of a predicate and a block that were looked at, and that were decided by the rest of the filter. */
void omen_columns_eval_counts(const omen_columns_eval *e, uint64_t *looked, uint64_t *skipped);
/* How many rows match, as far as statistics say: 0 to rows. Evaluates no block. Step: repeat on PENDING. Errors as above. (columns_estimate.c) */
omen_status omen_columns_eval_estimate(omen_columns_eval *e, double *rows, omen_error *err);
void omen_columns_eval_free(omen_columns_eval *e); /* NULL is fine */

/* ---- inside, shared with columns_estimate.c ---- */

typedef struct eval_leaf {
    omen_condition condition;
    omen_bound *bound; /* NULL: it became part of another leaf's condition, beside which it is true */
    double estimate;  /* rows */
    bool paired;      /* it is the one or the other leaf of such a pair */
    bool known_ready; /* known is that of the block */
    omen_known known;
} eval_leaf;

struct omen_columns_eval {
    const omen_columns *columns;
    const omen_filter *filter;
    uint32_t *leaf_of; /* of each node: its place in leaves */
    eval_leaf *leaves;
    uint32_t leaf_count, prepared, estimated;
    omen_range *ranges; /* of all conditions */
    uint32_t range_count;
    omen_known *stack;
    uint32_t block, block_count;
    uint64_t looked;
};
/* Step: repeat on PENDING. */
omen_status omen_columns_eval_prepare(omen_columns_eval *e, omen_error *err);

#endif
