/* search_diverse.c - maximal marginal relevance over the best hits: their vectors are read, and those chosen come first. What is no candidate follows as it was. */
#include "column/element.h"
#include "db/search.h"

struct omen_search_mmr {
    omen_mem *mem;
    omen_mmr mmr;
    uint32_t count, at; /* hits; whose vectors were read */
    size_t row_bytes, bytes;
    uint8_t *vectors;
    float *norms, *relevance;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory making hits diverse; ask for fewer candidates"); }

/* However many hits there are: each that is chosen is compared with all candidates. */
static uint32_t candidates(const omen_search_op *s) {
    uint32_t asked = s->ask.mmr_candidates != 0 ? s->ask.mmr_candidates : 4u * s->k;
    return OMEN_MIN(s->count, OMEN_MAX(asked, s->k));
}

static omen_status begin(omen_read_op *op, const omen_part_field *field, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_mmr *x = omen_arena_alloc(&op->arena, sizeof *x, 8);
    if (x == NULL) return out_of_memory(err);
    memset(x, 0, sizeof *x);
    x->mem = &op->db->mem;
    x->row_bytes = omen_element_bytes(field->element, field->dimensions);
    x->count = candidates(s);
    if (!omen_mul(x->count, x->row_bytes, &x->bytes) || x->bytes == SIZE_MAX) return out_of_memory(err);
    x->relevance = omen_arena_alloc(&op->arena, x->count * sizeof(float) + 8, 8);
    x->norms = omen_arena_alloc(&op->arena, x->count * sizeof(float) + 8, 8);
    x->vectors = omen_alloc(x->mem, x->bytes + 1);
    s->mmr = x;
    if (x->vectors == NULL || x->norms == NULL || x->relevance == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < x->count; i++) x->relevance[i] = s->hits[i].score;
    return OMEN_OK;
}

void omen_search_diversify_free(omen_read_op *op) {
    struct omen_search_mmr *x = op->search->mmr;
    if (x == NULL) return;
    omen_mmr_deinit(&x->mmr);
    if (x->vectors != NULL) omen_free(x->mem, x->vectors, x->bytes + 1);
    op->search->mmr = NULL;
}

omen_status omen_search_diversify(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    uint32_t f = s->vectors[0].ask.field;
    const omen_part_field *field = &op->coll->schema.fields[f];
    if (s->count == 0) return OMEN_OK;
    if (s->mmr == NULL) OMEN_TRY(begin(op, field, err));
    struct omen_search_mmr *x = s->mmr;
    for (; x->at < x->count; x->at++) {
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        const omen_candidate *c = s->hits[x->at].candidate;
        omen_place place = omen_source_place(&s->places[c->source], c->row);
        uint8_t *into = x->vectors + x->at * x->row_bytes;
        size_t done = 0;
        bool cosine = field->metric == OMEN_METRIC_COSINE;
        if (place.part != NULL) {
            OMEN_TRY(omen_part_vector(place.part->part, place.row, f, into, err));
            if (cosine) OMEN_TRY(omen_part_norms(place.part->part, f, place.row, 1, &x->norms[x->at], &done, err));
        } else {
            memcpy(into, omen_memtable_vectors(op->v->tables[place.row].table, f, place.entry->row, NULL), x->row_bytes);
            if (cosine) x->norms[x->at] = *omen_memtable_norms(op->v->tables[place.row].table, f, place.entry->row, NULL);
        }
    }
    omen_mmr_ask ask = {.metric = (omen_metric)field->metric, .element = (omen_element)field->element, .dimensions = field->dimensions, .count = x->count, .vectors = x->vectors,
                        .norms = x->norms, .relevance = x->relevance, .lambda = s->ask.mmr_lambda};
    OMEN_TRY(omen_mmr_init(&x->mmr, x->mem, &ask, err));
    /* With groups all are wanted: which of them are left is decided afterwards. */
    bool groups = s->ask.group.len != 0;
    uint32_t want = groups ? x->count : OMEN_MIN(s->k, x->count), chosen, n = 0;
    omen_hit *hits = omen_arena_alloc(&op->arena, (groups ? s->count : want) * sizeof *hits + 8, 8);
    if (hits == NULL) return out_of_memory(err);
    for (; n < want && omen_mmr_next(&x->mmr, &chosen); n++) {
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        hits[n] = s->hits[chosen];
    }
    for (; groups && n < s->count; n++) hits[n] = s->hits[n];
    s->hits = hits;
    s->count = n;
    omen_search_diversify_free(op);
    return OMEN_OK;
}
