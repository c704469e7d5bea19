#include "quant/rabitq.h"

#include "kernel/kernel.h"

#define SEED 77u
/* Factors tried for more than one bit: COARSE over the whole range, then FINE around the best. */
#define COARSE 16u
#define FINE 8u
/* Beyond this, floats are as good as infinite: what they are part of is left out. */
#define HUGE_FLOAT 1e30f
#define LAST 3.4028235e38f
#define SURE 1.9f
/* Sums and products of floats in an estimate are off by no more than this part of what was added up. */
#define ROUNDING 0x1p-20f

omen_status omen_rabitq_init(omen_rabitq *c, omen_mem *m, uint32_t dimensions, uint32_t bits, bool product) {
    OMEN_ASSERT(bits >= 1 && bits <= 8);
    *c = (omen_rabitq){.bits = bits, .product = product};
    OMEN_TRY(omen_rotation_init(&c->rotation, m, dimensions, SEED));
    c->n = c->rotation.padded;
    c->plane = c->n / 8;
    return OMEN_OK;
}

void omen_rabitq_deinit(omen_rabitq *c) {
    omen_rotation_deinit(&c->rotation);
    *c = (omen_rabitq){0};
}

static float dot(const float *a, const float *b, uint32_t n) {
    float out;
    omen_kernels_get()->dot_f32(a, b, 1, n, &out);
    return out;
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

/* ---- rows ---- */

uint64_t omen_rabitq_bytes(const omen_rabitq *c, uint64_t rows) {
    uint64_t each = c->plane + 16u;
    if (c->bits > 1) each += (uint64_t)(c->bits - 1) * c->plane + 12;
    return each * rows;
}

omen_rabitq_rows omen_rabitq_split(const omen_rabitq *c, uint8_t *bytes, uint32_t rows) {
    omen_rabitq_rows r = {.signs = bytes};
    bytes += (size_t)rows * c->plane;
    r.add = (float *)(void *)bytes;
    r.times = r.add + rows;
    r.error = r.times + rows;
    r.ones = (uint32_t *)(void *)(r.error + rows);
    if (c->bits == 1) return r;
    r.planes = (uint8_t *)(r.ones + rows);
    bytes = r.planes + (size_t)rows * (c->bits - 1) * c->plane;
    r.full_add = (float *)(void *)bytes;
    r.full_times = r.full_add + rows;
    r.sums = (uint32_t *)(void *)(r.full_times + rows);
    return r;
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
 * (8 bits, 64 coordinates) greater. */
static float best_factor(const omen_rabitq *c, const float *sizes, float greatest, float *v) {
    float levels = (float)(1u << (c->bits - 1)), most = levels - 1.0f, unit = levels / greatest, best = 0.0f, at = 1.0f;
    /* The more levels, the less is gained by cutting off the greatest coordinates. */
    static const float lows[] = {0.4f, 0.4f, 0.85f, 0.85f, 0.9f, 0.95f, 0.97f}, highs[] = {3.4f, 3.4f, 1.9f, 1.9f, 1.6f, 1.4f, 1.25f};
    float from = lows[c->bits - 2], wide = (highs[c->bits - 2] - from) / (float)(COARSE - 1);
    for (uint32_t i = 0, end = COARSE + FINE; i < end; i++) {
        if (i == COARSE) { /* now between the neighbours of the best */
            from = at - wide;
            wide = 2.0f * wide / (float)(FINE + 1);
        }
        float try = from + wide * (float)(i < COARSE ? i : i - COARSE + 1), found = cosine(sizes, c->n, unit * try, most, v);
        if (found > best) best = found, at = try;
    }
    return unit * at;
}

static bool usable(float v) { return v >= 0.0f && v < HUGE_FLOAT; }

/* A residual on its way to its code, all in turned space. */
typedef struct place {
    const float *r, *centroid;
    float *v;
    float square, first; /* |r|^2; what estimates begin with */
} place;

typedef struct numbers {
    float add, times, error;
} numbers;

/* What goes beside planes that stand for v. A row at its centroid, or too far away for floats, keeps no more than its distance from it. */
static numbers numbers_of(const omen_rabitq *c, const place *p) {
    float ends = c->product ? 1.0f : 2.0f, along = dot(p->r, p->v, c->n), f = p->square / along;
    if (!(along > 0.0f) || !usable(f)) f = 0.0f;
    float spread = f > 0.0f ? f / along * dot(p->v, p->v, c->n) - 1.0f : 0.0f; /* tan^2 = |r|^2 |v|^2 / <r, v>^2 - 1 */
    float error = spread > 0.0f ? ends * __builtin_sqrtf(p->square) * __builtin_sqrtf(spread / (float)(c->n - 1)) : 0.0f;
    numbers out = {.add = p->first + ends * f * dot(p->centroid, p->v, c->n), .times = ends * f, .error = usable(error) ? error : 0.0f};
    if (!(out.add - out.add == 0.0f) || !usable(out.times)) out = (numbers){.add = LAST};
    return out;
}

/* Bit p of eight bytes, gathered into one. */
static uint8_t bits_of(uint64_t eight, uint32_t p) { return (uint8_t)((eight >> p & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56); }

/* The whole numbers of a row: with one bit, the signs. Answers their sum; p->v is what they stand for. */
static uint32_t put_code(const omen_rabitq *c, const place *p, uint32_t bits, float factor, uint8_t *signs, uint8_t *planes) {
    uint32_t half = 1u << (bits - 1), sum = 0;
    float most = (float)(half - 1);
    for (uint32_t i = 0; i < c->n; i += 8) {
        uint64_t eight = 0;
        for (uint32_t j = 0; j < 8; j++) {
            float x = __builtin_fabsf(p->r[i + j]) * factor;
            uint32_t level = (uint32_t)(x < most ? x : most), k = p->r[i + j] >= 0.0f ? half + level : half - 1 - level;
            p->v[i + j] = (float)k - ((float)half - 0.5f);
            sum += k;
            eight |= (uint64_t)k << 8 * j;
        }
        signs[i / 8] = bits_of(eight, bits - 1);
        for (uint32_t b = 0; b + 1 < bits; b++) planes[(size_t)b * c->plane + i / 8] = bits_of(eight, b);
    }
    return sum;
}

void omen_rabitq_encode(const omen_rabitq *c, const float *residual, const float *centroid, float more, const omen_rabitq_rows *rows, size_t at, float *scratch) {
    float *r = scratch, *turned = scratch + c->n;
    omen_rotation_turn(&c->rotation, residual, r);
    omen_rotation_turn(&c->rotation, centroid, turned);
    place p = {.r = r, .centroid = turned, .v = scratch + 2 * (size_t)c->n, .square = dot(r, r, c->n)};
    p.first = more + (c->product ? 0.0f - dot(turned, r, c->n) : p.square);
    uint8_t *signs = rows->signs + at * c->plane;
    rows->ones[at] = put_code(c, &p, 1, 0.0f, signs, NULL);
    numbers own = numbers_of(c, &p);
    rows->add[at] = own.add;
    rows->times[at] = own.times;
    rows->error[at] = own.error;
    if (c->bits == 1) return;
    float greatest = greatest_of(r, c->n), factor = 0.0f, *sizes = scratch + 3 * (size_t)c->n;
    for (uint32_t i = 0; i < c->n; i++) sizes[i] = __builtin_fabsf(r[i]);
    /* Only where neither the factor nor a product with it overflows; else there is nothing but signs. */
    if (greatest > 1e-30f && greatest < HUGE_FLOAT) factor = best_factor(c, sizes, greatest, p.v);
    rows->sums[at] = put_code(c, &p, c->bits, factor, signs, rows->planes + at * (c->bits - 1) * c->plane);
    own = numbers_of(c, &p);
    rows->full_add[at] = own.add;
    rows->full_times[at] = own.times;
}

static uint32_t ones_of(const uint8_t *plane, uint32_t len) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t byte = plane[i];
        byte -= byte >> 1 & 0x55;
        byte = (byte & 0x33) + (byte >> 2 & 0x33);
        n += (byte + (byte >> 4)) & 0x0F;
    }
    return n;
}

static bool finite(float v) { return v - v == 0.0f; }

bool omen_rabitq_sound(const omen_rabitq *c, const omen_rabitq_rows *rows, size_t at) {
    uint32_t ones = ones_of(rows->signs + at * c->plane, c->plane);
    if (rows->ones[at] != ones || !finite(rows->add[at]) || !usable(rows->times[at]) || !usable(rows->error[at])) return false;
    if (c->bits == 1) return true;
    uint32_t sum = ones << (c->bits - 1);
    for (uint32_t p = 0; p + 1 < c->bits; p++) sum += ones_of(rows->planes + (at * (c->bits - 1) + p) * c->plane, c->plane) << p;
    return rows->sums[at] == sum && finite(rows->full_add[at]) && usable(rows->full_times[at]);
}

/* ---- queries ---- */

void omen_rabitq_query_set(const omen_rabitq *c, omen_rabitq_query *q, const float *x, float *scratch) {
    float *y = scratch;
    omen_rotation_turn(&c->rotation, x, y);
    float greatest = greatest_of(y, c->n), step = greatest > 1e-30f && greatest < HUGE_FLOAT ? greatest / 127.5f : 1.0f, by = 1.0f / step, *off = scratch + c->n;
    uint32_t sum = 0, sum_high = 0;
    for (uint32_t i = 0; i < c->n; i += 8) {
        uint64_t eight = 0;
        for (uint32_t j = 0; j < 8; j++) {
            float v = y[i + j] * by, at = v + 128.0f;
            at = at > 0.0f ? at : 0.0f;
            uint32_t u = (uint32_t)(at < 255.0f ? at : 255.0f);
            off[i + j] = v - ((float)(u >> 4) - 7.5f) * 16.0f;
            sum += u;
            sum_high += u >> 4;
            eight |= (uint64_t)u << 8 * j;
        }
        for (uint32_t p = 0; p < 8; p++) q->planes[(size_t)p * c->plane + i / 8] = bits_of(eight, p);
    }
    q->step = step;
    q->sum = sum;
    q->sum_high = sum_high;
    q->blur_high = __builtin_sqrtf(dot(off, off, c->n)) * step;
}

/* Numbers of a damaged file may be anything: whole ones wrap. */
void omen_rabitq_first(const omen_rabitq *c, const omen_rabitq_query *q, float base, float apart, const omen_rabitq_rows *rows, size_t at, uint32_t count, uint32_t *restrict dots,
                       float *restrict lowest) {
    const float *restrict add = rows->add + at, *restrict times = rows->times + at, *restrict error = rows->error + at;
    const uint32_t *restrict ones = rows->ones + at;
    omen_kernels_get()->dot_u4b1(q->planes + 4 * (size_t)c->plane, rows->signs + at * c->plane, c->plane, NULL, count, c->plane, dots);
    /* 4 <u - 7.5, bit - 0.5> = 4 dot - 30 ones - 2 sum of u + 15 n */
    uint32_t constant = 15 * c->n - 2 * q->sum_high;
    float unit = 4.0f * q->step, blur = SURE * 0.5f * q->blur_high, reach = SURE * apart, size = __builtin_fabsf(base);
    for (uint32_t i = 0; i < count; i++) {
        float part = times[i] * ((float)(int32_t)(4 * dots[i] - 30 * ones[i] + constant) * unit), estimate = base + add[i] - part;
        lowest[i] = estimate - (error[i] * reach + times[i] * blur) - (size + __builtin_fabsf(add[i]) + __builtin_fabsf(part)) * ROUNDING;
    }
}

uint32_t omen_rabitq_scan(const omen_rabitq *c, const omen_rabitq_query *q, float base, float apart, const omen_rabitq_rows *rows, size_t at, uint32_t count, float limit,
                          uint32_t *ids, float *estimates) {
    const omen_kernels *k = omen_kernels_get();
    const uint8_t *low = q->planes, *high = q->planes + 4 * (size_t)c->plane;
    uint32_t dots[OMEN_RABITQ_SCAN], part[OMEN_RABITQ_SCAN], full[OMEN_RABITQ_SCAN], kept = 0;
    float lowest[OMEN_RABITQ_SCAN];
    omen_rabitq_first(c, q, base, apart, rows, at, count, dots, lowest);
    for (uint32_t i = 0; i < count; i++) { /* NaN passes */
        ids[kept] = i;
        kept += !(lowest[i] > limit);
    }
    if (kept == 0) return 0;
    /* The lower half of the query on the signs, then both halves on the other planes. */
    k->dot_u4b1(low, rows->signs + at * c->plane, c->plane, ids, kept, c->plane, part);
    for (uint32_t i = 0; i < kept; i++) full[i] = (16 * dots[ids[i]] + part[i]) << (c->bits - 1);
    size_t stride = (size_t)(c->bits - 1) * c->plane;
    for (uint32_t p = 0; p + 1 < c->bits; p++) {
        const uint8_t *plane = rows->planes + at * stride + (size_t)p * c->plane;
        k->dot_u4b1(high, plane, stride, ids, kept, c->plane, dots);
        k->dot_u4b1(low, plane, stride, ids, kept, c->plane, part);
        for (uint32_t i = 0; i < kept; i++) full[i] += (16 * dots[i] + part[i]) << p;
    }
    const float *add = (c->bits == 1 ? rows->add : rows->full_add) + at, *times = (c->bits == 1 ? rows->times : rows->full_times) + at;
    const uint32_t *sums = (c->bits == 1 ? rows->ones : rows->sums) + at;
    /* 4 <q, v> / step = 4 dot - 510 sum - 2 (2^bits - 1) sum(u) + 255 (2^bits - 1) n */
    int64_t top = (1 << c->bits) - 1, constant = 255 * top * c->n - 2 * top * (int64_t)q->sum;
    float unit = 0.25f * q->step;
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t row = ids[i];
        estimates[i] = base + add[row] - times[row] * ((float)(4 * (int64_t)full[i] - 510 * (int64_t)sums[row] + constant) * unit);
    }
    return kept;
}
