#include "query/results.h"

omen_results *omen_results_new(omen_mem *m) {
    omen_results *r = omen_alloc_zero(m, sizeof *r);
    if (r == NULL) return NULL;
    r->mem = m;
    omen_buf *columns[] = {&r->found, &r->key_offsets, &r->key_bytes, &r->distances, &r->scores, &r->doc_offsets, &r->doc_bytes};
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
    omen_buf *columns[] = {&r->found, &r->key_offsets, &r->key_bytes, &r->distances, &r->scores, &r->doc_offsets, &r->doc_bytes};
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

omen_str omen_results_document(const omen_results *r, size_t i) {
    if (i + 1 >= r->doc_offsets.len / 4) return (omen_str){"", 0};
    const uint32_t *at = (const uint32_t *)(const void *)r->doc_offsets.data + i;
    return at[1] == at[0] ? (omen_str){"", 0} : (omen_str){(const char *)r->doc_bytes.data + at[0], at[1] - at[0]};
}

const void *omen_results_vector(const omen_results *r, size_t i, uint32_t field) {
    if (field >= r->field_count || i >= r->count) return NULL;
    size_t row = r->row_bytes[field];
    return (i + 1) * row <= r->vectors[field].len ? r->vectors[field].data + i * row : NULL;
}
