/* Inverted lists: what a search finds against what there is, the same file for any number of threads, filters, degenerate data, damage, faults. */
#include "test.h"

#include "index/kinds.h"
#include "ivf_model.h"
#include "kernel/kernel.h"
#include "store/segment_format.h"

#define K 10u

/* Hits ascend by (rank, row), each row once and in range. */
static bool well_formed(const model *m, const omen_index_hit *hits, uint32_t count) {
    bool good = true;
    uint8_t *seen = calloc(m->source.rows, 1);
    for (uint32_t i = 0; i < count && good; i++) {
        good = hits[i].row < m->source.rows && seen[hits[i].row]++ == 0;
        if (i != 0) good = good && (hits[i - 1].rank < hits[i].rank || (hits[i - 1].rank == hits[i].rank && hits[i - 1].row < hits[i].row));
    }
    free(seen);
    return good;
}

/* How many of the true K nearest a search and re-ranking find, over some queries that are rows shifted a little. */
static double recall(model *m, uint32_t queries, uint32_t effort, uint32_t want) {
    uint32_t found = 0, all = 0;
    uint8_t *query = malloc(m->bytes);
    for (uint32_t n = 0; n < queries; n++) {
        uint32_t row = (uint32_t)test_rand_below(m->source.rows), count;
        model_near truth[K], got[K];
        omen_index_hit *hits;
        memcpy(query, m->vectors + row * m->bytes, m->bytes);
        if (m->source.metric == OMEN_METRIC_HAMMING) query[0] ^= 1;
        else for (uint32_t i = 0; i < m->source.dimensions; i++) ((float *)(void *)query)[i] += 0.05f * test_rand_float();
        omen_index_query q = {.vector = query, .want = want, .effort = effort};
        CHECK_OK(model_search(m, &q, &hits, &count, NULL));
        CHECK(well_formed(m, hits, count));
        uint32_t k = model_nearest(m, query, NULL, 0, K, truth), g = model_nearest(m, query, hits, count, K, got);
        for (uint32_t i = 0; i < k; i++)
            for (uint32_t j = 0; j < g; j++) {
                /* Equal distances are as good as the rows themselves. */
                if (got[j].row != truth[i].row && got[j].distance != truth[i].distance) continue;
                found++;
                break;
            }
        all += k;
        free(hits);
    }
    free(query);
    return (double)found / all;
}

/* In full every shape, else some: each codec, each metric; under qemu each codec. */
#define EACH (TEST_EMULATED ? 5u : TEST_PICK(1u, 3u))
static const struct { omen_metric metric; uint32_t rows, dimensions, lead, clusters; omen_codec codec; uint32_t bits; } shapes[] = {
    {OMEN_METRIC_L2, 3000, 24, 24, 40, OMEN_CODEC_SQ8, 0},      {OMEN_METRIC_L2, 1500, 200, 20, 30, OMEN_CODEC_SQ8, 0},     {OMEN_METRIC_COSINE, 2000, 40, 40, 30, OMEN_CODEC_SQ8, 0},  {OMEN_METRIC_COSINE, 900, 130, 12, 20, OMEN_CODEC_SQ8, 0},
    {OMEN_METRIC_IP, 2000, 33, 33, 20, OMEN_CODEC_SQ8, 0},      {OMEN_METRIC_HAMMING, 2500, 128, 0, 60, OMEN_CODEC_SQ8, 0}, {OMEN_METRIC_HAMMING, 700, 72, 0, 10, OMEN_CODEC_SQ8, 0},   {OMEN_METRIC_L2, 2100, 1, 1, 5, OMEN_CODEC_SQ8, 0},
    {OMEN_METRIC_L2, 2000, 48, 48, 30, OMEN_CODEC_RABITQ, 1},    {OMEN_METRIC_L2, 1500, 200, 20, 30, OMEN_CODEC_RABITQ, 0},
    {OMEN_METRIC_COSINE, 1200, 70, 70, 20, OMEN_CODEC_RABITQ, 3}, {OMEN_METRIC_IP, 1500, 100, 100, 20, OMEN_CODEC_RABITQ, 8},
    {OMEN_METRIC_IP, 900, 40, 40, 10, OMEN_CODEC_RABITQ, 2},     {OMEN_METRIC_HAMMING, 600, 64, 0, 10, OMEN_CODEC_RABITQ, 1},
    {OMEN_METRIC_L2, 2000, 48, 48, 30, OMEN_CODEC_PQ, 0},        {OMEN_METRIC_COSINE, 1200, 131, 15, 20, OMEN_CODEC_PQ, 0},
    {OMEN_METRIC_IP, 1500, 65, 65, 20, OMEN_CODEC_PQ, 0},
};

/* The model of a shape, without its vectors. */
static void shape_init(model *m, unsigned i) {
    model_init(m, shapes[i].rows, shapes[i].dimensions, shapes[i].metric);
    m->options.codec = shapes[i].codec;
    m->options.bits = shapes[i].bits;
}

TEST(all_lists_and_re_ranking_find_everything) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i += EACH) {
        model m;
        shape_init(&m, i);
        m.pending = 20;
        model_fill(&m, shapes[i].clusters, shapes[i].lead, 0.5f);
        REQUIRE_OK(model_build(&m, NULL));
        CHECK(!m.disorder);
        fault_storage_set_pending(m.fs, 30);
        REQUIRE_OK(model_open_index(&m, NULL));
        CHECK_OK(model_check(&m, NULL));
        const omen_index_options *o = omen_index_options_of(m.index);
        CHECK_EQ_INT(o->kind, OMEN_INDEX_IVF);
        CHECK(o->lists > 1 && o->lists <= m.source.rows / 16);
        double r = recall(&m, 30, o->lists, shapes[i].dimensions == 1 ? m.source.rows : 200);
        if (!CHECK(r == 1.0)) printf("        shape %u: recall %g\n", i, r);
        /* More lists than there are, more candidates than rows. */
        CHECK(recall(&m, 3, 1u << 30, 1u << 30) == 1.0);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(few_lists_find_most) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i += EACH) {
        model m;
        shape_init(&m, i);
        model_fill(&m, shapes[i].clusters, shapes[i].lead, 0.5f);
        REQUIRE_OK(model_build(&m, NULL));
        REQUIRE_OK(model_open_index(&m, NULL));
        uint32_t count, last_effort = 0;
        const omen_index_point *p = omen_index_audit(m.index, &count);
        CHECK(count > 1);
        for (uint32_t n = 1; n < count; n++) CHECK(p[n].effort > p[n - 1].effort && p[n].recall + 3000 > p[n - 1].recall);
        CHECK(p[0].recall < p[count - 1].recall || p[0].recall > 64000);
        CHECK(p[count - 1].recall > 62000);
        for (float r = 0.5f; r < 1.0f; r += 0.1f) {
            omen_index_plan plan = omen_index_plan_for(m.index, K, r);
            CHECK(plan.effort >= last_effort && plan.want >= K && plan.slack == 0);
            last_effort = plan.effort;
        }
        omen_index_plan plan = omen_index_plan_for(m.index, K, 0.9f);
        double got = recall(&m, 60, plan.effort, plan.want);
        if (!CHECK(got > 0.8)) printf("        shape %u: effort %u, want %u give %g\n", i, plan.effort, plan.want, got);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* A search of few lists looks at few rows, and says so. */
TEST(work_is_counted) {
    model m;
    omen_index_hit *hits;
    omen_index_work one, all;
    uint32_t count;
    model_init(&m, 4000, 16, OMEN_METRIC_L2);
    model_fill(&m, 50, 16, 0.4f);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    uint32_t lists = omen_index_options_of(m.index)->lists;
    omen_index_query q = {.vector = model_floats(&m, 17), .want = 5, .effort = 1};
    REQUIRE_OK(model_search(&m, &q, &hits, &count, &one));
    CHECK(count == 5 && hits[0].row == 17);
    free(hits);
    q.effort = lists;
    REQUIRE_OK(model_search(&m, &q, &hits, &count, &all));
    free(hits);
    CHECK_EQ_UINT(all.distances, 4000 + lists);
    CHECK_EQ_UINT(all.hops, lists);
    CHECK_EQ_UINT(one.hops, 1);
    CHECK(one.distances < lists + 1000 && one.bytes < all.bytes);
    CHECK(omen_index_memory(m.index) > 4000 * 64);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST(asked_for_parameters_are_kept) {
    model m;
    model_init(&m, 1000, 16, OMEN_METRIC_L2);
    m.options.lists = 20;
    model_fill(&m, 50, 16, 0.4f);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    CHECK_EQ_UINT(omen_index_options_of(m.index)->lists, 20);
    CHECK_EQ_INT(omen_index_options_of(m.index)->codec, OMEN_CODEC_SQ8);
    CHECK_EQ_UINT(model_deinit(&m), 0);
    /* Though most of the lists get no row: what was asked for is not taken for a change of mind. */
    model_init(&m, 300, 16, OMEN_METRIC_L2);
    m.options.lists = 200;
    m.options.codec = OMEN_CODEC_RABITQ;
    m.options.bits = 5;
    model_fill(&m, 3, 16, 0.0f);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    CHECK_OK(model_check(&m, NULL));
    CHECK_EQ_UINT(omen_index_options_of(m.index)->lists, 200);
    CHECK_EQ_UINT(omen_index_options_of(m.index)->bits, 5);
    CHECK_EQ_INT(omen_index_options_of(m.index)->codec, OMEN_CODEC_RABITQ);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* Left open, the codec follows from what the sample is like. */
TEST(the_codec_is_chosen) {
    static const struct { uint32_t rows, dimensions, lead; omen_codec want; } cases[] = {
        {300, 40, 40, OMEN_CODEC_SQ8}, {300, 512, 512, OMEN_CODEC_SQ8}, {300, 600, 600, OMEN_CODEC_RABITQ}, {1300, 600, 10, OMEN_CODEC_SQ8}};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        model m;
        model_init(&m, cases[i].rows, cases[i].dimensions, OMEN_METRIC_L2);
        model_fill(&m, 20, cases[i].lead, 0.5f);
        REQUIRE_OK(model_build(&m, NULL));
        REQUIRE_OK(model_open_index(&m, NULL));
        CHECK_OK(model_check(&m, NULL));
        CHECK_EQ_INT(omen_index_options_of(m.index)->codec, cases[i].want);
        CHECK_EQ_UINT(omen_index_options_of(m.index)->bits, cases[i].want == OMEN_CODEC_RABITQ ? 4 : 0);
        CHECK(recall(&m, 10, 1000, 60) > 0.99);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* ---- the same bytes everywhere ---- */

static uint64_t order_seed;

/* Tasks in an order of its own. */
static void shuffled(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    size_t *order = malloc((n + 1) * sizeof *order);
    (void)ctx;
    for (size_t i = 0; i < n; i++) order[i] = i;
    for (size_t i = n; i > 1; i--) {
        order_seed = order_seed * UINT64_C(6364136223846793005) + 1;
        size_t j = (size_t)((order_seed >> 33) % i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
    for (size_t i = 0; i < n; i++) fn(arg, order[i]);
    free(order);
}

TEST(threads_do_not_show_in_the_file) {
    static const uint32_t threads[] = {1, 2, 7};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i += EACH) {
        omen_hash128 first = {{0}};
        uint8_t *vectors = NULL;
        for (unsigned t = 0; t < OMEN_ARRAY_LEN(threads); t++) {
            model m;
            shape_init(&m, i);
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

TEST(kernel_sets_do_not_show_in_the_file) {
    const omen_kernels *best = omen_kernels_get();
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i += EACH) {
        omen_hash128 first = {{0}};
        uint8_t *vectors = NULL;
        for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
            model m;
            CHECK_OK(omen_kernels_use((*k)->name));
            shape_init(&m, i);
            model_fill_once(&m, &vectors, shapes[i].clusters, shapes[i].lead);
            CHECK_OK(model_build(&m, NULL));
            if (k == omen_kernels_offer()) first = m.info.hash;
            CHECK(omen_hash128_equal(&m.info.hash, &first));
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
        free(vectors);
    }
    CHECK_OK(omen_kernels_use(best->name));
}

/* ---- filters ---- */

TEST(dead_and_refused_rows_are_not_answered) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(shapes); i += EACH) {
        model m;
        shape_init(&m, i);
        model_fill(&m, shapes[i].clusters, shapes[i].lead, 0.5f);
        REQUIRE_OK(model_build(&m, NULL));
        REQUIRE_OK(model_open_index(&m, NULL));
        omen_bits *dead = omen_bits_new(&m.x.mem, m.source.rows);
        for (uint32_t r = 0; r < m.source.rows; r++)
            if (test_rand_below(4) == 0) omen_bits_set(dead, r);
        omen_bits *every_third = model_every(&m, 3, 0);
        uint32_t live = m.source.rows - dead->ones, thirds = 0, both = 0;
        for (uint32_t r = 0; r < m.source.rows; r++) {
            thirds += r % 3 == 0;
            both += r % 3 == 0 && !omen_bits_test(dead, r);
        }
        for (unsigned n = 0; n < 8; n++) {
            uint32_t count, all_count, at = 0, want = n < 4 ? m.source.rows : 25;
            omen_index_hit *hits, *all;
            const uint8_t *vector = m.vectors + test_rand_below(m.source.rows) * m.bytes;
            omen_index_query q = {.vector = vector, .want = m.source.rows, .effort = m.source.rows};
            REQUIRE_OK(model_search(&m, &q, &all, &all_count, NULL));
            q.want = want;
            q.effort = n < 4 ? m.source.rows : 3;
            q.dead = n % 4 >= 2 ? dead : NULL;
            if (n % 2 == 1) q.accept = every_third;
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            CHECK(well_formed(&m, hits, count));
            if (n < 4) CHECK_EQ_UINT(count, n == 0 ? m.source.rows : n == 1 ? thirds : n == 2 ? live : both);
            /* Exactly what a search without a filter finds, without the rows that are refused; RABITQ may exclude a row or two more by mistake.
             * Of few lists: some of that, in the same order; more of them than were asked for where many rows are refused. */
            bool likely = n >= 4 || (shapes[i].codec == OMEN_CODEC_RABITQ && shapes[i].metric != OMEN_METRIC_HAMMING);
            for (uint32_t h = 0; h < count; h++, at++) {
                while (at < all_count && ((q.accept != NULL && all[at].row % 3 != 0) || omen_bits_test(q.dead, all[at].row) || (likely && all[at].row != hits[h].row))) at++;
                if (!CHECK(at < all_count && all[at].row == hits[h].row && all[at].rank == hits[h].rank)) break;
            }
            free(all);
            free(hits);
        }
        omen_bits_unref(dead);
        omen_bits_unref(every_third);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Many searches at once do not disturb each other. */
TEST(searches_overlap) {
    model m;
    omen_index_search *s[5];
    model_init(&m, 800, 20, OMEN_METRIC_L2);
    model_fill(&m, 20, 20, 0.5f);
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    for (unsigned round = 0; round < 3; round++) {
        omen_index_query q[5];
        for (unsigned i = 0; i < 5; i++) {
            q[i] = (omen_index_query){.vector = model_floats(&m, i * 100 + round), .want = 1 + i * 7, .effort = 1 + i};
            REQUIRE_OK(omen_index_search_begin(m.index, &q[i], &s[i], NULL));
        }
        for (unsigned i = 5; i-- != 0;) CHECK_OK(omen_index_search_step(s[i], NULL));
        for (unsigned i = 0; i < 5; i++) {
            uint32_t count;
            const omen_index_hit *hits = omen_index_search_hits(s[i], &count, NULL);
            CHECK(count == 1 + i * 7 && hits[0].row == i * 100 + round);
            omen_index_search_end(s[i]);
        }
    }
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* ---- data that is hardly data ---- */

typedef enum shape { ZERO, EQUAL, CONSTANT_DIMENSIONS, ONE_DIFFERS, HUGE_VALUES, TINY_VALUES, TWO_PLACES, SHAPES } shape;

static void degenerate(model *m, shape s) {
    for (uint32_t r = 0; r < m->source.rows; r++) {
        if (m->source.metric == OMEN_METRIC_HAMMING) {
            memset(m->vectors + r * m->bytes, s == ZERO ? 0 : s == EQUAL ? 0xA5 : (int)(r % 2 * 255), m->bytes);
            continue;
        }
        float *x = model_floats(m, r);
        for (uint32_t i = 0; i < m->source.dimensions; i++) switch (s) {
                case ZERO: x[i] = 0.0f; break;
                case EQUAL: x[i] = 0.1f * (float)i + 1.0f; break;
                case CONSTANT_DIMENSIONS: x[i] = i < 2 ? test_rand_float() : 3.0f; break;
                case ONE_DIFFERS: x[i] = r == m->source.rows / 2 ? 5.0f : 1.0f; break;
                case HUGE_VALUES: x[i] = 1e18f * test_rand_float(); break;
                case TINY_VALUES: x[i] = 1e-30f * test_rand_float(); break;
                default: x[i] = r % 2 == 0 ? 1.0f : -1.0f; break;
            }
    }
}

TEST(degenerate_data) {
    static const uint32_t rows[] = {1, 2, 3, 15, 16, 33, 300}, dimensions[] = {8, 136};
    static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_COSINE, OMEN_METRIC_IP, OMEN_METRIC_HAMMING};
    for (omen_codec codec = OMEN_CODEC_AUTO; codec <= OMEN_CODEC_PQ; codec++)
    for (unsigned n = 0; n < OMEN_ARRAY_LEN(rows) * OMEN_ARRAY_LEN(dimensions) * OMEN_ARRAY_LEN(metrics) * SHAPES; n += TEST_EMULATED ? 5 : 1) {
        model m;
        omen_index_hit *hits;
        uint32_t count;
        unsigned k = n;
        uint32_t some = rows[k % OMEN_ARRAY_LEN(rows)];
        k /= OMEN_ARRAY_LEN(rows);
        omen_metric metric = metrics[k % OMEN_ARRAY_LEN(metrics)];
        k /= OMEN_ARRAY_LEN(metrics);
        model_init(&m, some, dimensions[k % 2], metric);
        m.options.lists = n % 3 == 0 ? 0 : n % 3 == 1 ? 7 : 65536;
        m.options.codec = codec;
        degenerate(&m, (shape)(k / 2));
        REQUIRE_OK(model_build(&m, NULL));
        REQUIRE_OK(model_open_index(&m, NULL));
        CHECK_OK(model_check(&m, NULL));
        for (uint32_t r = 0; r < some; r += 1 + some / 5) {
            omen_index_query q = {.vector = m.vectors + r * m.bytes, .want = some + 5, .effort = 65536};
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            CHECK_EQ_UINT(count, some);
            CHECK(well_formed(&m, hits, count));
            free(hits);
        }
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(a_hundred_thousand_duplicates) {
    model m;
    omen_index_hit *hits;
    uint32_t count;
    if (TEST_EMULATED) TEST_SKIP("takes a minute under qemu");
    model_init(&m, 100000, 4, OMEN_METRIC_L2);
    for (uint32_t r = 0; r < m.source.rows; r++) model_floats(&m, r)[r == 77777 ? 1 : 0] = 1.0f;
    REQUIRE_OK(model_build(&m, NULL));
    REQUIRE_OK(model_open_index(&m, NULL));
    CHECK_OK(model_check(&m, NULL));
    omen_index_query q = {.vector = model_floats(&m, 5), .want = 100, .effort = 65536};
    omen_index_work work;
    REQUIRE_OK(model_search(&m, &q, &hits, &count, &work));
    CHECK(work.hops <= 2); /* lists without rows are dropped */
    CHECK(count == 100 && hits[0].row == 0 && hits[99].row == 99);
    free(hits);
    q.vector = model_floats(&m, 77777);
    REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
    CHECK(count == 100 && hits[0].row == 77777);
    free(hits);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* ---- faults ---- */

TEST(memory_runs_out_at_every_allocation) {
    static const struct { omen_metric metric; omen_codec codec; } kinds[] = {
        {OMEN_METRIC_L2, OMEN_CODEC_SQ8}, {OMEN_METRIC_HAMMING, OMEN_CODEC_AUTO}, {OMEN_METRIC_COSINE, OMEN_CODEC_RABITQ}, {OMEN_METRIC_L2, OMEN_CODEC_PQ}};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n += TEST_FAULT_STEP) {
            model m;
            omen_error err = {0};
            model_init(&m, 120, 136, kinds[i].metric);
            m.options.codec = kinds[i].codec;
            model_fill(&m, 10, 136, 0.5f);
            bool sticky = n % 2 == 1;
            fault_host_fail_alloc_at(m.x.host, (n + 1) / 2, sticky);
            omen_status s = model_build(&m, &err);
            if (s == OMEN_OK) s = model_open_index(&m, &err);
            if (s == OMEN_OK) s = model_check(&m, &err);
            if (s == OMEN_OK) {
                omen_index_hit *hits;
                uint32_t count;
                omen_index_query q = {.vector = m.vectors, .want = 10, .effort = 2};
                s = model_search(&m, &q, &hits, &count, NULL);
                free(hits);
            }
            hit = fault_host_fault_hit(m.x.host);
            /* The pool of blocks gets by when memory is short for a moment only. */
            if (sticky || s != OMEN_OK) CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
    }
}

TEST(a_fault_at_every_call_of_the_storage) {
    bool hit = true;
    for (uint64_t n = 1; hit; n += TEST_FAULT_STEP) {
        model m;
        model_init(&m, 300, 16, OMEN_METRIC_L2);
        m.options.codec = n % 3 == 0 ? OMEN_CODEC_SQ8 : n % 3 == 1 ? OMEN_CODEC_RABITQ : OMEN_CODEC_PQ;
        model_fill(&m, 10, 16, 0.5f);
        fault_storage_set_pending(m.fs, n % 2 * 30);
        fault_storage_fail_at(m.fs, n, OMEN_ERR_FULL, false);
        omen_status s = model_build(&m, NULL);
        if (s == OMEN_OK) s = model_open_index(&m, NULL);
        if (s == OMEN_OK) s = model_check(&m, NULL);
        hit = fault_storage_fault_hit(m.fs);
        CHECK_STATUS(s, hit ? OMEN_ERR_FULL : OMEN_OK);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(the_source_fails) {
    model m;
    model_init(&m, 300, 16, OMEN_METRIC_L2);
    model_fill(&m, 10, 16, 0.5f);
    omen_index_build *b = NULL;
    bool done = false;
    omen_status s = OMEN_OK;
    REQUIRE_OK(omen_index_build_new(&m.x.store, 5, &m.options, &m.source, &b, NULL));
    for (unsigned i = 0; i < 4 && s == OMEN_OK; i++) s = omen_index_build_step(b, &m.info, &done, NULL);
    CHECK(!done);
    omen_index_build_free(b); /* given up in the middle */
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST_MAIN()
