/* A graph read block by block, on real threads: building with them gives the same file, and searches of one index, through a pool that holds little of
 * it, run at once. Worth most under ThreadSanitizer. */
#include "test.h"

#include <pthread.h>

#include "ivf_model.h"

#define THREADS 4u

typedef struct loop { size_t n, first; void (*fn)(void *arg, size_t i); void *arg; } loop;

static void *loop_run(void *p) {
    loop *l = p;
    for (size_t i = l->first; i < l->n; i += THREADS) l->fn(l->arg, i);
    return NULL;
}

static void on_threads(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    pthread_t threads[THREADS];
    loop loops[THREADS];
    (void)ctx;
    for (size_t t = 0; t < THREADS; t++) {
        loops[t] = (loop){n, t, fn, arg};
        if (pthread_create(&threads[t], NULL, loop_run, &loops[t]) != 0) abort();
    }
    for (size_t t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
}

typedef struct seeker { model *m; const omen_bits *odd; uint32_t first; uint64_t answers; } seeker;

static void *seek(void *p) {
    seeker *s = p;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t row = (s->first + i * 13) % s->m->source.rows, count;
        omen_index_search *search;
        omen_index_query q = {.vector = s->m->vectors + row * s->m->bytes, .want = 5 + i % 3 * 50, .effort = 1 + i % 7 * 10, .accept = i % 2 == 0 ? s->odd : NULL};
        if (omen_index_search_begin(s->m->index, &q, &search, NULL) != OMEN_OK || omen_index_search_step(search, NULL) != OMEN_OK) abort();
        const omen_index_hit *hits = omen_index_search_hits(search, &count, NULL);
        for (uint32_t h = 0; h < count; h++) s->answers = (s->answers ^ hits[h].row ^ (uint64_t)(uint32_t)hits[h].rank << 32) * UINT64_C(0x100000001b3);
        omen_index_search_end(search);
    }
    return NULL;
}

TEST(searches_on_many_threads) {
    omen_hash128 first = {{0}};
    uint8_t *vectors = NULL;
    for (unsigned resident = 0; resident < 2; resident++) {
        model m;
        pthread_t threads[THREADS];
        seeker seekers[THREADS], alone[THREADS];
        model_init(&m, 12000, 24, OMEN_METRIC_L2);
        m.options = (omen_index_options){.kind = OMEN_INDEX_DISK, .m = 16, .ef_construction = 50};
        fault_host_use_locks(m.x.host);
        model_fill_once(&m, &vectors, 60, 24);
        m.x.host->host.threads = resident == 0 ? 1 : THREADS;
        if (resident != 0) m.x.host->host.parallel_for = on_threads;
        REQUIRE_OK(model_build(&m, NULL));
        if (resident == 0) first = m.info.hash;
        CHECK(omen_hash128_equal(&m.info.hash, &first));
        omen_pool_free(m.x.store.pool);
        REQUIRE_OK(omen_pool_new(&m.x.mem, &m.x.host->host, 1 << 20, &m.x.store.pool));
        m.x.store.resident.limit = resident * 400000;
        REQUIRE_OK(model_open_index(&m, NULL));
        omen_bits *odd = model_every(&m, 2, 1);
        for (uint32_t t = 0; t < THREADS; t++) {
            seekers[t] = (seeker){&m, odd, t * 100, 0};
            REQUIRE(pthread_create(&threads[t], NULL, seek, &seekers[t]) == 0);
        }
        for (uint32_t t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
        for (uint32_t t = 0; t < THREADS; t++) {
            alone[t] = (seeker){&m, odd, t * 100, 0};
            seek(&alone[t]);
            CHECK(alone[t].answers != 0 && seekers[t].answers == alone[t].answers);
        }
        omen_bits_unref(odd);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
    free(vectors);
}

TEST_MAIN()
