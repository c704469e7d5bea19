/* The targets of the fuzzers of index files (fuzz/index_target.h) with random input, on every platform: changed content behind right checksums does no harm. */
#include "fuzz/index_target.h"

/* How many inputs; one of a two-level graph in the first, the rest of small shapes. */
#if defined(__wasm__) || defined(__aarch64__)
#define INPUTS 60
#else
#define INPUTS 400
#endif

static void run_some(omen_index_kind kind) {
    uint64_t seed = test_rand();
    unsigned came[3] = {0};
    for (unsigned n = 0; n < INPUTS; n++) {
        uint8_t bytes[160];
        test_rng_state = seed + n * UINT64_C(0x9E3779B97F4A7C15);
        size_t size = 2 + (size_t)test_rand_below(sizeof bytes - 1);
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)test_rand();
        bytes[0] = n == 0 ? 255 : bytes[0] % 240;
        if (n % 4 != 0) {
            /* One small change: numbers moved about or changed by a little are what is most often taken for sound. */
            static const uint8_t small[] = {6, 8, 9, 9};
            bytes[2] = (uint8_t)(small[n % 4] << 4 | (bytes[2] & 15));
            size = n % 4 == 1 ? 11 : 9;
        }
        came[run_one(kind, bytes, size)]++;
    }
    printf("     %u refused when opened, %u when verified, %u sound\n", came[REFUSED], came[DAMAGED], came[SOUND]);
    CHECK(came[REFUSED] >= INPUTS / 10 && came[SOUND] >= INPUTS / 10);
}

TEST(graphs_in_memory) { run_some(OMEN_INDEX_HNSW); }
TEST(graphs_in_blocks) { run_some(OMEN_INDEX_DISK); }
TEST(inverted_lists) { run_some(OMEN_INDEX_IVF); }

TEST_MAIN()
