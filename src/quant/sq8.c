#include "quant/sq8.h"

#include "base/base.h"
#include "kernel/kernel.h"
#include "quant/directions.h"

/* Variance that may be lost by keeping leading directions only. What is lost blurs distances by a few per cent; re-ranking makes up for it. */
#define LOSS 0.08f
/* Directions are worth finding only within these bounds of dimensions, and from twice as many vectors as dimensions. */
#define PROJECT_MIN 96u
#define PROJECT_MAX 2048u
#define DIRECTIONS_MAX 508u
#define MAGIC 0x31385153u /* "SQ81" */
#define HEAD 40u

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser"); }

static uint32_t tail_bytes(omen_metric m) { return m == OMEN_METRIC_IP ? 12 : 4; }

/* A float as a whole number within [-limit, limit], halves away from zero. */
static int32_t whole(float v, float limit) {
    if (!(v > -limit)) return v != v ? 0 : -(int32_t)limit;
    if (v > limit) return (int32_t)limit;
    return (int32_t)(v < 0.0f ? v - 0.5f : v + 0.5f);
}

static void set_shape(omen_sq8 *c, uint32_t lead) {
    uint32_t extra = tail_bytes(c->metric);
    c->lead = lead;
    c->len = (uint32_t)omen_round_up(lead, 64);
    c->tail = c->len - lead >= extra ? c->len - extra : c->len;
    c->stride = (uint32_t)omen_round_up(c->tail + extra, 64);
    c->peak = lead > 16384 ? 31 : 127;
}

static float norm_of(const float *x, uint32_t n) {
    float square;
    omen_kernels_get()->dot_f32(x, x, 1, n, &square);
    return square > 0.0f && square <= 3.4e38f ? __builtin_sqrtf(square) : 0.0f;
}

/* Where a vector lies before it is projected: normalised, less the mean. */
static void centre(const omen_sq8 *c, const float *x, float *out) {
    float times = 1.0f;
    if (c->metric == OMEN_METRIC_COSINE) {
        float norm = norm_of(x, c->dimensions);
        times = norm > 0.0f ? 1.0f / norm : 0.0f;
    }
    for (uint32_t i = 0; i < c->dimensions; i++) out[i] = x[i] * times - c->mean[i];
}

size_t omen_sq8_scratch(const omen_sq8 *c) { return (size_t)c->dimensions + c->len + c->padded + 64; }

/* ---- training ---- */

static void average(omen_sq8 *c, const float *sample, uint32_t count) {
    for (uint32_t i = 0; i < c->dimensions; i++) {
        double sum = 0.0;
        for (uint32_t r = 0; r < count; r++) sum += sample[(size_t)r * c->dimensions + i];
        c->mean[i] = (float)(sum / count);
    }
}

static void keep_bytes(omen_sq8 *c) {
    for (uint32_t j = 0; j < c->lead; j++) {
        float *wide = c->wide + (size_t)j * c->dimensions, greatest = 0.0f;
        int8_t *bytes = c->directions + (size_t)j * c->padded;
        int32_t sum = 0;
        for (uint32_t i = 0; i < c->dimensions; i++) greatest = OMEN_MAX(greatest, wide[i] < 0.0f ? 0.0f - wide[i] : wide[i]);
        c->direction_scales[j] = greatest > 0.0f ? greatest / 127.0f : 1.0f;
        for (uint32_t i = 0; i < c->dimensions; i++) {
            bytes[i] = (int8_t)whole(wide[i] / c->direction_scales[j], 127.0f);
            sum += bytes[i];
            wide[i] = (float)bytes[i] * c->direction_scales[j]; /* rows are projected by what queries are projected by */
        }
        c->direction_sums[j] = sum;
    }
}

static omen_status take_directions(omen_sq8 *c, omen_error *err) {
    c->directions = omen_alloc_zero(c->mem, (size_t)c->lead * c->padded);
    c->direction_scales = omen_alloc(c->mem, c->lead * sizeof(float));
    c->direction_sums = omen_alloc(c->mem, c->lead * sizeof(int32_t));
    return c->directions == NULL || c->direction_scales == NULL || c->direction_sums == NULL ? out_of_memory(err) : OMEN_OK;
}

/* Decides for leading directions when they hold enough of the variance and save a quarter of a row at least. */
static omen_status project(omen_sq8 *c, const float *centred, uint32_t count, uint32_t lead_max, omen_error *err) {
    uint32_t d = c->dimensions, extra = tail_bytes(c->metric), most = OMEN_MIN(d / 4 * 3, DIRECTIONS_MAX);
    if (d < PROJECT_MIN || d > PROJECT_MAX || count < 2 * d) return OMEN_OK;
    if (lead_max != 0) most = OMEN_MIN(most, lead_max);
    if (most < 64 - extra) return OMEN_OK;
    float *directions = omen_alloc(c->mem, (size_t)most * d * sizeof(float)), *kept = omen_alloc(c->mem, most * sizeof(float));
    omen_status s = directions == NULL || kept == NULL ? out_of_memory(err) : omen_directions_find(c->mem, centred, count, d, most, directions, kept, err);
    uint32_t lead = 64 - extra, whole_stride = c->stride;
    while (s == OMEN_OK && lead <= most && kept[lead - 1] < 1.0f - LOSS && lead != lead_max) lead += 64;
    if (s == OMEN_OK && lead <= most && (lead + extra) * 4 <= whole_stride * 3) {
        set_shape(c, lead);
        c->projected = true;
        s = omen_directions_mix(c->mem, directions, lead, d, err);
        if (s == OMEN_OK) s = take_directions(c, err);
        if (s == OMEN_OK && (c->wide = omen_alloc(c->mem, (size_t)lead * d * sizeof(float))) == NULL) s = out_of_memory(err);
        if (s == OMEN_OK) {
            memcpy(c->wide, directions, (size_t)lead * d * sizeof(float));
            keep_bytes(c);
        }
    }
    omen_free(c->mem, directions, (size_t)most * d * sizeof(float));
    omen_free(c->mem, kept, most * sizeof(float));
    return s;
}

/* The 99.99th percentile of |y|, to 1 / 128 of its size: buckets of the floats' upper 15 bits. */
static omen_status find_scale(omen_sq8 *c, const float *centred, uint32_t count, omen_error *err) {
    uint32_t *buckets = omen_alloc_zero(c->mem, (1u << 15) * sizeof *buckets);
    float *y = omen_alloc(c->mem, c->lead * sizeof *y);
    if (buckets == NULL || y == NULL) {
        omen_free(c->mem, buckets, (1u << 15) * sizeof *buckets);
        omen_free(c->mem, y, c->lead * sizeof *y);
        return out_of_memory(err);
    }
    for (uint32_t r = 0; r < count; r++) {
        const float *x = centred + (size_t)r * c->dimensions;
        if (c->projected) omen_kernels_get()->dot_f32(x, c->wide, c->lead, c->dimensions, y);
        for (uint32_t j = 0; j < c->lead; j++) {
            uint32_t u;
            memcpy(&u, c->projected ? &y[j] : &x[j], 4);
            buckets[u >> 16 & 0x7FFF]++;
        }
    }
    uint64_t above = ((uint64_t)count * c->lead + 9999) / 10000, seen = 0;
    uint32_t b = 1u << 15;
    while (b > 1 && seen + buckets[b - 1] < above) seen += buckets[--b];
    uint32_t edge = b << 16; /* the upper end of the bucket */
    float greatest;
    memcpy(&greatest, &edge, 4);
    c->scale = greatest > 1e-30f && greatest < 1e30f ? greatest / (float)c->peak : greatest >= 1e30f ? 1e30f : 1.0f;
    omen_free(c->mem, buckets, (1u << 15) * sizeof *buckets);
    omen_free(c->mem, y, c->lead * sizeof *y);
    return OMEN_OK;
}

omen_status omen_sq8_train(omen_sq8 *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const float *sample, uint32_t count,
                           uint32_t lead_max, omen_error *err) {
    size_t bytes = (size_t)count * dimensions * sizeof(float);
    *c = (omen_sq8){.mem = m, .metric = metric, .dimensions = dimensions, .padded = (uint32_t)omen_round_up(dimensions, 64)};
    OMEN_ASSERT(count != 0 && dimensions != 0);
    set_shape(c, dimensions);
    c->mean = omen_alloc_zero(m, dimensions * sizeof(float));
    float *centred = omen_alloc(m, bytes);
    omen_status s = c->mean == NULL || centred == NULL ? out_of_memory(err) : OMEN_OK;
    if (s == OMEN_OK) {
        for (uint32_t r = 0; r < count; r++) centre(c, sample + (size_t)r * dimensions, centred + (size_t)r * dimensions); /* the mean is still 0 */
        average(c, centred, count);
        float greatest = 0.0f;
        for (uint32_t r = 0; r < count; r++) {
            float *x = centred + (size_t)r * dimensions;
            for (uint32_t i = 0; i < dimensions; i++) x[i] -= c->mean[i];
            float norm = norm_of(x, dimensions);
            greatest = OMEN_MAX(greatest, norm);
        }
        s = project(c, centred, count, lead_max, err);
        if (s == OMEN_OK) s = find_scale(c, centred, count, err);
        c->greatest = s == OMEN_OK ? (greatest / c->scale) * (greatest / c->scale) : 0.0f;
        if (!(c->greatest < 1e9f)) c->greatest = 1e9f;
    }
    omen_free(m, centred, bytes);
    if (s != OMEN_OK) omen_sq8_deinit(c);
    return s;
}

void omen_sq8_deinit(omen_sq8 *c) {
    if (c->mem == NULL) return;
    omen_free(c->mem, c->mean, c->dimensions * sizeof(float));
    omen_free(c->mem, c->directions, (size_t)c->lead * c->padded);
    omen_free(c->mem, c->direction_scales, c->lead * sizeof(float));
    omen_free(c->mem, c->direction_sums, c->lead * sizeof(int32_t));
    omen_free(c->mem, c->wide, (size_t)c->lead * c->dimensions * sizeof(float));
    *c = (omen_sq8){0};
}

/* ---- rows and queries ---- */

void omen_sq8_encode(const omen_sq8 *c, const float *x, uint8_t *row, float *scratch) {
    const omen_kernels *k = omen_kernels_get();
    float *centred = scratch, *y = scratch, all = 0.0f, held = 0.0f;
    centre(c, x, centred);
    if (c->projected) {
        y = scratch + c->dimensions;
        k->dot_f32(centred, c->wide, c->lead, c->dimensions, y);
        k->dot_f32(centred, centred, 1, c->dimensions, &all);
        k->dot_f32(y, y, 1, c->lead, &held);
    }
    memset(row, 0, c->stride);
    int32_t square = 0, sum = 0;
    for (uint32_t j = 0; j < c->lead; j++) {
        int32_t code = whole(y[j] / c->scale, (float)c->peak);
        row[j] = (uint8_t)(int8_t)code;
        square += code * code;
        sum += code;
    }
    float rest = (all - held) / c->scale / c->scale;
    int32_t norm = square + (rest > 0.0f ? whole(rest, 1.0e9f) : 0);
    int32_t tail[3] = {norm + 256 * sum, norm, 0};
    if (c->metric == OMEN_METRIC_IP) {
        tail[0] = 256 * sum;
        float lift = c->greatest - (float)norm;
        tail[2] = lift > 0.0f ? whole(__builtin_sqrtf(lift), 32767.0f) : 0;
    }
    memcpy(row + c->tail, tail, tail_bytes(c->metric));
}

/* u = v * by + 64, rounded, in [0, 127]; NaN gives 0. Written so that compilers turn it into vector instructions. */
static void seven_bits(const float *v, uint32_t n, float by, uint8_t *u) {
    for (uint32_t i = 0; i < n; i++) {
        float x = v[i] * by + 64.5f;
        x = x > 0.0f ? x : 0.0f;
        x = x < 127.0f ? x : 127.0f;
        u[i] = (uint8_t)(int32_t)x;
    }
}

/* The greatest |v|: of the floats' bits without the sign, which are in the same order. */
static float greatest_of(const float *v, uint32_t n) {
    uint32_t greatest = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &v[i], 4);
        u &= 0x7FFFFFFFu;
        greatest = u > greatest ? u : greatest;
    }
    float f;
    memcpy(&f, &greatest, 4);
    return f;
}

/* y = P x through bytes: x in 7 bits of its own scale. */
static void project_query(const omen_sq8 *c, const float *x, float *y, uint8_t *bytes) {
    float greatest = greatest_of(x, c->dimensions), step = greatest > 1e-30f ? greatest / 63.0f : 1.0f;
    int32_t *sums = (int32_t *)(void *)y;
    seven_bits(x, c->dimensions, 1.0f / step, bytes);
    memset(bytes + c->dimensions, 0, c->padded - c->dimensions);
    omen_kernels_get()->dot_u7i8(bytes, (const uint8_t *)c->directions, c->padded, NULL, c->lead, c->padded, sums);
    for (uint32_t j = 0; j < c->lead; j++) {
        float v = (float)(sums[j] - 64 * c->direction_sums[j]) * step * c->direction_scales[j];
        y[j] = v; /* over the sum it came from */
    }
}

int64_t omen_sq8_query(const omen_sq8 *c, const float *q, uint8_t *u, float *scratch) {
    float *x = scratch, *y = scratch;
    if (c->metric == OMEN_METRIC_IP) memcpy(x, q, c->dimensions * sizeof(float));
    else centre(c, q, x);
    if (c->projected) {
        y = scratch + c->dimensions;
        project_query(c, x, y, (uint8_t *)(scratch + c->dimensions + c->len));
    }
    float step = 2.0f * c->scale;
    if (c->metric == OMEN_METRIC_IP) {
        float greatest = greatest_of(y, c->lead);
        step = greatest > 1e-30f ? greatest / 63.0f : 1.0f;
    }
    seven_bits(y, c->lead, 1.0f / step, u);
    memset(u + c->lead, 0, c->len - c->lead);
    int64_t square = 0; /* of the query, in steps */
    for (uint32_t i = 0; i < c->lead; i++) square += (u[i] - 64) * (u[i] - 64);
    if (c->metric != OMEN_METRIC_IP) return 4 * square;
    /* |q|^2 + greatest - 2 q.x, and rank = -4 sum(c (u - 64)) = -4 q.x / (scale step) but for what all rows share. */
    float ratio = step / c->scale, origin = 2.0f * ((float)square * ratio + c->greatest / ratio);
    return origin >= 0.0f && origin < 1e12f ? (int64_t)origin : INT64_C(1000000000000);
}


/* ---- as bytes: u32 magic, dimensions, metric, lead, projected, zero, f32 scale, greatest, 8 bytes zero, then mean, direction scales, directions (lead x
 * dimensions bytes, without padding) ---- */

omen_status omen_sq8_save(const omen_sq8 *c, omen_buf *out) {
    uint8_t head[HEAD] = {0};
    omen_put32(head, MAGIC);
    omen_put32(head + 4, c->dimensions);
    omen_put32(head + 8, (uint32_t)c->metric);
    omen_put32(head + 12, c->lead);
    omen_put32(head + 16, c->projected);
    memcpy(head + 24, &c->scale, 4);
    memcpy(head + 28, &c->greatest, 4);
    OMEN_TRY(omen_buf_append(out, head, HEAD));
    OMEN_TRY(omen_buf_append(out, c->mean, c->dimensions * sizeof(float)));
    if (!c->projected) return OMEN_OK;
    OMEN_TRY(omen_buf_append(out, c->direction_scales, c->lead * sizeof(float)));
    for (uint32_t j = 0; j < c->lead; j++) OMEN_TRY(omen_buf_append(out, c->directions + (size_t)j * c->padded, c->dimensions));
    return OMEN_OK;
}

static bool usable(float v) { return v > 0.0f && v < 3.0e38f; }

omen_status omen_sq8_load(omen_sq8 *c, omen_mem *m, omen_metric metric, uint32_t dimensions, const uint8_t *bytes, size_t len, omen_error *err) {
    static const char bad[] = "a quantiser is malformed";
    *c = (omen_sq8){.mem = m, .metric = metric, .dimensions = dimensions, .padded = (uint32_t)omen_round_up(dimensions, 64)};
    if (len < HEAD || omen_get32(bytes) != MAGIC || omen_get32(bytes + 4) != dimensions || omen_get32(bytes + 8) != (uint32_t)metric || omen_get32(bytes + 16) > 1)
        return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    uint32_t lead = omen_get32(bytes + 12);
    c->projected = omen_get32(bytes + 16) == 1;
    if (c->projected ? lead == 0 || lead > DIRECTIONS_MAX || lead > dimensions : lead != dimensions) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    size_t want = HEAD + (size_t)dimensions * 4 + (c->projected ? (size_t)lead * 4 + (size_t)lead * dimensions : 0);
    if (len != want) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    set_shape(c, lead);
    memcpy(&c->scale, bytes + 24, 4);
    memcpy(&c->greatest, bytes + 28, 4);
    if (!usable(c->scale)) return omen_fail(err, OMEN_ERR_CORRUPT, bad);
    c->mean = omen_alloc(m, dimensions * sizeof(float));
    omen_status s = c->mean == NULL ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index") : OMEN_OK;
    if (s == OMEN_OK && c->projected) s = take_directions(c, err);
    if (s != OMEN_OK) {
        omen_sq8_deinit(c);
        return s;
    }
    memcpy(c->mean, bytes + HEAD, dimensions * sizeof(float));
    if (!c->projected) return OMEN_OK;
    const uint8_t *scales = bytes + HEAD + (size_t)dimensions * 4, *rows = scales + (size_t)lead * 4;
    memcpy(c->direction_scales, scales, lead * sizeof(float));
    for (uint32_t j = 0; j < lead; j++) {
        int8_t *row = c->directions + (size_t)j * c->padded;
        memcpy(row, rows + (size_t)j * dimensions, dimensions);
        int32_t sum = 0;
        for (uint32_t i = 0; i < dimensions; i++) sum += row[i];
        c->direction_sums[j] = sum;
    }
    return OMEN_OK;
}
