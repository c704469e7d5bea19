/* Readers beside a writer that removes what they are about to read: whatever the writer does at whatever call of a reader's storage, the reader is told the truth. */
#include "test.h"

#include "db/db.h"
#include "script.h"

enum { BEFORE = 50, STEPS_AT_ONCE = 12, STATES = 4096 };

/* A session that lets the writer go on before a call. */
typedef struct beside {
    omen_storage inner;
    script *writer;
    unsigned *at;             /* the writer's next step */
    script_state *states;     /* after each step */
    unsigned calls, from, every, most;
    bool torn; /* files that come or go while they are listed are not in the list */
    char names[64][64];
    size_t count;
} beside;

static void let_write(beside *b) {
    unsigned n = b->calls++;
    if (n < b->from || (n - b->from) % b->every != 0) return;
    for (unsigned i = 0; i < STEPS_AT_ONCE && *b->at + 1 < b->most; i++) {
        script_state s = b->states[*b->at];
        CHECK_STATUS(script_step(b->writer, *b->at, &s), OMEN_OK);
        b->states[++*b->at] = s;
    }
    if (*b->at + 1 < b->most) CHECK_STATUS(omen_compact(b->writer->db), OMEN_OK);
}

static void keep_name(void *arg, const char *name) {
    beside *b = arg;
    if (CHECK(b->count < OMEN_ARRAY_LEN(b->names))) snprintf(b->names[b->count++], sizeof b->names[0], "%s", name);
}

typedef struct both { beside *b; void (*each)(void *arg, const char *name); void *arg; } both;

static void tell_both(void *arg, const char *name) {
    const both *t = arg;
    for (size_t i = 0; i < t->b->count; i++)
        if (strcmp(t->b->names[i], name) == 0) t->each(t->arg, name);
}

static omen_status b_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    beside *b = ctx;
    both t = {b, each, arg};
    b->count = 0;
    if (b->torn) OMEN_TRY(b->inner.ops->list(b->inner.ctx, keep_name, b));
    let_write(b);
    return b->torn ? b->inner.ops->list(b->inner.ctx, tell_both, &t) : b->inner.ops->list(b->inner.ctx, each, arg);
}

static omen_status b_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    beside *b = ctx;
    let_write(b);
    return b->inner.ops->open(b->inner.ctx, name, mode, out);
}

static omen_status b_size(void *ctx, omen_file *f, uint64_t *out) {
    beside *b = ctx;
    let_write(b);
    return b->inner.ops->size(b->inner.ctx, f, out);
}

static omen_status b_read(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    beside *b = ctx;
    let_write(b);
    return b->inner.ops->read_at(b->inner.ctx, f, offset, into, len, got);
}

static omen_status b_write(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len) {
    (void)ctx, (void)f, (void)offset, (void)bytes, (void)len;
    CHECK(!"a reader writes");
    return OMEN_ERR_READ_ONLY;
}

static omen_status b_truncate(void *ctx, omen_file *f, uint64_t size) {
    (void)ctx, (void)f, (void)size;
    CHECK(!"a reader cuts a file");
    return OMEN_ERR_READ_ONLY;
}

static omen_status b_sync(void *ctx, omen_file *f) {
    (void)ctx, (void)f;
    CHECK(!"a reader syncs");
    return OMEN_ERR_READ_ONLY;
}

static omen_status b_sync_dir(void *ctx) {
    (void)ctx;
    CHECK(!"a reader syncs");
    return OMEN_ERR_READ_ONLY;
}

static void b_close(void *ctx, omen_file *f) {
    beside *b = ctx;
    b->inner.ops->close(b->inner.ctx, f);
}

static omen_status b_remove(void *ctx, const char *name) {
    (void)ctx, (void)name;
    CHECK(!"a reader removes a file");
    return OMEN_ERR_READ_ONLY;
}

static void b_release(void *ctx) {
    beside *b = ctx;
    b->inner.ops->release(b->inner.ctx);
}

static omen_storage beside_storage(beside *b) {
    static const omen_storage_ops ops = {.struct_size = sizeof ops, .list = b_list, .open = b_open, .size = b_size, .read_at = b_read, .write_at = b_write,
                                      .truncate = b_truncate, .sync = b_sync, .sync_dir = b_sync_dir, .close = b_close, .remove = b_remove,
                                      .release = b_release};
    return (omen_storage){b, &ops};
}

typedef struct world {
    fault_host *h;
    script s;
    unsigned at;
    script_state states[STATES];
    beside b;
    omen_storage storage;
} world;

static world w;

static void begin(unsigned from, unsigned every, unsigned most) {
    memset(&w, 0, sizeof w);
    w.h = fault_host_new(3);
    fault_host_set_fill(w.h, false);
    CHECK_STATUS(script_open(&w.s, w.h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (; w.at < BEFORE; w.at++) {
        w.states[w.at + 1] = w.states[w.at];
        CHECK_STATUS(script_step(&w.s, w.at, &w.states[w.at + 1]), OMEN_OK);
    }
    w.b = (beside){.inner = fault_storage_session(fault_host_image(w.h, "db")), .writer = &w.s, .at = &w.at, .states = w.states, .from = from, .every = every, .most = BEFORE + most};
    w.storage = beside_storage(&w.b);
}

static void end(void) {
    script_close(&w.s);
    CHECK_EQ_UINT(fault_host_bytes(w.h), 0);
    fault_host_free(w.h);
}

static void reader_options(omen_options *o) {
    omen_options_init(o);
    o->host = &w.h->host;
    o->storage = &w.storage;
    o->read_only = 1;
    o->pool_bytes = 1 << 20;
}

/* What the reader sees is one of the states that there were since it began. */
static void check_seen(omen_db *db) {
    script r = {.db = db};
    script_state got;
    const char *why = "";
    bool found = false;
    CHECK_STATUS(omen_collection_open(db, OMEN_STR("things"), NULL, &r.c), OMEN_OK);
    if (!script_read(&r, &got, &why)) {
        printf("     %s\n", why);
        CHECK(!"what it read disagrees with itself");
    }
    for (unsigned n = BEFORE; n <= w.at && !found; n++) found = memcmp(&got, &w.states[n], sizeof got) == 0;
    CHECK(found);
    omen_collection_close(r.c);
}

/* One storm of writes at the nth call. */
static void go_on_once(bool torn, unsigned step) {
    for (unsigned n = 0, calls = 1; n < calls; n += step) {
        omen_options o;
        omen_db *db = NULL;
        begin(n, 1000000, STATES - BEFORE);
        w.b.torn = torn;
        reader_options(&o);
        omen_status s = omen_open("db", &o, &db);
        if (s != OMEN_OK) printf("     at call %u: %s\n", n, omen_last_error());
        CHECK_STATUS(s, OMEN_OK);
        if (s == OMEN_OK) check_seen(db);
        calls = w.b.calls; /* a storm makes them more, or fewer */
        (void)omen_close(db);
        end();
    }
}

TEST(a_writer_goes_on_once) { go_on_once(false, TEST_PICK(1, 7)); }

/* The log that a manifest names may be removed while the files are listed, and its successor come too late for the list: then there seems to be none. */
TEST(a_writer_goes_on_while_files_are_listed) { go_on_once(true, 1); }

/* The writer goes on and on, slowly enough that an attempt now and then comes through, or for a while. */
TEST(a_writer_goes_on_all_the_time) {
    unsigned busy = 0;
    for (unsigned every = 1; every < 60; every += TEST_PICK(1, 5)) {
        omen_options o;
        omen_db *db = NULL;
        begin(every / 3, every, every % 2 == 0 ? STATES - BEFORE : 600);
        reader_options(&o);
        omen_status s = omen_open("db", &o, &db);
        if (s != OMEN_OK && s != OMEN_ERR_BUSY) printf("     every %u: %s\n", every, omen_last_error());
        CHECK(s == OMEN_OK || s == OMEN_ERR_BUSY);
        if (s == OMEN_OK) check_seen(db);
        busy += s == OMEN_ERR_BUSY;
        (void)omen_close(db);
        end();
    }
    printf("     %u were told to come again\n", busy);
}

/* Checking the files beside a writer finds no damage. */
TEST(a_check_beside_a_writer) {
    for (unsigned n = 0, calls = 1; n < calls; n += TEST_PICK(1, 7)) {
        omen_options o;
        omen_report *r = NULL;
        begin(n, 1000000, STATES - BEFORE);
        reader_options(&o);
        omen_status s = omen_check_path("db", &o, &r);
        omen_str text = omen_report_json(r);
        if (s != OMEN_OK) printf("     at call %u: %s\n", n, omen_last_error());
        CHECK_STATUS(s, OMEN_OK);
        if (s == OMEN_OK && strstr(text.data, "\"ok\":true") == NULL) {
            printf("     at call %u: %s\n", n, text.data);
            CHECK(!"a false finding");
        }
        calls = w.b.calls;
        omen_report_free(r);
        end();
    }
}

/* Real damage is told as such, while the writer goes on and while it rests. */
TEST(real_damage_is_told) {
    for (unsigned every = 7; every < 2000000; every *= 30) {
        omen_options o;
        omen_db *db = NULL;
        begin(0, every, every < 1000 ? 300 : 1);
        fault_storage *fs = fault_host_image(w.h, "db");
        for (size_t f = 0; f < fault_storage_count(fs); f++) {
            size_t len;
            const char *name = fault_storage_name(fs, f);
            (void)fault_storage_data(fs, name, &len);
            if (strncmp(name, "manifest", 8) == 0) fault_storage_cut(fs, name, 80);
        }
        w.b.most = 0; /* the writer rests: it would write another manifest */
        reader_options(&o);
        CHECK_STATUS(omen_open("db", &o, &db), OMEN_ERR_CORRUPT);
        CHECK(strstr(omen_last_error(), "manifest") != NULL);
        end();
    }
}

TEST_MAIN()
