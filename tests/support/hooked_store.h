/* hooked_store.h - a fixture whose storage and host let a test in between: before a read, or before an allocation, something else happens, as if
 * another thread had come first. One fixture at a time. */
#ifndef OMEN_HOOKED_STORE_H
#define OMEN_HOOKED_STORE_H

#include "store_fixture.h"

typedef struct hooked {
    const omen_storage_ops *ops;
    void *(*alloc)(void *ctx, size_t size);
    void (*on_read)(void *arg), (*on_alloc)(void *arg); /* called once, before the next read or allocation; NULL: nothing */
    void *arg;
    uint64_t size;    /* what `size` answers, when it is not 0 */
    uint64_t reads;   /* of the storage */
    const char *sealed; /* a file whose opening answers OMEN_ERR_CORRUPT, as a storage with checksums of its own does */
    /* what the next read answers, when it is not OMEN_OK */
    omen_status answer;
    const uint8_t *content; /* what the next read gives, whatever the file holds; NULL: what it holds */
} hooked;

static hooked hook;

static omen_status hooked_read(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    void (*run)(void *) = hook.on_read;
    omen_status s = hook.answer;
    const uint8_t *content = hook.content;
    hook.on_read = NULL;
    hook.answer = OMEN_OK;
    hook.content = NULL;
    hook.reads++;
    if (run != NULL) run(hook.arg);
    if (content != NULL) {
        memcpy(into, content, len);
        *got = len;
        return OMEN_OK;
    }
    return s != OMEN_OK ? s : hook.ops->read_at(ctx, f, offset, into, len, got);
}

static omen_status hooked_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    if (hook.sealed != NULL && strcmp(name, hook.sealed) == 0) return OMEN_ERR_CORRUPT;
    return hook.ops->open(ctx, name, mode, out);
}

static omen_status hooked_size(void *ctx, omen_file *f, uint64_t *out) {
    if (hook.size == 0) return hook.ops->size(ctx, f, out);
    *out = hook.size;
    return OMEN_OK;
}

static void *hooked_alloc(void *ctx, size_t size) {
    void (*run)(void *) = hook.on_alloc;
    hook.on_alloc = NULL;
    if (run != NULL) run(hook.arg);
    return hook.alloc(ctx, size);
}

/* Puts the hooks between a fixture and what it stands on. */
static inline void hook_fixture(fixture *x, omen_storage_ops *ops) {
    hook = (hooked){.ops = x->store.storage.ops, .alloc = x->host->host.alloc};
    *ops = *hook.ops;
    ops->read_at = hooked_read;
    ops->size = hooked_size;
    ops->open = hooked_open;
    x->store.storage.ops = ops;
    x->host->host.alloc = hooked_alloc;
}

#endif
