/* metrics_bench - what metrics weigh, and a search to count instructions of.
 *   metrics_bench size                     bytes of all metrics of a database, their tables and a scrape, as JSON
 *   metrics_bench search DIR ROWS DIMENSIONS QUERIES
 * The searches run inside measured_search, so that callgrind can count those and nothing else (--toggle-collect). Printed is how often a
 * search read the clock: the clock's own instructions lie in the kernel's page, where callgrind sees none. */
#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "omendb_native.h"

static uint64_t clock_reads;
static const omen_host *native;
static uint64_t counted_ticks(void *ctx) {
    clock_reads++;
    return native->ticks_ns(ctx);
}

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, omen_status_name(s), omen_last_error());
    exit(1);
}

void measured_search(omen_collection *c, const omen_query *q, omen_results **r);
__attribute__((noinline)) void measured_search(omen_collection *c, const omen_query *q, omen_results **r) { must(omen_search(c, q, r), "search"); }

static int size(void) {
    size_t structs = sizeof(omen_engine_metrics) + sizeof(omen_pool_metrics) + sizeof(omen_log_metrics);
    size_t tables = (omen_engine_series_count + omen_pool_series_count + omen_log_series_count) * sizeof(omen_metric_series);
    printf("{\"structs\":%zu,\"tables\":%zu,\"scrape\":%zu}\n", structs, tables, sizeof(omen_metrics_registry) + OMEN_HIST_BUCKETS * sizeof(uint64_t));
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "size") == 0) return size();
    if (argc < 6) return 2;
    size_t rows = strtoul(argv[3], NULL, 10), dims = strtoul(argv[4], NULL, 10), queries = strtoul(argv[5], NULL, 10);
    native = omen_host_native();
    omen_host host = *native;
    host.ticks_ns = counted_ticks;
    host.wake = NULL;
    omen_options o;
    omen_db *db;
    omen_collection *c;
    uint8_t id[16] = {1};
    char path[4096];
    snprintf(path, sizeof path, "%s/metrics", argv[2]);
    omen_options_init(&o);
    o.host = &host;
    o.database_id = id;
    o.manual_maintenance = 1;
    o.durability = OMEN_DURABILITY_MEMORY;
    must(omen_open(path, &o, &db), "open");
    omen_vector_field f = {.name = {"", 0}, .dimensions = (uint32_t)dims, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    must(omen_collection_open(db, OMEN_STR("bench"), &s, &c), "collection");
    float *data = malloc(rows * dims * sizeof *data);
    omen_id *ids = malloc(rows * sizeof *ids);
    srand(1);
    for (size_t i = 0; i < rows * dims; i++) data[i] = (float)(rand() % 2000 - 1000) / 1000.0f;
    for (size_t i = 0; i < rows; i++) ids[i] = OMEN_ID_INT((int64_t)i);
    const void *vectors[] = {data};
    must(omen_upsert(c, &(omen_batch){.count = rows, .ids = ids, .vectors = vectors}), "upsert");
    must(omen_flush(db), "flush");
    omen_query q;
    omen_query_init(&q);
    q.dimensions = (uint32_t)dims;
    omen_results *r;
    q.vector = data;
    must(omen_search(c, &q, &r), "search"); /* fills the pool */
    omen_results_free(r);
    uint64_t before = clock_reads;
    for (size_t i = 0; i < queries; i++) {
        q.vector = data + i * 7 % rows * dims;
        measured_search(c, &q, &r);
        omen_results_free(r);
    }
    printf("{\"kernels\":\"%s\",\"queries\":%zu,\"clockReads\":%llu}\n", omen_kernels_name(), queries, (unsigned long long)(clock_reads - before));
    omen_collection_close(c);
    must(omen_close(db), "close");
    free(ids);
    free(data);
    return 0;
}
