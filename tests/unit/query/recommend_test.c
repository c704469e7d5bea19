/* Recommendation against references in long doubles, and its properties. */
#include "test.h"

#include <math.h>

#include "column/element.h"
#include "memory_fixture.h"
#include "query/recommend.h"

enum { DIMS = 16, MOST = 9, ROWS = 600 };

static float floats[2 * MOST][DIMS];
static int8_t bytes[2 * MOST][DIMS];
static uint8_t bits[2 * MOST][DIMS / 8];
static const void *examples[2 * MOST];
static omen_examples ask;

static void fill(omen_metric metric, omen_element element, uint32_t positive, uint32_t negative) {
    for (uint32_t i = 0; i < 2 * MOST; i++) {
        memset(bits[i], 0, sizeof bits[i]);
        for (uint32_t d = 0; d < DIMS; d++) {
            floats[i][d] = test_rand_float();
            bytes[i][d] = (int8_t)(test_rand_below(255) - 127);
            bits[i][d / 8] = (uint8_t)(bits[i][d / 8] | test_rand_below(2) << (d % 8));
        }
        examples[i] = element == OMEN_ELEMENT_I8 ? (const void *)bytes[i] : element == OMEN_ELEMENT_BIT ? (const void *)bits[i] : (const void *)floats[i];
    }
    ask = (omen_examples){.metric = metric, .element = element, .dimensions = DIMS, .positive = examples, .negative = examples + MOST, .positive_count = positive, .negative_count = negative};
}

static long double at(uint32_t example, uint32_t d) {
    switch (ask.element) {
        case OMEN_ELEMENT_I8: return bytes[example][d];
        case OMEN_ELEMENT_BIT: return bits[example][d / 8] >> (d % 8) & 1;
        default: return (long double)floats[example][d];
    }
}

static long double mean(uint32_t first, uint32_t count, uint32_t d) {
    long double sum = 0;
    for (uint32_t i = first; i < first + count; i++) {
        long double square = 0;
        for (uint32_t e = 0; e < DIMS; e++) square += at(i, e) * at(i, e);
        sum += at(i, d) / (ask.metric == OMEN_METRIC_COSINE ? sqrtl(square) : 1);
    }
    return count == 0 ? 0 : sum / count;
}

TEST(averages_are_as_a_reference_has_them) {
    begin();
    static const struct { omen_metric m; omen_element e; } kinds[] = {{OMEN_METRIC_COSINE, OMEN_ELEMENT_F32}, {OMEN_METRIC_L2, OMEN_ELEMENT_F16}, {OMEN_METRIC_IP, OMEN_ELEMENT_F32}, {OMEN_METRIC_L2, OMEN_ELEMENT_I8},
        {OMEN_METRIC_COSINE, OMEN_ELEMENT_I8}, {OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT}};
    omen_error err = {0};
    for (unsigned round = 0; round < 300; round++) {
        long double want[DIMS], most = 0;
        union { float f[DIMS]; int8_t i[DIMS]; uint8_t b[DIMS / 8]; } got;
        fill(kinds[round % 6].m, kinds[round % 6].e, 1 + (uint32_t)test_rand_below(MOST), (uint32_t)test_rand_below(MOST + 1));
        REQUIRE_OK(omen_recommend_average(&mem, &ask, &got, &err));
        for (uint32_t d = 0; d < DIMS; d++) {
            long double p = mean(0, ask.positive_count, d), n = mean(MOST, ask.negative_count, d);
            want[d] = ask.negative_count == 0 ? p : p + (p - n);
            most = fmaxl(most, fabsl(want[d]));
        }
        for (uint32_t d = 0; d < DIMS; d++) {
            long double w = want[d];
            if (ask.element == OMEN_ELEMENT_I8) {
                if (ask.metric == OMEN_METRIC_COSINE) w *= 127 / most;
                w = w > 127 ? 127 : w < -128 ? -128 : w;
                CHECK(fabsl((long double)got.i[d] - w) <= 0.5L + 1e-9L);
            } else if (ask.element == OMEN_ELEMENT_BIT) {
                bool set = got.b[d / 8] >> (d % 8) & 1;
                if (fabsl(w - 0.5L) > 1e-9L) CHECK(set == (w > 0.5L));
            } else CHECK(fabsl((long double)got.f[d] - w) < 1e-6L);
        }
    }
    end();
}

TEST(one_example_is_itself) {
    begin();
    omen_error err = {0};
    float f[DIMS];
    int8_t i[DIMS];
    uint8_t b[DIMS / 8];
    fill(OMEN_METRIC_L2, OMEN_ELEMENT_F32, 1, 0);
    REQUIRE_OK(omen_recommend_average(&mem, &ask, f, &err));
    CHECK_MEM(f, floats[0], sizeof f);
    fill(OMEN_METRIC_L2, OMEN_ELEMENT_I8, 1, 0);
    REQUIRE_OK(omen_recommend_average(&mem, &ask, i, &err));
    CHECK_MEM(i, bytes[0], sizeof i);
    fill(OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT, 1, 0);
    REQUIRE_OK(omen_recommend_average(&mem, &ask, b, &err));
    CHECK_MEM(b, bits[0], sizeof b);
    /* a tie of two: as the first has it */
    ask.positive_count = 2;
    REQUIRE_OK(omen_recommend_average(&mem, &ask, b, &err));
    CHECK_MEM(b, bits[0], sizeof b);
    end();
}

TEST(lengths_do_not_matter_to_cosine) {
    begin();
    omen_error err = {0};
    float a[DIMS], b[DIMS];
    fill(OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, 4, 3);
    REQUIRE_OK(omen_recommend_average(&mem, &ask, a, &err));
    for (uint32_t d = 0; d < DIMS; d++) floats[1][d] *= 1024, floats[MOST][d] *= 0.125f;
    REQUIRE_OK(omen_recommend_average(&mem, &ask, b, &err));
    CHECK_MEM(a, b, sizeof a);
    end();
}

static long double rank_of(const float *a, const float *b) {
    long double dot = 0, aa = 0, bb = 0, square = 0;
    for (uint32_t d = 0; d < DIMS; d++) {
        long double x = a[d], y = b[d];
        dot += x * y, aa += x * x, bb += y * y, square += (x - y) * (x - y);
    }
    return ask.metric == OMEN_METRIC_L2 ? square : ask.metric == OMEN_METRIC_IP ? -dot : 1 - dot / sqrtl(aa * bb);
}

TEST(best_is_as_a_reference_has_it) {
    begin();
    static float rows[ROWS][DIMS], norms[ROWS], got[ROWS], turned[ROWS];
    omen_error err = {0};
    for (unsigned round = 0; round < 30; round++) {
        static const omen_metric metrics[] = {OMEN_METRIC_COSINE, OMEN_METRIC_L2, OMEN_METRIC_IP};
        uint32_t positive = (uint32_t)test_rand_below(MOST + 1), negative = (uint32_t)test_rand_below(MOST) + (positive == 0), count = (uint32_t)test_rand_below(ROWS + 1);
        omen_recommend_best b;
        fill(metrics[round % 3], OMEN_ELEMENT_F32, positive, negative);
        for (uint32_t r = 0; r < ROWS; r++) {
            for (uint32_t d = 0; d < DIMS; d++) rows[r][d] = test_rand_float();
            norms[r] = omen_element_norm(OMEN_ELEMENT_F32, rows[r], DIMS);
        }
        REQUIRE_OK(omen_recommend_best_init(&b, &mem, &ask, &err));
        omen_recommend_rows(&b, rows, norms, count, got);
        for (uint32_t r = 0; r < count; r++) {
            long double p = INFINITY, n = INFINITY, want;
            for (uint32_t i = 0; i < positive; i++) p = fminl(p, rank_of(floats[i], rows[r]));
            for (uint32_t i = 0; i < negative; i++) n = fminl(n, rank_of(floats[MOST + i], rows[r]));
            want = negative == 0 ? p : positive == 0 ? -n : p <= n ? p : p + (p - n);
            CHECK(fabsl((long double)got[r] - want) < 2e-5L * (1 + fabsl(want)));
        }
        omen_recommend_best_deinit(&b);
        for (uint32_t i = 0; i < positive / 2; i++) { /* the order of examples does not matter */
            const void *t = examples[i];
            examples[i] = examples[positive - 1 - i];
            examples[positive - 1 - i] = t;
        }
        REQUIRE_OK(omen_recommend_best_init(&b, &mem, &ask, &err));
        omen_recommend_rows(&b, rows, norms, count, turned);
        CHECK_MEM(got, turned, count * sizeof *got);
        omen_recommend_best_deinit(&b);
    }
    end();
}

/* Two interests: the average lies between them, the best strategy follows both. */
TEST(best_follows_two_interests) {
    begin();
    omen_error err = {0};
    float rows[3][DIMS] = {{0}}, ranks[3];
    omen_recommend_best b;
    fill(OMEN_METRIC_L2, OMEN_ELEMENT_F32, 2, 0);
    memset(floats, 0, sizeof floats);
    floats[0][0] = 10, floats[1][0] = -10;
    rows[0][0] = 9, rows[1][0] = 0, rows[2][0] = -9;
    REQUIRE_OK(omen_recommend_best_init(&b, &mem, &ask, &err));
    omen_recommend_rows(&b, rows, NULL, 3, ranks);
    CHECK_BITS(ranks[0], 1.0f);
    CHECK_BITS(ranks[1], 100.0f);
    CHECK_BITS(ranks[2], 1.0f);
    omen_recommend_best_deinit(&b);
    end();
}

TEST(bad_examples_and_no_memory) {
    begin();
    omen_error err = {0};
    omen_recommend_best b;
    float q[DIMS];
    fill(OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, 0, 2);
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_INVALID);
    ask.negative_count = 0;
    CHECK_STATUS(omen_recommend_best_init(&b, &mem, &ask, &err), OMEN_ERR_INVALID);
    ask.positive_count = OMEN_RECOMMEND_EXAMPLES + 1;
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_recommend_best_init(&b, &mem, &ask, &err), OMEN_ERR_INVALID);
    ask.positive_count = 1, ask.negative_count = 1;
    for (uint32_t d = 0; d < DIMS; d++) floats[MOST][d] = 0;
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_ZERO_VECTOR);
    CHECK_STATUS(omen_recommend_best_init(&b, &mem, &ask, &err), OMEN_ERR_ZERO_VECTOR);
    ask.positive_count = 2, ask.negative_count = 0; /* opposite ones cancel out */
    for (uint32_t d = 0; d < DIMS; d++) floats[1][d] = -floats[0][d];
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_ZERO_VECTOR);
    fill(OMEN_METRIC_L2, OMEN_ELEMENT_F32, 1, 1);
    floats[0][3] = 3e38f, floats[MOST][3] = -3e38f;
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_NOT_FINITE);
    fault_host_fail_alloc_at(host, 1, false);
    CHECK_STATUS(omen_recommend_average(&mem, &ask, q, &err), OMEN_ERR_MEMORY);
    fault_host_fail_alloc_at(host, 1, false);
    CHECK_STATUS(omen_recommend_best_init(&b, &mem, &ask, &err), OMEN_ERR_MEMORY);
    end();
}

TEST_MAIN()
