#include "quant/kmeans.h"

#include "base/parallel.h"
#include "base/prng.h"
#include "base/sort.h"
#include "kernel/kernel.h"

#define ROUNDS 12u
/* Rounds over all points after two levels. */
#define LAST_ROUNDS 2u
/* A round that moves less than one point of so many is the last. */
#define SETTLED 1000u
/* Points a cluster among which the start is chosen, but no fewer than START_LEAST, and on which parts of two levels train. */
#define START_POINTS 16u
#define START_LEAST 4096u
#define TRAIN_POINTS 256u
/* Draws of which the best becomes the next centroid of the start. */
#define DRAWS 3u
/* Levels within levels, where most points lie in one group; deeper down, points spread evenly serve as centroids. */
#define DEPTH 3u
/* Multiply-adds of a step, by one thread. */
#define STEP_WORK (UINT64_C(1) << 27)
#define CHUNK 256u
#define STRIP 64u /* dimensions that are summed up at a time */

enum { START, ASSIGN, MOVE, TOPS, SHARE, CHILDREN, DONE };

struct omen_kmeans {
    omen_mem *mem;
    const float *points;
    uint32_t count, d, clusters, depth;
    uint32_t live;            /* clusters that take part: the others will be equal to the first */
    uint32_t stage, round, at, rounds;
    omen_prng random;
    float *values;            /* clusters x d */
    uint32_t *nearest, *last; /* of each point */
    float *distances;
    uint32_t *members, *starts;
    double *sums;             /* while starting: of chunks, DRAWS + 1 of each */
    float *drawn;             /* while starting: distances to what was drawn, DRAWS x sampled */
    uint32_t draws, draw[DRAWS];
    float *sample;            /* START: points to choose from, when they are not all; CHILDREN: those of a group */
    uint32_t sampled, sample_cap;
    /* two levels */
    uint32_t groups, group;
    float *tops;
    uint32_t *shares;         /* groups + 1: clusters before each group */
    omen_kmeans *inner;
};

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory clustering vectors"); }

static uint32_t chunks_of(uint32_t count) { return (count + CHUNK - 1) / CHUNK; }

/* ---- making and freeing ---- */

static size_t sums_bytes(const omen_kmeans *k) { return (DRAWS + (size_t)1) * chunks_of(k->count) * sizeof(double); }
static size_t drawn_bytes(const omen_kmeans *k) { return (size_t)DRAWS * k->sampled * sizeof(float); }

static uint32_t root(uint32_t n) {
    uint32_t r = 1;
    while (r * r < n) r++;
    return r;
}

static omen_status make(omen_mem *m, const float *points, uint32_t count, uint32_t d, uint32_t clusters, uint64_t seed, uint32_t depth, omen_kmeans **out, omen_error *err) {
    omen_kmeans *k = omen_alloc_zero(m, sizeof *k);
    *out = k;
    if (k == NULL) return out_of_memory(err);
    *k = (omen_kmeans){.mem = m, .points = points, .count = count, .d = d, .clusters = OMEN_MIN(clusters, count), .depth = depth, .random = {seed}};
    bool flat = k->clusters <= OMEN_KMEANS_FLAT;
    k->groups = flat || depth == DEPTH ? 0 : root(k->clusters);
    k->live = k->clusters;
    k->rounds = flat ? ROUNDS : LAST_ROUNDS;
    k->stage = k->groups == 0 ? START : TOPS;
    size_t row = d * sizeof(float);
    k->values = omen_alloc(m, k->clusters * row);
    k->nearest = omen_alloc_zero(m, count * sizeof(uint32_t));
    k->last = omen_alloc_zero(m, count * sizeof(uint32_t));
    k->distances = omen_alloc(m, count * sizeof(float));
    k->members = omen_alloc(m, count * sizeof(uint32_t));
    k->starts = omen_alloc(m, (k->clusters + (size_t)1) * sizeof(uint32_t));
    k->sums = omen_alloc(m, sums_bytes(k));
    bool there = k->values != NULL && k->nearest != NULL && k->last != NULL && k->distances != NULL && k->members != NULL && k->starts != NULL && k->sums != NULL;
    if (k->groups != 0) {
        k->tops = omen_alloc(m, k->groups * row);
        k->shares = omen_alloc_zero(m, (k->groups + (size_t)1) * sizeof(uint32_t));
        there = there && k->tops != NULL && k->shares != NULL;
    }
    if (there) return OMEN_OK;
    omen_kmeans_free(k);
    *out = NULL;
    return out_of_memory(err);
}

omen_status omen_kmeans_new(omen_mem *m, const float *points, uint32_t count, uint32_t dimensions, uint32_t clusters, uint64_t seed, omen_kmeans **out, omen_error *err) {
    *out = NULL;
    if (count == 0) return omen_fail(err, OMEN_ERR_INVALID, "there are no vectors to cluster");
    if (dimensions == 0 || dimensions > OMEN_MAX_DIMENSIONS) return omen_fail(err, OMEN_ERR_INVALID, "vectors cannot have %u dimensions", dimensions);
    if (clusters == 0 || clusters > OMEN_KMEANS_MAX) return omen_fail(err, OMEN_ERR_INVALID, "%u clusters; 1 to %u are possible", clusters, OMEN_KMEANS_MAX);
    return make(m, points, count, dimensions, clusters, seed, 0, out, err);
}

static void drop_sample(omen_kmeans *k) {
    omen_free(k->mem, k->sample, (size_t)k->sample_cap * k->d * sizeof(float));
    k->sample = NULL;
    k->sample_cap = 0;
}

void omen_kmeans_free(omen_kmeans *k) {
    if (k == NULL) return;
    size_t row = k->d * sizeof(float);
    omen_kmeans_free(k->inner);
    drop_sample(k);
    omen_free(k->mem, k->values, k->clusters * row);
    omen_free(k->mem, k->nearest, k->count * sizeof(uint32_t));
    omen_free(k->mem, k->last, k->count * sizeof(uint32_t));
    omen_free(k->mem, k->distances, k->count * sizeof(float));
    omen_free(k->mem, k->members, k->count * sizeof(uint32_t));
    omen_free(k->mem, k->starts, (k->clusters + (size_t)1) * sizeof(uint32_t));
    omen_free(k->mem, k->sums, sums_bytes(k));
    omen_free(k->mem, k->drawn, drawn_bytes(k));
    omen_free(k->mem, k->tops, (k->tops == NULL ? 0 : row * root(k->clusters)));
    omen_free(k->mem, k->shares, (k->shares == NULL ? 0 : (root(k->clusters) + (size_t)1) * sizeof(uint32_t)));
    omen_free(k->mem, k, sizeof *k);
}

/* Copies `some` of `count` rows into k->sample, one from each of as many equal stretches: where rows repeat with a period, a fixed stride would see a part of them.
 * ids: their numbers among the points, or NULL. */
static omen_status take_sample(omen_kmeans *k, const uint32_t *ids, uint32_t count, uint32_t some, omen_error *err) {
    size_t row = k->d * sizeof(float);
    drop_sample(k);
    k->sample = omen_alloc(k->mem, some * row);
    if (k->sample == NULL) return out_of_memory(err);
    k->sample_cap = k->sampled = some;
    for (uint32_t i = 0; i < some; i++) {
        uint32_t at = (uint32_t)((uint64_t)i * count / some), end = (uint32_t)((i + (uint64_t)1) * count / some);
        if (end - at > 1) at += omen_prng_below(&k->random, end - at);
        memcpy(k->sample + (size_t)i * k->d, k->points + (size_t)(ids == NULL ? at : ids[at]) * k->d, row);
    }
    return OMEN_OK;
}

/* ---- the start: k-means++, of several draws the one that leaves the least (greedy k-means++: Arthur and Vassilvitskii 2007) ---- */

static const float *choices(const omen_kmeans *k) { return k->sample == NULL ? k->points : k->sample; }
static const float *choice(const omen_kmeans *k, uint32_t i) { return choices(k) + (size_t)i * k->d; }
static double *sums_of(omen_kmeans *k, uint32_t draw) { return k->sums + (size_t)draw * chunks_of(k->sampled); }

/* Distances to the points drawn, and by chunks the sums of what would be left with each. */
static void measure_chunk(void *arg, size_t chunk) {
    omen_kmeans *k = arg;
    uint32_t first = (uint32_t)chunk * CHUNK, some = OMEN_MIN(CHUNK, k->sampled - first);
    for (uint32_t t = 0; t < k->draws; t++) {
        float *to = k->drawn + (size_t)t * k->sampled + first;
        const float *least = k->distances + first;
        omen_kernels_get()->l2_f32(choice(k, k->draw[t]), choice(k, first), some, k->d, to);
        double sum = 0.0;
        for (uint32_t i = 0; i < some; i++) {
            if (k->at != 0 && least[i] < to[i]) to[i] = least[i];
            sum += to[i];
        }
        sums_of(k, t + 1)[chunk] = sum;
    }
}

static double total_of(omen_kmeans *k, uint32_t draw) {
    const double *sums = sums_of(k, draw);
    double total = 0.0;
    for (uint32_t c = 0; c < chunks_of(k->sampled); c++) total += sums[c];
    return total;
}

/* A point with probability in proportion to its distance; UINT32_MAX when all distances are 0. */
static uint32_t draw(omen_kmeans *k, double total) {
    uint32_t chosen = UINT32_MAX;
    double sum = 0.0, goal = total * omen_prng_unit(&k->random);
    for (uint32_t c = 0; c < chunks_of(k->sampled); c++) {
        double own = sums_of(k, 0)[c], before = sum;
        if (!(own > 0.0)) continue;
        uint32_t end = OMEN_MIN(k->sampled, (c + 1) * CHUNK);
        bool here = sum + own > goal;
        /* Where no chunk reaches the goal (sums overflow, or round otherwise), the last point with a distance is taken. */
        for (uint32_t i = c * CHUNK; i < end; i++) {
            if (!(k->distances[i] > 0.0f)) continue;
            chosen = i;
            before += k->distances[i];
            if (here && before > goal) return i;
        }
        if (here) return chosen;
        sum += own;
    }
    return chosen;
}

/* Makes the best of what was drawn the next centroid. */
static void take_draw(omen_kmeans *k) {
    omen_parallel(k->mem->host, chunks_of(k->sampled), measure_chunk, k);
    uint32_t best = 0;
    double least = total_of(k, 1);
    for (uint32_t t = 1; t < k->draws; t++) {
        double left = total_of(k, t + 1);
        if (!(left < least)) continue;
        least = left;
        best = t;
    }
    memcpy(k->distances, k->drawn + (size_t)best * k->sampled, k->sampled * sizeof(float));
    memcpy(sums_of(k, 0), sums_of(k, best + 1), chunks_of(k->sampled) * sizeof(double));
    memcpy(k->values + (size_t)k->at++ * k->d, choice(k, k->draw[best]), k->d * sizeof(float));
}

static omen_status start_begin(omen_kmeans *k, omen_error *err) {
    uint64_t most = OMEN_MAX((uint64_t)START_POINTS * k->clusters, START_LEAST);
    k->sampled = k->count;
    if (k->count > most) OMEN_TRY(take_sample(k, NULL, k->count, (uint32_t)most, err));
    k->drawn = omen_alloc(k->mem, drawn_bytes(k));
    if (k->drawn == NULL) return out_of_memory(err);
    k->draws = 1;
    k->draw[0] = omen_prng_below(&k->random, k->sampled);
    take_draw(k);
    return OMEN_OK;
}

static omen_status start(omen_kmeans *k, omen_error *err) {
    if (k->depth == DEPTH && k->clusters > OMEN_KMEANS_FLAT) { /* too many to compare with each other */
        for (uint32_t c = 0; c < k->clusters; c++) memcpy(k->values + (size_t)c * k->d, k->points + (size_t)((uint64_t)c * k->count / k->clusters) * k->d, k->d * sizeof(float));
        k->stage = DONE;
        return OMEN_OK;
    }
    if (k->at == 0) OMEN_TRY(start_begin(k, err));
    uint64_t work = 0;
    while (k->at < k->clusters && work < STEP_WORK) {
        double total = total_of(k, 0);
        k->draws = 0;
        while (k->draws < DRAWS && (k->draw[k->draws] = draw(k, total)) != UINT32_MAX) k->draws++;
        if (k->draws == 0) { /* no more distinct points to choose from */
            k->live = k->at;
            k->at = k->clusters;
            break;
        }
        take_draw(k);
        work += (uint64_t)DRAWS * k->sampled * k->d;
    }
    if (k->at < k->clusters) return OMEN_OK;
    omen_free(k->mem, k->drawn, drawn_bytes(k));
    k->drawn = NULL;
    drop_sample(k);
    k->at = 0;
    k->stage = ASSIGN;
    return OMEN_OK;
}

/* ---- rounds ---- */

static omen_centroids view(const omen_kmeans *k) {
    return (omen_centroids){.count = k->live, .dimensions = k->d, .values = k->values, .groups = k->groups, .tops = k->tops, .starts = k->shares};
}

/* Compares the next points with c; answers true when all have been. */
static bool assign(omen_kmeans *k, const omen_centroids *c) {
    const omen_host *host = k->mem->host;
    uint64_t each = c->groups == 0 ? c->count : c->groups + (uint64_t)c->count / c->groups * 8;
    uint64_t some = STEP_WORK / (each * k->d + 1) * (host->parallel_for == NULL || host->threads == 0 ? 1 : host->threads);
    some = omen_round_up(OMEN_MAX(some, 1u), CHUNK);
    some = OMEN_MIN(some, k->count - k->at);
    omen_centroids_assign(c, host, k->points + (size_t)k->at * k->d, (uint32_t)some, k->nearest + k->at, k->distances + k->at);
    k->at += (uint32_t)some;
    return k->at == k->count;
}

static void gather(omen_kmeans *k, uint32_t clusters) {
    memset(k->starts, 0, (clusters + (size_t)1) * sizeof(uint32_t));
    for (uint32_t p = 0; p < k->count; p++) k->starts[k->nearest[p] + 1]++;
    for (uint32_t c = 0; c < clusters; c++) k->starts[c + 1] += k->starts[c];
    for (uint32_t p = 0; p < k->count; p++) k->members[k->starts[k->nearest[p]]++] = p;
    for (uint32_t c = clusters; c != 0; c--) k->starts[c] = k->starts[c - 1];
    k->starts[0] = 0;
}

/* Gives every empty cluster the farthest point that does not leave another one empty. */
static omen_status fill_empty(omen_kmeans *k, omen_error *err) {
    uint32_t empty = 0, c = 0;
    for (uint32_t i = 0; i < k->live; i++) empty += k->starts[i] == k->starts[i + 1];
    float farthest = 0.0f;
    for (uint32_t p = 0; p < k->count; p++) farthest = k->distances[p] > farthest ? k->distances[p] : farthest;
    if (empty == 0 || !(farthest > 0.0f)) return OMEN_OK;
    size_t bytes = k->count * sizeof(omen_keyed);
    omen_keyed *order = omen_alloc(k->mem, bytes), *scratch = omen_alloc(k->mem, bytes);
    uint32_t *left = omen_alloc(k->mem, k->live * sizeof *left);
    omen_status s = order == NULL || scratch == NULL || left == NULL ? out_of_memory(err) : OMEN_OK;
    if (s == OMEN_OK) {
        for (uint32_t p = 0; p < k->count; p++) order[p] = (omen_keyed){.key = UINT32_MAX - omen_distance_key(k->distances[p]), .row = p};
        omen_sort_keyed(order, scratch, k->count);
        for (uint32_t i = 0; i < k->live; i++) left[i] = k->starts[i + 1] - k->starts[i];
        for (uint32_t i = 0; i < k->count && empty != 0; i++) {
            uint32_t p = order[i].row;
            if (!(k->distances[p] > 0.0f)) break;
            if (left[k->nearest[p]] < 2) continue;
            while (k->starts[c] != k->starts[c + 1]) c++;
            left[k->nearest[p]]--;
            k->nearest[p] = c++;
            empty--;
        }
        gather(k, k->live);
    }
    omen_free(k->mem, order, bytes);
    omen_free(k->mem, scratch, bytes);
    omen_free(k->mem, left, k->live * sizeof *left);
    return s;
}

static void move_cluster(void *arg, size_t c) {
    omen_kmeans *k = arg;
    uint32_t first = k->starts[c], end = k->starts[c + 1];
    if (first == end) return;
    for (uint32_t from = 0; from < k->d; from += STRIP) {
        uint32_t some = OMEN_MIN(STRIP, k->d - from);
        double sums[STRIP] = {0};
        for (uint32_t i = first; i < end; i++) {
            const float *x = k->points + (size_t)k->members[i] * k->d + from;
            for (uint32_t j = 0; j < some; j++) sums[j] += x[j];
        }
        for (uint32_t j = 0; j < some; j++) k->values[c * k->d + from + j] = (float)(sums[j] / (double)(end - first));
    }
}

static omen_status move(omen_kmeans *k, omen_error *err) {
    gather(k, k->live);
    /* In two levels a point from elsewhere would not be looked for in the cluster's group; parts of two levels have filled theirs. */
    if (k->groups == 0) OMEN_TRY(fill_empty(k, err));
    omen_parallel(k->mem->host, k->live, move_cluster, k);
    uint32_t moved = 0;
    for (uint32_t p = 0; p < k->count; p++) moved += k->nearest[p] != k->last[p];
    memcpy(k->last, k->nearest, k->count * sizeof(uint32_t));
    k->round++;
    k->at = 0;
    k->stage = ASSIGN;
    if (k->round < k->rounds && (k->round == 1 || moved > k->count / SETTLED)) return OMEN_OK;
    for (uint32_t c = k->live; c < k->clusters; c++) memcpy(k->values + (size_t)c * k->d, k->values, k->d * sizeof(float));
    k->stage = DONE;
    return OMEN_OK;
}

/* ---- two levels ---- */

/* One step of the inner clustering of k->sample; *done: its centroids are in `into`. */
static omen_status inner_step(omen_kmeans *k, uint32_t clusters, float *into, bool *done, omen_error *err) {
    if (k->inner == NULL) OMEN_TRY(make(k->mem, k->sample, k->sampled, k->d, clusters, omen_prng_next(&k->random), k->depth + 1, &k->inner, err));
    OMEN_TRY(omen_kmeans_step(k->inner, done, err));
    if (!*done) return OMEN_OK;
    memcpy(into, k->inner->values, (size_t)clusters * k->d * sizeof(float));
    omen_kmeans_free(k->inner);
    k->inner = NULL;
    drop_sample(k);
    return OMEN_OK;
}

static omen_status tops(omen_kmeans *k, omen_error *err) {
    bool done = false;
    if (k->inner == NULL) OMEN_TRY(take_sample(k, NULL, k->count, OMEN_MIN(k->count, TRAIN_POINTS * k->groups), err));
    OMEN_TRY(inner_step(k, k->groups, k->tops, &done, err));
    if (done) k->stage = SHARE;
    return OMEN_OK;
}

/* Groups without points go; the others share the clusters, about in proportion to their points: one at least, as many as they have points at most. */
static void share(omen_kmeans *k) {
    uint32_t groups = 0, given = 0;
    for (uint32_t g = 0; g < k->groups; g++) {
        uint32_t points = k->starts[g + 1] - k->starts[g];
        if (points == 0) continue;
        if (groups != g) memcpy(k->tops + (size_t)groups * k->d, k->tops + (size_t)g * k->d, k->d * sizeof(float));
        /* Nothing lies between this and the group that stayed before it. */
        k->starts[groups] = k->starts[g];
        uint64_t fair = (uint64_t)k->clusters * points / k->count;
        k->shares[groups++] = (uint32_t)OMEN_MAX(fair, 1u);
        given += k->shares[groups - 1];
    }
    k->starts[groups] = k->count;
    k->groups = groups;
    /* There are at least as many points as clusters, and at least as many clusters as groups: both loops end. */
    for (uint32_t g = 0; given < k->clusters; g = (g + 1) % groups) {
        if (k->shares[g] == k->starts[g + 1] - k->starts[g]) continue;
        k->shares[g]++;
        given++;
    }
    for (uint32_t g = 0; given > k->clusters; g = (g + 1) % groups) {
        if (k->shares[g] == 1) continue;
        k->shares[g]--;
        given--;
    }
    uint32_t before = 0;
    for (uint32_t g = 0; g <= groups; g++) {
        uint32_t own = g < groups ? k->shares[g] : 0;
        k->shares[g] = before;
        before += own;
    }
}

static omen_status children(omen_kmeans *k, omen_error *err) {
    bool done = false;
    uint32_t g = k->group, first = k->starts[g], points = k->starts[g + 1] - first, own = k->shares[g + 1] - k->shares[g];
    if (k->inner == NULL) OMEN_TRY(take_sample(k, k->members + first, points, (uint32_t)OMEN_MIN((uint64_t)points, (uint64_t)TRAIN_POINTS * own), err));
    OMEN_TRY(inner_step(k, own, k->values + (size_t)k->shares[g] * k->d, &done, err));
    if (!done || ++k->group < k->groups) return OMEN_OK;
    k->at = 0;
    k->stage = ASSIGN;
    return OMEN_OK;
}

/* ---- steps ---- */

omen_status omen_kmeans_step(omen_kmeans *k, bool *done, omen_error *err) {
    omen_centroids all = view(k), top = {.count = k->groups, .dimensions = k->d, .values = k->tops};
    omen_status s = OMEN_OK;
    switch (k->stage) {
    case START: s = start(k, err); break;
    case TOPS: s = tops(k, err); break;
    case SHARE:
        if (!assign(k, &top)) break;
        gather(k, k->groups);
        share(k);
        k->stage = CHILDREN;
        break;
    case CHILDREN: s = children(k, err); break;
    case ASSIGN:
        if (assign(k, &all)) k->stage = MOVE;
        break;
    case MOVE: s = move(k, err); break;
    default: break;
    }
    *done = s == OMEN_OK && k->stage == DONE;
    return s;
}

uint32_t omen_kmeans_progress(const omen_kmeans *k) {
    uint32_t through = (uint32_t)((uint64_t)k->at * 1000 / (k->stage == START ? k->clusters : k->count));
    bool two = k->tops != NULL;
    switch (k->stage) {
    case START: return through / (ROUNDS + 1);
    case TOPS: return k->inner == NULL ? 0 : omen_kmeans_progress(k->inner) / 5;
    case SHARE: return 200;
    case CHILDREN: return 200 + (uint32_t)((uint64_t)k->group * 400 / k->groups);
    case ASSIGN:
    case MOVE: return two ? 600 + (k->round * 1000 + through) * 400 / (LAST_ROUNDS * 1000) : 1000 / (ROUNDS + 1) + (k->round * 1000 + through) / (ROUNDS + 1);
    default: return 1000;
    }
}

omen_centroids omen_kmeans_centroids(const omen_kmeans *k) {
    omen_centroids c = view(k);
    c.count = k->clusters;
    return c;
}

const uint32_t *omen_kmeans_nearest(const omen_kmeans *k) { return k->nearest; }
