/* Searches with filters, of every kind of index: how much is found whatever share of the rows may be answered and wherever those lie, and what a filter must not change. */
#include "test.h"

#include "graph_model.h"

typedef enum lie { ANYWHERE, NEAR, FAR, ISLANDS, LIES } lie;
static const char *const lie_names[] = {"anywhere", "near", "far", "islands"};

typedef struct made { omen_index_kind kind; omen_codec codec; omen_metric metric; } made;
static const made kinds[] = {
    {OMEN_INDEX_HNSW, 0, OMEN_METRIC_L2},     {OMEN_INDEX_HNSW, 0, OMEN_METRIC_HAMMING}, {OMEN_INDEX_DISK, 0, OMEN_METRIC_L2},
    {OMEN_INDEX_IVF, OMEN_CODEC_SQ8, OMEN_METRIC_L2}, {OMEN_INDEX_IVF, OMEN_CODEC_RABITQ, OMEN_METRIC_L2}, {OMEN_INDEX_IVF, 0, OMEN_METRIC_HAMMING},
};
#define ROWS (SLOW ? 4000u : 12000u)

/* Labels of the rows: which of some of them is the nearest. */
#define LABELS 24u
static uint32_t label[12000], centre[LABELS];

static void set_labels(const model *m) {
    for (uint32_t c = 0; c < LABELS; c++) centre[c] = (uint32_t)test_rand_below(m->source.rows);
    for (uint32_t r = 0; r < m->source.rows; r++) {
        double least = INFINITY;
        for (uint32_t c = 0; c < LABELS; c++) {
            double d = model_distance(m, m->vectors + centre[c] * m->bytes, r);
            if (d < least) least = d, label[r] = c;
        }
    }
}

static void make(model *m, unsigned kind, uint32_t rows) {
    bool bits = kinds[kind].metric == OMEN_METRIC_HAMMING;
    model_init(m, rows, bits ? 256 : 24, kinds[kind].metric);
    m->options = (omen_index_options){.kind = kinds[kind].kind, .codec = kinds[kind].codec};
    model_fill(m, 40, 24, 0.5f);
    set_labels(m);
    REQUIRE_OK(model_build(m, NULL));
    REQUIRE_OK(model_open_index(m, NULL));
}

/* `count` rows: any; those of the labels nearest to the query, the nearest label first; of the farthest; of the farthest and of those in the middle by turns. */
static omen_bits *choose(model *m, const void *query, lie how, uint32_t count) {
    uint32_t rows = m->source.rows, order[LABELS];
    double away[LABELS];
    omen_bits *b = omen_bits_new(&m->x.mem, rows);
    for (uint32_t c = 0; c < LABELS; c++) {
        uint32_t at = c;
        away[c] = model_distance(m, query, centre[c]) * (how == NEAR ? 1 : -1);
        for (; at != 0 && away[order[at - 1]] > away[c]; at--) order[at] = order[at - 1];
        order[at] = c;
    }
    for (uint32_t c = 0; c < LABELS && how != ANYWHERE; c++) {
        uint32_t from = how == ISLANDS && c % 2 == 1 ? order[(LABELS / 2 + c / 2) % LABELS] : how == ISLANDS ? order[c / 2] : order[c];
        for (uint32_t r = 0; r < rows && b->ones < count; r++)
            if (label[r] == from) omen_bits_set(b, r);
    }
    while (b->ones < count) omen_bits_set(b, (uint32_t)test_rand_below(rows));
    return b;
}

/* One search to its end, as model_search; *lost: it says that all should be compared. */
static omen_status ask(model *m, const omen_index_query *q, omen_index_hit **hits, uint32_t *count, bool *lost) {
    omen_index_search *s;
    omen_status status = omen_index_search_begin(m->index, q, &s, NULL);
    *hits = NULL;
    *count = 0;
    if (status != OMEN_OK) return status;
    STEP(status, omen_index_search_step(s, NULL));
    const omen_index_hit *own = omen_index_search_hits(s, count, NULL);
    *hits = malloc((*count + 1) * sizeof **hits);
    if (*count != 0) memcpy(*hits, own, *count * sizeof **hits);
    *lost = omen_index_search_lost(s);
    omen_index_search_end(s);
    return status;
}

/* How many of the k nearest that may be answered a search and exact re-ranking find; *of: how many there are. */
static uint32_t found(model *m, const void *query, const omen_bits *accept, const omen_bits *dead, uint32_t k, uint32_t *of) {
    omen_index_plan plan = omen_index_plan_for(m->index, k, 0.95f);
    uint32_t count, n = 0, may = 0;
    omen_index_hit *hits;
    model_near *all = malloc(m->source.rows * sizeof *all);
    model_near *got = malloc((size_t)m->source.rows * sizeof *got), *truth = malloc(k * sizeof *truth);
    omen_index_query q = {.vector = query, .want = plan.want, .effort = plan.effort, .slack = plan.slack, .near = OMEN_MAX(k, GRAPH_K), .accept = accept, .dead = dead};
    bool lost = false;
    CHECK_OK(ask(m, &q, &hits, &count, &lost));
    CHECK(!lost || omen_index_options_of(m->index)->kind == OMEN_INDEX_DISK);
    CHECK(hits_sound(m, hits, count) && count <= 4 * plan.want);
    for (uint32_t i = 0; i < count; i++) CHECK(omen_bits_test(accept, hits[i].row) && !omen_bits_test(dead, hits[i].row));
    uint32_t rows = model_nearest(m, query, NULL, 0, m->source.rows, all), g = model_nearest(m, query, hits, count, k, got);
    for (uint32_t i = 0; i < rows && may < k; i++)
        if (omen_bits_test(accept, all[i].row) && !omen_bits_test(dead, all[i].row)) truth[may++] = all[i];
    for (uint32_t i = 0; i < g && may != 0; i++) n += got[i].distance <= truth[may - 1].distance;
    *of = may;
    free(hits);
    free(all);
    free(got);
    free(truth);
    return lost ? may : OMEN_MIN(n, may); /* as whoever asked would find them */
}

TEST(recall_holds_at_every_share_and_wherever_the_rows_lie) {
    static const double shares[] = {0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        if (TEST_EMULATED && i % 2 != 0) continue;
        make(&m, i, ROWS);
        uint8_t *query = malloc(m.bytes);
        for (unsigned how = 0; how < LIES; how++)
            for (unsigned s = 0; s < OMEN_ARRAY_LEN(shares); s += SLOW ? 2 : 1) {
                uint32_t count = OMEN_MAX((uint32_t)(shares[s] * m.source.rows), 1u), hit = 0, all = 0;
                for (unsigned n = 0; n < 12; n++) {
                    uint32_t of;
                    query_near(&m, (uint32_t)test_rand_below(m.source.rows), query);
                    omen_bits *accept = choose(&m, query, (lie)how, count);
                    hit += found(&m, query, accept, NULL, 10, &of);
                    all += of;
                    CHECK_EQ_UINT(of, OMEN_MIN(count, 10u));
                    omen_bits_unref(accept);
                }
                if (!CHECK(hit * 100 >= all * 92)) printf("        kind %u, %s, %g of the rows: %u of %u\n", i, lie_names[how], shares[s], hit, all);
            }
        free(query);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* None, one, fewer than are asked for, as many. */
TEST(few_rows_are_all_found) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        make(&m, i, i % 2 == 0 ? 3000 : 400);
        omen_bits *dead = omen_bits_new(&m.x.mem, m.source.rows);
        for (uint32_t r = 0; r < m.source.rows; r += 2) omen_bits_set(dead, r);
        static const uint32_t counts[] = {0, 1, 9, 10, 11};
        for (unsigned c = 0; c < OMEN_ARRAY_LEN(counts); c++)
            for (unsigned how = 0; how < LIES; how++)
                for (unsigned some_dead = 0; some_dead < 2; some_dead++) {
                    const uint8_t *query = m.vectors + test_rand_below(m.source.rows) * m.bytes;
                    omen_bits *accept = choose(&m, query, (lie)how, counts[c]);
                    uint32_t of, n = found(&m, query, accept, some_dead != 0 ? dead : NULL, 10, &of);
                    CHECK_EQ_UINT(n, of);
                    if (some_dead == 0) CHECK_EQ_UINT(of, OMEN_MIN(counts[c], 10u));
                    omen_bits_unref(accept);
                }
        omen_bits_unref(dead);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Rows that are accepted and dead are not answered, and the nearest of the others are found. */
TEST(a_filter_and_dead_rows_together) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        make(&m, i, ROWS / 2);
        uint8_t *query = malloc(m.bytes);
        uint32_t hit = 0, all = 0;
        omen_bits *dead = omen_bits_new(&m.x.mem, m.source.rows);
        for (uint32_t r = 0; r < m.source.rows; r++)
            if (test_rand_below(3) == 0) omen_bits_set(dead, r);
        for (unsigned n = 0; n < 24; n++) {
            uint32_t of;
            query_near(&m, (uint32_t)test_rand_below(m.source.rows), query);
            omen_bits *accept = choose(&m, query, (lie)(n % LIES), m.source.rows / (n < 12 ? 3 : 15));
            hit += found(&m, query, accept, dead, 10, &of);
            all += of;
            omen_bits_unref(accept);
        }
        if (!CHECK(hit * 100 >= all * 92)) printf("        kind %u: %u of %u\n", i, hit, all);
        omen_bits_unref(dead);
        free(query);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* What was searched before, and how often, does not show; nor does it whether others search meanwhile. */
TEST(answers_do_not_depend_on_what_was_asked_before) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        make(&m, i, 3000);
        omen_index *first = m.index;
        REQUIRE_OK(model_open_index(&m, NULL));
        omen_index *second = m.index;
        for (unsigned n = 0; n < 30; n++) {
            const uint8_t *query = m.vectors + test_rand_below(m.source.rows) * m.bytes;
            omen_index_plan plan = omen_index_plan_for(first, 10, n % 2 == 0 ? 0.95f : 0.99f);
            omen_bits *accept = choose(&m, query, (lie)(n % LIES), m.source.rows / (1 + n % 7));
            omen_index_query q = {.vector = query, .want = plan.want, .effort = plan.effort, .slack = plan.slack, .near = 10, .accept = accept};
            omen_index_hit *a, *b;
            uint32_t an, bn, dn;
            omen_index_search *open;
            m.index = first;
            REQUIRE_OK(model_search(&m, &q, &a, &an, NULL));
            /* The other index is asked for something else in between, and only of every third of all. */
            m.index = second;
            omen_index_query other = {.vector = m.vectors, .want = 7, .effort = 20 + n};
            REQUIRE_OK(omen_index_search_begin(second, &other, &open, NULL));
            if (n % 3 == 0) {
                REQUIRE_OK(model_search(&m, &q, &b, &bn, NULL));
                CHECK(an == bn && memcmp(a, b, an * sizeof *a) == 0);
                free(b);
            }
            omen_status s;
            STEP(s, omen_index_search_step(open, NULL));
            CHECK_OK(s);
            (void)omen_index_search_hits(open, &dn, NULL);
            CHECK_EQ_UINT(dn, 7);
            omen_index_search_end(open);
            free(a);
            omen_bits_unref(accept);
        }
        omen_index_unref(first);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* An estimate grows with what there is to do, and tells where comparing the rows is less. */
TEST(costs_are_estimated) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        make(&m, i, 3000);
        omen_index_plan plan = omen_index_plan_for(m.index, 10, 0.95f), more = omen_index_plan_for(m.index, 100, 0.99f);
        CHECK(omen_index_filtered_cost(m.index, 1, &plan) > 1 && omen_index_filtered_cost(m.index, 0, &plan) > 0);
        CHECK(omen_index_filtered_cost(m.index, 3000, &plan) < 3000);
        for (uint32_t matching = 1; matching <= 3000; matching *= 3) CHECK(omen_index_filtered_cost(m.index, matching, &plan) <= omen_index_filtered_cost(m.index, matching, &more));
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST(memory_runs_out) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(kinds); i++) {
        model m;
        make(&m, i, 2500);
        omen_bits *accept = model_every(&m, 3, 0);
        omen_index_plan plan = omen_index_plan_for(m.index, 10, 0.95f);
        omen_index_query q = {.vector = m.vectors, .want = plan.want, .effort = plan.effort, .slack = plan.slack, .near = 10, .accept = accept};
        bool whole = false;
        for (uint64_t at = 1; at <= 60 && !whole; at++) {
            omen_index_hit *hits;
            uint32_t count;
            omen_index_unref(m.index); /* nothing is kept of an earlier search */
            REQUIRE_OK(model_open_index(&m, NULL));
            fault_host_fail_alloc_at(m.x.host, at, false);
            omen_status s = model_search(&m, &q, &hits, &count, NULL);
            whole = s == OMEN_OK;
            CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
            fault_host_fail_alloc_at(m.x.host, 0, false);
            free(hits);
            if (whole) continue;
            REQUIRE_OK(model_search(&m, &q, &hits, &count, NULL));
            CHECK(count >= 10);
            free(hits);
        }
        CHECK(whole);
        omen_bits_unref(accept);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

TEST_MAIN()
