/* source_fvecs.c - fvecs: each row is its dimension, i32, and as many f32, all little-endian. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static omen_status bind(cli_source *s) {
    const omen_vector_field *f = &s->schema->vectors[s->field];
    if (s->dimensions == cli_width(f) || s->dimensions == 0) return OMEN_OK;
    return cli_fail(OMEN_ERR_DIMENSION, "its vectors have %u dimensions, field \"%.*s\" of the collection has %u", s->dimensions, (int)f->name.len, f->name.data, cli_width(f));
}

static omen_status next(cli_source *s, cli_record *r, bool *end) {
    uint32_t n;
    size_t got;
    CLI_TRY(cli_input_read(&s->in, &n, sizeof n, &got));
    if (got == 0) {
        *end = true;
        return OMEN_OK;
    }
    if (got == sizeof n && n != s->dimensions) return cli_fail(OMEN_ERR_DIMENSION, "the row says %u dimensions, the first one said %u; the file is damaged", n, s->dimensions);
    size_t len = n * sizeof(float);
    if (got == sizeof n) CLI_TRY(cli_input_read(&s->in, s->vectors[s->field], len, &got));
    if (got != len) return cli_fail(OMEN_ERR_INVALID, "the file ends within the row; it is cut off");
    r->vectors[s->field] = s->vectors[s->field];
    r->given = 1u << s->field;
    return OMEN_OK;
}

static omen_status skip(cli_source *s, bool *end) {
    const unsigned char *head;
    size_t got;
    CLI_TRY(cli_input_peek(&s->in, &head, 1, &got));
    *end = got == 0;
    return cli_input_discard(&s->in, 4 + (uint64_t)s->dimensions * 4);
}

static void close_source(cli_source *s) { free(s); }

omen_status cli_source_fvecs(cli_input *in, cli_source **out) {
    const unsigned char *head;
    size_t got;
    uint32_t n = 0;
    CLI_TRY(cli_input_peek(in, &head, sizeof n, &got));
    if (got == sizeof n) memcpy(&n, head, sizeof n);
    if (got != 0 && (n == 0 || n > OMEN_MAX_DIMENSIONS))
        return cli_fail(OMEN_ERR_INVALID, "this is no fvecs file: it begins with a vector of %u dimensions, 1 to %u are possible", n, OMEN_MAX_DIMENSIONS);
    uint64_t row = 4 + (uint64_t)n * 4;
    if (in->size % row != 0)
        return cli_fail(OMEN_ERR_INVALID, "%llu bytes are not a whole number of rows of %u dimensions; the file is cut off or no fvecs file", (unsigned long long)in->size, n);
    cli_source *s = calloc(1, sizeof *s);
    if (s == NULL) return cli_no_memory();
    s->in = *in;
    s->dimensions = n;
    s->rows = n == 0 ? 0 : in->size / row;
    s->next = next;
    s->skip = skip;
    s->bind = bind;
    s->close = close_source;
    *out = s;
    return OMEN_OK;
}
