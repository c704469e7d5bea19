/* columns_bench.c - filters and facets over the columns of one part of 1,000,000 rows: time to build, time to evaluate with warm blocks. One JSON line each.
 *
 *     bench.columns [rows]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/prng.h"
#include "column/columns_eval.h"
#include "column/facets.h"
#include "store_fixture.h"

static uint32_t rows = 1000000;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A document is a function of its row. */
static omen_status doc(void *ctx, uint32_t row, omen_str *out, omen_error *err) {
    static char text[512];
    omen_prng p = {row};
    (void)ctx;
    (void)err;
    static const char *const colours[] = {"red", "green", "blue", "black", "white"};
    uint64_t a = omen_prng_next(&p), b = omen_prng_next(&p);
    int n = snprintf(text, sizeof text, "{\"year\":%u,\"views\":%u,\"price\":%u.%02u,\"colour\":\"%s\",\"title\":\"a title of some words %u\",\"tags\":[\"t%u\",\"t%u\"],\"at\":\"20%02u-%02u-11T10:00:00Z\",\"stock\":%s,\"place\":\"place %02u\"}",
                     (unsigned)(1990 + a % 40), (unsigned)(a >> 8) % 1000000, (unsigned)(a >> 32) % 1000, (unsigned)(b % 100), colours[b / 128 % 5], (unsigned)(b >> 16) % 10000000,
                     (unsigned)(b >> 8) % 100, (unsigned)(b >> 40) % 100, (unsigned)(10 + (a >> 50) % 15), (unsigned)(1 + (b >> 50) % 12), (a >> 3 & 1) != 0 ? "true" : "false", (unsigned)((a ^ b >> 20) % 50));
    *out = (omen_str){text, (size_t)n};
    return OMEN_OK;
}

static void must(omen_status s, const omen_error *err) {
    if (s == OMEN_OK) return;
    printf("%s\n", err->text);
    exit(1);
}

/* Facets over all rows, and over those of a filter. */
static void facets(fixture *x, const omen_columns *c, const char *text, const omen_bits *accept, omen_error *err) {
    omen_json *j;
    omen_facets_request *r;
    double best = 1e9;
    size_t len = 0;
    must(omen_json_parse(&x->mem, (omen_str){text, strlen(text)}, &j, err), err);
    must(omen_facets_request_read(&x->mem, omen_json_root(j), &r, err), err);
    for (int round = 0; round < 15; round++) {
        omen_facets *f;
        omen_facets_part *p;
        omen_buf out;
        omen_jw w;
        bool done = false;
        double start = now();
        must(omen_facets_new(&x->mem, r, &f, err), err);
        must(omen_facets_part_new(f, c, rows, accept, NULL, &p, err), err);
        while (!done) must(omen_facets_part_step(p, UINT32_MAX, &done, err), err);
        if (omen_facets_part_left(p) != 0) must(omen_fail(err, OMEN_ERR_INTERNAL, "documents would be asked"), err);
        omen_buf_init(&out, &x->mem);
        omen_jw_begin(&w, &out);
        must(omen_facets_write(f, &w, err), err);
        must(omen_jw_end(&w), err);
        best = OMEN_MIN(best, now() - start);
        len = out.len;
        omen_buf_deinit(&out);
        omen_facets_part_free(p);
        omen_facets_free(f);
    }
    printf("{\"bench\":\"columns.facets\",\"facets\":%s,\"rows\":%u,\"selected\":%u,\"bytes\":%zu,\"ms\":%.3f}\n", text, rows, accept == NULL ? rows : accept->ones, len, best);
    omen_facets_request_free(r);
    omen_json_free(j);
}

int main(int argc, char **argv) {
    fixture x;
    omen_error err = {0};
    omen_segment_writer *w;
    omen_columns_builder *b;
    omen_segment_info info;
    omen_segment *segment = NULL;
    omen_columns *c = NULL;
    bool done = false;
    if (argc > 1) rows = (uint32_t)strtoul(argv[1], NULL, 10);
    fault_storage *fs = fault_storage_new(1);
    fixture_init(&x, fs, 7, 256u << 20);
    omen_row_source source = {.rows = rows, .doc = doc};
    double start = now();
    must(omen_segment_writer_new(&x.store, 1, &w, &err), &err);
    must(omen_columns_builder_new(&x.mem, &source, &b, &err), &err);
    while (!done) must(omen_columns_builder_step(b, w, &done, &err), &err);
    must(omen_segment_writer_finish(w, &info, &err), &err);
    omen_columns_builder_free(b);
    omen_segment_writer_free(w);
    char hash[33];
    omen_hash128_hex(&info.hash, hash);
    printf("{\"bench\":\"columns.build\",\"hash\":\"%s\",\"rows\":%u,\"ms\":%.0f,\"mb\":%.1f,\"peak_mb\":%.1f}\n", hash, rows, now() - start, (double)info.length / 1e6, (double)atomic_load(&x.mem.peak) / 1e6);
    must(omen_segment_open(&x.store, &info, &segment, &err), &err);
    must(omen_columns_open(&x.store, segment, rows, &c, &err), &err);
    static const char *const filters[] = {
        "year >= 2000 AND year <= 2009", "year >= 2005", "views < 100000", "price >= 10.5 AND price < 20", "colour = 'red'", "tags CONTAINS 't7'", "title = 'a title of some words 77'",
        "title CONTAINS 'words 777'", "at >= DATE '2020-01-01'", "stock = true", "year >= 2000 AND colour IN ('red', 'blue') AND price < 100", "NOT (views >= 1000)", "views = 777",
        "views IN (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)", "year IS NULL",
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(filters); i++) {
        omen_filter *f;
        double best = 1e9, guess = 1e9, estimate = 0;
        uint32_t found = 0;
        must(omen_filter_compile(&x.mem, (omen_str){filters[i], strlen(filters[i])}, &f, &err), &err);
        for (int round = 0; round < 15; round++) {
            omen_columns_eval *e;
            omen_bits *sure = omen_bits_new(&x.mem, rows), *maybe = omen_bits_new(&x.mem, rows);
            start = now();
            must(omen_columns_eval_new(c, f, &e, &err), &err);
            must(omen_columns_eval_estimate(e, &estimate, &err), &err);
            double mid = now();
            for (done = false; !done;) must(omen_columns_eval_step(e, UINT32_MAX, sure, maybe, &done, &err), &err);
            double end = now();
            found = sure->ones + maybe->ones;
            best = OMEN_MIN(best, end - mid);
            guess = OMEN_MIN(guess, mid - start);
            omen_columns_eval_free(e);
            omen_bits_unref(sure);
            omen_bits_unref(maybe);
        }
        printf("{\"bench\":\"columns.eval\",\"filter\":\"%s\",\"rows\":%u,\"found\":%u,\"estimate\":%.0f,\"ms\":%.3f,\"estimate_ms\":%.3f}\n", filters[i], rows, found, estimate, best, guess);
        omen_filter_free(&x.mem, f);
    }
    static const char *const requests[] = {
        "{\"place\":{}}", "{\"tags\":{}}", "{\"year\":{}}", "{\"stock\":{}}", "{\"price\":{\"ranges\":[{\"to\":10},{\"from\":10,\"to\":100},{\"from\":100}]}}", "{\"views\":{\"histogram\":{\"interval\":10000}}}",
        "{\"at\":{\"histogram\":{\"interval\":\"month\"}}}", "{\"price\":{\"stats\":true}}", "{\"views\":{\"stats\":true}}", "{\"price\":{\"maxValues\":1048576}}",
    };
    omen_bits *third = omen_bits_new(&x.mem, rows);
    for (uint32_t i = 0; third != NULL && i < rows; i++)
        if (i * UINT32_C(2654435761) >> 16 < 21845) omen_bits_set(third, i);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(requests); i++)
        for (int part = 0; part < 2; part++) facets(&x, c, requests[i], part == 0 ? NULL : third, &err);
    omen_bits_unref(third);
    omen_columns_free(c);
    omen_segment_close(segment);
    fixture_deinit(&x);
    fault_storage_free(fs);
    return 0;
}
