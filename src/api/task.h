/* task.h - what takes long and is done in pieces, each a call: backups and what is made of them, purges. A task begins by one call, is stepped by others, and ends by
 * one, or with its database. */
#ifndef OMEN_API_TASK_H
#define OMEN_API_TASK_H

#include "api/engine.h"
#include "api/message.h"
#include "base/later.h"
#include "db/backup.h"
#include "db/purge.h"

typedef struct omen_task {
    omen_transfer *transfer; /* one of both */
    omen_purge_op *purge;
    bool busy;  /* a call steps it */
    bool ended; /* it goes when that call is done */
    bool done;
    uint64_t budget_ns; /* of the call that steps it; 0: to the end */
} omen_task;

typedef struct omen_task_slot {
    uint32_t handle, db; /* db 0: of none */
    omen_task *task;
} omen_task_slot;

/* Begin a task by a request (docs/CALLS.md): a transfer of a database (handle 0 and NULL: of none), a purge. After omen_later. */
OMEN_LATER omen_status omen_task_transfer(omen_engine *e, const omen_request *r, uint32_t db_handle, omen_db *db, uint32_t *handle, omen_error *err);
OMEN_LATER omen_status omen_task_purge(omen_engine *e, uint32_t db_handle, omen_db *db, omen_coll *coll, const omen_rows *ids, uint32_t *handle, omen_error *err);
/* For one call, the task that its request names; omen_task_leave ends it. OMEN_ERR_CLOSED: it has ended, or its database is closed; OMEN_ERR_BUSY: another call steps it. */
omen_status omen_task_enter(omen_engine *e, const omen_request *r, uint32_t *handle, omen_task **out, uint32_t *db, omen_error *err);
OMEN_LATER omen_status omen_task_step(omen_task *t, omen_error *err); /* for the request's budgetUs; repeat on PENDING */
void omen_task_leave(omen_engine *e, uint32_t handle);
/* Ends the task that a request names; one that has ended is fine. */
omen_status omen_task_end(omen_engine *e, const omen_request *r, omen_error *err);
/* All tasks of a database, none of which is busy; UINT32_MAX: all there are. */
void omen_task_end_all(omen_engine *e, uint32_t db);
/* Members of an answer: how far it is, and at the end what came of it. */
OMEN_LATER omen_status omen_task_tell(const omen_task *t, omen_jw *w);

#endif
