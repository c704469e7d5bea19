/* kill -9: a real process writes through the POSIX host and is killed at random moments. It notes every acknowledged step in a file of its own; the
 * parent opens the database afterwards and compares. Steps are those of script.h, so the state after each is known. OMEN_KILLS sets the number of
 * cycles (1,000, or 10,000 of `./dev test --deep`). A cycle goes on where the one before was killed. What a process's end can take away is in its
 * memory, not on the disk: the folder lies in memory where there is such a place. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "omendb_native.h"
#include "report.h"
#include "script.h"

/* What the child tells and the parent reads, in shared memory: it outlives the child, whatever its end. */
typedef struct shared { volatile unsigned begun, acknowledged; volatile int failed; } shared;

static char folder[256];

static omen_status open_here(script *s, omen_durability durability) { return script_open_at(s, folder, NULL, durability, true); }

static void child(shared *sh, unsigned from, omen_durability durability) {
    script s;
    script_state ignored = {{0}};
    if (open_here(&s, durability) != OMEN_OK) {
        fprintf(stderr, "child: open: %s\n", omen_last_error());
        sh->failed = 1;
        _exit(1);
    }
    for (unsigned n = from;; n++) {
        sh->begun = n + 1;
        if (script_step(&s, n, &ignored) != OMEN_OK) {
            fprintf(stderr, "child: step %u: %s\n", n, omen_last_error());
            sh->failed = 1;
            _exit(1);
        }
        sh->acknowledged = n + 1;
    }
}

/* The state after `steps` steps, from the state after `from`: on a database in memory that is thrown away. */
static void advance(script_state *state, unsigned from, unsigned to) {
    static fault_host *h;
    static script s;
    if (h == NULL) {
        h = fault_host_new(1);
        REQUIRE(script_open(&s, h, OMEN_DURABILITY_MEMORY, true) == OMEN_OK);
    }
    for (unsigned n = from; n < to; n++) CHECK_STATUS(script_step(&s, n, state), OMEN_OK);
}

static void remove_folder(void) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK_EQ_INT(system(command), 0);
}

static void run_cycles(omen_durability durability, unsigned cycles) {
    const char *base = getenv("TMPDIR");
    if (base == NULL) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/omendb-kill-%ld", base, (long)getpid());
    remove_folder();
    shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(sh != MAP_FAILED);
    script_state state = {{0}};
    unsigned at = 0, killed = 0;
    for (unsigned cycle = 0; cycle < cycles && test_failures == 0; cycle++) {
        sh->begun = sh->acknowledged = at;
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) child(sh, at, durability);
        /* Every other kill falls at a moment, which a busy machine may let come before the first step; the others wait for some steps. */
        nanosleep(&(struct timespec){.tv_nsec = (long)test_rand_below(cycle % 2 == 0 ? 4000000 : 500000)}, NULL);
        unsigned wanted = cycle % 2 == 0 ? at : at + 1 + (unsigned)test_rand_below(12);
        for (unsigned patience = 0; sh->acknowledged < wanted && patience < 200000; patience++) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        CHECK_EQ_INT(sh->failed, 0);
        /* The state is that of the last acknowledged step, or of the one that was under way. */
        script s;
        script_state found, before;
        const char *why = "";
        omen_status st = open_here(&s, durability);
        if (st != OMEN_OK) printf("     cycle %u: %s\n", cycle, omen_last_error());
        CHECK_STATUS(st, OMEN_OK);
        bool read = st == OMEN_OK && script_read(&s, &found, &why);
        if (!read) printf("     cycle %u: %s\n", cycle, why);
        CHECK(read);
        if (cycle % 25 == 0 && read) CHECK_STATUS(omen_check(s.db), OMEN_OK);
        script_close(&s);
        advance(&state, at, sh->acknowledged);
        at = sh->acknowledged;
        before = state;
        bool good = memcmp(&found, &state, sizeof found) == 0;
        if (!good && sh->begun > at) {
            advance(&state, at, at + 1);
            at++;
            good = memcmp(&found, &state, sizeof found) == 0;
        }
        if (!good) {
            for (int i = 0; i < SCRIPT_IDS; i++) printf("     record %d: found %d, acknowledged %d, or %d\n", i, found.version[i], before.version[i], state.version[i]);
            printf("     cycle %u, step %u of %u\n", cycle, at, sh->begun);
        }
        CHECK(good);
    }
    printf("     %u killed, %u steps acknowledged\n", killed, at);
    CHECK(killed > cycles / 2);
    CHECK(at > cycles);
    omen_test_report("kills", killed);
    munmap(sh, sizeof *sh);
    remove_folder();
}

static unsigned cycles(void) {
    const char *n = getenv("OMEN_KILLS");
    return n != NULL ? (unsigned)strtoul(n, NULL, 10) : TEST_REDUCED ? 60 : omen_test_deep() ? 10000 : 1020;
}

TEST(killed_at_level_group) { run_cycles(OMEN_DURABILITY_GROUP, cycles() / 2); }
TEST(killed_at_level_full) { run_cycles(OMEN_DURABILITY_FULL, cycles() / 4); }
TEST(killed_at_level_os) { run_cycles(OMEN_DURABILITY_OS, cycles() / 4); }

TEST_MAIN()
