/* search_facets.c - counts over everything that the filter selects, and, where words are searched for, that has them: not only over the hits. */
#include "column/columns.h"
#include "db/search.h"

/* Blocks of columns between two looks at the deadline. */
#define BLOCKS 64u

struct omen_search_facets {
    omen_mem *mem;
    omen_facets_request *request;
    omen_facets *counts;
    omen_select *own, *select; /* own: of everything, where there is no filter; of a search for words its leg knows the rows */
    bool selected;
    omen_facets_part *part;
    uint32_t source, row;
    bool by_columns;           /* the part's columns are done */
    omen_part_doc_reader doc;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory counting facets"); }

omen_status omen_search_facets_read(omen_read_op *op, omen_error *err) {
    struct omen_search_facets *f = omen_arena_alloc(&op->arena, sizeof *f, 8);
    if (f == NULL) return out_of_memory(err);
    memset(f, 0, sizeof *f);
    f->mem = &op->db->mem;
    omen_buf_init(&f->doc.bytes, f->mem);
    op->search->facets = f;
    op->search->words.matches = true;
    OMEN_TRY(omen_facets_request_read(f->mem, op->search->ask.facets, &f->request, err));
    return omen_facets_new(f->mem, f->request, &f->counts, err);
}

void omen_search_facets_free(omen_read_op *op) {
    struct omen_search_facets *f = op->search->facets;
    if (f == NULL) return;
    omen_facets_part_free(f->part);
    omen_facets_free(f->counts);
    omen_facets_request_free(f->request);
    omen_select_free(f->own);
    omen_buf_deinit(&f->doc.bytes);
    op->search->facets = NULL;
}

/* ---- which rows ---- */

static omen_status select_rows(omen_read_op *op, omen_error *err) {
    struct omen_search_facets *f = op->search->facets;
    if (f->select == NULL && op->select == NULL) {
        OMEN_TRY(omen_select_new(f->mem, &op->snapshot, op->v, OMEN_STR(""), true, &f->own, err));
        f->own->deadline_ns = op->search->deadline_ns;
    }
    f->select = f->own != NULL ? f->own : op->select;
    if (!f->selected) {
        OMEN_TRY(omen_select_step(f->select, err)); /* the filter's was, and answers at once */
        f->selected = true;
    }
    return omen_select_settle(f->select, err);
}

static const omen_bits *rows_of(const omen_read_op *op, uint32_t source) {
    const struct omen_search_facets *f = op->search->facets;
    if (op->search->has_words) return op->search->text.matched[source];
    return source < op->v->table_count ? f->select->tables[source] : f->select->parts[source - op->v->table_count].may;
}

/* ---- counting ---- */

static omen_status count_doc(struct omen_search_facets *f, omen_str text, bool of_part, uint32_t row, omen_error *err) {
    omen_json *json = NULL;
    if (text.len != 0) OMEN_TRY(omen_json_parse(f->mem, text, &json, err));
    const omen_json_val *root = json == NULL ? NULL : omen_json_root(json);
    omen_status s = of_part ? omen_facets_part_doc(f->part, row, root, err) : omen_facets_doc(f->counts, root, err);
    omen_json_free(json);
    return s;
}

static omen_status count_table(omen_read_op *op, omen_error *err) {
    struct omen_search_facets *f = op->search->facets;
    const omen_bits *rows = rows_of(op, f->source);
    const omen_memtable *t = op->v->tables[f->source].table;
    for (; f->row < rows->count; f->row++) {
        if (f->row % 1024 == 0) OMEN_TRY(omen_deadline_check(f->mem->host, op->search->deadline_ns, err));
        if (!omen_bits_test(rows, f->row)) continue;
        const omen_entry *e = omen_memtable_row_entry(t, f->row);
        OMEN_TRY(count_doc(f, (omen_str){e->doc, e->doc_len}, false, 0, err));
    }
    return OMEN_OK;
}

static omen_status count_part(omen_read_op *op, omen_error *err) {
    struct omen_search_facets *f = op->search->facets;
    omen_part *p = op->v->parts[f->source - op->v->table_count].part;
    if (f->part == NULL) OMEN_TRY(omen_facets_part_new(f->counts, p->columns, p->rows, rows_of(op, f->source), NULL, &f->part, err));
    while (!f->by_columns) {
        OMEN_TRY(omen_deadline_check(f->mem->host, op->search->deadline_ns, err));
        OMEN_TRY(omen_facets_part_step(f->part, BLOCKS, &f->by_columns, err));
    }
    for (uint32_t row; (row = omen_facets_part_next(f->part)) != UINT32_MAX;) {
        omen_str text;
        OMEN_TRY(omen_part_doc_read(p, row, &f->doc, &text, err));
        OMEN_TRY(count_doc(f, text, true, row, err));
    }
    omen_facets_part_free(f->part);
    f->part = NULL;
    f->by_columns = false;
    return OMEN_OK;
}

omen_status omen_search_facets_step(omen_read_op *op, omen_error *err) {
    struct omen_search_facets *f = op->search->facets;
    omen_jw w;
    if (!op->search->has_words) OMEN_TRY(select_rows(op, err));
    for (; f->source < op->v->table_count + op->v->part_count; f->source++, f->row = 0) OMEN_TRY(f->source < op->v->table_count ? count_table(op, err) : count_part(op, err));
    omen_jw_begin(&w, &op->results->facets);
    OMEN_TRY(omen_facets_write(f->counts, &w, err));
    return omen_jw_end(&w) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}
