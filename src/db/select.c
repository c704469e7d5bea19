#include "db/select.h"

#include "column/columns.h"
#include "query/deadline.h"

/* Blocks of columns between two looks at the clock of whoever steps. */
#define BLOCKS 64u

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory selecting records by a filter"); }

omen_status omen_select_over(const omen_host *host, omen_str ttl, bool over, omen_buf *out) {
    char now[OMEN_TIME_TEXT];
    omen_jw w;
    omen_time_print(host->wall_ms(host->ctx), now);
    omen_jw_begin(&w, out);
    omen_jw_object(&w);
    if (!over) {
        omen_jw_key(&w, "$nor");
        omen_jw_array(&w);
        omen_jw_object(&w);
    }
    omen_jw_key_str(&w, ttl);
    omen_jw_object(&w);
    omen_jw_key(&w, "$lte");
    omen_jw_object(&w);
    omen_jw_key(&w, "$date");
    omen_jw_cstr(&w, now);
    omen_jw_object_end(&w);
    omen_jw_object_end(&w);
    if (!over) {
        omen_jw_object_end(&w);
        omen_jw_array_end(&w);
    }
    omen_jw_object_end(&w);
    return omen_jw_end(&w);
}

static omen_status compile_alive(omen_select *s, omen_error *err) {
    omen_buf text;
    omen_buf_init(&text, s->mem);
    omen_status st = omen_select_over(s->mem->host, s->v->coll->schema.schema.ttl, false, &text);
    st = st == OMEN_OK ? omen_filter_compile(s->mem, (omen_str){(const char *)text.data, text.len}, &s->filters[1], err) : out_of_memory(err);
    omen_buf_deinit(&text);
    return st;
}

omen_status omen_select_new(omen_mem *m, const omen_snapshot *snapshot, const omen_coll_version *v, omen_str filter, bool alive, omen_select **out, omen_error *err) {
    omen_select *s = omen_alloc_zero(m, sizeof *s);
    if (s == NULL) return out_of_memory(err);
    *s = (omen_select){.mem = m, .snapshot = snapshot, .v = v, .doc_row = UINT32_MAX};
    omen_buf_init(&s->doc.bytes, m);
    omen_status st = filter.len == 0 ? OMEN_OK : omen_filter_compile(m, filter, &s->filters[0], err);
    if (st == OMEN_OK && alive && v->coll->schema.schema.ttl.len != 0) st = compile_alive(s, err);
    if (st == OMEN_OK && v->part_count != 0) {
        s->parts = omen_alloc_zero(m, v->part_count * sizeof *s->parts);
        if (s->parts == NULL) st = out_of_memory(err);
    }
    if (st != OMEN_OK) {
        omen_select_free(s);
        return st;
    }
    *out = s;
    return OMEN_OK;
}

void omen_select_free(omen_select *s) {
    if (s == NULL) return;
    for (uint32_t p = 0; s->parts != NULL && p < s->v->part_count; p++) {
        omen_columns_eval_free(s->parts[p].eval);
        omen_bits_unref(s->parts[p].may);
        omen_bits_unref(s->parts[p].ask);
        for (int i = 0; i < 2; i++) omen_bits_unref(s->parts[p].second[i]);
    }
    for (uint32_t t = 0; t < OMEN_MAX_TABLES; t++) omen_bits_unref(s->tables[t]);
    if (s->parts != NULL) omen_free(s->mem, s->parts, s->v->part_count * sizeof *s->parts);
    for (int f = 0; f < 2; f++) omen_filter_free(s->mem, s->filters[f]);
    omen_buf_deinit(&s->doc.bytes);
    omen_free(s->mem, s, sizeof *s);
}

/* ---- columns ---- */

static void clear(omen_bits *b, uint32_t i) {
    b->words[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    b->ones--;
}

/* may becomes everything that may match, without what is dead; ask goes when nothing has to be asked. */
static void combine(omen_select_part *x, const omen_bits *dead) {
    x->may->ones = x->ask->ones = 0;
    for (uint32_t w = 0; w < (x->may->count + 63) / 64; w++) {
        uint64_t live = dead == NULL ? UINT64_MAX : ~dead->words[w];
        x->ask->words[w] &= live;
        x->may->words[w] = (x->may->words[w] & live) | x->ask->words[w];
        x->may->ones += (uint32_t)__builtin_popcountll(x->may->words[w]);
        x->ask->ones += (uint32_t)__builtin_popcountll(x->ask->words[w]);
    }
    if (x->ask->ones != 0) return;
    omen_bits_unref(x->ask);
    x->ask = NULL;
}

static bool matches(const omen_select *s, const omen_json_val *root) {
    for (int f = 0; f < 2; f++)
        if (s->filters[f] != NULL && !omen_filter_matches(s->filters[f], root)) return false;
    return true;
}

static void set_all(omen_bits *b) {
    for (uint32_t w = 0; w < b->count / 64; w++) b->words[w] = UINT64_MAX;
    if (b->count % 64 != 0) b->words[b->count / 64] = (UINT64_C(1) << b->count % 64) - 1;
}

/* Evaluates filter f into rows that match surely and rows that have to be asked. */
static omen_status evaluate(omen_select *s, omen_select_part *x, const omen_columns *c, const omen_filter *f, omen_bits *sure, omen_bits *ask, omen_error *err) {
    double estimate;
    if (x->eval == NULL) OMEN_TRY(omen_columns_eval_new(c, f, &x->eval, err));
    OMEN_TRY(omen_columns_eval_estimate(x->eval, &estimate, err));
    for (bool done = false; !done;) {
        OMEN_TRY(omen_deadline_check(s->mem->host, s->deadline_ns, err));
        OMEN_TRY(omen_columns_eval_step(x->eval, BLOCKS, sure, ask, &done, err));
    }
    uint64_t looked, skipped;
    omen_columns_eval_counts(x->eval, &looked, &skipped);
    s->looked += looked;
    s->skipped += skipped;
    x->estimate = x->filter == 0 || s->filters[0] == NULL ? estimate : x->estimate * (estimate / OMEN_MAX(1u, c->rows));
    omen_columns_eval_free(x->eval);
    x->eval = NULL;
    return OMEN_OK;
}

/* Both say yes surely, or one of them has to be asked. */
static void join(omen_select_part *x) {
    for (uint32_t w = 0; w < (x->may->count + 63) / 64; w++) {
        uint64_t sure = x->may->words[w] & x->second[0]->words[w];
        uint64_t may = (x->may->words[w] | x->ask->words[w]) & (x->second[0]->words[w] | x->second[1]->words[w]);
        x->may->words[w] = sure;
        x->ask->words[w] = may & ~sure;
    }
    for (int i = 0; i < 2; i++) {
        omen_bits_unref(x->second[i]);
        x->second[i] = NULL;
    }
}

static bool make_bits(omen_mem *m, uint32_t rows, omen_bits **a, omen_bits **b) {
    if (*a == NULL) *a = omen_bits_new(m, rows);
    if (*b == NULL) *b = omen_bits_new(m, rows);
    return *a != NULL && *b != NULL;
}

static omen_status step_part(omen_select *s, omen_error *err) {
    const omen_part_state *p = &s->v->parts[s->part];
    omen_select_part *x = &s->parts[s->part];
    const omen_columns *c = p->part->columns;
    if (!make_bits(s->mem, p->part->rows, &x->may, &x->ask)) return out_of_memory(err);
    if (c == NULL) {
        /* A part without columns has no documents: its rows are all alike. */
        if (matches(s, NULL)) set_all(x->may), x->estimate = p->part->rows;
    } else if (s->filters[0] == NULL && s->filters[1] == NULL) {
        set_all(x->may), x->estimate = p->part->rows;
    } else {
        if (x->filter == 0) {
            if (s->filters[0] != NULL) OMEN_TRY(evaluate(s, x, c, s->filters[0], x->may, x->ask, err));
            x->filter = 1;
        }
        bool both = s->filters[0] != NULL;
        if (s->filters[1] != NULL) {
            if (both && !make_bits(s->mem, p->part->rows, &x->second[0], &x->second[1])) return out_of_memory(err);
            OMEN_TRY(evaluate(s, x, c, s->filters[1], both ? x->second[0] : x->may, both ? x->second[1] : x->ask, err));
            if (both) join(x);
        }
    }
    combine(x, p->dead);
    return OMEN_OK;
}

omen_status omen_select_step(omen_select *s, omen_error *err) {
    const omen_host *host = s->mem->host;
    uint64_t from = host->ticks_ns(host->ctx);
    omen_status st = OMEN_OK;
    while (!s->settling && st == OMEN_OK && s->part < s->v->part_count) {
        st = step_part(s, err);
        s->part += st == OMEN_OK;
    }
    s->ns += host->ticks_ns(host->ctx) - from;
    return st;
}

double omen_select_estimate(const omen_select *s) {
    double rows = 0;
    for (uint32_t t = 0; t < s->v->table_count; t++) rows += omen_memtable_rows(s->v->tables[t].table);
    for (uint32_t p = 0; p < s->v->part_count; p++) rows += s->parts[p].estimate;
    return rows;
}

/* ---- documents ---- */

static omen_status ask(omen_select *s, omen_str text, bool *match, omen_error *err) {
    omen_json *json = NULL;
    if (s->asked++ % 64 == 0) OMEN_TRY(omen_deadline_check(s->mem->host, s->deadline_ns, err));
    if (text.len != 0) OMEN_TRY(omen_json_parse(s->mem, text, &json, err));
    *match = matches(s, json == NULL ? NULL : omen_json_root(json));
    omen_json_free(json);
    return OMEN_OK;
}

omen_status omen_select_entry(omen_select *s, const omen_entry *e, bool *match, omen_error *err) { return ask(s, (omen_str){e->doc, e->doc_len}, match, err); }

omen_status omen_select_row(omen_select *s, uint32_t part, uint32_t row, bool *match, omen_error *err) {
    *match = omen_bits_test(s->parts[part].may, row);
    if (!*match || !omen_bits_test(s->parts[part].ask, row)) return OMEN_OK;
    if (s->doc_part != part || s->doc_row != row) {
        memset(&s->doc.place, 0, sizeof s->doc.place);
        s->doc_part = part;
        s->doc_row = row;
    }
    omen_str text;
    OMEN_TRY(omen_part_doc_read(s->v->parts[part].part, row, &s->doc, &text, err));
    s->doc_row = UINT32_MAX;
    return ask(s, text, match, err);
}

/* ---- everybody ---- */

static omen_status settle_table(omen_select *s, uint32_t number, omen_error *err) {
    const omen_memtable *t = s->v->tables[number].table;
    uint32_t rows = omen_memtable_rows_at(t, s->snapshot->lsn);
    s->tables[number] = omen_bits_new(s->mem, rows);
    if (s->tables[number] == NULL) return out_of_memory(err);
    for (uint32_t row = 0; row < rows; row++) {
        const omen_entry *e = omen_memtable_row_entry(t, row);
        bool match;
        if (!omen_entry_current(e, s->snapshot->lsn) || omen_snapshot_replaced(s->snapshot, s->v, number, omen_entry_key(e), e->hash)) continue;
        OMEN_TRY(omen_select_entry(s, e, &match, err));
        if (match) omen_bits_set(s->tables[number], row);
    }
    return OMEN_OK;
}

/* Rows of parts that tables replaced or deleted, found from the tables' side: for large selections. */
static omen_status bury_replaced(omen_select *s, omen_error *err) {
    for (; s->table < s->v->table_count; s->table++, s->entry = 0) {
        const omen_memtable *t = s->v->tables[s->table].table;
        for (uint32_t n = omen_memtable_entries(t); s->entry < n; s->entry++) {
            const omen_entry *e = omen_memtable_entry(t, s->entry);
            const omen_part_state *part;
            uint32_t row;
            if (e->lsn > s->snapshot->lsn) break;
            OMEN_TRY(omen_deadline_check(s->mem->host, s->deadline_ns, err));
            OMEN_TRY(omen_snapshot_find_part(s->v, omen_entry_key(e), e->hash, &part, &row, err));
            omen_bits *may = part == NULL ? NULL : s->parts[part - s->v->parts].may;
            if (omen_bits_test(may, row)) clear(may, row);
        }
    }
    return OMEN_OK;
}

static omen_status settle_part(omen_select *s, omen_error *err) {
    omen_select_part *x = &s->parts[s->part];
    omen_part *p = s->v->parts[s->part].part;
    if (x->ask == NULL && s->buried) return OMEN_OK;
    for (; s->row < p->rows; s->row++) {
        if (x->may->words[s->row >> 6] == 0) {
            s->row |= 63;
            continue;
        }
        bool match;
        OMEN_TRY(omen_select_row(s, s->part, s->row, &match, err));
        if (match && !s->buried) {
            uint8_t bytes[OMEN_KEY_MAX];
            omen_key key;
            OMEN_TRY(omen_deadline_check(s->mem->host, s->deadline_ns, err));
            omen_status st = omen_part_key(p, s->row, bytes, &key, err);
            if (st == OMEN_PENDING && omen_bits_test(x->ask, s->row)) { /* what the document said is not asked again */
                x->ask->words[s->row >> 6] &= ~(UINT64_C(1) << (s->row & 63));
            }
            OMEN_TRY(st);
            match = !omen_snapshot_replaced(s->snapshot, s->v, UINT32_MAX, key, omen_key_hash(key));
        }
        if (!match && omen_bits_test(x->may, s->row)) clear(x->may, s->row);
    }
    omen_bits_unref(x->ask);
    x->ask = NULL;
    return OMEN_OK;
}

omen_status omen_select_settle(omen_select *s, omen_error *err) {
    if (!s->settling) {
        s->settling = true;
        s->part = s->row = 0;
        uint64_t entries = 0, matching = 0;
        for (uint32_t t = 0; t < s->v->table_count; t++) entries += omen_memtable_entries(s->v->tables[t].table);
        for (uint32_t p = 0; p < s->v->part_count; p++) matching += s->parts[p].may->ones;
        s->burying = entries < matching;
        s->buried = entries == 0;
        for (uint32_t t = 0; t < s->v->table_count; t++) OMEN_TRY(settle_table(s, t, err));
    }
    if (s->burying) {
        OMEN_TRY(bury_replaced(s, err));
        s->burying = false;
        s->buried = true;
    }
    for (; s->part < s->v->part_count; s->part++, s->row = 0) OMEN_TRY(settle_part(s, err));
    return OMEN_OK;
}

uint64_t omen_select_count(const omen_select *s) {
    uint64_t n = 0;
    for (uint32_t t = 0; t < s->v->table_count; t++) n += s->tables[t]->ones;
    for (uint32_t p = 0; p < s->v->part_count; p++) n += s->parts[p].may->ones;
    return n;
}
