#include "db/schema.h"

#include "column/multi.h"

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

/* The number whose name this is, from `first` on; -1: none. */
static int parse(omen_str name, const char *(*name_of)(int), int first, int last) {
    for (int i = first; i <= last; i++) {
        const char *n = name_of(i);
        if (omen_str_equal(name, (omen_str){n, strlen(n)})) return i;
    }
    return -1;
}

static const char *metric_name(int m) { return omen_metric_name((omen_metric)m); }
static const char *element_name(int e) { return omen_element_name((omen_element)e); }
static const char *kind_name(int k) { return omen_index_kind_name((omen_index_kind)k); }
static const char *codec_name(int c) { return omen_codec_name((omen_codec)c); }

bool omen_metric_parse(omen_str name, omen_metric *out) {
    int i = parse(name, metric_name, OMEN_METRIC_L2, OMEN_METRIC_HAMMING);
    if (i >= 0) *out = (omen_metric)i;
    return i >= 0;
}

const char *omen_element_name(omen_element e) {
    static const char *const names[] = {"f32", "f16", "i8", "bit"};
    return (unsigned)e < OMEN_ARRAY_LEN(names) ? names[e] : "unknown";
}

bool omen_element_parse(omen_str name, omen_element *out) {
    int i = parse(name, element_name, OMEN_ELEMENT_F32, OMEN_ELEMENT_BIT);
    if (i >= 0) *out = (omen_element)i;
    return i >= 0;
}

const char *omen_index_kind_name(omen_index_kind k) {
    static const char *const names[] = {"auto", "flat", "hnsw", "ivf", "disk"};
    return (unsigned)k < OMEN_ARRAY_LEN(names) ? names[k] : "unknown";
}

bool omen_index_kind_parse(omen_str name, omen_index_kind *out) {
    int i = parse(name, kind_name, OMEN_INDEX_AUTO, OMEN_INDEX_DISK);
    if (i >= 0) *out = (omen_index_kind)i;
    return i >= 0;
}

const char *omen_codec_name(omen_codec c) {
    static const char *const names[] = {"auto", "sq8", "rabitq", "pq"};
    return (unsigned)c < OMEN_ARRAY_LEN(names) ? names[c] : "unknown";
}

bool omen_codec_parse(omen_str name, omen_codec *out) {
    int i = parse(name, codec_name, OMEN_CODEC_AUTO, OMEN_CODEC_PQ);
    if (i >= 0) *out = (omen_codec)i;
    return i >= 0;
}

omen_status omen_index_options_check(const omen_index_options *o, omen_str field, omen_error *err) {
    int n = (int)field.len;
    const char *f = field.data;
    if ((unsigned)o->kind > OMEN_INDEX_DISK) return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has an unknown kind of index; use auto, flat, hnsw, ivf or disk", n, f);
    if ((unsigned)o->codec > OMEN_CODEC_PQ) return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has an unknown codec; use sq8, rabitq or pq", n, f);
    if (o->m != 0 && (o->m < 4 || o->m > 128)) return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has m %u; use 4 to 128", n, f, o->m);
    if (o->ef_construction != 0 && (o->ef_construction < 8 || o->ef_construction > 2000))
        return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has ef_construction %u; use 8 to 2000", n, f, o->ef_construction);
    if (o->lists > 65536) return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has %u lists; use 1 to 65536", n, f, o->lists);
    if (o->bits > 8) return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has %u bits; use 1 to 8", n, f, o->bits);
    bool graph = o->kind == OMEN_INDEX_HNSW || o->kind == OMEN_INDEX_DISK;
    if ((o->m != 0 || o->ef_construction != 0) && !graph)
        return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has m or ef_construction, which are of graphs; name the kind hnsw or disk with them", n, f);
    if ((o->codec != OMEN_CODEC_AUTO || o->lists != 0) && o->kind != OMEN_INDEX_IVF)
        return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has a codec or lists, which are of ivf; name that kind with them", n, f);
    if (o->bits != 0 && o->codec != OMEN_CODEC_RABITQ)
        return omen_fail(err, OMEN_ERR_INVALID, "the index of vector field \"%.*s\" has bits, which are of the codec rabitq; name it with them", n, f);
    return OMEN_OK;
}

static omen_status field_name(omen_schema_copy *c, omen_str name, const char *what, omen_str *out, omen_error *err) {
    OMEN_TRY(omen_name_check(name, what, err));
    if (omen_str_equal(name, OMEN_STR("id"))) return omen_fail(err, OMEN_ERR_NAME, "%s \"id\" is reserved: it is the record's id", what);
    for (uint32_t i = 0; i < c->schema.vector_count; i++)
        if (omen_str_equal(c->vectors[i].name, name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    for (uint32_t i = 0; i < c->schema.text_count; i++)
        if (omen_str_equal(c->texts[i].name, name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    for (uint32_t i = 0; i < c->schema.sparse_count; i++)
        if (omen_str_equal(c->sparse[i], name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    for (uint32_t i = 0; i < c->schema.multi_count; i++)
        if (omen_str_equal(c->multis[i].name, name)) return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" is named twice", (int)name.len, name.data);
    char *copy = omen_arena_copy(&c->names, name.data, name.len);
    if (copy == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    *out = (omen_str){copy, name.len};
    return OMEN_OK;
}

/* Members are reached by names between dots, none of which is empty. */
static omen_status path_check(omen_str name, omen_error *err) {
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '.' && (i + 1 == name.len || name.data[i + 1] == '.'))
            return omen_fail(err, OMEN_ERR_NAME, "field \"%.*s\" has an empty name between or behind dots; write it as \"a.b\"", (int)name.len, name.data);
    return OMEN_OK;
}

static omen_status copy_text(omen_schema_copy *c, const omen_text_field *f, omen_text_field *to, omen_error *err) {
    omen_str code = OMEN_STR("none");
    if (!omen_str_equal(f->language, code)) {
        omen_str given = f->language.len == 0 ? OMEN_STR("en") : f->language;
        const omen_language *l = omen_language_find(given.data, given.len);
        if (l == NULL)
            return omen_fail(err, OMEN_ERR_INVALID, "text field \"%.*s\" has an unknown language \"%.*s\"; use a code such as en or de, or none", (int)f->name.len, f->name.data,
                             (int)OMEN_MIN(given.len, 40), given.data);
        code.data = omen_language_code(l);
        code.len = strlen(code.data);
    }
    if (!(f->weight >= 0.0f && f->weight <= 1e6f))
        return omen_fail(err, OMEN_ERR_INVALID, "text field \"%.*s\" has an impossible weight; use a number above 0, at most 1000000", (int)f->name.len, f->name.data);
    if ((f->flags & ~(OMEN_TEXT_KEEP_STOP | OMEN_TEXT_KEEP_ACCENTS)) != 0)
        return omen_fail(err, OMEN_ERR_INVALID, "text field \"%.*s\" has unknown flags; begin with zeros", (int)f->name.len, f->name.data);
    *to = (omen_text_field){.language = code, .weight = f->weight == 0.0f ? 1.0f : f->weight, .flags = f->flags};
    OMEN_TRY(field_name(c, f->name, "a text field's name", &to->name, err));
    return path_check(f->name, err);
}

static omen_status copy_multi(omen_schema_copy *c, const omen_multi_field *f, uint32_t i, omen_error *err) {
    int n = (int)OMEN_MIN(f->name.len, OMEN_MAX_NAME);
    omen_metric metric = f->metric == 0 ? OMEN_METRIC_COSINE : f->metric;
    if (f->dimensions == 0 || f->dimensions > OMEN_MAX_DIMENSIONS)
        return omen_fail(err, OMEN_ERR_INVALID, "multi field \"%.*s\" has %u dimensions; 1 to %u are allowed", n, f->name.data, f->dimensions, OMEN_MAX_DIMENSIONS);
    if (metric != OMEN_METRIC_COSINE && metric != OMEN_METRIC_IP)
        return omen_fail(err, OMEN_ERR_INVALID, "multi field \"%.*s\" must have the metric cosine or ip: its records are compared by sums of similarities", n, f->name.data);
    if (f->element != OMEN_ELEMENT_F32 && f->element != OMEN_ELEMENT_F16)
        return omen_fail(err, OMEN_ERR_INVALID, "multi field \"%.*s\" must have elements of type f32 or f16", n, f->name.data);
    c->multis[i] = (omen_multi_field){.dimensions = f->dimensions, .metric = metric, .element = f->element};
    c->multi_fields[i] = (omen_part_field){f->dimensions, (uint32_t)metric, (uint32_t)f->element};
    OMEN_TRY(field_name(c, f->name, "a multi field's name", &c->multis[i].name, err));
    c->schema.multi_count = i + 1;
    return path_check(f->name, err);
}

static omen_status copy_fields(omen_schema_copy *c, const omen_schema *s, omen_error *err) {
    if (s->vector_count > OMEN_MAX_VECTOR_FIELDS)
        return omen_fail(err, OMEN_ERR_INVALID, "%u vector fields; at most %u are allowed", s->vector_count, OMEN_MAX_VECTOR_FIELDS);
    if (s->text_count > OMEN_MAX_TEXT_FIELDS || s->sparse_count > OMEN_MAX_TEXT_FIELDS - s->text_count)
        return omen_fail(err, OMEN_ERR_INVALID, "%u text and %u sparse fields; together at most %u are allowed", s->text_count, s->sparse_count, OMEN_MAX_TEXT_FIELDS);
    for (uint32_t i = 0; i < s->vector_count; i++) {
        const omen_vector_field *f = &s->vectors[i];
        omen_str name = f->name.len == 0 ? OMEN_STR("vector") : f->name;
        OMEN_TRY(field_name(c, name, "a vector field's name", &c->vectors[i].name, err));
        if (f->dimensions == 0 || f->dimensions > OMEN_MAX_DIMENSIONS)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has %u dimensions; 1 to %u are allowed", (int)name.len, name.data,
                             f->dimensions, OMEN_MAX_DIMENSIONS);
        if (f->metric < OMEN_METRIC_L2 || f->metric > OMEN_METRIC_HAMMING)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has an unknown metric; use l2, ip, cosine or hamming", (int)name.len, name.data);
        if ((unsigned)f->element > OMEN_ELEMENT_BIT)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has an unknown type of elements; use f32, f16, i8 or bit", (int)name.len, name.data);
        if ((f->metric == OMEN_METRIC_HAMMING) != (f->element == OMEN_ELEMENT_BIT))
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\": bits are compared by hamming, and hamming compares bits; name both or neither", (int)name.len, name.data);
        if (f->element == OMEN_ELEMENT_BIT && f->dimensions % 8 != 0)
            return omen_fail(err, OMEN_ERR_INVALID, "vector field \"%.*s\" has %u dimensions; bits come in bytes: use a multiple of 8", (int)name.len, name.data, f->dimensions);
        OMEN_TRY(omen_index_options_check(&f->index, name, err));
        c->vectors[i].dimensions = f->dimensions;
        c->vectors[i].metric = f->metric;
        c->vectors[i].element = f->element;
        c->vectors[i].index = f->index;
        c->fields[i] = (omen_part_field){f->dimensions, (uint32_t)f->metric, (uint32_t)f->element};
        c->schema.vector_count = i + 1;
    }
    for (uint32_t i = 0; i < s->text_count; i++) {
        OMEN_TRY(copy_text(c, &s->texts[i], &c->texts[i], err));
        c->schema.text_count = i + 1;
    }
    for (uint32_t i = 0; i < s->sparse_count; i++) {
        OMEN_TRY(field_name(c, s->sparse[i], "a sparse field's name", &c->sparse[i], err));
        OMEN_TRY(path_check(s->sparse[i], err));
        c->schema.sparse_count = i + 1;
    }
    if (s->multi_count > OMEN_MAX_MULTI_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "%u multi fields; at most %u are allowed", s->multi_count, OMEN_MAX_MULTI_FIELDS);
    for (uint32_t i = 0; i < s->multi_count; i++) OMEN_TRY(copy_multi(c, &s->multis[i], i, err));
    return OMEN_OK;
}

/* What indexing needs to know of the text and sparse fields. */
static omen_status describe_text(omen_schema_copy *c, omen_mem *m, omen_error *err) {
    omen_text_description of[OMEN_MAX_TEXT_FIELDS] = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->schema.text_count; i++) {
        const omen_text_field *f = &c->texts[i];
        const omen_language *l = omen_language_find(f->language.data, f->language.len); /* NULL: "none" */
        of[n++] = (omen_text_description){.path = f->name, .weight = f->weight,
                                          .analyzer = {.language = l, .no_stem = l == NULL, .stop_words = l != NULL && (f->flags & OMEN_TEXT_KEEP_STOP) == 0,
                                                       .keep_accents = (f->flags & OMEN_TEXT_KEEP_ACCENTS) != 0}};
    }
    for (uint32_t i = 0; i < c->schema.sparse_count; i++) of[n++] = (omen_text_description){.path = c->sparse[i], .weight = 1.0f, .sparse = true};
    if (n == 0) return OMEN_OK;
    c->text = omen_text_fields_new(m, of, n);
    return c->text != NULL ? OMEN_OK : omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
}

/* A path is told apart from no path by its length alone. */
static omen_status copy_ttl(omen_schema_copy *c, omen_str path, omen_error *err) {
    if (path.len == 0) return OMEN_OK;
    OMEN_TRY(omen_name_check(path, "the path of the time to live", err));
    OMEN_TRY(path_check(path, err));
    char *copy = omen_arena_copy(&c->names, path.data, path.len);
    if (copy == NULL) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory");
    c->schema.ttl = (omen_str){copy, path.len};
    return OMEN_OK;
}

omen_status omen_schema_copy_init(omen_schema_copy *c, omen_mem *m, const omen_schema *s, omen_error *err) {
    memset(c, 0, sizeof *c);
    omen_arena_init(&c->names, m, 256);
    c->schema.struct_size = sizeof c->schema;
    c->schema.vectors = c->vectors;
    c->schema.texts = c->texts;
    c->schema.sparse = c->sparse;
    c->schema.multis = c->multis;
    omen_status st = copy_fields(c, s, err);
    if (st == OMEN_OK) st = copy_ttl(c, s->ttl, err);
    if (st == OMEN_OK) st = describe_text(c, m, err);
    if (st != OMEN_OK) omen_schema_copy_deinit(c);
    return st;
}

void omen_schema_copy_deinit(omen_schema_copy *c) {
    omen_text_fields_unref(c->text);
    omen_arena_deinit(&c->names);
}

omen_status omen_schema_match(const omen_schema *have, const omen_schema *wanted, omen_str collection, omen_error *err) {
    int n = (int)collection.len;
    if (have->vector_count != wanted->vector_count)
        return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has %u vector fields, not %u; open it without a schema, or drop it first", n,
                         collection.data, have->vector_count, wanted->vector_count);
    for (uint32_t i = 0; i < have->vector_count; i++) {
        const omen_vector_field *h = &have->vectors[i], *w = &wanted->vectors[i];
        omen_str name = w->name.len == 0 ? OMEN_STR("vector") : w->name;
        if (!omen_str_equal(h->name, name) || h->dimensions != w->dimensions || h->metric != w->metric || h->element != w->element)
            return omen_fail(err, OMEN_ERR_SCHEMA,
                             "collection \"%.*s\" has vector field \"%.*s\" with %u dimensions of %s and metric %s, not \"%.*s\" with %u of %s and %s; open it "
                             "with its own schema, or drop it first",
                             n, collection.data, (int)h->name.len, h->name.data, h->dimensions, omen_element_name(h->element), omen_metric_name(h->metric),
                             (int)name.len, name.data, w->dimensions, omen_element_name(w->element), omen_metric_name(w->metric));
    }
    bool same = have->text_count == wanted->text_count && have->sparse_count == wanted->sparse_count;
    for (uint32_t i = 0; same && i < have->text_count; i++) {
        const omen_text_field *h = &have->texts[i], *w = &wanted->texts[i];
        same = omen_str_equal(h->name, w->name);
        if (same && (!omen_str_equal(h->language, w->language) || h->flags != w->flags))
            return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has text field \"%.*s\" with language %.*s, stop words %s, accents %s; open it with its own schema, or drop it first", n,
                             collection.data, (int)h->name.len, h->name.data, (int)h->language.len, h->language.data, (h->flags & OMEN_TEXT_KEEP_STOP) != 0 ? "kept" : "dropped",
                             (h->flags & OMEN_TEXT_KEEP_ACCENTS) != 0 ? "kept" : "folded");
    }
    for (uint32_t i = 0; same && i < have->sparse_count; i++) same = omen_str_equal(have->sparse[i], wanted->sparse[i]);
    bool multi = have->multi_count == wanted->multi_count;
    for (uint32_t i = 0; multi && i < have->multi_count; i++) {
        const omen_multi_field *h = &have->multis[i], *w = &wanted->multis[i];
        omen_metric metric = w->metric == 0 ? OMEN_METRIC_COSINE : w->metric;
        multi = omen_str_equal(h->name, w->name) && h->dimensions == w->dimensions && h->metric == metric && h->element == w->element;
    }
    if (!multi) return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has other multi fields; open it with its own schema, or drop it first", n, collection.data);
    if (!omen_str_equal(have->ttl, wanted->ttl))
        return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has %s%.*s; open it with its own schema, or drop it first", n, collection.data, have->ttl.len == 0 ? "no time to live" : "its time to live at ", (int)have->ttl.len, have->ttl.data);
    if (!same) return omen_fail(err, OMEN_ERR_SCHEMA, "collection \"%.*s\" has other text or sparse fields; open it with its own schema, or drop it first", n, collection.data);
    return OMEN_OK;
}

static omen_status encode_name(omen_buf *out, omen_str name) {
    OMEN_TRY(omen_buf_append_u32(out, (uint32_t)name.len));
    return omen_buf_append(out, name.data, name.len);
}

omen_status omen_schema_encode(const omen_schema *s, omen_buf *out) {
    OMEN_TRY(omen_buf_append_u32(out, s->vector_count));
    OMEN_TRY(omen_buf_append_u32(out, s->text_count));
    OMEN_TRY(omen_buf_append_u32(out, s->sparse_count | s->multi_count << 16));
    for (uint32_t i = 0; i < s->vector_count; i++) {
        OMEN_TRY(omen_buf_append_u32(out, s->vectors[i].dimensions));
        OMEN_TRY(omen_buf_append_u32(out, (uint32_t)s->vectors[i].metric));
        const omen_index_options *x = &s->vectors[i].index;
        const uint32_t rest[] = {(uint32_t)s->vectors[i].element, (uint32_t)x->kind, (uint32_t)x->codec, x->m, x->ef_construction, x->lists, x->bits};
        for (size_t r = 0; r < OMEN_ARRAY_LEN(rest); r++) OMEN_TRY(omen_buf_append_u32(out, rest[r]));
        OMEN_TRY(encode_name(out, s->vectors[i].name));
    }
    for (uint32_t i = 0; i < s->text_count; i++) {
        const omen_text_field *f = &s->texts[i];
        uint32_t weight;
        memcpy(&weight, &f->weight, sizeof weight);
        OMEN_TRY(omen_buf_append_u32(out, f->flags));
        OMEN_TRY(omen_buf_append_u32(out, weight));
        OMEN_TRY(encode_name(out, f->name));
        OMEN_TRY(encode_name(out, f->language));
    }
    for (uint32_t i = 0; i < s->sparse_count; i++) OMEN_TRY(encode_name(out, s->sparse[i]));
    for (uint32_t i = 0; i < s->multi_count; i++) {
        const omen_multi_field *f = &s->multis[i];
        OMEN_TRY(omen_buf_append_u32(out, f->dimensions));
        OMEN_TRY(omen_buf_append_u32(out, (uint32_t)f->metric));
        OMEN_TRY(omen_buf_append_u32(out, (uint32_t)f->element));
        OMEN_TRY(encode_name(out, f->name));
    }
    OMEN_TRY(encode_name(out, s->ttl));
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

static bool take_text(cursor *c, omen_text_field *f) {
    uint32_t flags, weight;
    if (!take_u32(c, &flags) || !take_u32(c, &weight) || flags > UINT8_MAX || !take_name(c, &f->name) || !take_name(c, &f->language)) return false;
    f->flags = (uint8_t)flags;
    memcpy(&f->weight, &weight, sizeof weight);
    return f->language.len != 0 && f->weight > 0.0f;
}

static bool take_multi(cursor *c, omen_multi_field *f) {
    uint32_t metric, element;
    *f = (omen_multi_field){.dimensions = 0};
    if (!take_u32(c, &f->dimensions) || !take_u32(c, &metric) || !take_u32(c, &element) || metric == 0 || !take_name(c, &f->name)) return false;
    f->metric = (omen_metric)metric;
    f->element = (omen_element)element;
    return true;
}

static bool take_schema(cursor *c, omen_schema *s, omen_vector_field *vectors, omen_text_field *texts, omen_str *sparse, omen_multi_field *multis) {
    if (!take_u32(c, &s->vector_count) || !take_u32(c, &s->text_count) || !take_u32(c, &s->sparse_count)) return false;
    s->multi_count = s->sparse_count >> 16; /* where schemas had none of these the upper half was 0 */
    s->sparse_count &= 0xFFFF;
    if (s->multi_count > OMEN_MAX_MULTI_FIELDS) return false;
    if (s->vector_count > OMEN_MAX_VECTOR_FIELDS || s->text_count > OMEN_MAX_TEXT_FIELDS || s->sparse_count > OMEN_MAX_TEXT_FIELDS) return false;
    for (uint32_t i = 0; i < s->vector_count; i++) {
        uint32_t n[8];
        if (!take_u32(c, &vectors[i].dimensions)) return false;
        for (size_t r = 0; r < OMEN_ARRAY_LEN(n); r++)
            if (!take_u32(c, &n[r])) return false;
        if (!take_name(c, &vectors[i].name)) return false;
        vectors[i].metric = (omen_metric)n[0];
        vectors[i].element = (omen_element)n[1];
        vectors[i].index = (omen_index_options){(omen_index_kind)n[2], (omen_codec)n[3], n[4], n[5], n[6], n[7]};
    }
    for (uint32_t i = 0; i < s->text_count; i++)
        if (!take_text(c, &texts[i])) return false;
    for (uint32_t i = 0; i < s->sparse_count; i++)
        if (!take_name(c, &sparse[i])) return false;
    for (uint32_t i = 0; i < s->multi_count; i++)
        if (!take_multi(c, &multis[i])) return false;
    if (!take_name(c, &s->ttl)) return false;
    size_t padded = (size_t)omen_round_up(c->at, 8);
    if (padded > c->len) return false;
    c->at = padded;
    return true;
}

omen_status omen_schema_decode(omen_schema_copy *c, omen_mem *m, const uint8_t *data, size_t len, size_t *used, omen_error *err) {
    omen_vector_field vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_text_field texts[OMEN_MAX_TEXT_FIELDS] = {0};
    omen_str sparse[OMEN_MAX_TEXT_FIELDS];
    omen_multi_field multis[OMEN_MAX_MULTI_FIELDS];
    omen_schema s = {.struct_size = sizeof s, .vectors = vectors, .texts = texts, .sparse = sparse, .multis = multis};
    cursor cur = {data, len, 0};
    if (!take_schema(&cur, &s, vectors, texts, sparse, multis)) return omen_fail(err, OMEN_ERR_CORRUPT, "a collection's schema is malformed");
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

omen_status omen_schema_multi(const omen_schema *s, omen_str name, uint32_t *out, omen_error *err) {
    if (s->multi_count == 0)
        return omen_fail(err, OMEN_ERR_INVALID, "the collection has no multi field; name it when the collection is created: {\"multi\": [{\"name\": \"tokens\", \"dimensions\": 128}]}");
    for (uint32_t i = 0; i < s->multi_count; i++) {
        if (!omen_str_equal(s->multis[i].name, name) && (name.len != 0 || s->multi_count != 1)) continue;
        *out = i;
        return OMEN_OK;
    }
    return omen_fail(err, OMEN_ERR_INVALID, "the collection has no multi field \"%.*s\"; its first is \"%.*s\"", (int)OMEN_MIN(name.len, 60), name.data, (int)s->multis[0].name.len,
                     s->multis[0].name.data);
}

omen_status omen_schema_open_part(const omen_schema_copy *s, omen_store *st, const omen_segment_info *info, omen_part **out, omen_error *err) {
    OMEN_TRY(omen_part_open(st, info, s->fields, s->schema.vector_count, out, err));
    omen_status status = omen_part_multi_open(*out, s->multi_fields, s->schema.multi_count, err);
    if (status == OMEN_OK && s->text != NULL) status = omen_later(err);
    if (status == OMEN_OK && s->text != NULL) status = omen_part_text_open(*out, s->text->count, err);
    if (status == OMEN_OK || status == OMEN_PENDING) return status;
    omen_part_unref(*out);
    *out = NULL;
    return status;
}

static void write_index(const omen_index_options *o, omen_jw *w) {
    const struct { const char *name; uint32_t value; } numbers[] = {{"m", o->m}, {"efConstruction", o->ef_construction}, {"lists", o->lists}, {"bits", o->bits}};
    omen_jw_object(w);
    omen_jw_key(w, "kind");
    omen_jw_cstr(w, omen_index_kind_name(o->kind));
    if (o->codec != OMEN_CODEC_AUTO) {
        omen_jw_key(w, "codec");
        omen_jw_cstr(w, omen_codec_name(o->codec));
    }
    for (size_t i = 0; i < OMEN_ARRAY_LEN(numbers); i++) {
        if (numbers[i].value == 0) continue;
        omen_jw_key(w, numbers[i].name);
        omen_jw_u64(w, numbers[i].value);
    }
    omen_jw_object_end(w);
}

/* As users give it: what is by default is left out. */
static void write_text(const omen_text_field *f, omen_jw *w) {
    bool english = omen_str_equal(f->language, OMEN_STR("en"));
    if (english && f->flags == 0 && f->weight == 1.0f) {
        omen_jw_str(w, f->name);
        return;
    }
    omen_jw_object(w);
    omen_jw_key(w, "name");
    omen_jw_str(w, f->name);
    omen_jw_key(w, "language");
    omen_jw_str(w, f->language);
    omen_jw_key(w, "weight");
    omen_jw_f64(w, (double)f->weight);
    omen_jw_key(w, "stopWords");
    omen_jw_cstr(w, (f->flags & OMEN_TEXT_KEEP_STOP) != 0 ? "keep" : "drop");
    omen_jw_key(w, "accents");
    omen_jw_cstr(w, (f->flags & OMEN_TEXT_KEEP_ACCENTS) != 0 ? "keep" : "fold");
    omen_jw_object_end(w);
}

static void write_multi(const omen_multi_field *f, omen_jw *w) {
    omen_jw_object(w);
    omen_jw_key(w, "name");
    omen_jw_str(w, f->name);
    omen_jw_key(w, "dimensions");
    omen_jw_u64(w, f->dimensions);
    omen_jw_key(w, "metric");
    omen_jw_cstr(w, omen_metric_name(f->metric));
    omen_jw_key(w, "element");
    omen_jw_cstr(w, omen_element_name(f->element));
    omen_jw_object_end(w);
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
        omen_jw_key(w, "element");
        omen_jw_cstr(w, omen_element_name(s->vectors[i].element));
        omen_jw_key(w, "index");
        write_index(&s->vectors[i].index, w);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_jw_key(w, "text");
    omen_jw_array(w);
    for (uint32_t i = 0; i < s->text_count; i++) write_text(&s->texts[i], w);
    omen_jw_array_end(w);
    if (s->ttl.len != 0) {
        omen_jw_key(w, "ttl");
        omen_jw_str(w, s->ttl);
    }
    if (s->sparse_count != 0) {
        omen_jw_key(w, "sparse");
        omen_jw_array(w);
        for (uint32_t i = 0; i < s->sparse_count; i++) omen_jw_str(w, s->sparse[i]);
        omen_jw_array_end(w);
    }
    if (s->multi_count != 0) {
        omen_jw_key(w, "multi");
        omen_jw_array(w);
        for (uint32_t i = 0; i < s->multi_count; i++) write_multi(&s->multis[i], w);
        omen_jw_array_end(w);
    }
    omen_jw_object_end(w);
}
