/* codes_check.h - a kernel set's codes and narrow elements against the scalar set, bit for bit. Every buffer is as long as its contents, so that the
 * address sanitizer sees a read beyond them. */
#ifndef OMEN_CODES_CHECK_H
#define OMEN_CODES_CHECK_H

#include "test.h"

#include <stdlib.h>

#include "kernel/kernel.h"

enum { CANARY = 0x5A5A5A5A, MOST_IDS = 67 };

/* Bytes that start `off` after an aligned address and end where the allocation does. */
typedef struct room {
    uint8_t *base, *at;
} room;

static room room_of(size_t n, size_t off) {
    room r = {malloc(n + off + (n + off == 0)), NULL};
    if (r.base == NULL) abort();
    r.at = r.base + off;
    return r;
}

/* kind 0: anything; 1 to 3: only the ends of the range, where sums and pairs of products are largest. */
static void fill_bytes(uint8_t *p, size_t n, unsigned kind, bool seven_bits) {
    for (size_t i = 0; i < n; i++) {
        uint8_t v = kind == 0 ? (uint8_t)test_rand() : kind == 1 ? 0x80 : kind == 2 ? 0x7F : (uint8_t)(test_rand_below(2) != 0 ? 0x80 : 0x7F);
        p[i] = seven_bits ? (kind == 0 ? v & 127 : 127) : v;
    }
}

static void fill_bits(uint8_t *p, size_t n, unsigned kind) {
    for (size_t i = 0; i < n; i++) p[i] = kind == 0 ? (uint8_t)test_rand() : 0xFF;
}

typedef void row_fn(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);

static size_t wrong_rows(row_fn *want, row_fn *got, const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len) {
    uint32_t a[MOST_IDS + 1], b[MOST_IDS + 1];
    size_t bad = 0;
    a[count] = b[count] = CANARY;
    want(q, rows, stride, ids, count, len, a);
    got(q, rows, stride, ids, count, len, b);
    for (size_t i = 0; i <= count; i++) bad += a[i] != b[i];
    return bad;
}

static void signed_want(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    omen_kernels_scalar.dot_u7i8(q, rows, stride, ids, count, len, (int32_t *)(void *)out);
}

static const omen_kernels *checked;
static void signed_got(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out) {
    checked->dot_u7i8(q, rows, stride, ids, count, len, (int32_t *)(void *)out);
}

/* One shape of the three kernels that take ids; the dot product where len allows. */
static void check_rows(const omen_kernels *k, size_t len, size_t count, unsigned kind) {
    size_t n = count + test_rand_below(4), pad = test_rand_below(3) * 8;
    size_t q_off = test_rand_below(64), off = test_rand_below(2) == 0 ? 0 : test_rand_below(64), stride = len + pad;
    room q = room_of(4 * len, q_off), rows = room_of(n == 0 ? 0 : (n - 1) * stride + len, off);
    uint32_t ids[MOST_IDS];
    for (size_t i = 0; i < count; i++) ids[i] = (uint32_t)test_rand_below(n);
    checked = k;
    for (int named = 0; named < 2; named++) {
        const uint32_t *which = named ? ids : NULL;
        if (len % 64 == 0) {
            fill_bytes(q.at, 4 * len, kind, true);
            fill_bytes(rows.at, n == 0 ? 0 : (n - 1) * stride + len, kind, false);
            CHECK_EQ_UINT(wrong_rows(signed_want, signed_got, q.at, rows.at, stride, which, count, len), 0);
        }
        fill_bits(q.at, 4 * len, kind);
        fill_bits(rows.at, n == 0 ? 0 : (n - 1) * stride + len, kind % 2);
        CHECK_EQ_UINT(wrong_rows(omen_kernels_scalar.hamming, k->hamming, q.at, rows.at, stride, which, count, len), 0);
        if (len <= 8192) CHECK_EQ_UINT(wrong_rows(omen_kernels_scalar.dot_u4b1, k->dot_u4b1, q.at, rows.at, stride, which, count, len), 0);
    }
    free(q.base);
    free(rows.base);
}

static void check_codes(const omen_kernels *k) {
    static const size_t large[] = {320, 384, 448, 512, 576, 832, 1024, 2048, 8192};
    for (size_t len = 0; len <= 264; len += 8)
        for (unsigned kind = 0; kind < 4; kind++) check_rows(k, len, test_rand_below(MOST_IDS + 1), kind);
    for (size_t count = 0; count <= MOST_IDS; count++) {
        check_rows(k, 64, count, 0);
        check_rows(k, 128, count, 0);
        check_rows(k, 48, count, 0);
    }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (unsigned kind = 0; kind < 4; kind++) check_rows(k, large[i], test_rand_below(10), kind);
    for (unsigned kind = 0; kind < 4; kind++) check_rows(k, 131072, 1 + kind, kind);
}

static TEST_UNUSED void check_tables(const omen_kernels *k) {
    for (size_t m = 0; m <= 256; m += m < 20 ? 1 : test_rand_below(30) + 1)
        for (unsigned kind = 0; kind < 2; kind++) {
            size_t blocks = test_rand_below(4), off = test_rand_below(32), bad = 0;
            room lut = room_of(m * 16, off), codes = room_of(m * 16 * blocks, 31 - off);
            uint16_t a[4 * 32], b[4 * 32];
            fill_bits(lut.at, m * 16, kind);
            fill_bits(codes.at, m * 16 * blocks, 0);
            a[blocks * 32] = b[blocks * 32] = 0x5A5A;
            omen_kernels_scalar.lut4(lut.at, codes.at, blocks, m, a);
            k->lut4(lut.at, codes.at, blocks, m, b);
            for (size_t i = 0; i <= blocks * 32; i++) bad += a[i] != b[i];
            CHECK_EQ_UINT(bad, 0);
            free(lut.base);
            free(codes.base);
        }
}

static void check_bytes(const omen_kernels *k, size_t dim, unsigned kind) {
    size_t count = test_rand_below(6), off = test_rand_below(64), bad = 0;
    room q = room_of(dim, 63 - off), rows = room_of(dim * count, off);
    int32_t a[6], b[6];
    uint32_t c[6], d[6];
    fill_bytes(q.at, dim, kind, false);
    fill_bytes(rows.at, dim * count, kind == 2 ? 1 : kind, false); /* kind 2: the greatest differences */
    a[count] = b[count] = (int32_t)(c[count] = d[count] = CANARY);
    omen_kernels_scalar.dot_i8((const int8_t *)q.at, (const int8_t *)rows.at, count, dim, a);
    k->dot_i8((const int8_t *)q.at, (const int8_t *)rows.at, count, dim, b);
    omen_kernels_scalar.l2_i8((const int8_t *)q.at, (const int8_t *)rows.at, count, dim, c);
    k->l2_i8((const int8_t *)q.at, (const int8_t *)rows.at, count, dim, d);
    for (size_t i = 0; i <= count; i++) bad += (a[i] != b[i]) + (c[i] != d[i]);
    CHECK_EQ_UINT(bad, 0);
    free(q.base);
    free(rows.base);
}

/* The same bits, or both NaN. */
static bool same_number(float a, float b) { return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0; }

static void check_halves(const omen_kernels *k, size_t dim, unsigned kind) {
    size_t count = test_rand_below(4), off = test_rand_below(64), bad = 0;
    room q = room_of(dim * 4, 63 - off), rows = room_of(dim * count * 2, off);
    float a[4], b[4];
    for (size_t i = 0; i < dim; i++) {
        float v = test_rand_float();
        memcpy(q.at + 4 * i, &v, 4);
    }
    for (size_t i = 0; i < dim * count; i++) {
        /* kind 0: embeddings; 1: any finite number, many subnormal; 2: anything at all */
        uint16_t v = (uint16_t)test_rand();
        if (kind == 0) v = (uint16_t)((v & 0x8FFF) | 0x2000);
        else if (kind == 1) v = (uint16_t)(test_rand_below(2) != 0 ? v & 0x83FF : v & 0xBBFF);
        memcpy(rows.at + 2 * i, &v, 2);
    }
    for (int square = 0; square < 2; square++) {
        a[count] = b[count] = 12345.0f;
        const void *qp = q.at, *rp = rows.at;
        (square ? omen_kernels_scalar.l2_f16 : omen_kernels_scalar.dot_f16)(qp, rp, count, dim, a);
        (square ? k->l2_f16 : k->dot_f16)(qp, rp, count, dim, b);
        for (size_t i = 0; i <= count; i++) bad += !same_number(a[i], b[i]);
    }
    CHECK_EQ_UINT(bad, 0);
    free(q.base);
    free(rows.base);
}

/* Each of the 65,536 halves, alone: 1 times it, and the square of it, must be its value's. */
static void check_every_half(const omen_kernels *k) {
    static uint16_t all[65536];
    static float got[65536];
    const float one = 1.0f;
    size_t bad = 0;
    for (size_t i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    k->dot_f16(&one, all, 65536, 1, got);
    for (size_t i = 0; i < 65536; i++) bad += !same_number(got[i], 0.0f + omen_f16_widen((uint16_t)i));
    CHECK_EQ_UINT(bad, 0);
    /* In full vectors as well: one number of 32 counts. */
    float q[32] = {0};
    bad = 0;
    for (size_t i = 0; i < 32; i++) {
        q[i] = 1.0f;
        k->dot_f16(q, all, 2048, 32, got);
        for (size_t r = 0; r < 2048; r++) {
            uint16_t h = (uint16_t)(r * 32 + i);
            if ((h & 0x7C00u) != 0x7C00u) bad += !same_number(got[r], 0.0f + omen_f16_widen(h)); /* beside an infinity stands another */
        }
        q[i] = 0.0f;
    }
    CHECK_EQ_UINT(bad, 0);
}

static TEST_UNUSED void check_set(const omen_kernels *k) {
    static const size_t large[] = {300, 384, 768, 1000, 1536, OMEN_MAX_DIMENSIONS};
    check_codes(k);
    check_tables(k);
    for (size_t dim = 0; dim <= 257; dim++)
        for (unsigned kind = 0; kind < 4; kind++) {
            check_bytes(k, dim, kind);
            check_halves(k, dim, kind % 3);
        }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (unsigned kind = 0; kind < 4; kind++) {
            check_bytes(k, large[i], kind);
            check_halves(k, large[i], kind % 3);
        }
    check_every_half(k);
}

#endif
