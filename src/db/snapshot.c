/* snapshot.c - taking snapshots, changing the current version, and finding records in a snapshot. */
#include "db/db.h"

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
    if (next != NULL) db->current = next;
    omen_lock_drop(&db->version_lock);
    if (next == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    omen_version_drop(db, old);
    return OMEN_OK;
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
