/* Metrics: the tables, merging, external labels, both formats, reset; then those of a real database. */
#include "test.h"

#include "db/db.h"
#include "fault_host.h"

/* ---- a source of our own ---- */

typedef struct toy {
    omen_counter hits, misses;
    omen_gauge level;
    omen_histogram wait;
} toy;

static const omen_metric_series toy_series[] = {
    {"toy_lookups_total", "Lookups, by outcome.", OMEN_TYPE_COUNTER, offsetof(toy, hits), "outcome", "hit"},
    {"toy_lookups_total", "Lookups, by outcome.", OMEN_TYPE_COUNTER, offsetof(toy, misses), "outcome", "miss"},
    {"toy_level", "A level.", OMEN_TYPE_GAUGE, offsetof(toy, level), NULL, NULL},
    {"toy_wait_seconds", "Waits.", OMEN_TYPE_HISTOGRAM, offsetof(toy, wait), NULL, NULL},
};

typedef struct bench {
    fault_host *host;
    omen_mem mem;
    omen_metrics_registry r;
    omen_buf out;
    omen_error err;
} bench;

static void begin(bench *b) {
    memset(b, 0, sizeof *b);
    b->host = fault_host_new(test_seed());
    omen_mem_init(&b->mem, &b->host->host, 0);
    omen_buf_init(&b->out, &b->mem);
    omen_metrics_init(&b->r, &b->mem);
}

static void end(bench *b) {
    omen_buf_deinit(&b->out);
    CHECK_EQ_UINT(atomic_load(&b->mem.bytes), 0);
    fault_host_free(b->host);
}

static void add(bench *b, toy *t, const char *label, const char *value) {
    omen_metrics_add(&b->r, &(omen_metrics_source){toy_series, OMEN_ARRAY_LEN(toy_series), t, label, value});
}

static omen_status write_text(bench *b, omen_metrics_format f, const char *labels) {
    b->out.len = 0;
    b->err = (omen_error){0};
    omen_status s = omen_metrics_write(&b->r, f, (omen_str){labels, strlen(labels)}, &b->out, &b->err);
    if (s == OMEN_OK) CHECK_OK(omen_buf_append(&b->out, "", 1));
    return s;
}

static size_t times(const char *text, const char *what) {
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text++) n++;
    return n;
}

/* The value after `series ` at the beginning of a line; fails when it is not there exactly once. */
static double value_of(const char *text, const char *series) {
    const char *found = NULL;
    size_t n = 0, len = strlen(series);
    for (const char *at = text; (at = strstr(at, series)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[len] == ' ') found = at, n++;
    if (n != 1) printf("        %zu of %s\n", n, series);
    CHECK_EQ_UINT(n, 1);
    return found == NULL ? -1 : strtod(found + len, NULL);
}

TEST(text_says_everything_once) {
    bench b;
    toy t = {0};
    begin(&b);
    omen_counter_add(&t.hits, UINT64_MAX);
    omen_gauge_set(&t.level, INT64_MIN + 1);
    omen_hist_record(&t.wait, 1500);
    add(&b, &t, "db_id", "a");
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, ""));
    const char *text = (const char *)b.out.data;
    const char *head = "# HELP toy_lookups_total Lookups, by outcome.\n# TYPE toy_lookups_total counter\n"
                       "toy_lookups_total{db_id=\"a\",outcome=\"hit\"} 18446744073709551615\n"
                       "toy_lookups_total{db_id=\"a\",outcome=\"miss\"} 0\n"
                       "# HELP toy_level A level.\n# TYPE toy_level gauge\n"
                       "toy_level{db_id=\"a\"} -9223372036854775807\n"
                       "# HELP toy_wait_seconds Waits.\n# TYPE toy_wait_seconds histogram\n"
                       "toy_wait_seconds_bucket{db_id=\"a\",le=\"0.000001024\"} 0\n"
                       "toy_wait_seconds_bucket{db_id=\"a\",le=\"0.000002048\"} 1\n";
    CHECK(strncmp(text, head, strlen(head)) == 0);
    const char *tail = "toy_wait_seconds_bucket{db_id=\"a\",le=\"+Inf\"} 1\ntoy_wait_seconds_sum{db_id=\"a\"} 0.0000015\ntoy_wait_seconds_count{db_id=\"a\"} 1\n";
    CHECK_EQ_STR(strstr(text, "toy_wait_seconds_bucket{db_id=\"a\",le=\"+Inf\"}"), tail);
    end(&b);
}

TEST(sources_merge_into_one_family) {
    bench b;
    toy t[3] = {0};
    static const char *const tiers[] = {"gpu", "host", "disk"};
    begin(&b);
    for (int i = 0; i < 3; i++) {
        omen_counter_add(&t[i].hits, (uint64_t)i + 1);
        add(&b, &t[i], "tier", tiers[i]);
    }
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, ""));
    const char *text = (const char *)b.out.data;
    CHECK_EQ_UINT(times(text, "# HELP "), 3);
    CHECK_EQ_UINT(times(text, "# TYPE toy_lookups_total counter\n"), 1);
    for (int i = 0; i < 3; i++) {
        char series[80];
        snprintf(series, sizeof series, "toy_lookups_total{tier=\"%s\",outcome=\"hit\"}", tiers[i]);
        CHECK_EQ_INT(value_of(text, series), i + 1);
        /* A family's samples stand together: before the next HELP. */
        CHECK(strstr(text, series) < strstr(text, "# HELP toy_level"));
    }
    REQUIRE_OK(write_text(&b, OMEN_METRICS_JSON, ""));
    CHECK_EQ_UINT(times((const char *)b.out.data, "\"toy_lookups_total\":"), 1);
    CHECK_EQ_UINT(times((const char *)b.out.data, "\"tier\":\"disk\""), 4);
    end(&b);
}

TEST(external_labels_are_escaped) {
    bench b;
    toy t = {0};
    begin(&b);
    add(&b, &t, NULL, NULL);
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, "{\"a_1\":\"say \\\"hi\\\" \\\\ there\\nline two\\r\\t}{,=\",\"_b\":\"\",\"c\":\"\\u00fc\\ud83d\\ude00\"}"));
    CHECK_EQ_INT(value_of((const char *)b.out.data, "toy_level{a_1=\"say \\\"hi\\\" \\\\ there\\nline two\r\t}{,=\",_b=\"\",c=\"\xc3\xbc\xf0\x9f\x98\x80\"}"), 0);
    /* Every line is a comment or a sample: nothing in a value breaks out of its line. */
    for (char *line = strtok((char *)b.out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) CHECK(strncmp(line, "# ", 2) == 0 || strncmp(line, "toy_", 4) == 0);
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, "{}"));
    CHECK_EQ_INT(value_of((const char *)b.out.data, "toy_level"), 0);
    /* A histogram's own label follows the external ones. */
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, "{\"host\":\"x\"}"));
    CHECK_EQ_INT(value_of((const char *)b.out.data, "toy_wait_seconds_bucket{host=\"x\",le=\"+Inf\"}"), 0);
    end(&b);
}

static void refuse(bench *b, const char *labels, omen_status want, const char *says) {
    for (int f = OMEN_METRICS_JSON; f <= OMEN_METRICS_PROMETHEUS; f++) {
        CHECK_STATUS(write_text(b, (omen_metrics_format)f, labels), want);
        CHECK_EQ_UINT(b->out.len, 0);
        if (strstr(b->err.text, says) == NULL) printf("        \"%s\" does not say \"%s\"\n", b->err.text, says);
        CHECK(strstr(b->err.text, says) != NULL);
    }
}

TEST(bad_external_labels_are_refused) {
    bench b;
    toy t = {0};
    begin(&b);
    add(&b, &t, "db_id", "a");
    refuse(&b, "{\"__name\":\"x\"}", OMEN_ERR_INVALID, "\"__name\" is no label name");
    refuse(&b, "{\"le\":\"x\"}", OMEN_ERR_INVALID, "\"le\"");
    refuse(&b, "{\"\":\"x\"}", OMEN_ERR_INVALID, "is no label name");
    refuse(&b, "{\"1a\":\"x\"}", OMEN_ERR_INVALID, "\"1a\"");
    refuse(&b, "{\"a-b\":\"x\"}", OMEN_ERR_INVALID, "\"a-b\"");
    refuse(&b, "{\"a b\":\"x\"}", OMEN_ERR_INVALID, "\"a b\"");
    refuse(&b, "{\"a\\n\":\"x\"}", OMEN_ERR_INVALID, "is no label name");
    refuse(&b, "{\"\\u00e4\":\"x\"}", OMEN_ERR_INVALID, "is no label name");
    refuse(&b, "{\"db_id\":\"x\"}", OMEN_ERR_INVALID, "\"db_id\" is one of the metrics' own");
    refuse(&b, "{\"outcome\":\"x\"}", OMEN_ERR_INVALID, "\"outcome\" is one of the metrics' own");
    refuse(&b, "{\"a\":1}", OMEN_ERR_INVALID, "\"a\" must be a string");
    refuse(&b, "{\"a\":null}", OMEN_ERR_INVALID, "\"a\" must be a string");
    refuse(&b, "{\"a\":\"x\\u0000y\"}", OMEN_ERR_INVALID, "NUL");
    refuse(&b, "{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}", OMEN_ERR_INVALID, "\"a\" is given twice");
    refuse(&b, "[]", OMEN_ERR_INVALID, "object of strings");
    refuse(&b, "{\"a\":", OMEN_ERR_JSON, "");
    CHECK_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, "{\"a\":\"1\",\"b\":\"2\",\"aa\":\"3\",\"_\":\"4\",\"le_\":\"5\"}"));
    end(&b);
}

TEST(a_gauge_without_a_value_is_left_out) {
    bench b;
    toy t[2] = {0};
    begin(&b);
    omen_gauge_set(&t[0].level, OMEN_GAUGE_NONE);
    omen_gauge_set(&t[1].level, 5);
    add(&b, &t[0], "tier", "a");
    add(&b, &t[1], "tier", "b");
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, ""));
    CHECK_EQ_UINT(times((const char *)b.out.data, "toy_level{"), 1);
    CHECK_EQ_INT(value_of((const char *)b.out.data, "toy_level{tier=\"b\"}"), 5);
    omen_gauge_set(&t[1].level, OMEN_GAUGE_NONE);
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, ""));
    CHECK_EQ_UINT(times((const char *)b.out.data, "toy_level"), 0);
    REQUIRE_OK(write_text(&b, OMEN_METRICS_JSON, ""));
    CHECK_EQ_UINT(times((const char *)b.out.data, "toy_level"), 0);
    end(&b);
}

TEST(histograms_hold_their_invariants) {
    bench b;
    toy t = {0};
    uint64_t sum = 0, below[64] = {0}, n = 5000;
    begin(&b);
    add(&b, &t, NULL, NULL);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t ns = test_rand() >> (24 + test_rand_below(40));
        sum += ns;
        for (uint32_t k = OMEN_HIST_MIN_LOG2; k <= OMEN_HIST_MAX_LOG2; k++) below[k] += ns < UINT64_C(1) << k;
        omen_hist_record(&t.wait, ns);
    }
    REQUIRE_OK(write_text(&b, OMEN_METRICS_PROMETHEUS, ""));
    const char *text = (const char *)b.out.data;
    CHECK_EQ_INT(value_of(text, "toy_wait_seconds_count"), n);
    CHECK_EQ_INT(value_of(text, "toy_wait_seconds_bucket{le=\"+Inf\"}"), n);
    CHECK(value_of(text, "toy_wait_seconds_sum") == (double)sum / 1e9);
    double last_bound = 0;
    uint32_t k = OMEN_HIST_MIN_LOG2;
    for (const char *at = text; (at = strstr(at, "_bucket{le=\"")) != NULL; k++) {
        double bound = strtod(at += 12, NULL), count = strtod(strchr(at, ' '), NULL);
        CHECK(bound > last_bound);
        last_bound = bound;
        /* Each bound is a power of two of nanoseconds, and the count is exactly what lies below. */
        CHECK_EQ_UINT(count, k <= OMEN_HIST_MAX_LOG2 ? below[k] : n);
        if (k <= OMEN_HIST_MAX_LOG2) CHECK(bound == (double)(UINT64_C(1) << k) / 1e9);
    }
    CHECK_EQ_UINT(k, OMEN_HIST_MAX_LOG2 + 2);
    end(&b);
}

TEST(quantiles_are_near) {
    uint64_t counts[OMEN_HIST_BUCKETS] = {0};
    CHECK(omen_hist_quantile(counts, 0.5) == 0);
    for (uint64_t ns = 1; ns <= 1000000; ns++) counts[omen_hist_bucket(ns)]++;
    static const double q[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(q); i++) {
        double got = omen_hist_quantile(counts, q[i]), want = q[i] * 1e6;
        CHECK(got > want * 0.875 && got < want * 1.125);
    }
    for (uint32_t b = 0; b + 1 < OMEN_HIST_BUCKETS; b++) {
        CHECK_EQ_UINT(omen_hist_bucket(omen_hist_upper(b) - 1), b);
        CHECK_EQ_UINT(omen_hist_bucket(omen_hist_upper(b)), b + 1);
    }
    CHECK_EQ_UINT(omen_hist_bucket(0), 0);
    CHECK_EQ_UINT(omen_hist_bucket(UINT64_MAX), OMEN_HIST_BUCKETS - 1);
}

TEST(reset_leaves_gauges) {
    bench b;
    toy t = {0}, zero = {0};
    begin(&b);
    omen_counter_add(&t.hits, 3);
    omen_gauge_set(&t.level, 7);
    omen_hist_record(&t.wait, 12345);
    add(&b, &t, NULL, NULL);
    omen_metrics_zero(&b.r);
    CHECK_EQ_INT(omen_gauge_get(&t.level), 7);
    omen_gauge_set(&t.level, 0);
    CHECK_MEM(&t, &zero, sizeof t);
    end(&b);
}

/* Every allocation refused in turn: an error, never a broken text or a leak. */
TEST(out_of_memory_is_told) {
    bench b;
    toy t = {0};
    begin(&b);
    add(&b, &t, NULL, NULL);
    for (int f = OMEN_METRICS_JSON; f <= OMEN_METRICS_PROMETHEUS; f++) {
        omen_status s = OMEN_ERR_MEMORY;
        for (uint64_t limit = 64; s == OMEN_ERR_MEMORY; limit += 512) {
            omen_buf_deinit(&b.out);
            omen_buf_init(&b.out, &b.mem);
            b.mem.limit = limit;
            s = omen_metrics_write(&b.r, (omen_metrics_format)f, OMEN_STR("{\"a\":\"b\"}"), &b.out, &b.err);
            if (s != OMEN_OK) CHECK_STATUS(b.err.status, s);
        }
        CHECK_OK(s);
        b.mem.limit = 0;
    }
    end(&b);
}

/* ---- the tables of the product ---- */

static bool in_table(const omen_metric_series *rows, size_t count, size_t size, size_t limit) {
    static const size_t sizes[] = {sizeof(omen_counter), sizeof(omen_gauge), sizeof(omen_histogram), sizeof(omen_gauge)};
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        const omen_metric_series *r = &rows[i];
        size_t len = strlen(r->family);
        bool total = len > 6 && strcmp(r->family + len - 6, "_total") == 0, timed = len > 8 && strcmp(r->family + len - 8, "_seconds") == 0;
        ok &= CHECK(strncmp(r->family, "omendb_", 7) == 0 && strlen(r->help) > 4);
        ok &= CHECK(total == (r->type == OMEN_TYPE_COUNTER));
        ok &= CHECK(timed == (r->type == OMEN_TYPE_HISTOGRAM));
        ok &= CHECK(r->offset + sizes[r->type] <= size);
        ok &= CHECK((r->label == NULL) == (r->value == NULL));
        /* The text writes help as it is: it must need no escaping. */
        ok &= CHECK(strpbrk(r->help, "\\\n") == NULL);
        for (size_t k = 0; k < i; k++) {
            const omen_metric_series *o = &rows[k];
            ok &= CHECK(o->offset + sizes[o->type] <= r->offset || r->offset + sizes[r->type] <= o->offset);
            if (strcmp(o->family, r->family) != 0) continue;
            ok &= CHECK(strcmp(o->help, r->help) == 0 && o->type == r->type && r->label != NULL);
            ok &= CHECK(strcmp(o->value, r->value) != 0);
            /* Rows of a family follow each other. */
            ok &= CHECK(strcmp(rows[i - 1].family, r->family) == 0);
        }
        limit -= sizes[r->type];
    }
    /* Nothing in the struct is left untold. */
    return ok & CHECK_EQ_UINT(limit, 0);
}

TEST(tables_are_complete) {
    in_table(omen_engine_series, omen_engine_series_count, sizeof(omen_engine_metrics), sizeof(omen_engine_metrics));
    in_table(omen_pool_series, omen_pool_series_count, sizeof(omen_pool_metrics), sizeof(omen_pool_metrics));
    in_table(omen_log_series, omen_log_series_count, sizeof(omen_log_metrics), sizeof(omen_log_metrics));
}

TEST(all_of_it_takes_less_than_50_kb) {
    size_t held = sizeof(omen_engine_metrics) + sizeof(omen_pool_metrics) + sizeof(omen_log_metrics), scraped = sizeof(omen_metrics_registry),
           tables = (omen_engine_series_count + omen_pool_series_count + omen_log_series_count) * sizeof(omen_metric_series);
    printf("     metrics take %zu bytes for each database, %zu once, %zu during a scrape\n", held, tables, scraped);
    CHECK(held + scraped + tables < 50000);
}

/* ---- a database ---- */

static char page[1 << 17];
static const char *scrape(omen_db *db, omen_metrics_format f) {
    size_t needed = 0;
    CHECK_OK(omen_metrics(db, f, OMEN_STR(""), page, sizeof page, &needed));
    CHECK(needed < sizeof page && strlen(page) == needed);
    return page;
}

/* The sum of a family's samples, whatever their labels; `having` (optional) must stand in the labels. */
static double sum_of(const char *text, const char *name, const char *having) {
    double sum = 0;
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, name)) != NULL; at++) {
        if ((at != text && at[-1] != '\n') || at[strlen(name)] != '{') continue;
        const char *close = strchr(at, '}'), *found = having == NULL ? at : strstr(at, having);
        if (found == NULL || found > close) continue;
        sum += strtod(close + 1, NULL);
        n++;
    }
    return n == 0 ? -1 : sum;
}

TEST(a_database_counts_what_it_does) {
    fault_host *h = fault_host_new(test_seed());
    omen_options o;
    omen_db *db = NULL;
    omen_collection *c = NULL;
    uint8_t id[16] = {0xab, 1};
    omen_options_init(&o);
    o.host = &h->host;
    o.database_id = id;
    o.manual_maintenance = 1;
    REQUIRE_OK(omen_open("db", &o, &db));
    CHECK(sum_of(scrape(db, OMEN_METRICS_PROMETHEUS), "omendb_engine_search_accuracy_ratio", NULL) == -1);
    CHECK(sum_of(page, "omendb_engine_collections", "db_id=\"ab010000000000000000000000000000\"") == 0);
    omen_vector_field field = {.name = {"", 0}, .dimensions = 4, .metric = OMEN_METRIC_L2};
    omen_schema s;
    omen_schema_init(&s);
    s.vector_count = 1;
    s.vectors = &field;
    REQUIRE_OK(omen_collection_open(db, OMEN_STR("things"), &s, &c));
    enum { N = 100 };
    float rows[N * 4];
    omen_id ids[N];
    for (int i = 0; i < N; i++) ids[i] = OMEN_ID_INT(i);
    for (int i = 0; i < N * 4; i++) rows[i] = test_rand_float();
    const void *vectors[] = {rows};
    omen_batch all = {.count = N, .ids = ids, .vectors = vectors};
    REQUIRE_OK(omen_upsert(c, &all));
    REQUIRE_OK(omen_delete(c, ids, 10, NULL));
    omen_query q;
    omen_query_init(&q);
    q.vector = rows;
    q.dimensions = 4;
    omen_results *r;
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(omen_search(c, &q, &r));
        omen_results_free(r);
    }
    REQUIRE_OK(omen_get(c, ids, 5, 0, &r));
    omen_results_free(r);
    uint64_t count = 0;
    REQUIRE_OK(omen_count(c, &count));
    q.dimensions = 3;
    CHECK_STATUS(omen_search(c, &q, &r), OMEN_ERR_DIMENSION);
    all.count = 1;
    CHECK_STATUS(omen_insert(c, &(omen_batch){.count = 1, .ids = ids + 50, .vectors = vectors}), OMEN_ERR_EXISTS);
    const char *text = scrape(db, OMEN_METRICS_PROMETHEUS);
    CHECK(sum_of(text, "omendb_engine_queries_total", "kind=\"search\"") == 3);
    CHECK(sum_of(text, "omendb_engine_queries_total", "kind=\"get\"") == 1);
    CHECK(sum_of(text, "omendb_engine_queries_total", "kind=\"count\"") == 1);
    CHECK(sum_of(text, "omendb_engine_queries_total", "kind=\"scroll\"") == 0);
    CHECK(sum_of(text, "omendb_engine_query_duration_seconds_count", "kind=\"search\"") == 3);
    CHECK(sum_of(text, "omendb_engine_failures_total", "class=\"input\"") == 1);
    CHECK(sum_of(text, "omendb_engine_failures_total", "class=\"existence\"") == 1);
    CHECK(sum_of(text, "omendb_engine_failures_total", NULL) == 2);
    CHECK(sum_of(text, "omendb_engine_writes_total", NULL) == N);
    CHECK(sum_of(text, "omendb_engine_deletes_total", NULL) == 10);
    CHECK(sum_of(text, "omendb_engine_write_batches_total", NULL) == 2);
    CHECK(sum_of(text, "omendb_engine_distances_total", NULL) >= 3 * (N - 10));
    CHECK(sum_of(text, "omendb_engine_scanned_bytes_total", NULL) == sum_of(text, "omendb_engine_distances_total", NULL) * 16);
    CHECK(sum_of(text, "omendb_engine_search_accuracy_ratio", NULL) == 1);
    CHECK(sum_of(text, "omendb_engine_collections", NULL) == 1);
    CHECK(sum_of(text, "omendb_engine_memtable_entries", NULL) >= N);
    CHECK(sum_of(text, "omendb_engine_flushes_total", NULL) == 0);
    CHECK(sum_of(text, "omendb_log_syncs_total", NULL) > 0);
    CHECK(sum_of(text, "omendb_log_bytes_total", NULL) > N * 16);
    double memory = sum_of(text, "omendb_engine_memory_allocated_bytes", NULL);
    CHECK(memory > N * 16 && sum_of(text, "omendb_engine_memory_peak_bytes", NULL) >= memory);
    REQUIRE_OK(omen_flush(db));
    text = scrape(db, OMEN_METRICS_PROMETHEUS);
    CHECK(sum_of(text, "omendb_engine_flushes_total", NULL) == 1);
    CHECK(sum_of(text, "omendb_engine_segments", NULL) == 1);
    CHECK(sum_of(text, "omendb_engine_vectors_indexed_total", NULL) == N - 10);
    CHECK(sum_of(text, "omendb_engine_index_size_bytes", NULL) > 0);
    CHECK(sum_of(text, "omendb_engine_memtable_entries", NULL) == 0);
    q.dimensions = 4;
    REQUIRE_OK(omen_search(c, &q, &r));
    omen_results_free(r);
    for (int more = 1; more != 0;) REQUIRE_OK(omen_db_maintain(db, 0, &more)); /* the job that holds a snapshot ends */
    text = scrape(db, OMEN_METRICS_PROMETHEUS);
    CHECK(sum_of(text, "omendb_blocks_misses_total", NULL) > 0);
    CHECK(sum_of(text, "omendb_blocks_pinned", NULL) == 0);
    CHECK(sum_of(text, "omendb_engine_snapshots", NULL) == 0);
    CHECK(scrape(db, OMEN_METRICS_JSON)[0] == '{');
    omen_metrics_reset(db);
    text = scrape(db, OMEN_METRICS_PROMETHEUS);
    CHECK(sum_of(text, "omendb_engine_writes_total", NULL) == 0);
    CHECK(sum_of(text, "omendb_engine_failures_total", NULL) == 0);
    CHECK(sum_of(text, "omendb_log_syncs_total", NULL) == 0);
    CHECK(sum_of(text, "omendb_engine_query_duration_seconds_bucket", "+Inf") == 0);
    CHECK(sum_of(text, "omendb_engine_segments", NULL) == 1);
    CHECK(sum_of(text, "omendb_engine_memory_allocated_bytes", NULL) > 0);
    CHECK(sum_of(text, "omendb_blocks_held", NULL) > 0);
    /* cap 0 asks for the length; a short buffer gets what fits. */
    size_t needed = 0, again = 0;
    CHECK_OK(omen_metrics(db, OMEN_METRICS_PROMETHEUS, OMEN_STR(""), NULL, 0, &needed));
    CHECK_OK(omen_metrics(db, OMEN_METRICS_PROMETHEUS, OMEN_STR(""), page, 10, &again));
    CHECK_EQ_UINT(again, needed);
    CHECK_EQ_UINT(strlen(page), 9);
    CHECK_STATUS(omen_metrics(db, (omen_metrics_format)9, OMEN_STR(""), page, 10, &again), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_metrics(db, OMEN_METRICS_JSON, OMEN_STR("{\"kind\":\"x\"}"), page, 10, &again), OMEN_ERR_INVALID);
    CHECK(strstr(omen_last_error(), "\"kind\"") != NULL);
    omen_collection_close(c);
    CHECK_OK(omen_close(db));
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

TEST_MAIN()
