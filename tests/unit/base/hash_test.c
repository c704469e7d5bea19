/* Hashes by their published values, in one piece and in many. */
#include "test.h"

#include "base/hash.h"
#include "base/mem.h"
#include "fault_host.h"

/* The generator of xxHash's own sanity check: its published values are of this buffer. */
static void sanity_buffer(uint8_t *bytes, size_t len) {
    uint64_t r = 2654435761u;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(r >> 56);
        r *= UINT64_C(11400714785074694797);
    }
}

TEST(xxh3_gives_its_published_values) {
    static const struct {
        size_t len;
        uint64_t seed, hash;
    } known[] = {
        {0, 0, UINT64_C(0x2D06800538D394C2)},   {0, UINT64_C(0x9E3779B185EBCA8D), UINT64_C(0xA8A6B918B2F0364A)},
        {1, 0, UINT64_C(0xC44BDFF4074EECDB)},   {6, 0, UINT64_C(0x27B56A84CD2D7325)},
        {12, 0, UINT64_C(0xA713DAF0DFBB77E7)},  {24, 0, UINT64_C(0xA3FE70BF9D3510EB)},
        {48, 0, UINT64_C(0x397DA259ECBA1F11)},  {80, 0, UINT64_C(0xBCDEFBBB2C47C90A)},
        {195, 0, UINT64_C(0xCD94217EE362EC3A)}, {403, 0, UINT64_C(0xCDEB804D65C6DEA4)},
        {512, 0, UINT64_C(0x617E49599013CB6B)}, {2048, 0, UINT64_C(0xDD59E2C3A5F038E0)},
    };
    uint8_t bytes[2048];
    sanity_buffer(bytes, sizeof bytes);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(known); i++) CHECK_EQ_UINT(omen_hash64(bytes, known[i].len, known[i].seed), known[i].hash);
}

TEST(the_128_bit_hash_is_canonical) {
    char hex[33];
    omen_hash128 h = omen_hash128_of("", 0), other = omen_hash128_of("a", 1);
    omen_hash128_hex(&h, hex);
    CHECK_EQ_STR(hex, "99aa06d3014798d86001c324468d497f");
    CHECK_EQ_UINT(h.bytes[0], 0x99);
    CHECK(omen_hash128_equal(&h, &h) && !omen_hash128_equal(&h, &other));
    other = h;
    other.bytes[15] ^= 1;
    CHECK(!omen_hash128_equal(&h, &other));
}

TEST(a_stream_hashes_as_one_piece) {
    static uint8_t bytes[20000];
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)test_rand();
    for (int round = 0; round < 50; round++) {
        size_t len = test_rand_below(sizeof bytes), at = 0;
        omen_hasher *h = omen_hasher_new(&mem);
        REQUIRE(h != NULL);
        while (at < len) {
            size_t n = test_rand_below(round % 2 == 0 ? 100 : 5000);
            if (n > len - at) n = len - at;
            omen_hasher_update(h, bytes + at, n);
            at += n;
            if (test_rand_below(8) == 0) { /* asking in between changes nothing */
                omen_hash128 part = omen_hasher_digest(h), want = omen_hash128_of(bytes, at);
                CHECK(omen_hash128_equal(&part, &want));
            }
        }
        omen_hash128 got = omen_hasher_digest(h), want = omen_hash128_of(bytes, len);
        CHECK(omen_hash128_equal(&got, &want));
        omen_hasher_free(h);
    }
    omen_hasher_free(NULL);
    fault_host_fail_alloc_at(host, 1, true);
    CHECK(omen_hasher_new(&mem) == NULL);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

/* Bit by bit, as the polynomial is defined. */
static uint32_t crc_by_definition(const uint8_t *p, size_t len) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    }
    return ~c;
}

TEST(crc32c_is_castagnolis) {
    static uint8_t bytes[3000];
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xFF, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) up[i] = i;
    /* RFC 3720, appendix B.4, and the usual check value. */
    CHECK_EQ_UINT(omen_crc32c_portable(0, zeros, 32), 0x8A9136AAu);
    CHECK_EQ_UINT(omen_crc32c_portable(0, ones, 32), 0x62A8AB43u);
    CHECK_EQ_UINT(omen_crc32c_portable(0, up, 32), 0x46DD794Eu);
    CHECK_EQ_UINT(omen_crc32c_portable(0, "123456789", 9), 0xE3069283u);
    CHECK_EQ_UINT(omen_crc32c_portable(0, NULL, 0), 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)test_rand();
    for (size_t len = 0; len < 200; len++)
        for (size_t at = 0; at < 9; at++) CHECK_EQ_UINT(omen_crc32c_portable(0, bytes + at, len), crc_by_definition(bytes + at, len));
    uint32_t whole = crc_by_definition(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 7)
        CHECK_EQ_UINT(omen_crc32c_portable(omen_crc32c_portable(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

TEST_MAIN()
