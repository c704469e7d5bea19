/* Analysis of arbitrary bytes: byte 0 picks language and options, byte 1 the flags; the rest is the text. Every token lies in the text, in order, is
 * well-formed and short; and the same text gives the same tokens again, remembered or not. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/key.h"
#include "fault_host.h"
#include "text/analyze.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t walk(omen_analyzer *a, const uint8_t *text, size_t len, unsigned flags) {
    omen_token t;
    uint32_t start = 0, position = 0;
    bool first = true;
    uint64_t h = len;
    omen_analyzer_start(a, text, len, flags);
    while (omen_analyzer_next(a, &t)) {
        if (t.len == 0 || t.len > OMEN_TERM_MAX || t.start >= t.end || t.end > len || !omen_utf8_valid(t.term, t.len)) abort();
        if (!first && (t.start <= start || t.position <= position)) abort();
        start = t.start, position = t.position, first = false;
        h = omen_hash64(t.term, t.len, h + ((uint64_t)t.position << 32 | t.end));
    }
    if (!first && omen_analyzer_positions(a) <= position) abort();
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static omen_analyzer *analyzers[256];
    static omen_mem mem;
    if (size < 2) return 0;
    if (mem.host == NULL) omen_mem_init(&mem, &fault_host_new(1)->host, 0);
    omen_analyzer **a = &analyzers[data[0]];
    if (*a == NULL) {
        omen_analyzer_options o = {.language = omen_language_at(data[0] & 31), .stop_words = (data[0] & 32) != 0, .keep_accents = (data[0] & 64) != 0,
            .no_stem = (data[0] & 128) != 0};
        if (omen_analyzer_new(&mem, &o, a, NULL) != OMEN_OK) abort();
    }
    unsigned flags = data[1] & 3;
    uint64_t h = walk(*a, data + 2, size - 2, flags);
    if (walk(*a, data + 2, size - 2, flags) != h) abort();
    return 0;
}
