#include "index/audit.h"

#include "base/parallel.h"
#include "kernel/kernel.h"

omen_status omen_audit_init(omen_audit *a, omen_mem *m, const omen_vectors *source, const uint32_t *rows, uint32_t queries, omen_error *err) {
    *a = (omen_audit){.mem = m, .queries = queries, .dimensions = source->dimensions, .metric = source->metric};
    a->vector_bytes = source->element == OMEN_ELEMENT_BIT ? (size_t)omen_round_up(source->dimensions / 8, 8) : source->dimensions * sizeof(float);
    memcpy(a->rows, rows, queries * sizeof *rows);
    a->vectors = omen_alloc_zero(m, OMEN_AUDIT_QUERIES * a->vector_bytes);
    a->scratch = omen_alloc(m, (size_t)OMEN_AUDIT_QUERIES * OMEN_AUDIT_RUN * sizeof(float));
    return a->vectors == NULL || a->scratch == NULL ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory building an index") : OMEN_OK;
}

void omen_audit_deinit(omen_audit *a) {
    if (a->mem == NULL) return;
    omen_free(a->mem, a->vectors, OMEN_AUDIT_QUERIES * a->vector_bytes);
    omen_free(a->mem, a->scratch, (size_t)OMEN_AUDIT_QUERIES * OMEN_AUDIT_RUN * sizeof(float));
    *a = (omen_audit){0};
}

static size_t row_bytes(const omen_audit *a) { return a->metric == OMEN_METRIC_HAMMING ? a->dimensions / 8 : a->dimensions * sizeof(float); }

/* The first query at or behind a row. */
static uint32_t query_from(const omen_audit *a, uint32_t row) {
    uint32_t lo = 0, hi = a->queries;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (a->rows[mid] < row) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

uint32_t omen_audit_query_of(const omen_audit *a, uint32_t row) {
    uint32_t q = query_from(a, row);
    return q < a->queries && a->rows[q] == row ? q : UINT32_MAX;
}

void omen_audit_take(omen_audit *a, const void *vectors, uint32_t first, uint32_t count) {
    for (uint32_t q = query_from(a, first); q < a->queries && a->rows[q] - first < count; q++) {
        uint8_t *own = a->vectors + q * a->vector_bytes;
        memcpy(own, (const uint8_t *)vectors + (size_t)(a->rows[q] - first) * row_bytes(a), row_bytes(a));
        if (a->metric == OMEN_METRIC_COSINE) {
            float square;
            omen_kernels_get()->dot_f32((const float *)(const void *)own, (const float *)(const void *)own, 1, a->dimensions, &square);
            a->norms[q] = __builtin_sqrtf(square);
        }
    }
}

static bool nearer(const omen_audit_near *x, const omen_audit_near *y) {
    uint32_t a = omen_distance_key(x->distance), b = omen_distance_key(y->distance);
    return a != b ? a < b : x->row < y->row;
}

static void offer(omen_audit *a, uint32_t q, omen_audit_near one) {
    omen_audit_near *near = a->near[q];
    uint32_t n = a->near_count[q];
    if (n == OMEN_AUDIT_K) {
        if (!nearer(&one, &near[n - 1])) return;
        n--;
    }
    uint32_t at = n;
    for (; at != 0 && nearer(&one, &near[at - 1]); at--) near[at] = near[at - 1];
    near[at] = one;
    a->near_count[q] = n + 1;
}

static uint32_t ones(uint32_t byte) {
    byte -= byte >> 1 & 0x55;
    byte = (byte & 0x33) + (byte >> 2 & 0x33);
    return (byte + (byte >> 4)) & 0x0F;
}

/* Compares one query with the run. Cosine: the run's rows are normalised by their dot product with themselves, which each query would compute anew; the
 * norms are at the end of the scratch. */
static void compare_one(void *arg, size_t q) {
    omen_audit *a = arg;
    float *d = a->scratch + q * OMEN_AUDIT_RUN;
    const omen_kernels *k = omen_kernels_get();
    const uint8_t *own = a->vectors + q * a->vector_bytes;
    const float *query = (const float *)(const void *)own, *rows = (const float *)(const void *)a->run;
    if (a->metric == OMEN_METRIC_HAMMING) {
        for (uint32_t r = 0; r < a->run_count; r++) {
            uint32_t bits = 0;
            for (size_t b = 0; b < row_bytes(a); b++) bits += ones(own[b] ^ a->run[r * row_bytes(a) + b]);
            d[r] = (float)bits;
        }
    } else if (a->metric == OMEN_METRIC_L2) {
        k->l2_f32(query, rows, a->run_count, a->dimensions, d);
    } else {
        k->dot_f32(query, rows, a->run_count, a->dimensions, d);
        for (uint32_t r = 0; r < a->run_count; r++) d[r] = 0.0f - d[r];
    }
}

static void compare_run(omen_audit *a) {
    float norms[OMEN_AUDIT_RUN];
    omen_parallel(a->mem->host, a->queries, compare_one, a);
    if (a->metric == OMEN_METRIC_COSINE) {
        const float *rows = (const float *)(const void *)a->run;
        for (uint32_t r = 0; r < a->run_count; r++) {
            const float *row = rows + (size_t)r * a->dimensions;
            omen_kernels_get()->dot_f32(row, row, 1, a->dimensions, &norms[r]);
            norms[r] = norms[r] > 0.0f ? 1.0f / __builtin_sqrtf(norms[r]) : 0.0f;
        }
    }
    for (uint32_t q = 0; q < a->queries; q++) {
        const float *d = a->scratch + (size_t)q * OMEN_AUDIT_RUN;
        for (uint32_t r = 0; r < a->run_count; r++) {
            float distance = a->metric == OMEN_METRIC_COSINE ? d[r] * norms[r] : d[r];
            if (a->near_count[q] == OMEN_AUDIT_K && !(distance <= a->near[q][OMEN_AUDIT_K - 1].distance)) continue;
            uint32_t row = a->run_first + r;
            if (omen_audit_query_of(a, row) != UINT32_MAX) continue; /* what is held back is not to be found */
            offer(a, q, (omen_audit_near){distance, row});
        }
    }
}

void omen_audit_compare(omen_audit *a, const void *vectors, uint32_t first, uint32_t count) {
    for (uint32_t at = 0; at < count; at += a->run_count) {
        a->run = (const uint8_t *)vectors + (size_t)at * row_bytes(a);
        a->run_first = first + at;
        a->run_count = OMEN_MIN(count - at, OMEN_AUDIT_RUN);
        compare_run(a);
    }
}

uint32_t omen_audit_find(const omen_audit *a, uint32_t q, uint32_t row) {
    for (uint32_t i = 0; i < a->near_count[q]; i++)
        if (a->near[q][i].row == row) return i;
    return OMEN_AUDIT_K;
}

uint32_t omen_audit_truths(const omen_audit *a) {
    uint32_t n = 0;
    for (uint32_t q = 0; q < a->queries; q++) n += a->near_count[q];
    return n;
}

uint32_t omen_audit_ladder(uint32_t n) { return (n % 2 == 0 ? 32u : 48u) << n / 2; }

void omen_audit_effort(const omen_index_point *points, uint32_t count, uint32_t k, float recall, uint32_t *effort, uint32_t *want) {
    /* A quarter of what may be missed is kept back: a sample this small is that far off. */
    uint32_t target = recall >= 1.0f ? 65536u : (uint32_t)((recall + (1.0f - recall) * 0.25f) * 65536.0f), at = 0;
    while (at + 1 < count && points[at].recall < target) at++;
    uint64_t e = count == 0 ? 64 : points[at].effort, w = count == 0 ? 40 : points[at].want;
    if (count != 0 && points[at].recall < target) e *= 2; /* beyond what was audited */
    if (at != 0 && points[at].recall > target && points[at].recall > points[at - 1].recall && points[at - 1].recall < target) {
        /* Between two points: in proportion. */
        uint64_t part = target - points[at - 1].recall, all = points[at].recall - points[at - 1].recall;
        e = points[at - 1].effort + (points[at].effort - points[at - 1].effort) * part / all + 1;
    }
    if (k > OMEN_AUDIT_K) w = w * k / OMEN_AUDIT_K;
    w = OMEN_MAX(w, k);
    *effort = (uint32_t)OMEN_MIN(e, 1000000u);
    *want = (uint32_t)OMEN_MIN(w, 1000000u);
}
