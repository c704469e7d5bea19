/* segment_model.h - a segment of known content for tests. */
#ifndef OMEN_SEGMENT_MODEL_H
#define OMEN_SEGMENT_MODEL_H

#include <stdlib.h>

#include "store/segment.h"
#include "store_fixture.h"

typedef struct model_section {
    uint32_t kind, field, flags, block_len;
    size_t len;
    unsigned noise; /* 0: repeats itself; otherwise random */
} model_section;

static inline uint8_t model_byte(const model_section *s, size_t i) {
    uint64_t h = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) + s->kind * 977 + s->field;
    if (s->noise == 0) return (uint8_t)("the quick brown vector "[i % 23] + (i / 4096));
    return (uint8_t)(h >> 40 ^ h >> 13);
}

/* Writes segment `number`, in pieces of up to `piece` bytes. */
static inline omen_status model_write(fixture *x, uint64_t number, const model_section *sections, size_t count, size_t piece,
                                      omen_segment_info *info) {
    omen_segment_writer *w;
    omen_status s;
    STEP(s, omen_segment_writer_new(&x->store, number, &w, NULL));
    if (s != OMEN_OK) return s;
    for (size_t i = 0; i < count && s == OMEN_OK; i++) {
        const model_section *m = &sections[i];
        uint8_t *bytes = malloc(m->len + 1);
        for (size_t b = 0; b < m->len; b++) bytes[b] = model_byte(m, b);
        s = omen_segment_section_begin(w, m->kind, m->field, m->flags, m->block_len, NULL);
        for (size_t at = 0; at < m->len && s == OMEN_OK; at += piece)
            s = omen_segment_section_write(w, bytes + at, m->len - at < piece ? m->len - at : piece, NULL);
        if (s == OMEN_OK) s = omen_segment_section_end(w, NULL);
        free(bytes);
    }
    if (s == OMEN_OK) STEP(s, omen_segment_writer_finish(w, info, NULL));
    omen_segment_writer_free(w);
    return s;
}

static inline omen_status model_open(fixture *x, const omen_segment_info *info, omen_segment **out, omen_error *err) {
    omen_status s;
    *out = NULL;
    STEP(s, omen_segment_open(&x->store, info, out, err));
    return s;
}

/* Reads every block of every section: OMEN_OK when all is as it was written, the first failure, or OMEN_ERR_INTERNAL for wrong data. */
static inline omen_status model_read(fixture *x, omen_segment *seg, const model_section *sections, size_t count, omen_error *err) {
    if (omen_segment_section_count(seg) != count) return OMEN_ERR_INTERNAL;
    for (size_t i = 0; i < count; i++) {
        const model_section *m = &sections[i];
        const omen_section *sec = omen_segment_section(seg, m->kind, m->field);
        if (sec == NULL || sec->raw_len != m->len || sec->flags != m->flags || sec->block_len != m->block_len) return OMEN_ERR_INTERNAL;
        size_t at = 0;
        for (uint32_t b = 0; b < sec->block_count; b++) {
            const omen_block *block;
            omen_status s;
            STEP(s, omen_segment_block(seg, sec, b, &block, err));
            if (s != OMEN_OK) return s;
            bool right = (uintptr_t)block->data % 64 == 0 && block->len == (m->len - at < m->block_len ? m->len - at : m->block_len);
            for (uint32_t k = 0; k < block->len && right; k++) right = block->data[k] == model_byte(m, at + k);
            at += block->len;
            omen_block_release(x->store.pool, block);
            if (!right) return OMEN_ERR_INTERNAL;
        }
        if (at != m->len) return OMEN_ERR_INTERNAL;
    }
    return OMEN_OK;
}

static inline omen_status model_verify(omen_segment *seg, omen_error *err) {
    omen_segment_check place = {0};
    omen_status s;
    STEP(s, omen_segment_verify(seg, &place, err));
    omen_segment_check_deinit(seg, &place);
    return s;
}

#endif
