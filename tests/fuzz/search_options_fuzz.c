/* Search requests of arbitrary bytes: byte 0 says which vectors go along, how many hits are wanted and what comes with them, byte 1 when memory runs out (0: never), the rest are the
 * options. They are asked of two databases that hold the same records, in tables here, in segments there: both give the same hits in the same order, or the same error. What is
 * answered is well-formed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fault_host.h"
#include "omendb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS = 96, DIMS = 4, SEGMENT = 32 };

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static float v[IDS][DIMS], w[IDS][DIMS];
static char docs[IDS][512];

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "search_options_fuzz: %s: %s\n", what, omen_last_error());
    abort();
}

/* Something of everything: types that differ from record to record, arrays, objects, nulls, what is missing, what is over. */
static void make(void) {
    static const char *const nouns[] = {"tea", "coffee", "garden", "river", "mountain", "gardens"};
    static const char *const odd[] = {"null", "[]", "\"x\"", "[1,\"x\",null]", "{\"b\":{\"c\":1}}", "true", "9223372036854775807", "1e300", "-0.0", "[[1],{\"b\":2}]", "18446744073709551615"};
    for (int i = 0; i < IDS; i++) {
        for (int d = 0; d < DIMS; d++) {
            v[i][d] = (float)((i * 7 + d * 5) % 13 - 6) / 4.0f + 0.125f;
            w[i][d] = (float)((i * 11 + d * 3) % 17 - 8) / 2.0f;
        }
        if (i % 13 == 5) continue; /* no document */
        snprintf(docs[i], sizeof docs[i],
                 "{\"title\":\"The %s of %s\",\"body\":[\"a %s, %s\",\"near the %s\"],\"n\":%d,\"f\":%d.5,\"odd\":%s,\"tags\":[\"t%d\",\"t%d\"],\"at\":\"20%02d-01-0%dT00:00:00Z\",\"place\":[%d,%d]%s%s%s}", nouns[i % 6],
                 nouns[i % 5], nouns[i % 4], nouns[i % 3], nouns[i % 2], i, i % 7, odd[i % 11], i % 3, i % 5, 10 + i % 9, 1 + i % 9, i - 40, i % 80 - 40,
                 i % 3 == 0 ? "" : i % 3 == 1 ? ",\"s\":{\"indices\":[1,7],\"values\":[0.5,-2]}" : ",\"s\":{\"indices\":[7,4294967295],\"values\":[1,3]}",
                 i % 8 == 3 ? ",\"until\":\"2001-01-01T00:00:00Z\"" : i % 8 == 4 ? ",\"until\":\"2100-01-01T00:00:00Z\"" : "",
                 i % 4 == 0 ? "" : i % 4 == 1 ? ",\"m\":[[1,2],[-3,0.5]]" : i % 4 == 2 ? ",\"m\":[[0.1,-7]]" : ",\"m\":null");
    }
}

static void write(world *x, int from, int to) {
    omen_id ids[SEGMENT];
    omen_str texts[SEGMENT];
    const void *vectors[] = {v[from], w[from]};
    for (int i = from; i < to; i++) {
        ids[i - from] = OMEN_ID_INT(i);
        texts[i - from] = (omen_str){docs[i], strlen(docs[i])};
    }
    must(omen_upsert(x->c, &(omen_batch){.count = (size_t)(to - from), .ids = ids, .vectors = vectors, .documents = texts}) == OMEN_OK, "writing");
}

static void open_world(world *x, bool segments) {
    static const omen_vector_field fields[] = {{.name = {"v", 1}, .dimensions = DIMS, .metric = OMEN_METRIC_COSINE}, {.name = {"w", 1}, .dimensions = DIMS, .metric = OMEN_METRIC_L2}};
    static const omen_text_field texts[] = {{.name = {"title", 5}, .weight = 2}, {.name = {"body", 4}, .language = {"none", 4}}};
    static const omen_str sparse = {"s", 1};
    static const omen_multi_field multi = {.name = {"m", 1}, .dimensions = 2};
    omen_options o;
    omen_schema s;
    x->h = fault_host_new(1);
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    omen_schema_init(&s);
    s.vector_count = s.text_count = 2;
    s.vectors = fields;
    s.texts = texts;
    s.sparse_count = 1;
    s.sparse = &sparse;
    s.multis = &multi;
    s.multi_count = 1;
    s.ttl = OMEN_STR("until");
    must(omen_open("db", &o, &x->db) == OMEN_OK && omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c) == OMEN_OK, "opening");
    for (int i = 0; i < IDS; i += SEGMENT) {
        write(x, i, i + SEGMENT);
        if (segments && i + SEGMENT < IDS) must(omen_flush(x->db) == OMEN_OK, "flushing");
    }
}

/* ---- what is answered ---- */

static void well_formed(omen_mem *m, omen_str text) {
    omen_json *json;
    omen_error err = {0};
    if (text.len == 0) return;
    must(omen_json_parse(m, text, &json, &err) == OMEN_OK, "an answer is no JSON");
    omen_json_free(json);
}

static void look(omen_mem *m, const omen_results *r, uint32_t k, uint32_t include) {
    size_t count = omen_results_count(r);
    well_formed(m, omen_results_facets(r));
    well_formed(m, omen_results_legs(r));
    bool groups = count != 0 && omen_results_group(r, 0).len != 0;
    must(count <= k || groups, "more hits than were asked for");
    for (size_t i = 0; i < count; i++) {
        omen_id id = omen_results_id(r, i);
        must(omen_results_found(r, i) && id.text.data == NULL && id.number >= 0 && id.number < IDS, "a hit is no record");
        must(id.number % 8 != 3 || id.number % 13 == 5, "a hit's time is over");
        for (size_t j = 0; j < i; j++) must(omen_results_id(r, j).number != id.number, "a hit comes twice");
        float score = omen_results_score(r, i);
        must(score == score, "a score is no number");
        omen_str doc = omen_results_document(r, i), want = {docs[id.number], strlen(docs[id.number])};
        if ((include & OMEN_INCLUDE_DOCUMENT) == 0) want.len = 0;
        must(doc.len == want.len && (doc.len == 0 || memcmp(doc.data, want.data, doc.len) == 0), "a document is not what was written");
        well_formed(m, omen_results_group(r, i));
        well_formed(m, omen_results_highlights(r, i));
    }
}

static bool same_text(omen_str a, omen_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0); }
static bool same_float(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

static void compare(const omen_results *a, const omen_results *b) {
    must(omen_results_count(a) == omen_results_count(b), "counts of hits differ");
    must(same_text(omen_results_facets(a), omen_results_facets(b)), "facets differ");
    must(same_text(omen_results_legs(a), omen_results_legs(b)), "legs differ");
    for (size_t i = 0; i < omen_results_count(a); i++) {
        must(omen_results_id(a, i).number == omen_results_id(b, i).number, "hits differ");
        must(same_float(omen_results_score(a, i), omen_results_score(b, i)) && same_float(omen_results_distance(a, i), omen_results_distance(b, i)), "scores differ");
        for (uint32_t l = 0; l < omen_results_leg_count(a); l++) must(same_float(omen_results_leg_score(a, i, l), omen_results_leg_score(b, i, l)), "scores of legs differ");
        must(same_text(omen_results_group(a, i), omen_results_group(b, i)), "groups differ");
        must(same_text(omen_results_highlights(a, i), omen_results_highlights(b, i)), "highlights differ");
    }
}

static bool contains(const uint8_t *data, size_t size, const char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= size; i++)
        if (memcmp(data + i, text, len) == 0) return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static world worlds[2];
    static omen_mem mem;
    static const uint32_t ks[] = {1, 5, 20, 1000};
    if (size < 2) return 0;
    if (mem.host == NULL) {
        make();
        open_world(&worlds[0], false);
        open_world(&worlds[1], true);
        omen_mem_init(&mem, &fault_host_new(1)->host, 0);
    }
    const float query[] = {0.5f, -1, 0.25f, 1};
    omen_query_vector vectors[2];
    omen_results *r[2] = {NULL, NULL};
    omen_status s[2];
    omen_query q;
    omen_query_init(&q);
    q.vectors = vectors;
    if ((data[0] & 1) != 0) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("v"), query, DIMS, 1.0f};
    if ((data[0] & 2) != 0) vectors[q.vector_count++] = (omen_query_vector){OMEN_STR("w"), query, DIMS, 0.5f};
    q.include = data[0] >> 2 & 3;
    q.k = ks[data[0] >> 4 & 3];
    q.options = (omen_str){(const char *)data + 2, size - 2};
    for (int i = 0; i < 2; i++) {
        fault_host_fail_alloc_at(worlds[i].h, data[1], true);
        s[i] = omen_search(worlds[i].c, &q, &r[i]);
        fault_host_fail_alloc_at(worlds[i].h, 0, false);
        if (s[i] == OMEN_OK) look(&mem, r[i], q.k, q.include);
        else must(r[i] == NULL && omen_last_error()[0] != '\0' && s[i] != OMEN_ERR_INTERNAL && s[i] != OMEN_ERR_CORRUPT && s[i] != OMEN_PENDING, "an error without a word, or a wrong one");
        must(data[1] != 0 || s[i] != OMEN_ERR_MEMORY, "memory ran out by itself");
    }
    /* The clock ticks by what is done: a deadline comes sooner here than there. */
    if (data[1] == 0 && !contains(data + 2, size - 2, "deadlineMs") && !contains(data + 2, size - 2, "\\u")) {
        must(s[0] == s[1], "one answers, the other does not");
        if (s[0] == OMEN_OK) compare(r[0], r[1]);
    }
    for (int i = 0; i < 2; i++) omen_results_free(r[i]);
    return 0;
}
