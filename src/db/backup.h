/* backup.h - backups, what is made of them, and clones: step machines that copy a database from one place to another.
 *
 * A place of backups is a storage with
 *   data-<hash, 32 hex digits>   segments and indexes, by the hash of their bytes: what several backups have in common is there once
 *   blog-<number, 16 hex>        the log of a backup (image.h)
 *   backup-<number, 16 hex>      its record, written last and never changed: the backup is there when its record is
 *   making-<number, 16 hex>      lies there, durably, while that record is written, and until it is durable
 * A record holds, little-endian:
 *   0 "OMENBKP1"   8 u32 version (1)   12 u32 files   16 u64 number   24 16 bytes id of the database   40 u64 milliseconds since 1970
 *   48 u64 last LSN   56 u64 epoch of the log   64 u64 length of the log   72 16 bytes hash of the log   88 u64 length of the manifest's payload
 *   96 u64 bytes of all files   104 u64 zero   112 16 bytes hash of bytes 0 to 111 and of what follows
 *   128 for each file: u64 number   u64 length   16 bytes hash; then the manifest's payload
 * A record that is not whole was being written when that ended, if making-<number> lies beside it: it counts as not there, and the next backup takes its number. Otherwise it
 * is damaged, and keeps its number and its files until it is removed. Numbers count from 1. One place holds the backups of one database.
 *
 * A database is restored, or cloned, into a place that is absent or empty. While that goes on the file "unfinished" lies there; where it broke off, the same
 * again goes on. The manifest comes last but for that file's removal, so that nothing unfinished can be opened. A manifest beside that file is the one of this backup, and all
 * is there; or of another backup or clone, which nobody was told of: it makes way, unless somebody has written to that database since.
 */
#ifndef OMEN_DB_BACKUP_H
#define OMEN_DB_BACKUP_H

#include "base/later.h"
#include "db/image.h"

typedef struct omen_backup_file { uint64_t number, length; omen_hash128 hash; } omen_backup_file;

typedef enum omen_backup_verdict { OMEN_BACKUP_GOOD, OMEN_BACKUP_CUT, OMEN_BACKUP_DAMAGED, OMEN_BACKUP_NEWER } omen_backup_verdict;

typedef struct omen_backup_record {
    omen_backup_verdict verdict;
    uint64_t number, created_ms, lsn, epoch, log_length, bytes;
    uint8_t database_id[16];
    omen_hash128 log_hash;
    uint32_t file_count;
    const uint8_t *files; /* 32 bytes each; in raw */
    const uint8_t *payload;
    size_t payload_len;
    omen_buf raw;
} omen_backup_record;

omen_long_name omen_backup_name(uint64_t number);
omen_long_name omen_backup_log_name(uint64_t number);
omen_long_name omen_backup_data_name(const omen_hash128 *hash);
omen_long_name omen_backup_making_name(uint64_t number);
bool omen_backup_name_parse(const char *name, uint64_t *number);
bool omen_backup_making_parse(const char *name, uint64_t *number);
bool omen_backup_ours(const char *name); /* a name that a place of backups may hold */
/* Judges r->raw and fills the rest; the number is the one of its name. OMEN_ERR_MEMORY. */
omen_status omen_backup_record_read(omen_backup_record *r);
/* Appends a record; files and payload of the image. OMEN_ERR_MEMORY. */
omen_status omen_backup_record_write(omen_backup_record *r, const omen_image *image, omen_mem *m, omen_buf *out);
omen_backup_file omen_backup_file_at(const omen_backup_record *r, uint32_t i);

typedef enum omen_transfer_kind {
    OMEN_TRANSFER_BACKUP,  /* db -> backups */
    OMEN_TRANSFER_RESTORE, /* backups -> place */
    OMEN_TRANSFER_CLONE,   /* db -> place */
    OMEN_TRANSFER_LIST,    /* backups: tells which there are */
    OMEN_TRANSFER_REMOVE   /* backups: removes one */
} omen_transfer_kind;

typedef struct omen_transfer_args {
    omen_transfer_kind kind;
    const omen_host *host;
    omen_db *db;
    const char *backups_path, *place_path;
    const omen_storage *backups, *place; /* taken over, also on failure and where the kind has no use for it; NULL: the path */
    uint64_t number;                     /* RESTORE: 0 is the latest */
    bool verify;                         /* BACKUP: files of earlier backups are read and compared too, and mended; LIST: everything is read */
    const omen_encryption *backups_key, *place_key; /* copied; NULL: files are plain */
    bool plain;                          /* BACKUP, CLONE: of an encrypted database, RESTORE: of an encrypted backup, without a key: it is meant so */
    omen_str collection;                 /* LIST: tells how many of these ids of a collection each backup holds; copied */
    const omen_rows *ids;                /* NULL: it is not asked; keys only */
    const uint8_t *database_id;          /* CLONE: 16 bytes; NULL: from the host's entropy */
} omen_transfer_args;

typedef struct omen_transfer omen_transfer;
struct omen_transfer {
    omen_transfer_args args;
    omen_mem mem;
    omen_site backups, place;
    const struct omen_transfer_stage *stage;
    uint8_t database_id[16];
    omen_image image;
    omen_image_log image_log;
    omen_copy copy;
    bool copying;
    uint64_t copy_counted; /* of its bytes, in done_bytes */
    omen_buf records;  /* omen_backup_record, ascending in number */
    omen_backup_record *chosen;
    omen_buf trusted;  /* hashes of files of good records, ascending */
    omen_file *file;
    omen_site *file_of;
    omen_buf bytes;
    uint32_t at, record_at, left_at;
    bool keep_all;     /* REMOVE: a record cannot be read, and nobody knows what it needs */
    bool resumed;      /* a restore or clone that broke off goes on */
    bool complete;     /* it had broken off after its end */
    bool dropping;     /* a manifest is there that makes way */
    bool ending;       /* what it makes may be found whole from now on: it is not to be cancelled any more */
    omen_manifest *manifest, *again;
    uint64_t number;
    omen_buf text;     /* LIST: JSON */
    struct omen_holds *holds; /* LIST, of ids (backup_holds.c) */
    /* outcome */
    uint64_t total_bytes, done_bytes, copied_files, copied_bytes, files, lsn;
};

omen_status omen_transfer_new(const omen_transfer_args *args, omen_transfer **out, omen_error *err);
/* Works for about budget_ns (0: to the end). Step: repeat while it answers OMEN_PENDING, or OMEN_OK and not *done. */
omen_status omen_transfer_step(omen_transfer *t, uint64_t budget_ns, bool *done, omen_error *err);
OMEN_LATER void omen_transfer_free(omen_transfer *t); /* NULL is fine; before its end: what was copied stays, and counts for the next time */

/* Files that the database consists of, its log with them; of REMOVE, files removed. */
static inline uint64_t omen_transfer_files(const omen_transfer *t) {
    return t->files + (t->args.kind == OMEN_TRANSFER_BACKUP || t->args.kind == OMEN_TRANSFER_RESTORE || t->args.kind == OMEN_TRANSFER_CLONE);
}

/* ---- the parts of it ---- */

typedef struct omen_transfer_stage { omen_status (*step)(omen_transfer *t, bool *done, omen_error *err); } omen_transfer_stage;
extern const omen_transfer_stage omen_backup_stages[], omen_restore_stages[], omen_clone_stages[], omen_list_stages[], omen_remove_stages[]; /* end with NULL */

/* Stages of several. */
omen_status omen_transfer_read_records(omen_transfer *t, bool *done, omen_error *err);
omen_status omen_transfer_choose(omen_transfer *t, bool *done, omen_error *err);
static inline omen_backup_record *omen_transfer_record(const omen_transfer *t, size_t i) { return (omen_backup_record *)(void *)t->records.data + i; }
static inline size_t omen_transfer_record_count(const omen_transfer *t) { return t->records.len / sizeof(omen_backup_record); }
/* Looks for ids in every good backup: in its segments, whether the row lives or not, and in its log. */
omen_status omen_holds_new(omen_transfer *t, omen_error *err);
omen_status omen_holds_look(omen_transfer *t, bool *done, omen_error *err);
bool omen_holds_count(const omen_transfer *t, uint32_t record, uint64_t *count); /* false: it was not asked, or the backup cannot be read */
void omen_holds_free(omen_transfer *t);
/* The last sync, of what is done already: whether it succeeds changes nothing. [may pend] */
omen_status omen_transfer_sync_last(omen_transfer *t, omen_site *s, bool *done);
/* Steps t->copy; counts what it moved. */
omen_status omen_transfer_copy(omen_transfer *t, bool *done, omen_error *err);
/* t->file: opened (NULL before), closed. [may pend] */
omen_status omen_transfer_open_file(omen_transfer *t, omen_site *s, const char *name, omen_file_mode mode, omen_error *err);
void omen_transfer_close_file(omen_transfer *t);

#endif
