/* files.c - listing the place, and telling what nobody needs (files.h). */
#include "db/files.h"

#include "db/indexing.h"

static void note(void *arg, const char *name) {
    omen_files *l = arg;
    uint64_t n;
    omen_file_name f = {{0}};
    bool ours = omen_log_file_parse(name, &n) || omen_segment_file_parse(name, &n) || strcmp(name, "manifest-0") == 0 || strcmp(name, "manifest-1") == 0;
    if (!ours) {
        if (strcmp(name, OMEN_UNFINISHED) == 0) l->unfinished = true;
        else l->foreign = true;
        return;
    }
    memcpy(f.text, name, strlen(name) + 1);
    if (omen_buf_append(&l->names, &f, sizeof f) != OMEN_OK) l->failed = true;
}

omen_status omen_files_list(omen_files *f, omen_db *db, omen_error *err) {
    omen_storage *st = &db->store.storage;
    OMEN_TRY(omen_store_check(st->ops->list(st->ctx, note, f), "list", "the database's files", err));
    return f->failed ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory") : OMEN_OK;
}

uint64_t omen_files_next_number(const omen_files *f) {
    uint64_t n, next = 0;
    for (uint32_t i = 0; i < omen_files_count(f); i++)
        if (omen_segment_file_parse(omen_files_at(f, i), &n) && n < UINT64_C(1) << 40) next = OMEN_MAX(next, n + 1); /* indexes have numbers of their own, above */
    return next;
}

/* ---- what is needed ---- */

static bool is_of(const omen_part *part, const omen_index_set *indexes, uint64_t number) {
    if (omen_segment_info_of(part->segment)->number == number) return true;
    for (uint32_t f = 0; indexes != NULL && f < indexes->count; f++)
        if (indexes->of[f] != NULL && omen_index_info(indexes->of[f])->number == number) return true;
    for (uint32_t f = 0; f < part->field_count; f++)
        if (part->indexing[f].left_out == number) return true; /* the manifest names it still */
    return false;
}

static bool named(const omen_db_version *v, uint64_t number) {
    for (uint32_t c = 0; c < v->count; c++)
        for (uint32_t p = 0; p < v->colls[c]->part_count; p++)
            if (is_of(v->colls[c]->parts[p].part, v->colls[c]->parts[p].indexes, number)) return true;
    return false;
}

/* A part of a collection that was dropped, but not before the manifest was written: the manifest names it until the next one. */
static bool orphan(const omen_db *db, uint64_t number) {
    for (size_t at = 0; at < db->orphans.len; at += sizeof(omen_orphan)) {
        omen_orphan o;
        memcpy(&o, db->orphans.data + at, sizeof o);
        if (is_of(o.part, o.indexes, number)) return true;
    }
    return false;
}

bool omen_file_needed(omen_db *db, uint64_t number) {
    omen_db_version *v = omen_version_current(db);
    omen_lock_take(&db->version_lock);
    bool needed = named(v, number) || orphan(db, number);
    omen_lock_drop(&db->version_lock);
    omen_version_drop(db, v);
    return needed || (db->indexing != NULL && db->indexing->number == number);
}

omen_status omen_files_clean(omen_files *f, omen_db *db, omen_error *err) {
    omen_storage *st = &db->store.storage;
    for (; f->clean < omen_files_count(f); f->clean++) {
        const char *name = omen_files_at(f, f->clean);
        uint64_t n;
        bool stale = (omen_log_file_parse(name, &n) && n < db->log_first_epoch) || (omen_segment_file_parse(name, &n) && !named(db->current, n) && !orphan(db, n));
        if (stale) OMEN_TRY(omen_store_check(st->ops->remove(st->ctx, name), "remove", name, err));
    }
    return OMEN_OK;
}
