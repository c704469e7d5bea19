/* audit.h - the self-audit of an index under construction: rows that are held back serve as queries; their 10 nearest among all other rows are found
 * exactly, by one pass over the vectors; then searches of growing effort tell how many of those they find. A search re-ranks its candidates exactly, so what
 * matters is only whether a true neighbour is among them.
 */
#ifndef OMEN_INDEX_AUDIT_H
#define OMEN_INDEX_AUDIT_H

#include "index/index.h"

#define OMEN_AUDIT_QUERIES 128u
#define OMEN_AUDIT_K 10u

typedef struct omen_audit_near { float distance; uint32_t row; } omen_audit_near;

typedef struct omen_audit {
    omen_mem *mem;
    uint32_t queries, dimensions;
    omen_metric metric;
    size_t vector_bytes;
    uint32_t rows[OMEN_AUDIT_QUERIES]; /* which rows; ascending */
    uint8_t *vectors;                  /* theirs */
    float norms[OMEN_AUDIT_QUERIES];
    omen_audit_near near[OMEN_AUDIT_QUERIES][OMEN_AUDIT_K];
    uint32_t near_count[OMEN_AUDIT_QUERIES];
    float *scratch;                    /* OMEN_AUDIT_QUERIES x OMEN_AUDIT_RUN distances */
    const uint8_t *run;                /* the rows being compared now */
    uint32_t run_first, run_count;
    omen_index_point points[OMEN_INDEX_POINTS];
    uint32_t point_count;
} omen_audit;

/* Rows compared at once, at most. */
#define OMEN_AUDIT_RUN 256u

/* rows: `queries` (at most OMEN_AUDIT_QUERIES) rows, ascending. OMEN_ERR_MEMORY. */
omen_status omen_audit_init(omen_audit *a, omen_mem *m, const omen_vectors *source, const uint32_t *rows, uint32_t queries, omen_error *err);
void omen_audit_deinit(omen_audit *a);
/* While vectors pass by, first to last: keeps the queries' own. count rows as omen_vectors.read gives them. */
void omen_audit_take(omen_audit *a, const void *vectors, uint32_t first, uint32_t count);
/* In a later pass: compares rows with the queries. Any count. */
void omen_audit_compare(omen_audit *a, const void *vectors, uint32_t first, uint32_t count);
/* Number of the query that is this row, or UINT32_MAX. */
uint32_t omen_audit_query_of(const omen_audit *a, uint32_t row);
static inline const void *omen_audit_query(const omen_audit *a, uint32_t q) { return a->vectors + q * a->vector_bytes; }
/* Where row is among the true neighbours of query q, or OMEN_AUDIT_K. */
uint32_t omen_audit_find(const omen_audit *a, uint32_t q, uint32_t row);
uint32_t omen_audit_truths(const omen_audit *a); /* true neighbours of all queries */
/* Effort of a recall of 0 to 1, and candidates for k hits, from points. */
void omen_audit_effort(const omen_index_point *points, uint32_t count, uint32_t k, float recall, uint32_t *effort, uint32_t *want);
/* Slack n of the ladder for graphs: 32, 48, 64, 96, ... */
uint32_t omen_audit_ladder(uint32_t n);

#endif
