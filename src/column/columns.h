/* columns.h - typed columns of a part's documents: built while a part is written, read back, and asked by filters. What they hold and
 * how it lies in the file stands in columns_format.h. */
#ifndef OMEN_COLUMN_COLUMNS_H
#define OMEN_COLUMN_COLUMNS_H

#include "column/columns_format.h"
#include "column/part.h"

/* ---- writing ---- */

/* Writes the sections of columns into a segment, between two other sections. Reads the documents of the source twice (three
 * times and more where columns take more than 32 MiB), in order of rows; memory is bounded by that, by 32 MiB of
 * dictionaries, and by what is known of 256 columns. The bytes depend on the documents alone. */
typedef struct omen_columns_builder omen_columns_builder;
/* source is borrowed until the builder is freed; only its `rows` and `doc` are used. An empty text is a row without document. */
omen_status omen_columns_builder_new(omen_mem *m, const omen_row_source *source, omen_columns_builder **out, omen_error *err);
/* Reads or writes about 1 MiB. Step: repeat until *done, on PENDING too. `out` must be between sections at the first call and is left so. */
omen_status omen_columns_builder_step(omen_columns_builder *b, omen_segment_writer *out, bool *done, omen_error *err);
void omen_columns_builder_free(omen_columns_builder *b); /* NULL is fine */

/* ---- reading ---- */

/* The directory of a segment's columns; immutable once opened, for any number of threads. */
typedef struct omen_columns {
    omen_store *store;
    omen_segment *segment;                     /* borrowed */
    const omen_section *directory, *statistics, *data; /* the last two may be NULL */
    uint8_t *bytes;                            /* the directory */
    size_t len, done;
    uint32_t rows, column_count, series_count, flags;
    const omen_column *columns;                /* ascending by path */
    const omen_series *series;
    const char *text;
} omen_columns;

/* Opens and validates; a segment without columns gives NULL. Step: repeat on PENDING with the same *out (NULL at first). OMEN_ERR_CORRUPT, _IO, _MEMORY, _VERSION.
 * On a final failure *out is NULL. rows: those of the part. */
omen_status omen_columns_open(omen_store *st, omen_segment *segment, uint32_t rows, omen_columns **out, omen_error *err);
void omen_columns_free(omen_columns *c); /* NULL is fine */

static inline omen_str omen_column_path(const omen_columns *c, const omen_column *col) { return (omen_str){c->text + col->path_at, col->path_len}; }
/* By path in its escaped form. NULL: no document has it, unless `complete` is false: then it may be in documents although it has no column. */
const omen_column *omen_columns_find(const omen_columns *c, omen_str path, bool *complete);
/* Appends a name to a path in its escaped form (and a dot before it, when the path is not empty or `names` is not 0). */
omen_status omen_column_path_append(omen_buf *path, uint32_t names, omen_str name);
/* NULL when the column has no value of this type at this level. */
const omen_series *omen_columns_series(const omen_columns *c, const omen_column *col, uint32_t level, omen_series_type type);
static inline uint32_t omen_series_slots(const omen_columns *c, const omen_column *col, const omen_series *s) { return s->level == 0 ? c->rows : col->elements; }

/* A look into a section: bytes in place where they lie in one block, else copied. Zero-initialise; omen_view_deinit releases. A look that pended is repeated as it was, or given up. */
typedef struct omen_view {
    const omen_block *pin;
    uint32_t section_kind, block; /* of the pinned one */
    uint8_t *copy;
    size_t copy_cap, copied, copy_len;
    uint64_t copy_at;
    uint32_t copy_kind;
} omen_view;
/* len at most OMEN_VIEW_MAX; *out is valid until the next call with this view. [may pend]. Out of range: OMEN_ERR_CORRUPT. At least 8 more bytes are readable. */
#define OMEN_VIEW_MAX 65536u
omen_status omen_view_get(const omen_columns *c, omen_view *v, const omen_section *sec, uint64_t offset, size_t len, const uint8_t **out, omen_error *err);
void omen_view_rest(const omen_columns *c, omen_view *v); /* releases the block, keeps memory */
void omen_view_deinit(const omen_columns *c, omen_view *v);

#endif
