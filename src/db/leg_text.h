/* leg_text.h - the best rows for the words of a text query, or for a sparse vector: a leg of a search.
 *
 * Scores are BM25's over the whole collection (text/bm25.h): rows that were replaced or deleted and not merged away yet count in its statistics, rows of every source
 * alike, so a row has the same score wherever it lies. Equal scores are settled by id. Where a source has no inverted index of a field that is searched (its
 * language was not loaded when it was written, or the analyzer has changed since), its documents are read and indexed for this one search.
 */
#ifndef OMEN_DB_LEG_TEXT_H
#define OMEN_DB_LEG_TEXT_H

#include "db/source.h"
#include "query/topk.h"
#include "text/highlight.h"

#define OMEN_TEXT_K1 1.2f
#define OMEN_TEXT_B 0.75f

/* A field that is searched, and what it counts. */
typedef struct omen_text_field_weight {
    omen_str name;
    float weight; /* below 0: the schema's */
} omen_text_field_weight;

/* What is asked for: words, or indices and values. Zero-initialise. */
typedef struct omen_text_ask {
    uint32_t k;
    /* words: text/query.h */
    omen_str text;
    bool all;                             /* every word without a sign must be there */
    bool typos;                           /* words may be near those asked for */
    bool begun;                           /* the last word is the beginning of one */
    const omen_text_field_weight *fields; /* NULL: all text fields, with the schema's weights */
    uint32_t field_count;
    float k1, b;                          /* below 0: OMEN_TEXT_K1, OMEN_TEXT_B */
    uint32_t expansions;                  /* 0: OMEN_TEXT_EXPANSIONS */
    /* a sparse vector */
    bool sparse;
    omen_str sparse_field;                /* "": the only one */
    const uint32_t *indices;              /* one named twice counts twice */
    const float *values;
    uint32_t count;                       /* at most OMEN_TEXT_ITEMS */
    uint64_t deadline_ns;                 /* query/deadline.h */
    bool matches;                         /* wanted, too: every row that is a hit, whatever its score; costs a look at each */
} omen_text_ask;

typedef struct omen_text_leg {
    omen_text_collector collector;
    omen_db *db;
    omen_arena *arena;
    const omen_coll_version *v;
    omen_select *select;
    omen_source *sources;
    omen_scan_source *scan;
    uint32_t source_count;
    omen_text_reader *reader;
    uint32_t field_count;
    uint64_t searched;        /* bit of each field */
    float weights[OMEN_TEXT_FIELDS];
    omen_text_query query;
    omen_text_source *text_sources;
    omen_text_source_field *fields; /* field_count of each source */
    omen_text_memory **made;  /* indexes made of documents: field_count of each source */
    omen_text_plan *plan;
    omen_text_search *search;
    omen_topk top;            /* the outcome: distance is the score, negated */
    omen_bits **matched;      /* where that was asked for: the live rows that are hits, of each source; they are the leg's */
    omen_text_work work;
    uint64_t read;            /* documents indexed for this search */
    uint64_t deadline_ns;
    /* place */
    enum { OMEN_TEXT_LEG_SOURCES, OMEN_TEXT_LEG_PLAN, OMEN_TEXT_LEG_SEARCH, OMEN_TEXT_LEG_DONE } stage;
    uint32_t source, row;
    omen_part_doc_reader doc;
} omen_text_leg;

/* Checks what is asked for and copies what it needs of it; `arena`, snapshot, version and selection (NULL: all rows) are borrowed until deinit. Begins as zeros. On failure
 * deinit it, too. OMEN_ERR_INVALID, _TOO_LARGE, _NOT_FINITE, _UNSUPPORTED (a language is not loaded), _MEMORY. */
OMEN_LATER omen_status omen_text_leg_init(omen_text_leg *l, omen_db *db, omen_arena *arena, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select, const omen_text_ask *ask,
                               omen_error *err);
/* After the selection's step. Step: repeat on PENDING. Afterwards `top` is sorted, the greatest score first, ties by id. */
OMEN_LATER omen_status omen_text_leg_step(omen_text_leg *l, omen_error *err);
OMEN_LATER void omen_text_leg_deinit(omen_text_leg *l); /* zeroed is fine */
static inline float omen_text_leg_score(const omen_candidate *c) { return -c->distance; }
/* The members that tell how it was answered: "terms" and what they cost. After the step. */
void omen_text_leg_explain(const omen_text_leg *l, omen_jw *w);

/* Whether text field number `field` was searched. */
static inline bool omen_text_leg_searched(const omen_text_leg *l, uint32_t field) { return (l->searched >> field & 1) != 0; }
/* Marks what was searched for in a text of text field number `field` (omen_highlight); the outcome lies in `arena`. */
omen_status omen_text_leg_highlight(omen_text_leg *l, omen_arena *arena, uint32_t field, omen_str text, const omen_highlight_options *options, omen_highlights *out, omen_error *err);

#endif
