/* SQL-like filters: every form gives the program of its Mongo-style spelling; every refusal names line and column. */
#include "filter_model.h"

TEST(both_spellings_are_one_program) {
    begin();
    SAME("year >= 2020 AND tags CONTAINS 'x'", "{\"year\":{\"$gte\":2020},\"tags\":{\"$contains\":\"x\"}}");
    SAME("a = 1", "{\"a\":1}");
    SAME("a == 1.0", "{\"a\":1}");
    SAME("a != 1", "{\"a\":{\"$ne\":1}}");
    SAME("a <> 'x'", "{\"a\":{\"$ne\":\"x\"}}");
    SAME("a<1", "{\"a\":{\"$lt\":1}}");
    SAME("a<=-1.5", "{\"a\":{\"$lte\":-1.5}}");
    SAME("a>1e3", "{\"a\":{\"$gt\":1000}}");
    SAME("a >= +7", "{\"a\":{\"$gte\":7}}");
    SAME("a = TRUE or b = false", "{\"$or\":[{\"a\":true},{\"b\":false}]}");
    SAME("a in (1, 'x', null, true)", "{\"a\":{\"$in\":[1,\"x\",null,true]}}");
    SAME("a NOT IN (1,2)", "{\"a\":{\"$nin\":[1,2]}}");
    SAME("a IN ()", "{\"a\":{\"$in\":[]}}");
    SAME("a BETWEEN 1 AND 5", "{\"a\":{\"$gte\":1,\"$lte\":5}}");
    SAME("a BETWEEN 1 AND 5 AND b = 2", "{\"a\":{\"$gte\":1,\"$lte\":5},\"b\":2}");
    SAME("a NOT BETWEEN 1 AND 5", "{\"a\":{\"$not\":{\"$gte\":1,\"$lte\":5}}}");
    SAME("a IS NULL", "{\"a\":null}");
    SAME("a IS NOT NULL", "{\"a\":{\"$ne\":null}}");
    SAME("EXISTS(a.b)", "{\"a.b\":{\"$exists\":true}}");
    SAME("NOT EXISTS (a.b)", "{\"a.b\":{\"$exists\":false}}");
    SAME("a LIKE 'abc%'", "{\"a\":{\"$prefix\":\"abc\"}}");
    SAME("a LIKE '%abc%'", "{\"a\":{\"$contains\":\"abc\"}}");
    SAME("a LIKE 'abc'", "{\"a\":\"abc\"}");
    SAME("a LIKE '5\\%\\_\\\\%'", "{\"a\":{\"$prefix\":\"5%_\\\\\"}}");
    SAME("a LIKE '%'", "{\"a\":{\"$prefix\":\"\"}}");
    SAME("a LIKE '%%'", "{\"a\":{\"$contains\":\"\"}}");
    SAME("a NOT LIKE 'x%'", "{\"a\":{\"$not\":{\"$prefix\":\"x\"}}}");
    SAME("a STARTS WITH 'x'", "{\"a\":{\"$prefix\":\"x\"}}");
    SAME("a NOT starts with 'x'", "{\"a\":{\"$not\":{\"$prefix\":\"x\"}}}");
    SAME("a CONTAINS 4", "{\"a\":{\"$contains\":4}}");
    SAME("a NOT CONTAINS 'x'", "{\"a\":{\"$not\":{\"$contains\":\"x\"}}}");
    SAME("a CONTAINS ALL ('x', 'y')", "{\"a\":{\"$contains\":\"x\"},\"$and\":[{\"a\":{\"$contains\":\"y\"}}]}");
    SAME("a CONTAINS ANY ('x', 'y')", "{\"$or\":[{\"a\":{\"$contains\":\"x\"}},{\"a\":{\"$contains\":\"y\"}}]}");
    SAME("a = 'x' AND a = 'y'", "{\"a\":{\"$all\":[\"x\",\"y\"]}}");
    SAME("SIZE(a) = 3", "{\"a\":{\"$size\":3}}");
    SAME("size (a.b) != 0", "{\"a.b\":{\"$not\":{\"$size\":0}}}");
    SAME("WITHIN(at, 13.4, 52.5, 1000)", "{\"at\":{\"$geoWithin\":{\"$center\":[[13.4,52.5],1000]}}}");
    SAME("within_box(at, -10, 40, 20, 60.5)", "{\"at\":{\"$geoWithin\":{\"$box\":[[-10,40],[20,60.5]]}}}");
    SAME("t >= DATE '2024-01-31'", "{\"t\":{\"$gte\":{\"$date\":\"2024-01-31T00:00:00Z\"}}}");
    SAME("t < timestamp '2024-01-31T10:00:00.5+02:00'", "{\"t\":{\"$lt\":{\"$date\":\"2024-01-31T08:00:00.500Z\"}}}");
    SAME("date = DATE'2024-01-31'", "{\"date\":{\"$date\":\"2024-01-31\"}}");
    SAME("TRUE", "{}");
    SAME("FALSE", "{\"a\":{\"$in\":[]}}");
    SAME("NOT TRUE OR a = 1", "{\"a\":1}");
    end();
}

TEST(joining_binds_as_in_sql) {
    begin();
    SAME("a=1 OR b=2 AND c=3", "{\"$or\":[{\"a\":1},{\"b\":2,\"c\":3}]}");
    SAME("(a=1 OR b=2) AND c=3", "{\"$or\":[{\"a\":1},{\"b\":2}],\"c\":3}");
    SAME("NOT a=1 AND b=2", "{\"a\":{\"$ne\":1},\"b\":2}");
    SAME("NOT (a=1 AND b=2)", "{\"$not\":{\"a\":1,\"b\":2}}");
    SAME("NOT NOT a=1", "{\"a\":1}");
    SAME("not not not (((a=1)))", "{\"a\":{\"$ne\":1}}");
    SAME("(a=1 AND (b=2 AND c=3)) AND d=4", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}");
    SAME("NOT (a=1 OR b=2)", "{\"$nor\":[{\"a\":1},{\"b\":2}]}");
    SAME("a=1\n\tAND\r\nb=2", "{\"a\":1,\"b\":2}");
    SAME("a='1'AND(b=2)", "a = '1' AND b = 2");
    end();
}

TEST(names_and_strings_are_quoted) {
    begin();
    SAME("a.b.c = 1", "{\"a.b.c\":1}");
    SAME("\"a.b\" = 1", "{\"a\\\\.b\":1}");
    SAME("\"a\".\"b c\" = 1", "{\"a.b c\":1}");
    SAME("\"say \"\"hi\"\"\" = 1", "{\"say \\\"hi\\\"\":1}");
    SAME("\"not\" = 1 AND a.not = 2 AND \"5\" = 3", "{\"not\":1,\"a.not\":2,\"5\":3}");
    SAME("\"$a\" = 1", "{\"\\\\$a\":1}");
    SAME("a = 'it''s'", "{\"a\":\"it's\"}");
    SAME("a = ''", "{\"a\":\"\"}");
    SAME("a = ''''", "{\"a\":\"'\"}");
    SAME("a = 'x\ny \"'", "{\"a\":\"x\\ny \\\"\"}");
    SAME("gr\xC3\xB6\xC3\x9F" "e = '\xE6\xBC\xA2'", "{\"gr\xC3\xB6\xC3\x9F" "e\":\"\xE6\xBC\xA2\"}");
    SAME("size = 1 AND exists = 2 AND within = 3 AND date = 4", "{\"size\":1,\"exists\":2,\"within\":3,\"date\":4}");
    end();
}

TEST(numbers_keep_their_value) {
    begin();
    SAME("a = 9223372036854775807", "{\"a\":9223372036854775807}");
    SAME("a = -9223372036854775808", "{\"a\":-9223372036854775808}");
    SAME("a = 9223372036854775808", "{\"a\":9223372036854775808}");
    SAME("a = 123456789012345678", "{\"a\":123456789012345678}");
    SAME("a = 1234567890123456789", "{\"a\":1234567890123456789}");
    SAME("a = 0.1 AND b = -2.5E-3 AND c = +1e+2", "{\"a\":0.1,\"b\":-0.0025,\"c\":100}");
    SAME("a = -0", "{\"a\":0}");
    MATCH("a = 9007199254740993", "{\"a\":9007199254740993}");
    MISS("a = 9007199254740993", "{\"a\":9007199254740992}");
    MISS("a = 9007199254740993", "{\"a\":9007199254740992.0}");
    end();
}

TEST(refusals_show_the_place) {
    begin();
    REFUSED("year >> 2020", "filter at line 1, column 7: a value is expected: a number, 'text', TRUE, FALSE or DATE '...', not >\n    year >> 2020\n          ^");
    REFUSED("a = 1 AND\nb = ", "filter at line 2, column 5: a value is expected: a number, 'text', TRUE, FALSE or DATE '...', but the filter ends\n    b = \n        ^");
    REFUSED("\xC3\xA4 = 1 or \xC3\xA4", "line 1, column 11: after a path, one of");
    CHECK(strstr(error.text, "\n              ^") != NULL);
    REFUSED("", "the text is empty");
    REFUSED(" \n", "the text is empty");
    REFUSED("a = 'x", "line 1, column 5: this single quote is never closed");
    REFUSED("\"a = 1", "line 1, column 1: this double quote is never closed");
    REFUSED("a = \"x\"", "line 1, column 5: a value is expected, and double quotes are for names");
    REFUSED("a = b", "two fields cannot be compared), not b");
    REFUSED("'a' = 1", "single quotes are for text");
    REFUSED("2020 <= a", "write the path first");
    REFUSED("not = 1", "line 1, column 5: a condition is expected, not =");
    REFUSED("a = 1 AND in = 2", "line 1, column 11: a path is expected, and this word");
    REFUSED("(a = 1", "line 1, column 1: this parenthesis is never closed");
    REFUSED("(a = 1 b", "column 8: AND, OR or ) is expected, not b");
    REFUSED("a = 1)", "column 6: AND, OR or the end is expected, not )");
    REFUSED("a = 1 b = 2", "column 7: AND, OR or the end is expected, not b");
    REFUSED("()", "column 2: a condition is expected, not )");
    REFUSED("a = 1 AND", "a condition is expected, but the filter ends");
    REFUSED("a", "after a path, one of");
    REFUSED("a NOT 1", "after a path, one of");
    REFUSED("a NOT = 1", "after a path, one of");
    REFUSED("a.", "a name is expected after the dot");
    REFUSED("a.5 = 1", "a name is expected after the dot, not 5");
    REFUSED("a..b = 1", "a name is expected after the dot");
    REFUSED("\"\" = 1", "a name is empty");
    REFUSED("a = NULL", "column 5: nothing is compared with NULL; write IS NULL");
    REFUSED("a > TRUE", "column 5: only numbers, text");
    REFUSED("a BETWEEN 1 OR 2", "column 13: BETWEEN a AND b: AND is expected");
    REFUSED("a BETWEEN true AND 2", "have an order");
    REFUSED("a IS 5", "IS NULL or IS NOT NULL is expected; other values");
    REFUSED("a IN 5", "IN takes a list in parentheses");
    REFUSED("a IN (5", "a comma or ) is expected, but the filter ends");
    REFUSED("a IN (5 6)", "column 9: a comma or ) is expected, not 6");
    REFUSED("a IN (5,)", "column 9: a value is expected");
    REFUSED("a LIKE '%x'", "LIKE cannot ask how text ends");
    REFUSED("a LIKE 'x%y'", "column 8: LIKE knows 'text', 'text%' and '%text%'");
    REFUSED("a LIKE 'x_'", "LIKE knows");
    REFUSED("a LIKE 'x\\n'", "a backslash in LIKE");
    REFUSED("a LIKE 5", "LIKE takes a pattern in single quotes, not 5");
    REFUSED("a STARTS 'x'", "STARTS WITH is expected, not 'x'");
    REFUSED("a STARTS WITH 5", "STARTS WITH takes text");
    REFUSED("a CONTAINS NULL", "nothing is compared with NULL");
    REFUSED("a CONTAINS ALL 5", "a list in parentheses");
    REFUSED("a CONTAINS ALL ()", "a value is expected");
    REFUSED("SIZE(a) > 1", "column 9: after SIZE(path), = or != is expected");
    REFUSED("SIZE(a) = 1.5", "column 11: a size is a whole number");
    REFUSED("SIZE(a) = -1", "a size is");
    REFUSED("SIZE(a = 1", ") is expected");
    REFUSED("LOWER(a) = 'x'", "there is no such function");
    REFUSED("WITHIN(a, 1, 2)", "a path, longitude, latitude and metres: a comma is expected, not )");
    REFUSED("WITHIN(a, 1, 2, 3, 4)", "takes four arguments");
    REFUSED("WITHIN(a, 1, 'x', 3)", "a number is expected, not 'x'");
    REFUSED("WITHIN(a, 181, 2, 3)", "column 11: places are longitude");
    REFUSED("WITHIN(a, 1, 2, -3)", "the radius is in metres");
    REFUSED("WITHIN_BOX(a, 1, 5, 2, 3)", "the south of the box");
    REFUSED("a = 1AND b = 2", "column 5: this is no number");
    REFUSED("a = 12x", "column 5: this is no number");
    REFUSED("a = 1e999", "this is no number");
    REFUSED("a = 007", "this is no number");
    REFUSED("a = .5", "this is no number");
    REFUSED("a = 1.", "this is no number");
    REFUSED("t = DATE 'yesterday'", "column 10: DATE takes a time of RFC 3339");
    REFUSED("a = 1;", "leave the semicolon out");
    REFUSED("a = 1 && b = 2", "joined by AND and OR");
    REFUSED("a = ?", "no parameters");
    REFUSED("`a` = 1", "double quotes");
    REFUSED("!a", "write NOT");
    REFUSED("a = 1 # x", "no such sign");
    end();
}

TEST(a_long_line_is_shown_in_part) {
    begin();
    char text[600] = "";
    for (int i = 0; i < 40; i++) strcat(text, "abc = 1 OR ");
    strcat(text, "abc == AND abc = 2 AND abcdefghi = 3 AND abcdefghijklmnop = 7");
    REFUSED(text, "column 448: ");
    const char *line = strstr(error.text, "\n    "), *below = line == NULL ? NULL : strstr(line + 1, "\n    ");
    REQUIRE(below != NULL);
    size_t caret = strcspn(below + 1, "^");
    CHECK(memcmp(line + 1 + caret, "AND abc", 7) == 0);
    end();
}

TEST(invalid_utf8_is_refused_with_its_byte) {
    begin();
    REFUSED("a = 'x\xff'", "filter: byte 6 is not valid UTF-8");
    REFUSED("\xC3\xA4 = '\xC3", "filter: byte 6 is not valid UTF-8");
    REFUSED("a = '\xED\xA0\x80'", "filter: byte 5 is not valid UTF-8");
    REFUSED("a = '\xF0\x9F\x98\x80\xF0\x9F\x98'", "filter: byte 9 is not valid UTF-8");
    check_refused(__LINE__, (omen_str){"a = 1\0", 6}, OMEN_ERR_INVALID, "column 6: a filter has no such sign");
    end();
}

TEST(limits_hold) {
    begin();
    char *text = malloc(OMEN_FILTER_MAX_TEXT + 2), *p = text;
    for (int levels = 64; levels <= 65; levels++) {
        p = text;
        for (int i = 0; i < levels; i++) p = stpcpy(p, "(");
        p = stpcpy(p, "a = 1");
        for (int i = 0; i < levels; i++) p = stpcpy(p, ")");
        if (levels == 64) SAME(text, "a = 1");
        else check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "column 65: parentheses are nested deeper than 64 levels");
    }
    p = text; /* AND in OR in AND ...: two levels of the tree for each parenthesis */
    for (int i = 0; i < 33; i++) p = stpcpy(p, "a = 1 OR b = 2 AND (");
    p = stpcpy(p, "c = 3");
    for (int i = 0; i < 33; i++) p = stpcpy(p, ")");
    check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "the filter is nested deeper than 64 levels");
    CHECK(strstr(error.text, "filter at line 1") != NULL);
    p = text;
    for (int i = 0; i < 100001; i++) p = stpcpy(p, "NOT ");
    strcpy(p, "a = 1");
    SAME(text, "a != 1");
    for (size_t n = OMEN_FILTER_MAX_IN; n <= OMEN_FILTER_MAX_IN + 1; n++) {
        p = stpcpy(text, "a NOT IN (");
        for (size_t i = 0; i < n; i++) p += sprintf(p, "%s'v%zu'", i == 0 ? "" : ",", i * 40503 % 65537);
        strcpy(p, ")");
        if (n == OMEN_FILTER_MAX_IN) {
            omen_filter *f = compiled(text);
            REQUIRE(f != NULL);
            CHECK_EQ_UINT(f->value_count, OMEN_FILTER_MAX_IN);
            check_form(f);
            omen_filter_free(&mem, f);
            MISS(text, "{\"a\":\"v40503\"}");
            MATCH(text, "{\"a\":\"v\"}");
        } else {
            check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "a list has more than 65536 values");
        }
    }
    p = stpcpy(text, "a = 1");
    for (size_t i = 0; i < OMEN_FILTER_MAX_NODES; i++) p = stpcpy(p, " AND a = 1");
    check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "more than 16384 conditions");
    memset(text, 'a', OMEN_FILTER_MAX_TEXT + 1);
    check_refused(__LINE__, (omen_str){text, OMEN_FILTER_MAX_TEXT + 1}, OMEN_ERR_TOO_LARGE, "at most 16777216");
    check_refused(__LINE__, (omen_str){text, OMEN_FILTER_MAX_TEXT}, OMEN_ERR_TOO_LARGE, "column 1: a path is longer than 1024 bytes");
    free(text);
    end();
}

TEST(memory_may_run_out_at_any_point) {
    begin();
    static const char text[] = "NOT (\"a\"\"\".b IN (3, 1.5, 'x') OR WITHIN(c, 1, 2, 3)) AND d CONTAINS ALL ('p', 'q') AND e LIKE '%x%'";
    omen_status s = OMEN_ERR_MEMORY;
    uint64_t n = 0;
    while (s != OMEN_OK) {
        omen_filter *f;
        error = (omen_error){0};
        fault_host_fail_alloc_at(host, ++n, true);
        s = omen_filter_compile(&mem, str(text), &f, &error);
        fault_host_fail_alloc_at(host, 0, false);
        if (s == OMEN_OK) {
            check_form(f);
            omen_filter_free(&mem, f);
        } else {
            CHECK_STATUS(s, OMEN_ERR_MEMORY);
            CHECK(strstr(error.text, "out of memory") != NULL);
            CHECK_EQ_UINT(mem.bytes, 0);
        }
        REQUIRE(n < 100);
    }
    CHECK(n > 3);
    end();
}

TEST_MAIN()
