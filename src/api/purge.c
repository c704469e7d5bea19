/* purge.c - omen_purge, blocking. */
#include "api/api.h"
#include "db/purge.h"

omen_status omen_purge(omen_collection *c, const omen_id *ids, size_t count, omen_purge_report *report) {
    omen_error err = {0};
    omen_purge_op *p = NULL;
    omen_arena arena;
    omen_rows rows;
    bool done = false;
    if (c == NULL) return omen_told(OMEN_ERR_INVALID, NULL);
    omen_db *db = c->db;
    omen_arena_init(&arena, &db->mem, 4096);
    omen_status s = omen_rows_from_ids(&rows, &arena, ids, count, &err);
    if (s == OMEN_OK) s = omen_purge_op_new(db, c->coll, &rows, &p, &err);
    omen_arena_deinit(&arena);
    while (s == OMEN_OK && !done) {
        s = omen_purge_op_step(p, 0, &done, &err);
        if (s == OMEN_PENDING) s = omen_await(db->host, &err);
        else if (s == OMEN_OK && omen_purge_op_waits(p) && db->host == omen_platform_host()) omen_platform_nap();
    }
    if (s == OMEN_OK && report != NULL) {
        const omen_purge_outcome *o = omen_purge_op_outcome_of(p);
        *report = (omen_purge_report){.deleted = o->deleted, .segments_rewritten = o->rewritten, .files_scanned = o->files, .bytes_scanned = o->bytes, .rows_scanned = o->rows, .written_again = o->again, .not_searched = o->unsearched};
    }
    omen_purge_op_free(p);
    omen_count_failure(&db->metrics, s);
    return omen_told(s, &err);
}
