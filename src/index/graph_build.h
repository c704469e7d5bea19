/* graph_build.h - the state of building a graph, shared by the files that do it: graph_build.c (reading, training, encoding, the order of things), graph_insert.c
 * (batches of nodes), audit.c (what effort finds what), graph_write.c (the file).
 *
 * Nodes are inserted in batches. Within a batch every node searches the graph as it was before the batch and is compared with the earlier nodes of its
 * batch, all of them at once; then the links back are made, target by target (compare ParlayANN: Manohar et al. 2024). Nothing depends on who did what first,
 * so the graph is the same for any number of threads.
 */
#ifndef OMEN_INDEX_GRAPH_BUILD_H
#define OMEN_INDEX_GRAPH_BUILD_H

#include "base/parallel.h"
#include "base/sort.h"
#include "index/audit.h"
#include "index/graph.h"

#define OMEN_GRAPH_BATCH 512u
#define OMEN_GRAPH_SLOTS 64u

/* What one task of a parallel loop works with. */
typedef struct omen_build_slot {
    omen_walk walk;
    uint8_t *u, *prune_u;
    float *scratch;
} omen_build_slot;

typedef struct omen_graph_build {
    omen_index_build base;
    uint32_t stage;
    omen_sq8 codec;
    bool trained;
    omen_graph graph;
    uint8_t *codes;           /* rows x stride, and 64 bytes more */
    uint32_t *members[OMEN_GRAPH_LEVELS + 1];
    omen_build_slot slots[OMEN_GRAPH_SLOTS];
    uint32_t slot_count;
    /* place */
    uint32_t row, level, at;
    uint8_t *chunk;           /* vectors being gathered: the sample, then rows to encode */
    size_t chunk_bytes;
    uint32_t chunk_rows, chunk_cap, chunk_first;
    uint32_t *order;          /* nodes of the level still to be inserted; the audit's come last */
    uint32_t order_count, order_cap, inserted;
    omen_keyed *pairs, *pairs_scratch;
    uint32_t pair_count, *groups, group_count;
    omen_audit audit;
    omen_segment_writer *out;
    bool in_section;
    uint64_t written;
    struct omen_disk_order *disk; /* kind DISK: which rows lie together (disk.h) */
} omen_graph_build;

/* Inserts the next batch of b->order into level b->level: nodes order[at ..]. */
void omen_graph_insert_batch(omen_graph_build *b, uint32_t count);
/* Sections that both kinds of graphs have: INDEX_META and INDEX_CODEC (record and per_block: disk.h, else 0), INDEX_UPPER. */
omen_status omen_graph_put_meta(omen_graph_build *b, uint32_t record, uint32_t per_block, omen_error *err);
omen_status omen_graph_put_upper(omen_graph_build *b, omen_error *err);
/* Writes the file in steps. */
omen_status omen_graph_write_step(omen_graph_build *b, omen_segment_info *info, bool *done, omen_error *err);

#endif
