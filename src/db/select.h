/* select.h - which rows of a snapshot a filter selects. Columns of parts tell at once which rows match surely and which documents have to be asked; those, and the
 * documents of rows in memory, are asked when somebody wants to know, one by one: most searches never look at most rows.
 *
 *   omen_select *s;
 *   omen_select_new(mem, snapshot, version, filter, &s, err)   compiles the filter
 *   omen_select_step(s, err)                                   columns, until it is not PENDING
 *   omen_select_row, omen_select_entry                         one row's truth, or
 *   omen_select_settle(s, err)                                 everybody's
 */
#ifndef OMEN_DB_SELECT_H
#define OMEN_DB_SELECT_H

#include "column/columns_eval.h"
#include "column/part.h"
#include "db/db.h"

typedef struct omen_select_part {
    omen_bits *may; /* rows that may match and that their part has not buried; settled: rows that match and are live */
    omen_bits *ask; /* those of them whose document has to be asked; NULL: none */
    omen_bits *second[2]; /* what the second filter says, until both are put together */
    omen_columns_eval *eval;
    uint32_t filter;      /* the one that is being evaluated */
    double estimate; /* rows that match, as statistics have it */
} omen_select_part;

typedef struct omen_select {
    omen_mem *mem;
    const omen_snapshot *snapshot;
    const omen_coll_version *v;
    omen_filter *filters[2];            /* both must match: the caller's, and that the time to live is not over; NULL: no such */
    omen_select_part *parts;            /* v->part_count */
    omen_bits *tables[OMEN_MAX_TABLES]; /* settled: rows of tables that match and are live */
    uint64_t deadline_ns;               /* may be set after new (query/deadline.h) */
    uint64_t asked;                     /* documents */
    uint64_t looked, skipped;           /* blocks of columns */
    uint64_t ns;                        /* in omen_select_step */
    /* place */
    uint32_t part, row;
    bool settling, burying, buried;     /* buried: rows of parts that tables replaced are out of may */
    uint32_t table, entry;
    omen_part_doc_reader doc;
    uint32_t doc_part, doc_row; /* what is being read */
} omen_select;

/* What is borrowed here (snapshot, version) outlives the selection. `filter`: a Mongo-style object or an SQL-like string (column/filter.h); empty: all. alive: only records
 * whose time to live is not over now, where the collection has one. OMEN_ERR_INVALID, _JSON, _TOO_LARGE with the place, OMEN_ERR_MEMORY. */
omen_status omen_select_new(omen_mem *m, const omen_snapshot *snapshot, const omen_coll_version *v, omen_str filter, bool alive, omen_select **out, omen_error *err);
/* The filter of records whose time to live is over now: {"path": {"$lte": {"$date": now}}}. OMEN_ERR_MEMORY. */
omen_status omen_select_over(const omen_host *host, omen_str ttl, bool over, omen_buf *out);
void omen_select_free(omen_select *s); /* NULL is fine */
/* Evaluates the columns of all parts. Step: repeat on PENDING. */
omen_status omen_select_step(omen_select *s, omen_error *err);
/* Whether a row of part number `part`, or a table's entry, matches; nothing is said about its being live. After omen_select_step. [may pend] */
omen_status omen_select_row(omen_select *s, uint32_t part, uint32_t row, bool *match, omen_error *err);
omen_status omen_select_entry(omen_select *s, const omen_entry *e, bool *match, omen_error *err);
/* After omen_select_step: asks everybody. Afterwards `may` of parts and `tables` hold exactly the live rows that match, and `ask` is NULL. Step: repeat on PENDING. */
omen_status omen_select_settle(omen_select *s, omen_error *err);
uint64_t omen_select_count(const omen_select *s); /* settled: rows that match */
/* Rows of a part that match, by its statistics; of tables nothing is known: as many as they have. */
double omen_select_estimate(const omen_select *s);

#endif
