/* kernel_bench - the kernels alone, one thread: bytes of rows a second for each set, and what a plain loop reaches that only reads the same bytes;
 * for codes and narrow elements nanoseconds a row, of rows all over CODES bytes ("gathered", CALL ids a call) and of rows one after another.
 * Prints one JSON object a line. Times are the best of several runs, so that a neighbour's work counts as little as possible.
 *   kernel_bench [SET [codes]] */
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

#define CODES (48u << 20)
#define CALL 32u

/* What is measured: calls of one kernel on CALL rows, named by ids or one after another from `at`. */
typedef struct scoring {
    const omen_kernels *k;
    size_t len;
    const uint32_t *ids;
    const uint8_t *at;
} scoring;

static uint8_t *codes, *code_query;
static uint32_t *code_ids, scores[CALL];

static void run_dot_u7i8(const scoring *s) { s->k->dot_u7i8(code_query, s->at, s->len, s->ids, CALL, s->len, (int32_t *)scores); }
static void run_hamming(const scoring *s) { s->k->hamming(code_query, s->at, s->len, s->ids, CALL, s->len, scores); }
static void run_dot_u4b1(const scoring *s) { s->k->dot_u4b1(code_query, s->at, s->len, s->ids, CALL, s->len, scores); }
static void run_dot_i8(const scoring *s) { s->k->dot_i8((const int8_t *)code_query, (const int8_t *)s->at, CALL, s->len, (int32_t *)scores); }
static void run_l2_i8(const scoring *s) { s->k->l2_i8((const int8_t *)code_query, (const int8_t *)s->at, CALL, s->len, scores); }
static void run_dot_f16(const scoring *s) { s->k->dot_f16(q, (const uint16_t *)(const void *)s->at, CALL, s->len / 2, (float *)scores); }
static void run_l2_f16(const scoring *s) { s->k->l2_f16(q, (const uint16_t *)(const void *)s->at, CALL, s->len / 2, (float *)scores); }
static void run_lut4(const scoring *s) { s->k->lut4(code_query, s->at, CALL / 32, s->len / 16, (uint16_t *)scores); }

/* Nanoseconds a row, the best of a few passes over as many rows as fill CODES, or a part of it for the slow sets. */
static double row_ns(void (*run)(const scoring *), const omen_kernels *k, size_t len, size_t bytes, bool gathered) {
    size_t rows_in = CODES / len, calls = bytes / len / CALL;
    double best = 1e9;
    for (size_t i = 0; i < calls * CALL; i++) code_ids[i] = (uint32_t)((i * 2654435761u + (i >> 7) * 40503u) % rows_in);
    for (int r = 0; r < 5; r++) {
        double t = now();
        for (size_t c = 0; c < calls; c++) {
            scoring s = {k, len, gathered ? code_ids + c * CALL : NULL, gathered ? codes : codes + c * CALL * len};
            run(&s);
            sink += scores[0];
        }
        t = (now() - t) * 1e9 / (double)(calls * CALL);
        if (t < best) best = t;
    }
    return best;
}

static void bench_codes(const omen_kernels *k) {
    static const size_t lens[] = {48, 128, 384, 832};
    size_t bytes = strcmp(k->name, "scalar") == 0 ? CODES / 16 : CODES;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        size_t n = lens[i];
        printf("{\"set\":\"%s\",\"rowBytes\":%zu", k->name, n);
        if (n % 64 == 0) printf(",\"dotU7I8Gathered\":%.1f,\"dotU7I8\":%.1f", row_ns(run_dot_u7i8, k, n, bytes, true), row_ns(run_dot_u7i8, k, n, bytes, false));
        printf(",\"hammingGathered\":%.1f,\"hamming\":%.1f", row_ns(run_hamming, k, n, bytes, true), row_ns(run_hamming, k, n, bytes, false));
        printf(",\"dotU4B1Gathered\":%.1f,\"dotU4B1\":%.1f", row_ns(run_dot_u4b1, k, n, bytes, true), row_ns(run_dot_u4b1, k, n, bytes, false));
        printf(",\"dotI8\":%.1f,\"l2I8\":%.1f", row_ns(run_dot_i8, k, n, bytes, false), row_ns(run_l2_i8, k, n, bytes, false));
        printf(",\"dotF16\":%.1f,\"l2F16\":%.1f,\"lut4\":%.1f}\n", row_ns(run_dot_f16, k, n, bytes, false), row_ns(run_l2_f16, k, n, bytes, false),
               row_ns(run_lut4, k, n, bytes, false));
    }
}

/* The codes: 4 planes of the longest row fit into the query. */
static bool make_codes(void) {
    codes = aligned_alloc(64, CODES);
    code_query = aligned_alloc(64, 4096);
    code_ids = aligned_alloc(64, (CODES / 48 + 64) / 16 * 16 * sizeof *code_ids);
    if (codes == NULL || code_query == NULL || code_ids == NULL) return false;
    for (size_t i = 0; i < CODES; i++) codes[i] = (uint8_t)(i * 167 >> 3);
    for (size_t i = 0; i < CODES / 2; i++) codes[2 * i + 1] = (uint8_t)((codes[2 * i + 1] & 0xBB) | 0x20); /* as halves like embeddings: finite, not subnormal */
    for (size_t i = 0; i < 4096; i++) code_query[i] = (uint8_t)(i * 37 % 128);
    return true;
}

int main(int argc, char **argv) {
    static const size_t shapes[][2] = {{10000, 768}, {10000, 128}, {1000, 384}, {1000, 128}, {1000, 100}, {100, 768}};
    q = aligned_alloc(64, 1536 * sizeof *q);
    rows = aligned_alloc(64, MAX_BYTES);
    out = aligned_alloc(64, 10048 * sizeof *out);
    if (q == NULL || rows == NULL || out == NULL || !make_codes()) return 1;
    for (size_t i = 0; i < 1536; i++) q[i] = (float)(i * 37 % 200) / 100.0f - 1.0f;
    for (size_t i = 0; i < MAX_BYTES / 4; i++) rows[i] = (float)(i * 1009 % 2000) / 1000.0f - 1.0f;
    for (const omen_kernels *const *k = omen_kernels_offer(); *k != NULL; k++) {
        if (argc > 1 && strcmp(argv[1], (*k)->name) != 0) continue;
        bench_codes(*k);
        if (argc > 2) continue;
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
