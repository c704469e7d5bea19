/* Distances between codes whose numbers are a damaged file's: defined, and within their range. */
#include "test.h"

#include "index/codes.h"

TEST(numbers_at_their_ends) {
    static const int32_t ends[] = {INT32_MIN, INT32_MIN + 1, -32767, -1, 0, 1, 32767, INT32_MAX - 1, INT32_MAX};
    enum { N = sizeof ends / sizeof *ends, ROWS = N * N };
    static _Alignas(64) uint8_t bytes[ROWS * 128 + 64];
    uint32_t ids[ROWS];
    int32_t d[ROWS];
    uint8_t u[64];
    omen_codes c = {.rows = bytes, .stride = 128, .len = 64, .tail = 64, .lifted = true};
    for (unsigned r = 0; r < ROWS; r++) {
        int32_t tail[3] = {0, ends[r / N], ends[r % N]};
        ids[r] = r;
        memcpy(bytes + r * 128 + 64, tail, sizeof tail);
    }
    for (unsigned r = 0; r < ROWS; r++) {
        omen_code_point p = {.u = u};
        omen_codes_point(&c, r, &p);
        CHECK_EQ_INT(p.lift, ends[r % N]);
        omen_codes_distances(&c, &p, ids, ROWS, d);
        for (unsigned i = 0; i < ROWS; i++) {
            int64_t up = (int64_t)ends[r % N] - ends[i % N];
            CHECK(d[i] >= 0);
            if (up > 100000 || up < -100000) CHECK_EQ_INT(d[i], INT32_MAX);
            else if (ends[i / N] == INT32_MAX) CHECK_EQ_INT(d[i], INT32_MAX);
            else if (ends[i / N] == 1) CHECK_EQ_INT(d[i], up * up + 1 < INT32_MAX ? up * up + 1 : INT32_MAX);
        }
    }
}

TEST_MAIN()
