/* Writes by filter, and searches by everything that a search can ask for, beside flushes, merges and the building of indexes, on the POSIX host. What holds for every snapshot is
 * checked of every answer: records come and go in pairs, both in one batch; each pair has one lot, which is in every text, sparse vector and vector of it, and `turn`, which is
 * changed by filter for whole lots at a time, is one number within a lot. Run under ThreadSanitizer too. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "omendb.h"

enum { LOTS = 8, PAIRS = 6, IDS = LOTS * PAIRS * 2, DIMS = 8, ROUNDS = 240, WRITERS = 2, READERS = 3, READS = 20 };

typedef struct shared {
    omen_db *db;
    omen_collection *c;
    _Atomic bool done;
    _Atomic int writers;
    _Atomic unsigned long reads, hits, failed, wrong, changed;
} shared;

static int lot_of(int64_t id) { return (int)(id / (PAIRS * 2)); }

static void broken(shared *s, const char *what, omen_str text) {
    if (atomic_fetch_add(&s->wrong, 1) < 10) printf("     %s: %.*s\n", what, (int)(text.len < 600 ? text.len : 600), text.data == NULL ? "" : text.data);
}

static bool fine(shared *s, omen_status st, const char *what) {
    if (st == OMEN_OK) return true;
    if (atomic_fetch_add(&s->failed, 1) < 10) printf("     %s: %s\n", what, omen_last_error());
    return false;
}

/* ---- writers ---- */

/* A whole lot at once, with one turn, so that its records agree. Lots 6 and 7 have a time to live: it is over for every second time that they are written. */
static void put_lot(shared *s, int lot, int turn) {
    omen_id ids[PAIRS * 2];
    omen_str docs[PAIRS * 2];
    char text[PAIRS * 2][300];
    float rows[PAIRS * 2][DIMS];
    const void *vectors[] = {rows[0]};
    for (int i = 0; i < PAIRS * 2; i++) {
        int id = lot * PAIRS * 2 + i;
        ids[i] = OMEN_ID_INT(id);
        int n = snprintf(text[i], sizeof text[i], "{\"lot\":%d,\"pair\":%d,\"turn\":%d,\"t\":\"common words of lot%d and pair%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,%d]}%s}", lot, id / 2, turn, lot, id / 2, 100 + lot,
                         lot + 1, lot < 6 ? "" : turn % 2 == 0 ? ",\"until\":\"2001-01-01T00:00:00Z\"" : ",\"until\":\"2200-01-01T00:00:00Z\"");
        docs[i] = (omen_str){text[i], (size_t)n};
        for (int d = 0; d < DIMS; d++) rows[i][d] = (float)(d == lot ? 100 : 0) + (float)(i + d) / 64.0f;
    }
    fine(s, omen_upsert(s->c, &(omen_batch){.count = PAIRS * 2, .ids = ids, .vectors = vectors, .documents = docs}), "upsert");
}

static void *write_all(void *arg) {
    shared *s = arg;
    char filter[120], patch[120];
    size_t n;
    int first = atomic_fetch_add(&s->writers, 1);
    for (int r = 1 + first; r <= ROUNDS; r += WRITERS) {
        int lot = r * 5 % LOTS;
        switch (r % 6) {
            case 0: /* one pair goes */
                snprintf(filter, sizeof filter, "pair = %d", lot * PAIRS + r % PAIRS);
                if (fine(s, omen_delete_where(s->c, (omen_str){filter, strlen(filter)}, &n), "delete_where")) atomic_fetch_add(&s->changed, n);
                break;
            case 1: put_lot(s, lot, r); break;
            case 2:
                if (fine(s, omen_expire(s->c, &n), "expire")) atomic_fetch_add(&s->changed, n);
                break;
            default:
                snprintf(filter, sizeof filter, "{\"lot\":{\"$in\":[%d,%d]}}", lot, (lot + 1) % LOTS);
                snprintf(patch, sizeof patch, "{\"turn\":%d,\"by\":{\"filter\":%d}}", r, r);
                if (fine(s, omen_update_where(s->c, (omen_str){filter, strlen(filter)}, (omen_str){patch, strlen(patch)}, &n), "update_where")) atomic_fetch_add(&s->changed, n);
        }
    }
    return NULL;
}

static void *maintain(void *arg) {
    shared *s = arg;
    for (unsigned n = 0; !atomic_load(&s->done); n++) {
        usleep(3000);
        fine(s, n % 8 == 7 ? omen_compact(s->db) : n % 3 == 2 ? omen_build_indexes(s->db) : omen_flush(s->db), "maintenance");
    }
    return NULL;
}

/* ---- readers ---- */

static bool number(omen_str doc, const char *name, int *out) {
    char text[512] = "", key[32];
    memcpy(text, doc.data, doc.len < 511 ? doc.len : 511);
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    return at != NULL && sscanf(at + strlen(key), "%d", out) == 1;
}

/* Pairs are there whole; a lot has one turn. `whole`: the answer has all that there is. */
static void look(shared *s, const omen_results *r, bool whole, const char *what) {
    int turns[LOTS], seen[IDS / 2] = {0};
    memset(turns, -1, sizeof turns);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        int lot = -1, pair = -1, turn = -1;
        int64_t id = omen_results_id(r, i).number;
        omen_str doc = omen_results_document(r, i);
        if (!number(doc, "lot", &lot) || !number(doc, "pair", &pair) || !number(doc, "turn", &turn) || lot != lot_of(id) || pair != id / 2) {
            broken(s, what, doc);
            return;
        }
        if (turns[lot] == -1) turns[lot] = turn;
        if (turns[lot] != turn) broken(s, "a lot with two turns", doc);
        if (memmem(doc.data, doc.len, "2001-", 5) != NULL) broken(s, "over, but seen", doc);
        seen[pair]++;
    }
    for (int p = 0; p < IDS / 2 && whole; p++)
        if (seen[p] == 1) broken(s, "half a pair", (omen_str){what, strlen(what)});
    atomic_fetch_add(&s->hits, omen_results_count(r));
}

/* Of every number after "count": in the answer: even. */
static void look_facets(shared *s, omen_str facets) {
    static const char key[] = "\"count\":";
    const char *at = facets.data, *end = facets.data + facets.len;
    bool some = false;
    while (at != NULL && (at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL) {
        at += sizeof key - 1;
        some = true;
        if (strtol(at, NULL, 10) % 2 != 0) {
            broken(s, "an odd count", facets);
            return;
        }
    }
    if (!some) broken(s, "facets count nothing", facets);
}

static const struct { const char *filter, *options; bool vector, whole; } searches[] = {
    {"lot >= 0", "{\"text\":\"common\",\"facets\":{\"lot\":{},\"turn\":{\"maxValues\":1000,\"histogram\":{\"interval\":10}}}}", false, true},
    {"", "{\"text\":\"common\",\"sparse\":{\"indices\":[7],\"values\":[1]},\"facets\":[\"lot\"]}", true, true},
    {"{\"turn\":{\"$gt\":20}}", "{\"sparse\":{\"indices\":[7,101],\"values\":[1,2]},\"highlight\":false}", false, true},
    {"lot IN (1, 2, 6)", "{\"facets\":[\"pair\",\"by.filter\"]}", true, true},
    {"", "{\"text\":{\"query\":\"lot* -lot3\"},\"highlight\":true,\"groupBy\":{\"path\":\"pair\",\"size\":2}}", false, true},
    {"pair < 40", "{\"mmr\":{\"lambda\":0.5},\"fusion\":\"rrf\",\"text\":\"word\"}", true, true},
    {"turn >= 0 AND lot != 3", "{\"text\":{\"query\":\"+comon words\",\"typos\":true},\"alpha\":0.3}", true, true},
    {"", "{\"recommend\":{\"positive\":[0]},\"filter\":{\"lot\":{\"$gt\":1}}}", false, true},
};

static void *read_on(void *arg) {
    shared *s = arg;
    float q[DIMS] = {50, 1, 3};
    for (unsigned n = 0; !atomic_load(&s->done); n++) {
        omen_results *r = NULL;
        uint64_t count = 0;
        unsigned which = n % (sizeof searches / sizeof *searches);
        omen_query query;
        omen_query_init(&query);
        query.k = IDS + 5;
        query.include = OMEN_INCLUDE_DOCUMENT;
        query.filter = (omen_str){searches[which].filter, strlen(searches[which].filter)};
        query.options = (omen_str){searches[which].options, strlen(searches[which].options)};
        if (searches[which].vector) query.vector = q, query.dimensions = DIMS;
        omen_status st = omen_search(s->c, &query, &r);
        if (st != OMEN_ERR_NOT_FOUND && fine(s, st, searches[which].options)) { /* the example may have been deleted */
            look(s, r, searches[which].whole, searches[which].options);
            if (strstr(searches[which].options, "facets") != NULL) look_facets(s, omen_results_facets(r));
        }
        omen_results_free(r);
        if (fine(s, omen_count_where(s->c, OMEN_STR("turn > 10 OR lot < 4"), &count), "count_where") && count % 2 != 0) broken(s, "an odd count", OMEN_STR("count_where"));
        if (fine(s, omen_count(s->c, &count), "count") && count % 2 != 0) broken(s, "an odd count", OMEN_STR("count"));
        r = NULL;
        if (n % 2 == 0 && fine(s, omen_scroll_where(s->c, OMEN_STR("{\"lot\":{\"$ne\":5}}"), NULL, IDS + 5, OMEN_INCLUDE_DOCUMENT, &r), "scroll_where")) look(s, r, true, "scroll_where");
        omen_results_free(r);
        atomic_fetch_add(&s->reads, 1);
    }
    return NULL;
}

TEST(searches_see_whole_writes_by_filter_while_tables_are_flushed_merged_and_indexed) {
    char path[256], command[300];
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/omendb-query-threads-%ld", base == NULL ? "/tmp" : base, (long)getpid());
    shared s = {0};
    omen_options o;
    omen_options_init(&o);
    o.memtable_bytes = 16384;
    o.pool_bytes = 1 << 20;
    o.durability = OMEN_DURABILITY_OS;
    CHECK_STATUS(omen_open(path, &o, &s.db), OMEN_OK);
    REQUIRE(s.db != NULL);
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}};
    const omen_text_field text = {.name = OMEN_STR("t")};
    const omen_str terms = OMEN_STR("s");
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = schema.text_count = schema.sparse_count = 1;
    schema.vectors = &f;
    schema.texts = &text;
    schema.sparse = &terms;
    schema.ttl = OMEN_STR("until");
    CHECK_STATUS(omen_collection_open(s.db, OMEN_STR("things"), &schema, &s.c), OMEN_OK);
    for (int lot = 0; lot < LOTS; lot++) put_lot(&s, lot, 0);
    pthread_t writers[WRITERS], keeper, readers[READERS];
    for (int i = 0; i < WRITERS; i++) REQUIRE(pthread_create(&writers[i], NULL, write_all, &s) == 0);
    REQUIRE(pthread_create(&keeper, NULL, maintain, &s) == 0);
    for (int i = 0; i < READERS; i++) REQUIRE(pthread_create(&readers[i], NULL, read_on, &s) == 0);
    for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
    for (int patience = 0; patience < 100000 && atomic_load(&s.reads) < READS && s.failed == 0; patience++) usleep(1000); /* on a busy machine readers come late */
    atomic_store(&s.done, true);
    pthread_join(keeper, NULL);
    for (int i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    printf("     %lu rounds of reads with %lu hits beside %d writes\n", (unsigned long)s.reads, (unsigned long)s.hits, ROUNDS);
    CHECK_EQ_UINT(s.wrong, 0);
    CHECK_EQ_UINT(s.failed, 0);
    CHECK(s.reads >= READS && s.hits != 0 && s.changed > ROUNDS);
    CHECK_STATUS(omen_check(s.db), OMEN_OK);
    omen_collection_close(s.c);
    CHECK_STATUS(omen_close(s.db), OMEN_OK);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    CHECK_EQ_INT(system(command), 0);
}

TEST_MAIN()
