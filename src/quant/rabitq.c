#include "quant/rabitq.h"

#include "kernel/kernel.h"

/* Factors tried for more than one bit: COARSE over the whole range, then FINE around the best. */
#define COARSE 16u
#define FINE 8u
/* Beyond this, floats are as good as infinite: what they are part of is left out. */
#define HUGE_FLOAT 1e30f
#define SURE 1.9f
/* Sums and products of floats in an estimate are off by no more than this part of what was added up. */
#define ROUNDING 0x1p-20f
#define NUMBERS 16u /* bytes beside the planes of a part */

omen_status omen_rq_init(omen_rq *c, omen_mem *m, omen_metric metric, uint32_t dimensions, uint32_t bits, bool each, uint64_t seed, omen_error *err) {
    *c = (omen_rq){.metric = metric, .bits = bits, .each = each};
    if (dimensions == 0 || dimensions > OMEN_MAX_DIMENSIONS) return omen_fail(err, OMEN_ERR_INVALID, "a quantiser cannot have %u dimensions", dimensions);
    if (bits == 0 || bits > 8) return omen_fail(err, OMEN_ERR_INVALID, "%u bits a dimension; 1 to 8 are possible", bits);
    if (omen_rotation_init(&c->rotation, m, dimensions, seed) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory making a quantiser");
    c->n = c->rotation.padded;
    c->plane = c->n / 8;
    c->query_bits = bits > 4 ? 12 : 8;
    c->head_stride = c->plane + NUMBERS;
    c->tail_stride = bits == 1 ? 0 : (bits - 1) * c->plane + NUMBERS;
    return OMEN_OK;
}

void omen_rq_deinit(omen_rq *c) {
    omen_rotation_deinit(&c->rotation);
    *c = (omen_rq){0};
}

static float dot(const float *a, const float *b, uint32_t n) {
    float out;
    omen_kernels_get()->dot_f32(a, b, 1, n, &out);
    return out;
}

static float apart(const float *a, const float *b, uint32_t n) {
    float out;
    omen_kernels_get()->l2_f32(a, b, 1, n, &out);
    return out;
}

void omen_rq_place(const omen_rq *c, const float *x, float *y) {
    omen_rotation_turn(&c->rotation, x, y);
    if (c->metric != OMEN_METRIC_COSINE) return;
    float square = dot(x, x, c->rotation.dimensions), by = square > 0.0f && square < 3.4e38f ? 1.0f / __builtin_sqrtf(square) : 0.0f;
    for (uint32_t i = 0; i < c->n; i++) y[i] = by > 0.0f ? y[i] * by : 0.0f;
}

/* ---- rows ---- */

typedef struct numbers {
    float add, times, error;
    uint32_t sum;
} numbers;

static numbers numbers_at(const uint8_t *p) {
    numbers v;
    memcpy(&v, p, sizeof v);
    return v;
}

static float greatest_of(const float *v, uint32_t n) {
    uint32_t greatest = 0; /* floats without their sign are in the order of their bits */
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

/* v of one factor: |r_i| factor, cut off to a whole number and at most `most`, plus one half, with the sign of r_i. It has the same angle to r as its mirror
 * image among positive numbers: `sizes` are the |r_i|. Answers the cosine but for |r|. */
static float cosine(const float *restrict sizes, uint32_t n, float factor, float most, float *restrict v) {
    for (uint32_t i = 0; i < n; i++) {
        float x = sizes[i] * factor;
        x = x < most ? x : most;
        v[i] = (float)(int32_t)x + 0.5f;
    }
    return dot(v, sizes, n) / __builtin_sqrtf(dot(v, v, n));
}

/* The factor with (nearly) the best cosine. The cosine is a ragged function of it: between two factors at which a coordinate steps to its next whole number it is
 * constant. Trying them all in order (Gao et al. 2025) sorts n 2^(bits - 1) of them; two grids leave a squared error that is at most 0.5 % (to 6 bits) and 4 %
 * (8 bits, 64 coordinates) greater, as the tests find. */
static float best_factor(const omen_rq *c, const float *sizes, float greatest, float *v) {
    float levels = (float)(1u << (c->bits - 1)), most = levels - 1.0f, unit = levels / greatest, best = 0.0f, at = 1.0f;
    /* The more levels, the less is gained by cutting off the greatest coordinates. */
    static const float lows[] = {0.4f, 0.4f, 0.85f, 0.85f, 0.9f, 0.95f, 0.97f}, highs[] = {3.4f, 3.4f, 1.9f, 1.9f, 1.6f, 1.4f, 1.25f};
    float low = lows[c->bits - 2], wide = (highs[c->bits - 2] - low) / (float)(COARSE - 1);
    for (uint32_t i = 0; i < COARSE; i++) {
        float try = low + wide * (float)i, found = cosine(sizes, c->n, unit * try, most, v);
        if (found > best) best = found, at = try;
    }
    float from = at - wide, fine = 2.0f * wide / (float)(FINE + 1);
    for (uint32_t i = 1; i <= FINE; i++) {
        float try = from + fine * (float)i, found = cosine(sizes, c->n, unit * try, most, v);
        if (found > best) best = found, at = try;
    }
    return unit * at;
}

static bool usable(float v) { return v >= 0.0f && v < HUGE_FLOAT; }

/* What goes beside planes that stand for v. A row at its centroid, or too far away for floats, keeps no more than its distance from it. */
static numbers numbers_of(const omen_rq *c, const float *r, const float *centroid, const float *v, float square, float across, uint32_t sum) {
    float ends = c->metric == OMEN_METRIC_IP ? 1.0f : 2.0f, along = dot(r, v, c->n), f = square / along;
    numbers out = {.add = c->metric == OMEN_METRIC_IP ? 0.0f - across : square, .sum = sum};
    if (!(along > 0.0f) || !usable(f)) f = 0.0f;
    float spread = f > 0.0f ? f / along * dot(v, v, c->n) - 1.0f : 0.0f; /* tan^2 = |r|^2 |v|^2 / <r, v>^2 - 1 */
    float error = spread > 0.0f ? ends * __builtin_sqrtf(square) * __builtin_sqrtf(spread / (float)(c->n - 1)) : 0.0f;
    out.times = ends * f;
    if (!c->each) out.add += out.times * dot(centroid, v, c->n);
    out.error = usable(error) ? error : 0.0f;
    if (!(out.add - out.add == 0.0f) || !usable(out.times)) out = (numbers){.add = 3.4028235e38f, .sum = sum};
    return out;
}

size_t omen_rq_scratch(const omen_rq *c) { return (size_t)c->n * 3; }

static void encode_signs(const omen_rq *c, const float *r, const float *centroid, float square, float across, uint8_t *head, float *v) {
    uint32_t ones = 0;
    for (uint32_t i = 0; i < c->n; i += 8) {
        uint32_t byte = 0;
        for (uint32_t j = 0; j < 8; j++) {
            uint32_t one = r[i + j] >= 0.0f;
            byte |= one << j;
            ones += one;
            v[i + j] = (float)one - 0.5f;
        }
        head[i / 8] = (uint8_t)byte;
    }
    numbers all = numbers_of(c, r, centroid, v, square, across, ones);
    memcpy(head + c->plane, &all, sizeof all);
}

static void encode_rest(const omen_rq *c, const float *r, const float *centroid, float square, float across, uint8_t *tail, float *v, float *sizes) {
    float greatest = greatest_of(r, c->n), factor = 0.0f, most = (float)((1u << (c->bits - 1)) - 1);
    for (uint32_t i = 0; i < c->n; i++) sizes[i] = r[i] < 0.0f ? 0.0f - r[i] : r[i];
    /* Only where neither the factor nor a product with it overflows; else there is nothing but signs. */
    if (greatest > 1e-30f && greatest < HUGE_FLOAT) factor = best_factor(c, sizes, greatest, v);
    uint32_t half = 1u << (c->bits - 1), sum = 0;
    for (uint32_t i = 0; i < c->n; i += 8) {
        uint64_t eight = 0;
        for (uint32_t j = 0; j < 8; j++) {
            float x = sizes[i + j] * factor;
            uint32_t level = (uint32_t)(x < most ? x : most), k = r[i + j] >= 0.0f ? half + level : half - 1 - level;
            v[i + j] = (float)k - ((float)half - 0.5f);
            sum += k;
            eight |= (uint64_t)k << 8 * j;
        }
        for (uint32_t p = 0; p + 1 < c->bits; p++) /* bit p of eight bytes, gathered into one */
            tail[(size_t)p * c->plane + i / 8] = (uint8_t)((eight >> p & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56);
    }
    numbers all = numbers_of(c, r, centroid, v, square, across, sum);
    memcpy(tail + (size_t)(c->bits - 1) * c->plane, &all, sizeof all);
}

void omen_rq_encode(const omen_rq *c, const float *y, const float *centroid, uint8_t *head, uint8_t *tail, float *scratch) {
    float *r = scratch, *v = scratch + c->n, *sizes = scratch + 2 * (size_t)c->n;
    for (uint32_t i = 0; i < c->n; i++) r[i] = y[i] - centroid[i];
    float square = dot(r, r, c->n), across = c->metric == OMEN_METRIC_IP ? dot(centroid, r, c->n) : 0.0f;
    encode_signs(c, r, centroid, square, across, head, v);
    if (c->bits > 1) encode_rest(c, r, centroid, square, across, tail, v, sizes);
}

static uint32_t k_of(const omen_rq *c, const uint8_t *head, const uint8_t *tail, uint32_t i) {
    uint32_t k = (uint32_t)(head[i / 8] >> i % 8 & 1) << (c->bits - 1);
    for (uint32_t p = 0; p + 1 < c->bits; p++) k |= (uint32_t)(tail[(size_t)p * c->plane + i / 8] >> i % 8 & 1) << p;
    return k;
}

void omen_rq_decode(const omen_rq *c, const uint8_t *head, const uint8_t *tail, const float *centroid, float *out) {
    numbers all = numbers_at(c->bits == 1 ? head + c->plane : tail + (size_t)(c->bits - 1) * c->plane);
    float f = c->metric == OMEN_METRIC_IP ? all.times : all.times * 0.5f, middle = (float)((1u << c->bits) - 1) * 0.5f;
    for (uint32_t i = 0; i < c->n; i++) out[i] = centroid[i] + f * ((float)k_of(c, head, tail, i) - middle);
}

static bool finite(float v) { return v - v == 0.0f; }
static bool sound(numbers v) { return finite(v.add) && finite(v.times) && finite(v.error) && v.times >= 0.0f && v.error >= 0.0f; }

bool omen_rq_sound(const omen_rq *c, const uint8_t *head, const uint8_t *tail) {
    uint32_t ones = 0, sum = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        ones += head[i / 8] >> i % 8 & 1;
        sum += k_of(c, head, tail, i);
    }
    numbers first = numbers_at(head + c->plane);
    if (first.sum != ones || !sound(first)) return false;
    if (c->bits == 1) return true;
    numbers all = numbers_at(tail + (size_t)(c->bits - 1) * c->plane);
    return all.sum == sum && sound(all);
}

/* ---- queries ---- */

omen_status omen_rq_query_init(const omen_rq *c, omen_mem *m, omen_rq_query *q) {
    *q = (omen_rq_query){.bytes = (size_t)c->query_bits * c->plane, .sure = SURE, .step = 1.0f};
    q->planes = omen_alloc_zero(m, q->bytes);
    if (q->planes == NULL) return OMEN_ERR_MEMORY;
    q->mem = m;
    return OMEN_OK;
}

void omen_rq_query_deinit(omen_rq_query *q) {
    if (q->mem != NULL) omen_free(q->mem, q->planes, q->bytes);
    *q = (omen_rq_query){0};
}

void omen_rq_query_set(const omen_rq *c, omen_rq_query *q, const float *y, const float *centroid, float *scratch) {
    uint32_t n = c->n, most = (1u << c->query_bits) - 1, shift = c->query_bits - 4, sum = 0, sum_high = 0;
    float middle = (float)most * 0.5f, top = (float)most;
    for (uint32_t i = 0; i < n; i++) scratch[i] = centroid == NULL ? y[i] : y[i] - centroid[i];
    float greatest = greatest_of(scratch, n), step = greatest > 1e-30f && greatest < HUGE_FLOAT ? greatest / middle : 1.0f, by = 1.0f / step;
    float blur = 0.0f, blur_high = 0.0f; /* one lane each: their last bits do not matter, only that they are the same */
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t low = 0, high = 0;
        for (uint32_t j = 0; j < 8; j++) {
            float v = scratch[i + j] * by, x = v + (middle + 0.5f);
            x = x > 0.0f ? x : 0.0f;
            uint32_t u = (uint32_t)(x < top ? x : top);
            float off = v - ((float)u - middle), off_high = v - ((float)(u >> shift) - 7.5f) * (float)(1u << shift);
            blur += off * off;
            blur_high += off_high * off_high;
            sum += u;
            sum_high += u >> shift;
            low |= (uint64_t)(u & 0xFF) << 8 * j;
            high |= (uint64_t)(u >> 8) << 8 * j;
        }
        for (uint32_t p = 0; p < c->query_bits; p++) {
            uint64_t eight = p < 8 ? low >> p : high >> (p - 8);
            q->planes[(size_t)p * c->plane + i / 8] = (uint8_t)((eight & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56);
        }
    }
    q->step = step;
    q->sum = sum;
    q->sum_high = sum_high;
    q->blur = __builtin_sqrtf(blur) * step;
    q->blur_high = __builtin_sqrtf(blur_high) * step;
}

omen_rq_list omen_rq_list_of(const omen_rq *c, const float *y, const float *centroid) {
    float square = apart(y, centroid, c->n);
    return (omen_rq_list){.base = c->metric == OMEN_METRIC_IP ? 0.0f - dot(y, centroid, c->n) : square, .apart = __builtin_sqrtf(square)};
}

static float size_of(float v) { return v < 0.0f ? 0.0f - v : v; }

/* One row: `along` is <rounded query, v>. blur: what a unit of `times` may be off because of the query's rounding. */
static void put(numbers v, omen_rq_list list, float sure, float along, float blur, float *estimate, float *lowest) {
    float part = v.times * along, about = list.base + v.add - part;
    if (estimate != NULL) *estimate = about;
    if (lowest == NULL) return;
    float all = size_of(list.base) + size_of(v.add) + size_of(part);
    *lowest = about - sure * (v.error * list.apart + blur) - all * ROUNDING;
}

void omen_rq_scan(const omen_rq *c, const omen_rq_query *q, omen_rq_list list, const uint8_t *heads, uint32_t count, float *estimates, float *lowest) {
    uint32_t dots[OMEN_RQ_BLOCK], shift = c->query_bits - 4;
    const uint8_t *high = q->planes + (size_t)shift * c->plane;
    /* 4 <u - 7.5, bit - 0.5> = 4 dot - 30 ones - 2 sum of u + 15 n, of numbers that may be anything in a damaged file: it wraps. */
    uint32_t constant = 15 * c->n - 2 * q->sum_high;
    float unit = 0.25f * q->step * (float)(1u << shift), blur = 0.5f * q->blur_high;
    for (uint32_t from = 0; from < count; from += OMEN_RQ_BLOCK) {
        uint32_t some = OMEN_MIN(OMEN_RQ_BLOCK, count - from);
        const uint8_t *rows = heads + (size_t)from * c->head_stride;
        omen_kernels_get()->dot_u4b1(high, rows, c->head_stride, NULL, some, c->plane, dots);
        for (uint32_t i = 0; i < some; i++) {
            numbers v = numbers_at(rows + (size_t)i * c->head_stride + c->plane);
            float along = (float)(int32_t)(4 * dots[i] - 30 * v.sum + constant) * unit;
            put(v, list, q->sure, along, v.times * blur, estimates == NULL ? NULL : estimates + from + i, lowest == NULL ? NULL : lowest + from + i);
        }
    }
}

/* sums[i] += 2^shift <u, plane of row ids[i]> */
static void add_plane(const omen_rq *c, const omen_rq_query *q, const uint8_t *plane, size_t stride, const uint32_t *ids, uint32_t count, uint32_t shift, uint64_t *sums) {
    uint32_t dots[OMEN_RQ_BLOCK];
    for (uint32_t group = 0; group < c->query_bits; group += 4) {
        omen_kernels_get()->dot_u4b1(q->planes + (size_t)group * c->plane, plane, stride, ids, count, c->plane, dots);
        for (uint32_t i = 0; i < count; i++) sums[i] += (uint64_t)dots[i] << (group + shift);
    }
}

void omen_rq_refine(const omen_rq *c, const omen_rq_query *q, omen_rq_list list, const uint8_t *heads, const uint8_t *tails, const uint32_t *ids, uint32_t count,
                    float *estimates, float *lowest) {
    uint64_t sums[OMEN_RQ_BLOCK];
    uint32_t lower = c->bits - 1;
    int64_t top = ((int64_t)1 << c->bits) - 1, query_top = ((int64_t)1 << c->query_bits) - 1;
    /* 4 <u - query_top / 2, k - top / 2>, exactly */
    int64_t constant = query_top * top * c->n - 2 * top * (int64_t)q->sum;
    float unit = 0.25f * q->step;
    for (uint32_t from = 0; from < count; from += OMEN_RQ_BLOCK) {
        uint32_t some = OMEN_MIN(OMEN_RQ_BLOCK, count - from), own[OMEN_RQ_BLOCK];
        for (uint32_t i = 0; i < some; i++) own[i] = ids == NULL ? from + i : ids[from + i];
        memset(sums, 0, some * sizeof *sums);
        add_plane(c, q, heads, c->head_stride, own, some, lower, sums);
        for (uint32_t p = 0; p < lower; p++) add_plane(c, q, tails + (size_t)p * c->plane, c->tail_stride, own, some, p, sums);
        for (uint32_t i = 0; i < some; i++) {
            numbers first = numbers_at(heads + (size_t)own[i] * c->head_stride + c->plane), v = first;
            if (lower != 0) v = numbers_at(tails + (size_t)own[i] * c->tail_stride + (size_t)lower * c->plane);
            float along = (float)((int64_t)(4 * sums[i]) - 2 * query_top * (int64_t)v.sum + constant) * unit;
            /* |times v| / sqrt(n) is no more than that of the signs, which are farther from the row. */
            float blur = first.times * 0.5f * q->blur;
            put(v, list, q->sure, along, blur, estimates == NULL ? NULL : estimates + from + i, lowest == NULL ? NULL : lowest + from + i);
        }
    }
}
