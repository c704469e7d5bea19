/* folder_posix.h - throw-away folders for tests. */
#ifndef OMEN_TEST_FOLDER_H
#define OMEN_TEST_FOLDER_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PATH_LENGTH 1000

static inline bool folder_make(char path[64]) {
    const char *base = getenv("TMPDIR");
    if (base == NULL || strlen(base) > 32) base = "/tmp";
    snprintf(path, 64, "%s/omen-test-XXXXXX", base);
    return mkdtemp(path) != NULL;
}

/* How many files lie in it. */
static inline int folder_count(const char *path) {
    int n = 0;
    DIR *d = opendir(path);
    if (d == NULL) return -1;
    for (struct dirent *e; (e = readdir(d)) != NULL;) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static inline void folder_remove(const char *path) {
    char name[PATH_LENGTH + 260];
    DIR *d = opendir(path);
    if (d == NULL || strlen(path) >= PATH_LENGTH) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(name, sizeof name, "%.*s/%s", PATH_LENGTH, path, e->d_name);
        if (unlink(name) != 0) folder_remove(name);
    }
    closedir(d);
    rmdir(path);
}

#endif
