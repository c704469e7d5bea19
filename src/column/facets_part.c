/* facets_part.c - the rows of a part, by its columns.
 *
 * For each facet: first which rows are asked of the columns (SELECT, MIXED) and which have nothing to count (MISSING); then, for each
 * thing to count, series by series. Where a series has few different values (codes of a dictionary, booleans, integers of one or two bytes),
 * slots are counted by them, and each value is looked up once (FLUSH). Every stage goes block by block, and a block that pends is either
 * without effect, or goes on behind what it has counted. */
#include "column/facets_inside.h"

enum { VIEW_VALUES, VIEW_BITS, VIEW_OFFSETS, VIEW_ROWS, VIEWS };
typedef enum stage { STAGE_SELECT, STAGE_MIXED, STAGE_MISSING, STAGE_COUNT, STAGE_FLUSH } stage;

#define WORDS (OMEN_COLUMN_BLOCK / 64)
#define PLAIN_PIECE 512u

struct omen_facets_part {
    omen_facets *facets;
    const omen_columns *columns; /* may be NULL */
    uint32_t rows, block_count;
    const omen_bits *accept, *dead;
    uint64_t stamp;              /* before that of row 0 */
    omen_bits *left[OMEN_FACETS_MAX]; /* rows that are asked of documents; NULL: none. `any`: of all facets */
    omen_bits *any;
    uint32_t next, left_count;
    uint64_t *selected;          /* of the facet that is counted: those that are asked of columns */
    /* place */
    uint32_t facet, unit, series, block, code;
    stage stage;
    bool bound;
    const omen_column *column;
    bool complete;
    uint64_t at_slot;            /* of a level of elements, and of plain strings */
    uint32_t at_active;
    uint64_t rows_a[WORDS], rows_b[WORDS]; /* rows of the block that were found so far */
    uint32_t pass;
    omen_view views[VIEWS];
    /* counters by code */
    uint32_t *counters, *stamps;
    uint32_t counter_cap;
    bool by_code;
    /* slots of a piece that are counted */
    uint32_t active;
    uint16_t slots[OMEN_COLUMN_BLOCK];
    uint32_t slot_rows[OMEN_COLUMN_BLOCK];
};
typedef omen_facets_part part;

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory counting facets"); }

static omen_status corrupt(const part *p, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: its columns: %s", omen_segment_file_name(omen_segment_info_of(p->columns->segment)->number).text, what);
}

omen_status omen_facets_part_new(omen_facets *f, const omen_columns *c, uint32_t rows, const omen_bits *accept, const omen_bits *dead, omen_facets_part **out, omen_error *err) {
    OMEN_ASSERT((c == NULL || c->rows == rows) && (accept == NULL || accept->count == rows) && (dead == NULL || dead->count == rows));
    part *p = omen_alloc_zero(f->mem, sizeof *p);
    *out = NULL;
    if (p == NULL) return out_of_memory(err);
    p->facets = f;
    p->columns = c;
    p->rows = rows;
    p->block_count = (rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK;
    p->accept = accept;
    p->dead = dead;
    p->stamp = f->stamp;
    f->stamp += rows;
    p->any = omen_bits_new(f->mem, rows);
    p->selected = omen_alloc_zero(f->mem, (size_t)p->block_count * WORDS * sizeof *p->selected);
    if (p->any != NULL && (p->selected != NULL || rows == 0)) {
        *out = p;
        return OMEN_OK;
    }
    omen_facets_part_free(p);
    return out_of_memory(err);
}

static void drop_counters(part *p) {
    omen_free(p->facets->mem, p->counters, 2 * p->counter_cap * sizeof *p->counters);
    p->counters = p->stamps = NULL;
    p->counter_cap = 0;
}

void omen_facets_part_free(omen_facets_part *p) {
    if (p == NULL) return;
    for (uint32_t i = 0; i < OMEN_FACETS_MAX; i++) omen_bits_unref(p->left[i]);
    for (uint32_t i = 0; i < VIEWS && p->columns != NULL; i++) omen_view_deinit(p->columns, &p->views[i]);
    omen_bits_unref(p->any);
    if (p->counters != NULL) drop_counters(p);
    omen_free(p->facets->mem, p->selected, (size_t)p->block_count * WORDS * sizeof *p->selected);
    omen_free(p->facets->mem, p, sizeof *p);
}

/* ---- looking ---- */

static omen_status look(part *p, uint32_t view, uint64_t offset, size_t len, const uint8_t **out, omen_error *err) {
    return omen_view_get(p->columns, &p->views[view], p->columns->data, offset, len, out, err);
}

static uint32_t words_of(uint32_t count) { return (count + 63) / 64; }
static uint32_t first_row(const part *p) { return p->block * OMEN_COLUMN_BLOCK; }
static uint32_t rows_of(const part *p) { return OMEN_MIN(p->rows - first_row(p), OMEN_COLUMN_BLOCK); }
static uint64_t *selected(const part *p) { return p->selected + (size_t)p->block * WORDS; }

static bool none_selected(const part *p) {
    uint64_t any = 0;
    for (uint32_t w = 0; w < WORDS; w++) any |= selected(p)[w];
    return any == 0;
}

/* The block's bits of a bitmap of rows; of one that is not there, 0. */
static omen_status row_bits(part *p, uint64_t offset, uint64_t bits[WORDS], omen_error *err) {
    const uint8_t *b;
    memset(bits, 0, WORDS * sizeof *bits);
    if (offset == OMEN_COLUMN_NONE) return OMEN_OK;
    OMEN_TRY(look(p, VIEW_BITS, offset + first_row(p) / 8, words_of(rows_of(p)) * sizeof *bits, &b, err));
    memcpy(bits, b, words_of(rows_of(p)) * sizeof *bits);
    return OMEN_OK;
}

/* Where the elements of the block's rows begin: one number more than rows, none less than the one before. */
static omen_status array_offsets(part *p, const uint8_t **out, omen_error *err) {
    uint32_t count = rows_of(p);
    OMEN_TRY(look(p, VIEW_ROWS, p->column->array_offsets + (uint64_t)first_row(p) * 4, ((size_t)count + 1) * 4, out, err));
    uint32_t last = omen_get32(*out);
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t next = omen_get32(*out + 4 * (size_t)i);
        if (next < last || next > p->column->elements) return corrupt(p, "the offsets of arrays are wrong", err);
        last = next;
    }
    return OMEN_OK;
}

/* The bits of slots in a bitmap, or NULL when there is none: then all are set. slot: a multiple of 64. */
static omen_status slot_bits(part *p, uint64_t offset, uint64_t slot, uint32_t count, const uint8_t **out, omen_error *err) {
    *out = NULL;
    return offset == OMEN_COLUMN_NONE ? OMEN_OK : look(p, VIEW_BITS, offset + slot / 8, words_of(count) * sizeof(uint64_t), out, err);
}

/* Selected slots of a piece of rows, or of elements, whose bit is set, with their rows. No row behind the part's last is selected. */
static void gather_rows(part *p, uint32_t first, uint32_t count, const uint8_t *bits) {
    const uint64_t *chosen = selected(p) + first / 64;
    p->active = 0;
    for (uint32_t w = 0; w < words_of(count); w++)
        for (uint64_t m = chosen[w] & (bits == NULL ? UINT64_MAX : omen_get64(bits + 8 * (size_t)w)); m != 0; m &= m - 1) {
            uint32_t slot = 64 * w + (uint32_t)__builtin_ctzll(m);
            p->slots[p->active] = (uint16_t)slot;
            p->slot_rows[p->active++] = first_row(p) + first + slot;
        }
}

static void gather_elements(part *p, const uint8_t *offsets, uint64_t base, uint32_t count, const uint8_t *bits) {
    uint32_t low = 0, high = rows_of(p), rows = high;
    p->active = 0;
    while (low < high) { /* the first row that ends behind the piece's begin */
        uint32_t mid = low + (high - low) / 2;
        if (omen_get32(offsets + 4 * (size_t)mid + 4) <= base) low = mid + 1;
        else high = mid;
    }
    for (uint32_t row = low; row < rows; row++) {
        uint64_t from = omen_get32(offsets + 4 * (size_t)row), to = omen_get32(offsets + 4 * (size_t)row + 4);
        if (from >= base + count) return;
        if ((selected(p)[row / 64] >> row % 64 & 1) == 0) continue;
        for (uint64_t e = OMEN_MAX(from, base); e < OMEN_MIN(to, base + count); e++) {
            uint32_t slot = (uint32_t)(e - base);
            if (bits != NULL && (bits[slot / 8] >> slot % 8 & 1) == 0) continue;
            p->slots[p->active] = (uint16_t)slot;
            p->slot_rows[p->active++] = first_row(p) + row;
        }
    }
}

/* ---- which rows ---- */

static omen_status leave(part *p, const uint64_t bits[WORDS], omen_error *err) {
    uint64_t any = 0;
    for (uint32_t w = 0; w < WORDS; w++) any |= bits[w];
    if (any == 0) return OMEN_OK;
    omen_bits **own = &p->left[p->facet];
    if (*own == NULL) *own = omen_bits_new(p->facets->mem, p->rows);
    if (*own == NULL) return out_of_memory(err);
    size_t at = (size_t)p->block * WORDS;
    for (uint32_t w = 0; w < words_of(rows_of(p)); w++) {
        (*own)->words[at + w] |= bits[w];
        p->left_count += (uint32_t)__builtin_popcountll(bits[w] & ~p->any->words[at + w]);
        p->any->words[at + w] |= bits[w];
        selected(p)[w] &= ~bits[w];
    }
    return OMEN_OK;
}

static omen_status select_block(part *p, omen_error *err) {
    uint64_t others[WORDS], *out = selected(p);
    uint32_t count = rows_of(p);
    size_t at = (size_t)p->block * WORDS;
    if (p->column != NULL) OMEN_TRY(row_bits(p, p->column->other_bits, others, err));
    else memset(others, p->complete ? 0 : 0xff, sizeof others);
    memset(out, 0, WORDS * sizeof *out);
    for (uint32_t w = 0; w < words_of(count); w++) {
        uint64_t all = count - 64 * w >= 64 ? UINT64_MAX : (UINT64_C(1) << (count - 64 * w)) - 1;
        out[w] = all & (p->accept == NULL ? all : p->accept->words[at + w]) & ~(p->dead == NULL ? 0 : p->dead->words[at + w]);
        others[w] &= out[w];
    }
    for (uint32_t w = words_of(count); w < WORDS; w++) others[w] = 0;
    return leave(p, others, err);
}

static const omen_series *series(const part *p, uint32_t level, omen_series_type type) {
    return p->column == NULL ? NULL : omen_columns_series(p->columns, p->column, level, type);
}

/* Rows whose arrays have selected elements into `rows`, and may be repeated; goes on at p->at_slot. s NULL: null elements. fractions false: of floats
 * only those that are integers. */
static omen_status element_rows(part *p, const omen_series *s, bool fractions, uint64_t rows[WORDS], omen_error *err) {
    const uint8_t *offsets, *bits, *values = NULL;
    OMEN_TRY(array_offsets(p, &offsets, err));
    uint64_t from = omen_get32(offsets) & ~UINT64_C(63), to = omen_get32(offsets + 4 * (size_t)rows_of(p));
    for (uint64_t at = OMEN_MAX(p->at_slot, from); at < to; p->at_slot = at) {
        uint32_t count = (uint32_t)OMEN_MIN(to - at, OMEN_COLUMN_BLOCK);
        OMEN_TRY(slot_bits(p, s == NULL ? p->column->element_null_bits : s->validity, at, count, &bits, err));
        if (!fractions) OMEN_TRY(look(p, VIEW_VALUES, s->values + at * 8, (size_t)count * 8, &values, err));
        gather_elements(p, offsets, at, count, bits);
        for (uint32_t i = 0; i < p->active; i++) {
            double d = 0;
            if (!fractions) memcpy(&d, values + 8 * (size_t)p->slots[i], 8);
            if (d >= -0x1p63 && d < 0x1p63 && (double)(int64_t)d == d) rows[p->slot_rows[i] % OMEN_COLUMN_BLOCK / 64] |= UINT64_C(1) << p->slot_rows[i] % 64;
        }
        at += count;
    }
    p->at_slot = 0;
    return OMEN_OK;
}

/* An array may have integers and floats, which are counted series by series: then one row would count twice, for a range, or for a number that
 * it has as both. That is rare: its document is asked. */
static omen_status mixed_block(part *p, omen_error *err) {
    const omen_series *floats = series(p, 1, OMEN_SERIES_FLOAT), *integers = series(p, 1, OMEN_SERIES_INT);
    const facet *a = &p->facets->request->facets[p->facet];
    bool values = false, intervals = false;
    for (uint32_t i = a->first; i < a->first + a->count; i++) {
        const facet_unit *u = &p->facets->request->units[i];
        values = values || u->kind == FACET_VALUES;
        intervals = intervals || u->numbers;
    }
    if (floats == NULL || integers == NULL || !(values || intervals) || none_selected(p)) return OMEN_OK;
    if (p->pass == 0) OMEN_TRY(element_rows(p, floats, intervals, p->rows_a, err));
    p->pass = 1;
    OMEN_TRY(element_rows(p, integers, true, p->rows_b, err));
    for (uint32_t w = 0; w < WORDS; w++) p->rows_a[w] &= p->rows_b[w];
    OMEN_TRY(leave(p, p->rows_a, err));
    memset(p->rows_a, 0, sizeof p->rows_a);
    memset(p->rows_b, 0, sizeof p->rows_b);
    p->pass = 0;
    return OMEN_OK;
}

static omen_status missing_block(part *p, omen_error *err) {
    uint64_t present[WORDS] = {0}, nulls[WORDS] = {0}, n = 0;
    const omen_column *c = p->column;
    if (c != NULL && !none_selected(p)) {
        if (c->present_bits == OMEN_COLUMN_NONE) memset(present, 0xff, sizeof present);
        else OMEN_TRY(row_bits(p, c->present_bits, present, err));
        OMEN_TRY(row_bits(p, c->null_bits, nulls, err));
        if (c->element_nulls != 0) OMEN_TRY(element_rows(p, NULL, true, p->rows_a, err));
    }
    for (uint32_t w = 0; w < WORDS; w++) n += (uint64_t)__builtin_popcountll(selected(p)[w] & (~present[w] | nulls[w] | p->rows_a[w]));
    p->facets->missing[p->facet] += n;
    memset(p->rows_a, 0, sizeof p->rows_a);
    return OMEN_OK;
}

/* ---- counting ---- */

static const facet_unit *unit_of(const part *p) { return &p->facets->request->units[p->unit]; }
static const omen_series *series_of(const part *p) { return &p->columns->series[p->column->first_series + p->series]; }
static uint64_t stamp_of(const part *p, uint32_t row) { return p->stamp + row + 1; }

/* Whether the unit is about a series. */
static bool concerns(const part *p, const facet_unit *u, const omen_series *s) {
    bool numbers = u->kind == FACET_VALUES || u->kind == FACET_STATS || u->numbers;
    switch (s->type) {
    case OMEN_SERIES_BOOL: return u->kind == FACET_VALUES;
    case OMEN_SERIES_INT:
    case OMEN_SERIES_FLOAT: return numbers;
    case OMEN_SERIES_TIME: return u->times;
    default: /* STRING */ return u->kind == FACET_VALUES || (u->times && series(p, s->level, OMEN_SERIES_TIME) == NULL);
    }
}

/* How many different codes there may be; 0: slots are counted one by one. Of elements only values can be counted by codes: of two codes in one range, one
 * row would count twice. */
static uint32_t codes_of(const facet_unit *u, const omen_series *s) {
    if (u->kind == FACET_STATS || (s->level != 0 && u->kind != FACET_VALUES)) return 0;
    if (s->type == OMEN_SERIES_BOOL) return 2;
    if (s->type == OMEN_SERIES_STRING) return s->dict_count;
    return s->type != OMEN_SERIES_FLOAT && s->width <= 2 ? 1u << 8 * s->width : 0;
}

static omen_status begin_series(part *p, omen_error *err) {
    uint32_t codes = codes_of(unit_of(p), series_of(p));
    p->by_code = codes != 0;
    p->code = 0;
    if (codes > p->counter_cap) {
        if (p->counters != NULL) drop_counters(p);
        p->counters = omen_alloc(p->facets->mem, 2 * codes * sizeof *p->counters);
        if (p->counters == NULL) return out_of_memory(err);
        p->counter_cap = codes;
        p->stamps = p->counters + codes;
    }
    if (codes != 0) memset(p->counters, 0, 2 * p->counter_cap * sizeof *p->counters);
    return OMEN_OK;
}

static uint32_t code_at(const uint8_t *values, uint32_t width, uint32_t slot) {
    switch (width) {
    case 0: return 0;
    case 1: return values[slot];
    case 2: return omen_get16(values + 2 * (size_t)slot);
    default: return omen_get32(values + 4 * (size_t)slot);
    }
}

static void count_code(part *p, uint32_t level, uint32_t code, uint32_t row) {
    if (level != 0) {
        if (p->stamps[code] == row + 1) return;
        p->stamps[code] = row + 1;
    }
    p->counters[code]++;
}

static omen_status count_codes(part *p, const omen_series *s, const uint8_t *values, omen_error *err) {
    uint32_t codes = s->type == OMEN_SERIES_STRING ? s->dict_count : p->counter_cap;
    for (uint32_t i = 0; i < p->active; i++) {
        uint32_t slot = p->slots[i], code = s->type == OMEN_SERIES_BOOL ? values[slot / 8] >> slot % 8 & 1 : code_at(values, s->width, slot);
        if (code >= codes) return corrupt(p, "a code is outside of its dictionary", err);
        count_code(p, s->level, code, p->slot_rows[i]);
    }
    return OMEN_OK;
}

/* All of 64 rows, of which none is left out. */
static bool whole_words(const part *p, uint32_t first, uint32_t count, const uint8_t *bits) {
    if (bits != NULL || count % 64 != 0) return false;
    for (uint32_t w = 0; w < count / 64; w++)
        if (selected(p)[first / 64 + w] != UINT64_MAX) return false;
    return true;
}

/* One by one. p->at_active goes on where text pended. */
static omen_status count_plain(part *p, const omen_series *s, uint64_t slot, uint32_t count, omen_error *err) {
    const uint8_t *offsets, *bytes = NULL;
    OMEN_TRY(look(p, VIEW_OFFSETS, s->offsets + slot * s->width, (count + UINT64_C(1)) * s->width, &offsets, err));
    for (; p->at_active < p->active; p->at_active++) {
        uint32_t i = p->slots[p->at_active];
        uint64_t from = s->width == 4 ? omen_get32(offsets + 4 * (size_t)i) : omen_get64(offsets + 8 * (size_t)i);
        uint64_t to = s->width == 4 ? omen_get32(offsets + 4 * (size_t)i + 4) : omen_get64(offsets + 8 * (size_t)i + 8);
        if (from > to || to > s->bytes_len || to - from > OMEN_COLUMN_MAX_STRING) return corrupt(p, "the offsets of strings are wrong", err);
        if (from < to) OMEN_TRY(look(p, VIEW_VALUES, s->bytes + from, (size_t)(to - from), &bytes, err));
        omen_value v = {.kind = OMEN_VALUE_STRING, .text = {from < to ? (const char *)bytes : "", (size_t)(to - from)}};
        OMEN_TRY(omen_facet_value(p->facets, p->unit, &v, stamp_of(p, p->slot_rows[p->at_active]), 1, err));
    }
    p->at_active = 0;
    return OMEN_OK;
}

/* The text of an entry of a dictionary. */
static omen_status entry(part *p, const omen_series *s, uint32_t code, omen_str *out, omen_error *err) {
    const uint8_t *at;
    OMEN_TRY(look(p, VIEW_OFFSETS, s->offsets + (uint64_t)code * 4, 8, &at, err));
    uint64_t from = omen_get32(at), to = omen_get32(at + 4);
    if (from > to || to > s->bytes_len || to - from > OMEN_COLUMN_MAX_STRING) return corrupt(p, "the offsets of strings are wrong", err);
    *out = (omen_str){"", 0};
    if (from == to) return OMEN_OK;
    OMEN_TRY(look(p, VIEW_BITS, s->bytes + from, (size_t)(to - from), &at, err));
    *out = (omen_str){(const char *)at, (size_t)(to - from)};
    return OMEN_OK;
}

/* Elements of a dictionary whose times are asked: each is looked up. */
static omen_status count_entries(part *p, const omen_series *s, const uint8_t *values, omen_error *err) {
    for (; p->at_active < p->active; p->at_active++) {
        uint32_t code = code_at(values, s->width, p->slots[p->at_active]);
        omen_value v = {.kind = OMEN_VALUE_STRING};
        if (code >= s->dict_count) return corrupt(p, "a code is outside of its dictionary", err);
        OMEN_TRY(entry(p, s, code, &v.text, err));
        OMEN_TRY(omen_facet_value(p->facets, p->unit, &v, stamp_of(p, p->slot_rows[p->at_active]), 1, err));
    }
    p->at_active = 0;
    return OMEN_OK;
}

/* Numbers and instants: cannot pend. */
static omen_status count_numbers(part *p, const omen_series *s, const uint8_t *values, omen_error *err) {
    for (uint32_t i = 0; i < p->active; i++) {
        uint32_t slot = p->slots[i];
        uint64_t stamp = stamp_of(p, p->slot_rows[i]), rest = 0;
        omen_value v = {.kind = OMEN_VALUE_FLOAT};
        if (s->type == OMEN_SERIES_FLOAT) {
            memcpy(&v.d, values + 8 * (size_t)slot, 8);
            if (v.d - v.d != 0.0) return corrupt(p, "a number is not finite", err);
        } else {
            rest = s->width == 8 ? omen_get64(values + 8 * (size_t)slot) : code_at(values, s->width, slot);
            v = (omen_value){.kind = OMEN_VALUE_INT, .i = (int64_t)((uint64_t)s->min + rest)};
        }
        if (s->type == OMEN_SERIES_TIME) OMEN_TRY(omen_facet_instant(p->facets, p->unit, v.i, stamp, 1, err));
        else OMEN_TRY(omen_facet_value(p->facets, p->unit, &v, stamp, 1, err));
    }
    return OMEN_OK;
}

/* slot: of the part's rows or elements, a multiple of 64; offsets: of arrays, NULL at the level of rows. */
static omen_status count_piece(part *p, const omen_series *s, uint64_t slot, uint32_t count, const uint8_t *offsets, omen_error *err) {
    const uint8_t *bits, *values = (const uint8_t *)"";
    bool plain = s->type == OMEN_SERIES_STRING && s->dict_count == 0;
    uint32_t first = offsets == NULL ? (uint32_t)slot - first_row(p) : 0;
    OMEN_TRY(slot_bits(p, s->validity, slot, count, &bits, err));
    bool dense = p->by_code && s->type != OMEN_SERIES_BOOL && s->width == 1 && offsets == NULL && whole_words(p, first, count, bits);
    if (!dense && offsets == NULL) gather_rows(p, first, count, bits);
    else if (!dense) gather_elements(p, offsets, slot, count, bits);
    if (!dense && p->active == 0) return OMEN_OK;
    if (plain) return count_plain(p, s, slot, count, err);
    if (s->type == OMEN_SERIES_BOOL) OMEN_TRY(look(p, VIEW_VALUES, s->values + slot / 8, words_of(count) * sizeof(uint64_t), &values, err));
    else if (s->width != 0) OMEN_TRY(look(p, VIEW_VALUES, s->values + slot * s->width, (size_t)count * s->width, &values, err));
    if (dense) {
        /* Codes beyond the dictionary find no counter. */
        uint32_t codes = s->type == OMEN_SERIES_STRING ? s->dict_count : p->counter_cap;
        for (uint32_t i = 0; i < count; i++) {
            if (values[i] >= codes) return corrupt(p, "a code is outside of its dictionary", err);
            p->counters[values[i]]++;
        }
        return OMEN_OK;
    }
    if (p->by_code) return count_codes(p, s, values, err);
    return s->type == OMEN_SERIES_STRING ? count_entries(p, s, values, err) : count_numbers(p, s, values, err);
}

static omen_status count_block(part *p, omen_error *err) {
    const omen_series *s = series_of(p);
    const uint8_t *offsets = NULL;
    if (none_selected(p)) return OMEN_OK;
    uint64_t from = first_row(p), to = from + rows_of(p);
    uint32_t most = s->type == OMEN_SERIES_STRING && s->dict_count == 0 ? PLAIN_PIECE : OMEN_COLUMN_BLOCK;
    if (s->level != 0) {
        OMEN_TRY(array_offsets(p, &offsets, err));
        from = omen_get32(offsets) & ~UINT64_C(63);
        to = omen_get32(offsets + 4 * (size_t)rows_of(p));
    }
    for (uint64_t at = OMEN_MAX(p->at_slot, from); at < to; p->at_slot = at) {
        uint32_t count = (uint32_t)OMEN_MIN(to - at, most);
        OMEN_TRY(count_piece(p, s, at, count, offsets, err));
        at += count;
    }
    return OMEN_OK;
}

/* What codes have counted, value by value. */
static omen_status flush(part *p, omen_error *err) {
    const omen_series *s = series_of(p);
    uint32_t codes = codes_of(unit_of(p), s);
    for (; p->code < codes; p->code++) {
        uint32_t n = p->counters[p->code];
        omen_value v = {.kind = s->type == OMEN_SERIES_BOOL ? OMEN_VALUE_BOOL : OMEN_VALUE_INT, .i = (int64_t)((uint64_t)s->min + p->code)};
        if (n == 0) continue;
        if (s->type == OMEN_SERIES_BOOL) v.i = p->code;
        if (s->type == OMEN_SERIES_STRING) {
            v.kind = OMEN_VALUE_STRING;
            OMEN_TRY(entry(p, s, p->code, &v.text, err));
        }
        uint64_t stamp = ++p->facets->stamp;
        if (s->type == OMEN_SERIES_TIME) OMEN_TRY(omen_facet_instant(p->facets, p->unit, v.i, stamp, n, err));
        else OMEN_TRY(omen_facet_value(p->facets, p->unit, &v, stamp, n, err));
    }
    return OMEN_OK;
}

/* ---- stepping ---- */

static void bind(part *p) {
    const facet *a = &p->facets->request->facets[p->facet];
    p->column = NULL;
    p->complete = false;
    if (p->columns != NULL) p->column = omen_columns_find(p->columns, a->path.text, &p->complete);
    p->unit = a->first;
    p->series = p->block = 0;
    p->stage = STAGE_SELECT;
    p->bound = true;
}

/* To the next series that something is to be counted of; then to the next facet. */
static omen_status next_series(part *p, omen_error *err) {
    const facet *a = &p->facets->request->facets[p->facet];
    for (; p->column != NULL && p->unit < a->first + a->count; p->unit++, p->series = 0)
        for (; p->series < p->column->series_count; p->series++)
            if (concerns(p, unit_of(p), series_of(p))) {
                p->stage = STAGE_COUNT;
                p->block = 0;
                return begin_series(p, err);
            }
    p->bound = false;
    p->facet++;
    return OMEN_OK;
}

static omen_status one_block(part *p, omen_error *err) {
    switch (p->stage) {
    case STAGE_SELECT: OMEN_TRY(select_block(p, err)); break;
    case STAGE_MIXED: OMEN_TRY(mixed_block(p, err)); break;
    case STAGE_MISSING: OMEN_TRY(missing_block(p, err)); break;
    default: OMEN_TRY(count_block(p, err)); /* COUNT */
    }
    p->at_slot = 0;
    p->block++;
    return OMEN_OK;
}

static omen_status step(part *p, uint32_t blocks, omen_error *err) {
    uint32_t facets = p->facets->request->facet_count;
    while (p->facet < facets && blocks != 0) {
        if (!p->bound) bind(p);
        for (; p->stage != STAGE_FLUSH && p->block < p->block_count && blocks != 0; blocks--) OMEN_TRY(one_block(p, err));
        if (p->stage != STAGE_FLUSH && p->block < p->block_count) return OMEN_OK;
        if (p->stage < STAGE_MISSING) {
            p->stage++;
            p->block = 0;
        } else if (p->stage == STAGE_COUNT && p->by_code) {
            p->stage = STAGE_FLUSH;
        } else {
            if (p->stage == STAGE_FLUSH) OMEN_TRY(flush(p, err));
            if (p->stage != STAGE_MISSING) p->series++;
            OMEN_TRY(next_series(p, err));
        }
    }
    return OMEN_OK;
}

omen_status omen_facets_part_step(omen_facets_part *p, uint32_t blocks, bool *done, omen_error *err) {
    *done = false;
    omen_status s = step(p, blocks, err);
    for (uint32_t i = 0; i < VIEWS && p->columns != NULL; i++) omen_view_rest(p->columns, &p->views[i]);
    *done = s == OMEN_OK && p->facet == p->facets->request->facet_count;
    return s;
}

/* ---- documents ---- */

uint32_t omen_facets_part_left(const omen_facets_part *p) { return p->left_count; }

uint32_t omen_facets_part_next(const omen_facets_part *p) {
    for (uint32_t w = p->next / 64; w < words_of(p->rows); w++) {
        uint64_t m = p->any->words[w];
        if (w == p->next / 64) m &= UINT64_MAX << p->next % 64;
        if (m != 0) return 64 * w + (uint32_t)__builtin_ctzll(m);
    }
    return UINT32_MAX;
}

omen_status omen_facets_part_doc(omen_facets_part *p, uint32_t row, const omen_json_val *root, omen_error *err) {
    OMEN_ASSERT(row < p->rows && row >= p->next && omen_bits_test(p->any, row));
    uint64_t stamp = ++p->facets->stamp;
    for (uint32_t i = 0; i < p->facets->request->facet_count; i++)
        if (omen_bits_test(p->left[i], row)) OMEN_TRY(omen_facet_document(p->facets, i, root, stamp, err));
    p->next = row + 1;
    p->left_count--;
    return OMEN_OK;
}
