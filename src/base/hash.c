#include "base/hash.h"

#define XXH_STATIC_LINKING_ONLY /* the state's size */
#include <xxhash.h>

#include "base/mem.h"

struct omen_hasher {
    omen_mem *mem;
    XXH3_state_t *state;
    size_t room_bytes;
};

uint64_t omen_hash64(const void *p, size_t len, uint64_t seed) { return XXH3_64bits_withSeed(p, len, seed); }

static omen_hash128 canonical(XXH128_hash_t h) {
    omen_hash128 out;
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, h);
    memcpy(out.bytes, c.digest, sizeof out.bytes);
    return out;
}

omen_hash128 omen_hash128_of(const void *p, size_t len) { return canonical(XXH3_128bits(p, len)); }

bool omen_hash128_equal(const omen_hash128 *a, const omen_hash128 *b) { return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0; }

void omen_hash128_hex(const omen_hash128 *h, char out[33]) {
    for (size_t i = 0; i < 16; i++) {
        out[2 * i] = "0123456789abcdef"[h->bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[h->bytes[i] & 15];
    }
    out[32] = '\0';
}

omen_hasher *omen_hasher_new(omen_mem *m) {
    size_t bytes = (size_t)omen_round_up(sizeof(omen_hasher), 64) + sizeof(XXH3_state_t);
    omen_hasher *h = omen_alloc_zero(m, bytes); /* 64-byte aligned, as the state must be */
    if (h == NULL) return NULL;
    h->mem = m;
    h->room_bytes = bytes;
    h->state = (XXH3_state_t *)(void *)((uint8_t *)h + omen_round_up(sizeof *h, 64));
    XXH3_128bits_reset(h->state);
    return h;
}

void omen_hasher_update(omen_hasher *h, const void *p, size_t len) { XXH3_128bits_update(h->state, p, len); }

omen_hash128 omen_hasher_digest(const omen_hasher *h) { return canonical(XXH3_128bits_digest(h->state)); }

void omen_hasher_free(omen_hasher *h) {
    if (h != NULL) omen_free(h->mem, h, h->room_bytes);
}
