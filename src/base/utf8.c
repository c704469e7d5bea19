#include "base/key.h"

static bool tail(uint8_t c) { return (c & 0xC0) == 0x80; }

/* Table 3-7 of the Unicode Standard: well-formed byte sequences. */
bool omen_utf8_valid(const void *bytes, size_t len) {
    if (len == 0) return true; /* bytes may be NULL, which nothing may be added to */
    const uint8_t *p = bytes, *end = p + len;
    while (p < end) {
        if (end - p >= 8 && (omen_get64(p) & UINT64_C(0x8080808080808080)) == 0) {
            p += 8;
            continue;
        }
        uint8_t c = *p;
        size_t left = (size_t)(end - p);
        if (c < 0x80) {
            p += 1;
        } else if (c >= 0xC2 && c <= 0xDF) {
            if (left < 2 || !tail(p[1])) return false;
            p += 2;
        } else if (c >= 0xE0 && c <= 0xEF) {
            uint8_t low = c == 0xE0 ? 0xA0 : 0x80, high = c == 0xED ? 0x9F : 0xBF;
            if (left < 3 || p[1] < low || p[1] > high || !tail(p[2])) return false;
            p += 3;
        } else if (c >= 0xF0 && c <= 0xF4) {
            uint8_t low = c == 0xF0 ? 0x90 : 0x80, high = c == 0xF4 ? 0x8F : 0xBF;
            if (left < 4 || p[1] < low || p[1] > high || !tail(p[2]) || !tail(p[3])) return false;
            p += 4;
        } else {
            return false;
        }
    }
    return true;
}
