#include "db/memtable.h"

#include "column/element.h"
#include "column/multi.h"

#define CHUNK_FIRST 4096u
#define CHUNK_CAP (1u << 20)
#define NO_ENTRY UINT32_MAX

/* Open addressing, linear probing. A slot is the upper half of the hash and an entry's number + 1; 0 is free. Slots only go from free to
 * used, or to a newer entry of the same id, so a reader may probe while the writer inserts. An outgrown index stays readable. */
typedef struct index_table {
    struct index_table *retired;
    uint32_t cap; /* a power of two */
    _Atomic uint64_t slot[];
} index_table;

struct omen_memtable {
    omen_mem *mem;
    uint32_t field_count;
    omen_part_field fields[OMEN_MAX_VECTOR_FIELDS];
    _Atomic uint32_t refs;
    omen_arena arena; /* ids and documents */
    omen_chunks entries;
    omen_chunks row_entry; /* u32 */
    omen_chunks vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_chunks norms[OMEN_MAX_VECTOR_FIELDS]; /* cosine fields */
    uint32_t multi_count;
    omen_multi_field multis[OMEN_MAX_MULTI_FIELDS]; /* names in the arena */
    omen_chunks multi[OMEN_MAX_MULTI_FIELDS];       /* omen_multi; the vectors in the arena */
    omen_text_fields *text_fields; /* NULL: none */
    struct table_text *text;       /* with the fields; NULL: none */
    _Atomic(index_table *) index;
    uint32_t ids; /* distinct, in the index */
    _Atomic uint64_t bytes;
    _Atomic uint32_t published_entries, published_rows;
};

/* Text and sparse fields. Indexes are made when the first document comes; rows before it have no terms. */
typedef struct table_text {
    uint64_t staged; /* terms of the rows being prepared */
    _Atomic(omen_text_memory *) of[];
} table_text;

static uint32_t field_count(const omen_memtable *t) { return t->field_count; }
static size_t row_bytes(const omen_memtable *t, uint32_t f) { return omen_element_bytes(t->fields[f].element, t->fields[f].dimensions); }

static size_t text_bytes(const omen_memtable *t) { return sizeof *t->text + t->text_fields->count * sizeof *t->text->of; }

omen_memtable *omen_memtable_new(omen_mem *m, const omen_schema_copy *schema) {
    omen_memtable *t = omen_alloc_zero(m, sizeof *t);
    if (t == NULL) return NULL;
    t->mem = m;
    t->field_count = schema->schema.vector_count;
    memcpy(t->fields, schema->fields, sizeof t->fields);
    atomic_init(&t->refs, 1);
    omen_arena_init(&t->arena, m, 1u << 16);
    omen_chunks_init(&t->entries, m, sizeof(omen_entry), CHUNK_FIRST, CHUNK_CAP);
    omen_chunks_init(&t->row_entry, m, sizeof(uint32_t), CHUNK_FIRST / 4, CHUNK_CAP);
    for (uint32_t f = 0; f < field_count(t); f++) {
        omen_chunks_init(&t->vectors[f], m, row_bytes(t, f), 4 * CHUNK_FIRST, CHUNK_CAP);
        omen_chunks_init(&t->norms[f], m, sizeof(float), CHUNK_FIRST / 4, CHUNK_CAP);
    }
    for (uint32_t f = 0; f < schema->schema.multi_count; f++) {
        omen_chunks_init(&t->multi[f], m, sizeof(omen_multi), CHUNK_FIRST / 4, CHUNK_CAP);
        t->multi_count = f + 1;
        t->multis[f] = schema->multis[f];
        t->multis[f].name.data = omen_arena_copy(&t->arena, schema->multis[f].name.data, schema->multis[f].name.len);
        if (t->multis[f].name.data != NULL) continue;
        omen_memtable_unref(t);
        return NULL;
    }
    if (schema->text == NULL) return t;
    t->text_fields = omen_text_fields_ref(schema->text);
    t->text = omen_alloc_zero(m, text_bytes(t));
    if (t->text != NULL) return t;
    omen_memtable_unref(t);
    return NULL;
}

omen_memtable *omen_memtable_ref(omen_memtable *t) {
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

static size_t index_bytes(uint32_t cap) { return sizeof(index_table) + (size_t)cap * sizeof(_Atomic uint64_t); }

void omen_memtable_unref(omen_memtable *t) {
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
    index_table *x = atomic_load_explicit(&t->index, memory_order_relaxed);
    while (x != NULL) {
        index_table *next = x->retired;
        omen_free(t->mem, x, index_bytes(x->cap));
        x = next;
    }
    omen_chunks_deinit(&t->entries);
    omen_chunks_deinit(&t->row_entry);
    for (uint32_t f = 0; f < field_count(t); f++) {
        omen_chunks_deinit(&t->vectors[f]);
        omen_chunks_deinit(&t->norms[f]);
    }
    for (uint32_t f = 0; f < t->multi_count; f++) omen_chunks_deinit(&t->multi[f]);
    if (t->text != NULL) {
        for (uint32_t i = 0; i < t->text_fields->count; i++) {
            omen_text_memory *of = atomic_load_explicit(&t->text->of[i], memory_order_relaxed);
            if (of != NULL) omen_text_memory_free(of);
        }
        omen_free(t->mem, t->text, text_bytes(t));
    }
    omen_text_fields_unref(t->text_fields);
    omen_arena_deinit(&t->arena);
    omen_free(t->mem, t, sizeof *t);
}

static uint64_t slot_of(uint64_t hash, uint32_t entry) { return (hash >> 32 << 32) | (entry + 1u); }
static uint32_t slot_entry(uint64_t slot) { return (uint32_t)slot - 1u; }
static bool slot_matches(uint64_t slot, uint64_t hash) { return slot >> 32 == hash >> 32; }

/* Room for `ids` ids at two thirds full. */
static omen_status grow_index(omen_memtable *t, uint64_t ids) {
    index_table *old = atomic_load_explicit(&t->index, memory_order_relaxed);
    if (old != NULL && ids * 3 <= (uint64_t)old->cap * 2) return OMEN_OK;
    uint64_t cap = old == NULL ? 64 : (uint64_t)old->cap * 2;
    while (ids * 3 > cap * 2) cap *= 2;
    if (cap > 1u << 30) return OMEN_ERR_MEMORY;
    index_table *x = omen_alloc_zero(t->mem, index_bytes((uint32_t)cap));
    if (x == NULL) return OMEN_ERR_MEMORY;
    x->retired = old;
    x->cap = (uint32_t)cap;
    for (uint32_t i = 0; old != NULL && i < old->cap; i++) {
        uint64_t s = atomic_load_explicit(&old->slot[i], memory_order_relaxed);
        if (s == 0) continue;
        const omen_entry *e = omen_chunks_at(&t->entries, slot_entry(s), NULL);
        uint32_t at = (uint32_t)e->hash & (x->cap - 1);
        while (atomic_load_explicit(&x->slot[at], memory_order_relaxed) != 0) at = (at + 1) & (x->cap - 1);
        atomic_store_explicit(&x->slot[at], s, memory_order_relaxed);
    }
    atomic_store_explicit(&t->index, x, memory_order_release);
    return OMEN_OK;
}

static omen_status prepare(omen_memtable *t, const omen_rows *rows, bool erase, omen_memtable_batch *out) {
    uint32_t n = rows->count;
    *out = (omen_memtable_batch){.rows = rows, .docs = ""};
    out->keys = omen_arena_copy(&t->arena, rows->key_bytes, rows->key_offsets[n]);
    if (out->keys == NULL) return OMEN_ERR_MEMORY;
    if (!erase && rows->doc_offsets != NULL && rows->doc_offsets[n] != 0) {
        out->docs = omen_arena_copy(&t->arena, rows->doc_bytes, rows->doc_offsets[n]);
        if (out->docs == NULL) return OMEN_ERR_MEMORY;
    }
    OMEN_TRY(omen_chunks_reserve(&t->entries, n));
    OMEN_TRY(grow_index(t, (uint64_t)t->ids + n));
    if (erase) return OMEN_OK;
    OMEN_TRY(omen_chunks_reserve(&t->row_entry, n));
    for (uint32_t f = 0; f < field_count(t); f++) {
        OMEN_TRY(omen_chunks_reserve(&t->vectors[f], n));
        if (t->fields[f].metric == OMEN_METRIC_COSINE) OMEN_TRY(omen_chunks_reserve(&t->norms[f], n));
    }
    return OMEN_OK;
}

/* ---- fields of several vectors a record ---- */

static omen_status read_multi(omen_memtable *t, omen_memtable_batch *b, uint32_t row, omen_error *err) {
    const omen_rows *rows = b->rows;
    omen_json *parsed;
    omen_status s = OMEN_OK;
    if (omen_rows_doc(rows, row).len == 0) return OMEN_OK;
    OMEN_TRY(omen_json_parse(t->mem, omen_rows_doc(rows, row), &parsed, err));
    for (uint32_t f = 0; f < t->multi_count && s == OMEN_OK; f++) {
        const omen_multi_field *m = &t->multis[f];
        const omen_json_val *value = omen_text_reach(omen_json_root(parsed), m->name);
        omen_part_field type = {m->dimensions, (uint32_t)m->metric, (uint32_t)m->element};
        omen_multi *out = &b->multi[(size_t)f * rows->count + row];
        char id[80], what[OMEN_MAX_NAME + 120];
        if (value == NULL) continue;
        omen_key_print(omen_rows_key(rows, row), id, sizeof id);
        omen_format(what, sizeof what, "multi field \"%.*s\" of record %s", (int)m->name.len, m->name.data, id);
        s = omen_multi_read(value, &type, OMEN_MAX_MULTI_VECTORS, what, &t->arena, out, err);
        b->multi_bytes += out->count * (uint64_t)omen_element_bytes(type.element, type.dimensions);
    }
    omen_json_free(parsed);
    return s;
}

static omen_status prepare_multi(omen_memtable *t, omen_memtable_batch *b, omen_error *err) {
    uint32_t n = b->rows->count;
    omen_status s = OMEN_OK;
    b->multi = omen_arena_alloc(&t->arena, (size_t)t->multi_count * n * sizeof *b->multi + 8, 8);
    if (b->multi == NULL) return OMEN_ERR_MEMORY;
    memset(b->multi, 0, (size_t)t->multi_count * n * sizeof *b->multi);
    for (uint32_t f = 0; f < t->multi_count; f++) OMEN_TRY(omen_chunks_reserve(&t->multi[f], n));
    for (uint32_t i = 0; i < n && s == OMEN_OK; i++) s = read_multi(t, b, i, err);
    return s;
}

omen_multi omen_memtable_multi(const omen_memtable *t, uint32_t field, uint32_t row) { return *(const omen_multi *)omen_chunks_at(&t->multi[field], row, NULL); }

/* ---- text ---- */

static omen_text_memory *text_of(const omen_memtable *t, uint32_t field) { return atomic_load_explicit(&t->text->of[field], memory_order_relaxed); }

static omen_status add_word(void *ctx, uint32_t field, const void *term, size_t len, uint32_t position) {
    omen_memtable *t = ctx;
    if (text_of(t, field) == NULL) return OMEN_OK; /* its language came after the table's first row */
    t->text->staged++;
    return omen_text_memory_add(text_of(t, field), term, len, position);
}

static omen_status add_weight(void *ctx, uint32_t field, uint32_t index, float weight) {
    omen_memtable *t = ctx;
    t->text->staged++;
    return omen_text_memory_add_weight(text_of(t, field), index, weight);
}

/* A row of every index; `document` may be empty. */
static omen_status stage_row(omen_memtable *t, omen_text_reader *reader, omen_str document, omen_error *err) {
    const omen_text_sink sink = {t, add_word, add_weight};
    uint32_t row;
    for (uint32_t f = 0; f < t->text_fields->count; f++)
        if (text_of(t, f) != NULL) OMEN_TRY(omen_text_memory_row(text_of(t, f), &row));
    if (document.len != 0) OMEN_TRY(omen_text_reader_read(reader, document, UINT32_MAX, true, &sink, err));
    for (uint32_t f = 0; f < t->text_fields->count; f++)
        if (text_of(t, f) != NULL) OMEN_TRY(omen_text_memory_end(text_of(t, f)));
    return OMEN_OK;
}

static void give_up_text(omen_memtable *t) {
    t->text->staged = 0;
    for (uint32_t f = 0; f < t->text_fields->count; f++)
        if (text_of(t, f) != NULL) omen_text_memory_give_up(text_of(t, f));
}

/* Indexes for the table, before its first row. */
static omen_status begin_text(omen_memtable *t, omen_text_reader *reader, omen_error *err) {
    if (t->row_entry.count != 0) return OMEN_OK;
    for (uint32_t f = 0; f < t->text_fields->count; f++) {
        omen_postings_options o = omen_text_reader_postings(reader, f);
        omen_text_memory *x;
        if (!omen_text_reader_available(reader, f) || text_of(t, f) != NULL) continue;
        omen_status s = omen_text_memory_new(t->mem, &o, &x);
        if (s != OMEN_OK) return omen_fail(err, s, "out of memory");
        atomic_store_explicit(&t->text->of[f], x, memory_order_release);
    }
    return OMEN_OK;
}

OMEN_LATER static omen_status prepare_text(omen_memtable *t, const omen_rows *rows, omen_error *err) {
    omen_text_reader *reader;
    omen_status s = omen_text_fields_writer(t->text_fields, &reader, err);
    if (s == OMEN_OK) s = begin_text(t, reader, err);
    if (s != OMEN_OK) return s;
    give_up_text(t); /* of a batch that was prepared and not committed */
    for (uint32_t i = 0; i < rows->count && s == OMEN_OK; i++) s = stage_row(t, reader, omen_rows_doc(rows, i), err);
    if (s != OMEN_OK) give_up_text(t);
    return s;
}

OMEN_LATER static void commit_text(omen_memtable *t) {
    for (uint32_t f = 0; f < t->text_fields->count; f++)
        if (text_of(t, f) != NULL) omen_text_memory_commit(text_of(t, f));
    t->bytes += 16 * t->text->staged;
    t->text->staged = 0;
}

const omen_text_memory *omen_memtable_text(const omen_memtable *t, uint32_t field) {
    return t->text == NULL || field >= t->text_fields->count ? NULL : atomic_load_explicit(&t->text->of[field], memory_order_acquire);
}

omen_status omen_memtable_prepare(omen_memtable *t, const omen_rows *rows, bool erase, omen_memtable_batch *out, omen_error *err) {
    omen_status st = prepare(t, rows, erase, out);
    if (st == OMEN_OK && !erase && t->multi_count != 0) {
        st = prepare_multi(t, out, err);
        if (st != OMEN_OK && st != OMEN_ERR_MEMORY) return st;
    }
    if (st == OMEN_OK && !erase && t->text != NULL) {
        st = prepare_text(t, rows, err);
        if (st != OMEN_OK && st != OMEN_ERR_MEMORY) return st;
    }
    if (st == OMEN_OK) return OMEN_OK;
    return omen_fail(err, st, "out of memory for %u records; flush, use smaller batches, or raise the memory limit", rows->count);
}

/* The slot of an id: its own, or the free one where it belongs. */
static _Atomic uint64_t *find_slot(const omen_memtable *t, index_table *x, omen_key key, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (x->cap - 1);
    for (;; at = (at + 1) & (x->cap - 1)) {
        uint64_t s = atomic_load_explicit(&x->slot[at], memory_order_acquire);
        if (s == 0) return &x->slot[at];
        if (!slot_matches(s, hash)) continue;
        const omen_entry *e = omen_chunks_at(&t->entries, slot_entry(s), NULL);
        if (e->hash == hash && omen_key_equal(omen_entry_key(e), key)) return &x->slot[at];
    }
}

/* Copies a column of rows into chunks, whole runs at a time. */
static void push_rows(omen_chunks *c, const void *from, uint32_t count) {
    const uint8_t *p = from;
    while (count != 0) {
        uint32_t run;
        void *into = omen_chunks_at(c, c->count, &run);
        run = OMEN_MIN(run, count);
        memcpy(into, p, run * c->size);
        c->count += run;
        p += run * c->size;
        count -= run;
    }
}

static void append_entry(omen_memtable *t, const omen_memtable_batch *b, uint32_t i, bool erase, uint64_t lsn, uint32_t row) {
    const omen_rows *r = b->rows;
    index_table *x = atomic_load_explicit(&t->index, memory_order_relaxed);
    omen_key key = {b->keys + r->key_offsets[i], r->key_offsets[i + 1] - r->key_offsets[i]};
    omen_str doc = erase ? (omen_str){"", 0} : omen_rows_doc(r, i);
    _Atomic uint64_t *slot = find_slot(t, x, key, r->hashes[i]);
    uint64_t before = atomic_load_explicit(slot, memory_order_relaxed);
    uint32_t number = t->entries.count;
    omen_entry *e = omen_chunks_push(&t->entries);
    e->lsn = lsn;
    atomic_init(&e->next_lsn, UINT64_MAX);
    e->hash = r->hashes[i];
    e->key = key.data;
    e->key_len = key.len;
    e->doc = doc.len == 0 ? "" : b->docs + r->doc_offsets[i];
    e->doc_len = (uint32_t)doc.len;
    e->row = row;
    e->older = before == 0 ? NO_ENTRY : slot_entry(before);
    if (before == 0) {
        t->ids++;
    } else {
        omen_entry *old = omen_chunks_at(&t->entries, e->older, NULL);
        atomic_store_explicit(&old->next_lsn, lsn, memory_order_release);
    }
    atomic_store_explicit(slot, slot_of(e->hash, number), memory_order_release);
    t->bytes += 64u + key.len + doc.len;
}

void omen_memtable_commit(omen_memtable *t, const omen_memtable_batch *b, bool erase, uint64_t first_lsn) {
    const omen_rows *r = b->rows;
    uint32_t row = erase ? OMEN_NO_ROW : t->row_entry.count;
    if (!erase) {
        for (uint32_t f = 0; f < field_count(t); f++) {
            push_rows(&t->vectors[f], r->vectors[f], r->count);
            if (t->fields[f].metric == OMEN_METRIC_COSINE) push_rows(&t->norms[f], r->norms[f], r->count);
            t->bytes += (uint64_t)r->count * row_bytes(t, f);
        }
        for (uint32_t f = 0; f < t->multi_count; f++) push_rows(&t->multi[f], b->multi + (size_t)f * r->count, r->count);
        t->bytes += b->multi_bytes;
        if (t->text != NULL) commit_text(t);
    }
    for (uint32_t i = 0; i < r->count; i++) {
        if (!erase) *(uint32_t *)omen_chunks_push(&t->row_entry) = t->entries.count;
        append_entry(t, b, i, erase, first_lsn + i, erase ? OMEN_NO_ROW : row + i);
    }
    atomic_store_explicit(&t->published_entries, t->entries.count, memory_order_release);
    atomic_store_explicit(&t->published_rows, t->row_entry.count, memory_order_release);
}

uint64_t omen_memtable_bytes(const omen_memtable *t) { return atomic_load_explicit(&t->bytes, memory_order_relaxed); }
uint32_t omen_memtable_entries(const omen_memtable *t) { return atomic_load_explicit(&t->published_entries, memory_order_acquire); }
uint32_t omen_memtable_rows(const omen_memtable *t) { return atomic_load_explicit(&t->published_rows, memory_order_acquire); }
const omen_entry *omen_memtable_entry(const omen_memtable *t, uint32_t i) { return omen_chunks_at(&t->entries, i, NULL); }

const omen_entry *omen_memtable_row_entry(const omen_memtable *t, uint32_t row) {
    return omen_memtable_entry(t, *(const uint32_t *)omen_chunks_at(&t->row_entry, row, NULL));
}

uint32_t omen_memtable_rows_at(const omen_memtable *t, uint64_t lsn) {
    uint32_t from = 0, to = omen_memtable_rows(t);
    if (to == 0 || omen_memtable_row_entry(t, to - 1)->lsn <= lsn) return to;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (omen_memtable_row_entry(t, mid)->lsn <= lsn) from = mid + 1;
        else to = mid;
    }
    return from;
}

const omen_entry *omen_memtable_find(const omen_memtable *t, omen_key key, uint64_t hash, uint64_t snapshot) {
    index_table *x = atomic_load_explicit(&t->index, memory_order_acquire);
    if (x == NULL) return NULL;
    uint64_t s = atomic_load_explicit(find_slot(t, x, key, hash), memory_order_acquire);
    if (s == 0) return NULL;
    const omen_entry *e = omen_memtable_entry(t, slot_entry(s));
    while (e->lsn > snapshot) {
        if (e->older == NO_ENTRY) return NULL;
        e = omen_memtable_entry(t, e->older);
    }
    return e;
}

const void *omen_memtable_vectors(const omen_memtable *t, uint32_t field, uint32_t row, uint32_t *run) {
    return omen_chunks_at(&t->vectors[field], row, run);
}

const float *omen_memtable_norms(const omen_memtable *t, uint32_t field, uint32_t row, uint32_t *run) {
    return omen_chunks_at(&t->norms[field], row, run);
}
