/* rotation.h - a random rotation in O(d log d): what it turns has its energy spread evenly over all coordinates, whichever it lay on before.
 *
 * Vectors are padded by zeros to `padded`, a multiple of 64. Four rounds follow: the signs of random coordinates are flipped, and a Walsh-Hadamard transform
 * (Ailon and Chazelle 2006) mixes a block of `power` coordinates, the greatest power of two there is room for. Where that is not all, blocks at the beginning
 * and at the end take turns, and after each pair follows a step of Kac's walk: coordinates i and i + padded / 2 become their sum and difference over sqrt(2).
 * Every operation is one IEEE addition, subtraction or multiplication of floats in a fixed order: the same bits on every machine.
 */
#ifndef OMEN_QUANT_ROTATION_H
#define OMEN_QUANT_ROTATION_H

#include "base/mem.h"

typedef struct omen_rotation {
    omen_mem *mem;
    uint32_t dimensions, padded, power;
    uint32_t *flips; /* rounds x padded: the sign bit, or 0 */
} omen_rotation;

/* dimensions: 1 to OMEN_MAX_DIMENSIONS; OMEN_ERR_MEMORY. Threads may share a rotation. */
omen_status omen_rotation_init(omen_rotation *r, omen_mem *m, uint32_t dimensions, uint64_t seed);
void omen_rotation_deinit(omen_rotation *r); /* one that is all zero is fine */
/* x: dimensions floats; y: padded floats, which do not overlap x. Norms and products stay as they are but for rounding (1e-6 of them). */
void omen_rotation_turn(const omen_rotation *r, const float *x, float *y);
/* Turns y back; y is used up. */
void omen_rotation_back(const omen_rotation *r, float *y, float *x);

#endif
