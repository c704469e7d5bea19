/* Times of RFC 3339, without a calendar of the host's. */
#include "column/filter.h"

/* `count` digits as a number; false: there are no such. */
static bool digits(const char **p, const char *end, int count, int *out) {
    int v = 0;
    if (end - *p < count) return false;
    for (int i = 0; i < count; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9') return false;
        v = v * 10 + (c - '0');
    }
    *p += count;
    *out = v;
    return true;
}

static bool take(const char **p, const char *end, char c) {
    if (*p == end || **p != c) return false;
    ++*p;
    return true;
}

static bool leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

static int days_in(int year, int month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && leap(year));
}

/* Days from 1970-01-01 in the Gregorian calendar, years 0 to 9999. */
static int64_t day_number(int year, int month, int day) {
    int64_t days = (int64_t)year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400; /* to January 1 from that of year 0 */
    for (int m = 1; m < month; m++) days += days_in(year, m);
    return days + day - 1 - 719528; /* 1970-01-01 */
}

bool omen_time_parse(omen_str text, int64_t *microseconds) {
    if (text.len < 10) return false;
    const char *p = text.data, *end = p + text.len;
    int year, month, day, hour, minute, second;
    if (!digits(&p, end, 4, &year) || !take(&p, end, '-') || !digits(&p, end, 2, &month) || !take(&p, end, '-') || !digits(&p, end, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in(year, month)) return false;
    int64_t t = day_number(year, month, day) * 86400;
    if (p == end) {
        *microseconds = t * 1000000;
        return true;
    }
    if (!take(&p, end, 'T') && !take(&p, end, 't') && !take(&p, end, ' ')) return false;
    if (!digits(&p, end, 2, &hour) || !take(&p, end, ':') || !digits(&p, end, 2, &minute) || !take(&p, end, ':') || !digits(&p, end, 2, &second)) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    int64_t fraction = 0;
    if (take(&p, end, '.')) {
        int count = 0;
        for (; p != end && *p >= '0' && *p <= '9'; p++, count++)
            if (count < 6) fraction = fraction * 10 + (*p - '0');
        if (count == 0) return false;
        for (; count < 6; count++) fraction *= 10;
    }
    int64_t offset = 0;
    if (!take(&p, end, 'Z') && !take(&p, end, 'z')) {
        bool west = take(&p, end, '-');
        int hours, minutes;
        if (!west && !take(&p, end, '+')) return false;
        if (!digits(&p, end, 2, &hours) || !take(&p, end, ':') || !digits(&p, end, 2, &minutes) || hours > 23 || minutes > 59) return false;
        offset = (west ? -60 : 60) * (hours * 60 + minutes);
    }
    if (p != end) return false;
    *microseconds = (t + hour * 3600 + minute * 60 + second - offset) * 1000000 + fraction;
    return true;
}

void omen_time_print(int64_t milliseconds, char out[OMEN_TIME_TEXT]) {
    const int64_t first = -62167219200000, last = 253402300799999; /* 0000-01-01, 9999-12-31 */
    int64_t t = OMEN_MIN(OMEN_MAX(milliseconds, first), last) - first;
    int64_t day = t / 86400000;
    int ms = (int)(t % 86400000), year = (int)(day / 366), month = 1;
    while (year < 9999 && day_number(year + 1, 1, 1) + 719528 <= day) year++;
    day -= day_number(year, 1, 1) + 719528;
    for (; day >= days_in(year, month); month++) day -= days_in(year, month);
    omen_format(out, OMEN_TIME_TEXT, "%u%u%u%u-%u%u-%u%uT%u%u:%u%u:%u%u.%u%u%uZ", year / 1000, year / 100 % 10, year / 10 % 10, year % 10, month / 10, month % 10, (int)(day + 1) / 10, (int)(day + 1) % 10,
                ms / 36000000, ms / 3600000 % 10, ms / 600000 % 6, ms / 60000 % 10, ms / 10000 % 6, ms / 1000 % 10, ms / 100 % 10, ms / 10 % 10, ms % 10);
}
