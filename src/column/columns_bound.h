/* columns_bound.h - the inside of a bound condition: for each series the ranges of keys that fulfil it. */
#ifndef OMEN_COLUMN_COLUMNS_BOUND_H
#define OMEN_COLUMN_COLUMNS_BOUND_H

#include "column/columns_condition.h"

/* Keys low to high. For strings without dictionary, keys see only the first bytes: then keys strictly between are inside, and at
 * the edges the range itself decides. */
typedef struct key_range {
    int64_t low, high;
    const omen_range *range; /* of plain strings; else NULL */
} key_range;

typedef struct bound_series {
    const omen_series *series;
    key_range *ranges; /* ascending, not overlapping (but for plain strings) */
    uint32_t count, cap;
    uint64_t *codes;   /* of a dictionary: a bit for each entry that fulfils it; NULL: by ranges */
    bool doubt;        /* any value may: it has to be looked at in its document */
    /* place of preparing */
    uint32_t next_range, side;
    uint32_t low, high, first;
    bool searching;
    /* place of estimating by pieces */
    uint32_t piece, tried, seen;
} bound_series;

enum { VIEW_VALUES, VIEW_BITS, VIEW_OFFSETS, VIEW_ROWS, VIEWS };

struct omen_bound {
    const omen_columns *columns;
    const omen_condition *condition;
    const omen_column *column; /* NULL: no column of this path */
    bool unknown;              /* and no column says nothing: every row has to be looked at */
    bool prepared;
    bound_series *series;
    uint32_t series_count, series_ready;
    omen_view views[VIEWS];
    /* place within a block */
    uint32_t block, at_series;
    bool begun;
    uint64_t at_slot;
    omen_known known;
};

/* Bits of the slots [slot, slot + count) of a series whose value fulfils the condition; slot a multiple of 64, count at most OMEN_COLUMN_BLOCK; of
 * strings without dictionary at most OMEN_PLAIN_PIECE, so that a piece's blocks fit any pool. all: every value does. bits: (count + 63) / 64
 * words. [may pend] */
#define OMEN_PLAIN_PIECE 512u
omen_status omen_bound_scan(omen_bound *b, const bound_series *s, uint64_t slot, uint32_t count, bool all, uint64_t *bits, omen_error *err);
/* What can be decided of a block by its zone. */
typedef enum zone_answer { ZONE_NONE, ZONE_ALL, ZONE_SCAN } zone_answer;
zone_answer omen_bound_zone(const bound_series *s, int64_t min, int64_t max);

static inline bool omen_str_contains(omen_str s, omen_str part) {
    const char *at = s.data, *end = s.data + s.len;
    if (part.len == 0) return true;
    while ((size_t)(end - at) >= part.len) {
        at = memchr(at, part.data[0], (size_t)(end - at) - part.len + 1);
        if (at == NULL) return false;
        if (memcmp(at, part.data, part.len) == 0) return true;
        at++;
    }
    return false;
}

static inline void omen_bits_or(uint64_t *into, const uint64_t *bits) {
    for (uint32_t i = 0; i < OMEN_BLOCK_WORDS; i++) into[i] |= bits[i];
}

#endif
