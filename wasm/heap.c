#include "heap.h"

#include <stdint.h>
#include <string.h>

#define UNIT 4096u
#define SMALL_MAX 2048u
#define CUT (4 * UNIT) /* what small pieces are cut from */

typedef struct piece { struct piece *next; } piece;
typedef struct run { struct run *next; size_t size; } run;

/* 64, 128, 192, then two classes for each doubling. */
static const uint16_t class_bytes[] = {64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048};
#define CLASSES (sizeof class_bytes / sizeof *class_bytes)

static piece *pieces[CLASSES];
static run *runs; /* in order of address */

#if defined(__EMSCRIPTEN__) && !defined(OMEN_HEAP_MORE)
/* The memory is shared with the rest of the program, whose allocator gives us runs. */
#include <stdlib.h>
static int more(size_t need, uintptr_t *at, size_t *size) {
    size_t ask = need > 16 * CUT ? need : 16 * CUT;
    void *p = aligned_alloc(UNIT, ask);
    *at = (uintptr_t)p;
    *size = ask;
    return p != NULL;
}
#define OMEN_HEAP_MORE more
#endif

#ifndef OMEN_HEAP_MORE
#define PAGE 65536u
extern unsigned char __heap_base;

/* Adds at least `need` bytes behind what there is: *at and *size say where and how many. */
static int more(size_t need, uintptr_t *at, size_t *size) {
    static uintptr_t end; /* 0: nothing yet; what lies between the module's data and the first growth comes first */
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end == 0) {
        end = ((uintptr_t)&__heap_base + UNIT - 1) & ~(uintptr_t)(UNIT - 1);
        if (have - end >= need && have > end) {
            *at = end;
            *size = have - end;
            end = have;
            return 1;
        }
    }
    size_t missing = need - (have - end), pages = missing / PAGE + (missing % PAGE != 0), ahead = pages + have / PAGE / 8;
    if (__builtin_wasm_memory_grow(0, ahead) == SIZE_MAX) {
        ahead = pages;
        if (__builtin_wasm_memory_grow(0, ahead) == SIZE_MAX) return 0;
    }
    *at = end;
    *size = (have - end) + ahead * PAGE;
    end = have + ahead * PAGE;
    return 1;
}
#define OMEN_HEAP_MORE more
#endif

/* Puts a run into the list and joins it with its neighbours. */
static void give(void *p, size_t size) {
    run *r = p, *before = NULL, *after = runs;
    while (after != NULL && after < r) {
        before = after;
        after = after->next;
    }
    r->next = after;
    r->size = size;
    if (after != NULL && (char *)r + size == (char *)after) {
        r->size += after->size;
        r->next = after->next;
    }
    if (before == NULL) {
        runs = r;
    } else if ((char *)before + before->size == (char *)r) {
        before->size += r->size;
        before->next = r->next;
    } else {
        before->next = r;
    }
}

static void *take(size_t size) {
    for (int again = 0;; again++) {
        for (run **at = &runs; *at != NULL; at = &(*at)->next) {
            run *r = *at;
            if (r->size < size) continue;
            if (r->size == size) {
                *at = r->next;
            } else {
                run *rest = (run *)(void *)((char *)r + size);
                rest->next = r->next;
                rest->size = r->size - size;
                *at = rest;
            }
            return r;
        }
        uintptr_t p;
        size_t got;
        if (again != 0 || !OMEN_HEAP_MORE(size, &p, &got)) return NULL;
        give((void *)p, got);
    }
}

static unsigned class_of(size_t size) {
    unsigned c = 0;
    while (class_bytes[c] < size) c++;
    return c;
}

static size_t whole_units(size_t size) { return (size + UNIT - 1) & ~(size_t)(UNIT - 1); }

void *omen_heap_alloc(size_t size) {
    if (size == 0 || size > SIZE_MAX / 2) return NULL;
    if (size > SMALL_MAX) return take(whole_units(size));
    unsigned c = class_of(size);
    if (pieces[c] == NULL) {
        char *cut = take(CUT);
        if (cut == NULL) return NULL;
        /* The lowest address ends up first. */
        for (size_t at = CUT / class_bytes[c]; at-- != 0;) {
            piece *p = (piece *)(void *)(cut + at * class_bytes[c]);
            p->next = pieces[c];
            pieces[c] = p;
        }
    }
    piece *p = pieces[c];
    pieces[c] = p->next;
    return p;
}

void omen_heap_free(void *p, size_t size) {
    if (size > SMALL_MAX) {
        give(p, whole_units(size));
        return;
    }
    unsigned c = class_of(size);
    ((piece *)p)->next = pieces[c];
    pieces[c] = p;
}

void *omen_heap_resize(void *p, size_t old_size, size_t new_size) {
    if (p == NULL) return omen_heap_alloc(new_size);
    if (new_size > SIZE_MAX / 2) return NULL;
    int small = old_size <= SMALL_MAX;
    if (small == (new_size <= SMALL_MAX)) {
        if (small && class_of(old_size) == class_of(new_size)) return p;
        size_t had = whole_units(old_size), need = whole_units(new_size);
        if (!small && had == need) return p;
        if (!small && need < had) {
            give((char *)p + need, had - need);
            return p;
        }
    }
    void *moved = omen_heap_alloc(new_size);
    if (moved == NULL) return NULL;
    memcpy(moved, p, old_size < new_size ? old_size : new_size);
    omen_heap_free(p, old_size);
    return moved;
}
