/* kernel/ (native) - the SIMD sets of native builds; src/kernel/kernel.h is their contract. Each file is compiled for its instruction set and
 * only called when the processor has it. */
#ifndef OMEN_NATIVE_SETS_H
#define OMEN_NATIVE_SETS_H

#include "kernel/kernel.h"

extern const omen_kernels omen_kernels_avx2, omen_kernels_avx512, omen_kernels_avx512vnni, omen_kernels_neon, omen_kernels_dotprod;

/* Codes, each compiled for its instruction set (codes_*.c). */
#define OMEN_DOT_KERNELS(set)                                                                                                                     \
    void omen_dot_u7i8_##set(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);  \
    void omen_dot_i8_##set(const int8_t *q, const int8_t *rows, size_t count, size_t dim, int32_t *out);                                          \
    void omen_l2_i8_##set(const int8_t *q, const int8_t *rows, size_t count, size_t dim, uint32_t *out);
#define OMEN_BIT_KERNELS(set)                                                                                                                     \
    void omen_hamming_##set(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);  \
    void omen_dot_u4b1_##set(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
#define OMEN_TABLE_KERNELS(set) void omen_lut4_##set(const uint8_t *lut, const uint8_t *codes, size_t blocks, size_t m, uint16_t *out);
OMEN_DOT_KERNELS(avx2)
OMEN_DOT_KERNELS(avx512)
OMEN_DOT_KERNELS(avx512vnni)
OMEN_DOT_KERNELS(neon)
OMEN_DOT_KERNELS(dotprod)
OMEN_BIT_KERNELS(avx2)
OMEN_BIT_KERNELS(avx512)
OMEN_BIT_KERNELS(avx512vnni)
OMEN_BIT_KERNELS(neon)
OMEN_TABLE_KERNELS(avx2)
OMEN_TABLE_KERNELS(avx512)
OMEN_TABLE_KERNELS(neon)

/* A set's kernels of codes: those of the dot products, of bits and of tables may come from different files. */
#define OMEN_CODES_OF(dot, bits, table)                                                                                                           \
    .dot_u7i8 = omen_dot_u7i8_##dot, .dot_i8 = omen_dot_i8_##dot, .l2_i8 = omen_l2_i8_##dot, .hamming = omen_hamming_##bits,                      \
    .dot_u4b1 = omen_dot_u4b1_##bits, .lut4 = omen_lut4_##table
uint32_t omen_crc32c_sse42(uint32_t crc, const void *p, size_t len);
uint32_t omen_crc32c_arm(uint32_t crc, const void *p, size_t len);
/* The fastest CRC32C of this processor; kernel sets point here. */
uint32_t omen_crc32c_native(uint32_t crc, const void *p, size_t len);

#endif
