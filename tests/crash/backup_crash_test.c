/* Losing power at every call of a backup, of a restore and of a clone: earlier backups stay, nothing unfinished can be opened or listed as complete, and doing it
 * again succeeds. And every call failing once: nothing leaks, and the database that was being copied goes on writing. */
#include "test.h"

#include "report.h"
#include "script.h"

enum { FIRST = 23, SECOND = 12 };

static fault_storage *source, *earlier; /* a database, and one backup of what it was before */
static script_state then, now;
static uint64_t images;

static void make(void) {
    if (source != NULL) return;
    fault_host *h = fault_host_new(5);
    script s;
    memset(&now, 0, sizeof now);
    CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, true), OMEN_OK);
    for (unsigned n = 0; n < FIRST; n++) CHECK_STATUS(script_step(&s, n, &now), OMEN_OK);
    then = now;
    CHECK_STATUS(omen_backup(s.db, "backups", NULL, NULL), OMEN_OK);
    for (unsigned n = FIRST; n < FIRST + SECOND; n++) CHECK_STATUS(script_step(&s, n, &now), OMEN_OK);
    script_close(&s);
    source = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
    earlier = fault_storage_crash(fault_host_image(h, "backups"), FAULT_CRASH_DURABLE, 1);
    fault_host_free(h);
}

static omen_transfer_options options(const fault_host *h) {
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.host = &h->host;
    return o;
}

typedef enum act { BACKUP, RESTORE, CLONE } act;
static const char *const names[] = {"backup", "restore", "clone"};
static const char *const places[] = {"backups", "new", "new"};

/* A machine with the database and the earlier backup. */
static fault_host *machine(void) {
    fault_host *h = fault_host_new(6);
    fault_host_set_image(h, "db", fault_storage_clone(source));
    fault_host_set_image(h, "backups", fault_storage_clone(earlier));
    return h;
}

static omen_status perform(fault_host *h, act a) {
    script s;
    omen_transfer_options o = options(h);
    if (a == RESTORE) return omen_restore("backups", 1, "new", &o, NULL);
    omen_status st = script_open(&s, h, OMEN_DURABILITY_GROUP, false);
    if (st != OMEN_OK) return st;
    st = a == BACKUP ? omen_backup(s.db, "backups", NULL, NULL) : omen_clone(s.db, "new", NULL, NULL);
    omen_status after = omen_flush(s.db); /* whatever became of the copy */
    CHECK_STATUS(after, OMEN_OK);
    script_close(&s);
    return st;
}

static bool holds(fault_host *h, const char *name, const script_state *want, const char **why) {
    script s;
    script_state got;
    bool good = script_open_at(&s, name, &h->host, OMEN_DURABILITY_GROUP, false) == OMEN_OK;
    if (!good) *why = omen_last_error();
    if (good && (good = script_read(&s, &got, why)) && !(good = memcmp(&got, want, sizeof got) == 0)) *why = "the records are not those of that moment";
    if (good && !(good = omen_check(s.db) == OMEN_OK)) *why = omen_last_error();
    script_close(&s);
    return good;
}

static bool backup_holds(fault_host *h, uint64_t n, const script_state *want, const char **why) {
    omen_transfer_options o = options(h);
    bool good = omen_restore("backups", n, "probe", &o, NULL) == OMEN_OK;
    if (!good) *why = omen_last_error();
    return good && holds(h, "probe", want, why);
}

/* What the machine finds: the earlier backup as it was; a second one whole or not at all; a database whole or not at all; and doing it again succeeds. */
static bool sound(fault_storage *image, act a, const char **why) {
    fault_host *h = machine();
    const script_state *want = a == RESTORE ? &then : &now;
    static char text[4096];
    bool good;
    images++;
    fault_host_set_image(h, places[a], image);
    if (a == BACKUP) {
        omen_transfer_options o = options(h);
        good = omen_backup_list("backups", &o, text, sizeof text, NULL) == OMEN_OK;
        if (!good) *why = omen_last_error();
        bool second = good && strstr(text, "\"backup\":2,\"state\":\"complete\"") != NULL;
        if (good && strstr(text, "damaged") != NULL) good = false, *why = "a backup that broke off is taken for damage";
        good = good && backup_holds(h, 1, &then, why);
        fault_host_set_image(h, "probe", fault_storage_new(1));
        good = good && backup_holds(h, 0, second ? &now : &then, why);
        fault_host_set_image(h, "probe", fault_storage_new(1));
        if (good && !(good = perform(h, a) == OMEN_OK)) *why = omen_last_error();
        good = good && backup_holds(h, 0, &now, why);
    } else {
        script s;
        fault_storage *again = fault_storage_clone(image);
        omen_status st = script_open_at(&s, "new", &h->host, OMEN_DURABILITY_GROUP, false);
        script_close(&s);
        bool there = st == OMEN_OK;
        if (there) {
            good = holds(h, "new", want, why);
            /* The same again, before anybody opened it: finished where the mark is left, and refused where it is not. */
            fault_host_set_image(h, "new", again);
            bool marked = fault_storage_has(again, "unfinished");
            again = NULL;
            st = good ? perform(h, a) : OMEN_OK;
            if (good && st != (marked ? OMEN_OK : OMEN_ERR_EXISTS)) good = false, *why = omen_last_error();
            good = good && holds(h, "new", want, why);
        } else {
            good = perform(h, a) == OMEN_OK;
            if (!good) *why = omen_last_error();
            good = good && holds(h, "new", want, why);
        }
        if (good && fault_storage_has(fault_host_image(h, "new"), "unfinished") && !there) good = false, *why = "the mark is left";
        if (again != NULL) fault_storage_free(again);
    }
    if (fault_storage_misuse(fault_host_image(h, places[a])) != NULL) good = false, *why = fault_storage_misuse(fault_host_image(h, places[a]));
    fault_host_free(h);
    return good;
}

static uint64_t calls_of(act a) {
    fault_host *h = machine();
    uint64_t before = fault_storage_calls(fault_host_image(h, places[a]));
    CHECK_STATUS(perform(h, a), OMEN_OK);
    uint64_t calls = fault_storage_calls(fault_host_image(h, places[a])) - before;
    fault_host_free(h);
    return calls;
}

static void lose_power(act a) {
    static const char *const modes[] = {"durable", "all", "random", "zero tail", "prefix"};
    make();
    images = 0;
    uint64_t calls = calls_of(a);
    for (uint64_t n = 1; n <= calls; n++) {
        fault_host *h = machine();
        fault_storage *fs = fault_host_image(h, places[a]);
        fault_storage_power_off_at(fs, n);
        CHECK(perform(h, a) != OMEN_OK || n + 1 >= calls); /* it is there, but for the mark's removal */
        for (int mode = 0; mode < FAULT_CRASH_MODES; mode++) {
            const char *why = "";
            bool good = sound(fault_storage_crash(fs, (fault_crash_mode)mode, n * 131), a, &why);
            CHECK(good);
            if (!good) printf("     %s, %s at call %" PRIu64 ": %s\n", names[a], modes[mode], n, why);
        }
        CHECK_STORAGE(fs);
        fault_host_free(h);
    }
    printf("     %s: %" PRIu64 " calls, %" PRIu64 " images\n", names[a], calls, images);
    omen_test_report("crash_images", images);
}

TEST(power_lost_while_backing_up) { lose_power(BACKUP); }
TEST(power_lost_while_restoring) { lose_power(RESTORE); }
TEST(power_lost_while_cloning) { lose_power(CLONE); }

/* A call fails, and the machine goes on. */
static void fail_calls(act a) {
    make();
    uint64_t calls = calls_of(a);
    for (uint64_t n = 1; n <= calls; n++) {
        fault_host *h = machine();
        fault_storage *fs = fault_host_image(h, places[a]);
        fault_storage_fail_at(fs, n, n % 2 == 0 ? OMEN_ERR_FULL : OMEN_ERR_IO, false);
        omen_status s = perform(h, a);
        CHECK(s == OMEN_OK || s == OMEN_ERR_FULL || s == OMEN_ERR_IO);
        CHECK_EQ_UINT(fault_host_bytes(h), 0);
        const char *why = "";
        bool good = sound(fault_storage_clone(fs), a, &why);
        CHECK(good);
        if (!good) printf("     %s, failing call %" PRIu64 ": %s\n", names[a], n, why);
        CHECK_STORAGE(fs);
        fault_host_free(h);
    }
    omen_test_report("fault_calls", calls);
}

TEST(failing_calls_of_a_backup) { fail_calls(BACKUP); }
TEST(failing_calls_of_a_restore) { fail_calls(RESTORE); }
TEST(failing_calls_of_a_clone) { fail_calls(CLONE); }

/* The source fails, and memory runs out. */
static void fail_source_and_memory(act a) {
    make();
    for (int memory = 0; memory < 2; memory++)
        for (uint64_t n = 1;; n++) {
            fault_host *h = machine();
            script s;
            omen_transfer_options o = options(h);
            if (a != RESTORE) CHECK_STATUS(script_open(&s, h, OMEN_DURABILITY_GROUP, false), OMEN_OK);
            fault_storage *from = fault_host_image(h, a == RESTORE ? "backups" : "db");
            if (memory) fault_host_fail_alloc_at(h, n, false);
            else fault_storage_fail_at(from, n, OMEN_ERR_IO, false);
            omen_status st = a == RESTORE ? omen_restore("backups", 1, "new", &o, NULL) : a == BACKUP ? omen_backup(s.db, "backups", NULL, NULL) : omen_clone(s.db, "new", NULL, NULL);
            bool hit = memory ? fault_host_fault_hit(h) : fault_storage_fault_hit(from);
            CHECK(hit || st == OMEN_OK);
            if (hit) CHECK(st == OMEN_OK || st == (memory ? OMEN_ERR_MEMORY : OMEN_ERR_IO));
            fault_host_fail_alloc_at(h, 0, false);
            fault_storage_fail_at(from, 0, OMEN_OK, false);
            if (a != RESTORE) {
                script_state state = now;
                CHECK_STATUS(script_step(&s, 90, &state), OMEN_OK);
                script_close(&s);
            }
            CHECK_EQ_UINT(fault_host_bytes(h), 0);
            fault_host_free(h);
            if (!hit) break;
        }
}

TEST(a_backup_whose_source_or_memory_fails) { fail_source_and_memory(BACKUP); }
TEST(a_restore_whose_source_or_memory_fails) { fail_source_and_memory(RESTORE); }
TEST(a_clone_whose_source_or_memory_fails) { fail_source_and_memory(CLONE); }

/* The control: a disk that lies about syncs loses backups, so these tests would see it if they were left out. */
TEST(a_lying_disk_is_found_out) {
    make();
    uint64_t lost = 0, calls = calls_of(BACKUP);
    for (int lie = 0; lie < 2; lie++) {
        fault_host *h = machine();
        fault_storage *fs = fault_host_image(h, "backups");
        fault_storage_set_lies(fs, lie == 0, lie == 1);
        fault_storage_power_off_at(fs, calls + 1);
        CHECK_STATUS(perform(h, BACKUP), OMEN_OK);
        fault_host *after = machine();
        const char *why = "";
        fault_host_set_image(after, "backups", fault_storage_crash(fs, FAULT_CRASH_DURABLE, 1));
        bool kept = backup_holds(after, 0, &now, &why);
        if (!kept) lost++;
        fault_host_free(after);
        fault_host_free(h);
    }
    CHECK_EQ_UINT(lost, 2);
    omen_test_report("negative_controls", 2);
    fault_storage_free(source);
    fault_storage_free(earlier);
    source = earlier = NULL;
}

TEST_MAIN()
