/* Range kernels against the plain question, value by value: every width, all lengths around the words' edges, any alignment. */
#include "test.h"

#include "kernel/ranges.h"

static uint8_t room[8 * 300 + 16];
static uint64_t out[6];

static void expect(size_t n, bool (*in)(size_t i, const void *arg), const void *arg) {
    for (size_t i = 0; i < n; i++) CHECK_EQ_UINT(out[i / 64] >> i % 64 & 1, in(i, arg));
    if (n % 64 != 0) CHECK_EQ_UINT(out[n / 64] >> n % 64, 0);
    CHECK_EQ_UINT(out[(n + 63) / 64], UINT64_C(0x5555555555555555));
}

typedef struct uints { const uint8_t *p; uint32_t width; uint64_t lo, span; } uints;
static bool in_uints(size_t i, const void *arg) {
    const uints *u = arg;
    uint64_t v = 0;
    memcpy(&v, u->p + i * u->width, u->width);
    return v >= u->lo && v - u->lo <= u->span;
}

typedef struct floats { const uint8_t *p; double lo, hi; } floats;
static bool in_floats(size_t i, const void *arg) {
    const floats *f = arg;
    double v;
    memcpy(&v, f->p + 8 * i, 8);
    return v >= f->lo && v <= f->hi;
}

TEST(ranges_of_integers) {
    for (uint32_t width = 1; width <= 8; width *= 2)
        for (size_t n = 0; n <= 300; n += n < 140 ? 1 : 23) {
            uint64_t mask = width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1;
            uints u = {room + test_rand_below(9), width, test_rand() & mask, 0};
            u.span = test_rand_below(3) == 0 ? mask - u.lo : test_rand_below(3) == 0 ? 0 : (test_rand() & mask) % (mask - u.lo + 1 == 0 ? UINT64_MAX : mask - u.lo + 1);
            for (size_t i = 0; i < sizeof room; i++) room[i] = (uint8_t)test_rand();
            for (size_t i = 0; i < n; i += 3) { /* at the edges */
                uint64_t v = (u.lo + (test_rand_below(2) ? u.span : 0) + test_rand_below(3) - 1) & mask;
                memcpy((uint8_t *)(uintptr_t)u.p + i * width, &v, width);
            }
            memset(out, 0x55, sizeof out);
            omen_range_uint(u.p, width, n, u.lo, u.span, out);
            expect(n, in_uints, &u);
        }
}

TEST(ranges_of_floats) {
    static const double edges[] = {-1.0 / 0.0, -1e300, -1, -0.0, 0.0, 5e-324, 1, 1.0000000000000002, 1e300, 1.0 / 0.0};
    for (size_t n = 0; n <= 300; n += n < 140 ? 1 : 23) {
        floats f = {room + test_rand_below(9), edges[test_rand_below(10)], edges[test_rand_below(10)]};
        for (size_t i = 0; i < n; i++) memcpy((uint8_t *)(uintptr_t)f.p + 8 * i, &edges[test_rand_below(10)], 8);
        memset(out, 0x55, sizeof out);
        omen_range_f64(f.p, n, f.lo, f.hi, out);
        expect(n, in_floats, &f);
    }
}

TEST_MAIN()
