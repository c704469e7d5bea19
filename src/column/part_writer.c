/* part_writer.c - writes a part from a source of rows, section after section. Ids are held in memory for sorting (their bytes and 28
 * bytes a row); everything else streams. */
#include "column/columns.h"
#include "column/element.h"
#include "column/keys_write.h"
#include "column/multi.h"

/* Bytes written, about, before a step returns. */
#define STEP_BYTES (1u << 20)

typedef enum stage { CREATE, META, KEYS, KEY_SECTIONS, DOCS, DOC_OFFSETS, COLUMNS, EXTRA, MULTI, VECTORS, NORMS, TOMBSTONES, FINISH, DONE } stage;

struct omen_part_writer {
    omen_store *store;
    uint64_t number;
    omen_part_field fields[OMEN_MAX_VECTOR_FIELDS];
    uint32_t field_count;
    const omen_row_source *source;
    const omen_tombstone_target *targets;
    uint32_t target_count;
    omen_segment_writer *out;
    stage stage;
    bool in_section;
    uint32_t row, field;      /* the place */
    omen_buf key_bytes;       /* ids, back to back */
    omen_buf key_offsets;     /* u32 */
    omen_keyed *keyed, *keyed_scratch;
    uint32_t *order;
    omen_buf doc_offsets;     /* u64 */
    omen_columns_builder *columns;
    omen_part_extra_writer extra; /* row NULL: none */
    omen_part_field multi[OMEN_MAX_MULTI_FIELDS];
    uint32_t multi_count, multi_field;
    omen_buf multi_offsets;   /* MULTI_OFFSETS of the field that is written; empty: none of its vectors was */
    uint64_t multi_seen;
};

omen_status omen_part_writer_new(omen_store *st, uint64_t number, const omen_part_field *fields, uint32_t field_count,
                                 const omen_row_source *source, const omen_tombstone_target *targets, uint32_t target_count,
                                 omen_part_writer **out, omen_error *err) {
    OMEN_ASSERT(source->rows <= OMEN_PART_MAX_ROWS && field_count <= OMEN_MAX_VECTOR_FIELDS);
    omen_part_writer *w = omen_alloc_zero(st->mem, sizeof *w);
    if (w == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing a segment");
    w->store = st;
    w->number = number;
    if (field_count != 0) memcpy(w->fields, fields, field_count * sizeof *fields);
    w->field_count = field_count;
    w->source = source;
    w->targets = targets;
    w->target_count = target_count;
    omen_buf_init(&w->key_bytes, st->mem);
    omen_buf_init(&w->key_offsets, st->mem);
    omen_buf_init(&w->doc_offsets, st->mem);
    omen_buf_init(&w->multi_offsets, st->mem);
    *out = w;
    return OMEN_OK;
}

void omen_part_writer_extra(omen_part_writer *w, const omen_part_extra_writer *x) { w->extra = *x; }

void omen_part_writer_multi(omen_part_writer *w, const omen_part_field *fields, uint32_t count) {
    OMEN_ASSERT(count <= OMEN_MAX_MULTI_FIELDS);
    if (count != 0) memcpy(w->multi, fields, count * sizeof *fields);
    w->multi_count = count;
}

void omen_part_writer_free(omen_part_writer *w) {
    if (w == NULL) return;
    size_t rows = w->source->rows;
    omen_columns_builder_free(w->columns);
    omen_segment_writer_free(w->out);
    omen_buf_deinit(&w->key_bytes);
    omen_buf_deinit(&w->key_offsets);
    omen_buf_deinit(&w->doc_offsets);
    omen_buf_deinit(&w->multi_offsets);
    omen_free(w->store->mem, w->keyed, rows * sizeof *w->keyed);
    omen_free(w->store->mem, w->keyed_scratch, rows * sizeof *w->keyed);
    omen_free(w->store->mem, w->order, rows * sizeof *w->order);
    omen_free(w->store->mem, w, sizeof *w);
}

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory writing a segment"); }

static omen_status begin(omen_part_writer *w, uint32_t kind, uint32_t field, uint32_t flags, uint32_t block_len, omen_error *err) {
    if (w->in_section) return OMEN_OK;
    OMEN_TRY(omen_segment_section_begin(w->out, kind, field, flags, block_len, err));
    w->in_section = true;
    return OMEN_OK;
}

static omen_status end(omen_part_writer *w, omen_error *err) {
    w->in_section = false;
    w->row = 0;
    return omen_segment_section_end(w->out, err);
}

static omen_status whole(omen_part_writer *w, uint32_t kind, const void *bytes, size_t len, omen_error *err) {
    OMEN_TRY(begin(w, kind, 0, 0, OMEN_BLOCK_BYTES, err));
    OMEN_TRY(omen_segment_section_write(w->out, bytes, len, err));
    return end(w, err);
}

static omen_status write_meta(omen_part_writer *w, omen_error *err) {
    uint8_t meta[16 + 12 * OMEN_MAX_VECTOR_FIELDS] = {0};
    omen_put32(meta, 1);
    omen_put32(meta + 4, w->source->rows);
    omen_put32(meta + 8, w->field_count);
    for (uint32_t f = 0; f < w->field_count; f++) {
        omen_put32(meta + 16 + 12 * f, w->fields[f].dimensions);
        omen_put32(meta + 20 + 12 * f, w->fields[f].metric);
        omen_put32(meta + 24 + 12 * f, w->fields[f].element);
    }
    return whole(w, OMEN_SECTION_META, meta, 16u + 12u * (size_t)w->field_count, err);
}

/* Gathers ids, offsets and hashes. */
static omen_status gather_keys(omen_part_writer *w, omen_error *err) {
    uint32_t rows = w->source->rows;
    if (w->keyed == NULL && rows != 0) {
        w->keyed = omen_alloc(w->store->mem, rows * sizeof *w->keyed);
        w->keyed_scratch = omen_alloc(w->store->mem, rows * sizeof *w->keyed);
        w->order = omen_alloc(w->store->mem, rows * sizeof *w->order);
        if (w->keyed == NULL || w->keyed_scratch == NULL || w->order == NULL) return out_of_memory(err);
    }
    if (w->key_offsets.len == 0 && omen_buf_append_u32(&w->key_offsets, 0) != OMEN_OK) return out_of_memory(err);
    size_t from = w->key_bytes.len;
    while (w->row < rows && w->key_bytes.len - from < STEP_BYTES) {
        omen_key key;
        OMEN_TRY(w->source->key(w->source->ctx, w->row, &key, err));
        if (w->key_bytes.len + key.len > OMEN_PART_MAX_KEY_BYTES) return omen_fail(err, OMEN_ERR_TOO_LARGE, "more than 1 GiB of ids in one segment");
        if (omen_buf_append(&w->key_bytes, key.data, key.len) != OMEN_OK) return out_of_memory(err);
        if (omen_buf_append_u32(&w->key_offsets, (uint32_t)w->key_bytes.len) != OMEN_OK) return out_of_memory(err);
        w->keyed[w->row] = (omen_keyed){omen_key_hash(key), w->row, 0};
        w->row++;
    }
    return OMEN_OK;
}

static omen_status write_keys(omen_part_writer *w, omen_error *err) {
    uint32_t rows = w->source->rows;
    OMEN_TRY(whole(w, OMEN_SECTION_KEY_OFFSETS, w->key_offsets.data, w->key_offsets.len, err));
    OMEN_TRY(whole(w, OMEN_SECTION_KEY_BYTES, w->key_bytes.data, w->key_bytes.len, err));
    if (rows == 0) return whole(w, OMEN_SECTION_KEY_ORDER, NULL, 0, err);
    omen_keys_source source = {rows, w->key_bytes.data, (const uint32_t *)(const void *)w->key_offsets.data, w->keyed, w->keyed_scratch, w->order};
    return omen_keys_write(w->store->mem, &source, w->out, err);
}

static omen_status write_docs(omen_part_writer *w, omen_error *err) {
    OMEN_TRY(begin(w, OMEN_SECTION_DOC_BYTES, 0, OMEN_SECTION_ZSTD, OMEN_BLOCK_BYTES, err));
    if (w->doc_offsets.len == 0 && omen_buf_append_u64(&w->doc_offsets, 0) != OMEN_OK) return out_of_memory(err);
    size_t written = 0;
    while (w->row < w->source->rows && written < STEP_BYTES) {
        omen_str doc;
        OMEN_TRY(w->source->doc(w->source->ctx, w->row, &doc, err));
        uint64_t last = omen_get64(w->doc_offsets.data + w->doc_offsets.len - 8);
        if (omen_buf_append_u64(&w->doc_offsets, last + doc.len) != OMEN_OK) return out_of_memory(err);
        OMEN_TRY(omen_segment_section_write(w->out, doc.data, doc.len, err));
        if (w->extra.row != NULL) OMEN_TRY(w->extra.row(w->extra.ctx, w->row, doc, err));
        written += doc.len + 64;
        w->row++;
    }
    return OMEN_OK;
}

static omen_status write_columns(omen_part_writer *w, bool *done, omen_error *err) {
    if (w->columns == NULL) OMEN_TRY(omen_columns_builder_new(w->store->mem, w->source, &w->columns, err));
    OMEN_TRY(omen_columns_builder_step(w->columns, w->out, done, err));
    if (!*done) return OMEN_OK;
    omen_columns_builder_free(w->columns);
    w->columns = NULL;
    return OMEN_OK;
}

/* Where the rows from row 0 on begin, when the first vector comes: none has any. */
static omen_status begin_multi(omen_part_writer *w, const omen_part_field *f, omen_error *err) {
    const uint32_t head[] = {OMEN_MULTI_VERSION, f->dimensions, f->metric, f->element};
    OMEN_TRY(begin(w, OMEN_SECTION_MULTI_VECTORS, w->multi_field, 0, omen_part_rows_per_block(f) * (uint32_t)omen_element_bytes(f->element, f->dimensions), err));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(head); i++)
        if (omen_buf_append_u32(&w->multi_offsets, head[i]) != OMEN_OK) return out_of_memory(err);
    for (uint32_t row = 0; row <= w->row; row++)
        if (omen_buf_append_u64(&w->multi_offsets, 0) != OMEN_OK) return out_of_memory(err);
    return OMEN_OK;
}

static omen_status write_multi_rows(omen_part_writer *w, const omen_part_field *f, omen_error *err) {
    size_t bytes = omen_element_bytes(f->element, f->dimensions), written = 0;
    while (w->row < w->source->rows && written < STEP_BYTES) {
        omen_multi v;
        OMEN_TRY(w->source->multi(w->source->ctx, w->row, w->multi_field, &v, err));
        if (v.count != 0 && w->multi_offsets.len == 0) OMEN_TRY(begin_multi(w, f, err));
        if (v.count != 0) OMEN_TRY(omen_segment_section_write(w->out, v.vectors, v.count * bytes, err));
        w->multi_seen += v.count;
        if (w->multi_offsets.len != 0 && omen_buf_append_u64(&w->multi_offsets, w->multi_seen) != OMEN_OK) return out_of_memory(err);
        written += v.count * bytes + 64;
        w->row++;
    }
    return OMEN_OK;
}

/* A field's vectors, a step's worth; then its offsets. */
static omen_status write_multi(omen_part_writer *w, bool *done, omen_error *err) {
    *done = w->multi_field == w->multi_count;
    if (*done) return OMEN_OK;
    OMEN_TRY(write_multi_rows(w, &w->multi[w->multi_field], err));
    if (w->row < w->source->rows) return OMEN_OK;
    if (w->multi_offsets.len != 0) {
        OMEN_TRY(end(w, err));
        OMEN_TRY(omen_segment_section_begin(w->out, OMEN_SECTION_MULTI_OFFSETS, w->multi_field, 0, OMEN_BLOCK_BYTES, err));
        OMEN_TRY(omen_segment_section_write(w->out, w->multi_offsets.data, w->multi_offsets.len, err));
        OMEN_TRY(omen_segment_section_end(w->out, err));
    }
    w->row = 0;
    w->multi_offsets.len = 0;
    w->multi_seen = 0;
    w->multi_field++;
    return OMEN_OK;
}

static omen_status write_vectors(omen_part_writer *w, omen_error *err) {
    const omen_part_field *f = &w->fields[w->field];
    size_t row_bytes = omen_element_bytes(f->element, f->dimensions), written = 0;
    OMEN_TRY(begin(w, OMEN_SECTION_VECTORS, w->field, 0, omen_part_rows_per_block(f) * (uint32_t)row_bytes, err));
    while (w->row < w->source->rows && written < STEP_BYTES) {
        const void *v;
        OMEN_TRY(w->source->vector(w->source->ctx, w->row, w->field, &v, err));
        OMEN_TRY(omen_segment_section_write(w->out, v, row_bytes, err));
        written += row_bytes;
        w->row++;
    }
    return OMEN_OK;
}

static omen_status write_norms(omen_part_writer *w, omen_error *err) {
    size_t written = 0;
    OMEN_TRY(begin(w, OMEN_SECTION_NORMS, w->field, 0, OMEN_BLOCK_BYTES, err));
    while (w->row < w->source->rows && written < STEP_BYTES) {
        float norm;
        OMEN_TRY(w->source->norm(w->source->ctx, w->row, w->field, &norm, err));
        OMEN_TRY(omen_segment_section_write(w->out, &norm, sizeof norm, err));
        written += 64; /* fetching a norm costs more than its bytes */
        w->row++;
    }
    return OMEN_OK;
}

static omen_status write_tombstones(omen_part_writer *w, omen_error *err) {
    OMEN_TRY(begin(w, OMEN_SECTION_TOMBSTONES, 0, 0, OMEN_BLOCK_BYTES, err));
    uint32_t head[2] = {w->target_count, 0};
    OMEN_TRY(omen_segment_section_write(w->out, head, sizeof head, err));
    for (uint32_t t = 0; t < w->target_count; t++) {
        uint8_t entry[24] = {0};
        memcpy(entry, w->targets[t].segment.bytes, 16);
        omen_put32(entry + 16, w->targets[t].count);
        OMEN_TRY(omen_segment_section_write(w->out, entry, sizeof entry, err));
    }
    for (uint32_t t = 0; t < w->target_count; t++)
        OMEN_TRY(omen_segment_section_write(w->out, w->targets[t].rows, (size_t)w->targets[t].count * 4, err));
    return end(w, err);
}

/* The next field that has norms, from `field` on. */
static uint32_t next_cosine(const omen_part_writer *w, uint32_t field) {
    while (field < w->field_count && w->fields[field].metric != OMEN_METRIC_COSINE) field++;
    return field;
}

omen_status omen_part_writer_step(omen_part_writer *w, omen_segment_info *info, bool *done, omen_error *err) {
    uint32_t rows = w->source->rows;
    *done = false;
    switch (w->stage) {
        case CREATE:
            OMEN_TRY(omen_segment_writer_new(w->store, w->number, &w->out, err));
            w->stage = META;
            return OMEN_OK;
        case META:
            OMEN_TRY(write_meta(w, err));
            w->stage = KEYS;
            return OMEN_OK;
        case KEYS:
            OMEN_TRY(gather_keys(w, err));
            if (w->row == rows) {
                w->row = 0;
                w->stage = KEY_SECTIONS;
            }
            return OMEN_OK;
        case KEY_SECTIONS:
            OMEN_TRY(write_keys(w, err));
            w->stage = DOCS;
            return OMEN_OK;
        case DOCS:
            OMEN_TRY(write_docs(w, err));
            if (w->row == rows) {
                OMEN_TRY(end(w, err));
                w->stage = DOC_OFFSETS;
            }
            return OMEN_OK;
        case DOC_OFFSETS:
            OMEN_TRY(whole(w, OMEN_SECTION_DOC_OFFSETS, w->doc_offsets.data, w->doc_offsets.len, err));
            w->stage = COLUMNS;
            return OMEN_OK;
        case COLUMNS: {
            bool written = false;
            if (omen_get64(w->doc_offsets.data + w->doc_offsets.len - 8) != 0) OMEN_TRY(write_columns(w, &written, err));
            else written = true; /* no row has a document */
            if (written) w->stage = EXTRA;
            return OMEN_OK;
        }
        case EXTRA: {
            bool written = true;
            if (w->extra.write != NULL) OMEN_TRY(w->extra.write(w->extra.ctx, w->out, rows, &written, err));
            if (written) w->stage = MULTI;
            return OMEN_OK;
        }
        case MULTI: {
            bool written;
            OMEN_TRY(write_multi(w, &written, err));
            if (written) w->stage = w->field_count != 0 ? VECTORS : TOMBSTONES;
            return OMEN_OK;
        }
        case VECTORS:
            OMEN_TRY(write_vectors(w, err));
            if (w->row == rows) {
                OMEN_TRY(end(w, err));
                if (++w->field == w->field_count) {
                    w->field = next_cosine(w, 0);
                    w->stage = w->field < w->field_count ? NORMS : TOMBSTONES;
                }
            }
            return OMEN_OK;
        case NORMS:
            OMEN_TRY(write_norms(w, err));
            if (w->row == rows) {
                OMEN_TRY(end(w, err));
                w->field = next_cosine(w, w->field + 1);
                if (w->field == w->field_count) w->stage = TOMBSTONES;
            }
            return OMEN_OK;
        case TOMBSTONES:
            if (w->target_count != 0) OMEN_TRY(write_tombstones(w, err));
            w->stage = FINISH;
            return OMEN_OK;
        case FINISH:
            OMEN_TRY(omen_segment_writer_finish(w->out, info, err));
            w->stage = DONE;
            *done = true;
            return OMEN_OK;
        case DONE: break;
    }
    return omen_fail(err, OMEN_ERR_INTERNAL, "a finished segment writer was stepped again");
}
