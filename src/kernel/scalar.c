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

static const uint8_t *row_at(const uint8_t *rows, size_t stride, const uint32_t *ids, size_t i) { return rows + (ids == NULL ? i : ids[i]) * stride; }

void omen_portable_dot_u7i8(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = row_at(rows, stride, ids, i);
        int32_t sum = 0;
        for (size_t k = 0; k < len; k++) sum += q[k] * (int8_t)row[k];
        out[i] = sum;
    }
}

static uint32_t ones(uint64_t w) {
    w -= w >> 1 & UINT64_C(0x5555555555555555);
    w = (w & UINT64_C(0x3333333333333333)) + (w >> 2 & UINT64_C(0x3333333333333333));
    w = (w + (w >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (uint32_t)(w * UINT64_C(0x0101010101010101) >> 56);
}

void omen_portable_hamming(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = row_at(rows, stride, ids, i);
        uint32_t sum = 0;
        for (size_t k = 0; k < len; k += 8) sum += ones(omen_get64(q + k) ^ omen_get64(row + k));
        out[i] = sum;
    }
}

void omen_portable_dot_u4b1(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = row_at(rows, stride, ids, i);
        uint32_t sum = 0;
        for (size_t k = 0; k < len; k += 8)
            for (size_t p = 0; p < 4; p++) sum += ones(omen_get64(q + p * len + k) & omen_get64(row + k)) << p;
        out[i] = sum;
    }
}

void omen_portable_lut4(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out) {
    for (size_t b = 0; b < blocks; b++, out += 32, codes += m * 16) {
        for (size_t r = 0; r < 32; r++) {
            uint32_t sum = 0;
            for (size_t j = 0; j < m; j++) sum += lut[j * 16 + (codes[j * 16 + r % 16] >> (r < 16 ? 0 : 4) & 15)];
            out[r] = (uint16_t)sum;
        }
    }
}

static float half_at(const uint16_t *p, size_t i) {
    uint16_t h;
    memcpy(&h, (const uint8_t *)p + i * sizeof h, sizeof h);
    return omen_f16_widen(h);
}

void omen_portable_dot_f16(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        float lane[LANES] = {0};
        for (size_t i = 0; i < dim; i++) lane[i % LANES] += at(q, i) * half_at(rows, i);
        out[r] = add_lanes(lane);
    }
}

void omen_portable_l2_f16(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        float lane[LANES] = {0};
        for (size_t i = 0; i < dim; i++) {
            float d = at(q, i) - half_at(rows, i);
            lane[i % LANES] += d * d;
        }
        out[r] = add_lanes(lane);
    }
}

void omen_portable_dot_i8(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        int32_t sum = 0;
        for (size_t i = 0; i < dim; i++) sum += q[i] * rows[i];
        out[r] = sum;
    }
}

void omen_portable_l2_i8(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out) {
    for (size_t r = 0; r < count; r++, rows += dim) {
        uint32_t sum = 0;
        for (size_t i = 0; i < dim; i++) {
            int32_t d = q[i] - rows[i];
            sum += (uint32_t)(d * d);
        }
        out[r] = sum;
    }
}

const omen_kernels omen_kernels_scalar = {.name = "scalar",
                                          .dot_f32 = dot,
                                          .l2_f32 = l2,
                                          .finite_f32 = all_finite,
                                          .crc32c = omen_crc32c_portable,
                                          .dot_u7i8 = omen_portable_dot_u7i8,
                                          .hamming = omen_portable_hamming,
                                          .dot_u4b1 = omen_portable_dot_u4b1,
                                          .lut4 = omen_portable_lut4,
                                          .dot_f16 = omen_portable_dot_f16,
                                          .l2_f16 = omen_portable_l2_f16,
                                          .dot_i8 = omen_portable_dot_i8,
                                          .l2_i8 = omen_portable_l2_i8};
