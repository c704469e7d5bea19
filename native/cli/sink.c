/* sink.c - records written as text: JSON lines and CSV. Both are read back by import to the same records. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static omen_status nothing(cli_sink *s) {
    (void)s;
    return OMEN_OK;
}

static omen_status jsonl_record(cli_sink *s, const omen_results *r, size_t i) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    cli_json_begin(s->to);
    cli_json_object();
    cli_json_key("id");
    cli_json_id(&id);
    for (uint32_t f = 0; f < s->schema->vector_count; f++) {
        char name[OMEN_MAX_NAME + 1];
        snprintf(name, sizeof name, "%.*s", (int)s->schema->vectors[f].name.len, s->schema->vectors[f].name.data);
        cli_json_key(name);
        cli_json_vector(cli_vector_numbers(&s->schema->vectors[f], omen_results_vector(r, i, f)), cli_width(&s->schema->vectors[f]));
    }
    /* The document's members follow. It is an object, and may hold line ends between them. */
    const char *from = document.data, *to = document.data + document.len;
    while (from < to && *from != '{') from++;
    while (to > from && to[-1] != '}') to--;
    size_t len = to - from >= 2 ? (size_t)(to - from) - 2 : 0;
    bool blank = true;
    for (size_t k = 0; k < len; k++) blank = blank && strchr(" \t\r\n", from[1 + k]) != NULL;
    if (!blank) {
        fputc(',', s->to);
        for (size_t k = 0; k < len; k++) fputc(from[1 + k] == '\n' || from[1 + k] == '\r' ? ' ' : from[1 + k], s->to);
    }
    cli_json_object_end();
    cli_json_end();
    return OMEN_OK;
}

const cli_sink cli_sink_jsonl = {.begin = nothing, .record = jsonl_record, .end = nothing};

/* ---- CSV: id, one column for each vector field, document ---- */

static void quoted(FILE *to, const char *text, size_t len) {
    fputc('"', to);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') fputc('"', to);
        fputc(text[i], to);
    }
    fputc('"', to);
}

static omen_status csv_begin(cli_sink *s) {
    fputs("id", s->to);
    for (uint32_t f = 0; f < s->schema->vector_count; f++) fprintf(s->to, ",%.*s", (int)s->schema->vectors[f].name.len, s->schema->vectors[f].name.data);
    fputs(",document\r\n", s->to);
    return OMEN_OK;
}

static omen_status csv_id(FILE *to, const omen_id *id) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return cli_no_memory();
    cli_id_print(f, id);
    if (fclose(f) != 0) return cli_no_memory();
    quoted(to, text, len);
    free(text);
    return OMEN_OK;
}

static omen_status csv_record(cli_sink *s, const omen_results *r, size_t i) {
    omen_id id = omen_results_id(r, i);
    omen_str document = omen_results_document(r, i);
    char number[32];
    if (id.text.data == NULL) fprintf(s->to, "%lld", (long long)id.number);
    else CLI_TRY(csv_id(s->to, &id));
    for (uint32_t f = 0; f < s->schema->vector_count; f++) {
        const float *v = cli_vector_numbers(&s->schema->vectors[f], omen_results_vector(r, i, f));
        for (uint32_t d = 0; d < cli_width(&s->schema->vectors[f]); d++) {
            size_t n = cli_float_text(v[d], number);
            fputs(d == 0 ? ",\"[" : ",", s->to);
            fwrite(number, 1, n, s->to);
        }
        fputs("]\"", s->to);
    }
    fputc(',', s->to);
    if (document.len != 0) quoted(s->to, document.data, document.len);
    fputs("\r\n", s->to);
    return OMEN_OK;
}

const cli_sink cli_sink_csv = {.begin = csv_begin, .record = csv_record, .end = nothing};
