/* copy.h - whole files from one storage to another, each read back and compared by its hash; and the places they are copied between.
 *
 * A file that is there already under the same name is kept when it holds the same bytes, so what was broken off goes on where it stopped.
 */
#ifndef OMEN_DB_COPY_H
#define OMEN_DB_COPY_H

#include "db/db.h"

typedef struct omen_long_name { char text[64]; } omen_long_name;

/* ---- a place: a storage that is opened in steps, and the names in it ---- */

typedef struct omen_site {
    omen_store store;
    bool open, listed;
    omen_encryption *encryption; /* ours, wiped when the place is open; NULL: files are plain */
    char *path; /* as messages show it; "" where a storage was given */
    size_t path_bytes;
    omen_buf names; /* omen_long_name, ascending */
    bool failed;
} omen_site;

/* storage (NULL: host->storage_open(path)) is taken over, also on failure. OMEN_ERR_MEMORY; OMEN_ERR_INVALID: neither path nor storage. */
omen_status omen_site_init(omen_site *s, omen_mem *m, const omen_host *host, const char *path, const omen_storage *storage, omen_error *err);
/* Files are encrypted: the keys are copied (NULL: they are plain). Before it is opened. OMEN_ERR_MEMORY, _INVALID. */
omen_status omen_site_encrypt(omen_site *s, const omen_encryption *encryption, omen_error *err);
/* Opens with OMEN_STORAGE_* flags and lists the names. Step: repeat on PENDING. */
omen_status omen_site_open(omen_site *s, uint32_t flags, omen_error *err);
bool omen_site_has(const omen_site *s, const char *name);
void omen_site_deinit(omen_site *s); /* zeroed is fine */

/* ---- one file ---- */

typedef enum omen_copy_phase {
    OMEN_COPY_JUDGE, OMEN_COPY_JUDGE_READ, OMEN_COPY_JUDGE_OPEN, OMEN_COPY_JUDGE_SYNC, OMEN_COPY_REMOVE, OMEN_COPY_SOURCE, OMEN_COPY_CREATE, OMEN_COPY_BYTES,
    OMEN_COPY_SYNC, OMEN_COPY_REOPEN, OMEN_COPY_VERIFY, OMEN_COPY_DONE
} omen_copy_phase;

typedef struct omen_copy {
    omen_mem *mem;
    /* what is copied: an open segment, or a file of a store */
    omen_segment *segment;
    omen_store *from;
    omen_long_name from_name;
    omen_store *to;
    omen_long_name name;
    uint64_t length;
    omen_hash128 hash;
    /* place */
    omen_copy_phase phase;
    bool fresh; /* bytes were copied: it was not there yet */
    omen_file *in, *out;
    uint64_t at;
    omen_hasher *hasher;
    uint8_t *bytes;
} omen_copy;

/* there: a file of that name is in the target, of whatever content; it is kept if it holds the same. begun: zeroed, or deinit'ed. */
void omen_copy_init(omen_copy *c, omen_mem *m, omen_store *to, omen_long_name name, uint64_t length, const omen_hash128 *hash, bool there);
/* About a mebibyte. *moved: bytes that were copied or judged by this step. *done: the file is there, durable but for its entry in the directory, and was
 * read back. OMEN_ERR_CORRUPT: the source is not what its hash says. OMEN_ERR_IO: the target does not answer what was written. Repeat until done. */
omen_status omen_copy_step(omen_copy *c, uint64_t *moved, bool *done, omen_error *err);
void omen_copy_deinit(omen_copy *c);

/* ---- a file that is written sequentially, and hashed on the way ---- */

/* A storage that has one file, whatever name it is asked for: `name` of `inner`. */
typedef struct omen_tap {
    omen_storage inner;
    omen_long_name name;
    omen_hasher *hasher;
    uint64_t length;
    bool sequential; /* all bytes were written in order: hash and length are right */
} omen_tap;
omen_storage omen_tap_storage(omen_tap *t);

#endif
