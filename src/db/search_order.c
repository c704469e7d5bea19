/* search_order.c - "orderBy": the first of the records that the filter selects, by what they have at a path (column/values_order.h), instead of legs that score them. */
#include "column/columns.h"
#include "column/values_order.h"
#include "db/search.h"

/* Rows of a part between two looks at the deadline. */
#define ROWS 4096u

struct omen_search_ordering {
    omen_mem *mem;
    omen_value_path path;
    omen_order *order;
    omen_select *own, *select; /* own: of everything, where there is no filter */
    bool selected, by_columns, finished; /* by_columns: the part's are done */
    omen_values *values;
    omen_bits *ask;            /* rows of the part whose documents are to be read */
    omen_part_doc_reader doc;
    uint32_t source, row;
    uint64_t documents;
    /* once finished */
    uint32_t count, at;
    float run;                 /* how many different values came before */
    omen_topk top;             /* by the number of the run, then by id */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory ordering records"); }

omen_status omen_search_order_read(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_ask *a = &s->ask;
    if (s->vector_count != 0 || a->text != NULL || a->sparse != NULL || a->multi != NULL || a->recommend != NULL)
        return omen_fail(err, OMEN_ERR_INVALID, "orderBy orders the records that the filter selects; a search by vectors, words or examples has an order of its own: leave one out");
    if (a->mmr || a->group.len != 0 || a->rerank != NULL || a->highlight != NULL || a->min_score > -__builtin_inff() || a->max_distance < __builtin_inff())
        return omen_fail(err, OMEN_ERR_INVALID, "orderBy goes with filter and facets alone: nothing is scored, grouped, made diverse, ordered anew or highlighted");
    struct omen_search_ordering *o = omen_arena_alloc(&op->arena, sizeof *o, 8);
    if (o == NULL) return out_of_memory(err);
    memset(o, 0, sizeof *o);
    o->mem = &op->db->mem;
    omen_buf_init(&o->doc.bytes, o->mem);
    omen_topk_init(&o->top, o->mem, s->k);
    s->ordering = o;
    OMEN_TRY(omen_value_path_read(o->mem, a->order, &o->path, err));
    return omen_order_new(o->mem, s->k, a->order_descending, &o->order, err);
}

static void end_part(struct omen_search_ordering *o) {
    omen_values_free(o->values);
    omen_bits_unref(o->ask);
    o->values = NULL;
    o->ask = NULL;
    o->by_columns = false;
    o->row = 0;
}

void omen_search_order_free(omen_read_op *op) {
    struct omen_search_ordering *o = op->search->ordering;
    if (o == NULL) return;
    end_part(o);
    omen_order_free(o->order);
    omen_value_path_deinit(&o->path);
    omen_select_free(o->own);
    omen_buf_deinit(&o->doc.bytes);
    omen_topk_deinit(&o->top);
    op->search->ordering = NULL;
}

/* ---- values ---- */

static omen_status select_rows(omen_read_op *op, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    if (o->select == NULL && op->select == NULL) {
        OMEN_TRY(omen_select_new(o->mem, &op->snapshot, op->v, OMEN_STR(""), true, &o->own, err));
        o->own->deadline_ns = op->search->deadline_ns;
    }
    o->select = o->own != NULL ? o->own : op->select;
    if (!o->selected) {
        OMEN_TRY(omen_select_step(o->select, err));
        o->selected = true;
    }
    return omen_select_settle(o->select, err);
}

static omen_status offer_document(struct omen_search_ordering *o, omen_str text, omen_error *err) {
    omen_json *json = NULL;
    if (text.len != 0) OMEN_TRY(omen_json_parse(o->mem, text, &json, err));
    omen_value v = omen_value_of(omen_value_path_reach(&o->path, json == NULL ? NULL : omen_json_root(json)));
    omen_status s = omen_order_offer(o->order, o->source, o->row, &v, err);
    omen_json_free(json);
    o->documents++;
    return s;
}

static omen_status order_table(omen_read_op *op, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    const omen_bits *rows = o->select->tables[o->source];
    for (; o->row < rows->count; o->row++) {
        if (!omen_bits_test(rows, o->row)) continue;
        OMEN_TRY(omen_deadline_check(o->mem->host, op->search->deadline_ns, err));
        const omen_entry *e = omen_memtable_row_entry(op->v->tables[o->source].table, o->row);
        OMEN_TRY(offer_document(o, (omen_str){e->doc, e->doc_len}, err));
    }
    o->row = 0;
    return OMEN_OK;
}

static omen_status by_columns(omen_read_op *op, const omen_part *p, const omen_bits *rows, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    const omen_value missing = {.kind = OMEN_VALUE_MISSING};
    if (p->columns == NULL) {
        for (uint32_t row = 0; row < p->rows; row++)
            if (omen_bits_test(rows, row)) OMEN_TRY(omen_order_offer(o->order, o->source, row, &missing, err));
        return OMEN_OK;
    }
    if (o->values == NULL) OMEN_TRY(omen_values_new(p->columns, &o->path, &o->values, err));
    if (o->ask == NULL) o->ask = omen_bits_new(o->mem, p->rows);
    if (o->ask == NULL) return out_of_memory(err);
    for (bool done = false; !done;) {
        OMEN_TRY(omen_deadline_check(o->mem->host, op->search->deadline_ns, err));
        OMEN_TRY(omen_order_part(o->order, o->values, o->source, p->rows, rows, NULL, &o->row, ROWS, o->ask, &done, err));
    }
    return OMEN_OK;
}

static omen_status order_part(omen_read_op *op, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    uint32_t number = o->source - op->v->table_count;
    omen_part *p = op->v->parts[number].part;
    if (!o->by_columns) {
        OMEN_TRY(by_columns(op, p, o->select->parts[number].may, err));
        o->by_columns = true;
        o->row = 0;
    }
    for (; o->ask != NULL && o->row < p->rows; o->row++) {
        omen_str text;
        if (!omen_bits_test(o->ask, o->row)) continue;
        OMEN_TRY(omen_deadline_check(o->mem->host, op->search->deadline_ns, err));
        OMEN_TRY(omen_part_doc_read(p, o->row, &o->doc, &text, err));
        OMEN_TRY(offer_document(o, text, err));
    }
    end_part(o);
    return OMEN_OK;
}

/* ---- hits ---- */

/* Of equal values the ids decide. */
static omen_status read_ids(omen_read_op *op, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    for (; o->at < o->count; o->at++) {
        uint32_t source, row, before;
        omen_str form, last;
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key;
        bool live;
        omen_order_get(o->order, o->at, &source, &row, &form);
        if (o->at != 0) omen_order_get(o->order, o->at - 1, &before, &before, &last);
        float run = o->run + (o->at != 0 && omen_form_order(last, form) != 0);
        const omen_scan_source *s = &op->search->scan[source];
        OMEN_TRY(omen_deadline_check(o->mem->host, op->search->deadline_ns, err));
        OMEN_TRY(s->ops->row(s->ctx, row, bytes, &key, &live, err));
        o->run = run;
        if (live && omen_topk_open(&o->top, run) && omen_topk_push(&o->top, run, source, row, key) != OMEN_OK) return out_of_memory(err);
    }
    omen_topk_sort(&o->top);
    return OMEN_OK;
}

static omen_status list_hits(omen_read_op *op, omen_error *err) {
    omen_search_op *s = op->search;
    const omen_topk *top = &s->ordering->top;
    s->hits = omen_arena_alloc(&op->arena, top->count * sizeof *s->hits + 8, 8);
    if (s->hits == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < top->count; i++) s->hits[i] = (omen_hit){.candidate = &top->heap[i], .distance = __builtin_nanf("")};
    s->count = top->count;
    return OMEN_OK;
}

omen_status omen_search_order_step(omen_read_op *op, omen_error *err) {
    struct omen_search_ordering *o = op->search->ordering;
    OMEN_TRY(select_rows(op, err));
    for (; o->source < op->v->table_count + op->v->part_count; o->source++) OMEN_TRY(o->source < op->v->table_count ? order_table(op, err) : order_part(op, err));
    if (!o->finished) o->count = omen_order_finish(o->order);
    o->finished = true;
    OMEN_TRY(read_ids(op, err));
    return list_hits(op, err);
}

void omen_search_order_explain(const omen_read_op *op, omen_jw *w) {
    const struct omen_search_ordering *o = op->search->ordering;
    omen_jw_key(w, "orderBy");
    omen_jw_object(w);
    omen_jw_key(w, "path");
    omen_jw_str(w, o->path.text);
    omen_jw_key(w, "documents");
    omen_jw_u64(w, o->documents);
    omen_jw_key(w, "candidates");
    omen_jw_u64(w, o->count);
    omen_jw_object_end(w);
}
