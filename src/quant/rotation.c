#include "quant/rotation.h"

#include "base/prng.h"

#define ROUNDS 4u
#define HALF_ROOT 0.70710678118654752f

omen_status omen_rotation_init(omen_rotation *r, omen_mem *m, uint32_t dimensions, uint64_t seed) {
    OMEN_ASSERT(dimensions != 0 && dimensions <= OMEN_MAX_DIMENSIONS);
    *r = (omen_rotation){.dimensions = dimensions, .padded = (uint32_t)omen_round_up(dimensions, 64), .power = 64};
    while (r->power * 2 <= r->padded) r->power *= 2;
    r->flips = omen_alloc(m, (size_t)ROUNDS * r->padded * sizeof *r->flips);
    if (r->flips == NULL) return OMEN_ERR_MEMORY;
    r->mem = m;
    omen_prng random = {seed};
    for (size_t i = 0; i < (size_t)ROUNDS * r->padded; i++) r->flips[i] = (uint32_t)(omen_prng_next(&random) >> 63) << 31;
    return OMEN_OK;
}

void omen_rotation_deinit(omen_rotation *r) {
    if (r->mem != NULL) omen_free(r->mem, r->flips, (size_t)ROUNDS * r->padded * sizeof *r->flips);
    *r = (omen_rotation){0};
}

static void flip(float *restrict x, const uint32_t *restrict flips, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], 4);
        u ^= flips[i];
        memcpy(&x[i], &u, 4);
    }
}

/* Sums and differences of two halves. */
static void butterfly(float *restrict a, float *restrict b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        float sum = a[i] + b[i], difference = a[i] - b[i];
        a[i] = sum;
        b[i] = difference;
    }
}

static void scale(float *x, uint32_t n, float by) {
    for (uint32_t i = 0; i < n; i++) x[i] *= by;
}

/* n: a power of two, 64 at least. Its own inverse. */
static void hadamard(float *x, uint32_t n) {
    for (uint32_t half = 1; half < n; half *= 2)
        for (uint32_t i = 0; i < n; i += 2 * half) butterfly(x + i, x + i + half, half);
    scale(x, n, 1.0f / __builtin_sqrtf((float)n));
}

/* Kac's walk across the two halves. Its own inverse. */
static void across(float *x, uint32_t n) {
    butterfly(x, x + n / 2, n / 2);
    scale(x, n, HALF_ROOT);
}

static float *block(const omen_rotation *r, float *x, uint32_t round) { return x + (round % 2 == 0 ? 0 : r->padded - r->power); }

/* After both blocks: what a walk in between moved out of the next block would stay a peak. */
static bool walks(const omen_rotation *r, uint32_t round) { return round % 2 == 1 && r->power != r->padded; }

void omen_rotation_turn(const omen_rotation *r, const float *x, float *y) {
    memcpy(y, x, r->dimensions * sizeof *y);
    memset(y + r->dimensions, 0, (r->padded - r->dimensions) * sizeof *y);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        flip(y, r->flips + (size_t)round * r->padded, r->padded);
        hadamard(block(r, y, round), r->power);
        if (walks(r, round)) across(y, r->padded);
    }
}

void omen_rotation_back(const omen_rotation *r, float *y, float *x) {
    for (uint32_t round = ROUNDS; round-- != 0;) {
        if (walks(r, round)) across(y, r->padded);
        hadamard(block(r, y, round), r->power);
        flip(y, r->flips + (size_t)round * r->padded, r->padded);
    }
    memcpy(x, y, r->dimensions * sizeof *x);
}
