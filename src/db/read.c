/* read.c - the life of a read, and the short reads: get, count, check. */
#include "db/read.h"

#include "db/search.h"

omen_status omen_read_op_new(omen_db *db, omen_coll *coll, omen_read_kind kind, uint32_t include, omen_read_op **out, omen_error *err) {
    return omen_read_op_at(db, coll, kind, include, NULL, out, err);
}

omen_status omen_read_op_at(omen_db *db, omen_coll *coll, omen_read_kind kind, uint32_t include, const omen_snapshot *seen, omen_read_op **out, omen_error *err) {
    omen_read_op *op = omen_alloc_zero(&db->mem, sizeof *op);
    if (op == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a read");
    op->db = db;
    op->kind = kind;
    op->include = include;
    op->begun_ns = db->host->ticks_ns(db->host->ctx);
    omen_arena_init(&op->arena, &db->mem, 4096);
    if (seen == NULL) omen_snapshot_take(db, &op->snapshot);
    else omen_snapshot_share(seen, &op->snapshot);
    omen_status s = OMEN_OK;
    if (coll != NULL) {
        op->coll = omen_coll_ref(coll);
        op->v = omen_version_find(op->snapshot.version, coll->id);
        if (op->v == NULL)
            s = omen_fail(err, OMEN_ERR_CLOSED, "collection \"%.*s\" was dropped; open it again to create it anew", (int)coll->name.len, coll->name.data);
    }
    if (s == OMEN_OK && (include & ~(OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR)) != 0)
        s = omen_fail(err, OMEN_ERR_INVALID, "include has unknown bits; use OMEN_INCLUDE_DOCUMENT and OMEN_INCLUDE_VECTOR");
    if (s == OMEN_OK && kind <= OMEN_READ_SCROLL) {
        op->results = omen_fetch_results(db, &coll->schema, include, UINT32_MAX);
        if (op->results == NULL) s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a read");
    }
    if (s != OMEN_OK) {
        omen_read_op_free(op);
        return s;
    }
    *out = op;
    return OMEN_OK;
}

void omen_read_op_free(omen_read_op *op) {
    if (op == NULL) return;
    omen_db *db = op->db;
    omen_search_free(op);
    omen_select_free(op->select);
    omen_scroll_free(op);
    if (op->check != NULL) omen_part_check_free(op->snapshot.version->colls[op->check_coll]->parts[op->check_part].part, op->check);
    if (op->index_check != NULL) omen_index_check_free(omen_part_index(&op->snapshot.version->colls[op->check_coll]->parts[op->check_part], op->check_field), op->index_check);
    omen_results_free(op->results);
    omen_snapshot_release(&op->snapshot);
    omen_coll_unref(op->coll);
    omen_arena_deinit(&op->arena);
    omen_free(&db->mem, op, sizeof *op);
}

omen_results *omen_read_op_take(omen_read_op *op) {
    omen_results *r = op->results;
    op->results = NULL;
    return r;
}

omen_status omen_read_op_filter(omen_read_op *op, omen_str filter, omen_error *err) {
    if (filter.len == 0 && op->coll->schema.schema.ttl.len == 0) return OMEN_OK;
    return omen_select_new(&op->db->mem, &op->snapshot, op->v, filter, true, &op->select, err);
}

omen_status omen_read_op_filter_json(omen_read_op *op, const omen_json_val *filter, omen_error *err) {
    omen_str text;
    omen_buf printed;
    if (filter == NULL || omen_json_is_null(filter)) return omen_read_op_filter(op, OMEN_STR(""), err);
    if (omen_json_str(filter, &text)) return omen_read_op_filter(op, text.len == 0 ? OMEN_STR(" ") : text, err);
    if (!omen_json_is_object(filter)) return omen_fail(err, OMEN_ERR_INVALID, "filter must be an object, or a string");
    omen_buf_init(&printed, &op->db->mem);
    omen_status s = omen_json_print(filter, &printed);
    s = s == OMEN_OK ? omen_read_op_filter(op, (omen_str){(const char *)printed.data, printed.len}, err) : omen_fail(err, s, "out of memory in a read");
    omen_buf_deinit(&printed);
    return s;
}

omen_status omen_read_op_get(omen_read_op *op, omen_error *err) {
    OMEN_TRY(omen_read_op_filter(op, OMEN_STR(""), err));
    return omen_rows_check_ids(&op->ids, &op->db->mem, &op->arena, true, err);
}

omen_status omen_read_op_step(omen_read_op *op, omen_error *err) {
    if (op->select != NULL && !op->selected) {
        OMEN_TRY(omen_select_step(op->select, err));
        op->selected = true;
    }
    static omen_status (*const steps[])(omen_read_op *, omen_error *) = {[OMEN_READ_GET] = omen_get_step,       [OMEN_READ_SCROLL] = omen_scroll_step,
                                                                        [OMEN_READ_SEARCH] = omen_search_step, [OMEN_READ_COUNT] = omen_count_step,
                                                                        [OMEN_READ_CHECK] = omen_check_step};
    omen_status s = steps[op->kind](op, err);
    if (s == OMEN_PENDING || op->kind == OMEN_READ_CHECK) return s;
    omen_engine_metrics *m = &op->db->metrics;
    if (s == OMEN_OK) {
        omen_counter_add(&m->queries[op->kind], 1);
        omen_hist_record(&m->query_duration[op->kind], op->db->host->ticks_ns(op->db->host->ctx) - op->begun_ns);
    }
    return s;
}

/* A record whose time to live is over is not there. */
static omen_status leave_out(omen_read_op *op, omen_error *err) {
    bool match = true;
    if (op->select == NULL) return OMEN_OK;
    if (op->place.entry != NULL) OMEN_TRY(omen_select_entry(op->select, op->place.entry, &match, err));
    else if (op->place.part != NULL) OMEN_TRY(omen_select_row(op->select, (uint32_t)(op->place.part - op->v->parts), op->place.row, &match, err));
    if (!match) op->place = (omen_place){0};
    return OMEN_OK;
}

omen_status omen_get_step(omen_read_op *op, omen_error *err) {
    for (; op->at < op->ids.count; op->at++, op->placed = false) {
        omen_key key = omen_rows_key(&op->ids, op->at);
        if (!op->placed) {
            OMEN_TRY(omen_snapshot_find_next(&op->snapshot, op->v, &op->ids, op->at, true, &op->ahead, &op->place, err));
            OMEN_TRY(leave_out(op, err));
            op->placed = true;
            memset(&op->fetch, 0, sizeof op->fetch);
            if (omen_results_add_key(op->results, key, op->place.entry != NULL || op->place.part != NULL) != OMEN_OK)
                return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a get");
        }
        OMEN_TRY(omen_fetch_step(&op->fetch, op->v, &op->place, op->include, 0, op->results, err));
    }
    return OMEN_OK;
}

/* Parts know how many rows are live; then every id of the tables, looked at where it is newest, adds itself if it is a record and takes away the
 * older one it replaces in a part. */
omen_status omen_count_step(omen_read_op *op, omen_error *err) {
    const omen_coll_version *v = op->v;
    if (op->select != NULL) {
        OMEN_TRY(omen_select_settle(op->select, err));
        op->count = omen_select_count(op->select);
        return OMEN_OK;
    }
    if (!op->placed) {
        for (uint32_t p = 0; p < v->part_count; p++) op->count += v->parts[p].part->rows - (v->parts[p].dead == NULL ? 0 : v->parts[p].dead->ones);
        op->placed = true;
    }
    for (; op->table < v->table_count; op->table++, op->entry = 0) {
        const omen_memtable *t = v->tables[op->table].table;
        for (uint32_t n = omen_memtable_entries(t); op->entry < n; op->entry++) {
            const omen_entry *e = omen_memtable_entry(t, op->entry);
            const omen_part_state *part = NULL;
            uint32_t row;
            if (e->lsn > op->snapshot.lsn) break;
            if (!omen_entry_current(e, op->snapshot.lsn) || omen_snapshot_replaced(&op->snapshot, v, op->table, omen_entry_key(e), e->hash)) continue;
            OMEN_TRY(omen_snapshot_find_part(v, omen_entry_key(e), e->hash, &part, &row, err));
            op->count += (e->row != OMEN_NO_ROW) - (uint64_t)(part != NULL);
        }
    }
    return OMEN_OK;
}

/* Indexes that the manifest names and that the open had to leave out. Nothing is lost with them; but what was written is not what is there. */
static omen_status check_lost(omen_read_op *op, omen_error *err) {
    omen_db *db = op->db;
    const omen_db_version *version = op->snapshot.version;
    omen_lock_take(&db->maintain_lock);
    bool named = omen_manifest_generation(db->manifest) == db->lost_generation;
    omen_lock_drop(&db->maintain_lock);
    for (size_t at = 0; named && at < db->lost.len; at += sizeof(omen_lost_index)) {
        omen_lost_index lost;
        memcpy(&lost, db->lost.data + at, sizeof lost);
        for (uint32_t c = 0; c < version->count; c++)
            for (uint32_t p = 0; p < version->colls[c]->part_count; p++) {
                if (omen_segment_info_of(version->colls[c]->parts[p].part->segment)->number != lost.part) continue;
                return omen_fail(err, lost.why.status == OMEN_ERR_IO ? OMEN_ERR_IO : OMEN_ERR_CORRUPT,
                                 "%.250s: this is an index; no record is lost, it is built again from the vectors by maintenance (`omendb index`)", lost.why.text);
            }
    }
    return OMEN_OK;
}

omen_status omen_check_step(omen_read_op *op, omen_error *err) {
    const omen_db_version *version = op->snapshot.version;
    for (; op->check_coll < version->count; op->check_coll++, op->check_part = 0) {
        const omen_coll_version *v = version->colls[op->check_coll];
        for (; op->check_part < v->part_count; op->check_part++) {
            omen_part *p = v->parts[op->check_part].part;
            if (!op->part_checked) {
                OMEN_TRY(omen_part_verify(p, &op->check, err));
                omen_part_check_free(p, op->check);
                op->check = NULL;
                op->part_checked = true;
            }
            for (; op->check_field < p->field_count; op->check_field++) {
                omen_index *x = omen_part_index(&v->parts[op->check_part], op->check_field);
                if (x != NULL) OMEN_TRY(omen_index_verify(x, &op->index_check, err));
            }
            op->check_field = 0;
            op->part_checked = false;
        }
    }
    return check_lost(op, err);
}
