/* json_write.c - a writer that needs no tree. */
#include "base/json.h"

static void raw(omen_jw *w, const void *bytes, size_t len) {
    if (w->status == OMEN_OK) w->status = omen_buf_append(w->out, bytes, len);
}

static uint64_t bit(const omen_jw *w) { return UINT64_C(1) << (w->depth % 64); }

/* The comma before a value or key, unless it is the first at its level. */
static void comma(omen_jw *w) {
    uint64_t *first = &w->first[w->depth / 64];
    if ((*first & bit(w)) == 0 && w->depth != 0) raw(w, ",", 1);
    *first &= ~bit(w);
}

/* What comes before a value: nothing after a key. */
static void before_value(omen_jw *w) {
    OMEN_ASSERT(w->after_key == ((w->object[w->depth / 64] & bit(w)) != 0));
    if (!w->after_key) comma(w);
    w->after_key = false;
}

static void open(omen_jw *w, bool object) {
    before_value(w);
    raw(w, object ? "{" : "[", 1);
    OMEN_ASSERT(w->depth < 127);
    w->depth++;
    w->first[w->depth / 64] |= bit(w);
    if (object) w->object[w->depth / 64] |= bit(w);
    else w->object[w->depth / 64] &= ~bit(w);
}

static void shut(omen_jw *w, bool object) {
    OMEN_ASSERT(w->depth != 0 && !w->after_key && ((w->object[w->depth / 64] & bit(w)) != 0) == object);
    w->depth--;
    raw(w, object ? "}" : "]", 1);
}

void omen_jw_begin(omen_jw *w, omen_buf *out) { *w = (omen_jw){.out = out, .first = {1}}; }
void omen_jw_object(omen_jw *w) { open(w, true); }
void omen_jw_object_end(omen_jw *w) { shut(w, true); }
void omen_jw_array(omen_jw *w) { open(w, false); }
void omen_jw_array_end(omen_jw *w) { shut(w, false); }

static void quoted(omen_jw *w, omen_str s) {
    raw(w, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        if (i != from) raw(w, s.data + from, i - from);
        from = i + 1;
        char escape[6] = {'\\', (char)c};
        size_t len = 2;
        if (c < 0x20) escape[1] = c >= 8 && c <= 13 ? "btn\0fr"[c - 8] : '\0';
        if (escape[1] == '\0') {
            memcpy(escape, "\\u00", 4);
            escape[4] = "0123456789abcdef"[c >> 4];
            escape[5] = "0123456789abcdef"[c & 15];
            len = 6;
        }
        raw(w, escape, len);
    }
    if (s.len != from) raw(w, s.data + from, s.len - from);
    raw(w, "\"", 1);
}

void omen_jw_key_str(omen_jw *w, omen_str key) {
    OMEN_ASSERT(!w->after_key && (w->object[w->depth / 64] & bit(w)) != 0);
    comma(w);
    quoted(w, key);
    raw(w, ":", 1);
    w->after_key = true;
}

void omen_jw_key(omen_jw *w, const char *key) { omen_jw_key_str(w, (omen_str){key, strlen(key)}); }

void omen_jw_str(omen_jw *w, omen_str s) {
    before_value(w);
    quoted(w, s);
}

void omen_jw_cstr(omen_jw *w, const char *s) { omen_jw_str(w, (omen_str){s, strlen(s)}); }

static void number(omen_jw *w, uint64_t v, bool negative) {
    char text[24];
    size_t n = omen_format(text, sizeof text, negative ? "-%llu" : "%llu", (unsigned long long)v);
    before_value(w);
    raw(w, text, n);
}

void omen_jw_u64(omen_jw *w, uint64_t v) { number(w, v, false); }
void omen_jw_i64(omen_jw *w, int64_t v) { number(w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0); }

void omen_jw_f64(omen_jw *w, double v) {
    char text[40];
    if (v - v != 0) {
        omen_jw_null(w);
        return;
    }
    size_t n = omen_f64_print(v, text);
    before_value(w);
    raw(w, text, n);
}

void omen_jw_bool(omen_jw *w, bool v) { omen_jw_raw(w, v ? OMEN_STR("true") : OMEN_STR("false")); }
void omen_jw_null(omen_jw *w) { omen_jw_raw(w, OMEN_STR("null")); }

void omen_jw_raw(omen_jw *w, omen_str json) {
    before_value(w);
    raw(w, json.data, json.len);
}

omen_status omen_jw_end(omen_jw *w) {
    OMEN_ASSERT(w->status != OMEN_OK || (w->depth == 0 && !w->after_key));
    return w->status;
}
