/* ask.h - what a search asks for beside its vector: the members of docs/QUERIES.md, as they come in requests and in omen_query.options. Names, types and ranges are judged here,
 * or, of members that are objects of their own, by those whose matter they are. */
#ifndef OMEN_DB_ASK_H
#define OMEN_DB_ASK_H

#include "base/json.h"
#include "query/fuse.h"

/* How segments are searched for vectors: as is best; or, wherever it can be done, by their indexes, by comparing the rows that match one by one, or all rows. */
typedef enum omen_vector_plan { OMEN_PLAN_AUTO, OMEN_PLAN_INDEX, OMEN_PLAN_MATCHES, OMEN_PLAN_SCAN } omen_vector_plan;

typedef struct omen_ask {
    /* NULL: not asked for. Borrowed, as all here. */
    const omen_json_val *filter, *text, *sparse, *multi, *weights, *facets, *highlight, *recommend, *rerank;
    omen_fuse_options fusion;
    float max_distance; /* infinite: any */
    float min_score;    /* -infinite: any */
    bool mmr;
    float mmr_lambda;
    uint32_t mmr_candidates; /* 0: not said */
    omen_str group;          /* a path; empty: no groups */
    uint32_t group_size;
    bool group_leave;        /* records without the value are left out */
    omen_str order;          /* a path; empty: no order but that of scores */
    bool order_descending;
    uint64_t deadline_ms;    /* 0: none */
    omen_vector_plan plan;
} omen_ask;

/* root: NULL for none. strict: members that are not known are refused. OMEN_ERR_INVALID. */
omen_status omen_ask_read(const omen_json_val *root, bool strict, omen_ask *out, omen_error *err);

#endif
