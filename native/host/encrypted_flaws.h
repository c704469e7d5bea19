/* encrypted_flaws.h - files whose header has a damaged slot beside the one that counts (encrypted_format.h): remembered when they are opened, told, and written again. */
#ifndef OMEN_NATIVE_ENCRYPTED_FLAWS_H
#define OMEN_NATIVE_ENCRYPTED_FLAWS_H

#include "host/encrypted_format.h"

typedef struct seal_flaw {
    struct seal_flaw *next;
    char name[64];
    int slot; /* the damaged one */
} seal_flaw;

typedef struct seal_flaws {
    seal_flaw *first;
    omen_file *mending; /* the first one's file, of the storage inside, while requests for it pend; NULL: none */
    bool written;       /* and its slot is, but not synced */
} seal_flaws;

/* What the header of this name is now; slot -1: in order, or gone. OMEN_ERR_MEMORY. */
omen_status seal_flaws_note(seal_flaws *s, const omen_host *host, const char *name, int slot);
/* Writes every damaged slot again from the one that counts, durably. Step; after a failure the rest stays noted. */
omen_status seal_flaws_mend(seal_flaws *s, const omen_host *host, const omen_storage *in, const omen_keyring *ring);
void seal_flaws_free(seal_flaws *s, const omen_host *host, const omen_storage *in);

#endif
