/* RaBitQ: what codes stand for against double arithmetic, estimates without bias, bounds that hold as often as they say, half the error for every bit, the search
 * for the best factor against trying them all, the same bits under every kernel set, and data that has no shape. */
#include "quant_test.h"

#include "quant/rabitq.h"

enum { ROWS = 600 };

typedef struct set {
    omen_rabitq codec;
    uint32_t d;
    float *x, *centroid, *residuals; /* rows, one centroid */
    uint8_t *bytes;
    omen_rabitq_rows rows;
    float *scratch;
    omen_rabitq_query query;
} set;

static void make(set *s, bool product, uint32_t d, uint32_t bits, float (*number)(void), float shift) {
    *s = (set){.d = d};
    CHECK_OK(omen_rabitq_init(&s->codec, &mem, d, bits, product));
    const omen_rabitq *c = &s->codec;
    s->x = calloc((size_t)ROWS * d, 4);
    s->residuals = calloc((size_t)ROWS * d, 4);
    s->centroid = calloc(d, 4);
    s->bytes = aligned_alloc(64, omen_round_up(omen_rabitq_bytes(c, ROWS), 64));
    s->rows = omen_rabitq_split(c, s->bytes, ROWS);
    s->scratch = calloc(omen_rabitq_scratch(c), 4);
    s->query.planes = calloc(8, c->plane);
    for (uint32_t i = 0; i < d; i++) s->centroid[i] = number() * 0.5f + shift;
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint32_t i = 0; i < d; i++) {
            s->residuals[r * d + i] = number();
            s->x[r * d + i] = s->centroid[i] + s->residuals[r * d + i];
        }
        omen_rabitq_encode(c, s->residuals + r * d, s->centroid, 0.0f, &s->rows, r, s->scratch);
        CHECK(omen_rabitq_sound(c, &s->rows, r));
    }
}

static void drop(set *s) {
    omen_rabitq_deinit(&s->codec);
    free(s->x), free(s->residuals), free(s->centroid), free(s->bytes), free(s->scratch), free(s->query.planes);
}

static double exact(const set *s, const float *q, uint32_t r) {
    const float *x = s->x + (size_t)r * s->d;
    return s->codec.product ? -product(q, x, s->d) : apart(q, x, s->d);
}

/* What lists begin with. */
static float base_of(const set *s, const float *q, float *away) {
    double square = apart(q, s->centroid, s->d);
    *away = (float)sqrt(square);
    return (float)(s->codec.product ? -product(q, s->centroid, s->d) : square);
}

/* Estimates of all rows from all bits, and the bounds of the first pass. */
static float score(set *s, const float *q, float *estimates, float *lowest) {
    static uint32_t ids[ROWS], dots[ROWS];
    float away, base = base_of(s, q, &away);
    omen_rabitq_query_set(&s->codec, &s->query, q, s->scratch);
    omen_rabitq_first(&s->codec, &s->query, base, away, &s->rows, 0, ROWS, dots, lowest);
    CHECK_EQ_UINT(omen_rabitq_scan(&s->codec, &s->query, base, away, &s->rows, 0, ROWS, INFINITY, ids, estimates), ROWS);
    for (uint32_t r = 0; r < ROWS; r++) CHECK_EQ_UINT(ids[r], r);
    return away;
}

typedef struct outcome {
    double bias, error, spread; /* estimate less exact as parts of the mean |q - c| |r|: mean, deviation, deviation of the mean */
    double above;               /* share of exact distances above the lower bound */
} outcome;

static outcome try(set *s, uint32_t queries) {
    static float estimates[ROWS], lowest[ROWS];
    float *v = calloc(s->d, 4);
    outcome o = {0};
    double unit = 0;
    for (uint32_t n = 0; n < queries; n++) {
        for (uint32_t i = 0; i < s->d; i++) v[i] = s->centroid[i] + normal();
        float away = score(s, v, estimates, lowest);
        for (uint32_t r = 0; r < ROWS; r++) {
            double want = exact(s, v, r), off = estimates[r] - want;
            o.bias += off;
            o.error += off * off;
            o.above += want >= lowest[r];
            unit += away * sqrt(product(s->residuals + r * s->d, s->residuals + r * s->d, s->d));
        }
    }
    double count = (double)queries * ROWS;
    unit /= count;
    o.bias /= count * unit;
    o.error = sqrt(o.error / count) / unit;
    o.spread = o.error / sqrt(count);
    o.above /= count;
    free(v);
    return o;
}

static const uint32_t shapes[] = {20, 64, 100, 200, 384};

TEST(estimates_have_no_bias_and_bounds_hold) {
    begin();
    for (size_t f = 0; f < OMEN_ARRAY_LEN(shapes); f += TEST_EMULATED ? 3 : 1)
        for (unsigned p = 0; p < 2; p++)
            for (uint32_t bits = 1; bits <= 8; bits += bits < 3 ? 1 : 5) {
                set s;
                make(&s, p == 1, shapes[f], bits, normal, 0.1f);
                outcome o = try(&s, 12);
                /* Queries share rows and rows share a rotation: errors are not quite independent, and those of a rounded query not at all. */
                CHECK(fabs(o.bias) < 10 * o.spread + 0.002);
                CHECK(o.above >= 0.965);
                drop(&s);
            }
    end();
}

TEST(every_bit_halves_the_error) {
    begin();
    for (size_t f = 2; f < OMEN_ARRAY_LEN(shapes); f++) {
        double last = 0;
        for (uint32_t bits = 1; bits <= 8; bits++) {
            set s;
            make(&s, false, shapes[f], bits, normal, 0);
            double now = try(&s, 6).error;
            /* The query's 8 bits are what is left of it in the end. */
            if (bits > 1) CHECK(now < last / (bits < 6 ? 1.6 : bits < 8 ? 1.2 : 1.0));
            last = now;
            drop(&s);
        }
    }
    end();
}

static uint32_t k_of(const set *s, uint32_t r, uint32_t i) {
    const omen_rabitq *c = &s->codec;
    uint32_t k = (uint32_t)(s->rows.signs[r * c->plane + i / 8] >> i % 8 & 1) << (c->bits - 1);
    for (uint32_t p = 0; p + 1 < c->bits; p++) k |= (uint32_t)(s->rows.planes[(r * (c->bits - 1) + p) * c->plane + i / 8] >> i % 8 & 1) << p;
    return k;
}

/* Scalars of the estimate in double, from what the code stands for: no more than floats may round lies between them. */
TEST(estimates_are_what_codes_stand_for) {
    begin();
    for (unsigned p = 0; p < 2; p++)
        for (uint32_t bits = 1; bits <= 8; bits++) {
            set s;
            make(&s, p == 1, 100, bits, normal, 1.0f);
            const omen_rabitq *c = &s.codec;
            float v[100], y[128], turned[128], left[128], away, estimates[ROWS], lowest[ROWS];
            for (uint32_t i = 0; i < s.d; i++) v[i] = s.centroid[i] + normal();
            score(&s, v, estimates, lowest);
            float base = base_of(&s, v, &away);
            omen_rotation_turn(&c->rotation, v, y);
            omen_rotation_turn(&c->rotation, s.centroid, turned);
            double rounded[128];
            for (uint32_t i = 0; i < c->n; i++) {
                uint32_t u = 0;
                for (uint32_t b = 0; b < 8; b++) u |= (uint32_t)(s.query.planes[b * c->plane + i / 8] >> i % 8 & 1) << b;
                rounded[i] = s.query.step * (u - 127.5);
                CHECK(fabs(rounded[i] - y[i]) <= s.query.step * 0.501 + 1e-6);
            }
            for (uint32_t r = 0; r < ROWS; r++) {
                omen_rotation_turn(&c->rotation, s.residuals + r * s.d, left);
                double along = 0, square = 0, across = 0, middle = 0, stands = 0, top = (1 << bits) - 1;
                for (uint32_t i = 0; i < c->n; i++) {
                    double code = k_of(&s, r, i) - top / 2;
                    along += rounded[i] * code;
                    middle += turned[i] * code;
                    stands += left[i] * code;
                    square += (double)left[i] * left[i];
                    across += (double)left[i] * turned[i];
                }
                double times = (p == 1 ? 1 : 2) * square / stands, want = base + (p == 1 ? -across : square) - times * (along - middle);
                CHECK(fabs(want - estimates[r]) < 0.03);
            }
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
            make(&s, false, shapes[f], bits, normal, 0);
            const omen_rabitq *c = &s.codec;
            double ours = 0, best = 0;
            float stands[512], left[512];
            for (uint32_t r = 0; r < 60; r++) {
                omen_rotation_turn(&c->rotation, s.residuals + r * s.d, left);
                for (uint32_t i = 0; i < c->n; i++) stands[i] = (float)k_of(&s, r, i) - (float)((1 << bits) - 1) * 0.5f;
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

static uint64_t hash_all(bool p, uint32_t d, uint32_t bits) {
    omen_rabitq c;
    uint32_t state = d, ids[40];
    float x[300], centroid[300], estimates[40], lowest[40];
    uint32_t dots[40];
    CHECK_OK(omen_rabitq_init(&c, &mem, d, bits, p));
    uint8_t *bytes = aligned_alloc(64, omen_round_up(omen_rabitq_bytes(&c, 40), 64)), *planes = calloc(8, c.plane);
    float *scratch = calloc(omen_rabitq_scratch(&c), 4);
    omen_rabitq_rows rows = omen_rabitq_split(&c, bytes, 40);
    omen_rabitq_query q = {.planes = planes};
    for (uint32_t i = 0; i < d; i++) centroid[i] = fixed(&state);
    for (uint32_t r = 0; r < 40; r++) {
        for (uint32_t i = 0; i < d; i++) x[i] = fixed(&state);
        omen_rabitq_encode(&c, x, centroid, 0.25f, &rows, r, scratch);
    }
    for (uint32_t i = 0; i < d; i++) x[i] = fixed(&state);
    omen_rabitq_query_set(&c, &q, x, scratch);
    omen_rabitq_first(&c, &q, 1.5f, 2.5f, &rows, 0, 40, dots, lowest);
    uint32_t kept = omen_rabitq_scan(&c, &q, 1.5f, 2.5f, &rows, 0, 40, lowest[7], ids, estimates);
    uint64_t hash = omen_hash64(bytes, omen_rabitq_bytes(&c, 40), omen_hash64(lowest, sizeof lowest, omen_hash64(planes, 8 * c.plane, 0)));
    hash = omen_hash64(estimates, kept * 4, omen_hash64(ids, kept * 4, hash));
    omen_rabitq_deinit(&c);
    free(bytes), free(planes), free(scratch);
    return hash;
}

TEST(bits_are_those_of_every_machine) {
    begin();
    const char *best = omen_kernels_name();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        uint64_t hash = 0;
        CHECK_STATUS(omen_kernels_use((*k)->name), OMEN_OK);
        for (unsigned p = 0; p < 2; p++)
            for (uint32_t bits = 1; bits <= 8; bits++) hash ^= hash_all(p == 1, 37 * bits + 1, bits) * (2 * bits + 1 + p);
        CHECK_EQ_UINT(hash, UINT64_C(0x7623f128c3ec0654));
    }
    CHECK_STATUS(omen_kernels_use(best), OMEN_OK);
    end();
}

/* Whatever the limit and however rows are cut: those that the bound does not exclude, with the same estimates. */
TEST(a_scan_leaves_out_what_its_bound_excludes) {
    begin();
    for (uint32_t bits = 1; bits <= 8; bits += 3) {
        set s;
        make(&s, false, 64, bits, normal, 0);
        static float estimates[ROWS], lowest[ROWS], part[ROWS];
        uint32_t ids[ROWS];
        float away, base = base_of(&s, s.x + 64, &away);
        score(&s, s.x + 64, estimates, lowest);
        for (unsigned round = 0; round < 200; round++) {
            float limit = round == 0 ? -1e9f : lowest[test_rand_below(ROWS)];
            uint32_t from = (uint32_t)test_rand_below(ROWS), some = 1 + (uint32_t)test_rand_below(ROWS - from), at = 0;
            uint32_t kept = omen_rabitq_scan(&s.codec, &s.query, base, away, &s.rows, from, some, limit, ids, part);
            for (uint32_t r = 0; r < some; r++) {
                if (lowest[from + r] > limit) continue;
                REQUIRE(at < kept);
                CHECK_EQ_UINT(ids[at], r);
                CHECK_BITS(part[at], estimates[from + r]);
                at++;
            }
            CHECK_EQ_UINT(at, kept);
        }
        drop(&s);
    }
    end();
}

/* What a row's distances begin with besides. */
TEST(what_was_left_out_is_added) {
    begin();
    set s;
    make(&s, false, 70, 4, normal, 0);
    static float before[ROWS], after[ROWS], lowest[ROWS], higher[ROWS];
    score(&s, s.x, before, lowest);
    for (uint32_t r = 0; r < ROWS; r++) omen_rabitq_encode(&s.codec, s.residuals + r * s.d, s.centroid, 100.0f + (float)r, &s.rows, r, s.scratch);
    score(&s, s.x, after, higher);
    for (uint32_t r = 0; r < ROWS; r++) CHECK(fabsf(after[r] - before[r] - 100.0f - (float)r) < 0.01f && fabsf(higher[r] - lowest[r] - 100.0f - (float)r) < 0.01f);
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
            for (unsigned p = 0; p < 2; p++)
                for (uint32_t bits = 1; bits <= 8; bits += 3) {
                    set s;
                    static float estimates[ROWS], lowest[ROWS];
                    make(&s, p == 1, dims[f], bits, numbers[n], 0);
                    score(&s, s.x, estimates, lowest);
                    if (numbers[n] == zero) CHECK(estimates[5] == 0 && lowest[5] <= 0);
                    if (numbers[n] != vast) CHECK(fabsf(estimates[7]) < 1e16f && lowest[7] < 1e16f);
                    drop(&s);
                }
    end();
}

TEST(damage_is_told) {
    begin();
    omen_rabitq c;
    mem.limit = 64;
    CHECK_STATUS(omen_rabitq_init(&c, &mem, 100, 1, false), OMEN_ERR_MEMORY);
    omen_rabitq_deinit(&c);
    mem.limit = 0;
    set s;
    make(&s, false, 100, 4, normal, 0);
    for (uint32_t i = 0; i < s.codec.plane; i++) {
        s.rows.signs[i] ^= 4;
        CHECK(!omen_rabitq_sound(&s.codec, &s.rows, 0));
        s.rows.signs[i] ^= 4;
        s.rows.planes[s.codec.plane + i] ^= 64;
        CHECK(!omen_rabitq_sound(&s.codec, &s.rows, 0));
        s.rows.planes[s.codec.plane + i] ^= 64;
    }
    float *const at[] = {s.rows.add, s.rows.times, s.rows.error, s.rows.full_add, s.rows.full_times}, bad[] = {NAN, INFINITY, -INFINITY, -1.0f};
    for (size_t n = 0; n < OMEN_ARRAY_LEN(at); n++)
        for (size_t b = 0; b < OMEN_ARRAY_LEN(bad); b++) {
            if (bad[b] == -1.0f && n % 3 == 0) continue; /* what is added may be less than nothing */
            float was = *at[n];
            *at[n] = bad[b];
            CHECK(!omen_rabitq_sound(&s.codec, &s.rows, 0));
            *at[n] = was;
        }
    s.rows.sums[0]++;
    CHECK(!omen_rabitq_sound(&s.codec, &s.rows, 0));
    s.rows.sums[0]--;
    CHECK(omen_rabitq_sound(&s.codec, &s.rows, 0));
    drop(&s);
    end();
}

TEST_MAIN()
