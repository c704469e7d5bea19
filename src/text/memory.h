/* memory.h - the inverted index of one field of rows that are not in a segment yet: terms found as in postings.h, while more rows come.
 *
 * One writer, any number of readers. Everything is appended; what readers follow is published with release stores. A reader names how many rows it sees (at most
 * as many as were committed when it began, which it learned through the caller's own acquire), and what it gets is exactly that prefix, whatever is
 * added meanwhile. All memory goes with the index.
 */
#ifndef OMEN_TEXT_MEMORY_H
#define OMEN_TEXT_MEMORY_H

#include <stdatomic.h>

#include "base/later.h"
#include "text/terms.h"

typedef struct omen_text_memory omen_text_memory;
typedef struct omen_text_memory_term omen_text_memory_term;

omen_status omen_text_memory_new(omen_mem *m, const omen_postings_options *o, omen_text_memory **out);
OMEN_LATER void omen_text_memory_free(omen_text_memory *x); /* NULL is fine; nobody reads */
size_t omen_text_memory_bytes(const omen_text_memory *x);

/* Rows are staged, then committed or given up, all at once: staging may answer OMEN_ERR_MEMORY, committing never fails. A row begins with
 * omen_text_memory_row, which answers its number: one after another from 0, a row without a term too. For terms see omen_postings_add. */
omen_status omen_text_memory_row(omen_text_memory *x, uint32_t *row);
omen_status omen_text_memory_add(omen_text_memory *x, const void *term, size_t len, uint32_t position);
omen_status omen_text_memory_add_weight(omen_text_memory *x, uint32_t index, float weight);
/* Ends the last row that was staged; the next row and omen_text_memory_commit want it ended. */
omen_status omen_text_memory_end(omen_text_memory *x);
void omen_text_memory_commit(omen_text_memory *x);
void omen_text_memory_give_up(omen_text_memory *x);

/* ---- readers; rows: how many the reader sees ---- */

uint32_t omen_text_memory_flags(const omen_text_memory *x); /* OMEN_POSTINGS_* */
void omen_text_memory_lengths(const omen_text_memory *x, uint32_t from, uint32_t to, uint8_t *into); /* coded, of rows [from, to) */
void omen_text_memory_totals(const omen_text_memory *x, uint32_t rows, uint32_t *rows_with, uint64_t *total_length);
/* NULL: no such term. */
const omen_text_memory_term *omen_text_memory_find(const omen_text_memory *x, const uint8_t *term, size_t len);
uint32_t omen_text_memory_df(const omen_text_memory_term *t, uint32_t rows);
/* Terms that match and have a row, in the order of their bytes. */
omen_status omen_text_memory_scan(const omen_text_memory *x, uint32_t rows, omen_term_match *m, omen_terms_found found, void *arg);

typedef struct omen_text_memory_entry {
    uint32_t row, count;      /* count: or the bits of a weight */
    const uint8_t *positions; /* as in POSITIONS */
} omen_text_memory_entry;
/* A run of at most OMEN_POSTINGS_BLOCK entries. */
typedef struct omen_text_memory_run {
    _Atomic(struct omen_text_memory_run *) next;
    _Atomic uint32_t count;
    uint32_t cap;
    omen_text_memory_entry entries[];
} omen_text_memory_run;
/* The first run, then the next: NULL behind the last. *count: entries of it that the reader sees; 0 ends too. */
const omen_text_memory_run *omen_text_memory_first(const omen_text_memory_term *t, uint32_t rows, uint32_t *count);
const omen_text_memory_run *omen_text_memory_next(const omen_text_memory_run *r, uint32_t rows, uint32_t *count);

#endif
