/* filter_bench DATA DIMENSIONS l2|cosine hnsw|ivf|disk [QUERIES [CACHE [FILTER]]] - searches with filters, over files that ann_data.mjs prepared: an index of base.f32,
 * and its candidates ranked exactly, as the database does it. For each kind of filter and each share of the rows that it lets through, one line of JSON: times in
 * microseconds a query, of this thread's CPU. index: the search of the index; matches: all rows of the filter compared exactly; unfiltered: the same query without
 * the filter; filtered: the way that costs less by the index's own estimate (cost, in rows compared). The filters: random rows; rows of the clusters nearest
 * to the query, or farthest from it. CACHE: a file that keeps the index. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "omendb.h"
#include "kernel/kernel.h"
#include "query/ann.h"
#include "query/exact.h"
#include "query/matches.h"
#include "store_fixture.h"

enum { K = 10, CLUSTERS = 100, ROUNDS = 3 };
#define RECALL 0.95f

static uint32_t rows, dims;
static const float *base;
static float *norms;
static omen_metric metric;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: status %d\n", what, (int)s);
    exit(1);
}

static void *need(void *p) {
    if (!p) fprintf(stderr, "no memory\n"), exit(1);
    return p;
}

static void *map_file(const char *folder, const char *name, size_t *bytes) {
    char path[4096];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int f = open(path, O_RDONLY);
    if (f < 0 || fstat(f, &s)) perror(path), exit(1);
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, f, 0);
    if (p == MAP_FAILED) perror(path), exit(1);
    close(f);
    *bytes = (size_t)s.st_size;
    return p;
}

/* ---- the rows, as an index is built of them and as a source of the exact ranking ---- */

static omen_status read_vectors(void *ctx, uint32_t row, uint32_t limit, const void **vectors, uint32_t *count, omen_error *err) {
    (void)ctx, (void)err;
    *vectors = base + (size_t)row * dims;
    *count = limit < rows - row ? limit : rows - row;
    return OMEN_OK;
}

static omen_status run(void *ctx, uint32_t field, uint32_t row, uint32_t limit, float *own, omen_scan_run *out, omen_error *err) {
    (void)ctx, (void)field, (void)own, (void)err;
    *out = (omen_scan_run){.vectors = base + (size_t)row * dims, .norms = norms + row, .first = row, .count = limit < rows - row ? limit : rows - row};
    return OMEN_OK;
}

static void release(void *ctx, omen_scan_run *r) { (void)ctx, (void)r; }

static omen_status row_vector(void *ctx, uint32_t field, uint32_t row, uint8_t *buffer, omen_scan_row *out, omen_error *err) {
    (void)ctx, (void)field, (void)buffer, (void)err;
    *out = (omen_scan_row){.vector = base + (size_t)row * dims, .norm = norms[row]};
    return OMEN_OK;
}

static bool expect_row(void *ctx, uint32_t field, uint32_t row) {
    (void)ctx, (void)field;
    for (uint32_t i = 0; i < dims; i += 16) __builtin_prefetch(base + (size_t)row * dims + i);
    return true;
}

static void expect_key(void *ctx, uint32_t row, bool next) { (void)ctx, (void)row, (void)next; }
static void release_row(void *ctx, omen_scan_row *row) { (void)ctx, (void)row; }

static omen_status row_key(void *ctx, uint32_t row, uint8_t *bytes, omen_key *key, bool *live, omen_error *err) {
    (void)ctx, (void)err;
    bytes[0] = 1;
    for (int i = 0; i < 4; i++) bytes[1 + i] = (uint8_t)(row >> (24 - 8 * i));
    *key = (omen_key){bytes, 5};
    *live = true;
    return OMEN_OK;
}

static const omen_scan_ops ops = {.run = run, .release = release, .row_vector = row_vector, .expect_row = expect_row, .expect_key = expect_key, .release_row = release_row, .row = row_key};

/* ---- the index ---- */

static omen_index *make(fixture *x, omen_index_kind kind, const char *cache) {
    omen_vectors source = {.rows = rows, .dimensions = dims, .metric = metric, .element = OMEN_ELEMENT_F32, .read = read_vectors};
    omen_index_options options = {.kind = kind};
    omen_segment_info info;
    omen_index *index = NULL;
    omen_status s;
    FILE *f = cache ? fopen(cache, "rb") : NULL;
    if (f) {
        struct stat st;
        fstat(fileno(f), &st);
        size_t len = (size_t)st.st_size - sizeof info;
        void *bytes = need(malloc(len));
        if (fread(&info, sizeof info, 1, f) != 1 || fread(bytes, len, 1, f) != 1) fprintf(stderr, "%s is no cache\n", cache), exit(1);
        fault_storage_put(x->fs, omen_segment_file_name(info.number).text, bytes, len);
        free(bytes);
        fclose(f);
    } else {
        omen_index_build *b;
        bool done = false;
        must(omen_index_build_new(&x->store, 5, &options, &source, &b, NULL), "build");
        while (!done) {
            s = omen_index_build_step(b, &info, &done, NULL);
            if (s != OMEN_PENDING) must(s, "build");
        }
        omen_index_build_free(b);
        if (cache) {
            size_t len;
            const uint8_t *bytes = fault_storage_data(x->fs, omen_segment_file_name(info.number).text, &len);
            f = need(fopen(cache, "wb"));
            fwrite(&info, sizeof info, 1, f);
            fwrite(bytes, len, 1, f);
            fclose(f);
        }
    }
    STEP(s, omen_index_open(&x->store, &info, rows, dims, metric, OMEN_ELEMENT_F32, &index, NULL));
    must(s, "open");
    return index;
}

/* ---- one query ---- */

typedef struct ask {
    omen_mem *mem;
    omen_index *index;
    omen_ranker ranker;
    const float *query;
    const omen_bits *accept;
} ask;

static const omen_scan_source all_rows_template = {&ops, NULL, 0};

static void all_of(omen_topk *top, uint32_t *out, uint32_t *count) {
    omen_topk_sort(top);
    *count = top->count;
    for (uint32_t i = 0; i < top->count; i++) out[i] = top->heap[i].row;
}

static void by_matches(const ask *a, uint32_t *out, uint32_t *count) {
    omen_scan_source source = all_rows_template;
    omen_topk top;
    source.rows = rows;
    omen_topk_init(&top, a->mem, K);
    omen_matches x;
    omen_match_source m = {.rows = &source, .accept = a->accept};
    omen_matches_init(&x, a->mem, &m, 1, 0, &a->ranker, &top);
    must(omen_matches_step(&x, NULL), "matches");
    omen_matches_deinit(&x);
    all_of(&top, out, count);
    omen_topk_deinit(&top);
}

typedef struct done { uint64_t distances; uint32_t gave_up, widened; } done;

static void by_index(const ask *a, float recall, uint32_t *out, uint32_t *count, done *d) {
    omen_scan_source source = all_rows_template;
    omen_topk top;
    omen_ann ann;
    source.rows = rows;
    omen_index_plan plan = omen_index_plan_for(a->index, K, recall);
    omen_ann_source s = {.rows = &source, .index = a->index, .accept = a->accept, .effort = plan.effort, .slack = plan.slack, .want = plan.want};
    omen_topk_init(&top, a->mem, K);
    omen_ann_init(&ann, a->mem, &s, 1, 0, &a->ranker, a->query, &top);
    omen_status st;
    STEP(st, omen_ann_step(&ann, NULL));
    must(st, "search");
    d->distances += s.work.distances;
    d->gave_up += s.gave_up;
    d->widened += s.widened;
    omen_ann_deinit(&ann);
    all_of(&top, out, count);
    omen_topk_deinit(&top);
    if (s.gave_up) by_matches(a, out, count);
}

/* ---- filters ---- */

static uint32_t *cluster; /* of each row */
static uint64_t state = 88172645463325252u;
static uint32_t below(uint32_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 11) % n);
}

static float apart(const omen_ranker *r, uint32_t row) {
    float out;
    omen_rank_rows(r, base + (size_t)row * dims, norms + row, 1, &out);
    return out;
}

static uint32_t centres[CLUSTERS];

static void find_clusters(void) {
    cluster = need(calloc(rows, sizeof *cluster));
    float *best = need(malloc(rows * sizeof *best)), *d = need(malloc(rows * sizeof *d));
    for (uint32_t c = 0; c < CLUSTERS; c++) {
        centres[c] = below(rows);
        omen_ranker r = omen_ranker_of(metric, OMEN_ELEMENT_F32, dims, base + (size_t)centres[c] * dims);
        omen_rank_rows(&r, base, norms, rows, d);
        for (uint32_t i = 0; i < rows; i++)
            if (c == 0 || d[i] < best[i]) best[i] = d[i], cluster[i] = c;
    }
    free(best);
    free(d);
}

static omen_bits *filter_of(omen_mem *m, const char *kind, double share, const omen_ranker *r) {
    omen_bits *b = need(omen_bits_new(m, rows));
    uint32_t n = (uint32_t)(share * rows + 0.5);
    if (n < 1) n = 1;
    if (!strcmp(kind, "random")) {
        if (n > rows / 2) {
            for (uint32_t i = 0; i < rows; i++) omen_bits_set(b, i);
            for (uint32_t left = rows - n; left != 0;) {
                uint32_t i = below(rows);
                if (!omen_bits_test(b, i)) continue;
                b->words[i / 64] &= ~(UINT64_C(1) << i % 64);
                b->ones--, left--;
            }
        } else {
            while (b->ones < n) omen_bits_set(b, below(rows));
        }
        return b;
    }
    float d[CLUSTERS];
    uint32_t order[CLUSTERS];
    for (uint32_t c = 0; c < CLUSTERS; c++) {
        d[c] = apart(r, centres[c]);
        if (!strcmp(kind, "far")) d[c] = -d[c];
        uint32_t at = c;
        for (; at != 0 && d[order[at - 1]] > d[c]; at--) order[at] = order[at - 1];
        order[at] = c;
    }
    for (uint32_t c = 0; c < CLUSTERS && b->ones < n; c++)
        for (uint32_t i = 0; i < rows && b->ones < n; i++)
            if (cluster[i] == order[c]) omen_bits_set(b, i);
    return b;
}

/* So few that the database compares them in any case (db/leg_vector.c). */
static bool are_few(uint32_t matching) { return (uint64_t)matching * (dims * sizeof(float) + 1024) <= 1u << 20; }

static uint32_t common(const uint32_t *a, uint32_t an, const uint32_t *b, uint32_t bn) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < an; i++)
        for (uint32_t j = 0; j < bn; j++) n += a[i] == b[j];
    return n;
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {"random", "near", "far"};
    static const double shares[] = {0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1};
    if (argc < 5) return 2;
    size_t bytes, query_bytes;
    dims = (uint32_t)strtoul(argv[2], NULL, 10);
    metric = !strcmp(argv[3], "l2") ? OMEN_METRIC_L2 : OMEN_METRIC_COSINE;
    omen_index_kind kind = !strcmp(argv[4], "ivf") ? OMEN_INDEX_IVF : !strcmp(argv[4], "disk") ? OMEN_INDEX_DISK : OMEN_INDEX_HNSW;
    base = map_file(argv[1], "base.f32", &bytes);
    rows = (uint32_t)(bytes / sizeof(float) / dims);
    const float *query = map_file(argv[1], "query.f32", &query_bytes);
    uint32_t queries = (uint32_t)(query_bytes / sizeof(float) / dims), asked = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 100;
    if (asked < queries) queries = asked;
    norms = need(malloc(rows * sizeof *norms));
    for (uint32_t i = 0; i < rows; i++) {
        float square;
        omen_kernels_get()->dot_f32(base + (size_t)i * dims, base + (size_t)i * dims, 1, dims, &square);
        norms[i] = __builtin_sqrtf(square);
    }
    fixture x;
    fault_storage *fs = fault_storage_new(1);
    fixture_init(&x, fs, 7, 256u << 20);
    omen_index *index = make(&x, kind, argc > 6 ? argv[6] : NULL);
    find_clusters();
    fprintf(stderr, "kernels %s\n", omen_kernels_name());
    ask *asks = need(malloc(queries * sizeof *asks));
    omen_bits **accepts = need(malloc(queries * sizeof *accepts));
    uint32_t(*truth)[K] = need(malloc(queries * sizeof *truth)), *truths = need(malloc(queries * sizeof *truths)), got[K], gots;
    const char *only = argc > 7 ? argv[7] : NULL;
    for (size_t k = 0; k < OMEN_ARRAY_LEN(kinds); k++) {
        if (only && strcmp(only, kinds[k])) continue;
        for (size_t s = 0; s < OMEN_ARRAY_LEN(shares); s++) {
            double index_time[ROUNDS] = {0}, match_time[ROUNDS] = {0}, free_time[ROUNDS] = {0};
            uint64_t found = 0, wanted = 0, ones = 0, cost = 0, by_cost = 0;
            done d = {0}, ignored = {0};
            for (uint32_t q = 0; q < queries; q++) {
                omen_ranker r = omen_ranker_of(metric, OMEN_ELEMENT_F32, dims, query + (size_t)q * dims);
                asks[q] = (ask){&x.mem, index, r, query + (size_t)q * dims, NULL};
                accepts[q] = k == 0 && q != 0 ? omen_bits_ref(accepts[0]) : filter_of(&x.mem, kinds[k], shares[s], &r);
                omen_index_plan plan = omen_index_plan_for(index, K, RECALL);
                uint64_t estimate = omen_index_filtered_cost(index, accepts[q]->ones, &plan);
                ones += accepts[q]->ones;
                cost += estimate;
                by_cost += estimate < accepts[q]->ones && !are_few(accepts[q]->ones);
            }
            /* Each way in a pass of its own: what one leaves in the caches helps no other. */
            for (int r = 0; r < ROUNDS; r++) {
                double begun = cpu();
                for (uint32_t q = 0; q < queries; q++) by_index(&asks[q], RECALL, got, &gots, &ignored);
                free_time[r] = cpu() - begun;
                for (uint32_t q = 0; q < queries; q++) asks[q].accept = accepts[q];
                begun = cpu();
                for (uint32_t q = 0; q < queries; q++) by_matches(&asks[q], truth[q], &truths[q]);
                match_time[r] = cpu() - begun;
                begun = cpu();
                for (uint32_t q = 0; q < queries; q++) {
                    by_index(&asks[q], RECALL, got, &gots, r == 0 ? &d : &ignored);
                    if (r == 0) found += common(truth[q], truths[q], got, gots), wanted += truths[q];
                }
                index_time[r] = cpu() - begun;
                for (uint32_t q = 0; q < queries; q++) asks[q].accept = NULL;
            }
            for (uint32_t q = 0; q < queries; q++) omen_bits_unref(accepts[q]);
            for (int r = 1; r < ROUNDS; r++) {
                if (index_time[r] < index_time[0]) index_time[0] = index_time[r];
                if (match_time[r] < match_time[0]) match_time[0] = match_time[r];
                if (free_time[r] < free_time[0]) free_time[0] = free_time[r];
            }
            double scale = 1e6 / queries;
            printf("{\"filter\":\"%s\",\"share\":%g,\"rows\":%llu,\"recall\":%.4f,\"index\":%.1f,\"matches\":%.1f,\"unfiltered\":%.1f,\"distances\":%.0f,\"cost\":%.0f,\"filtered\":%.1f,\"byIndex\":%.3f,\"gaveUp\":%.3f}\n", kinds[k], shares[s],
                   (unsigned long long)(ones / queries), (double)found / (double)wanted, index_time[0] * scale, match_time[0] * scale, free_time[0] * scale, (double)d.distances / queries, (double)cost / queries,
                   (by_cost * 2 > queries ? index_time[0] : match_time[0]) * scale, (double)by_cost / queries, (double)d.gave_up / queries);
            fflush(stdout);
        }
    }
    omen_index_unref(index);
    fixture_deinit(&x);
    fault_storage_free(fs);
    return 0;
}
