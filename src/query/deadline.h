/* deadline.h - the moment after which nobody waits for an answer any more. */
#ifndef OMEN_QUERY_DEADLINE_H
#define OMEN_QUERY_DEADLINE_H

#include "base/mem.h"

/* ns: of the host's ticks; 0: none. OMEN_ERR_DEADLINE once it has passed. */
static inline omen_status omen_deadline_check(const omen_host *host, uint64_t ns, omen_error *err) {
    if (ns == 0 || host->ticks_ns(host->ctx) < ns) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_DEADLINE, "the deadline passed before the answer was complete; give it more time, or ask for less");
}

#endif
