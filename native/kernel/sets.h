/* kernel/ (native) - the SIMD sets of native builds; src/kernel/kernel.h is their contract. Each file is compiled for its instruction set and
 * only called when the processor has it. */
#ifndef OMEN_NATIVE_SETS_H
#define OMEN_NATIVE_SETS_H

#include "kernel/kernel.h"

extern const omen_kernels omen_kernels_avx2, omen_kernels_avx512, omen_kernels_avx512vnni, omen_kernels_neon, omen_kernels_dotprod;

/* Codes, each compiled for its instruction set (codes_*.c). */
#define OMEN_CODE_KERNELS(set)                                                                                                                        \
    void omen_dot_u7i8_##set(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, int32_t *out);  \
    void omen_hamming_##set(const uint8_t *q, const uint8_t *rows, size_t stride, const uint32_t *ids, size_t count, size_t len, uint32_t *out);
OMEN_CODE_KERNELS(avx2)
OMEN_CODE_KERNELS(avx512)
OMEN_CODE_KERNELS(avx512vnni)
OMEN_CODE_KERNELS(neon)
OMEN_CODE_KERNELS(dotprod)
#define OMEN_CODES_OF(dot, bits)                                                                                                                      \
    .dot_u7i8 = omen_dot_u7i8_##dot, .hamming = omen_hamming_##bits, .dot_u4b1 = omen_portable_dot_u4b1, .lut4 = omen_portable_lut4,              \
    .dot_f16 = omen_portable_dot_f16, .l2_f16 = omen_portable_l2_f16, .dot_i8 = omen_portable_dot_i8, .l2_i8 = omen_portable_l2_i8
uint32_t omen_crc32c_sse42(uint32_t crc, const void *p, size_t len);
uint32_t omen_crc32c_arm(uint32_t crc, const void *p, size_t len);
/* The fastest CRC32C of this processor; kernel sets point here. */
uint32_t omen_crc32c_native(uint32_t crc, const void *p, size_t len);

#endif
