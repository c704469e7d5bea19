/* maintain.c - background work: one queue of jobs, each a step machine, in an order that depends on the database's content alone:
 * the oldest frozen generation is flushed; else the first collection that asks for it is merged; else dropped collections are forgotten;
 * else files nobody needs are removed; else an index that has been built meanwhile is installed. So the same writes give the same segments however the steps are scheduled.
 */
#include "db/indexing.h"

/* ---- what is to be done ---- */

/* Size class of a part: 4 MiB and less, 16, 64, ... */
static uint32_t tier_of(const omen_part_state *p) {
    uint64_t length = omen_segment_info_of(p->part->segment)->length;
    uint32_t tier = 0;
    for (length >>= 22; length != 0; length >>= 2) tier++;
    return tier;
}

static uint64_t length_of(const omen_coll_version *v, uint32_t from, uint32_t to) {
    uint64_t sum = 0;
    for (uint32_t i = from; i < to; i++) sum += omen_segment_info_of(v->parts[i].part->segment)->length;
    return sum;
}

/* Size-tiered merging: when the newest four parts, or more, are of one size class or below it, they become one (compare O'Neil et al. 1996).
 * A part with more dead than live rows is rewritten by itself. Parts above MERGE_MAX_BYTES stay as they are, and what is together above `most` is not merged. */
static bool pick_merge(const omen_coll_version *v, bool force, uint64_t most, uint32_t *from, uint32_t *to) {
    if (force) {
        *from = 0;
        *to = v->part_count;
        if (v->part_count > 1) return true;
        if (v->part_count == 0 || (v->parts[0].dead != NULL && v->parts[0].dead->ones != 0)) return v->part_count != 0;
        return v->coll->schema.text != NULL && omen_part_text_stale(v->parts[0].part, v->coll->schema.text);
    }
    /* Where few fit into one merge, two are better than none. */
    uint32_t run = most == UINT64_MAX ? OMEN_MERGE_RUN : 2;
    if (v->part_count >= run) {
        uint32_t tier = 0, first = v->part_count;
        for (uint32_t i = 0; i < run; i++) tier = OMEN_MAX(tier, tier_of(&v->parts[v->part_count - 1 - i]));
        while (first != 0 && tier_of(&v->parts[first - 1]) <= tier && length_of(v, first - 1, first) < OMEN_MERGE_MAX_BYTES && length_of(v, first - 1, v->part_count) <= most) first--;
        if (v->part_count - first >= run) {
            *from = first;
            *to = v->part_count;
            return true;
        }
    }
    for (uint32_t i = 0; i < v->part_count; i++) {
        if (v->parts[i].dead == NULL || v->parts[i].dead->ones <= v->parts[i].part->rows / 2 || length_of(v, i, i + 1) > most) continue;
        *from = i;
        *to = i + 1;
        return true;
    }
    return false;
}

#define MOST_PASSED 4u

/* The maintenance lock is held. */
static omen_status pick_job(omen_db *db, uint32_t what, omen_error *err) {
    omen_snapshot s;
    omen_snapshot_take(db, &s);
    omen_lock_take(&db->version_lock);
    bool frozen = db->frozen_count != 0, orphans = db->orphans.len != 0, garbage = db->garbage.len != 0;
    omen_lock_drop(&db->version_lock);
    uint32_t from, to, coll = UINT32_MAX;
    for (uint32_t c = 0; !frozen && c < s.version->count && coll == UINT32_MAX; c++)
        if (pick_merge(s.version->colls[c], (what & OMEN_DO_MERGE_ALL) != 0, db->merge_bytes, &from, &to)) coll = c;
    /* Searches wait for an index that is built longer than a merge takes, but not for ever. */
    omen_indexing *built = db->indexing != NULL && db->indexing->built && !db->indexing->handed ? db->indexing : NULL;
    bool work = frozen || coll != UINT32_MAX || orphans || garbage || built != NULL;
    omen_status st = work ? omen_later(err) : OMEN_OK;
    if (!work || st != OMEN_OK) {
        omen_snapshot_release(&s);
        return st;
    }
    if (built != NULL && built->passed++ >= MOST_PASSED) {
        built->passed = 0;
        st = omen_indexing_hand_over(db, &s, err);
    }
    if (st != OMEN_OK || db->job != NULL) {
        omen_snapshot_release(&s);
        return st;
    }
    if (frozen) st = omen_job_flush(db, &s, err);
    else if (coll != UINT32_MAX) st = omen_job_merge(db, &s, s.version->colls[coll], from, to, err);
    else if (orphans) st = omen_job_forget(db, &s, err);
    else if (garbage) st = omen_job_collect(db, err);
    else st = omen_indexing_hand_over(db, &s, err);
    omen_snapshot_release(&s);
    return st;
}

uint32_t omen_frozen_count(omen_db *db) {
    omen_lock_take(&db->version_lock);
    uint32_t n = db->frozen_count;
    omen_lock_drop(&db->version_lock);
    return n;
}

bool omen_maintain_due(omen_db *db) {
    omen_lock_take(&db->version_lock);
    bool due = db->frozen_count != 0 || db->orphans.len != 0 || db->garbage.len != 0;
    omen_lock_drop(&db->version_lock);
    return due || (!db->options.read_only && omen_indexing_due(db)) || db->job != NULL || omen_sync_due(db);
}

/* ---- the steps ---- */

/* A merge for which there was no memory is left; from now on smaller ones are made. (What somebody asked for fails with the reason.) */
static bool merge_less(omen_db *db, uint32_t what, omen_status s) {
    const omen_job *job = db->job;
    if ((s != OMEN_ERR_MEMORY && s != OMEN_ERR_LIMIT) || job->kind != OMEN_JOB_MERGE || (what & OMEN_DO_MERGE_ALL) != 0) return false;
    db->merge_bytes = length_of(job->colls[0].v, job->colls[0].from, job->colls[0].to) / 2;
    static const char line[] = "segments were not merged for want of memory; smaller ones will be (memory_bytes, pool_bytes)";
    if (db->host->log != NULL) db->host->log(db->host->ctx, OMEN_LOG_WARN, line, sizeof line - 1);
    return true;
}

/* *more: a step was made. */
static omen_status maintain_locked(omen_db *db, uint32_t what, bool *more, omen_error *err) {
    *more = false;
    if (db->options.read_only) return OMEN_OK;
    OMEN_TRY(omen_poisoned(db, err));
    if (db->job == NULL) OMEN_TRY(pick_job(db, what, err));
    if (db->job == NULL) return OMEN_OK;
    bool done = false;
    omen_status s = omen_job_step(db->job, &done, err);
    if (s == OMEN_PENDING) return s;
    if (s != OMEN_OK && db->job->kind == OMEN_JOB_INDEX && db->job->stage == OMEN_STAGE_OPEN) {
        /* An index that cannot be opened is one index less. */
        omen_indexing_refused(db, s, err);
        omen_job_abandon(db);
        *more = true;
        return OMEN_OK;
    }
    if (s != OMEN_OK && merge_less(db, what, s)) {
        omen_job_abandon(db);
        *more = true;
        return OMEN_OK;
    }
    if (s != OMEN_OK) {
        /* What has been written so far is not named by any manifest: nothing is lost, and the next open removes it. Memory and the pool's
         * budget may be there again later; anything else stops the writing. */
        omen_job_abandon(db);
        return s == OMEN_ERR_MEMORY || s == OMEN_ERR_LIMIT ? s : omen_poison(db, s, err);
    }
    if (done) omen_job_abandon(db);
    *more = true;
    return OMEN_OK;
}

omen_status omen_maintain_step(omen_db *db, uint32_t what, bool *more, omen_error *err) {
    omen_lock_take(&db->maintain_lock);
    omen_status s = maintain_locked(db, what, more, err);
    omen_lock_drop(&db->maintain_lock);
    if (s != OMEN_OK || *more || (what & OMEN_DO_INDEXES) == 0 || db->options.read_only) return s;
    return omen_indexing_step(db, more, err);
}

omen_status omen_maintain_rewrite(omen_db *db, uint32_t coll, const omen_part *part, bool *there, bool *begun, omen_error *err) {
    omen_snapshot s;
    omen_status st = OMEN_OK;
    *there = *begun = false;
    omen_lock_take(&db->maintain_lock);
    omen_snapshot_take(db, &s);
    omen_coll_version *v = omen_version_find(s.version, coll);
    for (uint32_t i = 0; v != NULL && i < v->part_count; i++) {
        if (v->parts[i].part != part) continue;
        *there = true;
        *begun = db->job == NULL;
        if (*begun) st = omen_poisoned(db, err);
        if (*begun && st == OMEN_OK) st = omen_job_merge(db, &s, v, i, i + 1, err);
        break;
    }
    omen_snapshot_release(&s);
    omen_lock_drop(&db->maintain_lock);
    return st;
}

static bool flushed(omen_db *db, uint64_t generation) {
    omen_lock_take(&db->version_lock);
    bool done = db->frozen_count == 0 || db->frozen[0].generation >= generation;
    omen_lock_drop(&db->version_lock);
    return done;
}

omen_status omen_flush_step(omen_db *db, uint64_t generation, omen_error *err) {
    while (!flushed(db, generation)) {
        bool more;
        OMEN_TRY(omen_maintain_step(db, 0, &more, err));
    }
    return OMEN_OK;
}

bool omen_unsynced(omen_db *db) {
    return db->options.durability >= OMEN_DURABILITY_GROUP && !db->options.read_only && !atomic_load(&db->poisoned) && atomic_load(&db->unsynced_since_ns) != 0;
}

/* Group commits that nobody waits for are synced after 5 ms or 1 MiB. */
bool omen_sync_due(omen_db *db) {
    uint64_t since = atomic_load(&db->unsynced_since_ns);
    if (!omen_unsynced(db) || since == 0) return false;
    if (db->host->ticks_ns(db->host->ctx) - since >= OMEN_GROUP_NS) return true;
    omen_lock_take(&db->write_lock);
    bool due = omen_log_unsynced(db->log) >= OMEN_GROUP_BYTES;
    omen_lock_drop(&db->write_lock);
    return due;
}
