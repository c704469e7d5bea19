/* text_bench - what text search takes, and how good its answers are. Prints JSON lines.
 *   text_bench speed FILE [QUERIES] [SEED]      FILE: one document a line (tests/bench/text_data.sh); build, and top 10 of any of two to four words
 *   text_bench ndcg NAME CORPUS QUERIES QRELS [K1 B]   nDCG@10; JSON lines with _id, title, text (a name ending in .zst is opened with zstd), and a TSV of query, document, grade
 *   text_bench hybrid NAME CORPUS QUERIES QRELS CORPUS_VECTORS QUERY_VECTORS [WORDS LIFT]   nDCG@10 of text and vectors (fvecs, exact cosine) together, by default settings and others.
 *     WORDS: of each query only so many, a weaker text side; LIFT: each query's vector is moved so far towards documents that answer it, a stronger dense side
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "column/element.h"
#include "fault_storage.h"
#ifdef __wasi__
#include "fault_host.h"
#else
#include "omendb_native.h"
#endif
#include "query/fuse.h"
#include "query/rank.h"
#include "text/analyze.h"
#include "text/bm25.h"

static omen_mem mem;
static omen_store store;
static omen_error error;

static void must(omen_status s, const char *what) {
    if (s == OMEN_OK) return;
    fprintf(stderr, "%s: %s\n", what, error.text);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_all(const char *path, size_t *len) {
    char command[4096];
    size_t cap = 1 << 20, n, have = 0;
    bool packed = strlen(path) > 4 && strcmp(path + strlen(path) - 4, ".zst") == 0;
    snprintf(command, sizeof command, "zstd -dcq '%s'", path);
    #ifdef __wasi__
    (void)command;
    (void)packed; /* no other programs there: give it files that are not packed */
    FILE *f = fopen(path, "rb");
#else
    FILE *f = packed ? popen(command, "r") : fopen(path, "rb");
#endif
    char *text = malloc(cap + 1);
    if (f == NULL || text == NULL) {
        printf("{\"skipped\":\"%s is not there\"}\n", path);
        exit(0);
    }
    while ((n = fread(text + have, 1, cap - have, f)) != 0) {
        have += n;
        if (have == cap && (text = realloc(text, 1 + (cap *= 2))) == NULL) exit(1);
    }
#ifndef __wasi__
    if (packed) pclose(f);
    else
#endif
        fclose(f);
    text[have] = 0;
    *len = have;
    return text;
}

typedef struct line { const char *text; size_t len; } line;
static line *lines_of(char *text, size_t len, uint32_t *count) {
    line *lines = NULL;
    uint32_t n = 0;
    for (char *at = text, *end = text + len; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        if ((n & (n - 1)) == 0) lines = realloc(lines, (n == 0 ? 1 : n * 2) * sizeof *lines);
        if (lines == NULL) exit(1);
        if (stop != at) lines[n++] = (line){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    *count = n;
    return lines;
}

static void prepare(void) {
#ifdef __wasi__
    const omen_host *host = &fault_host_new(1)->host;
#else
    const omen_host *host = omen_host_native();
#endif
    omen_mem_init(&mem, host, 0);
    store.host = host;
    store.mem = &mem;
    store.storage = fault_storage_session(fault_storage_new(1));
    must(omen_pool_new(&mem, host, 256u << 20, &store.pool), "pool");
}

static omen_analyzer *analyzer(bool stop_words) {
    omen_analyzer_options o = {.language = omen_language_find("en", 2), .stop_words = stop_words};
    omen_analyzer *a;
    must(omen_analyzer_new(&mem, &o, &a, &error), "analyzer");
    return a;
}

#ifdef __wasi__
#define CPU_CLOCK CLOCK_MONOTONIC /* there is no other */
#else
#define CPU_CLOCK CLOCK_PROCESS_CPUTIME_ID
#endif
/* Of this process alone: what else the machine does counts less. */
static double cpu(void) {
    struct timespec t;
    clock_gettime(CPU_CLOCK, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- building and searching ---- */

static omen_postings *open_field(omen_segment *seg, uint32_t field) {
    omen_postings *p = NULL;
    must(omen_postings_open(&store, seg, field, &p, &error), "open");
    return p;
}

static void add_text(omen_postings_builder *b, omen_analyzer *a, uint32_t row, const char *text, size_t len) {
    omen_token t;
    must(omen_postings_row(b, row), "row");
    omen_analyzer_start(a, text, len, 0);
    while (omen_analyzer_next(a, &t)) must(omen_postings_add(b, t.term, t.len, t.position), "add");
}

static omen_segment *write_fields(omen_postings_builder **b, uint32_t count, uint32_t rows, omen_segment_info *info) {
    omen_segment_writer *w;
    omen_segment *seg = NULL;
    static uint64_t number = 1;
    must(omen_segment_writer_new(&store, number++, &w, &error), "writer");
    for (uint32_t f = 0; f < count; f++) must(omen_postings_builder_write(b[f], w, f, rows, &error), "write");
    must(omen_segment_writer_finish(w, info, &error), "finish");
    omen_segment_writer_free(w);
    must(omen_segment_open(&store, info, &seg, &error), "segment");
    return seg;
}

typedef struct ask { omen_text_item items[64]; omen_text_word words[64]; uint8_t bytes[64][OMEN_TERM_MAX]; uint32_t count; } ask;

static void ask_of(ask *q, omen_analyzer *a, const char *text, size_t len) {
    omen_token t;
    q->count = 0;
    omen_analyzer_start(a, text, len, 0);
    while (q->count < 64 && omen_analyzer_next(a, &t)) {
        uint32_t i = q->count++;
        memcpy(q->bytes[i], t.term, t.len);
        q->words[i] = (omen_text_word){q->bytes[i], t.len, 0};
        q->items[i] = (omen_text_item){.boost = 1, .words = &q->words[i], .word_count = 1};
    }
}

static uint32_t top(const omen_text_source *source, const omen_text_query *query, omen_text_hit *hits, uint32_t k, omen_text_work *work) {
    omen_text_plan *p;
    omen_text_search *s;
    omen_text_top t;
    must(omen_text_plan_new(&mem, query, source, 1, &p, &error), "plan");
    must(omen_text_plan_step(p, &error), "plan");
    omen_text_top_init(&t, hits, k);
    must(omen_text_search_new(p, 0, &t.collector, &s, &error), "search");
    must(omen_text_search_step(s, &error), "search");
    if (work != NULL) {
        const omen_text_work *w = omen_text_search_work(s);
        work->postings += w->postings;
        work->blocks += w->blocks;
        work->windows += w->windows;
        work->candidates += w->candidates;
        work->offered += w->offered;
        work->bytes += w->bytes;
    }
    omen_text_search_free(s);
    omen_text_plan_free(p);
    omen_text_top_sort(&t);
    return t.count;
}

static int by_number(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static int speed(const char *path, uint32_t queries, uint64_t seed) {
    size_t len;
    uint32_t rows;
    char *text = read_all(path, &len);
    line *lines = lines_of(text, len, &rows);
    omen_analyzer *a = analyzer(false);
    double begin = cpu(), terms_only, built;
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < rows; i++) {
        omen_token t;
        omen_analyzer_start(a, lines[i].text, lines[i].len, 0);
        while (omen_analyzer_next(a, &t)) tokens++;
    }
    terms_only = cpu() - begin;
    omen_postings_options o = {.positions = true};
    omen_postings_builder *b;
    omen_segment_info info;
    begin = cpu();
    must(omen_postings_builder_new(&mem, &o, &b), "builder");
    for (uint32_t i = 0; i < rows; i++) add_text(b, a, i, lines[i].text, lines[i].len);
    double added = cpu() - begin;
    size_t held = omen_postings_builder_bytes(b);
    omen_segment *seg = write_fields(&b, 1, rows, &info);
    built = cpu() - begin;
    omen_postings_builder_free(b);
    omen_postings *p = open_field(seg, 0);
    printf("{\"figure\":\"text.build_native\",\"documents\":%u,\"bytes\":%zu,\"tokens\":%llu,\"terms\":%u,\"documents_per_s\":%.0f,\"analysis_s\":%.3f,\"add_s\":%.3f,\"total_s\":%.3f,\"index_bytes\":%llu,\"builder_bytes\":%zu,\"open_bytes\":%zu}\n", rows, len,
           (unsigned long long)tokens, p->term_count, rows / built, terms_only, added, built, (unsigned long long)info.length, held, omen_postings_bytes(p));
    omen_text_source_field field = {.postings = p};
    omen_text_source source = {.fields = &field, .rows = rows};
    float weight = 1;
    double *best = malloc(queries * sizeof *best);
    omen_text_work work = {0};
    uint64_t found = 0;
    for (uint32_t i = 0; i < queries; i++) {
        char words[512];
        size_t n = 0;
        uint32_t want = 2 + i % 3;
        while (want != 0) { /* words as often as texts have them, of three letters or more */
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            const line *l = &lines[(seed >> 33) % rows];
            size_t from = (size_t)(seed >> 13) % l->len, to;
            while (from != 0 && l->text[from - 1] != ' ') from--;
            for (to = from; to < l->len && l->text[to] >= 'a' && l->text[to] <= 'z';) to++;
            if (to - from < 3 || to - from > 100 || (to < l->len && l->text[to] != ' ')) continue;
            memcpy(words + n, l->text + from, to - from);
            n += to - from;
            words[n++] = ' ';
            want--;
        }
        best[i] = 1e9;
        for (unsigned round = 0; round < 5; round++) {
            ask q;
            omen_text_hit hits[10];
            begin = now();
            ask_of(&q, a, words, n);
            omen_text_query query = {.items = q.items, .item_count = q.count, .field_weights = &weight, .field_count = 1, .k1 = 1.2f, .b = 0.75f};
            uint32_t count = top(&source, &query, hits, 10, round == 0 ? &work : NULL);
            double took = now() - begin;
            if (round != 0 && took < best[i]) best[i] = took;
            found += round == 0 ? count : 0;
        }
    }
    qsort(best, queries, sizeof *best, by_number);
    printf("{\"figure\":\"text.p50\",\"queries\":%u,\"hits\":%llu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,\"postings\":%llu,\"blocks\":%llu,\"windows\":%llu,\"candidates\":%llu,\"offered\":%llu}\n", queries, (unsigned long long)found, best[queries / 2] * 1e3,
           best[queries * 99 / 100] * 1e3, best[queries - 1] * 1e3, (unsigned long long)(work.postings / queries), (unsigned long long)(work.blocks / queries), (unsigned long long)(work.windows / queries), (unsigned long long)(work.candidates / queries),
           (unsigned long long)(work.offered / queries));
    return 0;
}

/* ---- quality ---- */

static omen_str member(const omen_json_val *v, const char *key) {
    omen_str s = {"", 0};
    (void)omen_json_str(omen_json_get(v, key), &s);
    return s;
}

typedef struct record { omen_json *json; omen_str id, title, text; } record;

static record *records_of(const char *path, uint32_t *count) {
    size_t len;
    char *text = read_all(path, &len);
    line *lines = lines_of(text, len, count);
    record *r = calloc(*count, sizeof *r);
    for (uint32_t i = 0; i < *count; i++) {
        must(omen_json_parse(&mem, (omen_str){lines[i].text, lines[i].len}, &r[i].json, &error), path);
        const omen_json_val *v = omen_json_root(r[i].json);
        r[i].id = member(v, "_id");
        r[i].title = member(v, "title");
        r[i].text = member(v, "text");
    }
    return r;
}

typedef struct grade { omen_str query, document; double gain; } grade;

static bool same(omen_str a, omen_str b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }

static double ndcg_of(const grade *g, uint32_t grades, omen_str query, const record *docs, const uint32_t *rows, uint32_t count, bool *graded) {
    double best[1024], got = 0, ideal = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < grades; i++)
        if (same(g[i].query, query) && g[i].gain > 0 && n < 1024) best[n++] = g[i].gain;
    *graded = n != 0;
    qsort(best, n, sizeof *best, by_number);
    for (uint32_t i = 0; i < n && i < 10; i++) ideal += best[n - 1 - i] / log2(i + 2.0);
    for (uint32_t h = 0; h < count && h < 10; h++)
        for (uint32_t i = 0; i < grades; i++)
            if (same(g[i].query, query) && g[i].gain > 0 && same(g[i].document, docs[rows[h]].id)) got += g[i].gain / log2(h + 2.0);
    return ideal == 0 ? 0 : got / ideal;
}

static grade *grades_of(const char *path, uint32_t *count) {
    size_t len;
    uint32_t lines_count;
    char *text = read_all(path, &len);
    line *lines = lines_of(text, len, &lines_count);
    grade *g = calloc(lines_count, sizeof *g);
    *count = 0;
    for (uint32_t i = 1; i < lines_count; i++) {
        const char *tab = memchr(lines[i].text, '\t', lines[i].len), *two = tab == NULL ? NULL : strchr(tab + 1, '\t');
        if (two != NULL) g[(*count)++] = (grade){{lines[i].text, (size_t)(tab - lines[i].text)}, {tab + 1, (size_t)(two - tab - 1)}, atof(two + 1)};
    }
    return g;
}

/* Title and text as one field; as two, with the title's weight. */
typedef struct corpus {
    omen_analyzer *analyzer;
    omen_segment *seg;
    omen_postings *postings[2];
    omen_text_source_field fields[2];
    omen_text_source source;
    float weights[2];
    bool one;
} corpus;

static void corpus_open(corpus *c, const record *d, uint32_t docs, bool one, float title, bool stop) {
    omen_postings_options o = {.positions = true};
    omen_postings_builder *b[2];
    omen_segment_info info;
    *c = (corpus){.analyzer = analyzer(stop), .weights = {one ? 1 : title, 1}, .one = one};
    for (unsigned f = 0; f < 2; f++) must(omen_postings_builder_new(&mem, &o, &b[f]), "builder");
    for (uint32_t i = 0; i < docs; i++) {
        char *both = malloc(d[i].title.len + d[i].text.len + 2);
        size_t n = d[i].title.len;
        memcpy(both, d[i].title.data, n);
        both[n++] = ' ';
        memcpy(both + n, d[i].text.data, d[i].text.len);
        if (one) add_text(b[0], c->analyzer, i, both, n + d[i].text.len);
        else {
            add_text(b[0], c->analyzer, i, d[i].title.data, d[i].title.len);
            add_text(b[1], c->analyzer, i, d[i].text.data, d[i].text.len);
        }
        free(both);
    }
    c->seg = write_fields(b, one ? 1 : 2, docs, &info);
    for (unsigned f = 0; f < 2; f++) {
        omen_postings_builder_free(b[f]);
        if (f == 0 || !one) c->fields[f].postings = c->postings[f] = open_field(c->seg, f);
    }
    c->source = (omen_text_source){.fields = c->fields, .rows = docs};
}

static void corpus_close(corpus *c) {
    for (unsigned f = 0; f < 2; f++) omen_postings_close(c->postings[f]);
    omen_segment_close(c->seg);
    omen_analyzer_free(c->analyzer);
}

/* words: how many of the query's are taken, 0: all. */
static uint32_t corpus_top(const corpus *c, omen_str text, uint32_t words, float k1, float b, omen_text_hit *hits, uint32_t k) {
    static ask q;
    ask_of(&q, c->analyzer, text.data, text.len);
    omen_text_query query = {.items = q.items, .item_count = words != 0 && words < q.count ? words : q.count, .field_weights = c->weights, .field_count = c->one ? 1 : 2, .k1 = k1, .b = b};
    return top(&c->source, &query, hits, k, NULL);
}

static int ndcg(char **argv, int argc) {
    uint32_t docs, queries, grades;
    record *d = records_of(argv[3], &docs), *q = records_of(argv[4], &queries);
    grade *g = grades_of(argv[5], &grades);
    for (unsigned mode = 0; mode < 6; mode++) {
        bool one = mode % 3 == 0, stop = mode >= 3;
        corpus c;
        double sum = 0;
        uint32_t n = 0;
        corpus_open(&c, d, docs, one, mode % 3 == 2 ? 0.5f : 1, stop);
        for (uint32_t i = 0; i < queries; i++) {
            omen_text_hit hits[10];
            uint32_t rows[10], count = corpus_top(&c, q[i].text, 0, argc > 7 ? (float)atof(argv[6]) : 1.2f, argc > 7 ? (float)atof(argv[7]) : 0.75f, hits, 10);
            bool graded;
            for (uint32_t h = 0; h < count; h++) rows[h] = hits[h].row;
            sum += ndcg_of(g, grades, q[i].id, d, rows, count, &graded);
            n += graded;
        }
        printf("{\"figure\":\"ndcg.%s\",\"fields\":%u,\"title_weight\":%.1f,\"stop_words\":%s,\"queries\":%u,\"ndcg10\":%.4f}\n", argv[2], one ? 1u : 2u, (double)c.weights[0], stop ? "true" : "false", n, sum / n);
        corpus_close(&c);
    }
    return 0;
}

/* ---- text and vectors ---- */

typedef struct vectors { float *floats, *norms; uint32_t rows, dims; } vectors;

static vectors vectors_of(const char *path) {
    size_t len;
    char *bytes = read_all(path, &len);
    vectors v = {.dims = omen_get32(bytes)};
    size_t row = 4 + (size_t)v.dims * 4;
    v.rows = (uint32_t)(len / row);
    v.floats = malloc((size_t)v.rows * (row - 4) + 64);
    v.norms = malloc(v.rows * sizeof *v.norms);
    if (v.floats == NULL || v.norms == NULL) exit(1);
    for (uint32_t i = 0; i < v.rows; i++) {
        memcpy(v.floats + (size_t)i * v.dims, bytes + i * row + 4, row - 4);
        v.norms[i] = omen_element_norm(OMEN_ELEMENT_F32, v.floats + (size_t)i * v.dims, v.dims);
    }
    free(bytes);
    return v;
}

static void set_candidate(omen_candidate *c, uint32_t row, float distance) {
    *c = (omen_candidate){.distance = distance, .row = row, .key_len = 4, .small = {(uint8_t)(row >> 24), (uint8_t)(row >> 16), (uint8_t)(row >> 8), (uint8_t)row}};
}

static uint32_t nearest(const vectors *v, const float *query, omen_candidate *into, uint32_t k) {
    static float *ranks;
    omen_topk t;
    omen_ranker r = omen_ranker_of(OMEN_METRIC_COSINE, OMEN_ELEMENT_F32, v->dims, query);
    if (ranks == NULL && (ranks = malloc(v->rows * sizeof *ranks)) == NULL) exit(1);
    omen_rank_rows(&r, v->floats, v->norms, v->rows, ranks);
    omen_topk_init(&t, &mem, k);
    for (uint32_t i = 0; i < v->rows; i++) {
        omen_candidate c;
        set_candidate(&c, i, ranks[i]);
        must(omen_topk_push(&t, ranks[i], 0, i, omen_candidate_key(&c)), "top");
    }
    omen_topk_sort(&t);
    uint32_t count = t.count;
    memcpy(into, t.heap, count * sizeof *into); /* ids lie in the candidates */
    omen_topk_deinit(&t);
    return count;
}

/* Towards each graded document by a chance of its own (the same in every run), so that some queries gain much and others nothing. */
static void lift(float *query, const vectors *v, double by, const grade *g, uint32_t grades, omen_str id, const record *d) {
    static uint64_t seed = 7;
    for (uint32_t i = 0; i < grades; i++) {
        uint32_t row = 0;
        if (!same(g[i].query, id) || g[i].gain <= 0) continue;
        while (row < v->rows && !same(d[row].id, g[i].document)) row++;
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        double chance = (double)(seed >> 40) / (1 << 24);
        for (uint32_t e = 0; row < v->rows && e < v->dims; e++) query[e] = (float)((double)query[e] + by * chance * (double)v->floats[(size_t)row * v->dims + e]);
    }
}

static int hybrid(char **argv, int argc) {
    static const struct { const char *name; omen_fuse_options o; } ways[] = {{"hybrid", {.kind = OMEN_FUSE_WEIGHTED}}, {"rrf", {.kind = OMEN_FUSE_RRF, .k = OMEN_FUSE_K}},
        {"alpha10", {.shares = OMEN_FUSE_ALPHA, .alpha = 0.1f}}, {"alpha30", {.shares = OMEN_FUSE_ALPHA, .alpha = 0.3f}}, {"alpha50", {.shares = OMEN_FUSE_ALPHA, .alpha = 0.5f}}, {"text", {.shares = OMEN_FUSE_ALPHA, .alpha = 0}}, {"dense", {.shares = OMEN_FUSE_ALPHA, .alpha = 1}}};
    uint32_t docs, queries, grades, words = argc > 8 ? (uint32_t)strtoul(argv[8], NULL, 10) : 0;
    double by = argc > 9 ? atof(argv[9]) : 0;
    record *d = records_of(argv[3], &docs), *q = records_of(argv[4], &queries);
    grade *g = grades_of(argv[5], &grades);
    vectors base = vectors_of(argv[6]), asked = vectors_of(argv[7]);
    if (base.rows != docs || asked.rows != queries || base.dims != asked.dims) {
        fprintf(stderr, "the vectors are not those of the texts\n");
        return 1;
    }
    omen_candidate(*near)[OMEN_FUSE_DEPTH] = malloc(queries * sizeof *near), texts[OMEN_FUSE_DEPTH];
    uint32_t *near_count = malloc(queries * sizeof *near_count);
    for (uint32_t i = 0; i < queries; i++) {
        float *query = asked.floats + (size_t)i * asked.dims;
        if (by != 0) lift(query, &base, by, g, grades, q[i].id, d);
        near_count[i] = nearest(&base, query, near[i], OMEN_FUSE_DEPTH);
    }
    for (unsigned mode = 0; mode < 3; mode++) {
        corpus c;
        double sums[OMEN_ARRAY_LEN(ways)] = {0};
        uint32_t n = 0;
        corpus_open(&c, d, docs, mode == 0, mode == 2 ? 0.5f : 1, true);
        for (uint32_t i = 0; i < queries; i++) {
            omen_text_hit hits[OMEN_FUSE_DEPTH];
            uint32_t count = corpus_top(&c, q[i].text, words, 1.2f, 0.75f, hits, OMEN_FUSE_DEPTH);
            bool graded = false;
            for (uint32_t h = 0; h < count; h++) set_candidate(&texts[h], hits[h].row, -hits[h].score);
            omen_fuse_leg legs[2] = {{.hits = near[i], .count = near_count[i], .depth = OMEN_FUSE_DEPTH, .weight = 1, .floor = __builtin_nanf(""), .dense = true},
                                     {.hits = texts, .count = count, .depth = OMEN_FUSE_DEPTH, .weight = 1, .floor = 0}};
            for (unsigned w = 0; w < OMEN_ARRAY_LEN(ways); w++) {
                omen_fused f;
                uint32_t rows[10];
                must(omen_fuse(&mem, legs, 2, &ways[w].o, &f, &error), "fuse");
                for (uint32_t h = 0; h < f.count && h < 10; h++) rows[h] = f.hits[h].candidate->row;
                sums[w] += ndcg_of(g, grades, q[i].id, d, rows, OMEN_MIN(f.count, 10u), &graded);
                omen_fused_deinit(&f);
            }
            n += graded;
        }
        printf("{\"figure\":\"ndcg.hybrid.%s\",\"fields\":%u,\"title_weight\":%.1f,\"words\":%u,\"lift\":%.2f,\"queries\":%u", argv[2], mode == 0 ? 1u : 2u, (double)c.weights[0], words, by, n);
        for (unsigned w = 0; w < OMEN_ARRAY_LEN(ways); w++) printf(",\"%s\":%.4f", ways[w].name, sums[w] / n);
        printf("}\n");
        corpus_close(&c);
    }
    return 0;
}

int main(int argc, char **argv) {
    prepare();
    if (argc >= 3 && strcmp(argv[1], "speed") == 0) return speed(argv[2], argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 200, argc > 4 ? strtoull(argv[4], NULL, 10) : 1);
    if (argc >= 6 && strcmp(argv[1], "ndcg") == 0) return ndcg(argv, argc);
    if (argc >= 8 && strcmp(argv[1], "hybrid") == 0) return hybrid(argv, argc);
    fprintf(stderr, "usage: text_bench speed FILE [QUERIES] [SEED] | ndcg NAME CORPUS QUERIES QRELS [K1 B] | hybrid NAME CORPUS QUERIES QRELS CORPUS_VECTORS QUERY_VECTORS [WORDS LIFT]\n");
    return 2;
}
