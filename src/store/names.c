/* names.c - names of files, and the few ways in which this room speaks to a storage. */
#include "store/store.h"

static omen_file_name numbered(const char *prefix, uint64_t n) {
    static const char digits[] = "0123456789abcdef";
    omen_file_name name;
    memset(&name, 0, sizeof name);
    memcpy(name.text, prefix, 4);
    for (int i = 0; i < 16; i++) name.text[4 + i] = digits[n >> (60 - 4 * i) & 15];
    return name;
}

/* Only what `numbered` writes is accepted: a number has one name. */
static bool parse(const char *name, const char *prefix, uint64_t *out) {
    uint64_t n = 0;
    if (strncmp(name, prefix, 4) != 0) return false;
    name += 4;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') {
            n = n << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            n = n << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false; /* the NUL of a short name ends here */
        }
    }
    if (name[16] != 0) return false;
    *out = n;
    return true;
}

omen_file_name omen_log_file_name(uint64_t epoch) { return numbered("log-", epoch); }
omen_file_name omen_segment_file_name(uint64_t number) { return numbered("seg-", number); }
bool omen_log_file_parse(const char *name, uint64_t *epoch) { return parse(name, "log-", epoch); }
bool omen_segment_file_parse(const char *name, uint64_t *number) { return parse(name, "seg-", number); }

static bool known(omen_status s) {
    switch ((int)s) {
#define X(name, value, text) case value:
        OMEN_STATUS_MAP(X)
#undef X
        return true;
    default:
        return false;
    }
}

omen_status omen_store_check(omen_status s, const char *action, const char *file, omen_error *err) {
    if (!known(s)) return omen_fail(err, OMEN_ERR_IO, "cannot %s %s: the storage answered %d", action, file, (int)s);
    if (s == OMEN_OK || s == OMEN_PENDING) return s;
    /* A storage's own answer: a database that is open for reading only asks for nothing that it would refuse. */
    const char *why = s == OMEN_ERR_READ_ONLY ? "there is no permission for that, or the file system is for reading only" : omen_status_message(s);
    return omen_fail(err, s, "cannot %s %s: %s", action, file, why);
}

omen_status omen_store_place_check(omen_status s, const char *path, omen_error *err) {
    const char *why;
    switch (s) {
    case OMEN_ERR_NAME: why = "is empty or too long for a path, or links lead in a circle; choose another one"; break;
    case OMEN_ERR_FOREIGN: why = "is no folder, or lies below a file; choose another path"; break;
    case OMEN_ERR_READ_ONLY: why = "may not be opened for that: ask for the permission, or, where it is only read, open it for reading only"; break;
    default: return omen_store_check(s, "open", path, err);
    }
    return omen_fail(err, s, "\"%.200s\" %s", path, why);
}

omen_status omen_store_why(omen_store *st, omen_status s, omen_error *err) {
    const omen_storage_ops *ops = st->storage.ops;
    char text[300] = "";
    if (s != OMEN_ERR_KEY || ops == NULL || ops->struct_size < offsetof(omen_storage_ops, why) + sizeof ops->why || ops->why == NULL) return s;
    ops->why(st->storage.ctx, text, sizeof text);
    return text[0] == '\0' ? s : omen_fail(err, s, "%s", text);
}

static omen_status request_sync_dir(omen_store *st, const void *owner, omen_error *err) {
    uintptr_t me = (uintptr_t)owner, nobody = 0;
    omen_status s = omen_store_check(st->storage.ops->sync_dir(st->storage.ctx), "sync", "the directory", err);
    /* Threads may come here together; whoever loses asks again from the start once the winner is done. */
    if (s == OMEN_PENDING) atomic_compare_exchange_strong(&st->dir_sync_owner, &nobody, me);
    else atomic_compare_exchange_strong(&st->dir_sync_owner, &me, 0);
    return s;
}

omen_status omen_store_sync_dir(omen_store *st, const void *owner, omen_error *err) {
    uintptr_t now = atomic_load(&st->dir_sync_owner);
    if (now != 0 && now != (uintptr_t)owner) return OMEN_PENDING;
    if (atomic_load(&st->dir_sync_left)) {
        omen_status s = request_sync_dir(st, owner, err);
        if (s == OMEN_PENDING) return s;
        atomic_store(&st->dir_sync_left, false);
        if (s != OMEN_OK) return s;
    }
    return request_sync_dir(st, owner, err);
}

void omen_store_sync_dir_abandon(omen_store *st, const void *owner) {
    uintptr_t me = (uintptr_t)owner;
    if (atomic_load(&st->dir_sync_owner) != me) return;
    atomic_store(&st->dir_sync_left, true);
    atomic_store(&st->dir_sync_owner, 0);
}

omen_status omen_store_read(omen_store *st, omen_file *f, const char *name, uint64_t offset, void *into, size_t len,
                            omen_error *err) {
    size_t got = 0;
    omen_status s = st->storage.ops->read_at(st->storage.ctx, f, offset, into, len, &got);
    if (s == OMEN_PENDING && !atomic_load_explicit(&st->pends, memory_order_relaxed)) atomic_store_explicit(&st->pends, true, memory_order_relaxed);
    OMEN_TRY(omen_store_check(s, "read", name, err));
    if (got != len)
        return omen_fail(err, OMEN_ERR_IO, "cannot read %s: %zu bytes at %llu instead of %zu", name, got,
                         (unsigned long long)offset, len);
    return OMEN_OK;
}

omen_status omen_store_write(omen_store *st, omen_file *f, const char *name, uint64_t offset, const void *bytes, size_t len,
                             omen_error *err) {
    const uint8_t *p = bytes;
    while (len > 0) {
        size_t n = OMEN_MIN(len, OMEN_WRITE_CHUNK);
        OMEN_TRY(omen_store_check(st->storage.ops->write_at(st->storage.ctx, f, offset, p, n), "write", name, err));
        p += n;
        offset += n;
        len -= n;
    }
    return OMEN_OK;
}

omen_status omen_store_flaws(omen_store *st, bool mend, void (*each)(void *arg, const char *name, uint64_t offset, uint64_t bytes), void *arg, omen_error *err) {
    const omen_storage_ops *ops = st->storage.ops;
    if (ops->struct_size < offsetof(omen_storage_ops, flaws) + sizeof ops->flaws || ops->flaws == NULL) return OMEN_OK;
    return omen_store_check(ops->flaws(st->storage.ctx, mend, each, arg), mend ? "mend" : "ask for damage in", "the storage", err);
}
