/* math.h - trigonometry with the same bits on every host: only additions, multiplications, divisions and square roots of IEEE 754 doubles, in a fixed order
 * (the build forbids fused operations), never the host's libm. Power series (Taylor, Maclaurin), with the argument first brought near zero. */
#ifndef OMEN_BASE_MATH_H
#define OMEN_BASE_MATH_H

#include "base/base.h"

#define OMEN_PI 3.14159265358979323846

/* Radians, |x| <= 2^20; within 1.5 units in the last place of the larger of the result and 2^-53. NaN beyond that range. */
double omen_sin(double x);
double omen_cos(double x);
/* |x| <= 1 to radians in [-pi/2, pi/2], within 4 units in the last place; NaN beyond. */
double omen_asin(double x);

#endif
