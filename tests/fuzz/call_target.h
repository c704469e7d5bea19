/* call_target.h - what the targets of the call protocol share: making requests of bytes, and what every answer must be. */
#ifndef OMEN_FUZZ_CALL_TARGET_H
#define OMEN_FUZZ_CALL_TARGET_H

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "fault_host.h"
#include "omendb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 4096, REQUESTS = 24 };

static inline void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "a call: %s\n", what);
    abort();
}

static inline size_t padded(size_t n) { return (n + 7) & ~(size_t)7; }

static inline size_t make(uint8_t *into, const uint8_t *data, size_t len, uint32_t parts) {
    const uint8_t *part[8], *end = data + len;
    size_t lens[8], at;
    uint32_t count = 0;
    for (; count < parts && data < end; count++) {
        lens[count] = OMEN_MIN((size_t)*data, (size_t)(end - data - 1));
        part[count] = data + 1;
        data += 1 + lens[count];
    }
    uint32_t json = (uint32_t)(end - data);
    memset(into, 0, LARGEST);
    memcpy(into, "OMC1", 4);
    omen_put32(into + 8, json);
    omen_put32(into + 12, count);
    at = 16 + 16 * (size_t)count;
    if (json != 0) memcpy(into + at, data, json);
    at = padded(at + json);
    for (uint32_t i = 0; i < count; i++) {
        omen_put64(into + 16 + 16 * i, at);
        omen_put64(into + 24 + 16 * i, lens[i]);
        if (lens[i] != 0) memcpy(into + at, part[i], lens[i]);
        at = padded(at + lens[i]);
    }
    return at;
}

static inline void answered(omen_mem *m, const uint8_t *b, size_t len, omen_status s) {
    must(len >= 16 && memcmp(b, "OMR1", 4) == 0, "an answer without a head");
    must(omen_get32(b + 4) == (uint32_t)s, "an answer of another status");
    uint32_t json_len = omen_get32(b + 8), parts = omen_get32(b + 12);
    must(parts <= (len - 16) / 16, "more parts than there is room for");
    size_t at = 16 + 16 * (size_t)parts;
    must(json_len <= len - at, "JSON beyond the end");
    for (uint32_t i = 0; i < parts; i++) {
        uint64_t from = omen_get64(b + 16 + 16 * i), n = omen_get64(b + 24 + 16 * i);
        must(from <= len && n <= len - from, "a part beyond the end");
    }
    omen_json *json;
    omen_error err = {0};
    if (json_len == 0) return;
    must(omen_json_parse(m, (omen_str){(const char *)b + at, json_len}, &json, &err) == OMEN_OK, "an answer that is no JSON");
    omen_json_free(json);
}

#endif
