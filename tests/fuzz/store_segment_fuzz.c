/* Opening, reading and verifying arbitrary bytes as a segment. With bit 0 of byte 0 the magics, the footer's place and its checksum are put
 * right, so that what lies behind them is reached; with bit 1 the block checksums too. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/segment_format.h"
#include "store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *p, size_t len, size_t footer, bool blocks) {
    omen_segment_header(p);
    uint8_t *t = p + len - 32;
    if (blocks) {
        /* The block table's checksums, for plain sections and stored blocks alike, as far as its entries make sense. */
        uint32_t count = omen_get32(p + footer), done = 0;
        size_t crcs = footer + 16 + (size_t)count * 48;
        for (uint32_t i = 0; i < count && i < 64 && crcs < len - 32; i++) {
            omen_segment_entry e;
            if (footer + 16 + (size_t)i * 48 + 48 > len) break;
            memcpy(&e, p + footer + 16 + (size_t)i * 48, sizeof e);
            for (uint32_t b = 0; b < e.block_count && b < 64 && crcs + (done + 1) * 4 <= len - 32; b++, done++) {
                uint64_t from = e.offset + (uint64_t)b * e.block_len, n = OMEN_MIN(e.block_len, e.stored_len - (uint64_t)b * e.block_len);
                if (from <= len && n <= len - from) omen_put32(p + crcs + done * 4, omen_crc32c_portable(0, p + from, (size_t)n));
            }
        }
    }
    omen_put64(t, footer);
    omen_put64(t + 8, len - 32 - footer);
    memcpy(t + 24, "OMENEND1", 8);
    uint32_t crc = omen_crc32c_portable(omen_crc32c_portable(0, p, 64), p + footer, len - 32 - footer);
    omen_put32(t + 20, omen_crc32c_portable(crc, t, 20));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 + 112) return 0;
    size_t len = size - 3;
    uint8_t *copy = malloc(len);
    memcpy(copy, data + 3, len);
    size_t footer = 64 + (size_t)(data[1] | data[2] << 8) % 1024 * 64;
    if ((data[0] & 1) != 0 && footer + 16 + 32 <= len) seal(copy, len, footer, (data[0] & 2) != 0);
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
