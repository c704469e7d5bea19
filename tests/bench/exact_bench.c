/* exact_bench - exact search, one thread, from a flushed segment in the pool: time a query, and the bandwidth a plain loop reaches on the same
 * number of bytes. Prints one JSON object.
 *   exact_bench DIR ROWS DIMENSIONS QUERIES */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "omendb.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, omen_status_name(s), omen_last_error());
    exit(1);
}

static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static double median(double *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* The plain loop: eight independent integer sums of 64 bytes each, as wide as the machine has registers; what memory gives is what it shows. */
typedef uint64_t lanes __attribute__((vector_size(64)));
static uint64_t sink;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void read_all(const lanes *p, size_t count) {
    lanes s[8] = {{0}};
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        s[0] += p[i], s[1] += p[i + 1], s[2] += p[i + 2], s[3] += p[i + 3];
        s[4] += p[i + 4], s[5] += p[i + 5], s[6] += p[i + 6], s[7] += p[i + 7];
    }
    for (; i < count; i++) s[0] += p[i];
    lanes all = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (int k = 0; k < 8; k++) sink += all[k];
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    size_t rows = strtoul(argv[2], NULL, 10), dims = strtoul(argv[3], NULL, 10), queries = strtoul(argv[4], NULL, 10);
    char path[4096];
    omen_options o;
    omen_db *db;
    omen_collection *c;
    snprintf(path, sizeof path, "%s/exact", argv[1]);
    omen_options_init(&o);
    o.profile = OMEN_PROFILE_PRODUCTION;
    must(omen_open(path, &o, &db), "open");
    omen_vector_field f = {.name = {"", 0}, .dimensions = (uint32_t)dims, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    must(omen_collection_open(db, OMEN_STR("bench"), &s, &c), "collection");
    size_t bytes = (rows * dims * sizeof(float) + 63) / 64 * 64;
    float *data = aligned_alloc(64, bytes);
    memset(data, 0, bytes);
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
    double *ours = malloc(queries * sizeof *ours), *plain = malloc(queries * sizeof *plain);
    for (size_t i = 0; i < queries + 3; i++) {
        omen_results *r;
        q.vector = data + i * 7 % rows * dims;
        double t = now();
        must(omen_search(c, &q, &r), "search");
        double t1 = now();
        omen_results_free(r);
        double t2 = now();
        read_all((const lanes *)(const void *)data, bytes / sizeof(lanes));
        double t3 = now();
        if (i >= 3) ours[i - 3] = t1 - t, plain[i - 3] = t3 - t2;
    }
    double a = median(ours, queries), b = median(plain, queries), gb = (double)(rows * dims * 4) / 1e9;
    printf("{\"kernels\":\"%s\",\"rows\":%zu,\"dimensions\":%zu,\"msQuery\":%.4f,\"gbs\":%.2f,\"plainGbs\":%.2f,\"share\":%.3f}\n", omen_kernels_name(), rows, dims, a * 1e3, gb / a,
           gb / b, b / a);
    omen_collection_close(c);
    must(omen_close(db), "close");
    return sink == 42;
}
