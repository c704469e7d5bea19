/* watched.c - see watched.h. */
#include "watched.h"

#include <stdlib.h>
#include <string.h>

typedef struct around {
    watched *w;
    omen_storage inner;
} around;

typedef struct file {
    omen_file *inner;
    watched_file kind;
} file;

const char *const watched_file_names[] = {"log", "segment", "manifest", "folder"};
const char *const watched_call_names[] = {"open", "create", "read", "write", "truncate", "sync", "remove"};

static watched_file kind_of(const char *name) {
    return strncmp(name, "log-", 4) == 0 ? WATCHED_LOG : strncmp(name, "manifest-", 9) == 0 ? WATCHED_MANIFEST : WATCHED_SEGMENT;
}

/* Begins a call. Answers where to stand still: before it, in which case it does not come back, or amid or after it. */
static watched_when enter(watched *w, watched_file kind, watched_call call) {
    atomic_fetch_add(&w->under_way[kind][call], 1);
    if (w->file != kind || w->call != call || atomic_load(&w->countdown) == 0 || atomic_fetch_sub(&w->countdown, 1) != 1) return WATCHED_WHENS;
    if (w->when == WATCHED_BEFORE) w->stand();
    return w->when;
}

static omen_status leave(watched *w, watched_file kind, watched_call call, watched_when when, omen_status s) {
    if (when != WATCHED_WHENS) w->stand();
    atomic_fetch_sub(&w->under_way[kind][call], 1);
    return s;
}

static omen_status do_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    around *a = ctx;
    watched_when when = enter(a->w, WATCHED_FOLDER, WATCHED_READ);
    return leave(a->w, WATCHED_FOLDER, WATCHED_READ, when, a->inner.ops->list(a->inner.ctx, each, arg));
}

static omen_status do_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    around *a = ctx;
    watched_file kind = kind_of(name);
    watched_call call = mode == OMEN_FILE_CREATE ? WATCHED_CREATE : WATCHED_OPEN;
    file *f = malloc(sizeof *f);
    if (f == NULL) return OMEN_ERR_MEMORY;
    watched_when when = enter(a->w, kind, call);
    f->kind = kind;
    omen_status s = leave(a->w, kind, call, when, a->inner.ops->open(a->inner.ctx, name, mode, &f->inner));
    if (s == OMEN_OK) *out = (omen_file *)f;
    else free(f);
    return s;
}

static omen_status do_size(void *ctx, omen_file *of, uint64_t *out) {
    around *a = ctx;
    return a->inner.ops->size(a->inner.ctx, ((file *)of)->inner, out);
}

static omen_status do_read(void *ctx, omen_file *of, uint64_t offset, void *into, size_t len, size_t *got) {
    around *a = ctx;
    file *f = (file *)of;
    watched_when when = enter(a->w, f->kind, WATCHED_READ);
    return leave(a->w, f->kind, WATCHED_READ, when, a->inner.ops->read_at(a->inner.ctx, f->inner, offset, into, len, got));
}

static omen_status do_write(void *ctx, omen_file *of, uint64_t offset, const void *bytes, size_t len) {
    around *a = ctx;
    file *f = (file *)of;
    watched_when when = enter(a->w, f->kind, WATCHED_WRITE);
    if (when == WATCHED_AMID) { /* sectors are written as a whole or not at all, as omendb_host.h says */
        uint64_t end = (offset + len / 2) / 512 * 512;
        len = end > offset ? (size_t)(end - offset) : 0;
    }
    return leave(a->w, f->kind, WATCHED_WRITE, when, len == 0 ? OMEN_OK : a->inner.ops->write_at(a->inner.ctx, f->inner, offset, bytes, len));
}

static omen_status do_truncate(void *ctx, omen_file *of, uint64_t size) {
    around *a = ctx;
    file *f = (file *)of;
    watched_when when = enter(a->w, f->kind, WATCHED_TRUNCATE);
    return leave(a->w, f->kind, WATCHED_TRUNCATE, when, a->inner.ops->truncate(a->inner.ctx, f->inner, size));
}

static omen_status do_sync(void *ctx, omen_file *of) {
    around *a = ctx;
    file *f = (file *)of;
    watched_when when = enter(a->w, f->kind, WATCHED_SYNC);
    return leave(a->w, f->kind, WATCHED_SYNC, when, a->inner.ops->sync(a->inner.ctx, f->inner));
}

static omen_status do_sync_dir(void *ctx) {
    around *a = ctx;
    watched_when when = enter(a->w, WATCHED_FOLDER, WATCHED_SYNC);
    return leave(a->w, WATCHED_FOLDER, WATCHED_SYNC, when, a->inner.ops->sync_dir(a->inner.ctx));
}

static void do_close(void *ctx, omen_file *of) {
    around *a = ctx;
    a->inner.ops->close(a->inner.ctx, ((file *)of)->inner);
    free(of);
}

static omen_status do_remove(void *ctx, const char *name) {
    around *a = ctx;
    watched_file kind = kind_of(name);
    watched_when when = enter(a->w, kind, WATCHED_REMOVE);
    return leave(a->w, kind, WATCHED_REMOVE, when, a->inner.ops->remove(a->inner.ctx, name));
}

static void do_release(void *ctx) {
    around *a = ctx;
    a->inner.ops->release(a->inner.ctx);
    free(a);
}

static const omen_storage_ops ops = {sizeof ops, do_list, do_open, do_size, do_read, do_write, do_truncate, do_sync, do_sync_dir, do_close, do_remove, do_release, NULL, NULL};

omen_status watched_storage(watched *w, const omen_storage *inner, omen_storage *out) {
    around *a = malloc(sizeof *a);
    if (a == NULL) {
        inner->ops->release(inner->ctx);
        return OMEN_ERR_MEMORY;
    }
    *a = (around){w, *inner};
    *out = (omen_storage){a, &ops};
    return OMEN_OK;
}
