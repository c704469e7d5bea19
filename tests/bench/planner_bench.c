/* planner_bench [ROWS [QUERIES]] - how well the planner knows its data: a collection of ROWS (100,000) records of 64 dimensions with documents of mixed fields and an index, and QUERIES (400)
 * filters of one predicate or two. One JSON line:
 *   estimates: of single predicates that match at least 20 rows, the share whose estimate is within 2x of the truth, and the worst of all
 *   choices:   each query searched by the plan that was chosen and by every other: the share in which the chosen one took at most 1.2 times the best, and the median and 95th percentile of that */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/prng.h"
#include "omendb.h"
#include "omendb_native.h"

enum { DIMS = 64, BATCH = 5000, PLANS = 4, REPEATS = 5 };
static const char *const plans[PLANS] = {"auto", "index", "matches", "scan"};

static void must(omen_status s) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s\n", omen_status_name(s), omen_last_error());
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static omen_prng prng = {7};
static uint32_t below(uint32_t n) { return (uint32_t)((omen_prng_next(&prng) >> 32) * n >> 32); }
static float uniform(void) { return (float)(omen_prng_next(&prng) >> 40) / 16777216.0f; }
/* 0 to n - 1, the first far more often than the last. */
static uint32_t skewed(uint32_t n) {
    float u = uniform();
    return (uint32_t)(u * u * u * (float)n);
}

static float centres[64][DIMS];

static uint32_t make_vector(float *v) {
    uint32_t c = below(64);
    for (uint32_t d = 0; d < DIMS; d++) v[d] = centres[c][d] + (uniform() - 0.5f) * 0.5f;
    return c;
}

static int make_document(char *out, size_t cap, uint32_t cluster) {
    int n = snprintf(out, cap, "{\"flat\":%u,\"skew\":%u,\"price\":%.2f,\"name\":\"name %u\",\"kind\":\"kind %u\",\"cluster\":%u,\"tags\":[\"t%u\",\"t%u\"],\"on\":%s,\"at\":\"20%02u-%02u-%02uT00:00:00Z\"", below(100000), skewed(10000),
                     (double)(uniform() * uniform() * 1000.0f), below(50000), skewed(40), cluster, skewed(200), skewed(200), below(10) == 0 ? "true" : "false", 10 + below(15), 1 + below(12), 1 + below(28));
    return n + snprintf(out + n, cap - (size_t)n, below(3) == 0 ? ",\"note\":\"x\"}" : "}");
}

static int single(char *out, size_t cap) {
    uint32_t width = 1;
    switch (below(11)) {
        case 0:
            for (uint32_t i = below(6); i != 0; i--) width *= 10;
            return snprintf(out, cap, "flat BETWEEN %u AND %u", below(100000), below(100000) + width);
        case 1: return snprintf(out, cap, "skew < %u", 1 + skewed(10000));
        case 2: return snprintf(out, cap, "skew = %u", skewed(200));
        case 3: return snprintf(out, cap, "price > %.1f", (double)(uniform() * 900.0f));
        case 4: return snprintf(out, cap, "kind = 'kind %u'", skewed(40));
        case 5: return snprintf(out, cap, "kind IN ('kind %u', 'kind %u', 'kind %u')", below(40), below(40), below(40));
        case 6: return snprintf(out, cap, "tags CONTAINS 't%u'", skewed(200));
        case 7: return snprintf(out, cap, "on = %s", below(2) == 0 ? "true" : "false");
        case 8: return snprintf(out, cap, "EXISTS(note)");
        case 9: return snprintf(out, cap, "at < DATE '20%02u-06-01'", 10 + below(15));
        default: return snprintf(out, cap, "cluster IN (%u, %u)", below(64), below(64));
    }
}

static int order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least time of some, in microseconds. */
static double search(omen_collection *c, const float *v, const char *filter, const char *plan) {
    double best = 1e18;
    char options[64];
    omen_query q;
    snprintf(options, sizeof options, "{\"plan\":\"%s\"}", plan);
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.include = 0;
    q.filter = (omen_str){filter, strlen(filter)};
    q.options = (omen_str){options, strlen(options)};
    for (int i = 0; i < REPEATS; i++) {
        omen_results *r;
        double from = now();
        must(omen_search(c, &q, &r));
        omen_results_free(r);
        double took = now() - from;
        if (took < best) best = took;
        if (best > 20000.0) break;
    }
    return best;
}

static double explained(omen_collection *c, const float *v, const char *filter) {
    static char text[1 << 16];
    size_t needed;
    omen_query q;
    omen_query_init(&q);
    q.vector = v;
    q.dimensions = DIMS;
    q.include = 0;
    q.filter = (omen_str){filter, strlen(filter)};
    must(omen_explain(c, &q, text, sizeof text, &needed));
    const char *at = strstr(text, "\"estimatedMatches\":");
    return at == NULL ? -1.0 : strtod(at + 19, NULL);
}

int main(int argc, char **argv) {
    uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000, queries = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 400;
    static omen_id ids[BATCH];
    static float vectors[BATCH][DIMS];
    static char text[BATCH][512];
    static omen_str documents[BATCH];
    static const omen_vector_field field = {.name = {"", 0}, .dimensions = DIMS, .metric = OMEN_METRIC_L2, .index = {.kind = OMEN_INDEX_HNSW}};
    omen_options o;
    omen_schema s;
    omen_db *db;
    omen_collection *c;
    char path[] = "/tmp/omen-planner-XXXXXX", file[sizeof path + 4];
    if (mkdtemp(path) == NULL) return 1;
    snprintf(file, sizeof file, "%s/db", path);
    omen_options_init(&o);
    o.durability = OMEN_DURABILITY_OS;
    omen_schema_init(&s);
    s.vectors = &field;
    s.vector_count = 1;
    must(omen_open(file, &o, &db));
    must(omen_collection_open(db, OMEN_STR("c"), &s, &c));
    for (uint32_t i = 0; i < 64; i++)
        for (uint32_t d = 0; d < DIMS; d++) centres[i][d] = uniform();
    for (uint32_t at = 0; at < rows; at += BATCH) {
        uint32_t n = rows - at < BATCH ? rows - at : BATCH;
        for (uint32_t i = 0; i < n; i++) {
            ids[i] = OMEN_ID_INT(at + i);
            documents[i] = (omen_str){text[i], (size_t)make_document(text[i], sizeof text[i], make_vector(vectors[i]))};
        }
        const void *columns[] = {vectors};
        must(omen_upsert(c, &(omen_batch){.count = n, .ids = ids, .vectors = columns, .documents = documents}));
    }
    must(omen_compact(db));
    must(omen_build_indexes(db));

    double *ratios = calloc(queries, sizeof *ratios), worst = 1.0;
    uint32_t good = 0, singles = 0, close = 0, chosen_best[PLANS] = {0};
    for (uint32_t i = 0; i < queries; i++) {
        char filter[512];
        float v[DIMS];
        uint64_t matches;
        bool one = i % 2 == 0;
        int n = single(filter, sizeof filter);
        if (!one) {
            n += snprintf(filter + n, sizeof filter - (size_t)n, below(3) == 0 ? " OR " : " AND ");
            single(filter + n, sizeof filter - (size_t)n);
        }
        (void)make_vector(v);
        must(omen_count_where(c, (omen_str){filter, strlen(filter)}, &matches));
        double estimate = explained(c, v, filter), truth = (double)matches;
        if (one && matches >= 20) {
            double off = estimate > truth ? estimate / truth : truth / (estimate > 0.1 ? estimate : 0.1);
            singles++;
            close += off <= 2.0;
            if (off > worst) {
                worst = off;
                fprintf(stderr, "   %s: %.0f estimated, %.0f match\n", filter, estimate, truth);
            }
        }
        double took[PLANS], best = 1e18;
        uint32_t which = 0;
        for (uint32_t p = 0; p < PLANS; p++) {
            took[p] = search(c, v, filter, plans[p]);
            if (took[p] < best) best = took[p], which = p;
        }
        chosen_best[which]++;
        ratios[i] = took[0] / best;
        good += ratios[i] <= 1.2;
        if (getenv("PLANNER_SHOW") != NULL) fprintf(stderr, "%8.0f  %7.1f auto %7.1f index %7.1f matches %7.1f scan  %.2f  %s\n", truth, took[0], took[1], took[2], took[3], ratios[i], filter);
    }
    qsort(ratios, queries, sizeof *ratios, order);
    printf("{\"rows\":%u,\"queries\":%u,\"singles\":%u,\"close\":%.4f,\"worst\":%.3f,\"right\":%.4f,\"median\":%.3f,\"p95\":%.3f,\"best\":{\"auto\":%u,\"index\":%u,\"matches\":%u,\"scan\":%u}}\n", rows, queries, singles,
           (double)close / (double)(singles == 0 ? 1 : singles), worst, (double)good / (double)queries, ratios[queries / 2], ratios[queries * 95 / 100], chosen_best[0], chosen_best[1], chosen_best[2], chosen_best[3]);
    free(ratios);
    omen_collection_close(c);
    must(omen_close(db));
    char remove[sizeof path + 16];
    snprintf(remove, sizeof remove, "rm -r %s", path);
    return system(remove) == 0 ? 0 : 1;
}
