/* task.c - see task.h. */
#include "api/task.h"

#include "api/arguments.h"

static omen_task_slot *slot_of(omen_engine *e, uint32_t handle) {
    omen_task_slot *s = (omen_task_slot *)(void *)e->tasks.data;
    for (size_t i = 0; i < e->tasks.len / sizeof *s; i++)
        if (s[i].handle == handle) return &s[i];
    return NULL;
}

static void free_task(omen_engine *e, omen_task *t) {
    omen_transfer_free(t->transfer);
    omen_purge_op_free(t->purge);
    omen_free(&e->mem, t, sizeof *t);
}

/* The lock is held. */
static omen_task *cut(omen_engine *e, omen_task_slot *s) {
    omen_task *t = s->task;
    uint8_t *end = e->tasks.data + e->tasks.len;
    memmove(s, s + 1, (size_t)(end - (uint8_t *)(s + 1)));
    e->tasks.len -= sizeof *s;
    return t;
}

/* Takes the operation over, also on failure. */
static omen_status add(omen_engine *e, uint32_t db, omen_transfer *transfer, omen_purge_op *purge, uint32_t *handle, omen_error *err) {
    omen_task *t = omen_alloc_zero(&e->mem, sizeof *t);
    *handle = 0;
    if (t != NULL) {
        t->transfer = transfer;
        t->purge = purge;
        omen_lock_take(&e->lock);
        omen_task_slot s = {e->next_handle, db, t};
        if (omen_buf_append(&e->tasks, &s, sizeof s) == OMEN_OK) *handle = e->next_handle++;
        omen_lock_drop(&e->lock);
    }
    if (*handle != 0) return OMEN_OK;
    omen_transfer_free(transfer);
    omen_purge_op_free(purge);
    omen_free(&e->mem, t, sizeof *t);
    return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
}

omen_status omen_task_purge(omen_engine *e, uint32_t db_handle, omen_db *db, omen_coll *coll, const omen_rows *ids, uint32_t *handle, omen_error *err) {
    omen_purge_op *p = NULL;
    OMEN_TRY(omen_purge_op_new(db, coll, ids, &p, err));
    return add(e, db_handle, NULL, p, handle, err);
}

static omen_status handle_of(const omen_request *r, uint32_t *out, omen_error *err) {
    uint64_t handle;
    OMEN_TRY(omen_request_u64(r, "task", UINT32_MAX, &handle, err));
    *out = (uint32_t)handle;
    return OMEN_OK;
}

omen_status omen_task_enter(omen_engine *e, const omen_request *r, uint32_t *handle, omen_task **out, uint32_t *db, omen_error *err) {
    omen_status st = OMEN_OK;
    uint64_t budget = 0;
    if (omen_request_has(r, "budgetUs")) OMEN_TRY(omen_request_u64(r, "budgetUs", UINT64_C(1) << 53, &budget, err));
    OMEN_TRY(handle_of(r, handle, err));
    omen_lock_take(&e->lock);
    omen_task_slot *s = slot_of(e, *handle);
    if (s == NULL || s->task->ended) st = OMEN_ERR_CLOSED;
    else if (s->task->busy) st = OMEN_ERR_BUSY;
    if (st == OMEN_OK) {
        s->task->busy = true;
        s->task->budget_ns = budget * 1000;
        *out = s->task;
        *db = s->db;
    }
    omen_lock_drop(&e->lock);
    if (st == OMEN_OK) return st;
    return omen_fail(err, st, st == OMEN_ERR_BUSY ? "another call steps this task" : "the task has ended, or its database is closed");
}

omen_status omen_task_step(omen_task *t, omen_error *err) {
    return t->transfer != NULL ? omen_transfer_step(t->transfer, t->budget_ns, &t->done, err) : omen_purge_op_step(t->purge, t->budget_ns, &t->done, err);
}

void omen_task_leave(omen_engine *e, uint32_t handle) {
    omen_task *gone = NULL;
    omen_lock_take(&e->lock);
    omen_task_slot *s = slot_of(e, handle);
    if (s != NULL) {
        s->task->busy = false;
        if (s->task->ended) gone = cut(e, s);
    }
    omen_lock_drop(&e->lock);
    if (gone != NULL) free_task(e, gone);
}

omen_status omen_task_end(omen_engine *e, const omen_request *r, omen_error *err) {
    omen_db *db;
    omen_error closing;
    uint32_t handle, of = 0;
    OMEN_TRY(handle_of(r, &handle, err));
    omen_lock_take(&e->lock);
    omen_task_slot *s = slot_of(e, handle);
    bool idle = s != NULL && !s->task->busy;
    if (s != NULL) s->task->ended = true;
    if (idle) {
        s->task->busy = true;
        of = s->db;
    }
    omen_lock_drop(&e->lock);
    if (!idle) return OMEN_OK; /* whoever steps it frees it */
    /* The database stays until it is freed; one that is being closed ends its tasks by itself. */
    if (of != 0 && omen_engine_enter(e, of, &db, &closing) != OMEN_OK) return OMEN_OK;
    omen_task_leave(e, handle);
    if (of != 0) omen_engine_leave(e, of);
    return OMEN_OK;
}

void omen_task_end_all(omen_engine *e, uint32_t db) {
    for (;;) {
        omen_task *gone = NULL;
        omen_lock_take(&e->lock);
        omen_task_slot *s = (omen_task_slot *)(void *)e->tasks.data;
        for (size_t i = 0; i < e->tasks.len / sizeof *s && gone == NULL; i++)
            if (db == UINT32_MAX || s[i].db == db) gone = cut(e, &s[i]);
        omen_lock_drop(&e->lock);
        if (gone == NULL) return;
        free_task(e, gone);
    }
}

/* ---- requests ---- */

typedef struct place {
    bool given;
    omen_storage storage;
    bool has_storage, has_key;
    char *path;
    size_t path_bytes;
    omen_encryption key;
} place;

/* {"path"}, or {"slot"} and perhaps "path", which is then only what messages call it; and "keys": the part that has them. */
static omen_status read_place(omen_engine *e, const omen_request *r, const char *name, place *out, omen_error *err) {
    const omen_json_val *v = omen_json_get(r->root, name), *slot, *named, *keys;
    omen_str path;
    uint64_t n;
    if (v == NULL || omen_json_is_null(v)) return OMEN_OK;
    out->given = true;
    slot = omen_json_get(v, "slot");
    keys = omen_json_get(v, "keys");
    if (slot != NULL) {
        if (!omen_json_u64(slot, &n) || n > UINT32_MAX) return omen_fail(err, OMEN_ERR_INVALID, "%s.slot must be a number", name);
        OMEN_TRY(omen_engine_take_storage(e, (uint32_t)n, &out->storage, err));
        out->has_storage = true;
    }
    named = omen_json_get(v, "path");
    if (slot == NULL || named != NULL) {
        if (named == NULL || !omen_json_str(named, &path)) return omen_fail(err, OMEN_ERR_INVALID, "%s must have a path or a slot", name);
        out->path_bytes = path.len + 1;
        out->path = omen_alloc_zero(&e->mem, out->path_bytes);
        if (out->path == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
        if (path.len != 0) memcpy(out->path, path.data, path.len);
    }
    if (keys == NULL || omen_json_is_null(keys)) return OMEN_OK;
    if (!omen_json_u64(keys, &n) || n >= OMEN_MESSAGE_PARTS) return omen_fail(err, OMEN_ERR_INVALID, "%s.keys must be the number of a part", name);
    OMEN_TRY(omen_args_keys(r, (uint32_t)n, &out->key, err));
    out->has_key = true;
    return OMEN_OK;
}

static omen_status read_kind(const omen_request *r, omen_transfer_kind *out, omen_error *err) {
    static const char *const kinds[] = {"backup", "restore", "clone", "list", "remove"};
    omen_str kind;
    OMEN_TRY(omen_request_str(r, "kind", &kind, err));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        if (!omen_str_equal(kind, (omen_str){kinds[i], strlen(kinds[i])})) continue;
        *out = (omen_transfer_kind)i;
        return OMEN_OK;
    }
    return omen_fail(err, OMEN_ERR_INVALID, "kind must be backup, restore, clone, list or remove");
}

static bool flag(const omen_request *r, const char *name) {
    const omen_json_val *v = omen_json_get(r->root, name);
    bool b = false;
    return v != NULL && omen_json_bool(v, &b) && b;
}

static omen_status take_args(omen_engine *e, const omen_request *r, omen_transfer_args *args, place *places, omen_error *err) {
    OMEN_TRY(read_place(e, r, "backups", &places[0], err));
    OMEN_TRY(read_place(e, r, "place", &places[1], err));
    OMEN_TRY(read_kind(r, &args->kind, err));
    if (omen_request_has(r, "backup")) OMEN_TRY(omen_request_u64(r, "backup", UINT64_C(1) << 53, &args->number, err));
    bool needs_db = args->kind == OMEN_TRANSFER_BACKUP || args->kind == OMEN_TRANSFER_CLONE;
    if (needs_db != (args->db != NULL)) return omen_fail(err, OMEN_ERR_INVALID, needs_db ? "db is missing" : "db is not for this kind");
    args->verify = flag(r, "verify");
    args->plain = flag(r, "plain");
    return OMEN_OK;
}

omen_status omen_task_transfer(omen_engine *e, const omen_request *r, uint32_t db_handle, omen_db *db, uint32_t *handle, omen_error *err) {
    omen_transfer *t = NULL;
    place places[2] = {{0}};
    omen_transfer_args args = {.host = e->host, .db = db};
    omen_status s = take_args(e, r, &args, places, err);
    if (s == OMEN_OK) {
        args.backups_path = places[0].path;
        args.place_path = places[1].path;
        if (places[0].has_storage) args.backups = &places[0].storage;
        if (places[1].has_storage) args.place = &places[1].storage;
        if (places[0].has_key) args.backups_key = &places[0].key;
        if (places[1].has_key) args.place_key = &places[1].key;
    }
    for (int i = 0; i < 2; i++)
        if (places[i].has_storage && s != OMEN_OK) places[i].storage.ops->release(places[i].storage.ctx);
    if (s == OMEN_OK) s = omen_transfer_new(&args, &t, err);
    for (int i = 0; i < 2; i++) omen_free(&e->mem, places[i].path, places[i].path_bytes);
    memset(places, 0, sizeof places);
    __asm__ __volatile__("" : : "r"(places) : "memory"); /* keys were in it */
    return s == OMEN_OK ? add(e, db_handle, t, NULL, handle, err) : s;
}

/* ---- answers ---- */

static void number(omen_jw *w, const char *name, uint64_t value) {
    omen_jw_key(w, name);
    omen_jw_u64(w, value);
}

static void tell_transfer(const omen_transfer *t, omen_jw *w) {
    char id[33];
    omen_hash128 hash;
    memcpy(hash.bytes, t->database_id, 16);
    omen_hash128_hex(&hash, id);
    number(w, "backup", t->number);
    number(w, "files", omen_transfer_files(t));
    number(w, "bytes", t->total_bytes);
    number(w, "copiedFiles", t->copied_files);
    number(w, "copiedBytes", t->copied_bytes);
    number(w, "lastLsn", t->lsn);
    omen_jw_key(w, "databaseId");
    omen_jw_cstr(w, id);
}

static void tell_purge(const omen_purge_outcome *o, omen_jw *w) {
    number(w, "deleted", o->deleted);
    number(w, "segmentsRewritten", o->rewritten);
    number(w, "filesScanned", o->files);
    number(w, "bytesScanned", o->bytes);
    number(w, "rowsScanned", o->rows);
    number(w, "writtenAgain", o->again);
    number(w, "notSearched", o->unsearched);
}

omen_status omen_task_tell(const omen_task *t, omen_jw *w) {
    omen_jw_key(w, "more");
    omen_jw_bool(w, !t->done);
    number(w, "done", t->transfer == NULL ? 0 : t->transfer->done_bytes);
    number(w, "total", t->transfer == NULL ? 0 : t->transfer->total_bytes);
    if (t->purge != NULL && !t->done && omen_purge_op_waits(t->purge)) {
        omen_jw_key(w, "waiting");
        omen_jw_bool(w, true);
    }
    if (t->transfer != NULL && t->transfer->ending && !t->done) {
        omen_jw_key(w, "ending");
        omen_jw_bool(w, true);
    }
    if (!t->done) return OMEN_OK;
    omen_jw_key(w, "report");
    if (t->transfer != NULL && t->transfer->text.len != 0) {
        omen_jw_raw(w, (omen_str){(const char *)t->transfer->text.data, t->transfer->text.len});
        return OMEN_OK;
    }
    omen_jw_object(w);
    if (t->transfer != NULL) tell_transfer(t->transfer, w);
    else tell_purge(omen_purge_op_outcome_of(t->purge), w);
    omen_jw_object_end(w);
    return OMEN_OK;
}
