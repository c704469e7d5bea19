/* Whatever was written, replaced, deleted and flushed in whatever order: every way to read a collection - count, scroll, searches by each plan, words, facets, groups - sees the
 * same records, those that a model of documents says match. */
#include "test.h"

#include "api/api.h"
#include "base/mem.h"
#include "column/filter.h"
#include "fault_host.h"
#include "omendb.h"
#include "query/group.h"

enum { IDS = 400, DIMS = 4, DOC = 700 };

typedef struct record {
    bool there;
    float v[DIMS];
    char doc[DOC];
} record;

typedef struct world {
    fault_host *h;
    omen_mem mem;
    omen_db *db;
    omen_collection *c;
    record of[IDS];
} world;

/* Values that columns hold, values of other types in the same place, and some that they do not hold. */
static const char *const values[] = {"\"red\"", "\"green\"", "1", "1.0", "-0", "0", "1e300", "9007199254740993", "18446744073709551615", "1e19", "0.5", "true", "false", "null", "\"2024-01-01\"",
                                     "\"2024-01-01T00:00:00Z\"", "\"a/b\\\"\\\\\\u0007\\u007f\\u2028\"", "\"\\u00e9\\ud83d\\ude00\"", "[1,\"red\"]", "[{\"x\":1}]", "{\"b\":1,\"a\":[2]}", "[]", "\"\"", NULL};

static void make_doc(char *out) {
    const char *value = values[test_rand_below(sizeof values / sizeof *values)];
    static const char *const words[] = {"tea", "coffee", "tea and coffee", "water", "no \\\"tea\\\"-pot"};
    static const char *const ends[] = {"2000-01-01T00:00:00Z", "2999-01-01", "never"};
    char member[200] = "";
    if (value != NULL) snprintf(member, sizeof member, "\"x\":%s,", value);
    int n = snprintf(out, DOC, "{%s\"year\":%d,\"title\":\"%s\",\"deep\":[{\"n\":%d}]", member, 2000 + (int)test_rand_below(10), words[test_rand_below(5)], (int)test_rand_below(3));
    if (test_rand_below(4) == 0) n += snprintf(out + n, DOC - (size_t)n, ",\"end\":\"%s\"", ends[test_rand_below(3)]);
    if (test_rand_below(5) == 0) {
        n += snprintf(out + n, DOC - (size_t)n, ",\"long\":\"");
        memset(out + n, 'y', 300);
        n += 300;
        n += snprintf(out + n, DOC - (size_t)n, "%d\"", (int)test_rand_below(2));
    }
    snprintf(out + n, DOC - (size_t)n, "}");
}

static void open_world(world *x, unsigned late, bool ttl, omen_index_kind kind) {
    const omen_vector_field field = {.name = {"v", 1}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = kind}};
    static const omen_text_field text = {.name = {"title", 5}};
    omen_options o;
    omen_schema s;
    memset(x, 0, sizeof *x);
    x->h = fault_host_new(1);
    omen_mem_init(&x->mem, &x->h->host, 0);
    fault_storage_set_pending(fault_host_image(x->h, "db"), late);
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    o.pool_bytes = 1 << 20;
    omen_schema_init(&s);
    s.vector_count = s.text_count = 1;
    s.vectors = &field;
    s.texts = &text;
    if (ttl) s.ttl = OMEN_STR("end");
    CHECK_OK(omen_open("db", &o, &x->db));
    CHECK_OK(omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c));
}

static void close_world(world *x) {
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    fault_host_free(x->h);
}

/* ---- writing ---- */

static void put(world *x, int64_t id) {
    record *r = &x->of[id];
    omen_id ids[] = {OMEN_ID_INT(id)};
    const void *vectors[] = {r->v};
    r->there = true;
    make_doc(r->doc);
    for (int d = 0; d < DIMS; d++) r->v[d] = (float)test_rand_below(4); /* ties */
    omen_str doc = {r->doc, strlen(r->doc)};
    omen_batch b = {.count = 1, .ids = ids, .vectors = vectors, .documents = &doc};
    CHECK_OK(omen_upsert(x->c, &b));
}

static void write(world *x, int count) {
    for (int i = 0; i < count; i++) {
        int64_t id = (int64_t)test_rand_below(IDS);
        omen_id ids[] = {OMEN_ID_INT(id)};
        if (test_rand_below(4) != 0) {
            put(x, id);
        } else {
            CHECK_OK(omen_delete(x->c, ids, 1, NULL));
            x->of[id].there = false;
        }
    }
}

/* ---- the model ---- */

static bool model_matches(world *x, const omen_filter *f, const omen_filter *alive, size_t i) {
    omen_json *json;
    if (!x->of[i].there) return false;
    CHECK_OK(omen_json_parse(&x->mem, (omen_str){x->of[i].doc, strlen(x->of[i].doc)}, &json, NULL));
    bool match = (f == NULL || omen_filter_matches(f, omen_json_root(json))) && (alive == NULL || omen_filter_matches(alive, omen_json_root(json)));
    omen_json_free(json);
    return match;
}

static bool has_tea(const record *r) { return strstr(r->doc, "tea") != NULL; }

/* ---- reading ---- */

static void check_ids(omen_results *r, const bool *want, size_t count, bool sorted, const char *what) {
    bool seen[IDS] = {false};
    bool good = r != NULL && omen_results_count(r) == count;
    for (size_t i = 0; good && i < count; i++) {
        int64_t id = omen_results_id(r, i).number;
        good = id >= 0 && id < IDS && want[id] && !seen[id] && (!sorted || i == 0 || omen_results_id(r, i - 1).number < id);
        seen[id] = true;
    }
    if (!CHECK(good)) printf("    %s: %zu of %zu\n", what, r == NULL ? 0 : omen_results_count(r), count);
}

static omen_results *ask(world *x, const float *v, uint32_t k, const char *filter, const char *options) {
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.k = k;
    q.vector = v;
    q.dimensions = v == NULL ? 0 : DIMS;
    q.filter = (omen_str){filter, strlen(filter)};
    q.options = (omen_str){options, strlen(options)};
    CHECK_OK(omen_search(x->c, &q, &r));
    return r;
}

static float distance(const float *a, const float *b) {
    float sum = 0;
    for (int d = 0; d < DIMS; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}

/* The first of all, nearest first, ties by id. */
static void check_nearest(world *x, omen_results *r, const float *v, const bool *want, const char *what) {
    bool good = r != NULL;
    for (size_t i = 1; good && i < omen_results_count(r); i++) {
        int64_t a = omen_results_id(r, i - 1).number, b = omen_results_id(r, i).number;
        float da = distance(v, x->of[a].v), db = distance(v, x->of[b].v);
        good = da < db || (da == db && a < b);
    }
    if (good && omen_results_count(r) != 0) {
        int64_t last = omen_results_id(r, omen_results_count(r) - 1).number;
        size_t nearer = 0;
        for (int64_t i = 0; i < IDS; i++) {
            float d = distance(v, x->of[i].v), l = distance(v, x->of[last].v);
            nearer += want[i] && (d < l || (d == l && i < last));
        }
        good = nearer == omen_results_count(r) - 1;
    }
    if (!CHECK(good)) printf("    %s\n", what);
}

static void append_group(char *out, size_t cap, world *x, size_t i) {
    omen_json *json;
    omen_buf text;
    omen_buf_init(&text, &x->mem);
    CHECK_OK(omen_json_parse(&x->mem, (omen_str){x->of[i].doc, strlen(x->of[i].doc)}, &json, NULL));
    CHECK_OK(omen_group_value(omen_json_get(omen_json_root(json), "x"), &text));
    snprintf(out, cap, "%.*s", text.len == 0 ? 4 : (int)text.len, text.len == 0 ? "null" : (const char *)text.data);
    omen_json_free(json);
    omen_buf_deinit(&text);
}

static uint64_t facet_count(omen_str facets, const char *what) {
    const char *at = memmem(facets.data, facets.len, what, strlen(what)); /* no NUL ends what results lend */
    return at == NULL ? 0 : strtoull(at + strlen(what), NULL, 10);
}

static void check_filter(world *x, const char *filter, const omen_filter *alive) {
    static const char *const plans[] = {"{}", "{\"plan\":\"scan\"}", "{\"plan\":\"matches\"}", "{\"plan\":\"index\"}"};
    omen_filter *f = NULL;
    bool want[IDS], tea[IDS];
    size_t count = 0, teas = 0, green = 0, green_tea = 0;
    uint64_t counted = 0;
    float v[DIMS];
    omen_str text = {filter, strlen(filter)};
    omen_results *r = NULL;
    for (int d = 0; d < DIMS; d++) v[d] = (float)test_rand_below(4);
    if (text.len != 0) CHECK_OK(omen_filter_compile(&x->mem, text, &f, NULL));
    for (size_t i = 0; i < IDS; i++) {
        count += want[i] = model_matches(x, f, alive, i);
        teas += tea[i] = want[i] && has_tea(&x->of[i]);
        green += want[i] && strstr(x->of[i].doc, "\"x\":\"green\"") != NULL;
        green_tea += tea[i] && strstr(x->of[i].doc, "\"x\":\"green\"") != NULL;
    }
    CHECK_OK(omen_count_where(x->c, text, &counted));
    if (!CHECK_EQ_UINT(counted, count)) printf("    count of %s\n", filter);
    CHECK_OK(omen_scroll_where(x->c, text, NULL, IDS, 0, &r));
    check_ids(r, want, count, true, filter);
    omen_results_free(r);
    for (size_t p = 0; p < sizeof plans / sizeof *plans; p++) {
        r = ask(x, v, IDS, filter, plans[p]);
        check_ids(r, want, count, false, plans[p]);
        check_nearest(x, r, v, want, plans[p]);
        omen_results_free(r);
        r = ask(x, v, 7, filter, plans[p]);
        if (r != NULL) CHECK_EQ_UINT(omen_results_count(r), OMEN_MIN(count, 7u));
        if (p == 1 || p == 2) check_nearest(x, r, v, want, filter);
        omen_results_free(r);
    }
    r = ask(x, NULL, IDS, filter, "{\"text\":\"tea\",\"facets\":{\"x\":{\"limit\":100}}}");
    check_ids(r, tea, teas, false, "words");
    if (r != NULL) CHECK_EQ_UINT(facet_count(omen_results_facets(r), "{\"value\":\"green\",\"count\":"), green_tea);
    omen_results_free(r);
    r = ask(x, v, 3, filter, "{\"facets\":{\"x\":{\"limit\":100}}}");
    if (r != NULL) CHECK_EQ_UINT(facet_count(omen_results_facets(r), "{\"value\":\"green\",\"count\":"), green);
    omen_results_free(r);
    r = ask(x, v, IDS, filter, "{\"text\":\"tea\"}");
    check_ids(r, want, count, false, "words and vectors");
    omen_results_free(r);
    /* Each hit's group is what its document says, wherever it lies; no group has two hits, and none is missing. */
    r = ask(x, v, IDS, filter, "{\"groupBy\":\"x\"}");
    static char groups[IDS][DOC];
    size_t distinct = 0;
    for (size_t i = 0; i < IDS; i++) {
        size_t k = 0;
        if (!want[i]) continue;
        append_group(groups[distinct], DOC, x, i);
        while (k < distinct && strcmp(groups[k], groups[distinct]) != 0) k++;
        distinct += k == distinct;
    }
    if (r != NULL && !CHECK_EQ_UINT(omen_results_count(r), distinct)) printf("    groups of %s\n", filter);
    for (size_t i = 0; r != NULL && i < omen_results_count(r); i++) {
        char own[DOC];
        omen_str g = omen_results_group(r, i);
        append_group(own, sizeof own, x, (size_t)omen_results_id(r, i).number);
        if (!CHECK(strlen(own) == g.len && memcmp(own, g.data, g.len) == 0)) printf("    group %.*s of a record with %s\n", (int)g.len, g.data, own);
    }
    omen_results_free(r);
    omen_filter_free(&x->mem, f);
}

static const char *const filters[] = {"", "x = 'red'", "x IS NULL", "year >= 2007", "year < 2003 AND x > 0", "NOT (long LIKE 'yyy%')", "x = DATE '2024-01-01'", "{\"$or\":[{\"x\":{\"$contains\":\"red\"}},{\"long\":{\"$prefix\":\"y\"}}]}",
                                      "EXISTS(deep.n) OR year = 2004", "SIZE(x) = 0 OR x = ''", "x = 1 OR x = 18446744073709551615", "year = 1900"};

static void run(unsigned late, bool ttl, omen_index_kind kind, int rounds) {
    static world x;
    omen_filter *alive = NULL;
    open_world(&x, late, ttl, kind);
    if (ttl) CHECK_OK(omen_filter_compile(&x.mem, OMEN_STR("NOT (end <= DATE '2023-11-14')"), &alive, NULL));
    for (int round = 0; round < rounds; round++) {
        write(&x, 60 + (int)test_rand_below(200));
        switch (test_rand_below(5)) {
            case 0: CHECK_OK(omen_flush(x.db)); break;
            case 1: CHECK_OK(omen_build_indexes(x.db)); break;
            case 2: CHECK_OK(omen_compact(x.db)); break;
            default: break;
        }
        for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) check_filter(&x, filters[i], alive);
    }
    if (ttl) {
        size_t expired = 0, gone = 0;
        for (size_t i = 0; i < IDS; i++) expired += x.of[i].there && !model_matches(&x, NULL, alive, i);
        CHECK_OK(omen_expire(x.c, &gone));
        CHECK_EQ_UINT(gone, expired);
        check_filter(&x, "", alive);
    }
    omen_filter_free(&x.mem, alive);
    close_world(&x);
}

TEST(every_read_sees_the_same_records) { run(0, false, OMEN_INDEX_HNSW, 12); }
TEST(lists_see_them_too) { run(0, false, OMEN_INDEX_IVF, 6); }
TEST(what_is_over_is_seen_by_none) { run(0, true, OMEN_INDEX_FLAT, 8); }
TEST(late_storages_change_nothing) { run(50, true, OMEN_INDEX_HNSW, 5); }

/* ---- while others write ---- */

static const struct { const char *filter, *options; bool vector; uint32_t k; } meanwhile[] = {
    {"", "{}", true, 20},
    {"year < 2005", "{\"text\":\"tea coffee\",\"facets\":[\"year\",\"x\"],\"highlight\":true}", true, 20},
    {"NOT (long LIKE 'yyy%')", "{\"facets\":{\"year\":{\"stats\":true}},\"groupBy\":{\"path\":\"x\",\"size\":3}}", true, 20},
    {"", "{\"text\":\"tea\",\"groupBy\":{\"path\":\"year\",\"size\":30}}", false, 10},
    {"", "{\"text\":\"wat*\",\"recommend\":{\"positive\":[0,1],\"negative\":[2]},\"mmr\":true}", false, 10},
};
enum { MEANWHILE = sizeof meanwhile / sizeof *meanwhile };

static void begin_read(world *x, size_t i, const float *v, omen_read_op **op) {
    omen_query q;
    omen_error err = {0};
    omen_query_init(&q);
    q.k = meanwhile[i].k;
    q.vector = meanwhile[i].vector ? v : NULL;
    q.dimensions = DIMS;
    q.filter = (omen_str){meanwhile[i].filter, strlen(meanwhile[i].filter)};
    q.options = (omen_str){meanwhile[i].options, strlen(meanwhile[i].options)};
    CHECK_OK(omen_read_op_new(x->db, x->c->coll, OMEN_READ_SEARCH, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, op, &err));
    if (!CHECK_OK(omen_read_op_search(*op, &q, NULL, &err))) printf("    %s\n", err.text);
}

static bool same(const omen_buf *a, const omen_buf *b) { return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0); }

static bool same_results(const omen_results *a, const omen_results *b) {
    const omen_buf *const x[] = {&a->key_bytes, &a->distances, &a->scores, &a->doc_bytes, &a->doc_offsets, &a->subs, &a->vectors[0], &a->groups.bytes, &a->highlights.bytes, &a->facets};
    const omen_buf *const y[] = {&b->key_bytes, &b->distances, &b->scores, &b->doc_bytes, &b->doc_offsets, &b->subs, &b->vectors[0], &b->groups.bytes, &b->highlights.bytes, &b->facets};
    bool all = true;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) all = all && same(x[i], y[i]);
    return all;
}

/* A search answers from the moment it began, down to its scores, whatever is written, flushed and merged between its steps. */
TEST(searches_under_way_see_nothing_of_what_is_written) {
    static world x;
    open_world(&x, 70, false, OMEN_INDEX_HNSW);
    for (int64_t id = 0; id < IDS / 2; id++) put(&x, id);
    CHECK_OK(omen_flush(x.db));
    for (int round = 0; round < 12; round++) {
        omen_read_op *quiet[MEANWHILE], *late[MEANWHILE];
        omen_error err = {0};
        float v[DIMS];
        bool done[MEANWHILE] = {false};
        for (int d = 0; d < DIMS; d++) v[d] = (float)test_rand_below(4);
        for (int64_t id = 0; id < 3; id++) put(&x, id);
        write(&x, 30);
        if (round % 3 == 1) CHECK_OK(omen_build_indexes(x.db));
        for (int64_t id = 0; id < 3; id++)
            if (!x.of[id].there) put(&x, id);
        for (size_t i = 0; i < MEANWHILE; i++) {
            omen_status s;
            begin_read(&x, i, v, &late[i]);
            begin_read(&x, i, v, &quiet[i]);
            while ((s = omen_read_op_step(quiet[i], &err)) == OMEN_PENDING) {}
            if (!CHECK_OK(s)) printf("    %s\n", err.text);
        }
        for (size_t left = MEANWHILE, turn = 0; left != 0; turn++) {
            switch (turn % 7) {
                case 0: write(&x, 10); break;
                case 2: CHECK_OK(omen_flush(x.db)); break;
                case 4: CHECK_OK(round % 2 == 0 ? omen_compact(x.db) : omen_build_indexes(x.db)); break;
                default: break;
            }
            for (size_t i = 0; i < MEANWHILE; i++) {
                if (done[i]) continue;
                omen_status s = omen_read_op_step(late[i], &err);
                done[i] = s != OMEN_PENDING;
                left -= done[i];
                if (s != OMEN_PENDING && !CHECK_OK(s)) printf("    %s\n", err.text);
            }
        }
        for (size_t i = 0; i < MEANWHILE; i++) {
            if (!CHECK(same_results(quiet[i]->results, late[i]->results))) printf("    %s\n", meanwhile[i].options);
            omen_read_op_free(quiet[i]);
            omen_read_op_free(late[i]);
        }
    }
    close_world(&x);
}

TEST_MAIN()
