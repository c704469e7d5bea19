/* The life of indexes where memory is short, builds fail, others write all the time, and one is replaced again and again. */
#include "test.h"

#include "db/indexing.h"
#include "fault_host.h"
#include "omendb.h"

enum { DIMS = 32, ROWS = 4000, K = 10, WIDE = 256, MANY = 4096 };

static float vectors[ROWS][DIMS];
static float wide[MANY][WIDE];
static omen_id ids[MANY];
static char report[1 << 17];

typedef struct fixture {
    fault_host *h;
    fault_storage *fs;
    omen_db *db;
    omen_collection *c;
    omen_vector_field field;
    uint64_t index_bytes;
} fixture;

static void open_db(fixture *x) {
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.manual_maintenance = 1;
    o.index_bytes = x->index_bytes;
    REQUIRE_OK(omen_open("db", &o, &x->db));
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &x->field;
    REQUIRE_OK(omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c));
}

static void begin(fixture *x, omen_index_options index, uint32_t dimensions) {
    *x = (fixture){.h = fault_host_new(1), .field = {.name = {"", 0}, .dimensions = dimensions, .metric = OMEN_METRIC_L2, .index = index}};
    x->fs = fault_host_image(x->h, "db");
    for (int r = 0; r < MANY; r++) ids[r] = OMEN_ID_INT(r);
    for (int i = 0; i < ROWS * DIMS; i++) vectors[i / DIMS][i % DIMS] = test_rand_float();
    open_db(x);
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

static void put(omen_collection *c, int first, int count) {
    const void *v[] = {vectors[first]};
    CHECK_OK(omen_upsert(c, &(omen_batch){.count = (size_t)count, .ids = ids + first, .vectors = v}));
}

static const char *explain(omen_collection *c, const float *v, uint32_t dimensions) {
    omen_query q;
    size_t needed;
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = dimensions;
    q.k = K;
    CHECK_OK(omen_explain(c, &q, report, sizeof report, &needed));
    return report;
}

static bool says(omen_collection *c, const char *what) { return strstr(explain(c, vectors[0], DIMS), what) != NULL; }

static const char *stats(fixture *x) {
    size_t needed;
    CHECK_OK(omen_stats(x->db, report, sizeof report, &needed));
    return report;
}

static uint64_t number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static uint64_t failures(const fixture *x) { return omen_counter_get(&x->db->metrics.index_failures); }

static size_t files(const fixture *x, const char *prefix) {
    size_t n = 0;
    for (size_t i = 0; i < fault_storage_count(x->fs); i++) n += strncmp(fault_storage_name(x->fs, i), prefix, strlen(prefix)) == 0;
    return n;
}

static const omen_index_options hnsw = {.kind = OMEN_INDEX_HNSW, .m = 16, .ef_construction = 40};
static const omen_index_options other = {.kind = OMEN_INDEX_HNSW, .m = 20, .ef_construction = 40};

/* ---- memory ---- */

TEST(an_index_that_takes_more_than_half_of_the_memory_is_replaced) {
    fixture x;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, ROWS);
    CHECK_OK(omen_build_indexes(x.db));
    uint64_t held = number_after(strstr(stats(&x), "\"indexes\":"), "\"memoryBytes\":");
    CHECK(held > ROWS * DIMS);
    close_db(&x);
    x.index_bytes = held * 5 / 4; /* the larger of both fits, the two together do not */
    open_db(&x);
    CHECK(says(x.c, "\"index\":\"hnsw\","));
    for (int round = 0; round < 3; round++) {
        CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), round % 2 == 0 ? &other : &hnsw));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(says(x.c, "\"index\":\"hnsw\","));
        CHECK(strstr(stats(&x), round % 2 == 0 ? "\"m\":20," : "\"m\":16,") != NULL);
        CHECK_EQ_UINT(files(&x, "seg-4"), 1);
    }
    CHECK_EQ_UINT(failures(&x), 0);
    CHECK_OK(omen_check(x.db));
    end(&x);
}

/* Whoever leaves the kind to OmenDB gets what fits, also when there is less memory than before. */
TEST(a_graph_that_fits_no_more_becomes_something_else) {
    if (TEST_EMULATED) TEST_SKIP("large indexes, chosen alike by every build");
    static const struct { uint64_t bytes; const char *kind, *why; } budgets[] = {{1700000, "\"index\":\"ivf\",", "lists of codes do"}, {4096, "\"index\":\"disk\",", "read on demand"}};
    for (int i = 0; i < MANY * WIDE; i++) wide[i / WIDE][i % WIDE] = test_rand_float();
    for (size_t b = 0; b < 2; b++) {
        fixture x;
        const void *v[] = {wide};
        begin(&x, (omen_index_options){0}, WIDE);
        CHECK_OK(omen_upsert(x.c, &(omen_batch){.count = MANY, .ids = ids, .vectors = v}));
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(strstr(explain(x.c, wide[0], WIDE), "\"index\":\"hnsw\",") != NULL);
        close_db(&x);
        x.index_bytes = budgets[b].bytes;
        open_db(&x);
        CHECK(strstr(explain(x.c, wide[0], WIDE), "\"index\":\"flat\",") != NULL);
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(strstr(explain(x.c, wide[0], WIDE), budgets[b].kind) != NULL);
        CHECK(strstr(report, budgets[b].why) != NULL);
        CHECK_OK(omen_check(x.db));
        end(&x);
    }
}

/* One that was asked for by name is not built again and again only not to fit: it waits for room, and the report says so. */
TEST(an_index_that_was_asked_for_and_does_not_fit_is_explained) {
    fixture x;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, ROWS);
    CHECK_OK(omen_build_indexes(x.db));
    close_db(&x);
    x.index_bytes = 100000;
    open_db(&x);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(says(x.c, "does not fit the memory for indexes: raise index_bytes"));
    CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), &other)); /* other parameters may need less: tried once */
    CHECK_STATUS(omen_build_indexes(x.db), OMEN_ERR_LIMIT);
    CHECK(strstr(omen_last_error(), "index_bytes") != NULL);
    CHECK(says(x.c, "does not fit the memory for indexes: raise index_bytes"));
    uint64_t before = failures(&x);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK_EQ_UINT(failures(&x), before);
    close_db(&x);
    x.index_bytes = 0;
    open_db(&x);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(says(x.c, "\"index\":\"hnsw\","));
    end(&x);
}

/* Left to OmenDB again, or with more memory again, a field gets the best there is room for, once. */
TEST(what_was_built_when_memory_was_short_becomes_better) {
    if (TEST_REDUCED) TEST_SKIP("eleven large indexes, chosen alike by every build");
    static const omen_index_options disk = {.kind = OMEN_INDEX_DISK}, lists = {.kind = OMEN_INDEX_IVF}, any = {.kind = OMEN_INDEX_AUTO};
    fixture x;
    const void *v[] = {wide};
    for (int i = 0; i < MANY * WIDE; i++) wide[i / WIDE][i % WIDE] = test_rand_float();
    begin(&x, disk, WIDE);
    CHECK_OK(omen_upsert(x.c, &(omen_batch){.count = MANY, .ids = ids, .vectors = v}));
    CHECK_OK(omen_build_indexes(x.db));
    for (int round = 0; round < 2; round++) {
        CHECK(strstr(explain(x.c, wide[0], WIDE), round == 0 ? "\"index\":\"disk\"," : "\"index\":\"ivf\",") != NULL);
        CHECK(strstr(report, "asked for by name") != NULL);
        CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), &any));
        CHECK(strstr(explain(x.c, wide[0], WIDE), "a faster one fits now") != NULL);
        CHECK_OK(omen_build_indexes(x.db));
        CHECK(strstr(explain(x.c, wide[0], WIDE), "\"index\":\"hnsw\",") != NULL);
        CHECK(strstr(report, "it is the fastest") != NULL);
        uint64_t built = omen_counter_get(&x.db->metrics.indexes_built);
        CHECK_OK(omen_build_indexes(x.db));
        CHECK_EQ_UINT(omen_counter_get(&x.db->metrics.indexes_built), built);
        CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), &lists));
        CHECK_OK(omen_build_indexes(x.db));
    }
    CHECK_OK(omen_collection_index(x.c, OMEN_STR(""), &any));
    CHECK_OK(omen_build_indexes(x.db));
    /* Less memory, more again; and hardly enough, which is left at what there is. */
    static const struct { uint64_t parts; const char *index, *why; } budgets[] = {
        {1, "\"index\":\"disk\",", "blocks of a graph are read on demand"}, {103, "\"index\":\"ivf\",", "only just"}, {400, "\"index\":\"hnsw\",", "it is the fastest"}};
    omen_index_case c = {.rows = MANY, .dimensions = WIDE, .metric = OMEN_METRIC_L2};
    uint64_t least = omen_index_estimate(OMEN_INDEX_HNSW, &c);
    for (size_t b = 0; b < OMEN_ARRAY_LEN(budgets); b++) {
        close_db(&x);
        x.index_bytes = least / 100 * budgets[b].parts;
        open_db(&x);
        if (b == 0) CHECK(strstr(explain(x.c, wide[0], WIDE), "does not fit the memory for indexes (it takes about ") != NULL);
        for (int again = 0; again < 2; again++) {
            CHECK_OK(omen_build_indexes(x.db));
            if (!CHECK(strstr(explain(x.c, wide[0], WIDE), budgets[b].index) != NULL && strstr(report, budgets[b].why) != NULL)) printf("    %zu: %s\n", b, report);
        }
        CHECK_EQ_UINT(files(&x, "seg-4"), 1);
    }
    CHECK_OK(omen_check(x.db));
    end(&x);
}

/* What the manifest names and is not what was written is damage, wherever it is; it is built again, and then it is none. */
TEST(a_damaged_index_is_told) {
    for (int what = 0; what < 4; what += TEST_EMULATED ? 2 : 1) {
        fixture x;
        char name[64] = "";
        begin(&x, hnsw, DIMS);
        put(x.c, 0, ROWS);
        CHECK_OK(omen_build_indexes(x.db));
        CHECK_OK(omen_check(x.db));
        close_db(&x);
        for (size_t i = 0; i < fault_storage_count(x.fs); i++)
            if (strncmp(fault_storage_name(x.fs, i), "seg-4", 5) == 0) strcpy(name, fault_storage_name(x.fs, i));
        size_t len;
        REQUIRE(fault_storage_data(x.fs, name, &len) != NULL);
        if (what == 0) fault_storage_delete(x.fs, name);
        else if (what == 1) fault_storage_xor(x.fs, name, len / 2, 1);
        else if (what == 2) fault_storage_xor(x.fs, name, len - 5, 1);
        else fault_storage_cut(x.fs, name, len - 1);
        for (int again = 0; again < 2; again++) { /* whoever opens it and builds nothing does not hide it */
            open_db(&x);
            CHECK_STATUS(omen_check(x.db), OMEN_ERR_CORRUPT);
            CHECK(strstr(omen_last_error(), name) != NULL && strstr(omen_last_error(), "no record is lost") != NULL);
            CHECK(says(x.c, "its index was damaged and is left out"));
            if (again == 0) close_db(&x);
        }
        CHECK_OK(omen_build_indexes(x.db));
        CHECK_OK(omen_check(x.db));
        CHECK(says(x.c, "\"index\":\"hnsw\","));
        CHECK_EQ_UINT(files(&x, "seg-4"), 1);
        close_db(&x);
        open_db(&x);
        CHECK_OK(omen_check(x.db));
        CHECK(says(x.c, "asked for by name"));
        end(&x);
    }
}

/* One for which there is no room is no damage, and it is there again with the room. */
TEST(an_index_without_room_is_no_damage) {
    fixture x;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, ROWS);
    CHECK_OK(omen_build_indexes(x.db));
    close_db(&x);
    x.index_bytes = 100000;
    open_db(&x);
    CHECK_OK(omen_check(x.db));
    CHECK(says(x.c, "index_bytes is 100000)"));
    close_db(&x);
    x.index_bytes = 0;
    open_db(&x);
    CHECK(says(x.c, "\"index\":\"hnsw\","));
    CHECK_OK(omen_check(x.db));
    CHECK_EQ_UINT(omen_counter_get(&x.db->metrics.indexes_built), 0);
    end(&x);
}

/* What is kept of segments yields to an index, also while somebody reads it; together they never hold more than they may. */
TEST(blocks_that_are_kept_yield_to_an_index) {
    fixture x;
    omen_snapshot reader;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, ROWS / 2);
    CHECK_OK(omen_build_indexes(x.db));
    uint64_t held = number_after(strstr(stats(&x), "\"indexes\":"), "\"memoryBytes\":");
    close_db(&x);
    x.index_bytes = held * 9 / 4; /* two of them, and little beside */
    open_db(&x);
    omen_resident *r = &x.db->store.resident;
    for (int i = 0; i < 200; i++) CHECK(says(x.c, "\"index\":\"hnsw\","));
    for (int i = 0; i < ROWS / 2; i += 3) (void)explain(x.c, vectors[i], DIMS);
    CHECK(atomic_load(&r->used) > atomic_load(&r->indexes) + 10000); /* blocks are kept */
    CHECK(atomic_load(&r->used) + held > r->limit);                  /* in the other's place */
    CHECK(atomic_load(&r->used) <= r->limit);
    omen_snapshot_take(x.db, &reader);
    put(x.c, ROWS / 2, ROWS / 2);
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(atomic_load(&r->used) <= r->limit);
    CHECK(atomic_load(&r->indexes) > 3 * held / 2);
    const char *first = strstr(explain(x.c, vectors[0], DIMS), "\"index\":\"hnsw\",");
    CHECK(first != NULL && strstr(first + 1, "\"index\":\"hnsw\",") != NULL);
    omen_snapshot_release(&reader);
    for (int i = 0; i < ROWS; i += 7) (void)explain(x.c, vectors[i], DIMS);
    CHECK(atomic_load(&r->used) <= r->limit + ROWS * 4); /* checksums of rows that are read alone come on top: without them whole blocks would be read */
    CHECK_OK(omen_check(x.db));
    end(&x);
}

/* ---- failures ---- */

static void maintain_all(fixture *x) {
    int more = 1;
    for (int n = 0; n < 5000 && more != 0; n++) CHECK_OK(omen_db_maintain(x->db, 0, &more));
    CHECK_EQ_INT(more, 0);
}

static void let_time_pass(fixture *x, uint64_t seconds) {
    uint64_t from = x->h->host.ticks_ns(x->h->host.ctx);
    while (x->h->host.ticks_ns(x->h->host.ctx) - from < seconds * UINT64_C(1000000000)) {}
}

TEST(a_build_that_fails_waits_and_the_others_go_on) {
    unsigned failed = 0;
    for (uint64_t n = 1; n <= 6; n++) {
        fixture x;
        omen_schema s;
        omen_collection *second;
        begin(&x, hnsw, DIMS);
        omen_schema_init(&s);
        s.vector_count = 1;
        s.vectors = &x.field;
        REQUIRE_OK(omen_collection_open(x.db, OMEN_STR("d"), &s, &second));
        put(x.c, 0, 300);
        put(second, 300, 300);
        CHECK_OK(omen_flush(x.db));
        fault_storage_fail_at(x.fs, n, OMEN_ERR_FULL, false);
        maintain_all(&x);
        bool missing = !says(x.c, "\"index\":\"hnsw\",");
        CHECK(says(second, "\"index\":\"hnsw\","));
        CHECK_EQ_UINT(failures(&x), missing);
        if (missing) {
            failed++;
            CHECK(says(x.c, "will be tried again later"));
            maintain_all(&x);
            CHECK(!says(x.c, "\"index\":\"hnsw\","));
            let_time_pass(&x, 2);
            maintain_all(&x);
            CHECK(says(x.c, "\"index\":\"hnsw\","));
        }
        CHECK_EQ_UINT(files(&x, "seg-4"), 2);
        omen_collection_close(second);
        end(&x);
    }
    CHECK(failed > 2);
}

/* Whoever asks for indexes is told what failed, has all the others, and tries again when asking again. */
TEST(who_asks_for_indexes_is_told_and_may_ask_again) {
    fixture x;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, 300);
    CHECK_OK(omen_flush(x.db));
    fault_storage_fail_at(x.fs, 3, OMEN_ERR_FULL, false);
    CHECK_STATUS(omen_build_indexes(x.db), OMEN_ERR_FULL);
    CHECK(!says(x.c, "\"index\":\"hnsw\","));
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(says(x.c, "\"index\":\"hnsw\","));
    end(&x);
}

/* A flush or a merge that is given up for lack of memory leaves no file behind. */
TEST(segments_of_jobs_that_are_given_up_are_removed) {
    unsigned given_up = 0;
    for (uint64_t n = 1; n <= 80; n++) {
        fixture x;
        begin(&x, (omen_index_options){.kind = OMEN_INDEX_FLAT}, DIMS);
        put(x.c, 0, 200);
        CHECK_OK(omen_flush(x.db));
        put(x.c, 100, 200);
        fault_host_fail_alloc_at(x.h, n, false);
        omen_status s = n % 2 == 0 ? omen_flush(x.db) : omen_compact(x.db);
        fault_host_fail_alloc_at(x.h, 0, false);
        CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY || s == OMEN_ERR_POISONED);
        if (s == OMEN_ERR_MEMORY && omen_compact(x.db) == OMEN_OK) {
            given_up++;
            maintain_all(&x);
            CHECK_EQ_UINT(files(&x, "seg-"), 1);
        }
        end(&x);
    }
    CHECK(given_up > 10);
}

/* ---- again and again ---- */

TEST(numbers_of_files_are_given_once) {
    uint64_t a, b;
    CHECK(omen_indexing_number(5, 3, 0, 0, &a));
    CHECK_EQ_UINT(a, UINT64_C(1) << 62 | 5 << 12 | 3 << 8);
    CHECK(omen_indexing_number(5, 3, 255, 1, &b));
    CHECK_EQ_UINT(b, UINT64_C(1) << 62 | UINT64_C(1) << 52 | 5 << 12 | 3 << 8);
    CHECK(omen_indexing_number(5, 3, 65535, 1, &b)); /* only the one before the first may be in use */
    CHECK_EQ_UINT(b, a);
    CHECK(omen_indexing_number(5, 3, 7, 65534, &b));
    CHECK(!omen_indexing_number(5, 3, 7, 65535, &b));
    /* All different. */
    static uint8_t seen[65536];
    for (uint32_t given = 0; given < 65535; given++) {
        REQUIRE(omen_indexing_number(9, 0, 100, given, &b));
        uint64_t turn = (b & 255) | (b >> 44 & 0xff00);
        CHECK_EQ_UINT(b & ~(UINT64_C(0xff) << 52 | 255), UINT64_C(1) << 62 | 9 << 12);
        CHECK_EQ_UINT(seen[turn]++, 0);
    }
    CHECK_EQ_UINT(seen[99], 0);
}

TEST(an_index_is_replaced_more_often_than_a_byte_counts) {
    static const omen_index_options four = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 4}, five = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 5};
    fixture x;
    omen_snapshot reader;
    begin(&x, four, DIMS);
    put(x.c, 0, 100);
    CHECK_OK(omen_build_indexes(x.db));
    omen_snapshot_take(x.db, &reader); /* has the first index until the end */
    for (int n = 0; n < 270; n++) {
        REQUIRE_OK(omen_collection_index(x.c, OMEN_STR(""), n % 2 == 0 ? &five : &four));
        REQUIRE_OK(omen_build_indexes(x.db));
    }
    CHECK(says(x.c, "\"index\":\"ivf\","));
    CHECK_EQ_UINT(files(&x, "seg-4"), 2);
    omen_snapshot_release(&reader);
    CHECK_OK(omen_check(x.db));
    maintain_all(&x);
    CHECK_EQ_UINT(files(&x, "seg-4"), 1);
    close_db(&x);
    open_db(&x);
    CHECK(says(x.c, "\"index\":\"ivf\","));
    end(&x);
}

/* ---- beside others who write ---- */

static struct { fixture *x; omen_status (*wait)(void *ctx); bool inside; unsigned batches; } busy;

/* Somebody else has a turn whenever the storage is waited for. */
static omen_status write_meanwhile(void *ctx) {
    if (!busy.inside && busy.batches < 3000) {
        busy.inside = true;
        put(busy.x->c, 100 + (int)(busy.batches % 30) * 100, 100);
        CHECK_OK(omen_flush(busy.x->db));
        busy.batches++;
        busy.inside = false;
    }
    return busy.wait(ctx);
}

TEST(building_ends_while_others_write) {
    fixture x;
    begin(&x, hnsw, DIMS);
    put(x.c, 0, 100);
    CHECK_OK(omen_flush(x.db));
    busy.x = &x;
    busy.wait = x.h->host.wait;
    busy.batches = 0;
    x.h->host.wait = write_meanwhile;
    fault_storage_set_pending(x.fs, 30);
    CHECK_OK(omen_build_indexes(x.db));
    x.h->host.wait = busy.wait;
    CHECK(busy.batches > 3);
    CHECK(busy.batches < 3000);
    fault_storage_set_pending(x.fs, 0);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK(says(x.c, "\"index\":\"hnsw\","));
    CHECK_OK(omen_check(x.db));
    end(&x);
}

/* ---- where much was deleted ---- */

static omen_results *ask(fixture *x, const float *v, uint32_t k, bool exact) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.k = k;
    q.exact = exact;
    q.nprobe = exact ? 0 : 3;
    CHECK_OK(omen_search(x->c, &q, &r));
    return r;
}

/* Everything near some points goes: a search from there looks at more lists, until it has met about as many living rows as it meant to. */
TEST(what_was_deleted_around_a_query_costs_lists_no_recall) {
    enum { POINTS = 4 };
    const omen_index_options lists = {.kind = OMEN_INDEX_IVF, .codec = OMEN_CODEC_SQ8, .lists = 64};
    fixture x;
    unsigned same = 0;
    begin(&x, lists, DIMS);
    for (int r = 0; r < ROWS; r++) /* clusters, each around one of the first rows */
        for (int d = 0; d < DIMS && r >= 32; d++) vectors[r][d] = vectors[r % (32)][d] + 0.15f * vectors[r][d];
    put(x.c, 0, ROWS);
    CHECK_OK(omen_build_indexes(x.db));
    for (int p = 0; p < POINTS; p++) { /* its cluster, and those beside it */
        omen_results *r = ask(&x, vectors[p], 400, true);
        omen_id gone[400];
        for (size_t i = 0; i < omen_results_count(r); i++) gone[i] = omen_results_id(r, i);
        CHECK_OK(omen_delete(x.c, gone, omen_results_count(r), NULL));
        omen_results_free(r);
    }
    CHECK_OK(omen_flush(x.db));
    CHECK(says(x.c, "\"index\":\"ivf\","));
    for (int p = 0; p < POINTS; p++) {
        omen_results *truth = ask(&x, vectors[p], K, true), *got = ask(&x, vectors[p], K, false);
        CHECK_EQ_UINT(omen_results_count(got), K);
        for (size_t a = 0; a < K; a++)
            for (size_t b = 0; b < omen_results_count(got); b++) same += omen_results_id(truth, a).number == omen_results_id(got, b).number;
        omen_results_free(truth);
        omen_results_free(got);
    }
    if (!CHECK(same >= POINTS * K * 17 / 20)) printf("    %u of %u\n", same, POINTS * K);
    end(&x);
}

TEST_MAIN()
