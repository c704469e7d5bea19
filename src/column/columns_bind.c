/* columns_bind.c - from the sets of values of a condition to ranges of keys in the series of a column. */
#include "base/sort.h"
#include "column/columns_bound.h"
#include "column/columns_dict.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory evaluating a filter"); }

/* ---- limits of numbers ---- */

/* The least integer inside a lower limit; false: there is none. */
static bool int_from(const omen_limit *l, int64_t *out) {
    *out = INT64_MIN;
    if (l->type == OMEN_LIMIT_NONE) return true;
    if (l->type == OMEN_LIMIT_INT) {
        *out = l->integer;
        return !l->open || !__builtin_add_overflow(l->integer, 1, out);
    }
    if (!(l->number < 0x1p63)) return false; /* NaN too */
    if (l->number < -0x1p63) return true;
    int64_t whole = (int64_t)l->number; /* towards zero */
    double back = (double)whole;
    if (back < l->number || (back == l->number && l->open)) return !__builtin_add_overflow(whole, 1, out);
    *out = whole;
    return true;
}

static bool int_to(const omen_limit *l, int64_t *out) {
    *out = INT64_MAX;
    if (l->type == OMEN_LIMIT_NONE) return true;
    if (l->type == OMEN_LIMIT_INT) {
        *out = l->integer;
        return !l->open || !__builtin_sub_overflow(l->integer, 1, out);
    }
    if (!(l->number >= -0x1p63)) return false;
    if (l->number >= 0x1p63) return true;
    int64_t whole = (int64_t)l->number;
    double back = (double)whole;
    if (back > l->number || (back == l->number && l->open)) return !__builtin_sub_overflow(whole, 1, out);
    *out = whole;
    return true;
}

/* Which side of an integer the nearest double lies on. */
static int rounded(int64_t i, double d) {
    if (d >= 0x1p63) return 1;
    int64_t whole = (int64_t)d;
    return (whole > i) - (whole < i);
}

static bool float_from(const omen_limit *l, int64_t *out) {
    *out = omen_float_key(-__builtin_inf());
    if (l->type == OMEN_LIMIT_NONE) return true;
    double d = l->type == OMEN_LIMIT_INT ? (double)l->integer : l->number;
    if (d != d) return false;
    int side = l->type == OMEN_LIMIT_INT ? rounded(l->integer, d) : 0;
    *out = omen_float_key(d) + (side < 0 || (side == 0 && l->open));
    return true;
}

static bool float_to(const omen_limit *l, int64_t *out) {
    *out = omen_float_key(__builtin_inf());
    if (l->type == OMEN_LIMIT_NONE) return true;
    double d = l->type == OMEN_LIMIT_INT ? (double)l->integer : l->number;
    if (d != d) return false;
    int side = l->type == OMEN_LIMIT_INT ? rounded(l->integer, d) : 0;
    *out = omen_float_key(d) - (side > 0 || (side == 0 && l->open));
    if (*out == -1) *out = -2; /* the key of -0, which no value has: as a double it would let 0 in */
    return true;
}

/* ---- binding ---- */

static omen_status add(omen_bound *b, bound_series *s, int64_t low, int64_t high, const omen_range *range) {
    if (low > high) return OMEN_OK;
    if (s->count == s->cap) {
        uint32_t cap = s->cap == 0 ? 4 : s->cap * 2;
        key_range *grown = omen_resize(b->columns->store->mem, s->ranges, s->cap * sizeof *grown, cap * sizeof *grown);
        if (grown == NULL) return OMEN_ERR_MEMORY;
        s->ranges = grown;
        s->cap = cap;
    }
    s->ranges[s->count++] = (key_range){low, high, range};
    return OMEN_OK;
}

static bool range_less(void *arg, const void *a, const void *b) {
    const key_range *x = a, *y = b;
    (void)arg;
    return x->low != y->low ? x->low < y->low : x->high < y->high;
}

static void join(bound_series *s) {
    uint32_t n = 0;
    omen_sort(s->ranges, s->count, sizeof *s->ranges, range_less, NULL);
    for (uint32_t i = 0; i < s->count; i++) {
        key_range *last = &s->ranges[n - (n != 0)];
        if (n != 0 && (s->ranges[i].low <= last->high || s->ranges[i].low - 1 == last->high)) last->high = OMEN_MAX(last->high, s->ranges[i].high);
        else s->ranges[n++] = s->ranges[i];
    }
    s->count = n;
}

static bool is_text(const omen_range *r) { return r->kind == OMEN_RANGE_STRINGS || r->kind == OMEN_RANGE_PREFIX || r->kind == OMEN_RANGE_SUBSTRING; }

/* Of strings without dictionary: the keys their first bytes may have. */
static omen_status add_plain(omen_bound *b, bound_series *s, const omen_range *r) {
    int64_t low = INT64_MIN, high = INT64_MAX;
    if (r->kind == OMEN_RANGE_STRINGS) {
        if (r->low.type == OMEN_LIMIT_TEXT) low = omen_string_key(r->low.text.data, r->low.text.len);
        if (r->high.type == OMEN_LIMIT_TEXT) high = omen_string_key(r->high.text.data, r->high.text.len);
    } else if (r->kind == OMEN_RANGE_PREFIX) {
        uint8_t last[8];
        size_t n = OMEN_MIN(r->low.text.len, sizeof last);
        low = omen_string_key(r->low.text.data, r->low.text.len);
        memset(last, 0xff, sizeof last);
        if (n != 0) memcpy(last, r->low.text.data, n);
        high = omen_string_key(last, sizeof last);
    }
    return add(b, s, OMEN_MAX(low, s->series->min), OMEN_MIN(high, s->series->max), r);
}

static omen_status add_range(omen_bound *b, bound_series *s, const omen_range *r) {
    int64_t low, high;
    switch ((omen_series_type)s->series->type) {
    case OMEN_SERIES_INT:
        if (r->kind == OMEN_RANGE_NUMBERS && int_from(&r->low, &low) && int_to(&r->high, &high)) return add(b, s, low, high, NULL);
        return OMEN_OK;
    case OMEN_SERIES_FLOAT:
        if (r->kind == OMEN_RANGE_NUMBERS && float_from(&r->low, &low) && float_to(&r->high, &high)) return add(b, s, low, high, NULL);
        return OMEN_OK;
    case OMEN_SERIES_TIME:
        if (r->kind == OMEN_RANGE_TIMES && int_from(&r->low, &low) && int_to(&r->high, &high)) return add(b, s, low, high, NULL);
        return OMEN_OK;
    case OMEN_SERIES_STRING:
        if (r->kind == OMEN_RANGE_TIMES && omen_columns_series(b->columns, b->column, s->series->level, OMEN_SERIES_TIME) == NULL) s->doubt = true;
        if (is_text(r) && s->series->dict_count == 0) return add_plain(b, s, r);
        return OMEN_OK; /* dictionaries are searched in prepare */
    default: return OMEN_OK;
    }
}

static omen_status bind_series(omen_bound *b, const omen_series *series, bound_series *s) {
    const omen_condition *k = b->condition;
    uint32_t look = series->level == 0 ? OMEN_LOOK_VALUE : OMEN_LOOK_ELEMENTS;
    *s = (bound_series){.series = series};
    if (series->type == OMEN_SERIES_BOOL && (k->look & look) != 0) {
        if ((k->kinds & OMEN_KIND_FALSE) != 0) OMEN_TRY(add(b, s, 0, 0, NULL));
        if ((k->kinds & OMEN_KIND_TRUE) != 0) OMEN_TRY(add(b, s, 1, 1, NULL));
    }
    for (uint32_t i = 0; i < k->range_count; i++)
        if ((k->ranges[i].look & look) != 0) OMEN_TRY(add_range(b, s, &k->ranges[i]));
    return OMEN_OK;
}

omen_status omen_bound_new(const omen_columns *c, const omen_condition *condition, omen_bound **out, omen_error *err) {
    omen_mem *m = c->store->mem;
    bool complete;
    omen_bound *b = omen_alloc_zero(m, sizeof *b);
    *out = b;
    if (b == NULL) return out_of_memory(err);
    b->columns = c;
    b->condition = condition;
    b->column = omen_columns_find(c, condition->path, &complete);
    b->unknown = b->column == NULL && !complete;
    if (b->column == NULL || b->column->series_count == 0) return OMEN_OK;
    b->series = omen_alloc_zero(m, b->column->series_count * sizeof *b->series);
    omen_status s = b->series == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
    for (uint32_t i = 0; i < b->column->series_count && s == OMEN_OK; i++) s = bind_series(b, &c->series[b->column->first_series + i], &b->series[b->series_count++]);
    if (s == OMEN_OK) return OMEN_OK;
    omen_bound_free(b);
    *out = NULL;
    return out_of_memory(err);
}

void omen_bound_free(omen_bound *b) {
    if (b == NULL) return;
    omen_mem *m = b->columns->store->mem;
    for (uint32_t i = 0; i < b->series_count; i++) {
        bound_series *s = &b->series[i];
        omen_free(m, s->ranges, s->cap * sizeof *s->ranges);
        omen_free(m, s->codes, s->codes == NULL ? 0 : (size_t)omen_bitmap_bytes(s->series->dict_count));
    }
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_deinit(b->columns, &b->views[i]);
    omen_free(m, b->series, b->series == NULL ? 0 : b->column->series_count * sizeof *b->series);
    omen_free(m, b, sizeof *b);
}

/* ---- preparing: dictionaries and Bloom filters ---- */

/* One entry of a dictionary. [may pend] */
static omen_status entry(omen_bound *b, const omen_series *s, uint32_t code, omen_str *out, omen_error *err) {
    const uint8_t *p;
    OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_OFFSETS], b->columns->data, s->offsets + (uint64_t)code * 4, 8, &p, err));
    uint32_t from = omen_get32(p), to = omen_get32(p + 4);
    if (from > to || to > s->bytes_len || to - from > OMEN_COLUMN_MAX_STRING) return omen_fail(err, OMEN_ERR_CORRUPT, "a segment is damaged: entry %u of a dictionary of its columns is wrong", code);
    *out = (omen_str){"", 0};
    if (from == to) return OMEN_OK;
    OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_VALUES], b->columns->data, s->bytes + from, to - from, &p, err));
    *out = (omen_str){(const char *)p, to - from};
    return OMEN_OK;
}

/* The first code whose entry, cut to `cut` bytes, is not below (after: is above) the text. Goes on where it pended. */
static omen_status search(omen_bound *b, bound_series *s, omen_str text, size_t cut, bool after, uint32_t *out, omen_error *err) {
    if (!s->searching) {
        s->low = 0;
        s->high = s->series->dict_count;
        s->searching = true;
    }
    while (s->low < s->high) {
        uint32_t mid = s->low + (s->high - s->low) / 2;
        omen_str e;
        OMEN_TRY(entry(b, s->series, mid, &e, err));
        e.len = OMEN_MIN(e.len, cut);
        int order = omen_str_order(e, text);
        if (order < 0 || (after && order == 0)) s->low = mid + 1;
        else s->high = mid;
    }
    s->searching = false;
    *out = s->low;
    return OMEN_OK;
}

static omen_status want_codes(omen_bound *b, bound_series *s, omen_error *err) {
    if (s->codes == NULL) s->codes = omen_alloc_zero(b->columns->store->mem, (size_t)omen_bitmap_bytes(s->series->dict_count));
    return s->codes == NULL ? out_of_memory(err) : OMEN_OK;
}

static omen_status search_substring(omen_bound *b, bound_series *s, omen_str part, omen_error *err) {
    OMEN_TRY(want_codes(b, s, err));
    if (!s->searching) {
        s->low = 0;
        s->searching = true;
    }
    for (; s->low < s->series->dict_count; s->low++) {
        omen_str e;
        OMEN_TRY(entry(b, s->series, s->low, &e, err));
        if (omen_str_contains(e, part)) s->codes[s->low / 64] |= UINT64_C(1) << s->low % 64;
    }
    s->searching = false;
    return OMEN_OK;
}

static omen_status search_range(omen_bound *b, bound_series *s, const omen_range *r, omen_error *err) {
    uint32_t last = s->series->dict_count;
    if (r->kind == OMEN_RANGE_SUBSTRING) return search_substring(b, s, r->low.text, err);
    bool prefix = r->kind == OMEN_RANGE_PREFIX;
    if (s->side == 0) {
        s->first = 0;
        if (r->low.type == OMEN_LIMIT_TEXT) OMEN_TRY(search(b, s, r->low.text, SIZE_MAX, r->low.open && !prefix, &s->first, err));
        s->side = 1;
    }
    if (prefix) OMEN_TRY(search(b, s, r->low.text, r->low.text.len, true, &last, err));
    else if (r->high.type == OMEN_LIMIT_TEXT) OMEN_TRY(search(b, s, r->high.text, SIZE_MAX, !r->high.open, &last, err));
    s->side = 0;
    return last == 0 ? OMEN_OK : add(b, s, s->first, (int64_t)last - 1, NULL) == OMEN_OK ? OMEN_OK : out_of_memory(err);
}

/* Ranges of codes become bits when there are many of them, or some already are bits. */
static omen_status settle_codes(omen_bound *b, bound_series *s, omen_error *err) {
    join(s);
    if (s->codes == NULL && s->count <= 4) return OMEN_OK;
    OMEN_TRY(want_codes(b, s, err));
    for (uint32_t i = 0; i < s->count; i++)
        for (int64_t code = s->ranges[i].low; code <= s->ranges[i].high; code++) s->codes[code / 64] |= UINT64_C(1) << code % 64;
    return OMEN_OK;
}

/* Takes out points that a Bloom filter knows to be absent. */
static omen_status filter(omen_bound *b, bound_series *s, omen_error *err) {
    const omen_series *o = s->series;
    for (; s->next_range < s->count; s->next_range++) {
        key_range *k = &s->ranges[s->next_range];
        uint64_t hash;
        if (o->type == OMEN_SERIES_INT) {
            if (k->low != k->high) continue;
            hash = omen_hash64(&k->low, sizeof k->low, 0);
        } else {
            const omen_range *r = k->range;
            if (r->kind != OMEN_RANGE_STRINGS || r->low.type != OMEN_LIMIT_TEXT || r->high.type != OMEN_LIMIT_TEXT || omen_str_order(r->low.text, r->high.text) != 0) continue;
            hash = omen_hash64(r->low.text.data, r->low.text.len, 0);
        }
        const uint8_t *p;
        OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_BITS], b->columns->statistics, o->bloom + omen_bloom_block(hash, o->bloom_blocks) * 32, 32, &p, err));
        bool there = true;
        for (uint32_t w = 0; w < 8; w++) there = there && (omen_get32(p + 4 * w) & omen_bloom_bit(hash, w)) != 0;
        if (!there) {
            memmove(k, k + 1, (--s->count - s->next_range) * sizeof *k); /* order counts; few are asked */
            s->next_range--;
        }
    }
    return OMEN_OK;
}

#define MAX_FILTERED 64u /* points that are looked up in a Bloom filter */

static omen_status prepare(omen_bound *b, bound_series *s, omen_error *err) {
    const omen_condition *k = b->condition;
    if (s->series->dict_count != 0) {
        for (; s->next_range < k->range_count; s->next_range++)
            if (is_text(&k->ranges[s->next_range]) && (k->ranges[s->next_range].look & (s->series->level == 0 ? OMEN_LOOK_VALUE : OMEN_LOOK_ELEMENTS)) != 0) OMEN_TRY(search_range(b, s, &k->ranges[s->next_range], err));
        return settle_codes(b, s, err);
    }
    if (s->next_range == 0) {
        if (s->series->type == OMEN_SERIES_STRING) omen_sort(s->ranges, s->count, sizeof *s->ranges, range_less, NULL);
        else join(s);
    }
    if (s->series->bloom != OMEN_COLUMN_NONE && s->count <= MAX_FILTERED) OMEN_TRY(filter(b, s, err));
    return OMEN_OK;
}

omen_status omen_bound_prepare(omen_bound *b, omen_error *err) {
    omen_status s = OMEN_OK;
    while (s == OMEN_OK && b->series_ready < b->series_count) {
        s = prepare(b, &b->series[b->series_ready], err);
        if (s == OMEN_OK) b->series_ready++;
    }
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_rest(b->columns, &b->views[i]);
    b->prepared = s == OMEN_OK;
    return s;
}
