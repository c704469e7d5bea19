/* pool.c - the block pool.
 *
 * Invariants, under the lock
 *   - a block is in the table, or dropped (forgotten while pinned: it goes when it is released);
 *   - a block is in the LRU list if and only if its pins are 0; the list's head was released last;
 *   - `bytes` is the cost of all blocks and of all loads under way; a miss makes room before it allocates;
 *   - a block in the table is complete and never changes.
 */
#include "store/pool.h"

#include "base/compress.h"

typedef struct node {
    omen_block block; /* first: what callers hold is the node */
    uint64_t owner;
    uint32_t section, index;
    uint32_t pins;
    bool dropped;
    size_t cost;
    struct node *chain; /* next in the same bucket */
    struct node *newer, *older;
} node;

/* The node stands before its content, which starts at a multiple of 64. */
#define HEADER ((sizeof(node) + 63u) / 64u * 64u)
#define TAIL 64u

struct omen_pool {
    omen_mem *mem;
    const omen_host *host;
    void *lock; /* NULL on hosts without threads */
    uint64_t budget, bytes;
    uint32_t grace;
    uint32_t pinned, loading; /* blocks, loads under way */
    size_t count, buckets;
    node **table;
    node *newest, *oldest; /* the LRU list */
    _Atomic uint64_t owners;
    _Atomic(omen_zstd *) zstd;
    omen_pool_metrics metrics;
};

static void lock(omen_pool *p) {
    if (p->lock != NULL) p->host->lock_acquire(p->host->ctx, p->lock);
}

static void unlock(omen_pool *p) {
    if (p->lock != NULL) p->host->lock_release(p->host->ctx, p->lock);
}

omen_status omen_pool_new(omen_mem *m, const omen_host *host, uint64_t budget, omen_pool **out) {
    omen_pool *p = omen_alloc_zero(m, sizeof *p);
    *out = NULL;
    if (p == NULL) return OMEN_ERR_MEMORY;
    p->mem = m;
    p->host = host;
    p->budget = OMEN_MAX(budget, 1u << 20);
    p->grace = OMEN_MAX(OMEN_POOL_GRACE, host->threads);
    p->buckets = 64;
    while (p->buckets < p->budget / 65536u && p->buckets < 1u << 20) p->buckets *= 2;
    p->table = omen_alloc_zero(m, p->buckets * sizeof(node *));
    if (p->table != NULL && host->lock_new != NULL) p->lock = host->lock_new(host->ctx);
    if (p->table == NULL || (host->lock_new != NULL && p->lock == NULL)) {
        omen_pool_free(p);
        return OMEN_ERR_MEMORY;
    }
    *out = p;
    return OMEN_OK;
}

uint64_t omen_pool_budget(const omen_pool *p) { return p->budget; }

omen_pool_metrics *omen_pool_metrics_of(omen_pool *p) { return &p->metrics; }

uint64_t omen_pool_owner(omen_pool *p) { return atomic_fetch_add(&p->owners, 1) + 1; }

omen_zstd *omen_pool_zstd_take(omen_pool *p) {
    omen_zstd *z = atomic_exchange(&p->zstd, NULL);
    return z != NULL ? z : omen_zstd_new(p->mem);
}

void omen_pool_zstd_give(omen_pool *p, omen_zstd *z) {
    omen_zstd *other = atomic_exchange(&p->zstd, z);
    if (other != NULL) omen_zstd_free(other);
}

/* ---- table and list ---- */

static node **bucket_of(const omen_pool *p, uint64_t owner, uint32_t section, uint32_t index) {
    uint64_t h = (owner * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)section << 32 | index);
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 32;
    return &p->table[h & (p->buckets - 1)];
}

static node *find(const omen_pool *p, uint64_t owner, uint32_t section, uint32_t index) {
    node *n = *bucket_of(p, owner, section, index);
    while (n != NULL && (n->index != index || n->section != section || n->owner != owner)) n = n->chain;
    return n;
}

static void list_remove(omen_pool *p, node *n) {
    *(n->newer != NULL ? &n->newer->older : &p->newest) = n->older;
    *(n->older != NULL ? &n->older->newer : &p->oldest) = n->newer;
    n->newer = n->older = NULL;
}

static void list_add(omen_pool *p, node *n) {
    n->newer = NULL;
    n->older = p->newest;
    *(p->newest != NULL ? &p->newest->newer : &p->oldest) = n;
    p->newest = n;
}

static void table_remove(omen_pool *p, node *n) {
    node **at = bucket_of(p, n->owner, n->section, n->index);
    while (*at != n) at = &(*at)->chain;
    *at = n->chain;
    p->count--;
}

static void table_add(omen_pool *p, node *n) {
    if (p->count >= p->buckets) {
        /* Small blocks: more of them than the budget in 64 KiB suggests. Without memory the chains just grow. */
        node **old = p->table, **table = omen_alloc_zero(p->mem, p->buckets * 2 * sizeof(node *));
        if (table != NULL) {
            size_t buckets = p->buckets;
            p->table = table;
            p->buckets = buckets * 2;
            for (size_t i = 0; i < buckets; i++) {
                for (node *e = old[i], *next; e != NULL; e = next) {
                    node **to = bucket_of(p, e->owner, e->section, e->index);
                    next = e->chain;
                    e->chain = *to;
                    *to = e;
                }
            }
            omen_free(p->mem, old, buckets * sizeof(node *));
        }
    }
    node **at = bucket_of(p, n->owner, n->section, n->index);
    n->chain = *at;
    *at = n;
    p->count++;
}

/* ---- room ---- */

/* Frees a block that is in neither table nor list. */
static void free_node(omen_pool *p, node *n) {
    p->bytes -= n->cost;
    omen_gauge_add(&p->metrics.blocks, -1);
    omen_gauge_add(&p->metrics.bytes, -(int64_t)n->cost);
    omen_free(p->mem, n, n->cost);
}

static bool evict_one(omen_pool *p) {
    node *n = p->oldest;
    if (n == NULL) return false;
    list_remove(p, n);
    table_remove(p, n);
    free_node(p, n);
    omen_counter_add(&p->metrics.evictions, 1);
    return true;
}

/* Counts a load of `cost` bytes in, evicting for it. */
static bool admit(omen_pool *p, size_t cost) {
    while (p->bytes + cost > p->budget && evict_one(p)) {}
    if (p->bytes + cost > p->budget && p->pinned + p->loading >= p->grace) return false;
    p->bytes += cost;
    p->loading++;
    return true;
}

/* The load counted in came to nothing. */
static void withdraw(omen_pool *p, node *n, size_t cost) {
    if (n != NULL) omen_free(p->mem, n, cost);
    lock(p);
    p->bytes -= cost;
    p->loading--;
    unlock(p);
}

static const omen_block *pin(omen_pool *p, node *n) {
    if (n->pins++ == 0) {
        list_remove(p, n);
        p->pinned++;
        omen_gauge_add(&p->metrics.pinned, 1);
    }
    return &n->block;
}

/* Memory for a block; when the limit of all memory is reached, blocks nobody uses go first. */
static node *new_node(omen_pool *p, size_t cost) {
    for (;;) {
        node *n = omen_alloc(p->mem, cost);
        if (n != NULL) return n;
        lock(p);
        bool more = evict_one(p);
        unlock(p);
        if (!more) return NULL;
    }
}

omen_status omen_pool_get(omen_pool *p, uint64_t owner, uint32_t section, uint32_t index, uint32_t raw_len,
                          omen_status (*load)(void *arg, uint8_t *into, omen_error *err), void *arg, const omen_block **out,
                          omen_error *err) {
    lock(p);
    node *n = find(p, owner, section, index);
    if (n != NULL) {
        *out = pin(p, n);
        unlock(p);
        omen_counter_add(&p->metrics.hits, 1);
        return OMEN_OK;
    }
    size_t cost = HEADER + (size_t)raw_len + TAIL;
    bool admitted = admit(p, cost);
    unlock(p);
    *out = NULL;
    if (!admitted)
        return omen_fail(err, OMEN_ERR_LIMIT, "all %llu bytes of the block pool are in use; raise pool_bytes or read less at once",
                         (unsigned long long)p->budget);
    n = new_node(p, cost);
    if (n == NULL) {
        withdraw(p, NULL, cost);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory for a block of %u bytes", raw_len);
    }
    uint8_t *data = (uint8_t *)n + HEADER;
    omen_status s = load(arg, data, err);
    if (s != OMEN_OK) {
        if (s == OMEN_ERR_CORRUPT) omen_counter_add(&p->metrics.corrupt, 1);
        withdraw(p, n, cost);
        return s;
    }
    memset(data + raw_len, 0, TAIL);
    *n = (node){.block = {data, raw_len, false}, .owner = owner, .section = section, .index = index, .cost = cost};
    omen_counter_add(&p->metrics.misses, 1);

    lock(p);
    node *winner = find(p, owner, section, index);
    if (winner != NULL) { /* another thread was faster with the same block */
        *out = pin(p, winner);
        unlock(p);
        withdraw(p, n, cost);
        return OMEN_OK;
    }
    p->loading--;
    table_add(p, n);
    n->pins = 1;
    p->pinned++;
    *out = &n->block;
    unlock(p);
    omen_gauge_add(&p->metrics.blocks, 1);
    omen_gauge_add(&p->metrics.bytes, (int64_t)cost);
    omen_gauge_add(&p->metrics.pinned, 1);
    return OMEN_OK;
}

const omen_block *omen_pool_find(omen_pool *p, uint64_t owner, uint32_t section, uint32_t index) {
    lock(p);
    node *n = find(p, owner, section, index);
    const omen_block *b = n == NULL ? NULL : pin(p, n);
    unlock(p);
    if (b != NULL) omen_counter_add(&p->metrics.hits, 1);
    return b;
}

void omen_block_release(omen_pool *p, const omen_block *b) {
    if (b == NULL || b->kept) return;
    node *n = (node *)(uintptr_t)b; /* callers borrow it as const; it is ours */
    lock(p);
    OMEN_ASSERT(n->pins > 0);
    if (--n->pins == 0) {
        p->pinned--;
        omen_gauge_add(&p->metrics.pinned, -1);
        if (n->dropped) {
            free_node(p, n);
        } else {
            list_add(p, n);
            /* More than the budget was pinned: what is released pays it back. */
            while (p->bytes > p->budget && evict_one(p)) {}
        }
    }
    unlock(p);
}

/* Takes out the blocks of one owner, or with `all` every block. */
static void drop(omen_pool *p, uint64_t owner, bool all) {
    for (size_t i = 0; i < p->buckets; i++) {
        for (node **at = &p->table[i]; *at != NULL;) {
            node *n = *at;
            if (!all && n->owner != owner) {
                at = &n->chain;
                continue;
            }
            *at = n->chain;
            p->count--;
            if (n->pins > 0) {
                n->dropped = true;
            } else {
                list_remove(p, n);
                free_node(p, n);
            }
        }
    }
}

void omen_pool_forget(omen_pool *p, uint64_t owner) {
    lock(p);
    drop(p, owner, false);
    unlock(p);
}

void omen_pool_free(omen_pool *p) {
    if (p == NULL) return;
    OMEN_ASSERT(p->pinned == 0);
    if (p->table != NULL) {
        drop(p, 0, true);
        omen_free(p->mem, p->table, p->buckets * sizeof(node *));
    }
    if (p->lock != NULL) p->host->lock_free(p->host->ctx, p->lock);
    omen_zstd *z = atomic_load(&p->zstd);
    if (z != NULL) omen_zstd_free(z);
    omen_free(p->mem, p, sizeof *p);
}
