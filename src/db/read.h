/* read.h - reads in steps: get, scroll, search, count, check. Each holds a snapshot from its beginning to its end. */
#ifndef OMEN_DB_READ_H
#define OMEN_DB_READ_H

#include "base/json.h"
#include "db/select.h"
#include "query/results.h"

/* Appends the document and vectors of one record to results, in steps (fetch.c). */
typedef struct omen_fetch {
    bool doc_done;
    uint32_t field;
    omen_part_doc_place doc_place;
} omen_fetch; /* zero-initialise for each record */
/* Which columns: include is OMEN_INCLUDE_*; vectors of fields first_field .. first_field + results->field_count - 1. */
omen_status omen_fetch_step(omen_fetch *f, const omen_coll_version *v, const omen_place *at, uint32_t include, uint32_t first_field,
                            omen_results *out, omen_error *err);
/* Results with the columns of `include`: all vector fields, or field `only` (UINT32_MAX: all). NULL: out of memory. */
omen_results *omen_fetch_results(omen_db *db, const omen_schema_copy *s, uint32_t include, uint32_t only);

typedef struct omen_read_op omen_read_op;
typedef enum omen_read_kind { OMEN_READ_GET = 0, OMEN_READ_SCROLL = 1, OMEN_READ_SEARCH = 2, OMEN_READ_COUNT = 3, OMEN_READ_CHECK = 4 } omen_read_kind;

struct omen_read_op {
    omen_db *db;
    omen_read_kind kind;
    omen_coll *coll; /* NULL for CHECK */
    uint64_t begun_ns;
    omen_arena arena;
    omen_snapshot snapshot;
    const omen_coll_version *v;
    uint32_t include;
    omen_results *results;
    uint32_t at;
    bool placed;
    omen_place place;
    omen_ahead ahead;
    omen_fetch fetch;
    /* GET */
    omen_rows ids;
    /* SCROLL */
    struct omen_scroll_place *scroll;
    size_t limit;
    /* SEARCH, SCROLL, COUNT: the filter's; NULL: none was given */
    omen_select *select;
    bool selected;
    /* SEARCH */
    struct omen_search_op *search;
    /* COUNT */
    uint64_t count;
    uint32_t table;
    uint32_t entry;
    /* CHECK */
    uint32_t check_coll, check_part;
    omen_part_check *check;
    bool part_checked;
    uint32_t check_field;
    omen_index_check *index_check;
};

/* Begins a read of a collection (NULL for CHECK); takes the snapshot. OMEN_ERR_CLOSED when it was dropped. */
omen_status omen_read_op_new(omen_db *db, omen_coll *coll, omen_read_kind kind, uint32_t include, omen_read_op **out, omen_error *err);
/* The same of another's snapshot, which it shares; NULL: of now. */
omen_status omen_read_op_at(omen_db *db, omen_coll *coll, omen_read_kind kind, uint32_t include, const omen_snapshot *seen, omen_read_op **out, omen_error *err);
/* SEARCH, SCROLL, COUNT, before their own: only records that the filter selects. Empty: all. Errors as of omen_select_new. */
omen_status omen_read_op_filter(omen_read_op *op, omen_str filter, omen_error *err);
omen_status omen_read_op_filter_json(omen_read_op *op, const omen_json_val *filter, omen_error *err); /* an object, or a string; NULL and null: all */
/* GET: fills op->ids through omen_rows_from_ids or from columns, then checks. SCROLL: after may be an empty key. SEARCH: copies the query; root is what a request has beside it, which
 * stays until the op is freed; NULL: q->options. */
omen_status omen_read_op_get(omen_read_op *op, omen_error *err);
omen_status omen_read_op_scroll(omen_read_op *op, omen_key after, size_t limit, omen_error *err);
omen_status omen_read_op_search(omen_read_op *op, const omen_query *q, const omen_json_val *root, omen_error *err);
omen_status omen_read_op_step(omen_read_op *op, omen_error *err); /* repeat on PENDING */
/* How a search was answered, after its step answered OK (explain.c). */
OMEN_LATER void omen_explain_write(omen_read_op *op, omen_jw *w);
/* An index as JSON: kind, parameters, file, memory, audit. */
void omen_index_write_json(const omen_index *x, omen_jw *w);
omen_results *omen_read_op_take(omen_read_op *op);                /* GET, SCROLL, SEARCH: the caller's */
void omen_read_op_free(omen_read_op *op);

/* The steps of the kinds. */
omen_status omen_get_step(omen_read_op *op, omen_error *err);
omen_status omen_scroll_step(omen_read_op *op, omen_error *err);
void omen_scroll_free(omen_read_op *op);
omen_status omen_search_step(omen_read_op *op, omen_error *err);
omen_status omen_count_step(omen_read_op *op, omen_error *err);
OMEN_LATER omen_status omen_check_step(omen_read_op *op, omen_error *err);

#endif
