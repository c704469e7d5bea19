/* Indexes in a database: built off the write path, found stale, damaged, cancelled or failing, and nothing lost whatever happens to them. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { DIMS = 16, MOST = 6000, K = 10 };
enum { STEP = TEST_EMULATED ? 10 : TEST_PICK(1, 3) }; /* every so many of the cases */

static float vectors[2 * MOST][DIMS];
static omen_id ids[2 * MOST];

static void make(void) {
    static float centre[30][DIMS];
    for (int i = 0; i < 30 * DIMS; i++) centre[i / DIMS][i % DIMS] = test_rand_float() * 4.0f;
    for (int r = 0; r < 2 * MOST; r++) {
        const float *c = centre[test_rand_below(30)];
        for (int d = 0; d < DIMS; d++) vectors[r][d] = c[d] + test_rand_float();
        ids[r] = OMEN_ID_INT(r);
    }
}

typedef struct fixture {
    fault_host *h;
    fault_storage *fs;
    omen_db *db;
    omen_collection *c;
    omen_index_kind kind;
    uint64_t index_bytes;
} fixture;

static omen_status try_open(fixture *x) {
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = x->kind, .ef_construction = x->kind == OMEN_INDEX_HNSW ? 40 : 0}};
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.manual_maintenance = 1;
    o.index_bytes = x->index_bytes;
    x->db = NULL;
    x->c = NULL;
    omen_status st = omen_open("db", &o, &x->db);
    if (st != OMEN_OK) return st;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    return omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c);
}

static void begin(fixture *x, omen_index_kind kind) {
    *x = (fixture){.h = fault_host_new(1), .kind = kind};
    x->fs = fault_host_image(x->h, "db");
    make();
    CHECK_OK(try_open(x));
}

static void close_db(fixture *x) {
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
}

static void end(fixture *x) {
    close_db(x);
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    CHECK_STORAGE(x->fs);
    fault_host_free(x->h);
}

/* vectors[from + i] under ids[i] */
static void put(fixture *x, int first, int from, int count) {
    const void *v[] = {vectors[from]};
    CHECK_OK(omen_upsert(x->c, &(omen_batch){.count = (size_t)count, .ids = ids + first, .vectors = v}));
}

static char report[1 << 16];
static const char *explain(fixture *x) {
    omen_query q;
    size_t needed;
    omen_query_init(&q);
    q.vector = vectors[0];
    q.dimensions = DIMS;
    q.k = K;
    CHECK_OK(omen_explain(x->c, &q, report, sizeof report, &needed));
    return report;
}

static bool indexed(fixture *x, const char *kind) {
    char want[40];
    snprintf(want, sizeof want, "\"index\":\"%s\",", kind);
    return strstr(explain(x), want) != NULL;
}

static omen_results *ask(fixture *x, const float *v, bool exact, uint32_t ef) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = K;
    q.exact = exact;
    q.ef = q.nprobe = ef;
    CHECK_OK(omen_search(x->c, &q, &r));
    return r;
}

/* Share of the nearest, by an exact search, that a search finds. Distances must be the exact ones. */
static double recall(fixture *x, int queries, uint32_t ef) {
    int found = 0, all = 0;
    for (int i = 0; i < queries; i++) {
        float v[DIMS];
        for (int d = 0; d < DIMS; d++) v[d] = vectors[test_rand_below(2 * MOST)][d] + 0.2f * test_rand_float();
        omen_results *truth = ask(x, v, true, 0), *got = ask(x, v, false, ef);
        CHECK_EQ_UINT(omen_results_count(got), omen_results_count(truth));
        for (size_t a = 0; a < omen_results_count(truth); a++, all++)
            for (size_t b = 0; b < omen_results_count(got); b++)
                if (omen_results_id(truth, a).number == omen_results_id(got, b).number) {
                    CHECK_BITS(omen_results_distance(got, b), omen_results_distance(truth, a));
                    found++;
                }
        omen_results_free(truth);
        omen_results_free(got);
    }
    return all == 0 ? 1.0 : (double)found / all;
}

static const omen_index_kind kinds[] = {OMEN_INDEX_HNSW, OMEN_INDEX_IVF, OMEN_INDEX_DISK};
static const char *const names[] = {"hnsw", "ivf", "disk"};

TEST(indexes_are_built_kept_and_opened_again) {
    for (size_t k = 0; k < 3; k++) {
        fixture x;
        begin(&x, kinds[k]);
        put(&x, 0, 0, 3000);
        CHECK(indexed(&x, "flat"));
        CHECK(!indexed(&x, names[k]));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(indexed(&x, names[k]));
        CHECK(recall(&x, 40, 200) >= 0.98);
        CHECK(recall(&x, 40, 0) >= 0.88);
        CHECK_OK(omen_check(x.db));
        close_db(&x);
        CHECK_OK(try_open(&x));
        CHECK(indexed(&x, names[k]));
        CHECK(recall(&x, 40, 200) >= 0.98);
        /* New rows and deletions are seen at once. */
        put(&x, 3000, 3000, 500);
        put(&x, 100, MOST, 200);
        CHECK_OK(omen_delete(x.c, ids + 400, 300, NULL));
        CHECK(recall(&x, 60, 200) >= 0.97);
        CHECK_OK(omen_flush(x.db));
        CHECK(recall(&x, 60, 200) >= 0.97);
        CHECK_OK(omen_compact(x.db));
        CHECK(!indexed(&x, names[k])); /* a merged segment is new */
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(indexed(&x, names[k]));
        CHECK(recall(&x, 60, 200) >= 0.98);
        CHECK_OK(omen_check(x.db));
        end(&x);
    }
}

/* The order of things must not matter: writes, flushes and merges go on while an index is built in the smallest steps. */
TEST(writes_never_wait_for_an_index) {
    fixture x;
    begin(&x, OMEN_INDEX_HNSW);
    put(&x, 0, 0, 2000);
    CHECK_OK(omen_flush(x.db));
    unsigned put_so_far = 0;
    for (int round = 0, more = 1; round < 400 && more; round++) {
        CHECK_OK(omen_db_maintain(x.db, 0, &more));
        if (round % 5 == 0) put(&x, 2000 + round, 2000 + round, 1), put_so_far++;
        if (round % 40 == 20) CHECK_OK(omen_flush(x.db));
        if (round % 10 == 0) {
            omen_results *r = ask(&x, vectors[2000 + round], false, 0);
            CHECK_EQ_INT(omen_results_id(r, 0).number, 2000 + round); /* found at once */
            omen_results_free(r);
        }
    }
    uint64_t count;
    CHECK_OK(omen_count(x.c, &count));
    CHECK_EQ_UINT(count, 2000 + put_so_far);
    CHECK(put_so_far > 5);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(indexed(&x, "hnsw"));
    CHECK_OK(omen_check(x.db));
    end(&x);
}

TEST(a_build_that_is_cut_off_loses_nothing) {
    for (int steps = 1; steps < 60; steps += 7 * STEP) {
        fixture x;
        int more = 1;
        begin(&x, OMEN_INDEX_HNSW);
        put(&x, 0, 0, 2000);
        CHECK_OK(omen_flush(x.db));
        for (int i = 0; i < steps && more; i++) CHECK_OK(omen_db_maintain(x.db, 0, &more));
        close_db(&x); /* in the middle */
        CHECK_OK(try_open(&x));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(indexed(&x, "hnsw"));
        CHECK(recall(&x, 20, 200) >= 0.98);
        size_t files = 0;
        for (size_t i = 0; i < fault_storage_count(x.fs); i++) files += strncmp(fault_storage_name(x.fs, i), "seg-4", 5) == 0;
        CHECK_EQ_UINT(files, 1); /* what was left behind is gone */
        end(&x);
    }
}

TEST(power_that_fails_during_a_build_loses_nothing) {
    for (uint64_t seed = 1; seed <= 60; seed += STEP) {
        fixture x;
        int more = 1;
        begin(&x, seed % 2 == 0 ? OMEN_INDEX_HNSW : OMEN_INDEX_IVF);
        put(&x, 0, 0, 600);
        CHECK_OK(omen_flush(x.db));
        fault_storage_power_off_at(x.fs, 1 + test_rand_below(25));
        omen_status s = OMEN_OK;
        while (s == OMEN_OK && more) s = omen_db_maintain(x.db, 0, &more);
        omen_collection_close(x.c);
        (void)omen_close(x.db);
        fault_host_set_image(x.h, "db", fault_storage_crash(x.fs, FAULT_CRASH_RANDOM, seed));
        x.fs = fault_host_image(x.h, "db");
        CHECK_OK(try_open(&x));
        uint64_t count;
        CHECK_OK(omen_count(x.c, &count));
        CHECK_EQ_UINT(count, 600);
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(recall(&x, 10, 200) >= 0.96);
        CHECK_OK(omen_check(x.db));
        end(&x);
    }
}

/* Whatever byte of an index file is wrong, the database opens, answers rightly, and builds the index anew. */
TEST(a_damaged_index_is_left_out_and_built_again) {
    for (size_t k = 0; k < 3; k++) {
        for (int n = 0; n < 30; n += STEP) {
            fixture x;
            char name[32] = "";
            size_t len = 0;
            begin(&x, kinds[k]);
            put(&x, 0, 0, 400);
            CHECK_OK(omen_build_indexes(x.db));
            close_db(&x);
            for (size_t i = 0; i < fault_storage_count(x.fs); i++)
                if (strncmp(fault_storage_name(x.fs, i), "seg-4", 5) == 0) snprintf(name, sizeof name, "%s", fault_storage_name(x.fs, i));
            REQUIRE(fault_storage_data(x.fs, name, &len) != NULL);
            if (n == 0) fault_storage_delete(x.fs, name);
            else if (n == 1) fault_storage_cut(x.fs, name, len / 2);
            else fault_storage_xor(x.fs, name, test_rand_below(len), (uint8_t)(1u << test_rand_below(8)));
            CHECK_OK(try_open(&x));
            /* Damage where nobody looks (between sections, or a block of a disk graph) stays unseen until a check. */
            if (!indexed(&x, names[k])) {
                CHECK(recall(&x, 5, 0) == 1.0);
                CHECK_OK(omen_build_indexes(x.db));
                CHECK(indexed(&x, names[k]));
                CHECK_OK(omen_check(x.db));
            } else {
                CHECK_STATUS(omen_check(x.db), OMEN_ERR_CORRUPT);
            }
            omen_collection_close(x.c);
            (void)omen_close(x.db);
            fault_host_free(x.h);
        }
    }
}

TEST(a_build_that_fails_hurts_nothing_else) {
    unsigned failed = 0, stopped = 0;
    for (uint64_t n = 1; n <= 120; n += 3 * STEP) {
        fixture x;
        begin(&x, n % 2 == 0 ? OMEN_INDEX_HNSW : OMEN_INDEX_IVF);
        put(&x, 0, 0, 500);
        CHECK_OK(omen_flush(x.db));
        fault_host_fail_alloc_at(x.h, n, true);
        omen_status s = omen_build_indexes(x.db);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        fault_host_fail_alloc_at(x.h, 0, false);
        CHECK(recall(&x, 5, 200) >= 0.96);
        /* Memory that runs out between the manifest and what it stands for in memory stops the writing; everything else goes on. */
        const void *v[] = {vectors[500]};
        s = omen_upsert(x.c, &(omen_batch){.count = 10, .ids = ids + 500, .vectors = v});
        CHECK(s == OMEN_OK || s == OMEN_ERR_POISONED);
        stopped += s != OMEN_OK;
        close_db(&x);
        CHECK_OK(try_open(&x)); /* a new try */
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(recall(&x, 5, 200) >= 0.96);
        end(&x);
    }
    CHECK(failed > 20 / STEP - 1);
    CHECK(stopped < 10);
    for (uint64_t n = 1; n <= 12; n++) { /* a full disk */
        fixture x;
        begin(&x, OMEN_INDEX_HNSW);
        put(&x, 0, 0, 500);
        CHECK_OK(omen_flush(x.db));
        fault_storage_fail_at(x.fs, n, OMEN_ERR_FULL, true);
        omen_status s = omen_build_indexes(x.db);
        CHECK(s == OMEN_OK || s == OMEN_ERR_FULL || s == OMEN_ERR_POISONED);
        fault_storage_fail_at(x.fs, 0, OMEN_OK, false);
        CHECK(recall(&x, 5, 200) >= 0.96);
        omen_collection_close(x.c);
        (void)omen_close(x.db);
        CHECK_OK(try_open(&x));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(indexed(&x, "hnsw"));
        end(&x);
    }
}

TEST(what_is_chosen_depends_on_rows_and_memory_and_is_explained) {
    enum { MANY = 4096, WIDE = 256 };
    static const struct { uint64_t bytes; const char *kind, *why; } budgets[] = {
        {0, "hnsw", "it is the fastest"}, {1700000, "ivf", "lists of codes do"}, {4096, "disk", "read on demand"}};
    static float many[MANY][WIDE];
    static omen_id many_ids[MANY];
    fixture x;
    begin(&x, OMEN_INDEX_AUTO);
    put(&x, 0, 0, 1000);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(strstr(explain(&x), "few rows") != NULL);
    end(&x);
    for (int r = 0; r < MANY; r++) {
        for (int d = 0; d < WIDE; d++) many[r][d] = test_rand_float();
        many_ids[r] = OMEN_ID_INT(r);
    }
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        omen_vector_field f = {.name = {"", 0}, .dimensions = WIDE, .metric = OMEN_METRIC_L2};
        fault_host *h = fault_host_new(1);
        omen_options o;
        omen_schema s;
        omen_db *db;
        omen_collection *c;
        omen_query q;
        size_t needed;
        char want[40];
        omen_options_init(&o);
        o.host = &h->host;
        o.manual_maintenance = 1;
        o.index_bytes = budgets[i].bytes;
        REQUIRE_OK(omen_open("db", &o, &db));
        omen_schema_init(&s);
        s.vector_count = 1;
        s.vectors = &f;
        REQUIRE_OK(omen_collection_open(db, OMEN_STR("c"), &s, &c));
        const void *v[] = {many};
        CHECK_OK(omen_upsert(c, &(omen_batch){.count = MANY, .ids = many_ids, .vectors = v}));
        CHECK_OK(omen_build_indexes(db));
        omen_query_init(&q);
        q.vector = many[5];
        q.dimensions = WIDE;
        q.k = K;
        CHECK_OK(omen_explain(c, &q, report, sizeof report, &needed));
        snprintf(want, sizeof want, "\"index\":\"%s\",", budgets[i].kind);
        CHECK(strstr(report, want) != NULL);
        CHECK(strstr(report, budgets[i].why) != NULL);
        omen_collection_close(c);
        CHECK_OK(omen_close(db));
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        fault_host_free(h);
    }
}

/* Whatever was deleted around a query, there are as many hits as records, up to k. */
TEST(deletions_around_a_query_take_no_hits_away) {
    for (size_t k = 0; k < 3; k++) {
        fixture x;
        omen_id gone[3000];
        size_t n = 0;
        begin(&x, kinds[k]);
        put(&x, 0, 0, 4000);
        CHECK_OK(omen_build_indexes(x.db));
        /* The 1,900 nearest of a point go, first from memory's view alone, then from the segment's. */
        omen_query q;
        omen_results *r;
        omen_query_init(&q);
        q.vector = vectors[7];
        q.dimensions = DIMS;
        q.k = 1900;
        q.exact = 1;
        CHECK_OK(omen_search(x.c, &q, &r));
        for (; n < omen_results_count(r); n++) gone[n] = omen_results_id(r, n);
        omen_results_free(r);
        CHECK_OK(omen_delete(x.c, gone, n, NULL));
        for (int flushed = 0; flushed < 2; flushed++) {
            omen_results *truth = ask(&x, vectors[7], true, 0), *got = ask(&x, vectors[7], false, 0);
            CHECK_EQ_UINT(omen_results_count(got), K);
            unsigned same = 0;
            for (size_t a = 0; a < K; a++)
                for (size_t b = 0; b < omen_results_count(got); b++) same += omen_results_id(truth, a).number == omen_results_id(got, b).number;
            /* A walk in memory goes on until it has met as many living rows as it meant to; the others only keep the number of hits. What is
             * left lies in a shell of nearly equal distances, which codes do not tell apart well. */
            CHECK(same >= (kinds[k] == OMEN_INDEX_HNSW || !flushed ? 5 : 0));
            omen_results_free(truth);
            omen_results_free(got);
            CHECK_OK(omen_flush(x.db));
        }
        end(&x);
    }
}

TEST(a_search_that_asks_for_what_cannot_be_is_told) {
    fixture x;
    begin(&x, OMEN_INDEX_HNSW);
    put(&x, 0, 0, 200);
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.vector = vectors[0];
    q.dimensions = DIMS;
    q.k = 3;
    const float bad[] = {-0.1f, 1.5f, __builtin_nanf("")};
    for (size_t i = 0; i < 3; i++) {
        q.recall = bad[i];
        CHECK_STATUS(omen_search(x.c, &q, &r), OMEN_ERR_INVALID);
        CHECK(strstr(omen_last_error(), "recall") != NULL);
    }
    q.recall = 0;
    q.ef = 100001;
    CHECK_STATUS(omen_search(x.c, &q, &r), OMEN_ERR_INVALID);
    q.ef = 0;
    q.nprobe = 65537;
    CHECK_STATUS(omen_search(x.c, &q, &r), OMEN_ERR_INVALID);
    q.nprobe = 8;
    q.exact = 1;
    CHECK_STATUS(omen_search(x.c, &q, &r), OMEN_ERR_INVALID);
    CHECK(strstr(omen_last_error(), "exact") != NULL);
    CHECK(r == NULL);
    end(&x);
}

/* A list has a row at least: what is asked for cannot be had, and what there is must not be built again and again. */
TEST(an_index_with_more_lists_than_rows_is_built_once) {
    fixture x;
    const omen_index_options wanted = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 65536};
    int more = 1;
    begin(&x, OMEN_INDEX_FLAT);
    put(&x, 0, 0, 300);
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), &wanted));
    for (int n = 0; n < 500 && more != 0; n++) CHECK_OK(omen_db_maintain(x.db, 0, &more));
    CHECK_EQ_INT(more, 0);
    size_t needed;
    CHECK_OK(omen_stats(x.db, report, sizeof report, &needed));
    CHECK(strstr(report, "\"kind\":\"ivf\",\"codec\"") != NULL);
    end(&x);
}

TEST_MAIN()
