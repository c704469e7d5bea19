#include "query/mmr.h"

#include "column/element.h"

#define HIGHEST 0x1.fffffep+127 /* the largest float */

static double bounded(float s) { return s != s || s < -HIGHEST ? -HIGHEST : s > HIGHEST ? HIGHEST : (double)s; }

static void scale(omen_mmr *x) {
    double low = HIGHEST, high = -HIGHEST;
    for (uint32_t i = 0; i < x->ask.count; i++) {
        double r = bounded(x->ask.relevance[i]);
        low = OMEN_MIN(low, r);
        high = OMEN_MAX(high, r);
    }
    for (uint32_t i = 0; i < x->ask.count; i++) x->relevance[i] = high > low ? (bounded(x->ask.relevance[i]) - low) / (high - low) : 1;
}

omen_status omen_mmr_init(omen_mmr *x, omen_mem *m, const omen_mmr_ask *ask, omen_error *err) {
    *x = (omen_mmr){.mem = m, .ask = *ask, .row_bytes = omen_element_bytes(ask->element, ask->dimensions)};
    if (!(ask->lambda >= 0 && ask->lambda <= 1)) return omen_fail(err, OMEN_ERR_INVALID, "lambda must be a number from 0 (as unlike as can be) to 1 (relevance alone)");
    if (ask->count == 0) return OMEN_OK;
    size_t n = ask->count, room;
    bool own_norms = ask->metric == OMEN_METRIC_IP;
    if (!omen_mul(n, sizeof(double), &room)) return omen_fail(err, OMEN_ERR_TOO_LARGE, "%u candidates are too many", ask->count);
    x->relevance = omen_alloc(m, n * sizeof *x->relevance);
    x->alike = omen_alloc(m, n * sizeof *x->alike);
    x->ranks = omen_alloc(m, n * sizeof *x->ranks);
    x->norms = own_norms ? omen_alloc(m, n * sizeof *x->norms) : NULL;
    x->query = omen_alloc(m, omen_element_given_bytes(ask->element, ask->dimensions));
    if (x->relevance == NULL || x->alike == NULL || x->ranks == NULL || (own_norms && x->norms == NULL) || x->query == NULL) {
        omen_mmr_deinit(x);
        return omen_fail(err, OMEN_ERR_MEMORY, "no memory to compare %u candidates", ask->count);
    }
    scale(x);
    for (uint32_t i = 0; own_norms && i < ask->count; i++) x->norms[i] = omen_element_norm(ask->element, (const uint8_t *)ask->vectors + i * x->row_bytes, ask->dimensions);
    return OMEN_OK;
}

void omen_mmr_deinit(omen_mmr *x) {
    size_t n = x->ask.count;
    if (x->mem == NULL) return;
    omen_free(x->mem, x->relevance, n * sizeof *x->relevance);
    omen_free(x->mem, x->alike, n * sizeof *x->alike);
    omen_free(x->mem, x->ranks, n * sizeof *x->ranks);
    omen_free(x->mem, x->norms, n * sizeof *x->norms);
    omen_free(x->mem, x->query, omen_element_given_bytes(x->ask.element, x->ask.dimensions));
    *x = (omen_mmr){0};
}

/* Similarities to what was just taken. */
static void compare(omen_mmr *x, uint32_t chosen) {
    omen_metric metric = x->ask.metric == OMEN_METRIC_IP ? OMEN_METRIC_COSINE : x->ask.metric;
    omen_element_give(x->ask.element, x->ask.dimensions, (const uint8_t *)x->ask.vectors + chosen * x->row_bytes, x->query);
    omen_ranker r = omen_ranker_of(metric, x->ask.element, x->ask.dimensions, x->query);
    omen_rank_rows(&r, x->ask.vectors, x->norms != NULL ? x->norms : x->ask.norms, x->ask.count, x->ranks);
    for (uint32_t i = 0; i < x->ask.count; i++) {
        float s = omen_score_of(&r, omen_distance_of(&r, x->ranks[i]));
        if (s != s || (metric == OMEN_METRIC_COSINE && (r.query_norm == 0 || (x->norms != NULL && x->norms[i] == 0)))) s = 0;
        if (x->taken == 1 || s > x->alike[i]) x->alike[i] = s;
    }
}

bool omen_mmr_next(omen_mmr *x, uint32_t *chosen) {
    double lambda = (double)x->ask.lambda, best = 0;
    uint32_t at = UINT32_MAX;
    if (x->taken == x->ask.count) return false;
    for (uint32_t i = 0; i < x->ask.count; i++) {
        if (x->relevance[i] != x->relevance[i]) continue;
        double worth = lambda * x->relevance[i] - (x->taken == 0 ? 0 : (1 - lambda) * (double)x->alike[i]);
        if (at == UINT32_MAX || worth > best) {
            best = worth;
            at = i;
        }
    }
    *chosen = at;
    x->relevance[at] = __builtin_nan("");
    if (++x->taken < x->ask.count && lambda < 1) compare(x, at);
    return true;
}
