/* store/ - the shelf: files of the host's storage, the log, the segment container, the manifest, the block pool. It knows
 * nothing of what lies in a section or in a frame's payload.
 *
 * File names (flat, as omendb_host.h asks):
 *   manifest-0, manifest-1      the two slots
 *   log-<epoch, 16 hex digits>  one log file for each epoch
 *   seg-<number, 16 hex digits> segments. A segment's identity is the 128-bit hash of its bytes, kept in the manifest; its
 *                               file is numbered, because a streamed file's hash is known only at its end and nothing is
 *                               ever renamed.
 */
#ifndef OMEN_STORE_STORE_H
#define OMEN_STORE_STORE_H

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/metric.h"

typedef struct omen_file_name { char text[32]; } omen_file_name;
omen_file_name omen_log_file_name(uint64_t epoch);
omen_file_name omen_segment_file_name(uint64_t number);
bool omen_log_file_parse(const char *name, uint64_t *epoch);
bool omen_segment_file_parse(const char *name, uint64_t *number);

/* What every part of this room works with. Borrowed from the database; zero-initialised, then filled. */
typedef struct omen_pool omen_pool;
/* Memory for what stays: whole indexes, and sections that are kept block by block as they are read (omen_segment_keep). */
typedef struct omen_resident {
    uint64_t limit;
    _Atomic uint64_t used;
    _Atomic uint64_t indexes; /* of that, held by indexes */
    _Atomic uint64_t leaving; /* of that, by indexes that only searches under way still hold */
    _Atomic uint64_t coming;  /* beside that: room for an index that is being opened, not for blocks */
} omen_resident;
typedef struct omen_store {
    const omen_host *host;
    omen_storage storage;
    omen_mem *mem;
    omen_pool *pool;
    omen_resident resident;
    uint8_t database_id[16];
    uint32_t slot_crcs[2]; /* of what was last read of each slot of the manifest, valid or not */
    _Atomic bool pends; /* a read has been answered OMEN_PENDING: requests are what reading costs here */
    _Atomic uintptr_t dir_sync_owner; /* who has a sync_dir pending (omen_store_sync_dir) */
    _Atomic bool dir_sync_left;       /* the host still has the request of an owner that went away */
} omen_store;

/* Turns a failing host call into an error that names file and action; PENDING and OK pass. A status the table does not
 * know is answered as OMEN_ERR_IO. */
omen_status omen_store_check(omen_status s, const char *action, const char *file, omen_error *err);

/* The same of a host's storage_open. */
omen_status omen_store_place_check(omen_status s, const char *path, omen_error *err);

/* For what omen_store_check has told of OMEN_ERR_KEY, the storage's own words, if it has any; all else passes. Answers s. */
omen_status omen_store_why(omen_store *st, omen_status s, omen_error *err);

/* What a storage has read although it is damaged (omen_storage_ops.flaws); nothing, of one that does not tell. [may pend, before the first call of `each`] */
omen_status omen_store_flaws(omen_store *st, bool mend, void (*each)(void *arg, const char *name, uint64_t offset, uint64_t bytes), void *arg, omen_error *err);

/* Makes creations and removals durable. Step: repeat on PENDING with the same `owner` (any address that is the caller's own).
 * Two callers must not share one pending request of the host: the second would take the first one's answer for its own, although
 * it may have created a file after that request began. So while one owner's request is pending the others wait (PENDING).
 * An owner that goes away in between says so; whoever comes next lets its request end first, and then makes one of its own. */
omen_status omen_store_sync_dir(omen_store *st, const void *owner, omen_error *err);
void omen_store_sync_dir_abandon(omen_store *st, const void *owner);

/* One read of exactly len bytes; fewer are OMEN_ERR_IO, for callers know the file's size. [may pend] */
omen_status omen_store_read(omen_store *st, omen_file *f, const char *name, uint64_t offset, void *into, size_t len, omen_error *err);
/* Writes in pieces of at most OMEN_WRITE_CHUNK bytes. Never pends. */
#define OMEN_WRITE_CHUNK (1u << 20)
omen_status omen_store_write(omen_store *st, omen_file *f, const char *name, uint64_t offset, const void *bytes, size_t len, omen_error *err);

#endif
