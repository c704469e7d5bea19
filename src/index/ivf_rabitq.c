#include "index/ivf_rabitq.h"

#include "kernel/kernel.h"

#define ROUNDS 4u
/* How many deviations an estimate from the signs may be off before its row is excluded wrongly. */
#define SURE 1.9f
/* Factors tried for more than one bit. */
#define FACTORS 20u

omen_status omen_ivf_rabitq_init(omen_ivf_rabitq *c, omen_mem *m, uint32_t dimensions, uint32_t bits, bool product) {
    OMEN_ASSERT(bits >= 1 && bits <= 8);
    *c = (omen_ivf_rabitq){.mem = m, .dimensions = dimensions, .padded = (uint32_t)omen_round_up(dimensions, 64), .bits = bits, .product = product, .power = 64};
    while (c->power * 2 <= c->padded) c->power *= 2;
    c->len = c->padded / 8;
    c->flips = omen_alloc(m, (size_t)ROUNDS * c->padded * sizeof *c->flips);
    if (c->flips == NULL) return OMEN_ERR_MEMORY;
    uint64_t state = 77;
    for (size_t i = 0; i < (size_t)ROUNDS * c->padded; i++) {
        uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 (Steele, Lea and Flood 2014) */
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        c->flips[i] = (uint32_t)(z >> 63) << 31;
    }
    return OMEN_OK;
}

void omen_ivf_rabitq_deinit(omen_ivf_rabitq *c) {
    if (c->mem == NULL) return;
    omen_free(c->mem, c->flips, (size_t)ROUNDS * c->padded * sizeof *c->flips);
    *c = (omen_ivf_rabitq){0};
}

/* ---- the rotation ---- */

static void hadamard(float *x, uint32_t n) {
    for (uint32_t half = 1; half < n; half *= 2)
        for (uint32_t i = 0; i < n; i += 2 * half) {
            float *restrict a = x + i, *restrict b = x + i + half;
            for (uint32_t j = 0; j < half; j++) {
                float s = a[j] + b[j], d = a[j] - b[j];
                a[j] = s;
                b[j] = d;
            }
        }
    float by = 1.0f / __builtin_sqrtf((float)n);
    for (uint32_t i = 0; i < n; i++) x[i] *= by;
}

/* Where the dimensions are no power of two, the first and the last ones that are take turns. */
static void turn(const omen_ivf_rabitq *c, float *x) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t *flips = c->flips + (size_t)round * c->padded;
        for (uint32_t i = 0; i < c->padded; i++) {
            uint32_t u;
            memcpy(&u, &x[i], 4);
            u ^= flips[i];
            memcpy(&x[i], &u, 4);
        }
        hadamard(x + (round % 2 == 0 ? 0 : c->padded - c->power), c->power);
    }
}

static float dot(const float *a, const float *b, uint32_t n) {
    float out;
    omen_kernels_get()->dot_f32(a, b, 1, n, &out);
    return out;
}

/* ---- rows ---- */

uint64_t omen_ivf_rabitq_bytes(const omen_ivf_rabitq *c, uint32_t rows) {
    uint64_t each = c->len + 16u;
    if (c->bits > 1) each += (uint64_t)(c->bits - 1) * c->len + 12;
    return each * rows;
}

omen_ivf_rabitq_rows omen_ivf_rabitq_split(const omen_ivf_rabitq *c, uint8_t *bytes, uint32_t rows) {
    omen_ivf_rabitq_rows r = {.signs = bytes};
    bytes += (size_t)rows * c->len;
    r.add = (float *)(void *)bytes;
    r.times = r.add + rows;
    r.error = r.times + rows;
    r.ones = (uint32_t *)(void *)(r.error + rows);
    if (c->bits == 1) return r;
    r.planes = (uint8_t *)(r.ones + rows);
    bytes = r.planes + (size_t)rows * (c->bits - 1) * c->len;
    r.full_add = (float *)(void *)bytes;
    r.full_times = r.full_add + rows;
    r.sums = (uint32_t *)(void *)(r.full_times + rows);
    return r;
}

/* k of one number: floor(x + 2^(bits - 1)), within range, its highest bit being the sign of what x was before it was scaled. */
static uint32_t whole(float x, bool one, uint32_t bits) {
    int32_t half = 1 << (bits - 1), most = 2 * half - 1;
    if (one) return x < (float)half ? (uint32_t)OMEN_MIN((int32_t)x + half, most) : (uint32_t)most;
    int32_t k = x > -(float)half ? (int32_t)(x + (float)half) : 0;
    return (uint32_t)(k >= half ? half - 1 : k);
}

/* The factor with the best cosine between what is left and its code. */
static float best_factor(const omen_ivf_rabitq *c, const float *r, float greatest) {
    if (c->bits == 1 || !(greatest > 0.0f)) return 0.0f;
    float half = (float)(1u << (c->bits - 1)), best = 0.0f, best_factor = half / greatest, middle = half - 0.5f;
    for (uint32_t n = 0; n < FACTORS; n++) {
        float factor = half / greatest * (0.95f + 0.15f * (float)n), along = 0.0f, square = 0.0f;
        for (uint32_t i = 0; i < c->padded; i++) {
            float x = r[i] * factor + half;
            x = x > 0.0f ? x : 0.0f;
            x = x < 2.0f * half - 0.5f ? x : 2.0f * half - 0.5f;
            float v = (float)(int32_t)x - middle;
            along += v * r[i];
            square += v * v;
        }
        float cosine = along / __builtin_sqrtf(square);
        if (!(cosine > best)) continue;
        best = cosine;
        best_factor = factor;
    }
    return best_factor;
}

/* f = |r|^2 / <r, v>, or 0 where there is nothing left of the row. */
static float factor_of(float square, float along) {
    float f = square / along;
    return along > 0.0f && f < 1e30f ? f : 0.0f;
}

void omen_ivf_rabitq_encode(const omen_ivf_rabitq *c, const float *x, const float *centroid, const omen_ivf_rabitq_rows *rows, size_t at, float *scratch) {
    uint32_t d = c->dimensions, n = c->padded;
    float *r = scratch, *mid = scratch + n, *v = scratch + 2 * n;
    uint8_t *signs = rows->signs + at * c->len;
    for (uint32_t i = 0; i < n; i++) {
        mid[i] = i < d ? centroid[i] : 0.0f;
        r[i] = i < d ? x[i] - centroid[i] : 0.0f;
    }
    float across = dot(mid, r, n);
    turn(c, mid);
    turn(c, r);
    float square = dot(r, r, n), ends = c->product ? 1.0f : 2.0f, greatest = 0.0f;
    uint32_t ones = 0;
    memset(signs, 0, c->len);
    for (uint32_t i = 0; i < n; i++) {
        bool one = r[i] >= 0.0f;
        signs[i / 8] |= (uint8_t)(one << i % 8);
        ones += one;
        v[i] = one ? 0.5f : -0.5f;
        float size = one ? r[i] : 0.0f - r[i];
        greatest = size > greatest ? size : greatest;
    }
    float along = dot(r, v, n), f = factor_of(square, along);
    float first = c->product ? 0.0f - across : square;
    rows->ones[at] = ones;
    rows->times[at] = ends * f;
    rows->add[at] = first + ends * f * dot(mid, v, n);
    /* sqrt(1 / cos^2 - 1), cos^2 = along^2 / (square |v|^2) */
    float spread = along > 0.0f ? square * (float)n * 0.25f / (along * along) - 1.0f : 0.0f;
    rows->error[at] = spread > 0.0f && spread < 1e30f ? ends * SURE * __builtin_sqrtf(square * spread / (float)(n - 1)) : 0.0f;
    if (c->bits == 1) return;
    float factor = best_factor(c, r, greatest), middle = (float)((1u << c->bits) - 1) * 0.5f;
    uint32_t sum = 0;
    uint8_t *planes = rows->planes + at * (c->bits - 1) * c->len;
    memset(planes, 0, (size_t)(c->bits - 1) * c->len);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = whole(r[i] * factor, r[i] >= 0.0f, c->bits);
        for (uint32_t p = 0; p + 1 < c->bits; p++) planes[p * c->len + i / 8] |= (uint8_t)((k >> p & 1) << i % 8);
        sum += k;
        v[i] = (float)k - middle;
    }
    f = factor_of(square, dot(r, v, n));
    rows->sums[at] = sum;
    rows->full_times[at] = ends * f;
    rows->full_add[at] = first + ends * f * dot(mid, v, n);
}

static uint32_t popcount(uint32_t byte) {
    byte -= byte >> 1 & 0x55;
    byte = (byte & 0x33) + (byte >> 2 & 0x33);
    return (byte + (byte >> 4)) & 0x0F;
}

static uint32_t ones_of(const uint8_t *plane, uint32_t len) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < len; i++) n += popcount(plane[i]);
    return n;
}

static bool finite(float v) { return v - v == 0.0f; }

bool omen_ivf_rabitq_sound(const omen_ivf_rabitq *c, const omen_ivf_rabitq_rows *rows, size_t at) {
    uint32_t ones = ones_of(rows->signs + at * c->len, c->len);
    if (rows->ones[at] != ones || !finite(rows->add[at]) || !finite(rows->times[at]) || !finite(rows->error[at]) || rows->times[at] < 0.0f || rows->error[at] < 0.0f) return false;
    if (c->bits == 1) return true;
    uint32_t sum = ones << (c->bits - 1);
    for (uint32_t p = 0; p + 1 < c->bits; p++) sum += ones_of(rows->planes + (at * (c->bits - 1) + p) * c->len, c->len) << p;
    return rows->sums[at] == sum && finite(rows->full_add[at]) && finite(rows->full_times[at]) && rows->full_times[at] >= 0.0f;
}

/* ---- queries ---- */

size_t omen_ivf_rabitq_query_bytes(const omen_ivf_rabitq *c) { return (size_t)omen_round_up((uint64_t)c->len * 8, 64) + 7 * (size_t)OMEN_PICK_BLOCK * 4; }

void omen_ivf_rabitq_query_init(const omen_ivf_rabitq *c, uint8_t *bytes, omen_ivf_rabitq_query *q) {
    *q = (omen_ivf_rabitq_query){.high = bytes, .low = bytes + (size_t)c->len * 4};
    q->dots = (uint32_t *)(void *)(bytes + omen_round_up((uint64_t)c->len * 8, 64));
    q->part = q->dots + OMEN_PICK_BLOCK;
    q->ids = q->part + OMEN_PICK_BLOCK;
    q->full = q->ids + OMEN_PICK_BLOCK;
    q->ranks = (int32_t *)(q->full + OMEN_PICK_BLOCK);
    q->estimates = (float *)(q->ranks + OMEN_PICK_BLOCK);
    q->lowest = q->estimates + OMEN_PICK_BLOCK;
}

/* q ~ step (u - 127.5), u in [0, 255], as planes of its upper and its lower four bits. */
void omen_ivf_rabitq_query_set(const omen_ivf_rabitq *c, const float *x, omen_ivf_rabitq_query *q, float *scratch) {
    float *y = scratch, greatest = 0.0f;
    for (uint32_t i = 0; i < c->padded; i++) y[i] = i < c->dimensions ? x[i] : 0.0f;
    turn(c, y);
    for (uint32_t i = 0; i < c->padded; i++) {
        float size = y[i] < 0.0f ? 0.0f - y[i] : y[i];
        greatest = size > greatest ? size : greatest;
    }
    q->step = greatest > 1e-30f && greatest < 1e30f ? greatest / 127.0f : 1.0f;
    q->sum = q->sum_high = 0;
    memset(q->high, 0, (size_t)c->len * 8);
    float by = 1.0f / q->step;
    for (uint32_t i = 0; i < c->padded; i += 8) {
        uint64_t eight = 0;
        for (uint32_t j = 0; j < 8; j++) {
            float v = y[i + j] * by + 128.0f;
            v = v > 0.0f ? v : 0.0f;
            uint32_t u = (uint32_t)(v < 255.0f ? v : 255.0f);
            q->sum += u;
            q->sum_high += u >> 4;
            eight |= (uint64_t)u << 8 * j;
        }
        for (uint32_t p = 0; p < 8; p++) {
            /* Bit p of eight bytes, gathered into one. */
            uint64_t bit = eight >> p & UINT64_C(0x0101010101010101);
            uint8_t byte = (uint8_t)(bit * UINT64_C(0x0102040810204080) >> 56);
            (p < 4 ? q->low + p * c->len : q->high + (p - 4) * c->len)[i / 8] = byte;
        }
    }
}

/* Signs alone: estimates, and what a row's distance is hardly below. Numbers of a damaged file may be anything: they wrap. */
static void first_pass(const omen_ivf_rabitq *c, omen_ivf_rabitq_query *q, const omen_ivf_rabitq_rows *rows, size_t at, uint32_t count, float base, float apart) {
    const float *add = rows->add + at, *times = rows->times + at, *error = rows->error + at;
    const uint32_t *ones = rows->ones + at, *dots = q->dots;
    float *restrict estimates = q->estimates, *restrict lowest = q->lowest;
    omen_kernels_get()->dot_u4b1(q->high, rows->signs + at * c->len, c->len, NULL, count, c->len, q->dots);
    /* 4 <q, v> / (16 step) = 4 dot - 30 ones - 2 sum + 15 dimensions. Rounding the query to 4 bits adds an error, 4.62 steps a dimension, of its own. */
    uint32_t constant = 15 * c->padded - 2 * q->sum_high;
    float unit = 4.0f * q->step, blur = SURE * 0.5f * 4.62f * q->step * __builtin_sqrtf((float)c->padded);
    for (uint32_t i = 0; i < count; i++) {
        float along = (float)(int32_t)(4 * dots[i] - 30 * ones[i] + constant) * unit;
        float estimate = base + add[i] - times[i] * along;
        estimates[i] = estimate;
        lowest[i] = estimate - error[i] * apart - times[i] * blur;
    }
}

uint32_t omen_ivf_rabitq_offer(const omen_ivf_rabitq *c, omen_ivf_rabitq_query *q, const omen_ivf_rabitq_rows *rows, size_t at, uint32_t count, const uint32_t *order, float base,
                           float apart, omen_pick *pick, const omen_pick_filter *filter) {
    const omen_kernels *k = omen_kernels_get();
    uint32_t kept = 0;
    first_pass(c, q, rows, at, count, base, apart);
    /* Only after its buffer has shrunk once does the pick know a limit; NaN passes, and ranks last. */
    float limit = omen_ivf_rank_float(pick->limit);
    for (uint32_t i = 0; i < count; i++) {
        q->ids[kept] = i;
        kept += !(q->lowest[i] > limit);
    }
    if (kept == 0) return 0;
    /* The lower half of the query on the signs, then both halves on the other planes. */
    k->dot_u4b1(q->low, rows->signs + at * c->len, c->len, q->ids, kept, c->len, q->part);
    for (uint32_t i = 0; i < kept; i++) q->full[i] = (16 * q->dots[q->ids[i]] + q->part[i]) << (c->bits - 1);
    size_t stride = (size_t)(c->bits - 1) * c->len;
    for (uint32_t p = 0; p + 1 < c->bits; p++) {
        const uint8_t *plane = rows->planes + at * stride + (size_t)p * c->len;
        k->dot_u4b1(q->high, plane, stride, q->ids, kept, c->len, q->dots);
        k->dot_u4b1(q->low, plane, stride, q->ids, kept, c->len, q->part);
        for (uint32_t i = 0; i < kept; i++) q->full[i] += (16 * q->dots[i] + q->part[i]) << p;
    }
    const float *add = c->bits == 1 ? rows->add : rows->full_add, *times = c->bits == 1 ? rows->times : rows->full_times;
    const uint32_t *sums = c->bits == 1 ? rows->ones : rows->sums;
    /* 4 <q, v> / step = 4 dot - 510 sum - 2 (2^bits - 1) sum(u) + 255 (2^bits - 1) dimensions */
    int64_t top = (1 << c->bits) - 1, constant = 255 * top * c->padded - 2 * top * (int64_t)q->sum;
    for (uint32_t i = 0; i < kept; i++) {
        size_t row = at + q->ids[i];
        float along = (float)(4 * (int64_t)q->full[i] - 510 * (int64_t)sums[row] + constant) * (0.25f * q->step);
        q->ranks[i] = omen_ivf_rank(base + add[row] - times[row] * along);
        q->part[i] = order[q->ids[i]];
    }
    omen_pick_offer(pick, q->ranks, q->part, 0, kept, filter);
    return kept;
}
