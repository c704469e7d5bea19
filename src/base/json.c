#include "base/json.h"

#include <yyjson.h>

struct omen_json {
    omen_mem *mem;
    yyjson_doc *doc;
};

/* yyjson frees without sizes: each piece carries its own in front. */
#define FRONT 16u

static void *json_alloc(void *mem, size_t size) {
    if (size > SIZE_MAX - FRONT) return NULL;
    uint8_t *p = omen_alloc(mem, size + FRONT);
    if (p == NULL) return NULL;
    memcpy(p, &size, sizeof size);
    return p + FRONT;
}

static size_t size_of(void *p) {
    size_t size;
    memcpy(&size, (uint8_t *)p - FRONT, sizeof size);
    return size;
}

static void *json_resize(void *mem, void *p, size_t old_size, size_t size) {
    (void)old_size; /* yyjson's idea of it may be smaller than what was allocated */
    if (size > SIZE_MAX - FRONT) return NULL;
    uint8_t *n = omen_resize(mem, (uint8_t *)p - FRONT, size_of(p) + FRONT, size + FRONT);
    if (n == NULL) return NULL;
    memcpy(n, &size, sizeof size);
    return n + FRONT;
}

static void json_release(void *mem, void *p) {
    if (p != NULL) omen_free(mem, (uint8_t *)p - FRONT, size_of(p) + FRONT);
}

static yyjson_alc allocator(omen_mem *m) { return (yyjson_alc){json_alloc, json_resize, json_release, m}; }

/* Brackets outside strings, counted without recursion and without trusting the text. */
static omen_status depth_check(omen_str text, omen_error *err) {
    uint32_t depth = 0;
    bool string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (string) {
            if (c == '\\') i++;
            else if (c == '"') string = false;
        } else if (c == '"') {
            string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > OMEN_MAX_JSON_DEPTH)
                return omen_fail(err, OMEN_ERR_JSON, "JSON is nested deeper than %u levels at byte %zu; flatten it", OMEN_MAX_JSON_DEPTH, i);
        } else if ((c == '}' || c == ']') && depth != 0) {
            depth--;
        }
    }
    return OMEN_OK;
}

static omen_status read_doc(omen_mem *m, omen_str text, yyjson_doc **out, omen_error *err) {
    yyjson_alc alc = allocator(m);
    yyjson_read_err e;
    *out = NULL;
    if (text.len == 0) return omen_fail(err, OMEN_ERR_JSON, "JSON is empty");
    OMEN_TRY(depth_check(text, err));
    *out = yyjson_read_opts((char *)(uintptr_t)text.data, text.len, YYJSON_READ_NOFLAG, &alc, &e);
    if (*out != NULL) return OMEN_OK;
    if (e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading JSON");
    return omen_fail(err, OMEN_ERR_JSON, "malformed JSON at byte %zu: %s", e.pos, e.msg);
}

omen_status omen_json_check(omen_mem *m, omen_str text, bool object, omen_error *err) {
    yyjson_doc *doc;
    OMEN_TRY(read_doc(m, text, &doc, err));
    bool good = !object || yyjson_is_obj(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return good ? OMEN_OK : omen_fail(err, OMEN_ERR_JSON, "JSON at byte 0 is not an object; wrap the value in {...}");
}

omen_status omen_json_parse(omen_mem *m, omen_str text, omen_json **out, omen_error *err) {
    yyjson_doc *doc;
    *out = NULL;
    OMEN_TRY(read_doc(m, text, &doc, err));
    omen_json *j = omen_alloc(m, sizeof *j);
    if (j == NULL) {
        yyjson_doc_free(doc);
        return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading JSON");
    }
    *j = (omen_json){m, doc};
    *out = j;
    return OMEN_OK;
}

void omen_json_free(omen_json *j) {
    if (j == NULL) return;
    yyjson_doc_free(j->doc);
    omen_free(j->mem, j, sizeof *j);
}

static yyjson_val *val(const omen_json_val *v) { return (yyjson_val *)(uintptr_t)v; }

const omen_json_val *omen_json_root(const omen_json *j) { return yyjson_doc_get_root(j->doc); }
const omen_json_val *omen_json_get(const omen_json_val *object, const char *key) { return yyjson_obj_get(val(object), key); }
bool omen_json_is_object(const omen_json_val *v) { return yyjson_is_obj(val(v)); }
bool omen_json_is_array(const omen_json_val *v) { return yyjson_is_arr(val(v)); }
bool omen_json_is_null(const omen_json_val *v) { return yyjson_is_null(val(v)); }

bool omen_json_str(const omen_json_val *v, omen_str *out) {
    if (!yyjson_is_str(val(v))) return false;
    *out = (omen_str){yyjson_get_str(val(v)), yyjson_get_len(val(v))};
    return true;
}

bool omen_json_u64(const omen_json_val *v, uint64_t *out) {
    if (yyjson_is_uint(val(v))) *out = yyjson_get_uint(val(v));
    else if (yyjson_is_sint(val(v)) && yyjson_get_sint(val(v)) >= 0) *out = (uint64_t)yyjson_get_sint(val(v));
    else return false;
    return true;
}

bool omen_json_i64(const omen_json_val *v, int64_t *out) {
    if (yyjson_is_sint(val(v))) *out = yyjson_get_sint(val(v));
    else if (yyjson_is_uint(val(v)) && yyjson_get_uint(val(v)) <= INT64_MAX) *out = (int64_t)yyjson_get_uint(val(v));
    else return false;
    return true;
}

bool omen_json_f64(const omen_json_val *v, double *out) {
    if (!yyjson_is_num(val(v))) return false;
    *out = yyjson_get_num(val(v));
    return true;
}

bool omen_json_bool(const omen_json_val *v, bool *out) {
    if (!yyjson_is_bool(val(v))) return false;
    *out = yyjson_get_bool(val(v));
    return true;
}

size_t omen_json_count(const omen_json_val *v) { return yyjson_is_ctn(val(v)) ? yyjson_get_len(val(v)) : 0; }
const omen_json_val *omen_json_at(const omen_json_val *array, size_t i) { return yyjson_arr_get(val(array), i); }

omen_status omen_json_each(const omen_json_val *object, omen_status (*each)(void *arg, omen_str key, const omen_json_val *v), void *arg) {
    yyjson_obj_iter it = yyjson_obj_iter_with(val(object));
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;)
        OMEN_TRY(each(arg, (omen_str){yyjson_get_str(key), yyjson_get_len(key)}, yyjson_obj_iter_get_val(key)));
    return OMEN_OK;
}

omen_json_iter omen_json_iter_of(const omen_json_val *array) {
    return (omen_json_iter){yyjson_arr_get_first(val(array)), yyjson_arr_size(val(array))};
}

const omen_json_val *omen_json_next(omen_json_iter *it) {
    if (it->left == 0) return NULL;
    const omen_json_val *v = it->next;
    if (--it->left != 0) it->next = unsafe_yyjson_get_next(val(v));
    return v;
}

omen_status omen_json_print(omen_mem *m, const omen_json_val *v, omen_buf *out) {
    yyjson_alc alc = allocator(m);
    size_t len;
    char *text = yyjson_val_write_opts(val(v), YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    omen_status s = text == NULL ? OMEN_ERR_MEMORY : omen_buf_append(out, text, len);
    json_release(m, text);
    return s;
}

/* A value as it is, into a writer. */
static void write_value(omen_jw *w, omen_mem *m, yyjson_val *v) {
    yyjson_alc alc = allocator(m);
    size_t len;
    char *text = yyjson_val_write_opts(v, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    if (text == NULL) w->status = OMEN_ERR_MEMORY;
    else omen_jw_raw(w, (omen_str){text, len});
    json_release(m, text);
}

/* RFC 7396, section 2, straight into the writer: members of the target in their order, then those that are new. A target that is no object counts as
 * empty; of members named twice in a patch the first counts. The recursion is as deep as the patch, which is at most OMEN_MAX_JSON_DEPTH. */
static void merge(omen_jw *w, omen_mem *m, yyjson_val *target, yyjson_val *patch) {
    if (!yyjson_is_obj(patch)) {
        write_value(w, m, patch);
        return;
    }
    omen_jw_object(w);
    yyjson_obj_iter it = yyjson_obj_iter_with(target);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
        yyjson_val *old = yyjson_obj_iter_get_val(key), *v = yyjson_obj_getn(patch, yyjson_get_str(key), yyjson_get_len(key));
        if (yyjson_is_null(v)) continue;
        omen_jw_key_str(w, (omen_str){yyjson_get_str(key), yyjson_get_len(key)});
        if (v == NULL) write_value(w, m, old);
        else merge(w, m, old, v);
    }
    it = yyjson_obj_iter_with(patch);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
        yyjson_val *v = yyjson_obj_iter_get_val(key);
        const char *name = yyjson_get_str(key);
        size_t len = yyjson_get_len(key);
        if (yyjson_is_null(v) || yyjson_obj_getn(target, name, len) != NULL || yyjson_obj_getn(patch, name, len) != v) continue;
        omen_jw_key_str(w, (omen_str){name, len});
        merge(w, m, NULL, v);
    }
    omen_jw_object_end(w);
}

omen_status omen_json_merge(omen_mem *m, omen_str target, omen_str patch, omen_buf *out, omen_error *err) {
    yyjson_doc *t = NULL, *p = NULL;
    size_t before = out->len;
    omen_jw w;
    if (patch.len == 0) patch = OMEN_STR("{}");
    omen_status s = target.len == 0 ? OMEN_OK : read_doc(m, target, &t, err);
    if (s == OMEN_OK) s = read_doc(m, patch, &p, err);
    if (s == OMEN_OK) {
        omen_jw_begin(&w, out);
        merge(&w, m, yyjson_doc_get_root(t), yyjson_doc_get_root(p));
        s = omen_jw_end(&w);
        if (s != OMEN_OK) out->len = before;
        if (s != OMEN_OK) omen_fail(err, s, "out of memory merging JSON");
    }
    yyjson_doc_free(t);
    yyjson_doc_free(p);
    return s;
}

size_t omen_f64_print(double v, char *buf) {
    const char *special = v != v ? "NaN" : v - v != 0 ? (v > 0 ? "+Inf" : "-Inf") : NULL;
    size_t len = 0;
    if (special != NULL) {
        len = strlen(special);
        memcpy(buf, special, len + 1);
        return len;
    }
    char room[1024];
    yyjson_alc alc;
    yyjson_val number = {0};
    yyjson_alc_pool_init(&alc, room, sizeof room);
    yyjson_set_real(&number, v);
    char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
    OMEN_ASSERT(text != NULL && len < 40);
    memcpy(buf, text, len);
    buf[len] = '\0';
    return len;
}
