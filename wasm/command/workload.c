/* workload.c - see workload.h. The course:
 *
 *   numbers    x = x * 1103515245 + 12345 (mod 2^32), from 12345; a component is (x >> 8) / 2^23 - 1, exact in f32
 *   notes      one field "vector", 24 dimensions, cosine; text field "title"
 *   pairs      fields "near" (7, l2) and "far" (33, ip)
 *   batch b of 6, in each collection: 200 records; record i has number n = b * 150 + i, so that a quarter replaces earlier ones;
 *              its id is the integer n - 400 when n is even, else the string "n<n>"; its document is
 *              {"n":<n>,"title":"Notiz <n % 17> äß😀"}, none when n % 5 = 0
 *   then       delete of every n = b * 150 + 7 * j, j < 20, in notes
 *   b = 1, 3   flush       b = 2  an update of n = 300 to 309 in notes: {"n":null,"seen":<b>}       b = 4  compact
 *   b = 3      delete of what the filter "n BETWEEN 480 AND 489" selects, update of "n < 5" with {"few":true}, in notes
 *   questions  after each batch 3 of notes (k 10), 2 of pairs.near (k 5) and 2 of pairs.far (k 5), with documents; then of notes (k 10) one with the
 *              filter n >= 300, one with the text "notiz 7" beside, one of the text "+notiz 3" alone with facets of title, one in groups of title, and the
 *              count of title = 'Notiz 4 äß😀'
 *              at the end the count of both, and all records of notes by pages of 64, with vectors
 *   hashed     hits: id, distance bits (not of text alone, where there is none), score bits, document; facets as JSON; counts as 8 bytes; records: id, document, vector bits. Integer ids as 8 bytes
 *              little-endian, everything else as its bytes. */
#include "workload.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { BATCHES = 6, ROWS = 200, STRIDE = 150, NOTES = 24, NEAR = 7, FAR = 33 };

typedef struct golden {
    omen_db *db;
    omen_collection *notes, *pairs;
    uint32_t x;
    uint64_t hash;
    /* One batch. */
    omen_id ids[ROWS];
    omen_str documents[ROWS];
    char id_text[ROWS][16];
    char document_text[ROWS][64];
    float first[ROWS * FAR], second[ROWS * FAR];
} golden;

#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        omen_status try_ = (expr);                                                                                     \
        if (try_ != OMEN_OK) return try_;                                                                              \
    } while (0)

uint64_t golden_hash(uint64_t hash, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void fill(golden *g, float *into, size_t count) {
    for (size_t i = 0; i < count; i++) {
        g->x = g->x * 1103515245u + 12345u;
        into[i] = (float)(g->x >> 8) / 8388608.0f - 1.0f;
    }
}

static omen_id id_of(golden *g, int slot, int n) {
    if (n % 2 == 0) return OMEN_ID_INT(n - 400);
    int len = snprintf(g->id_text[slot], sizeof g->id_text[slot], "n%d", n);
    return (omen_id){{g->id_text[slot], (size_t)len}, 0};
}

static void make_rows(golden *g, int batch) {
    for (int i = 0; i < ROWS; i++) {
        int n = batch * STRIDE + i;
        g->ids[i] = id_of(g, i, n);
        int len = snprintf(g->document_text[i], sizeof g->document_text[i],
                           "{\"n\":%d,\"title\":\"Notiz %d \xc3\xa4\xc3\x9f\xf0\x9f\x98\x80\"}", n, n % 17);
        g->documents[i] = (omen_str){g->document_text[i], n % 5 == 0 ? 0 : (size_t)len};
    }
}

static void hash_id(golden *g, omen_id id) {
    if (id.text.data != NULL)
        g->hash = golden_hash(g->hash, id.text.data, id.text.len);
    else
        g->hash = golden_hash(g->hash, &id.number, sizeof id.number);
}

static void hash_float(golden *g, float value) { g->hash = golden_hash(g->hash, &value, sizeof value); }

/* dimensions 0: no vector. */
static omen_status ask(golden *g, omen_collection *c, omen_str field, uint32_t dimensions, uint32_t k, omen_str options) {
    float vector[FAR];
    fill(g, vector, dimensions);
    omen_query q;
    omen_query_init(&q);
    q.k = k;
    q.field = field;
    q.vector = dimensions == 0 ? NULL : vector;
    q.dimensions = dimensions;
    q.options = options;
    q.include = OMEN_INCLUDE_DOCUMENT;
    omen_results *r;
    TRY(omen_search(c, &q, &r));
    for (size_t i = 0; i < omen_results_count(r); i++) {
        hash_id(g, omen_results_id(r, i));
        if (dimensions != 0 && omen_results_distance(r, i) == omen_results_distance(r, i)) hash_float(g, omen_results_distance(r, i));
        hash_float(g, omen_results_score(r, i));
        omen_str document = omen_results_document(r, i);
        g->hash = golden_hash(g->hash, document.data, document.len);
    }
    omen_str facets = omen_results_facets(r);
    g->hash = golden_hash(g->hash, facets.data, facets.len);
    omen_results_free(r);
    return OMEN_OK;
}

static omen_status ask_more(golden *g) {
    static const struct { bool vector; omen_str options; } questions[] = {
        {true, {"{\"filter\":{\"n\":{\"$gte\":300}}}", 29}},
        {true, {"{\"text\":\"notiz 7\"}", 18}},
        {false, {"{\"text\":\"+notiz 3\",\"facets\":[\"title\"]}", 38}},
        {true, {"{\"groupBy\":\"title\"}", 19}},
    };
    uint64_t count;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) TRY(ask(g, g->notes, OMEN_STR("vector"), questions[i].vector ? NOTES : 0, 10, questions[i].options));
    TRY(omen_count_where(g->notes, OMEN_STR("title = 'Notiz 4 \xc3\xa4\xc3\x9f\xf0\x9f\x98\x80'"), &count));
    g->hash = golden_hash(g->hash, &count, sizeof count);
    return OMEN_OK;
}

static omen_status write_by_filter(golden *g) {
    TRY(omen_delete_where(g->notes, OMEN_STR("n BETWEEN 480 AND 489"), NULL));
    return omen_update_where(g->notes, OMEN_STR("n < 5"), OMEN_STR("{\"few\":true}"), NULL);
}

static omen_status write_batch(golden *g, int batch) {
    make_rows(g, batch);
    const void *vectors[] = {g->first, g->second};
    omen_batch rows = {.count = ROWS, .ids = g->ids, .vectors = vectors, .documents = g->documents};
    fill(g, g->first, ROWS * NOTES);
    TRY(omen_upsert(g->notes, &rows));
    fill(g, g->first, ROWS * NEAR);
    fill(g, g->second, ROWS * FAR);
    return omen_upsert(g->pairs, &rows);
}

static omen_status delete_some(golden *g, int batch) {
    omen_id ids[20];
    for (int j = 0; j < 20; j++) ids[j] = id_of(g, j, batch * STRIDE + 7 * j);
    return omen_delete(g->notes, ids, 20, NULL);
}

static omen_status update_some(golden *g, int batch) {
    for (int i = 0; i < 10; i++) {
        g->ids[i] = id_of(g, i, 300 + i);
        int len = snprintf(g->document_text[i], sizeof g->document_text[i], "{\"n\":null,\"seen\":%d}", batch);
        g->documents[i] = (omen_str){g->document_text[i], (size_t)len};
    }
    /* Some of them were deleted just now; put them back first, so that all can be updated. */
    fill(g, g->first, 10 * NOTES);
    const void *vectors[] = {g->first};
    omen_batch rows = {.count = 10, .ids = g->ids, .vectors = vectors};
    TRY(omen_upsert(g->notes, &rows));
    const void *unchanged[] = {NULL};
    omen_batch patch = {.count = 10, .ids = g->ids, .vectors = unchanged, .documents = g->documents};
    return omen_update(g->notes, &patch);
}

static omen_status one_batch(golden *g, int batch) {
    TRY(write_batch(g, batch));
    TRY(delete_some(g, batch));
    if (batch == 2) TRY(update_some(g, batch));
    if (batch == 1 || batch == 3) TRY(omen_flush(g->db));
    if (batch == 3) TRY(write_by_filter(g));
    if (batch == 4) TRY(omen_compact(g->db));
    for (int i = 0; i < 3; i++) TRY(ask(g, g->notes, OMEN_STR("vector"), NOTES, 10, OMEN_STR("")));
    for (int i = 0; i < 2; i++) TRY(ask(g, g->pairs, OMEN_STR("near"), NEAR, 5, OMEN_STR("")));
    for (int i = 0; i < 2; i++) TRY(ask(g, g->pairs, OMEN_STR("far"), FAR, 5, OMEN_STR("")));
    return ask_more(g);
}

static omen_status read_all(golden *g) {
    uint64_t counts[2];
    TRY(omen_count(g->notes, &counts[0]));
    TRY(omen_count(g->pairs, &counts[1]));
    g->hash = golden_hash(g->hash, counts, sizeof counts);
    char last[OMEN_MAX_ID];
    omen_id after;
    for (const omen_id *from = NULL;; from = &after) {
        omen_results *page;
        TRY(omen_scroll(g->notes, from, 64, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &page));
        size_t count = omen_results_count(page);
        for (size_t i = 0; i < count; i++) {
            after = omen_results_id(page, i);
            hash_id(g, after);
            omen_str document = omen_results_document(page, i);
            g->hash = golden_hash(g->hash, document.data, document.len);
            g->hash = golden_hash(g->hash, omen_results_vector(page, i, 0), NOTES * sizeof(float));
        }
        if (count > 0 && after.text.data != NULL) {
            memcpy(last, after.text.data, after.text.len);
            after.text.data = last;
        }
        omen_results_free(page);
        if (count < 64) return OMEN_OK;
    }
}

static omen_status open_collections(golden *g) {
    omen_vector_field note[] = {{.name = OMEN_STR("vector"), .dimensions = NOTES, .metric = OMEN_METRIC_COSINE}};
    omen_vector_field pair[] = {{.name = OMEN_STR("near"), .dimensions = NEAR, .metric = OMEN_METRIC_L2},
                                {.name = OMEN_STR("far"), .dimensions = FAR, .metric = OMEN_METRIC_IP}};
    omen_text_field title = {.name = OMEN_STR("title")};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vectors = note;
    schema.vector_count = 1;
    schema.texts = &title;
    schema.text_count = 1;
    TRY(omen_collection_open(g->db, OMEN_STR("notes"), &schema, &g->notes));
    omen_schema_init(&schema);
    schema.vectors = pair;
    schema.vector_count = 2;
    return omen_collection_open(g->db, OMEN_STR("pairs"), &schema, &g->pairs);
}

static omen_status run(golden *g) {
    TRY(open_collections(g));
    for (int batch = 0; batch < BATCHES; batch++) TRY(one_batch(g, batch));
    TRY(read_all(g));
    return omen_check(g->db);
}

omen_status golden_run(const char *path, const omen_options *options, uint64_t *answers) {
    static golden g;
    static const uint8_t id[16] = {1, 35, 69, 103, 137, 171, 205, 239, 1, 35, 69, 103, 137, 171, 205, 239};
    memset(&g, 0, sizeof g);
    g.x = 12345;
    g.hash = GOLDEN_HASH_START;
    omen_options o = *options;
    o.database_id = id;
    o.manual_maintenance = 1;
    TRY(omen_open(path, &o, &g.db));
    omen_status s = run(&g);
    omen_collection_close(g.notes);
    omen_collection_close(g.pairs);
    omen_status closed = omen_close(g.db);
    *answers = g.hash;
    return s != OMEN_OK ? s : closed;
}
