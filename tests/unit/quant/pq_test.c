/* Product codes: encoding and tables against double arithmetic, packing against the kernel, the bound of rounded tables, training, files, and data without shape. */
#include "quant_test.h"

#include "quant/pq.h"

enum { ROWS = 700 };
static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_IP, OMEN_METRIC_COSINE};

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

static double exact(omen_metric metric, const float *q, const float *x, uint32_t d) { return metric == OMEN_METRIC_IP ? -product(q, x, d) : apart(q, x, d); }

/* Rows packed and looked up by the kernel: the lower bound is one, and the slack is enough. */
static void check(const omen_pq *c, const float *x, uint32_t rows, const float *q) {
    uint32_t d = c->dimensions, blocks = (rows + 31) / 32;
    size_t bytes = omen_pq_bytes(c, rows);
    CHECK_EQ_UINT(bytes, (uint64_t)blocks * 16 * c->parts);
    uint8_t *packed = calloc(1, bytes), *lut = malloc(c->parts * 16), codes[256], back[256];
    float *scratch = malloc(c->parts * 64), *stands = malloc(d * 4);
    uint16_t *sums = malloc(blocks * 64);
    omen_pq_scale scale;
    for (uint32_t r = 0; r < rows; r++) {
        omen_pq_encode(c, x + (size_t)r * d, codes);
        if (r % 3 == 0) { /* codes that are replaced */
            memset(back, 0xF, sizeof back);
            omen_pq_pack(c, back, r, packed);
        }
        omen_pq_pack(c, codes, r, packed);
    }
    omen_pq_query(c, q, lut, &scale, scratch);
    omen_kernels_get()->lut4(lut, packed, blocks, c->parts, sums);
    double worst = 0;
    for (uint32_t r = 0; r < rows; r++) {
        omen_pq_encode(c, x + (size_t)r * d, codes);
        omen_pq_unpack(c, packed, r, back);
        CHECK_MEM(back, codes, c->parts);
        omen_pq_decode(c, codes, stands);
        double want = exact(c->metric, q, stands, d);
        CHECK(omen_pq_lowest(scale, sums[r]) <= want);
        CHECK(want <= (double)omen_pq_lowest(scale, sums[r]) + scale.slack);
        CHECK(fabs(want - omen_pq_distance(scale, sums[r])) <= scale.slack * 0.51 + 1e-6 * fabs(want));
        worst = fmax(worst, want - omen_pq_lowest(scale, sums[r]));
        /* Codes are those of the nearest centroids. */
        for (uint32_t j = 0; j < c->parts && r < 20; j++) {
            double own = 0, least = INFINITY;
            for (uint32_t p = 0; p < 16; p++) {
                double sum = 0;
                for (uint32_t i = j * c->sub; i < d && i < (j + 1) * c->sub; i++) {
                    double off = (double)x[(size_t)r * d + i] - c->centroids[i * 16 + p];
                    sum += off * off;
                }
                least = fmin(least, sum);
                if (p == codes[j]) own = sum;
            }
            CHECK(own <= least * 1.00001 + 1e-30);
        }
    }
    if (rows > 100 && scale.step > 0) CHECK(worst > scale.slack * 0.2); /* the bound says something */
    free(packed), free(lut), free(scratch), free(stands), free(sums);
}

TEST(tables_are_lower_bounds) {
    begin();
    static const uint32_t dims[] = {1, 2, 3, 17, 64, 100, 511, 600}, subs[] = {0, 1, 2, 3, 4, 8, 700};
    for (size_t f = 0; f < OMEN_ARRAY_LEN(dims); f++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(subs); n++) {
            uint32_t d = dims[f], rows = 1 + (uint32_t)test_rand_below(200);
            omen_metric metric = metrics[n % 3];
            float *x = some(ROWS, d), *q = some(1, d);
            omen_pq c;
            omen_status s = omen_pq_train(&c, &mem, metric, d, subs[n], x, ROWS, &error);
            if (subs[n] != 0 && (d + subs[n] - 1) / subs[n] > 256) {
                CHECK_STATUS(s, OMEN_ERR_INVALID);
                CHECK(strstr(error.text, "256") != NULL);
            } else {
                CHECK_STATUS(s, OMEN_OK);
                check(&c, x, rows, q);
                check(&c, x, 1, x);
            }
            omen_pq_deinit(&c);
            free(x), free(q);
        }
    end();
}

/* More codes, less error; and far less than one point for all. */
TEST(training_finds_good_points) {
    begin();
    enum { D = 32 };
    float *x = some(ROWS, D), stands[D];
    double errors[3], variance = 0;
    uint8_t codes[256];
    for (uint32_t i = 0; i < D; i++) {
        double mean = 0;
        for (uint32_t r = 0; r < ROWS; r++) mean += x[r * D + i] / ROWS;
        for (uint32_t r = 0; r < ROWS; r++) variance += (x[r * D + i] - mean) * (x[r * D + i] - mean);
    }
    for (uint32_t n = 0; n < 3; n++) {
        omen_pq c;
        CHECK_STATUS(omen_pq_train(&c, &mem, OMEN_METRIC_L2, D, 1u << n, x, ROWS, &error), OMEN_OK);
        errors[n] = 0;
        for (uint32_t r = 0; r < ROWS; r++) {
            omen_pq_encode(&c, x + r * D, codes);
            omen_pq_decode(&c, codes, stands);
            errors[n] += apart(x + r * D, stands, D);
        }
        omen_pq_deinit(&c);
    }
    /* 16 levels leave 0.0115 of a normal number's variance (Max 1960); two dimensions share them. */
    CHECK(errors[0] < 0.016 * variance && errors[1] < 0.16 * variance && errors[2] < 0.45 * variance);
    free(x);
    end();
}

TEST(bits_are_those_of_every_machine) {
    begin();
    const char *best = omen_kernels_name();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
        uint64_t hash = 0;
        for (size_t m = 0; m < 3; m++) {
            float x[300 * 19], scratch[10 * 16];
            uint32_t state = 5;
            for (size_t i = 0; i < OMEN_ARRAY_LEN(x); i++) x[i] = fixed(&state);
            omen_pq c;
            uint8_t codes[10], lut[160];
            omen_pq_scale scale;
            CHECK_STATUS(omen_pq_train(&c, &mem, metrics[m], 19, 2, x, 300, &error), OMEN_OK);
            hash = omen_hash64(c.centroids, c.parts * c.sub * 64, hash);
            for (uint32_t r = 0; r < 300; r++) {
                omen_pq_encode(&c, x + r * 19, codes);
                hash = omen_hash64(codes, c.parts, hash);
            }
            omen_pq_query(&c, x, lut, &scale, scratch);
            hash = omen_hash64(&scale, sizeof scale, omen_hash64(lut, c.parts * 16, hash));
            omen_pq_deinit(&c);
        }
        CHECK_EQ_UINT(hash, UINT64_C(0x0a441b1c72062dff));
    }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

TEST(files) {
    begin();
    float *x = some(ROWS, 19);
    omen_pq c, d;
    omen_buf out;
    omen_buf_init(&out, &mem);
    CHECK_STATUS(omen_pq_train(&c, &mem, OMEN_METRIC_L2, 19, 2, x, ROWS, &error), OMEN_OK);
    CHECK_STATUS(omen_pq_save(&c, &out), OMEN_OK);
    CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 19, out.data, out.len, &error), OMEN_OK);
    CHECK(d.sub == c.sub && d.parts == c.parts);
    CHECK_MEM(d.centroids, c.centroids, c.parts * c.sub * 64);
    omen_pq_deinit(&d);
    CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_IP, 19, out.data, out.len, &error), OMEN_ERR_CORRUPT);
    CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 20, out.data, out.len, &error), OMEN_ERR_CORRUPT);
    for (size_t len = 0; len < out.len; len += 1 + len / 8) CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 19, out.data, len, &error), OMEN_ERR_CORRUPT);
    uint32_t numbers[] = {0, 1, 3, 20, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < 6; i++) {
        uint8_t kept[4];
        memcpy(kept, out.data + 12, 4);
        omen_put32(out.data + 12, numbers[i]);
        CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 19, out.data, out.len, &error), OMEN_ERR_CORRUPT);
        memcpy(out.data + 12, kept, 4);
    }
    float nan = NAN, one = 1;
    memcpy(out.data + 16, &nan, 4);
    CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 19, out.data, out.len, &error), OMEN_ERR_CORRUPT);
    memcpy(out.data + 16, &one, 4);
    memcpy(out.data + out.len - 4, &one, 4); /* a dimension that is not there */
    CHECK_STATUS(omen_pq_load(&d, &mem, OMEN_METRIC_L2, 19, out.data, out.len, &error), OMEN_ERR_CORRUPT);
    omen_pq_deinit(&d);
    omen_pq_deinit(&c);
    omen_buf_deinit(&out);
    free(x);
    end();
}

TEST(data_without_shape) {
    begin();
    static const uint32_t counts[] = {1, 2, 15, 16, 17, 100, 5000};
    for (int kind = 0; kind < 5; kind++)
        for (size_t n = 0; n < OMEN_ARRAY_LEN(counts); n++)
            for (size_t m = 0; m < 3; m++) {
                enum { D = 5 };
                float *x = malloc(counts[n] * D * 4);
                for (uint32_t i = 0; i < counts[n] * D; i++)
                    x[i] = kind == 0 ? 0 : kind == 1 ? -3.5f : kind == 2 ? (float)(i / D % 3) : kind == 3 ? test_rand_float() * 1e-20f : test_rand_float() * 3e38f;
                omen_pq c;
                CHECK_STATUS(omen_pq_train(&c, &mem, metrics[m], D, 2, x, counts[n], &error), OMEN_OK);
                if (kind < 3) {
                    check(&c, x, counts[n] < 100 ? counts[n] : 100, x);
                    uint8_t codes[3];
                    float stands[D];
                    omen_pq_encode(&c, x, codes);
                    omen_pq_decode(&c, codes, stands);
                    CHECK(apart(stands, x, D) == 0); /* as many centroids as vectors, at least */
                } else {
                    uint8_t lut[48];
                    omen_pq_scale scale;
                    float scratch[48];
                    omen_pq_query(&c, x, lut, &scale, scratch);
                    CHECK(scale.bias - scale.bias == 0 && scale.step >= 0 && scale.slack >= 0 && scale.slack - scale.slack == 0);
                }
                omen_pq_deinit(&c);
                free(x);
            }
    omen_pq c;
    float x[4] = {0};
    CHECK_STATUS(omen_pq_train(&c, &mem, OMEN_METRIC_L2, 4, 0, x, 0, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_pq_train(&c, &mem, OMEN_METRIC_L2, 0, 0, x, 1, &error), OMEN_ERR_INVALID);
    for (uint64_t limit = 50; limit < 30000; limit += limit / 3) {
        mem.limit = limit;
        omen_status s = omen_pq_train(&c, &mem, OMEN_METRIC_L2, 4, 2, x, 1, &error);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        CHECK(s == (limit < 300 ? OMEN_ERR_MEMORY : s));
        omen_pq_deinit(&c);
    }
    CHECK_EQ_UINT(omen_pq_sub(1), 2);
    CHECK_EQ_UINT(omen_pq_sub(512), 2);
    CHECK_EQ_UINT(omen_pq_sub(513), 3);
    CHECK_EQ_UINT(omen_pq_sub(65535), 256);
    mem.limit = 0;
    end();
}

TEST_MAIN()
