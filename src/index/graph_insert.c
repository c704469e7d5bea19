/* graph_insert.c - a batch of nodes enters a level: each finds its neighbours, then the neighbours link back. */
#include "index/graph_build.h"

static const omen_level *level_of(const omen_graph_build *b) { return &b->graph.level[b->level]; }
static uint32_t row_of(const omen_level *g, uint32_t node) { return g->rows == NULL ? node : g->rows[node]; }

typedef struct batch {
    omen_graph_build *b;
    uint32_t first, count; /* b->order[first ..] */
} batch;

static uint32_t slack_of(const omen_graph_build *b) { return b->base.options.m > 32 ? 282u : 310u; /* alpha 1.05 and 1.1 */ }

/* ---- forward: each node of the batch looks for neighbours ---- */

static void link_forward(batch *t, omen_build_slot *s, uint32_t i) {
    omen_graph_build *b = t->b;
    const omen_level *g = level_of(b);
    omen_walk *w = &s->walk;
    uint32_t node = b->order[t->first + i], start[OMEN_GRAPH_DESCENT];
    omen_code_point point = {.u = s->u};
    omen_codes_point(&b->graph.codes, row_of(g, node), &point);
    uint32_t starts = b->level < b->graph.top ? omen_graph_descend(&b->graph, w, &point, b->level, start) : 0;
    omen_walk_begin(w, b->base.options.ef_construction, 0, NULL);
    omen_walk_add(w, &b->graph.codes, g, &point, start, starts);
    omen_walk_run(w, &b->graph.codes, g, &point);
    /* The earlier nodes of its own batch are not in the graph yet; nobody links to them, so they are compared one by one. */
    for (uint32_t from = 0; from < i; from += OMEN_GRAPH_M_MAX)
        omen_walk_add(w, &b->graph.codes, g, &point, b->order + t->first + from, OMEN_MIN(OMEN_GRAPH_M_MAX, i - from));
    omen_prune p = {s->prune_u, slack_of(b)};
    uint32_t *links = g->links + (size_t)node * g->m;
    uint32_t n = omen_graph_prune(&b->graph.codes, g, &p, w->pool, w->pool_len, g->m - 1, links);
    while (n < g->m) links[n++] = OMEN_NO_NODE;
}

static void forward(void *arg, size_t slot) {
    batch *t = arg;
    for (uint32_t i = (uint32_t)slot; i < t->count; i += t->b->slot_count) link_forward(t, &t->b->slots[slot], i);
}

/* ---- back: the chosen neighbours link to the nodes that chose them ---- */

static bool key_before(void *arg, const void *a, const void *b) {
    omen_walk_key x, y;
    (void)arg;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y;
}

/* pairs[from .. to) are the new links of one target. */
static void link_back(omen_graph_build *b, omen_build_slot *s, uint32_t from, uint32_t to) {
    const omen_level *g = level_of(b);
    uint32_t target = (uint32_t)(b->pairs[from].key >> 32), *links = g->links + (size_t)target * g->m;
    uint32_t had = omen_level_degree(g, target), n = had, add = to - from;
    if (had + add <= g->m - 1) {
        for (uint32_t i = from; i < to; i++) links[n++] = (uint32_t)b->pairs[i].key;
        return;
    }
    /* More than fit: the nearest of them that tell different directions. The walk's pool has room for the whole batch. */
    omen_code_point point = {.u = s->u};
    omen_codes_point(&b->graph.codes, row_of(g, target), &point);
    omen_walk_key *keys = s->walk.pool;
    uint32_t total = 0;
    for (uint32_t at = 0; at < had + add;) {
        uint32_t nodes[OMEN_GRAPH_M_MAX], rows[OMEN_GRAPH_M_MAX], k = 0;
        int32_t d[OMEN_GRAPH_M_MAX];
        for (; k < OMEN_GRAPH_M_MAX && at < had + add; k++, at++) {
            nodes[k] = at < had ? links[at] : (uint32_t)b->pairs[from + at - had].key;
            rows[k] = row_of(g, nodes[k]);
        }
        omen_codes_distances(&b->graph.codes, &point, rows, k, d);
        for (uint32_t i = 0; i < k; i++) keys[total++] = omen_walk_key_of(d[i], nodes[i]);
    }
    omen_sort(keys, total, sizeof *keys, key_before, NULL);
    omen_prune p = {s->prune_u, slack_of(b)};
    n = omen_graph_prune(&b->graph.codes, g, &p, keys, total, g->m - 1, links);
    while (n < g->m) links[n++] = OMEN_NO_NODE;
}

static void back(void *arg, size_t slot) {
    omen_graph_build *b = arg;
    for (uint32_t i = (uint32_t)slot; i < b->group_count; i += b->slot_count) link_back(b, &b->slots[slot], b->groups[i], b->groups[i + 1]);
}

void omen_graph_insert_batch(omen_graph_build *b, uint32_t count) {
    const omen_level *g = level_of(b);
    const omen_host *host = b->base.store->mem->host;
    batch t = {b, b->inserted, count};
    omen_parallel(host, b->slot_count, forward, &t);
    b->pair_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = b->order[t.first + i];
        const uint32_t *links = omen_level_links(g, node);
        for (uint32_t j = 0; j < g->m && links[j] != OMEN_NO_NODE; j++) b->pairs[b->pair_count++] = (omen_keyed){(uint64_t)links[j] << 32 | node, 0, 0};
    }
    omen_sort_keyed(b->pairs, b->pairs_scratch, b->pair_count);
    b->group_count = 0;
    for (uint32_t i = 0; i < b->pair_count; i++)
        if (i == 0 || b->pairs[i].key >> 32 != b->pairs[i - 1].key >> 32) b->groups[b->group_count++] = i;
    b->groups[b->group_count] = b->pair_count;
    omen_parallel(host, b->slot_count, back, b);
    b->inserted += count;
}
