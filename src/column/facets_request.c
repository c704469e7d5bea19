/* facets_request.c - what is asked of facets, from JSON. */
#include "column/facets_inside.h"

typedef omen_facets_request request;

typedef struct reader {
    request *r;
    omen_error *err;
    omen_str name;        /* of the facet that is read */
    const omen_json_val *path, *ranges, *histogram;
    bool values, stats;
    uint64_t limit, max_values;
    bool limited;
} reader;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading facets"); }

static omen_status refuse(reader *d, const char *what) {
    return omen_fail(d->err, OMEN_ERR_INVALID, "facets: %.*s%s: %s", (int)OMEN_MIN(d->name.len, 60), d->name.len == 0 ? "" : d->name.data, d->name.len > 60 ? "..." : "", what);
}

static bool is(omen_str s, const char *text) { return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0; }

static omen_status copy(reader *d, omen_str s, omen_str *out) {
    char *p = omen_arena_copy(&d->r->arena, s.len == 0 ? "" : s.data, s.len);
    *out = (omen_str){p, s.len};
    return p == NULL ? out_of_memory(d->err) : OMEN_OK;
}

/* There is room for one of each kind of every facet. */
static facet_unit *new_unit(reader *d, facet_kind kind) {
    request *r = d->r;
    facet_unit *u = &r->units[r->unit_count++];
    *u = (facet_unit){.kind = kind, .facet = r->facet_count};
    u->limit = (uint32_t)d->limit;
    u->max_values = (uint32_t)d->max_values;
    r->facets[r->facet_count].count++;
    return u;
}

/* ---- ranges ---- */

/* A number, or a time as the integer of its microseconds. */
static omen_status read_bound(reader *d, const omen_json_val *v, omen_value *out, bool *time) {
    const omen_json_val *inner = NULL;
    if (omen_json_is_object(v) && omen_json_count(v) == 1) inner = omen_json_get(v, "$date");
    *out = omen_value_of(inner != NULL ? inner : v);
    *time = out->kind == OMEN_VALUE_STRING;
    if (inner != NULL && !*time) return refuse(d, "$date takes a string of RFC 3339, such as {\"$date\": \"2024-01-01T00:00:00Z\"}");
    if (*time) {
        int64_t t;
        if (!omen_time_parse(out->text, &t)) return refuse(d, "a range of times begins and ends with strings of RFC 3339, such as \"2024-01-01\" or \"2024-01-01T00:00:00Z\"");
        *out = (omen_value){.kind = OMEN_VALUE_INT, .i = t};
    }
    if (out->kind != OMEN_VALUE_INT && out->kind != OMEN_VALUE_FLOAT) return refuse(d, "from and to of a range are numbers or times");
    return OMEN_OK;
}

static omen_filter_value constant(const omen_value *v) {
    if (v->kind == OMEN_VALUE_INT) return (omen_filter_value){.type = OMEN_FILTER_INT, .as.i = v->i};
    return (omen_filter_value){.type = OMEN_FILTER_DOUBLE, .as.d = v->d};
}

/* from <= x < to as closed intervals of both types of numbers. */
static void limits(facet_range *r) {
    omen_filter_value from = constant(&r->from), to = constant(&r->to);
    int64_t low, high;
    double low_f64, high_f64;
    *r = (facet_range){r->time, r->from, r->to, true, true, INT64_MIN, INT64_MAX, -__builtin_inf(), __builtin_inf()};
    if (r->from.kind != OMEN_VALUE_MISSING) {
        r->integers = omen_filter_range_i64(OMEN_FILTER_GTE, &from, &low, &high);
        r->least = low;
        r->floats = omen_filter_range_f64(OMEN_FILTER_GTE, &from, &low_f64, &high_f64);
        r->least_f64 = low_f64;
    }
    if (r->to.kind != OMEN_VALUE_MISSING) {
        r->integers &= omen_filter_range_i64(OMEN_FILTER_LT, &to, &low, &high);
        r->most = high;
        r->floats &= omen_filter_range_f64(OMEN_FILTER_LT, &to, &low_f64, &high_f64);
        r->most_f64 = high_f64;
    }
}

static int order(const omen_value *a, const omen_value *b) {
    omen_filter_value x = constant(a), y = constant(b);
    return omen_filter_order(NULL, &x, &y);
}

typedef struct sides { const omen_json_val *from, *to; bool other; } sides;
static omen_status side(void *arg, omen_str key, const omen_json_val *v) {
    sides *s = arg;
    if (is(key, "from")) s->from = v;
    else if (is(key, "to")) s->to = v;
    else s->other = true;
    return OMEN_OK;
}

static omen_status read_range(reader *d, const omen_json_val *v, facet_range *out) {
    sides s = {0};
    bool from_time = false, to_time = false;
    *out = (facet_range){.from.kind = OMEN_VALUE_MISSING, .to.kind = OMEN_VALUE_MISSING};
    if (!omen_json_is_object(v)) return refuse(d, "a range is an object, such as {\"from\": 0, \"to\": 10}");
    OMEN_TRY(omen_json_each(v, side, &s));
    if (s.other || (s.from == NULL && s.to == NULL)) return refuse(d, "a range has from, to, or both, and nothing else");
    if (s.from != NULL) OMEN_TRY(read_bound(d, s.from, &out->from, &from_time));
    if (s.to != NULL) OMEN_TRY(read_bound(d, s.to, &out->to, &to_time));
    if (s.from != NULL && s.to != NULL && from_time != to_time) return refuse(d, "a range goes from number to number, or from time to time");
    if (s.from != NULL && s.to != NULL && order(&out->from, &out->to) >= 0) return refuse(d, "the from of a range is below its to");
    out->time = from_time || to_time;
    limits(out);
    return OMEN_OK;
}

static omen_status read_ranges(reader *d) {
    size_t count = omen_json_count(d->ranges);
    if (!omen_json_is_array(d->ranges) || count == 0 || count > OMEN_FACET_RANGES) return refuse(d, "ranges is an array of 1 to 256 ranges");
    facet_unit *u = new_unit(d, FACET_RANGES);
    u->ranges = omen_arena_alloc(&d->r->arena, count * sizeof *u->ranges, 8);
    if (u->ranges == NULL) return out_of_memory(d->err);
    omen_json_iter it = omen_json_iter_of(d->ranges);
    for (const omen_json_val *v; (v = omen_json_next(&it)) != NULL; u->range_count++) {
        OMEN_TRY(read_range(d, v, &u->ranges[u->range_count]));
        if (u->ranges[u->range_count].time) u->times = true;
        else u->numbers = true;
    }
    return OMEN_OK;
}

static omen_status read_histogram(reader *d) {
    const omen_json_val *interval = omen_json_get(d->histogram, "interval");
    if (interval == NULL || omen_json_count(d->histogram) != 1) return refuse(d, "a histogram has an interval and nothing else, such as {\"interval\": 10} or {\"interval\": \"month\"}");
    facet_unit *u = new_unit(d, FACET_HISTOGRAM);
    omen_value v = omen_value_of(interval);
    double number = v.kind == OMEN_VALUE_INT ? (double)v.i : v.kind == OMEN_VALUE_FLOAT ? v.d : 0;
    if (v.kind == OMEN_VALUE_STRING) {
        if (!omen_step_read(v.text, &u->step)) return refuse(d, "an interval of time is second, minute, hour, day, week, month, quarter or year, or 1 to 9999 of them: \"15 minutes\"");
        u->times = true;
        return OMEN_OK;
    }
    if (!(number > 0)) return refuse(d, "the interval of a histogram is a number above 0, or a length of time such as \"month\"");
    bool whole = number < 0x1p63 && (double)(int64_t)number == number;
    u->step = (facet_step){.whole = whole, .integer = v.kind == OMEN_VALUE_INT ? v.i : whole ? (int64_t)number : 0, .number = number};
    u->numbers = true;
    return OMEN_OK;
}

/* ---- facets ---- */

static omen_status member(void *arg, omen_str key, const omen_json_val *v) {
    reader *d = arg;
    if (is(key, "path")) d->path = v;
    else if (is(key, "ranges")) d->ranges = v;
    else if (is(key, "histogram")) d->histogram = v;
    else if (is(key, "values") || is(key, "stats")) {
        if (!omen_json_bool(v, key.data[0] == 'v' ? &d->values : &d->stats)) return refuse(d, "values and stats are true or false");
    } else if (is(key, "limit")) {
        d->limited = true;
        if (!omen_json_u64(v, &d->limit) || d->limit > OMEN_FACET_MOST_VALUES) return refuse(d, "limit is a number of values, 0 to maxValues");
    } else if (is(key, "maxValues")) {
        if (!omen_json_u64(v, &d->max_values) || d->max_values == 0 || d->max_values > OMEN_FACET_MOST_VALUES) return refuse(d, "maxValues is 1 to 1048576");
    } else {
        return omen_fail(d->err, OMEN_ERR_INVALID, "facets: %.*s: there is no \"%.*s\"; a facet has path, values, ranges, histogram, stats, limit and maxValues", (int)OMEN_MIN(d->name.len, 60),
                         d->name.len == 0 ? "" : d->name.data, (int)OMEN_MIN(key.len, 60), key.len == 0 ? "" : key.data);
    }
    return OMEN_OK;
}

/* v NULL: all as it is without saying. */
static omen_status read_facet(void *arg, omen_str name, const omen_json_val *v) {
    reader *d = arg;
    request *r = d->r;
    *d = (reader){.r = r, .err = d->err, .name = name, .limit = OMEN_FACET_LIMIT, .max_values = OMEN_FACET_VALUES};
    if (r->facet_count == OMEN_FACETS_MAX) return omen_fail(d->err, OMEN_ERR_TOO_LARGE, "facets: more than 64 facets in one query");
    for (uint32_t i = 0; i < r->facet_count; i++)
        if (r->facets[i].name.len == name.len && (name.len == 0 || memcmp(r->facets[i].name.data, name.data, name.len) == 0)) return refuse(d, "there are two facets of this name");
    if (v != NULL && !omen_json_is_object(v)) return refuse(d, "a facet is an object, such as {} or {\"limit\": 20}");
    if (v != NULL) OMEN_TRY(omen_json_each(v, member, d));
    if (!d->limited) d->limit = OMEN_MIN(d->limit, d->max_values);
    if (d->limit > d->max_values) return refuse(d, "limit is a number of values, 0 to maxValues");
    if (d->ranges == NULL && d->histogram == NULL && !d->stats) d->values = true;
    facet *f = &r->facets[r->facet_count];
    omen_str path = name;
    if (d->path != NULL && !omen_json_str(d->path, &path)) return refuse(d, "path is a string");
    *f = (facet){.first = r->unit_count};
    OMEN_TRY(copy(d, name, &f->name));
    omen_status s = omen_value_path_read(r->mem, path, &f->path, d->err);
    if (s != OMEN_OK) return d->err == NULL ? s : omen_fail(d->err, s, "facets: %.200s", d->err->text);
    if (d->values) new_unit(d, FACET_VALUES);
    if (d->ranges != NULL) OMEN_TRY(read_ranges(d));
    if (d->histogram != NULL) OMEN_TRY(read_histogram(d));
    if (d->stats) new_unit(d, FACET_STATS);
    r->facet_count++;
    return OMEN_OK;
}

static omen_status read_all(reader *d, const omen_json_val *v) {
    static const char shape[] = "facets: an object of facets by name, such as {\"tags\": {\"limit\": 20}}, or an array of paths, such as [\"tags\"]";
    if (omen_json_is_object(v)) return omen_json_each(v, read_facet, d);
    if (!omen_json_is_array(v)) return omen_fail(d->err, OMEN_ERR_INVALID, "%s", shape);
    omen_json_iter it = omen_json_iter_of(v);
    for (const omen_json_val *e; (e = omen_json_next(&it)) != NULL;) {
        omen_str name;
        if (!omen_json_str(e, &name)) return omen_fail(d->err, OMEN_ERR_INVALID, "%s", shape);
        OMEN_TRY(read_facet(d, name, NULL));
    }
    return OMEN_OK;
}

omen_status omen_facets_request_read(omen_mem *m, const omen_json_val *v, omen_facets_request **out, omen_error *err) {
    request *r = omen_alloc_zero(m, sizeof *r);
    *out = NULL;
    if (r == NULL) return out_of_memory(err);
    r->mem = m;
    omen_arena_init(&r->arena, m, 1024);
    omen_status s = read_all(&(reader){.r = r, .err = err}, v);
    if (s == OMEN_OK) *out = r;
    else omen_facets_request_free(r);
    return s;
}

void omen_facets_request_free(omen_facets_request *r) {
    if (r == NULL) return;
    /* the path of the last one may be there without it being counted */
    for (uint32_t i = 0; i < OMEN_FACETS_MAX; i++) omen_value_path_deinit(&r->facets[i].path);
    omen_arena_deinit(&r->arena);
    omen_free(r->mem, r, sizeof *r);
}
