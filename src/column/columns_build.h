/* columns_build.h - between columns_build.c, which walks documents, and columns_layout.c, which decides where everything goes. */
#ifndef OMEN_COLUMN_COLUMNS_BUILD_H
#define OMEN_COLUMN_COLUMNS_BUILD_H

#include "column/columns.h"
#include "column/columns_dict.h"
#include "column/columns_stats.h"

typedef struct build_series {
    uint32_t count;
    bool plain;     /* a string without dictionary */
    bool broken;    /* TIME: a string of this level was none */
    uint64_t bytes; /* of all strings */
    omen_value_stats stats;
    omen_value_stats_result result;
    omen_dict dict;
    omen_series out;
    /* while values are written */
    omen_zone zone;
    uint32_t zone_block;
    uint64_t next_slot, bytes_at; /* plain strings: offsets are written below next_slot */
} build_series;

typedef struct build_column {
    uint32_t parent; /* column + 1; 0: the document */
    uint32_t names;  /* in its path */
    omen_str name, path;
    uint32_t seen;   /* the last row that had it, + 1 */
    omen_column out;
    uint32_t elements, next_row; /* while values are written */
    build_series *series[2][OMEN_SERIES_TYPES];
} build_column;

struct omen_columns_builder {
    omen_mem *mem;
    const omen_row_source *source;
    enum { BUILD_LEARN, BUILD_DIRECTORY, BUILD_FILL, BUILD_EMIT, BUILD_DONE } stage;
    uint32_t row, flags;
    build_column columns[OMEN_COLUMN_MAX];
    uint32_t count;
    uint16_t children[4 * OMEN_COLUMN_MAX]; /* (parent, name) -> column + 1, open addressing */
    omen_arena names;
    size_t dict_memory;
    /* layout: addresses count through statistics, then data */
    uint64_t statistics_len, data_len, data_base, total;
    uint8_t *window; /* bytes [window_from, window_to) of that */
    size_t window_cap;
    uint64_t window_most; /* a multiple of 64 */
    uint64_t window_from, window_to, emitted;
    bool in_section, in_data;
};

/* Decides the form of every series and the place of every buffer; afterwards `out` of columns and series are complete. */
omen_status omen_columns_layout(struct omen_columns_builder *b);
/* Appends the directory's bytes. */
omen_status omen_columns_directory(const struct omen_columns_builder *b, omen_buf *out);
/* Puts what does not depend on the rows' order into the window: dictionaries, quantiles, common values. */
void omen_columns_constants(struct omen_columns_builder *b);

/* Bytes that fall into the window. */
static inline void omen_columns_put(struct omen_columns_builder *b, uint64_t address, const void *bytes, size_t len) {
    if (address >= b->window_from && address + len <= b->window_to) {
        memcpy(b->window + (address - b->window_from), bytes, len);
        return;
    }
    uint64_t from = OMEN_MAX(address, b->window_from), to = OMEN_MIN(address + len, b->window_to);
    if (from < to) memcpy(b->window + (from - b->window_from), (const uint8_t *)bytes + (from - address), (size_t)(to - from));
}
static inline void omen_columns_put_bit(struct omen_columns_builder *b, uint64_t address, uint64_t bit) {
    uint64_t at = address + bit / 8;
    if (at >= b->window_from && at < b->window_to) b->window[at - b->window_from] |= (uint8_t)(1u << bit % 8);
}

#endif
