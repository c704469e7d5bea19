/* The database against a model: random writes, reads, flushes, merges, reopenings, over a storage that stalls. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { IDS = 40, DIMS = 5 };

typedef struct model {
    bool there[IDS];
    float vector[IDS][DIMS];
    int version[IDS];
} model;

static const omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};

static omen_schema schema_of(const omen_vector_field *f) {
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = f;
    return s;
}

static omen_db *open_db(fault_host *h) {
    omen_options o;
    omen_db *db = NULL;
    omen_options_init(&o);
    o.host = &h->host;
    o.memtable_bytes = 8192;
    o.pool_bytes = 1 << 20;
    omen_status s = omen_open("db", &o, &db);
    if (s != OMEN_OK) fprintf(stderr, "open: %s: %s\n", omen_status_name(s), omen_last_error());
    CHECK_STATUS(s, OMEN_OK);
    return db;
}

static omen_id id_of(int i) {
    static char names[IDS][16];
    if (i % 2 == 0) return OMEN_ID_INT(i - 20);
    snprintf(names[i], sizeof names[i], "id-%d", i);
    return (omen_id){{names[i], strlen(names[i])}, 0};
}

static void put(omen_collection *c, model *m, omen_write_mode mode) {
    omen_id ids[8];
    float rows[8][DIMS];
    omen_str docs[8];
    char text[8][64];
    int n = 1 + (int)test_rand_below(8), first = (int)test_rand_below(IDS);
    for (int k = 0; k < n; k++) {
        int i = (first + k * 3) % IDS;
        ids[k] = id_of(i);
        for (int d = 0; d < DIMS; d++) rows[k][d] = test_rand_float();
        snprintf(text[k], sizeof text[k], "{\"v\":%d}", m->version[i] + 1);
        docs[k] = (omen_str){text[k], strlen(text[k])};
    }
    const void *vectors[] = {rows[0]};
    omen_batch b = {.count = (size_t)n, .ids = ids, .vectors = vectors, .documents = docs};
    omen_status want = OMEN_OK;
    for (int k = 0; k < n && want == OMEN_OK; k++) {
        int i = (first + k * 3) % IDS;
        if (mode == OMEN_WRITE_INSERT && m->there[i]) want = OMEN_ERR_EXISTS;
        if (mode == OMEN_WRITE_UPDATE && !m->there[i]) want = OMEN_ERR_NOT_FOUND;
    }
    CHECK_STATUS(omen_write(c, mode, &b), want);
    for (int k = 0; k < n && want == OMEN_OK; k++) {
        int i = (first + k * 3) % IDS;
        m->there[i] = true;
        m->version[i]++;
        memcpy(m->vector[i], rows[k], sizeof rows[k]);
    }
}

static void erase(omen_collection *c, model *m) {
    omen_id ids[6];
    size_t n = 1 + test_rand_below(6), deleted = 99, want = 0;
    for (size_t k = 0; k < n; k++) {
        int i = (int)test_rand_below(IDS);
        ids[k] = id_of(i);
        want += m->there[i];
        m->there[i] = false;
    }
    CHECK_STATUS(omen_delete(c, ids, n, &deleted), OMEN_OK);
    CHECK_EQ_UINT(deleted, want);
}

static void check(omen_collection *c, const model *m) {
    uint64_t count = 0, want = 0;
    omen_results *r = NULL;
    omen_id ids[IDS];
    for (int i = 0; i < IDS; i++) {
        want += m->there[i];
        ids[i] = id_of(i);
    }
    CHECK_STATUS(omen_count(c, &count), OMEN_OK);
    CHECK_EQ_UINT(count, want);
    CHECK_STATUS(omen_get(c, ids, IDS, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r), OMEN_OK);
    REQUIRE(r != NULL);
    for (size_t i = 0; i < IDS; i++) {
        CHECK_EQ_INT(omen_results_found(r, i), m->there[i]);
        if (!m->there[i]) continue;
        char text[64];
        snprintf(text, sizeof text, "{\"v\":%d}", m->version[i]);
        omen_str doc = omen_results_document(r, i);
        CHECK_EQ_UINT(doc.len, strlen(text));
        CHECK(doc.len == strlen(text) && memcmp(doc.data, text, doc.len) == 0);
        CHECK(memcmp(omen_results_vector(r, i, 0), m->vector[i], sizeof m->vector[i]) == 0);
    }
    omen_results_free(r);
    /* Search: every live record, nearest first. */
    float q[DIMS], last = -1;
    for (int d = 0; d < DIMS; d++) q[d] = test_rand_float();
    omen_query query;
    omen_query_init(&query);
    query.vector = q;
    query.dimensions = DIMS;
    query.k = IDS + 5;
    CHECK_STATUS(omen_search(c, &query, &r), OMEN_OK);
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), want);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        CHECK(omen_results_distance(r, i) >= last);
        last = omen_results_distance(r, i);
    }
    omen_results_free(r);
    /* Scroll in pages of 7, in order. */
    size_t seen = 0;
    omen_id after = {{NULL, 0}, 0};
    char after_text[16];
    for (;;) {
        CHECK_STATUS(omen_scroll(c, seen == 0 ? NULL : &after, 7, 0, &r), OMEN_OK);
        REQUIRE(r != NULL);
        size_t n = omen_results_count(r);
        seen += n;
        if (n != 0) {
            after = omen_results_id(r, n - 1);
            if (after.text.data != NULL) {
                memcpy(after_text, after.text.data, after.text.len);
                after.text.data = after_text;
            }
        }
        omen_results_free(r);
        if (n == 0) break;
    }
    CHECK_EQ_UINT(seen, want);
}

static void run(unsigned pending, int steps) {
    fault_host *h = fault_host_new(test_rand());
    fault_storage *fs = fault_host_image(h, "db");
    fault_storage_set_pending(fs, pending);
    model m = {0};
    omen_schema schema = schema_of(&field);
    omen_db *db = open_db(h);
    REQUIRE(db != NULL);
    omen_collection *c = NULL;
    CHECK_STATUS(omen_collection_open(db, OMEN_STR("things"), &schema, &c), OMEN_OK);
    for (int step = 0; step < steps; step++) {
        switch (test_rand_below(20)) {
            case 0: CHECK_STATUS(omen_flush(db), OMEN_OK); break;
            case 1:
                if (test_rand_below(4) == 0) CHECK_STATUS(omen_compact(db), OMEN_OK);
                break;
            case 2:
                omen_collection_close(c);
                CHECK_STATUS(omen_close(db), OMEN_OK);
                db = open_db(h);
                REQUIRE(db != NULL);
                CHECK_STATUS(omen_collection_open(db, OMEN_STR("things"), NULL, &c), OMEN_OK);
                break;
            case 3: {
                int more;
                CHECK_STATUS(omen_db_maintain(db, 0, &more), OMEN_OK);
                break;
            }
            case 4:
            case 5: erase(c, &m); break;
            case 6: put(c, &m, OMEN_WRITE_INSERT); break;
            case 7: put(c, &m, OMEN_WRITE_UPDATE); break;
            default: put(c, &m, OMEN_WRITE_UPSERT);
        }
        if (step % 5 == 0) check(c, &m);
    }
    check(c, &m);
    CHECK_STATUS(omen_check(db), OMEN_OK);
    omen_collection_close(c);
    CHECK_STATUS(omen_close(db), OMEN_OK);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(random_operations_match_a_model) {
    for (int i = 0; i < 20; i++) run(0, 400);
}

TEST(random_operations_match_a_model_when_the_storage_stalls) {
    for (int i = 0; i < 20; i++) run(40, 300);
}

TEST_MAIN()
