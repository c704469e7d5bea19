/* sink_binary.c - the vectors of one field as fvecs, which knows floats only, or as npy: 8-bit integers as they are, bits as the bytes that hold them. */
#include <string.h>

#include "cli/cli.h"

static omen_status nothing(cli_sink *s) {
    (void)s;
    return OMEN_OK;
}

static void put32(FILE *to, uint32_t n) {
    for (int i = 0; i < 4; i++) fputc((int)(n >> (8 * i) & 255), to);
}

static void put_vector(cli_sink *s, const omen_results *r, size_t i) {
    const float *v = cli_vector_numbers(&s->schema->vectors[s->field], omen_results_vector(r, i, s->field));
    for (uint32_t d = 0; d < cli_width(&s->schema->vectors[s->field]); d++) {
        uint32_t bits;
        memcpy(&bits, &v[d], sizeof bits);
        put32(s->to, bits);
    }
}

static omen_status fvecs_record(cli_sink *s, const omen_results *r, size_t i) {
    put32(s->to, cli_width(&s->schema->vectors[s->field]));
    put_vector(s, r, i);
    return OMEN_OK;
}

const cli_sink cli_sink_fvecs = {.begin = nothing, .record = fvecs_record, .end = nothing};

static const char *descr_of(omen_element e) { return e == OMEN_ELEMENT_I8 ? "|i1" : e == OMEN_ELEMENT_BIT ? "|u1" : "<f4"; }

/* The header says how many rows follow, so they were counted before; it ends at a multiple of 64 bytes. */
static omen_status npy_begin(cli_sink *s) {
    const omen_vector_field *f = &s->schema->vectors[s->field];
    char text[118];
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %u), }", descr_of(f->element), (unsigned long long)s->total, cli_width(f));
    memset(text + n, ' ', sizeof text - (size_t)n);
    text[sizeof text - 1] = '\n';
    fwrite("\x93NUMPY\x01\x00", 1, 8, s->to);
    fputc((int)sizeof text & 255, s->to);
    fputc((int)sizeof text >> 8, s->to);
    fwrite(text, 1, sizeof text, s->to);
    return OMEN_OK;
}

static omen_status npy_record(cli_sink *s, const omen_results *r, size_t i) {
    const omen_vector_field *f = &s->schema->vectors[s->field];
    if (f->element == OMEN_ELEMENT_I8 || f->element == OMEN_ELEMENT_BIT) fwrite(omen_results_vector(r, i, s->field), 1, cli_vector_bytes(f), s->to);
    else put_vector(s, r, i);
    return OMEN_OK;
}

const cli_sink cli_sink_npy = {.begin = npy_begin, .record = npy_record, .end = nothing};
