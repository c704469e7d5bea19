#include "script.h"

#include <stdio.h>
#include <string.h>

#include "contains.h"

enum { SCRIPT_KINDS = 3 };

static float coordinate(int id, int version, int d) { return (float)((id * 31 + version * 7 + d * 3) % 17 - 8) / 4.0f; }

static void fill(float *row, int id, int version) {
    for (int d = 0; d < SCRIPT_DIMS; d++) row[d] = coordinate(id, version, d);
}

static omen_id id_of(int i) {
    static char names[SCRIPT_IDS][16];
    if (i % 3 == 0) return OMEN_ID_INT(i);
    int n = snprintf(names[i], sizeof names[i], "record-%d", i);
    return (omen_id){{names[i], (size_t)n}, 0};
}

omen_status script_open_with(script *s, const char *path, omen_options *o) {
    memset(s, 0, sizeof *s);
    o->memtable_bytes = 4096;
    o->pool_bytes = 1 << 20;
    omen_status st = omen_open(path, o, &s->db);
    if (st != OMEN_OK) return st;
    omen_vector_field f = {.name = {"", 0}, .dimensions = SCRIPT_DIMS, .metric = OMEN_METRIC_L2};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    const omen_text_field words = {.name = OMEN_STR("t")};
    const omen_str sparse = OMEN_STR("s");
    schema.text_count = schema.sparse_count = 1;
    schema.texts = &words;
    schema.sparse = &sparse;
    return omen_collection_open(s->db, OMEN_STR("things"), &schema, &s->c);
}

omen_status script_open_at(script *s, const char *path, const omen_host *host, omen_durability durability, bool create) {
    omen_options o;
    omen_options_init(&o);
    o.host = host;
    o.durability = durability;
    o.create = create;
    return script_open_with(s, path, &o);
}

omen_status script_open(script *s, fault_host *h, omen_durability durability, bool create) { return script_open_at(s, "db", &h->host, durability, create); }

void script_close(script *s) {
    omen_collection_close(s->c);
    (void)omen_close(s->db);
    memset(s, 0, sizeof *s);
}

/* The kth record of a step that writes, and how many it writes. */
static int written(unsigned n, size_t k) { return (int)((n * 5 + k * 2) % SCRIPT_IDS); }
static size_t count_of(unsigned n) { return 1 + n % 4; }

static omen_status put(script *s, unsigned n, const script_state *state) {
    omen_id ids[4];
    float rows[4][SCRIPT_DIMS];
    omen_str docs[4];
    char text[4][320];
    size_t count = count_of(n);
    for (size_t k = 0; k < count; k++) {
        int i = written(n, k);
        ids[k] = id_of(i);
        fill(rows[k], i, state->version[i]);
        int len = snprintf(text[k], sizeof text[k],
                           "{\"v\":%d,\"t\":\"word w%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,2]},\"n\":%d,\"kind\":\"k%d\",\"f\":%d.5,\"tags\":[\"all\",\"t%d\"],\"at\":\"2020-01-0%dT00:00:00Z\",\"deep\":{\"b\":%s},\"odd\":[{\"x\":1}]}",
                           state->version[i], i, 8 + i, i % SCRIPT_KINDS, i % SCRIPT_KINDS, i, i % 2, 1 + i % 5, i % 2 == 0 ? "true" : "null");
        docs[k] = (omen_str){text[k], (size_t)len};
    }
    const void *vectors[] = {rows[0]};
    return omen_upsert(s->c, &(omen_batch){.count = count, .ids = ids, .vectors = vectors, .documents = docs});
}

static bool flushes(unsigned n) { return n % 11 == 10; }
static bool merges(unsigned n) { return !flushes(n) && n % 29 == 28; }
static bool deletes(unsigned n) { return !flushes(n) && !merges(n) && n % 7 == 6; }

const char *script_name(unsigned n) { return flushes(n) ? "flush" : merges(n) ? "merge" : deletes(n) ? "delete" : "upsert"; }

void script_expect(unsigned n, script_state *state) {
    if (flushes(n) || merges(n)) return;
    if (deletes(n)) state->version[n % SCRIPT_IDS] = state->version[(n + 5) % SCRIPT_IDS] = 0;
    else
        for (size_t k = 0; k < count_of(n); k++) state->version[written(n, k)] = (int)(n + 1);
}

omen_status script_step(script *s, unsigned n, script_state *state) {
    script_expect(n, state);
    if (flushes(n)) return omen_flush(s->db);
    if (merges(n)) return omen_compact(s->db);
    if (!deletes(n)) return put(s, n, state);
    omen_id ids[] = {id_of((int)(n % SCRIPT_IDS)), id_of((int)((n + 5) % SCRIPT_IDS))};
    return omen_delete(s->c, ids, 2, NULL);
}

static bool no(const char **why, const char *text) {
    *why = text;
    return false;
}

static omen_str str(const char *text) { return (omen_str){text, strlen(text)}; }

/* A search that finds every record, each in a group of its own, with as many facets: why not, or NULL. */
static const char *finds_all(script *s, const char *options, uint64_t live) {
    omen_query q;
    omen_results *r = NULL;
    char facet[60];
    omen_query_init(&q);
    q.k = SCRIPT_IDS * 2;
    q.options = str(options);
    if (omen_search(s->c, &q, &r) != OMEN_OK) return omen_last_error();
    omen_str facets = omen_results_facets(r);
    snprintf(facet, sizeof facet, "{\"value\":\"all\",\"count\":%llu}", (unsigned long long)live);
    bool good = omen_results_count(r) == live && (live == 0 || facets.len == 0 || contains(facets, facet));
    omen_results_free(r);
    return good ? NULL : "words disagree with get";
}

static const char *counts(script *s, const char *filter, uint64_t want) {
    uint64_t count;
    if (omen_count_where(s->c, str(filter), &count) != OMEN_OK) return omen_last_error();
    return count == want ? NULL : "a filter disagrees with get";
}

/* By words, sparse vectors, and what columns hold: the same records as get. */
static const char *queries_agree(script *s, const script_state *state) {
    static const char *const all[] = {"{\"text\":\"word\",\"facets\":[\"tags\"]}", "{\"sparse\":{\"indices\":[7],\"values\":[1]},\"groupBy\":{\"path\":\"f\"}}",
                                      "{\"text\":\"word\",\"filter\":{\"tags\":\"all\",\"f\":{\"$gte\":0},\"at\":{\"$lt\":{\"$date\":\"2021-01-01\"}},\"odd\":{\"$exists\":true}}}"};
    uint64_t live = 0, kinds[SCRIPT_KINDS] = {0}, even = 0;
    const char *why = NULL;
    char filter[80];
    for (int i = 0; i < SCRIPT_IDS; i++) {
        bool there = state->version[i] != 0;
        live += there;
        kinds[i % SCRIPT_KINDS] += there;
        even += there && i % 2 == 0;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all && why == NULL; i++) why = finds_all(s, all[i], live);
    for (int k = 0; k < SCRIPT_KINDS && why == NULL; k++) {
        snprintf(filter, sizeof filter, "n = %d AND kind = 'k%d'", k, k);
        why = counts(s, filter, kinds[k]);
    }
    return why != NULL ? why : counts(s, "deep.b = true AND tags CONTAINS 't0'", even);
}

bool script_read(script *s, script_state *state, const char **why) {
    omen_results *r = NULL;
    omen_id ids[SCRIPT_IDS];
    uint64_t count = 0, live = 0;
    bool good = true;
    memset(state, 0, sizeof *state);
    for (int i = 0; i < SCRIPT_IDS; i++) ids[i] = id_of(i);
    if (omen_get(s->c, ids, SCRIPT_IDS, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r) != OMEN_OK) return no(why, omen_last_error());
    for (int i = 0; i < SCRIPT_IDS && good; i++) {
        if (!omen_results_found(r, (size_t)i)) continue;
        float want[SCRIPT_DIMS];
        omen_str doc = omen_results_document(r, (size_t)i);
        char text[32] = "";
        memcpy(text, doc.data, doc.len < 31 ? doc.len : 31);
        if (sscanf(text, "{\"v\":%d}", &state->version[i]) != 1) good = no(why, "a document is not what was written");
        fill(want, i, state->version[i]);
        if (memcmp(want, omen_results_vector(r, (size_t)i, 0), sizeof want) != 0) good = no(why, "a vector is not that of its document");
        live++;
    }
    omen_results_free(r);
    if (!good) return false;
    if (omen_count(s->c, &count) != OMEN_OK || count != live) return no(why, "count disagrees with get");
    omen_query q;
    float probe[SCRIPT_DIMS] = {0};
    omen_query_init(&q);
    q.k = SCRIPT_IDS * 2;
    q.vector = probe;
    q.dimensions = SCRIPT_DIMS;
    if (omen_search(s->c, &q, &r) != OMEN_OK) return no(why, omen_last_error());
    good = omen_results_count(r) == live;
    omen_results_free(r);
    if (!good) return no(why, "search disagrees with get");
    const char *differs = queries_agree(s, state);
    return differs == NULL || no(why, differs);
}
