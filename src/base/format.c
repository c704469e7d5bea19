/* format.c - the few conversions that messages need. snprintf would cost the WebAssembly module 14 KB and imports. */
#include <stdarg.h>

#include "base/base.h"

typedef struct sink {
    char *buf;
    size_t cap, len;
} sink;

static void put(sink *s, char c) {
    if (s->len + 1 < s->cap) s->buf[s->len] = c;
    s->len++;
}

static void put_number(sink *s, uint64_t v, unsigned base, bool negative) {
    char digits[24];
    size_t n = 0;
    do digits[n++] = "0123456789abcdef"[v % base];
    while ((v /= base) != 0);
    if (negative) put(s, '-');
    while (n != 0) put(s, digits[--n]);
}

static void put_signed(sink *s, int64_t v) { put_number(s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0); }

/* A string of at most `max` bytes; never stops inside a UTF-8 sequence when it is cut by the buffer's end: see finish(). */
static void put_str(sink *s, const char *text, size_t max) {
    for (size_t i = 0; text != NULL && i < max && text[i] != '\0'; i++) put(s, text[i]);
}

/* Ends with NUL; a sequence cut in two by the end of the buffer is dropped, so that messages stay valid UTF-8. */
static void finish(sink *s) {
    if (s->cap == 0) return;
    size_t end = OMEN_MIN(s->len, s->cap - 1);
    if (s->len > end)
        while (end != 0 && ((unsigned char)s->buf[end - 1] & 0xC0) == 0x80) end--;
    if (s->len > s->cap - 1 && end != 0 && (unsigned char)s->buf[end - 1] >= 0xC0) end--;
    s->buf[end] = '\0';
}

static size_t format_list(char *buf, size_t cap, const char *f, va_list args) {
    sink s = {buf, cap, 0};
    for (; *f != '\0'; f++) {
        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        f++;
        size_t max = SIZE_MAX;
        if (*f == '.') {
            f++;
            if (*f == '*') {
                int n = va_arg(args, int);
                max = n < 0 ? 0 : (size_t)n;
                f++;
            } else {
                for (max = 0; *f >= '0' && *f <= '9'; f++) max = max * 10 + (size_t)(*f - '0');
            }
        }
        if (*f == 's') put_str(&s, va_arg(args, const char *), max);
        else if (*f == 'd') put_signed(&s, va_arg(args, int));
        else if (*f == 'u') put_number(&s, va_arg(args, unsigned), 10, false);
        else if (*f == 'x') put_number(&s, va_arg(args, unsigned), 16, false);
        else if (f[0] == 'z' && f[1] == 'u') put_number(&s, va_arg(args, size_t), 10, false), f++;
        else if (strncmp(f, "llu", 3) == 0) put_number(&s, va_arg(args, unsigned long long), 10, false), f += 2;
        else if (strncmp(f, "lld", 3) == 0) put_signed(&s, va_arg(args, long long)), f += 2;
        else put(&s, *f); /* %% */
    }
    finish(&s);
    return s.len;
}

size_t omen_format(char *buf, size_t cap, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t n = format_list(buf, cap, format, args);
    va_end(args);
    return n;
}

omen_status omen_fail(omen_error *err, omen_status status, const char *format, ...) {
    if (err == NULL || status == OMEN_OK || status == OMEN_PENDING) return status;
    char text[sizeof err->text]; /* arguments may point into err */
    va_list args;
    va_start(args, format);
    format_list(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, sizeof text);
    err->status = status;
    return status;
}
