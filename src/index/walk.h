/* walk.h - best-first search in a graph of neighbour lists (Malkov and Yashunin 2018, algorithm 2), over links and codes that lie in memory.
 *
 * The pool is one array sorted by (distance, node); a node's lowest key bit says that its links have been followed. What is kept is the best `ef` of all
 * that were seen, so the outcome depends on nothing but the graph and the query.
 *
 * A walk ends when the links of all in the pool were followed, or, with a reach, of all that are not much farther than the nearest few: what remains of a
 * hard query is worth more steps than of an easy one, and the distances themselves tell them apart (Al-Jazzazi et al. 2025, distance adaptive beam search).
 */
#ifndef OMEN_INDEX_WALK_H
#define OMEN_INDEX_WALK_H

#include "base/mem.h"
#include "index/codes.h"
#include "index/may.h"

#define OMEN_NO_NODE UINT32_MAX
#define OMEN_GRAPH_M_MAX 128u
#ifndef OMEN_WALK_BEAM
#define OMEN_WALK_BEAM 2u /* nodes whose links are followed at once */
#endif

/* One level: nodes 0 .. count - 1; node i is row rows[i], or row i where rows is NULL. Links of a node: up to m nodes, then OMEN_NO_NODE. */
typedef struct omen_level {
    const uint32_t *rows;
    uint32_t *links;
    uint32_t m, count;
} omen_level;

/* (distance or rank, made unsigned) << 32 | node << 1 | followed. Nodes are below 2^31. */
typedef uint64_t omen_walk_key;
static inline omen_walk_key omen_walk_key_of(int32_t rank, uint32_t node) { return (uint64_t)((uint32_t)rank ^ 0x80000000u) << 32 | (uint64_t)node << 1; }
static inline int32_t omen_walk_rank(omen_walk_key k) { return (int32_t)((uint32_t)(k >> 32) ^ 0x80000000u); }
static inline uint32_t omen_walk_node(omen_walk_key k) { return (uint32_t)k >> 1; }

/* Where a walk ends by itself: nodes are left alone that are farther than the near-th nearest by more than slack / 4096 of its (squared) distance,
 * which is rank + origin. slack 0: nowhere. */
typedef struct omen_walk_reach { uint32_t near, slack; int64_t origin; } omen_walk_reach;
#define OMEN_WALK_SLACK_MAX (1u << 20)
static inline int64_t omen_walk_bound(const omen_walk_reach *r, omen_walk_key nth) {
    int64_t d = omen_walk_rank(nth) + r->origin;
    return d <= 0 ? -r->origin : d + (d * r->slack >> 12) - r->origin;
}

/* What one search needs; reused from search to search. */
typedef struct omen_walk {
    omen_mem *mem;
    uint64_t *visited;      /* a bit a node */
    uint32_t nodes;         /* room in visited */
    omen_walk_key *pool;    /* pool_cap + 1 */
    uint32_t pool_cap, pool_len, ef;
    uint32_t *seen;         /* nodes whose bit is set, in order; what cleaning up costs depends on them and not on the graph */
    uint32_t seen_len, seen_cap;
    uint8_t *u;             /* query code, u_cap bytes */
    uint32_t u_cap;
    uint64_t hops, distances;
    /* Rows that may be answered, when not all may: the best `want` of them, sorted as the pool. */
    const omen_may *filter;
    omen_walk_key *found;
    uint32_t found_cap, found_len, want;
    uint32_t share;         /* with a filter: rows that may be answered, of 65,536, and the walk goes by what it meets (omen_walk_expect); 0: it does not */
    uint32_t met, met_may;  /* rows that were met; those that may be answered */
    uint64_t most;          /* distances, at most */
    bool plain;             /* ranks are distances, not their squares */
    bool lost;              /* it ended because of them, or for hardly anything near the query may be answered */
    omen_walk_reach reach;
    int64_t bound;          /* greatest rank that is followed */
    bool cut;               /* something lies beyond it */
} omen_walk;

void omen_walk_init(omen_walk *w, omen_mem *m);
/* Room for a graph of so many nodes, ef and want; kept for later. OMEN_ERR_MEMORY. */
omen_status omen_walk_room(omen_walk *w, uint32_t nodes, uint32_t ef, uint32_t want, uint32_t u_bytes);
void omen_walk_deinit(omen_walk *w);

/* A search: begin, add where to start, run. Query code in w->u. The reach (slack 0 from begin on) may be set after begin; near is at least 1 and, with a filter, at most
 * want. point: NULL ranks codes for a query; else distances from that row. */
void omen_walk_begin(omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter);
/* After begin with a filter: this share of all rows may be answered. The reach then follows the share that is met, and the walk gives up (`lost`) after
 * `most` distances, or where that is far below. */
static inline void omen_walk_expect(omen_walk *w, const omen_codes *c, uint32_t share, uint64_t most) {
    w->share = share;
    w->plain = c->bits;
    w->most = most;
}
/* Nodes not seen yet come into the pool. count at most OMEN_GRAPH_M_MAX. */
void omen_walk_add(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_code_point *point, const uint32_t *nodes, uint32_t count);
void omen_walk_run(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_code_point *point);
/* After begin without a filter: the base level's rows that may be answered are scored, all of them and no other, without following links. */
void omen_walk_compare(omen_walk *w, const omen_codes *c, const omen_level *g, const omen_may *may);

static inline const uint32_t *omen_level_links(const omen_level *g, uint32_t node) { return g->links + (size_t)node * g->m; }
static inline uint32_t omen_level_degree(const omen_level *g, uint32_t node) {
    const uint32_t *links = omen_level_links(g, node);
    uint32_t n = 0;
    while (n < g->m && links[n] != OMEN_NO_NODE) n++;
    return n;
}

#endif
