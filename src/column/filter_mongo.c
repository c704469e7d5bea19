/* Mongo-style objects. A filter is an object whose members must all hold: `path: value` (equality), `path: {operators}`, or $and, $or, $nor (arrays of
 * filters) and $not (a filter). The recursion is as deep as the JSON, at most OMEN_MAX_JSON_DEPTH. */
#include "column/filter_build.h"

/* Where in the object we are. */
typedef struct step {
    omen_str key; /* data NULL: an element of an array */
    size_t index;
} step;

typedef struct reader {
    omen_builder b;
    omen_error *err;
    const omen_tree_path *path; /* whose operators are being read */
    uint32_t depth;
    step steps[OMEN_MAX_JSON_DEPTH + 8];
} reader;

/* ---- places and errors ---- */

#define PLACE_MAX 150u
#define KEY_SHOWN 40u

/* The place as `$.$or[1].year.$gtee`; of one that is long, the end. */
static void place_of(const reader *r, char out[PLACE_MAX + 8]) {
    char text[KEY_SHOWN + 16];
    size_t len = PLACE_MAX;
    uint32_t i = r->depth;
    out[len] = '\0';
    for (; i-- != 0;) {
        const step *s = &r->steps[i];
        size_t n;
        if (s->key.data == NULL) {
            n = omen_format(text, sizeof text, "[%zu]", s->index);
        } else {
            size_t shown = OMEN_MIN(s->key.len, KEY_SHOWN);
            while (shown != s->key.len && shown != 0 && ((unsigned char)s->key.data[shown] & 0xC0) == 0x80) shown--;
            n = omen_format(text, sizeof text, ".%.*s%s", (int)shown, s->key.data, shown == s->key.len ? "" : "...");
        }
        if (n + 4 > len) break;
        len -= n;
        memcpy(out + len, text, n);
    }
    const char *front = i + 1 == 0 ? "$" : "$...";
    size_t n = strlen(front);
    memmove(out + n, out + len, PLACE_MAX - len + 1);
    memcpy(out, front, n);
}

__attribute__((noinline)) static void *refuse_as(reader *r, omen_status status, const char *what, omen_str detail, const char *rest) {
    char place[PLACE_MAX + 8];
    if (r->b.status != OMEN_OK) return NULL;
    r->b.status = status;
    place_of(r, place);
    omen_fail(r->err, status, "filter at %s: %s%.*s%s", place, what, (int)OMEN_MIN(detail.len, KEY_SHOWN), detail.data == NULL ? "" : detail.data, rest);
    return NULL;
}
static void *refuse(reader *r, const char *what) { return refuse_as(r, OMEN_ERR_INVALID, what, (omen_str){"", 0}, ""); }

/* What the builder refused, with the place; and the tree. */
static omen_tree *built(reader *r, omen_tree *t) {
    if (t == NULL && r->b.why != NULL && (r->err == NULL || r->err->status == OMEN_OK)) {
        omen_status s = r->b.status;
        r->b.status = OMEN_OK;
        if (s == OMEN_ERR_MEMORY) {
            r->b.status = s;
            omen_fail(r->err, s, "%s", r->b.why);
        } else {
            refuse_as(r, s, r->b.why, (omen_str){"", 0}, "");
        }
        r->b.why = NULL;
    }
    return t;
}

static bool enter(reader *r, omen_str key, size_t index) {
    if (r->depth == OMEN_ARRAY_LEN(r->steps)) return refuse(r, "nested too deeply") != NULL;
    r->steps[r->depth++] = (step){key, index};
    return true;
}
static void leave(reader *r) { r->depth--; }

/* ---- names of operators ---- */

typedef enum name {
    EQ, NE, GT, GTE, LT, LTE, IN, NIN, EXISTS, PREFIX, CONTAINS, ALL, SIZE, GEO, NOT, AND, OR, NOR, DATE, CENTER, BOX, UNKNOWN
} name;
static const char *const names[] = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$prefix", "$contains", "$all", "$size", "$geoWithin",
                                    "$not", "$and", "$or", "$nor", "$date", "$center", "$box"};

static bool is(omen_str s, const char *text) { return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0; }

static name name_of(omen_str key) {
    for (uint32_t i = 0; i < UNKNOWN; i++)
        if (is(key, names[i])) return (name)i;
    return UNKNOWN;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Insertions, deletions and replacements from one to the other, case apart (Levenshtein 1966). */
static uint32_t apart(omen_str a, const char *b) {
    uint32_t row[17], n = (uint32_t)strlen(b);
    if (a.len > 16) return 99;
    for (uint32_t j = 0; j <= n; j++) row[j] = j;
    for (uint32_t i = 1; i <= a.len; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= n; j++) {
            uint32_t replaced = corner + (lower(a.data[i - 1]) != lower(b[j - 1]));
            corner = row[j];
            row[j] = OMEN_MIN(replaced, OMEN_MIN(corner, row[j - 1]) + 1);
        }
    }
    return row[n];
}

__attribute__((noinline)) static void *unknown(reader *r, omen_str key) {
    static const struct { const char *theirs, *advice; } known[] = {
        {"$regex", "regular expressions are not offered; use $prefix or $contains"},
        {"$like", "use $prefix or $contains, or write the filter as SQL with LIKE"},
        {"$startsWith", "use $prefix"},
        {"$text", "text is searched by a query's text, not by its filter"},
        {"$elemMatch", "conditions on one element together are not offered"},
        {"$near", "use $geoWithin with $center"},
        {"$centerSphere", "use $center with a radius in metres"},
        {"$between", "use $gte and $lte"},
        {"$where", "code in filters is not offered"},
        {"$expr", "comparing one field with another is not offered"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(known); i++)
        if (is(key, known[i].theirs)) return refuse_as(r, OMEN_ERR_INVALID, "unknown operator; ", (omen_str){"", 0}, known[i].advice);
    uint32_t best = UNKNOWN, least = 3;
    for (uint32_t i = 0; i < UNKNOWN; i++)
        if (apart(key, names[i]) < least) least = apart(key, names[i]), best = i;
    if (best != UNKNOWN) return refuse_as(r, OMEN_ERR_INVALID, "unknown operator; did you mean ", (omen_str){names[best], strlen(names[best])}, "?");
    return refuse(r, "unknown operator; there are $eq $ne $gt $gte $lt $lte $in $nin $exists $prefix $contains $all $size $geoWithin $not, and $and $or $nor of filters");
}

/* ---- paths and values ---- */

/* Kept out of the recursion, whose frames are to stay small. */
__attribute__((noinline)) static const omen_tree_path *read_path(reader *r, omen_str text) {
    omen_str parts[OMEN_MAX_JSON_DEPTH];
    char plain[OMEN_FILTER_MAX_PATH]; /* without the backslashes */
    size_t count = 0, len = 0, begin = 0;
    if (text.len > OMEN_FILTER_MAX_PATH) return refuse_as(r, OMEN_ERR_TOO_LARGE, "a path is longer than 1024 bytes", (omen_str){"", 0}, "");
    for (size_t i = 0; i <= text.len; i++) {
        if (i == text.len || text.data[i] == '.') {
            if (len == begin) return refuse(r, "a path has an empty name; write names with single dots between them, such as \"a.b\"");
            if (count == OMEN_ARRAY_LEN(parts)) return refuse_as(r, OMEN_ERR_TOO_LARGE, "a path has more than 64 names", (omen_str){"", 0}, "");
            parts[count++] = (omen_str){plain + begin, len - begin};
            begin = len;
            continue;
        }
        if (text.data[i] == '\\') {
            if (++i == text.len || (text.data[i] != '.' && text.data[i] != '\\' && text.data[i] != '$'))
                return refuse(r, "a backslash in a path stands before a dot, a dollar sign or a backslash that is part of a name");
        }
        plain[len++] = text.data[i];
    }
    const omen_tree_path *p = omen_build_path(&r->b, parts, count);
    if (p == NULL) built(r, NULL);
    return p;
}

static bool only_key(const omen_json_val *v, const char *key, const omen_json_val **inner) {
    return omen_json_is_object(v) && omen_json_count(v) == 1 && (*inner = omen_json_get(v, key)) != NULL;
}

/* A constant; refuses arrays and objects but {"$date": ...}. */
static bool read_value(reader *r, const omen_json_val *v, omen_filter_value *out) {
    const omen_json_val *date;
    omen_str s;
    int64_t i;
    double d;
    bool truth;
    if (omen_json_str(v, &s)) *out = omen_value_str(s);
    else if (omen_json_i64(v, &i)) *out = omen_value_int(i);
    else if (omen_json_f64(v, &d)) *out = omen_value_double(d);
    else if (omen_json_bool(v, &truth)) *out = omen_value_bool(truth);
    else if (omen_json_is_null(v)) *out = omen_value_null();
    else if (omen_json_is_array(v)) return refuse(r, "an array cannot be compared as a whole; use $in for any of these values, $all for all of them, $size for their number") != NULL;
    else if (!only_key(v, "$date", &date)) return refuse(r, "an object cannot be compared as a whole; reach into it by a path such as \"a.b\"") != NULL;
    else if (!omen_json_str(date, &s) || !omen_time_parse(s, &i)) return refuse(r, "$date takes a time of RFC 3339 such as \"2024-01-31T12:00:00Z\", or a date such as \"2024-01-31\"") != NULL;
    else *out = omen_value_time(i);
    return true;
}

static omen_tree *leaf(reader *r, uint8_t op, const omen_filter_value *v) { return omen_build_leaf(&r->b, op, r->path, v); }

/* Fills the builder's list. */
static bool read_list(reader *r, const omen_json_val *list) {
    omen_json_iter it = omen_json_iter_of(list);
    const omen_json_val *v;
    for (size_t i = 0; (v = omen_json_next(&it)) != NULL; i++) {
        omen_filter_value value;
        if (!enter(r, (omen_str){NULL, 0}, i)) return false;
        if (!read_value(r, v, &value)) return false;
        leave(r);
        if (!omen_build_list(&r->b, &value)) return built(r, NULL) != NULL;
    }
    return true;
}

static omen_tree *read_all(reader *r, const omen_json_val *list) {
    omen_tree *join = omen_build_join(&r->b, OMEN_FILTER_AND);
    omen_json_iter it = omen_json_iter_of(list);
    const omen_json_val *v;
    for (size_t i = 0; (v = omen_json_next(&it)) != NULL; i++) {
        omen_filter_value value;
        if (!enter(r, (omen_str){NULL, 0}, i) || !read_value(r, v, &value)) return NULL;
        if (!omen_build_add(&r->b, join, leaf(r, OMEN_FILTER_EQ, &value))) return built(r, NULL);
        leave(r);
    }
    return omen_build_close(&r->b, join);
}

/* ---- places ---- */

/* `count` numbers in an array; false: it is something else. */
static bool numbers(const omen_json_val *v, size_t count, double *out) {
    omen_json_iter it = omen_json_iter_of(v);
    if (!omen_json_is_array(v) || omen_json_count(v) != count) return false;
    for (size_t i = 0; i < count; i++)
        if (!omen_json_f64(omen_json_next(&it), &out[i])) return false;
    return true;
}

static bool on_earth(reader *r, double lon, double lat) {
    if (lon >= -180.0 && lon <= 180.0 && lat >= -90.0 && lat <= 90.0) return true;
    return refuse(r, "a place is [longitude, latitude] in degrees, longitude from -180 to 180, latitude from -90 to 90") != NULL;
}

static omen_tree *read_center(reader *r, const omen_json_val *v) {
    double at[2], metres;
    if (!omen_json_is_array(v) || omen_json_count(v) != 2 || !numbers(omen_json_at(v, 0), 2, at) || !omen_json_f64(omen_json_at(v, 1), &metres))
        return refuse(r, "$center takes [[longitude, latitude], radius in metres]");
    if (!on_earth(r, at[0], at[1])) return NULL;
    if (!(metres >= 0.0)) return refuse(r, "the radius of $center is in metres, at least 0");
    return omen_build_circle(&r->b, r->path, at[0], at[1], metres);
}

static omen_tree *read_box(reader *r, const omen_json_val *v) {
    double low[2], high[2];
    if (!omen_json_is_array(v) || omen_json_count(v) != 2 || !numbers(omen_json_at(v, 0), 2, low) || !numbers(omen_json_at(v, 1), 2, high))
        return refuse(r, "$box takes [[west, south], [east, north]] in degrees");
    if (!on_earth(r, low[0], low[1]) || !on_earth(r, high[0], high[1])) return NULL;
    if (low[1] > high[1]) return refuse(r, "the south of $box lies north of its north; give the lower left corner first");
    omen_filter_box box = {low[0], low[1], high[0], high[1]};
    return omen_build_box(&r->b, r->path, &box);
}

static omen_tree *read_geo(reader *r, const omen_json_val *v) {
    const omen_json_val *inner;
    bool center = only_key(v, "$center", &inner);
    if (!center && !only_key(v, "$box", &inner)) return refuse(r, "$geoWithin takes {\"$center\": [[lon, lat], metres]} or {\"$box\": [[west, south], [east, north]]}");
    if (!enter(r, center ? OMEN_STR("$center") : OMEN_STR("$box"), 0)) return NULL;
    omen_tree *t = center ? read_center(r, inner) : read_box(r, inner);
    if (t != NULL) leave(r);
    return t;
}

/* ---- operators ---- */

static omen_tree *read_operators(reader *r, const omen_json_val *object);

static omen_tree *read_order(reader *r, uint8_t op, const omen_json_val *v) {
    omen_filter_value c;
    if (!read_value(r, v, &c)) return NULL;
    if (c.type == OMEN_FILTER_NULL || c.type == OMEN_FILTER_BOOL) return refuse(r, "only numbers, strings and {\"$date\": ...} have an order; use $eq or $ne");
    return leaf(r, op, &c);
}

static omen_tree *read_operator(reader *r, name op, const omen_json_val *v) {
    static const uint8_t orders[] = {[GT] = OMEN_FILTER_GT, [GTE] = OMEN_FILTER_GTE, [LT] = OMEN_FILTER_LT, [LTE] = OMEN_FILTER_LTE};
    omen_filter_value c;
    omen_tree *t;
    omen_str s;
    int64_t size;
    bool truth;
    switch (op) {
    case EQ:
    case NE:
        if (!read_value(r, v, &c)) return NULL;
        t = leaf(r, OMEN_FILTER_EQ, &c);
        return op == NE ? omen_build_not(&r->b, t) : t;
    case GT:
    case GTE:
    case LT:
    case LTE: return read_order(r, orders[op], v);
    case IN:
    case NIN:
        if (!omen_json_is_array(v)) return refuse(r, "this operator takes an array of values");
        if (!read_list(r, v)) return NULL;
        t = omen_build_in(&r->b, r->path);
        return op == NIN ? omen_build_not(&r->b, t) : t;
    case ALL:
        if (!omen_json_is_array(v) || omen_json_count(v) == 0) return refuse(r, "$all takes an array of at least one value");
        return read_all(r, v);
    case EXISTS:
        if (!omen_json_bool(v, &truth)) return refuse(r, "$exists takes true or false");
        t = leaf(r, OMEN_FILTER_EXISTS, NULL);
        return truth ? t : omen_build_not(&r->b, t);
    case PREFIX:
        if (!omen_json_str(v, &s)) return refuse(r, "$prefix takes a string");
        c = omen_value_str(s);
        return leaf(r, OMEN_FILTER_PREFIX, &c);
    case CONTAINS:
        if (!read_value(r, v, &c)) return NULL;
        if (c.type == OMEN_FILTER_NULL) return refuse(r, "$contains takes a string, a number, true or false; use $eq for null");
        return leaf(r, OMEN_FILTER_CONTAINS, &c);
    case SIZE:
        if (!read_value(r, v, &c)) return NULL;
        size = c.as.i;
        if (c.type != OMEN_FILTER_INT || size < 0) return refuse(r, "$size takes a whole number, at least 0");
        return leaf(r, OMEN_FILTER_SIZE, &c);
    case GEO: return read_geo(r, v);
    case NOT:
        if (!omen_json_is_object(v)) return refuse(r, "$not takes an object of operators; use $ne for a value");
        return omen_build_not(&r->b, read_operators(r, v));
    case AND:
    case OR:
    case NOR: return refuse(r, "this operator joins whole filters: write {\"$or\": [{\"a\": 1}, {\"b\": 2}]}, not {\"a\": {\"$or\": ...}}");
    default: return refuse(r, "this operator does not stand here; $date is a value, $center and $box stand in $geoWithin");
    }
}

/* Both walks over members: r and the AND they fill. */
typedef struct members {
    reader *r;
    omen_tree *join;
} members;

static omen_status each_operator(void *arg, omen_str key, const omen_json_val *v) {
    members *m = arg;
    reader *r = m->r;
    if (!enter(r, key, 0)) return OMEN_ERR_INVALID;
    omen_tree *t = NULL;
    if (key.len == 0 || key.data[0] != '$') {
        refuse(r, "this is no operator; operators begin with $, and what lies in an object is reached by a path such as \"a.b\"");
    } else {
        name op = name_of(key);
        t = op == UNKNOWN ? unknown(r, key) : read_operator(r, op, v);
    }
    if (!omen_build_add(&r->b, m->join, t)) {
        built(r, NULL);
        return OMEN_ERR_INVALID;
    }
    leave(r);
    return OMEN_OK;
}

static omen_tree *read_operators(reader *r, const omen_json_val *object) {
    if (omen_json_count(object) == 0) return refuse(r, "an empty object says nothing; give an operator such as {\"$exists\": true}");
    members m = {r, omen_build_join(&r->b, OMEN_FILTER_AND)};
    if (omen_json_each(object, each_operator, &m) != OMEN_OK) return NULL;
    return omen_build_close(&r->b, m.join);
}

static omen_tree *read_filter(reader *r, const omen_json_val *object);

static omen_tree *read_filters(reader *r, name op, const omen_json_val *list) {
    if (!omen_json_is_array(list) || omen_json_count(list) == 0) return refuse(r, "this operator takes an array of at least one filter");
    omen_tree *join = omen_build_join(&r->b, op == AND ? OMEN_FILTER_AND : OMEN_FILTER_OR);
    omen_json_iter it = omen_json_iter_of(list);
    const omen_json_val *v;
    for (size_t i = 0; (v = omen_json_next(&it)) != NULL; i++) {
        if (!enter(r, (omen_str){NULL, 0}, i)) return NULL;
        if (!omen_build_add(&r->b, join, read_filter(r, v))) return built(r, NULL);
        leave(r);
    }
    omen_tree *t = omen_build_close(&r->b, join);
    return op == NOR ? omen_build_not(&r->b, t) : t;
}

static omen_tree *read_condition(reader *r, omen_str key, const omen_json_val *v) {
    const omen_json_val *date;
    if (key.len != 0 && key.data[0] == '$') {
        name op = name_of(key);
        if (op == AND || op == OR || op == NOR) return read_filters(r, op, v);
        if (op == NOT) return omen_build_not(&r->b, read_filter(r, v));
        if (op == UNKNOWN) return unknown(r, key);
        return refuse(r, "this operator stands after a path: write {\"year\": {\"$gte\": 2020}}; of a name that begins with $ write \"\\\\$\"");
    }
    r->path = read_path(r, key);
    if (r->path == NULL) return NULL;
    return omen_json_is_object(v) && !only_key(v, "$date", &date) ? read_operators(r, v) : read_operator(r, EQ, v);
}

static omen_status each_condition(void *arg, omen_str key, const omen_json_val *v) {
    members *m = arg;
    reader *r = m->r;
    if (!enter(r, key, 0)) return OMEN_ERR_INVALID;
    if (!omen_build_add(&r->b, m->join, read_condition(r, key, v))) {
        built(r, NULL);
        return OMEN_ERR_INVALID;
    }
    leave(r);
    return OMEN_OK;
}

static omen_tree *read_filter(reader *r, const omen_json_val *object) {
    if (!omen_json_is_object(object)) return refuse(r, "a filter is an object such as {\"year\": {\"$gte\": 2020}}");
    members m = {r, omen_build_join(&r->b, OMEN_FILTER_AND)};
    if (omen_json_each(object, each_condition, &m) != OMEN_OK) return NULL;
    return omen_build_close(&r->b, m.join);
}

omen_status omen_filter_from_json(omen_mem *m, omen_str text, omen_filter **out, omen_error *err) {
    omen_error own = {0};
    omen_json *json;
    *out = NULL;
    if (text.len > OMEN_FILTER_MAX_TEXT) return omen_fail(err, OMEN_ERR_TOO_LARGE, "filter: %zu bytes; at most %u are read", text.len, OMEN_FILTER_MAX_TEXT);
    omen_status s = omen_json_parse(m, text, &json, &own);
    if (s != OMEN_OK) return omen_fail(err, s, "filter: %s", own.text);
    reader *r = omen_alloc(m, sizeof *r);
    if (r == NULL) {
        omen_json_free(json);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading a filter");
    }
    omen_builder_init(&r->b, m);
    r->err = &own;
    r->depth = 0;
    omen_tree *t = read_filter(r, omen_json_root(json));
    if (t != NULL) *out = omen_build_program(&r->b, t);
    if (*out == NULL) built(r, NULL);
    s = r->b.status;
    omen_builder_deinit(&r->b);
    omen_free(m, r, sizeof *r);
    omen_json_free(json);
    return s == OMEN_OK ? OMEN_OK : omen_fail(err, s, "%s", own.text);
}
