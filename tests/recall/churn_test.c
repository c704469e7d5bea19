/* Changing data: ten rounds in which every record is replaced cost no recall, and after each of them what can be found is what is there. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

#ifdef __wasm__
enum { ROWS = 3000 };
#else
enum { ROWS = 12000 };
#endif
enum { DIMS = 24, K = 10, QUERIES = 250, EF = 40 };

static float centre[60][DIMS];

static void draw(float *v) {
    const float *c = centre[test_rand_below(60)];
    for (int d = 0; d < DIMS; d++) v[d] = 2.0f * c[d] + test_rand_float() + 0.5f * test_rand_float();
}

static omen_results *ask(omen_collection *c, const float *v, uint32_t ef) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = K;
    q.ef = ef;
    q.exact = ef == 0;
    CHECK_OK(omen_search(c, &q, &r));
    return r;
}

static double recall(omen_collection *c, float now[ROWS][DIMS], float queries[QUERIES][DIMS]) {
    unsigned found = 0;
    for (int i = 0; i < QUERIES; i++) {
        omen_results *truth = ask(c, queries[i], 0), *got = ask(c, queries[i], EF);
        CHECK_EQ_UINT(omen_results_count(got), K);
        for (size_t a = 0; a < K; a++)
            for (size_t b = 0; b < omen_results_count(got); b++)
                if (omen_results_id(truth, a).number == omen_results_id(got, b).number) {
                    CHECK_BITS(omen_results_distance(truth, a), omen_results_distance(got, b));
                    found++;
                }
        /* No hit is of a vector that was replaced: its distance is that of the record as it is now. */
        int64_t id = omen_results_id(got, 0).number;
        double sum = 0;
        for (int d = 0; d < DIMS; d++) sum += ((double)now[id][d] - queries[i][d]) * ((double)now[id][d] - queries[i][d]);
        double distance = omen_results_distance(got, 0);
        CHECK(sum - distance * distance < 1e-2 && distance * distance - sum < 1e-2);
        omen_results_free(truth);
        omen_results_free(got);
    }
    return (double)found / (K * QUERIES);
}

static void replace(omen_collection *c, float now[ROWS][DIMS], int first, int count, bool erase) {
    omen_id ids[500];
    for (int i = 0; i < count; i++) {
        ids[i] = OMEN_ID_INT(first + i);
        draw(now[first + i]);
    }
    if (erase) CHECK_OK(omen_delete(c, ids, (size_t)count, NULL));
    const void *v[] = {now[first]};
    CHECK_OK(omen_upsert(c, &(omen_batch){.count = (size_t)count, .ids = ids, .vectors = v}));
}

TEST(ten_rounds_of_full_churn_cost_no_recall) {
    static float now[ROWS][DIMS], queries[QUERIES][DIMS];
    fault_host *h = fault_host_new(1);
    omen_options o;
    omen_db *db;
    omen_collection *c;
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}};
    omen_schema s;
    double first = 0, last = 0, least = 1;
    for (int i = 0; i < 60 * DIMS; i++) centre[i / DIMS][i % DIMS] = test_rand_float();
    for (int i = 0; i < QUERIES; i++) draw(queries[i]);
    omen_options_init(&o);
    o.host = &h->host;
    o.manual_maintenance = 1;
    o.memtable_bytes = 1 << 19;
    REQUIRE_OK(omen_open("db", &o, &db));
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    REQUIRE_OK(omen_collection_open(db, OMEN_STR("c"), &s, &c));
    for (int i = 0; i < ROWS; i += 500) replace(c, now, i, 500, false);
    for (int round = 0; round <= 10; round++) {
        int more = 1;
        if (round != 0)
            for (int i = 0; i < ROWS; i += 500) {
                replace(c, now, (i * 7) % ROWS / 500 * 500, 500, i % 1000 == 0);
                CHECK_OK(omen_db_maintain(db, 0, &more)); /* flushes, merges and builds come as they come */
                if (i == ROWS / 1000 * 500 && round % 3 == 0) {
                    double half = recall(c, now, queries);
                    least = half < least ? half : least;
                }
            }
        CHECK_OK(omen_build_indexes(db));
        last = recall(c, now, queries);
        least = last < least ? last : least;
        if (round == 0) first = last;
        uint64_t count;
        CHECK_OK(omen_count(c, &count));
        CHECK_EQ_UINT(count, ROWS);
        CHECK_OK(omen_check(db));
    }
    printf("     recall at ef %d: %.4f at first, %.4f after ten rounds, never below %.4f\n", EF, first, last, least);
    CHECK(first >= 0.95);
    CHECK(last >= first - 0.005);
    CHECK(least >= first - 0.03);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
