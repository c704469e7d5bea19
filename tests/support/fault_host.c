/* fault_host.c - see fault_host.h. */
#include "fault_host.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct image {
    char name[64];
    fault_storage *fs;
    struct locked *writer; /* the session that has it open for writing */
} image;

/* A session of an image: its operations are the image's, but for release, which also gives back the writer's lock. */
typedef struct locked {
    omen_storage inner;
    struct fault_host_state *state;
    struct image *image;
    bool writing;
} locked;

struct fault_host_state {
    image images[FAULT_HOST_IMAGES];
    size_t image_count;
    _Atomic uint64_t bytes, peak, allocs, ticks;
    uint64_t fail_at, rng;
    int64_t wall; /* 0: by ticks */
    bool fail_sticky, fill;
    _Atomic bool hit;
};

static void *must(void *p) {
    if (p == NULL) abort();
    return p;
}

/* ---- memory: each block is preceded by its size, so that a wrong size given back is noticed ---- */

#define PREFIX 64u

static bool refused(struct fault_host_state *s) {
    uint64_t n = atomic_fetch_add(&s->allocs, 1) + 1;
    bool now = s->fail_at != 0 && (s->fail_sticky ? n >= s->fail_at : n == s->fail_at);
    if (now) atomic_store(&s->hit, true);
    return now;
}

static void *host_alloc(void *ctx, size_t size) {
    struct fault_host_state *s = ctx;
    if (refused(s)) return NULL;
    if (size > SIZE_MAX / 4) return NULL; /* as any host would say */
    /* By malloc and a hand's turn: what aligned_alloc cuts off and gives back costs more than all the rest. */
    uint8_t *block = must(malloc(PREFIX + 64 + size)), *p = block + (PREFIX + 64 - (uintptr_t)block % 64);
    memcpy(p - PREFIX, &size, sizeof size);
    memcpy(p - PREFIX + sizeof size, &block, sizeof block);
    if (s->fill) memset(p, 0xa5, size);
    uint64_t now = atomic_fetch_add(&s->bytes, size) + size;
    if (now > atomic_load(&s->peak)) atomic_store(&s->peak, now); /* between threads: nearly */
    return p;
}

static void host_free(void *ctx, void *p, size_t size) {
    struct fault_host_state *s = ctx;
    if (p == NULL) return;
    uint8_t *block;
    size_t was;
    memcpy(&was, (uint8_t *)p - PREFIX, sizeof was);
    memcpy(&block, (uint8_t *)p - PREFIX + sizeof was, sizeof block);
    if (was != size) {
        fprintf(stderr, "fault_host: a block of %zu bytes was freed as one of %zu\n", was, size);
        abort();
    }
    if (s->fill) memset((uint8_t *)p - PREFIX, 0x5a, PREFIX + size);
    atomic_fetch_sub(&s->bytes, size);
    free(block);
}

static void *host_resize(void *ctx, void *p, size_t old_size, size_t new_size) {
    void *q = host_alloc(ctx, new_size);
    if (q == NULL || p == NULL) return q;
    memcpy(q, p, old_size < new_size ? old_size : new_size);
    host_free(ctx, p, old_size);
    return q;
}

/* ---- the rest of the table ---- */

static uint64_t host_ticks(void *ctx) {
    struct fault_host_state *s = ctx;
    return (atomic_fetch_add(&s->ticks, 1) + 1) * 1000;
}

static int64_t host_wall(void *ctx) {
    const struct fault_host_state *s = ctx;
    return s->wall != 0 ? s->wall : INT64_C(1700000000000) + (int64_t)(host_ticks(ctx) / 1000000);
}

static omen_status host_entropy(void *ctx, void *into, size_t len) {
    struct fault_host_state *s = ctx;
    for (size_t i = 0; i < len; i++) {
        s->rng = s->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)into)[i] = (uint8_t)(s->rng >> 56);
    }
    return OMEN_OK;
}

static void *lock_new(void *ctx) {
    (void)ctx;
    atomic_flag *l = must(malloc(sizeof *l));
    atomic_flag_clear(l);
    return l;
}

static void lock_acquire(void *ctx, void *lock) {
    (void)ctx;
    while (atomic_flag_test_and_set_explicit((atomic_flag *)lock, memory_order_acquire)) {}
}

static void lock_release(void *ctx, void *lock) {
    (void)ctx;
    atomic_flag_clear_explicit((atomic_flag *)lock, memory_order_release);
}

static void lock_free(void *ctx, void *lock) {
    (void)ctx;
    free(lock);
}

static omen_status host_wait(void *ctx) {
    (void)ctx;
    return OMEN_OK;
}

/* ---- storages ---- */

#define INNER ((locked *)ctx)->inner.ops
#define CTX ((locked *)ctx)->inner.ctx
static omen_status st_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) { return INNER->list(CTX, each, arg); }
static omen_status st_open(void *ctx, const char *n, omen_file_mode m, omen_file **out) { return INNER->open(CTX, n, m, out); }
static omen_status st_size(void *ctx, omen_file *f, uint64_t *out) { return INNER->size(CTX, f, out); }
static omen_status st_read(void *ctx, omen_file *f, uint64_t at, void *p, size_t n, size_t *got) { return INNER->read_at(CTX, f, at, p, n, got); }
static omen_status st_write(void *ctx, omen_file *f, uint64_t at, const void *p, size_t n) { return INNER->write_at(CTX, f, at, p, n); }
static omen_status st_truncate(void *ctx, omen_file *f, uint64_t size) { return INNER->truncate(CTX, f, size); }
static omen_status st_sync(void *ctx, omen_file *f) { return INNER->sync(CTX, f); }
static omen_status st_sync_dir(void *ctx) { return INNER->sync_dir(CTX); }
static void st_close(void *ctx, omen_file *f) { INNER->close(CTX, f); }
static omen_status st_remove(void *ctx, const char *n) { return INNER->remove(CTX, n); }

static void st_release(void *ctx) {
    locked *l = ctx;
    l->inner.ops->release(l->inner.ctx);
    if (l->image->writer == l) l->image->writer = NULL;
    free(l);
}

static const omen_storage_ops ops = {
    .struct_size = sizeof(omen_storage_ops),
    .list = st_list,
    .open = st_open,
    .size = st_size,
    .read_at = st_read,
    .write_at = st_write,
    .truncate = st_truncate,
    .sync = st_sync,
    .sync_dir = st_sync_dir,
    .close = st_close,
    .remove = st_remove,
    .release = st_release,
};

static image *find(struct fault_host_state *s, const char *name) {
    for (size_t i = 0; i < s->image_count; i++)
        if (strcmp(s->images[i].name, name) == 0) return &s->images[i];
    if (s->image_count == FAULT_HOST_IMAGES) abort();
    image *m = &s->images[s->image_count++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->fs = fault_storage_new(s->rng + s->image_count);
    return m;
}

static omen_status host_storage_open(void *ctx, const char *path, uint32_t flags, omen_storage *out) {
    struct fault_host_state *s = ctx;
    image *m = find(s, path);
    bool writing = (flags & OMEN_STORAGE_READ_ONLY) == 0;
    if (writing && m->writer != NULL) return OMEN_ERR_BUSY;
    if ((flags & OMEN_STORAGE_CREATE) == 0 && fault_storage_count(m->fs) == 0) return OMEN_ERR_NOT_FOUND;
    locked *l = must(calloc(1, sizeof *l));
    *l = (locked){fault_storage_session(m->fs), s, m, writing};
    if (writing) m->writer = l;
    *out = (omen_storage){l, &ops};
    return OMEN_OK;
}

fault_host *fault_host_new(uint64_t seed) {
    fault_host *h = must(calloc(1, sizeof *h));
    struct fault_host_state *s = h->state = must(calloc(1, sizeof *s));
    s->rng = seed;
    s->fill = true;
    h->host = (omen_host){
        .struct_size = sizeof(omen_host),
        .ctx = s,
        .alloc = host_alloc,
        .resize = host_resize,
        .free = host_free,
        .wall_ms = host_wall,
        .ticks_ns = host_ticks,
        .entropy = host_entropy,
        .threads = 1,
        .wait = host_wait,
        .storage_open = host_storage_open,
    };
    return h;
}

void fault_host_free(fault_host *h) {
    for (size_t i = 0; i < h->state->image_count; i++) fault_storage_free(h->state->images[i].fs);
    free(h->state);
    free(h);
}

fault_storage *fault_host_image(fault_host *h, const char *name) { return find(h->state, name)->fs; }

void fault_host_set_image(fault_host *h, const char *name, fault_storage *fs) {
    image *m = find(h->state, name);
    fault_storage_free(m->fs);
    m->fs = fs;
    m->writer = NULL;
}

void fault_host_use_locks(fault_host *h) {
    h->host.lock_new = lock_new;
    h->host.lock_acquire = lock_acquire;
    h->host.lock_release = lock_release;
    h->host.lock_free = lock_free;
}

void fault_host_set_wait(fault_host *h, bool can_wait) { h->host.wait = can_wait ? host_wait : NULL; }

void fault_host_set_wall(fault_host *h, int64_t ms) { h->state->wall = ms; }
void fault_host_set_fill(fault_host *h, bool fill) { h->state->fill = fill; }

void fault_host_fail_alloc_at(fault_host *h, uint64_t n, bool sticky) {
    h->state->fail_at = n > 0 ? h->state->allocs + n : 0;
    h->state->fail_sticky = sticky;
    h->state->hit = false;
}

uint64_t fault_host_allocs(const fault_host *h) { return h->state->allocs; }
uint64_t fault_host_bytes(const fault_host *h) { return h->state->bytes; }
uint64_t fault_host_peak(const fault_host *h) { return h->state->peak; }
bool fault_host_fault_hit(const fault_host *h) { return h->state->hit; }
