/* Writes by filter, and what expires, while allocations and calls of the storage fail at every turn: all of the records are changed or none, an error is said, nothing leaks, and the
 * write can be repeated. The records lie in segments and in memory, some of them replaced. */
#include "test.h"

#include "report.h"
#include "fault_host.h"
#include "omendb.h"

enum { IDS = 48, DIMS = 4 };

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static omen_status open_world(world *x, fault_host *h, bool create) {
    omen_options o;
    omen_schema s;
    *x = (world){.h = h};
    omen_options_init(&o);
    o.host = &h->host;
    o.create = create;
    o.manual_maintenance = 1;
    o.pool_bytes = 1 << 20;
    omen_status st = omen_open("db", &o, &x->db);
    if (st != OMEN_OK) return st;
    const omen_vector_field field = {.dimensions = DIMS, .metric = OMEN_METRIC_L2};
    const omen_text_field text = {.name = OMEN_STR("t")};
    const omen_str sparse = OMEN_STR("s");
    omen_schema_init(&s);
    s.vector_count = s.text_count = s.sparse_count = 1;
    s.vectors = &field;
    s.texts = &text;
    s.sparse = &sparse;
    s.ttl = OMEN_STR("until");
    return omen_collection_open(x->db, OMEN_STR("c"), &s, &x->c);
}

static void close_world(world *x) {
    omen_collection_close(x->c);
    (void)omen_close(x->db);
    x->c = NULL;
    x->db = NULL;
}

/* Every fourth record's time is over; ids are texts and numbers. */
static void write(world *x, int from, int to) {
    static char names[IDS][12], docs[IDS][400];
    static float rows[IDS][DIMS];
    omen_id ids[IDS];
    omen_str texts[IDS];
    const void *vectors[] = {rows[from]};
    for (int i = from; i < to; i++) {
        int n = snprintf(names[i], sizeof names[i], "id-%d", i);
        ids[i - from] = i % 2 == 0 ? (omen_id)OMEN_ID_INT(i) : (omen_id){{names[i], (size_t)n}, 0};
        n = snprintf(docs[i], sizeof docs[i], "{\"n\":%d,\"old\":true,\"odd\":[{\"x\":%d}],\"t\":\"word w%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,2]}%s}", i, i % 3, i, 10 + i,
                     i % 4 == 1 ? ",\"until\":\"2001-01-01T00:00:00Z\"" : "");
        texts[i - from] = (omen_str){docs[i], (size_t)n};
        for (int d = 0; d < DIMS; d++) rows[i][d] = (float)(i * 3 + d);
    }
    CHECK_OK(omen_upsert(x->c, &(omen_batch){.count = (size_t)(to - from), .ids = ids, .vectors = vectors, .documents = texts}));
}

static fault_storage *build(void) {
    fault_host *h = fault_host_new(1);
    world x;
    CHECK_OK(open_world(&x, h, true));
    write(&x, 0, 20);
    CHECK_OK(omen_flush(x.db));
    write(&x, 16, 36); /* some are replaced */
    CHECK_OK(omen_flush(x.db));
    write(&x, 32, IDS);
    close_world(&x);
    fault_storage *image = fault_storage_clone(fault_host_image(h, "db"));
    fault_host_free(h);
    return image;
}

typedef enum write_kind { UPDATE, DELETE, EXPIRE } write_kind;

static omen_status change(world *x, write_kind kind, size_t *count) {
    if (kind == UPDATE) return omen_update_where(x->c, OMEN_STR("n < 40 AND old = true AND NOT (n IN (3, 9))"), OMEN_STR("{\"old\":false,\"new\":[1,2],\"t\":\"other words\"}"), count);
    if (kind == DELETE) return omen_delete_where(x->c, OMEN_STR("{\"n\":{\"$gte\":5,\"$lt\":45}}"), count);
    return omen_expire(x->c, count);
}

enum { CHANGED_UPDATE = 38, CHANGED_DELETE = 40, CHANGED_EXPIRE = 12 };
static const size_t changed[] = {CHANGED_UPDATE, CHANGED_DELETE, CHANGED_EXPIRE};

/* What is there: everything, by id, with its document. */
typedef struct state { char text[IDS * 320]; size_t len, count; } state;

static bool read_state(world *x, state *s) {
    omen_results *r = NULL;
    memset(s, 0, sizeof *s);
    if (omen_scroll(x->c, NULL, IDS * 2, OMEN_INCLUDE_DOCUMENT, &r) != OMEN_OK) return false;
    s->count = omen_results_count(r);
    for (size_t i = 0; i < s->count; i++) {
        omen_id id = omen_results_id(r, i);
        omen_str doc = omen_results_document(r, i);
        s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%lld %.*s %.*s\n", (long long)id.number, (int)id.text.len, id.text.data == NULL ? "" : id.text.data, (int)doc.len, doc.data);
    }
    omen_results_free(r);
    return true;
}

static bool same(const state *a, const state *b) { return a->count == b->count && a->len == b->len && memcmp(a->text, b->text, a->len) == 0; }

/* Searches agree with the state, too: words and sparse vectors have been moved along. */
static void agree(world *x, const state *s) {
    static const char *const options[] = {"{\"text\":\"word other\"}", "{\"sparse\":{\"indices\":[7],\"values\":[1]}}", "{\"text\":\"word other\",\"filter\":\"old = true OR new = 2\"}"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        omen_query q;
        omen_results *r = NULL;
        omen_query_init(&q);
        q.k = IDS * 2;
        q.options = (omen_str){options[i], strlen(options[i])};
        CHECK_OK(omen_search(x->c, &q, &r));
        if (r != NULL) CHECK_EQ_UINT(omen_results_count(r), s->count);
        omen_results_free(r);
    }
}

typedef enum fault_kind { MEMORY, STORAGE_IO, STORAGE_FULL } fault_kind;

static state before, after, found;
static unsigned poisoned;

/* False: the fault did not come about any more. */
static bool run_with_fault(const fault_storage *image, write_kind kind, fault_kind fault, uint64_t n, bool sticky) {
    fault_host *h = fault_host_new(1);
    world x;
    size_t count = 12345;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    fault_storage *fs = fault_host_image(h, "db");
    CHECK_OK(open_world(&x, h, false));
    if (fault == STORAGE_IO) fault_storage_set_pending(fs, 50);
    if (fault == MEMORY) fault_host_fail_alloc_at(h, n, sticky);
    else fault_storage_fail_at(fs, n, fault == STORAGE_IO ? OMEN_ERR_IO : OMEN_ERR_FULL, sticky);
    omen_status st = change(&x, kind, &count);
    bool hit = fault == MEMORY ? fault_host_fault_hit(h) : fault_storage_fault_hit(fs);
    fault_host_fail_alloc_at(h, 0, false);
    fault_storage_fail_at(fs, 0, OMEN_OK, false);
    if (st == OMEN_OK) CHECK_EQ_UINT(count, changed[kind]);
    else CHECK(hit && omen_last_error()[0] != '\0');
    if (fault == MEMORY) {
        /* In the same session nothing has changed, and the write succeeds now; unless memory ran out where the log was half written. */
        if (st == OMEN_ERR_MEMORY) {
            CHECK(read_state(&x, &found) && same(&found, &before));
            omen_status again = change(&x, kind, &count);
            poisoned += again == OMEN_ERR_POISONED;
            if (again != OMEN_ERR_POISONED) {
                CHECK_OK(again);
                CHECK_EQ_UINT(count, changed[kind]);
                st = again;
            }
        } else CHECK_OK(st);
        CHECK(read_state(&x, &found) && same(&found, st == OMEN_OK ? &after : &before));
        agree(&x, &found);
        if (st == OMEN_OK) CHECK_OK(omen_flush(x.db));
        CHECK(read_state(&x, &found) && same(&found, st == OMEN_OK ? &after : &before));
    } else if (read_state(&x, &found)) { /* storage may be unwell, but what can be read is whole */
        CHECK(same(&found, &after) || (st != OMEN_OK && same(&found, &before)));
    }
    close_world(&x);
    CHECK_STORAGE(fs);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    CHECK_OK(open_world(&x, h, false));
    CHECK(read_state(&x, &found));
    if (!same(&found, &after) && !(st != OMEN_OK && same(&found, &before))) {
        CHECK(!"all or nothing");
        printf("     fault at %llu: %s: %zu records\n", (unsigned long long)n, omen_status_name(st), found.count);
    }
    agree(&x, &found);
    CHECK_OK(omen_check(x.db));
    close_world(&x);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return hit;
}

static void each(write_kind kind) {
    static const char *const names[] = {"allocations", "calls, stalling, input or output", "calls, disk full"};
    fault_storage *image = build();
    fault_host *h = fault_host_new(1);
    world x;
    size_t count;
    fault_host_set_image(h, "db", fault_storage_clone(image));
    CHECK_OK(open_world(&x, h, false));
    CHECK(read_state(&x, &before));
    CHECK_EQ_UINT(before.count, (size_t)(IDS - IDS / 4));
    CHECK_OK(change(&x, kind, &count));
    CHECK_EQ_UINT(count, changed[kind]);
    CHECK(read_state(&x, &after));
    CHECK(same(&before, &after) == (kind == EXPIRE)); /* what is over was not seen before, either */
    close_world(&x);
    fault_host_free(h);
    for (int fault = MEMORY; fault <= STORAGE_FULL; fault++)
        for (int sticky = 0; sticky <= 1; sticky++) {
            uint64_t n = 1, failed = 0;
            poisoned = 0;
            for (; run_with_fault(image, kind, (fault_kind)fault, n, sticky != 0); n += TEST_FAULT_STEP) failed++;
            printf("     %llu of %llu %s%s\n", (unsigned long long)failed, (unsigned long long)(n - 1), names[fault], sticky != 0 ? ", for good" : ", once");
            CHECK(n > (fault == MEMORY ? 20u : 1u));
            CHECK(poisoned < 5);
            omen_test_report("fault_calls", failed);
        }
    fault_storage_free(image);
}

TEST(updates_by_filter_are_whole_or_not_at_all) { each(UPDATE); }
TEST(deletes_by_filter_are_whole_or_not_at_all) { each(DELETE); }
TEST(what_expires_does_so_wholly_or_not_at_all) { each(EXPIRE); }

TEST_MAIN()
