/* columns_scan.c - the rows of a block that fulfil a bound condition. */
#include "column/columns_bound.h"
#include "column/columns_dict.h"
#include "kernel/ranges.h"

static omen_status corrupt(const omen_bound *b, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: its columns: %s", omen_segment_file_name(omen_segment_info_of(b->columns->segment)->number).text, what);
}

static uint32_t words_of(uint32_t count) { return (count + 63) / 64; }

static void cut(uint64_t *bits, uint32_t count) {
    if (count % 64 != 0) bits[count / 64] &= (UINT64_C(1) << count % 64) - 1;
}

static void fill(uint64_t *bits, uint32_t count) {
    memset(bits, 0xff, words_of(count) * sizeof *bits);
    cut(bits, count);
}

zone_answer omen_bound_zone(const bound_series *s, int64_t min, int64_t max) {
    if (s->doubt) return ZONE_ALL;
    if (s->codes != NULL) return ZONE_SCAN;
    for (uint32_t i = 0; i < s->count; i++) {
        const key_range *r = &s->ranges[i];
        if (r->high < min || r->low > max) continue;
        return r->low <= min && r->high >= max && r->range == NULL ? ZONE_ALL : ZONE_SCAN;
    }
    return ZONE_NONE;
}

/* ---- values to bits ---- */

#define FEW 4u /* ranges that are scanned one by one */

/* The first range that does not end before the key. */
static uint32_t first_upto(const bound_series *s, int64_t key) {
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (s->ranges[mid].high < key) low = mid + 1;
        else high = mid;
    }
    return low;
}

static bool inside(const bound_series *s, int64_t key) {
    uint32_t at = first_upto(s, key);
    return at < s->count && s->ranges[at].low <= key;
}

static omen_status look(omen_bound *b, uint32_t view, uint64_t offset, size_t len, const uint8_t **out, omen_error *err) {
    return omen_view_get(b->columns, &b->views[view], b->columns->data, offset, len, out, err);
}

static void scan_codes(const bound_series *s, const uint8_t *p, uint32_t count, uint64_t *bits) {
    uint32_t width = s->series->width;
    memset(bits, 0, words_of(count) * sizeof *bits);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = width == 1 ? p[i] : omen_get16(p + 2 * (size_t)i);
        if (code < s->series->dict_count) bits[i / 64] |= (s->codes[code / 64] >> code % 64 & 1) << i % 64;
    }
}

static void scan_integers(const bound_series *s, const uint8_t *p, uint32_t count, uint64_t *bits) {
    const omen_series *o = s->series;
    uint64_t one[OMEN_BLOCK_WORDS], base = (uint64_t)o->min;
    uint32_t words = words_of(count);
    memset(bits, 0, words * sizeof *bits);
    for (uint32_t i = 0; i < s->count && s->count <= FEW; i++) {
        int64_t low = OMEN_MAX(s->ranges[i].low, o->min), high = OMEN_MIN(s->ranges[i].high, o->max);
        if (low > high) continue;
        omen_range_uint(p, o->width, count, (uint64_t)low - base, (uint64_t)high - (uint64_t)low, i == 0 ? bits : one);
        for (uint32_t w = 0; w < words && i != 0; w++) bits[w] |= one[w];
    }
    for (uint32_t i = 0; i < count && s->count > FEW; i++) {
        uint64_t v = o->width == 1 ? p[i] : o->width == 2 ? omen_get16(p + 2 * i) : o->width == 4 ? omen_get32(p + 4 * i) : omen_get64(p + 8 * (size_t)i);
        bits[i / 64] |= (uint64_t)inside(s, (int64_t)(base + v)) << i % 64;
    }
}

static void scan_floats(const bound_series *s, const uint8_t *p, uint32_t count, uint64_t *bits) {
    uint64_t one[OMEN_BLOCK_WORDS];
    uint32_t words = words_of(count);
    memset(bits, 0, words * sizeof *bits);
    for (uint32_t i = 0; i < s->count && s->count <= FEW; i++) {
        omen_range_f64(p, count, omen_key_float(s->ranges[i].low), omen_key_float(s->ranges[i].high), i == 0 ? bits : one);
        for (uint32_t w = 0; w < words && i != 0; w++) bits[w] |= one[w];
    }
    for (uint32_t i = 0; i < count && s->count > FEW; i++) {
        double d;
        memcpy(&d, p + 8 * (size_t)i, 8);
        bits[i / 64] |= (uint64_t)inside(s, omen_float_key(d)) << i % 64;
    }
}

static bool in_range(const omen_range *r, omen_str s) {
    if (r->kind == OMEN_RANGE_PREFIX) return s.len >= r->low.text.len && (r->low.text.len == 0 || memcmp(s.data, r->low.text.data, r->low.text.len) == 0);
    if (r->kind == OMEN_RANGE_SUBSTRING) return omen_str_contains(s, r->low.text);
    if (r->low.type == OMEN_LIMIT_TEXT) {
        int order = omen_str_order(s, r->low.text);
        if (order < 0 || (order == 0 && r->low.open)) return false;
    }
    if (r->high.type == OMEN_LIMIT_TEXT) {
        int order = omen_str_order(s, r->high.text);
        if (order > 0 || (order == 0 && r->high.open)) return false;
    }
    return true;
}

static omen_status scan_plain(omen_bound *b, const bound_series *s, uint64_t slot, uint32_t count, uint64_t *bits, omen_error *err) {
    const omen_series *o = s->series;
    const uint8_t *offsets, *p;
    OMEN_ASSERT(count <= OMEN_PLAIN_PIECE);
    memset(bits, 0, words_of(count) * sizeof *bits);
    if (s->count == 0) return OMEN_OK;
    OMEN_TRY(look(b, VIEW_OFFSETS, o->offsets + slot * o->width, (count + UINT64_C(1)) * o->width, &offsets, err));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t from = o->width == 4 ? omen_get32(offsets + 4 * i) : omen_get64(offsets + 8 * (size_t)i);
        uint64_t to = o->width == 4 ? omen_get32(offsets + 4 * i + 4) : omen_get64(offsets + 8 * (size_t)i + 8);
        if (from > to || to > o->bytes_len || to - from > OMEN_COLUMN_MAX_STRING) return corrupt(b, "the offsets of strings are wrong", err);
        omen_str text = {"", 0};
        if (from < to) {
            OMEN_TRY(look(b, VIEW_VALUES, o->bytes + from, (size_t)(to - from), &p, err));
            text = (omen_str){(const char *)p, (size_t)(to - from)};
        }
        int64_t key = omen_string_key(text.data, text.len);
        bool hit = false;
        /* Many ranges are single strings: their keys ascend on both sides. */
        for (uint32_t k = s->count > FEW ? first_upto(s, key) : 0; k < s->count && !hit && s->ranges[k].low <= key; k++)
            hit = key <= s->ranges[k].high && in_range(s->ranges[k].range, text);
        bits[i / 64] |= (uint64_t)hit << i % 64;
    }
    return OMEN_OK;
}

static omen_status scan_values(omen_bound *b, const bound_series *s, uint64_t slot, uint32_t count, uint64_t *bits, omen_error *err) {
    const omen_series *o = s->series;
    const uint8_t *p = (const uint8_t *)"";
    if (o->type == OMEN_SERIES_BOOL) {
        OMEN_TRY(look(b, VIEW_VALUES, o->values + slot / 8, words_of(count) * sizeof *bits, &p, err));
        bool no = inside(s, 0), yes = inside(s, 1);
        memcpy(bits, p, words_of(count) * sizeof *bits);
        for (uint32_t w = 0; w < words_of(count); w++) bits[w] = (yes ? bits[w] : 0) | (no ? ~bits[w] : 0);
        return OMEN_OK;
    }
    if (o->type == OMEN_SERIES_STRING && o->dict_count == 0) return scan_plain(b, s, slot, count, bits, err);
    if (o->width == 0) {
        bool yes = s->codes != NULL ? (s->codes[0] & 1) != 0 : inside(s, o->min);
        memset(bits, yes ? 0xff : 0, words_of(count) * sizeof *bits);
        return OMEN_OK;
    }
    OMEN_TRY(look(b, VIEW_VALUES, o->values + slot * o->width, (size_t)count * o->width, &p, err));
    if (s->codes != NULL) scan_codes(s, p, count, bits);
    else if (o->type == OMEN_SERIES_FLOAT) scan_floats(s, p, count, bits);
    else scan_integers(s, p, count, bits);
    return OMEN_OK;
}

omen_status omen_bound_scan(omen_bound *b, const bound_series *s, uint64_t slot, uint32_t count, bool all, uint64_t *bits, omen_error *err) {
    const omen_series *o = s->series;
    if (all) memset(bits, 0xff, words_of(count) * sizeof *bits);
    else OMEN_TRY(scan_values(b, s, slot, count, bits, err));
    if (o->validity != OMEN_COLUMN_NONE) {
        const uint8_t *p;
        OMEN_TRY(look(b, VIEW_BITS, o->validity + slot / 8, words_of(count) * sizeof *bits, &p, err));
        for (uint32_t w = 0; w < words_of(count); w++) bits[w] &= omen_get64(p + 8 * w);
    }
    cut(bits, count);
    return OMEN_OK;
}

/* ---- blocks of rows ---- */

typedef struct rows {
    uint64_t first;
    uint32_t count;
} rows;

static omen_status bitmap(omen_bound *b, uint64_t offset, rows r, bool absent, uint64_t *bits, omen_error *err) {
    if (offset == OMEN_COLUMN_NONE) {
        memset(bits, 0, OMEN_BLOCK_WORDS * sizeof *bits);
        if (absent) fill(bits, r.count);
        return OMEN_OK;
    }
    const uint8_t *p;
    OMEN_TRY(look(b, VIEW_BITS, offset + r.first / 8, words_of(r.count) * sizeof *bits, &p, err));
    memset(bits, 0, OMEN_BLOCK_WORDS * sizeof *bits);
    memcpy(bits, p, words_of(r.count) * sizeof *bits);
    cut(bits, r.count);
    return OMEN_OK;
}

/* Where the elements of the rows begin: count + 1 numbers that do not fall. */
static omen_status array_offsets(omen_bound *b, rows r, const uint8_t **out, omen_error *err) {
    OMEN_TRY(look(b, VIEW_ROWS, b->column->array_offsets + r.first * 4, ((size_t)r.count + 1) * 4, out, err));
    uint32_t last = omen_get32(*out);
    for (uint32_t i = 1; i <= r.count; i++) {
        uint32_t next = omen_get32(*out + 4 * (size_t)i);
        if (next < last || next > b->column->elements) return corrupt(b, "the offsets of arrays are wrong", err);
        last = next;
    }
    return OMEN_OK;
}

/* Rows of which an element's bit is set; bits begin at element `base` and end where the last row does, or before. */
static void to_rows(const uint8_t *offsets, uint64_t base, const uint64_t *bits, uint32_t count, uint64_t *out) {
    uint32_t row = 0;
    for (uint32_t w = 0; w < words_of(count); w++)
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            uint64_t element = base + 64 * (uint64_t)w + (uint32_t)__builtin_ctzll(left);
            if (element < omen_get32(offsets)) continue;
            while (omen_get32(offsets + 4 * (size_t)row + 4) <= element) row++;
            out[row / 64] |= UINT64_C(1) << row % 64;
        }
}

static uint32_t piece_of(const omen_series *s) { return s->type == OMEN_SERIES_STRING && s->dict_count == 0 ? OMEN_PLAIN_PIECE : OMEN_COLUMN_BLOCK; }

/* Elements of the rows' arrays, in pieces. `scan` NULL: those that are null. */
static omen_status block_elements(omen_bound *b, const bound_series *s, rows r, bool all, uint64_t *into, omen_error *err) {
    uint64_t bits[OMEN_BLOCK_WORDS];
    const uint8_t *offsets;
    OMEN_TRY(array_offsets(b, r, &offsets, err));
    uint64_t from = omen_get32(offsets) & ~UINT64_C(63), to = omen_get32(offsets + 4 * (size_t)r.count);
    for (uint64_t at = OMEN_MAX(b->at_slot, from); at < to; b->at_slot = at) {
        uint32_t count = (uint32_t)OMEN_MIN(to - at, s == NULL ? OMEN_COLUMN_BLOCK : piece_of(s->series));
        if (s != NULL) OMEN_TRY(omen_bound_scan(b, s, at, count, all, bits, err));
        else OMEN_TRY(bitmap(b, b->column->element_null_bits, (rows){at, count}, false, bits, err));
        to_rows(offsets, at, bits, count, into);
        at += count;
    }
    b->at_slot = 0;
    return OMEN_OK;
}

static omen_status block_values(omen_bound *b, const bound_series *s, rows r, bool all, uint64_t *into, omen_error *err) {
    while (b->at_slot < r.count) {
        uint64_t bits[OMEN_BLOCK_WORDS];
        uint32_t count = (uint32_t)OMEN_MIN(r.count - b->at_slot, piece_of(s->series));
        OMEN_TRY(omen_bound_scan(b, s, r.first + b->at_slot, count, all, bits, err));
        for (uint32_t w = 0; w < words_of(count); w++) into[b->at_slot / 64 + w] |= bits[w];
        b->at_slot += count;
    }
    b->at_slot = 0;
    return OMEN_OK;
}

static omen_status block_series(omen_bound *b, const bound_series *s, rows r, omen_error *err) {
    const omen_series *o = s->series;
    omen_zone zone = {o->min, o->max, o->count, 0};
    if (o->zones != OMEN_COLUMN_NONE) {
        const uint8_t *p;
        OMEN_TRY(omen_view_get(b->columns, &b->views[VIEW_BITS], b->columns->statistics, o->zones + r.first / OMEN_COLUMN_BLOCK * sizeof zone, sizeof zone, &p, err));
        memcpy(&zone, p, sizeof zone);
    }
    zone_answer answer = zone.count == 0 ? ZONE_NONE : omen_bound_zone(s, zone.min, zone.max);
    uint64_t *into = s->doubt ? b->known.perhaps : b->known.sure;
    if (answer == ZONE_NONE) return OMEN_OK;
    return o->level == 0 ? block_values(b, s, r, answer == ZONE_ALL, into, err) : block_elements(b, s, r, answer == ZONE_ALL, into, err);
}

/* Arrays by the number of their elements. */
static omen_status block_sizes(omen_bound *b, rows r, omen_error *err) {
    uint64_t bits[OMEN_BLOCK_WORDS];
    const uint8_t *offsets;
    if (!b->condition->sized || b->column->arrays == 0) return OMEN_OK;
    OMEN_TRY(bitmap(b, b->column->array_bits, r, false, bits, err));
    OMEN_TRY(array_offsets(b, r, &offsets, err));
    for (uint32_t i = 0; i < r.count; i++) {
        uint32_t size = omen_get32(offsets + 4 * (size_t)i + 4) - omen_get32(offsets + 4 * (size_t)i);
        if (size >= b->condition->least_size && size <= b->condition->most_size) b->known.sure[i / 64] |= bits[i / 64] & UINT64_C(1) << i % 64;
    }
    return OMEN_OK;
}

static omen_status block_kinds(omen_bound *b, rows r, omen_error *err) {
    uint64_t bits[OMEN_BLOCK_WORDS], *sure = b->known.sure, *perhaps = b->known.perhaps;
    const omen_condition *k = b->condition;
    const omen_column *c = b->column;
    if ((k->kinds & OMEN_KIND_NULL) != 0 && (k->look & OMEN_LOOK_VALUE) != 0) {
        OMEN_TRY(bitmap(b, c->null_bits, r, false, bits, err));
        omen_bits_or(sure, bits);
    }
    if ((k->kinds & (OMEN_KIND_PRESENT | OMEN_KIND_MISSING)) != 0) {
        OMEN_TRY(bitmap(b, c->present_bits, r, c->present != 0, bits, err));
        if ((k->kinds & OMEN_KIND_PRESENT) != 0) omen_bits_or(sure, bits);
        for (uint32_t w = 0; w < OMEN_BLOCK_WORDS; w++) bits[w] = ~bits[w];
        if ((k->kinds & OMEN_KIND_MISSING) != 0) omen_bits_or(sure, bits);
        memset(sure + words_of(r.count), 0, (OMEN_BLOCK_WORDS - words_of(r.count)) * sizeof *sure);
        cut(sure, r.count);
    }
    const uint64_t compound[] = {c->object_bits, c->array_bits, c->other_bits};
    for (uint32_t i = 0; i < OMEN_ARRAY_LEN(compound) && k->doubtful; i++) {
        OMEN_TRY(bitmap(b, compound[i], r, false, bits, err));
        omen_bits_or(perhaps, bits);
    }
    /* What is only in the document are long strings, or whole arrays where there are more elements than can be counted. */
    if (c->others != 0 && (k->range_count != 0 || k->sized || (c->elements > UINT32_MAX / 2 && k->kinds != 0))) {
        OMEN_TRY(bitmap(b, c->other_bits, r, false, bits, err));
        omen_bits_or(perhaps, bits);
    }
    return OMEN_OK;
}

static omen_status block_rows(omen_bound *b, rows r, omen_error *err) {
    const omen_condition *k = b->condition;
    if (b->unknown) {
        fill(b->known.perhaps, r.count);
        return OMEN_OK;
    }
    if (b->column == NULL) {
        if ((k->kinds & OMEN_KIND_MISSING) != 0) fill(b->known.sure, r.count);
        return OMEN_OK;
    }
    for (; b->at_series < b->series_count; b->at_series++) OMEN_TRY(block_series(b, &b->series[b->at_series], r, err));
    if (b->at_series == b->series_count) {
        if ((k->kinds & OMEN_KIND_NULL) != 0 && (k->look & OMEN_LOOK_ELEMENTS) != 0 && b->column->element_nulls != 0) OMEN_TRY(block_elements(b, NULL, r, false, b->known.sure, err));
        b->at_series++;
    }
    OMEN_TRY(block_sizes(b, r, err));
    return block_kinds(b, r, err);
}

omen_status omen_bound_block(omen_bound *b, uint32_t block, omen_known *out, omen_error *err) {
    rows r = {(uint64_t)block * OMEN_COLUMN_BLOCK, 0};
    OMEN_ASSERT(b->prepared && r.first < b->columns->rows);
    r.count = (uint32_t)OMEN_MIN(b->columns->rows - r.first, OMEN_COLUMN_BLOCK);
    if (!b->begun || b->block != block) {
        b->begun = true;
        b->block = block;
        b->at_series = 0;
        b->at_slot = 0;
        memset(&b->known, 0, sizeof b->known);
    }
    omen_status s = block_rows(b, r, err);
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_rest(b->columns, &b->views[i]);
    if (s != OMEN_OK) {
        if (s != OMEN_PENDING) b->begun = false;
        return s;
    }
    omen_bits_or(b->known.perhaps, b->known.sure);
    *out = b->known;
    b->begun = false;
    return OMEN_OK;
}
