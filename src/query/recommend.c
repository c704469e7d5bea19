#include "query/recommend.h"

#include "column/element.h"

#define BLOCK 256u /* rows ranked at once */
#define HIGHEST 0x1.fffffep+127

static omen_status check(const omen_examples *e, omen_error *err) {
    if (e->positive_count > OMEN_RECOMMEND_EXAMPLES || e->negative_count > OMEN_RECOMMEND_EXAMPLES)
        return omen_fail(err, OMEN_ERR_INVALID, "there may be up to %u examples of each kind", OMEN_RECOMMEND_EXAMPLES);
    return OMEN_OK;
}

/* ---- average ---- */

static double dimension_of(const omen_examples *e, const void *vector, uint32_t d) {
    switch (e->element) {
        case OMEN_ELEMENT_I8: return ((const int8_t *)vector)[d];
        case OMEN_ELEMENT_BIT: return ((const uint8_t *)vector)[d / 8] >> (d % 8) & 1;
        default: return (double)((const float *)vector)[d];
    }
}

/* Adds factor times the mean of the vectors. */
static omen_status add_mean(const omen_examples *e, const void *const *vectors, uint32_t count, const char *what, double factor, double *sum, omen_error *err) {
    for (uint32_t v = 0; v < count; v++) {
        double share = factor / count;
        if (e->metric == OMEN_METRIC_COSINE) {
            double square = 0;
            if (omen_ranker_of(e->metric, e->element, e->dimensions, vectors[v]).query_norm == 0)
                return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "%s example %u has no direction: its length is zero, or too small or large for cosine", what, v);
            for (uint32_t d = 0; d < e->dimensions; d++) square += dimension_of(e, vectors[v], d) * dimension_of(e, vectors[v], d);
            share /= __builtin_sqrt(square);
        }
        for (uint32_t d = 0; d < e->dimensions; d++) sum[d] += share * dimension_of(e, vectors[v], d);
    }
    return OMEN_OK;
}

/* The nearest integer, ties to even; |v| below 2^51. */
static double nearest(double v) {
    volatile double shifted = v + 0x1.8p52; /* rounds where the unit is 1 */
    return shifted - 0x1.8p52;
}

static void put_i8(const omen_examples *e, const double *sum, int8_t *query) {
    double stretch = 1;
    if (e->metric == OMEN_METRIC_COSINE) {
        double most = 0;
        for (uint32_t d = 0; d < e->dimensions; d++) most = OMEN_MAX(most, sum[d] < 0 ? -sum[d] : sum[d]);
        stretch = most > 0 ? 127 / most : 0;
    }
    for (uint32_t d = 0; d < e->dimensions; d++) {
        double v = nearest(sum[d] * stretch);
        query[d] = (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
    }
}

static void put_bits(const omen_examples *e, const double *sum, uint8_t *query) {
    memset(query, 0, e->dimensions / 8);
    for (uint32_t d = 0; d < e->dimensions; d++) {
        bool set = sum[d] > 0.5 || (sum[d] == 0.5 && dimension_of(e, e->positive[0], d) != 0);
        query[d / 8] = (uint8_t)(query[d / 8] | (unsigned)set << (d % 8));
    }
}

static omen_status put(const omen_examples *e, const double *sum, void *query, omen_error *err) {
    if (e->element == OMEN_ELEMENT_I8) put_i8(e, sum, query);
    else if (e->element == OMEN_ELEMENT_BIT) put_bits(e, sum, query);
    else
        for (uint32_t d = 0; d < e->dimensions; d++) {
            if (!(sum[d] >= -HIGHEST && sum[d] <= HIGHEST)) return omen_fail(err, OMEN_ERR_NOT_FINITE, "the examples' average is too large in dimension %u", d);
            ((float *)query)[d] = (float)sum[d];
        }
    if (e->metric == OMEN_METRIC_COSINE && omen_ranker_of(e->metric, e->element, e->dimensions, query).query_norm == 0)
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "the positive and negative examples cancel out: nothing is left to look for; give other examples");
    return OMEN_OK;
}

omen_status omen_recommend_average(omen_mem *m, const omen_examples *e, void *query, omen_error *err) {
    OMEN_TRY(check(e, err));
    if (e->positive_count == 0) return omen_fail(err, OMEN_ERR_INVALID, "an average needs at least one positive example");
    size_t bytes = (size_t)e->dimensions * sizeof(double);
    double *sum = omen_alloc_zero(m, bytes);
    if (sum == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "no memory for an average of %u dimensions", e->dimensions);
    omen_status s = add_mean(e, e->positive, e->positive_count, "positive", e->negative_count == 0 ? 1 : 2, sum, err);
    if (s == OMEN_OK) s = add_mean(e, e->negative, e->negative_count, "negative", -1, sum, err);
    if (s == OMEN_OK) s = put(e, sum, query, err);
    omen_free(m, sum, bytes);
    return s;
}

/* ---- best ---- */

omen_status omen_recommend_best_init(omen_recommend_best *b, omen_mem *m, const omen_examples *e, omen_error *err) {
    *b = (omen_recommend_best){.mem = m, .positive = e->positive_count, .negative = e->negative_count};
    OMEN_TRY(check(e, err));
    uint32_t count = e->positive_count + e->negative_count;
    if (count == 0) return omen_fail(err, OMEN_ERR_INVALID, "there is no example, positive or negative");
    b->rankers = omen_alloc(m, count * sizeof *b->rankers);
    if (b->rankers == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "no memory for %u examples", count);
    for (uint32_t i = 0; i < count; i++) {
        bool positive = i < e->positive_count;
        b->rankers[i] = omen_ranker_of(e->metric, e->element, e->dimensions, positive ? e->positive[i] : e->negative[i - e->positive_count]);
        if (e->metric != OMEN_METRIC_COSINE || b->rankers[i].query_norm != 0) continue;
        omen_recommend_best_deinit(b);
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "%s example %u has no direction: its length is zero, or too small or large for cosine", positive ? "positive" : "negative",
                         positive ? i : i - e->positive_count);
    }
    return OMEN_OK;
}

void omen_recommend_best_deinit(omen_recommend_best *b) {
    if (b->rankers != NULL) omen_free(b->mem, b->rankers, ((size_t)b->positive + b->negative) * sizeof *b->rankers);
    *b = (omen_recommend_best){0};
}

static void nearest_of(const omen_ranker *rankers, uint32_t count, const void *rows, const float *norms, uint32_t n, float *into) {
    float ranks[BLOCK];
    for (uint32_t i = 0; i < n; i++) into[i] = __builtin_inff();
    for (uint32_t r = 0; r < count; r++) {
        omen_rank_rows(&rankers[r], rows, norms, n, ranks);
        for (uint32_t i = 0; i < n; i++)
            if (ranks[i] < into[i]) into[i] = ranks[i];
    }
}

static float worth(const omen_recommend_best *b, float p, float n) {
    if (b->negative == 0) return p;
    if (b->positive == 0) return 0.0f - n;
    if (p <= n) return p;
    double v = 2 * OMEN_MIN((double)p, HIGHEST) - (double)n;
    return (float)(v > HIGHEST ? HIGHEST : v);
}

void omen_recommend_rows(const omen_recommend_best *b, const void *rows, const float *norms, uint32_t count, float *out) {
    float unwanted[BLOCK];
    size_t bytes = omen_element_bytes(b->rankers[0].element, b->rankers[0].dimensions);
    for (uint32_t from = 0; from < count; from += BLOCK) {
        uint32_t n = OMEN_MIN(BLOCK, count - from);
        const void *at = (const uint8_t *)rows + from * bytes;
        const float *lengths = norms == NULL ? NULL : norms + from;
        nearest_of(b->rankers, b->positive, at, lengths, n, out + from);
        nearest_of(b->rankers + b->positive, b->negative, at, lengths, n, unwanted);
        for (uint32_t i = 0; i < n; i++) out[from + i] = worth(b, out[from + i], unwanted[i]);
    }
}
