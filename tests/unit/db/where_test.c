/* Writes by filter: records without documents, ids in order in the log, patches that are wrong or too long, and what counts as selected. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { DIMS = 2, MANY = 1100 };

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static void open_world(world *x, uint64_t memtable_bytes) {
    const omen_vector_field field = {.dimensions = DIMS, .metric = OMEN_METRIC_L2};
    omen_options o;
    omen_schema s;
    x->h = fault_host_new(1);
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    o.memtable_bytes = memtable_bytes; /* 0: the profile's */
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    CHECK_OK(omen_open("db", &o, &x->db));
    CHECK_OK(omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c));
}

static void close_world(world *x) {
    CHECK_OK(omen_check(x->db));
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    fault_host_free(x->h);
}

/* Records from..to-1; doc NULL: without documents. */
static void write(world *x, int from, int to, const char *doc) {
    static omen_id ids[MANY];
    static omen_str docs[MANY];
    static float rows[MANY][DIMS];
    const void *vectors[] = {rows};
    for (int i = from; i < to; i++) {
        ids[i - from] = OMEN_ID_INT(i);
        docs[i - from] = (omen_str){doc == NULL ? "" : doc, doc == NULL ? 0 : strlen(doc)};
        rows[i - from][0] = (float)i;
    }
    CHECK_OK(omen_upsert(x->c, &(omen_batch){.count = (size_t)(to - from), .ids = ids, .vectors = vectors, .documents = doc == NULL ? NULL : docs}));
}

static uint64_t count_where(world *x, const char *filter) {
    uint64_t n = 12345;
    CHECK_OK(omen_count_where(x->c, (omen_str){filter, strlen(filter)}, &n));
    return n;
}

TEST(records_without_documents_are_selected_by_what_they_lack) {
    world x;
    size_t n = 0;
    open_world(&x, 0);
    write(&x, 0, 70, NULL);
    CHECK_OK(omen_flush(x.db));
    for (int flushed = 0; flushed < 2; flushed++) {
        CHECK_EQ_UINT(count_where(&x, "NOT EXISTS(a)"), 70u + 30u * (unsigned)flushed);
        CHECK_EQ_UINT(count_where(&x, "EXISTS(a)"), 0u);
        CHECK_EQ_UINT(count_where(&x, "{}"), 70u + 30u * (unsigned)flushed);
        if (flushed == 0) write(&x, 70, 100, NULL);
    }
    omen_query q;
    omen_results *r = NULL;
    const float v[DIMS] = {1, 0};
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = 200;
    q.options = OMEN_STR("{\"filter\":\"a IS NULL\",\"facets\":[\"a\"],\"groupBy\":{\"path\":\"a\",\"size\":150}}");
    CHECK_OK(omen_search(x.c, &q, &r));
    CHECK_EQ_UINT(omen_results_count(r), 100u);
    static const char missing[] = "\"missing\":100";
    CHECK(memmem(omen_results_facets(r).data, omen_results_facets(r).len, missing, sizeof missing - 1) != NULL);
    omen_results_free(r);
    CHECK_OK(omen_update_where(x.c, OMEN_STR("a IS NULL"), OMEN_STR("{\"a\":1}"), &n));
    CHECK_EQ_UINT(n, 100u);
    CHECK_EQ_UINT(count_where(&x, "a = 1"), 100u);
    CHECK_OK(omen_delete_where(x.c, OMEN_STR("a IS NULL"), &n));
    CHECK_EQ_UINT(n, 0u);
    CHECK_OK(omen_delete_where(x.c, OMEN_STR("a = 1"), &n));
    CHECK_EQ_UINT(n, 100u);
    CHECK_OK(omen_compact(x.db));
    CHECK_EQ_UINT(count_where(&x, "{}"), 0u);
    close_world(&x);
}

/* Where in the last log a text stands last. */
static size_t last_in_log(fault_storage *fs, const char *text) {
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < fault_storage_count(fs); i++) {
        size_t len, n = strlen(text);
        const char *name = fault_storage_name(fs, i);
        const uint8_t *data = strncmp(name, "log-", 4) == 0 ? fault_storage_data(fs, name, &len) : NULL;
        for (size_t at = 0; data != NULL && at + n <= len; at++)
            if (memcmp(data + at, text, n) == 0) found = at;
    }
    return found;
}

TEST(the_log_has_the_ids_in_order_wherever_records_lie) {
    for (int flushed = 0; flushed < 2; flushed++) {
        world x;
        size_t n = 0;
        const omen_id ids[] = {OMEN_ID_STR("zebra"), OMEN_ID_STR("mouse"), OMEN_ID_STR("aphid"), OMEN_ID_STR("horse")};
        const float rows[4][DIMS] = {{1, 2}, {3, 4}, {5, 6}, {7, 8}};
        const void *first[] = {rows[0]}, *rest[] = {rows[1]};
        open_world(&x, 0);
        CHECK_OK(omen_upsert(x.c, &(omen_batch){.count = 1, .ids = ids, .vectors = first}));
        if (flushed != 0) CHECK_OK(omen_flush(x.db));
        CHECK_OK(omen_upsert(x.c, &(omen_batch){.count = 3, .ids = ids + 1, .vectors = rest}));
        CHECK_OK(omen_update_where(x.c, OMEN_STR("{}"), OMEN_STR("{\"a\":1}"), &n));
        CHECK_EQ_UINT(n, 4u);
        fault_storage *fs = fault_host_image(x.h, "db");
        CHECK_OK(omen_sync(x.db));
        size_t at[] = {last_in_log(fs, "aphid"), last_in_log(fs, "horse"), last_in_log(fs, "mouse"), last_in_log(fs, "zebra")};
        CHECK(at[3] != SIZE_MAX);
        for (int i = 1; i < 4; i++) CHECK(at[i - 1] < at[i]);
        close_world(&x);
    }
}

/* Tables are small: a record that was replaced lies in a frozen one, what replaced or deleted it in a later one. */
TEST(frozen_tables_hold_nothing_that_later_ones_replaced) {
    world x;
    size_t n = 0;
    omen_results *r = NULL;
    omen_query q;
    const float v[DIMS] = {1, 0};
    open_world(&x, 4096);
    write(&x, 0, 60, "{\"a\":1,\"padding\":\"of a record, so that tables are full soon: one is frozen, another begun\"}");
    write(&x, 20, 80, "{\"a\":2,\"padding\":\"of a record, so that tables are full soon: one is frozen, another begun\"}");
    CHECK_OK(omen_delete_where(x.c, OMEN_STR("a = 2 AND padding LIKE 'of%'"), &n));
    CHECK_EQ_UINT(n, 60u);
    write(&x, 70, 75, "{\"a\":3}");
    char stats[4096];
    size_t needed;
    CHECK_OK(omen_stats(x.db, stats, sizeof stats, &needed));
    CHECK(strstr(stats, "\"tables\":1,") == NULL); /* several */
    CHECK_EQ_UINT(count_where(&x, "a = 1"), 20u);
    CHECK_EQ_UINT(count_where(&x, "a = 2"), 0u);
    CHECK_EQ_UINT(count_where(&x, "{}"), 25u);
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = 200;
    q.options = OMEN_STR("{\"filter\":\"a <= 3\",\"facets\":[\"a\"]}");
    CHECK_OK(omen_search(x.c, &q, &r));
    CHECK_EQ_UINT(omen_results_count(r), 25u);
    static const char counts[] = "[{\"value\":1,\"count\":20},{\"value\":3,\"count\":5}]";
    CHECK(memmem(omen_results_facets(r).data, omen_results_facets(r).len, counts, sizeof counts - 1) != NULL);
    omen_results_free(r);
    CHECK_OK(omen_update_where(x.c, OMEN_STR("a IN (1, 2)"), OMEN_STR("{\"a\":4}"), &n));
    CHECK_EQ_UINT(n, 20u);
    CHECK_OK(omen_flush(x.db));
    CHECK_EQ_UINT(count_where(&x, "a = 4"), 20u);
    CHECK_EQ_UINT(count_where(&x, "{}"), 25u);
    close_world(&x);
}

TEST(patches_are_looked_at_before_anything_is_selected) {
    world x;
    size_t n = 7;
    open_world(&x, 0);
    CHECK_STATUS(omen_update_where(x.c, OMEN_STR("a = 1"), OMEN_STR("{\"a\":"), &n), OMEN_ERR_JSON);
    CHECK_STATUS(omen_update_where(x.c, OMEN_STR("a = 1"), OMEN_STR("[1]"), &n), OMEN_ERR_JSON);
    CHECK_STATUS(omen_update_where(x.c, OMEN_STR("a ="), OMEN_STR("{}"), &n), OMEN_ERR_INVALID);
    CHECK_OK(omen_update_where(x.c, OMEN_STR("a = 1"), OMEN_STR("{}"), &n));
    CHECK_EQ_UINT(n, 0u);
    close_world(&x);
}

TEST(patches_that_would_exceed_what_a_batch_holds_are_refused) {
    enum { LONG = 4 << 20 };
    world x;
    size_t n = 7;
    char *patch = malloc(LONG);
    REQUIRE(patch != NULL);
    memset(patch, 'x', LONG);
    memcpy(patch, "{\"long\":\"", 9);
    memcpy(patch + LONG - 2, "\"}", 2);
    open_world(&x, 0);
    write(&x, 0, MANY, "{\"a\":1}");
    CHECK_STATUS(omen_update_where(x.c, OMEN_STR("a = 1"), (omen_str){patch, LONG}, &n), OMEN_ERR_TOO_LARGE);
    CHECK_EQ_UINT(count_where(&x, "a = 1 AND long IS NULL"), (uint64_t)MANY);
    close_world(&x);
    free(patch);
}

TEST_MAIN()
