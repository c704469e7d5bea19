#include "query/matches.h"

void omen_matches_init(omen_matches *x, omen_mem *m, omen_match_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, omen_topk *top) {
    *x = (omen_matches){.mem = m, .sources = sources, .source_count = source_count};
    omen_window_init(&x->window, m, field, ranker, top);
}

void omen_matches_deinit(omen_matches *x) {
    omen_window_deinit(&x->window);
    *x = (omen_matches){0};
}

/* The next rows; false: there are none. */
static bool open_window(omen_matches *x) {
    const omen_match_source *s = &x->sources[x->source];
    uint32_t words = (s->accept->count + 63) / 64, n = 0;
    for (uint32_t w = x->next / 64; w < words && n < OMEN_WINDOW; w++) {
        uint64_t left = s->accept->words[w];
        if (w == x->next / 64) left &= UINT64_MAX << x->next % 64;
        for (; left != 0 && n < OMEN_WINDOW; left &= left - 1) x->window.ids[n++] = w * 64 + (uint32_t)__builtin_ctzll(left);
    }
    if (n != 0) omen_window_open(&x->window, s->rows, n);
    return n != 0;
}

omen_status omen_matches_step(omen_matches *x, omen_error *err) {
    omen_window *w = &x->window;
    for (; x->source < x->source_count; x->source++, x->next = 0) {
        omen_match_source *s = &x->sources[x->source];
        uint64_t from = x->mem->host->ticks_ns(x->mem->host->ctx);
        while (w->source != NULL || open_window(x)) {
            if (!w->ranked) {
                OMEN_TRY(omen_deadline_check(x->mem->host, x->deadline_ns, err));
                OMEN_TRY(omen_window_rank(w, err));
                x->next = w->ids[w->count - 1] + 1;
                x->distances += w->count;
            }
            OMEN_TRY(omen_window_offer(w, s->number, false, NULL, err));
        }
        s->ns += x->mem->host->ticks_ns(x->mem->host->ctx) - from;
    }
    return OMEN_OK;
}
