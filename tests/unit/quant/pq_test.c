/* Product codes: encoding and tables against double arithmetic, packing against the kernel, the bound of rounded tables, training, and data without shape. */
#include "quant_test.h"

#include "quant/pq.h"

enum { ROWS = 700 };

static float *some(uint32_t rows, uint32_t d) {
    float *x = malloc((size_t)rows * d * 4), *places = malloc((size_t)20 * d * 4);
    for (uint32_t i = 0; i < 20 * d; i++) places[i] = normal();
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t place = (uint32_t)test_rand_below(20);
        for (uint32_t i = 0; i < d; i++) x[r * d + i] = places[place * d + i] + 0.5f * normal();
    }
    free(places);
    return x;
}

static omen_pq trained(uint32_t d, bool product, const float *x, uint32_t rows) {
    omen_pq c;
    CHECK_OK(omen_pq_init(&c, &mem, d, product));
    for (uint32_t run = 0; run < c.parts; run++) CHECK_OK(omen_pq_train_run(&c, run, x, rows));
    CHECK(omen_pq_sound(&c));
    return c;
}

/* What codes stand for. */
static void stands_for(const omen_pq *c, const uint8_t *codes, float *r) {
    for (uint32_t i = 0; i < c->dimensions; i++) r[i] = c->points[(size_t)i * 16 + codes[i / c->sub]];
}

static uint8_t unpacked(const omen_pq *c, const uint8_t *packed, uint32_t row, uint32_t run) {
    return packed[((row / 32) * c->parts + run) * 16 + row % 16] >> (row % 32 < 16 ? 0 : 4) & 15;
}

/* Residuals packed and looked up by the kernel: estimates are as near to the distance of what codes stand for as they say. */
static void check(const omen_pq *c, const float *residuals, uint32_t rows, const float *q, const float *centroid) {
    uint32_t d = c->dimensions, blocks = (rows + 31) / 32;
    size_t bytes = omen_pq_bytes(c, rows);
    CHECK_EQ_UINT(bytes, (uint64_t)blocks * 16 * c->parts);
    uint8_t *packed = calloc(1, bytes), codes[256];
    float *scratch = malloc(c->parts * 64), *at = malloc(d * 4), *add = malloc(rows * 4), *estimates = malloc(blocks * 128);
    omen_pq_query query = {.lut = malloc(c->parts * 16)};
    double base = c->product ? -product(q, centroid, d) : apart(q, centroid, d), worst = 0;
    for (uint32_t r = 0; r < rows; r++) {
        add[r] = omen_pq_encode(c, residuals + (size_t)r * d, centroid, codes);
        omen_pq_pack(c, codes, r, packed);
    }
    CHECK(omen_pq_padded(c, packed, rows));
    if (rows % 32 != 0) {
        packed[bytes - 1] |= 0x80; /* row 31 of the last block */
        CHECK(!omen_pq_padded(c, packed, rows));
        packed[bytes - 1] &= 0x7F;
    }
    omen_pq_query_set(c, &query, q, scratch);
    omen_pq_scan(c, &query, (float)base, packed, add, rows, estimates);
    for (uint32_t r = 0; r < rows; r++) {
        const float *x = residuals + (size_t)r * d;
        omen_pq_encode(c, x, centroid, codes);
        for (uint32_t j = 0; j < c->parts; j++) CHECK_EQ_UINT(unpacked(c, packed, r, j), codes[j]);
        stands_for(c, codes, at);
        double want = 0, sizes = fabs(base) + fabs((double)add[r]);
        for (uint32_t i = 0; i < d; i++) {
            double largest = 0;
            for (uint32_t p = 0; p < 16; p++) largest = fmax(largest, fabs((double)c->points[i * 16 + p]));
            sizes += 2 * fabs((double)q[i]) * largest * 3; /* its product, the least that was taken away, and the steps */
            double v = (double)centroid[i] + at[i];
            want += c->product ? -(double)q[i] * v : ((double)q[i] - v) * ((double)q[i] - v);
        }
        double off = fabs(want - estimates[r]);
        CHECK(off <= query.slack + sizes * (c->sub + 8) * 0x1p-23);
        worst = fmax(worst, off);
        /* Codes are those of the nearest points. */
        for (uint32_t j = 0; j < c->parts && r < 20; j++) {
            double own = 0, least = INFINITY;
            for (uint32_t p = 0; p < 16; p++) {
                double sum = 0;
                for (uint32_t i = j * c->sub; i < d && i < (j + 1) * c->sub; i++) sum += ((double)x[i] - c->points[i * 16 + p]) * ((double)x[i] - c->points[i * 16 + p]);
                least = fmin(least, sum);
                if (p == codes[j]) own = sum;
            }
            CHECK(own <= least * 1.00001 + 1e-30);
        }
    }
    if (rows > 100 && d < 70 && query.step > 0) CHECK(worst > query.slack * 0.1); /* the bound says something */
    free(packed), free(scratch), free(at), free(add), free(estimates), free(query.lut);
}

TEST(estimates_keep_their_bound) {
    begin();
    static const uint32_t dims[] = {1, 2, 3, 17, 64, 100, 511, 513, 784};
    for (size_t f = 0; f < OMEN_ARRAY_LEN(dims); f++)
        for (unsigned product = 0; product < 2; product++) {
            uint32_t d = dims[f], rows = 1 + (uint32_t)test_rand_below(200);
            float *x = some(ROWS, d), *q = some(1, d), *centroid = some(1, d), *zero = calloc(d, 4);
            omen_pq c = trained(d, product == 1, x, ROWS);
            CHECK_EQ_UINT(c.sub, d <= 512 ? 2 : d <= 768 ? 3 : 4);
            check(&c, x, rows, q, centroid);
            check(&c, x, rows, q, zero);
            check(&c, x, 1, x, centroid);
            check(&c, x, 64, q, q);
            omen_pq_deinit(&c);
            free(x), free(q), free(centroid), free(zero);
        }
    end();
}

/* Of a normal number in two dimensions, 16 points leave about a ninth of the variance; of vectors in 20 places, less. */
TEST(training_finds_good_points) {
    begin();
    enum { D = 32 };
    float *x = some(ROWS, D), stands[D], zero[D] = {0};
    double off = 0, variance = 0;
    uint8_t codes[256];
    for (uint32_t i = 0; i < D; i++) {
        double mean = 0;
        for (uint32_t r = 0; r < ROWS; r++) mean += x[r * D + i] / ROWS;
        for (uint32_t r = 0; r < ROWS; r++) variance += (x[r * D + i] - mean) * (x[r * D + i] - mean);
    }
    omen_pq c = trained(D, false, x, ROWS);
    for (uint32_t r = 0; r < ROWS; r++) {
        omen_pq_encode(&c, x + r * D, zero, codes);
        stands_for(&c, codes, stands);
        off += apart(x + r * D, stands, D);
    }
    CHECK(off < 0.12 * variance);
    omen_pq_deinit(&c);
    free(x);
    end();
}

/* Parts of a loop in another order. */
static void backwards(void *ctx, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    (void)ctx;
    for (size_t i = n; i-- != 0;) fn(arg, i);
}

TEST(bits_are_those_of_every_machine_and_any_number_of_threads) {
    begin();
    const char *best = omen_kernels_name();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++)
        for (uint32_t threads = 0; threads < 8; threads += 7) {
            host->host.threads = threads;
            host->host.parallel_for = threads == 0 ? NULL : backwards;
            CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
            uint64_t hash = 0;
            for (unsigned product = 0; product < 2; product++) {
                float x[300 * 19], scratch[10 * 16], add[300], estimates[320];
                uint8_t codes[10], lut[160], packed[10 * 160] = {0};
                uint32_t state = 5;
                for (size_t i = 0; i < OMEN_ARRAY_LEN(x); i++) x[i] = fixed(&state);
                omen_pq c = trained(19, product == 1, x, 300);
                omen_pq_query q = {.lut = lut};
                hash = omen_hash64(c.points, omen_pq_points_bytes(&c), hash);
                for (uint32_t r = 0; r < 300; r++) {
                    add[r] = omen_pq_encode(&c, x + r * 19, x + 19, codes);
                    omen_pq_pack(&c, codes, r, packed);
                }
                omen_pq_query_set(&c, &q, x, scratch);
                omen_pq_scan(&c, &q, 0.5f, packed, add, 300, estimates);
                hash = omen_hash64(estimates, 300 * 4, omen_hash64(packed, sizeof packed, omen_hash64(lut, sizeof lut, hash)));
                omen_pq_deinit(&c);
            }
            CHECK_EQ_UINT(hash, UINT64_C(0x5dc5bcdcef3c29c0));
        }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

TEST(points_of_files_are_looked_at) {
    begin();
    float *x = some(ROWS, 19);
    omen_pq c = trained(19, false, x, ROWS);
    float was = c.points[7];
    c.points[7] = NAN;
    CHECK(!omen_pq_sound(&c));
    c.points[7] = INFINITY;
    CHECK(!omen_pq_sound(&c));
    c.points[7] = was;
    CHECK(omen_pq_sound(&c));
    c.points[omen_pq_points_bytes(&c) / 4 - 1] = 1; /* a dimension that is not there */
    CHECK(!omen_pq_sound(&c));
    omen_pq_deinit(&c);
    free(x);
    end();
}

TEST(data_without_shape) {
    begin();
    static const uint32_t counts[] = {1, 2, 15, 16, 17, 100, 5000};
    for (int kind = 0; kind < 5; kind++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(counts); n++)
            for (unsigned product = 0; product < 2; product++) {
                enum { D = 5 };
                float *x = malloc(counts[n] * D * 4), zero[D] = {0};
                for (uint32_t i = 0; i < counts[n] * D; i++)
                    x[i] = kind == 0 ? 0 : kind == 1 ? -3.5f : kind == 2 ? (float)(i / D % 3) : kind == 3 ? test_rand_float() * 1e-20f : test_rand_float() * 3e38f;
                omen_pq c = trained(D, product == 1, x, counts[n]);
                if (kind < 3) {
                    check(&c, x, counts[n] < 100 ? counts[n] : 100, x, zero);
                    uint8_t codes[3];
                    float stands[D];
                    omen_pq_encode(&c, x, zero, codes);
                    stands_for(&c, codes, stands);
                    CHECK(apart(stands, x, D) == 0); /* as many points as vectors, at least */
                } else {
                    uint8_t lut[48];
                    float scratch[48];
                    omen_pq_query q = {.lut = lut};
                    omen_pq_query_set(&c, &q, x, scratch);
                    CHECK(q.bias - q.bias == 0 && q.step >= 0 && q.slack >= 0 && q.slack - q.slack == 0);
                }
                omen_pq_deinit(&c);
                free(x);
            }
    float x[4] = {0};
    uint32_t failed = 0, went = 0;
    for (uint64_t limit = 50; limit < 30000; limit += limit / 3) {
        omen_pq c;
        mem.limit = limit;
        omen_status s = omen_pq_init(&c, &mem, 4, false);
        if (s == OMEN_OK) s = omen_pq_train_run(&c, 1, x, 1);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        went += s == OMEN_OK;
        omen_pq_deinit(&c);
        CHECK_EQ_UINT(mem.bytes, 0);
    }
    CHECK(failed > 3 && went > 3);
    mem.limit = 0;
    end();
}

TEST_MAIN()
