#include "query/window.h"

#include "column/element.h"

void omen_window_init(omen_window *w, omen_mem *m, uint32_t field, const omen_ranker *ranker, omen_topk *top) {
    *w = (omen_window){.mem = m, .field = field, .ranker = *ranker, .top = top};
}

static void let_go(omen_window *w, uint32_t from) {
    for (uint32_t i = from; i < OMEN_WINDOW; i++) {
        if (w->held[i]) w->source->ops->release_row(w->source->ctx, &w->rows[i]);
        w->held[i] = false;
    }
}

static void empty(omen_window *w) {
    let_go(w, 0);
    w->source = NULL;
    w->count = w->done = 0;
    w->ranked = false;
}

void omen_window_deinit(omen_window *w) {
    if (w->mem == NULL) return;
    empty(w);
    omen_free(w->mem, w->buffers, OMEN_WINDOW * w->buffer_bytes);
    *w = (omen_window){0};
}

void omen_window_open(omen_window *w, const omen_scan_source *source, uint32_t count) {
    bool at_hand = true;
    w->source = source;
    w->count = count;
    for (uint32_t i = 0; i < count; i++) {
        at_hand &= source->ops->expect_row(source->ctx, w->field, w->ids[i]);
        source->ops->expect_key(source->ctx, w->ids[i], false);
    }
    if (at_hand || w->buffers != NULL) return;
    size_t bytes = (size_t)omen_round_up(omen_element_bytes(w->ranker.element, w->ranker.dimensions) + 64, 64);
    w->buffers = omen_alloc(w->mem, OMEN_WINDOW * bytes);
    w->buffer_bytes = w->buffers == NULL ? 0 : bytes; /* without memory rows are read by blocks */
}

/* On hosts whose reads pend all rows are under way before the first wait; a pool too small for the window is no failure as long as one row is held. */
static omen_status hold(omen_window *w, omen_error *err) {
    const omen_scan_source *s = w->source;
    omen_status pending = OMEN_OK;
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->held[i]) continue;
        omen_status st = s->ops->row_vector(s->ctx, w->field, w->ids[i], w->buffers == NULL ? NULL : w->buffers + i * w->buffer_bytes, &w->rows[i], err);
        if (st == OMEN_ERR_LIMIT && i != 0) {
            let_go(w, i);
            w->count = i;
            break;
        }
        if (st == OMEN_PENDING) {
            pending = st;
            continue;
        }
        OMEN_TRY(st);
        w->held[i] = true;
    }
    return pending;
}

omen_status omen_window_rank(omen_window *w, omen_error *err) {
    if (w->ranked) return OMEN_OK;
    OMEN_TRY(hold(w, err));
    for (uint32_t i = 0; i < w->count; i++) omen_rank_rows(&w->ranker, w->rows[i].vector, &w->rows[i].norm, 1, &w->values[i]);
    for (uint32_t i = 0; i < w->count; i++)
        if (omen_topk_open(w->top, w->values[i])) w->source->ops->expect_key(w->source->ctx, w->ids[i], true);
    w->ranked = true;
    return OMEN_OK;
}

static bool entered(const omen_topk *top, uint32_t number, uint32_t row) {
    for (uint32_t i = 0; i < top->count; i++)
        if (top->heap[i].source == number && top->heap[i].row == row) return true;
    return false;
}

omen_status omen_window_offer(omen_window *w, uint32_t number, bool again, uint32_t *stale, omen_error *err) {
    for (; w->done < w->count; w->done++) {
        float d = w->values[w->done];
        uint32_t row = w->ids[w->done];
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key;
        bool live;
        if (!omen_topk_open(w->top, d) || (again && entered(w->top, number, row))) continue;
        OMEN_TRY(w->source->ops->row(w->source->ctx, row, bytes, &key, &live, err));
        if (!live && stale != NULL) ++*stale;
        if (live && omen_topk_push(w->top, d, number, row, key) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    }
    empty(w);
    return OMEN_OK;
}
