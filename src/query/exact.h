/* exact.h - exact nearest neighbours: every live row's distance in the canonical order of kernel.h, the k best by (distance, id). */
#ifndef OMEN_QUERY_EXACT_H
#define OMEN_QUERY_EXACT_H

#include "query/deadline.h"
#include "query/rank.h"
#include "query/scan.h"
#include "query/topk.h"

/* Runs held at once: on hosts whose reads pend, so many are asked for before waiting. */
#define OMEN_SCAN_WINDOW 8u

typedef struct omen_exact {
    omen_mem *mem;
    const omen_scan_source *sources; /* borrowed */
    uint32_t source_count;
    uint32_t field;
    omen_ranker ranker;
    omen_topk top;      /* the outcome, not sorted */
    uint64_t distances; /* computed so far */
    uint64_t deadline_ns; /* may be set after init (deadline.h) */
    /* place */
    uint32_t source, row;
    omen_scan_run runs[OMEN_SCAN_WINDOW];
    bool held[OMEN_SCAN_WINDOW];
    bool scored;
    uint32_t run_count, run, at;
    uint32_t run_rows;   /* most rows in a run */
    float *scratch;      /* for each run: distances, then (cosine) norms */
} omen_exact;

/* The ranker is copied, its query borrowed; k >= 1. OMEN_ERR_MEMORY. */
omen_status omen_exact_init(omen_exact *x, omen_mem *m, const omen_scan_source *sources, uint32_t source_count, uint32_t field, const omen_ranker *ranker,
                            uint32_t k, omen_error *err);
/* Step: repeat on PENDING. */
omen_status omen_exact_step(omen_exact *x, omen_error *err);
/* After a step answered OK: begins anew with what the sources say now; the k best go on. */
void omen_exact_again(omen_exact *x);
void omen_exact_deinit(omen_exact *x);

#endif
