/* scroll.c - live records in order of id, a page at a time: a merge of the parts' KEY_ORDER and of the tables' ids. */
#include "base/sort.h"
#include "db/read.h"

/* A part's next live id. */
typedef struct part_cursor {
    uint32_t position; /* in KEY_ORDER */
    uint32_t row;
    bool sought, loaded, ended;
    uint32_t key_len;
    uint8_t key[OMEN_KEY_MAX];
} part_cursor;

typedef struct table_key { const omen_entry *entry; uint32_t table; } table_key;

typedef struct omen_scroll_place {
    uint8_t after[OMEN_KEY_MAX];
    uint32_t after_len; /* 0: from the start */
    part_cursor *parts;
    table_key *keys;    /* records of the tables, in order of id */
    uint32_t key_count, key_cap, key;
    uint32_t asked;     /* of the keys, those whose documents the filter saw */
} omen_scroll_place;

void omen_scroll_free(omen_read_op *op) {
    omen_scroll_place *s = op->scroll;
    if (s == NULL) return;
    omen_free(&op->db->mem, s->parts, op->v->part_count * sizeof *s->parts);
    omen_free(&op->db->mem, s->keys, s->key_cap * sizeof *s->keys);
    omen_free(&op->db->mem, s, sizeof *s);
    op->scroll = NULL;
}

static bool key_less(void *arg, const void *a, const void *b) {
    (void)arg;
    const table_key *x = a, *y = b;
    return omen_key_compare(omen_entry_key(x->entry), omen_entry_key(y->entry)) < 0;
}

/* The tables' newest entries for ids beyond `after`, in order. */
static omen_status list_table_keys(omen_read_op *op, omen_error *err) {
    omen_scroll_place *s = op->scroll;
    const omen_coll_version *v = op->v;
    for (uint32_t t = 0; t < v->table_count; t++) s->key_cap += omen_memtable_entries(v->tables[t].table);
    if (s->key_cap == 0) return OMEN_OK;
    s->keys = omen_alloc(&op->db->mem, s->key_cap * sizeof *s->keys);
    if (s->keys == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a scroll");
    for (uint32_t t = 0; t < v->table_count; t++) {
        for (uint32_t i = 0, n = omen_memtable_entries(v->tables[t].table); i < n && s->key_count < s->key_cap; i++) {
            const omen_entry *e = omen_memtable_entry(v->tables[t].table, i);
            if (e->lsn > op->snapshot.lsn) break;
            if (e->row == OMEN_NO_ROW || !omen_entry_current(e, op->snapshot.lsn)) continue;
            if (s->after_len != 0 && omen_key_compare(omen_entry_key(e), (omen_key){s->after, s->after_len}) <= 0) continue;
            if (omen_snapshot_replaced(&op->snapshot, v, t, omen_entry_key(e), e->hash)) continue;
            s->keys[s->key_count++] = (table_key){e, t};
        }
    }
    omen_sort(s->keys, s->key_count, sizeof *s->keys, key_less, NULL);
    return OMEN_OK;
}

omen_status omen_read_op_scroll(omen_read_op *op, omen_key after, size_t limit, omen_error *err) {
    if (limit == 0) return omen_fail(err, OMEN_ERR_INVALID, "limit is 0; ask for 1 record or more");
    if (after.len != 0 && !omen_key_valid(after.data, after.len)) return omen_fail(err, OMEN_ERR_ID, "the id to go on after is invalid");
    omen_scroll_place *s = omen_alloc_zero(&op->db->mem, sizeof *s);
    if (s == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a scroll");
    op->scroll = s;
    op->limit = limit;
    if (after.len != 0) memcpy(s->after, after.data, after.len);
    s->after_len = after.len;
    if (op->v->part_count != 0) {
        s->parts = omen_alloc_zero(&op->db->mem, op->v->part_count * sizeof *s->parts);
        if (s->parts == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a scroll");
    }
    return list_table_keys(op, err);
}

/* Brings a part's cursor to its next live id. */
static omen_status load(omen_read_op *op, uint32_t p, omen_error *err) {
    const omen_part_state *s = &op->v->parts[p];
    part_cursor *c = &op->scroll->parts[p];
    if (!c->sought) {
        if (op->scroll->after_len != 0)
            OMEN_TRY(omen_part_order_after(s->part, (omen_key){op->scroll->after, op->scroll->after_len}, &c->position, err));
        c->sought = true;
    }
    for (; !c->loaded && c->position < s->part->rows; c->position++) {
        omen_key key;
        OMEN_TRY(omen_part_ordered(s->part, c->position, &c->row, err));
        if (omen_bits_test(s->dead, c->row)) continue;
        bool match = true;
        if (op->select != NULL) OMEN_TRY(omen_select_row(op->select, p, c->row, &match, err));
        if (!match) continue;
        OMEN_TRY(omen_part_key(s->part, c->row, c->key, &key, err));
        if (omen_snapshot_replaced(&op->snapshot, op->v, UINT32_MAX, key, omen_key_hash(key))) continue;
        c->key_len = key.len;
        c->loaded = true;
    }
    c->ended = !c->loaded;
    return OMEN_OK;
}

/* The smallest id of all cursors; false at the end. Takes it. */
static omen_status next_record(omen_read_op *op, omen_key *key, bool *there, omen_error *err) {
    omen_scroll_place *s = op->scroll;
    uint32_t best = UINT32_MAX;
    for (uint32_t p = 0; p < op->v->part_count; p++) {
        part_cursor *c = &s->parts[p];
        if (!c->loaded && !c->ended) OMEN_TRY(load(op, p, err));
        if (!c->loaded) continue;
        omen_key k = {c->key, c->key_len};
        if (best == UINT32_MAX || omen_key_compare(k, *key) < 0) {
            best = p;
            *key = k;
        }
    }
    while (op->select != NULL && s->key < s->key_count && s->asked == s->key) {
        bool match;
        OMEN_TRY(omen_select_entry(op->select, s->keys[s->key].entry, &match, err));
        s->key += !match;
        s->asked++;
    }
    const table_key *t = s->key < s->key_count ? &s->keys[s->key] : NULL;
    *there = best != UINT32_MAX || t != NULL;
    if (t != NULL && (best == UINT32_MAX || omen_key_compare(omen_entry_key(t->entry), *key) < 0)) {
        *key = omen_entry_key(t->entry);
        op->place = (omen_place){.entry = t->entry, .row = t->table};
        s->key++;
        s->asked = s->key;
    } else if (best != UINT32_MAX) {
        op->place = (omen_place){.part = &op->v->parts[best], .row = s->parts[best].row};
        s->parts[best].loaded = false;
    }
    return OMEN_OK;
}

omen_status omen_scroll_step(omen_read_op *op, omen_error *err) {
    while (op->results->count < op->limit || op->placed) {
        if (!op->placed) {
            omen_key key;
            bool there;
            OMEN_TRY(next_record(op, &key, &there, err));
            if (!there) break;
            if (omen_results_add_key(op->results, key, true) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a scroll");
            op->placed = true;
            memset(&op->fetch, 0, sizeof op->fetch);
        }
        OMEN_TRY(omen_fetch_step(&op->fetch, op->v, &op->place, op->include, 0, op->results, err));
        op->placed = false;
    }
    return OMEN_OK;
}
