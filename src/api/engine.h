/* engine.h - the databases and collections that calls name by handle. A handle is never used twice. */
#ifndef OMEN_API_ENGINE_H
#define OMEN_API_ENGINE_H

#include "api/api.h"

typedef struct omen_db_slot {
    uint32_t handle;
    uint32_t uses;   /* calls under way */
    bool closing;    /* no new calls */
    omen_db *db;
} omen_db_slot;

typedef struct omen_coll_slot {
    uint32_t handle, db;
    omen_coll *coll;
} omen_coll_slot;

typedef struct omen_storage_slot {
    uint32_t slot;
    omen_storage storage;
} omen_storage_slot;

struct omen_engine {
    const omen_host *host;
    omen_mem mem;
    omen_lock lock;
    uint32_t next_handle;
    omen_buf dbs;      /* omen_db_slot */
    omen_buf colls;    /* omen_coll_slot */
    omen_buf storages; /* omen_storage_slot */
    omen_buf tasks;    /* omen_task_slot (task.h) */
};

/* Borrow a database for one call; omen_engine_leave ends it. OMEN_ERR_CLOSED. */
omen_status omen_engine_enter(omen_engine *e, uint32_t db, omen_db **out, omen_error *err);
/* The same by a collection's handle; *coll is a reference. */
omen_status omen_engine_enter_coll(omen_engine *e, uint32_t handle, uint32_t *db_handle, omen_db **db, omen_coll **coll, omen_error *err);
void omen_engine_leave(omen_engine *e, uint32_t db);
/* Takes the database or collection over and answers its handle, 0 when out of memory. */
uint32_t omen_engine_add_db(omen_engine *e, omen_db *db);
uint32_t omen_engine_add_coll(omen_engine *e, uint32_t db, omen_coll *coll);
omen_status omen_engine_take_storage(omen_engine *e, uint32_t slot, omen_storage *out, omen_error *err);
void omen_engine_release_coll(omen_engine *e, uint32_t handle);
/* Closing: no new calls from now on; true when the caller, itself inside one call, is the only one left. */
bool omen_engine_quiet(omen_engine *e, uint32_t db);
/* Takes the database and its collections out; the database is the caller's. */
omen_db *omen_engine_remove_db(omen_engine *e, uint32_t db);

#endif
