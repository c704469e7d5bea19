/* open.c - opening in steps, and freeing.
 *
 *   storage     the host opens the place and takes the writer's lock
 *   list        which files are there
 *   manifest    both slots; none: a new database, if that is asked for
 *   settle      the manifest that was read is made durable
 *   parts       every segment the manifest names: footer and META
 *   tombstones  dead rows of each part, from the parts written after it
 *   recover     the logs since the last flush, into memtables
 *   clean       files that neither manifest nor log needs
 *   found       a new database's first manifest, in both slots
 *   begin       the next log epoch
 *
 * One that opens for reading holds no lock: what it finds wrong it does not believe before it has read it twice (again.h).
 */
#include "db/again.h"
#include "db/indexing.h"
#include "db/replay.h"
#include "db/write.h"

typedef enum stage { STORAGE, LIST, MANIFEST, SETTLE, PARTS, TOMBSTONES, RECOVER, CLEAN, FOUND, BEGIN, OPENED } stage;

struct omen_open_op {
    omen_db *db;
    const omen_host *host;
    char *path;
    size_t path_bytes;
    stage stage;
    bool started, fresh;
    omen_files files;
    omen_arena arena;
    omen_manifest_body body;
    omen_db_version *version; /* being built */
    uint32_t coll, part;   /* place */
    omen_part *opening;
    uint32_t field;        /* of the index being opened */
    omen_index *opening_index;
    omen_tombstones tombstones;
    omen_replay replay;
    omen_salvage *salvage; /* NULL: damage ends the open */
    bool manifest_lost, lost; /* being salvaged, because of */
    omen_error why;
    omen_buf payload;
    omen_again again;
};

omen_status omen_open_op_new(const char *path, const omen_options *options, omen_open_op **out, omen_error *err) {
    const omen_host *host = options->host;
    omen_db *db = host->alloc(host->ctx, sizeof *db);
    if (db == NULL) {
        if (options->storage != NULL) options->storage->ops->release(options->storage->ctx);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    }
    memset(db, 0, sizeof *db);
    omen_mem_init(&db->mem, host, options->memory_bytes);
    db->host = host;
    db->options = *options;
    if (options->database_id != NULL) memcpy(db->store.database_id, options->database_id, 16);
    if (options->storage != NULL) {
        db->store.storage = *options->storage;
        db->storage_open = true; /* ours from now on: released also on failure */
    }
    db->opened_ns = host->ticks_ns(host->ctx);
    atomic_init(&db->index_due, true);
    db->merge_bytes = UINT64_MAX;
    db->store.resident.limit = options->index_bytes;
    omen_buf_init(&db->garbage, &db->mem);
    omen_buf_init(&db->orphans, &db->mem);
    omen_buf_init(&db->lost, &db->mem);
    omen_buf_init(&db->proof, &db->mem);
    omen_lock *locks[] = {&db->index_lock, &db->maintain_lock, &db->sync_lock, &db->write_lock, &db->version_lock};
    omen_status s = OMEN_OK;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(locks); i++) {
        omen_status l = omen_lock_init(locks[i], host);
        if (s == OMEN_OK) s = l;
    }
    if (s == OMEN_OK) s = omen_pool_new(&db->mem, host, options->pool_bytes, &db->store.pool);
    omen_open_op *op = s == OMEN_OK ? omen_alloc_zero(&db->mem, sizeof *op) : NULL;
    size_t path_bytes = path == NULL ? 1 : strlen(path) + 1;
    char *copy = op == NULL ? NULL : omen_alloc(&db->mem, path_bytes);
    if (copy == NULL) {
        omen_free(&db->mem, op, sizeof *op);
        omen_db_free(db);
        return omen_fail(err, s == OMEN_OK ? OMEN_ERR_MEMORY : s, "out of memory opening a database");
    }
    memcpy(copy, path == NULL ? "" : path, path_bytes);
    db->store.host = host;
    db->store.mem = &db->mem;
    op->db = db;
    op->host = host;
    op->path = copy;
    op->path_bytes = path_bytes;
    omen_arena_init(&op->arena, &db->mem, 4096);
    omen_buf_init(&op->files.names, &db->mem);
    omen_buf_init(&op->tombstones.bytes, &db->mem);
    omen_buf_init(&op->payload, &db->mem);
    omen_buf_init(&op->again.said, &db->mem);
    op->replay = (omen_replay){.db = db, .body = &op->body, .files = &op->files};
    *out = op;
    return OMEN_OK;
}

void omen_open_op_salvage(omen_open_op *op, omen_salvage *s) { op->salvage = op->replay.salvage = s; }

void omen_open_op_free(omen_open_op *op) {
    if (op == NULL) return;
    if (op->salvage != NULL) omen_recovery_free(op->salvage->judge);
    omen_db *db = op->db;
    omen_mem *m = &db->mem;
    bool keep = op->stage == OPENED;
    omen_replay_deinit(&op->replay);
    omen_part_unref(op->opening);
    omen_index_unref(op->opening_index);
    omen_version_unref(op->version, NULL);
    for (uint32_t i = 0; i < op->body.count; i++) omen_coll_unref(op->body.colls[i].coll);
    omen_buf_deinit(&op->files.names);
    omen_buf_deinit(&op->tombstones.bytes);
    omen_buf_deinit(&op->payload);
    omen_buf_deinit(&op->again.said);
    omen_arena_deinit(&op->arena);
    omen_free(m, op->path, op->path_bytes);
    omen_free(m, op, sizeof *op);
    if (!keep) omen_db_free(db);
}

void omen_db_free(omen_db *db) {
    if (db == NULL) return;
    const omen_host *host = db->host;
    omen_indexing_free(db);
    if (db->job != NULL) omen_job_abandon(db);
    omen_log_close(db->log);
    omen_log_close(db->next_log);
    while (db->old_logs != NULL) {
        omen_old_log *next = db->old_logs->next;
        omen_log_close(db->old_logs->log);
        omen_free(&db->mem, db->old_logs, sizeof *db->old_logs);
        db->old_logs = next;
    }
    for (size_t i = 0; i < db->orphans.len / sizeof(omen_orphan); i++) {
        omen_orphan o;
        memcpy(&o, db->orphans.data + i * sizeof o, sizeof o);
        omen_index_set_unref(o.indexes, NULL);
        omen_part_unref(o.part);
    }
    omen_version_unref(db->current, NULL);
    omen_limbo_unref(db->limbo);
    omen_manifest_close(db->manifest);
    omen_pool_free(db->store.pool);
    if (db->storage_open) db->store.storage.ops->release(db->store.storage.ctx);
    omen_buf_deinit(&db->garbage);
    omen_buf_deinit(&db->orphans);
    omen_buf_deinit(&db->lost);
    omen_buf_deinit(&db->proof);
    omen_lock *locks[] = {&db->index_lock, &db->maintain_lock, &db->sync_lock, &db->write_lock, &db->version_lock};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(locks); i++) omen_lock_deinit(locks[i]);
    host->free(host->ctx, db, sizeof *db);
}

static omen_status open_storage(omen_open_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (db->options.storage == NULL) {
        if (op->host->storage_open == NULL) return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this host opens no paths; give it a storage");
        uint32_t flags = (db->options.create ? OMEN_STORAGE_CREATE : 0u) | (db->options.read_only ? OMEN_STORAGE_READ_ONLY : 0u);
        omen_status s = op->host->storage_open(op->host->ctx, op->path, flags, &db->store.storage);
        if (s == OMEN_ERR_BUSY)
            return omen_fail(err, s, "database \"%.200s\" is open for writing elsewhere; close it there, or open it read-only", op->path);
        if (s == OMEN_ERR_NOT_FOUND && (flags & OMEN_STORAGE_CREATE) != 0 && !db->options.read_only)
            return omen_fail(err, s, "the folder \"%.200s\" cannot be made there; check the path", op->path);
        if (s == OMEN_ERR_NOT_FOUND) return omen_fail(err, s, "database \"%.200s\" does not exist; open it with create, or check the path", op->path);
        OMEN_TRY(omen_store_place_check(s, op->path, err));
    }
    db->storage_open = true;
    if (db->options.encryption == NULL) return OMEN_OK;
    if (op->host->storage_encrypt == NULL) return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this host does not encrypt; open the database without a key, or on a host that does");
    omen_storage sealed;
    omen_status s = op->host->storage_encrypt(op->host->ctx, &db->store.storage, db->options.encryption, &sealed);
    if (s == OMEN_ERR_INVALID) return omen_fail(err, s, "the keys of an encryption need its struct_size set, and at most 16 previous ones");
    if (s == OMEN_ERR_UNSUPPORTED) return omen_fail(err, s, "encryption needs libcrypto (OpenSSL 1.1 or later), which is not on this machine or not in this build");
    OMEN_TRY(omen_store_check(s, "encrypt", op->path, err));
    db->store.storage = sealed;
    db->encrypted = true;
    db->options.encryption = NULL; /* the caller's */
    return OMEN_OK;
}

static omen_status list_files(omen_open_op *op, omen_error *err) { return omen_files_list(&op->files, op->db, err); }

/* A damaged slot beside a valid one may be a write of the manifest that was cut off, the generation before, which nobody needs, or the newest. In the last case the database
 * is what it was one generation ago, and the log tells as far as it reaches; nothing else does. */
static void warn_of_slots(omen_db *db) {
    for (uint32_t i = 0; i < 2 && db->host->log != NULL; i++) {
        char line[200];
        if (omen_manifest_generation(db->manifest) == 0 || !omen_manifest_slot_damaged(db->manifest, i)) continue;
        size_t n = omen_format(line, sizeof line, "manifest-%u is %s, and manifest-%u is used; where no power loss explains that, the last flush or close may be missing: check the database",
                               i, omen_manifest_slot(db->manifest, i), 1 - i);
        db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
    }
}

static omen_status read_manifest(omen_open_op *op, omen_error *err) {
    omen_db *db = op->db;
    omen_error why = {0};
    omen_status s = op->manifest_lost ? OMEN_ERR_CORRUPT : omen_manifest_open(&db->store, &db->manifest, &why);
    if (s == OMEN_ERR_CORRUPT && op->salvage != NULL) {
        op->manifest_lost = true;
        if (why.text[0] != '\0') op->why = why;
        return omen_salvage_manifest(op->salvage, db, &op->files, &op->why, &op->body, err);
    }
    if (s != OMEN_OK) {
        if (s != OMEN_PENDING && err != NULL) *err = why;
        return s;
    }
    if (op->salvage != NULL) omen_salvage_slots(op->salvage, db->manifest);
    else if (!db->options.read_only) warn_of_slots(db);
    db->lost_generation = omen_manifest_generation(db->manifest);
    if (db->lost_generation != 0) {
        const uint8_t *payload;
        size_t len;
        omen_manifest_payload(db->manifest, &payload, &len);
        return omen_manifest_decode(&db->mem, &op->arena, payload, len, &op->body, err);
    }
    if (op->files.unfinished)
        return omen_fail(err, OMEN_ERR_NOT_FOUND, "a restore or clone into \"%.200s\" was broken off, and there is no database yet; repeat it: it goes on where it stopped", op->path);
    /* The manifest is durable before the first log is created: one without the other is no new database. */
    for (uint32_t i = 0; i < omen_files_count(&op->files); i++) {
        const char *name = omen_files_at(&op->files, i);
        uint64_t n;
        if (!omen_log_file_parse(name, &n) && !omen_segment_file_parse(name, &n)) continue;
        omen_fail(&op->why, OMEN_ERR_CORRUPT, "\"%.200s\" holds %s but no manifest", op->path, name);
        if (op->salvage == NULL) return omen_fail(err, OMEN_ERR_CORRUPT, "%s; repair it while it has no segments, else restore it from a backup", op->why.text);
        omen_manifest_close(db->manifest);
        db->manifest = NULL;
        op->manifest_lost = true;
        return omen_salvage_manifest(op->salvage, db, &op->files, &op->why, &op->body, err);
    }
    if (op->files.foreign)
        return omen_fail(err, OMEN_ERR_FOREIGN, "\"%.200s\" holds files that are not OmenDB's, and no database; choose an empty or another place", op->path);
    if (!db->options.create || db->options.read_only)
        return omen_fail(err, OMEN_ERR_NOT_FOUND, "there is no database at \"%.200s\"; open it with create, or check the path", op->path);
    op->fresh = true;
    op->body = (omen_manifest_body){.next_file = 1, .log_first_epoch = 1, .next_collection_id = 1};
    if (db->options.database_id != NULL) return OMEN_OK; /* copied already */
    return omen_store_check(op->host->entropy(op->host->ctx, db->store.database_id, 16), "ask for", "entropy", err);
}

static void tell_lost(omen_db *db, const omen_error *err) {
    char line[500];
    omen_counter_add(&db->metrics.index_failures, 1);
    if (db->host->log == NULL) return;
    size_t n = omen_format(line, sizeof line, "an index is left out, and will be built again: %s", err->text);
    db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
}

/* An index that is left out. What is damaged is remembered for whoever checks the database, what has no room for whoever asks why it is not used. */
static omen_status leave_out(omen_db *db, omen_part *part, uint32_t field, const omen_segment_info *info, omen_status s, omen_error *why) {
    omen_part_indexing *i = &part->indexing[field];
    bool no_room = s == OMEN_ERR_LIMIT || s == OMEN_ERR_MEMORY;
    if (no_room || !db->options.read_only) tell_lost(db, why);
    i->left_out = info->number;
    i->left_out_bytes = info->length;
    i->no_room = no_room;
    if (no_room) return OMEN_OK;
    omen_lost_index lost = {.part = omen_segment_info_of(part->segment)->number, .why = *why};
    return omen_buf_append(&db->lost, &lost, sizeof lost);
}

/* Indexes can be made again from their vectors: one that is missing, damaged, or too large for the memory there is, is left out. */
static omen_status open_indexes(omen_open_op *op, const omen_manifest_part *m, const omen_coll *coll, omen_part_state *state, omen_error *err) {
    omen_db *db = op->db;
    for (; op->field < coll->schema.schema.vector_count; op->field++) {
        const omen_part_field *f = &coll->schema.fields[op->field];
        omen_error why = {0};
        if (!m->has_index[op->field]) continue;
        omen_status s = omen_index_open(&db->store, &m->indexes[op->field], state->part->rows, f->dimensions, (omen_metric)f->metric, (omen_element)f->element, &op->opening_index, &why);
        if (s == OMEN_PENDING) return s;
        if (s != OMEN_OK) {
            if (leave_out(db, state->part, op->field, &m->indexes[op->field], s, &why) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
            if (s == OMEN_ERR_LIMIT) omen_indexing_needs(state->part, op->field, coll->schema.schema.vectors[op->field].index.kind, m->indexes[op->field].length);
            continue;
        }
        omen_indexed_part_keep(state->part, op->field, op->opening_index);
        omen_index_set *set = omen_index_set_with(&db->mem, state->indexes, coll->schema.schema.vector_count, op->field, op->opening_index);
        op->opening_index = NULL;
        if (set == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
        omen_index_set_unref(state->indexes, NULL);
        state->indexes = set;
    }
    op->field = 0;
    return OMEN_OK;
}

/* What is done with a place, and what salvage does instead when that finds damage. */
typedef omen_status attempt(omen_open_op *op, omen_error *err);

static omen_status or_salvage(omen_open_op *op, attempt *usual, attempt *salvage, omen_error *err) {
    omen_error why = {0};
    omen_status s = op->lost ? OMEN_ERR_CORRUPT : usual(op, &why);
    if (s == OMEN_ERR_CORRUPT && op->salvage != NULL) {
        if (!op->lost) op->why = why;
        op->lost = true; /* until it is salvaged: that may pend */
        OMEN_TRY(salvage(op, err));
        op->lost = false;
        return OMEN_OK;
    }
    if (s != OMEN_OK && s != OMEN_PENDING && err != NULL) *err = why;
    return s;
}

static omen_status open_part(omen_open_op *op, omen_error *err) {
    const omen_manifest_coll *c = &op->body.colls[op->coll];
    return omen_schema_open_part(&c->coll->schema, &op->db->store, &c->parts[op->part].info, &op->opening, err);
}

/* op->opening: the part; NULL: it is left out. */
static omen_status salvage_part(omen_open_op *op, omen_error *err) {
    const omen_manifest_coll *c = &op->body.colls[op->coll];
    return omen_salvage_part(op->salvage, op->db, c->coll, &c->parts[op->part].info, &op->why, &op->opening, err);
}

/* A part that is left out: the next one takes its place. */
static omen_status without_part(omen_open_op *op, omen_manifest_coll *c, omen_error *err) {
    omen_coll_version *old = op->version->colls[op->coll], *v = omen_coll_version_new(&op->db->mem, c->coll, c->part_count - 1);
    if (v == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    memcpy(v->parts, old->parts, op->part * sizeof *v->parts);
    memset(old->parts, 0, op->part * sizeof *old->parts);
    v->tables[0] = old->tables[0];
    v->table_count = 1;
    old->table_count = 0;
    omen_coll_version_unref(old, NULL);
    op->version->colls[op->coll] = v;
    c->part_count--;
    memmove(&c->parts[op->part], &c->parts[op->part + 1], (c->part_count - op->part) * sizeof *c->parts);
    op->part--;
    return OMEN_OK;
}

static omen_status open_parts(omen_open_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (op->version == NULL) {
        op->version = omen_version_new(&db->mem, op->body.count);
        if (op->version == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    }
    for (; op->coll < op->body.count; op->coll++, op->part = 0) {
        omen_manifest_coll *c = &op->body.colls[op->coll];
        if (op->version->colls[op->coll] == NULL) {
            omen_coll_version *v = omen_coll_version_new(&db->mem, c->coll, c->part_count);
            if (v == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
            op->version->colls[op->coll] = v;
            v->tables[0] = (omen_table_state){0, omen_memtable_new(&db->mem, &c->coll->schema)};
            if (v->tables[0].table == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
            v->table_count = 1;
        }
        for (; op->part < c->part_count; op->part++) {
            omen_part_state *state = &op->version->colls[op->coll]->parts[op->part];
            if (state->part == NULL) {
                OMEN_TRY(or_salvage(op, open_part, salvage_part, err));
                state->part = op->opening;
                op->opening = NULL;
            }
            if (state->part == NULL) {
                OMEN_TRY(without_part(op, c, err));
                continue;
            }
            if (state->part->bare) continue;
            OMEN_TRY(open_indexes(op, &c->parts[op->part], c->coll, state, err));
        }
    }
    op->coll = op->part = 0;
    return OMEN_OK;
}

typedef struct tombstone_target { omen_coll_version *v; uint32_t newer; } tombstone_target;

/* Marks rows of every older part with that hash; a hash that is not there belongs to a part that was merged away. */
static omen_status mark_dead(void *arg, const omen_hash128 *target, const uint32_t *rows, uint32_t count, omen_error *err) {
    tombstone_target *t = arg;
    for (uint32_t p = 0; p < t->newer; p++) {
        omen_part_state *s = &t->v->parts[p];
        if (!omen_hash128_equal(&omen_segment_info_of(s->part->segment)->hash, target)) continue;
        if (s->dead == NULL) s->dead = omen_bits_new(t->v->mem, s->part->rows);
        if (s->dead == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
        for (uint32_t i = 0; i < count; i++) {
            if (rows[i] >= s->part->rows) return omen_fail(err, OMEN_ERR_CORRUPT, "a segment's list of deleted rows names a row that does not exist");
            omen_bits_set(s->dead, rows[i]);
        }
    }
    return OMEN_OK;
}

static omen_status read_dead(omen_open_op *op, omen_error *err) {
    omen_coll_version *v = op->version->colls[op->coll];
    tombstone_target t = {v, op->part};
    return omen_part_tombstones(v->parts[op->part].part, &op->tombstones, mark_dead, &t, err);
}

static omen_status salvage_dead(omen_open_op *op, omen_error *err) {
    return omen_salvage_replaced(op->salvage, op->version->colls[op->coll], op->part, &op->why, err);
}

static omen_status read_tombstones(omen_open_op *op, omen_error *err) {
    for (; op->coll < op->version->count; op->coll++, op->part = 0) {
        omen_coll_version *v = op->version->colls[op->coll];
        for (; op->part < v->part_count; op->part++) {
            OMEN_TRY(or_salvage(op, read_dead, salvage_dead, err));
            op->tombstones.bytes.len = 0;
            op->tombstones.done = 0;
        }
    }
    op->db->limbo = omen_limbo_new(&op->db->mem);
    if (op->db->limbo == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    op->version->limbo = omen_limbo_ref(op->db->limbo);
    op->db->current = op->version;
    op->version = NULL;
    return OMEN_OK;
}

static omen_status recover(omen_open_op *op, omen_error *err) { return omen_replay_step(&op->replay, err); }

static omen_status clean(omen_open_op *op, omen_error *err) { return omen_files_clean(&op->files, op->db, err); }

/* A database that has only the first of its two slots was being founded when that ended. */
static omen_status found(omen_open_op *op, omen_error *err) {
    if (!op->fresh && !omen_manifest_single(op->db->manifest)) return OMEN_OK;
    if (op->payload.len == 0) OMEN_TRY(omen_manifest_encode(op->db, op->db->current, 1, 0, &op->payload, err));
    return omen_manifest_found(op->db->manifest, op->payload.data, op->payload.len, err);
}

/* A table recovered from the log goes on as the active one; when it is full it is frozen now, since no write could have done so. */
static omen_status begin(omen_open_op *op, omen_error *err) {
    omen_db *db = op->db;
    OMEN_TRY(omen_log_create(&db->store, &db->log_metrics, db->epoch + 1, db->next_lsn, db->next_lsn - 1, op->replay.result.last_crc, &db->log, err));
    if (omen_rotate_due(db) && db->frozen_count + 2 < OMEN_MAX_TABLES) OMEN_TRY(omen_freeze_tables(db, db->epoch + 1, err));
    db->epoch++;
    return OMEN_OK;
}

static omen_status settle(omen_open_op *op, omen_error *err) {
    omen_db *db = op->db;
    return db->options.read_only || db->manifest == NULL ? OMEN_OK : omen_manifest_settle(db->manifest, err);
}

static omen_status go_on(omen_open_op *op, omen_error *err) {
    typedef omen_status step(omen_open_op *, omen_error *);
    static step *const steps[] = {[STORAGE] = open_storage, [LIST] = list_files, [MANIFEST] = read_manifest, [SETTLE] = settle, [PARTS] = open_parts,
                                  [TOMBSTONES] = read_tombstones, [RECOVER] = recover, [CLEAN] = clean, [FOUND] = found, [BEGIN] = begin};
    for (; op->stage < OPENED; op->stage++) {
        if (op->db->options.read_only && op->stage >= CLEAN) continue;
        if (op->salvage != NULL && op->stage == CLEAN) continue;
        omen_status s = steps[op->stage](op, err);
        if (s != OMEN_OK) return omen_store_why(&op->db->store, s, err);
    }
    return OMEN_OK;
}

/* ---- readers ---- */

/* Everything but the storage is as it was at first. */
static void begin_again(omen_open_op *op) {
    omen_db *db = op->db;
    omen_replay_deinit(&op->replay);
    op->replay = (omen_replay){.db = db, .body = &op->body, .files = &op->files, .salvage = op->salvage};
    omen_part_unref(op->opening);
    omen_index_unref(op->opening_index);
    omen_version_unref(op->version, NULL);
    for (uint32_t i = 0; i < op->body.count; i++) omen_coll_unref(op->body.colls[i].coll);
    op->opening = NULL;
    op->opening_index = NULL;
    op->version = NULL;
    op->body = (omen_manifest_body){0};
    omen_arena_deinit(&op->arena);
    omen_arena_init(&op->arena, &db->mem, 4096);
    op->files.names.len = 0;
    op->files.foreign = op->files.unfinished = false;
    op->tombstones.bytes.len = op->tombstones.done = 0;
    op->coll = op->part = op->field = 0;
    op->manifest_lost = op->lost = false;
    op->why = (omen_error){0};
    omen_version_unref(db->current, NULL);
    omen_limbo_unref(db->limbo);
    omen_manifest_close(db->manifest);
    db->current = NULL;
    db->limbo = NULL;
    db->manifest = NULL;
    db->lost.len = 0;
    db->frozen_count = 0;
    db->active_generation = db->active_records = 0;
    if (op->salvage != NULL) omen_salvage_reset(op->salvage);
    op->stage = LIST;
}

/* What an attempt found wrong, as bytes (again.h); none: nothing. why: it has failed. */
static omen_status write_wrongs(omen_open_op *op, const omen_error *why) {
    omen_db *db = op->db;
    omen_buf *out = &op->payload;
    out->len = 0;
    if (why != NULL) OMEN_TRY(omen_buf_append(out, why->text, strlen(why->text)));
    for (size_t at = 0; at < db->lost.len; at += sizeof(omen_lost_index)) {
        omen_lost_index lost;
        memcpy(&lost, db->lost.data + at, sizeof lost);
        OMEN_TRY(omen_buf_append(out, lost.why.text, strlen(lost.why.text)));
    }
    if (op->salvage != NULL) OMEN_TRY(omen_salvage_write(op->salvage, out));
    /* No log at all: the one that the manifest names may have gone while they were listed, and the next one come too late for the list. */
    if (why == NULL && op->replay.result.last_epoch == 0) OMEN_TRY(omen_buf_append_u64(out, op->body.log_first_epoch));
    bool damaged = db->manifest != NULL && (omen_manifest_slot_damaged(db->manifest, 0) || omen_manifest_slot_damaged(db->manifest, 1));
    bool whole = db->manifest != NULL && omen_manifest_whole(db->manifest);
    return damaged || (!whole && out->len != 0) ? omen_buf_append(out, db->store.slot_crcs, sizeof db->store.slot_crcs) : OMEN_OK;
}

static void tell_wrongs(omen_open_op *op) {
    omen_db *db = op->db;
    if (op->salvage == NULL) warn_of_slots(db);
    for (size_t at = 0; at < db->lost.len; at += sizeof(omen_lost_index)) {
        omen_lost_index lost;
        memcpy(&lost, db->lost.data + at, sizeof lost);
        tell_lost(db, &lost.why);
    }
}

/* An attempt has ended with this. *again: begin another. */
static omen_status judge(omen_open_op *op, omen_status s, const omen_error *why, bool *again, omen_error *err) {
    if (write_wrongs(op, s == OMEN_OK ? NULL : why) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    return op->payload.len == 0 ? OMEN_OK : omen_again_judge(&op->again, op->payload.data, op->payload.len, again, err);
}

static omen_status read_step(omen_open_op *op, omen_error *err) {
    for (;;) {
        omen_error why = {0};
        bool again = false;
        omen_status s = go_on(op, &why);
        if (s == OMEN_OK || (op->stage > STORAGE && omen_again_doubts(s))) {
            omen_status j = judge(op, s, &why, &again, err);
            if (j != OMEN_OK && op->stage == OPENED) op->stage = BEGIN; /* it is not open */
            OMEN_TRY(j);
        }
        if (!again) {
            if (s == OMEN_OK) tell_wrongs(op);
            else if (err != NULL) *err = why;
            return s;
        }
        begin_again(op);
    }
}

omen_status omen_open_op_step(omen_open_op *op, omen_db **out, omen_error *err) {
    OMEN_TRY(op->db->options.read_only ? read_step(op, err) : go_on(op, err));
    *out = op->db;
    return OMEN_OK;
}
