/* lockfile.c - the writer's lock of a folder: the file `lock`, one line of JSON {"pid": 123, "start": "456789"}. `start` is field 22 of
 * /proc/<pid>/stat, "" where there is none. It is held while a process of this number and start lives, so the lock of a killed process is no
 * obstacle. The Node.js storage follows the same rules, so a folder has one writer whoever it is:
 *   take     write a file of one's own, link it to `lock` (fails when that exists; its content is there from the first moment)
 *   held     the process lives: OMEN_ERR_BUSY
 *   stale    rename `lock` away, make sure that what was moved is what was found stale, remove it, take again
 *   release  remove `lock`
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define TEXT_MAX 256

static _Atomic unsigned counter;

/* Reads a whole small file as a string; false when it cannot. */
static bool read_text(const char *path, char text[TEXT_MAX]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, TEXT_MAX - 1);
    close(fd);
    if (n < 0) return false;
    text[n] = '\0';
    return true;
}

/* Field 22 of /proc/<pid>/stat. The second field may hold spaces and brackets, so count from its end. */
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

/* Whether the process that wrote this text lives. What is not understood is nobody's. */
static bool held(const char *text) {
    char start[32] = "", now[32];
    const char *pid_at = strstr(text, "\"pid\":"), *start_at = strstr(text, "\"start\":");
    long pid = pid_at == NULL ? 0 : strtol(pid_at + 6, NULL, 10);
    if (pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH)) return false;
    if (start_at != NULL) sscanf(start_at + 8, " \"%31[0-9]\"", start);
    start_of(pid, now);
    return start[0] == '\0' || now[0] == '\0' || strcmp(start, now) == 0; /* else the number was given to another process since */
}

/* Makes `to` with the content of `from`, unless it exists. */
static int link_new(const char *from, const char *to) {
    if (link(from, to) == 0) return 0;
    if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS) return -1;
    /* A file system without hard links: creating it is as exclusive, if not as complete from the first moment. */
    char text[TEXT_MAX];
    int fd = read_text(from, text) ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    if (fd < 0) return -1;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static omen_status take(const char *folder, const char *mine, const char *lock) {
    for (int round = 0; round < 3; round++) {
        char found[TEXT_MAX], after[TEXT_MAX], moved[4096];
        if (link_new(mine, lock) == 0) return OMEN_OK;
        if (errno != EEXIST) return omen_posix_status(errno);
        if (!read_text(lock, found)) continue; /* released meanwhile */
        if (held(found)) return OMEN_ERR_BUSY;
        snprintf(moved, sizeof moved, "%s/.lock-stale-%ld-%u", folder, (long)getpid(), atomic_fetch_add(&counter, 1));
        if (rename(lock, moved) != 0) continue;
        /* Between reading and moving, another process may have taken the stale lock and put its own there: give it back. */
        bool stale = read_text(moved, after) && strcmp(found, after) == 0;
        if (!stale) (void)link_new(moved, lock);
        unlink(moved);
        if (!stale) return OMEN_ERR_BUSY;
    }
    return OMEN_ERR_BUSY;
}

omen_status omen_lockfile_take(const char *folder, char **name) {
    char mine[4096], text[TEXT_MAX], start[32];
    *name = NULL;
    if (strlen(folder) > sizeof mine - 64) return OMEN_ERR_INVALID;
    char *lock = malloc(strlen(folder) + 6);
    if (lock == NULL) return OMEN_ERR_MEMORY;
    sprintf(lock, "%s/lock", folder);
    start_of(getpid(), start);
    snprintf(text, sizeof text, "{\"pid\":%ld,\"start\":\"%s\"}\n", (long)getpid(), start);
    snprintf(mine, sizeof mine, "%s/.lock-%ld-%u", folder, (long)getpid(), atomic_fetch_add(&counter, 1));
    int fd = open(mine, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    omen_status s = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? omen_posix_status(errno) : OMEN_OK;
    if (fd >= 0) close(fd);
    if (s == OMEN_OK) s = take(folder, mine, lock);
    unlink(mine);
    if (s == OMEN_OK) *name = lock;
    else free(lock);
    return s;
}

void omen_lockfile_release(char *name) {
    if (name == NULL) return;
    unlink(name);
    free(name);
}
