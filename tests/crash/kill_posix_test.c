/* kill -9: real processes write through the POSIX host and are killed, one after the other over the same database. Each opens what the one before
 * left, tells what it found there, and goes on with the steps of script.h until it is killed; what it begins and what is acknowledged it notes in
 * shared memory, which outlives it. The parent, which never opens the database, knows the state after each step and compares.
 *
 * Half of the kills fall at a moment: while a process opens, or later. The others are aimed: the process stands still before, amid or after the nth
 * creation, write, sync or removal of a kind of file, and is killed there. What each was in the middle of is counted and printed. OMEN_KILLS sets
 * the number of kills. What a process's end can take away is in its memory, not on the disk: the folder lies in memory where there is such a place. */
#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "encrypted_posix.h"
#include "omendb_native.h"
#include "report.h"
#include "script.h"
#include "watched.h"

enum { STEPS_AT_MOST = 40, CHECKED_EVERY = 16 };
typedef enum doing { OPENING, READING, UPSERT, DELETE, FLUSH, MERGE, DOINGS } doing;
static const char *const doing_names[] = {"open", "read", "upsert", "delete", "flush", "merge"};

/* What a process tells the parent. */
typedef struct shared {
    watched calls;
    script_state found;
    _Atomic unsigned begun, acknowledged; /* steps */
    _Atomic unsigned from;                /* the step it went on with */
    _Atomic int doing;
    _Atomic bool told, failed; /* told: what it found is there */
} shared;

/* The steps that were acknowledged, the state after them, and whether one more may have been done. */
typedef struct expected {
    unsigned at;
    bool or_next;
    script_state state, next;
} expected;

static char folder[256];
static shared *sh;
static int bell[2]; /* a byte when a process has told what it found, and when it stands still */

static void ring(void) { REQUIRE(write(bell[1], "", 1) == 1); }

static void stand_still(void) {
    pid_t parent = getppid();
    ring();
    while (getppid() == parent) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    _exit(2);
}

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "a process to be killed: %s: %s\n", what, omen_last_error());
    sh->failed = true;
    ring();
    _exit(1);
}

static void expect(expected *e, unsigned at, bool or_next) {
    while (e->at < at) script_expect(e->at++, &e->state);
    e->or_next = or_next;
    e->next = e->state;
    script_expect(at, &e->next);
}

/* Which step goes on from the state that was found; UINT_MAX: it is none that may be there. */
static unsigned goes_on_with(const expected *e, const script_state *found) {
    if (memcmp(found, &e->state, sizeof *found) == 0) return e->at;
    return e->or_next && memcmp(found, &e->next, sizeof *found) == 0 ? e->at + 1 : UINT_MAX;
}

static omen_status open_watched(script *s, omen_durability durability, const omen_encryption *encryption) {
    const omen_host *host = omen_host_native();
    omen_storage inner, storage;
    omen_options o;
    omen_options_init(&o);
    o.durability = durability;
    o.encryption = encryption;
    o.storage = &storage;
    omen_status st = host->storage_open(host->ctx, folder, OMEN_STORAGE_CREATE, &inner);
    if (st == OMEN_OK) st = watched_storage(&sh->calls, &inner, &storage);
    return st == OMEN_OK ? script_open_with(s, NULL, &o) : st;
}

static _Noreturn void process(const expected *e, omen_durability durability, const omen_encryption *encryption, bool checks, bool aimed) {
    script s;
    script_state ignored = {{0}};
    const char *why = "";
    pid_t parent = getppid();
    if (open_watched(&s, durability, encryption) != OMEN_OK) give_up("open");
    sh->doing = READING;
    if (!script_read(&s, &sh->found, &why)) give_up(why);
    if (checks && omen_check(s.db) != OMEN_OK) give_up("check");
    sh->from = sh->begun = sh->acknowledged = goes_on_with(e, &sh->found);
    sh->told = true;
    if (sh->from == UINT_MAX) stand_still();
    if (!aimed) ring();
    for (unsigned n = sh->from; getppid() == parent; n++) {
        if (aimed && n == sh->from + STEPS_AT_MOST) stand_still(); /* what was aimed at did not come */
        switch (script_name(n)[0]) {
            case 'u': sh->doing = UPSERT; break;
            case 'd': sh->doing = DELETE; break;
            case 'f': sh->doing = FLUSH; break;
            default: sh->doing = MERGE; break;
        }
        sh->begun = n + 1;
        if (script_step(&s, n, &ignored) != OMEN_OK) give_up("step");
        sh->acknowledged = n + 1;
    }
    _exit(2);
}

static void remove_folder(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK_EQ_INT(system(command), 0);
}

static const struct { watched_file file; watched_call call; } aims[] = {
    {WATCHED_LOG, WATCHED_CREATE},      {WATCHED_LOG, WATCHED_WRITE},      {WATCHED_LOG, WATCHED_SYNC},      {WATCHED_LOG, WATCHED_REMOVE},
    {WATCHED_SEGMENT, WATCHED_CREATE},  {WATCHED_SEGMENT, WATCHED_WRITE},  {WATCHED_SEGMENT, WATCHED_SYNC},  {WATCHED_SEGMENT, WATCHED_REMOVE},
    {WATCHED_MANIFEST, WATCHED_WRITE},  {WATCHED_MANIFEST, WATCHED_SYNC},  {WATCHED_FOLDER, WATCHED_SYNC},   {WATCHED_LOG, WATCHED_READ},
};

static void aim(watched *w) {
    size_t k = (size_t)test_rand_below(sizeof aims / sizeof *aims);
    w->file = aims[k].file;
    w->call = aims[k].call;
    w->when = (watched_when)test_rand_below(WATCHED_WHENS);
    w->countdown = 1 + (int)test_rand_below(3);
    w->stand = stand_still;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_below(uint64_t ns) {
    ns = test_rand_below(ns + 1);
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)}, NULL);
}

/* Waits for the process to ring; ten minutes are patience for the busiest machine. */
static bool heard(void) {
    struct pollfd p = {.fd = bell[0], .events = POLLIN};
    return poll(&p, 1, 600000) == 1;
}

static void run(omen_durability durability, bool encrypted, unsigned cycles) {
    const char *base = getenv("TMPDIR");
    if (base == NULL) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/omendb-kill-%ld", base, (long)getpid());
    remove_folder();
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(sh != MAP_FAILED);
    REQUIRE(pipe(bell) == 0);
    REQUIRE(fcntl(bell[0], F_SETFL, O_NONBLOCK) == 0);
    const omen_encryption encryption = encryption_of(1);
    unsigned killed = 0, did[DOINGS] = {0}, in_call[WATCHED_FILES][WATCHED_CALLS] = {{0}}, missed = 0;
    uint64_t opening_ns = 2000000; /* about so long opening takes, as seen from here */
    expected e = {0};
    expect(&e, 0, false);
    for (unsigned cycle = 0; cycle < cycles && test_failures == 0; cycle++) {
        bool aimed = cycle % 2 == 1, early = cycle % 8 == 0;
        memset(sh, 0, sizeof *sh);
        if (aimed) aim(&sh->calls);
        uint64_t begun = now_ns();
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) process(&e, durability, encrypted ? &encryption : NULL, cycle % CHECKED_EVERY < 2, aimed);
        if (early) {
            sleep_below(opening_ns * 2);
        } else {
            CHECK(heard());
            if (!aimed) {
                opening_ns = (opening_ns * 7 + (now_ns() - begun)) / 8;
                sleep_below(opening_ns / 2);
            }
        }
        kill(pid, SIGKILL);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        CHECK(!sh->failed);
        for (char drained[16]; read(bell[0], drained, sizeof drained) > 0;) continue;
        did[sh->doing]++;
        missed += aimed && sh->calls.countdown > 0;
        for (int f = 0; f < WATCHED_FILES; f++)
            for (int c = 0; c < WATCHED_CALLS; c++) in_call[f][c] += sh->calls.under_way[f][c];
        if (!sh->told) continue; /* the next one finds what this one should have found */
        unsigned from = goes_on_with(&e, &sh->found);
        if (from == UINT_MAX) {
            for (int i = 0; i < SCRIPT_IDS; i++)
                printf("     record %d: found %d, acknowledged %d%s%d\n", i, sh->found.version[i], e.state.version[i], e.or_next ? ", or " : "; not ", e.next.version[i]);
            printf("     cycle %u, step %u\n", cycle, e.at);
        }
        CHECK(from != UINT_MAX && from == sh->from && sh->acknowledged >= from);
        expect(&e, sh->acknowledged, sh->begun > sh->acknowledged);
    }
    /* And the last one's end, seen from here. */
    script s;
    script_state found;
    const char *why = "";
    memset(sh, 0, sizeof *sh);
    CHECK_STATUS(open_watched(&s, durability, encrypted ? &encryption : NULL), OMEN_OK);
    CHECK(s.db != NULL && script_read(&s, &found, &why) && goes_on_with(&e, &found) != UINT_MAX && omen_check(s.db) == OMEN_OK);
    script_close(&s);
    printf("     %u killed, %u steps acknowledged; in the middle of", killed, e.at);
    for (int d = 0; d < DOINGS; d++) printf(" %s %u", doing_names[d], did[d]);
    printf("\n     in calls:");
    for (int f = 0; f < WATCHED_FILES; f++)
        for (int c = 0; c < WATCHED_CALLS; c++)
            if (in_call[f][c] != 0) printf(" %s %s %u", watched_file_names[f], watched_call_names[c], in_call[f][c]);
    printf("; aimed at what did not come %u\n", missed);
    CHECK_EQ_UINT(killed, cycles);
    CHECK(missed < cycles / 4 || cycles < 100);
    for (int d = 0; d < DOINGS; d++) CHECK(did[d] > 0 || cycles < 400);
    omen_test_report("kills", killed);
    munmap(sh, sizeof *sh);
    close(bell[0]);
    close(bell[1]);
    remove_folder();
}

static unsigned kills(void) {
    const char *n = getenv("OMEN_KILLS");
    return n != NULL ? (unsigned)strtoul(n, NULL, 10) : TEST_REDUCED ? 120 : omen_test_deep() ? 40000 : 10000;
}

TEST(killed_at_level_group) { run(OMEN_DURABILITY_GROUP, false, kills() * 4 / 10); }
TEST(killed_at_level_full) { run(OMEN_DURABILITY_FULL, false, kills() * 3 / 10); }
TEST(killed_at_level_os) { run(OMEN_DURABILITY_OS, false, kills() * 2 / 10); }
TEST(killed_while_encrypted) {
    SKIP_WITHOUT_LIBCRYPTO();
    run(OMEN_DURABILITY_GROUP, true, kills() / 10);
}

TEST_MAIN()
