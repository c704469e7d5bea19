#include "column/multi.h"

#include "column/element.h"

static uint32_t bytes_of(const omen_part_field *f) { return (uint32_t)omen_element_bytes(f->element, f->dimensions); }

/* ---- what documents and queries say ---- */

/* One vector: its numbers as floats. */
static omen_status read_numbers(const omen_json_val *v, const omen_part_field *f, const char *what, size_t number, float *into, omen_error *err) {
    if (!omen_json_is_array(v)) return omen_fail(err, OMEN_ERR_INVALID, "%s: vector %zu is no array of numbers", what, number);
    if (omen_json_count(v) != f->dimensions)
        return omen_fail(err, OMEN_ERR_DIMENSION, "%s: vector %zu has %zu numbers, the field has %u dimensions", what, number, omen_json_count(v), f->dimensions);
    omen_json_iter it = omen_json_iter_of(v);
    for (uint32_t d = 0; d < f->dimensions; d++) {
        double n;
        if (!omen_json_f64(omen_json_next(&it), &n)) return omen_fail(err, OMEN_ERR_INVALID, "%s: vector %zu has no number at dimension %u", what, number, d);
        into[d] = (float)n;
        if (into[d] - into[d] != 0.0f) return omen_fail(err, OMEN_ERR_NOT_FINITE, "%s: vector %zu is too large for a 32-bit float at dimension %u", what, number, d);
    }
    return OMEN_OK;
}

static omen_status scale(const omen_part_field *f, const char *what, size_t number, float *v, omen_error *err) {
    if (f->metric != OMEN_METRIC_COSINE) return OMEN_OK;
    float norm = omen_element_norm(OMEN_ELEMENT_F32, v, f->dimensions);
    if (norm == 0.0f)
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "%s: vector %zu has no direction (its length is zero, too small or too large); cosine needs one", what, number);
    for (uint32_t d = 0; d < f->dimensions; d++) v[d] /= norm;
    return OMEN_OK;
}

omen_status omen_multi_read(const omen_json_val *value, const omen_part_field *field, uint32_t most, const char *what, omen_arena *arena, omen_multi *out, omen_error *err) {
    size_t count = omen_json_count(value), bytes = bytes_of(field);
    *out = (omen_multi){NULL, 0};
    if (value == NULL || omen_json_is_null(value)) return OMEN_OK;
    if (!omen_json_is_array(value)) return omen_fail(err, OMEN_ERR_INVALID, "%s must be an array of vectors: [[0.1, 0.2], [0.3, 0.4]]", what);
    if (count == 0 || count > most) return omen_fail(err, OMEN_ERR_INVALID, "%s has %zu vectors; 1 to %u are allowed", what, count, most);
    bool narrow = field->element == OMEN_ELEMENT_F16;
    uint8_t *stored = omen_arena_alloc(arena, count * bytes, 64);
    float *floats = narrow ? omen_arena_alloc(arena, field->dimensions * sizeof *floats, 64) : NULL;
    if (stored == NULL || (narrow && floats == NULL)) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for %zu vectors", count);
    omen_json_iter it = omen_json_iter_of(value);
    for (size_t i = 0; i < count; i++) {
        void *at = stored + i * bytes;
        float *v = narrow ? floats : at;
        OMEN_TRY(read_numbers(omen_json_next(&it), field, what, i, v, err));
        OMEN_TRY(scale(field, what, i, v, err));
        if (!narrow) continue;
        omen_f16_narrow_all(v, field->dimensions, at);
        if (!omen_element_finite(field->element, at, field->dimensions)) return omen_fail(err, OMEN_ERR_NOT_FINITE, "%s: vector %zu has a number too large for a 16-bit float", what, i);
    }
    *out = (omen_multi){stored, (uint32_t)count};
    return OMEN_OK;
}

/* ---- parts ---- */

static omen_status damaged(const omen_part *p, uint32_t field, omen_error *err, const char *what) {
    omen_file_name name = omen_segment_file_name(omen_segment_info_of(p->segment)->number);
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s: of the field of several vectors number %u, %s; restore the file from a backup", name.text, field, what);
}

static omen_status open_field(omen_part *p, const omen_part_field *f, uint32_t field, omen_error *err) {
    omen_part_multi m = {.of = *f, .offsets = omen_segment_section(p->segment, OMEN_SECTION_MULTI_OFFSETS, field), .vectors = omen_segment_section(p->segment, OMEN_SECTION_MULTI_VECTORS, field)};
    uint8_t header[OMEN_MULTI_HEADER], last[8];
    size_t done = 0;
    if ((m.offsets == NULL) != (m.vectors == NULL)) return damaged(p, field, err, "a section is missing");
    if (m.offsets != NULL) {
        if (m.offsets->flags != 0 || m.offsets->block_len != OMEN_BLOCK_BYTES || m.offsets->raw_len != OMEN_MULTI_HEADER + ((uint64_t)p->rows + 1) * 8)
            return damaged(p, field, err, "the offsets have the wrong size");
        OMEN_TRY(omen_segment_read(p->segment, m.offsets, 0, sizeof header, header, &done, err));
        done = 0;
        OMEN_TRY(omen_segment_read(p->segment, m.offsets, m.offsets->raw_len - 8, 8, last, &done, err));
        if (omen_get32(header) != OMEN_MULTI_VERSION) return omen_fail(err, OMEN_ERR_VERSION, "segment written by a newer OmenDB; upgrade this one");
        if (omen_get32(header + 4) != f->dimensions || omen_get32(header + 8) != f->metric || omen_get32(header + 12) != f->element)
            return damaged(p, field, err, "they are other vectors than the collection's");
        m.count = omen_get64(last);
        if (m.count == 0 || m.count > (uint64_t)p->rows * OMEN_MAX_MULTI_VECTORS) return damaged(p, field, err, "the number of vectors is impossible");
        if (m.vectors->flags != 0 || m.vectors->block_len != omen_part_rows_per_block(f) * bytes_of(f) || m.vectors->raw_len != m.count * bytes_of(f))
            return damaged(p, field, err, "the vectors have the wrong size");
    }
    p->multi[field] = m;
    return OMEN_OK;
}

omen_status omen_part_multi_open(omen_part *p, const omen_part_field *fields, uint32_t count, omen_error *err) {
    OMEN_ASSERT(count <= OMEN_MAX_MULTI_FIELDS);
    for (; p->multi_count < count; p->multi_count++) OMEN_TRY(open_field(p, &fields[p->multi_count], p->multi_count, err));
    return OMEN_OK;
}

omen_status omen_part_multi_find(omen_part *p, uint32_t field, uint32_t row, uint64_t *first, uint32_t *count, omen_error *err) {
    const omen_part_multi *m = &p->multi[field];
    uint8_t at[16];
    size_t done = 0;
    OMEN_ASSERT(field < p->multi_count && row < p->rows);
    *first = 0;
    *count = 0;
    if (m->offsets == NULL) return OMEN_OK;
    OMEN_TRY(omen_segment_read(p->segment, m->offsets, OMEN_MULTI_HEADER + (uint64_t)row * 8, sizeof at, at, &done, err));
    uint64_t from = omen_get64(at), to = omen_get64(at + 8);
    if (to < from || to > m->count || to - from > OMEN_MAX_MULTI_VECTORS) return damaged(p, field, err, "an offset is impossible");
    *first = from;
    *count = (uint32_t)(to - from);
    return OMEN_OK;
}

omen_status omen_part_multi_block(omen_part *p, uint32_t field, uint64_t at, const omen_block **block, const void **vectors, uint32_t *run, omen_error *err) {
    const omen_part_multi *m = &p->multi[field];
    uint32_t bytes = bytes_of(&m->of), per = omen_part_rows_per_block(&m->of), inside = (uint32_t)(at % per);
    OMEN_ASSERT(at < m->count);
    OMEN_TRY(omen_segment_block(p->segment, m->vectors, (uint32_t)(at / per), block, err));
    *vectors = (*block)->data + (size_t)inside * bytes;
    *run = (*block)->len / bytes - inside;
    return OMEN_OK;
}

omen_status omen_part_multi_copy(omen_part *p, uint32_t field, uint64_t first, uint32_t count, void *into, size_t *done, omen_error *err) {
    const omen_part_multi *m = &p->multi[field];
    size_t bytes = bytes_of(&m->of);
    return omen_segment_read(p->segment, m->vectors, first * bytes, count * bytes, into, done, err);
}

static omen_status verify_field(omen_part *p, omen_part_multi_check *c, omen_error *err) {
    const omen_part_multi *m = &p->multi[c->field];
    if (m->offsets == NULL) return OMEN_OK;
    for (; c->row < p->rows; c->row++) {
        uint64_t first;
        uint32_t count;
        OMEN_TRY(omen_part_multi_find(p, c->field, c->row, &first, &count, err));
        if (first != c->seen) return damaged(p, c->field, err, "the offsets do not begin with 0"); /* each later one was the end of the row before */
        c->seen += count;
    }
    while (c->block < m->count) {
        const omen_block *block;
        const void *vectors;
        uint32_t run;
        OMEN_TRY(omen_part_multi_block(p, c->field, c->block, &block, &vectors, &run, err));
        bool finite = omen_element_finite(m->of.element, vectors, (size_t)run * m->of.dimensions);
        omen_block_release(p->store->pool, block);
        if (!finite) return damaged(p, c->field, err, "a vector is NaN or infinite");
        c->block += run;
    }
    return OMEN_OK;
}

omen_status omen_part_multi_verify(omen_part *p, omen_part_multi_check *c, omen_error *err) {
    for (; c->field < p->multi_count; *c = (omen_part_multi_check){.field = c->field + 1}) OMEN_TRY(verify_field(p, c, err));
    return OMEN_OK;
}
