#include "column/columns_time.h"

/* Reads n digits; -1: there are none. */
static int digits(const char *p, int n) {
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

/* Days since 1970-01-01; years counted from March, so that the leap day is the last. */
static int64_t days(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_days(int year, int month) {
    static const uint8_t of[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return of[month - 1] + (month == 2 && leap);
}

bool omen_time_parse(omen_str text, int64_t *out) {
    const char *p = text.data;
    if (text.len < 20 || p[4] != '-' || p[7] != '-' || (p[10] | 32) != 't' || p[13] != ':' || p[16] != ':') return false;
    int year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2), hour = digits(p + 11, 2), minute = digits(p + 14, 2), second = digits(p + 17, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > month_days(year, month)) return false;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    size_t at = 19;
    int64_t micro = 0, unit = 100000;
    if (p[at] == '.') {
        size_t from = ++at;
        for (; at < text.len && p[at] >= '0' && p[at] <= '9'; at++) {
            if (unit == 0 && p[at] != '0') return false;
            micro += (p[at] - '0') * unit;
            unit /= 10;
        }
        if (at == from) return false;
    }
    int64_t offset = 0;
    if (at < text.len && (p[at] | 32) == 'z') {
        at++;
    } else if (at + 6 <= text.len && (p[at] == '+' || p[at] == '-') && p[at + 3] == ':') {
        int h = digits(p + at + 1, 2), m = digits(p + at + 4, 2);
        if (h < 0 || h > 23 || m < 0 || m > 59) return false;
        offset = (h * 60 + m) * (p[at] == '-' ? -60 : 60);
        at += 6;
    } else {
        return false;
    }
    if (at != text.len) return false;
    *out = (days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset) * 1000000 + micro;
    return true;
}
