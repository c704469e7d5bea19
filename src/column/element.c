#include "column/element.h"

#include "kernel/kernel.h"

#define MIN_NORMAL 1.17549435e-38f
#define MAX_FLOAT 3.40282347e+38f

static uint16_t half_at(const uint8_t *p, size_t i) {
    uint16_t h;
    memcpy(&h, p + 2 * i, sizeof h);
    return h;
}

uint16_t omen_f16_narrow(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    u &= 0x7FFFFFFFu;
    if (u > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
    if (u >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65,520: half way from 65,504 to the next, which is even */
    if (u >= 0x38800000u) return (uint16_t)(sign | ((u - 0x38000000u + 0xFFFu + (u >> 13 & 1u)) >> 13));
    /* Below 2^-14 a binary16 is a multiple of 2^-24, which is the distance of floats from 0.5 to 1: adding 0.5 rounds to it. */
    memcpy(&f, &u, 4);
    f += 0.5f;
    memcpy(&u, &f, 4);
    return (uint16_t)(sign | (u - 0x3F000000u));
}

/* Ascending, each half read before its float is written: see what omen_element_give says of overlapping. */
static void widen_halves(const uint8_t *stored, size_t n, uint8_t *into) {
    for (size_t i = 0; i < n; i++) {
        float f = omen_f16_widen(half_at(stored, i));
        memcpy(into + 4 * i, &f, 4);
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
    bool finite = true;
    for (size_t i = 0; i < dimensions; i++) finite = finite && (half_at(stored, i) & 0x7C00u) != 0x7C00u;
    return finite;
}

/* What dot_f16 would give of the vector and itself widened, without the memory for widening it: lanes and tree as in kernel.h. */
static float square_of_halves(const uint8_t *v, uint32_t dimensions) {
    float lane[32] = {0};
    for (uint32_t i = 0; i < dimensions; i++) {
        float f = omen_f16_widen(half_at(v, i));
        lane[i % 32] += f * f;
    }
    for (uint32_t half = 16; half != 0; half /= 2)
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
