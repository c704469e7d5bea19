#include "quant/kmeans.h"

#include "base/parallel.h"
#include "kernel/kernel.h"

#define ROUNDS 8u
/* Points and centroids that are compared with each other while both are in the nearest caches. */
#define POINTS 32u
#define CENTROIDS 128u
/* Multiply-adds of a step. */
#define STEP_WORK (UINT64_C(1) << 28)

int32_t omen_kmeans_bias(const uint8_t *code, uint32_t len, bool product) {
    int64_t square = 0, sum = 0;
    for (uint32_t i = 0; i < len; i++) {
        int32_t v = (int8_t)code[i];
        square += v * v;
        sum += v;
    }
    return (int32_t)(256 * sum + (product ? 0 : square));
}

uint32_t omen_kmeans_tasks(const omen_host *host) {
    if (host->parallel_for == NULL || host->threads <= 1) return 1;
    return OMEN_MIN(host->threads * 4, 64u);
}

uint32_t omen_kmeans_step_points(uint32_t clusters, uint32_t len) {
    uint64_t points = STEP_WORK / ((uint64_t)clusters * len + 1);
    return (uint32_t)OMEN_MIN(OMEN_MAX(points, 64u), 1u << 20);
}

/* ---- the nearest centroid ---- */

static uint32_t block_points(uint32_t len) { return len > 4096 ? 4 : POINTS; }

size_t omen_kmeans_scratch(uint32_t len) { return (size_t)omen_round_up((uint64_t)block_points(len) * len, 64); }

/* A row's code as a query's: (c + 1) / 2 + 64, at most 127. */
static void as_query(const uint8_t *restrict code, uint8_t *restrict u, uint32_t len) {
    for (uint32_t i = 0; i < len; i++) {
        uint8_t v = (uint8_t)(((code[i] ^ 0x80u) + 1u) >> 1);
        u[i] = v > 127 ? 127 : v;
    }
}

static void assign_block(const omen_kmeans_assign *a, uint32_t from, uint32_t count, uint8_t *scratch) {
    const omen_kernels *k = omen_kernels_get();
    const omen_kmeans_codes *c = &a->codes;
    const uint8_t *queries[POINTS];
    int32_t best[POINTS], ranks[CENTROIDS];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = a->first + from + i;
        size_t row = a->stretch == 0 ? n : (size_t)((uint64_t)n * a->total / a->stretch);
        const uint8_t *code = c->rows + row * c->stride;
        queries[i] = code;
        if (!c->bits) {
            queries[i] = scratch + (size_t)i * c->len;
            as_query(code, scratch + (size_t)i * c->len, c->len);
        }
        best[i] = INT32_MAX;
        a->nearest[from + i] = 0;
    }
    for (uint32_t at = 0; at < a->centroids.count; at += CENTROIDS) {
        uint32_t n = OMEN_MIN(CENTROIDS, a->centroids.count - at);
        const uint8_t *block = a->centroids.codes + (size_t)at * c->len;
        for (uint32_t i = 0; i < count; i++) {
            if (c->bits) {
                k->hamming(queries[i], block, c->len, NULL, n, c->len, (uint32_t *)(void *)ranks);
            } else {
                const int32_t *bias = a->centroids.bias + at;
                k->dot_u7i8(queries[i], block, c->len, NULL, n, c->len, ranks);
                for (uint32_t j = 0; j < n; j++) ranks[j] = bias[j] - 4 * ranks[j];
            }
            int32_t least = INT32_MAX;
            for (uint32_t j = 0; j < n; j++) least = ranks[j] < least ? ranks[j] : least;
            if (least >= best[i]) continue;
            best[i] = least;
            uint32_t j = 0;
            while (ranks[j] != least) j++;
            a->nearest[from + i] = at + j;
        }
    }
}

static void assign_task(void *arg, size_t task) {
    const omen_kmeans_assign *a = arg;
    uint32_t points = block_points(a->codes.len);
    uint8_t *scratch = a->scratch + task * omen_kmeans_scratch(a->codes.len);
    for (uint64_t from = task * points; from < a->count; from += (uint64_t)a->tasks * points)
        assign_block(a, (uint32_t)from, (uint32_t)OMEN_MIN((uint64_t)points, a->count - from), scratch);
}

void omen_kmeans_assign_all(const omen_kmeans_assign *a, const omen_host *host) {
    omen_kmeans_assign own = *a;
    omen_parallel(host, own.tasks, assign_task, &own);
}

/* ---- clustering ---- */

static uint32_t numbers(const omen_kmeans *c) { return c->codes.bits ? c->codes.len * 8 : c->codes.len; }

static const uint8_t *point(const omen_kmeans *c, uint32_t p) { return c->codes.rows + (size_t)((uint64_t)p * c->rows / c->points) * c->codes.stride; }

static void take_point(omen_kmeans *c, uint32_t cluster, uint32_t p) {
    uint8_t *to = c->centroids + (size_t)cluster * c->codes.len;
    memcpy(to, point(c, p), c->codes.len);
    if (!c->codes.bits) c->bias[cluster] = omen_kmeans_bias(to, c->codes.len, false);
}

omen_status omen_kmeans_begin(omen_kmeans *c, omen_mem *m, const omen_kmeans_codes *codes, uint32_t rows, uint32_t points, uint32_t clusters) {
    *c = (omen_kmeans){.mem = m, .codes = *codes, .rows = rows, .points = points, .clusters = clusters, .tasks = omen_kmeans_tasks(m->host)};
    c->centroids = omen_alloc_zero(m, (size_t)clusters * codes->len);
    c->bias = omen_alloc_zero(m, clusters * sizeof *c->bias);
    c->nearest = omen_alloc_zero(m, points * sizeof(uint32_t));
    c->last = omen_alloc_zero(m, points * sizeof(uint32_t));
    c->members = omen_alloc_zero(m, points * sizeof(uint32_t));
    c->starts = omen_alloc_zero(m, (clusters + (size_t)1) * sizeof(uint32_t));
    c->scratch = omen_alloc_zero(m, c->tasks * omen_kmeans_scratch(codes->len));
    c->sums = omen_alloc_zero(m, (size_t)c->tasks * numbers(c) * sizeof(int32_t));
    if (c->centroids == NULL || c->bias == NULL || c->nearest == NULL || c->last == NULL || c->members == NULL || c->starts == NULL || c->scratch == NULL || c->sums == NULL)
        return OMEN_ERR_MEMORY;
    for (uint32_t l = 0; l < clusters; l++) take_point(c, l, (uint32_t)(((uint64_t)l * 2 + 1) * points / (2 * (uint64_t)clusters)));
    return OMEN_OK;
}

void omen_kmeans_deinit(omen_kmeans *c) {
    omen_mem *m = c->mem;
    if (m == NULL) return;
    omen_free(m, c->centroids, (size_t)c->clusters * c->codes.len);
    omen_free(m, c->bias, c->clusters * sizeof *c->bias);
    omen_free(m, c->nearest, c->points * sizeof(uint32_t));
    omen_free(m, c->last, c->points * sizeof(uint32_t));
    omen_free(m, c->members, c->points * sizeof(uint32_t));
    omen_free(m, c->starts, (c->clusters + (size_t)1) * sizeof(uint32_t));
    omen_free(m, c->scratch, c->tasks * omen_kmeans_scratch(c->codes.len));
    omen_free(m, c->sums, (size_t)c->tasks * numbers(c) * sizeof(int32_t));
    *c = (omen_kmeans){0};
}

static void gather(omen_kmeans *c) {
    memset(c->starts, 0, (c->clusters + (size_t)1) * sizeof(uint32_t));
    for (uint32_t p = 0; p < c->points; p++) c->starts[c->nearest[p] + 1]++;
    for (uint32_t l = 0; l < c->clusters; l++) c->starts[l + 1] += c->starts[l];
    for (uint32_t p = 0; p < c->points; p++) c->members[c->starts[c->nearest[p]]++] = p;
    for (uint32_t l = c->clusters; l != 0; l--) c->starts[l] = c->starts[l - 1];
    c->starts[0] = 0;
}

static void add_code(const omen_kmeans *c, const uint8_t *restrict code, int32_t *restrict sums) {
    if (c->codes.bits) {
        for (uint32_t i = 0; i < c->codes.len; i++)
            for (uint32_t b = 0; b < 8; b++) sums[i * 8 + b] += code[i] >> b & 1;
        return;
    }
    for (uint32_t i = 0; i < c->codes.len; i++) sums[i] += (int8_t)code[i];
}

static void move_centroid(omen_kmeans *c, uint32_t cluster, int32_t *sums) {
    uint32_t count = c->starts[cluster + 1] - c->starts[cluster];
    if (count == 0) {
        /* Another point, anywhere: where many points are, it is likely to land. */
        uint32_t p = (uint32_t)(((uint64_t)cluster * UINT64_C(2654435761) + (uint64_t)c->round * 40503u + 12345u) % c->points);
        take_point(c, cluster, p);
        return;
    }
    memset(sums, 0, numbers(c) * sizeof *sums);
    for (uint32_t i = c->starts[cluster]; i < c->starts[cluster + 1]; i++) add_code(c, point(c, c->members[i]), sums);
    uint8_t *to = c->centroids + (size_t)cluster * c->codes.len;
    if (c->codes.bits) {
        memset(to, 0, c->codes.len);
        for (uint32_t i = 0; i < numbers(c); i++)
            if ((uint32_t)sums[i] * 2 > count || ((uint32_t)sums[i] * 2 == count && (i ^ cluster) % 2 == 1)) to[i / 8] |= (uint8_t)(1u << i % 8);
        /* Bits that no row has stay clear: they may be padding. */
        for (uint32_t i = 0; i < numbers(c); i++)
            if (sums[i] == 0) to[i / 8] &= (uint8_t)~(1u << i % 8);
        return;
    }
    int32_t n = (int32_t)count;
    for (uint32_t i = 0; i < c->codes.len; i++) to[i] = (uint8_t)(int8_t)((sums[i] * 2 + (sums[i] < 0 ? -n : n)) / (2 * n));
    c->bias[cluster] = omen_kmeans_bias(to, c->codes.len, false);
}

static void move_task(void *arg, size_t task) {
    omen_kmeans *c = arg;
    for (uint32_t l = (uint32_t)task; l < c->clusters; l += c->tasks) move_centroid(c, l, c->sums + task * numbers(c));
}

bool omen_kmeans_step(omen_kmeans *c) {
    uint32_t count = OMEN_MIN(c->points - c->at, omen_kmeans_step_points(c->clusters, c->codes.len) * c->tasks);
    omen_kmeans_assign a = {.codes = c->codes, .centroids = omen_kmeans_centroids(c), .first = c->at, .count = count, .total = c->rows, .stretch = c->points,
                         .nearest = c->nearest + c->at, .scratch = c->scratch, .tasks = c->tasks};
    omen_kmeans_assign_all(&a, c->mem->host);
    c->at += count;
    if (c->at < c->points) return false;
    c->at = 0;
    gather(c);
    omen_parallel(c->mem->host, c->tasks, move_task, c);
    uint32_t moved = 0;
    for (uint32_t p = 0; p < c->points; p++) moved += c->nearest[p] != c->last[p];
    memcpy(c->last, c->nearest, c->points * sizeof(uint32_t));
    c->round++;
    return c->round == ROUNDS || (c->round > 1 && moved <= c->points / 500);
}

uint32_t omen_kmeans_progress(const omen_kmeans *c) {
    return (uint32_t)((c->round * UINT64_C(1000) + c->at * UINT64_C(1000) / c->points) / ROUNDS);
}
