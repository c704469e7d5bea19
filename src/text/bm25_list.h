/* bm25_list.h - the rows of one term in one source, block by block, for a search. */
#ifndef OMEN_TEXT_BM25_LIST_H
#define OMEN_TEXT_BM25_LIST_H

#include "text/bm25_plan.h"

#define OMEN_LIST_NONE UINT32_MAX

/* A block of a list. */
typedef struct omen_list_head {
    uint32_t last;            /* row; of a list in a file that has but one block: the last of all rows until it is read */
    uint32_t list, positions; /* file: where they begin in the term's */
    float bound;              /* what a row of it adds at most */
    uint32_t count;           /* rows */
    const omen_text_memory_run *run; /* memory */
} omen_list_head;

typedef struct omen_list {
    const omen_postings *postings; /* or */
    const omen_text_memory *memory;
    const omen_text_leaf *leaf;
    const omen_term_ref *ref;
    uint32_t rows_end;
    bool weights, opened;
    omen_list_head *heads;
    uint32_t head_count;
    uint8_t *raw_heads;            /* while they are read */
    size_t done;
    float magnitude;               /* weights: no row adds more, or less than minus that */
    uint32_t h, loaded, at, count; /* block the list is at, the one that is unpacked, place in it, rows of it */
    uint32_t mark;                 /* where the list was when the window began */
    const omen_block *pin;
    uint32_t pinned;
    /* positions, of phrases */
    uint8_t *bytes;
    size_t bytes_cap, bytes_len, bytes_done;
    uint32_t bytes_of;             /* block; bytes_whole: all are there */
    bool bytes_whole;
    uint32_t next_index;           /* row of the block whose positions come next at `next` */
    const uint8_t *next;
    uint32_t *found;
    uint32_t found_cap, found_count, found_row;
    uint32_t rows[OMEN_POSTINGS_BLOCK], counts[OMEN_POSTINGS_BLOCK];
    uint8_t scratch[OMEN_POSTINGS_BLOCK_BYTES + OMEN_POSTINGS_SLACK];
} omen_list;

/* For the leaf in the source: df is not 0 there. */
void omen_list_init(omen_list *l, const omen_text_plan *p, uint32_t source, uint32_t field, const omen_text_leaf *leaf);
void omen_list_deinit(omen_list *l, omen_mem *m);
/* Reads the heads and what each block adds at most. [may pend] */
omen_status omen_list_open(omen_list *l, omen_mem *m, float weight, const float inverse[256], omen_error *err);
/* Unpacks block h. [may pend] */
omen_status omen_list_load(omen_list *l, omen_text_work *work, omen_error *err);
void omen_list_unpin(omen_list *l);

/* To the first block that may hold the row or a later one; false: there is none. */
static inline bool omen_list_skip(omen_list *l, uint32_t row) {
    while (l->h < l->head_count && l->heads[l->h].last < row) l->h++;
    return l->h < l->head_count;
}
/* Within block h, which is unpacked: to the first row that is `row` or later. */
static inline void omen_list_seek(omen_list *l, uint32_t row) {
    uint32_t lo = l->at, hi = l->count;
    if (lo < hi && l->rows[lo] >= row) return;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (l->rows[mid] < row) lo = mid + 1;
        else hi = mid;
    }
    l->at = lo;
}
/* Whether the row is in the list; rows asked about ascend. [may pend] */
static inline omen_status omen_list_has(omen_list *l, uint32_t row, bool *has, omen_text_work *work, omen_error *err) {
    *has = false;
    if (!omen_list_skip(l, row)) return OMEN_OK;
    if (l->loaded != l->h) OMEN_TRY(omen_list_load(l, work, err));
    omen_list_seek(l, row);
    *has = l->at < l->count && l->rows[l->at] == row;
    return OMEN_OK;
}
/* The positions of the row the list is at: found, found_count, ascending. [may pend] */
omen_status omen_list_positions(omen_list *l, omen_mem *m, omen_text_work *work, omen_error *err);

#endif
