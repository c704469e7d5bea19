/* source_jsonl.c - JSON lines: one record a line. Empty lines are left out. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

/* A document, and the longest vectors with generous digits. */
#define TEXT_MAX ((size_t)64 << 20)

typedef struct jsonl {
    cli_source base;
    cli_record_text kept;
    char *line; /* the first one, read ahead; borrowed from the input */
    size_t len;
    bool ahead;
} jsonl;

static omen_status read_line(jsonl *j) {
    do {
        j->base.line++;
        CLI_TRY(cli_input_line(&j->base.in, TEXT_MAX, &j->line, &j->len));
    } while (j->line != NULL && strspn(j->line, " \t\r") == j->len);
    return OMEN_OK;
}

static omen_status next(cli_source *s, cli_record *r, bool *end) {
    jsonl *j = (jsonl *)s;
    if (!j->ahead) CLI_TRY(read_line(j));
    j->ahead = false;
    *end = j->line == NULL;
    if (*end) return OMEN_OK;
    const char *id_field = cli_option("id-field", "id");
    CLI_TRY(cli_record_parse(j->line, j->len, id_field, s->schema, s->vectors, &j->kept, r));
    if (!r->has_id && cli_given("id-field")) return cli_fail(OMEN_ERR_ID, "the record has no \"%.100s\", which --id-field names", id_field);
    return OMEN_OK;
}

/* A line that is too long is a record too. */
static omen_status skip(cli_source *s, bool *end) {
    jsonl *j = (jsonl *)s;
    omen_status status = read_line(j);
    *end = status == OMEN_OK && j->line == NULL;
    return status == OMEN_ERR_TOO_LARGE ? cli_input_discard_line(&s->in) : status;
}

/* The dimensions of the vector in the next line; 0 when there is none. Errors are told when the line is read. */
static uint32_t dimensions_of(const jsonl *j) {
    if (j->line == NULL) return 0;
    yyjson_doc *doc = yyjson_read(j->line, j->len, YYJSON_READ_NOFLAG);
    size_t n = yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(doc), cli_option("field", "vector")));
    yyjson_doc_free(doc);
    return n > UINT32_MAX ? 0 : (uint32_t)n;
}

static omen_status look(cli_source *s) {
    jsonl *j = (jsonl *)s;
    CLI_TRY(read_line(j));
    j->ahead = true;
    s->dimensions = dimensions_of(j);
    return OMEN_OK;
}

static void close_source(cli_source *s) {
    cli_record_text_free(&((jsonl *)s)->kept);
    free(s);
}

omen_status cli_source_jsonl(cli_input *in, cli_source **out) {
    jsonl *j = calloc(1, sizeof *j);
    if (j == NULL) return cli_no_memory();
    j->base.in = *in;
    j->base.next = next;
    j->base.skip = skip;
    j->base.look = look;
    j->base.close = close_source;
    *out = &j->base;
    return OMEN_OK;
}
