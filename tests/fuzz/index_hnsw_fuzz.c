/* Graphs in memory (graph.h) whose content is arbitrary. */
#include "fuzz/index_target.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What takes long is built before the time of an input counts. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    shape made;
    (void)argc, (void)argv;
    (void)choose(OMEN_INDEX_HNSW, 255, &made);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)run_one(OMEN_INDEX_HNSW, data, size);
    return 0;
}
