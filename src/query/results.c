#include "query/results.h"

omen_results *omen_results_new(omen_mem *m) {
    omen_results *r = omen_alloc_zero(m, sizeof *r);
    if (r == NULL) return NULL;
    r->mem = m;
    omen_buf *columns[] = {&r->found, &r->key_offsets, &r->key_bytes, &r->distances, &r->scores, &r->doc_offsets, &r->doc_bytes,
                           &r->legs, &r->subs, &r->groups.offsets, &r->groups.bytes, &r->highlights.offsets, &r->highlights.bytes, &r->facets};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(columns); i++) omen_buf_init(columns[i], m);
    for (size_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) omen_buf_init(&r->vectors[f], m);
    if (omen_buf_append_u32(&r->key_offsets, 0) != OMEN_OK || omen_buf_append_u32(&r->doc_offsets, 0) != OMEN_OK) {
        omen_results_free(r);
        return NULL;
    }
    return r;
}

void omen_results_free(omen_results *r) {
    if (r == NULL) return;
    omen_buf *columns[] = {&r->found, &r->key_offsets, &r->key_bytes, &r->distances, &r->scores, &r->doc_offsets, &r->doc_bytes,
                           &r->legs, &r->subs, &r->groups.offsets, &r->groups.bytes, &r->highlights.offsets, &r->highlights.bytes, &r->facets};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(columns); i++) omen_buf_deinit(columns[i]);
    for (size_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) omen_buf_deinit(&r->vectors[f]);
    omen_free(r->mem, r, sizeof *r);
}

omen_status omen_results_add_key(omen_results *r, omen_key key, bool found) {
    uint8_t flag = found;
    OMEN_TRY(omen_buf_append(&r->found, &flag, 1));
    if (key.len != 0) OMEN_TRY(omen_buf_append(&r->key_bytes, key.data, key.len));
    OMEN_TRY(omen_buf_append_u32(&r->key_offsets, (uint32_t)r->key_bytes.len));
    r->count++;
    return OMEN_OK;
}

omen_status omen_results_end_doc(omen_results *r) {
    if (r->doc_bytes.len > UINT32_MAX) return OMEN_ERR_TOO_LARGE;
    return omen_buf_append_u32(&r->doc_offsets, (uint32_t)r->doc_bytes.len);
}

omen_status omen_results_end_text(omen_text_column *c) {
    if (c->bytes.len > UINT32_MAX) return OMEN_ERR_TOO_LARGE;
    if (c->offsets.len == 0) OMEN_TRY(omen_buf_append_u32(&c->offsets, 0));
    return omen_buf_append_u32(&c->offsets, (uint32_t)c->bytes.len);
}

static omen_status pick_text(const omen_buf *offsets, const omen_buf *bytes, uint32_t row, omen_text_column *out) {
    if (offsets->len == 0) return OMEN_OK;
    uint32_t at[2];
    memcpy(at, offsets->data + (size_t)row * 4, 8);
    if (at[1] != at[0]) OMEN_TRY(omen_buf_append(&out->bytes, bytes->data + at[0], at[1] - at[0]));
    return omen_results_end_text(out);
}

static omen_status pick_row(const omen_results *r, uint32_t row, float score, omen_results *out) {
    float distance = omen_results_distance(r, row);
    omen_str doc = omen_results_document(r, row);
    OMEN_TRY(omen_results_add_key(out, omen_results_key(r, row), true));
    OMEN_TRY(omen_buf_append(&out->distances, &distance, sizeof distance));
    OMEN_TRY(omen_buf_append(&out->scores, &score, sizeof score));
    if (doc.len != 0) OMEN_TRY(omen_buf_append(&out->doc_bytes, doc.data, doc.len));
    OMEN_TRY(omen_results_end_doc(out));
    for (uint32_t f = 0; f < r->field_count; f++) {
        const void *v = omen_results_vector(r, row, f);
        if (v != NULL) OMEN_TRY(omen_buf_append(&out->vectors[f], v, r->row_bytes[f]));
    }
    if (r->leg_count != 0) OMEN_TRY(omen_buf_append(&out->subs, r->subs.data + (size_t)row * r->leg_count * sizeof(float), r->leg_count * sizeof(float)));
    OMEN_TRY(pick_text(&r->groups.offsets, &r->groups.bytes, row, &out->groups));
    return pick_text(&r->highlights.offsets, &r->highlights.bytes, row, &out->highlights);
}

omen_results *omen_results_pick(const omen_results *r, const uint32_t *rows, const float *scores, uint32_t count) {
    omen_results *out = omen_results_new(r->mem);
    if (out == NULL) return NULL;
    out->field_count = r->field_count;
    memcpy(out->row_bytes, r->row_bytes, sizeof out->row_bytes);
    out->leg_count = r->leg_count;
    omen_status s = OMEN_OK;
    if (r->legs.len != 0) s = omen_buf_append(&out->legs, r->legs.data, r->legs.len);
    if (s == OMEN_OK && r->facets.len != 0) s = omen_buf_append(&out->facets, r->facets.data, r->facets.len);
    for (uint32_t i = 0; i < count && s == OMEN_OK; i++) s = pick_row(r, rows[i], scores[rows[i]], out);
    if (s == OMEN_OK) return out;
    omen_results_free(out);
    return NULL;
}

omen_key omen_results_key(const omen_results *r, size_t i) {
    const uint32_t *at = (const uint32_t *)(const void *)r->key_offsets.data + i;
    return (omen_key){r->key_bytes.data + at[0], at[1] - at[0]};
}

size_t omen_results_count(const omen_results *r) { return r->count; }

int omen_results_found(const omen_results *r, size_t i) { return i < r->count && (r->found.len == 0 || r->found.data[i] != 0); }

omen_id omen_results_id(const omen_results *r, size_t i) {
    return i < r->count && r->key_bytes.len != 0 ? omen_key_decode(omen_results_key(r, i)) : (omen_id){{NULL, 0}, 0};
}

static float cell(const omen_buf *column, size_t i) {
    float v = 0.0f;
    if (i < column->len / sizeof v) memcpy(&v, column->data + i * sizeof v, sizeof v);
    return v;
}

float omen_results_distance(const omen_results *r, size_t i) { return cell(&r->distances, i); }
float omen_results_score(const omen_results *r, size_t i) { return cell(&r->scores, i); }

static omen_str text(const omen_buf *offsets, const omen_buf *bytes, size_t i) {
    if (i + 1 >= offsets->len / 4) return (omen_str){"", 0};
    const uint32_t *at = (const uint32_t *)(const void *)offsets->data + i;
    return at[1] == at[0] ? (omen_str){"", 0} : (omen_str){(const char *)bytes->data + at[0], at[1] - at[0]};
}

omen_str omen_results_document(const omen_results *r, size_t i) {
    return text(&r->doc_offsets, &r->doc_bytes, i);
}

float omen_results_leg_score(const omen_results *r, size_t i, uint32_t leg) {
    if (r->leg_count == 0) return leg == 0 ? omen_results_score(r, i) : __builtin_nanf("");
    return leg < r->leg_count && i < r->count ? cell(&r->subs, i * r->leg_count + leg) : __builtin_nanf("");
}
uint32_t omen_results_leg_count(const omen_results *r) { return r->leg_count == 0 ? 1 : r->leg_count; }
omen_str omen_results_legs(const omen_results *r) { return r->legs.len == 0 ? (omen_str){"", 0} : (omen_str){(const char *)r->legs.data, r->legs.len}; }
omen_str omen_results_group(const omen_results *r, size_t i) { return text(&r->groups.offsets, &r->groups.bytes, i); }
omen_str omen_results_highlights(const omen_results *r, size_t i) { return text(&r->highlights.offsets, &r->highlights.bytes, i); }
omen_str omen_results_facets(const omen_results *r) { return r->facets.len == 0 ? (omen_str){"", 0} : (omen_str){(const char *)r->facets.data, r->facets.len}; }

const void *omen_results_vector(const omen_results *r, size_t i, uint32_t field) {
    if (field >= r->field_count || i >= r->count) return NULL;
    size_t row = r->row_bytes[field];
    return (i + 1) * row <= r->vectors[field].len ? r->vectors[field].data + i * row : NULL;
}
