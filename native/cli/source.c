/* source.c - what the formats of files coming in have in common. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    const char *endings[3];
    omen_status (*open)(cli_input *in, cli_source **out);
} formats[] = {
    {"fvecs", {".fvecs"}, cli_source_fvecs},
    {"npy", {".npy"}, cli_source_npy},
    {"jsonl", {".jsonl", ".ndjson", ".jsonlines"}, cli_source_jsonl},
    {"csv", {".csv"}, cli_source_csv},
};

const char *cli_format_of(const char *path) {
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (int k = 0; k < 3 && formats[i].endings[k] != NULL; k++) {
            size_t m = strlen(formats[i].endings[k]);
            if (n > m && strcmp(path + n - m, formats[i].endings[k]) == 0) return formats[i].name;
        }
    return NULL;
}

static omen_status leave_out(cli_source *s, uint64_t count) {
    bool end = false;
    for (uint64_t i = 0; i < count && !end; i++) {
        CLI_TRY(s->skip(s, &end));
        s->row += !end;
    }
    return s->look == NULL ? OMEN_OK : s->look(s);
}

omen_status cli_source_open(const char *path, const char *format, cli_source **out) { return cli_source_open_after(path, format, 0, out); }

omen_status cli_source_open_after(const char *path, const char *format, uint64_t skip, cli_source **out) {
    cli_input in;
    if (format == NULL) format = cli_format_of(path);
    if (format == NULL) return cli_fail(OMEN_ERR_INVALID, "the name \"%.200s\" does not tell the format; give --format fvecs, npy, jsonl or csv", path);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, format) != 0) continue;
        CLI_TRY(cli_input_open(&in, path));
        omen_status s = formats[i].open(&in, out);
        if (s == OMEN_OK) {
            s = leave_out(*out, skip);
            if (s == OMEN_OK) return s;
            if ((*out)->line != 0) cli_before("%.200s, line %llu: ", path, (unsigned long long)(*out)->line);
            else cli_before("%.200s: ", path);
            cli_source_close(*out);
            *out = NULL;
            return s;
        }
        cli_before("%.200s: ", path);
        cli_input_close(&in);
        return s;
    }
    return cli_fail(OMEN_ERR_INVALID, "--format is \"%.60s\"; it must be fvecs, npy, jsonl or csv", format);
}

omen_status cli_source_bind(cli_source *s, const omen_schema *schema, uint32_t field) {
    s->schema = schema;
    s->field = field;
    for (uint32_t f = 0; f < schema->vector_count; f++) {
        s->vectors[f] = malloc(cli_width(&schema->vectors[f]) * sizeof(float));
        if (s->vectors[f] == NULL) return cli_no_memory();
    }
    if (s->bind == NULL) return OMEN_OK;
    omen_status status = s->bind(s);
    if (status != OMEN_OK) cli_before("%.200s: ", s->in.path);
    return status;
}

omen_status cli_source_next(cli_source *s, cli_record *r, bool *end) {
    *end = false;
    memset(r, 0, sizeof *r);
    omen_status status = s->next(s, r, end);
    if (status == OMEN_OK) {
        s->row += !*end;
        return status;
    }
    if (s->line != 0) cli_before("%.200s, line %llu: ", s->in.path, (unsigned long long)s->line);
    else cli_before("%.200s, row %llu: ", s->in.path, (unsigned long long)s->row);
    return status;
}

void cli_source_close(cli_source *s) {
    if (s == NULL) return;
    for (uint32_t f = 0; f < OMEN_MAX_VECTOR_FIELDS; f++) free(s->vectors[f]);
    cli_input_close(&s->in);
    s->close(s);
}
