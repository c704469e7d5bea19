/* Merging under a memory limit: where there is no memory to merge large segments, smaller merges are made, writes and reads go on, and what is asked for by name says why
 * it cannot be. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { BATCH = 500, BATCHES = 60, WORDS = 30 };

static void write_batch(omen_collection *c, int64_t first) {
    static char text[BATCH][WORDS * 14 + 40];
    omen_id ids[BATCH];
    omen_str docs[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        size_t n = (size_t)snprintf(text[i], sizeof text[i], "{\"body\":\"row%lld", (long long)(first + (int64_t)i));
        for (size_t w = 0; w < WORDS; w++) n += (size_t)snprintf(text[i] + n, sizeof text[i] - n, " w%llx", (unsigned long long)test_rand_below(1 + test_rand_below(30000)));
        n += (size_t)snprintf(text[i] + n, sizeof text[i] - n, "\"}");
        ids[i] = OMEN_ID_INT(first + (int64_t)i);
        docs[i] = (omen_str){text[i], n};
    }
    omen_batch b = {.count = BATCH, .ids = ids, .documents = docs};
    CHECK_OK(omen_upsert(c, &b));
}

static size_t segments(omen_db *db) {
    static char text[200000];
    size_t needed, n = 0;
    CHECK_OK(omen_stats(db, text, sizeof text, &needed));
    CHECK(needed < sizeof text);
    for (const char *p = text; (p = strstr(p, "\"seg-")) != NULL; p++) n++;
    return n;
}

static void finds(omen_collection *c, int64_t id) {
    char options[100];
    omen_query q;
    omen_results *r;
    omen_query_init(&q);
    q.k = 3;
    int n = snprintf(options, sizeof options, "{\"text\":\"row%lld\"}", (long long)id);
    q.options = (omen_str){options, (size_t)n};
    if (omen_search(c, &q, &r) != OMEN_OK) {
        CHECK_EQ_STR(omen_last_error(), "");
        return;
    }
    CHECK_EQ_UINT(omen_results_count(r), 1);
    CHECK_EQ_INT(omen_results_id(r, 0).number, id);
    omen_results_free(r);
}

TEST(merges_that_there_is_no_memory_for_are_left_and_smaller_ones_made) {
    fault_host *h = fault_host_new(1);
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.create = 1;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    o.memory_bytes = 12u << 20;
    o.pool_bytes = 1u << 20;
    o.memtable_bytes = 512u << 10;
    omen_db *db;
    omen_collection *c;
    const omen_text_field texts[] = {{.name = OMEN_STR("body")}};
    omen_schema s;
    omen_schema_init(&s);
    s.text_count = 1;
    s.texts = texts;
    CHECK_OK(omen_open("db", &o, &db));
    CHECK_OK(omen_collection_open(db, OMEN_STR("notes"), &s, &c));
    size_t most = 0;
    for (int64_t b = 0; b < BATCHES; b++) {
        write_batch(c, b * BATCH);
        CHECK_OK(omen_flush(db));
        int more = 1;
        while (more) CHECK_OK(omen_db_maintain(db, 0, &more));
        size_t now = segments(db);
        most = now > most ? now : most;
    }
    /* Not all became one, and not all stayed by themselves. */
    CHECK(most > 4);
    CHECK(segments(db) < BATCHES / 2);
    uint64_t count;
    CHECK_OK(omen_count(c, &count));
    CHECK_EQ_UINT(count, (uint64_t)BATCH * BATCHES);
    for (int64_t i = 0; i < (int64_t)BATCH * BATCHES; i += 977) finds(c, i);
    CHECK_STATUS(omen_compact(db), OMEN_ERR_MEMORY);
    CHECK(strstr(omen_last_error(), "memory") != NULL);
    write_batch(c, (int64_t)BATCH * BATCHES);
    finds(c, (int64_t)BATCH * BATCHES + 7);
    CHECK_OK(omen_check(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    /* With memory enough all of it is merged. */
    o.memory_bytes = 0;
    CHECK_OK(omen_open("db", &o, &db));
    CHECK_OK(omen_compact(db));
    CHECK_EQ_UINT(segments(db), 1);
    CHECK_OK(omen_close(db));
    fault_host_free(h);
}

TEST_MAIN()
