/* Mongo-style filters: every operator and what it compiles to, and every refusal with its place. */
#include "filter_model.h"

TEST(operators_match_what_they_say) {
    begin();
    MATCH("{}", "{\"a\":1}");
    MATCH("{}", NULL);
    MATCH("{\"a\":1}", "{\"a\":1}");
    MISS("{\"a\":1}", "{\"a\":2}");
    MATCH("{\"a\":{\"$eq\":\"x\"}}", "{\"a\":\"x\"}");
    MATCH("{\"a\":{\"$ne\":1}}", "{\"a\":2}");
    MATCH("{\"a\":{\"$ne\":1}}", "{}");
    MISS("{\"a\":{\"$ne\":1}}", "{\"a\":[2,1]}");
    MATCH("{\"a\":{\"$gt\":1,\"$lt\":3}}", "{\"a\":2}");
    MISS("{\"a\":{\"$gt\":1,\"$lt\":3}}", "{\"a\":3}");
    MATCH("{\"a\":{\"$gte\":3,\"$lte\":3}}", "{\"a\":3}");
    MATCH("{\"a\":{\"$in\":[3,\"x\",null]}}", "{\"a\":\"x\"}");
    MATCH("{\"a\":{\"$in\":[3,\"x\",null]}}", "{}");
    MISS("{\"a\":{\"$in\":[3,\"x\"]}}", "{\"a\":\"3\"}");
    MISS("{\"a\":{\"$in\":[]}}", "{\"a\":1}");
    MATCH("{\"a\":{\"$nin\":[]}}", "{\"a\":1}");
    MATCH("{\"a\":{\"$nin\":[3,4]}}", "{\"a\":5}");
    MATCH("{\"a\":{\"$nin\":[3,4]}}", "{}");
    MISS("{\"a\":{\"$nin\":[3,4]}}", "{\"a\":[5,4]}");
    MATCH("{\"a\":{\"$exists\":true}}", "{\"a\":null}");
    MISS("{\"a\":{\"$exists\":true}}", "{}");
    MATCH("{\"a\":{\"$exists\":false}}", "{}");
    MATCH("{\"a\":{\"$prefix\":\"ab\"}}", "{\"a\":\"abc\"}");
    MATCH("{\"a\":{\"$prefix\":\"ab\"}}", "{\"a\":[1,\"ab\"]}");
    MISS("{\"a\":{\"$prefix\":\"ab\"}}", "{\"a\":\"a\"}");
    MATCH("{\"a\":{\"$contains\":\"bc\"}}", "{\"a\":\"abcd\"}");
    MISS("{\"a\":{\"$contains\":\"bc\"}}", "{\"a\":[\"abcd\"]}");
    MATCH("{\"a\":{\"$contains\":\"bc\"}}", "{\"a\":[\"bc\"]}");
    MATCH("{\"a\":{\"$contains\":4}}", "{\"a\":[3,4.0]}");
    MISS("{\"a\":{\"$contains\":4}}", "{\"a\":4}");
    MATCH("{\"a\":{\"$all\":[1,\"x\"]}}", "{\"a\":[\"x\",2,1]}");
    MISS("{\"a\":{\"$all\":[1,\"x\"]}}", "{\"a\":[\"x\",2]}");
    MATCH("{\"a\":{\"$all\":[1]}}", "{\"a\":1}");
    MATCH("{\"a\":{\"$size\":2}}", "{\"a\":[[],{}]}");
    MISS("{\"a\":{\"$size\":1}}", "{\"a\":1}");
    MATCH("{\"a\":{\"$size\":0.0}}", "{\"a\":[]}");
    MATCH("{\"a\":{\"$not\":{\"$gt\":1}}}", "{\"a\":1}");
    MATCH("{\"a\":{\"$not\":{\"$gt\":1}}}", "{}");
    MATCH("{\"$not\":{\"a\":1,\"b\":2}}", "{\"a\":1}");
    MATCH("{\"$or\":[{\"a\":1},{\"b\":2}]}", "{\"b\":2}");
    MISS("{\"$or\":[{\"a\":1},{\"b\":2}]}", "{\"a\":2,\"b\":1}");
    MATCH("{\"$and\":[{\"a\":1},{\"b\":2}]}", "{\"a\":1,\"b\":2}");
    MISS("{\"$and\":[{\"a\":1},{\"b\":2}]}", "{\"a\":1}");
    MISS("{\"$nor\":[{\"a\":1},{\"b\":2}]}", "{\"b\":2}");
    MATCH("{\"$nor\":[{\"a\":1},{\"b\":2}]}", "{\"b\":3}");
    MATCH("{\"a\":1,\"$or\":[{\"b\":1},{\"b\":2}],\"c\":{\"$exists\":false}}", "{\"a\":1,\"b\":2}");
    MATCH("{\"t\":{\"$gte\":{\"$date\":\"2024-01-01T00:00:00Z\"}}}", "{\"t\":\"2024-01-01T01:00:00+01:00\"}");
    MATCH("{\"t\":{\"$date\":\"2024-01-01\"}}", "{\"t\":\"2023-12-31T23:00:00-01:00\"}");
    end();
}

TEST(paths_reach_into_objects) {
    begin();
    MATCH("{\"a.b.c\":1}", "{\"a\":{\"b\":{\"c\":1}}}");
    MISS("{\"a.b\":1}", "{\"a.b\":1}");
    MATCH("{\"a\\\\.b\":1}", "{\"a.b\":1}");
    MATCH("{\"x.a\\\\.b\\\\\\\\.c\":1}", "{\"x\":{\"a.b\\\\\":{\"c\":1}}}");
    MATCH("{\"\\\\$a\":1}", "{\"$a\":1}");
    MISS("{\"a.b\":1}", "{\"a\":[{\"b\":1}]}");
    MISS("{\"a.0\":1}", "{\"a\":[1]}");
    MATCH("{\"a.0\":1}", "{\"a\":{\"0\":1}}");
    MATCH("{\"a\":1}", "{\"a\":1,\"a\":2}");
    MISS("{\"a\":2}", "{\"a\":1,\"a\":2}");
    MATCH("{\"\xC3\xA4.\xE6\xBC\xA2\":1}", "{\"\xC3\xA4\":{\"\xE6\xBC\xA2\":1}}");
    end();
}

TEST(what_is_written_in_several_ways_is_one_program) {
    begin();
    SAME("{\"a\":1,\"b\":2}", "{\"$and\":[{\"a\":{\"$eq\":1}},{\"b\":2.0}]}");
    SAME("{\"$and\":[{\"$and\":[{\"a\":1},{\"b\":2}]},{\"c\":3}]}", "{\"a\":1,\"b\":2,\"c\":3}");
    SAME("{\"a\":{\"$ne\":1}}", "{\"a\":{\"$not\":{\"$eq\":1}}}");
    SAME("{\"$not\":{\"$not\":{\"a\":1}}}", "{\"a\":1}");
    SAME("{\"a\":{\"$in\":[2,1,2,1.0,\"b\",\"a\"]}}", "{\"a\":{\"$in\":[\"a\",1,\"b\",2]}}");
    SAME("{\"a\":{\"$in\":[7,7.0]}}", "{\"a\":7}");
    SAME("{\"a\":{\"$nin\":[7]}}", "{\"a\":{\"$ne\":7}}");
    SAME("{\"a\":{\"$all\":[1,2]}}", "{\"$and\":[{\"a\":1},{\"a\":2}]}");
    SAME("{\"$nor\":[{\"a\":1}]}", "{\"a\":{\"$ne\":1}}");
    SAME("{\"a\":-0.0}", "{\"a\":0}");
    SAME("{\"a\":1,\"b\":{\"$in\":[]}}", "{\"c\":{\"$in\":[]}}");
    SAME("{\"$or\":[{},{\"b\":1}]}", "{}");
    SAME("{\"$or\":[{\"a\":{\"$in\":[]}},{\"b\":1}]}", "{\"b\":1}");
    SAME("{\"a\":{\"$not\":{\"$in\":[]}}}", "{}");
    end();
}

TEST(programs_have_their_form) {
    begin();
    static const char *const texts[] = {
        "{}", "{\"a\":1}", "{\"$or\":[{\"a\":1,\"b\":2},{\"a\":3,\"$or\":[{\"c\":1},{\"$nor\":[{\"x.y\":4},{\"z\":null}]}]}]}",
        "{\"a\":{\"$in\":[1,2.5,\"x\",null,true,{\"$date\":\"2020-01-01\"}],\"$ne\":4},\"b\":{\"$geoWithin\":{\"$center\":[[1,2],3]}}}",
        "{\"a\\\\.b.c\":{\"$not\":{\"$gt\":1,\"$lt\":\"y\"}},\"d\":{\"$geoWithin\":{\"$box\":[[1,2],[3,4]]}}}",
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(texts); i++) {
        omen_filter *f = compiled(texts[i]);
        REQUIRE(f != NULL);
        check_form(f);
        omen_filter_free(&mem, f);
    }
    omen_filter *f = compiled("{\"$or\":[{\"a.b\":1},{\"a\\\\.b\":2,\"a.b\":3}]}");
    REQUIRE(f != NULL);
    const omen_filter_path *p = omen_filter_paths(f);
    CHECK_EQ_UINT(f->node_count, 5);
    CHECK_EQ_UINT(f->path_count, 2);
    CHECK_EQ_UINT(f->stack, 3);
    CHECK(p[0].segment_count == 2 && p[0].name.len == 3 && memcmp(omen_filter_str(f, p[0].name).data, "a.b", 3) == 0);
    CHECK(p[1].segment_count == 1 && p[1].name.len == 4 && memcmp(omen_filter_str(f, p[1].name).data, "a\\.b", 4) == 0);
    const omen_filter_text *segment = omen_filter_at(f, p[1].segments);
    CHECK(segment->len == 3 && memcmp(omen_filter_str(f, *segment).data, "a.b", 3) == 0);
    omen_filter_free(&mem, f);
    end();
}

TEST(refusals_name_the_place) {
    begin();
    REFUSED("{\"$or\":[{\"a\":1},{\"year\":{\"$gtee\":1}}]}", "filter at $.$or[1].year.$gtee: unknown operator; did you mean $gte?");
    REFUSED("{\"a\":{\"$GT\":1}}", "did you mean $gt?");
    REFUSED("{\"a\":{\"$regex\":\"x\"}}", "$.a.$regex: unknown operator; regular expressions are not offered; use $prefix or $contains");
    REFUSED("{\"a\":{\"$bogusthing\":\"x\"}}", "there are $eq $ne");
    REFUSED("{\"$orr\":[]}", "$.$orr: unknown operator; did you mean $or?");
    REFUSED("{\"$gt\":1}", "$.$gt: this operator stands after a path");
    REFUSED("{\"a\":{\"$or\":[]}}", "joins whole filters");
    REFUSED("{\"$or\":[]}", "$.$or: this operator takes an array of at least one filter");
    REFUSED("{\"$and\":{\"a\":1}}", "$.$and: this operator takes an array");
    REFUSED("{\"$and\":[1]}", "$.$and[0]: a filter is an object");
    REFUSED("{\"$not\":[1]}", "$.$not: a filter is an object");
    REFUSED("{\"a\":[1,2]}", "$.a: an array cannot be compared as a whole; use $in");
    REFUSED("{\"a\":{\"b\":1}}", "$.a.b: this is no operator");
    REFUSED("{\"a\":{\"$gt\":1,\"b\":1}}", "$.a.b: this is no operator");
    REFUSED("{\"a\":{}}", "$.a: an empty object");
    REFUSED("{\"a\":{\"$eq\":{\"b\":1}}}", "$.a.$eq: an object cannot be compared");
    REFUSED("{\"a\":{\"$in\":[1,[2]]}}", "$.a.$in[1]: an array cannot");
    REFUSED("{\"a\":{\"$in\":1}}", "$.a.$in: this operator takes an array");
    REFUSED("{\"a\":{\"$all\":[]}}", "$.a.$all: $all takes an array of at least one value");
    REFUSED("{\"a\":{\"$all\":[1,{}]}}", "$.a.$all[1]: an object");
    REFUSED("{\"a\":{\"$gt\":null}}", "$.a.$gt: only numbers, strings and");
    REFUSED("{\"a\":{\"$lte\":true}}", "$.a.$lte: only numbers, strings and");
    REFUSED("{\"a\":{\"$exists\":1}}", "$.a.$exists: $exists takes true or false");
    REFUSED("{\"a\":{\"$prefix\":1}}", "$.a.$prefix: $prefix takes a string");
    REFUSED("{\"a\":{\"$contains\":null}}", "$.a.$contains: ");
    REFUSED("{\"a\":{\"$contains\":[1]}}", "use $in for any of these values, $all for all");
    REFUSED("{\"a\":{\"$size\":-1}}", "$.a.$size: $size takes a whole number");
    REFUSED("{\"a\":{\"$size\":1.5}}", "$.a.$size: ");
    REFUSED("{\"a\":{\"$not\":1}}", "$.a.$not: $not takes an object of operators; use $ne");
    REFUSED("{\"a\":{\"$gt\":{\"$date\":\"2024-13-01\"}}}", "$.a.$gt: $date takes a time of RFC 3339");
    REFUSED("{\"a\":{\"$date\":5}}", "$.a: $date takes");
    REFUSED("{\"a\":{\"$center\":5}}", "$.a.$center: this operator does not stand here");
    REFUSED("{\"a\":{\"$geoWithin\":5}}", "$.a.$geoWithin: $geoWithin takes");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$center\":[[1,2]]}}}", "$.a.$geoWithin.$center: $center takes");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$center\":[[1,\"2\"],3]}}}", "$center takes");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$center\":[[1,91],3]}}}", "latitude from -90 to 90");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$center\":[[1,2],-3]}}}", "at least 0");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$box\":[[1,2],[3]]}}}", "$.a.$geoWithin.$box: $box takes");
    REFUSED("{\"a\":{\"$geoWithin\":{\"$box\":[[1,5],[3,4]]}}}", "south of $box");
    REFUSED("{\"a..b\":1}", "$.a..b: a path has an empty name");
    REFUSED("{\"\":1}", "$.: a path has an empty name");
    REFUSED("{\"a.\":1}", "empty name");
    REFUSED("{\"a\\\\b\":1}", "a backslash in a path");
    end();
}

TEST(broken_json_is_refused_with_its_byte) {
    begin();
    REFUSED_AS("{\"a\":1", OMEN_ERR_JSON, "filter: malformed JSON at byte 6");
    REFUSED_AS("{\"a\":\"\xff\"}", OMEN_ERR_JSON, "filter: malformed JSON at byte 6");
    REFUSED_AS("{\"a\":1e999}", OMEN_ERR_JSON, "byte");
    REFUSED_AS("{\"a\":NaN}", OMEN_ERR_JSON, "byte 5");
    omen_filter *f;
    CHECK_STATUS(omen_filter_from_json(&mem, str(""), &f, &error), OMEN_ERR_JSON);
    CHECK_STATUS(omen_filter_from_json(&mem, str("[]"), &f, &error), OMEN_ERR_INVALID);
    CHECK(strstr(error.text, "filter at $: a filter is an object") != NULL);
    CHECK_STATUS(omen_filter_from_json(&mem, str("a = 1"), &f, &error), OMEN_ERR_JSON);
    end();
}

/* `front` n times, `middle`, `back` n times. */
static char *nested(const char *front, size_t n, const char *middle, const char *back) {
    char *text = malloc(strlen(front) * n + strlen(middle) + strlen(back) * n + 1), *p = text;
    for (size_t i = 0; i < n; i++) p = stpcpy(p, front);
    p = stpcpy(p, middle);
    for (size_t i = 0; i < n; i++) p = stpcpy(p, back);
    return text;
}

TEST(limits_hold) {
    begin();
    /* Depth: $not of two conditions stays; 64 levels of JSON are read. */
    char *deep = nested("{\"$not\":{\"a\":1,\"$not\":", 30, "{\"b\":2}", "}}");
    omen_filter *f = compiled(deep);
    if (f != NULL) check_form(f);
    omen_filter_free(&mem, f);
    free(deep);
    deep = nested("{\"$not\":", 100, "{\"b\":2}", "}");
    check_refused(__LINE__, str(deep), OMEN_ERR_JSON, "nested deeper than 64 levels");
    free(deep);
    /* $in */
    for (size_t n = OMEN_FILTER_MAX_IN; n <= OMEN_FILTER_MAX_IN + 1; n++) {
        char *text = malloc(n * 8 + 64), *p = stpcpy(text, "{\"a\":{\"$in\":[");
        for (size_t i = 0; i < n; i++) p += sprintf(p, "%s%zu", i == 0 ? "" : ",", i * 40503 % 65537);
        strcpy(p, "]}}");
        if (n == OMEN_FILTER_MAX_IN) {
            f = compiled(text);
            REQUIRE(f != NULL);
            CHECK_EQ_UINT(f->value_count, OMEN_FILTER_MAX_IN);
            check_form(f);
            omen_filter_free(&mem, f);
        } else {
            check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "filter at $.a.$in: a list has more than 65536 values");
        }
        free(text);
    }
    /* nodes */
    char *text = malloc(OMEN_FILTER_MAX_NODES * 9 + 64), *p = stpcpy(text, "{\"$or\":[{\"a\":1}");
    for (size_t i = 0; i < OMEN_FILTER_MAX_NODES; i++) p = stpcpy(p, ",{\"a\":1}");
    strcpy(p, "]}");
    check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "more than 16384 conditions");
    free(text);
    /* paths */
    text = malloc(3000);
    memset(text, 'x', 3000);
    memcpy(text, "{\"", 2);
    strcpy(text + 2 + OMEN_FILTER_MAX_PATH, "\":1}");
    f = compiled(text);
    omen_filter_free(&mem, f);
    strcpy(text + 2 + OMEN_FILTER_MAX_PATH, "xx\":1}");
    check_refused(__LINE__, str(text), OMEN_ERR_TOO_LARGE, "a path is longer than 1024 bytes");
    free(text);
    deep = nested("a.", 64, "a", "");
    char quoted[300];
    sprintf(quoted, "{\"%s\":1}", deep);
    REFUSED_AS(quoted, OMEN_ERR_TOO_LARGE, "more than 64 names");
    free(deep);
    /* text */
    size_t size = OMEN_FILTER_MAX_TEXT + 1;
    text = malloc(size);
    memset(text, ' ', size);
    text[0] = '{', text[size - 1] = '}';
    check_refused(__LINE__, (omen_str){text, size}, OMEN_ERR_TOO_LARGE, "at most 16777216 are read");
    check_refused(__LINE__, (omen_str){text, size - 1}, OMEN_ERR_JSON, "byte");
    free(text);
    end();
}

TEST(places_of_long_names_are_cut_between_characters) {
    begin();
    char text[400] = "{\"$or\":[{\"";
    for (int i = 0; i < 40; i++) strcat(text, i == 0 ? "a" : "\xC3\xA4");
    strcat(text, "\":{\"$and\":[]}}]}");
    REFUSED(text, "...");
    CHECK(strstr(error.text, "$.$or[0].a\xC3\xA4") != NULL && strstr(error.text, "\xC3\xA4....$and") != NULL);
    end();
}

TEST(memory_may_run_out_at_any_point) {
    begin();
    static const char text[] = "{\"$or\":[{\"a.b\":{\"$in\":[3,1,2,\"x\"]}},{\"c\":{\"$geoWithin\":{\"$center\":[[1,2],3]}}},{\"d\":{\"$not\":{\"$all\":[1,2]}}}]}";
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
