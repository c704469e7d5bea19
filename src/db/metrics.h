/* metrics.h - what the database counts, and how it is told: JSON, and the Prometheus text format 0.0.4.
 *
 * Hot paths add to atomics inside plain structs (a source). A constant table describes each struct: which field belongs to which family
 * and with which constant label. Everything else - merging families of several sources, adding external labels, quantiles, sizes -
 * happens when metrics are scraped.
 */
#ifndef OMEN_DB_METRICS_H
#define OMEN_DB_METRICS_H

#include "base/json.h"
#include "base/metric.h"

/* Kinds of queries, in the order of omen_read_kind. */
#define OMEN_QUERY_KINDS 4u
/* Kinds of failures: a status's tens, less one (input, existence, state, storage, damage, resources, internal). */
#define OMEN_FAILURE_KINDS 7u

typedef struct omen_engine_metrics {
    omen_counter queries[OMEN_QUERY_KINDS]; /* get, scroll, search, count */
    omen_histogram query_duration[OMEN_QUERY_KINDS];
    omen_counter distances, scanned_bytes;
    omen_counter writes, deletes, write_batches;
    omen_histogram write_duration;
    omen_counter flushes, vectors_indexed, compactions, rows_merged, rows_dropped;
    omen_histogram flush_duration, compaction_duration, index_duration;
    omen_counter indexes_built, index_failures;
    omen_counter failures[OMEN_FAILURE_KINDS];
    omen_gauge snapshots;
    /* Set when metrics are scraped. */
    omen_gauge memory_bytes, memory_peak, index_bytes, collections, segments, memtable_rows, memtable_bytes, accuracy, indexed_rows, index_memory;
} omen_engine_metrics;

/* Counts a call that failed; OMEN_OK and OMEN_PENDING are no failures. */
static inline void omen_count_failure(omen_engine_metrics *m, omen_status s) {
    uint32_t kind = (uint32_t)s / 10u - 1u;
    if (kind < OMEN_FAILURE_KINDS) omen_counter_add(&m->failures[kind], 1);
}

/* RATIO is a gauge that counts thousandths. */
typedef enum omen_metric_type { OMEN_TYPE_COUNTER, OMEN_TYPE_GAUGE, OMEN_TYPE_HISTOGRAM, OMEN_TYPE_RATIO } omen_metric_type;

/* A gauge of this value has none (yet), and is left out. */
#define OMEN_GAUGE_NONE INT64_MIN

/* One series of a source: where it lies in the struct, and its constant label. Rows of one family follow each other. */
typedef struct omen_metric_series {
    const char *family, *help;
    omen_metric_type type;
    size_t offset;
    const char *label, *value; /* NULL: none */
} omen_metric_series;

typedef struct omen_metrics_source {
    const omen_metric_series *series;
    size_t count;
    void *base;
    const char *label, *value; /* of the source: its db_id, tier, ...; NULL: none */
} omen_metrics_source;

#define OMEN_METRICS_SOURCES 8u
typedef struct omen_metrics_registry {
    omen_mem *mem;
    omen_metrics_source sources[OMEN_METRICS_SOURCES];
    size_t count;
} omen_metrics_registry;

extern const omen_metric_series omen_engine_series[], omen_pool_series[], omen_log_series[];
extern const size_t omen_engine_series_count, omen_pool_series_count, omen_log_series_count;

void omen_metrics_init(omen_metrics_registry *r, omen_mem *m);
void omen_metrics_add(omen_metrics_registry *r, const omen_metrics_source *source);
/* Appends all sources to `out`. labels: "" or a JSON object of strings, added to every series now; their names must be Prometheus label names
 * ([a-zA-Z_][a-zA-Z0-9_]*, not beginning with "__", not "le"), not those of the sources and none twice; values hold no NUL. OMEN_ERR_INVALID, _JSON, _MEMORY. */
omen_status omen_metrics_write(const omen_metrics_registry *r, omen_metrics_format format, omen_str labels, omen_buf *out, omen_error *err);
/* Counters and histograms to zero; gauges stay. */
void omen_metrics_zero(const omen_metrics_registry *r);

#endif
