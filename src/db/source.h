/* source.h - the tables and parts of a snapshot as sources of rows, which query/ scans, ranks and asks for ids: tables first, then parts. */
#ifndef OMEN_DB_SOURCE_H
#define OMEN_DB_SOURCE_H

#include "db/db.h"
#include "db/select.h"
#include "query/scan.h"

/* One table or part. */
typedef struct omen_source {
    const omen_snapshot *snapshot;
    const omen_coll_version *v;
    const omen_memtable *table; /* or */
    const omen_part_state *part;
    uint32_t number; /* of the table, or of the part */
    uint32_t rows;
    bool cosine;
    bool fresh; /* no table holds anything: whatever a part says lives */
    omen_select *select; /* rows it does not select are not live; NULL: all are */
} omen_source;

/* Vectors of `field`; UINT32_MAX: sources that are asked for ids alone. In the arena: v->table_count + v->part_count of each. `select` may be NULL. OMEN_ERR_MEMORY. */
omen_status omen_sources_list(omen_arena *a, const omen_snapshot *snapshot, const omen_coll_version *v, uint32_t field, omen_select *select, omen_source **sources,
                              omen_scan_source **scan, omen_error *err);
/* Where a row of a source lies. */
omen_place omen_source_place(const omen_source *s, uint32_t row);

#endif
