/* admin.h - operations on a whole database, in steps: sync, flush, compact, maintain, index, close. */
#ifndef OMEN_DB_ADMIN_H
#define OMEN_DB_ADMIN_H

#include "db/db.h"

typedef enum omen_admin_kind { OMEN_ADMIN_SYNC, OMEN_ADMIN_FLUSH, OMEN_ADMIN_COMPACT, OMEN_ADMIN_MAINTAIN, OMEN_ADMIN_CLOSE, OMEN_ADMIN_INDEX } omen_admin_kind;

typedef struct omen_admin_op {
    omen_db *db;
    omen_admin_kind kind;
    uint64_t budget_ns; /* MAINTAIN: 0 is one step. INDEX: 0 is flushing first and going on to the end */
    uint64_t begun_ns;
    bool started, rotated, flushed, synced, begun, more;
    uint64_t lsn, generation;
    uint64_t until;  /* INDEX: waits for what is older than this segment; 0: for what is there when it begins */
    uint64_t failed; /* INDEX: db->index_failed at the beginning */
    omen_write_op *rotate;
} omen_admin_op;

void omen_admin_op_init(omen_admin_op *op, omen_db *db, omen_admin_kind kind, uint64_t budget_us);
/* Repeat on PENDING. CLOSE only makes durable what the options promise; the caller frees the database afterwards, whatever the answer. */
omen_status omen_admin_op_step(omen_admin_op *op, omen_error *err);
void omen_admin_op_deinit(omen_admin_op *op);

/* Reports: appended to out. */
OMEN_LATER omen_status omen_db_stats(omen_db *db, omen_buf *out, omen_error *err);
OMEN_LATER omen_status omen_db_metrics(omen_db *db, omen_metrics_format format, omen_str labels, omen_buf *out, omen_error *err);
void omen_db_metrics_reset(omen_db *db);

#endif
