/* torn.h - what a file's bytes say of how they came to be: all there, cut off by a crash, or another storage's. */
#ifndef OMEN_STORE_TORN_H
#define OMEN_STORE_TORN_H

#include <string.h>

#include "base/base.h"
#include "base/key.h"

/* A write reaches the disk in sectors; one that did not reads as zeros in a file that has grown. */
#define OMEN_SECTOR 512u

static inline bool omen_all_zero(const uint8_t *p, size_t len) {
    while (len > 0 && *p == 0) p++, len--;
    return len == 0;
}

/* The marks of a first write that was cut off: it ends early, or a whole sector of it is zero. */
static inline bool omen_cut_off(const uint8_t *p, size_t len, uint64_t should_hold) {
    if (len < should_hold) return true;
    for (size_t at = 0; at < len; at += OMEN_SECTOR)
        if (omen_all_zero(p + at, OMEN_MIN(OMEN_SECTOR, len - at))) return true;
    return false;
}

/* Whether the file is one of a storage that encrypts (docs/ENCRYPTION.md), seen without its key. */
static inline bool omen_sealed(const uint8_t *p, size_t len) {
    static const char magic[8] = {'O', 'M', 'E', 'N', 'S', 'E', 'A', 'L'};
    return len >= sizeof magic && memcmp(p, magic, sizeof magic) == 0;
}

/* The id of the key that such a file is encrypted with, from its first OMEN_SEALED_LABEL bytes, fit to be shown; "" when it has none. */
#define OMEN_SEALED_LABEL 80u
static inline void omen_sealed_label(const uint8_t *p, size_t len, char label[33]) {
    memset(label, 0, 33);
    if (len < OMEN_SEALED_LABEL) return;
    memcpy(label, p + 48, 32);
    bool text = omen_utf8_valid(label, strlen(label));
    for (char *c = label; *c != '\0'; c++)
        if ((uint8_t)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\' || (!text && (uint8_t)*c >= 0x80)) *c = '?';
}

#endif
