/* imports.h - the functions the WebAssembly module asks of JavaScript: module "omen_host", and nothing else. The other side
 * is js/src/engine/imports.ts.
 *
 * Storages and files are numbers that JavaScript hands out. Offsets and sizes cross as f64: exact below 2^53, and
 * JavaScript handles them without BigInt. An answer below zero is minus an omen_status (-1 is OMEN_PENDING: the same
 * question is asked again later). */
#ifndef OMEN_WASM_IMPORTS_H
#define OMEN_WASM_IMPORTS_H

#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("omen_host"), import_name(#name))) extern

/* Bytes of all names, each ending in NUL. They are copied to `into` when cap holds them; else only the number counts,
 * and the list is kept for the next question. */
IMPORT(storage_list) int32_t omen_js_list(uint32_t storage, void *into, uint32_t cap);
/* The number of the file, 1 or larger. mode as omen_file_mode. */
IMPORT(storage_open) int32_t omen_js_open(uint32_t storage, const char *name, uint32_t name_len, uint32_t mode);
IMPORT(storage_size) double omen_js_size(uint32_t file);
/* Bytes read. */
IMPORT(storage_read) int32_t omen_js_read(uint32_t file, double offset, void *into, uint32_t len);
/* The rest answer 0. */
IMPORT(storage_write) int32_t omen_js_write(uint32_t file, double offset, const void *bytes, uint32_t len);
IMPORT(storage_truncate) int32_t omen_js_truncate(uint32_t file, double size);
IMPORT(storage_sync) int32_t omen_js_sync(uint32_t file);
IMPORT(storage_sync_dir) int32_t omen_js_sync_dir(uint32_t storage);
IMPORT(storage_close) void omen_js_close(uint32_t file);
IMPORT(storage_remove) int32_t omen_js_remove(uint32_t storage, const char *name, uint32_t name_len);
IMPORT(storage_release) void omen_js_release(uint32_t storage);

/* Languages that are not inside (wasm/lang/lang.c). `language` names one in later calls, code are two letters. Answers minus OMEN_PENDING while its module is being
 * loaded; 0: it was registered (language_register of exports.c) or cannot be had, which is the answer until it is asked again with `again` other than 0. */
IMPORT(language_load) int32_t omen_js_language_load(const void *language, const char *code, uint32_t again);
/* Stems the word in place; answers its new length. */
IMPORT(language_stem) uint32_t omen_js_language_stem(const void *language, uint8_t *word, uint32_t len, uint32_t cap);

/* Loads the module's second part (base/later.h). 0: it is there; minus OMEN_PENDING while it is being loaded; minus another status, once, when it cannot be had. */
IMPORT(later_load) int32_t omen_js_later_load(void);

IMPORT(wall_ms) double omen_js_wall_ms(void);
/* Monotonic nanoseconds. */
IMPORT(ticks) double omen_js_ticks(void);
IMPORT(entropy) int32_t omen_js_entropy(void *into, uint32_t len);
IMPORT(log) void omen_js_log(uint32_t level, const char *line, uint32_t len);

#undef IMPORT

#endif
