/* crc32c_crc.c - CRC32C by the processor's instruction. It has a latency of three cycles and a throughput of one, so long runs are cut into
 * three streams whose remainders are joined: the remainder of a stream followed by n bytes is its remainder "moved" over n zero bytes, a
 * linear map that four tables of 256 entries apply (compare Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32
 * instruction", 2011). */
#include "sets.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define NAME omen_crc32c_sse42
#define STEP8(c, v) ((uint32_t)_mm_crc32_u64(c, v))
#define STEP1(c, v) _mm_crc32_u8(c, v)
#elif defined(__aarch64__)
#include <arm_acle.h>
#define NAME omen_crc32c_arm
#define STEP8(c, v) __crc32cd(c, v)
#define STEP1(c, v) __crc32cb(c, v)
#endif

#ifdef NAME
#include <stdatomic.h>

/* Bytes of one stream, for long and for short runs. */
enum { LONG = 4096, SHORT = 256 };

typedef uint32_t move_table[4][256];
static move_table move_long, move_short;

/* How far the tables are. The thread that comes first fills them; one that comes meanwhile goes on in one stream. */
enum { EMPTY, FILLING, READY };
static _Atomic int state;

/* The map's images of single bits, then of every byte by linearity. */
static void fill(move_table t, size_t n) {
    uint32_t bit[32];
    for (unsigned b = 0; b < 32; b++) {
        uint32_t c = UINT32_C(1) << b;
        for (size_t i = 0; i < n; i += 8) c = STEP8(c, 0);
        bit[b] = c;
    }
    for (unsigned k = 0; k < 4; k++)
        for (unsigned v = 0; v < 256; v++) {
            uint32_t c = 0;
            for (unsigned b = 0; b < 8; b++)
                if ((v >> b & 1) != 0) c ^= bit[8 * k + b];
            t[k][v] = c;
        }
}

static bool tables_ready(void) {
    int seen = atomic_load_explicit(&state, memory_order_acquire);
    if (seen == READY) return true;
    if (seen == FILLING || !atomic_compare_exchange_strong(&state, &seen, FILLING)) return false;
    fill(move_long, LONG);
    fill(move_short, SHORT);
    atomic_store_explicit(&state, READY, memory_order_release);
    return true;
}

static uint32_t move(move_table t, uint32_t c) { return t[0][c & 0xFF] ^ t[1][c >> 8 & 0xFF] ^ t[2][c >> 16 & 0xFF] ^ t[3][c >> 24]; }

/* Three streams of n bytes each, one after the other at p. */
static uint32_t three(uint32_t c, const uint8_t *p, size_t n, move_table t) {
    uint32_t a = c, b = 0, d = 0;
    for (size_t i = 0; i < n; i += 8) {
        a = STEP8(a, omen_get64(p + i));
        b = STEP8(b, omen_get64(p + n + i));
        d = STEP8(d, omen_get64(p + 2 * n + i));
    }
    return move(t, move(t, a) ^ b) ^ d;
}

uint32_t NAME(uint32_t crc, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    uint32_t c = ~crc;
    if (len >= 3 * SHORT && tables_ready()) {
        for (; len >= 3 * LONG; len -= 3 * LONG, p += 3 * LONG) c = three(c, p, LONG, move_long);
        for (; len >= 3 * SHORT; len -= 3 * SHORT, p += 3 * SHORT) c = three(c, p, SHORT, move_short);
    }
    for (; len >= 8; len -= 8, p += 8) c = STEP8(c, omen_get64(p));
    for (; len != 0; len--, p++) c = STEP1(c, *p);
    return ~c;
}
#endif
