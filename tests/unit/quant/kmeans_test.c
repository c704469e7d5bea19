/* k-means over codes: assignments against brute force, blobs are found, any cutting into threads and any kernel set, points without shape, no memory. */
#include "quant_test.h"

#include "quant/kmeans.h"

/* A host that runs the parts of a loop in another order. */
static void backwards(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    for (size_t i = n; i-- != 0;) fn(arg, i);
}

static omen_kmeans cluster(const uint8_t *codes, uint32_t rows, uint32_t points, uint32_t len, bool bits, uint32_t clusters) {
    omen_kmeans_codes shape = {codes, len, len, bits};
    omen_kmeans k;
    CHECK_OK(omen_kmeans_begin(&k, &mem, &shape, rows, points, clusters));
    uint32_t last = 0;
    for (uint32_t steps = 0; !omen_kmeans_step(&k); steps++) {
        if (steps == 100000) __builtin_trap();
        CHECK(omen_kmeans_progress(&k) >= last && omen_kmeans_progress(&k) <= 1000);
        last = omen_kmeans_progress(&k);
    }
    CHECK_EQ_UINT(k.clusters, clusters);
    return k;
}

/* What a number of a point is compared as: rounded to even numbers, as a query's is. */
static int rounded(uint8_t v) {
    int u = ((int8_t)v + 129) >> 1;
    return 2 * ((u > 127 ? 127 : u) - 64);
}

static int64_t distance(const uint8_t *x, const uint8_t *c, uint32_t len, bool bits) {
    int64_t d = 0;
    for (uint32_t j = 0; j < len; j++) {
        int off = rounded(x[j]) - (int8_t)c[j];
        d += bits ? __builtin_popcount((uint8_t)(x[j] ^ c[j])) : off * off;
    }
    return d;
}

TEST(codes_are_assigned_to_the_nearest_centroid) {
    begin();
    for (unsigned round = 0; round < 80; round++) {
        bool bits = round % 2 == 1;
        uint32_t len = bits ? 8 * (1 + (uint32_t)test_rand_below(5)) : 64 * (1 + (uint32_t)test_rand_below(3)), count = 1 + (uint32_t)test_rand_below(300);
        uint32_t rows = 1 + (uint32_t)test_rand_below(150), range = round % 3 == 0 ? 2 : 127, stretch = round % 4 < 2 ? 0 : 1 + rows / 2, *nearest = malloc(rows * sizeof *nearest);
        if (round % 20 == 0) len = 64 * 70;
        uint8_t *codes = malloc(rows * len), *centroids = malloc(count * len), *scratch = aligned_alloc(64, 3 * omen_kmeans_scratch(len));
        int32_t *bias = malloc(count * sizeof *bias);
        for (uint32_t i = 0; i < rows * len; i++) codes[i] = (uint8_t)(int8_t)((int)test_rand_below(2 * range + 1) - (int)range);
        for (uint32_t i = 0; i < count * len; i++) centroids[i] = (uint8_t)(int8_t)((int)test_rand_below(2 * range + 1) - (int)range);
        for (uint32_t c = 0; c < count; c++) bias[c] = omen_kmeans_bias(centroids + c * len, len, false);
        uint32_t all = stretch == 0 ? rows : stretch;
        omen_kmeans_assign a = {.codes = {codes, len, len, bits}, .centroids = {centroids, bits ? NULL : bias, count}, .first = all / 3, .count = all - all / 3, .total = rows,
                                .stretch = stretch, .nearest = nearest, .scratch = scratch, .tasks = 3};
        omen_kmeans_assign_all(&a, &host->host);
        for (uint32_t i = 0; i < a.count; i++) {
            uint32_t n = a.first + i;
            const uint8_t *x = codes + (stretch == 0 ? n : (size_t)n * rows / stretch) * len;
            uint32_t at = 0;
            for (uint32_t c = 1; c < count; c++)
                if (distance(x, centroids + c * len, len, bits) < distance(x, centroids + at * len, len, bits)) at = c;
            CHECK_EQ_UINT(nearest[i], at);
        }
        free(nearest), free(codes), free(centroids), free(scratch), free(bias);
    }
    end();
}

/* Clusters that lie far apart are found, each by itself, and the centroids are means or majorities. */
TEST(clusters_are_found) {
    for (unsigned bits = 0; bits < 2; bits++) {
        begin();
        enum { ROWS = 2000, LEN = 64, PLACES = 16 };
        uint8_t *codes = malloc(ROWS * LEN), places[PLACES][LEN];
        for (unsigned i = 0; i < PLACES * LEN; i++) places[i / LEN][i % LEN] = (uint8_t)(bits ? (int)test_rand() : (int)test_rand_below(181) - 90);
        for (unsigned i = 0; i < ROWS; i++)
            for (unsigned j = 0; j < LEN; j++)
                codes[i * LEN + j] = bits ? places[i % PLACES][j] ^ (uint8_t)(test_rand() & test_rand() & test_rand() & test_rand()) : (uint8_t)(places[i % PLACES][j] + (int)test_rand_below(21) - 10);
        omen_kmeans k = cluster(codes, ROWS, ROWS, LEN, bits == 1, PLACES * 4);
        uint32_t near = 0;
        for (unsigned i = 0; i < ROWS; i++) {
            const uint8_t *own = k.centroids + (size_t)k.nearest[i] * LEN;
            uint32_t off = 0;
            for (unsigned j = 0; j < LEN; j++) off += bits ? (uint32_t)__builtin_popcount(own[j] ^ places[i % PLACES][j]) : (uint32_t)abs((int8_t)own[j] - (int8_t)places[i % PLACES][j]);
            near += off < (bits ? LEN : LEN * 12);
        }
        CHECK(near > ROWS * 9 / 10);
        for (uint32_t c = 0; c < k.clusters; c++) {
            uint32_t count = k.starts[c + 1] - k.starts[c];
            if (count == 0) continue;
            for (uint32_t j = 0; j < (bits ? LEN * 8 : LEN); j++) {
                int sum = 0, at = bits ? k.centroids[c * LEN + j / 8] >> j % 8 & 1 : (int8_t)k.centroids[c * LEN + j];
                for (uint32_t i = k.starts[c]; i < k.starts[c + 1]; i++) {
                    const uint8_t *x = codes + k.members[i] * LEN;
                    sum += bits ? x[j / 8] >> j % 8 & 1 : (int8_t)x[j];
                }
                CHECK(fabs((double)sum / count - at) <= 0.5);
            }
            if (!bits) CHECK_EQ_INT(k.bias[c], omen_kmeans_bias(k.centroids + c * LEN, LEN, false));
        }
        omen_kmeans_deinit(&k);
        free(codes);
        end();
    }
}

static double total(const omen_kmeans *k, const uint8_t *codes, uint32_t rows, uint32_t len) {
    double sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t least = INT64_MAX;
        for (uint32_t c = 0; c < k->clusters; c++) {
            int64_t d = distance(codes + (size_t)i * len, k->centroids + (size_t)c * len, len, false);
            least = d < least ? d : least;
        }
        sum += (double)least;
    }
    return sum;
}

TEST(rounds_do_better_than_the_start) {
    begin();
    enum { ROWS = 3000, LEN = 64, PLACES = 40 };
    uint8_t *codes = malloc(ROWS * LEN);
    int8_t places[PLACES][LEN];
    for (unsigned i = 0; i < PLACES * LEN; i++) places[i / LEN][i % LEN] = (int8_t)((int)test_rand_below(121) - 60);
    for (unsigned i = 0; i < ROWS; i++) {
        unsigned place = (unsigned)test_rand_below(PLACES);
        for (unsigned j = 0; j < LEN; j++) codes[i * LEN + j] = (uint8_t)(int8_t)(places[place][j] + (int)lrintf(20 * normal() / 2));
    }
    omen_kmeans_codes shape = {codes, LEN, LEN, false};
    omen_kmeans k;
    REQUIRE_OK(omen_kmeans_begin(&k, &mem, &shape, ROWS, ROWS, PLACES));
    double before = total(&k, codes, ROWS, LEN);
    while (!omen_kmeans_step(&k)) {}
    CHECK(total(&k, codes, ROWS, LEN) < before * 0.8);
    omen_kmeans_deinit(&k);
    /* A part of the points finds clusters that are nearly as good for all. */
    omen_kmeans all = cluster(codes, ROWS, ROWS, LEN, false, PLACES), part = cluster(codes, ROWS, ROWS / 2, LEN, false, PLACES);
    CHECK(total(&part, codes, ROWS, LEN) < total(&all, codes, ROWS, LEN) * 1.2);
    omen_kmeans_deinit(&all);
    omen_kmeans_deinit(&part);
    free(codes);
    end();
}

static uint64_t hash_of(uint32_t rows, uint32_t len, uint32_t clusters, bool bits) {
    uint8_t *codes = malloc((size_t)rows * len);
    uint32_t state = rows;
    for (uint32_t i = 0; i < rows * len; i++) codes[i] = (uint8_t)(int8_t)(fixed(&state) * 100.0f);
    omen_kmeans k = cluster(codes, rows, rows - rows / 5, len, bits, clusters);
    uint64_t hash = omen_hash64(k.nearest, k.points * 4, omen_hash64(k.centroids, (size_t)clusters * len, 0));
    omen_kmeans_deinit(&k);
    free(codes);
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
            CHECK_EQ_UINT(hash_of(3000, 128, 60, false), UINT64_C(0x9b849f572e4f5caf));
            CHECK_EQ_UINT(hash_of(2000, 64, 16, false), UINT64_C(0x94a256c3ca86cb27));
            CHECK_EQ_UINT(hash_of(3000, 24, 300, true), UINT64_C(0xfbe7573e6190a6f7));
        }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

TEST(points_without_shape) {
    begin();
    enum { ROWS = 1100, LEN = 64 };
    uint8_t *codes = malloc(ROWS * LEN);
    static const uint32_t counts[] = {1, 2, 15, ROWS};
    for (unsigned kind = 0; kind < 5; kind++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(counts); n++)
            for (uint32_t clusters = 1; clusters <= counts[n]; clusters = clusters * 3 > counts[n] && clusters < counts[n] ? counts[n] : clusters * 3)
                for (unsigned bits = 0; bits < 2; bits++) {
                    for (uint32_t i = 0; i < counts[n] * LEN; i++)
                        codes[i] = kind == 0 ? 0 : kind == 1 ? 0x7F : kind == 2 ? (uint8_t)(i / LEN % 3) : kind == 3 ? (uint8_t)(test_rand_below(2) ? 0x80 : 0x7F) : i / LEN == 0 ? 0x7F : 1;
                    omen_kmeans k = cluster(codes, counts[n], counts[n], LEN, bits == 1, clusters);
                    for (uint32_t p = 0; p < counts[n]; p++) CHECK(k.nearest[p] < clusters);
                    for (uint32_t i = 0; i < clusters * LEN && kind < 2; i++) CHECK_EQ_UINT(k.centroids[i], kind == 0 ? 0 : 0x7F);
                    omen_kmeans_deinit(&k);
                }
    free(codes);
    end();
}

TEST(no_memory) {
    begin();
    uint8_t *codes = calloc(4000, 64);
    omen_kmeans_codes shape = {codes, 64, 64, false};
    uint32_t failed = 0, went = 0;
    for (uint64_t limit = 1000; limit < 2000000; limit += limit / 7) {
        omen_kmeans k;
        mem.limit = limit;
        omen_status s = omen_kmeans_begin(&k, &mem, &shape, 4000, 4000, 40);
        while (s == OMEN_OK && !omen_kmeans_step(&k)) {}
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s == OMEN_ERR_MEMORY;
        went += s == OMEN_OK;
        omen_kmeans_deinit(&k);
        CHECK_EQ_UINT(mem.bytes, 0);
    }
    CHECK(failed > 10 && went > 2);
    mem.limit = 0;
    free(codes);
    end();
}

TEST_MAIN()
