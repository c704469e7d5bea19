#include "base/bits.h"

static size_t words_of(uint32_t count) { return ((size_t)count + 63) / 64; }
static size_t bytes_of(uint32_t count) { return sizeof(omen_bits) + words_of(count) * sizeof(uint64_t); }

omen_bits *omen_bits_new(omen_mem *m, uint32_t count) {
    omen_bits *b = omen_alloc_zero(m, bytes_of(count));
    if (b == NULL) return NULL;
    b->mem = m;
    b->count = count;
    atomic_init(&b->refs, 1);
    return b;
}

omen_bits *omen_bits_copy(const omen_bits *b) {
    omen_bits *n = omen_bits_new(b->mem, b->count);
    if (n == NULL) return NULL;
    n->ones = b->ones;
    memcpy(n->words, b->words, words_of(b->count) * sizeof *b->words);
    return n;
}

omen_bits *omen_bits_ref(omen_bits *b) {
    if (b != NULL) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void omen_bits_unref(omen_bits *b) {
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) omen_free(b->mem, b, bytes_of(b->count));
}

bool omen_bits_set(omen_bits *b, uint32_t i) {
    uint64_t bit = UINT64_C(1) << (i & 63);
    OMEN_ASSERT(i < b->count);
    if ((b->words[i >> 6] & bit) != 0) return false;
    b->words[i >> 6] |= bit;
    b->ones++;
    return true;
}
