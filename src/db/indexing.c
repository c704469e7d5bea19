#include "db/indexing.h"

/* Numbers of index files: bit 62, then from above 8 bits of the turn, 40 of the part's number, 4 of the field, and the turn's other 8 bits. */
#define INDEX_NUMBER (UINT64_C(1) << 62)
#define TURNS 65536u
/* A build that failed is tried again after a second, then after ever longer, until after an hour. */
#define FIRST_PAUSE_NS UINT64_C(1000000000)
#define LONGEST_PAUSE_NS (UINT64_C(3600) * FIRST_PAUSE_NS)

bool omen_indexing_number(uint64_t part, uint32_t field, uint32_t first, uint32_t given, uint64_t *number) {
    uint64_t turn = (first + given) % TURNS;
    if (given >= TURNS - 1) return false; /* the one before `first` may be in use */
    OMEN_ASSERT(part < UINT64_C(1) << 40 && field < 16);
    *number = INDEX_NUMBER | turn >> 8 << 52 | part << 12 | (uint64_t)field << 8 | (turn & 255);
    return true;
}

/* Never one that was given before: a reader may still have its file, or that may be about to be removed. When the part was opened only the index that
 * the manifest names had a file. The index lock is held. */
static bool number_of(omen_part *p, uint32_t field, const omen_index *old, uint64_t *number) {
    omen_part_indexing *i = &p->indexing[field];
    uint64_t last = old != NULL ? omen_index_info(old)->number : i->left_out;
    if (i->given == 0 && last != 0) {
        i->first = (uint32_t)((last & 255) | (last >> 44 & 0xff00)) + 1;
    }
    if (!omen_indexing_number(omen_segment_info_of(p->segment)->number, field, i->first, i->given, number)) return false;
    i->given++;
    return true;
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

static uint64_t now_ns(const omen_db *db) { return db->host->ticks_ns(db->host->ctx); }

/* margin: as if there were less memory by this many of its 1,024 parts. */
static omen_index_choice choose(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field, uint64_t margin) {
    const omen_vector_field *f = &v->coll->schema.schema.vectors[field];
    omen_part_indexing *known = &p->part->indexing[field];
    const omen_index *own = omen_part_index(p, field);
    uint64_t held = omen_indexes_memory(current) - (own == NULL ? 0 : omen_index_memory(own)); /* what is replaced makes room */
    omen_index_case c = {.rows = p->part->rows,
                         .dead = p->dead == NULL ? 0 : p->dead->ones,
                         .dimensions = f->dimensions,
                         .metric = f->metric,
                         .element = f->element,
                         .budget = db->options.index_bytes > held ? db->options.index_bytes - held : 0,
                         .m = f->index.m,
                         .needs = {atomic_load(&known->needs[0]), atomic_load(&known->needs[1])}};
    c.budget -= c.budget / 1024 * margin;
    omen_index_choice choice = omen_index_choose(&f->index, &c);
    if (choice.options.kind != OMEN_INDEX_FLAT && atomic_load(&known->after_ns) > now_ns(db)) {
        choice.options.kind = OMEN_INDEX_FLAT;
        choice.why = "an index could not be built, and will be tried again later: see the log";
    }
    return choice;
}

/* A list has a row at least: more lists than rows cannot be had, and must not be asked for again and again. */
static bool suits(const omen_part *p, const omen_index_options *have, const omen_index_options *wanted) {
    omen_index_options h = *have, w = *wanted;
    h.lists = OMEN_MIN(h.lists, p->rows);
    w.lists = OMEN_MIN(w.lists, p->rows);
    return omen_index_suits(&h, &w);
}

/* Whether the kind is left to OmenDB, and a faster one than there is would be chosen now: memory was short when that was built, or it was asked for by name
 * then. The faster one has to fit with an eighth of the memory to spare: what fits only just would have to yield to the next segment. Indexes are only ever
 * replaced by faster ones, so this ends. */
#define SPARE 128u
static bool better(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field, omen_index_choice *out) {
    if (v->coll->schema.schema.vectors[field].index.kind != OMEN_INDEX_AUTO) return false;
    *out = choose(db, current, v, p, field, SPARE);
    return omen_index_better(&out->options, omen_index_options_of(omen_part_index(p, field)));
}

/* Whether a field of a part wants another index than it has; FLAT in *out: the one it has is to go. */
static bool wants(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field, omen_index_choice *out) {
    const omen_index *have = omen_part_index(p, field);
    const omen_index_options *wanted = &v->coll->schema.schema.vectors[field].index;
    if (have != NULL && !omen_index_spoiled(have) && suits(p->part, omen_index_options_of(have), wanted))
        return better(db, current, v, p, field, out);
    *out = choose(db, current, v, p, field, 0);
    if (out->options.kind == OMEN_INDEX_FLAT) return have != NULL && wanted->kind == OMEN_INDEX_FLAT;
    return p->part->rows != 0;
}

/* ---- why ---- */

/* Of an index that stands. */
static const char *why_this(const omen_db *db, const omen_db_version *current, const omen_coll_version *v, const omen_part_state *p, uint32_t field) {
    const omen_index_options *have = omen_index_options_of(omen_part_index(p, field)), *wanted = &v->coll->schema.schema.vectors[field].index;
    if (wanted->kind == OMEN_INDEX_FLAT) return "no index is asked for any more: it serves until maintenance removes it";
    if (!suits(p->part, have, wanted)) return NULL;
    if (wanted->kind != OMEN_INDEX_AUTO) return "asked for by name";
    omen_index_choice roomy = choose(db, current, v, p, field, 0), due = choose(db, current, v, p, field, SPARE);
    if (omen_index_better(&due.options, have)) return "it was built when there was less memory for indexes, or asked for by name then: a faster one fits now, and is to be built";
    if (omen_index_better(&roomy.options, have)) return "a faster one would fit the memory for indexes only just";
    if (roomy.options.kind == OMEN_INDEX_FLAT) return "it was built before, and serves on: by itself OmenDB would not build one now";
    return omen_index_reason(have->kind);
}

static void why_none(const omen_db *db, omen_index_kind wanted, const omen_part_state *p, uint32_t field, const omen_index_choice *choice, char *out, size_t capacity) {
    const omen_part_indexing *i = &p->part->indexing[field];
    bool none = choice->options.kind == OMEN_INDEX_FLAT, left_out = i->left_out != 0 && !atomic_load(&i->removed);
    unsigned long long limit = db->options.index_bytes;
    if (left_out && i->no_room && !none)
        omen_format(out, capacity, "its index does not fit the memory for indexes (it takes about %llu bytes, index_bytes is %llu): raise index_bytes, or let maintenance build one that fits",
                    (unsigned long long)i->left_out_bytes, limit);
    else if (left_out && !none) omen_format(out, capacity, "its index was damaged and is left out: maintenance will build it again");
    else if (!none) omen_format(out, capacity, "its index is not built yet");
    else if (choice->needs != 0) omen_format(out, capacity, "%s (it takes about %llu bytes, index_bytes is %llu)", choice->why, (unsigned long long)choice->needs, limit);
    else omen_format(out, capacity, "%s", wanted == OMEN_INDEX_FLAT ? "no index was asked for (flat): all rows are compared" : choice->why);
}

void omen_indexing_why(omen_db *db, const omen_coll_version *v, const omen_part_state *p, uint32_t field, char *out, size_t capacity) {
    omen_db_version *current = omen_version_current(db);
    omen_index_choice choice = choose(db, current, v, p, field, 0);
    const omen_index *have = omen_part_index(p, field);
    const char *why = have == NULL ? NULL : why_this(db, current, v, p, field);
    if (why != NULL) omen_format(out, capacity, "%s", why);
    else if (have == NULL) why_none(db, v->coll->schema.schema.vectors[field].index.kind, p, field, &choice, out, capacity);
    else
        omen_format(out, capacity, "of other parameters than are asked for now: it serves on until the new one is built%s%s", choice.options.kind == OMEN_INDEX_FLAT ? "; " : "",
                    choice.options.kind == OMEN_INDEX_FLAT ? choice.why : "");
    omen_version_drop(db, current);
}

/* ---- what could not be built ---- */

bool omen_indexing_failing(const omen_coll_version *v, const omen_part_state *p, uint32_t field) {
    const omen_index_options *wanted = &v->coll->schema.schema.vectors[field].index;
    const omen_index *have = omen_part_index(p, field);
    if (have != NULL && !omen_index_spoiled(have) && suits(p->part, omen_index_options_of(have), wanted)) return false;
    if (wanted->kind == OMEN_INDEX_AUTO) return atomic_load(&p->part->indexing[field].failures) != 0;
    omen_index_case plenty = {.rows = p->part->rows, .dimensions = v->coll->schema.schema.vectors[field].dimensions, .budget = UINT64_MAX};
    return omen_index_choose(wanted, &plenty).options.kind != OMEN_INDEX_FLAT;
}

static void log_failure(omen_db *db, const omen_error *err) {
    char line[500];
    if (db->host->log == NULL) return;
    size_t n = omen_format(line, sizeof line, "an index could not be built, and its rows will be compared one by one: %s", err->text);
    db->host->log(db->host->ctx, OMEN_LOG_WARN, line, OMEN_MIN(n, sizeof line - 1));
}

/* The maintenance lock is held. Whoever asked for indexes is told; everything else goes on. */
static void note(omen_db *db, omen_status s, const omen_error *why) {
    db->index_failed++;
    db->index_failure = s;
    db->index_error = *why;
    omen_counter_add(&db->metrics.index_failures, 1);
    log_failure(db, why);
}

/* Later again: the pause doubles. */
static void put_off(omen_db *db, omen_part *p, uint32_t field) {
    omen_part_indexing *i = &p->indexing[field];
    uint32_t failures = OMEN_MIN(atomic_fetch_add(&i->failures, 1), 16u);
    atomic_store(&i->after_ns, now_ns(db) + OMEN_MIN(FIRST_PAUSE_NS << failures, LONGEST_PAUSE_NS));
}

void omen_indexing_forgive(omen_part *p, uint32_t field) {
    omen_part_indexing *i = &p->indexing[field];
    atomic_store(&i->failures, 0);
    atomic_store(&i->after_ns, 0);
    atomic_store(&i->needs[0], 0);
    atomic_store(&i->needs[1], 0);
}

void omen_indexing_needs(omen_part *p, uint32_t field, omen_index_kind kind, uint64_t bytes) {
    _Atomic uint64_t *need = &p->indexing[field].needs[kind == OMEN_INDEX_IVF];
    if (atomic_load(need) < bytes) atomic_store(need, bytes);
}

void omen_indexing_retry(omen_db *db) {
    omen_db_version *v = omen_version_current(db);
    for (uint32_t c = 0; c < v->count; c++)
        for (uint32_t p = 0; p < v->colls[c]->part_count; p++)
            for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) atomic_store(&v->colls[c]->parts[p].part->indexing[f].after_ns, 0);
    omen_version_drop(db, v);
    atomic_store(&db->index_due, true);
}

bool omen_indexing_due(omen_db *db) {
    uint64_t retry = atomic_load(&db->index_retry_ns);
    return atomic_load(&db->index_due) || (retry != 0 && now_ns(db) >= retry);
}

/* Bytes that are there for an index that replaces `old` (NULL: none). */
static uint64_t budget_beside(omen_db *db, const omen_index *old) {
    omen_db_version *v = omen_version_current(db);
    uint64_t held = omen_indexes_memory(v) - (old == NULL ? 0 : omen_index_memory(old));
    omen_version_drop(db, v);
    return db->options.index_bytes > held ? db->options.index_bytes - held : 0;
}

void omen_indexing_refused(omen_db *db, omen_status s, const omen_error *why) {
    omen_job *job = db->job;
    omen_indexing *x = db->indexing;
    const omen_coll_version *v = job->colls[0].v;
    const omen_index *old = NULL;
    omen_index_kind kind = x == NULL ? OMEN_INDEX_HNSW : x->choice.options.kind;
    for (uint32_t p = 0; p < v->part_count; p++)
        if (v->parts[p].part == job->index_part) old = omen_part_index(&v->parts[p], job->index_field);
    if (s == OMEN_ERR_LIMIT && old != NULL && x != NULL && x->handed) {
        /* Both do not fit: the old one goes first. */
        x->handed = false;
        x->alone = true;
        job->returned = true;
    } else if (s == OMEN_ERR_LIMIT) {
        /* Until there is more room than there is now nobody tries again; who is free to choose chooses another kind. */
        bool auto_ = v->coll->schema.schema.vectors[job->index_field].index.kind == OMEN_INDEX_AUTO;
        omen_indexing_needs(job->index_part, job->index_field, kind, OMEN_MAX(job->info.length, budget_beside(db, old) + 1));
        if (auto_) log_failure(db, why);
        else note(db, s, why);
        atomic_store(&db->index_due, true);
    } else {
        put_off(db, job->index_part, job->index_field);
        note(db, s, why);
    }
}

/* ---- choosing what comes next ---- */

bool omen_indexing_waits(omen_db *db, uint64_t until) {
    omen_db_version *current = omen_version_current(db);
    bool waits = false;
    for (uint32_t c = 0; c < current->count && !waits; c++) {
        const omen_coll_version *v = current->colls[c];
        for (uint32_t p = 0; p < v->part_count && !waits; p++) {
            const omen_part *part = v->parts[p].part;
            if (part->origin >= until || omen_segment_info_of(part->segment)->number >= until + OMEN_INDEXING_FOLLOW) continue;
            omen_index_choice ignored;
            for (uint32_t f = 0; f < v->coll->schema.schema.vector_count && !waits; f++) waits = wants(db, current, v, &v->parts[p], f, &ignored);
        }
    }
    omen_version_drop(db, current);
    return waits;
}

typedef struct next_field {
    const omen_coll_version *v;
    const omen_part_state *state; /* NULL: none */
    uint32_t field;
    omen_index_choice choice;
} next_field;

/* The oldest segment that wants an index: an order that depends on the content alone, in which what is new waits. *retry: when a field that has to wait
 * may be tried again; 0: none. */
static next_field find_next(const omen_db *db, const omen_db_version *current, uint64_t *retry) {
    next_field best = {0};
    uint64_t least = UINT64_MAX, now = now_ns(db);
    *retry = 0;
    for (uint32_t c = 0; c < current->count; c++) {
        const omen_coll_version *v = current->colls[c];
        for (uint32_t p = 0; p < v->part_count; p++) {
            const omen_part_state *state = &v->parts[p];
            uint64_t number = omen_segment_info_of(state->part->segment)->number;
            for (uint32_t f = 0; f < v->coll->schema.schema.vector_count; f++) {
                uint64_t after = atomic_load(&state->part->indexing[f].after_ns);
                omen_index_choice choice;
                if (after > now) *retry = *retry == 0 ? after : OMEN_MIN(*retry, after);
                if (number >= least || !wants(db, current, v, state, f, &choice)) continue;
                best = (next_field){v, state, f, choice};
                least = number;
            }
        }
    }
    return best;
}

static omen_status begin_field(omen_db *db, const next_field *n, omen_indexing **out, omen_error *err) {
    uint64_t number;
    if (!number_of(n->state->part, n->field, omen_part_index(n->state, n->field), &number)) {
        atomic_store(&n->state->part->indexing[n->field].after_ns, UINT64_MAX);
        return omen_fail(err, OMEN_ERR_LIMIT, "an index of one segment was built %u times since the database was opened; open it anew, or compact it", TURNS - 1);
    }
    omen_indexing *x = *out = omen_alloc_zero(&db->mem, sizeof *x);
    if (x == NULL) {
        put_off(db, n->state->part, n->field);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory building an index");
    }
    *x = (omen_indexing){.coll_id = n->v->coll->id, .field = n->field, .part = omen_part_ref(n->state->part), .choice = n->choice, .number = number, .begun_ns = now_ns(db)};
    omen_part_vectors_init(&x->reader, x->part, n->field);
    return OMEN_OK;
}

static omen_status begin(omen_db *db, omen_error *err) {
    atomic_store(&db->index_due, false); /* first: what comes up while we look is not lost */
    omen_db_version *current = omen_version_current(db);
    omen_indexing *x = NULL;
    omen_error why = {0};
    uint64_t retry;
    next_field next = find_next(db, current, &retry);
    omen_status later = next.state == NULL ? OMEN_OK : omen_later(err);
    if (later != OMEN_OK) {
        omen_version_drop(db, current);
        atomic_store(&db->index_due, true);
        return later;
    }
    omen_status s = next.state == NULL ? OMEN_OK : begin_field(db, &next, &x, &why);
    omen_version_drop(db, current);
    atomic_store(&db->index_retry_ns, retry);
    omen_lock_take(&db->maintain_lock);
    db->indexing = x;
    if (next.state != NULL) atomic_store(&db->index_due, true);
    if (s != OMEN_OK) note(db, s, &why);
    omen_lock_drop(&db->maintain_lock);
    return OMEN_OK;
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

static omen_status step(omen_db *db, bool *more, omen_error *err) {
    *more = true;
    if (db->indexing == NULL) {
        omen_status s = begin(db, err);
        *more = atomic_load(&db->index_due);
        return s;
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
    omen_error why = {0};
    omen_status s = work(db, x, &why);
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    /* This one waits; the others go on. */
    put_off(db, x->part, x->field);
    omen_lock_take(&db->maintain_lock);
    note(db, s, &why);
    omen_lock_drop(&db->maintain_lock);
    end(db);
    atomic_store(&db->index_due, true);
    return OMEN_OK;
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
        *progress = OMEN_MIN(999u, x->built ? 999u : x->build == NULL ? 0 : omen_index_build_progress(x->build)); /* done when searches can use it */
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
    bool none = x->choice.options.kind == OMEN_INDEX_FLAT || x->alone;
    OMEN_TRY(omen_job_index(db, s, v, x->part, x->field, none ? NULL : &x->info, err));
    x->handed = !x->alone; /* the old one goes, then the new one comes */
    x->alone = false;
    return OMEN_OK;
}
