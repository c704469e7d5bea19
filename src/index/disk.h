/* disk.h - a graph for data larger than memory: the graph of graph.h, whose base level is read block by block when a search comes by. In memory stay the
 * quantiser and the upper levels with their codes, about a sixteenth of the rows.
 *
 * The file (kinds.h has INDEX_META's fixed part)
 *   INDEX_META + 240   as graph.h, the two zeros being u32 bytes of a record, u32 records a block
 *   INDEX_CODEC, INDEX_UPPER  as graph.h
 *   INDEX_ENTRIES      the rows of level 1, in its order: count x code bytes, then count x u32 slot
 *   INDEX_NODES        rows records, each in its slot, a block holding whole records:
 *                      code (code bytes: of a code of the codec as much as a query looks at), u32 row, m x u32 slots of neighbours, 0xFFFFFFFF up to m
 *
 * A search that follows a row's links needs the codes of its neighbours, and which records they are is known only then: what a hop costs is the number of
 * blocks its neighbours lie in. So a record holds code and links together, a row's links being kept from the time its code was read, and rows that are linked
 * lie together: blocks are filled one after another, each from a row nobody placed yet, always with the row that most of those in the block are linked to
 * (after the block shuffling of Wang et al. 2024, "Starling"). Codes of the neighbours beside the links (as AiSAQ: Tatsuno et al. 2024) would make it one
 * block a hop, but m times as large a file.
 *
 * The walk is that of walk.h, step for step, so the answers are those of the graph in memory. Where storage pends, the blocks of all neighbours
 * of a hop are asked for at once, and those of the candidates that most likely come next (compare the beam of Subramanya et al. 2019).
 */
#ifndef OMEN_INDEX_DISK_H
#define OMEN_INDEX_DISK_H

#include "index/graph_build.h"

#define OMEN_DISK_BLOCK 16384u      /* bytes of a block, about */
#define OMEN_DISK_BLOCK_MAX 65536u  /* records that are large are not read one by one */
#define OMEN_DISK_RECORDS 12u       /* records a block, below that */

typedef struct omen_disk_shape {
    uint32_t code, m;            /* bytes of a code; links */
    uint32_t record, per_block;  /* bytes; records */
} omen_disk_shape;

omen_disk_shape omen_disk_shape_of(const omen_codes *c, uint32_t m);
static inline uint32_t omen_disk_row(const omen_disk_shape *s, const uint8_t *record) { return omen_get32(record + s->code); }
static inline uint32_t omen_disk_link(const omen_disk_shape *s, const uint8_t *record, uint32_t i) { return omen_get32(record + s->code + 4 + 4 * i); }

/* ---- writing ---- */

/* The order of the rows in the file, computed in steps; and the file's place. */
typedef struct omen_disk_order omen_disk_order;
omen_status omen_disk_order_new(omen_mem *m, const omen_level *base, uint32_t per_block, omen_disk_order **out);
/* Some milliseconds' work; true: done. */
bool omen_disk_order_step(omen_disk_order *o);
const uint32_t *omen_disk_order_rows(const omen_disk_order *o);  /* row of each slot */
const uint32_t *omen_disk_order_slots(const omen_disk_order *o); /* slot of each row */
void omen_disk_order_free(omen_disk_order *o); /* NULL is fine */

/* Writes the file in steps, as omen_graph_write_step. */
omen_status omen_disk_write_step(omen_graph_build *b, omen_segment_info *info, bool *done, omen_error *err);

/* ---- an open index ---- */

struct disk_search;

typedef struct omen_disk {
    omen_disk_shape shape;
    uint32_t top;                /* levels above the base */
    /* The upper levels, one lower: level 0 is level 1 of the file, whose codes are there for all its nodes. */
    omen_graph upper;
    omen_codes codes;            /* as they lie in a block; rows are set for each */
    const omen_section *nodes;
    const uint8_t *entries;      /* slots of upper.level[0]'s nodes */
    const uint32_t *members;     /* and their rows, ascending */
    omen_sq8 codec;
    bool trained;
    uint8_t *codec_bytes, *upper_bytes, *entry_bytes;
    uint64_t codec_len, upper_len, entry_len;
    size_t codec_done, upper_done, entry_done;
    uint32_t *at[OMEN_GRAPH_LEVELS + 1]; /* of the file's level l >= 2: its nodes' positions in level 1 (upper.level[l - 1].rows) */
    _Atomic(struct disk_search *) spare; /* kept from the last search */
} omen_disk;

/* The blocks of one search: some stay pinned while its step runs, for a walk comes by the same ones again and again and asking the pool costs what
 * scoring a few rows does; some are asked for ahead of their time, so that storage that pends is waited for once for many. disk_blocks.c */
#define OMEN_DISK_PINS 8u
#define OMEN_DISK_AHEAD 64u
typedef struct omen_disk_pin { const omen_block *block; uint32_t index, group; } omen_disk_pin;
typedef struct omen_disk_blocks {
    omen_index *index;
    omen_disk_pin pins[OMEN_DISK_PINS];
    uint32_t pin_count, next, group; /* pins in use; the next to be given up; what was asked for in this group stays */
    uint32_t ahead[OMEN_DISK_AHEAD], ahead_len; /* these pend */
    uint64_t asked;
} omen_disk_blocks;

void omen_disk_blocks_init(omen_disk_blocks *b, omen_index *x);
/* Begins a group: at most pin_count blocks, all of them pinned until the next group begins or all are released. */
void omen_disk_blocks_group(omen_disk_blocks *b);
/* [may pend] OMEN_ERR_LIMIT: also when this search's own pins are in the way. */
omen_status omen_disk_blocks_get(omen_disk_blocks *b, uint32_t index, const omen_block **out, omen_error *err);
void omen_disk_blocks_release(omen_disk_blocks *b); /* before a step returns */
/* A block that will most likely be needed. A host keeps what it has read until it is asked again, so poll until that answers true. */
void omen_disk_blocks_ahead(omen_disk_blocks *b, uint32_t index);
bool omen_disk_blocks_poll(omen_disk_blocks *b);

/* disk_search.c */
omen_status omen_disk_search_begin(omen_index *x, const omen_index_query *q, omen_index_search **out, omen_error *err);
omen_status omen_disk_search_step(omen_index_search *s, omen_error *err);
void omen_disk_search_end(omen_index_search *s);
void omen_disk_search_free(omen_mem *m, struct disk_search *s); /* NULL is fine */
/* disk_verify.c. As the builder says (kinds.h). */
omen_status omen_disk_verify(omen_index *x, void **place, omen_error *err);
void omen_disk_verify_free(omen_index *x, void *place);

#endif
