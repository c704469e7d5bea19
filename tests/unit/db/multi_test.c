/* Records of several vectors through the public API: searched, fused and used for ordering other hits anew, they agree with a plain computation over all records, to the bit, wherever
 * the records lie: in memory, in segments, merged, after updates, deletes and opening again, with filters, and with reads that pend. */
#include "test.h"

#include "column/element.h"
#include "fault_host.h"
#include "kernel/kernel.h"
#include "omendb.h"

enum { IDS = 200, DIMS = 6, HALF_DIMS = 3, MOST = 5, QUERY = 4 };

/* tokens: cosine, f32. page.parts: ip, f16. */
static struct record { bool lives; int year, tokens, parts; float v[4], token[MOST][DIMS], part[MOST][HALF_DIMS]; } records[IDS];
static char doc[4096];

static void make(size_t id) {
    struct record *r = &records[id];
    r->lives = true;
    r->year = 2000 + (int)test_rand_below(10);
    r->tokens = (int)test_rand_below(MOST + 1);
    r->parts = (int)test_rand_below(4) == 0 ? 1 + (int)test_rand_below(MOST) : 0;
    for (int i = 0; i < 4; i++) r->v[i] = test_rand_float();
    for (int i = 0; i < r->tokens; i++)
        for (int d = 0; d < DIMS; d++) r->token[i][d] = (float)(int)test_rand_below(9) - 4.25f;
    for (int i = 0; i < r->parts; i++)
        for (int d = 0; d < HALF_DIMS; d++) r->part[i][d] = test_rand_float();
}

static size_t write_vectors(char *to, size_t cap, const float *v, int count, int dims) {
    size_t n = (size_t)snprintf(to, cap, "[");
    for (int i = 0; i < count; i++) {
        n += (size_t)snprintf(to + n, cap - n, "%s[", i == 0 ? "" : ",");
        for (int d = 0; d < dims; d++) n += (size_t)snprintf(to + n, cap - n, "%s%.9g", d == 0 ? "" : ",", (double)v[i * dims + d]);
        n += (size_t)snprintf(to + n, cap - n, "]");
    }
    return n + (size_t)snprintf(to + n, cap - n, "]");
}

static omen_str document(size_t id) {
    const struct record *r = &records[id];
    size_t n = (size_t)snprintf(doc, sizeof doc, "{\"year\":%d", r->year);
    if (r->tokens != 0) {
        n += (size_t)snprintf(doc + n, sizeof doc - n, ",\"tokens\":");
        n += write_vectors(doc + n, sizeof doc - n, r->token[0], r->tokens, DIMS);
    } else if (id % 2 == 0) {
        n += (size_t)snprintf(doc + n, sizeof doc - n, ",\"tokens\":null");
    }
    if (r->parts != 0) {
        n += (size_t)snprintf(doc + n, sizeof doc - n, ",\"page\":{\"number\":1,\"parts\":");
        n += write_vectors(doc + n, sizeof doc - n, r->part[0], r->parts, HALF_DIMS);
        n += (size_t)snprintf(doc + n, sizeof doc - n, "}");
    }
    n += (size_t)snprintf(doc + n, sizeof doc - n, "}");
    return (omen_str){doc, n};
}

/* ---- the plain computation ---- */

static void unit(const float *v, int dims, float *into) {
    float norm = omen_element_norm(OMEN_ELEMENT_F32, v, (uint32_t)dims);
    for (int d = 0; d < dims; d++) into[d] = v[d] / norm;
}

static bool plain_score(const struct record *r, bool page, const float *query, int count, float *out) {
    int n = page ? r->parts : r->tokens, dims = page ? HALF_DIMS : DIMS;
    double sum = 0;
    for (int q = 0; q < count; q++) {
        float best = -1e30f, asked[DIMS], has[DIMS], dot;
        if (page) memcpy(asked, query + q * dims, sizeof(float) * (size_t)dims);
        else unit(query + q * dims, dims, asked);
        for (int i = 0; i < n; i++) {
            for (int d = 0; d < dims; d++) has[d] = page ? omen_f16_widen(omen_f16_narrow(r->part[i][d])) : r->token[i][d];
            if (!page) unit(r->token[i], dims, has);
            omen_kernels_scalar.dot_f32(asked, has, 1, (size_t)dims, &dot);
            best = dot > best ? dot : best;
        }
        sum += (double)best;
    }
    *out = (float)sum;
    return n != 0;
}

typedef struct scored { int64_t id; float score; } scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->id < y->id ? -1 : 1;
}

static size_t plain(bool page, const float *query, int count, int from_year, scored *out) {
    size_t n = 0;
    for (size_t i = 0; i < IDS; i++) {
        if (!records[i].lives || records[i].year < from_year || !plain_score(&records[i], page, query, count, &out[n].score)) continue;
        out[n++].id = (int64_t)i;
    }
    qsort(out, n, sizeof *out, by_score);
    return n;
}

/* ---- the database ---- */

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static unsigned late; /* percent of reads that pend */
static const omen_vector_field fields[] = {{.name = {"v", 1}, .dimensions = 4, .metric = OMEN_METRIC_L2}};
static const omen_multi_field multis[] = {{.name = {"tokens", 6}, .dimensions = DIMS}, {.name = {"page.parts", 10}, .dimensions = HALF_DIMS, .metric = OMEN_METRIC_IP, .element = OMEN_ELEMENT_F16}};
static const omen_str texts[] = {{"title", 5}};

static omen_schema schema(void) {
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = fields;
    s.multi_count = 2;
    s.multis = multis;
    return s;
}

static void open_world(world *x) {
    omen_options o;
    omen_schema s = schema();
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    if (late != 0) o.pool_bytes = 1 << 20;
    CHECK_OK(omen_open("db", &o, &x->db));
    CHECK_OK(omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c));
}

static void begin(world *x) {
    memset(x, 0, sizeof *x);
    memset(records, 0, sizeof records);
    x->h = fault_host_new(1);
    fault_storage_set_pending(fault_host_image(x->h, "db"), late);
    open_world(x);
}

static void close_world(world *x) {
    CHECK_OK(omen_check(x->db));
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
}

static void end(world *x) {
    close_world(x);
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    fault_host_free(x->h);
}

static void write(world *x, const int64_t *numbers, size_t count) {
    static omen_id ids[IDS];
    static omen_str docs[IDS];
    static float v[IDS][4];
    for (size_t i = 0; i < count; i++) {
        ids[i] = OMEN_ID_INT(numbers[i]);
        omen_str d = document((size_t)numbers[i]);
        char *copy = malloc(d.len);
        docs[i] = (omen_str){memcpy(copy, d.data, d.len), d.len};
        memcpy(v[i], records[numbers[i]].v, sizeof v[i]);
    }
    const void *vectors[] = {v};
    omen_batch b = {.count = count, .ids = ids, .vectors = vectors, .documents = docs};
    CHECK_OK(omen_upsert(x->c, &b));
    for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)docs[i].data);
}

static void write_some(world *x, size_t count) {
    int64_t numbers[IDS];
    bool taken[IDS] = {false};
    size_t n = 0;
    while (n < count) {
        size_t id = (size_t)test_rand_below(IDS);
        if (taken[id]) continue;
        taken[id] = true;
        make(id);
        numbers[n++] = (int64_t)id;
    }
    write(x, numbers, n);
}

static void delete_some(world *x, size_t count) {
    omen_id ids[IDS];
    for (size_t i = 0; i < count; i++) {
        ids[i] = OMEN_ID_INT((int64_t)test_rand_below(IDS));
        records[ids[i].number].lives = false;
    }
    CHECK_OK(omen_delete(x->c, ids, count, NULL));
}

static omen_results *ask(world *x, const float *v, uint32_t k, int from_year, const char *options) {
    char filter[40] = "";
    omen_query q;
    omen_results *r = NULL;
    omen_query_init(&q);
    q.k = k;
    q.exact = 1;
    if (from_year != 0) snprintf(filter, sizeof filter, "year >= %d", from_year);
    q.filter = (omen_str){filter, strlen(filter)};
    q.options = (omen_str){options, strlen(options)};
    q.vector = v;
    q.dimensions = v == NULL ? 0 : 4;
    if (!CHECK_OK(omen_search(x->c, &q, &r))) printf("     %s\n", omen_last_error());
    return r;
}

static char options[4096];

/* An ask between two pieces of JSON; `after` closes its object, too. */
static void write_ask(const char *before, bool page, const float *query, int count, const char *after) {
    size_t n = (size_t)snprintf(options, sizeof options, "%s{\"field\":\"%s\",\"vectors\":", before, page ? "page.parts" : "tokens");
    n += write_vectors(options + n, sizeof options - n, query, count, page ? HALF_DIMS : DIMS);
    snprintf(options + n, sizeof options - n, "%s", after);
}

static float subscore(const omen_results *r, size_t i, const char *name) {
    omen_str legs = omen_results_legs(r);
    char text[200];
    snprintf(text, sizeof text, "%.*s", (int)legs.len, legs.data);
    uint32_t leg = 0;
    for (char *at = strtok(text, "[],"); at != NULL; at = strtok(NULL, "[],"), leg++)
        if (strncmp(at + 1, name, strlen(name)) == 0 && at[1 + strlen(name)] == '"') return omen_results_leg_score(r, i, leg);
    return -12345.0f;
}

static void check_hits(const omen_results *r, const scored *want, size_t count) {
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_count(r), count);
    for (size_t i = 0; i < count && i < omen_results_count(r); i++) {
        CHECK_EQ_INT(omen_results_id(r, i).number, want[i].id);
        CHECK_BITS(omen_results_score(r, i), want[i].score);
    }
}

/* One field, alone. */
static void check_leg(world *x, bool page, int from_year, uint32_t k) {
    static scored want[IDS];
    float query[QUERY * DIMS];
    int count = 1 + (int)test_rand_below(QUERY);
    for (int i = 0; i < QUERY * DIMS; i++) query[i] = test_rand_float();
    size_t n = plain(page, query, count, from_year, want);
    write_ask("{\"multi\":", page, query, count, "}}");
    omen_results *r = ask(x, NULL, k, from_year, options);
    check_hits(r, want, n < k ? n : k);
    for (size_t i = 0; r != NULL && i < omen_results_count(r); i++) CHECK(omen_results_distance(r, i) != omen_results_distance(r, i));
    omen_results_free(r);
}

/* With a vector beside it: each hit's sub-score is the record's. */
static void check_fusion(world *x, int from_year) {
    float query[QUERY * DIMS], v[4], score;
    for (int i = 0; i < QUERY * DIMS; i++) query[i] = test_rand_float();
    for (int i = 0; i < 4; i++) v[i] = test_rand_float();
    write_ask("{\"fusion\":\"rrf\",\"multi\":", false, query, QUERY, "}}");
    omen_results *r = ask(x, v, 20, from_year, options);
    REQUIRE(r != NULL);
    CHECK_EQ_UINT(omen_results_leg_count(r), 2);
    unsigned listed = 0;
    for (size_t i = 0; i < omen_results_count(r); i++) {
        const struct record *rec = &records[omen_results_id(r, i).number];
        float got = subscore(r, i, "tokens");
        CHECK(rec->lives && rec->year >= from_year);
        bool any = plain_score(rec, false, query, QUERY, &score);
        if (!any) CHECK(got != got);
        if (got != got) continue;
        CHECK_BITS(got, score);
        listed++;
    }
    CHECK(listed != 0 || omen_results_count(r) == 0);
    omen_results_free(r);
}

/* The best of the vector leg, by their own order, then in that of the tokens. */
static void check_rerank(world *x, int from_year, uint32_t k, uint32_t candidates) {
    static scored want[IDS];
    float query[QUERY * DIMS], v[4];
    char after[60];
    size_t n = 0;
    for (int i = 0; i < QUERY * DIMS; i++) query[i] = test_rand_float();
    for (int i = 0; i < 4; i++) v[i] = test_rand_float();
    omen_results *best = ask(x, v, candidates, from_year, "");
    REQUIRE(best != NULL);
    for (size_t i = 0; i < omen_results_count(best); i++) {
        want[n].id = omen_results_id(best, i).number;
        n += plain_score(&records[want[n].id], false, query, 2, &want[n].score);
    }
    qsort(want, n, sizeof *want, by_score);
    snprintf(after, sizeof after, "},\"candidates\":%u}}", candidates);
    write_ask("{\"rerank\":{\"multi\":", false, query, 2, after);
    omen_results *r = ask(x, v, k, from_year, options);
    check_hits(r, want, n < k ? n : k);
    for (size_t i = 0; r != NULL && i < omen_results_count(r); i++) {
        CHECK_BITS(subscore(r, i, "tokens"), omen_results_score(r, i));
        bool found = false;
        for (size_t b = 0; b < omen_results_count(best); b++) {
            if (omen_results_id(best, b).number != omen_results_id(r, i).number) continue;
            found = true;
            CHECK_BITS(subscore(r, i, "v"), omen_results_score(best, b));
            CHECK_BITS(omen_results_distance(r, i), omen_results_distance(best, b));
        }
        CHECK(found);
    }
    omen_results_free(r);
    omen_results_free(best);
}

static void check_all(world *x) {
    static const uint32_t ks[] = {1, 7, IDS + 5};
    for (int page = 0; page < 2; page++)
        for (int year = 0; year < 2; year++)
            for (size_t k = 0; k < 3; k++) check_leg(x, page == 1, year == 0 ? 0 : 2006, ks[k]);
    check_fusion(x, 0);
    check_fusion(x, 2004);
    check_rerank(x, 0, 5, 20);
    check_rerank(x, 2005, 5, 40);
    check_rerank(x, 0, 10, IDS);
}

TEST(answers_agree_with_a_plain_computation_wherever_records_lie) {
    for (late = 0; late <= 30; late += 30) {
        world x;
        begin(&x);
        check_all(&x); /* nothing is there */
        write_some(&x, 80);
        check_all(&x);
        CHECK_OK(omen_flush(x.db));
        check_all(&x);
        write_some(&x, 50); /* replaces some */
        delete_some(&x, 10);
        check_all(&x);
        CHECK_OK(omen_flush(x.db));
        write_some(&x, 60);
        check_all(&x);
        close_world(&x);
        open_world(&x); /* the log's records, too */
        check_all(&x);
        CHECK_OK(omen_compact(x.db));
        check_all(&x);
        delete_some(&x, 30);
        write_some(&x, 20);
        CHECK_OK(omen_flush(x.db));
        CHECK_OK(omen_compact(x.db));
        check_all(&x);
        close_world(&x);
        open_world(&x);
        check_all(&x);
        end(&x);
    }
    late = 0;
}

TEST(updates_change_and_remove_vectors) {
    world x;
    begin(&x);
    write_some(&x, IDS);
    CHECK_OK(omen_flush(x.db));
    static omen_id ids[IDS];
    static omen_str docs[IDS];
    const void *vectors[] = {NULL};
    for (size_t i = 0; i < IDS; i++) {
        ids[i] = OMEN_ID_INT((int64_t)i);
        docs[i] = i % 3 == 0 ? OMEN_STR("{\"tokens\":null}") : i % 3 == 1 ? OMEN_STR("{\"tokens\":[[1,2,3,4,5,6]]}") : OMEN_STR("{\"year\":2009}");
        if (i % 3 == 0) records[i].tokens = 0;
        else if (i % 3 == 2) records[i].year = 2009;
        else {
            records[i].tokens = 1;
            for (int d = 0; d < DIMS; d++) records[i].token[0][d] = (float)d + 1;
        }
    }
    omen_batch b = {.count = IDS, .ids = ids, .vectors = vectors, .documents = docs};
    CHECK_OK(omen_write(x.c, OMEN_WRITE_UPDATE, &b));
    check_all(&x);
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(omen_compact(x.db));
    check_all(&x);
    end(&x);
}

/* A collection in which no record has any: no section is written. */
TEST(records_without_any) {
    world x;
    begin(&x);
    for (int64_t i = 0; i < 20; i++) {
        make((size_t)i);
        records[i].tokens = records[i].parts = 0;
        write(&x, &i, 1);
        if (i % 7 == 6) CHECK_OK(omen_flush(x.db));
    }
    check_leg(&x, false, 0, 5);
    CHECK_OK(omen_compact(x.db));
    check_leg(&x, false, 0, 5);
    check_leg(&x, true, 2005, 5);
    end(&x);
}

/* ---- later stages ---- */

TEST(groups_and_scores_bound_what_is_ordered_anew) {
    world x;
    float query[2 * DIMS], v[4] = {0.1f, 0.2f, 0.3f, 0.4f};
    static scored want[IDS];
    begin(&x);
    write_some(&x, 150);
    CHECK_OK(omen_flush(x.db));
    write_some(&x, 30);
    for (int i = 0; i < 2 * DIMS; i++) query[i] = test_rand_float();
    size_t n = plain(false, query, 2, 0, want), all = 0, groups = 0;
    bool seen[10] = {false};
    /* The best of each year; the leg sees every record. */
    write_ask("{\"groupBy\":\"year\",\"rerank\":{\"multi\":", false, query, 2, "},\"candidates\":1000}}");
    omen_results *r = ask(&x, v, 10, 0, options);
    REQUIRE(r != NULL);
    for (size_t i = 0; i < n; i++) {
        const struct record *rec = &records[want[i].id];
        if (seen[rec->year - 2000]) continue;
        seen[rec->year - 2000] = true;
        if (groups < omen_results_count(r)) CHECK_BITS(omen_results_score(r, groups), want[i].score);
        groups++;
    }
    CHECK_EQ_UINT(omen_results_count(r), groups);
    omen_results_free(r);
    /* minScore is of the last ranking. */
    write_ask("{\"minScore\":0.9,\"rerank\":{\"multi\":", false, query, 2, "},\"candidates\":1000}}");
    r = ask(&x, v, IDS, 0, options);
    while (all < n && want[all].score >= 0.9f) all++;
    check_hits(r, want, all);
    omen_results_free(r);
    /* A field that is a leg and orders anew has two names. */
    write_ask("{\"multi\":", false, query, 2, ",\"weight\":2},\"rerank\":{\"multi\":{\"field\":\"tokens\",\"vectors\":[[1,0,0,0,0,0]]}}}");
    r = ask(&x, NULL, 3, 0, options);
    REQUIRE(r != NULL);
    omen_str legs = omen_results_legs(r);
    CHECK(legs.len == strlen("[\"tokens\",\"$rerank\"]") && memcmp(legs.data, "[\"tokens\",\"$rerank\"]", legs.len) == 0);
    omen_results_free(r);
    /* Diverse hits come from what was ordered anew. */
    write_ask("{\"mmr\":{\"lambda\":1},\"rerank\":{\"multi\":", false, query, 2, "},\"candidates\":1000}}");
    r = ask(&x, v, 5, 0, options);
    check_hits(r, want, 5);
    omen_results_free(r);
    end(&x);
}

TEST(explain_tells_what_was_compared) {
    world x;
    char text[4000];
    size_t needed;
    float v[4] = {1, 2, 3, 4};
    begin(&x);
    write_some(&x, 60);
    CHECK_OK(omen_flush(x.db));
    omen_query q;
    omen_query_init(&q);
    q.k = 5;
    q.options = OMEN_STR("{\"multi\":{\"field\":\"tokens\",\"vectors\":[[1,0,0,0,0,0],[0,1,0,0,0,0]]}}");
    CHECK_OK(omen_explain(x.c, &q, text, sizeof text, &needed));
    unsigned records_with = 0, vectors = 0;
    for (size_t i = 0; i < IDS; i++) records_with += records[i].lives && records[i].tokens != 0, vectors += records[i].lives ? (unsigned)records[i].tokens : 0;
    char want[200];
    snprintf(want, sizeof want, "\"leg\":\"tokens\",\"queryVectors\":2,\"records\":%u,\"vectors\":%u,\"bytes\":%u", records_with, vectors, vectors * DIMS * 4);
    if (!CHECK(strstr(text, want) != NULL)) printf("     %s\n", text);
    q.vector = v;
    q.dimensions = 4;
    q.options = OMEN_STR("{\"rerank\":{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"candidates\":30}}");
    CHECK_OK(omen_explain(x.c, &q, text, sizeof text, &needed));
    if (!CHECK(strstr(text, "\"rerank\":{\"field\":\"page.parts\",\"candidates\":30,\"queryVectors\":1,") != NULL)) printf("     %s\n", text);
    end(&x);
}

/* ---- what is refused ---- */

TEST(documents_and_queries_that_are_wrong_are_refused_with_the_place) {
    static const struct { const char *doc; omen_status status; const char *says; } docs[] = {
        {"{\"tokens\":7}", OMEN_ERR_INVALID, "multi field \"tokens\" of record 5 must be an array of vectors"},
        {"{\"tokens\":[]}", OMEN_ERR_INVALID, "has 0 vectors; 1 to 1024"},
        {"{\"tokens\":[[1,2,3,4,5]]}", OMEN_ERR_DIMENSION, "vector 0 has 5 numbers, the field has 6 dimensions"},
        {"{\"tokens\":[[1,2,3,4,5,6],[0,0,0,0,0,0]]}", OMEN_ERR_ZERO_VECTOR, "vector 1 has no direction"},
        {"{\"page\":{\"parts\":[[1,2,\"3\"]]}}", OMEN_ERR_INVALID, "multi field \"page.parts\" of record 5: vector 0 has no number at dimension 2"},
        {"{\"page\":{\"parts\":[[1,2,70000]]}}", OMEN_ERR_NOT_FINITE, "16-bit float"},
    };
    static const struct { const char *options; omen_status status; const char *says; } queries[] = {
        {"{\"multi\":7}", OMEN_ERR_INVALID, "multi must be an object"},
        {"{\"multi\":{\"field\":\"tokens\"}}", OMEN_ERR_INVALID, "multi must be an object"},
        {"{\"multi\":{\"field\":\"tokens\",\"vectors\":null}}", OMEN_ERR_INVALID, "give an array of vectors"},
        {"{\"multi\":{\"field\":\"tokens\",\"vectors\":[[1,2]]}}", OMEN_ERR_DIMENSION, "multi.vectors: vector 0 has 2 numbers"},
        {"{\"multi\":{\"field\":\"tokens\",\"vectors\":[[0,0,0,0,0,0]]}}", OMEN_ERR_ZERO_VECTOR, "no direction"},
        {"{\"multi\":{\"vectors\":[[1,0,0]]}}", OMEN_ERR_INVALID, "no multi field \"\"; its first is \"tokens\""},
        {"{\"multi\":{\"field\":\"v\",\"vectors\":[[1,0,0]]}}", OMEN_ERR_INVALID, "no multi field \"v\""},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]],\"k\":3}}", OMEN_ERR_INVALID, "there are field, vectors and weight"},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]],\"weight\":-1}}", OMEN_ERR_INVALID, "multi.weight must be"},
        {"{\"rerank\":{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]}}}", OMEN_ERR_INVALID, "the query has no vector"},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"rerank\":{\"candidates\":50}}", OMEN_ERR_INVALID, "rerank must be an object"},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"rerank\":{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"candidates\":4}}", OMEN_ERR_INVALID, "rerank.candidates must be"},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"rerank\":{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]],\"weight\":1}}}", OMEN_ERR_INVALID, "takes no weight"},
        {"{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0,0]]},\"rerank\":{\"multi\":{\"field\":\"page.parts\",\"vectors\":[[1,0]]}}}", OMEN_ERR_DIMENSION, "rerank.multi.vectors: vector 0"},
    };
    world x;
    begin(&x);
    omen_id ids[2] = {OMEN_ID_INT(4), OMEN_ID_INT(5)};
    float v[2][4] = {{1, 2, 3, 4}, {1, 2, 3, 4}};
    const void *vectors[] = {v};
    for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
        omen_str two[2] = {OMEN_STR("{}"), {docs[i].doc, strlen(docs[i].doc)}};
        omen_batch b = {.count = 2, .ids = ids, .vectors = vectors, .documents = two};
        uint64_t count = 1;
        CHECK_STATUS(omen_upsert(x.c, &b), docs[i].status);
        if (!CHECK(strstr(omen_last_error(), docs[i].says) != NULL)) printf("     %s\n", omen_last_error());
        CHECK_OK(omen_count(x.c, &count));
        CHECK_EQ_UINT(count, 0); /* all of a batch, or nothing */
    }
    write_some(&x, 20);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        omen_query q;
        omen_results *r;
        omen_query_init(&q);
        q.k = 10;
        q.options = (omen_str){queries[i].options, strlen(queries[i].options)};
        CHECK_STATUS(omen_search(x.c, &q, &r), queries[i].status);
        if (!CHECK(strstr(omen_last_error(), queries[i].says) != NULL)) printf("     %s\n     %s\n", queries[i].options, omen_last_error());
    }
    end(&x);
}

TEST(schemas_are_checked_kept_and_compared) {
    world x;
    begin(&x);
    const omen_schema *have = omen_collection_schema(x.c);
    CHECK_EQ_UINT(have->multi_count, 2);
    CHECK_EQ_INT(have->multis[0].metric, OMEN_METRIC_COSINE);
    CHECK_EQ_INT(have->multis[1].element, OMEN_ELEMENT_F16);
    close_world(&x);
    open_world(&x);
    have = omen_collection_schema(x.c);
    CHECK_EQ_UINT(have->multi_count, 2);
    CHECK(have->multis[1].name.len == 10 && memcmp(have->multis[1].name.data, "page.parts", 10) == 0 && have->multis[1].dimensions == HALF_DIMS);
    const struct { omen_multi_field of[2]; uint32_t count; omen_status status; const char *says; } wrong[] = {
        {{{.name = {"m", 1}, .dimensions = 0}}, 1, OMEN_ERR_INVALID, "has 0 dimensions"},
        {{{.name = {"m", 1}, .dimensions = 70000}}, 1, OMEN_ERR_INVALID, "has 70000 dimensions"},
        {{{.name = {"m", 1}, .dimensions = 3, .metric = OMEN_METRIC_L2}}, 1, OMEN_ERR_INVALID, "cosine or ip"},
        {{{.name = {"m", 1}, .dimensions = 3, .element = OMEN_ELEMENT_I8}}, 1, OMEN_ERR_INVALID, "f32 or f16"},
        {{{.name = {"title", 5}, .dimensions = 3}}, 1, OMEN_ERR_NAME, "named twice"},
        {{{.name = {"m", 1}, .dimensions = 3}, {.name = {"m", 1}, .dimensions = 3}}, 2, OMEN_ERR_NAME, "named twice"},
        {{{.name = {"a..b", 4}, .dimensions = 3}}, 1, OMEN_ERR_NAME, "empty name"},
        {{{.name = {"id", 2}, .dimensions = 3}}, 1, OMEN_ERR_NAME, "reserved"},
        {{{.name = {"", 0}, .dimensions = 3}}, 1, OMEN_ERR_NAME, "empty"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        omen_text_field text = {.name = texts[0]};
        omen_schema s = schema();
        omen_collection *c;
        s.text_count = 1;
        s.texts = &text;
        s.multis = wrong[i].of;
        s.multi_count = wrong[i].count;
        CHECK_STATUS(omen_collection_open(x.db, OMEN_STR("other"), &s, &c), wrong[i].status);
        if (!CHECK(strstr(omen_last_error(), wrong[i].says) != NULL)) printf("     %s\n", omen_last_error());
    }
    omen_multi_field nine[OMEN_MAX_MULTI_FIELDS + 1] = {{.dimensions = 1}};
    omen_schema s = schema();
    omen_collection *c;
    s.multis = nine;
    s.multi_count = OMEN_MAX_MULTI_FIELDS + 1;
    CHECK_STATUS(omen_collection_open(x.db, OMEN_STR("other"), &s, &c), OMEN_ERR_INVALID);
    s = schema();
    s.multi_count = 1;
    CHECK_STATUS(omen_collection_open(x.db, OMEN_STR("c"), &s, &c), OMEN_ERR_SCHEMA);
    CHECK(strstr(omen_last_error(), "other multi fields") != NULL);
    omen_multi_field changed[2];
    memcpy(changed, multis, sizeof changed);
    changed[0].dimensions = 7;
    s = schema();
    s.multis = changed;
    CHECK_STATUS(omen_collection_open(x.db, OMEN_STR("c"), &s, &c), OMEN_ERR_SCHEMA);
    end(&x);
}

TEST_MAIN()
