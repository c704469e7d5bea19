#include "index/may.h"

uint32_t omen_may_count(const omen_may *f, uint32_t rows) {
    if (f->accept == NULL) return rows - (f->dead == NULL ? 0 : f->dead->ones);
    if (f->dead == NULL || f->dead->ones == 0) return f->accept->ones;
    uint32_t n = 0;
    for (size_t i = 0; i < ((size_t)rows + 63) / 64; i++) n += (uint32_t)__builtin_popcountll(f->accept->words[i] & ~f->dead->words[i]);
    return n;
}
