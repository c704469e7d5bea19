#include "query/exact.h"

#include "column/element.h"

/* What the runs of a window need: distances, and room for norms where the metric has any. */
static size_t window_bytes(const omen_exact *x) {
    return (size_t)OMEN_SCAN_WINDOW * (x->ranker.metric == OMEN_METRIC_COSINE ? 2 : 1) * x->run_rows * sizeof(float);
}

omen_status omen_exact_init(omen_exact *x, omen_mem *m, const omen_scan_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker,
                            uint32_t k, omen_error *err) {
    *x = (omen_exact){.mem = m, .sources = sources, .source_count = source_count, .field = field, .ranker = *ranker};
    omen_topk_init(&x->top, m, k);
    x->run_rows = OMEN_MAX(1u, 65536u / (uint32_t)omen_element_bytes(ranker->element, ranker->dimensions));
    (void)err;
    return OMEN_OK;
}

static float *distances_of(const omen_exact *x, uint32_t run) { return x->scratch + (size_t)run * x->run_rows; }
static float *norms_of(const omen_exact *x, uint32_t run) { return x->ranker.metric == OMEN_METRIC_COSINE ? distances_of(x, OMEN_SCAN_WINDOW + run) : NULL; }

static void release_runs(omen_exact *x) {
    const omen_scan_source *s = &x->sources[x->source];
    for (uint32_t i = 0; i < OMEN_SCAN_WINDOW; i++) {
        if (x->held[i]) s->ops->release(s->ctx, &x->runs[i]);
        x->held[i] = false;
    }
}

void omen_exact_deinit(omen_exact *x) {
    if (x->mem == NULL) return;
    if (x->source < x->source_count) release_runs(x);
    omen_topk_deinit(&x->top);
    omen_free(x->mem, x->scratch, window_bytes(x));
    *x = (omen_exact){0};
}

/* Asks for runs until the window or the source is full; runs that are pending are all under way before the first wait. A pool too small for
 * the window is no failure as long as one run is held. */
static omen_status fill_window(omen_exact *x, omen_error *err) {
    const omen_scan_source *s = &x->sources[x->source];
    uint32_t row = x->row;
    omen_status pending = OMEN_OK;
    uint32_t i = 0;
    for (; i < OMEN_SCAN_WINDOW && row < s->rows; i++) {
        if (!x->held[i]) {
            omen_status st = s->ops->run(s->ctx, x->field, row, x->run_rows, norms_of(x, i), &x->runs[i], err);
            if (st == OMEN_ERR_LIMIT && i != 0) break;
            if (st == OMEN_PENDING) {
                /* Where the run ends is not known before it is here, unless it is a full one, as all but the last are. */
                pending = st;
                row += x->run_rows - row % x->run_rows;
                continue;
            }
            if (st != OMEN_OK) return st;
            x->held[i] = true;
        }
        row = x->runs[i].first + x->runs[i].count;
    }
    if (pending != OMEN_OK) return pending;
    x->run_count = i;
    return OMEN_OK;
}

static void score_window(omen_exact *x) {
    for (uint32_t i = 0; i < x->run_count; i++) {
        omen_rank_rows(&x->ranker, x->runs[i].vectors, x->runs[i].norms, x->runs[i].count, distances_of(x, i));
        x->distances += x->runs[i].count;
    }
}

/* Offers every row of the window to the heap; only rows that could enter are asked for id and life. */
static omen_status offer_window(omen_exact *x, omen_error *err) {
    const omen_scan_source *s = &x->sources[x->source];
    for (; x->run < x->run_count; x->run++, x->at = 0) {
        const omen_scan_run *run = &x->runs[x->run];
        const float *d = distances_of(x, x->run);
        uint32_t begin = x->row > run->first ? x->row - run->first : 0;
        if (x->at < begin) x->at = begin;
        for (; x->at < run->count; x->at++) {
            if (!omen_topk_open(&x->top, d[x->at])) continue;
            uint8_t bytes[OMEN_KEY_MAX];
            omen_key key;
            bool live;
            OMEN_TRY(s->ops->row(s->ctx, run->first + x->at, bytes, &key, &live, err));
            if (live && omen_topk_push(&x->top, d[x->at], x->source, run->first + x->at, key) != OMEN_OK)
                return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
        }
    }
    return OMEN_OK;
}

void omen_exact_again(omen_exact *x) { x->source = x->row = 0; }

omen_status omen_exact_step(omen_exact *x, omen_error *err) {
    for (; x->source < x->source_count; x->source++, x->row = 0) {
        while (x->row < x->sources[x->source].rows) {
            if (x->scratch == NULL) x->scratch = omen_alloc(x->mem, window_bytes(x)); /* not before there is anything to scan */
            if (x->scratch == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
            if (!x->scored) {
                OMEN_TRY(omen_deadline_check(x->mem->host, x->deadline_ns, err));
                OMEN_TRY(fill_window(x, err));
                score_window(x);
                x->scored = true;
                x->run = x->at = 0;
            }
            OMEN_TRY(offer_window(x, err));
            const omen_scan_run *last = &x->runs[x->run_count - 1];
            x->row = last->first + last->count;
            release_runs(x);
            x->scored = false;
        }
    }
    return OMEN_OK;
}
