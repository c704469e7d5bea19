/* Messages: the conversions, what is cut, and errors. */
#include "test.h"

#include "base/base.h"

#define FORMATS(want, ...)                                                                                             \
    do {                                                                                                               \
        char got[200];                                                                                                 \
        CHECK_EQ_UINT(omen_format(got, sizeof got, __VA_ARGS__), strlen(want));                                        \
        CHECK_EQ_STR(got, want);                                                                                       \
    } while (0)

TEST(every_conversion_prints) {
    FORMATS("plain", "plain");
    FORMATS("100%", "100%%");
    FORMATS("[text] []", "[%s] [%s]", "text", "");
    FORMATS("[te] [] [text] [t]", "[%.*s] [%.*s] [%.*s] [%.1s]", 2, "text", 0, "text", 9, "text", "text");
    FORMATS("0 4294967295", "%u %u", 0u, UINT32_MAX);
    FORMATS("0 2147483647 -2147483648", "%d %d %d", 0, INT_MAX, INT_MIN);
    FORMATS("18446744073709551615 0", "%llu %llu", ULLONG_MAX, 0ull);
    FORMATS("9223372036854775807 -9223372036854775808", "%lld %lld", LLONG_MAX, LLONG_MIN);
    FORMATS("deadbeef 0", "%x %x", 0xdeadbeefu, 0u);
    FORMATS("12345", "%zu", (size_t)12345);
    FORMATS("a1b2", "%s%d%s%u", "a", 1, "b", 2u);
}

TEST(a_precision_bounds_what_is_read) {
    char not_ended[3] = {'a', 'b', 'c'}; /* no NUL */
    FORMATS("abc", "%.*s", 3, not_ended);
    FORMATS("ab", "%.2s", not_ended);
}

TEST(what_does_not_fit_is_cut_at_a_character) {
    char room[16];
    for (size_t cap = 0; cap <= 12; cap++) {
        memset(room, '#', sizeof room);
        CHECK_EQ_UINT(omen_format(room, cap, "%s", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"), 11);
        if (cap == 0) {
            CHECK(room[0] == '#');
            continue;
        }
        size_t n = strlen(room);
        CHECK(n < cap);
        CHECK(n == 0 || n == 1 || n == 3 || n == 6 || n == 10 || n == 11); /* whole characters */
        CHECK(n + 4 >= cap - 1);
        CHECK_MEM(room, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", n);
        for (size_t i = cap; i < sizeof room; i++) CHECK(room[i] == '#');
    }
    CHECK_EQ_UINT(omen_format(NULL, 0, "%s", "length alone"), 12);
}

TEST(a_failure_is_explained) {
    omen_error e = {0};
    CHECK_STATUS(omen_fail(&e, OMEN_ERR_CORRUPT, "%s at byte %llu", "log-1", 7ull), OMEN_ERR_CORRUPT);
    CHECK_STATUS(e.status, OMEN_ERR_CORRUPT);
    CHECK_EQ_STR(e.text, "log-1 at byte 7");
    /* The text may be built out of the one before. */
    CHECK_STATUS(omen_fail(&e, OMEN_ERR_IO, "opening: %s", e.text), OMEN_ERR_IO);
    CHECK_EQ_STR(e.text, "opening: log-1 at byte 7");
    CHECK_STATUS(e.status, OMEN_ERR_IO);
    /* What is no failure leaves it alone. */
    CHECK_OK(omen_fail(&e, OMEN_OK, "nothing"));
    CHECK_STATUS(omen_fail(&e, OMEN_PENDING, "nothing"), OMEN_PENDING);
    CHECK_STATUS(e.status, OMEN_ERR_IO);
    CHECK_STATUS(omen_fail(NULL, OMEN_ERR_IO, "%s", "nobody asks"), OMEN_ERR_IO);
}

TEST(a_long_text_is_cut) {
    static char text[5000];
    omen_error e = {0};
    memset(text, 'x', sizeof text - 1);
    omen_fail(&e, OMEN_ERR_INVALID, "%s", text);
    CHECK_EQ_UINT(strlen(e.text), sizeof e.text - 1);
}

TEST(every_status_has_a_name_and_a_meaning) {
    size_t count = 0;
#define X(name, value, text)                                                                                           \
    CHECK_EQ_STR(omen_status_name(OMEN_##name), "OMEN_" #name);                                                        \
    CHECK_EQ_STR(omen_status_message(OMEN_##name), text);                                                              \
    CHECK(strlen(text) > 5);                                                                                           \
    count++;
    OMEN_STATUS_MAP(X)
#undef X
    CHECK(count > 25);
    CHECK(omen_status_name((omen_status)9999) != NULL && strlen(omen_status_name((omen_status)9999)) > 0);
    CHECK(omen_status_message((omen_status)9999) != NULL);
}

TEST(arithmetic_notices_overflow) {
    size_t n;
    CHECK(omen_add(1, 2, &n) && n == 3);
    CHECK(!omen_add(SIZE_MAX, 1, &n));
    CHECK(omen_mul(6, 7, &n) && n == 42);
    CHECK(!omen_mul(SIZE_MAX / 2, 3, &n));
    CHECK(omen_mul(SIZE_MAX, 0, &n) && n == 0);
    CHECK_EQ_UINT(omen_round_up(0, 8), 0);
    CHECK_EQ_UINT(omen_round_up(1, 8), 8);
    CHECK_EQ_UINT(omen_round_up(8, 8), 8);
    CHECK_EQ_UINT(omen_round_up(9, 3), 9);
}

TEST(loads_and_stores_are_little_endian_at_any_alignment) {
    uint8_t room[24];
    for (size_t at = 0; at < 8; at++) {
        memset(room, 0, sizeof room);
        omen_put64(room + at, UINT64_C(0x0807060504030201));
        for (uint8_t i = 0; i < 8; i++) CHECK_EQ_UINT(room[at + i], i + 1);
        CHECK_EQ_UINT(omen_get64(room + at), UINT64_C(0x0807060504030201));
        CHECK_EQ_UINT(omen_get32(room + at), 0x04030201);
        CHECK_EQ_UINT(omen_get16(room + at), 0x0201);
        omen_put32(room + at, 0xaabbccdd);
        omen_put16(room + at + 4, 0xeeff);
        CHECK_EQ_UINT(omen_get64(room + at), UINT64_C(0x0807eeffaabbccdd));
    }
}

TEST_MAIN()
