/* search_group.c - the best hits of each group. What a hit is grouped by comes from its part's column, or from its document. */
#include "column/values.h"
#include "db/search.h"

struct omen_search_grouping {
    omen_mem *mem;
    omen_value_path path;
    omen_values **readers; /* of each part, made when it is needed */
    uint32_t reader_count;
    uint32_t at;           /* hit */
    bool of_document;      /* its column does not hold it */
    omen_buf value;
    omen_part_doc_reader doc;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory grouping hits"); }

static omen_status begin(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    struct omen_search_grouping *g = omen_arena_alloc(&op->arena, sizeof *g, 8);
    if (g == NULL) return out_of_memory(err);
    memset(g, 0, sizeof *g);
    g->mem = &op->db->mem;
    omen_buf_init(&g->doc.bytes, g->mem);
    omen_buf_init(&g->value, g->mem);
    g->reader_count = op->v->part_count;
    g->readers = omen_arena_alloc(&op->arena, g->reader_count * sizeof *g->readers + 8, 8);
    if (g->readers == NULL) return out_of_memory(err);
    memset(g->readers, 0, g->reader_count * sizeof *g->readers);
    s->grouping = g;
    OMEN_TRY(omen_value_path_read(g->mem, s->ask.group, &g->path, err));
    return omen_groups_init(&s->groups, g->mem, s->k, s->ask.group_size, s->ask.group_leave, err);
}

void omen_search_group_free(omen_read_op *op) {
    omen_search_op *s = op->search;
    struct omen_search_grouping *g = s->grouping;
    omen_groups_deinit(&s->groups);
    s->groups = (omen_groups){0};
    if (g == NULL) return;
    for (uint32_t p = 0; p < g->reader_count; p++) omen_values_free(g->readers[p]);
    omen_value_path_deinit(&g->path);
    omen_buf_deinit(&g->doc.bytes);
    omen_buf_deinit(&g->value);
    s->grouping = NULL;
}

static omen_status value_of_document(struct omen_search_grouping *g, omen_str text, omen_error *err) {
    omen_json *json = NULL;
    if (text.len != 0) OMEN_TRY(omen_json_parse(g->mem, text, &json, err));
    omen_status st = omen_group_value(omen_value_path_reach(&g->path, json == NULL ? NULL : omen_json_root(json)), &g->value);
    omen_json_free(json);
    return st == OMEN_OK ? st : out_of_memory(err);
}

/* As omen_group_value writes it. */
static omen_status write_value(const omen_value *v, omen_buf *out) {
    omen_value whole = *v;
    omen_jw w;
    if (v->kind == OMEN_VALUE_MISSING || v->kind == OMEN_VALUE_NULL) return OMEN_OK;
    if (v->kind == OMEN_VALUE_FLOAT && v->d >= -9223372036854775808.0 && v->d < 9223372036854775808.0 && (double)(int64_t)v->d == v->d) {
        whole.kind = OMEN_VALUE_INT;
        whole.i = (int64_t)v->d;
    }
    omen_jw_begin(&w, out);
    omen_value_print(&whole, &w);
    return omen_jw_end(&w);
}

static omen_status value_of(omen_read_op *op, const omen_hit *h, omen_error *err) {
    struct omen_search_grouping *g = op->search->grouping;
    const omen_source *from = &op->search->places[h->candidate->source];
    if (from->part == NULL) {
        const omen_entry *e = omen_memtable_row_entry(from->table, h->candidate->row);
        return value_of_document(g, (omen_str){e->doc, e->doc_len}, err);
    }
    if (from->part->part->columns == NULL) return OMEN_OK; /* no documents */
    if (!g->of_document) {
        omen_values **reader = &g->readers[from->number];
        omen_value v;
        if (*reader == NULL) OMEN_TRY(omen_values_new(from->part->part->columns, &g->path, reader, err));
        OMEN_TRY(omen_values_get(*reader, h->candidate->row, &v, err));
        /* A double beyond int64 may be an integer that JSON wrote out: the document knows. */
        g->of_document = v.kind >= OMEN_VALUE_ARRAY || (v.kind == OMEN_VALUE_FLOAT && (v.d >= 9223372036854775808.0 || v.d < -9223372036854775808.0));
        omen_status st = g->of_document ? OMEN_OK : write_value(&v, &g->value);
        omen_values_rest(*reader); /* else blocks of each segment would stay in the pool */
        if (!g->of_document) return st == OMEN_OK ? st : out_of_memory(err);
    }
    omen_str text;
    OMEN_TRY(omen_part_doc_read(from->part->part, h->candidate->row, &g->doc, &text, err));
    g->of_document = false;
    return value_of_document(g, text, err);
}

omen_status omen_search_group(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    if (s->grouping == NULL) OMEN_TRY(begin(op, err));
    struct omen_search_grouping *g = s->grouping;
    for (; g->at < s->count && !omen_groups_done(&s->groups); g->at++, g->value.len = 0) {
        OMEN_TRY(omen_deadline_check(op->db->host, s->deadline_ns, err));
        OMEN_TRY(value_of(op, &s->hits[g->at], err));
        OMEN_TRY(omen_groups_add(&s->groups, g->at, g->value.len == 0 ? NULL : g->value.data, (uint32_t)g->value.len, err));
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->groups.count; i++) n += s->groups.all[i].count;
    omen_hit *hits = omen_arena_alloc(&op->arena, n * sizeof *hits + 8, 8);
    if (hits == NULL) return out_of_memory(err);
    n = 0;
    for (uint32_t i = 0; i < s->groups.count; i++)
        for (uint32_t h = 0; h < s->groups.all[i].count; h++) {
            hits[n] = s->hits[s->groups.all[i].hits[h]];
            hits[n++].group = i;
        }
    s->hits = hits;
    s->count = n;
    return OMEN_OK;
}
