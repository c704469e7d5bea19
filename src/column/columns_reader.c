/* columns_reader.c - the directory of a part's columns, checked as what a stranger wrote, and looks into their buffers.
 *
 * What is checked at opening is everything a reader relies on for staying inside its memory: counts, order, names, widths, and that
 * each buffer lies inside its section. What lies in the buffers (codes, offsets) is checked where it is used. */
#include "column/columns.h"
#include "column/columns_dict.h"

static omen_status corrupt(const omen_columns *c, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: its columns: %s", omen_segment_file_name(omen_segment_info_of(c->segment)->number).text, what);
}

void omen_columns_free(omen_columns *c) {
    if (c == NULL) return;
    omen_free(c->store->mem, c->bytes, c->len);
    omen_free(c->store->mem, c, sizeof *c);
}

/* ---- validation ---- */

/* A buffer is there exactly when it is asked for, 64-byte aligned, inside `len`. */
static bool fits(uint64_t offset, uint64_t bytes, uint64_t len) {
    if (bytes == 0) return offset == OMEN_COLUMN_NONE;
    return offset % 64 == 0 && offset <= len && bytes <= len - offset;
}

static bool series_valid(const omen_columns *c, const omen_column *col, const omen_series *s, uint64_t statistics, uint64_t data) {
    uint64_t slots = s->level == 0 ? c->rows : col->elements, values = slots * s->width, offsets = 0, bytes = 0, common, blocks = ((uint64_t)c->rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK;
    if (s->level > 1 || s->type >= OMEN_SERIES_TYPES || s->exact > 1 || s->zero != 0 || s->count == 0 || s->count > slots) return false;
    if (s->min > s->max || s->distinct == 0 || s->distinct > s->count) return false;
    if (s->width != 0 && s->width != 1 && s->width != 2 && s->width != 4 && s->width != 8) return false;
    common = (uint64_t)s->common_count * sizeof(omen_common);
    if (s->common_count > OMEN_COLUMN_EXACT) return false;
    switch (s->type) {
    case OMEN_SERIES_BOOL:
        if (s->width != 0 || s->min < 0 || s->max > 1) return false;
        values = omen_bitmap_bytes(slots);
        break;
    case OMEN_SERIES_INT:
    case OMEN_SERIES_TIME:
        if (s->width < 8 && ((uint64_t)s->max - (uint64_t)s->min) >> (8 * s->width) != 0) return false;
        break;
    case OMEN_SERIES_FLOAT:
        if (s->width != 8) return false;
        break;
    default: /* STRING */
        bytes = s->bytes_len;
        if (s->dict_count != 0) {
            if (s->dict_count > OMEN_COLUMN_DICT || s->width > 2 || (uint64_t)(s->dict_count - 1) >> (8 * s->width) != 0 || s->bytes_len > UINT32_MAX) return false;
            if (s->min != 0 || s->max != (int64_t)s->dict_count - 1 || s->common_count != 0 || s->exact != 1 || s->distinct != s->dict_count) return false;
            offsets = ((uint64_t)s->dict_count + 1) * 4;
            common = (uint64_t)s->dict_count * 4;
        } else {
            if (s->width < 4) return false;
            offsets = (slots + 1) * s->width;
            values = 0;
        }
        break;
    }
    if (s->type != OMEN_SERIES_STRING && (s->dict_count != 0 || s->bytes_len != 0)) return false;
    if (s->exact && s->dict_count == 0 && s->common_count != s->distinct) return false;
    bool filtered = !s->exact && (s->type == OMEN_SERIES_INT || s->type == OMEN_SERIES_STRING);
    if (filtered != (s->bloom_blocks != 0)) return false;
    return fits(s->validity, s->count < slots ? omen_bitmap_bytes(slots) : 0, data) && fits(s->values, values, data) && fits(s->offsets, offsets, data) &&
           fits(s->bytes, bytes, data) && fits(s->zones, c->rows > OMEN_COLUMN_BLOCK ? blocks * sizeof(omen_zone) : 0, statistics) &&
           fits(s->bloom, (uint64_t)s->bloom_blocks * 32, statistics) && fits(s->common, common, statistics) &&
           fits(s->quantiles, s->exact ? 0 : (OMEN_COLUMN_QUANTILES + 1) * 8, statistics);
}

static bool column_valid(const omen_columns *c, const omen_column *col, uint32_t series, uint32_t text, uint64_t data) {
    uint64_t rows = c->rows, bitmap = omen_bitmap_bytes(rows);
    if (col->zero != 0 || col->first_series != series || col->path_at != text || col->series_count > c->series_count - series) return false;
    if (col->present == 0 || col->present > rows || (uint64_t)col->nulls + col->objects > col->present || col->arrays > col->present || col->others > col->present) return false;
    if (col->element_nulls > col->elements || (col->elements != 0 && col->arrays == 0)) return false;
    return fits(col->present_bits, col->present == rows ? 0 : bitmap, data) && fits(col->null_bits, col->nulls == 0 ? 0 : bitmap, data) &&
           fits(col->object_bits, col->objects == 0 ? 0 : bitmap, data) && fits(col->array_bits, col->arrays == 0 ? 0 : bitmap, data) &&
           fits(col->other_bits, col->others == 0 ? 0 : bitmap, data) && fits(col->array_offsets, col->arrays == 0 ? 0 : (rows + 1) * 4, data) &&
           fits(col->element_null_bits, col->element_nulls == 0 ? 0 : omen_bitmap_bytes(col->elements), data);
}

static omen_status validate(omen_columns *c, omen_error *err) {
    if (c->len < OMEN_COLUMNS_HEADER) return corrupt(c, "the directory is too short", err);
    const uint8_t *h = c->bytes;
    if (omen_get32(h) > OMEN_COLUMNS_VERSION)
        return omen_fail(err, OMEN_ERR_VERSION, "columns were written by a newer OmenDB (version %u, this one knows %u); upgrade this one", omen_get32(h), OMEN_COLUMNS_VERSION);
    c->column_count = omen_get32(h + 8);
    c->series_count = omen_get32(h + 12);
    c->flags = omen_get32(h + 16);
    uint32_t text_len = omen_get32(h + 20);
    uint64_t statistics = omen_get64(h + 24), data = omen_get64(h + 32);
    bool zeros = true;
    for (uint32_t i = 40; i < OMEN_COLUMNS_HEADER; i++) zeros = zeros && h[i] == 0;
    if (omen_get32(h) != OMEN_COLUMNS_VERSION || omen_get32(h + 4) != c->rows || (c->flags & ~(OMEN_COLUMNS_OVERFLOW | OMEN_COLUMNS_DEEP)) != 0 || !zeros)
        return corrupt(c, "the head of the directory is wrong", err);
    if (c->column_count > OMEN_COLUMN_MAX || c->series_count > OMEN_COLUMN_MAX * 2 * OMEN_SERIES_TYPES || text_len > OMEN_COLUMN_MAX * OMEN_COLUMN_MAX_PATH ||
        c->len != OMEN_COLUMNS_HEADER + (size_t)c->column_count * sizeof *c->columns + (size_t)c->series_count * sizeof *c->series + text_len)
        return corrupt(c, "the counts of the directory are wrong", err);
    if ((c->statistics == NULL ? 0 : c->statistics->raw_len) != statistics || (c->data == NULL ? 0 : c->data->raw_len) != data)
        return corrupt(c, "a section has another length", err);
    c->columns = (const omen_column *)(const void *)(c->bytes + OMEN_COLUMNS_HEADER);
    c->series = (const omen_series *)(const void *)(c->columns + c->column_count);
    c->text = (const char *)(c->series + c->series_count);
    uint32_t series = 0, text = 0;
    for (uint32_t i = 0; i < c->column_count; i++) {
        const omen_column *col = &c->columns[i];
        if (!column_valid(c, col, series, text, data) || col->path_len > text_len - text || col->path_len > OMEN_COLUMN_MAX_PATH) return corrupt(c, "a column is wrong", err);
        if (i > 0 && omen_str_order(omen_column_path(c, col - 1), omen_column_path(c, col)) >= 0) return corrupt(c, "the columns are out of order", err);
        for (uint32_t k = 0; k < col->series_count; k++) {
            const omen_series *s = &c->series[series + k];
            if (!series_valid(c, col, s, statistics, data)) return corrupt(c, "a series is wrong", err);
            if (k > 0 && s[-1].level * OMEN_SERIES_TYPES + s[-1].type >= s->level * OMEN_SERIES_TYPES + s->type) return corrupt(c, "series are out of order", err);
        }
        series += col->series_count;
        text += col->path_len;
    }
    return series == c->series_count && text == text_len ? OMEN_OK : corrupt(c, "the directory has more than its columns", err);
}

static bool plain(const omen_section *s) { return s == NULL || (s->flags == 0 && s->block_len == OMEN_BLOCK_BYTES && s->raw_len != 0); }

omen_status omen_columns_open(omen_store *st, omen_segment *segment, uint32_t rows, omen_columns **out, omen_error *err) {
    omen_columns *c = *out;
    if (c == NULL) {
        const omen_section *directory = omen_segment_section(segment, OMEN_SECTION_COLUMNS, 0);
        if (directory == NULL) return OMEN_OK;
        c = omen_alloc_zero(st->mem, sizeof *c);
        if (c == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening columns");
        *c = (omen_columns){.store = st, .segment = segment, .directory = directory, .rows = rows};
        c->statistics = omen_segment_section(segment, OMEN_SECTION_COLUMN_STATISTICS, 0);
        c->data = omen_segment_section(segment, OMEN_SECTION_COLUMN_DATA, 0);
        *out = c;
    }
    omen_status s = OMEN_OK;
    if (c->bytes == NULL) {
        uint64_t largest = OMEN_COLUMNS_HEADER + (uint64_t)OMEN_COLUMN_MAX * (sizeof(omen_column) + 2 * OMEN_SERIES_TYPES * sizeof(omen_series) + OMEN_COLUMN_MAX_PATH);
        if (!plain(c->directory) || !plain(c->statistics) || !plain(c->data) || c->directory->raw_len > largest) {
            s = corrupt(c, "a section has the wrong shape", err);
        } else {
            c->len = (size_t)c->directory->raw_len;
            c->bytes = omen_alloc(st->mem, c->len);
            if (c->bytes == NULL) s = omen_fail(err, OMEN_ERR_MEMORY, "out of memory opening columns");
        }
    }
    if (s == OMEN_OK) s = omen_segment_read(segment, c->directory, 0, c->len, c->bytes, &c->done, err);
    if (s == OMEN_PENDING) return s;
    if (s == OMEN_OK) s = validate(c, err);
    if (s != OMEN_OK) {
        omen_columns_free(c);
        *out = NULL;
    }
    return s;
}

/* ---- finding ---- */

static uint32_t names_of(omen_str path) {
    uint32_t names = 1;
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '\\') i++;
        else if (path.data[i] == '.') names++;
    }
    return names;
}

const omen_column *omen_columns_find(const omen_columns *c, omen_str path, bool *complete) {
    uint32_t low = 0, high = c->column_count;
    *complete = true;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = omen_str_order(omen_column_path(c, &c->columns[mid]), path);
        if (order == 0) return &c->columns[mid];
        if (order < 0) low = mid + 1;
        else high = mid;
    }
    *complete = names_of(path) > OMEN_COLUMN_DEPTH ? c->flags == 0 : (c->flags & OMEN_COLUMNS_OVERFLOW) == 0;
    return NULL;
}

const omen_series *omen_columns_series(const omen_columns *c, const omen_column *col, uint32_t level, omen_series_type type) {
    for (uint32_t i = 0; i < col->series_count; i++) {
        const omen_series *s = &c->series[col->first_series + i];
        if (s->level == level && s->type == type) return s;
    }
    return NULL;
}

/* ---- looking ---- */

void omen_view_rest(const omen_columns *c, omen_view *v) {
    omen_block_release(c->store->pool, v->pin);
    v->pin = NULL;
}

void omen_view_deinit(const omen_columns *c, omen_view *v) {
    omen_view_rest(c, v);
    omen_free(c->store->mem, v->copy, v->copy_cap);
    memset(v, 0, sizeof *v);
}

omen_status omen_view_get(const omen_columns *c, omen_view *v, const omen_section *sec, uint64_t offset, size_t len, const uint8_t **out, omen_error *err) {
    OMEN_ASSERT(len <= OMEN_VIEW_MAX);
    if (sec == NULL || offset > sec->raw_len || len > sec->raw_len - offset) return corrupt(c, "a buffer ends too early", err);
    uint32_t block = (uint32_t)(offset / sec->block_len), skip = (uint32_t)(offset % sec->block_len);
    if (len == 0) {
        *out = (const uint8_t *)"";
        return OMEN_OK;
    }
    if (skip + len <= sec->block_len) {
        if (v->pin == NULL || v->section_kind != sec->kind || v->block != block) {
            omen_view_rest(c, v);
            OMEN_TRY(omen_segment_block(c->segment, sec, block, &v->pin, err));
            v->section_kind = sec->kind;
            v->block = block;
        }
        *out = v->pin->data + skip;
        return OMEN_OK;
    }
    if (v->copy == NULL) {
        v->copy = omen_alloc(c->store->mem, OMEN_VIEW_MAX + 64);
        if (v->copy == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading columns");
        v->copy_cap = OMEN_VIEW_MAX + 64;
    }
    if (v->copy_at != offset || v->copy_kind != sec->kind || v->copy_len != len) v->copied = 0;
    v->copy_at = offset;
    v->copy_kind = sec->kind;
    v->copy_len = len;
    OMEN_TRY(omen_segment_read(c->segment, sec, offset, len, v->copy, &v->copied, err));
    memset(v->copy + len, 0, 64);
    *out = v->copy;
    return OMEN_OK;
}
