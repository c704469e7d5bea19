/* matches.h - exact nearest neighbours among the rows of a bitmap: each row is read by itself, so what it costs depends on how many match and not on how many
 * there are. */
#ifndef OMEN_QUERY_MATCHES_H
#define OMEN_QUERY_MATCHES_H

#include "base/bits.h"
#include "query/deadline.h"
#include "query/window.h"

typedef struct omen_match_source {
    const omen_scan_source *rows; /* one that reads single rows */
    uint32_t number;              /* of the source, for the candidates */
    const omen_bits *accept;      /* rows that may be hits; others are not looked at */
    uint64_t ns;
} omen_match_source;

typedef struct omen_matches {
    omen_mem *mem;
    omen_match_source *sources; /* borrowed */
    uint32_t source_count;
    uint64_t distances;
    uint64_t deadline_ns;       /* may be set after init (deadline.h) */
    /* place */
    uint32_t source, next;      /* the row after the window's last */
    omen_window window;
} omen_matches;

void omen_matches_init(omen_matches *x, omen_mem *m, omen_match_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker, omen_topk *top);
/* Step: repeat on PENDING. */
omen_status omen_matches_step(omen_matches *x, omen_error *err);
void omen_matches_deinit(omen_matches *x);

#endif
