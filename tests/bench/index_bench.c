/* index_bench - approximate search over data on disk. DATA holds base.f32 and query.f32 (rows of little-endian floats), truth.i32 (the 100 nearest
 * rows of each query) and is described by the options; every mode prints JSON, a line an answer.
 *   index_bench build DIR DATA OPTION...    writes the base into a new database in DIR and indexes it: seconds, CPU seconds, bytes, the stats
 *   index_bench serve DIR DATA OPTION...    opens it and answers lines of standard input:
 *       ef N | nprobe N | recall R          every query once, on one thread: recall at 10, queries a second, median and 99th percentile of one
 *       memory                              resident bytes before the database was open and now, and the database's own stats
 *       explain                             how the first query was answered with the last effort
 * Options: dimensions=N metric=l2|cosine kind=auto|flat|hnsw|ivf|disk codec=auto|sq8|rabitq|pq bits=N m=N ef_construction=N lists=N, and
 * those of omen_options_set, as pool_bytes=4MiB index_bytes=40MiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "omendb.h"

enum { K = 10, NEAR = 100, BATCH = 1000, WARM = 100, REPORT = 1 << 20 };

typedef struct settings {
    size_t dims;
    omen_options options;
    omen_vector_field field;
} settings;

typedef struct data {
    float *queries;
    int32_t *truth; /* NULL when there is none yet */
    size_t count;
} data;

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, omen_status_name(s), omen_last_error());
    exit(1);
}

static void *memory(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    if (!p) fail("memory", "there is none left");
    return p;
}

/* Opens DATA/name; *bytes is its size. NULL when it is not there. */
static FILE *file_of(const char *folder, const char *name, const char *mode, size_t *bytes) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, mode);
    if (f && bytes) *bytes = fstat(fileno(f), &st) == 0 ? (size_t)st.st_size : 0;
    return f;
}

static void *whole(const char *folder, const char *name, size_t *bytes) {
    FILE *f = file_of(folder, name, "rb", bytes);
    if (!f) return NULL;
    void *p = memory(*bytes);
    if (fread(p, 1, *bytes, f) != *bytes) fail(name, "could not be read");
    fclose(f);
    return p;
}

static data read_data(const char *folder, size_t dims) {
    size_t bytes, truth_bytes;
    data d = {.queries = whole(folder, "query.f32", &bytes)};
    if (!d.queries) fail(folder, "there is no query.f32");
    d.count = bytes / (dims * sizeof(float));
    d.truth = whole(folder, "truth.i32", &truth_bytes);
    if (d.truth && truth_bytes != d.count * NEAR * sizeof(int32_t)) fail(folder, "truth.i32 is of other queries");
    return d;
}

/* ---- options ---- */

static int pick(const char *value, const char *const *names, int count, const char *key) {
    for (int i = 0; i < count; i++)
        if (strcmp(value, names[i]) == 0) return i;
    fail(key, value);
    return 0;
}

static settings read_settings(int count, char **words) {
    static const char *const metrics[] = {"", "l2", "ip", "cosine"},
                             *const kinds[] = {"auto", "flat", "hnsw", "ivf", "disk"},
                             *const codecs[] = {"auto", "sq8", "rabitq", "pq"};
    settings s = {.field = {.metric = OMEN_METRIC_L2}};
    omen_options_init(&s.options);
    s.options.profile = OMEN_PROFILE_PRODUCTION;
    s.options.durability = OMEN_DURABILITY_OS;
    s.options.manual_maintenance = 1;
    for (int i = 0; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (!value) fail(words[i], "an option is key=value");
        omen_str key = {words[i], (size_t)(value++ - words[i])};
        uint32_t number = (uint32_t)strtoul(value, NULL, 10);
        omen_index_options *index = &s.field.index;
#define IS(text) (key.len == sizeof(text) - 1 && memcmp(key.data, text, key.len) == 0)
        if (IS("dimensions"))
            s.dims = s.field.dimensions = number;
        else if (IS("metric"))
            s.field.metric = (omen_metric)pick(value, metrics, 4, "metric");
        else if (IS("kind"))
            index->kind = (omen_index_kind)pick(value, kinds, 5, "kind");
        else if (IS("codec"))
            index->codec = (omen_codec)pick(value, codecs, 4, "codec");
        else if (IS("bits"))
            index->bits = number;
        else if (IS("m"))
            index->m = number;
        else if (IS("ef_construction"))
            index->ef_construction = number;
        else if (IS("lists"))
            index->lists = number;
        else
            must(omen_options_set(&s.options, key, (omen_str){value, strlen(value)}), words[i]);
#undef IS
    }
    if (!s.dims) fail("dimensions", "must be given");
    return s;
}

static omen_collection *open_collection(const char *folder, const settings *s, omen_db **db) {
    omen_collection *c;
    omen_schema schema;
    must(omen_open(folder, &s->options, db), "open");
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &s->field;
    must(omen_collection_open(*db, OMEN_STR("bench"), &schema, &c), "collection");
    return c;
}

static void put_stats(omen_db *db) {
    char *text = memory(REPORT);
    size_t needed;
    must(omen_stats(db, text, REPORT, &needed), "stats");
    fputs(text, stdout);
    free(text);
}

/* ---- building ---- */

/* The base is read in batches, so that it is no part of the memory or the time of what is measured. Returns the rows. */
static size_t write_base(omen_db *db, omen_collection *c, const char *folder, size_t dims, double *reading) {
    size_t bytes, at = 0, row = dims * sizeof(float);
    FILE *f = file_of(folder, "base.f32", "rb", &bytes);
    if (!f) fail(folder, "there is no base.f32");
    float *rows = memory(BATCH * row);
    omen_id *ids = memory(BATCH * sizeof *ids);
    for (;;) {
        double t = cpu();
        size_t count = fread(rows, row, BATCH, f);
        *reading += cpu() - t;
        if (!count) break;
        for (size_t i = 0; i < count; i++) ids[i] = OMEN_ID_INT((int64_t)(at + i));
        const void *vectors[] = {rows};
        must(omen_upsert(c, &(omen_batch){.count = count, .ids = ids, .vectors = vectors}), "upsert");
        int more = 1;
        must(omen_db_maintain(db, 0, &more), "maintain");
        at += count;
    }
    if (at != bytes / row) fail(folder, "base.f32 could not be read");
    fclose(f);
    free(rows);
    free(ids);
    return at;
}

static int build(const char *folder, const char *from, const settings *s) {
    omen_db *db;
    omen_collection *c = open_collection(folder, s, &db);
    uint64_t there;
    must(omen_count(c, &there), "count");
    if (there) fail(folder, "there are records in it already");
    double reading = 0, t0 = now(CLOCK_MONOTONIC), c0 = cpu();
    size_t rows = write_base(db, c, from, s->dims, &reading);
    must(omen_compact(db), "compact");
    double t1 = now(CLOCK_MONOTONIC), c1 = cpu();
    must(omen_build_indexes(db), "indexes");
    double t2 = now(CLOCK_MONOTONIC), c2 = cpu();
    printf("{\"kernels\":\"%s\",\"rows\":%zu,\"writeSeconds\":%.3f,\"writeCpuSeconds\":%.3f,\"indexSeconds\":%.3f,"
           "\"indexCpuSeconds\":%.3f,\"cpuSeconds\":%.3f,\"stats\":",
           omen_kernels_name(), rows, t1 - t0, c1 - c0 - reading, t2 - t1, c2 - c1, c2 - c0 - reading);
    put_stats(db);
    printf("}\n");
    omen_collection_close(c);
    must(omen_close(db), "close");
    return 0;
}

/* ---- serving ---- */

static size_t resident(void) {
    size_t pages = 0, held = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%zu %zu", &pages, &held) != 2) fail("/proc/self/statm", "could not be read");
    fclose(f);
    return held * (size_t)sysconf(_SC_PAGESIZE);
}

static int by_value(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* One query; writes the ids it found, -1 where there are fewer than K. */
static void ask(omen_collection *c, omen_query *q, int64_t ids[K]) {
    omen_results *r;
    must(omen_search(c, q, &r), "search");
    size_t found = omen_results_count(r);
    for (size_t k = 0; k < K; k++) ids[k] = k < found ? omen_results_id(r, k).number : -1;
    omen_results_free(r);
}

static void pass(omen_collection *c, const data *d, size_t dims, omen_query *q, double *times, int64_t *ids) {
    for (size_t i = 0; i < d->count && i < WARM; i++) {
        q->vector = d->queries + i * dims;
        ask(c, q, ids);
    }
    double start = now(CLOCK_MONOTONIC), last = start;
    for (size_t i = 0; i < d->count; i++) {
        q->vector = d->queries + i * dims;
        ask(c, q, ids + i * K);
        double t = now(CLOCK_MONOTONIC);
        times[i] = t - last;
        last = t;
    }
    double seconds = last - start;
    size_t hits = 0;
    for (size_t i = 0; i < d->count * K; i++)
        for (size_t j = 0; j < K; j++) hits += d->truth[i / K * NEAR + j] == ids[i];
    qsort(times, d->count, sizeof *times, by_value);
    printf("{\"recall\":%.5f,\"qps\":%.1f,\"p50Us\":%.2f,\"p99Us\":%.2f}\n", (double)hits / (double)(d->count * K),
           (double)d->count / seconds, times[d->count / 2] * 1e6, times[d->count * 99 / 100] * 1e6);
}

static int serve(const char *folder, const char *from, const settings *s) {
    data d = read_data(from, s->dims);
    if (!d.truth) fail(from, "there is no truth.i32");
    double *times = memory(d.count * sizeof *times);
    int64_t *ids = memory(d.count * K * sizeof *ids);
    char *report = memory(REPORT), line[200], word[20];
    /* Their pages are there before, so that they are not counted. */
    memset(times, 0, d.count * sizeof *times);
    memset(ids, 0, d.count * K * sizeof *ids);
    memset(report, 0, REPORT);
    size_t before = resident(), needed;
    omen_db *db;
    omen_collection *c = open_collection(folder, s, &db);
    omen_query q;
    omen_query_init(&q);
    q.k = K;
    q.dimensions = (uint32_t)s->dims;
    q.vector = d.queries;
    while (fgets(line, sizeof line, stdin)) {
        double number = 0;
        int words = sscanf(line, "%19s %lf", word, &number);
        if (words == 1 && strcmp(word, "memory") == 0) {
            printf("{\"rssBefore\":%zu,\"rss\":%zu,\"stats\":", before, resident());
            put_stats(db);
            printf("}\n");
        } else if (words == 1 && strcmp(word, "explain") == 0) {
            q.vector = d.queries;
            must(omen_explain(c, &q, report, REPORT, &needed), "explain");
            puts(report);
        } else if (words == 2) {
            q.ef = q.nprobe = 0;
            q.recall = 0;
            if (strcmp(word, "ef") == 0)
                q.ef = (uint32_t)number;
            else if (strcmp(word, "nprobe") == 0)
                q.nprobe = (uint32_t)number;
            else if (strcmp(word, "recall") == 0)
                q.recall = (float)number;
            else
                fail(line, "is no command");
            pass(c, &d, s->dims, &q, times, ids);
        } else
            fail(line, "is no command");
        fflush(stdout);
    }
    omen_collection_close(c);
    must(omen_close(db), "close");
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("usage", "index_bench build|serve DIR DATA OPTION...");
    settings s = read_settings(argc - 4, argv + 4);
    if (strcmp(argv[1], "build") == 0) return build(argv[2], argv[3], &s);
    if (strcmp(argv[1], "serve") == 0) return serve(argv[2], argv[3], &s);
    fail(argv[1], "is no mode");
}
