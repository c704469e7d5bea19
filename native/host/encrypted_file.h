/* encrypted_file.h - what an encrypted file holds, in memory: where each piece of its plaintext lies (encrypted_format.h has the bytes). */
#ifndef OMEN_NATIVE_ENCRYPTED_FILE_H
#define OMEN_NATIVE_ENCRYPTED_FILE_H

#include <pthread.h>
#include <string.h>

#include "host/encrypted_format.h"

/* [from, to) of the plaintext lies in this record. */
typedef struct seal_extent {
    uint64_t from, to;
    omen_seal_record record;
} seal_extent;

/* One file, shared by everybody who has it open. */
typedef struct seal_content {
    struct seal_content *next;
    const omen_host *host;
    unsigned holders;
    char name[64];
    uint8_t file_id[16];
    uint32_t page;
    omen_gcm *data; /* NULL: nothing was ever stored in it */
    pthread_mutex_t lock; /* of all below */
    seal_extent *extents; /* by place, without overlaps; what none covers is lost */
    size_t count, capacity;
    uint64_t size;        /* of the plaintext */
    uint64_t end;         /* of the file: where the next record goes */
    uint8_t *out;         /* the record being written: kept, for new memory costs as much as sealing it */
    size_t out_capacity;
} seal_content;

/* The end of the file is not the end of what was written, and its zeros may be data that never came: what the core makes of a hole in it
 * (log_format.h) is better than what could be said here. */
static inline bool seal_lenient(const char *name) { return strncmp(name, "log-", 4) == 0; }
/* Replaced whole: a write at its start begins it anew. */
static inline bool seal_replaced(const char *name) { return strncmp(name, "manifest-", 9) == 0; }

seal_content *seal_content_new(const omen_host *host, const char *name); /* NULL: out of memory */
void seal_content_free(seal_content *c);
void seal_content_clear(seal_content *c); /* as if it had no records */

/* The record does what it says. OMEN_ERR_MEMORY. */
omen_status seal_apply(seal_content *c, const omen_seal_record *r);

/* Reading the records of a file into a content, in steps. */
typedef struct seal_walk {
    const omen_storage *inner;
    omen_file *file;
    uint64_t at, size;
    uint8_t *window;
    uint64_t window_at;
    size_t window_len, ahead, asked;
    unsigned hits;
} seal_walk;
#define SEAL_WINDOW ((size_t)260 << 10) /* a record of one page, whole */
#define SEAL_AHEAD ((size_t)4 << 10)
omen_status seal_walk_init(seal_walk *w, seal_content *c, const omen_storage *inner, omen_file *file, uint64_t size);
void seal_walk_deinit(seal_walk *w, seal_content *c);
omen_status seal_walk_step(seal_walk *w, seal_content *c); /* OMEN_PENDING: again */

/* Appends a record of `len` bytes of plaintext (NULL: zeros; then len may be of any size), or a cut with kind SEAL_CUT. The lock is held. */
omen_status seal_append(seal_content *c, const omen_storage *inner, omen_file *file, uint32_t kind, uint64_t offset, const uint8_t *plain, uint64_t len);

/* Opens what of the record's pages [first, last] was read (`got` bytes from the first page on) and copies [from, to) of the plaintext. Bad
 * pages are zeros in `into`; *bad says whether there were any, *torn whether they all look like a write that was cut off. */
omen_status seal_extract(seal_content *c, const omen_seal_record *r, uint32_t first, uint32_t last, const uint8_t *sealed, size_t got, uint64_t from, uint64_t to, uint8_t *into,
                         bool *bad, bool *torn);

#endif
