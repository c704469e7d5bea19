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
    for (unsigned n = 0; n < INPUTS; n++) {
        uint8_t input[160];
        test_rng_state = seed + n * UINT64_C(0x9E3779B97F4A7C15);
        size_t size = 2 + (size_t)test_rand_below(sizeof input - 1);
        for (size_t i = 0; i < size; i++) input[i] = (uint8_t)test_rand();
        input[0] = n == 0 ? 255 : input[0] % 240;
        if (n % 4 == 0) size = 8; /* one change: what follows is most often taken for sound */
        run_one(kind, input, size);
    }
}

TEST(graphs_in_memory) { run_some(OMEN_INDEX_HNSW); }
TEST(graphs_in_blocks) { run_some(OMEN_INDEX_DISK); }
TEST(inverted_lists) { run_some(OMEN_INDEX_IVF); }

TEST_MAIN()
