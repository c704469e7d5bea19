/* kernel/ (native) - the SIMD sets of native builds; src/kernel/kernel.h is their contract. Each file is compiled for its instruction set and
 * only called when the processor has it. */
#ifndef OMEN_NATIVE_SETS_H
#define OMEN_NATIVE_SETS_H

#include "kernel/kernel.h"

extern const omen_kernels omen_kernels_avx2, omen_kernels_avx512, omen_kernels_neon;
uint32_t omen_crc32c_sse42(uint32_t crc, const void *p, size_t len);
uint32_t omen_crc32c_arm(uint32_t crc, const void *p, size_t len);
/* The fastest CRC32C of this processor; kernel sets point here. */
uint32_t omen_crc32c_native(uint32_t crc, const void *p, size_t len);

#endif
