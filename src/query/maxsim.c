#include "query/maxsim.h"

#include "column/element.h"
#include "kernel/kernel.h"

/* Bytes of vectors that are compared with all of the query's before the next come, so that they stay in the nearest cache. */
#define BLOCK_BYTES 16384u
#define BLOCK 64u /* vectors, at most */
#define HIGHEST 0x1.fffffep+127

omen_status omen_maxsim_init(omen_maxsim *x, omen_mem *m, omen_element element, uint32_t dimensions, const float *queries, uint32_t count, omen_error *err) {
    OMEN_ASSERT(count >= 1 && count <= OMEN_MAXSIM_QUERIES && (element == OMEN_ELEMENT_F32 || element == OMEN_ELEMENT_F16));
    *x = (omen_maxsim){.mem = m, .element = element, .dimensions = dimensions, .count = count, .queries = queries};
    x->best = omen_alloc(m, count * sizeof *x->best);
    if (x->best == NULL) {
        *x = (omen_maxsim){0};
        return omen_fail(err, OMEN_ERR_MEMORY, "no memory for a query of %u vectors", count);
    }
    omen_maxsim_begin(x);
    return OMEN_OK;
}

void omen_maxsim_deinit(omen_maxsim *x) {
    if (x->mem == NULL) return;
    omen_free(x->mem, x->best, x->count * sizeof *x->best);
    *x = (omen_maxsim){0};
}

void omen_maxsim_begin(omen_maxsim *x) {
    x->rows = 0;
    for (uint32_t q = 0; q < x->count; q++) x->best[q] = -__builtin_inff();
}

void omen_maxsim_rows(omen_maxsim *x, const void *rows, uint32_t count) {
    const omen_kernels *k = omen_kernels_get();
    float dots[BLOCK];
    size_t bytes = omen_element_bytes(x->element, x->dimensions);
    uint32_t block = (uint32_t)OMEN_MIN(OMEN_MAX(BLOCK_BYTES / bytes, 1u), BLOCK);
    for (uint32_t from = 0; from < count; from += block) {
        uint32_t n = OMEN_MIN(block, count - from);
        const void *at = (const uint8_t *)rows + from * bytes;
        for (uint32_t q = 0; q < x->count; q++) {
            const float *query = x->queries + (size_t)q * x->dimensions;
            if (x->element == OMEN_ELEMENT_F16) k->dot_f16(query, at, n, x->dimensions, dots);
            else k->dot_f32(query, at, n, x->dimensions, dots);
            float best = x->best[q];
            for (uint32_t i = 0; i < n; i++) best = dots[i] > best ? dots[i] : best; /* a NaN, of an overflow, is never the greatest */
            x->best[q] = best;
        }
    }
    x->rows += count;
}

bool omen_maxsim_score(const omen_maxsim *x, float *score) {
    double sum = 0;
    if (x->rows == 0) return false;
    for (uint32_t q = 0; q < x->count; q++) sum += OMEN_MAX(OMEN_MIN((double)x->best[q], HIGHEST), -HIGHEST);
    *score = sum > HIGHEST ? (float)HIGHEST : sum < -HIGHEST ? (float)-HIGHEST : (float)sum;
    return true;
}
