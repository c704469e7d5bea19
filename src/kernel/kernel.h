/* kernel/ - distance and checksum kernels: this header is their contract, *_scalar.c is their specification, and every
 * other set (native/kernel, wasm/kernel) gives the same bits.
 *
 * Canonical order of an f32 sum over i = 0..dim-1 of terms t(i):
 *   32 lanes start at +0.0f; lane i % 32 takes t(i), in order of i, by one IEEE add; each product (and for l2 each
 *   difference) is rounded by itself: no fused multiply-add, no reassociation. Then the lanes are added by one fixed
 *   tree: lane[j] += lane[j + 16] for j < 16, then + 8, + 4, + 2, + 1. The result is lane 0.
 *   A set may feed zero terms to the lanes of an incomplete last group: x + 0.0f leaves every lane that started at +0.0f
 *   as it is, and the products of the padding must be +0.0f or -0.0f.
 *   dim 0 gives +0.0f. Overflow gives infinity, never a trap; inf - inf gives a NaN whose sign and payload are not
 *   specified: callers compare through omen_distance_key.
 *
 * Shapes: q has dim floats; rows has count rows of dim floats each, without padding, row-major; out has count floats.
 * No alignment is required of q, rows and p, not even that of a float; 64-byte aligned data is fastest. out is an array of float. count 0 is fine. No function keeps state.
 */
#ifndef OMEN_KERNEL_KERNEL_H
#define OMEN_KERNEL_KERNEL_H

#include "base/base.h"

typedef struct omen_kernels {
    const char *name; /* "scalar", "avx2", "neon", "simd128", ... */
    /* out[r] = sum of q[i] * rows[r][i] */
    void (*dot_f32)(const float *q, const float *rows, size_t count, size_t dim, float *out);
    /* out[r] = sum of (q[i] - rows[r][i])^2 */
    void (*l2_f32)(const float *q, const float *rows, size_t count, size_t dim, float *out);
    /* true when none of n floats is NaN or infinite */
    bool (*finite_f32)(const float *p, size_t n);
    /* CRC32C as in base/hash.h */
    uint32_t (*crc32c)(uint32_t crc, const void *p, size_t len);
} omen_kernels;

/* The set in use. The first call chooses: the best of what the platform offers (see omen_kernels_offer). */
const omen_kernels *omen_kernels_get(void);

/* Every set this build has and this processor runs, best first, the scalar one last. Defined by the platform:
 * native/kernel/offer.c, wasm/kernel/offer.c. The list ends with NULL. */
const omen_kernels *const *omen_kernels_offer(void);

extern const omen_kernels omen_kernels_scalar;

/* Sortable form of a distance: smaller distances give smaller keys, -0 equals +0, NaN comes last. */
static inline uint32_t omen_distance_key(float d) {
    uint32_t u;
    if (d != d) return UINT32_MAX;
    d += 0.0f; /* -0 becomes +0 */
    memcpy(&u, &d, 4);
    return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

#endif
