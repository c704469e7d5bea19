/* hnsw.c - the graph in memory: opening, searching, verifying. */
#include "index/graph.h"

/* How far a walk goes on its own when hardly any row it meets may be answered. */
#define FARTHEST 32768u
/* What the usual search asks for. */
#define PLAN_K 10u
#define PLAN_RECALL 0.95f
/* Rows that are searched for to measure a graph. */
#define PROBES 8u
/* So many codes are compared in order in the time of one that a walk comes by. */
#define CHEAPER 3u
/* Rows that are compared all rather than walked to, in distances of a walk: some for that, the rest because a walk past rows that may not be answered is longer. */
#define FEW 6u
/* Times as many candidates as wanted, at most. */
#define MORE 4u

typedef struct hnsw_search {
    omen_index_search base;
    omen_walk walk;
    float *scratch;
    size_t scratch_len;
    omen_index_hit *hits;
    uint32_t hit_cap;
    uint32_t most;     /* candidates that may be answered */
    uint64_t expected; /* distances that it takes without a filter, about */
} hnsw_search;

typedef struct hnsw {
    omen_graph graph;
    omen_sq8 codec;
    bool trained;
    uint8_t *codec_bytes, *codes, *links, *upper;
    uint64_t codec_len, codes_len, links_len, upper_len;
    size_t codec_done, codes_done, links_done, upper_done;
    uint32_t *down[OMEN_GRAPH_LEVELS + 1];
    _Atomic uint32_t typical; /* distances of a search; 0: not measured yet */
    _Atomic(hnsw_search *) spare; /* kept from the last search, so that a search allocates nothing */
} hnsw;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search"); }

/* ---- opening ---- */

static omen_status read_shape(omen_index *x, hnsw *h, omen_error *err) {
    const uint8_t *own = x->meta + OMEN_INDEX_META_FIXED;
    if (x->meta_len != OMEN_GRAPH_META) return omen_index_damaged(x, err, "a graph's description has the wrong size");
    uint32_t m = omen_get32(own), upper_m = omen_get32(own + 4), top = omen_get32(own + 8);
    if (m < 2 || m > OMEN_GRAPH_M_MAX || top > OMEN_GRAPH_LEVELS || (top != 0 && (upper_m < 2 || upper_m > OMEN_GRAPH_M_MAX)))
        return omen_index_damaged(x, err, "a graph's description is impossible");
    h->graph.top = top;
    h->graph.level[0] = (omen_level){.m = m, .count = x->rows};
    h->links_len = (uint64_t)x->rows * m * 4;
    for (uint32_t l = 1; l <= top; l++) {
        uint32_t count = omen_get32(own + 20 + 4 * l);
        if (count == 0 || count > h->graph.level[l - 1].count) return omen_index_damaged(x, err, "a level of a graph has an impossible size");
        h->graph.level[l] = (omen_level){.m = upper_m, .count = count};
        h->upper_len += (uint64_t)count * (1 + upper_m) * 4;
    }
    const omen_section *codec = omen_segment_section(x->segment, OMEN_SECTION_INDEX_CODEC, 0);
    if (codec == NULL || codec->raw_len > 1u << 28) return omen_index_damaged(x, err, "a graph has no quantiser");
    h->codec_len = codec->raw_len;
    return OMEN_OK;
}

static omen_status load_codec(omen_index *x, hnsw *h, omen_error *err) {
    if (x->element == OMEN_ELEMENT_BIT) {
        h->graph.codes = omen_codes_of_bits(x->dimensions);
    } else if (!h->trained) {
        OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CODEC, h->codec_len, &h->codec_bytes, &h->codec_done, err));
        omen_status s = omen_sq8_load(&h->codec, x->store->mem, x->metric, x->dimensions, h->codec_bytes, h->codec_len, err);
        if (s == OMEN_ERR_CORRUPT) s = omen_index_damaged(x, err, "the graph's quantiser is malformed");
        OMEN_TRY(s);
        h->trained = true;
        omen_index_hold(x, (int64_t)(h->codec_len));
        omen_index_unload(x, h->codec_bytes, h->codec_len);
        h->codec_bytes = NULL;
        h->graph.codes = omen_codes_of_sq8(&h->codec);
    }
    if (h->graph.codes.stride != omen_get32(x->meta + OMEN_INDEX_META_FIXED + 12)) return omen_index_damaged(x, err, "the graph's codes have another size than its quantiser's");
    h->codes_len = (uint64_t)x->rows * h->graph.codes.stride;
    return OMEN_OK;
}

static bool links_valid(const omen_level *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const uint32_t *links = omen_level_links(g, i);
        bool end = false;
        for (uint32_t j = 0; j < g->m; j++) {
            if (links[j] == OMEN_NO_NODE) end = true;
            else if (end || links[j] >= g->count) return false;
        }
    }
    return true;
}

/* Points the levels into what was loaded, and checks every number that a walk will follow. */
static omen_status take_levels(omen_index *x, hnsw *h, omen_error *err) {
    omen_graph *g = &h->graph;
    const char *bad = "a link of a graph leads nowhere";
    g->codes.rows = h->codes;
    g->level[0].links = (uint32_t *)(void *)h->links;
    if (!links_valid(&g->level[0])) return omen_index_damaged(x, err, bad);
    uint32_t *at = (uint32_t *)(void *)h->upper;
    for (uint32_t l = 1; l <= g->top; l++) {
        omen_level *v = &g->level[l];
        v->rows = at;
        v->links = at + v->count;
        at += (size_t)v->count * (1 + v->m);
        for (uint32_t i = 0; i < v->count; i++)
            if (v->rows[i] >= x->rows || (i != 0 && v->rows[i] <= v->rows[i - 1])) return omen_index_damaged(x, err, "a level of a graph is out of order");
        if (!links_valid(v)) return omen_index_damaged(x, err, bad);
        if (l == 1) continue;
        uint32_t *down = h->down[l] = g->down[l] = omen_alloc(x->store->mem, v->count * sizeof *down);
        if (down == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index");
        omen_index_hold(x, (int64_t)(v->count * sizeof *down));
        /* A subset of the level below: walking both in order finds every row. */
        for (uint32_t i = 0, n = 0; i < v->count; i++) {
            while (n < g->level[l - 1].count && g->level[l - 1].rows[n] < v->rows[i]) n++;
            if (n == g->level[l - 1].count || g->level[l - 1].rows[n] != v->rows[i]) return omen_index_damaged(x, err, "a level of a graph is no part of the one below");
            down[i] = n;
        }
    }
    if (g->level[g->top].count > OMEN_GRAPH_TOP && g->top != 0) return omen_index_damaged(x, err, "the highest level of a graph has too many rows");
    if (omen_graph_gather_top(x->store->mem, g) != OMEN_OK) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index");
    omen_index_hold(x, (int64_t)(omen_graph_top_bytes(g)));
    return OMEN_OK;
}

static omen_status hnsw_open(omen_index *x, omen_error *err) {
    hnsw *h = x->state;
    if (h == NULL) {
        h = x->state = omen_alloc_zero(x->store->mem, sizeof *h);
        if (h == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening an index");
        OMEN_TRY(read_shape(x, h, err));
    }
    OMEN_TRY(load_codec(x, h, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_CODES, h->codes_len, &h->codes, &h->codes_done, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_LINKS, h->links_len, &h->links, &h->links_done, err));
    OMEN_TRY(omen_index_load(x, OMEN_SECTION_INDEX_UPPER, h->upper_len, &h->upper, &h->upper_done, err));
    return take_levels(x, h, err);
}

static void search_free(omen_mem *m, hnsw_search *s) {
    if (s == NULL) return;
    omen_walk_deinit(&s->walk);
    omen_free(m, s->scratch, s->scratch_len);
    omen_free(m, s->hits, s->hit_cap * sizeof *s->hits);
    omen_free(m, s, sizeof *s);
}

static void hnsw_close(omen_index *x) {
    hnsw *h = x->state;
    if (h == NULL) return;
    search_free(x->store->mem, atomic_load(&h->spare));
    for (uint32_t l = 0; l <= OMEN_GRAPH_LEVELS; l++) omen_free(x->store->mem, h->down[l], h->graph.level[l].count * sizeof(uint32_t));
    omen_free(x->store->mem, h->graph.top_codes, omen_graph_top_bytes(&h->graph));
    if (h->trained) omen_sq8_deinit(&h->codec);
    omen_index_unload(x, h->codec_bytes, h->codec_len);
    omen_index_unload(x, h->codes, h->codes_len);
    omen_index_unload(x, h->links, h->links_len);
    omen_index_unload(x, h->upper, h->upper_len);
    omen_free(x->store->mem, h, sizeof *h);
    x->state = NULL;
}

/* ---- searching ---- */

static omen_status room(hnsw_search *s, const hnsw *h, const omen_index *x, uint32_t ef, uint32_t want) {
    omen_mem *m = x->store->mem;
    if (omen_walk_room(&s->walk, x->rows, ef, want, h->graph.codes.len) != OMEN_OK) return OMEN_ERR_MEMORY;
    if (s->scratch == NULL && h->trained) {
        s->scratch_len = omen_sq8_scratch(&h->codec) * sizeof(float);
        s->scratch = omen_alloc(m, s->scratch_len);
        if (s->scratch == NULL) return OMEN_ERR_MEMORY;
    }
    if (want <= s->hit_cap) return OMEN_OK;
    omen_free(m, s->hits, s->hit_cap * sizeof *s->hits);
    s->hits = omen_alloc(m, want * sizeof *s->hits);
    s->hit_cap = s->hits == NULL ? 0 : want;
    return s->hits == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

static omen_status hnsw_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err) {
    hnsw *h = x->state;
    hnsw_search *s = atomic_exchange_explicit(&h->spare, NULL, memory_order_acq_rel);
    if (s == NULL) {
        s = omen_alloc_zero(x->store->mem, sizeof *s);
        if (s == NULL) return out_of_memory(err);
        omen_walk_init(&s->walk, x->store->mem);
    }
    s->base = (omen_index_search){.index = x, .query = *q};
    uint32_t ef = OMEN_MIN(OMEN_MAX(q->effort, q->want), x->rows), want = OMEN_MIN(q->want, x->rows);
    s->base.query.effort = OMEN_MAX(ef, OMEN_GRAPH_DESCENT);
    s->base.query.want = want;
    s->most = q->accept != NULL && q->slack != 0 ? (uint32_t)OMEN_MIN((uint64_t)want * MORE, x->rows) : want;
    if (room(s, h, x, s->base.query.effort, s->most) != OMEN_OK) {
        search_free(x->store->mem, s);
        return out_of_memory(err);
    }
    *out = &s->base;
    return OMEN_OK;
}

static bool too_few(const omen_index_search *s, const omen_walk *w, const omen_may *filter, const omen_walk_reach *reach) {
    if (reach->slack != 0) return w->found_len < reach->near;
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->pool_len; i++) n += omen_may_answer(filter, omen_walk_node(w->pool[i]));
    return n * UINT64_C(4) < s->query.effort * UINT64_C(3);
}

/* What searches of this graph at the usual recall take, in distances: measured once, with some of its rows as queries, so that it is the graph's and not the day's. */
static uint32_t typical(hnsw *h, omen_walk *w, const omen_index *x) {
    uint32_t known = atomic_load_explicit(&h->typical, memory_order_relaxed);
    if (known != 0) return known;
    omen_index_plan plan = omen_index_plan_for(x, PLAN_K, PLAN_RECALL);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < PROBES; i++) {
        omen_code_point point = {.u = w->u};
        omen_codes_point(&h->graph.codes, (uint32_t)((uint64_t)x->rows * i / PROBES), &point);
        omen_walk_reach reach = {.near = PLAN_K, .slack = plan.slack, .origin = point.norm};
        omen_graph_search(&h->graph, w, OMEN_MIN(OMEN_GRAPH_REACH, x->rows), 0, NULL, &reach);
        sum += w->distances;
    }
    known = (uint32_t)OMEN_MAX(sum / PROBES, 1u);
    atomic_store_explicit(&h->typical, known, memory_order_relaxed);
    return known;
}

/* The same for this query. */
static uint64_t expected(const omen_index *x, uint32_t usual, const omen_walk_reach *reach, uint32_t effort) {
    uint32_t slack = omen_index_plan_for(x, PLAN_K, PLAN_RECALL).slack;
    uint64_t d = (uint64_t)usual * OMEN_MAX(reach->near, PLAN_K) / PLAN_K;
    if (reach->slack == 0) return OMEN_MAX(d, effort * UINT64_C(8));
    return reach->slack <= slack || slack == 0 ? d : d * reach->slack / slack;
}

/* Whether the rows that may be answered lie apart from the query: fewer of those met may be than of all, or many were met that are nearer than the first that may. */
static bool apart(const omen_walk *w, uint32_t count, uint32_t rows) {
    uint32_t nearer = 0;
    while (w->found_len != 0 && nearer < w->pool_len && (w->pool[nearer] | 1) < (w->found[0] | 1)) nearer++;
    return omen_may_fringe(w->met, w->met_may, count, rows) || (uint64_t)nearer * count > UINT64_C(8) * rows;
}

/* Among rows of a filter: few are compared all, for codes are short and lie in order; of many the walk tells, which goes past all rows, unless the query lies
 * where hardly any of them does. Then, and where it took too long, all are compared after all. (Stepping over rows that may not be answered to those behind them,
 * as Patel et al. 2024, takes more time than it saves where a distance costs no more than fetching a list of links: both were measured.) */
static omen_status search_filtered(hnsw_search *s, const omen_may *filter, uint32_t count, const omen_walk_reach *reach, bool *in_pool, omen_index_work *work, omen_error *err) {
    const omen_index *x = s->base.index;
    hnsw *h = x->state;
    omen_walk *w = &s->walk;
    uint32_t want = s->most, ef = s->base.query.effort, share = (uint32_t)OMEN_MAX((uint64_t)count * 65536u / x->rows, 1u);
    if (h->graph.top != 0 && s->expected * FEW < count) {
        omen_graph_search_share(&h->graph, w, ef, want, filter, reach, share, count / CHEAPER);
        *work = (omen_index_work){.distances = w->distances, .hops = w->hops};
        if (!w->lost && !apart(w, count, x->rows) && (reach->slack != 0 ? w->cut && w->found_len >= reach->near : w->found_len >= OMEN_MIN(want, count))) return OMEN_OK;
    }
    *in_pool = true;
    if (room(s, h, x, want, want) != OMEN_OK) return out_of_memory(err);
    omen_graph_compare(&h->graph, w, want, filter);
    work->distances += w->distances;
    return OMEN_OK;
}

/* Candidates beyond those wanted that are about as near as the near-th: of rows all far from the query a code cannot tell which are the nearest. Least of all where
 * the codes of all rows were compared because they are few, or lie apart: there so many are told as there is room for. */
static uint32_t as_near(const hnsw_search *s, const omen_walk_key *keys, uint32_t count, bool compared, const omen_walk_reach *reach) {
    uint32_t n = OMEN_MIN(s->base.query.want * (compared ? MORE : 1u), count);
    if (reach->slack == 0 || n < reach->near) return n;
    omen_walk_reach close = {.near = reach->near, .slack = 96, .origin = reach->origin};
    int64_t bound = omen_walk_bound(&close, keys[reach->near - 1]);
    while (n < count && omen_walk_rank(keys[n]) <= bound) n++;
    return n;
}

static omen_status hnsw_search_step(omen_index_search *base, omen_error *err) {
    hnsw_search *s = (hnsw_search *)base;
    const omen_index *x = base->index;
    hnsw *h = x->state;
    omen_walk *w = &s->walk;
    omen_walk_reach reach = {.near = OMEN_MIN(OMEN_MAX(base->query.near, 1u), base->query.want), .slack = base->query.slack};
    if (base->query.accept != NULL && base->query.accept->ones == x->rows) base->query.accept = NULL; /* a filter that lets all rows through */
    omen_may filter = {base->query.accept, base->query.dead};
    bool in_pool = omen_may_all(&filter);
    omen_index_work work = {0};
    uint32_t count = base->query.accept == NULL ? 0 : omen_may_count(&filter, x->rows);
    if (base->query.accept != NULL) {
        if (h->graph.top != 0 && atomic_load_explicit(&h->typical, memory_order_relaxed) == 0 && room(s, h, x, OMEN_MAX(OMEN_MIN(OMEN_GRAPH_REACH, x->rows), base->query.effort), s->most) != OMEN_OK) return out_of_memory(err);
        s->expected = h->graph.top == 0 ? 0 : expected(x, typical(h, w, x), &reach, base->query.effort);
    }
    if (h->trained) {
        reach.origin = omen_sq8_query(&h->codec, base->query.vector, w->u, s->scratch);
    } else {
        memset(w->u, 0, h->graph.codes.len);
        memcpy(w->u, base->query.vector, x->dimensions / 8);
    }
    if (base->query.accept != NULL) {
        OMEN_TRY(search_filtered(s, &filter, count, &reach, &in_pool, &work, err));
    } else {
        omen_graph_search(&h->graph, w, base->query.effort, base->query.want, in_pool ? NULL : &filter, &reach);
        work = (omen_index_work){.distances = w->distances, .hops = w->hops};
        /* Where most of what lies near may not be answered, the walk goes farther: until as many rows as planned could be, or the nearest few. */
        for (uint32_t ef = base->query.effort; !in_pool && w->pool_len == ef && ef < FARTHEST && too_few(base, w, &filter, &reach);) {
            ef *= 2;
            if (room(s, h, x, ef, base->query.want) != OMEN_OK) return out_of_memory(err);
            omen_graph_search(&h->graph, w, ef, base->query.want, &filter, &reach);
            work.distances += w->distances;
            work.hops += w->hops;
        }
    }
    const omen_walk_key *keys = in_pool ? w->pool : w->found;
    uint32_t found = in_pool ? w->pool_len : w->found_len;
    base->hit_count = base->query.accept != NULL ? as_near(s, keys, found, in_pool, &reach) : OMEN_MIN(found, base->query.want);
    for (uint32_t i = 0; i < base->hit_count; i++) s->hits[i] = (omen_index_hit){omen_walk_node(keys[i]), omen_walk_rank(keys[i])};
    base->hits = s->hits;
    work.bytes = work.distances * h->graph.codes.stride;
    base->work = work;
    return OMEN_OK;
}

static void hnsw_search_end(omen_index_search *base) {
    hnsw_search *s = (hnsw_search *)base;
    hnsw *h = base->index->state;
    search_free(base->index->store->mem, atomic_exchange_explicit(&h->spare, s, memory_order_acq_rel));
}

/* ---- verifying ---- */

static bool lists_sound(const omen_level *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const uint32_t *links = omen_level_links(g, i);
        for (uint32_t a = 0; a < g->m && links[a] != OMEN_NO_NODE; a++) {
            if (links[a] == i) return false;
            for (uint32_t b = 0; b < a; b++)
                if (links[b] == links[a]) return false;
        }
    }
    return true;
}

omen_status omen_hnsw_verify(omen_index *x, void **place, omen_error *err) {
    hnsw *h = x->state;
    (void)place;
    for (uint32_t l = 0; l <= h->graph.top; l++)
        if (!lists_sound(&h->graph.level[l])) return omen_index_damaged(x, err, "a row of a graph is linked to itself, or twice to another");
    uint32_t lost;
    OMEN_TRY(omen_graph_unreached(x->store->mem, &h->graph, &lost, err));
    return lost == 0 ? OMEN_OK : omen_index_damaged(x, err, "rows of a graph cannot be reached");
}

void omen_hnsw_verify_free(omen_index *x, void *place) { (void)x, (void)place; }

const omen_index_kind_ops omen_index_hnsw_ops = {&omen_hnsw_builder, hnsw_open, hnsw_close, hnsw_search_begin, hnsw_search_step, hnsw_search_end};
