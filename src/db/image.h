/* image.h - a database at one moment, as what another one that is to be the same needs: the segments and indexes of a snapshot, the payload of a manifest
 * that names them, and a log that holds what the snapshot's tables hold.
 *
 * The log is written anew: one epoch, the newest entry of each id, in the order of their LSNs. An image of n such entries and of a snapshot up to LSN l
 * says that LSNs up to l - n were flushed, and gives the n entries the last n of them; so the next LSN after it is that of the original. */
#ifndef OMEN_DB_IMAGE_H
#define OMEN_DB_IMAGE_H

#include "db/copy.h"

typedef struct omen_image {
    omen_db *db;
    omen_snapshot snapshot; /* holds the files: none of them is removed while it is there */
    uint64_t entries;       /* the log is to hold */
    uint64_t epoch;         /* of the log */
    omen_buf payload;       /* of the manifest */
    omen_buf files;         /* omen_segment *, of the snapshot, each once */
    uint64_t bytes;         /* of those */
} omen_image;

/* The database as it is visible now. Never pends. OMEN_ERR_MEMORY. */
omen_status omen_image_take(omen_image *i, omen_db *db, omen_error *err);
void omen_image_drop(omen_image *i); /* zeroed is fine */

/* ---- its log ---- */

typedef struct omen_image_log {
    const omen_image *image;
    omen_store store; /* of the tap, with the database's id: frames carry it */
    omen_tap tap;
    enum { OMEN_IMAGE_CREATE, OMEN_IMAGE_ROWS, OMEN_IMAGE_SYNC, OMEN_IMAGE_OPEN, OMEN_IMAGE_VERIFY, OMEN_IMAGE_DONE } stage;
    omen_log *log;
    uint64_t next_lsn;
    uint32_t coll, table, entry;
    omen_buf key_offsets, key_bytes, doc_offsets, doc_bytes, vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_file *file;
    uint64_t at;
    /* outcome */
    uint64_t length;
    omen_hash128 hash;
} omen_image_log;

/* Into the file `name` of `to`, which must not be there, for a database of this id. OMEN_ERR_MEMORY. */
omen_status omen_image_log_init(omen_image_log *l, const omen_image *image, const omen_store *to, omen_long_name name, const uint8_t database_id[16], omen_error *err);
/* About a mebibyte. *done: it is durable but for its entry in the directory, and was read back. Repeat until done. */
omen_status omen_image_log_step(omen_image_log *l, bool *done, omen_error *err);
void omen_image_log_deinit(omen_image_log *l); /* zeroed is fine */

#endif
