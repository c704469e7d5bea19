/* lockfile.c - the writer's lock of a folder, as docs/LOCK.md describes it. The Node.js storage (js/src/storage/fs.ts) follows the same rules, so a
 * folder has one writer whoever it is.
 *
 * Beside these rules a native holder keeps its lock file locked with flock(2), which shows that it lives even where its process number says nothing,
 * as between two containers that share a folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define TEXT_MAX 256
#define PATH_MAX_ 4096
/* Lock files that one after the other were left behind by processes that were killed while they took over. */
#define CHAIN_MAX 16
/* A lock whose text is not complete is somebody's for so long (seconds): without hard links it is made in two steps. */
#define WRITING 5

struct omen_lockfile {
    int fd; /* of our own file, locked by flock */
    char path[PATH_MAX_];
    char text[TEXT_MAX];
};

typedef enum finding { GONE, LIVES, DEAD, FAILED } finding;

/* Field 22 of /proc/<pid>/stat; "" where there is none. The second field may hold spaces and brackets, so count from its end. */
static void start_of(long pid, char start[32]) {
    char path[64], text[1024];
    start[0] = '\0';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
    if (at != NULL) snprintf(start, 32, "%.*s", (int)strcspn(at + 1, " \n"), at + 1);
}

/* Whether the process that wrote this text lives. */
static bool lives(const char *text) {
    char start[32] = "", now[32];
    const char *pid_at = strstr(text, "\"pid\":"), *start_at = strstr(text, "\"start\":");
    long pid = pid_at == NULL ? 0 : strtol(pid_at + 6, NULL, 10);
    if (pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) return false;
    if (start_at != NULL) sscanf(start_at + 8, " \"%31[0-9]\"", start);
    start_of(pid, now);
    return start[0] == '\0' || now[0] == '\0' || strcmp(start, now) == 0; /* else the number was given to another process since */
}

/* Reads a lock file and judges it. */
static finding look(const char *path, char text[TEXT_MAX]) {
    struct stat st;
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? GONE : FAILED;
    ssize_t n = read(fd, text, TEXT_MAX - 1);
    finding found = FAILED;
    if (n >= 0) {
        text[n] = '\0';
        bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        bool young = memchr(text, '}', (size_t)n) == NULL && fstat(fd, &st) == 0 && time(NULL) - st.st_mtime < WRITING;
        found = held || young || lives(text) ? LIVES : DEAD;
    }
    close(fd);
    return found;
}

/* Makes `to` with the content of our file, unless it exists. */
static int link_new(const char *mine, const char *to, const char *text) {
    if (link(mine, to) == 0) return 0;
    if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS) return -1;
    /* A file system without hard links: creating it is as exclusive, if not complete from the first moment. */
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return -1;
    ssize_t n = write(fd, text, strlen(text));
    int error = n < 0 ? errno : ENOSPC;
    close(fd);
    if (n == (ssize_t)strlen(text)) return 0;
    unlink(to);
    errno = error;
    return -1;
}

/* Where the successor of a dead lock is made: FNV-1a (Fowler, Noll, Vo, 1991) of its text names it. */
static void successor(const char *folder, const char *text, char path[PATH_MAX_]) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = text; *c != '\0'; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    snprintf(path, PATH_MAX_, "%s/.lock-after-%016llx", folder, (unsigned long long)hash);
}

/* One round; OMEN_PENDING: something has changed meanwhile, look again. */
static omen_status take_round(const char *folder, const char *mine, const omen_lockfile *l) {
    char chain[CHAIN_MAX][TEXT_MAX], path[PATH_MAX_], at[PATH_MAX_], now[TEXT_MAX];
    memcpy(path, l->path, sizeof path);
    for (int n = 0; n < CHAIN_MAX; n++) {
        if (link_new(mine, path, l->text) == 0) {
            /* Ours, if what it follows is still what was found: everybody who took over before us has replaced `lock` itself. */
            memcpy(at, l->path, sizeof at);
            bool valid = true;
            for (int i = 0; i < n && valid; i++) {
                valid = look(at, now) != GONE && strcmp(now, chain[i]) == 0;
                successor(folder, chain[i], at);
            }
            if (n == 0) return OMEN_OK;
            if (valid && rename(path, l->path) == 0) {
                memcpy(at, l->path, sizeof at);
                for (int i = 0; i + 1 < n; i++) { /* dead successors between `lock` and ours */
                    successor(folder, chain[i], at);
                    unlink(at);
                }
                return OMEN_OK;
            }
            int error = errno;
            unlink(path);
            return valid ? omen_posix_status(error) : OMEN_PENDING;
        }
        if (errno != EEXIST) return omen_posix_status(errno);
        finding found = look(path, chain[n]);
        if (found == GONE) return OMEN_PENDING;
        if (found != DEAD) return found == LIVES ? OMEN_ERR_BUSY : omen_posix_status(errno);
        successor(folder, chain[n], path);
    }
    return OMEN_ERR_BUSY;
}

static bool write_text(omen_lockfile *l) {
    uint64_t nonce = 0;
    char start[32];
    if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) return false;
    start_of(getpid(), start);
    int n = snprintf(l->text, sizeof l->text, "{\"pid\":%ld,\"start\":\"%s\",\"nonce\":\"%016llx\"}\n", (long)getpid(), start, (unsigned long long)nonce);
    if (write(l->fd, l->text, (size_t)n) != n) return false;
    (void)flock(l->fd, LOCK_EX | LOCK_NB); /* where the file system knows it */
    return true;
}

omen_status omen_lockfile_take(const char *folder, omen_lockfile **out) {
    char mine[PATH_MAX_];
    *out = NULL;
    if (strlen(folder) > PATH_MAX_ - 64) return OMEN_ERR_INVALID;
    omen_lockfile *l = calloc(1, sizeof *l);
    if (l == NULL) return OMEN_ERR_MEMORY;
    snprintf(l->path, sizeof l->path, "%s/lock", folder);
    snprintf(mine, sizeof mine, "%s/.lock-%ld-XXXXXX", folder, (long)getpid());
    l->fd = mkostemp(mine, O_CLOEXEC);
    omen_status s = l->fd < 0 ? omen_posix_status(errno) : OMEN_OK;
    if (s == OMEN_OK && !write_text(l)) s = omen_posix_status(errno);
    if (s == OMEN_OK) {
        (void)fchmod(l->fd, 0644); /* so that other users learn who has it */
        for (int round = 0; (s = take_round(folder, mine, l)) == OMEN_PENDING && round < 100; round++) continue;
    }
    if (l->fd >= 0) unlink(mine);
    if (s == OMEN_OK) {
        *out = l;
        return s;
    }
    if (l->fd >= 0) close(l->fd);
    free(l);
    return s == OMEN_PENDING ? OMEN_ERR_BUSY : s;
}

void omen_lockfile_release(omen_lockfile *l) {
    char now[TEXT_MAX];
    if (l == NULL) return;
    if (look(l->path, now) != GONE && strcmp(now, l->text) == 0) unlink(l->path);
    close(l->fd);
    free(l);
}
