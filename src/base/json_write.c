/* json_write.c - a writer that needs no tree. */
#include "base/json.h"

static void raw(omen_jw *w, const void *bytes, size_t len) {
    if (w->status == OMEN_OK) w->status = omen_buf_append(w->out, bytes, len);
}

static uint64_t bit(const omen_jw *w) { return UINT64_C(1) << (w->depth % 64); }

/* The comma before a value or key, unless it is the first at its level or follows a key. */
static void separate(omen_jw *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    uint64_t *first = &w->first[w->depth / 64];
    if ((*first & bit(w)) == 0 && w->depth != 0) raw(w, ",", 1);
    *first &= ~bit(w);
}

static void open(omen_jw *w, const char *bracket) {
    separate(w);
    raw(w, bracket, 1);
    OMEN_ASSERT(w->depth < 127);
    w->depth++;
    w->first[w->depth / 64] |= bit(w);
}

static void shut(omen_jw *w, const char *bracket) {
    OMEN_ASSERT(w->depth != 0 && !w->after_key);
    w->depth--;
    raw(w, bracket, 1);
}

void omen_jw_begin(omen_jw *w, omen_buf *out) { *w = (omen_jw){.out = out, .first = {1}}; }
void omen_jw_object(omen_jw *w) { open(w, "{"); }
void omen_jw_object_end(omen_jw *w) { shut(w, "}"); }
void omen_jw_array(omen_jw *w) { open(w, "["); }
void omen_jw_array_end(omen_jw *w) { shut(w, "]"); }

static void quoted(omen_jw *w, omen_str s) {
    raw(w, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        raw(w, s.data + from, i - from);
        from = i + 1;
        char escape[6] = {'\\', (char)c};
        size_t len = 2;
        if (c == '\n') escape[1] = 'n';
        else if (c == '\t') escape[1] = 't';
        else if (c == '\r') escape[1] = 'r';
        else if (c < 0x20) {
            memcpy(escape, "\\u00", 4);
            escape[4] = "0123456789abcdef"[c >> 4];
            escape[5] = "0123456789abcdef"[c & 15];
            len = 6;
        }
        raw(w, escape, len);
    }
    raw(w, s.data + from, s.len - from);
    raw(w, "\"", 1);
}

void omen_jw_key_str(omen_jw *w, omen_str key) {
    separate(w);
    quoted(w, key);
    raw(w, ":", 1);
    w->after_key = true;
}

void omen_jw_key(omen_jw *w, const char *key) { omen_jw_key_str(w, (omen_str){key, strlen(key)}); }

void omen_jw_str(omen_jw *w, omen_str s) {
    separate(w);
    quoted(w, s);
}

void omen_jw_cstr(omen_jw *w, const char *s) { omen_jw_str(w, (omen_str){s, strlen(s)}); }

static void number(omen_jw *w, uint64_t v, bool negative) {
    char text[24];
    size_t n = omen_format(text, sizeof text, negative ? "-%llu" : "%llu", (unsigned long long)v);
    separate(w);
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
    separate(w);
    raw(w, text, n);
}

void omen_jw_bool(omen_jw *w, bool v) { omen_jw_raw(w, v ? OMEN_STR("true") : OMEN_STR("false")); }
void omen_jw_null(omen_jw *w) { omen_jw_raw(w, OMEN_STR("null")); }

void omen_jw_raw(omen_jw *w, omen_str json) {
    separate(w);
    raw(w, json.data, json.len);
}

omen_status omen_jw_end(omen_jw *w) {
    OMEN_ASSERT(w->status != OMEN_OK || (w->depth == 0 && !w->after_key));
    return w->status;
}
