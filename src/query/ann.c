#include "query/ann.h"

#include "index/may.h"
#include "query/deadline.h"

/* Hits whose last says how far a walk goes, at least: as the audits do. */
#define NEAR 10u

void omen_ann_init(omen_ann *a, omen_mem *m, omen_ann_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, const void *vector, omen_topk *top) {
    *a = (omen_ann){.mem = m, .host = m->host, .sources = sources, .source_count = source_count, .vector = vector, .top = top};
    omen_window_init(&a->window, m, field, ranker, top);
}

void omen_ann_deinit(omen_ann *a) {
    if (a->mem == NULL) return;
    omen_window_deinit(&a->window);
    omen_index_search_end(a->search);
    *a = (omen_ann){0};
}

static omen_status begin(omen_ann *a, omen_error *err) {
    const omen_ann_source *s = &a->sources[a->source];
    omen_index_query q = {.vector = a->vector, .want = s->want, .effort = s->effort, .slack = s->slack, .near = OMEN_MAX(a->top->k, NEAR), .dead = s->dead, .accept = s->accept};
    a->begun_ns = a->host->ticks_ns(a->host->ctx);
    a->searched = false;
    a->hit_count = a->at = a->stale = 0;
    /* Few candidates do where the distances say when to end; once they do not, there have to be some to choose from. */
    if (s->widened == 0) a->sources[a->source].may = omen_may_count(&(omen_may){s->accept, s->dead}, s->rows->rows);
    if (s->widened == 0) a->sources[a->source].planned = s->slack != 0 ? OMEN_MAX(s->want, 2 * a->top->k) : s->want;
    return omen_index_search_begin(s->index, &q, &a->search, err);
}

static omen_status rank_hits(omen_ann *a, omen_error *err) {
    omen_ann_source *s = &a->sources[a->source];
    omen_window *w = &a->window;
    while (w->source != NULL || a->at < a->hit_count) {
        if (w->source == NULL) {
            uint32_t n = OMEN_MIN(a->hit_count - a->at, OMEN_WINDOW);
            for (uint32_t i = 0; i < n; i++) w->ids[i] = a->hits[a->at + i].row;
            omen_window_open(w, s->rows, n);
        }
        if (!w->ranked) {
            OMEN_TRY(omen_deadline_check(a->host, a->deadline_ns, err));
            OMEN_TRY(omen_window_rank(w, err));
            s->ranked += w->count;
            a->at += w->count;
        }
        OMEN_TRY(omen_window_offer(w, s->number, s->widened != 0, &a->stale, err));
    }
    return OMEN_OK;
}

static void give_up(omen_ann *a) {
    omen_ann_source *s = &a->sources[a->source];
    s->gave_up = true;
    omen_topk_drop(a->top, s->number);
}

/* Too few hits, or many candidates that were replaced since: the index is asked for more, until it has no more to give. */
static bool widen(omen_ann *a) {
    omen_ann_source *s = &a->sources[a->source];
    const omen_index_options *o = omen_index_options_of(s->index);
    uint32_t live = s->may, most = o->kind == OMEN_INDEX_IVF ? o->lists : s->rows->rows;
    bool all = a->hit_count >= live || (s->effort >= most && s->want >= live);
    bool short_of = a->top->count < a->top->k;
    uint32_t planned = s->slack != 0 ? OMEN_MIN(s->planned, a->hit_count) : s->planned; /* such a walk may end before it has as many as were wanted */
    bool doubtful = (a->hit_count - a->stale) * UINT64_C(4) < planned * UINT64_C(3);
    if (all || (!short_of && !doubtful)) return false;
    /* Also where all of a graph or of the lists was looked at and less came than is there: what is damaged may hide rows. */
    if (s->want >= OMEN_ANN_MAX_EFFORT || (s->effort >= OMEN_MIN(most, OMEN_ANN_MAX_EFFORT) && a->hit_count < s->want)) {
        give_up(a);
        return false;
    }
    if (a->hit_count == s->want) s->want = OMEN_MIN(s->want * 2, s->rows->rows);
    if (s->slack != 0) s->effort = s->want; /* from here on as many as it takes */
    s->slack = 0;
    s->effort = OMEN_MIN(OMEN_MAX(s->effort, o->kind == OMEN_INDEX_IVF ? 1u : s->want) * 2, most);
    s->widened++;
    return true;
}

omen_status omen_ann_step(omen_ann *a, omen_error *err) {
    while (a->source < a->source_count) {
        omen_ann_source *s = &a->sources[a->source];
        OMEN_TRY(omen_deadline_check(a->host, a->deadline_ns, err));
        if (a->search == NULL) OMEN_TRY(begin(a, err));
        if (!a->searched) {
            omen_status st = omen_index_search_step(a->search, err);
            if (st == OMEN_ERR_CORRUPT) {
                /* The vectors are not the index's: they are compared one by one, and the index can be made again. */
                omen_index_spoil(s->index);
                give_up(a);
                omen_index_search_end(a->search);
                a->search = NULL;
                a->source++;
                continue;
            }
            OMEN_TRY(st);
            omen_index_work w;
            a->hits = omen_index_search_hits(a->search, &a->hit_count, &w);
            a->searched = true;
            s->candidates = a->hit_count;
            s->work.distances += w.distances;
            s->work.bytes += w.bytes;
            s->work.hops += w.hops;
            s->work.blocks += w.blocks;
        }
        if (omen_index_search_lost(a->search)) {
            give_up(a);
            omen_index_search_end(a->search);
            a->search = NULL;
            a->source++;
            continue;
        }
        OMEN_TRY(rank_hits(a, err));
        omen_index_search_end(a->search);
        a->search = NULL;
        s->ns += a->host->ticks_ns(a->host->ctx) - a->begun_ns;
        if (!widen(a)) a->source++;
    }
    return OMEN_OK;
}
