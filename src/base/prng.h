/* prng.h - numbers that look random and are the same everywhere: SplitMix64 (Steele, Lea and Flood 2014). For starts, signs and samples; never for secrets. */
#ifndef OMEN_BASE_PRNG_H
#define OMEN_BASE_PRNG_H

#include "base/base.h"

typedef struct omen_prng {
    uint64_t state; /* the seed; any will do */
} omen_prng;

static inline uint64_t omen_prng_next(omen_prng *p) {
    uint64_t z = p->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
/* A number below n (not 0), by multiplication (Lemire 2019): off from uniform by less than n / 2^32. */
static inline uint32_t omen_prng_below(omen_prng *p, uint32_t n) { return (uint32_t)((omen_prng_next(p) >> 32) * n >> 32); }
/* In [0, 1), a multiple of 2^-53. */
static inline double omen_prng_unit(omen_prng *p) { return (double)(omen_prng_next(p) >> 11) * 0x1p-53; }

#endif
