#include "query/rank.h"

#include "column/element.h"
#include "kernel/kernel.h"
#include "query/recommend.h"

omen_ranker omen_ranker_of(omen_metric metric, omen_element element, uint32_t dimensions, const void *query) {
    omen_ranker r = {metric, element, dimensions, query, 1.0f, NULL};
    /* A query for F16 is floats. */
    if (metric == OMEN_METRIC_COSINE) r.query_norm = omen_element_norm(element == OMEN_ELEMENT_F16 ? OMEN_ELEMENT_F32 : element, query, dimensions);
    return r;
}

/* The kernels write integers where the floats will lie: each is read before its float is written. */
static void signed_to_float(float *out, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        int32_t n;
        memcpy(&n, out + i, sizeof n);
        out[i] = (float)n;
    }
}

static void unsigned_to_float(float *out, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t n;
        memcpy(&n, out + i, sizeof n);
        out[i] = (float)n;
    }
}

static void squared_distances(const omen_ranker *r, const void *rows, uint32_t count, float *out) {
    const omen_kernels *k = omen_kernels_get();
    switch (r->element) {
        case OMEN_ELEMENT_F16: k->l2_f16(r->query, rows, count, r->dimensions, out); break;
        case OMEN_ELEMENT_I8:
            k->l2_i8(r->query, rows, count, r->dimensions, (uint32_t *)(void *)out);
            unsigned_to_float(out, count);
            break;
        default: k->l2_f32(r->query, rows, count, r->dimensions, out);
    }
}

static void dots(const omen_ranker *r, const void *rows, uint32_t count, float *out) {
    const omen_kernels *k = omen_kernels_get();
    switch (r->element) {
        case OMEN_ELEMENT_F16: k->dot_f16(r->query, rows, count, r->dimensions, out); break;
        case OMEN_ELEMENT_I8:
            k->dot_i8(r->query, rows, count, r->dimensions, (int32_t *)(void *)out);
            signed_to_float(out, count);
            break;
        default: k->dot_f32(r->query, rows, count, r->dimensions, out);
    }
}

/* The kernel takes whole groups of 8 bytes; what is left of a row is counted here. */
static void differing_bits(const omen_ranker *r, const uint8_t *rows, uint32_t count, float *out) {
    size_t bytes = r->dimensions / 8, whole = bytes / 8 * 8;
    const uint8_t *q = r->query;
    if (whole != 0) omen_kernels_get()->hamming(q, rows, bytes, NULL, count, whole, (uint32_t *)(void *)out);
    for (uint32_t i = 0; i < count; i++, rows += bytes) {
        uint32_t n = 0;
        uint64_t rest = 0;
        if (whole != 0) memcpy(&n, out + i, sizeof n);
        for (size_t b = whole; b < bytes; b++) rest = rest << 8 | (uint64_t)(q[b] ^ rows[b]);
        out[i] = (float)(n + (uint32_t)__builtin_popcountll(rest));
    }
}

void omen_rank_rows(const omen_ranker *r, const void *rows, const float *norms, uint32_t count, float *out) {
    if (r->best != NULL) {
        omen_recommend_rows(r->best, rows, norms, count, out);
        return;
    }
    switch (r->metric) {
        case OMEN_METRIC_L2: squared_distances(r, rows, count, out); return;
        case OMEN_METRIC_HAMMING: differing_bits(r, rows, count, out); return;
        case OMEN_METRIC_IP:
            dots(r, rows, count, out);
            for (uint32_t i = 0; i < count; i++) out[i] = 0.0f - out[i];
            return;
        case OMEN_METRIC_COSINE:
            dots(r, rows, count, out);
            for (uint32_t i = 0; i < count; i++) {
                float c = 1.0f - out[i] / (r->query_norm * norms[i]);
                out[i] = c < 0.0f ? 0.0f : c > 2.0f ? 2.0f : c; /* rounding may step outside */
            }
    }
}

float omen_distance_of(const omen_ranker *r, float rank_value) { return r->metric == OMEN_METRIC_L2 ? __builtin_sqrtf(rank_value) : rank_value; }

float omen_score_of(const omen_ranker *r, float distance) {
    switch (r->metric) {
        case OMEN_METRIC_L2: return 1.0f / (1.0f + distance);
        case OMEN_METRIC_COSINE: return 1.0f - distance;
        case OMEN_METRIC_HAMMING: return 1.0f - distance / (float)r->dimensions;
        default: return 0.0f - distance; /* and never -0 */
    }
}
