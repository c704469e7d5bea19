/* ivf_pick.h - the nearest of a stream of scores: a buffer of twice as many keys as are wanted takes whatever is not beyond a limit; when it is full, the half
 * that is nearest stays and gives the next limit. A block of scores costs one comparison a score, and what stays does not depend on the order of arrival. */
#ifndef OMEN_INDEX_IVF_PICK_H
#define OMEN_INDEX_IVF_PICK_H

#include "base/mem.h"
#include "index/may.h"
#include "kernel/kernel.h"

/* Scores offered at once, at most. */
#define OMEN_PICK_BLOCK 1024u

typedef struct omen_pick {
    omen_mem *mem;
    uint64_t *keys; /* (rank, id), see omen_pick_key */
    uint32_t len, cap, want;
    int32_t limit;  /* ranks above it are too far */
} omen_pick;

static inline uint64_t omen_pick_key(int32_t rank, uint32_t id) { return (uint64_t)((uint32_t)rank ^ 0x80000000u) << 32 | id; }
static inline int32_t omen_pick_rank(uint64_t key) { return (int32_t)((uint32_t)(key >> 32) ^ 0x80000000u); }
static inline uint32_t omen_pick_id(uint64_t key) { return (uint32_t)key; }

/* Distances as ranks, in the same order, and back. NaN ranks last. */
static inline int32_t omen_pick_rank_of(float d) { return (int32_t)(omen_distance_key(d) ^ 0x80000000u); }
static inline float omen_pick_distance(int32_t rank) {
    uint32_t u = (uint32_t)rank;
    float d;
    if ((u & 0x80000000u) != 0) u ^= 0x7FFFFFFFu;
    if (rank > 0x7F800000) u = 0x7F800000u;
    memcpy(&d, &u, 4);
    return d;
}

/* Begins anew; want at least 1. OMEN_ERR_MEMORY, and then nothing has changed. */
omen_status omen_pick_begin(omen_pick *p, uint32_t want);
void omen_pick_deinit(omen_pick *p);

/* Offers count (at most OMEN_PICK_BLOCK) ranks; ids[i] is the id of ranks[i], or first + i where ids is NULL. No id may be offered twice. filter may be NULL; ids
 * are rows then, and only of what is near enough it is looked up. */
void omen_pick_offer(omen_pick *p, const int32_t *ranks, const uint32_t *ids, uint32_t first, uint32_t count, const omen_may *filter);
/* The nearest `want` of all that was offered, ascending: keys[0 .. len). */
void omen_pick_end(omen_pick *p);

#endif
