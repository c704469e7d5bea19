/* The kernels of codes and of narrow elements: every set offered gives what the scalar one gives, and the scalar one what its contract says. */
#include "codes_check.h"

TEST(every_set_scores_codes_as_the_scalar_one) {
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        printf("     set %s\n", (*k)->name);
        check_set(*k);
    }
}

static int bit_of(const uint8_t *p, size_t i) { return p[i / 8] >> i % 8 & 1; }

/* Number by number, from the contract's words. */
TEST(the_scalar_set_counts_bits_and_planes) {
    uint8_t q[4 * 24], rows[5 * 24];
    const uint32_t ids[3] = {4, 0, 2};
    uint32_t apart[3], planes[3];
    fill_bits(q, sizeof q, 0);
    fill_bits(rows, sizeof rows, 0);
    omen_kernels_scalar.hamming(q, rows, 24, ids, 3, 24, apart);
    omen_kernels_scalar.dot_u4b1(q, rows, 24, ids, 3, 24, planes);
    for (size_t r = 0; r < 3; r++) {
        uint32_t differ = 0, sum = 0;
        for (size_t i = 0; i < 24 * 8; i++) {
            int b = bit_of(rows + ids[r] * 24, i), number = 0;
            for (size_t p = 0; p < 4; p++) number += bit_of(q + p * 24, i) << p;
            differ += bit_of(q, i) != b;
            sum += (uint32_t)(number * b);
        }
        CHECK_EQ_UINT(apart[r], differ);
        CHECK_EQ_UINT(planes[r], sum);
    }
}

TEST(the_scalar_set_reaches_the_ends_of_its_ranges) {
    static uint8_t q[131072], row[131072];
    static uint8_t lut[256 * 16], codes[256 * 16];
    int32_t dot;
    uint32_t l2;
    uint16_t sums[32];
    memset(q, 127, sizeof q);
    memset(row, 0x80, sizeof row);
    omen_kernels_scalar.dot_u7i8(q, row, sizeof row, NULL, 1, sizeof row, &dot);
    CHECK(dot == -127 * 128 * 131072);
    memset(q, 0x80, sizeof q);
    omen_kernels_scalar.dot_i8((const int8_t *)q, (const int8_t *)row, 1, OMEN_MAX_DIMENSIONS, &dot);
    CHECK(dot == 128 * 128 * (int32_t)OMEN_MAX_DIMENSIONS);
    memset(q, 127, sizeof q);
    omen_kernels_scalar.l2_i8((const int8_t *)q, (const int8_t *)row, 1, OMEN_MAX_DIMENSIONS, &l2);
    CHECK_EQ_UINT(l2, 255u * 255u * OMEN_MAX_DIMENSIONS);
    memset(lut, 255, sizeof lut);
    omen_kernels_scalar.lut4(lut, codes, 1, 256, sums);
    for (size_t i = 0; i < 32; i++) CHECK_EQ_UINT(sums[i], 65280);
}

TEST_MAIN()
