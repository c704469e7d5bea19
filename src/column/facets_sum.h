/* facets_sum.h - exact sums of numbers: the same whatever the order of adding, and rounded once.
 *
 * A fixed-point number wide enough for every double and 2^63 of them (Kulisch's accumulator; as an array of small limbs with delayed carries: Neal,
 * "Fast exact summation using small and large superaccumulators", 2015). */
#ifndef OMEN_COLUMN_FACETS_SUM_H
#define OMEN_COLUMN_FACETS_SUM_H

#include "base/base.h"

#define OMEN_SUM_LIMBS 70u
#define OMEN_SUM_ONE 34u /* the limb whose lowest bit is 1 */

/* Zero-initialise. */
typedef struct omen_sum {
    int64_t limbs[OMEN_SUM_LIMBS]; /* of 32 bits each, lowest first, with carries that are not carried yet */
    uint32_t adds, zero;           /* since they were */
} omen_sum;

void omen_sum_f64(omen_sum *s, double d); /* finite */
void omen_sum_i64(omen_sum *s, int64_t i);
void omen_sum_merge(omen_sum *s, const omen_sum *other);
/* The nearest double, ties to even; infinite when it is beyond them. */
double omen_sum_value(const omen_sum *s);
/* false: it is no integer, or none of int64. */
bool omen_sum_integer(const omen_sum *s, int64_t *out);

#endif
