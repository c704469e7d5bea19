/* memory.c - see memory.h. */
#define _GNU_SOURCE 1 /* clock_gettime, getentropy */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"

/* ---- the host ---- */

static void *host_alloc(void *ctx, size_t size) {
    (void)ctx;
    return size > SIZE_MAX - 64 ? NULL : aligned_alloc(64, (size + 63) & ~(size_t)63);
}

static void host_free(void *ctx, void *p, size_t size) {
    (void)ctx;
    (void)size;
    free(p);
}

static void *host_resize(void *ctx, void *p, size_t old_size, size_t new_size) {
    void *moved = host_alloc(ctx, new_size);
    if (moved == NULL || p == NULL) return moved;
    memcpy(moved, p, old_size < new_size ? old_size : new_size);
    free(p);
    return moved;
}

static int64_t host_wall_ms(void *ctx) {
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t host_ticks_ns(void *ctx) {
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static omen_status host_entropy(void *ctx, void *into, size_t len) {
    (void)ctx;
    return getentropy(into, len) == 0 ? OMEN_OK : OMEN_ERR_IO;
}

static void host_log(void *ctx, omen_log_level level, const char *line, size_t len) {
    (void)ctx;
    if (level <= OMEN_LOG_WARN) fprintf(stderr, "%.*s\n", (int)len, line);
}

const omen_host *command_host(void) {
    static const omen_host host = {
        .struct_size = sizeof(omen_host),
        .alloc = host_alloc,
        .resize = host_resize,
        .free = host_free,
        .wall_ms = host_wall_ms,
        .ticks_ns = host_ticks_ns,
        .entropy = host_entropy,
        .log = host_log,
    };
    return &host;
}

/* ---- what the core asks of its platform ---- */

const omen_host *omen_platform_host(void) { return command_host(); }

/* There is no other thread to wait for. */
void omen_platform_nap(void) {}

/* No thread does maintenance here; the workload asks for it itself. */
void omen_platform_opened(omen_db *db) { (void)db; }

void omen_platform_closing(omen_db *db) { (void)db; }

/* ---- the storage ---- */

static command_file *file_of(omen_file *f) { return (command_file *)(void *)f; }

static command_file *find(command_files *s, const char *name) {
    for (size_t i = 0; i < COMMAND_MAX_FILES; i++)
        if (s->files[i].present && strcmp(s->files[i].name, name) == 0) return &s->files[i];
    return NULL;
}

static command_file *create(command_files *s, const char *name) {
    if (strlen(name) >= sizeof s->files[0].name) return NULL;
    for (size_t i = 0; i < COMMAND_MAX_FILES; i++) {
        if (s->files[i].present) continue;
        s->files[i].present = 1;
        s->files[i].size = 0;
        strcpy(s->files[i].name, name);
        return &s->files[i];
    }
    return NULL;
}

static omen_status list_files(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    command_files *s = ctx;
    for (size_t i = 0; i < COMMAND_MAX_FILES; i++)
        if (s->files[i].present) each(arg, s->files[i].name);
    return OMEN_OK;
}

static omen_status open_file(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    command_file *f = find(ctx, name);
    if (mode == OMEN_FILE_CREATE) {
        if (f != NULL) return OMEN_ERR_EXISTS;
        f = create(ctx, name);
        if (f == NULL) return OMEN_ERR_FULL;
    }
    if (f == NULL) return OMEN_ERR_NOT_FOUND;
    *out = (omen_file *)(void *)f;
    return OMEN_OK;
}

static omen_status file_size(void *ctx, omen_file *f, uint64_t *out) {
    (void)ctx;
    *out = file_of(f)->size;
    return OMEN_OK;
}

static omen_status read_at(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    (void)ctx;
    const command_file *file = file_of(f);
    size_t left = offset < file->size ? file->size - (size_t)offset : 0;
    *got = len < left ? len : left;
    if (*got > 0) memcpy(into, file->bytes + offset, *got);
    return OMEN_OK;
}

/* Bytes between the old and the new size are zero. */
static omen_status grow(command_file *f, size_t size) {
    if (size > f->cap) {
        size_t cap = size > 2 * f->cap ? size : 2 * f->cap;
        uint8_t *larger = realloc(f->bytes, cap);
        if (larger == NULL) return OMEN_ERR_FULL;
        f->bytes = larger;
        f->cap = cap;
    }
    if (size > f->size) {
        memset(f->bytes + f->size, 0, size - f->size);
        f->size = size;
    }
    return OMEN_OK;
}

static omen_status write_at(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len) {
    (void)ctx;
    if (offset > SIZE_MAX - len) return OMEN_ERR_FULL;
    omen_status s = grow(file_of(f), (size_t)offset + len);
    if (s == OMEN_OK && len > 0) memcpy(file_of(f)->bytes + offset, bytes, len);
    return s;
}

static omen_status truncate_file(void *ctx, omen_file *f, uint64_t size) {
    (void)ctx;
    if (size < file_of(f)->size) file_of(f)->size = (size_t)size;
    return OMEN_OK;
}

static omen_status sync_file(void *ctx, omen_file *f) {
    (void)ctx;
    (void)f;
    return OMEN_OK;
}

static omen_status sync_dir(void *ctx) {
    (void)ctx;
    return OMEN_OK;
}

static void close_file(void *ctx, omen_file *f) {
    (void)ctx;
    (void)f;
}

static omen_status remove_file(void *ctx, const char *name) {
    command_file *f = find(ctx, name);
    if (f == NULL) return OMEN_OK;
    free(f->bytes);
    memset(f, 0, sizeof *f);
    return OMEN_OK;
}

static void release(void *ctx) { (void)ctx; }

omen_storage command_storage(command_files *files) {
    static const omen_storage_ops ops = {
        .struct_size = sizeof(omen_storage_ops),
        .list = list_files,
        .open = open_file,
        .size = file_size,
        .read_at = read_at,
        .write_at = write_at,
        .truncate = truncate_file,
        .sync = sync_file,
        .sync_dir = sync_dir,
        .close = close_file,
        .remove = remove_file,
        .release = release,
    };
    return (omen_storage){files, &ops};
}

void command_files_deinit(command_files *files) {
    for (size_t i = 0; i < COMMAND_MAX_FILES; i++) free(files->files[i].bytes);
    memset(files, 0, sizeof *files);
}
