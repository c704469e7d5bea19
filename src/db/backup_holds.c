/* backup_holds.c - which backups hold records of certain ids: for whoever erased them. A backup is looked into where it lies, through a storage that has its files
 * under the names they will have when it is restored. */
#include "db/backup.h"
#include "db/write.h"

#define POOL_BYTES (1u << 20)

typedef struct omen_holds {
    omen_transfer *t;
    omen_str collection;
    omen_rows ids;
    omen_arena kept;  /* of the ids */
    omen_pool *pool;
    uint32_t record;
    omen_buf counts;  /* u64 for each record; UINT64_MAX: it cannot be read */
    bool known;       /* a backup has the collection */
    omen_buf names;   /* of the others that they have: "a", "b" */
    /* of one record */
    bool begun;
    omen_arena arena;
    omen_manifest_body body;
    omen_manifest_coll *coll; /* NULL: it has no such collection */
    omen_store store;
    omen_part *part;
    uint32_t at, key;
    omen_recovery *recovery;
    omen_buf found;   /* a byte for each id */
} omen_holds;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory looking into a backup"); }

/* ---- the storage: the record's files under their later names, for reading ---- */

static const omen_backup_record *record_of(const omen_holds *h) { return omen_transfer_record(h->t, h->record); }

static omen_status view_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    each(arg, omen_log_file_name(record_of(ctx)->epoch).text);
    return OMEN_OK;
}

static omen_status view_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    omen_holds *h = ctx;
    const omen_backup_record *r = record_of(h);
    const omen_storage *st = &h->t->backups.store.storage;
    omen_long_name inside = {{0}};
    uint64_t number;
    if (mode != OMEN_FILE_READ) return OMEN_ERR_READ_ONLY;
    if (omen_log_file_parse(name, &number)) inside = omen_backup_log_name(r->number);
    for (uint32_t i = 0; omen_segment_file_parse(name, &number) && i < r->file_count; i++) {
        omen_backup_file f = omen_backup_file_at(r, i);
        if (f.number == number) inside = omen_backup_data_name(&f.hash);
    }
    omen_status s = inside.text[0] == '\0' ? OMEN_ERR_NOT_FOUND : st->ops->open(st->ctx, inside.text, OMEN_FILE_READ, out);
    return s == OMEN_ERR_NOT_FOUND ? OMEN_ERR_CORRUPT : s; /* the record names it */
}

static const omen_storage *inner(void *ctx) { return &((omen_holds *)ctx)->t->backups.store.storage; }
static omen_status view_size(void *ctx, omen_file *f, uint64_t *out) { return inner(ctx)->ops->size(inner(ctx)->ctx, f, out); }
static omen_status view_read(void *ctx, omen_file *f, uint64_t at, void *into, size_t len, size_t *got) { return inner(ctx)->ops->read_at(inner(ctx)->ctx, f, at, into, len, got); }
static void view_close(void *ctx, omen_file *f) { inner(ctx)->ops->close(inner(ctx)->ctx, f); }
static omen_status view_write(void *ctx, omen_file *f, uint64_t at, const void *bytes, size_t len) { return (void)ctx, (void)f, (void)at, (void)bytes, (void)len, OMEN_ERR_READ_ONLY; }
static omen_status view_truncate(void *ctx, omen_file *f, uint64_t size) { return (void)ctx, (void)f, (void)size, OMEN_ERR_READ_ONLY; }
static omen_status view_sync(void *ctx, omen_file *f) { return (void)ctx, (void)f, OMEN_OK; }
static omen_status view_sync_dir(void *ctx) { return (void)ctx, OMEN_OK; }
static omen_status view_remove(void *ctx, const char *name) { return (void)ctx, (void)name, OMEN_ERR_READ_ONLY; }
static void view_release(void *ctx) { (void)ctx; }

static const omen_storage_ops view_ops = {.struct_size = sizeof view_ops, .list = view_list, .open = view_open, .size = view_size, .read_at = view_read,
                                      .write_at = view_write, .truncate = view_truncate, .sync = view_sync, .sync_dir = view_sync_dir,
                                      .close = view_close, .remove = view_remove, .release = view_release};

/* ---- its life ---- */

omen_status omen_holds_new(omen_transfer *t, omen_error *err) {
    const omen_rows *ids = t->args.ids;
    omen_holds *h = omen_alloc_zero(&t->mem, sizeof *h);
    if (h == NULL) return out_of_memory(err);
    t->holds = h;
    h->t = t;
    omen_arena_init(&h->kept, &t->mem, 4096);
    omen_buf_init(&h->counts, &t->mem);
    omen_buf_init(&h->found, &t->mem);
    omen_buf_init(&h->names, &t->mem);
    uint32_t n = ids->count;
    uint32_t *offsets = omen_arena_alloc(&h->kept, ((size_t)n + 1) * sizeof *offsets, 8);
    uint8_t *bytes = omen_arena_alloc(&h->kept, (n == 0 ? 0 : ids->key_offsets[n]) + (size_t)8, 8);
    char *name = omen_arena_copy(&h->kept, t->args.collection.data, t->args.collection.len);
    if (offsets == NULL || bytes == NULL || name == NULL) return out_of_memory(err);
    offsets[0] = 0;
    if (n != 0) memcpy(offsets, ids->key_offsets, ((size_t)n + 1) * sizeof *offsets);
    if (n != 0) memcpy(bytes, ids->key_bytes, ids->key_offsets[n]);
    h->collection = (omen_str){name, t->args.collection.len};
    h->ids = (omen_rows){.count = n, .key_offsets = offsets, .key_bytes = bytes};
    t->args.ids = NULL; /* the caller's */
    OMEN_TRY(omen_rows_check_ids(&h->ids, &t->mem, &h->kept, true, err));
    omen_status s = omen_pool_new(&t->mem, t->args.host, POOL_BYTES, &h->pool);
    return s == OMEN_OK ? s : out_of_memory(err);
}

static void end_record(omen_holds *h) {
    omen_recovery_free(h->recovery);
    omen_part_unref(h->part);
    for (uint32_t i = 0; i < h->body.count; i++) omen_coll_unref(h->body.colls[i].coll);
    if (h->begun) omen_arena_deinit(&h->arena);
    h->recovery = NULL;
    h->part = NULL;
    h->coll = NULL;
    h->body = (omen_manifest_body){0};
    h->at = h->key = 0;
    h->begun = false;
}

void omen_holds_free(omen_transfer *t) {
    omen_holds *h = t->holds;
    if (h == NULL) return;
    end_record(h);
    omen_pool_free(h->pool);
    omen_arena_deinit(&h->kept);
    omen_buf_deinit(&h->counts);
    omen_buf_deinit(&h->found);
    omen_buf_deinit(&h->names);
    omen_free(&t->mem, h, sizeof *h);
    t->holds = NULL;
}

bool omen_holds_count(const omen_transfer *t, uint32_t record, uint64_t *count) {
    if (t->holds == NULL || t->holds->counts.len <= record * sizeof *count) return false;
    *count = omen_get64(t->holds->counts.data + record * sizeof *count);
    return *count != UINT64_MAX;
}

/* ---- looking ---- */

/* Notes the name of a collection that is not the one asked for, once, and not beyond what a message has room for. */
static omen_status note_name(omen_holds *h, omen_str name, omen_error *err) {
    char quoted[OMEN_MAX_NAME + 4];
    omen_format(quoted, sizeof quoted, "\"%.*s\"", (int)name.len, name.data);
    size_t len = strlen(quoted);
    for (size_t at = 0; at + len <= h->names.len; at++)
        if (memcmp(h->names.data + at, quoted, len) == 0) return OMEN_OK;
    if (h->names.len + len > 200) return OMEN_OK;
    if (h->names.len != 0 && omen_buf_append(&h->names, ", ", 2) != OMEN_OK) return out_of_memory(err);
    return omen_buf_append(&h->names, quoted, len) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

/* A name that no backup has is more likely misspelt than sought in vain. */
static omen_status judge_name(const omen_holds *h, omen_error *err) {
    if (h->known || h->record == 0) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_NOT_FOUND, "no backup that can be read has a collection \"%.*s\"; %s%.*s", (int)OMEN_MIN(h->collection.len, 60), h->collection.data,
                     h->names.len == 0 ? "they have none" : "there are ", (int)h->names.len, h->names.len == 0 ? "" : (const char *)h->names.data);
}

static omen_status begin_record(omen_holds *h, omen_error *err) {
    const omen_backup_record *r = record_of(h);
    omen_mem *m = &h->t->mem;
    omen_arena_init(&h->arena, m, 4096);
    h->begun = true;
    h->store = (omen_store){0};
    h->store.host = h->t->args.host;
    h->store.mem = m;
    h->store.pool = h->pool;
    h->store.storage = (omen_storage){h, &view_ops};
    memcpy(h->store.database_id, r->database_id, 16);
    h->found.len = 0;
    if (omen_buf_append(&h->found, NULL, h->ids.count) != OMEN_OK) return out_of_memory(err);
    OMEN_TRY(omen_manifest_decode(m, &h->arena, r->payload, r->payload_len, &h->body, err));
    for (uint32_t i = 0; i < h->body.count; i++) {
        omen_str name = h->body.colls[i].coll->name;
        if (omen_str_equal(name, h->collection)) h->coll = &h->body.colls[i];
        else OMEN_TRY(note_name(h, name, err));
    }
    h->known |= h->coll != NULL;
    return OMEN_OK;
}

static omen_status look_into_parts(omen_holds *h, omen_error *err) {
    for (; h->coll != NULL && h->at < h->coll->part_count; h->at++, h->key = 0) {
        if (h->part == NULL || !h->part->complete) OMEN_TRY(omen_schema_open_part(&h->coll->coll->schema, &h->store, &h->coll->parts[h->at].info, &h->part, err));
        for (; h->key < h->ids.count; h->key++) {
            uint32_t row;
            OMEN_TRY(omen_part_find(h->part, omen_rows_key(&h->ids, h->key), h->ids.hashes[h->key], &row, err));
            if (row != UINT32_MAX) h->found.data[h->key] = 1;
        }
        omen_part_unref(h->part);
        h->part = NULL;
    }
    return OMEN_OK;
}

static omen_status look_into_frame(void *arg, const omen_recovered_frame *f, omen_error *err) {
    omen_holds *h = arg;
    uint32_t id, kind;
    if (f->type != OMEN_FRAME_RECORDS) return OMEN_OK;
    OMEN_TRY(omen_rows_peek(f->payload, f->len, &id, &kind, err));
    if (h->coll == NULL || id != h->coll->coll->id) return OMEN_OK;
    omen_arena arena;
    omen_rows rows;
    omen_arena_init(&arena, &h->t->mem, 1u << 14);
    omen_status s = omen_rows_decode(&rows, &h->t->mem, &arena, &h->coll->coll->schema.schema, f->payload, f->len, err);
    for (uint32_t i = 0; s == OMEN_OK && i < rows.count; i++)
        for (uint32_t k = 0; k < h->ids.count; k++)
            if (rows.hashes[i] == h->ids.hashes[k] && omen_key_equal(omen_rows_key(&rows, i), omen_rows_key(&h->ids, k))) h->found.data[k] = 1;
    omen_arena_deinit(&arena);
    return s;
}

static omen_status look_into_log(omen_holds *h, omen_error *err) {
    if (h->recovery == NULL && omen_recovery_new(&h->store, record_of(h)->epoch, h->body.flushed_lsn, true, look_into_frame, h, &h->recovery) != OMEN_OK) return out_of_memory(err);
    return omen_recovery_step(h->recovery, err);
}

static omen_status look(omen_holds *h, omen_error *err) {
    if (!h->begun) OMEN_TRY(begin_record(h, err));
    OMEN_TRY(look_into_parts(h, err));
    return look_into_log(h, err);
}

/* A backup that is damaged is told by whoever verifies it; here it does not keep the others from being looked into. */
omen_status omen_holds_look(omen_transfer *t, bool *done, omen_error *err) {
    omen_holds *h = t->holds;
    *done = h == NULL || h->record == omen_transfer_record_count(t);
    if (*done) return h == NULL ? OMEN_OK : judge_name(h, err);
    uint64_t count = 0;
    omen_status s = record_of(h)->verdict == OMEN_BACKUP_GOOD ? look(h, err) : OMEN_ERR_CORRUPT;
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) return s;
    for (uint32_t i = 0; s == OMEN_OK && i < h->ids.count; i++) count += h->found.data[i];
    if (s == OMEN_ERR_CORRUPT) count = UINT64_MAX;
    end_record(h);
    h->record++;
    return omen_buf_append_u64(&h->counts, count) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}
