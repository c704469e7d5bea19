/* kmeans.h - k-means over floats in steps: Lloyd 1982, started by greedy k-means++ (Arthur and Vassilvitskii 2007), in two levels where there are many clusters.
 *
 * Up to OMEN_KMEANS_FLAT clusters are found in one go, in at most 12 rounds. More: about sqrt(clusters) groups are found first, each group's points are clustered
 * by themselves into a share of the clusters that fits their number, and two rounds over all points follow, in which a point looks only at the clusters of the
 * eight groups nearest to it. Clusters of one group are neighbours in the result. A cluster that loses all its points gets the point that is farthest from its
 * own. Where there are fewer distinct points than clusters, the clusters left over are equal to others.
 *
 * Distances are l2_f32 of the kernels (flat and below 32 dimensions, where it adds mostly zeros, sums in order of the dimensions), means are sums of doubles in order of the
 * points, ties go to the lower number, and loops are cut in the same way for any number of threads: the same bits on every machine.
 *
 * Cost in multiply-adds, n points, d dimensions, k clusters: a flat round n k d, a round in two levels about n d (sqrt(k) + 8 sqrt(k)); a processor core with AVX2
 * does some 15 thousand million a second. So 1,000,000 x 128 assigned to 1,000 clusters: 1.3e11; to 4,096: 7e10; to 65,536: 3e11. Training on 64 points a cluster:
 * 1,000 clusters at most 1e11, 4,096 about 6e10.
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
/* Of all points when done: each one's cluster before the centroids moved for the last time. */
const uint32_t *omen_kmeans_nearest(const omen_kmeans *k);
void omen_kmeans_free(omen_kmeans *k); /* NULL is fine */

#endif
