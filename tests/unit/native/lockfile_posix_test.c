/* The writer's lock of a folder: one holder at a time, whoever dies, and whenever. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "folder_posix.h"
#include "host/host.h"
#include "test.h"

static void put(const char *folder, const char *name, const char *text) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!CHECK(f != NULL)) return;
    fputs(text, f);
    fclose(f);
}

/* The number of a process that has ended. */
static long dead_pid(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    waitpid(pid, NULL, 0);
    return (long)pid;
}

static void take_and_release(const char *folder, omen_status want) {
    omen_lockfile *l;
    omen_status s = omen_lockfile_take(folder, &l);
    CHECK_STATUS(s, want);
    omen_lockfile_release(l);
}

TEST(a_lock_is_taken_once) {
    char folder[64];
    omen_lockfile *l;
    REQUIRE(folder_make(folder));
    REQUIRE_OK(omen_lockfile_take(folder, &l));
    CHECK_EQ_INT(folder_count(folder), 1);
    take_and_release(folder, OMEN_ERR_BUSY);
    omen_lockfile_release(l);
    CHECK_EQ_INT(folder_count(folder), 0);
    take_and_release(folder, OMEN_OK);
    omen_lockfile_release(NULL);
    folder_remove(folder);
}

TEST(a_killed_holder_is_no_obstacle) {
    char folder[64];
    int pipes[2];
    char byte;
    omen_lockfile *l;
    REQUIRE(folder_make(folder));
    REQUIRE(pipe(pipes) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        byte = omen_lockfile_take(folder, &l) == OMEN_OK;
        if (write(pipes[1], &byte, 1) != 1) _exit(1);
        pause();
        _exit(0);
    }
    CHECK(read(pipes[0], &byte, 1) == 1 && byte == 1);
    take_and_release(folder, OMEN_ERR_BUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    CHECK_EQ_INT(folder_count(folder), 1);
    take_and_release(folder, OMEN_OK);
    CHECK_EQ_INT(folder_count(folder), 0);
    close(pipes[0]);
    close(pipes[1]);
    folder_remove(folder);
}

TEST(what_is_held_and_what_is_not) {
    char folder[64], text[200];
    REQUIRE(folder_make(folder));
    long ours = (long)getpid(), dead = dead_pid();
    const struct { const char *format; long pid; bool held; } cases[] = {
        {"{\"pid\":%ld,\"start\":\"\",\"nonce\":\"1\"}\n", ours, true},
        {"{\"pid\": %ld}", ours, true},
        {"{\"pid\":%ld,\"start\":\"1\",\"nonce\":\"1\"}\n", ours, access("/proc/self/stat", R_OK) != 0},
        {"{\"pid\":%ld,\"start\":\"1\",\"nonce\":\"1\"}\n", dead, false},
        {"{\"pid\":%ld,\"start\":\"\",\"nonce\":\"1\"}\n", -5, false},
        {"{\"pid\":\"%ld\"}\n", ours, false},
        {"{}\n", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, cases[i].format, cases[i].pid);
        put(folder, "lock", text);
        take_and_release(folder, cases[i].held ? OMEN_ERR_BUSY : OMEN_OK);
        CHECK_EQ_INT(folder_count(folder), cases[i].held ? 1 : 0);
    }
    folder_remove(folder);
}

TEST(a_lock_that_is_just_being_written_is_held) {
    char folder[64], path[80];
    REQUIRE(folder_make(folder));
    put(folder, "lock", "{\"pid\":");
    snprintf(path, sizeof path, "%s/lock", folder);
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    const struct timespec soon[2] = {{.tv_sec = time(NULL) + 1000}, {.tv_sec = time(NULL) + 1000}}; /* however long this program is kept waiting now */
    CHECK_EQ_INT(utimensat(AT_FDCWD, path, soon, 0), 0);
    take_and_release(folder, OMEN_ERR_BUSY);
    CHECK_EQ_INT(utimensat(AT_FDCWD, path, long_ago, 0), 0);
    take_and_release(folder, OMEN_OK);
    folder_remove(folder);
}

static void successor(const char *text, char name[40]) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    snprintf(name, 40, ".lock-after-%016llx", (unsigned long long)hash);
}

TEST(taking_over_goes_on_where_another_was_killed_at_it) {
    char folder[64], texts[3][100], name[40];
    long dead = dead_pid();
    REQUIRE(folder_make(folder));
    for (int i = 0; i < 3; i++) snprintf(texts[i], sizeof texts[i], "{\"pid\":%ld,\"start\":\"1\",\"nonce\":\"%d\"}\n", dead, i);
    put(folder, "lock", texts[0]);
    for (int i = 1; i < 3; i++) {
        successor(texts[i - 1], name);
        put(folder, name, texts[i]);
    }
    take_and_release(folder, OMEN_OK);
    CHECK_EQ_INT(folder_count(folder), 0);
    /* A successor that lives is as good as the lock. */
    put(folder, "lock", texts[0]);
    successor(texts[0], name);
    snprintf(texts[1], sizeof texts[1], "{\"pid\":%ld,\"start\":\"\",\"nonce\":\"1\"}\n", (long)getpid());
    put(folder, name, texts[1]);
    take_and_release(folder, OMEN_ERR_BUSY);
    folder_remove(folder);
}

TEST(a_lock_of_flock_counts_where_the_process_number_says_nothing) {
    char folder[64], path[80], text[100];
    REQUIRE(folder_make(folder));
    snprintf(text, sizeof text, "{\"pid\":%ld,\"start\":\"1\",\"nonce\":\"1\"}\n", dead_pid());
    put(folder, "lock", text);
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        folder_remove(folder);
        TEST_SKIP("the file system has no flock");
    }
    take_and_release(folder, OMEN_ERR_BUSY);
    close(fd);
    take_and_release(folder, OMEN_OK);
    folder_remove(folder);
}

TEST(a_lock_that_is_no_longer_ours_stays) {
    char folder[64];
    omen_lockfile *l;
    REQUIRE(folder_make(folder));
    REQUIRE_OK(omen_lockfile_take(folder, &l));
    put(folder, "lock", "{\"pid\":1}");
    omen_lockfile_release(l);
    CHECK_EQ_INT(folder_count(folder), 1);
    folder_remove(folder);
}

TEST(a_folder_that_is_not_there) {
    omen_lockfile *l;
    CHECK_STATUS(omen_lockfile_take("/nowhere/at/all", &l), OMEN_ERR_NOT_FOUND);
    char path[5000];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    CHECK_STATUS(omen_lockfile_take(path, &l), OMEN_ERR_INVALID);
}

/* Many processes take the lock, and half of the time die with it. `inside` counts who believes to have it. */
typedef struct shared { _Atomic int inside, twice, lives; } shared; /* lives: that had it at least once */

static void contend(const char *folder, shared *m, uint64_t seed) {
    omen_lockfile *l;
    for (int rounds = 0, tries = 0; rounds < 20 && tries < 300000; tries++) {
        if (omen_lockfile_take(folder, &l) != OMEN_OK) {
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            continue;
        }
        if (rounds++ == 0) atomic_fetch_add(&m->lives, 1);
        if (atomic_fetch_add(&m->inside, 1) != 0) atomic_fetch_add(&m->twice, 1);
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        atomic_fetch_sub(&m->inside, 1);
        if ((seed >> rounds & 1) != 0) _exit(0); /* with the lock */
        omen_lockfile_release(l);
    }
    _exit(0);
}

TEST(of_many_that_die_with_it_one_has_it_at_a_time) {
    enum { PROCESSES = 6, LIVES = 120 };
    char folder[64];
    REQUIRE(folder_make(folder));
    shared *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(m != MAP_FAILED);
    int running = 0, lives = 0;
    while (lives < LIVES || running > 0) {
        if (running < PROCESSES && lives < LIVES) {
            uint64_t seed = test_rand();
            pid_t pid = fork();
            if (pid == 0) contend(folder, m, seed);
            REQUIRE(pid > 0);
            running++;
            lives++;
            continue;
        }
        if (wait(NULL) > 0) running--;
    }
    CHECK_EQ_INT(m->twice, 0);
    CHECK_EQ_INT(m->lives, LIVES);
    take_and_release(folder, OMEN_OK);
    munmap(m, sizeof *m);
    folder_remove(folder);
}

TEST_MAIN()
