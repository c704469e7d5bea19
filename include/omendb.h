/* omendb.h - the public C API of OmenDB, whole.
 *
 * Conventions
 *   - Functions answer omen_status: OMEN_OK (0), or an OMEN_ERR_* whose detail omen_last_error() tells.
 *   - Strings are omen_str (pointer, length; UTF-8; need not end in NUL). OMEN_STR("literal") makes one.
 *   - Option and argument structs begin with struct_size and are filled by their _init function, so that
 *     they may grow without breaking the ABI.
 *   - What an accessor returns is borrowed and lives as long as the object it was asked of. _free accepts NULL.
 *   - An omen_db and its collections may be used from many threads at once (on hosts with locks). Results
 *     belong to one thread at a time. Reads never wait for a writer: they see the snapshot of their start.
 *   - On a host whose reads may pend and that cannot block (a browser), use omen_call (see the end).
 */
#ifndef OMENDB_H
#define OMENDB_H

#include <stddef.h>
#include <stdint.h>

#include "omendb_host.h"
#include "omendb_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(OMEN_SHARED) && defined(_WIN32)
#define OMEN_API __declspec(dllexport)
#elif defined(__GNUC__)
#define OMEN_API __attribute__((visibility("default")))
#else
#define OMEN_API
#endif

#define OMEN_VERSION_MAJOR 0
#define OMEN_VERSION_MINOR 1
#define OMEN_VERSION_PATCH 0
#define OMEN_VERSION_STRING "0.1.0"
/* Version of the files. A database with a larger one is refused with OMEN_ERR_VERSION. */
#define OMEN_FORMAT_VERSION 1u

/* Limits. */
#define OMEN_MAX_DIMENSIONS 65535u
#define OMEN_MAX_VECTOR_FIELDS 16u
#define OMEN_MAX_MULTI_FIELDS 8u
#define OMEN_MAX_MULTI_VECTORS 1024u   /* vectors that one record has in a field of several */
#define OMEN_MAX_NAME 128u              /* bytes of a collection's or field's name */
#define OMEN_MAX_ID 512u                /* bytes of a string id */
#define OMEN_MAX_DOCUMENT (16u << 20)   /* bytes of a record's JSON */
#define OMEN_MAX_JSON_DEPTH 64u
#define OMEN_MAX_BATCH (1u << 20)       /* records in one batch */
#define OMEN_MAX_K 100000u
#define OMEN_MAX_COLLECTIONS 4096u

typedef struct omen_db omen_db;
typedef struct omen_collection omen_collection;
typedef struct omen_results omen_results;

typedef struct omen_str {
    const char *data;
    size_t len;
} omen_str;
#define OMEN_STR(literal) ((omen_str){(literal), sizeof(literal) - 1})

/* A record's id: a 64-bit integer, or a string of 1 to OMEN_MAX_ID bytes of UTF-8 (text.data not NULL).
 * 7 and "7" are two ids. Order (used to break ties): integers by value, then strings by bytes. */
typedef struct omen_id {
    omen_str text;
    int64_t number;
} omen_id;
#define OMEN_ID_INT(n) ((omen_id){{NULL, 0}, (n)})
#define OMEN_ID_STR(literal) ((omen_id){OMEN_STR(literal), 0})

/* HAMMING (the number of differing bits) is for BIT elements, and BIT elements have no other. */
typedef enum omen_metric { OMEN_METRIC_L2 = 1, OMEN_METRIC_IP = 2, OMEN_METRIC_COSINE = 3, OMEN_METRIC_HAMMING = 4 } omen_metric;

/* What a vector consists of, in storage and in memory. Vectors go in, and come out, as
 *   F32  float;
 *   F16  float too: stored as IEEE binary16, rounded to nearest even (beyond 65,504: OMEN_ERR_NOT_FINITE);
 *   I8   int8_t;
 *   BIT  bytes, dimensions / 8 of them (dimensions are a multiple of 8): dimension 0 is the lowest bit of the first byte. */
typedef enum omen_element { OMEN_ELEMENT_F32 = 0, OMEN_ELEMENT_F16 = 1, OMEN_ELEMENT_I8 = 2, OMEN_ELEMENT_BIT = 3 } omen_element;

/* How a vector field is searched once its rows lie in segments. Rows that are not in an index yet are always searched too, exactly.
 *   AUTO  chosen for each segment by rows, dimensions, memory and updates; omen_explain says why
 *   FLAT  every row, exactly
 *   HNSW  a graph over 8-bit codes in memory (Malkov and Yashunin 2018), re-ranked exactly
 *   IVF   lists of codes around centroids, re-ranked exactly: little memory
 *   DISK  the graph's blocks are read on demand through the block pool: for data larger than memory */
typedef enum omen_index_kind { OMEN_INDEX_AUTO = 0, OMEN_INDEX_FLAT = 1, OMEN_INDEX_HNSW = 2, OMEN_INDEX_IVF = 3, OMEN_INDEX_DISK = 4 } omen_index_kind;

/* What IVF keeps of a vector. SQ8: a byte a dimension (after a projection that keeps nearly all of the variance). RABITQ: `bits` a dimension after a
 * random rotation (Gao and Long 2024, Gao et al. 2025). PQ: 4 bits for each group of dimensions (Jégou et al. 2011). Graphs use SQ8. */
typedef enum omen_codec { OMEN_CODEC_AUTO = 0, OMEN_CODEC_SQ8 = 1, OMEN_CODEC_RABITQ = 2, OMEN_CODEC_PQ = 3 } omen_codec;

/* Parameters of an index; 0 is the default of each, chosen from the data. */
typedef struct omen_index_options {
    omen_index_kind kind;
    omen_codec codec;         /* IVF only */
    uint32_t m;               /* graphs: most neighbours of a row, 4 to 128 */
    uint32_t ef_construction; /* graphs: candidates looked at for a new row, 8 to 2,000 */
    uint32_t lists;           /* IVF: 1 to 65,536 */
    uint32_t bits;            /* RABITQ: 1 to 8 */
} omen_index_options;

/* Durability of an acknowledged write:
 *   MEMORY  nothing is promised;
 *   OS      handed to the operating system: survives the program's end, not a power loss;
 *   GROUP   synced, together with what else is waiting (within 5 ms or 1 MiB);
 *   FULL    synced by itself before it is acknowledged. */
typedef enum omen_durability {
    OMEN_DURABILITY_MEMORY = 1,
    OMEN_DURABILITY_OS = 2,
    OMEN_DURABILITY_GROUP = 3,
    OMEN_DURABILITY_FULL = 4
} omen_durability;

typedef enum omen_profile { OMEN_PROFILE_DEVELOPER = 1, OMEN_PROFILE_PRODUCTION = 2, OMEN_PROFILE_EDGE = 3 } omen_profile;

typedef struct omen_options {
    uint32_t struct_size;
    omen_profile profile;        /* sets the defaults of the limits below (0 = from the profile) */
    omen_durability durability;  /* GROUP */
    uint8_t create;              /* 1: create a database that is absent */
    uint8_t read_only;           /* 0 */
    uint8_t manual_maintenance;  /* 1: the host calls omen_db_maintain itself; 0: writes do pending work, or the host's thread */
    uint8_t reserved_[5];
    uint64_t pool_bytes;         /* budget of the block pool: 64 MiB developer, 256 MiB production, 16 MiB edge */
    uint64_t memtable_bytes;     /* an in-memory table is frozen at this size: 32, 64, 8 MiB */
    uint64_t memory_bytes;       /* hard limit of all memory: 0 none, 0 none, 100 MiB */
    uint64_t index_bytes;        /* budget of what indexes keep in memory beside the pool - graph, codes, then ids and vectors: 1 GiB, 4 GiB, 48 MiB */
    const omen_host *host;       /* NULL: the platform's own (native builds only) */
    const omen_storage *storage; /* NULL: host->storage_open(path). Taken over by whoever opens it, also on failure */
    const uint8_t *database_id;  /* 16 bytes for a new database, NULL: from the host's entropy. For reproducible files. */
    const omen_encryption *encryption; /* NULL: files are plain. Borrowed until the database is open (docs/ENCRYPTION.md) */
} omen_options;

/* The path may be NULL when options->storage is given. Recovers the log, takes the writer's lock.
 * OMEN_ERR_BUSY, _NOT_FOUND, _FOREIGN, _VERSION, _KEY, _CORRUPT, _IO, _FULL, _MEMORY. */
OMEN_API void omen_options_init(omen_options *o);
/* Reads a profile name and OMENDB_* style settings ("pool_bytes" = "64MiB") into options: key is the field's name. */
OMEN_API omen_status omen_options_set(omen_options *o, omen_str key, omen_str value);
OMEN_API omen_status omen_open(const char *path, const omen_options *options, omen_db **out);
/* Waits until what was written is durable (unless durability is MEMORY), then frees. NULL is OK. */
OMEN_API omen_status omen_close(omen_db *db);
/* Makes every write so far durable. */
OMEN_API omen_status omen_sync(omen_db *db);

/* ---- collections ---- */

typedef struct omen_vector_field {
    omen_str name; /* "" is the default field, named "vector" */
    uint32_t dimensions;
    omen_metric metric;
    omen_element element;
    omen_index_options index; /* no part of what omen_collection_open compares: the stored one counts; see omen_collection_index */
} omen_vector_field;

enum { OMEN_TEXT_KEEP_STOP = 1, OMEN_TEXT_KEEP_ACCENTS = 2 };

/* A full-text field: the words of a string, or of an array of strings, in the document. Where a document has something else there, or nothing, it has no words. */
typedef struct omen_text_field {
    omen_str name;      /* where it is in the document: "title", or "book.title" for a member of a member */
    omen_str language;  /* what stems words and has stop words: a code ("de") or a name ("german"); "" is "en"; "none": words stay as they are */
    float weight;       /* what a hit in it counts where a query does not say; above 0, at most 1,000,000; 0 is 1. No part of what omen_collection_open compares */
    uint8_t flags;      /* OMEN_TEXT_KEEP_STOP: the language's stop words are indexed too; OMEN_TEXT_KEEP_ACCENTS: "résumé" is not "resume" */
    uint8_t reserved_[3];
} omen_text_field;

/* A field of several vectors a record, such as one for each token of a text (late interaction: Khattab and Zaharia 2020). The value lies in the document: an array of
 * 1 to OMEN_MAX_MULTI_VECTORS vectors, each an array of `dimensions` finite numbers; where there is nothing, or null, the record has none. */
typedef struct omen_multi_field {
    omen_str name;        /* as of text fields: "tokens", or "page.tokens" */
    uint32_t dimensions;  /* 1 to OMEN_MAX_DIMENSIONS */
    omen_metric metric;   /* OMEN_METRIC_COSINE (each vector is scaled to length 1) or OMEN_METRIC_IP; 0: cosine */
    omen_element element; /* OMEN_ELEMENT_F32 or OMEN_ELEMENT_F16: what is compared; the document keeps the numbers as they were written */
    uint32_t reserved_;
} omen_multi_field;

typedef struct omen_schema {
    uint32_t struct_size;
    uint32_t vector_count; /* 0 to OMEN_MAX_VECTOR_FIELDS */
    const omen_vector_field *vectors;
    uint32_t text_count;   /* full-text fields: their values lie in the document */
    uint32_t sparse_count; /* sparse vectors: their values lie in the document too; together with texts at most 64 */
    const omen_text_field *texts;
    /* Names as of text fields. The value is {"indices": [3, 17], "values": [0.5, 1.25]}: integers of 0 to 2^32 - 1, each once, and a number for each. */
    const omen_str *sparse;
    omen_str ttl;          /* time to live: the path of a time (RFC 3339) after which no read sees the record any more (writes do: insert finds it there); empty: records live until they are deleted.
                              omen_expire removes what is over. Records without a time there stay */
    const omen_multi_field *multis;
    uint32_t multi_count;  /* 0 to OMEN_MAX_MULTI_FIELDS */
    uint32_t reserved_;
} omen_schema;

OMEN_API void omen_schema_init(omen_schema *s);
/* Opens a collection; creates it when it is absent and a schema is given. schema NULL: must exist.
 * OMEN_ERR_NOT_FOUND, _SCHEMA, _NAME, _INVALID, _LIMIT, _READ_ONLY. Free with omen_collection_close. */
OMEN_API omen_status omen_collection_open(omen_db *db, omen_str name, const omen_schema *schema, omen_collection **out);
OMEN_API void omen_collection_close(omen_collection *c);
/* Drops a collection with all its records. OMEN_ERR_NOT_FOUND. */
OMEN_API omen_status omen_collection_drop(omen_db *db, omen_str name);
OMEN_API omen_str omen_collection_name(const omen_collection *c);
/* Changes how a vector field (empty: the only or default one) is indexed: existing indexes of other parameters are replaced by maintenance, and
 * serve until then. Logged like a write. OMEN_ERR_INVALID with the range, OMEN_ERR_READ_ONLY, OMEN_ERR_CLOSED when the collection was dropped. */
OMEN_API omen_status omen_collection_index(omen_collection *c, omen_str field, const omen_index_options *options);
/* Borrowed from the collection; as it was when the collection was opened. */
OMEN_API const omen_schema *omen_collection_schema(const omen_collection *c);

/* ---- writing ---- */

/* `count` records as columns. A batch is atomic: all of it becomes visible and durable, or none. */
typedef struct omen_batch {
    size_t count;
    const omen_id *ids;
    /* One pointer per vector field in the schema's order, each to count vectors, row-major, as omen_element says.
     * For update a NULL pointer leaves that field as it is. */
    const void *const *vectors;
    /* NULL, or count JSON objects; an empty string is no document. */
    const omen_str *documents;
} omen_batch;

typedef enum omen_write_mode {
    OMEN_WRITE_UPSERT = 1, /* put, whether or not the id is there */
    OMEN_WRITE_INSERT = 2, /* OMEN_ERR_EXISTS when an id is there */
    OMEN_WRITE_UPDATE = 3  /* OMEN_ERR_NOT_FOUND when it is not; the document is merged (RFC 7396) */
} omen_write_mode;

/* Validates everything before anything changes; returns when durable as the options say.
 * OMEN_ERR_DIMENSION, _NOT_FINITE, _ZERO_VECTOR, _DUPLICATE_ID, _ID, _JSON, _TOO_LARGE, _EXISTS, _NOT_FOUND, _LIMIT,
 * _READ_ONLY, _POISONED, _FULL, _IO. An empty batch is OMEN_OK. */
OMEN_API omen_status omen_write(omen_collection *c, omen_write_mode mode, const omen_batch *batch);
OMEN_API omen_status omen_upsert(omen_collection *c, const omen_batch *batch);
OMEN_API omen_status omen_insert(omen_collection *c, const omen_batch *batch);
OMEN_API omen_status omen_update(omen_collection *c, const omen_batch *batch);
/* *deleted (optional): how many of the ids were there. Ids that are not there are no error. */
OMEN_API omen_status omen_delete(omen_collection *c, const omen_id *ids, size_t count, size_t *deleted);
/* Deletes, or updates (RFC 7396: `patch` is merged into each document), the records that a filter (as in omen_query) selects at that moment: no other write comes
 * between. One atomic batch; more than OMEN_MAX_BATCH records are OMEN_ERR_TOO_LARGE. *count (optional): how many they were. Errors as of omen_write and of filters. */
OMEN_API omen_status omen_delete_where(omen_collection *c, omen_str filter, size_t *count);
OMEN_API omen_status omen_update_where(omen_collection *c, omen_str filter, omen_str patch, size_t *count);
/* As omen_write, but returns as soon as the batch is visible; *commit is for omen_wait. */
OMEN_API omen_status omen_write_begin(omen_collection *c, omen_write_mode mode, const omen_batch *batch, uint64_t *commit);
/* Returns when the commit is durable as the options say. */
OMEN_API omen_status omen_wait(omen_db *db, uint64_t commit);
/* Deletes the records whose time to live (omen_schema.ttl) is over: a write like another, so that copies of the database that replay it agree. Nothing where the
 * collection has none. At most OMEN_MAX_BATCH at once, the first by id. *count (optional): how many they were; where they were that many, there may be more. */
OMEN_API omen_status omen_expire(omen_collection *c, size_t *count);

/* What a purge did, and what it looked at to prove it (docs/BACKUP.md). */
typedef struct omen_purge_report {
    uint64_t deleted;            /* records that were there */
    uint64_t segments_rewritten; /* that had their bytes, of live or of deleted rows; their indexes are built again */
    uint64_t files_scanned, bytes_scanned, rows_scanned;
    uint64_t written_again;      /* records that were written under one of the ids meanwhile: new ones, which stay */
    uint64_t not_searched;       /* ids, documents and vectors that logs were not searched for: of less than 9 bytes, which are in many places by chance, or beyond 4 MiB in all.
                                  * The logs that held them are removed, all the same */
} omen_purge_report;

/* Erases the records with these ids (at most 65,536) for good: deletes them, rewrites every segment and log that still has bytes of them, of any version of them, removes
 * the old files, and scans what is left: no row has one of the ids, no log their ids', documents' or vectors' bytes, no file is there that is not the database's. Ids that
 * are not there are no error: what was deleted before is erased. Backups keep what they have: remove them. Other processes that have had the database open since before keep
 * removed files, unseen from here, until they close it. report may be NULL.
 * OMEN_ERR_BUSY: a search, a backup or another reader of this process keeps an old file for more than five seconds (with a host of the caller's, which cannot be asked to wait:
 * for 5,000 looks at it); the records are deleted: purge again when it is done. OMEN_ERR_ID, _TOO_LARGE, _READ_ONLY, _POISONED, _FULL, _IO, _MEMORY. */
OMEN_API omen_status omen_purge(omen_collection *c, const omen_id *ids, size_t count, omen_purge_report *report);

/* ---- reading ---- */

enum { OMEN_INCLUDE_DOCUMENT = 1u, OMEN_INCLUDE_VECTOR = 2u };

/* One of several query vectors. */
typedef struct omen_query_vector {
    omen_str field;      /* empty: the only or default one; each field once */
    const void *vector;  /* as omen_element says */
    uint32_t dimensions;
    float weight;        /* in the fusion, at least 0; 1 is usual */
} omen_query_vector;

/* Scores of candidates, larger is better: scores[i] is what candidate i has so far, and is to be what it has in the end (finite). Called once a search, on its thread,
 * outside all locks; it may not use the results after it has returned. */
typedef void (*omen_rerank)(void *arg, const omen_results *candidates, float *scores);

typedef struct omen_query {
    uint32_t struct_size;
    uint32_t k;          /* 1 to OMEN_MAX_K; more than there are records is fine */
    omen_str field;      /* vector field; empty: the only or default one */
    const void *vector;  /* as omen_element says */
    uint32_t dimensions; /* length of `vector` in dimensions */
    uint32_t include;    /* OMEN_INCLUDE_* */
    float recall;        /* share of the true k nearest to find, above 0 up to 1; 0 is 0.95. 1 searches exactly, but where an
                            index's own effort is given. Indexes know from a self-audit made while they were built what effort it takes */
    uint32_t ef;         /* graphs: candidates kept while walking, up to 100,000; raises (never lowers) to k; 0: from recall */
    uint32_t nprobe;     /* IVF: lists to look into; 0: from recall */
    uint8_t exact;       /* 1: no index; then neither ef nor nprobe (OMEN_ERR_INVALID) */
    uint8_t reserved_[3];
    omen_str filter;     /* only records whose document matches: a Mongo-style object, {"year": {"$gte": 2020}}, or an SQL-like string, year >= 2020; empty: all */
    const omen_query_vector *vectors; /* more query vectors, or, where `vector` is NULL, all of them */
    size_t vector_count;              /* at most OMEN_MAX_VECTOR_FIELDS */
    omen_rerank rerank;  /* of omen_search: orders the best candidates anew; NULL: none. Candidates have what `include` says. Not with groupBy */
    void *rerank_arg;
    uint32_t rerank_candidates; /* at least k are taken; 0: four times k */
    uint32_t reserved2_;
    omen_str options;    /* a JSON object with everything else that a search may ask for: text, fusion, facets, groups and so on (docs/QUERIES.md); empty: nothing */
} omen_query;

OMEN_API void omen_query_init(omen_query *q);
/* The k nearest live records, nearest first, ties by id; distances are exact always. Which rows are looked at is the index's
 * business (see omen_index_kind and recall), but of a search by vectors min(k, live records that the filter selects) hits come back always, unless its options
 * bound them (maxDistance, minScore, groups). Free with omen_results_free. */
OMEN_API omen_status omen_search(omen_collection *c, const omen_query *q, omen_results **out);
/* Several searches, each as omen_search answers it: out[i] belongs to queries[i]. The first failure ends it; then all of out is NULL. */
OMEN_API omen_status omen_search_many(omen_collection *c, const omen_query *queries, size_t count, omen_results **out);
/* How a search would be answered, as JSON: for each source of rows (table, segment) its rows, index, why that one, effort, and what it did: candidates,
 * distances, blocks read, microseconds. Runs the search. Same protocol as omen_metrics. */
OMEN_API omen_status omen_explain(omen_collection *c, const omen_query *q, char *buf, size_t cap, size_t *needed);
/* The records with these ids, in this order; an id that is not there has omen_results_found() == 0. */
OMEN_API omen_status omen_get(omen_collection *c, const omen_id *ids, size_t count, uint32_t include, omen_results **out);
/* All live records in id order after `after` (NULL: from the start), at most `limit`: a page of a scroll. */
OMEN_API omen_status omen_scroll(omen_collection *c, const omen_id *after, size_t limit, uint32_t include, omen_results **out);
OMEN_API omen_status omen_scroll_where(omen_collection *c, omen_str filter, const omen_id *after, size_t limit, uint32_t include, omen_results **out);
OMEN_API omen_status omen_count(omen_collection *c, uint64_t *out);
OMEN_API omen_status omen_count_where(omen_collection *c, omen_str filter, uint64_t *out);

OMEN_API size_t omen_results_count(const omen_results *r);
OMEN_API int omen_results_found(const omen_results *r, size_t i);
OMEN_API omen_id omen_results_id(const omen_results *r, size_t i);
/* The metric's own value, smaller is nearer: l2 = Euclidean, ip = -dot, cosine = 1 - cos, hamming = differing bits. Of I8 elements computed
 * exactly and then rounded once to a float: where l2 squared or ip exceeds 2^24, values that round alike are a tie. */
OMEN_API float omen_results_distance(const omen_results *r, size_t i);
/* Larger is better: l2 = 1 / (1 + distance), ip = dot, cosine = cos, hamming = 1 - distance / dimensions. */
OMEN_API float omen_results_score(const omen_results *r, size_t i);
/* The JSON as it was written; len 0 when there is none or it was not included. */
OMEN_API omen_str omen_results_document(const omen_results *r, size_t i);
/* NULL when not included. For search: the searched field's vector; for get and scroll: field `field` of the schema. */
OMEN_API const void *omen_results_vector(const omen_results *r, size_t i, uint32_t field);
/* What each leg of a search of several gave hit i (docs/QUERIES.md); NaN where it did not list it. A search of one leg has one: the score. */
OMEN_API uint32_t omen_results_leg_count(const omen_results *r);
OMEN_API float omen_results_leg_score(const omen_results *r, size_t i, uint32_t leg);
OMEN_API omen_str omen_results_legs(const omen_results *r);               /* their names, a JSON array; len 0: there is one */
/* As JSON; len 0 when the search did not ask for it. */
OMEN_API omen_str omen_results_group(const omen_results *r, size_t i);      /* the value the hit was grouped by */
OMEN_API omen_str omen_results_highlights(const omen_results *r, size_t i); /* {"title": [{"text": , "marks": [[from, to]]}]}, bytes of the text */
OMEN_API omen_str omen_results_facets(const omen_results *r);               /* of the whole search */
OMEN_API void omen_results_free(omen_results *r);

/* ---- maintenance ---- */

/* Writes the in-memory tables to segments, durably. */
OMEN_API omen_status omen_flush(omen_db *db);
/* Flushes, merges as needed, and builds every index that is due. */
OMEN_API omen_status omen_build_indexes(omen_db *db);
/* Flushes, then merges every collection's segments into one and drops deleted records. */
OMEN_API omen_status omen_compact(omen_db *db);
/* Does waiting maintenance for about budget_us microseconds (0: one step). *more: some is left. */
OMEN_API omen_status omen_db_maintain(omen_db *db, uint64_t budget_us, int *more);
/* Reads everything and verifies every checksum and invariant. OMEN_ERR_CORRUPT with the first place. */
OMEN_API omen_status omen_check(omen_db *db);

/* ---- checks that tell everything, and repair (docs/DURABILITY.md) ---- */

/* What was found, as JSON: {"ok", "written", "damage": [{"file", "kind", "section", "block", "offset", "bytes", "holds", "loses", "message", ...}],
 * "lost": {"records", "unnamed", "ids", "log", "segments"}, "notes", "checked"}. Belongs to the caller; outlives the database. */
typedef struct omen_report omen_report;
OMEN_API omen_str omen_report_json(const omen_report *r);     /* borrowed until the report is freed */
OMEN_API uint64_t omen_report_damage(const omen_report *r);   /* places that are damaged; 0: all is in order */
OMEN_API void omen_report_free(omen_report *r);               /* NULL is fine */
/* Goes on past the first damage and tells all of it. OMEN_OK also when there is some. OMEN_ERR_IO, _MEMORY. */
OMEN_API omen_status omen_check_report(omen_db *db, omen_report **out);
/* The same of a database that is not open, and may not open any more: its manifest and log are checked, too. Changes nothing. The options are those of
 * omen_open; memory is not limited. OMEN_ERR_CORRUPT when so much is lost that nobody knows what is left; else as omen_open. */
OMEN_API omen_status omen_check_path(const char *path, const omen_options *options, omen_report **out);
/* WRITE: what is damaged is written anew without what is lost, and opens again; otherwise only the report is made, of what that would lose. CUT: where the log is damaged, what
 * follows the damage is given up, so that the database is as it once was; otherwise whole writes behind the damage are kept.
 * All that is derived (ids' index, text, columns, vector indexes) is made again from ids, documents and vectors. Errors as omen_check_path. */
enum { OMEN_REPAIR_WRITE = 1, OMEN_REPAIR_CUT = 2 };
OMEN_API omen_status omen_repair(const char *path, const omen_options *options, uint32_t flags, omen_report **out);

/* ---- backups, clones (docs/BACKUP.md) ---- */

/* A place of backups is a folder (or a storage) of their own. It holds the backups of one database; what they have in common is there once. */
typedef struct omen_transfer_options {
    uint32_t struct_size;
    uint8_t plain;               /* 1: the copy of an encrypted database, or what is restored of an encrypted backup, is meant to be plain; without it a key must be given:
                                  * OMEN_ERR_KEY, and nothing was written */
    uint8_t verify;              /* omen_backup: what earlier backups put there is read and compared too, and mended; omen_backup_list: reads everything there is */
    uint8_t reserved_[2];
    const omen_host *host;       /* of what is not an open database; NULL: the platform's own */
    const omen_storage *backups; /* instead of the path of the backups; taken over, also on failure */
    const omen_storage *place;   /* instead of the path of what is to become a database; taken over, also on failure */
    const omen_encryption *backups_key; /* of the place of backups (docs/ENCRYPTION.md); NULL: it is plain. Files copied are encrypted anew: keys may differ */
    const omen_encryption *place_key;   /* of what is to become a database */
    const uint8_t *database_id;  /* omen_clone: 16 bytes; NULL: from the host's entropy */
    /* Told between steps how many bytes of how many are done; another answer than 0 ends it with OMEN_ERR_CANCELLED. NULL: nobody. */
    int (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
} omen_transfer_options;

typedef struct omen_transfer_report {
    uint64_t backup;             /* its number, from 1; of a clone 0 */
    uint64_t files, bytes;       /* that the database consists of */
    uint64_t copied_files, copied_bytes; /* of those: not there before */
    uint64_t last_lsn;           /* the last write that is in it */
    uint8_t database_id[16];     /* of what was made */
} omen_transfer_report;

OMEN_API void omen_transfer_options_init(omen_transfer_options *o);
/* Copies the database as it is at this moment, while it is read and written, and adds it to the backups there; the place is made when it is absent. Files that an
 * earlier backup has are not copied again; each that is copied is read back and compared. When it fails or is cancelled, earlier backups are as they were, and the
 * next one goes on where it stopped. options and report may be NULL. Thread-safe.
 * OMEN_ERR_FOREIGN: the place holds something else, or the backups of another database; OMEN_ERR_BUSY: another backup writes there; OMEN_ERR_CORRUPT: a file of the
 * database is damaged; _CANCELLED, _FULL, _IO, _MEMORY. */
OMEN_API omen_status omen_backup(omen_db *db, const char *backups, const omen_transfer_options *options, omen_transfer_report *report);
/* {"backups": [{"backup": 1, "state": "complete", "databaseId", "created": milliseconds since 1970, "lastLsn", "files", "bytes"}]}, ascending. "state" is "unfinished"
 * of one that broke off, "damaged" (which keeps its number and its files until it is removed; with verify, "damage" says what), or "newer". Same protocol as omen_metrics. */
OMEN_API omen_status omen_backup_list(const char *backups, const omen_transfer_options *options, char *buf, size_t cap, size_t *needed);
/* The same, and "holds": how many of these ids of a collection a backup has, in records that live or do not: whoever erased them (omen_purge) removes it. Missing where a backup
 * cannot be read. OMEN_ERR_NOT_FOUND: no backup has such a collection; OMEN_ERR_ID, and as omen_backup_list. */
OMEN_API omen_status omen_backup_holds(const char *backups, omen_str collection, const omen_id *ids, size_t count, const omen_transfer_options *options, char *buf, size_t cap,
                                       size_t *needed);
/* Removes one backup, and the files that no other one has. report: its number, and in files how many were removed. OMEN_ERR_NOT_FOUND. */
OMEN_API omen_status omen_backup_remove(const char *backups, uint64_t backup, const omen_transfer_options *options, omen_transfer_report *report);
/* Makes a database of a backup (0: the latest) at `path`, which must be absent or empty: OMEN_ERR_EXISTS or OMEN_ERR_FOREIGN, and nothing is changed, when it is not.
 * Everything is verified. It has the id of the original. One that broke off goes on when it is called again. OMEN_ERR_NOT_FOUND, _CORRUPT, _VERSION, and as omen_backup. */
OMEN_API omen_status omen_restore(const char *backups, uint64_t backup, const char *path, const omen_transfer_options *options, omen_transfer_report *report);
/* Makes a database with an id of its own of an open one as it is at this moment, at a path that must be absent or empty. Errors as of both. */
OMEN_API omen_status omen_clone(omen_db *db, const char *path, const omen_transfer_options *options, omen_transfer_report *report);

/* ---- reports ---- */

typedef enum omen_metrics_format { OMEN_METRICS_JSON = 1, OMEN_METRICS_PROMETHEUS = 2 } omen_metrics_format;
/* Writes up to cap bytes and a NUL; *needed is the length without the NUL. `labels` (optional, JSON object of
 * strings) are added to every series at scrape time. cap 0 asks for the length. */
OMEN_API omen_status omen_metrics(omen_db *db, omen_metrics_format format, omen_str labels, char *buf, size_t cap, size_t *needed);
OMEN_API void omen_metrics_reset(omen_db *db);
/* Collections, schemas, segments, sizes as JSON; same protocol as omen_metrics. */
OMEN_API omen_status omen_stats(omen_db *db, char *buf, size_t cap, size_t *needed);

OMEN_API const char *omen_version(void);
OMEN_API const char *omen_status_name(omen_status s);    /* "OMEN_ERR_BUSY" */
OMEN_API const char *omen_status_message(omen_status s); /* the general meaning */
/* The detail of this thread's last failed call; "" when there was none. Valid until the next failure. */
OMEN_API const char *omen_last_error(void);
/* Name of the kernel set in use: "scalar", "avx2", "avx512", "neon", "simd128", "relaxed". */
OMEN_API const char *omen_kernels_name(void);
/* Forces a kernel set by name, for tests; process-wide, before any database is open. OMEN_ERR_UNSUPPORTED. */
OMEN_API omen_status omen_kernels_use(const char *name);

/* ---- calls in steps ----
 *
 * Every operation as a message: a request goes in, is stepped until it no longer answers OMEN_PENDING, and a
 * response comes out. The wasm module, the Node-API addon and worker messages all speak this; docs/CALLS.md has
 * the requests and responses. A call belongs to one thread at a time.
 *
 *   omen_call *call;
 *   omen_call_begin(engine, request, len, &call);    // copies the request
 *   while ((s = omen_call_step(call)) == OMEN_PENDING) wait for the host;
 *   omen_call_response(call, &bytes, &len);           // borrowed until omen_call_free; on errors holds the error
 *   omen_call_free(call);                             // also cancels
 */
typedef struct omen_call omen_call;
typedef struct omen_engine omen_engine; /* the open databases and collections that requests name by handle */
OMEN_API omen_status omen_engine_new(const omen_host *host, omen_engine **out);
/* All calls must be freed before; open databases are closed without waiting for durability. */
OMEN_API void omen_engine_free(omen_engine *e);
/* For requests that open a database on a storage the caller has opened: handed over under `slot`, taken by "open". */
OMEN_API omen_status omen_engine_put_storage(omen_engine *e, uint32_t slot, const omen_storage *storage);
OMEN_API omen_status omen_call_begin(omen_engine *e, const void *request, size_t len, omen_call **out);
/* Optional, before the first step: fixes the call's place in the order of calls without waiting for the storage. A write becomes visible (an insert,
 * update or delete reads its ids first), a read takes its snapshot; what may take long is left to omen_call_step, which another thread may run. */
OMEN_API void omen_call_start(omen_call *call);
OMEN_API omen_status omen_call_step(omen_call *call);
OMEN_API void omen_call_response(const omen_call *call, const void **bytes, size_t *len);
OMEN_API void omen_call_free(omen_call *call);

#ifdef __cplusplus
}
#endif
#endif
