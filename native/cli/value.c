/* value.c - ids, numbers and vectors as text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "cli/cli.h"

/* Canonical decimal of an int64: no sign '+', no leading zeros, so that printing gives the text back. */
bool cli_int_parse(const char *text, size_t len, int64_t *out) {
    bool negative = len > 0 && text[0] == '-';
    size_t i = negative;
    uint64_t n = 0, max = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (len == i || (text[i] == '0' && (len > i + 1 || negative))) return false;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n) || n > max) return false;
    }
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

omen_status cli_id_parse(const char *text, size_t len, char *scratch, omen_id *out) {
    *out = (omen_id){{NULL, 0}, 0};
    if (cli_int_parse(text, len, &out->number)) return OMEN_OK;
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NOFLAG);
        yyjson_val *root = yyjson_doc_get_root(doc);
        if (!yyjson_is_str(root)) {
            yyjson_doc_free(doc);
            return cli_fail(OMEN_ERR_ID, "the id %.80s is no JSON string; quote it right, or leave the quotes out", text);
        }
        len = yyjson_get_len(root);
        memcpy(scratch, yyjson_get_str(root), len); /* unquoting never makes it longer */
        yyjson_doc_free(doc);
    } else {
        memcpy(scratch, text, len);
    }
    if (len == 0 || len > OMEN_MAX_ID || !cli_utf8_valid(scratch, len))
        return cli_fail(OMEN_ERR_ID, "the id \"%.60s\" is no integer and no text of 1 to %u bytes of UTF-8", text, OMEN_MAX_ID);
    out->text = (omen_str){scratch, len};
    return OMEN_OK;
}

/* A string is quoted when it would read as something else. */
void cli_id_print(FILE *to, const omen_id *id) {
    int64_t n;
    if (id->text.data == NULL) {
        fprintf(to, "%lld", (long long)id->number);
        return;
    }
    bool plain = id->text.data[0] != '"' && !cli_int_parse(id->text.data, id->text.len, &n);
    for (size_t i = 0; i < id->text.len; i++) plain = plain && (unsigned char)id->text.data[i] >= 0x20 && id->text.data[i] != 0x7f;
    if (plain) fwrite(id->text.data, 1, id->text.len, to);
    else cli_json_quote(to, id->text.data, id->text.len);
}

size_t cli_float_text(float value, char *text) {
    int n = 0;
    for (int digits = 6; digits <= 9; digits++) {
        n = snprintf(text, 32, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    return (size_t)n;
}

bool cli_vector_read(void *value, float *out, uint32_t want, size_t *count) {
    yyjson_val *array = value, *v;
    yyjson_arr_iter it;
    if (!yyjson_is_arr(array)) return false;
    *count = yyjson_arr_size(array);
    if (*count != want) {
        yyjson_arr_iter_init(array, &it);
        while ((v = yyjson_arr_iter_next(&it)) != NULL)
            if (!yyjson_is_num(v)) return false;
        return true;
    }
    yyjson_arr_iter_init(array, &it);
    for (size_t i = 0; (v = yyjson_arr_iter_next(&it)) != NULL; i++) {
        if (!yyjson_is_num(v)) return false;
        /* -0 is read as a negative integer, which has no sign when it is zero. */
        out[i] = yyjson_is_sint(v) && yyjson_get_sint(v) == 0 ? -0.0f : (float)yyjson_get_num(v);
    }
    return true;
}

omen_status cli_vector_parse(const char *text, size_t len, float **out, uint32_t *dimensions) {
    yyjson_read_err error;
    *out = NULL;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, YYJSON_READ_NOFLAG, NULL, &error);
    if (doc == NULL) return cli_fail(OMEN_ERR_JSON, "the vector is no JSON (%s at byte %zu); write it as '[0.1, 0.2]'", error.msg, error.pos);
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t n = yyjson_is_arr(root) ? yyjson_arr_size(root) : 0;
    omen_status s = OMEN_OK;
    if (n == 0 || n > OMEN_MAX_DIMENSIONS)
        s = cli_fail(OMEN_ERR_DIMENSION, "the vector is no array of 1 to %u numbers; write it as '[0.1, 0.2]'", OMEN_MAX_DIMENSIONS);
    if (s == OMEN_OK && (*out = malloc(n * sizeof(float))) == NULL) s = cli_no_memory();
    if (s == OMEN_OK && !cli_vector_read(root, *out, (uint32_t)n, &n)) {
        free(*out);
        *out = NULL;
        s = cli_fail(OMEN_ERR_JSON, "the vector holds something that is no number; write it as '[0.1, 0.2]'");
    }
    *dimensions = (uint32_t)n;
    yyjson_doc_free(doc);
    return s;
}

const char *cli_member(void *object, const char *key) {
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text == NULL ? "" : text;
}

/* Well-formed UTF-8 (Unicode, table 3-7). */
bool cli_utf8_valid(const char *text, size_t len) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        unsigned char c = p[i];
        size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
        if (n == 0 || n > len - i) return false;
        for (size_t k = 1; k < n; k++)
            if ((p[i + k] & 0xc0) != 0x80) return false;
        if ((c == 0xe0 && p[i + 1] < 0xa0) || (c == 0xed && p[i + 1] >= 0xa0) || (c == 0xf0 && p[i + 1] < 0x90) || (c == 0xf4 && p[i + 1] >= 0x90)) return false;
        i += n;
    }
    return true;
}
