/* Other parameters of an index, while the database is in use: logged, replayed, kept by the manifest, and the indexes follow. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { DIMS = 8, ROWS = 600, K = 10 };

static float vectors[ROWS][DIMS];
static omen_id ids[ROWS];

typedef struct fixture {
    fault_host *h;
    fault_storage *fs;
    omen_db *db;
    omen_collection *c;
} fixture;

static omen_status try_open(fixture *x, bool create) {
    omen_vector_field f[2] = {{.name = OMEN_STR("a"), .dimensions = DIMS, .metric = OMEN_METRIC_L2}, {.name = OMEN_STR("b"), .dimensions = DIMS, .metric = OMEN_METRIC_IP}};
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.manual_maintenance = 1;
    o.durability = OMEN_DURABILITY_FULL;
    omen_schema_init(&s);
    s.vector_count = 2;
    s.vectors = f;
    x->c = NULL;
    omen_status st = omen_open("db", &o, &x->db);
    return st == OMEN_OK ? omen_collection_open(x->db, OMEN_STR("c"), create ? &s : NULL, &x->c) : st;
}

static void begin(fixture *x) {
    *x = (fixture){.h = fault_host_new(1)};
    x->fs = fault_host_image(x->h, "db");
    for (int r = 0; r < ROWS; r++) {
        for (int d = 0; d < DIMS; d++) vectors[r][d] = test_rand_float();
        ids[r] = OMEN_ID_INT(r);
    }
    CHECK_OK(try_open(x, true));
}

static void put(fixture *x, int first, int count) {
    const void *v[] = {vectors[first], vectors[first]};
    CHECK_OK(omen_upsert(x->c, &(omen_batch){.count = (size_t)count, .ids = ids + first, .vectors = v}));
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

/* The schema as a collection that is opened now has it. */
static omen_index_options schema_index(fixture *x, int field) {
    omen_collection *c;
    omen_index_options o = {0};
    if (!CHECK_OK(omen_collection_open(x->db, OMEN_STR("c"), NULL, &c))) return o;
    o = omen_collection_schema(c)->vectors[field].index;
    omen_collection_close(c);
    return o;
}

static bool searched_by(fixture *x, const char *field, const char *kind) {
    static char report[1 << 14];
    char want[40];
    size_t needed;
    omen_query q;
    omen_query_init(&q);
    q.vector = vectors[0];
    q.dimensions = DIMS;
    q.field = (omen_str){field, 1};
    q.k = K;
    snprintf(want, sizeof want, "\"index\":\"%s\",", kind);
    return CHECK_OK(omen_explain(x->c, &q, report, sizeof report, &needed)) && strstr(report, want) != NULL;
}

static size_t index_files(const fixture *x) {
    size_t files = 0;
    for (size_t i = 0; i < fault_storage_count(x->fs); i++) files += strncmp(fault_storage_name(x->fs, i), "seg-4", 5) == 0;
    return files;
}

static const omen_index_options hnsw = {.kind = OMEN_INDEX_HNSW, .m = 12, .ef_construction = 40};
static const omen_index_options ivf = {.kind = OMEN_INDEX_IVF, .lists = 8};
static const omen_index_options flat = {.kind = OMEN_INDEX_FLAT};

TEST(an_index_becomes_another) {
    fixture x;
    begin(&x);
    put(&x, 0, 500);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(!searched_by(&x, "a", "hnsw")); /* few rows: none by itself */
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &hnsw));
    CHECK_EQ_UINT(schema_index(&x, 0).m, 12);
    CHECK_EQ_UINT(schema_index(&x, 1).m, 0);
    put(&x, 500, 100); /* handles from before go on */
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(searched_by(&x, "a", "hnsw"));
    CHECK(!searched_by(&x, "b", "hnsw"));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &ivf));
    CHECK(searched_by(&x, "a", "hnsw")); /* serves until the other is there */
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(searched_by(&x, "a", "ivf"));
    CHECK(!searched_by(&x, "a", "hnsw"));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &flat));
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(!searched_by(&x, "a", "ivf"));
    uint64_t count;
    CHECK_OK(omen_count(x.c, &count));
    CHECK_EQ_UINT(count, ROWS);
    CHECK_OK(omen_check(x.db));
    close_db(&x);
    CHECK_OK(try_open(&x, false));
    CHECK_EQ_UINT(schema_index(&x, 0).kind, OMEN_INDEX_FLAT);
    CHECK_EQ_UINT(index_files(&x), 0);
    end(&x);
}

TEST(it_is_replayed_and_kept) {
    fixture x;
    begin(&x);
    put(&x, 0, 100);
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("b"), &hnsw));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("b"), &ivf));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &hnsw));
    put(&x, 100, 100);
    for (int pass = 0; pass < 3; pass++) { /* from the log, then from the log again, then from the manifest */
        if (pass == 2) CHECK_OK(omen_flush(x.db));
        omen_collection_close(x.c);
        (void)omen_close(x.db);
        if (pass == 0) {
            fault_host_set_image(x.h, "db", fault_storage_crash(x.fs, FAULT_CRASH_RANDOM, 7));
            x.fs = fault_host_image(x.h, "db");
        }
        CHECK_OK(try_open(&x, false));
        omen_index_options a = schema_index(&x, 0), b = schema_index(&x, 1);
        CHECK_EQ_UINT(a.kind, OMEN_INDEX_HNSW);
        CHECK_EQ_UINT(a.ef_construction, 40);
        CHECK_EQ_UINT(b.kind, OMEN_INDEX_IVF);
        CHECK_EQ_UINT(b.lists, 8);
        CHECK_EQ_UINT(b.m, 0);
        uint64_t count;
        CHECK_OK(omen_count(x.c, &count));
        CHECK_EQ_UINT(count, 200);
    }
    /* A collection that goes takes it along; one of the same name begins anew. */
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &ivf));
    CHECK_OK(omen_collection_drop(x.db, OMEN_STR("c")));
    CHECK_STATUS(omen_collection_index(x.c, OMEN_STR("a"), &hnsw), OMEN_ERR_CLOSED);
    close_db(&x);
    CHECK_OK(try_open(&x, true));
    CHECK_EQ_UINT(schema_index(&x, 0).kind, OMEN_INDEX_AUTO);
    /* Its segments are named by the manifest until there is another: power that fails now must find them. */
    omen_collection_close(x.c);
    (void)omen_close(x.db);
    CHECK_OK(try_open(&x, false));
    end(&x);
}

TEST(the_indexes_of_a_dropped_collection_go) {
    for (int pass = 0; pass < 2; pass++) {
        fixture x;
        int more = 1;
        begin(&x);
        put(&x, 0, 500);
        CHECK_OK(omen_collection_index(x.c, OMEN_STR("a"), &hnsw));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK_EQ_UINT(index_files(&x), 1);
        CHECK_OK(omen_collection_drop(x.db, OMEN_STR("c")));
        if (pass == 1) { /* before anything was cleaned up */
            close_db(&x);
            CHECK_OK(try_open(&x, true));
        }
        while (more) CHECK_OK(omen_db_maintain(x.db, 0, &more));
        CHECK_EQ_UINT(index_files(&x), 0);
        CHECK_OK(omen_check(x.db));
        end(&x);
    }
}

/* Acknowledged means durable, and all or nothing, wherever the power fails. */
TEST(power_that_fails_leaves_one_or_the_other) {
    unsigned kept = 0, old = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        fixture x;
        begin(&x);
        put(&x, 0, 50);
        fault_storage_power_off_at(x.fs, 1 + test_rand_below(4));
        omen_status s = omen_collection_index(x.c, OMEN_STR("a"), &hnsw);
        omen_collection_close(x.c);
        (void)omen_close(x.db);
        fault_host_set_image(x.h, "db", fault_storage_crash(x.fs, FAULT_CRASH_RANDOM, seed));
        x.fs = fault_host_image(x.h, "db");
        CHECK_OK(try_open(&x, false));
        omen_index_options a = schema_index(&x, 0);
        if (a.kind == OMEN_INDEX_HNSW) {
            CHECK_EQ_UINT(a.m, 12);
            kept++;
        } else {
            CHECK_EQ_UINT(a.kind, OMEN_INDEX_AUTO);
            CHECK(s != OMEN_OK);
            old++;
        }
        end(&x);
    }
    CHECK(kept > 5);
    CHECK(old > 5);
}

/* A failure before the log knows of it changes nothing; one after that stops the writing, and reopening shows one or the other. */
TEST(memory_that_runs_out_changes_nothing_or_stops_the_writing) {
    unsigned failed = 0, old = 0;
    for (uint64_t n = 1; n <= 14; n++) {
        fixture x;
        begin(&x);
        put(&x, 0, 50);
        fault_host_fail_alloc_at(x.h, n, false);
        omen_status s = omen_collection_index(x.c, OMEN_STR("a"), &hnsw);
        fault_host_fail_alloc_at(x.h, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY);
        failed += s != OMEN_OK;
        bool stopped = s != OMEN_OK && omen_delete(x.c, ids, 1, NULL) == OMEN_ERR_POISONED;
        if (stopped) {
            close_db(&x);
            CHECK_OK(try_open(&x, false));
        }
        bool changed = schema_index(&x, 0).kind == OMEN_INDEX_HNSW;
        CHECK(stopped || changed == (s == OMEN_OK));
        old += !changed;
        end(&x);
    }
    CHECK(failed > 3);
    CHECK(old > 1);
}

TEST(bad_parameters_are_refused_by_name) {
    static const struct { omen_index_options o; const char *field, *says; } cases[] = {
        {{.kind = OMEN_INDEX_HNSW, .m = 3}, "a", "m 3; use 4 to 128"},
        {{.kind = OMEN_INDEX_HNSW, .m = 129}, "a", "m 129"},
        {{.kind = OMEN_INDEX_DISK, .ef_construction = 7}, "a", "ef_construction 7; use 8 to 2000"},
        {{.kind = OMEN_INDEX_DISK, .ef_construction = 2001}, "a", "ef_construction 2001"},
        {{.kind = OMEN_INDEX_IVF, .lists = 65537}, "a", "65537 lists"},
        {{.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_RABITQ, .bits = 9}, "a", "9 bits"},
        {{.kind = OMEN_INDEX_IVF, .bits = 4}, "a", "rabitq"},
        {{.kind = OMEN_INDEX_IVF, .m = 16}, "a", "of graphs"},
        {{.kind = OMEN_INDEX_HNSW, .lists = 16}, "a", "of ivf"},
        {{.kind = (omen_index_kind)5}, "a", "unknown kind"},
        {{.codec = (omen_codec)4}, "a", "unknown codec"},
        {{.kind = OMEN_INDEX_HNSW}, "z", "no vector field \"z\""},
        {{.kind = OMEN_INDEX_HNSW}, "", "no vector field \"vector\""}};
    fixture x;
    begin(&x);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STATUS(omen_collection_index(x.c, (omen_str){cases[i].field, strlen(cases[i].field)}, &cases[i].o), OMEN_ERR_INVALID);
        if (!CHECK(strstr(omen_last_error(), cases[i].says) != NULL)) printf("    %s\n", omen_last_error());
    }
    CHECK_STATUS(omen_collection_index(x.c, OMEN_STR("a"), NULL), OMEN_ERR_INVALID);
    CHECK_EQ_UINT(schema_index(&x, 0).kind, OMEN_INDEX_AUTO);
    close_db(&x);
    omen_options o;
    omen_options_init(&o);
    o.host = &x.h->host;
    o.read_only = 1;
    CHECK_OK(omen_open("db", &o, &x.db));
    CHECK_OK(omen_collection_open(x.db, OMEN_STR("c"), NULL, &x.c));
    CHECK_STATUS(omen_collection_index(x.c, OMEN_STR("a"), &hnsw), OMEN_ERR_READ_ONLY);
    end(&x);
}

TEST_MAIN()
