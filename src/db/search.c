/* search.c - a search over a snapshot: the filter selects, the legs find, fusion makes one ranking of what they found; hits may then be made diverse, grouped, counted; at the end
 * come their documents and vectors. */
#include "db/search.h"

#include "column/element.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search"); }

/* ---- what is asked for ---- */

static omen_status read_filter(omen_read_op *op, const omen_query *q, omen_error *err) {
    const omen_json_val *v = op->search->ask.filter;
    omen_str text = q->filter;
    if (v == NULL) return omen_read_op_filter(op, text, err);
    if (text.len != 0) return omen_fail(err, OMEN_ERR_INVALID, "two filters are given; join them by $and, or by AND");
    return omen_read_op_filter_json(op, v, err);
}

static omen_status add_name(omen_search_op *s, omen_str name, float weight, omen_error *err) {
    for (uint32_t i = 0; i < s->leg_count; i++)
        if (omen_str_equal(s->names[i], name)) return omen_fail(err, OMEN_ERR_INVALID, "\"%.*s\" is asked for twice", (int)name.len, name.data);
    s->names[s->leg_count] = name;
    s->weights[s->leg_count++] = weight;
    return OMEN_OK;
}

static omen_status add_vector(omen_read_op *op, const omen_query *q, omen_str field, const void *vector, uint32_t dimensions, float weight, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_schema *schema = &op->coll->schema.schema;
    uint32_t f;
    OMEN_TRY(omen_schema_field(schema, field, &f, err));
    if (!(weight >= 0.0f && weight <= 1e6f)) return omen_fail(err, OMEN_ERR_INVALID, "the weight of \"%.*s\" must be a number of 0 to 1000000", (int)field.len, field.data);
    OMEN_TRY(add_name(s, schema->vectors[f].name, weight, err));
    omen_vector_ask *ask = &s->vectors[s->vector_count++].ask;
    *ask = (omen_vector_ask){.field = f, .dimensions = dimensions, .vector = vector, .recall = q->recall, .ef = q->ef, .nprobe = q->nprobe, .exact = q->exact != 0, .plan = s->ask.plan};
    if (vector == NULL) return omen_fail(err, OMEN_ERR_INVALID, "the query has no vector; give one of %u dimensions", schema->vectors[f].dimensions);
    if (dimensions != schema->vectors[f].dimensions) return OMEN_OK; /* the leg says so */
    size_t bytes = omen_element_given_bytes(schema->vectors[f].element, dimensions);
    void *copy = omen_arena_alloc(&op->arena, bytes, 64);
    if (copy == NULL) return out_of_memory(err);
    ask->vector = memcpy(copy, vector, bytes);
    return OMEN_OK;
}

/* {"title": 2} or ["title"] */
static omen_status read_text_fields(omen_read_op *op, const omen_json_val *v, omen_text_ask *ask, omen_error *err) {
    uint32_t count = (uint32_t)OMEN_MIN(omen_json_count(v), (size_t)OMEN_MAX_TEXT_FIELDS);
    omen_text_field_weight *fields = omen_arena_alloc(&op->arena, count * sizeof *fields + 8, 8);
    if (fields == NULL) return out_of_memory(err);
    ask->fields = fields;
    if (!omen_json_is_object(v) && !omen_json_is_array(v)) return omen_fail(err, OMEN_ERR_INVALID, "text.fields must be an array of names, or an object of names and weights");
    if (omen_json_count(v) > count) return omen_fail(err, OMEN_ERR_INVALID, "text.fields names more than %u fields", OMEN_MAX_TEXT_FIELDS);
    if (omen_json_is_array(v)) {
        omen_json_iter it = omen_json_iter_of(v);
        for (const omen_json_val *at; (at = omen_json_next(&it)) != NULL; ask->field_count++) {
            if (!omen_json_str(at, &fields[ask->field_count].name)) return omen_fail(err, OMEN_ERR_INVALID, "text.fields must be names");
            fields[ask->field_count].weight = -1.0f;
        }
        return OMEN_OK;
    }
    for (uint32_t i = 0; i < op->coll->schema.schema.text_count; i++) {
        omen_str name = op->coll->schema.schema.texts[i].name;
        const omen_json_val *w = omen_json_get_str(v, name);
        double d;
        if (w == NULL) continue;
        if (!omen_json_f64(w, &d) || !(d >= 0.0 && d <= 1e6)) return omen_fail(err, OMEN_ERR_INVALID, "text.fields: the weight of \"%.*s\" must be a number of 0 to 1000000", (int)name.len, name.data);
        fields[ask->field_count++] = (omen_text_field_weight){name, (float)d};
    }
    return ask->field_count == count ? OMEN_OK : omen_fail(err, OMEN_ERR_INVALID, "text.fields names a field that is no text field of the collection");
}

typedef struct text_reader { omen_read_op *op; omen_text_ask *ask; omen_error *err; } text_reader;

static omen_status read_text_member(void *arg, omen_str key, const omen_json_val *v) {
    text_reader *r = arg;
    omen_str text = {"", 0};
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("query"))) return omen_json_str(v, &r->ask->text) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "text.query must be a string");
    if (omen_str_equal(key, OMEN_STR("fields"))) return read_text_fields(r->op, v, r->ask, r->err);
    if (omen_str_equal(key, OMEN_STR("operator"))) {
        r->ask->all = omen_json_str(v, &text) && omen_str_equal(text, OMEN_STR("and"));
        return r->ask->all || omen_str_equal(text, OMEN_STR("or")) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "text.operator must be \"or\" or \"and\"");
    }
    if (omen_str_equal(key, OMEN_STR("typos"))) return omen_json_bool(v, &r->ask->typos) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "text.typos must be true or false");
    if (omen_str_equal(key, OMEN_STR("prefix"))) return omen_json_bool(v, &r->ask->begun) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "text.prefix must be true or false");
    return omen_fail(r->err, OMEN_ERR_INVALID, "text has no \"%.*s\"; there are query, fields, operator, typos and prefix", (int)OMEN_MIN(key.len, 60), key.data);
}

/* No field's name begins with a dollar. */
static omen_str name_of_words(const omen_schema *s) {
    bool taken = false;
    for (uint32_t i = 0; i < s->vector_count; i++) taken = taken || omen_str_equal(s->vectors[i].name, OMEN_STR("text"));
    for (uint32_t i = 0; i < s->sparse_count; i++) taken = taken || omen_str_equal(s->sparse[i], OMEN_STR("text"));
    for (uint32_t i = 0; i < s->multi_count; i++) taken = taken || omen_str_equal(s->multis[i].name, OMEN_STR("text"));
    return taken ? OMEN_STR("$text") : OMEN_STR("text");
}

static omen_status read_text(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_json_val *v = s->ask.text;
    text_reader r = {op, &s->words, err};
    if (v == NULL) return OMEN_OK;
    s->words = (omen_text_ask){.text = OMEN_STR(""), .k1 = -1.0f, .b = -1.0f};
    s->has_words = true;
    if (!omen_json_str(v, &s->words.text)) {
        if (!omen_json_is_object(v)) return omen_fail(err, OMEN_ERR_INVALID, "text must be a string, or an object: {\"query\": ..., \"fields\": ...}");
        OMEN_TRY(omen_json_each(v, read_text_member, &r));
    }
    return add_name(s, name_of_words(&op->coll->schema.schema), 1.0f, err);
}

static omen_status read_sparse(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_json_val *v = s->ask.sparse;
    if (v == NULL) return OMEN_OK;
    const omen_json_val *field = omen_json_get(v, "field"), *indices = omen_json_get(v, "indices"), *values = omen_json_get(v, "values"), *at;
    omen_text_ask *ask = &s->sparse_ask;
    const char *form = "sparse must be an object: {\"field\": ..., \"indices\": [...], \"values\": [...]}, as many values as indices";
    *ask = (omen_text_ask){.sparse = true, .sparse_field = OMEN_STR(""), .k1 = -1.0f, .b = -1.0f, .count = (uint32_t)OMEN_MIN(omen_json_count(indices), (size_t)UINT32_MAX)};
    s->has_sparse = true;
    if (!omen_json_is_object(v) || !omen_json_is_array(indices) || !omen_json_is_array(values) || omen_json_count(values) != ask->count) return omen_fail(err, OMEN_ERR_INVALID, "%s", form);
    if (field != NULL && !omen_json_is_null(field) && !omen_json_str(field, &ask->sparse_field)) return omen_fail(err, OMEN_ERR_INVALID, "%s", form);
    if (ask->count > OMEN_TEXT_ITEMS) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the sparse vector has %u indices; at most %u are allowed", ask->count, OMEN_TEXT_ITEMS);
    uint32_t *i = omen_arena_alloc(&op->arena, ask->count * sizeof *i + 8, 8), n = 0;
    float *w = omen_arena_alloc(&op->arena, ask->count * sizeof *w + 8, 8);
    if (i == NULL || w == NULL) return out_of_memory(err);
    omen_json_iter it = omen_json_iter_of(indices);
    for (; (at = omen_json_next(&it)) != NULL; n++) {
        uint64_t number;
        if (!omen_json_u64(at, &number) || number > UINT32_MAX) return omen_fail(err, OMEN_ERR_INVALID, "sparse.indices must be integers of 0 to %u", UINT32_MAX);
        i[n] = (uint32_t)number;
    }
    it = omen_json_iter_of(values);
    for (n = 0; (at = omen_json_next(&it)) != NULL; n++) {
        double number;
        if (!omen_json_f64(at, &number)) return omen_fail(err, OMEN_ERR_INVALID, "sparse.values must be numbers");
        w[n] = (float)number;
    }
    ask->indices = i;
    ask->values = w;
    const omen_schema *schema = &op->coll->schema.schema;
    return add_name(s, ask->sparse_field.len == 0 && schema->sparse_count == 1 ? schema->sparse[0] : ask->sparse_field, 1.0f, err);
}

static omen_status read_multi(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_schema *schema = &op->coll->schema.schema;
    if (s->ask.multi == NULL) return OMEN_OK;
    OMEN_TRY(omen_multi_ask_read(schema, s->ask.multi, "multi", &op->arena, &s->multi_ask, err));
    s->has_multi = true;
    return add_name(s, schema->multis[s->multi_ask.field].name, s->multi_ask.weight, err);
}

typedef struct weight_reader { omen_search_op *s; omen_error *err; } weight_reader;

static omen_status read_weight(void *arg, omen_str key, const omen_json_val *v) {
    weight_reader *r = arg;
    double d;
    for (uint32_t i = 0; i < r->s->leg_count; i++) {
        if (!omen_str_equal(key, r->s->names[i])) continue;
        if (!omen_json_f64(v, &d) || !(d >= 0.0 && d <= 1e6)) return omen_fail(r->err, OMEN_ERR_INVALID, "the weight of \"%.*s\" must be a number of 0 to 1000000", (int)key.len, key.data);
        r->s->weights[i] = (float)d;
        return OMEN_OK;
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "weights names \"%.*s\", which the search does not ask for", (int)OMEN_MIN(key.len, 60), key.data);
}

/* Later stages choose among more hits than are wanted in the end. */
static uint32_t depth_of(const omen_read_op *op) {
    const omen_search_op *s = op->search;
    uint64_t depth = s->k;
    if (s->leg_count > 1) depth = OMEN_MAX(depth, OMEN_FUSE_DEPTH);
    if (s->ask.mmr) depth = OMEN_MAX(depth, s->ask.mmr_candidates != 0 ? s->ask.mmr_candidates : 4u * (uint64_t)s->k);
    if (s->ask.group.len != 0) depth = OMEN_MAX(depth, OMEN_MAX(4u * (uint64_t)s->k * s->ask.group_size, 100u));
    if (s->reranking != NULL) depth = OMEN_MAX(depth, omen_search_rerank_candidates(op));
    depth += s->positive.count + s->negative.count;
    return (uint32_t)OMEN_MIN(depth, OMEN_MAX_K);
}

static omen_status read_ask(omen_read_op *op, const omen_query *q, const omen_json_val *root, omen_error *err) {
    omen_search_op *s = op->search;
    bool strict = root == NULL;
    if (strict && q->options.len != 0) {
        OMEN_TRY(omen_json_parse(&op->db->mem, q->options, &s->own, err));
        root = omen_json_root(s->own);
    }
    OMEN_TRY(omen_ask_read(root, strict, &s->ask, err));
    if (s->ask.deadline_ms != 0) s->deadline_ns = op->begun_ns + s->ask.deadline_ms * 1000000u;
    OMEN_TRY(read_filter(op, q, err));
    if (op->select != NULL) op->select->deadline_ns = s->deadline_ns;
    if (q->vector != NULL) OMEN_TRY(add_vector(op, q, q->field, q->vector, q->dimensions, 1.0f, err));
    for (size_t i = 0; i < q->vector_count; i++) {
        const omen_query_vector *v = &q->vectors[i];
        OMEN_TRY(add_vector(op, q, v->field, v->vector, v->dimensions, v->weight, err));
    }
    if (s->ask.recommend != NULL) OMEN_TRY(omen_search_examples_read(op, q, err));
    if (s->ask.order.len != 0) OMEN_TRY(omen_search_order_read(op, err));
    else if (s->vector_count == 0 && s->ask.text == NULL && s->ask.sparse == NULL && s->ask.multi == NULL) return add_vector(op, q, q->field, NULL, 0, 1.0f, err); /* says what is missing */
    OMEN_TRY(read_text(op, err));
    OMEN_TRY(read_sparse(op, err));
    OMEN_TRY(read_multi(op, err));
    if (s->ask.rerank != NULL) OMEN_TRY(omen_search_rerank_read(op, err));
    weight_reader reader = {s, err};
    if (s->ask.weights != NULL) OMEN_TRY(omen_json_each(s->ask.weights, read_weight, &reader));
    if (s->ask.mmr && s->vector_count == 0 && s->ask.recommend == NULL) return omen_fail(err, OMEN_ERR_INVALID, "mmr compares vectors: search by one, too");
    if (s->ask.facets != NULL) OMEN_TRY(omen_search_facets_read(op, err));
    if (s->ask.highlight != NULL) OMEN_TRY(omen_search_marks_read(op, err));
    s->depth = depth_of(op);
    return OMEN_OK;
}

uint32_t omen_search_fields(const omen_read_op *op) {
    const omen_search_op *s = op->search;
    uint32_t f;
    omen_error ignored;
    if (s->vector_count != 0) return s->vectors[0].ask.field;
    return omen_schema_field(&op->coll->schema.schema, OMEN_STR(""), &f, &ignored) == OMEN_OK ? f : 0;
}

static void end_legs(omen_search_op *s) {
    for (uint32_t i = 0; i < s->vector_count && s->vector_legs != NULL; i++) omen_vector_leg_deinit(&s->vector_legs[i]);
    if (s->has_words) omen_text_leg_deinit(&s->text);
    if (s->has_sparse) omen_text_leg_deinit(&s->sparse);
    if (s->has_multi) omen_multi_leg_deinit(&s->multi);
    omen_fused_deinit(&s->fused);
    s->fused = (omen_fused){0};
}

void omen_search_free(omen_read_op *op) {
    omen_search_op *s = op->search;
    if (s == NULL) return;
    if (s->examples != NULL) omen_search_examples_free(op);
    if (s->ordering != NULL) omen_search_order_free(op);
    if (s->reranking != NULL) omen_search_rerank_free(op);
    if (s->mmr != NULL) omen_search_diversify_free(op);
    if (s->ask.group.len != 0) omen_search_group_free(op);
    if (s->facets != NULL) omen_search_facets_free(op);
    if (s->marks != NULL) omen_search_marks_free(op);
    end_legs(s);
    omen_json_free(s->own);
}

/* Legs (once more, where they begin again) with the depth that is wanted now. */
static omen_status begin_legs(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    end_legs(s);
    memset(s->vector_legs, 0, (s->vector_count + 1u) * sizeof *s->vector_legs);
    memset(&s->text, 0, sizeof s->text);
    memset(&s->sparse, 0, sizeof s->sparse);
    memset(&s->multi, 0, sizeof s->multi);
    s->leg = 0;
    for (uint32_t i = 0; i < s->vector_count; i++) {
        s->vectors[i].ask.k = s->depth;
        OMEN_TRY(omen_vector_leg_init(&s->vector_legs[i], op->db, &op->arena, &op->snapshot, op->v, op->select, &s->vectors[i].ask, err));
        s->vector_legs[i].exact.deadline_ns = s->deadline_ns;
    }
    s->words.k = s->sparse_ask.k = s->depth;
    s->words.deadline_ns = s->sparse_ask.deadline_ns = s->deadline_ns;
    if (s->has_words) OMEN_TRY(omen_text_leg_init(&s->text, op->db, &op->arena, &op->snapshot, op->v, op->select, &s->words, err));
    if (s->has_sparse) OMEN_TRY(omen_text_leg_init(&s->sparse, op->db, &op->arena, &op->snapshot, op->v, op->select, &s->sparse_ask, err));
    if (s->has_multi) OMEN_TRY(omen_multi_leg_init(&s->multi, op->db, &op->arena, &op->snapshot, op->v, op->select, &s->multi_ask, s->depth, err));
    s->multi.deadline_ns = s->deadline_ns;
    return OMEN_OK;
}

omen_status omen_read_op_search(omen_read_op *op, const omen_query *q, const omen_json_val *root, omen_error *err) {
    if (q->k == 0) return omen_fail(err, OMEN_ERR_INVALID, "k is 0; ask for 1 to %u hits", OMEN_MAX_K);
    if (q->k > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "k is %u; ask for 1 to %u hits", q->k, OMEN_MAX_K);
    if (q->vector_count > OMEN_MAX_VECTOR_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "%zu query vectors; at most %u are allowed", q->vector_count, OMEN_MAX_VECTOR_FIELDS);
    omen_search_op *s = op->search = omen_arena_alloc(&op->arena, sizeof *s, 64);
    if (s == NULL) return out_of_memory(err);
    memset(s, 0, sizeof *s);
    s->k = q->k;
    OMEN_TRY(read_ask(op, q, root, err));
    OMEN_TRY(omen_sources_list(&op->arena, &op->snapshot, op->v, UINT32_MAX, NULL, &s->places, &s->scan, err));
    s->vector_legs = omen_arena_alloc(&op->arena, (s->vector_count + 1u) * sizeof *s->vector_legs, 64);
    if (s->vector_legs == NULL) return out_of_memory(err);
    memset(s->vector_legs, 0, (s->vector_count + 1u) * sizeof *s->vector_legs);
    bool vectors = op->coll->schema.schema.vector_count != 0;
    op->results = omen_fetch_results(op->db, &op->coll->schema, vectors ? op->include : op->include & ~OMEN_INCLUDE_VECTOR, omen_search_fields(op));
    if (op->results == NULL) return out_of_memory(err);
    if (s->ask.recommend != NULL) return OMEN_OK; /* its vectors are read first */
    if (s->ordering != NULL) {
        s->stage = OMEN_SEARCH_ORDER;
        return OMEN_OK;
    }
    OMEN_TRY(begin_legs(op, err)); /* what is wrong with them is said now */
    s->stage = OMEN_SEARCH_LEGS_RUN;
    return OMEN_OK;
}

/* ---- legs ---- */

omen_search_leg omen_search_leg_of(const omen_search_op *s, uint32_t leg) {
    if (leg < s->vector_count) return OMEN_LEG_VECTOR;
    leg -= s->vector_count;
    if (s->has_words && leg-- == 0) return OMEN_LEG_WORDS;
    return s->has_sparse && leg == 0 ? OMEN_LEG_SPARSE : OMEN_LEG_MULTI;
}

static omen_status run_leg(omen_search_op *s, uint32_t leg, omen_error *err) {
    switch (omen_search_leg_of(s, leg)) {
        case OMEN_LEG_VECTOR: return omen_vector_leg_step(&s->vector_legs[leg], err);
        case OMEN_LEG_WORDS: return omen_text_leg_step(&s->text, err);
        case OMEN_LEG_SPARSE: return omen_text_leg_step(&s->sparse, err);
        default: return omen_multi_leg_step(&s->multi, err);
    }
}

static omen_status run_legs(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    for (; s->leg < s->leg_count; s->leg++) {
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        OMEN_TRY(run_leg(s, s->leg, err));
    }
    return OMEN_OK;
}

static const omen_topk *found_by(const omen_search_op *s, uint32_t leg) {
    switch (omen_search_leg_of(s, leg)) {
        case OMEN_LEG_VECTOR: return &s->vector_legs[leg].exact.top;
        case OMEN_LEG_WORDS: return &s->text.top;
        case OMEN_LEG_SPARSE: return &s->sparse.top;
        default: return &s->multi.top;
    }
}

static float leg_score(const omen_search_op *s, uint32_t leg, const omen_candidate *c) {
    omen_search_leg kind = omen_search_leg_of(s, leg);
    if (kind == OMEN_LEG_MULTI) return omen_multi_leg_score(c);
    if (kind != OMEN_LEG_VECTOR) return omen_text_leg_score(c);
    const omen_ranker *r = &s->vector_legs[leg].ranker;
    return omen_score_of(r, omen_distance_of(r, c->distance));
}

/* ---- one ranking ---- */

static omen_status fuse(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    omen_fuse_leg legs[OMEN_SEARCH_LEGS];
    for (uint32_t l = 0; l < s->leg_count; l++) {
        const omen_topk *top = found_by(s, l);
        float *scores = omen_arena_alloc(&op->arena, top->count * sizeof *scores + 8, 8);
        if (scores == NULL) return out_of_memory(err);
        for (uint32_t i = 0; i < top->count; i++) scores[i] = leg_score(s, l, &top->heap[i]);
        legs[l] = (omen_fuse_leg){.hits = top->heap, .scores = scores, .count = top->count, .depth = s->depth, .weight = s->weights[l]};
        omen_search_leg kind = omen_search_leg_of(s, l);
        legs[l].dense = kind == OMEN_LEG_VECTOR || kind == OMEN_LEG_MULTI;
        legs[l].floor = legs[l].dense ? __builtin_nanf("") : 0.0f;
    }
    return omen_fuse(&op->db->mem, legs, s->leg_count, &s->ask.fusion, &s->fused, err);
}

/* The first vector leg's distance of a hit; NaN where it did not list it. Where it did, the candidate is its own: fusion takes that of the first leg. */
static float distance_of(const omen_search_op *s, const float *subs, const omen_candidate *c) {
    if (s->vector_count == 0 || (subs != NULL && subs[0] != subs[0])) return __builtin_nanf("");
    return omen_distance_of(&s->vector_legs[0].ranker, c->distance);
}

static bool wanted(const omen_read_op *op, const omen_hit *h) {
    const omen_ask *a = &op->search->ask;
    if (op->search->reranking == NULL && h->score < a->min_score) return false;
    if (op->search->vector_count != 0 && !(h->distance <= a->max_distance) && a->max_distance < __builtin_inff()) return false;
    return a->recommend == NULL || !omen_search_is_example(op, omen_candidate_key(h->candidate));
}

static omen_status rank(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    bool several = s->leg_count > 1;
    if (several) OMEN_TRY(fuse(op, err));
    const omen_topk *top = found_by(s, 0);
    uint32_t count = several ? s->fused.count : top->count;
    s->hits = omen_arena_alloc(&op->arena, count * sizeof *s->hits + 8, 8);
    if (s->hits == NULL) return out_of_memory(err);
    s->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        omen_hit *h = &s->hits[s->count];
        *h = (omen_hit){.candidate = several ? s->fused.hits[i].candidate : &top->heap[i], .subs = several ? omen_fused_subs(&s->fused, i) : NULL};
        h->distance = distance_of(s, h->subs, h->candidate);
        h->score = several ? s->fused.hits[i].score : leg_score(s, 0, h->candidate);
        s->count += wanted(op, h);
    }
    if (!s->ask.mmr && s->ask.group.len == 0 && s->reranking == NULL) s->count = OMEN_MIN(s->count, s->k);
    return OMEN_OK;
}

/* Whether the legs may have more to give. */
static bool exhausted(const omen_search_op *s) {
    if (s->depth == OMEN_MAX_K) return true;
    for (uint32_t l = 0; l < s->leg_count; l++)
        if (found_by(s, l)->count >= s->depth) return false;
    return true;
}

/* ---- hits ---- */

static omen_status add_hit(omen_read_op *op, const omen_hit *h, omen_error *err) {
    omen_search_op *s = op->search;
    omen_results *r = op->results;
    op->place = omen_source_place(&s->places[h->candidate->source], h->candidate->row);
    omen_status st = omen_results_add_key(r, omen_candidate_key(h->candidate), true);
    if (st == OMEN_OK) st = omen_buf_append(&r->distances, &h->distance, sizeof h->distance);
    if (st == OMEN_OK) st = omen_buf_append(&r->scores, &h->score, sizeof h->score);
    if (st == OMEN_OK && h->subs != NULL) st = omen_buf_append(&r->subs, h->subs, omen_search_subs(s) * sizeof *h->subs);
    if (st == OMEN_OK && s->ask.group.len != 0) {
        const omen_group *g = &s->groups.all[h->group];
        st = g->value == NULL ? omen_buf_append_str(&r->groups.bytes, "null") : omen_buf_append(&r->groups.bytes, g->value, g->len);
        if (st == OMEN_OK) st = omen_results_end_text(&r->groups);
    }
    return st == OMEN_OK ? st : out_of_memory(err);
}

static omen_status name_legs(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    omen_jw w;
    if (omen_search_subs(s) == 0 || op->results->legs.len != 0) return OMEN_OK;
    omen_jw_begin(&w, &op->results->legs);
    omen_jw_array(&w);
    for (uint32_t l = 0; l < s->leg_count; l++) omen_jw_str(&w, s->names[l]);
    if (s->reranking != NULL) omen_jw_str(&w, omen_search_rerank_name(op));
    omen_jw_array_end(&w);
    op->results->leg_count = omen_search_subs(s);
    return omen_jw_end(&w) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

static omen_status fetch(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    OMEN_TRY(name_legs(op, err));
    for (; op->at < s->count; op->at++, op->placed = false) {
        if (!op->placed) {
            OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
            OMEN_TRY(add_hit(op, &s->hits[op->at], err));
            op->placed = true;
            memset(&op->fetch, 0, sizeof op->fetch);
        }
        OMEN_TRY(omen_fetch_step(&op->fetch, op->v, &op->place, op->include, omen_search_fields(op), op->results, err));
        if (s->marks != NULL) OMEN_TRY(omen_search_marks_step(op, err));
    }
    return OMEN_OK;
}

omen_status omen_search_step(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    for (;;) {
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        switch (s->stage) {
            case OMEN_SEARCH_EXAMPLES:
                OMEN_TRY(omen_search_examples_step(op, err));
                s->stage = OMEN_SEARCH_BEGIN;
                break;
            case OMEN_SEARCH_ORDER:
                OMEN_TRY(omen_search_order_step(op, err));
                s->stage = OMEN_SEARCH_COUNT;
                break;
            case OMEN_SEARCH_BEGIN:
                OMEN_TRY(begin_legs(op, err));
                s->stage = OMEN_SEARCH_LEGS_RUN;
                break;
            case OMEN_SEARCH_LEGS_RUN:
                OMEN_TRY(run_legs(op, err));
                s->stage = OMEN_SEARCH_RANK;
                break;
            case OMEN_SEARCH_RANK:
                OMEN_TRY(rank(op, err));
                s->stage = OMEN_SEARCH_RERANK;
                break;
            case OMEN_SEARCH_RERANK:
                if (s->reranking != NULL) OMEN_TRY(omen_search_rerank(op, err));
                s->stage = OMEN_SEARCH_DIVERSIFY;
                break;
            case OMEN_SEARCH_DIVERSIFY:
                if (s->ask.mmr) OMEN_TRY(omen_search_diversify(op, err));
                s->stage = OMEN_SEARCH_GROUP;
                break;
            case OMEN_SEARCH_GROUP:
                if (s->ask.group.len != 0) OMEN_TRY(omen_search_group(op, err));
                s->stage = OMEN_SEARCH_COUNT;
                /* Too few groups: the legs are asked for more, as long as they have it. */
                if (s->ask.group.len == 0 || omen_groups_done(&s->groups) || exhausted(s)) break;
                s->depth = (uint32_t)OMEN_MIN((uint64_t)s->depth * 8, OMEN_MAX_K);
                omen_search_group_free(op);
                s->stage = OMEN_SEARCH_BEGIN;
                break;
            case OMEN_SEARCH_COUNT:
                if (s->facets != NULL) OMEN_TRY(omen_search_facets_step(op, err));
                s->stage = OMEN_SEARCH_FETCH;
                break;
            case OMEN_SEARCH_FETCH: return fetch(op, err);
        }
    }
}
