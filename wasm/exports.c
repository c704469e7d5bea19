/* exports.c - what the WebAssembly module offers JavaScript: memory for requests, one engine, calls in steps
 * (docs/CALLS.md). The other side is js/src/engine/wasm.ts.
 *
 * Pointers are plain numbers there. Any of these functions may grow the memory, so JavaScript fetches its views anew
 * after each. */
#include <stdint.h>

#include "host.h"
#include "omendb.h"

#define EXPORT(name) __attribute__((export_name(#name)))

EXPORT(mem_alloc) void *omen_export_mem_alloc(size_t size);
EXPORT(mem_free) void omen_export_mem_free(void *p);
EXPORT(engine_new) omen_engine *omen_export_engine_new(void);
EXPORT(engine_free) void omen_export_engine_free(omen_engine *e);
EXPORT(put_storage) omen_status omen_export_put_storage(omen_engine *e, uint32_t slot, uint32_t storage);
EXPORT(call_begin) omen_call *omen_export_call_begin(omen_engine *e, const void *request, size_t len);
EXPORT(call_step) omen_status omen_export_call_step(omen_call *call);
EXPORT(call_response) const void *omen_export_call_response(const omen_call *call);
EXPORT(call_response_len) size_t omen_export_call_response_len(const omen_call *call);
EXPORT(call_free) void omen_export_call_free(omen_call *call);
EXPORT(language_register) uint32_t omen_export_language_register(const omen_language *l, uint32_t version, const char *stops, size_t stops_len);
EXPORT(last_status) omen_status omen_export_last_status(void);
EXPORT(last_error) const char *omen_export_last_error(void);
EXPORT(kernels) const char *omen_export_kernels(void);
EXPORT(version) const char *omen_export_version(void);

/* Status of the last function that answered NULL. */
static omen_status last = OMEN_OK;

/* NULL when there is no memory. */
void *omen_export_mem_alloc(size_t size) { return omen_wasm_alloc(size); }

void omen_export_mem_free(void *p) { omen_wasm_free(p); }

omen_engine *omen_export_engine_new(void) {
    omen_engine *e = NULL;
    omen_wasm_languages();
#ifdef OMEN_PARTS
    omen_wasm_later();
#endif
    last = omen_engine_new(omen_wasm_host(), &e);
    return last == OMEN_OK ? e : NULL;
}

void omen_export_engine_free(omen_engine *e) { omen_engine_free(e); }

omen_status omen_export_put_storage(omen_engine *e, uint32_t slot, uint32_t storage) {
    omen_storage opened = omen_wasm_storage(storage);
    return omen_engine_put_storage(e, slot, &opened);
}

omen_call *omen_export_call_begin(omen_engine *e, const void *request, size_t len) {
    omen_call *call = NULL;
    last = omen_call_begin(e, request, len, &call);
    return last == OMEN_OK ? call : NULL;
}

omen_status omen_export_call_step(omen_call *call) { return omen_call_step(call); }

const void *omen_export_call_response(const omen_call *call) {
    const void *bytes;
    size_t len;
    omen_call_response(call, &bytes, &len);
    return bytes;
}

size_t omen_export_call_response_len(const omen_call *call) {
    const void *bytes;
    size_t len;
    omen_call_response(call, &bytes, &len);
    return len;
}

void omen_export_call_free(omen_call *call) { omen_call_free(call); }

/* A language that imports.h asked for: its module's version and stop words, which stay ours. 0: no memory. */
uint32_t omen_export_language_register(const omen_language *l, uint32_t version, const char *stops, size_t stops_len) {
    return omen_wasm_language(l, version, stops, stops_len);
}

omen_status omen_export_last_status(void) { return last; }

/* Strings end in NUL and live in the module. */
const char *omen_export_last_error(void) { return omen_last_error(); }

const char *omen_export_kernels(void) { return omen_kernels_name(); }

const char *omen_export_version(void) { return omen_version(); }
