/* Elements: rounding to binary16 at every boundary there is, norms in the canonical order, and the way back. */
#include "test.h"

#include "column/element.h"
#include "kernel/kernel.h"

static float of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* Between two neighbours: up to the middle goes down, beyond it up, and the middle itself to the even one. All 31,744 finite halves and infinity
 * are covered, and so, since rounding rises, is every float between them. */
TEST(halves_round_to_the_nearest_even) {
    for (uint32_t sign = 0; sign <= 0x8000u; sign += 0x8000u) {
        for (uint32_t h = 0; h < 0x7C00u; h++) {
            float low = omen_f16_widen((uint16_t)h), high = h + 1 == 0x7C00u ? 65536.0f : omen_f16_widen((uint16_t)(h + 1));
            float middle = low + (high - low) / 2; /* exact */
            uint32_t m = bits_of(middle) | sign << 16;
            bool good = omen_f16_narrow(of_bits(bits_of(low) | sign << 16)) == (sign | h);
            good = good && omen_f16_narrow(of_bits(m - 1)) == (sign | h);
            good = good && omen_f16_narrow(of_bits(m)) == (sign | (h + (h & 1u)));
            good = good && omen_f16_narrow(of_bits(m + 1)) == (sign | (h + 1));
            if (!CHECK(good)) return;
        }
    }
    CHECK_EQ_UINT(omen_f16_narrow(__builtin_inff()), 0x7C00u);
    CHECK_EQ_UINT(omen_f16_narrow(-__builtin_inff()), 0xFC00u);
    CHECK_EQ_UINT(omen_f16_narrow(3.4e38f), 0x7C00u);
    CHECK_EQ_UINT(omen_f16_narrow(of_bits(1)), 0);
    CHECK_EQ_UINT(omen_f16_narrow(of_bits(0x80000001u)), 0x8000u);
    for (uint32_t payload = 1; payload < 0x800000u; payload = payload * 2 + 1) {
        uint16_t h = omen_f16_narrow(of_bits(0x7F800000u | payload));
        CHECK((h & 0x7C00u) == 0x7C00u && (h & 0x3FFu) != 0);
    }
}

/* Columns are narrowed by groups: the same of every length, sign and kind of number. */
TEST(columns_are_narrowed_alike) {
    enum { N = 300 };
    float from[N] = {0};
    uint16_t into[N + 1];
    for (size_t n = 0; n <= N; n++) {
        bool good = true;
        for (size_t i = 0; i < n; i++) {
            from[i] = of_bits((uint32_t)test_rand());
            if (test_rand_below(2) == 0) from[i] = test_rand_float() * of_bits((uint32_t)(127 - 26 + test_rand_below(46)) << 23);
        }
        into[n] = 0x1234;
        omen_f16_narrow_all(from, n, into);
        for (size_t i = 0; i < n; i++) good = good && into[i] == omen_f16_narrow(from[i]);
        CHECK(good);
        CHECK_EQ_UINT(into[n], 0x1234);
    }
}

/* All 65,536, and each place in a group. */
TEST(halves_widen_as_the_kernels_do) {
    static uint16_t halves[65536 + 7];
    static float wide[65536 + 7];
    for (uint32_t shift = 0; shift < 7; shift++) {
        bool good = true;
        for (uint32_t h = 0; h < 65536; h++) halves[shift + h] = (uint16_t)h;
        omen_element_widen(OMEN_ELEMENT_F16, 65536, halves + shift, 1, wide + shift);
        for (uint32_t h = 0; h < 65536; h++) {
            float want = omen_f16_widen((uint16_t)h);
            good = good && (bits_of(wide[shift + h]) == bits_of(want) || (want != want && wide[shift + h] != wide[shift + h]));
        }
        CHECK(good);
    }
}

TEST(sizes) {
    static const struct { omen_element e; uint32_t dims; size_t stored, given; } cases[] = {
        {OMEN_ELEMENT_F32, 1, 4, 4},   {OMEN_ELEMENT_F16, 1, 2, 4}, {OMEN_ELEMENT_I8, 1, 1, 1}, {OMEN_ELEMENT_BIT, 8, 1, 1},
        {OMEN_ELEMENT_F32, 65535, 262140, 262140}, {OMEN_ELEMENT_F16, 65535, 131070, 262140}, {OMEN_ELEMENT_I8, 65535, 65535, 65535}, {OMEN_ELEMENT_BIT, 65528, 8191, 8191}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        CHECK_EQ_UINT(omen_element_bytes(cases[i].e, cases[i].dims), cases[i].stored);
        CHECK_EQ_UINT(omen_element_given_bytes(cases[i].e, cases[i].dims), cases[i].given);
    }
}

enum { MOST = 1000 };

TEST(norms_are_what_the_kernels_give) {
    static uint16_t halves[MOST];
    static int8_t bytes[MOST];
    static float wide[MOST];
    const omen_kernels *k = &omen_kernels_scalar;
    for (uint32_t dims = 1; dims < MOST; dims += 1 + (uint32_t)test_rand_below(40)) {
        float square;
        int64_t sum = 0;
        for (uint32_t d = 0; d < dims; d++) {
            halves[d] = omen_f16_narrow(test_rand_float() * 100.0f);
            wide[d] = omen_f16_widen(halves[d]);
            bytes[d] = (int8_t)(test_rand_below(256) - 128);
            sum += bytes[d] * bytes[d];
        }
        bytes[0] = (int8_t)(bytes[0] == 0 ? (sum++, 1) : bytes[0]);
        k->dot_f16(wide, halves, 1, dims, &square);
        CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F16, halves, dims), __builtin_sqrtf(square));
        CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F32, wide, dims), __builtin_sqrtf(square));
        CHECK_BITS(omen_element_norm(OMEN_ELEMENT_I8, bytes, dims), __builtin_sqrtf((float)sum));
    }
}

TEST(what_has_no_direction_has_no_norm) {
    static const float zero[3] = {0, -0.0f, 0}, tiny[3] = {1e-20f, 0, 0}, large[3] = {1e20f, 0, 0};
    static const int8_t none[3] = {0, 0, 0};
    const uint16_t halves[3] = {0, 0x8000u, 0}, smallest[3] = {0, 0, 1};
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F32, zero, 3), 0.0f);
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F32, tiny, 3), 0.0f);
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F32, large, 3), 0.0f);
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_I8, none, 3), 0.0f);
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F16, halves, 3), 0.0f);
    CHECK_BITS(omen_element_norm(OMEN_ELEMENT_F16, smallest, 3), omen_f16_widen(1));
}

TEST(giving_back_and_widening) {
    static uint16_t halves[MOST];
    static int8_t bytes[MOST];
    static float apart[MOST], widened[MOST];
    static uint8_t same[MOST * 4];
    for (uint32_t dims = 1; dims < MOST; dims += 1 + (uint32_t)test_rand_below(100)) {
        for (uint32_t d = 0; d < dims; d++) {
            halves[d] = (uint16_t)test_rand_below(0x7C00u) | (uint16_t)(test_rand_below(2) << 15);
            bytes[d] = (int8_t)(test_rand_below(256) - 128);
        }
        omen_element_give(OMEN_ELEMENT_F16, dims, halves, apart);
        memcpy(same + 2 * dims, halves, 2 * dims);
        omen_element_give(OMEN_ELEMENT_F16, dims, same + 2 * dims, same);
        CHECK_MEM(same, apart, 4 * dims);
        omen_element_widen(OMEN_ELEMENT_F16, dims, halves, 1, widened);
        CHECK_MEM(widened, apart, 4 * dims);
        bool good = true;
        for (uint32_t d = 0; d < dims; d++) good = good && bits_of(apart[d]) == bits_of(omen_f16_widen(halves[d]));
        CHECK(good);
        omen_element_give(OMEN_ELEMENT_I8, dims, bytes, same);
        CHECK_MEM(same, bytes, dims);
        omen_element_give(OMEN_ELEMENT_I8, dims, same, same);
        CHECK_MEM(same, bytes, dims);
        omen_element_widen(OMEN_ELEMENT_I8, dims, bytes, 1, widened);
        for (uint32_t d = 0; d < dims; d++) good = good && widened[d] == (float)bytes[d];
        CHECK(good);
    }
}

TEST(what_is_finite) {
    float floats[70] = {0};
    uint16_t halves[70] = {0};
    const uint8_t any[9] = {0xFF, 0x7C, 0xFF, 0xFF, 0, 1, 2, 3, 4};
    CHECK(omen_element_finite(OMEN_ELEMENT_I8, any, 9));
    CHECK(omen_element_finite(OMEN_ELEMENT_BIT, any, 72));
    for (size_t d = 0; d < 70; d++) {
        CHECK(omen_element_finite(OMEN_ELEMENT_F32, floats, 70));
        CHECK(omen_element_finite(OMEN_ELEMENT_F16, halves, 70));
        floats[d] = d % 2 == 0 ? __builtin_inff() : __builtin_nanf("");
        halves[d] = d % 2 == 0 ? 0xFC00u : 0x7E00u;
        CHECK(!omen_element_finite(OMEN_ELEMENT_F32, floats, 70));
        CHECK(!omen_element_finite(OMEN_ELEMENT_F16, halves, 70));
        floats[d] = 1.0f;
        halves[d] = 0x7BFFu; /* 65,504 */
    }
}

TEST_MAIN()
