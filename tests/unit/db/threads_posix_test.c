/* One writer, several readers, and maintenance beside them, on the POSIX host: a reader sees whole batches only. Every batch gives all its ids one
 * version, so a read that sees two versions has seen half a batch. Run under ThreadSanitizer too. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "omendb.h"

enum { IDS = 24, DIMS = 12, BATCHES = 300, READERS = 3, READS = 100, PATIENCE = 1000 * BATCHES };

typedef struct shared {
    omen_db *db;
    omen_collection *c;
    _Atomic int written; /* batches acknowledged */
    _Atomic bool done;
    _Atomic unsigned long reads, mixed, stale, failed;
} shared;

static void *write_all(void *arg) {
    shared *s = arg;
    static float rows[IDS][DIMS];
    omen_id ids[IDS];
    omen_str docs[IDS];
    char text[80];
    for (int i = 0; i < IDS; i++) ids[i] = OMEN_ID_INT(i);
    /* On a busy machine readers come late: it goes on until they have read. */
    for (int b = 1; b <= BATCHES || (atomic_load(&s->reads) <= READS && b <= PATIENCE); b++) {
        for (int i = 0; i < IDS; i++)
            for (int d = 0; d < DIMS; d++) rows[i][d] = (float)b;
        int n = snprintf(text, sizeof text, "{\"v\":%d,\"t\":\"words of batch%d\",\"s\":{\"indices\":[%d,7],\"values\":[1,2]}}", b, b, 10 + b);
        for (int i = 0; i < IDS; i++) docs[i] = (omen_str){text, (size_t)n};
        const void *vectors[] = {rows[0]};
        if (omen_upsert(s->c, &(omen_batch){.count = IDS, .ids = ids, .vectors = vectors, .documents = docs}) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        atomic_store(&s->written, b);
        if (b % 60 == 0 && omen_flush(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        if (b % 140 == 0 && omen_compact(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
    }
    atomic_store(&s->done, true);
    return NULL;
}

/* The version all results agree on, or 0. */
static int agreed(const omen_results *r) {
    int version = 0;
    for (size_t i = 0; i < omen_results_count(r); i++) {
        int v = 0;
        omen_str doc = omen_results_document(r, i);
        char text[32] = "";
        memcpy(text, doc.data, doc.len < 31 ? doc.len : 31);
        if (!omen_results_found(r, i) || sscanf(text, "{\"v\":%d}", &v) != 1) return 0;
        if (version != 0 && v != version) return 0;
        version = v;
    }
    return version;
}

static void *read_on(void *arg) {
    shared *s = arg;
    omen_id ids[IDS];
    float q[DIMS] = {0};
    omen_query query, words, sparse;
    for (int i = 0; i < IDS; i++) ids[i] = OMEN_ID_INT(i);
    omen_query_init(&query);
    query.vector = q;
    query.dimensions = DIMS;
    query.k = IDS + 3;
    omen_query_init(&words);
    words.k = IDS + 3;
    words.include = OMEN_INCLUDE_DOCUMENT;
    sparse = words;
    words.options = OMEN_STR("{\"text\":\"word bat*\"}");
    sparse.options = OMEN_STR("{\"sparse\":{\"indices\":[7],\"values\":[1]}}");
    for (unsigned n = 0; !atomic_load(&s->done); n++) {
        int before = atomic_load(&s->written);
        if (before == 0) continue;
        omen_results *r = NULL;
        omen_status st = n % 5 == 0   ? omen_search(s->c, &query, &r)
                         : n % 5 == 3 ? omen_search(s->c, &words, &r)
                         : n % 5 == 4 ? omen_search(s->c, &sparse, &r)
                         : n % 5 == 1 ? omen_get(s->c, ids, IDS, OMEN_INCLUDE_DOCUMENT, &r)
                                      : omen_scroll(s->c, NULL, IDS + 3, OMEN_INCLUDE_DOCUMENT, &r);
        int version = st == OMEN_OK && omen_results_count(r) == IDS ? agreed(r) : 0;
        atomic_fetch_add(&s->reads, 1);
        if (version == 0) atomic_fetch_add(&s->mixed, 1);
        else if (version < before) atomic_fetch_add(&s->stale, 1); /* acknowledged before the read began */
        omen_results_free(r);
        uint64_t count = 0;
        if (n % 16 == 0 && (omen_count(s->c, &count) != OMEN_OK || count != IDS)) atomic_fetch_add(&s->mixed, 1);
    }
    return NULL;
}

TEST(readers_see_whole_batches_while_tables_are_flushed_and_merged) {
    char path[256], command[300];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/omendb-threads-%ld", base == NULL ? "/tmp" : base, (long)getpid());
    shared s = {0};
    omen_options o;
    omen_options_init(&o);
    o.memtable_bytes = 16384;
    o.pool_bytes = 1 << 20;
    o.durability = OMEN_DURABILITY_OS;
    CHECK_STATUS(omen_open(path, &o, &s.db), OMEN_OK);
    REQUIRE(s.db != NULL);
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    const omen_text_field text = {.name = OMEN_STR("t")};
    const omen_str terms = OMEN_STR("s");
    schema.text_count = schema.sparse_count = 1;
    schema.texts = &text;
    schema.sparse = &terms;
    CHECK_STATUS(omen_collection_open(s.db, OMEN_STR("things"), &schema, &s.c), OMEN_OK);
    pthread_t writer, readers[READERS];
    REQUIRE(pthread_create(&writer, NULL, write_all, &s) == 0);
    for (int i = 0; i < READERS; i++) REQUIRE(pthread_create(&readers[i], NULL, read_on, &s) == 0);
    pthread_join(writer, NULL);
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    printf("     %lu reads beside %d batches\n", (unsigned long)s.reads, (int)s.written);
    CHECK_EQ_UINT(s.mixed, 0);
    CHECK_EQ_UINT(s.stale, 0);
    CHECK_EQ_UINT(s.failed, 0);
    CHECK(s.reads > READS);
    CHECK_STATUS(omen_check(s.db), OMEN_OK);
    omen_collection_close(s.c);
    CHECK_STATUS(omen_close(s.db), OMEN_OK);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK_EQ_INT(system(command), 0);
}

TEST_MAIN()
