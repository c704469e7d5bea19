/* offer.c - a module is compiled for one instruction set and validated whole, so it has one SIMD set; JavaScript picks the module, which therefore
 * leaves the portable set out. */
#include "kernel/kernel.h"

extern const omen_kernels omen_kernels_simd128;

const omen_kernels *const *omen_kernels_offer(void) {
    static const omen_kernels *const offered[] = {
        &omen_kernels_simd128,
#ifndef OMEN_ONE_KERNEL_SET
        &omen_kernels_scalar,
#endif
        NULL};
    return offered;
}
