/* Backups, restoring and clones: of every moment of a course of writes, while it goes on; what is copied; damage; wrong places. */
#include "test.h"

#include "db/backup.h"
#include "script.h"

enum { STEPS = 60 };

typedef struct course {
    fault_host *h;
    script s;
    script_state state;
    unsigned at;
} course;

static void begin(course *c) {
    memset(c, 0, sizeof *c);
    c->h = fault_host_new(7);
    CHECK_STATUS(script_open(&c->s, c->h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
}

static void go(course *c, unsigned steps) {
    for (unsigned i = 0; i < steps; i++) CHECK_STATUS(script_step(&c->s, c->at++, &c->state), OMEN_OK);
}

static void end(course *c) {
    script_close(&c->s);
    CHECK_EQ_UINT(fault_host_bytes(c->h), 0);
    fault_host_free(c->h);
}

/* The database at `name` of h opens, is in order and holds `want`. */
static bool holds(fault_host *h, const char *name, const script_state *want) {
    script s;
    script_state got;
    const char *why = "";
    bool good = script_open_at(&s, name, &h->host, OMEN_DURABILITY_GROUP, false) == OMEN_OK;
    if (!good) why = omen_last_error();
    if (good && (good = script_read(&s, &got, &why))) {
        good = memcmp(&got, want, sizeof got) == 0;
        if (!good) why = "the records are not those of that moment";
    }
    if (good && omen_check(s.db) != OMEN_OK) good = false, why = omen_last_error();
    if (!good) printf("     %s: %s\n", name, why);
    script_close(&s);
    return good;
}

/* Backup n (0: the latest) of the image, restored on a machine of its own, holds `want` (NULL: is not looked at). */
static bool restores(const fault_storage *image, uint64_t n, const script_state *want) {
    fault_host *h = fault_host_new(8);
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    fault_host_set_image(h, "backups", fault_storage_clone(image));
    omen_status s = omen_restore("backups", n, "new", &o, NULL);
    CHECK_STATUS(s, OMEN_OK);
    if (s != OMEN_OK) printf("     %s\n", omen_last_error());
    bool good = s == OMEN_OK && (want == NULL || holds(h, "new", want));
    CHECK_STORAGE(fault_host_image(h, "new"));
    CHECK_STORAGE(fault_host_image(h, "backups"));
    CHECK(!fault_storage_has(fault_host_image(h, "new"), "unfinished"));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
    return good;
}

TEST(a_backup_of_every_moment) {
    course c;
    script_state after[STEPS + 1];
    begin(&c);
    uint64_t last = 0;
    for (unsigned n = 0; n <= STEPS; n++) {
        omen_transfer_report r;
        after[n] = c.state;
        CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, &r), OMEN_OK);
        CHECK_EQ_UINT(r.backup, n + 1);
        CHECK(r.last_lsn >= last);
        last = r.last_lsn;
        if (n < STEPS) go(&c, 1);
    }
    fault_storage *image = fault_host_image(c.h, "backups");
    CHECK_STORAGE(image);
    for (unsigned n = 0; n <= STEPS; n++) CHECK(restores(image, n + 1, &after[n]));
    CHECK(restores(image, 0, &c.state));
    end(&c);
}

/* A backup under way, and the database goes on: flushes and merges remove files that the backup still reads. */
TEST(a_backup_while_the_database_goes_on) {
    for (unsigned from = 0; from < 40; from += 7) {
        course c;
        begin(&c);
        go(&c, from);
        fault_storage_set_pending(fault_host_image(c.h, "backups"), 40);
        fault_storage_set_pending(fault_host_image(c.h, "db"), 20);
        omen_transfer_args args = {.kind = OMEN_TRANSFER_BACKUP, .host = &c.h->host, .db = c.s.db, .backups_path = "backups"};
        omen_transfer *t = NULL;
        omen_error err = {0};
        script_state then = c.state;
        bool done = false, taken = false;
        CHECK_STATUS(omen_transfer_new(&args, &t, &err), OMEN_OK);
        for (unsigned i = 0; !done && i < 100000; i++) {
            omen_status s = omen_transfer_step(t, 1, &done, &err);
            CHECK(s == OMEN_OK || s == OMEN_PENDING);
            if (s != OMEN_OK && s != OMEN_PENDING) break;
            if (!taken) then = c.state;
            taken = taken || t->image.db != NULL;
            if (taken && i % 3 == 0 && c.at < from + 30) go(&c, 1);
        }
        CHECK(done);
        omen_transfer_free(t);
        go(&c, 3);
        CHECK(restores(fault_host_image(c.h, "backups"), 0, &then));
        CHECK_STORAGE(fault_host_image(c.h, "backups"));
        CHECK_STORAGE(fault_host_image(c.h, "db"));
        end(&c);
    }
}

TEST(only_what_is_new_is_copied) {
    course c;
    omen_transfer_report r;
    begin(&c);
    go(&c, 32);
    CHECK_STATUS(omen_flush(c.s.db), OMEN_OK);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, &r), OMEN_OK);
    CHECK(r.files > 1);
    CHECK_EQ_UINT(r.copied_files, r.files);
    CHECK_EQ_UINT(r.copied_bytes, r.bytes);
    uint64_t calls = fault_storage_calls(fault_host_image(c.h, "backups"));
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, &r), OMEN_OK);
    CHECK_EQ_UINT(r.copied_files, 1); /* the log, */
    CHECK(r.copied_bytes < 256);      /* which has its opening frame alone */
    CHECK(fault_storage_calls(fault_host_image(c.h, "backups")) - calls < 30);
    uint64_t files = r.files;
    c.at = 35;
    go(&c, 3);
    CHECK_STATUS(omen_flush(c.s.db), OMEN_OK);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, &r), OMEN_OK);
    CHECK(r.copied_files >= 2);
    CHECK(r.copied_files <= 3 || r.files < files); /* the flush, or a merge that replaced all */
    CHECK(restores(fault_host_image(c.h, "backups"), 3, &c.state));
    end(&c);
}

static omen_status restore_to(fault_host *h, uint64_t n, const char *place) {
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    return omen_restore("backups", n, place, &o, NULL);
}

static omen_status list(fault_host *h, bool verify, char *text, size_t cap) {
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    o.verify = verify;
    return omen_backup_list("backups", &o, text, cap, NULL);
}

static char text[8192];

/* A byte of every file, at several places: restoring says so, nothing that can be opened is left, and a verifying backup mends what it shares. */
TEST(damage_is_found_and_mended) {
    course c;
    omen_transfer_options o;
    begin(&c);
    go(&c, 40);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    fault_storage *image = fault_host_image(c.h, "backups");
    for (size_t f = 0; f < fault_storage_count(image); f++) {
        const char *name = fault_storage_name(image, f);
        size_t len;
        (void)fault_storage_data(image, name, &len);
        for (int k = 0; k < 4; k++) {
            fault_host *h = fault_host_new(9);
            fault_storage *hurt = fault_storage_clone(image);
            fault_host_set_image(h, "backups", hurt);
            if (k < 3) fault_storage_xor(hurt, name, k == 0 ? 40 : k == 1 ? len / 2 : len - 1, 0x10);
            else fault_storage_cut(hurt, name, len - 1);
            omen_status s = restore_to(h, 0, "new");
            CHECK_STATUS(s, OMEN_ERR_CORRUPT);
            script probe;
            CHECK(script_open_at(&probe, "new", &h->host, OMEN_DURABILITY_GROUP, false) != OMEN_OK);
            script_close(&probe);
            CHECK_STATUS(list(h, true, text, sizeof text), OMEN_OK);
            CHECK(strstr(text, "damaged") != NULL && strstr(text, "unfinished") == NULL);
            CHECK_EQ_UINT(fault_host_bytes(h), 0);
            fault_host_free(h);
        }
    }
    CHECK_STATUS(list(c.h, true, text, sizeof text), OMEN_OK);
    CHECK(strstr(text, "\"state\":\"complete\"") != NULL);
    for (size_t f = 0, count = fault_storage_count(image); f < count; f++)
        if (strncmp(fault_storage_name(image, f), "data-", 5) == 0) fault_storage_xor(image, fault_storage_name(image, f), 100, 1);
    omen_transfer_options_init(&o);
    o.verify = 1;
    omen_transfer_report r;
    CHECK_STATUS(omen_backup(c.s.db, "backups", &o, &r), OMEN_OK);
    CHECK_EQ_UINT(r.copied_files, r.files);
    CHECK(restores(image, 1, &c.state));
    CHECK(restores(image, 2, &c.state));
    CHECK_STORAGE(image);
    end(&c);
}

TEST(a_damaged_source_makes_no_backup) {
    course c;
    begin(&c);
    go(&c, 40);
    fault_storage *fs = fault_host_image(c.h, "db");
    for (size_t f = 0; f < fault_storage_count(fs); f++) {
        size_t len;
        const char *name = fault_storage_name(fs, f);
        if (strncmp(name, "seg-", 4) != 0) continue;
        (void)fault_storage_data(fs, name, &len);
        fault_storage_xor(fs, name, len / 2, 4);
        CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_ERR_CORRUPT);
        CHECK(strstr(omen_last_error(), "seg-") != NULL);
        fault_storage_xor(fs, name, len / 2, 4);
    }
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    CHECK(restores(fault_host_image(c.h, "backups"), 1, &c.state));
    end(&c);
}

TEST(wrong_places) {
    course c, other;
    begin(&c);
    go(&c, 20);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    /* where a database is */
    CHECK_STATUS(omen_clone(c.s.db, "second", NULL, NULL), OMEN_OK);
    CHECK_STATUS(omen_backup(c.s.db, "second", NULL, NULL), OMEN_ERR_FOREIGN);
    CHECK(strstr(omen_last_error(), "is a database") != NULL);
    CHECK_STATUS(restore_to(c.h, 0, "second"), OMEN_ERR_EXISTS);
    CHECK_STATUS(omen_clone(c.s.db, "second", NULL, NULL), OMEN_ERR_EXISTS);
    CHECK(holds(c.h, "second", &c.state));
    /* where it is open */
    CHECK_STATUS(restore_to(c.h, 0, "db"), OMEN_ERR_BUSY);
    CHECK_STATUS(omen_backup(c.s.db, "db", NULL, NULL), OMEN_ERR_BUSY);
    /* where something else is */
    fault_storage_put(fault_host_image(c.h, "letters"), "letter.txt", "dear", 4);
    CHECK_STATUS(omen_backup(c.s.db, "letters", NULL, NULL), OMEN_ERR_FOREIGN);
    CHECK(strstr(omen_last_error(), "letter.txt") != NULL);
    CHECK_STATUS(restore_to(c.h, 0, "letters"), OMEN_ERR_FOREIGN);
    CHECK_STATUS(omen_clone(c.s.db, "letters", NULL, NULL), OMEN_ERR_FOREIGN);
    CHECK_EQ_UINT(fault_storage_count(fault_host_image(c.h, "letters")), 1);
    fault_storage_put(fault_host_image(c.h, "long"), "a letter whose name is longer than any that a database or a place of backups has.txt", "dear", 4);
    CHECK_STATUS(omen_backup(c.s.db, "long", NULL, NULL), OMEN_ERR_FOREIGN);
    CHECK(strstr(omen_last_error(), "a letter whose name") != NULL);
    CHECK_STATUS(restore_to(c.h, 0, "long"), OMEN_ERR_FOREIGN);
    CHECK_EQ_UINT(fault_storage_count(fault_host_image(c.h, "long")), 1);
    /* backups are no database, and a database no backups */
    script s;
    CHECK_STATUS(script_open_at(&s, "backups", &c.h->host, OMEN_DURABILITY_GROUP, false), OMEN_ERR_FOREIGN);
    script_close(&s);
    CHECK_STATUS(restore_to(c.h, 5, "third"), OMEN_ERR_NOT_FOUND);
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &c.h->host;
    CHECK_STATUS(omen_restore("nowhere", 0, "third", &o, NULL), OMEN_ERR_NOT_FOUND);
    CHECK_STATUS(omen_restore("second", 0, "third", &o, NULL), OMEN_ERR_FOREIGN);
    CHECK_EQ_UINT(fault_storage_count(fault_host_image(c.h, "third")), 0);
    /* another database's backups */
    begin(&other);
    fault_host_set_image(other.h, "backups", fault_storage_clone(fault_host_image(c.h, "backups")));
    CHECK_STATUS(omen_clone(other.s.db, "elsewhere", NULL, NULL), OMEN_OK);
    script twin;
    CHECK_STATUS(script_open_at(&twin, "elsewhere", &other.h->host, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    CHECK_STATUS(omen_backup(twin.db, "backups", NULL, NULL), OMEN_ERR_FOREIGN);
    CHECK(strstr(omen_last_error(), "another database") != NULL);
    script_close(&twin);
    /* storages that are handed over are released, wanted or not */
    fault_storage *fs = fault_storage_new(5);
    const unsigned calls = 7;
    for (unsigned i = 0; i < calls; i++) {
        omen_storage one = fault_storage_session(fs), two = fault_storage_session(fs);
        omen_id bad = {{"", 0}, 0};
        omen_transfer_options_init(&o);
        o.host = &c.h->host;
        o.backups = &one;
        o.place = &two;
        if (i == 0) CHECK_STATUS(omen_backup(NULL, NULL, &o, NULL), OMEN_ERR_INVALID);
        if (i == 1) CHECK_STATUS(omen_backup_list(NULL, &o, NULL, 1, NULL), OMEN_ERR_INVALID);
        if (i == 2) CHECK_STATUS(omen_backup_list(NULL, &o, NULL, 0, NULL), OMEN_OK);
        if (i == 3) CHECK_STATUS(omen_backup_remove(NULL, 0, &o, NULL), OMEN_ERR_INVALID);
        if (i == 4) CHECK_STATUS(omen_backup_holds(NULL, OMEN_STR("c"), &bad, 1, &o, NULL, 0, NULL), OMEN_ERR_ID);
        if (i == 5) CHECK_STATUS(omen_clone(c.s.db, NULL, &o, NULL), OMEN_OK);
        if (i == 6) CHECK_STATUS(omen_clone(NULL, NULL, &o, NULL), OMEN_ERR_INVALID);
        CHECK_EQ_UINT(fault_storage_sessions(fs), 0);
    }
    fault_storage_free(fs);
    /* nothing given, options not filled */
    CHECK_STATUS(omen_backup(c.s.db, NULL, NULL, NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_backup(c.s.db, "", NULL, NULL), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_backup(NULL, "backups", NULL, NULL), OMEN_ERR_INVALID);
    memset(&o, 0, sizeof o);
    CHECK_STATUS(omen_backup(c.s.db, "backups", &o, NULL), OMEN_ERR_INVALID);
    end(&other);
    end(&c);
}

/* A clone is a database of its own: other id, other log; both go on, and open again. */
TEST(clones_go_on_by_themselves) {
    for (unsigned at = 0; at < 45; at += 9) {
        course c;
        script twin;
        script_state then;
        omen_transfer_report r;
        begin(&c);
        go(&c, at);
        then = c.state;
        CHECK_STATUS(omen_clone(c.s.db, "twin", NULL, &r), OMEN_OK);
        CHECK(memcmp(r.database_id, c.s.db->store.database_id, 16) != 0);
        go(&c, 5);
        CHECK(holds(c.h, "twin", &then));
        CHECK_STATUS(script_open_at(&twin, "twin", &c.h->host, OMEN_DURABILITY_GROUP, false), OMEN_OK);
        CHECK(memcmp(twin.db->store.database_id, r.database_id, 16) == 0);
        for (unsigned n = 100; n < 130; n++) CHECK_STATUS(script_step(&twin, n, &then), OMEN_OK);
        script_close(&twin);
        CHECK(holds(c.h, "twin", &then));
        script_close(&c.s);
        CHECK(holds(c.h, "db", &c.state));
        /* logs of the one are no logs of the other: they carry the id */
        CHECK_STORAGE(fault_host_image(c.h, "twin"));
        CHECK_STATUS(script_open(&c.s, c.h, OMEN_DURABILITY_GROUP, false), OMEN_OK);
        end(&c);
    }
}

TEST(a_restored_database_goes_on) {
    course c;
    begin(&c);
    go(&c, 37);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    CHECK_STATUS(restore_to(c.h, 0, "new"), OMEN_OK);
    script s;
    script_state state = c.state;
    CHECK_STATUS(script_open_at(&s, "new", &c.h->host, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    CHECK(memcmp(s.db->store.database_id, c.s.db->store.database_id, 16) == 0);
    CHECK_EQ_UINT(omen_last_lsn(s.db), omen_last_lsn(c.s.db));
    for (unsigned n = 40; n < 80; n++) CHECK_STATUS(script_step(&s, n, &state), OMEN_OK);
    CHECK_STATUS(omen_backup(s.db, "backups", NULL, NULL), OMEN_OK); /* the same database goes on */
    script_close(&s);
    CHECK(holds(c.h, "new", &state));
    CHECK(restores(fault_host_image(c.h, "backups"), 1, &c.state));
    CHECK(restores(fault_host_image(c.h, "backups"), 2, &state));
    end(&c);
}

/* The record of a complete backup, cut at any place or in part zeros: it is damaged, and its number and files stay until it is removed. */
TEST(a_record_that_is_cut_is_damage) {
    course c;
    omen_transfer_options o;
    begin(&c);
    go(&c, 20);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    go(&c, 10);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    fault_storage *image = fault_storage_clone(fault_host_image(c.h, "backups"));
    size_t count = fault_storage_count(image), len;
    (void)fault_storage_data(image, "backup-0000000000000002", &len);
    for (size_t cut = 0; cut < len; cut += cut < 130 || len - cut < 40 ? 13 : len / 5) {
        fault_storage *hurt = fault_storage_clone(image);
        omen_transfer_report r;
        fault_host_set_image(c.h, "backups", hurt);
        fault_storage_cut(hurt, "backup-0000000000000002", cut);
        CHECK_STATUS(list(c.h, false, text, sizeof text), OMEN_OK);
        CHECK(strstr(text, "\"backup\":2,\"state\":\"damaged\"") != NULL);
        CHECK_STATUS(restore_to(c.h, 0, "new"), OMEN_ERR_CORRUPT);
        fault_host_set_image(c.h, "new", fault_storage_new(1));
        CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, &r), OMEN_OK);
        CHECK_EQ_UINT(r.backup, 3);
        size_t after;
        (void)fault_storage_data(hurt, "backup-0000000000000002", &after);
        CHECK_EQ_UINT(after, cut);
        CHECK(fault_storage_has(hurt, "blog-0000000000000002"));
        CHECK_EQ_UINT(fault_storage_count(hurt), count + 2); /* a record and a log */
        CHECK(restores(hurt, 1, NULL));
        CHECK(restores(hurt, 3, &c.state));
        omen_transfer_options_init(&o);
        o.host = &c.h->host;
        CHECK_STATUS(omen_backup_remove("backups", 2, &o, NULL), OMEN_OK);
        CHECK(!fault_storage_has(hurt, "backup-0000000000000002") && !fault_storage_has(hurt, "blog-0000000000000002"));
        CHECK(restores(hurt, 3, &c.state));
    }
    fault_storage_free(image);
    end(&c);
}

/* Restoring and cloning break off at each call: the same again comes to its end, or says that it had. */
TEST(what_broke_off_is_repeated) {
    course c;
    begin(&c);
    go(&c, 40);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    go(&c, 5);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    script_state second = c.state;
    for (int clone = 0; clone < 2; clone++)
        for (uint64_t n = 1;; n++) {
            fault_storage *fs = fault_storage_new(4);
            fault_host_set_image(c.h, "new", fs);
            fault_storage_fail_at(fs, n, OMEN_ERR_IO, true);
            omen_status s = clone ? omen_clone(c.s.db, "new", NULL, NULL) : restore_to(c.h, 1, "new");
            bool hit = fault_storage_fault_hit(fs);
            fault_storage_fail_at(fs, 0, OMEN_OK, false);
            if (hit && s != OMEN_OK) {
                if (clone) go(&c, 1); /* it is not the same any more */
                s = clone ? omen_clone(c.s.db, "new", NULL, NULL) : restore_to(c.h, n % 2 == 0 ? 1 : 2, "new");
                CHECK_STATUS(s, OMEN_OK);
                if (s != OMEN_OK) printf("     %s, call %u: %s\n", clone ? "clone" : "restore", (unsigned)n, omen_last_error());
                if (clone || n % 2 != 0) CHECK(holds(c.h, "new", clone ? &c.state : &second));
            }
            CHECK(!fault_storage_has(fs, "unfinished"));
            CHECK_STORAGE(fs);
            if (!hit) break;
        }
    /* One that somebody has used since is theirs. */
    fault_host_set_image(c.h, "new", fault_storage_new(4));
    CHECK_STATUS(restore_to(c.h, 1, "new"), OMEN_OK);
    script s;
    script_state state = c.state;
    CHECK_STATUS(script_open_at(&s, "new", &c.h->host, OMEN_DURABILITY_GROUP, false), OMEN_OK);
    CHECK_STATUS(script_step(&s, 1, &state), OMEN_OK);
    script_close(&s);
    fault_storage_put(fault_host_image(c.h, "new"), "unfinished", "omendb", 6);
    CHECK_STATUS(restore_to(c.h, 1, "new"), OMEN_ERR_EXISTS);
    CHECK(strstr(omen_last_error(), "unfinished") != NULL);
    end(&c);
}

/* One that somebody may have used since, and whose manifest cannot be read any more, is theirs too: its records may be found again. One that nobody used makes way. */
TEST(what_is_damaged_makes_way_unless_it_was_used) {
    course c;
    begin(&c);
    go(&c, 40);
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    for (int used = -1; used < 3; used++)
        for (int cut = 0; cut < 2; cut++) {
            fault_storage *fs = fault_storage_new(4);
            fault_host_set_image(c.h, "new", fs);
            CHECK_STATUS(restore_to(c.h, 1, "new"), OMEN_OK);
            if (used == 0) fault_storage_delete(fs, "manifest-0"); /* it had not come to the second slot; -1: it had, and who knows what came then */
            if (used > 0) {
                script s;
                script_state state = c.state;
                CHECK_STATUS(script_open_at(&s, "new", &c.h->host, OMEN_DURABILITY_GROUP, false), OMEN_OK);
                CHECK_STATUS(script_step(&s, 1, &state), OMEN_OK);
                fault_storage *then = fault_storage_clone(fs); /* 1: while it was open, so that nothing but its log tells of it; 2: it was closed */
                script_close(&s);
                if (used == 1) {
                    fault_host_set_image(c.h, "new", then);
                    fs = then;
                } else {
                    fault_storage_free(then);
                }
            }
            for (int slot = 0; slot < 2; slot++) {
                const char *name = slot == 0 ? "manifest-0" : "manifest-1";
                if (!fault_storage_has(fs, name)) continue;
                if (cut) fault_storage_cut(fs, name, 20);
                else fault_storage_xor(fs, name, 20, 1);
            }
            fault_storage_put(fs, "unfinished", "omendb", 6);
            size_t files = fault_storage_count(fs);
            CHECK_STATUS(restore_to(c.h, 1, "new"), used != 0 ? OMEN_ERR_EXISTS : OMEN_OK);
            if (used != 0) CHECK_EQ_UINT(fault_storage_count(fs), files);
            else CHECK(holds(c.h, "new", &c.state));
        }
    end(&c);
}

/* What was encrypted is not written plain unasked. */
TEST(plain_copies_are_meant) {
    course c;
    const omen_encryption key = {.struct_size = sizeof key};
    omen_transfer_options o;
    begin(&c);
    go(&c, 10);
    omen_transfer_options_init(&o);
    o.host = &c.h->host;
    o.backups_key = &key;
    CHECK_STATUS(omen_restore("backups", 0, "new", &o, NULL), OMEN_ERR_KEY);
    CHECK(strstr(omen_last_error(), "give a key") != NULL && strstr(omen_last_error(), "plain") != NULL);
    o.plain = 1;
    CHECK_STATUS(omen_restore("backups", 0, "new", &o, NULL), OMEN_ERR_NOT_FOUND);
    CHECK_EQ_UINT(fault_storage_count(fault_host_image(c.h, "new")), 0);
    c.s.db->encrypted = true;
    CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_ERR_KEY);
    CHECK_STATUS(omen_clone(c.s.db, "new", NULL, NULL), OMEN_ERR_KEY);
    CHECK_STATUS(omen_clone(c.s.db, "new", &o, NULL), OMEN_OK);
    c.s.db->encrypted = false;
    end(&c);
}

static int cancel_at(void *arg, uint64_t done, uint64_t total) {
    int *left = arg;
    CHECK(done <= total);
    return (*left)-- == 0;
}

TEST(cancelled_ones_go_on_later) {
    course c;
    omen_transfer_report r;
    begin(&c);
    go(&c, 45);
    for (int n = 0;; n++) {
        omen_transfer_options o;
        omen_transfer_options_init(&o);
        int left = n;
        o.progress = cancel_at;
        o.progress_arg = &left;
        omen_status s = omen_backup(c.s.db, "backups", &o, &r);
        if (s == OMEN_OK) break;
        CHECK_STATUS(s, OMEN_ERR_CANCELLED);
        if (s != OMEN_ERR_CANCELLED) break;
    }
    CHECK(restores(fault_host_image(c.h, "backups"), 1, &c.state));
    end(&c);
}

/* From the moment at which what is made could be found whole, it is not cancelled any more: it answers what happened. */
TEST(what_is_there_is_not_cancelled) {
    static const omen_transfer_kind kinds[] = {OMEN_TRANSFER_BACKUP, OMEN_TRANSFER_RESTORE, OMEN_TRANSFER_CLONE};
    course c;
    begin(&c);
    go(&c, 30);
    for (int k = 0; k < 3; k++) {
        omen_error err = {0};
        omen_transfer *t = NULL;
        omen_transfer_args args = {.kind = kinds[k], .host = &c.h->host, .db = k == 1 ? NULL : c.s.db, .backups_path = "backups", .place_path = "new"};
        fault_host_set_image(c.h, "new", fault_storage_new(4));
        CHECK_STATUS(omen_transfer_new(&args, &t, &err), OMEN_OK);
        unsigned before = 0, after = 0;
        for (bool done = false; !done;) {
            omen_status s = omen_transfer_step(t, 1, &done, &err);
            CHECK_STATUS(s, OMEN_OK);
            if (s != OMEN_OK) break;
            bool whole = k == 0 ? fault_storage_has(fault_host_image(c.h, "backups"), "backup-0000000000000001") : fault_storage_has(fault_host_image(c.h, "new"), "manifest-1");
            CHECK(!whole || t->ending);
            before += !t->ending;
            after += t->ending;
        }
        CHECK(before > 5 && after > 2);
        omen_transfer_free(t);
    }
    end(&c);
}

TEST(removing_backups) {
    course c;
    omen_transfer_options o;
    omen_transfer_report r;
    script_state after[4];
    begin(&c);
    for (int i = 0; i < 4; i++) {
        go(&c, 12);
        after[i] = c.state;
        CHECK_STATUS(omen_backup(c.s.db, "backups", NULL, NULL), OMEN_OK);
    }
    omen_transfer_options_init(&o);
    o.host = &c.h->host;
    fault_storage *image = fault_host_image(c.h, "backups");
    CHECK_STATUS(omen_backup_remove("backups", 9, &o, NULL), OMEN_ERR_NOT_FOUND);
    CHECK_STATUS(omen_backup_remove("backups", 2, &o, &r), OMEN_OK);
    CHECK(r.files >= 1);
    CHECK(restores(image, 1, &after[0]));
    CHECK(restores(image, 3, &after[2]));
    CHECK(restores(image, 4, &after[3]));
    CHECK_STATUS(restore_to(c.h, 2, "new"), OMEN_ERR_NOT_FOUND);
    for (uint64_t n = 1; n <= 4; n++)
        if (n != 2) CHECK_STATUS(omen_backup_remove("backups", n, &o, NULL), OMEN_OK);
    CHECK_EQ_UINT(fault_storage_count(image), 0);
    CHECK_STATUS(restore_to(c.h, 0, "new"), OMEN_ERR_NOT_FOUND);
    CHECK_STORAGE(image);
    end(&c);
}

TEST_MAIN()
