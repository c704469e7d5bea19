#include "db/metrics.h"

void omen_metrics_init(omen_metrics_registry *r, omen_mem *m) { *r = (omen_metrics_registry){.mem = m}; }

void omen_metrics_add(omen_metrics_registry *r, const omen_metrics_source *source) {
    OMEN_ASSERT(r->count < OMEN_METRICS_SOURCES);
    r->sources[r->count++] = *source;
}

static void *cell(const omen_metrics_source *s, const omen_metric_series *row) { return (uint8_t *)s->base + row->offset; }

void omen_metrics_zero(const omen_metrics_registry *r) {
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = 0; k < r->sources[i].count; k++) {
            const omen_metric_series *row = &r->sources[i].series[k];
            void *at = cell(&r->sources[i], row);
            if (row->type == OMEN_TYPE_COUNTER) atomic_store_explicit(&((omen_counter *)at)->value, 0, memory_order_relaxed);
            if (row->type != OMEN_TYPE_HISTOGRAM) continue;
            omen_histogram *h = at;
            atomic_store_explicit(&h->sum_ns, 0, memory_order_relaxed);
            for (size_t b = 0; b < OMEN_HIST_BUCKETS; b++) atomic_store_explicit(&h->buckets[b], 0, memory_order_relaxed);
        }
    }
}

/* ---- external labels ---- */

typedef struct label_check {
    const omen_metrics_registry *registry;
    const omen_json_val *labels;
    omen_error *err;
    size_t at; /* labels before this one are checked */
    omen_str key;
} label_check;

static bool is(omen_str s, const char *text) { return text != NULL && s.len == strlen(text) && memcmp(s.data, text, s.len) == 0; }

static bool label_name(omen_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.len != 0 && s.len <= 128 && !(s.len >= 2 && s.data[0] == '_' && s.data[1] == '_') && !is(s, "le");
}

/* Stops with OMEN_ERR_EXISTS when c->key stands among the c->at labels before it. (JSON allows a name twice, a series does not.) */
static omen_status check_twice(void *arg, omen_str key, const omen_json_val *v) {
    label_check *c = arg;
    (void)v;
    if (c->at-- == 0) return OMEN_ERR_INVALID;
    return key.len == c->key.len && memcmp(key.data, c->key.data, key.len) == 0 ? OMEN_ERR_EXISTS : OMEN_OK;
}

static omen_status check_label(void *arg, omen_str key, const omen_json_val *v) {
    label_check *c = arg, before = *c;
    omen_str value;
    int shown = (int)OMEN_MIN(key.len, 60);
    if (!label_name(key)) return omen_fail(c->err, OMEN_ERR_INVALID, "label \"%.*s\" is no label name; use letters, digits and '_', not beginning with \"__\"", shown, key.data);
    if (!omen_json_str(v, &value)) return omen_fail(c->err, OMEN_ERR_INVALID, "label \"%.*s\" must be a string", shown, key.data);
    /* A reader of the text, and whoever takes it for a C string, would see its end. */
    if (value.len != 0 && memchr(value.data, 0, value.len) != NULL) return omen_fail(c->err, OMEN_ERR_INVALID, "the value of label \"%.*s\" holds a NUL character; leave it out", shown, key.data);
    before.key = key;
    if (omen_json_each(c->labels, check_twice, &before) == OMEN_ERR_EXISTS) return omen_fail(c->err, OMEN_ERR_INVALID, "label \"%.*s\" is given twice", shown, key.data);
    c->at++;
    for (size_t i = 0; i < c->registry->count; i++) {
        const omen_metrics_source *s = &c->registry->sources[i];
        bool taken = is(key, s->label);
        for (size_t k = 0; !taken && k < s->count; k++) taken = is(key, s->series[k].label);
        if (taken) return omen_fail(c->err, OMEN_ERR_INVALID, "label \"%.*s\" is one of the metrics' own; choose another name", shown, key.data);
    }
    return OMEN_OK;
}

/* ---- what both formats need ---- */

typedef struct writer {
    const omen_metrics_registry *registry;
    const omen_json_val *labels; /* NULL: none */
    omen_buf *out;
    omen_jw json;
    omen_status status;
    bool comma; /* within a label set */
} writer;

/* Calls `each` (NULL: nothing) for every series of a family that has a value, over all sources; answers how many there are. */
static size_t each_series(writer *w, const char *family, void (*each)(writer *w, const omen_metrics_source *s, const omen_metric_series *row)) {
    size_t n = 0;
    for (size_t i = 0; i < w->registry->count; i++) {
        const omen_metrics_source *s = &w->registry->sources[i];
        for (size_t k = 0; k < s->count; k++) {
            const omen_metric_series *row = &s->series[k];
            if (strcmp(row->family, family) != 0) continue;
            if ((row->type == OMEN_TYPE_GAUGE || row->type == OMEN_TYPE_RATIO) && omen_gauge_get(cell(s, row)) == OMEN_GAUGE_NONE) continue;
            n++;
            if (each != NULL) each(w, s, row);
        }
    }
    return n;
}

/* Calls `each` once for every family that has a series, in the order of first appearance. */
static void each_family(writer *w, void (*each)(writer *w, const omen_metric_series *first)) {
    for (size_t i = 0; i < w->registry->count; i++) {
        const omen_metrics_source *s = &w->registry->sources[i];
        for (size_t k = 0; k < s->count; k++) {
            bool seen = k != 0 && strcmp(s->series[k].family, s->series[k - 1].family) == 0;
            for (size_t e = 0; !seen && e < i; e++)
                for (size_t x = 0; !seen && x < w->registry->sources[e].count; x++) seen = strcmp(w->registry->sources[e].series[x].family, s->series[k].family) == 0;
            if (!seen && each_series(w, s->series[k].family, NULL) != 0) each(w, &s->series[k]);
        }
    }
}

static uint64_t read_histogram(const omen_histogram *h, uint64_t counts[OMEN_HIST_BUCKETS]) {
    uint64_t total = 0;
    for (size_t b = 0; b < OMEN_HIST_BUCKETS; b++) total += counts[b] = atomic_load_explicit(&h->buckets[b], memory_order_relaxed);
    return total;
}

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

/* ---- Prometheus ---- */

static void text(writer *w, const char *s, size_t len) {
    if (w->status == OMEN_OK) w->status = omen_buf_append(w->out, s, len);
}
static void str(writer *w, const char *s) { text(w, s, strlen(s)); }

static void integer(writer *w, uint64_t v, bool negative) {
    char buf[24];
    text(w, buf, omen_format(buf, sizeof buf, negative ? "-%llu" : "%llu", (unsigned long long)v));
}

static void real(writer *w, double v) {
    char buf[40];
    text(w, buf, omen_f64_print(v, buf));
}

/* Backslash, quote and newline are escaped in label values. */
static void put_label(writer *w, omen_str name, omen_str value) {
    str(w, w->comma ? "," : "{");
    w->comma = true;
    text(w, name.data, name.len);
    str(w, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (c == '\\' || c == '"') str(w, "\\");
        if (c == '\n') str(w, "\\n");
        else text(w, &c, 1);
    }
    str(w, "\"");
}

static void put_label_c(writer *w, const char *name, const char *value) {
    if (name != NULL) put_label(w, (omen_str){name, strlen(name)}, (omen_str){value, strlen(value)});
}

static omen_status put_external(void *arg, omen_str key, const omen_json_val *v) {
    omen_str value = {"", 0};
    omen_json_str(v, &value);
    put_label(arg, key, value);
    return OMEN_OK;
}

static void sample(writer *w, const omen_metrics_source *s, const omen_metric_series *row, const char *suffix, const char *le) {
    str(w, row->family);
    str(w, suffix);
    w->comma = false;
    put_label_c(w, s->label, s->value);
    put_label_c(w, row->label, row->value);
    if (w->labels != NULL) omen_json_each(w->labels, put_external, w);
    if (le != NULL) put_label_c(w, "le", le);
    str(w, w->comma ? "} " : " ");
}

static void put_histogram(writer *w, const omen_metrics_source *s, const omen_metric_series *row) {
    const omen_histogram *h = cell(s, row);
    uint64_t counts[OMEN_HIST_BUCKETS], total = read_histogram(h, counts), below = 0;
    /* One bound for each power of two: a quarter of the lines, and the sub-buckets remain for the quantiles of JSON. */
    for (uint32_t b = 0; b + 1 < OMEN_HIST_BUCKETS; b++) {
        below += counts[b];
        if (b % OMEN_HIST_SUB != 0) continue;
        char le[40];
        omen_f64_print(seconds(omen_hist_upper(b)), le);
        sample(w, s, row, "_bucket", le);
        integer(w, below, false);
        str(w, "\n");
    }
    sample(w, s, row, "_bucket", "+Inf");
    integer(w, total, false);
    str(w, "\n");
    sample(w, s, row, "_sum", NULL);
    real(w, seconds(atomic_load_explicit(&h->sum_ns, memory_order_relaxed)));
    str(w, "\n");
    sample(w, s, row, "_count", NULL);
    integer(w, total, false);
    str(w, "\n");
}

static void put_sample(writer *w, const omen_metrics_source *s, const omen_metric_series *row) {
    if (row->type == OMEN_TYPE_HISTOGRAM) {
        put_histogram(w, s, row);
        return;
    }
    if (row->type == OMEN_TYPE_RATIO) {
        char number[40];
        omen_f64_print((double)omen_gauge_get(cell(s, row)) / 1000.0, number);
        sample(w, s, row, "", NULL);
        str(w, number);
        str(w, "\n");
        return;
    }
    int64_t v = row->type == OMEN_TYPE_GAUGE ? omen_gauge_get(cell(s, row)) : 0;
    uint64_t u = row->type == OMEN_TYPE_COUNTER ? omen_counter_get(cell(s, row)) : v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    sample(w, s, row, "", NULL);
    integer(w, u, v < 0);
    str(w, "\n");
}

static void put_family(writer *w, const omen_metric_series *first) {
    static const char *const types[] = {"counter", "gauge", "histogram", "gauge"};
    str(w, "# HELP ");
    str(w, first->family);
    str(w, " ");
    str(w, first->help);
    str(w, "\n# TYPE ");
    str(w, first->family);
    str(w, " ");
    str(w, types[first->type]);
    str(w, "\n");
    each_series(w, first->family, put_sample);
}

/* ---- JSON: {family: {"type", "help", "series": [{"labels", "value" | "count", "sum", "p50", "p90", "p99", "p999", "buckets"}]}} ---- */

static omen_status json_label(void *arg, omen_str key, const omen_json_val *v) {
    omen_str value = {"", 0};
    omen_json_str(v, &value);
    omen_jw_key_str(arg, key);
    omen_jw_str(arg, value);
    return OMEN_OK;
}

static void json_labels(writer *w, const omen_metrics_source *s, const omen_metric_series *row) {
    omen_jw *j = &w->json;
    omen_jw_key(j, "labels");
    omen_jw_object(j);
    if (s->label != NULL) {
        omen_jw_key(j, s->label);
        omen_jw_cstr(j, s->value);
    }
    if (row->label != NULL) {
        omen_jw_key(j, row->label);
        omen_jw_cstr(j, row->value);
    }
    if (w->labels != NULL) omen_json_each(w->labels, json_label, j);
    omen_jw_object_end(j);
}

static void json_histogram(omen_jw *j, const omen_histogram *h) {
    static const struct { const char *name; double q; } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    uint64_t counts[OMEN_HIST_BUCKETS];
    omen_jw_key(j, "count");
    omen_jw_u64(j, read_histogram(h, counts));
    omen_jw_key(j, "sum");
    omen_jw_f64(j, seconds(atomic_load_explicit(&h->sum_ns, memory_order_relaxed)));
    for (size_t i = 0; i < OMEN_ARRAY_LEN(quantiles); i++) {
        omen_jw_key(j, quantiles[i].name);
        omen_jw_f64(j, omen_hist_quantile(counts, quantiles[i].q) / 1e9);
    }
    /* Buckets that hold something: [upper bound in seconds (null: none), count]. */
    omen_jw_key(j, "buckets");
    omen_jw_array(j);
    for (uint32_t b = 0; b < OMEN_HIST_BUCKETS; b++) {
        if (counts[b] == 0) continue;
        omen_jw_array(j);
        if (b + 1 == OMEN_HIST_BUCKETS) omen_jw_null(j);
        else omen_jw_f64(j, seconds(omen_hist_upper(b)));
        omen_jw_u64(j, counts[b]);
        omen_jw_array_end(j);
    }
    omen_jw_array_end(j);
}

static void json_series(writer *w, const omen_metrics_source *s, const omen_metric_series *row) {
    omen_jw *j = &w->json;
    omen_jw_object(j);
    json_labels(w, s, row);
    if (row->type == OMEN_TYPE_HISTOGRAM) {
        json_histogram(j, cell(s, row));
    } else {
        omen_jw_key(j, "value");
        if (row->type == OMEN_TYPE_COUNTER) omen_jw_u64(j, omen_counter_get(cell(s, row)));
        else if (row->type == OMEN_TYPE_RATIO) omen_jw_f64(j, (double)omen_gauge_get(cell(s, row)) / 1000.0);
        else omen_jw_i64(j, omen_gauge_get(cell(s, row)));
    }
    omen_jw_object_end(j);
}

static void json_family(writer *w, const omen_metric_series *first) {
    static const char *const types[] = {"counter", "gauge", "histogram", "gauge"};
    omen_jw *j = &w->json;
    omen_jw_key(j, first->family);
    omen_jw_object(j);
    omen_jw_key(j, "type");
    omen_jw_cstr(j, types[first->type]);
    omen_jw_key(j, "help");
    omen_jw_cstr(j, first->help);
    omen_jw_key(j, "series");
    omen_jw_array(j);
    each_series(w, first->family, json_series);
    omen_jw_array_end(j);
    omen_jw_object_end(j);
}

omen_status omen_metrics_write(const omen_metrics_registry *r, omen_metrics_format format, omen_str labels, omen_buf *out, omen_error *err) {
    writer w = {.registry = r, .out = out};
    omen_json *json = NULL;
    omen_status s = labels.len == 0 ? OMEN_OK : omen_json_parse(r->mem, labels, &json, err);
    if (s == OMEN_OK && json != NULL) {
        w.labels = omen_json_root(json);
        label_check check = {.registry = r, .labels = w.labels, .err = err};
        s = omen_json_is_object(w.labels) ? omen_json_each(w.labels, check_label, &check) : omen_fail(err, OMEN_ERR_INVALID, "labels must be an object of strings");
    }
    if (s == OMEN_OK && format == OMEN_METRICS_PROMETHEUS) {
        each_family(&w, put_family);
        s = w.status;
    } else if (s == OMEN_OK) {
        omen_jw_begin(&w.json, out);
        omen_jw_object(&w.json);
        each_family(&w, json_family);
        omen_jw_object_end(&w.json);
        s = omen_jw_end(&w.json);
    }
    omen_json_free(json);
    return s == OMEN_ERR_MEMORY ? omen_fail(err, s, "out of memory writing metrics") : s;
}
