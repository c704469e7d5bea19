/* column/ - what a segment holds of a collection: ids and their indexes, documents, vectors.
 *
 * part.h - a *part* is one immutable run of records of one collection, in the order they were written, stored as sections of
 * one segment. Rows are numbered 0 .. rows-1. A row never changes; which rows are dead (replaced or deleted later) is kept
 * outside, as a bitset the database holds for each part, recorded on disk in the TOMBSTONES sections of newer parts.
 *
 * Sections (all little-endian; the container aligns each to 64 bytes and checks every block):
 *   META           u32 version (1), u32 rows, u32 vector_count, u32 zero, then for each vector field u32 dimensions, u32 metric, u32 element
 *   KEY_OFFSETS    u32 x (rows + 1), the first 0                 } together an Arrow Binary array
 *   KEY_BYTES      canonical ids (base/key.h), back to back      }
 *   KEY_ORDER      u32 x rows: the rows in ascending order of id
 *   KEY_MODEL, KEY_BLOOM, KEY_TAGS   what finds the row of an id (keys.h); absent without rows
 *   KEY_HASH_ROWS  u32 x rows: the rows in ascending order of (omen_key_hash of the id, row); absent when all ids are integers
 *   DOC_OFFSETS    u64 x (rows + 1), the first 0                 } an Arrow LargeBinary array once
 *   DOC_BYTES      JSON texts, back to back, zstd                } decompressed
 *   TEXT_...       inverted indexes of text and sparse fields (text/postings.h)
 *   COLUMNS, COLUMN_STATISTICS, COLUMN_DATA   what the documents hold, by path, in typed arrays (columns_format.h); absent when no row has a document
 *   VECTORS f      rows vectors of field f in the form of its element (element.h), back to back (of f32: an Arrow FixedSizeList); blocks hold
 *                  whole rows
 *   NORMS f        f32 x rows: Euclidean norm of each vector; only for the cosine metric
 *   MULTI_...      fields of several vectors a record (multi.h)
 *   TOMBSTONES     u32 targets, u32 zero, then for each target: 16 bytes hash of the segment, u32 count, u32 zero, then all the
 *                  targets' rows as u32, ascending for each target; absent when there are none
 * Ids are unique within a part.
 */
#ifndef OMEN_COLUMN_PART_H
#define OMEN_COLUMN_PART_H

#include "base/bits.h"
#include "base/key.h"
#include "base/later.h"
#include "column/keys.h"
#include "store/segment.h"

enum {
    OMEN_SECTION_META = 1,
    OMEN_SECTION_KEY_OFFSETS = 2,
    OMEN_SECTION_KEY_BYTES = 3,
    OMEN_SECTION_KEY_ORDER = 4,
    OMEN_SECTION_KEY_HASH_ROWS = 6,
    OMEN_SECTION_DOC_OFFSETS = 7,
    OMEN_SECTION_DOC_BYTES = 8,
    OMEN_SECTION_VECTORS = 9,
    OMEN_SECTION_NORMS = 10,
    OMEN_SECTION_TOMBSTONES = 11
};

/* Rows and id bytes of one part; the database keeps merges below them. */
#define OMEN_PART_MAX_ROWS (1u << 30)
#define OMEN_PART_MAX_KEY_BYTES (1u << 30)

typedef struct omen_part_field {
    uint32_t dimensions;
    uint32_t metric;  /* omen_metric */
    uint32_t element; /* omen_element */
} omen_part_field;

/* What one record has in a field of several vectors: `count` vectors back to back in the form of the field's element, of cosine fields of length 1. 0: it has none. */
typedef struct omen_multi {
    const void *vectors;
    uint32_t count;
} omen_multi;

/* Such a field of an open part. */
typedef struct omen_part_multi {
    omen_part_field of;
    const omen_section *offsets, *vectors; /* NULL: no record of the part has any */
    uint64_t count;                        /* vectors of all records */
} omen_part_multi;

/* ---- reading ---- */

/* What is known of building an index of one field (db/indexing.c keeps it, beside the index lock; reports read it). */
typedef struct omen_part_indexing {
    uint32_t first, given;      /* numbers of index files: the first that was given since the part was opened, and how many */
    _Atomic uint32_t failures;  /* since the last success */
    _Atomic uint64_t after_ns;  /* not tried again before (ticks); 0: at any time */
    _Atomic uint64_t needs[2];  /* memory that a graph, and lists, turned out to need when there was less; 0: not known */
    uint64_t left_out, left_out_bytes; /* number and length of the index file that the manifest named and the open left out; 0: none */
    bool no_room;               /* because it does not fit the memory for indexes; else it is damaged */
    _Atomic bool removed;       /* its file is garbage by now */
} omen_part_indexing;

/* What a room above keeps with an open part: made of the documents (text/part_text.h). */
typedef struct omen_part_extra_ops {
    void (*free)(void *extra);
    /* As omen_part_verify; *place, NULL at first, goes through verify_free. */
    omen_status (*verify)(void *extra, void **place, omen_error *err);
    void (*verify_free)(void *extra, void *place);
} omen_part_extra_ops;

typedef struct omen_part {
    omen_store *store;
    omen_segment *segment;
    _Atomic uint32_t refs;
    bool opened;  /* the segment is; META may still be pending */
    bool complete; /* omen_part_open is done */
    bool bare;     /* only ids, documents and vectors may be believed: what is derived from them is damaged, and is not even open where that could not be opened */
    omen_part_indexing indexing[OMEN_MAX_VECTOR_FIELDS];
    bool unlink;  /* the file goes when the last reference does (set by the database after the manifest forgot it) */
    uint64_t origin; /* number of the oldest segment that its rows were in since the database was opened; 0: it was there then */
    uint32_t rows;
    uint32_t field_count;
    omen_part_field fields[OMEN_MAX_VECTOR_FIELDS];
    const omen_section *key_offsets, *key_bytes, *key_order, *doc_offsets, *doc_bytes;
    uint64_t *doc_starts;           /* instead of DOC_OFFSETS, found again (omen_part_docs); NULL: those are whole */
    omen_keys keys;                 /* rows 0: the part has none, or is still being opened */
    const omen_section *key_bloom, *key_tags, *key_places; /* tags NULL: not needed; places: KEY_ORDER or KEY_HASH_ROWS */
    omen_kept *kept_bloom, *kept_tags, *kept_places, *kept_offsets, *kept_ids; /* where their blocks are kept; NULL: nowhere */
    uint8_t *keys_loading;          /* bytes of KEY_MODEL while it is read */
    size_t keys_loaded;
    const omen_section *vectors[OMEN_MAX_VECTOR_FIELDS], *norms[OMEN_MAX_VECTOR_FIELDS];
    const omen_section *tombstones; /* NULL: none */
    omen_part_multi multi[OMEN_MAX_MULTI_FIELDS];
    uint32_t multi_count;
    struct omen_columns *columns;   /* what the documents hold, by path (columns.h); NULL: no row has a document */
    void *extra;                    /* NULL: nothing */
    const omen_part_extra_ops *extra_ops;
} omen_part;

/* Opens a part and checks that its sections fit `fields` and each other. Step: repeat on PENDING with the same *out (NULL at first); once it is open, nothing happens.
 * One reference. OMEN_ERR_CORRUPT, _IO, _MEMORY. */
omen_status omen_part_open(omen_store *st, const omen_segment_info *info, const omen_part_field *fields, uint32_t field_count,
                           omen_part **out, omen_error *err);
/* The same, but opens nothing that is derived from ids, documents and vectors: for salvage. Such a part finds no id and answers no query. */
omen_status omen_part_open_bare(omen_store *st, const omen_segment_info *info, const omen_part_field *fields, uint32_t field_count,
                                omen_part **out, omen_error *err);
omen_part *omen_part_ref(omen_part *p);
/* Frees at the last reference; answers true when the caller should remove the segment's file (p->unlink was set). */
bool omen_part_unref(omen_part *p);
/* Ids, and the vectors of a field, stay in memory once they were read, as far as the store has room (omen_segment_keep). */
void omen_part_keep(omen_part *p, uint32_t field, bool vectors);

/* Rows in one block of a field's VECTORS section: about 64 KiB of them. */
uint32_t omen_part_rows_per_block(const omen_part_field *field);

/* Reads of single rows. [may pend]: repeat with the same arguments. A row >= rows asserts. */

/* Copies the row's id into `into` (OMEN_KEY_MAX bytes). OMEN_ERR_CORRUPT when it is no valid id. */
omen_status omen_part_key(omen_part *p, uint32_t row, uint8_t *into, omen_key *out, omen_error *err);
/* Row of an id, or UINT32_MAX. */
omen_status omen_part_find(omen_part *p, omen_key key, uint64_t hash, uint32_t *row, omen_error *err);
/* Looks for ids (up to OMEN_PART_MANY) at the same time in what is in memory: far less than one after another. rows[i]: as omen_part_find answers it, or
 * OMEN_PART_UNKNOWN: ask that. likely: most of them are there, as far as anybody knows; else the filter is asked first. Never pends, reads no file. */
#define OMEN_PART_MANY 32u
#define OMEN_PART_UNKNOWN (UINT32_MAX - 1)
void omen_part_find_many(const omen_part *p, const omen_key *keys, const uint64_t *hashes, uint32_t count, bool likely, uint32_t *rows);
/* Parts of omen_part_open and omen_part_unref: opens what finds ids; frees it. */
omen_status omen_part_open_keys(omen_part *p, omen_error *err);
void omen_part_close_keys(omen_part *p);
/* The n-th row in order of id. */
omen_status omen_part_ordered(omen_part *p, uint32_t n, uint32_t *row, omen_error *err);
/* First position in id order whose id is greater than `after` (rows: none). */
omen_status omen_part_order_after(omen_part *p, omen_key after, uint32_t *position, omen_error *err);
/* Appends the row's document to `out`. `place` keeps the place, zero-initialised for each row. */
typedef struct omen_part_doc_place { bool known; uint64_t from, to; size_t at, done; } omen_part_doc_place;
omen_status omen_part_doc(omen_part *p, uint32_t row, omen_part_doc_place *place, omen_buf *out, omen_error *err);
/* The same, with the starts of documents (rows + 1) instead of DOC_OFFSETS; NULL: those. */
omen_status omen_part_doc_from(omen_part *p, const uint64_t *starts, uint32_t row, omen_part_doc_place *place, omen_buf *out, omen_error *err);
/* Where documents begin, found again where blocks of DOC_OFFSETS are damaged (part_docs.c): for checks and salvage. */
#define OMEN_PART_DOC_UNKNOWN UINT64_MAX
typedef struct omen_part_docs omen_part_docs;
OMEN_LATER omen_status omen_part_docs_new(omen_part *p, omen_part_docs **out, omen_error *err); /* borrows the part. OMEN_ERR_MEMORY */
OMEN_LATER omen_status omen_part_docs_step(omen_part_docs *d, omen_error *err); /* step. OMEN_ERR_IO, _MEMORY */
const uint64_t *omen_part_docs_starts(const omen_part_docs *d); /* after it; NULL: nothing is damaged */
void omen_part_docs_give(omen_part_docs *d); /* the part reads by them from now on: nobody else has it */
void omen_part_docs_free(omen_part_docs *d); /* NULL is fine */
/* Reads documents one after another: *text is borrowed until the next. Repeat on PENDING with the same row, or clear `place` first. */
typedef struct omen_part_doc_reader { omen_buf bytes; omen_part_doc_place place; } omen_part_doc_reader; /* zeroed but for bytes, which has its init and deinit */
omen_status omen_part_doc_read(omen_part *p, uint32_t row, omen_part_doc_reader *r, omen_str *text, omen_error *err);
/* Copies the row's vector of a field as it is stored (omen_element_bytes). */
omen_status omen_part_vector(omen_part *p, uint32_t row, uint32_t field, void *into, omen_error *err);

/* Vectors of a run of rows, in place: the block that holds `row`; *first is the block's first row, *count its rows. Release the block. */
omen_status omen_part_vector_block(omen_part *p, uint32_t field, uint32_t row, const omen_block **block, uint32_t *first, uint32_t *count, omen_error *err);
/* The row's vector in place: see omen_segment_row. *norm is its Euclidean norm where the metric is cosine. Release *pin. */
omen_status omen_part_row_vector(omen_part *p, uint32_t field, uint32_t row, uint8_t *buffer, const uint8_t **vector, const omen_block **pin, float *norm, omen_error *err);
/* Hints that a row's vector will be asked for (answers whether it is in memory for good), and its id: what finding it takes, then (near) what was found so. */
bool omen_part_expect_row(const omen_part *p, uint32_t field, uint32_t row);
void omen_part_expect_key(const omen_part *p, uint32_t row, bool near);
/* Copies norms of rows [row, row + count). `done` as in omen_segment_read. */
omen_status omen_part_norms(omen_part *p, uint32_t field, uint32_t row, uint32_t count, float *into, size_t *done, omen_error *err);

/* Calls each(arg, segment hash, rows, count) for every target of the TOMBSTONES section. `scratch` keeps what was read: zero-initialise
 * with omen_buf_init, deinit afterwards. Step: repeat on PENDING. */
typedef struct omen_tombstones { omen_buf bytes; size_t done; } omen_tombstones;
omen_status omen_part_tombstones(omen_part *p, omen_tombstones *scratch,
                                 omen_status (*each)(void *arg, const omen_hash128 *target, const uint32_t *rows, uint32_t count, omen_error *err),
                                 void *arg, omen_error *err);

/* Verifies checksums, the file's hash, and the invariants above. Step: repeat on PENDING with the same *place (NULL at first). */
typedef struct omen_part_check omen_part_check;
OMEN_LATER omen_status omen_part_verify(omen_part *p, omen_part_check **place, omen_error *err);
OMEN_LATER void omen_part_check_free(omen_part *p, omen_part_check *place);

/* ---- writing ---- */

/* Rows to be written, in order. Every function answers for row 0 .. rows-1, may be asked several times and in any order of columns,
 * ascending rows within a column; [may pend]. What they give is borrowed until the next call of the same function. */
typedef struct omen_row_source {
    void *ctx;
    uint32_t rows;
    omen_status (*key)(void *ctx, uint32_t row, omen_key *out, omen_error *err);
    omen_status (*doc)(void *ctx, uint32_t row, omen_str *out, omen_error *err);
    omen_status (*vector)(void *ctx, uint32_t row, uint32_t field, const void **out, omen_error *err); /* as stored */
    omen_status (*norm)(void *ctx, uint32_t row, uint32_t field, float *out, omen_error *err);
    omen_status (*multi)(void *ctx, uint32_t row, uint32_t field, omen_multi *out, omen_error *err); /* of omen_part_writer_multi */
} omen_row_source;

/* Dead rows of one older segment, ascending. */
typedef struct omen_tombstone_target {
    omen_hash128 segment;
    const uint32_t *rows;
    uint32_t count;
} omen_tombstone_target;

typedef struct omen_part_writer omen_part_writer;
/* rows 0 with targets is fine (only deletes). source and targets are borrowed until the writer is freed. */
omen_status omen_part_writer_new(omen_store *st, uint64_t number, const omen_part_field *fields, uint32_t field_count,
                                 const omen_row_source *source, const omen_tombstone_target *targets, uint32_t target_count,
                                 omen_part_writer **out, omen_error *err);
/* Fields of several vectors a record; before the first step. */
void omen_part_writer_multi(omen_part_writer *w, const omen_part_field *fields, uint32_t count);
/* Sections that a room above makes of the documents. row is told each document ("" is none) once, in order; then write is called until *done and writes whole
 * sections. They do not pend. */
typedef struct omen_part_extra_writer {
    void *ctx;
    omen_status (*row)(void *ctx, uint32_t row, omen_str document, omen_error *err);
    omen_status (*write)(void *ctx, omen_segment_writer *out, uint32_t rows, bool *done, omen_error *err);
} omen_part_extra_writer;
/* Before the first step. */
void omen_part_writer_extra(omen_part_writer *w, const omen_part_extra_writer *x);
/* Writes about a block's worth. *done: the segment is complete and durable, *info is filled. Step: repeat until done. */
omen_status omen_part_writer_step(omen_part_writer *w, omen_segment_info *info, bool *done, omen_error *err);
void omen_part_writer_free(omen_part_writer *w);

#endif
