/* purge.c - see purge.h. */
#include "db/purge.h"

#include "column/element.h"
#include "db/copy.h"
#include "db/indexing.h"

/* How long, and how many looks at it, readers may keep old files before it gives up. */
#define PATIENCE_NS UINT64_C(5000000000)
#define PATIENCE_LOOKS 5000u
/* Of a log that is being written, at once: writers wait so long. */
#define LIVE_CHUNK (1u << 15)
#define TRIES 3u
/* A trace is searched for by a run of at most this many bytes of it; shorter ones than TRACE_LEAST are in many places by chance. */
#define TRACE_MOST 256u
#define TRACE_LEAST 9u
#define TRACES_MOST (4u << 20)
#define CHUNK (1u << 18)
#define FILTER_BITS 65536u

typedef enum stage { TRACES, DELETE, ROTATE, FLUSH, FIND, REWRITE, SETTLE, LIST, LEFT, REMOVE, SYNC, ROWS, FILES, DONE } stage;

typedef struct trace { uint32_t at, len; } trace; /* in p->bytes */

struct omen_purge_op {
    omen_db *db;
    omen_coll *coll;
    omen_mem *mem;
    omen_arena arena;
    omen_rows ids;
    stage stage;
    omen_purge_outcome outcome;
    omen_write_op *write;
    uint64_t generation;
    omen_snapshot snapshot;
    uint32_t key, part, row, tries, file;
    omen_part *rewriting; /* a reference */
    omen_buf traces, bytes;
    omen_bits *filter, *anchors; /* hashes of ids; of the first bytes of traces */
    omen_part_doc_reader docs;
    omen_site names; /* of the database's own storage: only its list is used */
    uint64_t waiting_since;
    uint32_t looks;
    bool waiting; /* the last step found files that readers keep */
    omen_file *open;
    uint64_t at;
    uint8_t *chunk;
    size_t asked;   /* bytes of a read that pends: it is repeated as it was, however much has been written since */
    size_t carried; /* of the bytes before, so that a trace across two pieces is found */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a purge"); }

omen_status omen_purge_op_new(omen_db *db, omen_coll *coll, const omen_rows *ids, omen_purge_op **out, omen_error *err) {
    if (db->options.read_only) return omen_fail(err, OMEN_ERR_READ_ONLY, "the database is open for reading only; open it without read_only to purge");
    if (ids->count > OMEN_PURGE_MAX) return omen_fail(err, OMEN_ERR_TOO_LARGE, "%u ids in one purge; at most %u are allowed, split it", ids->count, OMEN_PURGE_MAX);
    omen_purge_op *p = omen_alloc_zero(&db->mem, sizeof *p);
    if (p == NULL) return out_of_memory(err);
    p->db = db;
    p->mem = &db->mem;
    p->coll = omen_coll_ref(coll);
    omen_arena_init(&p->arena, p->mem, 4096);
    omen_buf_init(&p->traces, p->mem);
    omen_buf_init(&p->bytes, p->mem);
    omen_buf_init(&p->docs.bytes, p->mem);
    omen_buf_init(&p->names.names, p->mem);
    uint32_t n = ids->count;
    uint32_t *offsets = omen_arena_alloc(&p->arena, ((size_t)n + 1) * sizeof *offsets, 8);
    uint8_t *bytes = omen_arena_alloc(&p->arena, (n == 0 ? 0 : ids->key_offsets[n]) + (size_t)8, 8);
    omen_status s = offsets == NULL || bytes == NULL ? out_of_memory(err) : OMEN_OK;
    if (s == OMEN_OK) {
        offsets[0] = 0;
        if (n != 0) memcpy(offsets, ids->key_offsets, ((size_t)n + 1) * sizeof *offsets);
        if (n != 0) memcpy(bytes, ids->key_bytes, ids->key_offsets[n]);
        p->ids = (omen_rows){.count = n, .key_offsets = offsets, .key_bytes = bytes};
        s = omen_rows_check_ids(&p->ids, p->mem, &p->arena, true, err);
    }
    if (s != OMEN_OK) {
        omen_purge_op_free(p);
        return s;
    }
    *out = p;
    return OMEN_OK;
}

static void close_file(omen_purge_op *p) {
    if (p->open != NULL) p->db->store.storage.ops->close(p->db->store.storage.ctx, p->open);
    p->open = NULL;
}

/* The file of a part goes with the last reference to it. */
static void drop_part(omen_purge_op *p) {
    omen_db *db = p->db;
    if (p->rewriting == NULL) return;
    uint64_t number = omen_segment_info_of(p->rewriting->segment)->number;
    omen_lock_take(&db->version_lock);
    if (omen_part_unref(p->rewriting)) (void)omen_buf_append_u64(&db->garbage, number);
    omen_lock_drop(&db->version_lock);
    p->rewriting = NULL;
}

void omen_purge_op_free(omen_purge_op *p) {
    if (p == NULL) return;
    omen_mem *m = p->mem;
    omen_write_op_free(p->write);
    drop_part(p);
    omen_snapshot_release(&p->snapshot);
    close_file(p);
    omen_store_sync_dir_abandon(&p->db->store, p);
    omen_free(m, p->chunk, CHUNK);
    omen_bits_unref(p->filter);
    omen_bits_unref(p->anchors);
    omen_buf_deinit(&p->traces);
    omen_buf_deinit(&p->bytes);
    omen_buf_deinit(&p->docs.bytes);
    omen_buf_deinit(&p->names.names);
    omen_arena_deinit(&p->arena);
    omen_coll_unref(p->coll);
    omen_free(m, p, sizeof *p);
}

bool omen_purge_op_waits(const omen_purge_op *p) { return p->waiting; }
const omen_purge_outcome *omen_purge_op_outcome_of(const omen_purge_op *p) { return &p->outcome; }

static omen_key key_of(const omen_purge_op *p, uint32_t i) { return omen_rows_key(&p->ids, i); }

/* The collection in the purge's snapshot, taken when there is none; NULL: it was dropped. */
static omen_coll_version *collection(omen_purge_op *p) {
    if (p->snapshot.version == NULL) omen_snapshot_take(p->db, &p->snapshot);
    return omen_version_find(p->snapshot.version, p->coll->id);
}

/* ---- traces: what logs are searched for afterwards ---- */

static omen_status add_trace(omen_purge_op *p, const void *bytes, size_t len, omen_error *err) {
    if (len == 0) return OMEN_OK;
    if (len < TRACE_LEAST || p->bytes.len >= TRACES_MOST) {
        p->outcome.unsearched++;
        return OMEN_OK;
    }
    size_t n = OMEN_MIN(len, TRACE_MOST);
    trace t = {(uint32_t)p->bytes.len, (uint32_t)n};
    const uint8_t *from = (const uint8_t *)bytes + (len - n) / 2;
    if (omen_buf_append(&p->bytes, from, n) != OMEN_OK || omen_buf_append(&p->traces, &t, sizeof t) != OMEN_OK) return out_of_memory(err);
    return OMEN_OK;
}

static omen_status trace_row(omen_purge_op *p, const omen_part_state *s, uint32_t row, omen_error *err) {
    omen_str doc;
    const omen_schema *schema = &p->coll->schema.schema;
    OMEN_TRY(omen_part_doc_read(s->part, row, &p->docs, &doc, err));
    size_t traces = p->traces.len, bytes = p->bytes.len;
    uint64_t unsearched = p->outcome.unsearched;
    OMEN_TRY(add_trace(p, doc.data, doc.len, err));
    for (uint32_t f = 0; f < schema->vector_count; f++) {
        const omen_block *block;
        uint32_t first, count;
        omen_status st = omen_part_vector_block(s->part, f, row, &block, &first, &count, err);
        if (st != OMEN_OK) {
            p->traces.len = traces; /* all of the row again */
            p->bytes.len = bytes;
            p->outcome.unsearched = unsearched;
            return st;
        }
        size_t width = omen_element_bytes(schema->vectors[f].element, schema->vectors[f].dimensions);
        st = add_trace(p, block->data + (row - first) * width, width, err);
        omen_block_release(s->part->store->pool, block);
        OMEN_TRY(st);
    }
    return OMEN_OK;
}

static omen_status trace_tables(omen_purge_op *p, const omen_coll_version *v, omen_key key, uint64_t hash, omen_error *err) {
    const omen_schema *schema = &p->coll->schema.schema;
    for (uint32_t t = 0; t < v->table_count; t++) {
        const omen_memtable *table = v->tables[t].table;
        const omen_entry *e = omen_memtable_find(table, key, hash, p->snapshot.lsn);
        for (; e != NULL; e = e->older == UINT32_MAX ? NULL : omen_memtable_entry(table, e->older)) {
            if (e->row == OMEN_NO_ROW) continue;
            OMEN_TRY(add_trace(p, e->doc, e->doc_len, err));
            for (uint32_t f = 0; f < schema->vector_count; f++)
                OMEN_TRY(add_trace(p, omen_memtable_vectors(table, f, e->row, NULL), omen_element_bytes(schema->vectors[f].element, schema->vectors[f].dimensions), err));
        }
    }
    return OMEN_OK;
}

static omen_status make_filters(omen_purge_op *p, omen_error *err);

static omen_status take_traces(omen_purge_op *p, omen_error *err) {
    omen_coll_version *v = collection(p);
    if (v == NULL) return omen_fail(err, OMEN_ERR_CLOSED, "the collection was dropped");
    for (; p->key < p->ids.count; p->key++, p->part = 0) {
        omen_key key = key_of(p, p->key);
        for (; p->part < v->part_count; p->part++) {
            uint32_t row;
            OMEN_TRY(omen_part_find(v->parts[p->part].part, key, p->ids.hashes[p->key], &row, err));
            if (row != UINT32_MAX) OMEN_TRY(trace_row(p, &v->parts[p->part], row, err));
        }
        OMEN_TRY(trace_tables(p, v, key, p->ids.hashes[p->key], err));
        OMEN_TRY(add_trace(p, key.data, key.len, err));
    }
    omen_snapshot_release(&p->snapshot);
    p->stage = DELETE;
    return make_filters(p, err);
}

/* ---- delete, rotate, flush ---- */

static omen_status delete_ids(omen_purge_op *p, omen_error *err) {
    if (p->write == NULL) {
        OMEN_TRY(omen_write_op_new(p->db, p->coll, OMEN_KIND_DELETE, &p->write, err));
        omen_rows *rows = omen_write_op_rows(p->write);
        rows->count = p->ids.count;
        rows->key_offsets = p->ids.key_offsets;
        rows->key_bytes = p->ids.key_bytes;
        OMEN_TRY(omen_write_op_check(p->write, err));
    }
    OMEN_TRY(omen_write_op_step(p->write, false, err));
    p->outcome.deleted = omen_write_op_count(p->write);
    omen_write_op_free(p->write);
    p->write = NULL;
    p->stage = ROTATE;
    return OMEN_OK;
}

static omen_status rotate(omen_purge_op *p, omen_error *err) {
    if (p->write == NULL) OMEN_TRY(omen_write_op_new(p->db, NULL, OMEN_KIND_ROTATE, &p->write, err));
    OMEN_TRY(omen_write_op_step(p->write, false, err));
    p->generation = omen_write_op_generation(p->write);
    omen_write_op_free(p->write);
    p->write = NULL;
    p->stage = FLUSH;
    return OMEN_OK;
}

static omen_status flush(omen_purge_op *p, omen_error *err) {
    OMEN_TRY(omen_flush_step(p->db, p->generation, err));
    p->key = p->part = 0;
    p->stage = FIND;
    return OMEN_OK;
}

/* ---- rewriting ---- */

/* A segment that has a row of one of the ids that is not a live record of after the delete. */
static omen_status find_part(omen_purge_op *p, omen_error *err) {
    omen_coll_version *v = collection(p);
    for (; v != NULL && p->part < v->part_count; p->part++, p->key = 0) {
        const omen_part_state *s = &v->parts[p->part];
        for (; p->key < p->ids.count; p->key++) {
            uint32_t row;
            OMEN_TRY(omen_part_find(s->part, key_of(p, p->key), p->ids.hashes[p->key], &row, err));
            if (row == UINT32_MAX || !omen_bits_test(s->dead, row)) continue;
            p->rewriting = omen_part_ref(s->part);
            p->tries = 0;
            p->stage = REWRITE;
            omen_snapshot_release(&p->snapshot);
            return OMEN_OK;
        }
    }
    omen_snapshot_release(&p->snapshot);
    p->stage = SETTLE;
    return OMEN_OK;
}

static omen_status rewrite(omen_purge_op *p, omen_error *err) {
    bool there, begun, more;
    OMEN_TRY(omen_maintain_rewrite(p->db, p->coll->id, p->rewriting, &there, &begun, err));
    if (!there) {
        p->outcome.rewritten++;
        drop_part(p);
        p->key = p->part = 0; /* merges may have moved them all */
        p->stage = FIND;
        return OMEN_OK;
    }
    if (begun && p->tries++ >= TRIES) return omen_fail(err, OMEN_ERR_MEMORY, "there was no memory to rewrite a segment; the records are deleted: purge again with more (memory_bytes, pool_bytes)");
    return omen_maintain_step(p->db, 0, &more, err);
}

/* ---- settling ---- */

/* What waits is done; builds of indexes of what is gone end. */
static omen_status settle(omen_purge_op *p, omen_error *err) {
    omen_db *db = p->db;
    bool more, building;
    omen_lock_take(&db->maintain_lock);
    building = db->indexing != NULL;
    omen_lock_drop(&db->maintain_lock);
    if (building) OMEN_TRY(omen_indexing_step(db, &more, err));
    OMEN_TRY(omen_maintain_step(db, 0, &more, err));
    if (more) return OMEN_OK;
    p->names.names.len = 0;
    p->names.listed = p->names.failed = false;
    p->stage = LIST;
    return OMEN_OK;
}

static omen_status list(omen_purge_op *p, omen_error *err) {
    p->names.store.host = p->db->host;
    p->names.store.mem = p->mem;
    p->names.store.storage = p->db->store.storage; /* borrowed: the site is never closed */
    p->names.open = true;
    OMEN_TRY(omen_site_open(&p->names, 0, err));
    p->stage = LEFT;
    return OMEN_OK;
}

static size_t name_count(const omen_purge_op *p) { return p->names.names.len / sizeof(omen_long_name); }
static const char *name_at(const omen_purge_op *p, size_t i) { return ((const omen_long_name *)(const void *)p->names.names.data)[i].text; }

/* Everything that is there and that nobody needs must go first: files that readers keep, files that wait for their removal. */
static omen_status look_for_left(omen_purge_op *p, omen_error *err) {
    omen_db *db = p->db;
    const char *left = NULL;
    uint64_t n, now = db->host->ticks_ns(db->host->ctx);
    omen_lock_take(&db->maintain_lock);
    bool busy = db->job != NULL, log = false;
    for (size_t i = 0; !busy && left == NULL && i < name_count(p); i++) {
        const char *name = name_at(p, i);
        log = omen_log_file_parse(name, &n);
        if (log ? n < db->log_first_epoch : omen_segment_file_parse(name, &n) && !omen_file_needed(db, n)) left = name;
        p->file = (uint32_t)i;
    }
    omen_lock_drop(&db->maintain_lock);
    if (left != NULL && (log || omen_gauge_get(&db->metrics.snapshots) == 0)) { /* nobody reads it: its removal has failed */
        p->stage = REMOVE;
        return OMEN_OK;
    }
    if (!busy && left == NULL) {
        p->waiting_since = 0;
        p->looks = 0;
        p->stage = SYNC;
        return OMEN_OK;
    }
    if (p->waiting_since == 0) p->waiting_since = now;
    if (now - p->waiting_since > PATIENCE_NS || ++p->looks > PATIENCE_LOOKS)
        return omen_fail(err, OMEN_ERR_BUSY, "the records are deleted, but %s is still read by a search, a backup or another reader; purge again when that is done", left == NULL ? "a file" : left);
    p->waiting = !busy;
    p->stage = SETTLE;
    return OMEN_OK;
}

static omen_status remove_left(omen_purge_op *p, omen_error *err) {
    const omen_storage *st = &p->db->store.storage;
    const char *name = name_at(p, p->file);
    OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, name), "remove", name, err));
    p->stage = SETTLE;
    return OMEN_OK;
}

/* A failed sync is never tried again, here as elsewhere. */
static omen_status sync(omen_purge_op *p, omen_error *err) {
    OMEN_TRY(omen_poisoned(p->db, err));
    omen_status s = omen_store_sync_dir(&p->db->store, p, err);
    if (s == OMEN_PENDING) return s;
    if (s != OMEN_OK) return omen_poison(p->db, s, err);
    p->part = p->row = p->file = 0;
    p->at = 0;
    p->stage = ROWS;
    return OMEN_OK;
}

/* ---- the scan ---- */

static bool purged(const omen_purge_op *p, omen_key key) {
    uint64_t hash = omen_key_hash(key);
    if (!omen_bits_test(p->filter, (uint32_t)(hash & (FILTER_BITS - 1)))) return false;
    for (uint32_t i = 0; i < p->ids.count; i++)
        if (p->ids.hashes[i] == hash && omen_key_equal(key_of(p, i), key)) return true;
    return false;
}

static omen_status scan_rows(omen_purge_op *p, omen_error *err) {
    omen_coll_version *v = collection(p);
    if (v != NULL && p->part < v->part_count) {
        const omen_part_state *s = &v->parts[p->part];
        for (uint32_t n = 0; p->row < s->part->rows && n < 4096; p->row++, n++) {
            uint8_t room[OMEN_KEY_MAX];
            omen_key key;
            OMEN_TRY(omen_part_key(s->part, p->row, room, &key, err));
            p->outcome.rows++;
            if (!purged(p, key)) continue;
            if (omen_bits_test(s->dead, p->row)) { /* written again, and replaced or deleted again */
                omen_snapshot_release(&p->snapshot);
                p->key = p->part = p->row = 0;
                p->stage = FIND;
                return OMEN_OK;
            }
            p->outcome.again++;
        }
        if (p->row < s->part->rows) return OMEN_OK;
        p->outcome.files++;
        p->outcome.bytes += omen_segment_info_of(s->part->segment)->length;
        p->row = 0;
        p->part++;
        return OMEN_OK;
    }
    omen_snapshot_release(&p->snapshot);
    p->stage = FILES;
    return OMEN_OK;
}

static bool within(const uint8_t *where, size_t len, const uint8_t *what, size_t n) {
    for (size_t i = 0; i + n <= len; i++)
        if (where[i] == what[0] && memcmp(where + i, what, n) == 0) return true;
    return false;
}

/* Whether a record that was written since has these bytes: then they are its own. */
static bool explained(omen_purge_op *p, const uint8_t *what, size_t n) {
    bool found = false;
    omen_db_version *now = omen_version_current(p->db);
    for (uint32_t c = 0; c < now->count; c++) {
        const omen_coll_version *v = now->colls[c];
        const omen_schema *schema = &v->coll->schema.schema;
        for (uint32_t t = 0; t < v->table_count; t++)
            for (uint32_t i = 0, count = omen_memtable_entries(v->tables[t].table); i < count && !found; i++) {
                const omen_entry *e = omen_memtable_entry(v->tables[t].table, i);
                found = within(e->key, e->key_len, what, n) || (e->doc_len != 0 && within((const uint8_t *)e->doc, e->doc_len, what, n));
                for (uint32_t f = 0; e->row != OMEN_NO_ROW && f < schema->vector_count && !found; f++)
                    found = within(omen_memtable_vectors(v->tables[t].table, f, e->row, NULL), omen_element_bytes(schema->vectors[f].element, schema->vectors[f].dimensions), what, n);
            }
    }
    omen_version_drop(p->db, now);
    return found;
}

static bool log_gone(omen_purge_op *p, const char *name) {
    uint64_t epoch;
    omen_lock_take(&p->db->maintain_lock);
    bool gone = omen_log_file_parse(name, &epoch) && epoch < p->db->log_first_epoch;
    omen_lock_drop(&p->db->maintain_lock);
    return gone;
}

static uint32_t anchor(const uint8_t *p) { return (uint32_t)((omen_get64(p) * UINT64_C(0x9e3779b97f4a7c15)) >> 48) & (FILTER_BITS - 1); }

/* A trace that begins at this byte of a piece, or NULL. */
static const uint8_t *trace_at(const omen_purge_op *p, const uint8_t *at, size_t len, size_t *n) {
    if (!omen_bits_test(p->anchors, anchor(at))) return NULL;
    for (size_t t = 0; t < p->traces.len; t += sizeof(trace)) {
        trace what;
        memcpy(&what, p->traces.data + t, sizeof what);
        *n = what.len;
        if (what.len <= len && memcmp(at, p->bytes.data + what.at, what.len) == 0) return p->bytes.data + what.at;
    }
    return NULL;
}

static omen_status search_piece(omen_purge_op *p, const char *name, size_t len, omen_error *err) {
    for (size_t i = 0; i + TRACE_LEAST <= len; i++) {
        size_t n;
        const uint8_t *what = trace_at(p, p->chunk + i, len - i, &n);
        if (what == NULL || explained(p, what, n) || log_gone(p, name)) continue;
        return omen_fail(err, OMEN_ERR_INTERNAL, "%s still has bytes of a purged record, about byte %llu; please report it, and compact the database", name,
                         (unsigned long long)(p->at - p->carried + i));
    }
    return OMEN_OK;
}

/* What is looked for, for the eye that passes over most of it. */
static omen_status make_filters(omen_purge_op *p, omen_error *err) {
    p->filter = omen_bits_new(p->mem, FILTER_BITS);
    p->anchors = omen_bits_new(p->mem, FILTER_BITS);
    if (p->filter == NULL || p->anchors == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < p->ids.count; i++) omen_bits_set(p->filter, (uint32_t)(p->ids.hashes[i] & (FILTER_BITS - 1)));
    for (size_t t = 0; t < p->traces.len; t += sizeof(trace)) {
        trace what;
        memcpy(&what, p->traces.data + t, sizeof what);
        omen_bits_set(p->anchors, anchor(p->bytes.data + what.at));
    }
    return OMEN_OK;
}

/* One that is being written is read through the handle that writes it: storages may have one only. */
static omen_status read_log(omen_purge_op *p, const char *name, size_t room, size_t *got, bool *missing, omen_error *err) {
    omen_db *db = p->db;
    const omen_storage *st = &db->store.storage;
    uint64_t epoch, size;
    omen_status s = OMEN_PENDING;
    *missing = false;
    if (omen_log_file_parse(name, &epoch)) {
        omen_lock_take(&db->write_lock);
        omen_log *log = db->log != NULL && omen_log_epoch(db->log) == epoch ? db->log : NULL;
        for (omen_old_log *o = db->old_logs; o != NULL; o = o->next)
            if (omen_log_epoch(o->log) == epoch) log = o->log;
        s = log == NULL ? OMEN_ERR_NOT_FOUND : omen_log_raw(log, p->at, p->chunk + p->carried, OMEN_MIN(room, LIVE_CHUNK), got, err);
        omen_lock_drop(&db->write_lock);
        if (s != OMEN_ERR_NOT_FOUND) return s;
    }
    if (p->open == NULL) {
        omen_file *f = NULL;
        s = st->ops->open(st->ctx, name, OMEN_FILE_READ, &f);
        *missing = s == OMEN_ERR_NOT_FOUND;
        if (*missing) return OMEN_OK;
        OMEN_TRY(omen_store_check(s, "open", name, err));
        p->open = f;
    }
    OMEN_TRY(omen_store_check(st->ops->size(st->ctx, p->open, &size), "measure", name, err));
    *got = (size_t)OMEN_MIN(size > p->at ? size - p->at : 0, room);
    if (*got == 0) return OMEN_OK;
    return omen_store_read(&db->store, p->open, name, p->at, p->chunk + p->carried, *got, err);
}

/* The next piece of a log; *got 0 at its end. */
static omen_status read_piece(omen_purge_op *p, const char *name, size_t *got, bool *missing, omen_error *err) {
    omen_status s = read_log(p, name, p->asked != 0 ? p->asked : CHUNK - p->carried, got, missing, err);
    p->asked = s == OMEN_PENDING ? *got : 0;
    return s;
}

static void next_file(omen_purge_op *p) {
    close_file(p);
    p->at = 0;
    p->carried = 0;
    p->file++;
}

static omen_status scan_files(omen_purge_op *p, omen_error *err) {
    uint64_t n;
    if (p->chunk == NULL) p->chunk = omen_alloc(p->mem, CHUNK);
    if (p->chunk == NULL) return out_of_memory(err);
    while (p->file < name_count(p) && (omen_segment_file_parse(name_at(p, p->file), &n) || !omen_log_file_parse(name_at(p, p->file), &n))) p->file++; /* decoded, another collection's, or a manifest */
    if (p->file == name_count(p)) {
        p->stage = DONE;
        return OMEN_OK;
    }
    const char *name = name_at(p, p->file);
    size_t got = 0;
    bool missing;
    OMEN_TRY(read_piece(p, name, &got, &missing, err));
    if (got == 0 || missing) {
        p->outcome.files += !missing;
        next_file(p);
        return OMEN_OK;
    }
    size_t len = p->carried + got;
    OMEN_TRY(search_piece(p, name, len, err));
    p->outcome.bytes += got;
    p->at += got;
    p->carried = OMEN_MIN(len, TRACE_MOST - 1);
    memmove(p->chunk, p->chunk + len - p->carried, p->carried);
    return OMEN_OK;
}

omen_status omen_purge_op_step(omen_purge_op *p, uint64_t budget_ns, bool *done, omen_error *err) {
    typedef omen_status step(omen_purge_op *, omen_error *);
    static step *const steps[] = {[TRACES] = take_traces, [DELETE] = delete_ids, [ROTATE] = rotate, [FLUSH] = flush, [FIND] = find_part, [REWRITE] = rewrite, [SETTLE] = settle,
                                  [LIST] = list, [LEFT] = look_for_left, [REMOVE] = remove_left, [SYNC] = sync, [ROWS] = scan_rows, [FILES] = scan_files};
    const omen_host *host = p->db->host;
    uint64_t begun = host->ticks_ns(host->ctx);
    *done = p->waiting = false;
    while (p->stage != DONE) {
        OMEN_TRY(steps[p->stage](p, err));
        if (p->waiting) return OMEN_OK;
        if (budget_ns != 0 && p->stage != DONE && host->ticks_ns(host->ctx) - begun >= budget_ns) return OMEN_OK;
    }
    *done = true;
    return OMEN_OK;
}
