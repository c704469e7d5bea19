/* crc32c.c - CRC32C, slicing by 16: sixteen bytes a step through sixteen tables (after Kounavis and Berry 2005). Table k advances a byte by k
 * further bytes. The tables are computed at first use: they would be 16 KB of the module that nothing compresses. */
#include <stdatomic.h>

#include "base/hash.h"

#define POLYNOMIAL 0x82F63B78u /* Castagnoli's, bit-reversed */

#define SLICES 16u
static uint32_t table[SLICES][256];

/* How far the tables are. The thread that comes first fills them; one that comes meanwhile does without. */
enum { EMPTY, FILLING, READY };
static _Atomic int state;

static uint32_t next_bits(uint32_t c) {
    for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) != 0 ? POLYNOMIAL : 0);
    return c;
}

static bool tables_ready(void) {
    int seen = atomic_load_explicit(&state, memory_order_acquire);
    if (seen == READY) return true;
    if (seen == FILLING || !atomic_compare_exchange_strong(&state, &seen, FILLING)) return false;
    for (uint32_t i = 0; i < 256; i++) table[0][i] = next_bits(i);
    for (uint32_t k = 1; k < SLICES; k++)
        for (uint32_t i = 0; i < 256; i++) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF];
    atomic_store_explicit(&state, READY, memory_order_release);
    return true;
}

/* The four bytes of w, `behind` bytes before the end of the step. */
static inline uint32_t word(uint32_t w, size_t behind) {
    return table[behind + 3][w & 0xFF] ^ table[behind + 2][w >> 8 & 0xFF] ^ table[behind + 1][w >> 16 & 0xFF] ^ table[behind][w >> 24];
}

uint32_t omen_crc32c_portable(uint32_t crc, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    crc = ~crc;
    if (!tables_ready()) {
        for (; len != 0; len--, p++) crc = next_bits(crc ^ *p);
        return ~crc;
    }
    /* Only the first word waits for the step before. */
    for (; len >= SLICES; len -= SLICES, p += SLICES)
        crc = word(omen_get32(p + 12), 0) ^ word(omen_get32(p + 8), 4) ^ word(omen_get32(p + 4), 8) ^ word(omen_get32(p) ^ crc, 12);
    for (; len != 0; len--, p++) crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xFF];
    return ~crc;
}
