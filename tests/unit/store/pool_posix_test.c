/* The block pool and the log under threads: the same blocks and one log used by many at once. */
#include "test.h"

#include <pthread.h>

#include "log_model.h"
#include "segment_model.h"

#define THREADS 4

static const model_section sections[] = {{1, 0, 0, 4096, 400000, 1}, {2, 0, OMEN_SECTION_ZSTD, 4096, 300000, 0}, {3, 0, 0, 65536, 2000000, 1}};

typedef struct reader {
    fixture *x;
    omen_segment *seg;
    uint64_t seed;
    uint64_t wrong, reads;
} reader;

static void *read_at_random(void *arg) {
    reader *r = arg;
    uint64_t rng = r->seed;
    for (unsigned i = 0; i < 1500; i++) {
        rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const model_section *m = &sections[(rng >> 33) % OMEN_ARRAY_LEN(sections)];
        const omen_section *sec = omen_segment_section(r->seg, m->kind, m->field);
        uint32_t index = (uint32_t)((rng >> 40) % sec->block_count);
        const omen_block *b;
        if (omen_segment_block(r->seg, sec, index, &b, NULL) != OMEN_OK) {
            r->wrong++;
            continue;
        }
        for (uint32_t k = 0; k < b->len; k += 97) r->wrong += b->data[k] != model_byte(m, (size_t)index * m->block_len + k);
        omen_block_release(r->x->store.pool, b);
        r->reads++;
    }
    return NULL;
}

TEST(many_readers_of_one_segment) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment_info info;
    omen_segment *seg;
    memset(&x, 0, sizeof x);
    x.host = fault_host_new(1);
    fault_host_use_locks(x.host);
    omen_mem_init(&x.mem, &x.host->host, 0);
    x.fs = fs;
    x.store.host = &x.host->host;
    x.store.mem = &x.mem;
    x.store.storage = fault_storage_session(fs);
    REQUIRE_OK(omen_pool_new(&x.mem, &x.host->host, 1 << 20, &x.store.pool));
    REQUIRE_OK(model_write(&x, 1, sections, OMEN_ARRAY_LEN(sections), 1 << 20, &info));
    REQUIRE_OK(model_open(&x, &info, &seg, NULL));
    reader readers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        readers[i] = (reader){&x, seg, test_rand(), 0, 0};
        CHECK_EQ_INT(pthread_create(&threads[i], NULL, read_at_random, &readers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_UINT(readers[i].wrong, 0);
        CHECK_EQ_UINT(readers[i].reads, 1500);
    }
    const omen_pool_metrics *m = omen_pool_metrics_of(x.store.pool);
    CHECK(omen_counter_get(&m->evictions) > 100);
    CHECK_EQ_INT(omen_gauge_get(&m->pinned), 0);
    CHECK(omen_gauge_get(&m->bytes) <= 1 << 20);
    omen_segment_close(seg);
    CHECK_EQ_INT(omen_gauge_get(&m->blocks), 0);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    fault_storage_free(fs);
}

/* One thread appends, another syncs: what a sync covered is there after a power cut. */
typedef struct writing {
    omen_log *log;
    _Atomic uint64_t handed_over; /* LSN written out */
    _Atomic bool done;
    bool failed;
} writing;

static void *append(void *arg) {
    writing *w = arg;
    uint8_t bytes[300] = {1};
    for (uint64_t lsn = 1; lsn <= 4000; lsn++) {
        omen_span part = {bytes, lsn % sizeof bytes};
        w->failed = w->failed || omen_log_append(w->log, OMEN_FRAME_RECORDS, true, lsn, 1, 0, &part, 1, NULL) != OMEN_OK;
        if (lsn % 5 != 0) continue;
        w->failed = w->failed || omen_log_write_out(w->log, NULL) != OMEN_OK;
        atomic_store(&w->handed_over, lsn);
    }
    atomic_store(&w->done, true);
    return NULL;
}

static omen_status ignore(void *arg, const omen_recovered_frame *f, omen_error *err) {
    (void)arg, (void)f, (void)err;
    return OMEN_OK;
}

TEST(one_thread_appends_another_syncs) {
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    writing w = {0};
    pthread_t thread;
    omen_log_metrics metrics = {0};
    uint64_t promised = 0, syncs = 0;
    fixture_init(&x, fs, 7, 1 << 20);
    REQUIRE_OK(omen_log_create(&x.store, &metrics, 1, 1, 0, 0, &w.log, NULL));
    CHECK_EQ_INT(pthread_create(&thread, NULL, append, &w), 0);
    for (bool last = false; !last;) {
        last = atomic_load(&w.done);
        uint64_t covers = atomic_load(&w.handed_over);
        CHECK_OK(omen_log_sync(w.log, NULL));
        promised = covers;
        syncs++;
    }
    pthread_join(thread, NULL);
    CHECK(!w.failed);
    CHECK_EQ_UINT(promised, 4000);
    CHECK_EQ_UINT(omen_log_unsynced(w.log), 0);
    CHECK_EQ_UINT(omen_counter_get(&metrics.syncs), syncs);
    CHECK_EQ_UINT(omen_counter_get(&metrics.frames), 4001);
    omen_log_close(w.log);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    CHECK_STORAGE(fs);
    fault_storage *after = fault_storage_crash(fs, FAULT_CRASH_DURABLE, 0);
    omen_recovery *r;
    fixture_init(&x, after, 7, 1 << 20);
    REQUIRE_OK(omen_recovery_new(&x.store, 1, 0, true, ignore, NULL, &r));
    CHECK_OK(omen_recovery_step(r, NULL));
    CHECK_EQ_UINT(omen_recovery_result_of(r)->next_lsn, 4001);
    omen_recovery_free(r);
    CHECK_EQ_UINT(fixture_deinit(&x), 0);
    fault_storage_free(after);
    fault_storage_free(fs);
}

TEST_MAIN()
