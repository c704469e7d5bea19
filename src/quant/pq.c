#include "quant/pq.h"

#include "kernel/kernel.h"
#include "quant/kmeans.h"

#define POINTS 16u /* centroids of a run */
#define ROWS 32u   /* rows of a block */
#define SAMPLE_MAX 4096u
#define FARTHEST 1e30f
#define MAGIC 0x31345150u /* "PQ41" */
#define HEAD 16u

uint32_t omen_pq_sub(uint32_t dimensions) { return OMEN_MAX((dimensions + OMEN_PQ_PARTS_MAX - 1) / OMEN_PQ_PARTS_MAX, 2u); }

static size_t numbers(const omen_pq *c) { return (size_t)c->parts * c->sub * POINTS; }
static float *run_of(const omen_pq *c, uint32_t run) { return c->centroids + (size_t)run * c->sub * POINTS; }
/* Dimensions of a run: the last may have fewer. */
static uint32_t width_of(const omen_pq *c, uint32_t run) { return OMEN_MIN(c->sub, c->dimensions - run * c->sub); }

omen_status omen_pq_init(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t sub, omen_error *err) {
    *c = (omen_pq){0};
    if (dimensions == 0 || dimensions > OMEN_MAX_DIMENSIONS) return omen_fail(err, OMEN_ERR_INVALID, "a quantiser cannot have %u dimensions", dimensions);
    if (sub == 0) sub = omen_pq_sub(dimensions);
    sub = OMEN_MIN(sub, dimensions);
    uint32_t parts = (dimensions + sub - 1) / sub;
    if (parts > OMEN_PQ_PARTS_MAX)
        return omen_fail(err, OMEN_ERR_INVALID, "product codes of %u dimensions a part need %u parts; at most %u are possible: use %u dimensions a part or more", sub, parts,
                         OMEN_PQ_PARTS_MAX, omen_pq_sub(dimensions));
    *c = (omen_pq){.metric = metric, .dimensions = dimensions, .sub = sub, .parts = parts};
    c->centroids = omen_alloc_zero(m, numbers(c) * sizeof(float));
    if (c->centroids == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser");
    c->mem = m;
    return OMEN_OK;
}

void omen_pq_deinit(omen_pq *c) {
    if (c->mem != NULL) omen_free(c->mem, c->centroids, numbers(c) * sizeof(float));
    *c = (omen_pq){0};
}

/* ---- training ---- */

static void squares(const float *restrict x, const float *restrict centroids, uint32_t width, float *restrict out);
static uint32_t nearest_of(const float *squares);

/* The sample of one run, as codes for kmeans.h. */
typedef struct run_sample {
    const float *from; /* the run of the first vector */
    size_t stride;
    uint32_t count, some, width, len;
    uint8_t *codes;    /* some x len */
    double *sums;      /* POINTS x width, behind the codes */
} run_sample;

/* Spread over all vectors. */
static const float *vector_of(const run_sample *s, uint32_t i) { return s->from + (size_t)((uint64_t)i * s->count / s->some) * s->stride; }

/* Less the mean, as wide as 8 bits go. The greatest number of all dimensions decides the step, so that distances stay what they are. */
static void encode_sample(const run_sample *s, double *means, double *step) {
    double greatest = 0.0;
    for (uint32_t j = 0; j < s->width; j++) {
        double sum = 0.0;
        for (uint32_t i = 0; i < s->some; i++) sum += (double)vector_of(s, i)[j];
        means[j] = sum / s->some;
        for (uint32_t i = 0; i < s->some; i++) {
            double off = (double)vector_of(s, i)[j] - means[j];
            greatest = OMEN_MAX(greatest, off < 0.0 ? 0.0 - off : off);
        }
    }
    *step = greatest > 0.0 ? greatest / 127.0 : 1.0;
    for (uint32_t i = 0; i < s->some; i++)
        for (uint32_t j = 0; j < s->width; j++) {
            double v = ((double)vector_of(s, i)[j] - means[j]) / *step;
            s->codes[(size_t)i * s->len + j] = (uint8_t)(int8_t)(v < 0.0 ? v - 0.5 : v + 0.5);
        }
}

/* Codes are coarse: one more round in floats puts every centroid at the mean of the vectors that are nearest to it. */
static void settle(const run_sample *s, float *to) {
    uint32_t sizes[POINTS] = {0};
    float apart[POINTS];
    memset(s->sums, 0, (size_t)POINTS * s->width * sizeof(double));
    for (uint32_t i = 0; i < s->some; i++) {
        const float *x = vector_of(s, i);
        squares(x, to, s->width, apart);
        uint32_t p = nearest_of(apart);
        sizes[p]++;
        for (uint32_t j = 0; j < s->width; j++) s->sums[p * s->width + j] += (double)x[j];
    }
    for (uint32_t p = 0; p < POINTS; p++)
        for (uint32_t j = 0; j < s->width && sizes[p] != 0; j++) to[j * POINTS + p] = (float)(s->sums[p * s->width + j] / sizes[p]);
}

static omen_status train_run(omen_pq *c, uint32_t run, const run_sample *s, omen_error *err) {
    double *means = s->sums, step;
    float *to = run_of(c, run);
    encode_sample(s, means, &step);
    omen_kmeans k;
    omen_kmeans_codes codes = {s->codes, s->len, s->len, false};
    omen_status status = omen_kmeans_begin(&k, c->mem, &codes, s->some, s->some, OMEN_MIN(s->some, POINTS));
    if (status != OMEN_OK) omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser");
    while (status == OMEN_OK && !omen_kmeans_step(&k)) {}
    for (uint32_t p = 0; p < POINTS && status == OMEN_OK; p++) /* fewer vectors than centroids: the last is there several times, and never chosen */
        for (uint32_t j = 0; j < s->width; j++) to[j * POINTS + p] = (float)(means[j] + step * (int8_t)k.centroids[(size_t)OMEN_MIN(p, k.clusters - 1) * s->len + j]);
    omen_kmeans_deinit(&k);
    if (status == OMEN_OK) settle(s, to);
    return status;
}

omen_status omen_pq_train_run(omen_pq *c, uint32_t run, const float *vectors, uint32_t count, omen_error *err) {
    if (count == 0) return omen_fail(err, OMEN_ERR_INVALID, "there are no vectors to train a quantiser on");
    run_sample s = {.from = vectors + (size_t)run * c->sub, .stride = c->dimensions, .count = count, .some = OMEN_MIN(count, SAMPLE_MAX), .width = width_of(c, run)};
    s.len = (uint32_t)omen_round_up(s.width, 64);
    size_t codes = (size_t)s.some * s.len, bytes = codes + (size_t)POINTS * s.width * sizeof(double);
    s.codes = omen_alloc_zero(c->mem, bytes);
    if (s.codes == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser");
    s.sums = (double *)(void *)(s.codes + codes);
    omen_status status = train_run(c, run, &s, err);
    omen_free(c->mem, s.codes, bytes);
    return status;
}

omen_status omen_pq_train(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t sub, const float *sample, uint32_t count, omen_error *err) {
    omen_status s = omen_pq_init(c, m, metric, dimensions, sub, err);
    for (uint32_t run = 0; s == OMEN_OK && run < c->parts; run++) s = omen_pq_train_run(c, run, sample, count, err);
    if (s != OMEN_OK) omen_pq_deinit(c);
    return s;
}

/* ---- as bytes: u32 magic, dimensions, metric, sub, then the centroids as they lie in memory ---- */

omen_status omen_pq_save(const omen_pq *c, omen_buf *out) {
    uint8_t head[HEAD];
    omen_put32(head, MAGIC);
    omen_put32(head + 4, c->dimensions);
    omen_put32(head + 8, (uint32_t)c->metric);
    omen_put32(head + 12, c->sub);
    OMEN_TRY(omen_buf_append(out, head, HEAD));
    return omen_buf_append(out, c->centroids, numbers(c) * sizeof(float));
}

omen_status omen_pq_load(omen_pq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const uint8_t *bytes, size_t len, omen_error *err) {
    static const char bad[] = "a quantiser is malformed";
    *c = (omen_pq){0};
    if (len < HEAD || omen_get32(bytes) != MAGIC || omen_get32(bytes + 4) != dimensions || omen_get32(bytes + 8) != (uint32_t)metric) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    uint32_t sub = omen_get32(bytes + 12);
    if (sub == 0 || sub > dimensions || (dimensions - 1) / sub >= OMEN_PQ_PARTS_MAX) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    size_t want = (size_t)((dimensions - 1) / sub + 1) * sub * POINTS * sizeof(float);
    if (len - HEAD != want) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    OMEN_TRY(omen_pq_init(c, m, metric, dimensions, sub, err));
    memcpy(c->centroids, bytes + HEAD, want);
    uint32_t last = width_of(c, c->parts - 1);
    bool sound = omen_kernels_get()->finite_f32(c->centroids, numbers(c));
    for (size_t i = (size_t)last * POINTS; i < (size_t)sub * POINTS; i++) sound = sound && run_of(c, c->parts - 1)[i] == 0.0f;
    if (sound) return OMEN_OK;
    omen_pq_deinit(c);
    return omen_fail(err, OMEN_ERR_CORRUPT, bad);
}

/* ---- rows ---- */

/* Squared distances of one run of x to its 16 centroids, summed up in order of the dimensions. */
static void squares(const float *restrict x, const float *restrict centroids, uint32_t width, float *restrict out) {
    float sums[POINTS] = {0};
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t p = 0; p < POINTS; p++) {
            float apart = x[i] - centroids[i * POINTS + p];
            sums[p] += apart * apart;
        }
    memcpy(out, sums, sizeof sums);
}

/* The first of the least. */
static uint32_t nearest_of(const float *squares) {
    uint32_t best = 0;
    for (uint32_t p = 1; p < POINTS; p++) best = squares[p] < squares[best] ? p : best;
    return best;
}

void omen_pq_encode(const omen_pq *c, const float *x, uint8_t *codes) {
    float distances[POINTS];
    for (uint32_t run = 0; run < c->parts; run++) {
        squares(x + (size_t)run * c->sub, run_of(c, run), width_of(c, run), distances);
        codes[run] = (uint8_t)nearest_of(distances);
    }
}

void omen_pq_decode(const omen_pq *c, const uint8_t *codes, float *x) {
    for (uint32_t i = 0; i < c->dimensions; i++) x[i] = c->centroids[(size_t)i * POINTS + codes[i / c->sub]];
}

size_t omen_pq_bytes(const omen_pq *c, uint32_t rows) { return ((size_t)rows + ROWS - 1) / ROWS * POINTS * c->parts; }

/* The byte that holds the code of run 0 of a row. Its low half is that of rows 0 to 15 of a block. */
static size_t place(const omen_pq *c, uint32_t row) { return (size_t)(row / ROWS) * POINTS * c->parts + row % POINTS; }
static uint32_t half(uint32_t row) { return row % ROWS < POINTS ? 0 : 4; }

void omen_pq_pack(const omen_pq *c, const uint8_t *codes, uint32_t row, uint8_t *packed) {
    uint8_t *to = packed + place(c, row);
    uint32_t shift = half(row);
    for (uint32_t run = 0; run < c->parts; run++, to += POINTS) *to = (uint8_t)((*to & 0xF0u >> shift) | (uint32_t)(codes[run] & 0xF) << shift);
}

void omen_pq_unpack(const omen_pq *c, const uint8_t *packed, uint32_t row, uint8_t *codes) {
    const uint8_t *from = packed + place(c, row);
    for (uint32_t run = 0; run < c->parts; run++, from += POINTS) codes[run] = from[0] >> half(row) & 0xF;
}

/* ---- queries ---- */

static float size_of(float v) { return v < 0.0f ? 0.0f - v : v; }

/* The table of one run; answers how large what was added up may have been. */
static float table_of(const omen_pq *c, uint32_t run, const float *q, float *table) {
    const float *x = q + (size_t)run * c->sub, *centroids = run_of(c, run);
    uint32_t width = width_of(c, run);
    float reach = 0.0f;
    if (c->metric != OMEN_METRIC_IP) {
        squares(x, centroids, width, table);
        for (uint32_t p = 0; p < POINTS; p++) {
            table[p] = table[p] < FARTHEST ? table[p] : FARTHEST;
            reach = table[p] > reach ? table[p] : reach;
        }
        return reach;
    }
    float sums[POINTS] = {0}, sizes[POINTS] = {0};
    for (uint32_t i = 0; i < width; i++)
        for (uint32_t p = 0; p < POINTS; p++) {
            float part = x[i] * centroids[i * POINTS + p];
            sums[p] -= part;
            sizes[p] += size_of(part);
        }
    for (uint32_t p = 0; p < POINTS; p++) {
        table[p] = sums[p] > -FARTHEST ? sums[p] < FARTHEST ? sums[p] : FARTHEST : -FARTHEST;
        reach = sizes[p] > reach ? sizes[p] : reach;
    }
    return reach < FARTHEST ? reach : FARTHEST;
}

void omen_pq_query(const omen_pq *c, const float *q, uint8_t *lut, omen_pq_scale *scale, float *scratch) {
    double bias = 0.0, reach = 0.0;
    float widest = 0.0f;
    for (uint32_t run = 0; run < c->parts; run++) {
        float *table = scratch + (size_t)run * POINTS, least;
        reach += (double)table_of(c, run, q, table);
        least = table[0];
        for (uint32_t p = 1; p < POINTS; p++) least = table[p] < least ? table[p] : least;
        for (uint32_t p = 0; p < POINTS; p++) {
            table[p] -= least;
            widest = table[p] > widest ? table[p] : widest;
        }
        bias += (double)least;
    }
    float step = widest > 1e-35f ? widest / 255.0f : 0.0f, by = step > 0.0f ? 1.0f / step : 0.0f;
    for (size_t i = 0; i < (size_t)c->parts * POINTS; i++) {
        float v = scratch[i] * by;
        uint32_t u = (uint32_t)(v < 255.0f ? v : 255.0f);
        if ((float)u * step > scratch[i]) u--; /* the product was rounded upwards; with u = 0 it cannot have been */
        lut[i] = (uint8_t)u;
    }
    /* Floats round each sum of a table, the subtraction of its least, and the two operations of omen_pq_lowest. */
    double all = reach + (bias < 0.0 ? -bias : bias) + (double)step * 255.0 * c->parts, margin = all * (c->sub + 8.0) * 0x1p-23;
    scale->bias = (float)(bias - margin);
    scale->step = step;
    scale->slack = (float)((double)step * c->parts * 1.001 + 2.0 * margin);
    if (step == 0.0f) scale->slack += widest * (float)c->parts;
}
