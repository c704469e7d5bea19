/* A graph read block by block: the answers of the graph in memory on storages that pend, under pools that hold next to nothing, with filters; degenerate
 * data; the same file for any number of threads; faults. */
#include "test.h"

#include "index/disk.h"
#include "ivf_model.h"
#include "store/segment.h"

/* Room in a pool for 64 blocks of 16 KiB, which is the least a pool may have. */
#define SMALL_POOL (1u << 20)

static const struct { omen_metric metric; uint32_t rows, dimensions, lead, clusters; } shapes[] = {
    {OMEN_METRIC_L2, 3000, 24, 24, 40},     {OMEN_METRIC_L2, 1500, 200, 20, 30},    {OMEN_METRIC_COSINE, 2000, 40, 40, 30}, {OMEN_METRIC_IP, 2000, 52, 52, 20},
    {OMEN_METRIC_HAMMING, 2500, 128, 0, 60}, {OMEN_METRIC_HAMMING, 700, 72, 0, 10}, {OMEN_METRIC_L2, 300, 8, 8, 5},         {OMEN_METRIC_COSINE, 9000, 16, 16, 50},
};

static void shape_init(model *m, unsigned i, omen_index_kind kind) {
    model_init(m, shapes[i].rows, shapes[i].dimensions, shapes[i].metric);
    m->options = (omen_index_options){.kind = kind, .m = 16, .ef_construction = 60};
}

static void set_pool(model *m, uint64_t bytes) {
    omen_pool_free(m->x.store.pool);
    REQUIRE_OK(omen_pool_new(&m->x.mem, &m->x.host->host, bytes, &m->x.store.pool));
}

static void close_index(model *m) {
    omen_index_unref(m->index);
    m->index = NULL;
}

/* The same file of the same vectors, as kind HNSW and as DISK. */
typedef struct pair { model memory, disk; uint8_t *vectors; } pair;

static void pair_init(pair *p, unsigned shape) {
    p->vectors = NULL;
    shape_init(&p->memory, shape, OMEN_INDEX_HNSW);
    shape_init(&p->disk, shape, OMEN_INDEX_DISK);
    model_fill_once(&p->memory, &p->vectors, shapes[shape].clusters, shapes[shape].lead);
    model_fill_once(&p->disk, &p->vectors, shapes[shape].clusters, shapes[shape].lead);
    REQUIRE_OK(model_build(&p->memory, NULL));
    REQUIRE_OK(model_build(&p->disk, NULL));
    REQUIRE_OK(model_open_index(&p->memory, NULL));
}

static void pair_deinit(pair *p) {
    CHECK_EQ_UINT(model_deinit(&p->memory), 0);
    CHECK_EQ_UINT(model_deinit(&p->disk), 0);
    free(p->vectors);
}

static void compare(pair *p, const omen_index_query *q) {
    omen_index_hit *a, *b;
    uint32_t an, bn;
    omen_index_work aw, bw;
    REQUIRE_OK(model_search(&p->memory, q, &a, &an, &aw));
    REQUIRE_OK(model_search(&p->disk, q, &b, &bn, &bw));
    CHECK_EQ_UINT(an, bn);
    bool same = true;
    for (uint32_t i = 0; i < an && i < bn; i++) same = same && a[i].row == b[i].row && a[i].rank == b[i].rank;
    if (!CHECK(same)) printf("        want %u, effort %u\n", q->want, q->effort);
    CHECK_EQ_UINT(aw.hops, bw.hops);
    CHECK_EQ_UINT(aw.distances, bw.distances);
    CHECK(bw.blocks != 0 && bw.bytes != 0);
    free(a);
    free(b);
}

TEST(answers_are_those_of_the_graph_in_memory) {
    static const uint32_t efforts[] = {1, 10, 64, 400, 1500, 1u << 30};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i++) {
        pair p;
        pair_init(&p, i);
        for (unsigned pending = 0; pending <= 90; pending += 45) {
            fault_storage_set_pending(p.disk.fs, pending);
            set_pool(&p.disk, pending == 0 ? 8u << 20 : SMALL_POOL);
            p.disk.x.store.resident.limit = pending == 45 ? 200000 : 0; /* some blocks stay for good, others do not */
            REQUIRE_OK(model_open_index(&p.disk, NULL));
            CHECK_EQ_INT(omen_index_options_of(p.disk.index)->kind, OMEN_INDEX_DISK);
            omen_bits *dead = omen_bits_new(&p.disk.x.mem, shapes[i].rows);
            omen_bits *odd = model_every(&p.disk, 2, 1);
            for (uint32_t r = 0; r < shapes[i].rows; r += 3) omen_bits_set(dead, r);
            for (uint32_t n = 0; n < 40; n++) {
                const uint8_t *vector = p.vectors + test_rand_below(shapes[i].rows) * p.disk.bytes;
                omen_index_query q = {.vector = vector, .want = 1 + (uint32_t)test_rand_below(40), .effort = efforts[n % OMEN_ARRAY_LEN(efforts)]};
                if (n % 4 == 1) q.dead = odd;
                if (n % 4 == 2) q.dead = dead;
                compare(&p, &q);
            }
            omen_bits_unref(dead);
            omen_bits_unref(odd);
            CHECK_OK(model_check(&p.disk, NULL));
            CHECK_STORAGE(p.disk.fs);
            close_index(&p.disk);
        }
        pair_deinit(&p);
    }
}

/* Far places and copies are islands, which links lead to from some row of the highest level, and not from each. */
TEST(islands_are_reached) {
    for (unsigned far = 0; far < 2; far++) {
        pair p = {.vectors = NULL};
        shape_init(&p.memory, 0, OMEN_INDEX_HNSW);
        shape_init(&p.disk, 0, OMEN_INDEX_DISK);
        for (uint32_t r = 0; r < p.memory.source.rows; r++)
            for (uint32_t i = 0; i < p.memory.source.dimensions; i++)
                model_floats(&p.memory, r)[i] = far != 0 ? (r % 2 == 0 ? 1000.0f : -1000.0f) + test_rand_float() : (float)((r % 23) * (i + 1) % 17);
        memcpy(p.disk.vectors, p.memory.vectors, p.memory.source.rows * p.memory.bytes);
        REQUIRE_OK(model_build(&p.memory, NULL));
        REQUIRE_OK(model_build(&p.disk, NULL));
        REQUIRE_OK(model_open_index(&p.memory, NULL));
        fault_storage_set_pending(p.disk.fs, 30);
        REQUIRE_OK(model_open_index(&p.disk, NULL));
        omen_bits *odd = model_every(&p.disk, 2, 1);
        for (uint32_t n = 0; n < 20; n++) {
            omen_index_query q = {.vector = model_floats(&p.disk, n * 100), .want = n < 10 ? 20 : 2000 + 50 * n, .effort = 10 + n * 40, .dead = n % 3 == 1 ? odd : NULL};
            uint32_t count;
            omen_index_hit *hits;
            compare(&p, &q);
            REQUIRE_OK(model_search(&p.disk, &q, &hits, &count, NULL));
            CHECK_EQ_UINT(count, OMEN_MIN(q.want, p.disk.source.rows / (q.dead != NULL ? 2 : 1)));
            free(hits);
        }
        omen_bits_unref(odd);
        pair_deinit(&p);
    }
}

/* What waits is asked for together: a search waits far less often than it reads, and answers the same. */
TEST(waits_overlap) {
    pair p;
    pair_init(&p, 7);
    for (uint32_t n = 0; n < 20; n++) {
        omen_index_query q = {.vector = p.vectors + test_rand_below(shapes[7].rows) * p.disk.bytes, .want = 10, .effort = 100};
        uint32_t waits = 0;
        fault_storage_set_pending(p.disk.fs, 0);
        REQUIRE_OK(model_open_index(&p.disk, NULL));
        set_pool(&p.disk, 8 << 20);
        close_index(&p.disk);
        REQUIRE_OK(model_open_index(&p.disk, NULL));
        fault_storage_set_pending(p.disk.fs, 100);
        uint64_t misses = omen_counter_get(&omen_pool_metrics_of(p.disk.x.store.pool)->misses);
        omen_index_search *s;
        REQUIRE_OK(omen_index_search_begin(p.disk.index, &q, &s, NULL));
        omen_status status;
        for (; (status = omen_index_search_step(s, NULL)) == OMEN_PENDING; waits++) {}
        CHECK_OK(status);
        misses = omen_counter_get(&omen_pool_metrics_of(p.disk.x.store.pool)->misses) - misses;
        /* Each read pends one to three times. */
        if (!CHECK(misses > 10 && waits < misses)) printf("        %u waits for %u blocks\n", waits, (uint32_t)misses);
        omen_index_search_end(s);
        compare(&p, &q);
        close_index(&p.disk);
    }
    CHECK_STORAGE(p.disk.fs);
    pair_deinit(&p);
}

/* Many searches of one index, interleaved step by step, each given up or ended at another time. */
TEST(searches_overlap) {
    pair p;
    omen_index_search *searches[6];
    pair_init(&p, 0);
    set_pool(&p.disk, SMALL_POOL);
    REQUIRE_OK(model_open_index(&p.disk, NULL));
    fault_storage_set_pending(p.disk.fs, 70);
    omen_bits *odd = model_every(&p.disk, 2, 1);
    for (unsigned round = 0; round < 30; round++) {
        omen_index_query q[6];
        bool done[6] = {false};
        for (unsigned i = 0; i < 6; i++) {
            q[i] = (omen_index_query){.vector = p.vectors + test_rand_below(shapes[0].rows) * p.disk.bytes, .want = 1 + i * 7, .effort = 10 + i * 40, .dead = i % 2 == 0 ? odd : NULL};
            REQUIRE_OK(omen_index_search_begin(p.disk.index, &q[i], &searches[i], NULL));
        }
        for (unsigned left = 6; left != 0;) {
            unsigned i = (unsigned)test_rand_below(6);
            if (done[i]) continue;
            omen_status s = omen_index_search_step(searches[i], NULL);
            if (s == OMEN_PENDING && test_rand_below(100) != 0) continue;
            done[i] = true;
            left--;
            if (s == OMEN_OK) {
                omen_index_hit *hits;
                uint32_t count, own_count;
                REQUIRE_OK(model_search(&p.memory, &q[i], &hits, &count, NULL));
                const omen_index_hit *own = omen_index_search_hits(searches[i], &own_count, NULL);
                CHECK(count == own_count && memcmp(own, hits, count * sizeof *own) == 0);
                free(hits);
            } else {
                CHECK_EQ_INT(s, OMEN_PENDING);
            }
            omen_index_search_end(searches[i]);
        }
    }
    omen_bits_unref(odd);
    CHECK_STORAGE(p.disk.fs);
    pair_deinit(&p);
}

static void shuffled(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    for (size_t i = n; i-- > 0;) fn(arg, i);
}

TEST(threads_do_not_show_in_the_file) {
    static const uint32_t threads[] = {1, 2, 7};
    for (unsigned i = 0; i < 5; i += 2) {
        omen_hash128 first = {{0}};
        uint8_t *vectors = NULL;
        for (unsigned t = 0; t < OMEN_ARRAY_LEN(threads); t++) {
            model m;
            shape_init(&m, i, OMEN_INDEX_DISK);
            m.pending = t * 10;
            model_fill_once(&m, &vectors, shapes[i].clusters, shapes[i].lead);
            m.x.host->host.threads = threads[t];
            if (t != 0) m.x.host->host.parallel_for = shuffled;
            CHECK_OK(model_build(&m, NULL));
            if (t == 0) first = m.info.hash;
            CHECK(omen_hash128_equal(&m.info.hash, &first));
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
        free(vectors);
    }
}

/* One row, few rows, the same row again and again. */
TEST(degenerate_data) {
    static const struct { uint32_t rows, dimensions, different; omen_metric metric; } cases[] = {
        {1, 4, 1, OMEN_METRIC_L2}, {2, 1, 2, OMEN_METRIC_COSINE}, {64, 8, 1, OMEN_METRIC_IP}, {700, 8, 1, OMEN_METRIC_L2}, {3000, 12, 3, OMEN_METRIC_COSINE}, {1200, 64, 2, OMEN_METRIC_HAMMING}, {5, 3000, 5, OMEN_METRIC_L2},
    };
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        model m;
        omen_index_hit *hits;
        uint32_t count;
        model_init(&m, cases[i].rows, cases[i].dimensions, cases[i].metric);
        m.options.kind = OMEN_INDEX_DISK;
        for (uint32_t r = 0; r < cases[i].rows; r++) {
            if (cases[i].metric == OMEN_METRIC_HAMMING) memset(m.vectors + r * m.bytes, r % cases[i].different == 0 ? 0x55 : 0xF0, m.bytes);
            else model_floats(&m, r)[0] = 1.0f + (float)(r % cases[i].different);
        }
        REQUIRE_OK(model_build(&m, NULL));
        REQUIRE_OK(model_open_index(&m, NULL));
        CHECK_OK(model_check(&m, NULL));
        omen_index_query q = {.vector = m.vectors, .want = 1u << 30, .effort = 1};
        REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
        CHECK_EQ_UINT(count, cases[i].rows);
        free(hits);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Records come out of the file once and as they were built, linked rows in one block more often than chance has it. */
TEST(linked_rows_lie_together) {
    model m;
    omen_segment *seg = NULL;
    omen_status s;
    shape_init(&m, 7, OMEN_INDEX_DISK);
    model_fill(&m, shapes[7].clusters, shapes[7].lead, 0.5f);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    CHECK(omen_index_memory(m.index) < m.info.length / 6); /* a sixteenth of the codes, and little beside */
    STEP(s, omen_segment_open(&m.x.store, &m.info, &seg, NULL));
    REQUIRE_OK(s);
    const omen_section *nodes = omen_segment_section(seg, OMEN_SECTION_INDEX_NODES, 0);
    const omen_disk *d = m.index->state;
    uint8_t *bytes = malloc((size_t)nodes->raw_len);
    size_t done = 0;
    REQUIRE_OK(omen_segment_read(seg, nodes, 0, (size_t)nodes->raw_len, bytes, &done, NULL));
    CHECK(nodes->block_len <= 16384 && nodes->block_len > 16384 - d->shape.record);
    uint32_t links = 0, inside = 0;
    for (uint32_t slot = 0; slot < m.source.rows; slot++) {
        for (uint32_t i = 0; i < d->shape.m; i++) {
            uint32_t link = omen_disk_link(&d->shape, bytes + (size_t)slot * d->shape.record, i);
            if (link == OMEN_NO_NODE) break;
            links++;
            inside += link / d->shape.per_block == slot / d->shape.per_block;
        }
    }
    CHECK(nodes->block_count > 50 && inside > links / 10);
    free(bytes);
    omen_segment_close(seg);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST(memory_runs_out_at_every_allocation) {
    static const unsigned chosen[] = {0, 5, 6};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(chosen); i++) {
        bool hit = true;
        uint8_t *vectors = NULL;
        for (uint64_t n = 1; hit; n += TEST_FAULT_STEP) {
            model m;
            omen_error err = {0};
            omen_index_hit *hits = NULL;
            uint32_t count;
            shape_init(&m, chosen[i], OMEN_INDEX_DISK);
            if (m.source.rows > 600) m.source.rows = 600;
            model_fill_once(&m, &vectors, 10, shapes[chosen[i]].lead);
            fault_host_fail_alloc_at(m.x.host, n, n % 2 == 0);
            omen_status s = model_build(&m, &err);
            if (s == OMEN_OK) s = model_open_index(&m, &err);
            if (s == OMEN_OK) s = model_check(&m, &err);
            omen_index_query q = {.vector = m.vectors, .want = 10, .effort = 20};
            for (unsigned again = 0; again < 2 && s == OMEN_OK; again++, q.effort = 200, q.want = 60) {
                s = model_search(&m, &q, &hits, &count, NULL);
                free(hits);
            }
            hit = fault_host_fault_hit(m.x.host);
            /* The pool of blocks gets by when memory is short for a moment only. */
            if (n % 2 == 0 || s != OMEN_OK) CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
        free(vectors);
    }
}

/* A search whose storage fails says so; the next one finds what there is. */
TEST(a_fault_at_every_read_of_a_search) {
    pair p;
    pair_init(&p, 1);
    omen_index_query q = {.vector = p.vectors + 77 * p.disk.bytes, .want = 10, .effort = 40};
    for (unsigned pending = 0; pending <= 60; pending += 60) {
        bool hit = true;
        for (uint64_t n = 1; hit; n += TEST_FAULT_STEP) {
            omen_index_hit *hits;
            uint32_t count;
            fault_storage_set_pending(p.disk.fs, pending);
            REQUIRE_OK(model_open_index(&p.disk, NULL));
            fault_storage_fail_at(p.disk.fs, fault_storage_calls(p.disk.fs) + n, OMEN_ERR_IO, false);
            omen_status s = model_search(&p.disk, &q, &hits, &count, NULL);
            free(hits);
            hit = fault_storage_fault_hit(p.disk.fs);
            /* What was asked for ahead and failed may not have been needed. */
            CHECK(s == OMEN_OK ? !hit || pending != 0 : s == OMEN_ERR_IO && hit);
            fault_storage_fail_at(p.disk.fs, 0, OMEN_OK, false);
            compare(&p, &q);
            close_index(&p.disk);
            set_pool(&p.disk, SMALL_POOL);
        }
    }
    pair_deinit(&p);
}

TEST_MAIN()
