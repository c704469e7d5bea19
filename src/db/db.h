/* db.h - the database object and the parts its files share.
 *
 * Locks, always taken in this order: maintenance, sync, write, version. None is held while a host call is pending. On hosts without locks
 * they cost nothing.
 *   index        the index being built (indexing.h); held for one step of it, taken before all others
 *   maintenance  the one queue of background work (db_maintain.c)
 *   sync         which LSNs are durable, and the one sync under way (db_sync.c)
 *   write        log, active tables, next LSN; held for one step of a write (db_write.c)
 *   version      the current version and the visible LSN; held for nanoseconds
 *
 * Writes take turns: a write joins the queue at its first step and only the first in the queue moves on, whether or not it waits for the host
 * in between. So a write that reads first (insert, update, delete) sees exactly what was written before it.
 */
#ifndef OMEN_DB_DB_H
#define OMEN_DB_DB_H

#include "base/later.h"
#include "db/metrics.h"
#include "db/version.h"
#include "store/manifest.h"

/* Frozen generations that may wait for their flush before writes have to help. */
#define OMEN_MAX_FROZEN 2u

typedef struct omen_lock {
    const omen_host *host;
    void *handle; /* NULL: the host has no locks */
} omen_lock;
omen_status omen_lock_init(omen_lock *l, const omen_host *host);
void omen_lock_deinit(omen_lock *l);
static inline void omen_lock_take(omen_lock *l) { if (l->handle != NULL) l->host->lock_acquire(l->host->ctx, l->handle); }
static inline void omen_lock_drop(omen_lock *l) { if (l->handle != NULL) l->host->lock_release(l->host->ctx, l->handle); }

/* A place in the queue of writes. */
typedef struct omen_turn {
    struct omen_turn *next;
    bool queued;
} omen_turn;

/* Tables frozen together, and the log epochs that hold them. */
typedef struct omen_frozen {
    uint64_t generation;
    uint64_t first_epoch, last_epoch;
    uint64_t last_lsn;
} omen_frozen;

typedef struct omen_old_log { struct omen_old_log *next; omen_log *log; } omen_old_log;

typedef struct omen_sync_state {
    bool running;        /* a sync is under way, up to target */
    uint64_t target;
    omen_log *log;       /* being synced now; NULL: the next one is still to be chosen */
    bool log_is_old;
} omen_sync_state;

/* A part that no version has any more, but the manifest names, with its indexes (NULL: none). References. */
typedef struct omen_orphan { omen_part *part; omen_index_set *indexes; } omen_orphan;

/* An index that the manifest names and that could not be read when the database was opened: of which segment, and why. Indexes for which there was no room
 * are none. */
typedef struct omen_lost_index { uint64_t part; omen_error why; } omen_lost_index;

typedef struct omen_job omen_job;

struct omen_db {
    const omen_host *host;
    omen_mem mem;
    omen_store store;
    omen_options options;
    omen_engine_metrics metrics;
    omen_log_metrics log_metrics;
    uint64_t opened_ns;
    bool storage_open;
    bool encrypted;           /* a storage that encrypts is around the one that was opened */

    omen_lock index_lock;
    omen_lock maintain_lock;
    omen_manifest *manifest;
    uint64_t next_file;
    uint64_t log_first_epoch; /* the manifest's: older logs are not needed */
    uint64_t flushed_lsn;     /* every LSN up to here lies in segments */
    uint64_t proven_lsn;      /* the manifest says that every LSN up to here was durable when it was read; written manifests say it at least */
    omen_buf proof;           /* the manifest that a close writes */
    _Atomic(omen_job *) job;  /* changed under the maintenance lock */
    uint64_t merge_bytes;     /* parts of together more than this are not merged of our own accord: there was no memory for it */

    omen_lock sync_lock;
    omen_sync_state sync;
    _Atomic uint64_t durable_lsn;

    omen_lock write_lock;
    omen_turn *turn_first, *turn_last;
    omen_log *log;            /* NULL when read-only */
    omen_log *next_log;       /* of the next epoch, while its creation is pending */
    uint64_t next_log_durable;
    bool next_log_ready;
    omen_old_log *old_logs;   /* of earlier epochs, not yet synced to their end; oldest first */
    uint64_t next_lsn;
    uint64_t epoch;
    uint64_t active_generation;
    uint64_t active_first_epoch;
    uint64_t active_records;  /* records in the active generation's tables */
    uint32_t next_collection_id;
    _Atomic uint64_t schema_lsn; /* of the last change of the collections; set before a version shows it */
    _Atomic bool poisoned;
    omen_error poison;        /* why */
    _Atomic uint64_t unsynced_since_ns; /* when the oldest unsynced write was made; 0: none */

    omen_lock version_lock;
    omen_db_version *current;
    omen_limbo *limbo;        /* of the current version, or the next */
    uint64_t visible_lsn;
    omen_frozen frozen[OMEN_MAX_TABLES];
    uint32_t frozen_count;
    omen_buf garbage;         /* u64 numbers of segment files nobody needs */
    omen_buf orphans;         /* omen_orphan: parts of dropped collections, until a manifest without them is durable */

    struct omen_indexing *indexing; /* the index being built (db_indexing.c) */
    _Atomic bool index_due;   /* something may have come up that wants an index */
    _Atomic uint64_t index_retry_ns; /* when one that failed may be tried again; 0: none waits */
    uint64_t index_failed;    /* under the maintenance lock: builds that failed, and why the last one did */
    omen_status index_failure;
    omen_error index_error;
    omen_buf lost;            /* omen_lost_index, from the open; says something as long as the manifest is that generation */
    uint64_t lost_generation;
};

/* ---- snapshots (db_snapshot.c) ---- */

typedef struct omen_snapshot {
    omen_db *db;
    omen_db_version *version;
    uint64_t lsn;
} omen_snapshot;
void omen_snapshot_take(omen_db *db, omen_snapshot *out);
void omen_snapshot_share(const omen_snapshot *s, omen_snapshot *out); /* the same moment once more, to be released by itself */
void omen_snapshot_release(omen_snapshot *s); /* zeroed is fine */
/* The names and schemas of all collections, as an array. */
void omen_collections_write_json(omen_db *db, omen_jw *w);
/* The current version, a reference: maintenance may replace it at any moment. End with omen_version_drop. */
omen_db_version *omen_version_current(omen_db *db);
/* Makes build(arg, current) the current version, under the version lock, so that no change is lost. OMEN_ERR_MEMORY when it answers NULL. */
omen_status omen_version_update(omen_db *db, omen_db_version *(*build)(void *arg, const omen_db_version *current), void *arg, omen_error *err);
/* Makes room for bytes that have priority over blocks that are kept: those yield, as many as needed, and go with the readers that are there. The
 * maintenance lock is held. */
void omen_make_room(omen_db *db, uint64_t bytes);
void omen_version_drop(omen_db *db, omen_db_version *v); /* unref; the files of parts that went become garbage */

/* Where an id's newest record lies. */
typedef struct omen_place {
    const omen_entry *entry; /* in table number `row`, or */
    const omen_part_state *part;
    uint32_t row;
} omen_place;
/* Finds the live record of an id in a snapshot; neither entry nor part: there is none. [may pend] */
omen_status omen_snapshot_find(const omen_snapshot *s, const omen_coll_version *v, omen_key key, uint64_t hash, omen_place *out, omen_error *err);
/* The same of rows->hashes[at], for ids that are looked for one after another: parts are asked for OMEN_AHEAD of them at once. `ahead` keeps what they said: zeros before the
 * first call, then the same snapshot, version and rows. likely: the ids are expected to be there. [may pend] */
#define OMEN_AHEAD OMEN_PART_MANY
typedef struct omen_ahead { uint32_t from, count, rows[OMEN_AHEAD], parts[OMEN_AHEAD]; } omen_ahead;
struct omen_rows;
omen_status omen_snapshot_find_next(const omen_snapshot *s, const omen_coll_version *v, const struct omen_rows *rows, uint32_t at, bool likely, omen_ahead *ahead,
                                    omen_place *out, omen_error *err);
/* Whether a table newer than table number `newer_than` (UINT32_MAX: any table) knows the id. Never pends. */
bool omen_snapshot_replaced(const omen_snapshot *s, const omen_coll_version *v, uint32_t newer_than, omen_key key, uint64_t hash);
/* The row of a live part record of this id, newest part first; *part NULL: none. [may pend] */
omen_status omen_snapshot_find_part(const omen_coll_version *v, omen_key key, uint64_t hash, const omen_part_state **part, uint32_t *row, omen_error *err);

/* ---- opening and closing (db_open.c) ---- */

typedef struct omen_open_op omen_open_op;
/* options are resolved (profile applied, host set); path, storage and database id are copied, the host is borrowed. */
omen_status omen_open_op_new(const char *path, const omen_options *options, omen_open_op **out, omen_error *err);
omen_status omen_open_op_step(omen_open_op *op, omen_db **out, omen_error *err); /* repeat on PENDING */
void omen_open_op_free(omen_open_op *op);
/* Frees the database. Nothing may be under way; durability is the caller's business (omen_sync_step first). */
void omen_db_free(omen_db *db);
/* Payload of the manifest for the current version (db_manifest.c). */
typedef struct omen_manifest_part {
    omen_segment_info info;
    bool has_index[OMEN_MAX_VECTOR_FIELDS];
    omen_segment_info indexes[OMEN_MAX_VECTOR_FIELDS];
} omen_manifest_part;
typedef struct omen_manifest_coll { omen_coll *coll; uint32_t part_count; omen_manifest_part *parts; } omen_manifest_coll;
typedef struct omen_manifest_body {
    uint64_t next_file, log_first_epoch, last_epoch, flushed_lsn;
    uint64_t durable_lsn; /* every LSN up to here was durable when the manifest was written; at least flushed_lsn */
    uint32_t next_collection_id, count;
    omen_manifest_coll *colls; /* in the arena */
} omen_manifest_body;
omen_status omen_manifest_encode(omen_db *db, const omen_db_version *v, uint64_t log_first_epoch, uint64_t flushed_lsn, omen_buf *out, omen_error *err);
/* durable_lsn of a payload that omen_manifest_decode took. */
uint64_t omen_manifest_proven(const uint8_t *payload, size_t len);
/* The same payload with another durable_lsn; what a payload of version 1 holds becomes one of version 2. OMEN_ERR_MEMORY. */
omen_status omen_manifest_prove(const uint8_t *payload, size_t len, uint64_t durable_lsn, omen_buf *out);
omen_status omen_manifest_decode(omen_mem *m, omen_arena *a, const uint8_t *payload, size_t len, omen_manifest_body *out, omen_error *err);

/* ---- writing (db_write.c, db_sync.c) ---- */

typedef struct omen_write_op omen_write_op;
typedef enum omen_write_kind {
    OMEN_KIND_UPSERT = 1, OMEN_KIND_INSERT = 2, OMEN_KIND_UPDATE = 3, /* as omen_write_mode */
    OMEN_KIND_DELETE = 4,
    OMEN_KIND_CREATE = 5, OMEN_KIND_DROP = 6, /* collections */
    OMEN_KIND_ROTATE = 7, /* freeze the active tables, if they hold anything */
    OMEN_KIND_INDEX = 8   /* other parameters of a field's index */
} omen_write_kind;
/* A write of rows to a collection. The rows are set with omen_write_op_rows afterwards: their arena is the op's. */
omen_status omen_write_op_new(omen_db *db, omen_coll *coll, omen_write_kind kind, omen_write_op **out, omen_error *err);
omen_arena *omen_write_op_arena(omen_write_op *op);
omen_rows *omen_write_op_rows(omen_write_op *op);
/* For CREATE and DROP: the name, and for CREATE the schema (NULL: the collection must exist). Copied. */
omen_status omen_write_op_collection(omen_write_op *op, omen_str name, const omen_schema *schema, omen_error *err);
/* For INDEX: the field ("": the only or default one) and what its index is to be; checks both. */
omen_status omen_write_op_index(omen_write_op *op, omen_str field, const omen_index_options *options, omen_error *err);
/* For DELETE and UPDATE instead of rows: what a filter selects when the write's turn comes; patch: of an UPDATE. Both are copied and checked. */
omen_status omen_write_op_where(omen_write_op *op, omen_str filter, omen_str patch, omen_error *err);
/* For DELETE: what is over by its time to live; of more than OMEN_MAX_BATCH records the first by id. Nothing where the collection has none. OMEN_ERR_MEMORY. */
omen_status omen_write_op_expire(omen_write_op *op, omen_error *err);
/* Checks the rows. Nothing has changed when it fails. */
omen_status omen_write_op_check(omen_write_op *op, omen_error *err);
/* Step until visible (wait_durable false) or durable as the options say. Repeat on PENDING. */
omen_status omen_write_op_step(omen_write_op *op, bool wait_durable, omen_error *err);
uint64_t omen_write_op_commit(const omen_write_op *op);  /* LSN to wait for */
uint64_t omen_write_op_count(const omen_write_op *op);   /* records written or deleted */
uint64_t omen_write_op_generation(const omen_write_op *op); /* the active one after it; frozen ones are below */
omen_coll *omen_write_op_taken(omen_write_op *op);       /* CREATE, INDEX: the collection as it is now, a reference */
void omen_write_op_free(omen_write_op *op);              /* leaves the queue */

/* Makes every LSN up to `lsn` durable. Step: repeat on PENDING. */
omen_status omen_sync_step(omen_db *db, uint64_t lsn, omen_error *err);
/* Syncs and closes the logs of epochs up to `epoch`, all of whose records are durable. Step: repeat on PENDING. */
omen_status omen_sync_old_logs(omen_db *db, uint64_t epoch, omen_error *err);
/* The last act of a clean close, after the last sync: the manifest says what is durable, so that damage to the log can be told from a write that
 * was cut off (proof.c). Nothing where it says so already. Step: repeat on PENDING. */
omen_status omen_prove_step(omen_db *db);
uint64_t omen_last_lsn(omen_db *db);
/* The database stops writing; the first reason is kept. Answers s. */
omen_status omen_poison(omen_db *db, omen_status s, const omen_error *why);
omen_status omen_poisoned(omen_db *db, omen_error *err); /* OMEN_OK, or OMEN_ERR_POISONED with the reason */

/* ---- maintenance (db_maintain.c) ---- */

/* What a step may do beside flushing and the merging that is due: merge all parts of each collection into one; build indexes. */
enum { OMEN_DO_MERGE_ALL = 1u, OMEN_DO_INDEXES = 2u };
/* One step of the most urgent job. *more: there is more to do. Repeat on PENDING. */
omen_status omen_maintain_step(omen_db *db, uint32_t what, bool *more, omen_error *err);
/* Whether a segment's or index's file is one of the current version, of the manifest, or of an index being built. The maintenance lock is held, and no job is under way. */
bool omen_file_needed(omen_db *db, uint64_t number);
/* Begins a merge of this part of a collection alone, unless another job is under way (*begun tells): steps of maintenance do it. *there: the current version has the part;
 * it has not once it is rewritten. OMEN_ERR_MEMORY, _POISONED. */
omen_status omen_maintain_rewrite(omen_db *db, uint32_t coll, const omen_part *part, bool *there, bool *begun, omen_error *err);
uint32_t omen_frozen_count(omen_db *db);
bool omen_maintain_due(omen_db *db); /* whether wake is worth a call */
bool omen_unsynced(omen_db *db);     /* a group commit waits for its time */
/* Waits for frozen generations up to `generation`. Step: repeat on PENDING. */
omen_status omen_flush_step(omen_db *db, uint64_t generation, omen_error *err);
OMEN_LATER void omen_job_abandon(omen_db *db); /* frees a job that will never be finished */

#endif
