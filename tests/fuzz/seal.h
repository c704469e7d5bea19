/* seal.h - puts the checksums of changed files right, so that what lies behind them is reached. */
#ifndef OMEN_FUZZ_SEAL_H
#define OMEN_FUZZ_SEAL_H

#include <string.h>

#include "base/hash.h"
#include "store/log_format.h"
#include "store/segment_format.h"

/* The checksums of a segment's blocks as its footer describes them, as far as that makes sense. */
static inline void seal_blocks(uint8_t *p, size_t len, size_t footer) {
    if (footer > len || len - footer < OMEN_SEGMENT_FOOTER + OMEN_SEGMENT_TRAILER) return;
    uint32_t count = omen_get32(p + footer), done = 0;
    size_t crcs = footer + OMEN_SEGMENT_FOOTER + (size_t)count * OMEN_SEGMENT_ENTRY, end = len - OMEN_SEGMENT_TRAILER;
    for (uint32_t i = 0; i < count && i < 64 && crcs < end; i++) {
        omen_segment_entry e;
        memcpy(&e, p + footer + OMEN_SEGMENT_FOOTER + (size_t)i * sizeof e, sizeof e);
        for (uint32_t b = 0; b < e.block_count && b < 64 && crcs + ((size_t)done + 1) * 4 <= end; b++, done++) {
            uint64_t skip = (uint64_t)b * e.block_len;
            if (e.offset > len || skip > e.stored_len || skip > len - e.offset) continue;
            uint64_t from = e.offset + skip, n = OMEN_MIN(e.block_len, e.stored_len - skip);
            if (n <= len - from) omen_put32(p + crcs + (size_t)done * 4, omen_crc32c_portable(0, p + from, (size_t)n));
        }
    }
}

/* Header, trailer and their checksum, with the footer at `footer`. */
static inline void seal_segment(uint8_t *p, size_t len, size_t footer) {
    if (len < OMEN_SEGMENT_HEADER + OMEN_SEGMENT_TRAILER || footer > len - OMEN_SEGMENT_TRAILER) return;
    uint8_t *t = p + len - OMEN_SEGMENT_TRAILER;
    omen_segment_header(p);
    omen_put64(t, footer);
    omen_put64(t + 8, len - OMEN_SEGMENT_TRAILER - footer);
    memcpy(t + 24, "OMENEND1", 8);
    uint32_t crc = omen_crc32c_portable(omen_crc32c_portable(0, p, OMEN_SEGMENT_HEADER), p + footer, len - OMEN_SEGMENT_TRAILER - footer);
    omen_put32(t + OMEN_SEGMENT_TRAILER_CRC, omen_crc32c_portable(crc, t, OMEN_SEGMENT_TRAILER_CRC));
}

/* A slot of the manifest. */
static inline void seal_manifest(uint8_t *p, size_t len) {
    if (len < 64) return;
    uint32_t payload = omen_get32(p + 40);
    if (payload <= len - 64) omen_put32(p + 44, omen_crc32c_portable(0, p + 64, payload));
    omen_put32(p + 60, omen_crc32c_portable(0, p, 60));
}

/* The frames of a log, each linked to the one before it. */
static inline void seal_log(uint8_t *p, size_t len, const uint8_t id[16], uint64_t epoch) {
    uint32_t before = 0;
    for (size_t at = 0; at + OMEN_LOG_HEADER <= len;) {
        size_t body = omen_log_body(omen_get32(p + at + 32)), room = len - at - OMEN_LOG_HEADER;
        if (omen_get32(p + at + 32) > OMEN_FRAME_MAX_PAYLOAD || body > room) return;
        if (at != 0) omen_put32(p + at + 40, before);
        uint32_t crc = omen_crc32c_portable(omen_log_seed(id, epoch), p + at, 44);
        before = omen_crc32c_portable(crc, p + at + OMEN_LOG_HEADER, body);
        omen_put32(p + at + 44, before);
        at += OMEN_LOG_HEADER + body;
    }
}

#endif
