/* directions.h - the leading directions of a sample: an orthonormal basis of the subspace in which it varies most (principal components), turned by a
 * random rotation inside it so that every direction carries about the same variance, which is what one scale for all codes wants. */
#ifndef OMEN_QUANT_DIRECTIONS_H
#define OMEN_QUANT_DIRECTIONS_H

#include "base/mem.h"

/* sample: count x dimensions floats, centred, row-major. Finds at most `most` directions (below dimensions). *kept[i] is the share of the variance, 0 to 1, that
 * the first i + 1 principal directions hold; both arrays are the caller's: directions most x dimensions, kept most.
 *
 * Block power iteration on the covariance matrix with modified Gram-Schmidt (Stewart 1969), a fixed number of rounds from a fixed start, every sum in the
 * canonical order of kernel.h: the same bits on every machine. Cost: dimensions^2 (count / 2 + 8 most) multiply-adds. OMEN_ERR_MEMORY. */
omen_status omen_directions_find(omen_mem *m, const float *sample, uint32_t count, uint32_t dimensions, uint32_t most, float *directions,
                                 float *kept, omen_error *err);
/* Turns the first `count` directions by a random rotation among themselves (fixed seed). OMEN_ERR_MEMORY. */
omen_status omen_directions_mix(omen_mem *m, float *directions, uint32_t count, uint32_t dimensions, omen_error *err);

#endif
