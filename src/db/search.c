/* search.c - a search over a snapshot: the filter selects, the leg finds, then come documents and vectors of the hits. */
#include "db/read.h"

omen_status omen_read_op_search(omen_read_op *op, const omen_query *q, omen_error *err) {
    const omen_schema_copy *s = &op->coll->schema;
    OMEN_TRY(omen_schema_field(&s->schema, q->field, &op->field, err));
    if (q->k == 0) return omen_fail(err, OMEN_ERR_INVALID, "k is 0; ask for 1 to %u hits", OMEN_MAX_K);
    if (q->k > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "k is %u; ask for 1 to %u hits", q->k, OMEN_MAX_K);
    op->k = q->k;
    OMEN_TRY(omen_read_op_filter(op, q->filter, err));
    omen_vector_ask ask = {.field = op->field, .dimensions = q->dimensions, .k = q->k, .vector = q->vector, .recall = q->recall, .ef = q->ef, .nprobe = q->nprobe, .exact = q->exact != 0};
    OMEN_TRY(omen_vector_leg_init(&op->leg, op->db, &op->arena, &op->snapshot, op->v, op->select, &ask, err));
    op->results = omen_fetch_results(op->db, s, op->include, op->field);
    return op->results == NULL ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search") : OMEN_OK;
}

static omen_status add_hit(omen_read_op *op, const omen_candidate *c, omen_error *err) {
    omen_results *r = op->results;
    float distance = omen_distance_of(&op->leg.ranker, c->distance), score = omen_score_of(&op->leg.ranker, distance);
    op->place = omen_source_place(&op->leg.sources[c->source], c->row);
    omen_status s = omen_results_add_key(r, omen_candidate_key(c), true);
    if (s == OMEN_OK) s = omen_buf_append(&r->distances, &distance, sizeof distance);
    if (s == OMEN_OK) s = omen_buf_append(&r->scores, &score, sizeof score);
    return s == OMEN_OK ? s : omen_fail(err, s, "out of memory in a search");
}

omen_status omen_search_step(omen_read_op *op, omen_error *err) {
    OMEN_TRY(omen_vector_leg_step(&op->leg, err));
    for (; op->at < op->leg.exact.top.count; op->at++, op->placed = false) {
        if (!op->placed) {
            OMEN_TRY(add_hit(op, &op->leg.exact.top.heap[op->at], err));
            op->placed = true;
            memset(&op->fetch, 0, sizeof op->fetch);
        }
        OMEN_TRY(omen_fetch_step(&op->fetch, op->v, &op->place, op->include, op->field, op->results, err));
    }
    return OMEN_OK;
}
