/* What inverted lists are made of: picking the nearest of a stream, ranks, and estimates of distances. */
#include "test.h"

#include <math.h>

#include "index/ivf.h"
#include "kernel/kernel.h"
#include "store_fixture.h"

typedef struct room { fault_host *host; omen_mem mem; } room;

static void room_init(room *r) {
    r->host = fault_host_new(1);
    omen_mem_init(&r->mem, &r->host->host, 0);
}

static void room_deinit(room *r) {
    CHECK_EQ_UINT(fault_host_bytes(r->host), 0);
    fault_host_free(r->host);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool not_seventh(void *arg, uint32_t id) {
    (void)arg;
    return id % 7 != 0;
}

/* Whatever the ranks are like, and however they arrive. */
TEST(the_nearest_are_picked) {
    room r;
    room_init(&r);
    omen_pick p = {.mem = &r.mem};
    for (unsigned round = 0; round < 400; round++) {
        uint32_t total = (uint32_t)test_rand_below(round % 10 == 0 ? 20000 : 600), want = 1 + (uint32_t)test_rand_below(round % 3 == 0 ? 5 : 300), kept = 0;
        unsigned kind = round % 5;
        uint64_t *keys = malloc((total + 1) * sizeof *keys);
        omen_pick_filter filter = {not_seventh, NULL};
        bool filtered = round % 4 == 1, numbered = round % 2 == 0;
        REQUIRE_OK(omen_pick_begin(&p, want));
        for (uint32_t at = 0; at < total;) {
            int32_t ranks[OMEN_PICK_BLOCK];
            uint32_t ids[OMEN_PICK_BLOCK], n = 1 + (uint32_t)test_rand_below(OMEN_PICK_BLOCK);
            if (n > total - at) n = total - at;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t x = at + i;
                ids[i] = numbered ? total - 1 - x : x;
                ranks[i] = kind == 0 ? (int32_t)test_rand() : kind == 1 ? (int32_t)test_rand_below(4) : kind == 2 ? (int32_t)x : kind == 3 ? -(int32_t)x : (test_rand_below(2) == 0 ? INT32_MAX : INT32_MIN);
                if (!filtered || ids[i] % 7 != 0) keys[kept++] = omen_pick_key(ranks[i], ids[i]);
            }
            omen_pick_offer(&p, ranks, numbered ? ids : NULL, at, n, filtered ? &filter : NULL);
            at += n;
        }
        omen_pick_end(&p);
        qsort(keys, kept, sizeof *keys, by_value);
        CHECK_EQ_UINT(p.len, kept < want ? kept : want);
        CHECK_MEM(p.keys, keys, p.len * sizeof *keys);
        free(keys);
    }
    CHECK(omen_pick_rank(omen_pick_key(INT32_MIN, 3)) == INT32_MIN && omen_pick_id(omen_pick_key(-1, 77)) == 77);
    CHECK(omen_pick_key(-1, UINT32_MAX) < omen_pick_key(0, 0));
    omen_pick_deinit(&p);
    room_deinit(&r);
}

TEST(ranks_of_floats_are_in_order) {
    static const float floats[] = {-INFINITY, -3.4e38f, -1.0f, -1e-45f, 0.0f, 1e-45f, 1e-20f, 1.0f, 1.0000001f, 3.4e38f, INFINITY};
    for (unsigned i = 0; i < OMEN_ARRAY_LEN(floats); i++) {
        CHECK_BITS(omen_ivf_rank_float(omen_ivf_rank(floats[i])), floats[i]);
        if (i != 0) CHECK(omen_ivf_rank(floats[i - 1]) < omen_ivf_rank(floats[i]));
    }
    CHECK_EQ_INT(omen_ivf_rank(-0.0f), omen_ivf_rank(0.0f));
    CHECK_EQ_INT(omen_ivf_rank(NAN), INT32_MAX);
    CHECK(omen_ivf_rank_float(INT32_MAX) == INFINITY);
}

/* Estimates of RABITQ: the error falls with every bit, and what is excluded by the first pass is hardly ever near. */
TEST(more_bits_estimate_better) {
    room r;
    room_init(&r);
    enum { ROWS = 300, D = 90 };
    static float rows[ROWS][D], centroid[D], query[D];
    for (unsigned product = 0; product < 2; product++) {
        double last = 1e9;
        for (unsigned i = 0; i < D; i++) {
            centroid[i] = 2.0f * test_rand_float();
            query[i] = centroid[i] + test_rand_float();
            for (unsigned n = 0; n < ROWS; n++) rows[n][i] = centroid[i] + test_rand_float();
        }
        double square = 0.0, along = 0.0;
        for (unsigned i = 0; i < D; i++) {
            square += ((double)query[i] - centroid[i]) * ((double)query[i] - centroid[i]);
            along += (double)query[i] * centroid[i];
        }
        for (uint32_t bits = 1; bits <= 8; bits++) {
            omen_ivf_rabitq c;
            omen_ivf_rabitq_query q;
            REQUIRE_OK(omen_ivf_rabitq_init(&c, &r.mem, D, bits, product == 1));
            uint8_t *bytes = aligned_alloc(64, omen_round_up(omen_ivf_rabitq_bytes(&c, ROWS), 64)), *own = aligned_alloc(64, omen_round_up(omen_ivf_rabitq_query_bytes(&c), 64));
            float scratch[3 * 128];
            omen_ivf_rabitq_rows codes = omen_ivf_rabitq_split(&c, bytes, ROWS);
            for (size_t n = 0; n < ROWS; n++) {
                omen_ivf_rabitq_encode(&c, rows[n], centroid, &codes, n, scratch);
                CHECK(omen_ivf_rabitq_sound(&c, &codes, n));
            }
            omen_ivf_rabitq_query_init(&c, own, &q);
            omen_ivf_rabitq_query_set(&c, query, &q, scratch);
            uint32_t order[ROWS];
            for (uint32_t n = 0; n < ROWS; n++) order[n] = n;
            omen_pick p = {.mem = &r.mem};
            REQUIRE_OK(omen_pick_begin(&p, ROWS));
            uint32_t full = omen_ivf_rabitq_offer(&c, &q, &codes, 0, ROWS, order, product ? (float)-along : (float)square, sqrtf((float)square), &p, NULL);
            CHECK_EQ_UINT(full, ROWS);
            omen_pick_end(&p);
            double error = 0.0, bias = 0.0;
            unsigned below = 0;
            for (uint32_t n = 0; n < ROWS; n++) {
                const float *x = rows[omen_pick_id(p.keys[n])];
                double d = 0.0, estimate = omen_ivf_rank_float(omen_pick_rank(p.keys[n]));
                for (unsigned i = 0; i < D; i++) d += product ? -(double)query[i] * x[i] : ((double)query[i] - x[i]) * ((double)query[i] - x[i]);
                error += (estimate - d) * (estimate - d) / ROWS;
                bias += (estimate - d) / ROWS;
                below += q.lowest[omen_pick_id(p.keys[n])] > d;
            }
            error = sqrt(error);
            if (!CHECK(bits == 8 || error < last * 0.8)) printf("        %u bits: %g after %g\n", bits, error, last);
            CHECK(fabs(bias) < 0.3 * error + 0.02);
            CHECK(below < ROWS / 20);
            last = error;
            omen_pick_deinit(&p);
            omen_ivf_rabitq_deinit(&c);
            free(bytes);
            free(own);
        }
        /* What is left is that the query has 8 bits: steps of about 1 / 30, off by 1 / 100 in each of 90 dimensions, of distances of about 60. */
        if (!CHECK(last < 0.2)) printf("        %g\n", last);
    }
    room_deinit(&r);
}

TEST_MAIN()
