/* Opening, reading and verifying arbitrary bytes as a segment. With bit 0 of byte 0 the magics, the footer's place and its checksum are put
 * right, so that what lies behind them is reached; with bit 1 the block checksums too. */
#include <stdlib.h>

#include "seal.h"
#include "store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 + 112) return 0;
    size_t len = size - 3;
    uint8_t *copy = malloc(len);
    memcpy(copy, data + 3, len);
    size_t footer = 64 + (size_t)(data[1] | data[2] << 8) % 1024 * 64;
    if ((data[0] & 1) != 0 && footer + 16 + 32 <= len) {
        if ((data[0] & 2) != 0) seal_blocks(copy, len, footer);
        seal_segment(copy, len, footer);
    }
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_segment *seg = NULL;
    omen_segment_info info = {.number = 1, .length = len, .hash = omen_hash128_of(copy, len)};
    fault_storage_put(fs, omen_segment_file_name(1).text, copy, len);
    free(copy);
    fixture_init(&x, fs, 1, 1 << 20);
    x.mem.limit = x.mem.bytes + (16u << 20);
    omen_status s = omen_segment_open(&x.store, &info, &seg, NULL);
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT && s != OMEN_ERR_VERSION && s != OMEN_ERR_MEMORY) abort();
    if (s == OMEN_OK) {
        for (size_t i = 0; i < omen_segment_section_count(seg); i++) {
            const omen_section *sec = omen_segment_section_at(seg, i);
            for (uint32_t b = 0; b < sec->block_count; b++) {
                const omen_block *block;
                s = omen_segment_block(seg, sec, b, &block, NULL);
                if (s != OMEN_OK && s != OMEN_ERR_CORRUPT && s != OMEN_ERR_MEMORY) abort();
                if (s != OMEN_OK) break;
                volatile uint8_t sum = 0;
                for (uint32_t k = 0; k < block->len; k++) sum = (uint8_t)(sum + block->data[k]);
                omen_block_release(x.store.pool, block);
            }
        }
        omen_segment_check place = {0};
        s = omen_segment_verify(seg, &place, NULL);
        if (s != OMEN_OK && s != OMEN_ERR_CORRUPT && s != OMEN_ERR_MEMORY) abort();
        omen_segment_check_deinit(seg, &place);
        omen_segment_close(seg);
    }
    x.mem.limit = 0;
    if (fault_storage_misuse(fs) != NULL || fixture_deinit(&x) != 0) abort();
    fault_storage_free(fs);
    return 0;
}
