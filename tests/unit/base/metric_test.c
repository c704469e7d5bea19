/* Counters, and the buckets and quantiles of histograms. */
#include "test.h"

#include "base/metric.h"

TEST(counters_and_gauges_count) {
    omen_counter c = {0};
    omen_gauge g = {0};
    omen_counter_add(&c, 3);
    omen_counter_add(&c, UINT64_C(1) << 40);
    CHECK_EQ_UINT(omen_counter_get(&c), (UINT64_C(1) << 40) + 3);
    omen_gauge_add(&g, 5);
    omen_gauge_add(&g, -7);
    CHECK_EQ_INT(omen_gauge_get(&g), -2);
    omen_gauge_set(&g, 11);
    CHECK_EQ_INT(omen_gauge_get(&g), 11);
}

TEST(buckets_cover_all_times_without_gap) {
    CHECK_EQ_UINT(omen_hist_bucket(0), 0);
    CHECK_EQ_UINT(omen_hist_bucket(1023), 0);
    CHECK_EQ_UINT(omen_hist_bucket(1024), 1);
    CHECK_EQ_UINT(omen_hist_bucket(UINT64_MAX), OMEN_HIST_BUCKETS - 1);
    CHECK_EQ_UINT(omen_hist_bucket(UINT64_C(1) << OMEN_HIST_MAX_LOG2), OMEN_HIST_BUCKETS - 1);
    CHECK_EQ_UINT(omen_hist_bucket((UINT64_C(1) << OMEN_HIST_MAX_LOG2) - 1), OMEN_HIST_BUCKETS - 2);
    CHECK_EQ_UINT(omen_hist_upper(0), 1024);
    CHECK_EQ_UINT(omen_hist_upper(OMEN_HIST_BUCKETS - 1), UINT64_MAX);
    for (uint32_t b = 0; b + 1 < OMEN_HIST_BUCKETS; b++) {
        uint64_t upper = omen_hist_upper(b);
        CHECK_EQ_UINT(omen_hist_bucket(upper - 1), b);
        CHECK_EQ_UINT(omen_hist_bucket(upper), b + 1);
        if (b > 0) {
            uint64_t lower = omen_hist_upper(b - 1);
            CHECK(upper > lower && (upper - lower) * 4 <= lower); /* a quarter of a power of two */
        }
    }
}

TEST(recording_counts_and_sums) {
    static omen_histogram h;
    uint64_t sum = 0, counts[OMEN_HIST_BUCKETS] = {0};
    for (int i = 0; i < 1000; i++) {
        uint64_t ns = test_rand() >> (24 + test_rand_below(40));
        omen_hist_record(&h, ns);
        counts[omen_hist_bucket(ns)]++;
        sum += ns;
    }
    CHECK_EQ_UINT(h.sum_ns, sum);
    for (uint32_t b = 0; b < OMEN_HIST_BUCKETS; b++) CHECK_EQ_UINT(h.buckets[b], counts[b]);
}

TEST(quantiles_lie_where_the_values_do) {
    uint64_t counts[OMEN_HIST_BUCKETS] = {0};
    CHECK(omen_hist_quantile(counts, 0.5) == 0);
    counts[0] = 4; /* 0 to 1024 */
    CHECK(omen_hist_quantile(counts, 0) == 0);
    CHECK(omen_hist_quantile(counts, 0.5) == 512);
    CHECK(omen_hist_quantile(counts, 1) == 1024);
    counts[1] = 4; /* 1024 to 1280 */
    CHECK(omen_hist_quantile(counts, 0.5) == 1024);
    CHECK(omen_hist_quantile(counts, 0.75) == 1024 + 128);
    CHECK(omen_hist_quantile(counts, 1) == 1280);
    counts[OMEN_HIST_BUCKETS - 1] = 8; /* no upper bound: its lower one */
    CHECK(omen_hist_quantile(counts, 0.99) == (double)(UINT64_C(1) << OMEN_HIST_MAX_LOG2));
    CHECK(omen_hist_quantile(counts, 1) == (double)(UINT64_C(1) << OMEN_HIST_MAX_LOG2));
    CHECK(omen_hist_quantile(counts, -1) == 0 && omen_hist_quantile(counts, 2) > 0);
}

static int by_value(const void *a, const void *b) { return (*(const uint64_t *)a > *(const uint64_t *)b) - (*(const uint64_t *)a < *(const uint64_t *)b); }

/* Against the exact quantile of the values: at most a bucket away, and never falling. */
TEST(quantiles_are_near_the_exact_ones) {
    enum { N = 10000 };
    static uint64_t values[N];
    uint64_t counts[OMEN_HIST_BUCKETS] = {0};
    for (size_t i = 0; i < N; i++) {
        values[i] = 2000 + test_rand_below(UINT64_C(1) << (12 + test_rand_below(20)));
        counts[omen_hist_bucket(values[i])]++;
    }
    qsort(values, N, sizeof *values, by_value);
    double last = 0;
    for (int percent = 1; percent < 100; percent++) {
        double got = omen_hist_quantile(counts, percent / 100.0), exact = (double)values[N * (size_t)percent / 100];
        CHECK(got > exact * 0.75 && got < exact * 1.25);
        CHECK(got >= last);
        last = got;
    }
}

TEST_MAIN()
