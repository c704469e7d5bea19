/* bm25_top.c - the k best hits, as a heap whose root is the worst of them. */
#include "base/sort.h"
#include "text/bm25.h"

/* Whether a comes before b among hits. */
static bool before(void *arg, const void *a, const void *b) {
    const omen_text_hit *x = a, *y = b;
    (void)arg;
    if (x->score != y->score) return x->score > y->score;
    return x->source != y->source ? x->source < y->source : x->row < y->row;
}

static void sift_down(omen_text_hit *h, uint32_t n, uint32_t at) {
    omen_text_hit v = h[at];
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(NULL, &h[child], &h[child + 1])) child++;
        if (!before(NULL, &v, &h[child])) break;
        h[at] = h[child];
    }
    h[at] = v;
}

/* Hits come in the order in which equal ones stand, so one that equals the worst is none. */
static float above(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    if (v == 0.0f) bits = 1;
    else if (v > 0.0f) bits++;
    else bits--;
    memcpy(&v, &bits, 4);
    return v;
}

static omen_status offer(omen_text_collector *self, uint32_t source, uint32_t row, float score, omen_error *err) {
    omen_text_top *t = (omen_text_top *)self;
    omen_text_hit hit = {score, source, row};
    (void)err;
    if (t->count < t->k) {
        t->hits[t->count++] = hit;
        if (t->count == t->k)
            for (uint32_t i = t->k / 2; i-- != 0;) sift_down(t->hits, t->k, i);
    } else if (t->k != 0 && before(NULL, &hit, &t->hits[0])) {
        t->hits[0] = hit;
        sift_down(t->hits, t->k, 0);
    }
    if (t->count == t->k && t->k != 0) self->threshold = above(t->hits[0].score);
    return OMEN_OK;
}

void omen_text_top_init(omen_text_top *t, omen_text_hit *room, uint32_t k) {
    *t = (omen_text_top){.collector = {.threshold = k == 0 ? __builtin_inff() : -__builtin_inff(), .offer = offer}, .hits = room, .k = k};
}

void omen_text_top_sort(omen_text_top *t) { omen_sort(t->hits, t->count, sizeof *t->hits, before, NULL); }
