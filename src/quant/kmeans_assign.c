#include "base/parallel.h"
#include "kernel/kernel.h"
#include "quant/kmeans.h"

/* Points that one task compares; also how loops over points are cut, whatever the threads. */
#define CHUNK 256u
/* Points and centroids that are compared with each other while both are in the nearest caches. */
#define POINTS 32u
#define BLOCK 128u
/* Below so many dimensions, LANES centroids are compared at once, one dimension after the other. */
#define NARROW 32u
#define LANES 16u
/* Groups in which a point looks for its cluster. */
#define PROBES 8u

typedef struct best {
    float distance;
    uint32_t id;
} best;

/* Squares that are added up are neither negative nor NaN: their bits are in their order, and the least of whole numbers is found by vector instructions. */
static void take_least(best *b, const float *distances, uint32_t count, uint32_t first) {
    int32_t least = INT32_MAX, bits;
    for (uint32_t j = 0; j < count; j++) {
        memcpy(&bits, &distances[j], 4);
        least = bits < least ? bits : least;
    }
    float distance;
    memcpy(&distance, &least, 4);
    if (!(distance < b->distance)) return; /* the first of equal ones stays */
    uint32_t j = 0;
    while (distances[j] != distance) j++;
    *b = (best){distance, first + j};
}

/* ---- no groups ---- */

static void wide_tile(const omen_centroids *c, const float *points, uint32_t count, best *found) {
    const omen_kernels *k = omen_kernels_get();
    float distances[BLOCK];
    for (uint32_t at = 0; at < c->count; at += BLOCK) {
        uint32_t some = OMEN_MIN(BLOCK, c->count - at);
        for (uint32_t i = 0; i < count; i++) {
            k->l2_f32(points + (size_t)i * c->dimensions, c->values + (size_t)at * c->dimensions, some, c->dimensions, distances);
            take_least(&found[i], distances, some, at);
        }
    }
}

static void narrow_tile(const omen_centroids *c, const float *points, uint32_t count, best *found) {
    float across[NARROW * LANES], sums[LANES];
    for (uint32_t at = 0; at < c->count; at += LANES) {
        uint32_t some = OMEN_MIN(LANES, c->count - at);
        for (uint32_t d = 0; d < c->dimensions; d++)
            for (uint32_t l = 0; l < LANES; l++) across[d * LANES + l] = l < some ? c->values[(size_t)(at + l) * c->dimensions + d] : 0.0f;
        for (uint32_t i = 0; i < count; i++) {
            const float *x = points + (size_t)i * c->dimensions;
            for (uint32_t l = 0; l < LANES; l++) sums[l] = 0.0f;
            for (uint32_t d = 0; d < c->dimensions; d++)
                for (uint32_t l = 0; l < LANES; l++) {
                    float apart = x[d] - across[d * LANES + l];
                    sums[l] += apart * apart;
                }
            take_least(&found[i], sums, some, at);
        }
    }
}

/* ---- groups ---- */

typedef struct near_groups {
    float distances[PROBES];
    uint32_t groups[PROBES], count;
} near_groups;

static void insert(near_groups *n, float distance, uint32_t group) {
    if (n->count == PROBES && !(distance < n->distances[PROBES - 1])) return;
    uint32_t at = n->count < PROBES ? n->count++ : PROBES - 1;
    for (; at != 0 && distance < n->distances[at - 1]; at--) {
        n->distances[at] = n->distances[at - 1];
        n->groups[at] = n->groups[at - 1];
    }
    n->distances[at] = distance;
    n->groups[at] = group;
}

static void grouped(const omen_centroids *c, const float *x, best *found) {
    const omen_kernels *k = omen_kernels_get();
    near_groups near = {.count = 0};
    float distances[BLOCK];
    for (uint32_t at = 0; at < c->groups; at += BLOCK) {
        uint32_t some = OMEN_MIN(BLOCK, c->groups - at);
        k->l2_f32(x, c->tops + (size_t)at * c->dimensions, some, c->dimensions, distances);
        for (uint32_t j = 0; j < some; j++) insert(&near, distances[j], at + j);
    }
    for (uint32_t g = 0; g < near.count; g++) {
        uint32_t end = c->starts[near.groups[g] + 1];
        for (uint32_t at = c->starts[near.groups[g]]; at < end; at += BLOCK) {
            uint32_t some = OMEN_MIN(BLOCK, end - at);
            k->l2_f32(x, c->values + (size_t)at * c->dimensions, some, c->dimensions, distances);
            take_least(found, distances, some, at); /* of equal ones, that of the nearest group */
        }
    }
}

/* ---- all ---- */

typedef struct assignment {
    const omen_centroids *centroids;
    const float *points;
    uint32_t count, *nearest;
    float *distances;
} assignment;

static void assign_chunk(void *arg, size_t chunk) {
    const assignment *a = arg;
    const omen_centroids *c = a->centroids;
    uint32_t end = OMEN_MIN(a->count, (uint32_t)(chunk + 1) * CHUNK);
    for (uint32_t at = (uint32_t)chunk * CHUNK; at < end; at += POINTS) {
        uint32_t some = OMEN_MIN(POINTS, end - at);
        const float *points = a->points + (size_t)at * c->dimensions;
        best found[POINTS];
        for (uint32_t i = 0; i < some; i++) found[i] = (best){__builtin_inff(), 0};
        if (c->groups != 0)
            for (uint32_t i = 0; i < some; i++) grouped(c, points + (size_t)i * c->dimensions, &found[i]);
        else if (c->dimensions < NARROW) narrow_tile(c, points, some, found);
        else wide_tile(c, points, some, found);
        for (uint32_t i = 0; i < some; i++) {
            a->nearest[at + i] = found[i].id;
            if (a->distances != NULL) a->distances[at + i] = found[i].distance;
        }
    }
}

void omen_centroids_assign(const omen_centroids *c, const omen_host *host, const float *points, uint32_t count, uint32_t *nearest, float *distances) {
    assignment a = {c, points, count, nearest, distances};
    omen_parallel(host, (count + (size_t)CHUNK - 1) / CHUNK, assign_chunk, &a);
}
