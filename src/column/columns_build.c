/* columns_build.c - walks the documents of a part: first to learn what columns there are and how large everything becomes, then to fill
 * the buffers, a window of the sections at a time.
 *
 * Both walks see the same rows and take the same decisions, so that what the first counted is what the second writes. */
#include "base/json.h"
#include "column/columns_build.h"
#include "column/filter.h"

typedef struct omen_columns_builder builder;

#define WINDOW (32u << 20) /* a multiple of 64 */
#define DICT_MEMORY (32u << 20)
#define STEP_BYTES (1u << 20)

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory building columns"); }

omen_status omen_columns_builder_new(omen_mem *m, const omen_row_source *source, omen_columns_builder **out, omen_error *err) {
    OMEN_ASSERT(source->rows <= OMEN_PART_MAX_ROWS);
    builder *b = omen_alloc_zero(m, sizeof *b);
    *out = b;
    if (b == NULL) return out_of_memory(err);
    b->mem = m;
    b->source = source;
    b->window_most = WINDOW;
    omen_arena_init(&b->names, m, 4096);
    return OMEN_OK;
}

void omen_columns_builder_free(omen_columns_builder *b) {
    if (b == NULL) return;
    for (uint32_t i = 0; i < b->count; i++)
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) {
            build_series *s = b->columns[i].series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES];
            if (s == NULL) continue;
            omen_value_stats_deinit(&s->stats);
            omen_value_stats_result_deinit(&s->result);
            omen_dict_deinit(&s->dict);
            omen_free(b->mem, s, sizeof *s);
        }
    omen_arena_deinit(&b->names);
    omen_free(b->mem, b->window, b->window_cap);
    omen_free(b->mem, b, sizeof *b);
}

/* ---- the tree of paths ---- */

omen_status omen_column_path_append(omen_buf *path, uint32_t names, omen_str name) {
    if (names != 0) OMEN_TRY(omen_buf_append(path, ".", 1));
    else if (name.len != 0 && name.data[0] == '$') OMEN_TRY(omen_buf_append(path, "\\", 1));
    for (size_t i = 0, from = 0; i <= name.len; i++) {
        if (i < name.len && name.data[i] != '.' && name.data[i] != '\\') continue;
        if (i > from) OMEN_TRY(omen_buf_append(path, name.data + from, i - from));
        from = i;
        if (i < name.len) OMEN_TRY(omen_buf_append(path, "\\", 1));
    }
    return OMEN_OK;
}

static omen_status copy(builder *b, const void *bytes, size_t len, omen_str *out) {
    char *p = omen_arena_copy(&b->names, bytes, len);
    *out = (omen_str){p, len};
    return p == NULL ? OMEN_ERR_MEMORY : OMEN_OK;
}

static omen_status new_column(builder *b, uint32_t parent, omen_str name, uint32_t names, uint16_t *slot, build_column **out) {
    omen_buf path;
    build_column *c = &b->columns[b->count];
    omen_buf_init(&path, b->mem);
    omen_status s = OMEN_OK;
    if (parent != 0) s = omen_buf_append(&path, b->columns[parent - 1].path.data, b->columns[parent - 1].path.len);
    if (s == OMEN_OK) s = omen_column_path_append(&path, names - 1, name);
    if (s == OMEN_OK && path.len <= OMEN_COLUMN_MAX_PATH) {
        *c = (build_column){.parent = parent, .names = names};
        s = copy(b, name.data, name.len, &c->name);
        if (s == OMEN_OK) s = copy(b, path.data, path.len, &c->path);
        if (s == OMEN_OK) {
            *slot = (uint16_t)++b->count;
            *out = c;
        }
    } else {
        b->flags |= OMEN_COLUMNS_OVERFLOW;
    }
    omen_buf_deinit(&path);
    return s;
}

/* The column of a member; NULL: it has none. */
static omen_status child(builder *b, uint32_t parent, omen_str name, uint32_t names, build_column **out) {
    uint32_t mask = OMEN_ARRAY_LEN(b->children) - 1, i = (uint32_t)omen_hash64(name.data, name.len, parent) & mask;
    *out = NULL;
    for (; b->children[i] != 0; i = (i + 1) & mask) {
        build_column *c = &b->columns[b->children[i] - 1];
        if (c->parent != parent || c->name.len != name.len || (name.len != 0 && memcmp(c->name.data, name.data, name.len) != 0)) continue;
        *out = c;
        return OMEN_OK;
    }
    if (b->count < OMEN_COLUMN_MAX) return new_column(b, parent, name, names, &b->children[i], out);
    b->flags |= OMEN_COLUMNS_OVERFLOW;
    return OMEN_OK;
}

/* ---- values ---- */

typedef struct value {
    omen_series_type type;
    int64_t key; /* of a string: its first bytes */
    omen_str text;
} value;

/* false: it is left to the document. */
static bool scalar_of(const omen_json_val *v, value *out) {
    double d;
    bool flag;
    if (omen_json_str(v, &out->text)) {
        out->type = OMEN_SERIES_STRING;
        if (out->text.len > OMEN_COLUMN_MAX_STRING) return false;
        out->key = omen_string_key(out->text.data, out->text.len);
        return true;
    }
    if (omen_json_i64(v, &out->key)) {
        out->type = OMEN_SERIES_INT;
        return true;
    }
    if (omen_json_bool(v, &flag)) {
        out->type = OMEN_SERIES_BOOL;
        out->key = flag;
        return true;
    }
    if (!omen_json_f64(v, &d)) return false;
    out->type = OMEN_SERIES_FLOAT;
    out->key = omen_float_key(d);
    return true;
}

static build_series *series_of(builder *b, build_column *c, uint32_t level, omen_series_type type) {
    build_series *s = c->series[level][type];
    if (s != NULL) return s;
    s = omen_alloc_zero(b->mem, sizeof *s);
    if (s == NULL) return NULL;
    omen_value_stats_init(&s->stats, b->mem, type != OMEN_SERIES_STRING);
    omen_dict_init(&s->dict, b->mem);
    omen_buf_init(&s->result.common, b->mem);
    omen_buf_init(&s->result.quantiles, b->mem);
    c->series[level][type] = s;
    return s;
}

/* Strings are counted one by one as long as there are few; then only how many there are, about. */
static omen_status learn_string(builder *b, build_series *s, omen_str text) {
    uint64_t hash = omen_hash64(text.data, text.len, 0);
    s->bytes += text.len;
    if (s->plain) return omen_value_stats_hash(&s->stats, hash);
    bool full;
    size_t before = omen_dict_memory(&s->dict);
    OMEN_TRY(omen_dict_add(&s->dict, text, hash, &full));
    b->dict_memory += omen_dict_memory(&s->dict) - before;
    if (!full && b->dict_memory <= DICT_MEMORY) return OMEN_OK;
    for (uint32_t i = 0; i < s->dict.count; i++) {
        omen_str e = omen_dict_entry(&s->dict, i);
        OMEN_TRY(omen_value_stats_hash(&s->stats, omen_hash64(e.data, e.len, 0)));
    }
    b->dict_memory -= omen_dict_memory(&s->dict);
    omen_dict_deinit(&s->dict);
    s->plain = true;
    return omen_value_stats_hash(&s->stats, hash);
}

static omen_status learn_value(builder *b, build_column *c, uint32_t level, const value *v) {
    build_series *s = series_of(b, c, level, v->type);
    if (s == NULL) return OMEN_ERR_MEMORY;
    s->count++;
    OMEN_TRY(omen_value_stats_add(&s->stats, v->key));
    if (v->type != OMEN_SERIES_STRING) return OMEN_OK;
    build_series *t = c->series[level][OMEN_SERIES_TIME];
    int64_t instant;
    if (t == NULL && s->count == 1) {
        t = series_of(b, c, level, OMEN_SERIES_TIME);
        if (t == NULL) return OMEN_ERR_MEMORY;
    }
    if (!t->broken) {
        t->broken = !omen_time_parse(v->text, &instant);
        if (!t->broken) {
            t->count++;
            OMEN_TRY(omen_value_stats_add(&t->stats, instant));
        }
    }
    return learn_string(b, s, v->text);
}

static void fill_zone(builder *b, build_series *s) {
    if (s->out.zones == OMEN_COLUMN_NONE || s->zone.count == 0) return;
    omen_columns_put(b, s->out.zones + (uint64_t)s->zone_block * sizeof s->zone, &s->zone, sizeof s->zone);
}

static void fill_key(builder *b, build_series *s, uint32_t row, uint64_t slot, int64_t key) {
    uint64_t at = b->data_base;
    if (row / OMEN_COLUMN_BLOCK != s->zone_block || s->zone.count == 0) {
        fill_zone(b, s);
        s->zone = (omen_zone){key, key, 0, 0};
        s->zone_block = row / OMEN_COLUMN_BLOCK;
    }
    s->zone.min = OMEN_MIN(s->zone.min, key);
    s->zone.max = OMEN_MAX(s->zone.max, key);
    s->zone.count++;
    if (s->out.validity != OMEN_COLUMN_NONE) omen_columns_put_bit(b, at + s->out.validity, slot);
    if (s->out.type == OMEN_SERIES_BOOL) {
        if (key != 0) omen_columns_put_bit(b, at + s->out.values, slot);
    } else if (s->out.type == OMEN_SERIES_FLOAT) {
        double d = omen_key_float(key);
        omen_columns_put(b, at + s->out.values + slot * 8, &d, 8);
    } else if (s->out.width != 0 && (s->out.type != OMEN_SERIES_STRING || s->out.dict_count != 0)) {
        uint64_t rest = (uint64_t)key - (uint64_t)s->out.min;
        omen_columns_put(b, at + s->out.values + slot * s->out.width, &rest, s->out.width);
    }
}

static void fill_bloom(builder *b, const build_series *s, uint64_t hash) {
    uint64_t block = s->out.bloom + omen_bloom_block(hash, s->out.bloom_blocks) * 32;
    if (block >= b->window_to || block + 32 <= b->window_from) return;
    for (uint32_t w = 0; w < 8; w++) omen_columns_put_bit(b, block + w * 4, (uint32_t)__builtin_ctz(omen_bloom_bit(hash, w)));
}

/* Offsets of plain strings below `to`: slots without a string are empty. */
static void fill_offsets(builder *b, build_series *s, uint64_t to) {
    for (; s->next_slot < to; s->next_slot++)
        omen_columns_put(b, b->data_base + s->out.offsets + s->next_slot * s->out.width, &s->bytes_at, s->out.width);
}

static void fill_value(builder *b, build_column *c, uint32_t level, uint32_t row, uint64_t slot, const value *v) {
    build_series *s = c->series[level][v->type];
    int64_t key = v->key, instant;
    if (v->type != OMEN_SERIES_STRING) {
        if (s->out.bloom != OMEN_COLUMN_NONE) fill_bloom(b, s, omen_hash64(&key, sizeof key, 0));
        fill_key(b, s, row, slot, key);
        return;
    }
    build_series *t = c->series[level][OMEN_SERIES_TIME];
    if (t != NULL && omen_time_parse(v->text, &instant)) fill_key(b, t, row, slot, instant);
    uint64_t hash = omen_hash64(v->text.data, v->text.len, 0);
    if (s->out.dict_count != 0) {
        fill_key(b, s, row, slot, omen_dict_code(&s->dict, v->text, hash));
        return;
    }
    if (s->out.bloom != OMEN_COLUMN_NONE) fill_bloom(b, s, hash);
    fill_key(b, s, row, slot, key);
    fill_offsets(b, s, slot + 1);
    if (v->text.len != 0) omen_columns_put(b, b->data_base + s->out.bytes + s->bytes_at, v->text.data, v->text.len);
    s->bytes_at += v->text.len;
}

static void fill_array_offsets(builder *b, build_column *c, uint64_t to) {
    for (; c->next_row < to; c->next_row++) omen_columns_put(b, b->data_base + c->out.array_offsets + (uint64_t)c->next_row * 4, &c->elements, 4);
}

/* ---- walking ---- */

typedef struct walk {
    builder *b;
    uint32_t row, parent, names;
    bool fill;
} walk;

static void mark(const walk *w, uint32_t *count, uint64_t bitmap, uint64_t bit) {
    if (!w->fill) ++*count;
    else if (bitmap != OMEN_COLUMN_NONE) omen_columns_put_bit(w->b, w->b->data_base + bitmap, bit);
}

static omen_status take(const walk *w, build_column *c, uint32_t level, uint64_t slot, const value *v) {
    if (!w->fill) return learn_value(w->b, c, level, v);
    fill_value(w->b, c, level, w->row, slot, v);
    return OMEN_OK;
}

static omen_status array(const walk *w, build_column *c, const omen_json_val *v) {
    size_t count = omen_json_count(v);
    uint32_t *elements = w->fill ? &c->elements : &c->out.elements;
    bool whole = true;
    if (count > UINT32_MAX - *elements) { /* the offsets would not fit: this row's is left to the document */
        mark(w, &c->out.others, c->out.other_bits, w->row);
        return OMEN_OK;
    }
    mark(w, &c->out.arrays, c->out.array_bits, w->row);
    if (w->fill) fill_array_offsets(w->b, c, (uint64_t)w->row + 1);
    omen_json_iter it = omen_json_iter_of(v);
    for (const omen_json_val *e; (e = omen_json_next(&it)) != NULL; ++*elements) {
        value one;
        if (omen_json_is_array(e) || omen_json_is_object(e)) continue; /* a slot without value */
        if (omen_json_is_null(e)) mark(w, &c->out.element_nulls, c->out.element_null_bits, *elements);
        else if (!scalar_of(e, &one)) whole = false;
        else OMEN_TRY(take(w, c, 1, *elements, &one));
    }
    if (!whole) mark(w, &c->out.others, c->out.other_bits, w->row);
    return OMEN_OK;
}

/* The recursion ends at OMEN_COLUMN_DEPTH. */
static omen_status member(void *arg, omen_str name, const omen_json_val *v) {
    const walk *w = arg;
    build_column *c;
    value one;
    OMEN_TRY(child(w->b, w->parent, name, w->names, &c));
    if (c == NULL || c->seen == w->row + 1) return OMEN_OK;
    c->seen = w->row + 1;
    mark(w, &c->out.present, c->out.present_bits, w->row);
    if (omen_json_is_null(v)) {
        mark(w, &c->out.nulls, c->out.null_bits, w->row);
    } else if (omen_json_is_object(v)) {
        walk below = {w->b, w->row, (uint32_t)(c - w->b->columns) + 1, w->names + 1, w->fill};
        mark(w, &c->out.objects, c->out.object_bits, w->row);
        if (w->names < OMEN_COLUMN_DEPTH) return omen_json_each(v, member, &below);
        if (omen_json_count(v) != 0) w->b->flags |= OMEN_COLUMNS_DEEP;
    } else if (omen_json_is_array(v)) {
        return array(w, c, v);
    } else if (scalar_of(v, &one)) {
        return take(w, c, 0, w->row, &one);
    } else {
        mark(w, &c->out.others, c->out.other_bits, w->row);
    }
    return OMEN_OK;
}

/* About a step's worth of rows. */
static omen_status walk_rows(builder *b, bool fill, omen_error *err) {
    for (size_t read = 0; b->row < b->source->rows && read < STEP_BYTES; b->row++) {
        omen_str doc;
        omen_json *json;
        OMEN_TRY(b->source->doc(b->source->ctx, b->row, &doc, err));
        read += doc.len + 256;
        if (doc.len == 0) continue;
        OMEN_TRY(omen_json_parse(b->mem, doc, &json, err));
        walk w = {b, b->row, 0, 1, fill};
        omen_status s = omen_json_each(omen_json_root(json), member, &w);
        omen_json_free(json);
        if (s != OMEN_OK) return out_of_memory(err);
    }
    return OMEN_OK;
}

/* ---- writing ---- */

static omen_status write_directory(builder *b, omen_segment_writer *out, omen_error *err) {
    omen_buf bytes;
    omen_buf_init(&bytes, b->mem);
    omen_status s = omen_columns_layout(b);
    if (s == OMEN_OK) s = omen_columns_directory(b, &bytes);
    if (s == OMEN_OK) {
        b->window_cap = (size_t)OMEN_MIN(b->total, b->window_most);
        b->window = omen_alloc(b->mem, b->window_cap);
        if (b->window == NULL && b->window_cap != 0) s = OMEN_ERR_MEMORY;
    }
    if (s != OMEN_OK) out_of_memory(err);
    if (s == OMEN_OK) s = omen_segment_section_begin(out, OMEN_SECTION_COLUMNS, 0, 0, OMEN_BLOCK_BYTES, err);
    if (s == OMEN_OK) s = omen_segment_section_write(out, bytes.data, bytes.len, err);
    if (s == OMEN_OK) s = omen_segment_section_end(out, err);
    omen_buf_deinit(&bytes);
    return s;
}

static void begin_window(builder *b) {
    b->window_from = b->emitted;
    b->window_to = OMEN_MIN(b->total, b->window_from + b->window_cap);
    memset(b->window, 0, b->window_cap);
    b->row = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        build_column *c = &b->columns[i];
        c->seen = c->elements = c->next_row = 0;
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) {
            build_series *s = c->series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES];
            if (s == NULL) continue;
            s->zone = (omen_zone){0, 0, 0, 0};
            s->zone_block = 0;
            s->next_slot = s->bytes_at = 0;
        }
    }
    omen_columns_constants(b);
}

/* What the last rows left open. */
static void end_window(builder *b) {
    for (uint32_t i = 0; i < b->count; i++) {
        build_column *c = &b->columns[i];
        if (c->out.arrays != 0) fill_array_offsets(b, c, (uint64_t)b->source->rows + 1);
        for (uint32_t k = 0; k < 2 * OMEN_SERIES_TYPES; k++) {
            build_series *s = c->series[k / OMEN_SERIES_TYPES][k % OMEN_SERIES_TYPES];
            if (s == NULL) continue;
            fill_zone(b, s);
            if (s->plain) fill_offsets(b, s, (k / OMEN_SERIES_TYPES == 0 ? b->source->rows : c->out.elements) + UINT64_C(1));
        }
    }
}

/* Writes the window's bytes into the two sections; between them lie zeros that belong to neither. */
static omen_status emit(builder *b, omen_segment_writer *out, omen_error *err) {
    while (b->emitted < b->window_to) {
        uint64_t to = b->window_to;
        if (b->emitted == b->statistics_len && b->emitted < b->data_base) {
            b->emitted = OMEN_MIN(to, b->data_base);
            continue;
        }
        if (!b->in_section) {
            b->in_data = b->emitted >= b->data_base;
            OMEN_TRY(omen_segment_section_begin(out, b->in_data ? OMEN_SECTION_COLUMN_DATA : OMEN_SECTION_COLUMN_STATISTICS, 0, 0, OMEN_BLOCK_BYTES, err));
            b->in_section = true;
        }
        uint64_t end = b->in_data ? b->total : b->statistics_len;
        to = OMEN_MIN(OMEN_MIN(to, end), b->emitted + STEP_BYTES);
        OMEN_TRY(omen_segment_section_write(out, b->window + (b->emitted - b->window_from), (size_t)(to - b->emitted), err));
        b->emitted = to;
        if (to == end) {
            OMEN_TRY(omen_segment_section_end(out, err));
            b->in_section = false;
        }
        return OMEN_OK;
    }
    return OMEN_OK;
}

omen_status omen_columns_builder_step(omen_columns_builder *b, omen_segment_writer *out, bool *done, omen_error *err) {
    *done = false;
    switch (b->stage) {
    case BUILD_LEARN:
        OMEN_TRY(walk_rows(b, false, err));
        if (b->row == b->source->rows) b->stage = BUILD_DIRECTORY;
        return OMEN_OK;
    case BUILD_DIRECTORY:
        OMEN_TRY(write_directory(b, out, err));
        b->stage = b->total == 0 ? BUILD_DONE : BUILD_FILL;
        if (b->total != 0) begin_window(b);
        *done = b->total == 0;
        return OMEN_OK;
    case BUILD_FILL:
        OMEN_TRY(walk_rows(b, true, err));
        if (b->row == b->source->rows) {
            end_window(b);
            b->stage = BUILD_EMIT;
        }
        return OMEN_OK;
    case BUILD_EMIT:
        OMEN_TRY(emit(b, out, err));
        if (b->emitted < b->window_to) return OMEN_OK;
        b->stage = b->emitted == b->total ? BUILD_DONE : BUILD_FILL;
        if (b->stage == BUILD_FILL) begin_window(b);
        *done = b->stage == BUILD_DONE;
        return OMEN_OK;
    case BUILD_DONE: break;
    }
    return omen_fail(err, OMEN_ERR_INTERNAL, "a finished columns builder was stepped again");
}
