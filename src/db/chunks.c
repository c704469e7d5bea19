#include "db/chunks.h"

static uint32_t log2_of(size_t n) { return n <= 1 ? 0 : 63u - (uint32_t)__builtin_clzll((unsigned long long)n); }

void omen_chunks_init(omen_chunks *c, omen_mem *m, size_t size, size_t first_bytes, size_t cap_bytes) {
    *c = (omen_chunks){.mem = m, .size = size};
    c->first = log2_of(first_bytes / size);
    c->cap = OMEN_MAX(c->first, log2_of(cap_bytes / size));
}

/* Chunk j holds 2^min(first + j, cap) elements. */
static size_t chunk_elements(const omen_chunks *c, uint32_t j) { return (size_t)1 << OMEN_MIN(c->first + j, c->cap); }

/* While sizes double, chunk j begins at element 2^(first + j) - 2^first; afterwards all are 2^cap. */
static void locate(const omen_chunks *c, uint32_t i, uint32_t *chunk, uint32_t *offset) {
    uint32_t doubling = c->cap - c->first;
    uint64_t base = ((uint64_t)1 << c->cap) - ((uint64_t)1 << c->first);
    if (i < base) {
        uint64_t shifted = (uint64_t)i + ((uint64_t)1 << c->first);
        uint32_t log2 = 63u - (uint32_t)__builtin_clzll(shifted);
        *chunk = log2 - c->first;
        *offset = (uint32_t)(shifted - ((uint64_t)1 << log2));
    } else {
        *chunk = doubling + (uint32_t)((i - base) >> c->cap);
        *offset = (uint32_t)((i - base) & (((uint64_t)1 << c->cap) - 1));
    }
}

static omen_status grow_dir(omen_chunks *c, uint32_t need) {
    omen_chunks_dir *old = atomic_load_explicit(&c->dir, memory_order_relaxed);
    if (old != NULL && old->cap >= need) return OMEN_OK;
    uint32_t cap = OMEN_MAX(8u, old == NULL ? need : OMEN_MAX(need, old->cap * 2));
    omen_chunks_dir *dir = omen_alloc(c->mem, sizeof *dir + cap * sizeof dir->chunk[0]);
    if (dir == NULL) return OMEN_ERR_MEMORY;
    dir->retired = old;
    dir->cap = cap;
    if (old != NULL) memcpy(dir->chunk, old->chunk, c->allocated * sizeof dir->chunk[0]);
    atomic_store_explicit(&c->dir, dir, memory_order_release);
    c->bytes += sizeof *dir + cap * sizeof dir->chunk[0];
    return OMEN_OK;
}

omen_status omen_chunks_reserve(omen_chunks *c, uint32_t extra) {
    if (extra == 0) return OMEN_OK;
    if (extra > UINT32_MAX - 1 - c->count) return OMEN_ERR_MEMORY;
    uint32_t chunk, offset;
    locate(c, c->count + extra - 1, &chunk, &offset);
    OMEN_TRY(grow_dir(c, chunk + 1));
    omen_chunks_dir *dir = atomic_load_explicit(&c->dir, memory_order_relaxed);
    while (c->allocated <= chunk) {
        size_t bytes = chunk_elements(c, c->allocated) * c->size;
        uint8_t *p = omen_alloc(c->mem, bytes);
        if (p == NULL) return OMEN_ERR_MEMORY;
        dir->chunk[c->allocated++] = p;
        c->bytes += bytes;
    }
    return OMEN_OK;
}

void *omen_chunks_push(omen_chunks *c) {
    c->count++;
    return omen_chunks_at(c, c->count - 1, NULL);
}

void *omen_chunks_at(const omen_chunks *c, uint32_t i, uint32_t *run) {
    uint32_t chunk, offset;
    locate(c, i, &chunk, &offset);
    if (run != NULL) *run = (uint32_t)chunk_elements(c, chunk) - offset;
    return atomic_load_explicit(&c->dir, memory_order_acquire)->chunk[chunk] + (size_t)offset * c->size;
}

void omen_chunks_deinit(omen_chunks *c) {
    omen_chunks_dir *dir = atomic_load_explicit(&c->dir, memory_order_relaxed);
    for (uint32_t j = 0; j < c->allocated; j++) omen_free(c->mem, dir->chunk[j], chunk_elements(c, j) * c->size);
    while (dir != NULL) {
        omen_chunks_dir *next = dir->retired;
        omen_free(c->mem, dir, sizeof *dir + dir->cap * sizeof dir->chunk[0]);
        dir = next;
    }
    atomic_store_explicit(&c->dir, NULL, memory_order_relaxed);
    c->allocated = c->count = 0;
}
