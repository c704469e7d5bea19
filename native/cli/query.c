/* query.c - filters, and what a search may ask for besides a vector: options of the command line as the JSON object of docs/QUERIES.md. What they mean is checked by the
 * core; here only that numbers are numbers and that JSON is JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

omen_status cli_filter_option(omen_str *out) {
    const char *text = cli_option("filter", NULL);
    *out = (omen_str){"", 0};
    if (text == NULL) return OMEN_OK;
    if (text[strspn(text, " \t\r\n")] == '\0')
        return cli_fail(OMEN_ERR_INVALID, "--filter is empty; leave it out to take every record, or write it as 'year >= 2020' or '{\"year\": {\"$gte\": 2020}}'");
    *out = (omen_str){text, strlen(text)};
    return OMEN_OK;
}

static omen_status number_of(const char *name, const char *text, double *out) {
    char *end = NULL;
    *out = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*out)) return cli_fail(OMEN_ERR_INVALID, "--%s is \"%.60s\"; it must be a number", name, text);
    return OMEN_OK;
}

static void put_number(double d) {
    char text[40];
    int n = snprintf(text, sizeof text, "%.17g", d);
    cli_json_raw(text, (size_t)n);
}

/* A member that is a number. */
static omen_status put_number_option(const char *name, const char *member) {
    const char *text = cli_option(name, NULL);
    double d;
    if (text == NULL) return OMEN_OK;
    CLI_TRY(number_of(name, text, &d));
    cli_json_key(member);
    put_number(d);
    return OMEN_OK;
}

static void put_text_option(const char *name, const char *member) {
    const char *text = cli_option(name, NULL);
    if (text == NULL) return;
    cli_json_key(member);
    cli_json_cstr(text);
}

/* JSON as it was given: an object, or an array where that is right too. */
static omen_status put_json(const char *name, const char *text, const char *form) {
    yyjson_read_err error;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, strlen(text), YYJSON_READ_NOFLAG, NULL, &error);
    if (doc == NULL) return cli_fail(OMEN_ERR_JSON, "--%s is no JSON (%s at byte %zu); write it as %s", name, error.msg, error.pos, form);
    yyjson_doc_free(doc);
    cli_json_raw(text, strlen(text));
    return OMEN_OK;
}

/* JSON as it was given, or, of "@FILE", what stands in the file: several vectors may be longer than an argument can be. */
static omen_status put_json_or_file(const char *name, const char *text, const char *form) {
    if (text[0] != '@') return put_json(name, text, form);
    FILE *f = fopen(text + 1, "rb");
    if (f == NULL) return cli_fail(OMEN_ERR_IO, "--%s: the file %.200s cannot be opened", name, text + 1);
    char *content = NULL, piece[4096];
    size_t len = 0, n;
    FILE *to = open_memstream(&content, &len);
    if (to != NULL) {
        while ((n = fread(piece, 1, sizeof piece, f)) != 0) fwrite(piece, 1, n, to);
        if (fclose(to) != 0) len = 0;
    }
    bool bad = ferror(f) != 0;
    fclose(f);
    omen_status s = to == NULL ? cli_no_memory() : bad ? cli_fail(OMEN_ERR_IO, "--%s: the file %.200s cannot be read", name, text + 1) : put_json(name, content, form);
    free(content);
    return s;
}

/* One part of a list "a,b": its length; *text moves behind it. */
static size_t part(const char **text, const char **at) {
    size_t n = strcspn(*text, ",");
    *at = *text;
    *text += n + ((*text)[n] == ',');
    return n;
}

static void put_list(const char *text) {
    const char *at;
    cli_json_array();
    while (*text != '\0') {
        size_t n = part(&text, &at);
        if (n != 0) cli_json_str(at, n);
    }
    cli_json_array_end();
}

/* "title:2,body" or "text=2,title=1": names and numbers; `otherwise` where one has none. */
static omen_status put_weights(const char *name, const char *text, char sign, const char *otherwise) {
    const char *at;
    cli_json_object();
    while (*text != '\0') {
        char key[256], number[64];
        double d;
        size_t n = part(&text, &at);
        const char *mark = NULL; /* names have dots, so the last sign counts */
        for (size_t i = 0; i < n; i++)
            if (at[i] == sign) mark = at + i;
        size_t len = mark == NULL ? n : (size_t)(mark - at);
        if (len == 0 || len >= sizeof key || n - len > sizeof number || (mark == NULL && otherwise == NULL))
            return cli_fail(OMEN_ERR_INVALID, "--%s has \"%.*s\"; write it as NAME%cNUMBER, separated by commas", name, (int)(n < 60 ? n : 60), at, sign);
        snprintf(key, sizeof key, "%.*s", (int)len, at);
        snprintf(number, sizeof number, "%.*s", mark == NULL ? 0 : (int)(n - len - 1), mark == NULL ? "" : mark + 1);
        CLI_TRY(number_of(name, mark == NULL ? otherwise : number, &d));
        cli_json_key(key);
        put_number(d);
    }
    cli_json_object_end();
    return OMEN_OK;
}

static omen_status put_text(void) {
    const char *fields = cli_option("text-fields", NULL), *mode = cli_option("operator", NULL);
    if (!cli_given("text")) {
        if (fields != NULL || mode != NULL || cli_given("typos") || cli_given("no-typos") || cli_given("prefix"))
            return cli_fail(OMEN_ERR_INVALID, "--text-fields, --operator, --typos and --prefix say how words are found; give the words with --text");
        return OMEN_OK;
    }
    cli_json_key("text");
    cli_json_object();
    put_text_option("text", "query");
    if (fields != NULL) {
        cli_json_key("fields");
        if (strchr(fields, ':') == NULL) put_list(fields);
        else CLI_TRY(put_weights("text-fields", fields, ':', "1"));
    }
    put_text_option("operator", "operator");
    if (cli_given("typos") && cli_given("no-typos")) return cli_fail(OMEN_ERR_INVALID, "--typos and --no-typos contradict each other; give one");
    if (cli_given("typos") || cli_given("no-typos")) {
        cli_json_key("typos");
        cli_json_bool(cli_given("typos"));
    }
    if (cli_given("prefix")) {
        cli_json_key("prefix");
        cli_json_bool(true);
    }
    cli_json_object_end();
    return OMEN_OK;
}

static omen_status put_ids(const char *name) {
    const char *text;
    if (!cli_given(name)) return OMEN_OK;
    cli_json_key(name);
    cli_json_array();
    for (size_t i = 0; (text = cli_option_at(name, i)) != NULL; i++) {
        omen_id id;
        char *scratch = malloc(strlen(text) + 1);
        if (scratch == NULL) return cli_no_memory();
        omen_status s = cli_id_parse(text, strlen(text), scratch, &id);
        if (s == OMEN_OK) cli_json_id(&id);
        free(scratch);
        CLI_TRY(s);
    }
    cli_json_array_end();
    return OMEN_OK;
}

static omen_status put_recommend(void) {
    if (!cli_given("positive") && !cli_given("negative")) {
        if (cli_given("like-by")) return cli_fail(OMEN_ERR_INVALID, "--like-by says how examples count; give them with --positive ID and --negative ID");
        if (cli_given("like-field")) return cli_fail(OMEN_ERR_INVALID, "--like-field says how examples are compared; give them with --positive ID and --negative ID");
        return OMEN_OK;
    }
    cli_json_key("recommend");
    cli_json_object();
    CLI_TRY(put_ids("positive"));
    CLI_TRY(put_ids("negative"));
    if (cli_given("like-field")) put_text_option("like-field", "field");
    else if (!cli_given("vector") && !cli_given("vector-file") && !cli_given("id")) put_text_option("field", "field");
    put_text_option("like-by", "strategy");
    cli_json_object_end();
    return OMEN_OK;
}

#define SEVERAL "'{\"field\": \"tokens\", \"vectors\": [[0.1, 0.2], [0.3, 0.4]]}', or as @FILE"

/* Members of an object that one option begins: the others need it. */
static omen_status needs(const char *first, const char *other) {
    if (cli_given(first) || !cli_given(other)) return OMEN_OK;
    return cli_fail(OMEN_ERR_INVALID, "--%s goes with --%s; give that too", other, first);
}

static omen_status put_later(void) {
    CLI_TRY(needs("rerank", "rerank-candidates"));
    CLI_TRY(needs("mmr", "mmr-candidates"));
    CLI_TRY(needs("group-by", "group-size"));
    CLI_TRY(needs("group-by", "group-missing"));
    if (cli_given("mmr")) {
        cli_json_key("mmr");
        cli_json_object();
        CLI_TRY(put_number_option("mmr", "lambda"));
        CLI_TRY(put_number_option("mmr-candidates", "candidates"));
        cli_json_object_end();
    }
    if (cli_given("rerank")) {
        cli_json_key("rerank");
        cli_json_object();
        cli_json_key("multi");
        CLI_TRY(put_json_or_file("rerank", cli_option("rerank", ""), SEVERAL));
        CLI_TRY(put_number_option("rerank-candidates", "candidates"));
        cli_json_object_end();
    }
    if (cli_given("group-by")) {
        cli_json_key("groupBy");
        cli_json_object();
        put_text_option("group-by", "path");
        CLI_TRY(put_number_option("group-size", "size"));
        put_text_option("group-missing", "missing");
        cli_json_object_end();
    }
    CLI_TRY(needs("order-by", "descending"));
    if (cli_given("order-by")) {
        cli_json_key("orderBy");
        cli_json_object();
        put_text_option("order-by", "path");
        if (cli_given("descending")) {
            cli_json_key("direction");
            cli_json_cstr("desc");
        }
        cli_json_object_end();
    }
    const char *facets = cli_option("facets", NULL);
    if (facets != NULL) {
        cli_json_key("facets");
        if (facets[0] == '{' || facets[0] == '[') CLI_TRY(put_json("facets", facets, "NAMES or '{\"price\": {\"stats\": true}}'"));
        else put_list(facets);
    }
    if (!cli_given("highlight") && !cli_given("highlight-fields") && !cli_given("highlight-length") && !cli_given("highlight-fragments")) return OMEN_OK;
    cli_json_key("highlight");
    cli_json_object();
    if (cli_given("highlight-fields")) {
        cli_json_key("fields");
        put_list(cli_option("highlight-fields", ""));
    }
    CLI_TRY(put_number_option("highlight-length", "length"));
    CLI_TRY(put_number_option("highlight-fragments", "fragments"));
    cli_json_object_end();
    return OMEN_OK;
}

static omen_status put_all(void) {
    CLI_TRY(put_text());
    const char *sparse = cli_option("sparse", NULL), *weights = cli_option("weights", NULL);
    if (sparse != NULL) {
        cli_json_key("sparse");
        CLI_TRY(put_json("sparse", sparse, "'{\"field\": \"terms\", \"indices\": [3, 17], \"values\": [0.5, 1.25]}'"));
    }
    if (cli_given("multi")) {
        cli_json_key("multi");
        CLI_TRY(put_json_or_file("multi", cli_option("multi", ""), SEVERAL));
    }
    CLI_TRY(put_recommend());
    put_text_option("fusion", "fusion");
    CLI_TRY(put_number_option("alpha", "alpha"));
    CLI_TRY(put_number_option("rrf-k", "rrfK"));
    if (weights != NULL) {
        cli_json_key("weights");
        CLI_TRY(put_weights("weights", weights, '=', NULL));
    }
    CLI_TRY(put_number_option("max-distance", "maxDistance"));
    CLI_TRY(put_number_option("min-score", "minScore"));
    put_text_option("plan", "plan");
    CLI_TRY(put_number_option("deadline-ms", "deadlineMs"));
    return put_later();
}

bool cli_query_has_leg(void) { return cli_given("text") || cli_given("sparse") || cli_given("multi") || cli_given("positive") || cli_given("negative") || cli_given("order-by"); }

omen_status cli_query_options(char **text, size_t *len) {
    FILE *to = open_memstream(text, len);
    if (to == NULL) return cli_no_memory();
    cli_json_begin(to);
    cli_json_object();
    omen_status s = put_all();
    cli_json_object_end();
    if (fclose(to) != 0 && s == OMEN_OK) s = cli_no_memory();
    return s;
}
