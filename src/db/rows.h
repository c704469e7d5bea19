/* rows.h - a batch as columns, checked: what a write carries from the API to log and memtable, and what recovery reads back.
 *
 * Payload of a RECORDS frame (all little-endian, every column padded with zeros to a multiple of 8 bytes):
 *   u32 collection id, u32 kind (1 put, 2 delete), u32 count (1 or more), u32 bit f set: vector field f is there (all, for a put)
 *   u32 x (count + 1)        offsets of the ids, the first 0
 *   bytes                    ids in canonical form
 *   for a put:
 *     vectors x count        of each vector field, as they are stored (column/element.h)
 *     u32 x (count + 1)      offsets of the documents, the first 0
 *     bytes                  documents
 * It is valid if and only if the columns fill the payload exactly, offsets ascend and end at their column's length, ids are
 * canonical, and vectors are what a write accepts.
 */
#ifndef OMEN_DB_ROWS_H
#define OMEN_DB_ROWS_H

#include "db/schema.h"
#include "store/log.h"

enum { OMEN_ROWS_PUT = 1, OMEN_ROWS_DELETE = 2 };

typedef struct omen_rows {
    uint32_t count;
    const uint32_t *key_offsets; /* count + 1 */
    const uint8_t *key_bytes;
    const void *vectors[OMEN_MAX_VECTOR_FIELDS]; /* as stored, but see wide; NULL: not given (update), or a delete */
    uint32_t wide; /* bit f: an F16 field's vectors are floats still, as the caller gave them; omen_rows_check narrows them */
    const uint32_t *doc_offsets; /* count + 1, or NULL: no documents */
    const char *doc_bytes;
    /* Derived by omen_rows_check, in its arena. */
    const uint64_t *hashes;
    const float *norms[OMEN_MAX_VECTOR_FIELDS]; /* for cosine fields given */
} omen_rows;

static inline omen_key omen_rows_key(const omen_rows *r, uint32_t i) {
    return (omen_key){r->key_bytes + r->key_offsets[i], r->key_offsets[i + 1] - r->key_offsets[i]};
}
static inline omen_str omen_rows_doc(const omen_rows *r, uint32_t i) {
    if (r->doc_offsets == NULL || r->doc_offsets[i] == r->doc_offsets[i + 1]) return (omen_str){"", 0};
    return (omen_str){r->doc_bytes + r->doc_offsets[i], r->doc_offsets[i + 1] - r->doc_offsets[i]};
}

/* Gives the rows their vectors of field f as the caller has them: borrowed, count of them. */
void omen_rows_give_vectors(omen_rows *r, const omen_schema *s, uint32_t f, const void *vectors);
/* Encodes the ids and documents of the public form as columns in the arena; vectors are borrowed. OMEN_ERR_ID, _INVALID, _TOO_LARGE, _MEMORY. */
omen_status omen_rows_from_batch(omen_rows *r, omen_arena *a, const omen_schema *s, const omen_batch *b, omen_error *err);
omen_status omen_rows_from_ids(omen_rows *r, omen_arena *a, const omen_id *ids, size_t count, omen_error *err);

/* Checks everything a put must be - ids canonical and unique, vectors finite and (cosine) with a direction, documents JSON objects -,
 * narrows F16 vectors to what is stored, and derives hashes and norms (of what is stored). `partial`: vector fields may be missing (update). Large batches use the host's parallel_for.
 * OMEN_ERR_DUPLICATE_ID, _ID, _NOT_FINITE, _ZERO_VECTOR, _DIMENSION, _JSON, _TOO_LARGE, _MEMORY. */
omen_status omen_rows_check(omen_rows *r, omen_mem *m, omen_arena *a, const omen_schema *s, bool partial, omen_error *err);
/* The ids alone: canonical; duplicates are refused unless allowed. Derives hashes. */
omen_status omen_rows_check_ids(omen_rows *r, omen_mem *m, omen_arena *a, bool duplicates, omen_error *err);

/* Sets repeats[i] (count bytes) where an earlier row has the same id. After omen_rows_check_ids. */
omen_status omen_rows_mark_repeats(const omen_rows *r, omen_mem *m, uint8_t *repeats, omen_error *err);

/* Appends the rows to the log as one atomic batch: frames of about 4 MiB, the last with COMMIT. Row i has LSN first_lsn + i. */
omen_status omen_rows_append(const omen_rows *r, omen_log *log, uint32_t collection, uint32_t kind, const omen_schema *s, uint64_t first_lsn,
                             uint64_t durable_lsn, omen_error *err);
/* Collection id of a payload, before its schema is known. OMEN_ERR_CORRUPT. */
omen_status omen_rows_peek(const uint8_t *payload, size_t len, uint32_t *collection, uint32_t *kind, omen_error *err);
/* Reads a payload; columns point into it. Derives hashes and norms. OMEN_ERR_CORRUPT, _MEMORY. */
omen_status omen_rows_decode(omen_rows *r, omen_mem *m, omen_arena *a, const omen_schema *s, const uint8_t *payload, size_t len, omen_error *err);

#endif
