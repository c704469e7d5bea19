/* Sums are exact, and rounded once. */
#include <math.h>

#include "column/facets_sum.h"
#include "test.h"

static double exact(int64_t v, int scale) { /* v / 2^scale, rounded once */
    double d = (double)v;
    for (; scale > 0; scale--) d /= 2;
    return d;
}

TEST(sums_are_exact_in_any_order) {
    for (int round = 0; round < 2000; round++) {
        omen_sum a = {0}, b = {0}, c = {0};
        double values[200];
        int64_t integers[200];
        int64_t due = 0; /* in units of 2^-20 */
        int n = 1 + (int)test_rand_below(200);
        for (int i = 0; i < n; i++) {
            int shift = (int)test_rand_below(11);
            int64_t v = (int64_t)(test_rand() >> (20 + test_rand_below(40))) * (test_rand_below(2) ? 1 : -1);
            double d = (double)v;
            for (int k = 0; k < 20 - shift; k++) d /= 2;
            values[i] = d;
            integers[i] = test_rand_below(3) ? (int64_t)test_rand_below(1000) - 500 : (int64_t)(test_rand() >> 31) - (INT64_C(1) << 32);
            due += v * (INT64_C(1) << shift) + integers[i] * (INT64_C(1) << 20);
        }
        for (int i = 0; i < n; i++) {
            omen_sum_f64(&a, values[i]);
            omen_sum_i64(&a, integers[i]);
            omen_sum_i64(i % 2 ? &b : &c, integers[n - 1 - i]);
            omen_sum_f64(i % 3 ? &b : &c, values[n - 1 - i]);
        }
        omen_sum_merge(&b, &c);
        double x = omen_sum_value(&a), y = omen_sum_value(&b), z = exact(due, 20);
        CHECK_MEM(&x, &y, sizeof x);
        CHECK_MEM(&x, &z, sizeof x);
        int64_t whole = 0;
        bool integer = due % (INT64_C(1) << 20) == 0;
        CHECK(omen_sum_integer(&a, &whole) == integer);
        if (integer) CHECK_EQ_INT(whole, due / (INT64_C(1) << 20));
    }
}

TEST(sums_at_the_edges) {
    static const struct { double values[6], due; } cases[] = {
        {{0}, 0}, {{5e-324}, 5e-324}, {{5e-324, -5e-324}, 0}, {{1e308, 1e308, -1e308}, 1e308}, {{1.7976931348623157e308, 1.7976931348623157e308}, HUGE_VAL}, {{-1.7976931348623157e308, -1e300, -1e308}, -HUGE_VAL},
        {{1, 1e100, 1, -1e100}, 2}, {{2.2250738585072011e-308, 5e-324}, 2.2250738585072014e-308}, {{9007199254740992.0, 1}, 9007199254740992.0}, {{9007199254740992.0, 1, 5e-324}, 9007199254740994.0},
        {{9007199254740994.0, 1}, 9007199254740996.0}, {{-9007199254740994.0, -1, 5e-324}, -9007199254740994.0}, {{1.7976931348623157e308, 9.9792015476735990e291}, HUGE_VAL}, {{1.7976931348623157e308, 9.97920154767359e291, -5e-324}, 1.7976931348623157e308},
        {{-0.0, -0.0}, 0},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        omen_sum s = {0};
        for (int k = 0; k < 6; k++) omen_sum_f64(&s, cases[i].values[k]);
        double got = omen_sum_value(&s);
        if (!CHECK_MEM(&got, &cases[i].due, sizeof got)) printf("    case %zu: %.17g\n", i, got);
    }
    omen_sum s = {0};
    int64_t v;
    omen_sum_i64(&s, INT64_MIN);
    CHECK(omen_sum_integer(&s, &v) && v == INT64_MIN && omen_sum_value(&s) == -0x1p63);
    omen_sum_i64(&s, -1);
    CHECK(!omen_sum_integer(&s, &v) && omen_sum_value(&s) == -0x1p63);
    omen_sum_i64(&s, INT64_MAX);
    CHECK(omen_sum_integer(&s, &v) && v == -2);
    omen_sum_f64(&s, 0.5);
    CHECK(!omen_sum_integer(&s, &v));
}

TEST_MAIN()
