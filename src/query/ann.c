#include "query/ann.h"

#include "column/element.h"
#include "index/may.h"
#include "query/deadline.h"

/* Hits whose last says how far a walk goes, at least: as the audits do. */
#define NEAR 10u

void omen_ann_init(omen_ann *a, omen_mem *m, omen_ann_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, const void *vector, omen_topk *top) {
    *a = (omen_ann){.mem = m, .host = m->host, .sources = sources, .source_count = source_count, .field = field, .ranker = *ranker, .vector = vector, .top = top};
}

static void release_window(omen_ann *a) {
    const omen_scan_source *s = a->sources[a->source].rows;
    for (uint32_t i = 0; i < OMEN_ANN_WINDOW; i++) {
        if (a->held[i]) s->ops->release_row(s->ctx, &a->rows[i]);
        a->held[i] = false;
    }
    a->ranked = false;
    a->window = a->done = 0;
}

void omen_ann_deinit(omen_ann *a) {
    if (a->mem == NULL) return;
    if (a->source < a->source_count) release_window(a);
    omen_index_search_end(a->search);
    omen_free(a->mem, a->buffers, OMEN_ANN_WINDOW * a->buffer_bytes);
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

/* Holds the vectors of the next candidates. On hosts whose reads pend all of them are under way before the first wait; a pool too small for the window
 * is no failure as long as one row is held. */
static omen_status fill_window(omen_ann *a, omen_error *err) {
    const omen_scan_source *s = a->sources[a->source].rows;
    omen_status pending = OMEN_OK;
    uint32_t n = 0;
    bool at_hand = true;
    for (uint32_t i = a->at; i < OMEN_MIN(a->at + OMEN_ANN_WINDOW, a->hit_count) && !a->held[0]; i++) {
        at_hand &= s->ops->expect_row(s->ctx, a->field, a->hits[i].row);
        s->ops->expect_key(s->ctx, a->hits[i].row, false);
    }
    if (!at_hand && a->buffers == NULL) {
        size_t bytes = (size_t)omen_round_up(omen_element_bytes(a->ranker.element, a->ranker.dimensions) + 64, 64);
        a->buffers = omen_alloc(a->mem, OMEN_ANN_WINDOW * bytes);
        a->buffer_bytes = a->buffers == NULL ? 0 : bytes; /* without memory rows are read by blocks */
    }
    for (; n < OMEN_ANN_WINDOW && a->at + n < a->hit_count; n++) {
        if (a->held[n]) continue;
        omen_status st = s->ops->row_vector(s->ctx, a->field, a->hits[a->at + n].row, a->buffers == NULL ? NULL : a->buffers + n * a->buffer_bytes, &a->rows[n], err);
        if (st == OMEN_ERR_LIMIT && n != 0) break;
        if (st == OMEN_PENDING) {
            pending = st;
            continue;
        }
        if (st != OMEN_OK) return st;
        a->held[n] = true;
    }
    if (pending != OMEN_OK) return pending;
    a->window = n;
    return OMEN_OK;
}

static bool entered(const omen_ann *a, uint32_t row) {
    for (uint32_t i = 0; i < a->top->count; i++)
        if (a->top->heap[i].source == a->sources[a->source].number && a->top->heap[i].row == row) return true;
    return false;
}

static omen_status offer_window(omen_ann *a, omen_error *err) {
    omen_ann_source *own = &a->sources[a->source];
    const omen_scan_source *s = own->rows;
    for (; a->done < a->window; a->done++) {
        float d = a->distances[a->done];
        uint32_t row = a->hits[a->at + a->done].row;
        if (!omen_topk_open(a->top, d) || (own->widened != 0 && entered(a, row))) continue;
        uint8_t bytes[OMEN_KEY_MAX];
        omen_key key;
        bool live;
        OMEN_TRY(s->ops->row(s->ctx, row, bytes, &key, &live, err));
        a->stale += !live;
        if (live && omen_topk_push(a->top, d, own->number, row, key) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    }
    return OMEN_OK;
}

static omen_status rank_hits(omen_ann *a, omen_error *err) {
    const omen_scan_source *s = a->sources[a->source].rows;
    while (a->at < a->hit_count) {
        if (!a->ranked) {
            OMEN_TRY(omen_deadline_check(a->host, a->deadline_ns, err));
            OMEN_TRY(fill_window(a, err));
            for (uint32_t i = 0; i < a->window; i++) omen_rank_rows(&a->ranker, a->rows[i].vector, &a->rows[i].norm, 1, &a->distances[i]);
            for (uint32_t i = 0; i < a->window; i++)
                if (omen_topk_open(a->top, a->distances[i])) s->ops->expect_key(s->ctx, a->hits[a->at + i].row, true);
            a->sources[a->source].ranked += a->window;
            a->ranked = true;
            a->done = 0;
        }
        OMEN_TRY(offer_window(a, err));
        a->at += a->window;
        release_window(a);
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
