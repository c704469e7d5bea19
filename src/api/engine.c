#include "api/engine.h"

#include "api/task.h"

#define EACH(type, var, buf) for (type *var = (type *)(void *)(buf).data, *var##_end = var == NULL ? NULL : var + (buf).len / sizeof *var; var < var##_end; var++)

/* Removes *at from a buffer of elements. */
static void cut(omen_buf *b, void *at, size_t size) {
    uint8_t *p = at, *end = b->data + b->len;
    memmove(p, p + size, (size_t)(end - p) - size);
    b->len -= size;
}

omen_status omen_engine_new(const omen_host *host, omen_engine **out) {
    if (out == NULL) return OMEN_ERR_INVALID;
    *out = NULL;
    if (host == NULL) host = omen_platform_host();
    if (host == NULL) return OMEN_ERR_UNSUPPORTED;
    omen_engine *e = host->alloc(host->ctx, sizeof *e);
    if (e == NULL) return OMEN_ERR_MEMORY;
    memset(e, 0, sizeof *e);
    e->host = host;
    omen_mem_init(&e->mem, host, 0);
    omen_buf_init(&e->dbs, &e->mem);
    omen_buf_init(&e->colls, &e->mem);
    omen_buf_init(&e->storages, &e->mem);
    omen_buf_init(&e->tasks, &e->mem);
    e->next_handle = 1;
    if (omen_lock_init(&e->lock, host) != OMEN_OK) {
        host->free(host->ctx, e, sizeof *e);
        return OMEN_ERR_MEMORY;
    }
    *out = e;
    return OMEN_OK;
}

void omen_engine_free(omen_engine *e) {
    if (e == NULL) return;
    const omen_host *host = e->host;
    omen_task_end_all(e, UINT32_MAX);
    EACH(omen_coll_slot, c, e->colls) omen_coll_unref(c->coll);
    EACH(omen_db_slot, d, e->dbs) {
        if (omen_platform_cares(d->db)) omen_platform_closing(d->db);
        omen_db_free(d->db);
    }
    EACH(omen_storage_slot, s, e->storages) s->storage.ops->release(s->storage.ctx);
    omen_buf_deinit(&e->dbs);
    omen_buf_deinit(&e->colls);
    omen_buf_deinit(&e->storages);
    omen_buf_deinit(&e->tasks);
    omen_lock_deinit(&e->lock);
    host->free(host->ctx, e, sizeof *e);
}

omen_status omen_engine_put_storage(omen_engine *e, uint32_t slot, const omen_storage *storage) {
    if (e == NULL || storage == NULL || storage->ops == NULL) return OMEN_ERR_INVALID;
    omen_storage_slot s = {slot, *storage};
    omen_lock_take(&e->lock);
    omen_status st = OMEN_OK;
    EACH(omen_storage_slot, at, e->storages) if (at->slot == slot) st = OMEN_ERR_EXISTS;
    if (st == OMEN_OK) st = omen_buf_append(&e->storages, &s, sizeof s);
    omen_lock_drop(&e->lock);
    return st;
}

omen_status omen_engine_take_storage(omen_engine *e, uint32_t slot, omen_storage *out, omen_error *err) {
    omen_status st = OMEN_ERR_NOT_FOUND;
    omen_lock_take(&e->lock);
    EACH(omen_storage_slot, s, e->storages) {
        if (s->slot != slot) continue;
        *out = s->storage;
        cut(&e->storages, s, sizeof *s);
        st = OMEN_OK;
        break;
    }
    omen_lock_drop(&e->lock);
    return st == OMEN_OK ? st : omen_fail(err, st, "no storage was handed over in slot %u", slot);
}

/* The lock is held. */
static omen_db_slot *find_db(omen_engine *e, uint32_t handle) {
    EACH(omen_db_slot, d, e->dbs) if (d->handle == handle) return d;
    return NULL;
}

static omen_coll_slot *find_coll(omen_engine *e, uint32_t handle) {
    EACH(omen_coll_slot, c, e->colls) if (c->handle == handle) return c;
    return NULL;
}

static omen_status enter_locked(omen_engine *e, uint32_t handle, omen_db **out, omen_error *err) {
    omen_db_slot *d = find_db(e, handle);
    if (d == NULL || d->closing) return omen_fail(err, OMEN_ERR_CLOSED, "the database is closed; open it again");
    d->uses++;
    *out = d->db;
    return OMEN_OK;
}

omen_status omen_engine_enter(omen_engine *e, uint32_t db, omen_db **out, omen_error *err) {
    omen_lock_take(&e->lock);
    omen_status s = enter_locked(e, db, out, err);
    omen_lock_drop(&e->lock);
    return s;
}

omen_status omen_engine_enter_coll(omen_engine *e, uint32_t handle, uint32_t *db_handle, omen_db **db, omen_coll **coll, omen_error *err) {
    omen_lock_take(&e->lock);
    omen_coll_slot *c = find_coll(e, handle);
    omen_status s = c == NULL ? omen_fail(err, OMEN_ERR_CLOSED, "the collection or its database is closed; open it again") : enter_locked(e, c->db, db, err);
    if (s == OMEN_OK) {
        *db_handle = c->db;
        *coll = omen_coll_ref(c->coll);
    }
    omen_lock_drop(&e->lock);
    return s;
}

void omen_engine_leave(omen_engine *e, uint32_t db) {
    omen_lock_take(&e->lock);
    omen_db_slot *d = find_db(e, db);
    if (d != NULL) d->uses--;
    omen_lock_drop(&e->lock);
}

uint32_t omen_engine_add_db(omen_engine *e, omen_db *db) {
    omen_lock_take(&e->lock);
    omen_db_slot s = {e->next_handle, 0, false, db};
    bool good = omen_buf_append(&e->dbs, &s, sizeof s) == OMEN_OK;
    if (good) e->next_handle++;
    omen_lock_drop(&e->lock);
    return good ? s.handle : 0;
}

uint32_t omen_engine_add_coll(omen_engine *e, uint32_t db, omen_coll *coll) {
    omen_lock_take(&e->lock);
    omen_coll_slot s = {e->next_handle, db, coll};
    bool good = omen_buf_append(&e->colls, &s, sizeof s) == OMEN_OK;
    if (good) e->next_handle++;
    omen_lock_drop(&e->lock);
    return good ? s.handle : 0;
}

void omen_engine_release_coll(omen_engine *e, uint32_t handle) {
    omen_lock_take(&e->lock);
    omen_coll_slot *c = find_coll(e, handle);
    omen_coll *coll = c == NULL ? NULL : c->coll;
    if (c != NULL) cut(&e->colls, c, sizeof *c);
    omen_lock_drop(&e->lock);
    omen_coll_unref(coll);
}

bool omen_engine_quiet(omen_engine *e, uint32_t db) {
    omen_lock_take(&e->lock);
    omen_db_slot *d = find_db(e, db);
    d->closing = true;
    bool quiet = d->uses == 1;
    omen_lock_drop(&e->lock);
    return quiet;
}

omen_db *omen_engine_remove_db(omen_engine *e, uint32_t handle) {
    omen_task_end_all(e, handle);
    omen_lock_take(&e->lock);
    omen_db_slot *d = find_db(e, handle);
    omen_db *db = d == NULL ? NULL : d->db;
    if (d != NULL) cut(&e->dbs, d, sizeof *d);
    for (size_t i = 0; i < e->colls.len / sizeof(omen_coll_slot);) {
        omen_coll_slot *c = (omen_coll_slot *)(void *)e->colls.data + i;
        if (c->db != handle) {
            i++;
            continue;
        }
        omen_coll_unref(c->coll);
        cut(&e->colls, c, sizeof *c);
    }
    omen_lock_drop(&e->lock);
    return db;
}
