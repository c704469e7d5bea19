/* mem.h - memory from the host, counted and limited; growable buffers; arenas. */
#ifndef OMEN_BASE_MEM_H
#define OMEN_BASE_MEM_H

#include <stdatomic.h>

#include "base/base.h"

/* One per database. Thread-safe as far as the host's alloc is. */
typedef struct omen_mem {
    const omen_host *host;
    _Atomic uint64_t bytes; /* now in use */
    _Atomic uint64_t peak;
    uint64_t limit;         /* 0: none */
} omen_mem;

void omen_mem_init(omen_mem *m, const omen_host *host, uint64_t limit);
/* 64-byte aligned, uninitialised; NULL when there is none or the limit is reached, and for size 0. */
void *omen_alloc(omen_mem *m, size_t size);
void *omen_alloc_zero(omen_mem *m, size_t size);
/* Sizes are those given to omen_alloc. p may be NULL. */
void *omen_resize(omen_mem *m, void *p, size_t old_size, size_t new_size);
void omen_free(omen_mem *m, void *p, size_t size);

/* A growable run of bytes. Zero-initialise `{.mem = m}`; data is 64-byte aligned. */
typedef struct omen_buf {
    omen_mem *mem;
    uint8_t *data;
    size_t len, cap;
} omen_buf;

void omen_buf_init(omen_buf *b, omen_mem *m);
void omen_buf_deinit(omen_buf *b);
/* All answer OMEN_OK or OMEN_ERR_MEMORY; on failure the buffer is as before. */
omen_status omen_buf_reserve(omen_buf *b, size_t extra);
omen_status omen_buf_append(omen_buf *b, const void *bytes, size_t len); /* bytes may be NULL: zeros */
omen_status omen_buf_append_str(omen_buf *b, const char *text);
omen_status omen_buf_append_u32(omen_buf *b, uint32_t v);
omen_status omen_buf_append_u64(omen_buf *b, uint64_t v);
omen_status omen_buf_align(omen_buf *b, size_t to); /* zero bytes up to a multiple of `to` */

/* Bump allocator; everything goes at once. Blocks of at least `block` bytes. */
typedef struct omen_arena {
    omen_mem *mem;
    struct omen_arena_block *head;
    size_t block;
    size_t bytes; /* total held from mem */
} omen_arena;

void omen_arena_init(omen_arena *a, omen_mem *m, size_t block);
void omen_arena_deinit(omen_arena *a);
/* align: a power of two up to 64. NULL when out of memory. */
void *omen_arena_alloc(omen_arena *a, size_t size, size_t align);
void *omen_arena_copy(omen_arena *a, const void *bytes, size_t len); /* alignment 1, len 0 gives a non-NULL pointer */

#endif
