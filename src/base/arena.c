#include "base/mem.h"

/* Data follows the header, 64-byte aligned. */
typedef struct omen_arena_block {
    struct omen_arena_block *next;
    size_t size, used; /* of the whole block, header included */
} block;

#define HEADER 64u
_Static_assert(sizeof(block) <= HEADER, "a block's header fits before its data");

void omen_arena_init(omen_arena *a, omen_mem *m, size_t block_bytes) { *a = (omen_arena){.mem = m, .block = block_bytes}; }

void omen_arena_deinit(omen_arena *a) {
    while (a->head != NULL) {
        block *next = a->head->next;
        omen_free(a->mem, a->head, a->head->size);
        a->head = next;
    }
    a->bytes = 0;
}

static block *new_block(omen_arena *a, size_t size) {
    size_t bytes = OMEN_MAX(a->block, HEADER);
    if (size > SIZE_MAX / 2) return NULL;
    if (size + HEADER > bytes) bytes = size + HEADER;
    block *b = omen_alloc(a->mem, bytes);
    if (b == NULL) return NULL;
    *b = (block){.size = bytes, .used = HEADER};
    a->bytes += bytes;
    return b;
}

void *omen_arena_alloc(omen_arena *a, size_t size, size_t align) {
    block *b = a->head;
    if (b != NULL) {
        size_t at = (size_t)omen_round_up(b->used, align);
        if (at <= b->size && size <= b->size - at) {
            b->used = at + size;
            return (uint8_t *)b + at;
        }
    }
    b = new_block(a, size);
    if (b == NULL) return NULL;
    b->used += size;
    /* A block made for one large piece goes behind the head, so that the head's free room is not lost. */
    if (a->head != NULL && b->size - b->used < a->head->size - a->head->used) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return (uint8_t *)b + HEADER;
}

void *omen_arena_copy(omen_arena *a, const void *bytes, size_t len) {
    void *p = omen_arena_alloc(a, len == 0 ? 1 : len, 1);
    if (p != NULL && len != 0) memcpy(p, bytes, len);
    return p;
}
