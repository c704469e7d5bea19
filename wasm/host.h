/* host.h - the host of the WebAssembly module. */
#ifndef OMEN_WASM_HOST_H
#define OMEN_WASM_HOST_H

#include "omendb_host.h"
#include "text/stem.h"

/* The one host table; one thread, no locks, no blocking. */
const omen_host *omen_wasm_host(void);
/* A storage that JavaScript has opened under this number. */
omen_storage omen_wasm_storage(uint32_t number);

/* Memory of the host, 64-byte aligned; NULL when there is none. */
void *omen_wasm_alloc(size_t size);
void omen_wasm_free(void *p);

/* Has JavaScript asked for the module's second part (base/later.h). */
void omen_wasm_later(void);

/* Has JavaScript asked for languages that are not inside. */
void omen_wasm_languages(void);
/* Registers one for as long as the module lives, with stop words that stay. false: no memory. */
bool omen_wasm_language(const omen_language *l, uint32_t version, const char *stops, size_t stops_len);

#endif
