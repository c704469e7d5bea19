/* encrypted_posix.h - a fault_host whose databases are encrypted, for tests: what its storages hold went through native/host/encrypted.c, and
 * what its images hold is what lies on the disk. */
#ifndef OMEN_TEST_ENCRYPTED_H
#define OMEN_TEST_ENCRYPTED_H

#include "fault_host.h"
#include "host/encrypted.h"
#include "host/encrypted_gcm.h"

#define SKIP_WITHOUT_LIBCRYPTO()                                              \
    do {                                                                      \
        if (!omen_gcm_available()) TEST_SKIP("there is no libcrypto for this machine"); \
    } while (0)

static inline omen_encryption encryption_of(uint8_t key) {
    omen_encryption e = {.struct_size = sizeof e, .key = {.id = "test"}};
    memset(e.key.bytes, key, sizeof e.key.bytes);
    return e;
}

/* The host's own storage_open, and the keys of what it opens. */
static omen_status (*encrypted_inside)(void *ctx, const char *path, uint32_t flags, omen_storage *out);
static const omen_host *encrypted_host;
static omen_encryption encrypted_with;

static inline omen_status encrypted_open(void *ctx, const char *path, uint32_t flags, omen_storage *out) {
    omen_storage inner;
    omen_status s = encrypted_inside(ctx, path, flags, &inner);
    if (s != OMEN_OK) return s;
    s = omen_storage_encrypt_on(encrypted_host, &inner, &encrypted_with, out);
    if (s != OMEN_OK) inner.ops->release(inner.ctx);
    return s;
}

/* From now on what this host opens is encrypted. One host at a time. */
static inline void encrypt_host(fault_host *h, omen_encryption e) {
    if (h->host.storage_open != encrypted_open) encrypted_inside = h->host.storage_open;
    h->host.storage_open = encrypted_open;
    encrypted_host = &h->host;
    encrypted_with = e;
}

#endif
