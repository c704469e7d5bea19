/* create.c - create, collections, drop. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yyjson.h>

#include "cli/cli.h"

#define TEXTS 64

typedef struct wanted {
    omen_schema schema;
    omen_vector_field fields[OMEN_MAX_VECTOR_FIELDS];
    omen_text_field texts[TEXTS];
    omen_str sparse[TEXTS];
    omen_multi_field multis[OMEN_MAX_MULTI_FIELDS];
} wanted;

static omen_status bad_field(const char *text) {
    return cli_fail(OMEN_ERR_INVALID, "--vector-field \"%.100s\" is not NAME:DIMENSIONS, NAME:DIMENSIONS:METRIC or NAME:DIMENSIONS:METRIC:TYPE, such as title:384:cosine:f16", text);
}

/* NAME:DIMENSIONS[:METRIC[:TYPE]]; --type, --metric and the options of an index hold for all fields. */
static omen_status read_field(const char *text, omen_vector_field *f) {
    const char *colon = strchr(text, ':');
    if (colon == NULL) return bad_field(text);
    char *end;
    unsigned long n = colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 0;
    if (n < 1 || n > OMEN_MAX_DIMENSIONS || (*end != '\0' && *end != ':')) return bad_field(text);
    f->name = (omen_str){text, (size_t)(colon - text)};
    f->dimensions = (uint32_t)n;
    CLI_TRY(cli_index_options(&f->index));
    CLI_TRY(cli_type_option(&f->element));
    const char *type = *end == ':' ? strchr(end + 1, ':') : NULL;
    if (type != NULL && !cli_element(type + 1, &f->element)) return bad_field(text);
    if (*end == '\0') return cli_metric_option(f->element, &f->metric);
    char metric[16];
    size_t n_metric = type == NULL ? strlen(end + 1) : (size_t)(type - end - 1);
    snprintf(metric, sizeof metric, "%.*s", (int)(n_metric < sizeof metric ? n_metric : sizeof metric - 1), end + 1);
    f->metric = cli_metric(metric);
    return f->metric == 0 ? bad_field(text) : OMEN_OK;
}

/* Names between commas. */
static omen_status read_names(const char *option, omen_status (*each)(wanted *w, omen_str name), wanted *w) {
    const char *text = cli_option(option, "");
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        CLI_TRY(each(w, (omen_str){text, n}));
        text += n + (text[n] == ',');
    }
    return OMEN_OK;
}

/* NAME[:LANGUAGE[:WEIGHT]] */
static omen_status read_text(wanted *w, omen_str name) {
    if (w->schema.text_count == TEXTS) return cli_fail(OMEN_ERR_INVALID, "--text names more than %d fields", TEXTS);
    omen_text_field *f = &w->texts[w->schema.text_count++];
    const char *end = name.data + name.len, *colon = memchr(name.data, ':', name.len);
    f->name = (omen_str){name.data, (size_t)((colon == NULL ? end : colon) - name.data)};
    if (colon == NULL) return OMEN_OK;
    const char *language = colon + 1;
    colon = memchr(language, ':', (size_t)(end - language));
    f->language = (omen_str){language, (size_t)((colon == NULL ? end : colon) - language)};
    if (colon == NULL) return OMEN_OK;
    char *rest;
    f->weight = strtof(colon + 1, &rest);
    if (rest == end && rest != colon + 1 && f->weight > 0.0f) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "--text \"%.*s\" is not NAME, NAME:LANGUAGE or NAME:LANGUAGE:WEIGHT, such as title:en:2", (int)(name.len > 100 ? 100 : name.len), name.data);
}

static omen_status read_sparse(wanted *w, omen_str name) {
    if (w->schema.sparse_count == TEXTS) return cli_fail(OMEN_ERR_INVALID, "--sparse names more than %d fields", TEXTS);
    w->sparse[w->schema.sparse_count++] = name;
    return OMEN_OK;
}

/* The part up to the next colon, or the end; *text moves behind it. */
static omen_str until_colon(omen_str *text) {
    const char *colon = text->len == 0 ? NULL : memchr(text->data, ':', text->len);
    omen_str part = {text->data, colon == NULL ? text->len : (size_t)(colon - text->data)};
    size_t taken = part.len + (colon != NULL);
    *text = (omen_str){text->data + taken, text->len - taken};
    return part;
}

/* NAME:DIMENSIONS[:METRIC[:TYPE]]; what the metric and the type may be is the core's to say. */
static omen_status read_multi(wanted *w, omen_str text) {
    omen_str rest = text, name = until_colon(&rest), number = until_colon(&rest), metric = until_colon(&rest), type = until_colon(&rest);
    char word[16], *end = NULL;
    if (w->schema.multi_count == OMEN_MAX_MULTI_FIELDS) return cli_fail(OMEN_ERR_INVALID, "--multi names more than %u fields", OMEN_MAX_MULTI_FIELDS);
    omen_multi_field *f = &w->multis[w->schema.multi_count++];
    snprintf(word, sizeof word, "%.*s", (int)(number.len < sizeof word ? number.len : sizeof word - 1), number.data);
    unsigned long n = word[0] >= '0' && word[0] <= '9' ? strtoul(word, &end, 10) : 0;
    bool good = n >= 1 && n <= OMEN_MAX_DIMENSIONS && *end == '\0' && rest.len == 0;
    *f = (omen_multi_field){.name = name, .dimensions = (uint32_t)n};
    snprintf(word, sizeof word, "%.*s", (int)(metric.len < sizeof word ? metric.len : sizeof word - 1), metric.data);
    if (metric.len != 0) good = good && (f->metric = cli_metric(word)) != 0;
    snprintf(word, sizeof word, "%.*s", (int)(type.len < sizeof word ? type.len : sizeof word - 1), type.data);
    if (type.len != 0) good = good && cli_element(word, &f->element);
    if (good) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "--multi \"%.*s\" is not NAME:DIMENSIONS, NAME:DIMENSIONS:METRIC or NAME:DIMENSIONS:METRIC:TYPE, such as tokens:128:cosine:f16", (int)(text.len > 100 ? 100 : text.len),
                    text.data);
}

static omen_status read_schema(wanted *w) {
    uint64_t dimensions;
    omen_schema_init(&w->schema);
    w->schema.vectors = w->fields;
    w->schema.texts = w->texts;
    w->schema.sparse = w->sparse;
    w->schema.multis = w->multis;
    CLI_TRY(cli_option_u64("dimensions", 1, OMEN_MAX_DIMENSIONS, 0, &dimensions));
    omen_vector_field one = {.name = OMEN_STR(""), .dimensions = (uint32_t)dimensions};
    CLI_TRY(cli_type_option(&one.element));
    CLI_TRY(cli_metric_option(one.element, &one.metric));
    CLI_TRY(cli_index_options(&one.index));
    if (dimensions != 0) {
        w->fields[0] = one;
        w->schema.vector_count = 1;
    }
    const char *text;
    for (size_t i = 0; (text = cli_option_at("vector-field", i)) != NULL; i++) {
        if (w->schema.vector_count == OMEN_MAX_VECTOR_FIELDS)
            return cli_fail(OMEN_ERR_INVALID, "a collection has at most %u vector fields", OMEN_MAX_VECTOR_FIELDS);
        CLI_TRY(read_field(text, &w->fields[w->schema.vector_count++]));
    }
    const char *ttl = cli_option("ttl", "");
    w->schema.ttl = (omen_str){ttl, strlen(ttl)};
    CLI_TRY(read_names("text", read_text, w));
    CLI_TRY(read_names("sparse", read_sparse, w));
    return read_names("multi", read_multi, w);
}

/* Whether a database is there; *db is open when it is. */
static omen_status open_or_create(omen_db **db, bool *created) {
    omen_status s = cli_database_open(CLI_WRITE, db);
    *created = s == OMEN_ERR_NOT_FOUND;
    return *created ? cli_database_open(CLI_CREATE, db) : s;
}

static void report(const char *collection, bool created) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("database");
        cli_json_cstr(cli_positional(0));
        cli_json_key("created");
        cli_json_bool(created);
        if (collection != NULL) {
            cli_json_key("collection");
            cli_json_cstr(collection);
        }
        cli_json_object_end();
        cli_json_end();
        return;
    }
    if (created) printf("created the database %s\n", cli_positional(0));
    if (collection != NULL) printf("the collection \"%s\" is ready\n", collection);
}

omen_status cli_run_create(void) {
    wanted w = {0};
    omen_db *db;
    bool created;
    CLI_TRY(read_schema(&w));
    bool vectors = w.schema.vector_count != 0 || w.schema.multi_count != 0;
    const char *name = cli_option("collection", vectors ? "default" : NULL);
    if (name != NULL && !vectors)
        return cli_fail(OMEN_ERR_INVALID, "a collection needs the length of its vectors: give --dimensions N, or --vector-field NAME:N");
    CLI_TRY(open_or_create(&db, &created));
    omen_status s = OMEN_OK;
    if (!created && name == NULL)
        s = cli_fail(OMEN_ERR_EXISTS, "the database %.200s is there already; add a collection with --collection NAME --dimensions N", cli_positional(0));
    if (s == OMEN_OK && name != NULL) {
        omen_collection *c = NULL;
        s = cli_core(omen_collection_open(db, (omen_str){name, strlen(name)}, &w.schema, &c));
        omen_collection_close(c);
    }
    s = cli_database_close(db, s);
    if (s == OMEN_OK) report(name, created);
    return s;
}

static void print_collection(yyjson_val *c) {
    yyjson_val *fields = yyjson_obj_get(yyjson_obj_get(c, "schema"), "vectors"), *f;
    yyjson_arr_iter it;
    printf("%-24s", cli_member(c, "name"));
    yyjson_arr_iter_init(fields, &it);
    while ((f = yyjson_arr_iter_next(&it)) != NULL) {
        const char *name = cli_member(f, "name"), *metric = cli_member(f, "metric");
        printf("  %s: %llu dimensions, %s, %s, index %s", name, (unsigned long long)yyjson_get_uint(yyjson_obj_get(f, "dimensions")), metric, cli_member(f, "element"),
               cli_member(yyjson_obj_get(f, "index"), "kind"));
    }
    putchar('\n');
}

omen_status cli_run_collections(void) {
    omen_db *db;
    char *text;
    size_t len;
    CLI_TRY(cli_database_open(CLI_READ, &db));
    omen_status s = cli_database_close(db, cli_stats_text(db, &text, &len));
    if (s != OMEN_OK) return s;
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    yyjson_val *list = yyjson_obj_get(yyjson_doc_get_root(doc), "collections"), *c;
    yyjson_arr_iter it;
    yyjson_arr_iter_init(list, &it);
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("collections");
        cli_json_array();
    }
    while ((c = yyjson_arr_iter_next(&it)) != NULL) {
        if (!cli_json) {
            print_collection(c);
            continue;
        }
        size_t n = 0;
        char *schema = yyjson_val_write(yyjson_obj_get(c, "schema"), YYJSON_WRITE_NOFLAG, &n);
        cli_json_object();
        cli_json_key("name");
        cli_json_cstr(cli_member(c, "name"));
        cli_json_key("schema");
        cli_json_raw(schema == NULL ? "null" : schema, schema == NULL ? 4 : n);
        cli_json_object_end();
        free(schema);
    }
    if (cli_json) {
        cli_json_array_end();
        cli_json_object_end();
        cli_json_end();
    }
    yyjson_doc_free(doc);
    free(text);
    return OMEN_OK;
}

static omen_status confirm(const char *name) {
    char answer[16] = "";
    if (cli_given("force")) return OMEN_OK;
    if (!isatty(STDIN_FILENO)) return cli_fail(OMEN_ERR_INVALID, "dropping \"%.128s\" removes all its records; say so with --force", name);
    fprintf(stderr, "drop the collection \"%s\" with all its records? [y/N] ", name);
    if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y')) return OMEN_OK;
    return cli_fail(OMEN_ERR_CANCELLED, "nothing was dropped");
}

omen_status cli_run_drop(void) {
    omen_db *db;
    const char *name = cli_positional(1);
    CLI_TRY(confirm(name));
    CLI_TRY(cli_database_open(CLI_WRITE, &db));
    CLI_TRY(cli_database_close(db, cli_core(omen_collection_drop(db, (omen_str){name, strlen(name)}))));
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("dropped");
        cli_json_cstr(name);
        cli_json_object_end();
        cli_json_end();
    } else {
        printf("dropped the collection \"%s\"\n", name);
    }
    return OMEN_OK;
}
