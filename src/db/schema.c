#include "db/schema.h"

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

omen_status omen_name_check(omen_str name, const char *what, omen_error *err) {
    if (name.len == 0) return omen_fail(err, OMEN_ERR_NAME, "%s is empty; give it a name of 1 to %u characters", what, OMEN_MAX_NAME);
    if (name.len > OMEN_MAX_NAME)
        return omen_fail(err, OMEN_ERR_NAME, "%s has %zu bytes, at most %u are allowed", what, name.len, OMEN_MAX_NAME);
    for (size_t i = 0; i < name.len; i++)
        if (!name_char(name.data[i]))
            return omen_fail(err, OMEN_ERR_NAME, "%s has a character that is not allowed at byte %zu; use letters, digits, '_', '-' and '.'", what, i);
    if (name.data[0] == '.' || name.data[0] == '-')
        return omen_fail(err, OMEN_ERR_NAME, "%s \"%.*s\" must not begin with '%s'", what, (int)name.len, name.data, name.data[0] == '.' ? "." : "-");
    if (name.len >= 5 && memcmp(name.data, "omen_", 5) == 0)
        return omen_fail(err, OMEN_ERR_NAME, "%s \"%.*s\" is reserved: names beginning with \"omen_\" are OmenDB's own", what, (int)name.len, name.data);
    return OMEN_OK;
}

const char *omen_metric_name(omen_metric m) {
    switch (m) {
        case OMEN_METRIC_L2: return "l2";
        case OMEN_METRIC_IP: return "ip";
        case OMEN_METRIC_COSINE: return "cosine";
        case OMEN_METRIC_HAMMING: return "hamming";
    }
    return "unknown";
}

bool omen_metric_parse(omen_str name, omen_metric *out) {
    static const omen_metric all[] = {OMEN_METRIC_L2, OMEN_METRIC_IP, OMEN_METRIC_COSINE};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(all); i++) {
        const char *n = omen_metric_name(all[i]);
        if (omen_str_equal(name, (omen_str){n, strlen(n)})) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

static omen_status field_name(omen_schema_copy *c, omen_str name, const char *what, omen_str *out, omen_error *err) {
    OMEN_TRY(omen_name_check(name, what, err));
    if (omen_str_equal(name, OMEN_STR("id"))) return omen_fail(err, OMEN_ERR_NAME, "%s \"id\" is reserved: it is the record's id", what);
    for (uint32_t i = 0; i < c->schema.vector_count; i++)
        if (omen_str_equal(c->vectors[i].name, name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    for (uint32_t i = 0; i < c->schema.text_count; i++)
        if (omen_str_equal(c->texts[i], name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    char *copy = omen_arena_copy(&c->names, name.data, name.len);
    if (copy == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    *out = (omen_str){copy, name.len};
    return OMEN_OK;
}

static omen_status copy_fields(omen_schema_copy *c, const omen_schema *s, omen_error *err) {
    if (s->vector_count > OMEN_MAX_VECTOR_FIELDS)
        return omen_fail(err, OMEN_ERR_INVALID, "%u vector fields; at most %u are allowed", s->vector_count, OMEN_MAX_VECTOR_FIELDS);
    if (s->text_count > OMEN_MAX_TEXT_FIELDS)
        return omen_fail(err, OMEN_ERR_INVALID, "%u text fields; at most %u are allowed", s->text_count, OMEN_MAX_TEXT_FIELDS);
    for (uint32_t i = 0; i < s->vector_count; i++) {
        const omen_vector_field *f = &s->vectors[i];
        omen_str name = f->name.len == 0 ? OMEN_STR("vector") : f->name;
        OMEN_TRY(field_name(c, name, "a vector field's name", &c->vectors[i].name, err));
        if (f->dimensions == 0 || f->dimensions > OMEN_MAX_DIMENSIONS)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has %u dimensions; 1 to %u are allowed", (int)name.len, name.data,
                             f->dimensions, OMEN_MAX_DIMENSIONS);
        if (f->metric != OMEN_METRIC_L2 && f->metric != OMEN_METRIC_IP && f->metric != OMEN_METRIC_COSINE)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has an unknown metric; use l2, ip or cosine", (int)name.len, name.data);
        c->vectors[i].dimensions = f->dimensions;
        c->vectors[i].metric = f->metric;
        c->vectors[i].element = f->element;
        c->vectors[i].index = f->index;
        c->fields[i] = (omen_part_field){f->dimensions, (uint32_t)f->metric, (uint32_t)f->element};
        c->schema.vector_count = i + 1;
    }
    for (uint32_t i = 0; i < s->text_count; i++) {
        OMEN_TRY(field_name(c, s->texts[i], "a text field's name", &c->texts[i], err));
        c->schema.text_count = i + 1;
    }
    return OMEN_OK;
}

omen_status omen_schema_copy_init(omen_schema_copy *c, omen_mem *m, const omen_schema *s, omen_error *err) {
    memset(c, 0, sizeof *c);
    omen_arena_init(&c->names, m, 256);
    c->schema.struct_size = sizeof c->schema;
    c->schema.vectors = c->vectors;
    c->schema.texts = c->texts;
    omen_status st = copy_fields(c, s, err);
    if (st != OMEN_OK) omen_schema_copy_deinit(c);
    return st;
}

void omen_schema_copy_deinit(omen_schema_copy *c) { omen_arena_deinit(&c->names); }

omen_status omen_schema_match(const omen_schema *have, const omen_schema *wanted, omen_str collection, omen_error *err) {
    int n = (int)collection.len;
    if (have->vector_count != wanted->vector_count)
        return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has %u vector fields, not %u; open it without a schema, or drop it first", n,
                         collection.data, have->vector_count, wanted->vector_count);
    for (uint32_t i = 0; i < have->vector_count; i++) {
        const omen_vector_field *h = &have->vectors[i], *w = &wanted->vectors[i];
        omen_str name = w->name.len == 0 ? OMEN_STR("vector") : w->name;
        if (!omen_str_equal(h->name, name) || h->dimensions != w->dimensions || h->metric != w->metric)
            return omen_fail(err, OMEN_ERR_SCHEMA,
                             "collection \"%.*s\" has vector field \"%.*s\" with %u dimensions and metric %s, not \"%.*s\" with %u and %s; open it "
                             "with its own schema, or drop it first",
                             n, collection.data, (int)h->name.len, h->name.data, h->dimensions, omen_metric_name(h->metric), (int)name.len,
                             name.data, w->dimensions, omen_metric_name(w->metric));
    }
    bool same = have->text_count == wanted->text_count;
    for (uint32_t i = 0; same && i < have->text_count; i++) same = omen_str_equal(have->texts[i], wanted->texts[i]);
    if (!same) return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has other text fields; open it with its own schema, or drop it first", n, collection.data);
    return OMEN_OK;
}

static omen_status encode_name(omen_buf *out, omen_str name) {
    OMEN_TRY(omen_buf_append_u32(out, (uint32_t)name.len));
    return omen_buf_append(out, name.data, name.len);
}

omen_status omen_schema_encode(const omen_schema *s, omen_buf *out) {
    OMEN_TRY(omen_buf_append_u32(out, s->vector_count));
    OMEN_TRY(omen_buf_append_u32(out, s->text_count));
    for (uint32_t i = 0; i < s->vector_count; i++) {
        OMEN_TRY(omen_buf_append_u32(out, s->vectors[i].dimensions));
        OMEN_TRY(omen_buf_append_u32(out, (uint32_t)s->vectors[i].metric));
        OMEN_TRY(encode_name(out, s->vectors[i].name));
    }
    for (uint32_t i = 0; i < s->text_count; i++) OMEN_TRY(encode_name(out, s->texts[i]));
    return omen_buf_align(out, 8);
}

typedef struct cursor {
    const uint8_t *data;
    size_t len, at;
} cursor;

static bool take_u32(cursor *c, uint32_t *out) {
    if (c->len - c->at < 4) return false;
    *out = omen_get32(c->data + c->at);
    c->at += 4;
    return true;
}

static bool take_name(cursor *c, omen_str *out) {
    uint32_t n;
    if (!take_u32(c, &n) || n > OMEN_MAX_NAME || c->len - c->at < n) return false;
    *out = (omen_str){(const char *)c->data + c->at, n};
    c->at += n;
    return true;
}

static bool take_schema(cursor *c, omen_schema *s, omen_vector_field *vectors, omen_str *texts) {
    if (!take_u32(c, &s->vector_count) || !take_u32(c, &s->text_count)) return false;
    if (s->vector_count > OMEN_MAX_VECTOR_FIELDS || s->text_count > OMEN_MAX_TEXT_FIELDS) return false;
    for (uint32_t i = 0; i < s->vector_count; i++) {
        uint32_t metric;
        if (!take_u32(c, &vectors[i].dimensions) || !take_u32(c, &metric) || !take_name(c, &vectors[i].name)) return false;
        vectors[i].metric = (omen_metric)metric;
    }
    for (uint32_t i = 0; i < s->text_count; i++)
        if (!take_name(c, &texts[i])) return false;
    size_t padded = (size_t)omen_round_up(c->at, 8);
    if (padded > c->len) return false;
    c->at = padded;
    return true;
}

omen_status omen_schema_decode(omen_schema_copy *c, omen_mem *m, const uint8_t *data, size_t len, size_t *used, omen_error *err) {
    omen_vector_field vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_str texts[OMEN_MAX_TEXT_FIELDS];
    omen_schema s = {.struct_size = sizeof s, .vectors = vectors, .texts = texts};
    cursor cur = {data, len, 0};
    if (!take_schema(&cur, &s, vectors, texts)) return omen_fail(err, OMEN_ERR_CORRUPT, "a collection's schema is malformed");
    omen_error detail = {0};
    omen_status st = omen_schema_copy_init(c, m, &s, &detail);
    if (st == OMEN_ERR_MEMORY) return omen_fail(err, st, "%s", detail.text);
    if (st != OMEN_OK) return omen_fail(err, OMEN_ERR_CORRUPT, "a collection's schema is malformed: %s", detail.text);
    *used = cur.at;
    return OMEN_OK;
}

omen_status omen_schema_field(const omen_schema *s, omen_str name, uint32_t *out, omen_error *err) {
    if (s->vector_count == 0) return omen_fail(err, OMEN_ERR_INVALID, "the collection has no vector field");
    if (name.len == 0 && s->vector_count == 1) {
        *out = 0;
        return OMEN_OK;
    }
    omen_str wanted = name.len == 0 ? OMEN_STR("vector") : name;
    for (uint32_t i = 0; i < s->vector_count; i++) {
        if (omen_str_equal(s->vectors[i].name, wanted)) {
            *out = i;
            return OMEN_OK;
        }
    }
    return omen_fail(err, OMEN_ERR_INVALID, "the collection has no vector field \"%.*s\"; its first is \"%.*s\"", (int)wanted.len, wanted.data,
                     (int)s->vectors[0].name.len, s->vectors[0].name.data);
}

void omen_schema_write_json(const omen_schema *s, omen_jw *w) {
    omen_jw_object(w);
    omen_jw_key(w, "vectors");
    omen_jw_array(w);
    for (uint32_t i = 0; i < s->vector_count; i++) {
        omen_jw_object(w);
        omen_jw_key(w, "name");
        omen_jw_str(w, s->vectors[i].name);
        omen_jw_key(w, "dimensions");
        omen_jw_u64(w, s->vectors[i].dimensions);
        omen_jw_key(w, "metric");
        omen_jw_cstr(w, omen_metric_name(s->vectors[i].metric));
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_jw_key(w, "text");
    omen_jw_array(w);
    for (uint32_t i = 0; i < s->text_count; i++) omen_jw_str(w, s->texts[i]);
    omen_jw_array_end(w);
    omen_jw_object_end(w);
}
