#include "index/ivf_pq.h"

#include "index/ivf_rabitq.h"
#include "kernel/kernel.h"

/* Groups at most: so many sums of 8 bits fit 16 (kernel.h). */
#define GROUPS_MAX 256u
#define ROUNDS 12u

omen_status omen_ivf_pq_init(omen_ivf_pq *c, omen_mem *m, uint32_t dimensions, bool product) {
    *c = (omen_ivf_pq){.mem = m, .dimensions = dimensions, .product = product};
    c->width = OMEN_MAX((dimensions + GROUPS_MAX - 1) / GROUPS_MAX, 2u);
    c->m = (dimensions + c->width - 1) / c->width;
    c->points = omen_alloc_zero(m, (size_t)omen_ivf_pq_points_bytes(c));
    return c->points == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

void omen_ivf_pq_deinit(omen_ivf_pq *c) {
    if (c->mem == NULL) return;
    omen_free(c->mem, c->points, (size_t)omen_ivf_pq_points_bytes(c));
    *c = (omen_ivf_pq){0};
}

uint64_t omen_ivf_pq_points_bytes(const omen_ivf_pq *c) { return (uint64_t)c->m * OMEN_IVF_PQ_POINTS * c->width * sizeof(float); }

static float *points_of(const omen_ivf_pq *c, uint32_t group) { return c->points + (size_t)group * OMEN_IVF_PQ_POINTS * c->width; }

/* Dimensions of a group: the last may have fewer. */
static uint32_t width_of(const omen_ivf_pq *c, uint32_t group) { return OMEN_MIN(c->width, c->dimensions - group * c->width); }

/* The nearest point, ties by the lower number. */
static uint32_t nearest_of(const omen_ivf_pq *c, uint32_t group, const float *r, uint32_t width) {
    const float *p = points_of(c, group);
    uint32_t best = 0;
    float least = 0.0f;
    for (uint32_t k = 0; k < OMEN_IVF_PQ_POINTS; k++, p += c->width) {
        float square = 0.0f;
        for (uint32_t i = 0; i < width; i++) square += (r[i] - p[i]) * (r[i] - p[i]);
        if (k != 0 && !(square < least)) continue;
        least = square;
        best = k;
    }
    return best;
}

void omen_ivf_pq_train(const omen_ivf_pq *c, uint32_t group, const float *residuals, uint32_t count, uint8_t *nearest) {
    uint32_t width = width_of(c, group), sizes[OMEN_IVF_PQ_POINTS];
    float *points = points_of(c, group);
    const float *from = residuals + (size_t)group * c->width;
    for (uint32_t k = 0; k < OMEN_IVF_PQ_POINTS; k++) memcpy(points + (size_t)k * c->width, from + (size_t)((uint64_t)k * count / OMEN_IVF_PQ_POINTS) * c->dimensions, width * sizeof(float));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t r = 0; r < count; r++) nearest[r] = (uint8_t)nearest_of(c, group, from + (size_t)r * c->dimensions, width);
        memset(sizes, 0, sizeof sizes);
        memset(points, 0, OMEN_IVF_PQ_POINTS * c->width * sizeof(float));
        for (uint32_t r = 0; r < count; r++) {
            float *to = points + (size_t)nearest[r] * c->width;
            sizes[nearest[r]]++;
            for (uint32_t i = 0; i < width; i++) to[i] += from[(size_t)r * c->dimensions + i];
        }
        for (uint32_t k = 0; k < OMEN_IVF_PQ_POINTS; k++) {
            float *to = points + (size_t)k * c->width;
            /* A point without rows goes where some row is. */
            if (sizes[k] == 0) memcpy(to, from + (size_t)((k * 7919u + round * 104729u) % count) * c->dimensions, width * sizeof(float));
            for (uint32_t i = 0; i < width && sizes[k] != 0; i++) to[i] /= (float)sizes[k];
        }
    }
}

float omen_ivf_pq_encode(const omen_ivf_pq *c, const float *x, const float *centroid, uint8_t *codes) {
    float square = 0.0f, along = 0.0f;
    for (uint32_t j = 0; j < c->m; j++) {
        /* A group is as wide as the dimensions need: 256 numbers at most. */
        float r[256];
        uint32_t width = width_of(c, j), from = j * c->width;
        for (uint32_t i = 0; i < width; i++) r[i] = x[from + i] - centroid[from + i];
        codes[j] = (uint8_t)nearest_of(c, j, r, width);
        const float *p = points_of(c, j) + (size_t)codes[j] * c->width;
        for (uint32_t i = 0; i < width; i++) {
            square += p[i] * p[i];
            along += p[i] * centroid[from + i];
        }
    }
    return c->product ? 0.0f : square + 2.0f * along;
}

void omen_ivf_pq_put(const omen_ivf_pq *c, uint8_t *blocks, uint32_t n, const uint8_t *codes) {
    uint8_t *block = blocks + (size_t)(n / OMEN_IVF_PQ_BLOCK) * c->m * 16;
    uint32_t i = n % OMEN_IVF_PQ_BLOCK, shift = i < 16 ? 0 : 4;
    for (uint32_t j = 0; j < c->m; j++) block[j * 16 + i % 16] |= (uint8_t)(codes[j] << shift);
}

bool omen_ivf_pq_padded(const omen_ivf_pq *c, const uint8_t *blocks, uint32_t rows) {
    uint32_t last = rows % OMEN_IVF_PQ_BLOCK;
    const uint8_t *block = blocks + (size_t)(rows / OMEN_IVF_PQ_BLOCK) * c->m * 16;
    uint8_t bits = 0;
    if (last == 0) return true;
    for (uint32_t j = 0; j < c->m; j++)
        for (uint32_t i = last; i < OMEN_IVF_PQ_BLOCK; i++) bits |= (uint8_t)(block[j * 16 + i % 16] >> (i < 16 ? 0 : 4) & 15);
    return bits == 0;
}

void omen_ivf_pq_query_set(const omen_ivf_pq *c, const float *x, omen_ivf_pq_query *q, float *scratch) {
    float range = 0.0f, times = c->product ? -1.0f : -2.0f;
    q->base = 0.0f;
    for (uint32_t j = 0; j < c->m; j++) {
        const float *own = x + (size_t)j * c->width, *p = points_of(c, j);
        float *t = scratch + (size_t)j * OMEN_IVF_PQ_POINTS, least = 0.0f, most = 0.0f;
        uint32_t width = width_of(c, j);
        for (uint32_t k = 0; k < OMEN_IVF_PQ_POINTS; k++, p += c->width) {
            float along = 0.0f;
            for (uint32_t i = 0; i < width; i++) along += own[i] * p[i];
            t[k] = times * along;
            least = k == 0 || t[k] < least ? t[k] : least;
            most = k == 0 || t[k] > most ? t[k] : most;
        }
        for (uint32_t k = 0; k < OMEN_IVF_PQ_POINTS; k++) t[k] -= least;
        q->base += least;
        range = most - least > range ? most - least : range;
    }
    q->step = range > 1e-30f && range < 1e38f ? range / 255.0f : 1.0f;
    float by = 1.0f / q->step;
    for (uint32_t i = 0; i < c->m * OMEN_IVF_PQ_POINTS; i++) {
        float v = scratch[i] * by + 0.5f;
        v = v > 0.0f ? v : 0.0f;
        q->table[i] = (uint8_t)(v < 255.0f ? v : 255.0f);
    }
}

void omen_ivf_pq_rank(const omen_ivf_pq *c, const omen_ivf_pq_query *q, const uint8_t *blocks, const float *add, uint32_t count, float base, int32_t *ranks) {
    uint16_t sums[OMEN_PICK_BLOCK];
    omen_kernels_get()->lut4(q->table, blocks, omen_ivf_pq_blocks(count), c->m, sums);
    float all = base + q->base;
    for (uint32_t i = 0; i < count; i++) ranks[i] = omen_ivf_rank(all + add[i] + q->step * (float)sums[i]);
}
