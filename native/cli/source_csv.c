/* source_csv.c - CSV (RFC 4180): a header line; cells in quotes may hold commas, quotes ("") and line ends. Rows end in LF or CRLF.
 *
 * A column is the id (--id-field), a vector as a JSON array (named like a vector field), one number of a vector (--vector-columns), a JSON object
 * of metadata ("document"), or a key of the metadata. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

#define ROW_MAX ((size_t)64 << 20)
#define COLUMNS_MAX 200000u

typedef struct cell { size_t at, len; } cell; /* in the text of the row */

typedef enum role { DATA, ID, VECTOR, NUMBER, DOCUMENT } role;

typedef struct column {
    role role;
    uint32_t index; /* VECTOR: the field; NUMBER: the place in the vector */
    char *key;      /* DATA: the key in quotes, and a colon */
    char *name;
} column;

typedef struct csv {
    cli_source base;
    char *text; /* the row's cells, one after the other, each ended by a NUL */
    size_t len, capacity;
    cell *cells;
    size_t count, cell_capacity;
    column *columns;
    size_t column_count;
    bool ahead, strings, has_id, numbers; /* numbers: the vector lies in numbered columns */
    uint64_t at_line; /* where the next row begins */
    char *document, *id;
    size_t document_len, document_capacity;
} csv;

/* ---- rows ---- */

static omen_status put(csv *c, char byte) {
    if (c->len == c->capacity) {
        if (c->len >= ROW_MAX) return cli_fail(OMEN_ERR_TOO_LARGE, "the row is larger than %zu bytes; is a quote missing?", ROW_MAX);
        size_t capacity = c->capacity == 0 ? 4096 : c->capacity * 2;
        char *text = realloc(c->text, capacity);
        if (text == NULL) return cli_no_memory();
        c->text = text;
        c->capacity = capacity;
    }
    c->text[c->len++] = byte;
    return OMEN_OK;
}

static omen_status end_cell(csv *c, size_t from) {
    if (c->count == c->cell_capacity) {
        if (c->count == COLUMNS_MAX) return cli_fail(OMEN_ERR_TOO_LARGE, "the row has more than %u cells", COLUMNS_MAX);
        size_t capacity = c->cell_capacity == 0 ? 16 : c->cell_capacity * 2;
        cell *cells = realloc(c->cells, capacity * sizeof *cells);
        if (cells == NULL) return cli_no_memory();
        c->cells = cells;
        c->cell_capacity = capacity;
    }
    c->cells[c->count++] = (cell){from, c->len - from};
    return put(c, '\0');
}

/* The inside of a cell in quotes; its opening quote is read. *next is the byte behind the closing one. */
static omen_status read_quoted(csv *c, int *next) {
    for (;;) {
        int b = cli_input_byte(&c->base.in);
        if (b == -2) return OMEN_ERR_IO;
        if (b == -1) return cli_fail(OMEN_ERR_INVALID, "the file ends within a cell in quotes; its closing quote is missing");
        if (b == '\n') c->at_line++;
        if (b != '"') {
            CLI_TRY(put(c, (char)b));
            continue;
        }
        b = cli_input_byte(&c->base.in);
        if (b == -2) return OMEN_ERR_IO;
        if (b == '"') {
            CLI_TRY(put(c, '"'));
            continue;
        }
        *next = b;
        return OMEN_OK;
    }
}

static bool ends_cell(int b) { return b == ',' || b == '\n' || b == '\r' || b == -1; }

/* One row. *end: there is none. */
static omen_status read_row(csv *c, bool *end) {
    c->len = c->count = 0;
    c->base.line = ++c->at_line;
    int b = cli_input_byte(&c->base.in);
    *end = b == -1;
    while (b != -1) {
        size_t from = c->len;
        if (b == '"') {
            CLI_TRY(read_quoted(c, &b));
            if (!ends_cell(b)) return cli_fail(OMEN_ERR_INVALID, "a cell goes on behind its closing quote; a quote inside of a cell is written twice");
        } else {
            for (; !ends_cell(b); b = cli_input_byte(&c->base.in)) {
                if (b == -2) return OMEN_ERR_IO;
                if (b == '"') return cli_fail(OMEN_ERR_INVALID, "a quote stands inside of a cell without quotes; put the cell in quotes and write the quote twice");
                CLI_TRY(put(c, (char)b));
            }
        }
        if (b == '\r') {
            b = cli_input_byte(&c->base.in);
            if (b == -2) return OMEN_ERR_IO;
            if (b != '\n' && b != -1) return cli_fail(OMEN_ERR_INVALID, "a carriage return stands alone; rows end in a line feed, or both");
        }
        CLI_TRY(end_cell(c, from));
        if (b == '\n' || b == -1) break;
        if (b == -2) return OMEN_ERR_IO;
        b = cli_input_byte(&c->base.in);
        if (b == -1) return end_cell(c, c->len); /* an empty last cell */
    }
    return OMEN_OK;
}

/* The next row that is not empty. */
static omen_status next_row(csv *c, bool *end) {
    do CLI_TRY(read_row(c, end));
    while (!*end && c->count == 1 && c->cells[0].len == 0 && c->column_count != 1);
    return OMEN_OK;
}

/* ---- the header ---- */

/* prefix0, prefix1, ...: the number behind the prefix; -1 when it is none. */
static int64_t number_of(const char *name, const char *prefix) {
    size_t n = strlen(prefix);
    int64_t v;
    return strncmp(name, prefix, n) == 0 && cli_int_parse(name + n, strlen(name + n), &v) ? v : -1;
}

static const char *prefix_of(void) { return cli_option("vector-columns", "v"); }

static column *find(csv *c, const char *name) {
    for (size_t i = 0; i < c->column_count; i++)
        if (strcmp(c->columns[i].name, name) == 0) return &c->columns[i];
    return NULL;
}

static omen_status read_header(csv *c) {
    bool end;
    const unsigned char *bom;
    size_t got;
    CLI_TRY(cli_input_peek(&c->base.in, &bom, 3, &got));
    if (got == 3 && memcmp(bom, "\xef\xbb\xbf", 3) == 0)
        for (int i = 0; i < 3; i++) cli_input_byte(&c->base.in);
    CLI_TRY(read_row(c, &end));
    if (end) return cli_fail(OMEN_ERR_INVALID, "the file is empty; a CSV file begins with the names of its columns");
    c->columns = calloc(c->count, sizeof *c->columns);
    if (c->columns == NULL) return cli_no_memory();
    for (size_t i = 0; i < c->count; i++) {
        const char *name = c->text + c->cells[i].at;
        if (strlen(name) != c->cells[i].len || !cli_utf8_valid(name, c->cells[i].len))
            return cli_fail(OMEN_ERR_INVALID, "the name of column %zu is no UTF-8; this is no CSV file, or it has another encoding", i + 1);
        if (find(c, name) != NULL) return cli_fail(OMEN_ERR_INVALID, "two columns are named \"%.100s\"; rename one", name);
        c->columns[i].name = strdup(name);
        if (c->columns[i].name == NULL) return cli_no_memory();
        c->column_count = i + 1;
    }
    return OMEN_OK;
}

/* How many numbered columns there are; they must be 0 to n - 1. */
static omen_status count_numbers(csv *c, uint32_t *out) {
    uint32_t n = 0;
    int64_t largest = -1;
    for (size_t i = 0; i < c->column_count; i++) {
        int64_t v = number_of(c->columns[i].name, prefix_of());
        if (v > largest) largest = v;
        n += v >= 0;
    }
    bool all = largest == (int64_t)n - 1;
    *out = 0;
    if (!all && !cli_given("vector-columns")) return OMEN_OK; /* they only happen to have such names */
    if (!all || n == 0)
        return cli_fail(OMEN_ERR_INVALID, "the columns %.60s0, %.60s1, ... are not all there; --vector-columns names what stands before their numbers", prefix_of(), prefix_of());
    *out = n;
    return OMEN_OK;
}

/* Whether the vector lies in numbered columns. */
static omen_status look_at_header(csv *c) {
    uint32_t n = 0;
    if (find(c, cli_option("field", "vector")) == NULL || cli_given("vector-columns")) CLI_TRY(count_numbers(c, &n));
    c->base.dimensions = n;
    c->numbers = n != 0;
    return OMEN_OK;
}

/* A row that is no CSV ends with its line. */
static omen_status skip(cli_source *s, bool *end) {
    csv *c = (csv *)s;
    omen_status status = next_row(c, end);
    if (status != OMEN_ERR_INVALID && status != OMEN_ERR_TOO_LARGE) return status;
    *end = false;
    return cli_input_discard_line(&s->in);
}

static omen_status look(cli_source *s) {
    csv *c = (csv *)s;
    bool end;
    const column *vector = find(c, cli_option("field", "vector"));
    CLI_TRY(next_row(c, &end));
    c->ahead = !end;
    if (end || c->numbers || vector == NULL || c->count != c->column_count) return OMEN_OK;
    const cell *v = &c->cells[vector - c->columns];
    yyjson_doc *doc = yyjson_read(c->text + v->at, v->len, YYJSON_READ_NOFLAG);
    size_t size = yyjson_arr_size(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    c->base.dimensions = size > UINT32_MAX ? 0 : (uint32_t)size;
    return OMEN_OK;
}

/* A key as it stands in a document. */
static char *quoted_key(const char *name) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return NULL;
    cli_json_quote(f, name, strlen(name));
    fputc(':', f);
    fclose(f);
    return text;
}

static omen_status bind(cli_source *s) {
    csv *c = (csv *)s;
    const omen_vector_field *field = &s->schema->vectors[s->field];
    const char *id = cli_option("id-field", "id");
    for (size_t i = 0; i < c->column_count; i++) {
        column *col = &c->columns[i];
        if (strcmp(col->name, id) == 0) col->role = ID, c->has_id = true;
        else if (strcmp(col->name, "document") == 0) col->role = DOCUMENT;
        for (uint32_t f = 0; f < s->schema->vector_count; f++)
            if (strlen(col->name) == s->schema->vectors[f].name.len && memcmp(col->name, s->schema->vectors[f].name.data, s->schema->vectors[f].name.len) == 0)
                col->role = VECTOR, col->index = f;
    }
    for (size_t i = 0; c->numbers && i < c->column_count; i++) {
        int64_t v = number_of(c->columns[i].name, prefix_of());
        if (v < 0 || c->columns[i].role == ID) continue;
        c->columns[i].role = NUMBER;
        c->columns[i].index = (uint32_t)v;
    }
    for (size_t i = 0; i < c->column_count; i++)
        if (c->columns[i].role == DATA && (c->columns[i].key = quoted_key(c->columns[i].name)) == NULL) return cli_no_memory();
    if (!c->has_id && cli_given("id-field")) return cli_fail(OMEN_ERR_ID, "there is no column \"%.100s\", which --id-field names", id);
    if (c->numbers && s->dimensions != cli_width(field))
        return cli_fail(OMEN_ERR_DIMENSION, "it has %u columns of numbers, field \"%.*s\" of the collection has %u dimensions", s->dimensions, (int)field->name.len,
                        field->name.data, cli_width(field));
    return OMEN_OK;
}

/* ---- records ---- */

static omen_status append(csv *c, const char *text, size_t len) {
    if (c->document_len + len > c->document_capacity) {
        size_t capacity = c->document_capacity == 0 ? 4096 : c->document_capacity;
        while (capacity < c->document_len + len) capacity *= 2;
        char *document = realloc(c->document, capacity);
        if (document == NULL) return cli_no_memory();
        c->document = document;
        c->document_capacity = capacity;
    }
    memcpy(c->document + c->document_len, text, len);
    c->document_len += len;
    return OMEN_OK;
}

static omen_status append_string(csv *c, const char *text, size_t len) {
    CLI_TRY(append(c, "\"", 1));
    for (size_t i = 0; i < len; i++) {
        char code[8];
        unsigned char b = (unsigned char)text[i];
        if (b == '"' || b == '\\') CLI_TRY(append(c, (char[]){'\\', (char)b}, 2));
        else if (b < 0x20) CLI_TRY(append(c, code, (size_t)snprintf(code, sizeof code, "\\u%04x", b)));
        else CLI_TRY(append(c, text + i, 1));
    }
    return append(c, "\"", 1);
}

/* A number as JSON writes it, true or false. */
static bool is_typed(const char *p, size_t len) {
    const char *end = p + len;
    if ((len == 4 && memcmp(p, "true", 4) == 0) || (len == 5 && memcmp(p, "false", 5) == 0)) return true;
    if (p < end && *p == '-') p++;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    if (p == digits || (*digits == '0' && p - digits > 1)) return false;
    if (p < end && *p == '.') {
        digits = ++p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == digits) return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        digits = p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == digits) return false;
    }
    return p == end;
}

/* A number that no double holds, such as 1e999, is no number of JSON: it stays text. */
static bool holds(const char *text) {
    double d = strtod(text, NULL);
    return d - d == 0;
}

static omen_status append_cell(csv *c, const column *col, const char *text, size_t len) {
    if (len == 0) return OMEN_OK;
    if (!cli_utf8_valid(text, len)) return cli_fail(OMEN_ERR_INVALID, "column \"%.100s\" is no UTF-8; convert the file", col->name);
    CLI_TRY(append(c, c->document_len == 0 ? "{" : ",", 1));
    CLI_TRY(append(c, col->key, strlen(col->key)));
    return !c->strings && is_typed(text, len) && holds(text) ? append(c, text, len) : append_string(c, text, len);
}

/* The members of a JSON object. */
static omen_status append_document(csv *c, const char *text, size_t len) {
    if (len == 0) return OMEN_OK;
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    bool object = yyjson_is_obj(yyjson_doc_get_root(doc)), empty = yyjson_obj_size(yyjson_doc_get_root(doc)) == 0;
    yyjson_doc_free(doc);
    if (!object) return cli_fail(OMEN_ERR_JSON, "the column \"document\" holds no JSON object");
    if (empty) return OMEN_OK;
    const char *from = strchr(text, '{') + 1, *to = strrchr(text, '}');
    CLI_TRY(append(c, c->document_len == 0 ? "{" : ",", 1));
    return append(c, from, (size_t)(to - from));
}

static omen_status read_number(csv *c, const column *col, const char *text, size_t len, float *into) {
    if (len == 0 || !is_typed(text, len) || text[0] == 't' || text[0] == 'f') return cli_fail(OMEN_ERR_INVALID, "column \"%.100s\" holds \"%.60s\", which is no number", col->name, text);
    into[col->index] = (float)strtod(text, NULL);
    (void)c;
    return OMEN_OK;
}

static omen_status read_vector(cli_source *s, uint32_t f, const char *text, size_t len) {
    const omen_vector_field *field = &s->schema->vectors[f];
    size_t count = 0;
    yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
    bool good = cli_vector_read(yyjson_doc_get_root(doc), s->vectors[f], cli_width(field), &count);
    yyjson_doc_free(doc);
    if (!good) return cli_fail(OMEN_ERR_JSON, "column \"%.*s\" is no JSON array of numbers", (int)field->name.len, field->name.data);
    if (count == cli_width(field)) return OMEN_OK;
    return cli_fail(OMEN_ERR_DIMENSION, "\"%.*s\" has %zu dimension%s, the collection has %u", (int)field->name.len, field->name.data, count, count == 1 ? "" : "s", cli_width(field));
}

static omen_status take(csv *c, const column *col, const char *text, size_t len, cli_record *r) {
    cli_source *s = &c->base;
    uint32_t f = col->role == VECTOR ? col->index : s->field;
    switch (col->role) {
    case DATA: return append_cell(c, col, text, len);
    case DOCUMENT: return append_document(c, text, len);
    case ID:
        if (len > ROW_MAX / 2 || (c->id = realloc(c->id, len + 1)) == NULL) return cli_no_memory();
        r->has_id = true;
        return cli_id_parse(text, len, c->id, &r->id);
    case NUMBER: CLI_TRY(read_number(c, col, text, len, s->vectors[f])); break;
    case VECTOR:
        if (len == 0) return OMEN_OK;
        CLI_TRY(read_vector(s, f, text, len));
        break;
    }
    r->vectors[f] = s->vectors[f];
    r->given |= 1u << f;
    return OMEN_OK;
}

static omen_status next(cli_source *s, cli_record *r, bool *end) {
    csv *c = (csv *)s;
    if (!c->ahead) CLI_TRY(next_row(c, end));
    c->ahead = false;
    if (*end) return OMEN_OK;
    if (c->count != c->column_count) return cli_fail(OMEN_ERR_INVALID, "the row has %zu cells, the header has %zu", c->count, c->column_count);
    c->document_len = 0;
    for (size_t i = 0; i < c->count; i++) {
        const char *text = c->text + c->cells[i].at;
        if (memchr(text, '\0', c->cells[i].len) != NULL) return cli_fail(OMEN_ERR_INVALID, "column \"%.100s\" holds a NUL byte; this is no text", c->columns[i].name);
        CLI_TRY(take(c, &c->columns[i], text, c->cells[i].len, r));
    }
    if (c->document_len != 0) CLI_TRY(append(c, "}", 1));
    r->document = (omen_str){c->document, c->document_len};
    return OMEN_OK;
}

static void close_source(cli_source *s) {
    csv *c = (csv *)s;
    for (size_t i = 0; i < c->column_count; i++) {
        free(c->columns[i].name);
        free(c->columns[i].key);
    }
    free(c->columns);
    free(c->cells);
    free(c->text);
    free(c->document);
    free(c->id);
    free(c);
}

omen_status cli_source_csv(cli_input *in, cli_source **out) {
    csv *c = calloc(1, sizeof *c);
    if (c == NULL) return cli_no_memory();
    c->base.in = *in;
    c->strings = cli_given("strings");
    omen_status s = read_header(c);
    if (s == OMEN_OK) s = look_at_header(c);
    *in = c->base.in;
    if (s != OMEN_OK) {
        cli_before("line %llu: ", (unsigned long long)c->base.line);
        close_source(&c->base);
        return s;
    }
    c->base.next = next;
    c->base.skip = skip;
    c->base.look = look;
    c->base.bind = bind;
    c->base.close = close_source;
    *out = &c->base;
    return OMEN_OK;
}
