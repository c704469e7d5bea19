/* ann_truth - the exact nearest rows of each query, by a plain scan: what recall is counted against.
 *   ann_truth BASE.f32 QUERY.f32 TRUTH.i32 DIMENSIONS K l2|cosine
 * The files hold rows of little-endian f32, the output K row numbers a query, nearest first, ties by row. cosine expects rows of length 1.
 * Floats choose four times as many rows as are asked for, doubles then order them. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LANES = 16, GROUP = 8, MOST = 4096 };
typedef struct {
    double d;
    int32_t row;
} near_row;
static const float *base, *query;
static size_t rows, queries, dims, k, keep, next_group;
static int cosine;
static int32_t *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const float *map_file(const char *path, size_t *count) {
    int f = open(path, O_RDONLY);
    struct stat s;
    if (f < 0 || fstat(f, &s)) {
        perror(path);
        exit(1);
    }
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, f, 0);
    if (p == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    *count = (size_t)s.st_size / sizeof(float) / dims;
    return p;
}

static float rough(const float *a, const float *b) {
    float sum[LANES] = {0}, all = 0;
    size_t j = 0;
    for (; j + LANES <= dims; j += LANES)
        for (int l = 0; l < LANES; l++) {
            float x = cosine ? a[j + l] * b[j + l] : a[j + l] - b[j + l];
            sum[l] += cosine ? -x : x * x;
        }
    for (; j < dims; j++) all += cosine ? -a[j] * b[j] : (a[j] - b[j]) * (a[j] - b[j]);
    for (int l = 0; l < LANES; l++) all += sum[l];
    return all;
}

static double precise(const float *a, const float *b) {
    double all = 0;
    for (size_t j = 0; j < dims; j++)
        all += cosine ? -(double)a[j] * b[j] : ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
    return all;
}

static int before(const near_row *a, const near_row *b) { return a->d < b->d || (a->d == b->d && a->row < b->row); }
static int by_distance(const void *a, const void *b) { return before(a, b) ? -1 : before(b, a) ? 1 : 0; }

/* A heap with the farthest on top. */
static void offer(near_row *heap, size_t *n, near_row x) {
    size_t i;
    if (*n < keep) {
        for (i = (*n)++; i && before(&heap[(i - 1) / 2], &x); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
        heap[i] = x;
        return;
    }
    if (!before(&x, &heap[0])) return;
    for (i = 0;;) {
        size_t c = 2 * i + 1;
        if (c >= *n) break;
        if (c + 1 < *n && before(&heap[c], &heap[c + 1])) c++;
        if (!before(&x, &heap[c])) break;
        heap[i] = heap[c];
        i = c;
    }
    heap[i] = x;
}

static void *work(void *unused) {
    near_row(*heaps)[MOST] = malloc(GROUP * sizeof *heaps);
    if (!heaps) exit(1);
    for (;;) {
        pthread_mutex_lock(&lock);
        size_t first = next_group, n[GROUP] = {0};
        next_group += GROUP;
        pthread_mutex_unlock(&lock);
        if (first >= queries) break;
        size_t last = first + GROUP < queries ? first + GROUP : queries;
        for (size_t r = 0; r < rows; r++)
            for (size_t q = first; q < last; q++)
                offer(heaps[q - first], &n[q - first],
                      (near_row){rough(query + q * dims, base + r * dims), (int32_t)r});
        for (size_t q = first; q < last; q++) {
            near_row *h = heaps[q - first];
            for (size_t i = 0; i < keep; i++) h[i].d = precise(query + q * dims, base + (size_t)h[i].row * dims);
            qsort(h, keep, sizeof *h, by_distance);
            for (size_t i = 0; i < k; i++) out[q * k + i] = h[i].row;
        }
    }
    free(heaps);
    return unused;
}

int main(int argc, char **argv) {
    if (argc < 7) return 2;
    dims = strtoul(argv[4], NULL, 10), k = strtoul(argv[5], NULL, 10), cosine = !strcmp(argv[6], "cosine");
    base = map_file(argv[1], &rows), query = map_file(argv[2], &queries);
    keep = 4 * k < rows ? 4 * k : rows;
    if (!dims || !k || keep > MOST || k > rows) return 2;
    if (!(out = malloc(queries * k * sizeof *out))) return 1;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[64];
    if (cores < 1) cores = 1;
    if (cores > 64) cores = 64;
    for (long i = 0; i < cores; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (long i = 0; i < cores; i++) pthread_join(threads[i], NULL);
    FILE *f = fopen(argv[3], "wb");
    return !f || fwrite(out, sizeof *out, queries * k, f) != queries * k || fclose(f) ? 1 : 0;
}
