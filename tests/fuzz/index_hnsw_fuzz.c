/* Graphs in memory (graph.h) whose content is arbitrary. */
#include "fuzz/index_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)run_one(OMEN_INDEX_HNSW, data, size);
    return 0;
}
