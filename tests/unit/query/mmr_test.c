/* Maximal marginal relevance against a reference that computes every pair in long doubles, and its properties. */
#include "test.h"

#include <math.h>

#include "column/element.h"
#include "memory_fixture.h"
#include "query/mmr.h"

enum { MOST = 60, DIMS = 24 };

static float floats[MOST][DIMS], norms[MOST], relevance[MOST];
static uint8_t stored[MOST * DIMS * 4];
static omen_mmr_ask ask;

static void fill(omen_metric metric, omen_element element, uint32_t count) {
    size_t bytes = omen_element_bytes(element, DIMS);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t d = 0; d < DIMS; d++) {
            float v = test_rand_float();
            if (element == OMEN_ELEMENT_I8) v = (float)(int)(v * 127);
            if (element == OMEN_ELEMENT_BIT) v = (float)(v > 0);
            if (element == OMEN_ELEMENT_F16) {
                uint16_t h = omen_f16_narrow(v);
                memcpy(stored + i * bytes + 2 * d, &h, 2);
                omen_element_widen(OMEN_ELEMENT_F16, 1, &h, 1, &v);
            }
            floats[i][d] = v;
            if (element == OMEN_ELEMENT_F32) memcpy(stored + i * bytes + 4 * d, &v, 4);
            if (element == OMEN_ELEMENT_I8) stored[i * bytes + d] = (uint8_t)(int8_t)v;
            if (element == OMEN_ELEMENT_BIT) {
                uint8_t *b = stored + i * bytes + d / 8;
                if (d % 8 == 0) *b = 0;
                *b = (uint8_t)(*b | (unsigned)(v != 0) << (d % 8));
            }
        }
        norms[i] = element == OMEN_ELEMENT_BIT ? 0 : omen_element_norm(element, stored + i * bytes, DIMS);
        relevance[i] = test_rand_float() * 20;
    }
    ask = (omen_mmr_ask){.metric = metric, .element = element, .dimensions = DIMS, .count = count, .vectors = stored, .norms = metric == OMEN_METRIC_COSINE ? norms : NULL, .relevance = relevance};
}

static long double alike(uint32_t a, uint32_t b) {
    long double dot = 0, aa = 0, bb = 0, square = 0, bits = 0;
    for (uint32_t d = 0; d < DIMS; d++) {
        long double x = floats[a][d], y = floats[b][d];
        dot += x * y, aa += x * x, bb += y * y, square += (x - y) * (x - y), bits += x != y;
    }
    if (ask.metric == OMEN_METRIC_L2) return 1 / (1 + sqrtl(square));
    if (ask.metric == OMEN_METRIC_HAMMING) return 1 - bits / DIMS;
    return dot / sqrtl(aa * bb);
}

/* Every choice is, within rounding, the best there was. */
static void check(float lambda) {
    omen_mmr x;
    omen_error err = {0};
    uint32_t taken[MOST], n = 0, at;
    long double low = INFINITY, high = -INFINITY;
    ask.lambda = lambda;
    for (uint32_t i = 0; i < ask.count; i++) low = fminl(low, relevance[i]), high = fmaxl(high, relevance[i]);
    if (!CHECK_OK(omen_mmr_init(&x, &mem, &ask, &err))) return;
    while (omen_mmr_next(&x, &at)) {
        long double best = -INFINITY, got = -INFINITY;
        if (!CHECK(at < ask.count && n < ask.count)) break;
        for (uint32_t i = 0; i < ask.count; i++) {
            long double most = n == 0 ? 0 : -INFINITY;
            bool gone = false;
            for (uint32_t t = 0; t < n; t++) gone = gone || taken[t] == i, most = fmaxl(most, alike(i, taken[t]));
            if (i == at) CHECK(!gone);
            if (gone) continue;
            long double worth = (long double)lambda * (high > low ? (relevance[i] - low) / (high - low) : 1) - (1 - (long double)lambda) * most;
            best = fmaxl(best, worth);
            if (i == at) got = worth;
        }
        CHECK(got >= best - 1e-5L);
        taken[n++] = at;
    }
    CHECK_EQ_UINT(n, ask.count);
    CHECK(!omen_mmr_next(&x, &at));
    omen_mmr_deinit(&x);
}

TEST(each_choice_is_the_best_that_is_left) {
    static const struct { omen_metric m; omen_element e; } kinds[] = {{OMEN_METRIC_COSINE, OMEN_ELEMENT_F32}, {OMEN_METRIC_L2, OMEN_ELEMENT_F32}, {OMEN_METRIC_IP, OMEN_ELEMENT_F32},
        {OMEN_METRIC_COSINE, OMEN_ELEMENT_F16}, {OMEN_METRIC_L2, OMEN_ELEMENT_F16}, {OMEN_METRIC_COSINE, OMEN_ELEMENT_I8}, {OMEN_METRIC_IP, OMEN_ELEMENT_I8}, {OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT}};
    begin();
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++)
        for (unsigned step = 0; step <= 4; step++) {
            fill(kinds[k].m, kinds[k].e, 1 + (uint32_t)test_rand_below(MOST));
            check((float)step / 4);
        }
    end();
}

static void choose(uint32_t *order) {
    omen_mmr x;
    omen_error err = {0};
    uint32_t n = 0;
    if (!CHECK_OK(omen_mmr_init(&x, &mem, &ask, &err))) return;
    while (n < ask.count && omen_mmr_next(&x, &order[n])) n++;
    CHECK_EQ_UINT(n, ask.count);
    omen_mmr_deinit(&x);
}

TEST(lambda_1_is_the_order_of_relevance_and_ties_are_settled_by_place) {
    begin();
    uint32_t order[MOST];
    fill(OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, MOST);
    for (uint32_t i = 0; i < MOST; i++) relevance[i] = (float)test_rand_below(5);
    ask.lambda = 1;
    choose(order);
    for (uint32_t i = 1; i < MOST; i++) {
        CHECK(relevance[order[i - 1]] >= relevance[order[i]]);
        if (relevance[order[i - 1]] == relevance[order[i]]) CHECK(order[i - 1] < order[i]);
    }
    for (uint32_t i = 0; i < MOST; i++) relevance[i] = 3, memcpy(stored + i * DIMS * 4, floats[0], DIMS * 4), norms[i] = norms[0];
    ask.lambda = 0.5f; /* all the same: as they came */
    choose(order);
    for (uint32_t i = 0; i < MOST; i++) CHECK_EQ_UINT(order[i], i);
    end();
}

TEST(copies_of_the_best_come_after_what_is_unlike_them) {
    begin();
    uint32_t order[MOST];
    fill(OMEN_METRIC_L2, OMEN_ELEMENT_F32, 6);
    for (uint32_t i = 0; i < 6; i++) relevance[i] = 6 - (float)i;
    for (uint32_t i = 1; i < 4; i++) memcpy(stored + i * DIMS * 4, stored, DIMS * 4);
    ask.lambda = 0.3f;
    choose(order);
    CHECK_EQ_UINT(order[0], 0);
    CHECK(order[1] >= 4 && order[2] >= 4);
    end();
}

TEST(scale_of_relevance_does_not_matter) {
    begin();
    uint32_t a[MOST], b[MOST];
    fill(OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, MOST);
    ask.lambda = 0.6f;
    choose(a);
    for (uint32_t i = 0; i < MOST; i++) relevance[i] *= 4096;
    choose(b);
    CHECK_MEM(a, b, sizeof a);
    end();
}

TEST(strange_vectors_and_scores_are_chosen_too) {
    begin();
    static const float strange[] = {NAN, INFINITY, -INFINITY, 1};
    uint32_t order[MOST];
    fill(OMEN_METRIC_IP, OMEN_ELEMENT_F32, 8);
    for (uint32_t i = 0; i < 8; i++) relevance[i] = strange[i % 4];
    memset(stored + 2 * DIMS * 4, 0, DIMS * 4); /* no direction */
    ask.lambda = 0.5f;
    choose(order);
    CHECK_EQ_UINT(order[0], 1);
    end();
}

TEST(none_bad_lambdas_and_no_memory) {
    begin();
    omen_mmr x;
    omen_error err = {0};
    uint32_t at;
    ask = (omen_mmr_ask){.metric = OMEN_METRIC_L2, .element = OMEN_ELEMENT_F32, .dimensions = DIMS, .lambda = 0.5f};
    CHECK_OK(omen_mmr_init(&x, &mem, &ask, &err));
    CHECK(!omen_mmr_next(&x, &at));
    omen_mmr_deinit(&x);
    fill(OMEN_METRIC_IP, OMEN_ELEMENT_F32, 5);
    static const float bad[] = {-0.1f, 1.1f, NAN};
    for (unsigned i = 0; i < 3; i++) {
        ask.lambda = bad[i];
        CHECK_STATUS(omen_mmr_init(&x, &mem, &ask, &err), OMEN_ERR_INVALID);
    }
    ask.lambda = 0;
    for (uint64_t n = 1; n <= 5; n++) {
        fault_host_fail_alloc_at(host, n, false);
        CHECK_STATUS(omen_mmr_init(&x, &mem, &ask, &err), OMEN_ERR_MEMORY);
        CHECK_EQ_UINT(fault_host_bytes(host), 0);
    }
    end();
}

TEST_MAIN()
