/* Filters through the public API: whatever lies in memory, in segments, or was replaced or deleted since, what a filter selects is what its documents say. */
#include "test.h"

#include "column/filter.h"
#include "fault_host.h"
#include "omendb.h"

#ifdef __x86_64__
enum { IDS = 3000 };
#else
enum { IDS = 700 }; /* emulators */
#endif
enum { DIMS = 8, K = 10 };

/* The model: what was written last. */
static struct { bool there; char doc[200]; float v[DIMS]; } model[IDS];

static const char *const filters[] = {
    "n >= 500",
    "n < 20",
    "{\"n\": {\"$gte\": 100, \"$lt\": 130}}",
    "tag = 'red'",
    "tags CONTAINS 'c7' AND n > 10",
    "NOT tag = 'red'",
    "deep.x IS NULL",
    "EXISTS(deep.x)",
    "{\"$or\": [{\"tag\": \"blue\"}, {\"mixed\": 7}]}",
    "mixed = 'seven'",
    "long LIKE 'y%'", /* strings that columns do not hold: documents are asked */
    "{}",
    "n = -1",
    "n IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)",
};
enum { FILTERS = sizeof filters / sizeof *filters };

static omen_str text_of(const char *s) { return (omen_str){s, strlen(s)}; }

static void make(size_t i) {
    static const char *const colours[] = {"red", "green", "blue"};
    char deep[40] = "", lng[60] = "";
    size_t n = (size_t)test_rand_below(IDS);
    if (test_rand_below(3) == 0) snprintf(deep, sizeof deep, ",\"deep\":{\"x\":%d}", (int)test_rand_below(9));
    if (test_rand_below(40) == 0) snprintf(lng, sizeof lng, ",\"long\":\"%c\"", "xyz"[test_rand_below(3)]);
    snprintf(model[i].doc, sizeof model[i].doc, "{\"n\":%zu,\"tag\":\"%s\",\"tags\":[\"c%d\",\"c%d\"],\"mixed\":%s%s%s}", n, colours[test_rand_below(3)], (int)test_rand_below(9),
             (int)test_rand_below(9), test_rand_below(2) ? "7" : "\"seven\"", deep, lng);
    if (test_rand_below(20) == 0) model[i].doc[0] = '\0'; /* no document */
    for (size_t d = 0; d < DIMS; d++) model[i].v[d] = test_rand_float();
    model[i].there = true;
}

/* Documents longer than a column's strings are only in the documents. */
static omen_str doc_of(size_t i, char *room) {
    char *at = strstr(model[i].doc, "\"long\":\"");
    if (at == NULL) return text_of(model[i].doc);
    size_t head = (size_t)(at - model[i].doc) + 9;
    memcpy(room, model[i].doc, head);
    memset(room + head, 'q', 5000);
    snprintf(room + head + 5000, 100, "%s", model[i].doc + head);
    return text_of(room);
}

static void write(omen_collection *c, size_t from, size_t to) {
    static omen_id ids[IDS];
    static omen_str docs[IDS];
    static float v[IDS][DIMS];
    static char room[IDS / 10][6000];
    size_t n = 0, rooms = 0;
    for (size_t i = from; i < to; i++, n++) {
        make(i);
        ids[n] = OMEN_ID_INT((int64_t)i);
        docs[n] = doc_of(i, room[rooms]);
        if (docs[n].data == room[rooms] && ++rooms == IDS / 10) rooms = 0;
        memcpy(v[n], model[i].v, sizeof v[n]);
    }
    const void *vectors[] = {v};
    omen_batch b = {.count = n, .ids = ids, .vectors = vectors, .documents = docs};
    CHECK_OK(omen_upsert(c, &b));
}

static bool wanted(const omen_filter *f, omen_mem *m, size_t i) {
    static char room[6000];
    omen_error err;
    omen_json *json = NULL;
    if (!model[i].there) return false;
    omen_str doc = doc_of(i, room);
    if (doc.len != 0) CHECK_OK(omen_json_parse(m, doc, &json, &err));
    bool yes = omen_filter_matches(f, json == NULL ? NULL : omen_json_root(json));
    omen_json_free(json);
    return yes;
}

static bool want[IDS];

static size_t oracle(omen_mem *m, const char *filter) {
    omen_filter *f;
    omen_error err;
    size_t n = 0;
    CHECK_OK(omen_filter_compile(m, text_of(filter), &f, &err));
    for (size_t i = 0; i < IDS; i++) n += want[i] = wanted(f, m, i);
    omen_filter_free(m, f);
    return n;
}

static void check_scroll(omen_collection *c, const char *filter, size_t matches) {
    size_t seen = 0;
    int64_t last = -1;
    for (;;) {
        omen_results *r = NULL;
        omen_id after = OMEN_ID_INT(last);
        CHECK_OK(omen_scroll_where(c, text_of(filter), last < 0 ? NULL : &after, 97, 0, &r));
        if (r == NULL) return;
        size_t n = omen_results_count(r);
        for (size_t i = 0; i < n; i++) {
            int64_t id = omen_results_id(r, i).number;
            CHECK(id > last && want[id]);
            last = id;
        }
        seen += n;
        omen_results_free(r);
        if (n < 97) break;
    }
    CHECK_EQ_UINT(seen, matches);
}

static void check_search(omen_collection *c, const char *filter, size_t matches, bool exact) {
    float q[DIMS], nearest[K];
    size_t found = 0;
    for (size_t d = 0; d < DIMS; d++) q[d] = test_rand_float();
    for (size_t i = 0; i < IDS; i++) {
        float sum = 0;
        if (!want[i]) continue;
        for (size_t d = 0; d < DIMS; d++) sum += (q[d] - model[i].v[d]) * (q[d] - model[i].v[d]);
        size_t at = found < K ? found++ : sum < nearest[K - 1] ? K - 1 : K;
        for (; at < K && at != 0 && nearest[at - 1] > sum; at--) nearest[at] = nearest[at - 1];
        if (at < K) nearest[at] = sum;
    }
    omen_query ask;
    omen_results *r = NULL;
    omen_query_init(&ask);
    ask.vector = q;
    ask.dimensions = DIMS;
    ask.k = K;
    ask.exact = exact;
    ask.filter = text_of(filter);
    CHECK_OK(omen_search(c, &ask, &r));
    if (r == NULL) return;
    CHECK_EQ_UINT(omen_results_count(r), matches < K ? matches : K);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        float d = omen_results_distance(r, i);
        CHECK(want[omen_results_id(r, i).number]);
        if (exact) CHECK(d * d <= nearest[i] * 1.0001f + 1e-6f);
    }
    omen_results_free(r);
}

static void check(omen_collection *c, omen_mem *m) {
    for (size_t f = 0; f < FILTERS; f++) {
        uint64_t count = 0;
        size_t matches = oracle(m, filters[f]);
        CHECK_OK(omen_count_where(c, text_of(filters[f]), &count));
        CHECK_EQ_UINT(count, matches);
        check_scroll(c, filters[f], matches);
        check_search(c, filters[f], matches, true);
        check_search(c, filters[f], matches, false);
    }
}

static omen_collection *open_notes(omen_db *db, omen_index_kind kind) {
    omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = kind}};
    omen_schema s;
    omen_collection *c = NULL;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    CHECK_OK(omen_collection_open(db, OMEN_STR("notes"), &s, &c));
    return c;
}

static omen_options options_of(fault_host *h) {
    omen_options o;
    omen_options_init(&o);
    o.host = &h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    return o;
}

static void life(omen_index_kind kind) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_db *db = NULL;
    omen_mem m;
    omen_mem_init(&m, &h->host, 0);
    memset(model, 0, sizeof model);
    if (!CHECK_OK(omen_open("db", &o, &db))) return;
    omen_collection *c = open_notes(db, kind);
    check(c, &m); /* nothing yet */
    write(c, 0, IDS / 2);
    check(c, &m); /* in memory */
    CHECK_OK(omen_flush(db));
    check(c, &m); /* in a segment */
    write(c, IDS / 4, IDS); /* replaces some of it */
    CHECK_OK(omen_build_indexes(db));
    write(c, 0, IDS / 8); /* and some is in memory again */
    for (int64_t i = 0; i < IDS; i += 7) {
        omen_id id = OMEN_ID_INT(i);
        CHECK_OK(omen_delete(c, &id, 1, NULL));
        model[i].there = false;
    }
    check(c, &m);
    CHECK_OK(omen_build_indexes(db));
    check(c, &m);

    /* Writes by filter. */
    size_t n = 0, expect = oracle(&m, "tag = 'green' AND n < 300");
    CHECK_OK(omen_delete_where(c, OMEN_STR("tag = 'green' AND n < 300"), &n));
    CHECK_EQ_UINT(n, expect);
    for (size_t i = 0; i < IDS; i++) model[i].there = model[i].there && !want[i];
    check(c, &m);
    expect = oracle(&m, "tag = 'blue'");
    CHECK_OK(omen_update_where(c, OMEN_STR("{\"tag\": \"blue\"}"), OMEN_STR("{\"tag\":\"red\",\"was\":\"blue\"}"), &n));
    CHECK_EQ_UINT(n, expect);
    uint64_t count;
    CHECK_OK(omen_count_where(c, OMEN_STR("was = 'blue'"), &count));
    CHECK_EQ_UINT(count, expect);
    CHECK_OK(omen_count_where(c, OMEN_STR("tag = 'blue'"), &count));
    CHECK_EQ_UINT(count, 0u);
    CHECK_OK(omen_compact(db));
    CHECK_OK(omen_count_where(c, OMEN_STR("was = 'blue'"), &count));
    CHECK_EQ_UINT(count, expect);
    CHECK_OK(omen_delete_where(c, OMEN_STR("{}"), &n));
    CHECK_OK(omen_count(c, &count));
    CHECK_EQ_UINT(count, 0u);
    CHECK_OK(omen_delete_where(c, OMEN_STR("{}"), &n));
    CHECK_EQ_UINT(n, 0u);
    CHECK_OK(omen_check(db));
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(a_filter_selects_what_documents_say_flat) { life(OMEN_INDEX_FLAT); }
TEST(a_filter_selects_what_documents_say_hnsw) { life(OMEN_INDEX_HNSW); }
TEST(a_filter_selects_what_documents_say_ivf) { life(OMEN_INDEX_IVF); }
TEST(a_filter_selects_what_documents_say_disk) { life(OMEN_INDEX_DISK); }

/* What is over is seen by no read, wherever it lies, and is removed when that is asked for. */
TEST(records_live_as_long_as_they_say) {
    static const char *const docs[] = {"{\"n\":1,\"until\":\"2999-01-01T00:00:00Z\"}", "{\"n\":2,\"until\":\"2001-01-01\"}", "{\"n\":3}", "", "{\"n\":5,\"until\":\"2001-01-01T00:00:00+01:00\"}", "{\"n\":6,\"until\":7}"};
    enum { N = 6, ALIVE = 4 };
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_db *db = NULL;
    omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_collection *c = NULL;
    omen_id ids[N];
    omen_str texts[N];
    static float v[N][DIMS];
    omen_results *r;
    uint64_t count;
    size_t n;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    s.ttl = OMEN_STR("until");
    if (!CHECK_OK(omen_open("db", &o, &db)) || !CHECK_OK(omen_collection_open(db, OMEN_STR("c"), &s, &c))) return;
    for (size_t i = 0; i < N; i++) {
        ids[i] = OMEN_ID_INT((int64_t)i);
        texts[i] = text_of(docs[i]);
        v[i][0] = (float)i;
    }
    const void *vectors[] = {v};
    CHECK_OK(omen_upsert(c, &(omen_batch){.count = N, .ids = ids, .vectors = vectors, .documents = texts}));
    for (int layout = 0; layout < 2; layout++) {
        CHECK_OK(omen_count(c, &count));
        CHECK_EQ_UINT(count, (uint64_t)ALIVE);
        CHECK_OK(omen_count_where(c, OMEN_STR("n > 1"), &count));
        CHECK_EQ_UINT(count, 2u);
        CHECK_OK(omen_get(c, ids, N, 0, &r));
        for (size_t i = 0; i < N; i++) CHECK_EQ_INT(omen_results_found(r, i), i != 1 && i != 4);
        omen_results_free(r);
        CHECK_OK(omen_scroll(c, NULL, 10, 0, &r));
        CHECK_EQ_UINT(omen_results_count(r), (size_t)ALIVE);
        omen_results_free(r);
        omen_query q;
        omen_query_init(&q);
        q.vector = v[1];
        q.dimensions = DIMS;
        CHECK_OK(omen_search(c, &q, &r));
        CHECK_EQ_UINT(omen_results_count(r), (size_t)ALIVE);
        omen_results_free(r);
        q.options = OMEN_STR("{\"facets\":[\"n\"]}");
        CHECK_OK(omen_search(c, &q, &r));
        CHECK(memmem(omen_results_facets(r).data, omen_results_facets(r).len, "\"distinct\":3", 12) != NULL);
        omen_results_free(r);
        CHECK_OK(omen_flush(db));
    }
    CHECK_OK(omen_expire(c, &n));
    CHECK_EQ_UINT(n, 2u);
    CHECK_OK(omen_expire(c, &n));
    CHECK_EQ_UINT(n, 0u);
    CHECK_OK(omen_count(c, &count));
    CHECK_EQ_UINT(count, (uint64_t)ALIVE);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    /* The schema remembers. */
    CHECK_OK(omen_open("db", &o, &db));
    CHECK_OK(omen_collection_open(db, OMEN_STR("c"), NULL, &c));
    CHECK(omen_collection_schema(c)->ttl.len == 5);
    omen_collection_close(c);
    s.ttl = OMEN_STR("");
    CHECK_STATUS(omen_collection_open(db, OMEN_STR("c"), &s, &c), OMEN_ERR_SCHEMA);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST(a_bad_filter_says_where) {
    fault_host *h = fault_host_new(1);
    omen_options o = options_of(h);
    omen_db *db = NULL;
    uint64_t count;
    omen_results *r;
    if (!CHECK_OK(omen_open("db", &o, &db))) return;
    omen_collection *c = open_notes(db, OMEN_INDEX_FLAT);
    CHECK_STATUS(omen_count_where(c, OMEN_STR("year >"), &count), OMEN_ERR_INVALID);
    CHECK(strstr(omen_last_error(), "column") != NULL);
    CHECK_STATUS(omen_count_where(c, OMEN_STR("{\"year\": {\"$gtee\": 1}}"), &count), OMEN_ERR_INVALID);
    CHECK(strstr(omen_last_error(), "$gtee") != NULL);
    CHECK_STATUS(omen_scroll_where(c, OMEN_STR("{\"a\""), NULL, 1, 0, &r), OMEN_ERR_JSON);
    CHECK_STATUS(omen_delete_where(c, OMEN_STR(""), NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_delete_where(c, OMEN_STR("a ="), NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_update_where(c, OMEN_STR("a = 1"), OMEN_STR("[1]"), NULL), OMEN_ERR_JSON);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
