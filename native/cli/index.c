/* index.c - the parameters of indexes, building them, and how searches use them: index, explain. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

#define STEP_US 100000u
#define WHAT (2 * OMEN_MAX_NAME + 40) /* collection, field and segment, with their separators */

/* ---- parameters ---- */

static bool choose(const char *const *names, size_t count, const char *name, int *out) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (int)i;
        return true;
    }
    return false;
}

bool cli_index_given(void) {
    return cli_given("index") || cli_given("index-m") || cli_given("index-ef") || cli_given("index-codec") || cli_given("index-lists") || cli_given("index-bits");
}

omen_status cli_index_options(omen_index_options *out) {
    static const char *const kinds[] = {"auto", "flat", "hnsw", "ivf", "disk"}, *const codecs[] = {"auto", "sq8", "rabitq", "pq"};
    const struct { const char *name; uint64_t min, max; uint32_t *to; } numbers[] = {{"index-m", 4, 128, &out->m},
                                                                                    {"index-ef", 8, 2000, &out->ef_construction},
                                                                                    {"index-lists", 1, 65536, &out->lists},
                                                                                    {"index-bits", 1, 8, &out->bits}};
    int n = 0;
    memset(out, 0, sizeof *out);
    if (!choose(kinds, 5, cli_option("index", "auto"), &n))
        return cli_fail(OMEN_ERR_INVALID, "--index is \"%.60s\"; it must be auto, flat, hnsw, ivf or disk", cli_option("index", ""));
    out->kind = (omen_index_kind)n;
    if (!choose(codecs, 4, cli_option("index-codec", "auto"), &n))
        return cli_fail(OMEN_ERR_INVALID, "--index-codec is \"%.60s\"; it must be sq8, rabitq or pq", cli_option("index-codec", ""));
    out->codec = (omen_codec)n;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t value;
        CLI_TRY(cli_option_u64(numbers[i].name, numbers[i].min, numbers[i].max, 0, &value));
        *numbers[i].to = (uint32_t)value;
    }
    bool graph = out->kind == OMEN_INDEX_HNSW || out->kind == OMEN_INDEX_DISK;
    if ((out->m != 0 || out->ef_construction != 0) && !graph) return cli_fail(OMEN_ERR_INVALID, "--index-m and --index-ef are of graphs; give --index hnsw or --index disk with them");
    if ((out->codec != OMEN_CODEC_AUTO || out->lists != 0) && out->kind != OMEN_INDEX_IVF)
        return cli_fail(OMEN_ERR_INVALID, "--index-codec and --index-lists are of ivf; give --index ivf with them");
    if (out->bits != 0 && out->codec != OMEN_CODEC_RABITQ) return cli_fail(OMEN_ERR_INVALID, "--index-bits is of one codec; give --index ivf --index-codec rabitq with it");
    return OMEN_OK;
}

omen_status cli_effort_options(omen_query *q) {
    uint64_t n;
    const char *recall = cli_option("recall", NULL);
    if (recall != NULL) {
        char *end;
        double r = strtod(recall, &end);
        if (end == recall || *end != '\0' || !(r > 0 && r <= 1))
            return cli_fail(OMEN_ERR_INVALID, "--recall is \"%.60s\"; it must be a number above 0, at most 1: the share of the nearest to find", recall);
        q->recall = (float)r;
    }
    CLI_TRY(cli_option_u64("ef", 1, OMEN_MAX_K, 0, &n));
    q->ef = (uint32_t)n;
    CLI_TRY(cli_option_u64("nprobe", 1, 65536, 0, &n));
    q->nprobe = (uint32_t)n;
    q->exact = cli_given("exact");
    if (q->exact && (q->ef != 0 || q->nprobe != 0)) return cli_fail(OMEN_ERR_INVALID, "--exact compares every record, so it takes no %s; leave one of the two out", q->ef != 0 ? "--ef" : "--nprobe");
    if (q->ef != 0 && q->nprobe != 0) return cli_fail(OMEN_ERR_INVALID, "--ef is of graphs (hnsw, disk) and --nprobe of lists (ivf); give the one of the index that there is");
    return OMEN_OK;
}

/* ---- index ---- */

/* What is being built, as `omen_stats` tells it, and what was there when it last told: the indexes by what they are of,
 * each with its file and that file's hash. A small index is built within one step, between two reports, and has a bar nevertheless. */
typedef struct built { char what[WHAT], file[80]; uint64_t rows; } built;
typedef struct task {
    char what[WHAT];
    uint64_t rows;
    bool on;
    built *known;
    size_t count;
} task;

static void name_task(char out[static WHAT], const char *collection, const char *field, const char *segment) {
    snprintf(out, WHAT, "%.128s.%.128s %.30s", collection, field, segment);
}

static uint64_t rows_of(yyjson_val *root, const char *collection, const char *segment) {
    yyjson_val *c, *s;
    size_t i, n, k, m;
    yyjson_arr_foreach(yyjson_obj_get(root, "collections"), i, n, c) {
        if (strcmp(cli_member(c, "name"), collection) != 0) continue;
        yyjson_arr_foreach(yyjson_obj_get(c, "segments"), k, m, s)
            if (strcmp(cli_member(s, "file"), segment) == 0) return yyjson_get_uint(yyjson_obj_get(s, "rows"));
    }
    return 0;
}

static void begin(task *t, const char *what, uint64_t rows) {
    if (t->on) cli_progress_end(); /* given up: its segment was merged away, or it could not be built */
    snprintf(t->what, sizeof t->what, "%s", what);
    t->rows = rows;
    t->on = true;
    cli_progress_begin(t->what, t->rows);
}

static void done(task *t) {
    cli_progress(t->rows, t->rows);
    cli_progress_end();
    t->on = false;
}

static bool known(const task *t, const built *b) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->known[i].what, b->what) == 0 && strcmp(t->known[i].file, b->file) == 0) return true;
    return false;
}

/* The indexes that there are. */
static omen_status list_built(yyjson_val *root, built **out, size_t *count) {
    yyjson_val *c, *s, *x;
    size_t i, n, k, m, a, b, capacity = 0;
    *out = NULL;
    *count = 0;
    yyjson_arr_foreach(yyjson_obj_get(root, "collections"), i, n, c)
        yyjson_arr_foreach(yyjson_obj_get(c, "segments"), k, m, s)
            yyjson_arr_foreach(yyjson_obj_get(s, "indexes"), a, b, x) {
                if (*count == capacity) {
                    capacity = capacity == 0 ? 16 : 2 * capacity;
                    built *larger = realloc(*out, capacity * sizeof **out);
                    if (larger == NULL) return cli_no_memory();
                    *out = larger;
                }
                built *one = *out + (*count)++;
                name_task(one->what, cli_member(c, "name"), cli_member(x, "field"), cli_member(s, "file"));
                yyjson_val *index = yyjson_obj_get(x, "index");
                snprintf(one->file, sizeof one->file, "%.30s %.40s", cli_member(index, "file"), cli_member(index, "hash"));
                one->rows = yyjson_get_uint(yyjson_obj_get(s, "rows"));
            }
    return OMEN_OK;
}

/* One bar for each index: that of the one seen in the making is filled, one built unseen is shown full. */
static omen_status show_built(yyjson_val *root, task *t, bool show) {
    built *now;
    size_t count;
    omen_status s = list_built(root, &now, &count);
    if (s != OMEN_OK) {
        free(now);
        return s;
    }
    for (size_t i = 0; show && i < count; i++) {
        if (known(t, &now[i])) continue;
        if (!t->on || strcmp(t->what, now[i].what) != 0) begin(t, now[i].what, now[i].rows);
        done(t);
    }
    free(t->known);
    t->known = now;
    t->count = count;
    return OMEN_OK;
}

static void show_building(yyjson_val *root, task *t) {
    char what[sizeof t->what];
    yyjson_val *at = yyjson_obj_get(root, "indexing");
    if (!yyjson_is_obj(at)) {
        if (t->on) cli_progress_end();
        t->on = false;
        return;
    }
    name_task(what, cli_member(at, "collection"), cli_member(at, "field"), cli_member(at, "segment"));
    if (!t->on || strcmp(what, t->what) != 0) begin(t, what, rows_of(root, cli_member(at, "collection"), cli_member(at, "segment")));
    uint64_t rows = (uint64_t)(yyjson_get_num(yyjson_obj_get(at, "progress")) * (double)t->rows);
    cli_progress(rows, rows);
}

/* show: what is new since the last look; else only what is there. */
static omen_status look(omen_db *db, task *t, bool show) {
    char *text;
    size_t len;
    CLI_TRY(cli_stats_text(db, &text, &len));
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    omen_status s = doc == NULL ? cli_no_memory() : show_built(yyjson_doc_get_root(doc), t, show);
    if (s == OMEN_OK && show) show_building(yyjson_doc_get_root(doc), t);
    yyjson_doc_free(doc);
    free(text);
    return s;
}

static omen_status build(omen_db *db) {
    task t = {0};
    int more = 1;
    omen_status s = look(db, &t, false);
    if (s == OMEN_OK) s = cli_core(omen_flush(db));
    if (s == OMEN_OK) s = look(db, &t, true);
    while (s == OMEN_OK && more) {
        s = cli_core(omen_db_maintain(db, STEP_US, &more));
        if (s == OMEN_OK) s = look(db, &t, true);
    }
    cli_progress_end();
    free(t.known);
    return s;
}

/* What could not be built ends the program with its error. */
static omen_status failure(yyjson_val *root) {
    yyjson_val *f = yyjson_obj_get(root, "indexFailure");
    if (!yyjson_is_obj(f)) return OMEN_OK;
    omen_status s = OMEN_ERR_INTERNAL;
#define X(name, value, text)                                                                                           \
    if (strcmp(cli_member(f, "code"), "OMEN_" #name) == 0) s = OMEN_##name;
    OMEN_STATUS_MAP(X)
#undef X
    return cli_fail(s, "an index could not be built: %s%s", cli_member(f, "message"),
                    s == OMEN_ERR_MEMORY ? " (--memory-bytes; --index disk takes least)" : s == OMEN_ERR_LIMIT ? " (--index-bytes; --index disk takes least)" : "");
}

/* Every index there is, and where there is none, why. */
static omen_status report(omen_db *db) {
    char *text;
    size_t len, segments = 0;
    yyjson_val *c, *s, *x;
    size_t i, n, k, m, a, b;
    CLI_TRY(cli_stats_text(db, &text, &len));
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("indexes");
        cli_json_array();
    }
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(doc), "collections"), i, n, c)
        yyjson_arr_foreach(yyjson_obj_get(c, "segments"), k, m, s) {
            segments++;
            yyjson_arr_foreach(yyjson_obj_get(s, "indexes"), a, b, x) {
                yyjson_val *index = yyjson_obj_get(x, "index");
                uint64_t rows = yyjson_get_uint(yyjson_obj_get(s, "rows")), bytes = yyjson_get_uint(yyjson_obj_get(index, "bytes"));
                const char *collection = cli_member(c, "name"), *field = cli_member(x, "field"), *kind = cli_member(index, "kind"), *segment = cli_member(s, "file");
                if (!cli_json) {
                    printf("%s.%s  %s  %s, %llu rows, %llu bytes: %s\n", collection, field, segment, kind, (unsigned long long)rows, (unsigned long long)bytes, cli_member(x, "why"));
                    continue;
                }
                cli_json_object();
                cli_json_key("collection");
                cli_json_cstr(collection);
                cli_json_key("field");
                cli_json_cstr(field);
                cli_json_key("segment");
                cli_json_cstr(segment);
                cli_json_key("kind");
                cli_json_cstr(kind);
                cli_json_key("rows");
                cli_json_u64(rows);
                cli_json_key("bytes");
                cli_json_u64(bytes);
                cli_json_object_end();
            }
            yyjson_arr_foreach(yyjson_obj_get(s, "unindexed"), a, b, x) {
                if (cli_json) break;
                printf("%s.%s  %s  no index, %llu rows: %s\n", cli_member(c, "name"), cli_member(x, "field"), cli_member(s, "file"), (unsigned long long)yyjson_get_uint(yyjson_obj_get(s, "rows")),
                       cli_member(x, "why"));
            }
        }
    if (cli_json) {
        cli_json_array_end();
        cli_json_object_end();
        cli_json_end();
    } else if (segments == 0) {
        puts("there are no indexes: there is nothing to index yet");
    }
    omen_status status = failure(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    free(text);
    return status;
}

static omen_status change(omen_db *db) {
    omen_index_options options;
    omen_collection *c = NULL;
    uint32_t field;
    CLI_TRY(cli_index_options(&options));
    omen_status s = cli_collection_open(db, &c);
    if (s == OMEN_OK) s = cli_field_choose(c, &field);
    if (s == OMEN_OK) s = cli_core(omen_collection_index(c, omen_collection_schema(c)->vectors[field].name, &options));
    omen_collection_close(c);
    return s;
}

omen_status cli_run_index(void) {
    omen_db *db;
    omen_index_options unused;
    CLI_TRY(cli_index_options(&unused)); /* before anything is opened */
    if ((cli_given("collection") || cli_given("field")) && !cli_index_given())
        return cli_fail(OMEN_ERR_INVALID, "all indexes are built; --collection and --field say whose index is changed, so give --index KIND with them");
    CLI_TRY(cli_database_open(CLI_MAINTAIN, &db));
    omen_status s = cli_index_given() ? change(db) : OMEN_OK;
    if (s == OMEN_OK && !cli_given("no-build")) s = build(db);
    if (s == OMEN_OK) s = report(db);
    return cli_database_close(db, s);
}

/* ---- explain ---- */

static uint64_t number(yyjson_val *object, const char *key) { return yyjson_get_uint(yyjson_obj_get(object, key)); }

static void show_source(yyjson_val *s, const char *margin) {
    const char *index = cli_member(s, "index");
    yyjson_val *slack = yyjson_obj_get(s, "slack"), *matches = yyjson_obj_get(s, "matches");
    const char *unit = slack != NULL ? "slack" : yyjson_obj_get(s, "nprobe") != NULL ? "nprobe" : "ef";
    printf("%s%s: %llu rows, ", margin, cli_member(s, "source"), (unsigned long long)number(s, "rows"));
    if (matches != NULL)
        printf("%llu of them match (%.0f were expected), ", (unsigned long long)yyjson_get_uint(matches), yyjson_get_num(yyjson_obj_get(s, "estimatedMatches")));
    fputs(index, stdout);
    if (yyjson_obj_get(s, unit) != NULL)
        printf(" with %s %g: %llu candidates, %llu of them ranked exactly, %llu code distances, %llu microseconds", unit,
               yyjson_get_num(yyjson_obj_get(s, unit)), (unsigned long long)number(s, "candidates"), (unsigned long long)number(s, "ranked"),
               (unsigned long long)number(s, "codeDistances"), (unsigned long long)number(s, "microseconds"));
    printf("\n%s    %s\n", margin, cli_member(s, "why"));
}

static void show_sources(yyjson_val *leg, const char *margin) {
    yyjson_val *s;
    size_t i, n;
    yyjson_arr_foreach(yyjson_obj_get(leg, "sources"), i, n, s) show_source(s, margin);
}

static void show_filter(yyjson_val *filter) {
    if (filter == NULL) return;
    printf("filter: about %.0f records expected; %llu blocks of columns looked through, %llu skipped by their statistics, %llu documents read, %llu microseconds\n",
           yyjson_get_num(yyjson_obj_get(filter, "estimatedMatches")), (unsigned long long)number(filter, "columnBlocks"),
           (unsigned long long)number(filter, "columnBlocksSkipped"), (unsigned long long)number(filter, "documents"), (unsigned long long)number(filter, "microseconds"));
}

/* What comparing several vectors took. */
static void show_several(yyjson_val *of, const char *margin) {
    printf("%s%llu vectors of %llu records compared with %llu, %llu microseconds\n", margin, (unsigned long long)number(of, "vectors"), (unsigned long long)number(of, "records"),
           (unsigned long long)number(of, "queryVectors"), (unsigned long long)number(of, "microseconds"));
}

/* One of several rankings: by a vector, by words, or by several vectors. */
static void show_leg(yyjson_val *leg) {
    yyjson_val *share = yyjson_obj_get(leg, "share"), *terms = yyjson_obj_get(leg, "terms"), *t;
    size_t i, n;
    printf("%s", cli_member(leg, "leg"));
    if (share != NULL) printf(", %.0f%% of the score", 100.0 * yyjson_get_num(share));
    puts("");
    show_sources(leg, "    ");
    if (yyjson_obj_get(leg, "queryVectors") != NULL) show_several(leg, "    ");
    if (terms == NULL) return;
    yyjson_arr_foreach(terms, i, n, t) {
        yyjson_val *word = yyjson_obj_get(t, "term");
        printf("    %s: ", cli_member(t, "field"));
        if (yyjson_is_str(word)) cli_print_short(stdout, yyjson_get_str(word), yyjson_get_len(word), 60);
        else printf("%llu", (unsigned long long)number(t, "index"));
        printf(" in %llu records, weight %.4g\n", (unsigned long long)number(t, "records"), yyjson_get_num(yyjson_obj_get(t, "weight")));
    }
    printf("    %llu postings and %llu blocks of them read, %llu records scored\n", (unsigned long long)number(leg, "postings"), (unsigned long long)number(leg, "blocks"),
           (unsigned long long)number(leg, "candidates"));
}

static void show_explanation(yyjson_val *root) {
    yyjson_val *legs = yyjson_obj_get(root, "legs"), *rerank = yyjson_obj_get(root, "rerank"), *leg;
    size_t i, n;
    show_filter(yyjson_obj_get(root, "filter"));
    show_sources(root, "");
    yyjson_arr_foreach(legs, i, n, leg) show_leg(leg);
    if (rerank != NULL) {
        printf("the best %llu ordered anew by %s\n", (unsigned long long)number(rerank, "candidates"), cli_member(rerank, "field"));
        show_several(rerank, "    ");
    }
    uint64_t hits = number(root, "hits");
    bool like = cli_given("id") && hits > 1; /* the record itself is found too, and left out of answers */
    printf("%llu hit%s%s, ", (unsigned long long)(hits - like), hits - like == 1 ? "" : "s", like ? " beside the record itself" : "");
    if (legs == NULL) printf("%llu distances of whole vectors, ", (unsigned long long)number(root, "exactDistances"));
    printf("%llu microseconds\n", (unsigned long long)number(root, "microseconds"));
}

omen_status cli_explain(omen_collection *c, const omen_query *q) {
    size_t len = 0, capacity = 1 << 12;
    char *text = NULL;
    for (;;) { /* each asking is a search of its own, whose numbers may have more digits */
        char *larger = realloc(text, capacity);
        if (larger == NULL) {
            free(text);
            return cli_no_memory();
        }
        text = larger;
        omen_status s = cli_core(omen_explain(c, q, text, capacity, &len));
        if (s != OMEN_OK) {
            free(text);
            return s;
        }
        if (len < capacity) break;
        capacity = 2 * len;
    }
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_raw(text, len);
        cli_json_end();
        free(text);
        return OMEN_OK;
    }
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    show_explanation(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    free(text);
    return OMEN_OK;
}
