/* connect.c - every row can be reached. Pruning may leave rows that nobody links to; each of them is linked from a reached row, near it where one has
 * room. Builders leave one place free in every list, so there is always room: a row that is reached brings its own free place. */
#include "index/graph.h"

typedef struct spread {
    const omen_graph *g;
    uint64_t *reached;
    uint32_t *queue, head, tail;
} spread;

static bool reach(spread *s, uint32_t node) {
    uint64_t *word = &s->reached[node >> 6], bit = UINT64_C(1) << (node & 63);
    if ((*word & bit) != 0) return false;
    *word |= bit;
    s->queue[s->tail++] = node;
    return true;
}

static void follow(spread *s) {
    const omen_level *base = &s->g->level[0];
    while (s->head != s->tail) {
        const uint32_t *links = omen_level_links(base, s->queue[s->head++]);
        for (uint32_t i = 0; i < base->m && links[i] != OMEN_NO_NODE; i++) (void)reach(s, links[i]);
    }
}

static bool is_reached(const spread *s, uint32_t node) { return (s->reached[node >> 6] >> (node & 63) & 1) != 0; }

/* A reached row with room: among the row's own neighbours, nearest first, and theirs; else the last row reached that has some. */
static uint32_t host_of(const spread *s, uint32_t node, uint32_t *last_free) {
    const omen_level *base = &s->g->level[0];
    const uint32_t *links = omen_level_links(base, node);
    for (uint32_t i = 0; i < base->m && links[i] != OMEN_NO_NODE; i++) {
        if (is_reached(s, links[i]) && omen_level_links(base, links[i])[base->m - 1] == OMEN_NO_NODE) return links[i];
        const uint32_t *next = omen_level_links(base, links[i]);
        for (uint32_t j = 0; j < base->m && next[j] != OMEN_NO_NODE; j++)
            if (is_reached(s, next[j]) && next[j] != node && omen_level_links(base, next[j])[base->m - 1] == OMEN_NO_NODE) return next[j];
    }
    while (omen_level_links(base, s->queue[*last_free])[base->m - 1] != OMEN_NO_NODE) {
        OMEN_ASSERT(*last_free != 0);
        --*last_free;
    }
    return s->queue[*last_free];
}

/* Reaches what can be reached from the highest level. */
static omen_status begin(spread *s, omen_mem *m, const omen_graph *g, omen_error *err) {
    const omen_level *base = &g->level[0], *top = &g->level[g->top];
    size_t words = (base->count + (size_t)63) / 64;
    *s = (spread){.g = g, .reached = omen_alloc_zero(m, words * 8), .queue = omen_alloc(m, base->count * sizeof(uint32_t))};
    if (s->reached == NULL || s->queue == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory following a graph's links");
    for (uint32_t i = 0; i < top->count; i++) (void)reach(s, top->rows == NULL ? i : top->rows[i]);
    follow(s);
    return OMEN_OK;
}

static void end(spread *s, omen_mem *m) {
    uint32_t count = s->g->level[0].count;
    omen_free(m, s->reached, (count + (size_t)63) / 64 * 8);
    omen_free(m, s->queue, count * sizeof(uint32_t));
}

omen_status omen_graph_connect(omen_mem *m, const omen_graph *g, uint32_t *changed, omen_error *err) {
    const omen_level *base = &g->level[0];
    spread s;
    omen_status st = begin(&s, m, g, err);
    *changed = 0;
    for (uint32_t node = 0; st == OMEN_OK && node < base->count; node++) {
        if (is_reached(&s, node)) continue;
        uint32_t last = s.tail - 1, host = host_of(&s, node, &last);
        base->links[(size_t)host * base->m + omen_level_degree(base, host)] = node;
        ++*changed;
        (void)reach(&s, node);
        follow(&s);
    }
    end(&s, m);
    return st;
}

omen_status omen_graph_unreached(omen_mem *m, const omen_graph *g, uint32_t *count, omen_error *err) {
    spread s;
    omen_status st = begin(&s, m, g, err);
    *count = g->level[0].count - s.tail;
    end(&s, m);
    return st;
}
