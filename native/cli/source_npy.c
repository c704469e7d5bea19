/* source_npy.c - NumPy's npy format, versions 1 to 3 (numpy.lib.format): two-dimensional, C order, little-endian numbers.
 *
 *   offset  size      field
 *   0       6         0x93 "NUMPY"
 *   6       2         version: major, minor
 *   8       2 or 4    length of the header (u16 in version 1, u32 after)
 *   then    length    {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 128), }   a Python literal, padded with blanks
 *   then              rows x dimensions numbers
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define HEADER_MAX 65536u

typedef struct npy {
    cli_source base;
    char kind;      /* f, i, u */
    unsigned width; /* bytes of a number */
    uint64_t left;
    unsigned char *row;
} npy;

static uint64_t get(const unsigned char *p, unsigned width) {
    uint64_t v = 0;
    for (unsigned i = 0; i < width; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* IEEE 754 half precision; every value is exact in f32. */
static float from_half(uint32_t h) {
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ffu, bits;
    float f;
    if (exponent == 0) {
        f = (float)fraction / 16777216.0f; /* 2^-24 */
        memcpy(&bits, &f, sizeof bits);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float convert(const npy *n, const unsigned char *p) {
    uint64_t bits = get(p, n->width);
    float f;
    double d;
    if (n->kind == 'f' && n->width == 2) return from_half((uint32_t)bits);
    if (n->kind == 'f' && n->width == 4) {
        uint32_t b = (uint32_t)bits;
        memcpy(&f, &b, sizeof f);
        return f;
    }
    if (n->kind == 'f') {
        memcpy(&d, &bits, sizeof d);
        return (float)d;
    }
    if (n->kind == 'u') return (float)bits;
    unsigned unused = 64 - 8 * n->width;
    return (float)((int64_t)(bits << unused) >> unused);
}

static omen_status leave_out(cli_source *s, bool *end) {
    npy *n = (npy *)s;
    *end = n->left == 0;
    if (*end) return OMEN_OK;
    n->left--;
    return cli_input_discard(&s->in, (uint64_t)s->dimensions * n->width);
}

static omen_status next(cli_source *s, cli_record *r, bool *end) {
    npy *n = (npy *)s;
    size_t len = (size_t)s->dimensions * n->width, got;
    *end = n->left == 0;
    if (*end) return OMEN_OK;
    CLI_TRY(cli_input_read(&s->in, n->row, len, &got));
    if (got != len) return cli_fail(OMEN_ERR_INVALID, "the file ends within the row; it is cut off");
    for (uint32_t i = 0; i < s->dimensions; i++) s->vectors[s->field][i] = convert(n, n->row + (size_t)i * n->width);
    n->left--;
    r->vectors[s->field] = s->vectors[s->field];
    r->given = 1u << s->field;
    return OMEN_OK;
}

static omen_status bind(cli_source *s) {
    const omen_vector_field *f = &s->schema->vectors[s->field];
    if (s->dimensions == cli_width(f)) return OMEN_OK;
    return cli_fail(OMEN_ERR_DIMENSION, "its rows have %u dimensions, field \"%.*s\" of the collection has %u", s->dimensions, (int)f->name.len, f->name.data, cli_width(f));
}

static void close_source(cli_source *s) {
    free(((npy *)s)->row);
    free(s);
}

/* ---- the header ---- */

static const char *skip(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

/* 'text' or "text"; NULL when there is none. */
static const char *read_quoted(const char *p, char *into, size_t capacity) {
    char quote = *p;
    size_t n = 0;
    if (quote != '\'' && quote != '"') return NULL;
    for (p++; *p != quote; p++) {
        if (*p == '\0' || n + 1 == capacity) return NULL;
        into[n++] = *p;
    }
    into[n] = '\0';
    return p + 1;
}

static const char *read_number(const char *p, uint64_t *out) {
    *out = 0;
    if (*p < '0' || *p > '9') return NULL;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, (uint64_t)(*p - '0'), out)) return NULL;
    if (*p == 'L') p++; /* Python 2 */
    return p;
}

typedef struct header {
    char descr[16];
    int fortran; /* -1: not said */
    uint64_t shape[2];
    unsigned axes;
    bool shaped;
} header;

static const char *read_shape(const char *p, header *h) {
    if (*p++ != '(') return NULL;
    for (p = skip(p); *p != ')';) {
        uint64_t n;
        if ((p = read_number(p, &n)) == NULL) return NULL;
        if (h->axes < 2) h->shape[h->axes] = n;
        h->axes++;
        p = skip(p);
        if (*p == ',') p = skip(p + 1);
        else if (*p != ')') return NULL;
    }
    h->shaped = true;
    return p + 1;
}

static const char *read_member(const char *p, header *h) {
    char key[32];
    if ((p = read_quoted(p, key, sizeof key)) == NULL) return NULL;
    p = skip(p);
    if (*p++ != ':') return NULL;
    p = skip(p);
    if (strcmp(key, "descr") == 0) return read_quoted(p, h->descr, sizeof h->descr);
    if (strcmp(key, "shape") == 0) return read_shape(p, h);
    if (strcmp(key, "fortran_order") != 0) return NULL;
    h->fortran = strncmp(p, "True", 4) == 0;
    return h->fortran ? p + 4 : strncmp(p, "False", 5) == 0 ? p + 5 : NULL;
}

static bool read_header(const char *p, header *h) {
    p = skip(p);
    if (*p++ != '{') return false;
    for (p = skip(p); *p != '}';) {
        if ((p = read_member(p, h)) == NULL) return false;
        p = skip(p);
        if (*p == ',') p = skip(p + 1);
        else if (*p != '}') return false;
    }
    return *skip(p + 1) == '\0' && h->descr[0] != '\0' && h->fortran >= 0 && h->shaped;
}

static omen_status understand(const header *h, npy *n) {
    const char *d = h->descr;
    if (d[0] == '>') return cli_fail(OMEN_ERR_INVALID, "its numbers are big-endian (%s); save it with .astype('<f4')", d);
    bool good = (d[0] == '<' || d[0] == '|' || d[0] == '=') && (d[1] == 'f' || d[1] == 'i' || d[1] == 'u') && strlen(d) == 3;
    n->kind = d[1];
    n->width = good ? (unsigned)(d[2] - '0') : 0;
    if (n->width != 1 && n->width != 2 && n->width != 4 && n->width != 8) good = false;
    if (!good || (n->kind == 'f' && n->width == 1))
        return cli_fail(OMEN_ERR_INVALID, "its numbers are of type %s; floats of 2, 4, 8 and integers of 1 to 8 bytes can be read: save it with .astype('<f4')", d);
    if (h->axes != 2) return cli_fail(OMEN_ERR_INVALID, "the array has %u axes; it must have two, rows and dimensions", h->axes);
    if (h->fortran && h->shape[0] > 1 && h->shape[1] > 1)
        return cli_fail(OMEN_ERR_INVALID, "the array is in Fortran order; save it with numpy.ascontiguousarray(a)");
    if (h->shape[1] == 0 || h->shape[1] > OMEN_MAX_DIMENSIONS)
        return cli_fail(OMEN_ERR_DIMENSION, "its rows have %llu dimensions; 1 to %u are possible", (unsigned long long)h->shape[1], OMEN_MAX_DIMENSIONS);
    n->base.dimensions = (uint32_t)h->shape[1];
    n->base.rows = n->left = h->shape[0];
    return OMEN_OK;
}

static omen_status not_npy(void) { return cli_fail(OMEN_ERR_INVALID, "this is no npy file; write one with numpy.save"); }

static omen_status open_npy(cli_input *in, npy *n) {
    unsigned char head[12];
    size_t got, prefix;
    char *text;
    header h = {.fortran = -1};
    CLI_TRY(cli_input_read(in, head, 8, &got));
    if (got != 8 || memcmp(head, "\x93NUMPY", 6) != 0) return not_npy();
    if (head[6] < 1 || head[6] > 3) return cli_fail(OMEN_ERR_INVALID, "npy version %u is not known; 1 to 3 are", head[6]);
    prefix = head[6] == 1 ? 2 : 4;
    CLI_TRY(cli_input_read(in, head + 8, prefix, &got));
    uint64_t len = get(head + 8, (unsigned)prefix);
    if (got != prefix || len > HEADER_MAX) return not_npy();
    text = malloc(len + 1);
    if (text == NULL) return cli_no_memory();
    omen_status s = cli_input_read(in, text, len, &got);
    text[len] = '\0';
    if (s == OMEN_OK && (got != len || strlen(text) != len || !read_header(text, &h))) s = cli_fail(OMEN_ERR_INVALID, "the header of the npy file is damaged");
    free(text);
    if (s == OMEN_OK) s = understand(&h, n);
    if (s != OMEN_OK) return s;
    uint64_t bytes, row = (uint64_t)n->base.dimensions * n->width;
    if (__builtin_mul_overflow(row, n->left, &bytes) || (in->size != 0 && in->size - in->offset < bytes))
        return cli_fail(OMEN_ERR_INVALID, "its header says %llu rows of %u dimensions, and the file is too short for them; it is cut off", (unsigned long long)n->left, n->base.dimensions);
    n->row = malloc(row);
    return n->row == NULL ? cli_no_memory() : OMEN_OK;
}

omen_status cli_source_npy(cli_input *in, cli_source **out) {
    npy *n = calloc(1, sizeof *n);
    if (n == NULL) return cli_no_memory();
    omen_status s = open_npy(in, n);
    if (s != OMEN_OK) {
        free(n);
        return s;
    }
    n->base.in = *in;
    n->base.next = next;
    n->base.skip = leave_out;
    n->base.bind = bind;
    n->base.close = close_source;
    *out = &n->base;
    return OMEN_OK;
}
