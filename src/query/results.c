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
