/* The block pool: what it holds is right, its budget is hard, the least recently used goes first, pins hold. */
#include "test.h"

#include "store_fixture.h"

typedef struct source {
    uint32_t index, len;
    unsigned loads;
    unsigned pend;       /* answers PENDING so often first */
    omen_status status;  /* instead of loading */
} source;

static uint8_t byte_of(uint32_t index, size_t i) { return (uint8_t)(index * 131 + i * 7 + (i >> 8)); }

static omen_status load(void *arg, uint8_t *into, omen_error *err) {
    source *s = arg;
    (void)err;
    if (s->pend > 0) {
        s->pend--;
        return OMEN_PENDING;
    }
    s->loads++;
    if (s->status != OMEN_OK) return s->status;
    for (uint32_t i = 0; i < s->len; i++) into[i] = byte_of(s->index, i);
    return OMEN_OK;
}

static bool right(const omen_block *b, uint32_t index) {
    bool fine = (uintptr_t)b->data % 64 == 0;
    for (uint32_t i = 0; i < b->len; i++) fine = fine && b->data[i] == byte_of(index, i);
    for (uint32_t i = 0; i < 64; i++) fine = fine && b->data[b->len + i] == 0;
    return fine;
}

typedef struct scene {
    fault_host *host;
    omen_mem mem;
    omen_pool *pool;
    uint64_t base; /* bytes of the empty pool */
} scene;

static void begin(scene *s, uint64_t budget) {
    s->host = fault_host_new(1);
    omen_mem_init(&s->mem, &s->host->host, 0);
    CHECK_OK(omen_pool_new(&s->mem, &s->host->host, budget, &s->pool));
    s->base = s->mem.bytes;
}

static void end(scene *s) {
    omen_pool_free(s->pool);
    CHECK_EQ_UINT(fault_host_bytes(s->host), 0);
    fault_host_free(s->host);
}

static omen_status get(scene *s, uint64_t owner, uint32_t index, uint32_t len, const omen_block **b, unsigned *loads) {
    source src = {.index = index, .len = len};
    omen_status status = omen_pool_get(s->pool, owner, 1, index, len, load, &src, b, NULL);
    if (loads != NULL) *loads = src.loads;
    return status;
}

#define MIB (1u << 20)
#define BLOCK 65536u

TEST(a_block_is_loaded_once) {
    scene s;
    const omen_block *a, *b;
    unsigned loads;
    begin(&s, MIB);
    CHECK_OK(get(&s, 1, 0, BLOCK, &a, &loads));
    CHECK_EQ_UINT(loads, 1);
    CHECK_OK(get(&s, 1, 0, BLOCK, &b, &loads));
    CHECK_EQ_UINT(loads, 0);
    CHECK(a == b);
    CHECK(right(a, 0));
    omen_block_release(s.pool, a);
    omen_block_release(s.pool, b);
    omen_block_release(s.pool, NULL);
    /* Other owners, sections and indexes are other blocks. */
    CHECK_OK(get(&s, 2, 0, 100, &a, &loads));
    CHECK_EQ_UINT(loads, 1);
    CHECK_EQ_UINT(a->len, 100);
    omen_block_release(s.pool, a);
    const omen_pool_metrics *m = omen_pool_metrics_of(s.pool);
    CHECK_EQ_UINT(omen_counter_get(&m->hits), 1);
    CHECK_EQ_UINT(omen_counter_get(&m->misses), 2);
    CHECK_EQ_INT(omen_gauge_get(&m->blocks), 2);
    CHECK_EQ_INT(omen_gauge_get(&m->pinned), 0);
    CHECK(omen_pool_owner(s.pool) != omen_pool_owner(s.pool));
    end(&s);
}

TEST(the_budget_is_hard) {
    scene s;
    begin(&s, 2 * MIB);
    for (unsigned round = 0; round < 3000; round++) {
        const omen_block *b;
        uint32_t index = (uint32_t)test_rand_below(200), len = 1 + index * 331 % BLOCK;
        CHECK_OK(get(&s, 1, index, len, &b, NULL));
        CHECK(right(b, index));
        CHECK(s.mem.bytes - s.base <= 2 * MIB + 8192); /* the table grows beside it: 8 bytes a block */
        CHECK(omen_gauge_get(&omen_pool_metrics_of(s.pool)->bytes) <= 2 * MIB);
        omen_block_release(s.pool, b);
    }
    const omen_pool_metrics *m = omen_pool_metrics_of(s.pool);
    CHECK(omen_counter_get(&m->evictions) > 100);
    CHECK(omen_counter_get(&m->hits) > 100);
    CHECK(s.mem.bytes - s.base - (uint64_t)omen_gauge_get(&m->bytes) <= 8192);
    end(&s);
}

TEST(the_least_recently_used_goes_first) {
    scene s;
    const omen_block *b;
    unsigned loads;
    begin(&s, MIB); /* 15 blocks of 64 KiB and what they cost */
    for (uint32_t i = 0; i < 15; i++) {
        CHECK_OK(get(&s, 1, i, BLOCK, &b, NULL));
        omen_block_release(s.pool, b);
    }
    CHECK_OK(get(&s, 1, 0, BLOCK, &b, &loads)); /* 0 is new again, 1 is the oldest */
    CHECK_EQ_UINT(loads, 0);
    omen_block_release(s.pool, b);
    CHECK_OK(get(&s, 1, 99, BLOCK, &b, NULL));
    omen_block_release(s.pool, b);
    CHECK_OK(get(&s, 1, 0, BLOCK, &b, &loads));
    CHECK_EQ_UINT(loads, 0);
    omen_block_release(s.pool, b);
    CHECK_OK(get(&s, 1, 1, BLOCK, &b, &loads));
    CHECK_EQ_UINT(loads, 1);
    omen_block_release(s.pool, b);
    end(&s);
}

TEST(pinned_blocks_stay_and_the_limit_says_so) {
    scene s;
    const omen_block *held[64], *b;
    uint32_t n = 0;
    omen_status status = OMEN_OK;
    begin(&s, MIB);
    while (n < 64 && (status = get(&s, 1, n, BLOCK, &held[n], NULL)) == OMEN_OK) n++;
    CHECK_STATUS(status, OMEN_ERR_LIMIT);
    CHECK_EQ_UINT(n, 15);
    CHECK(s.mem.bytes - s.base <= MIB);
    for (uint32_t i = 0; i < n; i++) CHECK(right(held[i], i));
    CHECK_OK(get(&s, 1, 3, BLOCK, &b, NULL)); /* a hit needs no room */
    omen_block_release(s.pool, b);
    omen_block_release(s.pool, held[7]);
    CHECK_OK(get(&s, 1, 100, BLOCK, &held[7], NULL));
    for (uint32_t i = 0; i < n; i++) omen_block_release(s.pool, held[i]);
    /* Large blocks: a few always fit, whatever they cost; what is over goes as soon as it is released. */
    for (n = 0; n < OMEN_POOL_GRACE; n++) CHECK_OK(get(&s, 2, n, MIB, &held[n], NULL));
    CHECK_STATUS(get(&s, 2, n, MIB, &b, NULL), OMEN_ERR_LIMIT);
    CHECK(b == NULL);
    for (uint32_t i = 0; i < n; i++) omen_block_release(s.pool, held[i]);
    CHECK(s.mem.bytes - s.base <= MIB);
    end(&s);
}

TEST(loads_that_pend_or_fail_leave_nothing) {
    scene s;
    const omen_block *b;
    source src = {.index = 4, .len = BLOCK, .pend = 3};
    begin(&s, MIB);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(omen_pool_get(s.pool, 1, 1, 4, BLOCK, load, &src, &b, NULL), OMEN_PENDING);
        CHECK_EQ_UINT(s.mem.bytes, s.base);
    }
    CHECK_OK(omen_pool_get(s.pool, 1, 1, 4, BLOCK, load, &src, &b, NULL));
    CHECK(right(b, 4));
    omen_block_release(s.pool, b);
    uint64_t before = s.mem.bytes;
    static const omen_status errors[] = {OMEN_ERR_CORRUPT, OMEN_ERR_IO, OMEN_ERR_MEMORY};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(errors); i++) {
        source bad = {.index = 5, .len = BLOCK, .status = errors[i]};
        CHECK_STATUS(omen_pool_get(s.pool, 1, 1, 5, BLOCK, load, &bad, &b, NULL), errors[i]);
        CHECK(b == NULL);
        CHECK_EQ_UINT(s.mem.bytes, before);
    }
    CHECK_EQ_UINT(omen_counter_get(&omen_pool_metrics_of(s.pool)->corrupt), 1);
    CHECK_EQ_UINT(omen_counter_get(&omen_pool_metrics_of(s.pool)->misses), 1);
    end(&s);
}

TEST(a_forgotten_owner_leaves_nothing) {
    scene s;
    const omen_block *b, *held;
    unsigned loads;
    begin(&s, 2 * MIB);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_OK(get(&s, 1 + i % 2, i, BLOCK, &b, NULL));
        omen_block_release(s.pool, b);
    }
    CHECK_OK(get(&s, 1, 0, BLOCK, &held, NULL));
    omen_pool_forget(s.pool, 1);
    CHECK(right(held, 0)); /* pinned: it goes when it is released */
    CHECK_EQ_INT(omen_gauge_get(&omen_pool_metrics_of(s.pool)->blocks), 6);
    omen_block_release(s.pool, held);
    CHECK_EQ_INT(omen_gauge_get(&omen_pool_metrics_of(s.pool)->blocks), 5);
    CHECK_OK(get(&s, 2, 1, BLOCK, &b, &loads));
    CHECK_EQ_UINT(loads, 0);
    omen_block_release(s.pool, b);
    CHECK_OK(get(&s, 1, 2, BLOCK, &b, &loads));
    CHECK_EQ_UINT(loads, 1);
    omen_block_release(s.pool, b);
    end(&s);
}

TEST(many_small_blocks_make_the_table_grow) {
    scene s;
    const omen_block *b;
    unsigned loads, hits = 0;
    begin(&s, MIB);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3000; i++) {
            CHECK_OK(get(&s, 1, i, 16, &b, &loads));
            CHECK(right(b, i));
            hits += loads == 0;
            omen_block_release(s.pool, b);
        }
    }
    CHECK_EQ_UINT(hits, 3000);
    end(&s);
}

/* While one load is under way, another loads the same block: one copy stays, and both hold it. */
typedef struct nested {
    scene *s;
    source src;
    const omen_block *inner;
} nested;

static omen_status load_twice(void *arg, uint8_t *into, omen_error *err) {
    nested *n = arg;
    CHECK_OK(omen_pool_get(n->s->pool, 1, 1, 3, BLOCK, load, &n->src, &n->inner, err));
    return load(&n->src, into, err);
}

TEST(two_loads_of_one_block_end_as_one) {
    scene s;
    nested n = {.s = &s, .src = {.index = 3, .len = BLOCK}};
    const omen_block *outer;
    begin(&s, MIB);
    CHECK_OK(omen_pool_get(s.pool, 1, 1, 3, BLOCK, load_twice, &n, &outer, NULL));
    CHECK_EQ_UINT(n.src.loads, 2);
    CHECK(outer == n.inner);
    CHECK(right(outer, 3));
    const omen_pool_metrics *m = omen_pool_metrics_of(s.pool);
    CHECK_EQ_INT(omen_gauge_get(&m->blocks), 1);
    CHECK_EQ_INT(omen_gauge_get(&m->pinned), 1);
    CHECK(s.mem.bytes - s.base < 2 * BLOCK);
    omen_block_release(s.pool, outer);
    CHECK_EQ_INT(omen_gauge_get(&m->pinned), 1);
    omen_block_release(s.pool, n.inner);
    CHECK_EQ_INT(omen_gauge_get(&m->pinned), 0);
    end(&s);
}

TEST(when_memory_is_short_unused_blocks_go_first) {
    scene s;
    const omen_block *b;
    begin(&s, 4 * MIB);
    for (uint32_t i = 0; i < 30; i++) {
        CHECK_OK(get(&s, 1, i, BLOCK, &b, NULL));
        omen_block_release(s.pool, b);
    }
    s.mem.limit = s.mem.bytes;
    for (uint32_t i = 100; i < 130; i++) {
        CHECK_OK(get(&s, 1, i, BLOCK, &b, NULL));
        CHECK(right(b, i));
        omen_block_release(s.pool, b);
    }
    CHECK_STATUS(get(&s, 1, 500, 3 * MIB, &b, NULL), OMEN_ERR_MEMORY);
    end(&s);
}

/* Without memory for a larger table, the chains of the old one just grow. */
TEST(a_table_that_cannot_grow) {
    scene s;
    const omen_block *b;
    unsigned loads, refused = 0;
    begin(&s, MIB);
    for (uint32_t i = 0; i < 300; i++) {
        /* The block's memory is the first allocation, a larger table the second. */
        fault_host_fail_alloc_at(s.host, 2, false);
        CHECK_OK(get(&s, 1, i, 16, &b, NULL));
        refused += fault_host_fault_hit(s.host);
        omen_block_release(s.pool, b);
    }
    fault_host_fail_alloc_at(s.host, 0, false);
    CHECK(refused > 200);
    for (uint32_t i = 0; i < 300; i++) {
        CHECK_OK(get(&s, 1, i, 16, &b, &loads));
        CHECK(loads == 0 && right(b, i));
        omen_block_release(s.pool, b);
    }
    end(&s);
}

/* Blocks of one number in several sections of several owners meet in the table, and are told apart. */
TEST(blocks_are_told_apart_by_owner_section_and_index) {
    scene s;
    const omen_block *b;
    begin(&s, 4 * MIB);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t owner = 1; owner <= 20; owner++) {
            for (uint32_t section = 0; section < 20; section++) {
                for (uint32_t index = 0; index < 3; index++) {
                    source src = {.index = (uint32_t)owner * 100 + section * 3 + index, .len = 32};
                    CHECK_OK(omen_pool_get(s.pool, owner, section, index, 32, load, &src, &b, NULL));
                    CHECK(right(b, src.index));
                    CHECK_EQ_UINT(src.loads, round == 0);
                    omen_block_release(s.pool, b);
                    b = omen_pool_find(s.pool, owner, section, index);
                    CHECK(b != NULL && right(b, src.index));
                    omen_block_release(s.pool, b);
                    CHECK(omen_pool_find(s.pool, owner, section + 100, index) == NULL);
                    CHECK(omen_pool_find(s.pool, owner + 100, section, index) == NULL);
                }
            }
        }
    }
    omen_block_release(s.pool, NULL);
    end(&s);
}

/* As many blocks as the host has threads may be pinned, whatever they cost. */
TEST(every_thread_has_its_block) {
    scene s;
    const omen_block *b[OMEN_POOL_GRACE + 4], *more;
    s.host = fault_host_new(1);
    s.host->host.threads = OMEN_POOL_GRACE + 4;
    omen_mem_init(&s.mem, &s.host->host, 0);
    REQUIRE_OK(omen_pool_new(&s.mem, &s.host->host, MIB, &s.pool));
    for (uint32_t i = 0; i < OMEN_POOL_GRACE + 4; i++) CHECK_OK(get(&s, 1, i, MIB, &b[i], NULL));
    CHECK_STATUS(get(&s, 1, 100, MIB, &more, NULL), OMEN_ERR_LIMIT);
    for (uint32_t i = 0; i < OMEN_POOL_GRACE + 4; i++) omen_block_release(s.pool, b[i]);
    end(&s);
}

/* However large the budget, the first table is of a size that any machine has. */
TEST(the_table_of_a_very_large_pool) {
    scene s;
    const omen_block *b;
    begin(&s, UINT64_C(1) << 40);
    CHECK_EQ_UINT(omen_pool_budget(s.pool), UINT64_C(1) << 40);
    CHECK(s.base < (9u << 20));
    CHECK_OK(get(&s, 1, 7, BLOCK, &b, NULL));
    CHECK(right(b, 7));
    omen_block_release(s.pool, b);
    end(&s);
}

TEST_MAIN()
