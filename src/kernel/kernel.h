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
 *
 * Codes. The integer kernels are exact: every set gives the same numbers because there is only one right answer. A call scores `count` rows:
 * row i lies at rows + (ids == NULL ? i : ids[i]) * stride. Sets prefetch what they are about to read (ids name rows all over the memory);
 * no alignment is required (64-byte aligned rows are fastest). count 0 is fine.
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

    /* out[i] = sum of q[k] * row[k], k < len; q: len values 0 to 127 (7 bits, so that no pairwise product saturates 16 bits in any instruction
     * set); rows: signed bytes; len a multiple of 64, at most 131,072. */
    void (*dot_u7i8)(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);
    /* out[i] = number of bits in which q and the row differ; len bytes, a multiple of 8. */
    void (*hamming)(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
    /* out[i] = sum over p < 4 of 2^p * popcount(q[p * len .. p * len + len) & row): the dot product of a vector of 4-bit numbers, given as bit
     * planes, lowest first, with a vector of bits. len bytes, a multiple of 8, at most 8,192. */
    void (*dot_u4b1)(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
    /* Table look-up over 4-bit codes (fast scan: André, Kermarrec and Le Scouarnec 2015). codes: blocks of 32 rows; a block holds for each of
     * m sub-quantisers 16 bytes, byte i being code of row i (low nibble) and of row i + 16 (high nibble). lut: m x 16 bytes. out[r] = sum over
     * j < m of lut[j][code of row r]; 32 x blocks numbers; m at most 256, so that the sum fits. */
    void (*lut4)(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out);

    /* As dot_f32 and l2_f32, rows being IEEE binary16 widened exactly. Infinity and NaN are allowed in rows as there. */
    void (*dot_f16)(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out);
    void (*l2_f16)(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out);
    /* Signed bytes, rows back to back; exact. dim at most OMEN_MAX_DIMENSIONS. */
    void (*dot_i8)(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out);
    void (*l2_i8)(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out);
} omen_kernels;

/* The set in use. The first call chooses: the best of what the platform offers (see omen_kernels_offer). */
const omen_kernels *omen_kernels_get(void);

/* Every set this build has and this processor runs, best first, the scalar one last. Defined by the platform:
 * native/kernel/offer.c, wasm/kernel/offer.c. The list ends with NULL. */
const omen_kernels *const *omen_kernels_offer(void);

extern const omen_kernels omen_kernels_scalar;

/* The portable kernels of codes, for sets that have no own. */
void omen_portable_dot_u7i8(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);
void omen_portable_hamming(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
void omen_portable_dot_u4b1(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
void omen_portable_lut4(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out);
void omen_portable_dot_f16(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out);
void omen_portable_l2_f16(const float *q, const uint16_t *rows, size_t count, size_t dim, float *out);
void omen_portable_dot_i8(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out);
void omen_portable_l2_i8(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out);
#define OMEN_PORTABLE_CODES \
    .dot_u7i8 = omen_portable_dot_u7i8, .hamming = omen_portable_hamming, .dot_u4b1 = omen_portable_dot_u4b1, .lut4 = omen_portable_lut4, \
    .dot_f16 = omen_portable_dot_f16, .l2_f16 = omen_portable_l2_f16, .dot_i8 = omen_portable_dot_i8, .l2_i8 = omen_portable_l2_i8

/* Sortable form of a distance: smaller distances give smaller keys, -0 equals +0, NaN comes last. */
static inline uint32_t omen_distance_key(float d) {
    uint32_t u;
    if (d != d) return UINT32_MAX;
    d += 0.0f; /* -0 becomes +0 */
    memcpy(&u, &d, 4);
    return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

/* The value of an IEEE binary16, exactly. */
static inline float omen_f16_widen(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7FFFu, u;
    float f;
    if (rest >= 0x7C00u) u = sign | 0x7F800000u | (rest & 0x3FFu) << 13;
    else if (rest >= 0x400u) u = sign | ((rest << 13) + 0x38000000u);
    else {
        f = (float)rest * 5.9604644775390625e-8f; /* 2^-24: a subnormal times a power of two is exact */
        memcpy(&u, &f, 4);
        u |= sign;
    }
    memcpy(&f, &u, 4);
    return f;
}

#endif
