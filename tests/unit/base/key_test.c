/* Ids as keys: the order of the bytes is the order of the ids; what is no key; UTF-8 at all its borders. */
#include "test.h"

#include "base/key.h"

/* The order that omendb.h promises, said without keys. */
static int id_order(const omen_id *a, const omen_id *b) {
    bool sa = a->text.data != NULL, sb = b->text.data != NULL;
    if (sa != sb) return sa ? 1 : -1;
    if (!sa) return (a->number > b->number) - (a->number < b->number);
    size_t n = OMEN_MIN(a->text.len, b->text.len);
    int c = memcmp(a->text.data, b->text.data, n);
    return c != 0 ? (c > 0) - (c < 0) : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

static omen_id random_id(char *room) {
    static const int64_t borders[] = {INT64_MIN, INT64_MIN + 1, -256, -255, -1, 0, 1, 255, 256, 65535, 65536, INT64_MAX - 1, INT64_MAX};
    switch (test_rand_below(4)) {
    case 0: return OMEN_ID_INT(borders[test_rand_below(OMEN_ARRAY_LEN(borders))]);
    case 1: return OMEN_ID_INT((int64_t)test_rand() >> test_rand_below(64));
    default: {
        size_t n = 0, count = 1 + test_rand_below(4);
        static const char *const characters[] = {"a", "b", "\x01", "\x7f", "7", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
        for (size_t i = 0; i < count; i++) {
            const char *c = characters[test_rand_below(OMEN_ARRAY_LEN(characters))];
            memcpy(room + n, c, strlen(c));
            n += strlen(c);
        }
        return (omen_id){{room, n}, 0};
    }
    }
}

TEST(keys_order_as_ids_and_lead_back_to_them) {
    for (int i = 0; i < 50000; i++) {
        char rooms[2][32];
        uint8_t into[2][OMEN_KEY_MAX];
        omen_id ids[2] = {random_id(rooms[0]), random_id(rooms[1])};
        omen_key k[2];
        for (int j = 0; j < 2; j++) {
            REQUIRE_OK(omen_key_encode(&ids[j], into[j], &k[j], NULL));
            CHECK(omen_key_valid(k[j].data, k[j].len));
            omen_id back = omen_key_decode(k[j]);
            CHECK(id_order(&back, &ids[j]) == 0);
        }
        int want = id_order(&ids[0], &ids[1]), got = omen_key_compare(k[0], k[1]);
        CHECK_EQ_INT((got > 0) - (got < 0), want);
        CHECK_EQ_INT(omen_key_equal(k[0], k[1]), want == 0);
        if (want == 0) CHECK_EQ_UINT(omen_key_hash(k[0]), omen_key_hash(k[1]));
    }
}

TEST(the_bytes_of_keys_are_pinned) {
    uint8_t into[OMEN_KEY_MAX];
    omen_key k;
    omen_id id = OMEN_ID_INT(7);
    REQUIRE_OK(omen_key_encode(&id, into, &k, NULL));
    CHECK_EQ_UINT(k.len, 9);
    CHECK_MEM(k.data, "\x01\x80\0\0\0\0\0\0\x07", 9);
    id = OMEN_ID_INT(INT64_MIN);
    REQUIRE_OK(omen_key_encode(&id, into, &k, NULL));
    CHECK_MEM(k.data, "\x01\0\0\0\0\0\0\0\0", 9);
    id = OMEN_ID_STR("7");
    REQUIRE_OK(omen_key_encode(&id, into, &k, NULL));
    CHECK_EQ_UINT(k.len, 2);
    CHECK_MEM(k.data, "\x02"
                      "7",
              2);
}

TEST(ids_that_cannot_be_are_refused) {
    static char longest[OMEN_MAX_ID + 1];
    uint8_t into[OMEN_KEY_MAX];
    omen_key k;
    omen_error e = {0};
    memset(longest, 'x', sizeof longest);
    omen_id id = {{longest, OMEN_MAX_ID}, 0};
    CHECK_OK(omen_key_encode(&id, into, &k, &e));
    CHECK_EQ_UINT(k.len, OMEN_KEY_MAX);
    CHECK(omen_key_valid(k.data, k.len));
    id.text.len++;
    CHECK_STATUS(omen_key_encode(&id, into, &k, &e), OMEN_ERR_ID);
    CHECK(strstr(e.text, "513") != NULL && strstr(e.text, "512") != NULL);
    id = OMEN_ID_STR("");
    CHECK_STATUS(omen_key_encode(&id, into, &k, &e), OMEN_ERR_ID);
    CHECK(strstr(e.text, "empty") != NULL);
    id = OMEN_ID_STR("a\xff");
    CHECK_STATUS(omen_key_encode(&id, into, &k, &e), OMEN_ERR_ID);
    CHECK(strstr(e.text, "UTF-8") != NULL);
    id = OMEN_ID_STR("a\0b");
    CHECK_STATUS(omen_key_encode(&id, into, &k, NULL), OMEN_ERR_ID);
}

TEST(bytes_that_are_no_key_are_refused) {
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0},          {"\x01", 1},       {"\x02", 1},  {"\x01\0\0\0\0\0\0\0", 8}, {"\x01\0\0\0\0\0\0\0\0\0", 10}, {"\0a", 2}, {"\x03"
                                                                                                                                        "a",
                                                                                                                                        2},
               {"\x02\xc3", 2}, {"\x02"
                                  "a\0",
                                  3}, {"\x02\xed\xa0\x80", 4}, {"\xff\xff", 2}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) CHECK(!omen_key_valid((const uint8_t *)bad[i].bytes, bad[i].len));
    static uint8_t large[OMEN_KEY_MAX + 1];
    memset(large, 'a', sizeof large);
    large[0] = 2;
    CHECK(omen_key_valid(large, OMEN_KEY_MAX));
    CHECK(!omen_key_valid(large, OMEN_KEY_MAX + 1));
}

TEST(keys_print_for_messages) {
    uint8_t into[OMEN_KEY_MAX];
    char buf[40];
    omen_key k;
    omen_id id = OMEN_ID_INT(INT64_MIN);
    omen_key_encode(&id, into, &k, NULL);
    CHECK_EQ_STR(omen_key_print(k, buf, sizeof buf), "-9223372036854775808");
    id = OMEN_ID_STR("caf\xc3\xa9");
    omen_key_encode(&id, into, &k, NULL);
    CHECK_EQ_STR(omen_key_print(k, buf, sizeof buf), "\"caf\xc3\xa9\"");
    static char longest[OMEN_MAX_ID];
    for (size_t i = 0; i < sizeof longest; i += 2) memcpy(longest + i, "\xc3\xa9", 2);
    id = (omen_id){{longest, sizeof longest}, 0};
    omen_key_encode(&id, into, &k, NULL);
    for (size_t cap = 1; cap <= sizeof buf; cap++) {
        memset(buf, '#', sizeof buf);
        omen_key_print(k, buf, cap);
        CHECK(memchr(buf, 0, cap) != NULL);
        if (cap >= 4) CHECK(omen_utf8_valid(buf, strlen(buf)));
        if (cap >= 8) CHECK(buf[0] == '"' && buf[strlen(buf) - 1] == '"');
        for (size_t i = cap; i < sizeof buf; i++) CHECK(buf[i] == '#');
    }
    char large[600];
    CHECK_EQ_UINT(strlen(omen_key_print(k, large, sizeof large)), OMEN_MAX_ID + 2);
}

/* ---- UTF-8 ---- */

static size_t encode(uint32_t c, uint8_t *into) {
    if (c < 0x80) return into[0] = (uint8_t)c, 1;
    if (c < 0x800) return into[0] = (uint8_t)(0xC0 | c >> 6), into[1] = (uint8_t)(0x80 | (c & 0x3F)), 2;
    if (c < 0x10000) return into[0] = (uint8_t)(0xE0 | c >> 12), into[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F)), into[2] = (uint8_t)(0x80 | (c & 0x3F)), 3;
    into[0] = (uint8_t)(0xF0 | c >> 18), into[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    into[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F)), into[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

TEST(every_character_and_no_surrogate_is_utf8) {
    size_t wrong = 0;
    for (uint32_t c = 0; c < 0x120000; c++) {
        uint8_t bytes[4];
        size_t n = encode(c, bytes);
        bool want = c < 0x110000 && !(c >= 0xD800 && c < 0xE000);
        wrong += omen_utf8_valid(bytes, n) != want;
        if (n > 1) wrong += omen_utf8_valid(bytes, n - 1); /* cut short */
    }
    CHECK_EQ_UINT(wrong, 0);
}

/* Every string of three bytes, by decoding and encoding again: only the shortest form of a character is one. */
TEST(no_other_bytes_are_utf8) {
    size_t wrong = 0;
    for (uint32_t v = 0; v < 0x1000000; v += 1 + (v & 1) * 2) { /* all first and second bytes, half of the third */
        uint8_t b[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        size_t at = 0;
        bool want = true;
        while (at < 3 && want) {
            uint8_t lead = b[at], again[4];
            size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            if (at + len > 3) {
                want = false;
                break;
            }
            uint32_t c = len == 1 ? lead : lead & (0x7Fu >> len);
            for (size_t i = 1; i < len; i++) c = c << 6 | (b[at + i] & 0x3F);
            want = encode(c, again) == len && memcmp(again, b + at, len) == 0 && !(c >= 0xD800 && c < 0xE000);
            at += len;
        }
        wrong += omen_utf8_valid(b, 3) != want;
    }
    CHECK_EQ_UINT(wrong, 0);
    static const uint8_t four[][4] = {{0xF0, 0x80, 0x80, 0x80}, {0xF0, 0x8F, 0xBF, 0xBF}, {0xF4, 0x90, 0x80, 0x80}, {0xF5, 0x80, 0x80, 0x80}, {0xF8, 0x88, 0x80, 0x80}, {0xF0, 0x90, 0x80, 0x41}, {0xF0, 0x90, 0x41, 0x80}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(four); i++) CHECK(!omen_utf8_valid(four[i], 4));
}

/* The shortcut for runs of ASCII must not hide a bad byte, wherever it stands. */
TEST(a_bad_byte_is_found_at_every_place) {
    char text[40];
    for (size_t len = 0; len <= sizeof text; len++) {
        memset(text, 'a', sizeof text);
        CHECK(omen_utf8_valid(text, len));
        for (size_t at = 0; at < len; at++) {
            text[at] = '\x80';
            CHECK(!omen_utf8_valid(text, len));
            text[at] = 'a';
        }
        if (len >= 3)
            for (size_t at = 0; at + 3 <= len; at++) {
                memcpy(text + at, "\xe2\x82\xac", 3);
                CHECK(omen_utf8_valid(text, len));
                CHECK(!omen_utf8_valid(text, at + 2));
                memset(text + at, 'a', 3);
            }
    }
    CHECK(omen_utf8_valid(NULL, 0));
}

/* Of what is no key something is decoded, and nothing read beyond it. */
TEST(what_is_no_key) {
    static const uint8_t cut[2] = {1, 0x80};
    CHECK(omen_key_decode((omen_key){NULL, 0}).text.data == NULL);
    omen_id id = omen_key_decode((omen_key){cut, 2});
    CHECK(id.text.data == NULL && id.number == (int64_t)(UINT64_C(0x80) ^ UINT64_C(1) << 63));
}

TEST_MAIN()
