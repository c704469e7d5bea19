#include "index/walk.h"

void omen_walk_init(omen_walk *w, omen_mem *m) { *w = (omen_walk){.mem = m}; }

/* Grows an array that need not keep its contents. */
static bool grow(omen_mem *m, void *array, uint32_t *cap, uint32_t want, size_t size, bool zero) {
    void *old;
    memcpy(&old, array, sizeof old);
    if (want <= *cap && old != NULL) return true;
    void *p = zero ? omen_alloc_zero(m, want * size) : omen_alloc(m, want * size);
    if (p == NULL) return false;
    omen_free(m, old, *cap * size);
    memcpy(array, &p, sizeof p);
    *cap = want;
    return true;
}

omen_status omen_walk_room(omen_walk *w, uint32_t nodes, uint32_t ef, uint32_t want, uint32_t u_bytes) {
    uint32_t words = w->nodes / 64, need = (nodes + 63) / 64 + 1;
    if (!grow(w->mem, &w->visited, &words, need, sizeof *w->visited, true)) return OMEN_ERR_MEMORY;
    w->nodes = words * 64;
    uint32_t pool = w->pool_cap == 0 ? 0 : w->pool_cap + 1;
    if (!grow(w->mem, &w->pool, &pool, ef + 1, sizeof *w->pool, false)) return OMEN_ERR_MEMORY;
    w->pool_cap = pool - 1;
    uint32_t found = w->found_cap == 0 ? 0 : w->found_cap + 1;
    if (!grow(w->mem, &w->found, &found, want + 1, sizeof *w->found, false)) return OMEN_ERR_MEMORY;
    w->found_cap = found - 1;
    if (!grow(w->mem, &w->seen, &w->seen_cap, 4096, sizeof *w->seen, false)) return OMEN_ERR_MEMORY;
    if (!grow(w->mem, &w->u, &w->u_cap, u_bytes, 1, false)) return OMEN_ERR_MEMORY;
    return OMEN_OK;
}

void omen_walk_deinit(omen_walk *w) {
    omen_free(w->mem, w->visited, w->nodes / 64 * sizeof *w->visited);
    omen_free(w->mem, w->pool, (w->pool_cap + (size_t)1) * sizeof *w->pool);
    omen_free(w->mem, w->found, (w->found_cap + (size_t)1) * sizeof *w->found);
    omen_free(w->mem, w->seen, w->seen_cap * sizeof *w->seen);
    omen_free(w->mem, w->u, w->u_cap);
    omen_walk_init(w, w->mem);
}

/* Clears the bits of the last search: those nodes' words, or all when too many were seen to have been listed. */
static void forget(omen_walk *w) {
    if (w->seen_len <= w->seen_cap)
        for (uint32_t i = 0; i < w->seen_len; i++) w->visited[w->seen[i] >> 6] = 0;
    else
        memset(w->visited, 0, w->nodes / 64 * sizeof *w->visited);
    w->seen_len = 0;
}

void omen_walk_begin(omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter) {
    OMEN_ASSERT(ef != 0 && ef <= w->pool_cap && want <= w->found_cap);
    forget(w);
    w->pool_len = w->found_len = 0;
    w->ef = ef;
    w->want = want;
    w->filter = filter;
    w->share = w->met = w->met_may = w->most = 0;
    w->lost = false;
    w->hops = w->distances = 0;
    w->reach = (omen_walk_reach){0};
    w->bound = INT64_MAX;
    w->cut = false;
}

/* Of 65,536: below, few of the rows that a walk meets may be answered. */
#define SPARSE 13107u
/* Rows that the share of the whole is worth when the share near the query is guessed. */
#define PRIOR 64u
#define SHORT 64u
#define FRESH (OMEN_WALK_BEAM * OMEN_GRAPH_M_MAX)

/* Inserts into a sorted array that keeps its best `cap`; answers the place, or cap when it did not enter. */
static inline uint32_t insert(omen_walk_key *a, uint32_t *len, uint32_t cap, omen_walk_key key) {
    uint32_t n = *len;
    if (n == cap) {
        if (key >= a[n - 1]) return cap;
        n--;
    }
    if (cap <= SHORT) {
        /* Looking and moving in one pass from the end: short pools are moved in less time than a call takes. */
        uint32_t at = n;
        for (; at != 0 && a[at - 1] > key; at--) a[at] = a[at - 1];
        a[at] = key;
        *len = n + 1;
        return at;
    }
    /* Halving without branches: which way they would go is anybody's guess. */
    const omen_walk_key *base = a;
    for (uint32_t left = n; left > 1;) {
        uint32_t half = left / 2;
        base += (base[half - 1] < key) * half;
        left -= half;
    }
    uint32_t at = (uint32_t)(base - a) + (n != 0 && *base < key);
    memmove(a + at + 1, a + at, (n - at) * sizeof *a);
    a[at] = key;
    *len = n + 1;
    return at;
}

static inline void fetch_links(const omen_level *g, uint32_t node) {
    const char *links = (const char *)omen_level_links(g, node);
    for (uint32_t b = 0; b < g->m * 4; b += 64) __builtin_prefetch(links + b);
}

static inline uint32_t row_of(const omen_level *g, uint32_t node) { return g->rows == NULL ? node : g->rows[node]; }

/* Marks nodes as seen; those that were not yet go to `fresh`. Without branches: which way they would go is anybody's guess. */
static inline uint32_t see(omen_walk *w, const uint32_t *nodes, uint32_t count, uint32_t *fresh) {
    uint64_t *visited = w->visited;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = nodes[i];
        uint64_t word = visited[node >> 6];
        fresh[n] = node;
        n += (uint32_t)(~word >> (node & 63) & 1);
        visited[node >> 6] = word | UINT64_C(1) << (node & 63);
    }
    if (w->seen_len + n <= w->seen_cap) memcpy(w->seen + w->seen_len, fresh, n * sizeof *fresh);
    w->seen_len += n;
    return n;
}

static void offer_found(omen_walk *w, const omen_level *g, omen_walk_key key) {
    uint32_t node = omen_walk_node(key);
    if (w->found_len == w->want && key >= w->found[w->found_len - 1]) return;
    if (omen_may_answer(w->filter, row_of(g, node))) (void)insert(w->found, &w->found_len, w->want, key);
}

/* Scores nodes and offers them; answers the lowest place of the pool where one entered. Links of one that enters before `ahead` will be wanted soon. */
static inline uint32_t score(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_code_point *point, const uint32_t *nodes, uint32_t count,
                             uint32_t ahead) {
    int32_t ranks[FRESH];
    uint32_t rows[FRESH], lowest = UINT32_MAX;
    const uint32_t *ids = nodes;
    if (g->rows != NULL) {
        for (uint32_t i = 0; i < count; i++) rows[i] = g->rows[nodes[i]];
        ids = rows;
    }
    if (point != NULL) omen_codes_distances(c, point, ids, count, ranks);
    else omen_codes_rank(c, w->u, ids, count, ranks);
    w->distances += count;
    for (uint32_t i = 0; i < count; i++) {
        omen_walk_key key = omen_walk_key_of(ranks[i], nodes[i]);
        if (w->filter != NULL) offer_found(w, g, key);
        if (ranks[i] > w->bound) {
            w->cut = true;
            continue;
        }
        uint32_t at = insert(w->pool, &w->pool_len, w->ef, key);
        if (at < ahead) fetch_links(g, nodes[i]);
        lowest = at < lowest ? at : lowest;
    }
    return lowest;
}

void omen_walk_add(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_code_point *point, const uint32_t *nodes, uint32_t count) {
    uint32_t fresh[OMEN_GRAPH_M_MAX];
    (void)score(w, c, g, point, fresh, see(w, nodes, count, fresh), 0);
}

/* The share of rows that may be answered near the query, of 65,536. */
static uint32_t share_met(const omen_walk *w) { return (uint32_t)(((uint64_t)w->met_may * 65536u + (uint64_t)w->share * PRIOR) / (w->met + PRIOR)); }

/* Hardly anything near the query may be answered, though elsewhere more may; or it all took too long. */
static bool astray(const omen_walk *w) { return w->distances > w->most || (w->found_len < w->reach.near && w->met > 16 * PRIOR && share_met(w) < w->share / 8); }

/* Of what was met, how much may be answered; and half of the rest is left alone where that is little. A graph's links lead to a row from many sides, so that hardly
 * one is lost by it, and half of the steps are saved that lead only past rows that nobody asked for. */
static uint32_t thin_out(omen_walk *w, const omen_level *g, uint32_t *fresh, uint32_t count) {
    bool sparse = share_met(w) < SPARSE;
    uint32_t n = 0, may = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = fresh[i], row = row_of(g, node);
        bool ok = omen_may_answer(w->filter, row);
        may += ok;
        fresh[n] = node;
        n += ok || !sparse || (row * 2654435761u >> 31) != 0; /* multiplicative hashing (Knuth 1973) */
    }
    w->met += count;
    w->met_may += may;
    return n;
}

/* The square root of a share of 65,536, as one. */
static uint32_t root_of(uint32_t share) {
    uint32_t r = 0;
    for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1)
        if ((uint64_t)(r | bit) * (r | bit) <= (uint64_t)share << 16) r |= bit;
    return share >= 65536 ? 65536 : r;
}

/* Where one row in n may be answered, its few nearest lie as far out as n times as many of all rows, and the same reach beyond them covers more of those. With the
 * root of the share the audit's recall is kept from a twentieth to all; with the root of that where distances are no squares; more where half of the steps are left
 * out. A sixteenth more, for the audit knows nothing of filters. */
static uint32_t filtered_slack(const omen_walk *w) {
    uint32_t share = share_met(w);
    uint64_t root = w->plain ? root_of(root_of(share)) : root_of(share), slack = w->reach.slack * root >> 16;
    return (uint32_t)(share < SPARSE ? slack * 5 / 2 : slack + (slack >> 4) + (slack * (65536 - share) >> 18));
}

/* The nearest few may have come nearer. With a filter those count that may be answered. */
static void draw_in(omen_walk *w) {
    const omen_walk_key *best = w->filter != NULL ? w->found : w->pool;
    omen_walk_reach reach = w->reach;
    if (reach.slack == 0 || (w->filter != NULL ? w->found_len : w->pool_len) < reach.near) return;
    if (w->share != 0) reach.slack = OMEN_MAX(filtered_slack(w), 1u);
    w->bound = omen_walk_bound(&reach, best[reach.near - 1]);
}

void omen_walk_run(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_code_point *point) {
    uint32_t at = 0;
    for (;;) {
        /* The nearest nodes whose links have not been followed: several at once, so that what their neighbours cost in misses overlaps. */
        uint32_t fresh[FRESH], n = 0, taken = 0, p = at;
        draw_in(w);
        if (w->share != 0 && astray(w)) {
            w->lost = true;
            return;
        }
        for (; p < w->pool_len && taken < OMEN_WALK_BEAM; p++) {
            if ((w->pool[p] & 1) != 0) {
                at += p == at;
                continue;
            }
            if (omen_walk_rank(w->pool[p]) > w->bound) {
                w->cut = true;
                break;
            }
            uint32_t node = omen_walk_node(w->pool[p]);
            w->pool[p] |= 1;
            at += p == at;
            n += see(w, omen_level_links(g, node), omen_level_degree(g, node), fresh + n);
            taken++;
        }
        if (taken == 0) return;
        if (w->share != 0) n = thin_out(w, g, fresh, n);
        w->hops += taken;
        for (uint32_t next = 0; p < w->pool_len && next < OMEN_WALK_BEAM; p++, next++) fetch_links(g, omen_walk_node(w->pool[p])); /* most likely the next ones */
        uint32_t lowest = score(w, c, g, point, fresh, n, p);
        at = lowest < at ? lowest : at;
    }
}

void omen_walk_compare(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_may *may) {
    uint32_t nodes[FRESH], n = 0;
    OMEN_ASSERT(g->rows == NULL);
    for (uint32_t at = 0; at < g->count; at += 64) {
        uint64_t word = may->accept == NULL ? UINT64_MAX : may->accept->words[at >> 6];
        if (may->dead != NULL) word &= ~may->dead->words[at >> 6];
        if (g->count - at < 64) word &= (UINT64_C(1) << (g->count - at)) - 1;
        for (; word != 0; word &= word - 1) nodes[n++] = at + (uint32_t)__builtin_ctzll(word);
        if (n <= FRESH - 64) continue;
        (void)score(w, c, g, NULL, nodes, n, 0);
        n = 0;
    }
    (void)score(w, c, g, NULL, nodes, n, 0);
}
