#include "db/leg_text.h"

#include "query/deadline.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a text search"); }

/* ---- what is asked for ---- */

static omen_status choose_text_fields(omen_text_leg *l, const omen_text_ask *ask, omen_error *err) {
    const omen_schema *s = &l->v->coll->schema.schema;
    if (s->text_count == 0) return omen_fail(err, OMEN_ERR_INVALID, "the collection has no text field; name the fields to be searched when it is created: {\"text\": [\"title\"]}");
    for (uint32_t f = 0; f < s->text_count; f++) l->weights[f] = s->texts[f].weight;
    if (ask->fields == NULL) {
        l->searched = s->text_count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << s->text_count) - 1;
        return OMEN_OK;
    }
    for (uint32_t i = 0; i < ask->field_count; i++) {
        const omen_text_field_weight *w = &ask->fields[i];
        uint32_t f = 0;
        while (f < s->text_count && !omen_str_equal(s->texts[f].name, w->name)) f++;
        if (f == s->text_count)
            return omen_fail(err, OMEN_ERR_INVALID, "the collection has no text field \"%.*s\"; its first is \"%.*s\"", (int)OMEN_MIN(w->name.len, 60), w->name.data,
                             (int)s->texts[0].name.len, s->texts[0].name.data);
        if (!(w->weight <= 1e6f)) return omen_fail(err, OMEN_ERR_INVALID, "the weight of text field \"%.*s\" must be a number of 0 to 1000000", (int)w->name.len, w->name.data);
        if (w->weight >= 0.0f) l->weights[f] = w->weight;
        l->searched |= UINT64_C(1) << f;
    }
    return l->searched != 0 ? OMEN_OK : omen_fail(err, OMEN_ERR_INVALID, "a text query names no field; leave the fields out to search all");
}

static omen_status ask_words(omen_text_leg *l, const omen_text_ask *ask, omen_error *err) {
    omen_text_choice choice[OMEN_TEXT_FIELDS];
    omen_text_pieces pieces;
    uint32_t n = 0;
    OMEN_TRY(choose_text_fields(l, ask, err));
    OMEN_TRY(omen_text_parse(l->arena, ask->text, ask->all, ask->begun, &pieces, err));
    for (uint32_t f = 0; f < l->field_count; f++) {
        if (!omen_text_leg_searched(l, f)) continue;
        choice[n] = (omen_text_choice){f, omen_text_reader_analyzer(l->reader, f)};
        if (choice[n++].analyzer != NULL) continue;
        const omen_text_field *t = &l->v->coll->schema.schema.texts[f];
        return omen_fail(err, OMEN_ERR_UNSUPPORTED, "text field \"%.*s\" cannot be searched: its language \"%.*s\" is not loaded; load its module before the database is opened", (int)t->name.len,
                         t->name.data, (int)t->language.len, t->language.data);
    }
    return omen_text_items(l->arena, &pieces, choice, n, ask->typos, &l->query.items, &l->query.item_count, err);
}

static omen_status ask_sparse(omen_text_leg *l, const omen_text_ask *ask, omen_error *err) {
    const omen_schema *s = &l->v->coll->schema.schema;
    uint32_t f = 0;
    if (s->sparse_count == 0) return omen_fail(err, OMEN_ERR_INVALID, "the collection has no field of sparse vectors; name it when the collection is created: {\"sparse\": [\"terms\"]}");
    while (f < s->sparse_count && !omen_str_equal(s->sparse[f], ask->sparse_field)) f++;
    if (ask->sparse_field.len == 0 && s->sparse_count == 1) f = 0;
    if (f == s->sparse_count)
        return omen_fail(err, OMEN_ERR_INVALID, "the collection has no sparse field \"%.*s\"; its first is \"%.*s\"", (int)OMEN_MIN(ask->sparse_field.len, 60), ask->sparse_field.data,
                         (int)s->sparse[0].len, s->sparse[0].data);
    if (ask->count > OMEN_TEXT_ITEMS) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the sparse vector has %u indices; at most %u are allowed", ask->count, OMEN_TEXT_ITEMS);
    omen_text_item *items = omen_arena_alloc(l->arena, ask->count * sizeof *items + 1, 16);
    omen_text_word *words = omen_arena_alloc(l->arena, ask->count * sizeof *words + 1, 16);
    uint8_t *terms = omen_arena_alloc(l->arena, (size_t)ask->count * 4 + 1, 4);
    if (items == NULL || words == NULL || terms == NULL) return out_of_memory(err);
    l->searched = UINT64_C(1) << (s->text_count + f);
    l->weights[s->text_count + f] = 1.0f;
    for (uint32_t i = 0; i < ask->count; i++) {
        if (ask->values[i] - ask->values[i] != 0.0f) return omen_fail(err, OMEN_ERR_NOT_FINITE, "the sparse vector's value of index %u is NaN or infinite", ask->indices[i]);
        omen_postings_index_term(ask->indices[i], terms + 4 * (size_t)i);
        words[i] = (omen_text_word){.term = terms + 4 * (size_t)i, .len = 4};
        items[i] = (omen_text_item){.boost = ask->values[i], .fields = l->searched, .words = &words[i], .word_count = 1};
    }
    l->query.items = items;
    l->query.item_count = ask->count;
    return OMEN_OK;
}

/* ---- sources ---- */

static omen_text_source_field *field_of(const omen_text_leg *l, uint32_t source, uint32_t field) { return &l->fields[(size_t)source * l->field_count + field]; }
static omen_text_memory **made_of(const omen_text_leg *l, uint32_t source, uint32_t field) { return &l->made[(size_t)source * l->field_count + field]; }

static omen_status list_sources(omen_text_leg *l, const omen_snapshot *snapshot, omen_error *err) {
    OMEN_TRY(omen_sources_list(l->arena, snapshot, l->v, UINT32_MAX, l->select, &l->sources, &l->scan, err));
    l->source_count = l->v->table_count + l->v->part_count;
    size_t fields = (size_t)l->source_count * l->field_count;
    l->text_sources = omen_arena_alloc(l->arena, l->source_count * sizeof *l->text_sources + 1, 16);
    l->fields = omen_arena_alloc(l->arena, fields * sizeof *l->fields + 1, 16);
    l->made = omen_arena_alloc(l->arena, fields * sizeof *l->made + 1, 16);
    if (l->made != NULL) memset(l->made, 0, fields * sizeof *l->made);
    if (l->text_sources == NULL || l->fields == NULL || l->made == NULL) return out_of_memory(err);
    memset(l->fields, 0, fields * sizeof *l->fields);
    for (uint32_t i = 0; i < l->source_count; i++) {
        const omen_source *s = &l->sources[i];
        l->text_sources[i] = (omen_text_source){.fields = field_of(l, i, 0), .rows = s->rows, .dead = s->part == NULL ? NULL : s->part->dead};
        for (uint32_t f = 0; f < l->field_count; f++) {
            if (!omen_text_leg_searched(l, f)) continue;
            if (s->table != NULL) field_of(l, i, f)->memory = omen_memtable_text(s->table, f);
            const omen_postings *p = s->part == NULL ? NULL : omen_part_text(s->part->part, f);
            if (p != NULL && p->tag == omen_text_reader_tag(l->reader, f)) field_of(l, i, f)->postings = p;
        }
    }
    return OMEN_OK;
}

omen_status omen_text_leg_init(omen_text_leg *l, omen_db *db, omen_arena *arena, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select, const omen_text_ask *ask,
                               omen_error *err) {
    *l = (omen_text_leg){.db = db, .arena = arena, .v = v, .select = select, .deadline_ns = ask->deadline_ns};
    omen_buf_init(&l->doc.bytes, &db->mem);
    omen_topk_init(&l->top, &db->mem, ask->k);
    const omen_schema_copy *s = &v->coll->schema;
    if (ask->k == 0 || ask->k > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "k is %u; ask for 1 to %u hits", ask->k, OMEN_MAX_K);
    if (s->text != NULL) {
        l->field_count = s->text->count;
        OMEN_TRY(omen_text_reader_new(s->text, true, &l->reader, err));
    }
    l->query = (omen_text_query){.field_weights = l->weights, .field_count = l->field_count, .expansions = ask->expansions, .k1 = ask->k1 < 0.0f ? OMEN_TEXT_K1 : ask->k1, .b = ask->b < 0.0f ? OMEN_TEXT_B : ask->b};
    OMEN_TRY(ask->sparse ? ask_sparse(l, ask, err) : ask_words(l, ask, err));
    OMEN_TRY(list_sources(l, snapshot, err));
    if (!ask->matches) return OMEN_OK;
    l->matched = omen_arena_alloc(arena, l->source_count * sizeof *l->matched + 1, 8);
    if (l->matched == NULL) return out_of_memory(err);
    memset(l->matched, 0, l->source_count * sizeof *l->matched);
    for (uint32_t i = 0; i < l->source_count; i++) {
        l->matched[i] = omen_bits_new(&db->mem, l->sources[i].rows);
        if (l->matched[i] == NULL) return out_of_memory(err);
    }
    return OMEN_OK;
}

void omen_text_leg_deinit(omen_text_leg *l) {
    if (l->db == NULL) return;
    omen_text_search_free(l->search);
    omen_text_plan_free(l->plan);
    for (size_t i = 0; l->made != NULL && i < (size_t)l->source_count * l->field_count; i++) omen_text_memory_free(l->made[i]);
    for (uint32_t i = 0; l->matched != NULL && i < l->source_count; i++) omen_bits_unref(l->matched[i]);
    omen_text_reader_free(l->reader);
    omen_topk_deinit(&l->top);
    omen_buf_deinit(&l->doc.bytes);
    *l = (omen_text_leg){0};
}

/* ---- sources without an index ---- */

static omen_status add_word(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position) {
    const omen_text_leg *l = ctx;
    return omen_text_memory_add(*made_of(l, l->source, field), term, len, position);
}

static omen_status add_weight(void *ctx, uint32_t field, uint32_t index, float weight) {
    const omen_text_leg *l = ctx;
    return omen_text_memory_add_weight(*made_of(l, l->source, field), index, weight);
}

static omen_status document(omen_text_leg *l, omen_str *out, omen_error *err) {
    const omen_source *s = &l->sources[l->source];
    if (s->table != NULL) {
        const omen_entry *e = omen_memtable_row_entry(s->table, l->row);
        *out = (omen_str){e->doc, e->doc_len};
        return OMEN_OK;
    }
    return omen_part_doc_read(s->part->part, l->row, &l->doc, out, err);
}

static bool lacks(const omen_text_leg *l, uint32_t field) {
    const omen_text_source_field *f = field_of(l, l->source, field);
    return omen_text_leg_searched(l, field) && f->memory == NULL && f->postings == NULL && l->sources[l->source].rows != 0;
}

static omen_status index_row(omen_text_leg *l, const bool *fields, omen_str doc, omen_error *err) {
    const omen_text_sink sink = {l, add_word, add_weight};
    for (uint32_t f = 0; f < l->field_count; f++) {
        uint32_t row;
        if (!fields[f]) continue;
        if (omen_text_memory_row(*made_of(l, l->source, f), &row) != OMEN_OK) return out_of_memory(err);
        OMEN_TRY(omen_text_reader_read(l->reader, doc, f, false, &sink, err));
        if (omen_text_memory_end(*made_of(l, l->source, f)) != OMEN_OK) return out_of_memory(err);
        omen_text_memory_commit(*made_of(l, l->source, f));
    }
    return OMEN_OK;
}

/* Indexes the documents of source l->source for the fields it lacks. */
static omen_status index_source(omen_text_leg *l, omen_error *err) {
    bool any = false, fields[OMEN_TEXT_FIELDS] = {false};
    for (uint32_t f = 0; f < l->field_count; f++) {
        fields[f] = lacks(l, f);
        any = any || fields[f];
        if (!fields[f] || *made_of(l, l->source, f) != NULL) continue;
        omen_postings_options o = omen_text_reader_postings(l->reader, f);
        if (omen_text_memory_new(&l->db->mem, &o, made_of(l, l->source, f)) != OMEN_OK) return out_of_memory(err);
    }
    for (; any && l->row < l->sources[l->source].rows; l->row++) {
        omen_str doc;
        OMEN_TRY(omen_deadline_check(l->db->host, l->deadline_ns, err));
        OMEN_TRY(document(l, &doc, err));
        OMEN_TRY(index_row(l, fields, doc, err));
        l->read++;
    }
    for (uint32_t f = 0; f < l->field_count; f++)
        if (fields[f]) field_of(l, l->source, f)->memory = *made_of(l, l->source, f);
    return OMEN_OK;
}

/* ---- the search ---- */

static omen_status offer(omen_text_collector *self, uint32_t source, uint32_t row, float score, omen_error *err) {
    omen_text_leg *l = (omen_text_leg *)(void *)self;
    const omen_scan_source *s = &l->scan[source];
    uint8_t bytes[OMEN_KEY_MAX];
    omen_key key;
    bool live;
    bool open = omen_topk_open(&l->top, -score);
    if (!open && l->matched == NULL) return OMEN_OK;
    OMEN_TRY(s->ops->row(s->ctx, row, bytes, &key, &live, err));
    if (!live) return OMEN_OK;
    if (l->matched != NULL) omen_bits_set(l->matched[source], row);
    if (!open) return OMEN_OK;
    if (omen_topk_push(&l->top, -score, source, row, key) != OMEN_OK) return out_of_memory(err);
    if (l->top.count == l->top.k && l->matched == NULL) l->collector.threshold = -l->top.heap[0].distance;
    return OMEN_OK;
}

static void add_work(omen_text_leg *l, const omen_text_work *w) {
    l->work.postings += w->postings;
    l->work.blocks += w->blocks;
    l->work.windows += w->windows;
    l->work.candidates += w->candidates;
    l->work.offered += w->offered;
    l->work.bytes += w->bytes;
}

static omen_status search_source(omen_text_leg *l, omen_error *err) {
    if (l->text_sources[l->source].rows == 0) return OMEN_OK;
    OMEN_TRY(omen_deadline_check(l->db->host, l->deadline_ns, err));
    if (l->search == NULL) OMEN_TRY(omen_text_search_new(l->plan, l->source, &l->collector, &l->search, err));
    OMEN_TRY(omen_text_search_step(l->search, err));
    add_work(l, omen_text_search_work(l->search));
    omen_text_search_free(l->search);
    l->search = NULL;
    return OMEN_OK;
}

static void begin_search(omen_text_leg *l) {
    l->collector = (omen_text_collector){-__builtin_inff(), offer};
    l->source = 0;
    l->stage = OMEN_TEXT_LEG_SEARCH;
    for (uint32_t i = 0; i < l->source_count; i++)
        if (l->select != NULL && l->sources[i].part != NULL) l->text_sources[i].accept = l->select->parts[l->sources[i].number].may;
}

omen_status omen_text_leg_step(omen_text_leg *l, omen_error *err) {
    if (l->stage == OMEN_TEXT_LEG_SOURCES) {
        for (; l->source < l->source_count; l->source++, l->row = 0) OMEN_TRY(index_source(l, err));
        OMEN_TRY(omen_text_plan_new(&l->db->mem, &l->query, l->text_sources, l->source_count, &l->plan, err));
        l->stage = OMEN_TEXT_LEG_PLAN;
    }
    if (l->stage == OMEN_TEXT_LEG_PLAN) {
        OMEN_TRY(omen_text_plan_step(l->plan, err));
        begin_search(l);
    }
    if (l->stage == OMEN_TEXT_LEG_SEARCH) {
        for (; l->source < l->source_count; l->source++) OMEN_TRY(search_source(l, err));
        omen_topk_sort(&l->top);
        l->stage = OMEN_TEXT_LEG_DONE;
    }
    return OMEN_OK;
}

/* ---- what is told ---- */

static void write_term(const omen_text_leg *l, const omen_text_term_info *t, omen_jw *w) {
    const omen_schema *s = &l->v->coll->schema.schema;
    omen_str field = t->field < s->text_count ? s->texts[t->field].name : s->sparse[t->field - s->text_count];
    omen_jw_object(w);
    omen_jw_key(w, "field");
    omen_jw_str(w, field);
    if (t->field < s->text_count) {
        omen_jw_key(w, "term");
        omen_jw_str(w, (omen_str){(const char *)t->term, t->len});
    } else {
        omen_jw_key(w, "index");
        omen_jw_u64(w, (uint32_t)t->term[0] << 24 | (uint32_t)t->term[1] << 16 | (uint32_t)t->term[2] << 8 | t->term[3]);
    }
    if (t->words > 1) {
        omen_jw_key(w, "words");
        omen_jw_u64(w, t->words);
    }
    if (t->edits != 0) {
        omen_jw_key(w, "edits");
        omen_jw_u64(w, t->edits);
    }
    omen_jw_key(w, "records");
    omen_jw_u64(w, t->df);
    omen_jw_key(w, "weight");
    omen_jw_f64(w, (double)t->weight);
    omen_jw_object_end(w);
}

#define TERMS_TOLD 100u

void omen_text_leg_explain(const omen_text_leg *l, omen_jw *w) {
    uint32_t n = l->plan == NULL ? 0 : omen_text_plan_terms(l->plan);
    const struct { const char *name; uint64_t value; } numbers[] = {{"termCount", n}, {"documentsIndexed", l->read}, {"postings", l->work.postings}, {"blocks", l->work.blocks},
                                                                    {"candidates", l->work.candidates}, {"offered", l->work.offered}, {"bytes", l->work.bytes}};
    omen_jw_key(w, "terms");
    omen_jw_array(w);
    for (uint32_t i = 0; i < OMEN_MIN(n, TERMS_TOLD); i++) {
        omen_text_term_info t = omen_text_plan_term(l->plan, i);
        write_term(l, &t, w);
    }
    omen_jw_array_end(w);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(numbers); i++) {
        omen_jw_key(w, numbers[i].name);
        omen_jw_u64(w, numbers[i].value);
    }
}

omen_status omen_text_leg_highlight(omen_text_leg *l, omen_arena *arena, uint32_t field, omen_str text, const omen_highlight_options *options, omen_highlights *out, omen_error *err) {
    *out = (omen_highlights){0};
    OMEN_ASSERT(field < l->field_count);
    omen_analyzer *a = omen_text_reader_analyzer(l->reader, field);
    if (a == NULL || !omen_text_leg_searched(l, field)) return OMEN_OK;
    return omen_highlight(arena, l->query.items, l->query.item_count, field, a, text, options, out, err);
}
