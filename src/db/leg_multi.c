#include "db/leg_multi.h"

#include "column/element.h"
#include "column/multi.h"
#include "query/deadline.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search by several vectors"); }

/* ---- what is asked for ---- */

omen_status omen_multi_ask_read(const omen_schema *s, const omen_json_val *v, const char *what, omen_arena *arena, omen_multi_ask *out, omen_error *err) {
    const omen_json_val *field = omen_json_get(v, "field"), *vectors = omen_json_get(v, "vectors"), *weight = omen_json_get(v, "weight");
    omen_str name = OMEN_STR("");
    char place[40];
    double d = 1.0;
    *out = (omen_multi_ask){.weight = 1.0f};
    if (!omen_json_is_object(v) || vectors == NULL || (field != NULL && !omen_json_is_null(field) && !omen_json_str(field, &name)))
        return omen_fail(err, OMEN_ERR_INVALID, "%s must be an object: {\"field\": \"tokens\", \"vectors\": [[0.1, 0.2], [0.3, 0.4]]}", what);
    if (omen_json_count(v) != 1u + (field != NULL) + (weight != NULL)) return omen_fail(err, OMEN_ERR_INVALID, "%s has a member that is not known; there are field, vectors and weight", what);
    if (weight != NULL && !omen_json_is_null(weight) && (!omen_json_f64(weight, &d) || !(d >= 0.0 && d <= 1e6)))
        return omen_fail(err, OMEN_ERR_INVALID, "%s.weight must be a number of 0 to 1000000", what);
    out->weight = (float)d;
    OMEN_TRY(omen_schema_multi(s, name, &out->field, err));
    const omen_multi_field *f = &s->multis[out->field];
    omen_part_field type = {f->dimensions, (uint32_t)f->metric, OMEN_ELEMENT_F32}; /* what is asked with is not rounded */
    omen_multi read;
    omen_format(place, sizeof place, "%s.vectors", what);
    OMEN_TRY(omen_multi_read(vectors, &type, OMEN_MAXSIM_QUERIES, place, arena, &read, err));
    if (read.count == 0) return omen_fail(err, OMEN_ERR_INVALID, "%s.vectors is null; give an array of vectors", what);
    out->vectors = read.vectors;
    out->count = read.count;
    return OMEN_OK;
}

/* ---- single rows ---- */

omen_status omen_multi_compare_init(omen_multi_compare *c, omen_db *db, const omen_schema *s, const omen_multi_ask *ask, omen_error *err) {
    const omen_multi_field *f = &s->multis[ask->field];
    *c = (omen_multi_compare){.ask = *ask};
    return omen_maxsim_init(&c->sim, &db->mem, f->element, f->dimensions, ask->vectors, ask->count, err);
}

void omen_multi_compare_deinit(omen_multi_compare *c) { omen_maxsim_deinit(&c->sim); }

static omen_status part_rows(omen_multi_compare *c, omen_part *p, uint32_t row, omen_error *err) {
    if (!c->found) {
        OMEN_TRY(omen_part_multi_find(p, c->ask.field, row, &c->next, &c->left, err));
        omen_maxsim_begin(&c->sim);
        c->found = true;
    }
    while (c->left != 0) {
        const omen_block *block;
        const void *vectors;
        uint32_t run;
        OMEN_TRY(omen_part_multi_block(p, c->ask.field, c->next, &block, &vectors, &run, err));
        run = OMEN_MIN(run, c->left);
        omen_maxsim_rows(&c->sim, vectors, run);
        omen_block_release(p->store->pool, block);
        c->next += run;
        c->left -= run;
    }
    return OMEN_OK;
}

omen_status omen_multi_compare_row(omen_multi_compare *c, const omen_source *s, uint32_t row, bool *any, float *score, omen_error *err) {
    if (s->table != NULL) {
        omen_multi m = omen_memtable_multi(s->table, c->ask.field, row);
        omen_maxsim_begin(&c->sim);
        omen_maxsim_rows(&c->sim, m.vectors, m.count);
    } else {
        OMEN_TRY(part_rows(c, s->part->part, row, err));
    }
    c->found = false;
    c->records += c->sim.rows != 0;
    c->vectors += c->sim.rows;
    c->bytes += c->sim.rows * omen_element_bytes(c->sim.element, c->sim.dimensions);
    *any = omen_maxsim_score(&c->sim, score);
    return OMEN_OK;
}

void omen_multi_compare_explain(const omen_multi_compare *c, uint64_t ns, omen_jw *w) {
    const struct { const char *name; uint64_t value; } numbers[] = {{"queryVectors", c->ask.count}, {"records", c->records}, {"vectors", c->vectors}, {"bytes", c->bytes}, {"microseconds", ns / 1000}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(numbers); i++) {
        omen_jw_key(w, numbers[i].name);
        omen_jw_u64(w, numbers[i].value);
    }
}

/* ---- the leg ---- */

omen_status omen_multi_leg_init(omen_multi_leg *l, omen_db *db, omen_arena *arena, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select, const omen_multi_ask *ask,
                                uint32_t k, omen_error *err) {
    *l = (omen_multi_leg){.db = db, .v = v, .select = select, .source_count = v->table_count + v->part_count};
    omen_topk_init(&l->top, &db->mem, k);
    OMEN_TRY(omen_multi_compare_init(&l->compare, db, &v->coll->schema.schema, ask, err));
    return omen_sources_list(arena, snapshot, v, UINT32_MAX, select, &l->sources, &l->scan, err);
}

void omen_multi_leg_deinit(omen_multi_leg *l) {
    if (l->db == NULL) return;
    omen_multi_compare_deinit(&l->compare);
    omen_topk_deinit(&l->top);
    *l = (omen_multi_leg){0};
}

/* The next row from `row` on that may be a hit, as far as its part's columns know. */
static uint32_t next_row(const omen_multi_leg *l, uint32_t row) {
    const omen_source *s = &l->sources[l->source];
    const omen_bits *may = l->select == NULL || s->part == NULL ? NULL : l->select->parts[s->number].may;
    if (s->part != NULL && s->part->part->multi[l->compare.ask.field].count == 0) return s->rows;
    while (may != NULL && row < s->rows && !omen_bits_test(may, row)) row = may->words[row >> 6] >> (row & 63) == 0 ? (row | 63) + 1 : row + 1;
    return OMEN_MIN(row, s->rows);
}

static omen_status look(omen_multi_leg *l, omen_error *err) {
    const omen_source *s = &l->sources[l->source];
    bool any;
    float score;
    if (!l->seen) {
        OMEN_TRY(omen_deadline_check(l->db->host, l->deadline_ns, err));
        OMEN_TRY(l->scan[l->source].ops->row(l->scan[l->source].ctx, l->row, l->bytes, &l->key, &l->live, err));
        l->seen = true;
    }
    if (l->live) {
        OMEN_TRY(omen_multi_compare_row(&l->compare, s, l->row, &any, &score, err));
        if (any && omen_topk_open(&l->top, -score) && omen_topk_push(&l->top, -score, l->source, l->row, l->key) != OMEN_OK) return out_of_memory(err);
    }
    l->seen = false;
    return OMEN_OK;
}

omen_status omen_multi_leg_step(omen_multi_leg *l, omen_error *err) {
    uint64_t begun = l->db->host->ticks_ns(l->db->host->ctx);
    omen_status s = OMEN_OK;
    for (; !l->done && l->source < l->source_count && s == OMEN_OK; l->source += s == OMEN_OK) {
        uint32_t rows = l->sources[l->source].rows;
        for (l->row = next_row(l, l->row); l->row < rows && s == OMEN_OK; l->row = s == OMEN_OK ? next_row(l, l->row + 1) : l->row) s = look(l, err);
        if (s == OMEN_OK) l->row = 0;
    }
    l->ns += l->db->host->ticks_ns(l->db->host->ctx) - begun;
    if (s != OMEN_OK || l->done) return s;
    omen_topk_sort(&l->top);
    omen_counter_add(&l->db->metrics.distances, l->compare.vectors * l->compare.ask.count);
    omen_counter_add(&l->db->metrics.scanned_bytes, l->compare.bytes);
    l->done = true;
    return OMEN_OK;
}
