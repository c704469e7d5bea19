/* k-means: blobs are found, assignments against brute force in double, two levels against one, any cutting into threads and any kernel set, and points without shape. */
#include "quant_test.h"

#include "quant/kmeans.h"

/* A host that runs the parts of a loop in another order. */
static void backwards(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    for (size_t i = n; i-- != 0;) fn(arg, i);
}

static omen_kmeans *cluster(const float *points, uint32_t count, uint32_t d, uint32_t k, uint64_t seed) {
    omen_kmeans *m = NULL;
    CHECK_STATUS(omen_kmeans_new(&mem, points, count, d, k, seed, &m, &error), OMEN_OK);
    if (m == NULL) return NULL;
    bool done = false;
    uint32_t last = 0;
    for (uint32_t steps = 0; !done; steps++) {
        if (omen_kmeans_step(m, &done, &error) != OMEN_OK || steps > 1000000) {
            CHECK(false);
            break;
        }
        uint32_t now = omen_kmeans_progress(m);
        CHECK(now >= last && now <= 1000);
        last = now;
    }
    CHECK_EQ_UINT(last, 1000);
    return m;
}

/* Blobs of deviation 0.1 around places in [-1, 1). */
static float *blobs(uint32_t count, uint32_t d, uint32_t places, float width) {
    float *points = malloc((size_t)count * d * 4), *at = malloc((size_t)places * d * 4);
    for (uint32_t i = 0; i < places * d; i++) at[i] = test_rand_float();
    for (uint32_t p = 0; p < count; p++) {
        uint32_t place = (uint32_t)test_rand_below(places);
        for (uint32_t i = 0; i < d; i++) points[(size_t)p * d + i] = at[place * d + i] + width * normal();
    }
    free(at);
    return points;
}

static double total(const float *points, uint32_t count, const omen_centroids *c) {
    uint32_t *nearest = malloc(count * 4);
    float *distances = malloc(count * 4);
    double sum = 0;
    omen_centroids_assign(c, &host->host, points, count, nearest, distances);
    for (uint32_t p = 0; p < count; p++) sum += distances[p];
    free(nearest), free(distances);
    return sum;
}

TEST(blobs_are_found) {
    begin();
    static const uint32_t dims[] = {2, 3, 31, 32, 33, 100};
    for (size_t f = 0; f < OMEN_ARRAY_LEN(dims); f++) {
        uint32_t d = dims[f], each = 200, places = 10;
        float *points = malloc((size_t)each * places * d * 4);
        for (uint32_t p = 0; p < each * places; p++)
            for (uint32_t i = 0; i < d; i++) points[p * d + i] = 0.001f * normal() + (i == 0 ? (float)(p % places) : 1e3f);
        omen_kmeans *k = cluster(points, each * places, d, places, 5);
        omen_centroids c = omen_kmeans_centroids(k);
        const uint32_t *nearest = omen_kmeans_nearest(k);
        CHECK_EQ_UINT(c.count, places);
        CHECK_EQ_UINT(c.groups, 0);
        for (uint32_t p = places; p < each * places; p++) CHECK_EQ_UINT(nearest[p], nearest[p % places]);
        for (uint32_t b = 0; b < places; b++) {
            const float *at = c.values + nearest[b] * d;
            double sum = 0;
            for (uint32_t p = b; p < each * places; p += places) sum += points[p * d];
            CHECK_BITS(at[0], (float)(sum / each)); /* the mean itself: sums are doubles in order of the points */
        }
        omen_kmeans_free(k);
        free(points);
    }
    end();
}

TEST(assignment_is_brute_force) {
    begin();
    static const uint32_t dims[] = {1, 5, 16, 31, 32, 40, 130}, counts[] = {1, 15, 16, 17, 100, 128, 129, 300};
    for (size_t f = 0; f < OMEN_ARRAY_LEN(dims); f++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(counts); n++) {
            uint32_t d = dims[f], points = 1 + (uint32_t)test_rand_below(600);
            float *x = blobs(points, d, 20, 0.3f), *values = blobs(counts[n], d, 20, 0.3f);
            uint32_t *nearest = malloc(points * 4);
            float *distances = malloc(points * 4);
            omen_centroids c = {.count = counts[n], .dimensions = d, .values = values};
            omen_centroids_assign(&c, &host->host, x, points, nearest, distances);
            for (uint32_t p = 0; p < points; p++) {
                double least = INFINITY, own = apart(x + p * d, values + nearest[p] * d, d);
                for (uint32_t j = 0; j < c.count; j++) least = fmin(least, apart(x + p * d, values + j * d, d));
                CHECK(own <= least * 1.00001 + 1e-9);
                CHECK(fabs(distances[p] - own) <= 1e-5 * own + 1e-9);
            }
            omen_centroids_assign(&c, &host->host, x, 0, nearest, NULL);
            free(x), free(values), free(nearest), free(distances);
        }
    end();
}

TEST(rounds_do_better_than_the_start) {
    begin();
    float *x = blobs(6000, 24, 40, 0.2f);
    omen_kmeans *k = cluster(x, 6000, 24, 40, 1);
    omen_centroids found = omen_kmeans_centroids(k), sampled = {.count = 40, .dimensions = 24, .values = x};
    double after = total(x, 6000, &found);
    CHECK(after < 0.9 * total(x, 6000, &sampled));
    CHECK(after < 6000 * 24 * 0.04 * 1.15); /* the blobs' own variance */
    omen_kmeans_free(k);
    free(x);
    end();
}

TEST(two_levels_are_nearly_as_good_as_one) {
    begin();
    enum { N = 9000, D = 12, K = 1400 };
    float *x = blobs(N, D, 200, 0.15f);
    omen_kmeans *k = cluster(x, N, D, K, 1);
    omen_centroids c = omen_kmeans_centroids(k);
    CHECK_EQ_UINT(c.count, K);
    REQUIRE(c.groups > 10);
    CHECK_EQ_UINT(c.starts[0], 0);
    CHECK_EQ_UINT(c.starts[c.groups], K);
    for (uint32_t g = 0; g < c.groups; g++) CHECK(c.starts[g] < c.starts[g + 1]);
    omen_centroids flat = c;
    flat.groups = 0;
    double near = total(x, N, &c), nearest = total(x, N, &flat);
    CHECK(nearest <= near * 1.00001 && near < nearest * 1.02); /* looking into eight groups loses little */
    /* One level of as many clusters, from the same number of rounds: as many as it allows. */
    omen_kmeans *one = cluster(x, N, D, OMEN_KMEANS_FLAT, 1);
    omen_centroids of_one = omen_kmeans_centroids(one);
    double single = total(x, N, &of_one);
    CHECK(near < single);
    omen_kmeans_free(k);
    omen_kmeans_free(one);
    free(x);
    end();
}

static uint64_t hash_of(uint32_t n, uint32_t d, uint32_t clusters) {
    float *x = malloc((size_t)n * d * 4);
    uint32_t state = n;
    for (uint32_t i = 0; i < n * d; i++) x[i] = fixed(&state) + (float)(i / d % 7);
    omen_kmeans *k = cluster(x, n, d, clusters, 9);
    omen_centroids c = omen_kmeans_centroids(k);
    uint64_t hash = omen_hash64(omen_kmeans_nearest(k), n * 4, omen_hash64(c.values, (size_t)c.count * d * 4, c.groups));
    omen_kmeans_free(k);
    free(x);
    return hash;
}

TEST(bits_are_those_of_every_machine_and_any_number_of_threads) {
    begin();
    const char *best = omen_kernels_name();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++)
        for (uint32_t threads = 0; threads < 8; threads += 7) {
            host->host.threads = threads;
            host->host.parallel_for = threads == 0 ? NULL : backwards;
            CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
            CHECK_EQ_UINT(hash_of(3000, 40, 60), UINT64_C(0xa7227303f6725696));
            CHECK_EQ_UINT(hash_of(2000, 5, 16), UINT64_C(0xcfa53d2d1a5b0a9c));
            CHECK_EQ_UINT(hash_of(3000, 33, 1100), UINT64_C(0xfb873ca06846f319));
        }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

TEST(points_without_shape) {
    begin();
    enum { N = 2200 };
    float *x = malloc((size_t)N * 33 * 4);
    static const uint32_t counts[] = {1, 2, 15, 1000, N}, clusters[] = {1, 2, 16, 1024, 1025, 2000, 65536}, dims[] = {1, 33};
    for (int kind = 0; kind < 5; kind++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(counts); n++)
            for (size_t k = 0; k < OMEN_ARRAY_LEN(clusters); k++)
                for (size_t f = 0; f < 2; f++) {
                    if (f == 1 && counts[n] == N && clusters[k] > 1025) continue;
                    uint32_t d = dims[f];
                    for (uint32_t i = 0; i < counts[n] * d; i++) {
                        static const float extremes[] = {3e38f, -3e38f, 0, 1e-45f};
                        uint32_t p = i / d;
                        x[i] = kind == 0 ? 0 : kind == 1 ? 7.5f : kind == 2 ? (float)(p % 3) : kind == 3 ? extremes[test_rand_below(4)] : p == 0 ? 1e6f : (float)(p % 50) * 1e-6f;
                    }
                    omen_kmeans *m = cluster(x, counts[n], d, clusters[k], 3);
                    omen_centroids c = omen_kmeans_centroids(m);
                    CHECK_EQ_UINT(c.count, clusters[k] < counts[n] ? clusters[k] : counts[n]);
                    for (uint32_t i = 0; i < c.count * d; i++) CHECK(c.values[i] - c.values[i] == 0);
                    for (uint32_t p = 0; p < counts[n]; p++) CHECK(omen_kmeans_nearest(m)[p] < c.count);
                    if (kind < 2) CHECK_BITS(c.values[c.count * d - 1], kind == 0 ? 0.0f : 7.5f);
                    if (kind == 2 && c.count >= 3) CHECK(total(x, counts[n], &c) == 0);
                    omen_kmeans_free(m);
                }
    free(x);
    end();
}

TEST(bad_arguments_and_no_memory) {
    begin();
    omen_kmeans *k;
    float x[64] = {0};
    CHECK_STATUS(omen_kmeans_new(&mem, x, 0, 4, 4, 1, &k, &error), OMEN_ERR_INVALID);
    CHECK(k == NULL);
    CHECK_STATUS(omen_kmeans_new(&mem, x, 4, 0, 4, 1, &k, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_kmeans_new(&mem, x, 4, 4, 0, 1, &k, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_kmeans_new(&mem, x, 4, 4, 65537, 1, &k, &error), OMEN_ERR_INVALID);
    omen_kmeans_free(NULL);
    float *points = blobs(4000, 8, 30, 0.2f);
    uint32_t failed = 0, went = 0;
    for (uint32_t clusters = 40; clusters <= 1100; clusters += 1060)
        for (uint64_t limit = 1000; limit < 2000000; limit += limit / 7) {
            mem.limit = limit;
            omen_status s = omen_kmeans_new(&mem, points, 4000, 8, clusters, 1, &k, &error);
            for (bool done = false; s == OMEN_OK && !done;) s = omen_kmeans_step(k, &done, &error);
            CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
            failed += s == OMEN_ERR_MEMORY;
            went += s == OMEN_OK;
            omen_kmeans_free(k);
            CHECK_EQ_UINT(mem.bytes, 0);
        }
    CHECK(failed > 10 && went > 2);
    mem.limit = 0;
    free(points);
    end();
}

TEST_MAIN()
