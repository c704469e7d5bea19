/* metric.h - the primitives of measurement. Updating one is a relaxed atomic add; everything derived is computed when
 * metrics are scraped (db/metrics.h). */
#ifndef OMEN_BASE_METRIC_H
#define OMEN_BASE_METRIC_H

#include <stdatomic.h>

#include "base/base.h"

typedef struct omen_counter { _Atomic uint64_t value; } omen_counter;
typedef struct omen_gauge { _Atomic int64_t value; } omen_gauge;

/* With OMEN_NO_METRICS nothing is counted: only for measuring what counting costs (tests/bench). */
#ifdef OMEN_NO_METRICS
#define OMEN_METRIC_ADD(cell, n) ((void)(cell), (void)(n))
#else
#define OMEN_METRIC_ADD(cell, n) atomic_fetch_add_explicit((cell), (n), memory_order_relaxed)
#endif

static inline void omen_counter_add(omen_counter *c, uint64_t n) { OMEN_METRIC_ADD(&c->value, n); }
static inline uint64_t omen_counter_get(const omen_counter *c) { return atomic_load_explicit(&c->value, memory_order_relaxed); }
static inline void omen_gauge_add(omen_gauge *g, int64_t n) { OMEN_METRIC_ADD(&g->value, n); }
static inline void omen_gauge_set(omen_gauge *g, int64_t n) { atomic_store_explicit(&g->value, n, memory_order_relaxed); }
static inline int64_t omen_gauge_get(const omen_gauge *g) { return atomic_load_explicit(&g->value, memory_order_relaxed); }

/* Latencies in nanoseconds, log-linear: 4 sub-buckets for each power of two (relative error at most 12.5 % of a value),
 * 2^10 ns to 2^36 ns, below and above collected at the ends. Fixed size (about 1 KB). */
#define OMEN_HIST_MIN_LOG2 10u
#define OMEN_HIST_MAX_LOG2 36u
#define OMEN_HIST_SUB 4u
#define OMEN_HIST_BUCKETS ((OMEN_HIST_MAX_LOG2 - OMEN_HIST_MIN_LOG2) * OMEN_HIST_SUB + 2u)
typedef struct omen_histogram {
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t buckets[OMEN_HIST_BUCKETS];
} omen_histogram;

/* Index of the bucket a value falls into. */
static inline uint32_t omen_hist_bucket(uint64_t ns) {
    if (ns < (UINT64_C(1) << OMEN_HIST_MIN_LOG2)) return 0;
    uint32_t log2 = 63u - (uint32_t)__builtin_clzll(ns);
    if (log2 >= OMEN_HIST_MAX_LOG2) return OMEN_HIST_BUCKETS - 1u;
    uint32_t sub = (uint32_t)(ns >> (log2 - 2u)) & (OMEN_HIST_SUB - 1u);
    return 1u + (log2 - OMEN_HIST_MIN_LOG2) * OMEN_HIST_SUB + sub;
}
static inline void omen_hist_record(omen_histogram *h, uint64_t ns) {
    OMEN_METRIC_ADD(&h->sum_ns, ns);
    OMEN_METRIC_ADD(&h->buckets[omen_hist_bucket(ns)], 1);
}
/* Exclusive upper bound of a bucket in ns; UINT64_MAX for the last. */
uint64_t omen_hist_upper(uint32_t bucket);
/* Quantile q in [0,1] in ns, by linear interpolation in its bucket; 0 when empty. */
double omen_hist_quantile(const uint64_t counts[OMEN_HIST_BUCKETS], double q);

#endif
