/* bits.h - bitsets over uint64_t words, reference-counted when shared by versions. */
#ifndef OMEN_BASE_BITS_H
#define OMEN_BASE_BITS_H

#include <stdatomic.h>

#include "base/mem.h"

/* An immutable-once-shared set of bits [0, count). */
typedef struct omen_bits {
    omen_mem *mem;
    _Atomic uint32_t refs;
    uint32_t count;
    uint32_t ones;
    uint64_t words[];
} omen_bits;

omen_bits *omen_bits_new(omen_mem *m, uint32_t count);      /* all zero, one reference; NULL: out of memory */
omen_bits *omen_bits_copy(const omen_bits *b);              /* an own copy, one reference */
omen_bits *omen_bits_ref(omen_bits *b);                     /* NULL stays NULL */
void omen_bits_unref(omen_bits *b);                         /* NULL is fine */
bool omen_bits_set(omen_bits *b, uint32_t i);               /* true when it was clear before */
static inline bool omen_bits_test(const omen_bits *b, uint32_t i) { return b != NULL && (b->words[i >> 6] >> (i & 63) & 1) != 0; }

#endif
