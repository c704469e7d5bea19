/* leg_vector.h - the nearest rows to one vector: a leg of a search. Each source of rows is answered for in the way that costs least: by its index, by comparing every
 * row, or, under a filter that few rows pass, by comparing those alone. */
#ifndef OMEN_DB_LEG_VECTOR_H
#define OMEN_DB_LEG_VECTOR_H

#include "db/ask.h"
#include "db/source.h"
#include "query/ann.h"
#include "query/exact.h"
#include "query/matches.h"

/* What is asked for. */
typedef struct omen_vector_ask {
    uint32_t field, dimensions, k;
    const void *vector; /* as omen_element says */
    float recall;       /* 0: the default */
    uint32_t ef, nprobe;
    bool exact;
    omen_vector_plan plan;
    const struct omen_recommend_best *best; /* rows are held against these examples: `vector` is the first of them, and every row is compared; NULL: none */
} omen_vector_ask;

typedef struct omen_vector_leg {
    omen_db *db;
    const omen_coll_version *v;
    omen_select *select;
    omen_vector_ask ask;
    void *query;   /* a copy of the vector */
    float *floats; /* the query as indexes take it, where that is another form than the caller's */
    omen_ranker ranker;
    omen_source *sources;
    omen_scan_source *scan; /* what is compared whole: sources that are answered for otherwise have no rows here */
    omen_scan_source *all;  /* as they are */
    uint32_t source_count;
    omen_exact exact;       /* its `top` is the outcome */
    omen_match_source *match_sources;
    omen_matches matches;
    omen_match_source *again_sources; /* whose index gave up */
    omen_matches again;
    omen_ann_source *ann_sources;
    omen_ann ann;
    float recall;           /* 0 to 1 */
    uint64_t begun_ns, exact_ns;
    bool scanned, proposed, done;
} omen_vector_leg;

/* Checks what is asked for; the vector is copied. Everything else is borrowed, in the arena, until deinit. OMEN_ERR_INVALID, _DIMENSION, _NOT_FINITE, _ZERO_VECTOR, _MEMORY. */
omen_status omen_vector_leg_init(omen_vector_leg *l, omen_db *db, omen_arena *a, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select,
                                 const omen_vector_ask *ask, omen_error *err);
/* After the selection's step. Step: repeat on PENDING. Afterwards exact.top is sorted, nearest first, ties by id. */
omen_status omen_vector_leg_step(omen_vector_leg *l, omen_error *err);
void omen_vector_leg_deinit(omen_vector_leg *l); /* zeroed is fine */
/* The members that tell how it was answered: "recall", "sources" and what they cost (explain.c). */
void omen_vector_leg_explain(const omen_vector_leg *l, omen_jw *w);

#endif
