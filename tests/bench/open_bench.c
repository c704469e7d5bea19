/* open_bench - how long opening a database takes: until it is open, and until the first record has been read.
 *   open_bench make DIR ROWS DIMENSIONS flush|log    a database whose records lie in segments, or still in the log
 *   open_bench open DIR TIMES                        medians, as JSON */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "omendb.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
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

static omen_db *open_at(const char *dir) {
    char path[4096];
    omen_options o;
    omen_db *db;
    snprintf(path, sizeof path, "%s/db", dir);
    omen_options_init(&o);
    o.profile = OMEN_PROFILE_PRODUCTION;
    must(omen_open(path, &o, &db), "open");
    return db;
}

static int make(const char *dir, size_t rows, size_t dims, int flush) {
    enum { BATCH = 1000 };
    omen_db *db = open_at(dir);
    omen_collection *c;
    omen_vector_field f = {.name = {"", 0}, .dimensions = (uint32_t)dims, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    must(omen_collection_open(db, OMEN_STR("bench"), &s, &c), "collection");
    float *data = malloc(BATCH * dims * sizeof *data);
    omen_id ids[BATCH];
    const void *vectors[] = {data};
    srand(1);
    for (size_t at = 0; at < rows; at += BATCH) {
        size_t n = rows - at < BATCH ? rows - at : BATCH;
        for (size_t i = 0; i < n * dims; i++) data[i] = (float)(rand() % 2000 - 1000) / 1000.0f;
        for (size_t i = 0; i < n; i++) ids[i] = OMEN_ID_INT((int64_t)(at + i));
        must(omen_upsert(c, &(omen_batch){.count = n, .ids = ids, .vectors = vectors}), "upsert");
    }
    if (flush) must(omen_flush(db), "flush");
    omen_collection_close(c);
    must(omen_close(db), "close");
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 6 && strcmp(argv[1], "make") == 0) return make(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), strcmp(argv[5], "flush") == 0);
    if (argc != 4 || strcmp(argv[1], "open") != 0) return 2;
    size_t times = strtoul(argv[3], NULL, 10);
    double *opened = malloc(times * sizeof *opened), *answered = malloc(times * sizeof *answered);
    uint64_t count = 0;
    for (size_t i = 0; i < times; i++) {
        double t = now();
        omen_db *db = open_at(argv[2]);
        omen_collection *c;
        must(omen_collection_open(db, OMEN_STR("bench"), NULL, &c), "collection");
        opened[i] = now() - t;
        omen_id first = OMEN_ID_INT(0);
        omen_results *r;
        must(omen_get(c, &first, 1, OMEN_INCLUDE_VECTOR, &r), "get");
        if (!omen_results_found(r, 0)) return 3;
        answered[i] = now() - t;
        omen_results_free(r);
        must(omen_count(c, &count), "count");
        omen_collection_close(c);
        must(omen_close(db), "close");
    }
    printf("{\"records\":%llu,\"openMs\":%.3f,\"firstGetMs\":%.3f}\n", (unsigned long long)count, median(opened, times), median(answered, times));
    free(opened);
    free(answered);
    return 0;
}
