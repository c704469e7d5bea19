/* sort.h - deterministic sorting without libc's qsort. */
#ifndef OMEN_BASE_SORT_H
#define OMEN_BASE_SORT_H

#include "base/base.h"

/* In place, not stable, O(n log n) worst case (introspective: Musser 1997). less(arg, a, b): a before b, a strict weak
 * order; callers break ties themselves so that the result is unique. */
void omen_sort(void *base, size_t count, size_t size, bool (*less)(void *arg, const void *a, const void *b), void *arg);
/* Sorts indexes by 64-bit keys, ties by index: LSD radix, needs `scratch` of count elements. */
typedef struct omen_keyed { uint64_t key; uint32_t row; uint32_t pad; } omen_keyed;
void omen_sort_keyed(omen_keyed *a, omen_keyed *scratch, size_t count);

#endif
