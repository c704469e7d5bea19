/* ranges.h - which values of an array lie in a range, as bits. Exact: every form gives the same bits.
 *
 * values: n numbers without padding, at any alignment. Bit i of out is set when value i lies in the range; out has (n + 63) / 64 words, whose
 * bits behind n are 0. n 0 is fine. */
#ifndef OMEN_KERNEL_RANGES_H
#define OMEN_KERNEL_RANGES_H

#include "base/base.h"

/* width bytes each: 1, 2, 4 or 8. lo <= value <= lo + span, by unsigned numbers of that width; span and lo fit the width, lo + span too. */
void omen_range_uint(const void *values, uint32_t width, size_t n, uint64_t lo, uint64_t span, uint64_t *out);
/* lo <= value <= hi; the values are no NaN. */
void omen_range_f64(const void *values, size_t n, double lo, double hi, uint64_t *out);

#endif
