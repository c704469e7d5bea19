/* json.h - JSON through yyjson, with our allocator, depth limit and error places. */
#ifndef OMEN_BASE_JSON_H
#define OMEN_BASE_JSON_H

#include "base/mem.h"

/* Checks that text is one JSON value (RFC 8259) of depth at most OMEN_MAX_JSON_DEPTH in valid UTF-8; `object`: that it
 * is an object. OMEN_ERR_JSON with the byte. */
omen_status omen_json_check(omen_mem *m, omen_str text, bool object, omen_error *err);

/* RFC 7396 merge of `patch` into `target` (both checked objects, either may be empty text = no document), appended to
 * `out` as compact JSON. Numbers keep the digits they were written with. OMEN_ERR_JSON, OMEN_ERR_MEMORY; then `out` is as
 * before. */
omen_status omen_json_merge(omen_mem *m, omen_str target, omen_str patch, omen_buf *out, omen_error *err);

/* Reading: a parsed document and borrowed values. */
typedef struct omen_json omen_json;
typedef struct yyjson_val omen_json_val; /* only handled through the functions below */
omen_status omen_json_parse(omen_mem *m, omen_str text, omen_json **out, omen_error *err); /* depth checked */
void omen_json_free(omen_json *j);
const omen_json_val *omen_json_root(const omen_json *j);
const omen_json_val *omen_json_get(const omen_json_val *object, const char *key); /* NULL when absent or no object */
const omen_json_val *omen_json_get_str(const omen_json_val *object, omen_str key); /* the same; of members named twice the first */
bool omen_json_is_object(const omen_json_val *v);
bool omen_json_is_array(const omen_json_val *v);
bool omen_json_is_null(const omen_json_val *v);
bool omen_json_str(const omen_json_val *v, omen_str *out);   /* false when not a string */
bool omen_json_i64(const omen_json_val *v, int64_t *out);    /* false when not an integer in range */
bool omen_json_u64(const omen_json_val *v, uint64_t *out);
bool omen_json_f64(const omen_json_val *v, double *out);     /* any number */
bool omen_json_bool(const omen_json_val *v, bool *out);
size_t omen_json_count(const omen_json_val *v);              /* of an array or object, else 0 */
const omen_json_val *omen_json_at(const omen_json_val *array, size_t i); /* O(n) in the worst case */
/* Calls each(arg, key, value) for every member of an object (insertion order); stops at the first non-OK answer. */
omen_status omen_json_each(const omen_json_val *object, omen_status (*each)(void *arg, omen_str key, const omen_json_val *v), void *arg);
/* The i-th element while walking an array in order is O(1) with this iterator. */
typedef struct omen_json_iter { const omen_json_val *next; size_t left; } omen_json_iter;
omen_json_iter omen_json_iter_of(const omen_json_val *array);
const omen_json_val *omen_json_next(omen_json_iter *it); /* NULL at the end */

/* Appends a value as compact JSON. OMEN_ERR_MEMORY. */
omen_status omen_json_print(const omen_json_val *v, omen_buf *out);

/* Writing: appends to a buffer; commas are put by the writer. Misuse (a value without a key in an object) asserts. The
 * first allocation failure is kept and answered by omen_jw_end. Doubles are printed shortest round-trip (yyjson). */
typedef struct omen_jw {
    omen_buf *out;
    omen_status status;
    uint32_t depth;
    uint64_t first[2];  /* bit per depth: nothing written yet at this level */
    uint64_t object[2]; /* bit per depth: an object, whose values need keys */
    bool after_key;
} omen_jw;
void omen_jw_begin(omen_jw *w, omen_buf *out);
void omen_jw_object(omen_jw *w);
void omen_jw_object_end(omen_jw *w);
void omen_jw_array(omen_jw *w);
void omen_jw_array_end(omen_jw *w);
void omen_jw_key(omen_jw *w, const char *key);
void omen_jw_key_str(omen_jw *w, omen_str key);
void omen_jw_str(omen_jw *w, omen_str s);
void omen_jw_cstr(omen_jw *w, const char *s);
void omen_jw_u64(omen_jw *w, uint64_t v);
void omen_jw_i64(omen_jw *w, int64_t v);
void omen_jw_f64(omen_jw *w, double v); /* NaN and infinity as null */
void omen_jw_bool(omen_jw *w, bool v);
void omen_jw_null(omen_jw *w);
void omen_jw_raw(omen_jw *w, omen_str json); /* a value that is JSON already */
omen_status omen_jw_end(omen_jw *w);

/* Shortest decimal of a double as JSON writes it ("NaN", "+Inf", "-Inf" for those), with NUL; buf of at least 40 bytes. */
size_t omen_f64_print(double v, char *buf);

#endif
