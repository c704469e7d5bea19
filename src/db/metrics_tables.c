/* metrics_tables.c - the families of each source. */
#include "db/db.h"

#define AT(type, field) offsetof(type, field)
#define E(field) AT(omen_engine_metrics, field)
#define P(field) AT(omen_pool_metrics, field)
#define L(field) AT(omen_log_metrics, field)

static const char queries[] = "Reads answered, by kind.", query_duration[] = "Time from a read's begin to its answer, by kind.",
                  failures[] = "Calls that failed, by the class of their status.";

const omen_metric_series omen_engine_series[] = {
    {"omendb_engine_queries_total", queries, OMEN_TYPE_COUNTER, E(queries[0]), "kind", "get"},
    {"omendb_engine_queries_total", queries, OMEN_TYPE_COUNTER, E(queries[1]), "kind", "scroll"},
    {"omendb_engine_queries_total", queries, OMEN_TYPE_COUNTER, E(queries[2]), "kind", "search"},
    {"omendb_engine_queries_total", queries, OMEN_TYPE_COUNTER, E(queries[3]), "kind", "count"},
    {"omendb_engine_query_duration_seconds", query_duration, OMEN_TYPE_HISTOGRAM, E(query_duration[0]), "kind", "get"},
    {"omendb_engine_query_duration_seconds", query_duration, OMEN_TYPE_HISTOGRAM, E(query_duration[1]), "kind", "scroll"},
    {"omendb_engine_query_duration_seconds", query_duration, OMEN_TYPE_HISTOGRAM, E(query_duration[2]), "kind", "search"},
    {"omendb_engine_query_duration_seconds", query_duration, OMEN_TYPE_HISTOGRAM, E(query_duration[3]), "kind", "count"},
    {"omendb_engine_distances_total", "Distances computed.", OMEN_TYPE_COUNTER, E(distances), NULL, NULL},
    {"omendb_engine_scanned_bytes_total", "Bytes of vectors read by searches.", OMEN_TYPE_COUNTER, E(scanned_bytes), NULL, NULL},
    {"omendb_engine_writes_total", "Records written.", OMEN_TYPE_COUNTER, E(writes), NULL, NULL},
    {"omendb_engine_deletes_total", "Records deleted.", OMEN_TYPE_COUNTER, E(deletes), NULL, NULL},
    {"omendb_engine_write_batches_total", "Atomic batches written.", OMEN_TYPE_COUNTER, E(write_batches), NULL, NULL},
    {"omendb_engine_write_duration_seconds", "Time from a write's begin to its acknowledgement.", OMEN_TYPE_HISTOGRAM, E(write_duration), NULL, NULL},
    {"omendb_engine_flushes_total", "Frozen tables written to segments.", OMEN_TYPE_COUNTER, E(flushes), NULL, NULL},
    {"omendb_engine_flush_duration_seconds", "Time of a flush.", OMEN_TYPE_HISTOGRAM, E(flush_duration), NULL, NULL},
    {"omendb_engine_vectors_indexed_total", "Records written to segments by flushes.", OMEN_TYPE_COUNTER, E(vectors_indexed), NULL, NULL},
    {"omendb_engine_compactions_total", "Merges of segments.", OMEN_TYPE_COUNTER, E(compactions), NULL, NULL},
    {"omendb_engine_compaction_duration_seconds", "Time of a merge.", OMEN_TYPE_HISTOGRAM, E(compaction_duration), NULL, NULL},
    {"omendb_engine_indexes_built_total", "Indexes that were built and installed.", OMEN_TYPE_COUNTER, E(indexes_built), NULL, NULL},
    {"omendb_engine_index_failures_total", "Indexes that could not be built or opened.", OMEN_TYPE_COUNTER, E(index_failures), NULL, NULL},
    {"omendb_engine_index_duration_seconds", "Time from the beginning of an index's build to its end.", OMEN_TYPE_HISTOGRAM, E(index_duration), NULL, NULL},
    {"omendb_engine_indexed_rows", "Rows that indexes cover, for each vector field.", OMEN_TYPE_GAUGE, E(indexed_rows), NULL, NULL},
    {"omendb_engine_index_memory_bytes", "Memory that indexes hold.", OMEN_TYPE_GAUGE, E(index_memory), NULL, NULL},
    {"omendb_engine_compaction_rows_merged_total", "Live rows written by merges.", OMEN_TYPE_COUNTER, E(rows_merged), NULL, NULL},
    {"omendb_engine_compaction_rows_dropped_total", "Dead rows left out by merges.", OMEN_TYPE_COUNTER, E(rows_dropped), NULL, NULL},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[0]), "class", "input"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[1]), "class", "existence"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[2]), "class", "state"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[3]), "class", "storage"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[4]), "class", "damage"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[5]), "class", "resources"},
    {"omendb_engine_failures_total", failures, OMEN_TYPE_COUNTER, E(failures[6]), "class", "internal"},
    {"omendb_engine_snapshots", "Snapshots held by operations under way.", OMEN_TYPE_GAUGE, E(snapshots), NULL, NULL},
    {"omendb_engine_collections", "Collections.", OMEN_TYPE_GAUGE, E(collections), NULL, NULL},
    {"omendb_engine_segments", "Segments.", OMEN_TYPE_GAUGE, E(segments), NULL, NULL},
    {"omendb_engine_memtable_entries", "Entries of in-memory tables.", OMEN_TYPE_GAUGE, E(memtable_rows), NULL, NULL},
    {"omendb_engine_memtable_bytes", "Logical bytes of in-memory tables.", OMEN_TYPE_GAUGE, E(memtable_bytes), NULL, NULL},
    {"omendb_engine_memory_allocated_bytes", "Memory in use, the block pool included.", OMEN_TYPE_GAUGE, E(memory_bytes), NULL, NULL},
    {"omendb_engine_memory_peak_bytes", "Most memory ever in use.", OMEN_TYPE_GAUGE, E(memory_peak), NULL, NULL},
    {"omendb_engine_index_size_bytes", "Bytes of segments and indexes on storage.", OMEN_TYPE_GAUGE, E(index_bytes), NULL, NULL},
    {"omendb_engine_search_accuracy_ratio", "Recall at the default effort, as the indexes' audits against the exact path found it, weighted by rows; 1 while every search is exact.", OMEN_TYPE_RATIO, E(accuracy), NULL, NULL},
};
const size_t omen_engine_series_count = OMEN_ARRAY_LEN(omen_engine_series);

const omen_metric_series omen_pool_series[] = {
    {"omendb_blocks_hits_total", "Blocks found in the pool.", OMEN_TYPE_COUNTER, P(hits), NULL, NULL},
    {"omendb_blocks_misses_total", "Blocks that had to be read.", OMEN_TYPE_COUNTER, P(misses), NULL, NULL},
    {"omendb_blocks_evictions_total", "Blocks evicted for the byte budget.", OMEN_TYPE_COUNTER, P(evictions), NULL, NULL},
    {"omendb_blocks_read_bytes_total", "Bytes read from storage for blocks.", OMEN_TYPE_COUNTER, P(bytes_read), NULL, NULL},
    {"omendb_blocks_corrupt_total", "Blocks whose checksum did not hold.", OMEN_TYPE_COUNTER, P(corrupt), NULL, NULL},
    {"omendb_blocks_held", "Blocks in the pool.", OMEN_TYPE_GAUGE, P(blocks), NULL, NULL},
    {"omendb_blocks_bytes", "Bytes of blocks in the pool.", OMEN_TYPE_GAUGE, P(bytes), NULL, NULL},
    {"omendb_blocks_pinned", "Blocks in use by operations under way.", OMEN_TYPE_GAUGE, P(pinned), NULL, NULL},
};
const size_t omen_pool_series_count = OMEN_ARRAY_LEN(omen_pool_series);

const omen_metric_series omen_log_series[] = {
    {"omendb_log_frames_total", "Frames appended to the log.", OMEN_TYPE_COUNTER, L(frames), NULL, NULL},
    {"omendb_log_bytes_total", "Bytes appended to the log.", OMEN_TYPE_COUNTER, L(bytes), NULL, NULL},
    {"omendb_log_syncs_total", "Syncs of the log.", OMEN_TYPE_COUNTER, L(syncs), NULL, NULL},
    {"omendb_log_sync_failures_total", "Syncs that failed.", OMEN_TYPE_COUNTER, L(sync_failures), NULL, NULL},
    {"omendb_log_sync_duration_seconds", "Time of a sync of the log.", OMEN_TYPE_HISTOGRAM, L(sync_duration), NULL, NULL},
};
const size_t omen_log_series_count = OMEN_ARRAY_LEN(omen_log_series);
