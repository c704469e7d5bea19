#include "db/indexing.h"

/* Numbers of index files: the part's, the field, and how often an index of this field was begun. */
#define INDEX_NUMBER (UINT64_C(1) << 62)

/* Never one that was given before: a reader may still have its file, or that may be about to be removed. The index lock is held. */
static uint64_t number_of(omen_part *p, uint32_t field, const omen_index *old) {
    uint64_t part = omen_segment_info_of(p->segment)->number;
    uint8_t turn = p->index_turn[field];
    if (turn == 0 && old != NULL) turn = (uint8_t)(omen_index_info(old)->number + 1);
    p->index_turn[field] = (uint8_t)(turn + 1);
    return INDEX_NUMBER | part << 12 | (uint64_t)field << 8 | turn;
}

uint64_t omen_indexes_memory(const omen_db_version *v) {
    uint64_t bytes = 0;
    for (uint32_t c = 0; c < v->count; c++)
        for (uint32_t p = 0; p < v->colls[c]->part_count; p++)
            for (uint32_t f = 0; f < v->colls[c]->coll->schema.schema.vector_count; f++) {
                const omen_index *x = omen_part_index(&v->colls[c]->parts[p], f);
                if (x != NULL) bytes += omen_index_memory(x);
            }
    return bytes;
}

/* ---- what is to be built ---- */

static omen_index_choice choose(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field) {
    const omen_vector_field *f = &v->coll->schema.schema.vectors[field];
    uint64_t held = omen_indexes_memory(current);
    omen_index_case c = {.rows = p->part->rows,
                         .dead = p->dead == NULL ? 0 : p->dead->ones,
                         .dimensions = f->dimensions,
                         .metric = f->metric,
                         .element = f->element,
                         .budget = db->options.index_bytes > held ? db->options.index_bytes - held : 0,
                         .m = f->index.m};
    omen_index_choice choice = omen_index_choose(&f->index, &c);
    if (choice.options.kind != OMEN_INDEX_FLAT && (atomic_load(&p->part->unindexable) >> field & 1) != 0) {
        choice.options.kind = OMEN_INDEX_FLAT;
        choice.why = "an index could not be built: see the log";
    }
    return choice;
}

omen_index_choice omen_indexing_choice(omen_db *db, const omen_coll_version *v, const omen_part_state *p, uint32_t field) {
    omen_db_version *current = omen_version_current(db);
    omen_index_choice c = choose(db, current, v, p, field);
    omen_version_drop(db, current);
    return c;
}

/* A list has a row at least: more lists than rows cannot be had, and must not be asked for again and again. */
static bool suits(const omen_part *p, const omen_index_options *have, const omen_index_options *wanted) {
    omen_index_options h = *have, w = *wanted;
    h.lists = OMEN_MIN(h.lists, p->rows);
    w.lists = OMEN_MIN(w.lists, p->rows);
    return omen_index_suits(&h, &w);
}

/* Whether a field of a part wants another index than it has; FLAT in *out: the one it has is to go. */
static bool wants(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field, omen_index_choice *out) {
    const omen_index *have = omen_part_index(p, field);
    const omen_index_options *wanted = &v->coll->schema.schema.vectors[field].index;
    if (have != NULL && !omen_index_spoiled(have) && suits(p->part, omen_index_options_of(have), wanted)) return false;
    *out = choose(db, current, v, p, field);
    if (out->options.kind == OMEN_INDEX_FLAT) return have != NULL && wanted->kind == OMEN_INDEX_FLAT;
    return p->part->rows != 0;
}

/* The first field of the first part that wants one, in an order that depends on the content alone. */
static omen_status begin(omen_db *db, omen_error *err) {
    atomic_store(&db->index_due, false); /* first: what comes up while we look is not lost */
    omen_db_version *current = omen_version_current(db);
    omen_indexing *x = NULL;
    omen_status s = OMEN_OK;
    for (uint32_t c = 0; c < current->count && x == NULL && s == OMEN_OK; c++) {
        const omen_coll_version *v = current->colls[c];
        const omen_schema *schema = &v->coll->schema.schema;
        for (uint32_t p = 0; p < v->part_count && x == NULL && s == OMEN_OK; p++)
            for (uint32_t f = 0; f < schema->vector_count && x == NULL && s == OMEN_OK; f++) {
                const omen_part_state *state = &v->parts[p];
                omen_index_choice choice;
                if (!wants(db, current, v, state, f, &choice)) continue;
                x = omen_alloc_zero(&db->mem, sizeof *x);
                if (x == NULL) {
                    s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory building an index");
                    break;
                }
                *x = (omen_indexing){.coll_id = v->coll->id, .field = f, .part = omen_part_ref(state->part), .choice = choice,
                                     .number = number_of(state->part, f, omen_part_index(state, f)), .begun_ns = db->host->ticks_ns(db->host->ctx)};
                omen_part_vectors_init(&x->reader, x->part, f);
            }
    }
    omen_version_drop(db, current);
    omen_lock_take(&db->maintain_lock);
    db->indexing = x;
    if (x != NULL || s != OMEN_OK) atomic_store(&db->index_due, true);
    omen_lock_drop(&db->maintain_lock);
    return s;
}

/* ---- the build ---- */

/* Takes the work away from the database and lets go of it. */
static void end(omen_db *db) {
    omen_lock_take(&db->maintain_lock);
    omen_indexing *x = db->indexing;
    db->indexing = NULL;
    omen_lock_drop(&db->maintain_lock);
    if (x == NULL) return;
    bool file = x->begun && !x->handed; /* what was handed over is the job's to keep or to let go */
    omen_index_build_free(x->build);
    omen_part_vectors_deinit(&x->reader);
    uint64_t number = omen_segment_info_of(x->part->segment)->number;
    bool last = omen_part_unref(x->part);
    omen_lock_take(&db->version_lock);
    if (last) (void)omen_buf_append_u64(&db->garbage, number);
    if (file) (void)omen_buf_append_u64(&db->garbage, x->number);
    omen_lock_drop(&db->version_lock);
    omen_free(&db->mem, x, sizeof *x);
}

void omen_indexing_free(omen_db *db) { end(db); }

/* The part may have been merged away, its collection dropped, or other parameters asked for since. */
static bool still_wanted(omen_db *db, const omen_indexing *x) {
    omen_db_version *current = omen_version_current(db);
    const omen_coll_version *v = omen_version_find(current, x->coll_id);
    bool wanted = false;
    for (uint32_t p = 0; v != NULL && p < v->part_count; p++) {
        if (v->parts[p].part != x->part) continue;
        const omen_index_options *o = &v->coll->schema.schema.vectors[x->field].index;
        wanted = x->choice.options.kind == OMEN_INDEX_FLAT ? o->kind == OMEN_INDEX_FLAT : suits(x->part, &x->choice.options, o);
    }
    omen_version_drop(db, current);
    return wanted;
}

static omen_status work(omen_db *db, omen_indexing *x, omen_error *err) {
    if (x->built) return OMEN_OK;
    if (x->choice.options.kind == OMEN_INDEX_FLAT) {
        omen_lock_take(&db->maintain_lock);
        x->built = true;
        omen_lock_drop(&db->maintain_lock);
        return OMEN_OK;
    }
    const omen_part_field *f = &x->part->fields[x->field];
    if (x->build == NULL) {
        omen_vectors source = {.ctx = &x->reader, .rows = x->part->rows, .dimensions = f->dimensions, .metric = (omen_metric)f->metric,
                               .element = (omen_element)f->element, .read = omen_part_vectors_read};
        omen_index_build *b;
        OMEN_TRY(omen_index_build_new(&db->store, x->number, &x->choice.options, &source, &b, err));
        omen_lock_take(&db->maintain_lock);
        x->build = b;
        x->begun = true;
        omen_lock_drop(&db->maintain_lock);
    }
    bool done;
    OMEN_TRY(omen_index_build_step(x->build, &x->info, &done, err));
    if (!done) return OMEN_OK;
    omen_hist_record(&db->metrics.index_duration, db->host->ticks_ns(db->host->ctx) - x->begun_ns);
    omen_index_build *b = x->build;
    omen_lock_take(&db->maintain_lock); /* whoever asks for progress looks at the build under this lock */
    x->build = NULL;
    x->built = true;
    omen_lock_drop(&db->maintain_lock);
    omen_index_build_free(b); /* its memory is that of another index: it goes before that is opened */
    omen_part_vectors_rest(&x->reader);
    return OMEN_OK;
}

static void log_failure(omen_db *db, const omen_error *err) {
    char line[500];
    if (db->host->log == NULL) return;
    size_t n = omen_format(line, sizeof line, "an index could not be built, and its rows will be compared one by one: %s", err == NULL ? "" : err->text);
    db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
}

static omen_status step(omen_db *db, bool *more, omen_error *err) {
    *more = true;
    if (db->indexing == NULL) {
        OMEN_TRY(begin(db, err));
        *more = db->indexing != NULL;
        return OMEN_OK;
    }
    omen_indexing *x = db->indexing;
    omen_lock_take(&db->maintain_lock);
    bool handed = x->handed, busy = db->job != NULL;
    omen_lock_drop(&db->maintain_lock);
    if (handed && busy) return OMEN_OK;
    if (handed || !still_wanted(db, x)) {
        end(db);
        return OMEN_OK;
    }
    omen_status s = work(db, x, err);
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    atomic_fetch_or(&x->part->unindexable, 1u << x->field);
    omen_counter_add(&db->metrics.index_failures, 1);
    log_failure(db, err);
    end(db);
    return s;
}

omen_status omen_indexing_step(omen_db *db, bool *more, omen_error *err) {
    omen_lock_take(&db->index_lock);
    omen_status s = step(db, more, err);
    omen_lock_drop(&db->index_lock);
    return s;
}

bool omen_indexing_progress(omen_db *db, uint32_t *coll_id, uint32_t *field, uint64_t *file, uint32_t *progress) {
    omen_lock_take(&db->maintain_lock);
    const omen_indexing *x = db->indexing;
    if (x != NULL) {
        *coll_id = x->coll_id;
        *field = x->field;
        *file = omen_segment_info_of(x->part->segment)->number;
        *progress = x->built ? 1000 : x->build == NULL ? 0 : omen_index_build_progress(x->build);
    }
    omen_lock_drop(&db->maintain_lock);
    return x != NULL;
}

/* ---- the job ---- */

omen_status omen_indexing_hand_over(omen_db *db, const omen_snapshot *s, omen_error *err) {
    omen_indexing *x = db->indexing;
    if (x == NULL || !x->built || x->handed) return OMEN_OK;
    omen_coll_version *v = omen_version_find(s->version, x->coll_id);
    bool there = false;
    for (uint32_t p = 0; v != NULL && p < v->part_count; p++) there = there || v->parts[p].part == x->part;
    if (!there) return OMEN_OK; /* the next step of indexing sees it too, and lets go */
    OMEN_TRY(omen_job_index(db, s, v, x->part, x->field, x->choice.options.kind == OMEN_INDEX_FLAT ? NULL : &x->info, err));
    x->handed = true;
    return OMEN_OK;
}
