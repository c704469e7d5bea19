/* output.c - JSON and text on standard output. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

bool cli_json;

#define DEPTH 32

static FILE *to;
static int depth;
static bool any[DEPTH], after_key; /* any: the innermost array or object has a member */

void cli_json_begin(FILE *file) {
    to = file;
    depth = 0;
    any[0] = false;
    after_key = false;
}

void cli_json_end(void) { fputc('\n', to); }

static void before_value(void) {
    if (!after_key && any[depth]) fputc(',', to);
    any[depth] = true;
    after_key = false;
}

static void enter(char c) {
    before_value();
    fputc(c, to);
    if (depth < DEPTH - 1) depth++;
    any[depth] = false;
}

static void leave(char c) {
    fputc(c, to);
    if (depth > 0) depth--;
}

void cli_json_object(void) { enter('{'); }
void cli_json_object_end(void) { leave('}'); }
void cli_json_array(void) { enter('['); }
void cli_json_array_end(void) { leave(']'); }

void cli_json_quote(FILE *file, const char *text, size_t len) {
    fputc('"', file);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') fprintf(file, "\\%c", c);
        else if (c == '\n') fputs("\\n", file);
        else if (c == '\t') fputs("\\t", file);
        else if (c < 0x20 || c == 0x7f) fprintf(file, "\\u%04x", c);
        else fputc(c, file);
    }
    fputc('"', file);
}

void cli_json_key(const char *key) {
    before_value();
    cli_json_quote(to, key, strlen(key));
    fputc(':', to);
    after_key = true;
}

void cli_json_str(const char *text, size_t len) {
    before_value();
    if (cli_utf8_valid(text, len)) {
        cli_json_quote(to, text, len);
        return;
    }
    /* A path may be any bytes; JSON may not. */
    fputc('"', to);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x80 && (unsigned char)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\') fputc(text[i], to);
        else fputs("\\ufffd", to);
    fputc('"', to);
}

void cli_json_cstr(const char *text) { cli_json_str(text, strlen(text)); }

void cli_json_u64(uint64_t n) {
    before_value();
    fprintf(to, "%llu", (unsigned long long)n);
}

void cli_json_bool(bool b) {
    before_value();
    fputs(b ? "true" : "false", to);
}

void cli_json_raw(const char *text, size_t len) {
    before_value();
    fwrite(text, 1, len, to);
}

void cli_json_id(const omen_id *id) {
    if (id->text.data != NULL) {
        cli_json_str(id->text.data, id->text.len);
        return;
    }
    before_value();
    fprintf(to, "%lld", (long long)id->number);
}

void cli_json_float(float f) {
    char text[32];
    before_value();
    fwrite(text, 1, cli_float_text(f, text), to);
}

void cli_json_vector(const float *v, uint32_t dimensions) {
    cli_json_array();
    for (uint32_t i = 0; i < dimensions; i++) cli_json_float(v[i]);
    cli_json_array_end();
}

void cli_print_short(FILE *file, const char *text, size_t len, size_t max) {
    size_t n = len <= max ? len : max;
    while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* not through a character */
    for (size_t i = 0; i < n; i++) fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i], file);
    if (n < len) fputs("...", file);
}

omen_status cli_output_end(void) {
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) != 0) failed = true;
    if (!failed) return OMEN_OK;
    if (errno == EPIPE || errno == 0) return cli_fail(OMEN_ERR_IO, "standard output was closed before all was written");
    return cli_errno("writing", "standard output");
}

void cli_print_bytes(uint64_t n) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    int u = 0;
    for (; value >= 1024 && u < 4; u++) value /= 1024;
    printf(u == 0 ? "%.0f %s" : "%.1f %s", value, units[u]);
}
