/* Grouping against a reference that looks every value up anew. */
#include "test.h"

#include "memory_fixture.h"
#include "query/group.h"

enum { HITS = 500 };

/* Values 0 to values - 1; 0 is missing. */
static void check(uint32_t hits, uint32_t values, uint32_t groups, uint32_t per_group, bool skip) {
    uint32_t value[HITS], first[HITS], wanted = 0;
    omen_groups g;
    omen_error err = {0};
    if (!CHECK_OK(omen_groups_init(&g, &mem, groups, per_group, skip, &err))) return;
    for (uint32_t i = 0; i < hits; i++) {
        char text[32];
        value[i] = (uint32_t)test_rand_below(values);
        int len = snprintf(text, sizeof text, "\"value %u\"", value[i]);
        bool done = omen_groups_done(&g);
        uint32_t before = g.count, full = g.full;
        CHECK_OK(omen_groups_add(&g, i, value[i] == 0 ? NULL : (const uint8_t *)text, (uint32_t)len, &err));
        if (done) CHECK(g.count == before && g.full == full);
    }
    for (uint32_t i = 0; i < hits && wanted < groups; i++) { /* the first of each value, in order */
        bool seen = skip && value[i] == 0;
        for (uint32_t j = 0; j < i; j++) seen = seen || value[j] == value[i];
        if (!seen) first[wanted++] = i;
    }
    CHECK_EQ_UINT(g.count, wanted);
    for (uint32_t w = 0; w < wanted && w < g.count; w++) {
        const omen_group *x = &g.all[w];
        uint32_t n = 0, all = 0;
        CHECK((x->value == NULL) == (value[first[w]] == 0));
        for (uint32_t i = 0; i < hits; i++) {
            if (value[i] != value[first[w]]) continue;
            all++;
            if (n < per_group && n < x->count) CHECK_EQ_UINT(x->hits[n], i);
            n += n < per_group;
        }
        CHECK_EQ_UINT(x->count, n);
        CHECK_EQ_UINT(x->seen, all);
    }
    omen_groups_deinit(&g);
}

TEST(groups_are_as_a_reference_has_them) {
    begin();
    for (unsigned round = 0; round < 300; round++)
        check((uint32_t)test_rand_below(HITS), 1 + (uint32_t)test_rand_below(round % 3 == 0 ? 400 : 20), 1 + (uint32_t)test_rand_below(round % 2 == 0 ? 8 : 300), 1 + (uint32_t)test_rand_below(6), round & 1);
    end();
}

TEST(a_hit_of_several_values_is_in_each_group_once) {
    begin();
    omen_groups g;
    omen_error err = {0};
    CHECK_OK(omen_groups_init(&g, &mem, 5, 2, false, &err));
    static const char *const tags[][3] = {{"\"x\"", "\"y\"", "\"x\""}, {"\"y\"", "\"y\"", "\"z\""}, {"\"x\"", "1", "\"1\""}};
    for (uint32_t h = 0; h < 3; h++)
        for (uint32_t t = 0; t < 3; t++) CHECK_OK(omen_groups_add(&g, h, (const uint8_t *)tags[h][t], (uint32_t)strlen(tags[h][t]), &err));
    REQUIRE(g.count == 5);
    CHECK(g.all[0].count == 2 && g.all[0].hits[0] == 0 && g.all[0].hits[1] == 2);
    CHECK(g.all[1].count == 2 && g.all[1].hits[0] == 0 && g.all[1].hits[1] == 1);
    CHECK(g.all[2].count == 1 && g.all[3].count == 1 && g.all[4].count == 1);
    omen_groups_deinit(&g);
    end();
}

TEST(nothing_can_change_once_all_groups_are_full) {
    begin();
    omen_groups g;
    omen_error err = {0};
    CHECK_OK(omen_groups_init(&g, &mem, 2, 1, false, &err));
    CHECK_OK(omen_groups_add(&g, 0, (const uint8_t *)"1", 1, &err));
    CHECK(!omen_groups_done(&g));
    CHECK_OK(omen_groups_add(&g, 1, NULL, 0, &err));
    CHECK(omen_groups_done(&g));
    omen_groups_deinit(&g);
    CHECK_STATUS(omen_groups_init(&g, &mem, 0, 1, false, &err), OMEN_ERR_INVALID);
    CHECK_STATUS(omen_groups_init(&g, &mem, 1, 0, false, &err), OMEN_ERR_INVALID);
    end();
}

static const char *canonical(const char *json) {
    static char text[128];
    omen_json *j;
    omen_error err = {0};
    omen_buf b;
    omen_buf_init(&b, &mem);
    text[0] = 0;
    if (CHECK_OK(omen_json_parse(&mem, (omen_str){json, strlen(json)}, &j, &err)) && CHECK_OK(omen_group_value(omen_json_root(j), &b)) && b.len < sizeof text) {
        if (b.len != 0) memcpy(text, b.data, b.len);
        text[b.len] = 0;
    }
    omen_json_free(j);
    omen_buf_deinit(&b);
    return text;
}

TEST(equal_values_have_one_text) {
    begin();
    static const char *const pairs[][2] = {{"1", "1"}, {"1.0", "1"}, {"10e-1", "1"}, {"-0.0", "0"}, {"0", "0"}, {"1.5", "1.5"}, {"15e-1", "1.5"}, {"\"1\"", "\"1\""}, {"\"\\u0041\"", "\"A\""}, {"true", "true"},
        {"null", ""}, {"9223372036854775808", "9223372036854775808"}, {"9223372036854775808.0", "9223372036854775808"}, {"-9223372036854775808.0", "-9223372036854775808"},
        {"1e300", "1e300"}, {"[1, 2]", "[1,2]"}, {"{ \"a\" : 1 }", "{\"a\":1}"}};
    for (size_t i = 0; i < OMEN_ARRAY_LEN(pairs); i++) CHECK_EQ_STR(canonical(pairs[i][0]), pairs[i][1]);
    omen_buf b;
    omen_buf_init(&b, &mem);
    CHECK_OK(omen_group_value(NULL, &b));
    CHECK_EQ_UINT(b.len, 0);
    end();
}

TEST(without_memory_groups_stay_as_they_were) {
    begin();
    omen_error err = {0};
    for (uint64_t n = 1;; n++) {
        omen_groups g;
        bool failed = false;
        CHECK_OK(omen_groups_init(&g, &mem, 100, 2, false, &err));
        fault_host_fail_alloc_at(host, n, false);
        for (uint32_t i = 0; i < 200; i++) {
            char text[16];
            uint32_t before = g.count;
            int len = snprintf(text, sizeof text, "%u", i % 100);
            omen_status s = omen_groups_add(&g, i, (const uint8_t *)text, (uint32_t)len, &err);
            if (s == OMEN_OK) continue;
            CHECK_STATUS(s, OMEN_ERR_MEMORY);
            failed = true;
            CHECK_EQ_UINT(g.count, before);
            CHECK_OK(omen_groups_add(&g, i, (const uint8_t *)text, (uint32_t)len, &err)); /* and goes on */
        }
        fault_host_fail_alloc_at(host, 0, false);
        CHECK_EQ_UINT(g.count, 100);
        CHECK(omen_groups_done(&g));
        omen_groups_deinit(&g);
        if (!failed) {
            CHECK(n > 4);
            break;
        }
    }
    end();
}

/* Groups that may have many hits and have few take the room of few; those that have many have them all, in order. */
TEST(room_grows_with_hits) {
    omen_groups g;
    omen_error err = {0};
    begin();
    CHECK_OK(omen_groups_init(&g, &mem, 20000, 1000, false, &err));
    for (uint32_t i = 0; i < 20000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", i % 2 == 0 ? 0 : i);
        CHECK_OK(omen_groups_add(&g, i, (const uint8_t *)text, (uint32_t)len, &err));
    }
    CHECK_EQ_UINT(g.count, 10001);
    CHECK_EQ_UINT(g.all[0].count, 1000);
    CHECK_EQ_UINT(g.all[0].seen, 10000);
    for (uint32_t i = 0; i < 1000; i++) CHECK_EQ_UINT(g.all[0].hits[i], 2 * i);
    CHECK(mem.peak < 4u << 20);
    omen_groups_deinit(&g);
    end();
}

TEST_MAIN()
