/* search.c - search, explain. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct request {
    float *vector; /* numbers */
    uint32_t count;
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

static omen_status read_request(request *q, omen_collection *c, uint32_t field) {
    const char *text = cli_option("vector", NULL);
    if ((text != NULL) + cli_given("vector-file") + cli_given("id") != 1)
        return cli_fail(OMEN_ERR_INVALID, "give what to search for as one of --vector '[0.1, 0.2]', --vector-file FILE and --id ID");
    if (cli_given("vector-file")) return read_file(q, omen_collection_schema(c), field);
    if (cli_given("id")) return read_record(q, c, field);
    return cli_vector_parse(text, strlen(text), &q->vector, &q->count);
}

/* ---- the answer ---- */

static bool same(const omen_id *a, const omen_id *b) {
    if (a->text.data == NULL || b->text.data == NULL) return a->text.data == b->text.data && a->number == b->number;
    return a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
}

static void json_hit(const omen_results *r, size_t i, const omen_vector_field *f) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    cli_json_object();
    cli_json_key("id");
    cli_json_id(&id);
    cli_json_key("score");
    cli_json_float(omen_results_score(r, i));
    cli_json_key("distance");
    cli_json_float(omen_results_distance(r, i));
    if (!cli_given("no-metadata")) {
        cli_json_key("metadata");
        cli_json_raw(document.len == 0 ? "{}" : document.data, document.len == 0 ? 2 : document.len);
    }
    if (cli_given("include-vector")) {
        cli_json_key("vector");
        cli_json_vector(cli_vector_numbers(f, omen_results_vector(r, i, 0)), cli_width(f));
    }
    cli_json_object_end();
}

static void text_hit(const omen_results *r, size_t i, size_t rank, const omen_vector_field *f) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    printf("%4zu  %9.6f  %9.6f  ", rank, (double)omen_results_distance(r, i), (double)omen_results_score(r, i));
    cli_id_print(stdout, &id);
    if (document.len != 0) {
        fputs("  ", stdout);
        cli_print_short(stdout, document.data, document.len, 120);
    }
    putchar('\n');
    if (!cli_given("include-vector")) return;
    const float *v = cli_vector_numbers(f, omen_results_vector(r, i, 0));
    fputs("      [", stdout);
    for (uint32_t d = 0; d < cli_width(f); d++) {
        char number[32];
        printf("%s%.*s", d == 0 ? "" : ", ", (int)cli_float_text(v[d], number), number);
    }
    puts("]");
}

static void show(const omen_results *r, const request *q, uint64_t k, const omen_vector_field *f) {
    uint64_t shown = 0;
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("hits");
        cli_json_array();
    } else {
        puts("   #   distance      score  record");
    }
    for (size_t i = 0; i < omen_results_count(r) && shown < k; i++) {
        omen_id id = omen_results_id(r, i);
        if (q->like && same(&id, &q->id)) continue;
        shown++;
        if (cli_json) json_hit(r, i, f);
        else text_hit(r, i, (size_t)shown, f);
    }
    if (!cli_json) return;
    cli_json_array_end();
    cli_json_object_end();
    cli_json_end();
}

static omen_status search(omen_collection *c, bool explain) {
    request q = {0};
    uint64_t k;
    uint32_t field;
    omen_results *r = NULL;
    omen_query query;
    omen_query_init(&query);
    CLI_TRY(cli_option_u64("k", 1, OMEN_MAX_K, 10, &k));
    CLI_TRY(cli_effort_options(&query));
    CLI_TRY(cli_field_choose(c, &field));
    const omen_vector_field *f = &omen_collection_schema(c)->vectors[field];
    omen_status s = read_request(&q, c, field);
    query.k = (uint32_t)(q.like && k < OMEN_MAX_K ? k + 1 : k);
    query.field = f->name;
    query.dimensions = f->element == OMEN_ELEMENT_BIT ? q.count * 8 : q.count;
    query.include = (cli_given("no-metadata") ? 0 : OMEN_INCLUDE_DOCUMENT) | (cli_given("include-vector") ? OMEN_INCLUDE_VECTOR : 0);
    void *packed = s == OMEN_OK ? malloc(cli_vector_bytes(f)) : NULL;
    query.vector = q.vector; /* of another length it is refused before it is read */
    if (s == OMEN_OK && packed == NULL) s = cli_no_memory();
    if (s == OMEN_OK && q.count == cli_width(f)) {
        s = cli_vector_pack(f, q.vector, packed);
        query.vector = packed;
    }
    if (s == OMEN_OK && explain) s = cli_explain(c, &query);
    else if (s == OMEN_OK) s = cli_core(omen_search(c, &query, &r));
    if (s == OMEN_OK && !explain) show(r, &q, k, f);
    omen_results_free(r);
    free(packed);
    free(q.vector);
    free(q.id_text);
    return s;
}

static omen_status run(bool explain) {
    omen_db *db;
    omen_collection *c = NULL;
    CLI_TRY(cli_database_open(CLI_READ, &db));
    omen_status s = cli_collection_open(db, &c);
    if (s == OMEN_OK) s = search(c, explain);
    omen_collection_close(c);
    return cli_database_close(db, s);
}

omen_status cli_run_search(void) { return run(false); }
omen_status cli_run_explain(void) { return run(true); }
