/* Compression: what goes in comes out, the same bytes whatever was compressed before, and damage is refused. */
#include "test.h"

#include "base/compress.h"
#include "base/hash.h"
#include "fault_host.h"

enum { SIZE = 70000 };

static uint8_t raw[SIZE], unpacked[SIZE + 1];

/* Bytes of a kind, from noise to nothing but zeros. */
static void fill(unsigned kind, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint64_t r = test_rand();
        raw[i] = kind == 0 ? (uint8_t)r : kind == 1 ? 0 : kind == 2 ? (uint8_t)('a' + r % 4) : i >= 50 && r % 8 != 0 ? raw[i - 1 - r % 50] : (uint8_t)r;
    }
}

TEST(blocks_come_back) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    omen_zstd *z = omen_zstd_new(&mem);
    omen_buf out;
    omen_buf_init(&out, &mem);
    REQUIRE(z != NULL);
    static const size_t lens[] = {0, 1, 2, 7, 100, 1000, 4096, 65536, SIZE};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(lens); i++)
        for (unsigned kind = 0; kind < 4; kind++) {
            size_t n = lens[i];
            fill(kind, n);
            out.len = 0;
            REQUIRE_OK(omen_buf_append_str(&out, "kept"));
            REQUIRE_OK(omen_zstd_compress(z, raw, n, &out));
            CHECK_MEM(out.data, "kept", 4);
            if (kind == 1 && n > 1000) CHECK(out.len < 100);
            unpacked[n] = 0x77;
            CHECK_OK(omen_zstd_decompress(z, out.data + 4, out.len - 4, unpacked, n));
            CHECK_MEM(unpacked, raw, n);
            CHECK_EQ_UINT(unpacked[n], 0x77);
            /* Another length is another block. */
            CHECK_STATUS(omen_zstd_decompress(z, out.data + 4, out.len - 4, unpacked, n + 1), OMEN_ERR_CORRUPT);
            if (n > 0) CHECK_STATUS(omen_zstd_decompress(z, out.data + 4, out.len - 4, unpacked, n - 1), OMEN_ERR_CORRUPT);
        }
    omen_zstd_free(z);
    omen_zstd_free(NULL);
    omen_buf_deinit(&out);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

/* Segments are named by their bytes: a context that has compressed other things must not compress differently. */
TEST(a_used_context_compresses_as_a_fresh_one) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    omen_zstd *used = omen_zstd_new(&mem);
    omen_buf a, b;
    omen_buf_init(&a, &mem);
    omen_buf_init(&b, &mem);
    for (int i = 0; i < 300; i++) {
        size_t n = test_rand_below(i % 3 == 0 ? SIZE : 3000);
        fill((unsigned)test_rand_below(4), n);
        omen_zstd *fresh = omen_zstd_new(&mem);
        a.len = b.len = 0;
        REQUIRE_OK(omen_zstd_compress(used, raw, n, &a));
        REQUIRE_OK(omen_zstd_compress(fresh, raw, n, &b));
        CHECK_EQ_UINT(a.len, b.len);
        CHECK_MEM(a.data, b.data, a.len);
        omen_zstd_free(fresh);
    }
    omen_zstd_free(used);
    omen_buf_deinit(&a);
    omen_buf_deinit(&b);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

/* Independent of the seed: every build and host must come to this hash. */
TEST(the_bytes_are_pinned) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    omen_zstd *z = omen_zstd_new(&mem);
    omen_buf out;
    omen_buf_init(&out, &mem);
    uint32_t state = 12345;
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1664525u + 1013904223u;
        unsigned r = state >> 24;
        raw[i] = i >= 64 && r > 40 ? raw[i - 1 - (r & 63)] : (uint8_t)('a' + r % 26);
    }
    REQUIRE_OK(omen_zstd_compress(z, raw, 65536, &out));
    REQUIRE_OK(omen_zstd_compress(z, raw, 1000, &out));
    CHECK_EQ_UINT(out.len, 38698);
    CHECK_EQ_UINT(omen_hash64(out.data, out.len, 0), UINT64_C(0xab6a607f35b39e39));
    omen_zstd_free(z);
    omen_buf_deinit(&out);
    fault_host_free(host);
}

TEST(damage_is_refused_and_never_written_past) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    omen_zstd *z = omen_zstd_new(&mem);
    omen_buf out;
    omen_buf_init(&out, &mem);
    size_t refused = 0, tried = 0;
    fill(3, 5000);
    REQUIRE_OK(omen_zstd_compress(z, raw, 5000, &out));
    for (size_t cut = 0; cut < out.len; cut += 1 + cut / 50) CHECK_STATUS(omen_zstd_decompress(z, out.data, cut, unpacked, 5000), OMEN_ERR_CORRUPT);
    for (int i = 0; i < 2000; i++, tried++) {
        size_t at = test_rand_below(out.len);
        uint8_t was = out.data[at];
        out.data[at] ^= (uint8_t)(1 + test_rand_below(255));
        memset(unpacked + 5000, 0x77, 100);
        omen_status s = omen_zstd_decompress(z, out.data, out.len, unpacked, 5000);
        CHECK(s == OMEN_OK || s == OMEN_ERR_CORRUPT); /* without a checksum some damage decodes to other bytes: the container notices */
        refused += s != OMEN_OK;
        for (size_t k = 0; k < 100; k++) CHECK(unpacked[5000 + k] == 0x77);
        out.data[at] = was;
    }
    CHECK(refused > 0);
    CHECK_OK(omen_zstd_decompress(z, out.data, out.len, unpacked, 5000));
    CHECK_MEM(unpacked, raw, 5000);
    omen_zstd_free(z);
    omen_buf_deinit(&out);
    fault_host_free(host);
}

TEST(out_of_memory_is_answered) {
    size_t failures = 0;
    for (uint64_t n = 1;; n++) {
        fault_host *host = fault_host_new(1);
        omen_mem mem;
        omen_mem_init(&mem, &host->host, 0);
        omen_buf out;
        omen_buf_init(&out, &mem);
        fault_host_fail_alloc_at(host, n, true);
        omen_zstd *z = omen_zstd_new(&mem);
        omen_status s = z == NULL ? OMEN_ERR_MEMORY : omen_zstd_compress(z, raw, 5000, &out);
        if (s == OMEN_OK) s = omen_zstd_decompress(z, out.data, out.len, unpacked, 5000);
        bool hit = fault_host_fault_hit(host);
        CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
        failures += hit;
        omen_zstd_free(z);
        omen_buf_deinit(&out);
        CHECK_EQ_UINT(fault_host_bytes(host), 0);
        fault_host_free(host);
        if (!hit) break;
    }
    CHECK(failures >= 4);
}

TEST_MAIN()
