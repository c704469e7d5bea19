/* rotate.c - freezing the active tables. Each generation of tables belongs to whole log epochs, so that a flushed generation lets its logs go.
 * The moment depends on the writes alone (logical bytes), never on time or on how far maintenance has got. */
#include "db/write.h"

bool omen_rotate_due(omen_db *db) {
    uint64_t bytes = 0;
    omen_db_version *now = omen_version_current(db);
    for (uint32_t i = 0; i < now->count; i++) bytes += omen_memtable_bytes(omen_coll_active(now->colls[i]));
    omen_version_drop(db, now);
    return bytes >= db->options.memtable_bytes;
}

bool omen_memory_scarce(const omen_db *db) {
    uint64_t limit = db->mem.limit, used = atomic_load_explicit(&db->mem.bytes, memory_order_relaxed);
    return limit != 0 && (used >= limit || limit - used < 2 * db->options.memtable_bytes);
}

typedef struct freeze { uint64_t generation; } freeze;

/* Every collection gets a new active table; an active table that is empty is replaced rather than frozen. */
static omen_db_version *with_new_tables(void *arg, const omen_db_version *current) {
    const freeze *f = arg;
    omen_db_version *n = omen_version_new(current->mem, current->count);
    for (uint32_t i = 0; n != NULL && i < current->count; i++) {
        omen_coll_version *v = omen_coll_version_copy(current->colls[i]);
        omen_memtable *table = v == NULL ? NULL : omen_memtable_new(v->mem, &v->coll->schema);
        if (table == NULL) {
            omen_coll_version_unref(v, NULL);
            omen_version_unref(n, NULL);
            return NULL;
        }
        if (omen_memtable_entries(omen_coll_active(v)) == 0) omen_memtable_unref(v->tables[--v->table_count].table);
        v->tables[v->table_count++] = (omen_table_state){f->generation, table};
        n->colls[i] = v;
    }
    return n;
}

omen_status omen_freeze_tables(omen_db *db, uint64_t next_epoch, omen_error *err) {
    freeze f = {db->active_generation + 1};
    OMEN_ASSERT(omen_frozen_count(db) + 1 < OMEN_MAX_TABLES);
    OMEN_TRY(omen_version_update(db, with_new_tables, &f, err));
    omen_lock_take(&db->version_lock);
    db->frozen[db->frozen_count++] = (omen_frozen){db->active_generation, db->active_first_epoch, next_epoch - 1, db->next_lsn - 1};
    omen_lock_drop(&db->version_lock);
    db->active_generation++;
    db->active_first_epoch = next_epoch;
    db->active_records = 0;
    return OMEN_OK;
}

omen_status omen_rotate(omen_db *db, omen_error *err) {
    omen_status s = omen_log_write_out(db->log, err);
    if (s != OMEN_OK) return omen_poison(db, s, err);
    if (db->next_log_durable == 0) db->next_log_durable = atomic_load(&db->durable_lsn) + 1; /* + 1: zero means not begun */
    /* Only the write whose turn it is gets here, so the arguments of a repeated call are the same. */
    if (!db->next_log_ready) {
        s = omen_log_create(&db->store, &db->log_metrics, db->epoch + 1, db->next_lsn, db->next_log_durable - 1, omen_log_last_crc(db->log), &db->next_log, err);
        if (s == OMEN_PENDING || s == OMEN_ERR_MEMORY) return s; /* without memory no file was made: it may be tried again */
        if (s != OMEN_OK) return omen_poison(db, s, err);
        db->next_log_ready = true;
    }
    omen_old_log *old = omen_alloc_zero(&db->mem, sizeof *old);
    if (old == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    s = omen_freeze_tables(db, db->epoch + 1, err);
    if (s != OMEN_OK) {
        omen_free(&db->mem, old, sizeof *old);
        return s;
    }
    old->log = db->log;
    omen_old_log **at = &db->old_logs;
    while (*at != NULL) at = &(*at)->next;
    *at = old;
    db->log = db->next_log;
    db->next_log = NULL;
    db->next_log_durable = 0;
    db->next_log_ready = false;
    db->epoch++;
    return OMEN_OK;
}
