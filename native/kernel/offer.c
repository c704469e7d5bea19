/* offer.c - the kernel sets of native builds, best first. */
#include "kernel/kernel.h"

static const omen_kernels *const offered[] = {&omen_kernels_scalar, NULL};

const omen_kernels *const *omen_kernels_offer(void) { return offered; }
