/* segment_copy.h - a segment with the sections of another and right checksums, some of them changed: what a reader finds that has no checksum to warn it. */
#ifndef OMEN_SEGMENT_COPY_H
#define OMEN_SEGMENT_COPY_H

#include <stdlib.h>

#include "store/segment.h"
#include "store_fixture.h"
#include "test.h"

/* What becomes of one section; all zeros: nothing. */
typedef struct segment_change {
    uint32_t kind, field;
    bool leave_out;
    size_t at; /* `bytes`, or the number (of 4 bytes, of 8 with `wide`) if it is set, go here */
    const void *bytes;
    size_t len;
    bool set, wide;
    uint64_t number;
    int64_t cut;        /* added to the length: less than 0 cuts; what is longer ends in zeros */
    uint32_t flags;     /* exclusive or */
    uint32_t block_len; /* 0: as it was */
    void (*edit)(uint8_t *bytes, size_t len); /* NULL: none; last of all */
} segment_change;

static inline void segment_copy_section(omen_segment *from, const omen_section *s, const segment_change *changes, size_t count, omen_segment_writer *out) {
    size_t len = (size_t)s->raw_len, cap = len + 65536, done = 0;
    uint8_t *bytes = calloc(cap, 1);
    uint32_t flags = s->flags, block_len = s->block_len;
    omen_status st = OMEN_OK;
    if (len != 0) STEP(st, omen_segment_read(from, s, 0, len, bytes, &done, NULL));
    CHECK_OK(st);
    bool left_out = false;
    for (size_t i = 0; i < count; i++) {
        const segment_change *c = &changes[i];
        if (c->kind != s->kind || c->field != s->field) continue;
        left_out = left_out || c->leave_out;
        if (c->len != 0) memcpy(bytes + c->at, c->bytes, c->len);
        if (c->set && c->wide) omen_put64(bytes + c->at, c->number);
        else if (c->set) omen_put32(bytes + c->at, (uint32_t)c->number);
        if (c->cut < 0) memset(bytes + (size_t)((int64_t)len + c->cut), 0, (size_t)-c->cut);
        len = (size_t)((int64_t)len + c->cut);
        CHECK(len <= cap);
        flags ^= c->flags;
        if (c->block_len != 0) block_len = c->block_len;
        if (c->edit != NULL) c->edit(bytes, len);
    }
    if (!left_out) {
        CHECK_OK(omen_segment_section_begin(out, s->kind, s->field, flags, block_len, NULL));
        CHECK_OK(omen_segment_section_write(out, bytes, len, NULL));
        CHECK_OK(omen_segment_section_end(out, NULL));
    }
    free(bytes);
}

/* Writes it as segment `number`. */
static inline void segment_copy(omen_store *st, omen_segment *from, uint64_t number, const segment_change *changes, size_t count, omen_segment_info *info) {
    omen_segment_writer *out = NULL;
    omen_status s;
    STEP(s, omen_segment_writer_new(st, number, &out, NULL));
    REQUIRE_OK(s);
    for (size_t i = 0; i < omen_segment_section_count(from); i++) segment_copy_section(from, omen_segment_section_at(from, i), changes, count, out);
    STEP(s, omen_segment_writer_finish(out, info, NULL));
    CHECK_OK(s);
    omen_segment_writer_free(out);
}

/* The pool of a store forgets each block of the segment that is opened next when another is read, so that every look that may read does. x is looked at until the
 * storage is told otherwise (fault_storage_on_call). */
static uint64_t segment_forgotten;
static inline void segment_forget(void *arg, const fault_storage *fs) {
    fixture *x = arg;
    (void)fs;
    omen_pool_forget(x->store.pool, segment_forgotten);
}
static TEST_UNUSED void segment_forget_next(fixture *x) {
    segment_forgotten = omen_pool_owner(x->store.pool) + 1;
    fault_storage_on_call(x->fs, segment_forget, x);
}

#endif
