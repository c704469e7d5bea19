/* snapshot.c - taking snapshots, changing the current version, and finding records in a snapshot. */
#include "db/db.h"
#include "db/rows.h"

void omen_snapshot_take(omen_db *db, omen_snapshot *out) {
    omen_lock_take(&db->version_lock);
    *out = (omen_snapshot){db, omen_version_ref(db->current), db->visible_lsn};
    omen_lock_drop(&db->version_lock);
    omen_gauge_add(&db->metrics.snapshots, 1);
}

void omen_snapshot_share(const omen_snapshot *s, omen_snapshot *out) {
    *out = (omen_snapshot){s->db, omen_version_ref(s->version), s->lsn};
    omen_gauge_add(&s->db->metrics.snapshots, 1);
}

omen_db_version *omen_version_current(omen_db *db) {
    omen_lock_take(&db->version_lock);
    omen_db_version *v = omen_version_ref(db->current);
    omen_lock_drop(&db->version_lock);
    return v;
}

void omen_snapshot_release(omen_snapshot *s) {
    if (s->version == NULL) return;
    omen_gauge_add(&s->db->metrics.snapshots, -1);
    omen_version_drop(s->db, s->version);
    *s = (omen_snapshot){0};
}

/* A file that cannot be remembered for lack of memory is removed by the next open. */
static void remember_garbage(void *arg, uint64_t number) {
    omen_db *db = arg;
    omen_lock_take(&db->version_lock);
    (void)omen_buf_append_u64(&db->garbage, number);
    omen_lock_drop(&db->version_lock);
}

void omen_version_drop(omen_db *db, omen_db_version *v) { omen_version_unref(v, &(omen_gone){remember_garbage, db}); }

omen_status omen_version_update(omen_db *db, omen_db_version *(*build)(void *arg, const omen_db_version *current), void *arg, omen_error *err) {
    omen_lock_take(&db->version_lock);
    omen_db_version *old = db->current, *next = build(arg, old);
    if (next != NULL) {
        next->limbo = omen_limbo_ref(db->limbo);
        db->current = next;
    }
    omen_lock_drop(&db->version_lock);
    if (next == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    omen_version_drop(db, old);
    return OMEN_OK;
}

/* The same once more, for readers of what comes. */
static omen_db_version *again(void *arg, const omen_db_version *current) {
    (void)arg;
    omen_coll_version *first = current->count == 0 ? NULL : omen_coll_version_copy(current->colls[0]);
    return first == NULL ? NULL : omen_version_with(current, first->coll->id, first);
}

void omen_make_room(omen_db *db, uint64_t bytes) {
    omen_resident *r = &db->store.resident;
    const omen_block *blocks = NULL;
    if (r->limit == 0 || atomic_load(&r->used) + bytes <= r->limit) return;
    omen_limbo *next = omen_limbo_new(&db->mem);
    if (next == NULL) return; /* blocks stay where they are */
    omen_db_version *v = omen_version_current(db);
    for (uint32_t c = 0; c < v->count; c++)
        for (uint32_t p = 0; p < v->colls[c]->part_count && atomic_load(&r->used) + bytes > r->limit; p++) {
            const omen_part_state *state = &v->colls[c]->parts[p];
            blocks = omen_segment_yield(state->part->segment, blocks);
            for (uint32_t f = 0; state->indexes != NULL && f < state->indexes->count; f++)
                if (state->indexes->of[f] != NULL) blocks = omen_segment_yield(omen_index_segment(state->indexes->of[f]), blocks);
        }
    omen_lock_take(&db->version_lock);
    omen_limbo *now = db->limbo;
    now->blocks = blocks;
    now->next = omen_limbo_ref(next);
    db->limbo = next;
    omen_lock_drop(&db->version_lock);
    omen_limbo_unref(now);
    omen_version_drop(db, v);
    omen_error ignored;
    (void)omen_version_update(db, again, NULL, &ignored); /* else they go with the next version */
}

omen_status omen_snapshot_find_part(const omen_coll_version *v, omen_key key, uint64_t hash, const omen_part_state **part, uint32_t *row,
                                    omen_error *err) {
    *part = NULL;
    for (uint32_t i = v->part_count; i-- != 0;) {
        uint32_t r;
        OMEN_TRY(omen_part_find(v->parts[i].part, key, hash, &r, err));
        if (r == UINT32_MAX || omen_bits_test(v->parts[i].dead, r)) continue;
        *part = &v->parts[i];
        *row = r;
        return OMEN_OK;
    }
    return OMEN_OK;
}

static const omen_entry *find_entry(const omen_snapshot *s, const omen_coll_version *v, omen_key key, uint64_t hash, uint32_t *table) {
    for (uint32_t i = *table = v->table_count; i-- != 0;) {
        const omen_entry *e = omen_memtable_find(v->tables[i].table, key, hash, s->lsn);
        if (e == NULL) continue;
        *table = i;
        return e;
    }
    return NULL;
}

static void take_entry(const omen_entry *e, uint32_t table, omen_place *out) {
    if (e->row == OMEN_NO_ROW) return;
    out->entry = e;
    out->row = table;
}

omen_status omen_snapshot_find(const omen_snapshot *s, const omen_coll_version *v, omen_key key, uint64_t hash, omen_place *out, omen_error *err) {
    uint32_t table;
    const omen_entry *e = find_entry(s, v, key, hash, &table);
    *out = (omen_place){0};
    if (e == NULL) return omen_snapshot_find_part(v, key, hash, &out->part, &out->row, err);
    take_entry(e, table, out);
    return OMEN_OK;
}

/* Looks in the parts, newest first, for the ids from `at` on. What one part cannot tell without reading stays unknown: an older one must not answer instead. */
static void look_ahead(const omen_coll_version *v, const omen_rows *rows, uint32_t at, bool likely, omen_ahead *ahead) {
    omen_key keys[OMEN_AHEAD];
    uint64_t hashes[OMEN_AHEAD];
    uint32_t which[OMEN_AHEAD], found[OMEN_AHEAD], left = OMEN_MIN(rows->count - at, OMEN_AHEAD);
    ahead->from = at;
    ahead->count = left;
    for (uint32_t i = 0; i < left; i++) {
        keys[i] = omen_rows_key(rows, at + i);
        hashes[i] = rows->hashes[at + i];
        which[i] = i;
        ahead->rows[i] = UINT32_MAX;
    }
    for (uint32_t p = v->part_count; p-- != 0 && left != 0;) {
        uint32_t n = left;
        omen_part_find_many(v->parts[p].part, keys, hashes, n, likely && p == 0, found);
        left = 0;
        for (uint32_t i = 0; i < n; i++) {
            if (found[i] == UINT32_MAX || (found[i] != OMEN_PART_UNKNOWN && omen_bits_test(v->parts[p].dead, found[i]))) {
                keys[left] = keys[i];
                hashes[left] = hashes[i];
                which[left++] = which[i];
            } else {
                ahead->rows[which[i]] = found[i];
                ahead->parts[which[i]] = p;
            }
        }
    }
}

omen_status omen_snapshot_find_next(const omen_snapshot *s, const omen_coll_version *v, const omen_rows *rows, uint32_t at, bool likely, omen_ahead *ahead,
                                    omen_place *out, omen_error *err) {
    omen_key key = omen_rows_key(rows, at);
    uint32_t table;
    const omen_entry *e = find_entry(s, v, key, rows->hashes[at], &table);
    *out = (omen_place){0};
    if (e != NULL) {
        take_entry(e, table, out);
        return OMEN_OK;
    }
    if (at - ahead->from >= ahead->count) look_ahead(v, rows, at, likely, ahead);
    uint32_t i = at - ahead->from;
    if (ahead->rows[i] == OMEN_PART_UNKNOWN) return omen_snapshot_find_part(v, key, rows->hashes[at], &out->part, &out->row, err);
    if (ahead->rows[i] == UINT32_MAX) return OMEN_OK;
    out->part = &v->parts[ahead->parts[i]];
    out->row = ahead->rows[i];
    return OMEN_OK;
}

bool omen_snapshot_replaced(const omen_snapshot *s, const omen_coll_version *v, uint32_t newer_than, omen_key key, uint64_t hash) {
    for (uint32_t i = newer_than == UINT32_MAX ? 0 : newer_than + 1; i < v->table_count; i++)
        if (omen_memtable_find(v->tables[i].table, key, hash, s->lsn) != NULL) return true;
    return false;
}
