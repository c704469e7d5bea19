/* kmeans.h - k-means over floats in steps: Lloyd 1982, started by k-means++ (Arthur and Vassilvitskii 2007), in two levels where there are many clusters.
 *
 * Up to OMEN_KMEANS_FLAT clusters are found in one go. More: about sqrt(clusters) groups are found first among a sample of the points, each group's points are
 * clustered by themselves into a share of the clusters that fits their number, and two rounds over all points follow, in which a point looks only
 * at the clusters of the eight groups nearest to it. Clusters of one group are neighbours in the result.
 *
 * Distances are l2_f32 of the kernels (transposed sums in order of dimension below 32 dimensions), sums are doubles in order of points, ties go to the lower
 * number, loops are cut the same way for any number of threads: the same bits on every machine.
 *
 * Cost, in multiply-adds: a round of n points, d dimensions and k clusters is n k d flat (at most 12 rounds and the start), n d (sqrt(k) + 8 k / sqrt(k))
 * in two levels. A core does some 5 to 15 thousand million a second. 1,000,000 x 128 to 1,000 clusters: 1.3e11 for assigning all, and 1e11 for
 * training on 64 points a cluster; to 4,096 clusters: 7e10 and 1.1e11; to 65,536: 3e11 and a million points are too few for a sample.
 */
#ifndef OMEN_QUANT_KMEANS_H
#define OMEN_QUANT_KMEANS_H

#include "base/mem.h"

#define OMEN_KMEANS_FLAT 1024u
#define OMEN_KMEANS_MAX 65536u

/* Where clusters lie. groups is 0 where they are flat. */
typedef struct omen_centroids {
    uint32_t count, dimensions;
    const float *values;     /* count x dimensions */
    uint32_t groups;
    const float *tops;       /* groups x dimensions */
    const uint32_t *starts;  /* groups + 1: clusters of a group */
} omen_centroids;

/* The nearest centroid of each of `count` points (and the squared distance to it, where distances is not NULL), on the host's threads. Without groups it is the
 * nearest; with groups, the nearest of those in eight groups. About 2^28 multiply-adds take some tens of milliseconds: cut long runs yourself.
 * count x 4 bytes of results; no memory besides. */
void omen_centroids_assign(const omen_centroids *c, const omen_host *host, const float *points, uint32_t count, uint32_t *nearest, float *distances);

typedef struct omen_kmeans omen_kmeans;
/* points: count x dimensions finite floats, row-major, borrowed until the end; 64 to 256 a cluster are enough. clusters: 1 to OMEN_KMEANS_MAX; there
 * will be no more than points. Fewer distinct points than clusters: some centroids are equal to others. OMEN_ERR_INVALID (no points, no clusters, too many),
 * OMEN_ERR_MEMORY. */
omen_status omen_kmeans_new(omen_mem *m, const float *points, uint32_t count, uint32_t dimensions, uint32_t clusters, uint64_t seed, omen_kmeans **out,
                            omen_error *err);
/* Some tens of milliseconds' work; repeat until *done. OMEN_ERR_MEMORY. */
omen_status omen_kmeans_step(omen_kmeans *k, bool *done, omen_error *err);
uint32_t omen_kmeans_progress(const omen_kmeans *k); /* 0 to 1,000 */
/* When done; borrowed until the end. */
omen_centroids omen_kmeans_centroids(const omen_kmeans *k);
/* Of all points when done: each one's cluster in the last assignment, and its squared distance to where that centroid was then. */
const uint32_t *omen_kmeans_nearest(const omen_kmeans *k);
void omen_kmeans_free(omen_kmeans *k); /* NULL is fine */

#endif
