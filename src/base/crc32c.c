/* crc32c.c - CRC32C, slicing by 8: eight bytes a step through eight tables (Kounavis and Berry 2005). Table k advances a byte by k further
 * bytes. The tables are computed at first use: they would be 8 KB of the module that nothing compresses. */
#include <stdatomic.h>

#include "base/hash.h"

#define POLYNOMIAL 0x82F63B78u /* Castagnoli's, bit-reversed */

static uint32_t table[8][256];
static _Atomic int ready;

/* Two threads may fill it at once: they write the same values. */
static void fill(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) != 0 ? POLYNOMIAL : 0);
        table[0][i] = c;
    }
    for (uint32_t k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF];
    atomic_store_explicit(&ready, 1, memory_order_release);
}

uint32_t omen_crc32c_portable(uint32_t crc, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    if (atomic_load_explicit(&ready, memory_order_acquire) == 0) fill();
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t a = omen_get32(p) ^ crc, b = omen_get32(p + 4);
        crc = table[7][a & 0xFF] ^ table[6][a >> 8 & 0xFF] ^ table[5][a >> 16 & 0xFF] ^ table[4][a >> 24] ^ table[3][b & 0xFF] ^
              table[2][b >> 8 & 0xFF] ^ table[1][b >> 16 & 0xFF] ^ table[0][b >> 24];
    }
    for (; len != 0; len--, p++) crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xFF];
    return ~crc;
}
