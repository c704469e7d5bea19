/* copy.c - see copy.h. */
#include "db/copy.h"

#include "base/sort.h"

#define CHUNK (1u << 20)

/* ---- places ---- */

omen_status omen_site_init(omen_site *s, omen_mem *m, const omen_host *host, const char *path, const omen_storage *storage, omen_error *err) {
    memset(s, 0, sizeof *s);
    s->store.host = host;
    s->store.mem = m;
    omen_buf_init(&s->names, m);
    if (storage != NULL) {
        s->store.storage = *storage;
        s->open = true;
    } else if (path == NULL || path[0] == '\0') {
        return omen_fail(err, OMEN_ERR_INVALID, "no path is given, and no storage");
    }
    s->path_bytes = (path == NULL ? 0 : strlen(path)) + 1;
    s->path = omen_alloc(m, s->path_bytes);
    if (s->path == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    memcpy(s->path, path == NULL ? "" : path, s->path_bytes);
    return OMEN_OK;
}

static size_t key_bytes(const omen_encryption *e) { return sizeof *e + e->previous_count * sizeof(omen_encryption_key); }

omen_status omen_site_encrypt(omen_site *s, const omen_encryption *encryption, omen_error *err) {
    if (encryption == NULL) return OMEN_OK;
    if (encryption->struct_size != sizeof *encryption || encryption->previous_count > 16 || (encryption->previous_count != 0 && encryption->previous == NULL))
        return omen_fail(err, OMEN_ERR_INVALID, "the encryption's struct_size is wrong, or it has more than 16 previous keys");
    s->encryption = omen_alloc(s->store.mem, key_bytes(encryption));
    if (s->encryption == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    *s->encryption = *encryption;
    omen_encryption_key *previous = (omen_encryption_key *)(void *)(s->encryption + 1);
    if (encryption->previous_count != 0) memcpy(previous, encryption->previous, encryption->previous_count * sizeof *previous);
    s->encryption->previous = previous;
    return OMEN_OK;
}

static void wipe_keys(omen_site *s) {
    if (s->encryption == NULL) return;
    size_t bytes = key_bytes(s->encryption);
    memset(s->encryption, 0, bytes);
    __asm__ __volatile__("" : : "r"(s->encryption) : "memory"); /* the keys are gone, whatever a compiler thinks of that */
    omen_free(s->store.mem, s->encryption, bytes);
    s->encryption = NULL;
}

static void note(void *arg, const char *name) {
    omen_site *s = arg;
    omen_long_name n = {{0}};
    size_t len = strlen(name);
    /* Longer than any of ours: its beginning, whole characters of it, still tells that the place is not empty. */
    if (len >= sizeof n.text)
        for (len = sizeof n.text - 1; len != 0 && ((uint8_t)name[len] & 0xC0) == 0x80;) len--;
    memcpy(n.text, name, len);
    if (omen_buf_append(&s->names, &n, sizeof n) != OMEN_OK) s->failed = true;
}

static bool name_less(void *arg, const void *a, const void *b) {
    (void)arg;
    return memcmp(a, b, sizeof(omen_long_name)) < 0;
}

omen_status omen_site_open(omen_site *s, uint32_t flags, omen_error *err) {
    const omen_host *host = s->store.host;
    if (!s->open) {
        if (host->storage_open == NULL) return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this host opens no paths; give it a storage");
        omen_status st = host->storage_open(host->ctx, s->path, flags, &s->store.storage);
        if (st == OMEN_ERR_INVALID && (flags & OMEN_STORAGE_APART) != 0)
            return omen_fail(err, st, "\"%.200s\" lies inside of the folder of a database or of backups; choose a place outside of it", s->path);
        if (st == OMEN_ERR_BUSY) return omen_fail(err, st, "\"%.200s\" is open for writing elsewhere; wait until that is done, or close it", s->path);
        if (st == OMEN_ERR_NOT_FOUND) return omen_fail(err, st, "\"%.200s\" does not exist; check the path", s->path);
        OMEN_TRY(omen_store_place_check(st, s->path, err));
        s->open = true;
    }
    if (s->encryption != NULL) {
        omen_storage sealed;
        if (host->storage_encrypt == NULL) return omen_fail(err, OMEN_ERR_UNSUPPORTED, "this host does not encrypt; do without a key, or on a host that does");
        omen_status st = host->storage_encrypt(host->ctx, &s->store.storage, s->encryption, &sealed);
        if (st == OMEN_ERR_INVALID) return omen_fail(err, st, "the keys of an encryption need its struct_size set, and at most 16 previous ones");
        if (st == OMEN_ERR_UNSUPPORTED) return omen_fail(err, st, "encryption needs libcrypto (OpenSSL 1.1 or later), which is not on this machine or not in this build");
        OMEN_TRY(omen_store_check(st, "encrypt", s->path, err));
        s->store.storage = sealed;
        wipe_keys(s);
    }
    if (s->listed) return OMEN_OK;
    OMEN_TRY(omen_store_check(s->store.storage.ops->list(s->store.storage.ctx, note, s), "list", "the files", err));
    if (s->failed) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    omen_sort(s->names.data, s->names.len / sizeof(omen_long_name), sizeof(omen_long_name), name_less, NULL);
    s->listed = true;
    return OMEN_OK;
}

bool omen_site_has(const omen_site *s, const char *name) {
    omen_long_name n = {{0}};
    size_t from = 0, to = s->names.len / sizeof n;
    memcpy(n.text, name, OMEN_MIN(strlen(name), sizeof n.text - 1));
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        int order = memcmp(s->names.data + mid * sizeof n, &n, sizeof n);
        if (order == 0) return true;
        if (order < 0) from = mid + 1;
        else to = mid;
    }
    return false;
}

void omen_site_deinit(omen_site *s) {
    if (s->store.mem == NULL) return;
    if (s->open) s->store.storage.ops->release(s->store.storage.ctx);
    wipe_keys(s);
    omen_buf_deinit(&s->names);
    omen_free(s->store.mem, s->path, s->path_bytes);
    memset(s, 0, sizeof *s);
}

/* ---- files ---- */

void omen_copy_init(omen_copy *c, omen_mem *m, omen_store *to, omen_long_name name, uint64_t length, const omen_hash128 *hash, bool there) {
    *c = (omen_copy){.mem = m, .to = to, .name = name, .length = length, .hash = *hash, .phase = there ? OMEN_COPY_JUDGE : OMEN_COPY_SOURCE};
}

static void close_file(omen_store *st, omen_file **f) {
    if (*f != NULL) st->storage.ops->close(st->storage.ctx, *f);
    *f = NULL;
}

void omen_copy_deinit(omen_copy *c) {
    if (c->mem == NULL) return;
    if (c->from != NULL) close_file(c->from, &c->in);
    close_file(c->to, &c->out);
    omen_hasher_free(c->hasher);
    omen_free(c->mem, c->bytes, CHUNK);
    *c = (omen_copy){0};
}

static const char *source_name(const omen_copy *c, omen_file_name *room) {
    if (c->segment == NULL) return c->from_name.text;
    *room = omen_segment_file_name(omen_segment_info_of(c->segment)->number);
    return room->text;
}

/* A new pass over the bytes. */
static omen_status begin_pass(omen_copy *c, omen_error *err) {
    omen_hasher_free(c->hasher);
    c->hasher = omen_hasher_new(c->mem);
    if (c->bytes == NULL) c->bytes = omen_alloc(c->mem, CHUNK);
    if (c->hasher == NULL || c->bytes == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory copying %s", c->name.text);
    c->at = 0;
    return OMEN_OK;
}

static bool hash_right(const omen_copy *c) {
    omen_hash128 h = omen_hasher_digest(c->hasher);
    return omen_hash128_equal(&h, &c->hash);
}

static omen_status open_target(omen_copy *c, omen_file_mode mode, omen_error *err) {
    omen_file *f = NULL;
    OMEN_TRY(omen_store_check(c->to->storage.ops->open(c->to->storage.ctx, c->name.text, mode, &f), mode == OMEN_FILE_CREATE ? "create" : "open", c->name.text, err));
    c->out = f;
    return OMEN_OK;
}

/* What lies under the name: something else, or the same. */
static omen_status judge(omen_copy *c, omen_error *err) {
    omen_file *f = NULL;
    uint64_t size;
    omen_status s = c->to->storage.ops->open(c->to->storage.ctx, c->name.text, OMEN_FILE_READ, &f);
    if (s == OMEN_ERR_NOT_FOUND) {
        c->phase = OMEN_COPY_SOURCE;
        return OMEN_OK;
    }
    if (s == OMEN_ERR_CORRUPT) { /* a storage with checksums of its own says so itself */
        c->phase = OMEN_COPY_REMOVE;
        return OMEN_OK;
    }
    OMEN_TRY(omen_store_check(s, "open", c->name.text, err));
    c->out = f;
    OMEN_TRY(omen_store_check(c->to->storage.ops->size(c->to->storage.ctx, f, &size), "measure", c->name.text, err));
    OMEN_TRY(begin_pass(c, err));
    c->phase = OMEN_COPY_JUDGE_READ;
    if (size == c->length) return OMEN_OK;
    close_file(c->to, &c->out);
    c->phase = OMEN_COPY_REMOVE;
    return OMEN_OK;
}

/* Reads the next piece of the target and adds it to the hash. *end: all of it was read. */
static omen_status read_target(omen_copy *c, uint64_t *moved, bool *end, omen_error *err) {
    size_t n = (size_t)OMEN_MIN(c->length - c->at, CHUNK);
    if (n != 0) OMEN_TRY(omen_store_read(c->to, c->out, c->name.text, c->at, c->bytes, n, err));
    omen_hasher_update(c->hasher, c->bytes, n);
    c->at += n;
    *moved = n;
    *end = c->at == c->length;
    return OMEN_OK;
}

static omen_status judge_read(omen_copy *c, uint64_t *moved, omen_error *err) {
    bool end = true;
    omen_status s = read_target(c, moved, &end, err);
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT) return s;
    if (!end) return OMEN_OK;
    close_file(c->to, &c->out);
    c->phase = s == OMEN_OK && hash_right(c) ? OMEN_COPY_JUDGE_OPEN : OMEN_COPY_REMOVE;
    return OMEN_OK;
}

static omen_status open_source(omen_copy *c, omen_error *err) {
    if (c->segment == NULL) {
        omen_file *f = NULL;
        uint64_t size;
        omen_status s = c->from->storage.ops->open(c->from->storage.ctx, c->from_name.text, OMEN_FILE_READ, &f);
        if (s == OMEN_ERR_NOT_FOUND) return omen_fail(err, OMEN_ERR_CORRUPT, "%s is missing", c->from_name.text);
        OMEN_TRY(omen_store_check(s, "open", c->from_name.text, err));
        c->in = f;
        OMEN_TRY(omen_store_check(c->from->storage.ops->size(c->from->storage.ctx, f, &size), "measure", c->from_name.text, err));
        if (size != c->length)
            return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: it has %llu bytes instead of %llu", c->from_name.text, (unsigned long long)size, (unsigned long long)c->length);
    }
    c->phase = OMEN_COPY_CREATE;
    return begin_pass(c, err);
}

static omen_status copy_bytes(omen_copy *c, uint64_t *moved, omen_error *err) {
    omen_file_name room;
    size_t n = (size_t)OMEN_MIN(c->length - c->at, CHUNK);
    if (n != 0 && c->segment != NULL) OMEN_TRY(omen_segment_raw(c->segment, c->at, c->bytes, n, err));
    if (n != 0 && c->segment == NULL) OMEN_TRY(omen_store_read(c->from, c->in, c->from_name.text, c->at, c->bytes, n, err));
    omen_hasher_update(c->hasher, c->bytes, n);
    OMEN_TRY(omen_store_write(c->to, c->out, c->name.text, c->at, c->bytes, n, err));
    c->at += n;
    *moved = n;
    if (c->at != c->length) return OMEN_OK;
    if (c->from != NULL) close_file(c->from, &c->in);
    if (!hash_right(c)) return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: its hash is not the one it was written with", source_name(c, &room));
    c->phase = OMEN_COPY_SYNC;
    return OMEN_OK;
}

static omen_status verify(omen_copy *c, omen_error *err) {
    bool end;
    uint64_t ignored;
    OMEN_TRY(read_target(c, &ignored, &end, err));
    if (!end) return OMEN_OK;
    close_file(c->to, &c->out);
    if (!hash_right(c)) return omen_fail(err, OMEN_ERR_IO, "%s does not read back as it was written; do not trust that storage", c->name.text);
    c->fresh = true;
    c->phase = OMEN_COPY_DONE;
    return OMEN_OK;
}

omen_status omen_copy_step(omen_copy *c, uint64_t *moved, bool *done, omen_error *err) {
    const omen_storage *to = &c->to->storage;
    *moved = 0;
    *done = false;
    switch (c->phase) {
    case OMEN_COPY_JUDGE: return judge(c, err);
    case OMEN_COPY_JUDGE_READ: return judge_read(c, moved, err);
    case OMEN_COPY_JUDGE_OPEN: /* whoever wrote it may not have come to its sync */
        OMEN_TRY(open_target(c, OMEN_FILE_WRITE, err));
        c->phase = OMEN_COPY_JUDGE_SYNC;
        return OMEN_OK;
    case OMEN_COPY_JUDGE_SYNC:
        OMEN_TRY(omen_store_check(to->ops->sync(to->ctx, c->out), "sync", c->name.text, err));
        close_file(c->to, &c->out);
        c->phase = OMEN_COPY_DONE;
        break;
    case OMEN_COPY_REMOVE:
        OMEN_TRY(omen_store_check(to->ops->remove(to->ctx, c->name.text), "remove", c->name.text, err));
        c->phase = OMEN_COPY_SOURCE;
        return OMEN_OK;
    case OMEN_COPY_SOURCE: return open_source(c, err);
    case OMEN_COPY_CREATE:
        OMEN_TRY(open_target(c, OMEN_FILE_CREATE, err));
        c->phase = OMEN_COPY_BYTES;
        return OMEN_OK;
    case OMEN_COPY_BYTES: return copy_bytes(c, moved, err);
    case OMEN_COPY_SYNC:
        OMEN_TRY(omen_store_check(to->ops->sync(to->ctx, c->out), "sync", c->name.text, err));
        close_file(c->to, &c->out);
        c->phase = OMEN_COPY_REOPEN;
        return OMEN_OK;
    case OMEN_COPY_REOPEN:
        OMEN_TRY(open_target(c, OMEN_FILE_READ, err));
        c->phase = OMEN_COPY_VERIFY;
        return begin_pass(c, err);
    case OMEN_COPY_VERIFY: OMEN_TRY(verify(c, err)); break;
    case OMEN_COPY_DONE: break;
    }
    *done = c->phase == OMEN_COPY_DONE;
    return OMEN_OK;
}

/* ---- the tap ---- */

static omen_status tap_list(void *ctx, void (*each)(void *arg, const char *name), void *arg) {
    (void)ctx, (void)each, (void)arg;
    return OMEN_OK;
}

static omen_status tap_open(void *ctx, const char *name, omen_file_mode mode, omen_file **out) {
    omen_tap *t = ctx;
    (void)name;
    return t->inner.ops->open(t->inner.ctx, t->name.text, mode, out);
}

static omen_status tap_size(void *ctx, omen_file *f, uint64_t *out) {
    omen_tap *t = ctx;
    return t->inner.ops->size(t->inner.ctx, f, out);
}

static omen_status tap_read(void *ctx, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    omen_tap *t = ctx;
    return t->inner.ops->read_at(t->inner.ctx, f, offset, into, len, got);
}

static omen_status tap_write(void *ctx, omen_file *f, uint64_t offset, const void *bytes, size_t len) {
    omen_tap *t = ctx;
    t->sequential = t->sequential && offset == t->length;
    omen_hasher_update(t->hasher, bytes, len);
    t->length += len;
    return t->inner.ops->write_at(t->inner.ctx, f, offset, bytes, len);
}

static omen_status tap_truncate(void *ctx, omen_file *f, uint64_t size) {
    omen_tap *t = ctx;
    t->sequential = false;
    return t->inner.ops->truncate(t->inner.ctx, f, size);
}

static omen_status tap_sync(void *ctx, omen_file *f) {
    omen_tap *t = ctx;
    return t->inner.ops->sync(t->inner.ctx, f);
}

static omen_status tap_sync_dir(void *ctx) {
    omen_tap *t = ctx;
    return t->inner.ops->sync_dir(t->inner.ctx);
}

static void tap_close(void *ctx, omen_file *f) {
    omen_tap *t = ctx;
    t->inner.ops->close(t->inner.ctx, f);
}

static omen_status tap_remove(void *ctx, const char *name) {
    omen_tap *t = ctx;
    (void)name;
    return t->inner.ops->remove(t->inner.ctx, t->name.text);
}

static void tap_release(void *ctx) { (void)ctx; }

omen_storage omen_tap_storage(omen_tap *t) {
    static const omen_storage_ops ops = {.struct_size = sizeof ops, .list = tap_list, .open = tap_open, .size = tap_size, .read_at = tap_read,
                                      .write_at = tap_write, .truncate = tap_truncate, .sync = tap_sync, .sync_dir = tap_sync_dir,
                                      .close = tap_close, .remove = tap_remove, .release = tap_release};
    return (omen_storage){t, &ops};
}
