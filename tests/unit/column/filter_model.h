/* filter_model.h - what the tests of filters share: compiling, and asking one document. */
#ifndef FILTER_MODEL_H
#define FILTER_MODEL_H

#include "test.h"

#include "column/filter.h"
#include "fault_host.h"

static fault_host *host;
static omen_mem mem;
static omen_error error;

static TEST_UNUSED omen_str str(const char *text) { return (omen_str){text, strlen(text)}; }

static TEST_UNUSED void begin(void) {
    host = fault_host_new(1);
    omen_mem_init(&mem, &host->host, 0);
    error = (omen_error){0};
}

static TEST_UNUSED void end(void) {
    CHECK_EQ_UINT(fault_host_bytes(host), 0);
    CHECK_EQ_UINT(mem.bytes, 0);
    fault_host_free(host);
}

/* NULL when it does not compile, which is a failed check. */
static TEST_UNUSED omen_filter *compiled(const char *text) {
    omen_filter *f = NULL;
    error = (omen_error){0};
    if (!CHECK_OK(omen_filter_compile(&mem, str(text), &f, &error))) printf("        %s\n        %s\n", text, error.text);
    return f;
}

/* 1, 0; -1 when something does not compile. */
static TEST_UNUSED int asked(const char *filter, const char *document) {
    omen_filter *f = compiled(filter);
    omen_json *json = NULL;
    if (f == NULL) return -1;
    if (document != NULL && !CHECK_OK(omen_json_parse(&mem, str(document), &json, &error))) {
        omen_filter_free(&mem, f);
        return -1;
    }
    int answer = omen_filter_matches(f, json == NULL ? NULL : omen_json_root(json));
    omen_json_free(json);
    omen_filter_free(&mem, f);
    return answer;
}

static TEST_UNUSED void check_match(int line, const char *filter, const char *document, int want) {
    int got = asked(filter, document);
    if (got != want && test_fail(__FILE__, line, "a document's answer")) printf("        %s\n        %s\n        got %d, want %d\n", filter, document == NULL ? "(none)" : document, got, want);
}
#define MATCH(filter, document) check_match(__LINE__, filter, document, 1)
#define MISS(filter, document) check_match(__LINE__, filter, document, 0)

/* Both compile, to the same bytes. */
static TEST_UNUSED void check_same(int line, const char *one, const char *other) {
    omen_filter *a = compiled(one), *b = compiled(other);
    if (a != NULL && b != NULL && (a->size != b->size || memcmp(a, b, a->size) != 0) && test_fail(__FILE__, line, "two spellings differ"))
        printf("        %s\n        %s\n", one, other);
    omen_filter_free(&mem, a);
    omen_filter_free(&mem, b);
}
#define SAME(one, other) check_same(__LINE__, one, other)

static TEST_UNUSED void check_refused(int line, omen_str text, omen_status want, const char *part) {
    omen_filter *f = (omen_filter *)8;
    error = (omen_error){0};
    omen_status s = omen_filter_compile(&mem, text, &f, &error);
    if (s == want && f == NULL && error.status == want && strstr(error.text, part) != NULL) return;
    if (test_fail(__FILE__, line, "a refusal")) printf("        %.*s\n        status %d, want %d\n        got  %s\n        want %s\n", (int)OMEN_MIN(text.len, 200), text.data, s, want, error.text, part);
    if (s == OMEN_OK) omen_filter_free(&mem, f);
}
#define REFUSED(text, part) check_refused(__LINE__, str(text), OMEN_ERR_INVALID, part)
#define REFUSED_AS(text, status, part) check_refused(__LINE__, str(text), status, part)

/* Every compiled program must hold what filter.h says of its form. */
static TEST_UNUSED void check_form(const omen_filter *f) {
    const omen_filter_node *n = omen_filter_nodes(f);
    uint32_t standing = 0, most = 0;
    REQUIRE(f->size % 8 == 0 && f->node_count >= 1 && f->nodes == sizeof *f);
    for (uint32_t i = 0; i < f->node_count; i++) {
        bool leaf = omen_filter_is_leaf(n[i].op);
        CHECK(n[i].span >= 1 && n[i].span <= i + 1 && leaf == (n[i].span == 1) && n[i].zero == 0);
        CHECK(i + 1 == f->node_count ? n[i].parent == f->node_count && n[i].first == 1 : n[i].parent > i && n[i].parent < f->node_count);
        if (leaf) {
            CHECK((n[i].op <= OMEN_FILTER_FALSE) == (n[i].path == UINT32_MAX));
            if (n[i].op <= OMEN_FILTER_FALSE) CHECK_EQ_UINT(f->node_count, 1);
            else CHECK(n[i].path < f->path_count);
            standing++;
        } else {
            uint32_t children = 0;
            for (uint32_t c = i - 1;; c -= n[c].span) {
                CHECK_EQ_UINT(n[c].parent, i);
                CHECK(n[c].op != n[i].op);
                children++;
                if (n[c].first) {
                    CHECK_EQ_UINT(c - n[c].span + 1, i - n[i].span + 1);
                    break;
                }
            }
            CHECK(n[i].op == OMEN_FILTER_NOT ? children == 1 : children >= 2);
        }
        most = OMEN_MAX(most, standing);
        if (!n[i].first) standing--;
        if (n[i].op == OMEN_FILTER_IN) {
            const omen_filter_value *v = omen_filter_values(f, &n[i]);
            CHECK(n[i].value_count >= 2);
            for (uint32_t k = 1; k < n[i].value_count; k++) CHECK_EQ_INT(omen_filter_order(f, &v[k - 1], &v[k]), -1);
        }
        if (n[i].value_count != 0 && n[i].op < OMEN_FILTER_CIRCLE)
            CHECK(n[i].values >= f->values && n[i].values + n[i].value_count * sizeof(omen_filter_value) <= f->values + f->value_count * sizeof(omen_filter_value));
    }
    CHECK_EQ_UINT(standing, 1);
    CHECK_EQ_UINT(most, f->stack);
}

#endif
