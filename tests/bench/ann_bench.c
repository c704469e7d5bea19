/* ann_bench - approximate search through the public API, over files that ann_data.mjs prepared.
 *   ann_bench build DIR DATA DIMENSIONS l2|cosine [SETTING=VALUE ...]   writes DATA/base.f32 into a new database DIR/db, builds its index, prints one
 *                                                                      JSON object about that
 *   ann_bench serve DIR DATA DIMENSIONS l2|cosine [SETTING=VALUE ...]   opens it, prints one JSON object, then answers each line of standard input:
 *       ef N | nprobe N | recall R | exact    one pass of DATA/query.f32, k = 10: {"effort","recall","seconds","cpu","queries","p50Ms","p99Ms"}
 *       memory                                {"residentMb","stats"}
 *       explain R                             what omen_explain says of the first query
 * Settings: kind, codec, m, efc, lists, bits, rows (only the first of base.f32), segments=1 (build: parts are not merged first), and what
 * omen_options_set knows. OMENDB_THREADS limits the threads. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "omendb.h"

enum { K = 10, TRUTH = 100, BATCH = 1000, WARM = 100 };

typedef struct {
    const char *dir, *data;
    size_t dims, rows, segments;
    omen_metric metric;
    omen_index_options index;
    omen_options options;
} settings;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec +
           (double)u.ru_stime.tv_usec / 1e6;
}

static double thread_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Memory of this process that is no file's. */
static double resident_mb(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    while (f && fgets(line, sizeof line, f)) sscanf(line, "RssAnon: %lf", &kb);
    if (f) fclose(f);
    return kb / 1024;
}

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s: %s\n", what, omen_status_name(s), omen_last_error());
    exit(1);
}

static void *need(void *p) {
    if (!p) fprintf(stderr, "no memory\n"), exit(1);
    return p;
}

static const void *map_file(const char *folder, const char *name, size_t *bytes) {
    char path[4096];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int f = open(path, O_RDONLY);
    if (f < 0 || fstat(f, &s)) perror(path), exit(1);
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, f, 0);
    if (p == MAP_FAILED) perror(path), exit(1);
    close(f);
    *bytes = (size_t)s.st_size;
    return p;
}

static int named(const char *value, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (!strcmp(value, names[i])) return i;
    fprintf(stderr, "what is %s?\n", value);
    exit(2);
}

static void set(settings *s, const char *setting) {
    static const char *const kinds[] = {"auto", "flat", "hnsw", "ivf", "disk"}, *const codecs[] = {"auto", "sq8",
                                                                                                   "rabitq", "pq"};
    const char *equal = strchr(setting, '=');
    if (!equal) fprintf(stderr, "%s is no SETTING=VALUE\n", setting), exit(2);
    size_t len = (size_t)(equal - setting);
    const char *value = equal + 1;
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
#define IS(name) (len == sizeof(name) - 1 && !memcmp(setting, name, len))
    if (IS("kind"))
        s->index.kind = (omen_index_kind)named(value, kinds, 5);
    else if (IS("codec"))
        s->index.codec = (omen_codec)named(value, codecs, 4);
    else if (IS("m"))
        s->index.m = number;
    else if (IS("efc"))
        s->index.ef_construction = number;
    else if (IS("lists"))
        s->index.lists = number;
    else if (IS("bits"))
        s->index.bits = number;
    else if (IS("rows"))
        s->rows = number;
    else if (IS("segments"))
        s->segments = number;
    else
        must(omen_options_set(&s->options, (omen_str){setting, len}, (omen_str){value, strlen(value)}), setting);
#undef IS
}

static omen_db *open_db(settings *s, omen_collection **c, int create) {
    char path[4096];
    omen_db *db;
    omen_vector_field field = {.dimensions = (uint32_t)s->dims, .metric = s->metric, .index = s->index};
    omen_schema schema;
    omen_schema_init(&schema);
    schema.vector_count = 1;
    schema.vectors = &field;
    snprintf(path, sizeof path, "%s/db", s->dir);
    s->options.create = (uint8_t)create;
    must(omen_open(path, &s->options, &db), path);
    must(omen_collection_open(db, OMEN_STR("ann"), create ? &schema : NULL, c), "collection");
    return db;
}

static char *stats(omen_db *db) {
    size_t len;
    must(omen_stats(db, NULL, 0, &len), "stats");
    char *text = need(malloc(len + 1));
    must(omen_stats(db, text, len + 1, &len), "stats");
    return text;
}

static int build(settings *s) {
    size_t bytes;
    const float *base = map_file(s->data, "base.f32", &bytes);
    size_t rows = bytes / sizeof(float) / s->dims;
    omen_collection *c;
    omen_id ids[BATCH];
    if (s->rows && s->rows < rows) rows = s->rows;
    s->options.manual_maintenance = 1;
    omen_db *db = open_db(s, &c, 1);
    double begun = now(), begun_cpu = cpu();
    for (size_t i = 0; i < rows; i += BATCH) {
        size_t n = rows - i < BATCH ? rows - i : BATCH;
        uint64_t commit;
        for (size_t j = 0; j < n; j++) ids[j] = OMEN_ID_INT((int64_t)(i + j));
        const void *vectors[] = {base + i * s->dims};
        must(omen_write_begin(c, OMEN_WRITE_UPSERT, &(omen_batch){.count = n, .ids = ids, .vectors = vectors}, &commit),
             "write");
    }
    if (!s->segments) must(omen_compact(db), "compact");
    double written = now(), written_cpu = cpu();
    must(omen_build_indexes(db), "build");
    double built = now(), built_cpu = cpu();
    char *text = stats(db);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"kernels\":\"%s\",\"rows\":%zu,\"writeWall\":%.3f,\"writeCpu\":%.3f,\"buildWall\":%.3f,\"buildCpu\":%.3f,"
           "\"peakMb\":%.1f,\"stats\":%s}\n",
           omen_kernels_name(), rows, written - begun, written_cpu - begun_cpu, built - written,
           built_cpu - written_cpu, (double)u.ru_maxrss / 1024, text);
    free(text);
    omen_collection_close(c);
    must(omen_close(db), "close");
    return 0;
}

static int by_value(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

typedef struct {
    omen_collection *c;
    const float *query;
    const int32_t *truth;
    size_t dims, queries;
    double *times;
} pass;

static size_t one(const pass *p, omen_query *q, size_t i) {
    omen_results *r;
    size_t hits = 0;
    q->vector = p->query + i * p->dims;
    double begun = now();
    must(omen_search(p->c, q, &r), "search");
    p->times[i] = now() - begun;
    size_t n = omen_results_count(r);
    for (size_t j = 0; j < n; j++) {
        int64_t id = omen_results_id(r, j).number;
        for (size_t t = 0; t < K; t++) hits += id == p->truth[i * TRUTH + t];
    }
    omen_results_free(r);
    return hits;
}

static void run(const pass *p, omen_query *q, const char *effort) {
    size_t hits = 0;
    for (size_t i = 0; i < p->queries && i < WARM; i++) one(p, q, i);
    double begun = now(), begun_cpu = thread_cpu();
    for (size_t i = 0; i < p->queries; i++) hits += one(p, q, i);
    double seconds = now() - begun, spent = thread_cpu() - begun_cpu;
    qsort(p->times, p->queries, sizeof *p->times, by_value);
    printf("{\"effort\":\"%s\",\"recall\":%.5f,\"seconds\":%.6f,\"cpu\":%.6f,\"queries\":%zu,\"p50Ms\":%.5f,\"p99Ms\":%"
           ".5f}\n",
           effort, (double)hits / (double)(p->queries * K), seconds, spent, p->queries, p->times[p->queries / 2] * 1e3,
           p->times[p->queries * 99 / 100] * 1e3);
}

static void explain(const pass *p, omen_query *q) {
    size_t len;
    q->vector = p->query;
    must(omen_explain(p->c, q, NULL, 0, &len), "explain");
    char *text = need(malloc(len + 64));
    must(omen_explain(p->c, q, text, len + 64, &len), "explain");
    puts(text);
    free(text);
}

static int serve(settings *s) {
    size_t bytes, truth_bytes;
    pass p = {.dims = s->dims};
    char line[128];
    p.query = map_file(s->data, "query.f32", &bytes);
    p.truth = map_file(s->data, "truth.i32", &truth_bytes);
    p.queries = bytes / sizeof(float) / s->dims;
    if (truth_bytes != p.queries * TRUTH * sizeof *p.truth) fprintf(stderr, "truth.i32 is of other queries\n"), exit(1);
    p.times = need(malloc(p.queries * sizeof *p.times));
    double begun = now();
    omen_db *db = open_db(s, &p.c, 0);
    printf("{\"kernels\":\"%s\",\"openMs\":%.3f,\"residentMb\":%.1f}\n", omen_kernels_name(), (now() - begun) * 1e3,
           resident_mb());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        omen_query q;
        line[strcspn(line, "\n")] = 0;
        const char *value = strchr(line, ' ');
        omen_query_init(&q);
        q.include = 0; /* peers answer ids and distances */
        q.k = K;
        q.dimensions = (uint32_t)s->dims;
        if (!strncmp(line, "explain ", 8)) {
            q.recall = strtof(value, NULL);
            explain(&p, &q);
        } else if (!strcmp(line, "memory")) {
            char *text = stats(db);
            printf("{\"residentMb\":%.1f,\"stats\":%s}\n", resident_mb(), text);
            free(text);
        } else {
            if (!strcmp(line, "exact"))
                q.exact = 1;
            else if (!strncmp(line, "ef ", 3))
                q.ef = (uint32_t)strtoul(value, NULL, 10);
            else if (!strncmp(line, "nprobe ", 7))
                q.nprobe = (uint32_t)strtoul(value, NULL, 10);
            else if (!strncmp(line, "recall ", 7))
                q.recall = strtof(value, NULL);
            else
                fprintf(stderr, "what is %s?\n", line), exit(2);
            run(&p, &q, line);
        }
        fflush(stdout);
    }
    omen_collection_close(p.c);
    must(omen_close(db), "close");
    free(p.times);
    return 0;
}

int main(int argc, char **argv) {
    settings s = {0};
    if (argc < 6) return 2;
    s.dir = argv[2], s.data = argv[3], s.dims = strtoul(argv[4], NULL, 10);
    s.metric = !strcmp(argv[5], "l2") ? OMEN_METRIC_L2 : OMEN_METRIC_COSINE;
    omen_options_init(&s.options);
    s.options.profile = OMEN_PROFILE_PRODUCTION;
    for (int i = 6; i < argc; i++) set(&s, argv[i]);
    if (!strcmp(argv[1], "build")) return build(&s);
    return !strcmp(argv[1], "serve") ? serve(&s) : 2;
}
