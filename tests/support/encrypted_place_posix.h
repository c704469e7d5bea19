/* encrypted_place_posix.h - a storage that encrypts over one that fails, and whole files of it, for tests. */
#ifndef OMEN_TEST_ENCRYPTED_PLACE_H
#define OMEN_TEST_ENCRYPTED_PLACE_H

#include "encrypted_posix.h"

enum { ROOM = 300000 };

typedef struct place {
    fault_host *host;
    fault_storage *fs;
    omen_storage storage;
} place;

static inline omen_status wrap(place *p, const omen_encryption *e) {
    omen_storage inner = fault_storage_session(p->fs);
    omen_status s = omen_storage_encrypt_on(&p->host->host, &inner, e, &p->storage);
    if (s != OMEN_OK) inner.ops->release(inner.ctx);
    return s;
}

static inline void begin(place *p, uint64_t seed) {
    omen_encryption e = encryption_of(1);
    p->host = fault_host_new(seed);
    p->fs = fault_storage_new(seed);
    CHECK_OK(wrap(p, &e));
}

static inline void release(place *p) { p->storage.ops->release(p->storage.ctx); }

static inline void end(place *p) {
    release(p);
    CHECK_STORAGE(p->fs);
    CHECK_EQ_UINT(fault_host_bytes(p->host), 0);
    fault_storage_free(p->fs);
    fault_host_free(p->host);
}

static inline void reopen(place *p, const omen_encryption *e) {
    release(p);
    CHECK_OK(wrap(p, e));
}

/* Requests, repeated while they pend. */
#define DO(s, request)     \
    do (s) = (request);    \
    while ((s) == OMEN_PENDING)

static inline omen_status open_file(place *p, const char *name, omen_file_mode mode, omen_file **out) {
    omen_status s;
    DO(s, p->storage.ops->open(p->storage.ctx, name, mode, out));
    return s;
}

static inline omen_status sync_file(place *p, omen_file *f) {
    omen_status s;
    DO(s, p->storage.ops->sync(p->storage.ctx, f));
    return s;
}

static inline omen_status read_file(place *p, omen_file *f, uint64_t offset, void *into, size_t len, size_t *got) {
    omen_status s;
    DO(s, p->storage.ops->read_at(p->storage.ctx, f, offset, into, len, got));
    return s;
}

static inline void close_file(place *p, omen_file *f) { p->storage.ops->close(p->storage.ctx, f); }

static inline void pattern(uint8_t *into, size_t len, uint32_t seed) {
    uint32_t x = seed * 2654435761u | 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        into[i] = (uint8_t)x;
    }
}

/* A durable file. */
static inline void put(place *p, const char *name, const void *bytes, size_t len) {
    omen_file *f;
    CHECK_OK(open_file(p, name, OMEN_FILE_CREATE, &f));
    CHECK_OK(p->storage.ops->write_at(p->storage.ctx, f, 0, bytes, len));
    CHECK_OK(sync_file(p, f));
    close_file(p, f);
    omen_status s;
    DO(s, p->storage.ops->sync_dir(p->storage.ctx));
    CHECK_OK(s);
}

/* What opening and reading the whole file answer. */
static inline omen_status content(place *p, const char *name, uint8_t *into, size_t room, size_t *len) {
    omen_file *f;
    uint64_t size;
    *len = 0;
    omen_status s = open_file(p, name, OMEN_FILE_READ, &f);
    if (s != OMEN_OK) return s;
    s = p->storage.ops->size(p->storage.ctx, f, &size);
    if (s == OMEN_OK && size > room) s = OMEN_ERR_TOO_LARGE;
    if (s == OMEN_OK) s = read_file(p, f, 0, into, room, len);
    if (s == OMEN_OK) CHECK_EQ_UINT(*len, size);
    close_file(p, f);
    return s;
}

#endif
