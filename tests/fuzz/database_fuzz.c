/* The files of a whole database, changed: manifest with its schemas, log, segments with ids, documents, columns, postings. Byte 0 says which database (bit 0: one that was
 * closed, or one that was killed), whether checksums are put right afterwards (bit 1), and whether a file is cut at the first edit (bit 2). The rest are edits of four
 * bytes: file, place (two bytes), and what is xored there. Whatever comes of it, opening, reading, checking, writing and merging end with an answer and leave nothing behind;
 * where the checksums are as they were and one file alone was changed, a database that was closed is never answered wrongly. (Damage to the newest manifest looks like one that was
 * cut off; where the log is cut as well, nothing is left that says so.) */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"
#include "seal.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 26, CLOSED = 1, SEAL = 2, CUT = 4 };

static fault_storage *bases[2];
static script_state whole;

static fault_storage *build(bool closed) {
    fault_host *h = fault_host_new(1);
    script s;
    script_state state = {{0}};
    if (script_open(&s, h, OMEN_DURABILITY_GROUP, true) != OMEN_OK) abort();
    for (unsigned n = 0; n < STEPS; n++)
        if (script_step(&s, n, &state) != OMEN_OK) abort();
    whole = state;
    fault_storage *image = closed ? NULL : fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
    script_close(&s);
    if (image == NULL) image = fault_storage_crash(fault_host_image(h, "db"), FAULT_CRASH_DURABLE, 1);
    fault_host_free(h);
    return image;
}

static void seal_all(fault_storage *fs) {
    uint8_t id[16] = {0};
    for (size_t i = 0; i < fault_storage_count(fs); i++) {
        const char *name = fault_storage_name(fs, i);
        size_t len;
        uint64_t number;
        const uint8_t *bytes = fault_storage_data(fs, name, &len);
        if (bytes == NULL || len == 0) continue;
        uint8_t *copy = malloc(len);
        memcpy(copy, bytes, len);
        if (strncmp(name, "manifest-", 9) == 0) {
            seal_manifest(copy, len);
            if (len >= 64) memcpy(id, copy + 24, 16);
        } else if (omen_log_file_parse(name, &number)) {
            seal_log(copy, len, id, number);
        } else if (omen_segment_file_parse(name, &number) && len >= 96) {
            seal_blocks(copy, len, (size_t)omen_get64(copy + len - 32));
            seal_segment(copy, len, (size_t)omen_get64(copy + len - 32));
        }
        fault_storage_put(fs, name, copy, len);
        free(copy);
    }
}

static void edit(fault_storage *fs, const uint8_t *e, bool cut) {
    char name[64];
    size_t len;
    snprintf(name, sizeof name, "%s", fault_storage_name(fs, (e[0] & 127) % fault_storage_count(fs)));
    if (fault_storage_data(fs, name, &len) == NULL || len == 0) return;
    /* From the end as well: there a segment has its footer. */
    size_t at = (size_t)(e[1] | e[2] << 8) % len;
    if ((e[0] & 128) != 0) at = len - 1 - at;
    if (cut) fault_storage_cut(fs, name, at);
    else fault_storage_xor(fs, name, at, e[3]);
}

static bool answer(omen_status s, bool sealed) {
    if (sealed) return s != OMEN_ERR_INTERNAL;
    return s == OMEN_OK || s == OMEN_ERR_CORRUPT || s == OMEN_ERR_VERSION || s == OMEN_ERR_FOREIGN || s == OMEN_ERR_KEY || s == OMEN_ERR_NOT_FOUND;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 5) return 0;
    unsigned how = data[0];
    bool sealed = (how & SEAL) != 0, closed = (how & CLOSED) != 0;
    fault_storage **base = &bases[closed];
    if (*base == NULL) *base = build(closed);
    fault_storage *image = fault_storage_clone(*base);
    bool one = true;
    for (size_t at = 1; at + 4 <= size && at < 400; at += 4) {
        edit(image, data + at, (how & CUT) != 0 && at == 1);
        one = one && ((data[at] ^ data[1]) & 127) == 0;
    }
    if (sealed) seal_all(image);
    fault_host *h = fault_host_new(1);
    fault_host_set_fill(h, false);
    fault_host_set_image(h, "db", image);
    script s;
    script_state found;
    const char *why = "";
    omen_status st = script_open(&s, h, OMEN_DURABILITY_GROUP, false);
    if (!answer(st, sealed)) fprintf(stderr, "opening: %d %s\n", (int)st, omen_last_error()), abort();
    if (st == OMEN_OK) {
        bool read = script_read(&s, &found, &why);
        omen_status checked = omen_check(s.db);
        if (!answer(checked, sealed)) abort();
        if (!sealed && closed && one && read && checked == OMEN_OK && memcmp(&found, &whole, sizeof found) != 0) fprintf(stderr, "wrong answers\n"), abort();
        script_state ignored = found;
        for (unsigned n = STEPS; n < STEPS + 3; n++)
            if (script_step(&s, n, &ignored) == OMEN_ERR_INTERNAL) abort();
        if (omen_compact(s.db) == OMEN_ERR_INTERNAL) abort();
    }
    script_close(&s);
    if (fault_host_bytes(h) != 0) abort();
    fault_host_free(h);
    return 0;
}
