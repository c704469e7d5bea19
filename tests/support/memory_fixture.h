/* memory_fixture.h - what tests of code that only takes memory stand on: memory of a host that counts it and can let it run out. */
#ifndef OMEN_MEMORY_FIXTURE_H
#define OMEN_MEMORY_FIXTURE_H

#include "base/mem.h"
#include "fault_host.h"
#include "test.h"

static fault_host *host;
static omen_mem mem;
__attribute__((unused)) static omen_error error;

static inline void begin(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
    error = (omen_error){0};
}

/* Nothing was kept. */
static inline void end(void) {
    CHECK_EQ_UINT(mem.bytes, 0);
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    fault_host_free(host);
}

#endif
