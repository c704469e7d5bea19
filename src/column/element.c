#include "column/element.h"

#include "kernel/kernel.h"

#define MIN_NORMAL 1.17549435e-38f
#define MAX_FLOAT 3.40282347e+38f

/* Loops over halves go by groups of this constant length, without branches, which is what compilers turn into vector code. */
#define GROUP 32u

static inline uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static inline float of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* omen_f16_widen by choosing among three sums. */
static inline float widen(uint16_t h) {
    int32_t rest = h & 0x7FFF;
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, normal = ((uint32_t)rest << 13) + 0x38000000u, special = normal + 0x38000000u;
    uint32_t small = bits_of((float)rest * 5.9604644775390625e-8f); /* 2^-24 */
    return of_bits(sign | (rest >= 0x7C00 ? special : rest >= 0x400 ? normal : small));
}

static inline uint16_t narrow(float f) {
    uint32_t all = bits_of(f), u = all & 0x7FFFFFFFu;
    int32_t size = (int32_t)u; /* floats without a sign are in order of their bits */
    uint32_t normal = (u - 0x38000000u + 0xFFFu + (u >> 13 & 1u)) >> 13;
    /* Below 2^-14 a binary16 is a multiple of 2^-24, which is the distance of floats from 0.5 to 1: adding 0.5 rounds to it. */
    uint32_t small = bits_of(of_bits(u) + 0.5f) - 0x3F000000u;
    uint32_t rest = size >= 0x38800000 ? normal : small;
    rest = size >= 0x477FF000 ? 0x7C00u : rest; /* 65,520: half way from 65,504 to the next, which is even */
    rest = size > 0x7F800000 ? 0x7E00u : rest;
    return (uint16_t)(all >> 16 & 0x8000u) | (uint16_t)rest;
}

uint16_t omen_f16_narrow(float f) { return narrow(f); }

void omen_f16_narrow_all(const float *from, size_t n, uint16_t *into) {
    size_t i = 0;
    for (; n - i >= GROUP; i += GROUP) {
        float in[GROUP];
        uint16_t out[GROUP];
        memcpy(in, from + i, sizeof in);
        for (uint32_t j = 0; j < GROUP; j++) out[j] = narrow(in[j]);
        memcpy(into + i, out, sizeof out);
    }
    for (; i < n; i++) into[i] = narrow(from[i]);
}

/* A group of up to GROUP halves, zeros behind them. */
static inline void take_group(uint16_t *group, const uint8_t *stored, size_t n) {
    if (n < GROUP) memset(group, 0, GROUP * sizeof *group);
    memcpy(group, stored, OMEN_MIN(n, GROUP) * sizeof *group);
}

/* Ascending, each group read before its floats are written: see what omen_element_give says of overlapping. */
static void widen_halves(const uint8_t *stored, size_t n, uint8_t *into) {
    for (size_t i = 0; i < n; i += GROUP) {
        uint16_t group[GROUP];
        float wide[GROUP];
        take_group(group, stored + 2 * i, n - i);
        for (uint32_t j = 0; j < GROUP; j++) wide[j] = widen(group[j]);
        memcpy(into + 4 * i, wide, OMEN_MIN(n - i, GROUP) * sizeof *wide);
    }
}

void omen_element_give(uint32_t element, uint32_t dimensions, const void *stored, void *into) {
    if (element == OMEN_ELEMENT_F16) widen_halves(stored, dimensions, into);
    else if (stored != into) memcpy(into, stored, omen_element_bytes(element, dimensions));
}

void omen_element_widen(uint32_t element, uint32_t dimensions, const void *stored, size_t count, float *into) {
    size_t n = count * dimensions;
    OMEN_ASSERT(element != OMEN_ELEMENT_BIT);
    if (element == OMEN_ELEMENT_F16) {
        widen_halves(stored, n, (uint8_t *)into);
    } else if (element == OMEN_ELEMENT_I8) {
        for (size_t i = 0; i < n; i++) into[i] = ((const int8_t *)stored)[i];
    } else {
        memcpy(into, stored, n * sizeof *into);
    }
}

bool omen_element_finite(uint32_t element, const void *stored, size_t dimensions) {
    if (element == OMEN_ELEMENT_F32) return omen_kernels_get()->finite_f32(stored, dimensions);
    if (element != OMEN_ELEMENT_F16) return true;
    uint32_t bad = 0;
    for (size_t i = 0; i < dimensions; i += GROUP) {
        uint16_t group[GROUP];
        take_group(group, (const uint8_t *)stored + 2 * i, dimensions - i);
        for (uint32_t j = 0; j < GROUP; j++) bad |= (group[j] & 0x7C00u) == 0x7C00u;
    }
    return bad == 0;
}

/* What dot_f16 would give of the vector and itself widened, without the memory for widening it: lanes and tree as in kernel.h. */
static float square_of_halves(const uint8_t *v, uint32_t dimensions) {
    float lane[GROUP] = {0};
    _Static_assert(GROUP == 32, "the lanes of a canonical sum");
    for (uint32_t i = 0; i < dimensions; i += GROUP) {
        uint16_t group[GROUP];
        take_group(group, v + 2 * (size_t)i, dimensions - i);
        for (uint32_t j = 0; j < GROUP; j++) {
            float f = widen(group[j]);
            lane[j] += f * f;
        }
    }
    for (uint32_t half = GROUP / 2; half != 0; half /= 2)
        for (uint32_t j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

float omen_element_norm(uint32_t element, const void *stored, uint32_t dimensions) {
    float square;
    int32_t sum;
    OMEN_ASSERT(element != OMEN_ELEMENT_BIT);
    switch (element) {
        case OMEN_ELEMENT_F16: square = square_of_halves(stored, dimensions); break;
        case OMEN_ELEMENT_I8:
            omen_kernels_get()->dot_i8(stored, stored, 1, dimensions, &sum);
            square = (float)sum;
            break;
        default: omen_kernels_get()->dot_f32(stored, stored, 1, dimensions, &square);
    }
    if (!(square >= MIN_NORMAL) || square > MAX_FLOAT) return 0.0f;
    return __builtin_sqrtf(square);
}
