/* The rotation: lengths and angles stay, every coordinate is spread over all, the way back leads back, and the bits are those of every machine. */
#include "quant_test.h"

#include "quant/rotation.h"

enum { MAX = 4096 };
static const uint32_t shapes[] = {1, 2, 3, 7, 63, 64, 65, 100, 128, 130, 192, 200, 255, 256, 384, 768, 784, 960, 1000, 1536, 3000, 4096};
static float x[MAX], other[MAX], y[MAX], z[MAX], back[MAX];

TEST(lengths_and_angles_stay) {
    begin();
    for (size_t s = 0; s < OMEN_ARRAY_LEN(shapes); s++) {
        omen_rotation r;
        uint32_t d = shapes[s];
        CHECK_STATUS(omen_rotation_init(&r, &mem, d, test_rand()), OMEN_OK);
        CHECK(r.padded % 64 == 0 && r.padded >= d && r.padded < d + 64 && r.power * 2 > r.padded);
        for (int repeat = 0; repeat < 10; repeat++) {
            for (uint32_t i = 0; i < d; i++) x[i] = test_rand_float() * 100, other[i] = test_rand_float();
            omen_rotation_turn(&r, x, y);
            omen_rotation_turn(&r, other, z);
            double xx = product(x, x, d), oo = product(other, other, d);
            CHECK(fabs(sqrt(product(y, y, r.padded) / xx) - 1) < 1e-5);
            CHECK(fabs(product(y, z, r.padded) - product(x, other, d)) < 1e-5 * sqrt(xx * oo));
            omen_rotation_back(&r, y, back);
            double worst = 0;
            for (uint32_t i = 0; i < d; i++) worst = fmax(worst, fabs((double)back[i] - x[i]));
            CHECK(worst < 1e-5 * sqrt(xx));
        }
        omen_rotation_deinit(&r);
    }
    end();
}

/* A vector that lies on one axis, or on few, must not show after it: no coordinate holds much more than its share. */
TEST(every_axis_is_spread) {
    begin();
    for (size_t s = 0; s < OMEN_ARRAY_LEN(shapes); s++) {
        omen_rotation r;
        uint32_t d = shapes[s];
        CHECK_STATUS(omen_rotation_init(&r, &mem, d, 5), OMEN_OK);
        double worst = 0, worst_half = 0;
        for (uint32_t axis = 0; axis < d; axis += 1 + d / 50) {
            memset(x, 0, sizeof x);
            x[axis] = 1;
            omen_rotation_turn(&r, x, y);
            for (uint32_t i = 0; i < r.padded; i++) worst = fmax(worst, fabs(y[i]) * sqrt(r.padded));
            worst_half = fmax(worst_half, fabs(product(y, y, r.padded / 2) - 0.5));
        }
        CHECK(worst < 6.0); /* deviations of a normal number */
        CHECK(worst_half < 0.45 * sqrt(64.0 / r.padded) + 0.1);
        omen_rotation_deinit(&r);
    }
    end();
}

TEST(the_matrix_is_orthogonal) {
    begin();
    static float rows[192][192];
    omen_rotation r;
    CHECK_STATUS(omen_rotation_init(&r, &mem, 192, 9), OMEN_OK);
    for (uint32_t axis = 0; axis < 192; axis++) {
        memset(x, 0, sizeof x);
        x[axis] = 1;
        omen_rotation_turn(&r, x, rows[axis]);
    }
    double worst = 0;
    for (uint32_t a = 0; a < 192; a++)
        for (uint32_t b = 0; b < 192; b++) worst = fmax(worst, fabs(product(rows[a], rows[b], 192) - (a == b)));
    CHECK(worst < 1e-6);
    omen_rotation_deinit(&r);
    end();
}

TEST(bits_are_those_of_every_machine) {
    begin();
    uint64_t hash = 0;
    for (size_t s = 0; s < OMEN_ARRAY_LEN(shapes); s++) {
        omen_rotation r;
        CHECK_STATUS(omen_rotation_init(&r, &mem, shapes[s], 77), OMEN_OK);
        uint32_t state = 1;
        for (uint32_t i = 0; i < shapes[s]; i++) x[i] = (float)((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f - 0.5f;
        omen_rotation_turn(&r, x, y);
        hash = omen_hash64(y, r.padded * sizeof *y, hash);
        omen_rotation_deinit(&r);
    }
    CHECK_EQ_UINT(hash, UINT64_C(0xa8e1eb03170ce7c3));
    end();
}

TEST(seeds_differ_and_memory_runs_out) {
    begin();
    omen_rotation a, b;
    CHECK_STATUS(omen_rotation_init(&a, &mem, 100, 1), OMEN_OK);
    CHECK_STATUS(omen_rotation_init(&b, &mem, 100, 2), OMEN_OK);
    for (uint32_t i = 0; i < 100; i++) x[i] = 1;
    omen_rotation_turn(&a, x, y);
    omen_rotation_turn(&b, x, z);
    CHECK(memcmp(y, z, a.padded * sizeof *y) != 0);
    omen_rotation_deinit(&a);
    omen_rotation_deinit(&b);
    omen_rotation_deinit(&b);
    mem.limit = 100;
    CHECK_STATUS(omen_rotation_init(&a, &mem, 100, 1), OMEN_ERR_MEMORY);
    omen_rotation_deinit(&a);
    end();
}

TEST_MAIN()
