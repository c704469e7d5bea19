/* scalar.c - the specification of every kernel, in portable C. See kernel.h for the canonical order. */
#include "base/hash.h"
#include "kernel/kernel.h"

#define LANES 32u

/* The fixed tree: + 16, + 8, + 4, + 2, + 1. */
static float add_lanes(float lane[LANES]) {
    for (size_t width = LANES / 2; width != 0; width /= 2)
        for (size_t j = 0; j < width; j++) lane[j] += lane[j + width];
    return lane[0];
}

/* p[i], at any alignment. */
static float at(const float *p, size_t i) {
    float v;
    memcpy(&v, (const uint8_t *)p + i * sizeof v, sizeof v);
    return v;
}

static void dot(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        float lane[LANES] = {0};
        for (size_t i = 0; i < dim; i++) lane[i % LANES] += at(q, i) * at(rows, i);
        out[r] = add_lanes(lane);
    }
}

static void l2(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        float lane[LANES] = {0};
        for (size_t i = 0; i < dim; i++) {
            float d = at(q, i) - at(rows, i);
            lane[i % LANES] += d * d;
        }
        out[r] = add_lanes(lane);
    }
}

/* A float is finite if and only if its exponent is not all ones. */
static bool all_finite(const float *p, size_t n) {
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, (const uint8_t *)p + i * sizeof u, sizeof u);
        bad |= (u & 0x7F800000u) == 0x7F800000u;
    }
    return bad == 0;
}

const omen_kernels omen_kernels_scalar = {"scalar", dot, l2, all_finite, omen_crc32c_portable};
