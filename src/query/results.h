/* results.h - what a read hands out: hits or records as columns, in the shape messages carry them. */
#ifndef OMEN_QUERY_RESULTS_H
#define OMEN_QUERY_RESULTS_H

#include "base/key.h"
#include "base/mem.h"

/* Texts, one for each row; empty where a search did not ask for them. */
typedef struct omen_text_column {
    omen_buf offsets; /* u32 x (count + 1) */
    omen_buf bytes;
} omen_text_column;

struct omen_results {
    omen_mem *mem;
    size_t count;
    omen_buf found;        /* u8 x count; empty: all were found */
    omen_buf key_offsets;  /* u32 x (count + 1) */
    omen_buf key_bytes;
    omen_buf distances;    /* f32 x count; empty for get and scroll */
    omen_buf scores;
    omen_buf doc_offsets;  /* u32 x (count + 1) */
    omen_buf doc_bytes;
    uint32_t field_count;  /* vector columns held: 0 when not included, 1 for search */
    size_t row_bytes[OMEN_MAX_VECTOR_FIELDS]; /* of a vector as callers get it (column/element.h) */
    omen_buf vectors[OMEN_MAX_VECTOR_FIELDS]; /* count vectors, back to back */
    /* Of searches (docs/QUERIES.md) */
    uint32_t leg_count;    /* 0: one leg, whose scores are the scores */
    omen_buf legs;         /* their names, a JSON array */
    omen_buf subs;         /* f32 x leg_count for each row; NaN: not listed */
    omen_text_column groups, highlights; /* JSON */
    omen_buf facets;       /* JSON; empty: not asked for */
};

omen_results *omen_results_new(omen_mem *m); /* NULL: out of memory */
/* Each appends the next row's cell. OMEN_ERR_MEMORY; a document column beyond 4 GiB is OMEN_ERR_TOO_LARGE. */
omen_status omen_results_add_key(omen_results *r, omen_key key, bool found);
/* Ends the row's document: what was appended to doc_bytes since the row before. */
omen_status omen_results_end_doc(omen_results *r);
/* The same of another column of texts, whose bytes were appended. */
omen_status omen_results_end_text(omen_text_column *c);
/* Rows of r in the order given, with other scores: a new object. NULL: out of memory. */
omen_results *omen_results_pick(const omen_results *r, const uint32_t *rows, const float *scores, uint32_t count);
omen_key omen_results_key(const omen_results *r, size_t i);

#endif
