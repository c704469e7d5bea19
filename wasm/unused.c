/* unused.c - the C library's allocator, which nothing in the module calls: the libraries fall back to it only where they are given none, and they
 * always are. Standing in its place keeps 12 KB out of the module; a call of it would be answered as "no memory". */
#ifndef __EMSCRIPTEN__
#include <stdlib.h>

void *malloc(size_t size) {
    (void)size;
    return NULL;
}

void *calloc(size_t count, size_t size) {
    (void)count, (void)size;
    return NULL;
}

void *realloc(void *p, size_t size) {
    (void)p, (void)size;
    return NULL;
}

void free(void *p) { (void)p; }
#endif
