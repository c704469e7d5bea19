/* 8-bit codes: they order rows as true distances do, projected or not; sums do not overflow, whatever the numbers; saved codecs give the same codes, and damaged
 * ones are refused or do no harm. */
#include "quant_test.h"

#include "index/codes.h"
#include "quant/sq8.h"

static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_COSINE, OMEN_METRIC_IP};

typedef struct set {
    omen_sq8 codec;
    omen_codes codes;
    uint32_t rows, d;
    float *x, *scratch;
    uint8_t *bytes, *u;
} set;

/* Vectors are filled in by the caller between take and train. */
static void take(set *s, uint32_t rows, uint32_t d) {
    *s = (set){.rows = rows, .d = d};
    s->x = calloc((size_t)rows * d, 4);
}

static void train(set *s, omen_metric metric, uint32_t lead_max) {
    CHECK_OK(omen_sq8_train(&s->codec, &mem, metric, s->d, s->x, s->rows, lead_max, &error));
    const omen_sq8 *c = &s->codec;
    CHECK(c->len % 64 == 0 && c->stride % 64 == 0 && c->lead <= c->len && c->tail >= c->lead && c->tail + (metric == OMEN_METRIC_IP ? 12 : 4) <= c->stride);
    CHECK(c->scale > 0.0f && isfinite(c->scale));
    s->codes = omen_codes_of_sq8(c);
    s->scratch = calloc(omen_sq8_scratch(c), 4);
    s->bytes = aligned_alloc(64, ((size_t)s->rows + 1) * c->stride);
    s->u = aligned_alloc(64, c->len);
    s->codes.rows = s->bytes;
    for (uint32_t r = 0; r < s->rows; r++) omen_sq8_encode(c, s->x + (size_t)r * s->d, s->bytes + (size_t)r * c->stride, s->scratch);
}

static void drop(set *s) {
    omen_sq8_deinit(&s->codec);
    free(s->x);
    free(s->scratch);
    free(s->bytes);
    free(s->u);
}

/* Vectors in `lead` directions, and by `rest` elsewhere; lead == d: in all alike. */
static void fill(set *s, uint32_t lead, float rest, float shift) {
    float *turn = calloc((size_t)lead * s->d, 4);
    for (uint32_t i = 0; i < lead * s->d; i++) turn[i] = normal() / 10.0f;
    for (uint32_t r = 0; r < s->rows; r++) {
        float *x = s->x + (size_t)r * s->d;
        for (uint32_t i = 0; i < s->d; i++) x[i] = shift + (lead == s->d ? normal() : rest * normal());
        for (uint32_t j = 0; j < lead && lead != s->d; j++) {
            float by = normal();
            for (uint32_t i = 0; i < s->d; i++) x[i] += by * turn[j * s->d + i];
        }
    }
    free(turn);
}

static double distance(const set *s, const float *q, uint32_t row) {
    const float *x = s->x + (size_t)row * s->d;
    if (s->codec.metric == OMEN_METRIC_L2) return apart(q, x, s->d);
    double dot = product(q, x, s->d);
    return s->codec.metric == OMEN_METRIC_IP ? -dot : -dot / sqrt(product(x, x, s->d) + 1e-300);
}

/* Which share of the 10 nearest is among the 40 of lowest rank. */
static double recall(set *s, uint32_t queries) {
    double found = 0;
    int32_t *ranks = calloc(s->rows, sizeof *ranks);
    double *true_ones = calloc(s->rows, sizeof *true_ones);
    float *q = calloc(s->d, 4);
    for (uint32_t n = 0; n < queries; n++) {
        const float *x = s->x + test_rand_below(s->rows) * s->d;
        for (uint32_t i = 0; i < s->d; i++) q[i] = x[i] + 0.1f * normal();
        omen_sq8_query(&s->codec, q, s->u, s->scratch);
        for (uint32_t i = 0; i < s->codec.len; i++) CHECK(s->u[i] <= 127 && (i < s->codec.lead || s->u[i] == 0));
        omen_codes_rank(&s->codes, s->u, NULL, s->rows, ranks);
        for (uint32_t r = 0; r < s->rows; r++) true_ones[r] = distance(s, q, r);
        for (uint32_t r = 0; r < s->rows; r++) {
            uint32_t nearer = 0, before = 0;
            for (uint32_t o = 0; o < s->rows && nearer < 10; o++) nearer += true_ones[o] < true_ones[r];
            if (nearer >= 10) continue;
            for (uint32_t o = 0; o < s->rows; o++) before += ranks[o] < ranks[r];
            found += before < 40;
        }
    }
    free(ranks);
    free(true_ones);
    free(q);
    return found / (10.0 * queries);
}

TEST(ranks_order_rows_as_distances_do) {
    static const uint32_t dimensions[] = {1, 2, 7, 52, 60, 61, 63, 64, 65, 95, 100, 128, 256, 300};
    for (unsigned k = 0; k < OMEN_ARRAY_LEN(metrics) * OMEN_ARRAY_LEN(dimensions); k++) {
        set s;
        begin();
        take(&s, 500, dimensions[k / 3]);
        fill(&s, s.d, 0.0f, k % 2 == 0 ? 0.0f : 0.7f);
        train(&s, metrics[k % 3], 0);
        CHECK(!s.codec.projected && s.codec.lead == s.d && s.codec.peak == 127);
        double r = recall(&s, 8);
        /* In one dimension, angles and products are all alike: which of the rows is nearest is a matter of the last bit. */
        if (s.d > 2 && !CHECK(r > 0.95)) printf("        metric %d, %u dimensions: %g\n", (int)metrics[k % 3], s.d, r);
        drop(&s);
        end();
    }
}

TEST(few_directions_are_kept_where_they_hold_nearly_all) {
    for (unsigned k = 0; k < 3; k++) {
        set s;
        begin();
        take(&s, 800, 200);
        fill(&s, 20, 0.01f, 0.3f);
        train(&s, metrics[k], 0);
        CHECK(s.codec.projected && s.codec.lead == (metrics[k] == OMEN_METRIC_IP ? 52 : 60) && s.codec.stride == 64);
        double r = recall(&s, 15);
        if (!CHECK(r > 0.93)) printf("        metric %d: %g\n", (int)metrics[k], r);
        drop(&s);
        /* At most as many as are allowed: too few would lose too much. */
        take(&s, 800, 200);
        fill(&s, 100, 0.01f, 0.3f);
        train(&s, metrics[k], 60);
        CHECK(s.codec.lead <= 60 || !s.codec.projected);
        drop(&s);
        /* Not in less than 96 dimensions, and not from fewer vectors than twice those. */
        take(&s, 399, 200);
        fill(&s, 20, 0.01f, 0.3f);
        train(&s, metrics[k], 0);
        CHECK(!s.codec.projected);
        drop(&s);
        end();
    }
}

/* |a - b|^2 / s^2 from codes, against doubles: for building graphs. */
TEST(distances_between_rows) {
    for (unsigned k = 0; k < 6; k++) {
        set s;
        omen_metric metric = metrics[k % 3];
        begin();
        take(&s, 500, k < 3 ? 50 : 150);
        fill(&s, k < 3 ? 50 : 12, 0.001f, 0.2f);
        train(&s, metric, 0);
        CHECK_EQ_INT(s.codec.projected, k >= 3);
        uint8_t *u = aligned_alloc(64, s.codec.len);
        double wrong = 0, all = 0, greatest = 0;
        for (uint32_t r = 0; r < s.rows; r++) {
            double square = 0;
            for (uint32_t i = 0; i < s.d; i++) square += pow((double)s.x[r * s.d + i] - (double)s.codec.mean[i], 2);
            greatest = fmax(greatest, square);
        }
        for (uint32_t a = 0; a < s.rows; a += 41) {
            omen_code_point p = {.u = u};
            omen_codes_point(&s.codes, a, &p);
            for (uint32_t b = 0; b < s.rows; b += 7) {
                int32_t got;
                const float *x = s.x + a * s.d, *y = s.x + b * s.d;
                double want = apart(x, y, s.d), xx = product(x, x, s.d), yy = product(y, y, s.d);
                omen_codes_distances(&s.codes, &p, &b, 1, &got);
                CHECK(got >= 0);
                if (metric == OMEN_METRIC_COSINE) want = 2 - 2 * product(x, y, s.d) / sqrt(xx * yy);
                if (metric == OMEN_METRIC_IP) {
                    double lift[2] = {0, 0};
                    for (uint32_t i = 0; i < s.d; i++) {
                        lift[0] += pow((double)x[i] - (double)s.codec.mean[i], 2);
                        lift[1] += pow((double)y[i] - (double)s.codec.mean[i], 2);
                    }
                    want += pow(sqrt(fmax(0, greatest - lift[0])) - sqrt(fmax(0, greatest - lift[1])), 2);
                }
                wrong += fabs((double)got * (double)s.codec.scale * (double)s.codec.scale - want);
                all += want;
            }
        }
        if (!CHECK(wrong / all < 0.05)) printf("        metric %d: off by %g\n", (int)metric, wrong / all);
        free(u);
        drop(&s);
        end();
    }
}

/* ---- numbers at their ends ---- */

/* Ranks in 64-bit arithmetic are the same: nothing overflowed. */
static void check_sums(set *s, const float *q) {
    omen_sq8_query(&s->codec, q, s->u, s->scratch);
    for (uint32_t r = 0; r < s->rows; r++) {
        const uint8_t *row = s->bytes + (size_t)r * s->codec.stride;
        int64_t dot = 0, sum = 0, square = 0;
        int32_t got, tail[3] = {0};
        for (uint32_t j = 0; j < s->codec.lead; j++) {
            int8_t c = (int8_t)row[j];
            CHECK(c >= -s->codec.peak && c <= s->codec.peak);
            dot += c * (int64_t)s->u[j];
            sum += c;
            square += (int64_t)c * c;
        }
        memcpy(tail, row + s->codec.tail, s->codec.metric == OMEN_METRIC_IP ? 12 : 4);
        if (s->codec.metric == OMEN_METRIC_IP) CHECK(tail[0] == 256 * sum && tail[1] >= square && tail[1] <= square + 1000000000 && tail[2] >= 0 && tail[2] <= 32767);
        else CHECK(tail[0] >= square + 256 * sum && tail[0] <= square + 256 * sum + 1000000000);
        omen_codes_rank(&s->codes, s->u, &r, 1, &got);
        CHECK_EQ_INT(got, tail[0] - 4 * dot);
    }
}

TEST(extreme_numbers) {
    static const uint32_t dimensions[] = {1, 64, 100, 136};
    for (unsigned k = 0; k < 3 * 9 * OMEN_ARRAY_LEN(dimensions); k++) {
        set s;
        unsigned what = k / 3 % 9;
        begin();
        take(&s, k % 2 == 0 ? 1 : 300, dimensions[k / 27]);
        for (uint32_t i = 0; i < s.rows * s.d; i++) switch (what) {
                case 0: s.x[i] = 1e30f * test_rand_float(); break;
                case 1: s.x[i] = i % 2 == 0 ? 3e38f : -3e38f; break;
                case 2: s.x[i] = 1e-40f * test_rand_float(); break;
                case 3: s.x[i] = 0.0f; break;
                case 4: s.x[i] = 5.0f; break;
                case 5: s.x[i] = i == 0 ? 1e30f : test_rand_float(); break;
                case 6: s.x[i] = i / s.d % 2 == 0 ? 1e30f : 1e-30f; break;
                case 7: s.x[i] = i % s.d == 0 ? test_rand_float() : 0.0f; break;
                default: s.x[i] = 1e-20f * test_rand_float(); break;
            }
        train(&s, metrics[k % 3], 0);
        float *q = calloc(s.d, 4);
        for (unsigned n = 0; n < 5; n++) {
            for (uint32_t i = 0; i < s.d; i++) q[i] = n == 0 ? s.x[i] : n == 1 ? 3e38f : n == 2 ? -3e38f : n == 3 ? 1e-42f : 0.0f;
            check_sums(&s, q);
        }
        free(q);
        drop(&s);
        end();
    }
}

/* More than 16,384 codes: their peak is lower, so that the worst rows and queries still sum within 32 bits. */
TEST(very_many_dimensions) {
    static const uint32_t dimensions[] = {16384, 16385, 65536};
    for (unsigned k = 0; k < 3 * OMEN_ARRAY_LEN(dimensions); k++) {
        set s;
        begin();
        take(&s, 12, dimensions[k / 3]);
        for (uint32_t r = 0; r < s.rows; r++)
            for (uint32_t i = 0; i < s.d; i++) s.x[(size_t)r * s.d + i] = r < 4 ? (r % 2 == 0 ? 1.0f : -1.0f) : test_rand_float() * 0.3f;
        train(&s, metrics[k % 3], 0);
        CHECK(!s.codec.projected);
        CHECK_EQ_INT(s.codec.peak, s.d > 16384 ? 31 : 127);
        for (uint32_t n = 0; n < 6; n++) check_sums(&s, s.x + (size_t)n * s.d);
        drop(&s);
        end();
    }
}

/* ---- as bytes ---- */

static void bytes_of(const omen_sq8 *c, omen_buf *out) {
    omen_buf_init(out, &mem);
    CHECK_OK(omen_sq8_save(c, out));
}

/* Codes a query with a loaded codec; what comes out is within bounds. */
static void use(const omen_sq8 *c, const float *q, uint8_t *u) {
    float *scratch = calloc(omen_sq8_scratch(c), 4);
    omen_sq8_query(c, q, u, scratch);
    for (uint32_t i = 0; i < c->len; i++) CHECK(u[i] <= 127 && (i < c->lead || u[i] == 0));
    free(scratch);
}

TEST(saved_and_loaded_codecs_give_the_same_codes) {
    static const struct { uint32_t d, lead; } of[] = {{1, 1}, {50, 50}, {130, 130}, {130, 10}};
    for (unsigned k = 0; k < 3 * OMEN_ARRAY_LEN(of); k++) {
        set s;
        omen_sq8 again;
        omen_buf saved, twice;
        begin();
        take(&s, 300, of[k / 3].d);
        fill(&s, of[k / 3].lead, 0.01f, 0.5f);
        train(&s, metrics[k % 3], 0);
        CHECK_EQ_INT(s.codec.projected, k / 3 == 3);
        bytes_of(&s.codec, &saved);
        CHECK_OK(omen_sq8_load(&again, &mem, metrics[k % 3], s.d, saved.data, saved.len, &error));
        CHECK(again.len == s.codec.len && again.stride == s.codec.stride && again.tail == s.codec.tail && again.lead == s.codec.lead && again.peak == s.codec.peak);
        uint8_t *u = malloc(s.codec.len);
        for (uint32_t r = 0; r < s.rows; r += 7) {
            omen_sq8_query(&s.codec, s.x + r * s.d, s.u, s.scratch);
            use(&again, s.x + r * s.d, u);
            CHECK_MEM(u, s.u, s.codec.len);
        }
        bytes_of(&again, &twice);
        CHECK_EQ_UINT(twice.len, saved.len);
        CHECK_MEM(twice.data, saved.data, saved.len);
        omen_sq8_deinit(&again);
        /* Of another field. */
        CHECK_STATUS(omen_sq8_load(&again, &mem, metrics[(k + 1) % 3], s.d, saved.data, saved.len, &error), OMEN_ERR_CORRUPT);
        CHECK_STATUS(omen_sq8_load(&again, &mem, metrics[k % 3], s.d + 1, saved.data, saved.len, &error), OMEN_ERR_CORRUPT);
        omen_buf_deinit(&saved);
        omen_buf_deinit(&twice);
        free(u);
        drop(&s);
        end();
    }
}

TEST(damaged_codecs_are_refused_or_do_no_harm) {
    for (unsigned k = 0; k < 6; k++) {
        set s;
        omen_sq8 c;
        omen_buf saved;
        unsigned refused = 0, taken = 0;
        begin();
        take(&s, 220, k % 2 == 0 ? 17 : 100);
        fill(&s, k % 2 == 0 ? 17 : 8, 0.01f, 0.5f);
        train(&s, metrics[k / 2], 0);
        CHECK_EQ_INT(s.codec.projected, k % 2 == 1);
        bytes_of(&s.codec, &saved);
        /* In memory of its own, so that reading behind the end shows. */
        for (size_t len = 0; len < saved.len; len++) {
            uint8_t *cut = malloc(len + (len == 0));
            memcpy(cut, saved.data, len);
            CHECK_STATUS(omen_sq8_load(&c, &mem, metrics[k / 2], s.d, cut, len, &error), OMEN_ERR_CORRUPT);
            free(cut);
        }
        uint8_t *longer = calloc(saved.len + 1, 1);
        memcpy(longer, saved.data, saved.len);
        CHECK_STATUS(omen_sq8_load(&c, &mem, metrics[k / 2], s.d, longer, saved.len + 1, &error), OMEN_ERR_CORRUPT);
        for (size_t bit = 0; bit < saved.len * 8; bit += bit < 128 * 8 ? 1 : 5) {
            longer[bit / 8] ^= (uint8_t)(1u << bit % 8);
            omen_status status = omen_sq8_load(&c, &mem, metrics[k / 2], s.d, longer, saved.len, &error);
            CHECK(status == OMEN_OK || status == OMEN_ERR_CORRUPT);
            /* Magic, dimensions, metric, lead, whether projected. */
            if (bit < 20 * 8) CHECK_STATUS(status, OMEN_ERR_CORRUPT);
            refused += status != OMEN_OK;
            taken += status == OMEN_OK;
            if (status == OMEN_OK) {
                uint8_t *u = malloc(c.len);
                use(&c, s.x, u);
                free(u);
                omen_sq8_deinit(&c);
            }
            longer[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        CHECK(refused >= 160 && taken > 100);
        /* A scale that is no scale. */
        static const uint32_t scales[] = {0, 0x80000000u, 0x7F800000u, 0xFF800000u, 0x7FC00000u, 0xBF800000u};
        for (unsigned n = 0; n < OMEN_ARRAY_LEN(scales); n++) {
            memcpy(longer + 24, &scales[n], 4);
            CHECK_STATUS(omen_sq8_load(&c, &mem, metrics[k / 2], s.d, longer, saved.len, &error), OMEN_ERR_CORRUPT);
        }
        free(longer);
        omen_buf_deinit(&saved);
        drop(&s);
        end();
    }
}

/* No direction at all, and zeros that hold nothing. */
TEST(a_codec_without_directions_is_refused) {
    set s;
    omen_buf saved;
    begin();
    omen_buf_init(&saved, &mem);
    take(&s, 40, 20);
    for (size_t i = 0; i < 40 * 20; i++) s.x[i] = test_rand_float();
    omen_sq8 c, loaded;
    CHECK_OK(omen_sq8_train(&c, &mem, OMEN_METRIC_L2, 20, s.x, 40, 0, &error));
    CHECK_OK(omen_sq8_save(&c, &saved));
    CHECK_EQ_UINT(omen_get32(saved.data + 12), 20);
    for (uint32_t lead = 0; lead < 22; lead += 21) {
        omen_put32(saved.data + 12, lead);
        omen_put32(saved.data + 16, 1);
        CHECK_STATUS(omen_sq8_load(&loaded, &mem, OMEN_METRIC_L2, 20, saved.data, saved.len, &error), OMEN_ERR_CORRUPT);
        CHECK_EQ_STR(error.text, "a quantiser is malformed");
    }
    loaded = (omen_sq8){0};
    omen_sq8_deinit(&loaded);
    omen_sq8_deinit(&c);
    omen_buf_deinit(&saved);
    free(s.x);
    end();
}

TEST(kernel_sets_do_not_show_in_the_codes) {
    const omen_kernels *best = omen_kernels_get();
    for (unsigned k = 0; k < 6; k++) {
        omen_hash128 first = {{0}};
        float *x = NULL;
        for (const omen_kernels *const *o = omen_kernels_offer(); *o != NULL; o++) {
            set s;
            omen_buf saved;
            CHECK_OK(omen_kernels_use((*o)->name));
            begin();
            take(&s, 300, k < 3 ? 37 : 128);
            if (x == NULL) {
                fill(&s, k < 3 ? 37 : 9, 0.02f, 0.1f);
                x = malloc((size_t)s.rows * s.d * 4);
                memcpy(x, s.x, (size_t)s.rows * s.d * 4);
            }
            memcpy(s.x, x, (size_t)s.rows * s.d * 4);
            train(&s, metrics[k % 3], 0);
            bytes_of(&s.codec, &saved);
            CHECK_OK(omen_buf_append(&saved, s.bytes, (size_t)s.rows * s.codec.stride));
            omen_sq8_query(&s.codec, x, s.u, s.scratch);
            CHECK_OK(omen_buf_append(&saved, s.u, s.codec.len));
            omen_hash128 h = omen_hash128_of(saved.data, saved.len);
            if (o == omen_kernels_offer()) first = h;
            CHECK(omen_hash128_equal(&h, &first));
            omen_buf_deinit(&saved);
            drop(&s);
            end();
        }
        free(x);
    }
    CHECK_OK(omen_kernels_use(best->name));
}

TEST(memory_runs_out_at_every_allocation) {
    bool hit = true;
    for (uint64_t n = 1; hit; n++) {
        omen_sq8 c, again;
        omen_buf saved;
        set s;
        begin();
        take(&s, 220, 100);
        fill(&s, 6, 0.01f, 0.0f);
        fault_host_fail_alloc_at(host, n, true);
        omen_buf_init(&saved, &mem);
        omen_status status = omen_sq8_train(&c, &mem, OMEN_METRIC_L2, s.d, s.x, s.rows, 0, &error);
        if (status == OMEN_OK) {
            status = omen_sq8_save(&c, &saved);
            if (status == OMEN_OK) status = omen_sq8_load(&again, &mem, OMEN_METRIC_L2, s.d, saved.data, saved.len, &error);
            if (status == OMEN_OK) omen_sq8_deinit(&again);
            omen_sq8_deinit(&c);
        }
        hit = fault_host_fault_hit(host);
        CHECK_STATUS(status, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        omen_buf_deinit(&saved);
        free(s.x);
        end();
    }
}

TEST_MAIN()
