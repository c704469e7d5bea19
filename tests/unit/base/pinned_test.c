/* The pinned libraries give the same bytes in every build: gcc and clang, x86-64, arm64 and WebAssembly. Segments are
 * named by the hash of their bytes, so a difference here would break files between hosts. */
#include "test.h"

#include <xxhash.h>
#include <yyjson.h>
#include <zstd.h>

enum { SIZE = 200000 };

/* Compressible text-like bytes that depend on nothing but the arithmetic below. */
static void fill(unsigned char *bytes, size_t size) {
    uint32_t state = 12345;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        unsigned r = state >> 24;
        bytes[i] = i >= 64 && r > 40 ? bytes[i - 1 - (r & 63)] : (unsigned char)('a' + r % 26);
    }
}

static unsigned char input[SIZE], packed[SIZE + SIZE / 100 + 1024], unpacked[SIZE];

TEST(compressed_bytes_are_the_same_everywhere) {
    static const struct {
        int level;
        size_t size;
        const char *hash;
    } want[] = {
        {1, 116889, "b45434d24955a2d9"},
        {3, 121461, "d2c78c62a81e4606"}, /* falls back to what is compiled in */
    };
    fill(input, SIZE);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t size = ZSTD_compress(packed, sizeof packed, input, SIZE, want[i].level);
        REQUIRE(!ZSTD_isError(size));
        char hash[17];
        snprintf(hash, sizeof hash, "%016" PRIx64, XXH3_64bits(packed, size));
        CHECK_EQ_UINT(size, want[i].size);
        CHECK_EQ_STR(hash, want[i].hash);
        CHECK_EQ_UINT(ZSTD_decompress(unpacked, sizeof unpacked, packed, size), SIZE);
        CHECK_MEM(unpacked, input, SIZE);
    }
}

TEST(damaged_frame_is_refused) {
    fill(input, SIZE);
    size_t size = ZSTD_compress(packed, sizeof packed, input, SIZE, 3);
    REQUIRE(!ZSTD_isError(size));
    CHECK(ZSTD_isError(ZSTD_decompress(unpacked, sizeof unpacked, packed, size - 1)));
    packed[0] ^= 1;
    CHECK(ZSTD_isError(ZSTD_decompress(unpacked, sizeof unpacked, packed, size)));
}

TEST(xxh3_gives_its_published_empty_hash) {
    XXH128_hash_t hash = XXH3_128bits("", 0);
    CHECK_EQ_UINT(hash.high64, UINT64_C(0x99aa06d3014798d8));
    CHECK_EQ_UINT(hash.low64, UINT64_C(0x6001c324468d497f));
    CHECK_EQ_UINT(XXH3_64bits("", 0), UINT64_C(0x2d06800538d394c2));
}

TEST(json_is_strict) {
    static const char good[] = "{\"a\":[1,2.5,\"\\u00e9\"],\"b\":null}";
    yyjson_doc *doc = yyjson_read(good, sizeof good - 1, 0);
    REQUIRE(doc != NULL);
    size_t size = 0;
    char *text = yyjson_write(doc, 0, &size);
    CHECK_EQ_STR(text, "{\"a\":[1,2.5,\"\xc3\xa9\"],\"b\":null}");
    free(text);
    yyjson_doc_free(doc);
    CHECK(yyjson_read("{\"a\":1,}", 8, YYJSON_READ_ALLOW_TRAILING_COMMAS) == NULL);
    CHECK(yyjson_read("[NaN]", 5, YYJSON_READ_ALLOW_INF_AND_NAN) == NULL);
}

/* Doubles of every exponent, printed and read again: exactly the same number, and everywhere the same digits. */
TEST(json_numbers_are_the_same_everywhere) {
    XXH3_state_t *state = XXH3_createState();
    REQUIRE(state != NULL);
    XXH3_64bits_reset(state);
    uint64_t random = 1;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        for (int i = 0; i < 8; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            uint64_t bits = exponent << 52 | (i == 0 ? 0 : i == 1 ? UINT64_C(0xfffffffffffff) : random >> 12);
            double number;
            memcpy(&number, &bits, sizeof number);
            yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
            yyjson_mut_doc_set_root(doc, yyjson_mut_real(doc, number));
            size_t size = 0;
            char *text = yyjson_mut_write(doc, 0, &size);
            REQUIRE(text != NULL);
            XXH3_64bits_update(state, text, size);
            yyjson_doc *again = yyjson_read(text, size, 0);
            REQUIRE(again != NULL);
            double back = yyjson_get_real(yyjson_doc_get_root(again));
            CHECK_MEM(&back, &number, sizeof number);
            yyjson_doc_free(again);
            free(text);
            yyjson_mut_doc_free(doc);
        }
    }
    CHECK_EQ_UINT(XXH3_64bits_digest(state), UINT64_C(0xcb8e2c6fdaac0dc6));
    XXH3_freeState(state);

    /* Halfway cases and long digits, which need the exact path; the C library's reader is exact as well. */
    static const char *const hard[] = {
        "9007199254740993.0",      "9007199254740993.00000000000000000000000000000000001",
        "2.2250738585072011e-308", "2.2250738585072012e-308",
        "4.9406564584124654e-324", "2.4703282292062327208e-324",
        "1.7976931348623157e308",  "8.5e-320",
        "1.0e-342",                "123456789012345678901234567890e-20",
    };
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        yyjson_doc *doc = yyjson_read(hard[i], strlen(hard[i]), 0);
        REQUIRE(doc != NULL);
        double got = yyjson_get_real(yyjson_doc_get_root(doc)), want = strtod(hard[i], NULL);
        if (!CHECK_MEM(&got, &want, sizeof got)) printf("        %s: got %a, want %a\n", hard[i], got, want);
        yyjson_doc_free(doc);
    }
}

TEST_MAIN()
