/* Every public operation, with a fault at its first call of the storage, at its second, and so on until it succeeds: an error, a full disk, a short read, no memory; once and for good. The answer is right or the
 * error that belongs to the fault; nothing leaks; afterwards the database is as before or as the operation makes it, reads, and writes or says that it is poisoned. Opened again it has lost nothing that was
 * acknowledged, and the operation succeeds. The list is complete: a test reads include/omendb.h. */
#include "test.h"

#include "fault_host.h"
#include "omendb.h"
#include "report.h"

enum { IDS = 20, DIMS = 4, CROWD = 66 }; /* crowd: an index needs as many records */

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

typedef omen_status operation_fn(world *x);

/* ---- the database ---- */

static omen_status open_db(world *x) {
    omen_options o;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.memtable_bytes = 4096;
    o.pool_bytes = 1 << 20;
    return omen_open("db", &o, &x->db);
}

static const omen_vector_field field = {.dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}};
static const omen_text_field words = {.name = OMEN_STR("t")};
static const omen_str sparse = OMEN_STR("s");

static omen_status collection(world *x, const char *name, omen_collection **out) {
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = s.text_count = s.sparse_count = 1;
    s.vectors = &field;
    s.texts = &words;
    s.sparse = &sparse;
    s.ttl = OMEN_STR("until");
    return omen_collection_open(x->db, (omen_str){name, strlen(name)}, &s, out);
}

static void close_db(world *x) {
    omen_collection_close(x->c);
    (void)omen_close(x->db);
    x->c = NULL;
    x->db = NULL;
}

typedef struct rows {
    omen_id ids[IDS];
    omen_str docs[IDS];
    float vectors[IDS][DIMS];
    const void *fields[1];
    char names[IDS][12], texts[IDS][200];
    omen_batch batch;
} rows;

static const omen_batch *rows_of(rows *r, int from, int to, int version) {
    for (int i = from; i < to; i++) {
        int k = i - from, n = snprintf(r->names[k], sizeof r->names[k], "id-%d", i);
        r->ids[k] = i % 2 == 0 ? (omen_id)OMEN_ID_INT(i) : (omen_id){{r->names[k], (size_t)n}, 0};
        n = snprintf(r->texts[k], sizeof r->texts[k], "{\"n\":%d,\"v\":%d,\"t\":\"word w%d\",\"s\":{\"indices\":[7,%d],\"values\":[1,2]}%s}", i, version, i, 10 + i, i % 5 == 4 ? ",\"until\":\"2001-01-01T00:00:00Z\"" : "");
        r->docs[k] = (omen_str){r->texts[k], (size_t)n};
        for (int d = 0; d < DIMS; d++) r->vectors[k][d] = (float)(i * 3 + d + version);
    }
    r->fields[0] = r->vectors;
    r->batch = (omen_batch){.count = (size_t)(to - from), .ids = r->ids, .vectors = r->fields, .documents = r->docs};
    return &r->batch;
}

/* ---- operations ---- */

static char text[20000];
static size_t needed;

#define OP(name) static omen_status name(world *x)
OP(op_open) {
    (void)x;
    return OMEN_OK; /* the frame around it has opened and closes */
}
OP(op_sync) { return omen_sync(x->db); }
OP(op_collection) {
    omen_collection *c = NULL;
    omen_status s = collection(x, "new", &c);
    omen_collection_close(c);
    return s;
}
OP(op_drop) { return omen_collection_drop(x->db, OMEN_STR("d")); }
OP(op_index) { return omen_collection_index(x->c, (omen_str){NULL, 0}, &(omen_index_options){.kind = OMEN_INDEX_IVF}); }
OP(op_upsert) {
    rows r;
    return omen_upsert(x->c, rows_of(&r, 3, 9, 2));
}
OP(op_write) {
    rows r;
    return omen_write(x->c, OMEN_WRITE_UPSERT, rows_of(&r, 0, 12, 3));
}
OP(op_insert) {
    rows r;
    omen_status s = omen_insert(x->c, rows_of(&r, 100, 103, 1));
    return s == OMEN_ERR_EXISTS ? OMEN_OK : s;
}
OP(op_update) {
    rows r;
    rows_of(&r, 5, 8, 4);
    r.fields[0] = NULL;
    return omen_update(x->c, &r.batch);
}
OP(op_delete) {
    rows r;
    rows_of(&r, 2, 6, 1);
    return omen_delete(x->c, r.ids, 4, &needed);
}
OP(op_delete_where) { return omen_delete_where(x->c, OMEN_STR("n < 5 OR n = 17"), &needed); }
OP(op_update_where) { return omen_update_where(x->c, OMEN_STR("n > 5"), OMEN_STR("{\"t\":\"other\",\"v\":7}"), &needed); }
OP(op_begin) {
    rows r;
    uint64_t commit;
    omen_status s = omen_write_begin(x->c, OMEN_WRITE_UPSERT, rows_of(&r, 3, 9, 5), &commit);
    return s != OMEN_OK ? s : omen_wait(x->db, commit);
}
OP(op_expire) { return omen_expire(x->c, &needed); }
OP(op_purge) {
    rows r;
    rows_of(&r, 2, 6, 1);
    return omen_purge(x->c, r.ids, 4, NULL);
}

static void query_of(omen_query *q) {
    static const float v[DIMS] = {3, 4, 5, 6};
    omen_query_init(q);
    q->k = 6;
    q->vector = v;
    q->dimensions = DIMS;
    q->include = OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR;
    q->filter = OMEN_STR("n > 1");
    q->options = OMEN_STR("{\"text\":\"word\",\"sparse\":{\"indices\":[7],\"values\":[1]},\"facets\":[\"v\"],\"highlight\":true}");
}

OP(op_search) {
    omen_query q;
    omen_results *r = NULL;
    query_of(&q);
    omen_status s = omen_search(x->c, &q, &r);
    if (s == OMEN_OK) CHECK_EQ_UINT(omen_results_count(r), 6);
    else CHECK(r == NULL);
    omen_results_free(r);
    return s;
}
OP(op_search_many) {
    omen_query q[3];
    omen_results *r[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) query_of(&q[i]);
    q[1].options = (omen_str){NULL, 0};
    q[2].exact = 1;
    q[2].options = (omen_str){NULL, 0};
    omen_status s = omen_search_many(x->c, q, 3, r);
    for (int i = 0; i < 3; i++) {
        CHECK((r[i] != NULL) == (s == OMEN_OK));
        if (s == OMEN_OK) CHECK_EQ_UINT(omen_results_count(r[i]), 6);
        omen_results_free(r[i]);
    }
    return s;
}
OP(op_explain) {
    omen_query q;
    query_of(&q);
    return omen_explain(x->c, &q, text, sizeof text, &needed);
}
OP(op_get) {
    rows r;
    omen_results *got = NULL;
    rows_of(&r, 0, IDS, 1);
    omen_status s = omen_get(x->c, r.ids, IDS, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &got);
    if (s == OMEN_OK) CHECK_EQ_UINT(omen_results_count(got), IDS);
    omen_results_free(got);
    return s;
}
OP(op_scroll) {
    omen_results *got = NULL;
    omen_status s = omen_scroll(x->c, NULL, 100, OMEN_INCLUDE_DOCUMENT, &got);
    omen_results_free(got);
    return s;
}
OP(op_scroll_where) {
    omen_results *got = NULL;
    omen_id after = OMEN_ID_INT(4);
    omen_status s = omen_scroll_where(x->c, OMEN_STR("v = 1"), &after, 100, OMEN_INCLUDE_VECTOR, &got);
    omen_results_free(got);
    return s;
}
OP(op_count) {
    uint64_t n;
    return omen_count(x->c, &n);
}
OP(op_count_where) {
    uint64_t n;
    return omen_count_where(x->c, OMEN_STR("n >= 3 AND n < 9"), &n);
}
OP(op_flush) { return omen_flush(x->db); }
OP(op_build) { return omen_build_indexes(x->db); }
OP(op_compact) { return omen_compact(x->db); }
OP(op_maintain) {
    omen_status s = OMEN_OK;
    for (int more = 1; s == OMEN_OK && more != 0;) s = omen_db_maintain(x->db, 0, &more);
    return s;
}
OP(op_check) { return omen_check(x->db); }
/* A file of an index that cannot be read is left out, and told as damage, as one that is changed. */
static omen_status in_order(world *x, omen_status s, omen_report *r) {
    if (s == OMEN_OK && !fault_storage_fault_hit(fault_host_image(x->h, "db"))) CHECK_EQ_UINT(omen_report_damage(r), 0);
    omen_report_free(r);
    return s;
}
OP(op_check_report) {
    omen_report *r = NULL;
    omen_status s = omen_check_report(x->db, &r);
    return in_order(x, s, r);
}
static omen_options offline(const world *x) {
    omen_options o;
    omen_options_init(&o);
    o.host = &x->h->host;
    return o;
}
OP(op_check_path) {
    omen_report *r = NULL;
    const omen_options o = offline(x);
    omen_status s = omen_check_path("db", &o, &r);
    return in_order(x, s, r);
}
OP(op_repair) {
    omen_report *r = NULL;
    const omen_options o = offline(x);
    omen_status s = omen_repair("db", &o, OMEN_REPAIR_WRITE, &r);
    return in_order(x, s, r);
}
OP(op_metrics) {
    omen_status s = omen_metrics(x->db, OMEN_METRICS_JSON, OMEN_STR("{\"a\":\"b\"}"), text, sizeof text, &needed);
    return s != OMEN_OK ? s : omen_metrics(x->db, OMEN_METRICS_PROMETHEUS, (omen_str){NULL, 0}, text, sizeof text, &needed);
}
OP(op_stats) { return omen_stats(x->db, text, sizeof text, &needed); }

static omen_transfer_options transfer(const world *x) {
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &x->h->host;
    return o;
}
OP(op_backup) {
    omen_transfer_options o = transfer(x);
    return omen_backup(x->db, "backups", &o, NULL);
}
/* What failed at its very end has left everything there: then it is refused when it is called again, and what is there must be whole. */
static omen_status whole(world *x, omen_status s) {
    omen_db *copy = NULL;
    omen_options o;
    if (s != OMEN_ERR_EXISTS) return s;
    omen_options_init(&o);
    o.host = &x->h->host;
    o.create = 0;
    s = omen_open("copy", &o, &copy);
    if (s == OMEN_OK) s = omen_check(copy);
    (void)omen_close(copy);
    return s;
}
OP(op_clone) {
    omen_transfer_options o = transfer(x);
    return whole(x, omen_clone(x->db, "copy", &o, NULL));
}
OP(op_restore) {
    omen_transfer_options o = transfer(x);
    return whole(x, omen_restore("backups", 1, "copy", &o, NULL));
}
OP(op_list) {
    omen_transfer_options o = transfer(x);
    o.verify = 1;
    return omen_backup_list("backups", &o, text, sizeof text, &needed);
}
OP(op_holds) {
    omen_transfer_options o = transfer(x);
    rows r;
    rows_of(&r, 2, 6, 1);
    return omen_backup_holds("backups", OMEN_STR("c"), r.ids, 4, &o, text, sizeof text, &needed);
}
OP(op_remove) {
    omen_transfer_options o = transfer(x);
    omen_status s = omen_backup_remove("backups", 1, &o, NULL);
    return s == OMEN_ERR_NOT_FOUND ? OMEN_OK : s; /* it was the last thing that the call before did */
}

/* One call in steps; no parts. */
static omen_status call(omen_engine *e, const char *json, long *number, const char *key) {
    uint8_t m[300] = "OMC1";
    omen_call *c = NULL;
    const void *bytes;
    size_t len = strlen(json), got;
    m[8] = (uint8_t)len;
    memcpy(m + 16, json, len);
    omen_status s = omen_call_begin(e, m, 16 + (len + 7) / 8 * 8, &c);
    if (s != OMEN_OK) return s;
    omen_call_start(c);
    do s = omen_call_step(c);
    while (s == OMEN_PENDING);
    omen_call_response(c, &bytes, &got);
    if (s == OMEN_OK && number != NULL && CHECK(got > 16 && got < sizeof text)) {
        memcpy(text, (const char *)bytes + 16, got - 16);
        text[got - 16] = 0;
        const char *at = strstr(text, key);
        *number = at == NULL ? -1 : atol(at + strlen(key));
    }
    omen_call_free(c);
    return s;
}
OP(op_calls) {
    omen_engine *e = NULL;
    omen_storage storage;
    long db = 0, c = 0;
    char json[120];
    omen_status s = x->h->host.storage_open(x->h->host.ctx, "db", 0, &storage);
    if (s != OMEN_OK) return s;
    s = omen_engine_new(&x->h->host, &e);
    if (s != OMEN_OK || (s = omen_engine_put_storage(e, 3, &storage)) != OMEN_OK) {
        storage.ops->release(storage.ctx);
        omen_engine_free(e);
        return s;
    }
    s = call(e, "{\"op\":\"open\",\"slot\":3}", &db, "\"db\":");
    if (s == OMEN_OK) {
        snprintf(json, sizeof json, "{\"op\":\"collection\",\"db\":%ld,\"name\":\"c\"}", db);
        s = call(e, json, &c, "\"collection\":");
    }
    if (s == OMEN_OK) {
        snprintf(json, sizeof json, "{\"op\":\"deleteWhere\",\"collection\":%ld,\"filter\":\"n = 3\"}", c);
        s = call(e, json, NULL, NULL);
    }
    if (s == OMEN_OK) {
        snprintf(json, sizeof json, "{\"op\":\"close\",\"db\":%ld}", db);
        s = call(e, json, NULL, NULL);
    }
    omen_engine_free(e);
    return s;
}

enum { CLOSED = 1, OTHERS = 2 }; /* runs beside a closed database; uses other places, too */
static const struct operation {
    const char *functions; /* what it is about */
    operation_fn *run;
    int flags;
} operations[] = {
    {"omen_open omen_close", op_open, 0},
    {"omen_sync", op_sync, 0},
    {"omen_collection_open omen_collection_close", op_collection, 0},
    {"omen_collection_drop", op_drop, 0},
    {"omen_collection_index", op_index, 0},
    {"omen_upsert", op_upsert, 0},
    {"omen_write", op_write, 0},
    {"omen_insert", op_insert, 0},
    {"omen_update", op_update, 0},
    {"omen_delete", op_delete, 0},
    {"omen_delete_where", op_delete_where, 0},
    {"omen_update_where", op_update_where, 0},
    {"omen_write_begin omen_wait", op_begin, 0},
    {"omen_expire", op_expire, 0},
    {"omen_purge", op_purge, 0},
    {"omen_search", op_search, 0},
    {"omen_search_many", op_search_many, 0},
    {"omen_explain", op_explain, 0},
    {"omen_get", op_get, 0},
    {"omen_scroll", op_scroll, 0},
    {"omen_scroll_where", op_scroll_where, 0},
    {"omen_count", op_count, 0},
    {"omen_count_where", op_count_where, 0},
    {"omen_flush", op_flush, 0},
    {"omen_build_indexes", op_build, 0},
    {"omen_compact", op_compact, 0},
    {"omen_db_maintain", op_maintain, 0},
    {"omen_check", op_check, 0},
    {"omen_check_report", op_check_report, 0},
    {"omen_check_path", op_check_path, CLOSED},
    {"omen_repair", op_repair, CLOSED},
    {"omen_metrics", op_metrics, 0},
    {"omen_stats", op_stats, 0},
    {"omen_backup", op_backup, OTHERS},
    {"omen_clone", op_clone, OTHERS},
    {"omen_restore", op_restore, OTHERS},
    {"omen_backup_list", op_list, OTHERS},
    {"omen_backup_holds", op_holds, OTHERS},
    {"omen_backup_remove", op_remove, OTHERS},
    {"omen_engine_new omen_engine_free omen_engine_put_storage omen_call_begin omen_call_start omen_call_step omen_call_response omen_call_free", op_calls, CLOSED},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* Functions that ask the host for nothing: they fill a struct, look into an answer, or have tests that are all about their failures (named). */
static const char others[] = "omen_options_init omen_options_set omen_schema_init omen_query_init omen_transfer_options_init omen_collection_name omen_collection_schema "
                             "omen_results_count omen_results_found omen_results_id omen_results_distance omen_results_score omen_results_document omen_results_vector "
                             "omen_results_leg_count omen_results_leg_score omen_results_legs omen_results_group omen_results_highlights omen_results_facets omen_results_free "
                             "omen_report_json omen_report_damage omen_report_free omen_metrics_reset omen_version omen_status_name omen_status_message omen_last_error omen_kernels_name omen_kernels_use ";

/* ---- what is there ---- */

typedef struct state { char text[12000]; size_t len; } state;

static bool read_collection(world *x, const char *name, state *s) {
    omen_collection *c = NULL;
    omen_results *r = NULL;
    omen_status st = omen_collection_open(x->db, (omen_str){name, strlen(name)}, NULL, &c);
    s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%s %s\n", name, st == OMEN_ERR_NOT_FOUND ? "is not there" : "is there");
    if (st != OMEN_OK && st != OMEN_ERR_NOT_FOUND) printf("        opening %s: %s: %s\n", name, omen_status_name(st), omen_last_error());
    if (st != OMEN_OK) return st == OMEN_ERR_NOT_FOUND;
    bool good = omen_scroll(c, NULL, 200, OMEN_INCLUDE_DOCUMENT, &r) == OMEN_OK;
    for (size_t i = 0; good && i < omen_results_count(r); i++) {
        omen_id id = omen_results_id(r, i);
        omen_str doc = omen_results_document(r, i);
        s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%lld %.*s %.*s\n", (long long)id.number, (int)id.text.len, id.text.data == NULL ? "" : id.text.data, (int)doc.len, doc.data);
    }
    omen_results_free(r);
    omen_collection_close(c);
    return good;
}

static bool read_state(world *x, state *s) {
    s->len = 0;
    return read_collection(x, "c", s) && read_collection(x, "d", s) && read_collection(x, "new", s);
}

static bool same(const state *a, const state *b) { return a->len == b->len && memcmp(a->text, b->text, a->len) == 0; }

static void write_crowd(world *x) {
    static omen_id ids[CROWD];
    static float vectors[CROWD][DIMS];
    const void *fields[] = {vectors};
    for (int i = 0; i < CROWD; i++) {
        ids[i] = (omen_id)OMEN_ID_INT(1000 + i);
        for (int d = 0; d < DIMS; d++) vectors[i][d] = (float)(100 + (i * 7 + d * 3) % 31);
    }
    CHECK_OK(omen_upsert(x->c, &(omen_batch){.count = CROWD, .ids = ids, .vectors = fields}));
}

/* Records in two segments, with an index over the first, and in the log; a collection to drop; a backup of before. */
static void build(fault_storage **db, fault_storage **backups) {
    world x = {.h = fault_host_new(1)};
    rows r;
    omen_collection *d = NULL;
    CHECK_OK(open_db(&x));
    CHECK_OK(collection(&x, "c", &x.c));
    CHECK_OK(collection(&x, "d", &d));
    CHECK_OK(omen_upsert(d, rows_of(&r, 0, 2, 1)));
    omen_collection_close(d);
    CHECK_OK(omen_upsert(x.c, rows_of(&r, 0, 10, 1)));
    write_crowd(&x);
    CHECK_OK(omen_build_indexes(x.db));
    CHECK_OK(op_backup(&x));
    CHECK_OK(omen_upsert(x.c, rows_of(&r, 8, 16, 1)));
    CHECK_OK(omen_flush(x.db));
    CHECK_OK(omen_upsert(x.c, rows_of(&r, 14, IDS, 1)));
    close_db(&x);
    *db = fault_storage_crash(fault_host_image(x.h, "db"), FAULT_CRASH_ALL, 1);
    *backups = fault_storage_crash(fault_host_image(x.h, "backups"), FAULT_CRASH_ALL, 1);
    fault_host_free(x.h);
}

/* ---- faults ---- */

typedef enum kind { MEMORY, STORAGE_IO, STORAGE_FULL, SHORT_READ, LATE, KINDS } kind;
static const char *const kinds[KINDS] = {"no memory", "input or output", "disk full", "a short read", "input or output, late"};
static const char *const places[] = {"db", "backups", "copy"};

static fault_storage *image_db, *image_backups;
static state before, after, found;
static uint64_t runs;

static bool belongs(omen_status s, kind k) {
    if (s == OMEN_OK || s == OMEN_ERR_POISONED) return true;
    if (k == MEMORY) return s == OMEN_ERR_MEMORY;
    if (k == SHORT_READ) return s == OMEN_ERR_CORRUPT || s == OMEN_ERR_IO;
    return s == (k == STORAGE_FULL ? OMEN_ERR_FULL : OMEN_ERR_IO);
}

static world begin(void) {
    world x = {.h = fault_host_new(1)};
    fault_host_set_fill(x.h, runs % 16 == 0);
    fault_host_set_image(x.h, "db", fault_storage_clone(image_db));
    fault_host_set_image(x.h, "backups", fault_storage_clone(image_backups));
    return x;
}

static void say(const struct operation *o, kind k, bool sticky, uint64_t n, const char *place, const char *what, omen_status s) {
    printf("        %s: %s%s at %llu of %s: %s (%s: %s)\n", o->functions, kinds[k], sticky ? " for good" : "", (unsigned long long)n, place, what, omen_status_name(s), omen_last_error());
}

/* False: the fault did not come about any more. */
static bool run_with_fault(const struct operation *o, kind k, bool sticky, uint64_t n, const char *place) {
    world x = begin();
    fault_storage *fs = fault_host_image(x.h, place), *db = fault_host_image(x.h, "db");
    const bool opens = o->run == op_open;
    unsigned failed = test_failures;
    omen_status s = OMEN_OK;
    bool open = (o->flags & CLOSED) == 0;
    runs++;
    if (open && !opens) {
        CHECK_OK(open_db(&x));
        CHECK_OK(omen_collection_open(x.db, OMEN_STR("c"), NULL, &x.c));
    }
    if (k == LATE) fault_storage_set_pending(fs, 60);
    if (k == MEMORY) fault_host_fail_alloc_at(x.h, n, sticky);
    else if (k == SHORT_READ) fault_storage_short_read_at(fs, n);
    else fault_storage_fail_at(fs, n, k == STORAGE_FULL ? OMEN_ERR_FULL : OMEN_ERR_IO, sticky);
    if (opens) {
        s = open_db(&x);
        if (s == OMEN_OK) s = omen_collection_open(x.db, OMEN_STR("c"), NULL, &x.c);
        if (s == OMEN_OK) {
            omen_collection_close(x.c);
            x.c = NULL;
            s = omen_close(x.db);
            x.db = NULL;
        }
    } else s = o->run(&x);
    CHECK(belongs(s, k));
    if (s != OMEN_OK) CHECK(omen_last_error()[0] != '\0');
    char detail[200];
    snprintf(detail, sizeof detail, "%s", omen_last_error());
    bool hit = k == MEMORY ? fault_host_fault_hit(x.h) : fault_storage_fault_hit(fs);
    CHECK(s == OMEN_OK || hit);
    fault_host_fail_alloc_at(x.h, 0, false);
    fault_storage_fail_at(fs, 0, OMEN_OK, false);
    fault_storage_set_pending(fs, 0);
    /* In the same session: it reads; it writes, or says why not. */
    bool more = false;
    if (x.db != NULL && !opens) {
        rows r;
        if (CHECK(read_state(&x, &found))) CHECK(same(&found, s == OMEN_OK ? &after : &before) || (s != OMEN_OK && same(&found, &after)));
        omen_status w = omen_upsert(x.c, rows_of(&r, 200, 201, 1));
        CHECK(w == OMEN_OK || w == OMEN_ERR_POISONED);
        if (k == SHORT_READ) CHECK(w == OMEN_OK || s != OMEN_OK || hit);
        more = w == OMEN_OK;
    }
    close_db(&x);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) CHECK_STORAGE(fault_host_image(x.h, places[i]));
    CHECK_EQ_UINT(fault_host_bytes(x.h), 0);
    /* Opened again. */
    if (CHECK_OK(open_db(&x)) && CHECK_OK(omen_collection_open(x.db, OMEN_STR("c"), NULL, &x.c))) {
        if (more) {
            rows r;
            CHECK_OK(omen_delete(x.c, rows_of(&r, 200, 201, 1)->ids, 1, &needed));
            CHECK_EQ_UINT(needed, 1);
        } else {
            rows r;
            CHECK_OK(omen_delete(x.c, rows_of(&r, 200, 201, 1)->ids, 1, &needed)); /* the one that was refused may be there */
        }
        if (CHECK(read_state(&x, &found))) CHECK(same(&found, s == OMEN_OK ? &after : &before) || (s != OMEN_OK && same(&found, &after)));
        CHECK_OK(omen_check(x.db));
        if (!open) close_db(&x);
        /* What failed succeeds. */
        if (s != OMEN_OK && !opens && (o->run != op_drop || same(&found, &before))) {
            omen_status again = o->run(&x);
            if (!CHECK_OK(again)) say(o, k, sticky, n, place, "again", again);
            if (!open) CHECK_OK(open_db(&x));
            CHECK(read_state(&x, &found) && same(&found, &after));
        }
    }
    close_db(&x);
    CHECK_STORAGE(db);
    CHECK_EQ_UINT(fault_host_bytes(x.h), 0);
    fault_host_free(x.h);
    if (test_failures > failed && test_failures < 25) printf("        %s: %s%s at %llu of %s: %s: %s\n", o->functions, kinds[k], sticky ? ", for good" : "", (unsigned long long)n, place, omen_status_name(s), detail);
    return hit;
}

/* Where the same has been done in full elsewhere: fewer of the calls that are alike. */
enum { STRIDE = TEST_EMULATED ? 61 : TEST_PICK(1, 15) };

static void each(const struct operation *o) {
    world x = begin();
    uint64_t calls = 0;
    CHECK_OK(open_db(&x));
    CHECK(read_state(&x, &before));
    if ((o->flags & CLOSED) != 0) close_db(&x);
    else CHECK_OK(omen_collection_open(x.db, OMEN_STR("c"), NULL, &x.c));
    CHECK_OK(o->run(&x));
    if ((o->flags & CLOSED) != 0) CHECK_OK(open_db(&x));
    CHECK(read_state(&x, &after));
    close_db(&x);
    fault_host_free(x.h);
    for (kind k = 0; k < KINDS; k++)
        for (int sticky = 0; sticky <= (k == SHORT_READ || k == LATE ? 0 : 1); sticky++)
            for (size_t p = 0; p < (k != MEMORY && (o->flags & OTHERS) != 0 ? sizeof places / sizeof *places : 1); p++) {
                uint64_t n = 1;
                /* A call that is no read cannot be a short one: the fault comes about at some of them. */
                unsigned misses = 0;
                while (test_failures < 20 && (run_with_fault(o, k, sticky != 0, n, places[p]) || (k == SHORT_READ && ++misses < 40))) {
                    calls++;
                    n += n < 12 ? 1 : STRIDE;
                }
            }
    printf("     %-40.40s %llu faults\n", o->functions, (unsigned long long)calls);
    omen_test_report("fault_calls", calls);
}

static void some(size_t from, size_t to) {
    build(&image_db, &image_backups);
    for (size_t i = from; i < to && test_failures < 20; i++) each(&operations[i]);
    fault_storage_free(image_db);
    fault_storage_free(image_backups);
}

enum { WRITES = 14, READS = 22, MAINTENANCE = 29, TRANSFERS = 34 };
TEST(faults_at_every_call_of_writes) { some(0, WRITES); }
TEST(faults_at_every_call_of_reads) { some(WRITES, READS); }
TEST(faults_at_every_call_of_maintenance) { some(READS, MAINTENANCE); }
TEST(faults_at_every_call_of_backups) { some(MAINTENANCE, TRANSFERS); }
TEST(faults_at_every_call_of_calls_in_steps) { some(TRANSFERS, OPERATIONS); }

/* ---- the list ---- */

static bool listed(const char *list, const char *name, size_t len) {
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == 0)) return true;
    return false;
}

TEST(every_public_function_is_in_a_list) {
    char line[1000];
    unsigned functions = 0;
    FILE *f = fopen("include/omendb.h", "r");
    if (f == NULL) TEST_SKIP("include/omendb.h is not to be had here");
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "OMEN_API ", 9) != 0) continue;
        char *end = strchr(line, '('), *name = end;
        if (!CHECK(end != NULL)) continue;
        while (name > line && (name[-1] == '_' || (name[-1] >= 'a' && name[-1] <= 'z') || (name[-1] >= '0' && name[-1] <= '9'))) name--;
        *end = 0;
        bool there = listed(others, name, (size_t)(end - name));
        for (size_t i = 0; i < OPERATIONS; i++) there = there || listed(operations[i].functions, name, (size_t)(end - name));
        if (!CHECK(there)) printf("        %s is in no list: let faults happen in it\n", name);
        functions++;
    }
    fclose(f);
    CHECK(functions > 60);
}

TEST_MAIN()
