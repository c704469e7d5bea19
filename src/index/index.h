/* index/ - approximate indexes: each finds candidates for a query among the rows of one part, from codes; whoever asks re-ranks them exactly.
 *
 * index.h - the contract of every kind. An index is built from the vectors of one part alone, never changes, and lies in a segment file of its own
 * that the manifest names beside the part's. It is a pure function of those vectors and the parameters: the same bytes on every host, in every kernel
 * set and for any number of threads. Losing it loses nothing: it can be built again.
 *
 * Rows are those of the part. An index knows nothing of ids, documents, or which rows live: a search is told which rows may be answered.
 */
#ifndef OMEN_INDEX_INDEX_H
#define OMEN_INDEX_INDEX_H

#include "base/bits.h"
#include "base/later.h"
#include "store/segment.h"

/* Sections of an index file. Each kind's header says what lies in them. */
enum {
    OMEN_SECTION_INDEX_META = 32,   /* meta.h */
    OMEN_SECTION_INDEX_CODEC = 33,  /* the quantiser: quant/ */
    OMEN_SECTION_INDEX_CODES = 34,
    OMEN_SECTION_INDEX_LINKS = 35,  /* graphs: base level */
    OMEN_SECTION_INDEX_UPPER = 36,  /* graphs: upper levels */
    OMEN_SECTION_INDEX_CENTROIDS = 37,
    OMEN_SECTION_INDEX_LISTS = 38,  /* IVF: where each list begins, and its rows */
    OMEN_SECTION_INDEX_NODES = 39,  /* DISK: codes and links, record by record */
    OMEN_SECTION_INDEX_ENTRIES = 40 /* DISK: codes and places of the rows of upper levels */
};

/* What is indexed: the vectors of one field of one part. */
typedef struct omen_vectors {
    void *ctx;
    uint32_t rows, dimensions;
    omen_metric metric;
    omen_element element;
    /* Vectors of rows [row, row + *count), 1 <= *count <= limit, borrowed until the next call: dimensions floats each (F32, F16, I8 elements, all
     * widened to float), or dimensions / 8 bytes (BIT). Not normalised. [may pend] */
    omen_status (*read)(void *ctx, uint32_t row, uint32_t limit, const void **vectors, uint32_t *count, omen_error *err);
} omen_vectors;

/* ---- building: a step machine. Reads the vectors (a sample to train on, then all, in order), trains, encodes, builds, audits itself, writes. ---- */

typedef struct omen_index_build omen_index_build;
/* options: kind HNSW, IVF or DISK (AUTO and FLAT are decided before, choose.h); parameters that are 0 get their defaults. source and its ctx are
 * borrowed until the build is freed. The file is seg-<number>. OMEN_ERR_MEMORY. */
omen_status omen_index_build_new(omen_store *st, uint64_t number, const omen_index_options *options, const omen_vectors *source,
                                 omen_index_build **out, omen_error *err);
/* Does some milliseconds' work; *done: the file is complete and durable, *info is filled. Heavy loops run in host->parallel_for. Repeat until done.
 * OMEN_ERR_MEMORY, _LIMIT, _IO, _FULL. */
omen_status omen_index_build_step(omen_index_build *b, omen_segment_info *info, bool *done, omen_error *err);
/* 0 to 1,000. */
uint32_t omen_index_build_progress(const omen_index_build *b);
void omen_index_build_free(omen_index_build *b); /* the file, finished or not, is left to the caller */

/* ---- opening ---- */

typedef struct omen_index omen_index;
/* Opens, and checks that the index is one of `rows` vectors of this field. What searches need is loaded into memory but for DISK. Step: repeat on
 * PENDING with the same *out (NULL at first). One reference. OMEN_ERR_CORRUPT with the place, _IO, _MEMORY; _LIMIT when all indexes would hold more
 * than resident.limit (0: no limit; one on disk is always opened, it is what is left when nothing else fits). */
omen_status omen_index_open(omen_store *st, const omen_segment_info *info, uint32_t rows, uint32_t dimensions, omen_metric metric, omen_element element,
                            omen_index **out, omen_error *err);
omen_index *omen_index_ref(omen_index *x);
/* Frees at the last reference; answers true when the caller should remove the file (unlink was set). */
bool omen_index_unref(omen_index *x);
void omen_index_unlink(omen_index *x); /* the file goes when the last reference does; its memory counts no more, for it goes with the searches under way */
const omen_segment_info *omen_index_info(const omen_index *x);
omen_segment *omen_index_segment(const omen_index *x);
const omen_index_options *omen_index_options_of(const omen_index *x); /* as resolved: no zeros but where the kind has no such parameter */
/* An index that turned out to be damaged: marked, so that nobody asks it again and maintenance builds another. */
void omen_index_spoil(omen_index *x);
bool omen_index_spoiled(const omen_index *x);
uint64_t omen_index_memory(const omen_index *x);                      /* bytes held */
/* One point of the self-audit: with this effort (graphs: slack; IVF: lists) `recall` (of 65,536) of the 10 nearest were found, re-ranking `want` candidates. */
typedef struct omen_index_point { uint32_t effort, want, recall; } omen_index_point;
/* The points, ascending in effort. *count is at most OMEN_INDEX_POINTS. */
#define OMEN_INDEX_POINTS 16u
const omen_index_point *omen_index_audit(const omen_index *x, uint32_t *count);
/* What a search is to be asked for: omen_index_query tells. */
typedef struct omen_index_plan { uint32_t effort, slack, want; } omen_index_plan;
/* For k hits at a recall (0 to 1): from the audit. */
omen_index_plan omen_index_plan_for(const omen_index *x, uint32_t k, float recall);
/* What a search so planned costs among `matching` rows of a filter, re-ranking included, about: in vectors compared exactly, so that whoever could compare all of
 * those rows instead knows which is less. */
uint64_t omen_index_filtered_cost(const omen_index *x, uint32_t matching, const omen_index_plan *plan);
/* Candidates worth ranking for k hits at a given effort: as many as the audit needed. */
uint32_t omen_index_want(const omen_index *x, uint32_t k, uint32_t effort);
/* Verifies checksums and every invariant of the kind (a graph: links in range, no row twice in a list or linked to itself, every row reachable
 * from the entry). Step: repeat on PENDING with the same *place (NULL at first); it frees *place at the end. OMEN_ERR_CORRUPT with the place. */
typedef struct omen_index_check omen_index_check;
omen_status omen_index_verify(omen_index *x, omen_index_check **place, omen_error *err);
OMEN_LATER void omen_index_check_free(omen_index *x, omen_index_check *place); /* a check that is given up */

/* ---- searching ---- */

/* A row that may be among the nearest; smaller `rank` is nearer. Ranks compare within one search of one index only. */
typedef struct omen_index_hit { uint32_t row; int32_t rank; } omen_index_hit;

typedef struct omen_index_query {
    const void *vector;      /* dimensions floats, or bytes (BIT) */
    uint32_t want;           /* candidates to answer, at least 1 */
    uint32_t effort;         /* graphs: ef; IVF: lists. Graphs raise it to `want` */
    uint32_t slack, near;    /* graphs: the walk's reach (walk.h); slack 0: it ends when all of the best `effort` were followed */
    const omen_bits *dead;   /* rows that may not be answered; NULL: none */
    /* The filter: rows that may be answered, when they are not dead; NULL: every row. `ones` is right, and says how many those are: how a search goes about
     * it depends on that. */
    const omen_bits *accept;
} omen_index_query;

/* What a search did. */
typedef struct omen_index_work { uint64_t distances, bytes, hops, blocks; } omen_index_work;

typedef struct omen_index_search omen_index_search;
/* The query is borrowed until the end. Many searches of one index may run at once. OMEN_ERR_MEMORY. */
omen_status omen_index_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err);
/* Repeat on PENDING (DISK only). OMEN_ERR_CORRUPT, _IO, _MEMORY, _LIMIT. */
omen_status omen_index_search_step(omen_index_search *s, omen_error *err);
/* Up to `want` rows, each once, ascending by (rank, row); fewer when the effort found no more. With a filter and a slack there may be up to four times as many, where
 * codes cannot tell which of them are nearer. Borrowed until the end. */
const omen_index_hit *omen_index_search_hits(const omen_index_search *s, uint32_t *count, omen_index_work *work);
/* Whether a filter left so few rows near the query that those which were found need not be the nearest: who can, compares all rows of the filter instead. Only of
 * DISK; the others do so themselves, by their codes. */
bool omen_index_search_lost(const omen_index_search *s);
void omen_index_search_end(omen_index_search *s); /* NULL is fine */

#endif
