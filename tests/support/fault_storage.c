/* fault_storage.c - the image, its sessions and its faults; see fault_storage.h. */
#include "fault_storage_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- small things ---- */

static void *must(void *p) {
    if (p == NULL) abort();
    return p;
}

static void *grown(void *p, size_t count, size_t *cap, size_t size) {
    if (count < *cap) return p;
    *cap = *cap ? *cap * 2 : 8;
    return must(realloc(p, *cap * size));
}

uint64_t fault_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void fault_bytes_resize(bytes *b, size_t len) {
    if (len > b->cap) {
        b->cap = len + len / 2 + 64;
        b->data = must(realloc(b->data, b->cap));
    }
    if (len > b->len) memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

bytes fault_bytes_copy(const bytes *b) {
    bytes c = {0};
    fault_bytes_resize(&c, b->len);
    if (b->len > 0) memcpy(c.data, b->data, b->len);
    return c;
}

void fault_apply(bytes *b, const op *o) {
    if (o->data == NULL) {
        fault_bytes_resize(b, o->offset);
        return;
    }
    if (o->offset + o->len > b->len) fault_bytes_resize(b, o->offset + o->len);
    memcpy(b->data + o->offset, o->data, o->len);
}

static void fold(inode *n, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fault_apply(&n->durable, &n->ops[i]);
        free(n->ops[i].data);
    }
    if (count > 0) memmove(n->ops, n->ops + count, (n->op_count - count) * sizeof *n->ops);
    n->op_count -= count;
}

static int dir_find(const directory *d, const char *name) {
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->entries[i].name, name) == 0) return (int)i;
    return -1;
}

void fault_dir_set(directory *d, const char *name, int file) {
    int at = dir_find(d, name);
    if (file < 0) {
        if (at < 0) return;
        memmove(d->entries + at, d->entries + at + 1, (d->count - (size_t)at - 1) * sizeof *d->entries);
        d->count--;
        return;
    }
    if (at < 0) {
        d->entries = grown(d->entries, d->count, &d->cap, sizeof *d->entries);
        at = (int)d->count++;
        memset(&d->entries[at], 0, sizeof *d->entries);
        snprintf(d->entries[at].name, sizeof d->entries[at].name, "%s", name);
    }
    d->entries[at].file = file;
}

static int inode_new(fault_storage *fs) {
    fs->inodes = grown(fs->inodes, fs->inode_count, &fs->inode_cap, sizeof *fs->inodes);
    memset(&fs->inodes[fs->inode_count], 0, sizeof *fs->inodes);
    return (int)fs->inode_count++;
}

static void inode_clear(inode *n) {
    for (size_t i = 0; i < n->op_count; i++) free(n->ops[i].data);
    free(n->ops);
    free(n->durable.data);
    free(n->live.data);
}

fault_storage *fault_storage_new(uint64_t seed) {
    fault_storage *fs = must(calloc(1, sizeof *fs));
    atomic_flag_clear(&fs->busy);
    fs->rng = seed ^ UINT64_C(0x6a09e667f3bcc908);
    return fs;
}

void fault_storage_free(fault_storage *fs) {
    if (fs == NULL) return;
    for (size_t i = 0; i < fs->inode_count; i++) inode_clear(&fs->inodes[i]);
    for (session *s = fs->sessions, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    for (struct omen_file *f = fs->handles, *next; f != NULL; f = next) {
        next = f->next;
        free(f);
    }
    free(fs->inodes);
    free(fs->live.entries);
    free(fs->durable.entries);
    free(fs->name_ops);
    free(fs->waiting);
    free(fs);
}

fault_storage *fault_storage_clone(const fault_storage *fs) {
    fault_storage *c = fault_storage_new(fs->rng);
    for (size_t i = 0; i < fs->inode_count; i++) {
        const inode *from = &fs->inodes[i];
        int at = inode_new(c);
        inode *to = &c->inodes[at];
        to->durable = fault_bytes_copy(&from->durable);
        to->live = fault_bytes_copy(&from->live);
        to->ops = must(calloc(from->op_count + 1, sizeof *to->ops));
        to->op_count = from->op_count;
        to->op_cap = from->op_count + 1;
        to->lost = from->lost;
        for (size_t o = 0; o < from->op_count; o++) {
            to->ops[o] = from->ops[o];
            if (from->ops[o].data == NULL) continue;
            to->ops[o].data = must(malloc(from->ops[o].len + 1));
            memcpy(to->ops[o].data, from->ops[o].data, from->ops[o].len);
        }
    }
    for (size_t i = 0; i < fs->live.count; i++) fault_dir_set(&c->live, fs->live.entries[i].name, fs->live.entries[i].file);
    for (size_t i = 0; i < fs->durable.count; i++) fault_dir_set(&c->durable, fs->durable.entries[i].name, fs->durable.entries[i].file);
    for (size_t i = 0; i < fs->name_op_count; i++) {
        c->name_ops = grown(c->name_ops, c->name_op_count, &c->name_op_cap, sizeof *c->name_ops);
        c->name_ops[c->name_op_count++] = fs->name_ops[i];
    }
    return c;
}

/* ---- settings and questions ---- */

void fault_storage_set_pending(fault_storage *fs, unsigned percent) { fs->pend_percent = percent; }
void fault_storage_set_read_only(fault_storage *fs, bool read_only) { fs->read_only = read_only; }
void fault_storage_set_lies(fault_storage *fs, bool sync, bool sync_dir) { fs->lie_sync = sync, fs->lie_dir = sync_dir; }

static void no_fault(fault_storage *fs) {
    fs->fail_call = fs->short_call = fs->off_call = 0;
    fs->hit = false;
}

void fault_storage_fail_at(fault_storage *fs, uint64_t n, omen_status status, bool sticky) {
    no_fault(fs);
    fs->fail_call = n > 0 ? fs->calls + n : 0;
    fs->fail_status = status;
    fs->fail_sticky = sticky;
}

void fault_storage_power_off_at(fault_storage *fs, uint64_t n) {
    no_fault(fs);
    fs->off_call = n > 0 ? fs->calls + n : 0;
}

void fault_storage_short_read_at(fault_storage *fs, uint64_t n) {
    no_fault(fs);
    fs->short_call = n > 0 ? fs->calls + n : 0;
}

void fault_storage_on_call(fault_storage *fs, void (*watch)(void *arg, const fault_storage *fs), void *arg) { fs->watch = watch, fs->watch_arg = arg; }

uint64_t fault_storage_calls(const fault_storage *fs) { return fs->calls; }
uint64_t fault_storage_changes(const fault_storage *fs) { return fs->changes; }
uint64_t fault_storage_pended(const fault_storage *fs) { return fs->pended; }
bool fault_storage_fault_hit(const fault_storage *fs) { return fs->hit; }
const char *fault_storage_misuse(const fault_storage *fs) { return fs->misuse[0] != 0 ? fs->misuse : NULL; }

unsigned fault_storage_sessions(const fault_storage *fs) {
    unsigned n = 0;
    for (const session *s = fs->sessions; s != NULL; s = s->next) n += !s->released;
    return n;
}

size_t fault_storage_count(const fault_storage *fs) { return fs->live.count; }
const char *fault_storage_name(const fault_storage *fs, size_t i) { return fs->live.entries[i].name; }
bool fault_storage_has(const fault_storage *fs, const char *name) { return dir_find(&fs->live, name) >= 0; }

const uint8_t *fault_storage_data(const fault_storage *fs, const char *name, size_t *len) {
    static const uint8_t nothing[1];
    int at = dir_find(&fs->live, name);
    *len = 0;
    if (at < 0) return NULL;
    const bytes *b = &fs->inodes[fs->live.entries[at].file].live;
    *len = b->len;
    return b->len > 0 ? b->data : nothing;
}

/* The file, without unsynced state. */
static inode *settled(fault_storage *fs, const char *name) {
    int at = dir_find(&fs->live, name);
    if (at < 0) abort(); /* a mistake in the test */
    inode *n = &fs->inodes[fs->live.entries[at].file];
    fold(n, n->op_count);
    return n;
}

void fault_storage_put(fault_storage *fs, const char *name, const void *data, size_t len) {
    fault_storage_delete(fs, name);
    int file = inode_new(fs);
    inode *n = &fs->inodes[file];
    fault_bytes_resize(&n->durable, len);
    if (len > 0) memcpy(n->durable.data, data, len);
    n->live = fault_bytes_copy(&n->durable);
    fault_dir_set(&fs->live, name, file);
    fault_dir_set(&fs->durable, name, file);
}

void fault_storage_set(fault_storage *fs, const char *name, size_t offset, uint8_t byte) {
    inode *n = settled(fs, name);
    if (offset >= n->live.len) abort();
    n->live.data[offset] = n->durable.data[offset] = byte;
}

void fault_storage_xor(fault_storage *fs, const char *name, size_t offset, uint8_t mask) {
    inode *n = settled(fs, name);
    if (offset >= n->live.len) abort();
    fault_storage_set(fs, name, offset, n->live.data[offset] ^ mask);
}

void fault_storage_cut(fault_storage *fs, const char *name, size_t len) {
    inode *n = settled(fs, name);
    fault_bytes_resize(&n->live, len);
    fault_bytes_resize(&n->durable, len);
}

void fault_storage_delete(fault_storage *fs, const char *name) {
    size_t kept = 0;
    fault_dir_set(&fs->live, name, -1);
    fault_dir_set(&fs->durable, name, -1);
    for (size_t i = 0; i < fs->name_op_count; i++)
        if (strcmp(fs->name_ops[i].name, name) != 0) fs->name_ops[kept++] = fs->name_ops[i];
    fs->name_op_count = kept;
}

/* ---- the operations ---- */

static void enter(fault_storage *fs) {
    while (atomic_flag_test_and_set_explicit(&fs->busy, memory_order_acquire)) {}
}

static omen_status leave(fault_storage *fs, omen_status s) {
    atomic_flag_clear_explicit(&fs->busy, memory_order_release);
    return s;
}

static omen_status misuse(fault_storage *fs, const char *what, const char *name) {
    if (fs->misuse[0] == 0) snprintf(fs->misuse, sizeof fs->misuse, "%s%s%s", what, name[0] != 0 ? ": " : "", name);
    return OMEN_ERR_INTERNAL;
}

static const char *name_of(const fault_storage *fs, int file) {
    for (size_t i = 0; i < fs->live.count; i++)
        if (fs->live.entries[i].file == file) return fs->live.entries[i].name;
    return "a removed file";
}

/* Counts a call and says what becomes of it. */
static fate count_call(fault_storage *fs, omen_status *status) {
    if (fs->watch != NULL) fs->watch(fs->watch_arg, fs);
    uint64_t n = ++fs->calls;
    *status = OMEN_OK;
    if (fs->off_call != 0 && n >= fs->off_call) {
        fs->hit = true;
        *status = OMEN_ERR_IO;
        return FAIL;
    }
    if (fs->fail_call != 0 && (fs->fail_sticky ? n >= fs->fail_call : n == fs->fail_call)) {
        fs->hit = true;
        *status = fs->fail_status;
        return FAIL;
    }
    return n == fs->short_call ? SHORT : GO_ON;
}

static bool powered_off(const fault_storage *fs) { return fs->off_call != 0 && fs->calls >= fs->off_call; }

static bool same(const pending *a, const pending *b) {
    return a->kind == b->kind && a->file == b->file && a->offset == b->offset && a->len == b->len && strcmp(a->name, b->name) == 0;
}

static pending request(char kind, const char *name, struct omen_file *file, uint64_t offset, size_t len) {
    pending p = {.kind = kind, .file = file, .offset = offset, .len = len};
    snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

static void forget(fault_storage *fs, size_t i) { fs->waiting[i] = fs->waiting[--fs->waiting_count]; }

/* A request that may pend. Answers true when it is to wait. Otherwise *what and *status say how it ends, as decided when it was made;
 * *first: it was made by this call. */
static bool stalls(fault_storage *fs, pending request, fate *what, omen_status *status, bool *first) {
    *first = true;
    for (size_t i = 0; i < fs->waiting_count && *first; i++) {
        pending *p = &fs->waiting[i];
        if (!same(p, &request)) continue;
        *first = false;
        *what = p->what;
        *status = p->status;
        if (p->left == 0) {
            forget(fs, i);
            return false;
        }
        p->left--;
        fs->pended++;
        return true;
    }
    *what = count_call(fs, status);
    if (powered_off(fs) || fs->pend_percent == 0 || fault_random(&fs->rng) % 100 >= fs->pend_percent) return false;
    fs->waiting = grown(fs->waiting, fs->waiting_count, &fs->waiting_cap, sizeof *fs->waiting);
    request.left = (unsigned)(fault_random(&fs->rng) % 3);
    request.what = *what;
    request.status = *status;
    fs->waiting[fs->waiting_count++] = request;
    fs->pended++;
    return true;
}

static bool name_valid(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > 63 || name[0] == '.') return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len;
}

static omen_status use_session(session *s) {
    if (s->released) return misuse(s->fs, "a call after release", "");
    return OMEN_OK;
}

static omen_status use_file(session *s, struct omen_file *f) {
    if (use_session(s) != OMEN_OK) return OMEN_ERR_INTERNAL;
    if (f->closed) return misuse(s->fs, "a handle used after close", name_of(s->fs, f->file));
    if (f->owner != s) return misuse(s->fs, "a handle used through another session", name_of(s->fs, f->file));
    return OMEN_OK;
}

static omen_status op_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status;
    fate what;
    bool first;
    enter(fs);
    if (use_session(s) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    bool wait = stalls(fs, request('l', "", NULL, 0, 0), &what, &status, &first);
    if (powered_off(fs)) return leave(fs, OMEN_ERR_IO);
    if (wait) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) return leave(fs, status);
    /* Any order is allowed: start somewhere. The names are copied, for the callback may take its time. */
    size_t n = fs->live.count, start = n > 0 ? fault_random(&fs->rng) % n : 0;
    entry *copy = must(malloc((n + 1) * sizeof *copy));
    if (n > 0) memcpy(copy, fs->live.entries, n * sizeof *copy);
    leave(fs, OMEN_OK);
    for (size_t i = 0; i < n; i++) each(arg, copy[(start + i) % n].name);
    free(copy);
    return OMEN_OK;
}

static void add_name_op(fault_storage *fs, const char *name, int file) {
    fs->changes++;
    fs->name_ops = grown(fs->name_ops, fs->name_op_count, &fs->name_op_cap, sizeof *fs->name_ops);
    name_op *o = &fs->name_ops[fs->name_op_count++];
    memset(o, 0, sizeof *o);
    snprintf(o->name, sizeof o->name, "%s", name);
    o->file = file;
    fault_dir_set(&fs->live, name, file);
}

static omen_status op_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status;
    fate what;
    bool first;
    enter(fs);
    *out = NULL;
    if (use_session(s) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    if (!name_valid(name)) return leave(fs, misuse(fs, "a bad name", name));
    bool wait = stalls(fs, request('o', name, NULL, (uint64_t)mode, 0), &what, &status, &first);
    if (powered_off(fs)) return leave(fs, OMEN_ERR_IO);
    if (wait) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) return leave(fs, status);
    if (fs->read_only && mode != OMEN_FILE_READ) return leave(fs, OMEN_ERR_READ_ONLY);
    int at = dir_find(&fs->live, name), file;
    if (mode == OMEN_FILE_CREATE) {
        if (at >= 0) return leave(fs, OMEN_ERR_EXISTS);
        file = inode_new(fs);
        add_name_op(fs, name, file);
    } else {
        if (at < 0) return leave(fs, OMEN_ERR_NOT_FOUND);
        file = fs->live.entries[at].file;
    }
    struct omen_file *f = must(calloc(1, sizeof *f));
    *f = (struct omen_file){.owner = s, .file = file, .mode = mode, .next = fs->handles};
    fs->handles = f;
    fs->inodes[file].handles++;
    s->open_files++;
    *out = f;
    return leave(fs, OMEN_OK);
}

static omen_status op_size(void *ctx, omen_file *f, uint64_t *out) {
    session *s = ctx;
    omen_status status;
    enter(s->fs);
    *out = 0;
    if (use_file(s, f) != OMEN_OK) return leave(s->fs, OMEN_ERR_INTERNAL);
    count_call(s->fs, &status);
    if (status == OMEN_OK) *out = s->fs->inodes[f->file].live.len;
    return leave(s->fs, status);
}

static omen_status op_read(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status;
    fate what;
    bool first;
    enter(fs);
    *got = 0;
    if (use_file(s, f) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    bool wait = stalls(fs, request('r', "", f, offset, len), &what, &status, &first);
    if (powered_off(fs)) return leave(fs, OMEN_ERR_IO);
    if (wait) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) return leave(fs, status);
    const bytes *b = &fs->inodes[f->file].live;
    size_t n = offset < b->len ? b->len - (size_t)offset : 0;
    if (n > len) n = len;
    if (what == SHORT && n > 1) {
        n = 1 + (size_t)(fault_random(&fs->rng) % (n - 1));
        fs->hit = true;
    }
    if (n > 0) memcpy(into, b->data + offset, n);
    *got = n;
    return leave(fs, OMEN_OK);
}

static void add_op(inode *n, size_t offset, const void *data, size_t len) {
    n->ops = grown(n->ops, n->op_count, &n->op_cap, sizeof *n->ops);
    op *o = &n->ops[n->op_count++];
    *o = (op){.offset = offset, .len = len};
    if (data != NULL) {
        o->data = must(malloc(len + 1));
        memcpy(o->data, data, len);
    }
    fault_apply(&n->live, o);
    o->size_after = n->live.len;
}

static omen_status use_for_writing(session *s, omen_file *f) {
    if (use_file(s, f) != OMEN_OK) return OMEN_ERR_INTERNAL;
    if (f->mode == OMEN_FILE_READ) return misuse(s->fs, "a write through a handle for reading", name_of(s->fs, f->file));
    return OMEN_OK;
}

static omen_status op_write(void *ctx, omen_file *f, uint64_t offset, const void *data, size_t len) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status;
    enter(fs);
    if (use_for_writing(s, f) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    count_call(fs, &status);
    if (powered_off(fs)) return leave(fs, OMEN_ERR_IO);
    if (status != OMEN_OK && len > 0) len = (size_t)(fault_random(&fs->rng) % len);
    fs->changes++;
    if (len > 0) add_op(&fs->inodes[f->file], (size_t)offset, data, len);
    return leave(fs, status);
}

static omen_status op_truncate(void *ctx, omen_file *f, uint64_t size) {
    session *s = ctx;
    omen_status status;
    enter(s->fs);
    if (use_for_writing(s, f) != OMEN_OK) return leave(s->fs, OMEN_ERR_INTERNAL);
    count_call(s->fs, &status);
    s->fs->changes++;
    if (status == OMEN_OK) add_op(&s->fs->inodes[f->file], (size_t)size, NULL, 0);
    return leave(s->fs, status);
}

static omen_status op_sync(void *ctx, omen_file *f) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status = OMEN_OK;
    fate what;
    bool first;
    enter(fs);
    if (use_file(s, f) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    inode *n = &fs->inodes[f->file];
    if (n->sync_failed) return leave(fs, misuse(fs, "a sync after one that failed", name_of(fs, f->file)));
    bool wait = stalls(fs, request('s', "", f, 0, 0), &what, &status, &first);
    if (first) {
        if (n->syncing != NULL) return leave(fs, misuse(fs, "two syncs of one file at once", name_of(fs, f->file)));
        n->sync_ops = n->op_count;
        n->syncing = f;
    }
    if (powered_off(fs)) status = OMEN_ERR_IO;
    if (wait && !powered_off(fs)) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) {
        n->sync_failed = true;
        n->syncing = NULL;
        return leave(fs, status);
    }
    if (first && fs->pend_percent == 0) { /* let another thread come between, if there is one that should not */
        leave(fs, OMEN_OK);
        enter(fs);
        n = &fs->inodes[f->file];
    }
    fs->changes++;
    if (!fs->lie_sync) fold(n, n->sync_ops);
    n->syncing = NULL;
    return leave(fs, OMEN_OK);
}

static omen_status op_sync_dir(void *ctx) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status = OMEN_OK;
    fate what;
    bool first;
    enter(fs);
    if (use_session(s) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    if (fs->dir_sync_failed) return leave(fs, misuse(fs, "a sync of the directory after one that failed", ""));
    bool wait = stalls(fs, request('d', "", NULL, 0, 0), &what, &status, &first);
    if (first) fs->dir_sync_ops = fs->name_op_count;
    if (powered_off(fs)) status = OMEN_ERR_IO;
    if (wait && !powered_off(fs)) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) {
        fs->dir_sync_failed = true;
        return leave(fs, status);
    }
    fs->changes++;
    if (!fs->lie_dir) {
        for (size_t i = 0; i < fs->dir_sync_ops; i++) fault_dir_set(&fs->durable, fs->name_ops[i].name, fs->name_ops[i].file);
        fs->name_op_count -= fs->dir_sync_ops;
        if (fs->name_op_count > 0) memmove(fs->name_ops, fs->name_ops + fs->dir_sync_ops, fs->name_op_count * sizeof *fs->name_ops);
    }
    fs->dir_sync_ops = 0;
    return leave(fs, OMEN_OK);
}

static void op_close(void *ctx, omen_file *f) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    enter(fs);
    if (use_file(s, f) == OMEN_OK) {
        f->closed = true;
        inode *n = &fs->inodes[f->file];
        n->handles--;
        if (n->syncing == f) n->syncing = NULL;
        s->open_files--;
        for (size_t i = fs->waiting_count; i-- > 0;)
            if (fs->waiting[i].file == f) forget(fs, i);
    }
    leave(fs, OMEN_OK);
}

static omen_status op_remove(void *ctx, const char *name) {
    session *s = ctx;
    fault_storage *fs = s->fs;
    omen_status status = OMEN_OK;
    fate what;
    bool first;
    enter(fs);
    if (use_session(s) != OMEN_OK) return leave(fs, OMEN_ERR_INTERNAL);
    if (!name_valid(name)) return leave(fs, misuse(fs, "a bad name", name));
    bool wait = stalls(fs, request('u', name, NULL, 0, 0), &what, &status, &first);
    if (powered_off(fs)) return leave(fs, OMEN_ERR_IO);
    if (wait) return leave(fs, OMEN_PENDING);
    if (status != OMEN_OK) return leave(fs, status);
    if (fs->read_only) return leave(fs, OMEN_ERR_READ_ONLY);
    int at = dir_find(&fs->live, name);
    if (at < 0) return leave(fs, OMEN_OK);
    if (fs->inodes[fs->live.entries[at].file].handles > 0) return leave(fs, misuse(fs, "a file removed while open", name));
    add_name_op(fs, name, -1);
    return leave(fs, OMEN_OK);
}

static void op_release(void *ctx) {
    session *s = ctx;
    enter(s->fs);
    if (use_session(s) == OMEN_OK) {
        if (s->open_files > 0) misuse(s->fs, "a release with open files", "");
        s->released = true;
        if (fault_storage_sessions(s->fs) == 0) s->fs->waiting_count = 0; /* nobody will fetch what is under way: the next session's requests are new ones */
    }
    leave(s->fs, OMEN_OK);
}

static const omen_storage_ops ops = {
    .struct_size = sizeof(omen_storage_ops),
    .list = op_list,
    .open = op_open,
    .size = op_size,
    .read_at = op_read,
    .write_at = op_write,
    .truncate = op_truncate,
    .sync = op_sync,
    .sync_dir = op_sync_dir,
    .close = op_close,
    .remove = op_remove,
    .release = op_release,
};

omen_storage fault_storage_session(fault_storage *fs) {
    session *s = must(calloc(1, sizeof *s));
    enter(fs);
    s->fs = fs;
    s->next = fs->sessions;
    fs->sessions = s;
    fs->dir_sync_failed = false; /* a new session is a reopen */
    for (size_t i = 0; i < fs->inode_count; i++) fs->inodes[i].sync_failed = false;
    leave(fs, OMEN_OK);
    return (omen_storage){s, &ops};
}
