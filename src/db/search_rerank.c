/* search_rerank.c - "rerank": the best hits of the legs, ordered anew by several vectors (leg_multi.h). */
#include "base/sort.h"
#include "db/search.h"

struct omen_search_reranking {
    omen_multi_ask ask;
    omen_multi_compare compare;
    uint32_t candidates, count, at; /* asked for; of this round, and how many of them were compared */
    uint32_t kept;                  /* that have a score: the first of `hits` */
    omen_hit *hits;                 /* NULL: the round is yet to begin */
    uint64_t ns;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory ordering hits anew; ask for fewer candidates"); }

omen_status omen_search_rerank_read(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_json_val *v = s->ask.rerank, *multi = omen_json_get(v, "multi"), *candidates = omen_json_get(v, "candidates");
    uint64_t n = OMEN_MIN(4 * (uint64_t)s->k, OMEN_MAX_K);
    if (!omen_json_is_object(v) || multi == NULL)
        return omen_fail(err, OMEN_ERR_INVALID, "rerank must be an object: {\"multi\": {\"field\": \"tokens\", \"vectors\": [[0.1, 0.2], [0.3, 0.4]]}, \"candidates\": 100}");
    if (omen_json_count(v) != 1u + (candidates != NULL)) return omen_fail(err, OMEN_ERR_INVALID, "rerank has a member that is not known; there are multi and candidates");
    if (omen_json_get(multi, "weight") != NULL) return omen_fail(err, OMEN_ERR_INVALID, "rerank.multi takes no weight: its score takes the place of others");
    if (candidates != NULL && !omen_json_is_null(candidates) && (!omen_json_u64(candidates, &n) || n < s->k || n > OMEN_MAX_K))
        return omen_fail(err, OMEN_ERR_INVALID, "rerank.candidates must be an integer of at least the number of hits that are wanted (%u), at most %u", s->k, OMEN_MAX_K);
    struct omen_search_reranking *r = omen_arena_alloc(&op->arena, sizeof *r, 8);
    if (r == NULL) return out_of_memory(err);
    memset(r, 0, sizeof *r);
    r->candidates = (uint32_t)n;
    OMEN_TRY(omen_multi_ask_read(&op->coll->schema.schema, multi, "rerank.multi", &op->arena, &r->ask, err));
    OMEN_TRY(omen_multi_compare_init(&r->compare, op->db, &op->coll->schema.schema, &r->ask, err));
    s->reranking = r;
    return OMEN_OK;
}

uint32_t omen_search_rerank_candidates(const omen_read_op *op) { return op->search->reranking->candidates; }

/* No field's name begins with a dollar. */
omen_str omen_search_rerank_name(const omen_read_op *op) {
    const omen_search_op *s = op->search;
    omen_str name = op->coll->schema.schema.multis[s->reranking->ask.field].name;
    for (uint32_t l = 0; l < s->leg_count; l++)
        if (omen_str_equal(s->names[l], name)) return OMEN_STR("$rerank");
    return name;
}

void omen_search_rerank_free(omen_read_op *op) {
    if (op->search->reranking == NULL) return;
    omen_multi_compare_deinit(&op->search->reranking->compare);
    op->search->reranking = NULL;
}

/* Where diversity or groups choose later, all that was found is compared. */
static omen_status begin(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_reranking *r = s->reranking;
    r->count = s->ask.mmr || s->ask.group.len != 0 ? s->count : OMEN_MIN(s->count, r->candidates);
    r->at = r->kept = 0;
    r->hits = omen_arena_alloc(&op->arena, r->count * sizeof *r->hits + 8, 8);
    return r->hits != NULL ? OMEN_OK : out_of_memory(err);
}

static omen_status keep(omen_read_op *op, const omen_hit *hit, float score, omen_error *err) {
    omen_search_op *s = op->search;
    float *subs = omen_arena_alloc(&op->arena, (s->leg_count + 1) * sizeof *subs, 8);
    if (subs == NULL) return out_of_memory(err);
    if (hit->subs != NULL) memcpy(subs, hit->subs, s->leg_count * sizeof *subs);
    else subs[0] = hit->score;
    subs[s->leg_count] = score;
    omen_hit *to = &s->reranking->hits[s->reranking->kept++];
    *to = *hit;
    to->score = score;
    to->subs = subs;
    return OMEN_OK;
}

static omen_status compare(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_reranking *r = s->reranking;
    for (; r->at < r->count; r->at++) {
        const omen_hit *hit = &s->hits[r->at];
        bool any;
        float score;
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        OMEN_TRY(omen_multi_compare_row(&r->compare, &s->places[hit->candidate->source], hit->candidate->row, &any, &score, err));
        if (any && score >= s->ask.min_score) OMEN_TRY(keep(op, hit, score, err));
    }
    return OMEN_OK;
}

static bool before(void *arg, const void *x, const void *y) {
    const omen_hit *a = x, *b = y;
    (void)arg;
    if (a->score != b->score) return a->score > b->score;
    return omen_key_compare(omen_candidate_key(a->candidate), omen_candidate_key(b->candidate)) < 0;
}

omen_status omen_search_rerank(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_reranking *r = s->reranking;
    uint64_t begun = op->db->host->ticks_ns(op->db->host->ctx);
    if (r->hits == NULL) OMEN_TRY(begin(op, err));
    omen_status st = compare(op, err);
    r->ns += op->db->host->ticks_ns(op->db->host->ctx) - begun;
    if (st != OMEN_OK) return st;
    omen_sort(r->hits, r->kept, sizeof *r->hits, before, NULL);
    s->hits = r->hits;
    s->count = s->ask.mmr || s->ask.group.len != 0 ? r->kept : OMEN_MIN(r->kept, s->k);
    r->hits = NULL;
    return OMEN_OK;
}

void omen_search_rerank_explain(const omen_read_op *op, omen_jw *w) {
    const struct omen_search_reranking *r = op->search->reranking;
    omen_jw_key(w, "rerank");
    omen_jw_object(w);
    omen_jw_key(w, "field");
    omen_jw_str(w, op->coll->schema.schema.multis[r->ask.field].name);
    omen_jw_key(w, "candidates");
    omen_jw_u64(w, r->count);
    omen_multi_compare_explain(&r->compare, r->ns, w);
    omen_jw_object_end(w);
}
