/* storage.c - a folder as a storage: pread, pwrite, fdatasync, and fsync of the folder for its entries. Never pends. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

typedef struct folder {
    int fd;
    omen_lockfile *lock; /* NULL: read-only */
} folder;

struct omen_file {
    int fd;
};

omen_status omen_posix_status(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG: return OMEN_ERR_FULL;
        case ENOENT:
        case ENOTDIR: return OMEN_ERR_NOT_FOUND;
        case EEXIST: return OMEN_ERR_EXISTS;
        case EROFS:
        case EACCES:
        case EPERM: return OMEN_ERR_READ_ONLY;
        case ENAMETOOLONG:
        case ELOOP: return OMEN_ERR_NAME;
        case ENOMEM: return OMEN_ERR_MEMORY;
        default: return OMEN_ERR_IO;
    }
}

static omen_status storage_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    folder *f = ctx;
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return omen_posix_status(errno);
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return OMEN_ERR_MEMORY;
    }
    /* The end and a failure look alike but for errno: a list that breaks off has lost logs. */
    errno = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL; errno = 0)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "lock") != 0) each(arg, e->d_name);
    omen_status s = errno == 0 ? OMEN_OK : omen_posix_status(errno);
    closedir(d);
    return s;
}

static omen_status storage_file(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    static const int flags[] = {[OMEN_FILE_READ] = O_RDONLY, [OMEN_FILE_WRITE] = O_RDWR, [OMEN_FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL};
    folder *f = ctx;
    omen_file *file = malloc(sizeof *file);
    if (file == NULL) return OMEN_ERR_MEMORY;
    file->fd = openat(f->fd, name, flags[mode] | O_CLOEXEC, 0644);
    if (file->fd < 0) {
        omen_status s = omen_posix_status(errno);
        free(file);
        return s;
    }
    *out = file;
    return OMEN_OK;
}

static omen_status storage_size(void *ctx, omen_file *file, uint64_t *out) {
    struct stat st;
    (void)ctx;
    if (fstat(file->fd, &st) != 0) return omen_posix_status(errno);
    *out = (uint64_t)st.st_size;
    return OMEN_OK;
}

static omen_status storage_read(void *ctx, omen_file *file, uint64_t offset, void *into, size_t len, size_t *got) {
    (void)ctx;
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(file->fd, (char *)into + *got, len - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return omen_posix_status(errno);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return OMEN_OK;
}

static omen_status storage_write(void *ctx, omen_file *file, uint64_t offset, const void *bytes, size_t len) {
    (void)ctx;
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(file->fd, (const char *)bytes + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? omen_posix_status(errno) : OMEN_ERR_FULL;
        done += (size_t)n;
    }
    return OMEN_OK;
}

static omen_status storage_truncate(void *ctx, omen_file *file, uint64_t size) {
    (void)ctx;
    return ftruncate(file->fd, (off_t)size) == 0 ? OMEN_OK : omen_posix_status(errno);
}

static omen_status storage_sync(void *ctx, omen_file *file) {
    (void)ctx;
#ifdef __APPLE__
    return fcntl(file->fd, F_FULLFSYNC) == 0 ? OMEN_OK : omen_posix_status(errno);
#else
    return fdatasync(file->fd) == 0 ? OMEN_OK : omen_posix_status(errno);
#endif
}

static omen_status storage_sync_dir(void *ctx) {
    folder *f = ctx;
    return fsync(f->fd) == 0 ? OMEN_OK : omen_posix_status(errno);
}

static void storage_close(void *ctx, omen_file *file) {
    (void)ctx;
    close(file->fd);
    free(file);
}

static omen_status storage_remove(void *ctx, const char *name) {
    folder *f = ctx;
    return unlinkat(f->fd, name, 0) == 0 || errno == ENOENT ? OMEN_OK : omen_posix_status(errno);
}

static void storage_release(void *ctx) {
    folder *f = ctx;
    omen_lockfile_release(f->lock);
    close(f->fd);
    free(f);
}

static const omen_storage_ops ops = {sizeof ops,    storage_list,  storage_file,     storage_size,  storage_read,   storage_write,
                                     storage_truncate, storage_sync, storage_sync_dir, storage_close, storage_remove, storage_release, NULL, NULL};

/* Makes the folder's own entry durable in its parent. */
static omen_status sync_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (parent == NULL) return OMEN_ERR_MEMORY;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    omen_status s = fd < 0 || fsync(fd) != 0 ? omen_posix_status(errno) : OMEN_OK;
    if (fd >= 0) close(fd);
    free(parent);
    return s;
}

static omen_status make_one(const char *path) {
    if (mkdir(path, 0755) == 0) return sync_parent(path);
    return errno == EEXIST ? OMEN_OK : omen_posix_status(errno);
}

/* Makes a folder and those above it. */
static omen_status make_folder(const char *path) {
    char *copy = strdup(path);
    if (copy == NULL) return OMEN_ERR_MEMORY;
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/') copy[--n] = '\0';
    omen_status s = make_one(copy);
    for (size_t i = 1; s == OMEN_ERR_NOT_FOUND && i < n; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/') continue;
        copy[i] = '\0';
        omen_status above = make_one(copy);
        copy[i] = '/';
        if (above != OMEN_OK && above != OMEN_ERR_READ_ONLY) s = above; /* a folder that may not be written to may hold one that may */
    }
    if (s == OMEN_ERR_NOT_FOUND) s = make_one(copy);
    free(copy);
    return s;
}

/* Whether backups lie in a folder: one that may not be looked into is not known to have any. */
static bool has_backups(const char *path) {
    DIR *d = opendir(path);
    bool found = false;
    if (d == NULL) return false;
    for (struct dirent *e; !found && (e = readdir(d)) != NULL;)
        found = strncmp(e->d_name, "backup-", 7) == 0 && strlen(e->d_name) == 23 && strspn(e->d_name + 7, "0123456789abcdef") == 16;
    closedir(d);
    return found;
}

/* Whether a folder above this one, which may not be there yet, is a database's or a place of backups: what is strange there keeps either from being used. */
static omen_status inside_database(const char *path, bool *inside) {
    static const char *const names[] = {"manifest-0", "manifest-1"};
    char *copy = strdup(path), *real = NULL;
    size_t n = copy == NULL ? 0 : strlen(copy);
    bool there = false;
    *inside = false;
    if (copy == NULL) return OMEN_ERR_MEMORY;
    while (n > 1 && copy[n - 1] == '/') copy[--n] = '\0';
    /* The deepest folder that is there, whatever links lead to it. */
    while ((real = realpath(copy, NULL)) == NULL && errno == ENOENT && n > 1) {
        while (n > 0 && copy[n - 1] != '/') n--;
        while (n > 1 && copy[n - 1] == '/') n--;
        if (n == 0) copy[n++] = '.';
        copy[n] = '\0';
        there = true;
    }
    free(copy);
    if (real == NULL) return errno == ENOENT ? OMEN_OK : omen_posix_status(errno);
    n = strlen(real);
    char *file = malloc(n + sizeof "/manifest-0");
    if (file == NULL) {
        free(real);
        return OMEN_ERR_MEMORY;
    }
    for (bool first = !there; n != 0 && !*inside; first = false) { /* the place itself is judged by what lies in it */
        for (int i = 0; i < 2 && !first && !*inside; i++) {
            memcpy(file, real, n);
            file[n] = '/';
            strcpy(file + n + 1, names[i]);
            *inside = access(file, F_OK) == 0;
        }
        if (!first && !*inside) {
            memcpy(file, real, n);
            file[n] = '\0';
            *inside = has_backups(file);
        }
        while (n != 0 && real[n - 1] != '/') n--;
        if (n != 0) n--; /* "/" itself is nobody's database */
    }
    free(file);
    free(real);
    return OMEN_OK;
}

omen_status omen_posix_storage_open(void *ctx, const char *path, uint32_t flags, omen_storage *out) {
    (void)ctx;
    if (path[0] == '\0') return OMEN_ERR_NAME;
    if ((flags & OMEN_STORAGE_APART) != 0) {
        bool inside;
        omen_status s = inside_database(path, &inside);
        if (s != OMEN_OK || inside) return s != OMEN_OK ? s : OMEN_ERR_INVALID;
    }
    if ((flags & OMEN_STORAGE_CREATE) != 0 && (flags & OMEN_STORAGE_READ_ONLY) == 0) {
        omen_status made = make_folder(path);
        if (made != OMEN_OK) return made;
    }
    folder *f = calloc(1, sizeof *f);
    if (f == NULL) return OMEN_ERR_MEMORY;
    f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    omen_status s = f->fd >= 0 ? OMEN_OK : errno == ENOTDIR ? OMEN_ERR_FOREIGN : omen_posix_status(errno);
    if (s == OMEN_OK && (flags & OMEN_STORAGE_READ_ONLY) == 0) s = omen_lockfile_take(path, &f->lock);
    if (s != OMEN_OK) {
        if (f->fd >= 0) close(f->fd);
        free(f);
        return s;
    }
    *out = (omen_storage){f, &ops};
    return OMEN_OK;
}
