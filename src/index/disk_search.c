/* disk_search.c - the walk over blocks. It takes the steps of walk.c: the nearest candidates that were not followed yet, all their neighbours that
 * were not seen yet, and of those the nearest stay. A hop's neighbours are scored block by block, each in the block's own memory, which is pinned for
 * just that long; of a candidate that stays, the links are copied, so that following it needs its own block no more. Between two calls of the step
 * nothing is pinned. What order blocks arrive in changes nothing.
 */
#include "index/disk.h"

#define HOP (OMEN_WALK_BEAM * OMEN_GRAPH_M_MAX)
#define NONE UINT32_MAX
/* Candidates whose links are kept; those of more are read again. */
#define LISTS 1024u
/* Where storage pends: candidates whose neighbours' blocks are asked for ahead of their time. */
#define AHEAD 6u
#define SEEN 8192u
/* How far a walk goes on its own when hardly any row it meets may be answered: as in memory. */
#define FARTHEST 32768u
#define FETCH_BYTES 320u /* of a record, before it is used */

typedef struct candidate {
    omen_walk_key key; /* of its row */
    uint32_t slot;
    uint32_t list;     /* where its links are kept, or NONE */
} candidate;

/* A candidate whose links are followed in this hop. */
typedef struct taken {
    uint32_t slot;
    bool known;
    uint32_t links[OMEN_GRAPH_M_MAX];
} taken;

typedef enum stage { START, SCAN, PICK, LINKS, NEIGHBOURS, ISLANDS, LAST } stage;

typedef struct disk_search {
    omen_index_search base;
    omen_walk walk;         /* upper levels; the query's code */
    float *scratch;
    size_t scratch_len;
    uint64_t *visited;      /* a bit a slot */
    uint32_t *seen, seen_len;
    candidate *pool;        /* sorted */
    uint32_t ef, pool_cap, pool_len, at; /* no candidate before `at` is to be followed */
    omen_walk_key *found;   /* rows that may be answered, when not all may */
    omen_index_hit *hits;
    uint32_t hit_cap, found_cap, found_len;
    uint32_t *lists, list_cap, free_lists[LISTS], free_count;
    bool filtered;
    uint64_t met, met_may;  /* with a filter: rows that were met; those that may be answered */
    omen_walk_reach reach;
    int64_t bound;
    bool cut; /* something lies beyond it */
    stage stage;
    uint32_t scanned;
    uint32_t need[HOP], need_len; /* slots to be read, ascending */
    taken taken[OMEN_WALK_BEAM];
    uint32_t taken_len;
    bool looked_ahead;
    bool spread;            /* the walk went on from all rows of the highest level */
    omen_disk_blocks blocks;
} disk_search;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search"); }

/* ---- beginning and end ---- */

static omen_disk *disk_of(const disk_search *s) { return s->base.index->state; }
static size_t visited_words(const omen_index *x) { return (x->rows + (size_t)63) / 64; }

void omen_disk_search_free(omen_mem *m, struct disk_search *s) {
    if (s == NULL) return;
    const omen_index *x = s->base.index;
    uint32_t links = ((const omen_disk *)x->state)->shape.m;
    omen_walk_deinit(&s->walk);
    omen_free(m, s->scratch, s->scratch_len);
    omen_free(m, s->visited, visited_words(x) * sizeof *s->visited);
    omen_free(m, s->seen, SEEN * sizeof *s->seen);
    omen_free(m, s->pool, s->pool_cap * sizeof *s->pool);
    omen_free(m, s->lists, (size_t)s->list_cap * links * sizeof *s->lists);
    omen_free(m, s->found, s->found_cap * sizeof *s->found);
    omen_free(m, s->hits, s->hit_cap * sizeof *s->hits);
    omen_free(m, s, sizeof *s);
}

/* Makes an array larger; its contents go. What it had room for is forgotten when there is no memory. */
static omen_status grow(omen_mem *m, void *array, uint32_t *cap, uint32_t count, size_t size) {
    void *p;
    memcpy(&p, array, sizeof p);
    if (count <= *cap) return OMEN_OK;
    omen_free(m, p, *cap * size);
    p = omen_alloc(m, count * size);
    *cap = p == NULL ? 0 : count;
    memcpy(array, &p, sizeof p);
    return p == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

static omen_status room(disk_search *s, const omen_disk *d, uint32_t ef, uint32_t want) {
    const omen_index *x = s->base.index;
    omen_mem *m = x->store->mem;
    if (s->visited == NULL) s->visited = omen_alloc_zero(m, visited_words(x) * sizeof *s->visited);
    if (s->seen == NULL) s->seen = omen_alloc(m, SEEN * sizeof *s->seen);
    if (s->scratch == NULL && d->trained) {
        s->scratch_len = omen_sq8_scratch(&d->codec) * sizeof(float);
        s->scratch = omen_alloc(m, s->scratch_len);
    }
    if (s->visited == NULL || s->seen == NULL || (s->scratch == NULL && d->trained)) return OMEN_ERR_MEMORY;
    OMEN_TRY(omen_walk_room(&s->walk, d->upper.level[0].count, OMEN_GRAPH_DESCENT, 1, d->codes.len));
    OMEN_TRY(grow(m, &s->pool, &s->pool_cap, ef, sizeof *s->pool));
    OMEN_TRY(grow(m, &s->lists, &s->list_cap, OMEN_MIN(ef, LISTS), d->shape.m * sizeof *s->lists));
    OMEN_TRY(grow(m, &s->found, &s->found_cap, want, sizeof *s->found));
    return grow(m, &s->hits, &s->hit_cap, want, sizeof *s->hits);
}

omen_status omen_disk_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err) {
    omen_disk *d = x->state;
    disk_search *s = atomic_exchange_explicit(&d->spare, NULL, memory_order_acq_rel);
    if (s == NULL) {
        s = omen_alloc_zero(x->store->mem, sizeof *s);
        if (s == NULL) return out_of_memory(err);
        omen_walk_init(&s->walk, x->store->mem);
    }
    s->base = (omen_index_search){.index = x, .query = *q};
    s->base.query.want = OMEN_MIN(q->want, x->rows);
    s->base.query.effort = OMEN_MAX(OMEN_MIN(OMEN_MAX(q->effort, q->want), x->rows), OMEN_GRAPH_DESCENT);
    if (room(s, d, s->base.query.effort, s->base.query.want) != OMEN_OK) {
        omen_disk_search_free(x->store->mem, s);
        return out_of_memory(err);
    }
    omen_disk_blocks_init(&s->blocks, x);
    s->ef = s->base.query.effort;
    s->stage = START;
    *out = &s->base;
    return OMEN_OK;
}

/* Clears the bits of the slots that were seen: their words, or all when too many were seen to have been listed. */
static void forget(disk_search *s) {
    if (s->seen_len <= SEEN)
        for (uint32_t i = 0; i < s->seen_len; i++) s->visited[s->seen[i] >> 6] = 0;
    else
        memset(s->visited, 0, visited_words(s->base.index) * sizeof *s->visited);
    s->seen_len = 0;
}

void omen_disk_search_end(omen_index_search *base) {
    disk_search *s = (disk_search *)base;
    omen_disk *d = disk_of(s);
    forget(s);
    omen_disk_search_free(base->index->store->mem, atomic_exchange_explicit(&d->spare, s, memory_order_acq_rel));
}

/* ---- candidates ---- */

static bool is_seen(const disk_search *s, uint32_t slot) { return (s->visited[slot >> 6] >> (slot & 63) & 1) != 0; }

/* A slot that is to be read, unless it was before. */
static void see(disk_search *s, uint32_t slot) {
    uint64_t *word = &s->visited[slot >> 6], bit = UINT64_C(1) << (slot & 63);
    if ((*word & bit) != 0) return;
    *word |= bit;
    if (s->seen_len < SEEN) s->seen[s->seen_len] = slot;
    s->seen_len++;
    s->need[s->need_len++] = slot;
}

/* Ascending, so that slots of one block stand together (Shell 1959). */
static void sort_need(disk_search *s) {
    static const uint32_t gaps[] = {57, 23, 10, 4, 1};
    uint32_t *a = s->need, n = s->need_len;
    for (uint32_t g = 0; g < OMEN_ARRAY_LEN(gaps); g++) {
        for (uint32_t i = gaps[g]; i < n; i++) {
            uint32_t v = a[i], j = i;
            for (; j >= gaps[g] && a[j - gaps[g]] > v; j -= gaps[g]) a[j] = a[j - gaps[g]];
            a[j] = v;
        }
    }
}

static bool may_answer(const omen_index_query *q, uint32_t row) { return omen_may_answer(&(omen_may){q->accept, q->dead}, row); }

static void offer_found(disk_search *s, omen_walk_key key) {
    const omen_index_query *q = &s->base.query;
    uint32_t n = s->found_len;
    if ((n == q->want && (n == 0 || key >= s->found[n - 1])) || !may_answer(q, omen_walk_node(key))) return;
    if (n < q->want) s->found_len = n + 1;
    else n--;
    for (; n != 0 && s->found[n - 1] > key; n--) s->found[n] = s->found[n - 1];
    s->found[n] = key;
}

static void drop_list(disk_search *s, candidate *c) {
    if (c->list != NONE) s->free_lists[s->free_count++] = c->list;
    c->list = NONE;
}

static void offer(disk_search *s, const omen_disk *d, const uint8_t *record, int32_t rank, uint32_t slot) {
    omen_walk_key key = omen_walk_key_of(rank, omen_disk_row(&d->shape, record));
    uint32_t n = s->pool_len, lo = 0;
    if (s->filtered) offer_found(s, key);
    if (s->base.query.accept != NULL) {
        s->met++;
        s->met_may += may_answer(&s->base.query, omen_walk_node(key));
    }
    if (rank > s->bound) {
        s->cut = true;
        return;
    }
    if (n == s->ef) {
        if (key >= s->pool[n - 1].key) return;
        drop_list(s, &s->pool[--n]);
    }
    for (uint32_t hi = n; lo < hi;) {
        uint32_t mid = (lo + hi) >> 1;
        if (s->pool[mid].key < key) lo = mid + 1;
        else hi = mid;
    }
    memmove(s->pool + lo + 1, s->pool + lo, (n - lo) * sizeof *s->pool);
    candidate *c = &s->pool[lo];
    *c = (candidate){key, slot, NONE};
    if (s->free_count != 0) {
        c->list = s->free_lists[--s->free_count];
        memcpy(s->lists + (size_t)c->list * d->shape.m, record + d->shape.code + 4, d->shape.m * sizeof(uint32_t));
    }
    s->pool_len = n + 1;
    s->at = OMEN_MIN(s->at, lo);
}

/* ---- blocks ---- */

/* Uses the slots need[from .. to), all of one block. */
static omen_status use_block(disk_search *s, const omen_disk *d, const omen_block *block, uint32_t from, uint32_t to, omen_error *err) {
    uint32_t ids[HOP], n = to - from, first = s->need[from] / d->shape.per_block * d->shape.per_block;
    int32_t ranks[HOP];
    OMEN_ASSERT(n != 0 && n <= HOP);
    for (uint32_t i = 0; i < n; i++) ids[i] = s->need[from + i] - first;
    if (s->stage == LINKS) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t t = 0; t < s->taken_len; t++)
                if (s->taken[t].slot == s->need[from + i]) memcpy(s->taken[t].links, block->data + (size_t)ids[i] * d->shape.record + d->shape.code + 4, d->shape.m * sizeof(uint32_t));
        return OMEN_OK;
    }
    omen_codes c = d->codes;
    c.rows = block->data;
    omen_codes_rank(&c, s->walk.u, ids, n, ranks);
    s->base.work.distances += n;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *record = block->data + (size_t)ids[i] * d->shape.record;
        if (omen_disk_row(&d->shape, record) >= s->base.index->rows) return omen_index_damaged(s->base.index, err, "a record of a graph is of no row");
        offer(s, d, record, ranks[i], s->need[from + i]);
    }
    return OMEN_OK;
}

static bool is_needed(const disk_search *s, const omen_disk *d, uint32_t index) {
    bool needed = false;
    for (uint32_t i = 0; i < s->need_len && !needed; i++) needed = s->need[i] / d->shape.per_block == index;
    return needed;
}

/* Storage pends: the blocks of the candidates that will most likely be followed next can be under way meanwhile. */
static void look_ahead(disk_search *s, const omen_disk *d) {
    uint32_t n = 0;
    s->looked_ahead = true;
    for (uint32_t p = s->at; p < s->pool_len && n < AHEAD; p++) {
        const candidate *c = &s->pool[p];
        if ((c->key & 1) != 0 || c->list == NONE) continue;
        const uint32_t *links = s->lists + (size_t)c->list * d->shape.m;
        for (uint32_t i = 0; i < d->shape.m && links[i] < s->base.index->rows; i++)
            if (!is_seen(s, links[i]) && !is_needed(s, d, links[i] / d->shape.per_block)) omen_disk_blocks_ahead(&s->blocks, links[i] / d->shape.per_block);
        n++;
    }
}

static inline void fetch_lines(const uint8_t *p, uint32_t len) {
    for (uint32_t i = 0; i < len; i += 64) __builtin_prefetch(p + i);
}

/* Slots of some blocks, from need[from]: pins the blocks, so that the misses of all their records overlap, then uses them; *to is where the next group
 * begins. What pends is moved to need[*left]. */
static omen_status fetch_group(disk_search *s, const omen_disk *d, uint32_t from, uint32_t *to, uint32_t *left, omen_error *err) {
    struct { const omen_block *block; uint32_t from, to; } have[OMEN_DISK_PINS];
    uint32_t n = 0, pinned_count = 0, at = from;
    omen_disk_blocks_group(&s->blocks);
    while (n < s->blocks.pin_count && from < s->need_len) {
        uint32_t index = s->need[from] / d->shape.per_block, first = index * d->shape.per_block;
        while (at < s->need_len && s->need[at] / d->shape.per_block == index) at++;
        omen_status status = omen_disk_blocks_get(&s->blocks, index, &have[n].block, err);
        if (status == OMEN_ERR_LIMIT && pinned_count != 0) break; /* what is there is used first */
        if (status == OMEN_ERR_LIMIT) {
            omen_disk_blocks_release(&s->blocks);
            status = omen_disk_blocks_get(&s->blocks, index, &have[n].block, err);
        }
        if (status == OMEN_PENDING) have[n].block = NULL;
        else OMEN_TRY(status);
        for (uint32_t i = from; i < at && status == OMEN_OK; i++) fetch_lines(have[n].block->data + (size_t)(s->need[i] - first) * d->shape.record, OMEN_MIN(d->shape.record, FETCH_BYTES));
        pinned_count += status == OMEN_OK;
        have[n].from = from;
        have[n++].to = from = at;
    }
    *to = from;
    for (uint32_t i = 0; i < n; i++) {
        if (have[i].block != NULL) {
            OMEN_TRY(use_block(s, d, have[i].block, have[i].from, have[i].to, err));
        } else {
            memmove(s->need + *left, s->need + have[i].from, (have[i].to - have[i].from) * sizeof *s->need);
            *left += have[i].to - have[i].from;
        }
    }
    return OMEN_OK;
}

/* Reads all that is needed; what pends stays in `need`. */
static omen_status fetch(disk_search *s, const omen_disk *d, omen_error *err) {
    uint32_t left = 0;
    for (uint32_t at = 0; at < s->need_len;) OMEN_TRY(fetch_group(s, d, at, &at, &left, err));
    s->need_len = left;
    if (left == 0) {
        s->looked_ahead = false;
        return OMEN_OK;
    }
    (void)omen_disk_blocks_poll(&s->blocks);
    if (!s->looked_ahead) look_ahead(s, d);
    return OMEN_PENDING;
}

/* ---- the walk ---- */

/* From the query to the rows of the base level where the walk begins. */
static void start(disk_search *s) {
    const omen_disk *d = disk_of(s);
    const omen_graph *g = &d->upper;
    const omen_index_query *q = &s->base.query;
    omen_walk *w = &s->walk;
    uint32_t nodes[OMEN_GRAPH_M_MAX], n = 0;
    forget(s);
    s->pool_len = s->found_len = s->need_len = s->at = s->scanned = 0;
    s->looked_ahead = s->spread = s->cut = false;
    s->met = s->met_may = 0;
    s->filtered = !omen_may_all(&(omen_may){q->accept, q->dead});
    s->free_count = s->list_cap;
    for (uint32_t i = 0; i < s->list_cap; i++) s->free_lists[i] = s->list_cap - 1 - i;
    s->reach = (omen_walk_reach){.near = OMEN_MIN(OMEN_MAX(q->near, 1u), q->want), .slack = q->slack};
    s->bound = INT64_MAX;
    s->cut = false;
    if (d->trained) {
        s->reach.origin = omen_sq8_query(&d->codec, q->vector, w->u, s->scratch);
    } else {
        memset(w->u, 0, d->codes.len);
        memcpy(w->u, q->vector, s->base.index->dimensions / 8);
    }
    if (d->top == 0) {
        s->stage = SCAN;
        return;
    }
    uint64_t hops = 0, distances = 0;
    if (g->top != 0) {
        n = omen_graph_descend(g, w, NULL, 0, nodes);
        hops = w->hops;
        distances = w->distances;
    }
    omen_walk_begin(w, OMEN_GRAPH_DESCENT, 0, NULL);
    if (g->top != 0) {
        omen_walk_add(w, &g->codes, &g->level[0], NULL, nodes, n);
        omen_walk_run(w, &g->codes, &g->level[0], NULL);
    } else {
        for (uint32_t from = 0; from < g->level[0].count; from += n) {
            n = OMEN_MIN(OMEN_GRAPH_M_MAX, g->level[0].count - from);
            for (uint32_t i = 0; i < n; i++) nodes[i] = from + i;
            omen_walk_add(w, &g->codes, &g->level[0], NULL, nodes, n);
        }
    }
    distances += w->distances;
    s->base.work.hops += hops + w->hops;
    s->base.work.distances += distances;
    s->base.work.bytes += distances * d->shape.code;
    for (uint32_t i = 0; i < w->pool_len; i++) see(s, omen_get32(d->entries + 4 * (size_t)omen_walk_node(w->pool[i])));
    sort_need(s);
    s->stage = NEIGHBOURS;
}

/* All rows are compared: there are no more than the highest level may have. */
static void scan_some(disk_search *s) {
    uint32_t n = OMEN_MIN(HOP, s->base.index->rows - s->scanned);
    for (uint32_t i = 0; i < n; i++) s->need[i] = s->scanned + i;
    s->need_len = n;
    s->scanned += n;
}

/* A walk that ends before its pool is full goes on from all rows of the highest level, as in memory (graph.c): more of their slots, all of them before any is
 * followed. */
static void spread_some(disk_search *s, const omen_disk *d) {
    const omen_level *top = &d->upper.level[d->upper.top];
    uint32_t n = OMEN_MIN(HOP, top->count - s->scanned);
    for (uint32_t i = s->scanned; i < s->scanned + n; i++) see(s, omen_get32(d->entries + 4 * (size_t)(top->rows == NULL ? i : top->rows[i])));
    s->scanned += n;
    sort_need(s);
}

/* Where the walk goes when no candidate is left to be followed. */
static stage after_walk(disk_search *s) {
    if (s->spread || s->cut || s->pool_len >= OMEN_MIN(s->ef, s->base.index->rows)) return LAST;
    s->spread = true;
    return ISLANDS;
}

/* The nearest candidates whose links were not followed. */
static void pick(disk_search *s, const omen_disk *d) {
    uint32_t p = s->at;
    s->taken_len = 0;
    if (s->reach.slack != 0 && (s->filtered ? s->found_len : s->pool_len) >= s->reach.near)
        s->bound = omen_walk_bound(&s->reach, s->filtered ? s->found[s->reach.near - 1] : s->pool[s->reach.near - 1].key);
    for (; p < s->pool_len && s->taken_len < OMEN_WALK_BEAM; p++) {
        candidate *c = &s->pool[p];
        if ((c->key & 1) != 0) continue;
        if (omen_walk_rank(c->key) > s->bound) {
            s->cut = true;
            break;
        }
        taken *t = &s->taken[s->taken_len++];
        t->slot = c->slot;
        if (c->list != NONE) memcpy(t->links, s->lists + (size_t)c->list * d->shape.m, d->shape.m * sizeof(uint32_t));
        else s->need[s->need_len++] = c->slot;
        drop_list(s, c);
        c->key |= 1;
    }
    s->at = p;
    s->base.work.hops += s->taken_len;
    sort_need(s);
}

static omen_status expand(disk_search *s, const omen_disk *d, omen_error *err) {
    for (uint32_t t = 0; t < s->taken_len; t++) {
        for (uint32_t i = 0; i < d->shape.m && s->taken[t].links[i] != OMEN_NO_NODE; i++) {
            if (s->taken[t].links[i] >= s->base.index->rows) return omen_index_damaged(s->base.index, err, "a link of a graph leads nowhere");
            see(s, s->taken[t].links[i]);
        }
    }
    sort_need(s);
    return OMEN_OK;
}

/* Where most of what lies near may not be answered, the walk goes farther: until as many rows as planned could be. */
static bool too_few(const disk_search *s) {
    const omen_index_query *q = &s->base.query;
    uint32_t n = 0;
    if (!s->filtered || s->pool_len != s->ef || s->ef >= FARTHEST) return false;
    if (q->accept != NULL && omen_may_fringe(s->met, s->met_may, q->accept->ones, s->base.index->rows)) return false; /* more of the same finds no more */
    if (s->reach.slack != 0) return s->found_len < s->reach.near;
    for (uint32_t i = 0; i < s->pool_len; i++) n += may_answer(q, omen_walk_node(s->pool[i].key));
    return n * UINT64_C(4) < q->effort * UINT64_C(3);
}

static void answer(disk_search *s, const omen_disk *d) {
    omen_index_search *base = &s->base;
    base->hit_count = OMEN_MIN(s->filtered ? s->found_len : s->pool_len, base->query.want);
    for (uint32_t i = 0; i < base->hit_count; i++) {
        omen_walk_key key = s->filtered ? s->found[i] : s->pool[i].key;
        s->hits[i] = (omen_index_hit){omen_walk_node(key), omen_walk_rank(key)};
    }
    base->hits = s->hits;
    const omen_bits *accept = base->query.accept;
    base->lost = accept != NULL && s->pool_len < base->index->rows && omen_may_fringe(s->met, s->met_may, accept->ones, base->index->rows);
    base->work.blocks = s->blocks.asked;
    base->work.bytes += s->blocks.asked * d->nodes->block_len;
}

static omen_status walk(disk_search *s, omen_error *err) {
    const omen_disk *d = disk_of(s);
    for (;;) {
        switch (s->stage) {
            case START: start(s); break;
            case SCAN:
                OMEN_TRY(fetch(s, d, err));
                if (s->scanned == s->base.index->rows) s->stage = LAST;
                else scan_some(s);
                break;
            case PICK:
                pick(s, d);
                s->stage = s->taken_len == 0 ? after_walk(s) : LINKS;
                break;
            case ISLANDS:
                OMEN_TRY(fetch(s, d, err));
                if (s->scanned == d->upper.level[d->upper.top].count) s->stage = PICK;
                else spread_some(s, d);
                break;
            case LINKS:
                OMEN_TRY(fetch(s, d, err));
                OMEN_TRY(expand(s, d, err));
                s->stage = NEIGHBOURS;
                break;
            case NEIGHBOURS:
                OMEN_TRY(fetch(s, d, err));
                s->stage = PICK;
                break;
            case LAST:
                /* A host keeps what it has read until it is fetched. */
                if (!omen_disk_blocks_poll(&s->blocks)) return OMEN_PENDING;
                if (too_few(s)) {
                    s->ef *= 2;
                    if (room(s, d, s->ef, s->base.query.want) != OMEN_OK) return out_of_memory(err);
                    s->stage = START;
                    break;
                }
                answer(s, d);
                return OMEN_OK;
        }
    }
}

omen_status omen_disk_search_step(omen_index_search *base, omen_error *err) {
    disk_search *s = (disk_search *)base;
    omen_status status = walk(s, err);
    omen_disk_blocks_release(&s->blocks);
    return status;
}
