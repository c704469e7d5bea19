/* encrypted_rekey.c - puts a database's files, or those of a place of backups, under another key without writing their data anew.
 *
 * A file's data key stays; it is sealed with the new key in the header slot that does not count, and when that is durable, in the other one
 * too: so at every moment one slot at least is whole and opens with the old key or the new, and in the end neither opens with the old one.
 * A change that was cut off is finished by asking for it again; a slot that is damaged, or was never written, is written beside the one that counts. Whoever has kept a file's data key can still read that file: against them
 * only writing the data anew helps, which compaction does.
 */
#include "host/encrypted.h"

#include <string.h>

#include "base/base.h"
#include "host/encrypted_format.h"

typedef struct names {
    const omen_host *host;
    char (*all)[64];
    size_t count, capacity;
    bool failed;
} names;

/* Names of databases, and of places of backups (src/db/backup.h). */
static bool ours(const char *name) {
    size_t n = strlen(name);
    return strncmp(name, "manifest-", 9) == 0 || strncmp(name, "log-", 4) == 0 || strncmp(name, "seg-", 4) == 0 || (strncmp(name, "data-", 5) == 0 && n == 37) ||
           (strncmp(name, "blog-", 5) == 0 && n == 21) || ((strncmp(name, "backup-", 7) == 0 || strncmp(name, "making-", 7) == 0) && n == 23);
}

static void note(void *arg, const char *name) {
    names *n = arg;
    if (!ours(name) || strlen(name) > 63 || n->failed) return;
    if (n->count == n->capacity) {
        size_t capacity = n->capacity * 2 + 16;
        char (*more)[64] = n->host->resize(n->host->ctx, n->all, n->capacity * sizeof *more, capacity * sizeof *more);
        if (more == NULL) {
            n->failed = true;
            return;
        }
        n->all = more;
        n->capacity = capacity;
    }
    memcpy(n->all[n->count++], name, strlen(name) + 1);
}

/* Requests that pend are repeated until they do not: changing keys is no work for an event loop. */
#define UNTIL_DONE(st, host, request)                                                                               \
    do {                                                                                                            \
        (st) = (request);                                                                                           \
        if ((st) == OMEN_PENDING && (host)->wait != NULL && (host)->wait((host)->ctx) != OMEN_OK) (st) = OMEN_ERR_IO; \
    } while ((st) == OMEN_PENDING)

static omen_status write_slot(const omen_host *host, const omen_storage *in, const omen_keyring *ring, omen_file *f, const char *name, const omen_seal_header *h, int slot,
                              uint64_t generation) {
    uint8_t bytes[SEAL_SLOT];
    omen_status st;
    OMEN_TRY(omen_seal_slot(host, ring, name, h->page, generation, h->file_id, h->data_key, bytes));
    OMEN_TRY(in->ops->write_at(in->ctx, f, (uint64_t)slot * SEAL_SLOT, bytes, sizeof bytes));
    UNTIL_DONE(st, host, in->ops->sync(in->ctx, f));
    return st;
}

static omen_status rekey_file(const omen_host *host, const omen_storage *in, const omen_keyring *ring, const char *name, uint64_t *changed) {
    uint8_t bytes[SEAL_HEADER];
    char why[SEAL_WHY];
    omen_seal_header h;
    omen_file *f = NULL;
    uint64_t size = 0;
    size_t got = 0;
    omen_status st;
    UNTIL_DONE(st, host, in->ops->open(in->ctx, name, OMEN_FILE_WRITE, &f));
    if (st != OMEN_OK) return st;
    st = in->ops->size(in->ctx, f, &size);
    if (st == OMEN_OK) UNTIL_DONE(st, host, in->ops->read_at(in->ctx, f, 0, bytes, (size_t)OMEN_MIN(size, SEAL_HEADER), &got));
    if (st == OMEN_OK) st = omen_seal_open_header(ring, name, bytes, got, size, &h, why);
    if (st == OMEN_OK && !h.only_first) {
        st = write_slot(host, in, ring, f, name, &h, 1 - h.slot, h.generation + 1);
        if (st == OMEN_OK) st = write_slot(host, in, ring, f, name, &h, h.slot, h.generation + 2);
        *changed += st == OMEN_OK;
    } else if (st == OMEN_OK && h.single) {
        st = write_slot(host, in, ring, f, name, &h, 1 - h.slot, h.generation);
    }
    omen_wipe(&h, sizeof h);
    in->ops->close(in->ctx, f);
    return st == OMEN_ERR_NOT_FOUND ? OMEN_OK : st; /* nothing was ever stored in it */
}

omen_status omen_storage_rekey_on(const omen_host *host, const omen_storage *inner, const omen_encryption *encryption, uint64_t *changed) {
    omen_keyring ring;
    names n = {.host = host};
    uint64_t count = 0;
    omen_status st;
    OMEN_TRY(omen_keyring_init(&ring, encryption));
    UNTIL_DONE(st, host, inner->ops->list(inner->ctx, note, &n));
    if (n.failed) st = OMEN_ERR_MEMORY;
    for (size_t i = 0; i < n.count && st == OMEN_OK; i++) st = rekey_file(host, inner, &ring, n.all[i], &count);
    if (n.all != NULL) host->free(host->ctx, n.all, n.capacity * sizeof *n.all);
    omen_keyring_deinit(&ring);
    if (changed != NULL) *changed = count;
    return st;
}

omen_status omen_storage_rekey(const omen_storage *inner, const omen_encryption *encryption, uint64_t *changed) {
    if (inner == NULL || inner->ops == NULL || encryption == NULL) return OMEN_ERR_INVALID;
    return omen_storage_rekey_on(omen_host_native(), inner, encryption, changed);
}
