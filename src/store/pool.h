/* pool.h - the block pool: blocks of segments in memory under a hard byte budget, least recently used evicted first.
 * Only the pool reads segment files. A block is verified (CRC32C) and decompressed once, when it is loaded.
 * Thread-safe on hosts with locks; file reads happen outside the pool's lock. */
#ifndef OMEN_STORE_POOL_H
#define OMEN_STORE_POOL_H

#include "store/store.h"

typedef struct omen_pool_metrics {
    omen_counter hits, misses, evictions, bytes_read, corrupt;
    omen_gauge blocks, bytes, pinned;
} omen_pool_metrics;

typedef struct omen_block {
    const uint8_t *data; /* 64-byte aligned, followed by at least 64 readable bytes */
    uint32_t len;
    bool kept; /* not the pool's: it stays as long as its segment is open */
} omen_block;

/* budget: at least 1 MiB, counted with what each block costs beside its content (but for 8 to 16 bytes in the
 * table), blocks under way included. When pinned blocks fill
 * it, OMEN_ERR_LIMIT is the answer to the next miss, except that one block for each caller always succeeds while memory lasts, so that
 * progress is never impossible: up to OMEN_POOL_GRACE blocks (or host->threads, if more) may be pinned whatever they cost. */
#define OMEN_POOL_GRACE 8u
omen_status omen_pool_new(omen_mem *m, const omen_host *host, uint64_t budget, omen_pool **out);
void omen_pool_free(omen_pool *p); /* nothing may be pinned */
uint64_t omen_pool_budget(const omen_pool *p);
omen_pool_metrics *omen_pool_metrics_of(omen_pool *p);

/* A number no other user of this pool has. */
uint64_t omen_pool_owner(omen_pool *p);
/* One decompression context is kept between loads: borrow it (NULL: out of memory) and give it back. */
struct omen_zstd;
struct omen_zstd *omen_pool_zstd_take(omen_pool *p);
void omen_pool_zstd_give(omen_pool *p, struct omen_zstd *z);

/* Used by segment_reader.c: blocks are keyed (owner, section, index). `load` reads and verifies into `into` (raw_len bytes); [may pend],
 * then the same call is made again later, with another buffer: nothing is held for a load that pends. Two threads that miss the same
 * block may both load it; one copy stays. On OK the block is pinned: omen_block_release it. */
omen_status omen_pool_get(omen_pool *p, uint64_t owner, uint32_t section, uint32_t index, uint32_t raw_len,
                          omen_status (*load)(void *arg, uint8_t *into, omen_error *err), void *arg, const omen_block **out, omen_error *err);
/* The block if it is here, pinned; else NULL, and nothing is read or counted. */
const omen_block *omen_pool_find(omen_pool *p, uint64_t owner, uint32_t section, uint32_t index);
void omen_block_release(omen_pool *p, const omen_block *b); /* NULL and kept ones are fine */
void omen_pool_forget(omen_pool *p, uint64_t owner); /* drops the unpinned blocks of a closed segment */

#endif
