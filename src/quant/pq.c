#include "quant/pq.h"

#include "kernel/kernel.h"
#include "quant/kmeans.h"

#define SAMPLE_MAX 4096u
/* Rounds of training in floats, after those over codes. */
#define SETTLING 4u
#define FARTHEST 1e30f

static size_t numbers(const omen_pq *c) { return (size_t)c->parts * c->sub * OMEN_PQ_POINTS; }
static float *run_of(const omen_pq *c, uint32_t run) { return c->points + (size_t)run * c->sub * OMEN_PQ_POINTS; }
/* Dimensions of a run: the last may have fewer. */
static uint32_t width_of(const omen_pq *c, uint32_t run) { return OMEN_MIN(c->sub, c->dimensions - run * c->sub); }

omen_status omen_pq_init(omen_pq *c, omen_mem *m, uint32_t dimensions, bool product) {
    *c = (omen_pq){.dimensions = dimensions, .product = product};
    c->sub = OMEN_MAX((dimensions + OMEN_PQ_PARTS_MAX - 1) / OMEN_PQ_PARTS_MAX, 2u);
    c->parts = (dimensions + c->sub - 1) / c->sub;
    c->points = omen_alloc_zero(m, omen_pq_points_bytes(c));
    if (c->points == NULL) return OMEN_ERR_MEMORY;
    c->mem = m;
    return OMEN_OK;
}

void omen_pq_deinit(omen_pq *c) {
    if (c->mem != NULL) omen_free(c->mem, c->points, omen_pq_points_bytes(c));
    *c = (omen_pq){0};
}

bool omen_pq_sound(const omen_pq *c) {
    uint32_t last = c->parts - 1;
    bool sound = omen_kernels_get()->finite_f32(c->points, numbers(c));
    for (size_t i = (size_t)width_of(c, last) * OMEN_PQ_POINTS; i < (size_t)c->sub * OMEN_PQ_POINTS; i++) sound = sound && run_of(c, last)[i] == 0.0f;
    return sound;
}

/* Squared distances of one run of x to its 16 points, summed up in order of the dimensions. */
static void squares(const float *restrict x, const float *restrict points, uint32_t width, float *restrict out) {
    float sums[OMEN_PQ_POINTS] = {0};
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++) {
            float apart = x[i] - points[i * OMEN_PQ_POINTS + p];
            sums[p] += apart * apart;
        }
    memcpy(out, sums, sizeof sums);
}

/* The first of the least. */
static uint32_t nearest_of(const float *distances) {
    uint32_t best = 0;
    for (uint32_t p = 1; p < OMEN_PQ_POINTS; p++) best = distances[p] < distances[best] ? p : best;
    return best;
}

/* ---- training ---- */

/* The sample of one run, as codes for kmeans.h. */
typedef struct run_sample {
    const float *from; /* the run of the first vector */
    size_t stride;
    uint32_t count, some, width, len;
    uint8_t *codes;    /* some x len */
    double *sums;      /* OMEN_PQ_POINTS x width, behind the codes */
} run_sample;

/* Spread over all vectors. */
static const float *vector_of(const run_sample *s, uint32_t i) { return s->from + (size_t)((uint64_t)i * s->count / s->some) * s->stride; }

/* As wide as 8 bits go; the greatest number of all dimensions decides the step, so that distances stay what they are. Answers the step. */
static float encode_sample(const run_sample *s) {
    float greatest = 0.0f;
    for (uint32_t i = 0; i < s->some * s->width; i++) {
        float v = __builtin_fabsf(vector_of(s, i / s->width)[i % s->width]);
        greatest = v > greatest ? v : greatest;
    }
    float step = greatest > 1e-35f ? greatest / 127.0f : 1.0f;
    for (uint32_t i = 0; i < s->some * s->width; i++) {
        float v = vector_of(s, i / s->width)[i % s->width] / step;
        s->codes[(size_t)(i / s->width) * s->len + i % s->width] = (uint8_t)(int8_t)(v < 0.0f ? v - 0.5f : v + 0.5f);
    }
    return step;
}

/* Codes are coarse: a round in floats puts every point at the mean of the vectors that are nearest to it. */
static void settle(const run_sample *s, float *to) {
    uint32_t sizes[OMEN_PQ_POINTS] = {0};
    float apart[OMEN_PQ_POINTS];
    memset(s->sums, 0, (size_t)OMEN_PQ_POINTS * s->width * sizeof(double));
    for (uint32_t i = 0; i < s->some; i++) {
        const float *x = vector_of(s, i);
        squares(x, to, s->width, apart);
        uint32_t p = nearest_of(apart);
        sizes[p]++;
        for (uint32_t j = 0; j < s->width; j++) s->sums[p * s->width + j] += (double)x[j];
    }
    for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++)
        for (uint32_t j = 0; j < s->width && sizes[p] != 0; j++) to[j * OMEN_PQ_POINTS + p] = (float)(s->sums[p * s->width + j] / sizes[p]);
}

static omen_status train_run(omen_pq *c, uint32_t run, const run_sample *s) {
    float *to = run_of(c, run), step = encode_sample(s);
    omen_kmeans k;
    omen_kmeans_codes codes = {s->codes, s->len, s->len, false};
    omen_status status = omen_kmeans_begin(&k, c->mem, &codes, s->some, s->some, OMEN_MIN(s->some, OMEN_PQ_POINTS));
    while (status == OMEN_OK && !omen_kmeans_step(&k)) {}
    for (uint32_t p = 0; p < OMEN_PQ_POINTS && status == OMEN_OK; p++) /* fewer vectors than centroids: the last is there several times, and never chosen */
        for (uint32_t j = 0; j < s->width; j++) to[j * OMEN_PQ_POINTS + p] = step * (float)(int8_t)k.centroids[(size_t)OMEN_MIN(p, k.clusters - 1) * s->len + j];
    omen_kmeans_deinit(&k);
    for (uint32_t round = 0; round < SETTLING && status == OMEN_OK; round++) settle(s, to);
    return status;
}

omen_status omen_pq_train_run(omen_pq *c, uint32_t run, const float *residuals, uint32_t count) {
    run_sample s = {.from = residuals + (size_t)run * c->sub, .stride = c->dimensions, .count = count, .some = OMEN_MIN(count, SAMPLE_MAX), .width = width_of(c, run)};
    s.len = (uint32_t)omen_round_up(s.width, 64);
    size_t codes = (size_t)s.some * s.len, bytes = codes + (size_t)OMEN_PQ_POINTS * s.width * sizeof(double);
    s.codes = omen_alloc_zero(c->mem, bytes);
    if (s.codes == NULL) return OMEN_ERR_MEMORY;
    s.sums = (double *)(void *)(s.codes + codes);
    omen_status status = train_run(c, run, &s);
    omen_free(c->mem, s.codes, bytes);
    return status;
}

/* ---- rows ---- */

float omen_pq_encode(const omen_pq *c, const float *r, const float *centroid, uint8_t *codes) {
    float distances[OMEN_PQ_POINTS], square = 0.0f, along = 0.0f;
    for (uint32_t run = 0; run < c->parts; run++) {
        uint32_t from = run * c->sub, width = width_of(c, run);
        squares(r + from, run_of(c, run), width, distances);
        uint32_t code = nearest_of(distances);
        const float *point = run_of(c, run) + code;
        codes[run] = (uint8_t)code;
        for (uint32_t i = 0; i < width; i++) {
            float v = point[i * OMEN_PQ_POINTS];
            square += v * v;
            along += v * centroid[from + i];
        }
    }
    return c->product ? 0.0f : square + 2.0f * along;
}

/* The byte that holds the code of run 0 of a row. Its low half is that of rows 0 to 15 of a block. */
static size_t place(const omen_pq *c, uint32_t row) { return (size_t)(row / OMEN_PQ_BLOCK) * OMEN_PQ_POINTS * c->parts + row % OMEN_PQ_POINTS; }
static uint32_t half(uint32_t row) { return row % OMEN_PQ_BLOCK < OMEN_PQ_POINTS ? 0 : 4; }

void omen_pq_pack(const omen_pq *c, const uint8_t *codes, uint32_t row, uint8_t *packed) {
    uint8_t *to = packed + place(c, row);
    for (uint32_t run = 0; run < c->parts; run++, to += OMEN_PQ_POINTS) *to |= (uint8_t)(codes[run] << half(row));
}

bool omen_pq_padded(const omen_pq *c, const uint8_t *packed, uint32_t rows) {
    uint32_t bits = 0;
    for (uint32_t row = rows; row % OMEN_PQ_BLOCK != 0; row++) {
        const uint8_t *from = packed + place(c, row);
        for (uint32_t run = 0; run < c->parts; run++, from += OMEN_PQ_POINTS) bits |= (uint32_t)*from >> half(row) & 0xF;
    }
    return bits == 0;
}

/* ---- queries ---- */

/* The table of one run. */
static void table_of(const omen_pq *c, uint32_t run, const float *restrict q, float *restrict table) {
    const float *x = q + (size_t)run * c->sub, *points = run_of(c, run);
    float sums[OMEN_PQ_POINTS] = {0}, times = c->product ? -1.0f : -2.0f;
    uint32_t width = width_of(c, run);
    for (uint32_t i = 0; i < width; i++) {
        float by = times * x[i];
        for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++) sums[p] += by * points[i * OMEN_PQ_POINTS + p];
    }
    for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++) {
        float v = sums[p] > -FARTHEST ? sums[p] : -FARTHEST;
        table[p] = v < FARTHEST ? v : FARTHEST;
    }
}

/* By halves, so that it is a few vector instructions. */
static float least_of(const float *table) {
    float v[8];
    for (uint32_t p = 0; p < 8; p++) v[p] = table[p] < table[p + 8] ? table[p] : table[p + 8];
    for (uint32_t p = 0; p < 4; p++) v[p] = v[p] < v[p + 4] ? v[p] : v[p + 4];
    v[0] = v[0] < v[2] ? v[0] : v[2];
    v[1] = v[1] < v[3] ? v[1] : v[3];
    return v[0] < v[1] ? v[0] : v[1];
}

void omen_pq_query_set(const omen_pq *c, omen_pq_query *q, const float *x, float *scratch) {
    double bias = 0.0;
    float wide[OMEN_PQ_POINTS] = {0}, widest = 0.0f;
    for (uint32_t run = 0; run < c->parts; run++) {
        float *restrict table = scratch + (size_t)run * OMEN_PQ_POINTS;
        table_of(c, run, x, table);
        float least = least_of(table);
        for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++) {
            table[p] -= least;
            wide[p] = table[p] > wide[p] ? table[p] : wide[p];
        }
        bias += (double)least;
    }
    for (uint32_t p = 0; p < OMEN_PQ_POINTS; p++) widest = wide[p] > widest ? wide[p] : widest;
    float step = widest > 1e-35f ? widest / 255.0f : 0.0f, by = step > 0.0f ? 1.0f / step : 0.0f;
    for (size_t i = 0; i < (size_t)c->parts * OMEN_PQ_POINTS; i++) {
        float v = scratch[i] * by + 0.5f;
        q->lut[i] = (uint8_t)(int32_t)(v < 255.0f ? v : 255.0f);
    }
    q->bias = (float)bias;
    q->step = step;
    q->slack = (step > 0.0f ? step * 0.5005f : widest) * (float)c->parts;
}

void omen_pq_scan(const omen_pq *c, const omen_pq_query *q, float base, const uint8_t *packed, const float *add, uint32_t count, float *estimates) {
    uint16_t sums[OMEN_PQ_SCAN];
    omen_kernels_get()->lut4(q->lut, packed, (count + OMEN_PQ_BLOCK - 1) / OMEN_PQ_BLOCK, c->parts, sums);
    float all = base + q->bias;
    for (uint32_t i = 0; i < count; i++) estimates[i] = all + add[i] + q->step * (float)sums[i];
}
