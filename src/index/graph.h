/* graph.h - HNSW (Malkov and Yashunin 2018) over codes: levels of neighbour lists, each level a sixteenth of the one below, the highest small enough to be
 * scanned whole. A search scans the highest level, walks down with a few candidates, and walks the base level with a pool of `ef`.
 *
 * The file (kinds.h has INDEX_META's fixed part)
 *   INDEX_META + 240   u32 m (base level)  u32 upper m  u32 levels above the base  u32 code stride  u32 zero  u32 zero,
 *                      then for each level above the base, lowest first, u32 count (at most 8 of them, zeros behind the last)
 *   INDEX_CODEC        the quantiser (quant/sq8.h); empty for BIT elements
 *   INDEX_CODES        rows x stride bytes: codes in order of row
 *   INDEX_LINKS        rows x m u32: neighbours of each row, then 0xFFFFFFFF up to m. No row twice in a list, none linked to itself
 *   INDEX_UPPER        for each level above the base, lowest first: count u32 rows, ascending, a subset of the level below; then count x upper m u32 links
 *                      between positions in that list
 *   Every row is reachable along links of the base level from the rows of the highest level.
 */
#ifndef OMEN_INDEX_GRAPH_H
#define OMEN_INDEX_GRAPH_H

#include "index/kinds.h"
#include "index/walk.h"

#define OMEN_GRAPH_LEVELS 8u      /* above the base */
#define OMEN_GRAPH_TOP 512u       /* nodes of the highest level, at most */
#define OMEN_GRAPH_DESCENT 4u     /* candidates carried down */
#define OMEN_GRAPH_META (OMEN_INDEX_META_FIXED + 24u + 4u * OMEN_GRAPH_LEVELS)

typedef struct omen_graph {
    omen_codes codes;
    uint32_t top;                                   /* number of the highest level; 0: the base is all there is */
    omen_level level[OMEN_GRAPH_LEVELS + 1];        /* 0: the base */
    uint32_t *down[OMEN_GRAPH_LEVELS + 1];          /* level l >= 2: position in level l - 1 of each node */
    uint8_t *top_codes;                             /* the highest level's codes side by side; NULL: there is no upper level */
} omen_graph;

/* Height of a row: how many levels above the base it belongs to, from the row's number alone. */
uint32_t omen_graph_height(uint32_t row);
/* Node of level l - 1 for a node of level l. */
static inline uint32_t omen_graph_below(const omen_graph *g, uint32_t l, uint32_t node) { return l == 1 ? g->level[1].rows[node] : g->down[l][node]; }
/* Positions in `lower` (ascending rows; NULL: the identity) of `upper`'s rows. */
void omen_graph_positions(const omen_level *lower, const omen_level *upper, uint32_t *out);
/* Nodes of level `target` to start from, at most OMEN_GRAPH_DESCENT (target below the top). Uses w with its query code, or the point. */
uint32_t omen_graph_descend(const omen_graph *g, omen_walk *w, const omen_code_point *point, uint32_t target, uint32_t *out);
/* Copies the highest level's codes side by side. OMEN_ERR_MEMORY. */
omen_status omen_graph_gather_top(omen_mem *m, omen_graph *g);
size_t omen_graph_top_bytes(const omen_graph *g);
/* The whole search. */
void omen_graph_search(const omen_graph *g, omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter, const omen_walk_reach *reach);
/* The same where `share` of 65,536 of the rows may be answered (omen_walk_expect); what was found is incomplete when the walk got lost. */
void omen_graph_search_share(const omen_graph *g, omen_walk *w, uint32_t ef, uint32_t want, const omen_may *filter, const omen_walk_reach *reach, uint32_t share, uint64_t most);
/* The nearest `want` of the rows that may be answered, by comparing all of them: in w->pool. */
void omen_graph_compare(const omen_graph *g, omen_walk *w, uint32_t want, const omen_may *may);

/* Which of the candidates become neighbours of a node (Malkov and Yashunin 2018, algorithm 4; slack as in Subramanya et al. 2019): a candidate that is
 * nearer to one chosen before it than to the node, by more than the slack, is left out. candidates: sorted by distance from the node. */
typedef struct omen_prune {
    uint8_t *u;             /* codes->len bytes */
    uint32_t slack;         /* 256 alpha^2 */
} omen_prune;
uint32_t omen_graph_prune(const omen_codes *c, const omen_level *g, const omen_prune *p, const omen_walk_key *candidates, uint32_t count, uint32_t most, uint32_t *chosen);

/* Adds links to the base level until every row is reached from the highest level (connect.c). Every list must have a free place. *changed: links added.
 * OMEN_ERR_MEMORY. */
omen_status omen_graph_connect(omen_mem *m, const omen_graph *g, uint32_t *changed, omen_error *err);

/* Rows that are not reached. OMEN_ERR_MEMORY. */
omen_status omen_graph_unreached(omen_mem *m, const omen_graph *g, uint32_t *count, omen_error *err);

/* hnsw.c. As the builder says (kinds.h). */
omen_status omen_hnsw_verify(omen_index *x, void **place, omen_error *err);
void omen_hnsw_verify_free(omen_index *x, void *place);

#endif
