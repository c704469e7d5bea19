/* Searches of several legs and what comes after them, through the public API: what is answered does not depend on where records lie, and agrees with what plain scans of the
 * answers say. */
#include "test.h"

#include "base/json.h"
#include "fault_host.h"
#include "omendb.h"

enum { IDS = 300, DIMS = 8 };

static const char *const nouns[] = {"tea", "coffee", "garden", "river", "mountain", "harbour", "lantern", "violin"};
static const char *const colours[] = {"red", "green", "blue"};

static struct { float v[DIMS], w[DIMS]; char doc[300]; int colour, year; bool tea; } records[IDS];

static void make(void) {
    for (size_t i = 0; i < IDS; i++) {
        const char *a = nouns[test_rand_below(8)], *b = nouns[test_rand_below(8)], *c = nouns[test_rand_below(8)];
        records[i].colour = (int)test_rand_below(3);
        records[i].year = 2000 + (int)test_rand_below(20);
        records[i].tea = strcmp(a, "tea") == 0 || strcmp(b, "tea") == 0 || strcmp(c, "tea") == 0;
        snprintf(records[i].doc, sizeof records[i].doc, "{\"title\":\"The %s\",\"body\":\"A %s near the %ss, seen at dawn\",\"colour\":\"%s\",\"year\":%d,\"terms\":{\"indices\":[%d,%d],\"values\":[1.5,0.5]}}", a, b, c,
                 colours[records[i].colour], records[i].year, (int)test_rand_below(5), 10 + (int)test_rand_below(5));
        for (size_t d = 0; d < DIMS; d++) {
            records[i].v[d] = test_rand_float();
            records[i].w[d] = test_rand_float();
        }
    }
}

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static unsigned late; /* percent of reads that pend */

static void open_world(world *x) {
    static const omen_vector_field fields[] = {{.name = {"v", 1}, .dimensions = DIMS, .metric = OMEN_METRIC_COSINE}, {.name = {"w", 1}, .dimensions = DIMS, .metric = OMEN_METRIC_L2}};
    static const omen_text_field texts[] = {{.name = {"title", 5}, .weight = 2}, {.name = {"body", 4}}};
    static const omen_str sparse[] = {{"terms", 5}};
    omen_options o;
    omen_schema s;
    x->h = fault_host_new(1);
    fault_storage_set_pending(fault_host_image(x->h, "db"), late);
    x->db = NULL;
    x->c = NULL;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    if (late != 0) o.pool_bytes = 1 << 20; /* blocks come and go */
    omen_schema_init(&s);
    s.vector_count = 2;
    s.vectors = fields;
    s.text_count = 2;
    s.texts = texts;
    s.sparse_count = 1;
    s.sparse = sparse;
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

static void write(world *x, size_t from, size_t to) {
    static omen_id ids[IDS];
    static omen_str docs[IDS];
    static float v[IDS][DIMS], w[IDS][DIMS];
    for (size_t i = from; i < to; i++) {
        ids[i - from] = OMEN_ID_INT((int64_t)i);
        docs[i - from] = (omen_str){records[i].doc, strlen(records[i].doc)};
        memcpy(v[i - from], records[i].v, sizeof v[0]);
        memcpy(w[i - from], records[i].w, sizeof w[0]);
    }
    const void *vectors[] = {v, w};
    omen_batch b = {.count = to - from, .ids = ids, .vectors = vectors, .documents = docs};
    CHECK_OK(omen_upsert(x->c, &b));
}

static omen_results *ask(world *x, const float *v, const float *w, uint32_t k, const char *filter, const char *options) {
    omen_query q;
    omen_query_vector vectors[2];
    omen_results *r = NULL;
    omen_query_init(&q);
    q.k = k;
    q.filter = (omen_str){filter, strlen(filter)};
    q.options = (omen_str){options, strlen(options)};
    q.vectors = vectors;
    if (v != NULL) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("v"), v, DIMS, 1.0f};
    if (w != NULL) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("w"), w, DIMS, 1.0f};
    CHECK_OK(omen_search(x->c, &q, &r));
    return r;
}

static const struct { const char *filter, *options; bool v, w; } queries[] = {
    {"", "{\"text\":\"tea garden\"}", false, false},
    {"", "{\"text\":\"tea garden\"}", true, false},
    {"", "{\"text\":{\"query\":\"+tea -coffee\",\"fields\":[\"title\"]}}", true, true},
    {"", "{\"text\":{\"query\":\"lant\",\"prefix\":true}}", false, false},
    {"", "{\"text\":{\"query\":\"laantern\",\"typos\":true,\"fields\":{\"body\":3}}}", false, false},
    {"", "{\"text\":{\"query\":\"tea violin\",\"operator\":\"and\"}}", false, false},
    {"colour = 'red'", "{\"text\":\"tea\"}", true, false},
    {"", "{\"text\":\"tea\",\"fusion\":\"rrf\",\"rrfK\":10}", true, false},
    {"", "{\"text\":\"tea\",\"alpha\":0.5}", true, false},
    {"", "{\"text\":\"tea\",\"weights\":{\"text\":2,\"v\":1}}", true, false},
    {"", "{\"sparse\":{\"field\":\"terms\",\"indices\":[1,12],\"values\":[1,2]}}", false, false},
    {"", "{\"sparse\":{\"indices\":[1,12],\"values\":[1,2]},\"text\":\"tea\"}", true, true},
    {"", "{\"groupBy\":\"colour\"}", true, false},
    {"", "{\"groupBy\":{\"path\":\"year\",\"size\":2}}", false, true},
    {"year >= 2010", "{\"mmr\":{\"lambda\":0.3,\"candidates\":60}}", true, false},
    {"", "{\"facets\":{\"colour\":{},\"year\":{\"stats\":true,\"histogram\":{\"interval\":5}}}}", true, false},
    {"year < 2010", "{\"facets\":[\"colour\"],\"text\":\"tea\"}", false, false},
    {"", "{\"text\":\"tea garden\",\"highlight\":true}", false, false},
    {"", "{\"text\":\"tea garden\",\"highlight\":{\"fields\":[\"body\"],\"pre\":\"<b>\",\"post\":\"</b>\",\"length\":20}}", true, false},
    {"", "{\"recommend\":{\"positive\":[1,2],\"negative\":[3],\"field\":\"v\"}}", false, false},
    {"", "{\"recommend\":{\"positive\":[1,2],\"negative\":[3,4],\"field\":\"v\",\"strategy\":\"best\"}}", false, false},
    {"year >= 2008", "{\"recommend\":{\"positive\":[5,6],\"field\":\"w\",\"strategy\":\"best\"},\"text\":\"tea\"}", false, false},
    {"", "{\"maxDistance\":0.6}", true, false},
    {"", "{\"minScore\":0.5}", true, false},
    {"year >= 2001", "{\"plan\":\"index\"}", true, false},
};
enum { QUERIES = sizeof queries / sizeof *queries };

/* Everything a search answered, as one text. */
static void write_answer(const omen_results *r, char *out, size_t cap) {
    size_t n = 0;
    omen_str facets = omen_results_facets(r), legs = omen_results_legs(r);
    n += (size_t)snprintf(out + n, cap - n, "legs %.*s facets %.*s\n", (int)legs.len, legs.data, (int)facets.len, facets.data);
    for (size_t i = 0; i < omen_results_count(r) && n < cap - 1000; i++) {
        omen_str g = omen_results_group(r, i), h = omen_results_highlights(r, i);
        n += (size_t)snprintf(out + n, cap - n, "%lld %a %a group %.*s marks %.*s", (long long)omen_results_id(r, i).number, (double)omen_results_score(r, i), (double)omen_results_distance(r, i), (int)g.len, g.data,
                              (int)h.len, h.data);
        for (uint32_t l = 0; l < omen_results_leg_count(r); l++) n += (size_t)snprintf(out + n, cap - n, " %a", (double)omen_results_leg_score(r, i, l));
        n += (size_t)snprintf(out + n, cap - n, "\n");
    }
}

static char first[QUERIES][20000];

/* The answers of a layout: the same as those of the first. */
static void compare(world *x, const float *v, const float *w, bool keep, const char *layout) {
    static char now[20000];
    for (size_t i = 0; i < QUERIES; i++) {
        omen_results *r = ask(x, queries[i].v ? v : NULL, queries[i].w ? w : NULL, 10, queries[i].filter, queries[i].options);
        if (r == NULL) continue;
        write_answer(r, keep ? first[i] : now, sizeof now);
        if (!keep && !CHECK(strcmp(first[i], now) == 0)) printf("    %s: %s\n    was %s\n    is  %s\n", layout, queries[i].options, first[i], now);
        if (i != 3) CHECK(omen_results_count(r) != 0);
        omen_results_free(r);
    }
}

TEST(answers_do_not_depend_on_where_records_lie) {
    world x;
    float v[DIMS], w[DIMS];
    make();
    for (size_t d = 0; d < DIMS; d++) v[d] = test_rand_float(), w[d] = test_rand_float();
    open_world(&x);
    write(&x, 0, IDS);
    compare(&x, v, w, true, "memory");
    CHECK_OK(omen_flush(x.db));
    compare(&x, v, w, false, "one segment");
    close_world(&x);
    open_world(&x);
    write(&x, 0, IDS / 3);
    CHECK_OK(omen_flush(x.db));
    write(&x, IDS / 3, IDS / 2);
    CHECK_OK(omen_flush(x.db));
    write(&x, IDS / 2, IDS);
    compare(&x, v, w, false, "two segments and memory");
    CHECK_OK(omen_compact(x.db));
    compare(&x, v, w, false, "merged");
    close_world(&x);
}

TEST(late_storages_answer_the_same) {
    world x;
    float v[DIMS], w[DIMS];
    make();
    for (size_t d = 0; d < DIMS; d++) v[d] = test_rand_float(), w[d] = test_rand_float();
    for (late = 0; late <= 60; late += 60) {
        open_world(&x);
        write(&x, 0, IDS / 2);
        CHECK_OK(omen_flush(x.db));
        write(&x, IDS / 3, IDS); /* replaces some */
        compare(&x, v, w, late == 0, "late");
        close_world(&x);
    }
    late = 0;
}

/* Whatever allocation fails, the search says so and leaves nothing behind, and the next one is whole. */
TEST(searches_without_memory_fail_cleanly) {
    world x;
    float v[DIMS], w[DIMS];
    make();
    for (size_t d = 0; d < DIMS; d++) v[d] = test_rand_float(), w[d] = test_rand_float();
    open_world(&x);
    write(&x, 0, IDS / 2);
    CHECK_OK(omen_flush(x.db));
    write(&x, IDS / 2, IDS);
    for (size_t i = 0; i < QUERIES; i++) {
        omen_query q;
        omen_query_vector vectors[2];
        omen_query_init(&q);
        q.filter = (omen_str){queries[i].filter, strlen(queries[i].filter)};
        q.options = (omen_str){queries[i].options, strlen(queries[i].options)};
        q.vectors = vectors;
        if (queries[i].v) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("v"), v, DIMS, 1.0f};
        if (queries[i].w) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("w"), w, DIMS, 1.0f};
        omen_status s = OMEN_ERR_MEMORY;
        for (uint64_t n = 1; s != OMEN_OK && n < 5000; n += 1 + n / 8) {
            omen_results *r = NULL;
            fault_host_fail_alloc_at(x.h, n, true);
            s = omen_search(x.c, &q, &r);
            fault_host_fail_alloc_at(x.h, 0, false);
            if (!CHECK(s == OMEN_OK || s == OMEN_ERR_MEMORY || s == OMEN_ERR_LIMIT)) printf("    %s: %s %s\n", queries[i].options, omen_status_name(s), omen_last_error());
            omen_results_free(r);
        }
        CHECK_OK(s);
    }
    close_world(&x);
}

TEST(text_finds_the_words_and_nothing_else) {
    world x;
    make();
    open_world(&x);
    write(&x, 0, IDS);
    CHECK_OK(omen_flush(x.db));
    omen_results *r = ask(&x, NULL, NULL, IDS, "", "{\"text\":\"tea\",\"facets\":[\"colour\"]}");
    size_t teas = 0, reds = 0;
    char expect[40];
    for (size_t i = 0; i < IDS; i++) teas += records[i].tea, reds += records[i].tea && records[i].colour == 0;
    CHECK_EQ_UINT(omen_results_count(r), teas);
    for (size_t i = 0; i < omen_results_count(r); i++) CHECK(records[omen_results_id(r, i).number].tea);
    for (size_t i = 1; i < omen_results_count(r); i++) CHECK(omen_results_score(r, i) <= omen_results_score(r, i - 1));
    snprintf(expect, sizeof expect, "{\"value\":\"red\",\"count\":%zu}", reds);
    if (!CHECK(memmem(omen_results_facets(r).data, omen_results_facets(r).len, expect, strlen(expect)) != NULL)) printf("    %.*s\n", (int)omen_results_facets(r).len, omen_results_facets(r).data);
    omen_results_free(r);
    /* What was deleted is not found any more, at once. */
    for (int64_t i = 0; i < IDS; i += 2) {
        omen_id id = OMEN_ID_INT(i);
        CHECK_OK(omen_delete(x.c, &id, 1, NULL));
    }
    r = ask(&x, NULL, NULL, IDS, "", "{\"text\":\"tea\"}");
    for (size_t i = 0; i < omen_results_count(r); i++) CHECK(omen_results_id(r, i).number % 2 == 1);
    omen_results_free(r);
    close_world(&x);
}

TEST(groups_are_whole) {
    world x;
    float v[DIMS];
    make();
    for (size_t d = 0; d < DIMS; d++) v[d] = test_rand_float();
    open_world(&x);
    write(&x, 0, IDS);
    CHECK_OK(omen_flush(x.db));
    omen_results *r = ask(&x, v, NULL, 20, "", "{\"groupBy\":{\"path\":\"year\",\"size\":3}}");
    CHECK_EQ_UINT(omen_results_count(r), 60u); /* of 20 years, 15 records each about */
    int last = 0;
    for (size_t i = 0; i < omen_results_count(r); i++) {
        int year = records[omen_results_id(r, i).number].year;
        char text[16];
        snprintf(text, sizeof text, "%d", year);
        omen_str g = omen_results_group(r, i);
        CHECK(g.len == 4 && memcmp(g.data, text, 4) == 0);
        CHECK(i % 3 == 0 ? year != last : year == last);
        last = year;
    }
    omen_results_free(r);
    close_world(&x);
}

TEST(examples_are_left_out_and_distances_bound) {
    world x;
    make();
    open_world(&x);
    write(&x, 0, IDS);
    omen_results *r = ask(&x, NULL, NULL, 10, "", "{\"recommend\":{\"positive\":[1],\"field\":\"v\"}}");
    CHECK_EQ_UINT(omen_results_count(r), 10u);
    for (size_t i = 0; i < omen_results_count(r); i++) CHECK(omen_results_id(r, i).number != 1);
    omen_results_free(r);
    omen_results *all = ask(&x, records[5].v, NULL, IDS, "", "{}");
    size_t within = 0;
    for (size_t i = 0; i < omen_results_count(all); i++) within += omen_results_distance(all, i) <= 0.5f;
    r = ask(&x, records[5].v, NULL, IDS, "", "{\"maxDistance\":0.5}");
    CHECK_EQ_UINT(omen_results_count(r), within);
    CHECK(within != 0 && within != IDS);
    omen_results_free(r);
    omen_results_free(all);
    close_world(&x);
}

static size_t reranked;

/* By the year of the document, the latest first. */
static void by_year(void *arg, const omen_results *candidates, float *scores) {
    reranked = omen_results_count(candidates);
    for (size_t i = 0; i < reranked; i++) scores[i] = *(const float *)arg * (float)records[omen_results_id(candidates, i).number].year;
}

static double cosine(size_t a, size_t b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t d = 0; d < DIMS; d++) {
        ab += (double)records[a].v[d] * (double)records[b].v[d];
        aa += (double)records[a].v[d] * (double)records[a].v[d];
        bb += (double)records[b].v[d] * (double)records[b].v[d];
    }
    return ab / __builtin_sqrt(aa * bb);
}

static double smaller(double a, double b) { return a < b ? a : b; }

/* Every record that is no example, by the example that it is nearest to. */
TEST(the_best_example_counts) {
    static const size_t liked[] = {1, 40, 200}, unwanted[] = {3, 90};
    world x;
    open_world(&x);
    make();
    write(&x, 0, 200);
    CHECK_OK(omen_flush(x.db));
    write(&x, 200, IDS);
    omen_results *r = ask(&x, NULL, NULL, IDS, "", "{\"recommend\":{\"positive\":[1,40,200],\"negative\":[3,90],\"field\":\"v\",\"strategy\":\"best\"}}");
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), IDS - 5);
    bool farther = false;
    for (size_t i = 0; i < omen_results_count(r); i++) {
        size_t id = (size_t)omen_results_id(r, i).number;
        double p = 9, n = 9;
        for (size_t e = 0; e < 3; e++) p = smaller(p, 1 - cosine(id, liked[e]));
        for (size_t e = 0; e < 2; e++) n = smaller(n, 1 - cosine(id, unwanted[e]));
        double want = p <= n ? p : 2 * p - n, off = (double)omen_results_distance(r, i) - want;
        farther = farther || p > n;
        CHECK(off < 1e-5 && off > -1e-5);
        if (i != 0) CHECK(omen_results_distance(r, i) >= omen_results_distance(r, i - 1));
    }
    CHECK(farther);
    omen_results_free(r);
    close_world(&x);
}

TEST(callers_rerank_and_ask_many_at_once) {
    world x;
    float sign = 1.0f;
    omen_query q[2];
    omen_results *r[2];
    omen_query_vector v = {OMEN_STR("v"), NULL, DIMS, 1.0f};
    make();
    open_world(&x);
    write(&x, 0, IDS);
    v.vector = records[9].v;
    for (int i = 0; i < 2; i++) {
        omen_query_init(&q[i]);
        q[i].k = 10;
        q[i].vectors = &v;
        q[i].vector_count = 1;
        q[i].options = OMEN_STR("{\"text\":\"tea\",\"highlight\":true}");
    }
    q[1].rerank = by_year;
    q[1].rerank_arg = &sign;
    q[1].rerank_candidates = 30;
    CHECK_OK(omen_search_many(x.c, q, 2, r));
    CHECK_EQ_UINT(omen_results_count(r[0]), 10u);
    CHECK_EQ_UINT(omen_results_count(r[1]), 10u);
    CHECK_EQ_UINT(reranked, 30u);
    for (size_t i = 0; i < 10; i++) {
        int year = records[omen_results_id(r[1], i).number].year;
        CHECK_BITS(omen_results_score(r[1], i), (float)year);
        if (i != 0) CHECK(year <= records[omen_results_id(r[1], i - 1).number].year);
        omen_str doc = omen_results_document(r[1], i), marks = omen_results_highlights(r[1], i);
        CHECK(doc.len == strlen(records[omen_results_id(r[1], i).number].doc) && memcmp(doc.data, records[omen_results_id(r[1], i).number].doc, doc.len) == 0);
        CHECK((memchr(marks.data, 'm', marks.len) != NULL) == records[omen_results_id(r[1], i).number].tea);
        CHECK_EQ_UINT(omen_results_leg_count(r[1]), 2u);
    }
    omen_results_free(r[0]);
    omen_results_free(r[1]);
    q[1].options = OMEN_STR("{\"groupBy\":\"year\"}");
    CHECK_STATUS(omen_search(x.c, &q[1], &r[1]), OMEN_ERR_INVALID);
    q[1].options = OMEN_STR("{}");
    sign = __builtin_inff();
    CHECK_STATUS(omen_search_many(x.c, q, 2, r), OMEN_ERR_NOT_FINITE);
    CHECK(r[0] == NULL && r[1] == NULL);
    close_world(&x);
}

TEST(what_is_wrong_is_said) {
    static const struct { const char *options; omen_status s; const char *says; } wrong[] = {
        {"{\"txt\":\"tea\"}", OMEN_ERR_INVALID, "txt"},
        {"{\"text\":7}", OMEN_ERR_INVALID, "text"},
        {"{\"text\":{\"query\":\"tea\",\"fields\":[\"none\"]}}", OMEN_ERR_INVALID, "none"},
        {"{\"text\":\"\\\"tea\"}", OMEN_ERR_INVALID, "quote"},
        {"{\"text\":\"tea\",\"alpha\":1.5}", OMEN_ERR_INVALID, "alpha"},
        {"{\"text\":\"tea\",\"weights\":{\"nothing\":1}}", OMEN_ERR_INVALID, "nothing"},
        {"{\"text\":\"tea\",\"fusion\":\"rrf\",\"alpha\":0.5}", OMEN_ERR_INVALID, "alpha"},
        {"{\"text\":\"tea\",\"fusion\":\"both\"}", OMEN_ERR_INVALID, "rrf"},
        {"{\"text\":\"tea\",\"groupBy\":{\"size\":2}}", OMEN_ERR_INVALID, "path"},
        {"{\"text\":\"tea\",\"mmr\":true}", OMEN_ERR_INVALID, "mmr"},
        {"{\"text\":\"tea\",\"facets\":{\"a\":{\"no\":1}}}", OMEN_ERR_INVALID, "no"},
        {"{\"recommend\":{\"positive\":[]}}", OMEN_ERR_INVALID, "positive"},
        {"{\"recommend\":{\"positive\":[1],\"field\":\"v\",\"strategy\":\"nearest\"}}", OMEN_ERR_INVALID, "\"average\" or \"best\""},
        {"{\"recommend\":{\"positive\":[99999],\"field\":\"v\"}}", OMEN_ERR_NOT_FOUND, "99999"},
        {"{\"sparse\":{\"indices\":[1],\"values\":[]}}", OMEN_ERR_INVALID, "values"},
        {"{\"highlight\":true,\"recommend\":{\"positive\":[1],\"field\":\"v\"}}", OMEN_ERR_INVALID, "words"},
        {"{\"text\":\"tea\",\"deadlineMs\":0}", OMEN_ERR_INVALID, "deadlineMs"},
        {"{\"text\"", OMEN_ERR_JSON, ""},
        {"{}", OMEN_ERR_INVALID, "vector"},
    };
    world x;
    make();
    open_world(&x);
    write(&x, 0, 10);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        omen_query q;
        omen_results *r;
        omen_query_init(&q);
        q.options = (omen_str){wrong[i].options, strlen(wrong[i].options)};
        CHECK_STATUS(omen_search(x.c, &q, &r), wrong[i].s);
        if (!CHECK(strstr(omen_last_error(), wrong[i].says) != NULL)) printf("    %s: %s\n", wrong[i].options, omen_last_error());
    }
    close_world(&x);
}

/* However many segments hits lie in, their groups hold no blocks of the pool: one of a mebibyte is enough for forty. */
TEST(groups_of_many_segments_need_no_large_pool) {
    enum { SEGMENTS = 40, ROWS = 3000 };
    static omen_id ids[ROWS];
    static omen_str docs[ROWS];
    static char text[ROWS][160];
    static float v[ROWS][DIMS], w[ROWS][DIMS];
    world x;
    late = 1;
    open_world(&x);
    for (size_t g = 0; g < SEGMENTS; g++) {
        for (size_t i = 0; i < ROWS; i++) {
            ids[i] = OMEN_ID_INT((int64_t)(g * ROWS + i));
            docs[i] = (omen_str){text[i], (size_t)snprintf(text[i], sizeof text[i], "{\"name\":\"%llx%llx%llx\"}", (unsigned long long)test_rand(), (unsigned long long)test_rand(), (unsigned long long)test_rand())};
            for (size_t d = 0; d < DIMS; d++) v[i][d] = w[i][d] = test_rand_float();
        }
        const void *vectors[] = {v, w};
        omen_batch b = {.count = ROWS, .ids = ids, .vectors = vectors, .documents = docs};
        CHECK_OK(omen_upsert(x.c, &b));
        CHECK_OK(omen_flush(x.db));
    }
    omen_results *r = ask(&x, v[0], NULL, 500, "", "{\"groupBy\":\"name\"}");
    CHECK_EQ_UINT(omen_results_count(r), 500u);
    omen_results_free(r);
    late = 0;
    close_world(&x);
}

/* A query vector comes before examples: distances and vectors are of its field. Examples are searched for with the effort that was asked for. */
TEST(query_vectors_come_before_examples) {
    world x;
    omen_query q;
    omen_results *r = NULL;
    char text[20000];
    size_t len = 0;
    make();
    open_world(&x);
    write(&x, 0, IDS);
    omen_query_init(&q);
    q.k = IDS;
    q.field = OMEN_STR("w");
    q.vector = records[7].w;
    q.dimensions = DIMS;
    q.include = OMEN_INCLUDE_VECTOR;
    q.recall = 0.5f;
    q.options = OMEN_STR("{\"recommend\":{\"positive\":[1],\"field\":\"v\"}}");
    CHECK_OK(omen_search(x.c, &q, &r));
    CHECK_EQ_UINT(omen_results_count(r), IDS - 1u);
    omen_str legs = omen_results_legs(r);
    CHECK(legs.len == 9 && memcmp(legs.data, "[\"w\",\"v\"]", 9) == 0);
    for (size_t i = 0; r != NULL && i < omen_results_count(r); i++) {
        int64_t id = omen_results_id(r, i).number;
        CHECK(memcmp(omen_results_vector(r, i, 0), records[id].w, sizeof records[id].w) == 0);
        if (id == 7) CHECK_BITS(omen_results_distance(r, i), 0.0f);
    }
    omen_results_free(r);
    CHECK_OK(omen_explain(x.c, &q, text, sizeof text, &len));
    char *at = strstr(text, "\"recall\":0.5");
    CHECK(at != NULL && strstr(at + 1, "\"recall\":0.5") != NULL);
    close_world(&x);
}

/* Only so many hits are made diverse; with groups those behind them follow as they are. */
TEST(candidates_of_diversity_are_as_many_as_asked_for) {
    world x;
    make();
    open_world(&x);
    write(&x, 0, IDS);
    omen_results *all = ask(&x, records[5].v, NULL, IDS, "", "{}"), *r = ask(&x, records[5].v, NULL, 10, "", "{\"mmr\":{\"lambda\":0,\"candidates\":10}}");
    for (size_t i = 0; i < 10; i++) {
        bool among = false;
        for (size_t k = 0; k < 10; k++) among = among || omen_results_id(all, i).number == omen_results_id(r, k).number;
        CHECK(among);
    }
    omen_results_free(r);
    r = ask(&x, records[5].v, NULL, 20, "", "{\"mmr\":{\"lambda\":0,\"candidates\":20},\"groupBy\":{\"path\":\"year\",\"size\":100}}");
    CHECK_EQ_UINT(omen_results_count(r), (unsigned)IDS);
    omen_results_free(r);
    omen_results_free(all);
    close_world(&x);
}

/* The time is over as soon as the clock was asked so often. */
static uint64_t asked, over_at;
static uint64_t (*real_ticks)(void *ctx);
static uint64_t jumping_ticks(void *ctx) { return real_ticks(ctx) + (++asked > over_at ? UINT64_C(10000000000) : 0); }

TEST(deadlines_end_searches_wherever_they_are) {
    world x;
    float v[DIMS], w[DIMS];
    make();
    for (size_t d = 0; d < DIMS; d++) v[d] = test_rand_float(), w[d] = test_rand_float();
    late = 30;
    open_world(&x);
    write(&x, 0, IDS / 2);
    omen_index_options graph = {.kind = OMEN_INDEX_HNSW};
    CHECK_OK(omen_collection_index(x.c, OMEN_STR("v"), &graph));
    CHECK_OK(omen_build_indexes(x.db));
    write(&x, IDS / 3, IDS);
    real_ticks = x.h->host.ticks_ns;
    x.h->host.ticks_ns = jumping_ticks;
    for (size_t i = 0; i < QUERIES; i++) {
        char options[400];
        snprintf(options, sizeof options, "{\"deadlineMs\":5000,%s", queries[i].options + 1);
        omen_status s = OMEN_ERR_DEADLINE;
        size_t ends = 0;
        for (over_at = 0; s == OMEN_ERR_DEADLINE && over_at < 5000; over_at++, ends += s == OMEN_ERR_DEADLINE) {
            omen_query q;
            omen_query_vector vectors[2];
            omen_results *r = NULL;
            omen_query_init(&q);
            q.k = 30;
            q.filter = (omen_str){queries[i].filter, strlen(queries[i].filter)};
            q.options = (omen_str){options, strlen(options)};
            q.vectors = vectors;
            if (queries[i].v) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("v"), v, DIMS, 1.0f};
            if (queries[i].w) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("w"), w, DIMS, 1.0f};
            asked = 0;
            s = omen_search(x.c, &q, &r);
            if (over_at == 0 && s == OMEN_OK) s = OMEN_ERR_DEADLINE; /* the beginning, too, was late */
            if (!CHECK(s == OMEN_OK || s == OMEN_ERR_DEADLINE)) printf("    %s: %s %s\n", options, omen_status_name(s), omen_last_error());
            omen_results_free(r);
        }
        CHECK_OK(s);
        if (!CHECK(ends > 10)) printf("    %s: %zu\n", options, ends);
    }
    late = 0;
    x.h->host.ticks_ns = real_ticks;
    close_world(&x);
}

/* A vector field may be named as the leg of words is. */
TEST(a_field_may_be_named_text) {
    static const omen_vector_field fields[] = {{.name = {"text", 4}, .dimensions = DIMS, .metric = OMEN_METRIC_L2}};
    static const omen_text_field texts[] = {{.name = {"title", 5}}};
    world x;
    omen_schema s;
    omen_query q;
    omen_collection *c = NULL;
    omen_results *r = NULL;
    make();
    open_world(&x);
    omen_schema_init(&s);
    s.vector_count = s.text_count = 1;
    s.vectors = fields;
    s.texts = texts;
    CHECK_OK(omen_collection_open(x.db, OMEN_STR("d"), &s, &c));
    omen_id id = OMEN_ID_INT(1);
    omen_str doc = {records[0].doc, strlen(records[0].doc)};
    const void *vectors[] = {records[0].v};
    omen_batch b = {.count = 1, .ids = &id, .vectors = vectors, .documents = &doc};
    CHECK_OK(omen_upsert(c, &b));
    omen_query_init(&q);
    q.vector = records[0].v;
    q.dimensions = DIMS;
    q.options = OMEN_STR("{\"text\":\"tea coffee garden river mountain harbour lantern violin\",\"weights\":{\"text\":1,\"$text\":2}}");
    CHECK_OK(omen_search(c, &q, &r));
    CHECK_EQ_UINT(omen_results_count(r), 1u);
    omen_str legs = omen_results_legs(r);
    CHECK(legs.len == 16 && memcmp(legs.data, "[\"text\",\"$text\"]", 16) == 0);
    omen_results_free(r);
    omen_collection_close(c);
    close_world(&x);
}

TEST_MAIN()
