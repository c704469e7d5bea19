/* MaxSim against a reference in long doubles: the same bits in whatever order and pieces a record's vectors come, and by every set of kernels. */
#include "test.h"

#include <math.h>

#include "column/element.h"
#include "memory_fixture.h"
#include "kernel/kernel.h"
#include "query/maxsim.h"

enum { MOST = 130, QUERIES = 40 };

static long double wanted(const float *queries, uint32_t count, const float *rows, uint32_t n, uint32_t dims) {
    long double sum = 0;
    for (uint32_t q = 0; q < count; q++) {
        long double best = -INFINITY;
        for (uint32_t r = 0; r < n; r++) {
            long double dot = 0;
            for (uint32_t d = 0; d < dims; d++) dot += (long double)queries[q * dims + d] * (long double)rows[r * dims + d];
            best = fmaxl(best, dot);
        }
        sum += best;
    }
    return sum;
}

static void compare(omen_element element, uint32_t dims, uint32_t count, uint32_t n) {
    float *queries = malloc((size_t)count * dims * 4), *rows = malloc((size_t)n * dims * 4 + 4), *backwards = malloc((size_t)n * dims * 4 + 4);
    uint16_t *halves = malloc((size_t)n * dims * 2 + 4);
    omen_error err = {0};
    omen_maxsim x;
    for (uint32_t i = 0; i < count * dims; i++) queries[i] = test_rand_float();
    for (uint32_t i = 0; i < n * dims; i++) {
        rows[i] = test_rand_float();
        halves[i] = omen_f16_narrow(rows[i]);
        if (element == OMEN_ELEMENT_F16) rows[i] = omen_f16_widen(halves[i]);
    }
    const uint8_t *stored = element == OMEN_ELEMENT_F16 ? (const uint8_t *)halves : (const uint8_t *)rows;
    size_t bytes = omen_element_bytes(element, dims);
    for (uint32_t r = 0; r < n; r++) memcpy((uint8_t *)backwards + r * bytes, stored + (n - 1 - r) * bytes, bytes);
    REQUIRE_OK(omen_maxsim_init(&x, &mem, element, dims, queries, count, &err));
    float score = 0, again = 0;
    CHECK(!omen_maxsim_score(&x, &score));
    omen_maxsim_rows(&x, stored, n);
    CHECK(omen_maxsim_score(&x, &score));
    long double want = wanted(queries, count, rows, n, dims);
    CHECK(fabsl((long double)score - want) < 1e-5L * (1 + fabsl(want)) * sqrtl(dims));
    omen_maxsim_begin(&x);
    for (uint32_t from = 0; from < n;) {
        uint32_t some = 1 + (uint32_t)test_rand_below(n - from);
        omen_maxsim_rows(&x, (uint8_t *)backwards + from * bytes, some);
        from += some;
    }
    CHECK(omen_maxsim_score(&x, &again));
    CHECK_BITS(again, score);
    /* Every set of kernels gives these bits: each pair by itself, summed in the order of the query's vectors. */
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        double sum = 0;
        for (uint32_t q = 0; q < count; q++) {
            float best = -INFINITY, dot;
            for (uint32_t r = 0; r < n; r++) {
                if (element == OMEN_ELEMENT_F16) (*k)->dot_f16(queries + q * dims, (const uint16_t *)(const void *)(stored + r * bytes), 1, dims, &dot);
                else (*k)->dot_f32(queries + q * dims, (const float *)(const void *)(stored + r * bytes), 1, dims, &dot);
                best = fmaxf(best, dot);
            }
            sum += (double)best;
        }
        CHECK_BITS(score, (float)sum);
    }
    omen_maxsim_deinit(&x);
    free(queries), free(rows), free(backwards), free(halves);
}

TEST(scores_are_as_a_reference_has_them) {
    static const uint32_t dims[] = {1, 7, 32, 96, 128, 257, 5000};
    begin();
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (unsigned i = 0; i < 6; i++) {
            uint32_t count = 1 + (uint32_t)test_rand_below(QUERIES), n = 1 + (uint32_t)test_rand_below(dims[d] > 1000 ? 6 : MOST);
            compare(i % 2 == 0 ? OMEN_ELEMENT_F32 : OMEN_ELEMENT_F16, dims[d], count, n);
        }
    end();
}

TEST(overflow_stays_finite_and_is_never_the_best) {
    begin();
    omen_error err = {0};
    omen_maxsim x;
    float queries[4] = {3e38f, 3e38f, 1, 0}, rows[3][2] = {{3e38f, -3e38f}, {-3e38f, -3e38f}, {1, 1}}, score;
    REQUIRE_OK(omen_maxsim_init(&x, &mem, OMEN_ELEMENT_F32, 2, queries, 2, &err));
    omen_maxsim_rows(&x, rows[0], 1); /* inf - inf with the first, 3e38 with the second */
    CHECK(omen_maxsim_score(&x, &score));
    CHECK(score - score == 0.0f && score < 0);
    omen_maxsim_begin(&x);
    omen_maxsim_rows(&x, rows[1], 1);
    CHECK(omen_maxsim_score(&x, &score));
    CHECK_BITS(score, -0x1.fffffep+127f);
    omen_maxsim_begin(&x);
    omen_maxsim_rows(&x, rows, 3);
    CHECK(omen_maxsim_score(&x, &score));
    CHECK_BITS(score, 0x1.fffffep+127f); /* 6e38 of the third record's and 3e38 */
    omen_maxsim_deinit(&x);
    end();
}

TEST(no_memory_leaves_nothing) {
    begin();
    omen_error err = {0};
    omen_maxsim x;
    float query[2] = {1, 2};
    omen_mem none;
    omen_mem_init(&none, &host->host, 1);
    CHECK_STATUS(omen_maxsim_init(&x, &none, OMEN_ELEMENT_F32, 2, query, 1, &err), OMEN_ERR_MEMORY);
    omen_maxsim_deinit(&x);
    end();
}

TEST_MAIN()
