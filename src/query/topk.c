#include "query/topk.h"

#include "kernel/kernel.h"

void omen_topk_init(omen_topk *t, omen_mem *m, uint32_t k) { *t = (omen_topk){.mem = m, .k = k}; }

void omen_topk_deinit(omen_topk *t) {
    for (uint32_t i = 0; i < t->count; i++) omen_free(t->mem, t->heap[i].key, t->heap[i].key_cap);
    omen_free(t->mem, t->heap, (size_t)t->cap * sizeof *t->heap);
    *t = (omen_topk){0};
}

static bool worse(const omen_candidate *a, const omen_candidate *b) {
    if (a->rank != b->rank) return a->rank > b->rank;
    return omen_key_compare(omen_candidate_key(a), omen_candidate_key(b)) > 0;
}

static void swap(omen_candidate *a, omen_candidate *b) {
    omen_candidate t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(omen_candidate *heap, uint32_t count, uint32_t i) {
    for (;;) {
        uint32_t top = i, left = 2 * i + 1, right = left + 1;
        if (left < count && worse(&heap[left], &heap[top])) top = left;
        if (right < count && worse(&heap[right], &heap[top])) top = right;
        if (top == i) return;
        swap(&heap[i], &heap[top]);
        i = top;
    }
}

static void sift_up(omen_candidate *heap, uint32_t i) {
    while (i != 0 && worse(&heap[i], &heap[(i - 1) / 2])) {
        swap(&heap[i], &heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

/* The slot keeps its id's buffer when it is used again. */
static omen_status fill(omen_topk *t, omen_candidate *c, float distance, uint32_t source, uint32_t row, omen_key key) {
    if (key.len > sizeof c->small && key.len > c->key_cap) {
        uint32_t cap = (uint32_t)omen_round_up(key.len, 64);
        uint8_t *p = omen_alloc(t->mem, cap);
        if (p == NULL) return OMEN_ERR_MEMORY;
        omen_free(t->mem, c->key, c->key_cap);
        c->key = p;
        c->key_cap = cap;
    }
    memcpy(c->key_cap != 0 ? c->key : c->small, key.data, key.len);
    c->key_len = key.len;
    c->distance = distance;
    c->rank = omen_distance_key(distance);
    c->source = source;
    c->row = row;
    return OMEN_OK;
}

omen_status omen_topk_push(omen_topk *t, float distance, uint32_t source, uint32_t row, omen_key key) {
    if (t->count == t->k) {
        const omen_candidate *last = &t->heap[0];
        uint32_t rank = omen_distance_key(distance);
        if (rank > last->rank || (rank == last->rank && omen_key_compare(key, omen_candidate_key(last)) >= 0)) return OMEN_OK;
        OMEN_TRY(fill(t, &t->heap[0], distance, source, row, key));
        sift_down(t->heap, t->count, 0);
        return OMEN_OK;
    }
    if (t->count == t->cap) {
        uint32_t cap = OMEN_MIN(t->k, OMEN_MAX(16u, t->cap * 2));
        omen_candidate *heap = omen_resize(t->mem, t->heap, (size_t)t->cap * sizeof *heap, (size_t)cap * sizeof *heap);
        if (heap == NULL) return OMEN_ERR_MEMORY;
        t->heap = heap;
        t->cap = cap;
    }
    t->heap[t->count] = (omen_candidate){0};
    OMEN_TRY(fill(t, &t->heap[t->count], distance, source, row, key));
    sift_up(t->heap, t->count++);
    return OMEN_OK;
}

void omen_topk_drop(omen_topk *t, uint32_t source) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->heap[i].source == source) {
            omen_free(t->mem, t->heap[i].key, t->heap[i].key_cap);
            continue;
        }
        t->heap[kept] = t->heap[i];
        sift_up(t->heap, kept++);
    }
    t->count = kept;
}

void omen_topk_sort(omen_topk *t) {
    for (uint32_t left = t->count; left > 1; left--) {
        swap(&t->heap[0], &t->heap[left - 1]);
        sift_down(t->heap, left - 1, 0);
    }
}
