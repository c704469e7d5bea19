/* A log that is longer than there is memory for: it was written with more of it. Opening flushes it piece by piece, wherever power fails meanwhile, and
 * writes under a limit flush instead of failing. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { DIMS = 64, BATCH = 50, BATCHES = 40, IDS = 1500, SMALL_TABLE = 64 << 10 };

static omen_options options_of(fault_host *h, uint64_t memory, uint64_t table) {
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.pool_bytes = 1 << 20;
    o.index_bytes = 1;
    o.memtable_bytes = table;
    o.memory_bytes = memory;
    return o;
}

static omen_status open_things(const omen_options *o, omen_db **db, omen_collection **c) {
    const omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    const omen_text_field words = {.name = OMEN_STR("t")};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    s.text_count = 1;
    s.texts = &words;
    *db = NULL;
    *c = NULL;
    omen_status st = omen_open("db", o, db);
    return st != OMEN_OK ? st : omen_collection_open(*db, OMEN_STR("things"), &s, c);
}

/* Batch n writes ids n * BATCH and on, modulo IDS: the later ones replace earlier ones. */
static omen_status write_batch(omen_collection *c, int n) {
    static float rows[BATCH][DIMS];
    static char text[BATCH][120];
    static omen_id ids[BATCH];
    static omen_str docs[BATCH];
    for (int i = 0; i < BATCH; i++) {
        int id = (n * BATCH + i) % IDS;
        ids[i] = OMEN_ID_INT(id);
        for (int d = 0; d < DIMS; d++) rows[i][d] = (float)((id * 7 + n + d) % 23);
        int len = snprintf(text[i], sizeof text[i], "{\"n\":%d,\"t\":\"word w%d and some more words that take room %d\"}", n, id, n);
        docs[i] = (omen_str){text[i], (size_t)len};
    }
    const void *vectors[] = {rows};
    return omen_upsert(c, &(omen_batch){.count = BATCH, .ids = ids, .vectors = vectors, .documents = docs});
}

static int newest(int id) {
    int n = -1;
    for (int b = 0; b < BATCHES; b++)
        if ((id - b * BATCH % IDS + IDS) % IDS < BATCH) n = b;
    return n;
}

static bool all_there(omen_collection *c) {
    uint64_t count = 0;
    bool good = omen_count(c, &count) == OMEN_OK && count == IDS;
    for (int id = 0; id < IDS && good; id += 37) {
        omen_results *r = NULL;
        omen_id one = OMEN_ID_INT(id);
        char want[24];
        snprintf(want, sizeof want, "{\"n\":%d,", newest(id));
        good = omen_get(c, &one, 1, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r) == OMEN_OK && omen_results_found(r, 0) &&
               strncmp(omen_results_document(r, 0).data, want, strlen(want)) == 0;
        omen_results_free(r);
    }
    return good;
}

/* All in one log, never flushed. */
static fault_storage *long_log(void) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h, 0, 64 << 20);
    omen_db *db;
    omen_collection *c;
    CHECK_OK(open_things(&o, &db, &c));
    for (int n = 0; n < BATCHES; n++) CHECK_OK(write_batch(c, n));
    CHECK(all_there(c));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    fault_storage *image = fault_storage_clone(fault_host_image(h, "db"));
    fault_host_free(h);
    return image;
}

static uint64_t recovered_in(fault_storage *image, uint64_t memory, unsigned pending, uint64_t power_off_at, fault_storage **left) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h, memory, SMALL_TABLE);
    omen_db *db;
    omen_collection *c;
    fault_host_set_image(h, "db", image);
    uint64_t before = fault_storage_calls(image), calls;
    fault_storage_set_pending(image, pending);
    if (power_off_at != 0) fault_storage_power_off_at(image, power_off_at);
    omen_status s = open_things(&o, &db, &c);
    if (power_off_at == 0) {
        CHECK_OK(s);
        CHECK(s == OMEN_OK && all_there(c));
        CHECK_OK(s == OMEN_OK ? omen_check(db) : s);
    }
    calls = fault_storage_calls(image) - before;
    omen_collection_close(c);
    (void)omen_close(db);
    if (left != NULL) *left = fault_storage_crash(image, FAULT_CRASH_RANDOM, power_off_at);
    CHECK_STORAGE(image);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return calls;
}

TEST(a_log_longer_than_the_memory_limit_opens) {
    fault_storage *image = long_log();
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h, sizeof(void *) == 4 ? 3 << 19 : 5 << 19, 64 << 20); /* tables with short pointers take less */
    omen_db *db;
    omen_collection *c;
    /* For reading only nothing can be flushed: the limit is told, with what to do. */
    o.read_only = 1;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    CHECK_STATUS(open_things(&o, &db, &c), OMEN_ERR_MEMORY);
    CHECK(strstr(omen_last_error(), "for writing") != NULL);
    fault_host_free(h);
    recovered_in(fault_storage_clone(image), 5 << 19, 0, 0, NULL);
    recovered_in(fault_storage_clone(image), 5 << 19, 40, 0, NULL);
    recovered_in(fault_storage_clone(image), 0, 0, 0, NULL); /* and without a limit, by the size of its tables */
    fault_storage_free(image);
}

TEST(power_may_fail_while_it_opens) {
    fault_storage *image = long_log();
    uint64_t calls = recovered_in(fault_storage_clone(image), 5 << 19, 0, 0, NULL);
    CHECK(calls > 50);
    for (uint64_t at = 1; at < calls; at += TEST_PICK(3, 17)) {
        fault_storage *left = NULL;
        recovered_in(fault_storage_clone(image), 5 << 19, 0, at, &left);
        recovered_in(left, 5 << 19, 0, 0, NULL);
    }
    fault_storage_free(image);
}

TEST(writes_flush_when_memory_runs_out) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h, 7 << 19, 64 << 20); /* tables are never full: the limit comes first */
    omen_db *db;
    omen_collection *c;
    REQUIRE(CHECK_OK(open_things(&o, &db, &c)));
    for (int n = 0; n < BATCHES; n++) CHECK_OK(write_batch(c, n));
    CHECK(all_there(c));
    /* One that is itself too large is refused, and nothing is written of it. */
    static char large[4 << 20];
    const omen_id one = OMEN_ID_INT(1);
    static float row[DIMS];
    const void *vectors[] = {row};
    memset(large, 'x', sizeof large);
    memcpy(large, "{\"t\":\"", 6);
    memcpy(large + sizeof large - 2, "\"}", 2);
    const omen_str document = {large, sizeof large};
    CHECK_STATUS(omen_upsert(c, &(omen_batch){.count = 1, .ids = &one, .vectors = vectors, .documents = &document}), OMEN_ERR_MEMORY);
    CHECK(strstr(omen_last_error(), "smaller batches") != NULL);
    CHECK(all_there(c));
    CHECK_OK(write_batch(c, BATCHES - 1));
    CHECK_OK(omen_check(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_OK(open_things(&o, &db, &c));
    CHECK(all_there(c));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
