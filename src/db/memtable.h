/* memtable.h - a collection's records since the last flush, in the order they were written. One writer, many readers, no locks: the
 * writer appends and publishes, readers look at what their snapshot's LSN covers.
 *
 * Invariants
 *   - entries ascend by LSN; an entry never changes but for next_lsn, which goes from UINT64_MAX to the LSN of its successor once;
 *   - the index holds, for each id, its newest entry; `older` leads to the one before;
 *   - row r of the vectors belongs to exactly one entry, row_entry[r].
 */
#ifndef OMEN_DB_MEMTABLE_H
#define OMEN_DB_MEMTABLE_H

#include "db/chunks.h"
#include "db/rows.h"

#define OMEN_NO_ROW UINT32_MAX

typedef struct omen_entry {
    uint64_t lsn;
    _Atomic uint64_t next_lsn; /* when a newer entry of this table replaced it; UINT64_MAX: never */
    uint64_t hash;
    const uint8_t *key;
    const char *doc;
    uint32_t key_len, doc_len;
    uint32_t row;   /* OMEN_NO_ROW: the id was deleted */
    uint32_t older; /* entry of the same id before, or UINT32_MAX */
} omen_entry;

typedef struct omen_memtable omen_memtable;

/* One reference. Of the schema its text fields are kept, by a reference. */
omen_memtable *omen_memtable_new(omen_mem *m, const omen_schema_copy *schema);
omen_memtable *omen_memtable_ref(omen_memtable *t);
void omen_memtable_unref(omen_memtable *t);

/* Writing, by one thread at a time. prepare copies the rows' ids and documents and makes room, so that commit cannot fail; a prepare that
 * is not followed by its commit only wastes the memory. Row i gets LSN first_lsn + i. OMEN_ERR_MEMORY; OMEN_ERR_INVALID: a document's sparse field is none; as omen_multi_read: its field
 * of several vectors is none. */
typedef struct omen_memtable_batch { const omen_rows *rows; const uint8_t *keys; const char *docs; omen_multi *multi; /* of each field: rows->count */ uint64_t multi_bytes; } omen_memtable_batch;
omen_status omen_memtable_prepare(omen_memtable *t, const omen_rows *rows, bool erase, omen_memtable_batch *out, omen_error *err);
void omen_memtable_commit(omen_memtable *t, const omen_memtable_batch *b, bool erase, uint64_t first_lsn);
/* Logical bytes: ids, documents, vectors (those of fields of several, too), 64 for each entry and 16 for each term of text and sparse fields. The same on every host. */
uint64_t omen_memtable_bytes(const omen_memtable *t);

/* Reading. */
uint32_t omen_memtable_entries(const omen_memtable *t); /* published so far */
uint32_t omen_memtable_rows(const omen_memtable *t);
/* Rows of what was written up to a moment: those that a snapshot sees, and those among them that were replaced since. */
uint32_t omen_memtable_rows_at(const omen_memtable *t, uint64_t lsn);
const omen_entry *omen_memtable_entry(const omen_memtable *t, uint32_t i);
const omen_entry *omen_memtable_row_entry(const omen_memtable *t, uint32_t row);
/* The id's newest entry with lsn <= snapshot, or NULL. */
const omen_entry *omen_memtable_find(const omen_memtable *t, omen_key key, uint64_t hash, uint64_t snapshot);
/* Vectors (as stored) of rows that lie together from `row` on. */
const void *omen_memtable_vectors(const omen_memtable *t, uint32_t field, uint32_t row, uint32_t *run);
/* The inverted index of a text or sparse field (text/fields.h), whose rows are the table's; NULL: the table has none of it, for its language was not loaded. */
const omen_text_memory *omen_memtable_text(const omen_memtable *t, uint32_t field);
/* What a row has in a field of several vectors a record. */
omen_multi omen_memtable_multi(const omen_memtable *t, uint32_t field, uint32_t row);
const float *omen_memtable_norms(const omen_memtable *t, uint32_t field, uint32_t row, uint32_t *run);
/* Whether the reader sees this entry as its table's newest for the id. */
static inline bool omen_entry_current(const omen_entry *e, uint64_t snapshot) {
    return e->lsn <= snapshot && atomic_load_explicit(&e->next_lsn, memory_order_acquire) > snapshot;
}
static inline omen_key omen_entry_key(const omen_entry *e) { return (omen_key){e->key, e->key_len}; }

#endif
