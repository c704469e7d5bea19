/* Reading, merging and writing JSON: what is accepted, where an error is placed, and what happens when memory runs out at any point. */
#include "test.h"

#include "base/json.h"
#include "memory_fixture.h"

static omen_str str(const char *text) { return (omen_str){text, strlen(text)}; }

TEST(values_of_every_kind_are_accepted) {
    static const char *const good[] = {"{}", "[]", "0", "-0.5e-3", "\"\"", "true", "null", " \t\r\n[1 , 2]\n", "{\"a\":{\"b\":[null,false,\"\\u00e9\\ud83d\\ude00\"]}}",
                                       "\"\\u0000\"", "18446744073709551615", "[123456789012345678901234567890]", "{\"a\":1,\"a\":2}"};
    begin();
    for (size_t i = 0; i < OMEN_ARRAY_LEN(good); i++) CHECK_OK(omen_json_check(&mem, str(good[i]), false, &error));
    end();
}

TEST(what_is_no_json_is_refused_with_its_place) {
    static const struct {
        const char *text;
        size_t len; /* 0: all of it */
        const char *place;
    } bad[] = {
        {"", 0, "empty"},           {" ", 0, "byte"},        {"{", 0, "byte"},          {"{\"a\":1,}", 0, "byte 6"}, {"[1,]", 0, "byte 2"},
        {"[1] 2", 0, "byte 4"},     {"nul", 0, "byte"},      {"'a'", 0, "byte 0"},      {"{a:1}", 0, "byte 1"},      {"[01]", 0, "byte"},
        {"[1e999]", 0, "byte"},     {"[NaN]", 0, "byte 1"},  {"[-Infinity]", 0, "byte"}, {"\"\\ud800\"", 0, "byte"},  {"\"\xff\"", 0, "byte 1"},
        {"\"\xc0\x80\"", 0, "byte"}, {"\"a\nb\"", 0, "byte"}, {"/*x*/1", 0, "byte 0"},  {"\xef\xbb\xbf{}", 0, "byte 0"}, {"{}\0", 3, "byte 2"},
        {"[1,2", 0, "byte 4"},      {"]", 0, "byte 0"},      {"\"\\", 0, "byte"},       {"{\"a\"}", 0, "byte 4"},
    };
    begin();
    for (size_t i = 0; i < OMEN_ARRAY_LEN(bad); i++) {
        omen_str text = {bad[i].text, bad[i].len != 0 ? bad[i].len : strlen(bad[i].text)};
        error = (omen_error){0};
        CHECK_STATUS(omen_json_check(&mem, text, false, &error), OMEN_ERR_JSON);
        CHECK_STATUS(error.status, OMEN_ERR_JSON);
        if (!CHECK(strstr(error.text, bad[i].place) != NULL)) printf("        %s: %s\n", bad[i].text, error.text);
    }
    end();
}

TEST(an_object_can_be_asked_for) {
    begin();
    CHECK_OK(omen_json_check(&mem, str(" {\"a\":[]} "), true, &error));
    CHECK_STATUS(omen_json_check(&mem, str("[{}]"), true, &error), OMEN_ERR_JSON);
    CHECK(strstr(error.text, "object") != NULL);
    CHECK_STATUS(omen_json_check(&mem, str("1"), true, NULL), OMEN_ERR_JSON);
    end();
}

/* `depth` levels of [ or {"a": around a 1. */
static omen_str nested(char *room, size_t depth, bool object) {
    size_t n = 0;
    for (size_t i = 0; i < depth; i++) n += (size_t)sprintf(room + n, object ? "{\"a\":" : "[");
    room[n++] = '1';
    for (size_t i = 0; i < depth; i++) room[n++] = object ? '}' : ']';
    return (omen_str){room, n};
}

TEST(depth_is_limited_before_anything_is_parsed) {
    static char room[2000000];
    omen_json *j;
    begin();
    for (int object = 0; object < 2; object++) {
        CHECK_OK(omen_json_check(&mem, nested(room, OMEN_MAX_JSON_DEPTH, object), false, &error));
        CHECK_STATUS(omen_json_check(&mem, nested(room, OMEN_MAX_JSON_DEPTH + 1, object), false, &error), OMEN_ERR_JSON);
        CHECK(strstr(error.text, object ? "byte 320" : "byte 64") != NULL);
        CHECK_STATUS(omen_json_parse(&mem, nested(room, OMEN_MAX_JSON_DEPTH + 1, object), &j, NULL), OMEN_ERR_JSON);
        CHECK(j == NULL);
    }
    uint64_t before = fault_host_allocs(host);
    CHECK_STATUS(omen_json_check(&mem, nested(room, 200000, true), false, NULL), OMEN_ERR_JSON);
    memset(room, '[', sizeof room);
    CHECK_STATUS(omen_json_check(&mem, (omen_str){room, sizeof room}, false, NULL), OMEN_ERR_JSON);
    CHECK_EQ_UINT(fault_host_allocs(host), before);
    /* Brackets in strings, and behind escaped quotes, do not count. */
    size_t n = 0;
    room[n++] = '"';
    for (int i = 0; i < 200; i++) n += (size_t)sprintf(room + n, "[{\\\"\\\\");
    room[n++] = '"';
    CHECK_OK(omen_json_check(&mem, (omen_str){room, n}, false, &error));
    end();
}

TEST(values_are_read) {
    omen_json *j;
    omen_str s;
    int64_t i;
    uint64_t u;
    double d;
    bool b;
    begin();
    REQUIRE_OK(omen_json_parse(&mem,
                               str("{\"s\":\"a\\u0000\\n\",\"i\":-7,\"u\":18446744073709551615,\"m\":9223372036854775807,\"d\":2.5,\"b\":true,\"n\":null,"
                                   "\"a\":[1,[2,3],{\"x\":4}],\"s\":\"second\",\"\":0}"),
                               &j, &error));
    const omen_json_val *root = omen_json_root(j), *a = omen_json_get(root, "a");
    CHECK(omen_json_is_object(root) && !omen_json_is_array(root) && !omen_json_is_null(root));
    CHECK_EQ_UINT(omen_json_count(root), 10);
    REQUIRE(omen_json_str(omen_json_get(root, "s"), &s)); /* the first of two */
    CHECK_EQ_UINT(s.len, 3);
    CHECK_MEM(s.data, "a\0\n", 3);
    CHECK(omen_json_i64(omen_json_get(root, "i"), &i) && i == -7);
    CHECK(!omen_json_u64(omen_json_get(root, "i"), &u));
    CHECK(omen_json_f64(omen_json_get(root, "i"), &d) && d == -7);
    CHECK(omen_json_u64(omen_json_get(root, "u"), &u) && u == UINT64_MAX);
    CHECK(!omen_json_i64(omen_json_get(root, "u"), &i));
    CHECK(omen_json_i64(omen_json_get(root, "m"), &i) && i == INT64_MAX);
    CHECK(omen_json_u64(omen_json_get(root, "m"), &u) && u == INT64_MAX);
    CHECK(!omen_json_i64(omen_json_get(root, "d"), &i) && !omen_json_u64(omen_json_get(root, "d"), &u));
    CHECK(omen_json_f64(omen_json_get(root, "d"), &d) && d == 2.5);
    CHECK(omen_json_bool(omen_json_get(root, "b"), &b) && b);
    CHECK(!omen_json_bool(omen_json_get(root, "i"), &b) && !omen_json_str(omen_json_get(root, "i"), &s) && !omen_json_f64(omen_json_get(root, "s"), &d));
    CHECK(omen_json_is_null(omen_json_get(root, "n")));
    CHECK(omen_json_get(root, "") != NULL);
    CHECK(omen_json_get(root, "absent") == NULL && omen_json_get(a, "a") == NULL && omen_json_get(NULL, "a") == NULL);
    CHECK(omen_json_is_array(a) && omen_json_count(a) == 3);
    CHECK(omen_json_i64(omen_json_at(omen_json_at(a, 1), 1), &i) && i == 3);
    CHECK(omen_json_at(a, 3) == NULL && omen_json_at(root, 0) == NULL);
    omen_json_iter it = omen_json_iter_of(a);
    const omen_json_val *v;
    size_t seen = 0;
    while ((v = omen_json_next(&it)) != NULL) {
        CHECK(v == omen_json_at(a, seen));
        seen++;
    }
    CHECK_EQ_UINT(seen, 3);
    CHECK(omen_json_next(&it) == NULL);
    it = omen_json_iter_of(root);
    CHECK(omen_json_next(&it) == NULL);
    omen_json_free(j);
    omen_json_free(NULL);
    end();
}

static omen_status collect(void *arg, omen_str key, const omen_json_val *v) {
    char *into = arg;
    int64_t n = 0;
    omen_json_i64(v, &n);
    sprintf(into + strlen(into), "%.*s=%d;", (int)key.len, key.data, (int)n);
    return n == 3 ? OMEN_ERR_INVALID : OMEN_OK;
}

TEST(members_come_in_their_order) {
    char got[100] = "";
    omen_json *j;
    begin();
    REQUIRE_OK(omen_json_parse(&mem, str("{\"z\":1,\"a\":2,\"m\":4}"), &j, &error));
    CHECK_OK(omen_json_each(omen_json_root(j), collect, got));
    CHECK_EQ_STR(got, "z=1;a=2;m=4;");
    omen_json_free(j);
    got[0] = '\0';
    REQUIRE_OK(omen_json_parse(&mem, str("{\"z\":1,\"a\":3,\"m\":4}"), &j, &error));
    CHECK_STATUS(omen_json_each(omen_json_root(j), collect, got), OMEN_ERR_INVALID);
    CHECK_EQ_STR(got, "z=1;a=3;");
    CHECK_OK(omen_json_each(omen_json_get(omen_json_root(j), "z"), collect, got));
    omen_json_free(j);
    end();
}

static const struct {
    const char *target, *patch, *want;
} merges[] = {
    /* Section 3 and the appendix of RFC 7396, as far as target and patch are objects. */
    {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
     "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},\"tags\":[\"example\"]}",
     "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
    {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
    {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
    {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
    {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
    {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
    {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
    {"{\"a\":\"foo\"}", "{\"a\":{\"b\":{\"c\":null}}}", "{\"a\":{\"b\":{}}}"},
    {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    /* Nulls inside arrays stay; empty texts are no document. */
    {"{}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}"},
    {"", "{\"a\":null,\"b\":1}", "{\"b\":1}"},
    {"{ \"a\" : 1 }", "", "{\"a\":1}"},
    {"", "", "{}"},
    /* Numbers keep their digits, strings their characters. */
    {"{\"n\":1.10,\"big\":123456789012345678901234567890,\"e\":1E+2,\"z\":-0.0}", "{\"p\":0.30000000000000000001}",
     "{\"n\":1.10,\"big\":123456789012345678901234567890,\"e\":1E+2,\"z\":-0.0,\"p\":0.30000000000000000001}"},
    {"{\"\\u0061\":\"\\u00e9\\/\\u0001\\t\\b\\f\\\\\\\"\"}", "{\"k\":\"\\u0000\\ud83d\\ude00\"}",
     "{\"a\":\"\xc3\xa9/\\u0001\\t\\b\\f\\\\\\\"\",\"k\":\"\\u0000\xf0\x9f\x98\x80\"}"},
    {"{\"t\":true,\"f\":false,\"n\":null,\"a\":[1,[],{}],\"o\":{\"x\":{\"y\":[[2]]}}}", "{\"f\":true}",
     "{\"t\":true,\"f\":true,\"n\":null,\"a\":[1,[],{}],\"o\":{\"x\":{\"y\":[[2]]}}}"},
    /* A key named twice in the patch counts once, and \u0000 in keys is told apart. */
    {"{\"a\":0}", "{\"a\":1,\"a\":2,\"b\":3,\"b\":4}", "{\"a\":1,\"b\":3}"},
    {"{\"a\":1,\"a\\u0000\":2}", "{\"a\\u0000\":null,\"\":3}", "{\"a\":1,\"\":3}"},
};

TEST(merging_follows_the_rfc) {
    begin();
    omen_buf out;
    omen_buf_init(&out, &mem);
    for (size_t i = 0; i < OMEN_ARRAY_LEN(merges); i++) {
        out.len = 0;
        REQUIRE_OK(omen_buf_append_str(&out, "kept"));
        REQUIRE_OK(omen_json_merge(&mem, str(merges[i].target), str(merges[i].patch), &out, &error));
        REQUIRE_OK(omen_buf_append(&out, "", 1));
        CHECK_MEM(out.data, "kept", 4);
        CHECK_EQ_STR((char *)out.data + 4, merges[i].want);
    }
    CHECK_STATUS(omen_json_merge(&mem, str("{"), str("{}"), &out, &error), OMEN_ERR_JSON);
    CHECK_STATUS(omen_json_merge(&mem, str("{}"), str("{\"a\"}"), &out, NULL), OMEN_ERR_JSON);
    omen_buf_deinit(&out);
    end();
}

TEST(merging_goes_as_deep_as_json_may) {
    static char a[2000], b[2000];
    begin();
    omen_buf out;
    omen_buf_init(&out, &mem);
    omen_str target = nested(a, OMEN_MAX_JSON_DEPTH, true), patch = nested(b, OMEN_MAX_JSON_DEPTH, true);
    *strchr(b, '1') = '2';
    CHECK_OK(omen_json_merge(&mem, target, patch, &out, &error));
    CHECK_EQ_UINT(out.len, patch.len);
    CHECK_MEM(out.data, patch.data, patch.len);
    omen_buf_deinit(&out);
    end();
}

/* Many members: a quadratic merge of these would take minutes. */
TEST(large_objects_merge) {
    enum { N = 200000 };
    begin();
    omen_buf target, patch, out;
    omen_buf_init(&target, &mem);
    omen_buf_init(&patch, &mem);
    omen_buf_init(&out, &mem);
    omen_jw t, p;
    omen_jw_begin(&t, &target);
    omen_jw_begin(&p, &patch);
    omen_jw_object(&t);
    omen_jw_object(&p);
    char key[20];
    for (uint64_t i = 0; i < N; i++) {
        omen_format(key, sizeof key, "k%u", (uint32_t)(i * 7919 % N));
        omen_jw_key(&t, key);
        omen_jw_u64(&t, 1);
        omen_format(key, sizeof key, "k%u", (uint32_t)(i * 104729 % N) + N / 2);
        omen_jw_key(&p, key);
        omen_jw_u64(&p, 2);
    }
    omen_jw_object_end(&t);
    omen_jw_object_end(&p);
    REQUIRE_OK(omen_jw_end(&t));
    REQUIRE_OK(omen_jw_end(&p));
    REQUIRE_OK(omen_json_merge(&mem, (omen_str){(char *)target.data, target.len}, (omen_str){(char *)patch.data, patch.len}, &out, &error));
    omen_json *j;
    REQUIRE_OK(omen_json_parse(&mem, (omen_str){(char *)out.data, out.len}, &j, &error));
    CHECK_EQ_UINT(omen_json_count(omen_json_root(j)), N + N / 2);
    omen_json_free(j);
    omen_buf_deinit(&target);
    omen_buf_deinit(&patch);
    omen_buf_deinit(&out);
    end();
}

/* Every allocation fails once: an answer, nothing leaked, and the output as it was. */
TEST(out_of_memory_is_answered_wherever_it_happens) {
    size_t failures = 0;
    for (size_t i = 0; i < OMEN_ARRAY_LEN(merges); i++) {
        for (uint64_t n = 1;; n++) {
            begin();
            omen_buf out;
            omen_buf_init(&out, &mem);
            fault_host_fail_alloc_at(host, n, true);
            omen_status s = omen_json_merge(&mem, str(merges[i].target), str(merges[i].patch), &out, &error);
            bool hit = fault_host_fault_hit(host);
            CHECK_STATUS(s, hit ? OMEN_ERR_MEMORY : OMEN_OK);
            if (hit) CHECK(out.len == 0 && error.status == OMEN_ERR_MEMORY);
            failures += hit;
            omen_buf_deinit(&out);
            end();
            if (!hit) break;
        }
    }
    CHECK(failures > 3 * OMEN_ARRAY_LEN(merges));
    for (uint64_t n = 1; n < 10; n++) {
        begin();
        omen_json *j = NULL;
        fault_host_fail_alloc_at(host, n, true);
        omen_status s = omen_json_parse(&mem, str(merges[0].target), &j, &error);
        CHECK_STATUS(s, fault_host_fault_hit(host) ? OMEN_ERR_MEMORY : OMEN_OK);
        CHECK((j == NULL) == (s != OMEN_OK));
        CHECK_EQ_UINT(error.status, s);
        omen_json_free(j);
        end();
    }
}

TEST(the_writer_puts_commas_and_escapes) {
    begin();
    omen_buf out;
    omen_buf_init(&out, &mem);
    omen_jw w;
    omen_jw_begin(&w, &out);
    omen_jw_object(&w);
    omen_jw_key(&w, "empty");
    omen_jw_array(&w);
    omen_jw_array_end(&w);
    omen_jw_key(&w, "list");
    omen_jw_array(&w);
    omen_jw_u64(&w, UINT64_MAX);
    omen_jw_i64(&w, INT64_MIN);
    omen_jw_i64(&w, 0);
    omen_jw_f64(&w, 0.1);
    omen_jw_f64(&w, 1.0 / 0.0);
    omen_jw_bool(&w, true);
    omen_jw_bool(&w, false);
    omen_jw_null(&w);
    omen_jw_object(&w);
    omen_jw_object_end(&w);
    omen_jw_object(&w);
    omen_jw_key_str(&w, (omen_str){"k\"\0", 3});
    omen_jw_str(&w, (omen_str){NULL, 0});
    omen_jw_object_end(&w);
    omen_jw_raw(&w, OMEN_STR("{\"raw\":1}"));
    omen_jw_array_end(&w);
    omen_jw_key(&w, "text");
    omen_jw_cstr(&w, "\b\t\n\v\f\r\x1f \"\\/\x7f\xc3\xa9");
    omen_jw_object_end(&w);
    REQUIRE_OK(omen_jw_end(&w));
    omen_buf_append(&out, "", 1);
    CHECK_EQ_STR((char *)out.data,
                 "{\"empty\":[],\"list\":[18446744073709551615,-9223372036854775808,0,0.1,null,true,false,null,{},{\"k\\\"\\u0000\":\"\"},{\"raw\":1}],"
                 "\"text\":\"\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\x7f\xc3\xa9\"}");
    /* What was written reads back, and prints the same. */
    omen_json *j;
    REQUIRE_OK(omen_json_parse(&mem, (omen_str){(char *)out.data, out.len - 1}, &j, &error));
    omen_buf again;
    omen_buf_init(&again, &mem);
    CHECK_OK(omen_json_print(omen_json_root(j), &again));
    CHECK_EQ_UINT(again.len, out.len - 1);
    CHECK_MEM(again.data, out.data, again.len);
    omen_json_free(j);
    omen_buf_deinit(&again);
    omen_buf_deinit(&out);
    end();
}

TEST(the_writer_nests_deeper_than_json_is_read) {
    begin();
    omen_buf out;
    omen_buf_init(&out, &mem);
    omen_jw w;
    omen_jw_begin(&w, &out);
    for (int i = 0; i < 100; i++) {
        omen_jw_array(&w);
        omen_jw_u64(&w, 1);
    }
    for (int i = 0; i < 100; i++) {
        omen_jw_array_end(&w);
        if (i < 99) omen_jw_u64(&w, 2);
    }
    REQUIRE_OK(omen_jw_end(&w));
    CHECK_EQ_UINT(out.len, 100 * 2 + 99 * 2 + 1 + 99 * 2);
    CHECK_MEM(out.data, "[1,[1,[1", 8);
    CHECK_MEM(out.data + out.len - 8, "2],2],2]", 8);
    omen_buf_deinit(&out);
    end();
}

/* Values that stand in nothing have no comma between them. */
TEST(the_writer_joins_values_of_no_list) {
    begin();
    omen_buf out;
    omen_jw w;
    omen_buf_init(&out, &mem);
    omen_jw_begin(&w, &out);
    omen_jw_u64(&w, 1);
    omen_jw_null(&w);
    CHECK_OK(omen_jw_end(&w));
    CHECK(out.len == 5 && memcmp(out.data, "1null", 5) == 0);
    omen_buf_deinit(&out);
    end();
}

TEST(the_writer_keeps_its_first_failure) {
    begin();
    omen_buf out;
    omen_buf_init(&out, &mem);
    fault_host_fail_alloc_at(host, 1, true);
    omen_jw w;
    omen_jw_begin(&w, &out);
    omen_jw_array(&w);
    for (int i = 0; i < 100; i++) omen_jw_u64(&w, 1);
    omen_jw_array_end(&w);
    CHECK_STATUS(omen_jw_end(&w), OMEN_ERR_MEMORY);
    CHECK_EQ_UINT(out.len, 0);
    omen_buf_deinit(&out);
    end();
}

TEST(doubles_print_short_and_read_back) {
    static const struct {
        double v;
        const char *text;
    } known[] = {{0.0, "0.0"},         {-0.0, "-0.0"},     {1.0, "1.0"},       {0.1, "0.1"},           {-2.5, "-2.5"},
                 {1e21, "1e21"},       {5e-324, "5e-324"}, {1.0 / 3, "0.3333333333333333"}, {1.7976931348623157e308, "1.7976931348623157e308"}, {123456789.0, "123456789.0"}};
    char text[40];
    for (size_t i = 0; i < OMEN_ARRAY_LEN(known); i++) {
        CHECK_EQ_UINT(omen_f64_print(known[i].v, text), strlen(known[i].text));
        CHECK_EQ_STR(text, known[i].text);
    }
    double inf = 1.0 / 0.0;
    omen_f64_print(inf, text), CHECK_EQ_STR(text, "+Inf");
    omen_f64_print(-inf, text), CHECK_EQ_STR(text, "-Inf");
    omen_f64_print(inf - inf, text), CHECK_EQ_STR(text, "NaN");
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = test_rand();
        double v, back;
        memcpy(&v, &bits, 8);
        if (v - v != 0) continue;
        size_t n = omen_f64_print(v, text);
        CHECK(n < 40 && strlen(text) == n);
        back = strtod(text, NULL);
        CHECK_MEM(&back, &v, 8);
    }
}

TEST(minus_zero_is_a_number_of_every_kind) {
    omen_json *json;
    uint64_t u = 7;
    int64_t i = 7;
    double d = 7;
    begin();
    CHECK_OK(omen_json_parse(&mem, str("[-0,-1]"), &json, &error));
    const omen_json_val *zero = omen_json_at(omen_json_root(json), 0), *below = omen_json_at(omen_json_root(json), 1);
    CHECK(omen_json_u64(zero, &u) && u == 0 && omen_json_i64(zero, &i) && i == 0 && omen_json_f64(zero, &d) && d == 0);
    CHECK(!omen_json_u64(below, &u) && omen_json_i64(below, &i) && i == -1);
    omen_json_free(json);
    end();
}

TEST_MAIN()
