#include "index/graph.h"


uint32_t omen_graph_height(uint32_t row) {
    /* splitmix64 of the row's number (Steele, Lea and Flood 2014) */
    uint64_t z = (row + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    uint32_t height = 0;
    while (height < OMEN_GRAPH_LEVELS && (z & 15) == 0) {
        height++;
        z >>= 4;
    }
    return height;
}

void omen_graph_positions(const omen_level *lower, const omen_level *upper, uint32_t *out) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < upper->count; i++) {
        if (lower->rows == NULL) {
            out[i] = upper->rows[i];
            continue;
        }
        while (lower->rows[at] != upper->rows[i]) at++;
        out[i] = at;
    }
}

/* Links lead to every row from the highest level's rows together, not from each of them: equal vectors and far clusters are islands. A walk that ends before its
 * pool is full has seen all of its island, and goes on from the others. */
static void start_anywhere(const omen_graph *g, omen_walk *w) {
    const omen_level *top = &g->level[g->top];
    for (uint32_t from = 0; from < top->count; from += OMEN_GRAPH_M_MAX)
        omen_walk_add(w, &g->codes, &g->level[0], NULL, top->rows + from, OMEN_MIN(OMEN_GRAPH_M_MAX, top->count - from));
    omen_walk_run(w, &g->codes, &g->level[0], NULL);
}

/* All nodes of the base are seen, without following links. */
static void scan(const omen_graph *g, omen_walk *w) {
    uint32_t nodes[OMEN_GRAPH_M_MAX];
    for (uint32_t from = 0; from < g->level[0].count; from += OMEN_GRAPH_M_MAX) {
        uint32_t n = OMEN_MIN(OMEN_GRAPH_M_MAX, g->level[0].count - from);
        for (uint32_t i = 0; i < n; i++) nodes[i] = from + i;
        omen_walk_add(w, &g->codes, &g->level[0], NULL, nodes, n);
    }
}

size_t omen_graph_top_bytes(const omen_graph *g) { return g->top == 0 ? 0 : (size_t)g->level[g->top].count * g->codes.stride + 64; }

omen_status omen_graph_gather_top(omen_mem *m, omen_graph *g) {
    const omen_level *top = &g->level[g->top];
    if (g->top == 0) return OMEN_OK;
    g->top_codes = omen_alloc_zero(m, omen_graph_top_bytes(g));
    if (g->top_codes == NULL) return OMEN_ERR_MEMORY;
    for (uint32_t i = 0; i < top->count; i++) memcpy(g->top_codes + (size_t)i * g->codes.stride, omen_codes_row(&g->codes, top->rows[i]), g->codes.stride);
    return OMEN_OK;
}

/* The nearest nodes of the highest level, from all of them: rows side by side are scored in a fraction of the time. */
static uint32_t scan_top(const omen_graph *g, const omen_walk *w, const omen_code_point *point, uint32_t *out) {
    omen_codes c = g->codes;
    omen_walk_key best[OMEN_GRAPH_DESCENT];
    uint32_t n = 0, count = g->level[g->top].count;
    int32_t ranks[OMEN_GRAPH_TOP];
    OMEN_ASSERT(count <= OMEN_GRAPH_TOP);
    c.rows = g->top_codes;
    omen_codes_rank(&c, point == NULL ? w->u : point->u, NULL, count, ranks);
    for (uint32_t i = 0; i < count; i++) {
        omen_walk_key key = omen_walk_key_of(ranks[i], i);
        if (n == OMEN_GRAPH_DESCENT && key > best[n - 1]) continue;
        uint32_t at = n < OMEN_GRAPH_DESCENT ? n++ : n - 1;
        for (; at != 0 && best[at - 1] > key; at--) best[at] = best[at - 1];
        best[at] = key;
    }
    for (uint32_t i = 0; i < n; i++) out[i] = omen_graph_below(g, g->top, omen_walk_node(best[i]));
    return n;
}

uint32_t omen_graph_descend(const omen_graph *g, omen_walk *w, const omen_code_point *point, uint32_t target, uint32_t *out) {
    OMEN_ASSERT(target < g->top);
    uint64_t hops = 0, distances = g->level[g->top].count;
    uint32_t n = scan_top(g, w, point, out);
    for (uint32_t l = g->top - 1; l > target; l--) {
        omen_walk_begin(w, OMEN_GRAPH_DESCENT, 0, NULL);
        omen_walk_add(w, &g->codes, &g->level[l], point, out, n);
        omen_walk_run(w, &g->codes, &g->level[l], point);
        n = w->pool_len;
        for (uint32_t i = 0; i < n; i++) out[i] = omen_graph_below(g, l, omen_walk_node(w->pool[i]));
        hops += w->hops;
        distances += w->distances;
    }
    w->hops = hops;
    w->distances = distances;
    return n;
}

static void search(const omen_graph *g, omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter, const omen_walk_reach *reach, uint32_t share, uint64_t most) {
    if (g->top == 0) {
        omen_walk_begin(w, ef, want, filter);
        scan(g, w);
        return;
    }
    uint32_t start[OMEN_GRAPH_DESCENT], n = omen_graph_descend(g, w, NULL, 0, start);
    uint64_t hops = w->hops, distances = w->distances;
    omen_walk_begin(w, ef, want, filter);
    w->reach = *reach;
    omen_walk_expect(w, &g->codes, share, most);
    omen_walk_add(w, &g->codes, &g->level[0], NULL, start, n);
    omen_walk_run(w, &g->codes, &g->level[0], NULL);
    if (!w->lost && !w->cut && w->pool_len < OMEN_MIN(ef, g->level[0].count)) start_anywhere(g, w);
    w->hops += hops;
    w->distances += distances;
}

void omen_graph_search(const omen_graph *g, omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter, const omen_walk_reach *reach) {
    search(g, w, ef, want, filter, reach, 0, 0);
}

void omen_graph_search_share(const omen_graph *g, omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter, const omen_walk_reach *reach, uint32_t share, uint64_t most) {
    search(g, w, ef, want, filter, reach, share, most);
}

void omen_graph_compare(const omen_graph *g, omen_walk *w, uint32_t want, const omen_may *may) {
    omen_walk_begin(w, want, 0, NULL);
    omen_walk_compare(w, &g->codes, &g->level[0], may);
}

uint32_t omen_graph_prune(const omen_codes *c, const omen_level *g, const omen_prune *p, const omen_walk_key *candidates, uint32_t count, uint32_t most, uint32_t *chosen) {
    uint32_t rows[OMEN_GRAPH_M_MAX], n = 0;
    for (uint32_t i = 0; i < count && n < most; i++) {
        uint32_t node = omen_walk_node(candidates[i]), row = g->rows == NULL ? node : g->rows[node];
        int64_t limit = (int64_t)omen_walk_rank(candidates[i]) * 256;
        bool near = false;
        if (n != 0) {
            omen_code_point point = {.u = p->u};
            omen_codes_point(c, row, &point);
            for (uint32_t from = 0; from < n && !near; from += 8) {
                int32_t d[8];
                uint32_t k = OMEN_MIN(8u, n - from);
                omen_codes_distances(c, &point, rows + from, k, d);
                for (uint32_t j = 0; j < k; j++) near = near || (int64_t)d[j] * p->slack < limit;
            }
        }
        if (near) continue;
        rows[n] = row;
        chosen[n++] = node;
    }
    return n;
}
