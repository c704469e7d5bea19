/* write.h - a write under way; see write.c for its stages. */
#ifndef OMEN_DB_WRITE_H
#define OMEN_DB_WRITE_H

#include "db/db.h"

struct omen_write_op {
    omen_db *db;
    omen_coll *coll; /* NULL for CREATE, DROP and ROTATE */
    omen_write_kind kind;
    uint64_t begun_ns;
    omen_arena arena;
    omen_rows rows;
    /* CREATE, DROP */
    omen_str name;
    omen_schema_copy schema;
    bool has_schema, languages_asked;
    uint32_t drop_id;
    omen_coll *taken;
    /* INDEX */
    uint32_t index_field;
    omen_index_options index;
    /* DELETE and UPDATE by filter */
    struct omen_where *where; /* NULL: the rows are given, or selected already */
    omen_str filter, patch;
    /* place */
    omen_turn turn;
    bool read, rotated, appended;
    bool starved, fed; /* memory ran out: all tables are flushed first; they were, and this is the last try */
    bool unhelped;     /* a flush for want of room had no room itself: the write tries without */
    omen_snapshot snapshot;
    uint32_t at;  /* row being read */
    bool placed;
    omen_place place;
    omen_ahead ahead;
    uint8_t *absent; /* DELETE: this row's id is not there, or stands earlier in the batch */
    /* UPDATE: the records as they will be */
    bool doc_read;
    uint32_t field;
    omen_buf old_doc, docs, doc_offsets;
    omen_part_doc_place doc_place;
    uint8_t *kept[OMEN_MAX_VECTOR_FIELDS]; /* vectors that were not given, as stored */
    /* outcome */
    uint64_t commit, count, generation;
};

/* Payload of a SCHEMA frame: u32 action, u32 collection id; for CREATE: u32 name length, u32 zero, name padded to 8, schema (schema.h);
 * for INDEX: u32 field, u32 kind, codec, m, ef_construction, lists, bits, u32 zero. */
enum { OMEN_SCHEMA_CREATE = 1, OMEN_SCHEMA_DROP = 2, OMEN_SCHEMA_INDEX = 3 };
omen_status omen_schema_frame_encode(uint32_t action, uint32_t id, const omen_coll *coll, omen_buf *out);
omen_status omen_schema_frame_encode_index(uint32_t id, uint32_t field, const omen_index_options *o, omen_buf *out);
/* Applies one to the database during recovery; repeating what is there already changes nothing. OMEN_ERR_CORRUPT. */
omen_status omen_schema_frame_apply(omen_db *db, const uint8_t *payload, size_t len, omen_error *err);

/* The write lock is held, or nobody else knows the database yet. */
omen_status omen_collection_add(omen_db *db, omen_coll *coll, omen_error *err);
omen_status omen_collection_remove(omen_db *db, uint32_t id, omen_error *err);
/* The same collection with `field` indexed as `o` says. *out (may be NULL) is a reference. OMEN_ERR_CLOSED when it is not there. */
omen_status omen_collection_reindex(omen_db *db, uint32_t id, uint32_t field, const omen_index_options *o, omen_coll **out, omen_error *err);

/* Selects the rows of a write by filter (where.c). Its turn has come. Step: repeat on PENDING. */
omen_status omen_where_step(omen_write_op *op, omen_error *err);
void omen_where_free(omen_write_op *op);

/* Freezing (rotate.c). The write lock is held. */
bool omen_rotate_due(omen_db *db);
/* Whether what is left of the memory limit may not do for another table and the flush of one: frozen tables are flushed at once then. */
bool omen_memory_scarce(const omen_db *db);
/* Freezes the active tables and begins the next log epoch. Step: repeat on PENDING; nothing has changed until it answers OK. */
omen_status omen_rotate(omen_db *db, omen_error *err);
/* Only the tables, between two epochs of a recovery: what is replayed next belongs to `next_epoch`. */
omen_status omen_freeze_tables(omen_db *db, uint64_t next_epoch, omen_error *err);

#endif
