/* values.c - paths, values and their forms, and a reader of single rows. */
#include "column/values.h"
#include "column/columns_dict.h"
#include "column/filter.h"

/* ---- paths ---- */

static omen_status refuse(omen_error *err, omen_str text, const char *why) {
    return omen_fail(err, OMEN_ERR_INVALID, "path \"%.*s\": %s", (int)OMEN_MIN(text.len, 80), text.len == 0 ? "" : text.data, why);
}

/* The plain names back to back into `plain`, their lengths into `lens`. */
static omen_status split(omen_str text, char *plain, size_t *lens, uint32_t *count, omen_error *err) {
    size_t len = 0, begin = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i == text.len || text.data[i] == '.') {
            if (len == begin) return refuse(err, text, "an empty name; write names with single dots between them, such as \"a.b\"");
            if (*count == OMEN_MAX_JSON_DEPTH) return omen_fail(err, OMEN_ERR_TOO_LARGE, "a path has more than 64 names");
            lens[(*count)++] = len - begin;
            begin = len;
            continue;
        }
        if (text.data[i] == '\\' && (++i == text.len || (text.data[i] != '.' && text.data[i] != '\\' && text.data[i] != '$')))
            return refuse(err, text, "a backslash stands before a dot, a dollar sign or a backslash that is part of a name");
        plain[len++] = text.data[i];
    }
    return OMEN_OK;
}

omen_status omen_value_path_read(omen_mem *m, omen_str text, omen_value_path *out, omen_error *err) {
    char plain[OMEN_COLUMN_MAX_PATH];
    size_t lens[OMEN_MAX_JSON_DEPTH], total = 0;
    uint32_t count = 0;
    omen_buf canonical;
    *out = (omen_value_path){0};
    if (text.len > OMEN_COLUMN_MAX_PATH) return omen_fail(err, OMEN_ERR_TOO_LARGE, "a path is longer than 1024 bytes");
    OMEN_TRY(split(text, plain, lens, &count, err));
    omen_buf_init(&canonical, m);
    omen_status s = OMEN_OK;
    for (uint32_t i = 0; i < count && s == OMEN_OK; i++) {
        s = omen_column_path_append(&canonical, i, (omen_str){plain + total, lens[i]});
        total += lens[i];
    }
    size_t size = count * sizeof(omen_str) + canonical.len + total;
    omen_str *names = s == OMEN_OK ? omen_alloc(m, size) : NULL;
    if (names != NULL && canonical.len > OMEN_COLUMN_MAX_PATH) {
        /* only a leading dollar sign without its backslash makes it longer */
        omen_free(m, names, size);
        omen_buf_deinit(&canonical);
        return omen_fail(err, OMEN_ERR_TOO_LARGE, "a path is longer than 1024 bytes");
    }
    if (names != NULL) {
        char *p = (char *)(names + count);
        memcpy(p, canonical.data, canonical.len);
        memcpy(p + canonical.len, plain, total);
        *out = (omen_value_path){m, {p, canonical.len}, count, 0, names, size};
        p += canonical.len;
        for (uint32_t i = 0; i < count; p += lens[i++]) names[i] = (omen_str){p, lens[i]};
    }
    omen_buf_deinit(&canonical);
    return names != NULL ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading a path");
}

void omen_value_path_deinit(omen_value_path *p) {
    if (p->names != NULL) omen_free(p->mem, p->names, p->size);
    *p = (omen_value_path){0};
}

const omen_json_val *omen_value_path_reach(const omen_value_path *p, const omen_json_val *root) {
    for (uint32_t i = 0; i < p->count && root != NULL; i++) root = omen_json_get_str(root, p->names[i]);
    return root;
}

/* ---- values ---- */

omen_value omen_value_of(const omen_json_val *v) {
    omen_value out = {.kind = OMEN_VALUE_MISSING};
    bool truth;
    if (v == NULL) return out;
    if (omen_json_str(v, &out.text)) out.kind = OMEN_VALUE_STRING;
    else if (omen_json_i64(v, &out.i)) out.kind = OMEN_VALUE_INT;
    else if (omen_json_f64(v, &out.d)) out.kind = OMEN_VALUE_FLOAT;
    else if (omen_json_bool(v, &truth)) out = (omen_value){.kind = OMEN_VALUE_BOOL, .i = truth};
    else out.kind = omen_json_is_null(v) ? OMEN_VALUE_NULL : omen_json_is_array(v) ? OMEN_VALUE_ARRAY : OMEN_VALUE_OBJECT;
    return out;
}

static void put_big(uint8_t *out, uint64_t v, uint32_t bytes) {
    for (uint32_t i = bytes; i-- > 0; v >>= 8) out[i] = (uint8_t)v;
}

static size_t form_number(uint8_t *out, int64_t key, uint32_t beyond) {
    out[0] = OMEN_FORM_NUMBER;
    put_big(out + 1, (uint64_t)key ^ UINT64_C(1) << 63, 8);
    put_big(out + 9, beyond, 2);
    return 11;
}

size_t omen_value_form_head(const omen_value *v, uint8_t out[OMEN_FORM_SHORT]) {
    switch (v->kind) {
    case OMEN_VALUE_MISSING:
    case OMEN_VALUE_NULL: out[0] = OMEN_FORM_NULL; return 1;
    case OMEN_VALUE_BOOL:
        out[0] = OMEN_FORM_BOOL;
        out[1] = v->i != 0;
        return 2;
    case OMEN_VALUE_INT: {
        double d = (double)v->i;
        int64_t key = omen_float_key(d);
        if (omen_order_i64_f64(v->i, d) < 0) d = omen_key_float(--key);
        return form_number(out, key, (uint32_t)(v->i - (int64_t)d));
    }
    case OMEN_VALUE_FLOAT: return form_number(out, omen_float_key(v->d), 0);
    case OMEN_VALUE_STRING: out[0] = OMEN_FORM_STRING; return 1;
    default: return 0;
    }
}

omen_status omen_value_form(const omen_value *v, omen_buf *out) {
    uint8_t head[OMEN_FORM_SHORT];
    size_t n = omen_value_form_head(v, head);
    if (n == 0) return OMEN_ERR_INVALID;
    bool text = v->kind == OMEN_VALUE_STRING && v->text.len != 0;
    OMEN_TRY(omen_buf_reserve(out, n + (text ? v->text.len : 0)));
    (void)omen_buf_append(out, head, n);
    if (text) (void)omen_buf_append(out, v->text.data, v->text.len);
    return OMEN_OK;
}

static bool whole(double d, int64_t *i) {
    if (!(d >= -0x1p63 && d < 0x1p63)) return false;
    *i = (int64_t)d;
    return (double)*i == d;
}

bool omen_value_of_form(omen_str form, omen_value *out) {
    const uint8_t *p = (const uint8_t *)form.data;
    *out = (omen_value){.kind = OMEN_VALUE_NULL};
    if (form.len == 0) return false;
    switch (p[0]) {
    case OMEN_FORM_NULL: return form.len == 1;
    case OMEN_FORM_BOOL:
        if (form.len != 2 || p[1] > 1) return false;
        *out = (omen_value){.kind = OMEN_VALUE_BOOL, .i = p[1]};
        return true;
    case OMEN_FORM_NUMBER: {
        if (form.len != 11) return false;
        uint64_t key = 0;
        for (uint32_t i = 1; i < 9; i++) key = key << 8 | p[i];
        uint32_t beyond = (uint32_t)p[9] << 8 | p[10];
        double d = omen_key_float((int64_t)(key ^ UINT64_C(1) << 63));
        int64_t i;
        if (d - d != 0.0 || (beyond != 0 && (!whole(d, &i) || i > INT64_MAX - beyond))) return false;
        if (whole(d, &i)) *out = (omen_value){.kind = OMEN_VALUE_INT, .i = i + beyond};
        else *out = (omen_value){.kind = OMEN_VALUE_FLOAT, .d = d};
        return true;
    }
    case OMEN_FORM_STRING:
        *out = (omen_value){.kind = OMEN_VALUE_STRING, .text = {form.data + 1, form.len - 1}};
        return true;
    default: return false;
    }
}

int omen_form_order(omen_str a, omen_str b) { return omen_str_order(a, b); }

void omen_value_print(const omen_value *v, omen_jw *w) {
    switch (v->kind) {
    case OMEN_VALUE_BOOL: omen_jw_bool(w, v->i != 0); break;
    case OMEN_VALUE_INT: omen_jw_i64(w, v->i); break;
    case OMEN_VALUE_FLOAT: omen_jw_f64(w, v->d); break;
    case OMEN_VALUE_STRING: omen_jw_str(w, v->text); break;
    default: omen_jw_null(w);
    }
}

/* ---- one row of a part ---- */

enum { VIEW_BITS, VIEW_VALUES, VIEW_OFFSETS, VIEWS };

struct omen_values {
    const omen_columns *columns;
    const omen_column *column; /* NULL: there is none */
    bool complete;             /* then every row is without a value */
    omen_view views[VIEWS];
};

omen_status omen_values_new(const omen_columns *c, const omen_value_path *path, omen_values **out, omen_error *err) {
    omen_values *v = omen_alloc_zero(c->store->mem, sizeof *v);
    *out = v;
    if (v == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading columns");
    v->columns = c;
    v->column = omen_columns_find(c, path->text, &v->complete);
    return OMEN_OK;
}

void omen_values_rest(omen_values *v) {
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_rest(v->columns, &v->views[i]);
}

void omen_values_free(omen_values *v) {
    if (v == NULL) return;
    for (uint32_t i = 0; i < VIEWS; i++) omen_view_deinit(v->columns, &v->views[i]);
    omen_free(v->columns->store->mem, v, sizeof *v);
}

static omen_status corrupt(const omen_values *v, const char *what, omen_error *err) {
    return omen_fail(err, OMEN_ERR_CORRUPT, "%s is damaged: its columns: %s", omen_segment_file_name(omen_segment_info_of(v->columns->segment)->number).text, what);
}

static omen_status look(omen_values *v, uint32_t view, uint64_t offset, size_t len, const uint8_t **out, omen_error *err) {
    return omen_view_get(v->columns, &v->views[view], v->columns->data, offset, len, out, err);
}

/* Whether the row's bit is set; all: when there is no bitmap. */
static omen_status bit(omen_values *v, uint64_t offset, uint32_t row, bool all, bool *out, omen_error *err) {
    const uint8_t *p;
    *out = all;
    if (offset == OMEN_COLUMN_NONE) return OMEN_OK;
    OMEN_TRY(look(v, VIEW_BITS, offset + row / 8, 1, &p, err));
    *out = (*p >> row % 8 & 1) != 0;
    return OMEN_OK;
}

static omen_status text(omen_values *v, uint64_t bytes, uint64_t from, uint64_t to, uint64_t len, omen_value *out, omen_error *err) {
    const uint8_t *p;
    if (from > to || to > len || to - from > OMEN_COLUMN_MAX_STRING) return corrupt(v, "the offsets of strings are wrong", err);
    *out = (omen_value){.kind = OMEN_VALUE_STRING, .text = {"", 0}};
    if (from == to) return OMEN_OK;
    OMEN_TRY(look(v, VIEW_VALUES, bytes + from, (size_t)(to - from), &p, err));
    out->text = (omen_str){(const char *)p, (size_t)(to - from)};
    return OMEN_OK;
}

static omen_status string_at(omen_values *v, const omen_series *s, uint32_t row, omen_value *out, omen_error *err) {
    const uint8_t *p = (const uint8_t *)"\0\0\0";
    uint64_t at = row, width = s->width;
    if (s->dict_count != 0) {
        if (width != 0) OMEN_TRY(look(v, VIEW_VALUES, s->values + row * width, width, &p, err));
        at = width == 0 ? 0 : width == 1 ? p[0] : omen_get16(p);
        if (at >= s->dict_count) return corrupt(v, "a code is outside of its dictionary", err);
        width = 4;
    }
    OMEN_TRY(look(v, VIEW_OFFSETS, s->offsets + at * width, 2 * width, &p, err));
    if (width == 4) return text(v, s->bytes, omen_get32(p), omen_get32(p + 4), s->bytes_len, out, err);
    return text(v, s->bytes, omen_get64(p), omen_get64(p + 8), s->bytes_len, out, err);
}

static omen_status value_at(omen_values *v, const omen_series *s, uint32_t row, omen_value *out, omen_error *err) {
    const uint8_t *p;
    bool truth;
    switch ((omen_series_type)s->type) {
    case OMEN_SERIES_STRING: return string_at(v, s, row, out, err);
    case OMEN_SERIES_BOOL:
        OMEN_TRY(bit(v, s->values, row, false, &truth, err));
        *out = (omen_value){.kind = OMEN_VALUE_BOOL, .i = truth};
        return OMEN_OK;
    case OMEN_SERIES_FLOAT:
        OMEN_TRY(look(v, VIEW_VALUES, s->values + (uint64_t)row * 8, 8, &p, err));
        *out = (omen_value){.kind = OMEN_VALUE_FLOAT};
        memcpy(&out->d, p, 8);
        if (out->d - out->d != 0.0) return corrupt(v, "a number is not finite", err);
        return OMEN_OK;
    default: break;
    }
    uint64_t rest = 0;
    if (s->width != 0) {
        OMEN_TRY(look(v, VIEW_VALUES, s->values + (uint64_t)row * s->width, s->width, &p, err));
        memcpy(&rest, p, s->width);
    }
    *out = (omen_value){.kind = OMEN_VALUE_INT, .i = (int64_t)((uint64_t)s->min + rest)};
    return OMEN_OK;
}

omen_status omen_values_get(omen_values *v, uint32_t row, omen_value *out, omen_error *err) {
    const omen_column *col = v->column;
    bool yes;
    OMEN_ASSERT(row < v->columns->rows);
    *out = (omen_value){.kind = v->complete ? OMEN_VALUE_MISSING : OMEN_VALUE_UNKNOWN};
    if (col == NULL) return OMEN_OK;
    for (uint32_t i = 0; i < col->series_count; i++) {
        const omen_series *s = &v->columns->series[col->first_series + i];
        if (s->level != 0 || s->type == OMEN_SERIES_TIME) continue;
        OMEN_TRY(bit(v, s->validity, row, true, &yes, err));
        if (yes) return value_at(v, s, row, out, err);
    }
    const struct { uint64_t bits; omen_value_kind kind; } rest[] = {
        {col->other_bits, OMEN_VALUE_UNKNOWN}, {col->array_bits, OMEN_VALUE_ARRAY}, {col->object_bits, OMEN_VALUE_OBJECT}, {col->null_bits, OMEN_VALUE_NULL}};
    for (uint32_t i = 0; i < OMEN_ARRAY_LEN(rest); i++) {
        OMEN_TRY(bit(v, rest[i].bits, row, false, &yes, err));
        *out = (omen_value){.kind = rest[i].kind};
        if (yes) return OMEN_OK;
    }
    *out = (omen_value){.kind = OMEN_VALUE_MISSING};
    return OMEN_OK;
}
