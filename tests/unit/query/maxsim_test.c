/* MaxSim against a reference in long doubles; and candidate generation against ranking every record. */
#include "test.h"

#include <math.h>

#include "column/element.h"
#include "fault_host.h"
#include "kernel/kernel.h"
#include "query/maxsim.h"

enum { DIMS = 16, QUERIES = 7, RECORDS = 200, VECTORS = 6 };

static fault_host *host;
static omen_mem mem;
static float queries[QUERIES][DIMS], rows[RECORDS][VECTORS][DIMS], norms[RECORDS][VECTORS];
static uint32_t vectors[RECORDS];

static void begin(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
    for (uint32_t q = 0; q < QUERIES; q++)
        for (uint32_t d = 0; d < DIMS; d++) queries[q][d] = test_rand_float();
    for (uint32_t r = 0; r < RECORDS; r++) {
        vectors[r] = (uint32_t)test_rand_below(VECTORS + 1);
        for (uint32_t v = 0; v < VECTORS; v++) {
            for (uint32_t d = 0; d < DIMS; d++) rows[r][v][d] = test_rand_float();
            norms[r][v] = omen_element_norm(OMEN_ELEMENT_F32, rows[r][v], DIMS);
        }
    }
}

static void end(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

static long double rank_of(omen_metric m, const float *a, const float *b) {
    long double dot = 0, aa = 0, bb = 0, square = 0;
    for (uint32_t d = 0; d < DIMS; d++) {
        long double x = a[d], y = b[d];
        dot += x * y, aa += x * x, bb += y * y, square += (x - y) * (x - y);
    }
    return m == OMEN_METRIC_L2 ? square : m == OMEN_METRIC_IP ? -dot : 1 - dot / sqrtl(aa * bb);
}

static long double wanted(omen_metric m, uint32_t r, uint32_t count) {
    long double sum = 0;
    for (uint32_t q = 0; q < count; q++) {
        long double best = INFINITY;
        for (uint32_t v = 0; v < vectors[r]; v++) best = fminl(best, rank_of(m, queries[q], rows[r][v]));
        sum += best;
    }
    return sum;
}

static bool value_of(omen_maxsim *x, uint32_t r, float *value) {
    omen_maxsim_begin(x);
    omen_maxsim_rows(x, rows[r], norms[r], vectors[r]);
    return omen_maxsim_value(x, value);
}

TEST(values_are_as_a_reference_has_them) {
    begin();
    omen_error err = {0};
    for (omen_metric m = OMEN_METRIC_COSINE; m <= OMEN_METRIC_IP; m++)
        for (uint32_t count = 1; count <= QUERIES; count++) {
            omen_maxsim x;
            REQUIRE_OK(omen_maxsim_init(&x, &mem, m, OMEN_ELEMENT_F32, DIMS, queries, count, &err));
            for (uint32_t r = 0; r < RECORDS; r++) {
                float value, again;
                bool any = value_of(&x, r, &value);
                CHECK(any == (vectors[r] != 0));
                if (!any) continue;
                long double want = wanted(m, r, count), n = count;
                CHECK(fabsl((long double)value - want) < 1e-5L * (1 + fabsl(want)));
                long double distance = m == OMEN_METRIC_L2 ? sqrtl(want / n) : want / n;
                CHECK(fabsl((long double)omen_maxsim_distance(&x, value) - distance) < 1e-5L * (1 + fabsl(distance)));
                long double score = m == OMEN_METRIC_L2 ? n / (1 + distance) : m == OMEN_METRIC_COSINE ? n - want : -want;
                CHECK(fabsl((long double)omen_maxsim_score(&x, value) - score) < 2e-5L * (1 + fabsl(score)));
                /* rows in any order and in pieces: the same bits */
                omen_maxsim_begin(&x);
                for (uint32_t v = vectors[r]; v-- > 0;) omen_maxsim_rows(&x, rows[r][v], &norms[r][v], 1);
                CHECK(omen_maxsim_value(&x, &again));
                CHECK_BITS(again, value);
            }
            omen_maxsim_deinit(&x);
        }
    end();
}

TEST(one_vector_asks_as_an_ordinary_search_does) {
    begin();
    omen_error err = {0};
    for (omen_metric m = OMEN_METRIC_COSINE; m <= OMEN_METRIC_IP; m++) {
        omen_maxsim x;
        omen_ranker ranker = omen_ranker_of(m, OMEN_ELEMENT_F32, DIMS, queries[0]);
        REQUIRE_OK(omen_maxsim_init(&x, &mem, m, OMEN_ELEMENT_F32, DIMS, queries, 1, &err));
        for (uint32_t r = 0; r < RECORDS; r++) {
            float value, rank;
            vectors[r] = 1;
            omen_rank_rows(&ranker, rows[r], norms[r], 1, &rank);
            REQUIRE(value_of(&x, r, &value));
            CHECK_BITS(value, rank);
            CHECK_BITS(omen_maxsim_distance(&x, value), omen_distance_of(&ranker, rank));
            CHECK_BITS(omen_maxsim_score(&x, value), omen_score_of(&ranker, omen_distance_of(&ranker, rank)));
        }
        omen_maxsim_deinit(&x);
    }
    end();
}

TEST(long_records_and_bits) {
    begin();
    enum { LONG = 1000 };
    static uint8_t bits[LONG][DIMS / 8];
    const uint8_t asked[2][DIMS / 8] = {{0xFF, 0x00}, {0x0F, 0xF0}};
    omen_error err = {0};
    omen_maxsim x;
    float value;
    uint32_t want = 0;
    for (uint32_t i = 0; i < LONG; i++) bits[i][0] = (uint8_t)test_rand(), bits[i][1] = (uint8_t)test_rand();
    for (uint32_t q = 0; q < 2; q++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < LONG; i++) best = OMEN_MIN(best, (uint32_t)__builtin_popcount((unsigned)(bits[i][0] ^ asked[q][0]) << 8 | (unsigned)(bits[i][1] ^ asked[q][1])));
        want += best;
    }
    REQUIRE_OK(omen_maxsim_init(&x, &mem, OMEN_METRIC_HAMMING, OMEN_ELEMENT_BIT, DIMS, asked, 2, &err));
    omen_maxsim_rows(&x, bits, NULL, LONG);
    REQUIRE(omen_maxsim_value(&x, &value));
    CHECK_BITS(value, (float)want);
    CHECK_BITS(omen_maxsim_score(&x, value), 2 - (float)want / DIMS);
    omen_maxsim_deinit(&x);
    end();
}

/* Searched as the database does: lists of each vector's nearest, their union ranked, until no other record can be better. */
static void drive(omen_metric m, uint32_t count, uint32_t k) {
    omen_maxsim x;
    omen_error err = {0};
    static omen_candidate hits[QUERIES][RECORDS * VECTORS];
    omen_maxsim_list lists[QUERIES];
    omen_topk best, all;
    uint32_t total = 0, round = 0;
    for (uint32_t r = 0; r < RECORDS; r++) total += vectors[r];
    if (!CHECK_OK(omen_maxsim_init(&x, &mem, m, OMEN_ELEMENT_F32, DIMS, queries, count, &err))) return;
    for (;; round++) {
        uint32_t depth = omen_maxsim_depth(k, round, total), found;
        omen_maxsim_record *records;
        for (uint32_t q = 0; q < count; q++) {
            omen_topk t;
            omen_ranker ranker = omen_ranker_of(m, OMEN_ELEMENT_F32, DIMS, queries[q]);
            omen_topk_init(&t, &mem, depth);
            for (uint32_t r = 0; r < RECORDS; r++)
                for (uint32_t v = 0; v < vectors[r]; v++) {
                    uint8_t id[3] = {(uint8_t)(r >> 8), (uint8_t)r, (uint8_t)v};
                    float rank;
                    omen_rank_rows(&ranker, rows[r][v], &norms[r][v], 1, &rank);
                    CHECK_OK(omen_topk_push(&t, rank, r % 2, r / 2, (omen_key){id, 3}));
                }
            omen_topk_sort(&t);
            memcpy(hits[q], t.heap, t.count * sizeof *t.heap); /* ids fit in the candidates themselves */
            lists[q] = (omen_maxsim_list){hits[q], t.count, depth};
            omen_topk_deinit(&t);
        }
        if (!CHECK_OK(omen_maxsim_union(&mem, lists, count, &records, &found, &err))) break;
        omen_topk_init(&best, &mem, k);
        for (uint32_t i = 0; i < found; i++) {
            uint32_t r = records[i].row * 2 + records[i].source;
            uint8_t id[2] = {(uint8_t)(r >> 8), (uint8_t)r};
            float value;
            if (i != 0) CHECK(records[i - 1].source < records[i].source || (records[i - 1].source == records[i].source && records[i - 1].row < records[i].row));
            if (!CHECK(value_of(&x, r, &value))) continue;
            CHECK_OK(omen_topk_push(&best, value, records[i].source, records[i].row, (omen_key){id, 2}));
        }
        omen_free(&mem, records, found * sizeof *records);
        bool settled = omen_maxsim_settled(lists, count, best.count < k ? INFINITY : best.heap[0].distance);
        if (settled || depth == total) break;
        omen_topk_deinit(&best);
    }
    omen_topk_sort(&best);
    omen_topk_init(&all, &mem, k);
    for (uint32_t r = 0; r < RECORDS; r++) {
        uint8_t id[2] = {(uint8_t)(r >> 8), (uint8_t)r};
        float value;
        if (value_of(&x, r, &value)) CHECK_OK(omen_topk_push(&all, value, r % 2, r / 2, (omen_key){id, 2}));
    }
    omen_topk_sort(&all);
    CHECK_EQ_UINT(best.count, all.count);
    for (uint32_t i = 0; i < all.count && i < best.count; i++) {
        CHECK_BITS(best.heap[i].distance, all.heap[i].distance);
        CHECK(omen_key_equal(omen_candidate_key(&best.heap[i]), omen_candidate_key(&all.heap[i])));
    }
    omen_topk_deinit(&best);
    omen_topk_deinit(&all);
    omen_maxsim_deinit(&x);
}

TEST(rounds_end_with_what_ranking_every_record_gives) {
    static const uint32_t wanted_hits[] = {1, 3, 10, RECORDS};
    for (omen_metric m = OMEN_METRIC_COSINE; m <= OMEN_METRIC_IP; m++)
        for (unsigned i = 0; i < OMEN_ARRAY_LEN(wanted_hits); i++) {
            begin();
            drive(m, 1 + (uint32_t)test_rand_below(QUERIES), wanted_hits[i]);
            end();
        }
}

TEST(what_lists_prove) {
    omen_candidate a[2] = {{.distance = 1}, {.distance = 2}}, b[2] = {{.distance = 0.5f}, {.distance = 4}};
    omen_maxsim_list lists[2] = {{a, 2, 2}, {b, 2, 2}};
    CHECK(omen_maxsim_settled(lists, 2, 5.9f));
    CHECK(!omen_maxsim_settled(lists, 2, 6)); /* one as good could come before it by id */
    CHECK(!omen_maxsim_settled(lists, 2, INFINITY));
    lists[1].depth = 3; /* it has shown all there is */
    CHECK(omen_maxsim_settled(lists, 2, INFINITY));
    CHECK_EQ_UINT(omen_maxsim_depth(10, 0, 1000), 32);
    CHECK_EQ_UINT(omen_maxsim_depth(100, 2, 1000), 400);
    CHECK_EQ_UINT(omen_maxsim_depth(100, 90, 1000), 1000);
    CHECK_EQ_UINT(omen_maxsim_depth(100, 0, 7), 7);
}

TEST(bad_queries_and_no_memory) {
    begin();
    omen_error err = {0};
    omen_maxsim x;
    CHECK_STATUS(omen_maxsim_init(&x, &mem, OMEN_METRIC_L2, OMEN_ELEMENT_F32, DIMS, queries, 0, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_maxsim_init(&x, &mem, OMEN_METRIC_L2, OMEN_ELEMENT_F32, DIMS, queries, OMEN_MAXSIM_QUERIES + 1, &err), OMEN_ERR_INVALID);
    memset(queries[1], 0, sizeof queries[1]);
    CHECK_STATUS(omen_maxsim_init(&x, &mem, OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, DIMS, queries, 2, &err), OMEN_ERR_ZERO_VECTOR);
    for (uint64_t n = 1; n <= 2; n++) {
        fault_host_fail_alloc_at(host, n, false);
        CHECK_STATUS(omen_maxsim_init(&x, &mem, OMEN_METRIC_L2, OMEN_ELEMENT_F32, DIMS, queries, 2, &err), OMEN_ERR_MEMORY);
        omen_candidate c = {.row = 1};
        omen_maxsim_list list = {&c, 1, 1};
        omen_maxsim_record *records;
        uint32_t count;
        fault_host_fail_alloc_at(host, n, false);
        CHECK_STATUS(omen_maxsim_union(&mem, &list, 1, &records, &count, &err), OMEN_ERR_MEMORY);
    }
    omen_maxsim_record *records;
    uint32_t count = 1;
    CHECK_OK(omen_maxsim_union(&mem, NULL, 0, &records, &count, &err));
    CHECK(records == NULL && count == 0);
    end();
}

TEST_MAIN()
