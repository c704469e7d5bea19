/* part_reader.c - opening a part and reading single rows. Every number read from the file is checked before it is used; what
 * does not fit answers OMEN_ERR_CORRUPT with the section's name. */
#include "column/columns.h"
#include "column/element.h"

static omen_status damaged(const omen_part *p, omen_error *err, const char *what) {
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: %s; restore the file from a backup", name.text, what);
}

/* A section must exist, be plain or compressed as stated, have the stated block length and content length. */
static omen_status section(const omen_part *p, uint32_t kind, uint32_t field, uint32_t flags, uint32_t block_len, uint64_t raw_len,
                           const omen_section **out, omen_error *err) {
    const omen_section *s = omen_segment_section(p->segment, kind, field);
    if (s == NULL || s->flags != flags || s->block_len != block_len || (raw_len != UINT64_MAX && s->raw_len != raw_len)) {
        omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
        return omen_fail(err, OMEN_ERR_CORRUPT, "%s: section %u of field %u is missing or has the wrong size; restore the file from a backup",
                         name.text, kind, field);
    }
    *out = s;
    return OMEN_OK;
}

static uint32_t row_bytes(const omen_part_field *f) { return (uint32_t)omen_element_bytes(f->element, f->dimensions); }

uint32_t omen_part_rows_per_block(const omen_part_field *field) { return OMEN_MAX(1u, OMEN_BLOCK_BYTES / row_bytes(field)); }

static omen_status read_meta(omen_part *p, const omen_part_field *fields, uint32_t field_count, omen_error *err) {
    uint8_t meta[16 + 12 * OMEN_MAX_VECTOR_FIELDS];
    size_t len = 16u + 12u * (size_t)field_count, done = 0;
    const omen_section *s;
    OMEN_TRY(section(p, OMEN_SECTION_META, 0, 0, OMEN_BLOCK_BYTES, len, &s, err));
    OMEN_TRY(omen_segment_read(p->segment, s, 0, len, meta, &done, err));
    if (omen_get32(meta) != 1) return omen_fail(err, OMEN_ERR_VERSION, "segment written by a newer OmenDB; upgrade this one");
    p->rows = omen_get32(meta + 4);
    if (p->rows > OMEN_PART_MAX_ROWS) return damaged(p, err, "impossible number of rows");
    if (omen_get32(meta + 8) != field_count) return damaged(p, err, "another number of vector fields than the collection");
    p->field_count = field_count;
    for (uint32_t f = 0; f < field_count; f++) {
        const uint8_t *at = meta + 16 + 12 * f;
        p->fields[f] = (omen_part_field){omen_get32(at), omen_get32(at + 4), omen_get32(at + 8)};
        if (p->fields[f].dimensions != fields[f].dimensions || p->fields[f].metric != fields[f].metric || p->fields[f].element != fields[f].element)
            return damaged(p, err, "another vector field than the collection's");
    }
    return OMEN_OK;
}

/* A section of derived content may be missing from a bare part. */
static omen_status derived(const omen_part *p, omen_status s) { return p->bare && s == OMEN_ERR_CORRUPT ? OMEN_OK : s; }

static omen_status find_sections(omen_part *p, omen_error *err) {
    uint64_t rows = p->rows;
    OMEN_TRY(section(p, OMEN_SECTION_KEY_OFFSETS, 0, 0, OMEN_BLOCK_BYTES, (rows + 1) * 4, &p->key_offsets, err));
    OMEN_TRY(section(p, OMEN_SECTION_KEY_BYTES, 0, 0, OMEN_BLOCK_BYTES, UINT64_MAX, &p->key_bytes, err));
    if (p->key_bytes->raw_len > OMEN_PART_MAX_KEY_BYTES) return damaged(p, err, "too many bytes of ids");
    OMEN_TRY(derived(p, section(p, OMEN_SECTION_KEY_ORDER, 0, 0, OMEN_BLOCK_BYTES, rows * 4, &p->key_order, err)));
    OMEN_TRY(section(p, OMEN_SECTION_DOC_OFFSETS, 0, 0, OMEN_BLOCK_BYTES, (rows + 1) * 8, &p->doc_offsets, err));
    OMEN_TRY(section(p, OMEN_SECTION_DOC_BYTES, 0, OMEN_SECTION_ZSTD, OMEN_BLOCK_BYTES, UINT64_MAX, &p->doc_bytes, err));
    for (uint32_t f = 0; f < p->field_count; f++) {
        uint32_t row = row_bytes(&p->fields[f]);
        OMEN_TRY(section(p, OMEN_SECTION_VECTORS, f, 0, omen_part_rows_per_block(&p->fields[f]) * row, rows * row, &p->vectors[f], err));
        if (p->fields[f].metric == OMEN_METRIC_COSINE)
            OMEN_TRY(derived(p, section(p, OMEN_SECTION_NORMS, f, 0, OMEN_BLOCK_BYTES, rows * 4, &p->norms[f], err)));
    }
    p->tombstones = omen_segment_section(p->segment, OMEN_SECTION_TOMBSTONES, 0);
    return OMEN_OK;
}

static omen_status open_part(omen_store *st, const omen_segment_info *info, const omen_part_field *fields, uint32_t field_count,
                             bool bare, omen_part **out, omen_error *err) {
    omen_part *p = *out;
    if (p == NULL) {
        p = omen_alloc_zero(st->mem, sizeof *p);
        if (p == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening a segment");
        p->bare = bare;
        p->store = st;
        atomic_init(&p->refs, 1);
        *out = p;
    }
    if (p->complete) return OMEN_OK;
    omen_status s = p->opened ? OMEN_OK : omen_segment_open(st, info, &p->segment, err);
    if (s == OMEN_OK) p->opened = true;
    if (s == OMEN_OK) s = read_meta(p, fields, field_count, err);
    if (s == OMEN_OK) s = find_sections(p, err);
    if (s == OMEN_OK && !bare) s = omen_part_open_keys(p, err);
    if (s == OMEN_OK && !bare) s = omen_columns_open(st, p->segment, p->rows, &p->columns, err);
    if (s != OMEN_OK && s != OMEN_PENDING) {
        omen_columns_free(p->columns);
        omen_part_close_keys(p);
        omen_segment_close(p->segment);
        omen_free(st->mem, p, sizeof *p);
        *out = NULL;
    }
    if (s == OMEN_OK) p->complete = true;
    return s;
}

omen_status omen_part_open(omen_store *st, const omen_segment_info *info, const omen_part_field *fields, uint32_t field_count,
                           omen_part **out, omen_error *err) {
    return open_part(st, info, fields, field_count, false, out, err);
}

omen_status omen_part_open_bare(omen_store *st, const omen_segment_info *info, const omen_part_field *fields, uint32_t field_count,
                                omen_part **out, omen_error *err) {
    return open_part(st, info, fields, field_count, true, out, err);
}

omen_part *omen_part_ref(omen_part *p) {
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void omen_part_keep(omen_part *p, uint32_t field, bool vectors) {
    omen_segment_keep(p->segment, p->key_offsets);
    omen_segment_keep(p->segment, p->key_bytes);
    if (!vectors) return;
    omen_segment_keep(p->segment, p->vectors[field]);
    if (p->norms[field] != NULL) omen_segment_keep(p->segment, p->norms[field]);
}

bool omen_part_unref(omen_part *p) {
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return false;
    bool unlink = p->unlink;
    if (p->extra != NULL) p->extra_ops->free(p->extra);
    omen_columns_free(p->columns);
    omen_part_close_keys(p);
    omen_segment_close(p->segment);
    if (p->doc_starts != NULL) omen_free(p->store->mem, p->doc_starts, ((size_t)p->rows + 1) * sizeof *p->doc_starts);
    omen_free(p->store->mem, p, sizeof *p);
    return unlink;
}

static omen_status read_u32(omen_part *p, const omen_section *s, uint64_t index, uint32_t n, uint32_t *into, omen_error *err) {
    size_t done = 0;
    return omen_segment_read(p->segment, s, index * 4, (size_t)n * 4, into, &done, err);
}

omen_status omen_part_key(omen_part *p, uint32_t row, uint8_t *into, omen_key *out, omen_error *err) {
    uint32_t at[2];
    size_t done = 0;
    OMEN_ASSERT(row < p->rows);
    OMEN_TRY(read_u32(p, p->key_offsets, row, 2, at, err));
    if (at[1] < at[0] || at[1] - at[0] > OMEN_KEY_MAX || at[1] > p->key_bytes->raw_len) return damaged(p, err, "an id's offset is impossible");
    uint32_t len = at[1] - at[0];
    OMEN_TRY(omen_segment_read(p->segment, p->key_bytes, at[0], len, into, &done, err));
    if (!omen_key_valid(into, len)) return damaged(p, err, "an id is malformed");
    *out = (omen_key){into, len};
    return OMEN_OK;
}

omen_status omen_part_ordered(omen_part *p, uint32_t n, uint32_t *row, omen_error *err) {
    OMEN_ASSERT(n < p->rows);
    OMEN_TRY(read_u32(p, p->key_order, n, 1, row, err));
    if (*row >= p->rows) return damaged(p, err, "the order of ids names a row that does not exist");
    return OMEN_OK;
}

omen_status omen_part_doc(omen_part *p, uint32_t row, omen_part_doc_place *place, omen_buf *out, omen_error *err) {
    return omen_part_doc_from(p, p->doc_starts, row, place, out, err);
}

omen_status omen_part_doc_from(omen_part *p, const uint64_t *starts, uint32_t row, omen_part_doc_place *place, omen_buf *out, omen_error *err) {
    OMEN_ASSERT(row < p->rows);
    if (!place->known) {
        uint64_t at[2];
        size_t done = 0;
        if (starts != NULL) memcpy(at, starts + row, sizeof at);
        else OMEN_TRY(omen_segment_read(p->segment, p->doc_offsets, (uint64_t)row * 8, 16, at, &done, err));
        if (at[1] < at[0] || at[1] - at[0] > OMEN_MAX_DOCUMENT || at[1] > p->doc_bytes->raw_len)
            return damaged(p, err, "a document's offset is impossible");
        place->from = at[0];
        place->to = at[1];
        place->known = true;
        /* Room is taken now and `len` moves only at the end, so that a caller whose read is pending sees no half document. */
        if (omen_buf_reserve(out, (size_t)(at[1] - at[0])) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading a document");
        place->at = out->len;
        place->done = 0;
    }
    size_t len = (size_t)(place->to - place->from);
    if (len != 0) OMEN_TRY(omen_segment_read(p->segment, p->doc_bytes, place->from, len, out->data + place->at, &place->done, err));
    out->len = place->at + len;
    return OMEN_OK;
}

omen_status omen_part_doc_read(omen_part *p, uint32_t row, omen_part_doc_reader *r, omen_str *text, omen_error *err) {
    r->bytes.len = 0;
    OMEN_TRY(omen_part_doc(p, row, &r->place, &r->bytes, err));
    memset(&r->place, 0, sizeof r->place);
    *text = (omen_str){(const char *)r->bytes.data, r->bytes.len};
    return OMEN_OK;
}

omen_status omen_part_vector(omen_part *p, uint32_t row, uint32_t field, void *into, omen_error *err) {
    const omen_block *b;
    uint32_t first, count, bytes = row_bytes(&p->fields[field]);
    OMEN_TRY(omen_part_vector_block(p, field, row, &b, &first, &count, err));
    memcpy(into, b->data + (size_t)(row - first) * bytes, bytes);
    omen_block_release(p->store->pool, b);
    return OMEN_OK;
}

omen_status omen_part_vector_block(omen_part *p, uint32_t field, uint32_t row, const omen_block **block, uint32_t *first, uint32_t *count,
                                   omen_error *err) {
    OMEN_ASSERT(row < p->rows && field < p->field_count);
    uint32_t per = omen_part_rows_per_block(&p->fields[field]);
    OMEN_TRY(omen_segment_block(p->segment, p->vectors[field], row / per, block, err));
    *first = row / per * per;
    *count = (*block)->len / row_bytes(&p->fields[field]);
    return OMEN_OK;
}

omen_status omen_part_row_vector(omen_part *p, uint32_t field, uint32_t row, uint8_t *buffer, const uint8_t **vector, const omen_block **pin, float *norm, omen_error *err) {
    OMEN_ASSERT(row < p->rows && field < p->field_count);
    if (p->norms[field] != NULL) {
        const uint8_t *kept = omen_segment_peek(p->segment, p->norms[field], (uint64_t)row * 4);
        size_t done = 0;
        if (kept != NULL) memcpy(norm, kept, 4);
        else OMEN_TRY(omen_part_norms(p, field, row, 1, norm, &done, err));
    }
    return omen_segment_row(p->segment, p->vectors[field], row, row_bytes(&p->fields[field]), buffer, vector, pin, err);
}

bool omen_part_expect_row(const omen_part *p, uint32_t field, uint32_t row) {
    uint32_t bytes = row_bytes(&p->fields[field]);
    if (p->norms[field] != NULL) __builtin_prefetch(omen_segment_peek(p->segment, p->norms[field], (uint64_t)row * 4));
    const uint8_t *vector = omen_segment_peek(p->segment, p->vectors[field], (uint64_t)row * bytes);
    if (vector == NULL) return false;
    /* The first lines; the processor sees by itself where it goes on. */
    for (uint32_t b = 0; b < OMEN_MIN(bytes, 512u); b += 64) __builtin_prefetch(vector + b);
    return true;
}

void omen_part_expect_key(const omen_part *p, uint32_t row, bool near) {
    const uint8_t *offset = omen_segment_peek(p->segment, p->key_offsets, (uint64_t)row * 4);
    if (offset == NULL) return;
    if (near) __builtin_prefetch(omen_segment_peek(p->segment, p->key_bytes, omen_get32(offset)));
    else __builtin_prefetch(offset);
}

omen_status omen_part_norms(omen_part *p, uint32_t field, uint32_t row, uint32_t count, float *into, size_t *done, omen_error *err) {
    OMEN_ASSERT(p->norms[field] != NULL && (uint64_t)row + count <= p->rows);
    return omen_segment_read(p->segment, p->norms[field], (uint64_t)row * 4, (size_t)count * 4, into, done, err);
}

omen_status omen_part_tombstones(omen_part *p, omen_tombstones *scratch,
                                 omen_status (*each)(void *arg, const omen_hash128 *target, const uint32_t *rows, uint32_t count, omen_error *err),
                                 void *arg, omen_error *err) {
    if (p->tombstones == NULL) return OMEN_OK;
    uint64_t raw = p->tombstones->raw_len;
    if (raw < 8 || raw > SIZE_MAX / 2) return damaged(p, err, "the list of deleted rows has an impossible size");
    if (scratch->bytes.len == 0) {
        if (omen_buf_append(&scratch->bytes, NULL, (size_t)raw) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading deleted rows");
    }
    OMEN_TRY(omen_segment_read(p->segment, p->tombstones, 0, (size_t)raw, scratch->bytes.data, &scratch->done, err));
    const uint8_t *b = scratch->bytes.data;
    uint64_t targets = omen_get32(b), rows_at = 8 + targets * 24;
    if (rows_at > raw) return damaged(p, err, "the list of deleted rows is cut short");
    for (uint64_t t = 0; t < targets; t++) {
        const uint8_t *entry = b + 8 + t * 24;
        omen_hash128 target;
        uint64_t count = omen_get32(entry + 16);
        if (count * 4 > raw - rows_at) return damaged(p, err, "the list of deleted rows is cut short");
        memcpy(target.bytes, entry, 16);
        OMEN_TRY(each(arg, &target, (const uint32_t *)(const void *)(b + rows_at), (uint32_t)count, err));
        rows_at += count * 4;
    }
    if (rows_at != raw) return damaged(p, err, "the list of deleted rows has bytes left over");
    return OMEN_OK;
}
