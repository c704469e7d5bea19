/* image.c - see image.h. */
#include "db/image.h"

#include "column/element.h"

#define BATCH_BYTES (1u << 20)
#define CHUNK (1u << 16)

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory copying the database"); }

/* Whether the log is to hold this entry: it is what the snapshot sees of its id. */
static bool wanted(const omen_snapshot *s, const omen_coll_version *v, uint32_t table, const omen_entry *e) {
    return omen_entry_current(e, s->lsn) && !omen_snapshot_replaced(s, v, table, omen_entry_key(e), e->hash);
}

static uint64_t count_entries(const omen_snapshot *s) {
    uint64_t n = 0;
    for (uint32_t c = 0; c < s->version->count; c++) {
        const omen_coll_version *v = s->version->colls[c];
        for (uint32_t t = 0; t < v->table_count; t++)
            for (uint32_t i = 0, count = omen_memtable_entries(v->tables[t].table); i < count; i++) n += wanted(s, v, t, omen_memtable_entry(v->tables[t].table, i));
    }
    return n;
}

static omen_status list_file(omen_image *i, omen_segment *s) {
    i->bytes += omen_segment_info_of(s)->length;
    return omen_buf_append(&i->files, &s, sizeof s);
}

static omen_status list_files(omen_image *i) {
    const omen_db_version *v = i->snapshot.version;
    for (uint32_t c = 0; c < v->count; c++)
        for (uint32_t p = 0; p < v->colls[c]->part_count; p++) {
            const omen_part_state *s = &v->colls[c]->parts[p];
            OMEN_TRY(list_file(i, s->part->segment));
            for (uint32_t f = 0; s->indexes != NULL && f < s->indexes->count; f++)
                if (s->indexes->of[f] != NULL) OMEN_TRY(list_file(i, omen_index_segment(s->indexes->of[f])));
        }
    return OMEN_OK;
}

/* The payload says what the log will be: one epoch, all of it durable. Offsets as manifest_body.c has them. */
static omen_status encode(omen_image *i, omen_error *err) {
    omen_buf written;
    omen_buf_init(&written, &i->db->mem);
    omen_lock_take(&i->db->maintain_lock); /* numbers of files are given under it */
    omen_status s = omen_manifest_encode(i->db, i->snapshot.version, 0, i->snapshot.lsn - i->entries, &written, err);
    omen_lock_drop(&i->db->maintain_lock);
    if (s == OMEN_OK && omen_manifest_prove(written.data, written.len, i->snapshot.lsn, &i->payload) != OMEN_OK) s = out_of_memory(err);
    omen_buf_deinit(&written);
    if (s != OMEN_OK) return s;
    i->epoch = OMEN_MAX(omen_get64(i->payload.data + 24), 1);
    omen_put64(i->payload.data + 16, i->epoch);
    omen_put64(i->payload.data + 24, i->epoch);
    return OMEN_OK;
}

omen_status omen_image_take(omen_image *i, omen_db *db, omen_error *err) {
    memset(i, 0, sizeof *i);
    i->db = db;
    omen_buf_init(&i->payload, &db->mem);
    omen_buf_init(&i->files, &db->mem);
    omen_snapshot_take(db, &i->snapshot);
    i->entries = count_entries(&i->snapshot);
    if (i->entries > i->snapshot.lsn) return omen_fail(err, OMEN_ERR_INTERNAL, "the tables hold more records than were written");
    if (list_files(i) != OMEN_OK) return out_of_memory(err);
    return encode(i, err);
}

void omen_image_drop(omen_image *i) {
    if (i->db == NULL) return;
    omen_snapshot_release(&i->snapshot);
    omen_buf_deinit(&i->payload);
    omen_buf_deinit(&i->files);
    memset(i, 0, sizeof *i);
}

/* ---- the log ---- */

omen_status omen_image_log_init(omen_image_log *l, const omen_image *image, const omen_store *to, omen_long_name name, const uint8_t database_id[16], omen_error *err) {
    memset(l, 0, sizeof *l);
    l->image = image;
    l->next_lsn = image->snapshot.lsn - image->entries + 1;
    l->tap = (omen_tap){.inner = to->storage, .name = name, .hasher = omen_hasher_new(to->mem), .sequential = true};
    l->store.host = to->host;
    l->store.mem = to->mem;
    l->store.storage = omen_tap_storage(&l->tap);
    memcpy(l->store.database_id, database_id, 16);
    omen_buf *bufs[] = {&l->key_offsets, &l->key_bytes, &l->doc_offsets, &l->doc_bytes};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_init(bufs[i], to->mem);
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) omen_buf_init(&l->vectors[f], to->mem);
    return l->tap.hasher == NULL ? out_of_memory(err) : OMEN_OK;
}

static void close_file(omen_image_log *l) {
    if (l->file != NULL) l->store.storage.ops->close(l->store.storage.ctx, l->file);
    l->file = NULL;
}

void omen_image_log_deinit(omen_image_log *l) {
    if (l->image == NULL) return;
    omen_log_close(l->log);
    close_file(l);
    omen_hasher_free(l->tap.hasher);
    omen_buf *bufs[] = {&l->key_offsets, &l->key_bytes, &l->doc_offsets, &l->doc_bytes};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bufs); i++) omen_buf_deinit(bufs[i]);
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) omen_buf_deinit(&l->vectors[f]);
    memset(l, 0, sizeof *l);
}

static omen_status gather(omen_image_log *l, const omen_schema *schema, const omen_memtable *table, const omen_entry *e) {
    OMEN_TRY(omen_buf_append(&l->key_bytes, e->key, e->key_len));
    OMEN_TRY(omen_buf_append_u32(&l->key_offsets, (uint32_t)l->key_bytes.len));
    if (e->row == OMEN_NO_ROW) return OMEN_OK;
    if (e->doc_len != 0) OMEN_TRY(omen_buf_append(&l->doc_bytes, e->doc, e->doc_len));
    OMEN_TRY(omen_buf_append_u32(&l->doc_offsets, (uint32_t)l->doc_bytes.len));
    for (uint32_t f = 0; f < schema->vector_count; f++)
        OMEN_TRY(omen_buf_append(&l->vectors[f], omen_memtable_vectors(table, f, e->row, NULL), omen_element_bytes(schema->vectors[f].element, schema->vectors[f].dimensions)));
    return OMEN_OK;
}

static size_t gathered(const omen_image_log *l) {
    size_t n = l->key_bytes.len + l->doc_bytes.len;
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) n += l->vectors[f].len;
    return n;
}

static omen_status begin_batch(omen_image_log *l) {
    omen_buf *bufs[] = {&l->key_offsets, &l->key_bytes, &l->doc_offsets, &l->doc_bytes};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bufs); i++) bufs[i]->len = 0;
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) l->vectors[f].len = 0;
    OMEN_TRY(omen_buf_append_u32(&l->key_offsets, 0));
    return omen_buf_append_u32(&l->doc_offsets, 0);
}

/* The next run of entries of one kind, up to BATCH_BYTES, as one batch. */
static omen_status append_batch(omen_image_log *l, const omen_coll_version *v, omen_error *err) {
    const omen_snapshot *s = &l->image->snapshot;
    const omen_memtable *table = v->tables[l->table].table;
    const omen_schema *schema = &v->coll->schema.schema;
    uint32_t entries = omen_memtable_entries(table), count = 0;
    bool erase = false;
    if (begin_batch(l) != OMEN_OK) return out_of_memory(err);
    for (; l->entry < entries && gathered(l) < BATCH_BYTES && count < OMEN_MAX_BATCH; l->entry++) {
        const omen_entry *e = omen_memtable_entry(table, l->entry);
        if (!wanted(s, v, l->table, e)) continue;
        if (count != 0 && erase != (e->row == OMEN_NO_ROW)) break;
        erase = e->row == OMEN_NO_ROW;
        if (gather(l, schema, table, e) != OMEN_OK) return out_of_memory(err);
        count++;
    }
    if (count == 0) return OMEN_OK;
    omen_rows rows = {.count = count, .key_offsets = (const uint32_t *)(const void *)l->key_offsets.data, .key_bytes = l->key_bytes.data};
    if (!erase) {
        rows.doc_offsets = (const uint32_t *)(const void *)l->doc_offsets.data;
        rows.doc_bytes = (const char *)l->doc_bytes.data;
        for (uint32_t f = 0; f < schema->vector_count; f++) rows.vectors[f] = l->vectors[f].data;
    }
    OMEN_TRY(omen_rows_append(&rows, l->log, v->coll->id, erase ? OMEN_ROWS_DELETE : OMEN_ROWS_PUT, schema, l->next_lsn, l->next_lsn - 1, err));
    l->next_lsn += count;
    return OMEN_OK;
}

/* *end: no entries are left. */
static omen_status write_rows(omen_image_log *l, bool *end, omen_error *err) {
    const omen_db_version *version = l->image->snapshot.version;
    *end = l->coll == version->count;
    if (*end) return OMEN_OK;
    const omen_coll_version *v = version->colls[l->coll];
    if (l->table == v->table_count) {
        l->table = 0;
        l->coll++;
        return OMEN_OK;
    }
    OMEN_TRY(append_batch(l, v, err));
    if (l->entry < omen_memtable_entries(v->tables[l->table].table)) return OMEN_OK;
    l->entry = 0;
    l->table++;
    return OMEN_OK;
}

static omen_status create(omen_image_log *l, omen_error *err) {
    OMEN_TRY(omen_log_create(&l->store, NULL, l->image->epoch, l->next_lsn, l->next_lsn - 1, 0, &l->log, err));
    l->stage = OMEN_IMAGE_ROWS;
    return OMEN_OK;
}

static omen_status rows(omen_image_log *l, omen_error *err) {
    bool end;
    OMEN_TRY(write_rows(l, &end, err));
    if (!end) return OMEN_OK;
    if (l->next_lsn != l->image->snapshot.lsn + 1) return omen_fail(err, OMEN_ERR_INTERNAL, "the tables changed while they were copied");
    OMEN_TRY(omen_log_write_out(l->log, err));
    l->stage = OMEN_IMAGE_SYNC;
    return OMEN_OK;
}

static omen_status sync(omen_image_log *l, omen_error *err) {
    OMEN_TRY(omen_log_sync(l->log, err));
    omen_log_close(l->log);
    l->log = NULL;
    OMEN_ASSERT(l->tap.sequential);
    l->hash = omen_hasher_digest(l->tap.hasher);
    l->length = l->tap.length;
    omen_hasher_free(l->tap.hasher);
    l->tap.hasher = omen_hasher_new(l->store.mem);
    if (l->tap.hasher == NULL) return out_of_memory(err);
    l->stage = OMEN_IMAGE_OPEN;
    return OMEN_OK;
}

static omen_status reopen(omen_image_log *l, omen_error *err) {
    omen_file *f = NULL;
    uint64_t size;
    OMEN_TRY(omen_store_check(l->store.storage.ops->open(l->store.storage.ctx, l->tap.name.text, OMEN_FILE_READ, &f), "open", l->tap.name.text, err));
    l->file = f;
    OMEN_TRY(omen_store_check(l->store.storage.ops->size(l->store.storage.ctx, f, &size), "measure", l->tap.name.text, err));
    if (size != l->length) return omen_fail(err, OMEN_ERR_IO, "%s does not read back as it was written; do not trust that storage", l->tap.name.text);
    l->stage = OMEN_IMAGE_VERIFY;
    return OMEN_OK;
}

static omen_status verify(omen_image_log *l, omen_error *err) {
    size_t n = (size_t)OMEN_MIN(l->length - l->at, CHUNK);
    l->doc_bytes.len = 0;
    if (omen_buf_reserve(&l->doc_bytes, CHUNK) != OMEN_OK) return out_of_memory(err);
    if (n != 0) OMEN_TRY(omen_store_read(&l->store, l->file, l->tap.name.text, l->at, l->doc_bytes.data, n, err));
    omen_hasher_update(l->tap.hasher, l->doc_bytes.data, n);
    l->at += n;
    if (l->at != l->length) return OMEN_OK;
    omen_hash128 h = omen_hasher_digest(l->tap.hasher);
    close_file(l);
    if (!omen_hash128_equal(&h, &l->hash)) return omen_fail(err, OMEN_ERR_IO, "%s does not read back as it was written; do not trust that storage", l->tap.name.text);
    l->stage = OMEN_IMAGE_DONE;
    return OMEN_OK;
}

omen_status omen_image_log_step(omen_image_log *l, bool *done, omen_error *err) {
    typedef omen_status step(omen_image_log *, omen_error *);
    static step *const steps[] = {create, rows, sync, reopen, verify};
    if (l->stage != OMEN_IMAGE_DONE) OMEN_TRY(steps[l->stage](l, err));
    *done = l->stage == OMEN_IMAGE_DONE;
    return OMEN_OK;
}
