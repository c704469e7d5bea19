/* export.c - export: all records of a collection into a file, page by page. The file gets its name when it is complete. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    const cli_sink *sink;
    bool vectors_only;
} formats[] = {{"jsonl", &cli_sink_jsonl, false}, {"csv", &cli_sink_csv, false}, {"fvecs", &cli_sink_fvecs, true}, {"npy", &cli_sink_npy, true}};

typedef struct target {
    FILE *to;
    const char *path; /* NULL: standard output */
    char *partial;
} target;

static omen_status open_target(target *t, const char *path) {
    memset(t, 0, sizeof *t);
    if (path == NULL || strcmp(path, "-") == 0) {
        t->to = stdout;
        return OMEN_OK;
    }
    if (!cli_given("force") && access(path, F_OK) == 0)
        return cli_fail(OMEN_ERR_EXISTS, "%.300s is there already; choose another name, or overwrite it with --force", path);
    size_t n = strlen(path) + 16;
    t->partial = malloc(n);
    if (t->partial == NULL) return cli_no_memory();
    snprintf(t->partial, n, "%s.partial", path);
    t->path = path;
    t->to = fopen(t->partial, "wbe");
    if (t->to != NULL) return OMEN_OK;
    omen_status s = cli_errno("creating", t->partial);
    free(t->partial);
    t->partial = NULL;
    return s;
}

/* Gives the complete file its name; after a failure nothing is left of it. */
static omen_status close_target(target *t, omen_status s) {
    if (t->partial == NULL) return s;
    errno = 0;
    bool failed = ferror(t->to) != 0;
    if (fflush(t->to) != 0 || (s == OMEN_OK && fsync(fileno(t->to)) != 0)) failed = true;
    int error = errno;
    if (fclose(t->to) != 0 && !failed) failed = true, error = errno;
    if (s == OMEN_OK && failed) {
        errno = error != 0 ? error : ENOSPC; /* what stdio met earlier is not told; a full disk is what it is */
        s = cli_errno("writing", t->path);
    }
    if (s == OMEN_OK && rename(t->partial, t->path) != 0) s = cli_errno("naming", t->path);
    if (s != OMEN_OK) unlink(t->partial);
    free(t->partial);
    return s;
}

static omen_status choose(const char *path, size_t *format) {
    const char *name = cli_option("format", path == NULL || strcmp(path, "-") == 0 ? "jsonl" : cli_format_of(path));
    if (name == NULL) return cli_fail(OMEN_ERR_INVALID, "the name \"%.200s\" does not tell the format; give --format jsonl, csv, fvecs or npy", path);
    for (*format = 0; *format < sizeof formats / sizeof *formats; ++*format)
        if (strcmp(formats[*format].name, name) == 0) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "--format is \"%.60s\"; it must be jsonl, csv, fvecs or npy", name);
}

/* Records a page holds, so that it takes some megabytes. */
static size_t page_size(const omen_schema *schema) {
    size_t bytes = 256;
    for (uint32_t f = 0; f < schema->vector_count; f++) bytes += schema->vectors[f].dimensions * sizeof(float);
    size_t n = CLI_BATCH_BYTES / bytes;
    return n < 1 ? 1 : n > CLI_BATCH ? CLI_BATCH : n;
}

static omen_status write_page(cli_sink *sink, const omen_results *r, FILE *ids) {
    for (size_t i = 0; i < omen_results_count(r); i++) {
        omen_id id = omen_results_id(r, i);
        CLI_TRY(sink->record(sink, r, i));
        if (ids != NULL) {
            cli_id_print(ids, &id);
            fputc('\n', ids);
        }
        sink->rows++;
    }
    if (ferror(sink->to) != 0 || (ids != NULL && ferror(ids) != 0)) return cli_fail(OMEN_ERR_FULL, "the records could not be written; is the disk full?");
    return OMEN_OK;
}

/* The last id of a page, kept while the next one is read. */
static omen_id keep_last(const omen_results *r, char text[OMEN_MAX_ID]) {
    omen_id id = omen_results_id(r, omen_results_count(r) - 1);
    if (id.text.data == NULL) return id;
    memcpy(text, id.text.data, id.text.len);
    id.text.data = text;
    return id;
}

static omen_status transfer(omen_collection *c, omen_str filter, cli_sink *sink, FILE *ids, uint32_t include) {
    char text[OMEN_MAX_ID];
    omen_id after;
    size_t page = page_size(sink->schema);
    while (sink->rows < sink->total) {
        omen_results *r;
        size_t limit = sink->total - sink->rows < page ? (size_t)(sink->total - sink->rows) : page;
        const omen_id *from = sink->rows == 0 ? NULL : &after;
        CLI_TRY(cli_core(filter.len == 0 ? omen_scroll(c, from, limit, include, &r) : omen_scroll_where(c, filter, from, limit, include, &r)));
        size_t got = omen_results_count(r);
        omen_status s = got == 0 ? cli_fail(OMEN_ERR_INTERNAL, "the collection has fewer records than it counts") : write_page(sink, r, ids);
        if (s == OMEN_OK) after = keep_last(r, text);
        omen_results_free(r);
        if (s != OMEN_OK) return s;
        cli_progress(sink->rows, sink->rows);
    }
    return OMEN_OK;
}

static omen_status run(omen_collection *c, size_t format, target *to, target *ids, uint64_t *rows) {
    cli_sink sink = *formats[format].sink;
    uint64_t limit, count;
    omen_str filter;
    CLI_TRY(cli_filter_option(&filter));
    CLI_TRY(cli_option_u64("limit", 1, UINT64_MAX, UINT64_MAX, &limit));
    sink.schema = omen_collection_schema(c);
    if (formats[format].vectors_only) CLI_TRY(cli_field_choose(c, &sink.field));
    CLI_TRY(cli_core(filter.len == 0 ? omen_count(c, &count) : omen_count_where(c, filter, &count))); /* opened for reading only, so it stays */
    CLI_TRY(open_target(to, cli_positional(1)));
    if (cli_given("ids")) CLI_TRY(open_target(ids, cli_option("ids", NULL)));
    sink.total = count < limit ? count : limit;
    sink.to = to->to;
    cli_progress_begin("exporting", sink.total);
    CLI_TRY(sink.begin(&sink));
    CLI_TRY(transfer(c, filter, &sink, ids->to, OMEN_INCLUDE_VECTOR | (formats[format].vectors_only ? 0 : OMEN_INCLUDE_DOCUMENT)));
    *rows = sink.rows;
    return sink.end(&sink);
}

static void report(const char *path, uint64_t rows) {
    if (path == NULL || strcmp(path, "-") == 0) return; /* standard output holds the records */
    if (cli_json) {
        cli_json_begin(stdout);
        cli_json_object();
        cli_json_key("exported");
        cli_json_u64(rows);
        cli_json_key("file");
        cli_json_cstr(path);
        cli_json_object_end();
        cli_json_end();
    } else {
        printf("exported %llu record%s to %s\n", (unsigned long long)rows, rows == 1 ? "" : "s", path);
    }
}

omen_status cli_run_export(void) {
    omen_db *db;
    omen_collection *c = NULL;
    target to = {0}, ids = {0};
    size_t format;
    uint64_t rows = 0;
    CLI_TRY(choose(cli_positional(1), &format));
    CLI_TRY(cli_database_open(CLI_READ, &db));
    omen_status s = cli_collection_open(db, &c);
    if (s == OMEN_OK) s = run(c, format, &to, &ids, &rows);
    s = close_target(&ids, s);
    s = close_target(&to, s);
    cli_progress_end();
    omen_collection_close(c);
    s = cli_database_close(db, s);
    if (s == OMEN_OK) report(cli_positional(1), rows);
    return s;
}
