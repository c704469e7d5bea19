#include "quant/directions.h"

#include "base/parallel.h"
#include "kernel/kernel.h"

#define ROUNDS 8u

/* splitmix64 (Steele, Lea and Flood 2014): good enough for a start of which any will do. Uniform in [-1, 1). */
static float noise(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (float)((int32_t)(z >> 40) - (1 << 23)) * 1.1920928955078125e-7f; /* 2^-23 */
}

static void scale_row(float *row, uint32_t n, float by) {
    for (uint32_t i = 0; i < n; i++) row[i] *= by;
}

static void subtract(float *row, const float *other, uint32_t n, float times) {
    for (uint32_t i = 0; i < n; i++) row[i] -= times * other[i];
}

/* Makes rows orthonormal, in order (modified Gram-Schmidt). A row that depends on those before it becomes zero. */
static void orthonormalise(float *rows, uint32_t count, uint32_t n) {
    const omen_kernels *k = omen_kernels_get();
    for (uint32_t j = 0; j < count; j++) {
        float *row = rows + (size_t)j * n, before, square;
        k->dot_f32(row, row, 1, n, &before);
        for (uint32_t i = 0; i < j; i++) {
            float along;
            k->dot_f32(row, rows + (size_t)i * n, 1, n, &along);
            subtract(row, rows + (size_t)i * n, n, along);
        }
        k->dot_f32(row, row, 1, n, &square);
        bool lost = !(square > before * 1e-9f) || !(square > 1e-30f);
        scale_row(row, n, lost ? 0.0f : 1.0f / __builtin_sqrtf(square));
    }
}

/* Row j of the product of two matrices given by rows, the second symmetric. */
typedef struct product {
    const float *rows, *symmetric;
    float *out;
    uint32_t n;
} product;

static void product_row(void *arg, size_t j) {
    const product *p = arg;
    omen_kernels_get()->dot_f32(p->rows + j * p->n, p->symmetric, p->n, p->n, p->out + j * p->n);
}

typedef struct covariance {
    const float *columns; /* n x count */
    float *out;
    uint32_t n, count;
} covariance;

static void covariance_row(void *arg, size_t i) {
    const covariance *c = arg;
    omen_kernels_get()->dot_f32(c->columns + i * c->count, c->columns + i * c->count, c->n - i, c->count, c->out + i * c->n + i);
}

static omen_status covariance_of(omen_mem *m, const float *sample, uint32_t count, uint32_t n, float *out, omen_error *err) {
    float *columns = omen_alloc(m, (size_t)n * count * sizeof *columns);
    if (columns == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser");
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t i = 0; i < n; i++) columns[(size_t)i * count + r] = sample[(size_t)r * n + i];
    covariance c = {columns, out, n, count};
    omen_parallel(m->host, n, covariance_row, &c);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < i; j++) out[(size_t)i * n + j] = out[(size_t)j * n + i];
    omen_free(m, columns, (size_t)n * count * sizeof *columns);
    return OMEN_OK;
}

omen_status omen_directions_find(omen_mem *m, const float *sample, uint32_t count, uint32_t dimensions, uint32_t most, float *directions,
                                 float *kept, omen_error *err) {
    uint32_t n = dimensions;
    size_t square_bytes = (size_t)n * n * sizeof(float), rows_bytes = (size_t)most * n * sizeof(float);
    float *c = omen_alloc(m, square_bytes), *next = omen_alloc(m, rows_bytes);
    omen_status s = c == NULL || next == NULL ? omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser") : covariance_of(m, sample, count, n, c, err);
    if (s == OMEN_OK) {
        uint64_t state = 1;
        for (size_t i = 0; i < (size_t)most * n; i++) directions[i] = noise(&state);
        orthonormalise(directions, most, n);
        product p = {directions, c, next, n};
        for (uint32_t round = 0; round < ROUNDS; round++) {
            omen_parallel(m->host, most, product_row, &p);
            memcpy(directions, next, rows_bytes);
            orthonormalise(directions, most, n);
        }
        omen_parallel(m->host, most, product_row, &p);
        double total = 0.0, sum = 0.0;
        for (uint32_t i = 0; i < n; i++) total += c[(size_t)i * n + i];
        for (uint32_t j = 0; j < most; j++) {
            float variance;
            omen_kernels_get()->dot_f32(directions + (size_t)j * n, next + (size_t)j * n, 1, n, &variance);
            sum += variance > 0.0f ? variance : 0.0f;
            kept[j] = total > 0.0 ? (float)(sum / total) : 1.0f;
        }
    }
    omen_free(m, c, square_bytes);
    omen_free(m, next, rows_bytes);
    return s;
}

omen_status omen_directions_mix(omen_mem *m, float *directions, uint32_t count, uint32_t dimensions, omen_error *err) {
    size_t turn_bytes = (size_t)count * count * sizeof(float), bytes = (size_t)count * dimensions * sizeof(float);
    float *turn = omen_alloc(m, turn_bytes), *out = omen_alloc_zero(m, bytes);
    omen_status s = OMEN_OK;
    if (turn == NULL || out == NULL) {
        s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory training a quantiser");
    } else {
        uint64_t state = 2;
        for (size_t i = 0; i < (size_t)count * count; i++) turn[i] = noise(&state) + noise(&state) + noise(&state);
        orthonormalise(turn, count, count);
        for (uint32_t j = 0; j < count; j++)
            for (uint32_t i = 0; i < count; i++) subtract(out + (size_t)j * dimensions, directions + (size_t)i * dimensions, dimensions, 0.0f - turn[(size_t)j * count + i]);
        memcpy(directions, out, bytes);
    }
    omen_free(m, turn, turn_bytes);
    omen_free(m, out, bytes);
    return s;
}
