/* arguments.c - the arguments of requests that are objects of their own: options, schemas, indexes, the effort of a search. Names and types are judged here;
 * ranges are judged by the core, which also names them, except where a number must be cut to fit its type. */
#include "api/arguments.h"

/* ---- options of open ---- */

typedef struct option_names { const char *json, *name; } option_names;

static omen_status set_option(omen_options *o, const option_names *n, const omen_json_val *v, omen_error *err) {
    char digits[24];
    omen_str text;
    uint64_t number;
    bool flag;
    if (omen_json_u64(v, &number)) text = (omen_str){digits, omen_format(digits, sizeof digits, "%llu", (unsigned long long)number)};
    else if (omen_json_bool(v, &flag)) text = flag ? OMEN_STR("true") : OMEN_STR("false");
    else if (!omen_json_str(v, &text)) return omen_fail(err, OMEN_ERR_INVALID, "option %s must be a string, a number or a boolean", n->json);
    if (omen_options_set(o, (omen_str){n->name, strlen(n->name)}, text) == OMEN_OK) return OMEN_OK;
    return omen_fail(err, OMEN_ERR_INVALID, "option %s does not take the value \"%.*s\"", n->json, (int)OMEN_MIN(text.len, 60), text.data);
}

static bool hex_digit(char c, uint8_t *out) {
    if (c >= '0' && c <= '9') *out = (uint8_t)(c - '0');
    else if (c >= 'a' && c <= 'f') *out = (uint8_t)(c - 'a' + 10);
    else return false;
    return true;
}

static omen_status read_database_id(omen_str text, uint8_t id[16], omen_error *err) {
    bool good = text.len == 32;
    for (size_t i = 0; good && i < 16; i++) {
        uint8_t high = 0, low = 0;
        good = hex_digit(text.data[2 * i], &high) && hex_digit(text.data[2 * i + 1], &low);
        id[i] = (uint8_t)(high << 4 | low);
    }
    return good ? OMEN_OK : omen_fail(err, OMEN_ERR_INVALID, "databaseId must be 32 lower-case hex digits");
}

typedef struct option_reader { omen_options *options; uint8_t *id; omen_error *err; } option_reader;

static omen_status read_option(void *arg, omen_str key, const omen_json_val *v) {
    static const option_names names[] = {{"profile", "profile"},           {"durability", "durability"},
                                         {"create", "create"},             {"readOnly", "read_only"},
                                         {"manualMaintenance", "manual_maintenance"}, {"poolBytes", "pool_bytes"},
                                         {"memtableBytes", "memtable_bytes"}, {"memoryBytes", "memory_bytes"},
                                         {"indexBytes", "index_bytes"}};
    option_reader *r = arg;
    if (omen_json_is_null(v)) return OMEN_OK;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(names); i++)
        if (omen_str_equal(key, (omen_str){names[i].json, strlen(names[i].json)})) return set_option(r->options, &names[i], v, r->err);
    omen_str text;
    if (omen_str_equal(key, OMEN_STR("databaseId")) && omen_json_str(v, &text)) {
        OMEN_TRY(read_database_id(text, r->id, r->err));
        r->options->database_id = r->id;
        return OMEN_OK;
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "unknown option \"%.*s\"", (int)OMEN_MIN(key.len, 60), key.data);
}

omen_status omen_args_options(const omen_json_val *v, omen_options *out, uint8_t id[16], omen_error *err) {
    option_reader reader = {out, id, err};
    if (v == NULL) return OMEN_OK;
    if (!omen_json_is_object(v)) return omen_fail(err, OMEN_ERR_INVALID, "options must be an object");
    return omen_json_each(v, read_option, &reader);
}

/* ---- indexes ---- */

typedef struct index_reader { omen_index_options *options; omen_error *err; } index_reader;

static omen_status read_index_option(void *arg, omen_str key, const omen_json_val *v) {
    index_reader *r = arg;
    omen_index_options *o = r->options;
    const struct { const char *name; uint32_t *to; uint32_t from, most; } numbers[] = {
        {"m", &o->m, 4, 128}, {"efConstruction", &o->ef_construction, 8, 2000}, {"lists", &o->lists, 1, 65536}, {"bits", &o->bits, 1, 8}};
    omen_str text = {"", 0};
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("kind"))) {
        if (omen_json_str(v, &text) && omen_index_kind_parse(text, &o->kind)) return OMEN_OK;
        return omen_fail(r->err, OMEN_ERR_INVALID, "an index's kind \"%.*s\" is unknown; use auto, flat, hnsw, ivf or disk", (int)OMEN_MIN(text.len, 60), text.data);
    }
    if (omen_str_equal(key, OMEN_STR("codec"))) {
        if (omen_json_str(v, &text) && omen_codec_parse(text, &o->codec)) return OMEN_OK;
        return omen_fail(r->err, OMEN_ERR_INVALID, "an index's codec \"%.*s\" is unknown; use auto, sq8, rabitq or pq", (int)OMEN_MIN(text.len, 60), text.data);
    }
    for (size_t i = 0; i < OMEN_ARRAY_LEN(numbers); i++) {
        uint64_t n;
        if (!omen_str_equal(key, (omen_str){numbers[i].name, strlen(numbers[i].name)})) continue;
        if (!omen_json_u64(v, &n) || n > numbers[i].most || n < numbers[i].from)
            return omen_fail(r->err, OMEN_ERR_INVALID, "an index's %s must be an integer of %u to %u", numbers[i].name, numbers[i].from, numbers[i].most);
        *numbers[i].to = (uint32_t)n;
        return OMEN_OK;
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "an index has no \"%.*s\"; there are kind, m, efConstruction, codec, lists and bits", (int)OMEN_MIN(key.len, 60), key.data);
}

omen_status omen_args_index(const omen_json_val *v, omen_index_options *out, omen_error *err) {
    index_reader reader = {out, err};
    memset(out, 0, sizeof *out);
    if (v == NULL || !omen_json_is_object(v)) return omen_fail(err, OMEN_ERR_INVALID, "index must be an object: {\"kind\": ...}");
    return omen_json_each(v, read_index_option, &reader);
}

/* ---- schemas ---- */

static omen_status read_field(const omen_json_val *v, omen_vector_field *f, omen_error *err) {
    omen_str metric = OMEN_STR("cosine");
    uint64_t dimensions;
    *f = (omen_vector_field){.name = OMEN_STR("")};
    const omen_json_val *name = omen_json_get(v, "name"), *m = omen_json_get(v, "metric"), *e = omen_json_get(v, "element");
    omen_str element = OMEN_STR("f32");
    if (name != NULL && !omen_json_is_null(name) && !omen_json_str(name, &f->name)) return omen_fail(err, OMEN_ERR_INVALID, "a vector field's name must be a string");
    if (!omen_json_u64(omen_json_get(v, "dimensions"), &dimensions) || dimensions > UINT32_MAX)
        return omen_fail(err, OMEN_ERR_INVALID, "a vector field's dimensions must be an integer of 1 to %u", OMEN_MAX_DIMENSIONS);
    if (e != NULL && !omen_json_is_null(e) && !omen_json_str(e, &element)) return omen_fail(err, OMEN_ERR_INVALID, "a vector field's element must be a string");
    if (!omen_element_parse(element, &f->element))
        return omen_fail(err, OMEN_ERR_INVALID, "element \"%.*s\" is unknown; use f32, f16, i8 or bit", (int)OMEN_MIN(element.len, 60), element.data);
    if (f->element == OMEN_ELEMENT_BIT) metric = OMEN_STR("hamming");
    if (m != NULL && !omen_json_is_null(m) && !omen_json_str(m, &metric)) return omen_fail(err, OMEN_ERR_INVALID, "a vector field's metric must be a string");
    if (!omen_metric_parse(metric, &f->metric))
        return omen_fail(err, OMEN_ERR_INVALID, "metric \"%.*s\" is unknown; use l2, ip, cosine or hamming", (int)OMEN_MIN(metric.len, 60), metric.data);
    f->dimensions = (uint32_t)dimensions;
    const omen_json_val *index = omen_json_get(v, "index");
    return index == NULL || omen_json_is_null(index) ? OMEN_OK : omen_args_index(index, &f->index, err);
}

typedef struct text_reader { omen_text_field *field; omen_error *err; } text_reader;

/* A text field is its name, or an object. */
static omen_status read_text_option(void *arg, omen_str key, const omen_json_val *v) {
    text_reader *r = arg;
    omen_text_field *f = r->field;
    omen_str text = {"", 0};
    double weight;
    if (omen_str_equal(key, OMEN_STR("name"))) {
        if (omen_json_str(v, &f->name)) return OMEN_OK;
        return omen_fail(r->err, OMEN_ERR_INVALID, "a text field's name must be a string");
    }
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("language"))) {
        if (omen_json_str(v, &f->language) && f->language.len != 0) return OMEN_OK;
        return omen_fail(r->err, OMEN_ERR_INVALID, "a text field's language must be a code such as \"en\" or \"de\", or \"none\"");
    }
    if (omen_str_equal(key, OMEN_STR("weight"))) {
        if (omen_json_f64(v, &weight) && weight >= 1e-6 && weight <= 1e6) {
            f->weight = (float)weight;
            return OMEN_OK;
        }
        return omen_fail(r->err, OMEN_ERR_INVALID, "a text field's weight must be a number of 0.000001 to 1000000");
    }
    if (omen_str_equal(key, OMEN_STR("stopWords"))) {
        bool keep = omen_json_str(v, &text) && omen_str_equal(text, OMEN_STR("keep"));
        if (!keep && !omen_str_equal(text, OMEN_STR("drop"))) return omen_fail(r->err, OMEN_ERR_INVALID, "a text field's stopWords must be \"keep\" or \"drop\"");
        f->flags = (uint8_t)(keep ? f->flags | OMEN_TEXT_KEEP_STOP : f->flags & ~OMEN_TEXT_KEEP_STOP);
        return OMEN_OK;
    }
    if (omen_str_equal(key, OMEN_STR("accents"))) {
        bool keep = omen_json_str(v, &text) && omen_str_equal(text, OMEN_STR("keep"));
        if (!keep && !omen_str_equal(text, OMEN_STR("fold"))) return omen_fail(r->err, OMEN_ERR_INVALID, "a text field's accents must be \"fold\" or \"keep\"");
        f->flags = (uint8_t)(keep ? f->flags | OMEN_TEXT_KEEP_ACCENTS : f->flags & ~OMEN_TEXT_KEEP_ACCENTS);
        return OMEN_OK;
    }
    return omen_fail(r->err, OMEN_ERR_INVALID, "a text field has no \"%.*s\"; there are name, language, weight, stopWords and accents", (int)OMEN_MIN(key.len, 60), key.data);
}

static omen_status read_text(const omen_json_val *v, omen_text_field *f, omen_error *err) {
    text_reader reader = {f, err};
    *f = (omen_text_field){.name = OMEN_STR(""), .language = OMEN_STR("")};
    if (omen_json_str(v, &f->name)) return OMEN_OK;
    if (!omen_json_is_object(v)) return omen_fail(err, OMEN_ERR_INVALID, "schema.text must be an array of names, or of objects: {\"name\": ...}");
    return omen_json_each(v, read_text_option, &reader);
}

typedef struct multi_reader { omen_multi_field *field; omen_error *err; } multi_reader;

static omen_status read_multi_option(void *arg, omen_str key, const omen_json_val *v) {
    multi_reader *r = arg;
    omen_multi_field *f = r->field;
    omen_str text = {"", 0};
    uint64_t n;
    if (omen_str_equal(key, OMEN_STR("name"))) return omen_json_str(v, &f->name) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "a multi field's name must be a string");
    if (omen_json_is_null(v)) return OMEN_OK;
    if (omen_str_equal(key, OMEN_STR("dimensions"))) {
        if (!omen_json_u64(v, &n) || n > UINT32_MAX) return omen_fail(r->err, OMEN_ERR_INVALID, "a multi field's dimensions must be an integer of 1 to %u", OMEN_MAX_DIMENSIONS);
        f->dimensions = (uint32_t)n;
        return OMEN_OK;
    }
    if (omen_str_equal(key, OMEN_STR("metric")))
        return omen_json_str(v, &text) && omen_metric_parse(text, &f->metric) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "a multi field's metric must be \"cosine\" or \"ip\"");
    if (omen_str_equal(key, OMEN_STR("element")))
        return omen_json_str(v, &text) && omen_element_parse(text, &f->element) ? OMEN_OK : omen_fail(r->err, OMEN_ERR_INVALID, "a multi field's element must be \"f32\" or \"f16\"");
    return omen_fail(r->err, OMEN_ERR_INVALID, "a multi field has no \"%.*s\"; there are name, dimensions, metric and element", (int)OMEN_MIN(key.len, 60), key.data);
}

static omen_status read_multis(const omen_json_val *v, omen_schema_args *out, omen_error *err) {
    omen_schema *s = &out->schema;
    s->multis = out->multis;
    if (v == NULL || omen_json_is_null(v)) return OMEN_OK;
    if (!omen_json_is_array(v)) return omen_fail(err, OMEN_ERR_INVALID, "schema.multi must be an array of objects: {\"name\": \"tokens\", \"dimensions\": 128}");
    omen_json_iter it = omen_json_iter_of(v);
    for (const omen_json_val *at; (at = omen_json_next(&it)) != NULL;) {
        if (s->multi_count == OMEN_MAX_MULTI_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "more than %u multi fields", OMEN_MAX_MULTI_FIELDS);
        multi_reader reader = {&out->multis[s->multi_count++], err};
        *reader.field = (omen_multi_field){.name = OMEN_STR("")};
        if (!omen_json_is_object(at)) return omen_fail(err, OMEN_ERR_INVALID, "schema.multi must be an array of objects: {\"name\": \"tokens\", \"dimensions\": 128}");
        OMEN_TRY(omen_json_each(at, read_multi_option, &reader));
    }
    return OMEN_OK;
}

omen_status omen_args_schema(const omen_json_val *v, omen_schema_args *out, omen_error *err) {
    omen_schema *s = &out->schema;
    if (!omen_json_is_object(v)) return omen_fail(err, OMEN_ERR_INVALID, "schema must be an object");
    omen_schema_init(s);
    s->vectors = out->fields;
    s->texts = out->texts;
    s->sparse = out->sparse;
    const omen_json_val *vectors = omen_json_get(v, "vectors"), *text = omen_json_get(v, "text"), *sparse = omen_json_get(v, "sparse"), *at;
    if (vectors != NULL && !omen_json_is_null(vectors) && !omen_json_is_array(vectors)) return omen_fail(err, OMEN_ERR_INVALID, "schema.vectors must be an array");
    if (text != NULL && !omen_json_is_null(text) && !omen_json_is_array(text)) return omen_fail(err, OMEN_ERR_INVALID, "schema.text must be an array of names");
    omen_json_iter it = omen_json_iter_of(vectors);
    while ((at = omen_json_next(&it)) != NULL) {
        if (s->vector_count == OMEN_MAX_VECTOR_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "more than %u vector fields", OMEN_MAX_VECTOR_FIELDS);
        OMEN_TRY(read_field(at, &out->fields[s->vector_count++], err));
    }
    it = omen_json_iter_of(text);
    while ((at = omen_json_next(&it)) != NULL) {
        if (s->text_count == OMEN_MAX_TEXT_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "more than %u text fields", OMEN_MAX_TEXT_FIELDS);
        OMEN_TRY(read_text(at, &out->texts[s->text_count++], err));
    }
    if (sparse != NULL && !omen_json_is_null(sparse) && !omen_json_is_array(sparse)) return omen_fail(err, OMEN_ERR_INVALID, "schema.sparse must be an array of names");
    const omen_json_val *ttl = omen_json_get(v, "ttl");
    if (ttl != NULL && !omen_json_is_null(ttl) && !omen_json_str(ttl, &s->ttl)) return omen_fail(err, OMEN_ERR_INVALID, "schema.ttl must be a path: names joined by dots");
    it = omen_json_iter_of(sparse);
    while ((at = omen_json_next(&it)) != NULL) {
        if (s->sparse_count == OMEN_MAX_TEXT_FIELDS) return omen_fail(err, OMEN_ERR_INVALID, "more than %u sparse fields", OMEN_MAX_TEXT_FIELDS);
        if (!omen_json_str(at, &out->sparse[s->sparse_count++])) return omen_fail(err, OMEN_ERR_INVALID, "schema.sparse must be an array of names");
    }
    return read_multis(omen_json_get(v, "multi"), out, err);
}

/* ---- the effort of a search ---- */

static omen_status take_u32(const omen_json_val *root, const char *name, uint32_t most, uint32_t *out, omen_error *err) {
    const omen_json_val *v = omen_json_get(root, name);
    uint64_t n;
    if (v == NULL || omen_json_is_null(v)) return OMEN_OK;
    if (!omen_json_u64(v, &n) || n == 0 || n > most) return omen_fail(err, OMEN_ERR_INVALID, "%s must be an integer of 1 to %u", name, most);
    *out = (uint32_t)n;
    return OMEN_OK;
}

omen_status omen_args_effort(const omen_json_val *root, omen_query *q, omen_error *err) {
    const omen_json_val *recall = omen_json_get(root, "recall"), *exact = omen_json_get(root, "exact");
    double r;
    bool flag = false;
    if (recall != NULL && !omen_json_is_null(recall)) {
        if (!omen_json_f64(recall, &r) || !(r > 0.0 && r <= 1.0)) return omen_fail(err, OMEN_ERR_INVALID, "recall must be a number above 0, at most 1: the share of the nearest to find");
        q->recall = (float)r;
        if (q->recall == 0.0f) q->recall = 1e-30f; /* asked for, however little: 0 would mean the default */
    }
    OMEN_TRY(take_u32(root, "ef", OMEN_MAX_K, &q->ef, err));
    OMEN_TRY(take_u32(root, "nprobe", 65536, &q->nprobe, err));
    if (exact != NULL && !omen_json_is_null(exact) && !omen_json_bool(exact, &flag)) return omen_fail(err, OMEN_ERR_INVALID, "exact must be true or false");
    q->exact = flag;
    return OMEN_OK;
}

omen_status omen_args_include(const omen_json_val *list, uint32_t *out, omen_error *err) {
    const omen_json_val *v;
    omen_str s = {"", 0};
    *out = 0;
    if (list != NULL && !omen_json_is_array(list)) return omen_fail(err, OMEN_ERR_INVALID, "include must be an array");
    omen_json_iter it = omen_json_iter_of(list);
    while ((v = omen_json_next(&it)) != NULL) {
        if (omen_json_str(v, &s) && omen_str_equal(s, OMEN_STR("document"))) *out |= OMEN_INCLUDE_DOCUMENT;
        else if (omen_json_str(v, &s) && omen_str_equal(s, OMEN_STR("vector"))) *out |= OMEN_INCLUDE_VECTOR;
        else return omen_fail(err, OMEN_ERR_INVALID, "include takes \"document\" and \"vector\"");
    }
    return OMEN_OK;
}

omen_status omen_args_keys(const omen_request *r, uint32_t part, omen_encryption *out, omen_error *err) {
    omen_part_view keys;
    OMEN_TRY(omen_request_part(r, part, &keys, err));
    size_t n = keys.len / sizeof(omen_encryption_key);
    if (n < 1 || n > 17 || keys.len % sizeof(omen_encryption_key) != 0) return omen_fail(err, OMEN_ERR_INVALID, "keys are 1 to 17 times 64 bytes");
    const omen_encryption_key *all = (const omen_encryption_key *)(const void *)keys.data;
    *out = (omen_encryption){.struct_size = sizeof *out, .previous_count = (uint32_t)n - 1, .key = all[0], .previous = all + 1};
    return OMEN_OK;
}
