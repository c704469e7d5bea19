/* store_fixture.h - what the tests of store/ stand on: an omen_store over a fault_storage, with memory that is counted. */
#ifndef OMEN_STORE_FIXTURE_H
#define OMEN_STORE_FIXTURE_H

#include "fault_host.h"
#include "store/pool.h"
#include "store/store.h"

typedef struct fixture {
    fault_host *host;
    omen_mem mem;
    omen_store store;
    fault_storage *fs;
} fixture;

/* A store over fs (which stays the caller's), database id 16 bytes of `id`, a pool of `pool_bytes`. */
static inline void fixture_init(fixture *x, fault_storage *fs, uint8_t id, uint64_t pool_bytes) {
    memset(x, 0, sizeof *x);
    x->host = fault_host_new(1);
    omen_mem_init(&x->mem, &x->host->host, 0);
    x->fs = fs;
    x->store.host = &x->host->host;
    x->store.mem = &x->mem;
    x->store.storage = fault_storage_session(fs);
    memset(x->store.database_id, id, 16);
    if (omen_pool_new(&x->mem, &x->host->host, pool_bytes, &x->store.pool) != OMEN_OK) __builtin_trap();
}

/* Answers the bytes that were not freed. */
static inline uint64_t fixture_deinit(fixture *x) {
    x->store.storage.ops->release(x->store.storage.ctx);
    omen_pool_free(x->store.pool);
    uint64_t left = fault_host_bytes(x->host);
    fault_host_free(x->host);
    return left;
}

/* Repeats a step while it pends. */
#define STEP(status, expression)                       \
    do {                                               \
        (status) = (expression);                       \
    } while ((status) == OMEN_PENDING)

#endif
