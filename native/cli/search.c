/* search.c - search, explain. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct request {
    float *vector; /* numbers */
    uint32_t count;
    omen_query_vector several[OMEN_MAX_VECTOR_FIELDS]; /* --vector NAME='[...]', as the fields' elements have them */
    size_t several_count;
    bool like; /* --id: the record itself is left out */
    omen_id id;
    char *id_text;
} request;

/* Row --row of --vector-file. */
static omen_status read_file(request *q, const omen_schema *schema, uint32_t field) {
    cli_source *source;
    cli_record r;
    uint64_t row;
    bool end = false;
    CLI_TRY(cli_option_u64("row", 0, UINT64_MAX, 0, &row));
    const char *path = cli_option("vector-file", NULL);
    CLI_TRY(cli_source_open(path, NULL, &source));
    omen_status s = cli_source_bind(source, schema, field);
    for (uint64_t i = 0; s == OMEN_OK && !end && i <= row; i++) s = cli_source_next(source, &r, &end);
    if (s == OMEN_OK && end) s = cli_fail(OMEN_ERR_INVALID, "--row is %llu, and %.200s has %llu rows, counted from 0", (unsigned long long)row, path, (unsigned long long)source->row);
    if (s == OMEN_OK && (r.given >> field & 1u) == 0) s = cli_fail(OMEN_ERR_INVALID, "row %llu of %.200s has no vector", (unsigned long long)row, path);
    if (s == OMEN_OK) {
        q->count = cli_width(&schema->vectors[field]);
        q->vector = malloc(q->count * sizeof(float));
        if (q->vector == NULL) s = cli_no_memory();
        else memcpy(q->vector, r.vectors[field], q->count * sizeof(float));
    }
    cli_source_close(source);
    return s;
}

/* The vector of the record --id. */
static omen_status read_record(request *q, omen_collection *c, uint32_t field) {
    const char *text = cli_option("id", NULL);
    omen_results *r = NULL;
    q->id_text = malloc(strlen(text) + 1);
    if (q->id_text == NULL) return cli_no_memory();
    CLI_TRY(cli_id_parse(text, strlen(text), q->id_text, &q->id));
    q->like = true;
    omen_status s = cli_core(omen_get(c, &q->id, 1, OMEN_INCLUDE_VECTOR, &r));
    const omen_vector_field *f = &omen_collection_schema(c)->vectors[field];
    const float *v = s == OMEN_OK && omen_results_found(r, 0) ? cli_vector_numbers(f, omen_results_vector(r, 0, field)) : NULL;
    if (s == OMEN_OK && v == NULL) s = cli_fail(OMEN_ERR_NOT_FOUND, "there is no record %.100s", text);
    if (s == OMEN_OK) {
        q->count = cli_width(f);
        q->vector = malloc(q->count * sizeof(float));
        if (q->vector == NULL) s = cli_no_memory();
        else memcpy(q->vector, v, q->count * sizeof(float));
    }
    omen_results_free(r);
    return s;
}

/* NAME='[...]': a vector of one of several fields. */
static bool is_named(const char *text) { return text != NULL && text[0] != '[' && strchr(text, '=') != NULL; }

static uint32_t find_field(const omen_schema *schema, omen_str name) {
    for (uint32_t f = 0; f < schema->vector_count; f++)
        if (schema->vectors[f].name.len == name.len && memcmp(schema->vectors[f].name.data, name.data, name.len) == 0) return f;
    return UINT32_MAX;
}

static omen_status read_named(request *q, const omen_schema *schema, const char *text) {
    float *numbers;
    uint32_t count;
    const char *json = strchr(text, '=') + 1;
    omen_query_vector *v = &q->several[q->several_count];
    *v = (omen_query_vector){.field = {text, (size_t)(json - text) - 1}, .weight = 1.0f};
    uint32_t f = find_field(schema, v->field);
    if (f == UINT32_MAX) return cli_fail(OMEN_ERR_INVALID, "--vector names \"%.*s\", which is no vector field of the collection", (int)(v->field.len > 100 ? 100 : v->field.len), text);
    const omen_vector_field *field = &schema->vectors[f];
    CLI_TRY(cli_vector_parse(json, strlen(json), &numbers, &count));
    void *packed = malloc(cli_vector_bytes(field));
    omen_status s = packed == NULL ? cli_no_memory() : OMEN_OK;
    if (s == OMEN_OK && count != cli_width(field))
        s = cli_fail(OMEN_ERR_DIMENSION, "--vector has %u numbers for \"%.*s\", which takes %u", count, (int)field->name.len, field->name.data, cli_width(field));
    if (s == OMEN_OK) s = cli_vector_pack(field, numbers, packed);
    free(numbers);
    v->vector = packed;
    v->dimensions = field->dimensions;
    q->several_count++;
    return s;
}

static omen_status read_several(request *q, const omen_schema *schema) {
    const char *text;
    if (cli_given("field")) return cli_fail(OMEN_ERR_INVALID, "--vector names the fields; leave --field out");
    for (size_t i = 0; (text = cli_option_at("vector", i)) != NULL; i++) {
        if (!is_named(text)) return cli_fail(OMEN_ERR_INVALID, "several vectors are given; name the field of each: --vector NAME='[0.1, 0.2]'");
        if (i == OMEN_MAX_VECTOR_FIELDS) return cli_fail(OMEN_ERR_INVALID, "--vector is given more than %u times", OMEN_MAX_VECTOR_FIELDS);
        CLI_TRY(read_named(q, schema, text));
    }
    return OMEN_OK;
}

static omen_status read_request(request *q, omen_collection *c, uint32_t field) {
    const char *text = cli_option("vector", NULL);
    int vectors = (text != NULL) + cli_given("vector-file") + cli_given("id");
    if (vectors == 0 && cli_query_has_leg()) return OMEN_OK;
    if (vectors != 1)
        return cli_fail(OMEN_ERR_INVALID, "give what to search for as one of --vector '[0.1, 0.2]', --vector-file FILE and --id ID, or words with --text");
    if (is_named(text) || cli_option_at("vector", 1) != NULL) return read_several(q, omen_collection_schema(c));
    if (cli_given("vector-file")) return read_file(q, omen_collection_schema(c), field);
    if (cli_given("id")) return read_record(q, c, field);
    return cli_vector_parse(text, strlen(text), &q->vector, &q->count);
}

/* ---- the search ---- */

/* The vector as the field's element has it; of another length it is refused before it is read. */
static omen_status pack(const omen_vector_field *f, const request *q, omen_query *query, void **packed) {
    query->dimensions = f->element == OMEN_ELEMENT_BIT ? q->count * 8 : q->count;
    query->vector = q->vector;
    *packed = malloc(cli_vector_bytes(f));
    if (*packed == NULL) return cli_no_memory();
    if (q->count != cli_width(f)) return OMEN_OK;
    CLI_TRY(cli_vector_pack(f, q->vector, *packed));
    query->vector = *packed;
    return OMEN_OK;
}

static omen_status find(omen_collection *c, const omen_query *query, const request *q, uint64_t k, const omen_vector_field *f) {
    omen_results *r = NULL;
    omen_status s = cli_core(omen_search(c, query, &r));
    if (s == OMEN_OK) cli_hits_show(r, q->like ? &q->id : NULL, k, f);
    omen_results_free(r);
    return s;
}

/* A search without a vector needs no field for one; one by example and answers with vectors do, where there are several. */
static omen_status choose_field(const omen_collection *c, const omen_vector_field **f) {
    uint32_t field;
    *f = NULL;
    const omen_schema *schema = omen_collection_schema(c);
    const char *text = cli_option_at("vector", 0);
    if (is_named(text)) {
        field = find_field(schema, (omen_str){text, (size_t)(strchr(text, '=') - text)});
        if (field != UINT32_MAX) *f = &schema->vectors[field];
        return OMEN_OK;
    }
    bool vector = cli_given("vector") || cli_given("vector-file") || cli_given("id") || !cli_query_has_leg();
    if (!vector && !cli_given("field") && schema->vector_count != 1) return OMEN_OK;
    CLI_TRY(cli_field_choose(c, &field));
    *f = &schema->vectors[field];
    return OMEN_OK;
}

static omen_status search(omen_collection *c, bool explain, const char *options, size_t options_len) {
    request q = {0};
    uint64_t k;
    const omen_vector_field *f;
    omen_query query;
    void *packed = NULL;
    omen_query_init(&query);
    CLI_TRY(cli_option_u64("k", 1, OMEN_MAX_K, 10, &k));
    CLI_TRY(cli_effort_options(&query));
    CLI_TRY(cli_filter_option(&query.filter));
    CLI_TRY(choose_field(c, &f));
    omen_status s = read_request(&q, c, f == NULL ? 0 : (uint32_t)(f - omen_collection_schema(c)->vectors));
    query.k = (uint32_t)(q.like && k < OMEN_MAX_K ? k + 1 : k);
    query.options = (omen_str){options, options_len};
    query.vectors = q.several;
    query.vector_count = q.several_count;
    if (f != NULL && q.several_count == 0) query.field = f->name;
    query.include = (cli_given("no-metadata") ? 0 : OMEN_INCLUDE_DOCUMENT) | (cli_given("include-vector") ? OMEN_INCLUDE_VECTOR : 0);
    if (s == OMEN_OK && q.vector != NULL) s = pack(f, &q, &query, &packed);
    if (s == OMEN_OK) s = explain ? cli_explain(c, &query) : find(c, &query, &q, k, f);
    for (size_t i = 0; i < q.several_count; i++) free((void *)(uintptr_t)q.several[i].vector);
    free(packed);
    free(q.vector);
    free(q.id_text);
    return s;
}

static omen_status run_with(bool explain, const char *options, size_t len) {
    omen_db *db;
    omen_collection *c = NULL;
    CLI_TRY(cli_database_open(CLI_READ, &db));
    omen_status s = cli_collection_open(db, &c);
    if (s == OMEN_OK) s = search(c, explain, options, len);
    omen_collection_close(c);
    return cli_database_close(db, s);
}

static omen_status run(bool explain) {
    char *options = NULL;
    size_t len = 0;
    omen_status s = cli_query_options(&options, &len);
    if (s == OMEN_OK) s = run_with(explain, len == 2 ? "" : options, len == 2 ? 0 : len);
    free(options);
    return s;
}

omen_status cli_run_search(void) { return run(false); }
omen_status cli_run_explain(void) { return run(true); }
