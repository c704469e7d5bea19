#include "base/json.h"

#include <yyjson.h>

#include "base/sort.h"

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

static omen_status read_doc(omen_mem *m, omen_str text, yyjson_read_flag flags, yyjson_doc **out, omen_error *err) {
    yyjson_alc alc = allocator(m);
    yyjson_read_err e;
    *out = NULL;
    if (text.len == 0) return omen_fail(err, OMEN_ERR_JSON, "JSON is empty");
    OMEN_TRY(depth_check(text, err));
    *out = yyjson_read_opts((char *)(uintptr_t)text.data, text.len, flags, &alc, &e);
    if (*out != NULL) return OMEN_OK;
    if (e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) return omen_fail(err, OMEN_ERR_MEMORY, "out of memory reading JSON");
    return omen_fail(err, OMEN_ERR_JSON, "malformed JSON at byte %zu: %s", e.pos, e.msg);
}

omen_status omen_json_check(omen_mem *m, omen_str text, bool object, omen_error *err) {
    yyjson_doc *doc;
    OMEN_TRY(read_doc(m, text, YYJSON_READ_NOFLAG, &doc, err));
    bool good = !object || yyjson_is_obj(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return good ? OMEN_OK : omen_fail(err, OMEN_ERR_JSON, "JSON at byte 0 is not an object; wrap the value in {...}");
}

omen_status omen_json_parse(omen_mem *m, omen_str text, omen_json **out, omen_error *err) {
    yyjson_doc *doc;
    *out = NULL;
    OMEN_TRY(read_doc(m, text, YYJSON_READ_NOFLAG, &doc, err));
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

/* Of a string, or of a number that was kept as text. */
static omen_str text_of(yyjson_val *v) { return (omen_str){unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v)}; }

static int compare(omen_str a, omen_str b) {
    int c = memcmp(a.data, b.data, OMEN_MIN(a.len, b.len));
    return c != 0 ? c : a.len < b.len ? -1 : a.len > b.len;
}

const omen_json_val *omen_json_root(const omen_json *j) { return yyjson_doc_get_root(j->doc); }
const omen_json_val *omen_json_get(const omen_json_val *object, const char *key) { return yyjson_obj_get(val(object), key); }
const omen_json_val *omen_json_get_str(const omen_json_val *object, omen_str key) { return yyjson_obj_getn(val(object), key.data, key.len); }
bool omen_json_is_object(const omen_json_val *v) { return yyjson_is_obj(val(v)); }
bool omen_json_is_array(const omen_json_val *v) { return yyjson_is_arr(val(v)); }
bool omen_json_is_null(const omen_json_val *v) { return yyjson_is_null(val(v)); }

bool omen_json_str(const omen_json_val *v, omen_str *out) {
    if (!yyjson_is_str(val(v))) return false;
    *out = text_of(val(v));
    return true;
}

bool omen_json_u64(const omen_json_val *v, uint64_t *out) {
    if (yyjson_is_uint(val(v))) *out = yyjson_get_uint(val(v));
    else if (yyjson_is_sint(val(v)) && yyjson_get_sint(val(v)) >= 0) *out = (uint64_t)yyjson_get_sint(val(v)); /* -0 */
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
        OMEN_TRY(each(arg, text_of(key), yyjson_obj_iter_get_val(key)));
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

/* A value as it is. The recursion is as deep as the JSON, which is at most OMEN_MAX_JSON_DEPTH. */
static void write_value(omen_jw *w, yyjson_val *v) {
    if (yyjson_is_obj(v)) {
        yyjson_obj_iter it = yyjson_obj_iter_with(v);
        omen_jw_object(w);
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
            omen_jw_key_str(w, text_of(key));
            write_value(w, yyjson_obj_iter_get_val(key));
        }
        omen_jw_object_end(w);
    } else if (yyjson_is_arr(v)) {
        yyjson_arr_iter it = yyjson_arr_iter_with(v);
        omen_jw_array(w);
        for (yyjson_val *each; (each = yyjson_arr_iter_next(&it)) != NULL;) write_value(w, each);
        omen_jw_array_end(w);
    } else if (yyjson_is_str(v)) {
        omen_jw_str(w, text_of(v));
    } else if (yyjson_is_raw(v)) {
        omen_jw_raw(w, text_of(v));
    } else if (yyjson_is_bool(v)) {
        omen_jw_bool(w, yyjson_get_bool(v));
    } else if (yyjson_is_uint(v)) {
        omen_jw_u64(w, yyjson_get_uint(v));
    } else if (yyjson_is_sint(v)) {
        omen_jw_i64(w, yyjson_get_sint(v));
    } else if (yyjson_is_real(v)) {
        omen_jw_f64(w, yyjson_get_real(v));
    } else {
        omen_jw_null(w);
    }
}

omen_status omen_json_print(const omen_json_val *v, omen_buf *out) {
    size_t before = out->len;
    omen_jw w;
    omen_jw_begin(&w, out);
    write_value(&w, val(v));
    omen_status s = omen_jw_end(&w);
    if (s != OMEN_OK) out->len = before;
    return s;
}

/* A member of a patch. Sorted by name, so that merging large objects takes n log n and not n squared steps. */
typedef struct member {
    yyjson_val *key;
    bool used; /* the target has this name too */
} member;

/* By name; of equal names the one that stands first in the text (values lie in one array, in order). */
static bool member_less(void *arg, const void *a, const void *b) {
    yyjson_val *x = ((const member *)a)->key, *y = ((const member *)b)->key;
    (void)arg;
    int c = compare(text_of(x), text_of(y));
    return c != 0 ? c < 0 : x < y;
}

/* The first member of this name, or NULL. */
static member *find(member *sorted, size_t count, yyjson_val *key) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(text_of(sorted[mid].key), text_of(key)) < 0) low = mid + 1;
        else high = mid;
    }
    return low < count && compare(text_of(sorted[low].key), text_of(key)) == 0 ? &sorted[low] : NULL;
}

/* RFC 7396, section 2, straight into the writer: members of the target in their order, then those that are new. A target that is no object counts as
 * empty; of members named twice in a patch the first counts. The recursion is as deep as the patch. */
static void merge(omen_jw *w, omen_mem *m, yyjson_val *target, yyjson_val *patch) {
    if (!yyjson_is_obj(patch)) {
        write_value(w, patch);
        return;
    }
    omen_jw_object(w);
    size_t count = yyjson_obj_size(patch), n = 0;
    member *members = count == 0 ? NULL : omen_alloc(m, count * sizeof *members);
    if (members == NULL && count != 0) {
        w->status = OMEN_ERR_MEMORY;
        omen_jw_object_end(w);
        return;
    }
    yyjson_obj_iter it = yyjson_obj_iter_with(patch);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) members[n++] = (member){key, false};
    omen_sort(members, count, sizeof *members, member_less, NULL);
    it = yyjson_obj_iter_with(target);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
        member *in_patch = find(members, count, key);
        yyjson_val *v = in_patch == NULL ? NULL : yyjson_obj_iter_get_val(in_patch->key);
        if (in_patch != NULL) in_patch->used = true;
        if (yyjson_is_null(v)) continue;
        omen_jw_key_str(w, text_of(key));
        if (v == NULL) write_value(w, yyjson_obj_iter_get_val(key));
        else merge(w, m, yyjson_obj_iter_get_val(key), v);
    }
    it = yyjson_obj_iter_with(patch);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
        member *first = find(members, count, key);
        yyjson_val *v = yyjson_obj_iter_get_val(key);
        if (first->key != key || first->used || yyjson_is_null(v)) continue;
        omen_jw_key_str(w, text_of(key));
        merge(w, m, NULL, v);
    }
    omen_free(m, members, count * sizeof *members);
    omen_jw_object_end(w);
}

omen_status omen_json_merge(omen_mem *m, omen_str target, omen_str patch, omen_buf *out, omen_error *err) {
    yyjson_doc *t = NULL, *p = NULL;
    size_t before = out->len;
    omen_jw w;
    if (patch.len == 0) patch = OMEN_STR("{}");
    /* Numbers pass through as they were written: reading them would round those that no double holds. */
    omen_status s = target.len == 0 ? OMEN_OK : read_doc(m, target, YYJSON_READ_NUMBER_AS_RAW, &t, err);
    if (s == OMEN_OK) s = read_doc(m, patch, YYJSON_READ_NUMBER_AS_RAW, &p, err);
    if (s == OMEN_OK) {
        omen_jw_begin(&w, out);
        merge(&w, m, yyjson_doc_get_root(t), yyjson_doc_get_root(p));
        s = omen_jw_end(&w);
        if (s != OMEN_OK) {
            out->len = before;
            omen_fail(err, s, "out of memory merging JSON");
        }
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
