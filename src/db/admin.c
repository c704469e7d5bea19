#include "db/admin.h"

#include "db/indexing.h"
#include "db/read.h"
#include "kernel/kernel.h"

void omen_admin_op_init(omen_admin_op *op, omen_db *db, omen_admin_kind kind, uint64_t budget_us) {
    *op = (omen_admin_op){.db = db, .kind = kind, .budget_ns = budget_us > UINT64_MAX / 1000 ? UINT64_MAX : budget_us * 1000};
    op->begun_ns = db->host->ticks_ns(db->host->ctx);
}

void omen_admin_op_deinit(omen_admin_op *op) {
    omen_write_op_free(op->rotate);
    op->rotate = NULL;
}

/* Freezes what is in memory now. */
static omen_status rotate(omen_admin_op *op, omen_error *err) {
    if (op->rotated) return OMEN_OK;
    if (op->rotate == NULL) OMEN_TRY(omen_write_op_new(op->db, NULL, OMEN_KIND_ROTATE, &op->rotate, err));
    OMEN_TRY(omen_write_op_step(op->rotate, false, err));
    op->generation = omen_write_op_generation(op->rotate);
    op->rotated = true;
    return OMEN_OK;
}

static omen_status flush(omen_admin_op *op, omen_error *err) {
    if (op->flushed) return OMEN_OK;
    OMEN_TRY(rotate(op, err));
    OMEN_TRY(omen_flush_step(op->db, op->generation, err));
    op->flushed = true;
    return OMEN_OK;
}

static omen_status compact(omen_admin_op *op, omen_error *err) {
    OMEN_TRY(flush(op, err));
    do OMEN_TRY(omen_maintain_step(op->db, OMEN_DO_MERGE_ALL, &op->more, err));
    while (op->more);
    return OMEN_OK;
}

/* Others may write all the time: what they wrote after this began is not waited for. Files are removed and segments merged as long as that is all. */
#define LATER 8u

static bool goes_on(omen_admin_op *op) {
    omen_db *db = op->db;
    omen_lock_take(&db->maintain_lock);
    bool others = db->next_file >= op->until + LATER;
    omen_lock_drop(&db->maintain_lock);
    return !others || omen_indexing_waits(db, op->until);
}

/* What failed meanwhile is told at the end, when all the rest is done. */
static omen_status tell_failure(omen_admin_op *op, omen_error *err) {
    omen_db *db = op->db;
    omen_lock_take(&db->maintain_lock);
    omen_status s = db->index_failed == op->failed ? OMEN_OK : db->index_failure;
    if (s != OMEN_OK && err != NULL) *err = db->index_error;
    omen_lock_drop(&db->maintain_lock);
    return s;
}

static omen_status build_indexes(omen_admin_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (op->budget_ns == 0) OMEN_TRY(flush(op, err));
    if (!op->begun) {
        if (op->until == 0) omen_indexing_retry(db);
        omen_lock_take(&db->maintain_lock);
        op->failed = db->index_failed;
        if (op->until == 0) op->until = db->next_file;
        omen_lock_drop(&db->maintain_lock);
        op->begun = true;
    }
    do {
        OMEN_TRY(omen_maintain_step(db, 0, &op->more, err));
        bool more;
        OMEN_TRY(omen_indexing_step(db, &more, err)); /* beside the jobs: those of a busy database never end */
        op->more = (op->more || more) && goes_on(op);
    } while (op->more && (op->budget_ns == 0 || db->host->ticks_ns(db->host->ctx) - op->begun_ns < op->budget_ns));
    return tell_failure(op, err);
}

static omen_status sync_all(omen_admin_op *op, omen_error *err) {
    if (!op->started) op->lsn = omen_last_lsn(op->db);
    op->started = true;
    return omen_sync_step(op->db, op->lsn, err);
}

static omen_status maintain(omen_admin_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (!op->synced) {
        if (op->started || omen_sync_due(db)) OMEN_TRY(sync_all(op, err));
        op->synced = true;
    }
    do OMEN_TRY(omen_maintain_step(db, OMEN_DO_INDEXES, &op->more, err));
    while (op->more && op->budget_ns != 0 && db->host->ticks_ns(db->host->ctx) - op->begun_ns < op->budget_ns);
    op->more = op->more || omen_maintain_due(db) || omen_unsynced(db);
    return OMEN_OK;
}

omen_status omen_admin_op_step(omen_admin_op *op, omen_error *err) {
    omen_db *db = op->db;
    if (db->options.read_only) {
        if (op->kind == OMEN_ADMIN_CLOSE || op->kind == OMEN_ADMIN_SYNC || op->kind == OMEN_ADMIN_MAINTAIN) return OMEN_OK;
        return omen_fail(err, OMEN_ERR_READ_ONLY, "the database is open for reading only; open it without read_only to flush, compact or index");
    }
    switch (op->kind) {
        case OMEN_ADMIN_SYNC: return sync_all(op, err);
        case OMEN_ADMIN_FLUSH: return flush(op, err);
        case OMEN_ADMIN_COMPACT: return compact(op, err);
        case OMEN_ADMIN_MAINTAIN: return maintain(op, err);
        case OMEN_ADMIN_INDEX: return build_indexes(op, err);
        case OMEN_ADMIN_CLOSE:
            /* What failed was reported when it failed; closing a poisoned database is no new failure. */
            if (atomic_load(&db->poisoned) || db->options.durability == OMEN_DURABILITY_MEMORY) return OMEN_OK;
            OMEN_TRY(sync_all(op, err));
            return omen_prove_step(db);
    }
    return omen_fail(err, OMEN_ERR_INTERNAL, "unknown operation");
}

/* ---- reports ---- */

/* The indexes of a segment, each with why it is that; and the fields that have none, with why not. */
static void write_indexes(omen_jw *w, omen_db *db, const omen_coll_version *v, const omen_part_state *p, bool there) {
    char why[OMEN_INDEXING_WHY];
    omen_jw_array(w);
    for (uint32_t f = 0; f < v->coll->schema.schema.vector_count; f++) {
        omen_index *x = omen_part_index(p, f);
        if ((x != NULL) != there) continue;
        omen_indexing_why(db, v, p, f, why, sizeof why);
        omen_jw_object(w);
        omen_jw_key(w, "field");
        omen_jw_str(w, v->coll->schema.schema.vectors[f].name);
        if (there) {
            omen_jw_key(w, "index");
            omen_index_write_json(x, w);
        }
        omen_jw_key(w, "why");
        omen_jw_cstr(w, why);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
}

static void write_part(omen_jw *w, omen_db *db, const omen_coll_version *v, const omen_part_state *p) {
    const omen_segment_info *info = omen_segment_info_of(p->part->segment);
    char hash[33];
    omen_hash128_hex(&info->hash, hash);
    omen_jw_object(w);
    omen_jw_key(w, "file");
    omen_jw_cstr(w, omen_segment_file_name(info->number).text);
    omen_jw_key(w, "hash");
    omen_jw_cstr(w, hash);
    omen_jw_key(w, "bytes");
    omen_jw_u64(w, info->length);
    omen_jw_key(w, "rows");
    omen_jw_u64(w, p->part->rows);
    omen_jw_key(w, "deletedRows");
    omen_jw_u64(w, p->dead == NULL ? 0 : p->dead->ones);
    omen_jw_key(w, "indexes");
    write_indexes(w, db, v, p, true);
    omen_jw_key(w, "unindexed");
    write_indexes(w, db, v, p, false);
    omen_jw_object_end(w);
}

static void write_coll(omen_jw *w, omen_db *db, const omen_coll_version *v) {
    uint64_t entries = 0, bytes = 0;
    for (uint32_t t = 0; t < v->table_count; t++) {
        entries += omen_memtable_entries(v->tables[t].table);
        bytes += omen_memtable_bytes(v->tables[t].table);
    }
    omen_jw_object(w);
    omen_jw_key(w, "name");
    omen_jw_str(w, v->coll->name);
    omen_jw_key(w, "schema");
    omen_schema_write_json(&v->coll->schema.schema, w);
    omen_jw_key(w, "memory");
    omen_jw_object(w);
    omen_jw_key(w, "tables");
    omen_jw_u64(w, v->table_count);
    omen_jw_key(w, "entries");
    omen_jw_u64(w, entries);
    omen_jw_key(w, "bytes");
    omen_jw_u64(w, bytes);
    omen_jw_object_end(w);
    omen_jw_key(w, "segments");
    omen_jw_array(w);
    for (uint32_t p = 0; p < v->part_count; p++) write_part(w, db, v, &v->parts[p]);
    omen_jw_array_end(w);
    omen_jw_object_end(w);
}

/* Why an index that should be there could not be built, the last one of several: {"code", "message"}, or null. */
static void write_failure(omen_jw *w, omen_db *db, const omen_db_version *version) {
    bool failing = false;
    for (uint32_t c = 0; c < version->count; c++)
        for (uint32_t p = 0; p < version->colls[c]->part_count; p++)
            for (uint32_t f = 0; f < version->colls[c]->coll->schema.schema.vector_count; f++) failing = failing || omen_indexing_failing(version->colls[c], &version->colls[c]->parts[p], f);
    omen_error why = {0};
    omen_lock_take(&db->maintain_lock);
    if (failing && db->index_failure != OMEN_OK) {
        why = db->index_error;
        why.status = db->index_failure;
    }
    omen_lock_drop(&db->maintain_lock);
    omen_jw_key(w, "indexFailure");
    if (why.status == OMEN_OK) {
        omen_jw_null(w);
        return;
    }
    omen_jw_object(w);
    omen_jw_key(w, "code");
    omen_jw_cstr(w, omen_status_name(why.status));
    omen_jw_key(w, "message");
    omen_jw_cstr(w, why.text);
    omen_jw_object_end(w);
}

/* The index that is being built: {"collection", "field", "segment", "progress"}, or null. */
static void write_indexing(omen_jw *w, omen_db *db, const omen_db_version *version) {
    uint32_t id, field, progress;
    uint64_t file;
    bool building = omen_indexing_progress(db, &id, &field, &file, &progress);
    const omen_coll_version *v = building ? omen_version_find(version, id) : NULL;
    omen_jw_key(w, "indexesDue");
    omen_jw_bool(w, atomic_load(&db->index_due));
    omen_jw_key(w, "indexing");
    if (v == NULL) {
        omen_jw_null(w);
        return;
    }
    omen_jw_object(w);
    omen_jw_key(w, "collection");
    omen_jw_str(w, v->coll->name);
    omen_jw_key(w, "field");
    omen_jw_str(w, v->coll->schema.schema.vectors[field].name);
    omen_jw_key(w, "segment");
    omen_jw_cstr(w, omen_segment_file_name(file).text);
    omen_jw_key(w, "progress");
    omen_jw_f64(w, progress / 1000.0);
    omen_jw_object_end(w);
}

omen_status omen_db_stats(omen_db *db, omen_buf *out, omen_error *err) {
    omen_snapshot s;
    omen_jw w;
    char id[33];
    omen_hash128 hash;
    memcpy(hash.bytes, db->store.database_id, 16);
    omen_hash128_hex(&hash, id);
    omen_snapshot_take(db, &s);
    omen_jw_begin(&w, out);
    omen_jw_object(&w);
    omen_jw_key(&w, "version");
    omen_jw_cstr(&w, OMEN_VERSION_STRING);
    omen_jw_key(&w, "format");
    omen_jw_u64(&w, OMEN_FORMAT_VERSION);
    omen_jw_key(&w, "databaseId");
    omen_jw_cstr(&w, id);
    omen_jw_key(&w, "kernels");
    omen_jw_cstr(&w, omen_kernels_name());
    omen_jw_key(&w, "generation");
    omen_jw_u64(&w, omen_manifest_generation(db->manifest));
    omen_jw_key(&w, "lastLsn");
    omen_jw_u64(&w, s.lsn);
    omen_jw_key(&w, "durableLsn");
    omen_jw_u64(&w, atomic_load(&db->durable_lsn));
    omen_jw_key(&w, "memoryBytes");
    omen_jw_u64(&w, atomic_load(&db->mem.bytes));
    omen_jw_key(&w, "memoryPeakBytes");
    omen_jw_u64(&w, atomic_load(&db->mem.peak));
    write_indexing(&w, db, s.version);
    write_failure(&w, db, s.version);
    omen_jw_key(&w, "collections");
    omen_jw_array(&w);
    for (uint32_t c = 0; c < s.version->count; c++) write_coll(&w, db, s.version->colls[c]);
    omen_jw_array_end(&w);
    omen_jw_object_end(&w);
    omen_snapshot_release(&s);
    return omen_jw_end(&w) == OMEN_OK ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
}

/* What searches at the default effort find of the 10 nearest, of 65,536. */
static uint32_t audited_recall(const omen_index *x) {
    uint32_t count, recall = 65536;
    const omen_index_point *p = omen_index_audit(x, &count);
    omen_index_plan plan = omen_index_plan_for(x, 10, 0.95f);
    for (uint32_t i = count; i-- != 0 && p[i].effort >= (plan.slack != 0 ? plan.slack : plan.effort);) recall = p[i].recall;
    return recall;
}

/* What is derived rather than counted. */
static void measure(omen_db *db) {
    omen_engine_metrics *m = &db->metrics;
    omen_snapshot s;
    int64_t segments = 0, bytes = 0, entries = 0, table_bytes = 0;
    uint64_t indexed = 0, recall = 0;
    omen_snapshot_take(db, &s);
    for (uint32_t c = 0; c < s.version->count; c++) {
        const omen_coll_version *v = s.version->colls[c];
        segments += v->part_count;
        for (uint32_t p = 0; p < v->part_count; p++) {
            bytes += (int64_t)omen_segment_info_of(v->parts[p].part->segment)->length;
            for (uint32_t f = 0; f < v->coll->schema.schema.vector_count; f++) {
                const omen_index *x = omen_part_index(&v->parts[p], f);
                if (x == NULL) continue;
                bytes += (int64_t)omen_index_info(x)->length;
                indexed += v->parts[p].part->rows;
                recall += (uint64_t)v->parts[p].part->rows * audited_recall(x);
            }
        }
        for (uint32_t t = 0; t < v->table_count; t++) {
            entries += omen_memtable_entries(v->tables[t].table);
            table_bytes += (int64_t)omen_memtable_bytes(v->tables[t].table);
        }
    }
    omen_gauge_set(&m->index_memory, (int64_t)omen_indexes_memory(s.version));
    omen_gauge_set(&m->collections, s.version->count);
    omen_snapshot_release(&s);
    omen_gauge_set(&m->segments, segments);
    omen_gauge_set(&m->index_bytes, bytes);
    omen_gauge_set(&m->memtable_rows, entries);
    omen_gauge_set(&m->memtable_bytes, table_bytes);
    omen_gauge_set(&m->memory_bytes, (int64_t)atomic_load(&db->mem.bytes));
    omen_gauge_set(&m->memory_peak, (int64_t)atomic_load(&db->mem.peak));
    omen_gauge_set(&m->indexed_rows, (int64_t)indexed);
    /* Gauges are whole numbers: thousandths, which the table's scale undoes. Without an index every search is exact. */
    int64_t accuracy = indexed == 0 ? 1000 : (int64_t)(recall * 1000 / 65536 / indexed);
    omen_gauge_set(&m->accuracy, indexed != 0 || omen_counter_get(&m->queries[OMEN_READ_SEARCH]) != 0 ? accuracy : OMEN_GAUGE_NONE);
}

static void list_sources(omen_db *db, const char *db_id, omen_metrics_registry *r) {
    omen_metrics_init(r, &db->mem);
    omen_metrics_add(r, &(omen_metrics_source){omen_engine_series, omen_engine_series_count, &db->metrics, "db_id", db_id});
    omen_metrics_add(r, &(omen_metrics_source){omen_pool_series, omen_pool_series_count, omen_pool_metrics_of(db->store.pool), "db_id", db_id});
    omen_metrics_add(r, &(omen_metrics_source){omen_log_series, omen_log_series_count, &db->log_metrics, "db_id", db_id});
}

omen_status omen_db_metrics(omen_db *db, omen_metrics_format format, omen_str labels, omen_buf *out, omen_error *err) {
    omen_metrics_registry r;
    omen_hash128 id;
    char hex[33];
    memcpy(id.bytes, db->store.database_id, 16);
    omen_hash128_hex(&id, hex);
    measure(db);
    list_sources(db, hex, &r);
    return omen_metrics_write(&r, format, labels, out, err);
}

void omen_db_metrics_reset(omen_db *db) {
    omen_metrics_registry r;
    list_sources(db, "", &r);
    omen_metrics_zero(&r);
}
