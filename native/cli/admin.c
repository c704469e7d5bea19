/* admin.c - flush, compact, check, stats, metrics. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

static void say_ok(const char *text) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("ok");
        cli_json_bool(true);
        cli_json_object_end();
        cli_json_end();
    } else {
        puts(text);
    }
}

static omen_status whole(cli_access access, omen_status (*work)(omen_db *), const char *done) {
    omen_db *db;
    CLI_TRY(cli_database_open(access, &db));
    CLI_TRY(cli_database_close(db, cli_core(work(db))));
    say_ok(done);
    return OMEN_OK;
}

omen_status cli_run_flush(void) { return whole(CLI_WRITE, omen_flush, "flushed"); }
omen_status cli_run_compact(void) { return whole(CLI_WRITE, omen_compact, "compacted"); }

static uint64_t number(yyjson_val *object, const char *key) { return yyjson_get_uint(yyjson_obj_get(object, key)); }

static void print_line(const char *name) { printf("%-14s ", name); }

static void print_collection(yyjson_val *c, uint64_t records) {
    yyjson_val *fields = yyjson_obj_get(yyjson_obj_get(c, "schema"), "vectors"), *memory = yyjson_obj_get(c, "memory"), *segments = yyjson_obj_get(c, "segments"), *v;
    yyjson_arr_iter it;
    uint64_t bytes = 0, deleted = 0, indexes = 0;
    printf("\ncollection \"%s\"\n", cli_member(c, "name"));
    yyjson_arr_iter_init(fields, &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) {
        const char *name = cli_member(v, "name"), *metric = cli_member(v, "metric");
        print_line("  vector");
        printf("%s, %llu dimensions, %s, %s, index %s\n", name, (unsigned long long)number(v, "dimensions"), metric, cli_member(v, "element"),
               cli_member(yyjson_obj_get(v, "index"), "kind"));
    }
    yyjson_arr_iter_init(segments, &it);
    while ((v = yyjson_arr_iter_next(&it)) != NULL) bytes += number(v, "bytes"), deleted += number(v, "deletedRows"), indexes += yyjson_arr_size(yyjson_obj_get(v, "indexes"));
    print_line("  records");
    printf("%llu\n", (unsigned long long)records);
    print_line("  in memory");
    printf("%llu changes, ", (unsigned long long)number(memory, "entries"));
    cli_print_bytes(number(memory, "bytes"));
    putchar('\n');
    print_line("  segments");
    printf("%zu, ", yyjson_arr_size(segments));
    cli_print_bytes(bytes);
    printf(", %llu replaced or deleted rows\n", (unsigned long long)deleted);
    print_line("  indexes");
    printf("%llu\n", (unsigned long long)indexes);
}

static omen_status count_records(omen_db *db, const char *name, uint64_t *records) {
    omen_collection *c;
    CLI_TRY(cli_core(omen_collection_open(db, (omen_str){name, strlen(name)}, NULL, &c)));
    omen_status s = cli_core(omen_count(c, records));
    omen_collection_close(c);
    return s;
}

static omen_status print_stats(omen_db *db, const char *text, size_t len) {
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_raw(text, len);
        cli_json_end();
        return OMEN_OK;
    }
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc), *c;
    omen_status s = OMEN_OK;
    print_line("database");
    printf("%s\n", cli_member(root, "databaseId"));
    print_line("version");
    printf("%s, file format %llu, kernels %s\n", omen_version(), (unsigned long long)number(root, "format"), omen_kernels_name());
    print_line("memory");
    cli_print_bytes(number(root, "memoryBytes"));
    printf(" (peak ");
    cli_print_bytes(number(root, "memoryPeakBytes"));
    puts(")");
    yyjson_arr_iter it;
    yyjson_arr_iter_init(yyjson_obj_get(root, "collections"), &it);
    while (s == OMEN_OK && (c = yyjson_arr_iter_next(&it)) != NULL) {
        uint64_t records;
        s = count_records(db, cli_member(c, "name"), &records);
        if (s == OMEN_OK) print_collection(c, records);
    }
    yyjson_doc_free(doc);
    return s;
}

omen_status cli_run_stats(void) {
    omen_db *db;
    char *text = NULL;
    size_t len;
    CLI_TRY(cli_database_open(CLI_READ, &db));
    omen_status s = cli_stats_text(db, &text, &len);
    if (s == OMEN_OK) s = print_stats(db, text, len);
    free(text);
    return cli_database_close(db, s);
}

/* The labels of --label as a JSON object. */
static omen_status read_labels(yyjson_mut_doc *doc, char **text, size_t *len) {
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    const char *label;
    yyjson_mut_doc_set_root(doc, object);
    for (size_t i = 0; (label = cli_option_at("label", i)) != NULL; i++) {
        const char *equal = strchr(label, '=');
        if (equal == NULL || equal == label) return cli_fail(OMEN_ERR_INVALID, "--label \"%.60s\" is not NAME=VALUE", label);
        yyjson_mut_obj_add(object, yyjson_mut_strn(doc, label, (size_t)(equal - label)), yyjson_mut_str(doc, equal + 1));
    }
    *text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, len);
    return *text == NULL ? cli_fail(OMEN_ERR_INVALID, "a --label is no UTF-8") : OMEN_OK;
}

static omen_status print_metrics(omen_db *db, omen_str labels) {
    omen_metrics_format format = cli_given("prometheus") ? OMEN_METRICS_PROMETHEUS : OMEN_METRICS_JSON;
    size_t len = 0;
    CLI_TRY(cli_core(omen_metrics(db, format, labels, NULL, 0, &len)));
    size_t capacity = len + 4096; /* numbers may have grown meanwhile */
    char *text = malloc(capacity);
    if (text == NULL) return cli_no_memory();
    omen_status s = cli_core(omen_metrics(db, format, labels, text, capacity, &len));
    if (s == OMEN_OK && len >= capacity) len = capacity - 1;
    if (s == OMEN_OK) {
        fwrite(text, 1, len, stdout);
        if (len == 0 || text[len - 1] != '\n') putchar('\n');
    }
    free(text);
    return s;
}

omen_status cli_run_metrics(void) {
    omen_db *db;
    char *labels = NULL;
    size_t len = 0;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc == NULL) return cli_no_memory();
    omen_status s = read_labels(doc, &labels, &len);
    if (s == OMEN_OK) s = cli_database_open(CLI_READ, &db);
    if (s == OMEN_OK) s = cli_database_close(db, print_metrics(db, (omen_str){labels, len}));
    free(labels);
    yyjson_mut_doc_free(doc);
    return s;
}
