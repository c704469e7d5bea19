/* host.c - omen_host over the functions that JavaScript gives (imports.h) and the allocator of the C library.
 *
 * Handles of files and storages are small numbers; they travel through the core as pointers that nobody follows. */
#include "host.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "heap.h"
#include "imports.h"

static uint32_t number_of(const void *handle) { return (uint32_t)(uintptr_t)handle; }

static omen_status status_of(int32_t answer) { return answer < 0 ? (omen_status)-answer : OMEN_OK; }

/* ---- memory ---- */

static void *host_alloc(void *ctx, size_t size) {
    (void)ctx;
    return omen_heap_alloc(size);
}

static void *host_resize(void *ctx, void *p, size_t old_size, size_t new_size) {
    (void)ctx;
    return omen_heap_resize(p, old_size, new_size);
}

static void host_free(void *ctx, void *p, size_t size) {
    (void)ctx;
    omen_heap_free(p, size);
}

/* JavaScript gives no sizes back: they stand in front, in a line of their own so that the piece stays aligned. */
#define FRONT 64u

void *omen_wasm_alloc(size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    char *p = omen_heap_alloc(size + FRONT);
    if (p == NULL) return NULL;
    memcpy(p, &size, sizeof size);
    return p + FRONT;
}

void omen_wasm_free(void *p) {
    size_t size;
    if (p == NULL) return;
    memcpy(&size, (char *)p - FRONT, sizeof size);
    omen_heap_free((char *)p - FRONT, size + FRONT);
}

/* ---- time, entropy, log ---- */

static int64_t host_wall_ms(void *ctx) {
    (void)ctx;
    return (int64_t)omen_js_wall_ms();
}

static uint64_t host_ticks_ns(void *ctx) {
    (void)ctx;
    return (uint64_t)omen_js_ticks();
}

static omen_status host_entropy(void *ctx, void *into, size_t len) {
    (void)ctx;
    return status_of(omen_js_entropy(into, (uint32_t)len));
}

static void host_log(void *ctx, omen_log_level level, const char *line, size_t len) {
    (void)ctx;
    omen_js_log((uint32_t)level, line, (uint32_t)len);
}

/* ---- storage ---- */

static omen_status storage_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    char few[1024];
    char *names = few;
    int32_t bytes = omen_js_list(number_of(ctx), few, sizeof few);
    if (bytes < 0) return status_of(bytes);
    if ((uint32_t)bytes > sizeof few) {
        names = omen_wasm_alloc((size_t)bytes);
        if (names == NULL) return OMEN_ERR_MEMORY;
        int32_t again = omen_js_list(number_of(ctx), names, (uint32_t)bytes);
        if (again != bytes) {
            free(names);
            return again < 0 ? status_of(again) : OMEN_ERR_INTERNAL;
        }
    }
    for (int32_t at = 0; at < bytes; at += (int32_t)strlen(names + at) + 1) each(arg, names + at);
    if (names != few) free(names);
    return OMEN_OK;
}

static omen_status storage_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    int32_t file = omen_js_open(number_of(ctx), name, (uint32_t)strlen(name), (uint32_t)mode);
    if (file < 0) return status_of(file);
    *out = (omen_file *)(uintptr_t)file;
    return OMEN_OK;
}

static omen_status storage_size(void *ctx, omen_file *f, uint64_t *out) {
    (void)ctx;
    double size = omen_js_size(number_of(f));
    if (size < 0) return status_of((int32_t)size);
    *out = (uint64_t)size;
    return OMEN_OK;
}

static omen_status storage_read_at(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    (void)ctx;
    /* A count comes back as a positive i32. */
    if (len > INT32_MAX) return OMEN_ERR_TOO_LARGE;
    int32_t count = omen_js_read(number_of(f), (double)offset, into, (uint32_t)len);
    if (count < 0) return status_of(count);
    *got = (size_t)count;
    return OMEN_OK;
}

static omen_status storage_write_at(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len) {
    (void)ctx;
    return status_of(omen_js_write(number_of(f), (double)offset, bytes, (uint32_t)len));
}

static omen_status storage_truncate(void *ctx, omen_file *f, uint64_t size) {
    (void)ctx;
    return status_of(omen_js_truncate(number_of(f), (double)size));
}

static omen_status storage_sync(void *ctx, omen_file *f) {
    (void)ctx;
    return status_of(omen_js_sync(number_of(f)));
}

static omen_status storage_sync_dir(void *ctx) { return status_of(omen_js_sync_dir(number_of(ctx))); }

static void storage_close(void *ctx, omen_file *f) {
    (void)ctx;
    omen_js_close(number_of(f));
}

static omen_status storage_remove(void *ctx, const char *name) {
    return status_of(omen_js_remove(number_of(ctx), name, (uint32_t)strlen(name)));
}

static void storage_release(void *ctx) { omen_js_release(number_of(ctx)); }

static const omen_storage_ops storage_ops = {
    .struct_size = sizeof(omen_storage_ops),
    .list = storage_list,
    .open = storage_open,
    .size = storage_size,
    .read_at = storage_read_at,
    .write_at = storage_write_at,
    .truncate = storage_truncate,
    .sync = storage_sync,
    .sync_dir = storage_sync_dir,
    .close = storage_close,
    .remove = storage_remove,
    .release = storage_release,
};

omen_storage omen_wasm_storage(uint32_t number) { return (omen_storage){(void *)(uintptr_t)number, &storage_ops}; }

/* ---- the table ---- */

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

const omen_host *omen_wasm_host(void) { return &host; }

/* ---- what the core asks of its platform ---- */

const omen_host *omen_platform_host(void) { return &host; }

/* There is no other thread to wait for. */
void omen_platform_nap(void) {}

/* There is no thread that could do maintenance: JavaScript calls for it. */
void omen_platform_opened(omen_db *db) { (void)db; }

void omen_platform_closing(omen_db *db) { (void)db; }
