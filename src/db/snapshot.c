/* snapshot.c - taking snapshots, changing the current version, and finding records in a snapshot. */
#include "db/db.h"
#include "db/rows.h"

void omen_snapshot_take(omen_db *db, omen_snapshot *out) {
    omen_lock_take(&db->version_lock);
    *out = (omen_snapshot){db, omen_version_ref(db->current), db->visible_lsn};
    omen_lock_drop(&db->version_lock);
    omen_gauge_add(&db->metrics.snapshots, 1);
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

void omen_snapshot_expect(const omen_coll_version *v, const omen_rows *rows, uint32_t at) {
    omen_key keys[OMEN_PART_EXPECT];
    uint32_t n = OMEN_MIN(rows->count - at, OMEN_PART_EXPECT);
    if (at % OMEN_PART_EXPECT != 0 || n < 2) return;
    for (uint32_t i = 0; i < n; i++) keys[i] = omen_rows_key(rows, at + i);
    for (uint32_t p = v->part_count; p-- != 0;) omen_part_expect_ids(v->parts[p].part, keys, rows->hashes + at, n);
}

omen_status omen_snapshot_find(const omen_snapshot *s, const omen_coll_version *v, omen_key key, uint64_t hash, omen_place *out, omen_error *err) {
    *out = (omen_place){0};
    for (uint32_t i = v->table_count; i-- != 0;) {
        const omen_entry *e = omen_memtable_find(v->tables[i].table, key, hash, s->lsn);
        if (e == NULL) continue;
        if (e->row != OMEN_NO_ROW) {
            out->entry = e;
            out->row = i;
        }
        return OMEN_OK;
    }
    return omen_snapshot_find_part(v, key, hash, &out->part, &out->row, err);
}

bool omen_snapshot_replaced(const omen_snapshot *s, const omen_coll_version *v, uint32_t newer_than, omen_key key, uint64_t hash) {
    for (uint32_t i = newer_than == UINT32_MAX ? 0 : newer_than + 1; i < v->table_count; i++)
        if (omen_memtable_find(v->tables[i].table, key, hash, s->lsn) != NULL) return true;
    return false;
}
