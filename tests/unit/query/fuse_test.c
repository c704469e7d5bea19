/* Fusion against a plain reference that looks every record up in every list, and the properties by which it is documented. */
#include "test.h"

#include <math.h>

#include "fault_host.h"
#include "query/fuse.h"

enum { LEGS = 6, MOST = 300, RECORDS = 400 };

static fault_host *host;
static omen_mem mem;
static omen_candidate hits[LEGS][MOST];
static float scores[LEGS][MOST];
static omen_fuse_leg legs[LEGS];
static uint32_t leg_count;

static void begin(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
    leg_count = 0;
}

static void end(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

/* A record's id: order of ids and of rows are not the same. */
static omen_candidate candidate(uint32_t record) {
    omen_candidate c = {.source = record % 3, .row = record / 3, .key_len = 5};
    uint32_t id = (record * 2654435761u) >> 16;
    c.small[0] = 1, c.small[1] = (uint8_t)(id >> 8), c.small[2] = (uint8_t)id, c.small[3] = (uint8_t)(record >> 8), c.small[4] = (uint8_t)record;
    return c;
}

static omen_fuse_leg *leg(bool dense, float weight) {
    omen_fuse_leg *l = &legs[leg_count];
    *l = (omen_fuse_leg){.hits = hits[leg_count], .scores = scores[leg_count], .weight = weight, .floor = NAN, .dense = dense};
    leg_count++;
    return l;
}

static void hit(omen_fuse_leg *l, uint32_t record, float score) {
    uint32_t at = (uint32_t)(l - legs);
    hits[at][l->count] = candidate(record);
    hits[at][l->count].distance = -score;
    scores[at][l->count] = score;
    l->count++;
    l->depth = l->count;
}

static int by_score(const void *a, const void *b) { return (*(const float *)a < *(const float *)b) - (*(const float *)a > *(const float *)b); }

/* count random records with random scores, some of them equal. */
static void fill(omen_fuse_leg *l, uint32_t count, bool ties) {
    float s[MOST];
    uint8_t used[RECORDS] = {0};
    for (uint32_t i = 0; i < count; i++) s[i] = ties ? (float)test_rand_below(8) : 40 * test_rand_float() * test_rand_float();
    qsort(s, count, sizeof *s, by_score);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t r;
        do r = (uint32_t)test_rand_below(RECORDS);
        while (used[r]);
        used[r] = 1;
        hit(l, r, s[i]);
    }
}

/* ---- reference ---- */

static int find(const omen_fuse_leg *l, uint32_t record) {
    omen_candidate c = candidate(record);
    for (uint32_t i = 0; i < l->count; i++)
        if (l->hits[i].row == c.row && l->hits[i].source == c.source) return (int)i;
    return -1;
}

static long double worst_of(const omen_fuse_leg *l) {
    long double w = l->scores[l->count - 1];
    return l->count < l->depth && l->floor < w ? (long double)l->floor : w;
}

static long double norm_of(const omen_fuse_leg *l, int at) {
    long double low = worst_of(l), high = l->scores[0];
    return high > low ? ((long double)l->scores[at] - low) / (high - low) : 1;
}

static void wanted_shares(const omen_fuse_options *o, long double *share) {
    long double dense = 0, other = 0, all = 0;
    for (uint32_t l = 0; l < leg_count; l++) {
        long double w = o->shares == OMEN_FUSE_AUTO && legs[l].count == 0 ? 0 : (long double)legs[l].weight;
        *(legs[l].dense ? &dense : &other) += w;
        share[l] = w;
    }
    for (uint32_t l = 0; l < leg_count; l++) {
        long double alpha = o->shares == OMEN_FUSE_AUTO ? (long double)OMEN_FUSE_PRIOR : (long double)o->alpha, part = legs[l].dense ? dense : other;
        if (o->shares != OMEN_FUSE_WEIGHTS && dense > 0 && other > 0) share[l] = share[l] / part * (legs[l].dense ? alpha : 1 - alpha);
        if (o->shares == OMEN_FUSE_AUTO && legs[l].count != 0) {
            long double sum = 0, n = legs[l].count < legs[l].depth && legs[l].floor == legs[l].floor ? legs[l].depth : legs[l].count;
            for (uint32_t i = 0; i < legs[l].count; i++) sum += norm_of(&legs[l], (int)i);
            long double looked = legs[l].count < OMEN_FUSE_CONFIRM ? legs[l].count : OMEN_FUSE_CONFIRM, found = 0;
            for (uint32_t i = 0; i < legs[l].count && i < OMEN_FUSE_CONFIRM; i++) {
                bool again = false;
                for (uint32_t k = 0; k < leg_count; k++)
                    for (uint32_t e = 0; k != l && legs[k].weight > 0 && e < legs[k].count; e++) again = again || (legs[k].hits[e].row == legs[l].hits[i].row && legs[k].hits[e].source == legs[l].hits[i].source);
                found += again;
            }
            share[l] *= (n / sum < 64 ? n / sum : 64) * sqrtl(found / looked + (long double)OMEN_FUSE_DOUBT);
        }
        all += share[l];
    }
    for (uint32_t l = 0; l < leg_count && all > 0; l++) share[l] /= all;
}

static long double wanted_score(const omen_fuse_options *o, const long double *share, uint32_t record, bool *listed) {
    long double sum = 0;
    *listed = false;
    for (uint32_t l = 0; l < leg_count; l++) {
        int at = find(&legs[l], record);
        long double part = o->kind == OMEN_FUSE_RRF ? (long double)legs[l].weight : share[l];
        if (at < 0 || part == 0) continue;
        *listed = true;
        if (o->kind == OMEN_FUSE_RRF) {
            int rank = 1;
            for (int i = 0; i < at; i++) rank += legs[l].scores[i] > legs[l].scores[at];
            sum += part / ((long double)o->k + rank);
        } else sum += part * norm_of(&legs[l], at);
    }
    return sum;
}

static void check(const omen_fuse_options *o) {
    omen_fused f;
    omen_error err = {0};
    long double share[LEGS];
    uint32_t count = 0;
    if (!CHECK_OK(omen_fuse(&mem, legs, leg_count, o, &f, &err))) return;
    wanted_shares(o, share);
    for (uint32_t l = 0; l < leg_count && o->kind == OMEN_FUSE_WEIGHTED; l++) CHECK(fabsl((long double)f.shares[l] - share[l]) < 1e-12L);
    for (uint32_t r = 0; r < RECORDS; r++) {
        bool listed;
        omen_candidate c = candidate(r);
        long double want = wanted_score(o, share, r, &listed);
        uint32_t found = 0;
        count += listed;
        for (uint32_t i = 0; i < f.count; i++) {
            if (f.hits[i].candidate->row != c.row || f.hits[i].candidate->source != c.source) continue;
            found++;
            CHECK(fabsl((long double)f.hits[i].score - want) <= 1e-6L * want + 1e-12L);
            for (uint32_t l = 0; l < leg_count; l++) {
                int at = find(&legs[l], r);
                CHECK_BITS(omen_fused_subs(&f, i)[l], at < 0 ? __builtin_nanf("") : legs[l].scores[at]);
            }
        }
        if (o->limit == 0) CHECK_EQ_UINT(found, listed);
    }
    CHECK_EQ_UINT(f.count, o->limit != 0 && o->limit < count ? o->limit : count);
    for (uint32_t i = 1; i < f.count; i++) {
        CHECK(f.hits[i - 1].score >= f.hits[i].score);
        if (f.hits[i - 1].score == f.hits[i].score) CHECK(memcmp(f.hits[i - 1].candidate->small, f.hits[i].candidate->small, 5) < 0);
    }
    omen_fused_deinit(&f);
}

TEST(fusion_is_as_a_plain_reference_has_it) {
    begin();
    for (unsigned round = 0; round < 120; round++) {
        omen_fuse_options o = omen_fuse_defaults();
        leg_count = 0;
        for (uint32_t l = 0, n = 1 + (uint32_t)test_rand_below(LEGS); l < n; l++) {
            omen_fuse_leg *x = leg(test_rand_below(2) != 0, test_rand_below(5) == 0 ? 0 : (float)(1 + test_rand_below(30)) / 7);
            fill(x, (uint32_t)test_rand_below(round % 4 == 0 ? 3 : MOST), test_rand_below(3) == 0);
            if (test_rand_below(2) == 0) x->depth = x->count + (uint32_t)test_rand_below(100);
            if (test_rand_below(2) == 0) x->floor = -50;
        }
        legs[test_rand_below(leg_count)].weight = 1;
        o.kind = round % 3 == 0 ? OMEN_FUSE_RRF : OMEN_FUSE_WEIGHTED;
        o.shares = (omen_fuse_shares)(test_rand_below(3));
        o.alpha = (float)test_rand_below(11) / 10;
        o.limit = test_rand_below(3) == 0 ? (uint32_t)test_rand_below(50) : 0;
        check(&o);
    }
    end();
}

TEST(a_list_of_one_and_of_equal_scores_counts_in_full) {
    begin();
    omen_fuse_options o = {.shares = OMEN_FUSE_ALPHA, .alpha = 0.25f};
    omen_fused f;
    omen_error err = {0};
    hit(leg(true, 1), 1, 0.3f);
    omen_fuse_leg *t = leg(false, 1);
    for (uint32_t r = 2; r < 5; r++) hit(t, r, 7);
    REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
    REQUIRE(f.count == 4);
    for (uint32_t i = 0; i < 3; i++) CHECK_BITS(f.hits[i].score, 0.75f);
    CHECK_BITS(f.hits[3].score, 0.25f);
    omen_fused_deinit(&f);
    /* what was not listed is known to be worse: the last hit counts for something */
    t->count = 0;
    hit(t, 2, 8), hit(t, 3, 4);
    t->depth = 10;
    t->floor = 0;
    REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
    REQUIRE(f.count == 3);
    CHECK_BITS(f.hits[0].score, 0.75f);
    CHECK_BITS(f.hits[1].score, 0.375f);
    omen_fused_deinit(&f);
    end();
}

TEST(alpha_0_and_1_are_one_side_alone) {
    begin();
    omen_error err = {0};
    fill(leg(true, 1), 100, false);
    fill(leg(false, 1), 100, false);
    for (uint32_t alpha = 0; alpha < 2; alpha++) {
        omen_fuse_options o = {.shares = OMEN_FUSE_ALPHA, .alpha = (float)alpha};
        const omen_fuse_leg *l = &legs[1 - alpha];
        omen_fused f;
        REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
        REQUIRE(f.count == l->count);
        for (uint32_t i = 0; i < f.count; i++) CHECK(omen_key_equal(omen_candidate_key(f.hits[i].candidate), omen_candidate_key(&l->hits[i])));
        omen_fused_deinit(&f);
        check(&o);
    }
    /* where one side is not asked at all, the other has everything, whatever alpha is */
    leg_count = 1;
    omen_fuse_options none = {.shares = OMEN_FUSE_ALPHA, .alpha = 0};
    omen_fused f;
    REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &none, &f, &err));
    CHECK_EQ_UINT(f.count, 100);
    CHECK_BITS(f.hits[0].score, 1.0f);
    omen_fused_deinit(&f);
    end();
}

/* The order of legs does not matter but for the last bits of sums; scaling or shifting a leg's scores by powers of two, and scaling weights, does not matter at all. */
TEST(scales_of_scores_and_order_of_legs_do_not_matter) {
    begin();
    omen_error err = {0};
    for (unsigned round = 0; round < 20; round++) {
        leg_count = 0;
        fill(leg(true, 1), 80, false), fill(leg(false, 2), 60, false);
        omen_fuse_options o = omen_fuse_defaults();
        o.kind = round & 1 ? OMEN_FUSE_RRF : OMEN_FUSE_WEIGHTED;
        omen_fused a, b;
        REQUIRE_OK(omen_fuse(&mem, legs, 2, &o, &a, &err));
        omen_fuse_leg other[2] = {legs[1], legs[0]};
        REQUIRE_OK(omen_fuse(&mem, other, 2, &o, &b, &err));
        REQUIRE(a.count == b.count);
        for (uint32_t i = 0; i < a.count; i++) { /* two summands: the same bits in either order */
            CHECK_BITS(a.hits[i].score, b.hits[i].score);
            CHECK(omen_key_equal(omen_candidate_key(a.hits[i].candidate), omen_candidate_key(b.hits[i].candidate)));
        }
        omen_fused_deinit(&b);
        for (uint32_t i = 0; i < 80; i++) scores[0][i] *= 1024;
        legs[0].weight *= o.kind == OMEN_FUSE_RRF ? 1 : 4;
        legs[1].weight *= o.kind == OMEN_FUSE_RRF ? 1 : 4;
        REQUIRE_OK(omen_fuse(&mem, legs, 2, &o, &b, &err));
        for (uint32_t i = 0; i < a.count; i++) {
            CHECK_BITS(a.hits[i].score, b.hits[i].score);
            CHECK(a.hits[i].candidate->row == b.hits[i].candidate->row);
        }
        omen_fused_deinit(&a);
        omen_fused_deinit(&b);
    }
    end();
}

/* One leg finds one record that stands out, the other descends evenly: the first leads, on whichever side it is. */
TEST(a_leg_whose_best_stands_out_leads) {
    begin();
    omen_error err = {0};
    for (unsigned side = 0; side < 2; side++) {
        leg_count = 0;
        omen_fuse_leg *sure = leg(side == 0, 1), *unsure = leg(side == 1, 1);
        hit(sure, 0, 10);
        for (uint32_t r = 1; r < 100; r++) hit(sure, r, 1 - 0.005f * (float)r);
        for (uint32_t r = 0; r < 100; r++) hit(unsure, 200 + r, 1 - 0.005f * (float)r);
        omen_fuse_options o = omen_fuse_defaults();
        omen_fused f;
        REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
        CHECK(f.hits[0].candidate == &sure->hits[0]);
        CHECK(f.shares[0] > 0.5 && f.shares[1] > 0.01);
        omen_fused_deinit(&f);
    }
    end();
}

/* Two legs of the same shape: one's first hits are far down in the other, which has others first that the one does not have at all. */
TEST(a_leg_that_another_confirms_gains) {
    begin();
    omen_error err = {0};
    omen_fuse_leg *good = leg(false, 1), *bad = leg(false, 1);
    for (uint32_t r = 0; r < 50; r++) hit(good, r, 50 - (float)r), hit(bad, r < 40 ? 100 + r : r - 40, 50 - (float)r);
    omen_fuse_options o = omen_fuse_defaults();
    omen_fused f;
    REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
    CHECK(f.shares[0] > 2 * f.shares[1]);
    CHECK(f.hits[0].candidate == &good->hits[0]);
    omen_fused_deinit(&f);
    end();
}

TEST(strange_scores_are_ranked_all_the_same) {
    begin();
    static const float strange[] = {INFINITY, 3e38f, 1, 0, -0.0f, -3e38f, -INFINITY, NAN};
    omen_error err = {0};
    omen_fuse_leg *l = leg(true, 1), *t = leg(false, 1);
    for (uint32_t i = 0; i < OMEN_ARRAY_LEN(strange); i++) hit(l, i, strange[i]), hit(t, 7 - i, strange[i]);
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned shares = 0; shares < 3; shares++) {
            omen_fuse_options o = {.kind = (omen_fuse_kind)kind, .shares = (omen_fuse_shares)shares, .alpha = 0.5f, .k = 0};
            omen_fused f;
            REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
            CHECK_EQ_UINT(f.count, 8);
            for (uint32_t i = 0; i < f.count; i++) {
                CHECK(isfinite(f.hits[i].score));
                CHECK(isfinite(omen_fused_subs(&f, i)[0]) && isfinite(omen_fused_subs(&f, i)[1]));
            }
            omen_fused_deinit(&f);
        }
    /* distances serve as scores, the other way round */
    l->scores = NULL;
    omen_fuse_options o = {.shares = OMEN_FUSE_ALPHA, .alpha = 1};
    omen_fused f;
    REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
    CHECK(f.hits[0].candidate == &l->hits[0]);
    omen_fused_deinit(&f);
    end();
}

/* Whatever the compiler, the processor and the level of optimisation. */
TEST(scores_have_the_same_bits_on_every_host) {
    begin();
    omen_error err = {0};
    uint64_t seed = 1, hash = 14695981039346656037u;
    for (uint32_t l = 0; l < 3; l++) {
        omen_fuse_leg *x = leg(l == 0, 1 + (float)l / 3);
        float score = 30;
        for (uint32_t i = 0; i < 90; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            score -= (float)(seed >> 40) / 16777216.0f * (i < 5 ? 1.7f : 0.3f);
            hit(x, (uint32_t)(i * (l + 1) % 131), score);
        }
    }
    for (unsigned kind = 0; kind < 2; kind++) {
        omen_fuse_options o = omen_fuse_defaults();
        omen_fused f;
        o.kind = (omen_fuse_kind)kind;
        REQUIRE_OK(omen_fuse(&mem, legs, leg_count, &o, &f, &err));
        for (uint32_t i = 0; i < f.count; i++) {
            uint32_t bits;
            memcpy(&bits, &f.hits[i].score, 4);
            hash = ((hash ^ bits) * 1099511628211u ^ f.hits[i].candidate->row) * 1099511628211u;
        }
        omen_fused_deinit(&f);
    }
    CHECK_EQ_UINT(hash, UINT64_C(0xfdcbb3f5a1a5d214));
    end();
}

TEST(nothing_fuses_to_nothing_and_nonsense_is_refused) {
    begin();
    omen_error err = {0};
    omen_fuse_options o = omen_fuse_defaults();
    omen_fused f;
    CHECK_OK(omen_fuse(&mem, NULL, 0, &o, &f, &err));
    CHECK_EQ_UINT(f.count, 0);
    omen_fused_deinit(&f);
    leg(true, 1), leg(false, 1);
    for (unsigned kind = 0; kind < 2; kind++) {
        o.kind = (omen_fuse_kind)kind;
        CHECK_OK(omen_fuse(&mem, legs, 2, &o, &f, &err));
        CHECK_EQ_UINT(f.count, 0);
        omen_fused_deinit(&f);
        const float bad[] = {-1, NAN, INFINITY};
        for (unsigned i = 0; i < 3; i++) {
            legs[0].weight = bad[i];
            CHECK_STATUS(omen_fuse(&mem, legs, 2, &o, &f, &err), OMEN_ERR_INVALID);
        }
        legs[0].weight = legs[1].weight = 0;
        CHECK_STATUS(omen_fuse(&mem, legs, 2, &o, &f, &err), OMEN_ERR_INVALID);
        legs[0].weight = 1;
    }
    o = (omen_fuse_options){.kind = OMEN_FUSE_RRF, .k = -1};
    CHECK_STATUS(omen_fuse(&mem, legs, 2, &o, &f, &err), OMEN_ERR_INVALID);
    o = (omen_fuse_options){.shares = OMEN_FUSE_ALPHA, .alpha = 1.01f};
    CHECK_STATUS(omen_fuse(&mem, legs, 2, &o, &f, &err), OMEN_ERR_INVALID);
    o.alpha = NAN;
    CHECK_STATUS(omen_fuse(&mem, legs, 2, &o, &f, &err), OMEN_ERR_INVALID);
    o.alpha = 1;
    omen_fuse_leg many[OMEN_FUSE_LEGS + 1] = {0};
    CHECK_STATUS(omen_fuse(&mem, many, OMEN_FUSE_LEGS + 1, &o, &f, &err), OMEN_ERR_INVALID);
    end();
}

TEST(without_memory_nothing_is_left_behind) {
    begin();
    omen_error err = {0};
    fill(leg(true, 1), 50, false), fill(leg(false, 1), 50, false);
    for (unsigned kind = 0; kind < 2; kind++) {
        omen_fuse_options o = omen_fuse_defaults();
        o.kind = (omen_fuse_kind)kind;
        for (uint64_t n = 1;; n++) {
            omen_fused f;
            fault_host_fail_alloc_at(host, n, false);
            omen_status s = omen_fuse(&mem, legs, 2, &o, &f, &err);
            bool failed = fault_host_fault_hit(host);
            fault_host_fail_alloc_at(host, 0, false);
            if (!failed) {
                CHECK_OK(s);
                CHECK(n > 3);
                omen_fused_deinit(&f);
                break;
            }
            CHECK_STATUS(s, OMEN_ERR_MEMORY);
            CHECK_EQ_UINT(fault_host_bytes(host), 0);
        }
    }
    end();
}

TEST_MAIN()
