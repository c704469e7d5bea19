/* Graphs in memory: what a search finds against what there is, every row reached, the same file for any number of threads and any kernels, filters, data that is
 * hardly data, and faults. */
#include "test.h"

#include "graph_model.h"
#include "kernel/kernel.h"

static const struct { omen_metric metric; uint32_t dimensions, lead; } kinds[] = {
    {OMEN_METRIC_L2, 2, 2},      {OMEN_METRIC_L2, 24, 24},      {OMEN_METRIC_L2, 130, 130}, {OMEN_METRIC_L2, 130, 12},  {OMEN_METRIC_COSINE, 2, 2},    {OMEN_METRIC_COSINE, 24, 24},
    {OMEN_METRIC_COSINE, 130, 9}, {OMEN_METRIC_IP, 2, 2},        {OMEN_METRIC_IP, 24, 24},   {OMEN_METRIC_IP, 130, 130}, {OMEN_METRIC_HAMMING, 24, 24}, {OMEN_METRIC_HAMMING, 136, 136},
};

static void graph_init(model *m, uint32_t rows, unsigned kind) {
    model_init(m, rows, kinds[kind].dimensions, kinds[kind].metric);
    m->options.kind = OMEN_INDEX_HNSW;
}

static void build_and_open(model *m) {
    REQUIRE_OK(model_build(m, NULL));
    REQUIRE_OK(model_open_index(m, NULL));
    CHECK_OK(model_check(m, NULL));
}

/* Rows that links of the base lead to from the highest level, counted from the file alone; no list may be malformed. */
static uint32_t reached(model *m) {
    content c;
    uint32_t rows = m->source.rows, n = 0;
    content_read(&c, m);
    uint8_t *seen = calloc(rows, 1);
    uint32_t *queue = calloc(rows, sizeof *queue), top = content_top(&c);
    for (uint32_t i = 0, count = top == 0 ? rows : content_count(&c, top); i < count; i++) {
        queue[n] = top == 0 ? i : content_level(&c, top)[i];
        seen[queue[n++]] = 1;
    }
    for (uint32_t at = 0; at < n; at++)
        for (uint32_t j = 0; j < content_m(&c); j++) {
            uint32_t to = content_links(&c, queue[at])[j];
            if (to == OMEN_NO_NODE) continue;
            CHECK(to < rows && to != queue[at]);
            CHECK(j == 0 || content_links(&c, queue[at])[j - 1] != OMEN_NO_NODE);
            if (to < rows && !seen[to]) {
                seen[to] = 1;
                queue[n++] = to;
            }
        }
    free(seen);
    free(queue);
    content_free(&c);
    return n;
}

TEST(the_nearest_are_found) {
    static const uint32_t rows[] = {1, 2, 3, 31, 64, 511, 513, SLOW ? 1100 : 3000};
    for (unsigned n = 0; n < OMEN_ARRAY_LEN(rows); n++)
        for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i += TEST_EMULATED && rows[n] > 500 ? 4 : 1) {
            model m;
            graph_init(&m, rows[n], i);
            m.pending = n * 5;
            model_fill(&m, 1 + rows[n] / 60, kinds[i].lead, 0.5f);
            fault_storage_set_pending(m.fs, n * 7 % 40);
            build_and_open(&m);
            CHECK(!m.disorder);
            const omen_index_options *o = omen_index_options_of(m.index);
            CHECK_EQ_INT(o->kind, OMEN_INDEX_HNSW);
            CHECK(o->m >= 16 && o->ef_construction >= 64 && o->lists == 0 && o->bits == 0);
            CHECK_EQ_UINT(reached(&m), rows[n]);
            double r = graph_recall(&m, SLOW ? 15 : 40, 100, 100), least = kinds[i].metric == OMEN_METRIC_IP ? 0.9 : 0.95;
            if (!CHECK(r >= least)) printf("        %u rows, kind %u: recall %g\n", rows[n], i, r);
            /* As many candidates as rows: every row is one. */
            CHECK(graph_recall(&m, 3, 1, rows[n] + 7) == 1.0);
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
}

TEST(more_effort_finds_more_and_costs_more) {
    model m;
    uint32_t points;
    model_init(&m, SLOW ? 1500 : 4000, 40, OMEN_METRIC_L2);
    m.options.kind = OMEN_INDEX_HNSW;
    model_fill(&m, 1, 40, 1.0f);
    build_and_open(&m);
    const omen_index_point *p = omen_index_audit(m.index, &points);
    REQUIRE(points > 1);
    for (uint32_t i = 1; i < points; i++) CHECK(p[i].effort > p[i - 1].effort && p[i].want >= 10 && p[i].want <= m.source.rows && p[i].recall + 1000 > p[i - 1].recall);
    CHECK(p[0].recall < p[points - 1].recall && p[points - 1].recall > 63000);
    uint64_t last = 0;
    for (uint32_t ef = 10; ef <= 640; ef *= 4) {
        omen_index_hit *hits;
        omen_index_work work;
        uint32_t count;
        omen_index_query q = {.vector = m.vectors, .want = 10, .effort = ef};
        CHECK_OK(model_search(&m, &q, &hits, &count, &work));
        CHECK(count == 10 && work.distances > last && work.hops >= ef / 2 && work.bytes >= work.distances * 64 && work.blocks == 0);
        CHECK(work.distances <= m.source.rows + 512u);
        last = work.distances;
        free(hits);
    }
    /* What the audit promises of an effort, searches hold about. */
    for (float recall = 0.8f; recall < 0.96f; recall += 0.15f) {
        omen_index_plan p10 = omen_index_plan_for(m.index, 10, recall), p1 = omen_index_plan_for(m.index, 1, recall);
        CHECK(p10.slack != 0 && p10.effort >= p10.want && p1.slack == p10.slack);
        double r = graph_recall_within(&m, 60, &p10);
        if (!CHECK(r > (double)recall - 0.05)) printf("        recall %g of %g\n", r, (double)recall);
    }
    CHECK(omen_index_memory(m.index) > m.source.rows * 64u);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* A reach so far that nothing lies beyond is none; the shorter it is, the less is looked at, and what is answered stays among the nearest that were seen. */
TEST(a_reach_ends_walks_early) {
    static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_COSINE, OMEN_METRIC_IP, OMEN_METRIC_HAMMING};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(metrics); i++)
        for (unsigned kind = 0; kind < 2; kind++) {
            model m;
            if (SLOW && kind != i % 2) continue;
            model_init(&m, SLOW ? 1000 : 4000, metrics[i] == OMEN_METRIC_HAMMING ? 128 : 40, metrics[i]);
            m.options.kind = kind == 0 ? OMEN_INDEX_HNSW : OMEN_INDEX_DISK;
            model_fill(&m, 1, 40, 1.0f);
            build_and_open(&m);
            uint8_t *query = malloc(m.bytes);
            omen_bits *dead = omen_bits_new(&m.x.mem, m.source.rows);
            for (uint32_t r = 0; r < m.source.rows; r++)
                if (r % 3 != 0) omen_bits_set(dead, r);
            for (unsigned filtered = 0; filtered < 2; filtered++)
                for (unsigned n = 0; n < 10; n++) {
                    omen_index_query q = {.want = 30, .effort = 300, .near = 10, .dead = filtered ? dead : NULL, .vector = query};
                    omen_index_work work, last = {0};
                    omen_index_hit *hits, *all;
                    uint32_t count, all_count;
                    query_near(&m, (uint32_t)test_rand_below(m.source.rows), query);
                    CHECK_OK(model_search(&m, &q, &all, &all_count, &work));
                    CHECK_EQ_UINT(all_count, 30);
                    for (uint32_t slack = 1; slack <= OMEN_WALK_SLACK_MAX; slack *= 32) {
                        q.slack = slack;
                        CHECK_OK(model_search(&m, &q, &hits, &count, &last));
                        CHECK(hits_sound(&m, hits, count) && count >= 10 && last.distances <= work.distances);
                        if (slack == OMEN_WALK_SLACK_MAX && !filtered) CHECK(count == all_count && memcmp(hits, all, count * sizeof *hits) == 0 && last.distances == work.distances);
                        for (uint32_t h = 0; h < count; h++) CHECK(!filtered || hits[h].row % 3 == 0);
                        if (slack == 1) CHECK(last.distances < work.distances || metrics[i] == OMEN_METRIC_IP);
                        free(hits);
                    }
                    free(all);
                }
            omen_bits_unref(dead);
            free(query);
            CHECK_EQ_UINT(model_deinit(&m), 0);
        }
}

TEST(parameters_at_their_ends) {
    static const struct { uint32_t m, ef_construction; } of[] = {{4, 8}, {4, 2000}, {128, 8}, {128, 2000}, {5, 0}, {0, 33}};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(of); i++) {
        model m;
        content c;
        model_init(&m, i == 3 || SLOW ? 700 : 1500, 16, OMEN_METRIC_L2);
        m.options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = of[i].m, .ef_construction = of[i].ef_construction};
        model_fill(&m, 20, 16, 0.5f);
        build_and_open(&m);
        const omen_index_options *o = omen_index_options_of(m.index);
        CHECK(of[i].m == 0 || o->m == of[i].m);
        CHECK(of[i].ef_construction == 0 || o->ef_construction == of[i].ef_construction);
        CHECK_EQ_UINT(reached(&m), m.source.rows);
        content_read(&c, &m);
        CHECK_EQ_UINT(content_m(&c), o->m);
        content_free(&c);
        double r = graph_recall(&m, 20, 200, 200);
        if (!CHECK(r > (of[i].m == 4 ? 0.6 : 0.95))) printf("        m %u: recall %g\n", of[i].m, r);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* ---- the same bytes everywhere ---- */

static void backwards(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    while (n-- != 0) fn(arg, n);
}

/* Odd tasks, then even ones. */
static void halves(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    for (size_t i = 1; i < n; i += 2) fn(arg, i);
    for (size_t i = 0; i < n; i += 2) fn(arg, i);
}

TEST(threads_do_not_show_in_the_file) {
    static const struct { uint32_t threads; void (*loop)(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg); } with[] = {{1, NULL}, {2, backwards}, {7, halves}, {16, backwards}};
    for (unsigned i = 1; i < OMEN_ARRAY_LEN(kinds); i += 2) {
        omen_hash128 first = {{0}};
        uint8_t *vectors = NULL;
        for (unsigned t = 0; t < OMEN_ARRAY_LEN(with); t++) {
            model m;
            graph_init(&m, SLOW ? 700 : 1200, i);
            m.pending = t * 10;
            model_fill_once(&m, &vectors, 20, kinds[i].lead);
            m.x.host->host.threads = with[t].threads;
            m.x.host->host.parallel_for = with[t].loop;
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
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i += 3) {
        omen_hash128 first = {{0}};
        uint8_t *vectors = NULL;
        for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
            model m;
            CHECK_OK(omen_kernels_use((*k)->name));
            graph_init(&m, 600, i);
            model_fill_once(&m, &vectors, 20, kinds[i].lead);
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
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        graph_init(&m, i % 3 == 0 ? 400 : SLOW ? 900 : 2000, i);
        model_fill(&m, 20, kinds[i].lead, 0.5f);
        build_and_open(&m);
        omen_bits *dead = omen_bits_new(&m.x.mem, m.source.rows);
        for (uint32_t r = 0; r < m.source.rows; r++)
            if (test_rand_below(3) == 0) omen_bits_set(dead, r);
        static const uint32_t each[] = {0, 2, 50};
        for (unsigned n = 0; n < 12; n++) {
            uint32_t one_in = each[n / 2 % 3], count, may = 0, missed = 0, want = n < 6 ? 10 : m.source.rows + 3;
            omen_index_hit *hits;
            omen_index_query q = {.vector = m.vectors + test_rand_below(m.source.rows) * m.bytes, .want = want, .effort = 40};
            q.dead = n % 2 == 1 ? dead : NULL;
            omen_bits *accept = one_in == 0 ? NULL : model_every(&m, one_in, 0);
            q.accept = accept;
            uint8_t *answerable = calloc(m.source.rows, 1);
            for (uint32_t r = 0; r < m.source.rows; r++) may += answerable[r] = (one_in == 0 || r % one_in == 0) && !omen_bits_test(q.dead, r);
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            CHECK(hits_sound(&m, hits, count));
            for (uint32_t h = 0; h < count; h++) CHECK(answerable[hits[h].row]);
            CHECK_EQ_UINT(count, want < may ? want : may);
            for (uint32_t h = 0; h < count; h++) answerable[hits[h].row] = 0;
            for (uint32_t r = 0; r < m.source.rows; r++) missed += answerable[r];
            CHECK_EQ_UINT(missed, may - count);
            omen_bits_unref(accept);
            free(answerable);
            free(hits);
        }
        /* Nobody may be answered. */
        for (uint32_t r = 0; r < m.source.rows; r++) omen_bits_set(dead, r);
        omen_index_hit *hits;
        uint32_t count;
        omen_index_query q = {.vector = m.vectors, .want = 10, .effort = 10, .dead = dead};
        CHECK_OK(model_search(&m, &q, &hits, &count, NULL));
        CHECK_EQ_UINT(count, 0);
        free(hits);
        omen_bits_unref(dead);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* The nearest of the rows that may be answered, when those are one in forty. */
TEST(a_filter_that_refuses_most_rows) {
    model m;
    model_init(&m, SLOW ? 1500 : 4000, 16, OMEN_METRIC_L2);
    m.options.kind = OMEN_INDEX_HNSW;
    model_fill(&m, 30, 16, 0.5f);
    build_and_open(&m);
    uint32_t found = 0, all = 0;
    uint8_t *query = malloc(m.bytes);
    omen_bits *accept = model_every(&m, 40, 0);
    for (unsigned n = 0; n < 20; n++) {
        uint32_t count, k = 0;
        omen_index_hit *hits;
        model_near *truth = malloc(m.source.rows * sizeof *truth);
        query_near(&m, (uint32_t)test_rand_below(m.source.rows), query);
        uint32_t rows = model_nearest(&m, query, NULL, 0, m.source.rows, truth);
        omen_index_query q = {.vector = query, .want = 30, .effort = 100, .accept = accept};
        REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
        CHECK_EQ_UINT(count, 30);
        for (uint32_t i = 0; i < rows && k < 10; i++) {
            if (truth[i].row % 40 != 0) continue;
            k++;
            for (uint32_t h = 0; h < count; h++) found += hits[h].row == truth[i].row;
        }
        all += k;
        free(truth);
        free(hits);
    }
    if (!CHECK(found * 100 >= all * 95)) printf("        found %u of %u\n", found, all);
    omen_bits_unref(accept);
    free(query);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST(searches_overlap) {
    model m;
    omen_index_search *s[5];
    graph_init(&m, 900, 1);
    model_fill(&m, 20, 24, 0.5f);
    build_and_open(&m);
    for (unsigned round = 0; round < 3; round++) {
        omen_index_query q[5];
        for (unsigned i = 0; i < 5; i++) {
            q[i] = (omen_index_query){.vector = model_floats(&m, i * 100 + round), .want = 1 + i * 70, .effort = 40 + i};
            REQUIRE_OK(omen_index_search_begin(m.index, &q[i], &s[i], NULL));
        }
        for (unsigned i = 5; i-- != 0;) CHECK_OK(omen_index_search_step(s[i], NULL));
        for (unsigned i = 0; i < 5; i++) {
            uint32_t count;
            const omen_index_hit *hits = omen_index_search_hits(s[i], &count, NULL);
            CHECK(count == 1 + i * 70 && hits[0].row == i * 100 + round);
            omen_index_search_end(s[i]);
        }
    }
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* ---- data that is hardly data ---- */

typedef enum shape { ZERO, EQUAL, CONSTANT_DIMENSIONS, DUPLICATES, LINE, TWO_PLACES, ONE_FAR, HUGE_VALUES, TINY_VALUES, SHAPES } shape;

static void degenerate(model *m, shape s) {
    bool bits = m->source.metric == OMEN_METRIC_HAMMING;
    for (uint32_t r = 0; r < m->source.rows; r++) {
        if (bits) {
            memset(m->vectors + r * m->bytes, s == ZERO ? 0 : s == EQUAL ? 0xA5 : s == DUPLICATES ? (int)(r % 7 * 31) : (int)(r % 2 * 255), m->bytes);
            continue;
        }
        float *x = model_floats(m, r);
        for (uint32_t i = 0; i < m->source.dimensions; i++) switch (s) {
                case ZERO: x[i] = 0.0f; break;
                case EQUAL: x[i] = 0.1f * (float)i + 1.0f; break;
                case CONSTANT_DIMENSIONS: x[i] = i < 2 ? test_rand_float() : 3.0f; break;
                case DUPLICATES: x[i] = (float)((r % 23) * (i + 1) % 17); break;
                case LINE: x[i] = (float)r * 0.01f * (float)(i % 3 + 1); break;
                case TWO_PLACES: x[i] = (r % 2 == 0 ? 1000.0f : -1000.0f) + test_rand_float(); break;
                case ONE_FAR: x[i] = r == m->source.rows / 2 ? 1e6f : test_rand_float(); break;
                case HUGE_VALUES: x[i] = 1e18f * test_rand_float(); break;
                default: x[i] = 1e-15f * test_rand_float(); break;
            }
    }
}

TEST(degenerate_data) {
    static const uint32_t rows[] = {1, 40, 600}, dimensions[] = {8, 136};
    static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_COSINE, OMEN_METRIC_IP, OMEN_METRIC_HAMMING};
    for (unsigned n = 0; n < OMEN_ARRAY_LEN(rows) * OMEN_ARRAY_LEN(dimensions) * OMEN_ARRAY_LEN(metrics) * SHAPES; n += TEST_EMULATED ? 5 : 1) {
        model m;
        omen_index_hit *hits;
        unsigned k = n;
        uint32_t count, own = rows[k % OMEN_ARRAY_LEN(rows)];
        k /= OMEN_ARRAY_LEN(rows);
        omen_metric metric = metrics[k % OMEN_ARRAY_LEN(metrics)];
        k /= OMEN_ARRAY_LEN(metrics);
        shape s = (shape)(k / 2);
        model_init(&m, own, dimensions[k % 2], metric);
        m.options.kind = OMEN_INDEX_HNSW;
        degenerate(&m, s);
        build_and_open(&m);
        CHECK_EQ_UINT(reached(&m), own);
        for (uint32_t r = 0; r < own; r += 1 + own / 5) {
            omen_index_query q = {.vector = m.vectors + r * m.bytes, .want = own + 5, .effort = 10};
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            CHECK(hits_sound(&m, hits, count));
            if (!CHECK(count == own)) printf("        shape %d, metric %d: %u of %u\n", (int)s, (int)metric, count, own);
            free(hits);
        }
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Two far places, a line, hundreds of copies: neighbours are found all the same. */
TEST(odd_shapes_are_searched_well) {
    static const shape of[] = {CONSTANT_DIMENSIONS, DUPLICATES, LINE, TWO_PLACES};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(of); i++) {
        model m;
        model_init(&m, SLOW ? 800 : 2500, 12, OMEN_METRIC_L2);
        m.options.kind = OMEN_INDEX_HNSW;
        degenerate(&m, of[i]);
        build_and_open(&m);
        CHECK_EQ_UINT(reached(&m), m.source.rows);
        uint32_t right = 0, asked = 30;
        for (uint32_t n = 0; n < asked; n++) {
            uint32_t count, row = (uint32_t)test_rand_below(m.source.rows);
            omen_index_hit *hits;
            model_near best, truth;
            omen_index_query q = {.vector = model_floats(&m, row), .want = 200, .effort = 200};
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            REQUIRE(count == 200);
            model_nearest(&m, model_floats(&m, row), hits, count, 1, &best);
            model_nearest(&m, model_floats(&m, row), NULL, 0, 1, &truth);
            right += best.distance == truth.distance || of[i] == TWO_PLACES;
            /* Of two places no candidate lies in the wrong one, as far as there are enough. */
            if (of[i] == TWO_PLACES) for (uint32_t h = 0; h < count; h++) CHECK(hits[h].row % 2 == row % 2);
            free(hits);
        }
        if (!CHECK(right * 10 >= asked * 9)) printf("        shape %d: %u of %u\n", (int)of[i], right, asked);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(twenty_thousand_equal_vectors) {
    model m;
    content c;
    omen_index_hit *hits;
    omen_index_work work;
    uint32_t count;
    model_init(&m, SLOW ? 9000 : 20000, 4, OMEN_METRIC_L2);
    m.options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .ef_construction = SLOW ? 16 : 0};
    degenerate(&m, EQUAL);
    model_floats(&m, 7777)[2] = -1.0f;
    build_and_open(&m);
    CHECK_EQ_UINT(reached(&m), m.source.rows);
    content_read(&c, &m);
    CHECK_EQ_UINT(content_top(&c), 2);
    content_free(&c);
    omen_index_query q = {.vector = model_floats(&m, 5), .want = 50, .effort = 50};
    CHECK_OK(model_search(&m, &q, &hits, &count, &work));
    CHECK(count == 50 && hits_sound(&m, hits, count) && work.distances < m.source.rows);
    for (uint32_t i = 0; i < count; i++) CHECK(hits[i].row != 7777);
    free(hits);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* ---- faults ---- */

TEST(memory_runs_out_at_every_allocation) {
    static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_HAMMING, OMEN_METRIC_IP};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(metrics); i++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n += TEST_FAULT_STEP) {
            model m;
            omen_error err = {0};
            model_init(&m, 540, i == 0 ? 136 : 16, metrics[i]);
            m.options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 6, .ef_construction = 8};
            model_fill(&m, 10, 8, 0.5f);
            bool sticky = n % 2 == 1;
            fault_host_fail_alloc_at(m.x.host, (n + 1) / 2, sticky);
            omen_status s = model_build(&m, &err);
            if (s == OMEN_OK) s = model_open_index(&m, &err);
            if (s == OMEN_OK) s = model_check(&m, &err);
            if (s == OMEN_OK) {
                omen_index_hit *hits;
                uint32_t count;
                omen_index_query q = {.vector = m.vectors, .want = 10, .effort = 12};
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
        model_init(&m, 600, 8, OMEN_METRIC_L2);
        m.options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 6, .ef_construction = 8};
        model_fill(&m, 10, 8, 0.5f);
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

/* Given up after any number of steps, nothing is kept. */
TEST(a_build_that_is_given_up) {
    bool done = false;
    for (unsigned steps = 0; !done; steps += 3) {
        model m;
        model_init(&m, 600, 16, OMEN_METRIC_COSINE);
        m.options = (omen_index_options){.kind = OMEN_INDEX_HNSW, .m = 6, .ef_construction = 8};
        model_fill(&m, 10, 16, 0.5f);
        omen_index_build *b = NULL;
        omen_status s = OMEN_OK;
        REQUIRE_OK(omen_index_build_new(&m.x.store, 5, &m.options, &m.source, &b, NULL));
        for (unsigned i = 0; i < steps && s == OMEN_OK && !done; i++) s = omen_index_build_step(b, &m.info, &done, NULL);
        CHECK_OK(s);
        CHECK(omen_index_build_progress(b) <= 1000 && (omen_index_build_progress(b) == 1000) == done);
        omen_index_build_free(b);
        CHECK_EQ_UINT(model_deinit(&m), 0);
        REQUIRE(steps < 1000);
    }
}

TEST_MAIN()
