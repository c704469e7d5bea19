/* job.c - a job's life: begin, steps, end. Until its manifest is durable a job has changed nothing that anyone can see; afterwards it only
 * lets go of what is no longer named. */
#include "base/control.h"
#include "db/job.h"

#include "db/indexing.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in maintenance"); }

static omen_status job_new(omen_db *db, omen_job_kind kind, omen_job_stage stage, const omen_snapshot *s, uint32_t colls, omen_error *err) {
    omen_job *job = omen_alloc_zero(&db->mem, sizeof *job);
    if (job == NULL) return out_of_memory(err);
    job->db = db;
    job->kind = kind;
    job->first_file = db->next_file;
    job->stage = stage;
    job->begun_ns = db->host->ticks_ns(db->host->ctx);
    omen_buf_init(&job->tombstones.bytes, &db->mem);
    omen_buf_init(&job->payload, &db->mem);
    omen_buf_init(&job->removing, &db->mem);
    if (s != NULL) {
        job->snapshot = (omen_snapshot){s->db, omen_version_ref(s->version), s->lsn};
        omen_gauge_add(&db->metrics.snapshots, 1);
    }
    db->job = job;
    if (colls == 0) return OMEN_OK;
    job->colls = omen_alloc_zero(&db->mem, colls * sizeof *job->colls);
    if (job->colls == NULL) {
        omen_job_abandon(db);
        return out_of_memory(err);
    }
    job->coll_count = colls;
    for (uint32_t i = 0; i < colls; i++) omen_arena_init(&job->colls[i].arena, &db->mem, 1u << 14);
    return OMEN_OK;
}

/* The version lock is held. */
static void gone(void *arg, uint64_t number) { (void)omen_buf_append_u64(&((omen_db *)arg)->garbage, number); }

/* Lets go of an index; nobody else will remove the file of one that came into no version. */
static void drop_index(omen_job *job) {
    omen_db *db = job->db;
    bool lost = job->kind == OMEN_JOB_INDEX && !job->index_none && !job->installed && !job->returned;
    omen_lock_take(&db->version_lock);
    if (lost && job->index == NULL) gone(db, job->info.number);
    if (lost && job->index != NULL) omen_index_unlink(job->index);
    omen_index_drop(job->index, &(omen_gone){gone, db});
    omen_lock_drop(&db->version_lock);
}

/* Segments of a job that is given up before any manifest could name them: no reader has them. */
static void drop_parts(const omen_job *job) {
    omen_db *db = job->db;
    bool begun = job->stage > OMEN_STAGE_MANIFEST || job->payload.len != 0;
    if (begun || (job->kind != OMEN_JOB_FLUSH && job->kind != OMEN_JOB_MERGE)) return;
    omen_lock_take(&db->version_lock);
    for (uint64_t n = job->first_file; n < db->next_file; n++) gone(db, n);
    omen_lock_drop(&db->version_lock);
}

void omen_job_abandon(omen_db *db) {
    omen_job *job = db->job;
    if (job == NULL) return;
    drop_parts(job);
    if (job->kind == OMEN_JOB_INDEX) atomic_store(&db->store.resident.coming, 0);
    omen_part_writer_free(job->writer);
    omen_part_text_writer_free(job->text_writer);
    omen_merge_place_free(job);
    drop_index(job);
    for (uint32_t i = 0; i < job->coll_count; i++) {
        omen_job_coll *c = &job->colls[i];
        for (uint32_t p = 0; c->dead != NULL && p < c->v->part_count; p++) omen_bits_unref(c->dead[p]);
        omen_part_unref(c->part);
        omen_arena_deinit(&c->arena);
    }
    omen_free(&db->mem, job->colls, job->coll_count * sizeof *job->colls);
    omen_snapshot_release(&job->snapshot);
    omen_buf_deinit(&job->tombstones.bytes);
    omen_buf_deinit(&job->payload);
    omen_buf_deinit(&job->removing);
    omen_free(&db->mem, job, sizeof *job);
    db->job = NULL;
}

omen_status omen_job_flush(omen_db *db, const omen_snapshot *s, omen_error *err) {
    omen_lock_take(&db->version_lock);
    omen_frozen frozen = db->frozen[0];
    omen_lock_drop(&db->version_lock);
    OMEN_TRY(job_new(db, OMEN_JOB_FLUSH, OMEN_STAGE_SYNC, s, s->version->count, err));
    db->job->frozen = frozen;
    for (uint32_t i = 0; i < s->version->count; i++) {
        omen_job_coll *c = &db->job->colls[i];
        c->v = s->version->colls[i];
        for (uint32_t t = 0; t < c->v->table_count; t++)
            if (c->v->tables[t].generation == frozen.generation) c->table = c->v->tables[t].table;
    }
    return OMEN_OK;
}

omen_status omen_job_merge(omen_db *db, const omen_snapshot *s, omen_coll_version *v, uint32_t from, uint32_t to, omen_error *err) {
    OMEN_TRY(job_new(db, OMEN_JOB_MERGE, OMEN_STAGE_SELECT, s, 1, err));
    db->job->colls[0].v = v;
    db->job->colls[0].from = from;
    db->job->colls[0].to = to;
    return OMEN_OK;
}

omen_status omen_job_forget(omen_db *db, const omen_snapshot *s, omen_error *err) {
    return job_new(db, OMEN_JOB_FORGET, OMEN_STAGE_MANIFEST, s, 0, err);
}

omen_status omen_job_index(omen_db *db, const omen_snapshot *s, omen_coll_version *v, omen_part *part, uint32_t field, const omen_segment_info *info, omen_error *err) {
    OMEN_TRY(job_new(db, OMEN_JOB_INDEX, info == NULL ? OMEN_STAGE_MANIFEST : OMEN_STAGE_OPEN, s, 1, err));
    omen_job *job = db->job;
    job->colls[0].v = v;
    job->index_part = part;
    job->index_field = field;
    job->index_none = info == NULL;
    if (info != NULL) job->info = *info;
    return OMEN_OK;
}

omen_status omen_job_collect(omen_db *db, omen_error *err) {
    OMEN_TRY(job_new(db, OMEN_JOB_COLLECT, OMEN_STAGE_REMOVE, NULL, 0, err));
    omen_lock_take(&db->version_lock);
    omen_buf t = db->job->removing;
    db->job->removing = db->garbage;
    db->garbage = t;
    omen_lock_drop(&db->version_lock);
    return OMEN_OK;
}

/* ---- SELECT, WRITE, OPEN: collection after collection ---- */

/* Whether this collection needs a new part at all. */
static bool has_work(const omen_job *job, const omen_job_coll *c) { return job->kind == OMEN_JOB_MERGE || job->kind == OMEN_JOB_INDEX || c->table != NULL; }

static void next_coll(omen_job *job) {
    job->coll++;
    job->stage = OMEN_STAGE_SELECT;
    job->written = false;
    omen_merge_place_free(job);
    omen_part_writer_free(job->writer);
    omen_part_text_writer_free(job->text_writer);
    job->writer = NULL;
    job->text_writer = NULL;
}

static omen_status select_rows(omen_job *job, omen_error *err) {
    while (job->coll < job->coll_count && !has_work(job, &job->colls[job->coll])) job->coll++;
    if (job->coll == job->coll_count) {
        job->stage = OMEN_STAGE_MANIFEST;
        return OMEN_OK;
    }
    omen_job_coll *c = &job->colls[job->coll];
    OMEN_TRY(job->kind == OMEN_JOB_FLUSH ? omen_flush_select(job, c, err) : omen_merge_select(job, c, err));
    if (c->row_count == 0 && c->target_count == 0) next_coll(job);
    else job->stage = OMEN_STAGE_WRITE;
    return OMEN_OK;
}

static omen_status write_part(omen_job *job, omen_error *err) {
    omen_db *db = job->db;
    omen_job_coll *c = &job->colls[job->coll];
    const omen_schema_copy *s = &c->v->coll->schema;
    if (job->writer == NULL) {
        OMEN_TRY(omen_text_fields_load(s->text, false));
        if (job->kind == OMEN_JOB_FLUSH) omen_flush_source(job, c);
        else OMEN_TRY(omen_merge_source(job, c, err));
        if (s->text != NULL && job->text_writer == NULL) OMEN_TRY(omen_part_text_writer_new(s->text, &job->text_writer, err));
        OMEN_TRY(omen_part_writer_new(&db->store, db->next_file, s->fields, s->schema.vector_count, &job->source, c->targets, c->target_count, &job->writer, err));
        db->next_file++;
        omen_part_writer_multi(job->writer, s->multi_fields, s->schema.multi_count);
        if (s->text != NULL) {
            omen_part_extra_writer hook = omen_part_text_writer_hook(job->text_writer);
            omen_part_writer_extra(job->writer, &hook);
        }
    }
    bool done;
    OMEN_TRY(omen_part_writer_step(job->writer, &job->info, &done, err));
    if (done) job->stage = OMEN_STAGE_OPEN;
    return OMEN_OK;
}

static omen_status open_index(omen_job *job, omen_error *err) {
    const omen_part_field *f = &job->index_part->fields[job->index_field];
    omen_db *db = job->db;
    if (!job->room) {
        /* About all of a file comes into memory; of a graph on disk its upper levels. */
        uint64_t bytes = db->indexing != NULL && db->indexing->choice.options.kind == OMEN_INDEX_DISK ? job->info.length / 16 : job->info.length;
        atomic_store(&db->store.resident.coming, bytes);
        omen_make_room(db, bytes);
        job->room = true;
    }
    omen_status s = omen_index_open(&job->db->store, &job->info, job->index_part->rows, f->dimensions, (omen_metric)f->metric, (omen_element)f->element, &job->index, err);
    if (s != OMEN_PENDING) atomic_store(&db->store.resident.coming, 0);
    if (s == OMEN_OK) {
        omen_make_room(db, 0);
        omen_indexed_part_keep(job->index_part, job->index_field, job->index);
        job->stage = OMEN_STAGE_MANIFEST;
    }
    return s;
}

static omen_status open_part(omen_job *job, omen_error *err) {
    if (job->kind == OMEN_JOB_INDEX) return open_index(job, err);
    omen_job_coll *c = &job->colls[job->coll];
    OMEN_TRY(omen_schema_open_part(&c->v->coll->schema, &job->db->store, &job->info, &c->part, err));
    c->part->origin = job->info.number;
    for (uint32_t p = c->from; p < c->to; p++) c->part->origin = OMEN_MIN(c->part->origin, c->v->parts[p].part->origin);
    next_coll(job);
    return OMEN_OK;
}

/* ---- MANIFEST and INSTALL ---- */

static omen_bits *dead_of(const omen_job_coll *c, uint32_t p) {
    omen_bits *now = c->dead == NULL ? NULL : c->dead[p];
    return omen_bits_ref(now != NULL ? now : c->v->parts[p].dead);
}

/* The same with another index. */
static omen_coll_version *with_index(const omen_job *job, const omen_coll_version *now) {
    omen_coll_version *n = omen_coll_version_copy(now);
    for (uint32_t p = 0; n != NULL && p < n->part_count; p++) {
        omen_part_state *state = &n->parts[p];
        if (state->part != job->index_part) continue;
        omen_index_set *set = omen_index_set_with(now->mem, state->indexes, now->coll->schema.schema.vector_count, job->index_field, omen_index_ref(job->index));
        if (set == NULL) {
            omen_coll_version_unref(n, NULL);
            return NULL;
        }
        omen_index_set_unref(state->indexes, NULL);
        state->indexes = set;
    }
    return n;
}

/* The collection as it is now, with what the job made of it. Tables may have been frozen or begun meanwhile; parts are changed by jobs alone. */
static omen_coll_version *changed(const omen_job *job, const omen_job_coll *c, const omen_coll_version *now) {
    if (job->kind == OMEN_JOB_INDEX) return with_index(job, now);
    bool merge = job->kind == OMEN_JOB_MERGE;
    uint32_t kept = merge ? c->v->part_count - (c->to - c->from) : c->v->part_count;
    omen_coll_version *n = omen_coll_version_new(now->mem, now->coll, kept + (c->part != NULL));
    if (n == NULL) return NULL;
    for (uint32_t t = 0; t < now->table_count; t++) {
        if (!merge && now->tables[t].generation == job->frozen.generation) continue;
        n->tables[n->table_count] = now->tables[t];
        omen_memtable_ref(n->tables[n->table_count++].table);
    }
    uint32_t at = 0;
    for (uint32_t p = 0; p < c->v->part_count; p++) {
        if (merge && p == c->from && c->part != NULL) n->parts[at++].part = omen_part_ref(c->part);
        if (merge && p >= c->from && p < c->to) continue;
        n->parts[at++] = (omen_part_state){omen_part_ref(c->v->parts[p].part), dead_of(c, p), omen_index_set_ref(c->v->parts[p].indexes)};
    }
    if (!merge && c->part != NULL) n->parts[at++].part = omen_part_ref(c->part);
    OMEN_ASSERT(at == n->part_count);
    return n;
}

static const omen_job_coll *job_coll(const omen_job *job, uint32_t id) {
    for (uint32_t i = 0; i < job->coll_count; i++)
        if (job->colls[i].v->coll->id == id && has_work(job, &job->colls[i])) return &job->colls[i];
    return NULL;
}

static omen_db_version *build(void *arg, const omen_db_version *current) {
    const omen_job *job = arg;
    omen_db_version *n = omen_version_new(current->mem, current->count);
    for (uint32_t i = 0; n != NULL && i < current->count; i++) {
        const omen_job_coll *c = job_coll(job, current->colls[i]->coll->id);
        if (c == NULL) {
            n->colls[i] = current->colls[i];
            atomic_fetch_add_explicit(&n->colls[i]->refs, 1, memory_order_relaxed);
        } else if ((n->colls[i] = changed(job, c, current->colls[i])) == NULL) {
            omen_version_unref(n, NULL);
            return NULL;
        }
    }
    return n;
}

static omen_status write_manifest(omen_job *job, omen_error *err) {
    omen_db *db = job->db;
    bool flush = job->kind == OMEN_JOB_FLUSH;
    if (job->payload.len == 0) {
        omen_lock_take(&db->version_lock);
        omen_db_version *next = build(job, db->current);
        job->orphans = db->orphans.len / sizeof(omen_orphan);
        job->schema_lsn = atomic_load(&db->schema_lsn);
        omen_lock_drop(&db->version_lock);
        if (next == NULL) return out_of_memory(err);
        omen_status s = omen_manifest_encode(db, next, flush ? job->frozen.last_epoch + 1 : db->log_first_epoch,
                                             flush ? job->frozen.last_lsn : db->flushed_lsn, &job->payload, err);
        omen_version_unref(next, NULL);
        OMEN_TRY(s);
    }
    /* A collection that was created or dropped since the last sync never outlives what was written before it. */
    OMEN_TRY(omen_sync_step(db, job->schema_lsn, err));
    OMEN_TRY(omen_manifest_write(db->manifest, job->payload.data, job->payload.len, err));
    job->stage = OMEN_STAGE_INSTALL;
    return OMEN_OK;
}

/* A part made for a collection that was dropped meanwhile: the manifest names it until the next one. */
static omen_status keep_orphans(omen_job *job) {
    omen_db *db = job->db;
    omen_status s = OMEN_OK;
    omen_lock_take(&db->version_lock);
    for (uint32_t i = 0; i < job->coll_count; i++) {
        omen_part *p = job->colls[i].part;
        if (p == NULL || omen_version_find(db->current, job->colls[i].v->coll->id) != NULL) continue;
        s = omen_buf_append(&db->orphans, &(omen_orphan){p, NULL}, sizeof(omen_orphan));
        if (s == OMEN_OK) omen_part_ref(p);
    }
    omen_lock_drop(&db->version_lock);
    return s;
}

/* The file of an index that was left out when the database was opened: nobody has it, and now no manifest names it. field UINT32_MAX: of every one. */
static void forget_left_out(omen_db *db, omen_part *part, uint32_t field) {
    for (uint32_t f = 0; f < part->field_count; f++) {
        uint64_t number = part->indexing[f].left_out;
        if (number == 0 || (field != UINT32_MAX && f != field) || atomic_exchange(&part->indexing[f].removed, true)) continue;
        omen_lock_take(&db->version_lock);
        gone(db, number);
        omen_lock_drop(&db->version_lock);
    }
}

/* Parts that no manifest names any more: their files go with their last reader. */
static void let_go(omen_job *job) {
    omen_db *db = job->db;
    if (job->kind == OMEN_JOB_MERGE)
        for (uint32_t p = job->colls[0].from; p < job->colls[0].to; p++) {
            forget_left_out(db, job->colls[0].v->parts[p].part, UINT32_MAX);
            job->colls[0].v->parts[p].part->unlink = true;
            omen_index_set_unlink(job->colls[0].v->parts[p].indexes);
        }
    for (uint32_t p = 0; job->kind == OMEN_JOB_INDEX && p < job->colls[0].v->part_count; p++) {
        const omen_part_state *state = &job->colls[0].v->parts[p];
        omen_index *old = state->part == job->index_part ? omen_part_index(state, job->index_field) : NULL;
        if (old != NULL) omen_index_unlink(old);
        if (state->part == job->index_part) forget_left_out(db, state->part, job->index_field);
    }
    for (size_t i = 0; job->kind == OMEN_JOB_FORGET && i < job->orphans; i++) {
        omen_orphan o;
        omen_lock_take(&db->version_lock);
        memcpy(&o, db->orphans.data, sizeof o);
        memmove(db->orphans.data, db->orphans.data + sizeof o, db->orphans.len - sizeof o);
        db->orphans.len -= sizeof o;
        uint64_t number = omen_segment_info_of(o.part->segment)->number;
        o.part->unlink = true;
        omen_index_set_unlink(o.indexes);
        omen_index_set_unref(o.indexes, &(omen_gone){gone, db});
        if (omen_part_unref(o.part)) gone(db, number);
        omen_lock_drop(&db->version_lock);
    }
}

/* Its collection may have been dropped meanwhile. */
static bool has_index(const omen_job *job) {
    omen_db_version *current = omen_version_current(job->db);
    const omen_coll_version *v = omen_version_find(current, job->colls[0].v->coll->id);
    bool there = false;
    for (uint32_t p = 0; v != NULL && p < v->part_count; p++) there = there || omen_part_index(&v->parts[p], job->index_field) == job->index;
    omen_version_drop(job->db, current);
    return there;
}

static void count_work(omen_job *job) {
    omen_engine_metrics *m = &job->db->metrics;
    uint64_t ns = job->db->host->ticks_ns(job->db->host->ctx) - job->begun_ns, rows = 0, had = 0;
    for (uint32_t i = 0; i < job->coll_count; i++) {
        const omen_job_coll *c = &job->colls[i];
        rows += c->row_count;
        for (uint32_t p = c->from; p < c->to; p++) had += c->v->parts[p].part->rows;
    }
    if (job->kind == OMEN_JOB_FLUSH) {
        omen_counter_add(&m->flushes, 1);
        omen_counter_add(&m->vectors_indexed, rows);
        omen_hist_record(&m->flush_duration, ns);
    } else if (job->kind == OMEN_JOB_MERGE) {
        omen_counter_add(&m->compactions, 1);
        omen_counter_add(&m->rows_merged, rows);
        omen_counter_add(&m->rows_dropped, had - rows);
        omen_hist_record(&m->compaction_duration, ns);
    } else if (job->kind == OMEN_JOB_INDEX && job->index != NULL) {
        omen_counter_add(&m->indexes_built, 1);
        atomic_store(&job->index_part->indexing[job->index_field].failures, 0);
    }
}

static omen_status install(omen_job *job, omen_error *err) {
    omen_db *db = job->db;
    /* The manifest is durable: memory and disk must not part ways now. */
    omen_status s = keep_orphans(job);
    if (s == OMEN_OK && job->coll_count != 0) s = omen_version_update(db, build, job, err);
    if (s != OMEN_OK) return omen_poison(db, omen_fail(err, s, "out of memory after writing the manifest"), err);
    if (job->kind == OMEN_JOB_FLUSH) {
        omen_lock_take(&db->version_lock);
        db->frozen_count--;
        memmove(db->frozen, db->frozen + 1, db->frozen_count * sizeof *db->frozen);
        omen_lock_drop(&db->version_lock);
        job->file = db->log_first_epoch;
        db->log_first_epoch = job->frozen.last_epoch + 1;
        db->flushed_lsn = job->frozen.last_lsn;
    }
    let_go(job);
    job->installed = job->kind == OMEN_JOB_INDEX && job->index != NULL && has_index(job);
    atomic_store(&db->index_due, true);
    count_work(job);
    job->stage = OMEN_STAGE_REMOVE;
    return OMEN_OK;
}

/* ---- REMOVE: a file that cannot be removed costs room and nothing else; the next open tries again ---- */

static omen_status remove_file(omen_job *job, omen_file_name name) {
    omen_storage *st = &job->db->store.storage;
    return st->ops->remove(st->ctx, name.text) == OMEN_PENDING ? OMEN_PENDING : OMEN_OK;
}

static omen_status remove_files(omen_job *job, bool *done) {
    for (; job->kind == OMEN_JOB_FLUSH && job->file <= job->frozen.last_epoch; job->file++) OMEN_TRY(remove_file(job, omen_log_file_name(job->file)));
    for (; job->removed < job->removing.len; job->removed += 8)
        OMEN_TRY(remove_file(job, omen_segment_file_name(omen_get64(job->removing.data + job->removed))));
    *done = true;
    return OMEN_OK;
}

omen_status omen_job_step(omen_job *job, bool *done, omen_error *err) {
    switch (job->stage) {
        case OMEN_STAGE_SYNC:
            OMEN_TRY(omen_sync_step(job->db, job->frozen.last_lsn, err));
            /* An epoch can end after its last record's sync began: its log must be closed before it is removed. */
            OMEN_TRY(omen_sync_old_logs(job->db, job->frozen.last_epoch, err));
            job->stage = OMEN_STAGE_SELECT;
            return OMEN_OK;
        case OMEN_STAGE_SELECT: return select_rows(job, err);
        case OMEN_STAGE_WRITE: return write_part(job, err);
        case OMEN_STAGE_OPEN: return open_part(job, err);
        case OMEN_STAGE_MANIFEST:
            if (!OMEN_CONTROL(manifest_before_removal) && job->kind == OMEN_JOB_FLUSH) (void)remove_file(job, omen_log_file_name(job->db->log_first_epoch));
            return write_manifest(job, err);
        case OMEN_STAGE_INSTALL: return install(job, err);
        case OMEN_STAGE_REMOVE: return remove_files(job, done);
    }
    return omen_fail(err, OMEN_ERR_INTERNAL, "a job is in no stage");
}
