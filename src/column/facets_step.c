/* facets_step.c - the buckets of histograms, and times as text. */
#include "column/facets_inside.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define MONDAY (4 * DAY) /* 1970-01-05 */
#define FAR (INT64_C(1) << 53)

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b < 0);
}

static bool near(int64_t bucket) { return bucket > -FAR && bucket < FAR; }

bool omen_step_number(const facet_step *s, const omen_value *v, int64_t *bucket) {
    int64_t i = v->i;
    bool integer = v->kind == OMEN_VALUE_INT;
    if (!integer && v->d >= -0x1p63 && v->d < 0x1p63) {
        i = (int64_t)v->d;
        integer = (double)i == v->d; /* equal numbers share a bucket */
        if (!integer) i -= v->d < (double)i;
        if (s->whole) { /* below 2^53, so that the next integer below is exact */
            *bucket = floor_div(i, s->integer);
            return near(*bucket);
        }
    }
    if (s->whole) {
        if (!integer) return false;
        *bucket = floor_div(i, s->integer);
        return near(*bucket);
    }
    double d = integer ? (double)i : v->d, q = d / s->number;
    if (!(q > -(double)FAR && q < (double)FAR)) return false;
    int64_t k = (int64_t)q;
    k -= (double)k > q;
    while ((double)k * s->number > d) k--;
    while ((double)(k + 1) * s->number <= d) k++;
    *bucket = k;
    return near(k);
}

/* ---- the calendar ---- */

typedef struct date { int64_t year; int32_t month, day; } date; /* month 1 to 12 */

/* By eras of 400 years that begin in March, so that the leap day is the last of its year. */
static date date_of(int64_t days) {
    int64_t z = days + 719468, era = floor_div(z, 146097), of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    date d = {year + era * 400 + (m >= 10), (int32_t)(m < 10 ? m + 3 : m - 9), (int32_t)(of_year - (153 * m + 2) / 5 + 1)};
    return d;
}

static int64_t days_of(int64_t year, int64_t month) { /* its first */
    int64_t y = year - (month <= 2), era = floor_div(y, 400), of_era = y - era * 400, m = month > 2 ? month - 3 : month + 9;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 - 719468;
}

bool omen_step_time(const facet_step *s, int64_t t, int64_t *bucket) {
    if (s->months != 0) {
        date d = date_of(floor_div(t, DAY));
        *bucket = floor_div((d.year - 1970) * 12 + d.month - 1, s->months);
    } else {
        int64_t origin = s->integer % (7 * DAY) == 0 ? MONDAY : 0;
        if (t < INT64_MIN + origin) return false;
        *bucket = floor_div(t - origin, s->integer);
    }
    return near(*bucket);
}

omen_value omen_step_edge(const facet_step *s, int64_t bucket) {
    int64_t i;
    if (s->time && s->months != 0) {
        int64_t months = bucket * s->months, year = floor_div(months, 12);
        if (!__builtin_mul_overflow(days_of(1970 + year, months - year * 12 + 1), DAY, &i)) return (omen_value){.kind = OMEN_VALUE_INT, .i = i};
        return (omen_value){.kind = OMEN_VALUE_NULL};
    }
    if (s->time || s->whole) {
        int64_t origin = s->time && s->integer % (7 * DAY) == 0 ? MONDAY : 0;
        if (!__builtin_mul_overflow(bucket, s->integer, &i) && !__builtin_add_overflow(i, origin, &i)) return (omen_value){.kind = OMEN_VALUE_INT, .i = i};
        return (omen_value){.kind = OMEN_VALUE_FLOAT, .d = (double)bucket * (double)s->integer};
    }
    return (omen_value){.kind = OMEN_VALUE_FLOAT, .d = (double)bucket * s->number};
}

bool omen_step_read(omen_str text, facet_step *out) {
    static const struct { const char *name; int64_t size; uint32_t months; } units[] = {
        {"second", SECOND, 0}, {"minute", 60 * SECOND, 0}, {"hour", 3600 * SECOND, 0}, {"day", DAY, 0}, {"week", 7 * DAY, 0}, {"month", 0, 1}, {"quarter", 0, 3}, {"year", 0, 12}};
    size_t i = 0;
    int64_t count = 0;
    for (; i < text.len && i < 4 && text.data[i] >= '0' && text.data[i] <= '9'; i++) count = count * 10 + (text.data[i] - '0');
    if (i == 0) count = 1;
    else if (count == 0 || i == text.len || text.data[i++] != ' ') return false;
    omen_str name = {text.data + i, text.len - i};
    if (name.len > 1 && name.data[name.len - 1] == 's') name.len--;
    for (uint32_t k = 0; k < OMEN_ARRAY_LEN(units); k++) {
        if (name.len != strlen(units[k].name) || memcmp(name.data, units[k].name, name.len) != 0) continue;
        *out = (facet_step){.time = true, .integer = count * units[k].size, .months = (uint32_t)count * units[k].months};
        return true;
    }
    return false;
}

void omen_instant_print(int64_t t, omen_jw *w) {
    char text[40];
    int64_t days = floor_div(t, DAY), rest = t - days * DAY;
    date d = date_of(days);
    if (d.year < 0 || d.year > 9999) {
        omen_jw_null(w);
        return;
    }
    /* Digits by hand: the formatter knows no leading zeros. */
    const int64_t parts[] = {d.year, d.month, d.day, rest / (3600 * SECOND), rest / (60 * SECOND) % 60, rest / SECOND % 60, rest % SECOND};
    static const uint8_t widths[] = {4, 2, 2, 2, 2, 2, 6};
    static const char before[] = "\0--T::.";
    size_t n = 0;
    for (uint32_t i = 0; i < OMEN_ARRAY_LEN(parts); i++) {
        int64_t v = parts[i];
        if (i == 6 && v == 0) break;
        if (i != 0) text[n++] = before[i];
        for (uint32_t k = widths[i]; k-- > 0; v /= 10) text[n + k] = (char)('0' + v % 10);
        n += widths[i];
    }
    text[n++] = 'Z';
    omen_jw_str(w, (omen_str){text, n});
}
