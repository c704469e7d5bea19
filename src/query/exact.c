#include "query/exact.h"

#include "kernel/kernel.h"

#define MIN_NORMAL 1.17549435e-38f
#define MAX_FLOAT 3.40282347e+38f

float omen_norm(const float *v, uint32_t dimensions) {
    float square;
    omen_kernels_get()->dot_f32(v, v, 1, dimensions, &square);
    if (!(square >= MIN_NORMAL) || square > MAX_FLOAT) return 0.0f;
    return __builtin_sqrtf(square);
}

float omen_distance_of(omen_metric metric, float rank_value) { return metric == OMEN_METRIC_L2 ? __builtin_sqrtf(rank_value) : rank_value; }

float omen_score_of(omen_metric metric, float distance) {
    switch (metric) {
        case OMEN_METRIC_L2: return 1.0f / (1.0f + distance);
        case OMEN_METRIC_COSINE: return 1.0f - distance;
        default: return 0.0f - distance; /* and never -0 */
    }
}

omen_status omen_exact_init(omen_exact *x, omen_mem *m, const omen_scan_source *sources, uint32_t source_count, uint32_t field,
                            uint32_t dimensions, omen_metric metric, const float *query, uint32_t k, omen_error *err) {
    *x = (omen_exact){.mem = m,
                      .sources = sources,
                      .source_count = source_count,
                      .field = field,
                      .dimensions = dimensions,
                      .metric = metric,
                      .query = query};
    x->query_norm = metric == OMEN_METRIC_COSINE ? omen_norm(query, dimensions) : 1.0f;
    omen_topk_init(&x->top, m, k);
    x->run_rows = OMEN_MAX(1u, 65536u / (dimensions * 4u));
    x->scratch = omen_alloc(m, (size_t)OMEN_SCAN_WINDOW * 2 * x->run_rows * sizeof(float));
    if (x->scratch == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search");
    return OMEN_OK;
}

static float *distances_of(const omen_exact *x, uint32_t run) { return x->scratch + (size_t)run * 2 * x->run_rows; }
static float *norms_of(const omen_exact *x, uint32_t run) { return distances_of(x, run) + x->run_rows; }

static void release_runs(omen_exact *x) {
    const omen_scan_source *s = &x->sources[x->source];
    for (uint32_t i = 0; i < OMEN_SCAN_WINDOW; i++) {
        if (x->held[i]) s->ops->release(s->ctx, &x->runs[i]);
        x->held[i] = false;
    }
}

void omen_exact_deinit(omen_exact *x) {
    if (x->scratch == NULL) return;
    if (x->source < x->source_count) release_runs(x);
    omen_topk_deinit(&x->top);
    omen_free(x->mem, x->scratch, (size_t)OMEN_SCAN_WINDOW * 2 * x->run_rows * sizeof(float));
    x->scratch = NULL;
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
    const omen_kernels *k = omen_kernels_get();
    for (uint32_t i = 0; i < x->run_count; i++) {
        const omen_scan_run *run = &x->runs[i];
        float *d = distances_of(x, i);
        if (x->metric == OMEN_METRIC_L2) {
            k->l2_f32(x->query, run->vectors, run->count, x->dimensions, d);
        } else {
            k->dot_f32(x->query, run->vectors, run->count, x->dimensions, d);
            if (x->metric == OMEN_METRIC_IP) {
                for (uint32_t r = 0; r < run->count; r++) d[r] = 0.0f - d[r];
            } else {
                for (uint32_t r = 0; r < run->count; r++) {
                    float c = 1.0f - d[r] / (x->query_norm * run->norms[r]);
                    d[r] = c < 0.0f ? 0.0f : c > 2.0f ? 2.0f : c; /* rounding may step outside */
                }
            }
        }
        x->distances += run->count;
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

omen_status omen_exact_step(omen_exact *x, omen_error *err) {
    for (; x->source < x->source_count; x->source++, x->row = 0) {
        while (x->row < x->sources[x->source].rows) {
            if (!x->scored) {
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
    omen_topk_sort(&x->top);
    return OMEN_OK;
}
