/* window.h - a few rows of one source at a time: their vectors are brought near, held, ranked exactly, and offered to the k best. Whoever names the rows goes on
 * from window to window. */
#ifndef OMEN_QUERY_WINDOW_H
#define OMEN_QUERY_WINDOW_H

#include "query/rank.h"
#include "query/scan.h"
#include "query/topk.h"

/* Rows whose vectors are held at once. */
#define OMEN_WINDOW 16u

typedef struct omen_window {
    omen_mem *mem;
    uint32_t field;
    omen_ranker ranker;
    omen_topk *top;                /* borrowed, as the source */
    const omen_scan_source *source; /* NULL: nothing is in it */
    uint32_t ids[OMEN_WINDOW], count, done;
    bool ranked, held[OMEN_WINDOW];
    omen_scan_row rows[OMEN_WINDOW];
    float values[OMEN_WINDOW];     /* distances */
    uint8_t *buffers;              /* of rows that were read alone; OMEN_WINDOW of buffer_bytes each */
    size_t buffer_bytes;
} omen_window;

void omen_window_init(omen_window *w, omen_mem *m, uint32_t field, const omen_ranker *ranker, omen_topk *top);
/* An empty window gets rows of a source that reads single rows: the first `count` of w->ids, which the caller has set. */
void omen_window_open(omen_window *w, const omen_scan_source *source, uint32_t count);
/* Ranks the rows. Afterwards w->count may be less: the pool holds no more at once, and the rows behind are for the next window. Step: repeat on PENDING. */
omen_status omen_window_rank(omen_window *w, omen_error *err);
/* Offers them to the k best as rows of source `number`, and empties the window. again: rows of it may be among those already. *stale (optional) counts those near
 * enough that were deleted. Step. */
omen_status omen_window_offer(omen_window *w, uint32_t number, bool again, uint32_t *stale, omen_error *err);
void omen_window_deinit(omen_window *w); /* zeroed is fine */

#endif
