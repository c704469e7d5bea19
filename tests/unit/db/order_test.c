/* Records in order of a value, through the public API: the same as sorting all of them, wherever they lie, with filters, with reads that pend, and without memory. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"

enum { IDS = 400 };

/* kind 0: nothing there; 1 a number; 2 a string; 3 a boolean; 4 an array; 5 a long string, which columns do not hold */
static struct record { bool lives; int kind, group; double number; char text[400]; } records[IDS];

static void make(size_t id) {
    struct record *r = &records[id];
    r->lives = true;
    r->kind = (int)test_rand_below(8);
    r->kind = r->kind > 5 ? 1 : r->kind;
    r->group = (int)test_rand_below(4);
    r->number = (double)((int)test_rand_below(30) - 15) / (test_rand_below(2) == 0 ? 1.0 : 2.0);
    size_t len = r->kind == 5 ? 300 : 1 + (size_t)test_rand_below(3);
    for (size_t i = 0; i < len; i++) r->text[i] = (char)('a' + (i < 5 ? (int)test_rand_below(3) : 0));
    r->text[len] = '\0';
}

static omen_str document(size_t id) {
    static char text[600];
    const struct record *r = &records[id];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"group\":%d", r->group);
    if (r->kind == 1) n += (size_t)snprintf(text + n, sizeof text - n, ",\"a\":{\"v\":%.17g}", r->number);
    if (r->kind == 2 || r->kind == 5) n += (size_t)snprintf(text + n, sizeof text - n, ",\"a\":{\"v\":\"%s\"}", r->text);
    if (r->kind == 3) n += (size_t)snprintf(text + n, sizeof text - n, ",\"a\":{\"v\":%s}", r->number > 0 ? "true" : "false");
    if (r->kind == 4) n += (size_t)snprintf(text + n, sizeof text - n, ",\"a\":{\"v\":[1,2]}");
    n += (size_t)snprintf(text + n, sizeof text - n, "}");
    return (omen_str){text, n};
}

static bool descending;

static int class_of(const struct record *r) { return r->kind == 3 ? 1 : r->kind == 1 ? 2 : r->kind == 2 || r->kind == 5 ? 3 : 0; }

static int before(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    const struct record *r = &records[x], *s = &records[y];
    int cr = class_of(r), cs = class_of(s), order = cr - cs;
    if ((cr == 0) != (cs == 0)) return cr == 0 ? 1 : -1; /* in either direction */
    if (order == 0 && cr == 1) order = (r->number > 0) - (s->number > 0);
    if (order == 0 && cr == 2) order = (r->number > s->number) - (r->number < s->number);
    if (order == 0 && cr == 3) order = strcmp(r->text, s->text);
    if (descending) order = -order;
    return order != 0 ? order : x < y ? -1 : 1;
}

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static unsigned late;

static void open_world(world *x) {
    omen_options o;
    omen_schema s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.durability = OMEN_DURABILITY_OS;
    o.manual_maintenance = 1;
    if (late != 0) o.pool_bytes = 1 << 20;
    omen_schema_init(&s);
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
    omen_collection_close(x->c);
    CHECK_OK(omen_close(x->db));
}

static void end(world *x) {
    close_world(x);
    CHECK_EQ_UINT(fault_host_bytes(x->h), 0);
    fault_host_free(x->h);
}

static void write_some(world *x, size_t count) {
    static char texts[IDS][600];
    omen_id ids[IDS];
    omen_str docs[IDS];
    bool taken[IDS] = {false};
    for (size_t n = 0; n < count;) {
        size_t id = (size_t)test_rand_below(IDS);
        if (taken[id]) continue;
        taken[id] = true;
        make(id);
        ids[n] = OMEN_ID_INT((int64_t)id);
        omen_str d = document(id);
        docs[n] = (omen_str){memcpy(texts[n], d.data, d.len), d.len};
        n++;
    }
    omen_batch b = {.count = count, .ids = ids, .documents = docs};
    CHECK_OK(omen_upsert(x->c, &b));
}

static void delete_some(world *x, size_t count) {
    omen_id ids[IDS];
    for (size_t i = 0; i < count; i++) {
        ids[i] = OMEN_ID_INT((int64_t)test_rand_below(IDS));
        records[ids[i].number].lives = false;
    }
    CHECK_OK(omen_delete(x->c, ids, count, NULL));
}

static omen_status ask(world *x, uint32_t k, int group, omen_results **r) {
    char filter[40] = "";
    omen_query q;
    omen_query_init(&q);
    q.k = k;
    if (group >= 0) snprintf(filter, sizeof filter, "group = %d", group);
    q.filter = (omen_str){filter, strlen(filter)};
    q.options = descending ? OMEN_STR("{\"orderBy\":{\"path\":\"a.v\",\"direction\":\"desc\"}}") : OMEN_STR("{\"orderBy\":\"a.v\"}");
    return omen_search(x->c, &q, r);
}

static void check(world *x, uint32_t k, int group) {
    int64_t want[IDS];
    size_t n = 0;
    for (int64_t i = 0; i < IDS; i++)
        if (records[i].lives && (group < 0 || records[i].group == group)) want[n++] = i;
    qsort(want, n, sizeof *want, before);
    omen_results *r = NULL;
    REQUIRE_OK(ask(x, k, group, &r));
    CHECK_EQ_UINT(omen_results_count(r), n < k ? n : k);
    for (size_t i = 0; i < omen_results_count(r); i++) {
        CHECK_EQ_INT(omen_results_id(r, i).number, want[i]);
        CHECK_BITS(omen_results_score(r, i), 0.0f);
    }
    omen_results_free(r);
}

static void check_all(world *x) {
    static const uint32_t ks[] = {1, 13, 90, IDS + 9};
    for (int way = 0; way < 2; way++) {
        descending = way == 1;
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
            for (int group = -1; group < 2; group++) check(x, ks[k], group);
    }
}

TEST(records_come_in_order_wherever_they_lie) {
    for (late = 0; late <= 30; late += 30) {
        world x;
        begin(&x);
        check_all(&x);
        write_some(&x, 150);
        check_all(&x);
        CHECK_OK(omen_flush(x.db));
        check_all(&x);
        write_some(&x, 120);
        delete_some(&x, 30);
        check_all(&x);
        CHECK_OK(omen_flush(x.db));
        write_some(&x, 60);
        check_all(&x);
        close_world(&x);
        open_world(&x);
        CHECK_OK(omen_compact(x.db));
        check_all(&x);
        end(&x);
    }
    late = 0;
}

TEST(records_without_documents) {
    world x;
    begin(&x);
    omen_id ids[3] = {OMEN_ID_INT(9), OMEN_ID_INT(2), OMEN_ID_INT(5)};
    omen_batch b = {.count = 3, .ids = ids};
    CHECK_OK(omen_upsert(x.c, &b));
    for (int i = 0; i < 2; i++) {
        omen_results *r;
        REQUIRE_OK(ask(&x, 2, -1, &r));
        CHECK_EQ_UINT(omen_results_count(r), 2);
        CHECK_EQ_INT(omen_results_id(r, 0).number, 2);
        CHECK_EQ_INT(omen_results_id(r, 1).number, 5);
        omen_results_free(r);
        CHECK_OK(omen_flush(x.db));
    }
    end(&x);
}

TEST(without_memory_it_fails_cleanly) {
    world x;
    begin(&x);
    descending = false;
    write_some(&x, 150);
    CHECK_OK(omen_flush(x.db));
    write_some(&x, 50);
    unsigned refused = 0;
    for (uint64_t n = 1;; n += TEST_FAULT_STEP) {
        omen_results *r = NULL;
        fault_host_fail_alloc_at(x.h, n, false);
        omen_status s = ask(&x, 20, 1, &r);
        bool hit = fault_host_fault_hit(x.h);
        fault_host_fail_alloc_at(x.h, 0, false);
        if (s != OMEN_OK) CHECK_STATUS(s, OMEN_ERR_MEMORY);
        refused += s != OMEN_OK;
        omen_results_free(r);
        if (!hit) break;
    }
    CHECK(refused > 5);
    check(&x, 20, 1);
    end(&x);
}

TEST(what_it_does_not_go_with_is_refused) {
    static const struct { const char *options, *says; } wrong[] = {
        {"{\"orderBy\":7}", "orderBy must be a path"},
        {"{\"orderBy\":{}}", "has no path"},
        {"{\"orderBy\":{\"path\":\"\"}}", "must be a path"},
        {"{\"orderBy\":{\"path\":\"a\",\"direction\":\"up\"}}", "\"asc\" or \"desc\""},
        {"{\"orderBy\":\"a..b\"}", "a..b"},
        {"{\"orderBy\":\"a\",\"text\":\"tea\"}", "leave one out"},
        {"{\"orderBy\":\"a\",\"groupBy\":\"b\"}", "filter and facets alone"},
        {"{\"orderBy\":\"a\",\"minScore\":1}", "filter and facets alone"},
        {"{\"orderBy\":\"a\",\"highlight\":true}", "filter and facets alone"},
    };
    world x;
    begin(&x);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        omen_query q;
        omen_results *r;
        omen_query_init(&q);
        q.k = 3;
        q.options = (omen_str){wrong[i].options, strlen(wrong[i].options)};
        CHECK_STATUS(omen_search(x.c, &q, &r), OMEN_ERR_INVALID);
        if (!CHECK(strstr(omen_last_error(), wrong[i].says) != NULL)) printf("     %s: %s\n", wrong[i].options, omen_last_error());
    }
    end(&x);
}

TEST_MAIN()
