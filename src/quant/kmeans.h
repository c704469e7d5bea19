/* kmeans.h - k-means over codes: Lloyd 1982 over 8-bit numbers, or over bits by Hamming distance, where the majority of the bits takes the place of the mean
 * (k-majority: Grana et al. 2013). Floats become codes first (sq8.h, or by the caller): sums, distances and ties are whole numbers, so that neither the machine nor
 * the number of threads shows in the result, and the scans are those of the integer kernels.
 *
 * A number of a point is rounded to one of 128 values before it is compared, as a query's is (dot_u7i8 of kernel.h). The clusters start at points spread
 * evenly; one that has lost all its points gets another. At most 8 rounds; fewer where hardly a point moves.
 */
#ifndef OMEN_QUANT_KMEANS_H
#define OMEN_QUANT_KMEANS_H

#include "base/mem.h"

/* Codes, one after another, and how they are compared. */
typedef struct omen_kmeans_codes {
    const uint8_t *rows;
    uint32_t stride; /* bytes from row to row */
    uint32_t len;    /* bytes compared: a multiple of 64, or of 8 for bits */
    bool bits;
} omen_kmeans_codes;

/* Centroids: clusters x len bytes, and what a distance to each begins with (NULL for bits). */
typedef struct omen_centroids {
    const uint8_t *codes;
    const int32_t *bias; /* sum(c^2) + 256 sum(c) */
    uint32_t count;
} omen_centroids;

/* sum(c^2) + 256 sum(c), or 256 sum(c) for inner products. */
int32_t omen_kmeans_bias(const uint8_t *code, uint32_t len, bool product);

/* Bytes of scratch that one task of omen_kmeans_assign needs. */
size_t omen_kmeans_scratch(uint32_t len);
/* The nearest centroid of `count` codes, ties by the lower number: code i is row first + i, or, when stretch is not 0, row (first + i) * total / stretch. */
typedef struct omen_kmeans_assign {
    omen_kmeans_codes codes;
    omen_centroids centroids;
    uint32_t first, count;
    uint32_t total, stretch;
    uint32_t *nearest;            /* nearest[i] */
    uint8_t *scratch;             /* tasks x omen_kmeans_scratch */
    uint32_t tasks;
} omen_kmeans_assign;
void omen_kmeans_assign_all(const omen_kmeans_assign *a, const omen_host *host);

/* Clustering in steps. */
typedef struct omen_kmeans {
    omen_mem *mem;
    omen_kmeans_codes codes;
    uint32_t rows;    /* of codes */
    uint32_t points;  /* of them take part, evenly spread */
    uint32_t clusters, tasks, round, at;
    uint8_t *centroids;
    int32_t *bias;
    uint32_t *nearest, *last, *starts, *members;
    uint8_t *scratch;
    int32_t *sums;    /* tasks x numbers of a code */
} omen_kmeans;
/* Takes a number of clusters from 1 to rows. c->codes.rows stay the caller's. OMEN_ERR_MEMORY. */
omen_status omen_kmeans_begin(omen_kmeans *c, omen_mem *m, const omen_kmeans_codes *codes, uint32_t rows, uint32_t points, uint32_t clusters);
/* Some milliseconds' work; answers true when the centroids are found. */
bool omen_kmeans_step(omen_kmeans *c);
void omen_kmeans_deinit(omen_kmeans *c);
/* 0 to 1,000 */
uint32_t omen_kmeans_progress(const omen_kmeans *c);
static inline omen_centroids omen_kmeans_centroids(const omen_kmeans *c) { return (omen_centroids){c->centroids, c->bias, c->clusters}; }

/* Points to compare in one step with so many centroids of so many bytes. */
uint32_t omen_kmeans_step_points(uint32_t clusters, uint32_t len);
/* Tasks into which a loop is cut. */
uint32_t omen_kmeans_tasks(const omen_host *host);

#endif
