/* host.h - the host of the WebAssembly module. */
#ifndef OMEN_WASM_HOST_H
#define OMEN_WASM_HOST_H

#include "omendb_host.h"

/* The one host table; one thread, no locks, no blocking. */
const omen_host *omen_wasm_host(void);
/* A storage that JavaScript has opened under this number. */
omen_storage omen_wasm_storage(uint32_t number);

/* Memory of the host, 64-byte aligned; NULL when there is none. */
void *omen_wasm_alloc(size_t size);
void omen_wasm_free(void *p);

#endif
