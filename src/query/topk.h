/* topk.h - the k best candidates seen so far: a bounded max-heap by (distance, id), so that equal distances are settled by id and the
 * outcome does not depend on the order of candidates. */
#ifndef OMEN_QUERY_TOPK_H
#define OMEN_QUERY_TOPK_H

#include "base/key.h"
#include "base/mem.h"

typedef struct omen_candidate {
    uint32_t rank;     /* omen_distance_key of distance */
    float distance;    /* the ranking value */
    uint32_t source, row;
    uint32_t key_len;
    uint32_t key_cap;  /* bytes allocated at key, 0 while the id fits `small` */
    uint8_t *key;
    uint8_t small[24];
} omen_candidate;

typedef struct omen_topk {
    omen_mem *mem;
    omen_candidate *heap; /* heap[0] is the worst */
    uint32_t count, cap, k;
} omen_topk;

void omen_topk_init(omen_topk *t, omen_mem *m, uint32_t k);
void omen_topk_deinit(omen_topk *t);
/* Whether a candidate of this distance could enter; its id decides a tie later. */
static inline bool omen_topk_open(const omen_topk *t, float distance) {
    return t->count < t->k || !(distance > t->heap[0].distance);
}
/* Enters the candidate if it is among the k best; the id is copied. OMEN_ERR_MEMORY. */
omen_status omen_topk_push(omen_topk *t, float distance, uint32_t source, uint32_t row, omen_key key);
/* Takes out the candidates of a source. */
void omen_topk_drop(omen_topk *t, uint32_t source);
/* Sorts best first; no push afterwards. */
void omen_topk_sort(omen_topk *t);
static inline omen_key omen_candidate_key(const omen_candidate *c) { return (omen_key){c->key_cap != 0 ? c->key : c->small, c->key_len}; }

#endif
