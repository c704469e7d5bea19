#include "column/part_vectors.h"

#include "column/element.h"

#define WIDE_BYTES 65536u

void omen_part_vectors_init(omen_part_vectors *v, omen_part *p, uint32_t field) { *v = (omen_part_vectors){.part = p, .field = field}; }

static size_t wide_bytes(const omen_part_vectors *v) { return (size_t)v->wide_rows * v->part->fields[v->field].dimensions * sizeof(float); }

/* `n` rows of the block from `at` on, as floats. */
static omen_status widen(omen_part_vectors *v, const uint8_t *at, uint32_t n, omen_error *err) {
    const omen_part_field *f = &v->part->fields[v->field];
    if (v->wide == NULL) {
        v->wide_rows = OMEN_MAX(1u, WIDE_BYTES / (f->dimensions * (uint32_t)sizeof(float)));
        v->wide = omen_alloc(v->part->store->mem, wide_bytes(v));
        if (v->wide == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading vectors");
    }
    omen_element_widen(f->element, f->dimensions, at, OMEN_MIN(n, v->wide_rows), v->wide);
    return OMEN_OK;
}

omen_status omen_part_vectors_read(void *ctx, uint32_t row, uint32_t limit, const void **vectors, uint32_t *count, omen_error *err) {
    omen_part_vectors *v = ctx;
    const omen_part_field *f = &v->part->fields[v->field];
    OMEN_ASSERT(limit != 0 && row < v->part->rows);
    if (v->block == NULL || row < v->first || row - v->first >= v->count) {
        omen_part_vectors_rest(v);
        OMEN_TRY(omen_part_vector_block(v->part, v->field, row, &v->block, &v->first, &v->count, err));
    }
    const uint8_t *at = v->block->data + (row - v->first) * omen_element_bytes(f->element, f->dimensions);
    uint32_t n = OMEN_MIN(limit, v->first + v->count - row);
    if (f->element == OMEN_ELEMENT_F16 || f->element == OMEN_ELEMENT_I8) {
        OMEN_TRY(widen(v, at, n, err));
        n = OMEN_MIN(n, v->wide_rows);
        at = (const uint8_t *)v->wide;
    }
    *vectors = at;
    *count = n;
    return OMEN_OK;
}

void omen_part_vectors_rest(omen_part_vectors *v) {
    if (v->block != NULL) omen_block_release(v->part->store->pool, v->block);
    v->block = NULL;
}

void omen_part_vectors_deinit(omen_part_vectors *v) {
    if (v->part == NULL) return;
    omen_part_vectors_rest(v);
    omen_free(v->part->store->mem, v->wide, v->wide == NULL ? 0 : wide_bytes(v));
    *v = (omen_part_vectors){0};
}
