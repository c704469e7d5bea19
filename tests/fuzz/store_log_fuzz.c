/* Log recovery on arbitrary files: byte 0 says how many files there are (1 to 3) and which flags hold, the next bytes where they are cut.
 * Half of the inputs start with files whose checksums the fuzzer need not guess: `seal` puts them right. */
#include <stdlib.h>

#include "base/hash.h"
#include "store/log_format.h"
#include "store_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t last_end;

static omen_status each(void *arg, const omen_recovered_frame *f, omen_error *err) {
    (void)arg, (void)err;
    /* Frames come in order, without gaps, and can be read to their end. */
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < f->len; i++) sum = (uint8_t)(sum + f->payload[i]);
    if (last_end != 0 && f->first_lsn != last_end) abort();
    last_end = f->first_lsn + f->count;
    return OMEN_OK;
}

/* Gives every frame found by its magic a right checksum, so that what lies behind the checksums is reached. */
static void seal(fixture *x, uint64_t epoch, uint8_t *p, size_t len) {
    for (size_t at = 0; at + 48 <= len; at += 8) {
        uint32_t length = omen_get32(p + at + 32);
        if (omen_get32(p + at) != OMEN_LOG_MAGIC || length > len - at - 48 || (length + 7) / 8 * 8 > len - at - 48) continue;
        uint32_t crc = omen_crc32c_portable(omen_log_seed(x->store.database_id, epoch), p + at, 44);
        omen_put32(p + at + 44, omen_crc32c_portable(crc, p + at + 48, (length + 7) / 8 * 8));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) return 0;
    fault_storage *fs = fault_storage_new(1);
    fixture x;
    fixture_init(&x, fs, data[3], 1 << 20);
    x.mem.limit = x.mem.bytes + (8u << 20);
    unsigned files = 1 + data[0] % 3;
    size_t left = size - 4;
    const uint8_t *p = data + 4;
    for (unsigned i = 0; i < files; i++) {
        size_t len = i + 1 == files ? left : left * data[1 + i % 2] / 256;
        uint8_t *copy = malloc(len + 1);
        memcpy(copy, p, len);
        if (data[0] & 0x40) seal(&x, 1 + i, copy, len);
        fault_storage_put(fs, omen_log_file_name(1 + i).text, copy, len);
        free(copy);
        p += len;
        left -= len;
    }
    for (int round = 0; round < 2; round++) { /* what recovery left must recover again, to the same */
        static uint64_t next;
        omen_recovery *r;
        last_end = 0;
        if (omen_recovery_new(&x.store, 1, data[0] >> 7, (data[0] & 0x20) != 0, each, NULL, &r) != OMEN_OK) abort();
        omen_status s = omen_recovery_step(r, NULL);
        if (s != OMEN_OK && s != OMEN_ERR_CORRUPT && s != OMEN_ERR_VERSION && s != OMEN_ERR_MEMORY) abort();
        if (round == 1 && (s != OMEN_OK || omen_recovery_result_of(r)->next_lsn != next)) abort();
        next = omen_recovery_result_of(r)->next_lsn;
        omen_recovery_free(r);
        if (s != OMEN_OK) break;
    }
    x.mem.limit = 0;
    if (fault_storage_misuse(fs) != NULL || fixture_deinit(&x) != 0) abort();
    fault_storage_free(fs);
    return 0;
}
