/* chunks.h - an append-only array that never moves its elements, so that readers may hold pointers while the writer appends. Chunk sizes
 * double from 2^first elements to 2^cap, then stay. One writer, many readers; elements become visible by what the caller publishes. */
#ifndef OMEN_DB_CHUNKS_H
#define OMEN_DB_CHUNKS_H

#include <stdatomic.h>

#include "base/mem.h"

typedef struct omen_chunks_dir {
    struct omen_chunks_dir *retired; /* an outgrown directory: readers may still look at it */
    uint32_t cap;
    uint8_t *chunk[];
} omen_chunks_dir;

typedef struct omen_chunks {
    omen_mem *mem;
    size_t size; /* bytes of an element */
    uint32_t first, cap;
    uint32_t count;     /* the writer's */
    uint32_t allocated; /* chunks */
    size_t bytes;
    _Atomic(omen_chunks_dir *) dir;
} omen_chunks;

/* Elements of `size` bytes (not 0); the first chunk has about first_bytes, the largest about cap_bytes. */
void omen_chunks_init(omen_chunks *c, omen_mem *m, size_t size, size_t first_bytes, size_t cap_bytes);
void omen_chunks_deinit(omen_chunks *c);
/* Makes sure that `extra` more elements fit. OMEN_ERR_MEMORY; the elements are as before. */
omen_status omen_chunks_reserve(omen_chunks *c, uint32_t extra);
/* Room for the next element, which omen_chunks_reserve promised. */
void *omen_chunks_push(omen_chunks *c);
/* Element i, and how many lie together from it on (run may be NULL). */
void *omen_chunks_at(const omen_chunks *c, uint32_t i, uint32_t *run);

#endif
