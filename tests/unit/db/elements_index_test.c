/* Indexed fields of every element: what an index finds is ranked exactly, to the bit what an exact search says, and it finds nearly all of it. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

#ifdef __x86_64__
enum { ROWS = 4000 };
#else
enum { ROWS = 800 }; /* emulators */
#endif
enum { DIMS = 64, K = 10, QUERIES = 30, FIELDS = 10 };

static const struct { const char *name; omen_element element; omen_metric metric; } kinds[FIELDS] = {
    {"f32-l2", OMEN_ELEMENT_F32, OMEN_METRIC_L2},         {"f32-ip", OMEN_ELEMENT_F32, OMEN_METRIC_IP},
    {"f32-cosine", OMEN_ELEMENT_F32, OMEN_METRIC_COSINE}, {"f16-l2", OMEN_ELEMENT_F16, OMEN_METRIC_L2},
    {"f16-ip", OMEN_ELEMENT_F16, OMEN_METRIC_IP},         {"f16-cosine", OMEN_ELEMENT_F16, OMEN_METRIC_COSINE},
    {"i8-l2", OMEN_ELEMENT_I8, OMEN_METRIC_L2},           {"i8-ip", OMEN_ELEMENT_I8, OMEN_METRIC_IP},
    {"i8-cosine", OMEN_ELEMENT_I8, OMEN_METRIC_COSINE},   {"bits", OMEN_ELEMENT_BIT, OMEN_METRIC_HAMMING},
};

static uint8_t rows[ROWS + QUERIES][DIMS * 4];
static omen_id ids[ROWS];
static float far[ROWS]; /* of a row's id, by an exact search */

static size_t bytes_of(omen_element e) { return e == OMEN_ELEMENT_I8 ? DIMS : e == OMEN_ELEMENT_BIT ? DIMS / 8 : DIMS * 4; }

/* Rows around 40 centres, back to back. */
static void make(omen_element e) {
    static float centre[40][DIMS];
    uint8_t *at = &rows[0][0];
    for (size_t i = 0; i < sizeof centre / sizeof centre[0][0]; i++) centre[i / DIMS][i % DIMS] = test_rand_float();
    for (size_t i = 0; i < ROWS + QUERIES; i++, at += bytes_of(e)) {
        const float *c = centre[test_rand_below(40)];
        for (size_t d = 0; d < DIMS; d++) {
            float x = c[d] + test_rand_float() * 0.6f;
            if (e == OMEN_ELEMENT_I8) at[d] = (uint8_t)(int8_t)(x * 70.0f);
            else if (e == OMEN_ELEMENT_BIT) at[d / 8] = (uint8_t)((d % 8 == 0 ? 0 : at[d / 8]) | (x > 0) << d % 8);
            else memcpy(at + 4 * d, &x, 4);
        }
    }
}

static omen_results *ask(omen_collection *c, const void *vector, uint32_t k, bool exact) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.vector = vector;
    q.dimensions = DIMS;
    q.k = k;
    q.exact = exact;
    CHECK_OK(omen_search(c, &q, &r));
    return r;
}

/* How many of the K nearest the index finds; a hit no farther than the K-th nearest counts, for ties are many among bits. */
static unsigned compare(omen_collection *c, const void *query) {
    omen_results *all = ask(c, query, ROWS, true), *some = ask(c, query, K, false);
    unsigned found = 0;
    if (!CHECK(all != NULL && some != NULL) || !CHECK_EQ_UINT(omen_results_count(all), ROWS) || !CHECK_EQ_UINT(omen_results_count(some), K)) return 0;
    for (size_t i = 0; i < ROWS; i++) far[omen_results_id(all, i).number] = omen_results_distance(all, i);
    for (size_t i = 0; i < K; i++) {
        float d = omen_results_distance(some, i);
        CHECK_BITS(d, far[omen_results_id(some, i).number]);
        CHECK(i == 0 || d >= omen_results_distance(some, i - 1));
        found += d <= omen_results_distance(all, K - 1);
    }
    omen_results_free(all);
    omen_results_free(some);
    return found;
}

static void run(int kind, omen_index_kind index) {
    fault_host *h = fault_host_new(1);
    omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = kinds[kind].metric, .element = kinds[kind].element, .index = {.kind = index}};
    const void *vectors[] = {rows};
    omen_options o;
    omen_schema s;
    omen_db *db;
    omen_collection *c;
    unsigned found = 0;
    size_t needed;
    static char stats[8192];
    make(field.element);
    for (size_t i = 0; i < ROWS; i++) ids[i] = OMEN_ID_INT((int64_t)i);
    omen_options_init(&o);
    o.host = &h->host;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    REQUIRE_OK(omen_open("db", &o, &db));
    REQUIRE_OK(omen_collection_open(db, OMEN_STR("c"), &s, &c));
    CHECK_OK(omen_upsert(c, &(omen_batch){.count = ROWS, .ids = ids, .vectors = vectors}));
    CHECK_OK(omen_build_indexes(db));
    CHECK_OK(omen_stats(db, stats, sizeof stats, &needed));
    if (!CHECK(strstr(stats, index == OMEN_INDEX_IVF ? "\"kind\":\"ivf\"" : "\"kind\":\"hnsw\"") != NULL)) printf("    %s: %s\n", kinds[kind].name, stats);
    for (size_t q = 0; q < QUERIES; q++) found += compare(c, &rows[0][0] + (ROWS + q) * bytes_of(field.element));
    printf("     %s %s: %u of %u\n", kinds[kind].name, index == OMEN_INDEX_IVF ? "ivf" : "hnsw", found, QUERIES * K);
    CHECK(found >= QUERIES * K * 85 / 100);
    CHECK_OK(omen_check(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(graphs_find_the_nearest_of_every_element) {
    for (int kind = 0; kind < FIELDS; kind++) run(kind, OMEN_INDEX_HNSW);
}

TEST(lists_find_the_nearest_of_every_element) {
    for (int kind = 0; kind < FIELDS; kind++) run(kind, OMEN_INDEX_IVF);
}

TEST_MAIN()
