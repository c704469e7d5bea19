/* parallel.h - loops on the host's threads. fn(arg, i) runs once for every i < n, in any order, at once or one after another: it writes nothing that
 * another i reads, so the outcome depends on neither. fn never calls the host. */
#ifndef OMEN_BASE_PARALLEL_H
#define OMEN_BASE_PARALLEL_H

#include "base/base.h"

static inline void omen_parallel(const omen_host *host, size_t n, void (*fn)(void *arg, size_t i), void *arg) {
    if (host->parallel_for != NULL && host->threads > 1 && n > 1) {
        host->parallel_for(host->ctx, n, fn, arg);
        return;
    }
    for (size_t i = 0; i < n; i++) fn(arg, i);
}

#endif
