/* columns_layout.c - what form each series takes, where its buffers lie, and the directory that says so. */
#include "base/sort.h"
#include "column/columns_build.h"

static uint32_t width_of(uint64_t largest) { return largest == 0 ? 0 : largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : largest <= UINT32_MAX ? 4 : 8; }

static uint64_t place(uint64_t *end, uint64_t bytes) {
    if (bytes == 0) return OMEN_COLUMN_NONE;
    uint64_t at = omen_round_up(*end, bytes >= OMEN_COLUMN_LARGE ? OMEN_BLOCK_BYTES : 64);
    *end = at + bytes;
    return at;
}

static uint64_t data(struct omen_columns_builder *b, uint64_t bytes) { return place(&b->data_len, bytes); }
static uint64_t statistics(struct omen_columns_builder *b, uint64_t bytes) { return place(&b->statistics_len, bytes); }

static omen_status layout_strings(struct omen_columns_builder *b, build_series *s, uint64_t slots) {
    omen_series *o = &s->out;
    /* A dictionary of entries that hardly repeat only costs. */
    if (!s->plain && s->dict.count > OMEN_MAX(64u, s->count / 2)) {
        s->plain = true;
        o->distinct = s->dict.count;
        omen_dict_deinit(&s->dict);
    }
    o->bytes_len = s->bytes;
    if (s->plain) {
        o->width = s->bytes <= UINT32_MAX ? 4 : 8;
        o->offsets = data(b, (slots + 1) * o->width);
        o->bytes = data(b, s->bytes);
        return OMEN_OK;
    }
    OMEN_TRY(omen_dict_sort(&s->dict));
    o->exact = 1;
    o->dict_count = s->dict.count;
    o->distinct = s->dict.count;
    o->min = 0;
    o->max = s->dict.count - 1;
    o->bytes_len = s->dict.bytes.len;
    o->width = (uint8_t)width_of(s->dict.count - 1);
    o->values = data(b, slots * o->width);
    o->offsets = data(b, s->dict.offsets.len);
    o->bytes = data(b, o->bytes_len);
    o->common = statistics(b, (uint64_t)s->dict.count * 4);
    return OMEN_OK;
}

static omen_status layout_series(struct omen_columns_builder *b, build_series *s, uint32_t level, uint32_t type, uint64_t slots) {
    omen_series *o = &s->out;
    uint64_t none = OMEN_COLUMN_NONE;
    OMEN_TRY(omen_value_stats_finish(&s->stats, &s->result));
    *o = (omen_series){.type = (uint8_t)type, .level = (uint8_t)level, .count = s->count, .distinct = s->result.distinct, .min = s->stats.min, .max = s->stats.max,
                       .validity = none, .values = none, .offsets = none, .bytes = none, .zones = none, .bloom = none, .quantiles = none, .common = none};
    if (s->count < slots) o->validity = data(b, omen_bitmap_bytes(slots));
    if (type == OMEN_SERIES_STRING) {
        OMEN_TRY(layout_strings(b, s, slots));
    } else if (type == OMEN_SERIES_FLOAT) {
        o->width = 8;
        o->values = data(b, slots * 8);
    } else if (type == OMEN_SERIES_BOOL) {
        o->values = data(b, omen_bitmap_bytes(slots));
    } else {
        o->width = (uint8_t)width_of((uint64_t)o->max - (uint64_t)o->min);
        o->values = data(b, slots * o->width);
    }
    if (o->dict_count == 0) {
        o->exact = s->result.exact;
        o->common_count = (uint32_t)(s->result.common.len / sizeof(omen_common));
        o->common = statistics(b, s->result.common.len);
        o->quantiles = statistics(b, s->result.quantiles.len);
    }
    if (b->source->rows > OMEN_COLUMN_BLOCK)
        o->zones = statistics(b, ((uint64_t)b->source->rows + OMEN_COLUMN_BLOCK - 1) / OMEN_COLUMN_BLOCK * sizeof(omen_zone));
    if (!o->exact && (type == OMEN_SERIES_INT || type == OMEN_SERIES_STRING)) {
        /* Ten bits a value: about one in a hundred absent ones is let through. At most 4 MiB. */
        o->bloom_blocks = (uint32_t)OMEN_MIN((o->distinct * 10 + 255) / 256, (uint64_t)(4u << 20) / 32);
        o->bloom = statistics(b, (uint64_t)o->bloom_blocks * 32);
    }
    return OMEN_OK;
}

/* Times stand only where all strings of the level are. */
static void drop_times(build_column *c, omen_mem *m) {
    for (uint32_t level = 0; level < 2; level++) {
        build_series *t = c->series[level][OMEN_SERIES_TIME];
        if (t == NULL || !t->broken) continue;
        omen_value_stats_deinit(&t->stats);
        omen_free(m, t, sizeof *t);
        c->series[level][OMEN_SERIES_TIME] = NULL;
    }
}

static uint64_t bitmap(struct omen_columns_builder *b, uint32_t ones, uint64_t slots) {
    return data(b, ones == 0 ? 0 : omen_bitmap_bytes(slots));
}

omen_status omen_columns_layout(struct omen_columns_builder *b) {
    uint32_t rows = b->source->rows;
    for (uint32_t i = 0; i < b->count; i++) {
        build_column *c = &b->columns[i];
        omen_column *o = &c->out;
        o->present_bits = bitmap(b, o->present == rows ? 0 : o->present, rows);
        o->null_bits = bitmap(b, o->nulls, rows);
        o->object_bits = bitmap(b, o->objects, rows);
        o->array_bits = bitmap(b, o->arrays, rows);
        o->other_bits = bitmap(b, o->others, rows);
        o->array_offsets = data(b, o->arrays == 0 ? 0 : ((uint64_t)rows + 1) * 4);
        o->element_null_bits = bitmap(b, o->element_nulls, o->elements);
        drop_times(c, b->mem);
        for (uint32_t level = 0; level < 2; level++)
            for (uint32_t type = 0; type < OMEN_SERIES_TYPES; type++)
                if (c->series[level][type] != NULL) OMEN_TRY(layout_series(b, c->series[level][type], level, type, level == 0 ? rows : o->elements));
    }
    b->data_base = omen_round_up(b->statistics_len, 64);
    b->total = b->data_base + b->data_len;
    return OMEN_OK;
}

static bool path_less(void *arg, const void *a, const void *b) {
    const struct omen_columns_builder *builder = arg;
    uint32_t x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return omen_str_order(builder->columns[x].path, builder->columns[y].path) < 0;
}

omen_status omen_columns_directory(const struct omen_columns_builder *b, omen_buf *out) {
    uint32_t order[OMEN_COLUMN_MAX], series = 0, text = 0;
    for (uint32_t i = 0; i < b->count; i++) order[i] = i;
    omen_sort(order, b->count, sizeof *order, path_less, (void *)(uintptr_t)b);
    OMEN_TRY(omen_buf_append(out, NULL, OMEN_COLUMNS_HEADER));
    for (uint32_t i = 0; i < b->count; i++) {
        const build_column *c = &b->columns[order[i]];
        omen_column o = c->out;
        o.path_at = text;
        o.path_len = (uint32_t)c->path.len;
        o.first_series = series;
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) o.series_count += c->series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES] != NULL;
        text += o.path_len;
        series += o.series_count;
        OMEN_TRY(omen_buf_append(out, &o, sizeof o));
    }
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) {
            const build_series *s = b->columns[order[i]].series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES];
            if (s != NULL) OMEN_TRY(omen_buf_append(out, &s->out, sizeof s->out));
        }
    for (uint32_t i = 0; i < b->count; i++) OMEN_TRY(omen_buf_append(out, b->columns[order[i]].path.data, b->columns[order[i]].path.len));
    uint32_t head[6] = {OMEN_COLUMNS_VERSION, b->source->rows, b->count, series, b->flags, text};
    memcpy(out->data, head, sizeof head);
    omen_put64(out->data + 24, b->statistics_len);
    omen_put64(out->data + 32, b->data_len);
    return OMEN_OK;
}

static void put_dictionary(struct omen_columns_builder *b, const build_series *s) {
    uint64_t offsets = b->data_base + s->out.offsets, bytes = b->data_base + s->out.bytes;
    uint32_t at = 0;
    omen_columns_put(b, offsets, &at, 4);
    for (uint32_t code = 0; code < s->dict.count; code++) {
        uint32_t entry = s->dict.order[code];
        omen_str text = omen_dict_entry(&s->dict, entry);
        if (text.len != 0) omen_columns_put(b, bytes + at, text.data, text.len);
        at += (uint32_t)text.len;
        omen_columns_put(b, offsets + 4 * ((uint64_t)code + 1), &at, 4);
        omen_columns_put(b, s->out.common + 4 * (uint64_t)code, s->dict.counts.data + 4 * (size_t)entry, 4);
    }
}

void omen_columns_constants(struct omen_columns_builder *b) {
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) {
            const build_series *s = b->columns[i].series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES];
            if (s == NULL) continue;
            if (s->out.dict_count != 0) {
                put_dictionary(b, s);
                continue;
            }
            if (s->out.common != OMEN_COLUMN_NONE) omen_columns_put(b, s->out.common, s->result.common.data, s->result.common.len);
            if (s->out.quantiles != OMEN_COLUMN_NONE) omen_columns_put(b, s->out.quantiles, s->result.quantiles.data, s->result.quantiles.len);
        }
}
