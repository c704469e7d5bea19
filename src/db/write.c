/* write.c - one write, from its turn in the queue to the moment it is durable.
 *
 *   turn     the write is the first in the queue; the write lock is held while it moves on, and let go while the host is waited for
 *   read     insert, update and delete look up their ids; nobody else writes meanwhile
 *   room     a full memtable is frozen and a new log epoch begins; if too many frozen tables wait, or memory is scarce, the write helps to flush
 *   append   room in the memtable first (which may fail), then the log, then the memtable (which cannot fail), then it is visible
 *   sync     the write leaves the queue and waits until its LSN is durable, if the options promise that
 */
#include "db/write.h"

#include "column/element.h"

omen_status omen_write_op_new(omen_db *db, omen_coll *coll, omen_write_kind kind, omen_write_op **out, omen_error *err) {
    omen_write_op *op = omen_alloc_zero(&db->mem, sizeof *op);
    if (op == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a write");
    op->db = db;
    op->coll = coll == NULL ? NULL : omen_coll_ref(coll);
    op->kind = kind;
    op->begun_ns = db->host->ticks_ns(db->host->ctx);
    omen_arena_init(&op->arena, &db->mem, 1u << 12);
    omen_buf_init(&op->docs, &db->mem);
    omen_buf_init(&op->doc_offsets, &db->mem);
    omen_buf_init(&op->old_doc, &db->mem);
    *out = op;
    return OMEN_OK;
}

omen_arena *omen_write_op_arena(omen_write_op *op) { return &op->arena; }
omen_rows *omen_write_op_rows(omen_write_op *op) { return &op->rows; }
uint64_t omen_write_op_commit(const omen_write_op *op) { return op->commit; }
uint64_t omen_write_op_count(const omen_write_op *op) { return op->count; }

omen_coll *omen_write_op_taken(omen_write_op *op) {
    omen_coll *c = op->taken;
    op->taken = NULL;
    return c;
}

omen_status omen_write_op_collection(omen_write_op *op, omen_str name, const omen_schema *schema, omen_error *err) {
    OMEN_TRY(omen_name_check(name, "the collection's name", err));
    const char *copy = omen_arena_copy(&op->arena, name.data, name.len);
    if (copy == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    op->name = (omen_str){copy, name.len};
    if (schema == NULL) return OMEN_OK;
    OMEN_TRY(omen_schema_copy_init(&op->schema, &op->db->mem, schema, err));
    op->has_schema = true;
    return OMEN_OK;
}

omen_status omen_write_op_index(omen_write_op *op, omen_str field, const omen_index_options *options, omen_error *err) {
    const omen_schema *s = &op->coll->schema.schema;
    OMEN_TRY(omen_schema_field(s, field, &op->index_field, err));
    OMEN_TRY(omen_index_options_check(options, s->vectors[op->index_field].name, err));
    op->index = *options;
    return OMEN_OK;
}

omen_status omen_write_op_check(omen_write_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (db->options.read_only) return omen_fail(err, OMEN_ERR_READ_ONLY, "the database is open for reading only; open it without read_only to write");
    OMEN_TRY(omen_poisoned(db, err));
    if (op->where != NULL) return OMEN_OK;
    if (op->kind == OMEN_KIND_DELETE) return omen_rows_check_ids(&op->rows, &db->mem, &op->arena, true, err);
    if (op->coll == NULL) return OMEN_OK;
    return omen_rows_check(&op->rows, &db->mem, &op->arena, &op->coll->schema.schema, op->kind == OMEN_KIND_UPDATE, err);
}

/* ---- the queue; the write lock is held ---- */

static void enqueue(omen_db *db, omen_turn *t) {
    t->queued = true;
    t->next = NULL;
    if (db->turn_last != NULL) db->turn_last->next = t;
    else db->turn_first = t;
    db->turn_last = t;
}

static void leave(omen_db *db, omen_turn *t) {
    if (!t->queued) return;
    omen_turn *before = NULL;
    for (omen_turn *at = db->turn_first; at != t; at = at->next) before = at;
    if (before != NULL) before->next = t->next;
    else db->turn_first = t->next;
    if (db->turn_last == t) db->turn_last = before;
    t->queued = false;
}

void omen_write_op_free(omen_write_op *op) {
    if (op == NULL) return;
    omen_db *db = op->db;
    omen_lock_take(&db->write_lock);
    leave(db, &op->turn);
    omen_lock_drop(&db->write_lock);
    omen_where_free(op);
    omen_snapshot_release(&op->snapshot);
    omen_coll_unref(op->coll);
    omen_coll_unref(op->taken);
    if (op->has_schema) omen_schema_copy_deinit(&op->schema);
    omen_buf_deinit(&op->docs);
    omen_buf_deinit(&op->doc_offsets);
    omen_buf_deinit(&op->old_doc);
    omen_arena_deinit(&op->arena);
    omen_free(&db->mem, op, sizeof *op);
}

/* ---- read ---- */

static omen_status not_there(omen_status s, const omen_write_op *op, omen_error *err) {
    char id[80];
    omen_key_print(omen_rows_key(&op->rows, op->at), id, sizeof id);
    const char *what = s == OMEN_ERR_EXISTS ? "exists already; use upsert to replace it" : "does not exist; use upsert to create it";
    return omen_fail(err, s, "record %s of collection \"%.*s\" %s", id, (int)op->coll->name.len, op->coll->name.data, what);
}

/* The document an update merges into. */
static omen_status read_old_doc(omen_write_op *op, omen_error *err) {
    if (op->place.entry != NULL) {
        op->old_doc.len = 0;
        if (omen_buf_append(&op->old_doc, op->place.entry->doc, op->place.entry->doc_len) == OMEN_OK) return OMEN_OK;
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in an update");
    }
    return omen_part_doc(op->place.part->part, op->place.row, &op->doc_place, &op->old_doc, err);
}

static size_t row_bytes(const omen_write_op *op, uint32_t field) {
    const omen_part_field *f = &op->coll->schema.fields[field];
    return omen_element_bytes(f->element, f->dimensions);
}

static omen_status read_old_vectors(omen_write_op *op, const omen_coll_version *v, omen_error *err) {
    for (; op->field < v->coll->schema.schema.vector_count; op->field++) {
        size_t bytes = row_bytes(op, op->field);
        if (op->kept[op->field] == NULL) continue;
        uint8_t *into = op->kept[op->field] + op->at * bytes;
        if (op->place.entry != NULL)
            memcpy(into, omen_memtable_vectors(v->tables[op->place.row].table, op->field, op->place.entry->row, NULL), bytes);
        else
            OMEN_TRY(omen_part_vector(op->place.part->part, op->place.row, op->field, into, err));
    }
    return OMEN_OK;
}

static omen_status merge_doc(omen_write_op *op, omen_error *err) {
    omen_str old = {(const char *)op->old_doc.data, op->old_doc.len}, patch = omen_rows_doc(&op->rows, op->at);
    omen_status s = OMEN_OK;
    if (patch.len != 0) s = omen_json_merge(&op->db->mem, old, patch, &op->docs, err);
    else if (old.len != 0) s = omen_buf_append(&op->docs, old.data, old.len);
    if (s == OMEN_OK && op->docs.len > UINT32_MAX) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the updated documents exceed 4 GiB; split the batch");
    if (s == OMEN_OK) s = omen_buf_append_u32(&op->doc_offsets, (uint32_t)op->docs.len);
    return s == OMEN_ERR_MEMORY ? omen_fail(err, s, "out of memory in an update") : s;
}

/* One record of an update: its present document and the vectors that are not given. */
static omen_status read_for_update(omen_write_op *op, const omen_coll_version *v, omen_error *err) {
    if (!op->doc_read) {
        OMEN_TRY(read_old_doc(op, err));
        OMEN_TRY(merge_doc(op, err));
        op->doc_read = true;
        op->field = 0;
    }
    OMEN_TRY(read_old_vectors(op, v, err));
    op->doc_read = false;
    op->old_doc.len = 0;
    memset(&op->doc_place, 0, sizeof op->doc_place);
    return OMEN_OK;
}

static omen_status begin_update(omen_write_op *op, omen_error *err) {
    const omen_schema_copy *s = &op->coll->schema;
    for (uint32_t f = 0; f < s->schema.vector_count; f++) {
        if (op->rows.vectors[f] != NULL) continue;
        op->kept[f] = omen_arena_alloc(&op->arena, op->rows.count * row_bytes(op, f), 64);
        if (op->kept[f] == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in an update");
    }
    return omen_buf_append_u32(&op->doc_offsets, 0) == OMEN_OK ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory in an update");
}

/* The rows an update writes: merged documents, and every vector; checked like any other. */
static omen_status end_update(omen_write_op *op, omen_error *err) {
    for (uint32_t f = 0; f < op->coll->schema.schema.vector_count; f++)
        if (op->kept[f] != NULL) op->rows.vectors[f] = op->kept[f];
    op->rows.doc_offsets = (const uint32_t *)(const void *)op->doc_offsets.data;
    op->rows.doc_bytes = op->docs.len == 0 ? "" : (const char *)op->docs.data; /* an empty buffer has no address to count from */
    return omen_rows_check(&op->rows, &op->db->mem, &op->arena, &op->coll->schema.schema, false, err);
}

static omen_status begin_delete(omen_write_op *op, omen_error *err) {
    op->absent = omen_arena_alloc(&op->arena, op->rows.count + 1u, 1);
    if (op->absent == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a delete");
    memset(op->absent, 0, op->rows.count + 1u);
    return omen_rows_mark_repeats(&op->rows, &op->db->mem, op->absent, err);
}

/* Leaves only the ids that are there, each once. */
static omen_status end_delete(omen_write_op *op, omen_error *err) {
    omen_rows kept = {0};
    const omen_rows *r = &op->rows;
    uint32_t *offsets = omen_arena_alloc(&op->arena, (r->count + (size_t)1) * sizeof *offsets, 8);
    uint8_t *bytes = omen_arena_alloc(&op->arena, r->key_offsets[r->count] + (size_t)1, 8);
    uint64_t *hashes = omen_arena_alloc(&op->arena, (r->count + (size_t)1) * sizeof *hashes, 8);
    if (offsets == NULL || bytes == NULL || hashes == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a delete");
    offsets[0] = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        if (op->absent[i]) continue;
        omen_key key = omen_rows_key(r, i);
        memcpy(bytes + offsets[kept.count], key.data, key.len);
        hashes[kept.count] = r->hashes[i];
        offsets[kept.count + 1] = offsets[kept.count] + key.len;
        kept.count++;
    }
    kept.key_offsets = offsets;
    kept.key_bytes = bytes;
    kept.hashes = hashes;
    op->rows = kept;
    return OMEN_OK;
}

static bool reads_first(const omen_write_op *op) {
    return op->kind == OMEN_KIND_INSERT || op->kind == OMEN_KIND_UPDATE || op->kind == OMEN_KIND_DELETE;
}

static omen_status read_stage(omen_write_op *op, omen_error *err) {
    if (!reads_first(op) || op->rows.count == 0) return OMEN_OK;
    if (op->snapshot.version == NULL) {
        omen_snapshot_take(op->db, &op->snapshot);
        if (op->kind == OMEN_KIND_UPDATE) OMEN_TRY(begin_update(op, err));
        if (op->kind == OMEN_KIND_DELETE) OMEN_TRY(begin_delete(op, err));
    }
    const omen_coll_version *v = omen_version_find(op->snapshot.version, op->coll->id);
    if (v == NULL) return OMEN_OK; /* dropped: append says so */
    for (; op->at < op->rows.count; op->at++, op->placed = false) {
        if (!op->placed) {
            OMEN_TRY(omen_snapshot_find_next(&op->snapshot, v, &op->rows, op->at, op->kind != OMEN_KIND_INSERT, &op->ahead, &op->place, err));
            op->placed = true;
        }
        bool there = op->place.entry != NULL || op->place.part != NULL;
        if (op->kind == OMEN_KIND_INSERT && there) return not_there(OMEN_ERR_EXISTS, op, err);
        if (op->kind == OMEN_KIND_UPDATE && !there) return not_there(OMEN_ERR_NOT_FOUND, op, err);
        if (op->kind == OMEN_KIND_UPDATE) OMEN_TRY(read_for_update(op, v, err));
        if (op->kind == OMEN_KIND_DELETE && !there) op->absent[op->at] = 1;
    }
    if (op->kind == OMEN_KIND_UPDATE) OMEN_TRY(end_update(op, err));
    if (op->kind == OMEN_KIND_DELETE) OMEN_TRY(end_delete(op, err));
    omen_snapshot_release(&op->snapshot);
    return OMEN_OK;
}

/* ---- append; the write lock is held ---- */

static void publish(omen_db *db, uint64_t lsn) {
    omen_lock_take(&db->version_lock);
    db->visible_lsn = lsn;
    omen_lock_drop(&db->version_lock);
}

/* What is written stays in the log's buffer at durability MEMORY, and otherwise goes to the host when somebody waits for it or it has grown. */
static omen_status logged(omen_write_op *op, uint64_t lsn, omen_error *err) {
    omen_db *db = op->db;
    db->next_lsn = lsn + 1;
    op->commit = lsn;
    publish(db, lsn);
    if (atomic_load(&db->unsynced_since_ns) == 0) atomic_store(&db->unsynced_since_ns, db->host->ticks_ns(db->host->ctx) | 1u);
    if (db->options.durability != OMEN_DURABILITY_OS) return OMEN_OK;
    omen_status s = omen_log_write_out(db->log, err);
    return s == OMEN_OK ? s : omen_poison(db, s, err);
}

/* `now` is held, so that its active table stays while it is written; only the write whose turn it is (us) ever puts another in its place. */
static omen_status append_rows_to(omen_write_op *op, const omen_db_version *now, omen_error *err) {
    omen_db *db = op->db;
    bool erase = op->kind == OMEN_KIND_DELETE;
    const omen_coll_version *v = omen_version_find(now, op->coll->id);
    if (v == NULL)
        return omen_fail(err, OMEN_ERR_CLOSED, "collection \"%.*s\" was dropped; open it again to create it anew", (int)op->coll->name.len, op->coll->name.data);
    op->count = op->rows.count;
    if (op->rows.count == 0) return OMEN_OK;
    omen_memtable *table = omen_coll_active(v);
    omen_memtable_batch batch;
    uint64_t before = omen_log_size(db->log);
    OMEN_TRY(omen_memtable_prepare(table, &op->rows, erase, &batch, err));
    omen_status s = omen_rows_append(&op->rows, db->log, op->coll->id, erase ? OMEN_ROWS_DELETE : OMEN_ROWS_PUT, &op->coll->schema.schema, db->next_lsn,
                                     atomic_load(&db->durable_lsn), err);
    if (s == OMEN_ERR_MEMORY && omen_log_size(db->log) == before && !omen_log_poisoned(db->log)) return s; /* nothing was appended: nothing has changed */
    if (s != OMEN_OK) return omen_poison(db, s, err);
    omen_memtable_commit(table, &batch, erase, db->next_lsn);
    db->active_records += op->rows.count;
    omen_counter_add(erase ? &db->metrics.deletes : &db->metrics.writes, op->rows.count);
    omen_counter_add(&db->metrics.write_batches, 1);
    return logged(op, db->next_lsn + op->rows.count - 1, err);
}

static omen_status append_rows(omen_write_op *op, omen_error *err) {
    omen_db_version *now = omen_version_current(op->db);
    omen_status s = append_rows_to(op, now, err);
    omen_version_drop(op->db, now);
    return s;
}

static omen_status append_schema(omen_write_op *op, uint32_t action, uint32_t id, const omen_coll *coll, omen_error *err) {
    omen_db *db = op->db;
    omen_buf payload;
    omen_buf_init(&payload, &db->mem);
    omen_status s = action == OMEN_SCHEMA_INDEX ? omen_schema_frame_encode_index(id, op->index_field, &op->index, &payload)
                                                : omen_schema_frame_encode(action, id, coll, &payload);
    if (s != OMEN_OK) omen_fail(err, s, "out of memory");
    omen_span span = {payload.data, payload.len};
    if (s == OMEN_OK) {
        s = omen_log_append(db->log, OMEN_FRAME_SCHEMA, true, db->next_lsn, 1, atomic_load(&db->durable_lsn), &span, 1, err);
        if (s != OMEN_OK) omen_poison(db, s, err);
    }
    omen_buf_deinit(&payload);
    if (s != OMEN_OK) return s;
    db->active_records++;
    atomic_store(&db->schema_lsn, db->next_lsn);
    return logged(op, db->next_lsn, err);
}

static omen_status create_collection(omen_write_op *op, omen_error *err) {
    omen_db *db = op->db;
    OMEN_TRY(omen_poisoned(db, err));
    omen_db_version *now = omen_version_current(db);
    bool full = now->count >= OMEN_MAX_COLLECTIONS;
    omen_version_drop(db, now);
    if (full)
        return omen_fail(err, OMEN_ERR_LIMIT, "the database has %u collections, which is the most it can have; drop one first", OMEN_MAX_COLLECTIONS);
    omen_coll *coll = omen_coll_new(&db->mem, db->next_collection_id, op->name, &op->schema.schema, err);
    if (coll == NULL) return err->status;
    omen_status s = append_schema(op, OMEN_SCHEMA_CREATE, coll->id, coll, err);
    if (s == OMEN_OK) {
        s = omen_collection_add(db, coll, err);
        if (s != OMEN_OK) omen_poison(db, s, err); /* the log has it already: reopening shows it */
    }
    if (s == OMEN_OK) {
        db->next_collection_id++;
        op->taken = coll;
    } else {
        omen_coll_unref(coll);
    }
    return s;
}

static omen_status drop_collection(omen_write_op *op, uint32_t id, omen_error *err) {
    OMEN_TRY(append_schema(op, OMEN_SCHEMA_DROP, id, NULL, err));
    omen_status s = omen_collection_remove(op->db, id, err);
    return s == OMEN_OK ? s : omen_poison(op->db, s, err);
}

static omen_status change_index(omen_write_op *op, omen_error *err) {
    omen_db *db = op->db;
    omen_db_version *now = omen_version_current(db);
    bool there = omen_version_find(now, op->coll->id) != NULL;
    omen_version_drop(db, now);
    if (!there)
        return omen_fail(err, OMEN_ERR_CLOSED, "collection \"%.*s\" was dropped; open it again to create it anew", (int)op->coll->name.len, op->coll->name.data);
    OMEN_TRY(append_schema(op, OMEN_SCHEMA_INDEX, op->coll->id, NULL, err));
    omen_status s = omen_collection_reindex(db, op->coll->id, op->index_field, &op->index, &op->taken, err);
    return s == OMEN_OK ? s : omen_poison(db, s, err); /* the log has it already: reopening shows it */
}

static omen_status append_stage(omen_write_op *op, omen_error *err) {
    if (op->kind == OMEN_KIND_ROTATE) {
        op->commit = op->db->next_lsn - 1;
        return OMEN_OK;
    }
    if (op->kind == OMEN_KIND_CREATE) return create_collection(op, err);
    if (op->kind == OMEN_KIND_DROP) return drop_collection(op, op->drop_id, err);
    if (op->kind == OMEN_KIND_INDEX) return change_index(op, err);
    return append_rows(op, err);
}

/* A collection that is there needs no write; a drop needs its id. *done: nothing is left to do. */
static omen_status look_up_in(omen_write_op *op, const omen_db_version *now, bool *done, omen_error *err) {
    const omen_coll_version *v = omen_version_find_name(now, op->name);
    bool create = op->kind == OMEN_KIND_CREATE;
    if (v == NULL) {
        if (create && op->has_schema) {
            if (!op->db->options.read_only) return OMEN_OK;
            return omen_fail(err, OMEN_ERR_READ_ONLY, "collection \"%.*s\" does not exist, and the database is open for reading only", (int)op->name.len, op->name.data);
        }
        return omen_fail(err, OMEN_ERR_NOT_FOUND, "collection \"%.*s\" does not exist%s", (int)op->name.len, op->name.data,
                         create ? "; open it with a schema to create it" : "");
    }
    op->drop_id = v->coll->id;
    if (!create) return OMEN_OK;
    *done = true;
    /* What another has created is waited for, too; but not by who only reads where nothing becomes durable any more. */
    op->commit = !op->has_schema && atomic_load(&op->db->poisoned) ? 0 : op->db->next_lsn - 1;
    if (op->has_schema) OMEN_TRY(omen_schema_match(&v->coll->schema.schema, &op->schema.schema, op->name, err));
    op->taken = omen_coll_ref(v->coll);
    return OMEN_OK;
}

static omen_status look_up_collection(omen_write_op *op, bool *done, omen_error *err) {
    omen_db_version *now = omen_version_current(op->db);
    *done = false;
    omen_status s = look_up_in(op, now, done, err);
    omen_version_drop(op->db, now);
    return s;
}

/* ---- the steps ---- */

/* Freezes what has to be frozen. *help: frozen tables must be flushed first. */
static omen_status make_room(omen_write_op *op, bool *help, omen_error *err) {
    omen_db *db = op->db;
    uint32_t frozen = omen_frozen_count(db);
    *help = frozen != 0 && (op->starved || (!op->unhelped && omen_memory_scarce(db)));
    if (*help) return OMEN_OK;
    bool due = op->kind == OMEN_KIND_ROTATE || op->starved ? db->active_records != 0 && !op->rotated : omen_rotate_due(db);
    due = due || db->next_log != NULL; /* begun and broken off: that log goes on where this one ends now */
    if (!due) return OMEN_OK;
    *help = frozen >= OMEN_MAX_FROZEN;
    if (*help) return OMEN_OK;
    OMEN_TRY(omen_rotate(db, err));
    op->rotated = true;
    *help = op->starved;
    return OMEN_OK;
}

/* Everything of a turn. The write lock is held. *help: frozen tables must be flushed first. */
static omen_status take_turn(omen_write_op *op, bool *help, omen_error *err) {
    omen_db *db = op->db;
    *help = false;
    if (op->kind == OMEN_KIND_CREATE || op->kind == OMEN_KIND_DROP) {
        bool done;
        OMEN_TRY(look_up_collection(op, &done, err));
        if (done) return OMEN_OK;
    }
    if (op->kind != OMEN_KIND_CREATE || !db->options.read_only) OMEN_TRY(omen_poisoned(db, err));
    if (!op->read) {
        if (op->where != NULL) OMEN_TRY(omen_where_step(op, err));
        OMEN_TRY(read_stage(op, err));
        op->read = true;
    }
    OMEN_TRY(make_room(op, help, err));
    if (*help) return OMEN_OK;
    op->fed = op->starved;
    op->starved = false;
    op->generation = db->active_generation;
    omen_status s = append_stage(op, err);
    if (s != OMEN_ERR_MEMORY || atomic_load(&db->poisoned)) return s;
    /* Nothing was written. What other records hold comes free by flushing them, once. */
    if (!op->fed && (db->active_records != 0 || omen_frozen_count(db) != 0)) {
        op->starved = *help = true;
        op->rotated = false;
        return OMEN_OK;
    }
    return op->rows.count == 0 ? s : omen_fail(err, s, "out of memory for a batch of %u records, with nothing else in memory; use smaller batches, or raise memory_bytes", op->rows.count);
}

static omen_status turn_stage(omen_write_op *op, omen_error *err) {
    omen_db *db = op->db;
    for (;;) {
        bool help = false, more, first;
        omen_lock_take(&db->write_lock);
        if (!op->turn.queued) enqueue(db, &op->turn);
        first = db->turn_first == &op->turn;
        omen_status s = first ? take_turn(op, &help, err) : OMEN_PENDING;
        if (s != OMEN_PENDING && !help) leave(db, &op->turn);
        omen_lock_drop(&db->write_lock);
        if (!help && (first || db->write_lock.handle == NULL)) return s;
        /* With threads, a write that is not the first waits by helping whoever is. */
        s = omen_maintain_step(db, 0, &more, err);
        if (s == OMEN_OK) continue;
        if (first && !op->starved && !op->unhelped && (s == OMEN_ERR_MEMORY || s == OMEN_ERR_LIMIT || s == OMEN_ERR_UNSUPPORTED) && omen_frozen_count(db) < OMEN_MAX_FROZEN) {
            op->unhelped = true;
            continue;
        }
        if (s != OMEN_PENDING) {
            omen_lock_take(&db->write_lock);
            leave(db, &op->turn);
            omen_lock_drop(&db->write_lock);
        }
        return s;
    }
}

omen_status omen_write_op_step(omen_write_op *op, bool wait_durable, omen_error *err) {
    omen_db *db = op->db;
    if (op->kind != OMEN_KIND_CREATE && db->options.read_only)
        return omen_fail(err, OMEN_ERR_READ_ONLY, "the database is open for reading only; open it without read_only to write");
    if (!op->appended) {
        OMEN_TRY(turn_stage(op, err));
        op->appended = true;
        bool due = omen_maintain_due(db) || (!wait_durable && omen_unsynced(db));
        if (!db->options.manual_maintenance && due && db->host->wake != NULL) db->host->wake(db->host->ctx);
    }
    if (op->kind == OMEN_KIND_CREATE) {
        if (op->taken->schema.text != NULL) OMEN_TRY(omen_later(err));
        bool again = !op->languages_asked;
        op->languages_asked = true;
        OMEN_TRY(omen_text_fields_load(op->taken->schema.text, again));
    }
    if (wait_durable && db->options.durability >= OMEN_DURABILITY_GROUP && !db->options.read_only) OMEN_TRY(omen_sync_step(db, op->commit, err));
    omen_hist_record(&db->metrics.write_duration, db->host->ticks_ns(db->host->ctx) - op->begun_ns);
    return OMEN_OK;
}

uint64_t omen_write_op_generation(const omen_write_op *op) { return op->generation; }
