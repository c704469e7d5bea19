/* Readers in a process of their own beside one that writes, flushes and merges all the time: thousands of opens, checks and backups, and none of them is told a falsehood. What the
 * writer has done is known by its steps, those of script.h. Neither under TSan nor in an emulator: both end a process with threads that forks. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script.h"

enum { STEPS = 4000 };

/* What the writer tells. */
typedef struct shared { volatile unsigned begun, done; volatile int failed; } shared;

static char folder[256], place[280];
static shared *sh;
static script_state states[STEPS + 1]; /* after each step of a round of STEPS */

static void know_states(void) {
    fault_host *h = fault_host_new(1);
    script s;
    fault_host_set_fill(h, false);
    REQUIRE(script_open(&s, h, OMEN_DURABILITY_MEMORY, true) == OMEN_OK);
    for (unsigned n = 0; n < STEPS; n++) {
        states[n + 1] = states[n];
        REQUIRE(script_step(&s, n, &states[n + 1]) == OMEN_OK);
    }
    script_close(&s);
    fault_host_free(h);
}

static void writer(void) {
    script s;
    script_state ignored = {{0}};
    omen_status st = script_open_at(&s, folder, NULL, OMEN_DURABILITY_GROUP, true);
    for (unsigned n = sh->done; st == OMEN_OK && n < STEPS; n++) {
        sh->begun = n + 1;
        st = script_step(&s, n, &ignored);
        sh->done = n + 1;
        if (st == OMEN_OK && n % 5 == 4) st = omen_flush(s.db);
        if (st == OMEN_OK && n % 9 == 8) st = omen_compact(s.db);
    }
    if (st != OMEN_OK) {
        fprintf(stderr, "the writer: %s\n", omen_last_error());
        sh->failed = 1;
    }
    script_close(&s);
    _exit(0);
}

static void run(const char *command) {
    char line[600];
    snprintf(line, sizeof line, "%s '%s' '%s'", command, folder, place);
    CHECK_EQ_INT(system(line), 0);
}

static bool open_reader(omen_db **db) {
    omen_options o;
    omen_options_init(&o);
    o.read_only = 1;
    o.pool_bytes = 1 << 20;
    return omen_open(folder, &o, db) == OMEN_OK;
}

/* Between what was done before it was opened and what was begun when it was open. */
static void look(unsigned before) {
    omen_db *db = NULL;
    script r;
    script_state got;
    const char *why = "";
    bool good = open_reader(&db), found = false;
    unsigned after = sh->begun;
    if (!good) printf("     open: %s\n", omen_last_error());
    CHECK(good);
    if (!good) return;
    r = (script){.db = db};
    CHECK_STATUS(omen_collection_open(db, OMEN_STR("things"), NULL, &r.c), OMEN_OK);
    good = script_read(&r, &got, &why);
    if (!good) printf("     %s\n", why);
    CHECK(good);
    for (unsigned n = before; n <= after && !found; n++) found = memcmp(&got, &states[n], sizeof got) == 0;
    CHECK(found);
    omen_collection_close(r.c);
    (void)omen_close(db);
}

static void check_files(void) {
    omen_options o;
    omen_report *report = NULL;
    omen_options_init(&o);
    omen_status s = omen_check_path(folder, &o, &report);
    omen_str text = omen_report_json(report);
    if (s != OMEN_OK) printf("     check: %s\n", omen_last_error());
    CHECK_STATUS(s, OMEN_OK);
    bool sound = s != OMEN_OK || strstr(text.data, "\"ok\":true") != NULL;
    if (!sound) printf("     check: %s\n", text.data);
    CHECK(sound);
    omen_report_free(report);
}

static void back_up(void) {
    omen_db *db = NULL;
    bool good = open_reader(&db);
    if (good) good = omen_backup(db, place, NULL, NULL) == OMEN_OK;
    if (!good) printf("     backup: %s\n", omen_last_error());
    CHECK(good);
    (void)omen_close(db);
}

TEST(readers_of_another_process) {
    unsigned rounds = TEST_PICK(2500, 300), ends = 0;
    const char *base = getenv("TMPDIR");
    if (base == NULL) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/omendb-readers-%ld", base, (long)getpid());
    snprintf(place, sizeof place, "%s-backups", folder);
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(sh != MAP_FAILED);
    know_states();
    pid_t pid = 0;
    for (unsigned n = 0; n < rounds && test_failures == 0; n++) {
        int status;
        if (pid == 0 || waitpid(pid, &status, WNOHANG) == pid) { /* from the beginning */
            run("rm -rf");
            sh->begun = sh->done = 0;
            ends += pid != 0;
            pid = fork();
            REQUIRE(pid >= 0);
            if (pid == 0) writer();
            /* There is nothing to read before it has begun, however long that takes. */
            while (sh->done == 0 && sh->failed == 0) usleep(100);
            REQUIRE(sh->failed == 0);
        }
        look(sh->done);
        if (n % 4 == 1) check_files();
        if (n % 8 == 2) back_up();
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_EQ_INT(sh->failed, 0);
    char text[64];
    omen_transfer_options o;
    omen_transfer_options_init(&o);
    o.verify = 1;
    size_t needed = 0;
    CHECK_STATUS(omen_backup_list(place, &o, text, sizeof text, &needed), OMEN_OK);
    char *all = malloc(needed + 1);
    REQUIRE(all != NULL);
    CHECK_STATUS(omen_backup_list(place, &o, all, needed + 1, &needed), OMEN_OK);
    CHECK(strstr(all, "damaged") == NULL && strstr(all, "unfinished") == NULL);
    free(all);
    printf("     %u rounds beside %u writers\n", rounds, ends + 1);
    run("rm -rf");
    munmap(sh, sizeof *sh);
}

TEST_MAIN()
