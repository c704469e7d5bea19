/* write_bench - durable writes of 128-dimensional vectors: the database with batches in flight, and a plain loop that writes as many bytes with
 * as many syncs. Prints one JSON object.
 *   write_bench DIR VECTORS          level group, batches of 1,000, then the plain loop
 *   write_bench DIR RECORDS single   one record at a time at level full, in turn with fdatasync alone
 * With OMEN_BENCH_KEY=1 the database is encrypted. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "omendb.h"

enum { DIMS = 128, BATCH = 1000, IN_FLIGHT = 8 };

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

/* A counter of a metric's text, summed over its series. */
static double metric(omen_db *db, const char *name) {
    static char text[1 << 17];
    size_t needed;
    double sum = 0;
    must(omen_metrics(db, OMEN_METRICS_PROMETHEUS, OMEN_STR(""), text, sizeof text, &needed), "metrics");
    for (char *at = text; (at = strstr(at, name)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[strlen(name)] == '{') sum += atof(strchr(at, '}') + 1);
    return sum;
}

/* Bytes this process has handed to write calls: log, segments and manifest alike. */
static double written(void) {
    char line[128];
    double n = 0;
    FILE *f = fopen("/proc/self/io", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "wchar:", 6) == 0) n = atof(line + 6);
    if (f != NULL) fclose(f);
    return n;
}

/* A file beside the database's, for the plain loop. */
typedef struct plain {
    int fd;
    off_t at;
    char path[4096];
} plain;

static plain plain_open(const char *dir) {
    plain p = {0};
    snprintf(p.path, sizeof p.path, "%s/plain", dir);
    p.fd = open(p.path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (p.fd < 0) exit(1);
    return p;
}

static void plain_close(plain *p) {
    close(p->fd);
    unlink(p->path);
}

/* Seconds for writing `bytes` in `syncs` equal pieces, each followed by fdatasync. */
static double plain_loop(plain *p, double bytes, double syncs) {
    static char block[1 << 20];
    memset(block, 7, sizeof block);
    double each = bytes / syncs, t = now();
    for (double s = 0; s < syncs; s++) {
        for (double left = each; left > 0;) {
            size_t n = left < sizeof block ? (size_t)left + 1 : sizeof block;
            if (pwrite(p->fd, block, n, p->at) != (ssize_t)n) exit(1);
            p->at += (off_t)n;
            left -= (double)n;
        }
        if (fdatasync(p->fd) != 0) exit(1);
    }
    return now() - t;
}

/* Records one at a time, in turn with the plain loop: the disk's mood changes within seconds, and both must meet it. */
static void one_by_one(omen_db *db, omen_collection *c, const float *row, plain *p, size_t total) {
    enum { TURN = 10 };
    const void *vectors[] = {row};
    double ours = 0, raw = 0, bytes = 0, syncs = 0;
    for (size_t at = 0; at < total;) {
        double before = metric(db, "omendb_log_syncs_total"), sent = written(), t = now();
        size_t n = 0;
        for (; n < TURN && at < total; n++, at++) {
            omen_id id = OMEN_ID_INT((int64_t)at);
            must(omen_upsert(c, &(omen_batch){.count = 1, .ids = &id, .vectors = vectors}), "upsert");
        }
        ours += now() - t;
        sent = written() - sent;
        bytes += sent;
        syncs += metric(db, "omendb_log_syncs_total") - before;
        raw += plain_loop(p, sent, (double)n);
    }
    printf("{\"vectors\":%zu,\"seconds\":%.4f,\"rate\":%.0f,\"syncs\":%.0f,\"bytes\":%.0f,\"rawSeconds\":%.4f,\"share\":%.3f}\n", total, ours, (double)total / ours, syncs,
           bytes, raw, raw / ours);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *dir = argv[1];
    size_t total = strtoul(argv[2], NULL, 10);
    int single = argc > 3;
    char path[4096];
    omen_options o;
    omen_db *db;
    omen_collection *c;
    snprintf(path, sizeof path, "%s/db", dir);
    omen_options_init(&o);
    o.profile = OMEN_PROFILE_PRODUCTION;
    o.durability = single ? OMEN_DURABILITY_FULL : OMEN_DURABILITY_GROUP;
    omen_encryption encryption = {.struct_size = sizeof encryption, .key = {.bytes = {1}}};
    const char *key = getenv("OMEN_BENCH_KEY");
    if (key != NULL && key[0] != '\0') o.encryption = &encryption;
    must(omen_open(path, &o, &db), "open");
    omen_vector_field f = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &f;
    must(omen_collection_open(db, OMEN_STR("bench"), &s, &c), "collection");
    float *rows = malloc(sizeof(float) * DIMS * BATCH);
    omen_id ids[BATCH];
    for (size_t i = 0; i < DIMS * BATCH; i++) rows[i] = (float)(rand() % 2000 - 1000) / 1000.0f;
    plain p = plain_open(dir);
    if (single) {
        one_by_one(db, c, rows, &p, total);
    } else {
        const void *vectors[] = {rows};
        uint64_t commit[IN_FLIGHT] = {0};
        double syncs = metric(db, "omendb_log_syncs_total"), bytes = written(), t = now();
        size_t n = 0;
        for (size_t at = 0; at < total; at += BATCH, n++) {
            for (size_t i = 0; i < BATCH; i++) ids[i] = OMEN_ID_INT((int64_t)(at + i));
            omen_batch b = {.count = BATCH, .ids = ids, .vectors = vectors};
            if (n >= IN_FLIGHT) must(omen_wait(db, commit[n % IN_FLIGHT]), "wait");
            must(omen_write_begin(c, OMEN_WRITE_UPSERT, &b, &commit[n % IN_FLIGHT]), "write");
        }
        must(omen_sync(db), "sync");
        t = now() - t;
        syncs = metric(db, "omendb_log_syncs_total") - syncs;
        bytes = written() - bytes;
        double raw = plain_loop(&p, bytes, syncs);
        printf("{\"vectors\":%zu,\"seconds\":%.4f,\"rate\":%.0f,\"syncs\":%.0f,\"bytes\":%.0f,\"rawSeconds\":%.4f,\"share\":%.3f}\n", total, t, (double)total / t, syncs, bytes,
               raw, raw / t);
    }
    plain_close(&p);
    omen_collection_close(c);
    must(omen_close(db), "close");
    return 0;
}
