/* records.c - upsert, get, delete, update, count. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define TEXT_MAX ((size_t)64 << 20)   /* of a line */
#define BYTES_MAX ((size_t)256 << 20) /* of a batch */

static omen_status open_both(cli_access access, omen_db **db, omen_collection **c) {
    CLI_TRY(cli_database_open(access, db));
    omen_status s = cli_collection_open(*db, c);
    return s == OMEN_OK ? s : cli_database_close(*db, s);
}

static omen_status close_both(omen_db *db, omen_collection *c, omen_status s) {
    omen_collection_close(c);
    return cli_database_close(db, s);
}

/* done: what was done with so many records; NULL: the number alone is the answer. */
static void say_number(const char *key, uint64_t n, const char *done) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key(key);
        cli_json_u64(n);
        cli_json_object_end();
        cli_json_end();
    } else if (done == NULL) {
        printf("%llu\n", (unsigned long long)n);
    } else {
        printf("%s %llu record%s\n", done, (unsigned long long)n, n == 1 ? "" : "s");
    }
}

/* ---- upsert ---- */

typedef struct upsert {
    const omen_schema *schema;
    cli_batch batch;
    cli_record_text kept;
    float *vectors[OMEN_MAX_VECTOR_FIELDS];
    omen_write_mode mode;
} upsert;

static omen_status add(upsert *u, const char *text, size_t len) {
    cli_record r;
    const char *id = cli_option("id-field", "id");
    CLI_TRY(cli_record_parse(text, len, id, u->schema, u->vectors, &u->kept, &r));
    if (!r.has_id) return cli_fail(OMEN_ERR_ID, "the record has no \"%.100s\"; give it one, or name the key with --id-field", id);
    for (uint32_t f = 0; u->mode != OMEN_WRITE_UPDATE && f < u->schema->vector_count; f++)
        if ((r.given >> f & 1u) == 0)
            return cli_fail(OMEN_ERR_INVALID, "the record has no \"%.*s\"; it needs a vector of %u numbers", (int)u->schema->vectors[f].name.len, u->schema->vectors[f].name.data,
                            cli_width(&u->schema->vectors[f]));
    if (u->batch.count != 0 && u->batch.given != r.given) return cli_fail(OMEN_ERR_INVALID, "the records of one batch have different vectors; update them apart");
    if (u->batch.count == OMEN_MAX_BATCH || u->batch.bytes > BYTES_MAX)
        return cli_fail(OMEN_ERR_TOO_LARGE, "one batch holds %u records or %zu MiB; use `omendb import` for more", OMEN_MAX_BATCH, BYTES_MAX >> 20);
    return cli_batch_add(&u->batch, &r);
}

static omen_status gather(upsert *u) {
    const char *text;
    for (size_t i = 1; (text = cli_positional(i)) != NULL; i++) {
        omen_status s = add(u, text, strlen(text));
        if (s == OMEN_OK) continue;
        cli_before("record %zu: ", i);
        return s;
    }
    if (cli_positional_count() > 1) return OMEN_OK;
    cli_input in;
    char *line;
    size_t len;
    CLI_TRY(cli_input_open(&in, "-"));
    omen_status s = OMEN_OK;
    for (uint64_t number = 1; s == OMEN_OK; number++) {
        s = cli_input_line(&in, TEXT_MAX, &line, &len);
        if (s == OMEN_OK && line == NULL) break;
        if (s == OMEN_OK && strspn(line, " \t\r") != len) s = add(u, line, len);
        if (s != OMEN_OK) cli_before("standard input, line %llu: ", (unsigned long long)number);
    }
    cli_input_close(&in);
    return s;
}

omen_status cli_run_upsert(void) {
    omen_db *db;
    omen_collection *c;
    upsert u = {0};
    CLI_TRY(cli_write_mode(&u.mode));
    CLI_TRY(open_both(CLI_WRITE, &db, &c));
    u.schema = omen_collection_schema(c);
    cli_batch_init(&u.batch, u.schema);
    omen_status s = OMEN_OK;
    for (uint32_t f = 0; f < u.schema->vector_count; f++)
        if ((u.vectors[f] = malloc(cli_width(&u.schema->vectors[f]) * sizeof(float))) == NULL) s = cli_no_memory();
    if (s == OMEN_OK) s = gather(&u);
    size_t count = u.batch.count;
    if (s == OMEN_OK) s = cli_batch_write(&u.batch, c, u.mode, NULL);
    cli_batch_free(&u.batch);
    cli_record_text_free(&u.kept);
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) free(u.vectors[f]);
    CLI_TRY(close_both(db, c, s));
    say_number("count", count, "wrote");
    return OMEN_OK;
}

/* ---- ids as arguments ---- */

omen_status cli_ids_read(omen_id **ids, char **text) {
    size_t count = cli_positional_count() - 1, bytes = 1;
    for (size_t i = 0; i < count; i++) bytes += strlen(cli_positional(i + 1)) + 1;
    *ids = calloc(count, sizeof **ids);
    *text = malloc(bytes);
    if (*ids == NULL || *text == NULL) return cli_no_memory();
    char *at = *text;
    for (size_t i = 0; i < count; i++) {
        const char *id = cli_positional(i + 1);
        CLI_TRY(cli_id_parse(id, strlen(id), at, &(*ids)[i]));
        at += strlen(id) + 1;
    }
    return OMEN_OK;
}

/* ---- get ---- */

static void json_record(const omen_results *r, size_t i, const omen_schema *schema) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    cli_json_object();
    cli_json_key("id");
    cli_json_id(&id);
    cli_json_key("found");
    cli_json_bool(omen_results_found(r, i));
    if (omen_results_found(r, i) && !cli_given("no-metadata")) {
        cli_json_key("metadata");
        cli_json_raw(document.len == 0 ? "{}" : document.data, document.len == 0 ? 2 : document.len);
    }
    for (uint32_t f = 0; omen_results_found(r, i) && cli_given("include-vector") && f < schema->vector_count; f++) {
        char name[OMEN_MAX_NAME + 1];
        snprintf(name, sizeof name, "%.*s", (int)schema->vectors[f].name.len, schema->vectors[f].name.data);
        if (f == 0) {
            cli_json_key("vectors");
            cli_json_object();
        }
        cli_json_key(name);
        cli_json_vector(cli_vector_numbers(&schema->vectors[f], omen_results_vector(r, i, f)), cli_width(&schema->vectors[f]));
        if (f + 1 == schema->vector_count) cli_json_object_end();
    }
    cli_json_object_end();
}

static void text_record(const omen_results *r, size_t i, const omen_schema *schema) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    cli_id_print(stdout, &id);
    if (!omen_results_found(r, i)) {
        puts("  (not there)");
        return;
    }
    if (!cli_given("no-metadata")) printf("  %.*s", document.len == 0 ? 2 : (int)document.len, document.len == 0 ? "{}" : document.data);
    putchar('\n');
    for (uint32_t f = 0; cli_given("include-vector") && f < schema->vector_count; f++) {
        const float *v = cli_vector_numbers(&schema->vectors[f], omen_results_vector(r, i, f));
        printf("  %.*s: [", (int)schema->vectors[f].name.len, schema->vectors[f].name.data);
        for (uint32_t d = 0; d < cli_width(&schema->vectors[f]); d++) {
            char number[32];
            printf("%s%.*s", d == 0 ? "" : ", ", (int)cli_float_text(v[d], number), number);
        }
        puts("]");
    }
}

static omen_status show(const omen_results *r, const omen_schema *schema) {
    size_t missing = 0;
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("records");
        cli_json_array();
    }
    for (size_t i = 0; i < omen_results_count(r); i++) {
        if (cli_json) json_record(r, i, schema);
        else text_record(r, i, schema);
        missing += !omen_results_found(r, i);
    }
    if (cli_json) {
        cli_json_array_end();
        cli_json_object_end();
        cli_json_end();
    }
    if (missing == 0) return OMEN_OK;
    return cli_fail(OMEN_ERR_NOT_FOUND, "%zu of %zu ids are not there", missing, omen_results_count(r));
}

omen_status cli_run_get(void) {
    omen_db *db;
    omen_collection *c;
    omen_id *ids = NULL;
    char *text = NULL;
    omen_results *r = NULL;
    uint32_t include = (cli_given("no-metadata") ? 0 : OMEN_INCLUDE_DOCUMENT) | (cli_given("include-vector") ? OMEN_INCLUDE_VECTOR : 0);
    omen_status s = cli_ids_read(&ids, &text);
    if (s == OMEN_OK) s = open_both(CLI_READ, &db, &c);
    if (s == OMEN_OK) {
        s = cli_core(omen_get(c, ids, cli_positional_count() - 1, include, &r));
        if (s == OMEN_OK) s = show(r, omen_collection_schema(c));
        omen_results_free(r);
        s = close_both(db, c, s);
    }
    free(ids);
    free(text);
    return s;
}

/* ---- delete, update, count ---- */

omen_status cli_run_delete(void) {
    omen_db *db;
    omen_collection *c;
    omen_id *ids = NULL;
    char *text = NULL;
    size_t deleted = 0;
    omen_str filter;
    bool by_filter = cli_given("filter");
    CLI_TRY(cli_filter_option(&filter));
    if (by_filter == (cli_positional_count() > 1)) return cli_fail(OMEN_ERR_INVALID, "give which records to delete, as ids or with --filter; usage: omendb delete DATABASE [ID...]");
    omen_status s = by_filter ? OMEN_OK : cli_ids_read(&ids, &text);
    if (s == OMEN_OK) s = open_both(CLI_WRITE, &db, &c);
    if (s == OMEN_OK)
        s = close_both(db, c, cli_core(by_filter ? omen_delete_where(c, filter, &deleted) : omen_delete(c, ids, cli_positional_count() - 1, &deleted)));
    free(ids);
    free(text);
    if (s == OMEN_OK) say_number("deleted", deleted, "deleted");
    return s;
}

omen_status cli_run_update(void) {
    omen_db *db;
    omen_collection *c;
    omen_str filter;
    size_t count = 0;
    const char *set = cli_option("set", NULL);
    CLI_TRY(cli_filter_option(&filter));
    if (set == NULL || filter.len == 0) return cli_fail(OMEN_ERR_INVALID, "give which records with --filter, and what becomes of them with --set '{\"draft\": false}'");
    CLI_TRY(open_both(CLI_WRITE, &db, &c));
    CLI_TRY(close_both(db, c, cli_core(omen_update_where(c, filter, (omen_str){set, strlen(set)}, &count))));
    say_number("count", count, "changed");
    return OMEN_OK;
}

omen_status cli_run_expire(void) {
    omen_db *db;
    omen_collection *c;
    size_t deleted = 0;
    CLI_TRY(open_both(CLI_WRITE, &db, &c));
    CLI_TRY(close_both(db, c, cli_core(omen_expire(c, &deleted))));
    say_number("deleted", deleted, "deleted");
    return OMEN_OK;
}

omen_status cli_run_count(void) {
    omen_db *db;
    omen_collection *c;
    uint64_t count = 0;
    omen_str filter;
    CLI_TRY(cli_filter_option(&filter));
    CLI_TRY(open_both(CLI_READ, &db, &c));
    CLI_TRY(close_both(db, c, cli_core(filter.len == 0 ? omen_count(c, &count) : omen_count_where(c, filter, &count))));
    say_number("count", count, NULL);
    return OMEN_OK;
}
