/* Readers search while a writer writes and flushes, another thread changes what index there is to be, and the host's maintainer thread builds: on the POSIX host,
 * with real threads. Vectors of an id never change, so every distance can be checked whatever is searched at that moment. Run under ThreadSanitizer too. */
#include "test.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "omendb.h"

enum { ROWS = 2400, DIMS = 16, BATCH = 300, ROUNDS = 3, CHANGES = 15, READERS = 2, K = 5, SEARCHES = 300, PATIENCE = 1000 };

static float vectors[ROWS][DIMS];

typedef struct shared {
    omen_db *db;
    omen_collection *c;
    _Atomic bool done;
    _Atomic unsigned long searches, wrong, missed, failed;
} shared;

static omen_status put(shared *s, int first, int count) {
    omen_id ids[BATCH];
    const void *v[] = {vectors[first]};
    for (int i = 0; i < count; i++) ids[i] = OMEN_ID_INT(first + i);
    return omen_upsert(s->c, &(omen_batch){.count = (size_t)count, .ids = ids, .vectors = v});
}

/* Every round replaces all rows: parts die, are merged, and their indexes are given up or replaced. */
static void *write_on(void *arg) {
    shared *s = arg;
    /* On a busy machine readers come late: it goes on until they have searched. */
    for (int round = 0; round < ROUNDS || (atomic_load(&s->searches) <= SEARCHES && round < PATIENCE); round++)
        for (int at = 0; at < ROWS; at += BATCH) {
            if (put(s, at, BATCH) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
            if (at % (3 * BATCH) == 0 && omen_flush(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
            usleep(4000); /* so that builds are begun between the writes */
        }
    return NULL;
}

static void *read_on(void *arg) {
    shared *s = arg;
    static char report[READERS][1 << 15];
    static _Atomic int readers;
    char *text = report[atomic_fetch_add(&readers, 1) % READERS];
    unsigned n = 0;
    for (; !atomic_load(&s->done); n++) {
        unsigned want = (n * 997u + 13u) % ROWS;
        omen_query q;
        omen_results *r = NULL;
        omen_query_init(&q);
        q.vector = vectors[want];
        q.dimensions = DIMS;
        q.k = K;
        q.recall = n % 5 == 0 ? 1.0f : 0.0f;
        if (omen_search(s->c, &q, &r) != OMEN_OK) {
            atomic_fetch_add(&s->failed, 1);
            continue;
        }
        bool good = omen_results_count(r) == K;
        for (size_t i = 0; i < omen_results_count(r) && good; i++) {
            const float *v = vectors[omen_results_id(r, i).number];
            double square = 0.0;
            for (int d = 0; d < DIMS; d++) square += ((double)v[d] - vectors[want][d]) * ((double)v[d] - vectors[want][d]);
            good = fabs(sqrt(square) - omen_results_distance(r, i)) < 1e-3 && (i == 0 || omen_results_distance(r, i - 1) <= omen_results_distance(r, i));
        }
        bool own = good && omen_results_id(r, 0).number == (int64_t)want;
        atomic_fetch_add(&s->searches, 1);
        if (!good || (q.recall >= 1.0f && !own)) atomic_fetch_add(&s->wrong, 1);
        else if (!own) atomic_fetch_add(&s->missed, 1);
        omen_results_free(r);
        size_t needed;
        if (n % 16 == 0 && omen_explain(s->c, &q, text, 1 << 15, &needed) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        if (n % 16 == 8 && omen_stats(s->db, text, 1 << 15, &needed) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
    }
    return NULL;
}

/* Asks for one kind after another; now and then waits until all of it is built, beside the maintainer that builds too. */
static void *change_on(void *arg) {
    shared *s = arg;
    static const omen_index_kind kinds[] = {OMEN_INDEX_HNSW, OMEN_INDEX_FLAT, OMEN_INDEX_HNSW, OMEN_INDEX_IVF, OMEN_INDEX_DISK};
    for (unsigned n = 0; n < CHANGES; n++) {
        omen_index_options o = {.kind = kinds[n % 5], .ef_construction = kinds[n % 5] == OMEN_INDEX_HNSW ? 24 : 0};
        if (omen_collection_index(s->c, OMEN_STR(""), &o) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        if (n % 4 == 3 && omen_build_indexes(s->db) != OMEN_OK) atomic_fetch_add(&s->failed, 1);
        usleep(n % 2 == 0 ? 30000 : 3000);
    }
    return NULL;
}

static size_t files_of_indexes(const char *path) {
    char command[320], line[64] = "";
    snprintf(command, sizeof command, "ls '%s' | grep -c '^seg-4'", path);
    FILE *p = popen(command, "r");
    if (p == NULL) return SIZE_MAX;
    bool read = fgets(line, sizeof line, p) != NULL;
    pclose(p);
    return read ? (size_t)atoi(line) : SIZE_MAX;
}

TEST(searches_are_right_while_indexes_are_built_replaced_and_let_go) {
    char path[256], command[300];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/omendb-indexing-%ld", base == NULL ? "/tmp" : base, (long)getpid());
    for (int r = 0; r < ROWS; r++)
        for (int d = 0; d < DIMS; d++) vectors[r][d] = test_rand_float() * 4.0f;
    shared s = {0};
    omen_options o;
    omen_options_init(&o);
    o.memtable_bytes = 128 << 10;
    o.pool_bytes = 4 << 20;
    o.index_bytes = 1 << 20;
    o.durability = OMEN_DURABILITY_OS;
    CHECK_STATUS(omen_open(path, &o, &s.db), OMEN_OK);
    REQUIRE(s.db != NULL);
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW, .ef_construction = 24}};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    CHECK_STATUS(omen_collection_open(s.db, OMEN_STR("things"), &schema, &s.c), OMEN_OK);
    for (int at = 0; at < ROWS; at += BATCH) CHECK_STATUS(put(&s, at, BATCH), OMEN_OK);
    CHECK_STATUS(omen_build_indexes(s.db), OMEN_OK);
    pthread_t writer, changer, readers[READERS];
    REQUIRE(pthread_create(&writer, NULL, write_on, &s) == 0);
    REQUIRE(pthread_create(&changer, NULL, change_on, &s) == 0);
    for (int i = 0; i < READERS; i++) REQUIRE(pthread_create(&readers[i], NULL, read_on, &s) == 0);
    pthread_join(writer, NULL);
    pthread_join(changer, NULL);
    atomic_store(&s.done, true);
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    printf("     %lu searches, %lu did not find their own row, beside %d changes of the index\n", (unsigned long)s.searches, (unsigned long)s.missed, (int)CHANGES);
    CHECK_EQ_UINT(s.wrong, 0);
    CHECK_EQ_UINT(s.failed, 0);
    CHECK(s.searches > SEARCHES);
    CHECK(s.missed * 10 <= s.searches);
    /* Nothing is left over of builds that were given up: one part, one index, and both are sound. */
    omen_index_options last = {.kind = OMEN_INDEX_HNSW, .m = 20};
    CHECK_STATUS(omen_collection_index(s.c, OMEN_STR(""), &last), OMEN_OK);
    CHECK_STATUS(omen_compact(s.db), OMEN_OK);
    CHECK_STATUS(omen_build_indexes(s.db), OMEN_OK);
    CHECK_EQ_UINT(files_of_indexes(path), 1);
    CHECK_STATUS(omen_check(s.db), OMEN_OK);
    omen_collection_close(s.c);
    CHECK_STATUS(omen_close(s.db), OMEN_OK);
    CHECK_STATUS(omen_open(path, &o, &s.db), OMEN_OK);
    CHECK_EQ_UINT(files_of_indexes(path), 1);
    CHECK_STATUS(omen_check(s.db), OMEN_OK);
    CHECK_STATUS(omen_close(s.db), OMEN_OK);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK_EQ_INT(system(command), 0);
}

TEST_MAIN()
