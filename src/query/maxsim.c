#include "query/maxsim.h"

#include "base/sort.h"
#include "column/element.h"

#define BLOCK 256u /* rows ranked at once */
#define HIGHEST 0x1.fffffep+127

omen_status omen_maxsim_init(omen_maxsim *x, omen_mem *m, omen_metric metric, omen_element element, uint32_t dimensions, const void *queries, uint32_t count, omen_error *err) {
    *x = (omen_maxsim){.mem = m, .count = count};
    if (count == 0 || count > OMEN_MAXSIM_QUERIES) return omen_fail(err, OMEN_ERR_INVALID, "a query has 1 to %u vectors, not %u", OMEN_MAXSIM_QUERIES, count);
    x->rankers = omen_alloc(m, count * sizeof *x->rankers);
    x->best = omen_alloc(m, count * sizeof *x->best);
    if (x->rankers == NULL || x->best == NULL) {
        omen_maxsim_deinit(x);
        return omen_fail(err, OMEN_ERR_MEMORY, "no memory for a query of %u vectors", count);
    }
    size_t bytes = omen_element_given_bytes(element, dimensions);
    for (uint32_t q = 0; q < count; q++) {
        x->rankers[q] = omen_ranker_of(metric, element, dimensions, (const uint8_t *)queries + q * bytes);
        if (metric == OMEN_METRIC_COSINE && x->rankers[q].query_norm == 0) {
            omen_maxsim_deinit(x);
            return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "vector %u of the query has no direction: its length is zero, or too small or large for cosine", q);
        }
    }
    omen_maxsim_begin(x);
    return OMEN_OK;
}

void omen_maxsim_deinit(omen_maxsim *x) {
    if (x->mem == NULL) return;
    omen_free(x->mem, x->rankers, x->count * sizeof *x->rankers);
    omen_free(x->mem, x->best, x->count * sizeof *x->best);
    *x = (omen_maxsim){0};
}

void omen_maxsim_begin(omen_maxsim *x) {
    x->rows = 0;
    for (uint32_t q = 0; q < x->count; q++) x->best[q] = __builtin_inff();
}

void omen_maxsim_rows(omen_maxsim *x, const void *rows, const float *norms, uint32_t count) {
    float ranks[BLOCK];
    size_t bytes = omen_element_bytes(x->rankers[0].element, x->rankers[0].dimensions);
    for (uint32_t from = 0; from < count; from += BLOCK) {
        uint32_t n = OMEN_MIN(BLOCK, count - from);
        for (uint32_t q = 0; q < x->count; q++) { /* a block stays in the caches while every vector is compared with it */
            omen_rank_rows(&x->rankers[q], (const uint8_t *)rows + from * bytes, norms == NULL ? NULL : norms + from, n, ranks);
            for (uint32_t i = 0; i < n; i++)
                if (ranks[i] < x->best[q]) x->best[q] = ranks[i];
        }
    }
    x->rows += count;
}

static float rounded(double v) { return v > HIGHEST ? (float)HIGHEST : v < -HIGHEST ? (float)-HIGHEST : (float)v; }

bool omen_maxsim_value(const omen_maxsim *x, float *value) {
    double sum = 0;
    if (x->rows == 0) return false;
    for (uint32_t q = 0; q < x->count; q++) sum += OMEN_MIN((double)x->best[q], HIGHEST);
    *value = rounded(sum);
    return true;
}

float omen_maxsim_distance(const omen_maxsim *x, float value) { return omen_distance_of(&x->rankers[0], (float)((double)value / x->count)); }

float omen_maxsim_score(const omen_maxsim *x, float value) {
    double n = x->count, v = (double)value;
    switch (x->rankers[0].metric) {
        case OMEN_METRIC_L2: return (float)(n / (1.0 + (double)omen_maxsim_distance(x, value)));
        case OMEN_METRIC_COSINE: return (float)(n - v);
        case OMEN_METRIC_HAMMING: return (float)(n - v / x->rankers[0].dimensions);
        default: return 0.0f - value;
    }
}

/* ---- candidates ---- */

uint32_t omen_maxsim_depth(uint32_t k, uint32_t round, uint32_t rows) {
    uint64_t depth = OMEN_MAX(k, 32u);
    depth = round < 32 ? depth << round : UINT32_MAX;
    return (uint32_t)OMEN_MIN(depth, rows);
}

omen_status omen_maxsim_union(omen_mem *m, const omen_maxsim_list *lists, uint32_t count, omen_maxsim_record **out, uint32_t *out_count, omen_error *err) {
    uint64_t total = 0;
    size_t bytes;
    *out = NULL;
    *out_count = 0;
    for (uint32_t l = 0; l < count; l++) total += lists[l].count;
    if (total == 0) return OMEN_OK;
    if (total > UINT32_MAX || !omen_mul((size_t)total, 2 * sizeof(omen_keyed), &bytes)) return omen_fail(err, OMEN_ERR_TOO_LARGE, "%llu hits are too many to be joined", (unsigned long long)total);
    omen_keyed *all = omen_alloc(m, bytes);
    if (all == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "no memory to join %llu hits", (unsigned long long)total);
    uint32_t n = 0, different = 0;
    for (uint32_t l = 0; l < count; l++)
        for (uint32_t i = 0; i < lists[l].count; i++, n++) all[n] = (omen_keyed){(uint64_t)lists[l].hits[i].source << 32 | lists[l].hits[i].row, n, 0};
    omen_sort_keyed(all, all + n, n);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || all[i].key != all[i - 1].key) all[different++].key = all[i].key; /* moves down: all[i - 1] was read as it was, or is the same key */
    omen_maxsim_record *records = omen_alloc(m, different * sizeof *records);
    for (uint32_t i = 0; records != NULL && i < different; i++) records[i] = (omen_maxsim_record){(uint32_t)(all[i].key >> 32), (uint32_t)all[i].key};
    omen_free(m, all, bytes);
    if (records == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "no memory for %u records", different);
    *out = records;
    *out_count = different;
    return OMEN_OK;
}

bool omen_maxsim_settled(const omen_maxsim_list *lists, uint32_t count, float worst) {
    double sum = 0;
    for (uint32_t l = 0; l < count; l++) {
        if (lists[l].count < lists[l].depth) return true; /* this list has shown every record */
        if (lists[l].count == 0) return false;
        sum += (double)lists[l].hits[lists[l].count - 1].distance;
    }
    return count != 0 && (double)worst < sum - (sum < 0 ? -sum : sum) * 0x1p-22; /* the k-th value was rounded to a float, and equal ones are settled by id */
}
