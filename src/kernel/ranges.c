/* ranges.c - comparisons become bytes, 64 at a time, in loops that compilers turn into vector instructions; bytes become bits by a multiplication. */
#include "kernel/ranges.h"

/* 64 bytes of 0 or 1 to bits. The product gathers the lowest bit of byte i in bit 56 + i. */
static inline uint64_t gather(const uint8_t *hits) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, hits + 8 * i, 8);
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return bits;
}

/* At any alignment, and of any object. */
typedef uint8_t loose_uint8_t __attribute__((aligned(1), may_alias));
typedef uint16_t loose_uint16_t __attribute__((aligned(1), may_alias));
typedef uint32_t loose_uint32_t __attribute__((aligned(1), may_alias));
typedef uint64_t loose_uint64_t __attribute__((aligned(1), may_alias));
#define RANGE(name, type)                                                                                              \
    static void name(const uint8_t *p, size_t n, type lo, type span, uint64_t *out) {                                  \
        uint8_t hits[64];                                                                                              \
        for (; n >= 64; n -= 64, p += 64 * sizeof(type)) {                                                             \
            const loose_##type *v = (const loose_##type *)(const void *)p;                                             \
            for (uint32_t i = 0; i < 64; i++) hits[i] = (type)(v[i] - lo) <= span;                                     \
            *out++ = gather(hits);                                                                                     \
        }                                                                                                              \
        if (n == 0) return;                                                                                            \
        *out = 0;                                                                                                      \
        for (size_t i = 0; i < n; i++) {                                                                               \
            type v;                                                                                                    \
            memcpy(&v, p + i * sizeof v, sizeof v);                                                                    \
            *out |= (uint64_t)((type)(v - lo) <= span) << i;                                                           \
        }                                                                                                              \
    }
RANGE(range8, uint8_t)
RANGE(range16, uint16_t)
RANGE(range32, uint32_t)
RANGE(range64, uint64_t)

void omen_range_uint(const void *values, uint32_t width, size_t n, uint64_t lo, uint64_t span, uint64_t *out) {
    switch (width) {
    case 1: range8(values, n, (uint8_t)lo, (uint8_t)span, out); break;
    case 2: range16(values, n, (uint16_t)lo, (uint16_t)span, out); break;
    case 4: range32(values, n, (uint32_t)lo, (uint32_t)span, out); break;
    default: range64(values, n, lo, span, out);
    }
}

/* Two numbers at once, which every processor of ours compares in one step: compilers do not find that by themselves. */
typedef double pair_f64 __attribute__((vector_size(16)));
typedef uint64_t pair_u64 __attribute__((vector_size(16)));

void omen_range_f64(const void *values, size_t n, double lo, double hi, uint64_t *out) {
    const pair_f64 low = {lo, lo}, high = {hi, hi};
    const uint8_t *p = values;
    for (; n >= 64; n -= 64, p += 64 * sizeof(double)) {
        pair_u64 bits = {0, 0}, place = {1, 2};
        for (uint32_t i = 0; i < 32; i++, place <<= 2) {
            pair_f64 v;
            memcpy(&v, p + i * sizeof v, sizeof v);
            bits |= (pair_u64)(v >= low) & (pair_u64)(v <= high) & place;
        }
        *out++ = bits[0] | bits[1];
    }
    if (n == 0) return;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        double v;
        memcpy(&v, p + i * sizeof v, sizeof v);
        *out |= (uint64_t)((v >= lo) & (v <= hi)) << i;
    }
}
