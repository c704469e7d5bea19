#include "query/matches.h"

#include "column/element.h"

void omen_matches_init(omen_matches *x, omen_mem *m, omen_match_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, omen_topk *top) {
    *x = (omen_matches){.mem = m, .sources = sources, .source_count = source_count, .field = field, .ranker = *ranker, .top = top};
}

static void release(omen_matches *x) {
    for (uint32_t i = 0; i < OMEN_MATCHES_WINDOW; i++) {
        const omen_scan_source *s = x->source < x->source_count ? x->sources[x->source].rows : NULL;
        if (x->held[i]) s->ops->release_row(s->ctx, &x->rows[i]);
        x->held[i] = false;
    }
    x->window = x->done = 0;
    x->ranked = false;
}

void omen_matches_deinit(omen_matches *x) {
    if (x->mem == NULL) return;
    release(x);
    omen_free(x->mem, x->buffers, OMEN_MATCHES_WINDOW * x->buffer_bytes);
    *x = (omen_matches){0};
}

/* The numbers of the next rows. */
static void pick(omen_matches *x) {
    const omen_bits *accept = x->sources[x->source].accept;
    uint32_t words = (accept->count + 63) / 64;
    for (uint32_t w = x->next / 64; w < words && x->window < OMEN_MATCHES_WINDOW; w++) {
        uint64_t left = accept->words[w];
        if (w == x->next / 64) left &= UINT64_MAX << x->next % 64;
        for (; left != 0 && x->window < OMEN_MATCHES_WINDOW; left &= left - 1) x->ids[x->window++] = w * 64 + (uint32_t)__builtin_ctzll(left);
    }
    if (x->window != 0) x->next = x->ids[x->window - 1] + 1;
}

/* On hosts whose reads pend all rows are under way before the first wait; a pool too small for the window is no failure as long as one row is held. */
static omen_status fill(omen_matches *x, omen_error *err) {
    const omen_scan_source *s = x->sources[x->source].rows;
    omen_status pending = OMEN_OK;
    bool at_hand = true;
    if (x->window == 0) {
        pick(x);
        for (uint32_t i = 0; i < x->window; i++) {
            at_hand &= s->ops->expect_row(s->ctx, x->field, x->ids[i]);
            s->ops->expect_key(s->ctx, x->ids[i], false);
        }
    }
    if (!at_hand && x->buffers == NULL) {
        x->buffer_bytes = (size_t)omen_round_up(omen_element_bytes(x->ranker.element, x->ranker.dimensions) + 64, 64);
        x->buffers = omen_alloc(x->mem, OMEN_MATCHES_WINDOW * x->buffer_bytes);
        if (x->buffers == NULL) x->buffer_bytes = 0; /* without memory rows are read by blocks */
    }
    for (uint32_t i = 0; i < x->window; i++) {
        if (x->held[i]) continue;
        omen_status st = s->ops->row_vector(s->ctx, x->field, x->ids[i], x->buffers == NULL ? NULL : x->buffers + i * x->buffer_bytes, &x->rows[i], err);
        if (st == OMEN_ERR_LIMIT && i != 0) {
            x->next = x->ids[i];
            x->window = i;
            for (uint32_t k = i; k < OMEN_MATCHES_WINDOW; k++) {
                if (x->held[k]) s->ops->release_row(s->ctx, &x->rows[k]);
                x->held[k] = false;
            }
            break;
        }
        if (st == OMEN_PENDING) {
            pending = st;
            continue;
        }
        OMEN_TRY(st);
        x->held[i] = true;
    }
    return pending;
}

static omen_status offer(omen_matches *x, omen_error *err) {
    const omen_match_source *own = &x->sources[x->source];
    for (; x->done < x->window; x->done++) {
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key;
        bool live;
        if (!omen_topk_open(x->top, x->values[x->done])) continue;
        OMEN_TRY(own->rows->ops->row(own->rows->ctx, x->ids[x->done], bytes, &key, &live, err));
        if (live && omen_topk_push(x->top, x->values[x->done], own->number, x->ids[x->done], key) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    }
    return OMEN_OK;
}

omen_status omen_matches_step(omen_matches *x, omen_error *err) {
    for (; x->source < x->source_count; x->source++, x->next = 0) {
        const omen_scan_source *s = x->sources[x->source].rows;
        uint64_t from = x->mem->host->ticks_ns(x->mem->host->ctx);
        for (;;) {
            if (!x->ranked) {
                OMEN_TRY(omen_deadline_check(x->mem->host, x->deadline_ns, err));
                OMEN_TRY(fill(x, err));
                if (x->window == 0) break;
                for (uint32_t i = 0; i < x->window; i++) omen_rank_rows(&x->ranker, x->rows[i].vector, &x->rows[i].norm, 1, &x->values[i]);
                for (uint32_t i = 0; i < x->window; i++)
                    if (omen_topk_open(x->top, x->values[i])) s->ops->expect_key(s->ctx, x->ids[i], true);
                x->distances += x->window;
                x->ranked = true;
            }
            OMEN_TRY(offer(x, err));
            release(x);
        }
        x->sources[x->source].ns += x->mem->host->ticks_ns(x->mem->host->ctx) - from;
    }
    return OMEN_OK;
}
