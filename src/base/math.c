#include "base/math.h"

static double not_a_number(void) { return __builtin_nan(""); }

/* pi/2 as a sum of three: the first two have 33 bits, so that products with whole numbers below 2^20 are exact (Cody and Waite 1980). */
#define HALF_PI_1 0x1.921fb544p+0
#define HALF_PI_2 0x1.0b4611a6p-34
#define HALF_PI_3 0x1.3198a2e037073p-69

/* x less the nearest multiple of pi/2, as a sum of two; *quarter: which multiple. */
static double reduce(double x, int *quarter, double *rest) {
    int n = (int)(x * (2.0 / OMEN_PI) + (x < 0.0 ? -0.5 : 0.5));
    double by = n, high = x - by * HALF_PI_1, middle = by * HALF_PI_2, r = high - middle;
    double lost = (high - r) - middle; /* what the subtraction rounded off (Dekker 1971; |high| >= |middle| or the loss is none) */
    double low = by * HALF_PI_3 - lost;
    double sum = r - low;
    *rest = (r - sum) - low;
    *quarter = n & 3;
    return sum;
}

/* |x + rest| <= pi/4 and a little. The first term left out is below 2^-60 of the result. */
static double sin_near(double x, double rest) {
    double s = x * x;
    double p = 1.0 / 355687428096000.0;
    p = p * s - 1.0 / 1307674368000.0;
    p = p * s + 1.0 / 6227020800.0;
    p = p * s - 1.0 / 39916800.0;
    p = p * s + 1.0 / 362880.0;
    p = p * s - 1.0 / 5040.0;
    p = p * s + 1.0 / 120.0;
    p = p * s - 1.0 / 6.0;
    return x + (x * s * p + rest * (1.0 - 0.5 * s));
}

static double cos_near(double x, double rest) {
    double s = x * x;
    double p = 1.0 / 6402373705728000.0;
    p = 1.0 / 20922789888000.0 - p * s;
    p = p * s - 1.0 / 87178291200.0;
    p = p * s + 1.0 / 479001600.0;
    p = p * s - 1.0 / 3628800.0;
    p = p * s + 1.0 / 40320.0;
    p = p * s - 1.0 / 720.0;
    p = p * s + 1.0 / 24.0;
    double half = 0.5 * s, head = 1.0 - half; /* 1 - x^2/2, and what rounding took from it */
    return head + (((1.0 - head) - half) + (s * s * p - x * rest));
}

static double turned(double x, int by) {
    if (!(x >= -1048576.0 && x <= 1048576.0)) return not_a_number();
    double rest;
    int quarter;
    double r = reduce(x, &quarter, &rest);
    quarter += by;
    double v = (quarter & 1) != 0 ? cos_near(r, rest) : sin_near(r, rest);
    return (quarter & 2) != 0 ? -v : v;
}

double omen_sin(double x) { return turned(x, 0); }
double omen_cos(double x) { return turned(x, 1); }

/* |x| <= 1/2: terms shrink by more than 4 each. */
static double asin_near(double x) {
    double s = x * x, term = x, sum = 0.0;
    for (int k = 1; k <= 26; k++) {
        double odd = 2 * k - 1;
        term = term * s * odd / (2 * k);
        sum += term / (2 * k + 1);
    }
    return x + sum;
}

double omen_asin(double x) {
    double a = x < 0.0 ? -x : x;
    if (!(a <= 1.0)) return not_a_number();
    if (a <= 0.5) return asin_near(x);
    /* asin a = pi/2 - 2 asin sqrt((1 - a) / 2) */
    double v = OMEN_PI / 2.0 - 2.0 * asin_near(__builtin_sqrt((1.0 - a) * 0.5));
    return x < 0.0 ? -v : v;
}
