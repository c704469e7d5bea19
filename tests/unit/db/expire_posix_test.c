/* More records whose time is over than one write may have go in several. (posix: so many are too slow for WebAssembly.) */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { BATCH = 1 << 18, REST = 1000, ALL = (1 << 20) + REST };

TEST(more_is_over_than_one_write_may_have) {
#ifndef __x86_64__
    TEST_SKIP("more than a million records take too long where instructions are emulated");
#endif
    static omen_id ids[BATCH];
    static omen_str docs[BATCH];
    static float v[BATCH][1];
    const omen_vector_field field = {.name = {"v", 1}, .dimensions = 1, .metric = OMEN_METRIC_L2};
    fault_host *h = fault_host_new(1);
    omen_options o;
    omen_schema s;
    omen_db *db;
    omen_collection *c;
    omen_results *r = NULL;
    size_t gone = 0;
    uint64_t left = 0;
    omen_options_init(&o);
    o.host = &h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    s.ttl = OMEN_STR("end");
    REQUIRE(CHECK_OK(omen_open("db", &o, &db)) && CHECK_OK(omen_collection_open(db, OMEN_STR("c"), &s, &c)));
    /* From the last to the first; one lives. */
    for (int at = 0; at < ALL; at += BATCH) {
        int n = ALL - at < BATCH ? ALL - at : BATCH;
        for (int i = 0; i < n; i++) {
            ids[i] = OMEN_ID_INT(ALL - (at + i));
            docs[i] = ids[i].number == 7 ? OMEN_STR("{}") : OMEN_STR("{\"end\":\"2001-01-01\"}");
        }
        const void *vectors[] = {v};
        omen_batch b = {.count = (size_t)n, .ids = ids, .vectors = vectors, .documents = docs};
        CHECK_OK(omen_upsert(c, &b));
        CHECK_OK(omen_flush(db));
    }
    CHECK_STATUS(omen_delete_where(c, OMEN_STR("end = '2001-01-01'"), &gone), OMEN_ERR_TOO_LARGE);
    CHECK_OK(omen_expire(c, &gone));
    CHECK_EQ_UINT(gone, OMEN_MAX_BATCH);
    CHECK_OK(omen_expire(c, &gone));
    CHECK_EQ_UINT(gone, REST - 1);
    CHECK_OK(omen_expire(c, &gone));
    CHECK_EQ_UINT(gone, 0);
    CHECK_OK(omen_count(c, &left));
    CHECK_EQ_UINT(left, 1);
    CHECK_OK(omen_scroll(c, NULL, 10, 0, &r));
    CHECK(r != NULL && omen_results_count(r) == 1 && omen_results_id(r, 0).number == 7);
    omen_results_free(r);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
