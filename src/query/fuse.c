#include "query/fuse.h"

#include "base/sort.h"

#define HIGHEST 0x1.fffffep+127 /* the largest float */
#define DISTINCTION 64.0

omen_fuse_options omen_fuse_defaults(void) { return (omen_fuse_options){.kind = OMEN_FUSE_WEIGHTED, .shares = OMEN_FUSE_AUTO, .k = OMEN_FUSE_K}; }

/* ---- one leg ---- */

typedef struct scale { double worst, range; } scale; /* range 0: all equal */

static double bounded(float s) { return s != s || s < -HIGHEST ? -HIGHEST : s > HIGHEST ? HIGHEST : (double)s; }
static float given(const omen_fuse_leg *l, uint32_t i) { return l->scores != NULL ? l->scores[i] : 0.0f - l->hits[i].distance; }

/* Whether what was not listed has a known score. */
static bool grounded(const omen_fuse_leg *l) { return l->count < l->depth && l->floor == l->floor; }

static scale scale_of(const omen_fuse_leg *l) {
    if (l->count == 0) return (scale){0, 0};
    double best = bounded(given(l, 0)), worst = bounded(given(l, l->count - 1));
    if (grounded(l)) worst = OMEN_MIN(worst, bounded(l->floor));
    return (scale){worst, best - worst};
}

static double normal(scale s, float score) {
    if (!(s.range > 0)) return 1;
    double v = (bounded(score) - s.worst) / s.range;
    return v < 0 ? 0 : v > 1 ? 1 : v; /* only of lists that are not sorted */
}

static double distinction(const omen_fuse_leg *l, scale s) {
    double sum = 0;
    for (uint32_t i = 0; i < l->count; i++) sum += normal(s, given(l, i));
    if (!(sum > 0)) return 1;
    double d = (double)(grounded(l) ? l->depth : l->count) / sum;
    return OMEN_MIN(d, DISTINCTION);
}

/* The leg and the place of an entry: entries are numbered leg after leg. */
static uint32_t leg_of(const uint64_t *first, uint32_t leg_count, uint64_t entry) {
    uint32_t low = 0, high = leg_count; /* the last leg that begins at or before the entry */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (first[middle] <= entry) low = middle;
        else high = middle;
    }
    return low;
}

typedef struct joiner {
    const omen_fuse_leg *legs;
    uint32_t leg_count;
    const omen_fuse_options *options;
    scale scales[OMEN_FUSE_LEGS];
    uint64_t first[OMEN_FUSE_LEGS]; /* entry */
    uint32_t *ranks;                /* RRF: of each entry */
} joiner;

/* How many of the leg's first hits another leg that counts has listed too, of those there are. */
static double confirmed(const joiner *j, uint32_t l, const omen_keyed *entries, size_t n) {
    const omen_fuse_leg *legs = j->legs;
    uint32_t looked = OMEN_MIN(legs[l].count, OMEN_FUSE_CONFIRM), found = 0;
    if (looked == 0) return 0;
    for (size_t from = 0, to; from < n; from = to) {
        bool own = false, other = false;
        for (to = from; to < n && entries[to].key == entries[from].key; to++) {
            uint32_t at = leg_of(j->first, j->leg_count, entries[to].row);
            if (at == l) own = own || entries[to].row - j->first[l] < looked;
            else other = other || legs[at].weight > 0;
        }
        found += own && other;
    }
    return (double)found / looked;
}

/* ---- shares ---- */

static omen_status check(const omen_fuse_leg *legs, uint32_t leg_count, const omen_fuse_options *o, omen_error *err) {
    bool any = leg_count == 0;
    if (leg_count > OMEN_FUSE_LEGS) return omen_fail(err, OMEN_ERR_INVALID, "%u rankings cannot be fused at once, at most %u can", leg_count, OMEN_FUSE_LEGS);
    for (uint32_t i = 0; i < leg_count; i++) {
        if (!(legs[i].weight >= 0 && legs[i].weight <= HIGHEST)) return omen_fail(err, OMEN_ERR_INVALID, "a weight of fusion must be a number of at least 0");
        any = any || legs[i].weight > 0;
    }
    if (!any) return omen_fail(err, OMEN_ERR_INVALID, "at least one weight of fusion must be above 0");
    if (o->kind == OMEN_FUSE_WEIGHTED && o->shares == OMEN_FUSE_ALPHA && !(o->alpha >= 0 && o->alpha <= 1)) return omen_fail(err, OMEN_ERR_INVALID, "alpha must be a number from 0 (text alone) to 1 (vectors alone)");
    if (o->kind == OMEN_FUSE_RRF && !(o->k >= 0 && o->k <= HIGHEST)) return omen_fail(err, OMEN_ERR_INVALID, "k of rank fusion must be a number of at least 0");
    return OMEN_OK;
}

static void shares_of(const joiner *j, const omen_keyed *entries, size_t n, double *shares) {
    const omen_fuse_leg *legs = j->legs;
    double side[2] = {0, 0}, sum = 0;
    bool automatic = j->options->shares == OMEN_FUSE_AUTO;
    for (uint32_t i = 0; i < j->leg_count; i++) {
        shares[i] = automatic && legs[i].count == 0 ? 0 : (double)legs[i].weight;
        side[legs[i].dense] += shares[i];
    }
    double alpha = automatic ? OMEN_FUSE_PRIOR : (double)j->options->alpha;
    for (uint32_t i = 0; i < j->leg_count; i++) {
        if (j->options->shares != OMEN_FUSE_WEIGHTS && side[0] > 0 && side[1] > 0) shares[i] = shares[i] / side[legs[i].dense] * (legs[i].dense ? alpha : 1 - alpha);
        if (automatic && shares[i] > 0) shares[i] *= distinction(&legs[i], j->scales[i]) * __builtin_sqrt(confirmed(j, i, entries, n) + OMEN_FUSE_DOUBT);
        sum += shares[i];
    }
    for (uint32_t i = 0; i < j->leg_count && sum > 0; i++) shares[i] /= sum;
}

/* ---- joining ---- */

static bool before(void *arg, const void *x, const void *y) {
    const omen_fused_hit *a = x, *b = y;
    (void)arg;
    if (a->score != b->score) return a->score > b->score;
    int c = omen_key_compare(omen_candidate_key(a->candidate), omen_candidate_key(b->candidate));
    return c != 0 ? c < 0 : a->ordinal < b->ordinal;
}

static void rank(joiner *j) {
    for (uint32_t l = 0; l < j->leg_count; l++) {
        uint32_t *ranks = j->ranks + j->first[l];
        for (uint32_t i = 0; i < j->legs[l].count; i++) ranks[i] = i != 0 && bounded(given(&j->legs[l], i)) == bounded(given(&j->legs[l], i - 1)) ? ranks[i - 1] : i + 1;
    }
}

/* Entries of one record, in the order of legs, to a hit. */
static void join(const joiner *j, const omen_keyed *entries, uint32_t count, omen_fused *out) {
    uint32_t ordinal = out->total;
    float *subs = out->subs + (size_t)ordinal * j->leg_count;
    const omen_candidate *candidate = NULL;
    bool wanted = false;
    double sum = 0;
    for (uint32_t l = 0; l < j->leg_count; l++) subs[l] = __builtin_nanf("");
    for (uint32_t e = 0; e < count; e++) {
        uint32_t l = leg_of(j->first, j->leg_count, entries[e].row), at = (uint32_t)(entries[e].row - j->first[l]);
        const omen_fuse_leg *leg = &j->legs[l];
        if (subs[l] == subs[l]) continue; /* listed twice: the better place counts */
        subs[l] = (float)bounded(given(leg, at));
        if (candidate == NULL) candidate = &leg->hits[at];
        if (!(out->shares[l] > 0)) continue;
        wanted = true;
        sum += j->options->kind == OMEN_FUSE_RRF ? out->shares[l] / ((double)j->options->k + j->ranks[entries[e].row]) : out->shares[l] * normal(j->scales[l], given(leg, at));
    }
    if (!wanted) return;
    out->total++;
    out->hits[out->count++] = (omen_fused_hit){candidate, (float)OMEN_MIN(sum, HIGHEST), ordinal};
}

void omen_fused_deinit(omen_fused *f) {
    omen_free(f->mem, f->hits, (size_t)f->total * sizeof *f->hits);
    omen_free(f->mem, f->subs, (size_t)f->total * f->leg_count * sizeof *f->subs);
    *f = (omen_fused){0};
}

/* Gives back the room that was made for records which then were the same, or none. */
static omen_status trim(omen_fused *out, size_t entries, omen_error *err) {
    size_t subs = entries * out->leg_count, kept = (size_t)out->total * out->leg_count;
    if (out->total == 0) {
        omen_free(out->mem, out->hits, entries * sizeof *out->hits);
        omen_free(out->mem, out->subs, subs * sizeof *out->subs);
        out->hits = NULL;
        out->subs = NULL;
        return OMEN_OK;
    }
    omen_fused_hit *hits = omen_resize(out->mem, out->hits, entries * sizeof *hits, (size_t)out->total * sizeof *hits);
    if (hits == NULL) {
        omen_free(out->mem, out->hits, entries * sizeof *hits);
        omen_free(out->mem, out->subs, subs * sizeof *out->subs);
        return omen_fail(err, OMEN_ERR_MEMORY, "no memory for %u fused hits", out->total);
    }
    out->hits = hits;
    float *rows = omen_resize(out->mem, out->subs, subs * sizeof *rows, kept * sizeof *rows);
    if (rows == NULL) {
        omen_free(out->mem, out->hits, (size_t)out->total * sizeof *hits);
        omen_free(out->mem, out->subs, subs * sizeof *out->subs);
        return omen_fail(err, OMEN_ERR_MEMORY, "no memory for %u fused hits", out->total);
    }
    out->subs = rows;
    return OMEN_OK;
}

omen_status omen_fuse(omen_mem *m, const omen_fuse_leg *legs, uint32_t leg_count, const omen_fuse_options *o, omen_fused *out, omen_error *err) {
    joiner j = {.legs = legs, .leg_count = leg_count, .options = o};
    uint64_t total = 0;
    *out = (omen_fused){.mem = m, .leg_count = leg_count};
    OMEN_TRY(check(legs, leg_count, o, err));
    for (uint32_t l = 0; l < leg_count; l++) {
        j.first[l] = total;
        j.scales[l] = scale_of(&legs[l]);
        total += legs[l].count;
        out->shares[l] = (double)legs[l].weight;
    }
    if (total == 0) {
        if (o->kind == OMEN_FUSE_WEIGHTED) shares_of(&j, NULL, 0, out->shares);
        return OMEN_OK;
    }
    size_t n = (size_t)total, pairs, cells;
    if (total > UINT32_MAX || !omen_mul(n, 2 * sizeof(omen_keyed), &pairs) || !omen_mul(n, leg_count * sizeof(float), &cells) || !omen_mul(n, sizeof(omen_fused_hit), &(size_t){0}))
        return omen_fail(err, OMEN_ERR_TOO_LARGE, "%llu hits are too many to be fused at once", (unsigned long long)total);

    omen_keyed *entries = omen_alloc(m, pairs);
    uint32_t *ranks = o->kind == OMEN_FUSE_RRF ? omen_alloc(m, n * sizeof *ranks) : NULL;
    out->hits = omen_alloc(m, n * sizeof *out->hits);
    out->subs = omen_alloc(m, cells);
    omen_status s = OMEN_OK;
    if (entries == NULL || (o->kind == OMEN_FUSE_RRF && ranks == NULL) || out->hits == NULL || out->subs == NULL) {
        omen_free(m, out->hits, n * sizeof *out->hits);
        omen_free(m, out->subs, cells);
        s = omen_fail(err, OMEN_ERR_MEMORY, "no memory to fuse %llu hits", (unsigned long long)total);
    } else {
        if ((j.ranks = ranks) != NULL) rank(&j);
        for (uint32_t l = 0; l < leg_count; l++)
            for (uint32_t i = 0; i < legs[l].count; i++) {
                const omen_candidate *c = &legs[l].hits[i];
                entries[j.first[l] + i] = (omen_keyed){(uint64_t)c->source << 32 | c->row, (uint32_t)(j.first[l] + i), 0};
            }
        omen_sort_keyed(entries, entries + n, n);
        if (o->kind == OMEN_FUSE_WEIGHTED) shares_of(&j, entries, n, out->shares);
        for (size_t from = 0, to; from < n; from = to) {
            for (to = from + 1; to < n && entries[to].key == entries[from].key;) to++;
            join(&j, entries + from, (uint32_t)(to - from), out);
        }
        s = trim(out, n, err);
    }
    omen_free(m, entries, pairs);
    omen_free(m, ranks, n * sizeof *ranks);
    if (s != OMEN_OK) {
        *out = (omen_fused){0};
        return s;
    }
    omen_sort(out->hits, out->count, sizeof *out->hits, before, NULL);
    if (o->limit != 0 && out->count > o->limit) out->count = o->limit;
    return OMEN_OK;
}
