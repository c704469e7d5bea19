/* encrypted_flaws.c - see encrypted_flaws.h. What is written is the slot that counts, byte for byte: no key is used for it, and no nonce. */
#include "host/encrypted_flaws.h"

#include <string.h>

#include "base/base.h"

omen_status seal_flaws_note(seal_flaws *s, const omen_host *host, const char *name, int slot) {
    seal_flaw **at = &s->first, *f;
    while ((f = *at) != NULL && strcmp(f->name, name) != 0) at = &f->next;
    if (f != NULL && slot >= 0) {
        f->slot = slot;
    } else if (f != NULL) {
        *at = f->next;
        host->free(host->ctx, f, sizeof *f);
    } else if (slot >= 0) {
        f = host->alloc(host->ctx, sizeof *f);
        if (f == NULL) return OMEN_ERR_MEMORY;
        *f = (seal_flaw){.slot = slot};
        memcpy(f->name, name, strnlen(name, sizeof f->name - 1));
        *at = f;
    }
    return OMEN_OK;
}

static omen_status mend_file(seal_flaws *s, const omen_storage *in, const omen_keyring *ring, const char *name) {
    uint8_t bytes[SEAL_HEADER];
    char why[SEAL_WHY];
    omen_seal_header h;
    uint64_t size;
    size_t got;
    if (s->mending == NULL) OMEN_TRY(in->ops->open(in->ctx, name, OMEN_FILE_WRITE, &s->mending));
    if (!s->written) {
        OMEN_TRY(in->ops->size(in->ctx, s->mending, &size));
        OMEN_TRY(in->ops->read_at(in->ctx, s->mending, 0, bytes, (size_t)OMEN_MIN(size, SEAL_HEADER), &got));
        OMEN_TRY(omen_seal_open_header(ring, name, bytes, got, size, &h, why));
        int slot = h.slot;
        bool damaged = h.damaged;
        omen_wipe(&h, sizeof h);
        if (damaged) OMEN_TRY(in->ops->write_at(in->ctx, s->mending, (uint64_t)(1 - slot) * SEAL_SLOT, bytes + (size_t)slot * SEAL_SLOT, SEAL_SLOT));
        s->written = true;
    }
    return in->ops->sync(in->ctx, s->mending);
}

omen_status seal_flaws_mend(seal_flaws *s, const omen_host *host, const omen_storage *in, const omen_keyring *ring) {
    while (s->first != NULL) {
        omen_status st = mend_file(s, in, ring, s->first->name);
        if (st == OMEN_PENDING) return st;
        if (s->mending != NULL) in->ops->close(in->ctx, s->mending);
        s->mending = NULL;
        s->written = false;
        if (st != OMEN_OK && st != OMEN_ERR_NOT_FOUND) return st;
        (void)seal_flaws_note(s, host, s->first->name, -1); /* takes no memory */
    }
    return OMEN_OK;
}

void seal_flaws_free(seal_flaws *s, const omen_host *host, const omen_storage *in) {
    if (s->mending != NULL) in->ops->close(in->ctx, s->mending);
    for (seal_flaw *f; (f = s->first) != NULL;) {
        s->first = f->next;
        host->free(host->ctx, f, sizeof *f);
    }
}
