/* kernel_bench - the kernels alone, one thread: bytes of rows a second for each set, and what a plain loop reaches that only reads the same bytes.
 * Prints one JSON object a line. Times are the best of several runs, so that a neighbour's work counts as little as possible.
 *   kernel_bench [SET] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

#define MAX_BYTES (10000u * 1536u * 4u)
#define RUNS 15

static float *q, *rows, *out;
static uint64_t sink;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is measured: one pass over `count` rows of `dim` floats. */
typedef struct pass {
    const omen_kernels *k;
    size_t count, dim;
} pass;

static void run_dot(const pass *p) { p->k->dot_f32(q, rows, p->count, p->dim, out); }
static void run_l2(const pass *p) { p->k->l2_f32(q, rows, p->count, p->dim, out); }
static void run_finite(const pass *p) { sink += p->k->finite_f32(rows, p->count * p->dim); }
static void run_crc(const pass *p) { sink += p->k->crc32c(0, rows, p->count * p->dim * 4); }

/* The plain loop: as many independent sums as hide the latency of the additions, in whatever vectors the compiler has. */
static void run_read(const pass *p) {
    const uint64_t *w = (const uint64_t *)(const void *)rows;
    uint64_t s[16] = {0};
    for (size_t i = 0; i + 16 <= p->count * p->dim / 2; i += 16)
        for (size_t k = 0; k < 16; k++) s[k] += w[i + k];
    for (size_t k = 0; k < 16; k++) sink += s[k];
}

/* GB/s of one shape: enough passes for 10 ms, the best of RUNS. */
static double speed(void (*run)(const pass *), const pass *p) {
    double bytes = (double)(p->count * p->dim * 4), best = 0;
    size_t passes = 1 + (size_t)(1e8 / bytes);
    run(p);
    for (int r = 0; r < RUNS; r++) {
        double t = now();
        for (size_t i = 0; i < passes; i++) run(p);
        t = now() - t;
        if (bytes * (double)passes / t > best) best = bytes * (double)passes / t;
    }
    return best / 1e9;
}

int main(int argc, char **argv) {
    static const size_t shapes[][2] = {{10000, 768}, {10000, 128}, {1000, 384}, {1000, 128}, {1000, 100}, {100, 768}};
    q = aligned_alloc(64, 1536 * sizeof *q);
    rows = aligned_alloc(64, MAX_BYTES);
    out = aligned_alloc(64, 10048 * sizeof *out);
    if (q == NULL || rows == NULL || out == NULL) return 1;
    for (size_t i = 0; i < 1536; i++) q[i] = (float)(i * 37 % 200) / 100.0f - 1.0f;
    for (size_t i = 0; i < MAX_BYTES / 4; i++) rows[i] = (float)(i * 1009 % 2000) / 1000.0f - 1.0f;
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        if (argc > 1 && strcmp(argv[1], (*k)->name) != 0) continue;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            pass p = {*k, shapes[i][0], shapes[i][1]};
            double read = speed(run_read, &p), dot = speed(run_dot, &p), l2 = speed(run_l2, &p);
            printf("{\"set\":\"%s\",\"rows\":%zu,\"dimensions\":%zu,\"readGbs\":%.2f,\"dotGbs\":%.2f,\"l2Gbs\":%.2f,\"dotShare\":%.3f,\"l2Share\":%.3f}\n",
                   (*k)->name, p.count, p.dim, read, dot, l2, dot / read, l2 / read);
        }
        pass p = {*k, 64, 256};
        printf("{\"set\":\"%s\",\"bytes\":%zu,\"finiteGbs\":%.2f,\"crc32cGbs\":%.2f}\n", (*k)->name, p.count * p.dim * 4, speed(run_finite, &p), speed(run_crc, &p));
    }
    return sink == 42;
}
