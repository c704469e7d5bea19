#include "index/ivf_pick.h"

#include "base/sort.h"

omen_status omen_pick_begin(omen_pick *p, uint32_t want) {
    size_t cap = (size_t)want * 2 + OMEN_PICK_BLOCK;
    if (cap > UINT32_MAX / 2) return OMEN_ERR_MEMORY;
    if (cap > p->cap) {
        uint64_t *keys = omen_alloc(p->mem, cap * sizeof *keys);
        if (keys == NULL) return OMEN_ERR_MEMORY;
        omen_free(p->mem, p->keys, p->cap * sizeof *p->keys);
        p->keys = keys;
        p->cap = (uint32_t)cap;
    }
    p->want = want;
    p->len = 0;
    p->limit = INT32_MAX;
    return OMEN_OK;
}

void omen_pick_deinit(omen_pick *p) {
    omen_free(p->mem, p->keys, p->cap * sizeof *p->keys);
    p->keys = NULL;
    p->cap = 0;
}

static bool less(void *arg, const void *a, const void *b) {
    uint64_t x, y;
    (void)arg;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x < y;
}

static void sort(uint64_t *keys, uint32_t count) {
    if (count > 48) {
        omen_sort(keys, count, sizeof *keys, less, NULL);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        uint64_t k = keys[i];
        uint32_t at = i;
        for (; at != 0 && keys[at - 1] > k; at--) keys[at] = keys[at - 1];
        keys[at] = k;
    }
}

static uint64_t middle(uint64_t a, uint64_t b, uint64_t c) { return a < b ? (b < c ? b : OMEN_MAX(a, c)) : (a < c ? a : OMEN_MAX(b, c)); }

/* Brings the nearest `want` of `len` different keys to the front (quickselect: Hoare 1961); sorts what is left when the pivots are bad. */
static void select_nearest(uint64_t *keys, uint32_t len, uint32_t want) {
    uint32_t lo = 0, hi = len; /* the border lies in [lo, hi) */
    for (uint32_t rounds = 0; hi - lo > 16; rounds++) {
        if (rounds == 64) break;
        uint64_t pivot = middle(keys[lo], keys[lo + (hi - lo) / 2], keys[hi - 1]);
        uint32_t i = lo, j = hi - 1;
        for (;;) {
            while (keys[i] < pivot) i++;
            while (keys[j] > pivot) j--;
            if (i >= j) break;
            uint64_t k = keys[i];
            keys[i++] = keys[j];
            keys[j--] = k;
        }
        /* [lo, i) <= pivot <= [i, hi); the pivot itself has come to one of both sides. */
        if (i == lo) i++;
        if (want == i) return;
        if (want < i) hi = i;
        else lo = i;
    }
    sort(keys + lo, hi - lo);
}

static void shrink(omen_pick *p) {
    if (p->len <= p->want) return;
    select_nearest(p->keys, p->len, p->want);
    p->len = p->want;
    uint64_t last = 0;
    for (uint32_t i = 0; i < p->len; i++) last = OMEN_MAX(last, p->keys[i]);
    p->limit = omen_pick_rank(last);
}

void omen_pick_offer(omen_pick *p, const int32_t *ranks, const uint32_t *ids, uint32_t first, uint32_t count, const omen_may *filter) {
    if (p->len >= 2 * p->want) shrink(p);
    uint64_t *keys = p->keys;
    uint32_t len = p->len, from = len;
    int32_t limit = p->limit;
    /* Every key is written; only those within the limit are kept, without a branch that could be mispredicted. */
    if (ids == NULL)
        for (uint32_t i = 0; i < count; i++) {
            keys[len] = omen_pick_key(ranks[i], first + i);
            len += ranks[i] <= limit;
        }
    else
        for (uint32_t i = 0; i < count; i++) {
            keys[len] = omen_pick_key(ranks[i], ids[i]);
            len += ranks[i] <= limit;
        }
    if (filter != NULL) {
        uint32_t kept = from;
        for (uint32_t i = from; i < len; i++)
            if (omen_may_answer(filter, omen_pick_id(keys[i]))) keys[kept++] = keys[i];
        len = kept;
    }
    p->len = len;
}

void omen_pick_end(omen_pick *p) {
    shrink(p);
    sort(p->keys, p->len);
}
