/* search_examples.c - "recommend": records like these and unlike those. The examples' vectors are read, and one query vector is made of them, or every row is held against each. */
#include "column/element.h"
#include "db/search.h"
#include "query/recommend.h"

struct omen_search_examples {
    uint32_t field, at;
    bool placed, each; /* each: of the strategy "best" */
    omen_recommend_best best;
    omen_place place;
    const void **vectors; /* as callers give them: positive, then negative */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading examples"); }

static omen_status read_ids(omen_read_op *op, const char *name, const omen_json_val *v, omen_rows *out, omen_error *err) {
    uint32_t count = (uint32_t)omen_json_count(v), n = 0;
    if (v == NULL || omen_json_is_null(v)) return OMEN_OK;
    if (!omen_json_is_array(v) || omen_json_count(v) > OMEN_RECOMMEND_EXAMPLES) return omen_fail(err, OMEN_ERR_INVALID, "recommend.%s must be an array of at most %u ids", name, OMEN_RECOMMEND_EXAMPLES);
    omen_id *ids = omen_arena_alloc(&op->arena, count * sizeof *ids + 8, 8);
    if (ids == NULL) return out_of_memory(err);
    omen_json_iter it = omen_json_iter_of(v);
    for (const omen_json_val *at; (at = omen_json_next(&it)) != NULL; n++) {
        ids[n] = (omen_id){{NULL, 0}, 0};
        if (!omen_json_str(at, &ids[n].text) && !omen_json_i64(at, &ids[n].number)) return omen_fail(err, OMEN_ERR_INVALID, "recommend.%s: an id must be a string or an integer", name);
    }
    OMEN_TRY(omen_rows_from_ids(out, &op->arena, ids, count, err));
    return omen_rows_check_ids(out, &op->db->mem, &op->arena, true, err);
}

typedef struct example_reader { omen_read_op *op; omen_str field; bool each; omen_error *err; } example_reader;

static omen_status read_member(void *arg, omen_str key, const omen_json_val *v) {
    example_reader *r = arg;
    omen_str text = {"", 0};
    if (omen_str_equal(key, OMEN_STR("positive"))) return read_ids(r->op, "positive", v, &r->op->search->positive, r->err);
    if (omen_str_equal(key, OMEN_STR("negative"))) return read_ids(r->op, "negative", v, &r->op->search->negative, r->err);
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("field"))) return omen_json_str(v, &r->field) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "recommend.field must be a string");
    if (omen_str_equal(key, OMEN_STR("strategy"))) {
        r->each = omen_json_str(v, &text) && omen_str_equal(text, OMEN_STR("best"));
        if (r->each || omen_str_equal(text, OMEN_STR("average"))) return OMEN_OK;
        return omen_fail(r->err, OMEN_ERR_INVALID, "recommend.strategy must be \"average\" or \"best\"");
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "recommend has no \"%.*s\"; there are positive, negative, field and strategy", (int)OMEN_MIN(key.len, 60), key.data);
}

omen_status omen_search_examples_read(omen_read_op *op, const omen_query *q, omen_error *err) {
    omen_search_op *s = op->search;
    example_reader r = {op, OMEN_STR(""), false, err};
    struct omen_search_examples *e = omen_arena_alloc(&op->arena, sizeof *e, 8);
    if (e == NULL) return out_of_memory(err);
    memset(e, 0, sizeof *e);
    if (!omen_json_is_object(s->ask.recommend)) return omen_fail(err, OMEN_ERR_INVALID, "recommend must be an object: {\"positive\": [ids], \"negative\": [ids]}");
    OMEN_TRY(omen_json_each(s->ask.recommend, read_member, &r));
    if (s->positive.count == 0) return omen_fail(err, OMEN_ERR_INVALID, "recommend names no positive example; give the ids of records to be like");
    OMEN_TRY(omen_schema_field(&op->coll->schema.schema, r.field, &e->field, err));
    for (uint32_t i = 0; i < s->vector_count; i++)
        if (s->vectors[i].ask.field == e->field) return omen_fail(err, OMEN_ERR_INVALID, "recommend and a query vector are of the same field; leave one out");
    uint32_t count = s->positive.count + s->negative.count;
    e->vectors = omen_arena_alloc(&op->arena, count * sizeof *e->vectors + 8, 8);
    if (e->vectors == NULL) return out_of_memory(err);
    e->each = r.each;
    s->examples = e;
    /* Its leg is a vector leg like others; the vector comes later. */
    const omen_vector_field *f = &op->coll->schema.schema.vectors[e->field];
    s->vectors[s->vector_count++] = (omen_search_vector){.ask = {.field = e->field, .dimensions = f->dimensions, .recall = q->recall, .ef = q->ef, .nprobe = q->nprobe, .exact = q->exact != 0, .plan = s->ask.plan}};
    s->names[s->leg_count] = f->name;
    s->weights[s->leg_count++] = 1.0f;
    return OMEN_OK;
}

static omen_status read_vector(omen_read_op *op, const omen_part_field *type, omen_error *err) {
    struct omen_search_examples *e = op->search->examples;
    size_t given = omen_element_given_bytes(type->element, type->dimensions), stored = omen_element_bytes(type->element, type->dimensions);
    uint8_t *into = omen_arena_alloc(&op->arena, given, 64);
    if (into == NULL) return out_of_memory(err);
    if (e->place.part != NULL) {
        OMEN_TRY(omen_part_vector(e->place.part->part, e->place.row, e->field, into + given - stored, err));
        omen_element_give(type->element, type->dimensions, into + given - stored, into);
    } else {
        omen_element_give(type->element, type->dimensions, omen_memtable_vectors(op->v->tables[e->place.row].table, e->field, e->place.entry->row, NULL), into);
    }
    e->vectors[e->at] = into;
    return OMEN_OK;
}

static void set_query(omen_search_op *s, const void *vector, const omen_recommend_best *best) {
    for (uint32_t i = 0; i < s->vector_count; i++) {
        if (s->vectors[i].ask.field != s->examples->field) continue;
        s->vectors[i].ask.vector = vector;
        s->vectors[i].ask.best = best;
    }
}

omen_status omen_search_examples_step(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_examples *e = s->examples;
    const omen_part_field *type = &op->coll->schema.fields[e->field];
    for (uint32_t count = s->positive.count + s->negative.count; e->at < count; e->at++, e->placed = false) {
        bool liked = e->at < s->positive.count;
        const omen_rows *rows = liked ? &s->positive : &s->negative;
        uint32_t i = liked ? e->at : e->at - s->positive.count;
        if (!e->placed) {
            OMEN_TRY(omen_snapshot_find(&op->snapshot, op->v, omen_rows_key(rows, i), rows->hashes[i], &e->place, err));
            if (e->place.entry == NULL && e->place.part == NULL) {
                char id[80];
                omen_key_print(omen_rows_key(rows, i), id, sizeof id);
                return omen_fail(err, OMEN_ERR_NOT_FOUND, "record %s, an example of recommend, does not exist", id);
            }
            e->placed = true;
        }
        OMEN_TRY(read_vector(op, type, err));
    }
    omen_examples examples = {.metric = (omen_metric)type->metric, .element = (omen_element)type->element, .dimensions = type->dimensions, .positive = e->vectors,
                              .negative = e->vectors + s->positive.count, .positive_count = s->positive.count, .negative_count = s->negative.count};
    if (e->each) {
        OMEN_TRY(omen_recommend_best_init(&e->best, &op->db->mem, &examples, err));
        set_query(s, e->vectors[0], &e->best);
        return OMEN_OK;
    }
    void *query = omen_arena_alloc(&op->arena, omen_element_given_bytes(type->element, type->dimensions), 64);
    if (query == NULL) return out_of_memory(err);
    OMEN_TRY(omen_recommend_average(&op->db->mem, &examples, query, err));
    set_query(s, query, NULL);
    return OMEN_OK;
}

/* The rest lies in the arena. */
void omen_search_examples_free(omen_read_op *op) {
    if (op->search->examples != NULL) omen_recommend_best_deinit(&op->search->examples->best);
    op->search->examples = NULL;
}

static bool among(const omen_rows *rows, omen_key key) {
    for (uint32_t i = 0; i < rows->count; i++)
        if (omen_key_equal(omen_rows_key(rows, i), key)) return true;
    return false;
}

bool omen_search_is_example(const omen_read_op *op, omen_key key) { return among(&op->search->positive, key) || among(&op->search->negative, key); }
