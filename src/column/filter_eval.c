/* Evaluation of a program on single documents and values. What is true of a column is what is true of each of its documents here. */
#include "column/filter.h"

/* ---- order ---- */

int omen_order_i64_f64(int64_t i, double d) {
    if (d != d) return 2;
    if (d >= 0x1p63) return -1;
    if (d < -0x1p63) return 1;
    int64_t whole = (int64_t)d; /* towards zero; beyond 2^53 a double is whole, below it `whole` is a double */
    if (i != whole) return i < whole ? -1 : 1;
    double fraction = d - (double)whole;
    return fraction > 0.0 ? -1 : fraction < 0.0;
}

/* One number as filters know them: NaN apart, every pair has an order. */
static int order_numbers(bool a_int, int64_t ai, double ad, bool b_int, int64_t bi, double bd) {
    if (a_int && b_int) return ai < bi ? -1 : ai > bi;
    if (a_int) return omen_order_i64_f64(ai, bd);
    if (b_int) {
        int c = omen_order_i64_f64(bi, ad);
        return c == 2 ? 2 : -c;
    }
    return ad < bd ? -1 : ad > bd ? 1 : ad == bd ? 0 : 2;
}

static int order_bytes(const void *a, size_t a_len, const void *b, size_t b_len) {
    size_t both = OMEN_MIN(a_len, b_len);
    int c = both == 0 ? 0 : memcmp(a, b, both);
    return c != 0 ? (c < 0 ? -1 : 1) : a_len < b_len ? -1 : a_len > b_len;
}

static uint32_t class_of(uint32_t type) { return type == OMEN_FILTER_DOUBLE ? (uint32_t)OMEN_FILTER_INT : type; }

/* Strings of a program lie at offsets from its start; of a tree that is being built (base NULL), at addresses. */
static const void *text_at(const void *base, const omen_filter_value *v) { return (const void *)((uintptr_t)base + (uintptr_t)v->as.offset); }

int omen_filter_order(const void *base, const omen_filter_value *a, const omen_filter_value *b) {
    uint32_t class = class_of(a->type);
    if (class != class_of(b->type)) return class < class_of(b->type) ? -1 : 1;
    if (class == OMEN_FILTER_STRING) return order_bytes(text_at(base, a), a->len, text_at(base, b), b->len);
    if (class == OMEN_FILTER_INT)
        return order_numbers(a->type == OMEN_FILTER_INT, a->as.i, a->as.d, b->type == OMEN_FILTER_INT, b->as.i, b->as.d);
    return a->as.i < b->as.i ? -1 : a->as.i > b->as.i;
}

/* ---- one value ---- */

/* As omen_filter_order; 2 when there is no order: another class, or NaN. A string is compared with a time as the instant that it says. */
static int order_scalar(const void *base, const omen_scalar *s, const omen_filter_value *c) {
    if (c->type == OMEN_FILTER_TIME) {
        int64_t t;
        if (s->type != OMEN_FILTER_STRING || !omen_time_parse(s->text, &t)) return 2;
        return t < c->as.i ? -1 : t > c->as.i;
    }
    if (class_of(s->type) != class_of(c->type)) return 2;
    switch (class_of(s->type)) {
    case OMEN_FILTER_NULL: return 0;
    case OMEN_FILTER_BOOL: return s->i < c->as.i ? -1 : s->i > c->as.i;
    case OMEN_FILTER_STRING: return order_bytes(s->text.data, s->text.len, text_at(base, c), c->len);
    default: return order_numbers(s->type == OMEN_FILTER_INT, s->i, s->d, c->type == OMEN_FILTER_INT, c->as.i, c->as.d);
    }
}

/* How many values come before a class. */
static uint32_t before_class(const omen_filter_value *v, uint32_t count, uint32_t class) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (class_of(v[middle].type) < class) low = middle + 1;
        else high = middle;
    }
    return low;
}

uint32_t omen_filter_run(const omen_filter *f, const omen_filter_node *in, uint32_t type, const omen_filter_value **first) {
    const omen_filter_value *v = omen_filter_values(f, in);
    uint32_t class = class_of(type), from = before_class(v, in->value_count, class);
    *first = v + from;
    return before_class(v, in->value_count, class + 1) - from;
}

static bool in_run(const omen_filter *f, const omen_filter_node *in, const omen_scalar *s, uint32_t type) {
    const omen_filter_value *v;
    uint32_t low = 0, high = omen_filter_run(f, in, type, &v);
    if (high == 0) return false;
    omen_filter_value instant = {.type = OMEN_FILTER_TIME};
    if (type == OMEN_FILTER_TIME && !omen_time_parse(s->text, &instant.as.i)) return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = type == OMEN_FILTER_TIME ? omen_filter_order(f, &instant, &v[middle]) : order_scalar(f, s, &v[middle]);
        if (c == 0) return true;
        if (c == 2) return false;
        if (c < 0) high = middle;
        else low = middle + 1;
    }
    return false;
}

static bool begins(omen_str s, omen_str with) { return s.len >= with.len && (with.len == 0 || memcmp(s.data, with.data, with.len) == 0); }

/* Looks for the first byte with memchr; a filter's constant is short. */
static bool holds(omen_str s, omen_str part) {
    if (part.len == 0) return true;
    while (s.len >= part.len) {
        const char *hit = memchr(s.data, part.data[0], s.len - part.len + 1);
        if (hit == NULL) return false;
        if (memcmp(hit, part.data, part.len) == 0) return true;
        s.len -= (size_t)(hit - s.data) + 1;
        s.data = hit + 1;
    }
    return false;
}

bool omen_filter_scalar_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_scalar *s, bool element) {
    if (leaf->op == OMEN_FILTER_EXISTS) return true;
    if (leaf->op == OMEN_FILTER_SIZE || leaf->op >= OMEN_FILTER_CIRCLE) return false;
    if (leaf->op == OMEN_FILTER_IN)
        return in_run(f, leaf, s, s->type) || (s->type == OMEN_FILTER_STRING && in_run(f, leaf, s, OMEN_FILTER_TIME));
    const omen_filter_value *c = omen_filter_values(f, leaf);
    omen_str text = {.data = omen_filter_at(f, c->type == OMEN_FILTER_STRING ? c->as.offset : 0), .len = c->len};
    switch (leaf->op) {
    case OMEN_FILTER_PREFIX: return s->type == OMEN_FILTER_STRING && begins(s->text, text);
    case OMEN_FILTER_CONTAINS:
        if (!element) return s->type == OMEN_FILTER_STRING && c->type == OMEN_FILTER_STRING && holds(s->text, text);
        return order_scalar(f, s, c) == 0;
    default: break;
    }
    int order = order_scalar(f, s, c);
    switch (leaf->op) {
    case OMEN_FILTER_EQ: return order == 0;
    case OMEN_FILTER_LT: return order == -1;
    case OMEN_FILTER_LTE: return order == -1 || order == 0;
    case OMEN_FILTER_GT: return order == 1;
    default: return order == 1 || order == 0;
    }
}

bool omen_filter_missing_matches(const omen_filter *f, const omen_filter_node *leaf) {
    /* null is the first of all values */
    return (leaf->op == OMEN_FILTER_EQ || leaf->op == OMEN_FILTER_IN) && omen_filter_values(f, leaf)->type == OMEN_FILTER_NULL;
}

/* ---- documents ---- */

static bool scalar_of(const omen_json_val *v, omen_scalar *s) {
    bool truth;
    *s = (omen_scalar){0};
    if (omen_json_str(v, &s->text)) s->type = OMEN_FILTER_STRING;
    else if (omen_json_i64(v, &s->i)) s->type = OMEN_FILTER_INT;
    else if (omen_json_f64(v, &s->d)) s->type = OMEN_FILTER_DOUBLE;
    else if (omen_json_bool(v, &truth)) *s = (omen_scalar){.type = OMEN_FILTER_BOOL, .i = truth};
    else return omen_json_is_null(v); /* OMEN_FILTER_NULL is 0 */
    return true;
}

static bool at_place(const omen_filter *f, const omen_filter_node *leaf, double lon, double lat) {
    const void *p = omen_filter_at(f, leaf->values);
    return leaf->op == OMEN_FILTER_CIRCLE ? omen_circle_has(p, lon, lat) : omen_box_has(p, lon, lat);
}

static bool pair_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_json_val *pair) {
    omen_json_iter it = omen_json_iter_of(pair);
    const omen_json_val *x = omen_json_next(&it), *y = omen_json_next(&it);
    double lon, lat;
    return x != NULL && y != NULL && omen_json_f64(x, &lon) && omen_json_f64(y, &lat) && at_place(f, leaf, lon, lat);
}

static bool place_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_json_val *v) {
    if (omen_json_is_array(v)) return pair_matches(f, leaf, v);
    if (!omen_json_is_object(v)) return false;
    const omen_json_val *x = omen_json_get(v, "lon"), *y = omen_json_get(v, "lat"), *type = omen_json_get(v, "type");
    double lon, lat;
    if (x != NULL && y != NULL && omen_json_f64(x, &lon) && omen_json_f64(y, &lat)) return at_place(f, leaf, lon, lat);
    omen_str name;
    if (type == NULL || !omen_json_str(type, &name) || name.len != 5 || memcmp(name.data, "Point", 5) != 0) return false;
    const omen_json_val *pair = omen_json_get(v, "coordinates");
    return pair != NULL && omen_json_is_array(pair) && pair_matches(f, leaf, pair);
}

static bool is_list_of_places(const omen_json_val *v) {
    omen_json_iter it = omen_json_iter_of(v);
    const omen_json_val *first = omen_json_next(&it);
    double number;
    return first != NULL && omen_json_is_array(v) && !omen_json_f64(first, &number);
}

bool omen_filter_leaf_matches(const omen_filter *f, const omen_filter_node *leaf, const omen_json_val *value) {
    if (leaf->op <= OMEN_FILTER_FALSE) return leaf->op == OMEN_FILTER_TRUE;
    if (value == NULL) return omen_filter_missing_matches(f, leaf);
    if (leaf->op == OMEN_FILTER_EXISTS) return true;
    bool array = omen_json_is_array(value), place = leaf->op >= OMEN_FILTER_CIRCLE;
    if (leaf->op == OMEN_FILTER_SIZE) return array && (int64_t)omen_json_count(value) == omen_filter_values(f, leaf)->as.i;
    omen_scalar s;
    if (place && !is_list_of_places(value)) return place_matches(f, leaf, value);
    if (!array) return scalar_of(value, &s) && omen_filter_scalar_matches(f, leaf, &s, false);
    omen_json_iter it = omen_json_iter_of(value);
    for (const omen_json_val *v; (v = omen_json_next(&it)) != NULL;)
        if (place ? place_matches(f, leaf, v) : scalar_of(v, &s) && omen_filter_scalar_matches(f, leaf, &s, true)) return true;
    return false;
}

const omen_json_val *omen_filter_reach(const omen_filter *f, uint32_t path, const omen_json_val *root) {
    const omen_filter_path *p = &omen_filter_paths(f)[path];
    const omen_filter_text *name = omen_filter_at(f, p->segments);
    for (uint32_t i = 0; i < p->segment_count && root != NULL; i++) root = omen_json_get_str(root, omen_filter_str(f, name[i]));
    return root;
}

bool omen_filter_matches(const omen_filter *f, const omen_json_val *root) {
    const omen_filter_node *nodes = omen_filter_nodes(f);
    uint32_t i = 0;
    for (;;) {
        /* A leaf: what stands first in any subtree. */
        const omen_json_val *value = nodes[i].path == UINT32_MAX ? NULL : omen_filter_reach(f, nodes[i].path, root);
        bool truth = omen_filter_leaf_matches(f, &nodes[i], value);
        /* Up, for as long as this child decides its parent or is the last of its children. */
        for (;;) {
            uint32_t parent = nodes[i].parent;
            if (parent == f->node_count) return truth;
            if (nodes[parent].op == OMEN_FILTER_NOT) truth = !truth;
            else if (truth != (nodes[parent].op == OMEN_FILTER_OR) && i + 1 != parent) break;
            i = parent;
        }
        i++;
    }
}

/* ---- constants as intervals ---- */

static bool whole(const omen_filter_value *c, int64_t *i) {
    *i = c->as.i;
    if (c->type == OMEN_FILTER_INT) return true;
    if (!(c->as.d >= -0x1p63 && c->as.d < 0x1p63)) return false;
    *i = (int64_t)c->as.d;
    return (double)*i == c->as.d;
}

bool omen_filter_range_i64(uint8_t op, const omen_filter_value *c, int64_t *low, int64_t *high) {
    bool upwards = op == OMEN_FILTER_GT || op == OMEN_FILTER_GTE;
    int64_t i;
    *low = INT64_MIN;
    *high = INT64_MAX;
    if (whole(c, &i)) {
        if ((op == OMEN_FILTER_LT && i == INT64_MIN) || (op == OMEN_FILTER_GT && i == INT64_MAX)) return false;
        if (op == OMEN_FILTER_EQ || upwards) *low = i + (op == OMEN_FILTER_GT);
        if (op == OMEN_FILTER_EQ || !upwards) *high = i - (op == OMEN_FILTER_LT);
        return true;
    }
    double d = c->as.d;
    if (d != d || op == OMEN_FILTER_EQ) return false;
    if (d >= 0x1p63) return !upwards;
    if (d < -0x1p63) return upwards;
    i = (int64_t)d; /* a fraction, so |d| < 2^53 and i + 1 and i - 1 are there */
    int64_t floor = i - ((double)i > d);
    if (upwards) *low = floor + 1;
    else *high = floor;
    return true;
}

/* The next double in the direction of `up`; of finite x. */
static double next(double x, bool up) {
    int64_t bits;
    if (x == 0.0) x = up ? 0.0 : -0.0;
    memcpy(&bits, &x, sizeof bits);
    if (x == 0.0) bits = (up ? 0 : INT64_MIN) + 1;
    else bits += (x > 0.0) == up ? 1 : -1;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

bool omen_filter_range_f64(uint8_t op, const omen_filter_value *c, double *low, double *high) {
    bool upwards = op == OMEN_FILTER_GT || op == OMEN_FILTER_GTE, is_int = c->type == OMEN_FILTER_INT;
    double d = is_int ? (double)c->as.i : c->as.d;
    *low = -__builtin_inf();
    *high = __builtin_inf();
    if (d - d != 0.0) return false;
    /* The constant may lie beside its nearest double. */
    int beside = is_int ? omen_order_i64_f64(c->as.i, d) : 0;
    if (op == OMEN_FILTER_EQ) {
        *low = *high = d;
        return beside == 0;
    }
    if (upwards) *low = beside > 0 || (beside == 0 && op == OMEN_FILTER_GT) ? next(d, true) : d;
    else *high = beside < 0 || (beside == 0 && op == OMEN_FILTER_LT) ? next(d, false) : d;
    return true;
}
