/* The manifest on arbitrary slots. Byte 0: bit 0 and 1 say which slots exist, bit 2 that their checksums are put right; byte 1: where the
 * rest is cut in two. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/manifest.h"
#include "store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_slot(fault_storage *fs, const char *name, const uint8_t *p, size_t len, bool seal) {
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, p, len);
    if (seal && len >= 64) {
        uint32_t length = omen_get32(copy + 40);
        if (length > len - 64) omen_put32(copy + 40, length = (uint32_t)(len - 64));
        memcpy(copy, "OMENMNF1", 8);
        omen_put32(copy + 44, omen_crc32c_portable(0, copy + 64, length));
        omen_put32(copy + 60, omen_crc32c_portable(0, copy, 60));
    }
    fault_storage_put(fs, name, copy, len);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    omen_manifest *m = NULL;
    fixture_init(&x, fs, 0, 1 << 20);
    x.mem.limit = x.mem.bytes + (8u << 20);
    size_t first = (size - 2) * data[1] / 256;
    if (data[0] & 1) put_slot(fs, "manifest-0", data + 2, first, (data[0] & 4) != 0);
    if (data[0] & 2) put_slot(fs, "manifest-1", data + 2 + first, size - 2 - first, (data[0] & 4) != 0);
    omen_status s = omen_manifest_open(&x.store, &m, NULL);
    if (s != OMEN_OK && s != OMEN_ERR_CORRUPT && s != OMEN_ERR_FOREIGN && s != OMEN_ERR_VERSION && s != OMEN_ERR_KEY && s != OMEN_ERR_MEMORY) abort();
    if ((s == OMEN_OK) != (m != NULL)) abort();
    if (s == OMEN_OK) {
        const uint8_t *got;
        size_t len;
        volatile uint8_t sum = 0;
        omen_manifest_payload(m, &got, &len);
        for (size_t i = 0; i < len; i++) sum = (uint8_t)(sum + got[i]);
        /* What could be read can be gone on with. */
        uint64_t generation = omen_manifest_generation(m);
        if (generation < UINT64_MAX && omen_manifest_write(m, "next", 4, NULL) == OMEN_OK) {
            omen_manifest_close(m);
            m = NULL;
            if (omen_manifest_open(&x.store, &m, NULL) != OMEN_OK || omen_manifest_generation(m) != generation + 1) abort();
        }
        omen_manifest_close(m);
    }
    x.mem.limit = 0;
    if (fault_storage_misuse(fs) != NULL || fixture_deinit(&x) != 0) abort();
    fault_storage_free(fs);
    return 0;
}
