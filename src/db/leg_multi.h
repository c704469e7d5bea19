/* leg_multi.h - the best rows for several vectors, by a field of several vectors a record (query/maxsim.h): a leg of a search, and the comparison of single rows that orders other
 * legs' hits anew. Every row that the filter selects is compared: the outcome is exact. Ties are settled by id. */
#ifndef OMEN_DB_LEG_MULTI_H
#define OMEN_DB_LEG_MULTI_H

#include "db/source.h"
#include "query/maxsim.h"
#include "query/topk.h"

/* What is asked for: a field and vectors of its dimensions, of cosine fields of length 1; borrowed. */
typedef struct omen_multi_ask {
    uint32_t field, count;
    const float *vectors;
    float weight;
} omen_multi_ask;

/* {"field", "vectors", "weight"}, into `arena`. what: "multi" or where else it stands, for messages. OMEN_ERR_INVALID, _DIMENSION, _NOT_FINITE, _ZERO_VECTOR, _MEMORY. */
OMEN_LATER omen_status omen_multi_ask_read(const omen_schema *s, const omen_json_val *v, const char *what, omen_arena *arena, omen_multi_ask *out, omen_error *err);

/* Compares single rows. */
typedef struct omen_multi_compare {
    omen_multi_ask ask;
    omen_maxsim sim;
    uint64_t records, vectors, bytes; /* compared so far */
    bool found;                       /* of the row at hand: its vectors are known, and `left` of them from number `next` on are to be compared */
    uint64_t next;
    uint32_t left;
} omen_multi_compare;

omen_status omen_multi_compare_init(omen_multi_compare *c, omen_db *db, const omen_schema *s, const omen_multi_ask *ask, omen_error *err);
void omen_multi_compare_deinit(omen_multi_compare *c); /* zeroed is fine */
/* The score of a row of a source; *any false: it has no vectors there. Step: repeat on PENDING with the same row. */
omen_status omen_multi_compare_row(omen_multi_compare *c, const omen_source *s, uint32_t row, bool *any, float *score, omen_error *err);

/* The members that tell what it took: "queryVectors", "records", "vectors", "bytes", "microseconds". */
void omen_multi_compare_explain(const omen_multi_compare *c, uint64_t ns, omen_jw *w);

typedef struct omen_multi_leg {
    omen_db *db;
    const omen_coll_version *v;
    omen_select *select;
    omen_source *sources;
    omen_scan_source *scan;
    uint32_t source_count;
    omen_multi_compare compare;
    omen_topk top;          /* the outcome: distance is the score, negated */
    uint64_t deadline_ns, ns;
    /* place */
    uint32_t source, row;
    bool seen, live, done;  /* seen: whether the row at hand lives is known, and its id */
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
} omen_multi_leg;

/* Everything is borrowed, in the arena, until deinit; `select` may be NULL. OMEN_ERR_MEMORY; then deinit it, too. */
OMEN_LATER omen_status omen_multi_leg_init(omen_multi_leg *l, omen_db *db, omen_arena *arena, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select, const omen_multi_ask *ask,
                                uint32_t k, omen_error *err);
/* After the selection's step. Step: repeat on PENDING. Afterwards `top` is sorted, the greatest score first. */
OMEN_LATER omen_status omen_multi_leg_step(omen_multi_leg *l, omen_error *err);
OMEN_LATER void omen_multi_leg_deinit(omen_multi_leg *l); /* zeroed is fine */
static inline float omen_multi_leg_score(const omen_candidate *c) { return 0.0f - c->distance; }
static inline void omen_multi_leg_explain(const omen_multi_leg *l, omen_jw *w) { omen_multi_compare_explain(&l->compare, l->ns, w); }

#endif
