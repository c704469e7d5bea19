/* columns_estimate.c - how many rows a filter will find, from statistics: counts of dictionaries and of common values, quantiles, zones.
 *
 * Predicates are taken as independent of each other, as is usual (Selinger et al. 1979), within what must be: a conjunction has no more rows than each of
 * its parts, a disjunction no fewer. */
#include "column/columns_bound.h"
#include "column/columns_eval.h"

static omen_status statistics(omen_bound *b, uint64_t offset, size_t len, const uint8_t **out, omen_error *err) {
    return omen_view_get(b->columns, &b->views[VIEW_BITS], b->columns->statistics, offset, len, out, err);
}

/* Slots whose code fulfils the condition, exactly. */
static omen_status by_dictionary(omen_bound *b, const bound_series *s, double *out, omen_error *err) {
    uint64_t sum = 0;
    for (uint32_t from = 0; from < s->series->dict_count; from += OMEN_COLUMN_BLOCK) {
        uint32_t count = OMEN_MIN(s->series->dict_count - from, OMEN_COLUMN_BLOCK);
        const uint8_t *p;
        OMEN_TRY(statistics(b, s->series->common + from * UINT64_C(4), count * 4, &p, err));
        for (uint32_t i = 0; i < count && s->codes != NULL; i++)
            if ((s->codes[(from + i) / 64] >> (from + i) % 64 & 1) != 0) sum += omen_get32(p + 4 * (size_t)i);
        for (uint32_t r = 0; r < s->count && s->codes == NULL; r++)
            for (int64_t code = OMEN_MAX(s->ranges[r].low, (int64_t)from); code <= s->ranges[r].high && code < (int64_t)from + count; code++)
                sum += omen_get32(p + 4 * (size_t)(code - from));
    }
    *out = (double)sum;
    return OMEN_OK;
}

/* A key as a number on which distances mean something. */
static double measure(const omen_series *s, int64_t key) {
    return s->type == OMEN_SERIES_FLOAT ? omen_key_float(key) : (double)key;
}

/* The part of the values below a key (upto: and of the key itself), by quantiles. */
static double part_below(const omen_series *s, const uint8_t *quantiles, int64_t key, bool upto) {
    double at = measure(s, key);
    uint32_t i = 0; /* quantiles below */
    for (; i <= OMEN_COLUMN_QUANTILES; i++) {
        int64_t q = (int64_t)omen_get64(quantiles + 8 * (size_t)i);
        if (upto ? q > key : q >= key) break;
    }
    if (i == 0) return 0;
    if (i > OMEN_COLUMN_QUANTILES) return 1;
    double from = measure(s, (int64_t)omen_get64(quantiles + 8 * (size_t)i - 8)), to = measure(s, (int64_t)omen_get64(quantiles + 8 * (size_t)i));
    double inside = to > from ? (at - from) / (to - from) : 0;
    return (i - 1 + (inside < 0 ? 0 : inside > 1 ? 1 : inside)) / OMEN_COLUMN_QUANTILES;
}

/* Rows of one value that is not frequent: those that an average one has, scaled by how densely values lie around it. */
static double part_of_point(const omen_series *s, const uint8_t *quantiles, int64_t key, double each) {
    uint32_t i = 0;
    while (i <= OMEN_COLUMN_QUANTILES && (int64_t)omen_get64(quantiles + 8 * (size_t)i) <= key) i++;
    if (i == 0 || i > OMEN_COLUMN_QUANTILES || s->type == OMEN_SERIES_STRING) return each;
    double width = measure(s, (int64_t)omen_get64(quantiles + 8 * (size_t)i)) - measure(s, (int64_t)omen_get64(quantiles + 8 * (size_t)i - 8));
    double scaled = each * (measure(s, s->max) - measure(s, s->min)) / (width * OMEN_COLUMN_QUANTILES);
    return scaled < 1 ? 1 : OMEN_MIN(scaled, OMEN_MAX(each, s->count / 256.0)); /* more would have shown in the sample */
}

/* By the values that are counted one by one, the frequent ones of a sample, and its quantiles. */
static omen_status by_ranges(omen_bound *b, const bound_series *s, double *out, omen_error *err) {
    const omen_series *o = s->series;
    const uint8_t *p = (const uint8_t *)"";
    omen_common common[OMEN_COLUMN_EXACT];
    double sum = 0, commons = 0;
    if (o->common_count != 0) OMEN_TRY(statistics(b, o->common, o->common_count * sizeof *common, &p, err));
    memcpy(common, p, o->common_count * sizeof *common);
    for (uint32_t i = 0; i < o->common_count; i++) commons += common[i].count;
    if (!o->exact) OMEN_TRY(statistics(b, o->quantiles, (OMEN_COLUMN_QUANTILES + 1) * 8, &p, err));
    double rest = o->count - commons, different = (double)o->distinct - o->common_count;
    double each = different > 0 && rest > 0 ? rest / different : 1; /* rows of a value that is not frequent */
    for (uint32_t r = 0; r < s->count; r++) {
        const key_range *k = &s->ranges[r];
        double counted = 0, spread;
        for (uint32_t i = 0; i < o->common_count; i++)
            if (common[i].key >= k->low && common[i].key <= k->high) counted += common[i].count;
        if (o->exact) {
            sum += counted;
            continue;
        }
        bool point = k->low == k->high && k->range == NULL;
        /* Of plain strings that share their first bytes nothing is known but that. */
        if (k->range != NULL && k->range->low.type == OMEN_LIMIT_TEXT && k->range->high.type == OMEN_LIMIT_TEXT && k->low == k->high) point = true;
        spread = point ? (counted > 0 && k->range == NULL ? counted : part_of_point(o, p, k->low, each)) : (part_below(o, p, k->high, true) - part_below(o, p, k->low, false)) * o->count;
        sum += OMEN_MAX(point ? 0 : counted, spread);
    }
    *out = OMEN_MIN(sum, (double)o->count);
    return OMEN_OK;
}

/* No more than the blocks hold whose zones meet the condition, in the part of them that does. */
static omen_status by_zones(omen_bound *b, const bound_series *s, double *out, omen_error *err) {
    const omen_series *o = s->series;
    uint64_t blocks = ((uint64_t)b->columns->rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK;
    double most = 0;
    if (o->zones == OMEN_COLUMN_NONE) return OMEN_OK;
    for (uint64_t from = 0; from < blocks; from += 1024) {
        uint32_t count = (uint32_t)OMEN_MIN(blocks - from, UINT64_C(1024));
        const uint8_t *p;
        OMEN_TRY(statistics(b, o->zones + from * sizeof(omen_zone), count * sizeof(omen_zone), &p, err));
        for (uint32_t i = 0; i < count; i++) {
            omen_zone z;
            memcpy(&z, p + i * sizeof z, sizeof z);
            if (z.count != 0 && omen_bound_zone(s, z.min, z.max) != ZONE_NONE) most += z.count;
        }
    }
    if (*out > most) *out = most;
    return OMEN_OK;
}

/* Substrings are counted in pieces of strings from all over the part. */
#define PIECES 8u
static omen_status by_sample(omen_bound *b, bound_series *s, double *out, omen_error *err) {
    uint64_t bits[OMEN_BLOCK_WORDS], slots = omen_series_slots(b->columns, b->column, s->series);
    uint32_t pieces = (uint32_t)OMEN_MIN((slots + OMEN_PLAIN_PIECE - 1) / OMEN_PLAIN_PIECE, PIECES);
    for (; s->piece < pieces; s->piece++) {
        uint64_t at = slots / pieces * s->piece & ~UINT64_C(63);
        uint32_t count = (uint32_t)OMEN_MIN(slots - at, OMEN_PLAIN_PIECE);
        OMEN_TRY(omen_bound_scan(b, s, at, count, false, bits, err));
        for (uint32_t w = 0; w < (count + 63) / 64; w++) s->seen += (uint32_t)__builtin_popcountll(bits[w]);
        s->tried += count;
    }
    *out = OMEN_MIN((double)s->seen * (double)slots / s->tried, (double)s->series->count);
    return OMEN_OK;
}

static bool by_substring(const bound_series *s) { return s->count == 1 && s->ranges[0].range != NULL && (s->ranges[0].range->kind == OMEN_RANGE_SUBSTRING || s->ranges[0].range->kind == OMEN_RANGE_PREFIX); }

/* Slots of a series that fulfil the condition. */
static omen_status slots_of(omen_bound *b, bound_series *s, double *out, omen_error *err) {
    *out = 0;
    if (s->doubt) {
        *out = s->series->count / 2.0;
        return OMEN_OK;
    }
    if (s->count == 0 && s->codes == NULL) return OMEN_OK;
    if (s->series->dict_count != 0) return by_dictionary(b, s, out, err);
    if (by_substring(s)) return by_sample(b, s, out, err);
    OMEN_TRY(by_ranges(b, s, out, err));
    return by_zones(b, s, out, err);
}

/* Rows with at least one of n elements when a part of all elements fulfils it: 1 - (1 - part)^n. */
static double at_least_one(double part, uint32_t n) {
    double left = 1, base = 1 - part;
    for (; n != 0; n >>= 1, base *= base)
        if ((n & 1) != 0) left *= base;
    return 1 - left;
}

static omen_status sizes(omen_bound *b, double *rows, omen_error *err) {
    const omen_column *c = b->column;
    uint32_t count = OMEN_MIN(b->columns->rows, OMEN_COLUMN_BLOCK), fits = 0, arrays = 0;
    const uint8_t *p, *bits;
    OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_ROWS], b->columns->data, c->array_offsets, ((size_t)count + 1) * 4, &p, err));
    OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_BITS], b->columns->data, c->array_bits, (count + 7) / 8, &bits, err));
    for (uint32_t i = 0; i < count; i++) {
        if ((bits[i / 8] >> i % 8 & 1) == 0) continue;
        uint32_t size = omen_get32(p + 4 * (size_t)i + 4) - omen_get32(p + 4 * (size_t)i);
        arrays++;
        fits += size >= b->condition->least_size && size <= b->condition->most_size;
    }
    *rows += arrays == 0 ? c->arrays / 4.0 : (double)fits / arrays * c->arrays;
    return OMEN_OK;
}

static omen_status estimate(omen_bound *b, double *rows, omen_error *err) {
    const omen_column *c = b->column;
    const omen_condition *k = b->condition;
    double all = b->columns->rows;
    *rows = 0;
    if (b->unknown) {
        *rows = all / 2;
        return OMEN_OK;
    }
    if ((k->kinds & OMEN_KIND_MISSING) != 0) *rows += all - (c == NULL ? 0 : c->present);
    if (c == NULL) return OMEN_OK;
    if ((k->kinds & OMEN_KIND_PRESENT) != 0) *rows += c->present;
    if ((k->kinds & OMEN_KIND_NULL) != 0 && (k->look & OMEN_LOOK_VALUE) != 0) *rows += c->nulls;
    double elements = (k->kinds & OMEN_KIND_NULL) != 0 && (k->look & OMEN_LOOK_ELEMENTS) != 0 ? c->element_nulls : 0;
    for (uint32_t i = 0; i < b->series_count; i++) {
        double slots;
        OMEN_TRY(slots_of(b, &b->series[i], &slots, err));
        if (b->series[i].series->level == 0) *rows += slots;
        else elements += slots;
    }
    if (c->elements != 0 && elements > 0)
        *rows += OMEN_MIN(elements, c->arrays * at_least_one(OMEN_MIN(elements / c->elements, 1), OMEN_MAX((c->elements + c->arrays / 2) / c->arrays, 1)));
    if (k->sized && c->arrays != 0) OMEN_TRY(sizes(b, rows, err));
    /* What is only in documents is taken to be like the rest. */
    if (k->doubtful) *rows += ((double)c->objects + c->arrays) / 2;
    else if (k->range_count != 0 && c->others != 0) *rows += c->others * (c->present > c->others ? OMEN_MIN(*rows / (c->present - c->others), 1) : 0.5);
    *rows = OMEN_MIN(*rows, all);
    return OMEN_OK;
}

omen_status omen_bound_estimate(omen_bound *b, double *rows, omen_error *err) {
    OMEN_ASSERT(b->prepared);
    omen_status s = estimate(b, rows, err);
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_rest(b->columns, &b->views[i]);
    return s;
}

/* ---- whole filters ---- */

/* Of a node's subtree, as a part of all rows; *at is left behind its first node. Children are found from the last to the first. The recursion is
 * as deep as filters are. */
static double join(const omen_columns_eval *e, uint32_t node) {
    const omen_filter_node *nodes = omen_filter_nodes(e->filter), *n = &nodes[node];
    if (n->op == OMEN_FILTER_TRUE) return 1;
    if (n->op == OMEN_FILTER_FALSE) return 0;
    if (n->op == OMEN_FILTER_NOT) return 1 - join(e, node - 1);
    if (n->op != OMEN_FILTER_AND && n->op != OMEN_FILTER_OR) return e->leaves[e->leaf_of[node]].estimate / e->columns->rows;
    double product = 1;
    for (uint32_t child = node - 1;; child -= nodes[child].span) {
        double part = join(e, child);
        product *= n->op == OMEN_FILTER_AND ? part : 1 - part;
        if (nodes[child].first) break;
    }
    return n->op == OMEN_FILTER_AND ? product : 1 - product;
}

omen_status omen_columns_eval_estimate(omen_columns_eval *e, double *rows, omen_error *err) {
    *rows = 0;
    if (e->columns->rows == 0) return OMEN_OK;
    OMEN_TRY(omen_columns_eval_prepare(e, err));
    for (; e->estimated < e->leaf_count; e->estimated++) {
        eval_leaf *l = &e->leaves[e->estimated];
        l->estimate = e->columns->rows;
        if (l->bound != NULL) OMEN_TRY(omen_bound_estimate(l->bound, &l->estimate, err));
    }
    double part = join(e, e->filter->node_count - 1);
    *rows = (part < 0 ? 0 : part > 1 ? 1 : part) * e->columns->rows;
    return OMEN_OK;
}
