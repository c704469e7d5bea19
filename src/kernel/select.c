#include <stdatomic.h>

#include "kernel/kernel.h"

static _Atomic(const omen_kernels *) chosen;

const omen_kernels *omen_kernels_get(void) {
    const omen_kernels *k = atomic_load_explicit(&chosen, memory_order_acquire);
    if (k != NULL) return k;
    k = omen_kernels_offer()[0]; /* every thread would choose the same */
    atomic_store_explicit(&chosen, k, memory_order_release);
    return k;
}

omen_status omen_kernels_use(const char *name) {
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        if (strcmp((*k)->name, name) != 0) continue;
        atomic_store_explicit(&chosen, *k, memory_order_release);
        return OMEN_OK;
    }
    return OMEN_ERR_UNSUPPORTED;
}

const char *omen_kernels_name(void) { return omen_kernels_get()->name; }
