/* where.c - the rows of a write by filter: selected when its turn has come, so that nothing is written between the selection and the write. In order of id, so that the log
 * does not depend on how records lie in tables and segments. */
#include "base/sort.h"
#include "db/select.h"
#include "db/write.h"

struct omen_where {
    omen_select *select;
    bool selected;
    bool some; /* the first that one write may have will do */
    uint32_t source, row;
    omen_buf keys, offsets; /* ids back to back; u32, one more than ids */
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a write by filter; select fewer records"); }

omen_status omen_write_op_where(omen_write_op *op, omen_str filter, omen_str patch, omen_error *err) {
    omen_filter *compiled;
    op->where = omen_arena_alloc(&op->arena, sizeof *op->where, 8);
    if (op->where == NULL) return out_of_memory(err);
    *op->where = (struct omen_where){0};
    omen_buf_init(&op->where->keys, &op->db->mem);
    omen_buf_init(&op->where->offsets, &op->db->mem);
    const char *copy = omen_arena_copy(&op->arena, filter.data, filter.len), *patch_copy = omen_arena_copy(&op->arena, patch.data, patch.len);
    if (copy == NULL || patch_copy == NULL) return out_of_memory(err);
    op->filter = (omen_str){copy, filter.len};
    op->patch = (omen_str){patch_copy, patch.len};
    if (filter.len == 0) return omen_fail(err, OMEN_ERR_INVALID, "the filter is empty; {} selects every record");
    /* What is wrong with it is said now, and not when its turn has come. */
    OMEN_TRY(omen_filter_compile(&op->db->mem, filter, &compiled, err));
    omen_filter_free(&op->db->mem, compiled);
    return op->kind == OMEN_KIND_UPDATE ? omen_json_check(&op->db->mem, patch, true, err) : OMEN_OK;
}

omen_status omen_write_op_expire(omen_write_op *op, omen_error *err) {
    omen_str ttl = op->coll->schema.schema.ttl;
    omen_buf filter;
    omen_buf_init(&filter, &op->db->mem);
    omen_status s = ttl.len == 0 ? omen_buf_append_str(&filter, "FALSE") : omen_select_over(op->db->host, ttl, true, &filter);
    s = s == OMEN_OK ? omen_write_op_where(op, (omen_str){(const char *)filter.data, filter.len}, (omen_str){"", 0}, err) : out_of_memory(err);
    omen_buf_deinit(&filter);
    if (s == OMEN_OK) op->where->some = true;
    return s;
}

void omen_where_free(omen_write_op *op) {
    if (op->where == NULL) return;
    omen_select_free(op->where->select);
    omen_buf_deinit(&op->where->keys);
    omen_buf_deinit(&op->where->offsets);
}

static omen_status add(struct omen_where *w, omen_key key, omen_error *err) {
    if (w->keys.len + key.len > UINT32_MAX) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the ids that the filter selects exceed 4 GiB; select fewer records");
    if (w->offsets.len == 0 && omen_buf_append_u32(&w->offsets, 0) != OMEN_OK) return out_of_memory(err);
    if (omen_buf_append(&w->keys, key.data, key.len) != OMEN_OK || omen_buf_append_u32(&w->offsets, (uint32_t)w->keys.len) != OMEN_OK) return out_of_memory(err);
    return OMEN_OK;
}

/* The ids of everything selected. */
static omen_status gather(omen_write_op *op, const omen_coll_version *v, omen_error *err) {
    struct omen_where *w = op->where;
    for (; w->source < v->table_count + v->part_count; w->source++, w->row = 0) {
        const omen_bits *bits = w->source < v->table_count ? w->select->tables[w->source] : w->select->parts[w->source - v->table_count].may;
        for (; w->row < bits->count; w->row++) {
            uint8_t bytes[OMEN_KEY_MAX];
            omen_key key;
            if (!omen_bits_test(bits, w->row)) continue;
            if (w->source < v->table_count) key = omen_entry_key(omen_memtable_row_entry(v->tables[w->source].table, w->row));
            else OMEN_TRY(omen_part_key(v->parts[w->source - v->table_count].part, w->row, bytes, &key, err));
            OMEN_TRY(add(w, key, err));
        }
    }
    return OMEN_OK;
}

typedef struct listed { const uint8_t *bytes; const uint32_t *offsets; } listed;

static omen_key key_at(const listed *l, uint32_t i) { return (omen_key){l->bytes + l->offsets[i], l->offsets[i + 1] - l->offsets[i]}; }

static bool key_less(void *arg, const void *a, const void *b) {
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return omen_key_compare(key_at(arg, x), key_at(arg, y)) < 0;
}

/* The rows of the write: the first `count` of `all` ids in order, and of an update the patch for each. */
static omen_status fill(omen_write_op *op, uint32_t all, uint32_t count, omen_error *err) {
    listed l = {op->where->keys.data, (const uint32_t *)(const void *)op->where->offsets.data};
    omen_rows *r = &op->rows;
    uint32_t *order = omen_arena_alloc(&op->arena, (size_t)all * sizeof *order, 8), *offsets = omen_arena_alloc(&op->arena, (count + (size_t)1) * sizeof *offsets, 8);
    uint8_t *bytes = omen_arena_alloc(&op->arena, op->where->keys.len, 8);
    if (order == NULL || offsets == NULL || bytes == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i < all; i++) order[i] = i;
    omen_sort(order, all, sizeof *order, key_less, &l);
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        omen_key key = key_at(&l, order[i]);
        memcpy(bytes + offsets[i], key.data, key.len);
        offsets[i + 1] = offsets[i] + key.len;
    }
    *r = (omen_rows){.count = count, .key_offsets = offsets, .key_bytes = bytes};
    if (op->kind == OMEN_KIND_DELETE) return omen_rows_check_ids(r, &op->db->mem, &op->arena, true, err);
    if ((uint64_t)op->patch.len * count > UINT32_MAX) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the patch, %u times, exceeds 4 GiB; select fewer records", count);
    uint32_t *docs = omen_arena_alloc(&op->arena, (count + (size_t)1) * sizeof *docs, 8);
    char *text = omen_arena_alloc(&op->arena, op->patch.len * count + 1, 8);
    if (docs == NULL || text == NULL) return out_of_memory(err);
    for (uint32_t i = 0; i <= count; i++) docs[i] = (uint32_t)(op->patch.len * i);
    for (uint32_t i = 0; i < count; i++) memcpy(text + docs[i], op->patch.data, op->patch.len);
    r->doc_offsets = docs;
    r->doc_bytes = text;
    return omen_rows_check(r, &op->db->mem, &op->arena, &op->coll->schema.schema, true, err);
}

omen_status omen_where_step(omen_write_op *op, omen_error *err) {
    struct omen_where *w = op->where;
    if (op->snapshot.version == NULL) omen_snapshot_take(op->db, &op->snapshot);
    const omen_coll_version *v = omen_version_find(op->snapshot.version, op->coll->id);
    if (v != NULL) {
        if (w->select == NULL) OMEN_TRY(omen_select_new(&op->db->mem, &op->snapshot, v, op->filter, false, &w->select, err));
        if (!w->selected) {
            OMEN_TRY(omen_select_step(w->select, err));
            w->selected = true;
        }
        OMEN_TRY(omen_select_settle(w->select, err));
        uint64_t count = omen_select_count(w->select);
        if (count > OMEN_MAX_BATCH && !w->some)
            return omen_fail(err, OMEN_ERR_TOO_LARGE, "the filter selects %llu records; at most %u can be written at once: narrow it, and repeat", (unsigned long long)count, OMEN_MAX_BATCH);
        OMEN_TRY(gather(op, v, err));
        if (count != 0) OMEN_TRY(fill(op, (uint32_t)count, (uint32_t)OMEN_MIN(count, OMEN_MAX_BATCH), err));
    }
    omen_where_free(op);
    op->where = NULL;
    omen_snapshot_release(&op->snapshot);
    return OMEN_OK;
}
