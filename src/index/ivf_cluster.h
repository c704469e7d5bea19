/* ivf_cluster.h - lists of rows that lie together: k-means (Lloyd 1982) over 8-bit codes (quant/sq8.h), or over bits by Hamming distance, where the majority of
 * the bits takes the place of the mean (k-majority: Grana et al. 2013). Sums, distances and ties are whole numbers: neither the machine nor the number of
 * threads shows in the result.
 */
#ifndef OMEN_INDEX_IVF_CLUSTER_H
#define OMEN_INDEX_IVF_CLUSTER_H

#include "base/mem.h"

/* Codes, one after another, and how they are compared. */
typedef struct omen_ivf_codes {
    const uint8_t *rows;
    uint32_t stride; /* bytes from row to row */
    uint32_t len;    /* bytes compared: a multiple of 64, or of 8 for bits */
    bool bits;
} omen_ivf_codes;

/* Centroids: lists x len bytes, and what a distance to each begins with (NULL for bits). */
typedef struct omen_ivf_centroids {
    const uint8_t *codes;
    const int32_t *bias; /* sum(c^2) + 256 sum(c) */
    uint32_t count;
} omen_ivf_centroids;

/* sum(c^2) + 256 sum(c), or 256 sum(c) for inner products. */
int32_t omen_ivf_bias(const uint8_t *code, uint32_t len, bool product);

/* Bytes of scratch that one task of omen_ivf_assign needs. */
size_t omen_ivf_assign_scratch(uint32_t len);
/* The nearest centroid of `count` codes, ties by the lower number: code i is row first + i, or, when stretch is not 0, row (first + i) * total / stretch. */
typedef struct omen_ivf_assign {
    omen_ivf_codes codes;
    omen_ivf_centroids centroids;
    uint32_t first, count;
    uint32_t total, stretch;
    uint32_t *nearest;            /* nearest[i] */
    uint8_t *scratch;             /* tasks x omen_ivf_assign_scratch */
    uint32_t tasks;
} omen_ivf_assign;
void omen_ivf_assign_all(const omen_ivf_assign *a, const omen_host *host);

/* Clustering in steps. */
typedef struct omen_ivf_cluster {
    omen_mem *mem;
    omen_ivf_codes codes;
    uint32_t rows;    /* of codes */
    uint32_t points;  /* of them take part, evenly spread */
    uint32_t lists, tasks, round, at;
    uint8_t *centroids;
    int32_t *bias;
    uint32_t *nearest, *last, *starts, *members;
    uint8_t *scratch;
    int32_t *sums;    /* tasks x numbers of a code */
} omen_ivf_cluster;
/* Takes a number of lists from 1 to rows. c->codes.rows stay the caller's. OMEN_ERR_MEMORY. */
omen_status omen_ivf_cluster_begin(omen_ivf_cluster *c, omen_mem *m, const omen_ivf_codes *codes, uint32_t rows, uint32_t points, uint32_t lists);
/* Some milliseconds' work; answers true when the centroids are found. */
bool omen_ivf_cluster_step(omen_ivf_cluster *c);
void omen_ivf_cluster_deinit(omen_ivf_cluster *c);
/* 0 to 1,000 */
uint32_t omen_ivf_cluster_progress(const omen_ivf_cluster *c);
static inline omen_ivf_centroids omen_ivf_cluster_centroids(const omen_ivf_cluster *c) { return (omen_ivf_centroids){c->centroids, c->bias, c->lists}; }

/* Points to compare in one step with so many centroids of so many bytes. */
uint32_t omen_ivf_step_points(uint32_t lists, uint32_t len);
/* Tasks into which a loop is cut. */
uint32_t omen_ivf_tasks(const omen_host *host);

#endif
