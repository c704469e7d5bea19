/* keys_look.h - bytes of a part's id sections that are in memory for good; for keys_find.c and keys_many.c. */
#ifndef OMEN_COLUMN_KEYS_LOOK_H
#define OMEN_COLUMN_KEYS_LOOK_H

#include "column/part.h"

/* The address of a byte if its block is kept and was read, else NULL. */
static inline const uint8_t *omen_keys_peek(omen_kept *kept, uint64_t offset) {
    const omen_block *b = kept == NULL ? NULL : atomic_load_explicit(&kept[offset / OMEN_BLOCK_BYTES], memory_order_acquire);
    return b == NULL ? NULL : (const uint8_t *)b + OMEN_KEPT_HEADER + offset % OMEN_BLOCK_BYTES;
}

/* The same of `len` bytes, which must lie in one block: else NULL. 64 bytes more are readable there. */
static inline const uint8_t *omen_keys_peek_run(omen_kept *kept, uint64_t offset, uint64_t len) {
    return offset % OMEN_BLOCK_BYTES + len <= OMEN_BLOCK_BYTES ? omen_keys_peek(kept, offset) : NULL;
}

#endif
