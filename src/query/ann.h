/* ann.h - approximate nearest neighbours: for each source that has an index, the index's candidates are ranked by their exact distances and entered
 * into the same k best as everything that was scanned. */
#ifndef OMEN_QUERY_ANN_H
#define OMEN_QUERY_ANN_H

#include "index/index.h"
#include "query/window.h"

/* Beyond, every row is compared: sorted pools are no way to find a large share of everything. */
#define OMEN_ANN_MAX_K 2000u
/* Effort beyond which the rows of a source are compared one by one after all. */
#define OMEN_ANN_MAX_EFFORT 32768u

/* One source and its index. */
typedef struct omen_ann_source {
    const omen_scan_source *rows;
    uint32_t number;           /* of the source, for the candidates */
    omen_index *index;
    const omen_bits *dead;
    const omen_bits *accept;   /* the filter: rows that may be answered; NULL: all. Its ones are counted right */
    uint32_t effort, slack, want; /* as the search began; what it became once it is done */
    uint32_t planned;          /* want, before it was widened */
    uint32_t widened;          /* times that too few of the candidates lived */
    uint32_t may;              /* rows that may be answered */
    uint32_t candidates, ranked;
    bool gave_up;              /* not enough hits with any effort worth making (all that lies near was deleted, or the filter's rows lie apart): scan the source */
    omen_index_work work;
    uint64_t ns;               /* set by whoever measures */
} omen_ann_source;

typedef struct omen_ann {
    omen_mem *mem;
    const omen_host *host;
    omen_ann_source *sources;  /* borrowed */
    uint32_t source_count;
    const void *vector;        /* the query as indexes take it: floats, or bytes */
    omen_topk *top;            /* borrowed */
    uint64_t deadline_ns;      /* may be set after init (deadline.h) */
    /* place */
    uint32_t source;
    omen_index_search *search;
    bool searched;             /* the index has answered */
    const omen_index_hit *hits;
    uint32_t hit_count, at;    /* the next that comes into the window */
    omen_window window;
    uint32_t stale;            /* candidates near enough to matter that were replaced or deleted since */
    uint64_t begun_ns;
} omen_ann;

/* sources: what to search; top: where the scanned rows are already. vector is borrowed. */
void omen_ann_init(omen_ann *a, omen_mem *m, omen_ann_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, const void *vector, omen_topk *top);
/* Step: repeat on PENDING. What was found of a source that gave up has been taken out of the k best again. OMEN_ERR_CORRUPT, _IO, _MEMORY, _LIMIT. */
omen_status omen_ann_step(omen_ann *a, omen_error *err);
void omen_ann_deinit(omen_ann *a);

#endif
