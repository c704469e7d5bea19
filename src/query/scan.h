/* query/ - plans and executes reads over sources of rows, in steps, and hands out results. It does not know tables or segments: the
 * database describes each as an omen_scan_source.
 *
 * scan.h - a source of rows to be scanned, as one snapshot sees it.
 */
#ifndef OMEN_QUERY_SCAN_H
#define OMEN_QUERY_SCAN_H

#include "base/key.h"
#include "base/mem.h"

/* Vectors of rows that lie together. */
typedef struct omen_scan_run {
    const void *vectors;  /* count vectors as they are stored (column/element.h), back to back */
    const float *norms;   /* count; NULL unless the metric is cosine */
    uint32_t first;
    uint32_t count;       /* at least 1 */
    const void *pin;      /* of the source's */
} omen_scan_run;

/* One row's vector. */
typedef struct omen_scan_row {
    const void *vector;
    float norm;      /* cosine only */
    const void *pin; /* of the source's */
} omen_scan_row;

typedef struct omen_scan_ops {
    /* Vectors of `field` from row `row` on, at most `limit` rows. norms: room for `limit` floats that the source may use, NULL unless the metric is cosine. [may pend] */
    omen_status (*run)(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *norms, omen_scan_run *out, omen_error *err);
    void (*release)(void *ctx, omen_scan_run *run);
    /* Only of sources that have an index: the vector of one row, in place, or in `buffer` (of row_bytes and 64 more). [may pend] */
    omen_status (*row_vector)(void *ctx, uint32_t field, uint32_t row, uint8_t *buffer, omen_scan_row *out, omen_error *err);
    /* Hints: the row's vector will be asked for (answers whether it will do without a buffer); its id will be asked for, soon or next. */
    bool (*expect_row)(void *ctx, uint32_t field, uint32_t row);
    void (*expect_key)(void *ctx, uint32_t row, bool next);
    void (*release_row)(void *ctx, omen_scan_row *row);
    /* Whether the reader sees the row, and its id: into `bytes` (OMEN_KEY_MAX) or borrowed for the snapshot's life. The id of a dead row
     * is not given. [may pend] */
    omen_status (*row)(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err);
} omen_scan_ops;

typedef struct omen_scan_source {
    const omen_scan_ops *ops;
    void *ctx;
    uint32_t rows;
} omen_scan_source;

#endif
