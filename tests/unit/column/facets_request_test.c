/* What is asked of facets: edges of names, ranges and histograms, and memory that ends while it is read. */
#include "test.h"

#include "column/facets_inside.h"
#include "memory_fixture.h"

static omen_facets_request *read(const char *text, omen_status *status) {
    omen_json *json;
    omen_facets_request *r = NULL;
    error = (omen_error){0};
    if (omen_json_parse(&mem, (omen_str){text, strlen(text)}, &json, &error) != OMEN_OK) abort();
    *status = omen_facets_request_read(&mem, omen_json_root(json), &r, &error);
    omen_json_free(json);
    return r;
}

static void refused(const char *text, const char *said) {
    omen_status s;
    CHECK(read(text, &s) == NULL);
    CHECK_STATUS(s, OMEN_ERR_INVALID);
    if (!CHECK(error.status == s && strstr(error.text, said) != NULL)) printf("     %s: %s\n", text, error.text);
}

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"
#define SHOWN "012345678901234567890123456789012345678901234567890123456789"

TEST(names_are_shown_as_far_as_they_fit) {
    begin();
    refused("{\"" LONG "\":7}", "facets: " SHOWN "...: a facet is an object");
    refused("{\"" LONG "\":{\"x\":1}}", "facets: " SHOWN ": there is no \"x\"");
    refused("{\"\":7}", "facets: : a facet is an object");
    refused("{\"\":{\"\":1}}", "facets: : there is no \"\"");
    refused("{\"a\":{\"" LONG "\":1}}", "there is no \"" SHOWN "\"");
    refused("{\"\":{},\"\":{}}", "");
    refused("[\"a\",\"a\"]", "two facets of this name");
    refused("{\"\":{\"path\":\"a\"},\"\":{\"path\":\"b\"}}", "two facets of this name");
    end();
}

TEST(limits) {
    omen_status s;
    begin();
    omen_facets_request *r = read("{\"a\":{\"maxValues\":3},\"b\":{\"limit\":0,\"stats\":true,\"values\":true},\"c\":{\"stats\":true}}", &s);
    CHECK_OK(s);
    CHECK(r->facet_count == 3 && r->unit_count == 4 && r->units[0].limit == 3 && r->units[0].max_values == 3 && r->units[1].limit == 0 && r->units[2].kind == FACET_STATS && r->units[3].facet == 2);
    omen_facets_request_free(r);
    refused("{\"a\":{\"limit\":5,\"maxValues\":4}}", "0 to maxValues");
    refused("{\"a\":{\"limit\":-1}}", "0 to maxValues");
    refused("{\"a\":{\"limit\":1048577}}", "0 to maxValues");
    refused("{\"a\":{\"maxValues\":\"7\"}}", "1 to 1048576");
    refused("{\"a\":{\"maxValues\":0}}", "1 to 1048576");
    refused("{\"a\":{\"maxValues\":1048577}}", "1 to 1048576");
    refused("{\"a\":{\"values\":1}}", "true or false");
    refused("{\"a\":{\"stats\":null}}", "true or false");
    refused("{\"a\":{\"path\":7}}", "path is a string");
    refused("7", "an object of facets by name");
    refused("[7]", "an object of facets by name");
    end();
}

TEST(ranges_and_histograms) {
    omen_status s;
    begin();
    omen_facets_request *r = read("{\"a\":{\"ranges\":[{\"from\":1,\"to\":2.5},{\"to\":1},{\"from\":{\"$date\":\"2024-01-01\"}}]},\"b\":{\"histogram\":{\"interval\":1e19}},\"c\":{\"histogram\":{\"interval\":2.0}},\"d\":{\"histogram\":{\"interval\":0.5}}}", &s);
    CHECK_OK(s);
    CHECK(r->units[0].range_count == 3 && r->units[0].times && r->units[0].numbers);
    CHECK(!r->units[1].step.whole && r->units[1].step.number == 1e19 && r->units[2].step.whole && r->units[2].step.integer == 2 && !r->units[3].step.whole);
    omen_facets_request_free(r);
    refused("{\"a\":{\"ranges\":7}}", "1 to 256 ranges");
    refused("{\"a\":{\"ranges\":[]}}", "1 to 256 ranges");
    refused("{\"a\":{\"ranges\":[7]}}", "a range is an object");
    refused("{\"a\":{\"ranges\":[{}]}}", "from, to, or both");
    refused("{\"a\":{\"ranges\":[{\"from\":1,\"top\":2}]}}", "from, to, or both");
    refused("{\"a\":{\"ranges\":[{\"from\":true}]}}", "numbers or times");
    refused("{\"a\":{\"ranges\":[{\"to\":[]}]}}", "numbers or times");
    refused("{\"a\":{\"ranges\":[{\"to\":{\"a\":1}}]}}", "numbers or times");
    refused("{\"a\":{\"ranges\":[{\"to\":{\"$date\":1}}]}}", "$date takes a string");
    refused("{\"a\":{\"ranges\":[{\"from\":\"x\"}]}}", "RFC 3339");
    refused("{\"a\":{\"ranges\":[{\"from\":1,\"to\":\"2024-01-01\"}]}}", "number to number");
    refused("{\"a\":{\"ranges\":[{\"from\":2,\"to\":2.0}]}}", "below its to");
    refused("{\"a\":{\"histogram\":7}}", "an interval and nothing else");
    refused("{\"a\":{\"histogram\":{\"interval\":7,\"from\":1}}}", "an interval and nothing else");
    refused("{\"a\":{\"histogram\":{\"interval\":0}}}", "above 0");
    refused("{\"a\":{\"histogram\":{\"interval\":true}}}", "above 0");
    refused("{\"a\":{\"histogram\":{\"interval\":\"fortnight\"}}}", "interval of time");
    end();
}

TEST(memory_ends_while_it_is_read) {
    static char text[3000];
    begin();
    /* A name fills the arena's first block up to any place. */
    for (size_t filled = 1; filled < 1100; filled += TEST_PICK(3, 9)) {
        omen_json *json;
        size_t n = (size_t)snprintf(text, sizeof text, "{\"");
        memset(text + n, 'x', filled);
        snprintf(text + n + filled, sizeof text - n - filled, "\":{\"path\":\"a\"},\"b\":{\"ranges\":[{\"to\":1}]},\"c\":{}}");
        CHECK_OK(omen_json_parse(&mem, (omen_str){text, strlen(text)}, &json, &error));
        omen_status s = OMEN_ERR_MEMORY;
        unsigned failed = 0;
        for (uint64_t k = 1; s != OMEN_OK && k < 100; k++) {
            omen_facets_request *r;
            error = (omen_error){0};
            fault_host_fail_alloc_at(host, k, true);
            s = omen_facets_request_read(&mem, omen_json_root(json), &r, &error);
            fault_host_fail_alloc_at(host, 0, false);
            CHECK((s == OMEN_OK) == (r != NULL) && (s == OMEN_OK || (s == OMEN_ERR_MEMORY && error.status == s)));
            failed += s != OMEN_OK;
            omen_facets_request_free(r);
        }
        CHECK(s == OMEN_OK && failed >= 2);
        omen_json_free(json);
    }
    end();
}

TEST_MAIN()
