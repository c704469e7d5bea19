/* Purging: no byte of what was purged is left in any file, whatever state it was in; all else stays; what cannot be removed is said. */
#include "test.h"

#include "api/api.h"
#include "db/backup.h"
#include "db/purge.h"
#include "fault_host.h"

enum { DIMS = 24, COUNT = 240 };

typedef struct world {
    fault_host *h;
    omen_db *db;
    omen_collection *c;
} world;

static void open_world(world *w, bool create) {
    omen_options o;
    omen_options_init(&o);
    o.host = &w->h->host;
    o.create = create;
    o.pool_bytes = 1 << 20;
    o.memtable_bytes = 64 << 10;
    CHECK_STATUS(omen_open("db", &o, &w->db), OMEN_OK);
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}};
    const omen_text_field words = {.name = OMEN_STR("t"), .language = OMEN_STR("none")};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &f;
    schema.text_count = 1;
    schema.texts = &words;
    CHECK_STATUS(omen_collection_open(w->db, OMEN_STR("c"), &schema, &w->c), OMEN_OK);
}

static void begin(world *w) {
    memset(w, 0, sizeof *w);
    w->h = fault_host_new(3);
    open_world(w, true);
}

static void close_world(world *w) {
    omen_collection_close(w->c);
    CHECK_STATUS(omen_close(w->db), OMEN_OK);
}

static void end(world *w) {
    close_world(w);
    CHECK_STORAGE(fault_host_image(w->h, "db"));
    CHECK_EQ_UINT(fault_host_bytes(w->h), 0);
    fault_host_free(w->h);
}

/* Even ones are integers. */
static char id_text[COUNT][32];
static omen_id id_of(int i) {
    if (i % 2 == 0) return OMEN_ID_INT(7700000000 + i * 65537);
    int n = snprintf(id_text[i], sizeof id_text[i], "person-%05d-x", i * 7919);
    return (omen_id){{id_text[i], (size_t)n}, 0};
}

static void vector_of(int i, int version, float *v) {
    for (int d = 0; d < DIMS; d++) v[d] = (float)((i * 7919 + version * 104729 + d * 15485863) % 100003) / 997.0f;
}

static int doc_of(int i, int version, char *text, size_t cap) {
    return snprintf(text, cap, "{\"v\":%d,\"t\":\"common secret%dword%d\",\"mail\":\"someone%d.%d@example.org\",\"n\":%d}", version, i, version, i, version, i);
}

static void put(world *w, int i, int version) {
    float v[DIMS];
    char doc[200];
    const void *vectors[] = {v};
    omen_id id = id_of(i);
    vector_of(i, version, v);
    omen_str text = {doc, (size_t)doc_of(i, version, doc, sizeof doc)};
    CHECK_STATUS(omen_upsert(w->c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors, .documents = &text}), OMEN_OK);
}

static bool within(const uint8_t *where, size_t len, const void *what, size_t n) {
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(where + i, what, n) == 0) return true;
    return false;
}

/* Files in which the bytes are. */
static int files_with(const world *w, const void *what, size_t n) {
    fault_storage *fs = fault_host_image(w->h, "db");
    int found = 0;
    for (size_t f = 0; f < fault_storage_count(fs); f++) {
        size_t len;
        const uint8_t *data = fault_storage_data(fs, fault_storage_name(fs, f), &len);
        found += within(data, len, what, n);
    }
    return found;
}

/* Files with bytes of any version of record i: its id, vector, words, strings of its document, the document as the log has it. */
static int traces(const world *w, int i, int versions) {
    int found = 0;
    omen_id id = id_of(i);
    uint8_t room[OMEN_KEY_MAX];
    omen_key key;
    CHECK_STATUS(omen_key_encode(&id, room, &key, NULL), OMEN_OK);
    found += files_with(w, key.data, key.len);
    for (int version = 1; version <= versions; version++) {
        float v[DIMS];
        char doc[200], word[60];
        vector_of(i, version, v);
        found += files_with(w, v, sizeof v);
        int n = doc_of(i, version, doc, sizeof doc);
        found += files_with(w, doc, (size_t)n);
        n = snprintf(word, sizeof word, "secret%dword%d", i, version);
        found += files_with(w, word, (size_t)n);
        n = snprintf(word, sizeof word, "someone%d.%d@", i, version);
        found += files_with(w, word, (size_t)n);
    }
    return found;
}

/* Everything but the purged is there in its version, and nothing of the purged. */
static void check_rest(world *w, const bool *gone, const int *version) {
    uint64_t count = 0, want = 0;
    for (int i = 0; i < COUNT; i++) {
        omen_results *r = NULL;
        omen_id id = id_of(i);
        bool there = !gone[i] && version[i] != 0;
        want += there;
        CHECK_STATUS(omen_get(w->c, &id, 1, OMEN_INCLUDE_DOCUMENT | OMEN_INCLUDE_VECTOR, &r), OMEN_OK);
        CHECK_EQ_INT(omen_results_found(r, 0), there);
        if (there) {
            float v[DIMS];
            char doc[200];
            vector_of(i, version[i], v);
            int n = doc_of(i, version[i], doc, sizeof doc);
            CHECK(omen_results_document(r, 0).len == (size_t)n && memcmp(omen_results_document(r, 0).data, doc, (size_t)n) == 0);
            CHECK_MEM(omen_results_vector(r, 0, 0), v, sizeof v);
        }
        omen_results_free(r);
    }
    CHECK_STATUS(omen_count(w->c, &count), OMEN_OK);
    CHECK_EQ_UINT(count, want);
    CHECK_STATUS(omen_check(w->db), OMEN_OK);
}

/* Records in several segments, indexed, replaced, deleted, and some in memory. */
static void fill(world *w, int *version) {
    for (int i = 0; i < COUNT; i++) put(w, i, version[i] = 1);
    CHECK_STATUS(omen_flush(w->db), OMEN_OK);
    CHECK_STATUS(omen_build_indexes(w->db), OMEN_OK);
    for (int i = 0; i < COUNT; i += 5) put(w, i, version[i] = 2);
    CHECK_STATUS(omen_flush(w->db), OMEN_OK);
    for (int i = 3; i < COUNT; i += 10) {
        omen_id id = id_of(i);
        CHECK_STATUS(omen_delete(w->c, &id, 1, NULL), OMEN_OK);
        version[i] = 0;
    }
    for (int i = 0; i < COUNT; i += 15) put(w, i, version[i] = 3);
}

TEST(nothing_is_left_in_any_file) {
    static const struct { int count, ids[6]; } cases[] = {
        {1, {0}},                 /* live in memory, replaced in segments; an integer */
        {1, {15}},                /* the same, a string */
        {1, {3}},                 /* deleted, its delete in memory only */
        {1, {1}},                 /* live in the first segment */
        {1, {10}},                /* live in the second, replaced in the first */
        {6, {0, 13, 25, 45, 7, 120}}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int later = (int)(TEST_REDUCED ? k % 3 : 0); later < 3; later += TEST_REDUCED ? 3 : 1) {
            world w;
            int version[COUNT] = {0};
            bool gone[COUNT] = {false};
            omen_id ids[6];
            omen_purge_report r;
            uint64_t live = 0;
            begin(&w);
            fill(&w, version);
            if (later == 1) CHECK_STATUS(omen_flush(w.db), OMEN_OK);
            if (later == 2) {
                close_world(&w);
                open_world(&w, false);
            }
            for (int i = 0; i < cases[k].count; i++) {
                ids[i] = id_of(cases[k].ids[i]);
                live += version[cases[k].ids[i]] != 0;
                gone[cases[k].ids[i]] = true;
                CHECK(traces(&w, cases[k].ids[i], 3) > 0); /* the control: it would be seen */
            }
            CHECK_STATUS(omen_purge(w.c, ids, (size_t)cases[k].count, &r), OMEN_OK);
            CHECK_EQ_UINT(r.deleted, live);
            CHECK(r.segments_rewritten >= 1);
            CHECK(r.rows_scanned >= COUNT / 2);
            CHECK_EQ_UINT(r.written_again, 0);
            for (int i = 0; i < cases[k].count; i++) CHECK_EQ_INT(traces(&w, cases[k].ids[i], 3), 0);
            check_rest(&w, gone, version);
            CHECK_STATUS(omen_purge(w.c, ids, (size_t)cases[k].count, &r), OMEN_OK); /* again: nothing to do */
            CHECK_EQ_UINT(r.deleted, 0);
            CHECK_EQ_UINT(r.segments_rewritten, 0);
            CHECK_STATUS(omen_build_indexes(w.db), OMEN_OK);
            check_rest(&w, gone, version);
            close_world(&w);
            open_world(&w, false);
            for (int i = 0; i < cases[k].count; i++) CHECK_EQ_INT(traces(&w, cases[k].ids[i], 3), 0);
            check_rest(&w, gone, version);
            end(&w);
        }
}

TEST(a_reader_keeps_old_files_and_that_is_said) {
    world w;
    int version[COUNT] = {0};
    bool gone[COUNT] = {false};
    begin(&w);
    fill(&w, version);
    omen_snapshot s;
    omen_snapshot_take(w.db, &s);
    omen_id id = id_of(1);
    CHECK_STATUS(omen_purge(w.c, &id, 1, NULL), OMEN_ERR_BUSY);
    CHECK(strstr(omen_last_error(), "seg-") != NULL);
    CHECK(traces(&w, 1, 1) > 0);
    /* A step ends where it has to wait, whatever its budget, and goes on when the reader is gone. */
    omen_purge_op *op = NULL;
    omen_error err = {0};
    omen_arena arena;
    omen_rows rows;
    omen_purge_report report;
    bool done = false;
    unsigned waits = 0;
    omen_arena_init(&arena, &w.db->mem, 4096);
    CHECK_STATUS(omen_rows_from_ids(&rows, &arena, &id, 1, &err), OMEN_OK);
    CHECK_STATUS(omen_purge_op_new(w.db, w.c->coll, &rows, &op, &err), OMEN_OK);
    for (unsigned n = 0; n < 20 && !done; n++) {
        CHECK_STATUS(omen_purge_op_step(op, 0, &done, &err), OMEN_OK);
        waits += omen_purge_op_waits(op);
        if (waits == 5) omen_snapshot_release(&s);
    }
    CHECK(done);
    CHECK_EQ_UINT(waits, 5);
    omen_purge_op_free(op);
    omen_arena_deinit(&arena);
    CHECK_STATUS(omen_purge(w.c, &id, 1, &report), OMEN_OK);
    CHECK_EQ_UINT(report.not_searched, 0);
    const omen_id little = {OMEN_STR("ab"), 0};
    CHECK_STATUS(omen_purge(w.c, &little, 1, &report), OMEN_OK);
    CHECK_EQ_UINT(report.not_searched, 1); /* two letters are in many places */
    CHECK_EQ_INT(traces(&w, 1, 1), 0);
    gone[1] = true;
    check_rest(&w, gone, version);
    end(&w);
}

/* Every step may pend, other writes come between, and the id itself is written again. */
TEST(in_steps_while_others_write) {
    for (int again = 0; again < 2; again++) {
        world w;
        int version[COUNT] = {0};
        bool gone[COUNT] = {false}, done = false;
        omen_purge_op *p = NULL;
        omen_error err = {0};
        omen_rows rows;
        omen_arena arena;
        begin(&w);
        fill(&w, version);
        fault_storage_set_pending(fault_host_image(w.h, "db"), 30);
        omen_id ids[] = {id_of(5), id_of(8)};
        omen_arena_init(&arena, &w.db->mem, 4096);
        CHECK_STATUS(omen_rows_from_ids(&rows, &arena, ids, 2, &err), OMEN_OK);
        omen_coll *coll = omen_version_find_name(w.db->current, OMEN_STR("c"))->coll;
        CHECK_STATUS(omen_purge_op_new(w.db, coll, &rows, &p, &err), OMEN_OK);
        omen_arena_deinit(&arena);
        bool written = false;
        for (int n = 0; !done && n < 200000; n++) {
            omen_status s = omen_purge_op_step(p, 1, &done, &err);
            CHECK(s == OMEN_OK || s == OMEN_PENDING);
            if (s != OMEN_OK && s != OMEN_PENDING) {
                printf("     %s\n", err.text);
                break;
            }
            if (n % 40 == 39) put(&w, 20 + n % 100 / 2 * 2, version[20 + n % 100 / 2 * 2] = 1 + n % 2);
            if (again && !written && omen_purge_op_outcome_of(p)->rewritten != 0) {
                put(&w, 8, 9);
                written = true;
            }
        }
        CHECK(done);
        omen_purge_op_free(p);
        gone[5] = true;
        gone[8] = !again;
        version[8] = 9;
        CHECK_EQ_INT(traces(&w, 5, 3), 0);
        float v[DIMS];
        vector_of(8, 1, v);
        CHECK_EQ_INT(files_with(&w, v, sizeof v), 0);
        check_rest(&w, gone, version);
        end(&w);
    }
}

/* {"backup": n, ... "holds": h} of a list. */
static int holds_of(const char *text, int backup) {
    char name[40];
    snprintf(name, sizeof name, "\"backup\":%d,", backup);
    const char *at = strstr(text, name), *end = at == NULL ? NULL : strchr(at, '}'), *holds = at == NULL ? NULL : strstr(at, "\"holds\":");
    return holds == NULL || holds > end ? -1 : atoi(holds + 8);
}

TEST(backups_tell_what_they_hold) {
    world w;
    int version[COUNT] = {0};
    static char text[4096];
    omen_transfer_options o;
    begin(&w);
    omen_transfer_options_init(&o);
    o.host = &w.h->host;
    CHECK_STATUS(omen_backup(w.db, "backups", NULL, NULL), OMEN_OK); /* of nothing */
    fill(&w, version);
    CHECK_STATUS(omen_backup(w.db, "backups", NULL, NULL), OMEN_OK);
    /* in memory and in segments; deleted; in a segment; never there */
    omen_id ids[] = {id_of(0), id_of(3), id_of(1), OMEN_ID_STR("nobody")};
    CHECK_STATUS(omen_purge(w.c, ids, 4, NULL), OMEN_OK);
    CHECK_STATUS(omen_backup(w.db, "backups", NULL, NULL), OMEN_OK);
    fault_storage_set_pending(fault_host_image(w.h, "backups"), 30);
    CHECK_STATUS(omen_backup_holds("backups", OMEN_STR("c"), ids, 4, &o, text, sizeof text, NULL), OMEN_OK);
    CHECK_EQ_INT(holds_of(text, 1), 0);
    CHECK_EQ_INT(holds_of(text, 2), 3);
    CHECK_EQ_INT(holds_of(text, 3), 0);
    omen_id kept = id_of(2);
    CHECK_STATUS(omen_backup_holds("backups", OMEN_STR("c"), &kept, 1, &o, text, sizeof text, NULL), OMEN_OK);
    CHECK_EQ_INT(holds_of(text, 2), 1);
    CHECK_EQ_INT(holds_of(text, 3), 1);
    CHECK_STATUS(omen_backup_holds("backups", OMEN_STR("another"), &kept, 1, &o, text, sizeof text, NULL), OMEN_ERR_NOT_FOUND);
    CHECK(strstr(omen_last_error(), "there are \"c\"") != NULL);
    CHECK_STATUS(omen_backup_list("backups", &o, text, sizeof text, NULL), OMEN_OK);
    CHECK_EQ_INT(holds_of(text, 2), -1);
    /* one that is damaged does not keep the others from being looked into */
    fault_storage *fs = fault_host_image(w.h, "backups");
    for (size_t f = 0; f < fault_storage_count(fs); f++)
        if (strncmp(fault_storage_name(fs, f), "blog-0000000000000002", 21) == 0) fault_storage_xor(fs, fault_storage_name(fs, f), 60, 255);
    CHECK_STATUS(omen_backup_holds("backups", OMEN_STR("c"), &kept, 1, &o, text, sizeof text, NULL), OMEN_OK);
    CHECK_EQ_INT(holds_of(text, 2), -1);
    CHECK_EQ_INT(holds_of(text, 3), 1);
    fault_storage_delete(fs, "blog-0000000000000002");
    CHECK_STATUS(omen_backup_holds("backups", OMEN_STR("c"), &kept, 1, &o, text, sizeof text, NULL), OMEN_OK);
    CHECK_EQ_INT(holds_of(text, 2), -1);
    CHECK_EQ_INT(holds_of(text, 3), 1);
    CHECK_STORAGE(fs);
    omen_transfer_report r;
    CHECK_STATUS(omen_backup_remove("backups", 2, &o, &r), OMEN_OK);
    end(&w);
}

TEST(wrong_arguments) {
    world w;
    begin(&w);
    put(&w, 1, 1);
    omen_id id = id_of(1), none = id_of(2), bad = {{"", 0}, 0};
    omen_purge_report r;
    CHECK_STATUS(omen_purge(NULL, &id, 1, NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_purge(w.c, NULL, 1, NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_purge(w.c, &bad, 1, NULL), OMEN_ERR_ID);
    CHECK_STATUS(omen_purge(w.c, NULL, 0, &r), OMEN_OK);
    CHECK_STATUS(omen_purge(w.c, &none, 1, &r), OMEN_OK);
    CHECK_EQ_UINT(r.deleted, 0);
    omen_id twice[] = {id, id};
    CHECK_STATUS(omen_purge(w.c, twice, 2, &r), OMEN_OK);
    CHECK_EQ_UINT(r.deleted, 1);
    CHECK_EQ_INT(traces(&w, 1, 1), 0);
    end(&w);
}

/* Power lost, a call failing, memory running out: afterwards the database opens, nothing else is lost, and purging again erases. */
TEST(whatever_fails_purging_again_erases) {
    for (int kind = 0; kind < 3; kind++)
        for (uint64_t n = 1;; n += 1 + n / (TEST_REDUCED || kind == 2 ? 2 : 6)) {
            world w;
            int version[COUNT] = {0};
            bool gone[COUNT] = {false};
            begin(&w);
            fill(&w, version);
            fault_storage *fs = fault_host_image(w.h, "db");
            if (kind == 0) fault_storage_power_off_at(fs, n);
            else if (kind == 1) fault_storage_fail_at(fs, n, OMEN_ERR_IO, false);
            else fault_host_fail_alloc_at(w.h, n, false);
            omen_id ids[] = {id_of(10), id_of(45)};
            omen_status s = omen_purge(w.c, ids, 2, NULL);
            bool hit = kind == 2 ? fault_host_fault_hit(w.h) : fault_storage_fault_hit(fs);
            CHECK(hit || s == OMEN_OK);
            fault_host_fail_alloc_at(w.h, 0, false);
            fault_storage_fail_at(fs, 0, OMEN_OK, false);
            fault_storage *after = kind == 0 ? fault_storage_crash(fs, FAULT_CRASH_RANDOM, n) : NULL;
            omen_collection_close(w.c);
            (void)omen_close(w.db);
            if (after != NULL) fault_host_set_image(w.h, "db", after);
            open_world(&w, false);
            CHECK_STATUS(omen_purge(w.c, ids, 2, NULL), OMEN_OK);
            CHECK_EQ_INT(traces(&w, 10, 3) + traces(&w, 45, 3), 0);
            gone[10] = gone[45] = true;
            if (n % 2 == 1) check_rest(&w, gone, version);
            end(&w);
            if (!hit) break;
        }
}

TEST_MAIN()
