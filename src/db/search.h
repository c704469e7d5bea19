/* search.h - a search under way: its legs, what they found, and what is made of that. search.c runs it; the files search_*.c hold what comes after the legs. */
#ifndef OMEN_DB_SEARCH_H
#define OMEN_DB_SEARCH_H

#include "column/facets.h"
#include "db/ask.h"
#include "db/leg_multi.h"
#include "db/leg_text.h"
#include "db/leg_vector.h"
#include "db/read.h"
#include "query/group.h"
#include "query/mmr.h"

/* Vectors, words, a sparse vector, and several vectors, in this order. */
#define OMEN_SEARCH_LEGS (OMEN_MAX_VECTOR_FIELDS + 3u)
typedef enum omen_search_leg { OMEN_LEG_VECTOR, OMEN_LEG_WORDS, OMEN_LEG_SPARSE, OMEN_LEG_MULTI } omen_search_leg;

typedef struct omen_hit {
    const omen_candidate *candidate;
    float score, distance; /* distance: NaN where the first vector leg did not list it */
    const float *subs;     /* of each leg, then what reranking gave; NULL: there is one leg, and no reranking */
    uint32_t group;        /* index in groups.all */
} omen_hit;

typedef struct omen_search_vector { omen_vector_ask ask; float weight; } omen_search_vector;

typedef enum omen_search_stage {
    OMEN_SEARCH_EXAMPLES, OMEN_SEARCH_ORDER, OMEN_SEARCH_BEGIN, OMEN_SEARCH_LEGS_RUN, OMEN_SEARCH_RANK, OMEN_SEARCH_RERANK, OMEN_SEARCH_DIVERSIFY, OMEN_SEARCH_GROUP, OMEN_SEARCH_COUNT, OMEN_SEARCH_FETCH
} omen_search_stage;

typedef struct omen_search_op {
    omen_ask ask;
    omen_json *own;     /* of omen_query.options */
    uint32_t k, depth;  /* hits wanted; hits that legs are asked for */
    uint64_t deadline_ns;
    omen_source *places; /* sources without a field */
    omen_scan_source *scan;
    omen_search_stage stage;
    /* legs */
    omen_search_vector vectors[OMEN_MAX_VECTOR_FIELDS];
    uint32_t vector_count, leg_count;
    omen_vector_leg *vector_legs;
    omen_text_ask words, sparse_ask;
    bool has_words, has_sparse;
    omen_text_leg text, sparse;
    omen_multi_ask multi_ask;
    bool has_multi;
    omen_multi_leg multi;
    omen_str names[OMEN_SEARCH_LEGS];
    float weights[OMEN_SEARCH_LEGS];
    uint32_t leg; /* the one that runs */
    /* examples */
    omen_rows positive, negative;
    struct omen_search_examples *examples;
    struct omen_search_ordering *ordering; /* NULL: hits are ordered by their scores */
    /* what was found */
    omen_fused fused;
    omen_hit *hits;
    uint32_t count;
    /* after the legs */
    struct omen_search_reranking *reranking; /* NULL: none */
    struct omen_search_mmr *mmr;
    omen_groups groups;
    struct omen_search_grouping *grouping;
    struct omen_search_facets *facets;
    struct omen_search_marks *marks;
} omen_search_op;

void omen_search_free(omen_read_op *op);
uint32_t omen_search_fields(const omen_read_op *op); /* the field whose vectors come with the hits */

/* Examples of "recommend" (search_examples.c): reads their vectors and makes a query of them. */
OMEN_LATER omen_status omen_search_examples_read(omen_read_op *op, const omen_query *q, omen_error *err);
OMEN_LATER omen_status omen_search_examples_step(omen_read_op *op, omen_error *err);
OMEN_LATER void omen_search_examples_free(omen_read_op *op);
/* Whether a hit is one of the examples. */
OMEN_LATER bool omen_search_is_example(const omen_read_op *op, omen_key key);

/* What leg number `leg` is. */
omen_search_leg omen_search_leg_of(const omen_search_op *s, uint32_t leg);
/* Sub-scores of each hit; 0: there is one leg, and no reranking. */
static inline uint32_t omen_search_subs(const omen_search_op *s) { return s->leg_count > 1 || s->reranking != NULL ? s->leg_count + (s->reranking != NULL) : 0; }

/* "orderBy" (search_order.c): no legs; the hits are the first records that the filter selects, by what they have at a path. */
OMEN_LATER omen_status omen_search_order_read(omen_read_op *op, omen_error *err);
OMEN_LATER omen_status omen_search_order_step(omen_read_op *op, omen_error *err);
void omen_search_order_explain(const omen_read_op *op, omen_jw *w);
OMEN_LATER void omen_search_order_free(omen_read_op *op);

/* "rerank" (search_rerank.c): the best hits are ordered by their score of several vectors; one that has none there is left out. How many are compared; the name of its sub-score. */
OMEN_LATER omen_status omen_search_rerank_read(omen_read_op *op, omen_error *err);
uint32_t omen_search_rerank_candidates(const omen_read_op *op);
OMEN_LATER omen_str omen_search_rerank_name(const omen_read_op *op);
OMEN_LATER omen_status omen_search_rerank(omen_read_op *op, omen_error *err);
void omen_search_rerank_explain(const omen_read_op *op, omen_jw *w);
OMEN_LATER void omen_search_rerank_free(omen_read_op *op);

/* Each is a step: repeat on PENDING. (search_diverse.c, search_group.c, search_facets.c, search_marks.c) */
OMEN_LATER omen_status omen_search_diversify(omen_read_op *op, omen_error *err);
OMEN_LATER void omen_search_diversify_free(omen_read_op *op);
/* *enough: as many groups are full as are wanted, or there is nothing more. */
OMEN_LATER omen_status omen_search_group(omen_read_op *op, omen_error *err);
OMEN_LATER void omen_search_group_free(omen_read_op *op);
OMEN_LATER omen_status omen_search_facets_read(omen_read_op *op, omen_error *err);
OMEN_LATER omen_status omen_search_facets_step(omen_read_op *op, omen_error *err);
OMEN_LATER void omen_search_facets_free(omen_read_op *op);
OMEN_LATER omen_status omen_search_marks_read(omen_read_op *op, omen_error *err);
/* Of the hit at op->place, into op->results. */
OMEN_LATER omen_status omen_search_marks_step(omen_read_op *op, omen_error *err);
OMEN_LATER void omen_search_marks_free(omen_read_op *op);

#endif
