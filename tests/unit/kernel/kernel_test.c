/* Every kernel set against the scalar one, bit for bit: all lengths, counts, alignments, and numbers that hurt. */
#include "test.h"

#include "base/hash.h"
#include "kernel/kernel.h"

enum { MAX_DIM = 1536, MAX_ROWS = 9 };

static float q_room[MAX_DIM + 8], row_room[MAX_ROWS * MAX_DIM + 8];

static float number(unsigned kind) {
    static const float odd[] = {0.0f, -0.0f, 1e-45f, -1e-40f, 1.17549435e-38f, 3.4e38f, -3.4e38f, 1e-20f, 1e20f, 1.0f, -1.0f};
    float r = test_rand_float();
    if (kind == 0) return r;
    if (kind == 1) return r * (test_rand_below(2) ? 1e18f : 1e-18f);
    return test_rand_below(4) == 0 ? odd[test_rand_below(sizeof odd / sizeof *odd)] : r;
}

/* The same bits, or both NaN: the sign and payload of a NaN are not promised. */
static bool same(float a, float b) { return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0; }

typedef void sum_fn(const float *q, const float *rows, size_t count, size_t dim, float *out);

static size_t differences(sum_fn *want, sum_fn *got, size_t dim, size_t count, size_t q_shift, size_t row_shift, unsigned kind) {
    float *q = q_room + q_shift, *rows = row_room + row_shift, a[MAX_ROWS + 1], b[MAX_ROWS + 1];
    size_t bad = 0;
    for (size_t i = 0; i < dim; i++) q[i] = number(kind);
    for (size_t i = 0; i < dim * count; i++) rows[i] = number(kind);
    a[count] = b[count] = 12345.0f;
    want(q, rows, count, dim, a);
    got(q, rows, count, dim, b);
    for (size_t r = 0; r < count; r++) bad += !same(a[r], b[r]);
    return bad + (a[count] != 12345.0f) + (b[count] != 12345.0f);
}

static void compare(const omen_kernels *k, size_t dim) {
    for (unsigned kind = 0; kind < 3; kind++) {
        size_t count = test_rand_below(MAX_ROWS + 1), qs = test_rand_below(4), rs = test_rand_below(4);
        CHECK_EQ_UINT(differences(omen_kernels_scalar.dot_f32, k->dot_f32, dim, count, qs, rs, kind), 0);
        CHECK_EQ_UINT(differences(omen_kernels_scalar.l2_f32, k->l2_f32, dim, count, qs, rs, kind), 0);
    }
}

TEST(every_set_gives_the_bits_of_the_scalar_one) {
    static const size_t large[] = {384, 512, 768, 784, 1000, 1024, 1535, 1536};
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        printf("     set %s\n", (*k)->name);
        for (size_t dim = 0; dim <= 257; dim++)
            for (int i = 0; i < 4; i++) compare(*k, dim);
        for (size_t i = 0; i < sizeof large / sizeof *large; i++) compare(*k, large[i]);
    }
}

/* Small whole numbers sum without rounding, so here every order gives the one right answer. */
TEST(the_scalar_set_computes_what_it_says) {
    for (size_t dim = 0; dim <= 300; dim++) {
        int64_t dot[3] = {0}, l2[3] = {0};
        float got[3];
        for (size_t i = 0; i < dim; i++) q_room[i] = (float)test_rand_below(101) - 50;
        for (size_t i = 0; i < 3 * dim; i++) {
            row_room[i] = (float)test_rand_below(101) - 50;
            int64_t a = (int64_t)q_room[i % dim], b = (int64_t)row_room[i];
            dot[i / dim] += a * b;
            l2[i / dim] += (a - b) * (a - b);
        }
        omen_kernels_scalar.dot_f32(q_room, row_room, 3, dim, got);
        for (int r = 0; r < 3; r++) CHECK_BITS(got[r], (float)dot[r]);
        omen_kernels_scalar.l2_f32(q_room, row_room, 3, dim, got);
        for (int r = 0; r < 3; r++) CHECK_BITS(got[r], (float)l2[r]);
    }
}

/* Every count of rows, and pointers that are not even aligned as floats. */
TEST(no_count_and_no_alignment_changes_the_bits) {
    static const size_t dims[] = {0, 1, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 384};
    static uint8_t q[1 + 384 * 4 + 3], rows[MAX_ROWS * 384 * 4 + 4];
    float numbers[384 * MAX_ROWS], want[MAX_ROWS], got[MAX_ROWS];
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++)
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
            for (size_t count = 0; count <= MAX_ROWS; count++)
                for (size_t off = 0; off < 4; off++) {
                    size_t dim = dims[d];
                    const float *qp = (const float *)(const void *)(q + (off * 3) % 4), *rp = (const float *)(const void *)(rows + off);
                    for (size_t i = 0; i < dim * count; i++) numbers[i] = number(2);
                    memcpy(rows + off, numbers, dim * count * 4);
                    for (size_t i = 0; i < dim; i++) numbers[i] = number(0);
                    memcpy(q + (off * 3) % 4, numbers, dim * 4);
                    omen_kernels_scalar.dot_f32(qp, rp, count, dim, want);
                    (*k)->dot_f32(qp, rp, count, dim, got);
                    for (size_t r = 0; r < count; r++) CHECK(same(got[r], want[r]));
                    omen_kernels_scalar.l2_f32(qp, rp, count, dim, want);
                    (*k)->l2_f32(qp, rp, count, dim, got);
                    for (size_t r = 0; r < count; r++) CHECK(same(got[r], want[r]));
                    CHECK((*k)->finite_f32(rp, dim * count));
                }
}

/* One accumulator, as a compiler would write it: the comparison must notice. */
static void reordered(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) {
        float s = 0;
        for (size_t i = 0; i < dim; i++) s += q[i] * rows[r * dim + i];
        out[r] = s;
    }
}

/* Products that are not rounded by themselves. */
static void fused(const float *q, const float *rows, size_t count, size_t dim, float *out) {
    for (size_t r = 0; r < count; r++) {
        float lane[32] = {0};
        for (size_t i = 0; i < dim; i++) lane[i % 32] = (float)((double)q[i] * rows[r * dim + i] + lane[i % 32]);
        for (size_t w = 16; w != 0; w /= 2)
            for (size_t j = 0; j < w; j++) lane[j] += lane[j + w];
        out[r] = lane[0];
    }
}

TEST(another_order_or_a_fused_product_is_noticed) {
    size_t order = 0, fuse = 0;
    for (int i = 0; i < 20; i++) {
        order += differences(omen_kernels_scalar.dot_f32, reordered, 96, 8, 0, 0, 0);
        fuse += differences(omen_kernels_scalar.dot_f32, fused, 96, 8, 0, 0, 0);
    }
    CHECK(order > 0);
    CHECK(fuse > 0);
}

TEST(what_is_not_finite_is_found_wherever_it_stands) {
    static const uint32_t bad[] = {0x7F800000u, 0xFF800000u, 0x7FC00000u, 0xFFC00001u, 0x7F800001u};
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        for (size_t n = 0; n <= 130; n++) {
            float *p = q_room + n % 4;
            for (size_t i = 0; i < n; i++) p[i] = number(2);
            CHECK((*k)->finite_f32(p, n));
            for (size_t at = 0; at < n; at++) {
                float kept = p[at];
                memcpy(&p[at], &bad[(n + at) % 5], 4);
                CHECK(!(*k)->finite_f32(p, n));
                p[at] = kept;
            }
        }
    }
}

TEST(crc32c_is_castagnolis) {
    static uint8_t bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)test_rand();
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        uint8_t zeros[32] = {0}, ones[32], up[32];
        memset(ones, 0xFF, sizeof ones);
        for (uint8_t i = 0; i < 32; i++) up[i] = i;
        /* RFC 3720, appendix B.4, and the usual check value. */
        CHECK_EQ_UINT((*k)->crc32c(0, zeros, 32), 0x8A9136AAu);
        CHECK_EQ_UINT((*k)->crc32c(0, ones, 32), 0x62A8AB43u);
        CHECK_EQ_UINT((*k)->crc32c(0, up, 32), 0x46DD794Eu);
        CHECK_EQ_UINT((*k)->crc32c(0, "123456789", 9), 0xE3069283u);
        for (int i = 0; i < 300; i++) {
            size_t at = test_rand_below(1000), n = i < 200 ? test_rand_below(2000) : test_rand_below(sizeof bytes - 1000), cut = n == 0 ? 0 : test_rand_below(n);
            uint32_t want = omen_crc32c_portable(0, bytes + at, n);
            CHECK_EQ_UINT((*k)->crc32c(0, bytes + at, n), want);
            CHECK_EQ_UINT((*k)->crc32c((*k)->crc32c(0, bytes + at, cut), bytes + at + cut, n - cut), want);
        }
    }
}

TEST(a_set_can_be_forced) {
    CHECK_STATUS(omen_kernels_use("no such set"), OMEN_ERR_UNSUPPORTED);
    CHECK_STATUS(omen_kernels_use("scalar"), OMEN_OK);
    CHECK_EQ_STR(omen_kernels_name(), "scalar");
    CHECK_STATUS(omen_kernels_use(omen_kernels_offer()[0]->name), OMEN_OK);
}

TEST(distances_sort_by_their_keys) {
    static const float up[] = {-3.4e38f, -1.0f, -1e-40f, 0.0f, 1e-45f, 1.0f, 3.4e38f};
    for (size_t i = 1; i < sizeof up / sizeof *up; i++) CHECK(omen_distance_key(up[i - 1]) < omen_distance_key(up[i]));
    CHECK_EQ_UINT(omen_distance_key(-0.0f), omen_distance_key(0.0f));
    float inf = up[6] * 10, nan = inf - inf;
    CHECK(omen_distance_key(inf) < omen_distance_key(nan));
    CHECK_EQ_UINT(omen_distance_key(nan), omen_distance_key(-nan));
}

TEST_MAIN()
