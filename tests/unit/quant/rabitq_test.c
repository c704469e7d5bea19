/* RaBitQ: what codes stand for against double arithmetic, estimates without bias, bounds that hold as often as they say, half the error for every bit, the search
 * for the best factor against trying them all, the same bits under every kernel set, and data that has no shape. */
#include "quant_test.h"

#include "quant/rabitq.h"

enum { ROWS = 600 };

typedef struct set {
    omen_rq codec;
    uint32_t d;
    float *x, *centroid;         /* rows, one centroid, as given */
    float *placed, *at;          /* the same in turned space */
    uint8_t *heads, *tails;
    float *scratch;
} set;

static void make(set *s, omen_metric metric, uint32_t d, uint32_t bits, bool each, float (*number)(void), float shift) {
    *s = (set){.d = d};
    CHECK_STATUS(omen_rq_init(&s->codec, &mem, metric, d, bits, each, 3, &error), OMEN_OK);
    const omen_rq *c = &s->codec;
    s->x = calloc((size_t)ROWS * d, 4);
    s->centroid = calloc(d, 4);
    s->placed = calloc((size_t)ROWS * c->n, 4);
    s->at = calloc(c->n, 4);
    s->heads = calloc(ROWS, c->head_stride);
    s->tails = calloc(ROWS, c->tail_stride + 1);
    s->scratch = calloc(omen_rq_scratch(c), 4);
    for (uint32_t i = 0; i < d; i++) s->centroid[i] = number() * 0.5f + shift;
    omen_rq_place_centroid(c, s->centroid, s->at);
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t i = 0; i < d; i++) s->x[r * d + i] = s->centroid[i] + number();
        omen_rq_place(c, s->x + r * d, s->placed + r * c->n);
    }
    /* Cosine: the centroid lies among the normalised rows. */
    if (metric == OMEN_METRIC_COSINE)
        for (uint32_t i = 0; i < c->n; i++) {
            double sum = 0;
            for (uint32_t r = 0; r < ROWS; r++) sum += s->placed[r * c->n + i];
            s->at[i] = (float)(sum / ROWS);
        }
    for (uint32_t r = 0; r < ROWS; r++) {
        omen_rq_encode(c, s->placed + r * c->n, s->at, s->heads + (size_t)r * c->head_stride, s->tails + (size_t)r * c->tail_stride, s->scratch);
        CHECK(omen_rq_sound(c, s->heads + (size_t)r * c->head_stride, s->tails + (size_t)r * c->tail_stride));
    }
}

static void drop(set *s) {
    omen_rq_deinit(&s->codec);
    free(s->x), free(s->centroid), free(s->placed), free(s->at), free(s->heads), free(s->tails), free(s->scratch);
}

/* The exact distance, as the codec's metric has it. */
static double exact(const set *s, const float *q, uint32_t r) {
    const float *x = s->x + (size_t)r * s->d;
    if (s->codec.metric == OMEN_METRIC_IP) return -product(q, x, s->d);
    if (s->codec.metric == OMEN_METRIC_L2) return apart(q, x, s->d);
    return 2 - 2 * product(q, x, s->d) / sqrt(product(q, q, s->d) * product(x, x, s->d));
}

typedef struct outcome {
    double bias, error, spread; /* estimate less exact as parts of the mean |q - c| |r|: mean, deviation, deviation of the mean */
    double above, within;       /* share of exact distances above the lower bound, and within both */
} outcome;

/* pass 0: signs; 1: all bits. */
static outcome try(set *s, int pass, float sure, uint32_t queries, float reach) {
    const omen_rq *c = &s->codec;
    omen_rq_query q;
    static float estimates[ROWS], lowest[ROWS];
    float *v = calloc(s->d, 4), *y = calloc(c->n, 4), *scratch = calloc(c->n, 4);
    outcome o = {0};
    double unit = 0;
    CHECK_STATUS(omen_rq_query_init(c, &mem, &q), OMEN_OK);
    q.sure = sure;
    for (uint32_t n = 0; n < queries; n++) {
        for (uint32_t i = 0; i < s->d; i++) v[i] = s->centroid[i] + reach * normal();
        omen_rq_place(c, v, y);
        omen_rq_query_set(c, &q, y, c->each ? s->at : NULL, scratch);
        omen_rq_list list = omen_rq_list_of(c, y, s->at);
        if (pass == 0) omen_rq_scan(c, &q, list, s->heads, ROWS, estimates, lowest);
        else omen_rq_refine(c, &q, list, s->heads, s->tails, NULL, ROWS, estimates, lowest);
        for (uint32_t r = 0; r < ROWS; r++) {
            double want = exact(s, v, r), off = estimates[r] - want;
            o.bias += off;
            o.error += off * off;
            o.above += want >= lowest[r];
            o.within += want >= lowest[r] && want <= 2.0 * estimates[r] - lowest[r];
            unit += list.apart * sqrt(apart(s->placed + r * c->n, s->at, c->n));
        }
    }
    double count = (double)queries * ROWS;
    unit /= count;
    o.bias /= count * unit;
    o.error = sqrt(o.error / count) / unit;
    o.spread = o.error / sqrt(count);
    o.above /= count;
    o.within /= count;
    omen_rq_query_deinit(&q);
    free(v), free(y), free(scratch);
    return o;
}

static const uint32_t shapes[] = {20, 64, 100, 200, 384};
static const omen_metric metrics[] = {OMEN_METRIC_L2, OMEN_METRIC_IP, OMEN_METRIC_COSINE};

TEST(estimates_have_no_bias_and_bounds_hold) {
    begin();
    for (size_t f = 0; f < OMEN_ARRAY_LEN(shapes); f++)
        for (size_t m = 0; m < 3; m++)
            for (uint32_t bits = 1; bits <= 8; bits += bits < 3 ? 1 : 5)
                for (int each = 0; each < 2; each++) {
                    set s;
                    make(&s, metrics[m], shapes[f], bits, each != 0, normal, 0.1f);
                    for (int pass = 0; pass < 2; pass++) {
                        outcome narrow = try(&s, pass, 1.9f, 12, 1.0f), wide = try(&s, pass, 2.6f, 12, 1.0f);
                        /* Queries share rows and rows share a rotation: errors are not quite independent. */
                        CHECK(fabs(narrow.bias) < 10 * narrow.spread);
                        CHECK(narrow.above >= 0.965);
                        CHECK(narrow.within >= 0.935);
                        CHECK(wide.above >= 0.99);
                        CHECK(wide.within >= 0.985);
                    }
                    drop(&s);
                }
    end();
}

TEST(every_bit_halves_the_error) {
    begin();
    for (size_t f = 2; f < OMEN_ARRAY_LEN(shapes); f++)
        for (int each = 0; each < 2; each++) {
            double last = 0, all[9];
            for (uint32_t bits = 1; bits <= 8; bits++) {
                set s;
                make(&s, OMEN_METRIC_L2, shapes[f], bits, each != 0, normal, 0);
                double now = all[bits] = try(&s, 1, 1.9f, 6, 1.0f).error;
                if (bits > 1) CHECK(now < last / 1.6);
                last = now;
                drop(&s);
            }
            CHECK(all[8] < all[1] / 90);
        }
    end();
}

/* Scalars of the estimate in double, from what the code stands for: no more than floats may round lies between them. */
TEST(estimates_are_what_codes_stand_for) {
    begin();
    for (size_t m = 0; m < 3; m++)
        for (uint32_t bits = 1; bits <= 8; bits++)
            for (int each = 0; each < 2; each++) {
                set s;
                make(&s, metrics[m], 100, bits, each != 0, normal, 1.0f);
                const omen_rq *c = &s.codec;
                omen_rq_query q;
                float v[128], y[128], scratch[128], stands[128], estimates[ROWS], lowest[ROWS];
                uint32_t ids[ROWS];
                CHECK_STATUS(omen_rq_query_init(c, &mem, &q), OMEN_OK);
                for (uint32_t i = 0; i < s.d; i++) v[i] = s.centroid[i] + normal();
                omen_rq_place(c, v, y);
                omen_rq_query_set(c, &q, y, each ? s.at : NULL, scratch);
                omen_rq_list list = omen_rq_list_of(c, y, s.at);
                for (uint32_t r = 0; r < ROWS; r++) ids[r] = (r * 7 + 3) % ROWS;
                omen_rq_refine(c, &q, list, s.heads, s.tails, ids, ROWS, estimates, lowest);
                /* The rounded query, from its planes. */
                double rounded[128];
                for (uint32_t i = 0; i < c->n; i++) {
                    uint32_t u = 0;
                    for (uint32_t p = 0; p < c->query_bits; p++) u |= (uint32_t)(q.planes[p * c->plane + i / 8] >> i % 8 & 1) << p;
                    rounded[i] = q.step * (u - ((1u << c->query_bits) - 1) / 2.0);
                    double of = each ? (double)y[i] - s.at[i] : y[i];
                    CHECK(fabs(rounded[i] - of) <= q.step * 0.501 + 1e-6);
                }
                for (uint32_t n = 0; n < ROWS; n++) {
                    uint32_t r = ids[n];
                    const float *placed = s.placed + r * c->n;
                    omen_rq_decode(c, s.heads + (size_t)r * c->head_stride, s.tails + (size_t)r * c->tail_stride, s.at, stands);
                    double along = 0, square = 0, ends = metrics[m] == OMEN_METRIC_IP ? 1 : 2, across = 0, middle = 0;
                    for (uint32_t i = 0; i < c->n; i++) {
                        double code = (double)stands[i] - s.at[i], left = (double)placed[i] - s.at[i];
                        along += rounded[i] * code;
                        middle += s.at[i] * code;
                        square += left * left;
                        across += left * s.at[i];
                    }
                    double want = list.base + (metrics[m] == OMEN_METRIC_IP ? -across : square) - ends * (along - (each ? 0 : middle));
                    CHECK(fabs(want - estimates[n]) < 1e-4 * (metrics[m] == OMEN_METRIC_COSINE ? 1 : 300));
                    CHECK(lowest[n] <= estimates[n]);
                }
                omen_rq_query_deinit(&q);
                drop(&s);
            }
    end();
}

typedef struct step { double at; uint32_t i; } step;

static int step_order(const void *a, const void *b) { return ((const step *)a)->at < ((const step *)b)->at ? -1 : ((const step *)a)->at > ((const step *)b)->at; }

/* tan^2 of the best angle there is, by trying every factor at which a coordinate steps on. */
static double best_spread(const float *r, uint32_t n, uint32_t bits) {
    uint32_t levels = 1u << (bits - 1), count = 0;
    step *steps = malloc((size_t)n * levels * sizeof *steps);
    uint32_t *level = calloc(n, 4);
    double along = 0, square = n * 0.25, rr = product(r, r, n), best;
    for (uint32_t i = 0; i < n; i++) {
        along += 0.5 * fabs(r[i]);
        for (uint32_t k = 1; k < levels; k++) if (r[i] != 0) steps[count++] = (step){k / fabs((double)r[i]), i};
    }
    best = along / sqrt(square);
    qsort(steps, count, sizeof *steps, step_order);
    for (uint32_t s = 0; s < count; s++) {
        uint32_t i = steps[s].i;
        along += fabs((double)r[i]);
        square += 2.0 * ++level[i];
        if (along / sqrt(square) > best) best = along / sqrt(square);
    }
    free(steps), free(level);
    return rr / (best * best) - 1;
}

TEST(the_factor_is_nearly_the_best) {
    begin();
    for (uint32_t bits = 2; bits <= 8; bits++)
        for (size_t f = 1; f < OMEN_ARRAY_LEN(shapes); f += 2) {
            set s;
            make(&s, OMEN_METRIC_L2, shapes[f], bits, false, normal, 0);
            const omen_rq *c = &s.codec;
            double ours = 0, best = 0;
            float stands[512], left[512];
            for (uint32_t r = 0; r < 60; r++) {
                omen_rq_decode(c, s.heads + (size_t)r * c->head_stride, s.tails + (size_t)r * c->tail_stride, s.at, stands);
                for (uint32_t i = 0; i < c->n; i++) left[i] = s.placed[r * c->n + i] - s.at[i], stands[i] -= s.at[i];
                double cosine = product(left, stands, c->n) / sqrt(product(left, left, c->n) * product(stands, stands, c->n));
                double got = 1 / (cosine * cosine) - 1, want = best_spread(left, c->n, bits);
                CHECK(got >= want * 0.999);
                ours += got, best += want;
            }
            CHECK(ours < best * 1.06);
            drop(&s);
        }
    end();
}

static uint64_t hash_all(omen_metric metric, uint32_t d, uint32_t bits, bool each) {
    omen_rq c;
    omen_rq_query q;
    uint32_t state = d;
    float x[300], centroid[384], y[384], estimates[40], lowest[40];
    CHECK_STATUS(omen_rq_init(&c, &mem, metric, d, bits, each, 11, &error), OMEN_OK);
    CHECK_STATUS(omen_rq_query_init(&c, &mem, &q), OMEN_OK);
    uint8_t *heads = calloc(40, c.head_stride), *tails = calloc(40, c.tail_stride + 1);
    float *scratch = calloc(omen_rq_scratch(&c), 4);
    for (uint32_t i = 0; i < d; i++) x[i] = fixed(&state);
    omen_rq_place_centroid(&c, x, centroid);
    for (uint32_t r = 0; r < 40; r++) {
        for (uint32_t i = 0; i < d; i++) x[i] = fixed(&state);
        omen_rq_place(&c, x, y);
        omen_rq_encode(&c, y, centroid, heads + (size_t)r * c.head_stride, tails + (size_t)r * c.tail_stride, scratch);
    }
    for (uint32_t i = 0; i < d; i++) x[i] = fixed(&state);
    omen_rq_place(&c, x, y);
    omen_rq_query_set(&c, &q, y, each ? centroid : NULL, scratch);
    omen_rq_list list = omen_rq_list_of(&c, y, centroid);
    uint64_t hash = omen_hash64(tails, 40 * c.tail_stride, omen_hash64(heads, 40 * c.head_stride, 0));
    omen_rq_scan(&c, &q, list, heads, 40, estimates, lowest);
    hash = omen_hash64(lowest, sizeof lowest, omen_hash64(estimates, sizeof estimates, hash));
    omen_rq_refine(&c, &q, list, heads, tails, NULL, 40, estimates, lowest);
    hash = omen_hash64(lowest, sizeof lowest, omen_hash64(estimates, sizeof estimates, hash));
    omen_rq_query_deinit(&q);
    omen_rq_deinit(&c);
    free(heads), free(tails), free(scratch);
    return hash;
}

TEST(bits_are_those_of_every_machine) {
    begin();
    const char *best = omen_kernels_name();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        uint64_t hash = 0;
        CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
        for (size_t m = 0; m < 3; m++)
            for (uint32_t bits = 1; bits <= 8; bits++)
                for (int each = 0; each < 2; each++) hash ^= hash_all(metrics[m], 37 * bits + 1, bits, each != 0) * (2 * bits + 1);
        CHECK_EQ_UINT(hash, UINT64_C(0x322aac85f422e67));
    }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

/* Runs longer than a block, in one call and in pieces. */
TEST(runs_of_any_length) {
    begin();
    set s;
    make(&s, OMEN_METRIC_L2, 64, 4, false, normal, 0);
    const omen_rq *c = &s.codec;
    omen_rq_query q;
    float y[64], scratch[64], whole[ROWS], whole_low[ROWS], piece[ROWS], piece_low[ROWS];
    CHECK_STATUS(omen_rq_query_init(c, &mem, &q), OMEN_OK);
    omen_rq_place(c, s.x + 64, y);
    omen_rq_query_set(c, &q, y, NULL, scratch);
    omen_rq_list list = omen_rq_list_of(c, y, s.at);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 0) omen_rq_scan(c, &q, list, s.heads, ROWS, whole, whole_low);
        else omen_rq_refine(c, &q, list, s.heads, s.tails, NULL, ROWS, whole, whole_low);
        for (uint32_t from = 0, some; from < ROWS; from += some) {
            some = (uint32_t)test_rand_below(40);
            if (some > ROWS - from) some = ROWS - from;
            const uint8_t *heads = s.heads + (size_t)from * c->head_stride, *tails = s.tails + (size_t)from * c->tail_stride;
            if (pass == 0) omen_rq_scan(c, &q, list, heads, some, piece + from, piece_low + from);
            else omen_rq_refine(c, &q, list, heads, tails, NULL, some, piece + from, piece_low + from);
        }
        CHECK_MEM(piece, whole, sizeof whole);
        CHECK_MEM(piece_low, whole_low, sizeof whole_low);
        float only[ROWS];
        if (pass == 0) omen_rq_scan(c, &q, list, s.heads, ROWS, only, NULL);
        else omen_rq_refine(c, &q, list, s.heads, s.tails, NULL, ROWS, only, NULL);
        CHECK_MEM(only, whole, sizeof whole);
    }
    for (uint32_t r = 1; r < ROWS; r++) CHECK((omen_rq_rank(whole[r]) < omen_rq_rank(whole[r - 1])) == (whole[r] < whole[r - 1]));
    CHECK_EQ_INT(omen_rq_rank(NAN), INT32_MAX);
    CHECK_EQ_INT(omen_rq_rank(-0.0f), 0);
    CHECK(omen_rq_rank(-1.0f) < 0 && omen_rq_rank(-2.0f) < omen_rq_rank(-1.0f));
    omen_rq_query_deinit(&q);
    drop(&s);
    end();
}

static float zero(void) { return 0; }
static float one(void) { return 1; }
static float tiny(void) { return test_rand_float() * 1e-30f; }
static float vast(void) { return test_rand_float() * 1e25f; }
static float mixed(void) { return test_rand_below(8) == 0 ? test_rand_float() * 1e6f : 0; }

TEST(data_without_shape) {
    begin();
    static float (*const numbers[])(void) = {zero, one, tiny, vast, mixed};
    static const uint32_t dims[] = {1, 2, 65};
    for (size_t n = 0; n < OMEN_ARRAY_LEN(numbers); n++)
        for (size_t f = 0; f < OMEN_ARRAY_LEN(dims); f++)
            for (size_t m = 0; m < 3; m++)
                for (uint32_t bits = 1; bits <= 8; bits += 3) {
                    set s;
                    make(&s, metrics[m], dims[f], bits, n % 2 == 0, numbers[n], 0);
                    const omen_rq *c = &s.codec;
                    omen_rq_query q;
                    float y[128], scratch[128], estimates[ROWS], lowest[ROWS];
                    CHECK_STATUS(omen_rq_query_init(c, &mem, &q), OMEN_OK);
                    omen_rq_place(c, s.x, y);
                    omen_rq_query_set(c, &q, y, c->each ? s.at : NULL, scratch);
                    omen_rq_list list = omen_rq_list_of(c, y, s.at);
                    omen_rq_scan(c, &q, list, s.heads, ROWS, estimates, lowest);
                    if (numbers[n] == zero && metrics[m] != OMEN_METRIC_IP) CHECK(estimates[5] == 0 && lowest[5] <= 0);
                    if (numbers[n] != vast) CHECK(fabsf(estimates[7]) < 1e16f && lowest[7] <= estimates[7]);
                    omen_rq_refine(c, &q, list, s.heads, s.tails, NULL, ROWS, estimates, lowest);
                    if (numbers[n] != vast) CHECK(fabsf(estimates[7]) < 1e16f && lowest[7] <= estimates[7]);
                    omen_rq_query_deinit(&q);
                    drop(&s);
                }
    end();
}

TEST(bad_arguments_and_damage_are_told) {
    begin();
    omen_rq c;
    CHECK_STATUS(omen_rq_init(&c, &mem, OMEN_METRIC_L2, 100, 0, false, 1, &error), OMEN_ERR_INVALID);
    CHECK(strstr(error.text, "1 to 8") != NULL);
    omen_rq_deinit(&c);
    CHECK_STATUS(omen_rq_init(&c, &mem, OMEN_METRIC_L2, 100, 9, false, 1, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_rq_init(&c, &mem, OMEN_METRIC_L2, 0, 1, false, 1, &error), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_rq_init(&c, &mem, OMEN_METRIC_L2, 65536, 1, false, 1, &error), OMEN_ERR_INVALID);
    mem.limit = 64;
    CHECK_STATUS(omen_rq_init(&c, &mem, OMEN_METRIC_L2, 100, 1, false, 1, &error), OMEN_ERR_MEMORY);
    omen_rq_deinit(&c);
    mem.limit = 0;
    set s;
    make(&s, OMEN_METRIC_L2, 100, 4, false, normal, 0);
    omen_rq_query q;
    mem.limit = 1;
    CHECK_STATUS(omen_rq_query_init(&s.codec, &mem, &q), OMEN_ERR_MEMORY);
    omen_rq_query_deinit(&q);
    mem.limit = 0;
    for (uint32_t i = 0; i < s.codec.plane; i++) {
        s.heads[i] ^= 4;
        CHECK(!omen_rq_sound(&s.codec, s.heads, s.tails));
        s.heads[i] ^= 4;
        s.tails[s.codec.plane + i] ^= 64;
        CHECK(!omen_rq_sound(&s.codec, s.heads, s.tails));
        s.tails[s.codec.plane + i] ^= 64;
    }
    float bad[] = {NAN, INFINITY, -1.0f};
    for (size_t b = 0; b < 3; b++) {
        uint8_t *at = s.tails + 3 * s.codec.plane + 4;
        float kept;
        memcpy(&kept, at, 4);
        memcpy(at, &bad[b], 4);
        CHECK(!omen_rq_sound(&s.codec, s.heads, s.tails));
        memcpy(at, &kept, 4);
    }
    CHECK(omen_rq_sound(&s.codec, s.heads, s.tails));
    drop(&s);
    end();
}

TEST_MAIN()
