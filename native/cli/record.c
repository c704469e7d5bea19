/* record.c - one record out of the text of a JSON object: its id, its vectors, and the rest as its document. */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

static bool grow(char **p, size_t *capacity, size_t need) {
    if (need <= *capacity) return true;
    char *larger = realloc(*p, need);
    if (larger == NULL) return false;
    *p = larger;
    *capacity = need;
    return true;
}

void cli_record_text_free(cli_record_text *kept) {
    free(kept->document);
    free(kept->id);
}

/* ---- walking over text that is known to be well-formed ---- */

static const char *skip_blank(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

static const char *skip_string(const char *p) {
    for (p++; *p != '"'; p++)
        if (*p == '\\') p++;
    return p + 1;
}

static const char *skip_value(const char *p) {
    int depth = 0;
    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        p++;
    } while (depth > 0 || (*p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r' && *p != '\0'));
    return p;
}

/* ---- members ---- */

static bool is(yyjson_val *key, const char *name, size_t len) { return yyjson_get_len(key) == len && memcmp(yyjson_get_str(key), name, len) == 0; }

static omen_status take_id(yyjson_val *v, cli_record_text *kept, cli_record *r) {
    size_t len = yyjson_get_len(v);
    r->has_id = true;
    r->id = (omen_id){{NULL, 0}, 0};
    if (yyjson_is_sint(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX)) {
        r->id.number = yyjson_get_sint(v);
        return OMEN_OK;
    }
    if (!yyjson_is_str(v) || len == 0 || len > OMEN_MAX_ID)
        return cli_fail(OMEN_ERR_ID, "the id is neither an integer nor a string of 1 to %u bytes", OMEN_MAX_ID);
    if (!grow(&kept->id, &kept->id_capacity, OMEN_MAX_ID)) return cli_no_memory();
    memcpy(kept->id, yyjson_get_str(v), len);
    r->id.text = (omen_str){kept->id, len};
    return OMEN_OK;
}

static omen_status take_vector(yyjson_val *v, const omen_vector_field *f, float *into) {
    size_t count = 0;
    if (!cli_vector_read(v, into, cli_width(f), &count))
        return cli_fail(OMEN_ERR_INVALID, "\"%.*s\" is no array of numbers", (int)f->name.len, f->name.data);
    if (count != cli_width(f))
        return cli_fail(OMEN_ERR_DIMENSION, "\"%.*s\" has %zu %s%s, the collection has %u", (int)f->name.len, f->name.data, count,
                        f->element == OMEN_ELEMENT_BIT ? "byte" : "dimension", count == 1 ? "" : "s", cli_width(f));
    return OMEN_OK;
}

/* Whether the member is the id or a vector; then it is taken. */
static omen_status take(yyjson_val *key, const char *id_field, const omen_schema *schema, float *const *vectors, cli_record_text *kept, cli_record *r, bool *taken) {
    yyjson_val *v = yyjson_obj_iter_get_val(key);
    *taken = true;
    if (is(key, id_field, strlen(id_field))) return take_id(v, kept, r);
    for (uint32_t f = 0; f < schema->vector_count; f++) {
        if (!is(key, schema->vectors[f].name.data, schema->vectors[f].name.len)) continue;
        r->vectors[f] = vectors[f];
        r->given |= 1u << f;
        return take_vector(v, &schema->vectors[f], vectors[f]);
    }
    *taken = false;
    return OMEN_OK;
}

/* Members that are not taken make the document, as they stand in the text. */
static omen_status split(yyjson_val *root, const char *text, const char *id_field, const omen_schema *schema, float *const *vectors, cli_record_text *kept,
                         cli_record *r) {
    yyjson_obj_iter it;
    yyjson_val *key;
    size_t len = 0;
    const char *p = skip_blank(text) + 1;
    yyjson_obj_iter_init(root, &it);
    while ((key = yyjson_obj_iter_next(&it)) != NULL) {
        bool taken;
        const char *from = p = skip_blank(p);
        p = skip_value(skip_blank(skip_blank(skip_string(p)) + 1));
        size_t n = (size_t)(p - from);
        p = skip_blank(p) + 1; /* ',' or '}' */
        CLI_TRY(take(key, id_field, schema, vectors, kept, r, &taken));
        if (taken) continue;
        kept->document[len] = len == 0 ? '{' : ',';
        memcpy(kept->document + len + 1, from, n);
        len += n + 1;
    }
    if (len != 0) kept->document[len++] = '}';
    r->document = (omen_str){kept->document, len};
    return OMEN_OK;
}

omen_status cli_record_parse(const char *text, size_t len, const char *id_field, const omen_schema *schema, float *const *vectors, cli_record_text *kept,
                             cli_record *r) {
    yyjson_read_err error;
    memset(r, 0, sizeof *r);
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, NULL, &error);
    if (doc == NULL && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) return cli_no_memory();
    if (doc == NULL) return cli_fail(OMEN_ERR_JSON, "malformed JSON at byte %zu: %s", error.pos, error.msg);
    yyjson_val *root = yyjson_doc_get_root(doc);
    omen_status s;
    if (!yyjson_is_obj(root)) s = cli_fail(OMEN_ERR_JSON, "a record must be a JSON object, such as {\"id\": 7, \"vector\": [1, 2]}");
    else if (!grow(&kept->document, &kept->document_capacity, len + 2)) s = cli_no_memory();
    else s = split(root, text, id_field, schema, vectors, kept, r);
    yyjson_doc_free(doc);
    return s;
}
