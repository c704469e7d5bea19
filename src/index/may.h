/* may.h - which rows a search may answer: what a filter chose and was not deleted. */
#ifndef OMEN_INDEX_MAY_H
#define OMEN_INDEX_MAY_H

#include "base/bits.h"

typedef struct omen_may {
    const omen_bits *accept; /* NULL: all */
    const omen_bits *dead;   /* NULL: none */
} omen_may;

static inline bool omen_may_answer(const omen_may *f, uint32_t row) {
    return (f->accept == NULL || (f->accept->words[row >> 6] >> (row & 63) & 1) != 0) && !omen_bits_test(f->dead, row);
}
/* Whether less of what a search met may be answered, by a third, than of all rows: then the query lies apart from them, and what it met of them says little about where the
 * nearest are. */
static inline bool omen_may_fringe(uint64_t met, uint64_t met_may, uint32_t may, uint32_t rows) { return met_may * rows * 3 < met * may * 2; }
/* How many of `rows` rows those are. */
uint32_t omen_may_count(const omen_may *f, uint32_t rows);
/* Whether all rows may be answered. */
static inline bool omen_may_all(const omen_may *f) { return f->accept == NULL && (f->dead == NULL || f->dead->ones == 0); }

#endif
