/* Bitsets, and who owns them. */
#include "test.h"

#include "base/bits.h"
#include "fault_host.h"

TEST(bits_are_set_once_and_counted) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    static const uint32_t counts[] = {0, 1, 63, 64, 65, 127, 128, 1000};
    for (size_t c = 0; c < OMEN_ARRAY_LEN(counts); c++) {
        static bool want[1000];
        uint32_t ones = 0;
        omen_bits *b = omen_bits_new(&mem, counts[c]);
        REQUIRE(b != NULL);
        CHECK_EQ_UINT(b->count, counts[c]);
        memset(want, 0, sizeof want);
        for (uint32_t i = 0; i < counts[c]; i++) CHECK(!omen_bits_test(b, i));
        for (uint32_t k = 0; k < counts[c]; k++) {
            uint32_t i = (uint32_t)test_rand_below(counts[c]);
            CHECK_EQ_INT(omen_bits_set(b, i), !want[i]);
            ones += !want[i];
            want[i] = true;
            CHECK_EQ_UINT(b->ones, ones);
        }
        omen_bits *copy = omen_bits_copy(b);
        REQUIRE(copy != NULL);
        CHECK_EQ_UINT(copy->ones, ones);
        for (uint32_t i = 0; i < counts[c]; i++) CHECK(omen_bits_test(b, i) == want[i] && omen_bits_test(copy, i) == want[i]);
        if (counts[c] > 0 && ones < counts[c]) { /* the copy is its own */
            uint32_t i = 0;
            while (want[i]) i++;
            omen_bits_set(copy, i);
            CHECK(omen_bits_test(copy, i) && !omen_bits_test(b, i));
        }
        omen_bits_unref(b);
        omen_bits_unref(copy);
        CHECK_EQ_UINT(mem.bytes, 0);
    }
    CHECK(!omen_bits_test(NULL, 5));
    fault_host_free(host);
}

TEST(the_last_reference_frees) {
    fault_host *host = fault_host_new(1);
    omen_mem mem;
    omen_mem_init(&mem, &host->host, 0);
    omen_bits *b = omen_bits_new(&mem, 100);
    CHECK(omen_bits_ref(b) == b);
    omen_bits_unref(b);
    CHECK(mem.bytes > 0);
    fault_host_fail_alloc_at(host, 1, true);
    CHECK(omen_bits_copy(b) == NULL);
    CHECK(omen_bits_new(&mem, 10) == NULL);
    omen_bits_unref(b);
    CHECK_EQ_UINT(mem.bytes, 0);
    CHECK(omen_bits_ref(NULL) == NULL);
    omen_bits_unref(NULL);
    fault_host_free(host);
}

TEST_MAIN()
