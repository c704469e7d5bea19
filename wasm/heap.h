/* heap.h - the module's memory allocator. The core gives the size back with every free, so nothing is kept beside a piece in use, and the whole
 * allocator is a tenth of a general one. Single-threaded.
 *
 *   small   up to 2 KiB: classes of 64, 128, 192, 256, 384, 512, ... 2048 bytes, each a list of free pieces, cut from runs of 16 KiB that are
 *           never given back
 *   large   runs of whole 4 KiB units: a list of free runs in order of address, joined with their neighbours; the first that is large enough is cut
 *           (first fit by address keeps the end of memory free: Wilson et al. 1995)
 * The memory grows by an eighth at least, since every growth detaches all views of it and makes a JavaScript engine look for garbage.
 */
#ifndef OMEN_WASM_HEAP_H
#define OMEN_WASM_HEAP_H

#include <stddef.h>

/* 64-byte aligned; NULL when there is no more. size 0 is NULL. */
void *omen_heap_alloc(size_t size);
void omen_heap_free(void *p, size_t size); /* the size asked for; p not NULL */
/* In place when it can be; else a copy. NULL: as before. */
void *omen_heap_resize(void *p, size_t old_size, size_t new_size);

#endif
