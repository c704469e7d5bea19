/* The rules of comparing, one by one and against a plain evaluator over random filters and documents; places against libm; times; constants as intervals. */
#include "filter_model.h"

#include <math.h>

#include "base/math.h"

TEST(types_never_mix) {
    static const char *const of[][2] = {{"null", "NULL"}, {"true", "TRUE"}, {"1", "1"}, {"\"1\"", "'1'"}};
    begin();
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            char filter[64], document[64];
            sprintf(filter, "{\"a\":%s}", of[i][0]);
            sprintf(document, "{\"a\":%s}", of[j][0]);
            check_match(__LINE__, filter, document, i == j);
            if (i >= 2) {
                sprintf(filter, "a >= %s", of[i][1]);
                check_match(__LINE__, filter, document, i == j);
                sprintf(filter, "a <= %s", of[i][1]);
                check_match(__LINE__, filter, document, i == j);
            }
        }
    MISS("a = 1", "{\"a\":{}}");
    MISS("a < 'b'", "{\"a\":{\"b\":1}}");
    MATCH("a != 1", "{\"a\":{}}");
    MATCH("NOT a < 1", "{\"a\":\"0\"}");
    end();
}

TEST(missing_and_null) {
    begin();
    MATCH("a IS NULL", "{}");
    MATCH("a IS NULL", "{\"a\":null}");
    MATCH("a IS NULL", "{\"a\":[1,null]}");
    MISS("a IS NULL", "{\"a\":[]}");
    MISS("a IS NULL", "{\"a\":{}}");
    MISS("a IS NULL", "{\"a\":0}");
    MATCH("a IS NULL", NULL);
    MISS("a = 1 OR a < 1 OR a > 'x' OR a STARTS WITH '' OR a CONTAINS '' OR SIZE(a) = 0 OR WITHIN(a, 0, 0, 1e9)", "{\"a\":null}");
    MISS("a = 1 OR a < 1 OR a > 'x' OR a STARTS WITH '' OR a CONTAINS '' OR SIZE(a) = 0 OR WITHIN(a, 0, 0, 1e9)", NULL);
    MATCH("a.b IS NULL", "{\"a\":5}");
    MATCH("a.b IS NULL", "{\"a\":[{\"b\":1}]}");
    MISS("EXISTS(a.b)", "{\"a\":{\"c\":1}}");
    MATCH("EXISTS(a)", "{\"a\":{}}");
    MATCH("EXISTS(a)", "{\"a\":[]}");
    end();
}

TEST(arrays_match_by_any_element) {
    begin();
    MATCH("a = 2", "{\"a\":[1,2,3]}");
    MATCH("a > 2", "{\"a\":[1,2,3]}");
    MISS("a > 3", "{\"a\":[1,2,3]}");
    MISS("a != 2", "{\"a\":[1,2,3]}");
    MISS("a NOT IN (7, 3)", "{\"a\":[1,2,3]}");
    MATCH("a IN (7, 3)", "{\"a\":[1,2,3]}");
    MATCH("a >= 1 AND a <= 5", "{\"a\":[0,9]}");
    MISS("a = 1", "{\"a\":[[1]]}");
    MISS("a = 1", "{\"a\":[]}");
    MATCH("a != 1", "{\"a\":[]}");
    MATCH("a > 'x' AND a < 3", "{\"a\":[\"y\",2,null]}");
    MISS("a STARTS WITH 'a'", "{\"a\":[[\"ab\"]]}");
    end();
}

TEST(numbers_compare_exactly) {
    begin();
    MATCH("a = 1", "{\"a\":1.0}");
    MATCH("a > 9007199254740992", "{\"a\":9007199254740993}");
    MISS("a > 9007199254740992.0", "{\"a\":9007199254740992}");
    MATCH("a < 9007199254740993", "{\"a\":9007199254740992.0}");
    MATCH("a < 1.5", "{\"a\":1}");
    MATCH("a > -1.5", "{\"a\":-1}");
    MISS("a > -1.5", "{\"a\":-2}");
    MATCH("a = 0", "{\"a\":-0.0}");
    MATCH("a >= 9223372036854775807", "{\"a\":9223372036854775808}");
    MISS("a = 9223372036854775807", "{\"a\":9223372036854775808}");
    MATCH("a < 1e300", "{\"a\":9223372036854775807}");
    MATCH("a > -1e300", "{\"a\":-9223372036854775808}");
    MATCH("a IN (0.1, 5, 1e30)", "{\"a\":5.0}");
    MATCH("a IN (0.1, 5, 1e30)", "{\"a\":1e30}");
    MISS("a IN (0.1, 5, 1e30)", "{\"a\":0.10000000000000002}");
    CHECK_EQ_INT(omen_order_i64_f64(1, NAN), 2);
    CHECK_EQ_INT(omen_order_i64_f64(INT64_MAX, 0x1p63), -1);
    CHECK_EQ_INT(omen_order_i64_f64(INT64_MIN, -0x1p63), 0);
    CHECK_EQ_INT(omen_order_i64_f64(INT64_MIN, -0x1.0000000000001p63), 1);
    CHECK_EQ_INT(omen_order_i64_f64(0, -0.5), 1);
    CHECK_EQ_INT(omen_order_i64_f64(0, 0.5), -1);
    CHECK_EQ_INT(omen_order_i64_f64(-3, -3.5), 1);
    CHECK_EQ_INT(omen_order_i64_f64(0, INFINITY), -1);
    end();
}

TEST(nan_matches_nothing) {
    begin();
    static const char *const texts[] = {"a = 1", "a < 1", "a <= 1.5", "a > 1", "a >= 1.5", "a IN (1, 2.5, 3)", "a IN ('x', 2.5)"};
    omen_scalar nan = {.type = OMEN_FILTER_DOUBLE, .d = NAN};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(texts); i++) {
        omen_filter *f = compiled(texts[i]);
        REQUIRE(f != NULL);
        CHECK(!omen_filter_scalar_matches(f, omen_filter_nodes(f), &nan, false));
        omen_filter_free(&mem, f);
    }
    end();
}

TEST(strings_compare_by_bytes) {
    begin();
    MATCH("a > 'Z'", "{\"a\":\"a\"}");
    MATCH("a > 'ab'", "{\"a\":\"abc\"}");
    MISS("a > 'abc'", "{\"a\":\"abc\"}");
    MATCH("a < '\xEE\x80\x80'", "{\"a\":\"\xED\x9F\xBF\"}");
    MATCH("a > '\xEF\xBF\xBF'", "{\"a\":\"\xF0\x90\x80\x80\"}"); /* unlike by UTF-16 */
    MATCH("a = ''", "{\"a\":\"\"}");
    MATCH("a > ''", "{\"a\":\"\\u0000\"}");
    MATCH("a CONTAINS ''", "{\"a\":\"\"}");
    MATCH("a CONTAINS 'aab'", "{\"a\":\"aaaab\"}");
    MISS("a CONTAINS 'aab'", "{\"a\":\"aaaa\"}");
    MATCH("a CONTAINS 'b'", "{\"a\":\"\\u0000b\"}");
    MATCH("a STARTS WITH ''", "{\"a\":\"\"}");
    MISS("a STARTS WITH ''", "{\"a\":1}");
    end();
}

TEST(times_are_instants) {
    begin();
    MATCH("t = DATE '2024-01-01T00:00:00Z'", "{\"t\":\"2024-01-01\"}");
    MATCH("t = DATE '2024-01-01'", "{\"t\":\"2023-12-31T16:00:00.000-08:00\"}");
    MATCH("t < DATE '2024-01-01T00:00:00.000001Z'", "{\"t\":\"2024-01-01T00:00:00.0000009Z\"}");
    MISS("t >= DATE '1900-01-01'", "{\"t\":\"yesterday\"}");
    MISS("t >= DATE '1900-01-01'", "{\"t\":5}");
    MISS("t = '2024-01-01T00:00:00Z'", "{\"t\":\"2024-01-01\"}");
    MATCH("t IN (DATE '2024-01-01', 'x')", "{\"t\":\"2024-01-01T00:00:00Z\"}");
    MATCH("t IN (DATE '2024-01-01', 'x')", "{\"t\":[\"x\"]}");
    MISS("t IN (DATE '2024-01-01', 'x')", "{\"t\":\"y\"}");
    MATCH("t CONTAINS DATE '2024-01-01'", "{\"t\":[\"2024-01-01\"]}");
    MISS("t CONTAINS DATE '2024-01-01'", "{\"t\":\"2024-01-01\"}");
    static const struct { const char *text; int64_t seconds; int64_t micros; } good[] = {
        {"1970-01-01", 0, 0}, {"1969-12-31T23:59:59Z", -1, 0}, {"2000-02-29t12:00:00z", 951825600, 0}, {"0000-01-01", -62167219200, 0},
        {"9999-12-31T23:59:59.999999999Z", 253402300799, 999999}, {"2016-12-31T23:59:60Z", 1483228800, 0}, {"2024-07-01 10:00:00+05:30", 1719808200, 0},
        {"1996-12-19T16:39:57-08:00", 851042397, 0}, {"1985-04-12T23:20:50.52Z", 482196050, 520000}, {"2100-03-01", 4107542400, 0},
    };
    static const char *const bad[] = {"", "2024", "2024-1-1", "2024-01-32", "2023-02-29", "2100-02-29", "2024-00-01", "2024-13-01", "2024-01-01T", "2024-01-01T00:00Z", "2024-01-01T00:00:00",
                                      "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+0100", "2024-01-01T00:00:00Z ",
                                      "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+01:60", "+024-01-01", "2024-01-01X00:00:00Z", "2024-01-01T00:00:00-1:00"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(good); i++) {
        int64_t t = 1;
        CHECK(omen_time_parse(str(good[i].text), &t));
        CHECK_EQ_INT(t, good[i].seconds * 1000000 + good[i].micros);
    }
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        int64_t t;
        if (!CHECK(!omen_time_parse(str(bad[i]), &t))) printf("        %s\n", bad[i]);
    }
    int64_t before = 0, t;
    char text[32]; /* every day follows the one before */
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int y = 1890; y < 2110; y++)
        for (int m = 1; m <= 12; m++)
            for (int d = 1; d <= days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)); d++) {
                sprintf(text, "%04d-%02d-%02d", y, m, d);
                CHECK(omen_time_parse(str(text), &t));
                if (before != 0) CHECK_EQ_INT(t - before, INT64_C(86400000000));
                before = t;
            }
    end();
}

TEST(places_have_their_forms) {
    begin();
    static const char near[] = "WITHIN(p, 13.4, 52.5, 1000)";
    MATCH(near, "{\"p\":[13.4,52.5]}");
    MATCH(near, "{\"p\":[13.4,52.508]}");
    MISS(near, "{\"p\":[13.4,52.51]}");
    MATCH(near, "{\"p\":[13.4,52.5,120,\"x\"]}");
    MATCH(near, "{\"p\":{\"lat\":52.5,\"lon\":13.4}}");
    MATCH(near, "{\"p\":{\"type\":\"Point\",\"coordinates\":[13.4,52.5]}}");
    MISS(near, "{\"p\":{\"type\":\"LineString\",\"coordinates\":[[13.4,52.5]]}}");
    MISS(near, "{\"p\":{\"type\":\"LineString\",\"coordinates\":[13.4,52.5]}}");
    MATCH(near, "{\"p\":[[0,0],[13.4,52.5]]}");
    MATCH(near, "{\"p\":[null,{\"lat\":52.5,\"lon\":13.4}]}");
    MISS(near, "{\"p\":[[[13.4,52.5]]]}");
    MISS(near, "{\"p\":[13.4]}");
    MISS(near, "{\"p\":[\"13.4\",\"52.5\"]}");
    MISS(near, "{\"p\":\"13.4,52.5\"}");
    MISS(near, "{\"p\":{\"lat\":52.5}}");
    MISS("WITHIN(p, 0, 0, 1e9)", "{\"p\":[181,0]}");
    MISS("WITHIN(p, 0, 0, 1e9)", "{\"p\":[0,90.5]}");
    MATCH("WITHIN(p, 0, 0, 1e9)", "{\"p\":[180,-90]}");
    MATCH("WITHIN(p, 1, 2, 0)", "{\"p\":[1,2]}");
    static const char box[] = "WITHIN_BOX(p, 10, 40, 20, 50)", across[] = "WITHIN_BOX(p, 170, -10, -170, 10)";
    MATCH(box, "{\"p\":[10,50]}");
    MATCH(box, "{\"p\":{\"lon\":15,\"lat\":40}}");
    MISS(box, "{\"p\":[9.99,45]}");
    MISS(box, "{\"p\":[15,50.01]}");
    MATCH(across, "{\"p\":[175,0]}");
    MATCH(across, "{\"p\":[-175,0]}");
    MATCH(across, "{\"p\":[180,0]}");
    MISS(across, "{\"p\":[0,0]}");
    MATCH("WITHIN_BOX(p, 170, -10, 180, 10)", "{\"p\":[-180,0]}");
    MISS("WITHIN_BOX(p, 170, -10, 179, 10)", "{\"p\":[-180,0]}");
    end();
}

static double unit(void) { return (double)(test_rand() >> 11) * 0x1p-53; }
static double random_lon(void) { return test_rand_below(8) == 0 ? (double)test_rand_below(5) * 90.0 - 180.0 : unit() * 360.0 - 180.0; }
static double random_lat(void) { return test_rand_below(8) == 0 ? (double)test_rand_below(3) * 90.0 - 90.0 : asin(unit() * 2.0 - 1.0) / OMEN_PI * 180.0; }

TEST(circles_agree_with_libm_and_lie_in_their_bounds) {
    uint32_t inside = 0;
    for (int i = 0; i < 200000; i++) {
        double lon = random_lon(), lat = random_lat(), metres = exp(unit() * 17.0), r = 6371008.8;
        omen_filter_circle c;
        omen_circle_make(&c, lon, lat, metres);
        /* A place at a chosen distance and bearing, or anywhere. */
        double angle = metres / r * (0.5 + unit()), bearing = unit() * 2.0 * OMEN_PI, phi = lat * OMEN_PI / 180.0;
        double to = asin(fmax(-1.0, fmin(1.0, sin(phi) * cos(angle) + cos(phi) * sin(angle) * cos(bearing))));
        double along = lon + atan2(sin(bearing) * sin(angle) * cos(phi), cos(angle) - sin(phi) * sin(to)) / OMEN_PI * 180.0;
        double x = i % 8 == 0 ? random_lon() : along < -180.0 ? along + 360.0 : along > 180.0 ? along - 360.0 : along, y = i % 8 == 0 ? random_lat() : to / OMEN_PI * 180.0;
        double s1 = sin((y - lat) * OMEN_PI / 360.0), s2 = sin((x - lon) * OMEN_PI / 360.0);
        double h = s1 * s1 + cos(phi) * cos(y * OMEN_PI / 180.0) * s2 * s2, distance = 2.0 * r * asin(fmin(1.0, sqrt(h)));
        bool has = omen_circle_has(&c, x, y);
        inside += has;
        if (distance < metres * (1.0 - 1e-7) - 1e-3) CHECK(has);
        if (distance > metres * (1.0 + 1e-7) + 1e-3) CHECK(!has);
        if (has) CHECK(omen_box_has(&c.bounds, x, y));
    }
    CHECK(inside > 50000 && inside < 150000);
}

static int64_t ulps(double a, double b) {
    int64_t x, y;
    if (a == b) return 0;
    memcpy(&x, &a, 8), memcpy(&y, &b, 8);
    if ((x < 0) != (y < 0)) return INT64_MAX;
    return x > y ? x - y : y - x;
}

TEST(trigonometry_is_as_good_as_it_says) {
    for (int i = 0; i < 300000; i++) {
        double x = (unit() * 2.0 - 1.0) * (i % 3 == 0 ? 1048576.0 : i % 3 == 1 ? 7.0 : 1e-3), want = sin(x);
        CHECK(fabs(omen_sin(x) - want) <= 1.5 * fmax(fabs(want), 0x1p-53) * 0x1p-52);
        want = cos(x);
        CHECK(fabs(omen_cos(x) - want) <= 1.5 * fmax(fabs(want), 0x1p-53) * 0x1p-52);
        x = unit() * 2.0 - 1.0;
        CHECK(ulps(omen_asin(x), asin(x)) <= 4);
    }
    CHECK(omen_sin(0.0) == 0.0 && omen_cos(0.0) == 1.0 && omen_asin(1.0) == OMEN_PI / 2.0 && omen_asin(-1.0) == -OMEN_PI / 2.0);
    CHECK(isnan(omen_sin(NAN)) && isnan(omen_cos(1e300)) && isnan(omen_sin(-INFINITY)) && isnan(omen_asin(1.0000001)) && isnan(omen_asin(NAN)));
}

/* The sum of many results, pinned: every host and compiler must come to these bits. */
TEST(trigonometry_has_the_same_bits_everywhere) {
    uint64_t state = 1, sum = 0;
    for (int i = 0; i < 10000; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double x = (double)(state >> 11) * 0x1p-53 * 400.0 - 200.0, v[3] = {omen_sin(x), omen_cos(x), omen_asin(x / 200.0)};
        for (int k = 0; k < 3; k++) {
            uint64_t bits;
            memcpy(&bits, &v[k], 8);
            sum = (sum ^ bits) * UINT64_C(0x100000001b3);
        }
    }
    CHECK_EQ_UINT(sum, UINT64_C(0xd4c66f65ca8a9930));
}

/* ---- constants as intervals ---- */

static double random_double(void) {
    static const double edges[] = {0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 0x1p53, -0x1p53, 0x1p53 + 2, 0x1p63, -0x1p63, 0x1.fffffffffffffp62, -0x1.0000000000001p63, 1e300, -1e300, 0x1p-1074, -0x1p-1074, 0x1.fffffffffffffp1023};
    return edges[test_rand_below(OMEN_ARRAY_LEN(edges))];
}
static int64_t random_int(void) {
    static const int64_t edges[] = {0, 1, -1, 2, -2, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, (INT64_C(1) << 53), (INT64_C(1) << 53) + 1, -(INT64_C(1) << 53) - 1, INT64_MAX - 511, INT64_MAX - 512, INT64_MAX - 1023};
    return edges[test_rand_below(OMEN_ARRAY_LEN(edges))];
}

static bool order_holds(uint8_t op, int order) {
    switch (op) {
    case OMEN_FILTER_EQ: return order == 0;
    case OMEN_FILTER_LT: return order == -1;
    case OMEN_FILTER_LTE: return order == -1 || order == 0;
    case OMEN_FILTER_GT: return order == 1;
    default: return order == 1 || order == 0;
    }
}

TEST(intervals_say_what_orderings_say) {
    static const uint8_t ops[] = {OMEN_FILTER_EQ, OMEN_FILTER_LT, OMEN_FILTER_LTE, OMEN_FILTER_GT, OMEN_FILTER_GTE};
    for (int round = 0; round < 200000; round++) {
        omen_filter_value c = {.type = test_rand_below(2) ? OMEN_FILTER_INT : OMEN_FILTER_DOUBLE};
        if (c.type == OMEN_FILTER_INT) c.as.i = random_int();
        else c.as.d = random_double();
        uint8_t op = ops[test_rand_below(5)];
        int64_t low, high, i = random_int();
        double from, to, d = random_double();
        bool some = omen_filter_range_i64(op, &c, &low, &high);
        int order = c.type == OMEN_FILTER_INT ? (i < c.as.i ? -1 : i > c.as.i) : omen_order_i64_f64(i, c.as.d);
        CHECK_EQ_INT(some && low <= i && i <= high, order_holds(op, order));
        some = omen_filter_range_f64(op, &c, &from, &to);
        order = c.type == OMEN_FILTER_INT ? -omen_order_i64_f64(c.as.i, d) : d < c.as.d ? -1 : d > c.as.d;
        CHECK_EQ_INT(some && from <= d && d <= to, order_holds(op, order));
        CHECK(!(some && from <= NAN && NAN <= to));
    }
}

TEST(runs_of_a_list_are_its_classes) {
    begin();
    omen_filter *f = compiled("a IN ('b', 2.5, NULL, 'a', TRUE, 1, DATE '2024-01-01', FALSE, 7)");
    REQUIRE(f != NULL);
    static const uint32_t want[6] = {1, 2, 3, 3, 2, 1};
    for (uint32_t type = 0; type < 6; type++) {
        const omen_filter_value *v;
        CHECK_EQ_UINT(omen_filter_run(f, omen_filter_nodes(f), type, &v), want[type]);
        if (type != OMEN_FILTER_DOUBLE && type != OMEN_FILTER_INT) CHECK_EQ_UINT(v->type, type);
        if (type == OMEN_FILTER_INT) CHECK(v[0].as.i == 1 && v[1].as.d == 2.5 && v[2].as.i == 7);
    }
    omen_filter_free(&mem, f);
    f = compiled("a IN ('b', 'a')");
    REQUIRE(f != NULL);
    const omen_filter_value *v;
    CHECK_EQ_UINT(omen_filter_run(f, omen_filter_nodes(f), OMEN_FILTER_INT, &v), 0);
    CHECK_EQ_UINT(omen_filter_run(f, omen_filter_nodes(f), OMEN_FILTER_STRING, &v), 2);
    omen_filter_free(&mem, f);
    end();
}

/* ---- random filters on random documents, against the plainest evaluator ---- */

typedef enum sort { S_NULL, S_BOOL, S_NUMBER, S_STRING, S_ARRAY, S_OBJECT } sort;
typedef struct plain {
    sort sort;
    bool truth;
    long double number; /* exact for int64 and double */
    const char *json, *sql;
    const char *text;
    int64_t time; /* of a string: INT64_MIN when it is none */
} plain;

#define L_MIN INT64_MIN
static const plain scalars[] = {
    {S_NULL, false, 0, "null", "NULL", NULL, 0}, {S_BOOL, true, 0, "true", "TRUE", NULL, 0}, {S_BOOL, false, 0, "false", "FALSE", NULL, 0},
    {S_NUMBER, false, 0, "0", "0", NULL, 0}, {S_NUMBER, false, 1, "1", "1", NULL, 0}, {S_NUMBER, false, 1, "1.0", "1.0", NULL, 0}, {S_NUMBER, false, 1.5L, "1.5", "1.5", NULL, 0},
    {S_NUMBER, false, -2, "-2", "-2", NULL, 0}, {S_NUMBER, false, 9007199254740992.0L, "9007199254740992", "9007199254740992", NULL, 0},
    {S_NUMBER, false, 9007199254740993.0L, "9007199254740993", "9007199254740993", NULL, 0}, {S_NUMBER, false, 0x1p80L, "1208925819614629174706176", "1208925819614629174706176", NULL, 0},
    {S_STRING, false, 0, "\"\"", "''", "", L_MIN}, {S_STRING, false, 0, "\"a\"", "'a'", "a", L_MIN}, {S_STRING, false, 0, "\"ab\"", "'ab'", "ab", L_MIN},
    {S_STRING, false, 0, "\"b'\\\"a\"", "'b''\"a'", "b'\"a", L_MIN}, {S_STRING, false, 0, "\"1\"", "'1'", "1", L_MIN},
    {S_STRING, false, 0, "\"2024-01-01\"", "'2024-01-01'", "2024-01-01", 5}, {S_STRING, false, 0, "\"2024-01-01T01:00:00+01:00\"", "'2024-01-01T01:00:00+01:00'", "2024-01-01T01:00:00+01:00", 5},
    {S_STRING, false, 0, "\"2024-06-01\"", "'2024-06-01'", "2024-06-01", 6},
};
static const plain dates[] = {
    {S_OBJECT, false, 0, "{\"$date\":\"2024-01-01\"}", "DATE '2024-01-01'", NULL, 5}, {S_OBJECT, false, 0, "{\"$date\":\"2024-06-01T00:00:00Z\"}", "DATE '2024-06-01'", NULL, 6},
};

/* A value of a document. */
typedef struct field {
    bool there, array, object;
    uint32_t count;
    const plain *items[4]; /* NULL: an empty array inside the array */
    double lon, lat;
    bool place;
} field;
typedef struct document {
    field fields[3]; /* a, b.c, g */
    char json[1024];
} document;
static const char *const paths[] = {"a", "b.c", "g"};

static const plain *any_scalar(void) { return &scalars[test_rand_below(OMEN_ARRAY_LEN(scalars))]; }

static char *print_field(char *p, field *f) {
    *f = (field){.there = true};
    switch (test_rand_below(7)) {
    case 0: f->object = true; return stpcpy(p, "{\"x\":1}");
    case 1:
    case 2:
        f->array = true;
        f->count = (uint32_t)test_rand_below(5);
        p = stpcpy(p, "[");
        for (uint32_t i = 0; i < f->count; i++) {
            f->items[i] = test_rand_below(10) == 0 ? NULL : any_scalar();
            p += sprintf(p, "%s%s", i == 0 ? "" : ",", f->items[i] == NULL ? "[]" : f->items[i]->json);
        }
        if (f->count >= 2 && f->items[0] != NULL && f->items[1] != NULL && f->items[0]->sort == S_NUMBER && f->items[1]->sort == S_NUMBER) {
            f->place = true;
            f->lon = (double)f->items[0]->number;
            f->lat = (double)f->items[1]->number;
        }
        return stpcpy(p, "]");
    default:
        f->count = 1;
        f->items[0] = any_scalar();
        return stpcpy(p, f->items[0]->json);
    }
}

static void make_document(document *d) {
    char *p = stpcpy(d->json, "{\"z\":0");
    for (int i = 0; i < 3; i++) {
        d->fields[i] = (field){0};
        if (test_rand_below(5) == 0) continue;
        p = stpcpy(p, i == 0 ? ",\"a\":" : i == 1 ? ",\"b\":{\"c\":" : ",\"g\":");
        p = print_field(p, &d->fields[i]);
        if (i == 1) p = stpcpy(p, "}");
    }
    strcpy(p, "}");
}

typedef struct expression {
    int op; /* omen_filter_op; NE and so on are NOT of it */
    int path;
    uint32_t count;
    struct expression *children[3];
    const plain *values[4];
    int size;
    double lon, lat, metres;
} expression;

static expression *make_expression(int depth) {
    expression *e = calloc(1, sizeof *e);
    if (depth > 0 && test_rand_below(3) != 0) {
        e->op = OMEN_FILTER_AND + (int)test_rand_below(3);
        e->count = e->op == OMEN_FILTER_NOT ? 1 : 1 + (uint32_t)test_rand_below(3);
        for (uint32_t i = 0; i < e->count; i++) e->children[i] = make_expression(depth - 1);
        return e;
    }
    e->op = OMEN_FILTER_EQ + (int)test_rand_below(12);
    e->path = (int)test_rand_below(3);
    e->size = (int)test_rand_below(4);
    e->lon = (double)test_rand_below(4), e->lat = (double)test_rand_below(4), e->metres = (double)test_rand_below(400000);
    e->count = e->op == OMEN_FILTER_IN ? (uint32_t)test_rand_below(5) : 1;
    for (uint32_t i = 0; i < e->count; i++)
        for (;;) {
            const plain *v = test_rand_below(6) == 0 ? &dates[test_rand_below(2)] : any_scalar();
            bool order = e->op >= OMEN_FILTER_LT && e->op <= OMEN_FILTER_GTE;
            if (order && (v->sort == S_NULL || v->sort == S_BOOL)) continue;
            if (e->op == OMEN_FILTER_CONTAINS && v->sort == S_NULL) continue;
            if (e->op == OMEN_FILTER_PREFIX && v->sort != S_STRING) continue;
            e->values[i] = v;
            break;
        }
    return e;
}

static void free_expression(expression *e) {
    if (e->op <= OMEN_FILTER_NOT)
        for (uint32_t i = 0; i < e->count; i++) free_expression(e->children[i]);
    free(e);
}

static const char *const mongo_names[] = {"$eq", "$lt", "$lte", "$gt", "$gte", "$in", "$exists", "$size", "$prefix", "$contains"};
static const char *const sql_names[] = {" = ", " < ", " <= ", " > ", " >= ", " IN ", "EXISTS", "SIZE", " STARTS WITH ", " CONTAINS "};

static char *print_mongo(char *p, const expression *e) {
    if (e->op <= OMEN_FILTER_NOT) {
        p = stpcpy(p, e->op == OMEN_FILTER_AND ? "{\"$and\":[" : e->op == OMEN_FILTER_OR ? "{\"$or\":[" : "{\"$not\":");
        for (uint32_t i = 0; i < e->count; i++) p = print_mongo(stpcpy(p, i == 0 ? "" : ","), e->children[i]);
        return stpcpy(p, e->op == OMEN_FILTER_NOT ? "}" : "]}");
    }
    p += sprintf(p, "{\"%s\":{", paths[e->path]);
    if (e->op == OMEN_FILTER_CIRCLE) return p + sprintf(p, "\"$geoWithin\":{\"$center\":[[%g,%g],%.0f]}}}", e->lon, e->lat, e->metres);
    if (e->op == OMEN_FILTER_BOX) return p + sprintf(p, "\"$geoWithin\":{\"$box\":[[%g,%g],[%g,%g]]}}}", e->lon, e->lat, e->lon + 1, e->lat + 2);
    p += sprintf(p, "\"%s\":", mongo_names[e->op - OMEN_FILTER_EQ]);
    if (e->op == OMEN_FILTER_EXISTS) return stpcpy(p, "true}}");
    if (e->op == OMEN_FILTER_SIZE) return p + sprintf(p, "%d}}", e->size);
    if (e->op == OMEN_FILTER_IN) p = stpcpy(p, "[");
    for (uint32_t i = 0; i < e->count; i++) p += sprintf(p, "%s%s", i == 0 ? "" : ",", e->values[i]->json);
    return stpcpy(p, e->op == OMEN_FILTER_IN ? "]}}" : "}}");
}

static char *print_sql(char *p, const expression *e) {
    if (e->op <= OMEN_FILTER_NOT) {
        p = stpcpy(p, e->op == OMEN_FILTER_NOT ? "NOT (" : "(");
        for (uint32_t i = 0; i < e->count; i++) p = print_sql(stpcpy(p, i == 0 ? "" : e->op == OMEN_FILTER_AND ? " AND " : " OR "), e->children[i]);
        return stpcpy(p, ")");
    }
    const char *path = paths[e->path], *name = e->op >= OMEN_FILTER_CIRCLE ? "" : sql_names[e->op - OMEN_FILTER_EQ];
    if (e->op == OMEN_FILTER_CIRCLE) return p + sprintf(p, "WITHIN(%s, %g, %g, %.0f)", path, e->lon, e->lat, e->metres);
    if (e->op == OMEN_FILTER_BOX) return p + sprintf(p, "WITHIN_BOX(%s, %g, %g, %g, %g)", path, e->lon, e->lat, e->lon + 1, e->lat + 2);
    if (e->op == OMEN_FILTER_EXISTS) return p + sprintf(p, "EXISTS(%s)", path);
    if (e->op == OMEN_FILTER_SIZE) return p + sprintf(p, "SIZE(%s) = %d", path, e->size);
    if (e->op == OMEN_FILTER_EQ && e->values[0]->sort == S_NULL) return p + sprintf(p, "%s IS NULL", path);
    p += sprintf(p, "%s%s%s", path, name, e->op == OMEN_FILTER_IN ? "(" : "");
    for (uint32_t i = 0; i < e->count; i++) p += sprintf(p, "%s%s", i == 0 ? "" : ", ", e->values[i]->sql);
    return stpcpy(p, e->op == OMEN_FILTER_IN ? ")" : "");
}

/* -1, 0, 1, or 2: no order. */
static int plain_order(const plain *v, const plain *c) {
    if (c->sort == S_OBJECT) return v->sort != S_STRING || v->time == L_MIN ? 2 : v->time < c->time ? -1 : v->time > c->time;
    if (v->sort != c->sort) return 2;
    if (v->sort == S_NULL) return 0;
    if (v->sort == S_BOOL) return v->truth - c->truth;
    if (v->sort == S_NUMBER) return v->number < c->number ? -1 : v->number > c->number;
    int order = strcmp(v->text, c->text);
    return order < 0 ? -1 : order > 0;
}

static bool plain_scalar(const expression *e, const plain *v, bool element) {
    bool holds = false;
    for (uint32_t i = 0; i < e->count; i++) {
        const plain *c = e->values[i];
        int order = plain_order(v, c);
        switch (e->op) {
        case OMEN_FILTER_IN: holds |= order == 0; break;
        case OMEN_FILTER_PREFIX: holds |= v->sort == S_STRING && strncmp(v->text, c->text, strlen(c->text)) == 0; break;
        case OMEN_FILTER_CONTAINS: holds |= element ? order == 0 : v->sort == S_STRING && c->sort == S_STRING && strstr(v->text, c->text) != NULL; break;
        default: holds |= order_holds((uint8_t)e->op, order);
        }
    }
    return holds;
}

static bool plain_answer(const expression *e, const document *d) {
    bool holds = e->op == OMEN_FILTER_AND;
    const field *f = &d->fields[e->path];
    switch (e->op) {
    case OMEN_FILTER_AND:
        for (uint32_t i = 0; i < e->count; i++) holds &= plain_answer(e->children[i], d);
        return holds;
    case OMEN_FILTER_OR:
        for (uint32_t i = 0; i < e->count; i++) holds |= plain_answer(e->children[i], d);
        return holds;
    case OMEN_FILTER_NOT: return !plain_answer(e->children[0], d);
    case OMEN_FILTER_EXISTS: return f->there;
    case OMEN_FILTER_SIZE: return f->array && f->count == (uint32_t)e->size;
    case OMEN_FILTER_CIRCLE: {
        if (!f->place || fabs(f->lat) > 90.0 || fabs(f->lon) > 180.0) return false;
        double a = f->lat * OMEN_PI / 180.0, b = e->lat * OMEN_PI / 180.0, c = (f->lon - e->lon) * OMEN_PI / 180.0;
        /* By the law of cosines, another formula. */
        return acos(fmin(1.0, sin(a) * sin(b) + cos(a) * cos(b) * cos(c))) * 6371008.8 <= e->metres + 0.2;
    }
    case OMEN_FILTER_BOX: return f->place && f->lon >= e->lon && f->lon <= e->lon + 1 && f->lat >= e->lat && f->lat <= e->lat + 2;
    default: break;
    }
    if (!f->there) {
        for (uint32_t i = 0; i < e->count; i++) holds |= (e->op == OMEN_FILTER_EQ || e->op == OMEN_FILTER_IN) && e->values[i]->sort == S_NULL;
        return holds;
    }
    for (uint32_t i = 0; i < f->count; i++) holds |= f->items[i] != NULL && plain_scalar(e, f->items[i], f->array);
    return holds;
}

TEST(random_filters_answer_as_a_plain_evaluator) {
    begin();
    uint32_t matched = 0, asked_count = 0;
    static char mongo[1 << 16], sql[1 << 16];
    for (int round = 0; round < 4000; round++) {
        expression *e = make_expression((int)test_rand_below(5));
        print_mongo(mongo, e);
        print_sql(sql, e);
        check_same(__LINE__, mongo, sql);
        omen_filter *f = compiled(mongo);
        REQUIRE(f != NULL);
        check_form(f);
        for (int i = 0; i < 20; i++) {
            document d;
            omen_json *json;
            make_document(&d);
            REQUIRE_OK(omen_json_parse(&mem, str(d.json), &json, &error));
            bool got = omen_filter_matches(f, omen_json_root(json)), want = plain_answer(e, &d);
            if (!CHECK_EQ_INT(got, want)) printf("        %s\n        %s\n        %s\n", sql, mongo, d.json);
            matched += want;
            asked_count++;
            omen_json_free(json);
        }
        omen_filter_free(&mem, f);
        free_expression(e);
    }
    CHECK(matched > asked_count / 5 && matched < asked_count * 4 / 5);
    end();
}

TEST_MAIN()
