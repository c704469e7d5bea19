/* The self-audit: true neighbours of held-back rows against a plain search, and the effort that follows from its points. */
#include "test.h"

#include "index/audit.h"
#include "ivf_model.h"

TEST(the_ladder_ascends) {
    static const uint32_t first[] = {32, 48, 64, 96, 128, 192, 256, 384};
    for (uint32_t n = 0; n < OMEN_ARRAY_LEN(first); n++) CHECK_EQ_UINT(omen_audit_ladder(n), first[n]);
    for (uint32_t n = 1; n < OMEN_INDEX_POINTS; n++) CHECK(omen_audit_ladder(n) > omen_audit_ladder(n - 1) && omen_audit_ladder(n) <= 2 * omen_audit_ladder(n - 1));
}

static const struct { omen_metric metric; uint32_t rows, dimensions, queries; } cases[] = {
    {OMEN_METRIC_L2, 900, 17, 28},     {OMEN_METRIC_COSINE, 900, 33, 28}, {OMEN_METRIC_IP, 700, 8, 21},         {OMEN_METRIC_HAMMING, 1000, 72, 31},
    {OMEN_METRIC_HAMMING, 600, 256, 5}, {OMEN_METRIC_L2, 40, 3, 1},        {OMEN_METRIC_L2, 12, 3, 5}, {OMEN_METRIC_L2, 5, 3, 5}, {OMEN_METRIC_COSINE, 1500, 4, OMEN_AUDIT_QUERIES}};

TEST(true_neighbours_are_those_of_a_plain_search) {
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        model m;
        omen_audit a;
        uint32_t rows[OMEN_AUDIT_QUERIES], n = cases[i].rows, all = 0;
        model_init(&m, n, cases[i].dimensions, cases[i].metric);
        model_fill(&m, 5, cases[i].dimensions, 0.5f);
        for (uint32_t q = 0; q < cases[i].queries; q++) rows[q] = (uint32_t)((uint64_t)q * n / cases[i].queries);
        REQUIRE_OK(omen_audit_init(&a, &m.x.mem, &m.source, rows, cases[i].queries, NULL));
        /* In pieces, as readers give them; more than a run at once now and then. */
        for (uint32_t at = 0, some; at < n; at += some) {
            some = 1 + (uint32_t)test_rand_below(n - at < 400 ? n - at : 400);
            omen_audit_take(&a, m.vectors + at * m.bytes, at, some);
        }
        for (uint32_t at = 0, some; at < n; at += some) {
            some = 1 + (uint32_t)test_rand_below(n - at < 400 ? n - at : 400);
            omen_audit_compare(&a, m.vectors + at * m.bytes, at, some);
        }
        uint8_t *held = calloc(n, 1);
        for (uint32_t q = 0; q < cases[i].queries; q++) held[rows[q]] = 1;
        for (uint32_t r = 0; r < n; r++) CHECK_EQ_INT(omen_audit_query_of(&a, r) != UINT32_MAX, held[r]);
        CHECK_EQ_UINT(omen_audit_query_of(&a, n), UINT32_MAX);
        model_near *truth = malloc(n * sizeof *truth);
        for (uint32_t q = 0; q < cases[i].queries; q++) {
            CHECK_EQ_UINT(omen_audit_query_of(&a, rows[q]), q);
            CHECK_MEM(omen_audit_query(&a, q), m.vectors + rows[q] * m.bytes, m.bytes);
            (void)model_nearest(&m, m.vectors + rows[q] * m.bytes, NULL, 0, n, truth);
            uint32_t k = 0;
            for (uint32_t r = 0; r < n && k < OMEN_AUDIT_K; r++) {
                if (held[truth[r].row]) continue;
                uint32_t at = omen_audit_find(&a, q, truth[r].row);
                /* Floats and doubles may disagree about neighbours that are as good as equally far. */
                if (cases[i].metric == OMEN_METRIC_HAMMING) CHECK_EQ_UINT(at, k);
                else if (at != k) CHECK(k < a.near_count[q] && fabs(model_distance(&m, m.vectors + rows[q] * m.bytes, a.near[q][k].row) - truth[r].distance) < 1e-4);
                k++;
            }
            CHECK_EQ_UINT(a.near_count[q], k);
            CHECK_EQ_UINT(omen_audit_find(&a, q, rows[q]), OMEN_AUDIT_K);
            all += k;
        }
        CHECK_EQ_UINT(omen_audit_truths(&a), all);
        free(truth);
        free(held);
        omen_audit_deinit(&a);
        CHECK_EQ_UINT(model_deinit(&m), 0);
    }
}

/* Rows that are alike: the lower number is the nearer. */
TEST(equals_go_by_row) {
    model m;
    omen_audit a;
    uint32_t rows[] = {0, 3};
    model_init(&m, 600, 4, OMEN_METRIC_L2);
    REQUIRE_OK(omen_audit_init(&a, &m.x.mem, &m.source, rows, 2, NULL));
    omen_audit_take(&a, m.vectors, 0, 600);
    omen_audit_compare(&a, m.vectors, 0, 600);
    static const uint32_t want[] = {1, 2, 4, 5, 6, 7, 8, 9, 10, 11};
    for (uint32_t i = 0; i < 10; i++) CHECK(a.near[0][i].row == want[i] && a.near[1][i].row == want[i]);
    omen_audit_deinit(&a);
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

TEST(memory_runs_out) {
    model m;
    omen_audit a;
    uint32_t rows[] = {0};
    model_init(&m, 10, 4, OMEN_METRIC_L2);
    for (uint64_t n = 1; n <= 2; n++) {
        fault_host_fail_alloc_at(m.x.host, n, false);
        CHECK_STATUS(omen_audit_init(&a, &m.x.mem, &m.source, rows, 1, NULL), OMEN_ERR_MEMORY);
        omen_audit_deinit(&a);
    }
    CHECK_EQ_UINT(model_deinit(&m), 0);
}

/* ---- effort ---- */

#define OF(share) ((uint32_t)((share) * 65536))
static const omen_index_point points[] = {{10, 10, OF(0.5)}, {20, 15, OF(0.75)}, {40, 30, OF(0.95)}};

static void check_effort(const omen_index_point *p, uint32_t count, uint32_t k, float recall, uint32_t effort, uint32_t want) {
    uint32_t e, w;
    omen_audit_effort(p, count, k, recall, &e, &w);
    if (!CHECK(e == effort && w == want)) printf("        k %u, recall %g: effort %u, want %u; not %u, %u\n", k, (double)recall, e, w, effort, want);
}

TEST(effort_lies_between_the_points) {
    /* A quarter of what may be missed is kept back: 0.2 aims at 0.4, 0.5 at 0.625, 0.8 at 0.85. */
    check_effort(points, 3, 10, 0.2f, 10, 10);
    check_effort(points, 3, 10, 0.5f, 10 + 5 + 1, 15);
    check_effort(points, 3, 10, 0.8f, 20 + 9 + 1, 30); /* half-way, rounded down, and one more */
    check_effort(points, 3, 10, 0.0f, 10, 10);
    /* Beyond the last point: twice that. */
    check_effort(points, 3, 10, 0.95f, 80, 30);
    check_effort(points, 3, 10, 1.0f, 80, 30);
    static const omen_index_point perfect[] = {{10, 10, OF(0.5)}, {48, 12, 65536}};
    check_effort(perfect, 2, 10, 1.0f, 48, 12);
    check_effort(perfect, 1, 10, 0.0f, 10, 10);
    uint32_t last = 0, e, w;
    for (float r = 0.0f; r <= 1.0f; r += 0.01f) {
        omen_audit_effort(points, 3, 10, r, &e, &w);
        CHECK(e >= last && w >= 10);
        last = e;
    }
}

TEST(candidates_grow_with_k) {
    check_effort(points, 3, 1, 0.2f, 10, 10);
    check_effort(points, 3, 20, 0.2f, 10, 20);
    check_effort(points, 3, 100, 1.0f, 80, 300);
    check_effort(points, 3, 11, 0.2f, 10, 11);
    check_effort(points, 3, 1000000, 1.0f, 80, 1000000);
    check_effort(points, 3, UINT32_MAX, 1.0f, 80, 1000000);
    uint32_t last = 0, e, w;
    for (uint32_t k = 1; k < 500; k++) {
        omen_audit_effort(points, 3, k, 0.9f, &e, &w);
        CHECK(e != 0 && w >= k && w >= last);
        last = w;
    }
}

TEST(without_an_audit_there_is_a_guess) {
    check_effort(NULL, 0, 10, 0.9f, 64, 40);
    check_effort(NULL, 0, 100, 0.9f, 64, 400);
    check_effort(NULL, 0, 1, 1.0f, 64, 40);
}

TEST_MAIN()
