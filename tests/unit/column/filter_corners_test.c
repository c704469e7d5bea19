/* Corners of filters: texts that only just are, or are not, one; places of refusals in long lines; constants at the ends of their ranges; and memory that runs out at every step of reading
 * either spelling. */
#include "filter_model.h"

#include "base/key.h"
#include "column/filter_build.h"

TEST(texts_that_are_hardly_sql) {
    begin();
    SAME("\t\r\n a\t=\r\n1 ", "{\"a\":1}");
    SAME("NOT\t(a = 1)", "{\"a\":{\"$ne\":1}}");
    SAME("a = 5e-1", "{\"a\":0.5}");
    SAME("a = 5E+1", "{\"a\":50}");
    SAME("size\r\n(a) = 1", "{\"a\":{\"$size\":1}}");
    SAME("exists\t(a)", "{\"a\":{\"$exists\":true}}");
    SAME("a = 9223372036854775808", "{\"a\":9223372036854775808}");
    REFUSED("a = -.", "no number");
    REFUSED("a = -.5", "no number");
    REFUSED("a = .5", "no number");
    REFUSED(".5 = a", "a path is expected");
    REFUSED("a .5 = 1", "after a path");
    REFUSED("a.5 = 1", "a name is expected after the dot");
    REFUSED("a = 1e999", "no number");
    REFUSED("a = 1a", "no number");
    REFUSED("a9b = ", "a value is expected");
    REFUSED("a < > 1", "a value is expected");
    REFUSED("a ! 1", "to negate");
    static const char *const signs[] = {"&", "|", "?", "$x", ":x", "@x", "`x`", "[x]", ";", "#"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(signs); i++) {
        char text[20];
        snprintf(text, sizeof text, "a = 1 %s", signs[i]);
        REFUSED(text, i < 2 ? "AND and OR" : i < 6 ? "no parameters" : i < 8 ? "double quotes" : i == 8 ? "semicolon" : "no such sign");
    }
    /* Behind each word the next token cannot be read. */
    static const char *const broken[] = {"a BETWEEN 1 AND &", "a BETWEEN 1 AND 2 &", "a BETWEEN & AND 1", "a IS &", "a IS NOT &", "a IS NULL &", "SIZE(&", "SIZE(a) &", "SIZE(a) = &", "SIZE(a.&) = 1", "WITHIN(&", "WITHIN(a.&", "WITHIN(a, &",
                                         "EXISTS(&", "EXISTS(a &", "EXISTS(a.&)", "a.& = 1", "a CONTAINS ALL &", "a CONTAINS ALL (&", "a CONTAINS ANY (1 &", "a CONTAINS ANY (1, &", "a LIKE &", "a LIKE 'x' &", "NOT &", "(&",
                                         "(a = 1) &", "(a = 1 &", "a = DATE '2024-01-31' &", "TRUE &", "FALSE &", "a IN (&", "a IN (1 &", "a STARTS &", "a STARTS WITH &", "a STARTS WITH 'x' &", "a &", "a NOT &", "a = 1 AND &", "a = 1 OR &", "&"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(broken); i++) REFUSED(broken[i], "AND and OR");
    REFUSED("EXISTS(a", ") is expected");
    REFUSED("EXISTS('a')", "a path is expected");
    REFUSED("SIZE('a') = 1", "a path is expected");
    REFUSED("SIZE(a) = 'x'", "a size is a whole number");
    REFUSED("SIZE(a) = x", "a value is expected");
    REFUSED("WITHIN('a', 1, 2, 3)", "a path is expected");
    REFUSED("WITHIN(a, -181, 2, 3)", "places are longitude");
    REFUSED("WITHIN(a, 1, -91, 3)", "places are longitude");
    REFUSED("WITHIN_BOX(a, 1, -91, 3, 4)", "places are longitude");
    REFUSED("WITHIN(a, 1e999, 2, 3)", "no number");
    REFUSED("WITHIN(a, 1, 2, x)", "a number is expected");
    REFUSED("between(a)", "a path is expected");
    REFUSED("a = date", "a value is expected");
    REFUSED("a = timestamp x", "a value is expected");
    REFUSED("a LIKE 'x\\", "never closed");
    REFUSED("a LIKE 'x\\'", "a backslash in LIKE");
    REFUSED("a CONTAINS ALL (1 2)", "a comma or ) is expected");
    REFUSED("a CONTAINS ALL (TRUE, NULL)", "IS NULL");
    REFUSED("'\t", "never closed");
    REFUSED("a = DATE '2024", "never closed");
    REFUSED("a = 1+2", "AND, OR or the end");
    REFUSED("a = - 1", "no such sign");
    REFUSED("a += 1", "no such sign");
    REFUSED("a = 1 &\nAND b = 2", "AND and OR");
    REFUSED("a = '\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9'  &", "AND and OR");
    SAME("\"a$b\" = 1", "{\"a$b\":1}");
    end();
}

TEST(refusals_in_long_lines) {
    char text[400];
    begin();
    /* The window begins, and ends, within a character; the line goes on behind it; the place is in the second line. */
    for (int before = 1; before < 40; before++)
        for (int odd = 0; odd < 2; odd++) {
            size_t n = (size_t)snprintf(text, sizeof text, "first = 1 AND\n%s\"", odd ? "x" : "");
            if (odd) n = (size_t)snprintf(text, sizeof text, "first = 1 AND\n \"");
            for (int i = 0; i < before; i++) n += (size_t)snprintf(text + n, sizeof text - n, "\xc3\xa9");
            n += (size_t)snprintf(text + n, sizeof text - n, "\" = ;");
            for (int i = 0; i < 60; i++) n += (size_t)snprintf(text + n, sizeof text - n, "\xf0\x9f\x98\x80");
            snprintf(text + n, sizeof text - n, "\nthird line");
            char place[40];
            snprintf(place, sizeof place, "line 2, column %d:", before + 6 + odd);
            REFUSED(text, place);
            CHECK(omen_utf8_valid(error.text, strlen(error.text)));
            CHECK(strstr(error.text, "third") == NULL && strstr(error.text, "first") == NULL && strchr(error.text, '^') != NULL);
        }
    /* What is there is shown up to 32 bytes, and never a part of a character. */
    REFUSED("a BETWEEN 1 \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "AND is expected");
    REFUSED("a BETWEEN 1 x\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "AND is expected");
    CHECK(omen_utf8_valid(error.text, strlen(error.text)));
    REFUSED("a b\tc", "after a path");
    end();
}

TEST(bytes_that_are_no_text) {
    static const struct { const char *text; size_t len; const char *place; } bad[] = {
        {"a = '\xff'", 7, "byte 5"}, {"\xc3", 1, "byte 0"}, {"abc\xe2\x82", 5, "byte 3"}, {"\xf0\x9f\x98\x80\x80", 5, "byte 4"}, {"\xed\xa0\x80x", 4, "byte 0"}};
    begin();
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) check_refused(__LINE__, (omen_str){bad[i].text, bad[i].len}, OMEN_ERR_INVALID, bad[i].place);
    REFUSED(" \t\r\n", "the text is empty");
    REFUSED("", "the text is empty");
    end();
}

TEST(paths_as_long_as_can_be) {
    static char text[5000];
    begin();
    for (int extra = 0; extra < 2; extra++) {
        size_t n = 0;
        for (int i = 0; i < 64 + extra; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%sa", i == 0 ? "" : ".");
        snprintf(text + n, sizeof text - n, " = 1");
        if (extra == 0) omen_filter_free(&mem, compiled(text));
        else REFUSED_AS(text, OMEN_ERR_TOO_LARGE, "more than 64 names");
    }
    /* 1024 bytes in its canonical form, in which dots in a name are escaped. */
    static const struct { int dots, letters; bool good; } sizes[] = {{0, 1024, true}, {0, 1025, false}, {512, 0, true}, {512, 1, false}, {1000, 1000, false}, {511, 2, true}};
    for (size_t k = 0; k < OMEN_ARRAY_LEN(sizes); k++) {
        size_t n = (size_t)snprintf(text, sizeof text, "\"");
        for (int i = 0; i < sizes[k].letters; i++) text[n++] = 'x';
        for (int i = 0; i < sizes[k].dots; i++) text[n++] = '.';
        snprintf(text + n, sizeof text - n, "\".y IS NULL");
        if (sizes[k].good) text[n + 1] = ' ', text[n + 2] = ' ';
        if (sizes[k].good) omen_filter_free(&mem, compiled(text));
        else REFUSED_AS(text, OMEN_ERR_TOO_LARGE, "longer than 1024 bytes");
    }
    SAME("\"$a\".\"$b\" = 1 AND \"a.b\" = 2 AND a.b = 3", "{\"\\\\$a.$b\":1,\"a\\\\.b\":2,\"a.b\":3}");
    end();
}

TEST(objects_that_are_hardly_filters) {
    begin();
    SAME("\t\r\n{\"a\":1}", "{\"a\":1}");
    REFUSED("{\"a\":{\"\":1}}", "no operator");
    REFUSED("{\"a\":{\"$nor\":[]}}", "joins whole filters");
    REFUSED("{\"a\":{\"$and\":[]}}", "joins whole filters");
    REFUSED("{\"a\":{\"$in\":7}}", "takes an array of values");
    REFUSED("{\"a\":{\"$in\":[[1]]}}", "cannot be compared as a whole");
    REFUSED("{\"a\":{\"$all\":7}}", "at least one value");
    REFUSED("{\"a\":{\"$all\":[]}}", "at least one value");
    REFUSED("{\"a\":{\"$all\":[{}]}}", "cannot be compared as a whole");
    REFUSED("{\"a\":{\"$contains\":[1]}}", "cannot be compared as a whole");
    REFUSED("{\"a\":{\"$contains\":null}}", "use $eq for null");
    REFUSED("{\"a\":{\"$size\":[1]}}", "cannot be compared as a whole");
    REFUSED("{\"a\\\\\":1}", "a backslash in a path");
    REFUSED("{\"a\\\\x\":1}", "a backslash in a path");
    static const char *const places[] = {"{\"$center\":7}", "{\"$center\":{\"a\":1,\"b\":2}}", "{\"$center\":[1,2]}", "{\"$center\":[[1],2]}", "{\"$center\":[[1,\"2\"],3]}", "{\"$center\":[[1,2],\"3\"]}", "{\"$center\":[[1,2]]}", "{\"$center\":[{\"a\":1,\"b\":2},3]}",
                                         "{\"$box\":7}", "{\"$box\":[[1,2]]}", "{\"$box\":[1,[1,2]]}", "{\"$box\":[[1,2],3]}", "{\"$box\":{\"a\":1,\"b\":2}}"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(places); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"a\":{\"$geoWithin\":%s}}", places[i]);
        REFUSED(text, i < 8 ? "$center takes" : "$box takes");
    }
    static const char *const beyond[] = {"{\"$center\":[[-181,2],3]}", "{\"$center\":[[181,2],3]}", "{\"$center\":[[1,-91],3]}", "{\"$center\":[[1,91],3]}", "{\"$box\":[[-181,2],[1,3]]}", "{\"$box\":[[1,2],[1,91]]}"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(beyond); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"a\":{\"$geoWithin\":%s}}", beyond[i]);
        REFUSED(text, "a place is [longitude, latitude]");
    }
    REFUSED("{\"a\":{\"$averyveryverylongoperator\":1}}", "$averyveryverylongoperator");
    /* Long names in the place: cut, and never within a character; of a deep place, the end. */
    char text[900] = "", part[100];
    for (int i = 0; i < 6; i++) {
        snprintf(part, sizeof part, "%s{\"$and\":[{\"$or\":", i == 0 ? "" : "[");
        strcat(text, part);
    }
    strcat(text, "7");
    for (int i = 0; i < 6; i++) strcat(text, i == 5 ? "}]}" : "}]}]");
    REFUSED(text, "takes an array");
    text[0] = '\0';
    for (int i = 0; i < 30; i++) strcat(text, "{\"$not\":");
    strcat(text, "{\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9x\xc3\xa9\":{\"$in\":1}}");
    for (int i = 0; i < 30; i++) strcat(text, "}");
    REFUSED(text, "$....");
    CHECK(omen_utf8_valid(error.text, strlen(error.text)));
    end();
}

TEST(times_that_are_none) {
    static const char *const bad[] = {"2024-0x-01", "2024-01x01", "2024-01-0x", "2024-01-00", "2024-13-01", "2024-00-01", "2024-01-01T1", "2024-01-01T10x00:00Z", "2024-01-01T10:0x:00Z", "2024-01-01T10:00x00Z", "2024-01-01T10:00:0xZ",
                                      "2024-01-01T10:00:00Zx", "2024-01-01T10:00:00+01:0x", "2024-01-01T10:00:00+01x00", "2024-01-01T10:00:00+0", "2024-01-01x", "20240101T1", "2024-01-01T24:00:00Z", "2024-01-01T10:00:00.Z"};
    int64_t t;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) CHECK(!omen_time_parse(str(bad[i]), &t));
    CHECK(omen_time_parse(str("1970-01-01 00:00:01.5z"), &t));
    CHECK_EQ_INT(t, 1500000);
}

TEST(places_at_the_seams) {
    omen_filter_circle c;
    omen_filter_box west = {170.0, -10.0, 180.0, 10.0}, east = {-180.0, -10.0, -170.0, 10.0};
    CHECK(omen_box_has(&west, -180.0, 0.0) && omen_box_has(&east, 180.0, 0.0) && !omen_box_has(&east, 179.0, 0.0));
    CHECK(!omen_box_has(&west, 175.0, -90.5) && !omen_box_has(&west, 175.0, __builtin_nan("")));
    /* A circle that all but touches the pole: every meridian may be met. */
    omen_circle_make(&c, 10.0, 60.0, 30.0 * 6371008.8 * 3.14159265358979323846 / 180.0 - 1.0);
    CHECK(omen_circle_has(&c, 10.0, 89.9) && omen_circle_has(&c, 190.0 - 360.0, 89.99999) == false);
    CHECK(!omen_circle_has(&c, 10.0, -90.5));
    begin();
    MATCH("WITHIN(a, 1, 2, 10)", "{\"a\":{\"type\":\"Point\",\"coordinates\":[1,2]}}");
    MATCH("WITHIN(a, 1, 2, 10)", "{\"a\":[[5,5],[1,2]]}");
    static const char *const none[] = {"{\"lon\":1}", "{\"lon\":\"1\",\"lat\":2}", "{\"lon\":1,\"lat\":\"2\"}", "{\"type\":7,\"coordinates\":[1,2]}", "{\"type\":\"Poynt\",\"coordinates\":[1,2]}", "{\"type\":\"Polygon\"}", "{\"type\":\"Point\"}",
                                       "{\"type\":\"Point\",\"coordinates\":7}", "{\"type\":\"Point\",\"coordinates\":[1]}", "{}", "[]", "[{}]", "\"x\"", "[1,2,3]", "{\"type\":\"Point\",\"coordinates\":[\"1\",2]}"};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(none); i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"a\":%s}", none[i]);
        if (i == 13) continue; /* a height is allowed */
        MISS("WITHIN(a, 1, 2, 10)", text);
    }
    end();
}

TEST(ranges_at_their_ends) {
    int64_t low, high;
    double flow, fhigh;
    omen_filter_value nan = omen_value_double(__builtin_nan("")), inf = omen_value_double(__builtin_inf()), least = omen_value_int(INT64_MIN);
    CHECK(!omen_filter_range_i64(OMEN_FILTER_GT, &nan, &low, &high));
    CHECK(!omen_filter_range_i64(OMEN_FILTER_GTE, &inf, &low, &high));
    CHECK(omen_filter_range_i64(OMEN_FILTER_LT, &inf, &low, &high) && low == INT64_MIN && high == INT64_MAX);
    CHECK(!omen_filter_range_i64(OMEN_FILTER_LT, &least, &low, &high));
    CHECK(!omen_filter_range_f64(OMEN_FILTER_GT, &nan, &flow, &fhigh));
    CHECK(!omen_filter_range_f64(OMEN_FILTER_LT, &inf, &flow, &fhigh));
}

/* Memory ends at every place of reading: a value in front fills the arena's first block up to any place, and each of the last two allocations fails: the program, and the second block. */
static void without_memory(const char *front, const char *back) {
    static char text[9000];
    unsigned refused = 0;
    for (size_t filled = 0; filled < 4200; filled += TEST_PICK(3, 13)) {
        size_t n = (size_t)snprintf(text, sizeof text, "%s", front);
        memset(text + n, 'x', filled);
        snprintf(text + n + filled, sizeof text - n - filled, "%s", back);
        uint64_t before = fault_host_allocs(host);
        omen_filter_free(&mem, compiled(text));
        uint64_t whole = fault_host_allocs(host) - before;
        for (uint64_t k = whole - 1; k <= whole; k++) {
            omen_filter *f;
            error = (omen_error){0};
            fault_host_fail_alloc_at(host, k, true);
            omen_status s = omen_filter_compile(&mem, str(text), &f, &error);
            fault_host_fail_alloc_at(host, 0, false);
            CHECK(s == OMEN_ERR_MEMORY && f == NULL && error.status == s && error.text[0] != '\0');
            CHECK_EQ_UINT(mem.bytes, 0);
            if (s == OMEN_OK) omen_filter_free(&mem, f);
            refused += s == OMEN_ERR_MEMORY;
        }
    }
    CHECK(refused > 600);
}

TEST(memory_ends_at_every_step) {
    begin();
    without_memory("z = '", "' AND a = 1 AND (b.c IN (1, 'two', NULL) OR NOT d BETWEEN 1 AND 'x') AND e LIKE '%f%' AND g STARTS WITH 'h' AND \"i\".\"j\" CONTAINS ALL (1, 'k')");
    without_memory("z = '", "' AND SIZE(a) != 3 AND WITHIN(b, 1, 2.5, 3) AND WITHIN_BOX(c, 1, 2, 3, 4) AND NOT EXISTS(d) AND e IS NOT NULL AND f = DATE '2024-01-31'");
    without_memory("z = '", "' OR a CONTAINS ANY ('b') OR c CONTAINS 'd' OR e NOT IN () OR TRUE OR FALSE");
    without_memory("{\"z\":\"", "\",\"a.b\":{\"$in\":[1,\"x\",null]},\"$or\":[{\"c\":{\"$all\":[1,\"d\"]}},{\"e\":{\"$nin\":[1,2]}}],\"$nor\":[{\"f\":{\"$gt\":1,\"$lt\":\"g\"}}]}");
    without_memory("{\"z\":\"", "\",\"a\":{\"$size\":3},\"b\":{\"$geoWithin\":{\"$center\":[[1,2],3]}},\"c\":{\"$geoWithin\":{\"$box\":[[1,2],[3,4]]}},\"d\":{\"$not\":{\"$exists\":true}},\"$not\":{\"e\":{\"$ne\":1}}}");
    without_memory("{\"z\":\"", "\",\"a\":{\"$exists\":false,\"$prefix\":\"b\",\"$contains\":\"c\"},\"d\":{\"$date\":\"2024-01-31\"},\"$and\":[{\"e\":1},{\"f\":{\"$eq\":2}}]}");
    end();
}

/* The list of values grows by itself. */
TEST(memory_ends_at_every_call) {
    static char text[4000];
    begin();
    for (int spelling = 0; spelling < 2; spelling++) {
        size_t n = (size_t)snprintf(text, sizeof text, spelling == 0 ? "a IN (0" : "{\"a\":{\"$in\":[0");
        for (int i = 1; i < 300; i++) n += (size_t)snprintf(text + n, sizeof text - n, ",%d.5", i);
        snprintf(text + n, sizeof text - n, spelling == 0 ? ")" : "]}}");
        omen_status s = OMEN_ERR_MEMORY;
        unsigned failed = 0;
        for (uint64_t k = 1; s != OMEN_OK && k < 1000; k++) {
            omen_filter *f;
            error = (omen_error){0};
            fault_host_fail_alloc_at(host, k, true);
            s = omen_filter_compile(&mem, str(text), &f, &error);
            fault_host_fail_alloc_at(host, 0, false);
            if (s == OMEN_OK) omen_filter_free(&mem, f);
            else CHECK(s == OMEN_ERR_MEMORY && error.status == s);
            failed += s != OMEN_OK;
            CHECK_EQ_UINT(mem.bytes, 0);
        }
        CHECK(s == OMEN_OK && failed > 4);
    }
    end();
}

TEST(what_failed_before_fails) {
    fault_host *h = fault_host_new(1);
    omen_mem own;
    omen_builder b;
    omen_mem_init(&own, &h->host, 0);
    omen_builder_init(&b, &own);
    const omen_str names[] = {OMEN_STR("a")};
    const omen_tree_path *path = omen_build_path(&b, names, 1);
    const omen_filter_value one = omen_value_int(1);
    const omen_filter_box box = {0, 0, 1, 1};
    CHECK(omen_build_leaf(&b, OMEN_FILTER_EQ, NULL, &one) == NULL);
    CHECK(omen_build_box(&b, NULL, &box) == NULL);
    CHECK(omen_build_in(&b, NULL) == NULL && omen_build_close(&b, NULL) == NULL);
    CHECK_EQ_INT((int)b.status, OMEN_OK);
    omen_tree *leaf = omen_build_leaf(&b, OMEN_FILTER_EQ, path, &one), *join = omen_build_join(&b, OMEN_FILTER_AND);
    CHECK(path != NULL && leaf != NULL && join != NULL);
    b.status = OMEN_ERR_TOO_LARGE;
    CHECK(!omen_build_list(&b, &one) && omen_build_in(&b, path) == NULL && !omen_build_add(&b, join, leaf) && omen_build_close(&b, join) == NULL);
    omen_builder_deinit(&b);
    CHECK_EQ_UINT(fault_host_bytes(h), 0);
    fault_host_free(h);
}

/* Leaves that ask nothing of a value by itself. */
TEST(single_values) {
    const omen_scalar s = {0};
    omen_filter_node leaf = {.op = OMEN_FILTER_EXISTS};
    CHECK(omen_filter_scalar_matches(NULL, &leaf, &s, false));
    leaf.op = OMEN_FILTER_SIZE;
    CHECK(!omen_filter_scalar_matches(NULL, &leaf, &s, false));
    leaf.op = OMEN_FILTER_CIRCLE;
    CHECK(!omen_filter_scalar_matches(NULL, &leaf, &s, true));
    int64_t t;
    CHECK(!omen_time_parse(OMEN_STR("2024-01-31T12:00:00.5"), &t));
    /* A quarter of the earth around a place on the equator touches every meridian. */
    omen_filter_circle c;
    omen_circle_make(&c, 0, 0, (90.0 - 2e-6) * 3.14159265358979323846 / 180.0 * 6371008.8);
    CHECK(c.bounds.west == -180.0 && c.bounds.east == 180.0 && c.bounds.south > -90.0);
    CHECK(!omen_circle_has(&c, -180.5, 0) && omen_circle_has(&c, 10, 0));
}

/* Memory ends where a text is longer than a block of the arena, and anywhere among many conditions. */
TEST(memory_ends_in_long_filters) {
    static char text[40000];
    static const char *const around[][2] = {{"a = '", "'"}, {"a STARTS WITH '", "'"}, {"a LIKE '", "'"}, {"a = DATE '", "'"}, {"\"", "\" = 1"}, {"{\"a\":{\"$all\":[", "1]}}"}, {"{", "\"z\":1}"}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(around); i++) {
        size_t n = (size_t)snprintf(text, sizeof text, "%s", around[i][0]);
        if (i == 4) memset(text + n, 'x', 900), n += 900;
        else if (i < 5) memset(text + n, 'x', 6000), n += 6000;
        else for (unsigned k = 0; k < 2000; k++) n += (size_t)(i == 5 ? snprintf(text + n, sizeof text - n, "%u,", k) : snprintf(text + n, sizeof text - n, "\"p%04u\":%u,", k, k % 7));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", around[i][1]);
        omen_status st = OMEN_ERR_MEMORY;
        for (uint64_t k = 1; st == OMEN_ERR_MEMORY && k < 1000; k++) {
            fault_host *h = fault_host_new(1);
            omen_mem own;
            omen_error err = {0};
            omen_filter *f = NULL;
            omen_mem_init(&own, &h->host, 0);
            fault_host_fail_alloc_at(h, k, true);
            st = omen_filter_compile(&own, (omen_str){text, n}, &f, &err);
            fault_host_fail_alloc_at(h, 0, false);
            if (k == 1) CHECK_STATUS(st, OMEN_ERR_MEMORY);
            omen_filter_free(&own, f);
            CHECK_EQ_UINT(fault_host_bytes(h), 0);
            fault_host_free(h);
        }
        CHECK_STATUS(st, i == 3 ? OMEN_ERR_INVALID : OMEN_OK);
    }
}

TEST_MAIN()
